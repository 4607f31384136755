"""Release the problem set in nbgrader's format, and grade submissions.

    python course/grade.py [--set ps2] release
    python course/grade.py [--set ps2] grade FOLDER

`release` writes build/release/ps1, say: what students get.  `grade` takes a folder
that holds one notebook a submission, or one folder a submission with a notebook
in it, and writes build/grades: grades.csv and feedback/<submission>.html.  With
--help behind the task, each tells its options.
"""

import argparse
import contextlib
import csv
import hashlib
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import nbformat
from problem_set import ANSWER, BUILD, ROOT, SOURCES, read_source, without_answers

sys.path.insert(0, str(ROOT))
from edf_tools.progress import progress
from problem_sets import EXERCISES

ASSIGNMENT = os.environ.get("ASSIGNMENT", "ps1")        # the task sets it, and hands it on
FILES = ["edf.py", "edf_tools/*.py", "*_loader.py", "problem_sets/*.py", "data/*", "LICENSE"]

CHECK = re.compile(r'\bcheck\("(\w+)"\)')
TITLE = re.compile(r"^\*\*(Exercise|Question) (\d+)\.(\d+)", re.MULTILINE)
HIDDEN = """
### BEGIN HIDDEN TESTS
import sys

sys.audit("edf.verify", "{}", globals())        # guard.py hears it
### END HIDDEN TESTS"""
# nbgrader calls a program, alembic, that stands beside its Python
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
START_UP = 60           # seconds that starting and giving feedback may take, besides the limit


# The notebook, in nbgrader's format.

def grade_id(cell):
    """Return the name under which nbgrader knows a cell, or None."""
    data = cell.metadata.get("nbgrader")
    name = data.get("grade_id") if isinstance(data, dict) else None
    return name if isinstance(name, str) else None


def mark(cell, name, points=None, solution=False):
    """Set the metadata by which nbgrader knows a cell: with points it is graded."""
    cell.metadata["nbgrader"] = {
        "schema_version": 3, "grade_id": name, "grade": points is not None, "solution": solution,
        "locked": not solution, "task": False} | ({} if points is None else {"points": points})


def annotate(source):
    """Return the student version of a source with nbgrader's metadata.

    Raises ValueError if two cells get the same name, or if a check names an
    exercise that problem_sets does not know.
    """
    notebook = without_answers(source)
    answered = [ANSWER.search(cell.source) is not None for cell in source.cells]
    setup, title, tested = 0, "answer", None
    for cell, answer, following in zip(notebook.cells, answered, next_code(notebook.cells)):
        check = CHECK.search(cell.source)
        if cell.cell_type == "markdown":
            found = TITLE.search(cell.source)
            title = "-".join(found.groups()).lower() if found else title
            if re.match("## ", cell.source):
                setup = 1 if cell.source.startswith("## 0") else 0
        if answer and following and cell.cell_type == "code":
            tested = following
            mark(cell, tested, solution=True)
        elif answer and cell.cell_type == "markdown":
            names = [grade_id(other) for other in notebook.cells]
            mark(cell, title if title not in names else f"{title}-more", points=1, solution=True)
        elif cell.cell_type == "code" and check and check[1] == tested:
            mark(cell, f"check-{tested}", EXERCISES[tested].points)
            tested = None
        elif cell.cell_type == "code" and setup:
            mark(cell, f"setup-{setup}")
            setup += 1
    names = [grade_id(cell) for cell in notebook.cells if grade_id(cell) is not None]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f'two cells would have the grade id "{name}"')
    return notebook


def next_code(cells):
    """Yield for each cell the exercise that the next code cell checks, or None."""
    for place in range(len(cells)):
        code = next((cell for cell in cells[place + 1:] if cell.cell_type == "code"), None)
        check = code and CHECK.search(code.source)
        yield check[1] if check and check[1] in EXERCISES else None


def with_hidden_tests(notebook):
    """Return a copy whose check cells run the hidden tests too."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        name = grade_id(cell)
        if name and name.startswith("check-"):
            cell.source += HIDDEN.format(name.removeprefix("check-"))
    return notebook


def with_little_data(notebook):
    """Return a copy that runs on the embedded digits or on a short text: everywhere, and alike.

    Raises ValueError if data is loaded, but not in one cell of the setup.
    """
    notebook = nbformat.from_dict(notebook)
    for module, call, little in ((r"(mnist|cifar10)_loader", "load()", 'load("digits")'),
                                 ("text_loader", "load_text()", "load_text()[:20_000]")):
        cells = [cell for cell in notebook.cells
                 if (grade_id(cell) or "").startswith("setup-") and call in cell.source]
        loads = any(re.search(module, cell.source) for cell in notebook.cells)
        if len(cells) != loads:
            raise ValueError(f"{call} stands in {len(cells)} cells of the setup, expected one")
        for cell in cells:
            cell.source = cell.source.replace(call, little)
    return notebook


# The release.

def nbgrader(course):
    """Return nbgrader's interface to a course folder."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    os.environ["PATH"] = PATH
    config = Config()
    config.CourseDirectory.root = str(course)
    config.GenerateAssignment.preprocessors = [     # all but ClearSolutions: there are none
        f"nbgrader.preprocessors.{name}" for name in (
            "LockCells", "ClearOutput", "CheckCellMetadata", "ComputeChecksums", "SaveCells",
            "ClearHiddenTests", "ComputeChecksums", "CheckCellMetadata")]
    return NbGraderAPI(config=config)


def build_course(course, notebook):
    """Make a course folder: the source, nbgrader's gradebook, and the release of it.

    Raises RuntimeError if nbgrader refuses the notebook.
    """
    source = course / "source" / ASSIGNMENT
    for pattern in FILES:
        for file in sorted(ROOT.glob(pattern)):
            copy = source / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["notebook"]
    (source / "requirements.txt").write_text("\n".join(needed) + "\n")
    nbformat.write(notebook, source / f"{ASSIGNMENT}.ipynb")
    require(nbgrader(course).generate_assignment(ASSIGNMENT))


def require(result):
    """Raise RuntimeError with what nbgrader has logged unless it succeeded."""
    if not result["success"]:
        raise RuntimeError(f"nbgrader: {result.get('log')}\n{result.get('error')}")


def release(source, folder):
    """Build the release anew: a folder, ps1 for instance, in this one."""
    target = folder / ASSIGNMENT
    with tempfile.TemporaryDirectory() as temporary:
        course = Path(temporary).resolve()
        build_course(course, with_hidden_tests(annotate(read_source(source))))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(course / "release" / ASSIGNMENT, target, copy_function=shutil.copyfile)
    print(f"wrote {target}")


# Grading.

def submissions(folder):
    """Return {name of a submission: (its file, or None, and notes)}."""
    found = {}
    for entry in sorted(Path(folder).iterdir()):
        if entry.name.startswith("."):
            continue
        name = legible(entry.name if entry.is_dir() else entry.stem)
        if name in found:
            name = legible(entry.name)
        while name in found:                    # two names that are shown alike
            name += "'"
        try:
            file, notes = look(entry)
        except OSError as error:
            file, notes = None, [f"cannot be read: {error}"]
        found[name] = file, list(map(legible, notes))
    return found


def legible(name):
    r"""Return a file name with \xf6 for a byte that is not UTF-8, which no table can hold."""
    return os.fsencode(name).decode(errors="backslashreplace")


def look(entry):
    """Return the notebook of a submission, or None, and notes.  Links are not followed."""
    if entry.is_symlink():
        return None, ["refused: a link"]
    if entry.is_file():
        return entry, []
    if not entry.is_dir():
        return None, ["refused: not a file"]        # a pipe, for instance
    paths = [path for path in sorted(entry.rglob("*"))
             if not any(part.startswith(".") for part in path.relative_to(entry).parts)]
    links = [str(path.relative_to(entry)) for path in paths if path.is_symlink()]
    files = [path for path in paths
             if path.suffix == ".ipynb" and path.is_file() and not path.is_symlink()]
    named = [file for file in files if file.name == f"{ASSIGNMENT}.ipynb"]
    chosen = next(iter(named or files), None)
    notes = [f"refused: the link {link}" for link in links]
    if not chosen:
        notes.append("no notebook in the folder")
    elif not named:
        notes.append(f"renamed: {chosen.name}")
    if len(files) > 1:
        notes.append(f"{len(files)} notebooks: graded {chosen.relative_to(entry)}")
    return chosen, notes


def prepare(course, source, released):
    """Make the course folder of which each submission gets a copy; return the notebook."""
    notebook = annotate(read_source(source))
    build_course(course, with_little_data(with_hidden_tests(notebook)))
    file = released / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"        # what students got, if it is there
    nbformat.write(nbformat.read(file, as_version=4) if file.exists() else notebook,
                   course / "released.ipynb")
    fonts = course / "source" / ASSIGNMENT / ".matplotlib"      # found once: it takes seconds
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True,
                   env=os.environ | {"MPLCONFIGDIR": str(fonts)})
    return notebook


def environment(course):
    """Return the environment in which a submission is graded: nothing of the instructor's."""
    folders = {"HOME": course, "TMPDIR": course / "tmp", "JUPYTER_PATH": course / "jupyter",
               "JUPYTER_DATA_DIR": course / "tmp", "JUPYTER_RUNTIME_DIR": course / "tmp",
               "JUPYTER_CONFIG_DIR": course / "tmp", "IPYTHONDIR": course / "tmp"}
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "MKL", "OMP")}
    return (threads | {name: str(folder) for name, folder in folders.items()}
            | {"ASSIGNMENT": ASSIGNMENT, "PATH": PATH, "LC_ALL": "C.UTF-8",
               "PYTHONDONTWRITEBYTECODE": "1", "JUPYTER_PLATFORM_DIRS": "1",
               "MPLBACKEND": "module://matplotlib_inline.backend_inline"})


def grade_one(file, notes, template, page, limit, cell_limit):
    """Grade a file in a process of its own; return notes and {grade id: points or reason}."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        course = Path(temporary).resolve() / "course"
        shutil.copytree(template, course)
        (course / "tmp").mkdir()
        argv = [sys.executable, Path(__file__).with_name("grade_one.py"), course, file.resolve(),
                str(limit), str(cell_limit), *notes]
        with open(course / "output", "wb") as output:
            process = subprocess.Popen(argv, env=environment(course), start_new_session=True,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            try:
                process.wait(limit + START_UP)
                ended = f"its grader ended with status {process.returncode}"
            except subprocess.TimeoutExpired:
                ended = f"its grader did not end within {limit + START_UP} seconds"
            finally:
                stop(process, course / "log")
        if (course / "feedback.html").exists():
            shutil.copyfile(course / "feedback.html", page)
        result = {"notes": [*notes, f"could not be graded: {ended}"], "scores": {}}
        if (course / "result.json").exists():
            result = json.loads((course / "result.json").read_text())
        if not result["scores"]:
            result["output"] = (course / "output").read_text(errors="replace")[-5000:]
        return result


def stop(process, log):
    """Kill what may be left of a process, and of the kernel that it started."""
    pids = [process.pid]
    if process.poll() != 0 and log.exists():
        pids += [int(line.split()[1]) for line in log.read_text().splitlines()[:1]]
    for pid in pids:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    process.wait()


def grade(folder, source, released, out, limit, cell_limit, jobs, scheduler=None):
    """Grade all submissions in a folder: here, or on the workers of a Dask scheduler."""
    pages = out / "feedback"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        template = Path(temporary).resolve() / "course"
        template.mkdir()
        notebook = prepare(template, source, released)
        found, rows, lock, run = submissions(folder), {}, Lock(), grade_one
        if scheduler:
            from on_cluster import connect
            run, jobs = connect(scheduler, template, ASSIGNMENT)
        bar = progress(words="grading", total=len(found), unit="submissions")

        def row(name):
            """Grade a submission, and write the table of those that are known."""
            file, notes = found[name]
            page = pages / page_name(name)
            result = {"notes": notes, "scores": {}}
            try:
                if file is not None:
                    result = run(file, notes, template, page, limit, cell_limit)
                if result.get("again"):         # a kernel that did not start, for instance
                    result = run(file, notes, template, page, limit, cell_limit)
                if not page.exists():
                    write_plain_page(page, name, **result)
            except Exception as error:          # whatever it is, the others go on
                result["notes"].append(legible(f"could not be graded: {error!r}"))
            cells = table_row(name, result, notebook)
            with lock:
                rows[name] = cells
                write_table(out / "grades.csv", [rows[name] for name in found if name in rows])
                bar.print(f"{name:24} {cells['total']:>5} of {cells['out of']}  "
                          f"{cells['notes'][:100]}")
                bar.update()

        write_table(out / "grades.csv", [])
        pool = ThreadPoolExecutor(jobs)
        try:
            list(pool.map(row, found))
        finally:
            pool.shutdown(cancel_futures=True)          # Ctrl-C waits for those under way only
            bar.print(f"wrote {len(rows)} of {len(found)} rows of {out / 'grades.csv'}, "
                      f"and pages in {pages}")


def page_name(name):
    """Return the file name of a page: with a digest of what makes it too long."""
    if len(name.encode()) > 200:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name.encode()[:200].decode(errors='ignore')}-{digest}"
    return f"{name}.html"


def table_row(name, result, notebook):
    """Return the row of a submission: {column: what stands there}."""
    shown = "'" + name if name[0] in "=+-@" else name       # no formula, to a spreadsheet
    row, total, most = {"submission": shown, "total": 0, "out of": 0}, 0, 0
    for cell in notebook.cells:
        data = cell.metadata.get("nbgrader", {})
        if data.get("grade"):
            got = result["scores"].get(data["grade_id"], "not graded")
            if not data["solution"]:
                most += data["points"]
                total += got if not isinstance(got, str) else 0
            row[data["grade_id"].removeprefix("check-")] = (
                f"0: {got}" if isinstance(got, str) and got != "to read" else
                got if isinstance(got, str) else f"{got:g}")
    row["total"], row["out of"] = f"{total:g}", f"{most:g}"
    return row | {"notes": "; ".join(result["notes"])}


def write_table(path, rows):
    """Write the rows, under the names of their columns, in place of the table at the path."""
    new = path.with_suffix(".new")
    with open(new, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, rows[0] if rows else ["submission"])
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)                           # at once: an interruption leaves one of the two


def write_plain_page(page, name, notes, output="", **others):
    """Write the page of a submission that could not be graded, with what its grader said."""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    page.write_text(f'<!DOCTYPE html>\n<meta charset="utf-8">\n<title>{html.escape(name)}</title>\n'
                    f"<h1>{html.escape(name)}</h1>\n<ul>{items}</ul>\n"
                    f"<pre>{html.escape(output)}</pre>\n",
                    encoding="utf-8", errors="backslashreplace")


def main():
    global ASSIGNMENT
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=SOURCES, default=ASSIGNMENT, help="the problem set: ps1")
    tasks = parser.add_subparsers(required=True)
    task = tasks.add_parser("release", help="build what students get")
    task.set_defaults(task=release)
    task.add_argument("--folder", type=Path, default=BUILD / "release", help="where to")
    task.add_argument("--source", type=Path, help="of the problem set")
    task = tasks.add_parser("grade", help="grade the submissions in a folder")
    task.set_defaults(task=grade)
    task.add_argument("folder", type=Path)
    task.add_argument("--limit", type=int, default=300, help="seconds for a notebook")
    task.add_argument("--cell-limit", type=int, default=60, help="seconds for a cell")
    task.add_argument("--jobs", type=int, default=2, help="submissions at a time")
    task.add_argument("--scheduler", help="address of a Dask scheduler, whose workers do it")
    task.add_argument("--out", type=Path, default=BUILD / "grades", help="where to")
    task.add_argument("--released", type=Path, default=BUILD / "release",
                      help="the release, to compare with")
    task.add_argument("--source", type=Path, help="of the problem set")
    options = vars(parser.parse_args())
    ASSIGNMENT = options.pop("set")
    options["source"] = options["source"] or SOURCES[ASSIGNMENT]
    sys.stdout.reconfigure(errors="backslashreplace")       # any name can be shown
    try:
        options.pop("task")(**options)
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
