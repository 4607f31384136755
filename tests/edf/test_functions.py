"""What the table of components does not say: BatchNorm and Dropout after training, windows, what
can be composed, and values known from elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edf
from edf import Affine, Input, Param


def uniform(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).uniform(-2, 2, shape)


def run(loss):
    edf.forward()
    edf.backward(loss)


# Values known from elsewhere.

def test_golden_normalize(golden, float64):
    want = golden["normalize"]
    x = Param(want["x"])
    y = edf.Normalize(x)
    edf.forward()
    np.testing.assert_allclose(y.value, want["y"], rtol=1e-15)
    np.testing.assert_allclose(y.dx(np.array(want["y_grad"]), x.value), want["x_grad"], rtol=1e-14)
    # rows add up to 1 whatever x is, so the gradient of their sum is nothing
    assert abs(y.dx(np.ones((2, 3)), x.value)).max() < 1e-16


def test_golden_batch_norm(golden, float64):
    want = golden["batchnorm"]
    x, gamma, beta = Param(want["x"]), Param(want["gamma"]), Param(want["beta"])
    y = edf.BatchNorm(x, gamma, beta)
    loss = edf.Sum(y * Input(want["y_grad"]))
    run(loss)
    np.testing.assert_allclose(y.value, want["y"], rtol=1e-13)
    for node, name in (x, "x"), (gamma, "gamma"), (beta, "beta"):
        np.testing.assert_allclose(node.grad, want[name + "_grad"], rtol=1e-12, atol=1e-15)


def test_golden_convolution(golden, float64):
    want = golden["conv"]
    x, b = Param(want["x"]), Param([0.0])
    w, sobel = Param(want["kernel"]), Param([[[[1, 0, -1], [2, 0, -2], [1, 0, -1]]]])
    y, edges = edf.Conv2d(x, w, b), edf.Conv2d(x, sobel, b)
    padded = edf.Conv2d(x, w, b, stride=2, padding=1)
    loss = edf.Sum(y * Input(want["upstream"]))
    run(loss)
    np.testing.assert_array_equal(y.value, want["y"])
    np.testing.assert_array_equal(edges.value, want["sobel"])
    np.testing.assert_array_equal(padded.value, want["padded_stride2"])
    np.testing.assert_array_equal(x.grad, want["x_grad"])
    np.testing.assert_array_equal(w.grad, want["w_grad"])


def test_golden_max_pool(golden, float64):
    want = golden["conv"]
    x = Param(want["pool_x"])
    y = edf.MaxPool2d(x, 2)
    run(edf.Sum(y * Input(want["upstream"])))
    np.testing.assert_array_equal(y.value, want["pool_y"])
    np.testing.assert_array_equal(x.grad, want["pool_x_grad"])


def test_pools_as_pytorch_has_them(float64):
    # computed with PyTorch 2.13: size 3, stride 2, padding 1
    x = Param(np.arange(49.0).reshape(1, 1, 7, 7) % 11)
    largest, mean = (pool(x, 3, stride=2, padding=1) for pool in (edf.MaxPool2d, edf.AvgPool2d))
    edf.forward()
    np.testing.assert_array_equal(largest.value[0, 0], [
        [8, 10, 10, 6], [10, 10, 10, 9], [10, 9, 10, 8], [10, 10, 7, 8]])
    np.testing.assert_allclose(9 * mean.value[0, 0], [
        [16, 33, 23, 14], [32, 45, 41, 29], [28, 39, 46, 25], [24, 23, 24, 22]])


def test_gelu_as_pytorch_has_it(float64):
    y = edf.GELU(Param([-5.0, -1, 0, 0.5, 3]))
    edf.forward()
    np.testing.assert_allclose(y.value, [-1.4332578593401202e-06, -0.15865525393145702, 0.0,
                                         0.34573123063700656, 2.99595030590511], rtol=1e-10)


# BatchNorm and Dropout, in training and after.

def test_running_statistics_as_pytorch_has_them(float64):
    # computed with PyTorch 2.13
    x = Input(np.arange(24.0).reshape(2, 2, 3, 2) ** 1.5 / 10)
    y = edf.BatchNorm(x, Param(np.ones(2)), Param(np.zeros(2)))
    edf.forward()
    np.testing.assert_allclose(y.mean, [0.3010, 0.5911], atol=5e-5)
    np.testing.assert_allclose(y.variance, [1.6641, 2.2611], atol=5e-5)
    np.testing.assert_allclose(y.value[0, 0], [[-1.1374, -1.0996], [-1.0305, -0.9411],
                                               [-0.8351, -0.7149]], atol=5e-5)
    with edf.evaluating():
        edf.forward()
    np.testing.assert_allclose(y.value[1, 1], [[4.6856, 5.1146], [5.5551, 6.0068],
                                               [6.4693, 6.9425]], atol=5e-5)


def test_the_running_statistics_come_to_those_of_the_data():
    x = Input()
    y = edf.BatchNorm(x, Param(np.ones(3)), Param(np.zeros(3)))
    data = np.random.default_rng(0).normal([1, -2, 5], [1, 3, 0.1], (20000, 3))
    for x.value, in edf.batches(data, size=100):
        edf.forward()
    np.testing.assert_allclose(y.mean, [1, -2, 5], atol=0.15)
    np.testing.assert_allclose(np.sqrt(y.variance), [1, 3, 0.1], rtol=0.1)
    x.value = data
    with edf.evaluating():
        edf.forward()
    np.testing.assert_allclose(y.value.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(y.value.std(axis=0), 1, atol=0.1)


def test_evaluating_leaves_the_statistics_alone_and_treats_rows_one_by_one():
    x = Input(uniform(6, 3))
    y = edf.BatchNorm(x, Param(uniform(3)), Param(uniform(3)))
    edf.forward()
    before = y.mean, y.variance
    with edf.evaluating():
        edf.forward()
        together = y.value
        x.value = x.value[2:3]
        edf.forward()
    np.testing.assert_allclose(y.value, together[2:3], rtol=1e-6)
    assert (y.mean is before[0]) and (y.variance is before[1])


@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (2, 3, 2, 2)])
def test_the_gradient_of_batch_norm_after_training(shape):
    y = edf.BatchNorm(Param(uniform(*shape)), Param(uniform(3)), Param(uniform(3, seed=1)))
    y.mean, y.variance = np.array([0.5, -1, 2]), np.array([2.0, 0.5, 1])
    with edf.evaluating():
        assert max(edf.check_gradients(y).values()) < 1e-8


def test_batch_norm_by_hand_equals_the_composed_one(float64):
    x, gamma, beta = Param(uniform(5, 3)), Param(uniform(3)), Param(uniform(3, seed=1))
    by_hand = edf.BatchNorm(x, gamma, beta)
    centred = x - edf.Mean(x, axis=0)
    composed = gamma * centred / (edf.Mean(centred ** 2, axis=0) + 1e-5) ** 0.5 + beta
    dy = Input(uniform(5, 3, seed=2))
    losses = edf.Sum(dy * by_hand), edf.Sum(dy * composed)
    edf.forward()
    np.testing.assert_allclose(by_hand.value, composed.value, rtol=1e-13)
    grads = []
    for loss in losses:
        edf.backward(loss)
        grads.append([x.grad, gamma.grad, beta.grad])
    for one, other in zip(*grads, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(grads[0][0].sum(axis=0), 0, atol=1e-14)


def test_batch_norm_needs_more_than_one_number_a_feature_to_train():
    edf.BatchNorm(Param(np.ones((1, 3))), Param(np.ones(3)), Param(np.zeros(3)))
    with pytest.raises(ValueError, match="^one number of each feature has no variance: drop a "
                                         "last batch of one row, train on larger ones, or run"):
        edf.forward()


def test_a_constant_feature_stays_finite():
    y = edf.BatchNorm(Param(np.full((4, 2), 7.0)), Param(np.ones(2)), Param([1.0, 2.0]))
    run(y)
    np.testing.assert_array_equal(y.value, [[1, 2]] * 4)
    assert np.isfinite(edf.params[0].grad).all()


def test_dropout_keeps_the_mean_and_draws_anew():
    y = edf.Dropout(Input(np.ones((200, 300))), p=0.3)
    edf.forward()
    first = y.value
    edf.forward()
    for value in first, y.value:
        assert set(np.unique(value)) == {0, np.float32(1 / 0.7)}
        assert (value == 0).mean() == pytest.approx(0.3, abs=0.01)
        assert value.mean() == pytest.approx(1, abs=0.02)
    assert (first != y.value).mean() == pytest.approx(2 * 0.3 * 0.7, abs=0.02)


def test_dropout_is_the_identity_after_training():
    x = Param(uniform(4, 3))
    y = edf.Dropout(x, p=0.9)
    before = edf.rng.bit_generator.state
    with edf.evaluating():
        run(y)
    np.testing.assert_array_equal(y.value, x.value)
    np.testing.assert_allclose(x.grad, 1 / 12, rtol=1e-6)
    assert edf.rng.bit_generator.state == before


def test_the_gradient_passes_where_the_value_did():
    x = Param(np.ones((40, 50)))
    y = edf.Dropout(x)
    run(edf.Sum(y))
    np.testing.assert_array_equal(x.grad, y.value)


@pytest.mark.parametrize("p", [-0.1, 1, 1.5])
def test_a_wrong_probability_is_refused(p):
    edf.Dropout(Param(1.0), p=p)
    with pytest.raises(ValueError, match=f"^p must be at least 0 and below 1, got {p}\n"):
        edf.forward()


def test_the_switch_goes_back_whatever_happens():
    assert edf.training
    with pytest.raises(KeyboardInterrupt), edf.evaluating():
        assert not edf.training
        with edf.evaluating():
            assert not edf.training
        assert not edf.training
        raise KeyboardInterrupt
    assert edf.training


def test_a_network_with_dropout_and_batch_norm_can_be_checked():
    x, labels = Input(uniform(6, 3)), Input([0, 1, 1, 0, 1, 0])
    hidden = edf.BatchNorm(Affine(x, Param(uniform(3, 5)), Param(uniform(5))),
                           Param(uniform(5, seed=1)), Param(uniform(5, seed=2)))
    hidden = edf.Dropout(edf.Tanh(edf.Dropout(hidden, 0.2)), 0.4)
    loss = edf.SoftmaxCrossEntropy(Affine(hidden, Param(uniform(5, 2)), Param(uniform(2))), labels)
    assert len(edf.check_gradients(loss)) > 12


# Extreme and wrong inputs.

EXTREME = np.array([[-1e38, -1e4, -100, -1e-38, 0], [1e-38, 1, 100, 1e4, 1e38]], np.float32)


@pytest.mark.parametrize("component, y, dx", [
    (edf.Softplus, lambda x: np.maximum(x, 0), lambda x: x > 0),
    (edf.ELU, lambda x: np.where(x > 0, x, -1), lambda x: x > 0),
    (edf.GELU, lambda x: np.maximum(x, 0), lambda x: x > 0)])
def test_activations_at_both_ends(component, y, dx):
    x = Param(EXTREME)
    node = component(x)
    run(edf.Sum(node))
    far = abs(EXTREME) >= 100
    np.testing.assert_allclose(node.value[far], y(EXTREME[far]), atol=1e-30)
    np.testing.assert_allclose(x.grad[far], dx(EXTREME[far]), atol=1e-30)
    assert np.isfinite(node.value).all() and np.isfinite(x.grad).all()


def test_log_softmax_is_exact_for_scores_of_1000():
    x = Param([[1000, 0, -1000]])
    y = edf.LogSoftmax(x)
    run(edf.Sum(y))
    np.testing.assert_array_equal(y.value, [[0, -1000, -2000]])
    np.testing.assert_array_equal(x.grad, [[-2, 1, 1]])


def test_the_loss_of_yes_or_no_is_exact_for_scores_of_1000():
    scores = Param([1000, 1000, -1000, -1000, 0])
    loss = edf.SigmoidCrossEntropy(scores, Input([1, 0, 1, 0, 1]))
    run(edf.Sum(loss))
    np.testing.assert_allclose(loss.value, [0, 1000, 1000, 0, np.log(2)], rtol=1e-6)
    np.testing.assert_array_equal(scores.grad, [0, 1, -1, 0, -0.5])


def test_a_small_loss_of_yes_or_no_keeps_its_digits():
    loss = edf.SigmoidCrossEntropy(Param([30.0, -30.0]), Input([1.0, 0.0]))
    edf.forward()
    np.testing.assert_allclose(loss.value, np.exp(-30), rtol=1e-6)


@pytest.mark.parametrize("build, text", [
    (lambda: Param([1.0, 0.0]) ** -1, "x must not be 0: it divides"),
    (lambda: Param([1.0, -1.0]) ** 0.5, "x must not be negative under a root"),
    (lambda: edf.Normalize(Param([[1.0, -1.0]])), "a row adds up to 0"),
    (lambda: edf.SquaredError(Param(np.ones((3, 1))), Input(np.ones(3))),
     "x and targets must have one shape, got (3, 1) and (3,)"),
    (lambda: edf.SigmoidCrossEntropy(Param(np.ones(3)), Input(np.ones((3, 1)))),
     "scores and targets must have one shape, got (3,) and (3, 1)"),
    (lambda: edf.SigmoidCrossEntropy(Param(np.ones(2)), Input([0.5, 2.0])),
     "targets must be from 0 to 1"),
    (lambda: edf.MatMul(Param(np.ones(3)), Param(np.ones((3, 2)))),
     "a and b must be matrices (two axes)"),
    (lambda: edf.Embedding(Param(np.ones((4, 2))), Input([0, 4])),
     "index must be row numbers from 0 to 3, got numbers from 0 to 4"),
    (lambda: edf.Embedding(Param(np.ones((4, 2))), Input([-1])),
     "index must be row numbers from 0 to 3, got numbers from -1 to -1"),
    (lambda: edf.Embedding(Param(np.ones((4, 2))), Input([1.0])),
     "index must be row numbers of integer type, got float32: convert with .astype(int)"),
    (lambda: edf.Conv2d(Param(np.ones((1, 3, 4, 4))), Param(np.ones((2, 1, 3, 3))),
                        Param(np.ones(2))), "x and w differ in channels (axis 1)"),
    (lambda: edf.Conv2d(Param(np.ones((1, 1, 2, 4))), Param(np.ones((2, 1, 3, 3))),
                        Param(np.ones(2))), "a window (3, 3) exceeds the image (2, 4)"),
    (lambda: edf.Conv2d(Param(np.ones((2, 5, 5))), Param(np.ones((4, 1, 3, 3))), Param(np.ones(4))),
     "x must be images (B, C, H, W): for (B, H, W) write x[:, None]"),
    (lambda: edf.MaxPool2d(Param(np.ones((5, 4, 4))), 2),
     "x must be images (B, C, H, W): for (B, H, W) write x[:, None]"),
    (lambda: edf.Conv2d(Param(np.ones((2, 1, 5, 5))), Param(np.ones((3, 3))), Param(np.ones(4))),
     "w must be kernels (O, C, kh, kw)"),
    (lambda: edf.AvgPool2d(Param(np.ones((2, 1, 5, 5))), 2, stride=-1), "size and stride must be "
     "1 or more, got (2, 2) and -1"),
    (lambda: edf.MaxPool2d(Param(np.ones((2, 1, 5, 5))), 2, stride=0), "size and stride must be "
     "1 or more, got (2, 2) and 0"),
    (lambda: edf.AvgPool2d(Param(np.ones((2, 1, 5, 5))), 2, padding=-1),
     "padding must be 0 or more, got -1"),
    (lambda: edf.Conv2d(Param(np.ones((1, 1, 5, 5))), Param(np.ones((4, 1, 3, 3))),
                        Param(np.ones(1))), "b must have shape (4,)"),
    (lambda: edf.BatchNorm(Param(np.ones((4, 3))), Param(np.ones(1)), Param(np.ones(3))),
     "gamma and beta must have shape (3,), as axis 1 of x"),
    (lambda: edf.LayerNorm(Param(np.ones((4, 3))), Param(np.ones(3)), Param(np.ones((4, 1)))),
     "gamma and beta must have shape (3,), as the last axis of x"),
    (lambda: edf.MaxPool2d(Param(np.ones((1, 1, 4, 4))), 2, padding=2),
     "padding may be half of the size at most"),
])
def test_what_has_no_value_is_refused(build, text):
    build()
    with pytest.raises(ValueError) as caught:
        edf.forward()
    assert str(caught.value) == text


def test_the_root_of_0_has_a_value_and_no_gradient():
    x = Param([0.0, 4.0])
    y = x ** 0.5
    edf.forward()
    np.testing.assert_array_equal(y.value, [0, 2])
    with pytest.raises(ValueError, match="^the slope is infinite at 0: add a small number to x\n"):
        edf.backward(y)


@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_powers_at_0(exponent):
    x = Param([0.0])
    run(x ** exponent)
    assert x.grad == (exponent == 1)


def test_equal_ones_share_the_gradient():
    x = Param([[[[2.0, 2], [1, 2]]]])
    for y in edf.Max(x), edf.MaxPool2d(x, 2):
        run(y)
        np.testing.assert_allclose(x.grad[0, 0], [[1 / 3, 1 / 3], [0, 1 / 3]], rtol=1e-6)
    run(edf.Sum(edf.Maximum(x, 2)))
    np.testing.assert_array_equal(x.grad[0, 0], [[0.5, 0.5], [0, 0.5]])


def test_options_may_be_changed_after_building():
    x = Param(np.ones((50, 50)))
    dropout, leaky = edf.Dropout(x, 0.9), edf.LeakyReLU(-x, 0.1)
    dropout.p, leaky.slope = 0.0, 0.5
    run(edf.Sum(dropout + leaky))
    assert (dropout.value == 1).all() and (leaky.value == -0.5).all()
    assert (x.grad == 0.5).all()
    assert repr(leaky) == "LeakyReLU(x (50, 50), slope 0.5)"


def test_labels_and_indices_may_be_lists_and_not_arrays():
    scores = Param(uniform(3, 4))
    losses = [edf.SoftmaxCrossEntropy(scores, given) for given in (Input([0, 3, 1]), [0, 3, 1])]
    rows = edf.Embedding(scores, [[2, 0]])
    edf.forward()
    assert (losses[0].value == losses[1].value).all()
    np.testing.assert_array_equal(rows.value, scores.value[[[2, 0]]])
    with pytest.raises(TypeError, match="^labels of SoftmaxCrossEntropy must be a component"):
        edf.SoftmaxCrossEntropy(scores, losses[0].labels.value)     # .value would never change


def test_a_mask_or_an_array_of_indices_as_a_key():
    x = Param(uniform(4, 3))
    for key in x.value > 0, np.array([2, 2, 0]), [2, 2, 0]:
        y = x[key]
        run(edf.Sum(y))
        np.testing.assert_array_equal(y.value, x.value[key])
    np.testing.assert_array_equal(x.grad[:, 0], [1, 0, 2, 0])


def test_a_convolutional_network_can_be_checked_although_its_pools_have_ties():
    # behind a ReLU, windows of zeros only: any slope between the two sides of a kink is right
    x = Input(np.pad(uniform(2, 1, 4, 4), ((0, 0), (0, 0), (2, 2), (2, 2))))
    y = edf.Conv2d(x, Param(uniform(3, 1, 3, 3)), Param(np.zeros(3)))
    edf.check_gradients(edf.Sum(edf.MaxPool2d(edf.ReLU(y), 2)))


def test_iterating_over_a_component_ends():
    with pytest.raises(TypeError, match="not iterable"):
        list(Param([1.0, 2.0]))


def test_other_spellings(float64):
    x = Param(uniform(2, 3))
    value = x.value
    log_p, labels = edf.LogSoftmax(x), Input([2, 0])
    cases = [(-x, -value), ((x * x) ** 0.5, abs(value)), (edf.Maximum(x, -x), abs(value)),
             (x[:, 0], value[:, 0]), (x[:, None], value[:, None]),
             (edf.Concat(x[None], 2 * x[None]), np.stack([value, 2 * value])),
             (2 / x, 2 / value), (1 - x, 1 - value)]
    nll, fused = -edf.Select(log_p, labels), edf.SoftmaxCrossEntropy(x, labels)
    edf.forward()
    for node, want in cases:
        np.testing.assert_allclose(node.value, want, rtol=1e-14)
    np.testing.assert_allclose(nll.value, fused.value, rtol=1e-14)


# Any shape, axis, stride and padding.

@settings(deadline=None, max_examples=60)
@given(st.data())
def test_windows_of_any_size_stride_and_padding(data):
    # a convolution is a sum over windows: one by one here, without windows() and matrices
    draw = data.draw
    edf.clear()
    edf.dtype = np.float64
    kh, kw, stride, padding = (draw(st.integers(low, 3)) for low in (1, 1, 1, 0))
    h = draw(st.integers(max(1, kh - 2 * padding), 6))
    w = draw(st.integers(max(1, kw - 2 * padding), 6))
    batch, channels, outputs = (draw(st.integers(1, 3)) for _ in range(3))
    x, kernel = Param(uniform(batch, channels, h, w)), Param(uniform(outputs, channels, kh, kw))
    b = Param(uniform(outputs))
    y = edf.Conv2d(x, kernel, b, stride, padding)
    edf.forward()
    rows, columns = (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1
    assert y.value.shape == (batch, outputs, rows, columns)
    dy = uniform(*y.value.shape, seed=5)
    value, dx, dw = np.zeros(y.value.shape), np.zeros(x.value.shape), np.zeros(kernel.value.shape)
    for n, o, i, j, c, u, v in np.ndindex(batch, outputs, rows, columns, channels, kh, kw):
        p, q = i * stride + u - padding, j * stride + v - padding
        if 0 <= p < h and 0 <= q < w:
            value[n, o, i, j] += x.value[n, c, p, q] * kernel.value[o, c, u, v]
            dx[n, c, p, q] += dy[n, o, i, j] * kernel.value[o, c, u, v]
            dw[o, c, u, v] += dy[n, o, i, j] * x.value[n, c, p, q]
    run(edf.Sum(y * Input(dy)))
    np.testing.assert_allclose(y.value, value + b.value[:, None, None], atol=1e-12)
    np.testing.assert_allclose(x.grad, dx, atol=1e-12)
    np.testing.assert_allclose(kernel.grad, dw, atol=1e-12)
    np.testing.assert_allclose(b.grad, dy.sum(axis=(0, 2, 3)), atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_pools_of_any_size_stride_and_padding(data):
    draw = data.draw
    edf.clear()
    edf.dtype = np.float64
    size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding = draw(st.integers(0, size // 2))
    h, w = (draw(st.integers(max(1, size - 2 * padding), 7)) for _ in range(2))
    x = Param(np.random.default_rng(h * w).permutation(2 * h * w).reshape(1, 2, h, w))
    largest, mean = (pool(x, size, stride, padding) for pool in (edf.MaxPool2d, edf.AvgPool2d))
    edf.forward()
    dy = uniform(*largest.value.shape, seed=5)
    dx_largest, dx_mean = np.zeros(x.value.shape), np.zeros(x.value.shape)
    for n, c, i, j in np.ndindex(*largest.value.shape):
        inside = [(n, c, p, q)
                  for p in range(i * stride - padding, i * stride - padding + size)
                  for q in range(j * stride - padding, j * stride - padding + size)
                  if 0 <= p < h and 0 <= q < w]
        winner = max(inside, key=lambda at: x.value[at])
        assert largest.value[n, c, i, j] == x.value[winner]
        assert mean.value[n, c, i, j] == pytest.approx(
            sum(x.value[at] for at in inside) / size ** 2)
        dx_largest[winner] += dy[n, c, i, j]
        for at in inside:
            dx_mean[at] += dy[n, c, i, j] / size ** 2
    for pool, want in (largest, dx_largest), (mean, dx_mean):
        run(edf.Sum(pool * Input(dy)))
        np.testing.assert_allclose(x.grad, want, atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_reductions_and_moves_over_any_axes(data):
    # each against the sum of dy times what one entry of x changes: all of them are linear,
    # or (Max, of different numbers) linear near x
    draw = data.draw
    edf.clear()
    edf.dtype = np.float64
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    some = st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=len(shape),
                    unique_by=lambda axis: axis % len(shape)).map(tuple)
    axis = draw(st.none() | some | st.integers(-len(shape), len(shape) - 1))
    keepdims = draw(st.booleans())
    order = draw(st.permutations(range(len(shape))).map(tuple))
    component, function = draw(st.sampled_from([
        (lambda x: edf.Sum(x, axis, keepdims), lambda x: x.sum(axis, keepdims=keepdims)),
        (lambda x: edf.Mean(x, axis, keepdims), lambda x: x.mean(axis, keepdims=keepdims)),
        (lambda x: edf.Max(x, axis, keepdims), lambda x: x.max(axis, keepdims=keepdims)),
        (lambda x: edf.Transpose(x, order), lambda x: x.transpose(order)),
        (lambda x: edf.Expand(x, (2, *shape)), lambda x: np.broadcast_to(x, (2, *shape))),
        (lambda x: edf.Reshape(x, (-1, shape[-1])), lambda x: x.reshape(-1, shape[-1])),
        (lambda x: x[..., ::2, None], lambda x: x[..., ::2, None]),
        (lambda x: edf.Concat(x, x, axis=order[0]), lambda x: np.concatenate([x, x], order[0])),
    ]))
    size = int(np.prod(shape))
    x = Param(np.random.default_rng(size).permutation(size).reshape(shape))
    y = component(x)
    edf.forward()
    value = x.value.copy()
    np.testing.assert_array_equal(y.value, function(value))
    dy = uniform(*y.value.shape, seed=1)
    run(edf.Sum(y * Input(dy)))
    want = np.empty(shape)
    for at in np.ndindex(*shape):
        step = np.zeros(shape)
        step[at] = 0.25
        want[at] = (dy * (function(value + step) - function(value - step))).sum() / 0.5
    np.testing.assert_allclose(x.grad, want, atol=1e-10)


# Composed: a cell of an LSTM, and a head of masked attention.

def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_an_lstm_cell_can_be_composed():
    batch, features, units, steps = 3, 4, 5, 3
    words = Input(np.array([[0, 2, 1], [5, 5, 5], [1, 0, 6]]))          # (B, T)
    table = Param(uniform(7, features), name="table")
    w = Param(0.5 * uniform(features + units, 4 * units), name="w")
    b = Param(uniform(4 * units), name="b")
    x = edf.Embedding(table, words)                                     # (B, T) -> (B, T, D)
    h = c = Input(np.zeros((batch, units)))
    for t in range(steps):
        gates = Affine(edf.Concat(x[:, t], h, axis=1), w, b)            # (B, D + H) -> (B, 4 H)
        i, f, o = (edf.Sigmoid(gates[:, k * units:(k + 1) * units]) for k in range(3))
        c = f * c + i * edf.Tanh(gates[:, 3 * units:])
        h = o * edf.Tanh(c)
    loss = edf.Sum(h, axis=1)
    edf.forward()

    # the same in plain NumPy, one example after the other
    want = np.zeros((batch, units))
    for n, sentence in enumerate(words.value):
        state, cell = np.zeros(units), np.zeros(units)
        for word in sentence:
            z = np.concatenate([table.value[word], state]) @ w.value + b.value
            cell = (sigmoid(z[units:2 * units]) * cell
                    + sigmoid(z[:units]) * np.tanh(z[3 * units:]))
            state = sigmoid(z[2 * units:3 * units]) * np.tanh(cell)
        want[n] = state
    np.testing.assert_allclose(h.value, want, rtol=1e-5)
    errors = edf.check_gradients(loss)
    assert {"table", "w", "b"} <= errors.keys()


def test_a_masked_attention_head_can_be_composed():
    batch, length, features, size = 2, 4, 6, 3
    x = Param(uniform(batch, length, features), name="x")
    q, k, v = (x @ Param(uniform(features, size, seed=i), name=f"w{i}") for i in range(3))
    mask = Input(np.where(np.tri(length) == 1, 0.0, -np.inf))              # no look at what follows
    scores = q @ edf.Transpose(k, (0, 2, 1)) / size ** 0.5 + mask       # (B, T, T)
    weights = edf.Softmax(scores)
    y = weights @ v                                                     # (B, T, T) @ (B, T, H)
    edf.forward()
    for n in range(batch):
        for t in range(length):
            score = np.array([q.value[n, t] @ k.value[n, s] for s in range(t + 1)]) / size ** 0.5
            p = np.exp(score) / np.exp(score).sum()
            np.testing.assert_allclose(y.value[n, t], p @ v.value[n, :t + 1], rtol=1e-4)
    assert (weights.value[:, ~np.tri(length, dtype=bool)] == 0).all()
    assert {"x", "w0", "w1", "w2"} <= edf.check_gradients(edf.Sum(y, axis=(1, 2))).keys()


def test_what_a_mask_hides_is_nothing_however_large():
    scores = Param([[1.0, 3e38, 2.0], [-200.0, 1.0, -3e38]])
    p = edf.Softmax(scores + Input([[0.0, -np.inf, 0.0], [0.0, -np.inf, 0.0]]))
    run(edf.Sum(p * Input([[0.0, 3e38, 1.0], [1.0, 5.0, 2.0]]), axis=1))
    share = 1 / (1 + np.exp(-1))                                    # of 2 beside 1
    np.testing.assert_allclose(p.value, [[1 - share, 0, share], [1, 0, 0]], rtol=1e-6)
    slope = share * (1 - share) / 2
    np.testing.assert_allclose(scores.grad, [[-slope, 0, slope], [0, 0, 0]], rtol=1e-6)
    assert (p.value[:, 1] == 0).all() and (scores.grad[:, 1] == 0).all()
