"""What the notebooks import: the checks of their exercises, and networks."""

import os

# The matrices here are small: threads that share a product would wait for each other.  This is
# read when NumPy is imported, so the notebooks import problem_sets first.
for library in "OPENBLAS", "MKL", "OMP":
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from problem_sets import checks, ps1, ps2, ps3, theory
from problem_sets.checks import EXERCISES, check

SETS = {"ps1": ps1.EXERCISES, "ps2": ps2.EXERCISES, "ps3": ps3.EXERCISES,
        "theory": theory.EXERCISES}
for exercises in SETS.values():
    EXERCISES.update(exercises)

__all__ = ["EXERCISES", "SETS", "check", "score_sheet"]


def score_sheet(name, leave_out=()):
    """Print the state of each exercise of a problem set, but of these sections."""
    states = []
    for exercise, row in SETS[name].items():
        if int(row.number.split(".")[0]) not in leave_out:
            states.append(checks.results.get(exercise, "not checked"))
            print(f"{row.number:>5}  {exercise:28} {states[-1]}")
    counts = {state: states.count(state) for state in ("done", "not yet", "failing", "not checked")}
    print(f"{counts.pop('done')} of {len(states)} done"
          + "".join(f", {count} {state}" for state, count in counts.items() if count))
