"""The benchmark runs, and names what is absent; how fast anything was decides nothing here."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


def test_a_short_run_writes_all_figures_a_table_and_a_picture(tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "benchmarks" / "run.py", "--tasks", "W1,W6",
         "--peers", "EDF,by hand,floor,tinygrad", "--rounds", "1", "--seconds", "0.01",
         "--threads", "1", "--out", tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    results = json.loads((tmp_path / "results.json").read_text())["results"]["1"]
    for task in "W1", "W6":
        assert f"{task}, threads: 1: gradients agree with EDF's: by hand\n" in run.stdout
        assert re.search(rf"^\| {task} " + r"\| \d+ \([\d-]+\) !? ?" * 3 + r"\|$", run.stdout, re.M)
        assert results[task]["figures"].keys() == {"EDF", "by hand", "floor"}
    assert "Not installed: tinygrad" in run.stdout
    assert "PyTorch takes (not measured) times as long" in run.stdout
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_shows_the_figures_that_lie_beside_it(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import publish
    assert publish.filled(PAGE) == PAGE
    for task in publish.run.TASKS:
        assert re.search(rf"^\| {re.escape(task)} \| \d", PAGE, re.M), task
    for n in publish.scaling.CURVES["depth"]:
        assert re.search(rf"^\| {n} \| [\d.]+ \| [\d.]+ \|$", PAGE, re.M), n
