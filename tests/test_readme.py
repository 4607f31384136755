"""The README keeps its word."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_script_prints_what_the_readme_shows(mnist):
    program, = re.findall(r"```python\n(.*?)```", README, re.S)
    promised, = re.findall(r"^    (after one epoch: .*)$", README, re.M)
    out = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=ROOT, text=True,
                         capture_output=True)
    assert out.stderr == ""
    form = r"after one epoch: ([\d.]+)% test error on MNIST"
    printed, shown = (float(re.fullmatch(form, text)[1]) for text in (out.stdout.strip(), promised))
    assert printed == pytest.approx(shown, abs=0.5)     # matrix products round in their own ways


def test_the_readme_names_files_and_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z0-9]+)", README):
        assert re.search(rf"^[a-z ]*\b{target}\b[a-z ]*:", makefile, re.M), target
    for name in re.findall(r"`([\w/]+\.(?:py|ipynb|md|txt))`", README) + ["course/errors.png"]:
        assert (ROOT / name).exists(), name


def test_requirements_are_ranges():
    lines = [line for name in ("requirements.txt", "requirements-dev.txt")
             for line in (ROOT / name).read_text().splitlines()
             if line and not line.startswith(("#", "-r"))]
    assert lines and all(">=" in line and "==" not in line for line in lines)
