# The image of profjob: operator, uploader and command line.
#   docker build -t profiling-operator .
#   docker build --build-arg BASE_IMAGE=registry.example/python:3.12 -t profiling-operator .
#   docker run -i profiling-operator run - < job.yaml
# Any base with Python >= 3.11 will do; BUILD_IMAGE needs venv and pip too, and the same Python in
# the same place. A compiler there saves fetching one.
ARG BASE_IMAGE=python:3.12-slim-bookworm
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_DEFAULT_TIMEOUT
WORKDIR /src
COPY requirements/run.lock requirements/run.lock
RUN python3 -m venv /opt/profiling \
 && /opt/profiling/bin/pip install --no-cache-dir --require-hashes --requirement requirements/run.lock
COPY . .
# The wheel brings the launcher for x86_64 and aarch64; its build hook fetches a compiler if needed.
RUN /opt/profiling/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && /opt/profiling/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM ${BASE_IMAGE}
# What collectors need of the system; left out where the base has no apt-get.
ARG PACKAGES=linux-perf
LABEL org.opencontainers.image.title="profiling-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN mkdir -m 1777 /work \
 && if [ -n "$PACKAGES" ] && command -v apt-get; then \
      apt-get update && apt-get install --yes --no-install-recommends $PACKAGES \
      && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=build /opt/profiling /opt/profiling
ENV PATH=/opt/profiling/bin:$PATH PYTHONUNBUFFERED=1
# A number, so that runAsNonRoot can be checked without looking into the image.
USER 65532:65532
# Anyone may write there: `profjob run` leaves profiling_output in it.
WORKDIR /work
ENTRYPOINT ["profjob"]
