"""Problem set 1: EXERCISES, at the end, is the list of its exercises with their tests."""

import numbers

import numpy as np

import edf
from edf_tools.check import alone
from mnist_loader import load
from problem_sets import nets
from problem_sets.checks import (
    Exercise,
    component_test,
    require,
    require_return,
    value_and_gradient,
)
from problem_sets.nets import Net, error_rate, mlp

# Sections 1 to 3.

def prediction_test(mine):
    p, q = edf.Param(2.0), edf.Param(-3.0)
    loss = p * q + p
    edf.forward()
    edf.backward(loss)
    guesses = mine()
    require(isinstance(guesses, tuple | list | np.ndarray) and len(guesses) == 3 and all(
            np.ndim(guess) == 0 and np.asarray(guess).dtype.kind in "iuf" for guess in guesses),
            f"it returned {guesses}, but three numbers are asked for")
    truth = {"loss.value": loss.value, "p.grad": p.grad, "q.grad": q.grad}
    for (name, value), guess in zip(truth.items(), guesses):
        require(guess == value, f"{name} is not {guess}")
    return "all three numbers are what EDF computes"


def my_gradients_test(mine):
    def simple():                       # on two paths, one longer than the other
        x = edf.Param([0.5, -1.0, 2.0])
        return x * edf.Exp(edf.Tanh(x))

    def used_twice():
        x = edf.Param([[1.0, 2.0, -0.5], [3.0, -1.0, 0.5]])
        return x * x * edf.Input([[1.0, 0.5, -2.0], [2.0, 1.0, 0.25]])

    def shared_array():                 # the gradient of a Reshape is a view of its own
        x = edf.Param([1.0, 2.0])
        y = edf.Sigmoid(x)
        return y * edf.Reshape(x, (2,))

    hints = {shared_array: "\nwas it changed in place, with +=, after it had been right?"}
    for build in simple, used_twice, shared_array:
        edf.clear()
        loss = build()
        edf.Exp(edf.params[0])          # built after the loss, and not on the way to it
        edf.forward()
        got = mine(loss, nets.shares)
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
    return "all gradients of three graphs are those of edf.backward"


def same_gradient(name, got, want, loss, hint):
    """Compare one gradient with that of edf.backward."""
    got = np.asarray(got)
    require(got.shape == want.shape,
            f"the gradient of {name} has shape {got.shape}, but its value has shape {want.shape}")
    if np.allclose(got, want * loss.value.size):
        hint = f"\nis the mean of the {loss.value.size} entries of the loss differentiated?"
    require(np.allclose(got, want, atol=1e-9),
            f"the gradient of {name} is {got.round(6).tolist()}, "
            f"expected {want.round(6).tolist()}{hint}")


def second_derivative_test(mine):
    def example_a(x):
        return (x * x) * (x * x * x)

    def example_b(x):
        return edf.Exp(edf.Sigmoid(x) * edf.Tanh(x))

    for build, x0, true in (example_a, 2.0, 160), (example_b, 0.5, 0.33113167):
        got = mine(build, x0)
        require(got is not None, "it returned None: is its return missing?")
        require(np.shape(got) == (), f"it returned {got}, but one number is asked for")
        require(abs(got - true) < 1e-4, f"{build.__name__} at {x0} gives {got}, but it is {true}")
    return "160 in example a (naive rule: 0), 0.3311 in example b (naive rule: -0.3919)"


def naive_rule_test(mine):
    points = np.array([0.5, -2.0, -1.0, 1.0])
    expected = np.array([-0.39187795, 0.06797126, 0.08063900, -0.68856203])
    true = np.array([0.33113167, -0.03334147, 0.21945775, -0.28457428])
    for x, want, instead in zip(points, expected, true):
        got = mine(x)
        require_number(got)
        also = ("\nthis is the true second derivative; the naive rule is asked for"
                if abs(got - instead) < 1e-6 else "")
        require(abs(got - want) < 1e-6, f"at x = {x} it gives {got:.7f}, expected {want:.7f}{also}")
    got = mine(points)
    require(np.shape(got) == points.shape,
            f"for an array of shape {points.shape} it returns one of shape {np.shape(got)}")
    require(np.allclose(got, expected, atol=1e-6), f"for x = {points.tolist()} it gives {got}")
    return "four values right: at 0.5 it gives -0.3919, where the second derivative is 0.3311"


def require_number(got):
    """Refuse a result that is not one finite number."""
    require(got is not None, "it returned None: is its return missing?")
    require(np.shape(got) == () and np.isfinite(got),
            f"it returned {np.asarray(got).tolist()}, expected one number")


def slope_test(mine):
    def cube(x):
        return x ** 3

    def example(x):
        return np.exp(np.tanh(x) / (1 + np.exp(-x)))

    # Large steps, so that the truncation error shows which difference was taken.
    for function, x, h, want, words in (
            (cube, 1.0, 0.5, 3.25, "x^3"), (cube, 2.0, 0.1, 12.01, "x^3"),
            (example, 0.5, 1e-4, 0.79748170, "exp(sigmoid(x) tanh(x))")):
        got = mine(function, x, h)
        require_number(got)
        require(abs(got - want) < 1e-7, f"the central difference of {words} at {x} "
                                        f"with h = {h} is {want}, but it gives {got:.9g}")
    return "three differences right, of x^3 and of the loss of section 1"


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
        require((at == before).all(), f"it has changed x from {before.tolist()} to {at.tolist()}")
        require(got.shape == at.shape, f"x has shape {at.shape}, but the result {got.shape}")
        wrong = np.argwhere(~np.isclose(got, want, atol=1e-7))
        if len(wrong):
            entry = tuple(wrong[0].tolist())
            raise AssertionError(f"for the function {function.__name__}, entry {entry} is "
                                 f"{got[entry]:.7g}, expected {np.asarray(want)[entry]:.7g}")
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


def checker_test(mine):
    x = np.array([[-1.0, 0.3, 0.8], [0.5, -0.4, 1.2]])

    def error(kind):
        edf.clear()
        got = mine(kind, x.copy(), nets.numeric_gradient)
        require_number(got)
        require(got >= 0, f"for {kind.__name__} the largest error is {got:.1e}: negative")
        return got

    rights = {"Sigmoid": edf.Sigmoid, "a component whose entries depend on the whole row": Halves,
              "a component that sums rows": RowSum, "1,000,000 times Sigmoid": Large}
    bugs = NoUpstream, MissingFactor, WrongSign, AlongTheRow, OneEntry, Small
    largest = 0
    for words, kind in rights.items():
        found = error(kind)
        hint = ("\nis the error relative?" if kind is Large
                else "\nis param.value x again when backward runs?" if found < 1e-4 else "")
        require(found < 1e-6, f"the gradient of {words} is right, but the error is {found:.1e}, "
                              f"expected less than 1e-6{hint}")
        largest = max(largest, found)
    smallest = np.inf
    for kind in bugs:
        found = error(kind)
        require(found > 1e-3, f"planted bug slipped through: {kind.__doc__} has the "
                              f"error {found:.1e}, expected more than 1e-3")
        smallest = min(smallest, found)
    return (f"four right gradients accepted (errors up to {largest:.1e}), "
            f"six planted bugs found (errors from {smallest:.1e})")


# Sections 4 and 5.

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


def matmul_test(component):
    for a, b, y in (
            ([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]],              # (2, 3) and (3, 4)
             [[2.0, 1.0, 0.0, -1.0], [0.5, -1.0, 1.5, 3.0], [4.0, 3.0, -2.0, 0.0]],
             [[3.0, 4.5, -4.0, -7.0], [2.0, 0.0, 2.0, -3.0]]),
            ([[1.0, 2.0, -1.0]], [[2.0], [0.5], [4.0]], [[-1.0]]),
            ([[1.0, 2.0], [-3.0, 4.0]], [[0.5, -1.0], [2.0, 3.0]], [[4.5, 5.0], [6.5, 15.0]])):
        said = value_and_gradient(component(edf.Param(a), edf.Param(b)), y)
    return said


def unbroadcast_test(mine):
    rows, boxes = np.arange(6.0).reshape(2, 3), np.arange(24.0).reshape(2, 3, 4)
    cases = [(rows, (2, 3), [[0, 1, 2], [3, 4, 5]]), (rows, (3,), [3, 5, 7]),
             (rows, (1, 3), [[3, 5, 7]]), (rows, (2, 1), [[3], [12]]), (rows, (), 15),
             (rows, (1,), [15]), (rows, (1, 1), [[15]]), (rows[:1], (1, 3), [[0, 1, 2]]),
             (boxes, (3, 1), [[60], [92], [124]]), (boxes, (1, 3, 4), [
                 [[12, 14, 16, 18], [20, 22, 24, 26], [28, 30, 32, 34]]])]
    for grad, shape, expected in cases:
        before, place = grad.copy(), f"grad of shape {grad.shape} for an array of shape {shape}"
        try:
            got = mine(grad, shape)
        except Exception as error:
            error.add_note(place)
            raise
        require_return(None if got is None else np.asarray(got), np.ndarray)
        require(np.shape(got) == shape, f"{place}: the result has shape {np.shape(got)}")
        require(np.allclose(got, expected),
                f"{place}: the result is {got.tolist()}, expected {expected}")
        require(np.array_equal(grad, before), f"{place}: grad itself was changed")
    return f"{len(cases)} sums right, from () to (1, 3, 4)"


def normalize_test(component):
    node = component(edf.Param([[1.0, 2.0, 5.0], [0.5, 0.5, 3.0]]))
    require_return(node, edf.Component)
    edf.forward()
    edf.backward(node)
    largest = abs(node.x.grad).max()
    require(largest < 1e-12, "dy is the same in all entries, so the gradient must be 0 (each row "
                             f"of y adds up to 1 whatever x is), but it is up to {largest:.3g}")
    said = value_and_gradient(node, [[0.125, 0.25, 0.625], [0.125, 0.125, 0.75]])
    return "0 where dy is constant, " + said


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


def row_sum_test(component):
    for x, y in (([[1.0, 2.0, 4.0], [0.5, -3.0, 1.5]], [7.0, -1.0]),
                 ([[1.0, 2.0], [-4.0, 8.0], [0.5, -2.0]], [3.0, 4.0, -1.5]),
                 ([[1.0, 2.0]], [3.0])):
        edf.clear()
        said = component_test(x, y)(component)
    return said


SCORES = [[1.0, 2.0, 3.0], [2.0, 1.0, 0.0], [1000.0, 0.0, -1000.0], [0.5, 0.5, 2.0]]


# Sections 7 and 8.

# The network of section 7: three examples of two classes, three hidden units.

TINY = {"x": [[1, -1], [0.5, 2], [-1.5, 0.25]], "W": [[1, 0.5, -1], [-1, 2, 0.25]],
        "b": [0.1, -0.2, 0.3], "V": [[1, -1], [-0.5, 2], [0.75, 0.3]], "c": [0, 0.5],
        "h": [[0.890903179, 0.154465265, 0.278884822], [0.197816111, 0.982875967, 0.574442517],
              [0.161108950, 0.389360766, 0.865588077]],
        "y": [[0.735194864, 0.264805136], [0.090869969, 0.909130031],
              [0.318283935, 0.681716065]]}
TINY_GRADIENTS = {          # (rows, labels): the gradients of the mean loss
    (1, (0,)): {"W": [[-0.0514753, 0.0864627, -0.0239645], [0.0514753, -0.0864627, 0.0239645]],
                "b": [-0.0514753, 0.0864627, -0.0239645],
                "V": [[-0.2359157, 0.2359157], [-0.0409032, 0.0409032], [-0.0738501, 0.0738501]],
                "c": [-0.2648051, 0.2648051]},
    (1, (1,)): {"W": [[0.1429141, -0.2400517, 0.0665341], [-0.1429141, 0.2400517, -0.0665341]],
                "b": [0.1429141, -0.2400517, 0.0665341],
                "V": [[0.6549874, -0.6549874], [0.1135621, -0.1135621], [0.2050347, -0.2050347]],
                "c": [0.7351949, -0.7351949]},
    (3, (0, 1, 1)): {"W": [[-0.0553689, 0.1227772, -0.0146541], [0.0435542, -0.0471355, 0.0160410]],
                     "b": [0.0211327, -0.0355160, 0.0008985],
                     "V": [[-0.0555539, 0.0555539], [0.0574460, -0.0574460],
                           [0.0846174, -0.0846174]],
                     "c": [0.0481163, -0.0481163]},
}


def tiny(*names):
    """Return new arrays of the network of section 7."""
    return [np.array(TINY[name], float) for name in names]


def require_close(name, got, expected, where):
    """Refuse an array of another shape, or with other numbers."""
    require(np.shape(got) == np.shape(expected),
            f"{name} of {where} has shape {np.shape(got)}, expected {np.shape(expected)}")
    require(np.allclose(got, expected, rtol=1e-5, atol=1e-6),
            f"{name} of {where} is {np.round(got, 7).tolist()}, expected {expected}")


def require_tuple(got, names):
    """Refuse a result that is not a tuple (or a list) of so many arrays."""
    require_return(tuple(got) if isinstance(got, list) else got, tuple)
    require(len(got) == len(names),
            f"it returned {len(got)} results, but {len(names)} are asked for: {', '.join(names)}")


def forward_test(mine):
    x, W, b, V, c = tiny("x", "W", "b", "V", "c")
    for rows in 1, 3:
        got = mine(x[:rows], W, b, V, c)
        require_tuple(got, "hy")
        for name, value in zip("hy", got):
            require_close(name, value, TINY[name][:rows], f"{rows} row{'s'[:rows - 1]}")
    try:
        y = mine(x, W, b, 1000 * V, c)[1]
    except RuntimeWarning as warning:
        warning.add_note("for scores of about 1000: subtract the largest of each row first")
        raise
    require_close("y", y, [[1, 0], [0, 1], [0, 1]], "scores of about 1000")
    return "h and y right, for one row and for three, and for scores of about 1000"


def backward_test(mine):
    for (rows, labels), expected in TINY_GRADIENTS.items():
        x, h, y, V = tiny("x", "h", "y", "V")
        given = x[:rows], np.array(labels), h[:rows], y[:rows], V
        before = [array.copy() for array in given]
        got = mine(*given)
        require_tuple(got, "WbVc")
        for name, array, old in zip(["x", "labels", "h", "y", "V"], given, before):
            require(np.array_equal(array, old), f"it writes into {name}: the caller still needs it")
        where = f"class {labels[0]}" if rows == 1 else "the batch of three"
        for name, gradient in reversed([*zip("WbVc", got)]):        # as they are computed
            if rows == 3 and np.shape(gradient) == np.shape(expected[name]):
                require(
                    not np.allclose(gradient, 3 * np.array(expected[name]), atol=1e-6),
                    f"the gradient of {name} of {where} is 3 times too large: it is that of the "
                    "sum of the losses, not of their mean")
            require_close(f"the gradient of {name}", gradient, expected[name], where)
    return "all four gradients right, for each class alone and for a batch of three"


def network_test(mine):
    for rows, labels, activation, mean in ((1, [0], edf.Sigmoid, 0.3076197),
                                           (1, [1], edf.Sigmoid, 1.3287611),
                                           (3, [0, 1, 1], edf.Sigmoid, 0.2620096),
                                           (3, [0, 1, 1], edf.Tanh, 0.1298938)):
        edf.clear()
        x, *weights = tiny("x", "W", "b", "V", "c")
        W, b, V, c = map(edf.Param, weights)
        inputs = edf.Input(x[:rows]), edf.Input(labels)
        node = (mine(*inputs, W, b, V, c) if activation is edf.Sigmoid
                else mine(*inputs, W, b, V, c, activation))
        require_return(node, edf.Component)
        require(not any(isinstance(part, edf.Softmax) for part in edf.components),
                "SoftmaxCrossEntropy contains the softmax: hand it the scores")
        edf.forward()
        where = f"labels {labels} with {activation.__name__}"
        require_close("the mean loss", node.value.mean(), mean, where)
        if activation is edf.Sigmoid:
            edf.backward(node)
            for name, param in zip("WbVc", (W, b, V, c)):
                require(param.grad is not None, f"the loss does not depend on {name}")
                require_close(f"the gradient of {name}", param.grad,
                              TINY_GRADIENTS[rows, tuple(labels)][name], where)
    errors = edf.check_gradients(node)
    return f"losses and gradients right, largest gradient error {max(errors.values()):.1e}"


def baselines_test(mine):
    for labels, share, entropy in (([0, 0, 1, 0], 0.75, 0.5623351),
                                   ([2, 0, 1, 2, 2, 1], 0.5, 1.0114043),
                                   ([3, 1, 1, 3], 0.5, 0.6931472)):
        try:
            got = mine(np.array(labels))
        except RuntimeWarning as warning:
            warning.add_note(f"for labels {labels}: is there a class with the share 0?")
            raise
        require_tuple(got, ["share", "entropy"])
        for name, value, expected in zip(("the share", "the entropy"), got, (share, entropy)):
            require_close(name, value, expected, f"labels {labels}")
    return "share and entropy right, with two classes, with three, and where numbers are left out"


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
        "in all; expected 16, 16, 16, 2, 16, ..., 40 in all (50 points, 10 epochs)")
    require(np.array_equal(np.concatenate(sgd.batches[:4]), points),
            "the batches of the first epoch are not the points, each once, in their order")
    require_return(losses, list)
    require(len(losses) == 10, f"it returned {len(losses)} losses for 10 epochs")
    for epoch, expected in (1, 0.6081292), (2, 0.2656659), (10, 0.1286147):
        got = losses[epoch - 1]
        require(np.shape(got) == (), f"the loss of epoch {epoch} has shape {np.shape(got)}, not ()")
        require(abs(got - expected) < 1e-5,
                f"the mean loss of epoch {epoch} is {got:.7f}, expected {expected}\nover all "
                "50 examples, each loss from before the step of its batch")
    return f"40 steps, the last of each epoch on 2 points; the loss falls to {losses[-1]:.3f}"


# Sections 9 and 10.

def descent_test(descent):
    x, w, b = edf.Input(2.0), edf.Param([1.0, -2.0]), edf.Param(3.0)
    loss = w * w + b * x                # of its mean: the gradient of w is w, that of b is 2
    sgd = descent(lr=0.1)
    for sgd.lr in 0.1, 0.1, 0.5:
        edf.forward()
        edf.backward(loss)
        try:
            sgd.step()
        except TypeError as error:
            if "component" in str(error):
                error.add_note("change param.value, not param")
            raise
    for name, param, expected in ("w", w, [0.405, -0.81]), ("b", b, 1.6):
        got = param.value.tolist()
        require(np.allclose(got, expected),
                f"three steps take {name} to {got}, expected {expected}")
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
        half = np.where(np.arange(count) < count // 2, own, (own + 1) % 10)
        for kind, classes, expected in (("the net's own answers", own, 0),
                                        ("only wrong classes", (own + 1) % 10, 1),
                                        ("half right, half wrong classes", half, 0.5)):
            x.value, labels.value = np.zeros((1, side * side)), [0]
            seen.rows, seen.trained = [], False
            got = mine(net, images, classes)
            require(np.ndim(got) == 0, f"it returned {np.shape(got)} numbers, expected one")
            require_return(got, numbers.Real)
            require(len(seen.rows) == count and np.allclose(
                    np.sum(seen.rows, axis=0), images.reshape(count, -1).sum(axis=0)),
                    f"it was handed {count} images, but those that went through the net are "
                    f"{len(seen.rows)}, or others")
            require(not seen.trained, "it ran the net as in training: keep the with line")
            require(abs(got - expected) < 1e-6,
                    f"with {count} images, and {kind} as labels, it is {got}, expected {expected}")
    return "0, 1 and a half where they should be, on the images it is handed"


def sweep_test(mine):
    table = {(0.1, 3): 0.05, (0.1, 8): 0.06, (5, 3): np.nan, (5, 8): 0.9,
             (1, 3): 0.03, (1, 8): 0.04}
    calls = []

    def run(value, seed):
        require((value, seed) in table,
                f"it called run({value}, {seed}), but there is no such value or no such seed")
        calls.append((value, seed))
        return table[value, seed]

    got = mine(run, [0.1, 5, 1], [3, 8])
    require_return(got, np.ndarray)
    require(got.shape == (3, 2), f"for 3 values and 2 seeds it has shape {got.shape}, "
                                 "expected (3, 2)")
    for (i, j), result in np.ndenumerate(got):
        value, seed = [0.1, 5, 1][i], [3, 8][j]
        require(np.array_equal(result, table[value, seed], equal_nan=True),
                f"entry ({i}, {j}) is {result}, but run({value}, {seed}) returned "
                f"{table[value, seed]}")
    require(len(calls) == 6, f"it called run {len(calls)} times: once for each entry is enough")
    return "every run in its place, and the one that diverged is nan"


def choice_test(mine):
    for why, rows, expected in (
            ("the mean over the seeds counts, not the best run",
             [[0.9, 0.88], [0.03, 0.05], [0.031, 0.033], [0.06, 0.05]], 0.5),
            ("a value with a run that diverged is out",
             [[np.nan, 0.9], [np.nan, 0.01], [0.03, 0.04], [0.03, 0.03]], 0.1),
            ("the smallest error wins", [[0.05, 0.04], [0.9, 0.9], [0.1, 0.1], [0.3, 0.2]], 5)):
        got = mine([5, 1, 0.5, 0.1], np.array(rows))
        require_return(got, numbers.Real)
        require(got in (5, 1, 0.5, 0.1),
                f"it chose {got}, which is none of the values [5, 1, 0.5, 0.1]")
        require(got == expected, f"with the values [5, 1, 0.5, 0.1] and the errors {rows} "
                                 f"it chose {got}, expected {expected}\n{why}")
    return "three tables, the right value in each"


def spread_test(mine):
    errors = np.array([[0.02, 0.03, 0.04], [0.06, 0.06, 0.06], [0.05, np.nan, 0.07],
                       [0.01, 0.02, 0.06]])
    got = mine(errors)
    require(got is not None, "it returned None: is its return missing?")
    require(len(got) == 2, f"it returned {len(got)} things, expected two: mean, standard deviation")
    for name, array, expected in (("mean", got[0], [0.03, 0.06, np.nan, 0.03]),
                                  ("standard deviation", got[1], [0.01, 0, np.nan, 0.0264575])):
        require(np.shape(array) == (4,), f"for errors (4, 3) the {name} has shape "
                                         f"{np.shape(array)}, expected (4,)")
        for row, number, right in zip(errors.tolist(), np.asarray(array).tolist(), expected):
            require(np.isclose(number, right, rtol=0, atol=1e-6, equal_nan=True),
                    f"the {name} of {row} is {number:.6g}, expected {right:.6g}")
    return "mean and standard deviation right, nan where a run diverged"


# Sections 11 to 13.

def optimiser_test(golden, later, **options):
    """Return a test: do three steps lead from w = 1 to `golden`, for the loss w^2 / 2?

    And three for two parameters at once, with rates 0.1, 0.1 and 0.5, to `later`?
    """
    def test(optimiser):
        require_direction(optimiser)
        w = edf.Param(1.0)
        loss, method = w * w * 0.5, optimiser(lr=0.01)
        for count, expected in enumerate(golden, 1):
            edf.forward()
            edf.backward(loss)
            grad = w.grad.copy()
            method.step()
            got = float(w.value)
            hint = ""
            if count == 1 and np.isclose(1 - got, 0.01 * (1 - expected), rtol=1e-3):
                hint = "\nis lr in the direction? step multiplies by it"
            if count == 1 and np.isclose(got - 1, 1 - expected, rtol=1e-3):
                hint = "\nthis goes uphill, as step subtracts the direction"
            if count > 1:
                hint = "\nstep 1 was right, so look at what is kept, and how it is used"
            require(abs(got - expected) < 1e-6,
                    f"with the loss w^2 / 2, w = 1 and lr = 0.01, step {count} leads to w = "
                    f"{got:.7g}, expected {expected:.7g}{hint}")
            require(w.grad == grad, "direction changes param.grad in place: make a new array")
        two_parameters(optimiser, options, later)
        return f"w is {golden[-1]:.6f} after three steps, and two parameters are kept apart"
    return test


def require_direction(optimiser):
    """Refuse a direction that is no array of the shape of the gradient."""
    grad = np.array([[3.0, -1.0, 2.0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        got = optimiser(lr=0.01).direction(grad, {})
    require(got is not None, "direction returned None: is its return missing?")
    require(np.shape(got) == grad.shape,
            f"direction returns shape {np.shape(got)} for a gradient of shape {grad.shape}")
    require(np.array_equal(grad, [[3, -1, 2]]), "direction changes grad in place: make a new array")


def two_parameters(optimiser, options, later):
    """Three steps of two parameters of different shapes; the rate changes in the last."""
    edf.clear()
    x, w, b = edf.Input(2.0), edf.Param([1.0, -2.0]), edf.Param(3.0)
    loss = w * w + b * x                # of its mean: the gradient of w is w, that of b is 2
    method = optimiser(lr=0.1, **options)
    for method.lr in 0.1, 0.1, 0.5:
        edf.forward()
        edf.backward(loss)
        try:
            method.step()
        except ValueError as error:
            error.add_note("with two parameters: what is kept of one must be in `kept`, "
                           "not on self")
            raise
    given = "".join(f", {name} = {value}" for name, value in options.items())
    hint = ("is eps outside the root, and all of it entry by entry? " if "eps" in options else "")
    for name, param, expected in ("w", w, later[0]), ("b", b, later[1]):
        got = param.value.round(7).tolist()
        require(
            np.allclose(got, expected, rtol=0, atol=1e-6),
            f"with two parameters, lr = 0.1, 0.1, 0.5{given}, three steps take {name} to {got}, "
            f"expected {expected}\n{hint}is anything kept on self that belongs to one "
            "parameter? are all options used?")


BATCH = [[1.0, 2.0, -1.0], [2.0, 0.0, 3.0], [4.0, 1.0, 0.0], [5.0, 5.0, 2.0]]
GAMMA, BETA = [1.0, 2.0, 0.5], [0.0, 1.0, -1.0]
NORMALIZED = [[-1.2649085, 1.0, -1.6324543], [-0.6324543, -1.1380869, -0.3675457],
              [0.6324543, -0.0690434, -1.3162271], [1.2649085, 4.2071303, -0.6837728]]


def composed_batchnorm_test(mine):
    x = edf.Param(BATCH)
    node = mine(x, edf.Param(GAMMA), edf.Param(BETA))
    require_return(node, edf.Component)
    kinds = {type(part).__name__ for part in edf.components}
    require(not kinds & {"BatchNorm", "LayerNorm", "MyBatchNorm"},
            "build it from smaller components")
    count = len(edf.components) - 3
    edf.forward()
    require_standard(node, x, eps=1e-5)
    x.value = np.array(BATCH)[::-1] ** 2
    edf.forward()
    try:
        require_standard(node, x, eps=1e-5)
    except AssertionError as error:
        error.add_note("in a second forward(), with another x: build mean and variance out of x "
                       "itself, not of x.value")
        raise
    return f"{normalizing(mine)}, {count} components"


def batchnorm_test(mine):
    node = mine(edf.Param(BATCH), edf.Param(GAMMA), edf.Param(BETA))
    with edf.evaluating():
        edf.forward()
    require(np.allclose(node.value, np.multiply(BATCH, GAMMA) + BETA, atol=1e-3),
            "in evaluation, before training, y must be gamma x + beta: is f as it was given?")
    return normalizing(mine)


def normalizing(mine):
    """Check values and gradients, also with a large eps, and with other numbers of rows."""
    for eps in 1e-5, 1.5:
        edf.clear()
        x = edf.Param(BATCH)
        node = mine(x, edf.Param(GAMMA), edf.Param(BETA), eps=eps)
        require_return(node, edf.Component)
        edf.forward()
        require_standard(node, x, eps)
    said = []
    for eps, batch in (1e-5, BATCH), (1e-5, BATCH[1:]), (1.5, BATCH):
        edf.clear()
        x = edf.Param(batch)
        node = mine(x, edf.Param(GAMMA), edf.Param(BETA), eps=eps)
        loss = node * edf.Input(edf.rng.normal(size=np.shape(batch)))
        edf.forward()
        edf.backward(loss)
        note = suspicion(x.grad * x.value.size, x.value - x.value.mean(axis=0), eps)
        y = NORMALIZED if eps < 1 and len(batch) == 4 else node.value.tolist()
        try:
            said.append(value_and_gradient(node, y))
        except AssertionError as error:
            if ".dx gives" in str(error):
                error.add_note(note)
            raise
    return said[0]


def require_standard(node, x, eps):
    """Refuse values whose columns are not standardized, and say in what."""
    require(node.value.shape == x.value.shape,
            f"y has shape {node.value.shape}, but x has shape {x.value.shape}")
    z, v, rows = (node.value - BETA) / GAMMA, x.value.var(axis=0), len(x.value)
    mean, square, expected = z.mean(axis=0), (z ** 2).mean(axis=0), v / (v + eps)
    hint = "is beta added?" if np.allclose(mean * GAMMA, np.negative(BETA), atol=1e-3) else (
        "are the means taken over axis 0, and gamma and beta used last?")
    require(abs(mean).max() < 1e-6,
            f"(y - beta) / gamma has the column means {mean.round(4)}, expected 0\n{hint}")
    hint = "is the root taken, of the mean of the squares over axis 0?"
    if np.allclose(square, np.divide(expected, np.square(GAMMA)), atol=1e-3):
        hint = "is gamma used?"
    elif np.allclose(square, (rows - 1) / rows * expected, atol=1e-3):
        hint = "is the variance divided by B - 1? it must be B"
    elif eps > 1:
        hint = "is eps left out?" if np.allclose(square, 1) else "eps belongs under the root"
    require(np.allclose(square, expected, atol=1e-6),
            f"with eps = {eps} and {rows} rows, the columns of (y - beta) / gamma have the mean "
            f"squares {square.round(4)}, expected {expected.round(4)}\n{hint}")


def suspicion(dx, centred, eps):
    """Say which share is missing from a wrong gradient of x: that of the mean, or the variance."""
    shift, stretch = dx.sum(axis=0), (dx * centred).sum(axis=0)
    scale = 1e-3 * abs(dx).max()
    if eps > 1:
        return f"with eps = {eps}, while with 1e-5 it is right: is eps in the gradient?"
    if abs(shift).max() > scale and abs(stretch).max() > scale:
        return (f"the columns of dx add up to {shift.round(3)}, expected 0, and stretching a "
                f"column gives {stretch.round(3)}, expected 0: as if mean and variance were "
                "constants, or both shares are wrong")
    if abs(shift).max() > scale:
        return (f"the columns of dx add up to {shift.round(3)}, expected 0: the share through "
                "the mean is missing or wrong")
    if abs(stretch).max() > scale:
        return (f"stretching a column about its mean gives {stretch.round(3)}, expected 0: the "
                "share through the variance is missing or wrong")
    return ("its columns add up to 0 as they should, so look for a wrong factor or sign: is the "
            "standard deviation that of f, with eps, and with B and not B - 1?")


def maxpool_test(component):
    image = [[1.0, 3.0, 2.0, 0.0], [4.0, 2.0, 1.0, 5.0], [0.0, 1.0, 2.5, 2.0], [3.0, 0.5, 6.0, 1.5]]
    touching = component(edf.Param([[image]]), size=2)
    said = value_and_gradient(touching, [[[[4, 5], [3, 6]]]])
    for size, stride, y in ((2, 1, [[4, 3, 5], [4, 2.5, 5], [3, 6, 6]]), (3, 1, [[4, 5], [6, 6]])):
        edf.clear()
        node = component(edf.Param([[image], [image]]), size=size, stride=stride)
        try:
            value_and_gradient(node, [[y], [y]])
        except (AssertionError, ValueError) as error:
            error.add_note(f"where windows of {size} x {size} overlap, with stride {stride} (those "
                           "that touch are right): a pixel may be the largest of several windows")
            raise
    return said + ", also where windows overlap"


CHANNELS = [[[[-3, -6], [-12, -1]], [[-8, 7], [2, 10]], [[10, 3], [-11, -11]]],
            [[[-1, -18], [-3, -6]], [[10, 11], [-8, 7]], [[-11, 3], [10, 3]]]]


def conv_test(component):
    image, kernel = np.arange(16.0).reshape(1, 1, 4, 4), np.arange(9.0).reshape(1, 1, 3, 3)
    node = component(edf.Param(image), edf.Param(kernel), edf.Param([100.0]))
    said = value_and_gradient(node, [[[[358, 394], [502, 538]]]])
    edf.clear()
    node = component(edf.Param(image), edf.Param(kernel), edf.Param([0.0]), stride=2, padding=1)
    value_and_gradient(node, [[[[73, 154], [279, 438]]]])
    edf.clear()
    x = np.arange(36.0).reshape(2, 2, 3, 3) % 7             # 2 images, 2 channels, 3 kernels
    w = np.arange(24.0).reshape(3, 2, 2, 2) % 5 - 2
    node = component(edf.Param(x), edf.Param(w), edf.Param([1.0, -1.0, 0.0]))
    try:
        value_and_gradient(node, CHANNELS)
    except (AssertionError, ValueError) as error:
        error.add_note("for 2 images of 2 channels, and 3 kernels (with one of each it is right)")
        raise
    return said + ", also for several images, channels and kernels"


# Section 14.

# Section 14: these see the errors first, so their messages say what had to be true.


def suspect_layer_test(layer):
    x = [[1, 0, 2], [0, 1, -1], [3, 1, 0], [-1, 2, 1]]
    images, weights = edf.Param(x), edf.Param([[1, 2], [0, -1], [0.5, 1]])
    node = layer(images, weights, edf.Param([10, 20]))
    require_return(node, edf.Component)
    try:
        edf.forward()
    except ValueError as error:
        where = error.__notes__[0].splitlines()[0] if hasattr(error, "__notes__") else error
        raise AssertionError("images (4, 3), weights (3, 2) and bias (2,) do not fit together: "
                             f"{where}") from None
    return value_and_gradient(node, [[12, 24], [9.5, 18], [13, 25], [9.5, 17]])


def check_squares(product):
    """Check the gradients of a product of (3, 3) matrices, where all shapes fit."""
    rng = np.random.default_rng(0)
    node = product(edf.Param(rng.normal(size=(3, 3))), edf.Param(rng.normal(size=(3, 3))))
    require_return(node, edf.Component)
    edf.check_gradients(node)
    edf.clear()


def suspect_matmul_test(product):
    check_squares(product)
    return value_and_gradient(product(edf.Param([[1, 0, 2], [0, 1, -1], [3, 1, 0], [-1, 2, 1]]),
                                      edf.Param([[1, 2], [0, -1], [0.5, 1]])),
                              [[2, 4], [-0.5, -2], [3, 5], [-0.5, -3]])


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


def suspect_jacobian_test(jacobian):
    o = np.array([1.0, 2.0, 3.0])
    got = jacobian(o.copy())
    require_return(got, np.ndarray)
    require(got.shape == (3, 3), f"the matrix has shape {got.shape}, expected (3, 3)")
    scores = edf.Input([o])
    y = edf.Softmax(scores)
    for j in range(3):
        ends = []
        for h in 1e-5, -1e-5:
            scores.value = [o + h * np.eye(3)[j]]
            edf.forward()
            ends.append(y.value[0])
        for i, want in enumerate((ends[0] - ends[1]) / 2e-5):
            require(
                abs(got[i, j] - want) < 1e-8,
                f"row {i}, column {j}, the derivative of y_{i} by o_{j}, is {got[i, j]:.7f}, but "
                f"differences give {want:.7f} (column {j} adds up to {got[:, j].sum():.4f})")
    return "all nine derivatives right, and columns add up to 0"


def suspect_cross_entropy_test(loss):
    p = [[0.25, 0.25, 0.5], [0.5, 0.4, 0.1], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]
    return value_and_gradient(loss(edf.Param(p), edf.Input([1, 0, 2, 2])),
                              [1.3862944, 0.6931472, 0.6931472, 2.3025851])


def suspect_softmax_test(softmax):
    o = [[1, 2, 3], [2, 0, 0], [1000, 0, -1000]]
    node = softmax(edf.Param(o))
    require_return(node, edf.Component)
    edf.forward()
    node.grad = np.array([[1, 0, -2], [0, 3, 1], [1, 2, 3.0]])
    alone(node, "backward")
    totals = node.o.grad.sum(axis=1)
    row = abs(totals).argmax()
    require(
        abs(totals[row]) < 1e-12,
        f"row {row} of what {node.name}.do returns adds up to {totals[row]:.7f}: it must be 0, as "
        "the same number added to all scores of a row changes nothing")
    edf.clear()
    return value_and_gradient(softmax(edf.Param(o)), [
        [0.0900306, 0.2447285, 0.6652410], [0.7869860, 0.1065070, 0.1065070], [1, 0, 0]])


# Section 16.

def best_net_test(mine):
    digits = load("digits")
    net = mine(digits.train_images, digits.train_labels)
    require_return(net, Net)
    kinds = {type(component).__name__ for component in edf.components}
    require(not kinds & {"Conv2d", "MaxPool2d", "AvgPool2d"}, "a perceptron has no convolutions")
    error = error_rate(net, digits.test_images, digits.test_labels)
    require(error <= 0.15, f"after training on 1,397 digits it gets {error:.1%} of 400 others "
                           "wrong, at most 15 % are asked for")
    return f"{error:.1%} of 400 digits wrong, at most 15 % were asked for"


EXERCISES = {
    "my_prediction": Exercise("1.1", 1, prediction_test),
    "my_graph": Exercise("1.2", 2, component_test(
        x=[0.0, 0.5, -1.0], y=[0.0, 0.2708402, -0.9913289])),
    "my_gradients": Exercise("1.3", 3, my_gradients_test),
    "my_second_derivative": Exercise("2.1", 2, second_derivative_test),
    "my_naive_rule": Exercise("2.2", 2, naive_rule_test, nets.naive_rule),
    "my_slope": Exercise("3.1", 1, slope_test, nets.slope),
    "my_numeric_gradient": Exercise("3.2", 2, numeric_gradient_test, nets.numeric_gradient),
    "my_check": Exercise("3.3", 4, checker_test, nets.gradient_error),
    "MyTanh": Exercise("4.1", 1, component_test(
        x=[[-1.0, 0.0, 2.0], [0.5, -2.0, 1.0]],
        y=[[-0.7615942, 0.0, 0.9640276], [0.4621172, -0.9640276, 0.7615942]]), edf.Tanh),
    "MyReLU": Exercise("4.2", 2, relu_test, edf.ReLU),
    "MyLeakyReLU": Exercise("4.3", 2, component_test(
        x=[[-2.0, -0.5, 1.5], [0.5, 2.0, -1.0]], y=[[-0.1, -0.025, 1.5], [0.5, 2.0, -0.05]],
        slope=0.05), edf.LeakyReLU),
    "MyDivide": Exercise("5.1", 2, divide_test),
    "MyMatMul": Exercise("5.2", 2, matmul_test),
    "my_unbroadcast": Exercise("5.3", 3, unbroadcast_test),
    "MyNormalize": Exercise("5.4", 3, normalize_test, edf.Normalize),
    "MySelect": Exercise("5.5", 2, select_test),
    "MyRowSum": Exercise("5.6", 1, row_sum_test),
    "MySoftmax": Exercise("6.1", 3, component_test(
        SCORES, [[0.0900306, 0.2447285, 0.6652410], [0.6652410, 0.2447285, 0.0900306],
                 [1, 0, 0], [0.1542808, 0.1542808, 0.6914385]]), edf.Softmax),
    "MyLogSoftmax": Exercise("6.2", 3, component_test(
        SCORES, [[-2.4076060, -1.4076060, -0.4076060], [-0.4076060, -1.4076060, -2.4076060],
                 [0, -1000, -2000], [-1.8689812, -1.8689812, -0.3689812]]), edf.LogSoftmax),
    "MyCrossEntropy": Exercise("6.3", 2, component_test(
        [[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]], [0.2876821, 0.6931472, 2.3025851],
        [1, 0, 1]), edf.CrossEntropy),
    "MySoftmaxCrossEntropy": Exercise("6.4", 2, component_test(
        SCORES, [0.4076060, 1.4076060, 1000.0, 1.8689812], [2, 1, 1, 0]),
        edf.SoftmaxCrossEntropy),
    "my_forward": Exercise("7.1", 2, forward_test),
    "my_backward": Exercise("7.2", 4, backward_test),
    "my_network": Exercise("7.3", 1, network_test, nets.two_layers),
    "my_baselines": Exercise("8.1", 1, baselines_test, nets.baselines),
    "my_training": Exercise("8.2", 3, training_test, nets.fit),
    "MySGD": Exercise("9.1", 1, descent_test, edf.SGD),
    "my_error_rate": Exercise("9.2", 2, error_rate_test, nets.error_rate),
    "my_sweep": Exercise("10.1", 2, sweep_test, nets.sweep),
    "my_choice": Exercise("10.2", 2, choice_test, nets.choice),
    "my_spread": Exercise("10.3", 1, spread_test, nets.spread),
    "MyMomentum": Exercise("11.1", 1, optimiser_test(
        [0.99, 0.9711, 0.944379], ([0.03, -0.06], 0.75), momentum=0.5), edf.SGD),
    "MyRMSProp": Exercise("11.2", 2, optimiser_test(
        [0.9, 0.832918, 0.7799823], ([0.0135047, -0.7766173], 1.6448314), alpha=0.9, eps=0.1),
        edf.RMSProp),
    "MyAdam": Exercise("11.3", 3, optimiser_test(
        [0.99, 0.9800027, 0.9700101], ([0.3736179, -1.3370415], 2.3333333), betas=(0.8, 0.9),
        eps=0.1), edf.Adam),
    "my_composed_batchnorm": Exercise("12.1", 2, composed_batchnorm_test, edf.BatchNorm),
    "MyBatchNorm": Exercise("12.2", 4, batchnorm_test, edf.BatchNorm),
    "MyMaxPool2d": Exercise("13.1", 2, maxpool_test, edf.MaxPool2d),
    "MyConv2d": Exercise("13.2", 3, conv_test, edf.Conv2d),
    "SuspectReLU": Exercise("14.1", 1, component_test(
        x=[[-2.0, -0.5, 1.5], [0.5, 2.0, -1.0]], y=[[0, 0, 1.5], [0.5, 2.0, 0]])),
    "suspect_layer": Exercise("14.2", 1, suspect_layer_test),
    "SuspectMatMul": Exercise("14.3", 1, suspect_matmul_test),
    "SuspectSimilarity": Exercise("14.4", 1, suspect_similarity_test),
    "SuspectRepeat": Exercise("14.5", 1, suspect_repeat_test),
    "SuspectNormalize": Exercise("14.6", 1, suspect_normalize_test),
    "suspect_jacobian": Exercise("14.7", 1, suspect_jacobian_test),
    "SuspectCrossEntropy": Exercise("14.8", 1, suspect_cross_entropy_test),
    "SuspectSoftmax": Exercise("14.9", 1, suspect_softmax_test),
    "my_best_net": Exercise("16.1", 4, best_net_test),
}
