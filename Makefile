# Two commands for a new machine with Python >= 3.11, git and make: `make demo` and `make test`.
# Everything is set up in $(VENV); nothing is installed elsewhere.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.14,\
  $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := build/demo
IMAGE ?= profiling-operator
PYTEST_ARGS ?=

.PHONY: help demo test images image chart cluster cluster-down demo-cluster lint format generate launcher wheel lock bench setup setup-dev clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Make the environment that runs profjob
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) tools/bootstrap.py $(VENV) requirements/run.lock

setup-dev:  ## Make the environment that tests it
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) tools/bootstrap.py $(VENV) requirements/dev.lock

demo: setup  ## Profile an example on this machine, with nothing else installed
	@mkdir -p $(DEMO)
	$(BIN)/profjob run examples/python-threads/job.yaml --results $(DEMO)/profiling_output \
	  --metrics-textfile $(DEMO)/profjob.prom

test: setup-dev  ## Run the tests that this machine can run; name the others
	$(BIN)/python -m pytest $(PYTEST_ARGS)

images:  ## Make the images of tests and examples, from Debian's packages
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) tools/make_images.py

image:  ## Build profjob's image, as IMAGE
	docker build --tag $(IMAGE) .

chart:  ## Check and package the Helm chart
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@helm=$$(command -v helm || echo "$$($(PYTHON) tools/go_programs.py helm)/helm") && \
	  $$helm lint --strict charts/profiling-operator && \
	  $$helm package charts/profiling-operator --destination build/chart

cluster:  ## Start a Kubernetes on this machine (as root), or use KUBECONFIG; load the images
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) tools/cluster.py up
	@$(PYTHON) tools/cluster.py load >&2

cluster-down:  ## Remove the Kubernetes that `make cluster` started
	@$(PYTHON) tools/cluster.py down

demo-cluster: setup  ## Install the chart on that Kubernetes, run examples by `kubectl apply`
	@KUBECONFIG=$$($(PYTHON) tools/cluster.py up) && export KUBECONFIG && \
	  $(PYTHON) tools/cluster.py load && $(BIN)/python tools/demo_cluster.py $(DEMO_ARGS)

lint: setup-dev  ## Check style, types, layers and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate.py --check

format: setup-dev  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: setup-dev  ## Write what is generated: CRD, chart, schema, reference
	$(BIN)/python tools/generate.py

launcher:  ## Build the launcher alone
	$(PYTHON) tools/build_launcher.py

wheel: setup-dev  ## Build the wheel, with the launcher for x86_64 and aarch64
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

bench: setup-dev  ## Run the benchmarks with small sizes; bench/README.md has the real ones
	$(BIN)/python bench/overhead.py --repetitions 1 --rounds 40
	$(BIN)/python bench/convert.py --megabytes 1 --repeat 1
	$(BIN)/python bench/gates.py simulate --series 8
	$(BIN)/python bench/gates.py power --trials 2
	$(BIN)/python bench/gates.py real --series 1
	$(BIN)/python bench/compare.py 1
	$(BIN)/python bench/report.py --entries 20000
	@if docker image inspect profiling-operator/python:local >/dev/null 2>&1; then \
	  $(BIN)/python bench/docker_overhead.py --repetitions 1 --rounds 40 --megabytes 10; \
	else echo "left out: docker_overhead.py, which needs a Docker engine and 'make images'"; fi
	@if [ -n "$$KUBECONFIG" ]; then $(BIN)/python bench/operator_scale.py --counts 1,10 --idle 1; \
	else echo "left out: operator_scale.py, which needs a cluster at KUBECONFIG: make cluster"; fi

lock: setup-dev  ## Resolve the dependencies anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-header pyproject.toml --output-file requirements/run.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-header pyproject.toml --group dev --output-file requirements/dev.lock

clean:  ## Remove what was built
	rm -rf $(VENV) build dist operator/profiling_operator/launcher/bin
