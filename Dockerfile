# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.lock /src/
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /src/requirements.lock

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin nlbtls \
    && install --directory --owner nlbtls --group nlbtls /data
COPY --from=build /opt/venv /opt/venv
COPY bot /app/bot
COPY handlers /app/handlers
COPY services /app/services
WORKDIR /app
# Tokens come from the environment at run time; nothing secret is in a layer.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NLBTLS_CONFIG=/etc/nlbtls/nlbtls.toml \
    NLBTLS_DATABASE_URL=sqlite:////data/nlbtls.db \
    NLBTLS_HTTP_ADDRESS=0.0.0.0:8080
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]
