"""Progress: one line that moves on a terminal, a line now and then elsewhere, else nothing."""

import io
import time
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

import edf
from edf_tools import progress as module
from edf_tools.progress import clock, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def sleep(monkeypatch):
    """A function that lets time pass, at once."""
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return lambda seconds: now.append(now.pop() + seconds)


@pytest.fixture(params=[io.StringIO, Terminal])
def stderr(request, monkeypatch):
    stream = request.param()
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setenv("COLUMNS", "60")
    return stream


def train(sleep, steps, seconds, **options):
    """Go through so many steps; note a loss after each."""
    bar = progress(range(steps), "training", **options)
    seen = []
    for step in bar:
        sleep(seconds)
        seen.append(step)
        bar.note = f"loss {1 / (step + 1):.2f}"
    assert seen == list(range(steps))


def screen(text):
    """Return the lines that a terminal shows in the end."""
    lines = [""]
    for part in text.replace("\r", "\n\r").split("\n"):
        if not part.startswith("\r"):
            lines.append(part)
        else:
            lines[-1] = part[1:] + lines[-1][len(part) - 1:]
    return [line.rstrip() for line in lines if line.strip()]


def test_what_is_quick_shows_nothing(sleep, stderr):
    train(sleep, 100, 0.0299)
    with progress(words="reading", total=5, unit="MB") as bar:
        bar.update(5)
    assert stderr.getvalue() == ""


@pytest.mark.parametrize("stderr", [io.StringIO], indirect=True)
def test_elsewhere_there_is_a_line_every_ten_seconds(sleep, stderr):
    train(sleep, 400, 0.0625)               # 25 seconds
    assert stderr.getvalue().splitlines() == [
        "training: 12%, 48 of 400, 0:22 left, loss 0.02",
        "training: 52%, 208 of 400, 0:12 left, loss 0.00",
        "training: 92%, 368 of 400, 0:02 left, loss 0.00"]


@pytest.mark.parametrize("stderr", [Terminal], indirect=True)
def test_on_a_terminal_one_line_moves_and_leaves_no_trace(sleep, stderr, capsys):
    bar = progress(range(400), "training")
    for step in bar:
        sleep(0.0625)
        bar.note = "loss 0.125, and much more than a terminal of this width has room for"
        assert bar.shown == (step >= 48 and step != 101)
        if step == 100:
            before = stderr.getvalue()
            bar.print("epoch 1: loss 0.2")
    assert screen(before) == ["training: 25%, 100 of 400, 0:19 left, loss 0.125, and much"]
    assert "\n" not in stderr.getvalue() and screen(stderr.getvalue()) == []
    assert stderr.getvalue().count("training") == pytest.approx(176, abs=2)     # 22 s, one in two
    assert capsys.readouterr().out == "epoch 1: loss 0.2\n"


def test_without_a_length_it_says_how_long_it_has_taken(sleep, stderr):
    for _ in progress(iter(range(100)), "reading"):
        sleep(0.5)
    assert screen(stderr.getvalue())[:1] in (["reading: 6, 0:03"], [])
    bar = progress(iter(range(100)), "reading", total=100)
    assert bar.line(0) == "reading: 0 of 100, 0:00"
    bar.update(25)
    assert bar.line(30) == "reading: 25%, 25 of 100, 1:30 left"
    bar.update(100)                         # more than was promised
    assert bar.line(30) == "reading: 125%, 125 of 100, 0:00 left"


def test_bytes_are_shown_in_mb(sleep, stderr):
    with progress(words="train-images", total=9912422, unit="MB") as bar:
        sleep(4)
        bar.update(2478106)
        assert screen(stderr.getvalue()) == ["train-images: 25%, 2.5 of 9.9 MB, 0:12 left"]
    bar = progress(words="train-images", unit="MB")
    bar.update(2478106)
    assert bar.line(4) == "train-images: 2.5 MB, 0:04"


def test_an_error_or_a_break_takes_the_line_away(sleep, stderr):
    with pytest.raises(ZeroDivisionError), progress(words="reading", total=3) as bar:
        sleep(4)
        bar.update()
        raise ZeroDivisionError
    for _ in progress(range(10), "reading"):
        sleep(4)
        if _ == 3:
            break
    assert not stderr.isatty() or screen(stderr.getvalue()) == []


def test_the_clock():
    assert [clock(seconds) for seconds in (0.4, 59.6, 725, 3600)] == [
        "0:00", "1:00", "12:05", "1:00:00"]


def test_it_costs_next_to_nothing():
    start = time.perf_counter()
    for _ in progress(range(100000)):
        pass
    assert time.perf_counter() - start < 1


def test_a_notebook_holds_a_few_lines_of_plain_text():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(
        "import time\nfrom edf_tools import progress as module\n"
        "module.QUIET, module.PAUSE = 0.2, (0, 0.2)\n"
        "for _ in module.progress(range(1000), 'training'): time.sleep(0.001)")])
    NotebookClient(notebook, kernel_name="python3", coalesce_streams=True).execute()
    output, = notebook.cells[0].outputs
    assert (output.output_type, output.name) == ("stream", "stderr")
    assert "widgets" not in notebook.metadata
    lines = output.text.splitlines()
    assert 2 <= len(lines) <= 20 and all(line.startswith("training: ") for line in lines)


def test_check_gradients_says_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(module, "QUIET", 0)
    monkeypatch.setattr(module, "PAUSE", (0, 0))
    edf.seed(1)
    x, labels = edf.Input(edf.rng.normal(size=(3, 4))), edf.Input([0, 1, 1])
    scores = edf.Affine(x, edf.Param(edf.he(4, 2)), edf.Param([0.0, 0.0]))
    edf.check_gradients(edf.SoftmaxCrossEntropy(scores, labels), entries=5)
    lines = capsys.readouterr().err.splitlines()
    runs = 5 + 5 + 2 + 5 + 6 * (5 + 2)          # each component alone, w and b in the graph of six
    assert len(lines) == 5 + 5 + 2 + 5 + 5 + 2
    assert lines[0].startswith(f"check_gradients: 2%, 1 of {runs} runs of components, 0:0")
    assert lines[0].endswith(" left, Affine[4].dx")
    assert lines[-1] == (f"check_gradients: 100%, {runs} of {runs} runs of components, 0:00 left, "
                         "Affine[4].b")
