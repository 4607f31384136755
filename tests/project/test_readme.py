"""The README keeps its word."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from mistakes import MISTAKES

from problem_sets import EXERCISES, SETS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMISES = (ROOT / "PROMISES.md").read_text(encoding="utf-8")


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
    text = README + PROMISES + (ROOT / "course" / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"make ([a-z0-9-]+)", text):
        assert re.search(rf"^[a-z0-9 -]*\b{target}\b[a-z0-9 -]*:", makefile, re.M), target
    names = re.findall(r"`([\w/]+\.(?:py|ipynb|md|txt))`", text)
    built = {"build/release/ps1/ps1.ipynb", "ada.ipynb", "ben.ipynb", "ada/ps1.ipynb"}
    for name in {*names, "course/errors.png"} - built:
        assert (ROOT / name).exists(), name


def test_every_promise_names_its_tests():
    promised = PROMISES.partition("## Gradients")[2].partition("## Not promised")[0]
    for promise in promised.split("\n- ")[1:]:
        command = re.search(r"`(?:TEST|SLOW)( [\w/. ]+)?`", promise)
        assert command, promise
        for name in (command[1] or "").split():
            slow = "SLOW" in command[0]
            assert not slow or "pytest.mark.slow" in (ROOT / name).read_text(), name
            assert (ROOT / name).exists(), name
    assert f"{len(MISTAKES)} mistakes" in PROMISES


def test_the_course_page_counts_exercises_and_points_right():
    page = (ROOT / "course" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (ps1|ps2|ps3|theory) \| (\d+) [^|]*\| (\d*) ?\| (\d*) ?\| ([\d.]+)",
                      page, re.M)
    counted = {name: 0 for name in SETS}
    for name, section, count, points, _ in rows:
        exercises = [exercise for exercise in SETS[name].values()
                     if exercise.number.split(".")[0] == section]
        counted[name] += len(exercises)
        assert int(count or 0) == len(exercises)
        assert int(points or 0) == sum(exercise.points for exercise in exercises)
    assert counted == {name: len(exercises) for name, exercises in SETS.items()}
    assert f"{hours_of_ps1():g} for `ps1`" in page


def hours_of_ps1():
    """Return the sum of the hours of its sections, as the course page has them."""
    page = (ROOT / "course" / "README.md").read_text(encoding="utf-8")
    return sum(map(float, re.findall(r"^\| ps1 \|.*\| ([\d.]+) \|[^|]*\|$", page, re.M)))


@pytest.mark.xfail(strict=True, reason="two readers took 9 to 10 hours: one more is to be cut")
def test_problem_set_1_takes_eight_hours_at_most():
    assert 0 < hours_of_ps1() <= 8


def test_every_place_that_the_course_page_names_is_in_its_notebook():
    page = (ROOT / "course" / "README.md").read_text(encoding="utf-8")
    table = page.partition("### Where the questions")[2].partition("## Leaving")[0]
    names, places, name = set(SETS), 0, None
    for row in re.findall(r"^\| .*\| (.*[\d].*) \|$", table, re.M):
        for word in re.findall(r"[a-z]+\d?|\d+(?:\.\d+)?", row):
            name = word if word in names else name
            if word[0].isdigit():
                source = (ROOT / "course" / f"{name}.py").read_text(encoding="utf-8")
                title = rf"(## {word} |\*\*(Exercise|Question|Error) {re.escape(word)}[.:])"
                assert re.search(title, source), (name, word)
                places += 1
    assert places > 60


def test_the_readme_counts_the_exercises():
    assert f"{len(EXERCISES)} of them" in README


def test_each_requirement_is_a_range_and_is_written_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line for group in [project["dependencies"], *project["optional-dependencies"].values()]
             for line in group if not line.startswith("edf-learn[")]
    assert all(">=" in line and "==" not in line for line in lines)
    assert len({re.match(r"[\w-]+", line)[0] for line in lines}) == len(lines) > 10
