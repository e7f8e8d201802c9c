# One image for the API and the front end; see compose.yaml.
FROM python:3.11-slim-bookworm

RUN useradd --uid 1000 --create-home meshseek && install -d -o meshseek /app /data
WORKDIR /app
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements/run.lock \
    && pip install --no-cache-dir -r requirements/torch.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
# Beside lite and hosted models: EXTRAS=siglip, or siglip,qwen; these are no part of the lock.
ARG EXTRAS=""
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && if [ -n "$EXTRAS" ]; then pip install --no-cache-dir --no-build-isolation ".[$EXTRAS]"; fi

USER meshseek
# The root file system may be read-only: what libraries keep for themselves goes to /tmp, weights go to the volume.
ENV MESHSEEK_WORKSPACE=/data MESHSEEK_HOST=0.0.0.0 HOME=/tmp HF_HOME=/data/weights PYTHONDONTWRITEBYTECODE=1
VOLUME /data
EXPOSE 8000 7860
CMD ["meshseek", "serve"]
