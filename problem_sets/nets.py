"""What the notebooks take for granted: networks to build, train and judge.

The functions that are exercises too are what the notebook goes on with until the
exercise is done; all of them are here so that every section runs alone.
"""

import time
from collections import namedtuple
from contextlib import nullcontext

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


# Networks on images (B, C, H, W), which reach them as rows, like those of a perceptron.

def standardized(data):
    """Return the data with mean 0 and standard deviation 1 in each channel of its training images.

    The test images are changed by the same numbers.
    """
    axes = 0, 2, 3                                              # (N, C, H, W) -> (1, C, 1, 1)
    mean = data.train_images.mean(axes, float, keepdims=True)
    sd = data.train_images.std(axes, float, keepdims=True)
    train_images, test_images = (((images - mean) / sd).astype(np.float32)
                                 for images in (data.train_images, data.test_images))
    return data._replace(train_images=train_images, test_images=test_images)


def learn(net, data, optimiser, epochs, size=64, rate=None, change=None, say=True):
    """Train a net; return training loss, training error and test error of each epoch, (epochs, 3).

    The images come in a new order each time.  rate(step, steps) is the learning
    rate of a step; change(images) makes other images of those of a batch.  Loss
    and training error are counted on the way, before each step.
    """
    history, start, step = [], time.time(), 0
    steps = epochs * -(-len(data.train_labels) // size)
    for epoch in range(1, epochs + 1):
        loss = wrong = 0
        batches = edf.batches(data.train_images, data.train_labels, size=size, shuffle=True)
        for images, net.labels.value in batches:
            images = images if change is None else change(images)
            net.x.value = images.reshape(len(images), -1)
            edf.forward()
            edf.backward(net.loss)
            optimiser.lr = optimiser.lr if rate is None else rate(step, steps)
            optimiser.step()
            step += 1
            loss += net.loss.value.sum()
            wrong += (net.scores.value.argmax(axis=1) != net.labels.value).sum()
        count = len(data.train_labels)
        error = (answers(net, data.test_images) != data.test_labels).mean()
        history.append((loss / count, wrong / count, error))
        if say:
            print(f"  epoch {epoch:2}  training error {wrong / count:6.1%}  other images "
                  f"{error:6.1%}  {time.time() - start:5.1f} s")
    return np.array(history)


def answers(net, images, size=250):
    """Return the class that the net gives to each image: batch by batch, as windows are large."""
    found = []
    with edf.evaluating():
        for [batch] in edf.batches(images, size=size):
            net.x.value = batch.reshape(len(batch), -1)
            net.labels.value = np.zeros(len(batch), int)
            edf.forward()
            found.append(net.scores.value.argmax(axis=1))
    return np.concatenate(found)


def starting_sd(fan_in, slope=0):
    """Return the standard deviation of weights at which a LeakyReLU keeps the mean square."""
    return np.sqrt(2 / (fan_in * (1 + slope ** 2)))


def rate(step, steps, lr, warm):
    """Return the learning rate of a step: a linear rise to lr, then half a cosine to 0."""
    if step < warm:
        return lr * edf.warmup(step, warm)
    return lr * edf.cosine_decay(step - warm, steps - warm)


class Nesterov(edf.SGD):
    """SGD with Nesterov's momentum."""

    def __init__(self, lr, momentum=0.9):
        super().__init__(lr, momentum, nesterov=True)


def penalty(loss, weights, strength):
    """Return the component loss + strength / 2 times the sum of the squares of all weights."""
    return loss + 0.5 * strength * sum(edf.Sum(w * w) for w in weights)


def stopping(errors, patience):
    """Return the epoch at which training ends, and the best one so far, counted from 0."""
    best = 0
    for epoch, error in enumerate(errors):
        best = epoch if error < errors[best] else best
        if epoch - best == patience:
            break
    return epoch, best


def moved(images, most):
    """Return the images, each mirrored or not and moved by up to `most` pixels, with zeros beside.

    images (B, C, H, W)
    """
    height, width = images.shape[2:]
    places = edf.rng.integers(2 * most + 1, size=(len(images), 2))
    mirrored = edf.rng.random(len(images)) < 0.5
    return np.stack([
        image[:, i:i + height, j:j + width][:, :, ::-1 if mirror else 1]
        for image, (i, j), mirror in zip(edf.pad(images, most), places, mirrored)])


def conv(x, n_in, n_out, k, stride=1, padding=0):
    """Build a convolution of images with n_in channels, n_out kernels of k x k, and biases."""
    w = edf.he(n_in * k * k, n_out).T.reshape(n_out, n_in, k, k)
    return edf.Conv2d(x, edf.Param(w), edf.Param(np.zeros(n_out)), stride, padding)


def lenet(shape):
    """Build LeNet, with ReLU, for images of shape (C, H, W); return its Net."""
    edf.clear()
    x, labels = edf.Input(name="x"), edf.Input(name="labels")
    (channels, *sides), h = shape, edf.Reshape(x, (-1, *shape))
    for kernels in 6, 16:
        h = edf.MaxPool2d(edf.ReLU(conv(h, channels, kernels, 5)), 2)
        channels, sides = kernels, [(side - 4) // 2 for side in sides]
    widths = [channels * sides[0] * sides[1], 120, 84, 10]
    h = edf.Reshape(h, (-1, widths[0]))
    for n_in, n_out in zip(widths, widths[1:]):
        h = edf.ReLU(h) if n_in < widths[0] else h
        h = edf.Affine(h, edf.Param(edf.he(n_in, n_out)), edf.Param(np.zeros(n_out)))
    return Net(x, labels, scores=h, loss=edf.SoftmaxCrossEntropy(h, labels))


def residual(x, n_in, n_out, layer):
    """Build a residual block: ReLU(x + F(x)), with two layers of 3 x 3 in F."""
    inner = layer(edf.ReLU(layer(x, n_in, n_out, 3)), n_out, n_out, 3)
    around = x if n_in == n_out else layer(x, n_in, n_out, 1)
    return edf.ReLU(around + inner)


# Broken trainings.

PATIENTS = {"healthy": None, "A": "order", "B": "mode", "C": "dead", "D": "labels",
            "E": "test mean", "F": "rate"}


def patient(name, data, epochs=8):
    """Train a small network that has the fault of this name; return what came of it.

    That is the loss of each step, the size of the gradient of the first weights
    in each, and by epoch the training error and the test error, twice: (epochs, 3).
    """
    edf.seed(5)
    fault, losses, sizes, errors = PATIENTS[name], [], [], []
    images, others = (part.reshape(len(part), -1)
                      for part in (data.train_images[:1500], data.test_images[:500]))
    labels, other_labels = data.train_labels[:1500], data.test_labels[:500]
    if fault == "order":
        order = np.argsort(labels, kind="stable")
        images, labels = images[order], labels[order]
    elif fault == "labels":
        labels = edf.rng.permutation(labels)
    elif fault == "test mean":
        images, others = images - others.mean(axis=0), others - others.mean(axis=0)
    net = mlp([images.shape[1], 64, 10], lambda h: edf.Dropout(edf.ReLU(h)), edf.he)
    edf.params[1].value -= 100 * (fault == "dead")
    sgd = edf.SGD(lr=0.2 if fault == "rate" else 0.01)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(epochs):
            wrong = 0
            for net.x.value, net.labels.value in edf.batches(
                    images, labels, size=32, shuffle=fault != "order"):
                edf.forward()
                edf.backward(net.loss)
                sgd.step()
                losses.append(net.loss.value.mean())
                sizes.append(np.linalg.norm(edf.params[0].grad))
                wrong += (net.scores.value.argmax(axis=1) != net.labels.value).sum()
            twice = []
            for _ in range(2):
                with nullcontext() if fault == "mode" else edf.evaluating():
                    net.x.value, net.labels.value = others, other_labels
                    edf.forward()
                twice.append((net.scores.value.argmax(axis=1) != other_labels).mean())
            errors.append([wrong / len(labels), *twice])
    return losses, sizes, np.array(errors)


def show_images(figure, images, titles=(), columns=10):
    """Show images (N, C, H, W) of one or three channels in a figure, with titles."""
    low, high = images.min(axis=(0, 2, 3)), images.max(axis=(0, 2, 3))
    grid = figure.subplots(-(-len(images) // columns), columns, squeeze=False)
    for ax in grid.flat:
        ax.axis("off")
    for image, ax in zip(images, grid.flat):
        picture = (image.transpose(1, 2, 0) - low) / (high - low)
        ax.imshow(picture if len(image) == 3 else 1 - picture, cmap="gray")
    for title, ax in zip(titles, grid.flat):
        ax.set_title(title, fontsize=8)


# Experiments.

def sweep(run, values, seeds):
    """Return the results of run(value, seed) as an array (values, seeds)."""
    return np.array([[run(value, seed) for seed in seeds] for value in values])


def choice(values, errors):
    """Return the value with the smallest mean error, of those that never diverged."""
    return values[np.nanargmin(np.mean(errors, axis=1))]


def spread(errors):
    """Return mean and standard deviation over the runs of each value: errors (values, runs)."""
    return np.mean(errors, axis=1), np.std(errors, axis=1, ddof=1)
