"""Wrong use is refused at once, with a message that says what to do: each is matched whole."""

import inspect
import re
import traceback

import numpy as np
import pytest

import edf
from edf import Affine, CrossEntropy, Input, Param, ReLU, Softmax, SoftmaxCrossEntropy


def message(error):
    """What a student reads: the message, and the notes but for the line numbers in them."""
    text = "\n".join([str(error), *getattr(error, "__notes__", [])])
    return re.sub(r"\nbuilt at line \d+ of test_errors.py: (?=\S)", "\nbuilt: ", text)


def refused(kind, text, action, *args):
    with pytest.raises(kind) as caught:
        action(*args)
    assert message(caught.value) == text


def classify(scores, labels, loss=SoftmaxCrossEntropy):
    """Run the loss of constant scores."""
    node = Param(scores)
    loss(node, Input(labels))
    edf.forward()


# When a graph is built.

def test_wrong_number_of_inputs():
    for text, args, options in [
            ("Affine(x, w, b): missing a required argument: 'b'", 2, {}),
            ("Affine(x, w, b): too many positional arguments", 4, {}),
            ("Affine(x, w, b): got an unexpected keyword argument 'bias'", 3, {"bias": 1})]:
        refused(TypeError, text, lambda: Affine(*[Param(1.0)] * args, **options))  # noqa: B023
    refused(TypeError, "LeakyReLU(x, slope=0.01): got an unexpected keyword argument 'alpha'",
            lambda: edf.LeakyReLU(Param(1.0), alpha=0.1))


@pytest.mark.parametrize("value, kind", [(np.ones((2, 3)), "ndarray"), ([1.0], "list"),
                                         (Param, "type"), (None, "NoneType")])
def test_an_array_in_place_of_a_component(value, kind):
    refused(TypeError, f"w of Affine must be a component, not of type {kind}: if it is the value "
            "of a component pass that, else wrap it: edf.Param(array) if it is learned, "
            "edf.Input(array) if it is data",
            Affine, Input(), value, Param(1.0))


@pytest.mark.parametrize("action", [lambda x: np.ones(3) * x, lambda x: x + np.ones(3),
                                    lambda x: np.ones((3, 3)) @ x, lambda x: x - "1"])
def test_an_array_as_an_operand(action):
    with pytest.raises(TypeError, match="must be a component, not of type"):
        action(Param(np.ones(3)))
    assert len(edf.components) == 1         # what was refused is not in the graph


def test_a_component_of_a_graph_that_was_cleared():
    y = ReLU(Param(1.0))
    edf.clear()
    refused(TypeError, "x of ReLU was built before clear() and belongs to the graph of that time: "
            "build ReLU(x ()) again", ReLU, y)
    refused(TypeError, "the loss was built before clear() and belongs to the graph of that time: "
            "build ReLU(x ()) again", edf.backward, y)


def test_a_component_of_a_cleared_graph_beside_a_new_graph_of_the_same_size():
    old = Param(1.0)
    edf.clear()
    Param(1.0)
    with pytest.raises(TypeError, match="was built before clear"):
        ReLU(old)


def test_an_init_that_does_not_call_super():
    class Mine(edf.Component):
        def __init__(self, x):
            self.x = x

    refused(TypeError, "x of ReLU is not in the graph: __init__ of Mine must call super().__init__",
            ReLU, Mine(Param(1.0)))


# What an Input and a Param hold.

@pytest.mark.parametrize("owner", [Input, Param])
@pytest.mark.parametrize("value, what", [
    (np.zeros((0, 784)), "float64 of shape (0, 784)"),
    ("seven", "<U5 of shape ()"),
    (np.array([None, 1]), "object of shape (2,)"),
    (np.array([True, False]), "bool of shape (2,): convert a mask with .astype(float), or use it "
                              "as a key, x[mask]"),
    (np.array([1j]), "complex128 of shape (1,)"),
    ([], "float64 of shape (0,)"),
])
def test_inputs_and_params_take_numbers(owner, value, what):
    text = f"{owner.__name__} takes numbers, and at least one; got an array of {what}"
    refused(ValueError, f"a{'n' * (owner is Input)} {text}", setattr, owner(1.0), "value", value)
    with pytest.raises(ValueError, match="takes numbers, and at least one; got an array of"):
        owner(value)


def test_an_input_never_set():
    x = Input()
    Affine(x, Param(np.ones((2, 3))), Param(np.ones(3)))
    refused(TypeError, "an Input has no value: set .value before forward()\n"
            "in forward of Input Affine[3].x (no value yet)\nbuilt: x = Input()", edf.forward)


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_integer_images(kind):
    x = Input(np.zeros((2, 784), kind))
    Affine(x, Param(np.ones((784, 3))), Param(np.ones(3)))
    refused(ValueError, "an Input holds integers, but Affine[3] takes real numbers: divide images "
            "by 255, or convert with .astype(float) (or are these the labels?)\n"
            "in forward of Input Affine[3].x (2, 784)\nbuilt: x = Input(np.zeros((2, 784), kind))",
            edf.forward)


def test_integers_in_a_concatenation():
    edf.Concat(Param(np.ones(2)), Input([1, 2]))
    with pytest.raises(ValueError, match="^an Input holds integers, but Concat.2. takes real num"):
        edf.forward()


def test_a_param_keeps_its_shape():
    w = Param(np.ones((2, 3)))
    refused(ValueError, "a Param of shape (2, 3) cannot take shape (3, 2)",
            setattr, w, "value", np.ones((3, 2)))


# When a graph runs.

def test_shapes_that_do_not_fit_are_shown_with_their_component():
    x = Input(np.zeros((64, 785)))
    Affine(x, Param(np.ones((784, 64))), Param(np.ones(64)))
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert "matmul" in str(caught.value) and "(size 784 is different from 785)" in str(caught.value)
    assert message(caught.value).splitlines()[1:] == [
        "in f of Affine(x (64, 785), w (784, 64), b (64,))",
        "D is 785 in x, but 784 in w",
        "built: Affine(x, Param(np.ones((784, 64))), Param(np.ones(64)))"]
    assert "in f of Affine" in "".join(traceback.format_exception(caught.value))


def test_a_gradient_of_the_wrong_shape():
    y = Affine(Input(np.ones((3, 4))), Param(np.ones((4, 5))), Param(np.ones((1, 5))))
    edf.forward()
    refused(ValueError, "the gradient has shape (5,), but the value has shape (1, 5)\n"
            "in db of Affine(x (3, 4), w (4, 5), b (1, 5))\n"
            "built: y = Affine(Input(np.ones((3, 4))), Param(np.ones((4, 5))), "
            "Param(np.ones((1, 5))))", edf.backward, y)


@pytest.mark.parametrize("loss", [CrossEntropy, SoftmaxCrossEntropy])
@pytest.mark.parametrize("labels, text", [
    ([0, 3, 1], "labels must be class numbers from 0 to 2, got numbers from 0 to 3"),
    ([0, -1, 1], "labels must be class numbers from 0 to 2, got numbers from -1 to 1"),
    ([0., 1., 2.], "labels must be class numbers of integer type, got float32: "
                   "convert with .astype(int)"),
    ([[0], [1], [2]], "labels must be one class number for each row of (3, 3), got shape (3, 1): "
     "set both to the same batch, flatten a column with [:, 0], turn one-hot rows into numbers "
     "with .argmax(axis=1)"),
    (np.eye(3, dtype=int), "labels must be one class number for each row of (3, 3), got shape "
     "(3, 3): set both to the same batch, flatten a column with [:, 0], turn one-hot rows into "
     "numbers with .argmax(axis=1)"),
    ([0, 1], "labels must be one class number for each row of (3, 3), got shape (2,): "
     "set both to the same batch, flatten a column with [:, 0], turn one-hot rows into numbers "
     "with .argmax(axis=1)"),
])
def test_labels_that_are_no_labels(loss, labels, text):
    with pytest.raises(ValueError) as caught:
        classify(np.full((3, 3), 1 / 3), labels, loss)
    first, second, *_ = message(caught.value).splitlines()
    assert first == text
    assert second.startswith(f"in f of {loss.__name__}(")


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2)])
def test_scores_that_are_no_matrix(shape):
    with pytest.raises(ValueError, match="labels must be one class number for each row of "):
        classify(np.ones(shape), np.zeros(shape[:-1], int))
    with pytest.raises(ValueError, match="labels must be one class number for each row of "):
        classify(np.ones(shape), np.zeros(shape[:1], int))


def test_a_single_row_of_scores():
    with pytest.raises(ValueError, match=r"one class number for each row of \(3,\), got shape"):
        classify(np.ones(3), np.array(1))


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


@pytest.mark.parametrize("build, text", [
    (lambda: edf.Log(Param([1.0, 0.0])), "x must be greater than 0, and not nan"),
    (lambda: edf.Log(Param([1.0, -1.0])), "x must be greater than 0, and not nan"),
    (lambda: Param([1.0, 2.0]) / Param([0.0, 1.0]), "b must not contain 0: it is divided by"),
    (lambda: Param([1.0, 2.0]) @ Param([1.0, 2.0]), "a and b must be matrices (two axes)"),
])
def test_formulas_refuse_what_numpy_would_go_on_with(build, text):
    build()
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert str(caught.value) == text


def test_backward_before_forward():
    y = ReLU(Param(1.0))
    refused(TypeError, "ReLU(x ()) has no value yet: call forward() first", edf.backward, y)


def test_backward_of_what_no_param_leads_to():
    y = ReLU(Input(1.0))
    edf.forward()
    refused(TypeError, "ReLU(x ()) depends on no Param: make a Param of what you want the "
            "gradient of", edf.backward, y)


def test_backward_of_an_array():
    refused(TypeError, "the loss must be a component, not of type float: if it is the value of a "
            "component pass that, else wrap it: edf.Param(array) if it is learned, "
            "edf.Input(array) if it is data", edf.backward, 0.5)


# Components that a student writes.

def test_a_stub():
    class Mine(edf.Component):
        def f(self, x):
            raise NotImplementedError()

    y = Mine(Param(1.0))
    refused(NotImplementedError, "\nin f of Mine(x ())\nbuilt: y = Mine(Param(1.0))", edf.forward)
    del y


def test_a_component_without_f():
    class Mine(edf.Component):
        pass

    Mine(Param(1.0))
    refused(NotImplementedError, "Mine does not define f\nin f of Mine(x0 ())\n"
            "built: Mine(Param(1.0))", edf.forward)


def test_a_formula_without_return():
    class Mine(edf.Component):
        def f(self, x):
            x + 1  # noqa: B018

    Mine(Param(1.0))
    refused(TypeError, "the formula returned None: is its return missing?\nin f of Mine(x ())\n"
            "built: Mine(Param(1.0))", edf.forward)


def test_a_d_method_that_is_missing():
    class Mine(edf.Component):
        def f(self, x):
            return x

    y = Mine(Param(1.0))
    edf.forward()
    refused(NotImplementedError, "Mine has to define dx, because x depends on a Param\n"
            "in dx of Mine(x ())\nbuilt: y = Mine(Param(1.0))", edf.backward, y)


@pytest.mark.parametrize("name", ["value", "grad", "f", "inputs", "number", "forward"])
def test_an_input_named_like_what_every_component_has(name):
    names = {"edf": edf}
    exec(f"class Mine(edf.Component):\n    def f(self, {name}):\n        return {name}", names)
    refused(TypeError, f"Mine: an input needs another name than {name}, which every component has",
            names["Mine"], Param(1.0))


@pytest.mark.parametrize("build", [lambda x: Affine(x, 2, "three"), lambda x: ReLU(None),
                                   lambda x: edf.Concat(x, 3.0), lambda x: edf.Slice([1], 0)])
def test_what_is_differentiated_by_is_a_component_or_a_number(build):
    refused(TypeError, "p of Dropout is an option: it takes no component",
            edf.Dropout, 0.5, Param(1.0))
    with pytest.raises(TypeError, match="^x of Log must be a component, not of type int: "):
        edf.Log(2)
    with pytest.raises(TypeError, match="must be a component, not of type"):
        build(Param(1.0))


@pytest.mark.parametrize("function", [np.mean, np.argmax, np.median, np.array, np.shape,
                                      lambda x: np.where(x, 1, 2), lambda x: np.dot(x, x)])
def test_numpy_gets_no_component_for_an_array(function):
    x = Param(np.ones((2, 3)), name="x")
    refused(TypeError, "Param x (2, 3) is a component, not an array: NumPy takes its .value, and "
            "edf has functions of its own", function, x)
    assert edf.components == [x]


def test_an_empty_loss():
    loss = Param(np.ones((3, 2)))[5:]
    edf.forward()
    refused(ValueError, "Slice(x (3, 2), key slice(5, None, None)) is an empty array, which has "
            "no mean", edf.backward, loss)


def test_scores_in_place_of_probabilities():
    refused(ValueError, "a probability is greater than 1: if these are scores use "
            "SoftmaxCrossEntropy\nin f of CrossEntropy(p (2, 2), labels (2,))\n"
            "built: loss(node, Input(labels))", classify, [[3.0, 5], [4, 2]], [0, 1], CrossEntropy)


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


def test_the_line_that_built_a_component_in_the_init_of_a_model():
    class Model:
        def __init__(self):
            self.y = Param(np.ones((2, 3))) @ Param(np.ones((2, 3)))

    Model()
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert message(caught.value).endswith(
        "built: self.y = Param(np.ones((2, 3))) @ Param(np.ones((2, 3)))")


def test_the_line_that_built_a_component_with_its_own_init():
    class Mine(edf.Component):
        def __init__(self, x, option=1):
            super().__init__(x)
            self.option = option

        def f(self, x):
            return x @ x

    Mine(Param(np.ones((2, 3))), option=2)
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert message(caught.value).endswith("built: Mine(Param(np.ones((2, 3))), option=2)")


def test_the_line_of_a_notebook_cell():
    # Jupyter compiles each cell as a file of its own, whose name says nothing
    exec(compile("\n\nedf.Log(edf.Param(0.0))", "/tmp/ipykernel_17/42.py", "exec"), {"edf": edf})
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert caught.value.__notes__ == ["in f of Log(x ())\nbuilt at line 3 of a cell: "]


# Training.

def test_a_step_without_a_gradient():
    Param(1.0)
    refused(TypeError, "no Param has a gradient: call backward first", edf.SGD(0.1).step)


def test_batches_of_arrays_that_do_not_match():
    refused(ValueError, "arrays differ in length: [3, 4]",
            lambda: list(edf.batches(np.ones(3), np.ones(4), size=2)))
    refused(ValueError, "a batch needs at least one row, got size 0",
            lambda: list(edf.batches(np.ones(3), size=0)))
