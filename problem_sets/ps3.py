"""Problem set 3: EXERCISES, at the end, is the list of its exercises with their tests."""

import time

import numpy as np

import edf
from problem_sets import nets, sequences
from problem_sets.checks import (
    Exercise,
    require,
    require_return,
    value_and_gradient,
)
from text_loader import encode, letters_of, load_text


def wave(*shape, step=1.7):
    """Return an array of this shape, of numbers from -1 to 1 that look arbitrary."""
    return np.sin(step * np.arange(1, 1 + np.prod(shape))).reshape(shape).round(2)


def require_shape(name, node, shape):
    """Refuse the value of a component that has another shape."""
    require_return(node, edf.Component)
    require(node.value.shape == shape, f"{name} has shape {node.value.shape}, expected {shape}")


def nearly(a, b, tolerance=1e-6):
    """Are two arrays nearly equal, and of one shape unless b is a number?"""
    return np.ndim(b) in (0, np.ndim(a)) and np.allclose(a, b, rtol=0, atol=tolerance)


def text_of(array):
    """Return the numbers of a small array, to be shown."""
    return np.asarray(array).round(4).tolist()


# What the right answers give for the numbers of wave().

RNN_STATES = [[[0.674961, 0.9223133, -0.154161, -0.280293], [0.9534034, 0.8178865, 0.3639227,
    -0.8792607]], [[0.6483981, -0.7993453, 0.854809, -0.8731147], [0.8949723, -0.8378112, 0.9695512,
    -0.971959]], [[0.1339578, -0.6963776, -0.5937357, -0.7071759], [0.0330489, -0.7454469,
    -0.1481625, -0.6804868]]]
LSTM_STATES = [[[0.2320463, -0.000457, -0.0999984, -0.7750176], [0.0852888, 0.0805498, 0.0530606,
    -0.0366363]], [[0.369494, -0.0045947, -0.2254154, -1.4616927], [0.0898411, 0.1504663, 0.8822344,
    -0.0416359]]]
GRU_STATES = [[[0.7665657, 0.5556491, 0.452899, -0.6386916], [-0.8264854, -0.649466, 0.6211939,
    0.9201072]]]
WEIGHTS = [[[0.2206037, 0.5978668, 0.1815295], [0.2510485, 0.5970174, 0.151934], [0.3161386,
    0.5237323, 0.1601291]], [[0.430703, 0.3650625, 0.2042345], [0.4491492, 0.2602923, 0.2905585],
    [0.4099439, 0.1861347, 0.4039214]]]
WEIGHTS_EXCHANGED = [[[0.2815419, 0.3256852, 0.3927728], [0.3486938, 0.353946, 0.2973602],
    [0.3690701, 0.313998, 0.3169318]], [[0.3303289, 0.3426944, 0.3269767], [0.4465138, 0.3167207,
    0.2367655], [0.2236081, 0.3164753, 0.4599166]]]
ATTENDED = [[[0.72, 1.0, 0.68, -0.06, -0.76], [-0.4908374, -0.1474796, 0.2857739, 0.5383789,
    0.4719566], [-0.2032376, -0.0410347, 0.1449149, 0.2378536, 0.1917599]], [[0.23, 0.86, 0.97,
    0.49, -0.29], [-0.1809252, 0.1959156, 0.4563436, 0.4349654, 0.1502769], [0.3042742, 0.329214,
    0.1560391, -0.1155278, -0.3170697]]]
UNMASKED = [[[-0.1521358, -0.1975489, -0.1213585, 0.0276478], [-0.1529504, -0.1955542, -0.1172862,
    0.0307504], [-0.0439147, -0.0490659, -0.0221022, 0.0166576]], [[-0.2252984, -0.262001,
    -0.1415198, 0.0626333], [-0.4075396, -0.4637133, -0.2399375, 0.1266095], [-0.5396677,
    -0.6049198, -0.3038499, 0.1776413]]]
HEADS = [[[-2.326882, 1.838233, -0.983788, -0.057893], [-1.7785446, 0.9830763, 0.0071188,
    -0.9951964], [-1.2231318, 0.7820577, -0.182251, -0.450871]], [[1.485528, -0.317995, -0.914688,
    1.97062], [0.3458647, 0.6473771, -1.5138089, 2.0892613], [-0.0916729, 0.9066164, -1.548155,
    1.8904622]]]
BLOCK = [[[31.6756634, -31.8377965, 4.1014686], [19.9968902, -26.6799741, 4.8549894]], [[38.6964023,
    -39.6451753, 4.0149037], [23.5927298, -30.4623673, 6.0191019]]]
ROWS = [[1.17, -0.2, 0.09], [0.6, -0.01, 0.06], [-0.4, 1.14, -0.32], [0.08, 0.69, -1.43], [0.06,
    -0.14, 1.19], [0.32, 0.26, 0.27], [-0.4, 1.14, -0.32], [-1.87, 0.8, 0.5]]


# Section 1.

def bigrams_test(mine):
    numbers = np.array([0, 1, 0, 1, 1, 2, 0, 1])
    before = numbers.copy()
    got = mine(numbers, 4)
    require(got is not None, "it returned None: is its return missing?")
    require(np.shape(got) == (4, 4), f"for 4 letters the table has shape {np.shape(got)}, "
                                     "expected (4, 4)")
    require(np.array_equal(numbers, before), "it has changed the numbers it was given")
    counts = np.array([[0, 3, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    want = [[1 / 7, 4 / 7, 1 / 7, 1 / 7], [2 / 7, 2 / 7, 2 / 7, 1 / 7], [0.4, 0.2, 0.2, 0.2],
            [0.25, 0.25, 0.25, 0.25]]
    sums = np.sum(got, axis=1)

    def is_table(counts):
        return nearly(got, (1 + counts) / (1 + counts).sum(axis=1, keepdims=True))

    letters = np.eye(4, dtype=int)
    around, last = np.outer(letters[1], letters[0]), np.outer(letters[0], letters[1])
    hint = ("is every occurrence of a pair counted? table[i, j] += 1 with arrays counts it once"
            if is_table(counts > 0) else
            "are rows and columns exchanged? the first letter of a pair is the row"
            if is_table(counts.T) else
            "the last letter and the first are no pair: 8 letters have 7 pairs"
            if is_table(counts + around) else
            "is the pair at one end left out? 8 letters have 7 pairs"
            if is_table(counts - last) else
            "it adds up to 1 as a whole: each row has to" if nearly(np.sum(got), 1) else
            "each row has to add up to 1: divide by its sum" if not nearly(sums, 1) else
            "is each pair counted once more than it occurs, also one that never does?")
    for row in range(4):
        require(nearly(got[row], want[row]),
                f"for the text {numbers.tolist()}, row {row} is {text_of(got[row])}, "
                f"expected {text_of(want[row])}\n{hint}")
    return "the table of a text of 8 letters is right, and each row adds up to 1"


# Section 2.

def embedding_test(component):
    w, index = wave(5, 3), [[0, 2, 2, 4], [2, 1, 0, 2]]
    node = component(edf.Param(w), edf.Input(index))
    try:
        return value_and_gradient(node, w[np.array(index)])
    except AssertionError as error:
        if "wrong gradient" in str(error):
            error.add_note("row 2 is used four times and row 0 twice: does each get the sum of its "
                           "shares? row 3 is not used: is its gradient 0?")
        raise


# Section 3.

def states_and_gradient(nodes, want, names):
    """Compare components (B, H) with arrays, by name, and the gradients of all at once."""
    edf.forward()
    for name, node, right in zip(names, nodes, want):
        require_shape(name, node, np.shape(right))
        require(nearly(node.value, right), f"{name} is {text_of(node.value)}, "
                                           f"expected {text_of(right)}")
    return value_and_gradient(edf.Concat(*nodes, axis=1), np.concatenate(want, axis=1).tolist())


def rnn_test(mine):
    x, h = edf.Param(wave(2, 5, 3)), edf.Param(wave(2, 4, step=2.3))
    w, u, b = (edf.Param(wave(*shape, step=step)) for shape, step in (
        ((3, 4), 0.9), ((4, 4), 2.9), ((4,), 1.3)))
    states = mine(x, h, w, u, b, 3)
    require(states is not None, "it returned None: is its return missing?")
    require(isinstance(states, list | tuple), f"it returned {states}, expected a list of states")
    require(len(states) == 3, f"with steps = 3 it returned {len(states)} states, expected 3: those "
                              "after 1, 2 and 3 letters, without the one at the start")
    for state in states:
        require_return(state, edf.Component)
    edf.forward()
    first = states[0].value
    if np.shape(first) == (2, 4) and not nearly(first, RNN_STATES[0]):
        with np.errstate(all="ignore"):         # beyond 1 there is no arctanh
            without = np.arctanh(first) - np.arctanh(RNN_STATES[0])
        hint = ("is tanh left out?" if nearly(np.tanh(first), RNN_STATES[0]) else
                "it lacks h @ u: the first state comes from the h that is given"
                if nearly(without, -h.value @ u.value) else
                "is it tanh of x w + h u + b, with the first letter x[:, 0]?")
        raise AssertionError(f"state 1 is {text_of(first)}, expected {text_of(RNN_STATES[0])}\n"
                             f"{hint}")
    try:
        return states_and_gradient(states, RNN_STATES, ("state 1", "state 2", "state 3"))
    except AssertionError as error:
        if str(error).startswith("state 2"):
            error.add_note("state 1 is right: does state 2 use it, and the letter x[:, 1]?")
        raise


def cell_params(gates, states):
    """Return x, h, ..., w, u, b of one step, in a new graph: 2 examples, 3 inputs, 4 units."""
    edf.clear()
    shapes = (2, 3), *[(2, 4)] * states, (3, 4 * gates), (4, 4 * gates), (4 * gates,)
    return [edf.Param(wave(*shape, step=0.7 + 0.3 * i)) for i, shape in enumerate(shapes)]


OPEN, SHUT = 40.0, -40.0        # scores of a gate


def set_scores(b, *parts):
    """Set the biases of each gate, or of what is written, to one number."""
    b.value = np.repeat(parts, 4).astype(float)


def lstm_test(mine):
    for parts, what, h_is, c_is in (
            ((SHUT, OPEN, OPEN, 0.5), "with the input gate shut and the forget gate open",
             None, lambda c: c),
            ((OPEN, SHUT, OPEN, 0.5), "with the input gate open and the forget gate shut",
             None, lambda c: np.tanh(0.5) + 0 * c),
            ((OPEN, OPEN, SHUT, 0.5), "with the output gate shut", lambda c: 0 * c, None)):
        x, h, c, w, u, b = cell_params(4, 2)
        w.value, u.value = np.zeros((3, 16)), np.zeros((4, 16))
        set_scores(b, *parts)
        got = mine(x, h, c, w, u, b)
        require(isinstance(got, tuple | list) and len(got) == 2,
                "it returned None: is its return missing?" if got is None
                else "it has to return two components, h and c")
        for node in got:
            require_return(node, edf.Component)
        edf.forward()
        for name, node, right in zip("hc", got, (h_is, c_is)):
            require_shape(name, node, (2, 4))
            if right is not None:
                hint = ("\nit is what was returned first: the order is h, c"
                        if name == "c" and nearly(got[0].value, right(c.value)) else "")
                require(nearly(node.value, right(c.value)),
                        f"{what} (columns in the order i, f, o, g), the next {name} is "
                        f"{text_of(node.value)}, expected {text_of(right(c.value))}{hint}")
    nodes = mine(*cell_params(4, 2))
    edf.forward()
    try:
        return states_and_gradient(nodes[::-1], LSTM_STATES[::-1], ("c", "h"))
    except AssertionError as error:
        if str(error)[:4] in ("h is", "c is"):
            error.add_note("gates that are open or shut do what they should: are x w, h u and b "
                           "all in their scores, and is h the old one?" if str(error)[0] == "c" else
                           "c is right: is h the output gate times tanh of the new c?")
        raise


def gru_test(mine):
    for parts, what, h_is in (
            ((OPEN, OPEN, 0.5), "with z = 1", lambda h: h),
            ((SHUT, SHUT, 0.5), "with z = 0 and r = 0", lambda h: np.tanh(0.5) + 0 * h),
            ((SHUT, OPEN, 0.5), "with z = 0 and r = 1", lambda h: np.tanh(0.5 + h))):
        x, h, w, u, b = cell_params(3, 1)
        w.value, u.value = np.zeros((3, 12)), np.concatenate(
            [np.zeros((4, 8)), np.eye(4)], axis=1)
        set_scores(b, *parts)
        got = mine(x, h, w, u, b)
        require_return(got, edf.Component)
        edf.forward()
        require_shape("h", got, (2, 4))
        require(nearly(got.value, h_is(h.value)),
                f"{what} (columns in the order z, r, n), the next h is {text_of(got.value)}, "
                f"expected {text_of(h_is(h.value))}")
    node = mine(*cell_params(3, 1))
    try:
        return states_and_gradient([node], GRU_STATES, ["h"])
    except AssertionError as error:
        if str(error).startswith("h is"):
            error.add_note("gates that are open or shut do what they should: are x w, h u and b "
                           "all in the scores of z and r, and is r h what U_n multiplies?")
        raise


# Section 4.

def causal(length):
    """Return the mask as an Input, from its definition."""
    return edf.Input([[-np.inf if j > i else 0.0 for j in range(length)] for i in range(length)])


def weights_of(mine, q, k, mask, width):
    """Return the weights p of attention: what it makes of the values 1 0 0, 0 1 0, 0 0 1."""
    edf.clear()
    v = np.broadcast_to(np.eye(q.shape[1]), (len(q), q.shape[1], q.shape[1]))
    node = mine(edf.Param(q), edf.Param(k), edf.Param(v), edf.Input(mask), width)
    require_return(node, edf.Component)
    edf.forward()
    require_shape("y, where v is (2, 3, 3),", node, (2, 3, 3))
    return node.value


def attention_test(mine):
    q, k = wave(2, 3, 4), wave(2, 3, 4, step=2.6)
    none = np.zeros((3, 3))
    p = weights_of(mine, 0 * q, k, none, 4)
    require(nearly(p, np.full((2, 3, 3), 1 / 3)), "with all queries 0 the weights of a letter are "
            f"{text_of(p[0, 0])}, expected [0.3333, 0.3333, 0.3333]\n"
            "is it a softmax of the scores?")
    p = weights_of(mine, q, k, none, 4)
    if not nearly(p.sum(axis=-1), 1):
        sums = "columns" if nearly(p.sum(axis=-2), 1) else "rows do not, and columns neither"
        raise AssertionError(f"the weights of a letter are {text_of(p[0, 0])}, which add up to "
                             f"{p[0, 0].sum():.4f}, expected 1\n"
                             + ("its columns add up to 1 instead: the softmax is along the axis of "
                                "the queries" if sums == "columns" else "is it a softmax?"))
    if not nearly(p, WEIGHTS):
        steep = np.log(p[0, 0, 0] / p[0, 0, 1]) / np.log(WEIGHTS[0][0][0] / WEIGHTS[0][0][1])
        hint = (f"all scores are {steep:.3g} times the right ones: with width = 4 they are divided "
                "by 2" if nearly(p, power(WEIGHTS, steep), 1e-4) else
                "are queries and keys exchanged? row i belongs to query i"
                if nearly(p, WEIGHTS_EXCHANGED) else
                "are the scores the products of each query with each key of its window?")
        raise AssertionError(f"the weights of the first letter are {text_of(p[0, 0])}, "
                             f"expected {text_of(WEIGHTS[0][0])}\n{hint}")
    p = weights_of(mine, q, k, causal(3).value, 4)
    require(nearly(np.triu(p, 1), 0), f"with -inf in the mask the first letter has the weights "
            f"{text_of(p[0, 0])}, expected [1, 0, 0]\nis the mask added to the scores, before the "
            "softmax?")
    require(nearly(p.sum(axis=-1), 1), f"with the mask the weights add up to {text_of(p.sum(-1))}, "
            "expected 1: the mask belongs before the softmax")
    p = weights_of(mine, q, k, none + [0, 1, 0], 4)
    want = np.array(WEIGHTS) * np.exp([0, 1, 0])
    want /= want.sum(axis=-1, keepdims=True)
    require(nearly(p, want), "with 1 in the mask for the second letter, the weights of the first "
            f"are {text_of(p[0, 0])}, expected {text_of(want[0, 0])}\nis the mask itself added, "
            "after the division by the root?")
    edf.clear()
    node = mine(edf.Param(q), edf.Param(k), edf.Param(wave(2, 3, 5, step=0.8)), causal(3), 4)
    return value_and_gradient(node, ATTENDED)


def power(p, steep):
    """Return the weights if all scores were so many times as large."""
    p = np.asarray(p) ** steep
    return p / p.sum(axis=-1, keepdims=True)


def attention_gradient_test(component):
    for q_shape in (2, 3, 4), (2, 2, 3, 4):
        edf.clear()
        q, k = (edf.Param(wave(*q_shape, step=step)) for step in (1.7, 2.6))
        v = edf.Param(wave(*q_shape[:-1], 5, step=0.8))
        node = component(q, k, v, causal(3))
        want = ATTENDED if len(q_shape) == 3 else None
        edf.forward()
        try:
            said = value_and_gradient(node, node.value.tolist() if want is None else want)
        except (AssertionError, ValueError) as error:
            if "wrong gradient" in str(error):
                dscores = node.dscores(wave(*v.value.shape, step=0.6), v.value)
                sums = np.sum(dscores, axis=-1)
                if np.shape(dscores) == (*q_shape[:-1], 3) and not nearly(sums, 0):
                    error.add_note(f"a row of dscores adds up to {sums.flat[-1]:.4f}, expected 0, "
                                   "as the weights add up to 1 whatever the scores")
            if len(q_shape) == 4:
                error.add_note("for arrays (2, 2, 3, 4), with two leading axes (with one it is "
                               "right): exchange the last two axes only, by swapaxes(-1, -2)")
            raise
    return said + ", with one leading axis and with two"


def mask_test(mine):
    for length in 4, 1, 7:
        got = mine(length)
        require(got is not None, "it returned None: is its return missing?")
        require(np.shape(got) == (length, length),
                f"for length {length} it has shape {np.shape(got)}, expected {(length, length)}")
        got = np.asarray(got, float)
        require(not np.isnan(got).any(), "it contains nan: 0 times infinity is nan, so do not "
                                         "multiply by it")
        for i in range(length):
            for j in range(length):
                which = ("that letter itself" if i == j else "earlier" if j < i else "later")
                want = -np.inf if j > i else 0
                hint = ("\na large negative number hides a letter only while all scores are small "
                        "beside it" if j > i and got[i, j] < -100 else "")
                require(got[i, j] == want, f"entry ({i}, {j}) is {got[i, j]:g}, expected {want:g}"
                        f"\nfor letter {i}, letter {j} is {which}{hint}")
    return "right for 1, 4 and 7 letters"


def sees_later_test(mine):
    def looks_back(x):                  # each row: the one before it
        return np.concatenate([0 * x[:1], x[:-1]])

    def means(x):                       # each row: the mean of all rows up to it
        return np.cumsum(x, axis=0) / np.arange(1, len(x) + 1)[:, None]

    def itself(x):
        return np.tanh(x @ wave(3, 2))

    def constant(x):
        return np.ones((len(x), 2))

    def one_ahead(x):                   # each row but the last: the one after it
        return np.concatenate([x[1:], x[-1:]])

    def mean_of_all(x):
        return x + x.mean(axis=0)

    def third_row(x):                   # row 2 alone looks at row 3
        y = means(x)
        y[2] += x[3]
        return y

    def first_row(x):                   # row 0 alone looks at the last
        y = x.copy()
        y[0] += x[-1]
        return y

    def first_pair(x):                  # row 0 alone looks at row 1
        y = means(x)
        y[0] += x[1]
        return y

    def last_pair(x):                   # the last row but one alone looks at the last
        y = means(x)
        y[-2] += x[-1]
        return y

    def rounding(x):
        return means(x) + 1e-14 * one_ahead(x)

    def faint(x):
        return means(x) + 1e-6 * one_ahead(x)

    def two_ahead(x):
        return np.concatenate([x[2:], x[-2:]])

    def one_number(x):                  # the last column alone
        y = means(x)
        y[:-1, -1] = x[1:, -1]
        return y

    def opposite(x):                    # differences of opposite signs, which add up to 0
        ahead = one_ahead(x)
        return np.concatenate([ahead, -ahead], axis=1)

    x = wave(6, 3)
    for function, words in (
            (looks_back, "row t is row t - 1 of x"),
            (means, "row t is the mean of the rows 0 to t"),
            (itself, "each row depends on the same row of x only"),
            (constant, "it does not depend on x at all"),
            (rounding, "each row depends on the next by 1e-14, which is rounding")):
        got = truth(mine, function, x)
        require(not got, f"it returned True, where {words}")
    for function, words in (
            (one_ahead, "row t is row t + 1 of x"), (mean_of_all, "each row depends on all rows"),
            (third_row, "row 2 depends on row 3, and all else is causal"),
            (first_row, "row 0 depends on the last row, and all else is causal"),
            (faint, "each row depends on the next by a millionth"),
            (two_ahead, "row t is row t + 2 of x"),
            (one_number, "the last column of row t is that of row t + 1 of x"),
            (opposite, "row t is row t + 1 of x, and beside it the same with the opposite sign"),
            (first_pair, "row 0 depends on row 1, and all else is causal"),
            (last_pair, "the last row but one depends on the last, and all else is causal")):
        got = truth(mine, function, x)
        require(got, f"it returned False, where {words}")
    return "five functions cleared, ten leaks found"


def truth(mine, function, x):
    """Return what it says of a function, after making sure that it is True or False."""
    before = x.copy()
    got = mine(function, x)
    require(got is not None, "it returned None: is its return missing?")
    require(isinstance(got, bool | np.bool_), f"it returned {got}, expected True or False")
    require(np.array_equal(x, before), "it has changed x: change a copy")
    return got


def heads_params(windows=2, length=3, width=4):
    """Return x and the four matrices of heads."""
    return [edf.Param(wave(windows, length, width, step=1.9)),
            *(edf.Param(wave(width, width, step=step)) for step in (0.9, 1.3, 2.2, 2.7))]


def heads_test(mine):
    def value(params, count=2):
        node = mine(*params, count, causal(3))
        require_return(node, edf.Component)
        edf.forward()
        require_shape("the result", node, (2, 3, 4))
        return node.value

    start = value(heads_params())
    edf.clear()
    x, *matrices = heads_params()
    x.value = np.concatenate([x.value[:1], -x.value[1:]])
    require(nearly(value([x, *matrices])[0], start[0]), "if the second window is changed, so is "
            "the first: put windows and heads into one axis, (-1, T, D / count), only after the "
            "heads have been moved in front of the letters")
    edf.clear()
    x, *matrices = heads_params()
    x.value = np.concatenate([x.value[:, :2], -x.value[:, 2:]], axis=1)
    require(nearly(value([x, *matrices])[:, :2], start[:, :2]), "if the last letter is changed, "
            "so are the outputs of earlier ones: is the mask used, and are letters and heads kept "
            "apart?")
    x, wq, wk, wv, wo = plain_heads()
    before = value([x, wq, wk, wv, wo])
    edf.clear()
    x, wq, wk, wv, wo = plain_heads()
    wq.value = wq.value * [1, 1, -3, 5]             # the queries of the second head only
    after = value([x, wq, wk, wv, wo])
    require(nearly(after[..., :2], before[..., :2]), "if the queries of the second head (columns 2 "
            "and 3) are changed, and wo is the identity, columns 0 and 1 of the result change: "
            "does each head have its own columns, and its own weights?")
    require(not nearly(after[..., 2:], before[..., 2:]), "if the queries of the second head are "
            "changed, nothing changes: is each head used?")
    x, wq, wk, wv, wo = plain_heads()
    wv.value = wv.value * [1, 1, -3, 5]             # the values of the second head only
    after = value([x, wq, wk, wv, wo])
    require(nearly(after[..., :2], before[..., :2]), "if the values of the second head (columns 2 "
            "and 3) are changed, and wo is the identity, columns 0 and 1 of the result change: a "
            "reshape alone mixes heads and letters, so move the heads in front of the letters")
    require(not nearly(after[..., 2:], before[..., 2:]), "if the values of the second head (of wv) "
            "are changed, nothing changes: are the values x @ wv?")
    edf.clear()
    node = mine(*heads_params(), 2, causal(3))
    try:
        return value_and_gradient(node, HEADS)
    except AssertionError as error:
        if str(error).startswith("the value is"):
            error.add_note("windows, letters and heads are kept apart as they should: is the width "
                           "of a head D / count = 2, are q and k in their places, and is wo the "
                           "last matrix?")
        raise


def plain_heads():
    """Return the same with the identity as last matrix."""
    edf.clear()
    x, wq, wk, wv, wo = heads_params()
    wo.value = np.eye(4)
    return x, wq, wk, wv, wo


# Section 5.

def block_params(width=3):
    return [edf.Param(wave(*shape, step=step)) for shape, step in (
        ((width, 4 * width), 0.9), ((4 * width,), 1.4), ((4 * width, width), 2.1), ((width,), 2.8))]


def block_test(mine):
    seen = []

    def norm(number):
        def build(x):
            seen.append((f"norms[{number}]", x))
            return x * (2.0 + number)
        return build

    def attend(x):
        seen.append(("attend", x))
        return edf.Tanh(x)

    def build(w1, b1, w2, b2):
        seen.clear()
        x = edf.Param(wave(2, 2, 3, step=1.1))
        node = mine(x, attend, (norm(0), norm(1)), w1, b1, w2, b2)
        require_return(node, edf.Component)
        return x, node

    x, node = build(*block_params())
    names = [name for name, _ in seen]
    for name in "norms[0]", "attend", "norms[1]":
        require(names.count(name) == 1, f"{name} is called {names.count(name)} times, "
                                        "expected once")
    require(names == ["norms[0]", "attend", "norms[1]"],
            f"the order is {', '.join(names)}, expected norms[0], attend, norms[1]")
    require(seen[0][1] is x, "norms[0] gets something else than x")
    require(seen[2][1] is not x, "norms[1] gets x: the second part goes on from the result of the "
                                 "first")
    edf.clear()
    params = block_params()
    for param in params[2:]:
        param.value = 0 * param.value                   # the perceptron adds nothing
    x, node = build(*params)
    edf.forward()
    want = x.value + np.tanh(2 * x.value)
    hint = ("the first part replaces x: it has to be added to it" if nearly(
                node.value, want - x.value) else
            "the second part replaces what came in: it has to be added to it" if nearly(
                node.value, 0 * want) else
            "the second part is added to x: it has to be added to the result of the first"
            if nearly(node.value, x.value) else
            "what is added to is not to be normalized")
    require_shape("the result", node, (2, 2, 3))
    require(nearly(node.value, want), "with w2 = 0 and b2 = 0, a block is x plus the attention: it "
            f"is {text_of(node.value[0])}, expected {text_of(want[0])}\n{hint}")
    edf.clear()
    _, node = build(*block_params())
    try:
        return value_and_gradient(node, BLOCK)
    except AssertionError as error:
        if str(error).startswith("the value is"):
            error.add_note("the attention is right: is the perceptron Affine, edf.ReLU, Affine of "
                           "what norms[1] gives?")
        raise


# Section 6.

def gpt_test(mine):
    sizes = {"letters": 11, "width": 8, "count": 2, "layers": 2, "length": 6}
    edf.seed(3)
    net = mine(**sizes)
    require_return(net, nets.Net)
    for name in net._fields:
        node = getattr(net, name)
        require(isinstance(node, edf.Component) and edf.components[node.number] is node,
                f"{name} of the Net is {node}, expected a component of the graph")
    numbers = np.array([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])
    net.x.value, net.labels.value = numbers, np.arange(12) % 11
    edf.forward()
    require_shape("scores", net.scores, (12, 11))
    require_shape("loss", net.loss, (12,))
    require(not isinstance(net.scores, edf.Softmax), "scores are no probabilities: the softmax is "
                                                     "in SoftmaxCrossEntropy")
    softmaxes = len(weights_of_all(net, numbers))
    require(softmaxes == 2, f"with layers = 2 there are {softmaxes} attentions, expected 2")
    want = parameters(**sizes)
    got = sum(param.value.size for param in edf.params)
    hint = {16: "\nis the last norm there?", 11: "\nis the last layer affine, with zeros(letters)?"
            }.get(want - got, "")
    require(got == want, f"it has {got} parameters, expected {want}{hint}")
    edf.backward(net.loss)
    for param in edf.params:
        require(param.grad is not None, f"no gradient reaches {param}: is what it is "
                                       "for used in what follows?")
    require_causal(net, numbers, "is the mask an Input with -inf for what comes later?")
    require_order(net, numbers)
    require_parts(net, numbers, sizes)
    edf.backward(run_again(net, numbers))
    require(abs(net.loss.value.mean() - np.log(11)) < 0.7, "before training the loss is "
            f"{net.loss.value.mean():.3f}, expected about log K = {np.log(11):.3f}\nare the scores "
            "an affine function, with new weights, of what the last norm gives?")
    edf.check_gradients(net.loss, entries=5)
    start, adam = net.loss.value.mean(), edf.Adam(lr=0.01)
    for _ in range(30):
        edf.backward(run_again(net, numbers))
        adam.step()
    end = run_again(net, numbers).value.mean()
    require(end < 0.5 * start, f"after 30 steps on one batch the loss went from {start:.3f} to "
                               f"{end:.3f}, expected less than half")
    return (f"{got} parameters, no letter sees a later one, and the loss of one batch falls "
            f"from {start:.2f} to {end:.2f}")


def parameters(letters, width, layers, length, count=None):
    """Return how many numbers a GPT of this form has."""
    block = 4 * width + 4 * width ** 2 + 8 * width ** 2 + 5 * width
    return (letters + length) * width + layers * block + 2 * width + width * letters + letters


def run_again(net, numbers):
    """Run the net on these numbers; return its loss."""
    net.x.value = numbers
    edf.forward()
    return net.loss


def scores_of(net, numbers):
    """Return the scores (B, T, K) of a net."""
    run_again(net, numbers)
    return net.scores.value.reshape(*numbers.shape, -1).copy()


def require_causal(net, numbers, hint):
    """Refuse a net whose scores depend on a later letter."""
    before = scores_of(net, numbers)
    for t in range(1, numbers.shape[1]):
        after = np.concatenate([numbers[:, :t], (numbers[:, t:] + 1) % 7], axis=1)
        require(nearly(scores_of(net, after)[:, :t], before[:, :t], 1e-9),
                f"if the letters from place {t} on are changed, so are scores before it\n{hint}")


def require_order(net, numbers):
    """Refuse a net that takes the letters of a window for a set."""
    before, other = scores_of(net, numbers), numbers.copy()
    other[:, [0, 1]] = numbers[:, [1, 0]]
    require(not nearly(scores_of(net, other)[:, -1], before[:, -1], 1e-9), "if two earlier letters "
            "are exchanged, the scores of the last stay as they are: are the positions added?")


def weights_of_all(net, numbers):
    """Return the weights of each attention in the graph, in order."""
    run_again(net, numbers)
    return [node.value if isinstance(node, edf.Softmax) else node.p for node in edf.components
            if isinstance(node, edf.Softmax | sequences.Attention)
            or type(node).__name__ == "MyAttention"]


def require_parts(net, numbers, sizes):
    """Refuse a net whose parts are put together in another way."""
    windows = len(numbers) * sizes["count"]
    for p in weights_of_all(net, numbers):
        got = p.size // sizes["length"] ** 2
        require(got == windows, f"for {len(numbers)} windows and count = {sizes['count']}, an "
                f"attention has weights for {got} windows, expected {windows}: has each block "
                f"`count` heads?")
    alike = weights_of_all(net, np.full_like(numbers, 3))[0]
    require(np.ptp(alike.reshape(-1, sizes["length"])[-1]) > 1e-6, "where all letters of a window "
            "are the same, the first block looks at all of them alike: are the positions added "
            "before it?")
    saved, by_shape, width = {}, {}, sizes["width"]
    for param in edf.params:
        by_shape[param.value.shape] = param.value
        if param.value.shape in ((width, width), (4 * width, width)):
            saved[param] = param.value
            param.value = 0 * param.value
    rows = by_shape[sizes["letters"], width][numbers] + by_shape[sizes["length"], width]
    rows = rows - rows.mean(axis=-1, keepdims=True)
    rows /= (rows.var(axis=-1, keepdims=True) + 1e-5) ** 0.5
    want = rows @ by_shape[width, sizes["letters"]] + by_shape[sizes["letters"],]
    got = scores_of(net, numbers)
    for param, value in saved.items():
        param.value = value
    require(nearly(got, want), "where the matrices of all blocks are 0, so that they add nothing, "
            f"the first scores are {text_of(got[0, 0, :3])}, expected {text_of(want[0, 0, :3])}, "
            "which is norm(table[x] + places) V + c\nare the positions added once, is each block's "
            "result the next h, and is nothing else in between?")


def chances_test(mine):
    scores = np.array([1.0, 3.0, -1.0, 2.0, 0.0])
    before = scores.copy()
    for words, options, want in (
            ("", {}, [0.0861, 0.6364, 0.0117, 0.2341, 0.0317]),
            ("with temperature 0.5", {"temperature": 0.5},
             [0.0158, 0.8647, 0.0003, 0.1170, 0.0021]),
            ("with temperature 2", {"temperature": 2.0}, [0.1577, 0.4287, 0.0580, 0.2600, 0.0956]),
            ("with top_k = 2", {"top_k": 2}, [0, 0.7311, 0, 0.2689, 0]),
            ("with top_k = 1", {"top_k": 1}, [0, 1, 0, 0, 0]),
            ("with top_k = 5", {"top_k": 5}, [0.0861, 0.6364, 0.0117, 0.2341, 0.0317]),
            ("with temperature 2 and top_k = 3", {"temperature": 2.0, "top_k": 3},
             [0.1863, 0.5065, 0, 0.3072, 0])):
        got = mine(scores, **options)
        require(got is not None, "it returned None: is its return missing?")
        require(np.shape(got) == (5,), f"for 5 scores it has shape {np.shape(got)}, expected (5,)")
        require(np.array_equal(scores, before), "it has changed the scores it was given")
        total = np.sum(got)
        hint = "\nwhat is left out has to go before the sum is taken" if words else ""
        require(nearly(total, 1), f"{words or 'without options'} the chances add up to "
                                  f"{total:.4f}, expected 1{hint}")
        require(nearly(got, want, 1e-4), f"for scores {scores.tolist()} {words} the chances are "
                f"{text_of(got)}, expected {want}")
    got = mine(np.array([1000.0, 999.0, -1000.0]), temperature=0.1)
    require(nearly(got, [0.9999546, 0.0000454, 0]), "for scores [1000, 999, -1000] and temperature "
            f"0.1 the chances are {text_of(got)}, expected [1, 0, 0]")
    return "seven distributions right, and none overflows"


# Section 7.

def suspect_mask_test(mine):
    for length, reach in (5, 1), (5, 3), (4, 9):
        got = mine(length, reach)
        require(np.shape(got) == (length, length), f"it has shape {np.shape(got)}, "
                                                   f"expected {(length, length)}")
        for i in range(length):
            row = np.flatnonzero(np.asarray(got)[i] == 0).tolist()
            want = list(range(max(0, i - reach + 1), i + 1))
            require(row == want, f"with length {length} and reach {reach}, letter {i} may look at "
                                 f"{row}, expected {want}")
    return "right for a reach of 1, 3 and 9 letters"


def suspect_attention_test(mine):
    q, k, v = wave(2, 3, 4), wave(2, 3, 4, step=2.6), wave(2, 3, 4, step=0.8)
    edf.clear()
    ones = mine(*(edf.Param(array) for array in (q, k, np.ones((2, 3, 4)))), 4)
    require_return(ones, edf.Component)
    edf.forward()
    require_shape("y", ones, (2, 3, 4))
    require(nearly(ones.value, 1), "where all values are 1 the outputs are "
            f"{text_of(ones.value[0, :, 0])}, expected 1 for each letter\nthe weights of a letter "
            "have to add up to 1, over the letters that it looks at")
    edf.clear()
    node = mine(*(edf.Param(array) for array in (q, k, v)), 4)
    return value_and_gradient(node, UNMASKED)


def suspect_pairs_test(mine):
    for name in [5, 13, 13, 1], [7]:
        got = mine(np.array(name))
        require(isinstance(got, tuple | list) and len(got) == 2,
                "it has to return two arrays, inputs and targets")
        for what, array, want in (("inputs", got[0], [0, *name]), ("targets", got[1], [*name, 0])):
            hint = ("\nthe targets are the inputs: copying is all that it takes"
                    if np.array_equal(got[0], got[1]) else "")
            require(np.array_equal(array, want), f"for the name {name} the {what} are "
                    f"{np.asarray(array).tolist()}, expected {want}{hint}")
    return "inputs and targets of two names are right"


def suspect_rows_test(mine):
    table, places, x = wave(7, 3), wave(4, 3, step=2.4), [[1, 6, 1, 0], [2, 1, 1, 3]]
    node = mine(edf.Input(x), edf.Param(table), edf.Param(places))
    require_return(node, edf.Component)
    edf.forward()
    require_shape("the result", node, (2, 4, 3))
    require(not nearly(node.value, table[np.array(x)]), "the rows are those of the letters alone: "
            "letter 1 has the same row in the places 0 and 2")
    return value_and_gradient(edf.Reshape(node, (8, 3)), ROWS)


def small_recurrent():
    """Return a small recurrent network, and three batches of windows for it."""
    edf.seed(5)
    params = sequences.recurrent_params(5, 3, 4, 3, 1)
    net = sequences.recurrent(sequences.gru, params, 1, 3)
    numbers = np.random.default_rng(5).integers(5, size=(3, 2, 4))
    return net, [(rows[:, :-1], rows[:, 1:].reshape(-1)) for rows in numbers]


def suspect_losses_test(mine):
    net, batches = small_recurrent()
    want = []
    for net.x.value, net.labels.value in batches:
        edf.forward()
        want.append(float(net.loss.value.mean()))
    for order, words in ([0, 1, 2], ""), ([2, 0, 1], ", in another order,"):
        net.starts[0].value = np.full((1, 4), 0.5)          # of what was read before
        got = mine(net, [batches[i] for i in order])
        require(isinstance(got, list | tuple) and np.shape(got) == (3,),
                f"it returned {got}, expected a loss for each of three batches")
        right = [want[i] for i in order]
        factors = np.divide(got, right)
        hint = (f"all are {factors[0]:.3g} times the right ones: the mean is asked for"
                if nearly(factors, factors[:1]) else "each window starts without a past: what "
                "state does the network start from?")
        require(nearly(got, right), f"for three batches{words} the losses are {text_of(got)}, "
                f"expected {text_of(right)}\n{hint}")
    return "the losses of three batches are right, in any order"


def suspect_scores_test(mine):
    edf.clear()
    edf.seed(6)
    x, labels = edf.Input(), edf.Input()
    h = edf.Dropout(edf.Embedding(edf.Param(wave(5, 16)), x), 0.5)
    scores = edf.Reshape(edf.MatMul(h, edf.Param(wave(16, 5, step=2.2))), (-1, 5))
    net = nets.Net(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels))
    window = np.array([0, 3, 2, 4])
    want = (wave(5, 16) @ wave(16, 5, step=2.2))[4]
    once, twice = mine(net, window), mine(net, window)
    require(once is not None, "it returned None: is its return missing?")
    require(np.shape(once) == (5,), f"it has shape {np.shape(once)}, expected (5,)")
    require(nearly(once, twice), "called twice, it gives other scores for the same letters: "
                                 "something still draws random numbers")
    require(nearly(once, want), f"the scores are {text_of(once)}, expected {text_of(want)}")
    require(edf.training is True, "afterwards edf.training is False: what trains next would train "
                                  "without dropout")
    edf.training = False
    mine(net, window)
    require(edf.training is False, "if edf.training is False before, it is True afterwards: put "
                                   "back what was there")
    return "the same scores each time, and training goes on as before"


# Section 8.

def best_model_test(mine):
    text = load_text()[:60_000]
    letters = letters_of(text)
    numbers = encode(text, letters)
    learning, validation = numbers[:50_000].copy(), numbers[50_000:]
    edf.dtype, seconds = np.float32, 5
    start = time.process_time()
    got = mine(learning, len(letters), seconds)
    took = time.process_time() - start
    require(got is not None, "it returned None: is its return missing?")
    require(isinstance(got, tuple | list) and len(got) == 2 and hasattr(got[0], "loss")
            and isinstance(got[1], int | np.integer), "it has to return two things, the net and "
            "the length of its windows")
    require(np.array_equal(learning, numbers[:50_000]), "it has changed the numbers it was given")
    net, length = got
    size = sum(param.value.size for param in edf.params)
    require(size <= 100_000, f"it has {size:,} parameters, at most 100,000 are allowed")
    require(took <= 2 * seconds, f"it was given {seconds} seconds and took {took:.0f}")
    few = validation[:2 * length].reshape(2, length)
    with edf.evaluating():
        net.labels.value = few.reshape(-1)
        run_again(net, few)
        require_shape("loss, for two windows,", net.loss, (2 * length,))
        losses = []
        for rows in few, np.concatenate([few[:, :-1], (few[:, -1:] + 1) % 7], axis=1):
            losses.append(run_again(net, rows).value.reshape(2, length)[:, :-1].copy())
    require(nearly(*losses, 1e-3), "if the last letter of a window is changed, the losses of "
            "earlier ones change: it looks ahead")
    loss = sequences.validation_loss(net, validation, length) / np.log(2)
    require(loss <= 4, f"after {seconds} seconds on 50,000 letters it has {loss:.3f} bits a letter "
                       "on 10,000 others, expected at most 4 (frequencies have 4.8, bigrams 3.5)")
    return f"{loss:.3f} bits a letter after {seconds} seconds; bigrams have 3.5"


EXERCISES = {
    "my_bigrams": Exercise("1.1", 2, bigrams_test, sequences.bigrams),
    "MyEmbedding": Exercise("2.1", 3, embedding_test, edf.Embedding),
    "my_rnn": Exercise("3.1", 2, rnn_test, sequences.rnn),
    "my_lstm": Exercise("3.2", 3, lstm_test, sequences.lstm),
    "my_gru": Exercise("3.3", 2, gru_test, sequences.gru),
    "my_attention": Exercise("4.1", 2, attention_test, sequences.attention),
    "MyAttention": Exercise("4.2", 4, attention_gradient_test, sequences.Attention),
    "my_mask": Exercise("4.3", 1, mask_test, sequences.mask),
    "my_sees_later": Exercise("4.4", 2, sees_later_test, sequences.sees_later),
    "my_heads": Exercise("4.5", 3, heads_test, sequences.heads),
    "my_block": Exercise("5.1", 2, block_test, sequences.block),
    "my_gpt": Exercise("6.1", 4, gpt_test, sequences.gpt),
    "my_chances": Exercise("6.2", 2, chances_test, sequences.chances),
    "suspect_mask": Exercise("7.1", 1, suspect_mask_test),
    "suspect_attention": Exercise("7.2", 1, suspect_attention_test),
    "suspect_pairs": Exercise("7.3", 1, suspect_pairs_test),
    "suspect_rows": Exercise("7.4", 1, suspect_rows_test),
    "suspect_losses": Exercise("7.5", 1, suspect_losses_test),
    "suspect_scores": Exercise("7.6", 1, suspect_scores_test),
    "my_best_model": Exercise("8.1", 4, best_model_test),
}
