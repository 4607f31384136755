"""Build, run and export the problem set.

    python course/problem_set.py TASK

TASK is one of
    run         run ps1.ipynb, write build/ps1.html, and print its last figures
    student     build ps1.ipynb from course/ps1.py, without the answers, and run it
    solutions   the same with the answers: build/ps1_solutions.ipynb and .html

The source, course/ps1.py, is a notebook in percent format.  An answer stands
between the lines ### BEGIN SOLUTION and ### END SOLUTION.
"""

import base64
import logging
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

# nbconvert misses alternative texts of plots; the prose above each says what to see in it.
logging.getLogger("traitlets").setLevel("ERROR")

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "course" / "ps1.py"
STUDENT = ROOT / "ps1.ipynb"
BUILD = ROOT / "build"

MARKERS = re.compile(r"^ *### (BEGIN|END) SOLUTION\n?", re.MULTILINE)
ANSWER = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", re.MULTILINE | re.DOTALL)


def read_source(path=SOURCE):
    """Return the notebook in the source, with the answers and their markers.

    Raises ValueError if the markers in a cell do not come in pairs.
    """
    import jupytext  # here, because running the notebook does not need it

    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"],
                         "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03}"
        cell.metadata = {}
        words = [match[1] for match in MARKERS.finditer(cell.source)]
        if words != ["BEGIN", "END"] * (len(words) // 2):
            raise ValueError(f"the solution markers do not match in the cell\n{cell.source}")
    return notebook


def without_answers(notebook):
    """Return a copy in which every answer is a stub that compiles."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        stub = (r"\1# YOUR CODE HERE\n\1raise NotImplementedError()" if cell.cell_type == "code"
                else "*Your answer here.*")
        cell.source = ANSWER.sub(stub, cell.source)
    return notebook


def without_markers(notebook):
    """Return a copy with the answers in place."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        cell.source = MARKERS.sub("", cell.source).rstrip("\n")
    return notebook


def execute(notebook):
    """Return a copy of the notebook with its outputs, run from top to bottom.

    Raises nbclient.exceptions.CellExecutionError at the first error.
    """
    notebook = nbformat.from_dict(notebook)
    print("running the problem set: about a minute", flush=True)
    NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True,
                   extra_arguments=["--IPKernelApp.log_level=ERROR"],
                   resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in notebook.cells:
        cell.metadata = {}              # the times of execution: new in every run
    return notebook


def write(notebook, name):
    """Write build/<name>.html."""
    BUILD.mkdir(exist_ok=True)
    html, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": name}})
    (BUILD / f"{name}.html").write_text(html, encoding="utf-8")
    print(f"wrote build/{name}.html")


def picture(notebook, title):
    """Return the figure of the first code cell in which this text stands, as PNG."""
    cell = next(cell for cell in notebook.cells
                if cell.cell_type == "code" and title in cell.source)
    data = next(output.data["image/png"] for output in cell.outputs
                if "image/png" in output.get("data", {}))
    return base64.b64decode(data)


def last_words(notebook):
    """Return what the last cell printed: the data and the final test error."""
    return "".join(output.get("text", "") for output in notebook.cells[-1].outputs).rstrip()


def main(task):
    if task == "run":
        notebook = execute(nbformat.read(STUDENT, as_version=4))
        write(notebook, "ps1")
    elif task == "student":
        notebook = execute(without_answers(read_source()))
        nbformat.write(notebook, STUDENT)
        (ROOT / "course" / "errors.png").write_bytes(picture(notebook, "Error by epoch"))
        print("wrote ps1.ipynb and course/errors.png")
    elif task == "solutions":
        notebook = execute(without_markers(read_source()))
        write(notebook, "ps1_solutions")
        nbformat.write(notebook, BUILD / "ps1_solutions.ipynb")
        print("wrote build/ps1_solutions.ipynb")
    else:
        raise SystemExit(__doc__)
    print(last_words(notebook))


if __name__ == "__main__":
    main(*sys.argv[1:2] or [""])
