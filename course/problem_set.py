"""Build, run, open and export the problem sets.

    python course/problem_set.py TASK [NAME ...]

NAME is ps1, ps2, ps3 or theory; without one, all are meant.  TASK is one of
    run         run NAME.ipynb, write build/NAME.html, and print its last figures
    notebook    open your copy of NAME.ipynb (ps1 without a NAME) in JupyterLab: work/NAME.ipynb
    student     build NAME.ipynb from course/NAME.py, without the answers, and run it
    solutions   the same with the answers: build/NAME_solutions.ipynb and .html

A source, course/NAME.py, is a notebook in percent format.  Its header has the
list of the sections to leave out.  An answer stands between the lines ### BEGIN
SOLUTION and ### END SOLUTION; a wrong answer that the student is to fix, before
it, between ### BEGIN ERROR and ### END ERROR.  A picture of pictures.py
is shown by ![words](picture:NAME).
"""

import base64
import hashlib
import itertools
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from jinja2 import pass_context
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pictures import PICTURES

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from edf_tools.progress import progress

# nbconvert misses alternative texts of plots; the prose above each says what to see in it.
logging.getLogger("traitlets").setLevel("ERROR")

ROOT = Path(__file__).resolve().parents[1]
NAMES = "ps1", "ps2", "ps3", "theory"
SOURCES = {name: ROOT / "course" / f"{name}.py" for name in NAMES}
STUDENT = {name: ROOT / f"{name}.ipynb" for name in NAMES}
WORK = ROOT / "work"                # a student's own copies
BUILD = ROOT / "build"

MARKERS = re.compile(r"^ *### (BEGIN|END) (SOLUTION|ERROR)\n?", re.MULTILINE)
REGION = r"^( *)### BEGIN {0}\n(.*?)^ *### END {0}\n?"
ANSWER = re.compile(REGION.format("SOLUTION"), re.MULTILINE | re.DOTALL)
ERROR = re.compile(REGION.format("ERROR"), re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"## (\d+) ")
PICTURE = re.compile(r"\(picture:(\w+)\)")
FOLDED = ("\n\n<details><summary>An answer, to compare yours with</summary>\n\n"
          "{}\n\n</details>")


def read_source(path):
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
        if names := PICTURE.findall(cell.source):
            cell.attachments = {f"{name}.png": {"image/png": base64.b64encode(
                PICTURES[name]()).decode()} for name in names}
            cell.source = PICTURE.sub(r"(attachment:\1.png)", cell.source)
    return notebook


def without_sections(cells, leave_out):
    """Return the cells of the other sections; the contents and the score sheet follow suit."""
    kept, section, seen = [], None, set()
    for cell in cells:
        heading = HEADING.match(cell.source)
        section = int(heading[1]) if heading else section
        seen.add(section)
        if section not in leave_out or cell is cells[-1]:       # the last is the score sheet
            kept.append(cell)
    if unknown := set(leave_out) - seen:
        raise ValueError(f"leave_out names sections that do not exist: {sorted(unknown)}")
    for cell in kept if leave_out else ():
        for number in leave_out:
            cell.source = re.sub(rf"^\| {number} \|.*\n?", "", cell.source, flags=re.MULTILINE)
        cell.source = re.sub(r'(score_sheet\("\w+")\)', rf"\1, leave_out={leave_out})", cell.source)
    return kept


def is_exercise(cell):
    """Is this a code cell with an answer of the student's?"""
    return cell.cell_type == "code" and bool(ANSWER.search(cell.source))


def without_answers(notebook, fold=False):
    """Return a copy in which every answer is a stub that compiles, or the error to fix.

    With `fold`, an answer in words stands above its place, folded.
    """
    notebook = nbformat.from_dict(notebook)
    question = None
    for cell in notebook.cells:
        answer = ANSWER.search(cell.source)
        if ERROR.search(cell.source):
            stub = ""
        elif cell.cell_type == "code":
            stub = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()\n"
        else:
            stub = "*Your answer here.*"
            if answer and fold:
                question.source += FOLDED.format(answer[2].strip())
            question = cell
        cell.source = MARKERS.sub("", ANSWER.sub(stub, cell.source)).rstrip("\n")
    return notebook


def without_markers(notebook):
    """Return a copy with the answers in place."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        cell.source = MARKERS.sub("", ERROR.sub("", cell.source)).rstrip("\n")
    return notebook


# A student's own work.

def version(notebook):
    """Return a word that changes whenever a cell is written anew, and not with its output."""
    text = json.dumps([[cell.cell_type, cell.source] for cell in notebook.cells])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def built(notebook):
    """Return the version as which a notebook was built or copied, or None."""
    return notebook.metadata.get("edf", {}).get("version")


def require_untouched(path):
    """Raise SystemExit if somebody has worked in a notebook that is to be built anew."""
    if path.exists():
        notebook = nbformat.read(path, as_version=4)
        if built(notebook) != version(notebook):
            raise SystemExit(f"{path.name} is not as it was built: somebody has worked in it, and "
                             f"building would overwrite that; move it to {WORK.name}/ first")


def own_copy(name):
    """Return the student's copy of a notebook, and a newer version beside it or None.

    A copy is made without outputs, so that no question is answered before it is
    asked, and is never written again.
    """
    notebook = nbformat.read(STUDENT[name], as_version=4)
    notebook.metadata["edf"] = {"version": version(notebook)}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    WORK.mkdir(exist_ok=True)
    mine = WORK / f"{name}.ipynb"
    for number in itertools.count(2):
        copy = mine if number == 2 else WORK / f"{name}-{number - 1}.ipynb"
        if not copy.exists():
            nbformat.write(notebook, copy)
        if built(nbformat.read(copy, as_version=4)) == built(notebook):
            return mine, copy if copy != mine else None


def open_in_jupyterlab(path):
    """Start JupyterLab on a notebook, where EDF can be imported; return its exit status."""
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}", str(path)]
    if hasattr(os, "geteuid") and os.geteuid() == 0:        # as in most containers
        command.append("--allow-root")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}).returncode


# Running it.

def execute(notebook, name):
    """Return a copy of the notebook with its outputs, run from top to bottom.

    Raises nbclient.exceptions.CellExecutionError at the first error.
    """
    notebook = nbformat.from_dict(notebook)
    print(f"running {name}: some minutes", flush=True)
    with progress(words=name, total=len(notebook.cells), unit="cells") as bar:
        def begin(cell, cell_index):
            heading = HEADING.match(cell.source)
            bar.note = f"section {heading[1]}" if heading else bar.note
            bar.update(cell_index - bar.done)

        NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True,
                       extra_arguments=["--IPKernelApp.log_level=ERROR"], on_cell_start=begin,
                       resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)        # the times: new in every run
    return notebook


class Formulas(IPythonRenderer):
    """Markdown whose formulas become MathML, which browsers show without a script."""

    def inline_math(self, latex, display="inline"):
        from latex2mathml.converter import convert  # here, because only a page needs it

        # latex2mathml knows \Bigl before a character, but not before \lfloor
        return convert(re.sub(r"\\[Bb]ig+([lr])(?=\\)", lambda side: {
            "l": r"\left", "r": r"\right"}[side[1]], latex), display=display)

    def block_math(self, latex):
        return self.inline_math(latex, "block")


class Page(HTMLExporter):
    """A page that is whole without a network."""

    raw_template = """{% extends "index.html.j2" %}
        {% block html_head_js %}{% endblock %}
        {% block html_head_js_mathjax %}{% endblock %}
        {% block html_head_js_mermaidjs %}{% endblock %}"""

    @pass_context
    def markdown2html(self, context, source):
        # in one line: a minus sign that begins a line would begin a list
        source = re.sub(r"\$[^$]+\$", lambda formula: formula[0].replace("\n", " "), source)
        renderer = Formulas(escape=False, attachments=context["cell"].get("attachments"))
        return MarkdownWithMath(renderer).render(source)


def write(notebook, name):
    """Write build/<name>.html."""
    BUILD.mkdir(exist_ok=True)
    html, _ = Page().from_notebook_node(notebook, {"metadata": {"name": name}})
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
    """Return what the notebook printed of its data and its final figures."""
    text = "".join(output.get("text", "") for cell in notebook.cells
                   if cell.cell_type == "code" for output in cell.outputs)
    lines = r"^(?:data: |final test error|GPT, |LSTM, |best model, ).*"
    return "\n".join(re.findall(lines, text, re.MULTILINE))


def run(name):
    """Run a notebook as it is handed out, and write it as a page."""
    notebook = execute(nbformat.read(STUDENT[name], as_version=4), name)
    write(notebook, name)
    print(figures(notebook))


def student(name):
    """Build what students get, and run it."""
    notebook = execute(without_answers(read_source(SOURCES[name]), fold=True), name)
    notebook.metadata["edf"] = {"version": version(notebook)}
    nbformat.write(notebook, STUDENT[name])
    if name == "ps1":
        (ROOT / "course" / "errors.png").write_bytes(picture(notebook, "Error by epoch"))
    print(f"wrote {name}.ipynb")


def solutions(name):
    """Build a notebook with its answers, and run it."""
    notebook = execute(without_markers(read_source(SOURCES[name])), name)
    write(notebook, f"{name}_solutions")
    nbformat.write(notebook, BUILD / f"{name}_solutions.ipynb")
    print(f"wrote build/{name}_solutions.ipynb")
    print(figures(notebook))


def main(task="", *names):
    names = names or (NAMES[:1] if task == "notebook" else NAMES)
    if task not in ("run", "notebook", "student", "solutions") or set(names) - set(NAMES):
        raise SystemExit(__doc__)
    if task == "notebook":
        mine, newer = own_copy(names[0])
        if newer:
            print(f"{mine.relative_to(ROOT)} is yours, from an earlier version; the present one "
                  f"lies beside it: {newer.relative_to(ROOT)}")
        raise SystemExit(open_in_jupyterlab(mine))
    if task == "student":
        for name in names:
            require_untouched(STUDENT[name])
    for name in names:
        {"run": run, "student": student, "solutions": solutions}[task](name)


if __name__ == "__main__":
    main(*sys.argv[1:])
