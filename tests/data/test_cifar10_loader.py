"""The CIFAR-10 loader: where files are looked for, the archive, what is refused, what stands in.

What it shares with the MNIST loader (downloading, the cache, damaged gzip files) is tested there,
with its mirrors; here on the way of CIFAR-10 through it.  The files are a tiny fake CIFAR-10: five
images in a file, not 10,000.
"""

import gzip
import hashlib
import io
import itertools
import os
import pickle
import random
import re
import tarfile
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_mnist_loader import (  # noqa: F401  the first four are fixtures
    BAD,
    MARGIN,
    SERVED,
    alone,
    cache,
    content_of,
    flipped,
    is_fake,
    mirrors,
    peak_of,
    server,
    zip_,
)
from test_mnist_loader import write as write_mnist

import cifar10_loader
import mnist_loader
from cifar10_loader import class_names, load, load_cifar10
from mnist_loader import DataNotFound

CIFAR10_DIR = os.environ.get("CIFAR10_DIR")     # as the user set it: `fake` unsets it
NAMES = list(cifar10_loader.FILES)
TRAINING, TEST = NAMES[:5], NAMES[5]
ARCHIVE = "cifar-10-binary.tar.gz"
COUNT, RECORD = 5, 3073
REAL_FILES = cifar10_loader.FILES


def batch(seed, count=COUNT):
    """Return records that are easily compressed: in each channel and row, one grey level."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 96), np.uint8).repeat(32, axis=1)
    return np.hstack([rng.integers(0, 10, (count, 1), np.uint8), pixels])


BATCHES = {name: batch(seed) for seed, name in enumerate(NAMES)}
FILES = {name: records.tobytes() for name, records in BATCHES.items()}
OTHER = {name: batch(seed + 10).tobytes() for seed, name in enumerate(NAMES)}


def packed(files, mode="w:gz"):
    """Return a tar file with these files, in a folder as in the official one."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, content in {"batches.meta.txt": b"airplane\n", **files}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


SERVED[ARCHIVE] = PACKED = packed(FILES)


def write(folder, files=FILES, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        file = folder / (name + ".gz" if zipped else name)
        file.write_bytes(zip_(content) if zipped else content)
    return folder


def only(*names):
    return {name: FILES[name] for name in names}


def holds(images, labels, *names):
    """Assert that these are the images and labels of the batches of these names."""
    records = np.concatenate([BATCHES[name] for name in names])
    assert images.dtype == np.float32 and labels.dtype == np.int64
    want = records[:, 1:].reshape(-1, 3, 32, 32) / 255
    np.testing.assert_allclose(images, want, rtol=1e-6, strict=False)
    assert images.shape == want.shape
    np.testing.assert_array_equal(labels, records[:, 0])
    return True


@pytest.fixture(autouse=True)
def fake(alone, monkeypatch):  # noqa: F811
    """The tiny CIFAR-10 is what counts as CIFAR-10, and there is no mirror."""
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    monkeypatch.setattr(cifar10_loader, "MIRRORS", ())
    monkeypatch.setattr(cifar10_loader, "COUNT", COUNT)
    monkeypatch.setattr(cifar10_loader, "FILES", {
        name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()})
    monkeypatch.setattr(cifar10_loader, "ARCHIVE", {
        ARCHIVE: (len(PACKED), hashlib.sha256(PACKED).hexdigest())})


@pytest.fixture
def served(mirrors, monkeypatch):  # noqa: F811
    """Return a function that sets the mirrors of CIFAR-10, by what each does."""
    def use(*deeds):
        urls = mirrors(*deeds)
        monkeypatch.setattr(mnist_loader, "MIRRORS", ())
        monkeypatch.setattr(cifar10_loader, "MIRRORS", urls)
        return urls
    return use


# From a folder.

@pytest.mark.parametrize("section, names", [("training", TRAINING), ("testing", [TEST])])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("where", [".", "cifar-10-batches-bin"])
@pytest.mark.parametrize("through", ["path", "CIFAR10_DIR"])
def test_from_a_folder(tmp_path, monkeypatch, through, where, zipped, section, names):
    """Plain or gzipped, in path or in CIFAR10_DIR; nothing is downloaded, the cache not made."""
    write(tmp_path / "a" / where, zipped=zipped)
    if through == "path":
        images, labels = load_cifar10(section, path=str(tmp_path / "a"))
    else:
        monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "a"))
        images, labels = load_cifar10(section)
    assert holds(images, labels, *names)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name, content", [(ARCHIVE, PACKED),
                                           (ARCHIVE.removesuffix(".gz"), packed(FILES, "w")),
                                           (ARCHIVE, packed(dict(reversed(FILES.items())))),
                                           (ARCHIVE.upper(), PACKED)])
def test_the_archive_as_it_is_downloaded(tmp_path, monkeypatch, name, content):
    """It is read where it lies, and nothing is unpacked."""
    write(tmp_path / "a", {name: content})
    assert holds(*load_cifar10("training", tmp_path / "a"), *TRAINING)
    assert holds(*load_cifar10("testing", tmp_path / "a"), TEST)
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "a"))
    assert load("cifar10").name == "CIFAR-10"
    assert content_of(tmp_path) == {name: content}


@pytest.mark.parametrize("numbers", [[1], [4, 2], [1, 2, 3, 5]])
def test_any_number_of_batches(tmp_path, monkeypatch, numbers):
    """They come in the order of their numbers, and the name says how many images there are."""
    names = [f"data_batch_{number}.bin" for number in numbers]
    monkeypatch.setenv("CIFAR10_DIR", str(write(tmp_path / "a", only(*names, TEST))))
    data = load("cifar10")
    assert data.name == f"CIFAR-10 ({5 * len(numbers)} of 25 images)"
    assert holds(*data[1:3], *sorted(names)) and holds(*data[3:5], TEST)
    assert data.class_names == class_names


@pytest.mark.parametrize("content", [PACKED, packed(FILES | {TEST: FILES[TEST][:2 * RECORD]})])
def test_the_archive_beside_the_files(tmp_path, monkeypatch, content):
    """The files are read: they are what one unpacked, and chose."""
    monkeypatch.setenv("CIFAR10_DIR", str(write(tmp_path, only(NAMES[0], TEST))))
    write(tmp_path, {ARCHIVE: content})
    assert load().name == "CIFAR-10 (5 of 25 images)"


def test_path_wins_over_cifar10_dir(tmp_path, monkeypatch):
    """If it holds any file of CIFAR-10; else CIFAR10_DIR is used."""
    monkeypatch.setenv("CIFAR10_DIR", str(write(tmp_path / "b", only(NAMES[1]))))
    assert holds(*load_cifar10(path=write(tmp_path / "a", only(NAMES[0]))), NAMES[0])
    assert holds(*load_cifar10(path=write(tmp_path / "empty", {})), NAMES[1])


@pytest.mark.parametrize("names, section, missing", [
    ([TEST], "training", "any of data_batch_1.bin to data_batch_5.bin"),
    (TRAINING[:2], "testing", TEST)])
def test_no_place_fills_the_gaps_of_another(served, server, tmp_path, monkeypatch,  # noqa: F811
                                            names, section, missing):
    """Not CIFAR10_DIR, nor a mirror: it is said which file is missing where."""
    served("good")
    monkeypatch.setenv("CIFAR10_DIR", str(write(tmp_path / "b")))
    folder = write(tmp_path / "a", only(*names), zipped=True)
    end = (f": has {', '.join(name + '.gz' for name in names)}, but not {missing}, plain or "
           "gzipped; all files of CIFAR-10 have to be in one folder")
    with pytest.raises(FileNotFoundError) as caught:
        load_cifar10(section, folder)
    assert str(caught.value) == f"{folder} (path){end}"
    monkeypatch.setenv("CIFAR10_DIR", str(folder))
    with pytest.raises(FileNotFoundError) as caught:    # and no other images in their place
        load()
    assert str(caught.value) == f"{folder} (CIFAR10_DIR){end}"
    assert server.asked == []


# The name.

def part(name, count):
    return {name: FILES[name][:count * RECORD]}


@pytest.mark.parametrize("files, name", [
    (FILES, "CIFAR-10"),
    (only(NAMES[0]) | part(TEST, 2), "CIFAR-10 (5 of 25 images, 2 of 5 test images)"),
    (FILES | part(NAMES[4], 1), "CIFAR-10 (21 of 25 images)"),
    (FILES | part(TEST, 4), "CIFAR-10 (4 of 5 test images)"),
    (OTHER, "the files in {} (not CIFAR-10)"),
    (part(NAMES[0], 3) | part(TEST, 2), "the files in {} (not CIFAR-10)"),
], ids=["whole", "one batch", "a part of a batch", "a part of the test", "others", "parts alone"])
@pytest.mark.parametrize("zipped", [False, True])
def test_the_name_is_cifar_10_only_if_the_files_are(tmp_path, monkeypatch, files, name, zipped):
    """And says what is missing; what has too few images to be known counts as its neighbours."""
    folder = write(tmp_path / "a", files, zipped)
    monkeypatch.setenv("CIFAR10_DIR", str(folder))
    assert load().name == load("cifar10").name == name.format(folder)


@pytest.mark.parametrize("others", [[TEST], TRAINING, NAMES[1:3]])
@pytest.mark.parametrize("archived", [False, True])
def test_other_data_beside_that_of_cifar_10(tmp_path, monkeypatch, others, archived):
    """Refused, and named."""
    files = FILES | {name: OTHER[name] for name in others}
    folder = write(tmp_path / "a", {ARCHIVE: packed(files)} if archived else files)
    monkeypatch.setenv("CIFAR10_DIR", str(folder))
    with pytest.raises(ValueError) as caught:
        load()
    where = folder / ARCHIVE / "cifar-10-batches-bin" if archived else folder
    assert str(caught.value) == ", ".join(str(where / name) for name in others) + (
        ": damaged, or of another data set than the files beside, which are CIFAR-10 "
        "(by SHA-256): put one data set into one folder")


# What is refused.

SIZE = COUNT * RECORD
FIRST = FILES[NAMES[0]]


@pytest.mark.parametrize("content, got", [
    (b"", "0 bytes"), (FIRST[:-1], f"{SIZE - 1:,} bytes"), (FIRST[1:], f"{SIZE - 1:,} bytes"),
    (FIRST[:3072], "3,072 bytes"), (b"<html>", "6 bytes"),
    (FIRST + b"a", f"more than {SIZE:,} bytes"), (2 * FIRST, f"more than {SIZE:,} bytes"),
    (b"\x0a" + FIRST[1:], 10), (FIRST[:2 * RECORD] + b"\xff" + FIRST[2 * RECORD + 1:], 255),
], ids=["empty", "the last byte", "the first byte", "no label", "html", "a byte more", "twice",
        "label 10", "label 255"])
@pytest.mark.parametrize("form", ["plain", "gz", "archive"])
def test_a_bad_file_is_named_and_explained(tmp_path, content, got, form):
    """The whole message, wherever the file is."""
    files = FILES | {NAMES[0]: content}
    if form == "archive":
        file = write(tmp_path, {ARCHIVE: packed(files)}) / ARCHIVE / "cifar-10-batches-bin"
    else:
        file = write(tmp_path, files, zipped=form == "gz")
    file /= NAMES[0] + ".gz" * (form == "gz")
    with pytest.raises(ValueError) as caught:
        load_cifar10(path=tmp_path)
    rule = (f"labels from 0 to 9, got {got}" if isinstance(got, int) else
            f"up to 5 records of 3073 bytes, a label and 3 x 32 x 32 pixels, got {got}")
    assert str(caught.value) == f"{file}: expected {rule}"


@pytest.mark.parametrize("content", [PACKED, packed(FILES, "w")], ids=["tar.gz", "tar"])
def test_a_truncated_archive(tmp_path, content):
    """It is a ValueError that names it, or lacks the files that come after, and is refused."""
    file = tmp_path / ARCHIVE
    end = len(content) - (0 if content is PACKED else 10240)    # a tar file ends in empty blocks
    for length in random.Random(0).sample(range(end), 60):
        file.write_bytes(content[:length])
        with pytest.raises((ValueError, FileNotFoundError), match="^" + re.escape(str(tmp_path))):
            load_cifar10("testing", tmp_path)


def test_a_damaged_archive(tmp_path):
    """Any bit of it, even after the last file: gzip notices."""
    file = tmp_path / ARCHIVE
    for place in [*random.Random(0).sample(range(10, len(PACKED)), 60), -8, -1]:
        file.write_bytes(flipped(PACKED, place))
        with pytest.raises(ValueError, match="^" + re.escape(str(file))):
            load_cifar10("testing", tmp_path)


def test_an_archive_takes_no_more_memory_than_its_files_should(tmp_path):
    """Whatever is announced, or in it."""
    write(tmp_path, {ARCHIVE: packed(FILES | {NAMES[0]: bytes(1 << 25)})})
    error, peak = peak_of(load_cifar10, "training", tmp_path)
    assert f"{NAMES[0]}: expected up to 5 records" in str(error)
    assert peak < MARGIN


class Bad:
    """A pickle that makes a file when it is read."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.mark.parametrize("where, name", [
    (".", "data_batch_1"), (".", "test_batch"), ("cifar-10-batches-py", "data_batch_3"),
    (".", "cifar-10-python.tar.gz")])
def test_pickles_are_refused_unread(served, tmp_path, monkeypatch, where, name):
    """With what to do in their place; where the binary version is too, it is read."""
    url, = served("good")
    content = pickle.dumps(Bad(tmp_path / "run"))
    folder = write(tmp_path / "a" / where, {name: content})
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "a"))
    for call in load, load_cifar10:
        with pytest.raises(ValueError) as caught:
            call()
        assert str(caught.value) == (
            f"{folder} (CIFAR10_DIR): has {name}, the version for Python: these are pickles, and "
            "to open a pickle is to run what it says, so they are not opened; download the binary "
            f"version, {url}{ARCHIVE}")
    write(tmp_path / "a" / "cifar-10-batches-bin")
    assert load().name == "CIFAR-10"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("section", ["train", "test", "", None, 0])
def test_a_wrong_section(section):
    with pytest.raises(ValueError) as caught:
        load_cifar10(section)
    assert str(caught.value) == f'section must be "training" or "testing", got {section!r}'


@pytest.mark.parametrize("source", ["nonsense", "CIFAR-10", "", None, 0])
def test_a_source_that_there_is_not(source):
    with pytest.raises(ValueError) as caught:
        load(source)
    assert str(caught.value) == (
        f'source must be "auto", "cifar10", "mnist" or "digits", got {source!r}')


# Downloading.

def not_found(*tried):
    return ("CIFAR-10 was not found:\n" + "".join(f"  {place}\n" for place in tried)
            + f"Three ways out:\n  1. put {ARCHIVE} into a folder, and set the environment "
            "variable CIFAR10_DIR to it;\n"
            "  2. connect to the internet, so that they can be downloaded;\n"
            '  3. use other images: load("mnist") or load("digits").')


def not_in(folder):
    return f"{folder} (cache): no {ARCHIVE} in it, or a wrong one"


def test_downloading_once(served, server, cache, capsys):  # noqa: F811
    """The first call downloads the archive and says so, the second does neither."""
    url, _ = served("good", "good")
    for _ in range(2):
        data = load()
        assert data.name == "CIFAR-10"
        assert holds(*data[1:3], *TRAINING) and holds(*data[3:5], TEST)
        assert content_of(cache) == {ARCHIVE: PACKED}
    assert server.asked == [f"/0/good/{ARCHIVE}"]
    assert capsys.readouterr().out == f"downloading {url}{ARCHIVE}: {len(PACKED):,} bytes\n"


@pytest.mark.parametrize("what", BAD)
def test_a_mirror_fails(served, cache, what):  # noqa: F811
    """In whatever way: if all do, the message says how, and another gives the right file."""
    urls = served(what)
    with pytest.raises(DataNotFound) as caught:
        load("cifar10")
    _, _, line, *_ = str(caught.value).splitlines()
    assert line.startswith(f"  {urls[0]}: ") and BAD[what] in line
    assert str(caught.value) == not_found(not_in(cache), line.strip())
    assert content_of(cache) == {}
    served(what, "good")
    assert holds(*load_cifar10(), *TRAINING)
    assert content_of(cache) == {ARCHIVE: PACKED}


@pytest.mark.parametrize("bad", [b"", PACKED[:-1], flipped(PACKED, 99), packed(OTHER)])
def test_a_wrong_file_in_the_cache(served, server, cache, bad):  # noqa: F811
    """It is never used, and downloaded again where that can be."""
    write(cache, {ARCHIVE: bad})
    with pytest.raises(DataNotFound):
        load_cifar10()
    served("good")
    assert holds(*load_cifar10(), *TRAINING)
    assert len(server.asked) == 1 and content_of(cache) == {ARCHIVE: PACKED}


@pytest.mark.parametrize("slowest, fails", [(100, False), (1000, True)])
def test_a_large_file_may_take_longer(tmp_path, monkeypatch, slowest, fails):
    """Than 600 seconds, if more bytes a second come than the slowest that is borne."""
    size = 10 << 16                     # in ten parts, and 70 seconds for each
    clock = SimpleNamespace(monotonic=partial(next, itertools.count(step=70)))
    body = SimpleNamespace(open=lambda url, timeout: io.BytesIO(bytes(size)))
    monkeypatch.setattr(mnist_loader, "opener", lambda: body)
    monkeypatch.setattr(mnist_loader, "time", clock)
    monkeypatch.setattr(mnist_loader, "SLOWEST", slowest)
    if fails:
        with pytest.raises(OSError, match="^after 655.36 seconds only 589,824 of 655,360 bytes"):
            mnist_loader.receive("an address", tmp_path / "a", size)
    else:
        mnist_loader.receive("an address", tmp_path / "a", size)
        assert (tmp_path / "a").stat().st_size == size


# What stands in.

@pytest.mark.parametrize("mnist", [True, False])
def test_auto_falls_back_on_mnist_then_on_the_digits(tmp_path, monkeypatch, mnist, cache):  # noqa: F811
    """With one loud warning, at the line of the caller; images have a channel."""
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "nowhere"))
    if mnist:
        monkeypatch.setenv("MNIST_DIR", str(write_mnist(tmp_path / "mnist")))
    with pytest.warns(UserWarning) as warned:
        data = load()
    assert len(warned) == 1 and warned[0].filename == __file__
    message = not_found(f"{tmp_path / 'nowhere'} (CIFAR10_DIR): not a folder", not_in(cache))
    assert str(warned[0].message) == (
        f"CIFAR-10 IS NOT HERE: what follows runs on {data.name}, and its figures are not those "
        f"of CIFAR-10.\n{message}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        want = mnist_loader.load("mnist" if mnist else "digits")
    assert data.name == want.name and data.class_names == tuple("0123456789")
    np.testing.assert_array_equal(data.train_images, want.train_images[:, None])
    np.testing.assert_array_equal(data.test_labels, want.test_labels)
    assert not mnist or is_fake(data.test_images[:, 0], data.test_labels, "t10k")


@pytest.mark.parametrize("name", [NAMES[0], TEST])
@pytest.mark.parametrize("source", ["auto", "cifar10"])
def test_a_bad_file_is_not_replaced_in_silence(served, server, tmp_path,  # noqa: F811
                                               monkeypatch, name, source):
    """A corrupt file in CIFAR10_DIR is an error: no other images, and no download, in its place."""
    served("good")
    folder = write(tmp_path / "a", zipped=True)
    (folder / f"{name}.gz").write_bytes(zip_(FILES[name])[:-20])
    monkeypatch.setenv("CIFAR10_DIR", str(folder))
    with pytest.raises(ValueError, match="^" + re.escape(f"{folder / name}.gz: damaged")):
        load(source)
    assert server.asked == []


def test_other_images_on_demand():
    """CIFAR-10 is neither looked for nor missed."""
    data = load("digits")
    assert data.train_images.shape == (1397, 1, 28, 28) and "not MNIST" in data.name
    with pytest.raises(DataNotFound, match="^MNIST was not found"):
        load("mnist")


# The real ones.

def test_the_real_cifar_10(monkeypatch):
    """Its first labels, its classes and its mean are those known."""
    if CIFAR10_DIR is None:
        pytest.skip("needs files of CIFAR-10: set CIFAR10_DIR to their folder")
    monkeypatch.undo()
    monkeypatch.setenv("CIFAR10_DIR", CIFAR10_DIR)
    data = load("cifar10")
    assert data.name.startswith("CIFAR-10")     # by the SHA-256 of at least one file
    assert data.train_images.shape[1:] == data.test_images.shape[1:] == (3, 32, 32)
    assert data.train_images.dtype == np.float32 and data.train_labels.dtype == np.int64
    assert data.train_images.min() == 0 and data.train_images.max() == 1
    assert data.train_labels[:5].tolist() == [6, 9, 9, 4, 1]
    names = [data.class_names[label] for label in data.test_labels[:4]]
    assert names == ["cat", "ship", "ship", "airplane"]
    assert np.bincount(data.train_labels[:10000]).tolist() == [
        1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]
    channels = data.train_images[:10000].mean(axis=(0, 2, 3), dtype=np.float64)
    assert channels == pytest.approx([0.49, 0.48, 0.45], abs=0.01)
    first = gzip.decompress((Path(CIFAR10_DIR) / "data_batch_1.bin.gz").read_bytes())
    assert hashlib.sha256(first).hexdigest() == REAL_FILES["data_batch_1.bin"]
