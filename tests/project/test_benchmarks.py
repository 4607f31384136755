"""The benchmark runs, and names what is absent; how fast anything was decides nothing here."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_short_run_writes_a_table_a_plot_and_all_figures(tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "benchmarks" / "run.py", "--tasks", "W1,W6",
         "--peers", "EDF,by hand,floor,tinygrad", "--rounds", "1", "--seconds", "0.01",
         "--threads", "1", "--out", tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    for task in "W1", "W6":
        assert f"{task}, 1 threads: gradients agree with EDF's: by hand\n" in run.stdout
        assert re.search(rf"^\| {task} " + r"\| \d+ \([\d-]+\) !? ?" * 3 + r"\|$", table, re.M)
    assert "Not installed: tinygrad" in table
    assert json.loads((tmp_path / "results.json").read_text())
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")
