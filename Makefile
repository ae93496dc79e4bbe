# make run    - watch it work on a real Kafka        make test  - all that CI runs
# make check  - the fast part, without a broker      make bench - rates, side by side, on a real Kafka
# Python 3.11 or newer is enough to begin: uv is brought along.
.DEFAULT_GOAL := help
.PHONY: help install run check test bench clean

PYTHON ?= python3
UV := .venv/bin/uv
BIN := .venv/bin
UV_VERSION := 0.13.9
# A worker starts in half the time; many environments forbid Python itself to write bytecode.
export UV_COMPILE_BYTECODE := 1

help:
	@sed -n '1,3s/^# //p' Makefile

# uv lives in the environment that it fills; `uv sync --inexact` leaves it there.
$(UV):
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"

.venv/.installed: $(UV) pyproject.toml uv.lock
	$(UV) sync --quiet --frozen --inexact
	touch $@

install: .venv/.installed

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -m "not kafka"

test: check
	$(BIN)/pytest -q -m kafka

bench: install
	$(BIN)/python -m tests.bench

run: install
	@$(BIN)/python -m stream.demo

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
