"""Text, of your own or the lines of Shakespeare that come with EDF, as numbers.

    from text_loader import load_text, letters_of, encode, windows
    text = load_text()
    letters = letters_of(text)                          # "\\n !$&',-.3:;?ABC..."
    inputs, targets = windows(encode(text, letters), 64, 32, np.random.default_rng(1))

Letters are all characters of a text, blanks and line ends included.
"""

import gzip
import os
import pkgutil
from contextlib import suppress

import numpy as np


def load_text(path=None):
    """Return the text of a file in UTF-8, as one string.

    The file is `path`, else the one that the environment variable TEXT_FILE
    names, else the last 755,052 letters of the collection tiny shakespeare,
    which come with EDF.  Line ends become "\\n".

    Raises FileNotFoundError or IsADirectoryError if there is no such file, and
    ValueError if it is not UTF-8, or empty.
    """
    path = path or os.environ.get("TEXT_FILE")
    if not path:
        return embedded("shakespeare.txt.gz")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder: expected a text file, so name one in it")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} does not exist: expected a text file; without a path, and "
                                "without TEXT_FILE, you get Shakespeare")
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, got byte {error.object[error.start]:#x} "
                         f"at position {error.start}: save it as UTF-8 in an editor") from None
    if "\0" in text:
        raise ValueError(f"{path}: expected text in UTF-8, got a zero byte, as in UTF-16 or in a "
                         "file that is no text: save it as UTF-8 in an editor")
    if not text.strip():
        raise ValueError(f"{path}: expected a text, got an empty file: choose another")
    return text


def load_names():
    """Return 5,163 first names of the United States, lower case, in alphabetical order.

    Shuffle them before you hold some out.  Source: the census of 1990.
    """
    return embedded("names.txt.gz").split()


def embedded(name):
    """Return a text that comes with EDF."""
    for folder in "edf_data", "data":           # installed by pip, or in the repository
        with suppress(OSError):                 # beside this file, in a zip too
            content = pkgutil.get_data(__name__, f"{folder}/{name}")
    return gzip.decompress(content).decode()


def letters_of(text):
    """Return the different letters of a text, sorted: letter i has the number i."""
    return "".join(sorted(set(text)))


def encode(text, letters):
    """Return the number of every letter, int64 (N,); ValueError for one not in letters."""
    number = {letter: i for i, letter in enumerate(letters)}
    try:
        return np.array([number[letter] for letter in text], np.int64)
    except KeyError as error:
        raise ValueError(f"expected one of {len(number)} letters, got {error}, which is not among "
                         "them: leave it out, or take the letters of both texts") from None


def decode(numbers, letters):
    """Return the text that these numbers stand for."""
    return "".join(letters[number] for number in numbers)


def windows(numbers, length, count=None, rng=None):
    """Return pieces of a text: inputs (count, length), and targets, one letter later.

    They begin at random; without a count they are all, one after the other.
    Raises ValueError if the text is no longer than a window.
    """
    if len(numbers) <= length:
        raise ValueError(f"expected more than {length} letters, for a window and the letter after "
                         f"it, got {len(numbers)}: take a longer text or a shorter window")
    last = len(numbers) - length
    starts = np.arange(0, last, length) if count is None else rng.integers(last, size=count)
    places = starts[:, None] + np.arange(length)        # (count, 1) + (length,)
    return numbers[places], numbers[places + 1]
