"""Names, save and load."""

import os

import numpy as np
import pytest

import edf
from edf import Affine, Input, Param


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
        f"{path} does not fit the graph: scale is not in the graph; shift is missing; "
        "w1 has shape (2, 3), not (2, 4)")
    assert not w.value.any() and not b.value.any()          # nothing was changed


def test_an_array_of_text_is_refused_before_anything_changes(tmp_path):
    a, b = Param([1.0], name="a"), Param([1.0], name="b")
    np.savez(tmp_path / "w.npz", a=np.array([2.0]), b=np.array(["2"]))
    with pytest.raises(ValueError, match="does not fit the graph: b is an array of <U1, not of "):
        edf.load(tmp_path / "w.npz")
    assert a.value == b.value == 1


def test_two_params_of_one_name_are_refused(tmp_path):
    Param(1.0, name="w")
    Param(2.0, name="w")
    with pytest.raises(ValueError, match="^two parameters have the name w$"):
        edf.save(tmp_path / "w")
    assert os.listdir(tmp_path) == []


def test_an_object_array_is_not_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "unpickled"),)

    np.savez(tmp_path / "w.npz", w=np.array([Trap()], object))
    Param(1.0, name="w")
    with pytest.raises(ValueError, match="^.*w.npz is not a whole file that save\\(\\) wrote: "
                                         "Object arrays cannot be loaded"):
        edf.load(tmp_path / "w.npz")
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
        with pytest.raises(ValueError, match=r"^.*w.npz is not a whole file that save\(\) wrote: "):
            edf.load(path)
        assert not w.value.any()
    with pytest.raises(FileNotFoundError):
        edf.load(tmp_path / "nowhere")


def test_any_name_can_be_saved(tmp_path):
    for name in "file", "allow_pickle", "a/b", "w.npy", "größe", "..":
        Param(np.ones(2), name=name)
    edf.save(tmp_path / "names")
    for param in edf.params:
        param.value = [0, 0]
    edf.load(tmp_path / "names")
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
    with pytest.raises(ValueError, match=r"^the running statistics have shape \(7,\), not \(4,\)"):
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
