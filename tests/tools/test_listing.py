"""The training step as a program: pasted, it does what the graph does."""

import hypothesis
import numpy as np
import pytest
import test_random_graphs as random_graphs
from hypothesis import HealthCheck, given, settings
from test_components import RUNS, build, weighted

import edf
from edf import Affine, Input, Param, Sigmoid, SoftmaxCrossEntropy

SMALL = '''\
import numpy as np

from edf import components, sigmoid, total

# the arrays of the graph
x = components[0].value    # (4, 3)
labels9 = components[1].value    # (4,)
w1 = components[2].value    # (3, 2)
b1 = components[3].value    # (2,)
w8 = components[4].value    # (2, 2)
b8 = components[5].value    # (2,)

# forward
affine6 = x @ w1 + b1    # (4, 2)
sigmoid7 = sigmoid(affine6)    # (4, 2)
affine8 = sigmoid7 @ w8 + b8    # (4, 2)
shifted = affine8 - affine8.max(axis=1, keepdims=True)
exp = np.exp(shifted)
sums = total(exp, 1, keepdims=True)
p9 = exp / sums
rows = np.arange(len(labels9))
loss = np.log(sums[:, 0]) - shifted[rows, labels9]    # (4,)

# backward
dloss = np.full_like(loss, 1 / loss.size)    # (4,)
p_minus_onehot = p9.copy()
p_minus_onehot[np.arange(len(labels9)), labels9] -= 1
daffine8 = dloss[:, None] * p_minus_onehot    # (4, 2)
dsigmoid7 = daffine8 @ w8.T    # (4, 2)
dw8 = sigmoid7.T @ daffine8    # (2, 2)
db8 = total(daffine8, axis=0)    # (2,)
daffine6 = dsigmoid7 * sigmoid7 * (1 - sigmoid7)    # (4, 2)
dw1 = x.T @ daffine6    # (3, 2)
db1 = total(daffine6, axis=0)    # (2,)

# update: SGD
w1 -= 0.1 * dw1
b1 -= 0.1 * db1
w8 -= 0.1 * dw8
b8 -= 0.1 * db8
'''


def perceptron():
    x, labels = Input(np.eye(4, 3), name="x"), Input([0, 1, 1, 0])
    w1, b1 = Param(edf.xavier(3, 2), name="w1"), Param(np.zeros(2), name="b1")
    w2, b2 = Param(edf.xavier(2, 2)), Param(np.zeros(2))
    return SoftmaxCrossEntropy(Affine(Sigmoid(Affine(x, w1, b1)), w2, b2), labels)


def plain(loss, optimiser):
    """Return a function that makes a step with the graph."""
    def step():
        edf.forward()
        edf.backward(loss)
        optimiser.step()
    return step


def pasted(loss, optimiser=None):
    """Return a function that runs the listing; what precedes forward runs once."""
    head, marker, step = edf.listing(loss, optimiser).partition("\n# forward\n")
    space = {}
    exec(head, space)
    return lambda: exec(step, space)


def statistics():
    return [{name: getattr(node, name) for name in node.statistics} for node in edf.components]


def after(steps, step):
    """Return Params and statistics after so many steps, and put them back."""
    start, kept = [param.value.copy() for param in edf.params], statistics()
    edf.seed(0)
    for _ in range(steps):
        step()
    got = [param.value.copy() for param in edf.params], statistics()
    for param, value in zip(edf.params, start, strict=True):
        param.value[...] = value
    for node, values in zip(edf.components, kept, strict=True):
        vars(node).update(values)
    return got


def assert_same_steps(loss, optimiser=None, steps=1):
    listed = after(steps, pasted(loss, optimiser))
    walked = after(steps, plain(loss, optimiser or edf.SGD(lr=0.1)))
    np.testing.assert_equal(listed, walked)


def test_a_small_network_reads_like_this():
    assert edf.listing(perceptron()) == SMALL


def test_it_is_a_text_that_a_notebook_shows_as_such():
    shown = edf.listing(perceptron())
    assert repr(shown) == str(shown) == SMALL
    assert shown._repr_mimebundle_() == {"text/plain": SMALL}


@pytest.mark.parametrize("case, arrays", RUNS)
def test_a_pasted_listing_makes_the_step_of_every_component(case, arrays):
    y, nodes = build(case, arrays)
    edf.forward()
    assert_same_steps(weighted(y)[0])


def check_random_graphs(component, count, seed):
    @hypothesis.seed(seed)
    @settings(max_examples=count, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(random_graphs.programs(component))
    def run(program):
        nodes = random_graphs.build(program)
        for each in program.rounds:
            edf.training = each.training
            for node, value in zip(nodes, each.values, strict=True):
                if type(node) is Input:
                    node.value = value
            assert_same_steps(nodes[-1], edf.SGD(lr=1e-3))
    run()


@pytest.mark.parametrize("seed, component", list(enumerate(random_graphs.RULES)))
def test_random_graphs(seed, component):
    check_random_graphs(component, 2, seed)


OPTIMISERS = [
    edf.SGD(lr=0.5), edf.SGD(lr=0.5, momentum=0.9), edf.SGD(lr=0.5, momentum=0.9, nesterov=True),
    edf.SGD(lr=np.float64(0.5), weight_decay=0.1), edf.AdaGrad(), edf.RMSProp(), edf.Adam(),
    edf.Adam(weight_decay=0.1), edf.AdamW()]


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=[
    f"{i}-{type(optimiser).__name__}" for i, optimiser in enumerate(OPTIMISERS)])
def test_several_steps_of_every_optimiser(optimiser):
    assert_same_steps(perceptron(), optimiser, steps=5)


# What is called as it is.

def double(x):
    return 2 * x


class OwnPasses(edf.Component):
    def f(self, x):
        pass

    def forward(self):
        self.value = 2 * self.x.value

    def backward(self):
        self.x.add_grad(2 * self.grad)


class Loop(edf.Component):
    def f(self, x):
        y = x
        for _ in range(2):
            y = y * x
        return y

    def dx(self, dy, x):
        return 3 * dy * x * x


class Helper(edf.Component):
    def f(self, x):
        return double(x)

    def dx(self, dy, x):
        return double(dy)


class OwnMethod(edf.Component):
    def f(self, x):
        return self.twice(x)

    def dx(self, dy, x):
        return self.twice(dy)

    def twice(self, x):
        return 2 * x


class Lambda(edf.Component):
    def f(self, x):
        return (lambda x: 2 * x)(x)

    def dx(self, dy, x):
        return 2 * dy


class InPlace(edf.Component):
    def f(self, x):
        self.kept = np.ones_like(x)
        return 2 * x

    def dx(self, dy, x):
        kept = self.kept
        kept *= 2
        return kept * dy


class Within(edf.Component):
    def f(self, x):
        with np.errstate():
            return 2 * x

    def dx(self, dy, x):
        return 2 * dy


def closure():
    x = 2

    class Closure(edf.Component):
        def f(self, a):
            return a * x

        def da(self, dy, a):
            return dy * x

    return Closure


@pytest.mark.parametrize("kind", [
    OwnPasses, Loop, Helper, OwnMethod, Lambda, InPlace, Within, closure()])
def test_what_cannot_be_written_out_is_called(kind):
    x, w = Input(np.ones((2, 3))), Param(np.full((2, 3), 0.5))
    h = x * w
    loss = kind(h) * h + kind(w)
    assert_same_steps(loss, steps=3)
    assert edf.listing(loss).count(".forward()") == 2


class Written(edf.Mean):
    """All that can be written out in one: options, a copy, a test of numbers, and super()."""

    def f(self, x, axis=None, keepdims=False, most=3, scale=(2, [1.0])):
        required = x - 1
        self.low = low = required
        low = low if most > x.max() else x
        if low.min() < 0:
            low *= scale[0]
        else:
            return super().f(x, axis, keepdims)
        x = [part for part in low]
        return super().f(np.stack(x), axis, keepdims)

    def dx(self, dy, x, axis, keepdims, most, scale):
        y, _ = self.value, self.low
        return edf.np.sum(scale[1]) * super().dx(2 * dy + 0 * y, x, axis, keepdims)


@pytest.mark.parametrize("start", [0.5, 2])
def test_python_that_can_be_written_out(start):
    loss = Written(Param(np.full((2, 3), start)), axis=1)
    assert_same_steps(loss, steps=2)
    assert "forward()" not in edf.listing(loss)


def test_names_that_are_taken():
    x, labels = Input(np.eye(4, 3), name="np"), Input([0, 1, 1, 0], name="exp")
    w = [Param(edf.xavier(3, 3), name=name) for name in ("w 1", "w_1", "class", "1", "dloss")]
    for each in w:
        x = Affine(x, each, Param(np.zeros(3), name="components"))
    assert_same_steps(SoftmaxCrossEntropy(x, labels), steps=2)


# Errors, and what it leaves as it was.

def test_the_graph_is_as_before():
    loss = edf.Dropout(edf.BatchNorm(
        Input(np.eye(4, 3)), Param(np.ones(3)), Param(np.ones(3)))) + OwnPasses(Param(1.0))
    edf.forward()
    edf.backward(loss)
    before = [dict(vars(node)) for node in edf.components]
    arrays = [(array, array.copy()) for node in before for array in node.values()
              if isinstance(array, np.ndarray)]
    numbers = edf.rng.bit_generator.state
    edf.listing(loss, edf.Adam())
    assert numbers == edf.rng.bit_generator.state and not edf.pending
    for node, values in zip(edf.components, before, strict=True):
        assert vars(node).keys() == values.keys()
        assert all(vars(node)[name] is value for name, value in values.items())
    np.testing.assert_equal(*zip(*arrays, strict=True))


def words(error, loss, *args):
    """Return the message and the first line of the note of the error that a listing raises."""
    with pytest.raises(error) as caught:
        edf.listing(loss, *args)
    return [str(caught.value), *[note.splitlines()[0] for note in caught.value.__notes__]]


def test_an_error_of_a_formula_names_the_component():
    loss = perceptron()
    edf.components[1].value = np.array([0, 1, 2, 0])
    walked = pytest.raises(ValueError, edf.forward)
    assert words(ValueError, loss) == [
        str(walked.value), "in f of " + str(loss).replace("(no value yet)", "(4, 2)")]


def test_an_input_without_data_is_named():
    x = Input(name="x")
    assert words(TypeError, x * Param(1.0)) == [
        "an Input has no value: set .value before forward()",
        "in forward of Input x (no value yet)"]


def test_a_missing_derivative_is_named():
    class Half(edf.Component):
        def f(self, x):
            return x / 2

    message, note = words(NotImplementedError, Half(Param(1.0)))
    assert message == "Half has to define dx, because x depends on a Param"
    assert note == "in dx of Half(x ())"


class OwnGradient(edf.Exp):
    def add_grad(self, grad):
        super().add_grad(grad / 2)


def test_what_has_no_listing():
    x = edf.Exp(Input(1.0))
    with pytest.raises(TypeError, match=r"Exp\(x .*\) depends on no Param: there is nothing to"):
        edf.listing(x)
    with pytest.raises(TypeError, match="the loss must be a component"):
        edf.listing(None)
    loss = OwnGradient(Param(1.0))
    with pytest.raises(TypeError, match=r"OwnGradient\(.*\) cannot be written out: it has"):
        edf.listing(loss)
    edf.clear()
    with pytest.raises(TypeError, match="the graph is empty"):
        edf.listing(x)


class OwnStep(edf.SGD):
    def step(self):
        pass


class OwnDirection(edf.SGD):
    def direction(self, grad, kept):
        return double(grad)


@pytest.mark.parametrize("optimiser", [OwnStep(lr=1), OwnDirection(lr=1)])
def test_an_optimiser_that_cannot_be_written_out(optimiser):
    with pytest.raises(TypeError) as caught:
        edf.listing(perceptron(), optimiser)
    assert str(caught.value) == (
        f"{type(optimiser).__name__} cannot be written out: it needs a direction() with its "
        "source, and no step() of its own")
