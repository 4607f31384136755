# Every task by name.  Each sets up what it needs in .venv first.

PYTHON ?= python3
BIN := .venv/bin

help:
	@echo "make ps1        run problem set 1 on MNIST and write build/ps1.html"
	@echo "make notebook   open problem set 1 in JupyterLab"
	@echo "make test       run the tests"
	@echo "make lint       check the style of the code"
	@echo "make student    build ps1.ipynb from course/ps1.py, and run it"
	@echo "make solutions  build and run it with the answers, in build/"
	@echo "make clean      remove .venv and build"

ps1: .venv/user
	$(BIN)/python course/problem_set.py run

notebook: .venv/user
	$(BIN)/jupyter lab ps1.ipynb

test: .venv/dev
	$(BIN)/python -m pytest -q

lint: .venv/dev
	$(BIN)/ruff check .

student solutions: .venv/dev
	$(BIN)/python course/problem_set.py $@

clean:
	rm -rf .venv build

.venv/user: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt .venv/user
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.PHONY: help ps1 notebook test lint student solutions clean
