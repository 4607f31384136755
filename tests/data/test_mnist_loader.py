"""The MNIST loader: the idx format, where files are looked for, downloading, the digits.

No test leaves this computer: the mirrors are a server on 127.0.0.1, and the
user's cache is a folder of the test.  The files served are a tiny fake MNIST.
What is marked as slow repeats what stands beside it, some hundred times.
"""

import gzip
import hashlib
import io
import itertools
import math
import multiprocessing
import os
import random
import re
import signal
import socket
import struct
import sys
import threading
import tracemalloc
import warnings
import zlib
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, unquote

import numpy as np
import pytest

import mnist_loader
from mnist_loader import DataNotFound, load, load_digits, load_mnist, read_idx

MNIST_DIR = os.environ.get("MNIST_DIR")         # as the user set it: `alone` unsets it
DATA = Path(mnist_loader.__file__).with_name("data")
REAL_FILES = mnist_loader.FILES
MARGIN = 4 << 20            # bytes that reading may take besides the data
slow = partial(pytest.param, marks=pytest.mark.slow)
CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def header(*shape, code=8):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def idx(array):
    """Return the bytes of an idx file that holds this array."""
    array = np.asarray(array)
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    return header(*array.shape, code=CODES[array.dtype.name]) + big_endian.tobytes()


def zip_(content):
    return gzip.compress(content, mtime=0)


RNG = np.random.default_rng(0)
IMAGES = {"train": RNG.integers(0, 256, (6, 28, 28), np.uint8),
          "t10k": RNG.integers(0, 256, (4, 28, 28), np.uint8)}
LABELS = {"train": np.array([5, 0, 4, 1, 9, 2], np.uint8),
          "t10k": np.array([7, 2, 1, 0], np.uint8)}
ARRAY_OF = {f"{section}-{kind}-ubyte.gz": arrays[section] for section in IMAGES
            for kind, arrays in (("images-idx3", IMAGES), ("labels-idx1", LABELS))}
FILES = {name: zip_(idx(array)) for name, array in ARRAY_OF.items()}    # the fake MNIST, gzipped
OTHER = {name: zip_(idx(np.ones_like(array))) for name, array in ARRAY_OF.items()}  # other data
TABLE = {name: (len(content), hashlib.sha256(content).hexdigest(),
                hashlib.sha256(ARRAY_OF[name]).hexdigest()) for name, content in FILES.items()}
NAMES = list(FILES)
TRAINING, TESTING = NAMES[:2], NAMES[2:]


def write(folder, files=FILES, zipped=True):
    """Write files into a folder, or what they hold under the name without .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if zipped:
            (folder / name).write_bytes(content)
        else:
            (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    return folder


def is_fake(images, labels, prefix="train"):
    """Assert that these are the images and labels of the fake MNIST."""
    assert images.dtype == np.float32 and labels.dtype == np.int64
    np.testing.assert_allclose(images, IMAGES[prefix] / 255, rtol=1e-6)
    np.testing.assert_array_equal(labels, LABELS[prefix])
    return True


def peak_of(function, *args):
    """Return what a function returns or which ValueError or OSError it raises, and its memory."""
    tracemalloc.start()
    try:
        try:
            result = function(*args)
        except (ValueError, OSError) as error:
            result = error
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No MNIST_DIR, no mirror, no proxy, and an empty cache."""
    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mnist_loader, "MIRRORS", ())


# read_idx

@pytest.mark.parametrize("code, data, want", [
    (0x08, "00 ff", np.array([0, 255], np.uint8)),
    (0x09, "80 7f", np.array([-128, 127], np.int8)),
    (0x0B, "8000 0102", np.array([-32768, 258], np.int16)),
    (0x0C, "80000000 00010002", np.array([-2147483648, 65538], np.int32)),
    (0x0D, "3fc00000 ff800000", np.array([1.5, -np.inf], np.float32)),
    (0x0E, "bff0000000000000 3ff8000000000000", np.array([-1, 1.5], np.float64)),
], ids=CODES)
def test_the_bytes_of_every_type(tmp_path, code, data, want):
    """Each of the six types is read, big-endian, into its native NumPy type."""
    file = tmp_path / "a.idx"
    file.write_bytes(header(2, code=code) + bytes.fromhex(data))
    got = read_idx(file)
    assert got.dtype == want.dtype and got.dtype.isnative
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4), (0,), (2, 0, 3)])
@pytest.mark.parametrize("name", CODES)
def test_any_array_comes_back(tmp_path, name, shape, zipped):
    """What is written is read, of any type and shape, plain or gzipped, and can be written to."""
    want = np.arange(np.prod(shape)).reshape(shape).astype(name)
    file = tmp_path / "a.idx"           # gzip is told by the content, not by the name
    file.write_bytes(zip_(idx(want)) if zipped else idx(want))
    got = read_idx(str(file))           # a path may be a string
    assert got.dtype == want.dtype and got.dtype.isnative and got.flags.writeable
    np.testing.assert_array_equal(got, want, strict=True)


SMALL = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))
BIG = 2**32 - 1


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("content, message", [
    (b"", "empty"),
    (b"\0\0\x08", "wrong magic number 000008: not an idx file"),
    (b"\0\1" + SMALL[2:], "wrong magic number 00010802: not an idx file"),
    (b"\1\0" + SMALL[2:], "wrong magic number 01000802: not an idx file"),
    (b"\0\0\x0a" + SMALL[3:], "wrong magic number 00000a02: not an idx file"),
    (b"<!DOCTYPE html><html>", "wrong magic number 3c21444f: not an idx file"),
    (SMALL[:4], "truncated in its header"),
    (SMALL[:11], "truncated in its header"),
    (SMALL[:12], "truncated: its header announces (2, 3), 6 bytes of data, it has 0"),
    (SMALL[:-1], "truncated: its header announces (2, 3), 6 bytes of data, it has 5"),
    (header(3, code=14) + bytes(20),
     "truncated: its header announces (3,), 24 bytes of data, it has 20"),
    (SMALL + b"\0", "followed by further bytes: "
                    "its header announces (2, 3), 6 bytes of data, it has more"),
    (header(BIG, BIG) + bytes(9),
     f"truncated: its header announces ({BIG}, {BIG}), {BIG**2} bytes of data, it has 9"),
], ids=["empty", "three bytes", "second byte", "first byte", "type", "html", "no axes", "one axis",
        "no data", "less data", "a number cut", "more data", "huge"])
def test_a_bad_file_is_named_and_explained(tmp_path, content, message, zipped):
    """The whole message, which is the same for a gzipped file."""
    file = tmp_path / "a.idx"
    file.write_bytes(zip_(content) if zipped else content)
    with pytest.raises(ValueError) as caught:
        read_idx(file)
    assert str(caught.value) == f"{file}: {message}"


@pytest.mark.parametrize("content", [
    header(*[1] * 65) + b"a",           # NumPy has at most 64 axes
    header(*[1] * 255) + b"a",
    header(0, BIG, BIG),                # no numbers, but NumPy multiplies the other axes
    header(0, BIG, BIG, BIG, BIG),
], ids=["65 axes", "255 axes", "empty and large", "empty and larger"])
def test_a_shape_that_numpy_refuses_names_the_file(tmp_path, content):
    """A complete file whose shape no array can have is a bad file like any other."""
    file = tmp_path / "a.idx"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="^" + re.escape(f"{file}: ")):
        read_idx(file)


def flipped(content, place):
    content = bytearray(content)
    content[place] ^= 0xFF
    return bytes(content)


STORED = gzip.compress(SMALL, compresslevel=0)      # the data lies in it as it is


@pytest.mark.parametrize("content", [
    zip_(SMALL)[:2], zip_(SMALL)[:9], zip_(SMALL)[:20], zip_(SMALL)[:-8], zip_(SMALL)[:-1],
    flipped(zip_(SMALL), 2), flipped(zip_(SMALL), 10),
    flipped(zip_(SMALL), -8), flipped(zip_(SMALL), -4), flipped(STORED, -9),
    zip_(SMALL) + b"further bytes",
], ids=["two bytes", "in the header", "in the data", "before the CRC", "the last byte",
        "method", "first block", "CRC", "length", "data", "trailing"])
def test_a_bad_gzip_file_is_named_and_explained(tmp_path, content):
    """Truncation and damage are found anywhere, in what follows the data too."""
    file = tmp_path / "a.idx.gz"
    file.write_bytes(content)
    start = re.escape(f"{file}: damaged or truncated gzip file (")
    with pytest.raises(ValueError, match=rf"^{start}.+\)$"):
        read_idx(file)


@pytest.mark.parametrize("content", [SMALL, zip_(SMALL)], ids=["plain", "gz"])
def test_every_truncation_is_found(tmp_path, content):
    """No beginning of a file is taken for the whole."""
    file = tmp_path / "a.idx"
    for length in range(len(content)):
        file.write_bytes(content[:length])
        with pytest.raises(ValueError, match="^" + re.escape(f"{file}: ")):
            read_idx(file)


@pytest.mark.parametrize("content", [
    header(BIG, BIG, BIG) + bytes(100),
    zip_(header(BIG, BIG, BIG) + bytes(100)),
    zip_(header(2, 3) + bytes(1 << 25)),
], ids=["plain", "gz", "bomb"])
def test_a_false_header_takes_no_memory(tmp_path, content):
    """Neither numbers that are announced and missing, nor those beyond, are made room for."""
    file = tmp_path / "a.idx"
    file.write_bytes(content)
    error, peak = peak_of(read_idx, file)
    assert type(error) is ValueError and "its header announces" in str(error)
    assert peak < MARGIN


def test_a_missing_file_is_not_a_bad_file(tmp_path):
    """It is the FileNotFoundError that open() raises."""
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nowhere.idx")


NUMBERS = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}


def inflated(content):
    """Return what is in a gzip file, by RFC 1952, or None if anything is wrong with it.

    As gzip does, it lets zeros follow, and ignores what says nothing of the
    data: the time, the system, the flags without a meaning, the CRC of the
    header.
    """
    result = b""
    while content:
        if len(content) < 10 or content[:3] != b"\x1f\x8b\x08":
            return None
        flags, content = content[3], content[10:]
        if flags & 4:                                   # further fields, with their length
            if len(content) < 2 or len(content) < 2 + struct.unpack("<H", content[:2])[0]:
                return None
            content = content[2 + struct.unpack("<H", content[:2])[0]:]
        for flag in 8, 16:                              # the name, a comment
            if flags & flag:
                _, _, content = content.partition(b"\0")
        if flags & 2:                                   # the CRC of the header
            content = content[2:]
        stream = zlib.decompressobj(-15)
        try:
            part = stream.decompress(content)
        except zlib.error:
            return None
        end, content = stream.unused_data[:8], stream.unused_data[8:].lstrip(b"\0")
        if not stream.eof or end != struct.pack("<2I", zlib.crc32(part), len(part)):
            return None
        result += part
    return result


def understood(content):
    """Return the code, the shape and the numbers in an idx file, or None if it is none."""
    if content[:2] == b"\x1f\x8b":
        content = inflated(content)
    if content is None or len(content) < 4 or content[:2] != b"\0\0" or content[2] not in NUMBERS:
        return None
    code, axes = content[2:4]
    start = 4 + 4 * axes
    if len(content) < start:
        return None
    shape = struct.unpack(f">{axes}I", content[4:start])
    form = f">{math.prod(shape)}{NUMBERS[code]}" if math.prod(shape) < 1 << 20 else ">0B"
    if struct.calcsize(form) != len(content) - start or math.prod(shape) >= 1 << 20:
        return None
    if math.prod(n for n in shape if n) >= 1 << 59 or axes > 32:    # no array has this shape
        return None
    return code, shape, struct.unpack(form, content[start:])


def mutated(content, rng):
    """Change a few bytes, most of them in the header or at the end."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 5])):
        size = len(content)
        place = rng.choice([rng.randrange(24), rng.randrange(24), size - 1 - rng.randrange(10),
                            rng.randrange(size + 1)])
        place = max(0, min(place, size))
        length = rng.choice([1, 1, 4, rng.randrange(1, 40)])
        some = rng.choice([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0",
                           b"\0\0\0\1", rng.randbytes(length), bytes([rng.randrange(256)])])
        what = rng.choice(["bit", "bit", "byte", "write", "insert", "delete", "repeat", "cut",
                           "append"])
        if what == "bit" and place < size:
            content[place] ^= 1 << rng.randrange(8)
        elif what == "byte" and place < size:
            content[place] = rng.choice([0, 1, 2, 3, 8, 13, 127, 128, 255, rng.randrange(256)])
        elif what == "write":
            content[place:place + len(some)] = some
        elif what == "insert":
            content[place:place] = some
        elif what == "delete":
            del content[place:place + length]
        elif what == "repeat":
            content[place:place] = content[place:place + length]
        elif what == "cut":
            del content[place:]
        elif what == "append":
            content += some
    return bytes(content)


def with_every_field(content):
    """Return a gzip file with a time, a name, a comment, a CRC of its header, and a field more."""
    start = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\4\0abcd" + b"a.idx\0" + b"a comment\0"
    start += struct.pack("<H", zlib.crc32(start) & 0xFFFF)
    return start + zip_(content)[10:]


FORMS = {
    "plain": lambda content, rng: mutated(content, rng),
    "gz": lambda content, rng: mutated(zip_(content), rng),
    "stored": lambda content, rng: mutated(gzip.compress(content, 0, mtime=0), rng),
    "with every field": lambda content, rng: mutated(with_every_field(content), rng),
    "in two parts": lambda content, rng: mutated(zip_(content[:9]) + zip_(content[9:]), rng),
    "inside": lambda content, rng: zip_(mutated(content, rng)),
}
ARRAYS = [np.arange(12, dtype=np.uint8).reshape(3, 4), np.ones((2, 2)), np.array(7, np.int8),
          np.zeros((0, 3, 4), np.int16), np.arange(40, dtype=np.int32),
          np.linspace(-1, 1, 30, dtype=np.float32).reshape(2, 3, 5)]


@pytest.mark.parametrize("count", [200, slow(20_000)])
def test_a_mutated_file_is_read_as_another_reader_does(tmp_path, count):
    """The right array, or a ValueError that names the file; neither claims memory."""
    rng = random.Random(count)
    file = tmp_path / "a.idx"
    read = 0
    for i in range(count):
        content = FORMS[rng.choice(list(FORMS))](idx(ARRAYS[i % len(ARRAYS)]), rng)
        file.write_bytes(content)
        want = understood(content)
        got, peak = peak_of(read_idx, file)
        assert peak < MARGIN
        if want is None:
            assert type(got) is ValueError and str(got).startswith(f"{file}: "), content
        else:
            code, shape, numbers = want
            assert isinstance(got, np.ndarray), (content, got)
            assert got.dtype.isnative and CODES[got.dtype.name] == code
            np.testing.assert_array_equal(got, np.reshape(numbers, shape), strict=False)
            assert got.shape == shape
            read += 1
    assert count / 20 < read < count / 2        # both are tried


@pytest.mark.parametrize("count", [50, slow(10_000)])
def test_mnist_with_a_mutated_file(tmp_path, count):
    """The images and labels that another reader finds, or a ValueError that names that file."""
    rng = random.Random(count)
    files = [tmp_path / name for name in TRAINING]
    arrays = IMAGES["train"], LABELS["train"]
    read = 0
    for i in range(count):
        write(tmp_path, only(*TRAINING))
        bad = files[i % 2]
        content = FORMS[rng.choice(list(FORMS))](idx(arrays[i % 2]), rng)
        bad.write_bytes(content)
        want = [understood(file.read_bytes()) for file in files]
        if None not in want:
            (code, shape, pixels), (label_code, label_shape, labels) = want
            if (code, shape[1:], label_code, label_shape) != (8, (28, 28), 8, shape[:1]) or (
                    max(labels, default=0) > 9):
                want = [None]
        got, peak = peak_of(load_mnist, "training", tmp_path)
        assert peak < MARGIN
        if None in want:
            assert type(got) is ValueError and str(bad) in str(got), content
        else:
            images, numbers = got
            np.testing.assert_array_equal(images, np.reshape(pixels, shape).astype("f4") / 255)
            np.testing.assert_array_equal(numbers, labels)
            assert (images.dtype, numbers.dtype) == (np.float32, np.int64)
            read += 1
    assert count / 20 < read < count / 2


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("array", [np.zeros((20_000, 28, 28), np.uint8), np.zeros((1400, 1400))],
                         ids=["uint8", "float64"])
def test_reading_takes_no_more_memory_than_twice_the_data(tmp_path, array, zipped):
    """For 16 MB: the bytes of the file, and the array if its numbers are turned round."""
    file = tmp_path / "a.idx"
    file.write_bytes(zip_(idx(array)) if zipped else idx(array))
    got, peak = peak_of(read_idx, file)
    np.testing.assert_array_equal(got, array)
    assert peak < 2 * array.nbytes + MARGIN


# load_mnist from a folder

@pytest.mark.parametrize("section, prefix", [("training", "train"), ("testing", "t10k")])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("through", ["path", "MNIST_DIR"])
def test_from_a_folder(tmp_path, monkeypatch, through, zipped, section, prefix):
    """Plain or gzipped, in path or in MNIST_DIR; nothing is downloaded, the cache not made."""
    folder = write(tmp_path / "a", zipped=zipped)
    if through == "path":
        images, labels = load_mnist(section, path=folder)
    else:
        monkeypatch.setenv("MNIST_DIR", str(folder))
        images, labels = load_mnist(section)
    assert is_fake(images, labels, prefix)
    assert images.min() == 0 and images.max() == 1
    assert not (tmp_path / "cache").exists()


def test_path_wins_over_mnist_dir(tmp_path, monkeypatch):
    """If it holds any file of MNIST; else MNIST_DIR is used."""
    other = {name: zip_(idx(np.zeros_like(IMAGES["train"]))) for name in TRAINING[:1]}
    monkeypatch.setenv("MNIST_DIR", str(write(tmp_path / "b", FILES | other)))
    assert is_fake(*load_mnist(path=str(write(tmp_path / "a"))))
    assert not load_mnist()[0].any()
    assert not load_mnist(path=write(tmp_path / "empty", {}))[0].any()


# all files from one place

def incomplete(has, *missing):
    """Return the end of the message on a folder that lacks files."""
    return (f": has {', '.join(sorted(has))}, but not {', '.join(missing)}, plain or "
            "gzipped; all files of MNIST have to be in one folder")


@pytest.mark.parametrize("lacks", FILES)
@pytest.mark.parametrize("through", ["path", "MNIST_DIR"])
def test_no_place_fills_the_gaps_of_another(mirrors, server, cache, tmp_path, monkeypatch,
                                            through, lacks):
    """Not MNIST_DIR, nor the cache, nor a mirror: it is said which file is missing where."""
    mirrors("good")
    has = [name for name in FILES if name != lacks]
    folder = write(tmp_path / "a", only(*has))
    whole = write(tmp_path / "b")
    write(cache)
    path, variable = (folder, whole) if through == "path" else (None, folder)
    monkeypatch.setenv("MNIST_DIR", str(variable))
    message = f"{folder} ({through})" + incomplete(has, lacks)
    for section, names in ("training", TRAINING), ("testing", TESTING):
        if lacks in names:
            with pytest.raises(FileNotFoundError) as caught:
                load_mnist(section, path)
            assert str(caught.value) == message
        else:                           # the other two are there, and are one section
            assert is_fake(*load_mnist(section, path), names[0].partition("-")[0])
    if through == "MNIST_DIR":
        for source in "auto", "mnist":  # and no digits in its place
            with pytest.raises(FileNotFoundError) as caught:
                load(source)
            assert str(caught.value) == message
    assert server.asked == []


def test_a_folder_with_one_section(tmp_path, monkeypatch):
    """Both files that are missing are named; the other section is not taken from elsewhere."""
    folder = write(tmp_path / "a", only(*TRAINING), zipped=False)
    monkeypatch.setenv("MNIST_DIR", str(write(tmp_path / "b")))
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist("testing", folder)
    assert str(caught.value) == f"{folder} (path)" + incomplete(
        [name.removesuffix(".gz") for name in TRAINING], *TESTING)


def test_the_name_is_mnist_only_if_the_files_are(mirrors, tmp_path, monkeypatch):
    """Files of the same names and form are called by their folder, wherever they lie in it."""
    mirrors()                           # the fake MNIST is what counts as MNIST
    for files, zipped, where in [(FILES, True, "a"), (FILES, False, "b/MNIST/raw"),
                                 (OTHER, True, "c"), (OTHER, False, "d/raw")]:
        folder = write(tmp_path / where, files, zipped)
        monkeypatch.setenv("MNIST_DIR", str(tmp_path / where[0]))
        for source in "auto", "mnist":
            data = load(source)
            if files is FILES:
                assert data.name == "MNIST" and is_fake(data.train_images, data.train_labels)
            else:
                assert data.name == f"the files in {folder} (not MNIST)"
                assert (data.train_labels == 1).all()


@pytest.mark.parametrize("others", [TRAINING, TESTING, *([name] for name in FILES)])
def test_other_data_beside_that_of_mnist(mirrors, tmp_path, monkeypatch, others):
    """As Fashion-MNIST's training files, or a damaged plain file: refused, and named."""
    mirrors()
    folder = write(tmp_path / "a", FILES | {name: OTHER[name] for name in others}, zipped=False)
    monkeypatch.setenv("MNIST_DIR", str(folder))
    message = (": damaged, or of another data set than the files beside, which are MNIST "
               "(by SHA-256): put one data set into one folder")
    with pytest.raises(ValueError) as caught:
        load()
    assert str(caught.value) == ", ".join(
        str(folder / name.removesuffix(".gz")) for name in others) + message
    section = "training" if others[0] in TRAINING else "testing"
    if len(others) == 1:                # images of one data set, labels of another
        with pytest.raises(ValueError, match=re.escape(message)):
            load_mnist(section)
    else:                               # a section of its own
        assert (load_mnist(section)[1] == 1).all()


def test_the_table_is_that_of_the_real_mnist():
    """The second SHA-256 of each file is that of the data in the first, whose source is known."""
    if MNIST_DIR is None:
        pytest.skip("needs the files of MNIST: set MNIST_DIR to their folder")
    for name, (size, zipped, digest) in REAL_FILES.items():
        content = (Path(MNIST_DIR) / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, zipped)
        assert hashlib.sha256(read_idx(Path(MNIST_DIR) / name)).hexdigest() == digest


# files as people have them

def dotted(name):
    return name.replace("-idx", ".idx")


@pytest.mark.parametrize("where", [".", "raw", "MNIST/raw"])
@pytest.mark.parametrize("spelling", [
    lambda name: name, dotted, str.upper, lambda name: dotted(name).upper(),
    lambda name: f"{dotted(name)}/{name}", lambda name: f"{name}/{dotted(name)}",
    lambda name: f"{name}/{name}", lambda name: f"{name.removesuffix('.gz')}/{name}",
], ids=["as published", "dotted", "capitals", "dotted capitals", "in a dotted folder",
        "dotted in a folder", "in a folder", "gz in a folder"])
@pytest.mark.parametrize("zipped", [False, True])
def test_files_as_people_have_them(tmp_path, where, spelling, zipped):
    """Unpacked by one program or another, by Kaggle, or by torchvision."""
    for name, content in FILES.items():
        name = name if zipped else name.removesuffix(".gz")
        file = tmp_path / where / spelling(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if zipped else gzip.decompress(content))
    assert is_fake(*load_mnist("training", tmp_path))
    assert is_fake(*load_mnist("testing", tmp_path), "t10k")


def test_each_file_in_another_form(tmp_path):
    """One gzipped, one plain, one in a folder, one a link to a folder elsewhere."""
    write(tmp_path, only(NAMES[0]))
    write(tmp_path, only(NAMES[1]), zipped=False)
    write(tmp_path / NAMES[2], only(NAMES[2]))
    write(tmp_path / "elsewhere", only(NAMES[3]))
    (tmp_path / NAMES[3]).symlink_to(tmp_path / "elsewhere" / NAMES[3])
    (tmp_path / "link").symlink_to(tmp_path)
    assert is_fake(*load_mnist("training", tmp_path))
    assert is_fake(*load_mnist("testing", tmp_path / "link"), "t10k")


@pytest.mark.parametrize("spelling", [str, dotted, lambda name: f"{name}/{name}"])
def test_of_two_copies_the_gzipped_one_is_read(tmp_path, spelling):
    """It is whole, or gzip says that it is damaged; the plain one may be of a broken gunzip."""
    write(tmp_path, only(*TRAINING))
    for name in TRAINING:
        plain = tmp_path / spelling(name.removesuffix(".gz"))
        plain.parent.mkdir(exist_ok=True)
        plain.write_bytes(b"half")
    assert is_fake(*load_mnist(path=tmp_path))
    (tmp_path / TRAINING[1]).write_bytes(FILES[TRAINING[1]][:-1])
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / TRAINING[1]}: damaged")):
        load_mnist(path=tmp_path)


def test_what_has_the_name_and_is_no_file(tmp_path):
    """A folder without the file, a link to nowhere, a pipe: missing, and nothing waits."""
    write(tmp_path / "a", only(TRAINING[0]))
    for make in a_folder, a_dangling_link, a_link_to_itself, os.mkfifo:
        make(tmp_path / "a" / TRAINING[1])
        with pytest.raises(FileNotFoundError, match=f"but not {TRAINING[1]}, "):
            load_mnist(path=tmp_path / "a")
        (tmp_path / "a" / TRAINING[1]).rename(tmp_path / make.__name__)


@pytest.mark.parametrize("name", [
    "._" + TRAINING[0], TRAINING[0] + ".part", TRAINING[0][:-4], "emnist-" + TRAINING[0],
    TRAINING[0] + ".txt"])
def test_names_that_are_others(tmp_path, name):
    """Nothing is taken for a file of MNIST because its name is similar."""
    write(tmp_path, {name: FILES[TRAINING[0]]})
    with pytest.raises(DataNotFound, match="no file of MNIST in it"):
        load_mnist(path=tmp_path)


@pytest.mark.parametrize("section", ["train", "test", "Training", "", None, 0])
@pytest.mark.parametrize("function", [load_mnist, load_digits])
def test_a_wrong_section(function, section):
    """The message says which two there are."""
    with pytest.raises(ValueError) as caught:
        function(section)
    assert str(caught.value) == f'section must be "training" or "testing", got {section!r}'


@pytest.mark.parametrize("which, content, message", [
    (0, idx(LABELS["train"]),
     "{0}: expected bytes of shape (N, 28, 28), got uint8 of shape (6,)"),
    (0, idx(np.zeros((6, 28, 27), np.uint8)),
     "{0}: expected bytes of shape (N, 28, 28), got uint8 of shape (6, 28, 27)"),
    (0, idx(np.zeros((6, 28, 28), np.float32)),
     "{0}: expected bytes of shape (N, 28, 28), got float32 of shape (6, 28, 28)"),
    (1, idx(LABELS["t10k"]),
     "{1}: expected 6 bytes, one label for each image of {0}, got uint8 of shape (4,)"),
    (1, idx(IMAGES["train"]),
     "{1}: expected 6 bytes, one label for each image of {0}, got uint8 of shape (6, 28, 28)"),
    (1, idx(np.arange(6, dtype=np.int8)),
     "{1}: expected 6 bytes, one label for each image of {0}, got int8 of shape (6,)"),
    (1, idx(np.array([5, 0, 11, 1, 9, 2], np.uint8)), "{1}: expected labels from 0 to 9, got 11"),
    (0, b"<html>", "{0}: wrong magic number 3c68746d: not an idx file"),
], ids=["labels as images", "27 columns", "float images", "other labels", "images as labels",
        "int8 labels", "label 11", "html"])
def test_files_that_are_not_mnist(tmp_path, which, content, message):
    """Each is a ValueError that names the file and says what was expected and what was got."""
    folder = write(tmp_path / "a", FILES | {TRAINING[which]: zip_(content)})
    with pytest.raises(ValueError) as caught:
        load_mnist(path=folder)
    assert str(caught.value) == message.format(*(folder / name for name in TRAINING))


def not_found(tried):
    """Return the message of DataNotFound."""
    return ("MNIST was not found:\n" + "".join(f"  {place}\n" for place in tried)
            + "Three ways out:\n"
            f"  1. put {', '.join(FILES)} into a folder, and set the environment "
            "variable MNIST_DIR to it;\n"
            "  2. connect to the internet, so that they can be downloaded;\n"
            '  3. use the digits that come with EDF: load("digits") or load_digits().')


def not_in(cache, name=TRAINING[0]):
    """Return the line about the cache in the message of DataNotFound."""
    return f"{cache} (cache): no {name} in it, or a wrong one"


def test_no_file_anywhere(tmp_path, monkeypatch):
    """The message lists the folders that were tried, and the three ways out."""
    (tmp_path / "b").write_bytes(b"a file")
    monkeypatch.setenv("MNIST_DIR", str(tmp_path / "b"))
    with pytest.raises(DataNotFound) as caught:
        load_mnist(path=write(tmp_path / "a", {}))
    tried = [f"{tmp_path / 'a'} (path): no file of MNIST in it",
             f"{tmp_path / 'b'} (MNIST_DIR): not a folder", not_in(tmp_path / "cache/edf")]
    assert str(caught.value) == not_found(tried)


def test_the_real_mnist(monkeypatch):
    """Sizes, mean, first labels and classes are those known; fails if MNIST_DIR lacks a file."""
    if MNIST_DIR is None:
        pytest.skip("needs the files of MNIST: set MNIST_DIR to their folder")
    monkeypatch.setenv("MNIST_DIR", MNIST_DIR)
    data = load("mnist")
    assert data.name == "MNIST"
    assert data.train_images.shape == (60000, 28, 28) and data.train_labels.shape == (60000,)
    assert data.test_images.shape == (10000, 28, 28) and data.test_labels.shape == (10000,)
    assert data.train_images.dtype == np.float32 and data.train_labels.dtype == np.int64
    assert data.train_images.min() == 0 and data.train_images.max() == 1
    assert data.train_images.mean(dtype=np.float64) == pytest.approx(0.13066, abs=1e-5)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.train_labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


# the digits

@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_the_form_of_the_digits(digits):
    """It is that of MNIST, and the name is not."""
    assert digits.name == "the UCI digits that come with EDF (not MNIST)"
    for images, labels, count in [(digits.train_images, digits.train_labels, 1397),
                                  (digits.test_images, digits.test_labels, 400)]:
        assert images.shape == (count, 28, 28) and labels.shape == (count,)
        assert images.dtype == np.float32 and labels.dtype == np.int64
        assert images.min() == 0 and images.max() == 1
        assert set(labels) == set(range(10))


def test_the_two_sections_of_the_digits(digits):
    """They are those of load_digits, and no image is in both, or twice."""
    for got, want in zip(digits[1:5], load_digits() + load_digits("testing"), strict=True):
        np.testing.assert_array_equal(got, want)
    every = np.concatenate([digits.train_images, digits.test_images])
    assert len({image.tobytes() for image in every}) == 1797


def test_the_digits_are_centred(digits):
    """Each is within 20x20 pixels, its centre of mass at most half a pixel from the middle."""
    images = np.concatenate([digits.train_images, digits.test_images]).astype(float)
    for axis in 1, 2:
        profile = images.sum(axis=3 - axis)                 # (1797, 28)
        centre = profile @ (np.arange(28) + 0.5) / profile.sum(axis=1)
        assert abs(centre - 14).max() <= 0.5
        inked = profile > 0
        extent = 28 - inked[:, ::-1].argmax(axis=1) - inked.argmax(axis=1)
        assert extent.max() == 20


def trimmed(image):
    return image[np.ix_(image.any(axis=1), image.any(axis=0))]


def test_the_digits_are_those_of_the_table(digits):
    """In its order, every image is its 8x8 pixels, drawn 20x20 by np.interp."""
    with gzip.open(DATA / "digits.csv.gz", "rt") as file:
        rows = [[float(word) for word in file.readline().split(",")] for _ in range(50)]
    assert digits.train_labels[:50].tolist() == [row[64] for row in rows]
    at = (np.arange(20) + 0.5) * 8 / 20 - 0.5       # the new centres, in old pixels
    for got, row in zip(digits.train_images, rows, strict=False):
        image = np.reshape(row[:64], (8, 8)) / 16
        for _ in range(2):                          # along the rows, then along the columns
            image = np.array([np.interp(at, range(8), line) for line in image]).T
        np.testing.assert_allclose(trimmed(got), trimmed(image), atol=1e-6)


def test_the_file_of_the_digits_is_the_one_described():
    """Its SHA-256 is the one in data/README.md."""
    digest = hashlib.sha256((DATA / "digits.csv.gz").read_bytes()).hexdigest()
    assert f"`{digest}`" in (DATA / "README.md").read_text()


def test_the_digits_need_no_network(monkeypatch):
    """No socket is opened."""
    def refuse(*_):
        raise AssertionError("a socket was opened")
    monkeypatch.setattr(socket, "socket", refuse)
    assert len(load("digits").train_images) == 1397


# downloading

SHORT, WRONG = " bytes came", "what came is not that file (wrong SHA-256)"
BAD = {                     # what a mirror does -> what the message says of it
    "403": "HTTP Error 403: Forbidden",
    "404": "HTTP Error 404: Not Found",
    "503": "HTTP Error 503: Service Unavailable",
    "html": SHORT,          # the page of a hotel, with status 200
    "moved": SHORT,         # with status 301 to that page
    "circle": "redirect error that would lead to an infinite loop",
    "wrong": WRONG,         # other bytes, as many
    "cut": SHORT,           # the connection ends in the data
    "unannounced": SHORT,   # likewise, and the length was not announced
    "chunks": "IncompleteRead",                 # likewise, and sent in chunks
    "reset": "Connection reset by peer",        # likewise, but by a reset
    "nothing": "Remote end closed connection without response",
    "foreign": "SSH-2.0-OpenSSH",               # another protocol
    "silent": "timed out",                      # no answer
    "stalls": "timed out",                      # no end of the answer
    "drips": "after 0.3 seconds only ",         # never silent, and not done for long
    "endless": WRONG,
    "bomb": WRONG,          # 10 MB of gzip that hold 10 GB
    "encoded bomb": WRONG,  # the same, which the header says is to be expanded
    "refused": "Connection refused",
    "unresolved": "Name or service not known",
}
SERVED = dict(FILES)        # what the mirrors have
BOMB = 1030 * zip_(bytes(10_000_000))
ENDLESS = 1 << 28           # what a loader that reads on gets


class Mirror(BaseHTTPRequestHandler):
    """A mirror at /<which>/<what it does>/."""

    def do_GET(self):
        self.server.asked.append(self.path)
        try:
            self.answer(*unquote(self.path).split("/")[-2:])
        except ConnectionError:         # the loader went away, as it should
            pass

    def answer(self, what, name):
        what, _, place = what.partition(" at ")
        content = SERVED[name]
        length, status, headers = len(content), 200, {}
        if what == "silent":
            self.server.closing.wait(10)
        if what in ("silent", "nothing"):
            return
        if what == "foreign":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            return
        if what.isdigit():
            status = int(what)
        if what in ("moved", "moved on", "circle"):
            status = 301
            headers["Location"] = {"moved": f"/html/{name}", "moved on": f"/good/{name}",
                                   "circle": self.path}[what]
        if what in ("html", "moved", "circle"):
            content = b"<html>Welcome to our hotel</html>"
            length = len(content)
        if what in ("wrong", "endless"):
            content = bytes(length)
        if what == "more":
            content += b"further bytes"
            length = len(content)
        if what.endswith("bomb"):
            content, length = BOMB, len(BOMB)
        if what == "encoded bomb":
            headers["Content-Encoding"] = "gzip"
        if what in ("cut", "stalls", "reset", "unannounced"):
            content = content[:int(place or -10)]
        if what in ("endless", "moved on", "unannounced", "chunks"):
            length = None
        if what == "chunks":
            headers["Transfer-Encoding"] = "chunked"
            content = b"%x\r\n" % len(content) + content[:int(place or -10)]

        self.send_response(status)
        if length is not None:
            headers["Content-Length"] = length
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if what == "drips":
            start, content = content[:100], content[100:]
            for byte in start:
                self.wfile.write(bytes([byte]))
                self.server.closing.wait(0.05)
        if what == "slowly":
            *parts, content = (content[i:i + 500] for i in range(0, len(content), 500))
            for part in parts:
                self.wfile.write(part)
                self.server.closing.wait(0.002)
        self.wfile.write(content)
        while what in ("endless", "moved on") and self.server.sent < ENDLESS:
            self.wfile.write(bytes(1 << 16))
            self.server.sent += 1 << 16
        if what == "stalls":
            self.server.closing.wait(10)
        if what == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def shutdown_request(self, request):
        self.close_request(request)         # no farewell before a reset


@pytest.fixture(scope="module")
def server():
    with Server(("127.0.0.1", 0), Mirror) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))           # a port where nobody listens
        server.closing = threading.Event()
        server.address_of = {"refused": f"http://127.0.0.1:{closed.getsockname()[1]}",
                             "unresolved": "http://mirror.invalid"}
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def mirrors(server, monkeypatch):
    """Return a function that sets the mirrors, by what each does, and returns their addresses."""
    server.asked, server.sent = [], 0
    monkeypatch.setattr(mnist_loader, "FILES", TABLE)
    look_up, receive = socket.getaddrinfo, mnist_loader.receive

    def impatient(url, *rest):              # with those alone that keep one waiting
        patience = {"silent": ("TIMEOUT", 0.3), "stalls": ("TIMEOUT", 0.3), "drips": ("LIMIT", 0.3)}
        with pytest.MonkeyPatch.context() as patch:
            if (what := url.split("/")[-2]) in patience:
                patch.setattr(mnist_loader, *patience[what])
            receive(url, *rest)

    def without_network(host, *rest):
        if host == "mirror.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *rest)

    monkeypatch.setattr(mnist_loader, "receive", impatient)
    monkeypatch.setattr(socket, "getaddrinfo", without_network)

    def use(*deeds):
        there = f"http://127.0.0.1:{server.server_port}"
        urls = tuple(f"{server.address_of.get(what, there)}/{i}/{quote(what)}/"
                     for i, what in enumerate(deeds))
        monkeypatch.setattr(mnist_loader, "MIRRORS", urls)
        return urls

    return use


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "edf"


def content_of(folder):
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def only(*names):
    return {name: FILES[name] for name in names}


def downloading(url, name):
    """Return what is printed when a download begins."""
    return f"downloading {url}{name}: {len(FILES[name]):,} bytes\n"


def test_progress(tmp_path, monkeypatch, capsys):
    """While a file comes, a line every five seconds says how many of its bytes have."""
    size = 10 << 16                     # in ten parts, and two seconds for each
    body = SimpleNamespace(open=lambda url, timeout: io.BytesIO(bytes(size)))
    clock = SimpleNamespace(monotonic=partial(next, itertools.count(step=2)))
    monkeypatch.setattr(mnist_loader, "opener", lambda: body)
    monkeypatch.setattr(mnist_loader, "time", clock)
    mnist_loader.receive("an address", tmp_path / "a", size)
    assert capsys.readouterr().out.splitlines() == [
        "downloading an address: 655,360 bytes", "  131,072 of 655,360 bytes",
        "  327,680 of 655,360 bytes", "  524,288 of 655,360 bytes"]


def test_downloading_once(mirrors, server, cache, capsys):
    """The first call downloads and prints a line for each file, the second does neither."""
    first, _ = mirrors("good", "good")
    for _ in range(2):
        data = load("mnist")
        assert data.name == "MNIST"
        assert is_fake(data.train_images, data.train_labels)
        assert is_fake(data.test_images, data.test_labels, "t10k")
        assert content_of(cache) == FILES
    assert server.asked == [f"/0/good/{name}" for name in FILES]
    out, err = capsys.readouterr()
    assert out == "".join(downloading(first, name) for name in FILES)
    assert err == ""


@pytest.mark.parametrize("what", BAD)
def test_the_second_mirror_helps_out(mirrors, cache, capsys, what):
    """If the first mirror fails, in whatever way, the second gives the right files."""
    urls = mirrors(what, "good")
    assert is_fake(*load_mnist())
    assert content_of(cache) == only(*TRAINING)     # and no unfinished file
    out, err = capsys.readouterr()
    assert out == "".join(downloading(url, name) for name in TRAINING for url in urls)
    assert err == ""


@pytest.mark.parametrize("what", BAD)
def test_both_mirrors_fail(mirrors, cache, what):
    """The message lists both with what each did, and the three ways out; no file is kept."""
    urls = mirrors(what, what)
    with pytest.raises(DataNotFound) as caught:
        load_mnist("testing")
    _, first, *tried = str(caught.value).splitlines()[:4]
    for line, url in zip(tried, urls, strict=True):
        assert line.startswith(f"  {url}: ") and BAD[what] in line
    tried = [line.strip() for line in (first, *tried)]
    assert tried[0] == not_in(cache, TESTING[0])
    assert str(caught.value) == not_found(tried)
    assert content_of(cache) == {}


def test_the_message_when_nothing_helps(mirrors, cache, monkeypatch, tmp_path):
    """The whole message: every place in the order in which it was tried."""
    a, b = mirrors("404", "html")
    monkeypatch.setenv("MNIST_DIR", str(tmp_path / "b"))
    with pytest.raises(DataNotFound) as caught:
        load_mnist(path=tmp_path / "a")
    assert str(caught.value) == not_found([
        f"{tmp_path / 'a'} (path): not a folder", f"{tmp_path / 'b'} (MNIST_DIR): not a folder",
        not_in(cache), f"{a}: HTTP Error 404: Not Found",
        f"{b}: only 33 of {len(FILES[TRAINING[0]]):,} bytes came"])


@pytest.mark.parametrize("bad", [b"", FILES[TRAINING[0]][:-1], flipped(FILES[TRAINING[0]], 99)],
                         ids=["empty", "truncated", "flipped"])
def test_a_corrupt_file_in_the_cache(mirrors, server, cache, bad):
    """It is downloaded again, and only it."""
    mirrors("good")
    write(cache, FILES | {TRAINING[0]: bad})
    assert is_fake(*load_mnist())
    assert server.asked == [f"/0/good/{TRAINING[0]}"]
    assert content_of(cache) == FILES


def test_a_corrupt_file_in_the_cache_is_downloaded_aloud(mirrors, cache, capsys):
    """The line is printed for this download too."""
    urls = mirrors("503", "good")
    write(cache, FILES | {TRAINING[0]: b"bad"})
    assert is_fake(*load_mnist())
    want = "".join(downloading(url, TRAINING[0]) for url in urls)
    assert capsys.readouterr().out == want


def test_a_corrupt_file_in_the_cache_is_never_used(mirrors, cache):
    """Without a mirror it is not better than none."""
    mirrors("503", "404")
    write(cache, FILES | {TRAINING[0]: zip_(idx(np.zeros((6, 28, 28), np.uint8)))})
    with pytest.raises(DataNotFound):
        load_mnist()


def a_file(place):
    place.write_text("this is neither a folder nor MNIST")


def a_folder(place):
    place.mkdir()
    (place / "file").write_text("so that no file takes its place")


def a_dangling_link(place):
    place.symlink_to("nowhere")


def a_link_to_itself(place):
    place.symlink_to(place.name)


@pytest.mark.parametrize("make", [a_file, a_dangling_link, a_link_to_itself])
@pytest.mark.parametrize("where", ["hash", "hash/edf"])         # a name to be confused by
def test_a_cache_that_cannot_be_made(mirrors, monkeypatch, tmp_path, where, make):
    """It is DataNotFound, with the reason, and not with that of a wrong file."""
    urls = mirrors("good", "good")
    (tmp_path / where).parent.mkdir(exist_ok=True)
    make(tmp_path / where)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "hash"))
    with pytest.raises(DataNotFound) as caught:
        load_mnist()
    _, first, *lines = str(caught.value).splitlines()[:4]
    assert first.strip() == not_in(tmp_path / "hash" / "edf")
    for line, url in zip(lines, urls, strict=True):
        assert line.startswith(f"  {url}: ") and str(tmp_path / "hash") in line
        assert "SHA-256" not in line


def test_a_cache_that_may_not_be_written_to(mirrors, monkeypatch, tmp_path):
    """It is DataNotFound, with the reason; what is in it already is read."""
    mirrors("good")
    folder = write(tmp_path / "cache" / "edf", only(*TRAINING))
    folder.chmod(0o500)
    assert is_fake(*load_mnist())
    if os.geteuid() == 0:                   # root may write there, but not here
        folder = Path("/proc/edf")
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    with pytest.raises(DataNotFound) as caught:
        load_mnist("testing")
    _, first, line = str(caught.value).splitlines()[:3]
    assert first.strip() == not_in(folder, TESTING[0]) and f"'{folder}" in line


def test_a_folder_in_place_of_the_file(mirrors, cache):
    """It is DataNotFound, with the reason, and the folder stays as it was."""
    mirrors("good")
    cache.mkdir(parents=True)
    a_folder(cache / TRAINING[0])
    with pytest.raises(DataNotFound, match=f"Is a directory: '{cache / TRAINING[0]}'"):
        load_mnist()
    assert [file.name for file in cache.rglob("*")] == [TRAINING[0], "file"]


@pytest.mark.parametrize("make", [a_file, a_dangling_link, a_link_to_itself])
def test_anything_else_in_place_of_the_file_is_replaced(mirrors, cache, make):
    """By the file, and what a link points to is not written."""
    mirrors("good")
    cache.mkdir(parents=True)
    make(cache / TRAINING[0])
    assert is_fake(*load_mnist())
    assert content_of(cache) == only(*TRAINING) and not (cache / TRAINING[0]).is_symlink()


@pytest.mark.parametrize("what", ["more", "moved on"])
def test_what_a_mirror_sends_besides_the_file_is_not_read(mirrors, server, cache, what):
    """Not what follows the file, nor what comes with a redirection, endless here."""
    mirrors(what)
    assert is_fake(*load_mnist())
    assert content_of(cache) == only(*TRAINING)
    assert server.sent < ENDLESS


# downloads and processes that are stopped

@pytest.mark.parametrize("count", [20, slow(2000)])
def test_a_download_cut_anywhere(mirrors, cache, count):
    """Whether the length was announced, not announced, or each chunk's, no part is kept."""
    name = TRAINING[0]
    size = len(FILES[name])
    rng = random.Random(count)
    for i in range(count):
        place = rng.choice([0, 1, size - 1, rng.randrange(size)])
        what = ("cut", "unannounced", "chunks")[i % 3]
        url, = mirrors(f"{what} at {place}")
        with pytest.raises(DataNotFound) as caught:
            load_mnist()
        reason = ("IncompleteRead(0 bytes read)" if what == "chunks" else
                  f"only {place:,} of {size:,} bytes came")
        assert str(caught.value).splitlines()[2] == f"  {url}: {reason}"
        assert content_of(cache) == {}
    mirrors("good")
    assert is_fake(*load_mnist())


@pytest.mark.parametrize("what", ["endless", "bomb", "encoded bomb"])
def test_no_mirror_fills_the_memory_or_the_disk(mirrors, server, cache, monkeypatch, what):
    """Of endless data, or 10 GB in a gzip file, as many bytes are kept as MNIST has, on disk."""
    url, = mirrors(what)
    monkeypatch.setattr(mnist_loader, "FILES", REAL_FILES)      # 9.9 MB, as little is the bomb
    size, *_ = REAL_FILES[TRAINING[0]]
    assert size < len(BOMB) and size < ENDLESS
    written, receive = [], mnist_loader.receive

    def measured(url, file, size):
        try:
            receive(url, file, size)
        finally:
            written.append(os.path.getsize(file))

    monkeypatch.setattr(mnist_loader, "receive", measured)
    mnist_loader.opener()               # the certificates take 4 MB, once
    error, peak = peak_of(load_mnist)
    assert isinstance(error, DataNotFound)
    assert f"{url}: what came is not that file (wrong SHA-256)" in str(error)
    assert written == [size] and content_of(cache) == {}
    assert peak < MARGIN
    assert server.sent < ENDLESS


@pytest.fixture(scope="module")
def processes():
    """A server that forks processes in which everything is imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "pooch", "requests"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        first = context.Process(target=int)
        first.start()
        first.join()
    return context


def settle(cache, urls):
    """Give the loader, in a process of its own, the cache and the mirrors of a test."""
    os.environ.update(XDG_CACHE_HOME=str(cache.parent), no_proxy="*")
    os.environ.pop("MNIST_DIR", None)
    mnist_loader.MIRRORS, mnist_loader.FILES = urls, TABLE
    sys.stdout = open(os.devnull, "w")


def load_together(cache, urls, barrier):
    settle(cache, urls)
    barrier.wait(60)
    assert is_fake(*load_mnist())
    assert is_fake(*load_mnist("testing"), "t10k")


@pytest.mark.parametrize("before, rounds", [
    ({}, 1), slow({}, 50), slow({TRAINING[0]: b"wrong"}, 50)])
def test_eight_processes_share_a_cache(processes, mirrors, cache, before, rounds):
    """All load at once into a cache that is empty, or holds a wrong file; all get the data."""
    urls = mirrors("slowly")
    for _ in range(rounds):
        for file in content_of(cache):
            (cache / file).unlink()
        write(cache, before)
        barrier = processes.Barrier(8)
        every = [processes.Process(target=load_together, args=(cache, urls, barrier))
                 for _ in range(8)]
        for process in every:
            process.start()
        for process in every:
            process.join(60)
        assert [process.exitcode for process in every] == [0] * 8
        assert content_of(cache) == FILES


WHERE_TO_DIE = "mnist_loader.py", "pooch", "tempfile.py", "shutil.py"


def load_and_die(cache, urls, moment, sender):
    """Load, and be killed at the call, or the return, of this number."""
    settle(cache, urls)
    mnist_loader.opener()
    calls = 0

    def count(frame, event, function):
        nonlocal calls
        calls += any(name in frame.f_code.co_filename for name in WHERE_TO_DIE)
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    load_mnist()
    sys.setprofile(None)
    sender.send(calls)


@pytest.mark.parametrize("kills", [10, slow(400)])
def test_a_process_killed_while_it_loads(processes, mirrors, cache, kills):
    """Each file is then in the cache or is not, and the next call gives the data.

    The moments are spread over the calls that the loader and pooch make, not
    over the time, nearly all of which is that of receiving: verifying and
    moving have their share.
    """
    urls = mirrors("slowly")
    receiver, sender = processes.Pipe(duplex=False)

    def killed(moment):
        for file in content_of(cache):
            (cache / file).unlink()
        process = processes.Process(target=load_and_die, args=(cache, urls, moment, sender))
        process.start()
        process.join(60)
        return process.exitcode

    assert killed(None) == 0
    calls = receiver.recv()
    rng = random.Random(kills)
    codes = []
    for i in range(kills):
        moment = rng.randrange(calls * i // kills, calls * (i + 1) // kills)    # of equal parts
        codes.append(killed(moment + 1))
        left = {name: content for name, content in content_of(cache).items() if name in FILES}
        assert left.items() <= only(*TRAINING).items()
        assert is_fake(*load_mnist())
        assert content_of(cache).items() >= only(*TRAINING).items()
    # What comes in fewer parts takes fewer calls: then the last moment may not be reached.
    assert set(codes) <= {-signal.SIGKILL, 0} and codes.count(0) < kills / 2


def load_onto_a_full_disk(cache, urls, sender):
    """Send what comes of loading where a file may have so many bytes."""
    import resource  # not on Windows

    settle(cache, urls)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)       # so that writing is an error
    for limit in 0, 1, 1000, len(FILES[TRAINING[0]]) - 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            sender.send(load_mnist())
        except DataNotFound as error:
            sender.send((str(error), content_of(cache)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(FILES[TRAINING[0]]), resource.RLIM_INFINITY))
    assert is_fake(*load_mnist())


def test_a_full_disk(processes, mirrors, cache):
    """It is DataNotFound, with the reason, and nothing stays; with room the next call works."""
    urls = mirrors("good", "good")
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=load_onto_a_full_disk, args=(cache, urls, sender))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    for _ in range(4):
        message, left = receiver.recv()
        assert message.splitlines()[1:4] == [
            f"  {not_in(cache)}", *(f"  {url}: [Errno 27] File too large" for url in urls)]
        assert left == {}
    assert content_of(cache) == only(*TRAINING)


# load

def test_auto_falls_back_on_the_digits(mirrors, server, cache, digits):
    """With one loud warning, at the line of the caller, that holds what load("mnist") raises."""
    urls = mirrors("503", "wrong")
    with pytest.raises(DataNotFound) as caught:
        load("mnist")
    server.asked = []
    with pytest.warns(UserWarning) as warned:
        data = load()
    assert len(warned) == 1 and warned[0].filename == __file__
    assert str(warned[0].message) == (
        "MNIST IS NOT HERE: what follows runs on the 1,797 digits that come with EDF, "
        f"and its figures are not those of MNIST.\n{caught.value}")
    assert all(url in str(caught.value) for url in urls)
    assert data.name == digits.name
    for got, want in zip(data[1:], digits[1:], strict=True):
        np.testing.assert_array_equal(got, want)
    assert len(server.asked) == 2               # one file, two mirrors: then it gives up
    assert content_of(cache) == {}


def test_without_pooch_nothing_is_downloaded_and_auto_falls_back(monkeypatch, digits):
    """The loader works without the package that downloads, and says that it is missing."""
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataNotFound) as caught:
        load("mnist")
    tried = ["downloading: needs the package pooch (pip install pooch)"]
    assert str(caught.value) == not_found(tried)
    with pytest.warns(UserWarning, match="MNIST IS NOT HERE"):
        assert "not MNIST" in load().name


def test_a_folder_in_the_home_of_the_user(tmp_path, monkeypatch):
    """A path may begin with ~."""
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "mnist")
    assert is_fake(*load_mnist(path="~/mnist"))


def test_a_home_that_there_is_not():
    """A folder in it is a folder without the file."""
    tried = "~nobody-of-this-name/mnist (path): not a folder"
    with pytest.raises(DataNotFound, match=re.escape(tried)):
        load_mnist(path="~nobody-of-this-name/mnist")


def test_auto_takes_mnist_if_it_can(mirrors, tmp_path, monkeypatch):
    """From a folder or from a mirror, without a warning."""
    mirrors("good")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load().name == "MNIST"
        monkeypatch.setenv("MNIST_DIR", str(write(tmp_path / "a", zipped=False)))
        data = load("auto")
    assert data.name == "MNIST" and is_fake(data.train_images, data.train_labels)


@pytest.mark.parametrize("source", ["auto", "mnist"])
@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_not_replaced_in_silence(mirrors, server, tmp_path, monkeypatch,
                                               name, source):
    """A corrupt file in MNIST_DIR is an error: no digits, and no download, in its place."""
    mirrors("good")
    folder = write(tmp_path / "a", FILES | {name: FILES[name][:-20]})
    monkeypatch.setenv("MNIST_DIR", str(folder))
    with pytest.raises(ValueError, match="^" + re.escape(f"{folder / name}: damaged")):
        load(source)
    assert server.asked == []


@pytest.mark.parametrize("source", ["nonsense", "MNIST", "", None, 0])
def test_a_source_that_there_is_not(source):
    """The message says which three there are."""
    with pytest.raises(ValueError) as caught:
        load(source)
    assert str(caught.value) == f'source must be "auto", "mnist" or "digits", got {source!r}'
