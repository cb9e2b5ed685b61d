# The image of profjob: operator, uploader and command line.
#   docker build -t profiling-operator .
#   docker build --build-arg BASE_IMAGE=registry.example/python:3.12 -t profiling-operator .
# Any base with Python >= 3.11, venv and pip will do.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY requirements/run.lock requirements/run.lock
RUN python3 -m venv /opt/profiling \
 && /opt/profiling/bin/pip install --no-cache-dir --require-hashes --requirement requirements/run.lock
COPY . .
# The wheel brings the launcher for x86_64 and aarch64; its build hook fetches a compiler if needed.
RUN /opt/profiling/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && /opt/profiling/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="profiling-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/profiling /opt/profiling
ENV PATH=/opt/profiling/bin:$PATH PYTHONUNBUFFERED=1
# A number, so that runAsNonRoot can be checked without looking into the image.
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["profjob"]
