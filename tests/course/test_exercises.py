"""The exercises of the problem set: what their checks say of right and of wrong answers."""

import linecache
import re
import textwrap

import hidden
import numpy as np
import problem_set as tool
import pytest
from wrong_answers import WRONG

import edf
import mnist_loader
from problem_sets import EXERCISES, check, checks, nets

DIGITS = mnist_loader.load("digits")


@pytest.fixture(scope="module")
def cells():
    """The source of each exercise, with its markers: {name: cell}."""
    found = {}
    for cell in tool.read_source().cells:
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
        namespace = {"np": np, "edf": edf, "mlp": nets.mlp, "Net": nets.Net,
                     "check": check, "data": DIGITS, "__name__": "__main__"}
        linecache.cache["cell"] = len(cell), None, cell.splitlines(True), "cell"
        exec(compile(cell, "cell", "exec"), namespace)
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
    owner = "EDF's " if library.__module__ == "edf" else "nets."
    return f" (going on with {owner}{library.__name__})"


def test_every_exercise_has_wrong_answers():
    assert list(WRONG) == list(EXERCISES)
    assert all(len(answers) >= 2 for answers in WRONG.values())


# The hidden tests, which run at grading.

@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_passes_the_hidden_test(name, cells):
    namespace = {"np": np, "edf": edf, "mlp": nets.mlp}
    exec(compile(answered(cells[name]), "cell", "exec"), namespace)
    hidden.verify(name, namespace)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_wrong_answer_fails_the_hidden_test(name, cells):
    """Even if the public test were not run: for most answers in the table, and one at least."""
    found = 0
    for right, answer, _ in WRONG[name]:
        wrong = re.sub(rf"^{re.escape(right)}.*", lambda _, answer=answer: answer,
                       answered(cells[name]), flags=re.M)
        namespace = {"np": np, "edf": edf, "mlp": nets.mlp}
        exec(compile(wrong, "cell", "exec"), namespace)
        with hidden.fresh():
            try:
                hidden.HIDDEN[name](namespace[name])
            except Exception:
                found += 1
    assert found > len(WRONG[name]) / 2


def test_every_exercise_has_a_hidden_test():
    assert list(hidden.HIDDEN) == list(EXERCISES)


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


def test_what_is_not_defined_is_named(said):
    assert said("MyTanh", "") == ("""not right yet (going on with EDF's Tanh)
    NameError: MyTanh is not defined: run the cell above, then this one again""")


def test_the_score_sheet_names_the_state_of_every_exercise(monkeypatch, cells, said, capsys):
    monkeypatch.setattr(checks, "results", {})
    said("MyTanh", answered(cells["MyTanh"]))
    said("MyReLU", answered(cells["MyReLU"]).replace("x > 0", "x < 0"))
    checks.score_sheet(leave_out=[5, 6])
    text = capsys.readouterr().out
    rows = dict(re.findall(r"^ *[\d.]+  (\w+) +(done|not yet|failing|not checked)$", text, re.M))
    left = {name: "not checked" for name, exercise in EXERCISES.items()
            if exercise.number.split(".")[0] not in ("5", "6")}
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
