"""EDF: a deep-learning framework in one file.

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

Letters in shapes: B examples in a batch, D numbers for each of them at the
input of a layer, H at its output, K classes; M and N where none of these is
meant.  In formulas x, w, b are values, y is the result, and dy is the gradient
of the mean of the loss with respect to y: an array of the shape of y.

What only serves to refuse wrong use and to word the errors (require, facts and
their like) stands at the end of the file.
"""

import numbers
import os
import sys

import numpy as np

# =============================================================================
# 1  The graph
# =============================================================================

components = []     # every component, in the order in which they were built
params = []         # the Params among them: what an optimiser updates

dtype = np.float32              # of every real number in the graph
rng = np.random.default_rng()   # the source of every random number


def seed(n):
    """Restart `rng` from the integer n, so that a run repeats bit for bit."""
    rng.bit_generator.state = np.random.default_rng(n).bit_generator.state


def clear():
    """Start a new graph: empty both lists, in place."""
    components.clear()
    params.clear()


def forward():
    """Set the value of every component.

    Its inputs come before it: they had to exist when it was built.
    """
    for component in components:
        component.forward()


def backward(loss):
    """Set the gradient of every component between a Param and the loss.

    What is differentiated is the mean of loss.value: of one loss per example,
    the mean over the batch.  In reverse order a component comes after all that
    use it, so by then its gradient is complete.  Everywhere else, in every
    Input too, grad stays None.  Call it before any value changes again.

    Raises TypeError if the loss is not in the graph, has no value yet, or does
    not depend on any Param.
    """
    require_member(loss, "the loss")
    if loss.value is None:
        raise TypeError(f"{loss} has no value yet: call forward() first")
    if not loss.needs_grad:
        raise TypeError(f"{loss} depends on no Param: make a Param of what you "
                        "want the gradient of")
    for component in components:
        component.grad = None
    loss.grad = np.full(loss.value.shape, 1 / loss.value.size, dtype)
    for component in reversed(components):
        if component.grad is not None:
            component.backward()


# =============================================================================
# 2  The nodes
# =============================================================================

class Component:
    """A node of the graph: a function of other nodes, written as formulas.

        class Scale(Component):
            def __init__(self, x, factor=2):
                super().__init__(x)             # the inputs
                self.factor = factor            # an option

            def f(self, x):
                return self.factor * x

            def dx(self, dy, x):
                return self.factor * dy

    f computes y from the values of the inputs.  For each input that gradients
    pass through, a method d<input> turns dy into the gradient with respect to
    that input, of its shape.  There, y is at hand as self.value; what else f
    has to pass on it keeps on self.  None of them writes into its arguments:
    other components hold the same arrays.

    The inputs themselves are attributes under the same names.  A component
    that does not fit this form overrides forward(), which sets value to an
    array, and backward(), which calls add_grad() of its inputs.
    """

    value = None        # set by forward()
    grad = None         # set by backward(loss), of the shape of value
    needs_grad = False  # is it a Param, or does it depend on one?
    inputs = ()
    input_names = ()    # as in f; without any there, x0, x1, ...
    number = -1         # its place in components, once it is there

    def __init_subclass__(cls):
        code = cls.f.__code__
        cls.input_names = code.co_varnames[1:code.co_argcount]  # without self
        for name in cls.input_names:
            if hasattr(Component, name):
                raise TypeError(f"{cls.__name__}: an input needs another name "
                                f"than {name}, which every component has")

    def __init__(self, *inputs):
        names = self.input_names or [f"x{i}" for i in range(len(inputs))]
        if len(inputs) != len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} inputs "
                            f"({', '.join(names)}), got {len(inputs)}")
        for name, node in zip(names, inputs):
            require_member(node, f"{name} of {type(self).__name__}")
        for name, node in zip(names, inputs):
            setattr(self, name, node)
            if hasattr(self, "d" + name):
                node.must_be_real = True        # an Input checks that
        self.inputs, self.input_names = inputs, names
        self.needs_grad = any(node.needs_grad for node in inputs)
        self.built = caller(self)
        self.number = len(components)
        components.append(self)

    def f(self, *inputs):
        """Return y, computed from the values of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} does not define f")

    def forward(self):
        """Set value to f of the values of the inputs."""
        values = [node.value for node in self.inputs]
        try:
            self.value = as_real(self.f(*values))
        except Exception as error:
            error.add_note(facts(self, "f"))
            raise

    def backward(self):
        """Add to the gradient of each input what its d-method returns.

        The method of an input that needs no gradient is never called.
        """
        values = [node.value for node in self.inputs]
        for name, node in zip(self.input_names, self.inputs):
            if node.needs_grad:
                try:
                    dx = derivative(self, name)
                    node.add_grad(dx(self.grad, *values))
                except Exception as error:
                    error.add_note(facts(self, "d" + name))
                    raise

    def add_grad(self, grad):
        """Add one contribution to the gradient with respect to value.

        The first is stored as it is, and the same array may be the gradient of
        another node too: so the next makes a new array in place of +=.
        """
        if not self.needs_grad:
            return
        grad = as_real(grad)
        if grad.shape != self.value.shape:
            raise ValueError(f"the gradient has shape {grad.shape}, "
                             f"but the value has shape {self.value.shape}")
        self.grad = grad if self.grad is None else as_real(self.grad + grad)

    def __repr__(self):
        return describe(self)


class Input(Component):
    """Data: set x.value = array before forward(), or at once: Input(array).

    Floating-point numbers become `dtype`.  Integers (labels) stay integers, and
    are refused by forward() where real numbers are meant.  The batch size may
    change any time.  No gradient is computed.

    Raises ValueError for what is not numbers, and for an empty array.
    """

    must_be_real = False    # True once a component could differentiate it

    def __init__(self, value=None):
        super().__init__()
        self._value = None
        if value is not None:
            self.value = value

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        array = np.asarray(value)
        require_numbers(array, "an Input")
        if array.dtype.kind == "f":
            array = array.astype(dtype, copy=False)
        self._value = array

    def forward(self):
        """Check that there is a value, of the right kind."""
        if self.value is None:
            raise TypeError("an Input has no value: set .value before forward()"
                            "\n" + facts(self, "forward"))
        if self.must_be_real and self.value.dtype.kind != "f":
            raise ValueError("an Input holds integers where real numbers are "
                             "meant: divide images by 255, convert others with "
                             ".astype(float) (or are these the labels?)\n"
                             + facts(self, "forward"))


class Param(Component):
    """A parameter: an array that is learned.  It holds a copy, as `dtype`.

    An optimiser changes that array in place: keep old values with .copy().
    Raises ValueError for what is not numbers, and if the shape would change.
    """

    def __init__(self, value):
        require_numbers(np.asarray(value), "a Param")
        super().__init__()
        self._value = np.array(value, dtype)
        self.needs_grad = True
        params.append(self)

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        if value is not self._value:    # as after w.value -= ..., done in place
            require_numbers(np.asarray(value), "a Param")
            array = np.array(value, dtype)
            require(array.shape == self._value.shape, f"a Param of shape "
                    f"{self._value.shape} cannot take shape {array.shape}")
            self._value = array

    def forward(self):
        pass


def as_real(result):
    """Return the result of a formula as `dtype`: a constant may be float64."""
    if result is None:
        raise TypeError("the formula returned None: is its return missing?")
    return np.asarray(result, dtype)


# =============================================================================
# 3  The first functions
# =============================================================================

class Affine(Component):
    """Affine map of every row of a batch: y = x w + b.

    x (B, D), w (D, H), b (H,)  ->  y (B, H)
    """

    def f(self, x, w, b):
        return x @ w + b                # (B, D) @ (D, H) + (H,) -> (B, H)

    def dx(self, dy, x, w, b):
        return dy @ w.T                 # (B, H) @ (H, D) -> (B, D)

    def dw(self, dy, x, w, b):
        return x.T @ dy                 # (D, B) @ (B, H) -> (D, H)

    def db(self, dy, x, w, b):
        return dy.sum(axis=0)           # (B, H) -> (H,)


class Sigmoid(Component):
    """Logistic function, elementwise: y = 1 / (1 + exp(-x)).

    Written as (1 + tanh(x / 2)) / 2, the same function, because
    exp(-x) overflows for large negative x.
    """

    def f(self, x):
        return 0.5 * (1 + np.tanh(0.5 * x))

    def dx(self, dy, x):
        y = self.value
        return dy * y * (1 - y)


class Softmax(Component):
    """Probabilities from scores, row by row: y_i = exp(x_i) / sum_j exp(x_j).

    x (B, K)  ->  y (B, K), each row adds up to 1

    The largest score of a row is subtracted first: the same quotient, and
    exp cannot overflow.
    """

    def f(self, x):
        exp = np.exp(x - x.max(axis=-1, keepdims=True))     # (B, K) - (B, 1) -> (B, K)
        return exp / exp.sum(axis=-1, keepdims=True)        # (B, K) / (B, 1) -> (B, K)

    def dx(self, dy, x):
        y = self.value
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True))  # (B, K) - (B, 1) -> (B, K)


class CrossEntropy(Component):
    """Loss of probabilities against the right classes: y_i = -log p_i[c_i].

    p (B, K), labels (B,) integers in 0..K-1  ->  y (B,)

    A probability that has underflowed is refused: its loss or its gradient is
    infinite, and with a floor under it would be those of another function.
    Raises ValueError if that happens, or if a label is not a class number.
    """

    def f(self, p, labels):
        require_labels(labels, p)
        picked = p[np.arange(len(labels)), labels]          # (B, K) -> (B,)
        require((picked >= np.finfo(dtype).tiny).all(), "a right class has "
                "probability 0, nearly 0 or nan: use SoftmaxCrossEntropy")
        return -np.log(picked)

    def dp(self, dy, p, labels):
        rows = np.arange(len(labels))
        grad = np.zeros_like(p)                             # (B, K)
        grad[rows, labels] = -dy / p[rows, labels]
        return grad


class SoftmaxCrossEntropy(Component):
    """Loss of scores against the right classes: y_i = -log softmax(s_i)[c_i].

    scores (B, K), labels (B,) integers in 0..K-1  ->  y (B,)

    Written as log sum_k exp(s_ik) - s_i[c_i]: no probability is formed whose
    logarithm could be infinite, and the gradient is short, softmax(scores)
    minus the one-hot labels.
    Raises ValueError if a label is not a class number.
    Source: Bishop 2006, eq. 4.109.
    """

    def f(self, scores, labels):
        require_labels(labels, scores)
        shifted = scores - scores.max(axis=1, keepdims=True)    # (B, K) - (B, 1) -> (B, K)
        exp = np.exp(shifted)
        total = exp.sum(axis=1, keepdims=True)                  # (B, K) -> (B, 1)
        self.p = exp / total                                    # (B, K) / (B, 1) -> (B, K)
        rows = np.arange(len(labels))
        return np.log(total[:, 0]) - shifted[rows, labels]      # (B,) - (B,) -> (B,)

    def dscores(self, dy, scores, labels):
        p_minus_onehot = self.p.copy()
        p_minus_onehot[np.arange(len(labels)), labels] -= 1
        return dy[:, None] * p_minus_onehot                     # (B, 1) * (B, K) -> (B, K)


# =============================================================================
# 4  The catalogue
# =============================================================================

def unbroadcast(dy, shape):
    """Sum dy over the axes along which NumPy repeated an array of this shape.

    A number that was used in many places gets the sum of their gradients:
    (B, H) -> (1, H), (H,) or ().
    """
    added = dy.ndim - len(shape)
    stretched = (added + i for i, n in enumerate(shape) if n == 1)
    return dy.sum(axis=(*range(added), *stretched)).reshape(shape)


class Add(Component):
    """Sum, elementwise, with broadcasting: y = a + b."""

    def f(self, a, b):
        return a + b

    def da(self, dy, a, b):
        return unbroadcast(dy, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(dy, b.shape)


class Sub(Component):
    """Difference, elementwise, with broadcasting: y = a - b."""

    def f(self, a, b):
        return a - b

    def da(self, dy, a, b):
        return unbroadcast(dy, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(-dy, b.shape)


class Mul(Component):
    """Product, elementwise, with broadcasting: y = a b."""

    def f(self, a, b):
        return a * b

    def da(self, dy, a, b):
        return unbroadcast(dy * b, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(dy * a, b.shape)


class Div(Component):
    """Quotient, elementwise, with broadcasting: y = a / b.

    Raises ValueError if a number in b is 0.
    """

    def f(self, a, b):
        require((b != 0).all(), "b must not contain 0: it is divided by")
        return a / b

    def da(self, dy, a, b):
        return unbroadcast(dy / b, a.shape)

    def db(self, dy, a, b):
        return unbroadcast(-dy * self.value / b, b.shape)


class Neg(Component):
    """Negation, elementwise: y = -x."""

    def f(self, x):
        return -x

    def dx(self, dy, x):
        return -dy


class Exp(Component):
    """Exponential, elementwise: y = exp(x)."""

    def f(self, x):
        return np.exp(x)

    def dx(self, dy, x):
        return dy * self.value


class Log(Component):
    """Natural logarithm, elementwise: y = log(x).

    Raises ValueError if a number in x is not greater than 0, or nan.
    """

    def f(self, x):
        require((x > 0).all(), "x must be greater than 0, and not nan")
        return np.log(x)

    def dx(self, dy, x):
        return dy / x


class MatMul(Component):
    """Matrix product: y = a b.

    a (N, M), b (M, H)  ->  y (N, H)
    """

    def f(self, a, b):
        require(a.ndim == b.ndim == 2, "a and b must be matrices (two axes)")
        return a @ b                    # (N, M) @ (M, H) -> (N, H)

    def da(self, dy, a, b):
        return dy @ b.T                 # (N, H) @ (H, M) -> (N, M)

    def db(self, dy, a, b):
        return a.T @ dy                 # (M, N) @ (N, H) -> (M, H)


class Tanh(Component):
    """Hyperbolic tangent, elementwise: y = tanh(x)."""

    def f(self, x):
        return np.tanh(x)

    def dx(self, dy, x):
        y = self.value
        return dy * (1 - y * y)


class ReLU(Component):
    """Rectified linear unit, elementwise: y = max(x, 0).

    The derivative at the kink, x = 0, is taken to be 0.
    """

    def f(self, x):
        return np.maximum(x, 0)

    def dx(self, dy, x):
        return dy * (x > 0)


class LeakyReLU(Component):
    """Leaky rectified linear unit, elementwise: y = x if x > 0, else slope x.

    The derivative at the kink, x = 0, is taken to be the slope.
    """

    def __init__(self, x, slope=0.01):
        super().__init__(x)
        self.slope = slope

    def f(self, x):
        return np.where(x > 0, x, self.slope * x)

    def dx(self, dy, x):
        return np.where(x > 0, dy, self.slope * dy)


def operand(x):
    """Return x, or if it is a number, an Input that holds it."""
    return Input(float(x)) if isinstance(x, numbers.Real) else x


# a + b builds Add(a, b), and so on; a Python number may stand on either side.
# __array_ufunc__ = None makes NumPy leave `array * component` to us.
Component.__array_ufunc__ = None
Component.__add__ = lambda a, b: Add(a, operand(b))
Component.__radd__ = lambda b, a: Add(operand(a), b)
Component.__sub__ = lambda a, b: Sub(a, operand(b))
Component.__rsub__ = lambda b, a: Sub(operand(a), b)
Component.__mul__ = lambda a, b: Mul(a, operand(b))
Component.__rmul__ = lambda b, a: Mul(operand(a), b)
Component.__truediv__ = lambda a, b: Div(a, operand(b))
Component.__rtruediv__ = lambda b, a: Div(operand(a), b)
Component.__matmul__ = lambda a, b: MatMul(a, b)
Component.__rmatmul__ = lambda b, a: MatMul(a, b)
Component.__neg__ = lambda x: Neg(x)


# =============================================================================
# 5  Starting values and optimisers
# =============================================================================

def xavier(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), uniform in +-sqrt(3 / fan_in).

    Their variance is 1 / fan_in: a sum of fan_in products then varies as much
    as one of its inputs.  This is what TTIC 31230 calls Xavier; for the rule of
    the paper by Xavier Glorot see glorot.
    """
    half_width = np.sqrt(3 / fan_in)
    w = (generator or rng).uniform(-half_width, half_width, (fan_in, fan_out))
    return w.astype(dtype)


def glorot(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), normal.

    Their variance is 2 / (fan_in + fan_out), which keeps that of the values and
    that of the gradients about level from layer to layer.
    Source: Glorot and Bengio 2010, eq. 12.
    """
    sd = np.sqrt(2 / (fan_in + fan_out))
    return (generator or rng).normal(0, sd, (fan_in, fan_out)).astype(dtype)


def he(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), normal.

    Their variance is 2 / fan_in: for ReLU, which halves the mean square of a
    symmetric input.  Source: He et al. 2015, eq. 10.
    """
    sd = np.sqrt(2 / fan_in)
    return (generator or rng).normal(0, sd, (fan_in, fan_out)).astype(dtype)


class SGD:
    """Stochastic gradient descent on every Param: w <- w - lr dw.

    lr is the learning rate; it may be changed between steps.
    """

    def __init__(self, lr):
        self.lr = lr

    def step(self):
        """Subtract lr times its gradient from every Param that has one.

        Raises TypeError if none has one.
        """
        learned = [param for param in params if param.grad is not None]
        if not learned:
            raise TypeError("no Param has a gradient: call backward first")
        for param in learned:
            param.value -= self.lr * param.grad


def batches(*arrays, size, shuffle=False):
    """Yield tuples of `size` rows of each array; the last may be smaller.

    With shuffle, they come in a random order, a new one for every call; row i
    of one array stays with row i of the others.

    Raises ValueError if the arrays differ in length, or size is less than 1.
    """
    lengths = [len(array) for array in arrays]
    require(len(set(lengths)) == 1, f"arrays differ in length: {lengths}")
    require(size >= 1, f"a batch needs at least one row, got size {size}")
    rows = lengths[0]
    if shuffle:
        order = rng.permutation(rows)
    for start in range(0, rows, size):
        part = slice(start, start + size)
        if shuffle:
            part = order[part]
        yield tuple(array[part] for array in arrays)


# =============================================================================
# 6  Tools
# =============================================================================

def check_gradients(loss, *nodes, entries=1000, tolerance=1e-6):
    """Compare backward with central differences (L(v + h) - L(v - h)) / 2h.

    First each component between a Param and the loss, alone: it gets a random
    dy (a constant one hides mistakes), L is the sum of dy times its value, and
    v the value of an input.  Then the whole graph: L is the mean of loss.value,
    and v the value of every Param, or of the components in `nodes`.  It is
    computed in float64, and the graph is then put back as it was.  Of an array
    with more than `entries` numbers only so many are tried, drawn at random.
    Values at which a wrong formula is right hide it: take two rows or more, and
    all of them different.

    Returns {what was compared: largest error}; "Affine[3].dw" is the method dw
    of components[3].  Errors are relative to the largest entry of the gradient,
    a tenth of the largest term of L (its rounding hides much smaller ones), or
    0.001, whichever is largest.
    Raises AssertionError if an error exceeds the tolerance, with the component,
    its method and the worst entry, and TypeError if a node has no gradient.
    """
    global dtype
    saved = dtype, rng.bit_generator.state
    states = [(component, vars(component).copy()) for component in components]
    draw = np.random.default_rng(0)
    errors = {}

    def compare(name, place, node, got, run):
        """Hold got, the gradient with respect to a node, against differences."""
        picks = draw.permutation(got.size)[:entries]
        got = got.ravel()[picks]
        want, jump, size = central_differences(run, node, picks)
        scale = max(abs(got).max(), abs(want).max(), 0.1 * size, 1e-3)
        error = abs(got - want) / scale
        worst = error.argmax()
        errors[name] = float(error[worst])
        if not errors[name] <= tolerance:           # not: nan fails too
            entry = np.unravel_index(picks[worst], node.value.shape)
            at_kink = abs(jump[worst]) > 1e-3 * scale
            fault(f"wrong gradient: {name} gives {got[worst]:.9g} at entry "
                  f"{tuple(map(int, entry))}, central differences give "
                  f"{want[worst]:.9g}" + (" (is a kink near? then change the "
                  "values and check again)" if at_kink else ""), place)

    def check_alone(component):
        """Check what one component adds to its inputs, and that it adds it."""
        def run():
            component.forward()
            return dy * component.value

        dy = component.grad = draw.normal(size=component.value.shape)
        dy.flags.writeable = False
        for node in component, *component.inputs:       # none may be written to
            node.value = node.value.copy()
            node.value.flags.writeable = False
        learned = dict.fromkeys(n for n in component.inputs if n.needs_grad)
        for node in learned:
            node.grad = None
        component.backward()
        once = {node: node.grad for node in learned}
        component.backward()
        for node in learned:
            slots = zip(component.input_names, component.inputs)
            method = " + ".join("d" + name for name, n in slots if n is node)
            if type(component).backward is not Component.backward:
                method = "backward"
            name = f"{label(component)}.{method}"
            place = facts(component, method)
            if once[node] is None:
                fault(f"no gradient: {name} adds none to {node}", place)
            lost = abs(2 * once[node] - node.grad).max()
            if lost > 1e-9 * abs(once[node]).max():
                fault(f"lost gradient: {name} does not add the same a second "
                      "time: it replaces the gradient instead of calling "
                      "add_grad, or writes into what f has kept", place)
            compare(name, place, node, once[node], run)

    def check_in_graph(node, grad):
        """Check the gradient that backward(loss) gave to one node."""
        def run():
            for component in components[node.number + 1:loss.number + 1]:
                component.forward()
            return loss.value / loss.value.size

        compare(label(node), facts(node, "the gradient"), node, grad, run)

    try:
        dtype = np.float64
        for component in components:
            if not component.inputs and component.value is not None:
                component.value = component.value.copy()    # now as float64
        forward()
        backward(loss)
        nodes = nodes or [param for param in params if param.grad is not None]
        grads = [getattr(node, "grad", None) for node in nodes]
        for node, grad in zip(nodes, grads):
            require_member(node, "what is to be checked")
            if grad is None:
                raise TypeError(f"{node} has no gradient that could be checked")
        for component in components:
            if component.inputs and component.grad is not None:
                check_alone(component)
        for node, grad in zip(nodes, grads):
            check_in_graph(node, grad)
    finally:
        dtype, rng.bit_generator.state = saved
        for component, state in states:
            vars(component).clear()
            vars(component).update(state)
    return errors


def central_differences(run, node, picks):
    """Differentiate the sum of run() by picked entries of the value of a node.

    Returns the slopes, how much they differ between the two sides of the value
    (at a kink), and the size of the largest term of the sum.
    """
    value = node.value
    middle = run()
    size = abs(middle).max()
    slopes = np.empty((2, len(picks)))
    for i, pick in enumerate(picks):
        old = value.flat[pick]
        v = abs(old) or 1
        for h in 1e-5 * min(v, 0.1), 1e-6 * max(v, 1):
            for side, step in enumerate((h, -h)):
                moved = value.copy()
                moved.flat[pick] += step
                node.value = moved
                step = moved.flat[pick] - old       # as it was rounded
                slopes[side, i] = (run() - middle).sum() / step
            if h * abs(slopes[:, i]).min() > 1e-9 * size:
                break           # h was large enough to show above rounding
    node.value = value
    run()
    return slopes.mean(axis=0), slopes[0] - slopes[1], size


# What errors say.  The rule stands where it is broken; these add the facts.

def require(condition, rule):
    """Raise ValueError(rule) unless the condition holds."""
    if not condition:
        raise ValueError(rule)


def fault(message, place):
    """Raise AssertionError(message) with a note on its place in the graph."""
    error = AssertionError(message)
    error.add_note(place)
    raise error


def label(component):
    """Return "Affine[3]" for the Affine that is components[3]."""
    return f"{type(component).__name__}[{component.number}]"


def facts(component, method):
    """Say which method of which component failed, and where that was built."""
    import linecache  # here, because it is only needed when something is wrong

    path, line = component.built
    file = "a cell" if "ipykernel" in path else os.path.basename(path)
    source = linecache.getline(path, line).strip()
    return (f"in {method} of {component}\n"
            f"built at line {line} of {file}: {source}")


def caller(component):
    """Return the path and the line of the code that is building a component."""
    frame = sys._getframe(1)
    while (frame.f_globals is globals()
           or frame.f_code.co_name == "__init__"        # is it its own?
           and frame.f_locals.get("self") is component):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def describe(component):
    """Return "Param (4, 2)", or "Affine(x (3, 4), w (4, 2), b (2,))"."""
    def shape(node):
        return "(no value yet)" if node.value is None else np.shape(node.value)

    kind = type(component).__name__
    if not component.inputs:
        return f"{kind} {shape(component)}"
    inputs = zip(component.input_names, component.inputs)
    shapes = ", ".join(f"{name} {shape(node)}" for name, node in inputs)
    return f"{kind}({shapes})"


def derivative(component, name):
    """Return the method d<name>, or raise NotImplementedError without one."""
    if not hasattr(component, "d" + name):
        raise NotImplementedError(f"{type(component).__name__} has to define "
                                  f"d{name}, because {name} depends on a Param")
    return getattr(component, "d" + name)


def require_numbers(array, owner):
    """Raise ValueError unless an array holds numbers, and at least one."""
    if array.dtype.kind not in "fiu" or array.size == 0:
        raise ValueError(f"{owner} takes numbers, and at least one; got an "
                         f"array of {array.dtype} of shape {array.shape}")


def require_member(node, role):
    """Raise TypeError unless node is a component of the current graph."""
    if not isinstance(node, Component):
        raise TypeError(f"{role} must be a component, not of type "
                        f"{type(node).__name__}: if it is the value of a "
                        "component pass that, else wrap it: edf.Param(array) "
                        "if it is learned, edf.Input(array) if it is data")
    if node.number < 0:
        raise TypeError(f"{role} is not in the graph: __init__ of "
                        f"{type(node).__name__} must call super().__init__")
    if components[node.number:node.number + 1] != [node]:
        raise TypeError(f"{role} was built before clear() and belongs to the "
                        f"graph of that time: build {node} again")


def require_labels(labels, scores):
    """Raise ValueError unless labels (B,) are in 0..K-1 for scores (B, K)."""
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError("labels must be one class number for each row of "
                         f"{scores.shape}, got shape {labels.shape}: set both "
                         "to the same batch, flatten a column with [:, 0], "
                         "turn one-hot rows into numbers with .argmax(axis=1)")
    if labels.dtype.kind not in "iu":
        raise ValueError("labels must be class numbers of integer type, got "
                         f"{labels.dtype}: convert with .astype(int)")
    last = scores.shape[1] - 1
    if labels.min() < 0 or labels.max() > last:
        raise ValueError(f"labels must be class numbers from 0 to {last}, got "
                         f"numbers from {labels.min()} to {labels.max()}")
