"""The exercises of the problem set: what their checks say of right and of wrong answers."""

import ast
import html
import linecache
import re
import textwrap
from pathlib import Path

import hidden
import numpy as np
import problem_set as tool
import pytest
from wrong_answers import WRONG

import edf
import mnist_loader
from problem_sets import EXERCISES, SETS, check, checks, nets, score_sheet, sequences

DIGITS = mnist_loader.load("digits")
GIVEN = {"np": np, "edf": edf, "nets": nets, "mlp": nets.mlp, "conv": nets.conv,
         **vars(sequences)}             # what answers may use


@pytest.fixture(scope="module")
def cells():
    """The source of each exercise, with its markers: {name: cell}."""
    found = {}
    for cell in [cell for path in tool.SOURCES.values() for cell in tool.read_source(path).cells]:
        for name in EXERCISES:
            if tool.is_exercise(cell) and re.search(rf"^(class|def) {name}[(:]", cell.source, re.M):
                found[name] = cell.source
    assert list(found) == list(EXERCISES)
    return found


def answered(cell):
    return tool.MARKERS.sub("", tool.ERROR.sub("", cell))


@pytest.fixture
def said(capsys):
    """A function: run the cell of an exercise and its check, and return the lines it prints."""
    def run(name, cell):
        namespace = GIVEN | {"check": check, "data": DIGITS, "__name__": "__main__"}
        file = "ipykernel/1.py"
        linecache.cache[file] = len(cell), None, cell.splitlines(True), file
        exec(compile(cell, file, "exec"), namespace)
        exec(f'goes_on = check("{name}")', namespace)
        run.goes_on = namespace["goes_on"]
        text = capsys.readouterr().out
        assert all(len(line) <= 90 for line in text.splitlines() if " " in line.strip()), text
        number = re.escape(EXERCISES[name].number)
        return re.fullmatch(rf"{number} {name}: (.*)\n", text, re.S)[1]
    return run


@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_passes_and_is_used(name, cells, said):
    assert said(name, answered(cells[name])).startswith("public checks passed\n    ")
    assert said.goes_on.__name__ == name


@pytest.mark.parametrize("name", EXERCISES)
def test_without_an_answer_the_check_says_so_and_edf_steps_in(name, cells, said):
    stub = "\n".join(re.sub(r"^( *)### BEGIN SOLUTION.*?### END SOLUTION",
                            r"\1# YOUR CODE HERE\n\1raise NotImplementedError()",
                            tool.ERROR.sub("", cells[name]), flags=re.M | re.S).splitlines())
    library = EXERCISES[name].library
    assert said(name, stub) == f"not done yet{goes_on(library)}"
    assert said.goes_on is library


def test_a_sum_to_a_single_number_may_be_a_float(cells, said):
    number = "    if shape == ():\n        return float(grad.sum())\n    missing ="
    answer = answered(cells["my_unbroadcast"]).replace("    missing =", number)
    assert number in answer and said("my_unbroadcast", answer).startswith("public checks passed")


def test_half_an_answer_is_not_done_yet(cells, said):
    stub = "        raise NotImplementedError()"
    half = answered(cells["MyReLU"]).replace("        return dy * (x > 0)", stub)
    assert said("MyReLU", half) == "not done yet (going on with EDF's ReLU)"


@pytest.mark.parametrize("name", [name for name in EXERCISES if "uspect" in name])
def test_an_error_that_is_to_be_found_is_there(name, cells, said):
    wrong = tool.MARKERS.sub("", tool.ANSWER.sub("", cells[name]))
    assert said(name, wrong).startswith("not right yet\n")


@pytest.mark.parametrize("name, right, answer, message", [
    (name, *answer) for name, answers in WRONG.items() for answer in answers])
def test_a_wrong_answer_is_located_and_nobody_is_stuck(name, right, answer, message, cells, said):
    correct = answered(cells[name])
    wrong = re.sub(rf"^{re.escape(right)}.*", lambda _: answer, correct, flags=re.M)
    assert wrong != correct
    verdict, why = said(name, wrong).split("\n", 1)
    library = EXERCISES[name].library
    assert verdict == f"not right yet{goes_on(library)}"
    assert re.fullmatch(message, in_one_line(why)), why
    assert said.goes_on is library


def in_one_line(why):
    """Return lines on why joined by ", ", after undoing how they were wrapped."""
    return textwrap.dedent(why).replace("\n    ", " ").replace("\n", ", ")


def goes_on(library):
    """Return the end of a sentence: what the notebook has in place of an answer."""
    if library is None:
        return ""
    module = library.__module__.rpartition(".")[2]
    owner = "EDF's " if module == "edf" else f"{module}."
    return f" (going on with {owner}{library.__name__})"


def test_every_exercise_has_wrong_answers():
    assert set(WRONG) == set(EXERCISES)
    assert all(len(answers) >= 2 for answers in WRONG.values())
    assert all(len(WRONG[name]) >= 5 for name in SETS["ps3"])


# The hidden tests, which run at grading.

OPTIMISED = {"__name__": "hidden"}          # as python -O sees them
exec(compile(Path(hidden.__file__).read_text(encoding="utf-8"), "hidden", "exec", optimize=1),
     OPTIMISED)

@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_passes_the_hidden_test(name, cells):
    namespace = dict(GIVEN)
    exec(compile(answered(cells[name]), "cell", "exec"), namespace)
    hidden.verify(name, namespace)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_wrong_answer_fails_the_hidden_test(name, cells):
    """Even without the public test, and by python -O: most answers in the table, one at least."""
    found = 0
    for right, answer, _ in WRONG[name]:
        wrong = re.sub(rf"^{re.escape(right)}.*", lambda _, answer=answer: answer,
                       answered(cells[name]), flags=re.M)
        namespace = dict(GIVEN)
        exec(compile(wrong, "cell", "exec"), namespace)
        with OPTIMISED["fresh"]():
            try:
                OPTIMISED["HIDDEN"][name](namespace[name])
            except Exception:
                found += 1
    assert found > len(WRONG[name]) / 2


FUNCTIONS = ["{name} = answer",
             "def {name}(*args, **options):\n    return answer(*args, **options)"]
CLASSES = ["class {name}(answer):\n    pass",
           "class Between(answer):\n    pass\n\nclass {name}(Between):\n    pass"]
BORROWED = [(name, cell) for name, exercise in EXERCISES.items()
            if exercise.library or name in hidden.ANSWERS
            for cell in FUNCTIONS + CLASSES * name[0].isupper()]
BORROWED += [("MyTanh", f"class {{name}}(edf.Component):\n    {line}") for line in (
    "f, dx = answer.f, answer.dx",
    "def f(self, x):\n        return answer.f(self, x)",
    "def f(self, x):\n        pass\n    def __new__(cls, x):\n        return answer(x)")]


@pytest.mark.parametrize("name, cell", BORROWED)
def test_what_hands_the_work_to_edf_gets_no_points(name, cell):
    namespace = {"edf": edf, "answer": EXERCISES[name].library or hidden.ANSWERS[name]}
    exec(cell.format(name=name), namespace)
    with pytest.raises(AssertionError, match="must be your own|must be a class|build it from|"
                                             "joins edf.components by itself"):
        hidden.verify(name, namespace)


def test_every_exercise_has_a_hidden_test():
    assert set(hidden.HIDDEN) == set(EXERCISES)


# The check itself.

def test_a_check_leaves_the_notebook_as_it_was_but_for_an_empty_graph(cells, said):
    edf.dtype = np.float32
    edf.seed(5)
    edf.Param(1.0)
    state = edf.rng.bit_generator.state
    said("MyTanh", answered(cells["MyTanh"]))
    assert edf.dtype is np.float32 and edf.training is True
    assert edf.rng.bit_generator.state == state
    assert edf.components == []


def test_an_overflow_is_an_error(said):
    text = said("MyTanh", "class MyTanh(edf.Component):\n    def f(self, x):\n"
                "        return np.tanh(x) + 0 * np.exp(1e6 + x)")
    assert text == ("""not right yet (going on with EDF's Tanh)
    RuntimeWarning: overflow encountered in exp
    line 3 of the cell: return np.tanh(x) + 0 * np.exp(1e6 + x)
    in f of MyTanh(x (2, 3))""")


@pytest.mark.parametrize("name, cell, why", [
    ("my_network", """
def my_network(x, labels, W, b, V, c, activation=edf.Sigmoid):
    return edf.SoftmaxCrossEntropy(edf.Affine(edf.Affine(x, V, b), V, c), labels)
""", """
    in f: x (1, 2) @ w (3, 2) do not fit
    line 3 of the cell: return edf.SoftmaxCrossEntropy(edf.Affine(edf.Affine(x, V, b), V,
        c), labels)
    in f of Affine(x (1, 2), w (3, 2), b (3,))
    D is 2 in x, but 3 in w"""),
    ("MyTanh", """
class MyTanh(edf.Component):
    def f(self, x):
        x *= 2
        return np.tanh(x)
""", """
    ValueError: output array is read-only
    line 4 of the cell: x *= 2
    in f of MyTanh(x (2, 3))
    a formula must not change what it gets: write x = 2 * x, which makes a new array, not
        x *= 2"""),
    ("MyTanh", """
w = edf.Param(1.0)
class MyTanh(edf.Component):
    def f(self, x):
        return np.tanh(x) * w
""", """
    TypeError: inside a formula everything is an array: np.tanh, not edf.Tanh; what f
        computed is self.value
    line 5 of the cell: return np.tanh(x) * w
    in f of MyTanh(x (2, 3))"""),
    ("MyAffine", """
class MyAffine(edf.Component):
    def f(self, x, w, b):
        return np.matmul(x - 1,
                         w.T)
""", """
    in f: np.matmul(x - 1 (2, 3), w.T (4, 3)) do not fit
    line 4 of the cell: return np.matmul(x - 1,
    in f of MyAffine(x (2, 3), w (3, 4), b (4,))"""),
    ("MySGD", """
class MySGD(edf.SGD):
    def step(self):
        for w in edf.params:
            w.value -= self.lr * w.grad()
""", """
    TypeError: value and grad are arrays, not methods: write p.grad, without ()
    line 5 of the cell: w.value -= self.lr * w.grad()"""),
    ("my_training", """
def my_training(net, points, labels, optimiser, epochs, size):
    net.x.value, net.labels.value = points, labels
    edf.forward()
    net.loss.backward()
""", """
    TypeError: SoftmaxCrossEntropy(scores (50, 2), labels (50,)) has no gradient yet: call
        edf.backward(loss)
    line 5 of the cell: net.loss.backward()"""),
    ("my_graph", """
def my_graph(x):
    x = edf.Param(x)
""", """
    TypeError: it is a component already: use it as it is, without edf.Param or edf.Input
    line 3 of the cell: x = edf.Param(x)"""),
    *(("my_graph", f"""
def my_graph(x):
    x = edf.{kind}(x.value)
    return x * edf.Tanh(edf.Exp(-x))
""", """
    no gradient reaches Param (3,): use it itself, not its .value, nor a new Param""")
      for kind in ("Param", "Input")),
    *(("my_gradients", f"""
def my_gradients(loss, shares):
    return {{loss: 1, {key}: 1}}
""", f"""
    {shown} is a key of the dictionary: the keys are the components themselves, as in
        gradients[loss]""") for key, shown in (
            ("loss.number", "3"), ("loss.name", "'Mul[3]'"), ("0.5", "0.5"), ("None", "None"))),
])
def test_a_mistake_of_every_kind_gets_the_sentences_that_fit(name, cell, why, said):
    assert said(name, cell).partition("\n")[2] == why.strip("\n")


def test_only_a_method_that_ignores_dy_is_accused_of_it(cells, said):
    right = "        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd"
    no_variance = answered(cells["MyBatchNorm"]).replace(right, right.replace(
        " - self.z * slope", ""))               # so a constant dy gives 0, as any multiple of it
    assert "is dy used?" not in said("MyBatchNorm", no_variance)
    ignored = answered(cells["MyBatchNorm"]).replace(right, "        return x / self.sd")
    assert "\n    dx returns the same whatever dy is: is dy used?" in said("MyBatchNorm", ignored)


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(NameError, match="there is no exercise 'Softmax'; there are\n") as caught:
        check("Softmax")
    assert re.split(r",\s", str(caught.value).partition("\n")[2]) == list(EXERCISES)


@pytest.mark.parametrize("file", sorted(Path(checks.__file__).parent.glob("*.py")), ids=str)
def test_no_check_is_an_assert_statement_which_python_o_drops(file):
    assert not [node.lineno for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.Assert)]


@pytest.mark.parametrize("state, mark", [("done", "✓"), ("not yet", "○"), ("failing", "✗")])
def test_a_notebook_shows_a_mark_and_a_colour_and_loses_no_word(state, mark, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    words = "1.1 name: a verdict", "if x < 0:\n" + "a & b " * 20
    checks.show(*words, state, in_notebook=True)
    checks.show(*words, state, in_notebook=False)
    page, text = shown[0]["text/html"], shown[0]["text/plain"]
    assert capsys.readouterr().out == text + "\n"
    assert f'solid {checks.MARKS[state][1]}; ' in page
    assert html.unescape(re.sub("<.*?>", "", page)) == f"{mark} {text}"


def test_what_is_not_defined_is_named(said):
    assert said("MyTanh", "") == ("""not right yet (going on with EDF's Tanh)
    NameError: MyTanh is not defined: run the cell above, then this one again""")


def test_the_score_sheet_names_the_state_of_every_exercise(monkeypatch, cells, said, capsys):
    monkeypatch.setattr(checks, "results", {})
    said("MyTanh", answered(cells["MyTanh"]))
    said("MyReLU", answered(cells["MyReLU"]).replace("x > 0", "x < 0"))
    score_sheet("ps1", leave_out=[4, 5])
    text = capsys.readouterr().out
    rows = dict(re.findall(r"^ *[\d.]+  (\w+) +(done|not yet|failing|not checked)$", text, re.M))
    left = {name: "not checked" for name, exercise in SETS["ps1"].items()
            if exercise.number.split(".")[0] not in ("4", "5")}
    assert rows == left | {"MyTanh": "done", "MyReLU": "failing"}
    assert text.endswith(f"1 of {len(left)} done, 1 failing, {len(left) - 2} not checked\n")


# The tools of its later sections.

def test_the_evaluation_measures_the_data_it_is_handed():
    data = mnist_loader.load("digits")
    net = nets.mlp([784, 16, 10], edf.ReLU)
    for images in data.train_images[:50], data.test_images[:70]:
        nets.error_rate(net, images, np.zeros(len(images), int))
        answers = net.scores.value.argmax(axis=1)
        assert len(answers) == len(images)
        assert nets.error_rate(net, images, answers) == 0
        assert nets.error_rate(net, images, (answers + 1) % 10) == 1
        half = np.where(np.arange(len(images)) % 2, answers, (answers + 1) % 10)
        assert nets.error_rate(net, images, half) == 0.5


def test_validation_images_are_held_out_of_the_training_set():
    data = mnist_loader.load("digits")
    part = nets.held_out(data, 97)
    assert len(part.train_images) == len(part.train_labels) == 1300
    np.testing.assert_array_equal(part.test_images, data.train_images[1300:])
    np.testing.assert_array_equal(part.test_labels, data.train_labels[1300:])
    assert part.name == data.name
