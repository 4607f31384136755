"""EDF: a deep-learning framework to read and to use.

A network is a list of components in the order in which they were built:
forward() walks the list, backward(loss) walks it in reverse, and every
component adds its share to the gradients of its inputs.

    import numpy as np
    import edf

    edf.seed(1)
    x, labels = edf.Input(), edf.Input()
    w1, b1 = edf.Param(edf.xavier(2, 8)), edf.Param(np.zeros(8))
    w2, b2 = edf.Param(edf.xavier(8, 2)), edf.Param(np.zeros(2))
    scores = edf.Affine(edf.Tanh(edf.Affine(x, w1, b1)), w2, b2)
    loss = edf.SoftmaxCrossEntropy(scores, labels)

    sgd = edf.SGD(lr=0.5)
    x.value = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    labels.value = np.array([0, 1, 1, 0])           # exclusive or
    for step in range(500):
        edf.forward()
        edf.backward(loss)
        sgd.step()
    print(scores.value.argmax(axis=1))              # [0 1 1 0]

Sections 1 to 3 are the whole idea.  Look up the rest: (4) other functions, (5)
training, (6) tools and plumbing, (7) what refuses wrong use (require... and so on).

Letters in shapes: B examples in a batch, D numbers for each of them at the
input of a layer, H at its output, K classes; M and N where none of these is
meant.  In formulas x, w, b are values, y is the result, and dy is the gradient
of the mean of the loss with respect to y: an array of the shape of y.
"""

import importlib
import inspect
import linecache
import math
import numbers
import os
import reprlib
import sys
import traceback
from contextlib import ContextDecorator, suppress
from functools import reduce

import numpy as np

# =============================================================================
# 1  The graph
# =============================================================================

components = []     # every component, in the order in which they were built
params = []         # the Params among them: what an optimiser updates
pending = set()     # why results may be stale: new values, unfinished walks

dtype = np.float32  # of every real number in the graph


def clear(keep_params=False):
    """Start a new graph; with keep_params from all Params, without statistics."""
    components[:] = [x for x in components if keep_params and isinstance(x, Param)]
    params[:] = [x for x in params if keep_params]
    for number, param in enumerate(components):
        param.number, param._grad = number, None
    pending.clear()


@np.errstate(under="ignore")        # 0 is right where a number is too small
def forward():
    """Set the value of every component, in the order of the list.

    The inputs of a component stand before it: they had to exist to build it.
    """
    require_graph()
    pending.add(forward)
    for component in components:
        try:
            component.forward()
        except Exception as error:
            explain(error, component)
            raise
    pending.intersection_update([backward])     # if that has failed, it still has


@np.errstate(under="ignore")
def backward(loss):
    """Set grad, d mean(loss.value) / d value, in all nodes from a Param to loss.

    In reverse order a component comes after all its users, so by then its
    gradient is complete.  Every grad is first reset to None, and stays None off
    the paths from a Param to the loss: in every Input, for example.
    Raises TypeError if forward() is due, or if the loss depends on no Param.
    """
    require_loss(loss)
    pending.add(backward)
    for component in components:
        component._grad = None
    loss.add_grad(np.full(loss.value.shape, 1 / loss.value.size, dtype))
    for component in reversed(components):
        if component._grad is not None and component.arguments:
            try:
                component.backward()
            except Exception as error:
                explain(error, component)
                raise
    require_gradients()
    pending.discard(backward)


# =============================================================================
# 2  The nodes
# =============================================================================

class Joining(type):
    """How a component is built: it joins the graph when its __init__ has ended."""

    def __call__(cls, *args, **kwargs):
        start = len(components)
        try:
            component = super().__call__(*args, **kwargs)
            identify(component)
            components.append(component)
            return component
        except BaseException:
            take_back(start)
            raise


class Component(metaclass=Joining):
    """A node of the graph: a function of other nodes, written as formulas.

        class Scale(edf.Component):             # used as y = Scale(x, factor=3)
            def f(self, x, factor=2):
                return factor * x

            def dx(self, dy, x, factor):
                return factor * dy

    Arguments that are components are its inputs, of which f gets the values;
    all others are options, which f gets as they are.  For each input that
    gradients pass through, a method d<input> gets dy and then the same as f,
    and returns the gradient with respect to that input, of its shape.  y is
    self.value there.  The arguments are attributes too; f may keep more on self.
    No formula changes its arguments in place: others hold the same arrays.

    A component that does not fit this form overrides forward(self), which sets
    value to an array, and backward(self), which calls add_grad() of each of its
    inputs; f(self, ...) then only names them, for self.<input>.value.
    """

    needs_grad = False  # is it a Param, or does it depend on one?
    arguments = {}      # {name in f: an input, or None for an option}
    number = name = built = None    # place in components, name, path and line
    statistics = ()     # attributes that save() keeps too
    _value = _grad = _own = None    # _own: of a Param, the copy that grad gave away

    def __init__(self, *args, **kwargs):
        given = bind(self, args, kwargs)
        vars(self).update(given)
        self.arguments = {name: x if isinstance(x, Component) else None
                          for name, x in given.items()}
        self.needs_grad = any([x is not None and x.needs_grad for x in self.arguments.values()])

    @property
    def inputs(self):
        """The components that it is a function of."""
        return tuple([x for x in self.arguments.values() if x is not None])

    @property
    def value(self):
        """An array, or None before forward()."""
        return self._value

    @value.setter
    def value(self, value):
        self._value = as_real(value)

    @property
    def grad(self):
        """An array of the shape of value, or None before backward(loss)."""
        return self._grad

    @grad.setter
    def grad(self, grad):
        self._grad = None if grad is None else as_real(grad, np.shape(self._value))

    def f(self, *xs):
        """Return y, computed from the values of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} does not define f")

    def values(self):
        """Return what f gets: the values of the inputs, and the options."""
        return [getattr(self, name) if x is None else x._value
                for name, x in self.arguments.items()]

    def forward(self):
        """Set value to f of the values of the inputs."""
        self._value = as_real(self.f(*self.values()))

    def backward(self):
        """Add what each d-method returns to its input, if that needs a gradient."""
        require_gradient(self)
        values = self.values()
        for name, x in self.arguments.items():
            if x is not None and x.needs_grad:
                derivative = getattr(self, "d" + name, None) or missing(self, name)
                x.add_grad(derivative(self._grad, *values))

    def add_grad(self, grad):
        """Add to grad, but not in place: another node may hold this array too."""
        if self.needs_grad:
            grad = as_real(grad, self._value.shape)
            self._grad = grad if self._grad is None else as_real(self._grad + grad)

    # Operators build components of section 4; a number may stand on either side.

    __add__, __radd__ = lambda a, b: Add(a, b), lambda b, a: Add(a, b)
    __sub__, __rsub__ = lambda a, b: Sub(a, b), lambda b, a: Sub(a, b)
    __mul__, __rmul__ = lambda a, b: Mul(a, b), lambda b, a: Mul(a, b)
    __truediv__, __rtruediv__ = lambda a, b: Div(a, b), lambda b, a: Div(a, b)
    __matmul__, __rmatmul__ = lambda a, b: MatMul(a, b), lambda b, a: MatMul(a, b)
    __pow__ = lambda x, exponent: Power(x, exponent)
    __neg__ = lambda x: Mul(x, -1)
    __getitem__ = lambda x, key: Slice(x, (key,) if isinstance(key, np.ndarray) else key)
    __array_ufunc__ = __iter__ = None   # NumPy leaves array * component to it


class Input(Component):
    """Data: set x.value = array before forward(), or at once: Input(array).

    Real numbers become `dtype`, integers (labels) stay integers.  Without a name
    it is named after its first use.  It has no gradient: for that of an image use
    a Param, and edf.params.remove(x).  ValueError if not numeric, or empty.
    """

    def __init__(self, value=None, name=None):
        super().__init__()
        self.name = name
        if value is not None:
            self.value = value

    @Component.value.setter
    def value(self, value):
        self._value = as_numbers(value, "an Input")
        pending.add(self)

    def forward(self):
        """Check that there is a value, of the right kind."""
        require_data(self)
        pending.discard(self)


class Param(Component):
    """A parameter: an array that is learned.  It holds a copy, as `dtype`.

    An optimiser changes that array in place: keep old values with .copy().
    Raises ValueError for what is not numbers, and if the shape would change.
    """

    def __init__(self, value, name=None):
        super().__init__()
        self.name, self.needs_grad = name, True
        self.value = value
        params.append(self)

    @Component.value.setter
    def value(self, value):
        if value is None or value is not self._value:   # it is after w.value -= ...
            value = np.array(as_numbers(value, "a Param"), dtype)
            require(self._value is None or value.shape == self._value.shape,
                    f"{self} cannot take shape {value.shape}")
        self._value = value
        pending.add(self)

    @Component.grad.getter
    def grad(self):
        """A private copy, as the array in _grad may be that of another node too."""
        if self._grad is not None and self._grad is not self._own:
            self._own = self._grad = self._grad.copy()
        return self._grad

    def forward(self):
        """Keep the value: it is learned, not computed."""
        pending.discard(self)


# =============================================================================
# 3  The first functions
# =============================================================================

def as_matrix(x):
    """Return x as a matrix: (..., D) -> (B, D), with all other axes in one."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


class Affine(Component):
    """Affine map of every row of a batch: y = x w + b.

    x (B, D), w (D, H), b (H,)  ->  y (B, H); B may be any number of axes
    """

    def f(self, x, w, b):
        return x @ w + b                        # (B, D) @ (D, H) + (H,) -> (B, H)

    def dx(self, dy, x, w, b):
        return dy @ w.T                         # (B, H) @ (H, D) -> (B, D)

    def dw(self, dy, x, w, b):
        return as_matrix(x).T @ as_matrix(dy)   # (D, B) @ (B, H) -> (D, H)

    def db(self, dy, x, w, b):
        return total(as_matrix(dy), axis=0)     # (B, H) -> (H,)


def sigmoid(x):
    """Return 1 / (1 + exp(-x)), in a form in which nothing overflows."""
    return 0.5 * (1 + np.tanh(0.5 * x))


class Sigmoid(Component):
    """Logistic function, elementwise: y = 1 / (1 + exp(-x))."""

    def f(self, x):
        return sigmoid(x)

    def dx(self, dy, x):
        y = self.value
        return dy * y * (1 - y)


class Softmax(Component):
    """Probabilities from scores, row by row: y_i = exp(x_i) / sum_j exp(x_j).

    x (..., K)  ->  y (..., K), each row adds up to 1

    The largest score is subtracted first, so exp cannot overflow.  A mask is an
    Input to add: -inf makes y exactly 0.  ValueError if a whole row is -inf.
    """

    def f(self, x):
        largest = x.max(axis=-1, keepdims=True)             # (B, K) -> (B, 1)
        require((largest != -np.inf).all(), "a mask must leave a score above -inf in every row")
        exp = np.exp(x - largest)                           # (B, K) - (B, 1) -> (B, K)
        return exp / total(exp, -1, keepdims=True)          # (B, K) / (B, 1) -> (B, K)

    def dx(self, dy, x):
        y = self.value
        return y * (dy - total(dy * y, -1, keepdims=True))  # (B, K) - (B, 1) -> (B, K)


class CrossEntropy(Component):
    """Loss of probabilities against the right classes: y_i = -log p_i[c_i].

    p (B, K), labels (B,) integers in 0..K-1  ->  y (B,)

    Raises ValueError if a label is no class number, or its probability is above
    1 or has underflowed: clipped, the gradient would be of another function.
    """

    def f(self, p, labels):
        require_labels(labels, p)
        picked = p[np.arange(len(labels)), labels]          # (B, K) -> (B,)
        require_probabilities(picked)
        return -np.log(picked)

    def dp(self, dy, p, labels):
        rows = np.arange(len(labels))
        grad = np.zeros_like(p)                             # (B, K)
        grad[rows, labels] = -dy / p[rows, labels]
        return grad


class SoftmaxCrossEntropy(Component):
    """Loss of scores against the right classes: y_i = -log softmax(s_i)[c_i].

    scores (B, K), labels (B,) integers in 0..K-1  ->  y (B,)

    Written as log sum_k exp(s_ik) - s_i[c_i], so that no logarithm is infinite;
    the gradient is softmax(scores) minus the one-hot labels.
    Raises ValueError if a label is no class number.  Source: Bishop 2006, eq. 4.109.
    """

    def f(self, scores, labels):
        require_labels(labels, scores)
        shifted = scores - scores.max(axis=1, keepdims=True)    # (B, K) - (B, 1) -> (B, K)
        exp = np.exp(shifted)
        sums = total(exp, 1, keepdims=True)                     # (B, K) -> (B, 1)
        self.p = exp / sums                                     # (B, K) / (B, 1) -> (B, K)
        rows = np.arange(len(labels))
        return np.log(sums[:, 0]) - shifted[rows, labels]      # (B,) - (B,) -> (B,)

    def dscores(self, dy, scores, labels):
        p_minus_onehot = self.p.copy()
        p_minus_onehot[np.arange(len(labels)), labels] -= 1
        return dy[:, None] * p_minus_onehot                     # (B, 1) * (B, K) -> (B, K)


# =============================================================================
# 4  More functions
# =============================================================================

# Arithmetic of entries, with NumPy's broadcasting.

def total(x, axis=None, keepdims=False):
    """Return the sum over axes, to within rounding.

    Row by row, as NumPy adds along all but the last axis, float32 would drift.
    A product is faster, and 64 rows are few enough for it (to within 1e-6).
    """
    if axis == 0 and x.ndim == 2 and len(x) <= 64 and not keepdims:
        return np.ones(len(x), x.dtype) @ x
    if x.flags.carray and axis in (None, -1, x.ndim - 1):
        return np.add.reduce(x, axis, None, None, keepdims)
    return np.add.reduce(x, axis, float, None, keepdims).astype(x.dtype)


def mean(x, axis, keepdims=True):
    """Return the mean over axes."""
    y = total(x, axis, keepdims)
    return y / (x.size // y.size)


def unbroadcast(dy, shape):
    """Sum dy over the axes along which NumPy repeated an array of this shape.

    What was used many times gets the sum: (B, H) -> (1, H), (H,) or ().
    """
    added = dy.ndim - len(shape)
    axes = *range(added), *(added + i for i, n in enumerate(shape) if n == 1)
    return total(dy, axes).reshape(shape) if axes else dy


class Add(Component):
    """Sum: y = a + b."""

    def f(self, a, b):
        return a + b

    def da(self, dy, a, b):
        return unbroadcast(dy, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(dy, b.shape)


class Sub(Add):
    """Difference: y = a - b."""

    def f(self, a, b):
        return a - b

    def db(self, dy, a, b):
        return -super().db(dy, a, b)


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

    def __init__(self, x, exponent):
        if isinstance(exponent, Component):
            raise TypeError("an exponent is a number: write edf.Exp(b * edf.Log(a)) for a ** b")
        super().__init__(x, exponent)

    def f(self, x, exponent):
        require(float(exponent).is_integer() or np.all(x >= 0),
                "x must not be negative under a root")
        require(exponent >= 0 or np.all(x != 0), "x must not be 0: it divides")
        return x * x * x if exponent == 3 else x ** exponent    # NumPy's x ** 3 is slow

    def dx(self, dy, x, exponent):
        require(exponent == 0 or exponent >= 1 or np.all(x != 0),
                "the slope is infinite at 0: add a small number to x")
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

    a (..., N, M), b (..., M, H)  ->  y (..., N, H); ValueError for fewer axes
    """

    def f(self, a, b):
        require(min(np.ndim(a), np.ndim(b)) >= 2, "a and b must be matrices (two axes)")
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
        self.e = np.expm1(np.minimum(x, 0))
        return np.maximum(x, 0) + alpha * self.e

    def dx(self, dy, x, alpha):
        return dy * (self.e + 1) * (1 if alpha == 1 else np.where(x > 0, 1, alpha))


class Softplus(Component):
    """Smooth ReLU: y = log(1 + exp(x)), with the logistic function as slope."""

    def f(self, x):
        return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))     # no overflow

    def dx(self, dy, x):
        return -dy * np.expm1(-self.value)


class GELU(Component):
    """Gaussian error linear unit: y = x p, p that a standard normal is below x.

    Exact, and slow: Python's erfc takes one number at a time.  See GELUTanh.
    Source: Hendrycks and Gimpel 2016.
    """

    def f(self, x):
        erfc = np.vectorize(math.erfc, otypes=[float])
        self.p = 0.5 * erfc(-x / math.sqrt(2))
        return x * self.p

    def dx(self, dy, x):
        density = np.exp(-0.5 * x.astype(float) ** 2) / math.sqrt(2 * math.pi)
        return dy * (self.p + x * density)


class GELUTanh(Component):
    """GELU as in GPT-2: y = x (1 + tanh(c (x + 0.044715 x^3))) / 2, c = sqrt(2 / pi)."""

    def f(self, x):
        x_mid = x.clip(-10, 10)                 # beyond, tanh is 1 and flat
        self.tanh = np.tanh(math.sqrt(2 / math.pi) * x_mid * (1 + 0.044715 * x_mid * x_mid))
        return 0.5 * x * (1 + self.tanh)

    def dx(self, dy, x):
        x_mid = x.clip(-10, 10)
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x_mid * x_mid)
        return 0.5 * dy * (1 + self.tanh + x_mid * slope * (1 - self.tanh * self.tanh))


# Losses, and what they are made of.

class LogSoftmax(Component):
    """Logarithms of the softmax of rows: y_i = x_i - log sum_j exp(x_j).

    x (..., K)  ->  y (..., K), and dx_i = dy_i - p_i sum_j dy_j with p = exp(y)
    """

    def f(self, x):
        shifted = x - x.max(axis=-1, keepdims=True)             # (..., K) - (..., 1) -> (..., K)
        return shifted - np.log(total(np.exp(shifted), -1, keepdims=True))

    def dx(self, dy, x):
        return dy - np.exp(self.value) * total(dy, -1, keepdims=True)


class SigmoidCrossEntropy(Component):
    """Loss of scores s of yes or no: y = -t log p - (1 - t) log(1 - p).

    p = sigmoid(s), targets t from 0 to 1 of the shape of s; written as
    max(s, 0) - t s + log(1 + exp(-|s|)), which is the same and cannot overflow.
    Raises ValueError for other targets.
    """

    def f(self, scores, targets):
        require(scores.shape == np.shape(targets), f"scores and targets must have one shape, got "
                f"{scores.shape} and {np.shape(targets)}")
        require(np.min(targets) >= 0 and np.max(targets) <= 1, "targets must be from 0 to 1")
        return np.maximum(scores, 0) - scores * targets + np.log1p(np.exp(-abs(scores)))

    def dscores(self, dy, scores, targets):
        return dy * (sigmoid(scores) - targets)


class SquaredError(Component):
    """Squared difference: y = (x - t)^2, for targets t of the shape of x.

    Raises ValueError if the shapes differ: broadcasting would mix examples.
    """

    def f(self, x, targets):
        require(x.shape == np.shape(targets), f"x and targets must have one shape, got {x.shape} "
                f"and {np.shape(targets)}")
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
        return total(x, axis, keepdims)

    def dx(self, dy, x, axis, keepdims):
        return np.broadcast_to(unreduce(dy, axis, keepdims), x.shape)


class Mean(Sum):
    """Mean over an axis, several, or all (None)."""

    def f(self, x, axis=None, keepdims=False):
        return mean(x, axis, keepdims)

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
    """Rows divided by their sum s: y_i = x_i / s.  Raises ValueError if s is 0.

    x (..., K)  ->  y (..., K), and dx_i = (dy_i - sum_j dy_j y_j) / s
    """

    def f(self, x):
        self.s = total(x, -1, keepdims=True)                    # (..., K) -> (..., 1)
        require((self.s != 0).all(), "a row adds up to 0")
        return x / self.s

    def dx(self, dy, x):
        return (dy - total(dy * self.value, -1, keepdims=True)) / self.s


def scatter(dy, shape, key):
    """Add every entry of dy at its place in zeros: the reverse of x[key]."""
    places = np.arange(math.prod(shape)).reshape(shape)[key].reshape(-1)    # sums are in float64
    return np.bincount(places, dy.reshape(-1), math.prod(shape)).reshape(shape)


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

    x (B, K), index (B,) integers in 0..K-1  ->  y (B,); ValueError for others
    """

    def f(self, x, index):
        require_labels(index, x)
        return x[np.arange(len(x)), index]

    def dx(self, dy, x, index):
        return scatter(dy, x.shape, (np.arange(len(x)), index))


class Embedding(Component):
    """Row of a table for every number: y = w[index].

    w (N, D), index (...) integers in 0..N-1  ->  y (..., D)

    Raises ValueError if there is no such row.  For steps cut y, not the index.
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
        dx = dy.reshape(x.shape)        # in memory like x: Conv2d then reads rows, no copies
        return dx if x.flags.c_contiguous else np.positive(dx, out=np.empty_like(x))


class Transpose(Component):
    """Axes in another order: axis i of y is axes[i] of x; None reverses all."""

    def f(self, x, axes=None):
        return x.transpose(axes)

    def dx(self, dy, x, axes):
        return dy.transpose(np.argsort(np.mod(axes, x.ndim)) if axes else None)    # -1: the last


class Expand(Component):
    """Copies along axes of length 1 and new leading ones, to reach a shape."""

    def f(self, x, shape):
        return np.broadcast_to(x, shape)

    def dx(self, dy, x, shape):
        return unbroadcast(dy, x.shape)


class Concat(Component):
    """Arrays one behind the other along an axis: Concat(a, b, axis=1)."""

    def __init__(self, *xs, axis=0):
        require(isinstance(axis, numbers.Integral), f"axis must be a number, got {axis}")
        super().__init__(*xs)
        self.axis = axis
        for x in xs:
            x.real_for = "Concat"       # backward does not go by d-methods

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
    slope = mean(dz * z, axes)
    return (dz - mean(dz, axes) - z * slope) / sd


class LayerNorm(Component):
    """Rows standardized, then scaled: y = gamma z + beta, z = (x - mean) / sd.

    x (..., D), gamma (D,), beta (D,)  ->  y (..., D)

    sd = sqrt(variance + eps), of the D numbers of a row.
    Raises ValueError if gamma or beta has another shape.
    Source: Ba, Kiros and Hinton 2016, eq. 4.
    """

    def f(self, x, gamma, beta, eps=1e-5):
        require(np.shape(gamma) == np.shape(beta) == x.shape[-1:], f"gamma and beta must have "
                f"shape {x.shape[-1:]}, as the last axis of x")
        centred = x - mean(x, -1)                           # (..., D) - (..., 1)
        variance = mean(centred * centred, -1)              # (..., D) -> (..., 1)
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
    the fraction `momentum` towards its own mean and variance (n - 1 for n).
    Raises ValueError if shapes do not fit, or a feature has a single number.
    Source: Ioffe and Szegedy 2015, algorithms 1 and 2.
    """

    statistics = "mean", "variance"
    mean, variance = 0.0, 1.0

    def f(self, x, gamma, beta, momentum=0.1, eps=1e-5):
        x = x.swapaxes(1, -1)               # (B, C, H, W) -> (B, W, H, C), or x (B, D) itself
        require(np.shape(gamma) == np.shape(beta) == x.shape[-1:], f"gamma and beta must have "
                f"shape {x.shape[-1:]}, as axis 1 of x")
        self.axes = tuple(range(x.ndim - 1)) if training else None
        centre, variance = self.mean, self.variance
        if training:
            centre = mean(x, self.axes).reshape(-1)                 # (B, W, H, C) -> (C,)
            variance = mean((x - centre) ** 2, self.axes).reshape(-1)
            n = x.size // centre.size
            require(n > 1, "one number of each feature has no variance: drop a last batch of one "
                    "row, train on larger ones, or run it inside `with edf.evaluating():`")
            self.mean = self.mean + momentum * (centre - self.mean)
            change = variance * (n / (n - 1)) - self.variance
            self.variance = self.variance + momentum * change
        self.sd = np.sqrt(variance + eps)
        self.z = (x - centre) / self.sd
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

    m is 0 or 1 / (1 - p), drawn anew in every forward(); after training 1.
    Raises ValueError unless 0 <= p < 1.  Source: Srivastava et al. 2014.
    """

    def f(self, x, p=0.5):
        require(0 <= p < 1, f"p must be at least 0 and below 1, got {p}")
        self.m = (rng.random(x.shape) >= p) / x.dtype.type(1 - p) if training else 1.0
        return x * self.m

    def dx(self, dy, x, p):
        return dy * self.m


# Images (B, C, H, W), by windows: each is kh high, kw wide and `stride` from the
# next, after `padding` empty pixels were put around the image.  The batch is the
# last axis in memory, as NumPy is fast along a long one.

def pad(x, padding, fill=0):
    """Return x (B, C, H, W) with so many pixels more on all sides."""
    require(x.ndim == 4, "x must be images (B, C, H, W): for (B, H, W) write x[:, None]")
    require(padding >= 0, f"padding must be 0 or more, got {padding}")
    if padding == 0:
        return x
    (b, c, h, w), p = x.shape, padding
    image = np.full_like(x, fill, shape=(b, c, h + 2 * p, w + 2 * p))
    image[:, :, p:p + h, p:p + w] = x
    return image


def pixels(image, size, stride):
    """Return the first pixel of all windows (B, C, H', W'), the second, ..."""
    (kh, kw), (h, w) = size, image.shape[2:]
    stride = kh if stride is None else stride
    require(min(kh, kw, stride) >= 1, f"size and stride must be 1 or more, got {size} and {stride}")
    require(kh <= h and kw <= w, f"a window {kh, kw} exceeds the image {h, w}")
    return [image[:, :, i:h - kh + i + 1:stride, j:w - kw + j + 1:stride]
            for i in range(kh) for j in range(kw)]


def spread(parts, x, size, stride, padding):
    """Add parts, one for each pixel of a window, up in images like x."""
    image = pad(np.zeros_like(x), padding)
    for pixel, part in zip(pixels(image, size, stride), parts):
        pixel += part
    (h, w), p = x.shape[2:], padding
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
        image = np.ascontiguousarray(np.moveaxis(x, 0, -1))     # (C, H, W, B)
        image = pad(np.moveaxis(image, -1, 0), padding)         # (B, C, H, W)
        cut = [pixel.transpose(1, 2, 3, 0) for pixel in pixels(image, w.shape[2:], stride)]
        require(x.shape[1] == w.shape[1], "x and w differ in channels (axis 1)")
        require(b.shape == w.shape[:1], f"b must have shape {w.shape[:1]}")
        self.cut = np.stack(cut, axis=1).reshape(w[0].size, -1)     # (C kh kw, H' W' B)
        y = w.reshape(len(w), -1) @ self.cut + b[:, None]       # (O, H' W' B) + (O, 1)
        return y.reshape(-1, *cut[0].shape[1:]).transpose(3, 0, 1, 2)   # -> (B, O, H', W')

    def dx(self, dy, x, w, b, stride, padding):
        dy_rows = dy.transpose(1, 2, 3, 0).reshape(len(w), -1)            # (O, H' W' B)
        parts = w.reshape(len(w), -1).T @ dy_rows               # -> (C kh kw, H' W' B)
        parts = parts.reshape(x.shape[1], -1, *dy.shape[2:], len(x))
        parts = parts.transpose(1, 4, 0, 2, 3)                  # (kh kw, B, C, H', W')
        return spread(parts, x, w.shape[2:], stride, padding)

    def dw(self, dy, x, w, b, stride, padding):
        dy_rows = dy.transpose(1, 2, 3, 0).reshape(len(w), -1)            # (O, H' W' B)
        dw = self.cut @ dy_rows.T               # BLAS takes longer for its transpose
        return dw.T.reshape(w.shape)                            # (C kh kw, O) -> w.shape

    def db(self, dy, x, w, b, stride, padding):
        return total(dy.transpose(1, 2, 3, 0).reshape(len(w), -1), axis=1)    # (O, H' W' B) -> (O,)


class MaxPool2d(Component):
    """Largest entry of every window of size x size; equal ones share dy.

    x (B, C, H, W)  ->  y (B, C, H', W'), as in Conv2d, by default with stride = size

    Raises ValueError if a window could lie in the padding as a whole.
    """

    def f(self, x, size, stride=None, padding=0):
        require(padding <= size // 2, "padding may be half of the size at most")
        self.pixels = pixels(pad(x, padding, -np.inf), (size, size), stride)
        return reduce(np.maximum, self.pixels)

    def dx(self, dy, x, size, stride, padding):
        largest = [(pixel == self.value).astype(dy.dtype) for pixel in self.pixels]
        count = sum(largest)
        share = np.divide(dy, count, out=count)         # in memory like x
        parts = (share * is_largest for is_largest in largest)
        return spread(parts, x, (size, size), stride, padding)


class AvgPool2d(Component):
    """Mean of every window, the zeros of the padding included; as MaxPool2d."""

    def f(self, x, size, stride=None, padding=0):
        require(padding <= size // 2, "padding may be half of the size at most")
        return sum(pixels(pad(x, padding), (size, size), stride), np.float64(0)) / size ** 2

    def dx(self, dy, x, size, stride, padding):
        return spread([dy / size ** 2] * size ** 2, x, (size, size), stride, padding)


# =============================================================================
# 5  Training
# =============================================================================

training = True                 # switched by evaluating()
rng = np.random.default_rng()   # the source of every random number


class evaluating(ContextDecorator):
    """Let BatchNorm and Dropout act as after training; also as a decorator."""

    before = ()                     # the modes to go back to: it may be entered twice

    def __enter__(self):
        global training
        self.before, training = (*self.before, training), False

    def __exit__(self, *error):
        global training
        *self.before, training = self.before


def seed(n):
    """Restart `rng` from the integer n, so that a run repeats bit for bit."""
    rng.bit_generator.state = np.random.default_rng(n).bit_generator.state


# Starting values of a layer with fan_in inputs and fan_out outputs.

def normal(fan_in, fan_out, sd=1.0, generator=None):
    """Return weights (fan_in, fan_out), normal with standard deviation sd."""
    return (generator or rng).normal(0, sd, (fan_in, fan_out)).astype(dtype)


def xavier(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), uniform, of variance 1 / fan_in.

    Named as in the course TTIC 31230; the rule of the paper is glorot.
    """
    most = np.sqrt(3 / fan_in)
    return (generator or rng).uniform(-most, most, (fan_in, fan_out)).astype(dtype)


def glorot(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), normal, of variance 2 / (fan_in + fan_out).

    Source: Glorot and Bengio 2010, eq. 12.
    """
    return normal(fan_in, fan_out, np.sqrt(2 / (fan_in + fan_out)), generator)


def he(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), normal, of variance 2 / fan_in.

    For ReLU, which halves the mean square.  Source: He et al. 2015, eq. 10.
    """
    return normal(fan_in, fan_out, np.sqrt(2 / fan_in), generator)


class Optimiser:
    """What all optimisers share: step() moves all in params, w <- w - lr d.

    A subclass gives the direction d.  lr, the learning rate, may be changed at
    any time.  weight_decay w is added to the gradient, as for a term of the loss
    weight_decay |w|^2 / 2.  Raises ValueError for a setting out of range.
    """

    decay_apart = False     # True for AdamW: w shrinks apart from the gradient

    def __init__(self, lr, weight_decay=0, **settings):
        self.memory = {}                # {Param: {name: array or number}}
        for name, value in dict(settings, lr=lr, weight_decay=weight_decay).items():
            setattr(self, name, value)

    def __setattr__(self, name, value):
        require_setting(self, name, value)
        super().__setattr__(name, value)

    @np.errstate(under="ignore")
    def step(self):
        """Move every Param that has a gradient; TypeError if none has a whole one."""
        require_step(self)
        for param in learned():
            grad, value = param._grad, param._value
            if self.weight_decay and not self.decay_apart:
                grad = grad + self.weight_decay * value
            d = self.direction(grad, self.memory.setdefault(param, {}))
            if self.decay_apart:
                d = d + self.weight_decay * value
            pending.add(param)
            value -= self.lr * d            # in place, and all of it at once

    def direction(self, grad, kept):
        """Return d for this gradient; `kept` is a dict for the next steps."""
        raise NotImplementedError(f"{type(self).__name__} defines no direction")


class SGD(Optimiser):
    """Stochastic gradient descent: d = m, m <- momentum m + grad.

    With nesterov d = grad + momentum m.  Source: Sutskever et al. 2013.
    """

    def __init__(self, lr, momentum=0, nesterov=False, weight_decay=0):
        require(momentum or not nesterov, "nesterov needs a momentum, such as 0.9")
        super().__init__(lr, weight_decay, momentum=momentum, nesterov=nesterov)

    def direction(self, grad, kept):
        if not self.momentum:
            return grad
        m = kept["m"] = self.momentum * kept.get("m", 0) + grad
        return grad + self.momentum * m if self.nesterov else m


class AdaGrad(Optimiser):
    """Steps that shrink with all gradients so far: d = grad / (sqrt(v) + eps).

    v <- v + grad^2.  Source: Duchi, Hazan and Singer 2011.
    """

    def __init__(self, lr=0.01, eps=1e-10, weight_decay=0):
        super().__init__(lr, weight_decay, eps=eps)

    def direction(self, grad, kept):
        v = kept["v"] = kept.get("v", 0) + grad ** 2
        return grad / (np.sqrt(v) + self.eps)


class RMSProp(Optimiser):
    """Steps of like size for all numbers: d = grad / (sqrt(v) + eps).

    v <- alpha v + (1 - alpha) grad^2.  Source: Tieleman and Hinton 2012, lecture 6.5.
    """

    def __init__(self, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0):
        super().__init__(lr, weight_decay, alpha=alpha, eps=eps)

    def direction(self, grad, kept):
        alpha = self.alpha
        v = kept["v"] = alpha * kept.get("v", 0) + (1 - alpha) * grad ** 2
        return grad / (np.sqrt(v) + self.eps)


class Adam(Optimiser):
    """RMSProp with momentum: d = m' / (sqrt(v') + eps).

    m <- beta1 m + (1 - beta1) grad,  v <- beta2 v + (1 - beta2) grad^2; as both
    start at 0, m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t) in step t.
    Source: Kingma and Ba 2015, algorithm 1.
    """

    def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(lr, weight_decay, betas=betas, eps=eps)

    def direction(self, grad, kept):
        beta1, beta2 = self.betas
        t = kept["t"] = kept.get("t", 0) + 1
        m = kept["m"] = beta1 * kept.get("m", 0) + (1 - beta1) * grad
        v = kept["v"] = beta2 * kept.get("v", 0) + (1 - beta2) * grad ** 2
        sd = np.sqrt(v / (1 - beta2 ** t))
        return m / (1 - beta1 ** t) / (sd + self.eps)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: w <- w - lr (d + weight_decay w).

    Source: Loshchilov and Hutter 2019, algorithm 2.
    """

    decay_apart = True

    def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(lr, betas, eps, weight_decay)


@np.errstate(under="ignore")
def clip_gradients(max_norm):
    """Scale all gradients of Params down to a joint norm of at most max_norm.

    Returns the norm before; ValueError if it is infinite, or max_norm not positive.
    """
    require(max_norm > 0, f"max_norm must be greater than 0, got {max_norm}")
    norm = math.sqrt(sum(np.square(param._grad, dtype=float).sum() for param in learned()))
    require(math.isfinite(norm), f"the norm of the gradients is {norm}")
    if norm > max_norm:
        for param in learned():
            param.grad = param._grad * (max_norm / norm)
    return norm


def learned():
    """Return the Params that have a gradient; TypeError if none has one."""
    found = [param for param in params if param._grad is not None]
    if not found:
        raise TypeError("no Param has a gradient: call backward first")
    return found


# Schedules: factors of the first learning rate, for step or epoch 0, 1, 2, ...

def step_decay(step, every, factor=0.1):
    """Return factor^(step // every): a drop after so many steps."""
    return factor ** (step // every)


def cosine_decay(step, steps):
    """Return (1 + cos(pi step / steps)) / 2: from 1 to 0, and then 0."""
    return 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))


def warmup(step, steps):
    """Return (step + 1) / steps, at most 1: a rise over so many steps."""
    return min((step + 1) / steps, 1)


def batches(*arrays, size, shuffle=False):
    """Yield tuples of `size` rows of each array, in a new order with shuffle.

    Loop with `for x.value, labels.value in batches(...)`: x would be a new name.
    Raises ValueError if the arrays differ in length, or size is less than 1.
    """
    arrays = [np.asanyarray(array) for array in arrays]
    require(all(array.ndim for array in arrays), "batches are of arrays, or of lists of numbers")
    lengths = [len(array) for array in arrays]
    require(len(set(lengths)) == 1, f"arrays differ in length: {lengths}")
    require(isinstance(size, numbers.Integral) and size >= 1, f"a batch needs a whole number of "
            f"rows, at least one, got size {size}")
    order = rng.permutation(lengths[0]) if shuffle else None
    for start in range(0, lengths[0], size):
        part = order[start:start + size] if shuffle else slice(start, start + size)
        yield tuple(array[part] for array in arrays)


# =============================================================================
# 6  Tools: to build and run components, and to look at graphs (edf_tools)
# =============================================================================

def prepare(kind, **keywords):
    """Note {name in f: default} for bind; TypeError for what can be no argument."""
    super(Component, kind).__init_subclass__(**keywords)
    own = object.__new__(kind)
    signature = inspect.signature(own.f)
    kind.__signature__ = (signature if kind.__init__ is Component.__init__ else
                          inspect.signature(own.__init__))      # for help()
    kind.many, kind.defaults = "*" in str(signature), {}
    for name, argument in signature.parameters.items():
        if hasattr(Component, name) or kind.many and name[0] == "x" and name[1:].isdigit():
            raise TypeError(f"{kind.__name__}: an input cannot be called {name}: that is taken")
        if argument.kind in (argument.KEYWORD_ONLY, argument.VAR_KEYWORD):
            raise TypeError(f"{kind.__name__}: f cannot take {argument}: put options before any *")
        if argument.kind is not argument.VAR_POSITIONAL:
            kind.defaults[name] = argument.default


def bind(component, args, options):
    """Return {name: argument} in the order of f; those of *xs are x0, x1, ...

    Raises TypeError for arguments that f does not take, or not in that role.
    """
    kind = type(component)
    names = kind.defaults if not kind.many else [
        *kind.defaults, *(f"x{i}" for i in range(len(args) - len(kind.defaults)))]
    given = dict(zip(names, args))
    if options or len(args) != len(names):
        signature = inspect.signature(component.f)
        try:
            signature.bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"{kind.__name__}{signature}: {error}") from None
        given = kind.defaults | given | options
    require_arguments(kind, given)
    return given


def identify(component):
    """Note which line builds a component; name it, and inputs without a name."""
    if "arguments" not in vars(component):
        raise TypeError(f"__init__ of {type(component).__name__} must call super().__init__")
    if components and components[-1] is component:
        raise TypeError("a component joins edf.components by itself: leave out the append")
    component.number = len(components)
    frame = sys._getframe(2)
    while frame.f_globals is globals():
        frame = frame.f_back
    component.built = frame.f_code.co_filename, frame.f_lineno
    if component.arguments:
        component.name = label(component)
    for name, x in component.arguments.items():
        if x is not None and not x.arguments:
            x.name = x.name or f"{component.name}.{name}"
            if not x.needs_grad and hasattr(component, "d" + name):
                x.real_for = component.name             # see require_data


def take_back(start):
    """Remove all from components[start] on: it was built for one that failed."""
    del components[start:]
    kept = set(components)
    params[:] = [param for param in params if param in kept]


def as_real(result, shape=None):
    """Return a result as `dtype`; TypeError for no numbers, ValueError for another shape."""
    array = np.asarray(result, dtype)       # it itself, if it is of this type
    if array is not result and np.asarray(result).dtype.kind not in "fiub":
        got = f"{np.asarray(result).dtype}, not real numbers"
        got = "None: is its return missing?" if result is None else got
        raise TypeError(f"the formula returned {got}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"the gradient has shape {array.shape}, but the value has shape {shape}")
    return array


def label(component):
    """Return its name, or "Affine[3]" for the Affine that is components[3]."""
    return component.name or f"{type(component).__name__}[{component.number}]"


def describe(component):
    """Return "Param w1 (4, 2)", or "Affine(x (3, 4), w (4, 2), b (2,))"."""
    def shape(node):
        return "(no value yet)" if node._value is None else np.shape(node._value)

    parts = [f"{name} {reprlib.repr(getattr(component, name)) if x is None else shape(x)}"
             for name, x in component.arguments.items()]
    kind, name = type(component).__name__, f"{component.name} " if component.name else ""
    return f"{kind}({', '.join(parts)})" if parts else f"{kind} {name}{shape(component)}"


def ancestors(node):
    """Return all components that a node depends on, and itself, in their order."""
    found = {node}
    for component in reversed(components[:node.number + 1]):
        if component in found:
            found.update(component.inputs)
    return sorted(found, key=lambda component: component.number)


def parts(x):
    """Return what a container or a slice holds, at any depth, or [x]."""
    inner = (x.values() if isinstance(x, dict) else
             x if isinstance(x, (list, tuple, set, frozenset)) else
             (x.start, x.stop, x.step) if isinstance(x, slice) else None)
    return [x] if inner is None else [part for y in inner for part in parts(y)]


def tool(name):
    """Return the module edf_tools.<name>; ImportError says if it is missing."""
    try:
        return importlib.import_module(f"edf_tools.{name}")
    except ModuleNotFoundError:
        raise ImportError(f"edf_tools/{name}.py is missing: put the folder edf_tools beside "
                          "edf.py") from None


def check_gradients(loss, *nodes, entries=1000, tolerance=1e-6):
    """Hold backward(loss) against differences: AssertionError for a wrong formula."""
    return tool("check").check_gradients(loss, *nodes, entries=entries, tolerance=tolerance)


def debugging():
    """Stop at the first nan or infinity within `with edf.debugging():`."""
    return tool("check").debugging()


def draw(loss=None, values=False):
    """Return a picture of what leads to the loss, or of the whole graph."""
    return tool("view").draw(loss, values)


def walk(loss):
    """Return forward() and backward(loss) to step through, a component at a time."""
    return tool("walk").walk(loss)


def summary():
    """Return a table of the graph: inputs, shapes, and numbers of parameters."""
    return tool("view").summary()


def profile(loss, steps=100):
    """Return a table of the time of each component, in microseconds a step."""
    return tool("timing").profile(loss, steps)


def listing(loss, optimiser=None):
    """Return one training step of the graph as a program of NumPy, to read."""
    return tool("listing").listing(loss, optimiser)


def save(path=None, optimiser=None):
    """Write Params, statistics and an optimiser by name, or return them: best = edf.save()."""
    return tool("saving").save(path, optimiser)


def load(source, optimiser=None, strict=True):
    """Put back what save() kept, or, with strict=False, what fits; else ValueError."""
    return tool("saving").load(source, optimiser, strict)


# =============================================================================
# 7  Errors: nothing here is needed to understand the rest
# =============================================================================

def require(condition, rule):
    """Raise ValueError(rule) unless the condition holds."""
    if not condition:
        raise ValueError(rule)


REQUIRED = inspect.Parameter.empty      # the default of what has none


def require_arguments(kind, given):
    """Raise TypeError for what is no input, or no option, where f has one."""
    for name, x in given.items():
        default = kind.defaults.get(name, REQUIRED)
        if isinstance(x, Component):
            require_member(x, name, kind)
            if default is not REQUIRED:
                raise TypeError(f"{name} of {kind.__name__} is an option: it takes no component")
        elif (name not in kind.defaults or hasattr(kind, "d" + name)
              or isinstance(x, np.ndarray) and default is REQUIRED):
            operands = isinstance(x, numbers.Real) and [*map(type, map(type, given.values()))]
            if not (operands and Joining in operands and name in kind.defaults):
                require_member(x, name, kind)
        elif any(isinstance(part, Component) for part in parts(x)):
            raise TypeError(f"{name} of {kind.__name__} is an option, which cannot hold "
                            "components: pass each as an input (in place of x[rows, labels] write "
                            "edf.Select(x, labels))")


def require_member(node, role, kind=None):
    """Raise TypeError unless node is a component of the current graph."""
    with suppress(AttributeError, IndexError, TypeError):
        if components[node.number] is node:
            return
    role = f"{role} of {kind.__name__}" if kind else role
    if hasattr(node, "needs_grad") and not isinstance(node, type):
        raise TypeError(f"{role} was built before clear() or a reload of edf, for the graph of "
                        f"that time: build {node} again")
    got = (f"the class {node.__name__}" if isinstance(node, type) else
           f"of type {type(node).__name__}")
    raise TypeError(f"{role} must be a component, not {got}: if it is the value of a component "
                    "pass that, else wrap it: edf.Param(array) if it is learned, edf.Input(array) "
                    "if it is data")


def require_graph():
    """Raise TypeError if there is no component, or numbers are of no type for it."""
    if not components:
        raise TypeError("the graph is empty: build it again after clear()")
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"edf.dtype is np.float32 or np.float64, not {dtype!r}")


def require_loss(loss):
    """Raise TypeError unless backward(loss) can differentiate what it holds."""
    require_member(loss, "the loss")
    if loss.value is None:
        raise TypeError(f"{loss} has no value yet: call forward() first, which must set it")
    if not loss.value.size:
        raise ValueError(f"{loss} is an empty array, which has no mean")
    if not loss.needs_grad:
        require_inputs(ancestors(loss))
        raise TypeError(f"{loss} depends on no Param: make one of what you differentiate by")
    if forward in pending:
        raise TypeError("the last forward() did not come to its end: call it again")
    for component in ancestors(loss) if pending else ():
        if component in pending:
            raise TypeError(f"{component} has changed since the last forward(): call it again")


def require_step(optimiser):
    """Raise TypeError if gradients are partial, or memories of a cleared graph."""
    if backward in pending:
        raise TypeError("the last backward(loss) did not come to its end: call it again")
    memory = optimiser.memory
    if len(memory) > len(params) or memory.keys().isdisjoint(params):
        graph = set(components)
        if any(memory.values()) and graph.isdisjoint(memory):
            raise TypeError(f"this {type(optimiser).__name__} remembers Params that clear() "
                            "took away: make a new one, or clear(keep_params=True)")
        for param in memory.keys() - graph:
            del memory[param]


def require_setting(optimiser, name, value):
    """Raise ValueError for a setting that would ruin the parameters."""
    most = {"lr": math.inf, "weight_decay": math.inf}
    if type(optimiser).__module__ == __name__:
        most |= {"eps": math.inf, "momentum": 1, "alpha": 1, "betas": 1}
    if name in most:
        values = value if name == "betas" and np.shape(value) == (2,) else [value]
        require(all(isinstance(x, numbers.Real) and 0 <= x < most[name] for x in values),
                f"{name} of {type(optimiser).__name__} must be {'two numbers ' * (name == 'betas')}"
                f"from 0 to below {most[name]}, got {reprlib.repr(value)}")


def require_gradients():
    """Raise TypeError if a component has kept gradients from a Param."""
    if not [None for param in params if param._grad is None]:
        return
    reached = [component for component in components if component._grad is not None]
    for component in reached:
        if any(x.needs_grad and x._grad is None for x in component.inputs):
            refuse(component, "backward", "no gradient was added to an input: call its add_grad "
                   "(or set self.needs_grad = False in __init__, if none is to pass)")
    require_inputs(reached)


def require_inputs(nodes):
    """Raise TypeError if one computes with a learned component that is no input."""
    with suppress(ImportError):             # edf.py is alone
        tool("check").require_inputs(nodes)


def require_gradient(component):
    """Raise TypeError if the component has none to pass on."""
    if component._grad is None:
        raise TypeError(f"{component} has no gradient yet: call edf.backward(loss)")


def missing(component, name):
    """Raise NotImplementedError: there is no method d<name>."""
    kind = type(component).__name__
    raise NotImplementedError(f"{kind} has to define d{name}, because {name} depends on a Param")


@np.errstate(under="ignore")
def as_numbers(value, owner):
    """Return an array of numbers, real ones as `dtype`; else raise ValueError."""
    array, hint = np.asarray(value), ""
    require(not np.ma.isMaskedArray(value), f"{owner} takes no masked array: fill it, .filled(0)")
    if array.dtype.kind not in "fiu":
        hint = (": convert with .astype(float) (a mask may also be a key, x[mask])")
    if hint or array.size == 0:
        raise ValueError(f"{owner} takes numbers, and at least one{hint}; got {array.dtype} of "
                         f"shape {array.shape}")
    return array.astype(dtype if array.dtype.kind == "f" else int, copy=False)


def require_data(node):
    """Raise TypeError if an Input has no value, ValueError if not a real one."""
    if node.value is None:
        raise TypeError("an Input has no value: set .value before forward()")
    if node.value.dtype.kind != "f" and hasattr(node, "real_for"):
        raise ValueError(f"an Input holds integers, but {node.real_for} takes real numbers: divide "
                         "images by 255, or convert with .astype(float) (or are these the labels?)")


def require_labels(labels, scores):
    """Raise ValueError unless labels (B,) are in 0..K-1 for scores (B, K)."""
    require(np.ndim(scores) < 3, f"scores {np.shape(scores)} must be a matrix: write edf.Reshape("
            "scores, (-1, K)) for K classes, and labels.reshape(-1)")
    if np.ndim(scores) != 2 or np.shape(labels) != scores.shape[:1]:
        raise ValueError(f"labels must be one class number for each row of {np.shape(scores)}, got "
                         f"shape {np.shape(labels)}: set both to the same batch, flatten a column "
                         "by [:, 0], or one-hot rows by .argmax(axis=1)")
    require_index(labels, scores.shape[1], "labels must be class numbers")


def require_index(index, count, rule):
    """Raise ValueError unless all of an array are integers in 0..count-1."""
    index = np.asarray(index)
    if index.dtype.kind not in "iu":
        raise ValueError(f"{rule} of integer type, got {index.dtype}: convert with .astype(int)")
    if index.min() < 0 or index.max() >= count:
        raise ValueError(f"{rule} from 0 to {count - 1}, got numbers from {index.min()} to "
                         f"{index.max()}")


def require_probabilities(p):
    """Raise ValueError unless -log p is finite, and p no score."""
    for right, got in ((p >= np.finfo(dtype).tiny).all(), "0, nearly 0 or nan"), (
            (p < 1.001).all(), "more than 1, as scores may be"):
        require(right, f"a right class has probability {got}: use SoftmaxCrossEntropy")


def explain(error, component, method=""):
    """Add to an error where it arose: by default in forward or backward."""
    if not isinstance(component, Component):
        error.add_note(f"edf.components holds {component!r}, which is no component of edf")
        return
    own = ["f", "forward", "backward", *("d" + name for name in component.arguments)]
    for frame, _ in traceback.walk_tb(error.__traceback__):     # to the innermost of its methods
        code = frame.f_code
        if code.co_varnames[:1] == ("self",) and frame.f_locals["self"] is component:
            method = ("f" if code is Component.forward.__code__ else
                      "d" + frame.f_locals["name"] if code is Component.backward.__code__ else
                      code.co_name if code.co_name in own else method)
    error.add_note(facts(component, method, error))


def refuse(component, method, words):
    """Raise TypeError(words) for what a method of a component does."""
    try:
        raise TypeError(words)
    except TypeError as error:
        explain(error, component, method)
        raise


def facts(component, method, error):
    """Say which method of which component, why if that is known, and where it stands."""
    why = ""
    with suppress(ImportError):             # edf.py is alone
        why = tool("advice").reason(component, method, error)
    path, line = component.built
    file = "a cell" if "ipykernel" in path else os.path.basename(path)
    source = linecache.getline(path, line).strip()
    return f"in {method} of {component}\n{why}built at line {line} of {file}: {source}"


def refusing(words):
    """Return a method that raises TypeError, where a component would be misread."""
    def method(component, *args, **options):
        raise TypeError(f"{component} {words}")
    return method


Component.__bool__ = refusing("is a component, neither true nor false: write `is not None`, or "
                              "use its .value")
Component.__array__ = refusing("is a component, not an array: NumPy takes its .value, and edf has "
                               "functions of its own")
Component.__reduce_ex__ = refusing("cannot be copied, as it is part of a graph: keep its numbers, "
                                   "kept = edf.save(), and put them back, edf.load(kept)")

# Of section 2, what has to wait until all names are there.

Component.__repr__, Component.__init_subclass__ = describe, classmethod(prepare)
[prepare(kind) for kind in [*globals().values()] if isinstance(kind, Joining)]
if __name__ == "__main__":
    print(__doc__)
