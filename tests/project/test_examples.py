"""The examples run from any folder, say what they do, and come to known results."""

import gzip
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.font_manager  # noqa: F401  its first import ever writes to stderr
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DIGITS = "data: the UCI digits that come with EDF (not MNIST), "
WORDS = "data: words.txt, 2835 letters to learn from, 315 to validate on"
SHORT = {       # options for a short run, and how its output begins
    "tiny_network": ("", "data: 3 examples of 2 classes"),
    "synthetic": ("--epochs 2 --examples 20000 --starts 2", "data: 20000 points, 10000 held out"),
    "mnist_mlp": ("--data digits --epochs 2",
                  DIGITS + "1397 images to learn from, 400 to test on"),
    "cifar10_mlp": ("--steps 120", "data: the files in "),      # of write_cifar
    "cifar10_cnn": ("--data digits --epochs 2", DIGITS + "1397 training and 400 test images"),
    "vgg": ("--data digits --steps 2 --divide 16", DIGITS + "1397 training and 400 test images"),
    "mnist_cnn": ("--data digits --epochs 2 --batch 32",
                  DIGITS + "1397 training and 400 test images"),
    "gpt": ("--text words.txt --steps 2 --file x.npz", WORDS),
    "lstm": ("--text words.txt --steps 2 --file y.npz", WORDS),
}
MORE = [        # further runs: an example and its options
    "tiny_network --given --plot x.png",
    "synthetic --broken-relu --examples 5000 --starts 2 --epochs 2 --plot x.png",
    "mnist_mlp --data digits --epochs 2 --plot mnist_mlp.png",
    "mnist_mlp --data digits --epochs 4 --plot x.png --lr 0.0001 --raw-pixels --summed --fixed",
    "mnist_mlp --data digits --epochs 4 --plot x.png --lr 0.01 --hidden 50,40 --activation relu "
    "--optimiser adam --start he --validate --batch 32 --seed 2",
    "cifar10_mlp --steps 2 --tuned --plot x.png",
    "mnist_cnn --data digits --epochs 1 --examples 100 --filters 2 --batch 60 --plot x.png",
    "gpt --text words.txt --steps 250 --length 16 --width 16 --layers 1 --batch 8 --lr 0.03",
    "lstm --text words.txt --steps 120",
    "cifar10_cnn --validate --epochs 1 --plot x.png",
]
PLOTS = [name for name in SHORT if name not in ("gpt", "lstm")]     # those two write a text


def run(folder, command, status=0):
    """Run an example in a folder, with warnings as errors, and return what it wrote."""
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MNIST_DIR", "CIFAR10_DIR", "TEXT_FILE", "PYTHONPATH")}
    environment["CIFAR10_DIR"] = str(folder / "cifar")
    name, *options = command.split()
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == status, done.stderr
    errors = re.sub(r"^training: \d+%.* left.*\n", "", done.stderr, flags=re.MULTILINE)
    assert bool(errors) == bool(status), errors         # progress shows where a machine is slow
    return done.stderr if status else done.stdout


def write_cifar(folder):
    """Write files in the form of CIFAR-10, with a brighter stripe where the label says."""
    folder.mkdir()
    records = np.random.default_rng(0).integers(100, 150, (80, 3073), dtype=np.uint8)
    records[:, 0] = labels = np.arange(80) % 10
    for record, label in zip(records, labels):
        record[1 + 300 * label:301 + 300 * label] += 50
    (folder / "data_batch_1.bin").write_bytes(records[:30].tobytes())
    (folder / "data_batch_3.bin.gz").write_bytes(gzip.compress(records[30:60].tobytes()))
    (folder / "test_batch.bin.gz").write_bytes(gzip.compress(records[60:].tobytes()))


def numbers(pattern, text):
    """Return as numbers all that the group in a pattern matches."""
    return [float(number) for number in re.findall(pattern, text, re.MULTILINE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that has nothing to do with the repository, with files for some examples."""
    folder = tmp_path_factory.mktemp("elsewhere")
    write_cifar(folder / "cifar")
    (folder / "words.txt").write_text("she sells\nsea shells\n" * 150)
    return folder


@pytest.fixture(scope="module")
def outputs(folder):
    """Run all that the tests look at, two at a time: {command: what it wrote}."""
    commands = [f"{name} {options}" for name, (options, _) in SHORT.items()]
    commands += MORE + [f"{name} --help" for name in SHORT]
    with ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(lambda command: run(folder, command), commands))
    return dict(zip([*SHORT, *MORE, *(f"{name} --help" for name in SHORT)], texts))


def test_these_are_all_and_each_is_short():
    lengths = {path.stem: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    limits = dict.fromkeys(SHORT, 80) | {"gpt": 120} | {
        "sweep": 120, "data_parallel": 100}     # these two run in tests/course/test_cluster.py
    assert lengths.keys() == limits.keys()
    assert all(lengths[name] <= limits[name] for name in limits), lengths


@pytest.mark.parametrize("name", SHORT)
def test_an_example_says_what_it_does(outputs, name):
    lines = outputs[name].splitlines()
    assert lines[0].startswith(SHORT[name][1])
    assert "settings: " in lines[0] + lines[1]
    times = [line for line in lines if re.match(r"(epoch|step) +\d+: .*\d\.\d{4}", line)]
    assert len(times) == (5 if name == "tiny_network" else 2)
    assert lines[-1].startswith("final")
    assert "the course" not in lines[-1]        # as these are other settings, and other data


@pytest.mark.parametrize("name", PLOTS)
def test_an_example_draws_its_plot(outputs, folder, name):
    plot = (folder / f"{name}.png").read_bytes()
    assert plot.startswith(b"\x89PNG\r\n\x1a\n") and plot.endswith(b"IEND\xaeB`\x82")
    width, height = np.frombuffer(plot, ">u4", 2, offset=16)
    assert width >= 600 and height >= 400 and len(plot) > 8000


@pytest.mark.parametrize("name", SHORT)
def test_help_names_the_options_and_their_defaults(outputs, name):
    text = " ".join(outputs[f"{name} --help"].split("options:")[1].split())
    assert f"(default: {name}.{'png' if name in PLOTS else 'npz'})" in text
    source = (EXAMPLES / f"{name}.py").read_text()
    options = re.findall(r'^(?:option|parser\.add_argument)\("(--[a-z-]+)"', source, re.MULTILINE)
    assert re.findall(r"--[a-z-]+", text)[1:] == options        # after --help
    assert text.count("(default: ") == len(options)


def test_the_tiny_network_has_the_losses_of_the_course(outputs, golden):
    want = golden["tiny_asymmetric_batch3_five_sgd_steps_lr_0.5"]["loss_before_each_step"]
    assert numbers(r"loss (\S+),", outputs["tiny_network"]) == pytest.approx(want, abs=1e-14)
    assert numbers(r"reported (\S+)", outputs["tiny_network"]) == pytest.approx(want, abs=1e-12)
    assert numbers(r"loss (\S+),", outputs[MORE[0]]) == pytest.approx([np.log(2)], abs=1e-14)
    for text in outputs["tiny_network"], outputs[MORE[0]]:
        difference, = numbers(r"^final: largest difference .* (\S+)$", text)
        assert difference < 1e-12


def test_the_synthetic_data_is_learned_by_right_formulas_only(outputs):
    accuracies = numbers(r"accuracy (\S+)", outputs["synthetic"].splitlines()[-1])
    assert len(accuracies) == 2 and min(accuracies) > 0.9
    broken = outputs[MORE[1]]
    share, = numbers(r"of these (\S+) in class 1", broken)
    *_, accuracy = numbers(r"accuracy (\S+)", broken)
    assert min(abs(accuracy - share), abs(accuracy - 1 + share)) < 1e-3     # one class for all
    assert numbers(r"loss (\S+)$", broken)[-1] == pytest.approx(0.69, abs=0.01)


def test_a_run_repeats_with_its_seed(outputs):
    assert outputs[MORE[2]] == outputs["mnist_mlp"]


@pytest.mark.parametrize("command", MORE[3:5])
def test_the_mlp_learns_in_other_settings(outputs, command):
    losses = numbers(r"training loss (\S+),", outputs[command])
    assert len(losses) == 4 and losses[-1] < 0.75 * losses[0]
    held_out = ", 1281 images to learn from, 116 to test on" in outputs[command]
    assert held_out == ("--validate" in command)


def test_cifar_is_learned_from_plain_and_gzipped_files(outputs, folder):
    name = f"the files in {folder / 'cifar'} (not CIFAR-10)"
    for command, counts in ("cifar10_mlp", "60 training and 20"), (MORE[9], "54 training and 6"):
        assert outputs[command].startswith(f"data: {name}, {counts} test images\n")
    assert outputs[MORE[9]].endswith(f" on held-out images of {name}\n")
    assert numbers(r"last five tests: (\S+)", outputs["cifar10_mlp"])[0] > 0.9
    assert "hidden=[100, 100] slope=0.05 lr=0.008 batch=400 steps=2\n" in outputs[MORE[5]]


def test_the_cnn_learns(outputs):
    assert numbers(r"final accuracy (\S+)", outputs["cifar10_cnn"])[0] > 0.6    # mirrored digits
    assert numbers(r"final test accuracy (\S+)", outputs["mnist_cnn"])[0] > 0.8
    assert "(not MNIST), 100 training and 100 test images\n" in outputs[MORE[6]]


@pytest.mark.parametrize("command", MORE[7:9])
def test_a_text_is_learned_and_written(outputs, command):
    assert numbers(r"^final validation loss (\S+)", outputs[command])[0] < 0.5
    assert outputs[command].count("\nshe sells\n") + outputs[command].count("\nsea shells\n") > 20


def test_training_that_was_killed_goes_on_bit_for_bit(folder):
    command = "gpt --text words.txt --length 8 --width 8 --layers 1 --batch 4 --steps 300 --file "
    whole = run(folder, command + "whole.npz")
    options = [sys.executable, "-u", EXAMPLES / "gpt.py", *command.split()[1:], "killed.npz"]
    with subprocess.Popen(options, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        while not process.stdout.readline().startswith("step 60:"):
            pass
        process.kill()
    rest = run(folder, command + "killed.npz")
    done, = numbers(r"^goes on from killed.npz, after step (\d+)$", rest)
    assert 60 <= done < 300
    ends = [re.sub(r", \d+ s$", "", text, flags=re.MULTILINE).splitlines()[-25:]
            for text in (whole, rest)]
    assert ends[0] == ends[1]
    assert (folder / "killed.npz").read_bytes() == (folder / "whole.npz").read_bytes()


def test_a_text_that_is_too_short_is_refused_before_training(folder):
    (folder / "short.txt").write_text("she sells\n" * 60)
    for name in "gpt", "lstm":
        assert run(folder, f"{name} --text short.txt", status=1).endswith(
            "ValueError: expected more than 64 letters, for a window and the letter after it, got "
            "60: take a longer text or a shorter window\n")
