"""One table of cases drives the tests of every component.

A row is a component, an independent formula (differentiated by autograd, which
shares no code with EDF), the inputs to try it on, and values known from
elsewhere.  A component of edf.py without a row fails the first test.
"""

from dataclasses import dataclass, field

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import edf
from edf import Input, Param


def uniform(*shape, low=-2.0, high=2.0, seed=0):
    return np.random.default_rng(seed + sum(shape)).uniform(low, high, shape)


def positive(*shape):
    return uniform(*shape, low=0.3, high=3.0, seed=1)


def rows_of_probabilities(batch, classes):
    p = positive(batch, classes)
    return p / p.sum(axis=1, keepdims=True)


def softmax(x):
    e = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
    return e / anp.sum(e, axis=-1, keepdims=True)


def some_labels(batch, classes):
    return np.arange(batch) * 2 % classes


@dataclass
class Case:
    component: type
    formula: callable                           # of the same inputs, in autograd's NumPy
    inputs: list                                # argument lists; integer arrays are labels
    options: dict = field(default_factory=dict)
    golden: str = ""                            # an entry of golden.json

    def __repr__(self):
        return self.component.__name__


BROADCAST = [[(3, 4), (3, 4)], [(3, 4), (4,)], [(3, 4), (1, 4)], [(3, 1), (1, 4)],
             [(2, 3, 4), (3, 1)], [(4,), (5, 4)], [(), (3, 4)], [(1,), (1,)], [(1, 1), ()]]
ANY_SHAPE = [[(5, 3)], [(1, 3)], [(4,)], [()], [(2, 3, 2)]]


def real(shapes, draw=uniform):
    return [[draw(*shape) for shape in row] for row in shapes]


def away_from_zero(*shape):
    x = uniform(*shape)
    return np.where(abs(x) < 0.05, 0.3, x)


def two_draws(shapes, second):
    return [[uniform(*a, seed=7), second(*b)] for a, b in shapes]


CASES = [
    Case(edf.Affine, lambda x, w, b: anp.dot(x, w) + b,
         real([[(5, 4), (4, 3), (3,)], [(1, 4), (4, 3), (3,)], [(3, 3), (3, 3), (3,)]])),
    Case(edf.Sigmoid, lambda x: 1 / (1 + anp.exp(-x)), real(ANY_SHAPE)),
    Case(edf.Softmax, softmax, real([[(5, 4)], [(1, 4)], [(3, 1)]])),
    Case(edf.CrossEntropy, lambda p, c: -anp.log(p[np.arange(len(c)), c]),
         [[rows_of_probabilities(n, 4), some_labels(n, 4)] for n in (5, 1)]),
    Case(edf.SoftmaxCrossEntropy, lambda s, c: -anp.log(softmax(s)[np.arange(len(c)), c]),
         [[uniform(n, 4), some_labels(n, 4)] for n in (5, 1)]),
    Case(edf.Add, lambda a, b: a + b, two_draws(BROADCAST, uniform)),
    Case(edf.Sub, lambda a, b: a - b, two_draws(BROADCAST, uniform)),
    Case(edf.Mul, lambda a, b: a * b, two_draws(BROADCAST, uniform)),
    Case(edf.Div, lambda a, b: a / b, two_draws(BROADCAST, positive)),
    Case(edf.Neg, lambda x: -x, real(ANY_SHAPE)),
    Case(edf.Exp, anp.exp, real(ANY_SHAPE)),
    Case(edf.Log, anp.log, real(ANY_SHAPE, positive)),
    Case(edf.MatMul, anp.dot, real([[(5, 4), (4, 3)], [(1, 4), (4, 1)], [(3, 3), (3, 3)]])),
    Case(edf.Tanh, anp.tanh, real(ANY_SHAPE)),
    Case(edf.ReLU, lambda x: anp.maximum(x, 0), real(ANY_SHAPE, away_from_zero)),
    Case(edf.LeakyReLU, lambda x: anp.where(x > 0, x, 0.02 * x), real(ANY_SHAPE, away_from_zero),
         options={"slope": 0.02}),
]
RUNS = [pytest.param(case, arrays, id=f"{case}-{'-'.join(str(a.shape) for a in arrays)}")
        for case in CASES for arrays in case.inputs]


def build(case, arrays):
    """Return the component of the case on Params (on Inputs where the array holds integers)."""
    nodes = [Input(a) if a.dtype.kind == "i" else Param(a) for a in arrays]
    return case.component(*nodes, **case.options), nodes


def weighted(y):
    """Return a loss through which every entry of y gets another gradient, and those gradients."""
    dy = uniform(*y.value.shape, seed=3)
    return y * Input(dy), dy / dy.size


def run(loss):
    edf.forward()
    edf.backward(loss)


def oracle(case, arrays, dy):
    """Return the gradients of sum(dy * formula) by autograd."""
    which = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    return autograd.grad(lambda *args: anp.sum(dy * case.formula(*args)), which)(*arrays)


def test_every_component_has_a_row():
    library = {c for c in vars(edf).values()
               if isinstance(c, type) and issubclass(c, edf.Component)}
    assert {case.component for case in CASES} == library - {edf.Component, Input, Param}


@pytest.mark.parametrize("case, arrays", RUNS)
def test_value_and_gradients_against_autograd(case, arrays, float64):
    y, nodes = build(case, arrays)
    edf.forward()
    np.testing.assert_allclose(y.value, case.formula(*arrays), rtol=1e-12, atol=1e-14)
    loss, dy = weighted(y)
    run(loss)
    got = [node.grad for node in nodes if isinstance(node, Param)]
    for grad, want in zip(got, oracle(case, arrays, dy), strict=True):
        np.testing.assert_allclose(grad, want, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("case, arrays", RUNS)
def test_gradients_against_central_differences(case, arrays):
    y, _ = build(case, arrays)
    assert max(edf.check_gradients(y).values()) < 1e-7


@pytest.mark.parametrize("case, arrays", RUNS)
def test_inputs_used_by_two_components(case, arrays, float64):
    # the sum of both contributions: the second is 3 times the first here
    y, nodes = build(case, arrays)
    edf.forward()
    loss, dy = weighted(y)
    again = case.component(*nodes, **case.options)
    run(loss + 3 * (again * Input(dy * dy.size)))
    got = [node.grad for node in nodes if isinstance(node, Param)]
    for grad, want in zip(got, oracle(case, arrays, dy), strict=True):
        np.testing.assert_allclose(grad, 4 * want, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("case, arrays", RUNS)
def test_float32_is_kept_and_inputs_are_not_written_into(case, arrays):
    y, nodes = build(case, arrays)
    before = [node.value.copy() for node in nodes]
    run(y)
    dy = y.grad.copy()
    edf.backward(y)
    np.testing.assert_array_equal(y.grad, dy)
    assert y.value.dtype == np.float32
    for node, value in zip(nodes, before, strict=True):
        np.testing.assert_array_equal(node.value, value)
        assert node.grad is None or node.grad.dtype == np.float32


@settings(deadline=None, max_examples=50)
@given(shape=array_shapes(max_dims=4, max_side=4), drop=st.integers(0, 4), data=st.data())
def test_unbroadcast_undoes_any_broadcasting(shape, drop, data):
    # the gradient of sum(dy * broadcast(b)) by definition: one unit of b at a time
    small = tuple(1 if data.draw(st.booleans()) else n for n in shape)[min(drop, len(shape)):]
    dy = uniform(*shape)
    want = np.zeros(small)
    for entry in np.ndindex(small):
        unit = np.zeros(small)
        unit[entry] = 1
        want[entry] = (dy * np.broadcast_to(unit, shape)).sum()
    np.testing.assert_allclose(edf.unbroadcast(dy, small), want, atol=1e-12)


# Values known from elsewhere.

@pytest.mark.parametrize("name, component, options", [
    ("sigmoid", edf.Sigmoid, {}), ("tanh", edf.Tanh, {}), ("relu", edf.ReLU, {}),
    ("leaky_0_02", edf.LeakyReLU, {"slope": 0.02})])
def test_golden_activations(name, component, options, golden, float64):
    want = golden["activations"]
    x = Param(want["x"])
    y = component(x, **options)
    edf.forward()
    np.testing.assert_allclose(y.value, want[name], rtol=1e-15)
    np.testing.assert_allclose(y.dx(np.array(want["upstream"]), x.value), want[name + "_grad"],
                               rtol=1e-14)


def test_golden_softmax(golden, float64):
    want = golden["softmax"]
    x = Param([want["s"]])
    y = edf.Softmax(x)
    edf.forward()
    np.testing.assert_allclose(y.value[0], want["y"], rtol=1e-15)
    np.testing.assert_allclose(y.dx(np.array([want["g"]]), x.value)[0], want["s_grad"], rtol=1e-13)


def test_golden_cross_entropy_of_scores(golden, float64):
    want = golden["cross_entropy_batch"]
    scores, labels = Param(want["s"]), Input(want["t"])
    loss = edf.SoftmaxCrossEntropy(scores, labels)
    run(loss)
    np.testing.assert_allclose(loss.value, want["per_sample"], rtol=1e-15)
    np.testing.assert_allclose(scores.grad, want["s_grad_of_mean"], rtol=1e-14, atol=1e-17)


def test_golden_quotient(golden, float64):
    want = golden["divide"]
    a, b = Param(want["X"]), Param(want["Y"])
    y = a / b
    edf.forward()
    dy = np.array(want["upstream"])
    np.testing.assert_array_equal(y.value, want["value"])
    np.testing.assert_array_equal(y.da(dy, a.value, b.value), want["X_grad"])
    np.testing.assert_array_equal(y.db(dy, a.value, b.value), want["Y_grad"])


def test_the_fused_loss_equals_the_composed_one(float64):
    scores, labels = Param(uniform(6, 4)), Input(some_labels(6, 4))
    fused = edf.SoftmaxCrossEntropy(scores, labels)
    composed = edf.CrossEntropy(edf.Softmax(scores), labels)
    run(fused)
    grad = scores.grad
    edf.backward(composed)
    np.testing.assert_allclose(fused.value, composed.value, rtol=1e-14)
    np.testing.assert_allclose(grad, scores.grad, atol=1e-16)


# Extreme inputs: exact, or refused.

@pytest.mark.parametrize("component, x, y, dx", [
    (edf.Sigmoid, [-1000, -30, 30, 1000], [0, 9.357623e-14, 1, 1], [0, 9.357623e-14, 0, 0]),
    (edf.Tanh, [-1000, 0, 1000], [-1, 0, 1], [0, 1, 0]),
    (edf.ReLU, [-1e38, 0, 1e38], [0, 0, 1e38], [0, 0, 1]),
    (edf.LeakyReLU, [-1e38, 0, 1e38], [-1e36, 0, 1e38], [0.01, 0.01, 1]),
    (edf.Softmax, [[1000, 0, -1000]], [[1, 0, 0]], [[0, 0, 0]]),
    (edf.Softmax, [[0, 0], [1000, 1000], [-1000, -1000]], np.full((3, 2), 0.5), np.zeros((3, 2))),
])
def test_extreme_inputs_are_exact_and_finite(component, x, y, dx):
    node = Param(x)
    out = component(node)
    edf.forward()
    np.testing.assert_allclose(out.value, y, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(out.dx(np.ones_like(node.value), node.value), dx,
                               rtol=1e-6, atol=1e-7)


def test_the_fused_loss_is_exact_for_scores_of_1000():
    scores = Param([[1000, 0, -1000], [1000, 0, -1000], [0, 0, 0]])
    loss = edf.SoftmaxCrossEntropy(scores, Input([1, 2, 0]))
    run(loss)
    np.testing.assert_array_equal(loss.value, np.array([1000, 2000, np.log(3)], np.float32))
    np.testing.assert_allclose(
        3 * scores.grad, [[1, -1, 0], [1, 0, -1], [-2 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


def test_a_small_probability_keeps_its_exact_loss(float64):
    p = Param([[1e-30, 1.0]])
    loss = edf.CrossEntropy(p, Input([0]))
    run(loss)
    assert loss.value == pytest.approx(-np.log(1e-30)) and p.grad[0, 0] == pytest.approx(-1e30)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.uint64])
def test_labels_of_any_integer_type(kind):
    loss = edf.SoftmaxCrossEntropy(Param(np.zeros((2, 3))), Input(np.array([0, 2], kind)))
    edf.forward()
    np.testing.assert_allclose(loss.value, np.log(3), rtol=1e-6)


def test_exp_overflows_with_a_warning():
    edf.Exp(Param(1000.0))
    with pytest.raises(RuntimeWarning, match="overflow encountered in exp"):
        edf.forward()
