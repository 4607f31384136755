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

sys.path.insert(0, os.path.dirname(__file__) + "/..")     # where edf.py is
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8    # of Adam, everywhere


class Unfit(Exception):
    """The framework cannot do the task: the message says why."""


def need(condition, reason):
    """Raise Unfit(reason) unless the condition holds."""
    if not condition:
        raise Unfit(reason)


@dataclass(frozen=True)
class Task:
    """One training step: layers, the shape of a batch, and the optimiser.

    Layers are ("affine", D, H), ("conv", C, O, size, stride, padding), ("pool", size), ("relu",),
    ("sigmoid",) and ("flatten",).  Without an optimiser the mean of y is differentiated and nothing
    is updated.  With dx, the derivative with respect to the batch is asked for too.
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
        """Images of which one pixel in five is not 0, as in MNIST, and labels."""
        rng = np.random.default_rng(1)
        pixels = rng.random(self.shape) * (rng.random(self.shape) < 0.2)
        if self.optimiser is None:
            pixels = rng.random(self.shape)     # ties in a window have no gradient to agree on
        return pixels.astype(np.float32), rng.integers(0, 10, self.shape[0])

    @cached_property
    def start(self):
        """Starting values, the same in every framework: weights, bias, weights, bias, ..."""
        rng, params = np.random.default_rng(2), []
        for kind, *numbers in self.layers:
            if kind == "affine":
                fan_in, shape = numbers[0], tuple(numbers)
            elif kind == "conv":
                fan_in, shape = numbers[0] * numbers[2] ** 2, (*numbers[1::-1], *numbers[2:3] * 2)
            if kind in ("affine", "conv"):
                outputs = numbers[1]
                params.append(rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32))
                params.append(np.zeros(outputs, np.float32))
        return params

    @property
    def perceptron(self):
        return {kind for kind, *numbers in self.layers} <= {"affine", "relu", "sigmoid"}


def mlp(*widths, activation):
    """Return the layers of a perceptron."""
    pairs = list(zip(widths, widths[1:]))
    return tuple(layer for pair in pairs for layer in (("affine", *pair), (activation,)))[:-1]


CNN = (("conv", 1, 8, 3, 2, 1), ("relu",), ("conv", 8, 16, 3, 2, 1), ("relu",), ("flatten",),
       ("affine", 784, 10))
W2 = mlp(784, 128, 10, activation="relu")
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
    Task("C1", "convolution 3-64, 3x3, padding 1, of 64 images of 32x32; no dx",
         (64, 3, 32, 32), (("conv", 3, 64, 3, 1, 1),), None),
    Task("C2", "convolution 64-64, 3x3, padding 1, of 64 images of 32x32",
         (64, 64, 32, 32), (("conv", 64, 64, 3, 1, 1),), None, dx=True),
    Task("P1", "max-pooling 2x2 of 64 images of 32x32, 64 channels",
         (64, 64, 32, 32), (("pool", 2),), None, dx=True),
]}


def network(task, x, params, ops):
    """Return what the layers make of x; ops holds a function for each kind of layer.

    An affine layer is called with x, w, b, a convolution with stride and padding besides.
    """
    params = iter(params)
    for kind, *numbers in task.layers:
        if kind in ("affine", "conv"):
            x = ops[kind](x, next(params), next(params), *numbers[3:])
        else:
            x = ops[kind](x, *numbers)
    return x


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

def with_edf(task):
    import edf
    edf.clear()
    images, classes = task.data
    x = edf.Param(images) if task.dx else edf.Input(images)
    params = [edf.Param(p) for p in task.start]
    loss = network(task, x, params, {
        "affine": edf.Affine, "conv": edf.Conv2d, "pool": edf.MaxPool2d, "relu": edf.ReLU,
        "sigmoid": edf.Sigmoid, "flatten": lambda x: edf.Reshape(x, (-1, 784))})
    if task.optimiser:
        labels = edf.Input()
        loss = edf.SoftmaxCrossEntropy(loss, labels)
        optimiser = {"sgd": edf.SGD, "adam": edf.Adam}[task.optimiser](task.lr)

    def gradients():
        if task.optimiser:
            x.value, labels.value = images, classes     # as a training loop does
        edf.forward()
        edf.backward(loss)
        return [p.grad for p in params + [x] * task.dx]

    def step():
        gradients()
        if task.optimiser:
            optimiser.step()

    return step, gradients, lambda: [p.value for p in params]


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
    need(products, "it has no products")

    def step():
        for multiply in products:
            multiply()

    return step, None, None


def with_hand(task):
    """Straight lines of NumPy, without a framework: see by_hand.py.

    A perceptron is written with examples as rows and as columns, of which the faster counts.
    """
    import by_hand as hand
    need(task.perceptron or task.layers == CNN, "it is written for perceptrons and W6")
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
    """Eager, with the weights of an affine layer (H, D) as in torch.nn.Linear."""
    import torch
    from torch.nn import functional as F
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    x, labels = map(torch.from_numpy, task.data)
    x.requires_grad_(task.dx)
    params = [torch.from_numpy((p.T if p.ndim == 2 else p).copy()).requires_grad_()
              for p in task.start]
    ops = {"affine": F.linear, "conv": F.conv2d, "pool": F.max_pool2d, "relu": F.relu,
           "sigmoid": torch.sigmoid, "flatten": lambda x: x.flatten(1)}
    if task.optimiser:
        optimiser = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[task.optimiser](
            params, lr=task.lr)
    else:
        with torch.no_grad():
            y = network(task, x, params, ops)
        dy = torch.full_like(y, 1 / y.numel())

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
        return [a.T if a.ndim == 2 else a for a in arrays]

    return step, gradients, lambda: numpy(params)


def with_jax(task):
    """Loss, gradients and update in one compiled function, which may overwrite its arguments.

    Every step waits for its result: computing it while Python is ahead takes a second core.
    """
    need(task.optimiser, "its adapter has whole networks only")
    import jax
    from jax import numpy as jnp
    x, labels = map(jnp.asarray, task.data)

    def conv(x, w, b, stride, padding):
        around = [(padding, padding)] * 2
        return jax.lax.conv_general_dilated(x, w, (stride, stride), around) + b[:, None, None]

    ops = {"affine": lambda x, w, b: x @ w + b, "conv": conv, "relu": jax.nn.relu,
           "sigmoid": jax.nn.sigmoid, "flatten": lambda x: x.reshape(len(x), -1)}

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
    need(task.optimiser, "its adapter has whole networks only")
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
    need(task.optimiser, "its adapter has whole networks only")
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
    need(task.optimiser, "its adapter has whole networks only")
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
    need(task.optimiser, "its adapter has whole networks only")
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn import optim
    x, labels = map(Tensor, task.data)
    params = [Tensor(p).realize() for p in task.start]
    ops = {"affine": lambda x, w, b: x @ w + b, "relu": Tensor.relu, "sigmoid": Tensor.sigmoid,
           "conv": lambda x, w, b, stride, padding: x.conv2d(w, b, stride=stride, padding=padding),
           "flatten": lambda x: x.flatten(1)}
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
PEERS = {"EDF": (with_edf, "numpy"), "floor": (with_floor, "numpy"),
         "by hand": (with_hand, "numpy"),
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
