"""A training step by hand, without a framework: what NumPy can do, and the yardstick for EDF.

It is a list of lines, (function, arguments...), which are written once and run at every step.
Every array is allocated once, and a line fills one of its arguments, mostly the last.  All
parameters are one flat array, and so are the gradients: the update is a few lines for all of them.
With SGD the gradients are computed times -lr, from the loss on, and the update is one sum.
"""
import numpy as np
from numpy import add, copyto, divide, dot, exp, greater, log, multiply, sqrt, subtract

# np.clip without its wrapper in Python (2 us): ReLU as clip(x, 0, inf) takes a third of np.maximum.
clip = (np._core if hasattr(np, "_core") else np.core).umath.clip
zero, one, infinity = np.float32([0, 1, np.inf])


def together(start):
    """Return two flat arrays, for parameters and gradients, and the views of each layer in them.

    A layer has weights (D, H) and a bias (H,): the last row of its view (D + 1, H).
    """
    shapes = [(w.shape[0] + 1, w.shape[1]) for w in start[::2]]
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    arrays = [np.empty(ends[-1], np.float32) for _ in "pg"]
    layers, grads = ([part.reshape(shape) for part, shape in zip(np.split(a, ends[:-1]), shapes)]
                     for a in arrays)
    for layer, w, b in zip(layers, start[::2], start[1::2]):
        layer[:-1], layer[-1] = w, b
    return *arrays, layers, grads


def apart(layers, factor=1):
    """Return weights and bias of every layer, times a factor: the reverse of together."""
    return [part * np.float32(factor) for layer in layers for part in (layer[:-1], layer[-1])]


def loss_lines(s, ds, labels, factor):
    """Return the lines from scores s (K, B) to losses, and to ds, the gradient times factor."""
    k, b = s.shape
    places, largest, total, picked, losses = labels * b + np.arange(b), *np.empty((4, b), s.dtype)
    onehot, ones = np.zeros((k, b), s.dtype), np.ones(k, s.dtype)
    onehot[labels, np.arange(b)] = 1
    return [(np.maximum.reduce, s, 0, None, largest), (subtract, s, largest, s),
            (s.reshape(-1).take, places, None, picked, "clip"), (exp, s, s), (dot, ones, s, total),
            (log, total, losses), (subtract, losses, picked, losses), (divide, one, total, total),
            (multiply, s, total, ds), (subtract, ds, onehot, ds),
            (multiply, ds, np.float32(factor / b), ds)]


def update_lines(optimiser, lr, beta1, beta2, eps, p, g):
    """Return the lines that move p, and a function to call before them.

    Adam's m / (1 - beta1) and v / (1 - beta2) are kept: so each takes a pass less over memory.
    """
    if optimiser == "sgd":
        return [(add, p, g, p)], lambda: None
    m, v, d, t = np.zeros_like(p), np.zeros_like(p), np.empty_like(p), 0
    rate, small = np.zeros((2, 1), p.dtype)

    def begin():
        nonlocal t
        t += 1
        root = ((1 - beta2) / (1 - beta2 ** t)) ** 0.5
        rate[0], small[0] = lr * (1 - beta1) / (1 - beta1 ** t) / root, eps / root

    return [(multiply, m, np.float32(beta1), m), (add, m, g, m), (multiply, g, g, d),
            (multiply, v, np.float32(beta2), v), (add, v, d, v), (sqrt, v, d), (add, d, small, d),
            (divide, m, d, d), (multiply, d, rate, d), (subtract, p, d, p)], begin


def activation_lines(kind, h):
    """Return the lines that replace h by its ReLU or sigmoid."""
    if kind == "relu":
        return [(clip, h, zero, infinity, h)]
    return [(np.negative, h, h), (exp, h, h), (add, h, one, h), (divide, one, h, h)]


def derivative_lines(kind, dh, h):
    """Return the lines that multiply dh by the derivative of that activation; they may use up h."""
    if kind == "relu":
        positive = np.empty(h.shape, bool)
        return [(greater, h, zero, positive), (multiply, dh, positive, dh)]
    return [(multiply, dh, h, dh), (subtract, one, h, h), (multiply, dh, h, dh)]


def perceptron_by_rows(x, labels, layers, grads, factor, activation):
    """Return the lines of forward and backward pass; in memory every example is a row."""
    b, widths = len(x), [layer.shape[1] for layer in layers]
    hs = [x] + [np.empty((b, h), np.float32) for h in widths[:-1]]
    dhs = [np.empty_like(h) for h in hs]
    s, ds = np.empty((2, widths[-1], b), np.float32)    # scores (K, B): K may be shorter than B
    ones, forward, backward = np.ones(b, np.float32), [], []
    for layer, x, h in zip(layers, hs, hs[1:]):
        forward += [(dot, x, layer[:-1], h), (add, h, layer[-1], h)]
        forward += activation_lines(activation, h)
    forward += [(dot, layers[-1][:-1].T, hs[-1].T, s), (add, s, layers[-1][-1][:, None], s)]
    dy = ds.T
    for layer, grad, x, dx in reversed(list(zip(layers, grads, hs, dhs))):
        backward += [(dot, x.T, dy, grad[:-1]), (dot, ones, dy, grad[-1])]
        if layer is not layers[0]:
            backward += [(dot, dy, layer[:-1].T, dx), *derivative_lines(activation, dx, x)]
        dy = dx
    return forward + loss_lines(s, ds, labels, factor) + backward


def perceptron_by_columns(x, labels, layers, grads, factor, activation):
    """Return the same, where examples are columns, with a 1 below: so the bias is a weight."""
    b, widths = len(x), [layer.shape[1] for layer in layers]
    xs = [np.ones((len(layer), b), np.float32) for layer in layers]
    xs[0][:-1] = x.T
    ys = [x[:-1] for x in xs[1:]] + [np.empty((widths[-1], b), np.float32)]
    dys = [np.empty_like(y) for y in ys]
    forward, backward = [], []
    for layer, x, y in zip(layers, xs, ys):
        forward += [(dot, layer.T, x, y)]
        forward += activation_lines(activation, y) if y is not ys[-1] else []
    for i in reversed(range(len(layers))):
        backward += [(dot, xs[i], dys[i].T, grads[i])]
        if i > 0:
            backward += [(dot, layers[i][:-1], dys[i], dys[i - 1])]
            backward += derivative_lines(activation, dys[i - 1], ys[i - 1])
    return forward + loss_lines(ys[-1], dys[-1], labels, factor) + backward


def two_convolutions(x, labels, layers, grads, factor):
    """Return the lines of W6: two convolutions (3x3, stride 2, padding 1) and an affine layer.

    In memory the batch comes last: every copy and every sum runs along it, and a product is one
    for all images.  The windows of the first are a strided view of the image, copied once, with
    pixels of even and odd rows and columns apart.  Then ReLU can fill the windows of the second:
    its even rows are row 1 of all windows, its odd rows are row 2, and the same are row 0 of the
    windows below.  So it is with columns.
    """
    (b, _, height, width), (w1, w2, w3), (g1, g2, g3) = x.shape, layers, grads
    n1, n2, places = w1.shape[1], w2.shape[1], (height // 4, width // 4, b)
    image = np.zeros((height + 2, width + 2, b), np.float32)
    image[1:-1, 1:-1] = x[:, 0].transpose(1, 2, 0)
    row, column, item = image.strides
    view = np.lib.stride_tricks.as_strided(image, (3, 3, 2, 2, *places), (
        row, column, 2 * row, 2 * column, 4 * row, 4 * column, item))
    cut1, y1 = np.empty(view.shape, np.float32), np.empty((n1, 2, 2, *places), np.float32)
    cut2, dcut2 = np.zeros((2, n1, 3, 3, *places), np.float32)
    y2, dy2 = np.empty((2, n2, *places), np.float32)
    s, ds = np.empty((2, w3.shape[1], b), np.float32)
    # The same arrays as matrices, for the products.
    rows1, yrows1, rows2, drows2 = (
        a.reshape(n, -1) for a, n in [(cut1, 9), (y1, n1), (cut2, 9 * n1), (dcut2, 9 * n1)])
    yrows2, dyrows2, flat2, dflat2 = (*(a.reshape(n2, -1) for a in (y2, dy2)),
                                      *(a.reshape(-1, b) for a in (y2, dy2)))
    inner, dinner = cut2[:, 1:, 1:], dcut2[:, 1:, 1:]
    ones, positive = np.ones(yrows1.shape[1], np.float32), np.empty(y1.shape, bool)
    forward = [
        (copyto, cut1, view), (dot, w1[:-1].T, rows1, yrows1),
        (add, yrows1, w1[-1][:, None], yrows1), (clip, y1, zero, infinity, inner),
        (copyto, cut2[:, 0, 1:, 1:], cut2[:, 2, 1:, :-1]),
        (copyto, cut2[:, :, 0, :, 1:], cut2[:, :, 2, :, :-1]),
        (dot, w2[:-1].T, rows2, yrows2), (add, yrows2, w2[-1][:, None], yrows2),
        (clip, y2, zero, infinity, y2),
        (dot, w3[:-1].T, flat2, s), (add, s, w3[-1][:, None], s)]
    backward = [
        (dot, flat2, ds.T, g3[:-1]), (dot, ds, ones[:b], g3[-1]), (dot, w3[:-1], ds, dflat2),
        *derivative_lines("relu", dy2, y2),
        (dot, rows2, dyrows2.T, g2[:-1]), (dot, dyrows2, ones[:dyrows2.shape[1]], g2[-1]),
        (dot, w2[:-1], dyrows2, drows2),
        (add, dcut2[:, :, 2, :, :-1], dcut2[:, :, 0, :, 1:], dcut2[:, :, 2, :, :-1]),
        (add, dcut2[:, 2, 1:, :-1], dcut2[:, 0, 1:, 1:], dcut2[:, 2, 1:, :-1]),
        (greater, inner, zero, positive), (multiply, dinner, positive, y1),     # y1: now of dy1
        (dot, rows1, yrows1.T, g1[:-1]), (dot, yrows1, ones, g1[-1])]
    return forward + loss_lines(s, ds, labels, factor) + backward
