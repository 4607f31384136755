"""Problem set 1: EXERCISES, at the end, is the list of its exercises with their tests."""

import numbers
import re

import numpy as np

import edf
from edf_tools.check import alone
from mnist_loader import load
from problem_sets import nets
from problem_sets.checks import (
    Exercise,
    component_test,
    d_methods,
    require,
    require_return,
    value_and_gradient,
)
from problem_sets.nets import Net, error_rate, mlp

# The tests.

def prediction_test(mine):
    p, q = edf.Param(2.0), edf.Param(-3.0)
    loss = p * q + p
    edf.forward()
    edf.backward(loss)
    truth = {"loss.value": float(loss.value), "p.grad": float(p.grad), "q.grad": float(q.grad)}
    guesses = mine()
    require(edf.components and edf.components[-1] is loss,
            "predict on paper: build no graph here, and return three numbers")
    require(isinstance(guesses, tuple | list | np.ndarray) and len(guesses) == 3 and all(
            np.ndim(guess) == 0 and np.asarray(guess).dtype.kind in "iuf" for guess in guesses),
            f"it returned {guesses}, but three numbers are asked for")
    for (name, value), guess in zip(truth.items(), guesses):
        require(guess == value, f"{name} is not {guess}")
    return "all three numbers are what EDF computes"


def graph_test(mine):
    at = np.array([0.0, 0.5, -1.0])
    said = component_test(at, [0.0, 0.2708402, -0.9913289])(mine)

    def total(x):                       # of a new graph, so that both paths start from this x
        edf.clear()
        node = mine(edf.Param(x))
        edf.forward()
        return node.value.sum()

    want = nets.numeric_gradient(total, at)
    edf.clear()
    x = edf.Param(at)
    loss = edf.Sum(mine(x))
    edf.forward()
    edf.backward(loss)
    require(np.allclose(x.grad, want, atol=1e-6),
            f"x.grad is {x.grad.round(7).tolist()}, expected {want.round(7).tolist()}\none of the "
            "two paths from x is cut: use x itself in both places, not its .value or a new Param")
    return said


def my_gradients_test(mine):
    def simple():                       # on two paths, one longer than the other
        x = edf.Param([0.5, -1.0, 2.0], "x")
        return x * edf.Exp(edf.Tanh(x))

    def used_twice():
        x = edf.Param([[1.0, 2.0, -0.5], [3.0, -1.0, 0.5]], "x")
        return x * x * edf.Input([[1.0, 0.5, -2.0], [2.0, 1.0, 0.25]])

    def short_path_first():
        h = edf.Exp(edf.Param([0.5, -1.0, 2.0], "x"))
        return h * edf.Tanh(h)

    def long_path_first():
        h = edf.Exp(edf.Param([0.5, -1.0, 2.0], "x"))
        return edf.Tanh(h) * h

    def shared_array():                 # the gradient of a Reshape is a view of its own
        x = edf.Param([1.0, 2.0])
        y = edf.Sigmoid(x)
        return y * edf.Reshape(x, (2,))

    incomplete = ("\nfor {}, where h = Exp(x) is used twice: its gradient must be complete before "
                  "it is passed on: walk edf.components from its end, and do not follow the inputs")
    twice = "\nx is used twice: are both of its shares in it?"
    hints = {simple: twice, used_twice: twice, short_path_first: incomplete.format("h * Tanh(h)"),
             long_path_first: incomplete.format("Tanh(h) * h"),
             shared_array: "\nit was right, but then changed in place: add with p + q, not with +="}
    for build in simple, used_twice, short_path_first, long_path_first, shared_array:
        edf.clear()
        loss = build()
        edf.Exp(edf.params[0])          # built after the loss, and not on the way to it
        edf.forward()
        try:
            got = mine(loss, nets.shares)
        except KeyError as error:
            error.add_note("if it has no gradient, it does not lead to the loss: skip it")
            raise
        require_return(got, dict)
        for key in got:
            require(isinstance(key, edf.Component), f"{key!r} is a key of the dictionary: the keys "
                    "are the components themselves, as in gradients[loss]")
        for node in edf.components:
            require(node.grad is None,
                    f"it has set {edf.label(node)}.grad: use the dictionary only")
        edf.backward(loss)
        for node in reversed(edf.components):
            if node.grad is None:
                continue
            require(node in got, f"{node} got no gradient: is the list walked from its end?")
            same_gradient(edf.label(node), got[node], node.grad, loss, hints.get(build, ""))
    return "all gradients of five graphs are those of edf.backward"


def same_gradient(name, got, want, loss, hint):
    """Compare one gradient with that of edf.backward."""
    got = np.asarray(got)
    require(got.shape == want.shape,
            f"the gradient of {name} has shape {got.shape}, but its value has shape {want.shape}")
    if np.allclose(got, want * loss.value.size):
        hint = f"\ndifferentiate the mean of the loss: start with 1 / {loss.value.size}"
    require(np.allclose(got, want, atol=1e-9),
            f"the gradient of {name} is {got.round(6).tolist()}, "
            f"expected {want.round(6).tolist()}{hint}")


def require_number(got):
    """Refuse a result that is not one finite number."""
    require(got is not None, "it returned None: is its return missing?")
    require(np.shape(got) == () and np.isfinite(got),
            f"it returned {np.asarray(got).tolist()}, expected one number")


def numeric_gradient_test(mine):
    weights = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
    x = np.array([[0.3, -1.0, 2.0], [1.5, 0.1, -0.7]])

    def squares(x):
        return (weights * x ** 2).sum()             # of which the gradient is 2 weights x

    def product(x):
        return np.prod(x)                           # every slope depends on all other entries

    def constant(x):
        return 7.0

    numbers = np.array([2.0, 3.0, -1.0, 0.5])
    for function, at, want in ((squares, x, [[0.6, 4, 12], [1.5, 0.8, 1.4]]),
                               (product, numbers, [-1.5, -1.0, 3.0, -6.0]),
                               (constant, numbers, [0, 0, 0, 0]),
                               (np.cos, np.array(1.0), -0.84147098)):
        before = at.copy()
        got = mine(function, at)
        require_return(got, np.ndarray)
        require((at == before).all(), f"it has changed x from {before.tolist()} to {at.tolist()}\n"
                "two copies are needed, one to move up and one to move down")
        require(got.shape == at.shape,
                f"x has shape {at.shape}, but the result has shape {got.shape}")
        wrong = np.argwhere(~np.isclose(got, want, atol=1e-7))
        if len(wrong):
            entry = tuple(wrong[0].tolist())
            hint = ("\nmove one entry only" if np.allclose(got, np.sum(want), atol=1e-5)
                    else "" if got.any() else "\nare up and down two copies?")
            raise AssertionError(
                f"for the function {function.__name__}, entry {entry} is {got[entry]:.7g}, "
                f"expected {np.asarray(want)[entry]:.7g}{hint}")
    got = mine(lambda x: (x ** 3).sum(), np.array([1.0, 2.0]), h=0.1)
    require(np.allclose(got, [3.01, 12.01], atol=1e-9),
            f"for sum x^3 at (1, 2) with h = 0.1 it gives {got.tolist()}, expected [3.01, 12.01]\n"
            "is h used, on both sides?")
    return "four gradients right, and x is as it was"


class Halves(edf.Component):
    """y_i = 2 x_i - (mean of the row), with its gradient: every entry depends on its row."""

    def f(self, x):
        return 2 * x - x.mean(axis=-1, keepdims=True)

    def dx(self, dy, x):
        return 2 * dy - dy.mean(axis=-1, keepdims=True)


class Large(edf.Sigmoid):
    """A million times the sigmoid, with its gradient: absolute errors are large."""

    def f(self, x):
        return 1e6 * super().f(x)

    def dx(self, dy, x):
        return dy * self.value * (1 - self.value / 1e6)


class RowSum(edf.Component):
    """The sum of each row, with its gradient: the value has another shape than x."""

    def f(self, x):
        return x.sum(axis=-1)

    def dx(self, dy, x):
        return dy[..., None] * np.ones(x.shape)


class NoUpstream(edf.Sigmoid):
    """a backward without the upstream gradient dy"""

    def dx(self, dy, x):
        return super().dx(np.ones_like(dy), x)


class MissingFactor(edf.Sigmoid):
    """a backward with a missing factor"""

    def dx(self, dy, x):
        return dy * self.value


class WrongSign(edf.Sigmoid):
    """a backward with the wrong sign"""

    def dx(self, dy, x):
        return -super().dx(dy, x)


class TooLow(edf.Sigmoid):
    """a backward that gives 0.1 too little everywhere"""

    def dx(self, dy, x):
        return super().dx(dy, x) - 0.1


class TooHigh(edf.Sigmoid):
    """a backward that gives 0.1 too much everywhere"""

    def dx(self, dy, x):
        return super().dx(dy, x) + 0.1


class AlongTheRow(Halves):
    """a backward that is right only where dy is the same along a row"""

    def dx(self, dy, x):
        return dy


class OneEntry(edf.Sigmoid):
    """a backward that is wrong in one entry"""

    def dx(self, dy, x):
        grad = super().dx(dy, x)
        grad[-1, 0] *= 1.5
        return grad


class Small(edf.Sigmoid):
    """a backward that is wrong by the factor 1.01, of values near 1e-6,"""

    def f(self, x):
        return 1e-6 * super().f(x)

    def dx(self, dy, x):
        return 1.01 * dy * self.value * (1 - 1e6 * self.value)


class Claim(edf.Component):
    """The sum of all w x, with c claimed to be its gradient, where w would be right."""

    def f(self, x, w, c):
        return (w * x).sum()

    def dx(self, dy, x, w, c):
        return dy * c


def checker_test(mine):
    x = np.array([[-1.0, 0.3, 0.8], [0.5, -0.4, 1.2]])

    def error(kind):
        edf.clear()
        zeros = "for ReLU the error is nan: divide by the largest entry of the whole gradient"
        try:
            got = mine(kind, x.copy(), nets.numeric_gradient)
        except RuntimeWarning as warning:
            if kind is edf.ReLU:
                warning.add_note(zeros)
            raise
        require(kind is not edf.ReLU or got is None or not np.isnan(got).any(), zeros)
        require_number(got)
        return got

    rights = {"Sigmoid": edf.Sigmoid, "ReLU": edf.ReLU,
              "a component whose entries depend on the whole row": Halves,
              "a component that sums rows": RowSum, "1,000,000 times Sigmoid": Large}
    bugs = NoUpstream, MissingFactor, WrongSign, TooLow, TooHigh, AlongTheRow, OneEntry, Small
    for words, kind in rights.items():
        found = error(kind)
        hint = ("\nis the error relative?" if kind is Large
                else "\nis param.value x again when backward runs?" if abs(found) < 1e-4 else "")
        require(abs(found) < 1e-6, f"the gradient of {words} is right, but the error is "
                                   f"{found:.1e}, expected less than 1e-6{hint}")
    for kind in bugs:
        found = error(kind)
        hint = "\nall differences are negative: is abs taken before max?" if found < 0 else ""
        require(found > 1e-3, f"planted bug slipped through: {kind.__doc__} has the "
                              f"error {found:.1e}, expected more than 1e-3{hint}")
    small, large = [[1, -2, 3], [0.5, -4, 1]], [[1, -2, 3], [0.5, -8, 2]]
    for w, c in (small, large), (large, small):
        found = error(lambda x, w=w, c=c: Claim(x, edf.Input(w), edf.Input(c)))
        require(abs(found - 0.5) < 1e-6, f"if backward gives {c} in place of {w}, the error is "
                f"{found:.4g}, expected 4 / 8: the largest difference, divided by the largest "
                "entry of both")
    return "five right gradients accepted, eight planted bugs found, two errors exact"


def relu_test(component):
    said = component_test(x=[[-2.0, -0.5, 1.5], [0.5, 2.0, -1.0]],
                          y=[[0, 0, 1.5], [0.5, 2.0, 0]])(component)
    kink = component(edf.Param([0.0]))
    edf.forward()
    edf.backward(kink)
    require(kink.x.grad == 0, f"at the kink x = 0 the gradient is {kink.x.grad[0]}, expected 0")
    return said


def divide_test(component):
    for a, b, y in (
            ([[1.0, -2.0, 6.0], [3.0, 4.0, -5.0]], [[2.0, 4.0, -3.0], [-1.0, 0.5, 2.0]],
             [[0.5, -0.5, -2.0], [-3.0, 8.0, -2.5]]),
            ([[1.0, 2.0, -3.0]], [[4.0, -5.0, 0.8]], [[0.25, -0.4, -3.75]])):
        said = value_and_gradient(component(edf.Param(a), edf.Param(b)), y)
    return said


def affine_test(component):
    for x, w, b, y in (
            ([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]],              # (2, 3), (3, 4) and (4,)
             [[2.0, 1.0, 0.0, -1.0], [0.5, -1.0, 1.5, 3.0], [4.0, 3.0, -2.0, 0.0]],
             [1.0, 2.0, 3.0, 4.0], [[4.0, 6.5, -1.0, -3.0], [3.0, 2.0, 5.0, 1.0]]),
            ([[1.0, 2.0, -1.0]], [[2.0], [0.5], [4.0]], [1.0], [[0.0]]),
            ([[1.0, 2.0], [-3.0, 4.0]], [[0.5, -1.0], [2.0, 3.0]], [1.0, -1.0],
             [[5.5, 4.0], [7.5, 14.0]])):
        try:
            said = value_and_gradient(component(*map(edf.Param, (x, w, b))), y)
        except ValueError as error:                 # a hint that leaves the thought to the student
            error.__notes__ = [re.sub(r"\n.*unbroadcast.*", "\nthe bias is added to every row: "
                                      "what does each row add to the gradient?", note)
                               for note in getattr(error, "__notes__", [])]
            raise
    return said


def select_test(component):
    for x, index, y in (([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [2, 0], [3.0, 4.0]),
                        ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [1, 1, 0], [2.0, 4.0, 5.0]),
                        ([[7.0, 8.0, 9.0]], [1], [8.0])):
        edf.clear()
        try:
            said = component_test(x, y, index)(component)
        except Exception as error:
            error.add_note(f"for a batch of {len(x)} with index {index}")
            raise
    return said + ", a batch of one row too"


def softmax_test(y):
    """Return a test of what turns SCORES into y, of which no entry changes if one number is
    added to a whole row of x: so each row of dx adds up to 0."""
    def test(component):
        for rows in [0, 3], [0, 1, 2, 3]:           # ordinary ones first
            edf.clear()
            node = component(edf.Param([SCORES[row] for row in rows]))
            try:
                said = value_and_gradient(node, [y[row] for row in rows])
            except AssertionError as error:
                if "wrong gradient" in str(error):
                    dy = edf.rng.normal(size=node.value.shape)
                    totals = d_methods(node, dy)["dx"].sum(axis=1)
                    row = abs(totals).argmax()
                    if abs(totals[row]) > 1e-9:
                        error.add_note(f"row {row} of dx adds up to {totals[row]:.7f}: it must be "
                                       "0, as a number added to a whole row of x changes nothing")
                raise
        return said
    return test


SCORES = [[1.0, 2.0, 3.0], [2.0, 1.0, 0.0], [1000.0, 0.0, -1000.0], [0.5, 0.5, 2.0]]


class Witness(edf.SGD):
    """Gradient descent that notes the batch before each step."""

    def __init__(self, lr, net):
        super().__init__(lr)
        self.net, self.batches = net, []

    def step(self):
        require(edf.params[0].grad is not None,
                "the first step comes before backward: there is no gradient yet")
        self.batches.append(self.net.x.value.copy())
        super().step()


def training_test(mine):
    angles = 2.4 * np.arange(50)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = (points.sum(axis=1) > 0.3).astype(int)
    net = mlp([2, 4, 2], edf.Tanh)
    start = edf.params[0].value.copy()
    sgd = Witness(0.5, net)
    losses = mine(net, points, labels, sgd, 10, size=16)
    require(sgd.batches, "step() of the optimiser that it was handed was never called")
    require(not np.array_equal(edf.params[0].value, start), "the weights are those of the start")
    epoch = [len(batch) for batch in sgd.batches]
    require(
        epoch == [16, 16, 16, 2] * 10,
        f"the steps were taken on batches of {', '.join(map(str, epoch[:5]))}, ..., {len(epoch)} "
        "in all, expected 16, 16, 16, 2, 16, ..., 40 in all (50 points, 10 epochs)"
        + "\none step for each batch" * (len(epoch) == 80))
    require(np.array_equal(np.concatenate(sgd.batches[:4]), points),
            "the batches of the first epoch are not the points, each once, in their order")
    require_return(losses, list)
    require(len(losses) == 10, f"it returned {len(losses)} losses for 10 epochs")
    for epoch, expected in (1, 0.6081292), (2, 0.2656659), (10, 0.1286147):
        got = losses[epoch - 1]
        require(np.shape(got) == (), f"the loss of epoch {epoch} has shape {np.shape(got)}, not ()")
        require(abs(got - expected) < 1e-5,
                f"the mean loss of epoch {epoch} is {got:.7f}, expected {expected}\nadd up "
                "the losses of all 50 examples, each from before the step of its batch")
    return f"40 steps, the last of each epoch on 2 points; the loss falls to {losses[-1]:.3f}"


def descent_test(descent):
    x, w, b = edf.Input(2.0), edf.Param([1.0, -2.0], "w"), edf.Param(3.0, "b")
    c = edf.Param(0.0, "c")
    loss = w * w + b * x + c            # of its mean: the gradient of w is w, of b 2, of c 1
    sgd = descent(lr=0.1)
    for number, lr, *expected in ((1, 0.1, [0.9, -1.8], 2.8, -0.1),
                                  (2, 0.1, [0.81, -1.62], 2.6, -0.2),
                                  (3, 0.5, [0.405, -0.81], 1.6, -0.7)):
        sgd.lr = lr
        edf.forward()
        edf.backward(loss)
        before = {node: node.value.copy() for node in edf.components}
        grads = [param.grad.tolist() for param in (w, b, c)]
        try:
            sgd.step()
        except TypeError as error:
            if "component" in str(error):
                error.add_note("change param.value, not param")
            if "NoneType" in str(error):
                error.add_note("only edf.params learn: other components may have no grad")
            raise
        for node, value in before.items():
            require(node in edf.params or np.array_equal(node.value, value),
                    f"step has changed the value of {edf.label(node)}, which is no Param: go "
                    "through edf.params")
        for param, grad, want in zip((w, b, c), grads, expected):
            same = np.array_equal(param.value, before[param])
            require(np.allclose(param.value, want),
                    f"step {number}, with lr = {lr} and the gradient {grad}, takes {param.name} "
                    f"from {before[param].tolist()} to {param.value.round(7).tolist()}"
                    f", expected {want}" + "\nassign to param.value" * same)
    return "three steps lead where they should"


class Seen(edf.Component):
    """The identity, which keeps what went through it, and whether in training."""

    def f(self, x):
        self.rows = [*getattr(self, "rows", []), *x]
        self.trained = getattr(self, "trained", False) or edf.training
        return x


def error_rate_test(mine):
    for count, side in (50, 28), (90, 5):
        images = edf.rng.random((count, side, side))
        edf.clear()
        x, labels = edf.Input(), edf.Input()
        seen = Seen(x)
        scores = edf.Affine(seen, edf.Param(edf.normal(side * side, 10)), edf.Param(np.zeros(10)))
        net = nets.Net(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels))
        nets.error_rate(net, images, np.zeros(count, int))
        own = scores.value.argmax(axis=1)
        half, third = (np.where(np.arange(count) < count - count // part, own, (own + 1) % 10)
                       for part in (2, 3))
        for kind, classes, expected in (("the net's own answers", own, 0),
                                        ("only wrong classes", (own + 1) % 10, 1),
                                        ("half right, half wrong classes", half, 0.5),
                                        ("one wrong class in three", third, count // 3 / count)):
            x.value, labels.value = -images.reshape(count, -1), own
            edf.forward()                               # of which nothing must be left
            x.value, labels.value = np.zeros((1, side * side)), [0]
            seen.rows, seen.trained = [], False
            got = mine(net, images, classes)
            require(np.ndim(got) == 0,
                    f"it returned an array of shape {np.shape(got)}, expected one number")
            require_return(got, numbers.Real)
            require(len(seen.rows) == count and np.allclose(
                    np.sum(seen.rows, axis=0), images.reshape(count, -1).sum(axis=0)),
                    f"it was handed {count} images, but those that went through the net are "
                    f"{len(seen.rows)}, or others")
            require(not seen.trained, "it ran the net as in training: keep the with line")
            require(abs(got - expected) < 1e-6,
                    f"with {count} images, and {kind} as labels, it is {got}, expected "
                    f"{expected:.7g}" + "\nis it the share of right answers, or are the scores "
                    "older than forward()?" * bool(got == 1))
    return "0, 1, a half and a third where they should be, on the images it is handed"


def check_squares(product):
    """Check the gradients of a product of (3, 3) matrices, where all shapes fit."""
    rng = np.random.default_rng(0)
    node = product(edf.Param(rng.normal(size=(3, 3))), edf.Param(rng.normal(size=(3, 3))))
    require_return(node, edf.Component)
    edf.check_gradients(node)
    edf.clear()


def suspect_similarity_test(similarity):
    check_squares(similarity)
    return value_and_gradient(similarity(edf.Param([[1, 0, 2], [0, 1, -1]]), edf.Param(
        [[1, 2, 0.5], [0, -1, 1], [3, 1, 0], [-1, 2, 1]])), [[2, 2, 3, 1], [1.5, -2, 1, 1]])


def suspect_repeat_test(repeat):
    said = component_test(x=[[1.0], [-2.0], [0.5]], copies=4,
                          y=[[1.0] * 4, [-2.0] * 4, [0.5] * 4])(repeat)
    x = edf.Param([[3.0]])
    loss = edf.Sum(repeat(x))
    edf.forward()
    edf.backward(loss)
    require(np.allclose(x.grad, 16),
            f"the sum of 16 copies has the slope 16, not {x.grad.item():g}")
    return said


def suspect_normalize_test(normalize):
    t = [[1, 2, 5], [0.5, 0.5, 3]]
    node = normalize(edf.Param(t))
    require_return(node, edf.Component)
    edf.forward()
    node.grad = np.ones((2, 3))
    alone(node, "backward")
    entry = np.unravel_index(abs(node.t.grad).argmax(), (2, 3))
    require(
        abs(node.t.grad[entry]) < 1e-12,
        f"{node.name}.dt gives {node.t.grad[entry]:.7g} at entry {tuple(map(int, entry))} for an "
        "upstream gradient of ones: it must be 0, as the rows of the value always add up to 1")
    edf.clear()
    return value_and_gradient(normalize(edf.Param(t)),
                              [[0.125, 0.25, 0.625], [0.125, 0.125, 0.75]])


def suspect_cross_entropy_test(loss):
    p = [[0.25, 0.25, 0.5], [0.5, 0.4, 0.1], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]
    return value_and_gradient(loss(edf.Param(p), edf.Input([1, 0, 2, 2])),
                              [1.3862944, 0.6931472, 0.6931472, 2.3025851])


def best_net_test(mine):
    digits = load("digits")
    images, labels = digits.train_images.copy(), digits.train_labels.copy()
    net = mine(images, labels)
    require_return(net, Net)
    for name, given, kept in (("images", images, digits.train_images),
                              ("labels", labels, digits.train_labels)):
        require(np.array_equal(given, kept), f"it has changed the {name} it was given: .copy() "
                                             "first")
    kinds = {type(component).__name__ for component in edf.components}
    require(not kinds & {"Conv2d", "MaxPool2d", "AvgPool2d"}, "a perceptron has no convolutions")
    error = error_rate(net, digits.test_images, digits.test_labels)
    require(error <= 0.15, f"after training on 1,397 digits it gets {error:.1%} of 400 others "
                           "wrong, expected at most 15 %")
    return f"{error:.1%} of 400 digits wrong, where 15 % are allowed"


EXERCISES = {
    "my_prediction": Exercise("1.1", 1, prediction_test),
    "my_graph": Exercise("1.2", 2, graph_test),
    "my_gradients": Exercise("1.3", 3, my_gradients_test),
    "my_numeric_gradient": Exercise("2.1", 2, numeric_gradient_test, nets.numeric_gradient),
    "my_check": Exercise("2.2", 3, checker_test, nets.gradient_error),
    "MyTanh": Exercise("3.1", 1, component_test(
        x=[[-1.0, 0.0, 2.0], [0.5, -2.0, 1.0]],
        y=[[-0.7615942, 0.0, 0.9640276], [0.4621172, -0.9640276, 0.7615942]]), edf.Tanh),
    "MyReLU": Exercise("3.2", 2, relu_test, edf.ReLU),
    "MyDivide": Exercise("4.1", 2, divide_test),
    "MyAffine": Exercise("4.2", 3, affine_test),
    "MySelect": Exercise("4.3", 1, select_test),
    "MySoftmax": Exercise("5.1", 3, softmax_test(
        [[0.0900306, 0.2447285, 0.6652410], [0.6652410, 0.2447285, 0.0900306],
         [1, 0, 0], [0.1542808, 0.1542808, 0.6914385]]), edf.Softmax),
    "MySoftmaxCrossEntropy": Exercise("5.2", 2, component_test(
        SCORES, [0.4076060, 1.4076060, 1000.0, 1.8689812], [2, 1, 1, 0]),
        edf.SoftmaxCrossEntropy),
    "my_training": Exercise("6.1", 3, training_test, nets.fit),
    "MySGD": Exercise("7.1", 1, descent_test, edf.SGD),
    "my_error_rate": Exercise("7.2", 2, error_rate_test, nets.error_rate),
    "SuspectSimilarity": Exercise("8.1", 1, suspect_similarity_test),
    "SuspectRepeat": Exercise("8.2", 1, suspect_repeat_test),
    "SuspectNormalize": Exercise("8.3", 1, suspect_normalize_test),
    "SuspectCrossEntropy": Exercise("8.4", 1, suspect_cross_entropy_test),
    "my_best_net": Exercise("9.1", 4, best_net_test),
}
