# Meshseek's commands; `make help` lists them.
PYTHON ?= python3
PYTHON_LOWEST ?= python3.11
PYTHON_NEWEST ?= python3.13
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORDNET ?= /usr/share/wordnet

# The locks name every tested version with its hashes; torch, which has other files in each index, comes by itself.
# Python compiles what is imported; pip would compile everything.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
INSTALL = $(PIP) --require-hashes --no-deps -r $< && $(PIP) -r requirements/torch.txt \
	&& $(PIP) --no-deps --no-build-isolation -e .
LOCK = $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-package torch --custom-compile-command "make lock" -c requirements/torch.txt $(ARGS)

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements/run.lock requirements/torch.txt pyproject.toml | $(BIN)/python
	$(INSTALL)
	@touch $@

$(VENV)/.installed-dev: requirements/dev.lock requirements/torch.txt pyproject.toml | $(BIN)/python
	$(INSTALL)
	@touch $(VENV)/.installed $@

$(VENV)/.installed-bench: requirements/bench.lock requirements/torch.txt pyproject.toml | $(BIN)/python
	$(INSTALL)
	@touch $(VENV)/.installed $(VENV)/.installed-dev $@

setup: $(VENV)/.installed  ## Make .venv and install Meshseek into it

demo: setup  ## Search a real furniture library: make demo ARGS="--assets all --once"
	$(BIN)/meshseek demo $(ARGS)

test: $(VENV)/.installed-dev  ## Run every test: make test ARGS="-k store"
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-cluster: $(VENV)/.installed-dev  ## Work on two nodes of Ray, and on three database servers, on this machine, and kill some; takes six minutes
	$(BIN)/python -m pytest $(addprefix tests/cluster/,two_nodes.py three_shards.py promoted.py network.py) $(ARGS)

test-nightly: $(VENV)/.installed-dev  ## Let libraries live for longer: 300 random lives, each compared with one from scratch
	LIVES=300 $(BIN)/python -m pytest -n 2 tests/integration/test_living_library.py $(ARGS)

test-collections: $(VENV)/.installed-dev  ## Try assimp's test models (Debian's assimp-testmodels, which is fetched): each is shown or told in one line
	$(BIN)/python -m pytest tests/model_collections/assimp.py $(ARGS)

hostile: $(VENV)/.installed-dev  ## Bring more than a hundred hostile files through every stage: make hostile ARGS=FOLDER keeps them
	$(BIN)/python -m tests.hostile $(ARGS)

chaos: $(VENV)/.installed-dev  ## Kill, fill, alter, copy ... and compare: make chaos ARGS="--only kill/embed --seed 17"
	$(BIN)/python -m tests.chaos $(ARGS)

# Tests in an environment of their own, gone afterwards: $(1) is its Python, $(2) says how uv chooses the versions.
define test-with
	@$(1) -c "" 2>/dev/null || { echo "$(1) does not run here; install it, or give its path: make $@ $(3)=PATH"; exit 1; }
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(1) -m venv "$$folder"; \
	pip="$$folder/bin/python -m pip install --quiet --disable-pip-version-check"; \
	$(BIN)/uv pip compile --quiet --python "$$folder/bin/python" $(2) --extra dev pyproject.toml -o "$$folder/tested.txt"; \
	$$pip -r "$$folder/tested.txt"; \
	$$pip --no-deps -e .; \
	"$$folder/bin/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)
endef

test-lowest: $(VENV)/.installed-dev  ## Run the tests with the lowest versions that pyproject.toml allows
	$(call test-with,$(PYTHON_LOWEST),--resolution lowest-direct,PYTHON_LOWEST)

test-newest: $(VENV)/.installed-dev  ## Run the tests on the newest Python that all dependencies have
	$(call test-with,$(PYTHON_NEWEST),-c requirements/torch.txt,PYTHON_NEWEST)

lock: $(VENV)/.installed-dev  ## Write the locks after a change to pyproject.toml: make lock ARGS=--upgrade takes newer versions
	$(LOCK) --extra dev pyproject.toml -o requirements/dev.lock
	$(LOCK) -c requirements/dev.lock pyproject.toml -o requirements/run.lock
	$(LOCK) -c requirements/dev.lock --extra dev --extra bench pyproject.toml -o requirements/bench.lock

lite-data: $(VENV)/.installed-dev  ## Make lite's query matrix and glosses from WordNet 3.0: make lite-data WORDNET=/usr/share/wordnet
	$(BIN)/python scripts/lite_data $(WORDNET)

openapi: $(VENV)/.installed-dev  ## Write the API's description to docs/openapi.json, after a change to its routes
	$(BIN)/python scripts/openapi.py

client-reference: $(VENV)/.installed-dev  ## Write docs/client-reference.md from the source of the Python client
	$(BIN)/python scripts/client_reference.py

fuzz: $(VENV)/.installed-dev  ## Send 10,000 made requests to the API: make fuzz ARGS="--cases 50000 --seed 7"
	$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(VENV)/.installed-dev  ## Search for ten minutes while everything behind fails: make soak ARGS="--seconds 60 --clients 8"
	$(BIN)/python -m tests.soak $(ARGS)

check: $(VENV)/.installed-dev  ## Lint, types, import contracts, dependencies, advisories, licences, secrets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(BIN)/python scripts/supply.py audit licences secrets

sbom: $(VENV)/.installed-dev  ## Write build/sbom.json: what an installation is made of, in CycloneDX
	$(BIN)/python scripts/supply.py sbom

bench: $(VENV)/.installed-dev  ## Measure the demo: stages, latency, memory
	$(BIN)/python benchmarks/demo.py $(ARGS)

bench-combined: $(VENV)/.installed-dev  ## Compare two ways of combining parts of a query: make bench-combined ARGS="--workspace workspace --half tune"
	$(BIN)/python benchmarks/combined.py $(ARGS)

bench-embed: $(VENV)/.installed-dev  ## Measure embedding, its parts and its memory: make bench-embed ARGS="--pictures 1000000 --side 32 --rate 5000 --layouts tar"
	$(BIN)/python benchmarks/embedding.py $(ARGS)
	$(BIN)/python benchmarks/embed.py
	$(BIN)/python benchmarks/embed.py --captions 100000
	$(BIN)/python benchmarks/siglip_text.py

bench-cluster: $(VENV)/.installed-dev  ## Measure embedding by Ray beside one process
	$(BIN)/python benchmarks/cluster_embed.py $(ARGS)

bench-replicas: $(VENV)/.installed-dev  ## Measure searches a second with two replicas beside the primary alone (root)
	$(BIN)/python benchmarks/replicas.py $(ARGS)

bench-search: $(VENV)/.installed-bench  ## Measure search beside other engines: make bench-search ARGS="--vectors 1000000"
	$(BIN)/python benchmarks/search.py $(ARGS)

bench-ingest: $(VENV)/.installed-dev  ## Measure loading into the database beside COPY of the same bytes
	$(BIN)/python benchmarks/ingest.py $(ARGS)

bench-captions: $(VENV)/.installed-dev  ## Measure what lite's caption vectors are made of: make bench-captions ARGS="--workspace workspace"
	$(BIN)/python benchmarks/captions.py $(ARGS)

bench-serve: $(VENV)/.installed-dev  ## Measure searches over HTTP beside the same over SQL, and the memory of all processes
	$(BIN)/python benchmarks/serve.py $(ARGS)

bench-shards: $(VENV)/.installed-dev  ## Measure three shards beside one server: make bench-shards ARGS="--assets 100000"
	$(BIN)/python benchmarks/shards.py $(ARGS)

bench-facets: $(VENV)/.installed-dev  ## Measure facets beside searches without them, and pages of a catalogue
	$(BIN)/python benchmarks/facets.py $(ARGS)

bench-page: $(VENV)/.installed-dev  ## Measure a running page in a browser: make bench-page ARGS="http://127.0.0.1:7860"
	PYTHONPATH=. $(BIN)/python benchmarks/page.py $(ARGS)

bench-access: $(VENV)/.installed-dev  ## Measure what hosts, keys, limits and bounded connections cost a request
	$(BIN)/python benchmarks/access.py

bench-publish: $(VENV)/.installed-dev  ## Measure publishing, and searches meanwhile: make bench-publish ARGS="--assets 1000000 --dim 768"
	$(BIN)/python benchmarks/publishing.py $(ARGS)

bench-update: $(VENV)/.installed-dev  ## Measure update with nothing to do, and with one changed asset
	$(BIN)/python benchmarks/update.py $(ARGS)

bench-tree: $(VENV)/.installed-dev  ## Measure import, status and update on a G-Objaverse tree, metadata only: make bench-tree ARGS="--assets 1000000 --shared"
	$(BIN)/python benchmarks/tree.py $(ARGS)

clean:  ## Remove what the tools leave behind; the workspace stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

.PHONY: help setup demo test test-cluster test-nightly test-collections hostile chaos test-lowest test-newest lock lite-data openapi fuzz soak check sbom bench bench-combined bench-embed bench-cluster bench-captions bench-replicas bench-search bench-ingest bench-serve bench-shards bench-facets bench-page bench-access bench-publish bench-update bench-tree clean
