# Two commands on a fresh machine with Python 3.11 to 3.13 and make:
#   make run     sets up everything and runs phase 4
#   make test    sets up everything and passes the tests
# and one more:
#   make interop sets up everything and runs the interoperability matrix
.DEFAULT_GOAL := help
.PHONY: help run interop test setup bench lint lock answers clean

PYTHON ?= $(shell for one in python3.11 python3.12 python3.13 python3; do \
	$$one -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$one && break; done)
CACHE := $(or $(LAKEBENCH_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lakebench)
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
READY := .venv/.ready
ARGS ?=
# All tests by two processes, a module each: much of the time they wait for servers. What ARGS names by one.
ALL := -n 2 --dist loadfile --no-loadscope-reorder

help:
	@sed -n 's/^#   //p' Makefile

run: $(READY)
	.venv/bin/lakebench run phase4 $(ARGS)

interop: $(READY)
	.venv/bin/lakebench run interop $(ARGS)

test: $(READY) lint
	.venv/bin/python -m pytest $(or $(ARGS),$(ALL))

setup: $(READY)

bench: $(READY)
	.venv/bin/python benchmarks/harness_cost.py $(ARGS)

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# uv comes from the package index, at the version and the hashes of the lock file. It is kept in the cache, so that a
# second clone needs no network.
$(UV):
	@test -n "$(PYTHON)" || { echo "lakebench needs Python 3.11, 3.12 or 3.13 with venv and pip on PATH (or make PYTHON=/path/to/python3.11)" >&2; exit 2; }
	rm -rf '$(CACHE)/uv-$(UV_VERSION).part' && mkdir -p '$(CACHE)/uv-$(UV_VERSION).part'
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > '$(CACHE)/uv-$(UV_VERSION).part/requirements.lock'
	$(PYTHON) -m venv '$(CACHE)/uv-$(UV_VERSION).part/venv'
	'$(CACHE)/uv-$(UV_VERSION).part/venv/bin/python' -m pip install --no-deps --require-hashes --only-binary :all: -r '$(CACHE)/uv-$(UV_VERSION).part/requirements.lock'
	mkdir -p '$(CACHE)/uv-$(UV_VERSION)/bin'
	cp '$(CACHE)/uv-$(UV_VERSION).part/venv/bin/uv' '$@.part' && mv '$@.part' '$@'
	rm -rf '$(CACHE)/uv-$(UV_VERSION).part'

# What uv's cache has is installed without asking the index, which would fail where there is no network.
$(READY): requirements.lock pyproject.toml | $(UV)
	'$(UV)' venv --quiet --allow-existing --python $(PYTHON) .venv
	@'$(UV)' pip sync --offline --python .venv --require-hashes requirements.lock 2>/dev/null || \
		'$(UV)' pip sync --python .venv --require-hashes requirements.lock
	'$(UV)' pip install --quiet --offline --python .venv --no-deps --editable .
	touch $@

# For maintainers: make the lock files and the reference answers again.
lock: | $(UV)
	'$(UV)' pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --quiet -o requirements.lock
	.venv/bin/python scripts/lock_artifacts.py

answers: $(READY)
	.venv/bin/python scripts/make_answers.py

clean:
	rm -rf .venv
