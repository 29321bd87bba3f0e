# `make demo` shows the whole loop on real data; `make test` proves it. Both set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo test check format bench soak docs lock clean
help:
	@echo "make demo    the loop on 50,000 real rows over HTTP: train, shadow, promote, roll back, drift, retrain"
	@echo "make test    all tests (set-up included)"
	@echo "make check   format, lint, types"
	@echo "make bench   measure; results go to benchmarks/results/"
	@echo "make soak    minutes-long endurance tests"
	@echo "make docs    check that the documentation is true"
	@echo "make lock    resolve requirements.lock anew (needs uv)"

install: $(STAMP)
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Slipway needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)
	$(BIN)/slipway demo

test: $(STAMP)
	$(BIN)/python -m pytest -m "not soak"

check: $(STAMP)
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/basedpyright --pythonpath $(BIN)/python

format: $(STAMP)
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

bench: $(STAMP)
	$(BIN)/python -m benchmarks

soak: $(STAMP)
	$(BIN)/python -m pytest -m soak --timeout 1800

docs: $(STAMP)
	$(BIN)/python -m pytest tests/docs

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --extra dev --no-emit-index-url --no-header \
		pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
