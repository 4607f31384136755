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

EXERCISES = ["my_prediction", "my_graph", "my_second_derivative", "MyTanh", "MyReLU",
             "MyLeakyReLU", "MySoftmax", "MyCrossEntropy", "MySoftmaxCrossEntropy", "MySGD"]


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
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook):
    return "".join(output.get("text", "") for cell in code(notebook) for output in cell.outputs)


def sections(notebook):
    """Return the code of each section, found by its heading of second level."""
    parts = [[]]
    for cell in notebook.cells:
        if cell.source.startswith("## ") and not cell.source.startswith("## 0"):
            parts.append([])
        if cell.cell_type == "code":
            parts[-1].append(cell.source)
    return parts


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
    said = re.findall(r"^(\w+): (not done yet|not right yet|public checks passed)", text, re.M)
    return dict(said)


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
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 10
    assert committed.metadata.kernelspec.name == "python3"
    assert "widgets" not in committed.metadata
    assert tool.STUDENT.stat().st_size < 2_500_000


def test_the_committed_figures_are_those_that_the_text_promises(committed):
    text = printed(committed)
    assert outcomes(text) == dict.fromkeys(EXERCISES, "not done yet") | {
        "MySigmoid": "public checks passed"}
    assert "data: MNIST\ntraining: (60000, 28, 28) testing: (10000, 28, 28)" in text
    last = re.findall(r"epoch 10 .*test error +([\d.]+)%", text)
    assert len(last) == 4 and all(float(error) <= 3.3 for error in last[:3])
    assert float(re.search(r"final test error, 784-300-10: ([\d.]+)%", text)[1]) <= 2
    runs = re.findall(r"(\w+) +(\d+) layers  lr (\S+) .*test error +([\d.]+)%", text)
    errors = {(name, int(layers), float(lr)): float(error) for name, layers, lr, error in runs}
    sigmoid, relu = ({lr: errors[name, 2, lr] for lr in (5, 1, 0.5, 0.1)}
                     for name in ("Sigmoid", "ReLU"))
    assert min(sigmoid, key=sigmoid.get) == 1 and min(relu, key=relu.get) == 0.5
    assert relu[5] >= 85 and errors["Sigmoid", 6, 1] >= 80 and errors["ReLU", 10, 0.1] <= 6


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
    assert len(answers) > 25
    common = {"edf.forward()", "edf.backward(loss)"}
    text = "\n".join(cell.source for cell in committed.cells) + printed(committed)
    assert not [line for line in set(answers) - common if line in text]


def test_every_student_cell_compiles_and_says_where_the_answer_goes(student):
    stubs = 0
    for cell in code(student):
        ast.parse(cell.source)
        stubs += cell.source.count("# YOUR CODE HERE\n")
        assert "SOLUTION" not in cell.source
    assert stubs == 12
    assert sum(cell.source == "*Your answer here.*" for cell in student.cells) == 2


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


# Running it.

@pytest.mark.parametrize("version, outcome", [("student", "not done yet"),
                                              ("solved", "public checks passed")])
def test_both_versions_run_in_jupyter(version, outcome, little_data, request):
    executed = tool.execute(request.getfixturevalue(version))
    outputs = [output for cell in code(executed) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"
                or output.get("name") == "stderr"]
    assert outcomes(printed(executed)) == dict.fromkeys(EXERCISES, outcome) | {
        "MySigmoid": "public checks passed"}
    assert re.fullmatch(r"data: MNIST\nfinal test error, 784-300-10: [\d.]+%",
                        tool.last_words(executed))


def test_every_section_runs_after_the_first_alone(solved, student, after_setup):
    for version in solved, student:
        _, *others = sections(version)
        assert len(others) == 5
        for cells in others:
            run_here(cells, dict(after_setup))


RIGHT = {                   # exercise: a line of its answer, the section, the class of EDF
    "MyReLU": ("        return dy * (x > 0)", 3, "ReLU"),
    "MyReLU.f": ("        return np.maximum(x, 0)", 3, "ReLU"),
    "MyTanh": ("        return dy * (1 - self.value ** 2)", 3, "Tanh"),
    "MySoftmax": ("        return self.value * (dy - inner)", 4, "Softmax"),
    "MyCrossEntropy": ("        grad[picked] = -dy / p[picked]", 4, None),
    "MySoftmaxCrossEntropy": ("        grad = self.p.copy()", 4, "SoftmaxCrossEntropy"),
    "MySGD": ("            w.value -= self.lr * w.grad", 5, "SGD"),
    "my_graph": ("    return x * edf.Tanh(edf.Exp(-x))", 1, None),
    "my_prediction": ("    return -4, -2, 2", 1, None),
    "my_second_derivative": ("    return (slopes[0] - slopes[1]) / (2 * h)", 2, None),
}
WRONG = [                   # exercise, what a student writes instead, what the check says
    ("MyReLU", "        return (x > 0) * 1.0", r"AssertionError: wrong gradient: MyReLU\[1\]\.dx "
     r"gives \d at entry \(\d, \d\), central differences give \S+, in dx of MyReLU\(x \(2, 2\)\)"),
    ("MyReLU", "        return -dy * (x > 0)", r"AssertionError: wrong gradient: .*"),
    ("MyReLU", "        return dy * (x >= 0)",
     r"AssertionError: at the kink x = 0 the gradient is 1\.0, expected 0"),
    ("MyReLU", "        dy * (x > 0)", r"TypeError: the formula returned None: is its return "
     r"missing\?, in dx of MyReLU\(x \(2, 2\)\)"),
    ("MyReLU", "        return (dy * (x > 0)).sum()", r"ValueError: the gradient has shape \(\), "
     r"but the value has shape \(2, 2\), in dx of MyReLU\(x \(2, 2\)\)"),
    ("MyReLU", "        return self.dx(dy, x)", r"RecursionError: maximum recursion depth .*"),
    ("MyReLU", "        dy *= x > 0\n        return dy", r"ValueError: output array is read-only, "
     r"in dx of MyReLU\(x \(2, 2\)\)"),
    ("MyReLU.f", "        return abs(x)", r"AssertionError: the value is "
     r"\[\[2\.0, 0\.5\], \[0\.5, 2\.0\]\], expected \[\[0, 0\], \[0\.5, 2\.0\]\]"),
    ("MyTanh", "        return dy * (1 - self.value)", r"AssertionError: wrong gradient: .*"),
    ("MySoftmax", "        return dy * self.value * (1 - self.value)",
     r"AssertionError: wrong gradient: .*"),
    ("MySoftmax", "        return self.value * (dy - (dy * self.value).sum())",
     r"AssertionError: wrong gradient: .*"),
    ("MyCrossEntropy", "        grad[picked] = -1 / p[picked]",
     r"AssertionError: wrong gradient: .*"),
    ("MyCrossEntropy", "        grad -= dy[:, None] / p", r"AssertionError: wrong gradient: .*"),
    ("MyCrossEntropy", "        grad = -dy * np.eye(p.shape[1])[labels] / p",
     r"ValueError: operands could not be broadcast together .*, in dp of .*"),
    ("MySoftmaxCrossEntropy", "        grad = self.p", r"AssertionError: lost gradient: .* or "
     r"writes into what f has kept, in dscores of .*"),
    ("MySGD", "            w.value -= self.lr * w.grad\n            return",
     r"AssertionError: three steps take b to 3\.0, expected 1\.6"),
    ("MySGD", "            w.value += self.lr * w.grad", r"AssertionError: three steps take w .*"),
    ("MySGD", "            w.value -= 0.1 * w.grad", r"AssertionError: three steps take w .*"),
    ("my_graph", "    x * edf.Tanh(edf.Exp(-x))",
     r"AssertionError: it returned None: is its return missing\?"),
    ("my_prediction", "    return -4, 1, -2, 2",
     r"AssertionError: it returned \(-4, 1, -2, 2\), but three numbers are asked for"),
    ("my_prediction", "    return -4, -3, 2", r"AssertionError: a\.grad is not -3"),
    ("my_second_derivative", "    return (slopes[0] - slopes[1]) / h", r"AssertionError: example_a "
     r"at 2\.0 gives 320\.\d+, but it is 160"),
]


@pytest.mark.parametrize("exercise, answer, message", WRONG)
def test_a_wrong_answer_is_located_and_nobody_is_stuck(exercise, answer, message, solved,
                                                       namespace, capsys):
    right, number, library = RIGHT[exercise]
    name = exercise.removesuffix(".f")
    parts = sections(solved)
    cells = parts[number] if number < 5 else parts[number][:3]      # up to the check of 5.1
    wrong = [re.sub(rf"{re.escape(right)}.*", lambda _: answer, cell) for cell in cells]
    assert wrong != cells
    run_here(wrong, namespace)
    text = capsys.readouterr().out
    goes_on = rf" \(going on with EDF's {library}\)" if library else ".*"
    assert re.search(rf"^{name}: not right yet: {message}{goes_on}$", text, re.M), text
    assert set(outcomes(text.replace(f"{name}: not", "")).values()) <= {"public checks passed"}
    if library:
        assert namespace[library] is getattr(edf, library)


def test_a_half_done_exercise_is_not_done_yet(solved, namespace, capsys):
    activations = sections(solved)[3]
    stub = "        # YOUR CODE HERE\n        raise NotImplementedError()"
    run_here([cell.replace(RIGHT["MyReLU"][0], stub) for cell in activations], namespace)
    text = capsys.readouterr().out
    assert "MyReLU: not done yet (going on with EDF's ReLU)\n" in text
    assert outcomes(text)["MyTanh"] == "public checks passed"


def test_a_check_can_be_run_again(student, solved, namespace, capsys):
    activations = sections(student)[3]
    run_here(activations, namespace)
    run_here(activations, namespace)            # the name ReLU is EDF's by now: still not done
    assert outcomes(capsys.readouterr().out)["MyReLU"] == "not done yet"
    run_here(sections(solved)[3], namespace)
    assert namespace["ReLU"].__name__ == "MyReLU"


def test_the_evaluation_measures_the_data_it_is_handed(solved, namespace):
    run_here(sections(solved)[-1][:5], namespace)
    net, error_rate = namespace["net"], namespace["error_rate"]
    data = mnist_loader.load("digits")
    for images in data.train_images[:50], data.test_images[:70]:
        error_rate(net, images, np.zeros(len(images), int))
        answers = net.scores.value.argmax(axis=1)
        assert len(answers) == len(images)
        assert error_rate(net, images, answers) == 0
        assert error_rate(net, images, (answers + 1) % 10) == 1
        half = np.where(np.arange(len(images)) % 2, answers, (answers + 1) % 10)
        assert error_rate(net, images, half) == 0.5


def test_the_export_is_one_page_with_every_picture(committed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "BUILD", tmp_path)
    tool.write(committed, "ps1")
    page = (tmp_path / "ps1.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img[^>]* src="data:image/png;base64,', page)) == 10
