"""The moving picture of the README, walk.svg: what edf.walk shows of a small network.

    make pictures
"""

import html
import re
import textwrap
from pathlib import Path

import edf
from edf_tools import walk


def moving(loss, seconds=2.2, beside=370):
    """Return what edf.walk shows as an SVG that moves by itself, without a script.

    Who wants less motion sees its end.
    """
    steps = walk.record(loss)
    shared, frames, wide, high = walk.pictures(steps, loss)
    inner, whole = "", seconds * len(steps)
    for number, (step, frame) in enumerate(zip(steps, frames)):
        lines = [("bold", f"{number + 1}. {step.way}")]
        for weight, texts in ("normal", [step.sentence]), ("code", step.formulas), (
                "code", step.results):
            lines += [(weight, line) for text in texts for line in textwrap.wrap(text, 48)]
            lines += [(weight, "")] * bool(texts)
        words = "".join(f'<text class="{weight}" x="{wide:g}" y="{40 + 18 * i}">'
                        f"{html.escape(line)}</text>" for i, (weight, line) in enumerate(lines))
        inner += (f'<g class="frame" style="animation-delay:{seconds * number:g}s">'
                  f"{frame}{words}</g>\n")
    style = re.sub(r"light-dark\((.*?),.*?\)", r"\1", walk.THEME + walk.DRAWING)
    style += (f".frame{{opacity:0;animation:show {whole:g}s step-end infinite}}\n"
              f"@keyframes show{{0%{{opacity:1}}{100 / len(steps):g}%,to{{opacity:0}}}}\n"
              "@media(prefers-reduced-motion){.frame{animation:none}"
              ".frame:last-of-type{opacity:1}}\n"
              ".bold,.normal{font:14px system-ui,sans-serif;fill:var(--ink)}"
              ".bold{font-weight:bold}.code{font:12px monospace;fill:var(--ink);white-space:pre}")
    size = f'width="{wide + beside:g}" height="{high:g}"'
    source = (f'<svg xmlns="http://www.w3.org/2000/svg" class="edf-walk" {size} '
              f'viewBox="0 0 {wide + beside:g} {high:g}">\n<style>{style}</style>\n'
              f'<rect {size} fill="#fff"/>\n<defs>{shared}</defs>\n{inner}</svg>\n')
    return walk.named(source, "")


def gate():
    """Build a small network in which one value is used twice; return its loss."""
    edf.clear()
    x, target = edf.Input([[1.0, 2.0]], name="x"), edf.Input([[1.0]], name="target")
    w, b = edf.Param([[0.6], [-0.2]], name="w"), edf.Param([0.1], name="b")
    h = edf.Tanh(edf.Affine(x, w, b))
    return edf.SquaredError(h * edf.Sigmoid(h), target)


if __name__ == "__main__":
    Path(__file__).with_name("walk.svg").write_text(moving(gate()), encoding="utf-8")
