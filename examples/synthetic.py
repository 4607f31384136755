"""2-8-2 networks on the synthetic data of VU assignment 2, question 9.

    python examples/synthetic.py [--broken-relu]

The course measured accuracies of 0.9944 (sigmoid) and 0.9892 (ReLU), means of 40 seeds.  One
report has 0.9976 and, for ReLU, 0.5409: a ReLU that forgets the upstream gradient gives that, or
0.46, with a loss of 0.691, as all its units die.  All networks learn at once, in one graph.
"""
import os
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more only slow small networks down
sys.path.insert(0, os.path.dirname(__file__) + "/..")
import numpy as np  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

import edf  # noqa: E402
from edf_tools.progress import progress  # noqa: E402


class BrokenReLU(edf.ReLU):
    """ReLU with its local derivative alone, where dy times it is meant."""
    def dx(self, dy, x):
        return x > 0


def classify(x):
    """Return the class of each vector in x (..., 2): 1 where x^T Q x > 0.6, else 0."""
    return (((x @ [[1, 0.5], [1, 0.2]]) * x).sum(axis=-1) > 0.6).astype(int)


parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
option = parser.add_argument
option("--broken-relu", action="store_true", help="forget the upstream gradient, on purpose")
option("--examples", type=int, default=60000, help="points to learn from; 10000 more are held out")
option("--starts", type=int, default=5, help="networks of each kind, with different weights")
option("--lr", type=float, default=0.01, help="learning rate, for the sum of a batch's losses")
option("--epochs", type=int, default=20, help="passes over the points")
option("--seed", type=int, default=0, help="seed of all random numbers")
option("--plot", default="synthetic.png", help="file for the plot")
options = parser.parse_args()
edf.seed(options.seed)
train, held = np.split(edf.rng.normal(size=(options.examples + 10000, 2)), [options.examples])
print(f"data: {len(train)} points, 10000 held out, of these {classify(held).mean():.4f} in class 1")
print("settings:", *(f"{name}={value}" for name, value in vars(options).items()))
x, labels = edf.Input(), edf.Input()
kinds = {BrokenReLU: 0.5409} if options.broken_relu else {edf.Sigmoid: 0.9944, edf.ReLU: 0.9892}
losses = []
for kind in [*kinds] * options.starts:
    hidden = kind(edf.Affine(x, edf.Param(edf.glorot(2, 8)), edf.Param(np.zeros(8))))
    scores = edf.Affine(hidden, edf.Param(edf.glorot(8, 2)), edf.Param(np.zeros(2)))
    losses.append(edf.SoftmaxCrossEntropy(scores, labels))
goal, sgd = sum(edf.Sum(loss) for loss in losses), edf.SGD(options.lr)
for epoch in (bar := progress(range(1, options.epochs + 1), "training", unit="epochs")):
    for x.value, labels.value in edf.batches(train, classify(train), size=128):
        edf.forward()
        edf.backward(goal)
        sgd.step()
    x.value, labels.value = held, classify(held)
    edf.forward()
    table = [((loss.scores.value.argmax(axis=1) == labels.value).mean(), loss.value.mean())
             for loss in losses]
    right, mean = np.reshape(table, (-1, len(kinds), 2)).T      # each (kinds, starts)
    lines = [f"{kind.__name__} accuracy {right[i].mean():.4f} (sd {right[i].std():.4f}) "
             f"loss {mean[i].mean():.4f}" for i, kind in enumerate(kinds)]
    bar.print(f"epoch {epoch:2}:", "; ".join(lines))
line = np.linspace(-3, 3, 200)
grid = np.stack(np.meshgrid(line, line), axis=-1)
x.value, labels.value = grid.reshape(-1, 2), classify(grid).ravel()
edf.forward()
figure = Figure(figsize=(4.5 * len(kinds), 4.5), layout="constrained")
for panel, kind, loss in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, losses):
    panel.pcolormesh(line, line, loss.scores.value.argmax(axis=1).reshape(200, 200), vmin=0, vmax=1)
    panel.contour(line, line, classify(grid), [0.5], colors="red")
    panel.set(xlabel="x1", ylabel="x2", title=f"{kind.__name__}: class 1 yellow, true edge red")
figure.savefig(options.plot)
usual = (options.examples, options.epochs, options.lr) == (60000, 20, 0.01)
report = f"; the course reports {[*kinds.values()]}" if usual else ""
print("final:", "; ".join(lines) + report)
