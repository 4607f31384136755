"""check_gradients accepts what is right, and names what is wrong."""

import re

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edf
from edf import Affine, CrossEntropy, Input, Param, Sigmoid, SoftmaxCrossEntropy, Tanh


class Kept(edf.ReLU):
    def dx(self, dy, x):
        return (x > 0) * 1.0                        # no upstream gradient


class Product(edf.Mul):
    def db(self, dy, a, b):
        return edf.unbroadcast(a * np.ones_like(dy), b.shape)   # no upstream gradient


class Probabilities(edf.Softmax):
    def dx(self, dy, x):
        return self.value * dy                      # a dropped term


class Difference(edf.Sub):
    def db(self, dy, a, b):
        return edf.unbroadcast(dy, b.shape)         # a swapped sign


class Square(edf.MatMul):
    def da(self, dy, a, b):
        return dy @ b                               # no transpose, on a square matrix


class Layer(Affine):
    def db(self, dy, x, w, b):
        return dy[0]                                # no sum over the batch


class Twice(edf.Component):
    def f(self, x):
        return 2 * x

    def backward(self):
        self.x.grad = 2 * self.grad                 # = in place of accumulation


def array(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).uniform(0.2, 2, shape)


PLANTED = [
    (Kept, [(4, 3)], "dx"),
    (Product, [(4, 3), (4, 3)], "db"),
    (Product, [(4, 3), ()], "db"),
    (Probabilities, [(4, 3)], "dx"),
    (Difference, [(4, 3), (3,)], "db"),
    (Square, [(3, 3), (3, 3)], "da"),
    (Layer, [(4, 3), (3, 2), (2,)], "db"),
    (Twice, [(4, 3)], "backward"),
]


@pytest.mark.parametrize("component, shapes, method", PLANTED)
def test_planted_errors_are_caught_and_named(component, shapes, method):
    y = component(*(Param(array(*shape)) for shape in shapes))
    with pytest.raises(AssertionError, match=rf"{component.__name__}\[\d\]\.{method} ") as caught:
        edf.check_gradients(y)
    assert caught.value.__notes__[0].startswith(f"in {method} of {component.__name__}(")


@pytest.mark.parametrize("component, shapes, method", PLANTED)
def test_the_right_component_around_a_planted_error_passes(component, shapes, method):
    if component.__base__ is not edf.Component:
        y = component.__base__(*(Param(array(*shape)) for shape in shapes))
        assert max(edf.check_gradients(y).values()) < 1e-6


@pytest.mark.parametrize("component, shapes, method", PLANTED)
def test_planted_errors_are_caught_deep_in_a_graph(component, shapes, method):
    # below a layer and a loss, with everything computed, nothing a Param
    nodes = [Tanh(Param(array(*shape))) for shape in shapes]
    y = component(*nodes)
    scores = Affine(y, Param(array(y.inputs[-1].x.value.shape[-1] if y.inputs[-1].x.value.ndim
                                   else 3, 4)), Param(array(4)))
    rows = shapes[0][0]
    loss = SoftmaxCrossEntropy(scores, Input(np.arange(rows) % 4))
    with pytest.raises(AssertionError, match=rf"{component.__name__}\[\d+\]\.{method} "):
        edf.check_gradients(loss)


def test_an_error_that_an_all_ones_upstream_gradient_hides():
    # batch size 1 and the component is the loss itself: backward seeds it with 1
    with pytest.raises(AssertionError, match=r"Kept\[1\]\.dx"):
        edf.check_gradients(Kept(Param([[2.0]])))


def test_an_error_that_a_zero_gradient_hides(golden):
    # the symmetric network of VU assignment 1: nothing below V ever gets a gradient
    net = golden["tiny_given_class1"]
    hidden = Sigmoid(Layer(Input([net["x"]] * 2), Param(net["W"]), Param(net["b"])))
    scores = Affine(hidden, Param(net["V"]), Param(net["c"]))
    loss = CrossEntropy(edf.Softmax(scores), Input([1, 1]))
    with pytest.raises(AssertionError, match=r"Layer\[3\]\.db"):
        edf.check_gradients(loss)


def test_one_wrong_entry_is_found_with_both_numbers():
    class Slip(Tanh):
        def dx(self, dy, x):
            grad = super().dx(dy, x)
            grad[1, 2] += 0.5
            return grad

    y = Slip(Param(np.zeros((3, 4))))
    with pytest.raises(AssertionError) as caught:
        edf.check_gradients(y)
    found = re.fullmatch(r"wrong gradient: Slip\[1\]\.dx gives (\S+) at entry \(1, 2\), "
                         r"central differences give (\S+)", str(caught.value))
    assert float(found[1]) - float(found[2]) == pytest.approx(0.5)
    assert caught.value.__notes__[0].splitlines()[0] == "in dx of Slip(x (3, 4))"
    assert caught.value.__notes__[0].endswith("y = Slip(Param(np.zeros((3, 4))))")


def test_what_replaces_a_gradient_is_told_so():
    with pytest.raises(AssertionError) as caught:
        edf.check_gradients(Twice(Param(np.ones(2))))
    assert str(caught.value) == (
        "lost gradient: Twice[1].backward does not add the same a second time: it replaces the "
        "gradient instead of calling add_grad, or writes into what f has kept")


def test_add_grad_that_assigns_is_caught(monkeypatch):
    monkeypatch.setattr(edf.Component, "add_grad",
                        lambda self, grad: setattr(self, "grad", grad))
    x = Param(0.5)
    loss = Sigmoid(x) * Tanh(x)
    with pytest.raises(AssertionError, match="lost gradient: Sigmoid"):
        edf.check_gradients(loss)


def test_an_engine_that_walks_the_list_forward_is_caught(monkeypatch):
    # every component is right alone, the graph is not: the Param is named
    w = Param(array(3, 2))
    loss = Tanh(Sigmoid(w))

    def backward(loss):
        for component in edf.components:
            component.grad = None
        loss.grad = np.full(loss.value.shape, 1 / loss.value.size)
        for component in edf.components:
            if component.grad is not None:
                component.backward()
        w.grad = np.zeros((3, 2))

    monkeypatch.setattr(edf, "backward", backward)
    with pytest.raises(AssertionError, match=r"wrong gradient: Sigmoid\[1\]\.x gives 0 at entry"):
        edf.check_gradients(loss)


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
def test_at_a_kink_any_slope_between_its_sides_is_right(slope):
    class Kinked(edf.ReLU):
        def dx(self, dy, x):
            return dy * np.where(x == 0, slope, x > 0)

    edf.check_gradients(Kinked(Param([1.0, 0.0, -1.0])))


@pytest.mark.parametrize("slope", [-0.5, 1.5])
def test_at_a_kink_another_slope_is_wrong_and_the_kink_is_named(slope):
    class Kinked(edf.ReLU):
        def dx(self, dy, x):
            return dy * np.where(x == 0, slope, x > 0)

    with pytest.raises(AssertionError, match=r"at entry \(1,\).* \(is a kink near\? then change "
                                             r"the values and check again\)"):
        edf.check_gradients(Kinked(Param([1.0, 0.0, -1.0])))


def test_it_returns_what_it_measured():
    x, labels = Input(array(5, 4)), Input([0, 1, 2, 0, 1])
    scores = Affine(x, Param(array(4, 3)), Param(array(3)))
    errors = edf.check_gradients(SoftmaxCrossEntropy(scores, labels))
    assert list(errors) == ["Affine[4].dx", "Affine[4].dw", "Affine[4].db",
                            "SoftmaxCrossEntropy[5].dscores", "Affine[4].w", "Affine[4].b"]
    assert all(type(error) is float and 0 <= error < 1e-6 for error in errors.values())


def test_only_the_components_named_are_compared_in_the_graph():
    w, v = Param(array(3)), Param(array(3))
    hidden = Tanh(w)
    loss = hidden * v
    assert list(edf.check_gradients(loss, hidden, v))[-2:] == ["Tanh[2]", "Mul[3].b"]
    assert "Tanh[2].x" not in edf.check_gradients(loss, hidden, v)


def test_naming_what_has_no_gradient():
    x, w = Input([1.0, 2.0]), Param(array(2))
    with pytest.raises(TypeError) as caught:
        edf.check_gradients(x * w, x)
    assert str(caught.value) == "Input Mul[2].a (2,) has no gradient that could be checked"
    with pytest.raises(TypeError, match="^what is to be checked must be a component, not of type "):
        edf.check_gradients(x * w, [w])


@pytest.mark.parametrize("component", [Sigmoid, Kept])
def test_everything_is_put_back(component):
    x, w = Input(array(5, 4).astype(np.float32)), Param(array(4, 3))
    loss = component(Affine(x, w, Param(array(3))))
    edf.forward()
    edf.backward(loss)
    edf.rng.random()
    before = [vars(c).copy() for c in edf.components], edf.rng.bit_generator.state, edf.dtype
    values = [c.value.copy() for c in edf.components]
    try:
        edf.check_gradients(loss)
    except AssertionError:
        assert component is Kept
    for c, state, value in zip(edf.components, before[0], values, strict=True):
        assert vars(c).keys() == state.keys()
        assert all(vars(c)[name] is state[name] for name in state)
        np.testing.assert_array_equal(c.value, value)
        assert c.value.flags.writeable
    assert (edf.rng.bit_generator.state, edf.dtype) == before[1:]


@pytest.mark.parametrize("size", [1e-8, 1e-5, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("component", [edf.Log, lambda x: 1 / x, lambda x: x * x, lambda x: -x])
def test_no_false_alarm_at_any_size_of_values(component, size):
    edf.check_gradients(component(Param(size * array(3, 4))))


def test_no_false_alarm_at_small_probabilities():
    for gap in 5.0, 14.0, 30.0, 80.0:
        edf.clear()
        scores = Param([[0.0, gap], [0.5, 0.7]])
        edf.check_gradients(CrossEntropy(edf.Softmax(scores), Input([0, 1])))


def test_no_false_alarm_below_the_rounding_of_a_large_loss():
    edf.check_gradients(1e-8 * Tanh(Param(array(3))) + 1000)
    edf.clear()
    edf.check_gradients(Tanh(Param(1e6 + array(3)) - 1e6))


def test_a_kept_buffer_is_no_mistake(float64):
    class Buffered(Tanh):
        buffer = None

        def f(self, x):
            if self.buffer is None:
                self.buffer = np.empty_like(x)
            return np.tanh(x, out=self.buffer)

    y = Buffered(Param(array(3)))
    edf.forward()
    edf.check_gradients(y)
    edf.forward()


def test_a_small_error_is_found():
    class Slip(Tanh):
        def dx(self, dy, x):
            return super().dx(dy, x) * (1 + 1e-5)

    with pytest.raises(AssertionError, match="wrong gradient") as caught:
        edf.check_gradients(Slip(Param([0.5, 1.0])))
    assert "kink" not in str(caught.value)


def test_a_lost_gradient_is_found_however_small():
    class Tiny(edf.Component):
        def f(self, x):
            return 1e-9 * x

        def backward(self):
            self.x.grad = 1e-9 * self.grad

    with pytest.raises(AssertionError, match="lost gradient"):
        edf.check_gradients(Tiny(Param(array(3))))


def test_the_generator_is_put_back():
    class Noisy(Tanh):
        def f(self, x):
            edf.rng.random()
            return np.tanh(x)

    y = Noisy(Param([0.5]))
    before = edf.rng.bit_generator.state
    edf.check_gradients(y)
    assert edf.rng.bit_generator.state == before


def test_entries_are_drawn_from_the_whole_array():
    class Slip(Tanh):
        def dx(self, dy, x):
            grad = super().dx(dy, x)
            grad[20:] += 1
            return grad

    with pytest.raises(AssertionError, match="wrong gradient"):
        edf.check_gradients(Slip(Param(np.zeros(100))), entries=20)


def test_a_wrong_component_off_the_path_is_not_checked():
    w = Param([0.5])
    Kept(w)
    edf.check_gradients(Tanh(w))


def test_the_arrays_of_the_user_are_left_alone():
    data, labels = array(2, 4).astype(np.float32), np.array([0, 1])
    scores = Affine(Input(data), Param(array(4, 3)), Param(array(3)))
    edf.check_gradients(SoftmaxCrossEntropy(scores, Input(labels)))
    data += 1
    labels += 1


def test_a_graph_that_never_ran_can_be_checked():
    loss = Tanh(Param(array(3)))
    errors = edf.check_gradients(loss)
    assert loss.value is None and max(errors.values()) < 1e-8


def test_large_arrays_are_sampled():
    x, w = Input(array(2, 300)), Param(array(300, 40))
    errors = edf.check_gradients(Tanh(x @ w / 300), entries=20)
    assert len(errors) == 5 and max(errors.values()) < 1e-6


def test_methods_that_write_into_what_they_were_given():
    class InPlace(edf.ReLU):
        def f(self, x):
            x[x < 0] = 0
            return x.copy()

    class Upstream(edf.ReLU):
        def dx(self, dy, x):
            dy *= x > 0
            return dy

    class Kept(SoftmaxCrossEntropy):
        def dscores(self, dy, scores, labels):
            self.p[np.arange(len(labels)), labels] -= 1
            return dy[:, None] * self.p

    class Own(Tanh):
        def dx(self, dy, x):
            self.value *= self.value
            return dy * (1 - self.value)

    for component, method in (InPlace, "f"), (Upstream, "dx"), (Own, "dx"):
        edf.clear()
        with pytest.raises(ValueError, match="read-only") as caught:
            edf.check_gradients(component(Param([-1.0, 2.0])))
        assert caught.value.__notes__[0].startswith(f"in {method} of {component.__name__}(x (2,))")
    edf.clear()
    with pytest.raises(AssertionError, match="lost gradient: .* or writes into what f has kept"):
        edf.check_gradients(Kept(Param(array(3, 4)), Input([0, 1, 2])))


def test_a_nan_is_no_agreement():
    class Undefined(Tanh):
        def dx(self, dy, x):
            return dy * np.nan

    with pytest.raises(AssertionError, match="gives nan"):
        edf.check_gradients(Undefined(Param(1.0)))


# What is no function of its inputs: differences of its values say nothing.

class Wrong(edf.Component):
    """Twice x, and something more that is no function of x, with a wrong dx."""

    calls = 0

    def f(self, x):
        self.calls += 1
        return 2 * x + self.more(x)

    def dx(self, dy, x):
        return 7 * dy


class RunningMean(Wrong):
    mean = 0.0

    def more(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        return self.mean


class Counter(Wrong):
    def more(self, x):
        return self.calls


class Alternating(Wrong):
    def more(self, x):
        return (-1) ** self.calls


class Noise(Wrong):
    def more(self, x):
        return np.random.normal(size=x.shape)       # noqa: NPY002


class LittleNoise(Wrong):
    def more(self, x):
        return 1e-10 * np.random.normal(size=x.shape)       # noqa: NPY002


class OwnGenerator(Wrong):
    def more(self, x):
        vars(self).setdefault("generator", np.random.default_rng(0))
        return self.generator.normal()


class SeldomOther(Wrong):
    def more(self, x):
        return self.calls > 9


class OtherShape(Wrong):
    def more(self, x):
        return np.zeros((self.calls, 1, 1))

    def dx(self, dy, x):
        return np.zeros_like(x)


@pytest.mark.parametrize("above", [Tanh, lambda x: x])
@pytest.mark.parametrize("leaf", [Param, Input])
@pytest.mark.parametrize("kind", [RunningMean, Counter, Alternating, Noise, LittleNoise,
                                  OwnGenerator, SeldomOther, OtherShape])
def test_what_is_no_function_of_its_inputs_is_told_so(kind, leaf, above):
    loss = above(kind(leaf(array(4, 3))) * Param(2.0))
    with pytest.raises(AssertionError) as caught:
        edf.check_gradients(loss)
    assert str(caught.value) == (
        f"no function: {kind.__name__}[1].f gives another value at the same inputs: draw random "
        "numbers from edf.rng, and keep what changes from call to call out of the value")
    assert caught.value.__notes__[0].startswith(f"in f of {kind.__name__}(x (4, 3))")


def test_it_is_told_of_what_has_no_d_method_no_f_or_no_inputs_too():
    class Fixed(edf.Component):
        def f(self, x):
            return x + np.random.normal()           # noqa: NPY002

    class Source(edf.Component):
        turn = 0

        def forward(self):
            self.turn += 1
            self.value = np.full(3, self.turn)

    class Own(Counter):
        def forward(self):
            self.value = self.f(self.x.value)

    for build, name in ((lambda w: Fixed(Input(array(3))), "Fixed[2].f"),
                        (lambda w: Source(), "Mul[2].a.forward"), (Own, "Own[1].forward")):
        edf.clear()
        w = Param(array(3))
        with pytest.raises(AssertionError, match=f"^no function: {re.escape(name)} gives another"):
            edf.check_gradients(build(w) * w)


def test_random_numbers_from_rng_and_statistics_beside_the_value_are_right():
    x = Input(array(6, 3))
    h = edf.BatchNorm(Affine(x, Param(array(3, 4)), Param(array(4))), Param(array(4)),
                      Param(array(4)))
    loss = edf.Mean(edf.Dropout(Tanh(h), 0.5) ** 2)
    assert max(edf.check_gradients(loss).values()) < 1e-6
    with edf.evaluating():
        assert max(edf.check_gradients(loss).values()) < 1e-6


def test_a_component_may_hold_rng_itself():
    class Jitter(Tanh):
        def f(self, x):
            return np.tanh(x) + self.rng.normal(size=x.shape)

        def dx(self, dy, x):
            return dy * (1 - np.tanh(x) ** 2)

    y = Jitter(Param(array(3)))
    y.rng, state = edf.rng, edf.rng.bit_generator.state
    assert max(edf.check_gradients(y).values()) < 1e-6
    assert y.rng is edf.rng and edf.rng.bit_generator.state == state


# The d-methods that the graph does not call, as their input is an Input.

@pytest.mark.parametrize("component, shapes, method", PLANTED[:-1])
def test_errors_of_inputs_are_found_too(component, shapes, method):
    y = component(*(Input(array(*shape)) for shape in shapes)) * Param(2.0)
    with pytest.raises(AssertionError, match=rf"{component.__name__}\[\d\]\.{method} "):
        edf.check_gradients(y)
    edf.clear()
    y = component.__base__(*(Input(array(*shape)) for shape in shapes)) * Param(2.0)
    names = [f"{edf.label(y.a)}.d{name}" for name in y.a.arguments]
    errors = edf.check_gradients(y)
    assert set(names) < set(errors) and max(errors.values()) < 1e-6


def test_only_what_takes_real_numbers_and_has_a_d_method_is_tried_of_inputs():
    x, labels, same = Input(array(4, 3)), Input([0, 2, 1, 1]), Input(array(4, 3))
    targets = Input(array(4, 3) / 2)
    scores = x * Param(1.5)
    loss = (edf.SoftmaxCrossEntropy(scores, labels) + edf.Mean(same * same)
            + edf.Mean(edf.SigmoidCrossEntropy(scores, targets)) + Twice(Input(1.0)))
    names = list(edf.check_gradients(loss))
    assert [name for name in names if "Mul" in name] == [
        "Mul[5].da", "Mul[5].db", "Mul[7].da + db", "Mul[5].b"]
    assert not any("labels" in name or "targets" in name or "Twice" in name for name in names)
    assert not x.needs_grad and x.grad is None and not loss.b.needs_grad


# No tool leaves a trace.

class Keeping(Tanh):
    """A component that changes all kinds of attributes in place, some of them of its class."""

    total, seen = np.zeros(3), []

    def __init__(self, x):
        super().__init__(x)
        self.mean, self.log, self.counts = np.zeros(3), [[]], {"calls": np.zeros(1)}
        self.generator, self.lines = np.random.default_rng(3), (line for line in "abc")

    def f(self, x):
        self.mean += x.mean(axis=0)
        self.total += 1
        self.seen.append(len(x))
        self.log[0].append(self.mean.copy())
        self.counts["calls"] += 1
        self.generator.normal()
        return np.tanh(x)


def shown(x):
    """Return what x holds, arrays by their bytes."""
    if isinstance(x, np.ndarray):
        return x.dtype, x.shape, x.flags.writeable, x.tobytes()
    if isinstance(x, list | tuple):
        return [shown(part) for part in x]
    if isinstance(x, dict):
        return {key: shown(part) for key, part in x.items()}
    return x.bit_generator.state if isinstance(x, np.random.Generator) else x


@pytest.mark.parametrize("ran", [False, True])
@pytest.mark.parametrize("tool", [
    edf.check_gradients, edf.profile, edf.draw, lambda loss: edf.draw(loss, values=True),
    lambda loss: edf.summary(), lambda loss: edf.debugging()])
def test_no_tool_leaves_a_trace(tool, ran):
    x = Input(array(5, 4), name="x")
    h = edf.BatchNorm(Keeping(Affine(x, Param(array(4, 3)), Param(array(3)))), Param(array(3)),
                      Param(array(3)))
    loss = edf.Sum(edf.Dropout(h, 0.3) ** 2)
    if ran:
        edf.forward()
        edf.backward(loss)
        x.value = array(5, 4, seed=1)
    pending, settings = set(edf.pending), (edf.dtype, edf.training, edf.rng.bit_generator.state)
    held = [vars(node).copy() for node in edf.components]
    before = shown([*held, Keeping.total, Keeping.seen])
    tool(loss)
    assert shown([*map(vars, edf.components), Keeping.total, Keeping.seen]) == before
    for node, attributes in zip(edf.components, held):
        assert all(vars(node)[name] is value for name, value in attributes.items())
    assert edf.pending == pending
    assert (edf.dtype, edf.training, edf.rng.bit_generator.state) == settings
    assert next(h.x.lines) == "a"


def test_what_cannot_be_copied_stays_with_the_component():
    older = Tanh(Param(1.0))
    edf.clear()
    y = Tanh(Param(array(3)))
    with open(__file__) as y.file:
        y.older, file = older, y.file
        edf.check_gradients(y)
        assert y.file is file and not file.closed and y.older is older


# Random graphs, against autograd and against central differences.

UNARY = [(Tanh, anp.tanh), (Sigmoid, lambda x: 1 / (1 + anp.exp(-x))), (lambda x: -x, lambda x: -x),
         (edf.Exp, anp.exp), (lambda x: edf.Log(edf.Exp(x) + 1), lambda x: anp.log(anp.exp(x) + 1)),
         (edf.Softmax, lambda x: anp.exp(x) / anp.sum(anp.exp(x), axis=-1, keepdims=True))]
BINARY = [(edf.Add, anp.add), (edf.Sub, anp.subtract), (edf.Mul, anp.multiply),
          (lambda a, b: a / edf.Exp(b), lambda a, b: a / anp.exp(b))]
SHAPES = [(3, 2), (1, 2), (3, 1), (1, 1)]


@settings(deadline=None, max_examples=150)
@given(shapes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3),
       plan=st.lists(st.tuples(st.booleans(), st.integers(0, 99), st.integers(0, 99),
                               st.integers(0, 99)), min_size=1, max_size=6))
def test_random_graphs(shapes, plan):
    # each step squeezes its result through tanh, so that nothing explodes
    leaves = [array(*shape, seed=i) - 1 for i, shape in enumerate(shapes)]

    def grow(nodes, which, squeeze):
        for unary, operation, i, j in plan:
            a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
            if unary:
                new = UNARY[operation % len(UNARY)][which](a)
            else:
                new = BINARY[operation % len(BINARY)][which](a, b)
            nodes = nodes + [squeeze(new)]
        return nodes[-1]

    edf.clear()
    edf.dtype = np.float64
    leaf_nodes = [Param(leaf) for leaf in leaves]
    loss = grow(leaf_nodes, 0, Tanh)
    edf.forward()
    edf.backward(loss)
    got = [node.grad for node in leaf_nodes]
    want = autograd.grad(lambda leaves: anp.mean(grow(leaves, 1, anp.tanh)))(leaves)
    for grad, reference in zip(got, want, strict=True):
        np.testing.assert_allclose(np.zeros_like(reference) if grad is None else grad, reference,
                                   rtol=1e-9, atol=1e-12)
    edf.check_gradients(loss)
