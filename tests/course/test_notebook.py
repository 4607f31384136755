"""The problem set: built from its source, without answers, and running in every state."""

import ast
import gzip
import inspect
import re
import struct

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import problem_set as tool
import pytest

import edf
import mnist_loader
from problem_sets import EXERCISES


@pytest.fixture(scope="module")
def source():
    return tool.read_source()


@pytest.fixture(scope="module")
def student(source):
    return tool.without_answers(source)


@pytest.fixture(scope="module")
def solved(source):
    return tool.without_markers(source)


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(tool.STUDENT, as_version=4)


@pytest.fixture(scope="module")
def little_files(tmp_path_factory):
    """A folder with the embedded digits in the files of MNIST."""
    folder = tmp_path_factory.mktemp("mnist")
    for section, prefix in mnist_loader.PREFIX.items():
        images, labels = mnist_loader.load_digits(section)
        for name, array in ("images-idx3", np.rint(images * 255)), ("labels-idx1", labels):
            header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
            file = folder / f"{prefix}-{name}-ubyte.gz"
            file.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
    return folder


@pytest.fixture
def little_data(little_files, monkeypatch):
    """Let the notebook find these: all of it takes seconds then."""
    monkeypatch.setenv("MNIST_DIR", str(little_files))


def code(notebook):
    return [cell for cell in notebook["cells"] if cell.cell_type == "code"]


def printed(notebook):
    """Return what cells have printed, and the text of what they display, such as a verdict."""
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") + "\n"
                   for cell in code(notebook) for output in cell.outputs)


def by_section(notebook):
    """Return the code cells of each section, {number: [cell]}."""
    parts, number = {}, 0
    for cell in notebook.cells:
        if heading := tool.HEADING.match(cell.source):
            number = int(heading[1])
        if cell.cell_type == "code":
            parts.setdefault(number, []).append(cell)
    return parts


def sections(notebook):
    """Return the code of each section, {number: [source]}."""
    return {number: [cell.source for cell in cells]
            for number, cells in by_section(notebook).items()}


def run_here(cells, namespace):
    """Run cells in this process, where a warning is an error and nothing is shown."""
    for cell in cells:
        exec(compile(cell, "cell", "exec"), namespace)
    plt.close("all")


@pytest.fixture(scope="module")
def after_setup(source, little_files):
    """The names that section 0 leaves behind: it has no exercise, so it runs once."""
    matplotlib.use("Agg")
    setup = sections(source)[0]
    assert not any("SOLUTION" in cell for cell in setup)
    namespace = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MNIST_DIR", str(little_files))
        run_here(setup, namespace)
    return namespace


@pytest.fixture
def namespace(after_setup):
    return dict(after_setup)


def outcomes(text):
    """Return what the checks said: {exercise: the beginning of the sentence}."""
    said = re.findall(r"^[\d.]+ (\w+): (not done yet|not right yet|public checks passed)",
                      text, re.M)
    return dict(said)


PICTURES = 27           # PNG; what edf.draw draws comes on top
UNTOUCHED = {name: "not right yet" if name.lower().startswith("suspect") else "not done yet"
             for name in EXERCISES}
SOLVED = dict.fromkeys(EXERCISES, "public checks passed")


# What is committed.

def test_the_committed_notebook_is_what_the_source_gives(student, committed):
    assert [(c.cell_type, c.id, c.source) for c in committed.cells] == [
        (c.cell_type, c.id, c.source) for c in student.cells]


def test_the_committed_notebook_was_run_from_top_to_bottom_without_a_complaint(committed):
    cells = code(committed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"stream", "display_data",
                                                          "execute_result"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == PICTURES
    assert committed.metadata.kernelspec.name == "python3"
    assert "widgets" not in committed.metadata
    assert tool.STUDENT.stat().st_size < 2_500_000


@pytest.fixture(scope="module")
def said(committed):
    """What each section printed when the committed notebook was run: {number: text}."""
    return {number: printed({"cells": cells}) for number, cells in by_section(committed).items()}


def numbers(pattern, text):
    """Return all numbers that the groups of a pattern find, as an array."""
    return np.array(re.findall(pattern, text), float)


def test_the_committed_notebook_was_run_on_mnist(said):
    assert outcomes("".join(said.values())) == UNTOUCHED
    assert "data: MNIST\ntraining: (60000, 28, 28) testing: (10000, 28, 28)" in said[0]
    assert "mean pixel: 0.13066" in said[0]


def test_the_first_training_is_as_the_text_says(said):
    runs = re.findall(r"^(\w+) .*accuracy (\S+), loss (\S+), dead units (\d)", said[8], re.M)
    (_, sigmoid, *_), (_, relu, *_), (name, broken, loss, dead) = runs
    assert float(sigmoid) >= 0.97 and float(relu) >= 0.97
    assert name == "BrokenReLU" and float(broken) < 0.56 and dead == "8"
    assert 0.685 < float(loss) < 0.695


def test_the_perceptrons_reach_the_errors_of_the_course(said):
    first = numbers(r"epoch  1 .*test error +([\d.]+)%", said[9])[:3]
    last = numbers(r"epoch 10 .*test error +([\d.]+)%", said[9])[:3]
    assert np.all(abs(first - [7.8, 6.6, 6.2]) < 1) and np.all(last <= 3.3)
    assert numbers(r"final test error, 784-300-10: ([\d.]+)%", said[9]) <= 2


def test_the_experiments_come_out_as_the_text_says(said):
    rates = numbers(r"lr ([\d.]+) .* mean +([\d.]+)%", said[10])[1:]      # the first: five seeds
    for errors, best in (rates[:4], 1), (rates[4:8], 0.5):
        assert errors[errors[:, 1].argmin(), 0] == best
    assert rates[4, 0] == 5 and rates[4, 1] >= 85
    assert 0.05 < numbers(r"standard deviation of ([\d.]+) points", said[10]) < 0.5
    layers = numbers(r"layers (\d+) .* mean +([\d.]+)%", said[10])
    assert layers[:, 0].tolist() == [2, 4, 6, 10] * 2
    assert layers[2, 1] >= 80 and np.all(layers[4:, 1] <= 6)
    for factor, direction in (r"width (\d+)", -1), (r"size (\d+)", 1):
        table = numbers(rf"{factor} .* mean +([\d.]+)%", said[10])
        assert np.all(direction * np.diff(table[:, 1]) > 0)


def test_optimisers_batchnorm_and_convolution_reach_their_bounds(said):
    accuracy = dict(re.findall(r"^(\w+, [\d.]+) +([\d.]+)%", said[11], re.M))
    assert float(accuracy["RMSProp, 0.001"]) >= 96 and float(accuracy["Adam, 0.001"]) >= 96
    assert float(accuracy["SGD, 0.1"]) >= 96.5 and float(accuracy["SGD, 0.001"]) < 90
    without, rescued = numbers(r"epoch  3 .*test error +([\d.]+)%", said[12])
    assert without > 85 and rescued <= 4
    assert numbers(r"([\d.]+)% of the test images right", said[13]) >= 97.5


def test_the_committed_notebook_shows_the_engine_as_it_is(committed):
    for part in edf.forward, edf.backward, edf.Component.backward, edf.Affine:
        assert inspect.getsource(part) in printed(committed)


def test_no_path_of_a_computer_stands_in_the_notebook(committed):
    text = re.sub(r'"image/png": "[^"]*"', "", nbformat.writes(committed))
    assert not re.search(r"(/root|/home|/tmp|/work|C:\\)", text)


# The student version.

def test_no_line_of_an_answer_stands_in_the_student_version(source, committed):
    answers = [line.strip() for cell in source.cells
               for answer in tool.ANSWER.findall(cell.source) for line in answer[1].splitlines()]
    assert len(answers) > 100
    common = {"", "edf.forward()", "edf.backward(loss)", "edf.backward(net.loss)", "sgd.step()",
              "optimiser.step()", "for _ in range(epochs):", "step += 1", "return net"}
    text = "\n".join(cell.source for cell in committed.cells) + printed(committed)
    assert not [line for line in set(answers) - common if line in text]


def test_every_student_cell_compiles_and_says_where_the_answer_goes(student):
    stubs = 0
    for cell in code(student):
        ast.parse(cell.source)
        stubs += cell.source.count("# YOUR CODE HERE\n")
        assert "SOLUTION" not in cell.source
    assert stubs > 40
    questions = [cell.source for cell in student.cells if cell.source.startswith("**Question")]
    assert sum(cell.source == "*Your answer here.*" for cell in student.cells) == len(questions)


@pytest.mark.parametrize("text", ["### BEGIN SOLUTION\nx\n", "x\n### END SOLUTION\n",
                                  "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION\n"])
def test_markers_that_do_not_match_are_refused(tmp_path, text):
    file = tmp_path / "broken.py"
    file.write_text(tool.SOURCE.read_text().split("# %% [markdown]")[0] + "# %%\n" + text)
    with pytest.raises(ValueError, match="the solution markers do not match in the cell\n"):
        tool.read_source(file)


def test_prose_stands_in_markdown_and_cells_are_short(student):
    cells = code(student)
    assert 0.75 < (len(student.cells) - len(cells)) / len(cells) < 1.5
    for cell in cells:
        assert cell.source.count("\n") < 30
    for cell in student.cells:
        if cell.cell_type == "markdown":
            words = re.sub(r"\$\$.*?\$\$|^\|.*\|$", "", cell.source, flags=re.S | re.M).split()
            assert len(words) <= 120, cell.source


def test_every_exercise_has_its_task_a_hint_and_a_check(student):
    assert len(EXERCISES) >= 20
    numbers = [tuple(map(int, exercise.number.split("."))) for exercise in EXERCISES.values()]
    assert numbers == sorted(set(numbers))
    for name, exercise in EXERCISES.items():
        call = re.compile(rf'^(\w+ = )?check\("{name}"\)(;)?$')
        place, = [i for i, cell in enumerate(student.cells) if call.match(cell.source)]
        task, stub = student.cells[place - 2], student.cells[place - 1]
        title = rf"^\*\*(Exercise|Error) {re.escape(exercise.number)}: .+\.\*\*"
        assert re.search(title, task.source, re.M), task.source
        assert task.source.count("<details><summary>Hint</summary>\n\n") == 1, task.source
        assert task.source.endswith("\n\n</details>")
        assert stub.metadata.tags == ["raises-exception"]
        assert re.search(rf"^(class|def) {name}[(:]", stub.source, re.M)


def test_the_contents_name_every_section(student):
    assert list(sections(student)) == list(range(17))
    contents = student.cells[0].source
    for cell in student.cells:
        if heading := re.match(r"## (\d+) (.+)", cell.source):
            title = heading[2].removesuffix(" (optional)")
            assert f"| {heading[1]} | {title}" in contents


def test_sections_can_be_left_out(tmp_path):
    file = tmp_path / "ps1.py"
    text = tool.SOURCE.read_text(encoding="utf-8")
    file.write_text(text.replace("leave_out: []", "leave_out: [12, 13]"), encoding="utf-8")
    notebook = tool.read_source(file)
    assert set(sections(notebook)) == set(range(17)) - {12, 13}
    assert "| 11 |" in notebook.cells[0].source and "| 12 |" not in notebook.cells[0].source
    assert notebook.cells[-1].source == "score_sheet(leave_out=[12, 13])"
    file.write_text(text.replace("leave_out: []", "leave_out: [12, 70]"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"leave_out names sections that do not exist: \[70\]"):
        tool.read_source(file)


# Running it.

@pytest.mark.parametrize("version, outcome", [("student", UNTOUCHED), ("solved", SOLVED)])
def test_every_section_runs_after_the_first_alone(version, outcome, after_setup, request, capsys):
    parts = sections(request.getfixturevalue(version))
    for number in range(1, 17):
        run_here(parts[number], dict(after_setup))
    said = capsys.readouterr()
    assert outcomes(said.out) == outcome
    assert said.err == ""


BROKEN = {              # what a student leaves behind: the check says so, the notebook goes on
    "MyTanh": ("class MyTanh(edf.Component):\n    def f(self, x):\n        return np.tanh(x)\n\n"
               "    def dx(self, dy, x):\n        return dy * (1 - self.value ** 2\n", """\
not right yet (going on with EDF's Tanh)
    SyntaxError: '(' was never closed
    line 6 of the cell: return dy * (1 - self.value ** 2
"""),
    "MyReLU": ("class MyReLU(edf.Component):\n    def f(self, x):\n        return self.f(x)\n", """\
not right yet (going on with EDF's ReLU)
    RecursionError: maximum recursion depth exceeded
    line 3 of the cell: return self.f(x)
    in f of MyReLU(x (2, 3))
"""),
    "MyLeakyReLU": ("class MyLeakyReLU(edf.Component):\n    def f(self, x, slope=0.01):\n"
                    "        return np.where(x > 0, x, slope * x)\n\n"
                    "    def dx(self, dy, x, slope):\n        return dy @ x[:1]\n", """\
not right yet (going on with EDF's LeakyReLU)
    in dx: dy (2, 3) @ x[:1] (1, 3) do not fit
    line 6 of the cell: return dy @ x[:1]
    in dx of MyLeakyReLU(x (2, 3), slope 0.05), where dy is (2, 3)
"""),
    "MySoftmax": ("raise ValueError('a cell that fails')", """\
not right yet (going on with EDF's Softmax)
    NameError: MySoftmax is not defined: run the cell above, then this one again
"""),
}


def test_the_notebook_runs_in_jupyter_whatever_state_it_is_in(student, little_data):
    notebook = nbformat.from_dict(student)
    for cell in notebook.cells:
        for name, (code_of_student, _) in BROKEN.items():
            if is_exercise_cell(cell, name):
                cell.source = code_of_student
    executed = tool.execute(notebook)
    text = printed(executed)
    assert outcomes(text) == UNTOUCHED | dict.fromkeys(BROKEN, "not right yet")
    for name, (_, message) in BROKEN.items():
        assert f"{EXERCISES[name].number} {name}: {message}" in text
    errors = [output.ename for cell in code(executed) for output in cell.outputs
              if output.output_type == "error"]
    assert errors == ["SyntaxError", "ValueError"]
    assert not [1 for cell in code(executed) for output in cell.outputs
                if output.get("name") == "stderr"]
    sheet = "".join(output.text for output in executed.cells[-1].outputs)
    failing = len(BROKEN) + list(UNTOUCHED.values()).count("not right yet")
    marks = "".join(output.get("data", {}).get("text/html", "") for cell in code(executed)
                    for output in cell.outputs)
    assert marks.count("✗") == failing and marks.count("○") == len(EXERCISES) - failing
    assert sheet.endswith(f"0 of {len(EXERCISES)} done, {len(EXERCISES) - failing} not yet, "
                          f"{failing} failing\n")


def is_exercise_cell(cell, name):
    return cell.cell_type == "code" and re.search(rf"^(class|def) {name}[(:]", cell.source, re.M)


def test_a_check_can_be_run_again(student, solved, namespace, capsys):
    activations = sections(student)[4]
    run_here(activations, namespace)
    run_here(activations, namespace)            # the name ReLU is EDF's by now: still not done
    assert outcomes(capsys.readouterr().out)["MyReLU"] == "not done yet"
    run_here(sections(solved)[4], namespace)
    assert namespace["ReLU"].__name__ == "MyReLU"


def test_the_export_is_one_page_with_every_picture(committed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "BUILD", tmp_path)
    tool.write(committed, "ps1")
    page = (tmp_path / "ps1.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img[^>]* src="data:image/png;base64,', page)) == PICTURES
