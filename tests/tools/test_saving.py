"""Names, save and load."""

import errno
import io
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
import zipfile
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import edf
from edf import Affine, Input, Param
from edf_tools import saving


def network(widths=(3, 4, 2), named=False):
    """Build a perceptron with BatchNorm and return its input and scores."""
    x = y = Input(name="images" if named else None)
    for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:], strict=False)):
        y = Affine(y, Param(edf.he(fan_in, fan_out), f"w{i}" if named else None),
                   Param(np.zeros(fan_out), f"b{i}" if named else None))
        y = edf.BatchNorm(y, Param(np.ones(fan_out)), Param(np.zeros(fan_out)))
    return x, y


def trained(*args, **options):
    x, y = network(*args, **options)
    x.value = np.random.default_rng(2).normal(size=(8, 3))
    sgd, loss = edf.SGD(0.1), y * y * y
    for _ in range(5):
        edf.forward()
        edf.backward(loss)
        sgd.step()
    return x, y


def evaluated(y):
    with edf.evaluating():
        edf.forward()
    return y.value.copy()


def test_names_are_given_or_come_from_the_first_use():
    x, w, b = Input(name="pixels"), Param(np.ones((2, 3)), name="w1"), Param(np.ones(3))
    y = Affine(x, w, b)
    edf.Add(b, w)
    assert [c.name for c in edf.components] == [
        "pixels", "w1", "Affine[3].b", "Affine[3]", "Add[4]"]
    assert repr(edf.components) == ("[Input pixels (no value yet), Param w1 (2, 3), "
                                    "Param Affine[3].b (3,), Affine(x (no value yet), w (2, 3), "
                                    "b (3,)), Add(a (3,), b (2, 3))]")
    assert y.w is w and Param(1.0).name is None


@pytest.mark.parametrize("name", ["model.npz", "a name with blanks", "Gewichte-ä-重.bin"])
def test_a_saved_network_gives_the_same_values_bit_for_bit(name, tmp_path):
    x, y = trained()
    want = evaluated(y)
    data = x.value
    edf.save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]

    edf.clear()
    edf.seed(99)
    x, y = network()
    x.value = data
    assert (evaluated(y) != want).any()
    edf.load(tmp_path / name)
    np.testing.assert_array_equal(evaluated(y), want)       # with the running statistics


def test_what_is_in_the_file(tmp_path):
    x, y = trained(named=True)
    edf.save(str(tmp_path / "model"))
    with np.load(tmp_path / "model", allow_pickle=False) as file:
        assert sorted(file) == sorted([
            "w0", "b0", "w1", "b1", "BatchNorm[6].gamma", "BatchNorm[6].beta", "BatchNorm[6].mean",
            "BatchNorm[6].variance", "BatchNorm[12].gamma", "BatchNorm[12].beta",
            "BatchNorm[12].mean", "BatchNorm[12].variance"])
        np.testing.assert_array_equal(file["w0"], edf.params[0].value)
        assert file["w0"].dtype == np.float32


def test_load_sets_the_params_in_place_of_those_there(tmp_path):
    w = Param([1.0, 2.0], name="w")
    edf.save(tmp_path / "w")
    w.value = [5.0, 6.0]
    edf.load(tmp_path / "w")
    np.testing.assert_array_equal(w.value, [1, 2])
    assert w.value.flags.writeable and edf.params == [w]


def test_load_in_another_precision(tmp_path, float64):
    w = Param([0.1], name="w")
    edf.save(tmp_path / "w")
    edf.dtype = np.float32
    w.value = [3.0]
    edf.load(tmp_path / "w")
    assert w.value.dtype == np.float32 and w.value == np.float32(0.1)


def test_a_file_that_does_not_fit_is_refused_and_says_what_differs(tmp_path):
    Param(np.ones((2, 3)), name="w1")
    Param(np.ones(3), name="b1")
    Param(1.0, name="scale")
    path = tmp_path / "old"
    edf.save(path)
    edf.clear()
    w, b = Param(np.zeros((2, 4)), name="w1"), Param(np.zeros(3), name="b1")
    Param(0.0, name="shift")
    with pytest.raises(ValueError) as caught:
        edf.load(path)
    assert str(caught.value) == (
        f"{path} cannot be loaded: scale.npy is not in the graph; shift.npy is missing; "
        "w1.npy has shape (2, 3), not (2, 4)")
    edf.params[2].name = "scale"
    with pytest.raises(ValueError) as caught:
        edf.load(path)
    assert str(caught.value) == f"{path} cannot be loaded: w1.npy has shape (2, 3), not (2, 4)"
    assert not w.value.any() and not b.value.any()          # nothing was changed


def test_an_array_of_text_is_refused_before_anything_changes(tmp_path):
    a, b = Param([1.0], name="a"), Param([1.0], name="b")
    np.savez(tmp_path / "w.npz", a=np.array([2.0]), b=np.array(["2"]))
    with pytest.raises(ValueError) as caught:
        edf.load(tmp_path / "w.npz")
    assert str(caught.value) == (f"{tmp_path / 'w.npz'} cannot be loaded: b.npy must hold numbers, "
                                 "got <U1 of shape (1,)")
    assert a.value == b.value == 1


def test_two_params_of_one_name_are_refused(tmp_path):
    Param(1.0, name="w")
    Param(2.0, name="w")
    with pytest.raises(ValueError, match=r"^two parameters have the name w \(was a cell run twice "
                                         r"without edf.clear\(\)\?\)$"):
        edf.save(tmp_path / "w")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("act", [edf.save, edf.load])
def test_what_comes_after_the_path_is_an_optimiser(tmp_path, act):
    loss = Param(1.0, name="w") * 2
    for path, what, shown in ((tmp_path / "w", loss, "Mul(a (), b 2)"), (loss, "w.npz", "'w.npz'")):
        with pytest.raises(TypeError) as caught:
            act(path, what)
        assert str(caught.value) == ("after the path comes an optimiser or nothing: save and load "
                                     f"take the whole graph, not {shown}")
    assert os.listdir(tmp_path) == []


def test_an_object_array_is_not_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "unpickled"),)

    np.savez(tmp_path / "w.npz", w=np.array([Trap()], object))
    Param(1.0, name="w")
    with pytest.raises(ValueError) as caught:
        edf.load(tmp_path / "w.npz")
    assert str(caught.value) == (f"{tmp_path / 'w.npz'} cannot be loaded: cannot create an "
                                 "OBJECT array from memory buffer")
    assert os.listdir(tmp_path) == ["w.npz"]


def test_a_damaged_file_is_refused(tmp_path):
    w = Param(np.ones((20, 20)), name="w")
    path = tmp_path / "w.npz"
    edf.save(path)
    whole = path.read_bytes()
    w.value = np.zeros((20, 20))
    changed = bytearray(whole)
    changed[300] ^= 1
    np.save(tmp_path / "plain.npy", np.ones((20, 20)))
    for content in (whole[:-30], whole[:200], b"", b"not a file of arrays", bytes(changed),
                    (tmp_path / "plain.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"^.*w.npz cannot be loaded: "):
            edf.load(path)
        assert not w.value.any()
    with pytest.raises(FileNotFoundError):
        edf.load(tmp_path / "nowhere")


def test_any_name_can_be_saved(tmp_path):
    for name in ("file", "allow_pickle", "a/b", "a\\b", "w.npy", "größe", "..", "w\0a", "w\0b", " ",
                 "training.json", "m of w.memory", "w" * 5000, "重" * 3000):
        Param(np.ones(2), name=name)
    edf.save(tmp_path / "names", edf.Adam())
    for param in edf.params:
        param.value = [0, 0]
    edf.load(tmp_path / "names", edf.Adam())
    assert all(param.value.all() for param in edf.params)


def test_statistics_of_another_shape_are_refused(tmp_path):
    x, y = network((3, 4))
    x.value = np.ones((5, 3)) * np.arange(5)[:, None]
    edf.forward()
    y.mean, y.variance = np.zeros(7), np.ones(7)
    edf.save(tmp_path / "w")
    edf.clear()
    x, y = network((3, 4))
    x.value = np.ones((5, 3))
    edf.load(tmp_path / "w")
    with pytest.raises(ValueError, match=r"not be broadcast together with shapes \(5,4\) \(7,\)"):
        evaluated(y)


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    w = Param(1.0, name="w")
    path = tmp_path / "model"
    edf.save(path)
    w.value = 2.0

    def full(file, array):
        file.write(b"half of it")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", full)
        with pytest.raises(OSError, match="no space left"):
            edf.save(path)
    assert os.listdir(tmp_path) == ["model"]
    edf.load(path)
    assert w.value == 1


# With an optimiser: training goes on.

def network_to_train(optimiser):
    """Return a function that trains a network with all that draws or remembers, by one epoch."""
    data = np.random.default_rng(5)
    images, classes = data.normal(size=(30, 3)), data.integers(0, 2, 30)
    x, labels = Input(), Input()
    w, scale = Param(edf.he(3, 6), "w"), Param(1.0)         # a scalar besides
    Param(np.ones(2), "apart")                              # never gets a gradient
    h = edf.BatchNorm(Affine(x, w, Param(np.zeros(6))), Param(np.ones(6)), Param(np.zeros(6)))
    h = edf.Dropout(edf.ReLU(h), 0.3)
    scores = scale * Affine(h, Param(np.asfortranarray(edf.he(6, 2))), Param(np.zeros(2)))
    loss = edf.SoftmaxCrossEntropy(scores, labels)

    def epoch():
        for x.value, labels.value in edf.batches(images, classes, size=6, shuffle=True):
            edf.forward()
            edf.backward(loss)
            optimiser.step()
    return epoch


def everything(optimiser=None):
    """Return {name: (type, dtype, shape, bytes)} of all that a file may change."""
    kept = {f"{c.number} {name}": getattr(c, name) for c in edf.components
            for name in (*c.statistics, *["value"] * isinstance(c, Param))}
    if optimiser:
        kept |= {f"{p.number} memory {key}": value for p in edf.params
                 for key, value in optimiser.memory.get(p, {}).items()}
        kept["rng"] = repr(edf.rng.bit_generator.state)
    return {name: (isinstance(a, (int, float)), np.asarray(a).dtype, np.shape(a),
                   np.asarray(a).tobytes()) for name, a in kept.items()}


OPTIMISERS = {
    "plain": lambda: edf.SGD(0.1), "momentum": lambda: edf.SGD(0.1, momentum=0.9),
    "nesterov": lambda: edf.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adagrad": edf.AdaGrad, "rmsprop": edf.RMSProp, "adam": edf.Adam, "adamw": edf.AdamW}


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_goes_on_bit_for_bit(name, precision, tmp_path):
    edf.dtype = precision
    optimiser = OPTIMISERS[name]()
    epoch = network_to_train(optimiser)
    epoch()
    edf.save(tmp_path / "half", optimiser)
    half = everything(optimiser)
    epoch()
    whole = everything(optimiser)

    edf.clear()
    edf.seed(99)
    optimiser = OPTIMISERS[name]()
    epoch = network_to_train(optimiser)
    edf.load(tmp_path / "half", optimiser)
    assert everything(optimiser) == half != whole
    epoch()
    assert everything(optimiser) == whole


def test_a_file_with_an_optimiser_loaded_without_one_leaves_it_aside(tmp_path):
    optimiser = edf.Adam()
    network_to_train(optimiser)()
    edf.save(tmp_path / "half", optimiser)
    params = everything()
    for param in edf.params:
        param.value += 1
    edf.seed(7)
    state = edf.rng.bit_generator.state
    edf.load(tmp_path / "half")
    assert everything() == params and edf.rng.bit_generator.state == state


def refused(path, optimiser, text):
    """Assert that load refuses a file, with this text, and changes nothing."""
    before = everything(optimiser)
    with pytest.raises(ValueError) as caught:
        edf.load(path, optimiser)
    assert str(caught.value) == f"{path} cannot be loaded: {text}"
    assert everything(optimiser) == before


def test_a_file_of_another_optimiser_is_refused(tmp_path):
    path, w = tmp_path / "w", Param([1.0, 2.0], "w")
    momentum = edf.SGD(0.1, momentum=0.9)
    edf.save(path)
    w.value = [0.0, 0.0]
    refused(path, momentum, "it was saved without an optimiser: load it without one")
    adam = edf.Adam()
    w.grad = np.ones(2, np.float32)
    adam.step()
    edf.save(path, adam)
    momentum.step()
    refused(path, momentum, "it was saved with the optimiser Adam, not SGD: load it without one")
    refused(path, edf.AdamW(), "it was saved with the optimiser Adam, not AdamW: load it without "
                               "one")


def rewritten(path, changes):
    """Write an archive anew, with other contents under some names; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        contents = {entry.filename: archive.read(entry) for entry in archive.infolist()} | changes
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), **options)
    return file.getvalue()


RNG = json.dumps(np.random.default_rng(0).bit_generator.state).encode()


@pytest.mark.parametrize("changes, text", [
    ({"m of w.memory": npy(np.ones(3))}, "m of w.memory has shape (3,), not (2,)"),
    ({"m of w.memory": None}, "m of w.memory is missing"),
    ({"q of w.memory": npy(np.ones(2))}, "q of w.memory is not in the graph"),
    ({"v of w.memory": npy(np.array(["a", "b"]))},
     "v of w.memory must hold numbers, got <U1 of shape (2,)"),
    ({"training.json": None}, "it was saved without an optimiser: load it without one"),
    ({"training.json": b"{}"}, "'optimiser'"),
    ({"training.json": b" " * 200_000}, "Expecting value: line 1 column 200001 (char 200000)"),
    ({"training.json": b'{"optimiser": "Adam", "memory": {}, "rng": %b}' % RNG},
     "m of w.memory is not in the graph; v of w.memory is not in the graph"),
    ({"training.json": b'{"optimiser": "Adam", "memory": {"w": {"m": "0", "v": null, "q": null}}, '
                       b'"rng": %b}' % RNG}, "q of w.memory is missing"),
    ({"training.json": b'{"optimiser": "Adam", "memory": {"w": {"m": null, "v": null}}, "rng": 3}'},
     "state must be a dict"),
])
def test_memory_that_is_not_whole_is_refused(tmp_path, changes, text):
    w = Param([1.0, 2.0], "w")
    path, adam = tmp_path / "w", edf.Adam()
    w.grad = np.ones(2, np.float32)
    adam.step()
    edf.save(path, adam)
    adam.step()
    rewritten(path, changes)
    refused(path, adam, text)


def test_memory_of_any_kind_of_numbers_comes_back(tmp_path):
    class Counts(edf.Optimiser):
        def direction(self, grad, old):
            old["seen"] = old.get("seen", 0) + (grad > 0)       # an array of integers
            old["rate"] = 0.5                                   # weaker than float32, as of Python
            return old["rate"] * grad

    w, counts = Param(np.asfortranarray(np.ones((2, 3))), "w"), Counts(0.1)
    w.grad = w.value
    counts.step()
    edf.save(tmp_path / "w", counts)
    before = everything(counts)
    counts.step()
    w.value = np.zeros((2, 3))
    edf.load(tmp_path / "w", counts)
    assert everything(counts) == before
    assert counts.memory[w]["seen"].dtype.kind == "i" and type(counts.memory[w]["rate"]) is float
    assert w.value.flags.f_contiguous and w.value.flags.writeable


def test_an_archive_with_two_arrays_of_one_name_is_refused(tmp_path):
    w = Param([1.0, 2.0], "w")
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        archive.writestr("w.npy", npy(w.value))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("w.npy", npy(w.value + 1))
    refused(tmp_path / "w", None, "two arrays have one name")


def test_an_array_of_another_version_is_refused(tmp_path):
    Param([1.0, 2.0], "w")
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        archive.writestr("w.npy", b"\x93NUMPY\2" + npy(np.ones(2))[7:])
    refused(tmp_path / "w", None, "w.npy is no array that save() wrote")


def test_a_shape_that_is_left_to_numpy_is_refused(tmp_path):
    Param([[1.0, 2.0]], "w")
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        archive.writestr("w.npy", header((1, -1)) + bytes(8))
    refused(tmp_path / "w", None, "w.npy has shape (1, -1)")


def test_memory_that_could_not_be_loaded_is_not_saved(tmp_path):
    class Rows(edf.Optimiser):
        def direction(self, grad, old):
            old["sum"] = grad.sum(axis=1)
            return grad

    w, rows = Param(np.ones((2, 3)), "w"), Rows(0.1)
    w.grad = w.value
    rows.step()
    with pytest.raises(ValueError) as caught:
        edf.save(tmp_path / "w", rows)
    assert str(caught.value) == "sum of w.memory has shape (2,), not (2, 3)"
    rows.memory[w] = {"sum": None}
    with pytest.raises(ValueError) as caught:
        edf.save(tmp_path / "w", rows)
    assert str(caught.value) == "sum of w.memory must hold numbers, got object of shape ()"
    assert os.listdir(tmp_path) == []


def test_params_of_an_older_graph_are_not_saved(tmp_path):
    adam = edf.Adam()
    network_to_train(adam)()
    edf.clear()
    w = Param([1.0, 2.0], "w")
    edf.save(tmp_path / "w", adam)
    edf.load(tmp_path / "w", adam)
    assert list(adam.memory) == [w]


def test_nan_and_infinity_come_back(tmp_path):
    w = Param([np.nan, np.inf, -np.inf, -0.0, 1e-45], "w")
    bits = w.value.tobytes()
    edf.save(tmp_path / "w")
    w.value = np.zeros(5)
    edf.load(tmp_path / "w")
    assert w.value.tobytes() == bits


def test_a_number_too_large_for_the_precision_is_refused(tmp_path):
    edf.dtype = np.float64
    Param([1e300, np.inf, np.nan], "w")
    edf.save(tmp_path / "w")
    edf.clear()
    edf.dtype = np.float32
    Param(np.zeros(3), "w")
    refused(tmp_path / "w", None, "w.npy has numbers too large for float32")


def test_statistics_that_are_no_numbers_are_not_saved(tmp_path):
    y = network((3, 4))[1]
    y.mean = None
    with pytest.raises(ValueError, match=r"^BatchNorm\[6\].mean.npy must hold numbers, got "):
        edf.save(tmp_path / "w")
    assert os.listdir(tmp_path) == []


# Paths.

@pytest.mark.parametrize("kind", [str, Path, lambda path: os.fsencode(str(path))])
@pytest.mark.parametrize("name", ["w", "w.npz", "a b.c d", " ", "ü重😀", "-x", "%d{}", "w.npz.zip"])
def test_any_path_can_be_saved_to(tmp_path, monkeypatch, kind, name):
    w = Param([1.0, 2.0])
    for path in name, tmp_path / "folder" / name:
        (tmp_path / "folder").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "folder")
        w.value = [1.0, 2.0]
        edf.save(kind(path))
        edf.save(kind(path))
        assert os.listdir() == [name]
        w.value = [0.0, 0.0]
        edf.load(kind(path))
        np.testing.assert_array_equal(w.value, [1, 2])
        os.remove(name)


@pytest.mark.parametrize("path", ["", ".", "nowhere/w", "folder", "folder/", "w/w", "x" * 300])
def test_a_path_that_cannot_be_written_is_an_os_error(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "w").write_bytes(b"w")
    w = Param([1.0, 2.0])
    for act in edf.save, edf.load:
        with pytest.raises(OSError):
            act(path)
    assert sorted(map(str, Path().rglob("*"))) == ["folder", "w"]
    np.testing.assert_array_equal(w.value, [1, 2])


# What stands at the path already: save does as open(path, "wb") would.

@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755, 0o200])
def test_the_mode_of_a_file_stays(tmp_path, mode):
    Param(1.0)
    path = tmp_path / "w"
    path.touch()
    path.chmod(mode)
    edf.save(path)
    assert path.stat().st_mode & 0o7777 == mode and path.stat().st_size


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_mode_of_a_new_file_is_that_of_any_new_file(tmp_path, mask):
    Param(1.0)
    before = os.umask(mask)
    try:
        edf.save(tmp_path / "w")
    finally:
        os.umask(before)
    assert (tmp_path / "w").stat().st_mode & 0o7777 == 0o666 & ~mask


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_is_written_through(tmp_path, there, absolute):
    w = Param([1.0, 2.0])
    (tmp_path / "far").mkdir()
    real, first, second = tmp_path / "far" / "w", tmp_path / "far" / "first", tmp_path / "second"
    first.symlink_to(real if absolute else "w")
    second.symlink_to(first if absolute else "far/first")
    if there:
        real.touch(0o600)
    edf.save(second)
    assert first.is_symlink() and second.is_symlink() and not real.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["far", "second"]
    assert sorted(os.listdir(tmp_path / "far")) == ["first", "w"]
    assert not there or real.stat().st_mode & 0o777 == 0o600
    for path in real, second:
        w.value = [0.0, 0.0]
        edf.load(path)
        np.testing.assert_array_equal(w.value, [1, 2])


def test_a_link_that_leads_nowhere_is_an_error(tmp_path):
    Param(1.0)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "out").symlink_to("no folder/w")
    (tmp_path / "folder").symlink_to(".")
    for name in "loop", "out", "folder":
        with pytest.raises(OSError):
            edf.save(tmp_path / name)
        assert (tmp_path / name).is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["folder", "loop", "out"]


def test_a_pipe_is_written_into_and_read_from(tmp_path):
    w = Param([1.0, 2.0])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=edf.save, args=[pipe])
    writer.start()
    content = pipe.read_bytes()
    writer.join()
    assert pipe.is_fifo() and os.listdir(tmp_path) == ["pipe"]
    w.value = [0.0, 0.0]
    writer = threading.Thread(target=pipe.write_bytes, args=[content])
    writer.start()
    edf.load(pipe)
    writer.join()
    np.testing.assert_array_equal(w.value, [1, 2])


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs the devices of Unix")
def test_a_device_is_written_into_and_never_replaced(tmp_path):
    Param([1.0, 2.0], "w")
    (tmp_path / "null").symlink_to("/dev/null")
    for path in "/dev/null", tmp_path / "null":
        edf.save(path)
    with pytest.raises(OSError, match="No space left on device"):
        edf.save("/dev/full")
    refused("/dev/zero", None, "a file of this graph has 526602 bytes at most")
    for path in "/dev/null", "/dev/full":
        assert Path(path).is_char_device()
    assert (tmp_path / "null").is_symlink()


def test_a_read_only_file_is_refused(tmp_path):
    Param([1.0, 2.0])
    path = tmp_path / "w"
    path.write_text("mine")
    path.chmod(0o444)
    with pytest.raises(PermissionError) as caught:
        edf.save(path)
    assert caught.value.args == (errno.EACCES, "the file is read-only")
    assert caught.value.filename == str(path)
    assert path.read_text() == "mine" and os.listdir(tmp_path) == ["w"]


def test_a_name_may_be_as_long_as_the_system_takes(tmp_path):
    Param([1.0, 2.0])
    edf.save(tmp_path / ("x" * 255))
    edf.load(tmp_path / ("x" * 255))


def test_a_save_in_the_middle_of_another_one(tmp_path, monkeypatch):
    # Of another program on the same volume, which has the same number, or of another thread.
    w, path, sync = Param(1.0), tmp_path / "w", os.fsync

    def fsync(file):
        monkeypatch.setattr(os, "fsync", sync)
        w.value = 2.0
        edf.save(path)
        edf.load(path)
        assert w.value == 2 and len(os.listdir(tmp_path)) == 2

    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(os, "fsync", fsync)
    edf.save(path)
    edf.load(path)
    assert w.value == 1 and os.listdir(tmp_path) == ["w"]


def test_threads_may_save_to_one_path(tmp_path):
    Param(np.ones(1000))
    errors = []

    def work():
        try:
            for _ in range(20):
                edf.save(tmp_path / "w")
                edf.load(tmp_path / "w")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and os.listdir(tmp_path) == ["w"]


# What save writes load accepts.

class Own(edf.Optimiser):
    """An optimiser that remembers what it is told to."""

    def __init__(self, **kept):
        super().__init__(0.1)
        self.memory = {param: dict(kept) for param in edf.params}


@pytest.mark.parametrize("name", [5, 0, -1, 2.5, True, ("a", 1), "5"])
def test_a_param_may_have_any_name(tmp_path, name):
    w = Param([1.0, 2.0], name)
    edf.ReLU(w)
    own = Own(m=np.ones(2), t=3)
    for kept in tmp_path / "w", None:
        kept = edf.save(kept, own) or kept
        w.value, own.memory = [0.0, 0.0], {}
        edf.load(kept, own)
        np.testing.assert_array_equal(w.value, [1, 2])
        np.testing.assert_array_equal(own.memory[w]["m"], [1, 1])
        assert own.memory[w]["t"] == 3


def test_an_optimiser_may_remember_thousands_of_numbers(tmp_path):
    w = Param(1.0, "w")
    numbers = {f"n{i}": i for i in range(9000)}
    own = Own(**numbers)
    edf.save(tmp_path / "w", own)
    own.memory = {}
    edf.load(tmp_path / "w", own)
    assert own.memory == {w: numbers}


def test_an_optimiser_may_remember_a_thousand_arrays(tmp_path):
    Param(np.ones(2), "w")
    own = Own(**{f"n{i}": np.full(2, i) for i in range(1200)})
    before = everything(own)
    edf.save(tmp_path / "w", own)
    own.memory = {}
    edf.load(tmp_path / "w", own)
    assert everything(own) == before


def test_numbers_keep_their_kind(tmp_path):
    w = Param(1.0, "w")
    numbers = {"int": 3, "long": 2 ** 80, "float": 0.1, "nan": np.nan, "inf": -np.inf,
               "float64": np.float64(0.1), "float32": np.float32(0.1), "int64": np.int64(7)}
    own = Own(**numbers)
    for kept in tmp_path / "w", None:
        kept = edf.save(kept, own) or kept
        own.memory = {}
        edf.load(kept, own)
        assert repr(own.memory[w]) == repr(numbers)


def test_a_file_full_of_what_marks_an_array(tmp_path):
    mark, = struct.unpack("<f", b"PK\1\2")
    w = Param(np.full(1000, mark))
    with pytest.raises(ValueError, match="^1001 arrays do not fit in 42.. bytes$"):
        edf.save(tmp_path / "w")        # refused now, not when it is needed
    w.value[10:] = 1
    edf.save(tmp_path / "w")
    edf.load(tmp_path / "w")
    assert w.value[9] == np.float32(mark) != 0 and w.value[10] == 1


@pytest.mark.parametrize("key", [0, ("m", 1), None])
def test_keys_that_would_come_back_as_others_are_refused(tmp_path, key):
    w = Param(1.0, "w")
    own = Own()
    for value in 3, np.ones(()):
        own.memory[w] = {"t": 1, key: value}
        with pytest.raises(ValueError) as caught:
            edf.save(tmp_path / "w", own)
        assert str(caught.value) == ("the memory of an optimiser must have texts as keys, not "
                                     f"['t', {key!r}]")
    assert os.listdir(tmp_path) == []


def test_statistics_that_the_precision_cannot_hold_are_not_saved(tmp_path):
    y = network((3, 4))[1]
    y.mean = np.full(4, 1e300)
    with pytest.raises(ValueError, match=r"mean.npy has numbers too large for float32$"):
        edf.save(tmp_path / "w")
    assert os.listdir(tmp_path) == []


# All but a new head.

def test_what_does_not_fit_is_left_and_named(tmp_path):
    def build(classes, name):
        edf.clear()
        h = edf.BatchNorm(Affine(Input(np.ones((5, 3))), Param(edf.he(3, 4), "w"),
                                 Param(np.ones(4), "b")), Param(np.ones(4)), Param(np.zeros(4)))
        y = Affine(h, Param(edf.he(4, classes)), Param(np.zeros(1), "shift"))
        return edf.BatchNorm(y, Param(np.ones(classes), name), Param(np.zeros(classes)))

    old = build(3, "old")
    edf.forward()
    old.mean, trunk = np.full(3, 7.0), [param.value for param in edf.params[:4]]
    edf.save(tmp_path / "w")
    snapshot = edf.save()
    for source in tmp_path / "w", snapshot:
        new = build(2, "new")
        head = [param.value.copy() for param in edf.params[4:]]
        with pytest.raises(ValueError) as caught:
            edf.load(source)
        assert str(caught.value) == (
            f"{source if source is not snapshot else 'the snapshot'} cannot be loaded: "
            "Affine[9].w.npy has shape (4, 3), not (4, 2); "
            "BatchNorm[12].beta.npy has shape (3,), not (2,); "
            "new.npy is missing; old.npy is not in the graph")
        assert not np.array_equal(edf.params[0].value, trunk[0])
        left = edf.load(source, strict=False)
        assert left == [
            "Affine[9].w.npy has shape (4, 3), not (4, 2)",
            "BatchNorm[12].beta.npy has shape (3,), not (2,)",
            "BatchNorm[12].mean.npy goes with what is left",
            "BatchNorm[12].variance.npy goes with what is left",
            "new.npy is missing", "old.npy is not in the graph"]
        for param, want in zip(edf.params, trunk + head):
            np.testing.assert_array_equal(param.value, want)
        assert edf.components[6].mean.shape == (4,) and new.mean == 0.0
        edf.forward()
        assert np.isfinite(evaluated(new)).all()


def test_a_file_in_which_nothing_fits_is_refused_also_then(tmp_path):
    w = Param(1.0, "w")
    edf.save(tmp_path / "w")
    w.name = "v"
    with pytest.raises(ValueError) as caught:
        edf.load(tmp_path / "w", strict=False)
    assert str(caught.value) == (f"{tmp_path / 'w'} cannot be loaded: v.npy is missing; w.npy is "
                                 "not in the graph")
    with pytest.raises(ValueError, match="^strict=False takes no optimiser: train what is new "
                                         "with a new one$"):
        edf.load(tmp_path / "w", edf.Adam(), strict=False)
    w.name = "w"
    assert edf.load(tmp_path / "w", strict=False) == [] and edf.load(tmp_path / "w") is None


# In memory.

def test_the_best_epoch_is_two_lines():
    x, y = trained()
    want, state = evaluated(y), everything()
    best = edf.save()
    for _ in range(2):                      # it can be put back again and again
        for param in edf.params:
            param.value -= 1                # in place, as an optimiser does
        edf.forward()                       # moves the statistics
        assert (evaluated(y) != want).any() and everything() != state
        edf.load(best)
        with pytest.raises(TypeError, match="has changed since the last forward"):
            edf.backward(y)
        np.testing.assert_array_equal(evaluated(y), want)
        assert everything() == state


@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_goes_on_bit_for_bit_from_a_snapshot(name):
    optimiser = OPTIMISERS[name]()
    epoch = network_to_train(optimiser)
    epoch()
    half, state = edf.save(optimiser=optimiser), everything(optimiser)
    epoch()
    whole = everything(optimiser)
    for again in OPTIMISERS[name](), OPTIMISERS[name]():
        edf.clear()
        epoch = network_to_train(again)
        edf.load(half, again)
        assert everything(again) == state
        epoch()
        assert everything(again) == whole


def test_a_snapshot_holds_the_numbers_of_a_file(tmp_path):
    trained(named=True)
    edf.save(tmp_path / "w")
    with np.load(tmp_path / "w") as file:
        for name, array in edf.save().items():
            np.testing.assert_array_equal(file[name.removesuffix(".npy")], array, strict=True)
    assert not list(filter(None, [np.shares_memory(array, param.value)
                                  for array in edf.save().values() for param in edf.params]))


def test_a_snapshot_that_does_not_fit_changes_nothing():
    w, adam = Param([1.0, 2.0], "w"), edf.Adam()
    best = edf.save()
    w.value = [5.0, 6.0]
    for source, optimiser, text in (
            (best, adam, "it was saved without an optimiser: load it without one"),
            ({}, None, "w.npy is missing"),
            (best | {"v.npy": w.value}, None, "v.npy is not in the graph"),
            ({"w.npy": [1.0, 2.0]}, None, "'list' object has no attribute 'dtype'")):
        with pytest.raises(ValueError) as caught:
            edf.load(source, optimiser)
        assert str(caught.value) == f"the snapshot cannot be loaded: {text}"
    np.testing.assert_array_equal(w.value, [5, 6])


# Ctrl-C.

def test_an_interruption_at_any_instruction_of_load_leaves_all_or_nothing(tmp_path):
    momentum = edf.SGD(0.1, momentum=0.9)
    x, y = trained((3, 2))
    edf.forward()
    edf.backward(y)
    momentum.step()
    edf.save(tmp_path / "w", momentum)
    new = everything(momentum)
    for param in edf.params:
        param.value = param.value + 1
    y.mean, momentum.memory = y.mean + 1, {}
    edf.rng.random()
    old = edf.save(optimiser=momentum)
    states = [everything(momentum), new]

    def load(stop):
        """Load, interrupted at this instruction of it; return how many ran before."""
        def interrupt(frame, event, argument):
            if "saving" not in frame.f_code.co_filename:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode" and next(instructions) == stop:
                raise KeyboardInterrupt
            return interrupt

        instructions, tracer = count(), sys.gettrace()
        sys.settrace(interrupt)
        try:
            edf.load(tmp_path / "w", momentum)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(tracer)
        return next(instructions)

    total, seen = load(-1), []
    for stop in *range(0, total - 400, 100), *range(total - 400, total):
        edf.load(old, momentum)
        assert everything(momentum) == states[0]
        load(stop)
        seen.append(states.index(everything(momentum)))     # ValueError if it is neither
    assert seen == sorted(seen) and sum(seen) > 20


# What a file claims costs no memory.

def bomb(path, name, content=bytes(2 ** 20), times=1, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        with archive.open(name, "w", force_zip64=True) as part:
            for _ in range(times):
                part.write(content)


def header(shape, kind="<f4", **more):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": kind, "fortran_order": False, "shape": shape} | more)
    return file.getvalue()


def many(path, count):
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(count):
            archive.writestr(zipfile.ZipInfo(str(i)), b"")


def lies(path, size):
    """Let the directory announce another size of the first array."""
    edf.save(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2")
    content[at + 20:at + 28] = struct.pack("<II", size, size)
    path.write_bytes(content)


def hole(path, size):
    """Write a file of this size that takes no room on the disk."""
    with open(path, "wb") as file:
        file.truncate(size)


def nested(path, count):
    """Write an archive in which every array holds all that come behind it."""
    parts, total = [], b""
    for i in reversed(range(count)):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(zipfile.ZipInfo(f"{i}.npy"), header((len(total) // 4,)) + total)
        end = file.getvalue().index(b"PK\1\2")
        total = file.getvalue()[:end] + bytes(-end % 4)
        parts.append((len(total), bytearray(file.getvalue()[end:-22])))
    for size, entry in parts:
        entry[42:46] = struct.pack("<I", len(total) - size)
    directory = b"".join(entry for _, entry in parts)
    path.write_bytes(total + directory + b"PK\5\6" + struct.pack(
        "<HHHHIIH", 0, 0, count, count, len(directory), len(total), 0))


BOMBS = {
    "8 MB in bzip2": (lambda path: bomb(path, "w.npy", times=8, method=zipfile.ZIP_BZIP2),
                       r"its arrays are compressed: save\(\) does not do that"),
    "8 MB in lzma": (lambda path: bomb(path, "w.npy", times=8, method=zipfile.ZIP_LZMA),
                      r"its arrays are compressed: save\(\) does not do that"),
    "32 MB, deflated": (lambda path: bomb(path, "w.npy", times=32),
                        r"its arrays are compressed: save\(\) does not do that"),
    "a shape": (lambda path: bomb(path, "w.npy", header((2 ** 40,)), method=0),
                r"cannot reshape array of size 0 into shape \(1099511627776,\)"),
    "shapes whose product is 0": (lambda path: bomb(path, "w.npy", header((2 ** 32, 2 ** 32)),
                                                    method=0), "cannot reshape .*"),
    "a wide type": (lambda path: bomb(path, "w.npy", header((2,), "<V2000000000"), method=0),
                    "cannot reshape .*"),
    "a long header": (lambda path: bomb(path, "w.npy", b"\x93NUMPY\1\0\xff\xff" + b"(" * 65535,
                                        method=0), "Header info length .*"),
    "a directory": (lambda path: many(path, 3000), "3000 arrays do not fit in 249802 bytes"),
    "a long directory": (lambda path: many(path, 8000),
                         "a file of this graph has 526602 bytes at most"),
    "arrays inside of arrays": (lambda path: nested(path, 500),
                                "its arrays announce more bytes than it has"),
    "a size": (lambda path: lies(path, 2 ** 32 - 2), "its arrays announce more bytes than it has"),
    "a size of nothing": (lambda path: lies(path, 0), "Bad CRC-32 for file 'w.npy'"),
    "a file of 3 GB": (lambda path: hole(path, 3 * 2 ** 30),
                       "a file of this graph has 526602 bytes at most"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_file_takes_more_memory_than_the_graph_needs(tmp_path, name):
    Param([1.0, 2.0], "w")
    make, text = BOMBS[name]
    make(tmp_path / "w")
    before = everything()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"(?s)^.*w cannot be loaded: ({text})$"):
            edf.load(tmp_path / "w")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 ** 22 and everything() == before, peak


def test_loading_takes_three_times_the_memory_of_one_large_array(tmp_path):
    w = Param(np.ones((1000, 1000)))
    edf.save(tmp_path / "w")
    tracemalloc.start()
    edf.load(tmp_path / "w")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.2 * w.value.nbytes, peak / w.value.nbytes


# Damage.

def test_a_file_cut_at_any_byte_is_refused(tmp_path):
    w, adam = Param([1.0, 2.0], "w"), edf.Adam()
    w.grad = w.value
    adam.step()
    path = tmp_path / "w"
    edf.save(path, adam)
    whole = path.read_bytes()
    w.value = [5.0, 6.0]
    before = everything(adam)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="^.*w cannot be loaded: ."):
            edf.load(path, adam)
    assert everything(adam) == before


def test_what_load_would_not_take_is_not_saved(tmp_path):
    class Hoarder(edf.Optimiser):
        def direction(self, grad, old):
            old.update({str(i): grad for i in range(10)})
            return grad

    w, path = Param(np.ones(100_000), "w"), tmp_path / "w"
    edf.save(path)
    w.grad, hoarder = w.value, Hoarder(0.1)
    hoarder.step()
    with pytest.raises(ValueError, match="^a file of this graph has 37..... bytes at most$"):
        edf.save(path, hoarder)
    assert os.listdir(tmp_path) == ["w"]
    edf.load(path)


def test_large_statistics_come_back(tmp_path):
    class Covariance(edf.Component):
        statistics = ("cov",)
        cov = 0.0

        def f(self, x):
            self.cov = x.T @ x
            return x

    y = Covariance(Input(np.ones((2, 300))))
    edf.forward()
    want = y.cov
    edf.save(tmp_path / "w")
    y.cov = np.zeros((300, 300))
    edf.load(tmp_path / "w")
    np.testing.assert_array_equal(y.cov, want)


# When the worst happens: killed programs, damaged files.

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
        assert all(re.fullmatch("edf-[0-9a-f]{16}.unfinished", name) for name in names)
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
                {"optimiser": "Adam", "memory": {"w": {"t": None}}, "rng": json.loads(RNG)},
                {"optimiser": "Adam", "memory": {"w": {"t": 1}}, "rng": {"bit_generator": "PCG64"}},
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
                        for name, (value, *_) in saving.places({}).items()}
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
                                             "compressed|a file of this graph has 526602 bytes)"):
            edf.load(tmp_path / "w")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 ** 22
