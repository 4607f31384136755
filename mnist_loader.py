"""MNIST, found or downloaded and verified, and the digits that come with EDF.

    from mnist_loader import load
    data = load()                           # MNIST; without it, the digits
    print(data.name, data.train_images.shape)

Images are float32 (N, 28, 28) from 0 (paper) to 1 (ink), labels int64 (N,).
"""

import gzip
import hashlib
import math
import os
import pkgutil
import ssl
import time
import warnings
import zlib
from collections import namedtuple
from contextlib import contextmanager, suppress
from functools import cache
from http.client import HTTPException
from pathlib import Path
from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener

import numpy as np

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {       # the number of bytes, their SHA-256, and that of the numbers in the file
    "train-images-idx3-ubyte.gz": (
        9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"),
    "train-labels-idx1-ubyte.gz": (
        28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"),
    "t10k-images-idx3-ubyte.gz": (
        1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"),
    "t10k-labels-idx1-ubyte.gz": (
        4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"),
}
PREFIX = {"training": "train", "testing": "t10k"}
TIMEOUT = 20        # seconds that a mirror may stay silent
LIMIT = 600         # seconds that it may take for a file, or, if that is more,
SLOWEST = 100_000   # what the file takes at so many bytes a second
PROGRESS = 5        # seconds from one line about it to the next

Dataset = namedtuple("Dataset", "name train_images train_labels test_images test_labels "
                                "class_names", defaults=[tuple("0123456789")])


class DataNotFound(OSError):
    """A data set is neither on this computer nor to be had from a mirror."""


def load(source="auto"):
    """Return a Dataset: name, train_images, train_labels, test_images, test_labels, class_names.

    source is "mnist", "digits", or "auto": MNIST if it can be had, else, after
    a warning, the digits.  Print the name beside every figure.  It is "MNIST"
    only if the files are, by SHA-256; files of the same form with other data,
    such as Fashion-MNIST, are called "the files in <folder> (not MNIST)".

    Raises what load_mnist raises, but for "auto" not DataNotFound.
    """
    if source not in ("auto", "mnist", "digits"):
        raise ValueError(f'source must be "auto", "mnist" or "digits", got {source!r}')
    if source != "digits":
        try:
            return Dataset(*read_mnist())
        except DataNotFound as error:
            if source == "mnist":
                raise
            warnings.warn("MNIST IS NOT HERE: what follows runs on the 1,797 digits that come with "
                          f"EDF, and its figures are not those of MNIST.\n{error}", stacklevel=2)
    return Dataset("the UCI digits that come with EDF (not MNIST)",
                   *load_digits("training"), *load_digits("testing"))


def load_mnist(section="training", path=None):
    """Return images and labels of MNIST: 60,000 for "training", 10,000 for "testing".

    The files, plain or gzipped, are looked for in the folder `path`, then in
    the folder that the environment variable MNIST_DIR names, and in raw and
    MNIST/raw below each (torchvision's), then in the user's cache; what that
    lacks is downloaded and verified.  The first folder with any of the four
    files is the only one used: what it holds is checked for its form, and
    load() says in the name whether it is MNIST.

    Raises DataNotFound, with every place that was tried, if there are none;
    FileNotFoundError if that folder lacks a file; ValueError if one is bad, or
    some are those of MNIST and some are not.
    """
    return read_mnist(prefix_of(section), path)[1:]


def read_mnist(prefix="", path=None):
    """Return the name, then images and labels of each section whose files begin so."""
    wanted = [name for name in FILES if name.startswith(prefix)]
    found, places = look("MNIST", FILES, path, ("", "raw", "MNIST/raw"))
    if not found:
        found = fetch("MNIST", wanted, FILES, MIRRORS, places,
                      'the digits that come with EDF: load("digits") or load_digits()')
    if missing := [name for name in wanted if name not in found]:
        raise incomplete("MNIST", places[-1], found, missing)
    files = [found[name] for name in wanted]
    arrays = [read_idx(file) for file in files]
    for at in range(0, len(files), 2):
        (image_file, label_file), (images, labels) = files[at:at + 2], arrays[at:at + 2]
        if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
            raise ValueError(f"{image_file}: expected bytes of shape (N, 28, 28), "
                             f"got {images.dtype} of shape {images.shape}")
        if labels.shape != images.shape[:1] or labels.dtype != np.uint8:
            raise ValueError(f"{label_file}: expected {len(images)} bytes, one label for each "
                             f"image of {image_file}, got {labels.dtype} of shape {labels.shape}")
        if labels.size and labels.max() > 9:
            raise ValueError(f"{label_file}: expected labels from 0 to 9, got {labels.max()}")
    return name_of("MNIST", files, arrays, [FILES[name][2] for name in wanted]), *(
        array.astype(np.int64) if array.ndim == 1 else np.divide(array, 255, dtype=np.float32)
        for array in arrays)


def load_digits(section="training"):
    """Return images and labels of the embedded digits, in the form of MNIST.

    1,397 for "training", 400 for "testing", real handwriting: the optical
    digits of the UCI repository (E. Alpaydin, C. Kaynak, 1998; CC BY 4.0), 8x8
    pixels from 0 to 16.  As MNIST was made, each is drawn 20x20 and its centre
    of mass put in the middle of 28x28.  Both sections come in the order of the
    file, in which the forms of one writer follow each other.
    """
    prefix_of(section)
    for folder in "edf_data", "data":           # installed by pip, or in the repository
        with suppress(OSError):                 # beside this file, in a zip too
            content = pkgutil.get_data(__name__, f"{folder}/digits.csv.gz")
    lines = gzip.decompress(content).decode().splitlines()
    table = np.loadtxt(lines, delimiter=",", dtype=np.float32)      # (1797, 65)
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
    with opened(path) as file:
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
        data = read_parts(file, size + 1)       # one more, to see whether there is more
    if len(data) != size:
        what = "truncated" if len(data) < size else "followed by further bytes"
        raise ValueError(f"{path}: {what}: its header announces {shape}, {size} bytes of data, "
                         f"it has {'more' if len(data) > size else len(data)}")
    try:
        array = np.frombuffer(data, dtype).reshape(shape)
    except ValueError as error:         # more axes, or longer ones, than an array can have
        raise ValueError(f"{path}: its header announces {shape}: {error}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


@contextmanager
def opened(path):
    """Open a file, gzipped or plain, as its content says.

    Raises ValueError, with its name, if it is damaged.
    """
    with open(path, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            with gzip.open(raw) if zipped else raw as file:
                yield file
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: damaged or truncated gzip file ({error})") from error


def read_parts(file, size):
    """Return the first `size` bytes, in small parts: a false header must not claim memory."""
    data = bytearray()
    while part := file.read(min(1 << 20, size - len(data))):
        data += part
    return data


def look(data, names, path, below):
    """Return {name: path} of the files in the first folder with any, and the places looked at.

    The last of these is that folder.  They are the path, and what the
    environment variable of the data set says, each with the folders below.
    """
    places = []
    variable = variable_of(data)
    for role, top in ("path", path), (variable, os.environ.get(variable)):
        if not top:
            continue
        top = Path(os.path.expanduser(top))
        for folder in (top / name for name in below):
            if found := files_in(folder, names):
                return found, [*places, f"{folder} ({role})"]
        places.append(f"{top} ({role}): "
                      + (f"no file of {data} in it" if top.is_dir() else "not a folder"))
    return {}, places


def variable_of(data):
    """Return the environment variable that names the folder of a data set."""
    return data.replace("-", "") + "_DIR"


def incomplete(data, place, found, missing):
    """Return the error on a folder that lacks files."""
    return FileNotFoundError(
        f"{place}: has {', '.join(file.name for file in found.values())}, but not "
        f"{', '.join(missing)}, plain or gzipped; all files of {data} have to be in one folder")


def fetch(data, wanted, files, mirrors, tried, instead):
    """Return {name: path} of the wanted files in the cache, downloading them if need be.

    Raises DataNotFound, with the places that were tried before, what came of
    each mirror, and three ways out, the last of them what to use instead.
    """
    try:
        return {name: download(name, *files[name][:2], mirrors) for name in wanted}
    except ImportError:
        tried = [*tried, "downloading: needs the package pooch (pip install pooch)"]
    except OSError as error:
        tried = [*tried, str(error)]
    raise DataNotFound(
        f"{data} was not found:\n  " + "\n  ".join(tried) + "\nThree ways out:\n"
        f"  1. put {', '.join(files)} into a folder, and set the environment variable "
        f"{variable_of(data)} to it;\n"
        "  2. connect to the internet, so that they can be downloaded;\n"
        f"  3. use {instead}.")


def files_in(folder, names):
    """Return {name: path} for the files of these names in a folder, as people have them.

    A name may be in capitals, have a dot for a hyphen, lack .gz, or be that of
    a folder that holds the file.
    """
    def plain(name):
        return name.lower().replace(".", "-").removesuffix("-gz")

    names = {plain(name): name for name in names}
    files = [file for file in folder.glob("*") if plain(file.name) in names]
    files += [inner for file in files for inner in file.glob("*")
              if plain(inner.name) == plain(file.name)]
    # Of two copies the last, the gzipped one: gzip notices damage.
    files.sort(key=lambda file: (file.suffix.lower() == ".gz", file))
    return {names[plain(file.name)]: file for file in files if file.is_file()}


def name_of(data, files, arrays, digests):
    """Return the name of a data set if these are its arrays, by SHA-256, else one that says so.

    Raises ValueError, with the files that are others, if only some are.
    """
    other = [str(file) for file, array, digest in zip(files, arrays, digests)
             if hashlib.sha256(array).hexdigest() != digest]
    if 0 < len(other) < len(files):
        raise ValueError(f"{', '.join(other)}: damaged, or of another data set than the files "
                         f"beside, which are {data} (by SHA-256): put one data set into one folder")
    return f"the files in {os.path.commonpath(files)} (not {data})" if other else data


def download(name, size, digest, mirrors):
    """Return where a file is in the cache, downloading it if it is not there, or is wrong.

    Raises OSError with what came of the cache and of each mirror, if all fail.
    """
    import pooch  # here, because only downloading needs it

    pooch.get_logger().setLevel("WARNING")
    folder = pooch.os_cache("edf")
    tried = [f"{folder} (cache): no {name} in it, or a wrong one"]
    for mirror in mirrors:
        try:
            return Path(pooch.retrieve(mirror + name, "sha256:" + digest, name, folder,
                                       downloader=lambda url, file, _: receive(url, file, size)))
        except (OSError, ValueError, HTTPException, RuntimeError) as error:
            # RuntimeError: the folder is a link to itself, says Python before 3.13
            cause = " ".join(str(error).splitlines())
            if "does not match the known hash" in cause:
                cause = "what came is not that file (wrong SHA-256)"
            tried.append(f"{mirror}: {cause}")
    raise OSError("\n  ".join(tried))


def receive(url, path, size):
    """Write the first `size` bytes from an address to a file, as they come.

    What comes is not expanded, and neither memory nor disk takes more than
    `size`, whatever a mirror sends.  Prints how many have come, now and then.
    Raises OSError (or HTTPException) if fewer bytes come, if it is silent for
    TIMEOUT, or not done after LIMIT, or what `size` takes at the SLOWEST.
    """
    print(f"downloading {url}: {size:,} bytes", flush=True)
    start = shown = time.monotonic()
    limit = max(LIMIT, size / SLOWEST)
    with opener().open(url, timeout=TIMEOUT) as body, open(path, "wb") as file:
        while (came := file.tell()) < size:
            if (now := time.monotonic()) > start + limit:
                raise OSError(f"after {limit:g} seconds only {came:,} of {size:,} bytes came")
            if now > shown + PROGRESS:
                print(f"  {came:,} of {size:,} bytes", flush=True)
                shown = now
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
