# make demo   a real classifier on real photographs in every environment that is here
# make study  the four models of the study, and the report of it
# make devices  one model on ceilings, another interpreter, a host, emulated processors; what is not here is left out
# make test   the tests
# make mutants  which changes to the code that judges go unnoticed by its tests
# Both set up what they need in $(VENV) first.

PYTHON ?= python3
VENV ?= .venv
BIN = $(abspath $(VENV))/bin
INSTALLED = $(VENV)/.installed

.PHONY: demo study devices test check mutants install clean

install: $(INSTALLED)

# torch comes first and alone: what depends on it would bring another one. pip compiles with one processor, Python with all.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "==> installing into $(VENV): torch first, then the other frameworks (some minutes, about 4 GB)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile torch==2.13.0
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -q -j 0 $(abspath $(VENV))/lib >/dev/null 2>&1 || true # some packages hold files that no Python 3 can read
	@touch $@

demo: install
	@echo "==> writing the seeded, calibrated keras model"
	cd examples/demo && TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python demo_models.py
	@echo "==> running two models in some thirty-five environments (up to ten minutes the first time)"
	cd examples/demo && $(BIN)/python -m pytest --envrobust -v --envrobust-json=build/demo.json

study: install
	@echo "==> running four models in nineteen environments each (half an hour to an hour the first time)"
	cd examples/study && $(BIN)/python -m pytest --envrobust -v --envrobust-json=build/study.json \
		--envrobust-html=build/study.html --envrobust-markdown=build/study.md

devices: install
	@echo "==> making another interpreter, and keys for an ssh server on the loopback address"
	cd examples/devices && $(BIN)/python places.py
	@echo "==> running one model on every kind of device that is here (some minutes; what is not here is told at the end)"
	cd examples/devices && $(BIN)/python -m pytest --envrobust -v --envrobust-json=build/devices.json

test: install
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin --quiet --no-tips --violations --target=3.9- $(IN_A_WORKER)

# The code is changed in one place at a time, in a copy of the tree in mutants/, and the tests of that place are run. What
# was judged stays judged until the code changes: after a change to the tests alone, remove mutants/ first.
mutants: install
	@echo "==> changing checks, verdicts and history in thousands of places (about an hour on two cores)"
	$(BIN)/mutmut run $(MUTMUT_ARGS)
	$(BIN)/mutmut results --all true | $(BIN)/python tests/support/mutants.py

# What a worker runs: in another interpreter, which may be older than the one that runs pytest.
IN_A_WORKER = \
	pytest_envrobust/core pytest_envrobust/frameworks pytest_envrobust/backends pytest_envrobust/conversion \
	pytest_envrobust/environments/availability.py pytest_envrobust/environments/machine.py \
	pytest_envrobust/environments/places.py pytest_envrobust/workers/entry.py pytest_envrobust/workers/request_handler.py \
	pytest_envrobust/workers/remote_file_cache.py pytest_envrobust/workers/feed.py pytest_envrobust/workers/stopwatch.py \
	pytest_envrobust/workers/transport.py pytest_envrobust/workers/protocol.py

clean:
	rm -rf $(VENV) build dist mutants examples/demo/build examples/study/build examples/devices/build examples/emulated/build
