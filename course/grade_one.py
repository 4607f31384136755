"""Grade one submission, in a course folder that grade.py has made for it.

    python grade_one.py COURSE SUBMISSION LIMIT CELL_LIMIT [NOTE ...]

The notebook that is run is rebuilt from the cells of the release and the
answers of the submission, so nothing in the submission stops nbgrader.  Writes
COURSE/result.json and COURSE/feedback.html.
"""

import json
import math
import re
import secrets
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import nbformat
from grade import ASSIGNMENT, grade_id, nbgrader, require
from nbclient.exceptions import CellExecutionComplete, CellTimeoutError, DeadKernelError
from nbformat.validator import isvalid
from nbgrader.api import Gradebook
from nbgrader.preprocessors import (
    CheckCellMetadata,
    Execute,
    IgnorePattern,
    LimitOutput,
    SaveAutoGrades,
)
from nbgrader.utils import is_grade, is_locked, is_solution

STUDENT = "student"             # its name in the gradebook, where it is alone
KERNEL = "submission"
GUARD = Path(__file__).with_name("guard.py")
MOST = 5_000_000                # characters of output that a cell may make


class NotANotebook(ValueError):
    """What was submitted is not a notebook."""


# What the submission holds, against what was released.

def read(path):
    """Return the cells of the notebook in a file, of any version and any UTF.

    Raises NotANotebook if there is none.
    """
    try:
        data = Path(path).read_bytes()
        found = clean(json.loads(data.decode(json.detect_encoding(data), "replace")))
        if "cells" not in found and "worksheets" not in found:
            raise ValueError("it has no cells")
        return [tidy(cell) for sheet in (found, *found.get("worksheets", []))
                for cell in sheet.get("cells", []) if isinstance(cell, dict)]
    except Exception as error:
        words = " ".join(str(error).split())[:100]
        raise NotANotebook(f"not a notebook: {type(error).__name__}: {words}") from None


def clean(data):
    """Return JSON data without byte order marks, and without halves of characters."""
    text = json.dumps(data, ensure_ascii=False, default=str).replace("\ufeff", "")
    return json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def tidy(cell):
    """Return what counts of a submitted cell (not its outputs), in a form that nbgrader takes."""
    source = cell.get("source", cell.get("input")) or ""
    source = "".join(map(str, source)) if isinstance(source, list) else str(source)
    made = plain({"cell_type": str(cell.get("cell_type")), "source": source})
    pictures = {"attachments": cell.get("attachments")}
    if made.cell_type == "markdown" and isvalid(made | pictures, "markdown_cell", 4, 5):
        made.update(pictures)
    if isinstance(cell.get("metadata"), dict):
        made.metadata.update(cell["metadata"])
    made.id = cell.get("id")
    return made


def identify(submitted, released):
    """Return for each submitted cell the id of the released cell that it is, and notes.

    A cell that has lost its id, or has one that was never released, is found by
    the cell id of Jupyter, by its text if it is locked, or by what it defines.
    """
    known = {grade_id(cell): cell for cell in released.cells if grade_id(cell)}
    names = [grade_id(cell) for cell in submitted]
    notes = [f'unknown grade cell "{name}": renamed?' for name in names
             if name is not None and name not in known]
    names = [name if name in known else None for name in names]
    for name, cell in known.items():
        if name not in names:
            place = find(name, cell, submitted, names)
            if place is None:
                notes.append(f"missing: {name}")
            else:
                names[place] = name
                notes.append(f"lost its grade id: {name} (found again)")
    notes += [f"duplicated: {name}" for name in known if names.count(name) > 1]
    for name, cell in zip(names, submitted):
        if name and is_locked(known[name]) and cell.source.strip() != known[name].source.strip():
            notes.append(f"altered: {name} (restored)")
    return names, notes


def find(name, cell, cells, names):
    """Return the place of a nameless cell that is this released cell, or None."""
    free = [i for i, taken in enumerate(names) if taken is None
            and cells[i].cell_type == cell.cell_type]
    definition = re.compile(rf"^(class|def) {re.escape(name)}\b", re.MULTILINE)
    same = [i for i in free if cells[i].get("id") == cell.id]
    same += [i for i in free if is_locked(cell) and cells[i].source.strip() == cell.source.strip()]
    same += [i for i in reversed(free) if is_solution(cell) and definition.search(cells[i].source)]
    return same[0] if same else None


def rebuild(submitted, names, grading):
    """Return the notebook to be graded.

    Cells of the release stand in its order: the locked ones as they were, the
    others with what the student wrote.  Every other cell follows the cell of the
    release that it followed, first of all the copies of that cell itself.
    """
    first, copies, others, last = {}, {}, {None: []}, None
    for name, cell in zip(names, submitted):
        if name in first:
            copies[name].append(plain(cell))
        elif name:
            first[name], copies[name], others[name], last = cell, [], [], name
        else:
            others[last].append(plain(cell))
    cells = others[None]
    for cell in grading.cells:
        name = grade_id(cell)
        if name:
            cell = nbformat.from_dict(cell)
            if name in first and not is_locked(cell):
                cell.source = first[name].source
                if "attachments" in first[name] and cell.cell_type == "markdown":   # pictures
                    cell.attachments = first[name].attachments
            cells += [cell, *copies.get(name, []), *others.get(name, [])]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number:03}"
    return nbformat.v4.new_notebook(cells=cells, metadata=grading.metadata)


def plain(cell):
    """Return the cell as one that nbgrader does not know."""
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    made = make.get(cell["cell_type"], nbformat.v4.new_raw_cell)(cell["source"])
    if cell["cell_type"] == "markdown" and "attachments" in cell:
        made.attachments = cell["attachments"]          # its pictures
    return made


# Running it.

class Run(Execute):
    """Execute the notebook; when its time is up or its kernel dead, mark what has not run."""

    limit = cell_limit = 60     # seconds; main() sets them
    guard_log, secret = Path(), ""
    stopped = None              # why the rest is not run
    deadline = None

    def preprocess_cell(self, cell, resources, index):
        self.deadline = self.deadline or time.monotonic() + self.limit
        self.said, left = 0, self.deadline - time.monotonic()
        if left <= 0 and not self.stopped:
            self.stopped = f"the {self.limit} seconds for the notebook were over"
        if self.stopped:
            if cell.cell_type == "code":
                cell.outputs = [failure("NotRun", self.stopped)]
            return cell, resources
        self.timeout = math.ceil(min(self.cell_limit, left))
        self.error_on_timeout = failure("Timeout", f"stopped after {self.timeout} seconds")
        try:
            super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            self.stopped = f"{begin(cell)} ended the kernel"
        except CellTimeoutError:
            self.stopped = f"{begin(cell)} could not be stopped"
        if cell.cell_type == "code":
            cell.outputs = [whole(output) for output in cell.outputs]
        if self.stopped:
            cell.outputs.append(failure("NotRun", self.stopped))
        elif is_grade(cell) and cell.cell_type == "code":
            self.settle(cell)
        return cell, resources

    def settle(self, cell):
        """Leave in a check cell only what nbgrader is to judge by.

        It takes any warning for an error, and any number for partial credit.
        """
        cell.outputs = [out for out in cell.outputs if out.output_type != "execute_result"]
        for output in cell.outputs:
            if output.get("name") == "stderr":
                output.name = "stdout"
        name = grade_id(cell).removeprefix("check-")
        errors = [out for out in cell.outputs if out.output_type == "error"]
        if not errors and name not in logged(self.guard_log, f"verified {self.secret}"):
            cell.outputs.append(failure("NotTested", "the test did not run to its end: was its "
                                                     "code replaced?"))

    def process_message(self, msg, cell, cell_index):
        """Collect an output, unless the cell has made too much of it."""
        if msg["msg_type"] in ("stream", "display_data", "execute_result"):
            self.said += len(str(msg["content"]))
            if self.said > MOST:
                return None
        try:
            return super().process_message(msg, cell, cell_index)
        except CellExecutionComplete:
            raise
        except Exception:                       # display() lets anything through
            cell.outputs.append(whole({}))


def whole(output):
    """Return an output as a notebook can hold it, or else words in its place."""
    with suppress(RecursionError):
        output = nbformat.from_dict(clean(output))
        if isvalid(output, "output", 4, 5):
            return output
    return nbformat.v4.new_output("stream", text="[an output that no notebook can hold]\n")


def begin(cell):
    """Return words that tell a reader which cell it is."""
    return f'the cell that begins "{cell.source.strip().splitlines()[0][:50]}"'


def failure(name, words):
    """Return an error as an output of a cell."""
    return nbformat.v4.new_output("error", ename=name, evalue=words,
                                  traceback=[f"{name}: {words}"])


def logged(log, kind):
    """Return what the guard has logged of this kind."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line.removeprefix(kind + " ") for line in lines if line.startswith(kind + " ")]


def install_kernel(course, seconds, secret):
    """Write the kernelspec that starts the guard; JUPYTER_PATH leads to it."""
    folder = course / "jupyter" / "kernels" / KERNEL
    folder.mkdir(parents=True)
    home = course / "autograded" / STUDENT / ASSIGNMENT
    places = {"HOME": home, "TMPDIR": home / ".tmp", "IPYTHONDIR": home / ".ipython",
              "MPLCONFIGDIR": home / ".matplotlib"}
    argv = [sys.executable, GUARD, course / "log", GUARD.parent, seconds, secret, "-f",
            "{connection_file}"]
    spec = {"argv": list(map(str, argv)), "display_name": KERNEL, "language": "python",
            "env": {name: str(place) for name, place in places.items()}}
    (folder / "kernel.json").write_text(json.dumps(spec))


def run(course, notebook, limit, cell_limit):
    """Let nbgrader grade the notebook.  Raises RuntimeError if it does not."""
    folder = course / "submitted" / STUDENT / ASSIGNMENT
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{ASSIGNMENT}.ipynb")
    Run.limit, Run.cell_limit = limit, cell_limit
    Run.guard_log, Run.secret = course / "log", secrets.token_hex(8)
    install_kernel(course, limit + 20, Run.secret)
    api = nbgrader(course)
    api.config.Run.kernel_name = KERNEL
    api.config.Run.shutdown_kernel = "immediate"
    api.config.Run.iopub_timeout = 10
    api.config.Autograde.autograde_preprocessors = [Run, IgnorePattern, LimitOutput,
                                                    SaveAutoGrades, CheckCellMetadata]
    require(api.autograde(ASSIGNMENT, STUDENT))
    return api


# The result.

def scores(course, notebook):
    """Return {grade id: points, or the reason why there are none, or "to read"}."""
    found = {}
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        graded = gradebook.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, STUDENT)
        points = {grade.name: grade.auto_score for grade in graded.grades}
    for cell in notebook.cells:
        if is_grade(cell):
            name = grade_id(cell)
            if is_solution(cell):
                found[name] = "not answered" if points[name] == 0 else "to read"
            else:
                found[name] = points[name] or reason(cell)
    return found


def reason(cell):
    """Return why a check cell gets no points: its last error, in one line."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if not errors:
        return "no points"
    name, words = errors[-1].ename, " ".join(errors[-1].evalue.split())
    return words if name in ("AssertionError", "NotRun", "NotTested") else f"{name}: {words}"


def give_feedback(api, course, path, notebook, notes):
    """Write the feedback page, with the notes on top."""
    if notes:
        words = "\n".join(f"    - {' '.join(note.split())}" for note in notes)
        head = nbformat.v4.new_markdown_cell(f"**Notes of the grader**\n\n{words}")
        notebook.cells.insert(0, head)
        nbformat.write(notebook, path)
    require(api.generate_feedback(ASSIGNMENT, STUDENT))
    page = course / "feedback" / STUDENT / ASSIGNMENT / f"{ASSIGNMENT}.html"
    page.rename(course / "feedback.html")


def main(course, submission, limit, cell_limit, *notes):
    course = Path(course)
    result = {"notes": list(notes), "scores": {}, "again": False}
    try:
        submitted = read(submission)
        released = nbformat.read(course / "released.ipynb", as_version=4)
        source = course / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        grading = nbformat.read(source, as_version=4)
        names, found = identify(submitted, released)
        result["notes"] += found
        api = run(course, rebuild(submitted, names, grading), int(limit), int(cell_limit))
        path = course / "autograded" / STUDENT / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        graded = nbformat.read(path, as_version=4)
        result["scores"] = scores(course, graded)
        result["notes"] += [f"refused: {what}" for what in logged(course / "log", "refused")]
        give_feedback(api, course, path, graded, result["notes"])
    except NotANotebook as error:
        result["notes"].append(str(error))
    except Exception as error:
        traceback.print_exc()
        result["again"] = not result["scores"]
        faults = re.findall(r"^ *(\w+Error: .*)", str(error), re.MULTILINE) or [repr(error)]
        result["notes"].append(f"could not be graded: {faults[-1]}")
    (course / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
