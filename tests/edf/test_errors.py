"""Wrong use is refused at once, with a message that says what to do: each is matched whole."""

import contextlib
import inspect
import io
import linecache
import re
import traceback

import numpy as np
import pytest
from mistakes import ACCEPTED, MISTAKES

import edf
from edf import Affine, CrossEntropy, Input, Param, ReLU, Softmax, SoftmaxCrossEntropy


def run(code, name="student.py"):
    """Run the code of a student as Python runs a file; return what it prints."""
    code = code.lstrip("\n")
    linecache.cache[name] = len(code), None, code.splitlines(True), name
    names = {"__name__": "student", "edf": edf, "np": np}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, name, "exec"), names)
    return printed.getvalue()


def message(error):
    """What a student reads: the message, and the notes."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def refused(kind, text, action, *args):
    with pytest.raises(kind) as caught:
        action(*args)
    assert message(caught.value) == text


# The tables of mistakes.py.

@pytest.mark.parametrize("code, kind, text", [row[1:] for row in MISTAKES],
                         ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_refused_with_a_message_that_says_what_to_do(code, kind, text):
    with pytest.raises(kind) as caught:
        run(code)
    pattern = re.escape(re.sub(r"\n +", " ", text.strip("\n"))).replace("…", ".*")
    assert re.fullmatch(pattern, message(caught.value)), message(caught.value)


def test_no_two_rows_are_the_same():
    rows = MISTAKES + ACCEPTED
    assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == len(rows)


@pytest.mark.parametrize("code, printed", [row[1:] for row in ACCEPTED],
                         ids=[row[0] for row in ACCEPTED])
def test_what_goes_on(code, printed):
    assert run(code) == printed.lstrip("\n")


# A cell that is run again without clear().

CELL = """
x, labels = edf.Input(name="x"), edf.Input(name="labels")
w, b = edf.Param([[0.5, -1.0, 0.2]], "w"), edf.Param(np.zeros(3), "b")
loss = edf.SoftmaxCrossEntropy(edf.Affine(x, w, b), labels)
sgd = edf.SGD(lr=0.5)
x.value, labels.value = [[0.1], [0.7]], [2, 0]
for step in range(3):
    edf.forward()
    edf.backward(loss)
    sgd.step()
print(loss.value, w.value, b.value)
"""


def test_a_cell_that_is_run_twice_gives_the_same_and_leaves_the_older_copy_alone():
    first = run(CELL)
    older = list(edf.components)
    kept = [param.value.copy() for param in edf.params]
    assert run(CELL) == first
    assert edf.components[:6] == older and len(edf.components) == 12 and len(edf.params) == 4
    for param, value in zip(edf.params[:2], kept):
        assert param.grad is None
        np.testing.assert_array_equal(param.value, value)
    assert all(param.grad is not None for param in edf.params[2:])


def test_the_older_copies_show_in_the_list_and_the_summary_but_not_in_the_picture_of_a_loss():
    run(CELL)
    once = str(edf.draw(edf.components[-1]))
    run(CELL)
    assert [str(component) for component in edf.components[:6]] == [
        "Input x (2, 1)", "Input labels (2,)", "Param w (1, 3)", "Param b (3,)",
        "Affine(x (2, 1), w (1, 3), b (3,))", "SoftmaxCrossEntropy(scores (2, 3), labels (2,))"]
    assert list(map(str, edf.components[6:])) == list(map(str, edf.components[:6]))
    assert str(edf.summary()).count("SoftmaxCrossEntropy[") == 2
    picture = str(edf.draw(edf.components[-1]))
    assert picture == once.replace("[4]", "[10]").replace("[5]", "[11]")


def test_the_older_copy_runs_too_and_if_it_fails_the_error_shows_its_line():
    with pytest.raises(ValueError):
        run(CELL.replace("[[0.5, -1.0, 0.2]]", "np.ones((4, 3))"), "first.py")
    with pytest.raises(ValueError) as caught:
        run(CELL, "second.py")
    assert re.fullmatch(r"matmul: .*\n"
                        r"in f of Affine\(x \(2, 1\), w \(4, 3\), b \(3,\)\)\n"
                        r"D is 1 in x, but 4 in w\n"
                        r"built at line 3 of first.py: "
                        r"loss = edf.SoftmaxCrossEntropy\(edf.Affine\(x, w, b\), labels\)",
                        message(caught.value))
    edf.clear()
    run(CELL, "third.py")


# More of a kind than one row shows.

@pytest.mark.parametrize("value, kind", [(np.ones((2, 3)), "of type ndarray"),
                                         ([1.0], "of type list"), (Param, "the class Param"),
                                         (None, "of type NoneType")])
def test_an_array_in_place_of_a_component(value, kind):
    refused(TypeError, f"w of Affine must be a component, not {kind}: if it is the value "
            "of a component pass that, else wrap it: edf.Param(array) if it is learned, "
            "edf.Input(array) if it is data",
            Affine, Input(), value, Param(1.0))


@pytest.mark.parametrize("action", [lambda x: np.ones(3) * x, lambda x: x + np.ones(3),
                                    lambda x: np.ones((3, 3)) @ x, lambda x: x - "1"])
def test_an_operand_that_is_refused_is_not_in_the_graph(action):
    with pytest.raises(TypeError, match="must be a component, not of type"):
        action(Param(np.ones(3)))
    assert len(edf.components) == 1


@pytest.mark.parametrize("action", [bool, lambda x: not x, lambda x: x and x, lambda x: x or x])
def test_a_component_is_neither_true_nor_false(action):
    refused(TypeError, "Param x () is a component, neither true nor false: "
            "write `is not None`, or use its .value",
            action, Param(1.0, "x"))


def test_a_component_of_a_cleared_graph_beside_a_new_graph_of_the_same_size():
    old = Param(1.0)
    edf.clear()
    Param(1.0)
    for action in ReLU, edf.backward:
        with pytest.raises(TypeError, match="was built before clear"):
            action(old)


@pytest.mark.parametrize("owner", [Input, Param])
@pytest.mark.parametrize("value, what", [
    (np.zeros((0, 784)), "float64 of shape (0, 784)"),
    ("seven", "<U5 of shape ()"),
    (np.array([None, 1]), "object of shape (2,)"),
    (np.array([True, False]), "bool of shape (2,)"),
    (np.array([1j]), "complex128 of shape (1,)"),
    ([], "float64 of shape (0,)"),
])
def test_inputs_and_params_take_numbers(owner, value, what):
    hint = ": convert with .astype(float) (a mask may also be a key, x[mask])"
    text = (f"a{'n' * (owner is Input)} {owner.__name__} takes numbers, and at least one"
            f"{'' if what.startswith('float') else hint}; got {what}")
    refused(ValueError, text, setattr, owner(1.0), "value", value)
    refused(ValueError, text, owner, value)


def classify(scores, labels, loss=SoftmaxCrossEntropy):
    """Run the loss of constant scores."""
    node = Param(scores)
    loss(node, Input(labels))
    edf.forward()


@pytest.mark.parametrize("loss", [CrossEntropy, SoftmaxCrossEntropy])
@pytest.mark.parametrize("labels, text", [
    ([0, 3, 1], "labels must be class numbers from 0 to 2, got numbers from 0 to 3"),
    ([0, -1, 1], "labels must be class numbers from 0 to 2, got numbers from -1 to 1"),
    ([0., 1., 2.], "labels must be class numbers of integer type, got float32: "
                   "convert with .astype(int)"),
    ([[0], [1], [2]], "got shape (3, 1)"), (np.eye(3, dtype=int), "got shape (3, 3)"),
    ([0, 1], "got shape (2,)"),
])
def test_labels_that_are_no_labels(loss, labels, text):
    if text.startswith("got shape"):
        text = (f"labels must be one class number for each row of (3, 3), {text}: set both to the "
                "same batch, flatten a column by [:, 0], or one-hot rows by .argmax(axis=1)")
    with pytest.raises(ValueError) as caught:
        classify(np.full((3, 3), 1 / 3), labels, loss)
    first, second, *_ = message(caught.value).splitlines()
    assert first == text
    assert second.startswith(f"in f of {loss.__name__}(")


def test_scores_that_are_no_matrix():
    with pytest.raises(ValueError, match="labels must be one class number for each row of "):
        classify(np.ones(3), np.zeros((), int))


@pytest.mark.parametrize("p", [0.0, 5e-42, np.nan])
def test_a_probability_that_has_underflowed(p):
    # 5e-42 still has a logarithm, but 1 / p overflows in float32, and so would the gradient
    with pytest.raises(ValueError) as caught:
        classify([[p, 1.0], [0.5, 0.5]], [0, 1], CrossEntropy)
    assert str(caught.value) == ("a right class has probability 0, nearly 0 or nan: "
                                 "use SoftmaxCrossEntropy")


def test_any_gap_of_scores_is_either_right_or_refused():
    for gap in range(70, 130):
        edf.clear()
        scores = Param([[0.0, gap]])
        loss = CrossEntropy(Softmax(scores), Input([0]))
        try:
            edf.forward()
        except ValueError:
            assert gap >= 88
            continue
        edf.backward(loss)
        np.testing.assert_allclose(loss.value, gap, rtol=1e-6)
        np.testing.assert_allclose(scores.grad, [[-1, 1]], rtol=1e-6)


def test_softmax_that_underflows_is_refused_by_cross_entropy_and_not_by_the_fused_loss():
    scores, labels = Param([[0.0, 1000.0]]), Input([0])
    fused = SoftmaxCrossEntropy(scores, labels)
    edf.forward()
    assert fused.value == 1000
    CrossEntropy(Softmax(scores), labels)
    with pytest.raises(ValueError, match="a right class has probability 0, nearly 0"):
        edf.forward()


@pytest.mark.parametrize("name", ["value", "grad", "f", "inputs", "number", "forward"])
def test_an_input_named_like_what_every_component_has(name):
    refused(TypeError, f"Mine: an input cannot be called {name}: that is taken",
            exec, f"class Mine(edf.Component):\n    def f(self, {name}):\n        return {name}",
            {"edf": edf})


@pytest.mark.parametrize("build", [lambda x: Affine(x, 2, "three"), lambda x: ReLU(None),
                                   lambda x: edf.Concat(x, 3.0), lambda x: edf.Slice([1], 0)])
def test_what_is_differentiated_by_is_a_component_or_a_number(build):
    refused(TypeError, "p of Dropout is an option: it takes no component",
            edf.Dropout, 0.5, Param(1.0))
    with pytest.raises(TypeError, match="^x of Log must be a component, not of type int: "):
        edf.Log(2)
    with pytest.raises(TypeError, match="must be a component, not of type"):
        build(Param(1.0))


def test_a_default_that_is_an_array():
    class Scale(edf.Component):
        def f(self, x, factor=np.ones(2)):  # noqa: B008
            return factor * x

    y = Scale(Param(3.0))
    edf.forward()
    np.testing.assert_array_equal(y.value, [3, 3])


@pytest.mark.parametrize("function", [np.mean, np.argmax, np.median, np.array, np.shape,
                                      lambda x: np.where(x, 1, 2), lambda x: np.dot(x, x)])
def test_numpy_gets_no_component_for_an_array(function):
    x = Param(np.ones((2, 3)), name="x")
    refused(TypeError, "Param x (2, 3) is a component, not an array: NumPy takes its .value, and "
            "edf has functions of its own", function, x)
    assert edf.components == [x]


def test_help_shows_the_arguments():
    assert str(inspect.signature(Affine)) == "(x, w, b)"
    assert str(inspect.signature(edf.Conv2d)) == "(x, w, b, stride=1, padding=0)"
    assert str(inspect.signature(Input)) == "(value=None, name=None)"
    assert str(inspect.signature(edf.Concat)) == "(*xs, axis=0)"


def test_labels_that_a_param_leads_to():
    scores, labels = Param(np.ones((1, 2))), Param(1.0)
    y = SoftmaxCrossEntropy(scores, labels)
    with pytest.raises(ValueError, match="labels must be one class number"):
        edf.forward()
    assert y.value is None


@pytest.mark.filterwarnings("ignore:Casting complex values")
@pytest.mark.parametrize("formula, kind", [(lambda x: x + 1j, "complex64"), (lambda x: "2", "<U1"),
                                           (lambda x: x.astype(object), "object")])
def test_a_formula_returns_real_numbers(formula, kind):
    class Mine(edf.Component):
        def f(self, x):
            return formula(x)

    y = Mine(Param([1.0, 2.0]))
    with pytest.raises(TypeError) as caught:
        edf.forward()
    assert y.value is None
    assert message(caught.value).splitlines()[:2] == [
        f"the formula returned {kind}, not real numbers",
        "in f of Mine(x (2,))"]


# Which line is shown.

def place(error):
    """The last line of a message: "built at line 12 of student.py: y = ..."."""
    return message(error).splitlines()[-1]


def test_the_notes_are_part_of_the_traceback():
    with pytest.raises(ValueError) as caught:
        run("edf.Log(edf.Param(0.0))\nedf.forward()")
    assert "in f of Log" in "".join(traceback.format_exception(caught.value))


def test_the_line_that_built_a_component_in_the_init_of_a_model():
    with pytest.raises(ValueError) as caught:
        run("""
class Model:
    def __init__(self):
        self.y = edf.Log(edf.Param(0.0))

Model()
edf.forward()
""")
    assert place(caught.value) == "built at line 3 of student.py: self.y = edf.Log(edf.Param(0.0))"


def test_the_line_that_built_a_component_with_its_own_init():
    with pytest.raises(ValueError) as caught:
        run("""
class Mine(edf.Component):
    def __init__(self, x, option=1):
        super().__init__(x)
        self.option = option

    def f(self, x):
        return x @ x

Mine(edf.Param(np.ones((2, 3))), option=2)
edf.forward()
""")
    assert place(caught.value) == ("built at line 9 of student.py: "
                                   "Mine(edf.Param(np.ones((2, 3))), option=2)")


def test_an_init_passes_all_that_is_learned_to_that_of_component():
    class Scale(edf.Component):
        def __init__(self, x, w):
            edf.Component.__init__(self, x, w)
            self.x = x

        def f(self, x, w):
            return x * w

        dx = dw = lambda self, dy, x, w: dy

    class Twice(Scale):
        def __init__(self, x, w):
            self.w = w
            super().__init__(x, w)
            self.both = w               # by another name, that is the same component

    class Thrice(Twice):
        pass

    class Lost(Twice):
        def __init__(self, x, w, other):
            super().__init__(x, w)
            self.other = other

    for kind in Twice, Thrice:
        assert kind(Param(1.0), Param(1.0)).inputs == tuple(edf.params[-2:])
        assert str(inspect.signature(kind.__init__)) == "(self, x, w)"
    loss = Lost(Param(1.0), Param(1.0), Param(1.0))
    edf.forward()
    with pytest.raises(TypeError, match="^other is no input of Lost: to be learned pass"):
        edf.backward(loss)


def test_the_line_of_a_notebook_cell():
    # Jupyter compiles each cell as a file of its own, whose name says nothing
    with pytest.raises(ValueError) as caught:
        run("x = edf.Param(0.0)\ny = edf.Log(x)\nedf.forward()", "/tmp/ipykernel_17/42.py")
    assert caught.value.__notes__ == [
        "in f of Log(x ())\nbuilt at line 2 of a cell: y = edf.Log(x)"]


def test_a_line_whose_source_is_gone():
    exec(compile("\n\nedf.Log(edf.Param(0.0))", "/tmp/ipykernel_17/43.py", "exec"), {"edf": edf})
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert caught.value.__notes__ == ["in f of Log(x ())\nbuilt at line 3 of a cell: "]


def test_a_name_that_is_no_text_does_not_hide_an_error():
    edf.Log(Param(0.0, name=4))
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert message(caught.value).splitlines()[:2] == ["x must be greater than 0, and not nan",
                                                      "in f of Log(x ())"]
    assert repr(edf.components[0]) == "Param 4 ()"


# What the docstring of a component says about shapes.

def test_shapes_are_held_against_the_docstring():
    class Layer(edf.Component):
        """Layer of its own, of which this line -> says nothing (at all).

        x (B, D), w (D, H)  ->  y (B, H)
        sequences x (B, T, D), w (D, H)  ->  y (B, T, H)
        """

        def f(self, x, w):
            raise ValueError("no")

    def reason(x, w):
        edf.clear()
        Layer(Input(np.ones(x)), Input(np.ones(w)))
        with pytest.raises(ValueError) as caught:
            edf.forward()
        return message(caught.value).splitlines()[2:-1]

    assert reason((2, 3), (3, 4)) == reason((2, 5, 3), (3, 4)) == []
    assert reason((2, 3), (4, 4)) == ["D is 3 in x, but 4 in w"]
    assert reason((2, 5, 3), (4, 4)) == ["D is 3 in x, but 4 in w"]
    assert reason((2, 3), (3,)) == ["w has shape (3,), but is meant to have (D, H)"]
    assert reason((3,), (3, 4)) == ["x has shape (3,), but is meant to have (B, D)"]
    assert reason((2, 3), (2, 3, 4)) == ["w has shape (2, 3, 4), but is meant to have (D, H)"]
    assert reason((2, 2, 5, 3), (3, 4)) == []               # B may stand for several axes


def test_what_a_docstring_says_of_other_things_is_no_reason():
    class Layer(edf.Component):
        """Rows of x (D,) that a table w (D, H) does not have.

        x (B, D), see also Affine (B, D)  ->  y (B, D)
        """

        def f(self, x, w):
            raise ValueError("no")

    Layer(Input(np.ones((2, 3))), Input(np.ones(3)))
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert message(caught.value).splitlines()[:-1] == ["no", "in f of Layer(x (2, 3), w (3,))"]


def test_an_error_that_is_found_and_not_caught_has_its_own_reason():
    class Double(edf.Component):
        """x (B, D, D)  ->  y (B, D, D)"""

        def f(self, x):
            return 2 * x

        def dx(self, dy, x):
            return dy

    y = Double(Param([[1.0, 2.0]]))
    with pytest.raises(AssertionError) as caught:
        edf.check_gradients(y)
    note, built = message(caught.value).splitlines()[1:]
    assert note == "in dx of Double(x (1, 2))" and built.startswith("built at line ")


def test_the_place_is_named_once_where_one_method_calls_another():
    with pytest.raises(ValueError) as caught:
        run("""
class Loud(edf.Log):
    def forward(self):
        super().forward()

Loud(edf.Param(0.0))
edf.forward()
""")
    assert message(caught.value) == ("x must be greater than 0, and not nan\nin f of Loud(x ())\n"
                                     "built at line 5 of student.py: Loud(edf.Param(0.0))")


def test_shapes_of_any_number_of_axes_are_compared_from_the_last():
    def reason(x, gamma):
        edf.clear()
        edf.LayerNorm(Input(np.ones(x)), Input(np.ones(gamma)), Input(np.ones(gamma)))
        with pytest.raises(ValueError) as caught:
            edf.forward()
        return message(caught.value).splitlines()[2]

    assert reason((2, 3, 4), 5) == "D is 4 in x, but 5 in gamma"
    assert reason((2, 3, 4), (1, 4)) == "gamma has shape (1, 4), but is meant to have (D,)"
