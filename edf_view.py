"""Looking at a graph: its picture, and a table of it.

    edf_view.draw(loss)                     # the last line of a notebook cell
    edf_view.draw(loss, values=True)        # with values and gradients
    print(edf_view.summary())               # in a script

Both show the graph as it is when they are called, and change nothing in it.
"""

import html
import itertools
import re
from collections import defaultdict

import numpy as np

import edf

STYLES = {      # told apart by their borders too: not everybody sees colours
    "input": "fill:#dbeafe;stroke:#1d4ed8;stroke-dasharray:5 3",
    "param": "fill:#fef3c7;stroke:#b45309;rx:12px",
    "function": "fill:#f3f4f6;stroke:#4b5563",
    "loss": "fill:#fee2e2;stroke:#b91c1c;stroke-width:3px",
}
LETTER, LINE = 7.3, 16      # width of a letter, height of a line of text
ACROSS, DOWN = 24, 44       # space between boxes, for the arrows


class View(str):
    """A text that a notebook shows as a picture, if there is one."""

    pictures = {}           # {MIME type: source}
    __repr__ = str.__str__

    def _repr_mimebundle_(self, include=None, exclude=None):
        """Return {MIME type: source}: a notebook takes the best it can show."""
        bundle = {"text/plain": str(self)} | self.pictures
        return {kind: source for kind, source in bundle.items()
                if kind in (include or bundle) and kind not in (exclude or ())}


def draw(loss=None, values=False):
    """Return a picture of the graph, or of what leads to the loss.

    Inputs have a dashed border, Params round corners, the loss a thick border.
    With values each box shows value and grad: up to six numbers in full, of
    more the smallest and the largest.  JupyterLab shows it as Mermaid, an
    exported page as SVG, a terminal as text.

    Raises TypeError if the graph is empty, or the loss is not in it.
    """
    boxes, text = {}, []
    for component in leading_to(loss):
        name, inputs, shape = describe(component)
        style = ("input" if isinstance(component, edf.Input) else
                 "param" if isinstance(component, edf.Param) else "function")
        if component is loss:
            name, style = f"loss: {name}", "loss"
        lines = [name] if component.value is None else [name, shape]
        for kind in ("value", "grad") if values else ():
            if getattr(component, kind) is not None:
                lines.append(f"{kind} {numbers(getattr(component, kind))}")
        boxes[component] = style, lines
        text.append("  ".join([*lines, f"<- {inputs}"] if inputs else lines))
    view = View("\n".join(text))
    view.pictures = {"image/svg+xml": svg(boxes)}
    if len(boxes) <= 60:        # of more, Mermaid's picture cannot be read
        view.pictures["text/vnd.mermaid"] = mermaid(boxes)
    return view


def summary():
    """Return a table of the graph in its order, with the shapes of the values.

    A parameter is one number in a Param.  Raises TypeError for an empty graph.
    """
    rows = [["component", "inputs", "shape", "parameters"]]
    for component in leading_to(None):
        is_param = isinstance(component, edf.Param)
        count = f"{component.value.size:10,}" if is_param else ""
        rows.append([*describe(component), count])
    total = sum(param.value.size for param in edf.params)
    return View(table([*rows, ["total", "", "", f"{total:10,}"]]))


def leading_to(loss):
    """Return the loss and all it depends on, in order; all if it is None."""
    if loss is None:
        if not edf.components:
            raise TypeError("the graph is empty: build components first")
        return edf.components
    edf.require_member(loss, "the loss")
    needed = {loss}
    for component in reversed(edf.components):
        if component in needed:
            needed.update(component.inputs)
    return [component for component in edf.components if component in needed]


# The texts.

def describe(component):
    """Return three texts: name with options, inputs, and shape of the value."""
    name, kind = str(edf.label(component)), type(component).__name__
    if not component.inputs and not name.startswith(f"{kind}["):
        name = f"{kind} {name}"                 # "Param w1", but "Affine[3]"
    options = ", ".join(f"{option} {getattr(component, option)}"
                        for option, node in component.arguments.items()
                        if not isinstance(node, edf.Component))
    inputs = ", ".join(str(edf.label(node)) for node in component.inputs)
    value = component.value
    shape = "not yet" if value is None else str(np.shape(value))
    return tidy(f"{name} {options}"), tidy(inputs), shape


def tidy(text, longest=60):
    """Return a text on one line, cut to at most so many letters."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    return text if len(text) <= longest else text[:longest - 1] + "…"


def numbers(array):
    """Return "[0.25 0.5]", or "-1.2 to 3.4" for more than six."""
    array = np.asarray(array)
    show = "{:.3g}".format if array.dtype.kind == "f" else str
    if array.size > 6:
        return f"{show(array.min())} to {show(array.max())}"
    text = np.array2string(array, threshold=7, formatter={"all": show})
    return " ".join(text.split())


def table(rows):
    """Return rows of texts as lines, with the columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


# The pictures, of boxes: {component: (style, lines of text)}.

def mermaid(boxes):
    """Return the source of a flowchart, which Mermaid lays out."""
    source = ['%%{init: {"flowchart": {"useMaxWidth": false, "wrappingWidth": 500, '
              '"nodeSpacing": 30, "rankSpacing": 100}}}%%', "flowchart TB"]
    for component, (style, lines) in boxes.items():
        # What Mermaid or Markdown could take for a mark is given as a number.
        text = re.sub(r"[^\w .,:()[\]\n]|_", lambda mark: f"#{ord(mark[0])};",
                      "\n".join(lines)).replace("\n", "<br/>")
        left, right = "()" if style == "param" else "[]"
        source.append(f'n{component.number}{left}"{text}"{right}:::{style}')
        source += (f"n{node.number} --> n{component.number}"
                   for node in component.inputs)
    for style, css in STYLES.items():
        source.append(f"classDef {style} {css.replace(';', ',')},color:#111")
    return "\n".join(source)


def svg(boxes):
    """Return the source of an SVG image.

    Each box stands in a cell of a grid, so that none overlap.  Arrows bend only
    between two rows, and pass a row in a lane that is free there.
    """
    rows, lanes, detours = arrange(list(boxes))
    height = 12 + LINE * max(len(lines) for style, lines in boxes.values())
    step = height + DOWN            # row i begins at y = i step, the last is -1
    wide, widest = {}, dict.fromkeys(detours.values(), 0)
    for component, (_, lines) in boxes.items():
        # In bytes, because letters beyond ASCII may be wider.
        longest = max(len(line.encode()) for line in lines)
        wide[component] = 20 + round(LETTER * longest)
        lane = lanes[component]
        widest[lane] = max(widest.get(lane, 0), wide[component])
    right, x = 0, {}                                # x: the middle of each lane
    for lane in sorted(widest):
        x[lane] = right + (ACROSS + widest[lane]) / 2
        right += ACROSS + widest[lane]

    def bend(start, end, row):
        """Go down to a row, from x = start to x = end in the space above it."""
        y = row * step
        half = y - DOWN / 2
        return f"V{y - DOWN}C{start} {half} {end} {half} {end} {y}"

    arrows, shapes = "", ""
    for component, (style, lines) in boxes.items():
        row, lane, width = rows[component], lanes[component], wide[component]
        ways = [(detours if rows[node] < row - 1 else lanes)[node]
                for node in component.inputs]       # the lanes they arrive in
        straight = sum(way < lane for way in ways) + (ways.count(lane) - 1) / 2
        apart = min(14, width / 2 / (len(ways) + 1))
        arriving = sorted(zip(ways, itertools.count(), component.inputs))
        for k, (way, _, node) in enumerate(arriving):
            start, end = x[lanes[node]], x[lane] + apart * (k - straight)
            arrows += f"M{start} {rows[node] * step + height}"
            if rows[node] < row - 1:
                arrows += bend(start, x[way], rows[node] + 1)
            arrows += bend(x[way], end, row) + "m-4 -8l4 8l4 -8"
        shapes += (f'<rect x="{x[lane] - width / 2}" y="{row * step}" '
                   f'width="{width}" height="{height}" style="{STYLES[style]}"/>\n')
        y = row * step + (height - LINE * len(lines)) / 2 - 4
        for line in map(html.escape, lines):
            y += LINE
            shapes += f'<text x="{x[lane]}" y="{y}">{line}</text>\n'
    high = -min(rows.values()) * step
    return ('<svg xmlns="http://www.w3.org/2000/svg" '
            f'width="{right}" height="{high}" '
            f'viewBox="0 {-high - DOWN / 2} {right} {high}">\n'
            f'<path d="{arrows}" fill="none" stroke="#888"/>\n'
            '<g text-anchor="middle" fill="#111" style="font:12px monospace">\n'
            f"{shapes}</g>\n</svg>")


def arrange(members):
    """Return {component: row}, {component: lane} and {component: detour}.

    It is in the row above its first user, and in the same lane if that is free.
    Its detour is the lane in which its arrows pass rows, to users further down.
    """
    users, rows, lanes, detours = defaultdict(list), {}, {}, {}
    taken = defaultdict(int)            # {lane: a bit for each row}

    def free_lane(near, cells, side=-1):
        """Take these rows of the nearest lane in which they are free."""
        choices = (near + k // 2 * side * (-1) ** k for k in itertools.count(1))
        nearest = next(lane for lane in choices if not taken[lane] & cells)
        taken[nearest] |= cells
        return nearest

    for node in reversed(members):
        rows[node] = min(map(rows.get, users[node]), default=0) - 1
        for source in node.inputs:
            users[source].append(node)
    # Functions first: the way from layer to layer is to be straight.
    functions = [node for node in reversed(members) if node.inputs]
    for node in [*functions, *(node for node in members if not node.inputs)]:
        user = min(users[node], key=rows.get, default=None)
        side = -1 if node.inputs else 1     # for most arguments to be in order
        lanes[node] = free_lane(lanes.get(user, 0), 1 << -rows[node], side)
    for node in reversed(members):      # of nested detours, the outer last
        last = max(map(rows.get, users[node]), default=0)
        passed = (1 << -rows[node]) - (2 << -last)
        if passed > 0:
            detours[node] = free_lane(lanes[node], passed)
    return rows, lanes, detours
