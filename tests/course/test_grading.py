"""Release and grading, end to end: a batch of submissions with everything that goes wrong.

The environment variable NBGRADER_PYTHON names the Python that has nbgrader: make
test-grading sets it.  Submissions are made of a short problem set: section 0,
four exercises and a question of the true one.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import nbformat
import problem_set as tool
import pytest

from problem_sets import EXERCISES, SETS

PYTHON = os.environ.get("NBGRADER_PYTHON")
pytestmark = [pytest.mark.grading, pytest.mark.skipif(
    not PYTHON, reason="NBGRADER_PYTHON is not set: make test-grading")]

NAMES = ["my_graph", "MyTanh", "MyReLU", "MySGD"]
FULL = {name: str(EXERCISES[name].points) for name in NAMES}
OUT_OF = sum(EXERCISES[name].points for name in NAMES)
CELL_LIMIT = 5
LONG = "long" * 63                  # as a folder 252 letters, the most that most systems allow
LATIN, SHOWN = "\udce9tudiant", r"\xe9tudiant"      # a byte of Latin-1, and as it is shown
if sys.platform == "darwin":        # where no file can be called so
    LATIN = SHOWN


def call(*args):
    """Run grade.py in the environment of nbgrader, and return what it says."""
    run = subprocess.run([PYTHON, tool.ROOT / "course" / "grade.py", *map(str, args)],
                         capture_output=True, text=True, timeout=1200)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


# The submissions.

def short_source():
    """Return the true source with section 0, four exercises and one question alone."""
    text = tool.SOURCES["ps1"].read_text(encoding="utf-8")
    head, *cells = re.split(r"^(?=# %%)", text, flags=re.M)
    first = next(i for i, cell in enumerate(cells) if re.search(r"^# ## 1", cell, re.M))
    chosen = cells[:first]
    for name in NAMES:
        at = next(i for i, cell in enumerate(cells)
                  if "BEGIN SOLUTION" in cell and re.search(rf"^(class|def) {name}\b", cell, re.M))
        chosen += ["# %%\nedf.clear()\n\n", *cells[at:at + 2]]
    at = next(i for i, cell in enumerate(cells) if re.search(r"^# \*\*Question", cell, re.M))
    return head + "".join(chosen + cells[at:at + 2])


class Submission:
    """A copy of the release, to be filled in and spoilt."""

    def __init__(self, released, answers):
        self.cells = nbformat.from_dict(released).cells
        self.metadata, self.answers = released.metadata, answers

    def place(self, name):
        return next(i for i, cell in enumerate(self.cells)
                    if cell.metadata.get("nbgrader", {}).get("grade_id") == name)

    def __getitem__(self, name):
        return self.cells[self.place(name)]

    def solve(self, *names):
        for name in names:
            self[name].source = self.answers[name]
        return self

    def insert(self, source, name):
        """Put a new cell in front of a graded one."""
        self.cells.insert(self.place(name), nbformat.v4.new_code_cell(source))

    def book(self):
        return nbformat.v4.new_notebook(cells=self.cells, metadata=self.metadata)

    def save(self, path):
        path.parent.mkdir(exist_ok=True)
        nbformat.write(self.book(), path)


WRONG_RELU = """class MyReLU(edf.Component):
    def f(self, x):
        return np.maximum(x, 0)

    def dx(self, dy, x):
        return 3 * dy
"""
ENDLESS_RELU = WRONG_RELU.replace("return 3 * dy", "while True:\n            pass")
STUBBORN_CELL = """while True:
    try:
        while True:
            pass
    except BaseException:
        pass"""
CHEAT = """import edf, hidden, numpy, problem_sets, sys
def check(name): print(name, "public checks passed")
problem_sets.check = check
rows = problem_sets.EXERCISES
rows["MyReLU"] = rows["MyReLU"]._replace(test=lambda mine: "fine")
edf.check_gradients = lambda *nodes, **options: {"x": 0.0}
numpy.allclose = lambda *arrays, **options: True
"""
FAKE_HIDDEN = """import os, sys, types
def verify(name, namespace):
    sys.audit("edf.verified", name)
sys.modules["hidden"] = types.SimpleNamespace(verify=verify, HIDDEN={})
for number in range(3, 200):
    try:
        os.write(number, b"\\nverified MyReLU\\n") if os.path.isfile(f"/dev/fd/{number}") else None
    except OSError:
        pass
"""
DEAF = """import sys
sys.audit = print"""
ODD_OUTPUT = r"""from IPython.display import display
display({"text/plain": None}, raw=True)
display({"image/png": 5}, raw=True)
display({"text/plain": "x"}, metadata={"x": None}, raw=True, display_id="one")
display({"text/plain": None}, raw=True, display_id="one", update=True)
print("half \ud83d")
raise ValueError("the other half \ud83d")"""
THIEF = """import ctypes, glob, os, shutil, socket, sqlite3, subprocess, sys
from pathlib import Path

def attempt(do, *args):
    try:
        do(*args)
        print("DONE", do, args)
    except PermissionError as error:
        print(error)
    except Exception as error:
        print("OTHER", type(error), error)

attempt(open, TRUE + "/course/ps1.py")
attempt(open, TRUE + "/course/hidden.py")
attempt(os.open, TRUE + "/course/ps1.py", os.O_RDONLY)
attempt(os.listdir, TRUE)
attempt(glob.glob, TRUE + "/course/*")
attempt(open, "/etc/passwd")
attempt(open, "/proc/self/environ")
attempt(open, ROOT + "/stolen.txt", "w")
attempt(Path(ROOT + "/theirs.txt").rename, "mine.txt")
attempt(os.remove, ROOT + "/theirs.txt")
attempt(os.link, ROOT + "/theirs.txt", "link.txt")
attempt(os.symlink, ROOT, "link")
attempt(shutil.rmtree, ROOT + "/data")
attempt(os.mkdir, ROOT + "/folder")
attempt(os.chdir, ROOT)
attempt(os.chdir, "data")
attempt(sqlite3.connect, ROOT + "/stolen.db")
attempt(os.system, "true")
attempt(subprocess.run, ["true"])
attempt(os.fork)
attempt(os.kill, os.getppid(), 9)
attempt(socket.create_connection, ("127.0.0.1", 9))
attempt(ctypes.CDLL, None)
Path("mine.txt").write_text("in my own folder")
"""


def spoil(submit, victim):
    """Yield (name of the file, submission or bytes) of the batch; submit() returns a new one.

    The thief tries to write into the folder `victim`.
    """
    yield "perfect.ipynb", submit().solve(*submit().answers)
    yield f"{LONG}/ps1.ipynb", submit().solve("my_graph", "MyTanh")
    yield f"{LATIN}.ipynb", submit()

    syntax = submit().solve(*NAMES)
    syntax["MyReLU"].source = "class MyReLU(edf.Component):\n    def f(self, x)\n        return x"
    yield "syntax.ipynb", syntax

    loop = submit().solve(*NAMES)
    loop["MyReLU"].source = ENDLESS_RELU
    yield "loop.ipynb", loop

    stubborn = submit().solve(*NAMES)
    stubborn.insert(STUBBORN_CELL, "MyReLU")
    yield "stubborn.ipynb", stubborn

    duplicated = submit().solve(*NAMES)
    copy = nbformat.from_dict(duplicated["MyReLU"])
    copy.id, copy.source = "copy", WRONG_RELU
    duplicated.cells.append(copy)
    duplicated.cells.append(nbformat.from_dict(duplicated["check-MyTanh"]))
    duplicated.cells[-1].id = "another"
    yield "duplicated.ipynb", duplicated

    deleted = submit().solve(*NAMES)
    del deleted.cells[deleted.place("check-MyReLU")], deleted.cells[deleted.place("MyTanh")]
    yield "deleted.ipynb", deleted

    tampered = submit().solve(*NAMES)
    tampered["MyReLU"].source = WRONG_RELU
    tampered["check-MyReLU"].source = "print('MyReLU: public checks passed')"
    tampered["check-MyReLU"].metadata.nbgrader.points = 100
    yield "tampered.ipynb", tampered

    cheat = submit().solve(*NAMES)
    cheat["MyReLU"].source = WRONG_RELU
    cheat.insert(CHEAT, "MyReLU")
    yield "cheat.ipynb", cheat

    fake = submit().solve(*NAMES)
    fake["MyReLU"].source = WRONG_RELU
    fake.insert(FAKE_HIDDEN, "MyReLU")
    fake.insert(DEAF, "MySGD")
    yield "fake.ipynb", fake

    borrowed = submit().solve(*NAMES)
    borrowed["MyTanh"].source = "MyTanh = edf.Tanh"
    borrowed["MyReLU"].source = "class MyReLU(edf.ReLU):\n    pass"
    borrowed["MySGD"].source = "def MySGD(lr):\n    return edf.SGD(lr)"
    yield "borrowed.ipynb", borrowed

    odd = submit().solve(*NAMES)
    odd.insert(ODD_OUTPUT, "MyReLU")
    book = odd.book()
    book.cells[odd.place("MyReLU")].outputs = [{"output_type": "display_data", "data": None}]
    book.cells[odd.place("MyReLU")].source = "\ufeff# \ud83d\n" + odd["MyReLU"].source
    book.cells[odd.place("question-6-2")].attachments = {"picture.png": None}
    book.cells.append({"cell_type": "markdown", "source": None, "metadata": None})
    yield "odd.ipynb", json.dumps(book).encode("utf-8-sig")

    thief = submit().solve(*NAMES)
    thief.insert(f"TRUE, ROOT = {str(tool.ROOT)!r}, {str(victim)!r}\n{THIEF}", "MyReLU")
    yield "thief.ipynb", thief

    memory = submit().solve(*NAMES)
    memory.insert("hog = [np.ones(10 ** 8) for _ in range(100)]", "MyReLU")
    yield "memory.ipynb", memory

    killer = submit().solve(*NAMES)
    killer.insert("import os\nos._exit(0)", "MyReLU")
    yield "killer.ipynb", killer

    lost = submit().solve(*NAMES)
    for name in "MyReLU", "check-MySGD":
        lost[name].id, lost[name].metadata = name, {}
    lost["MyTanh"].metadata.nbgrader.grade_id = "MyTan"
    yield "lost.ipynb", lost

    loud = submit().solve(*NAMES)
    loud["MyTanh"].source += "\nimport warnings\nwarnings.warn('a word of warning')"
    loud.insert("for _ in range(10 ** 5):\n    print('much ado ' * 20)", "MyReLU")
    yield "loud.ipynb", loud

    yield "renamed/homework.ipynb", submit().solve(*NAMES)
    yield "broken.ipynb", b'{"cells": [{"cell_type": "code", "sour'
    yield "list.ipynb", b"[1, 2, 3]"
    yield "report.pdf", b"%PDF-1.7"
    yield "empty/notes.txt", b"my notebook is on the other computer"
    yield "linked/notes.txt", b"and this is where it was"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A folder with the short source, and its release."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "ps1.py").write_text(short_source(), encoding="utf-8")
    call("release", "--source", folder / "ps1.py", "--folder", folder / "release")
    return folder


@pytest.fixture(scope="module")
def released(course):
    return nbformat.read(course / "release" / "ps1" / "ps1.ipynb", as_version=4)


@pytest.fixture(scope="module")
def source(course):
    return tool.read_source(course / "ps1.py")


def answers(released, source):
    """Return {grade id: what the source has there}."""
    solved = tool.without_markers(source)
    return {cell.metadata.nbgrader.grade_id: right.source
            for cell, right in zip(released.cells, solved.cells) if "nbgrader" in cell.metadata}


@pytest.fixture(scope="module")
def grades(course, released, source, tmp_path_factory):
    """The table of one batch: {submission: row}; and the folder in which it lies."""
    known = answers(released, source)
    folder, out = course / "submissions", course / "grades"
    (course / "victim" / "data").mkdir(parents=True)
    (course / "victim" / "theirs.txt").write_text("theirs")
    for name, submission in spoil(lambda: Submission(released, known), course / "victim"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(submission, bytes):
            path.write_bytes(submission)
        else:
            submission.save(path)
    (folder / "linked" / "ps1.ipynb").symlink_to(folder / "perfect.ipynb")
    (folder / "link.ipynb").symlink_to("perfect.ipynb")
    print(call("grade", folder, "--source", course / "ps1.py", "--released", course / "release",
               "--out", out, "--limit", 60, "--cell-limit", CELL_LIMIT))
    with open(out / "grades.csv", newline="", encoding="utf-8") as file:
        return {row["submission"]: row for row in csv.DictReader(file)}


def scores(row, **changed):
    """Compare a row with full marks, but for what is said."""
    expected = FULL | changed
    got = {name: row[name] for name in NAMES}
    for name in NAMES:
        assert got[name] == expected[name] or re.fullmatch(expected[name], got[name]), got
    total = sum(int(got[name]) for name in NAMES if ":" not in got[name])
    assert (row["total"], row["out of"]) == (str(total), str(OUT_OF))
    return row["notes"]


# The release.

def test_the_release_is_what_a_student_needs_and_no_more(course, released):
    folder = course / "release" / "ps1"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    tools = {f"edf_tools/{name}.py" for name in
             ("__init__", "advice", "check", "formulas", "listing", "progress", "saving", "timing",
              "view", "walk")}
    checks = {f"problem_sets/{name}.py" for name in
              ("__init__", "checks", "engine", "nets", "ps1", "ps2", "ps3", "sequences", "theory")}
    assert names == tools | checks | {"ps1.ipynb", "edf.py", "mnist_loader.py",
                                      "cifar10_loader.py", "text_loader.py", "requirements.txt",
                                      "LICENSE", "data/README.md", "data/digits.csv.gz",
                                      "data/names.txt.gz", "data/shakespeare.txt.gz"}
    assert {line.partition(">=")[0] for line in (folder / "requirements.txt").read_text().split()
            } == {"numpy", "pooch", "matplotlib", "jupyter"}
    assert all(cell.cell_type != "code" or not cell.outputs for cell in released.cells)


def test_no_answer_and_no_hidden_test_is_in_the_release(course, released, source):
    for path in (course / "release").rglob("*.*"):
        if path.suffix in (".py", ".ipynb", ".md", ".txt"):
            text = path.read_text(encoding="utf-8")
            assert not re.search("BEGIN (SOLUTION|HIDDEN)|from hidden|verify\\(", text), path
    text = "\n".join(cell.source for cell in released.cells)
    lines = [line.strip() for cell in source.cells for answer in tool.ANSWER.findall(cell.source)
             for line in answer[1].splitlines()]
    assert len(lines) > 5 and not [line for line in lines if line in text]


def test_the_release_differs_from_the_student_version_in_metadata_alone(released, source):
    student = tool.without_answers(source)
    assert [(cell.cell_type, cell.source.rstrip()) for cell in released.cells] == [
        (cell.cell_type, cell.source.rstrip()) for cell in student.cells]


def test_cells_are_locked_and_have_points(released):
    cells = {cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader
             for cell in released.cells if "nbgrader" in cell.metadata}
    for name in NAMES:
        assert (cells[name].solution, cells[name].grade, cells[name].locked) == (True, False, False)
        check = cells[f"check-{name}"]
        assert (check.solution, check.grade, check.locked) == (False, True, True)
        assert check.points == EXERCISES[name].points
    assert cells["setup-1"].locked and not cells["setup-1"].grade
    assert [cells[name].points for name in cells if name.startswith("question-")] == [1]


# Grading.

def test_a_right_answer_gets_its_points_and_prose_is_to_be_read(grades):
    assert scores(grades["perfect"]) == ""
    assert [text for name, text in grades["perfect"].items()
            if name.startswith("question-")] == ["to read"]


def test_what_is_not_done_is_said_to_be_not_done(grades):
    not_done = "0: not done yet"
    assert scores(grades[LONG], MyReLU=not_done, MySGD=not_done) == ""
    assert scores(grades[SHOWN], **dict.fromkeys(NAMES, not_done)) == ""
    assert [text for name, text in grades[SHOWN].items()
            if name.startswith("question-")] == ["0: not answered"]


def test_a_syntax_error_costs_its_exercise(grades):
    assert scores(grades["syntax"], MyReLU=r"0: public test: SyntaxError: expected ':' line 2.*"
                  ) == ""


def test_an_endless_loop_is_stopped_and_later_cells_are_graded(grades):
    assert scores(grades["loop"], MyReLU=f"0: Timeout: stopped after {CELL_LIMIT} seconds") == ""
    lost = '0: the cell that begins "while True:" could not be stopped'
    assert scores(grades["stubborn"], MyReLU=lost, MySGD=lost) == ""


def test_of_duplicated_cells_what_ran_last_counts(grades):
    notes = scores(grades["duplicated"], MyReLU="0: public test: wrong gradient: .*")
    assert notes == "duplicated: check-MyTanh; duplicated: MyReLU"


def test_deleted_cells_are_named_and_restored(grades):
    notes = scores(grades["deleted"], MyTanh="0: not done yet")
    assert notes == "missing: MyTanh; missing: check-MyReLU"


def test_a_tampered_check_is_named_and_restored(grades):
    notes = scores(grades["tampered"], MyReLU="0: public test: wrong gradient: .*")
    assert notes == "altered: check-MyReLU (restored)"


def test_putting_something_in_place_of_the_checks_gains_nothing(grades):
    scores(grades["cheat"], MyReLU="0: public test: wrong gradient: .*")
    scores(grades["fake"], MyReLU="0: public test: wrong gradient: .*",
           MySGD="0: the test did not run to its end: was its code replaced[?]")


def test_what_hands_the_work_to_edf_gets_no_points(grades):
    own = "the formulas must be your own"
    assert scores(grades["borrowed"], MyTanh=f"0: public test: MyTanh inherits .* Tanh: {own}",
                  MyReLU=f"0: public test: MyReLU inherits from EDF's ReLU: {own}",
                  MySGD="0: public test: MySGD must be a class, .*") == ""


def test_what_no_notebook_can_hold_costs_nothing(grades, course):
    assert scores(grades["odd"]) == ""
    page = (course / "grades" / "feedback" / "odd.html").read_text(encoding="utf-8")
    for said in "[an output that no notebook can hold]", "half \ufffd", "other half \ufffd":
        assert said in page


def test_what_a_submission_was_refused_is_noted_even_if_it_swallows_the_error(grades, course):
    notes = scores(grades["thief"])
    true, victim = tool.ROOT, course / "victim"
    for what in (f"reading '{true}/course/ps1.py'", f"reading '{true}/course/hidden.py'",
                 f"reading '{true}'", "reading '/etc/passwd'", f"writing '{victim}/stolen.txt'",
                 f"os.remove '{victim}/theirs.txt'", f"os.rename '{victim}/theirs.txt'",
                 f"os.mkdir '{victim}/folder'", f"os.chdir '{victim}'", "os.system b'true'",
                 "os.fork", "os.kill", "socket.", "ctypes."):
        assert f"refused: {what}" in notes, (what, notes)
    page = (course / "grades" / "feedback" / "thief.html").read_text(encoding="utf-8")
    assert page.count("refused while grading: ") >= 20 and "in my own folder" in page
    assert not re.findall(r"^(?:DONE|OTHER).*", page, re.MULTILINE)
    assert {path.name for path in victim.iterdir()} == {"theirs.txt", "data"}


def test_memory_and_the_life_of_the_kernel_are_limited_to_the_submission(grades):
    assert scores(grades["memory"]) == ""
    lost = '0: the cell that begins "import os" ended the kernel'
    assert scores(grades["killer"], MyReLU=lost, MySGD=lost) == ""


def test_cells_that_have_lost_their_ids_are_found_again(grades):
    assert scores(grades["lost"]) == (
        'unknown grade cell "MyTan": renamed?; lost its grade id: MyTanh (found again); '
        "lost its grade id: MyReLU (found again); lost its grade id: check-MySGD (found again)")


def test_warnings_and_much_output_cost_nothing(grades):
    assert scores(grades["loud"]) == ""


def test_files_of_other_names_and_kinds_get_a_row(grades):
    assert scores(grades["renamed"]) == "renamed: homework.ipynb"
    for name, notes in (("broken", "not a notebook: .*"), ("list", "not a notebook: .*"),
                        ("report", "not a notebook: .*"), ("empty", "no notebook in the folder")):
        assert re.fullmatch(notes, scores(grades[name], **dict.fromkeys(NAMES, "0: not graded")))


def test_links_are_refused(grades):
    for name, notes in (("link", "refused: a link"),
                        ("linked", "refused: the link ps1.ipynb; no notebook in the folder")):
        assert scores(grades[name], **dict.fromkeys(NAMES, "0: not graded")) == notes


def test_every_submission_has_a_row_and_a_page(grades, course):
    pages = {path.stem[:200]: path for path in (course / "grades" / "feedback").iterdir()}
    assert set(pages) == {name[:200] for name in grades} and len(grades) == 25
    for name, row in grades.items():
        page = pages[name[:200]].read_text(encoding="utf-8")
        for note in filter(None, row["notes"].split("; ")):
            assert note.split(" '")[0][:30] in page.replace("&quot;", '"'), (name, note)


def test_what_is_known_when_the_batch_is_stopped_is_in_the_table(course, released, source):
    folder, out = course / "stopped", course / "stopped-grades"
    folder.mkdir()
    (folder / "a.ipynb").write_text("not a notebook")
    for name in "bcd":
        Submission(released, answers(released, source)).save(folder / f"{name}.ipynb")
    run = subprocess.Popen([PYTHON, tool.ROOT / "course" / "grade.py", "grade", folder, "--source",
                            course / "ps1.py", "--released", course / "release", "--out", out,
                            "--jobs", "1"], stdout=subprocess.PIPE, text=True)
    first = run.stdout.readline()
    run.send_signal(signal.SIGINT)
    said = first + run.communicate()[0]
    with open(out / "grades.csv", newline="", encoding="utf-8") as file:
        names = [row["submission"] for row in csv.DictReader(file)]
    assert names[0] == "a" and "d" not in names and run.returncode == 1
    assert re.findall(r"^[a-d]\b", said, re.MULTILINE) == names
    assert f"wrote {len(names)} of 4 rows" in said


@pytest.mark.parametrize("set_", tool.NAMES)
def test_of_a_whole_problem_set_the_answers_get_full_marks_and_the_stubs_none(set_, tmp_path):
    call("--set", set_, "release", "--folder", tmp_path / "release")
    file = tmp_path / "release" / set_ / f"{set_}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    known = answers(notebook, tool.read_source(tool.SOURCES[set_]))
    for name, done in ("solved", known), ("student", ()):
        Submission(notebook, known).solve(*done).save(tmp_path / "submissions" / f"{name}.ipynb")
    call("--set", set_, "grade", tmp_path / "submissions", "--released", tmp_path / "release",
         "--out", tmp_path / "grades")
    with open(tmp_path / "grades" / "grades.csv", newline="", encoding="utf-8") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    out_of = sum(exercise.points for exercise in SETS[set_].values())
    for name, total in ("solved", out_of), ("student", 0):
        row = rows[name]
        assert (row["total"], row["out of"], row["notes"]) == (str(total), str(out_of), ""), row
