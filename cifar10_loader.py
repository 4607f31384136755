"""CIFAR-10, found or downloaded and verified, as MNIST is by mnist_loader.

    from cifar10_loader import load
    data = load()               # CIFAR-10; without it MNIST, or the digits, after a warning
    print(data.name, data.train_images.shape, data.class_names)

Images are float32 (N, 3, 32, 32) from 0 to 1, red, green and blue; labels int64 (N,).
Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

import tarfile
import warnings
from pathlib import Path

import numpy as np

import mnist_loader
from mnist_loader import (
    DataNotFound,
    Dataset,
    fetch,
    incomplete,
    look,
    name_of,
    opened,
    read_parts,
)

MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
ARCHIVE = {     # the number of bytes, and their SHA-256
    "cifar-10-binary.tar.gz": (
        170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
}
FILES = {       # the SHA-256 of each file in it
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
PICKLES = ["cifar-10-python.tar.gz", *(name.removesuffix(".bin") for name in FILES)]
PREFIX = {"training": "data_batch", "testing": "test_batch"}
MISSING = {"data_batch": "any of data_batch_1.bin to data_batch_5.bin",
           "test_batch": "test_batch.bin"}
RECORD = 1 + 3 * 32 * 32    # bytes: the label, then the pixels, channel by channel
COUNT = 10_000              # records in a file

class_names = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())


def load(source="auto"):
    """Return a Dataset: name, train_images, train_labels, test_images, test_labels, class_names.

    source is "cifar10", "mnist", "digits", or "auto": CIFAR-10 if it can be
    had, else, after a warning, MNIST or the digits, as mnist_loader.load() does,
    with images (N, 1, 28, 28).  Print the name beside every figure.  It is
    "CIFAR-10" only if the files are, by SHA-256, and says how many of the
    images there are if some are missing; files of the same form with other
    data are called "the files in <folder> (not CIFAR-10)".

    Raises what load_cifar10 raises, but for "auto" not DataNotFound.
    """
    if source not in ("auto", "cifar10", "mnist", "digits"):
        raise ValueError(f'source must be "auto", "cifar10", "mnist" or "digits", got {source!r}')
    if source in ("mnist", "digits"):
        return with_channel(mnist_loader.load(source))
    try:
        name, *arrays = read_cifar10(PREFIX.values())
    except DataNotFound as error:
        if source == "cifar10":
            raise
        with warnings.catch_warnings(action="ignore", category=UserWarning):    # one is enough
            data = mnist_loader.load()
        warnings.warn(f"CIFAR-10 IS NOT HERE: what follows runs on {data.name}, and its figures "
                      f"are not those of CIFAR-10.\n{error}", stacklevel=2)
        return with_channel(data)
    return Dataset(shortage(name, len(arrays[1]), len(arrays[3])), *arrays, class_names)


def load_cifar10(section="training", path=None):
    """Return images and labels of CIFAR-10: 50,000 for "training", 10,000 for "testing".

    The six files data_batch_1.bin to data_batch_5.bin and test_batch.bin, plain
    or gzipped, or cifar-10-binary.tar.gz as it is downloaded, are looked for in
    the folder `path`, then in the folder that the environment variable
    CIFAR10_DIR names, and in cifar-10-batches-bin below each, then in the
    user's cache; what that lacks is downloaded (170 MB) and verified.  The first
    folder with any of them is the only one used.  Any number of the batches will
    do, and a file may hold fewer images than its 10,000: load() says in the name
    how many there are, and whether they are CIFAR-10's.  All 60,000 take some
    three seconds and 1 GB.

    Raises DataNotFound, with every place that was tried, if there are none;
    FileNotFoundError if that folder lacks the section; ValueError if a file is
    bad, if some are those of CIFAR-10 and some are not, or if there is only the
    version for Python, whose files are pickles.
    """
    if section not in PREFIX:
        raise ValueError(f'section must be "training" or "testing", got {section!r}')
    return read_cifar10([PREFIX[section]], path)[1:]


def read_cifar10(prefixes, path=None):
    """Return the name, then images and labels of each section whose files begin so."""
    archive, = ARCHIVE
    found, places = look("CIFAR-10", [archive, *FILES], path, ("", "cifar-10-batches-bin"))
    if not found:
        refuse_pickles(path)
        found = fetch("CIFAR-10", ARCHIVE, ARCHIVE, MIRRORS, places,
                      'other images: load("mnist") or load("digits")')
    wanted = [name for name in FILES if name.startswith(tuple(prefixes))]
    parts = unpacked(found[archive], wanted) if [*found] == [archive] else loose(found, wanted)
    files, batches = {}, {}         # the path and the records of each file
    for name, file, data in parts:
        files[name], batches[name] = file, records(file, data)
    sections = [sorted(name for name in batches if name.startswith(prefix)) for prefix in prefixes]
    if missing := [MISSING[prefix] for prefix, names in zip(prefixes, sections) if not names]:
        raise incomplete("CIFAR-10", places[-1], found, missing)
    # A file with fewer records cannot be checked: it is taken for a part of what lies beside it.
    full = [name for name in batches if len(batches[name]) == COUNT] or [*batches]
    name = name_of("CIFAR-10", *([part[name] for name in full] for part in (files, batches, FILES)))
    arrays = []
    for names in sections:
        section = np.concatenate([batches[name] for name in names])     # (N, 1 + 3072)
        images = np.divide(section[:, 1:], 255, dtype=np.float32)
        arrays += images.reshape(-1, 3, 32, 32), section[:, 0].astype(np.int64)
    return name, *arrays


def refuse_pickles(path):
    """Raise ValueError if there is only the version for Python, which is not opened."""
    found, places = look("CIFAR-10", PICKLES, path, ("", "cifar-10-batches-py"))
    if found:
        raise ValueError(
            f"{places[-1]}: has {', '.join(file.name for file in found.values())}, the version "
            "for Python: these are pickles, and to open a pickle is to run what it says, so they "
            f"are not opened; download the binary version, {MIRRORS[0]}{[*ARCHIVE][0]}")


def loose(found, wanted):
    """Yield the name, the path and the bytes of each wanted file."""
    for name in [name for name in wanted if name in found]:
        with opened(found[name]) as file:
            yield name, found[name], read_parts(file, COUNT * RECORD + 1)


def unpacked(archive, wanted):
    """Yield the name, the path and the bytes of each wanted file in an archive.

    Nothing is written.  Raises ValueError if it is damaged.
    """
    with opened(archive) as whole:
        try:
            with tarfile.open(fileobj=whole, mode="r|") as tar:
                for member in tar:
                    name = Path(member.name).name
                    if name in wanted and member.isfile():
                        data = read_parts(tar.extractfile(member), COUNT * RECORD + 1)
                        yield name, archive / member.name, data
        except tarfile.TarError as error:
            raise ValueError(f"{archive}: damaged or truncated tar file ({error})") from error
        while whole.read(1 << 20):      # to the end, where gzip notices damage
            pass


def records(file, data):
    """Return the bytes of a file as records (N, 3073): a label, then 3072 pixels.

    Raises ValueError, with the name of the file and what is wrong with it.
    """
    count, rest = divmod(len(data), RECORD)
    if not data or rest:            # one byte is left of a file that is too long, see read_parts
        what = f"more than {COUNT * RECORD:,}" if len(data) > COUNT * RECORD else f"{len(data):,}"
        raise ValueError(f"{file}: expected up to {COUNT:,} records of {RECORD} bytes, a label and "
                         f"3 x 32 x 32 pixels, got {what} bytes")
    array = np.frombuffer(data, np.uint8).reshape(count, RECORD)
    if array[:, 0].max() > 9:
        raise ValueError(f"{file}: expected labels from 0 to 9, got {array[:, 0].max()}")
    return array


def shortage(name, training, testing):
    """Return the name of CIFAR-10 with how many of its images there are, if not all."""
    parts = [f"{training:,} of {5 * COUNT:,} images"] * (training < 5 * COUNT)
    parts += [f"{testing:,} of {COUNT:,} test images"] * (testing < COUNT)
    return f"CIFAR-10 ({', '.join(parts)})" if parts and name == "CIFAR-10" else name


def with_channel(data):
    """Return a Dataset with images (N, 1, H, W) for (N, H, W)."""
    return data._replace(train_images=data.train_images[:, None],
                         test_images=data.test_images[:, None])
