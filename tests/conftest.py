"""Every test starts with an empty graph and a seeded generator."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # read when NumPy is imported

import json
from pathlib import Path

import numpy as np
import pytest

import edf
import mnist_loader

GOLDEN = Path(__file__).with_name("golden.json")


@pytest.fixture(autouse=True)
def fresh_graph(monkeypatch):
    monkeypatch.setattr(edf, "dtype", np.float32)
    monkeypatch.setattr(edf, "training", True)
    edf.clear()
    edf.seed(0)
    yield
    edf.clear()


@pytest.fixture
def float64(monkeypatch):
    monkeypatch.setattr(edf, "dtype", np.float64)


@pytest.fixture(scope="session")
def golden():
    """Numbers with 17 digits, computed without EDF: scalar by scalar, and by complex steps."""
    return json.loads(GOLDEN.read_text())


@pytest.fixture(scope="session")
def mnist():
    """The real MNIST.  A test that needs it is skipped only where MNIST_DIR is not set."""
    if "MNIST_DIR" not in os.environ:
        pytest.skip("needs the files of MNIST: set MNIST_DIR to their folder")
    return mnist_loader.load("mnist")
