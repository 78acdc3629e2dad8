# Targets describe themselves: `make` alone prints them.

PYTHON ?= python3
PIPENV_VERSION := 2026.10.3
RUN := .venv/bin/python
QUICK := not (terraform or live or root or lab or openstack or process or docs)
ALONE := lab or openstack or measured

export PIPENV_VENV_IN_PROJECT := 1
export PIPENV_IGNORE_VIRTUALENVS := 1
export PIPENV_NOSPIN := 1
export PIPENV_VERBOSITY := -1
# Compiled modules are kept: without them the engine alone takes a second longer to import, every time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup tools demo unit test lint format bindings lock bench-synth lab lab-report

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.ready ## make the Python environment in .venv from Pipfile.lock

.tools/pipenv/.ready: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed. What to do: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up pipenv ..."
	@$(PYTHON) -m venv --clear .tools/pipenv
	@.tools/pipenv/bin/python -m pip install --quiet --disable-pip-version-check pipenv==$(PIPENV_VERSION) \
	  || { echo "pipenv could not be installed. What to do: see that this machine reaches a Python package index, then run the same command again."; exit 1; }
	@touch $@

.venv/.ready: Pipfile.lock pyproject.toml .tools/pipenv/.ready
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "Setting up the Python environment (about a minute the first time) ..."
	@.tools/pipenv/bin/pipenv verify \
	  || { echo "Pipfile.lock is older than Pipfile. What to do: make lock"; exit 1; }
	@.tools/pipenv/bin/pipenv sync --dev > .tools/setup.log 2>&1 \
	  || { tail -n 30 .tools/setup.log; echo "The environment could not be made. What to do: see that this machine reaches a Python package index, then run the same command again."; exit 1; }
	@touch $@

tools: setup ## bring Terraform, its providers, the cdktf CLI, Consul and the rest into .tools
	@$(RUN) -m tools.install

demo: setup ## synthesize, validate and plan the two-cloud gateway; needs no cloud account
	@$(RUN) -m tools.install terraform node cdktf providers
	@$(RUN) -m tools.demo

unit: setup ## run the quick tests, which need nothing but Python
	$(RUN) -m pytest -n 2 -m "$(QUICK)"

# Most tests share both processors; those that measure, or boot machines, have them to themselves.
test: setup tools lint ## run everything: lint and all the tests, against the real programs
	@$(RUN) -m lab.control_plane install
	$(RUN) -m pytest -p tools.no_skips -n 2 -m "$(QUICK)"
	$(RUN) -m pytest -p tools.no_skips --durations=15 -n 2 --dist loadfile --no-loadscope-reorder -m "not ($(QUICK)) and not ($(ALONE))"
	$(RUN) -m pytest -p tools.no_skips --durations=15 -m "$(ALONE)"

lint: setup ## check style, types, layers and layout
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	@if [ -e constructs/__init__.py ]; then \
	  echo "constructs/__init__.py hides the library named constructs. What to do: remove it"; exit 1; fi

format: setup ## put the code into its one form, and mend what ruff can mend
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

bindings: tools ## make the typed tables of Terraform resources anew from the providers' schemas
	$(RUN) -m tools.bindings
	$(RUN) -m tools.instance_types
	$(RUN) -m tools.gateway_schema
	$(RUN) -m tools.clouds_table

bench-synth: setup ## measure synthesis against an empty app and the prebuilt bindings, and draw it
	@$(RUN) -m tools.install terraform node cdktf providers
	$(RUN) -m bench.synth

lab: setup ## bring the gateway up on real machines on this one, to be broken; needs root
	@$(RUN) -m tools.install terraform node cdktf providers daemons debian
	@$(RUN) -m lab.control_plane install
	@$(RUN) -m lab up

# What a client that asks again, as clients of a gateway do, loses of the worst.
RETRIED = service-killed service-hangs service-vanishes balancer-killed cloud-cut

lab-report: setup ## measure every fault in the lab that is up, and on hosts; draw docs/break-it-yourself.md
	@$(RUN) -m lab trial --raw .tools/lab/report
	@$(RUN) -m lab trial $(RETRIED) --mode new --retries 2 --raw .tools/lab/report
	@CROSSGATE_LAB=rack $(RUN) -m lab up inhouse
	@CROSSGATE_LAB=rack $(RUN) -m lab trial balancer-vanishes rolling-change exchange servers-restored --raw .tools/lab/report; \
	  status=$$?; CROSSGATE_LAB=rack $(RUN) -m lab down; exit $$status
	@$(RUN) -m lab report .tools/lab/report --to docs/lab --page docs/break-it-yourself.md

lock: .tools/pipenv/.ready ## resolve all versions anew: Pipfile.lock, the toolchains, the CLI's package-lock.json
	@$(PYTHON) -m tools.lock
