"""The 2-3-2 network of VU assignment 1, computed in four ways: python examples/tiny_network.py

Python's numbers, NumPy row by row, NumPy in a batch and EDF must agree on loss and gradients to
12 digits.  Then come five steps of SGD; the course gives their losses, from 0.2620096252386088.
The weights of the assignment (--given) test little: the hidden units are alike, the loss log 2.
"""
import math
import os
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from timeit import timeit

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more only slow small networks down
sys.path.insert(0, os.path.dirname(__file__) + "/..")
import numpy as np  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

import edf  # noqa: E402

GIVEN = [[1, 1, 1], [-1, -1, -1]], [0, 0, 0], [[1, 1], [-1, -1], [-1, -1]], [0, 0]
ASYMMETRIC = [[1, .5, -1], [-1, 2, .25]], [.1, -.2, .3], [[1, -1], [-.5, 2], [.75, .3]], [0, .5]
REPORTED = 0.262009625239, 0.235754156607, 0.215161057329, 0.198084732942, 0.183465355327


def by_scalars(x, label, w, b, v, c):
    """Return the loss of one example, and the gradients of w, b, v and c, in one row."""
    h = [1 / (1 + math.exp(-x[0] * w[0][j] - x[1] * w[1][j] - b[j])) for j in range(3)]
    exp = [math.exp(sum(h[j] * v[j][k] for j in range(3)) + c[k]) for k in range(2)]
    dc = [exp[k] / sum(exp) - (k == label) for k in range(2)]
    dv = [h[j] * dc[k] for j in range(3) for k in range(2)]
    db = [(v[j][0] * dc[0] + v[j][1] * dc[1]) * h[j] * (1 - h[j]) for j in range(3)]
    dw = [x[i] * db[j] for i in range(2) for j in range(3)]
    return [math.log(sum(exp) / exp[label]), *dw, *db, *dv, *dc]


def by_arrays(x, labels, w, b, v, c):
    """Return the same, summed over the examples in the rows of x."""
    h = 1 / (1 + np.exp(-x @ w - b))
    exp = np.exp(h @ v + c)
    p = exp / exp.sum(axis=1, keepdims=True)
    dc = p - np.eye(2)[labels]
    db = dc @ v.T * h * (1 - h)
    dw, dv = (x.T @ db).ravel(), (h.T @ dc).ravel()
    return np.hstack([-np.log(p[range(len(x)), labels]).sum(), dw, db.sum(0), dv, dc.sum(0)])


def by_edf(loss):
    """Return the same from EDF, as means over the batch."""
    edf.forward()
    edf.backward(loss)
    return np.hstack([loss.value.mean(), *(param.grad.ravel() for param in edf.params)])


parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
parser.add_argument("--given", action="store_true", help="take the weights of the assignment")
parser.add_argument("--plot", default="tiny_network.png", help="file for the plot")
options = parser.parse_args()
print(f"data: 3 examples of 2 classes; settings: {vars(options)}")
x, labels = np.array([[1, -1], [0.5, 2], [-1.5, 0.25]]), np.array([0, 1, 1])
lists = GIVEN if options.given else ASYMMETRIC
weights = [np.array(part, float) for part in lists]
edf.dtype = np.float64
w, b, v, c = map(edf.Param, weights)
scores = edf.Affine(edf.Sigmoid(edf.Affine(edf.Input(x), w, b)), v, c)
loss = edf.SoftmaxCrossEntropy(scores, edf.Input(labels))
ways = {"scalars": lambda: [sum(numbers) / 3 for numbers in zip(*(
            by_scalars(row, label, *lists) for row, label in zip(x.tolist(), labels)))],
        "vectors": lambda: sum(by_arrays(x[[i]], labels[[i]], *weights) for i in range(3)) / 3,
        "batch": lambda: by_arrays(x, labels, *weights) / 3, "EDF": lambda: by_edf(loss)}
results = [way() for way in ways.values()]
times = {name: 5000 * timeit(way, number=200) for name, way in ways.items()}
print("microseconds:", ", ".join(f"{name} {time:.1f}" for name, time in times.items()))
for step, reported in enumerate([math.log(2)] if options.given else REPORTED):
    print(f"step {step}: loss {by_edf(loss)[0]:.16f}, reported {reported:.12f}")
    edf.SGD(lr=0.5).step()
axes = Figure(layout="constrained").subplots()
axes.bar(list(times), list(times.values()))
axes.set(xlabel="way", ylabel="microseconds", title="Time of a forward and backward pass")
axes.figure.savefig(options.plot)
print(f"final: largest difference between the four ways {np.ptp(results, axis=0).max():.1e}")
