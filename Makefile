# make run    - watch it work on a real Kafka        make test  - all that CI runs
# make check  - the fast part, without a broker      make bench - rates, side by side, on a real Kafka
# Python 3.11 or newer is enough to begin: uv is brought along.
.DEFAULT_GOAL := help
.PHONY: help install run lint check test simulate faults stack stack-test image-test soak bench arena clean

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

# The core is compiled in place where that can be done; elsewhere it runs as Python: the same results, more slowly.
COMPILER := import sysconfig; print(sysconfig.get_config_var("CC"), "-I" + sysconfig.get_path("include"))
.venv/.installed: $(UV) pyproject.toml uv.lock $(wildcard stream/core/*.py)
	@rm -f stream/core/*.so
	@if printf '#include <Python.h>\n' | $$($(BIN)/python -c '$(COMPILER)') -E - >/dev/null 2>&1; then \
		export HATCH_BUILD_HOOKS_ENABLE=1; \
	else echo "No C compiler with Python's headers here: the core stays Python, and is slower."; fi; \
	$(UV) sync --quiet --frozen --inexact --reinstall-package volteface
	@touch $@

# The compiling build hook moves this file away while it runs; a build that was killed leaves it so.
pyproject.toml:
	mv pyproject.toml.bak $@

install: .venv/.installed

# One process more than there are cores: tests with a Kafka often wait, and the others fill the gaps.
PROCESSES := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/pytest -q -m "not kafka and not slow and not stack and not image" --numprocesses=auto --dist=worksteal

test: lint
	$(BIN)/pytest -q -m "not stack and not image" --numprocesses=$(PROCESSES) --dist=loadgroup

# Crashes, fencing and rebalances at random over a simulated log; a failing seed replays exactly.
SEEDS ?= 1000
simulate: install
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

# Kills, freezes, outages on a real Kafka, for MINUTES.
faults: install
	$(BIN)/python -m tests.faults

# Needs Debian's prometheus and prometheus-alertmanager.
stack: install
	@$(BIN)/python -m tests.stack

stack-test: install
	$(BIN)/pytest -q -m stack

# Needs root and Debian's podman, runc and debootstrap; no registry of images.
image-test: install
	$(BIN)/pytest -q -m image

soak: install
	$(BIN)/python -m tests.stack.soak

# Hours; a run that was ended goes on where it was. After a change of the core or the arena remove dist/arena.jsonl first.
arena: install
	@mkdir -p dist
	$(BIN)/volteface arena --out docs --lines dist/arena.jsonl

bench: install .venv-bench/.installed
	$(BIN)/python -m tests.bench

# Bytewax and Quix Streams, which want other versions than we do; the project itself is read from here.
.venv-bench/.installed: $(UV) uv.lock
	UV_PROJECT_ENVIRONMENT=.venv-bench $(UV) sync --quiet --frozen --no-default-groups --group bench --no-install-project
	@touch $@

run: install
	@$(BIN)/python -m stream.demo

clean:
	rm -rf stream/core/*.so .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
