# The image of every role. Versions are those that the tests ran with.
FROM python:3.12-slim AS build
WORKDIR /source
RUN python -m venv /opt/undertow
COPY requirements.lock ./
COPY pyproject.toml README.md LICENSE ./
COPY drift drift
COPY alerts alerts
COPY dashboards dashboards
COPY pipelines pipelines
ARG EXTRAS=kafka,grafana
RUN /opt/undertow/bin/pip install --no-cache-dir --constraint requirements.lock ".[${EXTRAS}]"

FROM python:3.12-slim
# A volume takes over to whom the folder that it is mounted on belongs.
RUN useradd --create-home --uid 10001 undertow && mkdir -p /data/state && chown -R undertow /data
COPY --from=build /opt/undertow /opt/undertow
ENV PATH=/opt/undertow/bin:$PATH OPENBLAS_NUM_THREADS=1
USER undertow
WORKDIR /data
VOLUME /data
ENTRYPOINT ["undertow"]
CMD ["--help"]
