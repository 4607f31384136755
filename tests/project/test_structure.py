"""The shape of the project: what stands alone, who imports whom, and how long it is."""

import ast
import inspect
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import edf

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "edf.py").read_text().splitlines()


def section(number):
    """Return the lines of a section of edf.py, heading included."""
    starts = [i - 1 for i, line in enumerate(LINES) if re.match(r"# \d  ", line)] + [len(LINES)]
    return LINES[starts[number - 1]:starts[number]]


def python(program, folder, *options):
    return subprocess.run([sys.executable, "-W", "error", "-S", *options, "-c", program],
                          cwd=folder, capture_output=True, text=True,
                          env={"PYTHONPATH": str(Path(edf.np.__file__).parents[1])})


@pytest.fixture
def alone(tmp_path):
    """A folder with edf.py and nothing else."""
    shutil.copy(ROOT / "edf.py", tmp_path)
    return tmp_path


# edf.py alone.

def test_the_program_of_the_docstring_runs(alone):
    program = inspect.cleandoc("\n".join(
        line for line in edf.__doc__.splitlines() if line.startswith("    ") or not line))
    assert python(program, alone).stdout == "[0 1 1 0]\n"


def test_a_wrong_shape_is_worded(alone):
    (alone / "student.py").write_text(
        "import numpy as np, edf\n"
        "edf.Affine(edf.Input(np.ones((6, 5))), edf.Param(np.ones((4, 3))), "
        "edf.Param(np.zeros(3)))\n"
        "edf.forward()\n")
    error = python("import student", alone).stderr
    assert re.search(r"ValueError: matmul: .*\nin f of Affine\(x \(6, 5\), w \(4, 3\), b "
                     r"\(3,\)\)\nbuilt at line 2 of student.py: edf.Affine\(", error), error


PLAIN = "pydoc.plain(pydoc.render_doc(edf.%s))"


def test_help_shows_formula_shapes_and_signature(alone):
    text = python(f"import edf, pydoc; print({PLAIN % 'Conv2d'})", alone).stdout
    for words in ("Conv2d(x, w, b, stride=1, padding=0)", "every window of x times every kernel",
                  "x (B, C, H, W), w (O, C, kh, kw), b (O,)"):
        assert words in text
    text = python(f"import edf, pydoc; print({PLAIN % 'Param'})", alone).stdout
    assert "Param(value, name=None)" in text


def test_run_as_a_program_it_tells_what_it_is(alone):
    ran = subprocess.run([sys.executable, "edf.py"], cwd=alone, capture_output=True, text=True)
    assert ran.stdout.strip() == edf.__doc__.strip() and not ran.stderr


@pytest.mark.parametrize("call, file", [
    ("check_gradients(None)", "check"), ("debugging()", "check"), ("draw()", "view"),
    ("walk(None)", "walk"), ("summary()", "view"), ("profile(None)", "timing"),
    ("listing(None)", "listing"), ("save('x.npz')", "saving"), ("load('x.npz')", "saving")])
def test_a_tool_that_is_not_there_is_named(alone, call, file):
    error = python(f"import edf; edf.{call}", alone).stderr
    assert error.splitlines()[-1] == (f"ImportError: edf_tools/{file}.py is missing: put the "
                                      "folder edf_tools beside edf.py")


# Who imports whom.

def imports(path):
    """Return the modules that a file imports when it is read: not inside of functions."""
    names, nodes = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
        elif not isinstance(node, ast.FunctionDef):
            nodes += ast.iter_child_nodes(node)
    return names


def test_imports_go_one_way():
    loaders = {"mnist_loader", "cifar10_loader", "text_loader"}
    own = {"edf", "edf_tools", "problem_sets"} | loaders
    allowed = {"edf.py": set(), "edf_tools": {"edf", "edf_tools"}, "text_loader.py": set(),
               "mnist_loader.py": set(), "cifar10_loader.py": {"mnist_loader"},
               "problem_sets": own, "examples": own - {"problem_sets"}}
    for place, names in allowed.items():
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            assert imports(file) & own <= names, file
    assert imports(ROOT / "edf.py") <= {"numpy"} | sys.stdlib_module_names
    assert imports(ROOT / "problem_sets" / "engine.py") == {"numpy"}


def test_the_framework_and_its_data_alone_stand_at_the_top():
    assert {file.name for file in ROOT.glob("*.py")} == {
        "edf.py", "mnist_loader.py", "cifar10_loader.py", "text_loader.py"}
    assert {file.name for file in ROOT.glob("requirements*")} == {
        "requirements.txt", "requirements-cluster.txt"}


@pytest.mark.parametrize("first", ["edf_tools", "edf_tools.view", "edf"])
def test_any_of_them_may_be_imported_first(tmp_path, first):
    ran = python(f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {first}, edf_tools, edf\n"
                 "edf.Param(1.0, 'w') * 2; print(edf.draw())", tmp_path)
    assert ran.stdout == "Param w  ()\nMul[1] b 2  <- w\n", ran.stderr


def test_all_of_it_works_from_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "edf.zip", "w") as archive:
        for file in [*ROOT.glob("*.py"), *ROOT.glob("edf_tools/*.py"), *ROOT.glob("data/*")]:
            archive.write(file, file.relative_to(ROOT))
    ran = python("import sys; sys.path.insert(0, 'edf.zip'); sys.modules['pooch'] = sys\n"
                 "import edf, cifar10_loader as data, text_loader; edf.Param(1.0, 'w')\n"
                 "print(edf.summary(), len(text_loader.load_text()))\n"
                 "print(data.load('digits').name, edf.__file__)", tmp_path)
    assert "Param w" in ran.stdout and "edf.zip" in ran.stdout, ran.stderr


def test_it_can_be_reloaded():
    ran = python("import importlib, edf; importlib.reload(edf)\n"
                 "y = edf.ReLU(edf.Param(-1.0) + 3); edf.forward(); print(y.value)", ROOT)
    assert ran.stdout == "2.0\n", ran.stderr


# How long it is.

def test_the_first_hour_of_reading_is_short():
    assert len(section(1) + section(2)) <= 240
    assert len(section(1) + section(2) + section(3)) <= 350
    assert len(LINES) <= 1700
    advice = (ROOT / "edf_tools" / "advice.py").read_text().splitlines()
    assert len(section(7)) + len(advice) <= 300


def test_every_public_name_has_a_docstring():
    for name, value in vars(edf).items():
        if not name.startswith("_") and getattr(value, "__module__", None) == "edf":
            assert inspect.getdoc(value), name
            for method, function in vars(value).items() if inspect.isclass(value) else ():
                if inspect.isfunction(function) and method in ("f", "forward", "backward", "step"):
                    assert value is not edf.Component or function.__doc__, (name, method)


# What a type checker says.

PROGRAM = """
import numpy as np
import edf

x, w, b = edf.Input(), edf.Param(np.ones((4, 4))), edf.Param(np.zeros(4))
h = edf.Affine(x, w, b)
y = h + x
loss = edf.Mean((2 * h)[:, 0] - (x @ w)[:, 1] / 2 + h ** 2 * y - 1)
"""


def test_a_type_checker_accepts_operators_and_refuses_names_that_are_not_there(tmp_path):
    readme = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for name, program in ("right", PROGRAM), ("readme", "\n".join(readme)), (
            "wrong", "import edf\nedf.Relu(edf.Input())\n"):
        (tmp_path / f"{name}.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--check-untyped-defs",
         "--ignore-missing-imports", "--follow-imports=silent", "right.py", "readme.py",
         "wrong.py"], cwd=tmp_path, capture_output=True, text=True,
        env={"MYPYPATH": str(ROOT), "PATH": ""})
    lines = ran.stdout.splitlines()
    assert len(lines) == 1 and lines[0].startswith("wrong.py:2: error: "), ran.stdout
    assert '"Relu"' in lines[0]
