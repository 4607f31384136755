"""The network of examples/gpt.py: as PyTorch has it, and blind to what comes later."""

import json

import numpy as np
import pytest
from record_gpt import HERE, SIZES, data, functions, rate, starting_values, windows

import edf

GPT = functions("gpt")["gpt"]


def test_its_first_steps_are_those_of_pytorch():
    want = json.loads((HERE / "gpt_pytorch.json").read_text())["losses"]
    x, targets, _, loss = GPT(*SIZES)
    matrices = [param for param in edf.params if param.value.ndim == 2]
    for param, value in zip(matrices, starting_values([param.value.shape for param in matrices])):
        param.value = value
    assert sum(param.value.size for param in edf.params) == 112_577
    adam, losses = edf.AdamW(betas=(0.9, 0.99), weight_decay=0.1), []
    for step, (x.value, right) in enumerate(windows(data()[0], len(want))):
        targets.value = right.reshape(-1)
        edf.forward()
        edf.backward(loss)
        adam.lr = rate(step)
        adam.step()
        losses.append(loss.value.mean(dtype=float))
    assert len(want) == 20
    np.testing.assert_allclose(losses, want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("place", [0, 3, 6])
def test_no_letter_sees_a_later_one(place):
    x, targets, scores, _ = GPT(5, 7, 8, 2, 2)
    for param in edf.params:
        param.value = edf.rng.normal(size=param.value.shape)
    x.value, targets.value = edf.rng.integers(5, size=(3, 7)), np.zeros(21, int)
    edf.forward()
    before = scores.value.reshape(3, 7, 5).copy()
    x.value[:, place] = (x.value[:, place] + 1) % 5
    x.value = x.value
    edf.forward()
    changed = (scores.value.reshape(3, 7, 5) != before).any(axis=(0, 2))
    np.testing.assert_array_equal(changed, np.arange(7) >= place)


def test_its_gradients_are_right():
    x, targets, _, loss = GPT(5, 4, 6, 2, 1)
    x.value, targets.value = edf.rng.integers(5, size=(2, 4)), edf.rng.integers(5, size=8)
    for param in edf.params:
        param.value = edf.rng.normal(size=param.value.shape)
    edf.check_gradients(loss)
