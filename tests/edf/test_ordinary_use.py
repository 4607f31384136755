"""What people do in ordinary programs, and what must come of it."""

import copy
import pickle
from typing import Generic, TypeVar

import numpy as np
import pytest

import edf
from edf import Input, Param

ROWS = 300_000


# Sums of many float32 numbers are as exact as those of float64.

def order(array, layout):
    """Return the same array with another order of its numbers in memory."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array


def tall(*shape, seed=0):
    """Numbers whose sum drifts if they are added row by row in float32."""
    return np.random.default_rng(seed).uniform(0.05, 0.15, shape).astype(np.float32)


def near(got, terms, axis):
    want = terms.astype(float).sum(axis)
    scale = abs(terms.astype(float)).sum(axis)
    assert (abs(got.reshape(want.shape) - want) <= 2e-6 * scale).all()


@pytest.mark.parametrize("layout", ["C", "F", "strided"])
@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (1, 2), (0, 2), None])
@pytest.mark.parametrize("shape", [(ROWS // 3, 3, 2), (2, ROWS // 3, 3), (3, 2, ROWS // 3)])
def test_sum_and_mean(shape, axis, layout):
    x = order(tall(*shape), layout)
    total, mean = edf.Sum(Input(x), axis), edf.Mean(Input(x), axis)
    edf.forward()
    near(total.value, x, axis)
    near(mean.value * (x.size / mean.value.size), x, axis)


def test_twenty_million_ones():
    total = edf.Sum(Input(np.ones((20_000_000, 1))), axis=0)
    edf.forward()
    assert total.value == 20_000_000


@pytest.mark.parametrize("layout", ["C", "F"])
def test_gradients_of_what_was_repeated(layout):
    dy, x = order(tall(ROWS, 3), layout), order(tall(ROWS, 3, seed=1), layout)
    for kind, terms in (edf.Add, dy), (edf.Mul, dy * x):
        edf.clear()
        b = Param(np.ones(3))
        loss = kind(Input(x), b) * Input(dy)
        edf.forward()
        edf.backward(loss)
        near(b.grad * loss.value.size, terms, 0)


@pytest.mark.parametrize("layout", ["C", "F"])
def test_the_bias_of_a_layer(layout):
    x, dy = order(tall(ROWS, 2), layout), order(tall(ROWS, 3, seed=1), layout)
    w, b = Param(np.ones((2, 3))), Param(np.zeros(3))
    loss = edf.Affine(Input(x), w, b) * Input(dy)
    edf.forward()
    edf.backward(loss)
    near(b.grad * loss.value.size, dy, 0)


def test_the_bias_of_a_convolution():
    dy = tall(ROWS // 60, 2, 12, 5)
    w, b = Param(np.ones((2, 1, 1, 1))), Param(np.zeros(2))
    loss = edf.Conv2d(Input(np.ones((ROWS // 60, 1, 12, 5))), w, b) * Input(dy)
    edf.forward()
    edf.backward(loss)
    near(b.grad * loss.value.size, dy, (0, 2, 3))


@pytest.mark.parametrize("norm", [edf.BatchNorm, edf.LayerNorm])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_the_norms(norm, layout):
    x, dy = order(tall(ROWS, 3), layout), order(tall(ROWS, 3, seed=1), layout)
    if norm is edf.LayerNorm:
        x = order(x.T.copy(), layout)
        dy = order(dy.T.copy(), layout)
    gamma, beta = Param(np.ones(x.shape[1])), Param(np.zeros(x.shape[1]))
    y = norm(Input(x), gamma, beta, eps=0.0)
    loss = y * Input(dy)
    edf.forward()
    edf.backward(loss)
    near(beta.grad * loss.value.size, dy, 0)
    exact, axis = x.astype(float), 0 if norm is edf.BatchNorm else 1
    z = (exact - exact.mean(axis, keepdims=True)) / exact.std(axis, keepdims=True)
    np.testing.assert_allclose(y.value, z, atol=2e-5)
    near(gamma.grad * loss.value.size, dy.astype(float) * y.value, 0)


def test_a_row_of_a_table_that_is_used_very_often():
    dy = tall(ROWS, 2)
    w = Param(np.ones((3, 2)))
    loss = edf.Embedding(w, Input(np.zeros(ROWS, int))) * Input(dy)
    edf.forward()
    edf.backward(loss)
    near(w.grad[0] * loss.value.size, dy, 0)


@pytest.mark.parametrize("layout", ["C", "F"])
def test_the_losses(layout):
    scores = order(tall(4, ROWS), layout)
    exact = np.exp(scores.astype(float) - scores.max(1, keepdims=True))
    p = exact / exact.sum(1, keepdims=True)
    labels = Input([0, 1, 2, 3])
    fused = edf.SoftmaxCrossEntropy(Input(scores), labels)
    log_p, softmax = edf.LogSoftmax(Input(scores)), edf.Softmax(Input(scores))
    edf.forward()
    np.testing.assert_allclose(fused.value, -np.log(p[range(4), range(4)]), rtol=2e-6)
    np.testing.assert_allclose(log_p.value, np.log(p), rtol=2e-6)
    np.testing.assert_allclose(softmax.value, p, rtol=4e-6)


# Walks that did not reach their end.

class Stopping(edf.Component):
    """x, unless it is told to raise what Ctrl-C raises."""

    stop = False

    def f(self, x):
        if self.stop == "f":
            raise KeyboardInterrupt
        return x

    def dx(self, dy, x):
        if self.stop == "dx":
            raise KeyboardInterrupt
        return dy


@pytest.fixture
def graph():
    w = Param([1.0, 2.0], "w")
    x = Input([3.0, 4.0], "x")
    return w, x, Stopping(w * x)


def test_after_an_interrupted_forward_there_is_no_backward_until_it_has_run_again(graph):
    w, x, y = graph
    loss = y * w
    edf.forward()
    x.value, y.stop = [5.0, 6.0], "f"
    with pytest.raises(KeyboardInterrupt):
        edf.forward()
    for _ in range(2):
        with pytest.raises(TypeError, match="did not come to its end"):
            edf.backward(loss)
    y.stop = False
    edf.forward()
    edf.backward(loss)
    np.testing.assert_allclose(w.grad, 2 * w.value * [5, 6] / 2)


def test_an_input_that_refuses_its_data_leaves_nothing_wedged():
    w = Param([1.0, 2.0])
    x, late = Input([3.0, 4.0]), Input([1.0, 1.0])
    loss = w * x * late
    edf.forward()
    x.value, late.value = [5.0, 6.0], np.array([1, 1])
    with pytest.raises(ValueError, match="holds integers"):
        edf.forward()
    with pytest.raises(TypeError, match="did not come to its end"):
        edf.backward(loss)
    late.value = [1.0, 1.0]
    edf.forward()
    edf.backward(loss)
    np.testing.assert_allclose(w.grad, [2.5, 3])


def test_after_an_interrupted_backward_there_is_no_step(graph):
    w, x, y = graph
    loss = y * w
    sgd = edf.SGD(0.1)
    edf.forward()
    y.stop = "dx"
    with pytest.raises(KeyboardInterrupt):
        edf.backward(loss)
    edf.forward()
    with pytest.raises(TypeError, match="did not come to its end"):
        sgd.step()
    y.stop = False
    edf.backward(loss)
    sgd.step()
    np.testing.assert_allclose(w.value, [1 - 0.1 * 3, 2 - 0.1 * 8])


def test_what_is_refused_while_it_is_built_leaves_nothing_behind():
    class Layer(edf.Component):
        def __init__(self, x, width):
            w = Param(np.ones((3, width)))
            super().__init__(x, w)
            if width > 4:
                raise ValueError("too wide")

        def f(self, x, w):
            return x @ w

    x = Input(np.ones((2, 3)))
    for width in 9, -1:
        with pytest.raises(ValueError):
            Layer(x, width)
        assert edf.components == [x] and edf.params == []
    Layer(x, 2)
    edf.forward()
    assert len(edf.components) == 3 and len(edf.params) == 1


# State.

def test_a_network_that_is_built_again_for_every_batch_is_trained_as_one():
    """Adam goes on, and after clear(keep_params=True) nothing else is left of a graph."""
    w = Param([1.0, -1.0], "w")
    adam = edf.Adam(lr=0.1)
    value = w.value.copy()
    m = v = 0
    for t in 1, 2, 3:
        edf.clear(keep_params=True)
        assert edf.components == edf.params == [w] and w.number == 0
        loss = edf.Sum(w * w if t == 2 else w * Input(np.full(2, float(t))) * w)
        edf.forward()
        edf.backward(loss)
        adam.step()
        g = 2 * value * (1 if t == 2 else t)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        value = value - 0.1 * m / (1 - 0.9 ** t) / (np.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
        np.testing.assert_allclose(w.value, value, rtol=1e-5)
    assert list(adam.memory) == [w]


def test_an_optimiser_without_memory_serves_the_next_graph():
    sgd = edf.SGD(0.5)
    for _ in range(2):
        edf.clear()
        w = Param([1.0])
        loss = w * w
        edf.forward()
        edf.backward(loss)
        sgd.step()
        assert w.value == 0 and list(sgd.memory) == [w]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_components_are_not_copied(duplicate):
    w = Param([1.0])
    adam, loss = edf.Adam(), w * w
    edf.forward()
    edf.backward(loss)
    adam.step()
    for thing in (w, loss) if duplicate is copy.copy else (w, loss, edf.params, adam):
        with pytest.raises(TypeError, match="cannot be copied"):
            duplicate(thing)


class Twice(edf.Component):
    """a + b, whose derivatives return dy itself."""

    def f(self, a, b):
        return a + b

    def da(self, dy, a, b):
        return dy

    def db(self, dy, a, b):
        return dy


@pytest.mark.parametrize("build", [
    lambda w, v: edf.Sum(w) + edf.Sum(v), Twice, edf.Add, lambda w, v: edf.Concat(w, v),
    lambda w, v: edf.Reshape(w, (3, 1)) * edf.Transpose(edf.Reshape(v, (3, 1))),
    lambda w, v: edf.Mean(w + v) + edf.Expand(w, (2, 3))])
def test_the_gradient_of_a_param_is_an_array_of_its_own(build):
    w, v = Param([1.0, 2.0, 3.0]), Param([4.0, 5.0, 6.0])
    loss = build(w, v)
    edf.forward()
    edf.backward(loss)
    before = v.grad.copy(), loss.grad.copy(), w.grad.copy()
    w.grad *= 0.5
    w.grad[0] = 7
    np.testing.assert_array_equal(v.grad, before[0])
    np.testing.assert_array_equal(loss.grad, before[1])
    assert w.grad is w.grad and w.grad[0] == 7
    edf.SGD(1.0).step()
    assert w.value[0] == 1 - 7
    edf.forward()
    edf.backward(loss)
    np.testing.assert_array_equal(v.grad.shape, w.grad.shape)


def test_one_optimiser_for_parts_of_the_parameters_in_turn():
    w, v = Param([1.0]), Param([1.0])
    loss, adam = w * v, edf.Adam(0.1)
    for part in w, v, w:
        edf.params[:] = [part]
        edf.forward()
        edf.backward(loss)
        adam.step()
    assert [adam.memory[p]["t"] for p in (w, v)] == [2, 1]


def test_a_param_out_of_the_list_is_kept_but_not_moved():
    w, frozen = Param([2.0]), Param([3.0])
    edf.params.remove(frozen)
    edf.clear(keep_params=True)
    assert edf.params == [w] and edf.components == [w, frozen]
    loss = w * frozen
    edf.forward()
    edf.backward(loss)
    edf.SGD(0.1).step()
    assert frozen.value == 3 and w.value == np.float32(1.7)


def test_partial_gradients_do_not_outlive_clear(graph):
    w, x, y = graph
    loss = y * w
    edf.forward()
    y.stop = "dx"
    with pytest.raises(KeyboardInterrupt):
        edf.backward(loss)
    edf.clear(keep_params=True)
    with pytest.raises(TypeError, match="no Param has a gradient"):
        edf.SGD(0.1).step()


def test_the_memory_of_parameters_that_are_gone_is_dropped():
    w, adam = Param([1.0]), edf.Adam()
    for _ in range(4):
        head = Param([1.0])
        loss = w * head
        edf.forward()
        edf.backward(loss)
        adam.step()
        edf.params.remove(head)
        edf.components.remove(head)
        edf.clear(keep_params=True)
    assert len(adam.memory) <= 3    # those of the last step, and one that goes in the next


@pytest.mark.parametrize("grad", [[1.0, 2.0], np.array([1.0, 2.0])])
def test_a_gradient_that_is_set_is_made_fit(grad):
    w = Param([1.0, 2.0])
    w.grad = grad
    assert w.grad.dtype == np.float32 and w.grad is not grad
    with pytest.raises(ValueError, match="the gradient has shape"):
        w.grad = np.ones(1)


# Ways to write a component.

def test_any_callable_may_be_the_formula():
    class Static(edf.Component):
        @staticmethod
        def f(x, w):
            return x * w

        @staticmethod
        def dx(dy, x, w):
            return dy * w

        @staticmethod
        def dw(dy, x, w):
            return dy * x

    x, w = Param([2.0]), Param([3.0])
    y = Static(x, w)
    edf.forward()
    edf.backward(y)
    assert (y.value, x.grad, w.grad) == (6, 3, 2)


def test_a_generic_component():
    class Layer(edf.Component, Generic[TypeVar("T")]):
        def f(self, x):
            return x

    Layer[int](Param(1.0))
    assert len(edf.components) == 2


def test_a_mask_as_an_option():
    class Masked(edf.Component):
        def f(self, x, mask=None):
            return x if mask is None else x * mask

        def dx(self, dy, x, mask):
            return dy if mask is None else dy * mask

    x = Param([1.0, 2.0])
    y = Masked(x, np.array([0.0, 1.0]))
    edf.forward()
    edf.backward(y)
    np.testing.assert_array_equal(x.grad, [0, 0.5])


def test_a_component_that_joins_the_list_by_hand():
    class Own(edf.Component):
        def __init__(self, x):
            super().__init__(x)
            edf.components.append(self)

        def f(self, x):
            return x

    x = Input([1.0])
    with pytest.raises(TypeError, match="joins edf.components by itself: leave out the append"):
        Own(x)
    assert edf.components == [x]


def test_names_that_inputs_behind_a_star_have():
    with pytest.raises(TypeError, match="Weighted: an input cannot be called x0: that is taken"):
        class Weighted(edf.Component):
            def f(self, x0, *xs):
                return x0


@pytest.mark.parametrize("hide", [
    lambda w: [[w]], lambda w: {"deep": [w]}, lambda w: (w,), lambda w: frozenset([w])])
def test_parameters_in_containers_of_any_depth(hide):
    class Hiding(edf.Component):
        def __init__(self, x, held):
            super().__init__(x)
            self.held = held

        def f(self, x):
            return x

        def dx(self, dy, x):
            return dy

    y = Hiding(Param([1.0]), hide(Param([2.0])))
    edf.forward()
    with pytest.raises(TypeError, match="held is no input of Hiding"):
        edf.backward(y)


# Types, modes and words.

def test_batches_do_not_drop_a_mask():
    x = Input()
    with pytest.raises(ValueError, match="no masked array"):
        for x.value, in edf.batches(np.ma.masked_greater([1.0, 999.0], 9), size=2):
            pass


def test_bytes_do_not_overflow():
    class Half(edf.Component):
        def f(self, x):
            return x * 2 / 4

    y = Half(Input(np.array([200, 255], np.uint8)))
    edf.forward()
    np.testing.assert_array_equal(y.value, [100, 127.5])


def test_the_mode_of_evaluation_nests_and_decorates():
    mode = edf.evaluating()
    with mode, mode:
        assert not edf.training
    assert edf.training

    @edf.evaluating()
    def evaluate(deeper):
        assert not edf.training
        if deeper:
            evaluate(False)
        assert not edf.training

    evaluate(True)
    assert edf.training


def test_underflow_is_no_error():
    x = Param([-200.0, 0.0])
    loss = edf.Exp(x)
    adam = edf.Adam()
    with np.errstate(all="raise"):
        edf.forward()
        edf.backward(loss)
        adam.step()
    np.testing.assert_array_equal(loss.value, [0, 1])


def test_a_long_key_is_not_printed():
    assert len(repr(Param(np.ones(9000))[np.arange(5000)])) < 100


def test_a_saliency_map():
    """The gradient of the loss in an image, which no optimiser moves."""
    x, w = Param([1.0, 2.0], "x"), Param([3.0, 4.0], "w")
    edf.params.remove(x)
    loss = edf.Sum(x * w)
    edf.forward()
    edf.backward(loss)
    edf.SGD(1.0).step()
    np.testing.assert_array_equal(x.grad, [3, 4])
    np.testing.assert_array_equal(x.value, [1, 2])
    np.testing.assert_array_equal(w.value, [2, 2])
