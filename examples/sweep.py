"""Many trainings at once, on Dask: rates, momenta, widths and seeds of a perceptron on MNIST.

python examples/sweep.py --workers 8, or on a cluster --scheduler tcp://127.0.0.1:8786.  A trial is
a line in a file as soon as it ends; a second start goes on from there.  See docs/cluster.md.
"""
import ctypes
import json
import os
import platform
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from itertools import product
from threading import Lock

os.environ.setdefault("DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION", "1")    # nothing waits on
sys.path.insert(0, os.path.dirname(__file__) + "/..")       # a worker that another trial may kill
import numpy as np  # noqa: E402
from distributed import Client, LocalCluster, WorkerPlugin, as_completed, get_worker  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

import edf  # noqa: E402
import mnist_loader  # noqa: E402
from edf_tools.progress import progress  # noqa: E402

GRID = {"lr": [0.03, 0.1, 0.3, 1.0], "momentum": [0.0, 0.9], "width": [64], "seed": [1, 2, 3]}


class Equipment(WorkerPlugin):
    """What every worker gets, also one that joins or restarts later: data, a lock, settings."""

    def __init__(self, source):
        self.name, self.source = "equipment", source

    def setup(self, worker):
        if platform.libc_ver()[0] == "glibc":       # Dask sets MALLOC_TRIM_THRESHOLD_, by which
            ctypes.CDLL(None).mallopt(-1, 1 << 30)  # glibc returns each large array at once, and
            ctypes.CDLL(None).mallopt(-3, 1 << 25)  # a trial takes 2.5 times as long
        threadpool_limits(1)                        # of BLAS: more, and processes wait in turns
        self.data, self.lock = mnist_loader.load(self.source), Lock()


def trial(setting, data):
    """Train a perceptron for two epochs; return setting, loss and error: numbers, no components."""
    edf.dtype = np.float32
    edf.clear()
    edf.seed(setting["seed"])
    x, labels, pixels, width = edf.Input(), edf.Input(), data[1][0].size, setting["width"]
    w1, w2 = edf.Param(edf.he(pixels, width)), edf.Param(edf.he(width, 10))
    hidden = edf.ReLU(edf.Affine(edf.Reshape(x, (-1, pixels)), w1, edf.Param(np.zeros(width))))
    scores = edf.Affine(hidden, w2, edf.Param(np.zeros(10)))
    loss, sgd = edf.SoftmaxCrossEntropy(scores, labels), edf.SGD(setting["lr"], setting["momentum"])
    for _ in range(2):
        for x.value, labels.value in edf.batches(*data[1:3], size=100, shuffle=True):
            edf.forward()
            edf.backward(loss)
            sgd.step()
    x.value, labels.value = data[3:5]
    edf.forward()
    return {**setting, "data": data.name, "loss": float(loss.value.mean()),
            "error": float(np.mean(scores.value.argmax(axis=1) != labels.value))}


def on_worker(setting):
    """Run a trial on a worker; those of two clients wait for each other."""
    equipment = get_worker().plugins["equipment"]
    with equipment.lock:
        return trial(setting, equipment.data)


def sweep(client, settings, out, source="auto", function=on_worker):
    """Run the trials that a file lacks, write each to it as it ends, and return all rows.

    One that failed has a `failure` in its row, and runs again at the next start.
    Raises RuntimeError if a worker has several threads: two trials would share one graph.
    """
    if any(worker["nthreads"] > 1 for worker in client.scheduler_info(-1)["workers"].values()):
        raise RuntimeError("a worker has several threads: start workers with --nthreads 1")
    client.register_plugin(Equipment(source))
    with open(out, "a+") as file:
        file.seek(0)
        rows = [json.loads(line) for line in file if '"error"' in line and line.endswith("}\n")]
        done = [tuple(row[name] for name in GRID) for row in rows]
        todo = [setting for setting in settings if tuple(setting.values()) not in done]
        file.write("\n" * (file.tell() > 0))    # the last line may have been cut off
        futures = dict(zip(client.map(function, todo, pure=False), todo))
        ended = as_completed(list(futures), with_results=True, raise_errors=False)
        for future, row in progress(ended, "trials", total=len(todo)):
            setting = futures.pop(future)       # dropped, so that Dask forgets its result
            if future.status != "finished":     # "error", or "cancelled": the scheduler is gone
                row = setting | {"failure": f"{future.status}: {row and row[1]!r}"}
            rows.append(row)
            print(json.dumps(row), file=file, flush=True)
    return rows


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--scheduler", help="address of a Dask scheduler; else on this machine")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes here")
    parser.add_argument("--data", choices=["auto", "mnist", "digits"], default="auto", help="data")
    parser.add_argument("--out", default="sweep.jsonl", help="file for rows; the plot is beside it")
    for name, grid in GRID.items():
        parser.add_argument(f"--{name}", type=type(grid[0]), nargs="+", default=grid, help="tried")
    given = vars(parser.parse_args())
    settings = [dict(zip(GRID, values)) for values in product(*(given[name] for name in GRID))]
    cluster = given["scheduler"] or LocalCluster(n_workers=given["workers"], threads_per_worker=1)
    with Client(cluster) as client:
        rows = sweep(client, settings, given["out"], given["data"])
    axes, ended = Figure(layout="constrained").subplots(), [row for row in rows if "error" in row]
    for momentum, width in product(given["momentum"], given["width"]):
        means = [np.mean([row["error"] for row in ended if (momentum, width, lr) == (
                 row["momentum"], row["width"], row["lr"])] or np.nan) for lr in given["lr"]]
        print(f"momentum {momentum}, width {width}: mean error",
              ", ".join(f"{mean:.4f} at lr {lr}" for mean, lr in zip(means, given["lr"])))
        axes.plot(given["lr"], means, "o-", label=f"momentum {momentum}, width {width}")
    axes.set(xlabel="learning rate", ylabel="mean error over the seeds", xscale="log")
    axes.legend(title=", ".join({row["data"] for row in ended}))
    axes.figure.savefig(given["out"] + ".png")
    print(f"{len(rows) - len(ended)} of {len(rows)} failed: see {given['out']}")
