"""Graphs drawn at random from the whole catalogue: EDF against the formulas of test_components.

A program is a list of steps: (component, which earlier steps, options).  It is drawn together with
its values, by the formulas alone, so that every number stays where a comparison means something.
A program that fails prints as code that rebuilds its graph.
"""

import itertools
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field

import autograd
import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_components import FORMULAS, scaled, uniform

import edf
from edf import Input, Param


@dataclass
class Step:
    """A component with its inputs, which are earlier steps or numbers; or an Input or a Param."""

    component: type
    inputs: tuple = ()                              # int: of that place; float: the number itself
    options: dict = field(default_factory=dict)
    data: tuple = ()                                # of an Input or Param: code, for every round


@dataclass
class Round:
    """One forward() of a program: what it is fed, and the value of every step by the formulas."""

    size: int                                       # of the batch
    training: bool
    values: list = field(default_factory=list)      # arrays, one for each step
    statistics: dict = field(default_factory=dict)  # of every BatchNorm, before this round

    def generator(self):
        """Return what edf.rng is at the start of every forward() here."""
        return np.random.default_rng(self.size)


class Program:
    """Steps, and three rounds of other batch sizes: twice in training, then evaluating."""

    def __init__(self, steps, rounds):
        self.steps, self.rounds = steps, rounds

    def __repr__(self):
        """Return code that builds the graph and feeds it as in the first round."""
        lines = ["", f"# rounds of {', '.join(str(each.size) for each in self.rounds)} examples, "
                 "the last evaluating; edf.seed(examples) before forward()",
                 "edf.dtype = np.float64"]
        for place, step in enumerate(self.steps):
            given = [f"n{i}" if isinstance(i, int) else repr(i) for i in step.inputs]
            given += [f"{name}={value!r}" for name, value in step.options.items()]
            given += step.data[:1]
            line = f"n{place} = edf.{step.component.__name__}({', '.join(given)})"
            later = " then ".join(step.data[1:]) if step.component is Input else ""
            lines.append(f"{line}    # then {later}" if later else line)
        return "\n".join(lines)


def apply(step, place, inputs, each, generator):
    """Return the value of a step by its formula; it may be traced by autograd."""
    if step.component is edf.Dropout:
        x, p = inputs[0], step.options["p"]
        return x * ((generator.random(x.shape) >= p) / (1 - p)) if each.training else x
    if step.component is edf.BatchNorm and not each.training:
        x, gamma, beta = inputs
        mean, variance = each.statistics[place]
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        z = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-5)
        return scaled(z, gamma, beta)
    return FORMULAS[step.component](*inputs, **step.options)


def play(steps, leaves, each):
    """Return the value of the last step; leaves are {place: value} of all Params and Inputs."""
    values, generator = [], each.generator()
    for place, step in enumerate(steps):
        inputs = [values[i] if isinstance(i, int) else i for i in step.inputs]
        values.append(leaves[place] if place in leaves
                      else apply(step, place, inputs, each, generator))
    return values[-1]


# How a program is drawn.  A rule says which inputs a component takes; if no step so far is fit for
# it, or by chance, it makes a new one.

NAMES = {"edf": edf, "np": np, "uniform": uniform}      # in the code that is printed


class Sketch:
    """A program while it is drawn."""

    def __init__(self, draw):
        self.draw = draw
        sizes = draw(st.permutations([1, 2, 3, 5]))
        self.steps = []
        self.rounds = [Round(sizes[0], True), Round(sizes[1], True), Round(sizes[2], False)]
        self.generators = [each.generator() for each in self.rounds]
        self.seeds = itertools.count(0, 1000)

    def one_of(self, *choices):
        return self.draw(st.sampled_from(choices))

    def batch(self, *shape):
        """Return a shape for every round: "B" in it is the number of examples."""
        return [tuple(each.size if n == "B" else n for n in shape) for each in self.rounds]

    def shapes(self, i):
        """Return the shape of a step in every round."""
        return [each.values[i].shape for each in self.rounds]

    def leaf(self, shapes, code="uniform(*{shape}, seed={seed})", learned=False):
        """Add an Input, or a Param: it has one shape in all rounds."""
        seed = next(self.seeds)
        data = tuple(code.format(shape=shape, seed=seed + (0 if learned else 100 * number))
                     for number, shape in enumerate(shapes))
        self.steps.append(Step(Param if learned else Input, data=data))
        for each, text in zip(self.rounds, data, strict=True):
            each.values.append(eval(text, NAMES))   # so what is printed is what was tried
        return len(self.steps) - 1

    def fresh(self, shapes):
        """Add what mostly depends on a Param: a Param, or an Input plus one, or an Input."""
        learned = self.draw(st.integers(0, 3)) < 3
        if len(set(shapes)) == 1:
            return self.leaf(shapes, learned=learned)
        data = self.leaf(shapes)
        if not learned:
            return data
        fixed = tuple(n if len(set(ns)) == 1 else 1
                      for n, *ns in zip(shapes[0], *shapes, strict=True))
        return self.add(edf.Add, data, self.leaf([fixed] * len(shapes), learned=True))

    def labels(self, shapes, classes):
        """Add an Input of integers."""
        return self.leaf(
            shapes, "np.random.default_rng({seed}).integers(" + f"{classes}, size=" + "{shape})")

    def add(self, component, *inputs, **options):
        """Add a component, and scale its value down if it is large."""
        place, step = len(self.steps), Step(component, inputs, options)
        self.steps.append(step)
        for number, each in enumerate(self.rounds):
            xs = [each.values[i] if isinstance(i, int) else i for i in inputs]
            y = apply(step, place, xs, each, self.generators[number])
            each.values.append(np.asarray(y, float))
            if component is edf.BatchNorm and each.training:
                after = moved(each.statistics.get(place, (0.0, 1.0)), xs[0])
                self.rounds[number + 1].statistics[place] = after
        largest = max(abs(each.values[place]).max() for each in self.rounds)
        return place if largest < 10 else self.add(edf.Mul, place, float(f"{3 / largest:.1g}"))

    def fitting(self, fits, *others, fixed=None):
        """Return the steps for which fits(value, *values of the others) holds in every round.

        The axis `fixed` of them has one length in all rounds.
        """
        def fit(i):
            return all(x.dtype.kind == "f" and x.size <= 60 and abs(x).max() < 10
                       and fits(x, *(each.values[other] for other in others))
                       for each in self.rounds for x in [each.values[i]]) and (
                fixed is None or len({shape[fixed] for shape in self.shapes(i)}) == 1)

        return [i for i in range(len(self.steps)) if fit(i)]

    def pick(self, fits, shapes, *others, fixed=None):
        """Return a step that fits, or a new leaf of these shapes that does."""
        found = self.fitting(fits, *others, fixed=fixed)
        if found and self.draw(st.integers(0, 5)):
            return self.one_of(*found)
        while True:
            count = len(self.steps)
            new = self.fresh(shapes)
            if new in self.fitting(fits, *others):
                return new
            for steps in self.steps, *(each.values for each in self.rounds):
                del steps[count:]                   # a kink or a tie was too near

    def positive(self, fits, shapes, *others):
        """Return a step that fits, all of whose numbers are greater than 0.1."""
        found = self.fitting(lambda x, *xs: x.min() > 0.1 and fits(x, *xs), *others)
        if found and self.draw(st.booleans()):
            return self.one_of(*found)
        return self.add(edf.Add, self.add(edf.Softplus, self.pick(fits, shapes, *others)), 0.2)


def moved(statistics, x):
    """Return the running statistics of a BatchNorm after the batch x."""
    (mean, variance), axes = statistics, tuple(axis for axis in range(x.ndim) if axis != 1)
    return 0.9 * mean + 0.1 * x.mean(axes), 0.9 * variance + 0.1 * x.var(axes, ddof=1)


# What an input has to be.

def anything(x, *others):
    return True


def away_from_0(x):
    return abs(x).min() > 1e-3


def different(x):
    """No two numbers are close, so that the largest of some is so by far."""
    return x.size == 1 or np.diff(np.sort(x, axis=None)).min() > 1e-3


def has_rows(x):
    return x.ndim >= 1


def varied_rows(x):
    return x.ndim >= 1 and x.std(axis=-1).min() > 0.05


def is_matrix(x):
    return x.ndim == 2 and np.ptp(x) < 8


def images(x):
    return x.ndim == 4 and min(x.shape[2:]) >= 2


def broadcasts(x, other):
    try:
        return np.prod(np.broadcast_shapes(x.shape, other.shape)) <= 60
    except ValueError:
        return False


def apart(x, other):
    return broadcasts(x, other) and abs(x - other).min() > 1e-3


def same_shape(x, other):
    return x.shape == other.shape


def of_shape(*shape):
    return lambda x: x.shape == shape


# The rules.

def unary(component, fits=anything, fresh=("B", 3), **choices):
    """Return the rule of a component with one input; each option is one of its choices."""
    def rule(s):
        options = {name: s.one_of(*values) for name, values in choices.items()}
        return s.add(component, s.pick(fits, s.batch(*fresh)), **options)
    return rule


def binary(component):
    """Return the rule of a component that broadcasts: two nodes, one twice, or a number."""
    def rule(s):
        choose = s.positive if component is edf.Div else s.pick
        a = choose(anything, s.batch("B", 3))
        kind = s.one_of("two", "two", "two", "twice", "number before", "number behind")
        if kind == "two":
            shapes = smaller(s, s.shapes(a))
            b = choose(apart if component is edf.Maximum else broadcasts, shapes, a)
            return s.add(component, *s.draw(st.permutations([a, b])))
        return s.add(component, *{"twice": (a, a), "number before": (0.73456789, a),
                                  "number behind": (a, -0.73456789)}[kind])
    return rule


def smaller(s, shapes):
    """Return shapes that broadcast to these: without leading axes, with axes of length 1."""
    ones = s.draw(st.lists(st.booleans(), min_size=len(shapes[0]), max_size=len(shapes[0])))
    drop = s.draw(st.integers(0, len(ones)))
    return [tuple(1 if one else n for n, one in zip(shape, ones, strict=True))[drop:]
            for shape in shapes]


def power(s):
    exponent = s.one_of(2, 3.0, 1, 0, 0.5, -1, -1.5)
    choose = s.positive if exponent < 1 else s.pick
    return s.add(edf.Power, choose(anything, s.batch("B", 3)), exponent=exponent)


def affine(s):
    x = s.pick(has_rows, s.batch("B", 3), fixed=-1)
    d = s.shapes(x)[0][-1]
    w = s.pick(lambda w: w.ndim == 2 and len(w) == d, s.batch(d, s.one_of(1, 2, 4)), fixed=1)
    h = s.shapes(w)[0][1]
    return s.add(edf.Affine, x, w, s.pick(of_shape(h), s.batch(h)))


def matmul(s):
    def chains(b, a):
        return (b.ndim >= 2 and a.shape[-1] == b.shape[-2]
                and broadcasts(b[..., 0, 0], a[..., 0, 0]))

    a = s.pick(lambda x: x.ndim >= 2, s.batch("B", 3))
    h = s.one_of(1, 2, 4)
    return s.add(edf.MatMul, a, s.pick(chains, [(shape[-1], h) for shape in s.shapes(a)], a))


def classified(component):
    """Return the rule of a component that takes the number of a column for each row."""
    def rule(s):
        x = s.pick(is_matrix, s.batch("B", 3))
        if component is edf.CrossEntropy:
            x = s.add(edf.Softmax, x)
        rows, columns = zip(*s.shapes(x), strict=True)
        return s.add(component, x, s.labels([(n,) for n in rows], min(columns)))
    return rule


def sigmoid_cross_entropy(s):
    x = s.pick(anything, s.batch("B", 3))
    targets = s.leaf(s.shapes(x), "uniform(*{shape}, low=0, high=1, seed={seed})")
    return s.add(edf.SigmoidCrossEntropy, x, targets)


def squared_error(s):
    x = s.pick(anything, s.batch("B", 3))
    return s.add(edf.SquaredError, x, s.pick(same_shape, s.shapes(x), x))


def reduction(component):
    def rule(s):
        x = s.pick(different if component is edf.Max else anything, s.batch("B", 3))
        ndim = len(s.shapes(x)[0])
        axis = s.one_of(None, *range(-ndim, ndim), *([(0, -1)] if ndim > 1 else []))
        return s.add(component, x, axis=axis, keepdims=s.draw(st.booleans()))
    return rule


def normalize(s):
    return s.add(edf.Normalize, s.positive(has_rows, s.batch("B", 3)))


def embedding(s):
    w = s.pick(is_matrix, s.batch(4, 3))
    rows = min(shape[0] for shape in s.shapes(w))
    index = s.labels(s.batch(*s.one_of(("B",), ("B", 2), (3,), ())), rows)
    return s.add(edf.Embedding, w, index)


def transpose(s):
    x = s.pick(anything, s.batch("B", 3))
    ndim = len(s.shapes(x)[0])
    order = s.draw(st.permutations(range(ndim)))
    axes = s.one_of(None, tuple(order), tuple(axis - ndim for axis in order))
    return s.add(edf.Transpose, x, axes=axes)


def expand(s):
    x = s.pick(lambda x: x.size <= 12, s.batch(3, 1))
    shape = s.shapes(x)[0]
    if len(set(s.shapes(x))) > 1:                           # the shape is an option: it is fixed
        x, shape = s.add(edf.Sum, x, axis=None, keepdims=True), (1,) * len(shape)
    shape = tuple(2 if n == 1 else n for n in shape)
    return s.add(edf.Expand, x, shape=s.one_of(shape, (2, *shape)))


def concat(s):
    first = s.pick(has_rows, s.batch("B", 3))
    axis = s.draw(st.integers(-len(s.shapes(first)[0]), len(s.shapes(first)[0]) - 1))

    def fits(x, other):
        return x.ndim == other.ndim and all(
            n == m for i, (n, m) in enumerate(zip(x.shape, other.shape, strict=True))
            if i != axis % x.ndim)

    rest = [s.pick(fits, s.shapes(first), first) for _ in range(s.draw(st.integers(0, 2)))]
    return s.add(edf.Concat, first, *rest, axis=axis)


def layer_norm(s):
    x = s.pick(varied_rows, s.batch("B", 3), fixed=-1)
    d = s.shapes(x)[0][-1]
    return s.add(edf.LayerNorm, x, *(s.pick(of_shape(d), s.batch(d)) for _ in range(2)))


def batch_norm(s):
    def varied(x):
        return x.ndim in (2, 4) and x.swapaxes(1, -1).reshape(-1, x.shape[1]).std(0).min() > 0.05

    if 1 in [each.size for each in s.rounds]:               # one number has no variance
        x = s.pick(varied, s.batch("B", 2, 2, 3), fixed=1)
    else:
        x = s.pick(varied, s.batch("B", 3), fixed=1)
    c = s.shapes(x)[0][1]
    return s.add(edf.BatchNorm, x, *(s.pick(of_shape(c), s.batch(c)) for _ in range(2)))


def conv2d(s):
    x = s.pick(images, s.batch("B", 2, 3, 2), fixed=1)
    c, padding = s.shapes(x)[0][1], s.one_of(0, 1)
    w = s.pick(lambda w: w.ndim == 4 and w.shape[1] == c and max(w.shape[2:]) <= 2,
               s.batch(s.one_of(1, 2), c, 2, s.one_of(1, 2)), fixed=0)
    b = s.pick(of_shape(s.shapes(w)[0][0]), s.batch(s.shapes(w)[0][0]))
    return s.add(edf.Conv2d, x, w, b, stride=s.one_of(1, 2), padding=padding)


ROWS = [np.s_[..., 0], np.s_[..., ::-1], np.s_[..., None, :1], np.s_[:, None], 0, -1, ([0, -1, 0],)]
RULES = {
    **{component: binary(component) for component in (
        edf.Add, edf.Sub, edf.Mul, edf.Div, edf.Maximum)},
    **{component: unary(component) for component in (edf.Sigmoid, edf.Tanh, edf.Softplus)},
    **{component: unary(component, has_rows) for component in (edf.Softmax, edf.LogSoftmax)},
    **{component: reduction(component) for component in (edf.Sum, edf.Mean, edf.Max)},
    **{component: classified(component) for component in (
        edf.CrossEntropy, edf.SoftmaxCrossEntropy, edf.Select)},
    edf.Affine: affine,
    edf.MatMul: matmul,
    edf.Power: power,
    edf.Exp: unary(edf.Exp, lambda x: x.max() < 3),
    edf.Log: lambda s: s.add(edf.Log, s.positive(anything, s.batch("B", 3))),
    edf.ReLU: unary(edf.ReLU, away_from_0),
    edf.LeakyReLU: unary(edf.LeakyReLU, away_from_0, slope=(0.01, 0.2)),
    edf.ELU: unary(edf.ELU, away_from_0, alpha=(1.0, 0.5)),
    edf.GELU: unary(edf.GELU, lambda x: x.size <= 6, fresh=(2,)),       # its formula is slow
    edf.GELUTanh: unary(edf.GELUTanh),
    edf.SigmoidCrossEntropy: sigmoid_cross_entropy,
    edf.SquaredError: squared_error,
    edf.Normalize: normalize,
    edf.Slice: unary(edf.Slice, has_rows, key=ROWS),
    edf.Embedding: embedding,
    edf.Reshape: unary(edf.Reshape, shape=(-1, (-1, 1), (1, -1))),
    edf.Transpose: transpose,
    edf.Expand: expand,
    edf.Concat: concat,
    edf.LayerNorm: layer_norm,
    edf.BatchNorm: batch_norm,
    edf.Dropout: unary(edf.Dropout, p=(0.2, 0.5)),
    edf.Conv2d: conv2d,
    edf.MaxPool2d: unary(edf.MaxPool2d, lambda x: images(x) and different(x), ("B", 1, 3, 2),
                         size=(2,), stride=(None, 1), padding=(0, 1)),
    edf.AvgPool2d: unary(edf.AvgPool2d, images, ("B", 2, 2, 3),
                         size=(2,), stride=(None, 1), padding=(0, 1)),
}


@st.composite
def programs(draw, component):
    """Draw a program with this component and a loss to which all its components contribute."""
    s = Sketch(draw)
    before, behind = (draw(st.lists(st.sampled_from(list(RULES)), max_size=3)) for _ in range(2))
    for each in [*before, component, *behind]:
        RULES[each](s)
    used = {i for step in s.steps for i in step.inputs}
    total = s.leaf(s.batch())
    for end in [i for i in range(total) if i not in used]:
        weighted = s.add(edf.Mul, end, s.leaf(s.shapes(end)))
        total = s.add(edf.Add, total, s.add(edf.Mean, weighted))
    s.add(edf.Mul, total, s.leaf(s.batch(), learned=True))      # so that it depends on a Param
    return Program(s.steps, s.rounds)


def build(program):
    """Return the components of a program, in a new graph."""
    edf.clear()
    edf.dtype = np.float64
    nodes = []
    for place, step in enumerate(program.steps):
        if step.component in (Param, Input):
            nodes.append(step.component(program.rounds[0].values[place]))
        else:
            inputs = [nodes[i] if isinstance(i, int) else i for i in step.inputs]
            nodes.append(step.component(*inputs, **step.options))
    return nodes


def check(program, central_differences):
    """Compare all values and gradients of all rounds with the formulas."""
    nodes = build(program)
    for each in program.rounds:
        for node, value in zip(nodes, each.values, strict=True):
            if type(node) is Input:
                node.value = value
        edf.seed(each.size)
        with nullcontext() if each.training else edf.evaluating():
            edf.forward()
            edf.backward(nodes[-1])
            for place, (node, value) in enumerate(zip(nodes, each.values, strict=True)):
                assert_close(node.value, value, f"the value of n{place}")
            for place, grad in gradients(program, each).items():
                assert_close(nodes[place].grad, grad, f"the gradient of n{place}")
            if central_differences:
                edf.check_gradients(nodes[-1], entries=5)


def assert_close(got, want, name):
    assert got.shape == want.shape, f"{name} has shape {got.shape}, not {want.shape}"
    error = abs(got - want).max() / max(0.01, abs(want).max())
    assert error <= 1e-9, f"{name} is {got}, not {want}"


def gradients(program, each):
    """Return {place of a Param: gradient of the loss} by autograd."""
    leaves = {place: each.values[place] for place, step in enumerate(program.steps)
              if step.component in (Param, Input)}
    learned = [place for place in leaves if program.steps[place].component is Param]

    def loss(values):
        return play(program.steps, leaves | dict(zip(learned, values, strict=True)), each)

    return dict(zip(learned, autograd.grad(loss)([leaves[place] for place in learned]),
                    strict=True))


def check_many(component, count, seed):
    """Check so many programs with a component, one in twenty by central differences too.

    Returns the number of programs, and how often each component was in one and had a gradient.
    """
    tried, drawn = 0, Counter()

    @hypothesis.seed(seed)
    @settings(max_examples=count, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(programs(component))
    def run(program):
        nonlocal tried
        tried += 1
        check(program, central_differences=tried % 20 == seed % 20)
        drawn.update(type(node) for node in edf.components if node.grad is not None)

    run()
    return tried, drawn


@hypothesis.seed(0)
@settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(programs(edf.Affine))
def test_a_program_prints_as_code_that_rebuilds_its_graph(program):
    values = []
    for nodes in build(program), program:
        if nodes is program:
            edf.clear()
            exec(repr(program), dict(NAMES))
        edf.seed(program.rounds[0].size)
        edf.forward()
        values.append([node.value for node in edf.components])
    np.testing.assert_equal(*values)


def test_there_is_a_rule_for_every_component_with_a_formula():
    assert RULES.keys() == FORMULAS.keys()


@pytest.mark.parametrize("seed, component", list(enumerate(RULES)))
def test_random_graphs(seed, component):
    tried, drawn = check_many(component, 5, seed)
    assert tried == 5 and drawn[component] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed, component", list(enumerate(RULES, 1000)))
def test_many_random_graphs(seed, component):
    tried, drawn = check_many(component, 55, seed)
    assert tried == 55 and drawn[component] > 25
