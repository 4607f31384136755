# Every task by name.  Each sets up what it needs first, in .venv or .venv-nbgrader.

PYTHON ?= python3
BIN := .venv/bin
GRADER := .venv-nbgrader/bin
BENCH := .venv-bench/bin
CLUSTER := .venv-cluster/bin
PIP := python -m pip install --disable-pip-version-check

help:
	@echo "make ps1           run problem set 1 on MNIST and write build/ps1.html"
	@echo "make ps2, ps3      the same for problem sets 2 and 3, make theory for the questions on paper"
	@echo "make notebook      open your copy of problem set 1 in JupyterLab; SET=ps2, ps3, theory"
	@echo "make test          run the tests"
	@echo "make test-slow     run the tests that take minutes: thousands of random graphs, files, kills"
	@echo "make test-browser  run the notebooks in JupyterLab in a real browser (needs Chromium)"
	@echo "make test-grading  test the release and the grading of the problem set"
	@echo "make test-cluster  test sweeps, training and grading on a cluster, on this machine"
	@echo "make docs          write the reference: build/docs/index.html"
	@echo "make lint          check the style of the code"
	@echo "make bench         time EDF beside other frameworks, some 15 minutes: build/bench/"
	@echo "make bench-quick   three of the workloads, about a minute"
	@echo "make student       build the notebooks from their sources in course/, and run them"
	@echo "make solutions     build and run them with the answers, in build/"
	@echo "make pictures      draw the moving picture of the README: course/walk.svg"
	@echo "make release       build problem set 1 in nbgrader's format, in build/release/; SET=ps2"
	@echo "make grade SUBMISSIONS=folder    grade the notebooks in a folder: build/grades/; SET=ps2"
	@echo "make clean         remove the environments and build"

ps1 ps2 ps3 theory: .venv/user
	$(BIN)/python course/problem_set.py run $@

notebook: .venv/user
	$(BIN)/python course/problem_set.py notebook $(SET)

test: .venv/dev
	$(BIN)/python -m pytest -q

test-slow: .venv/dev
	$(BIN)/python -m pytest -q -m slow $(OPTIONS)

test-browser: .venv/dev
	$(BIN)/python -m pytest -q -m browser tests/course/test_browser.py \
		tests/tools/test_walk_page.py $(OPTIONS)

test-grading: .venv/dev .venv-nbgrader/ready
	NBGRADER_PYTHON="$(CURDIR)/$(GRADER)/python" $(BIN)/python -m pytest -q -m grading \
		tests/course/test_grading.py

test-cluster: .venv-cluster/ready
	$(CLUSTER)/python -m pytest -q -m cluster --timeout 300 tests/course/test_cluster.py

docs: .venv/user
	$(BIN)/python course/reference.py

lint: .venv/dev
	$(BIN)/ruff check .

student solutions: .venv/dev
	$(BIN)/python course/problem_set.py $@ $(SET)

pictures: .venv/dev
	$(BIN)/python course/moving.py

release: .venv-nbgrader/ready
	$(GRADER)/python course/grade.py $(if $(SET),--set $(SET)) release

grade: $(if $(findstring --scheduler,$(OPTIONS)),.venv-cluster,.venv-nbgrader)/ready
	@test -n "$(SUBMISSIONS)" || { echo "usage: make grade SUBMISSIONS=folder"; exit 2; }
	$(dir $<)bin/python course/grade.py $(if $(SET),--set $(SET)) grade "$(SUBMISSIONS)" $(OPTIONS)

bench: .venv-bench/ready
	$(BENCH)/python benchmarks/run.py $(OPTIONS)
	$(BENCH)/python benchmarks/scaling.py

bench-quick: .venv-bench/ready
	$(BENCH)/python benchmarks/run.py --quick $(OPTIONS)

clean:
	rm -rf .venv .venv-nbgrader .venv-bench .venv-cluster build

.venv/user: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/$(PIP) -r requirements.txt
	@touch $@

.venv/dev: .venv/user
	$(BIN)/$(PIP) -e '.[dev]'
	@touch $@

.venv-nbgrader/ready: pyproject.toml
	$(PYTHON) -m venv .venv-nbgrader
	$(GRADER)/$(PIP) -e '.[grading]'
	@touch $@

.venv-cluster/ready: pyproject.toml
	$(PYTHON) -m venv .venv-cluster
	$(CLUSTER)/$(PIP) -r requirements-cluster.txt -e '.[grading,dev]' 'pytest-timeout>=2,<3'
	@touch $@

.venv-bench/ready: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	$(BENCH)/$(PIP) -e '.[bench]'
	@touch $@

.PHONY: help ps1 ps2 ps3 theory notebook test test-slow test-browser test-grading test-cluster \
	docs lint student solutions pictures release grade bench bench-quick clean
