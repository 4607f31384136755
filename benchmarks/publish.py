"""Put what `make bench` measured into README.md, with its figures and pictures beside it."""
import json
import shutil
from pathlib import Path

import run
import scaling

HERE = Path(__file__).parent
PARTS = {       # of the page: the file of figures, and what makes text of it
    "answers": ("results.json", run.answers), "results": ("results.json", run.report),
    "growth": ("scaling.json", scaling.report)}


def filled(page):
    """Return the page with its parts made of the files of figures that lie beside it."""
    for name, (file, text) in PARTS.items():
        before, begin, rest = page.partition(f"<!-- {name}: made of {file} by publish.py -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->\n")
        figures = json.loads((HERE / file).read_text(encoding="utf-8"))
        page = f"{before}{begin}\n{text(figures)}\n{end}{after}"
    return page


if __name__ == "__main__":
    for file in [*run.OUT.glob("*.json"), *run.OUT.glob("*.png")]:
        shutil.copy(file, HERE)
    page = HERE / "README.md"
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
