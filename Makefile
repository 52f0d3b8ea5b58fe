# Two commands on a fresh machine with Python 3.11 to 3.13 and make:
#   make run     sets up everything and runs phase 4
#   make test    sets up everything and passes the tests
# and one more:
#   make interop sets up everything and runs the interoperability matrix
# and the command alone, .venv/bin/lakebench:
#   make setup   makes .venv
# and what phase 10 needs beside a server:
#   make delta   adds the packages that read Delta Lake
# and to read docs/ as pages:
#   make docs    builds the guide in build/guide
.DEFAULT_GOAL := help
.PHONY: help run interop test test-docker setup delta docs bench lint lock answers schema clean

PYTHON ?= $(shell for one in python3.11 python3.12 python3.13 python3; do \
	$$one -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$one && break; done)
# A busy machine may take longer than uv's limit of a minute to compile a file; 0 is no limit.
export UV_COMPILE_BYTECODE_TIMEOUT ?= 0
# Paths with blanks and signs are the shell's business: make would take them apart.
UV := uv="$$(sh scripts/uv.sh '$(PYTHON)')" && "$$uv"
READY := .venv/.ready
ARGS ?=
# All tests by three processes, a module each (those that share servers together): much of the time they wait for servers.
# What ARGS names by one.
ALL := -n 3 --dist loadfile --no-loadscope-reorder --durations=40 --durations-min=5 -m 'not docker'

help:
	@sed -n 's/^#   //p' Makefile

run: $(READY)
	.venv/bin/lakebench run phase4 $(ARGS)

interop: $(READY)
	.venv/bin/lakebench run interop $(ARGS)

test: $(READY) delta lint
	.venv/bin/python -m pytest $(or $(ARGS),$(ALL))

# With a Docker engine of their own, which needs root and dockerd; they take minutes.
test-docker: $(READY)
	.venv/bin/python -m pytest tests/docker $(ARGS)

setup: $(READY)

delta: $(READY)
	@$(UV) pip install --quiet --offline --compile-bytecode --python .venv --require-hashes -r requirements-delta.lock 2>/dev/null || \
		{ $(UV) pip install --compile-bytecode --python .venv --require-hashes -r requirements-delta.lock; }

# A warning is an error: a broken link or anchor, or a page that is in no list.
docs: $(READY)
	.venv/bin/python -m sphinx -W --keep-going -q -b html docs build/guide

bench: $(READY)
	.venv/bin/python -m pytest benchmarks/hot_paths.py -p no:randomly $(ARGS)

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# What uv's cache has is installed without asking the index, which would fail where there is no network. All is compiled
# once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, each of a run's processes would do it again.
$(READY): requirements.lock pyproject.toml
	@$(UV) venv --quiet --allow-existing --python '$(PYTHON)' .venv
	@$(UV) pip sync --offline --compile-bytecode --python .venv --require-hashes requirements.lock 2>/dev/null || \
		{ $(UV) pip sync --compile-bytecode --python .venv --require-hashes requirements.lock; }
	@$(UV) pip install --quiet --offline --python .venv --no-deps --editable .
	@.venv/bin/python -m compileall -q lakebench tests
	touch $@

# For maintainers: make the lock files, the reference answers and the schema of the records again.
lock: $(READY)
	$(UV) pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --quiet -o requirements.lock
	$(UV) pip compile pyproject.toml --constraints requirements.lock --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --quiet -o lakebench/provisioning/tested.lock
	$(UV) pip compile --group delta --constraints requirements.lock --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --quiet -o requirements-delta.lock
	@grep -vE '^ +--hash|^protobuf' requirements.lock | sed 's/ \\$$//' > .venv/constraints.txt
	$(UV) pip compile lakebench/provisioning/file-formats.in --constraints .venv/constraints.txt --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --quiet -o lakebench/provisioning/file-formats.lock
	for name in seaweedfs glue; do $(UV) pip compile lakebench/provisioning/$$name.in --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --quiet -o lakebench/provisioning/$$name.lock || exit 1; done
	.venv/bin/python scripts/lock_artifacts.py

answers: $(READY)
	.venv/bin/python scripts/make_answers.py

schema: $(READY)
	.venv/bin/python -m lakebench.results.record_schema
	.venv/bin/python -m lakebench.commands.json_outputs

clean:
	rm -rf .venv
