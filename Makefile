# Two commands: `make demo` trains and reports, `make test` runs the tests. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test clean develop

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# Rebuilt when the sources change; pip and CMake keep what is still valid.
$(VENV)/installed: $(BIN)/python pyproject.toml CMakeLists.txt $(shell find facula native codegen -type f -not -name '*.so' -not -path '*/__pycache__/*')
	rm -rf build/dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/dist .
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps build/dist/*.whl
	$(BIN)/python -m pip install --quiet "$$(echo build/dist/*.whl)[test,demo]"
	touch $@

demo: $(VENV)/installed
	cd $(VENV) && bin/python -m facula.demo

test: $(VENV)/installed
	cd tests && ../$(BIN)/python -m pytest -n auto -p no:cacheprovider .

# An in-place build of this machine's level, for work on the sources.
develop:
	cmake -S . -B build -G Ninja -DFACULA_LEVELS=v3
	ninja -C build

clean:
	rm -rf $(VENV) build facula/_native/*.so
