"""The exercises on paper: EXERCISES, at the end, is the list of those that are checked."""

import numpy as np

import edf
from edf_tools.check import alone
from problem_sets import nets
from problem_sets.checks import (
    Exercise,
    component_test,
    require,
    require_return,
    value_and_gradient,
)
from problem_sets.ps1 import check_squares, require_number

# The tests.

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
    return "three differences right, of x^3 and of exp(sigmoid(x) tanh(x))"


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
        require(got is not None, "it returned None: is its return missing?")
        got = np.asarray(got)           # of shape () a number will do
        require(got.shape == shape, f"{place}: the result has shape {got.shape}")
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


def row_sum_test(component):
    for x, y in (([[1.0, 2.0, 4.0], [0.5, -3.0, 1.5]], [7.0, -1.0]),
                 ([[1.0, 2.0], [-4.0, 8.0]], [3.0, 4.0]), ([[1.0, 2.0]], [3.0])):
        edf.clear()
        said = component_test(x, y)(component)
    return said


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


def suspect_matmul_test(product):
    check_squares(product)
    return value_and_gradient(product(edf.Param([[1, 0, 2], [0, 1, -1], [3, 1, 0], [-1, 2, 1]]),
                                      edf.Param([[1, 2], [0, -1], [0.5, 1]])),
                              [[2, 4], [-0.5, -2], [3, 5], [-0.5, -3]])


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
                f"row {i}, column {j}, the derivative of y_{i} with respect to o_{j}, is "
                f"{got[i, j]:.7f}, but differences give {want:.7f} (column {j} adds up to "
                f"{got[:, j].sum():.4f})")
    return "all nine derivatives right, and columns add up to 0"


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


# The network of section 4: three examples of two classes, three hidden units.
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
    """Return new arrays of the network of section 4."""
    return [np.array(TINY[name], float) for name in names]


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


EXERCISES = {
    "my_second_derivative": Exercise("1.3", 2, second_derivative_test),
    "my_naive_rule": Exercise("1.4", 2, naive_rule_test, nets.naive_rule),
    "my_slope": Exercise("2.1", 1, slope_test, nets.slope),
    "my_unbroadcast": Exercise("3.4", 3, unbroadcast_test),
    "MyRowSum": Exercise("3.5", 1, row_sum_test),
    "MyNormalize": Exercise("3.7", 3, normalize_test, edf.Normalize),
    "my_baselines": Exercise("3.12", 1, baselines_test, nets.baselines),
    "my_forward": Exercise("4.1", 2, forward_test),
    "my_backward": Exercise("4.3", 4, backward_test),
    "my_network": Exercise("4.4", 1, network_test, nets.two_layers),
    "SuspectReLU": Exercise("5.1", 1, component_test(
        x=[[-2.0, -0.5, 1.5], [0.5, 2.0, -1.0]], y=[[0, 0, 1.5], [0.5, 2.0, 0]])),
    "suspect_layer": Exercise("5.2", 1, suspect_layer_test),
    "SuspectMatMul": Exercise("5.3", 1, suspect_matmul_test),
    "SuspectSoftmax": Exercise("5.4", 1, suspect_softmax_test),
    "suspect_jacobian": Exercise("5.5", 1, suspect_jacobian_test),
}
