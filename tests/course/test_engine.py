"""The engine in sixty lines does what edf.py does."""

import inspect

import numpy as np
import pytest

import edf
import mnist_loader
from problem_sets import engine


@pytest.fixture(autouse=True)
def fresh_engine():
    engine.components.clear()
    engine.params.clear()


def test_it_is_at_most_sixty_lines():
    assert len(inspect.getsource(engine).splitlines()) <= 60


def test_it_trains_the_network_of_the_readme_to_the_same_figure_bit_for_bit():
    data = mnist_loader.load("digits")
    images, labels = data.train_images.reshape(-1, 784), data.train_labels
    values = [edf.he(784, 100), np.zeros(100), edf.he(100, 10), np.zeros(10)]

    def build(kind, affine, relu, loss):
        x, answers, (w1, b1, w2, b2) = kind.Input(), kind.Input(), map(kind.Param, values)
        scores = affine(relu(affine(x, w1, b1)), w2, b2)
        return x, answers, scores, loss(scores, answers)

    theirs = build(edf, edf.Affine, edf.ReLU, edf.SoftmaxCrossEntropy)
    mine = build(engine, lambda x, w, b: engine.Affine(x=x, w=w, b=b),
                 lambda x: engine.ReLU(x=x),
                 lambda scores, labels: engine.SoftmaxCrossEntropy(scores=scores, labels=labels))
    sgd = edf.SGD(lr=0.1)
    for batch in edf.batches(images, labels, size=16, shuffle=True):
        for x, answers, *_ in theirs, mine:
            x.value, answers.value = batch
        edf.forward()
        edf.backward(theirs[3])
        engine.forward()
        engine.backward(mine[3])
        for param, twin in zip(edf.params, engine.params, strict=True):
            assert param.grad.tobytes() == twin.grad.tobytes()
        sgd.step()
        engine.sgd(lr=0.1)
    for param, twin in zip(edf.params, engine.params):
        assert param.value.tobytes() == twin.value.tobytes()
    theirs[0].value = mine[0].value = data.test_images.reshape(-1, 784)
    theirs[1].value = mine[1].value = data.test_labels
    edf.forward()
    engine.forward()
    wrong = [(scores.value.argmax(axis=1) != data.test_labels).mean()
             for _, _, scores, _ in (theirs, mine)]
    assert wrong[0] == wrong[1] < 0.2


def test_a_value_that_is_used_twice_gets_the_sum_of_its_gradients():
    w, b = engine.Param([[2.0]]), engine.Param([1.0])
    x = engine.ReLU(x=engine.Param([[3.0]]))
    loss = engine.Affine(x=engine.Affine(x=x, w=w, b=b), w=w, b=b)     # (3 w + b) w + b
    engine.forward()
    engine.backward(loss)
    assert (loss.value, w.grad, b.grad) == (15, 2 * 3 * 2 + 1, 2 + 1)
