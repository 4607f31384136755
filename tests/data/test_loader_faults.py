"""The MNIST loader under faults that take many tries, much data, or processes to bring about.

The mirrors and the fake MNIST are those of test_mnist_loader.py.  What is
marked as slow repeats what stands beside it, some hundred times.
"""

import gzip
import math
import multiprocessing
import os
import random
import signal
import struct
import sys
import tracemalloc
import zlib
from functools import partial

import numpy as np
import pytest
import test_mnist_loader as base
from test_mnist_loader import (
    BOMB,
    CODES,
    ENDLESS,
    FILES,
    IMAGES,
    LABELS,
    TABLE,
    TRAINING,
    content_of,
    idx,
    is_fake,
    only,
    write,
    zip_,
)

import mnist_loader
from mnist_loader import MNISTNotFound, load_mnist, read_idx

alone, cache, mirrors, server = base.alone, base.cache, base.mirrors, base.server
REAL_FILES = mnist_loader.FILES
MARGIN = 4 << 20            # bytes that reading may take besides the data
slow = partial(pytest.param, marks=pytest.mark.slow)


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


# mirrors

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
        with pytest.raises(MNISTNotFound) as caught:
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
    size, _ = REAL_FILES[TRAINING[0]]
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
    assert isinstance(error, MNISTNotFound)
    assert f"{url}: what came is not MNIST (wrong SHA-256)" in str(error)
    assert written == [size] and content_of(cache) == {}
    assert peak < MARGIN
    assert server.sent < ENDLESS


# processes

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
        except MNISTNotFound as error:
            sender.send((str(error), content_of(cache)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(FILES[TRAINING[0]]), resource.RLIM_INFINITY))
    assert is_fake(*load_mnist())


def test_a_full_disk(processes, mirrors, cache):
    """It is MNISTNotFound, with the reason, and nothing stays; with room the next call works."""
    urls = mirrors("good", "good")
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=load_onto_a_full_disk, args=(cache, urls, sender))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    for _ in range(4):
        message, left = receiver.recv()
        assert message.splitlines()[1:4] == [
            f"  {base.not_in(cache)}", *(f"  {url}: [Errno 27] File too large" for url in urls)]
        assert left == {}
    assert content_of(cache) == only(*TRAINING)


# files

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


@pytest.mark.parametrize("count", [100, slow(20_000)])
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
