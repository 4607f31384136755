"""Optimisers, schedules and clipping: known numbers, and PyTorch's definitions."""

import math

import numpy as np
import pytest

import edf
from edf import SGD, AdaGrad, Adam, AdamW, Param, RMSProp


def steps(optimiser, loss, count):
    for _ in range(count):
        edf.forward()
        edf.backward(loss)
        optimiser.step()
        yield


@pytest.mark.parametrize("name, make", [
    ("sgd", lambda: SGD(0.01)), ("momentum", lambda: SGD(0.01, momentum=0.9)),
    ("rmsprop", lambda: RMSProp(0.01)), ("adam", lambda: Adam(0.01))])
def test_golden_steps(name, make, golden, float64):
    # w^2 / 2 from 1
    w = Param(1.0)
    got = [float(w.value) for _ in steps(make(), w * w / 2, 3)]
    assert got == pytest.approx(golden["optimisers_on_half_w_squared_from_1_lr_0.01"][name],
                                rel=1e-14)


# After four steps on sum(a w^2 / 2 + 0.3 w) from w; computed with PyTorch 2.13 in float64.

PYTORCH = [
    (lambda: SGD(0.1), [0.55293, -0.55619, 0.362086035]),
    (lambda: SGD(0.1, weight_decay=0.1), [0.52581034, -0.5281806899999999, 0.34473632]),
    (lambda: SGD(0.1, momentum=0.9, weight_decay=0.1),
     [-0.06504146000000008, 1.1717096100000002, 0.14899712]),
    (lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
     [-0.23054983868600004, 0.7117493499509999, 0.04111707747199999]),
    (lambda: AdaGrad(), [0.9722589789636911, -1.9722261176908593, 0.4721937164717064]),
    (lambda: AdaGrad(0.2, weight_decay=0.1),
     [0.4916464849991079, -1.474081816208499, -0.027553734600274632]),
    (lambda: RMSProp(), [0.731761259141821, -1.7281007499628576, 0.22463206419897475]),
    (lambda: RMSProp(0.02, alpha=0.9, weight_decay=0.1),
     [0.8227345541394813, -1.8212310529262072, 0.3210869218117693]),
    (lambda: Adam(), [0.9960001743320652, -1.9960001190919552, 0.4960000646670396]),
    (lambda: Adam(0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1),
     [0.6033039927224171, -1.601822113140219, 0.10267456206732659]),
    (lambda: AdamW(), [0.9959602366805681, -1.9959201826793922, 0.4959801252891248]),
    (lambda: AdamW(0.1, weight_decay=0.3),
     [0.5066908055885989, -1.3911431757961448, 0.061149849761866396]),
]


@pytest.mark.parametrize("make, want", PYTORCH)
def test_the_definitions_and_defaults_are_those_of_pytorch(make, want, float64):
    w = Param([1.0, -2.0, 0.5])
    a = edf.Input([1.0, 3.0, 0.1])
    loss = edf.Sum(a * w * w / 2 + 0.3 * w)
    for _ in steps(make(), loss, 4):
        pass
    np.testing.assert_allclose(w.value, want, rtol=1e-13)


def test_the_first_step_whatever_the_gradient():
    # RMSProp moves 10 lr, as 1 / sqrt(1 - 0.99) is 10; Adam and AdaGrad move lr
    for make, size in (RMSProp, 0.1), (Adam, 0.01), (AdaGrad, 0.01):
        edf.clear()
        w = Param([1.0, 1.0])
        next(steps(make(lr=0.01), edf.Input([5.0, 0.2]) * w, 1))
        np.testing.assert_allclose(1 - w.value, size, rtol=1e-4)


@pytest.mark.parametrize("make", [lambda lr: SGD(lr, momentum=0.9), AdaGrad, RMSProp, Adam, AdamW])
def test_every_optimiser_keeps_float32_and_the_array(make):
    w = Param(np.ones((3, 2)))
    array = w.value
    for _ in steps(make(0.1), edf.Tanh(w), 3):
        pass
    assert w.value is array and w.value.dtype == np.float32 and (array != 1).all()


def test_every_param_has_its_own_memory(float64):
    a, b = Param([1.0]), Param([[2.0, 3.0]])
    loss = a * b
    adam = Adam(0.1)
    for _ in steps(adam, loss, 2):
        pass
    assert {p: m["m"].shape for p, m in adam.memory.items()} == {a: (1,), b: (1, 2)}


def test_the_rate_may_change_between_steps(float64):
    w = Param(1.0)
    momentum = SGD(1.0, momentum=0.5)
    got = []
    for i, _ in enumerate(steps(momentum, 1 * w, 3)):
        got.append(float(w.value))
        momentum.lr = 0.1 * (i + 1)
    # m is 1, 1.5, 1.75 and does not depend on the rate
    assert got == pytest.approx([0, -0.15, -0.15 - 0.2 * 1.75])


@pytest.mark.parametrize("make", [lambda: SGD(0.1), AdaGrad, RMSProp, Adam, AdamW])
def test_a_step_without_gradients_is_refused(make):
    w = Param(1.0)
    with pytest.raises(TypeError) as caught:
        make().step()
    assert str(caught.value) == "no Param has a gradient: call backward first"
    assert w.value == 1


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValueError, match="^nesterov needs a momentum, such as 0.9$"):
        SGD(0.1, nesterov=True)


def test_weight_decay_may_change_between_steps(float64):
    for make in lambda: SGD(0.5, weight_decay=0.2), lambda: AdamW(0.5, weight_decay=0.2):
        edf.clear()
        w = Param([2.0])
        loss = edf.Sum(0 * w)                           # no gradient but that of the decay
        optimiser = make()
        for i, _ in enumerate(steps(optimiser, loss, 2)):
            assert w.value == pytest.approx([1.8, 0.9][i])
            optimiser.weight_decay = 1.0


def test_an_optimiser_of_ones_own():
    class Signs(edf.Optimiser):
        def direction(self, grad, old):
            return np.sign(grad)

    w = Param([1.0, -1.0])
    next(steps(Signs(lr=0.25), w * w, 1))
    np.testing.assert_array_equal(w.value, [0.75, -0.75])
    with pytest.raises(NotImplementedError, match="^Optimiser defines no direction$"):
        edf.Optimiser(0.1).step()


def test_clipping_scales_all_gradients_alike(float64):
    a, b = Param([1.0, 2.0]), Param(3.0)
    loss = edf.Sum(edf.Input([2.0, 3.0]) * a) + 6 * b
    edf.forward()
    edf.backward(loss)
    assert edf.clip_gradients(100.0) == 7.0             # sqrt(4 + 9 + 36)
    np.testing.assert_array_equal(a.grad, [2, 3])
    assert edf.clip_gradients(3.5) == 7.0
    np.testing.assert_allclose(a.grad, [1, 1.5])
    np.testing.assert_allclose(b.grad, 3)
    assert edf.clip_gradients(3.5) == pytest.approx(3.5)


def test_clipping_keeps_float32_and_skips_what_has_no_gradient():
    w, other = Param(np.ones(2)), Param(1.0)
    loss = 10 * w
    edf.forward()
    edf.backward(loss)
    edf.clip_gradients(1.0)
    assert w.grad.dtype == np.float32 and other.grad is None
    assert np.linalg.norm(w.grad) == pytest.approx(1)


def test_clipping_a_gradient_that_overflows_when_squared():
    w = Param([3e30, 4e30])
    w.grad = w.value.copy()
    assert edf.clip_gradients(1.0) == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose(w.grad, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("grad, norm, text", [
    (1.0, 0, "max_norm must be greater than 0, got 0"),
    (1.0, -1.0, "max_norm must be greater than 0, got -1.0"),
    (np.nan, 1.0, "the norm of the gradients is nan"),
    (np.inf, 1.0, "the norm of the gradients is inf")])
def test_what_cannot_be_clipped_is_refused(grad, norm, text):
    w = Param([1.0, 2.0])
    w.grad = np.array([grad, 1.0])
    with pytest.raises(ValueError) as caught:
        edf.clip_gradients(norm)
    assert str(caught.value) == text


def test_clipping_before_backward_is_refused():
    Param(1.0)
    with pytest.raises(TypeError, match="^no Param has a gradient: call backward first$"):
        edf.clip_gradients(1.0)


def test_schedules():
    assert [edf.step_decay(step, every=2) for step in range(5)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01])
    assert edf.step_decay(7, every=3, factor=0.5) == 0.25
    assert [edf.cosine_decay(step, 4) for step in (0, 1, 2, 4, 9)] == pytest.approx(
        [1, (1 + math.sqrt(0.5)) / 2, 0.5, 0, 0])
    assert [edf.warmup(step, 4) for step in (0, 1, 3, 4, 100)] == [0.25, 0.5, 1, 1, 1]


def test_a_schedule_in_use(float64):
    w = Param(1.0)
    sgd = SGD(lr=1.0)
    for step, _ in enumerate(steps(sgd, 1 * w, 3)):
        sgd.lr = edf.step_decay(step + 1, every=1)
    assert w.value == pytest.approx(1 - 1 - 0.1 - 0.01)
