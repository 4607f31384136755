"""The notebooks: built from their sources, without answers, and running in every state."""

import ast
import base64
import gzip
import inspect
import io
import os
import re
import struct
import subprocess

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import problem_set as tool
import pytest
from pictures import PICTURES

import edf
import mnist_loader
import text_loader
from problem_sets import EXERCISES, SETS, engine, nets


@pytest.fixture(scope="module", params=tool.NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def source(name):
    return tool.read_source(tool.SOURCES[name])


@pytest.fixture(scope="module")
def student(source):
    return tool.without_answers(source, fold=True)


@pytest.fixture(scope="module")
def solved(source):
    return tool.without_markers(source)


@pytest.fixture(scope="module")
def committed(name):
    return nbformat.read(tool.STUDENT[name], as_version=4)


@pytest.fixture(scope="module")
def little_files(tmp_path_factory):
    """A folder with the embedded digits in the files of MNIST, and a short text."""
    folder = tmp_path_factory.mktemp("mnist")
    (folder / "text.txt").write_text(text_loader.load_text()[:20_000], encoding="utf-8")
    for section, prefix in mnist_loader.PREFIX.items():
        images, labels = mnist_loader.load_digits(section)
        for name, array in ("images-idx3", np.rint(images * 255)), ("labels-idx1", labels):
            header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
            file = folder / f"{prefix}-{name}-ubyte.gz"
            file.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
    return folder


@pytest.fixture(scope="module")
def little_colours(tmp_path_factory):
    """A folder with the embedded digits, in blue, in the files of CIFAR-10."""
    folder = tmp_path_factory.mktemp("cifar")
    for section, name in ("training", "data_batch_1.bin"), ("testing", "test_batch.bin"):
        images, labels = mnist_loader.load_digits(section)
        images = np.rint(255 * np.pad(images, ((0, 0), (2, 2), (2, 2)))).astype(np.uint8)
        colours = np.stack([images // 4, images // 2, images], axis=1).reshape(len(images), -1)
        records = np.concatenate([labels[:, None].astype(np.uint8), colours], axis=1)
        (folder / name).write_bytes(records.tobytes())
    return folder


@pytest.fixture
def little_data(little_files, monkeypatch):
    """Let the notebook find these: all of it takes seconds then."""
    monkeypatch.setenv("MNIST_DIR", str(little_files))
    monkeypatch.setenv("TEXT_FILE", str(little_files / "text.txt"))


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
def after_setup(source, little_files, little_colours):
    """The names that section 0 leaves behind: it has no exercise, so it runs once for all.

    With the answers, ps2 runs on digits, in one channel, and without on colours.
    """
    matplotlib.use("Agg")
    setup = sections(source)[0]
    assert not any("SOLUTION" in cell for cell in setup)
    namespaces = {"student": {}, "solved": {}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MNIST_DIR", str(little_files))
        patch.setenv("CIFAR10_DIR", str(little_colours))
        patch.setenv("TEXT_FILE", str(little_files / "text.txt"))
        run_here(setup, namespaces["student"])
        digits = [cell.replace("load()", 'load("digits")') for cell in setup]
        run_here(digits if "cifar10" in "".join(setup) else [], namespaces["solved"])
    return {version: names or namespaces["student"] for version, names in namespaces.items()}


@pytest.fixture
def ps1_namespace(little_data):
    namespace = {}
    run_here(sections(read("ps1"))[0], namespace)
    return namespace


def outcomes(text):
    """Return what the checks said: {exercise: the beginning of the sentence}."""
    said = re.findall(r"^[\d.]+ (\w+): (not done yet|not right yet|public checks passed)",
                      text, re.M)
    return dict(said)


def pictures(notebook):
    """Return how many pictures the cells show; what edf.draw draws comes on top."""
    return sum("plt.show()" in cell.source for cell in code(notebook))


def untouched(name):
    return {exercise: "not right yet" if exercise.lower().startswith("suspect") else "not done yet"
            for exercise in SETS[name]}


# What is committed.

def test_the_committed_notebook_is_what_the_source_gives(student, committed):
    assert [(c.cell_type, c.id, c.source) for c in committed.cells] == [
        (c.cell_type, c.id, c.source) for c in student.cells]
    assert tool.built(committed) == tool.version(committed)


def test_the_committed_notebook_was_run_from_top_to_bottom_without_a_complaint(name, committed):
    cells = code(committed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data",
                                                          "execute_result"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == pictures(
        committed) > 2
    assert committed.metadata.kernelspec.name == "python3"
    assert "widgets" not in committed.metadata
    assert tool.STUDENT[name].stat().st_size < 2_500_000


def test_the_committed_notebook_was_run_on_the_true_data(name, committed):
    text = printed(committed)
    assert outcomes(text) == untouched(name)
    images = "data: MNIST\ntraining: (60000, 28, 28) testing: (10000, 28, 28)"
    photographs = ("data: CIFAR-10 (10,000 of 50,000 images, 2,000 of 10,000 test images)\n"
                   "training: (10000, 3, 32, 32) testing: (2000, 3, 32, 32)")
    letters = "data: 679,546 letters to learn from, 75,506 for validation"
    data = {"ps1": images, "ps2": photographs, "ps3": letters, "theory": ""}     # which needs none
    assert data[name] in text


def said(name):
    """Return what each section printed when the committed notebook was run: {number: text}."""
    notebook = nbformat.read(tool.STUDENT[name], as_version=4)
    return {number: printed({"cells": cells}) for number, cells in by_section(notebook).items()}


def numbers(pattern, text):
    """Return all numbers that the groups of a pattern find, as an array."""
    return np.array(re.findall(pattern, text), float)


def test_the_first_training_is_as_the_text_says():
    runs = re.findall(r"^(\w+) .*accuracy (\S+), loss (\S+), dead units (\d)", said("ps1")[6], re.M)
    (_, sigmoid, *_), (_, relu, *_), (name, broken, loss, dead) = runs
    assert float(sigmoid) >= 0.97 and float(relu) >= 0.97
    assert name == "BrokenReLU" and float(broken) < 0.56 and dead == "8"
    assert 0.685 < float(loss) < 0.695


def test_the_perceptrons_reach_the_errors_of_the_course():
    text = said("ps1")[7]
    first = numbers(r"epoch  1 .*test error +([\d.]+)%", text)[:3]
    last = numbers(r"epoch 10 .*test error +([\d.]+)%", text)[:3]
    assert np.all(abs(first - [7.8, 6.6, 6.2]) < 1) and np.all(last <= 3.3)
    assert numbers(r"final test error, 784-300-10: ([\d.]+)%", text) <= 2


@pytest.mark.slow
def test_the_best_perceptron_reaches_its_error_on_mnist(mnist):
    namespace = {"np": np, "edf": edf, "mlp": nets.mlp}
    answer, = [cell.source for cell in code(tool.without_markers(read("ps1")))
               if cell.source.startswith("def my_best_net(")]
    exec(answer, namespace)
    data = nets.held_out(mnist, 5000)
    net = namespace["my_best_net"](data.train_images, data.train_labels)
    assert nets.error_rate(net, data.test_images, data.test_labels) <= 0.012
    assert nets.error_rate(net, mnist.test_images, mnist.test_labels) <= 0.014


def test_the_experiments_come_out_as_the_text_says():
    text = said("ps2")
    error = dict(re.findall(r"^(\w+ +\w+) +([\d.]+)% ", text[1], re.M))
    assert float(error["he      ReLU"]) < 80 and float(error["xavier  ReLU"]) > 85
    rates = numbers(r"lr ([\d.]+) .* mean +([\d.]+|nan)%", text[2])[1:]     # first five seeds
    for errors, best in (rates[:4], (0.2, 0.05)), (rates[4:8], (0.05,)):
        assert errors[np.nanargmin(errors[:, 1]), 0] in best
    assert np.isnan(rates[4, 1]) and rates[5, 1] > 80
    assert 0.3 < numbers(r"standard deviation of ([\d.]+) points", text[2]) < 4
    layers = numbers(r"layers (\d+) .* mean +([\d.]+)%", text[2])
    assert layers[:, 0].tolist() == [2, 4, 6, 10] * 2
    assert np.all(layers[2:4, 1] >= 80) and np.all(layers[4:, 1] <= 70)
    assert np.all(np.diff(numbers(r"width \d+ .* mean +([\d.]+)%", text[2])) < 0)
    sizes = numbers(r"size \d+ .* mean +([\d.]+)%", text[2])
    assert np.all(np.diff(sizes[1:]) > 0)
    assert abs(numbers(r"size 64, four epochs: ([\d.]+)%", text[2]) - sizes[1]) < 3


def test_optimisers_regularisation_and_batchnorm_come_out_as_the_text_says():
    text = said("ps2")
    races = numbers(r"best [\d.e-]+: ([\d.]+) \+- ([\d.]+) %", text[3])
    assert len(races) == 6 and np.ptp(races[:, 0]) < 2 * races[:, 1].max()
    assert "SGD, 0.5         SGD          nan%" in text[3]
    assert np.all(numbers(r"Clipped +([\d.]+)% +([\d.]+)% +([\d.]+)%", text[3]) < 70)
    gaps = numbers(r"gap +(-?[\d.]+)%", text[4])
    assert gaps[0] > 20 and np.all(gaps[1:] < 15)
    without, *rescued = numbers(r"validation error ([\d.]+)%", text[5])
    assert without > 85 and max(rescued) < 70


def test_the_networks_rank_as_the_text_says():
    text = said("ps2")
    assert numbers(r"([\d.]+)% of the test images right", text[0]) > 45
    perceptron, lenet, plain, residual = numbers(r"validation ([\d.]+)%", text[7])
    assert max(plain, residual) < lenet < perceptron + 2


def test_letters_are_predicted_as_well_as_the_text_says():
    text = said("ps3")
    nats = dict(re.findall(r"^([\w ]+?) +([\d.]+) nats", text[1], re.M))
    assert nats == {"all alike": "4.174", "frequencies": "3.349", "bigrams": "2.462"}
    learned = numbers(r"loss ([\d.]+), largest difference of a probability ([\d.]+)", text[1])[-1]
    assert abs(learned[0] - numbers(r"counted: +loss ([\d.]+)", text[1])) < 2e-5
    assert learned[1] < 1e-3
    assert numbers(r"perceptron on 8 letters: ([\d.]+)", text[2]) < 2.1
    cells = dict(re.findall(r"^(RNN|LSTM|GRU) +([\d.]+) nats", text[3], re.M))
    assert float(cells["GRU"]) < float(cells["RNN"]) < 2.2
    losses = dict(re.findall(r"^([\w ]+?) +([\d.]+) nats$", text[5], re.M))
    assert sorted(losses, key=losses.get)[-2:] == ["no attention", "no residual"]
    assert 3.2 < float(losses["no residual"]) < 3.45 and len(losses) == 6
    assert numbers(r"GPT, 112,065 parameters: validation loss ([\d.]+)", text[6]) <= 1.80
    assert numbers(r"nats, [\d.]+ bits, after (\d+) s", text[6]) <= 90


def test_the_first_page_trains_a_network_with_the_parts_of_edf():
    text = said("ps1")[0]
    assert "mean pixel: 0.13066" in text
    assert numbers(r"wrong on ([\d.]+)% of the test images", text) < 5


def test_the_notebook_shows_the_engine_as_it_is_and_no_formula_that_is_asked_for():
    text = said("ps1")[1]
    for part in engine.forward, engine.backward, engine.Component, engine.Param:
        assert inspect.getsource(part) in text
    for part in engine.Affine, engine.ReLU, engine.SoftmaxCrossEntropy:
        formula = inspect.getsource(part).splitlines()[-1].strip()
        assert formula and not [page for page in said("ps1").values() if formula in page]


def test_no_path_of_a_computer_stands_in_the_notebook(committed):
    text = re.sub(r'"image/png": "[^"]*"', "", nbformat.writes(committed))
    assert not re.search(r"(/root|/home|/tmp|/work|C:\\)", text)


# The student version.

def test_no_line_of_an_answer_stands_in_the_student_version(source, committed):
    answers = [line.strip() for cell in code(source)
               for answer in tool.ANSWER.findall(cell.source) for line in answer[1].splitlines()]
    assert len(answers) > 10
    common = {"", "edf.forward()", "edf.backward(loss)", "edf.backward(net.loss)", "sgd.step()",
              "optimiser.step()", "for _ in range(epochs):", "step += 1", "return net",
              "return loss", "with edf.evaluating():"}
    text = "\n".join(cell.source for cell in committed.cells) + printed(committed)
    assert not [line for line in set(answers) - common if line in text]


def test_every_student_cell_compiles_and_says_where_the_answer_goes(student):
    stubs = 0
    for cell in code(student):
        ast.parse(cell.source)
        stubs += cell.source.count("# YOUR CODE HERE\n")
        assert "SOLUTION" not in cell.source
    assert stubs > 4
    questions = [cell for cell in student.cells if re.search(r"^\*\*Question", cell.source, re.M)]
    assert sum(cell.source == "*Your answer here.*" for cell in student.cells) == len(questions)
    assert sum(cell.source.count(tool.FOLDED.split("{}")[0]) for cell in student.cells) == len(
        questions)


@pytest.mark.parametrize("text", ["### BEGIN SOLUTION\nx\n", "x\n### END SOLUTION\n",
                                  "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION\n"])
def test_markers_that_do_not_match_are_refused(tmp_path, text):
    file = tmp_path / "broken.py"
    file.write_text(tool.SOURCES["ps1"].read_text().split("# %% [markdown]")[0] + "# %%\n" + text)
    with pytest.raises(ValueError, match="the solution markers do not match in the cell\n"):
        tool.read_source(file)


def test_prose_stands_in_markdown_and_cells_are_short(name, student):
    cells = code(student)
    prose = len(student.cells) - len(cells)
    assert 0.75 < prose / len(cells) < (2.5 if name == "theory" else 1.5)
    for cell in cells:
        assert cell.source.count("\n") < 30
    for cell in student.cells:
        if cell.cell_type == "markdown":
            prose = cell.source.partition("<details>")[0]
            words = re.sub(r"\$\$.*?\$\$|^\|.*\|$|!\[.*?\)", "", prose, flags=re.S | re.M).split()
            assert len(words) <= 120, cell.source


def test_a_problem_set_has_at_most_150_cells_and_24_exercises(name, student):
    assert len(student.cells) <= 150 and len(SETS[name]) <= 24


def test_pictures_and_links_are_there():
    shown, links = [], set()
    for path in tool.SOURCES.values():
        text = path.read_text(encoding="utf-8")
        shown += tool.PICTURE.findall(text)
        links |= set(re.findall(r"\]\((https?://[^)]+)\)", text))
    assert set(shown) == set(PICTURES) and len(PICTURES) >= 10
    assert len(links) >= 20


def test_a_picture_stands_in_the_notebook_itself(committed):
    names = [(cell, name) for cell in committed.cells
             for name in re.findall(r"\(attachment:([\w.]+)\)", cell.source)]
    assert names
    for cell, name in names:
        data = base64.b64decode(cell.attachments[name]["image/png"])
        height, width, colours = plt.imread(io.BytesIO(data)).shape
        assert width > 600 and height > 100
        assert len(np.unique(plt.imread(io.BytesIO(data)).reshape(-1, colours), axis=0)) > 20


def test_every_exercise_has_its_task_a_hint_and_a_check(name, student):
    numbers = [tuple(map(int, exercise.number.split("."))) for exercise in SETS[name].values()]
    assert numbers == sorted(set(numbers))
    for exercise, row in SETS[name].items():
        call = re.compile(rf'^(\w+ = )?check\("{exercise}"\)(;)?$')
        place, = [i for i, cell in enumerate(student.cells) if call.match(cell.source)]
        task, stub = student.cells[place - 2], student.cells[place - 1]
        title = rf"^\*\*(Exercise|Error) {re.escape(row.number)}: .+\.\*\*"
        assert re.search(title, task.source, re.M), task.source
        assert task.source.count("<details><summary>Hint</summary>\n\n") == 1, task.source
        assert task.source.endswith("\n\n</details>")
        assert stub.metadata.tags == ["raises-exception"]
        assert re.search(rf"^(class|def) {exercise}[(:]", stub.source, re.M)


def test_the_contents_name_every_section(student):
    assert list(sections(student)) == list(range(len(sections(student))))
    contents = student.cells[0].source
    for cell in student.cells:
        if heading := re.match(r"## (\d+) (.+)", cell.source):
            title = heading[2].removesuffix(" (optional)")
            assert f"| {heading[1]} | {title}" in contents


def test_sections_can_be_left_out(tmp_path):
    file = tmp_path / "ps2.py"
    text = tool.SOURCES["ps2"].read_text(encoding="utf-8")
    file.write_text(text.replace("leave_out: []", "leave_out: [2, 3]"), encoding="utf-8")
    notebook = tool.read_source(file)
    assert list(sections(notebook)) == [0, 1, *range(4, 10)]
    assert "| 1 |" in notebook.cells[0].source and "| 2 |" not in notebook.cells[0].source
    assert notebook.cells[-1].source == 'score_sheet("ps2", leave_out=[2, 3])'
    file.write_text(text.replace("leave_out: []", "leave_out: [2, 70]"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"leave_out names sections that do not exist: \[70\]"):
        tool.read_source(file)


# Running it.

@pytest.mark.parametrize("version", ["student", "solved"])
def test_every_section_runs_after_the_first_alone(name, version, after_setup, request, capsys):
    parts = sections(request.getfixturevalue(version))
    for number in parts:
        if number > 0:
            run_here(parts[number], dict(after_setup[version]))
    said = capsys.readouterr()
    assert outcomes(said.out) == (
        untouched(name) if version == "student" else dict.fromkeys(SETS[name],
                                                                   "public checks passed"))
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
    "MyDivide": ("class MyDivide(edf.Component):\n    def f(self, a, b):\n"
                 "        return a / b\n\n"
                 "    def da(self, dy, a, b):\n        return dy @ b[:1]\n", """\
not right yet
    in da: dy (2, 3) @ b[:1] (1, 3) do not fit
    line 6 of the cell: return dy @ b[:1]
    in da of MyDivide(a (2, 3), b (2, 3)), where dy is (2, 3)
"""),
    "MySoftmax": ("raise ValueError('a cell that fails')", """\
not right yet (going on with EDF's Softmax)
    NameError: MySoftmax is not defined: run the cell above, then this one again
"""),
}


def read(name):
    return tool.read_source(tool.SOURCES[name])


def test_the_notebook_runs_in_jupyter_whatever_state_it_is_in(little_data):
    notebook, states = tool.without_answers(read("ps1")), untouched("ps1")
    for cell in notebook.cells:
        for name, (code_of_student, _) in BROKEN.items():
            if is_exercise_cell(cell, name):
                cell.source = code_of_student
    executed = tool.execute(notebook, "ps1")
    text = printed(executed)
    assert outcomes(text) == states | dict.fromkeys(BROKEN, "not right yet")
    for name, (_, message) in BROKEN.items():
        assert f"{EXERCISES[name].number} {name}: {message}" in text
    errors = [output.ename for cell in code(executed) for output in cell.outputs
              if output.output_type == "error"]
    assert errors == ["SyntaxError", "ValueError"]
    assert not [1 for cell in code(executed) for output in cell.outputs
                if output.get("name") == "stderr"]
    sheet = "".join(output.text for output in executed.cells[-1].outputs)
    failing = len(BROKEN) + list(states.values()).count("not right yet")
    marks = "".join(output.get("data", {}).get("text/html", "") for cell in code(executed)
                    for output in cell.outputs)
    assert marks.count("✗") == failing and marks.count("○") == len(states) - failing
    assert sheet.endswith(f"0 of {len(states)} done, {len(states) - failing} not yet, "
                          f"{failing} failing\n")


def is_exercise_cell(cell, name):
    return cell.cell_type == "code" and re.search(rf"^(class|def) {name}[(:]", cell.source, re.M)


def test_a_check_can_be_run_again(ps1_namespace, capsys):
    namespace, source = ps1_namespace, read("ps1")
    activations = sections(tool.without_answers(source))[3]
    run_here(activations, namespace)
    run_here(activations, namespace)            # the name ReLU is EDF's by now: still not done
    assert outcomes(capsys.readouterr().out)["MyReLU"] == "not done yet"
    run_here(sections(tool.without_markers(source))[3], namespace)
    assert namespace["ReLU"].__name__ == "MyReLU"


def test_the_export_is_one_page_with_every_picture(name, committed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "BUILD", tmp_path)
    tool.write(committed, name)
    page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img[^>]* src="data:image/png;base64,', page)) == pictures(
        committed) + sum("(attachment:" in cell.source for cell in committed.cells)


# A student's own work.

@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with a notebook that was built, of one question and its output."""
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "STUDENT", {"ps1": tmp_path / "ps1.ipynb"})
    monkeypatch.setattr(tool, "WORK", tmp_path / "work")
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=[nbformat.v4.new_output("stream", text="2")])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata["edf"] = {"version": tool.version(notebook)}
    nbformat.write(notebook, tmp_path / "ps1.ipynb")
    return tmp_path


def edit(path, source):
    """Write into the first cell of a notebook, as a student does."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = source
    nbformat.write(notebook, path)


def test_a_copy_to_work_in_is_made_once_and_without_outputs(tree):
    mine, newer = tool.own_copy("ps1")
    assert mine == tree / "work" / "ps1.ipynb" and newer is None
    assert nbformat.read(mine, as_version=4).cells[0].outputs == []
    edit(mine, "my answer")
    before = mine.read_bytes()
    assert tool.own_copy("ps1") == (mine, None) and mine.read_bytes() == before


def test_a_newer_version_is_offered_beside_it(tree):
    mine, _ = tool.own_copy("ps1")
    edit(mine, "my answer")
    before = mine.read_bytes()
    edit(tree / "ps1.ipynb", "2 + 2")
    for _ in range(2):                                          # the second finds it there
        assert tool.own_copy("ps1") == (mine, tree / "work" / "ps1-2.ipynb")
    assert nbformat.read(tree / "work" / "ps1-2.ipynb", as_version=4).cells[0].source == "2 + 2"
    edit(tree / "ps1.ipynb", "3 + 3")
    assert tool.own_copy("ps1") == (mine, tree / "work" / "ps1-3.ipynb")
    assert mine.read_bytes() == before


def test_a_notebook_that_somebody_worked_in_is_not_overwritten(tree, monkeypatch):
    monkeypatch.setattr(tool, "student", lambda name: (tree / "ps1.ipynb").write_text("built anew"))
    edit(tree / "ps1.ipynb", "my answer")
    before = (tree / "ps1.ipynb").read_bytes()
    with pytest.raises(SystemExit, match="ps1.ipynb is not as it was built: .*; move it to work/"):
        tool.main("student", "ps1")
    assert (tree / "ps1.ipynb").read_bytes() == before
    edit(tree / "ps1.ipynb", "1 + 1")
    tool.main("student", "ps1")
    assert (tree / "ps1.ipynb").read_text() == "built anew"


@pytest.mark.parametrize("user", [0, 1000])
def test_jupyterlab_opens_the_copy_for_root_too(tree, monkeypatch, user):
    calls = []
    monkeypatch.setattr(tool.os, "geteuid", lambda: user, raising=False)
    monkeypatch.setattr(tool.subprocess, "run", lambda command, env: calls.append((command, env))
                        or subprocess.CompletedProcess(command, 0))
    with pytest.raises(SystemExit, match="^0$"):
        tool.main("notebook")
    (command, env), = calls
    assert str(tree / "work" / "ps1.ipynb") in command
    assert ("--allow-root" in command) == (user == 0)
    assert env["PYTHONPATH"].split(os.pathsep)[0] == str(tree)
