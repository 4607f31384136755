"""What the notebooks import: the checks of their exercises, networks, and pictures."""

from problem_sets import ps1
from problem_sets.checks import EXERCISES, check, score_sheet

EXERCISES.update(ps1.EXERCISES)

__all__ = ["EXERCISES", "check", "score_sheet"]
