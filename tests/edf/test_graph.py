"""The engine: order, accumulation, batch sizes, what is skipped."""

from pathlib import Path

import numpy as np
import pytest

import edf
from edf import Affine, Input, Mul, Param, Sigmoid, SoftmaxCrossEntropy, Tanh

ROOT = Path(__file__).parents[2]


def run(loss):
    edf.forward()
    edf.backward(loss)


def mlp(*widths, activation=Sigmoid):
    """Return x, labels, scores and loss of a perceptron with these widths."""
    x, labels = Input(), Input()
    scores = x
    for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:], strict=False)):
        if i > 0:
            scores = activation(scores)
        scores = Affine(scores, Param(edf.xavier(fan_in, fan_out)), Param(np.zeros(fan_out)))
    return x, labels, scores, SoftmaxCrossEntropy(scores, labels)


def feed(x, labels, size, seed=0):
    rng = np.random.default_rng(seed)
    x.value = rng.random((size, 6))
    labels.value = rng.integers(0, 3, size)


def test_the_lists_hold_the_graph_in_the_order_it_was_built():
    x, w = Input(), Param(2.0)
    y = x * w
    assert edf.components == [x, w, y]
    assert edf.params == [w]
    assert y.inputs == (x, w) and y.a is x and y.b is w


def test_problem_1_of_ttic_31230(golden, float64):
    # l = exp(sigmoid(x) tanh(x)): x is used twice, and both paths count
    want = golden["ps1_B"]
    x = Param(want["x"])
    y, z = Sigmoid(x), Tanh(x)
    loss = edf.Exp(y * z)
    run(loss)
    assert loss.value == pytest.approx(want["l"], rel=1e-14)
    assert y.grad == pytest.approx(want["y_grad"], rel=1e-14)
    assert z.grad == pytest.approx(want["z_grad"], rel=1e-14)
    assert x.grad == pytest.approx(want["x_grad"], rel=1e-14)


def test_problem_1_built_in_another_order(golden, float64):
    x = Param(golden["ps1_B"]["x"])
    z, y = Tanh(x), Sigmoid(x)
    run(edf.Exp(y * z))
    assert x.grad == pytest.approx(golden["ps1_B"]["x_grad"], rel=1e-14)


def test_a_diamond_with_branches_of_unequal_length(float64):
    # l = x * tanh(exp(-x)); a depth-first walk without counting visits x too early
    x = Param(0.7)
    short = x
    long = Tanh(edf.Exp(-x))
    run(short * long)
    t = np.tanh(np.exp(-0.7))
    assert x.grad == pytest.approx(t - 0.7 * (1 - t * t) * np.exp(-0.7), rel=1e-14)


def test_a_node_used_twice_by_one_component(golden):
    x = Param(golden["ps1_C"]["x"])
    run(Mul(x, x))
    assert x.grad == golden["ps1_C"]["x_grad"]


def test_one_param_in_two_layers(float64):
    # tanh(x w) w: the gradient is the sum of those of two separate copies
    w0, x0 = np.array([[0.5, -1.0], [2.0, 0.3]]), np.array([[1.0, 2.0], [-1.0, 0.5]])
    x, w = Input(x0), Param(w0)
    run(Tanh(x @ w) @ w)
    shared = w.grad
    edf.clear()
    x, first, second = Input(x0), Param(w0), Param(w0)
    run(Tanh(x @ first) @ second)
    np.testing.assert_allclose(shared, first.grad + second.grad, rtol=1e-14)


def test_a_shared_first_contribution_is_not_written_into():
    # dy itself goes to both inputs; the second contribution to a must not reach b
    class Both(edf.Component):
        def f(self, a, b):
            return a + b

        def da(self, dy, a, b):
            return dy

        def db(self, dy, a, b):
            return dy

    a, b = Param([1.0]), Param([1.0])
    inner = Both(a, b)
    loss = Both(inner, a)
    run(loss)
    assert (a.grad, b.grad, inner.grad, loss.grad) == (2, 1, 1, 1)


def test_backward_twice_is_backward_once():
    x, labels, _, loss = mlp(6, 4, 3)
    feed(x, labels, 5)
    run(loss)
    once = [p.grad.copy() for p in edf.params]
    edf.backward(loss)
    for param, grad in zip(edf.params, once, strict=True):
        np.testing.assert_array_equal(param.grad, grad)


def test_the_loss_is_seeded_with_one_over_its_size():
    w = Param(np.zeros((4, 5)))
    loss = Tanh(w)
    run(loss)
    np.testing.assert_array_equal(loss.grad, np.full((4, 5), 1 / 20, np.float32))


def test_an_unused_branch_gets_no_gradient_and_costs_nothing(monkeypatch):
    class Costly(edf.Component):
        def f(self, x):
            return x

        def dx(self, dy, x):
            raise AssertionError("must not be called")

    w, other = Param(1.0), Param(1.0)
    loss = Tanh(w)
    aside = Costly(w) * other
    run(loss)
    assert aside.grad is None and other.grad is None
    assert w.grad is not None


def test_gradients_of_an_earlier_loss_are_forgotten():
    a, b = Param(2.0), Param(3.0)
    first, second = Tanh(a), Tanh(b)
    run(first)
    edf.backward(second)
    assert a.grad is None and first.grad is None and b.grad is not None


def test_several_losses_in_one_graph():
    w = Param(0.5)
    square, cube = w * w, w * w * w
    edf.forward()
    edf.backward(square)
    assert w.grad == 1
    edf.backward(cube)
    assert w.grad == 0.75
    edf.backward(square)
    assert w.grad == 1


def test_the_gradient_into_the_data_is_never_computed(monkeypatch):
    calls = []
    dx = Affine.dx
    monkeypatch.setattr(Affine, "dx", lambda self, *args: calls.append(self) or dx(self, *args))
    x, labels, scores, loss = mlp(6, 4, 3)
    feed(x, labels, 5)
    run(loss)
    assert calls == [scores]            # the second layer; the first has the data as its x
    assert x.grad is None and labels.grad is None


def test_the_batch_size_may_change_between_calls():
    x, labels, scores, loss = mlp(6, 4, 3)
    for size in 64, 10_000, 17, 1, 64:
        feed(x, labels, size, seed=size)
        run(loss)
        assert scores.value.shape == (size, 3) and loss.value.shape == (size,)
        w, b, v, c = (p.value for p in edf.params)
        hidden = 1 / (1 + np.exp(-(x.value @ w + b)))
        p = np.exp(hidden @ v + c)
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(size), labels.value] -= 1
        np.testing.assert_allclose(edf.params[2].grad, hidden.T @ p / size, atol=1e-6)


def test_the_gradient_of_a_batch_is_the_mean_over_its_examples(float64):
    x, labels, _, loss = mlp(6, 4, 3)
    feed(x, labels, 7)
    images, classes = x.value, labels.value
    run(loss)
    whole = [p.grad for p in edf.params]
    single = []
    for i in range(7):
        x.value, labels.value = images[i:i + 1], classes[i:i + 1]
        run(loss)
        single.append([p.grad for p in edf.params])
    for got, each in zip(whole, zip(*single, strict=True), strict=True):
        np.testing.assert_allclose(got, np.mean(each, axis=0), rtol=1e-12)


def test_value_and_grad_are_unset_before_forward_and_backward():
    w = Param(1.0)
    loss = Tanh(w)
    assert loss.value is None and loss.grad is None and w.grad is None
    edf.forward()
    assert loss.value is not None and loss.grad is None


def test_float32_stays_float32():
    # in spite of float64 data, float64 constants in a formula, and float64 learning rates
    class Scaled(edf.Component):
        def f(self, x):
            return np.where(x > 0, 1.0, 0.5) * x * np.float64(2)

        def dx(self, dy, x):
            return dy * np.where(x > 0, 2.0, 1.0)

    x, labels = Input(), Input()
    hidden = Scaled(Affine(x, Param(np.ones((6, 3))), Param(np.zeros(3))))
    loss = SoftmaxCrossEntropy(2 * hidden + np.float64(1), labels)
    feed(x, labels, 4)
    run(loss)
    edf.SGD(np.float64(0.1)).step()
    edf.forward()
    for component in edf.components:
        assert component.value.dtype == (np.int64 if component is labels else np.float32)
        assert component.grad is None or component.grad.dtype == np.float32


def test_dtype_may_be_float64(float64):
    x, labels, _, loss = mlp(6, 4, 3)
    feed(x, labels, 4)
    run(loss)
    assert loss.value.dtype == np.float64 and edf.params[0].grad.dtype == np.float64


def test_the_lists_are_emptied_in_place():
    components, params = edf.components, edf.params
    Param(1.0)
    edf.clear()
    assert components is edf.components == [] and params is edf.params == []


def test_a_refused_construction_leaves_its_inputs_as_they_were():
    scores, labels = Param(np.zeros((1, 2))), Input([1])
    with pytest.raises(TypeError, match="w of Affine must be a component"):
        Affine(labels, np.ones(3), scores)
    run(SoftmaxCrossEntropy(scores, labels))


def test_numbers_of_any_type_are_operands():
    w = Param(3.0)
    nodes = [w * number for number in (2, 2.0, np.float32(2), np.int64(2))]
    edf.forward()
    assert [node.value for node in nodes] == [6, 6, 6, 6]


def test_a_component_in_the_style_of_the_original_course():
    # forward and backward by hand, with add_grad; any number of inputs
    class Total(edf.Component):
        def __init__(self, *terms):
            super().__init__(*terms)
            self.terms = terms

        def forward(self):
            self.value = sum(term.value for term in self.terms)

        def backward(self):
            for term in self.terms:
                term.add_grad(self.grad)

    a, b, data = Param(np.ones(3)), Param(np.ones(3)), Input(np.zeros(3))
    loss = Total(a, b, a, data)
    run(loss)
    assert data.grad is None                # an Input takes none
    np.testing.assert_array_equal(loss.value, [3, 3, 3])
    np.testing.assert_allclose(a.grad, [2 / 3] * 3, rtol=1e-6)
    edf.check_gradients(loss)


def test_options_are_set_in_a_short_init():
    assert edf.LeakyReLU(Param(1.0)).slope == 0.01
    assert edf.LeakyReLU(Param(1.0), slope=0.2).slope == 0.2


def test_numbers_stand_for_constants_in_arithmetic(float64):
    x = Param([0.5, 2.0])
    y = (1 - x) * 3 / (2 + x) - 4 / x + (x - 1) / 2 + 0.25 * x
    run(y)
    v = x.value
    np.testing.assert_allclose(
        y.value, (1 - v) * 3 / (2 + v) - 4 / v + (v - 1) / 2 + 0.25 * v, rtol=1e-14)
    np.testing.assert_allclose(
        x.grad, (-9 / (2 + v) ** 2 + 4 / v ** 2 + 0.75) / 2, rtol=1e-14)


def test_every_operator_builds_its_component():
    a, b = Param(np.eye(2)), Param(np.eye(2))
    kinds = [type(y) for y in (a + b, a - b, a * b, a / b, a @ b, -a)]
    assert kinds == [edf.Add, edf.Sub, edf.Mul, edf.Div, edf.MatMul, edf.Mul]


def test_a_param_copies_what_it_is_given():
    array = np.ones(3, np.float32)
    first, second = Param(array), Param(array)
    second.value = first.value
    first.value -= 1
    np.testing.assert_array_equal(array, [1, 1, 1])
    np.testing.assert_array_equal(second.value, [1, 1, 1])


def test_components_print_as_what_they_are():
    x, w, b = Input(), Param(np.ones((6, 3))), Param(np.zeros(3))
    y = Affine(x, w, b)
    assert repr([x, w, y]) == (
        "[Input Affine[3].x (no value yet), Param Affine[3].w (6, 3), "
        "Affine(x (no value yet), w (6, 3), b (3,))]")
    assert repr(Param(1.0)) == "Param ()"
    assert repr(Input(name="data")) == "Input data (no value yet)"
    assert repr(edf.LeakyReLU(w, 0.2)) == "LeakyReLU(x (6, 3), slope 0.2)"


def test_backward_is_refused_only_if_what_the_loss_needs_has_changed():
    p, q, metric = Param([1.0, 2.0]), Param([3.0, 4.0]), Input([1.0])
    first, second = p * p, q * q
    edf.Exp(metric)
    edf.forward()
    edf.backward(first)
    edf.SGD(0.1).step()
    metric.value = [2.0]
    edf.backward(second)
    np.testing.assert_array_equal(q.grad, [3, 4])
    with pytest.raises(TypeError, match="has changed since the last forward"):
        edf.backward(first)


def test_a_model_may_keep_the_layers_that_it_is_built_of():
    class Model(edf.Component):
        def __init__(self, x):
            self.w, self.b = Param(np.ones((2, 3))), Param(np.zeros(3))
            self.scores = edf.Affine(x, self.w, self.b)
            super().__init__(self.scores)

        def f(self, scores):
            return scores

        def dscores(self, dy, scores):
            return dy

    model = Model(Input(np.ones((4, 2))))
    run(model)
    assert model.w.grad.shape == (2, 3)
