"""The hidden tests of the problem sets: on the instructor's side only.

After every check cell the grader runs verify(name, globals()).  It runs the public
test once more, with checks that the notebook had no hand in, and then the test
of the table HIDDEN, at the end, on numbers drawn from SEED: change it every year.
"""

import builtins
import importlib
import inspect
import sys
import warnings
from contextlib import contextmanager

import numpy as np

import edf
from edf_tools import check
from mnist_loader import load
from problem_sets import nets, sequences
from text_loader import encode, letters_of, load_text

SEED = 1
rng = np.random.default_rng(SEED)


def load_checks():
    """Return problem_sets.checks once more: not the module that the notebook imports."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules)
              if name.startswith("problem_sets")
              and name not in ("problem_sets.nets", "problem_sets.sequences")}
    checks = importlib.import_module("problem_sets").checks
    sys.modules.update(before)
    return checks


def functions(owner):
    """Return {name: value} of the functions and classes of a module or a class."""
    return {name: value for name, value in vars(owner).items() if callable(value)}


checks = load_checks()
MODULES = [edf, check, nets, sequences]
# What EDF has in place of an answer, where its exercise does not say so.  (The public test of
# my_error_rate calls EDF's itself; its hidden test takes it away.)
ANSWERS = {
    "MyDivide": edf.Div, "MyAffine": edf.Affine, "MySelect": edf.Select, "MyRowSum": edf.Sum,
    "my_unbroadcast": edf.unbroadcast, "SuspectReLU": edf.ReLU, "suspect_layer": edf.Affine,
    "SuspectMatMul": edf.MatMul, "SuspectSimilarity": edf.MatMul, "SuspectRepeat": edf.Expand,
    "SuspectNormalize": edf.Normalize, "SuspectCrossEntropy": edf.CrossEntropy,
    "SuspectSoftmax": edf.Softmax, "my_error_rate": None,
    "MyNesterov": edf.SGD, "MyConv1d": edf.Conv2d,
}
CLASSES = [value for module in MODULES for value in functions(module).values()
           if inspect.isclass(value)]
PRISTINE = [(owner, functions(owner)) for owner in [builtins, warnings, np, *MODULES, *CLASSES]]


def restore():
    """Undo what the notebook may have put in place of functions of EDF and NumPy."""
    for owner, saved in PRISTINE:
        for name, value in saved.items():
            if vars(owner).get(name) is not value:
                setattr(owner, name, value)


def verify(name, namespace):
    """Test what the namespace has under this name, in public and hidden tests.

    Raises AssertionError, which says why, if it is not right.
    """
    restore()
    exercise, stage = checks.EXERCISES[name], "public test"
    try:
        with fresh():
            mine = checks.written(name, namespace)
            require_own(name, mine)
            with without(ANSWERS.get(name, exercise.library)):
                exercise.test(mine)
        stage = "hidden test"
        rng.bit_generator.state = np.random.default_rng(SEED).bit_generator.state
        with fresh():
            HIDDEN[name](mine)
    except NotImplementedError:
        said = "not done yet"
    except Exception as error:
        words = checks.explain(error).removeprefix("AssertionError: ")
        said = f"{stage}: {words or 'not right for other numbers'}"
    else:
        return
    raise AssertionError(said)


def require(condition, words=""):
    """Raise AssertionError unless the condition holds: an assert that python -O keeps."""
    if not condition:
        raise AssertionError(words)


def require_own(name, mine):
    """Refuse what is no class where one is asked for, and a class that inherits from EDF's."""
    if name[0].isupper():
        require(isinstance(mine, type), f"{name} must be a class, as in the cell that was given")
        for base in mine.__mro__:
            require(base not in CLASSES or base in (edf.Component, edf.Optimiser),
                    f"{name} inherits from EDF's {base.__name__}: the formulas must be your own")


@contextmanager
def without(answer):
    """Take EDF's answer away, whoever calls it, by whatever name, and as a method of any class."""
    def refuse(*args, **options):
        raise AssertionError("EDF's own answer is called: the formulas must be your own")

    owned = vars(answer).values() if inspect.isclass(answer) else [answer]
    saved = {function: function.__code__ for function in owned if inspect.isfunction(function)}
    try:
        for function, code in saved.items():        # the cells of super() must be there
            function.__code__ = refuse.__code__.replace(co_freevars=code.co_freevars)
        yield
    finally:
        for function, code in saved.items():
            function.__code__ = code


@contextmanager
def fresh():
    """Give a test an empty graph, float64 and seeded random numbers; then put all back."""
    saved = edf.dtype, edf.training, edf.rng, edf.rng.bit_generator.state
    edf.clear()
    edf.dtype, edf.training = np.float64, True
    edf.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                     # nbgrader takes words for errors
            warnings.simplefilter("error", RuntimeWarning)      # as the public check does
            yield
    finally:
        edf.dtype, edf.training, edf.rng, edf.rng.bit_generator.state = saved
        edf.clear()


# Tests, and what they are made of.

def normal(*shape):
    """Return an array of this shape, of normally distributed numbers."""
    return rng.normal(size=shape)


def like(library, *arrays, inputs=(), **options):
    """Return a test: has the component the value and the gradients of the library's?

    The arrays become Params, those in `inputs` Inputs.  Both get the same
    gradient from above, drawn at random.
    """
    def test(mine):
        value, grads = run(mine, arrays, inputs, options)
        right_value, right_grads = run(library, arrays, inputs, options)
        shapes = ", ".join(str(np.shape(array)) for array in (*arrays, *inputs))
        close("value", value, right_value, shapes)
        names = list(inspect.signature(mine).parameters)
        for name, grad, right in zip(names, grads, right_grads):
            close(f"gradient with respect to {name}", grad, right, shapes)
    return test


def run(build, arrays, inputs, options):
    """Return the value of a node, and the gradients of its Params, in a new graph."""
    edf.clear()
    edf.seed(0)
    params = [edf.Param(np.array(array)) for array in arrays]
    node = build(*params, *(edf.Input(np.array(array)) for array in inputs), **options)
    checks.require_return(node, edf.Component)
    edf.forward()
    value = np.array(node.value)
    dy = np.random.default_rng(SEED).normal(size=value.shape)
    loss = node * edf.Input(dy)                 # the gradient of its mean at the node: dy / size
    edf.forward()
    edf.backward(loss)
    return value, [param.grad for param in params]


def close(what, got, right, shapes):
    """Raise AssertionError unless the arrays are nearly equal, with the worst entry."""
    if right is None:                           # the library passes no gradient there either
        return
    require(got is not None, f"there is no {what}, for shapes {shapes}")
    require(np.shape(got) == np.shape(right), f"the {what} has shape {np.shape(got)}, expected "
                                              f"{np.shape(right)}, for shapes {shapes}")
    error = np.abs(got - right) - 1e-6 * np.abs(right) - 1e-9
    error = np.where(np.isfinite(error), error, np.inf)
    if error.max() > 0:
        entry = np.unravel_index(error.argmax(), error.shape)
        raise AssertionError(f"the {what} is {got[entry]:.7g} at entry "
                             f"{tuple(map(int, entry))}, expected {right[entry] + 0:.7g}, "
                             f"for shapes {shapes}")


# Sections 1 to 3.

def hidden_prediction(mine):
    require(tuple(float(n) for n in mine()) == (-4, -2, 2))


def hidden_graph(mine):
    for values in rng.normal(size=(2, 3)), rng.normal(size=1), rng.normal(size=()):
        edf.clear()
        x, twin = edf.Param(values), edf.Param(values)
        got, want = mine(x), edf.Mul(twin, edf.Tanh(edf.Exp(edf.Mul(twin, -1))))
        edf.forward()
        require(np.allclose(got.value, want.value), "value")
        edf.backward(got)
        mine_grad = x.grad
        edf.backward(want)
        require(np.allclose(mine_grad, twin.grad), "gradient")


def hidden_gradients(mine):
    """A network with a residual path, for batches of one and of four."""
    for rows in 1, 4:
        edf.clear()
        x, labels = edf.Input(rng.normal(size=(rows, 3))), edf.Input(rng.integers(0, 5, rows))
        w, v = edf.Param(rng.normal(size=(3, 3))), edf.Param(rng.normal(size=(3, 5)))
        hidden = edf.Tanh(x @ w)
        hidden = hidden + edf.Sigmoid(hidden @ w)           # w and hidden are used twice
        scores = hidden @ v
        scores = scores * 2 + edf.Reshape(scores, (rows, 5))    # which hands out a view
        loss = edf.SoftmaxCrossEntropy(scores, labels)
        edf.Sum(loss)                                       # built later, not part of the loss
        edf.forward()
        got = mine(loss, nets.shares)
        require(all(node.grad is None for node in edf.components), "grad is written")
        edf.backward(loss)
        for node in edf.components:
            if node.grad is not None:
                require(np.shape(got[node]) == node.grad.shape, f"shape for {node}")
                require(np.allclose(got[node], node.grad, rtol=1e-6), f"gradient of {node}")


def hidden_second_derivative(mine):
    for x0 in rng.uniform(-1.5, 1.5, 3):
        got = mine(lambda x: edf.Tanh(x) * x, x0)
        y = np.tanh(x0)
        true = 2 * (1 - y ** 2) - 2 * x0 * y * (1 - y ** 2)
        require(abs(got - true) < 1e-5, f"{got} at {x0}, expected {true}")
    got = mine(lambda x: x * x * x, 1.0, h=0.5)             # of 3 x^2 the difference is exact
    require(abs(got - 6) < 1e-9, f"{got}, expected 6")


def hidden_naive_rule(mine):
    def second(function, at, h=1e-3):
        return (function(at + h) - 2 * function(at) + function(at - h)) / h ** 2

    for shape in (), (1,), (4, 3):
        x = rng.normal(size=shape)
        y, z = edf.sigmoid(x), np.tanh(x)
        f_yy = second(lambda t, z=z: np.exp(t * z), y)
        f_zz = second(lambda t, y=y: np.exp(y * t), z)
        want = f_yy * second(edf.sigmoid, x) + f_zz * second(np.tanh, x)
        got = mine(x)
        require(np.shape(got) == shape and np.allclose(got, want, atol=1e-5), f"{got}, {want}")


def hidden_slope(mine):
    for x in rng.normal(size=3):
        require(abs(mine(np.sin, x, 1e-4) - np.cos(x)) < 1e-8)
        got, h = mine(lambda x: x ** 4, x, 0.25), 0.25
        want = ((x + h) ** 4 - (x - h) ** 4) / (2 * h)
        require(abs(got - want) < 1e-10, f"{got}, expected {want}")


def hidden_numeric_gradient(mine):
    got = mine(lambda x: (x ** 3).sum(), np.array([[1.0, -2.0]]), h=0.5)
    require(np.allclose(got, [[3.25, 12.25]]), f"with h = 0.5: {got}")
    for shape in (1,), (3,), (2, 3), (2, 1, 3):
        x, weights = rng.normal(size=shape), rng.normal(size=shape)
        x.flags.writeable = False           # a copy may be changed, this may not
        got = mine(lambda x, weights=weights: (weights * np.sin(x)).sum() + x.prod(), x)
        others = [np.delete(x.ravel(), i).prod() for i in range(x.size)]
        want = weights * np.cos(x) + np.reshape(others, shape)
        require(got.shape == shape and np.allclose(got, want, atol=1e-7), f"{got}, {want}")


def hidden_check(mine):
    factor = rng.uniform(1.05, 3)

    class Scaled(edf.Tanh):
        def dx(self, dy, x):
            return factor * super().dx(dy, x)

    class Elementwise(edf.Softmax):         # what is right for a sigmoid only
        def dx(self, dy, x):
            return dy * self.value * (1 - self.value)

    class NoMean(edf.Mean):
        def dx(self, dy, x, axis, keepdims):
            return np.ones(x.shape) / x.size

    class Minus(edf.Exp):
        def dx(self, dy, x):
            return -super().dx(dy, x)

    class LastEntry(edf.Tanh):
        def dx(self, dy, x):
            return super().dx(dy, x) * np.where(np.arange(x.size) == x.size - 1, 2, 1).reshape(
                x.shape)

    class Millions(edf.Tanh):
        def f(self, x):
            return 1e6 * super().f(x)

        def dx(self, dy, x):
            return dy * (1e6 - 1e-6 * self.value ** 2)

    x = rng.normal(size=(2, 4))
    for kind in Millions, edf.Tanh, edf.Softmax, edf.Mean, edf.Softplus, edf.Transpose:
        edf.clear()
        error = mine(kind, x, nets.numeric_gradient)
        require(0 <= error < 1e-6, f"{kind.__name__} is right, but the error is {error}")
    for kind in Scaled, Elementwise, NoMean, Minus, LastEntry:
        edf.clear()
        error = mine(kind, x, nets.numeric_gradient)
        require(error > 1e-3, f"{kind.__name__} is wrong, but the error is {error}")


# Sections 4 to 6.

def each(*tests):
    """Return a test that runs all of these."""
    def test(mine):
        for one in tests:
            edf.clear()
            one(mine)
    return test


def positive(*shape):
    """Return random numbers from 0.5 to 2, to divide by or to take logarithms of."""
    return rng.uniform(0.5, 2, shape)


def probabilities(*shape):
    """Return random rows that add up to 1."""
    p = positive(*shape)
    return p / p.sum(axis=-1, keepdims=True)


def row_sum(x):
    """Build EDF's sum of each row."""
    return edf.Sum(x, axis=1)


def hidden_relu(mine):
    like(edf.ReLU, normal(2, 3, 4))(mine)
    edf.clear()
    like(edf.ReLU, np.zeros((1, 2)))(mine)


def hidden_unbroadcast(mine):
    for full, shape in (((5, 4), (4,)), ((5, 4), (5, 1)), ((5, 4), (1, 4)), ((5, 4), ()),
                        ((1, 4), (1, 4)), ((2, 3, 4, 5), (3, 1, 5)), ((2, 3, 4), (1, 1, 4)),
                        ((3, 3), (3, 1)), ((7,), ()), ((), ())):
        grad = normal(*full) if full else np.array(1.5)
        expected = edf.unbroadcast(grad, shape)
        got = mine(grad, shape)
        require(np.shape(got) == shape, f"{full} to {shape}: got shape {np.shape(got)}")
        require(np.allclose(got, expected), f"{full} to {shape}: wrong numbers")


def hidden_select(mine):
    """Besides EDF's: the shape, as np.allclose would take () for (1,)."""
    for shape, index in ((4, 3), [2, 0, 1, 1]), ((3, 3), [0, 0, 2]), ((1, 5), [4]), ((1, 1), [0]):
        edf.clear()
        node = mine(edf.Param(normal(*shape)), edf.Input(index))
        edf.forward()
        require(node.value.shape == shape[:1], f"batch of {shape[0]}: shape {node.value.shape}")
        edf.clear()
        like(edf.Select, normal(*shape), inputs=(index,))(mine)


# Sections 7 and 8.

def random_network(B, D=4, H=5, K=3):
    """Return x, labels, W, b, V, c of a network with D inputs, H hidden units and K classes."""
    return (rng.normal(size=(B, D)), rng.integers(K, size=B), rng.normal(size=(D, H)),
            rng.normal(size=H), rng.normal(size=(H, K)), rng.normal(size=K))


def by_edf(x, labels, *weights):
    """Return h and y, and the gradients of W, b, V and c, from EDF's components."""
    edf.clear()
    W, b, V, c = params = [edf.Param(array) for array in weights]
    loss = nets.two_layers(edf.Input(x), edf.Input(labels), *params)
    edf.forward()
    edf.backward(loss)
    return (loss.scores.x.value, loss.p), [param.grad for param in params]


def hidden_forward(mine):
    for B in 1, 7:
        x, labels, *weights = random_network(B)
        for got, want in zip(mine(x, *weights), by_edf(x, labels, *weights)[0], strict=True):
            require(np.shape(got) == want.shape and np.allclose(got, want, rtol=1e-6), (got, want))
    x, labels, W, b, V, c = random_network(4)
    require(np.isfinite(mine(x, W, b, 1e4 * V, c)[1]).all(), "not finite for large scores")


def hidden_backward(mine):
    for B in 1, 2, 7:
        x, labels, W, b, V, c = random_network(B)
        (h, y), gradients = by_edf(x, labels, W, b, V, c)
        given = h.copy(), y.copy()
        results = mine(x, labels, *given, V)
        require(np.array_equal(given[0], h) and np.array_equal(given[1], y), "it writes into them")
        for got, want in zip(results, gradients, strict=True):
            require(np.shape(got) == want.shape and np.allclose(got, want, rtol=1e-6), (got, want))


def hidden_network(mine):
    for B, activation in (1, edf.Sigmoid), (7, edf.ReLU):
        x, labels, *weights = random_network(B)
        results = []
        for build in mine, nets.two_layers:
            edf.clear()
            params = [edf.Param(array) for array in weights]
            loss = build(edf.Input(x), edf.Input(labels), *params, activation)
            edf.forward()
            edf.backward(loss)
            results.append([loss.value.mean(), *(param.grad for param in params)])
        for got, want in zip(*results):
            require(np.allclose(got, want, rtol=1e-6), (got, want))


def hidden_baselines(mine):
    for labels in rng.integers(5, size=200), np.array([4, 4, 4]), 3 * rng.integers(3, size=50):
        got, right = mine(labels), nets.baselines(labels)
        require(np.allclose(got, right), (got, right))


def hidden_training(mine):
    x, labels = rng.normal(size=(45, 3)), rng.integers(2, size=45)
    for optimiser, options in (edf.SGD, {"lr": 0.3}), (edf.Adam, {"lr": 0.01}):
        for size in 10, 45, 64:
            results = []
            for run in mine, nets.fit:
                edf.seed(int(size))
                net = nets.mlp([3, 4, 2], edf.Tanh)
                losses = run(net, x, labels, optimiser(**options), 4, size=size)
                results.append([losses, *(param.value for param in edf.params)])
            for got, want in zip(*results):
                require(np.allclose(got, want, rtol=1e-6), (got, want))


# Sections 9 and 10.

def hidden_sgd(mine):
    """The same steps as EDF's, with a rate that changes, and a graph that is built later."""
    def train(descent):
        numbers = np.random.default_rng(7)
        sgd = descent(lr=0.3)
        edf.clear()
        x, labels = edf.Input(numbers.normal(size=(5, 4))), edf.Input([0, 2, 1, 1, 0])
        h = edf.Tanh(edf.Affine(x, edf.Param(numbers.normal(size=(4, 6))), edf.Param(np.ones(6))))
        scores = edf.Affine(h, edf.Param(numbers.normal(size=(6, 3))), edf.Param(np.zeros(3)))
        loss = edf.SoftmaxCrossEntropy(scores, labels)
        for sgd.lr in 0.3, 0.1, 1.0, 0.0:
            edf.forward()
            edf.backward(loss)
            sgd.step()
        return [param.value.copy() for param in edf.params]

    for got, expected in zip(train(mine), train(edf.SGD)):
        require(np.allclose(got, expected, rtol=1e-6))


def hidden_error_rate(mine):
    """The share that is counted one image at a time, for one image and for many."""
    for count, shape in (1, (28, 28)), (7, (3, 6)), (131, (8, 8)):
        images, labels = rng.random((count, *shape)), rng.integers(0, 10, count)
        net = nets.mlp([images[0].size, 12, 10], lambda h: edf.Dropout(edf.Tanh(h)))
        wrong = 0
        for image, label in zip(images, labels):
            with edf.evaluating():
                net.x.value, net.labels.value = image.reshape(1, -1), np.array([label])
                edf.forward()
            wrong += net.scores.value[0].argmax() != label
        before = [param.value.copy() for param in edf.params]
        with without(nets.error_rate):
            got = mine(net, images, labels)
        require(np.isclose(got, wrong / count, rtol=0, atol=1e-9))
        require(edf.training)
        for param, value in zip(edf.params, before):
            require((param.value == value).all())         # measuring is not learning


def hidden_sweep(mine):
    for values, seeds in (["a", "b", "c", "d"], range(5)), ([(3, 4)], [11]), ([2.5, 1], (4, 2, 9)):
        table = rng.random((len(values), len(seeds)))
        table[rng.random(table.shape) < 0.3] = np.nan
        places = {(value, seed): (i, j) for i, value in enumerate(values)
                  for j, seed in enumerate(seeds)}
        calls = []

        def run(value, seed, table=table, places=places, calls=calls):
            calls.append((value, seed))
            return table[places[value, seed]]

        got = mine(run, values, seeds)
        require(sorted(calls) == sorted(places))
        require(got.shape == table.shape)
        require(np.array_equal(got, table, equal_nan=True))


def hidden_choice(mine):
    for count in 2, 3, 6:
        for _ in range(20):
            values = list(rng.permutation(100)[:count])
            errors = rng.random((count, rng.integers(1, 5)))
            best = rng.integers(count)
            for i in range(count):                      # some are out, but not the best
                if i != best:
                    errors[i] += 1 - errors[i].mean() + rng.random()
                    if rng.random() < 0.4:
                        errors[i] = -5
                        errors[i, rng.integers(errors.shape[1])] = np.nan
            require(mine(values, errors) == values[best])


def hidden_spread(mine):
    for shape in (1, 2), (3, 5), (6, 4):
        errors = rng.random(shape)
        mean, sd = mine(errors)
        for row, m, s in zip(errors.tolist(), mean, sd, strict=True):
            expected = sum(row) / len(row)
            require(np.isclose(m, expected))
            require(np.isclose(s, (sum((e - expected) ** 2 for e in row) / (len(row) - 1)) ** 0.5))
        errors[0, 1] = np.nan
        mean, sd = mine(errors)
        require(np.isnan([mean[0], sd[0]]).all() and np.isfinite([*mean[1:], *sd[1:]]).all())


# Sections 11 to 13.

def same_steps(library, **options):
    """Return a test: does it move random parameters as EDF's does, with a rate that changes?"""
    starts, grads = [normal(3, 2), normal(4), normal()], normal(6, 3)

    def test(mine):
        ends = []
        for kind in library, mine:
            edf.clear()
            params = [edf.Param(start) for start in starts]
            optimiser = kind(lr=0.1, **options)
            for step, scale in enumerate(grads):
                optimiser.lr = 0.1 / (1 + step)
                for param, factor in zip(params, scale):
                    param.grad = factor * np.cos(param.value + step)
                optimiser.step()
            ends.append([param.value for param in params])
        for want, got in zip(*ends):
            require(np.allclose(got, want, rtol=1e-6))
    return test


def steps_from_scratch(optimiser):
    """A second optimiser of the same class must not know anything of the first."""
    for lr in 0.1, 0.1:
        edf.clear()
        w = edf.Param([1.0, -2.0])
        fresh = optimiser(lr=lr)
        w.grad = np.array([0.5, 0.25])
        fresh.step()
        got = w.value.copy()
    edf.clear()
    w = edf.Param([1.0, -2.0])
    w.grad = np.array([0.5, 0.25])
    optimiser(lr=0.1).step()
    require(np.array_equal(got, w.value))


def hidden_momentum(mine):
    same_steps(edf.SGD, momentum=0.7)(mine)
    steps_from_scratch(mine)


def hidden_rmsprop(mine):
    same_steps(edf.RMSProp)(mine)
    same_steps(edf.RMSProp, alpha=0.6, eps=0.3)(mine)
    steps_from_scratch(mine)


def hidden_adam(mine):
    same_steps(edf.Adam)(mine)
    same_steps(edf.Adam, betas=(0.5, 0.7), eps=0.3)(mine)
    steps_from_scratch(mine)


# Problem set 2: starting values, optimisers, regularisation.

def hidden_sd(mine):
    for fan_in, slope in zip(rng.integers(1, 5000, 20), rng.uniform(-1, 2, 20)):
        got = mine(int(fan_in), float(slope))
        require(np.isclose(got ** 2 * fan_in * (1 + slope ** 2), 2), f"{fan_in}, {slope}: {got}")
    require(np.isclose(mine(8), 0.5), "the default is a ReLU")


def hidden_nesterov(mine):
    same_steps(lambda lr, momentum: edf.SGD(lr, momentum, nesterov=True), momentum=0.7)(mine)
    steps_from_scratch(mine)


def hidden_adamw(mine):
    same_steps(edf.AdamW)(mine)
    same_steps(edf.AdamW, betas=(0.5, 0.7), eps=0.3, weight_decay=0.4)(mine)
    steps_from_scratch(mine)


def hidden_rate(mine):
    for steps, warm in (10, 0), (37, 5), (400, 100):
        lr = rng.uniform(0.1, 2)
        for step in range(steps + 1):
            got, want = mine(step, steps, lr, warm), nets.rate(step, steps, lr, warm)
            require(abs(got - want) < 1e-9, f"step {step} of {steps}, warm {warm}: {got}, {want}")


def hidden_stopping(mine):
    for count, patience in (1, 1), (30, 1), (30, 3), (30, 8), (30, 50):
        for _ in range(20):
            errors = (rng.integers(1, 40, count) / 40 + np.linspace(0.5, 0, count)).tolist()
            got = tuple(map(int, mine(list(errors), patience)))
            want = nets.stopping(errors, patience)
            require(got == want, f"{errors}, patience {patience}: {got}, expected {want}")


def hidden_dropout(mine):
    for p in 0.0, 0.35, 0.8:
        edf.clear()
        x = 2 + rng.random((60, 50))
        node = mine(edf.Param(x), p=p)
        edf.forward()
        edf.backward(node)
        m, kept = node.value / x, 1 / (1 - p)
        require(np.isclose(np.where(m == 0, kept, m), kept).all(), f"p = {p}: scale")
        require(abs((m == 0).mean() - p) < 0.05, f"p = {p}: share of zeros")
        require(np.allclose(edf.params[0].grad * x.size, m), f"p = {p}: gradient")
    with edf.evaluating():
        edf.forward()
        edf.backward(node)
    require(np.allclose(node.value, x) and np.allclose(edf.params[0].grad * x.size, 1),
            "in evaluation")


def hidden_penalty(mine):
    for shapes in ((3, 4), (4,)), ((1, 2), (2, 5), (5, 3)):
        edf.clear()
        weights = [edf.Param(normal(*shape)) for shape in shapes]
        loss = edf.Param(normal(6)) * edf.Param(normal(6))
        node = mine(loss, weights, 0.7)
        edf.forward()
        extra = 0.35 * sum((w.value ** 2).sum() for w in weights)
        require(np.allclose(node.value, loss.value + extra), "value")
        edf.backward(node)
        for w in weights:
            require(np.allclose(w.grad, 0.7 * w.value), "gradient")


def hidden_moved(mine):
    """Every result is one of the forms, and the forms are equally frequent: 450 of 18."""
    images = np.abs(normal(450, 3, 5, 6)) + 0.1
    forms = [(down, right, mirror) for down in (-1, 0, 1) for right in (-1, 0, 1)
             for mirror in (False, True)]
    got, counts = mine(images.copy(), 1), dict.fromkeys(forms, 0)
    for image, result in zip(images, got, strict=True):
        found = [form for form in forms if np.array_equal(placed(image, *form), result)]
        require(len(found) == 1, "an image is none of its moved and mirrored forms")
        counts[found[0]] += 1
    require(min(counts.values()) >= 5 and max(counts.values()) <= 60, f"{counts}")
    require(mine(images[:3], 2).shape == (3, 3, 5, 6), "shape")


def placed(image, down, right, mirror):
    """Return an image (C, H, W), mirrored or not, and then moved, with zeros beside it."""
    image = image[:, :, ::-1] if mirror else image
    height, width = image.shape[1:]
    empty = np.zeros_like(image)
    rows, columns = np.arange(height) - down, np.arange(width) - right
    inside = np.ix_(np.arange(len(image)), (rows >= 0) & (rows < height),
                    (columns >= 0) & (columns < width))
    rows, columns = rows[(rows >= 0) & (rows < height)], columns[(columns >= 0) & (columns < width)]
    empty[inside] = image[:, rows][:, :, columns]
    return empty


# Problem set 2: normalization, convolution, networks.


def hidden_batchnorm(mine):
    for rows in 2, 3, 8:
        like(edf.BatchNorm, normal(rows, 5), normal(5), normal(5))(mine)
    like(edf.BatchNorm, 100 + normal(6, 4), normal(4), normal(4), eps=0.7)(mine)
    like(edf.BatchNorm, np.ones((4, 2)), normal(2), normal(2), eps=0.1)(mine)   # constant columns


def hidden_max_pool(mine):
    for shape, size, stride in (((1, 1, 4, 4), 2, None), ((2, 3, 7, 6), 3, 2),
                                ((3, 2, 6, 7), 3, 1), ((1, 2, 5, 5), 2, 3)):
        like(edf.MaxPool2d, normal(*shape), size=size, stride=stride)(mine)


def hidden_conv(mine):
    like(edf.Conv2d, normal(1, 1, 5, 5), normal(1, 1, 3, 3), normal(1))(mine)
    like(edf.Conv2d, normal(2, 3, 6, 5), normal(4, 3, 3, 3), normal(4), stride=2, padding=1)(mine)
    like(edf.Conv2d, normal(3, 2, 5, 7), normal(5, 2, 2, 3), normal(5))(mine)


def hidden_conv1d(mine):
    for (rows, n), k in ((2, 7), 3), ((1, 4), 4), ((5, 6), 1), ((3, 9), 2):
        edf.clear()
        x, w, twin, kernel = (edf.Param(array) for array in 2 * (normal(rows, n), normal(k)))
        y = mine(x, w)
        image = edf.Reshape(twin, (rows, 1, 1, n))
        want = edf.Conv2d(image, edf.Reshape(kernel, (1, 1, 1, k)), edf.Input([0.0]))
        dy = normal(rows, n - k + 1)
        edf.forward()
        require(np.allclose(y.value, want.value[:, 0, 0]), "value")
        loss = edf.Sum(y * edf.Input(dy)) + edf.Sum(want * edf.Input(dy[:, None, None]))
        edf.forward()
        edf.backward(loss)
        require(np.allclose(x.grad, twin.grad) and np.allclose(w.grad, kernel.grad), "gradient")


def hidden_residual(mine):
    def layer(h, n_in, n_out, k):
        numbers = np.random.default_rng(100 * n_in + 10 * n_out + k)
        w = edf.Param(numbers.normal(size=(n_out, n_in, k, k)))
        return edf.Conv2d(h, w, edf.Param(numbers.normal(size=n_out)), padding=k // 2)

    for n_in, n_out in (2, 2), (2, 3), (3, 1):
        results = []
        start = normal(2, n_in, 4, 5)
        for build in mine, nets.residual:
            edf.clear()
            x = edf.Param(start)
            node = build(x, n_in, n_out, layer)
            edf.forward()
            edf.backward(node)
            results += [node.value, x.grad]
        require(np.allclose(results[0], results[2]), f"value, {n_in} to {n_out} channels")
        require(np.allclose(results[1], results[3]), f"gradient, {n_in} to {n_out} channels")


# Problem set 2: diagnoses, and the best network.

def hidden_diagnosis(mine):
    require(mine() == {name: cause for name, cause in nets.PATIENTS.items() if cause})


def hidden_suspect_data(mine):
    for count in 7, 50:
        images = np.arange(count, dtype=float)[:, None, None, None] ** 2 + (
            np.arange(6).reshape(1, 2, 3))
        labels, others = rng.integers(0, 10, count), normal(4, 1, 2, 3)
        got, classes, test = mine(images.copy(), labels.copy(), others.copy())
        order = np.argsort(np.argsort(got[:, 0, 0, 0]))
        require(np.array_equal(labels[order], classes), "labels of other images")
        require(np.allclose(got, (images[order] - images.mean()) / images.std()), "images")
        require(np.allclose(test, (others - images.mean()) / images.std()), "test images")


def hidden_suspect_training(mine):
    digits = load("digits")
    half = len(digits.train_labels) // 4
    part = digits._replace(train_images=digits.train_images[half:],
                           train_labels=digits.train_labels[half:])
    checks.EXERCISES["suspect_training"].test(mine, part)


def hidden_best_convnet(mine):
    digits = load("digits")
    images, others = (part[:, None] * np.float32(3) - np.float32(0.5)
                      for part in (digits.train_images[400:], digits.test_images))
    net = mine(images, digits.train_labels[400:], 3)
    error = (nets.answers(net, others) != digits.test_labels).mean()
    require(error <= 0.2, f"after three epochs on 997 other digits, {error:.1%} are wrong")


# Section 14.

def similarity(queries, keys):
    return queries @ edf.Transpose(keys)


def repeated(x, copies):
    return edf.Expand(x, (len(x.value), copies))


def hidden_jacobian(mine):
    for k in 1, 2, 5:
        o = rng.normal(size=k)
        y = np.exp(o) / np.exp(o).sum()
        require(np.allclose(mine(o.copy()), np.diag(y) - np.outer(y, y), atol=1e-9), f"{k} scores")


# Section 16.

def hidden_best_net(mine):
    digits = load("digits")
    half = len(digits.train_labels) // 2
    net = mine(digits.train_images[half:], digits.train_labels[half:])
    error = nets.error_rate(net, digits.test_images, digits.test_labels)
    require(error <= 0.2, f"after training on {half} other digits, {error:.1%} are wrong")


# Problem set 3.

def causal(length):
    """Return the mask of -inf above the diagonal."""
    return np.where(np.tri(length) == 1, 0, -np.inf)


def hidden_bigrams(mine):
    for count, length in (7, 200), (3, 2):
        numbers = rng.integers(count, size=length)
        table = np.ones((count, count))
        for i, j in zip(numbers, numbers[1:]):
            table[i, j] += 1
        require(np.allclose(mine(numbers, count), table / table.sum(axis=1, keepdims=True)))


def joined(build):
    """Return a function that puts all that `build` returns beside each other."""
    def together(*inputs, **options):
        return edf.Concat(*build(*inputs, **options), axis=1)
    return together


def hidden_rnn(mine):
    for steps in 1, 4:
        like(joined(sequences.rnn), normal(3, 4, 2), normal(1, 5), normal(2, 5), normal(5, 5),
             normal(5), steps=steps)(joined(mine))


def hidden_lstm(mine):
    for B, D, H in (3, 2, 5), (1, 1, 1):
        like(joined(sequences.lstm), normal(B, D), normal(B, H), normal(B, H), normal(D, 4 * H),
             normal(H, 4 * H), normal(4 * H))(joined(mine))


def hidden_gru(mine):
    for B, D, H in (3, 2, 5), (1, 1, 1):
        like(sequences.gru, normal(B, D), normal(B, H), normal(D, 3 * H), normal(H, 3 * H),
             normal(3 * H))(mine)


def hidden_attention(mine):
    for B, T, D in (2, 4, 3), (1, 5, 2):
        like(sequences.attention, normal(B, T, D), normal(B, T, D), normal(B, T, D),
             inputs=[causal(T)], width=D)(mine)
        like(sequences.attention, normal(B, T, D), normal(B, T, D), normal(B, T, D),
             inputs=[normal(T, T)], width=D)(mine)


def hidden_mask(mine):
    for length in 1, 2, 9:
        require(np.array_equal(np.asarray(mine(length), float), causal(length)))


def hidden_sees_later(mine):
    weights = rng.normal(size=(7, 7))
    for _ in range(10):
        i, j = sorted(rng.choice(7, 2, replace=False))
        for row, column in (i, j), (j, i), (0, 1), (5, 6):
            mix = np.tril(weights)
            mix[row, column] = 1e-4 + weights[row, column] ** 2
            got = mine(lambda x, mix=mix: np.tanh(mix @ x), rng.normal(size=(7, 2)))
            require(bool(got) == (column > row), f"row {row} of {column}: {got}")
    mix = np.tril(weights)
    require(not mine(lambda x: mix @ x + 1e-14 * x[-1], rng.normal(size=(7, 2))), "rounding")


def hidden_heads(mine):
    def with_mask(build, T):
        return lambda *inputs, count: build(*inputs, count, edf.Input(causal(T)))

    for B, T, D, count in (2, 3, 6, 3), (1, 4, 4, 1), (3, 2, 4, 4):
        like(with_mask(sequences.heads, T), normal(B, T, D), *(normal(D, D) for _ in range(4)),
             count=count)(with_mask(mine, T))


def hidden_block(mine):
    def run(build):
        def block(x, w, w1, b1, w2, b2):
            norms = [lambda x: edf.Tanh(x), lambda x: edf.Sigmoid(x)]
            return build(x, lambda x: edf.MatMul(x, w), norms, w1, b1, w2, b2)
        return block

    for D in 3, 1:
        like(run(sequences.block), normal(2, 4, D), normal(D, D), normal(D, 4 * D), normal(4 * D),
             normal(4 * D, D), normal(D))(run(mine))


def hidden_gpt(mine):
    """The same number of parameters, causal, with positions, and it learns to copy."""
    sizes = {"letters": 7, "width": 12, "count": 3, "layers": 2, "length": 8}
    sequences.gpt(**sizes)
    want = sorted(param.value.shape for param in edf.params)
    net = mine(**sizes)
    require(sorted(param.value.shape for param in edf.params) == want, "shapes of the parameters")
    numbers = rng.integers(7, size=(3, 8))

    def scores(numbers):
        net.x.value, net.labels.value = numbers, np.zeros(numbers.size, int)
        edf.forward()
        return net.scores.value.reshape(*numbers.shape, 7).copy()

    before = scores(numbers)
    later = np.where(np.arange(8) > 4, (numbers + 1) % 7, numbers)
    require(np.allclose(scores(later)[:, :5], before[:, :5]), "it looks ahead")
    require(not np.allclose(scores(later)[:, 5:], before[:, 5:]), "it looks at nothing")
    same = np.full((1, 8), 3)
    require(np.ptp(scores(same)[0], axis=0).max() > 1e-9, "places make no difference")
    first = [node.p if hasattr(node, "p") else node.value for node in edf.components
             if hasattr(node, "p") or isinstance(node, edf.Softmax)][0]
    require(first.size == 3 * 8 * 8 and np.ptp(first.reshape(-1, 8)[-1]) > 1e-6, "heads or places")
    saved = {param: param.value for param in edf.params}
    named = {param.value.shape: param.value for param in edf.params}
    for param, value in saved.items():
        param.value = value * (value.shape not in ((12, 12), (48, 12)))     # blocks add nothing
    rows = named[7, 12][numbers] + named[8, 12]
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows /= (rows.var(axis=-1, keepdims=True) + 1e-5) ** 0.5
    require(np.allclose(scores(numbers), rows @ named[12, 7] + named[7,], atol=1e-6), "its parts")
    for param, value in saved.items():
        param.value = value
    adam = edf.Adam(lr=0.02)
    for _ in range(60):
        net.x.value, net.labels.value = numbers, np.roll(numbers, 1, axis=1).reshape(-1)
        edf.forward()
        edf.backward(net.loss)
        adam.step()
    require(net.loss.value.reshape(3, 8)[:, 1:].mean() < 0.5, "it does not learn the letter before")


def hidden_chances(mine):
    for temperature, top_k in (1.0, None), (0.3, 4), (3.0, 1), (1.5, 9):
        scores = rng.normal(size=9) * 50
        kept = scores if top_k is None else np.where(
            np.argsort(np.argsort(-scores)) < top_k, scores, -np.inf)
        p = np.exp(kept / temperature - (kept / temperature).max())
        require(np.allclose(mine(scores, temperature, top_k), p / p.sum(), atol=1e-9))


def hidden_local_mask(mine):
    for length, reach in (6, 2), (3, 1), (7, 7):
        for i, row in enumerate(np.asarray(mine(length, reach), float)):
            right = [0 if i - reach < j <= i else -np.inf for j in range(length)]
            require(np.array_equal(row, right))


def unmasked(q, k, v, width):
    """Build attention without a mask."""
    return sequences.attention(q, k, v, edf.Input(np.zeros((q.value.shape[1],) * 2)), width)


def hidden_pairs(mine):
    for n in 1, 3, 8:
        name = rng.integers(1, 27, n)
        inputs, targets = mine(name)
        require(np.array_equal(inputs, [0, *name]) and np.array_equal(targets, [*name, 0]))


def hidden_rows(mine):
    x = rng.integers(6, size=(3, 5))

    def build(table, places):
        return mine(edf.Input(x), table, places)

    def right(table, places):
        return edf.Add(edf.Embedding(table, edf.Input(x)), places)

    like(right, normal(6, 2), normal(5, 2))(build)


def hidden_losses(mine):
    edf.seed(int(rng.integers(100)))
    params = sequences.recurrent_params(6, 3, 4, 3, 1)
    net = sequences.recurrent(sequences.gru, params, 1, 4)
    numbers = rng.integers(6, size=(4, 3, 5))
    batches = [(rows[:, :-1], rows[:, 1:].reshape(-1)) for rows in numbers]
    want = []
    for net.x.value, net.labels.value in batches:
        edf.forward()
        want.append(net.loss.value.mean())
    net.starts[0].value = normal(1, 4)
    require(np.allclose(mine(net, batches), want) and np.allclose(
        mine(net, batches[::-1]), want[::-1]))


def hidden_scores(mine):
    net = sequences.gpt(6, 8, 2, 1, 5, norm=lambda width: edf.Dropout)
    x = rng.integers(6, size=5)
    with edf.evaluating():
        net.x.value, net.labels.value = x[None], np.zeros(5, int)
        edf.forward()
    want = net.scores.value[-1].copy()
    net.x.value = (x[None] + 1) % 6
    edf.forward()
    require(np.allclose(mine(net, x), want) and edf.training)
    with edf.evaluating():
        require(np.allclose(mine(net, x), want) and not edf.training)


def hidden_best_model(mine):
    text = load_text()[100_000:160_000]
    letters = letters_of(text)
    numbers = encode(text, letters)
    edf.dtype = np.float32
    net, length = mine(numbers[:50_000], len(letters), 5)
    require(sum(param.value.size for param in edf.params) <= 100_000, "too many parameters")
    loss = sequences.validation_loss(net, numbers[50_000:], length) / np.log(2)
    require(loss <= 4.2, f"after five seconds on another text it has {loss:.2f} bits a letter")


HIDDEN = {
    "my_prediction": hidden_prediction,
    "my_graph": hidden_graph,
    "my_gradients": hidden_gradients,
    "my_second_derivative": hidden_second_derivative,
    "my_naive_rule": hidden_naive_rule,
    "my_slope": hidden_slope,
    "my_numeric_gradient": hidden_numeric_gradient,
    "my_check": hidden_check,
    "MyTanh": each(like(edf.Tanh, normal(3, 4)), like(edf.Tanh, normal(1, 2, 3))),
    "MyReLU": hidden_relu,
    "MyDivide": each(like(edf.Div, normal(3, 4), positive(3, 4)),
                     like(edf.Div, normal(2, 1, 3), -positive(2, 1, 3))),
    "MyAffine": each(like(edf.Affine, normal(4, 2), normal(2, 5), normal(5)),
                     like(edf.Affine, normal(1, 3), normal(3, 3), normal(3)),
                     like(edf.Affine, normal(3, 3), normal(3, 3), normal(3))),
    "my_unbroadcast": hidden_unbroadcast,
    "MyNormalize": each(like(edf.Normalize, positive(4, 3)), like(edf.Normalize, positive(1, 6)),
                        like(edf.Normalize, -positive(3, 3))),
    "MySelect": hidden_select,
    "MyRowSum": each(like(row_sum, normal(4, 3)), like(row_sum, normal(3, 3)),
                     like(row_sum, normal(1, 5))),
    "MySoftmax": each(like(edf.Softmax, normal(4, 5)), like(edf.Softmax, normal(3, 3)),
                      like(edf.Softmax, 5 * normal(1, 4))),
    "MySoftmaxCrossEntropy": each(
        like(edf.SoftmaxCrossEntropy, normal(4, 3), inputs=([2, 0, 1, 1],)),
        like(edf.SoftmaxCrossEntropy, 3 * normal(3, 3), inputs=([1, 1, 0],)),
        like(edf.SoftmaxCrossEntropy, normal(1, 6), inputs=([5],))),
    "my_forward": hidden_forward,
    "my_backward": hidden_backward,
    "my_network": hidden_network,
    "my_baselines": hidden_baselines,
    "my_training": hidden_training,
    "MySGD": hidden_sgd,
    "my_error_rate": hidden_error_rate,
    "my_sd": hidden_sd,
    "my_sweep": hidden_sweep,
    "my_choice": hidden_choice,
    "my_spread": hidden_spread,
    "MyMomentum": hidden_momentum,
    "MyNesterov": hidden_nesterov,
    "MyRMSProp": hidden_rmsprop,
    "MyAdam": hidden_adam,
    "MyAdamW": hidden_adamw,
    "my_rate": hidden_rate,
    "my_stopping": hidden_stopping,
    "MyDropout": hidden_dropout,
    "my_penalty": hidden_penalty,
    "my_moved": hidden_moved,
    "my_composed_batchnorm": hidden_batchnorm,
    "MyBatchNorm": hidden_batchnorm,
    "MyConv1d": hidden_conv1d,
    "MyMaxPool2d": hidden_max_pool,
    "MyConv2d": hidden_conv,
    "my_residual": hidden_residual,
    "my_diagnosis": hidden_diagnosis,
    "suspect_data": hidden_suspect_data,
    "suspect_training": hidden_suspect_training,
    "my_best_convnet": hidden_best_convnet,
    "my_bigrams": hidden_bigrams,
    "MyEmbedding": each(like(edf.Embedding, normal(6, 4), inputs=([[5, 0, 0], [2, 5, 5]],)),
                        like(edf.Embedding, normal(3, 1), inputs=([2, 2, 2, 2],))),
    "my_rnn": hidden_rnn,
    "my_lstm": hidden_lstm,
    "my_gru": hidden_gru,
    "my_attention": hidden_attention,
    "MyAttention": each(
        like(sequences.Attention, normal(2, 4, 3), normal(2, 4, 3), normal(2, 4, 5),
             inputs=[causal(4)]),
        like(sequences.Attention, *(normal(2, 3, 5, 2) for _ in range(3)),
             inputs=[np.zeros((5, 5))])),
    "my_mask": hidden_mask,
    "my_sees_later": hidden_sees_later,
    "my_heads": hidden_heads,
    "my_block": hidden_block,
    "my_gpt": hidden_gpt,
    "my_chances": hidden_chances,
    "suspect_mask": hidden_local_mask,
    "suspect_attention": each(
        like(unmasked, *(normal(2, 4, 3) for _ in range(3)), width=3),
        like(unmasked, *(normal(1, 5, 2) for _ in range(3)), width=2)),
    "suspect_pairs": hidden_pairs,
    "suspect_rows": hidden_rows,
    "suspect_losses": hidden_losses,
    "suspect_scores": hidden_scores,
    "my_best_model": hidden_best_model,
    "SuspectReLU": each(like(edf.ReLU, normal(4, 3)), like(edf.ReLU, normal(1, 5)),
                           like(edf.ReLU, normal(2, 3, 4))),
    "suspect_layer": each(like(edf.Affine, normal(5, 3), normal(3, 2), normal(2)),
                             like(edf.Affine, normal(1, 4), normal(4, 3), normal(3))),
    "SuspectMatMul": each(like(edf.MatMul, normal(5, 2), normal(2, 3)),
                             like(edf.MatMul, normal(1, 4), normal(4, 4))),
    "SuspectSimilarity": each(like(similarity, normal(4, 2), normal(3, 2)),
                                 like(similarity, normal(1, 3), normal(5, 3))),
    "SuspectRepeat": each(like(repeated, normal(4, 1), copies=3),
                             like(repeated, normal(1, 1), copies=7)),
    "SuspectNormalize": each(like(edf.Normalize, rng.uniform(0.3, 2, (4, 5))),
                                like(edf.Normalize, rng.uniform(0.3, 2, (1, 3)))),
    "suspect_jacobian": hidden_jacobian,
    "SuspectCrossEntropy": each(
        like(edf.CrossEntropy, probabilities(5, 4), inputs=[np.array([3, 0, 1, 1, 2])]),
        like(edf.CrossEntropy, probabilities(1, 3), inputs=[np.array([2])])),
    "SuspectSoftmax": each(like(edf.Softmax, normal(4, 5)), like(edf.Softmax, normal(1, 3))),
    "my_best_net": hidden_best_net,
}
