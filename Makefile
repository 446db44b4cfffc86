# Two targets for people: `make run` and `make test`. The rest serve them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV ?= .venv
PORT ?= 3000
MAP_PORT ?= $(shell echo $$(($(PORT) + 1)))
SERVE ?= 1
WORLD ?= riverton
NUMPY ?= 2.1.0
NUMBA ?= 0.61.0
# the oldest Dagster that pyproject.toml allows, and the newest
OLDEST_DAGSTER := $(shell sed -n 's/.*"dagster>=\([^,]*\),.*/\1/p' pyproject.toml)
DAGSTERS ?= ==$(OLDEST_DAGSTER) <1.14
DAGSTER_PARTS := dagster dagster-shared dagster-pipes dagster-graphql dagster-webserver
GPIO := geoparquet-io==1.6.0 duckdb==1.5.5 duckdb-extension-spatial==1.5.5
OTHER ?= .venv-numpy-$(NUMPY)-numba-$(NUMBA)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
TESTS := synthgrid_assets_tests
DIGESTS := $(addprefix $(TESTS)/,processes/test_stored_digests.py lattice/test_seeding.py lattice/test_exact_math.py \
  processes/marks/test_columns.py products/test_content_digests.py tessellation/test_tessellate.py)
export DAGSTER_HOME := $(CURDIR)
export PYTHONUNBUFFERED := 1

.PHONY: help run test test-all docs browser gpio digests dagsters lint lock
help:
	@echo "make run     install, materialise the example world, serve the Dagster UI on 127.0.0.1:$(PORT)"
	@echo "             and the map on 127.0.0.1:$(MAP_PORT) (SERVE=0 stops before serving, PORT=4000 and"
	@echo "             MAP_PORT=4001 serve elsewhere)"
	@echo "make test    install and run everything that CI runs"
	@echo "make docs    the documentation as a site, in build/site"

run: $(VENV)/.run
	@if [ "$(SERVE)" != 0 ] && ! $(VENV)/bin/python -c 'import socket; socket.socket().bind(("127.0.0.1", $(PORT)))' 2>/dev/null; then \
	  echo "port $(PORT) is taken; choose another: make run PORT=$$(($(PORT) + 1))" >&2; exit 1; fi
	@if [ "$(SERVE)" = 0 ]; then exec $(VENV)/bin/synthgrid materialize $(WORLD); fi; \
	export SYNTHGRID_DAGSTER_URL=http://127.0.0.1:$(PORT) SYNTHGRID_VIEWER_URL=http://127.0.0.1:$(MAP_PORT); \
	$(VENV)/bin/synthgrid view $(WORLD) --port $(MAP_PORT) --with-parent & \
	$(VENV)/bin/synthgrid materialize $(WORLD); \
	echo "the Dagster UI starts on http://127.0.0.1:$(PORT) (Ctrl-C ends it)"; \
	export PYTHONWARNINGS="ignore:Function \`dev_command\` is superseded"; \
	exec $(VENV)/bin/dagster dev -w workspace.yaml -h 127.0.0.1 -p $(PORT)

test: $(VENV)/.dev browser gpio lint
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-all: $(VENV)/.dev browser gpio lint
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# the tests build it too; a page that links to nothing, or names what is not there, is an error
docs: $(VENV)/.dev
	$(VENV)/bin/python -m sphinx -W --keep-going -q -E -b html -c docs . build/site
	@echo "build/site/index.html"

# pages are tested in a real browser; without one these tests are skipped, and say so
browser:
	@command -v chromedriver >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing Chromium for the tests of pages (apt-get, once)"; \
	    { apt-get update -qq && apt-get install -y -qq chromium chromium-driver; } >/dev/null 2>&1 || true; fi; }
	@command -v chromedriver >/dev/null || \
	  echo "NO CHROMIUM: tests of pages are skipped; \`apt-get install chromium chromium-driver\` has it" >&2

# geoparquet-io checks files in the tests. It needs a DuckDB older than ours, and its spatial extension, here from the
# package registry. Without them these tests are skipped, and say so
gpio: .venv-gpio/.made
.venv-gpio/.made:
	@echo "installing geoparquet-io for the tests of files (once)"; { $(PYTHON) -m venv .venv-gpio && \
	  .venv-gpio/bin/python -m pip --disable-pip-version-check --quiet install $(GPIO) && mkdir -p .venv-gpio/home && \
	  HOME=$(CURDIR)/.venv-gpio/home .venv-gpio/bin/python -c 'import duckdb, glob, sys; \
	    (found,) = glob.glob(sys.prefix + "/lib/*/site-packages/duckdb_extension_spatial/extensions/*/*"); \
	    duckdb.execute(f"INSTALL \047{found}\047")' && touch $@; } || \
	  echo "NO GPIO: geoparquet-io's checks of files are skipped" >&2

# the same bits with the oldest NumPy and numba, or those named: make digests NUMPY=2.3.5 NUMBA=0.63.1
digests:
	@test -x $(OTHER)/bin/python || $(PYTHON) -m venv $(OTHER)
	@$(OTHER)/bin/python -m pip --disable-pip-version-check --quiet install numpy==$(NUMPY) numba==$(NUMBA) \
	  -e . pytest pytest-timeout hypothesis mpmath
	$(OTHER)/bin/python -m pytest $(DIGESTS)

# Dagster's storage is overridden in places it does not promise to keep: the tests of that with the
# oldest and the newest allowed version, each in a folder of its own: make dagsters DAGSTERS===1.13.27
dagsters: $(VENV)/.dev
	@for bound in $(foreach bound,$(DAGSTERS),'$(bound)'); do \
	  folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	  for part in $(DAGSTER_PARTS); do $(PIP) install --no-deps --target "$$folder" "$$part$$bound"; done; \
	  PYTHONPATH="$$folder" $(VENV)/bin/python -c 'import dagster; print("dagster", dagster.__version__)'; \
	  PYTHONPATH="$$folder" $(VENV)/bin/python -m pytest $(TESTS)/dagster/events $(TESTS)/dagster/runs; \
	  rm -rf "$$folder"; \
	done

lint: $(VENV)/.dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
	  { echo "Python 3.11, 3.12, 3.13 or 3.14 is needed; name one: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing (about 1.6 GB, once)"
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

# new versions of everything: needs uv
lock:
	uv pip compile pyproject.toml --extra build --universal --generate-hashes --no-emit-index-url \
	  --no-strip-extras --python-version 3.11 --no-header -o requirements.txt
	uv pip compile pyproject.toml --extra build --extra dev --extra docs -c requirements.txt --universal \
	  --generate-hashes --no-emit-index-url --no-strip-extras --python-version 3.11 --no-header \
	  -o requirements-dev.txt
