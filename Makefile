# What a newcomer types. Each target installs what it needs into .venv; only Python 3.11 must be there.

PYTHON ?= python3.11
BIN := .venv/bin
RUNTIME := .venv/.runtime-installed
DEVELOPMENT := .venv/.development-installed
CORES ?= $(shell nproc)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONHASHSEED := 0
# Certificates of the system: many institutes have their own.
export UV_SYSTEM_CERTS := 1

# What only some users need, by what for; declared in pyproject.toml.
EXTRAS := anomaly features kafka periods postgres slurm web
# The locks that hold these packages, with hashes. Slurm has its own: with the plugin every start of Snakemake
# asks Slurm for its configuration.
lock_of = envs/requirements-$(if $(filter slurm,$(1)),slurm,dev).txt

.PHONY: help install install-extra install-slurm install-web lock demo test slurm-test lint format docs bench clean

help:
	@echo "make demo    simulate observations, search them, show what was found (results in demo/)"
	@echo "make test    run all tests"
	@echo "make slurm-test  start a real Slurm on this machine (as root), run on it, kill a node, stop it"
	@echo "make lint    style, types, workflow format, generated documents"
	@echo "make docs    the documentation as pages that open from disk, in site/"
	@echo "make bench   time the fast paths beside their readable twins"
	@echo "make install only install into .venv; then: source .venv/bin/activate"
	@echo "make install-extra EXTRA=name  the same with more packages; name: $(EXTRAS)"
	@echo "make install-slurm  short for EXTRA=slurm: the plugin for --profile slurm"
	@echo "make install-web    short for EXTRA=web: what ephemera jwst serve needs"

install: $(RUNTIME)

# In the versions that are tested: a lock as constraint fixes each version and its hashes.
install-extra: $(RUNTIME)
	@test -n "$(filter $(EXTRAS),$(EXTRA))" || { echo "EXTRA must be one of: $(EXTRAS)" >&2; exit 2; }
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-build-isolation --constraint $(call lock_of,$(EXTRA)) -e '.[$(EXTRA)]'

install-slurm:
	@$(MAKE) --no-print-directory install-extra EXTRA=slurm

install-web:
	@$(MAKE) --no-print-directory install-extra EXTRA=web

# Everything is byte-compiled while it is installed: jobs are many and short, and a Python start that
# has to compile its libraries takes several times as long.
$(BIN)/uv: envs/bootstrap.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not here: install it, or make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/bootstrap.txt
	@touch $@

define install_locked
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r $(1)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q scripts/ephemera
endef

$(RUNTIME): $(BIN)/uv envs/requirements.txt pyproject.toml
	$(call install_locked,envs/requirements.txt)
	@touch $@

$(DEVELOPMENT): $(BIN)/uv envs/requirements-dev.txt envs/slurm-plugin.txt pyproject.toml
	$(call install_locked,envs/requirements-dev.txt)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --target .venv/slurm-plugin --require-hashes -r envs/slurm-plugin.txt
	@touch $(RUNTIME) $@

demo: $(RUNTIME)
	snakemake --cores $(CORES) --configfile config/demo/demo.yaml --quiet rules host
	snakemake --cores $(CORES) --configfile config/demo/demo.yaml --quiet all --report demo/report.html 2>/dev/null \
	  || snakemake --cores $(CORES) --configfile config/demo/demo.yaml --report demo/report.html  # says why it failed
	@$(BIN)/python -m ephemera.xmm.recover demo/results/current/xmm/recover/demo.recovery.parquet
	@echo "Catalogue: demo/results/current/xmm/catalogue/demo/detections.fits (TOPCAT opens it)"
	@echo "Report:    demo/report.html (how it was run and made)"
	@echo "Open this: demo/results/current/index.html (leads to all results; any browser, no server)"

test: $(DEVELOPMENT)
	$(BIN)/python -m pytest -n $(CORES) --dist loadgroup

# Debian's Slurm is installed unless it is there; says loudly when it cannot be.
slurm-test: $(DEVELOPMENT)
	$(BIN)/python tests/slurm/run.py

lint: $(DEVELOPMENT)
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check workflow rules
	$(BIN)/python -m ephemera.config.document --check

format: $(DEVELOPMENT)
	ruff check --fix .
	ruff format .
	snakefmt workflow rules

docs: $(DEVELOPMENT)
	mkdocs build --quiet

bench: $(DEVELOPMENT)
	$(BIN)/python tests/bench/run.py

lock: $(BIN)/uv
	printf 'uv\nsetuptools>=77\n' | $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 - -o envs/bootstrap.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 pyproject.toml -o envs/requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 --extra dev -c envs/requirements.txt pyproject.toml -o envs/requirements-dev.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 --extra slurm -c envs/requirements.txt pyproject.toml -o envs/requirements-slurm.txt
	printf 'snakemake-executor-plugin-slurm\nsnakemake-executor-plugin-slurm-jobstep\n' | $(BIN)/uv pip compile --quiet --no-deps --generate-hashes --no-header --no-annotate --python-version 3.11 -c envs/requirements-slurm.txt - -o envs/slurm-plugin.txt

clean:
	rm -rf demo results logs benchmarks .snakemake
