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

Operators build components too: h + y is Add(h, y); there are - * / @ ** and
h[:, 0] besides.  The batch size may change from one forward() to the next.

Letters in shapes: B examples in a batch, D numbers for each of them at the
input of a layer, H at its output, K classes; M and N where none of these is
meant.  In formulas x, w, b are values, y is the result, and dy is the gradient
of the mean of the loss with respect to y: an array of the shape of y.

The components beyond the first are in edf_catalogue.py, check_gradients and
debugging in edf_check.py, save and load in edf_saving.py: all are names of this
module like the others.  What only serves to refuse wrong use and to word the
errors (require, facts and their like) stands in the last section.
"""

import functools
import inspect
import linecache
import math
import numbers
import os
import sys

import numpy as np

# =============================================================================
# 1  The graph
# =============================================================================

components = []     # every component, in the order in which they were built
params = []         # the Params among them: what an optimiser updates

dtype = np.float32  # of every real number in the graph


def clear():
    """Start a new graph: empty both lists, in place."""
    components.clear()
    params.clear()


def forward():
    """Set the value of every component, in the order of the list.

    The inputs of a component stand before it: they had to exist to build it.
    Raises TypeError if the graph is empty.
    """
    require_graph()
    for component in components:
        component.forward()


def backward(loss):
    """Set grad, the gradient of the mean of loss.value, from Params to loss.

    In reverse order a component comes after all that use it, so by then its
    gradient is complete.  Of components that are not on the way from a Param to
    the loss, and of Inputs, grad stays None.  Call it right after forward().

    Raises TypeError if the loss is not in the graph, has no value yet, or does
    not depend on any Param, or if an Input or a Param was set since forward();
    ValueError if it is an empty array.
    """
    require_loss(loss)
    for component in components:
        component.grad = None
    loss.grad = as_real(np.full_like(loss.value, 1 / loss.value.size, dtype))
    for component in reversed(components):
        if component.grad is not None:
            component.backward()


# =============================================================================
# 2  The nodes
# =============================================================================

class Component:
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
    self.value there.  The arguments are attributes too, and f may keep more on
    self under other names.  Neither f nor a d-method changes its arguments in
    place: other components hold the same arrays.

    A component that does not fit this form overrides forward(self), which sets
    value to an array, and backward(self), which calls add_grad() of each of its
    inputs; f(self, ...) then only names them, for self.<input>.value.
    """

    value = None        # set by forward()
    grad = None         # set by backward(loss), of the shape of value
    needs_grad = False  # is it a Param, or does it depend on one?
    changed = False     # an Input or a Param: was it set since forward()?
    arguments = {}      # {name: argument of f}, inputs and options
    inputs = ()         # those of the arguments that are components
    slots = ()          # (name, input) for each argument, None for an option
    number = -1         # its place in components, once it is there
    built = None        # where: a path and a line
    name = None         # "Affine[3]": what components[3] is called
    statistics = ()     # which attributes save() keeps too

    def __init_subclass__(cls):
        cls.signature = inspect.signature(cls.f.__get__(0))     # without self
        if cls.__init__ is Component.__init__:
            cls.__signature__ = cls.signature           # for help()
        if cls.__module__ != __name__:
            guard(cls)

    def __init__(self, *args, **options):
        self.arguments = bind(self, args, options)
        self.number = len(components)
        self.name = label(self) if self.arguments else None
        for name, node in self.arguments.items():
            setattr(self, name, node)
            if isinstance(node, Component):
                self.inputs += (node,)
                node.name = node.name or f"{self.name}.{name}"
                if hasattr(self, "d" + name):
                    node.real_for = self.name           # an Input checks that
        self.slots = [(name, node if isinstance(node, Component) else None)
                      for name, node in self.arguments.items()]
        self.needs_grad = any(node.needs_grad for node in self.inputs)
        self.built = caller(self)
        components.append(self)

    def f(self, *xs):
        """Return y, computed from the values of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} does not define f")

    def values(self):
        """Return what f gets: the values of the inputs, and the options."""
        return [getattr(self, name) if node is None else node.value
                for name, node in self.slots]

    def forward(self):
        """Set value to f of the values of the inputs."""
        try:
            self.value = as_real(self.f(*self.values()))
        except Exception as error:
            explain(error, self, "f")
            raise

    def backward(self):
        """Add to the gradient of each input what its d-method returns.

        The method of an input that needs no gradient is never called.
        """
        values = self.values()
        for name, node in self.slots:
            if node is not None and node.needs_grad:
                try:
                    dx = derivative(self, name)
                    node.add_grad(dx(self.grad, *values))
                except Exception as error:
                    explain(error, self, "d" + name)
                    raise

    def add_grad(self, grad):
        """Add one contribution to the gradient with respect to value.

        The first is stored as it is, and the same array may be the gradient of
        another node too: so the next makes a new array, instead of +=.
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

    Floating-point numbers become `dtype`, without a copy if they are.  Integers
    (labels) stay: forward() refuses them where real numbers are meant.  Without
    a name it is called after its first use: "Affine[3].x".

    Raises ValueError for what is not numbers, and for an empty array.
    """

    real_for = None         # a component that needs real numbers from it
    _value = None

    def __init__(self, value=None, name=None):
        if value is not None:
            self.value = value
        super().__init__()
        self.name = name

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        array = np.asarray(value)
        require_numbers(array, "an Input")
        if array.dtype.kind == "f":
            array = array.astype(dtype, copy=False)
        self._value, self.changed = array, True

    def forward(self):
        """Check that there is a value, of the right kind."""
        if self.value is None:
            raise TypeError("an Input has no value: set .value before forward()"
                            "\n" + facts(self, "forward"))
        if self.real_for and self.value.dtype.kind != "f":
            raise ValueError(f"an Input holds integers, but {self.real_for} "
                             "takes real numbers: divide images by 255, or "
                             "convert with .astype(float) (or are these the "
                             "labels?)\n" + facts(self, "forward"))
        self.changed = False


class Param(Component):
    """A parameter: an array that is learned.  It holds a copy, as `dtype`.

    An optimiser changes that array in place: keep old values with .copy().
    Raises ValueError for what is not numbers, and if the shape would change.
    """

    def __init__(self, value, name=None):
        require_numbers(np.asarray(value), "a Param")
        self._value = np.array(value, dtype)    # before it is in the graph
        super().__init__()
        self.name, self.needs_grad = name, True
        params.append(self)

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        if value is not self._value:    # w.value -= ... assigns the same array
            require_numbers(np.asarray(value), "a Param")
            array = np.array(value, dtype)
            require(array.shape == self._value.shape, f"a Param of shape "
                    f"{self._value.shape} cannot take shape {array.shape}")
            self._value = array
        self.changed = True

    def forward(self):
        self.changed = False


# =============================================================================
# 3  The first functions
# =============================================================================

def as_matrix(x):
    """Return x as a matrix: (..., D) -> (B, D), with all other axes in one."""
    return x.reshape(-1, x.shape[-1])


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
        return as_matrix(dy).sum(axis=0)        # (B, H) -> (H,)


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

    Raises ValueError if a label is no class number, or its probability is above
    1 or has underflowed: clipped, the gradient would be of another function.
    """

    def f(self, p, labels):
        require_labels(labels, p)
        picked = p[np.arange(len(labels)), labels]          # (B, K) -> (B,)
        require((picked >= np.finfo(dtype).tiny).all(), "a right class has "
                "probability 0, nearly 0 or nan: use SoftmaxCrossEntropy")
        require((picked < 1.001).all(), "a probability is greater than 1: if "
                "these are scores use SoftmaxCrossEntropy")
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
# 4  Training
# =============================================================================

# for epoch in range(epochs):
#     for x.value, labels.value in edf.batches(images, classes, size=64):
#         edf.forward()
#         edf.backward(loss)
#         adam.lr = 0.001 * edf.cosine_decay(epoch, epochs)
#         adam.step()
#     x.value, labels.value = test_images, test_classes   # or zeros, if unknown
#     with edf.evaluating():
#         edf.forward()

training = True     # switched by evaluating(); read it as edf.training


class evaluating:
    """Let BatchNorm and Dropout act as after training, within a with statement:

        with edf.evaluating():
            edf.forward()
    """

    def __enter__(self):
        global training
        self.before, training = training, False

    def __exit__(self, *error):
        global training
        training = self.before


# edf.rng is the source of every random number.  It is made when it is first
# asked for, by way of the module: loading its part of NumPy takes 12 ms.

edf = sys.modules[__name__]


def __getattr__(name):
    """Make rng when it is first asked for.

    Python calls this for names that the module does not have (PEP 562).
    """
    if name != "rng":
        raise AttributeError(f"module 'edf' has no attribute {name!r}"
                             f"{advice(name)}")
    edf.rng = np.random.default_rng()
    return edf.rng


def seed(n):
    """Restart `rng` from the integer n, so that a run repeats bit for bit."""
    edf.rng.bit_generator.state = np.random.default_rng(n).bit_generator.state


# Starting values of a layer with fan_in inputs and fan_out outputs, from rng or
# from another generator.

def normal(fan_in, fan_out, sd=1.0, generator=None):
    """Return weights (fan_in, fan_out), normal with standard deviation sd."""
    return (generator or edf.rng).normal(0, sd, (fan_in, fan_out)).astype(dtype)


def xavier(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), uniform in +-sqrt(3 / fan_in).

    Their variance is 1 / fan_in: a sum of fan_in products then varies as much
    as one of its inputs.  The course TTIC 31230 calls it Xavier; for the rule
    of the paper by Xavier Glorot see glorot.
    """
    half_width = np.sqrt(3 / fan_in)
    w = (generator or edf.rng).uniform(-half_width, half_width, (fan_in, fan_out))
    return w.astype(dtype)


def glorot(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), normal.

    Their variance is 2 / (fan_in + fan_out), which keeps that of the values and
    that of the gradients about level from layer to layer.
    Source: Glorot and Bengio 2010, eq. 12.
    """
    return normal(fan_in, fan_out, np.sqrt(2 / (fan_in + fan_out)), generator)


def he(fan_in, fan_out, generator=None):
    """Return weights (fan_in, fan_out), normal.

    Their variance is 2 / fan_in: for ReLU, which halves the mean square of a
    symmetric input.  Source: He et al. 2015, eq. 10.
    """
    return normal(fan_in, fan_out, np.sqrt(2 / fan_in), generator)


class Optimiser:
    """What all optimisers share: step() moves all in params, w <- w - lr d.

    A subclass gives the direction d.  lr, the learning rate, may be changed
    between steps.  weight_decay w is added to the gradient, as if the loss had
    a term weight_decay |w|^2 / 2.  Raises TypeError for a list of Params.
    """

    decay_apart = False     # True for AdamW: w shrinks apart from the gradient

    def __new__(cls, *args, **options):
        if args and isinstance(args[0], (list, Component)):
            raise TypeError("an optimiser moves all in edf.params: it takes no "
                            f"list of them, write {cls.__name__}(lr=0.1)")
        return super().__new__(cls)

    def __init__(self, lr, weight_decay=0):
        self.lr, self.weight_decay = lr, weight_decay
        self.memory = {}                # {Param: {name: array or number}}

    def step(self):
        """Move every Param that has a gradient; TypeError if none has one."""
        for param in learned():
            grad, value = param.grad, param.value
            if self.weight_decay and not self.decay_apart:
                grad = grad + self.weight_decay * value
            d = self.direction(grad, self.memory.setdefault(param, {}))
            if self.decay_apart:
                d = d + self.weight_decay * value
            value -= self.lr * d            # in place, and all of it at once
            param.changed = True

    def direction(self, grad, kept):
        """Return d for this gradient; `kept` is a dict for the next steps."""
        raise NotImplementedError(f"{type(self).__name__} defines no direction")


class SGD(Optimiser):
    """Stochastic gradient descent: d = m, m <- momentum m + grad.

    Without momentum d = grad; with nesterov d = grad + momentum m, which
    raises ValueError without momentum.  Source: Sutskever et al. 2013.
    """

    def __init__(self, lr, momentum=0, nesterov=False, weight_decay=0):
        require(momentum or not nesterov, "nesterov needs a momentum, such as "
                "0.9")
        super().__init__(lr, weight_decay)
        self.momentum, self.nesterov = momentum, nesterov

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
        super().__init__(lr, weight_decay)
        self.eps = eps

    def direction(self, grad, kept):
        v = kept["v"] = kept.get("v", 0) + grad ** 2
        return grad / (np.sqrt(v) + self.eps)


class RMSProp(Optimiser):
    """Steps of like size for all numbers: d = grad / (sqrt(v) + eps).

    v <- alpha v + (1 - alpha) grad^2, the running mean of grad^2.
    Source: Tieleman and Hinton 2012, lecture 6.5.
    """

    def __init__(self, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0):
        super().__init__(lr, weight_decay)
        self.alpha, self.eps = alpha, eps

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
        super().__init__(lr, weight_decay)
        self.betas, self.eps = betas, eps

    def direction(self, grad, kept):
        beta1, beta2 = self.betas
        t = kept["t"] = kept.get("t", 0) + 1
        m = kept["m"] = beta1 * kept.get("m", 0) + (1 - beta1) * grad
        v = kept["v"] = beta2 * kept.get("v", 0) + (1 - beta2) * grad ** 2
        sd = np.sqrt(v / (1 - beta2 ** t))
        return m / (1 - beta1 ** t) / (sd + self.eps)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient.

    w <- w - lr (d + weight_decay w), with the direction d of Adam.
    Source: Loshchilov and Hutter 2019, algorithm 2.
    """

    decay_apart = True

    def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-8,
                 weight_decay=0.01):
        super().__init__(lr, betas, eps, weight_decay)


def clip_gradients(max_norm):
    """Scale all gradients of Params down to a joint norm of at most max_norm.

    Returns the norm before: the root of the sum of the squares of all entries.
    Raises TypeError if no Param has a gradient, ValueError if the norm is not
    finite, or max_norm not positive.
    """
    require(max_norm > 0, f"max_norm must be greater than 0, got {max_norm}")
    squares = [np.square(param.grad, dtype=float).sum() for param in learned()]
    norm = math.sqrt(sum(squares))
    require(math.isfinite(norm), f"the norm of the gradients is {norm}")
    if norm > max_norm:
        for param in learned():
            param.grad = param.grad * (max_norm / norm)
    return norm


def learned():
    """Return the Params that have a gradient; TypeError if none has one."""
    found = [param for param in params if param.grad is not None]
    if not found:
        raise TypeError("no Param has a gradient: call backward first")
    return found


# Schedules: factors of the first learning rate, for step or epoch 0, 1, 2, ...
# They raise ValueError if the number of steps is not positive.

def step_decay(step, every, factor=0.1):
    """Return factor^(step // every): a drop after so many steps."""
    require(every > 0, f"every must be greater than 0, got {every}")
    return factor ** (step // every)


def cosine_decay(step, steps):
    """Return (1 + cos(pi step / steps)) / 2: from 1 to 0, and then 0."""
    require(steps > 0, f"steps must be greater than 0, got {steps}")
    return 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))


def warmup(step, steps):
    """Return (step + 1) / steps, at most 1: a rise over so many steps."""
    require(steps > 0, f"steps must be greater than 0, got {steps}")
    return min((step + 1) / steps, 1)


def batches(*arrays, size, shuffle=False):
    """Yield tuples of `size` rows of each array; the last may be smaller.

    With shuffle, they come in a random order, a new one for every call; row i
    of one array stays with row i of the others.  Loop with `for x.value,
    labels.value in batches(...)`: x in place of x.value would be a new name.

    Raises ValueError if the arrays differ in length, or size is less than 1.
    """
    lengths = [len(array) for array in arrays]
    require(len(set(lengths)) == 1, f"arrays differ in length: {lengths}")
    require(size >= 1, f"a batch needs at least one row, got size {size}")
    rows = lengths[0]
    if shuffle:
        order = edf.rng.permutation(rows)
    for start in range(0, rows, size):
        part = slice(start, start + size)
        if shuffle:
            part = order[part]
        yield tuple(array[part] for array in arrays)


# =============================================================================
# 5  Errors: nothing here is needed to understand the rest
# =============================================================================

def require(condition, rule):
    """Raise ValueError(rule) unless the condition holds."""
    if not condition:
        raise ValueError(rule)


def bind(component, args, options):
    """Return {name: argument} in the order of f; those of *xs are x0, x1, ...

    Raises TypeError if f would not take them, if an input is no component of
    this graph (nor a number, as an operand), or if an option is one.
    """
    kind, parameters = type(component), type(component).signature.parameters
    for name in parameters:
        if hasattr(Component, name):
            raise TypeError(f"{kind.__name__}: an input needs another name "
                            f"than {name}, which every component has")
    try:
        call = kind.signature.bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"{kind.__name__}{kind.signature}: {error}") from None
    call.apply_defaults()
    given = {}
    for name, argument in call.arguments.items():
        if parameters[name].kind is parameters[name].VAR_POSITIONAL:
            given |= {f"x{i}": node for i, node in enumerate(argument)}
        else:
            given[name] = argument
    some_node = any(isinstance(node, Component) for node in given.values())
    optional = [n for n, p in parameters.items() if p.default is not p.empty]
    for name, argument in given.items():
        role = f"{name} of {kind.__name__}"
        among_xs = name not in parameters
        number = isinstance(argument, numbers.Real) and some_node
        if (isinstance(argument, (Component, np.ndarray)) or among_xs
                or hasattr(kind, "d" + name) and not number):
            require_member(argument, role)
            if name in optional:
                raise TypeError(f"{role} is an option: it takes no component")
    return given


def require_member(node, role):
    """Raise TypeError unless node is a component of the current graph."""
    if not isinstance(node, Component):
        raise TypeError(f"{role} must be a component, not of type "
                        f"{type(node).__name__}: if it is the value of a "
                        "component pass that, else wrap it: edf.Param(array) "
                        "if it is learned, edf.Input(array) if it is data")
    if components[node.number:node.number + 1] != [node]:
        raise TypeError(f"{role} was built before clear() and belongs to the "
                        f"graph of that time: build {node} again")


def require_graph():
    """Raise TypeError if there is no component."""
    if not components:
        raise TypeError("the graph is empty: build it again after clear()")


def require_loss(loss):
    """Raise TypeError unless backward(loss) can differentiate what it holds."""
    require_member(loss, "the loss")
    if loss.value is None:
        raise TypeError(f"{loss} has no value yet: call forward() first")
    if not loss.value.size:
        raise ValueError(f"{loss} is an empty array, which has no mean")
    if not loss.needs_grad:
        raise TypeError(f"{loss} depends on no Param: make a Param of what you "
                        "want the gradient of")
    changed = [component for component in components if component.changed]
    needed = ancestors(loss) if changed else ()
    for component in changed:
        if component in needed:
            raise TypeError(f"{component} has changed since the last forward() "
                            "that succeeded: call forward() again before "
                            "backward(loss)")


def ancestors(node):
    """Return the set of all components that it depends on, and itself."""
    found = {node}
    for component in reversed(components[:node.number + 1]):
        if component in found:
            found.update(component.inputs)
    return found


def require_numbers(array, owner):
    """Raise ValueError unless an array holds numbers, and at least one."""
    hint = ""
    if array.dtype.kind not in "fiu":
        hint = (": convert with .astype(float) (a mask may also be a key, "
                "x[mask])")
    if hint or array.size == 0:
        raise ValueError(f"{owner} takes numbers, and at least one{hint}; got "
                         f"{array.dtype} of shape {array.shape}")


def require_labels(labels, scores):
    """Raise ValueError unless labels (B,) are in 0..K-1 for scores (B, K)."""
    if np.ndim(scores) != 2 or np.shape(labels) != scores.shape[:1]:
        raise ValueError("labels must be one class number for each row of "
                         f"{np.shape(scores)}, got shape {np.shape(labels)}: "
                         "set both to the same batch, flatten a column by "
                         "[:, 0], or one-hot rows by .argmax(axis=1)")
    require_index(labels, scores.shape[1], "labels must be class numbers")


def require_index(index, count, rule):
    """Raise ValueError unless all of an array are integers in 0..count-1."""
    index = np.asarray(index)
    if index.dtype.kind not in "iu":
        raise ValueError(f"{rule} of integer type, got {index.dtype}: convert "
                         "with .astype(int)")
    if index.min() < 0 or index.max() >= count:
        raise ValueError(f"{rule} from 0 to {count - 1}, got numbers from "
                         f"{index.min()} to {index.max()}")


def as_real(result):
    """Return the result of a formula as `dtype`: a constant may be float64."""
    array = np.asarray(result, dtype)       # it itself, if it is of this type
    if array is not result and np.asarray(result).dtype.kind not in "fiub":
        got = ("None: is its return missing?" if result is None else
               f"{np.asarray(result).dtype}, not real numbers")
        raise TypeError(f"the formula returned {got}")
    return array


def derivative(component, name):
    """Return the method d<name>, or raise NotImplementedError without one."""
    method = getattr(component, "d" + name, None)
    if method is None:
        raise NotImplementedError(f"{type(component).__name__} has to define "
                                  f"d{name}, because {name} depends on a Param")
    return method


def guard(kind):
    """Hold a component's own methods to what they have to do.

    __init__ must not keep components that are inputs of none, forward set value
    to an array, backward leave no input that needs a gradient without one; and
    errors in these two say where, as errors in formulas.
    """
    def build(self, *args, **options):
        init(self, *args, **options)
        if type(self).__init__ is build:        # it is the last of those called
            if self.number < 0:
                raise TypeError(f"__init__ of {kind.__name__} must call "
                                "super().__init__")
            used = set(self.inputs)
            for name, node in vars(self).items():
                if not isinstance(node, Component) or node in used:
                    continue
                if not any(node in c.inputs for c in components[node.number:]):
                    del components[self.number:]
                    raise TypeError(f"{name} of {kind.__name__} is no input of "
                                    f"it: pass {name} to super().__init__")

    def guarded(method):
        @functools.wraps(method)
        def run(self, *args, **options):
            try:
                method(self, *args, **options)
                if method.__name__ == "forward":
                    if self.value is None:
                        raise TypeError("forward set no value")
                    if np.asarray(self.value).dtype.kind not in "biu":
                        self.value = as_real(self.value)
                    self.changed = False    # a kind of Input may set its own
                elif any(x.needs_grad and x.grad is None for x in self.inputs):
                    raise TypeError("no gradient was added to an input: call "
                                    "its add_grad (or set self.needs_grad = "
                                    "False in __init__, if none is to pass)")
            except Exception as error:
                if not hasattr(error, "__notes__"):
                    explain(error, self, method.__name__)
                raise
        return run

    for name in {"forward", "backward"} & vars(kind).keys():
        setattr(kind, name, guarded(vars(kind)[name]))
    if init := vars(kind).get("__init__"):
        kind.__init__ = functools.wraps(init)(build)


def no_number(component, *others):
    """Raise TypeError: Python asks for a number in place of a component."""
    raise TypeError(f"{component} is a component, not a number: use its .value")


# Names of other frameworks, and what there is in EDF.
ELSEWHERE = {
    "parameters": "edf.params is the list of all Params",
    **dict.fromkeys(["nn", "Linear", "Dense"], "edf.Affine(x, w, b)"),
    **dict.fromkeys(["CrossEntropyLoss", "cross_entropy"],
                    "edf.SoftmaxCrossEntropy(scores, labels)"),
    **dict.fromkeys(["MSELoss", "mse_loss"], "edf.SquaredError(x, targets)"),
    **dict.fromkeys(["no_grad", "eval"], "with edf.evaluating():"),
    **dict.fromkeys(["draw", "summary"],
                    "import edf_view, edf_view.draw(loss)"),
    "profile": "import edf_profile, edf_profile.profile(loss)",
    "optim": "edf.SGD(lr), edf.Adam() and others",
}


def advice(name):
    """Return ": " and what there is in EDF for a name of others, or ""."""
    return f": {ELSEWHERE[name]}" if name in ELSEWHERE else ""


Component.__lt__ = Component.__le__ = Component.__gt__ = no_number
Component.__ge__ = Component.__bool__ = Component.__float__ = no_number
Component.__int__ = Component.__len__ = Component.__setitem__ = no_number


def label(component):
    """Return its name, or "Affine[3]" for the Affine that is components[3]."""
    return component.name or f"{type(component).__name__}[{component.number}]"


def describe(component):
    """Return "Param w1 (4, 2)", or "Affine(x (3, 4), w (4, 2), b (2,))"."""
    def show(node):
        return "(no value yet)" if node.value is None else np.shape(node.value)

    kind = type(component).__name__
    if not component.arguments:
        name = f"{component.name} " if component.name else ""
        return f"{kind} {name}{show(component)}"
    shown = [f"{name} {show(node)}" if isinstance(node, Component)
             else f"{name} {getattr(component, name)!r}"
             for name, node in component.arguments.items()]
    return f"{kind}({', '.join(shown)})"


def explain(error, component, method):
    """Add to an error where it arose; after one in forward() old values remain.

    So backward(loss) is refused until a forward() has succeeded.
    """
    error.add_note(facts(component, method))
    if method in ("f", "forward"):
        for node in components[:component.number]:
            node.changed = node.changed or not node.inputs


def facts(component, method):
    """Say which method of which component failed, why, and where it stands."""
    path, line = component.built
    file = "a cell" if "ipykernel" in path else os.path.basename(path)
    source = linecache.getline(path, line).strip()
    return (f"in {method} of {component}\n{reason(component, method)}"
            f"built at line {line} of {file}: {source}")


def caller(component):
    """Return the path and the line of the code that is building a component."""
    frame = sys._getframe(1)
    while (frame.f_globals.get("__name__") in ("edf", "edf_catalogue")
           or frame.f_code.co_name == "__init__"        # is it its own?
           and frame.f_locals.get("self") is component):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


# These are written with the names above, and add their own to them.  They are
# read again with this file, or their classes would derive from the Component of
# before a reload.
sys.modules.pop("edf_catalogue", None)
sys.modules.pop("edf_check", None)
sys.modules.pop("edf_saving", None)
from edf_catalogue import *  # noqa: E402, F403
from edf_check import check_gradients, debugging, reason  # noqa: E402, F401
from edf_saving import load, save  # noqa: E402, F401
