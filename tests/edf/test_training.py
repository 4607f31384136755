"""Starting values, SGD, batches, and whole networks against known numbers."""

import numpy as np
import pytest

import edf
from edf import SGD, Affine, CrossEntropy, Input, Param, Sigmoid, Softmax, SoftmaxCrossEntropy


@pytest.mark.parametrize("start, sd", [
    (edf.xavier, (1 / 300) ** 0.5), (edf.glorot, (2 / 700) ** 0.5), (edf.he, (2 / 300) ** 0.5),
    (edf.normal, 1), (lambda *fans: edf.normal(*fans, sd=1e-4), 1e-4)])
def test_starting_values(start, sd):
    w = start(300, 400)
    assert w.shape == (300, 400) and w.dtype == np.float32
    assert w.std() == pytest.approx(sd, rel=0.01) and abs(w.mean()) < 0.01 * sd ** 0.5
    if start is edf.xavier:
        assert 0.999 < abs(w).max() / (3 / 300) ** 0.5 <= 1
    else:                                           # normal: 32 % lie outside one sd
        assert (abs(w) > sd).mean() == pytest.approx(0.3173, abs=0.01)


def test_a_seeded_run_repeats_bit_for_bit():
    def train():
        edf.clear()
        edf.seed(7)
        x, labels = Input(), Input()
        hidden = edf.ReLU(Affine(x, Param(edf.he(5, 8)), Param(np.zeros(8))))
        scores = Affine(hidden, Param(edf.glorot(8, 3)), Param(np.zeros(3)))
        loss = SoftmaxCrossEntropy(scores, labels)
        data, classes = edf.rng.normal(size=(50, 5)), edf.rng.integers(0, 3, 50)
        sgd = SGD(0.1)
        for x.value, labels.value in edf.batches(data, classes, size=8, shuffle=True):
            edf.forward()
            edf.backward(loss)
            sgd.step()
        return b"".join(p.value.tobytes() for p in edf.params)

    first = train()
    edf.rng.random(3)
    assert train() == first


def test_seed_keeps_the_generator():
    rng = edf.rng
    edf.seed(3)
    assert edf.rng is rng
    assert rng.random() == np.random.default_rng(3).random()


@pytest.mark.parametrize("start", [
    edf.xavier, edf.glorot, edf.he, lambda *args: edf.normal(*args[:2], 0.1, *args[2:])])
def test_another_generator_may_be_given(start):
    edf.seed(1)
    other = start(3, 4, np.random.default_rng(2))
    np.testing.assert_array_equal(other, start(3, 4, np.random.default_rng(2)))
    assert edf.rng.random() == np.random.default_rng(1).random()


def test_sgd(golden, float64):
    # w^2 / 2 from 1 at lr 0.01
    w = Param(1.0)
    loss = w * w / 2
    sgd = SGD(lr=0.01)
    for want in golden["optimisers_on_half_w_squared_from_1_lr_0.01"]["sgd"]:
        edf.forward()
        edf.backward(loss)
        sgd.step()
        assert w.value == pytest.approx(want, rel=1e-15)


def test_the_learning_rate_may_be_changed():
    w = Param(1.0)
    loss = 1 * w
    edf.forward()
    edf.backward(loss)
    sgd = SGD(lr=0.5)
    sgd.step()
    sgd.lr = 0.25
    sgd.step()
    assert w.value == 0.25


def test_a_step_leaves_params_without_a_gradient_alone():
    w, other = Param(1.0), Param(1.0)
    loss = edf.Tanh(w)
    edf.forward()
    edf.backward(loss)
    SGD(1.0).step()
    assert w.value < 1 and other.value == 1


def test_batches_cover_every_row_once_and_yield_the_last_partial_one():
    a, b = np.arange(10), np.arange(10) * 2
    got = list(edf.batches(a, b, size=4))
    assert [len(part) for part, _ in got] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in got]), a)
    for part, other in got:
        np.testing.assert_array_equal(other, 2 * part)


def test_shuffled_batches_keep_rows_together_and_differ_each_time():
    a = np.arange(100)
    first, second = ([np.stack(pair) for pair in edf.batches(a, -a, size=30, shuffle=True)]
                     for _ in range(2))
    for epoch in first, second:
        rows = np.concatenate(epoch, axis=1)
        assert [part.shape[1] for part in epoch] == [30, 30, 30, 10]
        assert sorted(rows[0]) == list(a) and (rows[1] == -rows[0]).all()
    assert (first[0] != second[0]).any()


def test_batches_in_order_draw_no_random_number():
    edf.seed(3)
    assert len(list(edf.batches(np.arange(5), size=1))) == 5
    assert edf.rng.random() == np.random.default_rng(3).random()


def test_batches_of_one_array_are_tuples_too():
    assert [part.tolist() for part, in edf.batches(np.arange(3), size=2)] == [[0, 1], [2]]


# The network of VU assignment 1, question 3, and its asymmetric variant.

def tiny(net, x, labels, fused):
    """Build it; return every node by the letter that golden.json uses."""
    nodes = {"x": Param(x), "W": Param(net["W"]), "b": Param(net["b"]),
             "V": Param(net["V"]), "c": Param(net["c"])}
    nodes["k"] = Affine(nodes["x"], nodes["W"], nodes["b"])
    nodes["h"] = Sigmoid(nodes["k"])
    nodes["o"] = Affine(nodes["h"], nodes["V"], nodes["c"])
    nodes["y"] = Softmax(nodes["o"])
    labels = Input(labels)
    loss = (SoftmaxCrossEntropy(nodes["o"], labels) if fused
            else CrossEntropy(nodes["y"], labels))
    return nodes, loss


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", ["tiny_given_class0", "tiny_given_class1",
                                  "tiny_asymmetric_class0", "tiny_asymmetric_class1"])
def test_golden_tiny_network(name, fused, golden, float64):
    net = golden[name]
    nodes, loss = tiny(net, [net["x"]], [int(name[-1])], fused)
    edf.forward()
    edf.backward(loss)
    assert loss.value == pytest.approx(net["loss"], rel=1e-14)
    for letter in "khoy":
        np.testing.assert_allclose(nodes[letter].value.ravel(), net[letter], rtol=1e-14)
    for letter in "ohkxWbVc" + ("" if fused else "y"):
        np.testing.assert_allclose(nodes[letter].grad.reshape(np.shape(net["d" + letter])),
                                   net["d" + letter], rtol=1e-13, atol=1e-16)


def test_golden_batch_of_three_and_five_steps(golden, float64):
    net, batch = golden["tiny_asymmetric_class0"], golden["tiny_asymmetric_batch3_mean"]
    after = golden["tiny_asymmetric_batch3_five_sgd_steps_lr_0.5"]
    nodes, loss = tiny(net, batch["X"], batch["T"], fused=True)
    edf.params.remove(nodes["x"])                   # the data is not learned
    sgd = SGD(lr=0.5)
    for step, want in enumerate(after["loss_before_each_step"]):
        edf.forward()
        edf.backward(loss)
        assert loss.value.mean() == pytest.approx(want, rel=1e-14)
        if step == 0:
            for letter in "oVcWb":
                np.testing.assert_allclose(nodes[letter].grad, batch["d" + letter], rtol=1e-12)
        sgd.step()
    for letter in "WbVc":
        np.testing.assert_allclose(nodes[letter].value, after[letter], rtol=1e-13)


# MNIST.

def train(data, activation, hidden, epochs, shuffle=False, decay=False):
    """Train 784-hidden-10 in batches of 64 from lr 0.5 and return the error on the test set."""
    edf.clear()
    edf.seed(1234)
    x, labels = Input(), Input()
    h = activation(Affine(x, Param(edf.xavier(784, hidden)), Param(np.zeros(hidden))))
    scores = Affine(h, Param(edf.xavier(hidden, 10)), Param(np.zeros(10)))
    loss = SoftmaxCrossEntropy(scores, labels)
    sgd = SGD(lr=0.5)
    images = data.train_images.reshape(-1, 784)
    for epoch in range(epochs):
        if decay:
            sgd.lr = 0.5 * edf.cosine_decay(epoch, epochs)
        for x.value, labels.value in edf.batches(images, data.train_labels, size=64,
                                                 shuffle=shuffle):
            edf.forward()
            edf.backward(loss)
            sgd.step()
    x.value, labels.value = data.test_images.reshape(-1, 784), data.test_labels
    edf.forward()
    return (scores.value.argmax(axis=1) != data.test_labels).mean()


@pytest.mark.parametrize("activation", [edf.Sigmoid, edf.ReLU, edf.Tanh])
def test_784_64_10_reaches_its_error_on_mnist(activation, mnist):
    assert train(mnist, activation, hidden=64, epochs=10) <= 0.033


def test_784_300_10_reaches_98_percent_on_mnist(mnist):
    assert train(mnist, edf.ReLU, hidden=300, epochs=6, shuffle=True, decay=True) <= 0.02
