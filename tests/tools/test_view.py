"""Pictures and tables of a graph: what they show, and that it can be read."""

import re
import warnings
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edf
import edf_tools.view
from edf import Affine, Input, Param, Sigmoid, SoftmaxCrossEntropy, Tanh

SVG, TEXT = "image/svg+xml", "text/plain"
AWKWARD = 'a<b & "c" [d] {e} #35; `f` *g* _h_ |i| <br/>\n1. é 权 \x00\ud800'


def problem_1():
    x = Param(0.5, name="x")
    return edf.Exp(Sigmoid(x) * Tanh(x))


def residual(blocks=2):
    x = h = Input(np.ones((2, 3)), name="x")
    for _ in range(blocks):
        a = Affine(h, Param(np.eye(3)), Param(np.ones(3)))
        h = Affine(edf.ReLU(a), Param(np.eye(3)), Param(np.ones(3))) + h
    return edf.SquaredError(h, x)


def pictures(*args, **options):
    return edf.draw(*args, **options)._repr_mimebundle_()


# The image.

def number(element, name):
    return float(element.get(name))


class Image:
    """What an SVG source shows: boxes (left, top, right, bottom), labels, paths."""

    def __init__(self, source):
        root = ET.fromstring(source)
        tag = "{http://www.w3.org/2000/svg}"
        left, top, width, height = map(float, root.get("viewBox").split())
        self.frame = left, top, left + width, top + height
        self.size = number(root, "width"), number(root, "height")
        self.boxes, self.lines, self.styles = [], [], []
        for element in root.iter():
            if element.tag == tag + "rect":
                x, y = number(element, "x"), number(element, "y")
                self.boxes.append((x, y, x + number(element, "width"),
                                   y + number(element, "height")))
                self.styles.append(element.get("style"))
                self.lines.append([])
            elif element.tag == tag + "text":
                middle, baseline = number(element, "x"), number(element, "y")
                self.lines[-1].append((middle, baseline, element.text))
        self.paths = next(root.iter(tag + "path")).get("d")

    def labels(self):
        return ["\n".join(text for x, y, text in lines) for lines in self.lines]

    def arrows(self):
        """Return each arrow as the list of its points: steps along its curves."""
        arrows = []
        for path in self.paths.split("M")[1:]:
            path = re.fullmatch(r"(.*)m-4 -8l4 8l4 -8", path)[1]
            x, y = map(float, re.match(r"\S+ [^VC]+", path)[0].split())
            points = [(x, y)]
            for command, numbers in re.findall(r"([VC])([^VC]+)", path):
                numbers = [float(n) for n in numbers.split()]
                if command == "V":
                    numbers = [x, y, x, numbers[0], x, numbers[0]]
                a, b, c = np.reshape(numbers, (3, 2))
                for t in np.linspace(0, 1, 30)[1:]:
                    point = ((1 - t) ** 3 * np.array([x, y]) + 3 * (1 - t) ** 2 * t * a
                             + 3 * (1 - t) * t ** 2 * b + t ** 3 * c)
                    points.append(tuple(point.round(6)))
                x, y = c
            arrows.append(points)
        return arrows


def columns(text):
    """Return at least how many columns of a terminal a text takes."""
    return sum(1 if c < "\u1100" else 2 for c in text)


def check(source, components):
    """Check that an image is legible; returns it."""
    image = Image(source)
    assert len(image.boxes) == len(components)
    left, top, right, bottom = image.frame
    assert image.size == (right - left, bottom - top)
    for a, b, c, d in image.boxes:
        assert left < a < c < right and top < b < d < bottom
    for i, one in enumerate(image.boxes):
        for two in image.boxes[:i]:
            apart = 20
            assert (one[2] + apart <= two[0] or two[2] + apart <= one[0]
                    or one[3] + apart <= two[1] or two[3] + apart <= one[1])
    for box, lines in zip(image.boxes, image.lines):
        assert lines
        for middle, baseline, text in lines:
            half = columns(text) * 12 * 0.61 / 2        # 12px; DejaVu has 0.602
            assert box[0] + 8 < middle - half and middle + half < box[2] - 8
            assert box[1] + 3 < baseline - 10 and baseline + 3 < box[3]
        for (_, one, _), (_, two, _) in zip(lines, lines[1:]):
            assert two - one >= 14
    check_arrows(image, components)
    return image


def check_arrows(image, components):
    """Check that every use has its own arrow, which runs through no box."""
    place = dict(zip(components, image.boxes))
    uses = [(node, user) for user in components for node in user.inputs]
    arrows = image.arrows()
    assert len(arrows) == len(uses)
    boxes = np.array(image.boxes)
    ends = []
    found = Counter()
    for points in arrows:
        (x0, y0), (x1, y1) = points[0], points[-1]
        start = [c for c, (a, b, c_, d) in place.items() if a < x0 < c_ and y0 == d]
        end = [c for c, (a, b, c_, d) in place.items() if a < x1 < c_ and y1 == b]
        assert len(start) == len(end) == 1
        found[start[0], end[0]] += 1
        ends.append((x1, y1))
        x, y = np.array(points).T[:, :, None]
        assert (image.frame[0] <= x).all() and (x <= image.frame[2]).all()
        inside = ((x > boxes[:, 0]) & (x < boxes[:, 2])
                  & (y > boxes[:, 1] + 0.01) & (y < boxes[:, 3] - 0.01))
        assert not inside.any()
    assert found == Counter(uses)
    assert len(set(ends)) == len(ends)                  # no two tips in one point


def test_the_image_of_problem_1():
    loss = problem_1()
    image = check(pictures(loss)[SVG], edf.components)
    assert image.labels() == ["Param x\n()", "Sigmoid[1]", "Tanh[2]", "Mul[3]", "loss: Exp[4]"]
    x, y, z, product, result = image.boxes
    assert y[1] == z[1] and y[2] < z[0]                 # side by side, in their order
    assert x[1] < y[1] < product[1] < result[1]


def test_functions_that_follow_one_another_stand_in_a_straight_column():
    loss = residual()
    image = check(pictures(loss)[SVG], edf.components)
    functions = [box for box, component in zip(image.boxes, edf.components) if component.inputs]
    middles = {(box[0] + box[2]) / 2 for box in functions}
    assert len(middles) == 1
    for above, below in zip(functions, functions[1:]):
        assert 30 < below[1] - above[3] < 60
    vertical = [points for points in image.arrows() if {x for x, y in points} == middles]
    assert len(vertical) == len(functions)              # the Input is in that column too


def test_arrows_arrive_in_the_order_in_which_they_start():
    x = Input(name="x")
    Affine(x, Param(np.eye(2)), Param(np.ones(2)))
    image = check(pictures()[SVG], edf.components)
    assert len(image.arrows()) == 3
    assert len({points[0][0] < points[-1][0] for points in image.arrows()}) == 2
    arrows = sorted((points[0][0], points[-1][0]) for points in image.arrows())
    assert arrows == sorted(arrows, key=lambda ends: ends[1])


def test_a_square_has_two_arrows():
    x = Param(3.0)
    x * x
    image = check(pictures()[SVG], edf.components)
    middle = (image.boxes[1][0] + image.boxes[1][2]) / 2
    one, two = sorted(points[-1][0] for points in image.arrows())
    assert one < middle < two and one + two == 2 * middle
    assert edf.draw() == "Param Mul[1].a  ()\nMul[1]  <- Mul[1].a, Mul[1].a"


def test_of_nested_detours_the_outermost_is_farther_out_than_the_innermost():
    a = Input(name="a")
    b = Tanh(a)
    c = Tanh(b)
    Tanh(Tanh(Tanh(Tanh(c)) + c) + b) + a
    image = check(pictures()[SVG], edf.components)
    middle = (image.boxes[0][0] + image.boxes[0][2]) / 2
    reach = Counter()
    for points in image.arrows():
        height = points[0][1]
        reach[height] = max(reach[height], *(abs(x - middle) for x, y in points))
    outermost, innermost = (reach[image.boxes[i][3]] for i in (0, 2))
    assert outermost > innermost > 20


@pytest.mark.parametrize("wrap", [lambda node: node, Tanh])
def test_the_arguments_of_a_difference_stand_in_their_order(wrap):
    a, b = wrap(Input()), wrap(Input())
    boxes = check(pictures(a - b)[SVG], edf.components).boxes
    assert boxes[a.number][2] < boxes[b.number][0]


def test_a_component_stands_right_above_its_first_user():
    x = Input(name="x")
    h = edf.Exp(x)
    side = Tanh(x)
    side * edf.Exp(h)
    image = check(pictures()[SVG], edf.components)
    assert sum(image.boxes[0][::2]) == sum(image.boxes[1][::2]) != sum(image.boxes[2][::2])


def test_what_only_a_late_step_uses_stands_there_and_not_at_the_top():
    h, w, u = Input(name="h"), Param(np.eye(2)), Param(np.eye(2))
    for step in range(3):
        x = Input(name=f"x{step}")
        h = Tanh(x @ w + h @ u)
    image = check(pictures(h)[SVG], edf.components)
    place = dict(zip(edf.components, image.boxes))
    rows = sorted({box[1] for box in image.boxes})
    for component in place:
        users = [user for user in place if component in user.inputs]
        below = min((rows.index(place[user][1]) for user in users), default=len(rows))
        assert rows.index(place[component][1]) == below - 1


@st.composite
def graphs(draw):
    """Build a random graph; returns one of its components."""
    edf.clear()
    for _ in range(draw(st.integers(1, 4))):
        (Input if draw(st.booleans()) else Param)(1.0, name=draw(st.text(max_size=80)))
    for _ in range(draw(st.integers(0, 25))):
        node = st.sampled_from(edf.components)
        kind = draw(st.integers(0, 5))
        if kind == 0:
            Param(np.ones(draw(st.integers(1, 9))))
        elif kind == 1:
            edf.LeakyReLU(draw(node), slope=draw(st.floats()))
        elif kind == 2:
            edf.Concat(*draw(st.lists(node, min_size=1, max_size=6)))
        else:
            edf.Mul(draw(node), draw(node))
    return draw(st.sampled_from(edf.components))


@settings(max_examples=100, deadline=None)
@given(graphs(), st.booleans(), st.booleans())
def test_random_graphs_are_legible(component, whole, values):
    loss = None if whole else component
    members = edf_tools.view.leading_to(loss)
    bundle = pictures(loss, values)
    check(bundle[SVG], members)
    assert len(bundle[TEXT].splitlines()) == len(members)
    assert len(edf.summary().splitlines()) == len(edf.components) + 2


def test_inputs_params_functions_and_the_loss_differ_without_colours():
    x, w = Input(1.0), Param(1.0)
    y = x * w
    loss = edf.Exp(y)
    image = Image(pictures(loss)[SVG])
    borders = {re.sub(r"(fill|stroke):#\w+;?", "", style) for style in image.styles}
    assert len(borders) == 4


# Names.

def test_awkward_names_are_escaped():
    x = Param(1.0, name=AWKWARD)
    y = edf.Exp(x)
    bundle = pictures(y)
    clean = 'a<b & "c" [d] {e} #35; `f` *g* _h_ |i| <br/> 1. é 权'
    assert check(bundle[SVG], [x, y]).labels()[0] == f"Param {clean}\n()"
    assert bundle[TEXT] == f"Param {clean}  ()\nloss: Exp[1]  <- {clean}"
    bundle[TEXT].encode()


def test_long_names_are_cut():
    x = Param(1.0, name="n" * 200)
    assert check(pictures()[SVG], [x]).labels() == ["Param " + "n" * 53 + "…\n()"]


def test_components_are_called_as_in_errors_with_their_options():
    x, w = Input(), Param(np.ones((2, 2)))
    y = Affine(x, w, Param(np.ones(2), name="bias"))
    edf.LeakyReLU(y, slope=0.2)
    edf.Mul(2, x)
    Input()
    assert str(edf.draw()) == """\
Input Affine[3].x
Param Affine[3].w  (2, 2)
Param bias  (2,)
Affine[3]  <- Affine[3].x, Affine[3].w, bias
LeakyReLU[4] slope 0.2  <- Affine[3]
Mul[5] a 2  <- Affine[3].x
Input[6]"""


# Values.

def test_a_pass_forward_and_back_can_be_watched():
    loss = problem_1()
    start = edf.draw(loss, values=True)
    edf.forward()
    middle = edf.draw(loss, values=True)
    edf.backward(loss)
    end = edf.draw(loss, values=True)
    assert str(start) == """\
Param x  ()  value 0.5
Sigmoid[1]  <- x
Tanh[2]  <- x
Mul[3]  <- Sigmoid[1], Tanh[2]
loss: Exp[4]  <- Mul[3]"""
    assert str(middle) == """\
Param x  ()  value 0.5
Sigmoid[1]  ()  value 0.622  <- x
Tanh[2]  ()  value 0.462  <- x
Mul[3]  ()  value 0.288  <- Sigmoid[1], Tanh[2]
loss: Exp[4]  ()  value 1.33  <- Mul[3]"""
    assert str(end) == """\
Param x  ()  value 0.5  grad 0.797
Sigmoid[1]  ()  value 0.622  grad 0.616  <- x
Tanh[2]  ()  value 0.462  grad 0.83  <- x
Mul[3]  ()  value 0.288  grad 1.33  <- Sigmoid[1], Tanh[2]
loss: Exp[4]  ()  value 1.33  grad 1  <- Mul[3]"""
    for view, last in (start, 1), (middle, 3), (end, 4):
        image = check(view._repr_mimebundle_()[SVG], edf.components)
        for label, line in zip(image.labels(), str(view).splitlines()):
            assert label == line.split("  <-")[0].replace("  ", "\n")
        assert len(image.lines[4]) == last


def test_without_values_there_are_shapes_only():
    loss = problem_1()
    edf.forward()
    edf.backward(loss)
    assert not re.search("value|grad|0[.]", "".join(pictures(loss).values()).replace("viewBox", "")
                         .split("<path")[0])
    assert str(edf.draw(loss)).splitlines()[1] == "Sigmoid[1]  ()  <- x"


@pytest.mark.parametrize("value, text", [
    (0.5, "0.5"),
    ([1.0, -2.0], "[1 -2]"),
    ([[1e-9, 1 / 3, 12345.0], [-1e9, np.nan, np.inf]],
     "[[1e-09 0.333 1.23e+04] [-1e+09 nan inf]]"),
    (np.arange(7) / 2, "0 to 3"),
    (np.full((50, 50), -0.25), "-0.25 to -0.25"),
    ([0, 7, 12345], "[0 7 12345]"),
    (np.arange(12345, 12355), "12345 to 12354"),
])
def test_numbers_are_given_in_full_up_to_six(value, text):
    Input(value, name="x")
    with np.printoptions(threshold=2, edgeitems=1, precision=1, linewidth=10):
        line = str(edf.draw(values=True))
    assert line == f"Input x  {np.shape(value)}  value {text}"


def test_values_of_any_type_that_a_forward_may_set_are_shown():
    class Compare(edf.Component):
        def __init__(self, x):
            super().__init__(x)

        def f(self, x):
            pass

        def forward(self):
            self.value = self.inputs[0].value > 0

    Compare(Input([-1.0, 2.0], name="x"))
    edf.forward()
    assert str(edf.draw(values=True)).splitlines()[1] == (
        "Compare[1]  (2,)  value [0 1]  <- x")


# What is drawn, and when.

def test_a_picture_does_not_change_afterwards():
    loss = problem_1()
    edf.forward()
    view, table = edf.draw(loss, values=True), edf.summary()
    before = dict(view._repr_mimebundle_()), str(view), str(table)
    loss.inputs[0].inputs[0].inputs[0].value = 0.25
    edf.forward()
    edf.backward(loss)
    Tanh(loss)
    edf.components[0].name = "renamed"
    assert (view._repr_mimebundle_(), str(view), str(table)) == before
    edf.clear()
    assert (view._repr_mimebundle_(), str(view), str(table)) == before


def test_drawing_changes_nothing():
    loss = residual()
    edf.forward()
    edf.backward(loss)
    before = [dict(vars(component)) for component in edf.components]
    edf.draw(loss, values=True)
    edf.summary()
    after = [dict(vars(component)) for component in edf.components]
    assert len(edf.components) == len(before)
    for one, two in zip(before, after):
        assert one.keys() == two.keys() and all(one[key] is two[key] for key in one)


def test_with_a_loss_only_what_leads_to_it_is_drawn():
    x, w = Input(name="x"), Param(1.0, name="w")
    Param(2.0, name="unused")
    hidden = x * w
    loss = edf.Exp(hidden)
    edf.Log(hidden)
    Tanh(loss)
    members = [x, w, hidden, loss]
    bundle = pictures(loss)
    check(bundle[SVG], members)
    assert bundle[TEXT] == "Input x\nParam w  ()\nMul[3]  <- x, w\nloss: Exp[4]  <- Mul[3]"
    whole = pictures()
    check(whole[SVG], edf.components)
    assert "Param unused" in whole[TEXT] and "loss: " not in "".join(whole.values())


def test_a_notebook_may_choose_among_the_forms():
    view = edf.draw(problem_1())
    assert view._repr_mimebundle_().keys() == {SVG, TEXT}
    assert view._repr_mimebundle_(include={SVG}).keys() == {SVG}
    assert view._repr_mimebundle_(exclude={SVG}).keys() == {TEXT}
    assert view._repr_mimebundle_(include={SVG, TEXT}, exclude={SVG}).keys() == {TEXT}
    assert view._repr_mimebundle_()[TEXT] == str(view) == repr(view)
    table = edf.summary()
    assert table._repr_mimebundle_() == {TEXT: str(table)} == {TEXT: repr(table)}


def test_a_picture_or_a_table_can_be_saved(tmp_path):
    view, table = edf.draw(problem_1()), edf.summary()
    view.save(tmp_path / "graph.svg")
    table.save(tmp_path / "graph.txt")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == view.pictures[SVG]
    assert (tmp_path / "graph.txt").read_text(encoding="utf-8") == str(table)


# The table.

def test_the_summary_of_the_perceptron_of_problem_set_1():
    x, labels = Input(name="x"), Input(name="labels")
    hidden = Sigmoid(Affine(x, Param(edf.xavier(784, 64)), Param(np.zeros(64))))
    scores = Affine(hidden, Param(edf.xavier(64, 10)), Param(np.zeros(10)))
    SoftmaxCrossEntropy(scores, labels)
    x.value = np.zeros((32, 784))
    for component in edf.components[:5]:
        if component is not labels:
            component.forward()
    assert str(edf.summary()) == """\
component               inputs                                shape      parameters
Input x                                                       (32, 784)
Input labels                                                  not yet
Param Affine[4].w                                             (784, 64)      50,176
Param Affine[4].b                                             (64,)              64
Affine[4]               x, Affine[4].w, Affine[4].b           (32, 64)
Sigmoid[5]              Affine[4]                             not yet
Param Affine[8].w                                             (64, 10)          640
Param Affine[8].b                                             (10,)              10
Affine[8]               Sigmoid[5], Affine[8].w, Affine[8].b  not yet
SoftmaxCrossEntropy[9]  Affine[8], labels                     not yet
total                                                                        50,890"""


def test_a_shared_param_counts_once():
    x, w = Input(np.ones((2, 3))), Param(np.eye(3))
    (x @ w) @ w
    lines = edf.summary().splitlines()
    assert lines[-1].split() == ["total", "9"]
    assert [line.split()[-1] for line in lines].count("9") == 2        # its own row, and the total


# Errors.

def message(function, *args):
    with pytest.raises(TypeError) as error:
        function(*args)
    return str(error.value)


def test_an_empty_graph_is_refused():
    assert message(edf.draw) == "the graph is empty: build components first"
    assert message(edf.summary) == "the graph is empty: build components first"


def test_a_loss_that_is_not_in_the_graph_is_refused():
    old = Param(1.0)
    edf.clear()
    Param(2.0)
    assert message(edf.draw, old) == (
        "the loss was built before clear() or a reload of edf, for the graph of that time: "
        "build Param () again")
    assert message(edf.draw, True).startswith(
        "the loss must be a component, not of type bool: ")


# Size.

def layers(h, depth, width=4):
    for _ in range(depth):
        h = edf.ReLU(Affine(h, Param(np.eye(width)), Param(np.ones(width))))
    return h


def test_ten_equal_layers_are_one_box():
    x, labels = Input(np.ones((2, 9)), name="x"), Input([0, 1], name="labels")
    first = edf.ReLU(Affine(x, Param(np.ones((9, 4))), Param(np.ones(4))))
    scores = Affine(layers(first, 10), Param(np.ones((4, 2))), Param(np.ones(2)))
    loss = SoftmaxCrossEntropy(scores, labels)
    image = Image(pictures(loss)[SVG])
    assert len(edf.components) == 50
    assert len(image.boxes) == 2 + 4 + 1 + 3 + 1
    assert "Affine, ReLU\nx 10" in image.labels()
    assert len(image.arrows()) == 4 + 1 + 3 + 2
    lines = str(edf.draw(loss)).splitlines()
    assert lines[6] == "Affine, ReLU  x 10  <- ReLU[5]"
    assert lines[9] == "Affine[48]  <- ReLU[45], Affine[48].w, Affine[48].b"
    edf.forward()
    assert Image(pictures(loss, values=True)[SVG]).labels()[6] == "Affine, ReLU\nx 10"


@pytest.mark.parametrize("change", [
    lambda h: edf.Tanh(h), lambda h: edf.LeakyReLU(h, slope=0.5),
    lambda h: Affine(h, Param(np.ones((4, 4))), Param(np.ones(4)))])
def test_blocks_that_differ_are_not_folded_together(change):
    h = edf.LeakyReLU(layers(Input(np.ones((2, 4))), 6))
    h = layers(change(h), 5)
    labels = Image(pictures(h)[SVG]).labels()
    assert [label for label in labels if "x " in label and "Input" not in label] == [
        "Affine, ReLU\nx 6", "Affine, ReLU\nx 5"]


@pytest.mark.parametrize("word, folds", [
    ("0120210121020120", []), ("0" * 16, ["ReLU, Add\nx 16"])])    # nothing comes twice in a row
def test_blocks_that_are_wired_otherwise_are_not_folded(word, folds):
    h = first = layers(Input(np.ones((2, 4))), 1)
    second = Tanh(first)
    for letter in word:
        h = edf.ReLU(h) + (h, first, second)[int(letter)]
    names = [label for label in Image(pictures(h)[SVG]).labels() if "\nx " in label]
    assert names == folds


def test_a_recurrent_network_is_folded_with_what_all_steps_share():
    w, u = Param(np.eye(3), name="w"), Param(np.eye(3), name="u")
    h = Input(np.ones((1, 3)), name="h")
    for t in range(20):
        h = Tanh(Input(np.ones((1, 3)), name=f"x{t}") @ w + h @ u)
    loss = edf.Mean(h)
    lines = str(edf.draw(loss)).splitlines()
    assert lines[3] == "MatMul, MatMul, Add, Tanh  x 20  <- w, h, u"
    assert len(lines) == 5


def test_small_graphs_are_drawn_whole():
    labels = Image(pictures(layers(Input(np.ones((2, 4))), 7))[SVG]).labels()
    assert len(labels) == 29 and not any("\nx " in label for label in labels)


def test_a_thousand_components_are_drawn():
    w = h = Param(0.5)
    kinds = [Tanh, edf.Exp, Sigmoid, lambda h: h * w]
    for i in edf.rng.integers(4, size=999):
        h = kinds[i](h)
    drawn = Image(pictures(h, values=True)[SVG])
    edf.summary()
    times = [int(re.search("x ([0-9]+)$", label)[1]) * (label.count(",") + 1)
             if "\nx " in label else 1 for label in drawn.labels()]
    assert sum(times) == 1000 and len(times) < 1000
    assert drawn.size[0] < 1500                         # one column, not a staircase


def test_a_thousand_inputs_of_one_component_are_drawn():
    h = edf.Concat(*[Param([0.5]) for _ in range(500)])
    chain = [h]
    for _ in range(250):
        chain.append(Tanh(chain[-1]))
    loss = edf.Concat(*chain)
    assert len(Image(pictures(loss)[SVG]).boxes) == 500 + 1 + 1 + 1


def test_no_warning_comes_from_numbers_that_are_not_finite():
    Param([np.nan] * 10 + [np.inf], name="w")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert str(edf.draw(values=True)) == "Param w  (11,)  value nan to nan"
