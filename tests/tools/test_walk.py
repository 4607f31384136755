"""What edf.walk says and shows: the engine's own numbers, and a graph left as it was."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from moving import gate, moving
from test_components import RUNS, build

import edf
from edf import Affine, Input, Param, SoftmaxCrossEntropy, Tanh
from edf_tools import view
from edf_tools.walk import LABEL, heat_map, pictures, record

ROOT = Path(__file__).parents[2]
AWKWARD = 'a<b & "c" </script> ID-3 $x$ é 权 \x00\ud800'


def perceptron(batch=1):
    """Build a network with 2 inputs, 3 hidden units, and 2 classes; return its loss."""
    x = Input(np.arange(1.0, 2 * batch + 1).reshape(batch, 2), name="x")
    labels = Input(np.arange(batch) % 2, name="labels")
    w1, b1 = Param(edf.xavier(2, 3), name="w1"), Param(np.zeros(3), name="b1")
    w2, b2 = Param(edf.xavier(3, 2), name="w2"), Param(np.zeros(2), name="b2")
    return SoftmaxCrossEntropy(Affine(Tanh(Affine(x, w1, b1)), w2, b2), labels)


def head(places=5):
    """Build one head of attention; return its loss."""
    x = Input(edf.rng.normal(size=(places, 4)), name="x")
    q, k, v = (x @ Param(edf.xavier(4, 3), name=f"w_{name}") for name in "qkv")
    p = edf.Softmax(q @ edf.Transpose(k) / 3 ** 0.5)
    return edf.Mean(edf.SquaredError(p @ v, Input(np.ones((places, 3)), name="targets")))


def noisy():
    """Build a network that draws random numbers and gathers statistics."""
    x, w = Input(edf.rng.normal(size=(8, 3)), name="x"), Param(edf.xavier(3, 3), name="w")
    h = edf.BatchNorm(x @ w, Param(np.ones(3)), Param(np.zeros(3)))
    return edf.Mean(edf.Dropout(h, p=0.5) * h)


# What it says.

def test_the_text_of_a_value_that_is_used_twice():
    p, q = Param(2.0, name="p"), Param(3.0, name="q")
    c = p * q
    text = """\
 1  start     What is given: the values of p and q.
              p = 2
              q = 3
 2  forward   Mul[2] computes its value from p and q.
              y = a * b    # ()
              Mul[2] = 6
 3  forward   Mul[3] computes its value from Mul[2].
              y = a * b    # ()
              Mul[3] = 36
 4  forward   Add[4] computes its value from Mul[3] and p.
              y = a + b    # ()
              Add[4] = 38
 5  backward  The gradient of the loss with respect to itself is 1.
              dy = 1 / 1
              Add[4].grad = 1
 6  backward  Add[4] passes a gradient to Mul[3] and p.
              da = dy    # ()
              db = dy    # ()
              Mul[3].grad = 1
              p.grad = 1
 7  backward  Mul[3] passes a gradient to Mul[2] and a second one to Mul[2], where both are added.
              da = dy * b    # ()
              db = dy * a    # ()
              Mul[2].grad = 6
              Mul[2].grad = 6 + 6 = 12
 8  backward  Mul[2] passes a gradient to q and adds its share to the gradient of p, where paths \
meet.
              da = dy * b    # ()
              db = dy * a    # ()
              p.grad = 1 + 36 = 37
              q.grad = 24"""
    assert str(edf.walk(c * c + p)) == text


def test_formulas_come_from_the_source_and_name_what_is_kept():
    steps = record(perceptron(batch=4))
    formulas = {(step.way, view.names_of([step.at])): step.formulas for step in steps if step.at
                is not None}
    assert formulas["forward", "Affine[6]"] == ["y = x @ w + b    # (4, 3)"]
    assert formulas["backward", "Affine[6]"] == [
        "dw = x.T @ dy    # (2, 3)", "db = total(dy, axis=0)    # (3,)"]
    assert formulas["forward", "SoftmaxCrossEntropy[9]"][3:] == [
        "self.p = exp / sums", "rows = np.arange(len(labels))",
        "y = np.log(sums[:, 0]) - shifted[rows, labels]    # (4,)"]
    assert formulas["backward", "SoftmaxCrossEntropy[9]"][0] == "p_minus_onehot = self.p.copy()"
    assert "each counts 1/4." in steps[5].sentence


def test_what_is_no_formula_is_named():
    class Own(edf.Component):
        def f(self, x):
            pass

        def forward(self):
            self.value = 2 * self.x.value

        def backward(self):
            self.x.add_grad(2 * self.grad)

    class Local(edf.Component):
        def f(self, x):
            return factor * x               # a variable of the test

        def dx(self, dy, x):
            return factor * dy

    factor = 3
    text = str(edf.walk(Local(Own(Param(1.0, name="x")))))
    for line in ("Own.forward(), a method of its own", "Own.backward(), a method of its own",
                 "y = f(x)    # ()", "dx = dx(dy, x)    # ()", "x.grad = 6"):
        assert f"              {line}\n" in text + "\n"


# What it shows is what the engine computes.

def shown(step):
    """Return the arrays that the boxes show; a sum as its result."""
    return {key: np.array(eval(content), edf.dtype) if isinstance(content, str) else content
            for key, content in step.shown.items()}


@pytest.mark.parametrize("network", [perceptron, lambda: perceptron(4), head, noisy, gate])
def test_values_and_gradients_are_those_of_the_engine(network):
    loss = network()
    start = edf.rng.bit_generator.state
    steps = record(loss)
    edf.rng.bit_generator.state = start
    edf.forward()
    edf.backward(loss)
    members, last = edf.ancestors(loss), shown(steps[-1])
    for node in members:
        np.testing.assert_array_equal(last[node, "value"], node.value)
        assert ((node, "grad") in last) == (node.grad is not None)
        if node.grad is not None:
            np.testing.assert_allclose(last[node, "grad"], node.grad, rtol=1e-2)
    functions = [node for node in members if node.inputs]
    assert [step.at for step in steps] == [None, *functions, loss, *(
        node for node in reversed(functions) if node.grad is not None)]
    for before, step in zip(steps, steps[1:]):              # each step shows what is new in it
        assert {key for key in step.shown if step.shown[key] is not before.shown.get(key)
                and not isinstance(before.shown.get(key), str)} == {*step.new}
        kind = "value" if step.way == "forward" else "grad"
        assert {key[1] for key in step.new} == {kind}


@pytest.mark.parametrize("case, arrays", RUNS)
def test_every_component_can_be_walked_through(case, arrays):
    loss, _ = build(case, arrays)
    start = edf.rng.bit_generator.state
    edf.forward()
    edf.backward(loss)
    grads = [node.grad for node in edf.components]
    edf.rng.bit_generator.state = start
    steps = record(loss)
    last = shown(steps[-1])
    for node, grad in zip(edf.components, grads):
        if grad is not None:
            np.testing.assert_allclose(last[node, "grad"], grad, rtol=1e-2, atol=1e-6)
    ET.fromstring("<svg>" + "".join([pictures(steps, loss)[0], *pictures(steps, loss)[1]])
                  + "</svg>")


def test_gradients_that_meet_are_added_before_your_eyes():
    x = Param([0.5, -1.0], name="x")
    loss = edf.Sum(edf.Exp(x) * x + Tanh(x))
    text = str(edf.walk(loss))
    edf.forward()
    edf.backward(loss)
    sums = re.findall(r"x\.grad = (\[.*?\]) \+ (\[.*?\]) = (\[.*?\])", text)
    assert len(sums) == 2
    for one, two, three in sums:
        arrays = [np.array(text.strip("[]").split(), float) for text in (one, two, three)]
        np.testing.assert_allclose(arrays[0] + arrays[1], arrays[2], atol=0.006)
    np.testing.assert_allclose(arrays[2], x.grad, rtol=1e-2)


# The graph is as before.

@pytest.mark.parametrize("network", [perceptron, noisy])
@pytest.mark.parametrize("before", ["nothing", "forward", "backward"])
def test_the_graph_is_left_as_it_was(network, before):
    loss = network()
    if before != "nothing":
        edf.forward()
    if before == "backward":
        edf.backward(loss)
    held = [dict(vars(node)) for node in edf.components]
    copies = [{name: np.copy(x) for name, x in one.items() if isinstance(x, np.ndarray)}
              for one in held]
    rest = edf.rng.bit_generator.state, edf.dtype, edf.training, set(edf.pending), edf.params[:]
    edf.walk(loss)
    assert rest == (edf.rng.bit_generator.state, edf.dtype, edf.training, set(edf.pending),
                    edf.params)
    assert len(edf.components) == len(held)
    for node, one, copy in zip(edf.components, held, copies):
        assert vars(node).keys() == one.keys()
        assert all(vars(node)[name] is one[name] for name in one)
        for name, array in copy.items():
            np.testing.assert_array_equal(one[name], array)


def test_the_mode_is_that_of_the_graph():
    loss = noisy()
    with edf.evaluating():
        quiet = str(edf.walk(loss))
    assert "Dropout" in quiet and quiet != str(edf.walk(loss))


# The page.

def parsed(walk):
    """Return the page as a tree: it is well-formed but for tags that need no end."""
    source = walk.pictures["text/html"]
    style, script = (re.search(f"<{name}>.*?</{name}>", source, re.DOTALL)[0]
                     for name in ("style", "script"))
    source = source.replace(style, "").replace(script, "")
    return ET.fromstring(re.sub("(<input [^>]*)>", r"\1/>", source))


def test_the_page_is_small_and_asks_for_nothing():
    source = edf.walk(perceptron()).pictures["text/html"]
    assert len(source) < 25_000
    assert not re.search(r"https?:|url\(|src=|@import|import\(|fetch|widget", source)
    script = re.search("<script>(.*)</script>", source, re.DOTALL)[1]
    assert len(script) < 2000
    assert len(edf.walk(head()).pictures["text/html"]) < 60_000


def test_each_id_is_there_once_and_each_reference_has_one():
    tree = parsed(edf.walk(head()))
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    used = {element.get("href")[1:] for element in tree.iter("use")}
    assert len(ids) == len(set(ids)) and used == set(ids)


def test_names_are_escaped():
    x = Param(1.0, name=AWKWARD)
    walk = edf.walk(edf.Exp(x))
    clean = 'a<b & "c" </script> ID-3 $x$ é 权'
    assert f"What is given: the value of {clean}." in "".join(parsed(walk).itertext())
    assert f"passes a gradient to {clean}." in str(walk)
    walk.pictures["text/html"].encode()


def test_it_is_saved_as_a_page_of_its_own(tmp_path):
    walk = edf.walk(perceptron())
    walk.save(tmp_path / "walk.html")
    saved = (tmp_path / "walk.html").read_text(encoding="utf-8")
    assert saved.startswith('<!DOCTYPE html>\n<meta charset="utf-8">\n')
    assert saved.endswith(walk._repr_mimebundle_()["text/html"])
    assert walk._repr_mimebundle_().keys() == {"text/html", "text/plain"}


def test_large_arrays_are_heat_maps_and_larger_ones_shapes():
    def picture(*shape):
        edf.clear()
        return pictures(record(loss := edf.Mean(Param(np.ones(shape)))), loss)[0]

    assert "edf-map" not in picture(2, 3)
    assert picture(7).count("edf-map") == picture(32, 64).count("edf-map") == 2
    assert "edf-map" not in picture(33, 2) and ">(33, 2)</text>" in picture(33, 2)
    assert "edf-map" not in picture(2, 65)


def test_a_heat_map_shows_sign_and_size():
    wide, high, source = heat_map(np.array([[1.0, 0.5, 0.0, -0.5], [np.nan, 1, -np.inf, -1]]))
    assert (wide, high) == (LABEL + 40, 20)
    assert dict(re.findall(r'class="edf-(\w+" stroke-opacity="[\d.]+)" d="(.*?)"', source)) == {
        'positive" stroke-opacity="1.0': "M0 0.5h1M1 1.5h1",
        'positive" stroke-opacity="0.5': "M1 0.5h1",
        'negative" stroke-opacity="0.5': "M3 0.5h1",
        'negative" stroke-opacity="1.0': "M2 1.5h2"}


# What is refused.

def message(error, loss):
    with pytest.raises(error) as raised:
        edf.walk(loss)
    return str(raised.value)


def test_what_cannot_be_walked_through_is_refused():
    x = Param(1.0, name="x")
    assert message(TypeError, x) == (
        "Param x () is computed from nothing: there is nothing to walk through")
    assert message(TypeError, None).startswith("the loss must be a component, not of type NoneTy")
    loss = edf.Exp(Input(1.0, name="t"))
    assert message(TypeError, loss).startswith("Exp(x ()) depends on no Param")
    loss = edf.Exp(Input(name="empty") * x)
    assert message(TypeError, loss) == "an Input has no value: set .value before forward()"
    assert all(node.value is None for node in edf.components if node.inputs)


def test_a_graph_that_is_too_large_says_how_large():
    h = Param(1.0)
    for _ in range(39):
        h = Tanh(h)
    edf.walk(h)
    assert message(ValueError, Tanh(h)) == (
        "41 components lead to Tanh[40]: too many to look at one by one, so take a network of at "
        "most 40, or edf.draw(loss)")


# The moving picture of the README.

def test_the_picture_of_the_readme_is_that_of_the_code():
    source = (ROOT / "course" / "walk.svg").read_text(encoding="utf-8")
    assert source == moving(gate()), "make pictures"
    assert len(source) < 60_000 and "<script" not in source
    tree = ET.fromstring(source)
    frames = [g for g in tree if g.get("class") == "frame"]
    assert len(frames) == len(record(gate()))
    assert "-0.954 + -0.119" in source
