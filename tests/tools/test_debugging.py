"""with edf.debugging(): the first nan or infinity is found, and what writes where it must not."""

import numpy as np
import pytest
from test_errors import message

import edf
from edf import Affine, BatchNorm, Conv2d, Input, Param, Reshape, SoftmaxCrossEntropy, Tanh

ADVICE = "the ranges of the arguments are below"
INPLACE = "a formula must not change what it gets: write x = 2 * x, which makes a new array, " \
          "not x *= 2"


class Root(edf.Component):
    """The square root, whose slope at 0 is infinite."""

    def f(self, x):
        return np.sqrt(x)

    def dx(self, dy, x):
        return dy / (2 * self.value)


def stopped(loss, debugging=edf.debugging):
    """Run a graph in the mode; return what a student reads, but for the line that built it."""
    with pytest.raises(ValueError) as caught:
        with debugging():
            edf.forward()
            edf.backward(loss)
    return "\n".join("built" if line.startswith("built at line ") else line
                     for line in message(caught.value).splitlines())


def classifier():
    """A network of many kinds, with its data: an optimiser and the loss."""
    x, labels = Input(name="x"), Input(name="labels")
    x.value = edf.rng.normal(size=(8, 1, 5, 5))
    labels.value = np.arange(8) % 3
    h = Conv2d(x, Param(edf.rng.normal(size=(4, 1, 2, 2))), Param(np.zeros(4)))
    h = Tanh(edf.MaxPool2d(BatchNorm(h, Param(np.ones(4)), Param(np.zeros(4))), 2))
    h = edf.Dropout(Reshape(h, (-1, 16)), 0.2)
    h = edf.Concat(h, edf.Sum(h, axis=1, keepdims=True), axis=1)
    loss = SoftmaxCrossEntropy(Affine(h, Param(edf.xavier(17, 3)), Param(np.zeros(3))), labels)
    return edf.Adam(lr=0.05), loss + 0.01 * edf.Mean(edf.Expand(h[:, :1], (8, 5)) ** 2)


def train(steps):
    edf.clear()
    edf.seed(3)
    adam, loss = classifier()
    for _ in range(steps):
        edf.forward()
        edf.backward(loss)
        adam.step()
    return edf.components


def functions():
    """What the mode puts others in place of."""
    return edf.as_real, edf.facts, edf.Component.values


PLAIN = functions()


# What is found.

def test_the_first_infinity_of_forward():
    x = Input([1.0, -2.0, 100.0], name="x")
    assert stopped(edf.Exp(edf.Exp(x * Param(1.0, "w")) - 1)) == (
        "the result has nan or infinity in 1 of 3 entries: " + ADVICE + "\n"
        "in f of Exp(x (3,))\n"
        "built\n"
        "x from -2 to 100")


def test_nan_of_forward():
    loss = Root(Param([4.0, -1.0]))
    assert stopped(loss * 2) == (
        "the result has nan or infinity in 1 of 2 entries: " + ADVICE + "\n"
        "in f of Root(x (2,))\n"
        "built\n"
        "x from -1 to 4")


def test_the_first_infinity_of_backward():
    w = Param([[0.0, 4.0]], "w")
    assert stopped(edf.Sum(Root(w * 1) * 3)) == (
        "the result has nan or infinity in 1 of 2 entries: " + ADVICE + "\n"
        "in dx of Root(x (1, 2))\n"
        "built\n"
        "dy from 3 to 3\n"
        "x from 0 to 4")


def test_gradients_that_overflow_when_they_are_added():
    w = Param([0.1], "w")
    assert stopped(w * 2e38 + w * 2e38) == (
        "the result has nan or infinity in 1 of 1 entries: " + ADVICE + "\n"
        "in da of Mul(a (1,), b 2e+38)\n"
        "built\n"
        "dy from 1 to 1\n"
        "a from 0.1 to 0.1")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_input_that_is_not_finite(value):
    x = Input([[1.0, value, 3.0], [value, 2.0, 5.0]], name="images")
    loss = Affine(x, Param(np.ones((3, 2))), Param(np.zeros(2)))
    assert stopped(loss) == (
        "Input images (2, 3) (argument x) has nan or infinity in 2 of 6 entries: look at the "
        "data\n"
        "in f of Affine(x (2, 3), w (3, 2), b (2,))\n"
        "built\n"
        "x from 1 to 5 (2 nan or infinite)\n"
        "w from 1 to 1\n"
        "b from 0 to 0")


def test_a_mask_that_is_added_passes_and_what_comes_of_it_is_looked_at():
    scores = Param([[1.0, 2.0], [3.0, 1e38]], "scores")
    mask = Input([[0.0, -np.inf], [0.0, 0.0]], "mask")
    loss = edf.Sum(edf.Softmax(scores + mask), axis=1)
    edf.forward()
    edf.backward(loss)
    assert stopped(edf.Exp(scores)) == (
        "the result has nan or infinity in 1 of 4 entries: " + ADVICE + "\n"
        "in f of Exp(x (2, 2))\n"
        "built\n"
        "x from 1 to 1e+38")
    scores.value = [[1.0, 2.0], [3.0, np.nan]]
    assert stopped(loss) == (
        "Param scores (2, 2) (argument a) has nan or infinity in 1 of 4 entries: was the last step "
        "too long? try a smaller lr\n"
        "in f of Add(a (2, 2), b (2, 2))\n"
        "built\n"
        "a from 1 to 3 (1 nan or infinite)\n"
        "b from 0 to 0 (1 nan or infinite)")


def test_a_param_that_is_not_finite_after_a_step():
    w = Param([1.0, 2.0], "w")
    loss = w * 2
    edf.forward()
    edf.backward(loss)
    w.value = [np.inf, np.inf]
    assert stopped(loss) == (
        "Param w (2,) (argument a) has nan or infinity in 2 of 2 entries: was the last step too "
        "long? try a smaller lr\n"
        "in f of Mul(a (2,), b 2)\n"
        "built\n"
        "a all nan or infinite")


def test_infinity_of_a_forward_and_a_backward_of_its_own():
    class Inverse(edf.Component):
        def __init__(self, x):
            super().__init__(x)
            self.x = x

        def forward(self):
            self.value = 1 / self.x.value

        def backward(self):
            self.x.add_grad(-self.grad / self.x.value ** 2)

    w = Param([0.0, 1.0], "w")
    loss = Inverse(w)
    assert stopped(loss) == (
        "the result has nan or infinity in 1 of 2 entries: " + ADVICE + "\n"
        "in forward of Inverse(x0 (2,))\n"
        "built\n"
        "x0 from 0 to 1")
    w.value = [1e-30, 1.0]
    assert stopped(loss) == (
        "the result has nan or infinity in 1 of 2 entries: " + ADVICE + "\n"
        "in backward of Inverse(x0 (2,))\n"
        "built\n"
        "dy from 0.5 to 0.5\n"
        "x0 from 1e-30 to 1")


def test_other_errors_show_the_ranges_too():
    loss = edf.Log(Param([-1.5, 2.0]))
    assert stopped(loss) == ("x must be greater than 0, and not nan\n"
                             "in f of Log(x (2,))\nbuilt\nx from -1.5 to 2")


def test_a_missing_value_is_what_the_error_says():
    loss = edf.ReLU(Input(name="x")) * Param(1.0)
    with edf.debugging():
        with pytest.raises(TypeError, match="^an Input has no value: set .value before forward"):
            edf.forward()
        with pytest.raises(TypeError, match="NoneType"):
            loss.inputs[0].forward()


def test_numpy_does_not_warn_before_the_error():
    loss = edf.Exp(Param(1000.0))
    with pytest.raises(RuntimeWarning, match="overflow"):
        edf.forward()                       # warnings are errors here
    assert stopped(loss).startswith("the result has nan or infinity in 1 of 1 entries")
    with pytest.raises(RuntimeWarning, match="overflow"):
        edf.forward()


# What writes where it must not.

def writing(**formulas):
    """A component y = 2 x with other formulas in place of some."""
    class Double(edf.Component):
        def f(self, x):
            return 2 * x

        def dx(self, dy, x):
            return 2 * dy

    for name, formula in formulas.items():
        setattr(Double, name, formula)
    return Double


def f_into_x(self, x):
    x *= 2
    return x


def dx_into_dy(self, dy, x):
    dy *= 2
    return dy


def dx_into_x(self, dy, x):
    x[:] = dy
    return x


def dx_into_y(self, dy, x):
    self.value *= dy
    return self.value


@pytest.mark.parametrize("node", [lambda: Param([1.0, 2.0]), lambda: Param([1.0, 2.0]) * 1,
                                  lambda: Param([0.0, 1.0])[None][0] + 1])
@pytest.mark.parametrize("name, formula, before", [
    ("f", f_into_x, ""), ("dx", dx_into_dy, "dy from 0.5 to 0.5\n"),
    ("dx", dx_into_x, "dy from 0.5 to 0.5\n"), ("dx", dx_into_y, "dy from 0.5 to 0.5\n")])
def test_a_formula_that_writes_into_what_it_gets(node, name, formula, before):
    loss = writing(**{name: formula})(node())
    text = stopped(loss)
    assert text in [f"{refusal} is read-only\nin {name} of Double(x (2,))\n{INPLACE}\nbuilt\n"
                    f"{before}x from 1 to 2" for refusal in ("output array",
                                                             "assignment destination")]
    edf.forward()                   # outside it goes on: only check_gradients refuses it there
    edf.backward(loss)


def test_a_backward_of_its_own_that_writes_into_its_gradient():
    def backward(self):
        self.grad *= 2
        self.x.add_grad(self.grad)

    class Double(edf.Component):
        f = f_into_x                # not run, as forward is its own

        def forward(self):
            self.value = 2 * self.x.value

    Double.backward = backward
    loss = Double(Param([1.0, 2.0]))
    with pytest.raises(ValueError, match="output array is read-only"):
        with edf.debugging():
            edf.forward()
            edf.backward(loss)


# What it leaves alone.

def test_results_are_bit_for_bit_those_outside():
    outside = train(5)
    with edf.debugging():
        inside = train(5)
    assert len(inside) == len(outside)
    for a, b in zip(inside, outside):
        np.testing.assert_array_equal(a.value, b.value, strict=True)
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_array_equal(a.grad, b.grad, strict=True)


def test_gradients_can_be_checked_inside():
    adam, loss = classifier()
    want = edf.check_gradients(loss)
    with edf.debugging():
        assert edf.check_gradients(loss) == want


def test_training_may_go_in_and_out():
    adam, loss = classifier()
    for step in range(60):
        if step % 2:
            with edf.debugging():
                edf.forward()
                edf.backward(loss)
                adam.step()
        else:
            edf.forward()
            edf.backward(loss)
            adam.step()
    with edf.debugging(), edf.evaluating():
        edf.forward()
    assert loss.value.mean() < 0.2


def test_nothing_is_left_outside():
    with edf.debugging():
        assert all(new is not old for new, old in zip(functions(), PLAIN))
        train(2)
        assert not edf.components[-1].value.flags.writeable
    assert functions() == PLAIN
    for node in edf.components:
        for array in node.value, node.grad:
            if array is not None:
                array[...] = 0


def test_what_was_computed_inside_keeps_its_order_in_memory():
    w = Param(np.arange(6.0).reshape(2, 3))
    y = edf.Transpose(w) * 2
    edf.forward()
    strides = y.value.strides
    with edf.debugging():
        edf.forward()
    assert y.value.strides == strides == (4, 12)


def test_values_that_are_no_arrays_are_left_as_they_are():
    class Best(edf.Component):
        def __init__(self, x):
            super().__init__(x)
            self.x = x

        def forward(self):
            self.value = [int(self.x.value.argmax())]

    best = Best(Param([1.0, 3.0, 2.0]))
    with edf.debugging():
        edf.forward()
    assert best.value == [1]


def test_arrays_of_a_user_stay_his():
    images = np.ones((2, 3), np.float32)
    images.flags.writeable = False
    x, w = Input(images, "x"), Param(np.ones(3))
    loss = x * w
    with edf.debugging():
        edf.forward()
        edf.backward(loss)
        w.value[0] = 2
    assert x.value is images and not images.flags.writeable
    assert x not in edf.pending


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_all_is_put_back_after_an_exception_also_when_nested(depth):
    def enter(depth):
        with edf.debugging():
            if depth > 1:
                enter(depth - 1)
            assert functions() != PLAIN
            edf.forward()

    Root(Param([-1.0]))
    with pytest.raises(ValueError, match="the result has nan or infinity in 1 of 1 entries"):
        enter(depth)
    assert functions() == PLAIN
    with pytest.raises(RuntimeWarning):
        edf.forward()
    for error in KeyboardInterrupt, GeneratorExit:
        with pytest.raises(error):
            with edf.debugging():
                raise error
        assert functions() == PLAIN


def test_the_inner_of_two_leaves_the_outer_in_place_and_says_nothing_twice():
    loss = edf.Sum(Root(Param([0.0, 4.0])))
    alone = stopped(loss)
    with edf.debugging():
        outer = functions()
        assert stopped(loss) == alone
        assert functions() == outer
        edf.forward()
        with edf.debugging():
            pass
        assert not loss.value.flags.writeable
        assert stopped(loss) == alone


def test_called_without_with_it_changes_nothing():
    edf.debugging()
    assert functions() == PLAIN
