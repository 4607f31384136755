"""MNIST, found or downloaded and verified, and the digits that come with EDF.

    from mnist_loader import load
    data = load()                           # MNIST; without it, the digits
    print(data.name, data.train_images.shape)

Images are float32 (N, 28, 28) from 0 (paper) to 1 (ink), labels int64 (N,).
"""

import gzip
import math
import os
import ssl
import time
import warnings
import zlib
from collections import namedtuple
from functools import cache
from http.client import HTTPException
from pathlib import Path
from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener

import numpy as np

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {       # the number of bytes, and their SHA-256
    "train-images-idx3-ubyte.gz": (
        9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    "train-labels-idx1-ubyte.gz": (
        28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "t10k-images-idx3-ubyte.gz": (
        1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "t10k-labels-idx1-ubyte.gz": (
        4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
}
PREFIX = {"training": "train", "testing": "t10k"}
TIMEOUT = 20        # seconds that a mirror may stay silent
LIMIT = 600         # seconds that it may take for a file

Dataset = namedtuple("Dataset", "name train_images train_labels test_images test_labels")


class MNISTNotFound(OSError):
    """MNIST is neither on this computer nor to be had from a mirror."""


def load(source="auto"):
    """Return a Dataset: name, train_images, train_labels, test_images, test_labels.

    source is "mnist", "digits", or "auto": MNIST if it can be had, else, after
    a warning, the digits.  Print the name beside every figure.

    Raises what load_mnist raises, but for "auto" only if a file was found and
    is bad.
    """
    if source not in ("auto", "mnist", "digits"):
        raise ValueError(f'source must be "auto", "mnist" or "digits", got {source!r}')
    if source != "digits":
        try:
            return Dataset("MNIST", *load_mnist("training"), *load_mnist("testing"))
        except MNISTNotFound as error:
            if source == "mnist":
                raise
            warnings.warn("MNIST IS NOT HERE: what follows runs on the 1,797 digits that come with "
                          f"EDF, and its figures are not those of MNIST.\n{error}", stacklevel=2)
    return Dataset("the UCI digits that come with EDF (not MNIST)",
                   *load_digits("training"), *load_digits("testing"))


def load_mnist(section="training", path=None):
    """Return images and labels of MNIST: 60,000 for "training", 10,000 for "testing".

    The files, plain or gzipped, are looked for in the folder `path`, then in
    the folder that the environment variable MNIST_DIR names, then in the
    user's cache; and else downloaded into the cache and verified.

    Raises MNISTNotFound, with every place that was tried, if there are none,
    and ValueError if a file was found and is not what it should be.
    """
    prefix = prefix_of(section)
    names = f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"
    image_file, label_file = (find(name, path) for name in names)
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
        raise ValueError(f"{image_file}: expected bytes of shape (N, 28, 28), "
                         f"got {images.dtype} of shape {images.shape}")
    if labels.shape != images.shape[:1] or labels.dtype != np.uint8:
        raise ValueError(f"{label_file}: expected {len(images)} bytes, one label for each image "
                         f"of {image_file}, got {labels.dtype} of shape {labels.shape}")
    if labels.size and labels.max() > 9:
        raise ValueError(f"{label_file}: expected labels from 0 to 9, got {labels.max()}")
    return np.divide(images, 255, dtype=np.float32), labels.astype(np.int64)


def load_digits(section="training"):
    """Return images and labels of the embedded digits, in the form of MNIST.

    1,397 for "training", 400 for "testing", real handwriting: the optical
    digits of the UCI repository (E. Alpaydin, C. Kaynak, 1998; CC BY 4.0), 8x8
    pixels from 0 to 16.  As MNIST was made, each is drawn 20x20 and its centre
    of mass put in the middle of 28x28.  Both sections come in the order of the
    file, in which the forms of one writer follow each other.
    """
    prefix_of(section)
    here = Path(__file__).resolve()
    file = here.with_name("data") / "digits.csv.gz"             # in the repository
    if not file.exists():
        file = here.with_name("edf_data") / "digits.csv.gz"     # installed by pip
    table = np.loadtxt(file, delimiter=",", dtype=np.float32)       # (1797, 65)
    rows = slice(0, 1397) if section == "training" else slice(1397, None)
    small, labels = table[rows, :64].reshape(-1, 8, 8) / 16, table[rows, 64]
    return np.stack([centred(image) for image in stretched(small)]), labels.astype(np.int64)


def read_idx(path):
    """Return the array in an idx file, plain or gzipped.

    The format: two zero bytes, a byte for the type, one for the number of
    axes, the length of each axis in four bytes, then the numbers; all of it
    big-endian.  Source: Y. LeCun, C. Cortes, C. Burges, the MNIST database.

    Raises ValueError, with the name of the file and what is wrong with it.
    """
    types = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
    with open(path, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            with gzip.open(raw) if zipped else raw as file:
                magic = file.read(4)
                if not magic:
                    raise ValueError(f"{path}: empty")
                if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in types:
                    raise ValueError(f"{path}: wrong magic number {magic.hex()}: not an idx file")
                dtype = np.dtype(types[magic[2]])
                lengths = file.read(4 * magic[3])
                if len(lengths) < 4 * magic[3]:
                    raise ValueError(f"{path}: truncated in its header")
                shape = tuple(map(int, np.frombuffer(lengths, ">u4")))
                size = math.prod(shape) * dtype.itemsize
                data = bytearray()      # in small parts: a false header must not claim memory
                while part := file.read(min(1 << 20, size + 1 - len(data))):
                    data += part
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: damaged or truncated gzip file ({error})") from error
    if len(data) != size:
        what = "truncated" if len(data) < size else "followed by further bytes"
        raise ValueError(f"{path}: {what}: its header announces {shape}, {size} bytes of data, "
                         f"it has {'more' if len(data) > size else len(data)}")
    try:
        array = np.frombuffer(data, dtype).reshape(shape)
    except ValueError as error:         # more axes, or longer ones, than an array can have
        raise ValueError(f"{path}: its header announces {shape}: {error}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def find(name, path=None):
    """Return where a file of MNIST is, downloading it if it is nowhere.

    Raises MNISTNotFound, with every place that was tried, if that fails too.
    """
    tried = []
    for role, folder in ("path", path), ("MNIST_DIR", os.environ.get("MNIST_DIR")):
        if folder:
            folder = Path(os.path.expanduser(folder))
            for file in folder / name, folder / name.removesuffix(".gz"):
                if file.is_file():
                    return file
            tried.append(f"{folder} ({role}): no such file in it")
    try:
        if file := download(name, tried):
            return file
    except ImportError:
        tried.append("downloading: needs the package pooch (pip install pooch)")
    raise MNISTNotFound(
        f"{name} was not found:\n  " + "\n  ".join(tried) + "\nThree ways out:\n"
        f"  1. put the files {', '.join(FILES)} into a folder, and set the environment variable "
        "MNIST_DIR to it;\n"
        "  2. connect to the internet, so that they can be downloaded;\n"
        '  3. use the digits that come with EDF: load("digits") or load_digits().')


def download(name, tried):
    """Return where a file of MNIST is in the cache, downloading it if need be.

    The cache, and what came of each mirror, is added to the list `tried`; None
    if all failed.
    """
    import pooch  # here, because only downloading needs it

    pooch.get_logger().setLevel("WARNING")
    folder = pooch.os_cache("edf")
    size, digest = FILES[name]
    tried.append(f"{folder} (cache): no such file in it, or a wrong one")

    def fetch(url, file, _):
        print(f"downloading {url}", flush=True)
        receive(url, file, size)

    for mirror in MIRRORS:
        try:
            return Path(pooch.retrieve(mirror + name, "sha256:" + digest, name, folder,
                                       downloader=fetch))
        except (OSError, ValueError, HTTPException, RuntimeError) as error:
            # RuntimeError: the folder is a link to itself, says Python before 3.13
            cause = " ".join(str(error).splitlines())
            if "does not match the known hash" in cause:
                cause = "what came is not MNIST (wrong SHA-256)"
            tried.append(f"{mirror}: {cause}")
    return None


def receive(url, path, size):
    """Write the first `size` bytes from an address to a file, as they come.

    What comes is not expanded, and neither memory nor disk takes more than
    `size`, whatever a mirror sends.  Raises OSError (or HTTPException) if fewer
    bytes come, if it is silent for TIMEOUT, or not done after LIMIT.
    """
    end = time.monotonic() + LIMIT
    with opener().open(url, timeout=TIMEOUT) as body, open(path, "wb") as file:
        while (came := file.tell()) < size:
            if time.monotonic() > end:
                raise OSError(f"after {LIMIT} seconds only {came:,} of {size:,} bytes came")
            part = body.read1(min(size - came, 1 << 16))    # what is there, if only one byte
            if not part:
                raise OSError(f"only {came:,} of {size:,} bytes came")
            file.write(part)


@cache
def opener():
    """Return what opens the address of a mirror."""
    from requests.certs import where  # comes with pooch

    context = ssl.create_default_context()
    context.load_verify_locations(where())      # Python on macOS may have no certificates
    return build_opener(HTTPSHandler(context=context), Redirects)


class Redirects(HTTPRedirectHandler):
    """Goes where a mirror points to, without reading what it sends along: that may be endless."""

    def redirect_request(self, request, body, *answer):
        body.close()
        return super().redirect_request(request, body, *answer)


def prefix_of(section):
    """Return how the names of the files of a section begin."""
    if section not in PREFIX:
        raise ValueError(f'section must be "training" or "testing", got {section!r}')
    return PREFIX[section]


def stretched(images):
    """Draw images (N, 8, 8) in 20x20 pixels, linear between the old centres."""
    centres = (np.arange(20) + 0.5) * 8 / 20 - 0.5
    weights = np.maximum(0, 1 - abs(centres[:, None] - np.arange(8)))       # (20, 8)
    weights /= weights.sum(axis=1, keepdims=True)                           # at the border
    return weights.astype(np.float32) @ images @ weights.T.astype(np.float32)


def centred(image):
    """Put an image (20, 20) into (28, 28), its centre of mass in the middle."""
    pixels = np.arange(20) + 0.5
    frame = np.zeros((28, 28), np.float32)
    row, column = (min(max(round(14 - (image.sum(axis=other) @ pixels) / image.sum()), 0), 8)
                   for other in (1, 0))
    frame[row:row + 20, column:column + 20] = image
    return frame
