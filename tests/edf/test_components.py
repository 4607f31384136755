"""Two tables drive the tests of every component.

FORMULAS has an independent formula for each, differentiated by autograd, which
shares no code with EDF; CASES has the inputs and options to try it on.  A
component of EDF that is not in both fails the first test.
"""

import itertools
import warnings
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


def log_softmax(x):
    shifted = x - anp.max(x, axis=-1, keepdims=True)
    return shifted - anp.log(anp.sum(anp.exp(shifted), axis=-1, keepdims=True))


def some_labels(batch, classes):
    return np.arange(batch) * 2 % classes


@dataclass
class Case:
    component: type
    inputs: list                                # argument lists; integer arrays are labels
    options: dict = field(default_factory=dict)
    inputs_only: list = field(default_factory=list)     # arguments that no gradient is for
    training: bool = True
    formula: callable = None                    # if it is not that of FORMULAS

    def __post_init__(self):
        self.formula = self.formula or FORMULAS[self.component]

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


def distinct(*shape):
    """No two entries are within 0.02 of each other, or of 0: kinks of a maximum are far away."""
    size = int(np.prod(shape))
    return (np.random.default_rng(5).permutation(size).reshape(shape) - size / 2 + 0.3) / 20


def mean(x, *axis):
    return anp.mean(x, axis=axis, keepdims=True)


def standardized(x, *axis):
    centred = x - mean(x, *axis)
    return centred / anp.sqrt(mean(centred ** 2, *axis) + 1e-5)


def scaled(z, gamma, beta):
    """Scale the features of a batch, which are axis 1."""
    shape = [n if axis == 1 else 1 for axis, n in enumerate(z.shape)]
    return anp.reshape(gamma, shape) * z + anp.reshape(beta, shape)


def batch_norm(x, gamma, beta):
    return scaled(standardized(x, 0, *range(2, x.ndim)), gamma, beta)


def sliding(x, size, stride, padding, fill, function):
    """Apply a function to every window of images, one window after the other."""
    if padding:
        x = anp.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)], "constant",
                    constant_values=fill)
    (kh, kw), (h, w) = size, x.shape[2:]
    rows = [[function(x[:, :, i:i + kh, j:j + kw]) for j in range(0, w - kw + 1, stride)]
            for i in range(0, h - kh + 1, stride)]
    return anp.stack([anp.stack(row, axis=-1) for row in rows], axis=-2)


def convolution(x, w, b, stride=1, padding=0):
    return sliding(x, w.shape[2:], stride, padding, 0.0, lambda part: anp.sum(
        part[:, None] * w[None], axis=(2, 3, 4)) + b)


def max_pool(x, size, stride=None, padding=0):
    return sliding(x, (size, size), stride or size, padding, -np.inf,
                   lambda part: anp.max(part, axis=(2, 3)))


def avg_pool(x, size, stride=None, padding=0):
    return sliding(x, (size, size), stride or size, padding, 0.0,
                   lambda part: anp.mean(part, axis=(2, 3)))


def dropped(x, p=0.5):
    """What is drawn after seed(0), as every row of the table is run."""
    return x * (np.random.default_rng(0).random(x.shape) >= p) / (1 - p)


def normal_probability(x):
    """P(N(0, 1) <= x) by Simpson's rule from -12: an oracle without an error function."""
    t = np.linspace(0, 1, 20001)
    weights = np.ones(20001)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    at = -12 + anp.reshape(x + 12, (-1, 1)) * t
    area = anp.sum(weights * anp.exp(-at ** 2 / 2), axis=1) * (anp.reshape(x, -1) + 12) / 60000
    return anp.reshape(area, x.shape) / anp.sqrt(2 * anp.pi)


def picked(x, index):
    return x[np.arange(len(index)), index]


def some_targets(*shape):
    return uniform(*shape, low=0, high=1, seed=2)


NORM_2D = [(5, 3), (3,), (3,)]
NORM_4D = [(2, 3, 2, 4), (3,), (3,)]
IMAGES = [(2, 3, 5, 6), (1, 1, 7, 4), (3, 2, 4, 4)]

# Of the inputs and options of the component, in autograd's NumPy.  In float64 none overflows
# where its result does not.
FORMULAS = {
    edf.Affine: lambda x, w, b: anp.dot(x, w) + b,
    edf.Sigmoid: lambda x: anp.exp(-anp.logaddexp(0.0, -x)),
    edf.Softmax: softmax,
    edf.CrossEntropy: lambda p, labels: -anp.log(picked(p, labels)),
    edf.SoftmaxCrossEntropy: lambda scores, labels: -picked(log_softmax(scores), labels),

    edf.Add: lambda a, b: a + b,
    edf.Sub: lambda a, b: a - b,
    edf.Mul: lambda a, b: a * b,
    edf.Div: lambda a, b: a / b,
    edf.Maximum: anp.maximum,
    edf.Power: lambda x, exponent: x ** exponent if exponent else anp.where(True, 1.0, x),
    edf.Exp: anp.exp,
    edf.Log: anp.log,
    edf.MatMul: anp.matmul,

    edf.Tanh: anp.tanh,
    edf.ReLU: lambda x: x * (x > 0),
    edf.LeakyReLU: lambda x, slope=0.01: x * (x > 0) + slope * x * (x <= 0),
    edf.ELU: lambda x, alpha=1.0: anp.where(
        x > 0, x, alpha * (anp.exp(anp.where(x > 0, 0, x)) - 1)),
    edf.Softplus: lambda x: anp.logaddexp(0.0, x),
    edf.GELUTanh: lambda x: 0.5 * x * (1 + anp.tanh((2 / np.pi) ** 0.5 * (
        anp.clip(x, -30, 30) + 0.044715 * anp.clip(x, -30, 30) ** 3))),
    edf.GELU: lambda x: x * normal_probability(anp.clip(x, -12, 12)),

    edf.LogSoftmax: log_softmax,
    edf.SigmoidCrossEntropy: lambda scores, targets: anp.logaddexp(0.0, scores) - targets * scores,
    edf.SquaredError: lambda x, targets: (x - targets) ** 2,

    edf.Sum: anp.sum,
    edf.Mean: anp.mean,
    edf.Max: anp.max,
    edf.Normalize: lambda x: x / anp.sum(x, axis=-1, keepdims=True),
    edf.Slice: lambda x, key: x[key],
    edf.Select: picked,
    edf.Embedding: lambda w, index: w[index],
    edf.Reshape: anp.reshape,
    edf.Transpose: lambda x, axes=None: anp.transpose(x, axes and tuple(np.mod(axes, x.ndim))),
    edf.Expand: lambda x, shape: x * np.ones(shape),
    edf.Concat: lambda *xs, axis=0: anp.concatenate(xs, axis),

    edf.LayerNorm: lambda x, gamma, beta: gamma * standardized(x, x.ndim - 1) + beta,
    edf.BatchNorm: batch_norm,
    edf.Dropout: dropped,

    edf.Conv2d: convolution,
    edf.MaxPool2d: max_pool,
    edf.AvgPool2d: avg_pool,
}

CASES = [
    Case(edf.Affine,
         real([[(5, 4), (4, 3), (3,)], [(1, 4), (4, 3), (3,)], [(3, 3), (3, 3), (3,)],
               [(2, 3, 4), (4, 3), (3,)], [(4,), (4, 2), (2,)]])),
    Case(edf.Sigmoid, real(ANY_SHAPE)),
    Case(edf.Softmax, real([[(5, 4)], [(1, 4)], [(3, 1)], [(2, 3, 4)], [(4,)]])),
    Case(edf.CrossEntropy, [[rows_of_probabilities(n, 4), some_labels(n, 4)] for n in (5, 1)]),
    Case(edf.SoftmaxCrossEntropy, [[uniform(n, 4), some_labels(n, 4)] for n in (5, 1)]),

    Case(edf.Add, two_draws(BROADCAST, uniform)),
    Case(edf.Sub, two_draws(BROADCAST, uniform)),
    Case(edf.Mul, two_draws(BROADCAST, uniform)),
    Case(edf.Div, two_draws(BROADCAST, positive)),
    Case(edf.Maximum, two_draws(BROADCAST[:-1], positive)),
    Case(edf.Maximum, [[np.array([[1.0, 2, 3]]), np.array([[1.0, 3, 3], [2, 2, 1]])]]),
    *(Case(edf.Power, real(ANY_SHAPE, positive), {"exponent": exponent})
      for exponent in (2, 3.0, 0.5, -1, -0.5, 1, 0)),
    Case(edf.Power, real(ANY_SHAPE), {"exponent": 3}),
    Case(edf.Exp, real(ANY_SHAPE)),
    Case(edf.Log, real(ANY_SHAPE, positive)),
    Case(edf.MatMul,
         real([[(5, 4), (4, 3)], [(1, 4), (4, 1)], [(3, 3), (3, 3)], [(2, 5, 4), (2, 4, 3)],
               [(5, 4), (2, 4, 3)], [(2, 5, 4), (4, 3)], [(3, 1, 2, 4), (2, 4, 3)]])),

    Case(edf.Tanh, real(ANY_SHAPE)),
    Case(edf.ReLU, real(ANY_SHAPE, away_from_zero)),
    Case(edf.LeakyReLU, real(ANY_SHAPE, away_from_zero), {"slope": 0.02}),
    Case(edf.ELU, real(ANY_SHAPE, away_from_zero)),
    Case(edf.ELU, real(ANY_SHAPE, away_from_zero), {"alpha": 0.5}),
    Case(edf.Softplus, real(ANY_SHAPE)),
    Case(edf.GELU, real(ANY_SHAPE)),
    Case(edf.GELUTanh, real(ANY_SHAPE)),

    Case(edf.LogSoftmax, real([[(5, 4)], [(1, 4)], [(3, 1)], [(2, 3, 4)], [(4,)]])),
    Case(edf.SigmoidCrossEntropy,
         [[uniform(*shape), some_targets(*shape)] for shape in [(5, 3), (1, 3), (4,)]],
         inputs_only=[1]),
    Case(edf.SquaredError, two_draws(
        [[(5, 3), (5, 3)], [(1, 3), (1, 3)], [(4,), (4,)], [(), ()]], uniform)),

    *(Case(component, real(ANY_SHAPE[:2] + [[(2, 3, 2)]], distinct), options)
      for component in (edf.Sum, edf.Mean, edf.Max)
      for options in [{}, {"axis": 0}, {"axis": 1}, {"axis": -1, "keepdims": True},
                      {"axis": (0, 1)}, {"keepdims": True}]),
    Case(edf.Sum, real([[()], [(4,)]])),
    Case(edf.Max, [[np.array([[1.0, 3, 3], [2, 2, 2], [1, 2, 3]])]], {"axis": 1}),
    Case(edf.Normalize, real([[(5, 4)], [(1, 4)], [(2, 3, 4)]], positive)),
    *(Case(edf.Slice, real([[(4, 3, 2)]]), {"key": key})
      for key in [1, np.s_[:, 1], np.s_[1:3], np.s_[..., ::-1], np.s_[:, None], np.s_[0, 0, 0],
                  ([0, 2, 0],), np.s_[[3, 3, 3], 1], ((0, 2, 0),), np.int64(2),
                  np.s_[0, None, ..., 1:]]),
    Case(edf.Select, [[uniform(n, 4), some_labels(n, 4)] for n in (5, 1)]),
    Case(edf.Embedding,
         [[uniform(4, 3), np.array(index)] for index in ([0, 3, 3, 1], [2], [[0, 0], [1, 0]], 1)]),
    *(Case(edf.Reshape, real([[(4, 3, 2)]]), {"shape": shape})
      for shape in [(4, 6), (2, -1), -1, (1, 24, 1)]),
    *(Case(edf.Transpose, real([[(4, 3, 2)]]), {"axes": axes})
      for axes in [None, (0, 2, 1), (1, 2, 0), (-1, 0, 1)]),
    *(Case(edf.Expand, real([[(3, 1)]]), {"shape": shape})
      for shape in [(3, 4), (2, 3, 4), (3, 1)]),
    *(Case(edf.Concat, real(rows), {"axis": axis})
      for axis, rows in [(0, [[(2, 3), (1, 3), (4, 3)], [(2,), (1,)], [(2, 3)]]),
                         (1, [[(2, 3), (2, 1)]]), (-1, [[(2, 1, 3), (2, 1, 2)]])]),

    Case(edf.LayerNorm,
         real([NORM_2D, [(1, 4), (4,), (4,)], [(4,), (4,), (4,)], [(2, 3, 4), (4,), (4,)]])),
    Case(edf.BatchNorm, real([NORM_2D, [(2, 4), (4,), (4,)]])),
    Case(edf.BatchNorm, real([NORM_4D, [(1, 3, 2, 2), (3,), (3,)]])),
    Case(edf.BatchNorm, real([NORM_2D, [(1, 4), (4,), (4,)]]), training=False,
         formula=lambda x, gamma, beta: scaled(x / np.sqrt(1 + 1e-5), gamma, beta)),
    Case(edf.Dropout, real([[(5, 4)]]), training=False, formula=lambda x: x),
    Case(edf.Dropout, real([[(5, 4)], [(1, 9)], [(2, 3, 2)]])),
    Case(edf.Dropout, real([[(5, 4)]]), {"p": 0.2}),

    *(Case(edf.Conv2d, real([[x, (2, x[1], *kernel), (2,)] for x in IMAGES]), options)
      for kernel, options in [((3, 3), {}), ((3, 3), {"padding": 1}), ((3, 2), {"stride": 2}),
                              ((1, 1), {"stride": 2, "padding": 1}), ((2, 4), {"stride": 3}),
                              ((4, 4), {"stride": 1, "padding": 2})]),
    *(Case(component, real([[x] for x in IMAGES], distinct), options)
      for component in (edf.MaxPool2d, edf.AvgPool2d)
      for options in [{"size": 2}, {"size": 3, "stride": 2, "padding": 1},
                      {"size": 3, "stride": 1}, {"size": 1, "stride": 2}]),
    Case(edf.MaxPool2d, [[np.arange(24.0).reshape(1, 2, 3, 4) % 3 // 2]],
         {"size": 2, "stride": 1}),
]
RUNS = [pytest.param(case, arrays, id=f"{case}-{'-'.join(str(a.shape) for a in arrays)}")
        for case in CASES for arrays in case.inputs]


def build(case, arrays):
    """Return the component of the case on Params (on Inputs where no gradient is meant)."""
    edf.training = case.training
    nodes = [Param(a) if i in learned(case, arrays) else Input(a) for i, a in enumerate(arrays)]
    return case.component(*nodes, **case.options), nodes


def learned(case, arrays):
    return [i for i, a in enumerate(arrays) if a.dtype.kind == "f" and i not in case.inputs_only]


def weighted(y):
    """Return a loss through which every entry of y gets another gradient, and those gradients."""
    dy = uniform(*y.value.shape, seed=3)
    return y * Input(dy), dy / dy.size


def run(loss):
    """Run forward, with the same random numbers every time, and backward."""
    edf.seed(0)
    edf.forward()
    edf.backward(loss)


def oracle(case, arrays, dy):
    """Return the gradients of sum(dy * formula) by autograd."""
    return autograd.grad(lambda *args: anp.sum(dy * case.formula(*args, **case.options)),
                         learned(case, arrays))(*arrays)


def test_every_component_has_a_formula_and_a_row():
    library = {c for c in vars(edf).values()
               if isinstance(c, type) and issubclass(c, edf.Component)}
    library -= {edf.Component, Input, Param}
    assert {case.component for case in CASES} == FORMULAS.keys() == library


def compare(case, arrays):
    """Compare value and gradients with autograd, in float64, at dy that differs everywhere."""
    y, nodes = build(case, arrays)
    edf.forward()
    want = case.formula(*arrays, **case.options)
    np.testing.assert_allclose(y.value, want, rtol=1e-12, atol=1e-13)
    loss, dy = weighted(y)
    run(loss)
    got = [node.grad for node in nodes if isinstance(node, Param)]
    for grad, want in zip(got, oracle(case, arrays, dy), strict=True):
        np.testing.assert_allclose(grad, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case, arrays", RUNS)
def test_value_and_gradients_against_autograd(case, arrays, float64):
    compare(case, arrays)


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
    double = loss + 3 * (again * Input(dy * dy.size))
    for component in edf.components:
        if isinstance(component, case.component):
            edf.seed(0)                                 # both Dropouts draw the same
        component.forward()
    edf.backward(double)
    got = [node.grad for node in nodes if isinstance(node, Param)]
    for grad, want in zip(got, oracle(case, arrays, dy), strict=True):
        np.testing.assert_allclose(grad, 4 * want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case, arrays", RUNS)
def test_float32_is_kept_and_inputs_are_not_written_into(case, arrays):
    y, nodes = build(case, arrays)
    before = [node.value.copy() for node in nodes]
    run(y)
    dy, grads = y.grad.copy(), [node.grad for node in nodes]
    edf.backward(y)
    np.testing.assert_array_equal(y.grad, dy)
    assert y.value.dtype == np.float32
    for node, value, grad in zip(nodes, before, grads, strict=True):
        np.testing.assert_array_equal(node.value, value)
        if grad is not None:
            np.testing.assert_array_equal(node.grad, grad)      # backward twice is as once
            assert node.grad.dtype == np.float32


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
    np.testing.assert_allclose(y.dx(np.array(want["upstream"]), x.value, *options.values()),
                               want[name + "_grad"], rtol=1e-14)


@pytest.mark.parametrize("component, value, grad", [
    (edf.Softmax, "y", "s_grad"), (edf.LogSoftmax, "logsoftmax", "logsoftmax_grad")])
def test_golden_softmax(component, value, grad, golden, float64):
    want = golden["softmax"]
    x = Param([want["s"]])
    y = component(x)
    edf.forward()
    np.testing.assert_allclose(y.value[0], want[value], rtol=1e-15)
    np.testing.assert_allclose(y.dx(np.array([want["g"]]), x.value)[0], want[grad], rtol=1e-13)


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


# Extreme inputs: the formula in float64 rounded to float32, or a ValueError, or a warning of NumPy;
# never silently wrong.

EXTREME = [0.0, 1e-45, 1e4, -1e4, 1e38, -1e38, np.nan, np.inf, -np.inf]

# ValueError for these inputs, and for no others:
REFUSED = {
    edf.Div: lambda a, b: (b == 0).any(),
    edf.Log: lambda x: not (x > 0).all(),
    edf.Power: lambda x, exponent: (exponent % 1 and not (x >= 0).all()
                                    or exponent < 1 and exponent != 0 and (x == 0).any()),
    edf.Normalize: lambda x: (x.sum(axis=-1) == 0).any(),
    edf.Softmax: lambda x: (x == -np.inf).all(axis=-1).any(),
    edf.CrossEntropy: lambda p, labels: not (
        (picked(p, labels) >= np.finfo(np.float32).tiny) & (picked(p, labels) <= 1)).all(),
    edf.SigmoidCrossEntropy: lambda scores, targets: not ((targets >= 0) & (targets <= 1)).all(),
}

# What is not as the formula says, and why it stays so:
# - These add numbers up: squares, or gradients of what was broadcast.  A sum may exceed float32 on
#   the way to a result that does not: then the result is infinite or nan, and NumPy warns.  To
#   divide every number before it is added would cost time, and digits where nothing is extreme.
SUMS = {edf.Affine, edf.MatMul, edf.Conv2d, edf.Mean, edf.AvgPool2d, edf.Div,
        edf.Normalize, edf.LayerNorm, edf.BatchNorm}
# - These divide by such a sum: the quotient is 0, and NumPy has warned.
DIVIDED_BY_SUMS = {edf.Normalize, edf.LayerNorm, edf.BatchNorm}
# - x ** 0 is 1 with slope 0 for every x, as IEEE 754 has it: for nan and infinity too.
# - Where x is nan the slope of ReLU, LeakyReLU and Maximum is 0; the value is nan, so it shows.
# - In a window of MaxPool2d with nothing but -infinity the padding takes its share of dy.


def exact(case, arrays, dy):
    """Return the value and the gradients of the formula, in float64, rounded to float32."""
    arrays = [a.astype(float) if a.dtype.kind == "f" else a for a in arrays]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = [case.formula(*arrays, **case.options), *oracle(case, arrays, dy)]
        return [np.asarray(result, np.float32) for result in results]


def limit(arrays):
    """Replace infinity by a number far beyond float32: the formula is defined for it."""
    return [np.nan_to_num(a.astype(float), nan=np.nan, posinf=1e300, neginf=-1e300)
            if a.dtype.kind == "f" else a for a in arrays]


def check_extreme(case, arrays):
    """Compare the component in float32 with the formula in float64."""
    edf.clear()
    y, nodes = build(case, arrays)
    arrays = [node.value for node in nodes]
    with warnings.catch_warnings(record=True) as caught, np.errstate(under="ignore"):
        warnings.simplefilter("always")
        edf.seed(0)
        try:
            edf.forward()
            y.grad = uniform(*y.value.shape, seed=3).astype(np.float32)
            y.backward()
            refused = False
        except ValueError:
            refused = True
    with np.errstate(all="ignore"):
        assert refused == bool(case.component in REFUSED
                               and REFUSED[case.component](*arrays, **case.options))
    if refused:
        return
    overflow = any("overflow" in str(warning.message) or "divide by zero" in str(warning.message)
                   for warning in caught)
    results = [y.value, *(node.grad for node in nodes if isinstance(node, Param))]
    wants = exact(case, arrays, y.grad)
    given = np.concatenate([a.ravel() for a in arrays])
    limits = exact(case, limit(arrays), y.grad) if np.isinf(given).any() else wants
    for result, want, at_limit in zip(results, wants, limits, strict=True):
        # the error of a difference is that of its terms, which may be larger
        norm = case.component in (edf.LayerNorm, edf.BatchNorm)
        terms = abs(given) < (np.inf if norm else 1e5)
        small = (1e-5 if norm else 1e-6) * np.max(abs(given), where=terms, initial=1)
        right = np.isclose(result, want, rtol=1e-5, atol=small, equal_nan=True)
        # where infinity - infinity or the like is undefined, the limit is right too
        right |= np.isnan(want) & np.isclose(result, at_limit, rtol=1e-5, atol=small)
        if overflow and case.component in SUMS:
            right |= ~np.isfinite(result) | (case.component in DIVIDED_BY_SUMS)
        if not right.all():
            raise AssertionError(f"{case} of {arrays} gave {result[~right]}, not {want[~right]}")
        if np.isfinite(given).all() and not np.isfinite(want).all():
            assert overflow


def check_extremes(case, arrays, places):
    """Try every extreme number in every array: everywhere, and at so many places of it alone."""
    tried = 0
    for i, array in enumerate(arrays):
        if array.dtype.kind == "f":
            some = np.unique(np.linspace(0, array.size, places + 2)[1:-1].astype(int))
            for number, at in itertools.product(EXTREME, [slice(None), *some]):
                changed = array.copy()
                changed.flat[at] = number
                check_extreme(case, [*arrays[:i], changed, *arrays[i + 1:]])
                tried += 1
    return tried


@pytest.mark.parametrize("case", {case.component: case for case in reversed(CASES)}.values(),
                         ids=repr)
def test_extreme_inputs_are_never_silently_wrong(case):
    assert check_extremes(case, case.inputs[0], places=1) >= 9 * 2


@pytest.mark.slow
@pytest.mark.parametrize("case, arrays", RUNS)
def test_extreme_inputs_at_many_places_are_never_silently_wrong(case, arrays):
    assert check_extremes(case, arrays, places=10) >= 9 * 2


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
    np.testing.assert_allclose(out.dx(np.ones_like(node.value), *out.values()), dx,
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
