# `make` alone lists the targets. Everything runs from .venv, which the first target sets up.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# the first that runs: a version manager's stub may be on the path without a Python behind it
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ENTRANCE = $(if $(DATA),--data "$(DATA)") $(if $(CONFIG),--config "$(CONFIG)") $(if $(LAKE),--lake "$(LAKE)") \
  $(if $(AS_OF),--as-of "$(AS_OF)")
PATHS := headwater orchestration ml sandbox tests benchmarks
PYTEST = $(BIN)/python -m pytest -q --dist loadfile --no-loadscope-reorder
MODELS := $(shell find dbt_project/models -name '*.sql')
# sqlfluff looks at what changed since it last found nothing
LINTED_SQL := $(VENV)/.linted-sql

.PHONY: help setup run up test check bench lock format clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do \
	  printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: $(READY) ## set up .venv from requirements.lock

run: $(READY) ## the whole flow once: DATA=dir for your own data, CONFIG=dir, LAKE=s3://…, AS_OF=time
	@$(BIN)/headwater run $(ENTRANCE)

up: $(READY) ## start every service (collector, API, Dagster, …) until Ctrl-C
	@$(BIN)/headwater up $(ENTRANCE)

test: $(READY) ## the whole test suite
	@$(PYTEST) -n 3 tests $(ARGS)

check: $(READY) ## lint, types and the fast tests
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)
	@told=$$(mktemp); ($(BIN)/mypy; types=$$?; make -s $(LINTED_SQL) && exit $$types) > $$told 2>&1 & others=$$!; \
	  $(PYTEST) -n 2 --hypothesis-profile fast -m "not slow" tests $(ARGS); tests=$$?; \
	  wait $$others; others=$$?; cat $$told; rm $$told; exit $$((tests ? tests : others))

$(LINTED_SQL): $(READY) .sqlfluff $(MODELS)
	@$(BIN)/sqlfluff lint --disable-progress-bar -q $(if $(filter-out $(MODELS),$?),dbt_project/models,$?)
	@touch $@

bench: $(READY) ## the benchmarks: ratios against peers and the limit, into var/bench/
	@$(BIN)/python -m benchmarks $(ARGS)

format: $(READY) ## rewrite the code in the house's format
	@$(BIN)/ruff check --fix $(PATHS)
	@$(BIN)/ruff format $(PATHS)

lock: $(READY) ## renew requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra dev --extra kafka --extra postgres --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -q -o requirements.lock

clean: ## remove .venv and tools' caches (var/ stays)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Headwater needs Python 3.11 or newer; none was found."; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Headwater needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another with PYTHON=."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check "uv>=0.9,<1"
	@echo "Setting up $(VENV) from requirements.lock (about a minute)"
	@$(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install -q --no-deps --no-build-isolation --python $(BIN)/python -e .
	@$(BIN)/python -m compileall -q headwater orchestration ml sandbox
	@touch $(READY)
