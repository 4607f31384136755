"""The table of components bites: a wrong derivative makes one of its rows fail.

Every d-method, every backward that a component has of its own, and every function that they share
is changed in one place at a time: a sign, a term or a factor dropped, a sum skipped, a transpose
forgotten, += made =.  Each such mutant runs through the rows of the table until one fails; one that
passes them all fails here.  `PYTHONPATH=. python tests/test_mutants.py` counts them.
"""

import ast
import copy
import dataclasses
import inspect
import sys
import warnings

import numpy as np
import pytest
from test_components import CASES, compare

import edf

# Calls that can be skipped: x.sum(...) and as_matrix(x) both become x.
SKIPPED = ["sum", "mean", "reshape", "swapaxes", "unbroadcast", "as_matrix", "unreduce",
           "broadcast_to", "argsort", "mod", "through_standardizing"]


def variants(node):
    """Yield (what was done, node in its place) for a node of the tree of a derivative."""
    if isinstance(node, ast.Return):
        yield "all negated", ast.Return(ast.UnaryOp(ast.USub(), node.value))
    if isinstance(node, ast.AugAssign):
        yield "+= made =", ast.Assign([node.target], node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "minus dropped", node.operand
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "not transposed", node.value
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, (ast.Add, ast.Sub)):
            other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield "sign changed", ast.BinOp(node.left, other, node.right)
        if isinstance(node.op, ast.Div):
            yield "multiplied", ast.BinOp(node.left, ast.Mult(), node.right)
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
            yield "right dropped", node.left
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
            yield "left dropped", node.right
    if isinstance(node, ast.Call):
        function = ast.unparse(node.func).split(".")
        if function[-1] in SKIPPED:
            method = len(function) > 1 and function[0] != "np"
            yield "skipped", node.func.value if method else node.args[0]


def mutants(thing):
    """Yield (name, mutant) for every mutant of a class of components, or of a function."""
    tree = ast.parse(SOURCES[thing])
    parts = [part for part in getattr(tree.body[0], "body", [])
             if isinstance(part, ast.FunctionDef) and (part.name == "backward"
                                                       or part.name.startswith("d"))]
    for part in parts if inspect.isclass(thing) else tree.body:
        for node in ast.walk(part):
            for what, new in variants(node):
                mutant = copy.deepcopy(tree, {id(node): copy.deepcopy(new)})
                code = compile(ast.fix_missing_locations(mutant), "<mutant>", "exec")
                namespace = dict(vars(sys.modules[thing.__module__]))
                exec(code, namespace)
                yield f"{part.name}: {what}: {ast.unparse(node)}", namespace[thing.__name__]


def survives(case):
    """Does a row of the table pass?"""
    for arrays in case.inputs:
        edf.clear()
        edf.seed(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compare(case, arrays)
        except Exception:               # a wrong number, or a shape or a name that does not fit
            return False
    return True


KINDS = list(dict.fromkeys(case.component for case in CASES))
SHARED = [edf.as_matrix, edf.unbroadcast, edf.unreduce, edf.scatter, edf.through_standardizing,
          edf.spread]


SOURCES = {thing: inspect.getsource(thing) for thing in KINDS + SHARED}


def survivors(thing):
    """Return the names of all mutants of a component or a function, and of those that pass."""
    tried, passed = [], []
    module = sys.modules[thing.__module__]
    for name, mutant in mutants(thing):
        tried.append(name)
        if inspect.isclass(thing):
            rows = (dataclasses.replace(case, component=mutant) for case in CASES
                    if case.component is thing)
            caught = not all(survives(case) for case in rows)
        else:
            setattr(module, thing.__name__, mutant)
            caught = not all(survives(case) for case in CASES
                             if thing.__name__ in SOURCES[case.component])
            setattr(module, thing.__name__, thing)
        if not caught:
            passed.append(name)
    return tried, passed


@pytest.mark.parametrize("thing", KINDS + SHARED, ids=lambda thing: thing.__name__)
def test_no_mutant_survives(thing, float64):
    tried, passed = survivors(thing)
    assert len(tried) > 0
    assert passed == []


if __name__ == "__main__":
    edf.dtype = np.float64
    total = caught = 0
    for thing in KINDS + SHARED:
        tried, passed = survivors(thing)
        total, caught = total + len(tried), caught + len(tried) - len(passed)
        for name in passed:
            print(f"survived: {thing.__name__}.{name}")
    print(f"{caught} of {total} mutants of {len(KINDS)} components and {len(SHARED)} functions "
          "that they share were caught")
