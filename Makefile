# `make demo` and `make test` are the commands of the README; each installs what it needs in .venv.
PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin
# The tests use PyTorch. The version is pinned because `torch` alone can install several GB of CUDA. If
# TORCH is empty, none is installed, and the tests that need it are skipped.
TORCH  ?= torch==2.13.0
VISION ?= torchvision==0.28.0
PIP    := $(RUN)/python -m pip install -q --disable-pip-version-check
SOURCES ?= 600
# Compiled when the package is installed, where there is a compiler. A warning is an error here, but
# not for users (see hatch_build.py).
export MINGOLOTSS_CFLAGS ?= -Wall -Wextra -Werror
KERNEL := hatch_build.py $(wildcard src/mingolotss/image/_kernel/*.[ch])
# One process for the tests more than there are processors, since some tests wait for servers.
export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# The tests start some hundred processes, each of which would compile the package again.
unexport PYTHONDONTWRITEBYTECODE
# Which tests are in no suite of their own, and which of them are the quick ones.
OTHERS  := not fuzz and not archive and not web and not readers and not packages and not docs
QUICK   := not slow and $(OTHERS)
SUITE   := -n auto --dist worksteal --ignore=tests/test_docs.py tests -m "$(QUICK)"
# Additional options for pytest, for example make test MORE=--lf
MORE    ?=

.PHONY: demo test coverage check bench dist docs docs-links clean test-hostile test-slow test-readers test-archive test-web test-sanitize test-packages test-docs test-oldest

demo: $(VENV)/demo.ok
	$(RUN)/mingolotss demo --out demo --sources $(SOURCES)

# The examples in docs/ and in docstrings are tests of `make check`.
test: $(VENV)/test.ok
	$(RUN)/python -m pytest $(SUITE) $(MORE)

# Run `make test` and count the lines of the program that it reaches, in all its processes; less than
# 90 % of them is an error.
coverage: $(VENV)/test.ok
	$(RUN)/coverage erase
	$(RUN)/coverage run -m pytest $(SUITE) $(MORE)
	$(RUN)/coverage combine -q
	$(RUN)/coverage report

check: $(VENV)/test.ok
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/mypy --config-file pyproject.toml tests/typing/user_code.py
	$(RUN)/lint-imports
	$(RUN)/codespell .ci .github benchmarks docs examples src tests *.md
	$(RUN)/python -m pytest -q -n auto src tests/test_docs.py $(MORE)

test-readers: $(VENV)/readers.ok $(VENV)/hats.ok
	$(RUN)/python -m pytest -m readers --ignore=tests/integration/archive --ignore=tests/integration/hats tests $(MORE)
	$(VENV)/hats/bin/python -m pytest -m readers tests/integration/hats tests/formats/hats $(MORE)

$(VENV)/readers.ok: $(VENV)/test.ok
	$(PIP) -e . --group readers
	@touch $@

# LSDB and Hyrax. Hyrax needs torchvision, which without a version would replace the version of PyTorch.
HATS := $(VENV)/hats/bin/python -m pip install -q --disable-pip-version-check
$(VENV)/hats.ok: pyproject.toml $(KERNEL) | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/hats
	$(HATS) -U "pip>=25.1"
	$(HATS) $(TORCH) $(VISION)
	$(HATS) -e . --group hats
	@touch $@

# Measure the rates in docs/explanation/performance.md. Cutana pins versions of its dependencies, so it
# has an environment of its own.
bench: $(VENV)/test.ok $(VENV)/cutana.ok
	CUTANA_PYTHON=$(abspath $(VENV))/cutana/bin/python $(RUN)/python benchmarks/bench.py $(BENCH)

$(VENV)/cutana.ok: | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/cutana
	$(VENV)/cutana/bin/python -m pip install -q --disable-pip-version-check cutana==0.4.0
	@touch $@

test-slow: $(VENV)/test.ok
	$(RUN)/python -m pytest -n 2 --dist loadfile -m "slow and $(OTHERS)" $(MORE)

# Each door of the program with hostile input, 20 s for each kind.
test-hostile: $(VENV)/test.ok
	MINGOLOTSS_FUZZ_S=$${MINGOLOTSS_FUZZ_S:-20} $(RUN)/python -m pytest -n auto tests/hostile $(MORE)

# Test with a real archive server and a real browser. Needs Debian 12 and root for the first run, which
# installs them.
test-archive: $(VENV)/test.ok
	@$(RUN)/python tests/integration/dachs/dachs_server.py check || tests/integration/dachs/install.sh
	$(RUN)/python -m pytest -m archive tests/integration/archive $(MORE)

# The documentation, in docs/_build/html. The tutorials run once, and again only when they change.
# LSDB and Sphinx have an environment of their own.
DOCS := $(VENV)/docs/bin/python -m pip install -q --disable-pip-version-check
docs: $(VENV)/docs.ok
	$(VENV)/docs/bin/sphinx-build -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html

# Ask for every link to another site; needs the network.
docs-links: $(VENV)/docs.ok
	$(VENV)/docs/bin/sphinx-build -b linkcheck -d docs/_build/doctrees docs docs/_build/links

$(VENV)/docs.ok: pyproject.toml $(KERNEL) | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/docs
	$(DOCS) -U "pip>=25.1"
	$(DOCS) $(TORCH)
	$(DOCS) -e . --group docs
	@touch $@

# Build the documentation and look at each of its pages in Chromium, with axe-core.
test-docs: $(VENV)/test.ok $(VENV)/axe/package/axe.min.js $(VENV)/chromium.ok docs
	MINGOLOTSS_AXE=$(VENV)/axe/package/axe.min.js $(RUN)/python -m pytest -n auto -m docs tests/integration/docs $(MORE)

# The files of a release, in dist/.
dist: $(VENV)/packages.ok
	.ci/dist $(RUN)/python

# Build the files of a release twice, compare and check them, and install them in empty environments.
test-packages: $(VENV)/packages.ok
	$(RUN)/python -m pytest -m packages tests/integration/packages $(MORE)

$(VENV)/packages.ok: $(VENV)/test.ok
	$(PIP) -e . --group packages
	@touch $@

# What `make test` runs and does not need PyTorch, with the oldest dependencies that pyproject.toml allows.
test-oldest: $(VENV)/oldest.ok
	$(VENV)/oldest/bin/python -m pytest $(SUITE) $(MORE)

$(VENV)/oldest.ok: pyproject.toml $(KERNEL) | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/oldest
	$(VENV)/oldest/bin/python -m pip install -q --disable-pip-version-check uv
	$(VENV)/oldest/bin/uv pip install -q --python $(VENV)/oldest/bin/python --resolution lowest-direct -e . --group oldest
	@touch $@

# The kernel's tests on a copy of the package whose kernel is compiled with GCC's sanitizers for
# addresses and undefined behaviour. Python is not compiled with them, so their runtime is preloaded,
# with the libstdc++ whose exceptions it intercepts, and leaks are not looked for: Python keeps much
# until it exits. Bus errors are left to the program, which reads files that may be cut short. Only what
# Python prints is captured, so a report goes straight to the terminal.
SANITIZED := $(VENV)/sanitized
SANITIZE  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1
test-sanitize: $(VENV)/test.ok
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED) && cp -r src $(SANITIZED)
	MINGOLOTSS_CFLAGS="$(MINGOLOTSS_CFLAGS) $(SANITIZE)" $(RUN)/python -c "import sys, hatch_build as h; sys.exit(h.compile_kernel('$(SANITIZED)' / h.FOLDER) or 0)"
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so.6)" \
	ASAN_OPTIONS=detect_leaks=0:handle_sigbus=0 MINGOLOTSS_SANITIZED=1 PYTHONPATH=$(SANITIZED)/src \
	$(RUN)/python -m pytest --capture=sys tests/image tests/io/test_fits_tiles.py tests/candidates/test_cutouts.py $(MORE)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { echo "this Python has no venv module: apt install python3-venv, or set PYTHON to another Python" >&2; rm -rf $(VENV); exit 2; }

$(VENV)/demo.ok: pyproject.toml $(KERNEL) | $(VENV)/bin/python
	$(PIP) -e .
	@touch $@

$(VENV)/test.ok: pyproject.toml Makefile $(KERNEL) | $(VENV)/bin/python
	$(PIP) -U "pip>=25.1"
	$(if $(TORCH),$(PIP) $(TORCH))
	$(PIP) -e . --group dev
	@touch $@ $(VENV)/demo.ok

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Test the review page and the report in Chromium, and their accessibility with axe-core.
test-web: $(VENV)/test.ok $(VENV)/axe/package/axe.min.js $(VENV)/chromium.ok
	MINGOLOTSS_AXE=$(VENV)/axe/package/axe.min.js $(RUN)/python -m pytest -m web tests/integration/web tests/service $(MORE)

$(VENV)/chromium.ok: | $(VENV)/bin/python
	@{ command -v chromium && command -v chromedriver; } >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium chromium-driver; } || { echo "needs chromium and chromedriver: apt-get install chromium chromium-driver" >&2; exit 2; }
	@touch $@

$(VENV)/axe/package/axe.min.js: | $(VENV)/bin/python
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq npm; } || { echo "needs npm: apt-get install npm" >&2; exit 2; }
	mkdir -p $(VENV)/axe && cd $(VENV)/axe && npm pack --silent axe-core@4.14.1 && tar xzf axe-core-4.14.1.tgz
