"""Problem set 2: EXERCISES, at the end, is the list of its exercises with their tests."""

import numbers

import numpy as np

import edf
from mnist_loader import load
from problem_sets import nets
from problem_sets.checks import Exercise, require, require_return, value_and_gradient

# The tests.

def sd_test(mine):
    for fan_in, slope, expected in ((50, 0, 0.2), (8, 1, 0.3535534), (200, 0, 0.1),
                                    (40, 0.5, 0.2), (90, 2, 0.0666667)):
        got = mine(fan_in, slope)
        require_return(got, numbers.Real)
        hint = ""
        if np.isclose(got, 1 / fan_in ** 0.5, rtol=1e-3):
            hint = ("\nthis keeps the mean square of the sums s: what does the activation do to "
                    "it?")
        if np.isclose(got, expected ** 2, rtol=1e-3):
            hint = "\nthat is the variance: the standard deviation is its root"
        if slope and np.isclose(got, (2 / fan_in) ** 0.5, rtol=1e-3):
            hint = "\nnegative sums are kept too, multiplied by the slope"
        if np.isclose(got, (2 / (fan_in * (1 + slope))) ** 0.5, rtol=1e-3) and 0 < slope != 1:
            hint = "\na s, squared, is what multiple of s squared?"
        require(abs(got - expected) < 1e-6, f"for fan_in = {fan_in} and slope = {slope} it is "
                                            f"{got:.7g}, expected {expected}{hint}")
    x = edf.rng.normal(size=(300, 100))
    before = (x ** 2).mean()
    for _ in range(20):
        s = x @ edf.rng.normal(0, mine(100, 0.1), (100, 100))
        x = np.where(s > 0, s, 0.1 * s)
    return f"twenty layers change the mean square by the factor {(x ** 2).mean() / before:.2f}"


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
    other = {5: "a mean for each value is one over axis 1", 0.1: "that is the largest mean",
             1: "the mean counts, not the largest, the middle or the last of the errors"}
    for why, rows, expected in (
            (other, [[0.1, 0.9, 0.9], [0.08, 0.08, 0.08], [0.02, 0.09, 0.1], [0.7, 0.6, 0.8]],
             0.5),
            ("the mean over the seeds counts, not the best run",
             [[0.9, 0.88], [0.03, 0.05], [0.031, 0.033], [0.06, 0.05]], 0.5),
            ("a value with a run that diverged is out",
             [[np.nan, 0.9], [np.nan, 0.01], [0.03, 0.04], [0.03, 0.03]], 0.1),
            ("the smallest error wins", [[0.05, 0.04], [0.9, 0.9], [0.1, 0.1], [0.3, 0.2]], 5)):
        got = mine([5, 1, 0.5, 0.1], np.array(rows))
        require_return(got, numbers.Real)
        require(got in (5, 1, 0.5, 0.1),
                f"it chose {got}, which is none of the values [5, 1, 0.5, 0.1]")
        why = why[got] if why is other and got in other else why
        require(got == expected, f"with the values [5, 1, 0.5, 0.1] and the errors {rows} "
                                 f"it chose {got}, expected {expected}\n{why}")
    return "four tables, the right value in each"


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


def optimiser_test(golden, later, hints=(), decay=None, **options):
    """Return a test: do three steps lead from w = 1 to `golden`, for the loss w^2 / 2?

    And three for two parameters at once, with rates 0.1, 0.1 and 0.5, to `later`?
    `hints` are pairs: where a wrong first step leads to, and what to say then.
    """
    def test(optimiser):
        if decay is None:
            require_direction(optimiser)
        w = edf.Param(1.0)
        loss = w * w * 0.5
        method = optimiser(lr=0.01, **({} if decay is None else {"weight_decay": decay}))
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
            for place, words in hints:
                if count == 1 and abs(got - place) < 1e-6:
                    hint = "\n" + words
            if count > 1:
                hint = "\nstep 1 was right, so look at what is kept, and how it is used"
            given = (" and lr = 0.01" if decay is None else
                     f", lr = 0.01 and weight_decay = {decay}")
            require(abs(got - expected) < 1e-6,
                    f"with the loss w^2 / 2, w = 1{given}, step {count} leads to w = "
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


def stopping_test(mine):
    for errors, patience, expected, why in (
            ([0.9, 0.5, 0.4, 0.45, 0.41, 0.42, 0.3], 3, (5, 2),
             "epochs 3, 4 and 5 bring nothing better than epoch 2; epoch 6 never takes place"),
            ([0.9, 0.8, 0.85, 0.7, 0.75, 0.6], 2, (5, 5), "it never waits for two epochs in a row"),
            ([0.5, 0.4, 0.4, 0.4, 0.2], 2, (3, 1), "an error that is equal is no better"),
            ([0.5, 0.6, 0.55, 0.52, 0.1], 3, (3, 0),
             "epochs 2 and 3 are better than the one before, but not than epoch 0"),
            ([0.5, 0.4, 0.45], 3, (2, 1), "the epochs end before the patience does"),
            ([0.5, 0.6], 1, (1, 0), "a patience of one"), ([0.7], 4, (0, 0), "a single epoch")):
        got = mine(list(errors), patience)
        require(got is not None, "it returned None: is its return missing?")
        require(np.shape(got) == (2,), f"it returned {got}, but two numbers are asked for")
        require(tuple(got) == expected, f"for the errors {errors} and patience {patience} it "
                f"returned {tuple(map(int, got))}, expected {expected}\n{why}")
    return "seven courses of training end where they should"


def dropout_test(component):
    x = 1 + np.arange(2000.0).reshape(40, 50) / 1000
    node = component(edf.Param(x.copy()), p=0.2)
    edf.forward()
    require(np.array_equal(edf.params[0].value, x),
            "f has changed x in place: make a new array, x * m")
    m = node.value / x
    require(m.shape == x.shape, f"y has shape {m.shape}, but x has shape {x.shape}")
    zeros, kept = (m == 0).mean(), np.unique(m[m != 0].round(9))
    require(len(kept) == 1, f"what is left is multiplied by {kept[:4]} and so on: it must be one "
                            "number for all")
    hint = "\np is the probability of a 0" if abs(zeros - 0.8) < 0.05 else ""
    require(abs(zeros - 0.2) < 0.04, f"with p = 0.2 the share of zeros is {zeros:.3f}{hint}")
    require(abs(kept[0] - 1.25) < 1e-6, f"with p = 0.2 what is left is multiplied by {kept[0]:g}, "
                                        "so the mean of y is not x")
    require(0 < np.ptp(m, axis=0).min() and 0 < np.ptp(m, axis=1).min(),
            "whole rows or columns are dropped: each number is drawn by itself")
    edf.backward(node)
    require(np.allclose(edf.params[0].grad * x.size, m),
            "the gradient must pass where the value has passed, multiplied by the same number")
    edf.seed(5)
    edf.forward()
    again = node.value / x
    require((again != m).any(), "the second forward() drops the same numbers as the first")
    edf.seed(5)
    edf.forward()
    require((again == node.value / x).all(), "after edf.seed, the same numbers should be dropped "
                                             "again: draw from edf.rng")
    with edf.evaluating():
        edf.forward()
        edf.backward(node)
    require(np.array_equal(node.value, x), "in evaluation, y must be x")
    require(np.allclose(edf.params[0].grad * x.size, 1), "in evaluation, dx must be dy")
    return f"{zeros:.1%} zeros for p = 0.2, mean {m.mean():.3f}, and all passes in evaluation"


def penalty_test(mine):
    w, v, b = edf.Param([[1.0, -2.0, 0.5]]), edf.Param([3.0, 1.0]), edf.Param([1.0, 2.0, 3.0, 4.0])
    loss = b * b
    node = mine(loss, [w, v], 0.1)
    require_return(node, edf.Component)
    edf.forward()
    got, right = node.value.round(7), np.array([1.0, 4.0, 9.0, 16.0]) + 0.7625
    require(np.shape(got) in ((), (4,)), f"it has shape {np.shape(got)}, but the loss has (4,)")
    require(np.shape(got) == (4,), "the loss is a single number: add the penalty to the loss of "
                                   "each image, (B,)")
    extra = (got - [1.0, 4.0, 9.0, 16.0]).round(7)
    hints = {1.525: "is it half of the sum?", 0.2625: "are all weights in it?",
             0.5: "are all weights in it?", 0.190625: "it is not divided among the images",
             7.625: "is strength used?"}
    hint = next((words for number, words in hints.items() if np.allclose(extra, number)), "")
    require(np.allclose(got, right), f"for weights (1, -2, 0.5) and (3, 1), strength 0.1 and four "
                                     f"images it adds {extra.tolist()}, expected 0.7625\n{hint}")
    edf.backward(node)
    for name, param in ("the first", w), ("the second", v):
        require(param.grad is not None, f"no gradient reaches {name} weights: use the component "
                                        "itself, not its .value")
        require(np.allclose(param.grad, 0.1 * param.value), f"the gradient of {name} weights is "
                f"{param.grad.tolist()}, expected {(0.1 * param.value).round(3).tolist()}")
    return "the loss of each image has grown by 0.7625, and each gradient by 0.1 w"


def placed(image, down, right, mirror, wrap=False):
    """Return an image (C, H, W) mirrored or not, and then moved."""
    image = image[:, :, ::-1] if mirror else image
    if wrap:
        return np.roll(image, (down, right), axis=(1, 2))
    height, width = image.shape[1:]
    empty = np.zeros((len(image), 3 * height, 3 * width))
    empty[:, height:2 * height, width:2 * width] = image
    return empty[:, height - down:2 * height - down, width - right:2 * width - right]


def moved_test(mine):
    images = 1.0 + np.arange(200 * 2 * 4 * 5).reshape(200, 2, 4, 5)
    kept = images.copy()
    for most in 0, 1:
        got = mine(images, most)
        require_return(got, np.ndarray)
        require(np.array_equal(images, kept), "it has changed the images it was given: .copy() "
                                              "first")
        require(got.shape == images.shape, f"it returned shape {got.shape} for images of shape "
                                           f"{images.shape}")
        steps = range(-most, most + 1)
        places = [(down, right, mirror) for down in steps for right in steps
                  for mirror in (False, True)]
        counts = dict.fromkeys(places, 0)
        for image, result in zip(images, got):
            place = next((place for place in places if (placed(image, *place) == result).all()),
                         None)
            require(place is not None, f"with most = {most}, an image becomes none of its "
                    f"{len(places)} moved and mirrored forms\n{why_not(image, result, most)}")
            counts[place] += 1
        missing = [place for place, count in counts.items() if count == 0]
        require(sum(count > 0 for count in counts.values()) > 1 + most,
                "all images are treated alike: draw for each image by itself")
        require(not missing, "of 200 images none was moved (down, right) by "
                f"{missing and missing[0][:2]} and {'' if missing and missing[0][2] else 'not '}"
                "mirrored")
        mirrored = sum(count for (*_, mirror), count in counts.items() if mirror)
        require(60 <= mirrored <= 140, f"{mirrored} of 200 images are mirrored, expected about 100")
    edf.seed(5)
    got = mine(images, 1)
    edf.seed(5)
    require(np.array_equal(got, mine(images, 1)),
            "after edf.seed, the same images should come again: draw from edf.rng")
    return "moved and mirrored, each image by itself"


def why_not(image, result, most):
    """Say what may have been done to an image in place of moving and mirroring it."""
    steps = range(-most, most + 1)
    for down in steps:
        for right in steps:
            for mirror in False, True:
                if (placed(image, down, right, mirror, wrap=True) == result).all():
                    return "what leaves on one side must not come back on the other"
                if (placed(image[:, ::-1], down, right, mirror) == result).all():
                    return "it is upside down: mirror the last axis"
    return "is every channel moved alike, and is what is uncovered 0?"


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


def conv1d_test(component):
    x = np.array([[1.0, 3.0, 0.0, 2.0, 5.0, -1.0], [2.0, -2.0, 4.0, 1.0, 0.0, 3.0]])
    w = np.array([2.0, -1.0, 0.5, 3.0])
    node = component(edf.Param(x), edf.Param(w))
    edf.forward()
    flipped = [np.convolve(row, w, "valid") for row in x]
    require(np.shape(node.value) != (2, 3) or not np.allclose(node.value, flipped),
            "the kernel is flipped: the first weight meets the first number of a window")
    said = value_and_gradient(node, [[5.0, 22.0, -2.5], [11.0, -7.5, 16.0]])
    for rows, n, k in (1, 5, 5), (3, 4, 1):
        edf.clear()
        node = component(edf.Param(edf.rng.normal(size=(rows, n))),
                         edf.Param(edf.rng.normal(size=k)))
        edf.forward()
        try:
            value_and_gradient(node, node.value.tolist())
        except (AssertionError, ValueError) as error:
            error.add_note(f"for x ({rows}, {n}) and w ({k},), while for (2, 6) and (4,) it is "
                           "right")
            raise
    return said + ", also for other lengths"


def maxpool_test(component):
    image = [[1.0, 3.0, 2.0, 0.0], [4.0, 2.0, 1.0, 5.0], [0.0, 1.0, 2.5, 2.0], [3.0, 0.5, 6.0, 1.5]]
    touching = component(edf.Param([[image]]), size=2)
    edf.forward()
    edf.backward(touching)
    require(edf.params[0].grad.any(), "dx is 0 everywhere: g = g + ... makes a new array, g += ... "
                                      "adds to the view (or does a return end the loop?)")
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
    edf.clear()
    x = edf.Param([[[[2.0, 2.0, 1.0, 3.0], [0.0, 1.0, 3.0, 3.0]]]])
    loss = edf.Sum(component(x, size=2))
    edf.forward()
    edf.backward(loss)
    got = x.grad[0, 0].tolist()
    require(got == [[1, 1, 0, 1], [0, 0, 1, 1]],
            f"for {x.value[0, 0].tolist()} and dy = 1, dx is {got}, expected [[1, 1, 0, 1], [0, 0, "
            "1, 1]]\nif several pixels are the largest, each has the whole gradient")
    return said + ", also where windows overlap"


CHANNELS = [[[[-3, -6], [-12, -1]], [[-8, 7], [2, 10]], [[10, 3], [-11, -11]]],
            [[[-1, -18], [-3, -6]], [[10, 11], [-8, 7]], [[-11, 3], [10, 3]]]]


def conv_test(component):
    image, kernel = np.arange(16.0).reshape(1, 1, 4, 4), np.arange(9.0).reshape(1, 1, 3, 3)
    node = component(edf.Param(image), edf.Param(kernel), edf.Param([100.0]))
    edf.forward()
    require(not np.array_equal(node.value, [[[[202, 238], [346, 382]]]]),
            "the kernel is flipped: its first weight meets the first pixel of a window")
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


def rate_test(mine):
    for args, expected in (((0, 100, 0.5, 10), 0.05), ((4, 100, 0.5, 10), 0.25),
                           ((9, 100, 0.5, 10), 0.5), ((10, 100, 0.5, 10), 0.5),
                           ((40, 100, 0.5, 10), 0.375), ((55, 100, 0.5, 10), 0.25),
                           ((100, 100, 0.5, 10), 0.0), ((0, 8, 2, 0), 2.0),
                           ((6, 8, 2, 0), 0.2928932), ((3, 9, 0.3, 5), 0.24)):
        step, steps, lr, warm = args
        try:
            got = mine(*args)
        except ZeroDivisionError as error:
            error.add_note(f"for step = {step}, steps = {steps}, lr = {lr}, warm = {warm}: divide "
                           "by warm only while it lasts")
            raise
        require_return(got, numbers.Real)
        hint = "\nthis is still the rise" if step < warm else ""
        if not hint and np.isclose(got, lr * edf.cosine_decay(step, steps)):
            hint = "\nthe cosine begins at step `warm`, and has steps - warm steps to fall"
        require(abs(got - expected) < 1e-6, f"for step = {step}, steps = {steps}, lr = {lr}, warm "
                                            f"= {warm} it is {got:.7g}, expected {expected}{hint}")
    return "right in the rise, at its end, and down to 0"


def residual_test(mine):
    calls = []

    def kind(name):
        def layer(h, n_in, n_out, k):
            require_return(h, edf.Component)
            calls.append((n_in, n_out, k))
            if name == "zero":
                h = h * 0
            if name == "minus":
                h = h * -1
            if name == "turn" and len(calls) == 2 or name == "first" and (n_in, k) == (1, 3):
                h = h * -1
            return h if n_in == n_out else edf.Concat(h, h * 3, axis=1)
        return layer

    x = np.array([[[[2.0, -1.0]]]])
    for name, said, expected in (
            ("zero", "if both layers return 0", [2, 0]),
            ("same", "if both layers return what they get", [4, 0]),
            ("minus", "if both layers return minus what they get", [2, 0]),
            ("turn", "if the second layer returns minus what it gets", [0, 0])):
        edf.clear()
        calls.clear()
        node = mine(edf.Param(x), 1, 1, kind(name))
        require_return(node, edf.Component)
        require(calls == [(1, 1, 3), (1, 1, 3)], f"with n_in = n_out = 1 it builds layers (n_in, "
                f"n_out, k) = {calls}, expected [(1, 1, 3), (1, 1, 3)]")
        edf.forward()
        got = node.value.ravel().tolist()
        hint = {"zero": "is x added, and is the last ReLU behind the sum?",
                "same": "is x added before the last ReLU?",
                "minus": "is a ReLU between the two layers?",
                "turn": "no ReLU stands between the second layer and the sum"}
        require(got == expected, f"{said}, x = (2, -1) becomes {got}, expected {expected}\n"
                                 f"{hint[name]}")
    edf.clear()
    calls.clear()
    node = mine(edf.Param(x), 1, 2, kind("zero"))
    require(sorted(calls) == [(1, 2, 1), (1, 2, 3), (2, 2, 3)],
            f"with n_in = 1 and n_out = 2 it builds layers (n_in, n_out, k) = {calls}, expected "
            "(1, 2, 3), (2, 2, 3), and (1, 2, 1) on the way around")
    edf.clear()
    node = mine(edf.Param(x), 1, 2, kind("first"))
    edf.forward()
    got = node.value.reshape(2, 2).tolist()
    require(got == [[2, 0], [6, 0]], f"if the first layer returns (-x, -3 x), that of 1 x 1 (x, 3 "
            f"x), and the second what it gets, x = (2, -1) becomes {got}, expected [[2, 0], [6, "
            "0]]: the way around has no ReLU, and starts from x")
    return "x goes around, through a layer of 1 x 1 where channels differ"


def diagnosis_test(mine):
    causes = {letter: cause for letter, cause in nets.PATIENTS.items() if cause}
    got = mine()
    require_return(got, dict)
    require(set(got) == set(causes), f"its keys are {', '.join(map(str, got))}, expected A to F")
    for letter, cause in got.items():
        require(cause in causes.values(), f"{letter} has the cause {cause!r}, which is none of "
                f"{', '.join(map(repr, sorted(causes.values())))}")
    twice = sorted(cause for cause in causes.values() if list(got.values()).count(cause) > 1)
    require(not twice, f"{', '.join(map(repr, twice))} stands there more than once: each has a "
                       "cause of its own")
    right = sum(got[letter] == cause for letter, cause in causes.items())
    require(right == 6, f"{right} of 6 are right")
    return "all six are right"


def suspect_data_test(mine):
    index = np.arange(60)
    images = (10.0 + index)[:, None, None, None] + np.arange(12.0).reshape(1, 3, 4)
    labels, test_images = index * 7 % 10, np.linspace(-50, 90, 96).reshape(8, 1, 3, 4)
    given = images.copy(), labels.copy(), test_images.copy()
    results = mine(images, labels, test_images)
    require(results is not None, "it returned None: is its return missing?")
    require(len(results) == 3, f"it returned {len(results)} things, expected three")
    require(all(map(np.array_equal, given, (images, labels, test_images))),
            "it has changed the arrays it was given: .copy() first")
    for name, got, kept in zip(("images", "labels", "test images"), results, given):
        require(np.shape(got) == kept.shape, f"the {name} have shape {np.shape(got)}, expected "
                                             f"{kept.shape}")
    images, labels, test_images = results
    order = np.argsort(np.argsort(images[:, 0, 0, 0]))      # which image each of them was
    require(np.array_equal(np.sort(labels), np.sort(given[1])),
            "the labels are not those that were given")
    apart = np.flatnonzero(labels != given[1][order])
    require(apart.size == 0, f"{apart.size} of 60 images have the label of another image")
    require((order != index).any(), "the images are in the order in which they came")
    require(abs(images.mean()) < 1e-6 and abs(images.std() - 1) < 1e-6,
            f"the training images have mean {images.mean():.4g} and standard deviation "
            f"{images.std():.4g}, expected 0 and 1\nwhose mean and deviation are used?")
    mean, sd = given[0].mean(), given[0].std()
    require(np.allclose(images, (given[0][order] - mean) / sd), "not all pixels are changed by the "
            "same two numbers: take the mean and the deviation of all of them together")
    expected = (given[2] - mean) / sd
    require(np.allclose(test_images, expected), "the test images are changed by other numbers than "
                                                "the training images")
    return "images and labels together, and all changed by two numbers of the training images"


def digit_rows(images):
    """Return images as standardized rows."""
    return ((images - images.mean()) / images.std()).reshape(len(images), -1)


def suspect_training_test(mine, digits=None):
    digits = digits or load("digits")
    order = np.argsort(digits.train_labels, kind="stable")
    images, labels = digit_rows(digits.train_images)[order], digits.train_labels[order]
    others = digit_rows(digits.test_images)
    rows = {row.tobytes() for row in np.float32(images)}
    backward, first = edf.backward, []          # the biases before the first step

    def watched(loss):
        first.append(first[0] if first else edf.params[1].value.copy())
        require(edf.training, "it also trains in evaluation mode, where Dropout does nothing")
        for node in edf.components:
            if isinstance(node, edf.Input) and np.ndim(node.value) == 2:
                require(rows.issuperset(row.tobytes() for row in np.float32(node.value)),
                        "it trains on other images than the training images")
        backward(loss)

    with np.errstate(over="ignore", invalid="ignore"):
        try:
            edf.backward = watched
            results = mine(images, labels, others, digits.test_labels)
        finally:
            edf.backward = backward
        require(results is not None, "it returned None: is its return missing?")
        net, error = results
        require_return(net, nets.Net)
        with edf.evaluating():
            net.x.value, net.labels.value = images, labels
            edf.forward()
    require(isinstance(net.scores.x, edf.Dropout) and net.scores.x.p == 0.5,
            "Dropout with p = 0.5 is none of the faults: put it back")
    require(np.isfinite(net.loss.value).all(), "the loss is no longer a finite number: are the "
                                               "steps too long?")
    dead = (net.scores.x.value == 0).all(axis=0).mean()
    require(dead < 0.95, f"{dead:.0%} of the hidden units are 0 for every image: were they so at "
                        "the start, or has a step that is far too long made them so?")
    true = (nets.answers(net, others) != digits.test_labels).mean()
    require(abs(error - true) < 1e-9, f"it says that {error:.1%} are wrong, but in evaluation it "
                                      f"is {true:.1%}"
            + ": was Dropout still at work?" * bool(error > true))
    share = np.bincount(nets.answers(net, others)).max() / len(others)
    hint = (f"\n{share:.0%} of its answers are one class: which did it see last?"
            if share > 0.25 else "")
    require(true <= 0.15, f"{true:.1%} of 400 other digits are wrong, at most 15 % are asked for"
                          f"{hint}")
    require(not np.any(first[:1]), "the first biases do not start at 0: what are they changed for?")
    return f"{true:.1%} of other digits wrong, measured in evaluation"


def best_convnet_test(mine):
    digits = load("digits")
    images = digits.train_images[:, None] * np.float32(3) - np.float32(0.5)
    others = digits.test_images[:, None] * np.float32(3) - np.float32(0.5)
    kept, labels = images.copy(), digits.train_labels.copy()
    net = mine(images, labels, 3)
    require_return(net, nets.Net)
    for name, given, before in (("images", images, kept),
                                ("labels", labels, digits.train_labels)):
        require(np.array_equal(given, before), f"it has changed the {name} it was given: .copy() "
                                               "first")
    error = (nets.answers(net, others) != digits.test_labels).mean()
    require(error <= 0.15, f"after three epochs on 1,397 digits it gets {error:.1%} of 400 others "
                           "wrong, at most 15 % are asked for")
    return f"{error:.1%} of 400 digits wrong, at most 15 % were asked for"


EXERCISES = {
    "my_sd": Exercise("1.1", 2, sd_test, nets.starting_sd),
    "my_sweep": Exercise("2.1", 2, sweep_test, nets.sweep),
    "my_choice": Exercise("2.2", 2, choice_test, nets.choice),
    "my_spread": Exercise("2.3", 1, spread_test, nets.spread),
    "MyMomentum": Exercise("3.1", 1, optimiser_test(
        [0.99, 0.9711, 0.944379], ([0.03, -0.06], 0.75), momentum=0.5), edf.SGD),
    "MyNesterov": Exercise("3.2", 1, optimiser_test(
        [0.981, 0.954261, 0.9208939], ([0.005625, -0.01125], 0.475), momentum=0.5,
        hints=[(0.99, "in its first step Nesterov's momentum moves by more than the gradient")]),
        nets.Nesterov),
    "MyRMSProp": Exercise("3.3", 2, optimiser_test(
        [0.9, 0.832918, 0.7799823], ([0.0135047, -0.7766173], 1.6448314), alpha=0.9, eps=0.1,
        hints=[(0.9899496, "alpha is the share of the old v, 1 - alpha that of the new square")]),
        edf.RMSProp),
    "MyAdam": Exercise("3.4", 3, optimiser_test(
        [0.99, 0.9800027, 0.9700101], ([0.3736179, -1.3370415], 2.3333333), betas=(0.8, 0.9),
        eps=0.1, hints=[(0.9683772, "m and v are too small: where is the bias correction?"),
                        (0.6837724, "is v corrected too?"), (0.999, "is m corrected too?")]),
        edf.Adam),
    "MyAdamW": Exercise("3.5", 2, optimiser_test(
        [0.985, 0.9700792, 0.9552401], ([0.2069977, -0.9703709], 1.7636283), betas=(0.8, 0.9),
        eps=0.1, weight_decay=0.3, decay=0.5, hints=[
            (0.99, "no decay is left: added to the gradient, Adam divides it away"),
            (0.49, "the decay is multiplied by the rate too"),
            (0.995, "the decay makes w larger"),
            (0.98505, "both moves start from the same w: that before the step")]), edf.AdamW),
    "my_rate": Exercise("3.6", 1, rate_test, nets.rate),
    "my_stopping": Exercise("4.1", 1, stopping_test, nets.stopping),
    "MyDropout": Exercise("4.2", 2, dropout_test, edf.Dropout),
    "my_penalty": Exercise("4.3", 2, penalty_test, nets.penalty),
    "my_moved": Exercise("4.4", 2, moved_test, nets.moved),
    "my_composed_batchnorm": Exercise("5.1", 2, composed_batchnorm_test, edf.BatchNorm),
    "MyBatchNorm": Exercise("5.2", 4, batchnorm_test, edf.BatchNorm),
    "MyConv1d": Exercise("6.1", 3, conv1d_test),
    "MyMaxPool2d": Exercise("6.2", 2, maxpool_test, edf.MaxPool2d),
    "MyConv2d": Exercise("6.3", 3, conv_test, edf.Conv2d),
    "my_residual": Exercise("7.1", 2, residual_test, nets.residual),
    "my_diagnosis": Exercise("8.1", 3, diagnosis_test),
    "suspect_data": Exercise("8.2", 2, suspect_data_test),
    "suspect_training": Exercise("8.3", 3, suspect_training_test),
    "my_best_convnet": Exercise("9.1", 4, best_convnet_test),
}
