# The service without the embedded database's data: state lives in PostgreSQL and in the store of files.
FROM python:3.13-slim AS build
WORKDIR /app
COPY requirements.txt pyproject.toml ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /state syt && mkdir /state && chown syt /state
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH SYT_HOME=/state
USER syt
WORKDIR /state
EXPOSE 8000
ENTRYPOINT ["syt"]
CMD ["serve", "--host", "0.0.0.0", "--no-jobs"]
