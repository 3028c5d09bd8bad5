# The targets to know: setup, run, test, check. Each does its own setup; a fresh clone needs Python
# 3.11 or newer with pip, and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Two for each of two cores: tests of processes wait much of their time.
JOBS   ?= 4
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test campaigns docs bench mutants pictures check lint lock clean chromium promtool sbom audit crash scale crash-selftest simulate sweep soak outages database-death

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(READY) ## a virtual environment with everything, from the lock file

# Made once; again when the lock or the project's own description changes.
$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(READY) ## the bot; without a BOT_TOKEN the sandbox in the browser
	@if [ -n "$$BOT_TOKEN$$BOT_TOKEN_FILE" ] || \
	    grep -qsiE "^(export +)?BOT_TOKEN(_FILE)? *= *[\"']?[^\"'#[:space:]]" .env; \
	then exec $(BIN)/python -m bot $(ARGS); \
	else exec $(BIN)/python -m bot sandbox $(ARGS); fi

# In memory where there is such a place: tests commit far more often than a bot does.
test campaigns: export PYTEST_DEBUG_TEMPROOT ?= $(firstword $(wildcard /dev/shm) /tmp)
# Or each worker, and each process of a test, compiles the tree anew.
test campaigns: export PYTHONDONTWRITEBYTECODE =
# Files in their own order: the long ones, of tests/crash and tests/e2e, begin first.
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
test: $(READY) chromium promtool ## all tests but the campaigns, in five minutes; while you write code
	$(PYTEST) -m "not campaign" $(ARGS)

campaigns: $(READY) chromium ## kills, upgrades, planted bugs, a browser, whole fault matrices, PostgreSQL; seven minutes
	$(PYTEST) -m campaign $(ARGS)

# BENCHES=start measures one of them.
BENCHES ?= schedule start asking open_tasks delivery video paper intake growth memory scale
bench: $(READY) ## costs, each figure a ratio within one run; written to docs/bench
	@set -e; for name in $(BENCHES); do echo; echo "$$name"; $(BIN)/python -m tests.bench.$$name; done
	$(BIN)/python -m tests.bench.goals

# ARGS="--updates 5000 --orders 200 --minutes 3" looks shorter.
soak: $(READY) ## 50 000 updates and 5 000 orders: does anything grow? at most 25 minutes
	$(BIN)/python -m tests.bench.soak $(ARGS)

pictures: $(READY) chromium ## make the README's pictures from the sandbox
	$(BIN)/python -m tests.pictures

docs: $(READY) ## docs/settings.md and .env.example from bot/settings.py
	$(BIN)/python -m tests.project.settings_pages

# mutmut calls mypy by its name: what the types notice needs no test.
mutants: export PATH := $(CURDIR)/$(BIN):$(PATH)
mutants: export PYTEST_DEBUG_TEMPROOT ?= $(firstword $(wildcard /dev/shm) /tmp)
mutants: $(READY) ## seed bugs in states, schedule, errors, ownership and money, one by one
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mutants.txt
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

check: lint test campaigns ## what a merge has to pass

lint: $(READY) ## format, lint, types, imports, workflows, Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/hadolint Dockerfile

# For the tests of the sandbox's page; no other browser is downloaded.
chromium:
	@if command -v chromium chromium-browser google-chrome >/dev/null; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
	    echo "Chromium is missing: the tests of the sandbox's page cannot run." >&2; \
	    echo "On Debian or Ubuntu: sudo apt-get install chromium" >&2; \
	fi

# For the tests of docs/ops/alerts.yml. Only this program is taken from the package: it would start a server.
promtool: $(READY)
	@if command -v promtool >/dev/null || [ -x $(BIN)/promtool ]; then :; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    folder=$$(mktemp -d) && chmod 755 "$$folder" && apt-get update -qq && \
	    (cd "$$folder" && apt-get download -qq prometheus && \
	    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool) && \
	    cp "$$folder/usr/bin/promtool" $(BIN)/promtool; rm -rf "$$folder"; \
	else \
	    echo "promtool is missing: the tests of the alert rules are skipped." >&2; \
	    echo "On Debian or Ubuntu: sudo apt-get install prometheus" >&2; \
	fi

lock: $(READY) ## make the lock files with the newest versions that pyproject.toml allows
	test -x $(VENV)/lock/bin/python || $(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.txt
	$(VENV)/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url pyproject.toml --extra voice -c requirements.txt -o requirements-voice.txt
	$(VENV)/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url pyproject.toml --group dev -o requirements-dev.txt
	$(VENV)/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url pyproject.toml --group mutants -c requirements-dev.txt -o requirements-mutants.txt

sbom: $(READY) ## what the image installs, as CycloneDX, into sbom.cdx.json
	$(BIN)/python -W ignore -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml \
	    --output-reproducible --output-file sbom.cdx.json

# A package that could not be asked about counts as a failure, like a known hole.
audit: $(READY) ## known vulnerabilities of locked packages; needs the network
	$(BIN)/python -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off \
	    -r requirements.txt -r requirements-voice.txt -r requirements-dev.txt

clean: ## remove what was made, but no data
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find bot handlers storage tests -name __pycache__ -type d -prune -exec rm -rf {} +

# ARGS="--database postgres --kills 100 --orders 100 --workers 2", ARGS=steps, ARGS="--seed 7", …
crash: $(READY) ## the bot is killed 300 times while people order; some 15 minutes
	$(BIN)/python -m tests.crash $(ARGS)

scale: $(READY) ## two intakes and two workers on one PostgreSQL, killed and cut off from it
	$(BIN)/python -m tests.crash scale --kills 200 --orders 2000 $(ARGS)

crash-selftest: $(READY) ## planted bugs, each of which the campaign must notice
	$(BIN)/python -m tests.crash selftest $(ARGS)

# ARGS="--total 100000" is the campaign of docs/reliability.md (a line each minute, Ctrl-C prints what there is);
# "--seconds 3600", "--seed 7 --lives 1 --jobs 1", "--seed 7 --log", selftest, …
simulate: $(READY) ## simulated lives on a virtual clock, a minute on two cores
	$(BIN)/python -m tests.simulation $(ARGS)

# ARGS="--processes 4 --only reset"
outages: $(READY) ## outages of the provider: eight kinds, four lengths, one and four processes
	$(BIN)/python -m tests.faults.outages $(ARGS)

# ARGS="--deaths 10 --orders 60" and DISK_ARGS="--runs 30 --minutes 5" look shorter.
database-death: $(READY) ## PostgreSQL killed, frozen, its standby promoted; SQLite's disk full, 100 times; 20 minutes
	$(BIN)/python -m tests.crash database --deaths 20 --orders 160 $(ARGS)
	$(BIN)/python -m tests.crash.full_disk $(DISK_ARGS)

sweep: $(READY) ## every call of a journey fails once
	$(BIN)/python -m tests.crash sweep $(ARGS)
