"""The illustrations of the notebooks: PICTURES is {name: a function that returns it as PNG}.

A source shows one with ![what it shows](picture:NAME); problem_set.py puts it into the notebook,
so that it stays with a copy.  (PNG, because JupyterLab shows no SVG that a cell carries.)
"""

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

BLUE, RED, GREY, PALE = "#1f77b4", "#d62728", "#777777", "#e8f0f8"


class Drawing:
    """A picture of so many pixels, to which shapes are added; y points down."""

    def __init__(self, width, height):
        self.figure = Figure((width / 100, height / 100), dpi=110, layout="none")
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.axis("off")

    def text(self, x, y, words, size=14, color="black", align="center"):
        self.axes.text(x, y, words, fontsize=0.72 * size, color=color, ha=align, va="baseline")

    def box(self, x, y, width, height, words="", fill=PALE, size=14):
        self.axes.add_patch(FancyBboxPatch((x + 5, y + 5), width - 10, height - 10, fc=fill,
                                           ec=GREY, boxstyle="round,pad=5"))
        self.text(x + width / 2, y + height / 2 + size / 3, words, size)

    def line(self, *points, color=GREY, dashed=False, width=1.5):
        self.axes.plot(*np.transpose(points), color=color, linewidth=0.72 * width,
                       linestyle="--" if dashed else "-")

    def arrow(self, start, end, color=GREY):
        """Draw a line with a head at its end."""
        start, end = np.array(start, float), np.array(end, float)
        along = (end - start) / np.linalg.norm(end - start)
        aside = np.array([-along[1], along[0]])
        self.line(start, end - 7 * along, color=color)
        head = [end, end - 9 * along + 4 * aside, end - 9 * along - 4 * aside]
        self.axes.add_patch(Polygon(head, fc=color))

    def circle(self, x, y, radius, fill=PALE):
        self.axes.add_patch(Circle((x, y), radius, fc=fill, ec=GREY, zorder=3))

    def matrix(self, x, y, rows, columns, cell=20, fill=PALE, marked=()):
        """Draw a matrix; marked entries, (row, column), are red."""
        for row, column in np.ndindex(rows, columns):
            self.axes.add_patch(Rectangle((x + column * cell, y + row * cell), cell, cell, ec=GREY,
                                          fc="#f4c2c2" if (row, column) in marked else fill))

    def png(self):
        file = BytesIO()
        self.figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()


def network():
    d = Drawing(640, 230)
    layers = (90, 5, "784 pixels"), (290, 4, "100 hidden units"), (470, 3, "10 scores")
    places = [[(x, 40 + (i + (5 - n) / 2) * 34) for i in range(n)] for x, n, _ in layers]
    for left, right in zip(places, places[1:]):
        for a in left:
            for b in right:
                d.line(a, b, color="#bbbbbb", width=0.8)
    for (x, _, words), nodes in zip(layers, places):
        for node in nodes:
            d.circle(*node, 11)
        d.text(x, 222, words)
    for x, words in (190, "W, b"), (380, "W, b"):
        d.text(x, 18, f"affine: {words}", 13, BLUE)
    d.text(290, 34, "max(x, 0)", 12, RED)
    d.arrow((490, 108), (540, 108))
    d.box(542, 90, 60, 36, "loss")
    d.arrow((572, 172), (572, 128))
    d.text(572, 190, "right class", 13)
    return d.png()


def loops():
    d = Drawing(640, 150)
    names = "x", "w", "x @ w", "tanh", "loss"
    for i, name in enumerate(names):
        d.box(90 + i * 100, 55, 80, 36, name)
    d.text(45, 78, "the list", 13, GREY)
    d.arrow((95, 38), (565, 38), BLUE)
    d.text(330, 26, "forward: each sets its value", 14, BLUE)
    d.arrow((565, 108), (95, 108), RED)
    d.text(330, 130, "backward: each adds to the grad of its inputs", 14, RED)
    return d.png()


def paths():
    d = Drawing(640, 170)
    d.box(40, 65, 70, 36, "x")
    d.box(250, 15, 110, 36, "y = g(x)")
    d.box(250, 115, 110, 36, "z = h(x)")
    d.box(480, 65, 120, 36, "loss = f(y, z)")
    for start, end, words, at in (
            ((110, 78), (248, 36), "g'(x)", (170, 42)),
            ((110, 90), (248, 132), "h'(x)", (170, 134)),
            ((360, 36), (478, 76), "slope in y", (440, 44)),
            ((360, 132), (478, 92), "slope in z", (440, 132))):
        d.arrow(start, end)
        d.text(*at, words, 13, BLUE)
    d.text(305, 89, "multiply along a path, add the paths", 13, RED)
    return d.png()


def secant():
    d = Drawing(640, 240)

    def at(x):
        return 70 + 170 * x, 210 - 14 * (x + 0.2) ** 3

    d.line(*[at(x) for x in np.linspace(0.1, 2.3, 60)], color="black", width=2)
    middle, low, high = (np.array(at(x)) for x in (1.3, 0.6, 2.0))
    slope = 3 * (1.3 + 0.2) ** 2 * -14 / 170
    d.line(middle + np.array([-105, -105 * slope]), middle + np.array([130, 130 * slope]),
           color=BLUE, width=2)
    d.line(low, high, color=RED, width=2, dashed=True)
    for point, name in (low, "x - h"), (middle, "x"), (high, "x + h"):
        d.line(point, (point[0], 215), color="#bbbbbb", dashed=True)
        d.circle(*point, 4, "black")
        d.text(point[0], 232, name)
    d.text(460, 60, "red: through two points", 13, RED, "left")
    d.text(460, 85, "blue: the slope at x", 13, BLUE, "left")
    return d.png()


def upstream():
    d = Drawing(640, 130)
    d.box(250, 25, 140, 80)
    d.text(320, 55, "y = f(x)", 16)
    d.text(320, 85, "dx(dy, x)", 16, RED)
    d.arrow((90, 50), (248, 50), BLUE)
    d.arrow((392, 50), (550, 50), BLUE)
    d.arrow((550, 82), (392, 82), RED)
    d.arrow((248, 82), (90, 82), RED)
    for x, words, color in ((170, "x", BLUE), (470, "y", BLUE)):
        d.text(x, 42, words, 15, color)
    d.text(470, 102, "dy, from upstream", 14, RED)
    d.text(170, 102, "dx, in the shape of x", 14, RED)
    return d.png()


def product():
    d = Drawing(640, 190)
    d.matrix(60, 40, 4, 3, marked=[(1, 0), (1, 1), (1, 2)])
    d.text(150, 85, "@", 20)
    d.matrix(180, 50, 3, 2)
    d.text(255, 85, "=", 20)
    d.matrix(290, 40, 4, 2, marked=[(1, 0), (1, 1)])
    for x, words in (90, "x (B, D)"), (200, "w (D, H)"), (310, "x @ w (B, H)"):
        d.text(x, 145, words)
    d.text(90, 25, "row i of x", 13, RED)
    d.text(310, 25, "row i of x @ w", 13, RED)
    d.text(390, 55, "Each gradient has the shape", 14, "black", "left")
    d.text(390, 77, "of what it belongs to:", 14, "black", "left")
    d.text(390, 103, "dx (B, D), from dy (B, H) and w", 14, BLUE, "left")
    d.text(390, 127, "dw (D, H), from dy (B, H) and x", 14, BLUE, "left")
    d.text(390, 151, "db (H,), from dy (B, H)", 14, BLUE, "left")
    d.text(200, 178, "row i of x matters to row i of x @ w alone", 13, GREY)
    return d.png()


def broadcast():
    d = Drawing(640, 180)
    d.matrix(60, 75, 1, 3, marked=[(0, 1)])
    d.text(90, 120, "b (3,)")
    d.arrow((135, 85), (225, 85), BLUE)
    d.text(180, 72, "copy", 13, BLUE)
    d.matrix(235, 45, 4, 3, marked=[(row, 1) for row in range(4)])
    d.text(265, 150, "in y (4, 3)")
    d.matrix(390, 45, 4, 3, marked=[(row, 1) for row in range(4)])
    d.text(420, 150, "dy (4, 3)")
    d.arrow((458, 85), (538, 85), RED)
    d.text(498, 72, "?", 18, RED)
    d.matrix(548, 75, 1, 3, marked=[(0, 1)])
    d.text(578, 120, "db (3,)")
    return d.png()


def surprise():
    d = Drawing(640, 210)
    scores = np.array([1.0, 2.5, 0.0, -1.0, 2.0])
    p = np.exp(scores) / np.exp(scores).sum()
    for left, heights, scale, words in ((30, scores, 24, "scores"), (250, p, 130, "probabilities")):
        for i, height in enumerate(heights):
            top = 150 - max(height, 0) * scale
            d.axes.add_patch(Rectangle((left + i * 30, top), 22, abs(height) * scale,
                                       fc=RED if i == 4 else BLUE))
            d.text(left + i * 30 + 11, 195, i, 12)
        d.line((left - 5, 150), (left + 150, 150))
        d.text(left + 72, 25, words)
    d.arrow((190, 100), (238, 100))
    d.text(214, 90, "softmax", 12)
    d.arrow((410, 100), (470, 100))
    d.text(440, 90, "-log", 13)
    d.box(474, 82, 150, 36, f"loss {-np.log(p[4]):.2f}")
    d.text(548, 140, f"{p[4]:.2f} for the right class, 4", 12, RED)
    return d.png()


def training():
    d = Drawing(640, 150)
    steps = "next batch", "forward", "backward", "step"
    notes = "into the Inputs", "values, loss", "gradients", "w moves"
    for i, (step, note) in enumerate(zip(steps, notes)):
        d.box(30 + i * 155, 40, 110, 36, step)
        d.text(85 + i * 155, 96, note, 12, GREY)
        if i < 3:
            d.arrow((140 + i * 155, 58), (183 + i * 155, 58))
    d.line((550, 40), (550, 18), (85, 18))
    d.arrow((85, 18), (85, 39))
    d.text(318, 135, "an epoch: once through all examples", 13, BLUE)
    return d.png()


def split():
    d = Drawing(640, 130)
    d.box(30, 40, 410, 40, "55,000 to learn from", "#cfe2f3")
    d.box(440, 40, 60, 40, "5,000", "#fde9c8")
    d.box(530, 40, 80, 40, "10,000", "#f4c2c2")
    d.text(235, 105, "gradients", 14, BLUE)
    d.text(470, 105, "choices", 14, "#b8860b")
    d.text(570, 105, "once", 14, RED)
    d.text(265, 26, "the training images of MNIST", 13, GREY)
    d.text(570, 26, "test images", 13, GREY)
    return d.png()


def diamond():
    d = Drawing(640, 170)
    d.box(30, 65, 60, 36, "x")
    d.box(130, 65, 80, 36, "h = $e^x$")
    d.box(270, 20, 90, 36, "log")
    d.box(400, 20, 90, 36, "tanh")
    d.box(530, 65, 80, 36, "loss")
    for start, end in (((90, 83), (128, 83)), ((210, 75), (268, 42)), ((360, 38), (398, 38)),
                       ((490, 42), (540, 64)), ((210, 92), (528, 92))):
        d.arrow(start, end)
    d.text(380, 115, "the short path", 13, BLUE)
    d.text(380, 12, "the long path", 13, BLUE)
    d.text(320, 155, "whose gradient may h pass on, and when?", 13, RED)
    return d.png()


def columns():
    d = Drawing(640, 200)
    d.matrix(60, 40, 5, 4, marked=[(row, 1) for row in range(5)])
    d.text(100, 165, "x (B, D)")
    d.text(100, 28, "one feature of all examples", 13, RED)
    d.arrow((150, 90), (235, 90))
    d.box(240, 72, 150, 36, "mean, deviation")
    d.arrow((390, 90), (465, 90))
    d.matrix(475, 40, 5, 4, marked=[(row, 1) for row in range(5)])
    d.text(515, 165, "z (B, D)")
    d.text(315, 135, "of this column", 13, GREY)
    d.text(315, 190, "each entry of a column of z depends on all of that column of x", 13, BLUE)
    return d.png()


def window():
    d = Drawing(640, 230)
    inside = [(row, column) for row in range(1, 4) for column in range(2, 5)]
    d.matrix(50, 30, 7, 7, marked=inside)
    d.text(120, 195, "an image, 7 x 7")
    d.text(235, 105, "$\\cdot$", 30)
    d.matrix(265, 70, 3, 3, fill="#cfe2f3")
    d.text(295, 155, "a kernel, 3 x 3")
    d.arrow((345, 100), (415, 100))
    d.text(380, 88, "add up", 13)
    d.matrix(430, 50, 5, 5, marked=[(1, 2)])
    d.text(480, 175, "5 x 5 sums")
    d.text(320, 220, "the same nine weights in every window; a pixel lies in up to nine", 13, BLUE)
    return d.png()


def signal():
    d = Drawing(640, 230)
    values, kernel = (1, 3, 0, 2, 5, 1, 4, 2), (2, 1, 3)
    sums = [sum(w * x for w, x in zip(kernel, values[u:])) for u in range(6)]
    d.matrix(120, 30, 1, 8, 44, marked=[(0, column) for column in (2, 3, 4)])
    d.matrix(208, 100, 1, 3, 44, fill="#cfe2f3")
    d.matrix(120, 170, 1, 6, 44, marked=[(0, 2)])
    for left, top, numbers in (120, 30, values), (208, 100, kernel), (120, 170, sums):
        for i, number in enumerate(numbers):
            d.text(left + 22 + 44 * i, top + 28, number, 16)
    for x, y, words in (105, 58, "x"), (193, 128, "w"), (105, 198, "y"):
        d.text(x, y, words, 15, align="right")
    for i in range(3):
        d.line((230 + 44 * i, 74), (230 + 44 * i, 100), dashed=True)
    d.arrow((274, 144), (235, 169), RED)
    d.text(490, 58, "$x_0$ to $x_7$", 14, GREY, "left")
    d.text(360, 128, "slides along", 13, BLUE, "left")
    d.text(400, 198, "$y_2 = 2 \\cdot 0 + 1 \\cdot 2 + 3 \\cdot 5$", 14, RED, "left")
    return d.png()


def shifted():
    d = Drawing(640, 150)
    for i, letter in enumerate("to be or"):
        for row, y in ((i, 30), (i - 1, 90)):
            if 0 <= row < 7:
                d.box(130 + row * 62, y, 54, 34, letter.replace(" ", "\N{OPEN BOX}"),
                      PALE if y == 30 else "#f4c2c2", 16)
    for i in range(7):
        d.arrow((157 + i * 62, 66), (157 + i * 62, 89))
    d.text(70, 53, "inputs", 14, BLUE)
    d.text(70, 113, "targets", 14, RED)
    d.text(345, 143, "from all letters so far, predict the next: seven examples at once", 13, GREY)
    return d.png()


def unrolled():
    d = Drawing(640, 200)
    for i in range(4):
        x = 90 + i * 140
        d.box(x, 80, 80, 36, f"$h_{i}$" if i else "$h_0 = 0$")
        if i:
            d.box(x, 145, 80, 36, f"$x_{i}$", "#cfe2f3")
            d.arrow((x + 40, 145), (x + 40, 118))
            d.text(x + 54, 137, "W", 13, BLUE)
            d.arrow((x - 60, 98), (x - 2, 98))
            d.text(x - 30, 91, "U", 13, RED)
            d.box(x, 15, 80, 36, "scores", "#fde9c8")
            d.arrow((x + 40, 80), (x + 40, 53))
    d.text(320, 197, "the same W, U and b at every step", 13, GREY)
    return d.png()


def attend():
    d = Drawing(640, 230)
    for i, (letter, weight) in enumerate(zip("that", (0.1, 0.6, 0.05, 0.25))):
        x = 40 + i * 110
        d.box(x, 185, 70, 34, letter, "#cfe2f3", 16)
        d.box(x, 125, 70, 34, f"$k_{i + 1}, v_{i + 1}$")
        d.arrow((x + 35, 185), (x + 35, 161))
        d.line((x + 35, 125), (205, 54), color=RED, width=12 * weight)
        d.text(x + 58, 117, f"{weight:g}", 13, RED)
    d.box(130, 18, 150, 36, "$y_4 = \\sum_j\\, p_{4j}\\, v_j$")
    d.box(470, 185, 70, 34, "$q_4$", "#fde9c8")
    d.arrow((440, 202), (468, 202))
    d.text(470, 80, "weights: how well $q_4$", 13, RED, "left")
    d.text(470, 98, "fits each key", 13, RED, "left")
    return d.png()


def causal():
    d = Drawing(640, 190)
    letters = "to be"
    d.matrix(200, 30, 5, 5, 28, marked=[(i, j) for i in range(5) for j in range(5) if j > i])
    for i, letter in enumerate(letters.replace(" ", "\N{OPEN BOX}")):
        d.text(186, 50 + i * 28, letter, 15)
        d.text(214 + i * 28, 22, letter, 15)
    d.text(120, 105, "letter i", 13, GREY)
    d.text(390, 75, "may be looked at", 14, BLUE, "left")
    d.text(390, 110, "comes later: weight 0", 14, RED, "left")
    d.text(270, 187, "letter j", 13, GREY)
    return d.png()


def heads():
    d = Drawing(640, 210)
    for part, fill in enumerate(("#cfe2f3", "#fde9c8")):
        d.matrix(40 + part * 40, 55, 4, 2, fill=fill)
        d.arrow((125, 95), (174, 55 + part * 100))
        d.matrix(180, 15 + part * 100, 4, 2, fill=fill)
        d.arrow((225, 55 + part * 100), (258, 55 + part * 100))
        d.box(260, 37 + part * 100, 100, 36, "attention")
        d.arrow((360, 55 + part * 100), (393, 55 + part * 100))
        d.matrix(398, 15 + part * 100, 4, 2, fill=fill)
        d.arrow((442, 55 + part * 100), (483, 95))
        d.matrix(488 + part * 40, 55, 4, 2, fill=fill)
    d.text(80, 155, "q, k, v (T, D)")
    d.text(528, 155, "(T, D)")
    d.arrow((572, 95), (598, 95))
    d.text(618, 100, "@ wo", 13)
    return d.png()


def block():
    d = Drawing(640, 160)
    d.line((20, 110), (615, 110), width=3)
    d.arrow((600, 110), (632, 110))
    for x, words in ((60, "attention"), (340, "perceptron")):
        d.line((x, 110), (x, 55))
        d.arrow((x, 55), (x + 18, 55))
        d.box(x + 20, 37, 70, 36, "norm")
        d.arrow((x + 90, 55), (x + 106, 55))
        d.box(x + 108, 37, 100, 36, words)
        d.line((x + 208, 55), (x + 232, 55))
        d.arrow((x + 232, 55), (x + 232, 98))
        d.circle(x + 232, 110, 11)
        d.axes.text(x + 232, 110, "+", fontsize=12, ha="center", va="center", zorder=4)
    d.text(320, 145, "the gradient goes straight back along the thick line", 13, RED)
    d.text(30, 130, "x", 14, BLUE)
    return d.png()


PICTURES = {picture.__name__: picture for picture in (
    network, loops, paths, secant, upstream, product, broadcast, surprise, training, split,
    diamond, columns, window, signal, shifted, unrolled, attend, causal, heads, block)}
