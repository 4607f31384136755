"""The README keeps its word."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from mistakes import MISTAKES

from problem_sets import SETS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMISES = (ROOT / "PROMISES.md").read_text(encoding="utf-8")


def programs():
    """Return the programs of the README, each with what stands below it, indented."""
    return [(program, "\n".join(line[4:] for line in shown.splitlines()))
            for program, shown in re.findall(
                r"^```python\n(.*?)^```\n\n[^\n]*\n\n((?:    [^\n]*\n)+)", README, re.M | re.S)]


def run(program, folder, name="program.py"):
    (folder / name).write_text(program, encoding="utf-8")
    return subprocess.run([sys.executable, "-W", "error", name], cwd=folder, text=True,
                          capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_the_check_says_what_the_readme_shows(tmp_path):
    program, shown = programs()[0]
    out = run(program, tmp_path, "swish.py")
    assert out.stderr.endswith(f"\n{shown}\n")
    right = program.replace("return dy * edf.sigmoid(x)",
                            "s = edf.sigmoid(x)\n        return dy * (s + x * s * (1 - s))")
    out = run(right, tmp_path)
    assert right != program and (out.returncode, out.stdout, out.stderr) == (0, "", "")


def test_the_perceptron_prints_what_the_readme_shows(mnist, tmp_path):
    program, promised = programs()[1]
    out = run("import time\n" + program + "print(time.process_time())", tmp_path)
    assert out.stderr == ""
    form = r"after one epoch: ([\d.]+)% test error on MNIST"
    text, seconds = out.stdout.splitlines()
    printed, shown = (float(re.fullmatch(form, text)[1]) for text in (text, promised))
    assert printed == pytest.approx(shown, abs=0.5)     # matrix products round in their own ways
    assert "Two seconds later:\n\n    after" in README and float(seconds) < 20     # on any machine


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 100 and len(programs()) == README.count("```python") == 2
    for text in re.findall(r"^- .*(?:\n  .*)*|[^|\n]+(?=\|)", README, re.M):   # bullets, cells
        assert len(re.sub(r"\]\(.*?\)", "", text).split()) <= 30, text


def test_the_readme_names_files_and_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    text = README + PROMISES + "".join((ROOT / name).read_text(encoding="utf-8") for name in (
        "CONTRIBUTING.md", "CHANGELOG.md", "course/README.md"))
    for target in re.findall(r"make ([a-z0-9-]+)(?=`|  |$| SET=)", text):
        assert re.search(rf"^[a-z0-9 -]*\b{target}\b[a-z0-9 -]*:", makefile, re.M), target
    names = re.findall(r"`([\w/]+\.(?:py|ipynb|md|txt))`", text)
    built = {"build/release/ps1/ps1.ipynb", "ada.ipynb", "ben.ipynb", "ada/ps1.ipynb"}
    gone = {"edf_check.py", "edf_view.py", "test_mutants.py"}
    for name in {*names} - built - gone:
        assert (ROOT / name).exists(), name


@pytest.mark.slow
def test_the_commands_of_the_readme_run_in_a_clone(tmp_path):
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip("not a clone")
    for name in files.stdout.strip("\0").split("\0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def make(*words):
        ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert ran.returncode == 0, (words, ran.stdout[-1000:] + ran.stderr[-3000:])
        return ran.stdout

    targets = set(re.findall(r"make ([a-z0-9-]+)(?=`|  )", README))
    assert targets == {"ps1", "test", "notebook", "release", "docs", "lint"}
    assert "final test error, 784-" in make("make", "ps1", f"PYTHON={sys.executable}")
    make("make", "docs")
    assert (tmp_path / "build" / "ps1.html").exists() and (tmp_path / "build" / "docs").exists()
    for command in re.findall(r"`(\.venv/bin/python .*?)`", README):
        assert "accuracy" in make(*command.split(), "--data", "digits", "--epochs", "1")
    for target in "test", "notebook", "release", "lint":        # each is run in other tests
        make("make", "-n", target)


def prose(page):
    """Return the Markdown of a file, of the cells of a notebook."""
    text = page.read_text(encoding="utf-8")
    return text if page.suffix == ".md" else "\n".join(
        "".join(cell["source"]) for cell in json.loads(text)["cells"]
        if cell["cell_type"] == "markdown")


def test_links_inside_the_repository_resolve():
    links = 0
    for page in [*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/*.md"), *ROOT.glob("*.ipynb")]:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            path, _, anchor = link.partition("#")
            if re.match(r"\w+:", link):         # https:, attachment:
                continue
            file = page.parent / path if path else page
            assert file.exists(), f"{page.name}: {link}"
            if anchor:
                headings = re.findall(r"^#+ (.*)", prose(file), re.M)
                assert anchor.lower() in [re.sub(r"[^\w -]", "", heading).replace(" ", "-").lower()
                                          for heading in headings], f"{page.name}: {link}"
            links += 1
    assert links > 10


def rows(heading):
    """Return the table below a heading of the README: {first word of a row: its cells}."""
    table = README.partition(heading)[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in table.splitlines() if line.startswith("|")]
    return {re.search(r"\w+", row[0])[0]: row for row in cells[2:]}


def test_the_table_has_the_figures_of_the_benchmarks():
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())["results"]["1"]
    table = rows("## Beside others")
    assert list(table) == ["EDF", "micrograd", "MyGrad", "tinygrad", "PyTorch"]
    for name, row in table.items():
        for task, shown in zip(["W1", "GPT"], row[2:4]):
            figures = results[task]["figures"]
            measured = name in figures and figures[name]["median"] / figures["EDF"]["median"]
            assert shown == (f"{measured:.2g}" if measured else "–"), (name, task)
    lines = int(table["EDF"][1].replace(",", ""))
    assert lines - 50 < len((ROOT / "edf.py").read_text().splitlines()) <= lines


def test_the_table_has_the_hours_of_the_course_page():
    page = (ROOT / "course" / "README.md").read_text(encoding="utf-8")
    hours = [sum(map(float, re.findall(rf"^\| {name} \|.*\| ([\d.]+) \|[^|]*\|$", page, re.M)))
             for name in SETS]
    assert rows("## Where to go")["learn"][3] == ", ".join(f"{total:.0f}" for total in hours)


def test_the_version_stands_in_one_place():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(r"^## (\d\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.M)[1] == version
    assert not re.search(r"^version", (ROOT / "CITATION.cff").read_text(), re.M)
    assert "__version__" not in (ROOT / "edf.py").read_text()


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
    contents = (ROOT / "course" / "ps1.py").read_text(encoding="utf-8")
    assert re.findall(r"^# \| (\d) \|.*\| ([\d.]+) \|$", contents, re.M) == [
        (section, hours) for name, section, _, _, hours in rows if name == "ps1"]


def hours_of_ps1():
    """Return the sum of the hours of its sections, as the course page has them."""
    page = (ROOT / "course" / "README.md").read_text(encoding="utf-8")
    return sum(map(float, re.findall(r"^\| ps1 \|.*\| ([\d.]+) \|[^|]*\|$", page, re.M)))


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


def test_each_requirement_is_a_range_and_is_written_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line for group in [project["dependencies"], *project["optional-dependencies"].values()]
             for line in group if not line.startswith("edf-learn[")]
    assert all(">=" in line and "==" not in line.split(";")[0] for line in lines)
    assert len({re.match(r"[\w-]+", line)[0] for line in lines}) == len(lines) > 10
