"""The workloads, and one adapter for each framework that runs them.

An adapter is a function that gets a Task and returns step(), which makes one training step,
gradients(), which returns those of the first batch in the order and the shapes of task.start, and
parameters().  It imports its framework within, converts the inputs once, and raises Unfit with
the reason if the framework cannot do the task.  To add one, write it and name it in PEERS.

work() at the end is the loop of a worker process: one framework, which waits at a pipe.
"""
import importlib.metadata
import os
import sys
import time
import traceback
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

sys.path.insert(0, os.path.dirname(__file__) + "/..")
import edf  # noqa: E402

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8    # of Adam, everywhere


class Unfit(Exception):
    """The framework cannot do the task: the message says why."""


def need(condition, reason):
    """Raise Unfit(reason) unless the condition holds."""
    if not condition:
        raise Unfit(reason)


def weights(rng, *shape):
    """Return starting values, (D, H) or kernels (O, C, kh, kw): normal, of variance 2 / fan-in."""
    fan_in = shape[0] if len(shape) == 2 else np.prod(shape[1:])
    return rng.normal(0, np.sqrt(2 / fan_in), shape)


# The starting values of each kind of layer that has parameters, from the first of its numbers.
STARTS = {
    "affine": lambda rng, d, h: [weights(rng, d, h), np.zeros(h)],
    "conv": lambda rng, c, o, size: [weights(rng, o, c, size, size), np.zeros(o)],
    "kernels": lambda rng, c, o, size: [weights(rng, o, c, size, size)],    # the same, no bias
    "batchnorm": lambda rng, c: [np.ones(c), np.zeros(c)],
    "layernorm": lambda rng, d: [np.ones(d), np.zeros(d)],
    "embedding": lambda rng, n, d: [weights(rng, n, d)],
    "lstm": lambda rng, d, h: [
        weights(rng, d, 4 * h), weights(rng, h, 4 * h), np.zeros(4 * h)],
    "gpt": lambda rng, n, t, d: [
        weights(rng, n, d), weights(rng, t, d),                 # of symbols, and of places
        np.ones(d), np.zeros(d), *(weights(rng, d, d) for _ in "qkvo"),
        np.ones(d), np.zeros(d), weights(rng, d, 4 * d), np.zeros(4 * d),
        weights(rng, 4 * d, d), np.zeros(d),
        np.ones(d), np.zeros(d), weights(rng, d, n), np.zeros(n)]}


@dataclass(frozen=True)
class Task:
    """One training step: layers, the shape of a batch, and the optimiser.

    Layers are a kind and numbers: ("affine", D, H), ("conv", C, O, size, stride, padding), ("pool",
    size), ("flatten", D), ("power", exponent), ("gpt", N, T, D, heads), ("lstm", D, H), and so on.
    Without an optimiser one component is differentiated, for random dy, and nothing is updated.
    With dx, the derivative with respect to the batch is asked for too.
    """

    name: str
    text: str
    shape: tuple
    layers: tuple
    optimiser: str = "sgd"
    dx: bool = False

    @property
    def lr(self):
        return 0.1 if self.optimiser == "sgd" else 0.001

    @cached_property
    def data(self):
        """The batch and labels: images of which one pixel in five is not 0, as in MNIST, or rows.

        Rows of numbers, for an embedding and a GPT, have as labels the numbers that come next.
        """
        rng = np.random.default_rng(1)
        kind, *numbers = self.layers[0]
        if kind in ("embedding", "gpt"):
            rows = rng.integers(0, numbers[0], (self.shape[0], self.shape[1] + 1))
            return rows[:, :-1], rows[:, 1:].reshape(-1)
        if self.optimiser is None or kind == "lstm":
            x = rng.normal(size=self.shape)
        else:
            x = rng.random(self.shape) * (rng.random(self.shape) < 0.2)
        return x.astype(np.float32), rng.integers(0, 10, self.shape[0])

    @cached_property
    def start(self):
        """Starting values, the same in every framework, in the order of the layers."""
        return [value for kind, values, options in self.started for value in values]

    @cached_property
    def started(self):
        """Every layer as its kind, its starting values, and its options."""
        rng, layers = np.random.default_rng(2), []
        for kind, *numbers in self.layers:
            values, used = [], 0
            if kind in STARTS:
                used = STARTS[kind].__code__.co_argcount - 1
                values = [a.astype(np.float32) for a in STARTS[kind](rng, *numbers[:used])]
            layers.append((kind, values, numbers[used:]))
        return layers

    def upstream(self, shape):
        """Return dy, where there is no loss."""
        return np.random.default_rng(3).normal(size=shape).astype(np.float32)

    @property
    def perceptron(self):
        return {kind for kind, *numbers in self.layers} <= {"affine", "relu", "sigmoid"}


def mlp(*widths, activation):
    """Return the layers of a perceptron."""
    pairs = list(zip(widths, widths[1:]))
    return tuple(layer for pair in pairs for layer in (("affine", *pair), (activation,)))[:-1]


def block(channels, filters):
    """Return the layers of a convolution 3x3, BatchNorm, ReLU, and pooling to half the size."""
    return (("kernels", channels, filters, 3, 1, 1), ("batchnorm", filters), ("relu",), ("pool", 2))


CNN = (("conv", 1, 8, 3, 2, 1), ("relu",), ("conv", 8, 16, 3, 2, 1), ("relu",), ("flatten", 784),
       ("affine", 784, 10))
LENET = (("conv", 3, 6, 5, 1, 0), ("relu",), ("pool", 2), ("conv", 6, 16, 5, 1, 0), ("relu",),
         ("pool", 2), ("flatten", 400), *mlp(400, 120, 84, 10, activation="relu"))
W2 = mlp(784, 128, 10, activation="relu")
GPT = (("gpt", 27, 16, 16, 4),)
ELEMENTWISE = {
    "x ** 2": (1000, 1000, ("power", 2)), "x ** 3": (1000, 1000, ("power", 3)),
    "GELU": (1000, 1000, ("gelu",)), "Softplus": (1000, 1000, ("softplus",)),
    "ELU": (1000, 1000, ("elu",)), "LayerNorm": (1000, 1000, ("layernorm", 1000)),
    "Softmax": (100, 10000, ("softmax",)), "Embedding": (250, 64, ("embedding", 1000, 64))}
TASKS = {task.name: task for task in [
    Task("W1", "784-64-10, sigmoid, batch 64, SGD", (64, 784),
         mlp(784, 64, 10, activation="sigmoid")),
    Task("W2", "784-128-10, ReLU, batch 128, SGD", (128, 784), W2),
    Task("W3", "784-3136-10, sigmoid, batch 128, SGD", (128, 784),
         mlp(784, 3136, 10, activation="sigmoid")),
    Task("W4", "784, ten layers of 64, 10, ReLU, batch 64, SGD", (64, 784),
         mlp(784, *[64] * 10, 10, activation="relu")),
    Task("W5", "784-128-10, ReLU, batch 128, Adam", (128, 784), W2, "adam"),
    Task("W6", "convolutions 1-8-16 (3x3, stride 2, padding 1), ReLU, affine 784-10, batch 64, "
         "SGD", (64, 1, 28, 28), CNN),
    Task("LeNet", "convolutions 3-6-16 (5x5) with ReLU and pooling, 400-120-84-10, on 3x32x32, "
         "batch 16, Adam", (16, 3, 32, 32), LENET, "adam"),
    Task("BN", "convolutions 3-32-64-128 (3x3), each with BatchNorm, ReLU and pooling, affine "
         "2048-10, on 3x32x32, batch 64, Adam", (64, 3, 32, 32),
         (*block(3, 32), *block(32, 64), *block(64, 128), ("flatten", 2048), ("affine", 2048, 10)),
         "adam"),
    Task("GPT", "GPT of one layer, 16 wide, 4 heads, 16 symbols of 27, batch 1, Adam", (1, 16), GPT,
         "adam"),
    Task("GPT32", "the same, batch 32", (32, 16), GPT, "adam"),
    Task("LSTM", "LSTM of 64 units, 32 steps of 64 numbers, affine 64-10, batch 32, Adam",
         (32, 32, 64), (("lstm", 64, 64), ("affine", 64, 10)), "adam"),
    Task("C1", "convolution 3-64, 3x3, padding 1, of 64 images of 32x32; no dx",
         (64, 3, 32, 32), (("conv", 3, 64, 3, 1, 1),), None),
    Task("C2", "convolution 64-64, 3x3, padding 1, of 64 images of 32x32",
         (64, 64, 32, 32), (("conv", 64, 64, 3, 1, 1),), None, dx=True),
    Task("P1", "max-pooling 2x2 of 64 images of 32x32, 64 channels",
         (64, 64, 32, 32), (("pool", 2),), None, dx=True),
    *(Task(name, f"{name} of {b} x {d} numbers", (b, d), (layer,), None, dx=name != "Embedding")
      for name, (b, d, layer) in ELEMENTWISE.items()),
]}
ALIKE = {"W1", "W2", "W3", "W4", "W5", "W6"}        # what every adapter knows


def network(task, x, params, ops):
    """Return what the layers make of x; ops holds a function for each kind of layer.

    It is called with x, the parameters of the layer, and its options.
    """
    params = iter(params)
    for kind, values, options in task.started:
        x = ops[kind](x, *(next(params) for _ in values), *options)
    return x


def gpt(ops, symbols, *params):
    """Return the scores (B T, N) of a GPT for symbols (B, T): operators are the same everywhere.

    Between its two blocks, a row is one place of one example.
    """
    *params, heads = params
    table, places, g1, b1, wq, wk, wv, wo, g2, b2, w1, c1, w2, c2, g3, b3, w3, c3 = params
    t, d = getattr(places, "value", places).shape

    def split(z):       # (B T, D) -> (B, heads, T, D / heads)
        return ops["transpose"](ops["reshape"](z, (-1, t, heads, d // heads)), (0, 2, 1, 3))

    x = ops["reshape"](ops["embedding"](symbols, table) + places, (-1, d))
    z = ops["layernorm"](x, g1, b1)
    y = ops["attention"](split(z @ wq), split(z @ wk), split(z @ wv), t, d // heads)
    x = x + ops["reshape"](ops["transpose"](y, (0, 2, 1, 3)), (-1, d)) @ wo
    z = ops["layernorm"](x, g2, b2)
    x = x + ops["affine"](ops["relu"](ops["affine"](z, w1, c1)), w2, c2)
    return ops["affine"](ops["layernorm"](x, g3, b3), w3, c3)


def plain_update(task, params):
    """Return update(grads): SGD or Adam in NumPy, in place, for peers that have no optimiser."""
    m, v, t = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params], [0]

    def update(grads):
        t[0] += 1
        for i, (p, grad) in enumerate(zip(params, grads)):
            if task.optimiser == "adam":
                m[i] = BETA1 * m[i] + (1 - BETA1) * grad
                v[i] = BETA2 * v[i] + (1 - BETA2) * grad ** 2
                grad = m[i] / (1 - BETA1 ** t[0]) / (np.sqrt(v[i] / (1 - BETA2 ** t[0])) + EPS)
            p -= task.lr * grad

    return update


# The adapters.

def edf_graph(task):
    """Build a task; return its batch (a Param or an Input), Params, loss, labels, and optimiser."""
    edf.clear()
    x = (edf.Param if task.dx else edf.Input)(task.data[0])
    params = [edf.Param(p) for p in task.start]
    y = network(task, x, params, edf_functions())
    if task.optimiser:
        labels = edf.Input(task.data[1])
        optimiser = {"sgd": edf.SGD, "adam": edf.Adam}[task.optimiser](task.lr)
        return x, params, edf.SoftmaxCrossEntropy(y, labels), labels, optimiser
    edf.forward()
    given = np.empty_like(y.value)          # in memory like y, as that of a network would be
    given[...] = task.upstream(y.value.shape)

    class Loss(edf.Component):
        """One number, of which only the derivative matters: it is the dy of the task."""

        def f(self, y):
            return y.reshape(-1)[:1]

        def dy(self, dy, y):
            return given

    return x, params, Loss(y), None, None


def with_edf(task):
    x, params, loss, labels, optimiser = edf_graph(task)

    def gradients():
        if task.optimiser:
            x.value, labels.value = task.data       # as a training loop does
        edf.forward()
        edf.backward(loss)
        return [p.grad for p in params + [x] * task.dx]

    def step():
        gradients()
        if task.optimiser:
            optimiser.step()

    return step, gradients, lambda: [p.value for p in params]


def edf_functions():
    """Return what network calls, made of EDF's components."""
    def kernels(x, w, *numbers):
        return edf.Conv2d(x, w, edf.Input(np.zeros(len(w.value))), *numbers)

    def attention(q, k, v, t, d):
        later = edf.Input(np.triu(np.full((t, t), -1e9), 1))
        return edf.Softmax((q * d ** -0.5) @ edf.Transpose(k, (0, 1, 3, 2)) + later) @ v

    def lstm(x, wx, wh, b):
        (examples, steps, _), n = x.value.shape, len(wh.value)
        h = c = edf.Input(np.zeros((examples, n)))
        for t in range(steps):
            z = edf.Affine(x[:, t], wx, b) + h @ wh
            i, f, g, o = (z[:, k:k + n] for k in range(0, 4 * n, n))
            c = edf.Sigmoid(f) * c + edf.Sigmoid(i) * edf.Tanh(g)
            h = edf.Sigmoid(o) * edf.Tanh(c)
        return h

    ops = {
        "affine": edf.Affine, "conv": edf.Conv2d, "pool": edf.MaxPool2d, "relu": edf.ReLU,
        "sigmoid": edf.Sigmoid, "flatten": lambda x, d: edf.Reshape(x, (-1, d)),
        "kernels": kernels, "batchnorm": edf.BatchNorm, "layernorm": edf.LayerNorm,
        "embedding": lambda index, w: edf.Embedding(w, index), "power": edf.Power,
        "gelu": edf.GELU, "softplus": edf.Softplus, "elu": edf.ELU, "softmax": edf.Softmax,
        "reshape": edf.Reshape, "transpose": edf.Transpose, "attention": attention, "lstm": lstm}
    return {**ops, "gpt": partial(gpt, ops)}


def with_floor(task):
    """The matrix products of the step alone, in NumPy, into kept arrays.

    For a convolution: of its windows with its kernels.  They can be laid out in three ways, of
    which the fastest counts, for each product.
    """
    rng = np.random.default_rng(1)
    examples, side, products = task.shape[0], task.shape[-1], []

    def rows(n, d, h):
        """Return the factors of x w, x^T dy and dy w^T for x (n, d) and w (d, h)."""
        x, w, dy = (rng.random(shape, np.float32) for shape in ((n, d), (d, h), (n, h)))
        return [(x, w), (x.T, dy), (dy, w.T)]

    def columns(d, h, *n):
        """Return the factors of the same, transposed: of one matrix each, or of a stack."""
        w, x, dy = (rng.random(shape, np.float32)
                    for shape in ((h, d), (*n[:-1], d, n[-1]), (*n[:-1], h, n[-1])))
        return [(w, x), (dy, x.swapaxes(-1, -2)), (w.T, dy)]

    need(task.name in ALIKE or task.name[0] == "C", "it is written for W1 to W6, C1 and C2")
    for kind, *numbers in task.layers:
        if kind == "affine":
            ways = [rows(examples, *numbers)]
        elif kind == "conv":
            channels, h, size, stride, padding = numbers
            side = (side + 2 * padding - size) // stride + 1
            d, places = channels * size ** 2, side ** 2
            ways = [rows(examples * places, d, h), columns(d, h, examples * places),
                    columns(d, h, examples, places)]
        else:
            continue
        ways = [[partial(np.matmul, a, b, out=a @ b) for a, b in way] for way in ways]
        fastest = [min(forms, key=quickest) for forms in zip(*ways)]
        products += fastest if products or task.dx else fastest[:2]
    def step():
        for multiply in products:
            multiply()

    return step, None, None


def with_hand(task):
    """Straight lines of NumPy, without a framework: see by_hand.py.

    A perceptron is written with examples as rows and as columns, of which the faster counts.
    """
    import by_hand as hand
    need(task.name in ALIKE, "it is written for W1 to W6")
    x, labels = task.data
    start = [p.reshape(len(p), -1).T if p.ndim == 4 else p for p in task.start]
    factor = -task.lr if task.optimiser == "sgd" else 1
    activation = "sigmoid" if ("sigmoid",) in task.layers else "relu"

    def write(program):
        p, g, layers, grads = hand.together(start)
        lines = program(x, labels, layers, grads, factor)
        update, begin = hand.update_lines(task.optimiser, task.lr, BETA1, BETA2, EPS, p, g)

        def gradients():
            run(lines)
            return original(hand.apart(grads, 1 / factor))

        def step():
            run(lines)
            begin()
            run(update)

        return step, gradients, lambda: original(hand.apart(layers))

    def run(lines):
        for function, *arguments in lines:
            function(*arguments)

    def original(arrays):
        return [a.T.reshape(p.shape) if p.ndim == 4 else a for a, p in zip(arrays, task.start)]

    np.seterr(over="ignore")            # of exp(-x) in sigmoid: 1 / infinity is right
    ways = [hand.two_convolutions] if task.layers == CNN else [
        partial(way, activation=activation)
        for way in (hand.perceptron_by_rows, hand.perceptron_by_columns)]
    return write(min(ways, key=lambda way: quickest(write(way)[0])))


def with_torch(task):
    """Eager; weights (H, D) of an affine layer as in torch.nn.Linear; an LSTM is torch.nn.LSTM."""
    import torch
    from torch.nn import functional as F
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    x, labels = map(torch.from_numpy, task.data)
    x.requires_grad_(task.dx)
    turned = any(kind == "affine" for kind, *numbers in task.layers)
    params = [torch.from_numpy((p.T if turned and p.ndim == 2 else p).copy()).requires_grad_()
              for p in task.start]

    def lstm(x, wx, wh, b):
        return cell(x)[1][0][0]         # the last h

    if task.layers[0][0] == "lstm":
        cell = torch.nn.LSTM(*task.layers[0][1:], batch_first=True)
        params[:3] = map(torch.nn.Parameter, params[:3])
        cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0 = params[:3]
        torch.nn.init.zeros_(cell.bias_hh_l0).requires_grad_(False)     # it has two: b is one

    ops = {"affine": F.linear, "conv": F.conv2d, "pool": F.max_pool2d, "relu": F.relu,
           "sigmoid": torch.sigmoid, "flatten": lambda x, d: x.flatten(1), "lstm": lstm,
           "kernels": lambda x, w, *numbers: F.conv2d(x, w, None, *numbers),
           "batchnorm": lambda x, gamma, beta: F.batch_norm(
               x, torch.zeros_like(beta), torch.ones_like(beta), gamma, beta, training=True),
           "layernorm": lambda x, gamma, beta: F.layer_norm(x, gamma.shape, gamma, beta),
           "embedding": F.embedding, "power": torch.pow, "gelu": F.gelu, "softplus": F.softplus,
           "elu": F.elu, "softmax": lambda x: F.softmax(x, -1)}
    ops["gpt"] = partial(gpt, {
        **ops, "affine": lambda x, w, b: torch.addmm(b, x, w), "reshape": torch.reshape,
        "transpose": torch.permute,
        "attention": lambda q, k, v, t, d: F.scaled_dot_product_attention(q, k, v, is_causal=True)})
    if task.optimiser:
        optimiser = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[task.optimiser](
            params, lr=task.lr)
    else:
        with torch.no_grad():
            dy = torch.from_numpy(task.upstream(network(task, x, params, ops).shape))

    def backward():
        for p in params + [x]:
            p.grad = None
        y = network(task, x, params, ops)
        if task.optimiser:
            F.cross_entropy(y, labels).backward()
        else:
            y.backward(dy)

    def gradients():
        backward()
        return numpy([p.grad for p in params + [x] * task.dx])

    def step():
        backward()
        if task.optimiser:
            optimiser.step()

    def numpy(tensors):
        arrays = [t.detach().numpy() for t in tensors]
        return [a.T if turned and a.ndim == 2 else a for a in arrays]

    return step, gradients, lambda: numpy(params)


def with_jax(task):
    """Loss, gradients and update in one compiled function, which may overwrite its arguments.

    Every step waits for its result: computing it while Python is ahead takes a second core.
    """
    need(task.optimiser, "its adapter has whole networks only")
    import jax
    from jax import lax
    from jax import numpy as jnp
    x, labels = map(jnp.asarray, task.data)

    def kernels(x, w, stride, padding):
        around = [(padding, padding)] * 2
        return lax.conv_general_dilated(x, w, (stride, stride), around)

    def standardize(x, axes):
        return (x - x.mean(axes, keepdims=True)) / jnp.sqrt(x.var(axes, keepdims=True) + 1e-5)

    def attention(q, k, v, t, d):
        scores = q @ k.transpose(0, 1, 3, 2) * d ** -0.5
        return jax.nn.softmax(jnp.where(np.tri(t, dtype=bool), scores, -jnp.inf)) @ v

    def lstm(x, wx, wh, b):
        def cell(state, x):
            c, h = state
            i, f, g, o = jnp.split(x @ wx + h @ wh + b, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (c, jax.nn.sigmoid(o) * jnp.tanh(c)), None

        zeros = jnp.zeros((len(x), len(wh)))
        return lax.scan(cell, (zeros, zeros), x.swapaxes(0, 1))[0][1]

    ops = {"affine": lambda x, w, b: x @ w + b, "relu": jax.nn.relu, "kernels": kernels,
           "conv": lambda x, w, b, *numbers: kernels(x, w, *numbers) + b[:, None, None],
           "pool": lambda x, n: lax.reduce_window(
               x, -jnp.inf, lax.max, (1, 1, n, n), (1, 1, n, n), "VALID"),
           "batchnorm": lambda x, gamma, beta: (gamma[:, None, None] * standardize(x, (0, 2, 3))
                                                + beta[:, None, None]),
           "layernorm": lambda x, gamma, beta: gamma * standardize(x, -1) + beta,
           "sigmoid": jax.nn.sigmoid, "flatten": lambda x, d: x.reshape(len(x), -1),
           "embedding": lambda index, w: w[index], "reshape": jnp.reshape,
           "transpose": jnp.transpose, "attention": attention, "lstm": lstm}
    ops["gpt"] = partial(gpt, ops)

    def loss(params, x, labels):
        log_p = jax.nn.log_softmax(network(task, x, params, ops))
        return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()

    def train(state, x, labels):
        params, m, v, t = state
        value, grads = jax.value_and_grad(loss)(params, x, labels)
        if task.optimiser == "adam":
            t = t + 1
            m = [BETA1 * m + (1 - BETA1) * g for m, g in zip(m, grads)]
            v = [BETA2 * v + (1 - BETA2) * g * g for v, g in zip(v, grads)]
            grads = [m / (1 - BETA1 ** t) / (jnp.sqrt(v / (1 - BETA2 ** t)) + EPS)
                     for m, v in zip(m, v)]
        return ([p - task.lr * g for p, g in zip(params, grads)], m, v, t), value

    train = jax.jit(train, donate_argnums=0)
    moments = [[jnp.zeros_like(p) for p in task.start if task.optimiser == "adam"] for _ in "mv"]
    state = [jnp.array(p) for p in task.start], *moments, jnp.float32(0)

    def step():
        nonlocal state
        state, value = train(state, x, labels)
        jax.block_until_ready((state, value))

    return step, lambda: jax.grad(loss)(state[0], x, labels), lambda: state[0]


def with_autograd(task):
    """Starts from a derivative of float32: autograd.grad would go on in float64."""
    need(task.name in ALIKE, "its adapter has W1 to W6")
    need(task.perceptron, "it has no convolution that strides")
    from autograd import make_vjp
    from autograd import numpy as anp
    x, labels = task.data
    params = [p.copy() for p in task.start]
    onehot = np.eye(10, dtype=np.float32)[labels]
    dy = np.full(len(x), 1 / len(x), np.float32)
    ops = {"affine": lambda x, w, b: anp.dot(x, w) + b, "relu": lambda x: anp.maximum(x, 0),
           "sigmoid": lambda x: 0.5 * (1 + anp.tanh(0.5 * x))}

    def loss(params):
        y = network(task, x, params, ops)
        y = y - anp.max(y, axis=1, keepdims=True)
        return anp.log(anp.sum(anp.exp(y), axis=1)) - anp.sum(y * onehot, axis=1)

    def gradients():
        vjp, value = make_vjp(loss)(params)
        return vjp(dy)

    update = plain_update(task, params)
    return lambda: update(gradients()), gradients, lambda: params


def with_mygrad(task):
    """Without its guard against writing into arrays, as its manual advises for speed."""
    need(task.name in ALIKE, "its adapter has W1 to W6")
    need(task.perceptron, "its convolution refuses windows that do not end with the image")
    import mygrad as mg
    from mygrad import nnet
    from mygrad.nnet.losses import softmax_crossentropy
    mg.turn_memory_guarding_off()
    x, labels = task.data
    params = [mg.tensor(p.copy()) for p in task.start]

    ops = {"affine": lambda x, w, b: mg.matmul(x, w) + b, "relu": nnet.relu,
           "sigmoid": nnet.sigmoid}

    def gradients():
        softmax_crossentropy(network(task, x, params, ops), labels).backward()
        return [p.grad for p in params]

    update = plain_update(task, [p.data for p in params])
    return lambda: update(gradients()), gradients, lambda: [p.data for p in params]


def with_sklearn(task):
    """MLPClassifier.partial_fit: besides the step it checks its input and computes the loss.

    Its gradients are read from a step of learning rate 1000.
    """
    need(task.name in ALIKE, "its adapter has W1 to W6")
    need(task.perceptron, "it has no convolution")
    from sklearn.neural_network import MLPClassifier
    x, labels = task.data
    widths = [numbers[1] for kind, *numbers in task.layers if kind == "affine"]

    def model(solver, lr):
        model = MLPClassifier(
            widths[:-1], "relu" if ("relu",) in task.layers else "logistic", solver=solver,
            alpha=0, batch_size=len(x), learning_rate_init=lr, momentum=0, shuffle=False,
            beta_1=BETA1, beta_2=BETA2, epsilon=EPS)
        model.partial_fit(x, labels, classes=np.arange(10))
        for t, p in zip(model.coefs_ + model.intercepts_, task.start[::2] + task.start[1::2]):
            t[...] = p
        if solver == "adam":
            model._optimizer = type(model._optimizer)(
                model.coefs_ + model.intercepts_, lr, BETA1, BETA2, EPS)
        return model

    def parameters(model):
        return [p for pair in zip(model.coefs_, model.intercepts_) for p in pair]

    def gradients():
        once = model("sgd", 1000)
        once.partial_fit(x, labels)
        return [(p - q) / 1000 for p, q in zip(task.start, parameters(once))]

    trained = model(task.optimiser, task.lr)
    return lambda: trained.partial_fit(x, labels), gradients, lambda: parameters(trained)


def with_tinygrad(task):
    """The step as one TinyJit; needs clang to compile it."""
    need(task.name in ALIKE, "its adapter has W1 to W6")
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn import optim
    x, labels = map(Tensor, task.data)
    params = [Tensor(p).realize() for p in task.start]
    ops = {"affine": lambda x, w, b: x @ w + b, "relu": Tensor.relu, "sigmoid": Tensor.sigmoid,
           "conv": lambda x, w, b, stride, padding: x.conv2d(w, b, stride=stride, padding=padding),
           "flatten": lambda x, d: x.flatten(1)}
    optimiser = {"sgd": optim.SGD, "adam": optim.Adam}[task.optimiser](params, lr=task.lr)

    def loss():
        optimiser.zero_grad()
        return network(task, x, params, ops).sparse_categorical_crossentropy(labels).backward()

    def gradients():
        loss()
        return [p.grad.numpy() for p in params]

    @TinyJit
    def train():
        with Context(TRAINING=1):
            value = loss()
            optimiser.step()
            return value.realize()

    return lambda: train().item(), gradients, lambda: [p.numpy() for p in params]


# The name of each, its adapter, and the distribution that it needs.
PEERS = {"EDF": (with_edf, "numpy"),
         "by hand": (with_hand, "numpy"), "floor": (with_floor, "numpy"),
         "PyTorch": (with_torch, "torch"), "JAX": (with_jax, "jax"),
         "autograd": (with_autograd, "autograd"), "MyGrad": (with_mygrad, "mygrad"),
         "scikit-learn": (with_sklearn, "scikit-learn"), "tinygrad": (with_tinygrad, "tinygrad")}


# The process that runs one of them.

def environment(threads):
    """Return the settings that limit every library to so many threads, to be set before import."""
    names = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
             "VECLIB_MAXIMUM_THREADS", "NPROC"]         # the last is XLA's
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {**dict.fromkeys(names, str(threads)), "XLA_FLAGS": flags if threads == 1 else "",
            "JAX_PLATFORMS": "cpu", "DEV": "CPU", "THREADS": str(int(threads > 1))}


def free_large_array():
    """Let glibc keep what is freed from now on: see "Memory between steps" in README.md."""
    np.empty(30_000_000, np.uint8)


def busy():
    """Return the seconds that all cores have worked, for whomever, or None if it is not known."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, idle, wait, *more = map(int, file.readline().split()[1:9])
    except OSError:
        return None
    return (user + nice + system + sum(more)) / os.sysconf("SC_CLK_TCK")


def time_steps(step, count):
    """Return seconds for a step, cores used, and cores used by other processes."""
    others, cpu, start = busy(), time.process_time(), time.perf_counter()
    for _ in range(count):
        step()
    wall = time.perf_counter() - start
    cpu = time.process_time() - cpu
    others = None if others is None else max(0, busy() - others - cpu) / wall
    return wall / count, cpu / wall, others


def quickest(step):
    """Return seconds for a step, the shortest of some."""
    return min(time_steps(step, 3)[0] for _ in range(5))


def work(pipe, name):
    """Answer the requests (function, arguments) of the coordinator, one at a time."""
    free_large_array()
    adapter, distribution = PEERS[name]
    made = {}

    def build(task):
        made[task] = adapter(TASKS[task])
        return made[task][1] and [np.array(grad) for grad in made[task][1]()]

    def moved(task, steps):
        step, _, parameters = made[task]
        for _ in range(steps):
            step()
        return parameters and [np.array(p) for p in parameters()]

    def turn(task, count):
        moved(task, 1 + count // 10)        # warm up: caches, threads that went to sleep
        return time_steps(made[task][0], count)

    def drop(task):
        made.pop(task, None)

    requests = {"version": lambda: importlib.metadata.version(distribution), "build": build,
                "moved": moved, "turn": turn, "drop": drop}
    while True:
        function, *args = pipe.recv()
        try:
            pipe.send((requests[function](*args), None))
        except (Unfit, ImportError) as error:
            pipe.send((None, str(error) or type(error).__name__))
        except Exception as error:
            traceback.print_exc()
            message = " ".join(str(error).split())[:150]
            pipe.send((None, f"failed: {type(error).__name__}: {message}"))
