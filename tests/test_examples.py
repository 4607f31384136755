"""The examples run from any folder, say what they do, and come to known results."""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.font_manager  # noqa: F401  its first import writes to stderr
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHORT = {
    "tiny_network": "",
    "synthetic": "--epochs 2 --examples 5000 --starts 2",
    "mnist_mlp": "--data digits --epochs 2",
    "cifar10_mlp": "--folder cifar --steps 120",
    "mnist_cnn": "--data digits --epochs 2 --examples 300",
}
DATA = {
    "tiny_network": "data: 3 examples of 2 classes",
    "synthetic": "data: 5000 points, 10000 held out",
    "mnist_mlp": "data: the UCI digits that come with EDF (not MNIST), 1397 images to learn from",
    "cifar10_mlp": "data: CIFAR-10, 60 training and 20 test images",
    "mnist_cnn": "data: the UCI digits that come with EDF (not MNIST), 300 training and 300 test",
}


def run(folder, name, options="", status=0):
    """Run an example in a folder, with warnings as errors, and return what it wrote."""
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MNIST_DIR", "CIFAR10_DIR", "PYTHONPATH")}
    done = subprocess.run([sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *options.split()],
                          cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert status or not done.stderr, done.stderr
    return done.stderr if status else done.stdout


def write_cifar(folder, images=60):
    """Write files in the form of CIFAR-10, with a brighter stripe where the label says."""
    folder.mkdir()
    records = np.random.default_rng(0).integers(100, 150, (images + 20, 3073), dtype=np.uint8)
    records[:, 0] = labels = np.arange(images + 20) % 10
    for record, label in zip(records, labels):
        record[1 + 300 * label:301 + 300 * label] += 50
    (folder / "data_batch_1.bin").write_bytes(records[:images // 2].tobytes())
    (folder / "data_batch_3.bin.gz").write_bytes(gzip.compress(records[images // 2:-20].tobytes()))
    (folder / "test_batch.bin.gz").write_bytes(gzip.compress(records[-20:].tobytes()))


def numbers(pattern, text):
    """Return as numbers all that the group in a pattern matches."""
    return [float(number) for number in re.findall(pattern, text)]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Run all five, shortly, in a folder of their own: {name: output}, and the folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    write_cifar(folder / "cifar")
    return {name: run(folder, name, options) for name, options in SHORT.items()} | {"": folder}


def test_these_are_all_and_each_has_at_most_80_lines():
    lengths = {path.stem: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    assert lengths.keys() == SHORT.keys()
    assert max(lengths.values()) <= 80, lengths


@pytest.mark.parametrize("name", SHORT)
def test_an_example_says_what_it_does(outputs, name):
    lines = outputs[name].splitlines()
    assert lines[0].startswith(DATA[name])
    assert "settings: " in "\n".join(lines[:2])
    times = [line for line in lines if re.match(r"(epoch|step) +\d+: .*\d\.\d{4}", line)]
    assert len(times) == (5 if name == "tiny_network" else 2)
    assert lines[-1].startswith("final")
    assert "reports" not in lines[-1] and "expects" not in lines[-1]     # on other data


@pytest.mark.parametrize("name", SHORT)
def test_an_example_draws_its_plot(outputs, name):
    plot = (outputs[""] / f"{name}.png").read_bytes()
    assert plot.startswith(b"\x89PNG\r\n\x1a\n") and plot.endswith(b"IEND\xaeB`\x82")
    width, height = np.frombuffer(plot, ">u4", 2, offset=16)
    assert width >= 600 and height >= 400 and len(plot) > 8000


@pytest.mark.parametrize("name", SHORT)
def test_help_names_the_options_and_their_defaults(tmp_path, name):
    text = " ".join(run(tmp_path, name, "--help").split())
    assert f"--plot PLOT file for the plot (default: {name}.png)" in text
    options = set(re.findall(r"--[\w-]+", (EXAMPLES / f"{name}.py").read_text().split("parser =")[1]))
    assert options and all(option in text for option in options)
    assert text.count("(default: ") == len(options)


def test_the_tiny_network_has_the_losses_of_the_course(outputs, golden):
    want = golden["tiny_asymmetric_batch3_five_sgd_steps_lr_0.5"]["loss_before_each_step"]
    assert numbers(r"loss (\S+),", outputs["tiny_network"]) == pytest.approx(want, abs=1e-14)
    assert numbers(r"reported (\S+)", outputs["tiny_network"]) == pytest.approx(want, abs=1e-12)
    assert numbers(r"difference .* (\S+)$", outputs["tiny_network"])[0] < 1e-12


def test_the_given_weights_have_loss_log_2(tmp_path):
    text = run(tmp_path, "tiny_network", "--given")
    assert numbers(r"loss (\S+),", text) == pytest.approx([np.log(2)], abs=1e-14)
    assert numbers(r"difference .* (\S+)$", text)[0] < 1e-12


def test_the_synthetic_data_is_learned(outputs):
    accuracies = numbers(r"accuracy (\S+)", outputs["synthetic"].splitlines()[-1])
    assert len(accuracies) == 2 and accuracies[0] > 0.65 and accuracies[1] > 0.85


def test_a_relu_without_the_upstream_gradient_collapses(tmp_path):
    text = run(tmp_path, "synthetic", SHORT["synthetic"] + " --broken-relu --seed 1")
    share, = numbers(r"of these (\S+) in class 1", text)
    accuracy, = numbers(r"accuracy (\S+)", text.splitlines()[-1])
    assert min(abs(accuracy - share), abs(accuracy - 1 + share)) < 1e-9
    assert numbers(r"loss (\S+)", text.splitlines()[-1]) == pytest.approx([0.69], abs=0.01)


def test_a_seed_repeats_a_run(outputs):
    assert run(outputs[""], "mnist_mlp", SHORT["mnist_mlp"]) == outputs["mnist_mlp"]
    assert run(outputs[""], "mnist_mlp", SHORT["mnist_mlp"] + " --seed 2") != outputs["mnist_mlp"]


@pytest.mark.parametrize("options", [
    "--lr 0.1 --hidden 50,40 --activation relu --start he --validate",
    "--lr 0.01 --hidden 60 --activation tanh --optimiser adam --start xavier",
    "--lr 0.0001 --hidden 100 --raw-pixels --summed --fixed",
    "--lr 0.05 --activation leaky --optimiser momentum"])
def test_the_mlp_learns_in_other_settings(tmp_path, options):
    text = run(tmp_path, "mnist_mlp", "--data digits --epochs 6 " + options)
    losses = numbers(r"training loss (\S+),", text)
    assert len(losses) == 6 and losses[-1] < 0.6 * losses[0]
    assert (", 1281 images to learn from, 116 to test on" in text) == ("--validate" in options)


def test_the_cnn_learns(tmp_path):
    text = run(tmp_path, "mnist_cnn", "--data digits --epochs 3 --batch 16 --filters 4")
    assert numbers(r"accuracy (\S+) on", text)[0] > 0.9


def test_cifar_is_learned_from_plain_and_gzipped_files(tmp_path):
    write_cifar(tmp_path / "cifar")
    text = run(tmp_path, "cifar10_mlp", "--folder cifar --steps 300")
    assert numbers(r"accuracy, last five tests: (\S+)", text)[0] > 0.3
    tuned = run(tmp_path, "cifar10_mlp", "--folder cifar --steps 2 --tuned")
    assert "hidden=[100, 100] slope=0.05 lr=0.008 batch=400 steps=2" in tuned


def test_bad_files_of_cifar_are_refused(tmp_path):
    write_cifar(tmp_path / "cifar")
    file = tmp_path / "cifar" / "data_batch_1.bin"
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    assert run(tmp_path, "cifar10_mlp", "--folder cifar", 1).endswith(
        f"ValueError: cifar{os.sep}data_batch_1.bin: 92185 bytes, not records of 3073\n")
    file.write_bytes(b"\x0a" + whole[1:])
    assert run(tmp_path, "cifar10_mlp", "--folder cifar", 1).endswith(
        "ValueError: cifar: no CIFAR-10 in data_batch_*.bin*\n")
    file.write_bytes(whole)
    (tmp_path / "cifar" / "test_batch.bin.gz").unlink()
    assert run(tmp_path, "cifar10_mlp", "--folder cifar", 1).endswith(
        "ValueError: cifar: no CIFAR-10 in test_batch.bin*\n")
