"""What the notebooks take for granted: networks to build, train and judge.

The functions that are exercises too are what the notebook goes on with until the
exercise is done; all of them are here so that every section runs alone.
"""

import time
from collections import namedtuple

import numpy as np

import edf

# Gradients.

def shares(component, dy):
    """Return pairs: an input of the component, and its share of the gradient.

    dy is the gradient with respect to the value of the component.  Inputs that
    need no gradient are left out; one that is used twice comes twice.
    """
    values = component.values()
    return [(node, getattr(component, "d" + name)(dy, *values))
            for name, node in component.arguments.items()
            if isinstance(node, edf.Component) and node.needs_grad]


def naive_rule(x, h=1e-3):
    """Return f_yy g'' + f_zz h'' of example b, by second differences of f, g and h."""
    def second(function, at):
        return (function(at + h) - 2 * function(at) + function(at - h)) / h ** 2

    y, z = edf.sigmoid(x), np.tanh(x)
    return (second(lambda y: np.exp(y * z), y) * second(edf.sigmoid, x)
            + second(lambda z: np.exp(y * z), z) * second(np.tanh, x))


def slope(function, x, h):
    """Return the central difference, as the mean of those to both sides."""
    middle = function(x)
    to_the_right = (function(x + h) - middle) / h
    to_the_left = (middle - function(x - h)) / h
    return (to_the_right + to_the_left) / 2


def numeric_gradient(function, x, h=1e-5):
    """Return the gradient of a scalar function of an array, by central differences."""
    steps = h * np.eye(x.size).reshape(-1, *x.shape)        # in each, one entry is h
    slopes = [(function(x + step) - function(x - step)) / (2 * h) for step in steps]
    return np.reshape(slopes, x.shape)


def gradient_error(component, x, numeric_gradient=None):
    """Return the largest error that edf.check_gradients finds in component(Param(x)).

    numeric_gradient is not used: edf.check_gradients has its own.
    """
    edf.clear()
    errors = edf.check_gradients(component(edf.Param(x)), tolerance=np.inf)
    return max(errors.values())


# Small networks.

def two_layers(x, labels, W, b, V, c, activation=edf.Sigmoid):
    """Build a network with one hidden layer on these components; return its loss."""
    hidden = activation(edf.Affine(x, W, b))
    return edf.SoftmaxCrossEntropy(edf.Affine(hidden, V, c), labels)


def baselines(labels):
    """Return the share of the most frequent class, and the entropy of the classes in nats."""
    counts = np.unique(labels, return_counts=True)[1]
    p = counts / len(labels)
    return p.max(), -(p * np.log(p)).sum()


def fit(net, x, labels, optimiser, epochs, size=128):
    """Train a net; return the mean loss of each epoch, a list."""
    losses = []
    for _ in range(epochs):
        losses.append(0)
        for net.x.value, net.labels.value in edf.batches(x, labels, size=size):
            edf.forward()
            edf.backward(net.loss)
            optimiser.step()
            losses[-1] += net.loss.value.sum() / len(x)
    return losses


# Perceptrons on images.

Net = namedtuple("Net", "x labels scores loss")


def mlp(widths, activation, init=edf.xavier):
    """Build the graph of a perceptron: new parameters for each layer."""
    edf.clear()
    x, labels = edf.Input(name="x"), edf.Input(name="labels")
    h = x
    for i, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
        if i > 0:
            h = activation(h)
        w, b = init(n_in, n_out), np.zeros(n_out)
        h = edf.Affine(h, edf.Param(w, f"w{i + 1}"), edf.Param(b, f"b{i + 1}"))
    return Net(x, labels, scores=h, loss=edf.SoftmaxCrossEntropy(h, labels))


def error_rate(net, images, labels):
    """Return the share of these images that the net does not put into these classes."""
    with edf.evaluating():              # no dropout, and BatchNorm with what it has gathered
        net.x.value, net.labels.value = images.reshape(len(images), -1), labels
        edf.forward()
    return (net.scores.value.argmax(axis=1) != labels).mean()


def train(net, data, optimiser, epochs, size=64, shuffle=False, say=True):
    """Train a net; return training and test error of every epoch, as (epochs, 2).

    The training error is counted on the way, before each step.
    """
    images = data.train_images.reshape(len(data.train_images), -1)
    history, start = [], time.time()
    for epoch in range(1, epochs + 1):
        wrong = 0
        batches = edf.batches(images, data.train_labels, size=size, shuffle=shuffle)
        for net.x.value, net.labels.value in batches:
            edf.forward()
            edf.backward(net.loss)
            optimiser.step()
            wrong += (net.scores.value.argmax(axis=1) != net.labels.value).sum()
        history.append((wrong / len(images), error_rate(net, data.test_images, data.test_labels)))
        if say:
            print(f"  epoch {epoch:2}  training error {history[-1][0]:7.2%}  "
                  f"test error {history[-1][1]:7.2%}  {time.time() - start:5.1f} s")
    return np.array(history)


def held_out(data, count):
    """Return the data with the last `count` training images as test set: for validation."""
    images, labels = data.train_images, data.train_labels
    return data._replace(train_images=images[:-count], train_labels=labels[:-count],
                         test_images=images[-count:], test_labels=labels[-count:])


def sweep(run, values, seeds):
    """Return the results of run(value, seed) as an array (values, seeds)."""
    return np.array([[run(value, seed) for seed in seeds] for value in values])


def choice(values, errors):
    """Return the value with the smallest mean error, of those that never diverged."""
    return values[np.nanargmin(np.mean(errors, axis=1))]


def spread(errors):
    """Return mean and standard deviation over the runs of each value: errors (values, runs)."""
    return np.mean(errors, axis=1), np.std(errors, axis=1, ddof=1)
