"""The calls of a training run in any order, against a model of them in plain NumPy; and the same
run in two processes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import edf
from edf import Affine, Input, Param

ROOT = Path(__file__).parents[2]


def network(width, norm, dropout):
    """Build a perceptron, perhaps with BatchNorm and Dropout; return its input, labels and loss."""
    x, labels = Input(), Input()
    h = Affine(x, Param(edf.he(3, width)), Param(edf.he(1, width)[0]))
    if norm:
        h = edf.BatchNorm(h, Param(np.ones(width)), Param(np.zeros(width)))
    if dropout:
        h = edf.Dropout(h, 0.3)
    scores = Affine(edf.Tanh(h), Param(edf.he(width, 2)), Param(np.zeros(2)))
    return x, labels, edf.SoftmaxCrossEntropy(scores, labels)


def norms():
    return [node for node in edf.components if isinstance(node, edf.BatchNorm)]


def copies(arrays):
    return [None if array is None else array.copy() for array in arrays]


NETWORKS = {"width": st.integers(1, 3), "norm": st.booleans(), "dropout": st.booleans(),
            "adam": st.booleans()}


def same(array, other):
    """Are they the same bits, or both None?"""
    if array is None or other is None:
        return array is other
    return array.shape == other.shape and array.tobytes() == other.tobytes()


def close(array, other):
    return np.shape(array) == np.shape(other) and np.max(abs(array - other)) < 1e-9


class Calls(RuleBasedStateMachine):
    """What must be true after any calls of clear, forward, backward, step, save, load, ..."""

    def __init__(self):
        super().__init__()
        edf.clear()
        edf.dtype = np.float64
        self.built = None           # (width, norm, dropout) of the network in the graph
        self.cleared = []           # losses of graphs before clear()
        self.modes = []             # entered and not left: `with edf.evaluating():`
        self.files = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.files.name, "model")
        self.saved = None           # (built, Params, statistics) at save()

    def teardown(self):
        while self.modes:
            self.modes.pop().__exit__(None, None, None)
        assert edf.training
        self.files.cleanup()
        edf.clear()

    # What must be true after every call.

    @invariant()
    def the_mode_is_that_of_the_with_statements(self):
        assert edf.training == (not self.modes)

    @invariant()
    def the_graph_has_the_values_and_gradients_of_the_model(self):
        if not self.built:
            assert edf.components == edf.params == []
            return
        for param, value in zip(edf.params, self.params, strict=True):
            assert close(param.value, value)
        for i, component in enumerate(edf.components):
            assert isinstance(component, Param) or same(component.value, self.values[i])
            assert same(component.grad, self.grads[i])
        for norm in norms():
            assert close(norm.mean, self.statistics[0])
            assert close(norm.variance, self.statistics[1])

    # The calls.

    @initialize(**NETWORKS)
    def begin(self, **network):
        self.build(**network)

    @rule(**NETWORKS)
    def build(self, width, norm, dropout, adam):
        self.clear()
        edf.seed(width)
        self.built = width, norm, dropout
        self.x, self.labels, self.loss = network(*self.built)
        self.optimiser = edf.Adam(lr=0.1) if adam else edf.SGD(lr=0.1, momentum=0.9)
        self.params = copies(param.value for param in edf.params)
        self.moments = [[0, 0, 0] for _ in self.params]     # of the optimiser: t, m, v
        self.statistics = 0.0, 1.0
        self.values = [None for _ in edf.components]
        self.grads = [None for _ in edf.components]
        self.fed, self.current = None, False        # does the loss belong to these values?

    @rule()
    def clear(self):
        edf.clear()
        if self.built:
            self.cleared.append(self.loss)
        self.built = None

    @precondition(lambda self: self.built)
    @rule(size=st.integers(1, 5), seed=st.integers(0, 99))
    def train(self, size, seed):
        self.feed(size, seed, largest=1)
        self.forward(seed)
        if self.current:
            self.backward(times=1)
            self.step()

    @precondition(lambda self: self.built)
    @rule(size=st.integers(1, 5), seed=st.integers(0, 99))
    def train_between_save_and_load(self, size, seed):
        self.save()
        self.train(size, seed)
        self.load()

    @precondition(lambda self: self.built)
    @rule(size=st.integers(1, 5), seed=st.integers(0, 99), largest=st.integers(1, 2))
    def feed(self, size, seed, largest):
        rng = np.random.default_rng(seed)
        self.x.value = x = rng.normal(size=(size, 3))
        self.labels.value = labels = rng.integers(0, 2, size) + largest - 1     # 2 is no class
        self.fed, self.current = (x, labels), False
        self.values[self.x.number], self.values[self.labels.number] = x, labels

    @precondition(lambda self: self.built)
    @rule(seed=st.integers(0, 99))
    def forward(self, seed):
        edf.seed(seed)
        self.seed = seed
        if not self.fed:
            with pytest.raises(TypeError, match="an Input has no value"):
                edf.forward()
            return
        x, labels = self.fed
        if self.built[1] and edf.training and len(x) == 1:
            with pytest.raises(ValueError, match="one number of each feature has no variance"):
                edf.forward()
            self.remember_values()
            self.current = False
            return
        self.at_forward = edf.training, [(norm.mean, norm.variance) for norm in norms()]
        scores = self.scores(x)
        if labels.max() > 1:
            with pytest.raises(ValueError, match="labels must be class numbers from 0 to 1"):
                edf.forward()
        else:
            edf.forward()
            log_p = scores - np.logaddexp(scores[:, :1], scores[:, 1:])
            want = -log_p[np.arange(len(labels)), labels]
            assert close(self.loss.value, want)
        assert close(self.loss.scores.value, scores)
        self.current = labels.max() <= 1
        self.remember_values()

    def scores(self, x):
        """Return what the network gives, and move the statistics."""
        _, norm, dropout = self.built
        w, b, *rest = self.params
        h = x @ w + b
        if norm:
            gamma, beta, *rest = rest
            mean, variance = self.statistics
            if edf.training:
                mean, variance = h.mean(0), h.var(0)
                self.statistics = (0.9 * self.statistics[0] + 0.1 * mean,
                                   0.9 * self.statistics[1] + 0.1 * h.var(0, ddof=1))
            h = gamma * (h - mean) / np.sqrt(variance + 1e-5) + beta
        if dropout and edf.training:
            h = h * (np.random.default_rng(self.seed).random(h.shape) >= 0.3) / 0.7
        w, b = rest
        return np.tanh(h) @ w + b

    def remember_values(self):
        self.values = copies(component.value for component in edf.components)

    @precondition(lambda self: self.built and self.current)
    @rule(times=st.integers(1, 2))
    def backward(self, times):
        for _ in range(times):
            edf.backward(self.loss)
        self.grads = copies(component.grad for component in edf.components)
        for component, grad in zip(edf.components, self.fresh_gradients(), strict=True):
            assert same(component.grad, grad)

    def fresh_gradients(self):
        """Return the gradients of a graph that is built, fed and run for the first time."""
        graph, values = edf.components[:], copies(param.value for param in edf.params)
        params = edf.params[:]
        edf.clear()
        x, labels, loss = network(*self.built)
        for param, value in zip(edf.params, values, strict=True):
            param.value = value
        x.value, labels.value = self.fed
        edf.seed(self.seed)
        mode = edf.training
        edf.training, statistics = self.at_forward
        for norm, (mean, variance) in zip(norms(), statistics, strict=True):
            norm.mean, norm.variance = mean, variance
        edf.forward()
        edf.training = mode
        edf.backward(loss)
        grads = [component.grad for component in edf.components]
        edf.components[:], edf.params[:] = graph, params
        return grads

    @precondition(lambda self: self.built and self.values[self.loss.number] is None)
    @rule()
    def backward_before_forward_is_refused(self):
        with pytest.raises(TypeError, match="has no value yet: call forward"):
            edf.backward(self.loss)

    @precondition(lambda self: self.built and not self.current
                  and self.values[self.loss.number] is not None)
    @rule()
    def backward_after_a_change_is_refused(self):
        with pytest.raises(TypeError, match="call it again"):
            edf.backward(self.loss)

    @precondition(lambda self: self.cleared)
    @rule()
    def a_graph_of_before_clear_is_refused(self):
        with pytest.raises(TypeError, match=r"the loss was built before clear\(\)"):
            edf.backward(self.cleared[-1])
        with pytest.raises(TypeError, match=r"x of Tanh was built before clear\(\)"):
            edf.Tanh(self.cleared[-1])

    @precondition(lambda self: self.built)
    @rule()
    def step(self):
        grads = [self.grads[param.number] for param in edf.params]
        if grads[0] is None:
            with pytest.raises(TypeError, match="no Param has a gradient: call backward first"):
                self.optimiser.step()
            return
        self.optimiser.step()
        self.current = False
        for i, grad in enumerate(grads):
            t, m, v = self.moments[i]
            if isinstance(self.optimiser, edf.Adam):
                t, m, v = t + 1, 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad * grad
                root = np.sqrt(v / (1 - 0.999 ** t))
                self.params[i] = self.params[i] - 0.1 * m / (1 - 0.9 ** t) / (root + 1e-8)
            else:
                m = 0.9 * m + grad
                self.params[i] = self.params[i] - 0.1 * m
            self.moments[i] = [t, m, v]

    @rule()
    def save(self):
        edf.save(self.path)
        params, statistics = (self.params, self.statistics) if self.built else ([], None)
        self.saved = self.built, copies(params), copies(map(np.array, statistics or []))
        self.exact = copies(param.value for param in edf.params)

    @rule()
    def load(self):
        if not self.saved:
            with pytest.raises(FileNotFoundError):
                edf.load(self.path)
        elif self.built != self.saved[0]:           # other names or shapes
            with pytest.raises(ValueError, match="is missing|is not in the graph|has shape"):
                edf.load(self.path)
        else:
            edf.load(self.path)
            for param, value in zip(edf.params, self.exact, strict=True):
                assert same(param.value, value)
            if self.built:
                self.params, self.statistics = copies(self.saved[1]), self.saved[2]
                self.current = False

    @precondition(lambda self: self.built)
    @rule()
    def a_param_of_another_shape_is_refused(self):
        with pytest.raises(ValueError, match="Param .* cannot take shape"):
            edf.params[0].value = np.zeros((7, 7))

    @precondition(lambda self: len(self.modes) < 3)
    @rule()
    def enter_evaluating(self):
        self.modes.append(edf.evaluating())
        self.modes[-1].__enter__()

    @precondition(lambda self: self.modes)
    @rule(failing=st.booleans())
    def leave_evaluating(self, failing):
        if failing:
            error = KeyError("anything")
            assert not self.modes.pop().__exit__(KeyError, error, None)
        else:
            self.modes.pop().__exit__(None, None, None)


def run_calls(runs, calls):
    run_state_machine_as_test(Calls, settings=settings(
        max_examples=runs, stateful_step_count=calls, derandomize=True, deadline=None,
        database=None, suppress_health_check=list(HealthCheck)))


def test_any_order_of_calls():
    run_calls(200, 12)


@pytest.mark.slow
def test_many_calls_in_any_order():
    run_calls(2000, 40)


TRAINING = """
import numpy as np
import edf
from edf import Affine, Input, Param

edf.seed(5)
data, classes = edf.rng.normal(size=(200, 8)), edf.rng.integers(0, 4, 200)
x, labels = Input(), Input()
h = edf.BatchNorm(Affine(x, Param(edf.he(8, 32)), Param(np.zeros(32))),
                  Param(np.ones(32)), Param(np.zeros(32)))
scores = Affine(edf.Dropout(edf.ReLU(h), 0.2), Param(edf.glorot(32, 4)), Param(np.zeros(4)))
loss = edf.SoftmaxCrossEntropy(scores, labels)
adam = edf.Adam()
for epoch in range(10):
    for x.value, labels.value in edf.batches(data, classes, size=20, shuffle=True):
        edf.forward()
        edf.backward(loss)
        adam.step()
print(b"".join(param.value.tobytes() for param in edf.params).hex())
"""


def test_a_hundred_steps_give_the_same_bits_in_two_processes():
    def train():
        # other hashes of strings, and so another order of sets, in each
        return subprocess.run([sys.executable, "-W", "error", "-c", TRAINING], cwd=ROOT, check=True,
                              capture_output=True, text=True,
                              env=os.environ | {"PYTHONHASHSEED": "random"}).stdout

    bits = train()
    assert len(bits) == 2 * 4 * (8 * 32 + 3 * 32 + 32 * 4 + 4) + 1
    assert train() == bits
