"""The checks: each says in one line what came of an exercise.

    ReLU = check("MyReLU")      # below the cell that defines MyReLU
    score_sheet()               # the state of all exercises

No check contains an answer: values are compared with known numbers, gradients
with differences of the values of your own f.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import edf


class Exercise(NamedTuple):
    """What is known of an exercise: its number ("4.2": the second of section 4)
    and its points; its test, which gets what was written and returns a sentence
    or raises; and what the notebook goes on with until the test passes."""

    number: str
    points: int
    test: Callable
    library: Any = None


EXERCISES = {}          # {name: Exercise}, of all problem sets
results = {}            # {name: "done", "not yet" or "failing"}, as checks are run


def check(name):
    """Test an exercise, say in one line what came of it, and return what to use.

    That is what was written under this name if its test passes, and what EDF has
    in its place if not.  The graph is empty afterwards; `edf.dtype` and the
    random numbers of the notebook go on as if there had been no check.
    """
    exercise = EXERCISES[name]
    saved = edf.dtype, edf.training, edf.rng.bit_generator.state
    edf.clear()
    edf.dtype, edf.training = np.float64, True
    edf.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)      # an overflow is worth a word
            mine = written(name, sys._getframe(1).f_globals)
            said, state = f"public checks passed: {exercise.test(mine)}", "done"
    except NotImplementedError as error:
        said, state = "not done yet" + (f": {error}" if str(error) else ""), "not yet"
    except Exception as error:
        said, state = f"not right yet: {explain(error)}", "failing"
    finally:
        edf.dtype, edf.training, edf.rng.bit_generator.state = saved
        edf.clear()
    library = exercise.library
    if state != "done" and library is not None:
        owner = "EDF's " if library.__module__ == "edf" else "nets."
        said += f" (going on with {owner}{library.__name__})"
    results[name] = state
    print(f"{exercise.number} {name}: {said}")
    return mine if state == "done" else library


def written(name, namespace):
    """Return what the notebook defines under this name.

    A cell that does not compile leaves an older definition behind, or none: so
    the last cell that was run with a definition of it is compiled once more.
    Raises its SyntaxError, and NameError if there is no definition.
    """
    cells = [cell for cell in namespace.get("In", [])
             if f"class {name}(" in cell or f"def {name}(" in cell or f"class {name}:" in cell]
    if cells:
        compile(namespace["get_ipython"]().transform_cell(cells[-1]), "the cell", "exec")
    if name not in namespace:
        raise NameError(f"{name} is not defined: run the cell above, then this one again")
    return namespace[name]


def explain(error):
    """Return a sentence on an error: its kind, its words, and where it happened."""
    said = isinstance(error, AssertionError) and str(error)     # these are written for students
    kind = "" if said else f"{type(error).__name__}: "
    words = [f"{kind}{error}", *getattr(error, "__notes__", [])]
    if "does not support ufuncs" in str(error):
        words = ["TypeError: a function of NumPy got a component, but takes arrays: use edf.Exp, "
                 "edf.Tanh, ** 0.5 and so on"]
    if isinstance(error, SyntaxError):
        words = [f"{type(error).__name__}: {error.msg}, line {error.lineno} of the cell: "
                 f"{(error.text or '').strip()}"]
    return ", ".join(text.partition("\n")[0] for text in words)


def score_sheet(leave_out=()):
    """Print the state of each exercise, but of these sections, and how many are done."""
    states = []
    for name, exercise in EXERCISES.items():
        if int(exercise.number.split(".")[0]) not in leave_out:
            states.append(results.get(name, "not checked"))
            print(f"{exercise.number:>5}  {name:28} {states[-1]}")
    counts = {state: states.count(state) for state in ("done", "not yet", "failing", "not checked")}
    print(f"{counts.pop('done')} of {len(states)} done"
          + "".join(f", {count} {state}" for state, count in counts.items() if count))


# Tests.

def component_test(x, y, *more, **options):
    """Return a test: does the component turn x into y, and is its gradient that of its values?

    x becomes a Param, the arrays in `more` become Inputs of their own.
    """
    def test(component):
        node = component(edf.Param(x), *(edf.Input(value) for value in more), **options)
        return value_and_gradient(node, y)
    return test


def value_and_gradient(node, y):
    """Compare the value of a node with y, and all gradients with differences of values."""
    require_return(node, edf.Component)
    edf.forward()
    got = node.value.tolist()
    assert np.shape(got) == np.shape(y) and np.allclose(got, y, atol=1e-6), (
        f"the value is {got}, expected {y}")
    try:
        errors = edf.check_gradients(node)
    except AssertionError as error:
        if ignores_dy(node):
            error.add_note("the same comes out whatever dy is: is dy used?")
        raise
    return f"values right, largest gradient error {max(errors.values()):.1e}"


def ignores_dy(node):
    """Does a d-method of this component return the same for another dy?"""
    edf.forward()
    values, dy = node.values(), np.ones(node.value.shape)
    methods = [getattr(node, "d" + name) for name, argument in node.arguments.items()
               if isinstance(argument, edf.Param)]
    return any(np.array_equal(method(dy, *values), method(3 * dy, *values)) for method in methods)


def require_return(got, kind):
    """Refuse a result that is not of this kind, such as None."""
    assert isinstance(got, kind), (f"it returned {got}: is its return missing?" if got is None
                                   else f"it returned {got}, not {kind.__name__}")
