# From nothing on Debian 12 to a built, tested compiler. `make help` lists the targets.
#
# What was done leaves a stamp, in build/stamps or .venv; a step runs again when what it depends on changes.

BUILD := build
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMPS := $(BUILD)/stamps

.PHONY: all help demo test test-all lint tidy format wheel docs clean distclean
.DELETE_ON_ERROR:

# Checkouts share what ccache holds.
export CCACHE_BASEDIR := $(CURDIR)

all: build ## Build the compiler and its tests (the default)

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

# ---- Set-up ----

$(STAMPS)/packages: tools/setup.sh
	@mkdir -p $(@D)
	@tools/setup.sh
	@touch $@

$(VENV)/made: tools/make_venv.py pyproject.toml | $(STAMPS)/packages
	@python3 tools/make_venv.py $(VENV)
	@touch $@

$(STAMPS)/configured: CMakePresets.json $(STAMPS)/packages
	@echo "== configure"
	@cmake --preset release --log-level=WARNING
	@touch $@

.PHONY: build
build: $(STAMPS)/configured $(VENV)/made
	@echo "== build"
	@ninja -C $(BUILD)

# ---- Demonstration and tests ----

demo: build ## Compile every kernel, run each on the CPU, print what came out
	@$(PYTHON) tools/demo.py

test: build ## Lint, unit tests, lit, pytest; the last line counts them
	@$(PYTHON) tools/check.py

test-all: build ## Everything test does, the wheel in a fresh environment, and PyTorch on the CPU with a training
	@$(PYTHON) tools/check.py --all

lint: $(VENV)/made ## clang-format, ruff and mypy only
	@$(PYTHON) tools/check.py lint

tidy: build ## clang-tidy on the C++ files that differ from the last commit
	@$(PYTHON) tools/check.py tidy

format: $(VENV)/made ## Rewrite sources in the project's format
	@git ls-files -z --cached --others --exclude-standard -- '*.cpp' '*.h' '*.c' | xargs -0 clang-format-22 -i
	@$(VENV)/bin/ruff format --quiet . && $(VENV)/bin/ruff check --quiet --fix .

# ---- Products ----

wheel: $(VENV)/made ## The wheel, in dist/
	@$(PYTHON) -m pip wheel . --no-deps --wheel-dir dist

docs: build ## Reference pages of the dialect and its passes, in build/docs
	@ninja -C $(BUILD) --quiet mlir-doc && ls -d $(BUILD)/docs/*

clean: ## Remove what was built
	rm -rf $(BUILD) dist out

distclean: clean ## ... and the Python environment
	rm -rf $(VENV)
