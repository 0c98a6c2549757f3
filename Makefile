# `make demo` and `make test` do everything, setup included. Needed: Python 3.11 or newer, make, and PyPI through pip.
PYTHONS := python3 python3.13 python3.12 python3.11
PYTHON  ?= $(firstword $(foreach p,$(PYTHONS),$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet
PACKAGES := drift alerts dashboards pipelines
FILES   := $(sort $(shell find $(PACKAGES) -type f ! -name '*.pyc'))

EXTRA   := .venv-embeddings

SEEDS ?= 3

.PHONY: help demo test test-embeddings test-go check bench faults scenarios scorecard setup env clean FORCE
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 18

demo: setup  ## an incident in live traffic, its page and a report, in under a minute
	$(BIN)/undertow demo

test: check $(if $(CI),test-embeddings test-go)  ## everything that must hold: the checks, then all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-embeddings: $(EXTRA)/.installed  ## what needs PyTorch (7 GB), in a folder of its own; part of `make test` where CI is set
	UNDERTOW_TEST_EXTRAS=1 $(EXTRA)/bin/python -m pytest tests/conformance/test_embedders.py

test-go: setup  ## the driver of Grafana's ClickHouse data source asks every question of every board; part of `make test` where CI is set
	UNDERTOW_TEST_GO=1 $(BIN)/python -m pytest tests/integration/test_grafana_driver.py

check: setup  ## style, types, and which file may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES:%=-p undertow.%)
	$(BIN)/mypy tests
	$(BIN)/lint-imports --no-logo

bench: setup  ## speed and memory
	$(BIN)/python -m tests.bench

faults: setup  ## 1,000 incidents told to a PagerDuty that fails three calls in ten, and every fault of an installation on Kafka, twenty times over
	$(BIN)/python -m tests.bench.delivery --seeds 20 --jobs 4
	$(BIN)/python -m tests.bench.kafka_faults --seeds 20 --jobs 2
	$(BIN)/python -m tests.bench.kafka_identity

scenarios: setup  ## 49 ways in which applications failed, played to the page: writes docs/scenarios.md; SEEDS=3
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench.scenarios --seeds $(SEEDS)

scorecard: setup  ## how good the detection is, beside what else there is: writes docs/scorecard.md
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.scorecard

setup: $(VENV)/.installed  ## what the others need, in .venv; again only when it must be

env:  ## a .env with random passwords for docker-compose.yml; an existing one stays
	@if test -e .env; then echo ".env is there already"; \
	else umask 077 && $(PYTHON) deploy/make_env.py > .env.new && mv .env.new .env; fi

clean:  ## forget the setup
	rm -rf $(VENV) $(EXTRA) build

$(VENV)/.installed: $(VENV)/.locked $(VENV)/.files pyproject.toml
	$(PIP) install --no-deps --no-build-isolation --config-settings editable_mode=strict --editable .
	@touch $@

$(VENV)/.locked: requirements.lock
	@test -n "$(PYTHON)" || { echo "Undertow needs Python 3.11 or newer; name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "no virtual environment: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@echo "fetching 350 MB of wheels into $(VENV), once"
	$(PIP) install --requirement requirements.lock
	@touch $@

# The folders are installed in strict editable mode, file by file: a new or removed file wants a new install. This list
# changes only when one comes or goes.
$(VENV)/.files: $(VENV)/.locked FORCE
	@printf '%s\n' $(FILES) | cmp -s - $@ || printf '%s\n' $(FILES) > $@

# Not strict: no type checker looks at it, and so new files need no new install.
$(EXTRA)/.installed: requirements-embeddings.lock pyproject.toml
	@$(PYTHON) -m venv $(EXTRA)
	@echo "fetching 3 GB of wheels into $(EXTRA), once"
	$(EXTRA)/bin/python -m pip --disable-pip-version-check --quiet install --requirement requirements-embeddings.lock
	$(EXTRA)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@
