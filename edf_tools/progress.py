"""Say how far something is and how long it will take, as plain text on stderr.

On a terminal this is one line that moves; elsewhere (a file, CI, a notebook) it is
a new line every ten seconds.  What takes less than three seconds shows nothing.
"""

import shutil
import sys
from time import monotonic

QUIET = 3               # seconds before the first line
PAUSE = 0.1, 10         # seconds between lines: on a terminal, elsewhere


class progress:
    """Go through items, and say how far it is.

        bar = progress(edf.batches(images, labels, size=64), "training", total=938)
        for images, labels in bar:
            ...
            bar.note = "loss 0.31"          # stands at the end of the line

    shows "training: 45%, 422 of 938, 0:04 left, loss 0.31".  Without a total, where
    the items have no length either, it says how long it has taken.  What is not a
    loop counts by itself, here bytes, with MB as the unit that is shown:

        with progress(words="train-images", total=9912422, unit="MB") as bar:
            bar.update(len(chunk))
    """

    def __init__(self, items=(), words="", total=None, unit=""):
        self.items, self.words, self.unit, self.note = items, words, unit, ""
        self.total = len(items) if total is None and hasattr(items, "__len__") else total
        self.done, self.start, self.shown = 0, monotonic(), False
        self.due = self.start + QUIET

    def __iter__(self):
        with self:
            for item in self.items:
                yield item
                self.update()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.clear()

    def update(self, count=1):
        """Count so many items, or bytes, as done; show it if the time has come."""
        self.done += count
        now = monotonic()
        if now >= self.due:
            terminal = sys.stderr.isatty()
            self.due = now + PAUSE[not terminal]
            width = shutil.get_terminal_size().columns - 1
            line = self.line(now - self.start)
            sys.stderr.write("\r" + line[:width].ljust(width) if terminal else line + "\n")
            sys.stderr.flush()
            self.shown = terminal

    def line(self, seconds):
        """Return what is shown after so many seconds."""
        done, total = self.done, self.total
        if self.unit == "MB":
            done, total = f"{done / 1e6:.1f}", total and f"{total / 1e6:.1f}"
        parts = [" ".join(filter(None, [f"{done} of {total}" if total else f"{done}", self.unit]))]
        if self.total and self.done:
            left = seconds / self.done * max(0, self.total - self.done)
            parts = [f"{self.done / self.total:.0%}", *parts, f"{clock(left)} left"]
        else:
            parts.append(clock(seconds))
        return f"{self.words}: {', '.join(parts + [self.note] * bool(self.note))}"

    def print(self, *words):
        """Print a line to stdout, above the one that moves."""
        self.clear()
        print(*words, flush=True)

    def clear(self):
        """Take the moving line away from the terminal; the next update() may show it again."""
        if self.shown:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write("\r" + " " * width + "\r")
            sys.stderr.flush()
            self.shown = False


def clock(seconds):
    """Return "0:07", "12:05" or "1:00:00"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
