"""Watching a graph run: forward() and backward(loss), a component at a time.

    edf.walk(loss)                          # the last line of a notebook cell
    edf.walk(loss).save("walk.html")        # a page of its own
    print(edf.walk(loss))                   # in a terminal
"""

import ast
import html
import re
import warnings
import zlib
from collections import namedtuple
from itertools import groupby

import numpy as np

import edf
from edf_tools import view
from edf_tools.check import traceless
from edf_tools.formulas import Formulas
from edf_tools.listing import own

MOST = 40               # components that can be looked at one by one
FEW = 6                 # numbers that are written out
MAP = 32, 64            # rows and columns of the largest heat map
TALL = 420              # pixels of a picture: a higher one is drawn smaller, then scrolled
SMALL = 0.75            # how small at most
LETTER, LINE, LABEL = 6.7, 14, 34       # of numbers in a box, and the word before them
DOWN = 30               # space between two rows of boxes

# What happens in a step: a sentence, lines of formulas, lines of results; the component at work,
# which of its inputs it reads or reaches, {(component, "value" or "grad"): array or text} for
# what the boxes show then, and those keys of it that are new.
Step = namedtuple("Step", "way sentence formulas results at inputs shown new")


def walk(loss):
    """Return forward() and backward(loss) as pictures, one for each component at work.

    A notebook shows them with buttons: step, back, play, a slider; the keys are the arrows,
    Home, End and space.  Where no script runs, the pictures stand below each other; a terminal
    shows text.  A value or gradient is shown as numbers if it has at most six, as a heat map up
    to 32 rows of 64, and as its shape beyond.  The formulas are those of the source, on the way
    that they take now.  Where two paths meet, the sum of the gradients is shown: 0.41 + 0.33.

    The graph is then as it was: values, gradients, statistics, edf.rng.  Raises ValueError for
    more than 40 components, TypeError if the loss is computed from none, and what forward() and
    backward(loss) raise.
    """
    steps = record(loss)
    lines = []
    for number, step in enumerate(steps, 1):
        lines.append(f"{number:2}  {step.way:8}  {step.sentence}")
        lines += [14 * " " + line for line in step.formulas + step.results]
    shown = view.View("\n".join(lines))
    shown.pictures = {"text/html": page(steps, loss)}
    return shown


# What happens.

@traceless
@np.errstate(under="ignore")
def record(loss):
    """Return the steps of one forward() and backward(loss)."""
    edf.require_member(loss, "the loss")
    members = edf.ancestors(loss)
    if len(members) > MOST:
        raise ValueError(f"{len(members)} components lead to {edf.label(loss)}: too many to look "
                         f"at one by one, so take a network of at most {MOST}, or edf.draw(loss)")
    if not loss.inputs:
        raise TypeError(f"{loss} is computed from nothing: there is nothing to walk through")
    edf.forward()
    values, passed = {node: node.value.copy() for node in members}, [(None, [])]
    for node in members:
        watch(node, passed)
    edf.backward(loss)
    for node in members:
        del node.add_grad, node.backward
    formulas = {node: Written(node, values[node]) for node in members if node.inputs}

    leaves = [node for node in members if not node.inputs]
    shown = {(node, "value"): values[node] for node in leaves}
    steps = [Step("start", f"What is given: the {'values' if leaves[1:] else 'value'} of "
                  f"{names(*leaves)}.", [], [gives(node, values[node]) for node in leaves],
                  None, [], shown, {})]
    for node, written in formulas.items():
        new = {(node, "value"): values[node]}
        shown = shown | new
        steps.append(Step("forward", f"{names(node)} computes its value from "
                          f"{names(*node.inputs)}.", written.forward(), [gives(node, values[node])],
                          node, range(len(node.inputs)), shown, new))
    for node, shares in passed:
        new, results, first, met = {}, [], [], []
        for x, before, share, after in shares:
            text = "" if before is None else f"{view.numbers(before)} + {view.numbers(share)}"
            new[x, "grad"] = re.sub(r"[][]", "", text) if text and after.size == 1 else after
            shown = shown | {(x, "grad"): after}
            results.append(gives(x, after, ".grad", f"{text} = " * bool(text)))
            (met if text else first).append(x)
        if node is None:
            sentence, lines, reached = begins(loss), [f"dy = 1 / {loss.value.size}"], []
        else:
            sentence, lines = passes(node, first, met), formulas[node].backward(shares)
            reached = [k for k, x in enumerate(node.inputs) if x in first + met]
        steps.append(Step("backward", sentence, lines, results, loss if node is None else node,
                          reached, shown | new, new))
    return steps


def watch(node, passed):
    """Let a component note what is added to its gradient: (itself, before, share, after)."""
    add_grad, backward = node.add_grad, node.backward

    def adding(grad):
        before = node._grad
        add_grad(grad)
        if node._grad is not None:
            passed[-1][1].append((node, before, np.array(grad, edf.dtype), node._grad.copy()))

    def running():
        passed.append((node, []))
        backward()

    node.add_grad, node.backward = adding, running


def begins(loss):
    """Return the sentence on the first gradient, that of the loss."""
    size = loss.value.size
    return ("The gradient of the loss with respect to itself is 1." if size == 1 else
            f"The mean of {size} numbers is differentiated: each counts 1/{size}.")


def passes(node, first, met):
    """Return the sentence on a component that passes gradients to others."""
    twice, others = [x for x in met if x in first], [x for x in met if x not in first]
    said = [f"passes a gradient to {names(*first)}"] if first else []
    said += [f"a second one to {names(*twice)}, where both are added"] if twice else []
    said += [f"adds its share to the gradient of {names(*others)}, where paths meet"
             ] if others else []
    return f"{names(node)} {' and '.join(said)}."


def names(*components):
    """Return "x, w and b", each once."""
    *others, last = dict.fromkeys(view.tidy(str(edf.label(node))) for node in components)
    return f"{', '.join(others)} and {last}" if others else last


def gives(node, array, what="", how=""):
    """Return a line of results."""
    return f"{names(node)}{what} = {how}{view.numbers(array)}"


class Written(Formulas):
    """Writes the formulas of one component, in the letters of its source."""

    def __init__(self, component, value):
        super().__init__()
        self.component = component
        self.values, self.grads = {component: "y"}, {component: "dy"}
        self.space |= {"y": value, "dy": component._grad}
        self.space |= {name: x.value for name, x in component.arguments.items() if x is not None}
        self.taken |= self.space.keys()

    def forward(self):
        """Return the lines of f."""
        if own(self.component, edf.Component, "forward", "values"):
            return [f"{type(self.component).__name__}.forward(), a method of its own"]
        return self.write("f", "y", self.space["y"].shape)

    def backward(self, shares):
        """Return the lines of the d-methods that gave these shares."""
        if own(self.component, edf.Component, "backward", "values"):
            return [f"{type(self.component).__name__}.backward(), a method of its own"]
        learned = ["d" + name for name, x in self.component.arguments.items()
                   if x is not None and x.needs_grad]
        return [line for name, (_, _, share, _) in zip(learned, shares)
                for line in self.write(name, name, share.shape, "dy")]

    def write(self, method, result, shape, *args):
        """Return the lines of a method, the last with the shape of its result."""
        self.lines, given = [], self.component.arguments
        self.begin(self.component, method)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                text = self.method([*args, *(
                    self.attribute(self.component, name) if x is None else name
                    for name, x in given.items())])
            self.lines.append(ast.unparse(ast.parse(f"{result} = {text}")))
        except Exception:       # it cannot be written out; the numbers do not come from here
            self.lines = [f"{result} = {method}({', '.join([*args, *given])})"]
        lines = "\n".join(self.lines).replace(f"components[{self.component.number}].", "self.")
        for (_, name), variable in self.kept.items():
            lines = re.sub(rf"\b{variable}\b", f"self.{name}", lines)
        lines = re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4g}", lines)
        return f"{lines}    # {shape}".splitlines()


# The pictures.

def pictures(steps, loss):
    """Return what all pictures share, the picture of each step, their width and height.

    They are pieces of SVG, for one document; each id begins with "ID-".
    """
    graph, blocks, room = {node: node.inputs for node in edf.ancestors(loss)}, {}, {}
    for step in steps:
        for (node, kind), content in step.shown.items():
            if (node, kind, id(content)) not in blocks:
                wide, tall, source = block(content)
                blocks[node, kind, id(content)] = len(blocks), wide, tall, source
                widest, tallest = room.get((node, kind), (0, 0))
                room[node, kind] = max(widest, wide), max(tallest, tall)
    fits = {node: fit(title_of(node, loss), room[node, "value"], room.get((node, "grad")),
                      steps[-1].shown[node, "value"].size > FEW) for node in graph}
    places, arrows, right, high = view.place(graph, {x: fits[x][0] for x in graph}, DOWN)
    corners = {(node, kind): (places[node][0] + x, places[node][1] + y)
               for node in graph for kind, (x, y) in fits[node][1].items()}

    paths = "".join(map("".join, arrows.values()))
    shared = f'<g id="ID-all"><path class="edf-arrow" d="{paths}"/>'
    for node, (left, top, width, _) in places.items():
        style = "loss" if node is loss else view.style_of(node)
        shared += (f'<rect class="edf-{style}" {box(*places[node])}/>'
                   f'<text class="edf-name" x="{left + width / 2:g}" y="{top + 14:g}">'
                   f"{html.escape(title_of(node, loss))}</text>")
    shared += "</g>"
    for (node, kind, _), (number, *_, source) in blocks.items():
        x, y = corners[node, kind]
        shared += (f'<g id="ID-{number}" transform="translate({x:g} {y:g})">'
                   f'<text class="edf-kind" y="10">{kind}</text>{source}</g>')

    frames = []
    for step in steps:
        frame = '<use href="#ID-all"/>'
        if step.at is not None:
            paths = [arrows[step.at][k] for k in step.inputs]
            if step.way == "backward":      # the heads point up, those that point down go
                frame += f'<path class="edf-gone" d="{"".join(paths)}"/>'
                paths = [re.sub(r"^(M\S+ [^VC]+)(.*)", r"\1\2\1m-4 8l4 -8l4 8", path.removesuffix(
                    view.HEAD)) for path in paths]
            frame += (f'<path class="edf-{step.way}" d="{"".join(paths)}"/>'
                      f'<rect class="edf-{step.way}" {box(*places[step.at])}/>')
        for (node, kind), content in step.shown.items():
            number, wide, tall, _ = blocks[node, kind, id(content)]
            if (node, kind) in step.new:
                x, y = corners[node, kind]
                frame += f'<rect class="edf-new" {box(x - 3, y - 2, wide + 6, tall + 3)}/>'
            frame += f'<use href="#ID-{number}"/>'
        frames.append(f'<g class="edf-{step.way}-step">{frame}</g>')
    return shared, frames, right, high


def fit(title, value, grad, beside):
    """Return (width, height) of a box with a title and all it shows, and where in it this is."""
    wide, tall = value
    corner = wide + 12, 0
    if grad and beside:
        wide, tall = wide + 12 + grad[0], max(tall, grad[1])
    elif grad:
        corner = 0, tall + 3
        wide, tall = max(wide, grad[0]), tall + 3 + grad[1]
    width = 16 + 2 * round(max(wide, view.LETTER * len(title.encode())) / 2)
    left = (width - wide) / 2
    return (width, 26 + tall), {"value": (left, 20), "grad": (left + corner[0], 20 + corner[1])}


def title_of(node, loss):
    """Return what stands on top of its box."""
    return view.tidy("loss: " * (node is loss) + names(node), 30)


def box(left, top, width, height):
    """Return the place of a rectangle."""
    return f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"'


def block(content):
    """Return width, height and source of a text, or an array: numbers, a heat map, its shape."""
    if isinstance(content, str):
        lines = [content]
    elif content.size <= FEW:
        show = "{:.3g}" if content.size == 1 else "{:.2g}"
        table = [[(show if content.dtype.kind == "f" else "{}").format(x) for x in row]
                 for row in as_rows(content)]
        widest = [max(map(len, column)) for column in zip(*table)]
        lines = [" ".join(map(str.rjust, row, widest)) for row in table]
    elif all(map(int.__le__, as_rows(content).shape, MAP)):
        return heat_map(as_rows(content))
    else:
        lines = [str(content.shape)]
    texts = (f'<text class="edf-numbers" x="{LABEL}" y="{10 + LINE * i}">{line}</text>'
             for i, line in enumerate(lines))
    return LABEL + LETTER * max(map(len, lines)), LINE * len(lines), "".join(texts)


def as_rows(array):
    """Return an array of any number of axes as a matrix."""
    return array.reshape(-1, array.shape[-1] if array.ndim else 1)


def heat_map(matrix):
    """Return width, height and source of a picture of a matrix, in four strengths each way."""
    size = min(10, 100 / matrix.shape[1], 60 / matrix.shape[0])     # of a cell
    most = abs(matrix[np.isfinite(matrix)]).max(initial=0) or 1
    levels = np.nan_to_num(np.rint(4 * (matrix / most)), posinf=4, neginf=-4).astype(int)
    paths = {level: "" for level in range(-4, 5) if level}
    for y, row in enumerate(levels):
        x = 0
        for level, cells in groupby(row):
            n = len([*cells])
            if level:
                paths[level] += f"M{x} {y}.5h{n}"
            x += n
    source = "".join(f'<path class="edf-{"positive" if level > 0 else "negative"}" '
                     f'stroke-opacity="{abs(level) / 4}" d="{path}"/>'
                     for level, path in paths.items() if path)
    high, wide = matrix.shape
    return LABEL + wide * size, high * size, (
        f'<g transform="translate({LABEL}) scale({size:g})">'
        f'<rect class="edf-map" width="{wide}" height="{high}"/>{source}</g>')


# The page.

THEME = """
.edf-walk{color-scheme:light dark;--ink:light-dark(#111,#e8e8e8);--paper:light-dark(#fff,#1c1e22);
--grey:light-dark(#8a8f98,#8b93a0);--forward:light-dark(#1d4ed8,#8ab4ff);
--backward:light-dark(#c2410c,#ffa45c)}
body[data-jp-theme-light=true] .edf-walk{color-scheme:light}
body[data-jp-theme-light=false] .edf-walk,body.vscode-dark .edf-walk{color-scheme:dark}
"""
LAYOUT = """
.edf-walk{color:var(--ink);background:var(--paper);font:14px/1.4 system-ui,sans-serif;
padding:6px 10px;max-width:1000px}
.edf-walk:focus-visible{outline:2px solid var(--forward);outline-offset:-2px}
.edf-controls{display:flex;gap:6px;align-items:center;padding-bottom:6px}
.edf-controls[hidden]{display:none}
.edf-controls button{font:inherit;min-width:4em;cursor:pointer}
.edf-controls input{flex:1;min-width:4em}
.edf-walk figure{margin:0;padding:6px 0;display:flex;flex-wrap:wrap;gap:6px 18px;
align-items:flex-start;align-content:flex-start;border-top:1px solid var(--grey)}
.edf-graph{overflow:auto;flex:9 1 var(--fair);max-width:var(--full)}
.edf-graph svg{display:block;width:100%;min-width:var(--least)}
.edf-walk figcaption{flex:1 1 220px;min-width:0}
.edf-walk p{margin:2px 0 6px}
.edf-walk figcaption div{margin-bottom:6px}
.edf-walk figcaption pre{margin:0;padding:0 0 0 2ch!important;text-indent:-2ch;white-space:pre-wrap;
overflow-wrap:anywhere;font:12px/1.4 monospace;color:inherit;background:none}
.edf-walk .edf-say{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.edf-live .edf-frames{display:grid}
.edf-live figure{grid-area:1/1;visibility:hidden;border:0;min-width:0}
.edf-live figure.edf-now{visibility:visible}
.edf-live .edf-graph,.edf-live figcaption{max-height:var(--tall);overflow:auto}
"""
DRAWING = """
.edf-arrow,.edf-forward,.edf-backward{fill:none;stroke:var(--grey)}
.edf-gone{fill:none;stroke:var(--paper);stroke-width:3}
.edf-forward{stroke:var(--forward);stroke-width:3}
.edf-backward{stroke:var(--backward);stroke-width:3}
.edf-new{fill:var(--forward);opacity:.2}
.edf-backward-step .edf-new{fill:var(--backward)}
.edf-name,.edf-kind,.edf-numbers{font:12px monospace;fill:var(--ink);white-space:pre}
.edf-name{text-anchor:middle}.edf-kind{font-size:9px}.edf-numbers{font-size:11px}
.edf-map{fill:var(--paper);stroke:var(--grey);stroke-width:.1}
.edf-positive{stroke:light-dark(#c2410c,#ffa45c)}.edf-negative{stroke:light-dark(#1d4ed8,#8ab4ff)}
.edf-input{fill:light-dark(#dbeafe,#1a2c50);stroke:light-dark(#1d4ed8,#7aa2f7);stroke-dasharray:5 3}
.edf-param{fill:light-dark(#fef3c7,#3f310f);stroke:light-dark(#b45309,#d9a441);rx:12px}
.edf-function{fill:light-dark(#f3f4f6,#2d3138);stroke:light-dark(#4b5563,#9aa4b2)}
.edf-loss{fill:light-dark(#fee2e2,#4a1d1d);stroke:light-dark(#b91c1c,#f28b82);stroke-width:3px}
"""
# Some notebooks run a script elsewhere in the page than it stands.
# Keys are taken on their way down to the walk: coming up, JupyterLab would have taken them first.
SCRIPT = """{
const walk=document.currentScript.closest(".edf-walk")||
document.querySelector(".edf-walk:not(.edf-live)"),$=s=>walk.querySelector(s);
const frames=walk.querySelectorAll("figure"),[back,play,step]=walk.querySelectorAll("button");
const slider=$("input"),last=frames.length-1;let now,timer;
const show=n=>{now=Math.max(0,Math.min(last,n));
frames.forEach((f,k)=>f.classList.toggle("edf-now",k==now));
slider.value=now;$("output").textContent=`${now+1} / ${last+1}`;
slider.ariaValueText=$(".edf-say").textContent=$(".edf-now p").textContent;
const at=$(".edf-now rect"),graph=$(".edf-now .edf-graph");
if(at){const a=at.getBoundingClientRect(),g=graph.getBoundingClientRect();
graph.scrollBy(a.x+a.width/2-g.x-g.width/2,a.y+a.height/2-g.y-g.height/2)}};
const stop=()=>{clearInterval(timer);timer=0;play.textContent="play"};
const go=n=>{stop();show(n)};
const run=()=>{if(timer)return stop();if(now==last)show(0);play.textContent="pause";
timer=setInterval(()=>{show(now+1);if(now==last)stop()},1600)};
back.onclick=()=>go(now-1);step.onclick=()=>go(now+1);play.onclick=run;
slider.oninput=()=>go(+slider.value);
const key=e=>{if(!walk.contains(e.target)||e.ctrlKey||e.altKey||e.metaKey)return;
const n={ArrowLeft:now-1,ArrowRight:now+1,Home:0,End:last}[e.key];
if(n!=null)go(n);else if(e.key==" "&&e.target.tagName!="BUTTON")run();else return;
e.preventDefault();e.stopPropagation()};
walk.addEventListener("focusin",()=>addEventListener("keydown",key,true));
walk.addEventListener("focusout",()=>removeEventListener("keydown",key,true));
walk.classList.add("edf-live");$(".edf-controls").hidden=false;show(0)}"""


def page(steps, loss):
    """Return a piece of HTML that works in any page, and asks for nothing from outside."""
    shared, frames, wide, high = pictures(steps, loss)
    full = wide * min(1, max(SMALL, TALL / high))
    room = (f"--fair:{0.8 * wide:.0f}px;--full:{full:.0f}px;--least:{SMALL * wide:.0f}px;"
            f"--tall:{TALL}px")
    figures = ""
    for number, (step, frame) in enumerate(zip(steps, frames), 1):
        lines = ["".join(f"<pre>{html.escape(line)}</pre>" for line in part)
                 for part in (step.formulas, step.results)]
        figures += (
            f'<figure><div class="edf-graph"><svg viewBox="0 0 {wide:g} {high:g}" '
            f'aria-hidden="true">{frame}</svg></div><figcaption><p><b>{number}. {step.way}</b> '
            f"{html.escape(step.sentence)}</p><div>{lines[0]}</div><div>{lines[1]}</div>"
            "</figcaption></figure>\n")
    legend = ("<p>Heat maps: orange is positive, blue negative; the stronger, the larger.</p>"
              if "edf-map" in shared else "")
    # Where a notebook is not trusted, scripts, styles and all tags of SVG are taken out, and an
    # attribute without a value: what is hidden must not come to light.
    source = (
        '<div class="edf-walk mathjax_ignore tex2jax_ignore" tabindex="0" role="group" '
        f'style="{room}" aria-label="forward and backward of '
        f'{html.escape(names(loss))}; arrow keys step, space plays">'
        f"<style>{THEME}{LAYOUT}{DRAWING}</style>\n"
        '<div class="edf-controls" hidden="hidden"><button type="button">back</button>'
        '<button type="button">play</button><button type="button">step</button>'
        f'<input type="range" min="0" max="{len(steps) - 1}" value="0" aria-label="step">'
        "<output></output></div>\n"
        f'<div class="edf-frames">{figures}</div>{legend}\n'
        '<p class="edf-say" aria-live="polite"></p>\n'
        f'<div hidden="hidden"><svg><defs>{shared}</defs></svg></div>\n'
        f"<script>{SCRIPT}</script></div>")
    return named(source, f"edf{zlib.crc32(source.encode()):x}-")


def named(source, prefix):
    """Return the source with ids that begin so: equal pages may share them, others may not."""
    return re.sub(r'(id="|href="#)ID-', rf"\1{prefix}", source)    # a name has no " left in it
