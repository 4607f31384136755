"""The catalogue of EDF: its components beyond the first, each as its formulas.

They are names of edf (edf.ReLU, edf.Conv2d), whose last lines import this file.
Each is written as a component of your own would be, see edf.Component.  Where a
docstring gives no shapes, its formula holds for every entry.

Not here, because they are other spellings of what is here: -x is Mul(x, -1),
the square root x ** 0.5, |x| Maximum(x, -x), squeezing x[:, 0], unsqueezing
x[:, None], stacking Concat of those, and the negative log likelihood
-Select(log_p, labels).
"""

import math
import sys
from functools import reduce

import numpy as np

if "edf" not in sys.modules:
    raise ImportError("import edf instead: it brings this catalogue along")

import edf
from edf import Component, require, require_index, require_labels, sigmoid

# Arithmetic of entries, with NumPy's broadcasting.

def unbroadcast(dy, shape):
    """Sum dy over the axes along which NumPy repeated an array of this shape.

    A number that was used in many places gets the sum of their gradients:
    (B, H) -> (1, H), (H,) or ().
    """
    added = dy.ndim - len(shape)
    stretched = (added + i for i, n in enumerate(shape) if n == 1)
    return dy.sum(axis=(*range(added), *stretched)).reshape(shape)


class Add(Component):
    """Sum: y = a + b."""

    def f(self, a, b):
        return a + b

    def da(self, dy, a, b):
        return unbroadcast(dy, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(dy, b.shape)


class Sub(Component):
    """Difference: y = a - b."""

    def f(self, a, b):
        return a - b

    def da(self, dy, a, b):
        return unbroadcast(dy, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(-dy, b.shape)


class Mul(Component):
    """Product: y = a b."""

    def f(self, a, b):
        return a * b

    def da(self, dy, a, b):
        return unbroadcast(dy * b, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(dy * a, b.shape)


class Div(Component):
    """Quotient: y = a / b.  Raises ValueError if a number in b is 0."""

    def f(self, a, b):
        require(np.all(b != 0), "b must not contain 0: it is divided by")
        return a / b

    def da(self, dy, a, b):
        return unbroadcast(dy / b, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(-dy * self.value / b, b.shape)


class Maximum(Component):
    """The larger: y = max(a, b); where both are equal, each gets half of dy."""

    def f(self, a, b):
        return np.maximum(a, b)

    def da(self, dy, a, b):
        return unbroadcast(dy * ((a > b) + 0.5 * (a == b)), a.shape)

    def db(self, dy, a, b):
        return unbroadcast(dy * ((b > a) + 0.5 * (a == b)), b.shape)


class Power(Component):
    """Power with a constant exponent: y = x^exponent.

    Raises ValueError where it is not defined: a root of a negative number, the
    inverse of 0; and where its derivative is not, that of a root at 0.
    """

    def f(self, x, exponent):
        whole = float(exponent).is_integer()
        require(whole or np.all(x >= 0), "x must not be negative under a root")
        require(exponent >= 0 or np.all(x != 0), "x must not be 0: it divides")
        return x ** exponent

    def dx(self, dy, x, exponent):
        require(exponent == 0 or exponent >= 1 or np.all(x != 0),
                "the slope is infinite at 0")
        return dy * exponent * x ** (exponent - 1 if exponent else 0)


class Exp(Component):
    """Exponential: y = exp(x)."""

    def f(self, x):
        return np.exp(x)

    def dx(self, dy, x):
        return dy * self.value


class Log(Component):
    """Natural logarithm: y = log(x).  Raises ValueError unless all x > 0."""

    def f(self, x):
        require((x > 0).all(), "x must be greater than 0, and not nan")
        return np.log(x)

    def dx(self, dy, x):
        return dy / x


class MatMul(Component):
    """Product of matrices: y = a b, for each of the leading axes.

    a (..., N, M), b (..., M, H)  ->  y (..., N, H)

    Raises ValueError if one has fewer than two axes.
    """

    def f(self, a, b):
        require(min(a.ndim, b.ndim) >= 2, "a and b must be matrices (two axes)")
        return a @ b                                        # (N, M) @ (M, H) -> (N, H)

    def da(self, dy, a, b):
        return unbroadcast(dy @ b.swapaxes(-1, -2), a.shape)    # (N, H) @ (H, M) -> (N, M)

    def db(self, dy, a, b):
        return unbroadcast(a.swapaxes(-1, -2) @ dy, b.shape)    # (M, N) @ (N, H) -> (M, H)


# Activations, of single entries.

class Tanh(Component):
    """Hyperbolic tangent: y = tanh(x)."""

    def f(self, x):
        return np.tanh(x)

    def dx(self, dy, x):
        y = self.value
        return dy * (1 - y * y)


class ReLU(Component):
    """Rectified linear unit: y = max(x, 0), with derivative 0 at 0."""

    def f(self, x):
        return np.maximum(x, 0)

    def dx(self, dy, x):
        return dy * (x > 0)


class LeakyReLU(Component):
    """Leaky ReLU: y = x if x > 0, else slope x, with derivative slope at 0."""

    def f(self, x, slope=0.01):
        return np.maximum(x, 0) + slope * np.minimum(x, 0)

    def dx(self, dy, x, slope):
        return dy * (x > 0) + slope * dy * (x <= 0)


class ELU(Component):
    """Exponential linear unit: y = x if x > 0, else alpha (exp(x) - 1).

    Source: Clevert, Unterthiner and Hochreiter 2016, eq. 15.
    """

    def f(self, x, alpha=1.0):
        return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))

    def dx(self, dy, x, alpha):
        return dy * (x > 0) + alpha * np.exp(np.minimum(x, 0)) * dy * (x <= 0)


class Softplus(Component):
    """Smooth ReLU: y = log(1 + exp(x)), with the logistic function as slope."""

    def f(self, x):
        return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))     # no overflow

    def dx(self, dy, x):
        return dy * sigmoid(x)


class GELU(Component):
    """Gaussian error linear unit: y = x p, p that a standard normal is below x.

    NumPy has no error function, and that of Python takes one number at a time:
    this is slow.  Source: Hendrycks and Gimpel 2016.
    """

    def f(self, x):
        erfc = np.vectorize(math.erfc, otypes=[float])
        self.p = 0.5 * erfc(-x / math.sqrt(2))
        return x * self.p

    def dx(self, dy, x):
        density = np.exp(-0.5 * x.astype(float) ** 2) / math.sqrt(2 * math.pi)
        return dy * (self.p + x * density)


# Losses, and what they are made of.

class LogSoftmax(Component):
    """Logarithms of the softmax of rows: y_i = x_i - log sum_j exp(x_j).

    x (..., K)  ->  y (..., K)

    As the sum depends on all x_i of a row, dx_i = dy_i - p_i sum_j dy_j, where
    p = exp(y) is the softmax.
    """

    def f(self, x):
        shifted = x - x.max(axis=-1, keepdims=True)             # (..., K) - (..., 1) -> (..., K)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    def dx(self, dy, x):
        return dy - np.exp(self.value) * dy.sum(axis=-1, keepdims=True)


class SigmoidCrossEntropy(Component):
    """Loss of scores s of yes or no: y = -t log p - (1 - t) log(1 - p).

    p = sigmoid(s), targets t from 0 to 1 of the shape of s; written as
    max(s, 0) - t s + log(1 + exp(-|s|)), which is the same and cannot overflow.
    Raises ValueError for other targets.
    """

    def f(self, scores, targets):
        require(scores.shape == np.shape(targets), "scores and targets must "
                f"have one shape, got {scores.shape} and {np.shape(targets)}")
        require(np.min(targets) >= 0 and np.max(targets) <= 1,
                "targets must be from 0 to 1")
        rest = np.log1p(np.exp(-abs(scores)))
        return np.maximum(scores, 0) - scores * targets + rest

    def dscores(self, dy, scores, targets):
        return dy * (sigmoid(scores) - targets)


class SquaredError(Component):
    """Squared difference: y = (x - t)^2, for targets t of the shape of x.

    Raises ValueError if the shapes differ: broadcasting would mix examples.
    """

    def f(self, x, targets):
        require(x.shape == np.shape(targets), "x and targets must have one "
                f"shape, got {x.shape} and {np.shape(targets)}")
        return (x - targets) ** 2

    def dx(self, dy, x, targets):
        return 2 * dy * (x - targets)

    def dtargets(self, dy, x, targets):
        return -2 * dy * (x - targets)


# Sums and shapes.

def unreduce(dy, axis, keepdims):
    """Give dy the axes of length 1 that a sum without keepdims dropped."""
    return dy if keepdims or axis is None else np.expand_dims(dy, axis)


class Sum(Component):
    """Sum over an axis, several, or all (None)."""

    def f(self, x, axis=None, keepdims=False):
        return x.sum(axis, keepdims=keepdims)

    def dx(self, dy, x, axis, keepdims):
        return np.broadcast_to(unreduce(dy, axis, keepdims), x.shape)


class Mean(Sum):
    """Mean over an axis, several, or all (None)."""

    def f(self, x, axis=None, keepdims=False):
        return x.mean(axis, keepdims=keepdims)

    def dx(self, dy, x, axis, keepdims):
        return super().dx(dy * (dy.size / x.size), x, axis, keepdims)


class Max(Component):
    """Largest along an axis, several, or all (None); equal ones share dy."""

    def f(self, x, axis=None, keepdims=False):
        return x.max(axis, keepdims=keepdims)

    def dx(self, dy, x, axis, keepdims):
        largest = x == unreduce(self.value, axis, keepdims)
        share = largest / largest.sum(axis, keepdims=True)
        return unreduce(dy, axis, keepdims) * share


class Normalize(Component):
    """Rows divided by their sum s: y_i = x_i / s.

    x (..., K)  ->  y (..., K)

    As s depends on all x_i of a row, dx_i = (dy_i - sum_j dy_j y_j) / s.
    Raises ValueError if a row adds up to 0.
    """

    def f(self, x):
        self.s = x.sum(axis=-1, keepdims=True)                  # (..., K) -> (..., 1)
        require((self.s != 0).all(), "a row adds up to 0")
        return x / self.s

    def dx(self, dy, x):
        return (dy - (dy * self.value).sum(axis=-1, keepdims=True)) / self.s


def scatter(dy, shape, key):
    """Add every entry of dy at its place in zeros: the reverse of x[key].

    The key is an array of indices, or a tuple that holds some.
    """
    dx = np.zeros(shape, dy.dtype)
    np.add.at(dx, key, dy)              # adds again where a place comes twice
    return dx


class Slice(Component):
    """Part of an array: y = x[key], as in x[:, 0] or x[[2, 2]]."""

    def f(self, x, key):
        return x[key]

    def dx(self, dy, x, key):
        keys = key if isinstance(key, tuple) else (key,)
        single = int, np.integer, slice, type(None), type(...)
        if not all(isinstance(part, single) for part in keys):
            return scatter(dy, x.shape, key)
        dx = np.zeros_like(x)
        dx[key] = dy                    # no place comes twice, and this is fast
        return dx


class Select(Component):
    """One entry of every row: y_i = x_i[index_i].

    x (B, K), index (B,) integers in 0..K-1  ->  y (B,)

    Raises ValueError if there is no such entry.
    """

    def f(self, x, index):
        require_labels(index, x)
        return x[np.arange(len(x)), index]

    def dx(self, dy, x, index):
        return scatter(dy, x.shape, (np.arange(len(x)), index))


class Embedding(Component):
    """Row of a table for every number: y = w[index].

    w (N, D), index (...) integers in 0..N-1  ->  y (..., D)

    Cut y into steps, y[:, t], not the index: components hold real numbers.
    Raises ValueError if there is no such row.
    """

    def f(self, w, index):
        require_index(index, len(w), "index must be row numbers")
        return w[index]

    def dw(self, dy, w, index):
        return scatter(dy, w.shape, index)


class Reshape(Component):
    """The same entries in another shape, as (-1, 24): -1 is for the rest."""

    def f(self, x, shape):
        return x.reshape(shape)

    def dx(self, dy, x, shape):
        return dy.reshape(x.shape)


class Transpose(Component):
    """Axes in another order: axis i of y is axes[i] of x; None reverses all."""

    def f(self, x, axes=None):
        return x.transpose(axes)

    def dx(self, dy, x, axes):
        if axes is None:
            return dy.transpose()
        return dy.transpose(np.argsort(np.mod(axes, x.ndim)))   # -1 is the last


class Expand(Component):
    """Copies along axes of length 1 and new leading ones, to reach a shape."""

    def f(self, x, shape):
        return np.broadcast_to(x, shape)

    def dx(self, dy, x, shape):
        return unbroadcast(dy, x.shape)


class Concat(Component):
    """Arrays one behind the other along an axis: Concat(a, b, axis=1)."""

    def __init__(self, *xs, axis=0):
        self.axis = axis                # before it is in the graph
        super().__init__(*xs)
        for x in xs:
            x.real_for = self.name      # backward does not go by d-methods

    def f(self, *xs):
        return np.concatenate(xs, self.axis)

    def backward(self):
        ends = np.cumsum([x.value.shape[self.axis] for x in self.inputs])
        parts = np.split(self.grad, ends[:-1], self.axis)
        for x, dx in zip(self.inputs, parts):
            x.add_grad(dx)


# Normalisation and regularisation, which differ after training.

def through_standardizing(dz, z, sd, axes):
    """Turn the gradient of z = (x - mean) / sd into that of x.

    dx = (dz - mean(dz) - z mean(dz z)) / sd, as mean and sd depend on x too.
    """
    slope = (dz * z).mean(axes, keepdims=True)
    return (dz - dz.mean(axes, keepdims=True) - z * slope) / sd


class LayerNorm(Component):
    """Rows standardized, then scaled: y = gamma z + beta, z = (x - mean) / sd.

    x (..., D), gamma (D,), beta (D,)  ->  y (..., D)

    sd = sqrt(variance + eps), of the D numbers of a row.
    Raises ValueError if gamma or beta has another shape.
    Source: Ba, Kiros and Hinton 2016, eq. 4.
    """

    def f(self, x, gamma, beta, eps=1e-5):
        require(np.shape(gamma) == np.shape(beta) == x.shape[-1:], "gamma and "
                f"beta must have shape {x.shape[-1:]}, as the last axis of x")
        centred = x - x.mean(axis=-1, keepdims=True)                # (..., D) - (..., 1)
        variance = (centred ** 2).mean(axis=-1, keepdims=True)      # (..., D) -> (..., 1)
        self.sd = np.sqrt(variance + eps)
        self.z = centred / self.sd
        return gamma * self.z + beta

    def dx(self, dy, x, gamma, beta, eps):
        return through_standardizing(dy * gamma, self.z, self.sd, -1)

    def dgamma(self, dy, x, gamma, beta, eps):
        return unbroadcast(dy * self.z, gamma.shape)

    def dbeta(self, dy, x, gamma, beta, eps):
        return unbroadcast(dy, beta.shape)


class BatchNorm(Component):
    """Features standardized over the batch, then scaled, as in LayerNorm.

    x (B, D), gamma and beta (D,)  ->  y (B, D)
    images x (B, C, H, W), gamma and beta (C,)  ->  y (B, C, H, W)

    Every batch moves the running statistics, which are used after training, by
    the fraction `momentum` towards its own mean and variance (the latter with
    n - 1 in place of n).  The name is PyTorch's; it is not that of SGD.
    Raises ValueError if shapes do not fit, or a batch has one number of each
    feature only.
    Source: Ioffe and Szegedy 2015, algorithms 1 and 2.
    """

    statistics = "mean", "variance"
    mean, variance = 0.0, 1.0

    def f(self, x, gamma, beta, momentum=0.1, eps=1e-5):
        x = x.swapaxes(1, -1)               # (B, C, H, W) -> (B, W, H, C), or x (B, D) itself
        require(np.shape(gamma) == np.shape(beta) == x.shape[-1:], "gamma and "
                f"beta must have shape {x.shape[-1:]}, as axis 1 of x")
        require(np.shape(self.mean) in [(), x.shape[-1:]], "the running statis"
                f"tics have shape {np.shape(self.mean)}, not {x.shape[-1:]}")
        self.axes = tuple(range(x.ndim - 1)) if edf.training else None
        mean, variance = self.mean, self.variance
        if edf.training:
            mean, variance = x.mean(self.axes), x.var(self.axes)    # (B, W, H, C) -> (C,)
            n = x.size // mean.size
            require(n > 1, "one number of each feature has no variance: train "
                    "on larger batches, or run it inside `with "
                    "edf.evaluating():`")
            self.mean = self.mean + momentum * (mean - self.mean)
            change = variance * (n / (n - 1)) - self.variance
            self.variance = self.variance + momentum * change
        self.sd = np.sqrt(variance + eps)
        self.z = (x - mean) / self.sd
        return (gamma * self.z + beta).swapaxes(1, -1)

    def dx(self, dy, x, gamma, beta, momentum, eps):
        dz = dy.swapaxes(1, -1) * gamma
        if self.axes is not None:
            dx = through_standardizing(dz, self.z, self.sd, self.axes)
        else:                                       # mean and sd were constant
            dx = dz / self.sd
        return dx.swapaxes(1, -1)

    def dgamma(self, dy, x, gamma, beta, momentum, eps):
        return unbroadcast(dy.swapaxes(1, -1) * self.z, gamma.shape)

    def dbeta(self, dy, x, gamma, beta, momentum, eps):
        return unbroadcast(dy.swapaxes(1, -1), beta.shape)


class Dropout(Component):
    """Zeros with probability p while training, the rest scaled: y = x m.

    m is 0 or 1 / (1 - p), drawn anew in every forward(): 1 on average.  After
    training y = x.  Raises ValueError unless 0 <= p < 1.
    Source: Srivastava et al. 2014.
    """

    def f(self, x, p=0.5):
        require(0 <= p < 1, f"p must be at least 0 and below 1, got {p}")
        self.m = 1.0
        if edf.training:
            kept = edf.rng.random(x.shape) >= p
            self.m = kept / x.dtype.type(1 - p)         # keeps float32
        return x * self.m

    def dx(self, dy, x, p):
        return dy * self.m


# Images (B, C, H, W), by windows: each is kh high, kw wide and `stride` from the
# next, after `padding` empty pixels were put around the image.  Pixel (0, 0) of
# all windows at once is the image in steps of stride, image[:, :, ::2, ::2];
# the next pixel is the same, one column further: the only loop is over the
# pixels of one window.

def places(image, size, stride):
    """Return a key for each pixel of a window: image[key] is it in all windows.

    Without a stride (None) the windows touch: it is the size.
    """
    (kh, kw), (h, w) = size, image.shape[2:]
    stride = kh if stride is None else stride
    require(min(kh, kw, stride) >= 1, "size and stride must be 1 or more, got "
            f"{size} and {stride}")
    require(kh <= h and kw <= w, f"a window {kh, kw} exceeds the image {h, w}")
    return [np.s_[:, :, i:h - kh + i + 1:stride, j:w - kw + j + 1:stride]
            for i in range(kh) for j in range(kw)]


def pad(x, padding, fill=0):
    """Return x (B, C, H, W) with so many pixels more on all sides."""
    require(x.ndim == 4, "x must be images (B, C, H, W): x[:, None] gives "
            "images (B, H, W) that axis")
    require(padding >= 0, f"padding must be 0 or more, got {padding}")
    if padding == 0:
        return x
    (b, c, h, w), p = x.shape, padding
    image = np.full_like(x, fill, shape=(b, c, h + 2 * p, w + 2 * p))
    image[:, :, p:p + h, p:p + w] = x
    return image


def batch_last(x):
    """Return a view with the first axis as the last."""
    return x.transpose(*range(1, x.ndim), 0)


def batch_first(x):
    """Return a view with the last axis as the first."""
    return x.transpose(-1, *range(x.ndim - 1))


def windows(x, size, stride, padding):
    """Return all windows of images: (B, C, H, W) -> (B, C, kh kw, H', W').

    In memory the batch comes last: NumPy is fast along the last axis if it is
    long, and rows of windows are short.  What is computed from it inherits that.
    """
    x = np.ascontiguousarray(batch_last(x))                 # (C, H, W, B)
    image = pad(batch_first(x), padding)
    cut = [batch_last(image[at]) for at in places(image, size, stride)]
    return batch_first(np.stack(cut, axis=1))               # (C, kh kw, H', W', B)


def add_windows(cut, x, size, stride, padding):
    """Add windows at their places in images like x: the reverse of windows."""
    (b, c, h, w), p = x.shape, padding
    shape = b, c, h + 2 * p, w + 2 * p
    image = np.zeros_like(cut[:, :, 0], shape=shape)        # in memory like cut
    for i, at in enumerate(places(image, size, stride)):
        image[at] += cut[:, :, i]
    return image[:, :, p:p + h, p:p + w]


class Conv2d(Component):
    """Convolution: every window of x times every kernel of w, plus b.

    x (B, C, H, W), w (O, C, kh, kw), b (O,)  ->  y (B, O, H', W')

    H' = (H + 2 padding - kh) // stride + 1, W' alike.  The kernel is not
    flipped.  w may start as he(C kh kw, O).T.reshape(O, C, kh, kw).
    Raises ValueError if the shapes do not fit.
    """

    def f(self, x, w, b, stride=1, padding=0):
        require(w.ndim == 4, "w must be kernels (O, C, kh, kw)")
        cut = windows(x, w.shape[2:], stride, padding)
        require(x.shape[1] == w.shape[1], "x and w differ in channels (axis 1)")
        require(b.shape == w.shape[:1], f"b must have shape {w.shape[:1]}")
        cut = batch_last(cut)                                   # (C, kh kw, H', W', B)
        self.cut = cut.reshape(w[0].size, -1)                   # (C kh kw, H' W' B)
        y = w.reshape(len(w), -1) @ self.cut + b[:, None]       # (O, H' W' B) + (O, 1)
        return batch_first(y.reshape(-1, *cut.shape[2:]))       # -> (B, O, H', W')

    def dx(self, dy, x, w, b, stride, padding):
        dy_rows = batch_last(dy).reshape(len(w), -1)            # (O, H' W' B)
        cut = w.reshape(len(w), -1).T @ dy_rows                 # -> (C kh kw, H' W' B)
        cut = cut.reshape(x.shape[1], -1, *dy.shape[2:], len(x))
        cut = batch_first(cut)                                  # -> (B, C, kh kw, H', W')
        return add_windows(cut, x, w.shape[2:], stride, padding)

    def dw(self, dy, x, w, b, stride, padding):
        dy_rows = batch_last(dy).reshape(len(w), -1)            # (O, H' W' B)
        dw = self.cut @ dy_rows.T               # BLAS takes longer for its transpose
        return dw.T.reshape(w.shape)                            # (C kh kw, O) -> w.shape

    def db(self, dy, x, w, b, stride, padding):
        return dy.sum(axis=(0, 2, 3))                           # (B, O, H', W') -> (O,)


class MaxPool2d(Component):
    """Largest entry of every window of size x size; equal ones share dy.

    x (B, C, H, W)  ->  y (B, C, H', W'), with H' and W' as in Conv2d

    Without a stride the windows touch: it is the size.
    Raises ValueError if a window could lie in the padding as a whole.
    """

    def f(self, x, size, stride=None, padding=0):
        require(padding <= size // 2, "padding may be half of the size at most")
        self.image = pad(x, padding, fill=-np.inf)
        self.places = places(self.image, (size, size), stride)
        return reduce(np.maximum, [self.image[at] for at in self.places])

    def dx(self, dy, x, size, stride, padding):
        largest = [(self.image[at] == self.value).astype(dy.dtype)
                   for at in self.places]               # each (B, C, H', W')
        count = sum(largest)
        share = np.divide(dy, count, out=count)         # in memory like x
        image = np.zeros_like(self.image)
        for at, is_largest in zip(self.places, largest):
            image[at] += share * is_largest
        (h, w), p = x.shape[2:], padding
        return image[:, :, p:p + h, p:p + w]


class AvgPool2d(Component):
    """Mean of every window of size x size, the zeros of the padding included.

    x (B, C, H, W)  ->  y (B, C, H', W'), with H' and W' as in Conv2d

    Stride and errors are as in MaxPool2d.
    """

    def f(self, x, size, stride=None, padding=0):
        require(padding <= size // 2, "padding may be half of the size at most")
        return windows(x, (size, size), stride, padding).mean(axis=2)

    def dx(self, dy, x, size, stride, padding):
        cut = np.broadcast_to((dy / size ** 2)[:, :, None],
                              (*dy.shape[:2], size ** 2, *dy.shape[2:]))
        return add_windows(cut, x, (size, size), stride, padding)


def no_array(component, *args, **options):
    """Raise TypeError: NumPy asks for an array in place of a component."""
    raise TypeError(f"{component} is a component, not an array: NumPy takes "
                    "its .value, and edf has functions of its own")


# a + b builds Add(a, b), and so on; a Python number may stand on either side.
# (Lambdas, because of a class Python would not pass a as the first argument.)
# __array_ufunc__ = None makes NumPy leave `array * component` to us, and
# __iter__ = None keeps Python from trying x[0], x[1], ... without end.
Component.__array__ = no_array
Component.__array_ufunc__ = Component.__iter__ = None
Component.__add__ = lambda a, b: Add(a, b)
Component.__radd__ = lambda b, a: Add(a, b)
Component.__sub__ = lambda a, b: Sub(a, b)
Component.__rsub__ = lambda b, a: Sub(a, b)
Component.__mul__ = lambda a, b: Mul(a, b)
Component.__rmul__ = lambda b, a: Mul(a, b)
Component.__truediv__ = lambda a, b: Div(a, b)
Component.__rtruediv__ = lambda b, a: Div(a, b)
Component.__matmul__ = lambda a, b: MatMul(a, b)
Component.__rmatmul__ = lambda b, a: MatMul(a, b)
Component.__pow__ = lambda x, exponent: Power(x, exponent)
Component.__neg__ = lambda x: Mul(x, -1)
Component.__getitem__ = lambda x, key: Slice(       # a bare array is refused
    x, (key,) if isinstance(key, np.ndarray) else key)
