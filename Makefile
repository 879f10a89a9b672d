# The commands of the README. Each needs only Python 3.11 or newer; the first one makes .venv from requirements.lock.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.PHONY: help venv demo docs test lint bench faults clean-venv

PYTHON ?= python3
ARGS ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# One thread a process: runs share the cores, and the number of threads changes the last bits of a training.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
# Images of containers often set this: each of many processes would compile all of our modules again.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: venv ## train the demo's runs here, on all cores, and draw its figures and report
	@python -m workflow run demo $(ARGS)

docs: venv ## build the site from docs/ and the code, into site/
	@python -m workflow docs

test: venv ## all tests (as root, installs SLURM and Chromium for those that need them); ARGS="-k name" selects, "-n 4" takes 4 workers
	@tests/setup.sh
	python -m pytest $(ARGS)

lint: venv ## style of the Python code, and of the workflow's rules
	@ruff check .
	snakefmt --check Snakefile rules
	python tests/lint.py

bench: venv ## speed against other programs, as ratios (half an hour); QUICK=1 takes under three minutes
	@python -m benchmarks $(if $(QUICK),--quick) $(ARGS)

faults: venv ## kill processes and damage files at random; ARGS="--kills 1000 --flips 1000" says how often (half an hour)
	@python -m tests.faults $(ARGS)

clean-venv: ## remove .venv
	@rm -rf .venv

# Makes .venv once, and again only when the lock file, the Python or the folder's place changes: .venv/requirements.lock
# and .venv/made-by say what it was made from. Silent and quick when there is nothing to do.
venv:
	@fail() { echo "make: $$*" >&2; exit 1; }
	command -v "$(PYTHON)" >/dev/null || fail "$(PYTHON) not found: install Python 3.11 or newer, or name it: make PYTHON=…"
	version=$$("$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	  fail "Python 3.11 or newer is needed, and $(PYTHON) is $$version. Name another one: make PYTHON=python3.11 …"
	made_by="$$("$(PYTHON)" -c 'import sys; print(sys.version)') $(CURDIR)"
	clear=
	if [ -e .venv/made-by ] && [ "$$made_by" != "$$(<.venv/made-by)" ]; then clear=--clear; fi
	if [ -z "$$clear" ] && cmp -s requirements.lock .venv/requirements.lock; then exit 0; fi
	if ! "$(PYTHON)" -c 'import ensurepip' 2>/dev/null; then  # Debian ships this part of Python as a package of its own
	  package=python$$version-venv
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
	    fail "Python's venv module is incomplete here. As root: apt-get install $$package"
	  echo "make: installing $$package"
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    -o DPkg::Lock::Timeout=120 $$package </dev/null >/dev/null; } || fail "apt-get could not install $$package"
	fi
	echo "make: installing the packages of requirements.lock into .venv"
	rm -f .venv/requirements.lock
	"$(PYTHON)" -m venv $$clear .venv
	.venv/bin/python -m pip install --disable-pip-version-check -r requirements.lock
	echo "$$made_by" >.venv/made-by
	cp requirements.lock .venv/requirements.lock
