"""How time and memory of EDF grow with depth, batch and width; memory beside PyTorch; import time.

Time and growth of memory are measured in a fresh process for each point.  Memory is the largest
resident set minus that after the imports: parameters, gradients, values, batch, and what the
framework loads at its first step.  Writes scaling.json and scaling.png.
"""
import json
import os
import statistics
import subprocess
import sys
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from contextlib import suppress

from peers import PEERS, TASKS, Task, environment, free_large_array, mlp
from run import OUT, machine, write_json

from edf_tools.progress import progress

CURVES = {
    "depth": [10, 30, 100, 300, 1000],              # layers of 64, batch 64
    "batch": [64, 256, 1024, 4096, 16384],          # W2
    "width": [64, 128, 256, 512, 1024, 2048]}       # two layers of width x width, batch 64
BESIDE = ["W2", "W3", "batch 16384"]    # where memory is compared with PyTorch's
MODULES = ["numpy", "numpy.random", "edf"]      # EDF needs both


def network(curve, n):
    """Return the task at one point of a curve."""
    widths = {"depth": [784] + [64] * n + [10], "batch": [784, 128, 10],
              "width": [784] + [n] * 3 + [10]}[curve]
    batch = n if curve == "batch" else 64
    return Task(f"{curve} {n}", "", (batch, 784), mlp(*widths, activation="relu"))


def memory(field):
    """Return the resident set (VmRSS) or its largest size so far (VmHWM) of this process in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024


def measure(name, task, least=0.5):
    """Return seconds for a step, the median of at least 5 and so many seconds, and MB."""
    __import__({"EDF": "edf", "PyTorch": "torch"}[name])
    free_large_array()
    images, start = task.data, task.start       # made before: both need them as arrays
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")                         # the largest so far is now the present one
    before = memory("VmRSS") - sum(a.nbytes for a in (*images, *start)) / 2 ** 20
    step, _, _ = PEERS[name][0](task)
    times, begin = [], time.perf_counter()
    while len(times) < 6 or time.perf_counter() - begin < least:
        tick = time.perf_counter()
        step()
        times.append(time.perf_counter() - tick)
    return statistics.median(times[1:]), memory("VmHWM") - before


def in_process(*args, threads=1):
    """Run this file with a request in a process of its own, and return its answer."""
    command = [sys.executable, __file__, "--request", json.dumps(args)]
    result = subprocess.run(command, env={**os.environ, **environment(threads)}, check=True,
                            capture_output=True, text=True)
    return json.loads(result.stdout)


def import_times(rounds):
    """Return the medians in ms of importing each of MODULES in fresh processes, in turns."""
    times = {module: [] for module in MODULES}
    root = os.path.dirname(os.path.abspath(__file__)) + "/.."
    compiled = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}    # compiled once, as is usual
    for _ in range(rounds + 1):
        for module, kept in times.items():
            code = ("from time import perf_counter; start = perf_counter(); "
                    f"import {module}; print(perf_counter() - start)")
            result = subprocess.run([sys.executable, "-c", code], cwd=root, env=compiled,
                                    check=True, capture_output=True, text=True)
            kept.append(float(result.stdout) * 1000)
    return {module: round(statistics.median(kept[1:]), 2) for module, kept in times.items()}


def plot(curves, path):
    """Draw time and memory of each curve, with the line of proportional growth to the last."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(11, 6), layout="constrained")
    for column, (curve, points) in zip(figure.subplots(2, 3).T, curves.items()):
        size = [n ** 2 if curve == "width" else n for n in points]
        for axes, values, unit in zip(column, zip(*points.values()), ["ms for a step", "MB"]):
            axes.plot(size, [values[-1] * s / size[-1] for s in size], "k:", label="proportional")
            axes.plot(size, values, "o", label="EDF")
            axes.set(xscale="log", yscale="log", ylabel=unit,
                     xlabel="width squared" if curve == "width" else curve)
            axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="imports, each in a new process")
    parser.add_argument("--repeats", type=int, default=3, help="processes for each point: median")
    parser.add_argument("--threads", type=int, default=1, help="threads of the BLAS")
    parser.add_argument("--request", help="(what a process of its own is asked)")
    options = parser.parse_args()
    if options.request:
        name, curve, n = json.loads(options.request)
        print(json.dumps(measure(name, network(curve, n) if n else TASKS[curve])))
        return

    bar = progress(words="scaling", unit="points",
                   total=sum(map(len, CURVES.values())) + 2 * len(BESIDE))

    def point(*args):
        answers = [in_process(*args, threads=options.threads) for _ in range(options.repeats)]
        bar.update()
        seconds, mb = map(statistics.median, zip(*answers))
        return round(seconds * 1000, 3), round(mb, 2)

    facts, curves, beside = {**machine(), "threads": options.threads}, {}, {}
    for curve, sizes in CURVES.items():
        curves[curve] = {n: point("EDF", curve, n) for n in sizes}
        bar.print(curve, curves[curve])
    with suppress(subprocess.CalledProcessError):       # PyTorch is not installed
        for place in BESIDE:
            curve, n = place.split() if " " in place else (place, 0)
            beside[place] = [point(name, curve, int(n))[1] for name in ("EDF", "PyTorch")]
    bar.clear()
    everything = {"facts": facts, "curves": curves, "memory": beside,
                  "import": import_times(options.rounds)}
    OUT.mkdir(parents=True, exist_ok=True)
    write_json(everything, OUT / "scaling.json")
    print(report(everything))
    try:
        plot(curves, OUT / "scaling.png")
    except ImportError:
        print("no plot: matplotlib is not installed")
    print(f"written to {OUT}")


def report(everything):
    """Return the tables, in Markdown, of what scaling.json holds."""
    beside, times = everything["memory"], everything["import"]
    lines = ["; ".join(f"{name}: {value}" for name, value in everything["facts"].items()) + "."]
    for curve, points in everything["curves"].items():
        lines += ["", f"| {curve} | ms for a step | MB |", "|---|---|---|"]
        lines += [f"| {n} | {ms:.2f} | {mb:.1f} |" for n, (ms, mb) in points.items()]
    if beside:
        lines += ["", "| memory, MB | EDF | PyTorch | ratio |", "|---|---|---|---|"]
        lines += [f"| {place} | {mine:.1f} | {theirs:.1f} | {mine / theirs:.2f} |"
                  for place, (mine, theirs) in beside.items()]
    lines += ["", "Import: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in times.items())
              + f"; edf over numpy.random {times['edf'] - times['numpy.random']:.1f} ms.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
