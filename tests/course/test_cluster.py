"""Sweeps and grading on Dask, and training on MPI, on the loopback of this machine."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import problem_set as tool
import pytest

import mnist_loader

pytestmark = pytest.mark.cluster

ROOT = tool.ROOT
SWEEP, PARALLEL = ROOT / "examples" / "sweep.py", ROOT / "examples" / "data_parallel.py"
SETTINGS = [{"lr": lr, "momentum": momentum, "width": 16, "seed": seed}
            for lr in (0.1, 0.3) for momentum in (0.0, 0.9) for seed in (1, 2)]
FREE = {name: value for name, value in os.environ.items()       # what a test may not lean on
        if name not in ("OPENBLAS_NUM_THREADS", "MNIST_DIR")}
FREE |= {"PYTHONUNBUFFERED": "1", "DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "1",
         "PYTHONPATH": os.pathsep.join([str(ROOT), str(SWEEP.parent), os.path.dirname(__file__)])}


@pytest.fixture(scope="module")
def sweep():
    """The script as a module."""
    sys.path.insert(0, str(SWEEP.parent))
    import sweep
    return sweep


@contextmanager
def process(*command, **options):
    """A process that is killed at the end, with all that it started."""
    one = subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT / "course",
                           env=FREE, start_new_session=True, text=True, **options)
    try:
        yield one
    finally:
        end(one)


def end(one):
    """Kill a process and its children, as a failing machine would."""
    try:
        os.killpg(one.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    one.wait()


@contextmanager
def cluster(workers=2, threads=1):
    """A scheduler and workers as processes of their own: yields its address, and the processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with process("-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", address[16:],
                 "--dashboard-address", "127.0.0.1:0", **quiet) as scheduler, \
            process("-m", "dask", "worker", address, "--nworkers", workers, "--nthreads", threads,
                    "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", **quiet):
        yield address, scheduler


@contextmanager
def connected(workers=2, threads=1):
    """A client of such a cluster, once its workers are there."""
    from distributed import Client
    with cluster(workers, threads) as (address, scheduler), Client(address) as client:
        client.wait_for_workers(workers, timeout=60)
        yield client, scheduler


@pytest.fixture(scope="module")
def serial(sweep):
    """What the trials give one after the other, without Dask."""
    data = mnist_loader.load("digits")
    return [sweep.trial(setting, data) for setting in SETTINGS]


def by_setting(rows):
    return sorted(rows, key=lambda row: (row["lr"], row["momentum"], row["seed"]))


def failing(what, at):
    """Return a function for a worker that fails at one of the settings."""
    def function(setting):
        if setting == at:
            what()
        return on_worker(setting)

    from sweep import on_worker
    return function


# Sweeps.

def test_a_sweep_on_this_machine_gives_the_rows_of_a_loop(tmp_path, serial):
    out = tmp_path / "rows.jsonl"
    with process(SWEEP, "--workers", 2, "--data", "digits", "--out", out, "--lr", 0.1, 0.3,
                 "--width", 16, "--seed", 1, 2, stdout=subprocess.PIPE) as run:
        said = run.communicate()[0]
    assert run.returncode == 0, said
    assert by_setting(map(json.loads, out.read_text().split("\n")[:-1])) == serial
    assert said.count("mean error") == 2 and f"0 of {len(SETTINGS)} failed" in said
    assert (tmp_path / "rows.jsonl.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_on_a_cluster_gives_the_rows_of_a_loop(sweep, tmp_path, serial):
    with connected() as (client, _):
        assert by_setting(sweep.sweep(client, SETTINGS, tmp_path / "rows", "digits")) == serial


def test_a_trial_that_raises_costs_its_row_alone_and_runs_again(sweep, tmp_path, serial):
    def fail():
        raise ValueError("this one")

    with connected() as (client, _):
        rows = sweep.sweep(client, SETTINGS, tmp_path / "rows", "digits",
                           failing(fail, SETTINGS[3]))
        failed = [row for row in rows if "failure" in row]
        assert failed == [SETTINGS[3] | {"failure": "error: ValueError('this one')"}]
        assert len(rows) == len(SETTINGS)
        rows = sweep.sweep(client, SETTINGS, tmp_path / "rows", "digits")
    assert by_setting(rows) == serial


def test_a_worker_that_dies_once_costs_nothing_and_a_deadly_trial_its_row_alone(
        sweep, tmp_path, serial):
    died = tmp_path / "died"

    def die():
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    with connected() as (client, _):
        rows = sweep.sweep(client, SETTINGS, tmp_path / "one", "digits", failing(die, SETTINGS[0]))
        assert died.exists() and by_setting(rows) == serial
        rows = sweep.sweep(client, SETTINGS, tmp_path / "all", "digits",
                           failing(lambda: os.kill(os.getpid(), signal.SIGKILL), SETTINGS[0]))
    failed, = [row for row in rows if "failure" in row]
    assert failed["failure"].startswith("error: KilledWorker")
    assert [row for row in by_setting(rows) if row is not failed] == serial[1:]


@pytest.mark.parametrize("victim", ["client", "scheduler"])
def test_what_is_killed_goes_on_where_it_was(sweep, tmp_path, serial, victim):
    out = tmp_path / "rows"
    options = ["--data", "digits", "--out", out, "--lr", 0.1, 0.3, "--width", 16, "--seed", 1, 2]
    with cluster() as (address, scheduler), \
            process(SWEEP, "--scheduler", address, *options, stderr=subprocess.DEVNULL) as client:
        limit = time.monotonic() + 60
        while not out.exists() or out.read_text().count('"error"') < 2:
            assert time.monotonic() < limit and client.poll() is None
            time.sleep(0.02)
        end(scheduler if victim == "scheduler" else client)
        client.wait(60)
    text = out.read_text()
    out.write_text(text[:text.rstrip().rindex("\n") + 20])      # cut off within the last line
    before = sum('"error"' in line for line in out.read_text().splitlines())
    assert 0 < before < len(SETTINGS)
    with connected() as (client, _):
        assert by_setting(sweep.sweep(client, SETTINGS, out, "digits")) == serial
    assert out.read_text().count('"error"') == len(SETTINGS)    # none was run twice


def test_workers_of_several_threads_are_refused(sweep, tmp_path):
    with connected(1, 2) as (client, _), pytest.raises(RuntimeError, match="--nthreads 1"):
        sweep.sweep(client, SETTINGS, tmp_path / "rows", "digits")


def faults():
    """Return the page faults of using a large array 50 times, and what the nanny has set."""
    import resource
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(250_000).sum()          # 2 MB, 488 pages
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before,
            "MALLOC_TRIM_THRESHOLD_" in os.environ)


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator of glibc")
def test_workers_keep_their_memory_also_when_they_are_restarted(sweep, tmp_path):
    from distributed import Client, LocalCluster
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as local, \
            Client(local) as here, connected(1) as (there, _):
        for client in here, there:
            bare, spoilt = client.submit(faults, pure=False).result()
            assert spoilt and bare > 20_000         # without it this test would show nothing
            sweep.sweep(client, SETTINGS[:1], tmp_path / client.id, "digits")
            assert client.submit(faults, pure=False).result()[0] < 2_000
            client.restart()
            assert client.submit(faults, pure=False).result()[0] < 2_000


# Training on several processes.

DRIVER = """
import sys
sys.path[:0] = [{root!r}, {examples!r}]
import numpy as np
import edf, mnist_loader
import data_parallel as script
from functools import partial
edf.dtype = np.{dtype}
data = mnist_loader.load("digits")
images, labels = data.train_images[:{rows}], data.train_labels[:{rows}]
{before}
data = data._replace(train_images=images, train_labels=labels)
script.train({network}, data, edf.SGD(0.1, 0.9), {epochs}, batch=60, folder={folder!r})
state = np.concatenate([param.value.ravel() for param in edf.params] + [
    np.ravel(value) for node in edf.components if isinstance(node, edf.BatchNorm)
    for value in (node.mean, node.variance)])
np.save({folder!r} + f"/rank-{{script.rank}}.npy", state)
"""


def train(folder, processes, network="script.mlp", rows=120, epochs=2, dtype="float64", before="",
          timeout=120):
    """Train on so many processes; return what it said, its status and {rank: all parameters}."""
    folder.mkdir(exist_ok=True)
    (folder / "driver.py").write_text(DRIVER.format(
        root=str(ROOT), examples=str(PARALLEL.parent), folder=str(folder), network=network,
        rows=rows, epochs=epochs, dtype=dtype, before=before))
    mpiexec = Path(sys.executable).with_name("mpiexec")
    run = subprocess.run([mpiexec, "-n", str(processes), sys.executable, "-m", "mpi4py",
                          folder / "driver.py"], env=FREE, text=True, timeout=timeout,
                         capture_output=True)
    states = {path.stem: np.load(path) for path in folder.glob("rank-*.npy")}
    return run, list(states.values())


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_processes_learn_what_one_learns_from_the_whole_batch(tmp_path, network):
    _, (alone,) = train(tmp_path / "1", 1, f"script.{network}")
    assert np.std(alone) > 0
    for processes in 2, 3:
        run, states = train(tmp_path / str(processes), processes, f"script.{network}")
        assert len(states) == processes, run.stderr
        assert all((state == states[0]).all() for state in states)
        assert np.abs(states[0] - alone).max() < 1e-12


def test_a_number_of_images_that_does_not_divide_and_batchnorm(tmp_path):
    run, (one, two) = train(tmp_path, 2, "partial(script.cnn, normalise=True)", rows=129,
                            dtype="float32")
    assert (one == two).all() and np.isfinite(one).all(), run.stderr
    assert run.stdout.count("accuracy") == 2


def test_one_failing_process_ends_all(tmp_path):
    start = time.monotonic()
    run, states = train(tmp_path, 2, before="if script.rank: labels = None", timeout=60)
    assert run.returncode and not states and time.monotonic() - start < 30
    assert "TypeError" in run.stderr


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path):
    _, (whole, _) = train(tmp_path / "whole", 2, epochs=4)
    kill = ("save = edf.save\ndef save_and_die(path, optimiser):\n    save(path, optimiser)\n"
            "    if 'epoch-2' in str(path):\n        import os\n        os.kill(os.getpid(), 9)\n"
            "edf.save = save_and_die\n")
    run, states = train(tmp_path / "killed", 2, epochs=4, before=kill)
    assert run.returncode and not states
    assert sorted(path.stem for path in (tmp_path / "killed").glob("*.npz")) == [
        "epoch-1", "epoch-2"]
    run, (one, two) = train(tmp_path / "killed", 2, epochs=4)
    assert (one == whole).all() and (two == whole).all()
    assert re.findall(r"epoch (\d)", run.stdout) == ["3", "4"]


# Grading.

def test_a_cluster_grades_as_this_machine_does_also_when_a_worker_dies(tmp_path):
    import nbformat
    from distributed import Client
    from test_grading import Submission, answers, short_source

    def grade(*options):
        run = subprocess.run([sys.executable, ROOT / "course" / "grade.py", *map(str, options)],
                             cwd=ROOT, env=FREE, capture_output=True, text=True, timeout=280)
        assert run.returncode == 0, run.stdout + run.stderr

    source, folder = tmp_path / "ps1.py", tmp_path / "submissions"
    source.write_text(short_source(), encoding="utf-8")
    grade("release", "--source", source, "--folder", tmp_path / "release")
    released = nbformat.read(tmp_path / "release" / "ps1" / "ps1.ipynb", as_version=4)
    known = answers(released, tool.read_source(source))
    for name, done in ("all", known), ("none", ()), ("some", list(known)[:2]):
        Submission(released, known).solve(*done).save(folder / f"{name}.ipynb")
    (folder / "broken.ipynb").write_text("no notebook")
    task = ["grade", folder, "--source", source, "--released", tmp_path / "release", "--out"]
    grade(*task, tmp_path / "here")
    with cluster() as (address, _):
        with process(ROOT / "course" / "grade.py", *task, tmp_path / "there", "--scheduler",
                     address, stdout=subprocess.PIPE) as run:
            run.stdout.readline()                           # one is graded, others are under way
            with Client(address) as client:
                os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)
            assert "wrote 4 of 4 rows" in run.communicate()[0]
    here, there = ((tmp_path / name / "grades.csv").read_text() for name in ("here", "there"))
    assert here == there and len(here.splitlines()) == 5
    assert {path.name for path in (tmp_path / "there" / "feedback").iterdir()} == {
        path.name for path in (tmp_path / "here" / "feedback").iterdir()}
