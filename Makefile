# steeldefect: `make help` lists the targets. The two most important: `make demo`, `make test`.

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
# python3 and spark-submit of the environment come first on the PATH, for Spark's workers too
RUN := export PATH="$(BIN):$$PATH" PYSPARK_PYTHON="$(BIN)/python" PYTHONHASHSEED=0 TF_CPP_MIN_LOG_LEVEL=3;

.PHONY: help
help: ## List the targets and what they do
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

# -- the environment ------------------------------------------------------------------------------

.PHONY: setup
setup: $(READY) java ## Install Java, and the Python environment in .venv, if they are missing
	@[ -z "$(PYTHON)" ] || { python=$$($(CHOOSE_PYTHON) $(PYTHON)) && \
	asked=$$($$python $(VERSION_OF)) && has=$$($(BIN)/python $(VERSION_OF)) && \
	{ [ $$asked = $$has ] || echo "$(VENV) was made with Python $$has, and is used; for $$asked: make VENV=.venv-$$asked ..."; }; }

.PHONY: java
java: ## Install a Java for Spark (17 or newer, with jdk.incubator.vector), if there is none
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
lock: ## Write requirements.lock and benchmarks/peers.lock again from pyproject.toml, in a separate environment
	rm -rf build/lock && python=$$($(CHOOSE_PYTHON) $(PYTHON)) && $$python -m venv build/lock
	$(LOCK_PIP) install --upgrade setuptools wheel
	$(LOCK_PIP) install ".[dev]"
	{ echo "# Written by 'make lock' from pyproject.toml, extra dev; Linux x86-64, Python $(SUPPORTED)."; \
	  $(LOCKED); } > build/requirements.lock
	@for one in $(SUPPORTED); do echo "Checking that all of it installs on Python $$one"; \
		$(LOCK_PIP) install --dry-run --no-deps --target build/lock/none --python-version $$one \
		--requirement build/requirements.lock || exit 1; \
	done
	$(LOCK_PIP) install --constraint build/requirements.lock ".[peers]"
	{ echo "# Written by 'make lock' from pyproject.toml, extra peers: what they need beside requirements.lock."; \
	  $(LOCKED) | grep -vxFf build/requirements.lock; } > benchmarks/peers.lock
	mv build/requirements.lock requirements.lock

# -- the demonstration ----------------------------------------------------------------------------

.PHONY: demo
demo: setup ## Three nights of generated strips: train, score with Spark, evaluate, draw; see demo/
	@$(RUN) bash jobs/demo.sh

# -- the tests ------------------------------------------------------------------------------------

# two processes: tests often wait for JVMs and servers, so two cores are enough for two processes
PARALLEL ?= --numprocesses 2 --dist loadgroup

.PHONY: test
test: setup lint ## Check style and types, then run the tests, except slow ones and those of a cluster
	@$(MAKE) --no-print-directory browser || echo "No browser can be installed here: its tests are skipped"
	$(RUN) python -m pytest -m "not cluster and not slow" $(PARALLEL)

# three processes: these tests wait for most of their time
.PHONY: test-faults
test-faults: setup ## Run the tests in which stores, disks and processes fail, and all slow ones
	$(RUN) STEELDEFECT_FAULTS=500 python -m pytest -m "not cluster" --numprocesses 3 --dist loadgroup \
		tests/s3 tests/faults tests/steeldefect/upkeep
	$(RUN) python -m pytest -m "slow and not cluster" $(PARALLEL) tests/examples tests/jobs tests/training tests/steeldefect/publish
	$(RUN) python -m pytest -m "slow and cluster" tests/cluster

.PHONY: test-ends
test-ends: setup ## End 200 processes that query tables, local and in S3: none may abort or hang
	$(RUN) STEELDEFECT_ENDS=200 python -m pytest tests/steeldefect/analysis/test_sql_ends.py

.PHONY: lint
lint: setup ## Check style (ruff), types (mypy) and the layers of the rooms (import-linter)
	$(RUN) ruff check . && ruff format --check . && mypy && lint-imports --no-cache

.PHONY: format
format: setup ## Format the code
	$(RUN) ruff check --fix . ; ruff format .

# -- for contributors -----------------------------------------------------------------------------

DOCS := $(VENV)/.docs

$(DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock \
		--no-build-isolation --editable ".[docs]"
	@touch $(DOCS)

# built again completely each time: Sphinx reports a broken link only when it reads the page
.PHONY: docs
docs: setup $(DOCS) ## Build a web site of the documents, with the demo's page, in build/site/index.html
	@[ -f demo/page/index.html ] || $(MAKE) --no-print-directory demo
	@rm -rf build/site build/doctrees build/demo-page && mkdir -p build/demo-page
	@cp -r demo/page build/demo-page/demo-page
	$(RUN) python -m sphinx --quiet --fail-on-warning --keep-going \
		-c docs -d build/doctrees . build/site
	@! grep -rlE '<(link|script|img|iframe)[^>]* (src|href)="(https?:)?//' build/site --include='*.html' || \
		{ echo "error: these pages load files from other hosts; the site must work without network"; exit 1; }
	@echo "Open build/site/index.html"

HOOKS := $(VENV)/.hooks

$(HOOKS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock \
		--no-build-isolation --editable ".[hooks]"
	@touch $(HOOKS)

.PHONY: hooks
hooks: setup $(HOOKS) ## Install the hooks of pre-commit, which check each commit before it is made
	$(RUN) pre-commit install

# -- for a cluster --------------------------------------------------------------------------------

.PHONY: dist
dist: setup ## Build the wheel, and pack the environment for spark-submit --archives, in dist/
	$(RUN) python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist .
	$(RUN) steeldefect pack --overwrite dist/steeldefect-env.tar.gz

.PHONY: test-cluster
test-cluster: setup ## Run the tests that start a Spark cluster of several processes, except slow ones
	$(RUN) python -m pytest -m "cluster and not slow" tests/cluster

SPARK40 := build/spark-4.0

$(SPARK40)/.ready:
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target $(SPARK40) pyspark==4.0.5
	@touch $@

.PHONY: test-spark40
test-spark40: setup $(SPARK40)/.ready ## Run the tests that start Spark with Spark 4.0 instead of 4.3
	$(RUN) export SPARK_HOME="$(abspath $(SPARK40))/pyspark" PYTHONPATH="$(abspath $(SPARK40))"; \
		export PATH="$$SPARK_HOME/bin:$$PATH"; python -m pytest -m "spark and not cluster" $(PARALLEL)

AIRFLOW := build/airflow

$(AIRFLOW)/.ready:
	$(BIN)/python -m venv $(AIRFLOW)
	$(AIRFLOW)/bin/python -m pip install --quiet --disable-pip-version-check apache-airflow-core==3.3.2 pytest
	@touch $@

# without the project's settings of pytest: its plugins and marks are not there
.PHONY: test-airflow
test-airflow: setup $(AIRFLOW)/.ready ## Run the DAG in conf/airflow in Airflow, which has an environment of its own
	$(AIRFLOW)/bin/python -m pytest -q -c /dev/null --rootdir . -p no:cacheprovider --noconftest \
		tests/conf/test_airflow.py -k "airflow_loads or airflow_judges"

BACKENDS := build/backends
# address of an index with PyTorch for CPUs; without one, 3 GB of CUDA's libraries come with it
TORCH_INDEX ?=

# $(call WITHOUT_TENSORFLOW,EXTRA,PACKAGES): install an extra and packages in build/EXTRA, alone
define WITHOUT_TENSORFLOW
	$(BIN)/python -m venv --clear build/$(1)
	$(BIN)/python -c 'import tomllib; extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
		print(*extras["$(1)"], sep="\n")' > build/$(1)/requirements.txt
	build/$(1)/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --requirement build/$(1)/requirements.txt $(2)
	@touch build/$(1)/.ready
endef

$(BACKENDS)/.ready: pyproject.toml requirements.lock
	$(call WITHOUT_TENSORFLOW,backends,keras numpy opencv-python-headless pydantic cryptography tenacity boto3 tqdm simplejpeg pillow)

.PHONY: backends
backends: setup $(BACKENDS)/.ready ## Install JAX and PyTorch for CPUs in build/backends, without TensorFlow

# the tests fail, and are not skipped, once this variable names a Python
.PHONY: test-backends
test-backends: backends ## Run the device programs on JAX and PyTorch: their masks must be those of TensorFlow
	$(RUN) STEELDEFECT_BACKENDS="$(abspath $(BACKENDS))/bin/python" \
		python -m pytest tests/steeldefect/runtimes/test_device_backends.py

# -- the measurements -----------------------------------------------------------------------------

PEERS := $(VENV)/.peers
MATERIAL ?= $(if $(STEELDEFECT_DATA),--data $(STEELDEFECT_DATA))
BENCH ?= $(MATERIAL)

$(PEERS): $(READY) benchmarks/peers.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--requirement requirements.lock --requirement benchmarks/peers.lock
	@touch $(PEERS)

build/anomaly/.ready: pyproject.toml requirements.lock
	$(call WITHOUT_TENSORFLOW,anomaly,keras numpy)

.PHONY: anomaly-peers
anomaly-peers: setup build/anomaly/.ready ## Install anomalib in build/anomaly, for benchmarks.unknown_defects --peers

.PHONY: bench
bench: setup $(PEERS) ## Compare the speed of scoring with its limit and with other programs (more than an hour)
	$(RUN) python -m benchmarks.scoring $(BENCH)

.PHONY: bench-bounds
bench-bounds: setup ## Measure what limits scoring: arithmetic, layers, CPU time by thread (minutes, after a first fit)
	$(RUN) python -m benchmarks.bounds $(MATERIAL)

.PHONY: bench-growth
bench-growth: setup ## Measure scoring for growing numbers of pictures, tasks and keys of a plan (half an hour)
	$(RUN) python -m benchmarks.growth

.PHONY: bench-plan
bench-plan: setup ## Measure the plan of ten million keys, nine million of them scored before (ten minutes)
	$(RUN) python -m benchmarks.growth.many_keys

.PHONY: bench-upkeep
bench-upkeep: setup ## Measure queries on 2,000 small waves before and after upkeep (ten minutes)
	$(RUN) python -m benchmarks.upkeep

BROWSER := build/browser

$(BROWSER)/.ready: tests/support/browser/package-lock.json
	@mkdir -p $(BROWSER) && cp tests/support/browser/package.json $< $(BROWSER)
	npm ci --prefix $(BROWSER) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# only what is missing: another Node.js than Debian's brings an npm of its own
.PHONY: browser
browser: ## Install Chromium and Node.js (Debian) and axe-core, for the tests of the morning page
	@wanted=""; command -v chromium >/dev/null || wanted="chromium fonts-dejavu-core"; \
	command -v npm >/dev/null || wanted="$$wanted nodejs npm"; [ -z "$$wanted" ] || \
	{ $(APT) update -q && $(APT) install -y -q --no-install-recommends $$wanted; }
	@$(MAKE) --no-print-directory $(BROWSER)/.ready

.PHONY: ceph
ceph: ## Install Ceph's object gateway (Debian), for the tests against a real S3 server
	@command -v radosgw >/dev/null && command -v ceph-osd >/dev/null && command -v ceph-mon >/dev/null || \
	{ $(APT) update -q && $(APT) install -y -q --no-install-recommends radosgw ceph-mon ceph-osd ceph-base ceph-common; }

.PHONY: clean
clean: ## Delete everything that make has made, the environment too
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
