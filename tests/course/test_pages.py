"""The pages that are made: whole without a network, with every formula set and every name in it."""

import html
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import problem_set as tool
import pytest

import edf

ASKED = re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?(?!data:|\.?\.?/|#)([^\">]+)")


@pytest.mark.parametrize("name", tool.NAMES)
def test_the_page_of_a_notebook_sets_every_formula_and_asks_for_nothing(name):
    notebook = nbformat.read(tool.STUDENT[name], as_version=4)
    page, _ = tool.Page().from_notebook_node(notebook)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    formulas = re.findall(r"\$\$.+?\$\$|\$.+?\$", text, re.DOTALL)
    found = re.findall(r"<math.*?</math>", page, re.DOTALL)
    assert len(found) == len(formulas) > 100
    for formula in found:
        assert not re.search(r"\\|>\$<|<mtext>[^<]*[_^{}]", formula), formula
    assert not ASKED.findall(page)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The folder of the reference, built without warnings."""
    pytest.importorskip("pdoc")
    folder = tmp_path_factory.mktemp("docs")
    program = tool.ROOT / "course" / "reference.py"
    subprocess.run([sys.executable, "-W", "error", program, folder], check=True)
    return folder


def test_the_reference_has_every_component_with_its_docstring_arguments_and_source(reference):
    page = (reference / "edf.html").read_text(encoding="utf-8")
    plain = " ".join(html.unescape(re.sub("<[^>]*>", "", page)).split())
    kinds = [kind for kind in vars(edf).values()
             if isinstance(kind, edf.Joining) and kind is not edf.Component]
    assert len(kinds) > 40
    for kind in kinds:
        assert f'<section id="{kind.__name__}">' in page
        for paragraph in kind.__doc__.split("\n\n"):
            assert " ".join(paragraph.replace("`", "").split()) in plain, kind
    assert "class Conv2d(x, w, b, stride=1, padding=0)" in plain
    assert "return x @ w + b # (B, D) @ (D, H) + (H,) -> (B, H)" in plain
    assert "edf.SoftmaxCrossEntropy(scores, labels)" in plain      # in the first program
    assert "components = [] every component, in the order in which they were built" in plain
    headings = re.findall(r"<h3>(\d.*)</h3>", page)
    assert headings == [line[2:] for line in Path(edf.__file__).read_text().splitlines()
                        if re.match(r"# \d  ", line)]


def test_the_reference_has_all_modules_and_asks_for_nothing(reference):
    modules = [*tool.ROOT.glob("*.py"), *tool.ROOT.glob("edf_tools/[a-z]*.py")]
    pages = {path.relative_to(reference).with_suffix("").as_posix()
             for path in reference.rglob("*.html")}
    assert pages == {"index", "edf_tools",
                     *(path.relative_to(tool.ROOT).with_suffix("").as_posix() for path in modules)}
    for path in reference.rglob("*.html"):
        assert set(ASKED.findall(path.read_text(encoding="utf-8"))) <= {"search.js"}, path
