# Two commands do everything, setup included: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOURCES := $(shell find drift alerts dashboards pipelines -name '*.py' 2>/dev/null)

.PHONY: demo test check bench setup clean

setup: $(VENV)/.installed

# The package is installed in strict editable mode, which links files one by one: a new file wants a new install.
$(VENV)/.installed: pyproject.toml requirements.lock $(VENV)/.files
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=strict -e .
	@touch $@

# Changes only when the list of source files does.
$(VENV)/.files: $(SOURCES)
	@mkdir -p $(VENV)
	@echo '$(sort $(SOURCES))' | tr ' ' '\n' | cmp -s - $@ || echo '$(sort $(SOURCES))' | tr ' ' '\n' > $@

demo: setup  ## an incident in live traffic, the page and the pictures, in under a minute
	$(BIN)/undertow demo

check: setup  ## style, types and the dependency rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p undertow.drift -p undertow.alerts -p undertow.dashboards -p undertow.pipelines
	$(BIN)/mypy tests
	$(BIN)/lint-imports

test: setup check  ## everything that must hold
	$(BIN)/python -m pytest -n 2 --dist worksteal

bench: setup  ## speed and memory
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) build
