"""Time one training step of EDF, of other frameworks, by hand, and of the matrix products alone.

Each runs in a process of its own, with the number of threads set before it is imported.  They
take turns in rounds, one at a time; what is reported is the median over the rounds.  Before that,
all gradients of each are compared with EDF's.  See benchmarks/README.md.
"""
import json
import multiprocessing
import os
import platform
import re
import statistics
import sys
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from datetime import date
from pathlib import Path

import numpy as np
from peers import PEERS, TASKS, environment, work

from edf_tools.progress import progress

RATIOS = [      # a / b: how many times as long a takes
    ("EDF", "by hand"), ("PyTorch", "EDF"), ("JAX", "EDF")]
SHOWN = {       # the networks of the picture, small ones first
    "W1": "perceptron 784-64-10", "W2": "784-128-10, ReLU", "W5": "the same, Adam",
    "W4": "ten layers of 64", "GPT": "GPT, 16 wide", "W6": "two convolutions", "LeNet": "LeNet",
    "GPT32": "GPT, batch 32", "LSTM": "LSTM, 32 steps", "W3": "784-3136-10",
    "BN": "conv-BatchNorm-pool"}
EPOCHS = {"W1": "a perceptron 784-64-10", "W6": "two convolutions"}     # of batch 64
BESIDE = {"by hand": "black", "PyTorch": "tab:red", "JAX": "tab:blue"}      # in its lines
TOLERANCE = 1e-4    # of the largest entry of each gradient: what float32 leaves after 12 layers
DRIFT = 1e-2        # of the length of the way that each parameter went in three steps
DISTURBED = 0.25    # cores that other processes used during a turn
OUT = Path(__file__).resolve().parent.parent / "build" / "bench"


class Worker:
    """A process that runs one framework."""

    def __init__(self, name, threads):
        self.name = name
        os.environ.update(environment(threads))     # the process inherits it
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, name), daemon=True)
        self.process.start()
        other.close()

    def ask(self, *request):
        """Return the answer to a request, and the reason if there is none."""
        try:
            self.pipe.send(request)
            return self.pipe.recv()
        except (EOFError, BrokenPipeError):
            return None, "failed: its process ended"


def differs(mine, theirs, scales, tolerance):
    """Return what is wrong with these arrays, each compared with mine on its scale, or None."""
    for i, (a, b, scale) in enumerate(zip(mine, theirs, scales)):
        if a.shape != b.shape or b.dtype != np.float32:
            return f"parameter {i}: {b.dtype} {b.shape} in place of float32 {a.shape}"
        error = np.abs(a - b).max() / max(scale, 1e-30)
        if not error <= tolerance:
            return f"parameter {i}: off by {error:.1e} of the scale"
    return None if len(mine) == len(theirs) else "another number of parameters"


def agree(task, workers):
    """Build a task in all workers; return those that agree with EDF, and what the others say."""
    edf = workers[0]
    grads, error = edf.ask("build", task)
    assert error is None, error
    params, _ = edf.ask("moved", task, 3)
    start = TASKS[task].start
    ready, notes = [edf], {}
    for worker in workers[1:]:
        theirs, error = worker.ask("build", task)
        if theirs is not None:
            scales = [np.abs(g).max() for g in grads]
            error = differs(grads, theirs, scales, TOLERANCE)
            error = error and "gradients disagree: " + error
        if theirs is not None and not error and TASKS[task].optimiser:
            moved, error = worker.ask("moved", task, 3)
            scales = [np.linalg.norm(p - q) for p, q in zip(params, start)]
            error = error or differs(params, moved, scales, DRIFT)
            error = error and "after three steps, " + error
        if error:
            notes[worker.name] = error
        else:
            ready.append(worker)
    return ready, notes


def race(task, workers, rounds, seconds):
    """Return {name: figures} of the workers, which take turns of so many seconds in each round."""
    counts, turns = {}, {worker.name: [] for worker in workers}
    for worker in workers:      # this warms up too: what compiles has compiled then
        count = 3
        for _ in range(3):
            turn, error = worker.ask("turn", task, count)
            count = max(3, int(seconds / turn[0])) if turn else count
        counts[worker.name] = count
    for i in progress(range(rounds), task, unit="rounds"):
        first = i % len(workers)            # nobody always follows the same one
        for worker in workers[first:] + workers[:first]:
            for _ in range(3):              # a disturbed turn is repeated, twice at most
                time.sleep(0.05)            # until the threads of the last one sleep
                turn, error = worker.ask("turn", task, counts[worker.name])
                if not turn or not disturbed(turn):
                    break
            if turn:
                turns[worker.name].append(turn)
    return {name: summary(turns) for name, turns in turns.items() if turns}


def disturbed(turn):
    """Return whether other processes used more than DISTURBED cores during a turn."""
    return turn[2] is not None and turn[2] > DISTURBED


def summary(turns):
    """Return median and quartiles in microseconds, cores used, and the share of disturbed turns."""
    steps, cores, others = zip(*turns)
    figures = {**dict(zip(["median", "low", "high"], np.percentile(steps, [50, 25, 75]) * 1e6)),
               "cores": statistics.median(cores),
               "disturbed": sum(map(disturbed, turns)) / len(turns)}
    return {name: float(f"{x:.4g}") for name, x in figures.items()}


def compare(tasks, names, threads, rounds, seconds):
    """Return the results of all tasks with so many threads, and the versions of the frameworks."""
    everyone = [Worker(name, threads) for name in names]
    workers, versions, results = [], {}, {}
    for worker in everyone:
        versions[worker.name], error = worker.ask("version")
        workers += [worker] * (not error)
    for task in tasks:
        ready, notes = agree(task, workers)
        agreed = [worker.name for worker in ready if worker.name not in ("EDF", "floor")]
        print(f"{task}, threads: {threads}: gradients agree with EDF's: "
              f"{', '.join(agreed) or 'nobody to compare'}", flush=True)
        for name, note in notes.items():
            print(f"    without {name}: {note}", flush=True)
        results[task] = {"figures": race(task, ready, rounds, seconds), "notes": notes}
        for worker in workers:
            worker.ask("drop", task)
    for worker in everyone:
        worker.process.terminate()
    return results, versions


def machine():
    """Return what the figures depend on: processor, system, NumPy and its BLAS, load."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":")[1].strip() for line in file if "model name" in line),
                         model)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    core = os.environ.get("OPENBLAS_CORETYPE", "detected by itself")
    try:
        from threadpoolctl import threadpool_info
        core = next((info["architecture"] for info in threadpool_info()
                     if info["user_api"] == "blas" and "architecture" in info), core)
    except ImportError:
        pass
    load = ", ".join(f"{load:.2f}" for load in os.getloadavg()) if hasattr(os, "getloadavg") else ""
    return {"date": str(date.today()), "processor": f"{model}, {os.cpu_count()} cores",
            "system": platform.platform(terse=True), "Python": platform.python_version(),
            "NumPy": np.__version__, "BLAS": f"{blas['name']} {blas['version']}, kernels: {core}",
            "load before": load}


def ratio(figures, a, b):
    """Return how many times as long as b a takes, or None if one of the two is missing."""
    return figures[a]["median"] / figures[b]["median"] if {a, b} <= figures.keys() else None


def answers(everything):
    """Return what a newcomer wants to know, in three lines of Markdown and a picture."""
    threads, tasks = next(iter(everything["results"].items()))
    whole = [task for task in SHOWN if task in tasks]

    def span(a, b):
        """Return from which to which network a takes how many times as long as b."""
        found = {task: r for task in whole if (r := ratio(tasks[task]["figures"], a, b))}
        if not found:
            return "(not measured)"
        least, most = min(found, key=found.get), max(found, key=found.get)
        return f"{found[least]:.1f} ({SHOWN[least]}) to {found[most]:.1f} ({SHOWN[most]})"

    epochs = [f"{938e-6 * tasks[task]['figures']['EDF']['median']:.1f} s with {network}"
              for task, network in EPOCHS.items() if task in tasks]
    busy = statistics.mean(task["figures"]["EDF"]["disturbed"] for task in tasks.values()) > 0.25
    return "\n".join([
        f"- An epoch on MNIST, 938 batches of 64, takes {' and '.join(epochs)} (threads: {threads}"
        f"{'; disturbed by other programs' * busy}).",
        f"- PyTorch takes {span('PyTorch', 'EDF')} times as long as EDF for a training step; JAX, "
        f"which compiles it, {span('JAX', 'EDF')} times.",
        f"- EDF takes {span('EDF', 'by hand')} times as long as a step of NumPy by hand, written "
        "for one network.", "",
        "![Time for a training step of each network, relative to that of EDF](times.png)", ""])


def report(everything):
    """Return the tables, in Markdown, of what results.json holds."""
    facts, versions, results = (everything[key] for key in ("facts", "versions", "results"))
    absent = [name for name, version in versions.items() if version is None]
    names = [name for name in versions if name not in absent]
    used = [task for task in TASKS if any(task in tasks for tasks in results.values())]
    lines = [*(f"- {task}: {TASKS[task].text}" for task in used), "",
             "; ".join(f"{name}: {value}" for name, value in facts.items()) + ".", "",
             "Versions: " + ", ".join(f"{name} {versions[name]}" for name in names
                                      if PEERS[name][1] != "numpy")
             + ". Not installed: " + (", ".join(absent) or "none") + "."]
    for threads, tasks in results.items():
        count = f"{threads} thread{'s' * (threads != '1')}"
        lines += ["", f"Microseconds for a step, {count}: median (quartiles over the rounds)", ""]
        lines += table(names, {task: [cell(result["figures"].get(name)) for name in names]
                               for task, result in tasks.items()})
        cores = {name: [result["figures"][name]["cores"] for result in tasks.values()
                        if name in result["figures"]] for name in names}
        lines += ["", "Cores that each used (median): " + ", ".join(
            f"{name} {statistics.median(used):.2f}" for name, used in cores.items() if used) + "."]
        pairs = [(a, b) for a, b in RATIOS if {a, b} <= set(names)]
        rows = {task: [ratio(result["figures"], a, b) for a, b in pairs]
                for task, result in tasks.items()}
        lines += ["", f"Ratios, {count}", ""]
        lines += table([f"{a} / {b}" for a, b in pairs], {
            task: ["" if r is None else f"{r:.2f}" for r in row] for task, row in rows.items()})
    notes = {}
    for tasks in results.values():
        for task, result in tasks.items():
            for name, note in result["notes"].items():
                notes.setdefault(f"without {name}: {note}", {})[task] = None
    lines += [""] + [f"- {', '.join(tasks)} {note}" for note, tasks in notes.items()]
    lines += ["", f"! : in more than a quarter of its turns other processes used more than "
              f"{DISTURBED} cores.", ""]
    return "\n".join(lines)


def table(names, rows):
    """Return the lines of a table with these columns, and rows {name: cells}."""
    return ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|",
            *(f"| {row} | " + " | ".join(cells) + " |" for row, cells in rows.items())]


def cell(figure):
    """Return the text of one figure."""
    if figure is None:
        return "-"
    mark = " !" if figure["disturbed"] > 0.25 else ""
    return "{:.0f} ({:.0f}-{:.0f})".format(*(figure[k] for k in ("median", "low", "high"))) + mark


def plot(tasks, path):
    """Draw how long the others take for each network, in steps of EDF, on a logarithmic axis."""
    from matplotlib.figure import Figure
    whole = [task for task in SHOWN if task in tasks]
    figure = Figure(figsize=(8, 1 + 0.4 * len(whole)), layout="constrained")
    axes = figure.subplots()
    for name, color in BESIDE.items():
        points = [(ratio(tasks[task]["figures"], name, "EDF"), i) for i, task in enumerate(whole)
                  if name in tasks[task]["figures"]]
        axes.plot(*zip(*points), "o", color=color, label=name)
    axes.axvline(1, color="gray", linewidth=4, zorder=0, label="EDF")
    axes.set(xscale="log", xlabel="time for a training step, that of EDF = 1")
    axes.set_xticks(ticks := [0.2, 0.5, 1, 2, 5], [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(whole)), [SHOWN[task] for task in whole])
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(BESIDE) + 1, frameon=False)
    figure.savefig(path, dpi=100)


def write_json(everything, path):
    """Write nested dicts, with one line for each of the innermost."""
    text = json.dumps(everything, indent=1)
    path.write_text(re.sub(r"{[^{}]*}", lambda inner: " ".join(inner[0].split()), text) + "\n")


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    option = parser.add_argument
    option("--quick", action="store_true", help="W1, W2 and W4, 4 rounds of short turns; without "
           "tinygrad, which takes long to compile")
    option("--tasks", default=",".join(TASKS), help="which workloads")
    option("--peers", default=",".join(PEERS), help="which frameworks; EDF is always there")
    option("--threads", default="1,2", help="numbers of threads")
    option("--rounds", type=int, default=15, help="turns of each framework")
    option("--seconds", type=float, default=0.25, help="length of a turn, about")
    option("--out", type=Path, default=OUT, help="folder for results.json and times.png")
    options = parser.parse_args()
    if options.quick:
        options.tasks, options.rounds, options.seconds = "W1,W2,W4", 4, 0.1
        options.peers = options.peers.replace(",tinygrad", "")
    names = ["EDF"] + [name for name in options.peers.split(",") if name != "EDF"]
    unknown = [name for name in names + options.tasks.split(",") if name not in {**PEERS, **TASKS}]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join({**TASKS, **PEERS})}")
    facts, results = machine(), {}
    for threads in options.threads.split(","):
        results[threads], versions = compare(options.tasks.split(","), names, int(threads),
                                             options.rounds, options.seconds)
    everything = {"facts": facts, "versions": versions, "results": results}
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(everything, options.out / "results.json")
    print("", report(everything), answers(everything), sep="\n")
    try:
        plot(next(iter(results.values())), options.out / "times.png")
    except ImportError:
        print("no plot: matplotlib is not installed")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
