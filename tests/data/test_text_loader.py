"""The text loader: where a text comes from, what is refused, letters as numbers, windows."""

import gzip
import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

import edf
import text_loader
from text_loader import decode, encode, letters_of, load_names, load_text, windows

DATA = Path(text_loader.__file__).with_name("data")


@pytest.fixture(autouse=True)
def no_text_file(monkeypatch):
    monkeypatch.delenv("TEXT_FILE", raising=False)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "text.txt"


# What comes with EDF.

@pytest.mark.parametrize("name", ["shakespeare", "names"])
def test_what_comes_with_edf_is_what_is_described(name):
    packed = (DATA / f"{name}.txt.gz").read_bytes()
    digest = hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert f"`{digest}`" in (DATA / "README.md").read_text()
    assert len(packed) <= 300_000


def test_the_excerpt_is_shakespeare():
    text = load_text()
    assert text.startswith("BUSHY:\nMadam, your majesty is too much sad:\n")
    assert text.endswith("wink'st\nWhiles thou art waking.\n")
    assert "\nO Romeo, Romeo! wherefore art thou Romeo?\n" in text
    assert len(text) == 755_052 and len(letters_of(text)) == 65
    assert len(letters_of(text[:len(text) * 9 // 10])) == 65    # what is held out has no others


def test_the_names_are_words_of_lower_case():
    names = load_names()
    assert len(set(names)) == len(names) == 5163 and names == sorted(names)
    assert all(re.fullmatch("[a-z]{2,11}", name) for name in names)
    assert {"mary", "james", "emma"} <= set(names)


# A text of your own.

def test_a_file_is_read_and_the_argument_comes_before_the_variable(file, monkeypatch):
    file.write_bytes("Où?\r\nIci — là.\n".encode())
    assert load_text(file) == load_text(str(file)) == "Où?\nIci — là.\n"
    monkeypatch.setenv("TEXT_FILE", str(file))
    assert load_text() == "Où?\nIci — là.\n"
    other = file.with_name("other.txt")
    other.write_bytes(b"\xef\xbb\xbfwith a mark at its start, as of Windows")
    assert load_text(other) == "with a mark at its start, as of Windows"


@pytest.mark.parametrize("content, error", [
    ("d\xe9j\xe0 vu".encode("latin-1"), "expected text in UTF-8, got byte 0xe9 at position 1: save "
                                        "it as UTF-8 in an editor"),
    ("to be".encode("utf-16"), "expected text in UTF-8, got byte 0xff at position 0: save it as "
                               "UTF-8 in an editor"),
    ("to be".encode("utf-16-le"), "expected text in UTF-8, got a zero byte, as in UTF-16 or in a "
                                  "file that is no text: save it as UTF-8 in an editor"),
    (b"", "expected a text, got an empty file: choose another"),
    (b" \n\n", "expected a text, got an empty file: choose another"),
])
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_file_that_is_no_text_is_refused(file, monkeypatch, content, error, by_variable):
    file.write_bytes(content)
    if by_variable:
        monkeypatch.setenv("TEXT_FILE", str(file))
    with pytest.raises(ValueError) as info:
        load_text(None if by_variable else file)
    assert str(info.value) == f"{file}: {error}"


def test_a_folder_and_a_missing_file_are_named(tmp_path, file, monkeypatch):
    with pytest.raises(IsADirectoryError) as info:
        load_text(tmp_path)
    assert str(info.value) == f"{tmp_path} is a folder: expected a text file, so name one in it"
    monkeypatch.setenv("TEXT_FILE", os.fspath(file))
    with pytest.raises(FileNotFoundError) as info:
        load_text()
    assert str(info.value) == (f"{file} does not exist: expected a text file; without a path, and "
                               "without TEXT_FILE, you get Shakespeare")


# Numbers, and windows.

def test_letters_are_numbered_in_their_order():
    assert letters_of("hello\n") == "\nehlo"
    numbers = encode("hello\n", "\nehlo")
    assert numbers.dtype == np.int64 and numbers.tolist() == [2, 1, 3, 3, 4, 0]
    assert decode(numbers, "\nehlo") == "hello\n"
    assert encode("", "ab").shape == (0,)


def test_a_letter_without_a_number_is_named():
    with pytest.raises(ValueError) as info:
        encode("held", "\nehlo")
    assert str(info.value) == ("expected one of 5 letters, got 'd', which is not among them: leave "
                               "it out, or take the letters of both texts")


def test_targets_are_the_inputs_one_later_and_every_place_comes():
    numbers = np.arange(100, 107)
    inputs, targets = windows(numbers, 4, 200, np.random.default_rng(1))
    assert inputs.shape == targets.shape == (200, 4)
    np.testing.assert_array_equal(targets, inputs + 1)
    np.testing.assert_array_equal(np.diff(inputs), 1)
    assert set(inputs[:, 0]) == {100, 101, 102}


@pytest.mark.parametrize("count", [5, 6, 8, 9, 12, 13])
def test_without_a_count_all_windows_come_one_after_the_other(count):
    inputs, targets = windows(np.arange(count), 4)
    np.testing.assert_array_equal(inputs.ravel(), np.arange(4 * ((count - 1) // 4)))
    np.testing.assert_array_equal(targets, inputs + 1)


def test_the_seed_of_edf_repeats_the_windows():
    numbers = np.arange(50)
    edf.seed(3)
    first = windows(numbers, 5, 10, edf.rng)
    edf.seed(3)
    np.testing.assert_array_equal(first, windows(numbers, 5, 10, edf.rng))


def test_a_text_no_longer_than_a_window_is_refused():
    inputs, targets = windows(np.arange(5), 4, 2, edf.rng)
    assert inputs.tolist() == [[0, 1, 2, 3]] * 2 and targets.tolist() == [[1, 2, 3, 4]] * 2
    with pytest.raises(ValueError) as info:
        windows(np.arange(4), 4, 2, edf.rng)
    assert str(info.value) == ("expected more than 4 letters, for a window and the letter after "
                               "it, got 4: take a longer text or a shorter window")
