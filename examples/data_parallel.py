"""One network on several processes: each takes its share of a batch, and gradients are averaged.

mpiexec -n 2 python -m mpi4py examples/data_parallel.py --network cnn

After backward one Allreduce adds up all gradients, and each process takes the same step, so that
their parameters stay the same to the last bit.  Dropout draws another mask in each; BatchNorm
standardizes over the share, and its statistics are averaged before use.  See docs/cluster.md.
"""
import os
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a core for each process
sys.path.insert(0, os.path.dirname(__file__) + "/..")
import numpy as np  # noqa: E402
from mpi4py import MPI  # noqa: E402

import edf  # noqa: E402
import mnist_loader  # noqa: E402

world, rank, size = MPI.COMM_WORLD, MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size


def affine(x, fan_in, fan_out):
    return edf.Affine(x, edf.Param(edf.he(fan_in, fan_out)), edf.Param(np.zeros(fan_out)))


def mlp(x, side):
    x = edf.ReLU(affine(edf.Reshape(x, (-1, side ** 2)), side ** 2, 300))
    return affine(edf.ReLU(affine(x, 300, 300)), 300, 10)


def cnn(x, side, normalise=False):
    x = edf.Reshape(x, (-1, 1, side, side))
    for channels, filters in (1, 8), (8, 16):       # each halves height and width
        w = edf.Param(edf.he(channels * 9, filters).T.reshape(filters, channels, 3, 3))
        x = edf.Conv2d(x, w, edf.Param(np.zeros(filters)), stride=2, padding=1)
        if normalise:
            x = edf.BatchNorm(x, edf.Param(np.ones(filters)), edf.Param(np.zeros(filters)))
        x, side = edf.ReLU(x), -(-side // 2)
    return affine(edf.Reshape(x, (-1, 16 * side ** 2)), 16 * side ** 2, 10)


def average(arrays):
    """Return the means of arrays over the processes, in the order given, by one exchange."""
    flat = np.concatenate([np.ravel(array) for array in arrays])
    world.Allreduce(MPI.IN_PLACE, flat)
    parts = np.split(flat / size, np.cumsum([np.size(array) for array in arrays])[:-1])
    return [part.reshape(np.shape(array)) for part, array in zip(parts, arrays)]


def share(n, seed, epoch):
    """Return the rows that fall to this process, as many as to each of the others."""
    order = np.random.default_rng([seed, epoch]).permutation(n)     # the same in each
    return order[:n - n % size][rank::size]


def train(network, data, optimiser, epochs, batch=64, seed=1, folder="."):
    """Train, with a checkpoint after each epoch; a second start goes on from the last one."""
    edf.clear()
    edf.seed(seed)                                  # the same starting values
    x, labels = edf.Input(), edf.Input()
    scores = network(x, data.train_images.shape[1])
    loss = edf.SoftmaxCrossEntropy(scores, labels)
    last = world.bcast(max([0, *(int(file.stem[6:]) for file in Path(folder).glob("epoch-*.npz"))]))
    if last:
        edf.load(Path(folder, f"epoch-{last}.npz"), optimiser)
    for epoch in range(last + 1, epochs + 1):
        edf.seed(seed + size * epoch + rank)        # another mask of Dropout in each
        start, mine = MPI.Wtime(), share(len(data.train_images), seed, epoch)
        for x.value, labels.value in edf.batches(data[1][mine], data[2][mine], size=batch // size):
            edf.forward()
            edf.backward(loss)
            learned = edf.learned()
            for param, grad in zip(learned, average([param.grad for param in learned])):
                param.grad = grad
            optimiser.step()
        for norm in [node for node in edf.components if isinstance(node, edf.BatchNorm)]:
            norm.mean, norm.variance = average([norm.mean, norm.variance])
        with edf.evaluating():
            x.value, labels.value = data[3][rank::size], data[4][rank::size]
            edf.forward()
        right = world.allreduce(int((scores.value.argmax(axis=1) == labels.value).sum()))
        if rank == 0:
            edf.save(Path(folder, f"epoch-{epoch}.npz"), optimiser)
            print(f"epoch {epoch}: accuracy {right / len(data[3]):.4f} on {data.name}, {size} x "
                  f"{MPI.Wtime() - start:.1f} s", flush=True)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--network", choices=["mlp", "cnn"], default="mlp", help="see the source")
    parser.add_argument("--data", choices=["auto", "mnist", "digits"], default="auto", help="data")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the training images")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch, of all together")
    parser.add_argument("--folder", default=".", help="for the checkpoints")
    options = parser.parse_args()
    train({"mlp": mlp, "cnn": cnn}[options.network], mnist_loader.load(options.data),
          edf.SGD(0.1, 0.9), options.epochs, options.batch, folder=options.folder)
