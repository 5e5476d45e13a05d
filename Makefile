# Every target makes .venv once, from pyproject.toml and constraints.txt, so that any of them can come first.
PYTHON ?= python3
MATRIX ?= cross-dataset
DETECTOR ?= xception
ON ?= procedural_lab
PORT ?= 5000
COUNT ?= 3000
KILLS ?= 50
SEED ?= 0
VENV := .venv
BIN := $(VENV)/bin
GAPBENCH := $(BIN)/gapbench

export PYTHONSAFEPATH := 1
export NO_ALBUMENTATIONS_UPDATE := 1
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help eval train test lint kill bench bench-gate bench-accept thorough fuzz ui gate accept publish-board fresh-clone clean

help: ## list the targets
	@echo "GapBench: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("GapBench needs Python 3.11 or newer") if sys.version_info < (3, 11) else 0'
	@echo 'Installing into $(VENV): PyTorch and the rest, some GB and some minutes, this once.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

eval: $(VENV)/.installed ## run a matrix and print its leaderboard (MATRIX=cross-dataset)
	$(GAPBENCH) eval "$(MATRIX)"

train: $(VENV)/.installed ## train a detector (DETECTOR=xception ON=procedural_lab)
	$(GAPBENCH) train "$(DETECTOR)" --on "$(ON)"

test: lint ## lint, then run the tests, of two files at a time
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.installed ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@rm -rf build/types && mkdir -p build/types && cp -r harness detectors datasets perturbations build/types
	@cd build/types && mv detectors datasets perturbations harness  # as it installs, which mypy cannot see
	cd build/types && "$(CURDIR)/$(BIN)/mypy" --config-file "$(CURDIR)/pyproject.toml"

kill: $(VENV)/.installed ## end a run with SIGKILL at many points, go on, compare to the bit (KILLS=50 SEED=0)
	KILLS=$(KILLS) SEED=$(SEED) $(BIN)/python -m pytest tests/kill --timeout 600

bench: $(VENV)/.installed ## run the benchmarks and write their ratios to results/benchmarks, which is not committed
	@mkdir -p build
	$(BIN)/python -m pytest tests/benchmarks --benchmark-columns=min,median,rounds --timeout 900 -s \
		--benchmark-json build/benchmarks.json --record results/benchmarks

bench-gate: $(VENV)/.installed ## measure the ratios of scoring again, compare them with the accepted ones
	PYTHONPATH=tests $(BIN)/python -m benchmarks.gate

bench-accept: $(VENV)/.installed ## accept and publish the ratios that make bench last wrote for this machine
	PYTHONPATH=tests $(BIN)/python -m benchmarks.gate accept

thorough: $(VENV)/.installed ## all of the long tables of hostile input, of which make test tries one in four
	THOROUGH=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/guard tests/cli tests/video tests/training

fuzz: $(VENV)/.installed ## read thousands of damaged files of every kind (COUNT=3000 SEED=0)
	PYTHONPATH=tests $(BIN)/python -m fuzz.fuzz --count "$(COUNT)" --seed "$(SEED)"

ui: $(VENV)/.installed ## open the leaderboards in the MLflow UI (PORT=5000)
	$(GAPBENCH) ui --port $(PORT)

gate: $(VENV)/.installed ## compare a matrix with its accepted rows, run first if it never was
	@test -f "$${GAPBENCH_HOME:-.gapbench}/runs/$(MATRIX).json" || $(GAPBENCH) eval "$(MATRIX)"
	$(GAPBENCH) gate "$(MATRIX)"

accept: $(VENV)/.installed ## accept the rows of a matrix as they are now (MATRIX=cross-dataset)
	$(GAPBENCH) accept "$(MATRIX)"

publish-board: $(VENV)/.installed ## write the last run of a matrix to results/published, to be committed
	$(GAPBENCH) report "$(MATRIX)" --published

fresh-clone: ## what is committed, installed and run beside a space: smoke has to leave it clean (minutes, some GB)
	rm -rf "build/fresh clone" && git clone -q . "build/fresh clone"
	$(MAKE) -C "build/fresh clone" eval MATRIX=smoke
	git -C "build/fresh clone" status --porcelain > build/changed && cat build/changed && test ! -s build/changed

clean: ## remove .venv, .gapbench and caches; results and the MLflow store stay
	rm -rf $(VENV) .gapbench .pytest_cache .mypy_cache .ruff_cache .benchmarks build dist *.egg-info
