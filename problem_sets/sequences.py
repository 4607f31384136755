"""What problem set 3 takes for granted: networks over letters, to build, train, judge and read.

As in nets.py, the functions that are exercises too are what the notebook goes on with until
the exercise is done.  T is the length of a window, and K the number of different letters.
"""

import time
from collections import namedtuple

import numpy as np

import edf
from problem_sets.nets import Net
from text_loader import windows

# Tables.

def bigrams(numbers, count):
    """Return p (count, count): how often letter j follows letter i, each pair once more."""
    pairs = count * numbers[:-1] + numbers[1:]
    table = 1 + np.bincount(pairs, minlength=count * count).reshape(count, count)
    return table / table.sum(axis=1, keepdims=True)


# Recurrent networks.

def rnn(x, h, w, u, b, steps):
    """Return the states after 1, 2, ... letters of x (B, T, D), each of them (B, H)."""
    states = [h]
    for letter in (x[:, t] for t in range(steps)):
        states.append(edf.Tanh(edf.Affine(letter, w, b) + edf.MatMul(states[-1], u)))
    return states[1:]


def lstm(x, h, c, w, u, b):
    """Return the next h and c, both (B, H), after x (B, D)."""
    H = len(u.value)
    scores = edf.MatMul(x, w) + edf.MatMul(h, u) + b        # (B, 4 H)
    i, f, o = [edf.Sigmoid(scores[:, n * H:(n + 1) * H]) for n in range(3)]
    c = edf.Mul(f, c) + edf.Mul(i, edf.Tanh(scores[:, 3 * H:]))
    return edf.Mul(o, edf.Tanh(c)), c


def gru(x, h, w, u, b):
    """Return the next h (B, H), after x (B, D)."""
    H = len(u.value)
    scores = edf.Affine(x, w, b)                            # (B, 3 H)
    z, r = [edf.Sigmoid(scores[:, part] + edf.MatMul(h, u[:, part]))
            for part in (slice(0, H), slice(H, 2 * H))]
    new = edf.Tanh(scores[:, 2 * H:] + edf.MatMul(edf.Mul(r, h), u[:, 2 * H:]))
    return new + edf.Mul(z, edf.Sub(h, new))


# Of a recurrent network: starts are the Inputs of its states before the window, zeros at first,
# and ends the components of those after it.
Recurrent = namedtuple("Recurrent", [*Net._fields, "starts", "ends"])


def recurrent_params(letters, width, hidden, gates, states):
    """Return new Params of a network with so many gates, as a list."""
    w, u = (edf.xavier(n, gates * hidden) for n in (width, hidden))
    b = np.zeros(gates * hidden)
    if states == 2:
        b[hidden:2 * hidden] = 1                            # an LSTM remembers at first
    return [edf.Param(array) for array in (
        edf.normal(letters, width), w, u, b, edf.xavier(hidden, letters), np.zeros(letters))]


def recurrent(cell, params, states, length):
    """Build the graph of a network of so many letters, on Params that are there.

    cell(x, *states, w, u, b) returns the next state, or a tuple of states, of
    which the first is the output.
    """
    table, w, u, b, v, c = params
    x, labels = edf.Input(name="x"), edf.Input(name="labels")
    embedded = edf.Embedding(table, x)                      # (B, T, D)
    starts = now = tuple(edf.Input(np.zeros((1, len(u.value)))) for _ in range(states))
    outputs = []
    for t in range(length):
        now = cell(embedded[:, t], *now, w, u, b)
        now = now if isinstance(now, tuple) else (now,)
        outputs.append(now[0])
    rows = edf.Reshape(edf.Concat(*outputs, axis=1), (-1, len(u.value)))    # (B T, H)
    scores = edf.Affine(rows, v, c)
    return Recurrent(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels), starts, now)


# Attention.

def attention(q, k, v, mask, width):
    """Return softmax(q k^T / sqrt(width) + mask) v, all (B, T, width)."""
    scores = edf.MatMul(q, edf.Transpose(k, (0, 2, 1))) * width ** -0.5
    return edf.MatMul(edf.Softmax(scores + mask), v)


class Attention(edf.Component):
    """The same in one component: y = p v, p = softmax(q k^T / sqrt(D) + mask).

    q, k, v (..., T, D), mask (T, T)  ->  y (..., T, D)
    """

    def f(self, q, k, v, mask):
        scores = q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5 + mask    # (..., T, T)
        exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.p = exp / exp.sum(axis=-1, keepdims=True)
        return self.p @ v

    def dscores(self, dy, v):
        """Return the gradient with respect to q k^T / sqrt(D)."""
        dp = dy @ v.swapaxes(-1, -2)
        return self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True))

    def dq(self, dy, q, k, v, mask):
        return self.dscores(dy, v) @ k * q.shape[-1] ** -0.5

    def dk(self, dy, q, k, v, mask):
        return self.dscores(dy, v).swapaxes(-1, -2) @ q * q.shape[-1] ** -0.5

    def dv(self, dy, q, k, v, mask):
        return self.p.swapaxes(-1, -2) @ dy


def mask(length):
    """Return what is added to the scores: -inf where column j is later than row i, else 0."""
    return np.where(np.arange(length) > np.arange(length)[:, None], -np.inf, 0)


def sees_later(function, x):
    """Does an output row of function, (T, D) -> (T, H), depend on a later row of x?"""
    y = function(x)
    for t in range(1, len(x)):
        other = np.where(np.arange(len(x))[:, None] < t, x, x + edf.rng.normal(size=x.shape))
        if not np.allclose(function(other)[:t], y[:t], rtol=0, atol=1e-12):
            return True
    return False


def heads(x, wq, wk, wv, wo, count, mask):
    """Return the attention of so many heads within windows x (B, T, D), times wo (D, D)."""
    T, D = len(mask.value), len(wo.value)

    def cut(y):                         # (B, T, D) -> (B count, T, D / count)
        y = edf.Transpose(edf.Reshape(y, (-1, T, count, D // count)), (0, 2, 1, 3))
        return edf.Reshape(y, (-1, T, D // count))

    q, k, v = (cut(edf.MatMul(x, w)) for w in (wq, wk, wv))
    y = edf.Reshape(attention(q, k, v, mask, D // count), (-1, count, T, D // count))
    return edf.MatMul(edf.Reshape(edf.Transpose(y, (0, 2, 1, 3)), (-1, T, D)), wo)


# The block, and what is made of it.

def weights(n_in, n_out, scale=1.0):
    """Return a new Param (n_in, n_out), with random numbers."""
    return edf.Param(scale * edf.xavier(n_in, n_out))


def zeros(n):
    """Return a new Param (n,) of zeros."""
    return edf.Param(np.zeros(n))


def layer_norm(width):
    """Return a function that builds a LayerNorm, with Params of its own."""
    gamma, beta = edf.Param(np.ones(width)), zeros(width)
    return lambda x: edf.LayerNorm(x, gamma, beta)


def block(x, attend, norms, w1, b1, w2, b2):
    """Return x plus attention, and that plus a perceptron, each of what is normalized first."""
    x = x + attend(norms[0](x))
    hidden = edf.ReLU(edf.Affine(norms[1](x), w1, b1))
    return x + edf.Affine(hidden, w2, b2)


def new_block(x, width, count, mask, block=block, heads=heads, norm=layer_norm):
    """Build a block with new Params on x (B, T, width); what it adds to x starts small."""
    wq, wk, wv, wo = (weights(width, width, scale) for scale in (1, 1, 1, 0.5))

    def attend(x):
        return heads(x, wq, wk, wv, wo, count, mask)

    return block(x, attend, (norm(width), norm(width)), weights(width, 4 * width),
                 zeros(4 * width), weights(4 * width, width, 0.5), zeros(width))


def gpt(letters, width, count, layers, length, block=block, heads=heads, norm=layer_norm):
    """Build a GPT for so many different letters; return its Net."""
    edf.clear()
    x, labels, causal = edf.Input(name="x"), edf.Input(name="labels"), edf.Input(mask(length))
    table, places = (edf.Param(edf.normal(n, width, 0.02)) for n in (letters, length))
    h = edf.Embedding(table, x) + places                    # (B, T, D) + (T, D)
    for _ in range(layers):
        h = new_block(h, width, count, causal, block, heads, norm)
    scores = edf.Affine(norm(width)(h), weights(width, letters), zeros(letters))
    scores = edf.Reshape(scores, (-1, letters))             # (B, T, K) -> (B T, K)
    return Net(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels))


# Training, judging, writing.

def train(net, numbers, length, passes=None, seconds=None, size=32, lr=3e-3, clip=1.0,
          say=True):
    """Train with AdamW on random windows; return the mean loss of every step.

    It ends when it has seen as many letters as so many passes through the
    numbers would, or after so many seconds.  The rate rises for the first
    twentieth, and then falls along a cosine.
    """
    steps = passes and max(1, round(passes * len(numbers) / (size * length)))
    optimiser, curve, start = edf.AdamW(lr, betas=(0.9, 0.99)), [], time.process_time()
    done = shown = 0
    while done < 1:
        optimiser.lr = lr * min(1, 20 * done + 0.01) * edf.cosine_decay(done, 1)
        net.x.value, targets = windows(numbers, length, size, edf.rng)
        net.labels.value = targets.reshape(-1)
        edf.forward()
        edf.backward(net.loss)
        edf.clip_gradients(clip)
        optimiser.step()
        curve.append(net.loss.value.mean())
        took = time.process_time() - start
        done = len(curve) / steps if steps else took / seconds
        if say and done >= shown + 0.2:
            shown = int(5 * done) / 5
            print(f"  {len(curve):5} steps  loss {np.mean(curve[-50:]):.3f}  {took:5.1f} s")
    return np.array(curve)


def validation_loss(net, numbers, length, size=64):
    """Return the mean loss of a letter, in nats, over windows that follow one another."""
    losses = []
    with edf.evaluating():
        for net.x.value, labels in edf.batches(*windows(numbers, length), size=size):
            net.labels.value = labels.reshape(-1)
            edf.forward()
            losses.extend(net.loss.value)
    return np.mean(losses, dtype=float)


def chances(scores, temperature=1.0, top_k=None):
    """Return the probabilities of the next letter, softmax(scores / temperature).

    With top_k only so many letters with the largest scores keep a chance.
    """
    if top_k is not None:
        scores = np.where(scores >= np.sort(scores)[-top_k], scores, -np.inf)
    exp = np.exp((scores - scores.max()) / temperature)
    return exp / exp.sum()


def write(net, prompt, count, length, temperature=1.0, top_k=None, chances=chances):
    """Return the prompt, a list of numbers, with `count` more that a GPT draws.

    The network has windows of one length: what is not yet written is filled with
    zeros, which no earlier output can see.
    """
    numbers = list(prompt)
    with edf.evaluating():
        for _ in range(count):
            seen = numbers[-length:]
            net.x.value = np.array([seen + [0] * (length - len(seen))])     # (1, T)
            net.labels.value = np.zeros(length, int)
            edf.forward()
            p = chances(net.scores.value[len(seen) - 1].astype(float), temperature, top_k)
            numbers.append(int(edf.rng.choice(len(p), p=p)))
    return numbers
