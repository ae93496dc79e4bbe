# make run         a market, its alerts, the console    make install     the environment and the compiled core
# make lint        format, style, types, layers        make check       lint and the tests without Kafka
# make test        what CI runs for each change        make dashboards  the JSON of Grafana's dashboards
# make bench       rates beside other engines          make arena       detectors compared on the same markets
# make simulate    random faults on a simulated log    make faults      faults on a real Kafka
# make stack       Kafka, workers and Prometheus       make soak        half an hour of it, with restarts
# make stack-test  the tests of the stack              make image-test  the tests of the container image
# make verdicts    what verdicts do to later alerts    make screenshots the pictures of the console
# make clean       remove everything that make made      make long-test  further variants, as each night in CI
# Python 3.11 or newer is the only requirement at the start: make installs uv.
.DEFAULT_GOAL := help
.PHONY: help install run lint check test tests long-test dashboards simulate faults stack stack-test image-test soak bench arena verdicts screenshots clean

PYTHON ?= python3
UV := .venv/bin/uv
BIN := .venv/bin
UV_VERSION := 0.13.9
REAL_EVENTS := tests/data/app_store.jsonl.gz
# With bytecode a worker starts in half the time; in many environments Python itself may not write bytecode.
export UV_COMPILE_BYTECODE := 1
# The tests start hundreds of workers and commands: each would compile all modules that it imports.
export PYTHONDONTWRITEBYTECODE :=

help:
	@sed -n '1,/^\.DEFAULT_GOAL/s/^# //p' Makefile

# uv is installed into the environment that it manages; `uv sync --inexact` does not remove it.
$(UV):
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"

# The core is compiled in place if there is a C compiler; if not, it runs as Python: the same results, more slowly.
COMPILER := import sysconfig; print(sysconfig.get_config_var("CC"), "-I" + sysconfig.get_path("include"))
.venv/.installed: $(UV) pyproject.toml uv.lock $(wildcard stream/core/*.py stream/core/*/*.py)
	@rm -f stream/core/*.so stream/core/*/*.so
	@if printf '#include <Python.h>\n' | $$($(BIN)/python -c '$(COMPILER)') -E - >/dev/null 2>&1; then \
		export HATCH_BUILD_HOOKS_ENABLE=1; \
	else echo "No C compiler with Python's headers was found: the core runs as Python, which is slower."; fi; \
	$(UV) sync --quiet --frozen --inexact --extra console --extra history --reinstall-package volteface
	@touch $@

# The build hook that compiles moves this file away while it runs. A killed build does not move it back.
pyproject.toml:
	mv pyproject.toml.bak $@

install: .venv/.installed

# A process more than there are cores, because tests with Kafka often wait. Each starts a Kafka of its own.
PROCESSES := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# In this order, so that the tests with Kafka, which take longest, do not come last.
XDIST := --numprocesses=$(PROCESSES) --dist=loadgroup --no-loadscope-reorder

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/pytest -q -m "not kafka and not browser and not slow and not long and not stack and not image" --numprocesses=auto --dist=worksteal

# Types and style are checked beside the tests.
test: install
	@$(MAKE) --no-print-directory --jobs=2 lint tests

tests: install
	$(BIN)/pytest -q -m "not long and not stack and not image" $(XDIST) --durations=30

# What `make test` leaves out because it takes long and stands beside a shorter test; CI runs it each night.
long-test: install
	$(BIN)/pytest -q -m "long" $(XDIST) --durations=30

# Random crashes, fencing and rebalances over a simulated log. A failing seed can be repeated exactly.
SEEDS ?= 1000
simulate: install
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

# Kills, freezes, outages and troubles of topics on a real Kafka, for MINUTES; KAFKA_VERSION chooses another version.
faults: install
	$(BIN)/python -m tests.faults

# Needs Debian's prometheus and prometheus-alertmanager.
stack: install
	@$(BIN)/python -m tests.stack

stack-test: install
	$(BIN)/pytest -q -m stack

# Needs root and Debian's podman, runc and debootstrap, but no registry of images.
image-test: install
	$(BIN)/pytest -q -m image

soak: install
	$(BIN)/python -m tests.stack.soak

# The usual scenarios, and real events: with planted cheats, and as they are.
# Takes hours. An interrupted run resumes. Remove dist/arena.jsonl first after a change of the core or the arena.
arena: install
	@mkdir -p dist
	$(BIN)/volteface arena --out docs --lines dist/arena.jsonl --kinds all,$(REAL_EVENTS) --as-is $(REAL_EVENTS)

verdicts: install
	$(BIN)/python -m tests.verdict_trial

bench: install .venv-bench/.installed
	$(BIN)/python -m tests.bench

# Bytewax and Quix Streams need other versions of shared packages. The project itself is imported from this folder.
.venv-bench/.installed: $(UV) uv.lock
	UV_PROJECT_ENVIRONMENT=.venv-bench $(UV) sync --quiet --frozen --no-default-groups --group bench --no-install-project
	@touch $@

# Writes docker/grafana/dashboards/*.json from docker/grafana/*.py; a test compares both.
dashboards: install
	$(BIN)/python docker/grafana/dashboards.py

# Needs Debian's chromium. Writes docs/figures/console-queue.png and docs/figures/console-case.png.
screenshots: install
	$(BIN)/python -m tests.screenshots

run: install
	@$(BIN)/python -m stream.demo

clean:
	rm -rf stream/core/*.so stream/core/*/*.so .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
