# Two stages: build tools stay in the first. Pin the base image by digest with
# --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN python -m pip --python /opt/venv/bin/python install --no-compile --require-hashes --only-binary :all: \
    -r /tmp/requirements.txt
# What never runs: sources and headers of extensions, types, tests, and Babel's languages other than the bot's.
RUN find /opt/venv -name '*.pyi' -delete -o -name '*.pyx' -delete -o -name '*.pxd' -delete \
        -o -name '*.c' -delete -o -name '*.h' -delete \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} + \
    && find /opt/venv -path '*/babel/locale-data/*.dat' \
        ! -name root.dat ! -name 'en*.dat' ! -name 'ru*.dat' -delete
COPY bot /app/bot
COPY handlers /app/handlers
COPY storage /app/storage
# Compiled here: the container runs with a read-only root.
RUN /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib /app

FROM ${PYTHON_IMAGE}
RUN groupadd --system --gid 10001 bot \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin bot \
    && install --directory --owner=bot --group=bot --mode=0700 /data
# The base brings pip: a container that runs the bot installs nothing.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip*
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# Without a database file, kept videos are in ./data: also on the volume.
RUN ln -s /data /app/data
# Downloads use files without a name: on the volume, not in memory.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite+aiosqlite:////data/bot.db \
    HTTP_HOST=0.0.0.0 \
    HTTP_PORT=8080 \
    TMPDIR=/data
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; e = os.environ; p = e.get('ADMIN_HTTP_PORT') or (e.get('PUBLIC_TUNNEL') and '8081') or e['HTTP_PORT']; urllib.request.urlopen('http://127.0.0.1:' + p + '/healthz', timeout=8)"]
ENTRYPOINT ["python", "-m", "bot"]
