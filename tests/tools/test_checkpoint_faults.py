"""Saving and loading when the worst happens: killed programs, damaged files.

What a file may change is compared bit by bit, see everything() in test_saving.py.
"""

import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_saving import OPTIMISERS, bomb, everything, network_to_train, npy

import edf
from edf_tools import saving

ROOT = Path(__file__).parents[2]


def program(text, *arguments):
    """Start a Python program that can import edf and these tests; return the process."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "tools")])
    return subprocess.Popen([sys.executable, "-W", "error", "-c", text, *map(str, arguments)],
                            env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE,
                            text=True)


# Training goes on in another process.

GO_ON = """
import sys, edf
from test_saving import OPTIMISERS, everything, network_to_train
for name, make in OPTIMISERS.items():
    edf.clear()
    optimiser = make()
    epoch = network_to_train(optimiser)
    edf.load(f"{sys.argv[1]}/{name}", optimiser)
    epoch()
    print(everything(optimiser))
"""


def test_training_goes_on_bit_for_bit_in_another_process(tmp_path):
    want = []
    for name, make in OPTIMISERS.items():
        edf.clear()
        optimiser = make()
        epoch = network_to_train(optimiser)
        epoch()                                         # five steps
        edf.save(tmp_path / name, optimiser)
        epoch()
        want.append(str(everything(optimiser)))
    out, _ = program(GO_ON, tmp_path).communicate(timeout=100)
    assert out.splitlines() == want


# A save that is killed.

SAVE_FOR_EVER = """
import sys, numpy as np, edf
path, size = sys.argv[1], int(sys.argv[2])
params = [edf.Param(np.zeros(size), f"w{i}") for i in range(4)]
adam = edf.Adam()
adam.memory = {param: {"t": 0, "m": np.zeros(size, edf.dtype)} for param in params}
step = 0
while True:
    for param in params:
        param.value[...] = step % 2
        adam.memory[param] = {"t": step % 2, "m": param.value.copy()}
    edf.save(path, adam)
    if step == 1:
        print("ready", flush=True)
    step += 1
"""


def killed(folder, times, rng):
    """Kill programs that save; return how many files were neither state, and what was left."""
    path, wrong, left, states = folder / "w.npz", 0, 0, set()
    for _ in range(times):
        size = rng.choice([10, 1000, 100_000])
        child = program(SAVE_FOR_EVER, path, size)
        assert child.stdout.readline() == "ready\n"
        time.sleep(rng.random() * 0.05)                 # some saves, of 1 to 20 ms each
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=100)
        edf.clear()
        params = [edf.Param(np.full(size, 7.0), f"w{j}") for j in range(4)]
        adam = edf.Adam()
        try:
            edf.load(path, adam)
        except ValueError:
            wrong += 1
            continue
        state = adam.memory[params[0]]["t"]
        wrong += state not in (0, 1) or not all(
            (p.value == state).all() and adam.memory[p]["t"] == state
            and (adam.memory[p]["m"] == state).all() for p in params)
        states.add(state)
        names = sorted(set(os.listdir(folder)) - {"w.npz"})
        assert all(name == f"w.npz.{child.pid}.unfinished" for name in names)
        left += len(names)
        for name in names:
            os.remove(folder / name)
    return wrong, left, states


def test_a_save_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path):
    assert killed(tmp_path, 6, random.Random(1))[0] == 0


@pytest.mark.slow
def test_200_saves_that_are_killed(tmp_path):
    wrong, left, states = killed(tmp_path, 200, random.Random(2))
    assert wrong == 0 and states == {0, 1}
    assert left >= 50, left                 # or the kills did not fall inside of a save
    print(f"200 killed, {left} inside of a save, {wrong} wrong")


# Damaged files: refused with nothing changed, or loaded with the right values.

HEADS = [
    "", "{", "{}", "()", "None", "1", "'a'", "[" * 300, "-" * 9000, "{[]: 1}", "{'descr': '<f4'}",
    *(f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}"
      for kind, order, shape in [
        ("'<f4'", "False", "(2, 3)"), ("'>f4'", "False", "(2, 3)"), ("'<f4'", "True", "(2, 3)"),
        ("'<f2'", "False", "(2, 3)"), ("'<f8'", "False", "(2, 3)"), ("'<i4'", "False", "(2, 3)"),
        ("'|O'", "False", "(2, 3)"), ("'<c8'", "False", "(2, 3)"), ("'|b1'", "False", "(2, 3)"),
        ("'<U1'", "False", "(2, 3)"), ("'|V4'", "False", "(2, 3)"), ("'|V0'", "False", "(2, 3)"),
        ("'<M8[s]'", "False", "(2, 3)"), ("'q'", "False", "(2, 3)"), ("'a4'", "False", "(2, 3)"),
        ("'<f4'", "0", "(2, 3)"), ("'<f4'", "False", "(3, 2)"), ("'<f4'", "False", "(6,)"),
        ("'<f4'", "False", "(-2, -3)"), ("'<f4'", "False", "(2, -1)"), ("'<f4'", "False", "()"),
        ("'<f4'", "False", "(2L, 3L)"), ("'<f4'", "False", "(2., 3)"), ("'<f4'", "False", "[2, 3]"),
        ("'<f4'", "False", "(0, 10**9)"), ("'<f4'", "False", "(True, 6)"), ("3", "False", "(2,)"),
        ("[('a', '<f4')]", "False", "(2, 3)"), ("('<f4', (2, 3))", "False", "()"),
        ("[('a', '|O')]", "False", "(2, 3)"), ("'<f4,<f4'", "False", "(3,)"),
        ("'<f4'", "False", "(4294967296, 4294967296)"), ("'<f4'", "False", f"({2 ** 70},)"),
        ("'<f4'", "False", f"({'1,' * 100})"),
        ("'<f4'", "False", f"({'9' * 5000},)"), ("'<f1000000000'", "False", "(2, 3)"),
        ("'|V2000000000'", "False", "(2, 3)"), ("'<f16'", "False", "(2, 3)")])]
NUMBERS = [0, 1, 2, 8, 9, 12, 14, 21, 93, 99, 2 ** 15, 2 ** 16 - 1, 2 ** 31 - 1, 2 ** 31,
           2 ** 32 - 2, 2 ** 32 - 1, 2 ** 63 - 1, 2 ** 64 - 1]
SIGNS = [b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"\x93NUMPY"]


def damage(content, other, rng):
    """Return the bytes with some of them changed, cut, doubled, moved or put in."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        size, start = rng.choice([1, 1, 2, 4, 8, 30, 200]), rng.randrange(len(content))
        if rng.random() < 0.6:              # near a place where something is announced
            at = [i for sign in SIGNS for i in places(content, sign)]
            start = min(rng.choice(at or [0]) + rng.randrange(80), len(content) - 1)
        stop = min(start + size, len(content))
        old, there = content[start:stop], rng.randrange(len(content))
        content[start:stop] = rng.choice([
            bytes([old[0] ^ 1 << rng.randrange(8)]) + old[1:],
            (rng.choice(NUMBERS) % 256 ** size).to_bytes(size, "little"),
            *rng.choice([[rng.randbytes(size), bytes(size)], [b"", old * 2], [rng.choice(SIGNS)],
                         [content[there:there + size], other[start:stop]]])])
        if rng.random() < 0.05:
            del content[there:]
        content = content or bytearray(1)
    return bytes(content)


def places(content, sign):
    at = -1
    while (at := content.find(sign, at + 1)) >= 0:
        yield at


def rebuilt(content, rng):
    """Return an archive with right check sums but with something else inside."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = [[entry.filename, archive.read(entry)] for entry in archive.infolist()]
    for _ in range(rng.choice([1, 1, 2])):
        part, other = rng.choice(parts), rng.choice(parts)
        act = rng.randrange(9)
        if act == 0:
            part[0], other[0] = other[0], part[0]
        elif act == 1:
            part[0] = rng.choice([part[0][:-1], part[0] + "\0", "w", "../w.npy", "/w.npy", "",
                                  part[0].upper(), "x" * 60_000, "ü.npy", "training.json"])
        elif act == 2:
            parts.append([rng.choice(["new.npy", "n of w.memory", part[0]]), other[1]])
        elif act == 3:
            parts.remove(part)
        elif act == 4:
            part[1] = damage(part[1] or b"0", other[1], rng)
        elif act == 5 and part[1][:1] == b"\x93":
            head = rng.choice(HEADS).encode()
            version = rng.choice([b"\1\0"] * 6 + [b"\2\0", b"\3\0", b"\0\0"])
            size = int.from_bytes(part[1][8:10], "little")
            part[1] = (b"\x93NUMPY" + version + len(head).to_bytes(2, "little") + head
                       + part[1][10 + size:])
        elif act == 6:
            part[1] = npy(rng.choice([np.ones((2, 3)), np.ones(3), np.ones(()),
                                      np.ones((2, 3), int), np.array(["a"]), np.array(True),
                                      np.array([None]), np.full((2, 3), 1e300),
                                      np.full((2, 3), np.nan)]))
        elif act == 7:
            part[1] = json.dumps(rng.choice([
                0, [], {}, {"optimiser": "Adam"}, {"optimiser": "Adam", "memory": {}, "rng": {}},
                {"optimiser": "Adam", "memory": {"w": ["t"]}, "rng": {"bit_generator": "PCG64"}},
                {"optimiser": "Adam", "memory": {"w": [[]]}, "rng": 1}])).encode()
        elif act == 8:
            part[1] = part[1] * 2
        if not parts:
            break
    file = io.BytesIO()
    method = rng.choice([0] * 12 + [8, 12, 14])
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in parts:
            entry = zipfile.ZipInfo()
            entry.filename, entry.compress_type = name, method
            with warnings.catch_warnings(action="ignore"):      # of two names
                archive.writestr(entry, data)
    return file.getvalue()


def in_the_file(path):
    """Return {name: bytes as float32} of the arrays, read by NumPy; None if that fails."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name].astype(np.float32).tobytes() for name in file.files
                    if not name.endswith((".memory", ".json"))}
    except Exception:
        return None


def checkpoint():
    """Build a small network with an optimiser that has made two steps."""
    w, b = edf.Param(np.arange(6.0).reshape(2, 3), "w"), edf.Param(np.ones(3), "b")
    x = edf.Input(np.arange(8.0).reshape(4, 2))
    y = edf.BatchNorm(edf.Affine(x, w, b), edf.Param(np.ones(3)), edf.Param(np.zeros(3)))
    adam, loss = edf.Adam(0.1), edf.Sum(y ** 2)
    for _ in range(2):
        edf.forward()
        edf.backward(loss)
        adam.step()
    return adam


def fuzz(path, count, seed):
    """Load damaged files; return how many were refused, loaded, wrong, and the largest peak."""
    rng = random.Random(seed)
    adam = checkpoint()
    edf.save(path, adam)
    norm, = (node for node in edf.components if isinstance(node, edf.BatchNorm))
    saved, content = everything(adam), path.read_bytes()
    for param in edf.params:
        param.value -= 5
    adam.memory[edf.params[0]]["t"] = 77
    norm.mean = norm.mean + 1
    edf.seed(5)
    edf.save(path, adam)
    before, other = everything(adam), path.read_bytes()
    memory, rng_state = adam.memory, edf.rng.bit_generator.state
    values = {c: {key: np.array(vars(c)[key]) for key in ("_value", "mean", "variance")
                  if key in vars(c)} for c in edf.components}
    refused = loaded = wrong = peak = 0
    complaints = []
    for i in range(count):
        structured = rng.random() < 0.4
        mutant = (rebuilt(content, rng) if structured else damage(content, other, rng))
        path.write_bytes(mutant)
        optimiser = rng.choice([adam, adam, None])
        tracemalloc.start()
        try:
            edf.load(path, optimiser)
        except ValueError as error:
            refused += 1
            fault = (everything(adam) != before
                     or not re.match(".*/w cannot be loaded: .{5}", str(error)))
        except Exception as error:
            fault = repr(error)
        else:
            loaded += 1
            got = everything(optimiser)
            if structured:                  # the values may be others: those in the file
                # what edf.load took is what NumPy reads there
                kept = {name.removesuffix(".npy"): np.asarray(value, np.float32).tobytes()
                        for name, (value, _, _) in saving.saved({}).items()}
                fault = in_the_file(path) != kept
            else:
                fault = got != {name: saved[name] for name in got}
        finally:
            peak = max(peak, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        if fault:
            wrong += 1
            complaints.append((i, fault))
            path.with_name(f"wrong-{seed}-{i}").write_bytes(mutant)
        for node, kept in values.items():
            vars(node).update({key: value.copy() for key, value in kept.items()})
        adam.memory = memory
        edf.rng.bit_generator.state = rng_state
    return refused, loaded, wrong, peak, complaints


def test_damaged_files_change_nothing(tmp_path):
    refused, loaded, wrong, peak, complaints = fuzz(tmp_path / "w", 300, seed=1)
    assert wrong == 0, complaints
    assert refused > 200 and loaded > 5 and peak < 2 ** 22


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_1000_damaged_files_change_nothing(tmp_path, seed):
    refused, loaded, wrong, peak, complaints = fuzz(tmp_path / "w", 1000, seed)
    print(f"{refused} refused, {loaded} loaded, {wrong} wrong, {peak / 2 ** 20:.1f} MiB at most")
    assert wrong == 0, complaints
    assert refused > 700 and loaded > 20 and peak < 2 ** 22


@pytest.mark.slow
def test_every_bit_of_a_file_may_flip(tmp_path):
    adam, path = checkpoint(), tmp_path / "w"
    edf.save(path, adam)
    want, content = everything(adam), path.read_bytes()
    refused = 0
    for at in range(8 * len(content)):
        changed = bytearray(content)
        changed[at // 8] ^= 1 << at % 8
        path.write_bytes(changed)
        try:
            edf.load(path, adam)
        except ValueError:
            refused += 1
        assert everything(adam) == want, at
    print(f"{refused} of {8 * len(content)} refused, the others loaded with the right values")
    assert refused > 4 * len(content)


@pytest.mark.slow
def test_gigabytes_in_a_small_file_are_not_expanded(tmp_path):
    edf.Param([1.0, 2.0], "w")
    for times in 400, 2048:                 # MiB; the first file is small enough to be opened
        bomb(tmp_path / "w", "w.npy", times=times)
        tracemalloc.start()
        with pytest.raises(ValueError, match="^.*w cannot be loaded: (its arrays are "
                                             "compressed|for this graph 526602 bytes)"):
            edf.load(tmp_path / "w")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 ** 22
