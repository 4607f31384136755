"""The table of times: what it names, and that it leaves the graph as a run does."""

import re

import numpy as np
import pytest

import edf
from edf import Affine, Conv2d, Input, MatMul, Param, Reshape, Sigmoid, SoftmaxCrossEntropy
from edf_tools import timing


def network():
    draw = np.random.default_rng(0)
    x, labels = Input(draw.normal(size=(5, 2, 6, 6))), Input([0, 2, 1, 1, 0])
    maps = Conv2d(x, Param(draw.normal(size=(3, 2, 3, 3))), Param(draw.normal(size=3)), stride=2)
    maps = Conv2d(Sigmoid(maps), Param(draw.normal(size=(4, 3, 2, 2))), Param(np.zeros(4)))
    hidden = MatMul(Reshape(maps, (-1, 4)), Param(draw.normal(size=(4, 6))))
    scores = Affine(Sigmoid(hidden), Param(draw.normal(size=(6, 3))), Param(draw.normal(size=3)))
    return SoftmaxCrossEntropy(scores, labels)


def test_the_table_has_a_line_for_each_function_and_adds_up():
    loss = network()
    lines = str(edf.profile(loss, steps=3)).splitlines()
    names = [str(edf.label(node)) for node in edf.components if node.inputs]
    assert [line.split()[0] for line in lines] == ["component", *names, "total"]
    numbers = [[float(text) for text in re.findall(r" (\d+\.\d)\b", line)] for line in lines[1:]]
    total = numbers.pop()
    for column in 0, 1:
        assert total[column] == pytest.approx(sum(row[column] for row in numbers), abs=1)
    with_floor = [name for name, row in zip(names, numbers) if len(row) == 3]
    assert [name.split("[")[0] for name in with_floor] == ["Conv2d", "Conv2d", "MatMul", "Affine"]
    assert total[2] == pytest.approx(sum(row[2] for row in numbers if len(row) == 3), abs=1)
    assert re.search(r" 100%  +\d+\.\d, \d+% of it$", lines[-1])


def test_the_products_are_those_of_the_formulas(float64):
    loss = network()
    edf.forward()
    edf.backward(loss)
    for node in edf.components:
        results = [a @ b for a, b in timing.products(node)]
        if isinstance(node, Affine):
            value, dx, dw = results
            np.testing.assert_allclose(value + node.b.value, node.value)
            np.testing.assert_allclose(dx, node.x.grad)
            np.testing.assert_allclose(dw, node.w.grad)
        elif isinstance(node, MatMul):
            np.testing.assert_allclose(results[0], node.value)
            np.testing.assert_allclose(results[2], node.b.grad)
        elif isinstance(node, Conv2d):
            kernels = node.w.value
            dw, more = results[1], results[2:]
            np.testing.assert_allclose(dw.reshape(kernels.shape), node.w.grad)
            assert len(more) == node.x.needs_grad       # nothing goes into an Input
        else:
            assert results == []


def test_the_graph_is_afterwards_as_before():
    loss = network()
    edf.profile(loss, steps=2)
    assert loss.value is loss.grad is None
    edf.forward()
    edf.backward(loss)
    before = [vars(node).copy() for node in edf.components]
    edf.profile(loss, steps=2)
    assert list(map(vars, edf.components)) == before


def test_a_hundred_runs_in_training_mode_change_no_model():
    x = Input(np.random.default_rng(1).normal(3, 2, size=(50, 4)))
    h = edf.BatchNorm(x, Param(np.ones(4)), Param(np.zeros(4)))
    loss = edf.Sum(edf.Dropout(h, 0.5) ** 2)
    edf.forward()
    with edf.evaluating():
        edf.forward()
    want, state = loss.value, edf.rng.bit_generator.state
    edf.profile(loss)
    assert edf.rng.bit_generator.state == state
    with edf.evaluating():
        edf.forward()
    assert loss.value == want


def test_an_error_leaves_no_clock_behind(monkeypatch):
    loss = network()
    runs = []

    def fail(self, dy, x):
        runs.append(1)
        if len(runs) > 4:
            raise ValueError("now")
        return dy
    monkeypatch.setattr(Sigmoid, "dx", fail)
    with pytest.raises(ValueError, match="now"):
        edf.profile(loss)
    assert not any({"forward", "backward"} & set(vars(node)) for node in edf.components)
    with pytest.raises(TypeError, match="the loss"):
        edf.profile(None)
