"""Write the reference: python course/reference.py [FOLDER], build/docs if none is named.

Every documented name of edf, of edf_tools and of the loaders, with its docstring as it stands in
the source, how it is called, and its source.  The pages ask nothing of the network.
"""

import html
import inspect
import re
import sys
from itertools import groupby
from pathlib import Path

import jinja2
import pdoc

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# What differs from pdoc's own pages: a class shows how it is called; what it inherits or overrides
# is in its source only; names stand under the headings of edf.py; the first page tells of modules.
TEMPLATES = {
    "module.html.jinja2": """
{% extends "default/module.html.jinja2" %}
{% macro docstring(doc) %}
    {{ doc | prose | linkify(namespace=doc.qualname, shorten=False) }}
{% endmacro %}
{% macro class(doc) %}
    <span class="def">class</span> <span class="name">{{ doc.name }}</span>{{ doc | arguments }}
{% endmacro %}
{% macro is_public(doc) %}{{ "true" if doc | text and doc.name[0] != "_" }}{% endmacro %}
{% macro inherited(doc) %}{% endmacro %}
{% macro nav_members(members) %}
    {% for heading, names in members | in_sections %}
        <h3>{{ heading }}</h3>
        <ul>{% for m in names if is_public(m) | trim %}
            <li><a class="{{ m.kind }}" href="#{{ m.name }}">{{ m.name }}</a></li>{% endfor %}
        </ul>
    {% endfor %}
{% endmacro %}
""",
    "index.html.jinja2": """
{% extends "default/index.html.jinja2" %}
{% block title %}EDF: the reference{% endblock %}
{% block nav %}{% endblock %}
{% block content %}
    <header class="pdoc">
        <h1>EDF</h1>&emsp;<input type="search" placeholder="Search" aria-label="search box">
    </header>
    <main class="pdoc"><dl>
        {% for name, module in all_modules.items() %}
            <dt><a href="{{ name.replace(".", "/") }}.html">{{ name }}</a></dt>
            <dd>{{ module.docstring.split("\n")[0] }}</dd>
        {% endfor %}
    </dl></main>
    {% include "search.html.jinja2" %}
{% endblock %}
""",
    "custom.css": "nav h2 {display: none} nav h3 {font-size: 1.2rem; margin-top: 1rem} "
                  "main.pdoc {max-width: 64rem}"}


def source(doc):
    """Return the source of the module in which this is documented."""
    return inspect.getsource(sys.modules[doc.modulename])


def text(doc):
    """Return its docstring, if not inherited; of a global, the comment that tells what it is."""
    if doc.kind == "variable":
        comment = re.search(rf"^{doc.name} = .*?  # (.*)", source(doc), re.MULTILINE)
        return comment[1] if comment else doc.docstring
    return doc.docstring if doc.obj.__doc__ else ""


def prose(doc):
    """Return its text as HTML: what is indented or tells shapes stays as it is aligned."""
    first, *others = html.escape(text(doc), quote=False).split("\n\n")
    first = re.sub(r"(?<=: )(\w+ = .*?)(?=\.?$)", r"<code>\1</code>", first)      # its formula
    blocks = [f"<p>{first}</p>"]
    for block in others:
        kept = block.startswith("  ") or "-&gt;" in block
        blocks.append(f"<pre>{block}</pre>" if kept else f"<p>{block}</p>")
    joined = "\n".join(blocks).replace("</pre>\n<pre>", "\n\n")
    joined = re.sub(r"\n(?=Raises|Returns|Source)", "<br>\n", joined)
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", joined)


def arguments(doc):
    """Return the arguments with which a class is called, where Python knows them."""
    try:
        return html.escape(str(inspect.signature(doc.obj)))
    except ValueError:
        return ""


def in_sections(members):
    """Return [(heading, names)]: the headings of edf.py are "# 1  The graph" and so on."""
    def heading(doc):
        start = rf"^(?:(?:def|class) {doc.name}\b|{doc.name} = )"
        above = re.split(start, source(doc), flags=re.M)[0]
        return ([""] + re.findall(r"^# (\d  .*)", above, re.M))[-1]

    return [(title, list(group)) for title, group in groupby(members, heading)]


def main(folder=ROOT / "build" / "docs"):
    names = [path.stem for path in sorted(ROOT.glob("*.py"))]
    names += ["edf_tools", *(f"edf_tools.{path.stem}" for path in sorted(
        ROOT.glob("edf_tools/[!_]*.py")))]
    pdoc.render.configure(include_undocumented=False)
    pdoc.render.env.loader = jinja2.ChoiceLoader(
        [jinja2.DictLoader(TEMPLATES), pdoc.render.env.loader])
    pdoc.render.env.filters |= {f.__name__: f for f in (text, prose, arguments, in_sections)}
    pdoc.pdoc(*names, output_directory=Path(folder))
    print(f"wrote {folder}/index.html")


if __name__ == "__main__":
    main(*sys.argv[1:])
