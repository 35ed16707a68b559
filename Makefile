# steeldefect: `make help` says what there is. The two that matter: `make demo`, `make test`.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV ?= .venv
# as `requires-python` in pyproject.toml says
SUPPORTED := 3.11 3.12 3.13
# one of them; empty: the first that runs here
PYTHON ?=
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT := DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get

BIN := $(abspath $(VENV))/bin
READY := $(VENV)/.ready
CHOOSE_PYTHON := tools/choose_python.sh "$(SUPPORTED)"
VERSION_OF := -c 'import sys; print("%d.%d" % sys.version_info[:2])'
# the environment's own python3 and spark-submit come first, for Spark's workers as well
RUN := export PATH="$(BIN):$$PATH" PYSPARK_PYTHON="$(BIN)/python" PYTHONHASHSEED=0 TF_CPP_MIN_LOG_LEVEL=3;

.PHONY: help
help: ## Say what the targets do
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

# -- the environment ------------------------------------------------------------------------------

.PHONY: setup
setup: $(READY) java ## Install Java and the Python environment into .venv, where they are missing
	@[ -z "$(PYTHON)" ] || { python=$$($(CHOOSE_PYTHON) $(PYTHON)) && \
	asked=$$($$python $(VERSION_OF)) && has=$$($(BIN)/python $(VERSION_OF)) && \
	{ [ $$asked = $$has ] || echo "$(VENV) was made with Python $$has, and is used; for $$asked: make VENV=.venv-$$asked ..."; }; }

.PHONY: java
java: ## Install a Java that Spark runs on (17 or newer, with jdk.incubator.vector), if there is none
	@java_home="$${JAVA_HOME:+$$JAVA_HOME/bin/}"; \
	major=$$("$${java_home}java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'); \
	if [ "$${major:-0}" -ge 17 ] && "$${java_home}java" --list-modules | grep -q jdk.incubator.vector; \
	then :; else \
		echo "No Java 17 found: installing openjdk-17-jre-headless"; \
		$(APT) update -q && $(APT) install -y -q --no-install-recommends openjdk-17-jre-headless; \
	fi

$(READY): requirements.lock pyproject.toml setup.py steeldefect/__init__.py
	@if [ ! -x $(BIN)/python ]; then \
		python=$$($(CHOOSE_PYTHON) $(PYTHON)) || exit 1; \
		$$python -m venv $(VENV) || { rm -rf $(VENV); \
		$(APT) update -q && $(APT) install -y -q --no-install-recommends python$$($$python $(VERSION_OF))-venv; \
		$$python -m venv $(VENV); }; \
	fi
	@echo "Installing the locked environment into $(VENV): a few minutes, 4 GB"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

LOCK_PIP := build/lock/bin/python -m pip --quiet --disable-pip-version-check
LOCKED = $(LOCK_PIP) freeze --all | grep -vE '^(steeldefect|pip)[ =]'

.PHONY: lock
lock: ## Write requirements.lock and benchmarks/peers.lock anew, from pyproject.toml, in an environment of its own
	rm -rf build/lock && python=$$($(CHOOSE_PYTHON) $(PYTHON)) && $$python -m venv build/lock
	$(LOCK_PIP) install --upgrade setuptools wheel
	$(LOCK_PIP) install ".[dev]"
	{ echo "# Written by 'make lock' from pyproject.toml, extra dev; Linux x86-64, Python $(SUPPORTED)."; \
	  $(LOCKED); } > build/requirements.lock
	@for one in $(SUPPORTED); do echo "Checking that Python $$one can have all of it"; \
		$(LOCK_PIP) install --dry-run --no-deps --target build/lock/none --python-version $$one \
		--requirement build/requirements.lock || exit 1; \
	done
	$(LOCK_PIP) install --constraint build/requirements.lock ".[peers]"
	{ echo "# Written by 'make lock' from pyproject.toml, extra peers: what they need beside requirements.lock."; \
	  $(LOCKED) | grep -vxFf build/requirements.lock; } > benchmarks/peers.lock
	mv build/requirements.lock requirements.lock

# -- the demonstration ----------------------------------------------------------------------------

.PHONY: demo
demo: setup ## Generate strips, train, score with Spark, evaluate, draw: all of it under demo/
	@$(RUN) bash jobs/demo.sh

# -- the tests ------------------------------------------------------------------------------------

# two processes: tests wait for JVMs and servers often enough that two cores serve two of them
PARALLEL ?= --numprocesses 2 --dist loadgroup

.PHONY: test
test: setup lint ## Check style and types, then run all tests but those of a cluster
	$(RUN) python -m pytest -m "not cluster" $(PARALLEL)

# three processes: these tests wait more than they work
.PHONY: test-faults
test-faults: setup ## Run the tests in which stores, disks and processes fail (eleven minutes)
	$(RUN) python -m pytest -m "not cluster" --numprocesses 3 --dist loadgroup tests/s3 tests/faults

.PHONY: test-ends
test-ends: setup ## End 200 processes that asked tables, local and in S3: none may abort or hang
	$(RUN) STEELDEFECT_ENDS=200 python -m pytest tests/steeldefect/test_query_ends.py

.PHONY: lint
lint: setup ## Check style (ruff) and types (mypy)
	$(RUN) ruff check . && ruff format --check . && mypy

.PHONY: format
format: setup ## Bring the code into its style
	$(RUN) ruff check --fix . ; ruff format .

# -- for a cluster --------------------------------------------------------------------------------

.PHONY: dist
dist: setup ## Build the wheel, and pack the environment for spark-submit --archives: dist/
	$(RUN) python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist .
	$(RUN) steeldefect pack --overwrite dist/steeldefect-env.tar.gz

.PHONY: test-cluster
test-cluster: setup ## Run the tests that start a Spark cluster of several processes
	$(RUN) python -m pytest -m cluster tests/cluster

SPARK40 := build/spark-4.0

$(SPARK40)/.ready:
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target $(SPARK40) pyspark==4.0.5
	@touch $@

.PHONY: test-spark40
test-spark40: setup $(SPARK40)/.ready ## Run the tests that start Spark on Spark 4.0, in front of 4.3
	$(RUN) export SPARK_HOME="$(abspath $(SPARK40))/pyspark" PYTHONPATH="$(abspath $(SPARK40))"; \
		export PATH="$$SPARK_HOME/bin:$$PATH"; python -m pytest -m "spark and not cluster" $(PARALLEL)

# -- the measurements -----------------------------------------------------------------------------

PEERS := $(VENV)/.peers
MATERIAL ?= $(if $(STEELDEFECT_DATA),--data $(STEELDEFECT_DATA))
BENCH ?= $(MATERIAL)

$(PEERS): $(READY) benchmarks/peers.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--requirement requirements.lock --requirement benchmarks/peers.lock
	@touch $(PEERS)

.PHONY: bench
bench: setup $(PEERS) ## Measure scoring beside its limit and its peers (more than an hour)
	$(RUN) python -m benchmarks.scoring $(BENCH)

.PHONY: bench-bounds
bench-bounds: setup ## Measure what bounds scoring: arithmetic, layers, CPU time by thread (minutes, and a fit first)
	$(RUN) python -m benchmarks.bounds $(MATERIAL)

.PHONY: bench-growth
bench-growth: setup ## Measure how scoring grows: pictures, tasks, keys of a plan (half an hour)
	$(RUN) python -m benchmarks.growth

.PHONY: bench-upkeep
bench-upkeep: setup ## Measure reading 2,000 small waves before and after upkeep (ten minutes)
	$(RUN) python -m benchmarks.upkeep

.PHONY: ceph
ceph: ## Install Ceph's object gateway (Debian), for the tests against a real S3 server
	@command -v radosgw >/dev/null && command -v ceph-osd >/dev/null && command -v ceph-mon >/dev/null || \
	{ $(APT) update -q && $(APT) install -y -q --no-install-recommends radosgw ceph-mon ceph-osd ceph-base ceph-common; }

.PHONY: clean
clean: ## Delete what was made, the environment as well
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
