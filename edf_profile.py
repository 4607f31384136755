"""Where the time of a graph goes, component by component.

    print(edf_profile.profile(loss))
"""

from statistics import median
from time import perf_counter

import numpy as np

import edf
import edf_view


def profile(loss, steps=100):
    """Run the graph so many times; return a table of the times, in microseconds.

    For each component that computes something: the medians of its forward and
    its backward, their share of the whole, and the floor, which is what its
    matrix products take alone, into arrays that are there already.  What is
    above the floor is the price of all else, such as exp, a sum, or Python.
    The step of an optimiser is not part of it.

    Raises what forward() and backward(loss) raise.
    """
    edf.forward()
    edf.backward(loss)
    nodes = [node for node in edf.components if node.inputs]
    ways = [(node, way) for node in nodes for way in ("forward", "backward")]
    times = {key: [] for key in ways}
    try:
        for node, way in ways:
            setattr(node, way, timed(getattr(node, way), times[node, way]))
        for _ in range(steps):
            edf.forward()
            edf.backward(loss)
    finally:
        try:
            stop(ways)
        finally:
            stop(ways)      # again: an interruption may have cut the first short
    spent = {node: [1e6 * median(times[node, way] or [0])
                    for way in ("forward", "backward")] for node in nodes}
    floors = {node: 1e6 * sum(alone(a, b, steps) for a, b in products(node))
              for node in nodes}
    total = sum(map(sum, spent.values()))
    rows = [["component", "forward", "backward", "share", "floor"]]
    for node in nodes:
        share, floor = sum(spent[node]) / total, floors[node]
        rows.append([edf.label(node), *(f"{t:8.1f}" for t in spent[node]),
                     f"{share:5.0%}", f"{floor:7.1f}" if floor else ""])
    floor = sum(floors.values())
    forward, backward = map(sum, zip(*spent.values()))
    rows.append(["total", f"{forward:8.1f}", f"{backward:8.1f}", " 100%",
                 f"{floor:7.1f}, {floor / total:.0%} of it"])
    return edf_view.View(edf_view.table(rows))


def timed(method, seconds):
    """Return the method, with a list to which it appends how long it takes."""
    def run():
        start = perf_counter()
        method()
        seconds.append(perf_counter() - start)
    return run


def stop(ways):
    """Remove the clocks: the class of a component has its methods still."""
    for node, way in ways:
        vars(node).pop(way, None)


def alone(a, b, steps):
    """Return the median time of the product a @ b, in seconds."""
    out, seconds = a @ b, []
    multiply = timed(lambda: np.matmul(a, b, out=out), seconds)
    for _ in range(steps):
        multiply()
    return median(seconds)


def products(node):
    """Return the pairs of matrices that a component multiplies in one step."""
    if isinstance(node, edf.Affine):
        a, b = edf.as_matrix(node.x.value), node.w.value
    elif isinstance(node, edf.MatMul):
        a, b = node.a.value, node.b.value
    elif isinstance(node, edf.Conv2d):      # every kernel times every window
        a, b = node.w.value.reshape(len(node.w.value), -1), node.cut
    else:
        return []
    pairs = [(a, b)]
    if node.grad is not None:
        dy = edf.batch_last(node.grad) if isinstance(node, edf.Conv2d) else node.grad
        dy = dy.reshape(*np.shape(a @ b))
        left, right = node.inputs[:2]
        if isinstance(node, edf.Conv2d):
            left, right = right, left
        if left.needs_grad:
            pairs.append((dy, np.swapaxes(b, -1, -2)))
        if right.needs_grad:
            pairs.append((np.swapaxes(a, -1, -2), dy))
    return pairs
