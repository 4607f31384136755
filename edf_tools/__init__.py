"""Tools around edf: each looks at the graph from outside, and edf runs without them."""

from edf_tools.check import check_gradients, debugging
from edf_tools.saving import load, save
from edf_tools.timing import profile
from edf_tools.view import draw, summary

__all__ = ["check_gradients", "debugging", "draw", "load", "profile", "save", "summary"]
