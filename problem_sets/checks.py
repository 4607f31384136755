"""The checks: each says what came of an exercise, and if it is not right what differs and where.

    ReLU = check("MyReLU")      # below the cell that defines MyReLU

No check contains an answer: values are compared with known numbers, gradients
with differences of the values of your own f.
"""

import ast
import html
import linecache
import re
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

import edf
from problem_sets.nets import numeric_gradient


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

MARKS = {"done": ("✓", "#2e8b57"), "not yet": ("○", "#b8860b"), "failing": ("✗", "#d9534f")}

# Patterns for the words of an error, the line below them and its places, and what to say instead.
MISTAKES = {
    r"(must be a component|is a component, not an array|was built before clear|support ufuncs)"
    r"(.*\n)+in (f|d\w+) of ":
        "inside a formula everything is an array: np.tanh, not edf.Tanh; what f computed is "
        "self.value",
    r"does not support ufuncs":
        "functions of NumPy take arrays, not components: use edf.Exp, edf.Tanh, ** 0.5 and so on",
    r"is a component, not an array.*\n.*edf\.(Param|Input)\(":
        "it is a component already: use it as it is, without edf.Param or edf.Input",
    r"lost gradient(.*\n)+in d\w+ of ":
        "called a second time, it gives something else: it writes into what f has kept, such as "
        "self.p; copy that first",
    r"can't set attribute":
        "assign to the values of the Inputs: net.x.value and net.labels.value",
    r"broadcast.*\n.*total .*loss\.value(\n|$)":
        "total is one number: .sum()",
    r"truth value of an array.*\n.*\bmax\(":
        "max compares whole arrays: np.maximum takes the larger number in every entry",
    r"not callable\n.*\.(value|grad)\(":
        "value and grad are arrays, not methods: write p.grad, without ()",
}


def check(name):
    """Test an exercise, say what came of it, and return what to use.

    That is what was written under this name if its test passes, and what EDF has
    in its place if not.  The graph is empty afterwards; `edf.dtype` and the
    random numbers of the notebook go on as if there had been no check.
    Raises NameError if there is no such exercise.
    """
    if name not in EXERCISES:
        names = textwrap.fill(", ".join(EXERCISES), 90)
        raise NameError(f"there is no exercise {name!r}; there are\n{names}")
    exercise, namespace = EXERCISES[name], sys._getframe(1).f_globals
    saved = edf.dtype, edf.training, edf.rng.bit_generator.state
    edf.clear()
    edf.dtype, edf.training = np.float64, True
    edf.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)      # an overflow is worth a word
            mine = written(name, namespace)
            why, said, state = exercise.test(mine), "public checks passed", "done"
    except NotImplementedError as error:
        why, said, state = str(error), "not done yet", "not yet"
    except Exception as error:
        why, said, state = explain(error), "not right yet", "failing"
    finally:
        edf.dtype, edf.training, edf.rng.bit_generator.state = saved
        edf.clear()
    library = exercise.library
    if state != "done" and library is not None:
        module = library.__module__.rpartition(".")[2]      # "edf", "nets" or "sequences"
        owner = "EDF's " if module == "edf" else f"{module}."
        said += f" (going on with {owner}{library.__name__})"
    results[name] = state
    show(f"{exercise.number} {name}: {said}", why, state, "get_ipython" in namespace)
    return mine if state == "done" else library


def show(verdict, why, state, in_notebook):
    """Print a verdict and, indented, the lines on why; a notebook adds a mark and a colour."""
    verdict, *lines = [textwrap.fill(line, 90, subsequent_indent=" " * 8, break_on_hyphens=False)
                       for line in [verdict, *textwrap.indent(why, "    ").splitlines()]]
    text = "\n".join([verdict, *lines])
    if not in_notebook:
        return print(text)
    from IPython.display import display
    mark, colour = MARKS[state]
    page = "\n".join([f'<b style="color: {colour}">{mark} {verdict}</b>', *map(html.escape, lines)])
    style = f"border-left: 4px solid {colour}; padding-left: 8px; margin: 0; font-size: 90%"
    page = f'<pre style="{style}">{page}</pre>'
    display({"text/plain": text, "text/html": page}, raw=True)


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
    """Return lines on an error: its words, with what was expected on a line of its own; the
    line of the student's cell; where in the graph it arose; and last what to do."""
    words, line, dy, trace = str(error), "", "", error.__traceback__
    stack = [*zip((frame for frame, _ in traceback.walk_tb(trace)), traceback.extract_tb(trace))]
    for frame, spot in stack:
        if frame.f_globals.get("__name__") == "__main__":
            code = re.sub(r"\s{2,}#.*", "", spot.line)
            line = f"line {spot.lineno} of the cell: {code}"
        if frame.f_code is edf.Component.backward.__code__:
            dy = f", where dy is {np.shape(frame.f_locals['self'].grad)}"
    if isinstance(error, SyntaxError):
        words, line = error.msg, f"line {error.lineno} of the cell: {(error.text or '').strip()}"
    notes = [note.splitlines() for note in getattr(error, "__notes__", []) if note]
    text = "\n".join([words, line, *(first for first, *_ in notes)])
    words = next((meaning for pattern, meaning in MISTAKES.items() if re.search(pattern, text)),
                 words)
    if not words or not isinstance(error, AssertionError):      # these are written for students
        words = f"{type(error).__name__}: {words}"
    if re.search("core dimension|broadcast together|not aligned", words):
        words = misfit(*stack[-1]) or words
    words = re.sub(", (?=expected |central differences |but )", "\n", words)
    places = [first + dy if first.startswith("in d") else first for first, *_ in notes]
    advice = [text for note in notes for text in note[1:] if not text.startswith("built at ")]
    built = re.search(r"\nbuilt at (line .* of) a (cell: .*)", "\n".join(sum(notes, [])))
    line = line or (f"{built[1]} the {built[2]}" if built else "")
    return "\n".join([words, *filter(None, [line]), *places, *advice])


def misfit(frame, spot):
    """Return "in da: dy (2, 4) @ b (3, 4) do not fit" of what a frame stopped at, if it can."""
    with suppress(Exception):           # there may be no source, or other operations in it
        lines = linecache.getlines(spot.filename)[spot.lineno - 1:spot.end_lineno]
        lines[-1] = lines[-1][:spot.end_colno]
        text = " ".join("".join(lines)[spot.colno:].split())
        tree = ast.parse(text, mode="eval").body
        binary = isinstance(tree, ast.BinOp | ast.Compare)
        right = getattr(tree, "comparators", None) or [getattr(tree, "right", None)]
        for part in reversed([tree.left, *right] if binary else tree.args):
            start, end = part.col_offset, part.end_col_offset
            value = eval(text[start:end], frame.f_globals, frame.f_locals)
            end += len(re.match(r"( ?\))*", text[end:])[0]) if binary else 0
            text = f"{text[:end]} {np.shape(value)}{text[end:]}"
        return f"in {spot.name}: {text} do not fit"


# Tests.

def require(right, words):
    """Raise AssertionError with these words unless this is right (python -O drops an assert)."""
    if not right:
        raise AssertionError(words)


def component_test(x, y, *more, **options):
    """Return a test: does the component turn x into y, and is its gradient that of its values?

    x becomes a Param, the arrays in `more` become Inputs of their own.
    """
    def test(component):
        node = component(edf.Param(x), *(edf.Input(value) for value in more), **options)
        return value_and_gradient(node, y)
    return test


def value_and_gradient(node, y):
    """Compare the value of a node with y, and all gradients with differences of values.

    The graph is empty afterwards.
    """
    require_return(node, edf.Component)
    for param in edf.params:
        param.value.flags.writeable = False         # a formula must not change what it gets
    edf.forward()
    got = node.value.round(7).tolist()
    require(np.shape(got) == np.shape(y) and np.allclose(got, y, atol=1e-6),
            f"the value is {got}, expected {y}")
    if node.needs_grad:
        edf.backward(node)
    for param in edf.params:
        require(param.grad is not None, f"no gradient reaches {param}: use it itself, not its "
                ".value, nor a new Param")
    try:
        errors = edf.check_gradients(node)
    except AssertionError as error:
        if "wrong gradient" in str(error):
            for method, k in factors(node).items():
                error.add_note(f"all entries of {method} are {k:.6g} times the right ones")
        for method in ignore_dy(node):
            error.add_note(f"{method} returns the same whatever dy is: is dy used?")
        raise
    for method in ignore_dy(node):
        raise AssertionError(f"{method} returns the same whatever dy is: use dy, not "
                             "self.grad")
    edf.clear()
    return f"values right, largest gradient error {max(errors.values()):.1e}"


def d_methods(node, dy):
    """Return {method: what it returns for this dy}, of those for the Params of a component."""
    edf.forward()
    values = node.values()
    return {f"d{name}": getattr(node, f"d{name}")(dy, *values)
            for name, x in node.arguments.items()
            if isinstance(x, edf.Param) and hasattr(node, f"d{name}")}


def ignore_dy(node):
    """Return the names of the d-methods of this component that return the same for another dy."""
    one, other = (d_methods(node, dy) for dy in edf.rng.normal(size=(2, *node.value.shape)))
    return [method for method in one if np.array_equal(one[method], other[method])]


def factors(node):
    """Return {method: k} of the d-methods that return k times the gradient, where k is not 1."""
    dy, found = edf.rng.normal(size=node.value.shape), {}
    for method, got in d_methods(node, dy).items():
        param = node.arguments[method[1:]]

        def total(moved, param=param):
            param.value = moved
            edf.forward()
            return (dy * node.value).sum()

        start = param.value
        want = numeric_gradient(total, start)
        param.value = start
        if np.count_nonzero(want) > 1:              # a single entry is k times any other
            k = (got * want).sum() / (want ** 2).sum()
            if abs(k - 1) > 1e-4 and np.allclose(got, k * want, rtol=1e-4, atol=1e-6):
                found[method] = k
    return found


def require_return(got, kind):
    """Refuse a result that is not of this kind, such as None."""
    require(isinstance(got, kind), f"it returned {got}: is its return missing?" if got is None
            else f"it returned {got}, not {kind.__name__}")
