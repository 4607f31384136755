"""Build, run and export the problem set.

    python course/problem_set.py TASK

TASK is one of
    run         run ps1.ipynb, write build/ps1.html, and print its last figures
    student     build ps1.ipynb from course/ps1.py, without the answers, and run it
    solutions   the same with the answers: build/ps1_solutions.ipynb and .html

The source, course/ps1.py, is a notebook in percent format.  Its header has the
list of the sections to leave out.  An answer stands between the lines ### BEGIN
SOLUTION and ### END SOLUTION; a wrong answer that the student is to mend, before
it, between ### BEGIN ERROR and ### END ERROR.
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

MARKERS = re.compile(r"^ *### (BEGIN|END) (SOLUTION|ERROR)\n?", re.MULTILINE)
REGION = r"^( *)### BEGIN {0}\n(.*?)^ *### END {0}\n?"
ANSWER = re.compile(REGION.format("SOLUTION"), re.MULTILINE | re.DOTALL)
ERROR = re.compile(REGION.format("ERROR"), re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"## (\d+) ")


def read_source(path=SOURCE):
    """Return the notebook in the source, with the answers and their markers.

    Raises ValueError if the markers in a cell do not come in pairs, and if a
    section to leave out does not exist.
    """
    import jupytext  # here, because running the notebook does not need it

    notebook = jupytext.read(path, fmt="py:percent")
    leave_out = notebook.metadata.get("edf", {}).get("leave_out", [])
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"],
                         "language_info": {"name": "python"}}
    notebook.cells = without_sections(notebook.cells, leave_out)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03}"
        words = [match.groups() for match in MARKERS.finditer(cell.source)]
        kinds = [kind for _, kind in words[::2]]
        if words != [(word, kind) for kind in kinds for word in ("BEGIN", "END")]:
            raise ValueError(f"the solution markers do not match in the cell\n{cell.source}")
        # An exercise that does not compile must not keep the next cells from running.
        cell.metadata = {"tags": ["raises-exception"]} if is_exercise(cell) else {}
    return notebook


def without_sections(cells, leave_out):
    """Return the cells of the other sections; the contents and the score sheet follow suit."""
    kept, section, seen = [], None, set()
    for cell in cells:
        heading = HEADING.match(cell.source)
        section = int(heading[1]) if heading else section
        seen.add(section)
        if section not in leave_out:
            kept.append(cell)
    if unknown := set(leave_out) - seen:
        raise ValueError(f"leave_out names sections that do not exist: {sorted(unknown)}")
    for cell in kept if leave_out else ():
        for number in leave_out:
            cell.source = re.sub(rf"^\| {number} \|.*\n?", "", cell.source, flags=re.MULTILINE)
        cell.source = cell.source.replace("score_sheet()", f"score_sheet(leave_out={leave_out})")
    return kept


def is_exercise(cell):
    """Is this a code cell with an answer of the student's?"""
    return cell.cell_type == "code" and bool(ANSWER.search(cell.source))


def without_answers(notebook):
    """Return a copy in which every answer is a stub that compiles, or the error to mend."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if ERROR.search(cell.source):
            stub = ""
        elif cell.cell_type == "code":
            stub = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()\n"
        else:
            stub = "*Your answer here.*"
        cell.source = MARKERS.sub("", ANSWER.sub(stub, cell.source)).rstrip("\n")
    return notebook


def without_markers(notebook):
    """Return a copy with the answers in place."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        cell.source = MARKERS.sub("", ERROR.sub("", cell.source)).rstrip("\n")
    return notebook


def execute(notebook):
    """Return a copy of the notebook with its outputs, run from top to bottom.

    Raises nbclient.exceptions.CellExecutionError at the first error.
    """
    notebook = nbformat.from_dict(notebook)
    print("running the problem set: two or three minutes", flush=True)
    NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True,
                   extra_arguments=["--IPKernelApp.log_level=ERROR"],
                   resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)        # the times: new in every run
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


def figures(notebook):
    """Return what the notebook printed of its data and of its final test errors."""
    text = "".join(output.get("text", "") for cell in notebook.cells
                   if cell.cell_type == "code" for output in cell.outputs)
    return "\n".join(re.findall(r"^(?:data: |final test error).*", text, re.MULTILINE))


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
    print(figures(notebook))


if __name__ == "__main__":
    main(*sys.argv[1:2] or [""])
