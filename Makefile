# Meshseek's commands; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(VENV)/.installed  ## Make .venv and install Meshseek into it

demo: setup  ## Search a real furniture library: make demo ARGS="--assets all --once"
	$(BIN)/meshseek demo $(ARGS)

test: $(VENV)/.installed-dev  ## Run every test: make test ARGS="-k store"
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.installed-dev  ## Lint, types, import contracts, formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev  ## Measure the demo: stages, latency, memory
	$(BIN)/python benchmarks/demo.py $(ARGS)

bench-embed: $(VENV)/.installed-dev  ## Measure embedding: pictures a second, waiting, memory, one query
	$(BIN)/python benchmarks/embed.py $(ARGS)
	$(BIN)/python benchmarks/embed.py --captions 100000
	$(BIN)/python benchmarks/siglip_text.py

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

bench-search: $(VENV)/.installed-bench  ## Measure search beside other engines: make bench-search ARGS="--vectors 1000000"
	$(BIN)/python benchmarks/search.py $(ARGS)

bench-ingest: $(VENV)/.installed-dev  ## Measure loading into the database beside COPY of the same bytes
	$(BIN)/python benchmarks/ingest.py $(ARGS)

bench-serve: $(VENV)/.installed-dev  ## Measure searches over HTTP beside the same over SQL, and the memory of all processes
	$(BIN)/python benchmarks/serve.py $(ARGS)

clean:  ## Remove what the tools leave behind; the workspace stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

.PHONY: help setup demo test check bench bench-embed bench-search bench-ingest bench-serve clean
