# One image for the API and the front end; see compose.yaml.
FROM python:3.11-slim-bookworm

RUN useradd --create-home meshseek && install -d -o meshseek /app /data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt .

USER meshseek
ENV MESHSEEK_WORKSPACE=/data MESHSEEK_HOST=0.0.0.0
VOLUME /data
EXPOSE 8000 7860
CMD ["meshseek", "serve"]
