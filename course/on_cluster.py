"""Grade on the workers of a Dask cluster.

Scheduler and workers are started in this folder, course, with .venv-cluster.  Every worker gets
the course folder of nbgrader once, with the hidden tests, then a file at a time, and runs what
students wrote: on machines of the course only.
"""

import io
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from distributed import Client, WorkerPlugin, get_worker


class Course(WorkerPlugin):
    """The course folder, on each worker, also one that joins later."""

    def __init__(self, template, assignment):
        self.name, self.assignment = "course", assignment
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(template, ".")
        self.archive = packed.getvalue()

    def setup(self, worker):
        import grade
        grade.ASSIGNMENT, self.grade_one = self.assignment, grade.grade_one
        self.folder = TemporaryDirectory()
        with tarfile.open(fileobj=io.BytesIO(self.archive)) as archive:
            archive.extractall(self.folder.name, filter="data")

    def teardown(self, worker):
        self.folder.cleanup()


def on_worker(data, notes, *limits):
    """Grade the bytes of a file; return what grade_one returns, and the bytes of its page."""
    course = get_worker().plugins["course"]
    with TemporaryDirectory() as folder:
        file, page = Path(folder, "submission"), Path(folder, "page")
        file.write_bytes(data)
        result = course.grade_one(file, notes, Path(course.folder.name), page, *limits)
        return result, page.read_bytes() if page.exists() else None


def connect(scheduler, template, assignment):
    """Return a function that does what grade_one does, on the workers, and their threads."""
    client = Client(scheduler)
    client.register_plugin(Course(template, assignment))

    def grade_one(file, notes, template, page, *limits):
        result, text = client.submit(on_worker, file.read_bytes(), notes, *limits,
                                     pure=False).result()
        if text is not None:
            page.write_bytes(text)
        return result

    return grade_one, max(1, sum(client.nthreads().values()))
