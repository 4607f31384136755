# ---
# jupyter:
#   edf:
#     leave_out: []     # sections, for example [3, 4]; what is left runs without them
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Problem set 2: training deep networks
#
# `ps1.ipynb` built the parts. Here they are put to work: what makes a network learn well, and how
# one finds out. Terms are explained in `ps1.ipynb`, and listed at its end.
#
# | | section | you write |
# |---|---|---|
# | 0 | Setup | |
# | 1 | Experiments | a sweep, a choice, a spread |
# | 2 | Optimisers | momentum, RMSProp, Adam |
# | 3 | Normalizing a batch: BatchNorm | its gradient, twice |
# | 4 | Convolution (optional) | a pooling, a convolution |
#
# After section 0, each section runs on its own. Replace `# YOUR CODE HERE` and `raise
# NotImplementedError()`, run the cell, then the check below it; until a check passes, the notebook
# goes on with EDF's own component. Where the text asks what you expect, write it down *before* you
# run the cell.

# %% [markdown]
# ## 0 Setup

# %%
from problem_sets import check, score_sheet     # before NumPy: see problem_sets/__init__.py

import inspect
import time

import matplotlib.pyplot as plt
import numpy as np

import edf
from edf import ReLU, Sigmoid
from mnist_loader import load
from problem_sets.nets import Net, error_rate, held_out, mlp, train

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                     "grid.alpha": 0.3, "figure.constrained_layout.use": True, "figure.dpi": 90})
data = load()
print("data:", data.name)
print("training:", data.train_images.shape, "testing:", data.test_images.shape)

# %% [markdown]
# ## 1 Experiments
#
# How wide, how deep, which rate? An experiment that answers this keeps four rules:
#
# - **One factor at a time.** Only then is it the cause of what changes.
# - **Choose on a validation set:** a twelfth of the training images, held out. If you chose by the
#   test error, the test images would have been used for learning.
# - **Several seeds.** One run may be lucky.
# - **The test set once,** at the very end.
#
# Write down what you expect *before* you look. Unless the text says otherwise, a network has
# 64 hidden units and is trained for three epochs in batches of 64 with the rate 0.5. (With the
# 1,797 digits that is too short.)

# %%
edf.clear()
edf.seed(10)
edf.dtype = np.float32

part = held_out(data, len(data.train_labels) // 12)
print(f"{data.name}: {len(part.train_labels)} images to learn from, "
      f"{len(part.test_labels)} for validation")

# %% [markdown]
# ### Tools
#
# A **run** is a function that trains a new network and returns its validation error:
# `run(value, seed)`, where `value` is that of the factor in question. If the numbers overflow, the
# run has **diverged**, and returns nan ("not a number"). That is a result too, and must not get
# lost. The validation images are those of `part.test_images`: what `train` and the functions below
# take for test images.

# %% [markdown]
# **Exercise 1.1: a sweep.** Call `run(value, seed)` once for each of the `values` (V of them)
# with each of the `seeds` (S of them). Return all results as an array of shape (V, S): a row for
# each value, a column for each seed.
#
# <details><summary>Hint</summary>
#
# Two loops, one inside the other, or a list of lists that `np.array` makes an array of. Do not
# repair a nan: store what the run returns.
#
# </details>

# %%
def my_sweep(run, values, seeds):
    """Return the results of run(value, seed) as an array (values, seeds)."""
    ### BEGIN SOLUTION
    return np.array([[run(value, seed) for seed in seeds] for value in values])
    ### END SOLUTION


# %%
sweep = check("my_sweep")

# %% [markdown]
# **Exercise 1.2: the choice.** Given `values`, a list of V, and `errors`, an array (V, S), return
# the value with the smallest mean error over the seeds. A value of which a single run has diverged
# is out, however good its other runs are: you could not rely on it. (At least one value is not
# out.)
#
# <details><summary>Hint</summary>
#
# The mean of numbers of which one is nan is nan. `np.argmin` takes nan for the smallest number of
# all, but it has a sibling, with nan in its name, that passes over it.
#
# </details>

# %%
def my_choice(values, errors):
    """Return the value with the smallest mean error, of those that never diverged."""
    ### BEGIN SOLUTION
    means = errors.mean(axis=1)                 # (V, S) -> (V,), nan where a run diverged
    return values[np.nanargmin(means)]
    ### END SOLUTION


# %%
choice = check("my_choice")

# %% [markdown]
# How far apart are runs that differ only in their seed? The **standard deviation** says so. It is
# estimated from the same $S$ runs as the mean $m$, around which they lie closer than around the
# true one, so the sum is divided by $S - 1$:
#
# $$m_v = \frac{1}{S} \sum_{j=1}^{S} e_{vj},\qquad
# d_v = \sqrt{\frac{1}{S - 1} \sum_{j=1}^{S} (e_{vj} - m_v)^2}$$
#
# **Exercise 1.3: the spread.** Return $m$ and $d$ of `errors` (V, S), two arrays of shape (V,).
# Where a run has diverged, both are nan.
#
# <details><summary>Hint</summary>
#
# NumPy's standard deviation divides by $S$ unless its option `ddof` says how much less than $S$.
#
# </details>

# %%
def my_spread(errors):
    """Return mean and standard deviation over the runs of each value."""
    ### BEGIN SOLUTION
    return errors.mean(axis=1), errors.std(axis=1, ddof=1)
    ### END SOLUTION


# %%
spread = check("my_spread")

# %% [markdown]
# `train_once` is a run with all its settings. `experiment` makes a run of it in which one factor
# is open and all others are fixed: `experiment(part, "lr", activation=ReLU)` is a function of a
# learning rate and a seed, as `sweep` takes it.

# %%
def train_once(data, seed, activation=edf.ReLU, layers=2, width=64, lr=0.5, momentum=0, size=64,
               epochs=3, shuffle=False):
    """Train a new network; return its error on data.test_images, or nan if it diverged."""
    edf.seed(seed)
    net = mlp([data.train_images[0].size] + [width] * (layers - 1) + [10], activation)
    with np.errstate(over="ignore", invalid="ignore"):              # nan says it already
        history = train(net, data, edf.SGD(lr, momentum), epochs, size, shuffle, say=False)
    return history[-1, 1] if np.isfinite(net.loss.value).all() else np.nan


def experiment(data, factor, **fixed):
    """Return run(value, seed): all settings but that of the factor are fixed."""
    def run(value, seed):
        return train_once(data, seed, **{factor: value}, **fixed)
    return run


def show(name, values, errors):
    """Print the error of every run, in %, and the mean for every value."""
    for value, runs in zip(values, errors):
        words = ["diverged" if np.isnan(error) else f"{error:8.2%}" for error in runs]
        print(f"  {name} {value:<6}", *words, f"   mean {np.mean(runs):7.2%}")

# %% [markdown]
# ### Five seeds of one setting
#
# First the yardstick: how much do runs of the *same* setting differ? The images come in the same
# order in each, only the initial weights are others. *Expect:* a few tenths of a point. (Some five
# seconds.)

# %%
start = time.time()
seeds = [1, 2, 3, 4, 5]
same = sweep(experiment(part, "lr"), [0.5], seeds)
show("ReLU, lr", [0.5], same)
[mean], [sd] = spread(same)
print(f"{mean:.2%} with a standard deviation of {100 * sd:.2f} points, on {data.name}, "
      f"{time.time() - start:.1f} s")
for runs in 1, 2, 3, 5:
    print(f"  {runs} run(s) of each of two settings: a difference is worth a word from about "
          f"{200 * sd * np.sqrt(2 / runs):.2f} points")

# %% [markdown]
# On MNIST the spread is about 0.2 points. The mean of $S$ runs has the standard deviation $d /
# \sqrt{S}$, the difference of two such means $d\sqrt{2 / S}$. Chance exceeds twice that in about
# one case of twenty, which gives the lines above: a gain of 0.3 points in a single run each says
# nothing. More seeds make the seeds matter less, but not the images: an error $e$ measured on $n$
# images is itself uncertain by about $\sqrt{e (1 - e) / n}$. Which of the two bands below hits all
# settings alike?
#
# <details><summary>What comes out</summary>
#
# The lower one, as all settings share the images. The two are about equally wide on MNIST.
#
# </details>

# %%
images = np.sqrt(mean * (1 - mean) / len(part.test_labels))
fig, ax = plt.subplots(figsize=(7, 1.8))
ax.axvspan(100 * (mean - sd), 100 * (mean + sd), 0.55, 0.95, color="C0", alpha=0.2,
           label="mean and standard deviation over seeds")
ax.axvspan(100 * (mean - images), 100 * (mean + images), 0.05, 0.45, color="C1", alpha=0.2,
           label="uncertainty from the number of images")
ax.axvline(100 * mean, color="black", linewidth=1)
ax.plot(100 * same[0], np.full(len(seeds), 0.75), "o", color="C0")
ax.set(ylim=(0, 1), yticks=[], xlabel="validation error in %", title="Five seeds, one setting")
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ### Learning rate
#
# *Expect:* too small a rate and three epochs are not enough; too large, and steps overshoot. The
# slope of a sigmoid is at most 1/4, which makes its gradients smaller, so it should tolerate
# larger rates. (Some twenty seconds.)

# %%
start = time.time()
rates, seeds = [5, 1, 0.5, 0.1], [1, 2, 3]
by_rate = {}
for activation in Sigmoid, ReLU:
    name = activation.__name__.removeprefix("My")
    print(f"{name}, on {data.name}, validation errors")
    by_rate[name] = sweep(experiment(part, "lr", activation=activation), rates, seeds)
    show("lr", rates, by_rate[name])
    print("  best rate:", choice(rates, by_rate[name]), f" {time.time() - start:.1f} s")

# %% [markdown]
# On MNIST the sigmoid is best at 1 and still learns at 5. ReLU is best at 0.5, with almost half a
# point less than the sigmoid's best: more than three runs each ask for. At 5 it is **dead**: the
# first steps are so long that soon (nearly) all 64 units are negative for every image. There the
# gradient of a ReLU is 0, so their weights never change again; only the biases of the last layer
# do. Dots are runs: at which rate are they far apart, and what does that say of the rate?

# %%
def plot_errors(ax, values, errors, label, color):
    """Plot the errors of all runs, in %, a line through the means, a star for a diverged run."""
    ax.plot(values, 100 * np.mean(errors, axis=1), color=color, label=label)
    ax.plot(values, 100 * errors, "o", color=color, markersize=4, alpha=0.6)
    diverged = [value for value, runs in zip(values, errors) if np.isnan(runs).any()]
    ax.plot(diverged, [100] * len(diverged), "*", color=color, markersize=12)
    ax.set(xscale="log", yscale="log", ylim=(1.5, 130), ylabel="validation error in %")
    ax.set_xticks(values, [str(value) for value in values])
    ax.set_yticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
    ax.minorticks_off()


fig, ax = plt.subplots(figsize=(6, 3.2))
for (name, errors), color in zip(by_rate.items(), ("C0", "C1")):
    plot_errors(ax, rates, errors, name, color)
ax.set(xlabel="learning rate", title="Learning rate, one hidden layer of 64, 3 epochs")
ax.legend()
plt.show()

# %% [markdown]
# ### Depth
#
# A fair comparison uses the same depths for both, and for each a rate at which it works: 1 for the
# sigmoid, 0.1 for ReLU (at 0.5 its ten layers learn nothing). Layers of weights are counted, so
# that two have one hidden layer. *Expect:* more layers can express more, so perhaps the error
# falls. (Some fifteen seconds.)

# %%
start = time.time()
depths = [2, 4, 6, 10]
by_depth = {}
for activation, lr in (Sigmoid, 1), (ReLU, 0.1):
    name = activation.__name__.removeprefix("My")
    print(f"{name}, on {data.name}, validation errors")
    run = experiment(part, "layers", activation=activation, lr=lr)
    by_depth[name] = sweep(run, depths, [1234])
    show("layers", depths, by_depth[name])
    print(f"  {time.time() - start:.1f} s")

# %% [markdown]
# On MNIST the sigmoid networks of six and ten layers still have 90 % error, which is guessing;
# ReLU works at every depth, but gains little by it. (These are single runs: see the yardstick.)
# The plot on the right says why. A gradient passes through every layer on its way down, and each
# sigmoid takes at least three quarters of it away: it **vanishes**. ReLU passes it on undiminished
# where a unit is active. How many powers of ten lie between layer 6 and layer 2? (The first
# layer has 784 inputs instead of 64, so its gradient is larger than the line through the others
# lets one expect.)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
for activation, color in (Sigmoid, "C0"), (ReLU, "C1"):
    name = activation.__name__.removeprefix("My")
    plot_errors(left, depths, by_depth[name], name, color)
    edf.seed(1234)
    net = mlp([data.train_images[0].size] + [64] * 5 + [10], activation)
    error_rate(net, data.train_images[:1000], data.train_labels[:1000])     # runs forward
    edf.backward(net.loss)
    norms = [np.linalg.norm(weights.grad) for weights in edf.params[::2]]
    right.plot(range(1, 7), norms, "o-", color=color, label=name)
left.set(xlabel="layers of weights", title="Depth, 64 units wide, 3 epochs")
left.legend()
right.set(xlabel="layer, from the input", ylabel="size of the gradient", yscale="log")
right.set(title="Six layers, before training")
right.legend()
plt.show()

# %% [markdown]
# Here is the sigmoid network of six layers once more, for one epoch, with its loss per image.

# %%
edf.seed(1234)
net = mlp([data.train_images[0].size] + [64] * 5 + [10], Sigmoid)
[(_, error)] = train(net, part, edf.SGD(lr=1), epochs=1, say=False)
print(f"{data.name}: validation error {error:.2%}, loss {net.loss.value.mean():.2f}")

# %% [markdown]
# **Question 1.4.** On MNIST the loss above is 2.31, and after three epochs it still is. Where does
# this number come from? Is the network in a local minimum? Write down your guess, then change one
# number in the cell above to train for ten epochs.

# %% [markdown]
# ### BEGIN SOLUTION
# It is close to $\ln 10 = 2.30$, the loss of a network that gives every class the probability
# 1/10, whatever the image. It is not a minimum but a plateau: the early layers have next to no
# influence on the output, so their gradients are tiny, but not zero. On MNIST the network leaves
# it in the sixth epoch; after ten its error is about 10 %.
# ### END SOLUTION

# %% [markdown]
# ### Width
#
# With the rate that was chosen for ReLU. *Expect:* a wider layer can tell more things apart, so
# the error falls with the width; but how soon does it stop falling? (Some ten seconds.)

# %%
start = time.time()
widths, lr = [4, 16, 64, 256], choice(rates, by_rate["ReLU"])
by_width = sweep(experiment(part, "width", lr=lr), widths, [1, 2])
print(f"ReLU, lr {lr}, on {data.name}, validation errors")
show("width", widths, by_width)
print("  best width:", choice(widths, by_width), f" {time.time() - start:.1f} s")

# %% [markdown]
# On MNIST the error falls at every step; the last one, from 64 to 256 units, is worth 0.4 points,
# about the least that two runs each can show. At width 4 accidents decide: of four units, two or
# three die, and the network has to tell ten classes apart by the rest. Here the dead are counted,
# after one epoch, for a narrow network, a wider one, and one with the rate 5. A unit is dead if it
# is 0 for every validation image.

# %%
for units, rate in (4, 0.5), (64, 0.5), (64, 5):
    for seed in 1, 2:
        edf.seed(seed)
        net = mlp([data.train_images[0].size, units, 10], ReLU)
        [(_, error)] = train(net, part, edf.SGD(rate), epochs=1, say=False)
        hidden = net.scores.x.value                     # of the validation images, (N, units)
        print(f"width {units:2}  lr {rate:<3}  seed {seed}  validation error {error:6.2%}  "
              f"dead units {(hidden <= 0).all(axis=0).sum():2}  ({data.name})")

# %% [markdown]
# For which widths would you want more than two runs?

# %%
fig, ax = plt.subplots(figsize=(6, 3.2))
plot_errors(ax, widths, by_width, "ReLU", "C1")
ax.set(xlabel="hidden units", title="Width, one hidden layer, 3 epochs")
plt.show()

# %% [markdown]
# ### Mini-batches
#
# The loss of the training set is a mean over all its $N$ images, and so is its gradient. The mean
# over a batch of $B$ images estimates it, at $B / N$ of the cost:
#
# $$g_B = \frac{1}{B} \sum_{i \in \text{batch}} \frac{\partial \ell_i}{\partial w},\qquad
# \mathrm{E}\,g_B = \frac{1}{N} \sum_{i = 1}^{N} \frac{\partial \ell_i}{\partial w},\qquad
# |g_B - \mathrm{E}\,g_B| \sim \frac{1}{\sqrt{B}}$$
#
# (E is the mean over all batches that could be drawn.) Four times the images halve the error of
# the estimate, but cost four times as much. Therefore
# many rough steps get further than a few exact ones. *Expect:*
# how far from the mean is the gradient of a single image, beside the size of the mean?

# %%
def weight_gradient(net, images, labels):
    """Return the gradient of the mean loss with respect to the first weights."""
    net.x.value, net.labels.value = images.reshape(-1, images[0].size), labels
    edf.forward()
    edf.backward(net.loss)
    return edf.params[0].grad


pixels = data.train_images[0].size
net = mlp([pixels, 64, 10], Sigmoid)
whole = weight_gradient(net, data.train_images, data.train_labels)
sizes = np.array([1, 4, 16, 64, 256, 1024])
distances = np.zeros((6, 20))                                   # 20 batches of each size
for (i, j), _ in np.ndenumerate(distances):
    rows = edf.rng.choice(len(data.train_labels), sizes[i])
    estimate = weight_gradient(net, data.train_images[rows], data.train_labels[rows])
    distances[i, j] = np.linalg.norm(estimate - whole) / np.linalg.norm(whole)
fig, ax = plt.subplots(figsize=(6, 3))
ax.plot(sizes, distances, "o", color="C0", alpha=0.3, label=["a batch"] + [None] * 19)
ax.plot(sizes, distances[0].mean() / np.sqrt(sizes), "k--", label=r"falls like $1 / \sqrt{B}$")
ax.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="distance / size of the mean")
ax.set(title="Gradients of batches around that of all images")
ax.set_xticks(sizes, [str(size) for size in sizes])
ax.set_yticks([0.125, 0.25, 0.5, 1, 2, 4, 8], ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
ax.minorticks_off()
ax.legend()
plt.show()

# %% [markdown]
# ### Batch size
#
# One epoch each, 100 hidden units, the images in random order, and a small fixed rate: 0.001 with
# momentum 0.9 (section 2 explains it). *Expect:* larger batches have better gradients; but an
# epoch has fewer of them. (Some ten seconds.)

# %%
start = time.time()
sizes = [2, 4, 8, 16, 64]
run = experiment(part, "size", width=100, lr=0.001, momentum=0.9, epochs=1, shuffle=True)
by_size = sweep(run, sizes, [1])
print(f"ReLU, on {data.name}, validation errors")
show("size", sizes, by_size)
longer = train_once(part, 1, width=100, lr=0.001, momentum=0.9, epochs=4, shuffle=True)
print(f"  size 64, four epochs: {longer:.2%}   {time.time() - start:.1f} s")

# %% [markdown]
# On MNIST the error grows with the batch, from about 3.4 % to about 10.5 %. But smaller batches do
# not have better gradients: they take more steps. Batches of 64 take as many in *four* epochs as
# batches of 16 take in one, and then their error is about the same. So this experiment compares
# numbers of steps, not gradients. Where, then, should the square lie?

# %%
fig, ax = plt.subplots(figsize=(6, 3.2))
count = len(part.train_labels)
steps = [-(-count // size) for size in sizes]                   # batches in an epoch, rounded up
ax.plot(steps, 100 * by_size[:, 0], "o-", color="C1", label="one epoch")
for size, number, error in zip(sizes, steps, by_size[:, 0]):
    ax.annotate(f"size {size}", (number, 100 * error), xytext=(6, 6), textcoords="offset points")
ax.plot(4 * steps[-1], 100 * longer, "ks", label="size 64, four epochs")
ax.margins(0.15)
ax.set(xscale="log", xlabel="steps", ylabel="validation error in %")
ax.set(title="Batch size at a fixed rate, one hidden layer of 100")
ax.legend()
plt.show()

# %% [markdown]
# ### The test set, once
#
# The choices are made: ReLU, with the best rate and the best width of the sweeps. Now such a
# network is trained on *all* training images, and for the first time in this section the test
# images are looked at. *Expect:* about the validation error, perhaps a little more: the winner of
# a comparison was also lucky on the images that it was chosen by. (Some five seconds.)

# %%
start = time.time()
lr, width = choice(rates, by_rate["ReLU"]), choice(widths, by_width)
test = train_once(data, 1, lr=lr, width=width)
print(f"{width} hidden units, rate {lr}, three epochs: {test:.2%} test error, "
      f"{by_width[widths.index(width)].mean():.2%} validation error")
print(f"on {data.name}, {time.time() - start:.1f} s")

# %% [markdown]
# ## 2 Optimisers
#
# Gradient descent has one learning rate $\eta$ for all parameters. Is that a problem? Take a loss
# of two numbers, a **ravine** with walls 25 times as steep as its floor:
#
# $$\ell = \tfrac12\,(w_0^2 + 25\,w_1^2),\qquad w_0 \leftarrow (1 - \eta)\,w_0,\qquad
# w_1 \leftarrow (1 - 25\,\eta)\,w_1$$
#
# If $\eta$ exceeds $2/25 = 0.08$, then $w_1$ grows with every step. Below that, $w_0$ loses less
# than 8 % of its size in a step. The steepest direction limits the rate, and all others wait.
#
# The optimisers below remember earlier gradients. Each is a subclass of `edf.Optimiser`, whose
# `step` is printed here. What you write is `direction`: the $d$ in $w \leftarrow w - \eta\,d$.
# (The lines on decay are for an option that we leave at 0.)

# %%
edf.clear()
edf.seed(11)
edf.dtype = np.float64

print(inspect.getsource(edf.Optimiser.step))

# %% [markdown]
# ### Momentum
#
# With $g = w^\nabla$ in this step, and $m = 0$ before the first,
#
# $$m \leftarrow \mu\,m + g,\qquad d = m,\qquad\text{so that}\qquad
# m_t = g_t + \mu\,g_{t-1} + \mu^2 g_{t-2} + \dots$$
#
# If all gradients are $g$, then $m$ approaches $g\,(1 + \mu + \mu^2 + \dots) = g / (1 - \mu)$:
# with $\mu = 0.9$, steps ten times as long, as along the floor of a ravine. If $g$ and $-g$ take
# turns, as between its walls, $m$ approaches $\pm g / (1 + \mu)$, about half of $g$.

# %% [markdown]
# **Exercise 2.1: momentum.** Return $d$, of the shape of `grad`, the gradient of one parameter.
# `kept` is a dict that belongs to this parameter: it is empty in the first step, and what you put
# into it is there in the next one.
#
# <details><summary>Hint</summary>
#
# The method `get` of a dict takes a second argument: what to return where there is no such key.
# The learning rate has no place here, since `step` multiplies by it.
#
# </details>

# %%
class MyMomentum(edf.Optimiser):
    def __init__(self, lr, momentum=0.9):
        super().__init__(lr)
        self.momentum = momentum

    def direction(self, grad, kept):
        ### BEGIN SOLUTION
        kept["m"] = self.momentum * kept.get("m", 0) + grad
        return kept["m"]
        ### END SOLUTION


# %%
Momentum = check("MyMomentum")

# %% [markdown]
# ### RMSProp
#
# Divide each gradient by its usual size, and every number of every parameter moves at a rate of
# its own. The usual size is the root of a running mean of the squares. Entry by entry, with
# $v = 0$ before the first step,
#
# $$v \leftarrow \alpha\,v + (1 - \alpha)\,g^2,\qquad d = \frac{g}{\sqrt v + \epsilon}.$$
#
# In the first step $v = (1 - \alpha)\,g^2$, so that $d = \pm 1 / \sqrt{1 - \alpha}$: with $\alpha
# = 0.99$, a move of $10\,\eta$, whatever the gradient. Where $|g|$ stays the same, $v$ approaches
# $g^2$, and moves approach $\eta$.

# %% [markdown]
# **Exercise 2.2: RMSProp.** Return $d$, of the shape of `grad`; keep $v$ in `kept`.
#
# <details><summary>Hint</summary>
#
# On arrays, `**` and `np.sqrt` work entry by entry. The small `self.eps`, which only prevents a
# division by 0, stands outside the root.
#
# </details>

# %%
class MyRMSProp(edf.Optimiser):
    def __init__(self, lr=0.01, alpha=0.99, eps=1e-8):
        super().__init__(lr)
        self.alpha, self.eps = alpha, eps

    def direction(self, grad, kept):
        ### BEGIN SOLUTION
        kept["v"] = self.alpha * kept.get("v", 0) + (1 - self.alpha) * grad ** 2
        return grad / (np.sqrt(kept["v"]) + self.eps)
        ### END SOLUTION


# %%
RMSProp = check("MyRMSProp")

# %% [markdown]
# ### Adam
#
# [Adam](https://arxiv.org/abs/1412.6980) joins both, with a running mean of the gradients as
# numerator:
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\,g,\qquad v \leftarrow \beta_2 v + (1 - \beta_2)\,g^2$$
#
# Both start at 0, so at first they are too small. By how much? In step $t$ the weights of all
# gradients so far add up to
#
# $$m_t = (1 - \beta_1)\sum_{s=1}^t \beta_1^{t-s} g_s,\qquad
# (1 - \beta_1)\sum_{s=1}^t \beta_1^{t-s} = (1 - \beta_1)\,\frac{1 - \beta_1^t}{1 - \beta_1}
# = 1 - \beta_1^t.$$
#
# A mean needs weights that add up to 1. So divide by their sum, the **bias correction**; $v$
# likewise:
#
# $$\hat m = \frac{m}{1 - \beta_1^t},\qquad \hat v = \frac{v}{1 - \beta_2^t},\qquad
# d = \frac{\hat m}{\sqrt{\hat v} + \epsilon}$$
#
# In the first step $\hat m = g$ and $\hat v = g^2$: a move of $\eta$, whatever the gradient.

# %% [markdown]
# **Exercise 2.3: Adam.** Return $d$, of the shape of `grad`. Keep $m$, $v$ and the number of the
# step, $t = 1$ in the first, in `kept`.
#
# <details><summary>Hint</summary>
#
# Keep $m$ and $v$ as they are, without the correction: it is made anew in each step. `self` is
# shared by all parameters, so $t$ must not be counted there.
#
# </details>

# %%
class MyAdam(edf.Optimiser):
    def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(lr)
        self.betas, self.eps = betas, eps

    def direction(self, grad, kept):
        beta1, beta2 = self.betas
        ### BEGIN SOLUTION
        t = kept["t"] = kept.get("t", 0) + 1
        kept["m"] = beta1 * kept.get("m", 0) + (1 - beta1) * grad
        kept["v"] = beta2 * kept.get("v", 0) + (1 - beta2) * grad ** 2
        m, v = kept["m"] / (1 - beta1 ** t), kept["v"] / (1 - beta2 ** t)
        return m / (np.sqrt(v) + self.eps)
        ### END SOLUTION


# %%
Adam = check("MyAdam")

# %% [markdown]
# ### First steps
#
# How long is the first move of each, for gradients of 0.001, 1 and 1000?
#
# <details><summary>What comes out</summary>
#
# That of SGD and momentum is $\eta\,g$; that of RMSProp is $10\,\eta$, and that of Adam $\eta$,
# whatever $g$ is. (Where $g$ is small, $\epsilon$ shows in the last digit.)
#
# </details>

# %%
print("lr = 0.01", *(f"{name:>10}" for name in ("SGD", "momentum", "RMSProp", "Adam")))
for g in 0.001, 1.0, 1000.0:
    print(f"g = {g:<5g}", end="")
    for optimiser in edf.SGD(0.01), Momentum(0.01, momentum=0.9), RMSProp(0.01), Adam(0.01):
        print(f" {0.01 * optimiser.direction(np.array(g), {}):10.5f}", end="")
    print()

# %% [markdown]
# ### The ravine
#
# Each optimiser starts at the cross and makes 40 steps, at a rate that suits it. The lines are
# those of equal loss, the dot is the minimum. Momentum is 0.7 here. Which of the four will leap
# from wall to wall, which will overshoot, and which will set out as if walls and floor were equally
# steep? ([Why Momentum Really Works](https://distill.pub/2017/momentum/) lets you play with it.)
#
# <details><summary>What comes out</summary>
#
# SGD leaps, and creeps along the floor. Momentum covers the floor sooner, and overshoots. RMSProp
# and Adam begin with moves of the same length in both directions (the scale of $w_1$ is the larger
# one).
#
# </details>

# %%
def walk(optimiser, steps=40):
    """Return the points that an optimiser visits in the ravine, as (steps + 1, 2)."""
    edf.clear()
    w, halves = edf.Param([-8.0, 2.0]), edf.Input([0.5, 12.5])
    loss = edf.Sum(halves * w * w)
    path = [w.value.copy()]
    for _ in range(steps):
        edf.forward()
        edf.backward(loss)
        optimiser.step()
        path.append(w.value.copy())
    return np.array(path)


walks = {"SGD, 0.075": edf.SGD(0.075), "momentum, 0.05": Momentum(0.05, momentum=0.7),
         "RMSProp, 0.15": RMSProp(0.15), "Adam, 0.5": Adam(0.5)}
w0, w1 = np.meshgrid(np.linspace(-9, 5, 57), np.linspace(-3, 3, 49))
fig, axes = plt.subplots(1, 4, figsize=(10, 2.5), sharey=True)
for (name, optimiser), ax in zip(walks.items(), axes):
    path = walk(optimiser)
    ax.contour(w0, w1, 0.5 * w0 ** 2 + 12.5 * w1 ** 2, [1, 5, 15, 35, 70], colors="0.8")
    ax.plot(*path.T, ".-", markersize=3, linewidth=0.8)
    ax.plot(*path[0], "kx")
    ax.plot(0, 0, "ko", markersize=4)
    ax.set(title=name, xlabel="$w_0$, the floor", xlim=(-9, 5), ylim=(-3, 3))
    ax.grid(False)
axes[0].set_ylabel("$w_1$, the walls")
plt.show()

# %% [markdown]
# ### On images
#
# Now a network with 100 hidden units, in batches of 16, for two epochs: all four at the common
# rate 0.001, and SGD once more at 0.1. *Expect:* which of them make steps of which length at
# 0.001, whatever the gradients? What does that say about the comparison? (Some fifteen seconds.)

# %%
edf.clear()
edf.seed(11)
edf.dtype = np.float32


def losses_of(net, data, optimiser, epochs):
    """Train in batches of 16; return the mean loss of the batch in every step."""
    images, losses = data.train_images.reshape(len(data.train_images), -1), []
    for _ in range(epochs):
        batches = edf.batches(images, data.train_labels, size=16, shuffle=True)
        for net.x.value, net.labels.value in batches:
            edf.forward()
            edf.backward(net.loss)
            optimiser.step()
            losses.append(net.loss.value.mean())
    return np.array(losses)


runs = {"SGD, 0.001": edf.SGD(0.001), "momentum, 0.001": Momentum(0.001, momentum=0.9),
        "RMSProp, 0.001": RMSProp(0.001), "Adam, 0.001": Adam(0.001), "SGD, 0.1": edf.SGD(0.1)}
print("test accuracy on", data.name)
losses = {}
for name, optimiser in runs.items():
    edf.seed(1234)
    net, start = mlp([data.train_images[0].size, 100, 10], edf.ReLU), time.time()
    losses[name] = losses_of(net, data, optimiser, epochs=2)
    print(f"{name:15} {1 - error_rate(net, data.test_images, data.test_labels):.2%}"
          f"  {time.time() - start:.1f} s")

# %% [markdown]
# Each curve shows means over fortieths of the run. Which win at the common rate, and where does the
# curve of SGD at 0.1 lie?
#
# <details><summary>What comes out</summary>
#
# RMSProp and Adam win by far, and momentum, whose steps are up to ten times those of SGD, comes
# next. But the curve of SGD at 0.1 lies among those of the winners: on MNIST all three have about
# 97 % right.
#
# </details>

# %%
fig, ax = plt.subplots(figsize=(7, 3.2))
for (name, values), line in zip(losses.items(), ("-", "-", "-", "-", "k--")):
    parts = [part.mean() for part in np.array_split(values, 40)]
    ax.plot(np.linspace(0, 2, 81)[1::2], parts, line, label=name)
ax.set(xlabel="epoch", ylabel="training loss", yscale="log", title=f"Batches of 16, {data.name}")
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# **Question 2.4.** Somebody trains a network with SGD, RMSProp and Adam, all at the rate 0.001
# and with the other settings as the library has them, and reports: "Adam is the better
# optimiser." What has been measured, and what has not? Describe a comparison that could support
# the sentence.

# %% [markdown]
# ### BEGIN SOLUTION
# It was measured that 0.001 suits Adam and not SGD. The rate means different things to both: to
# Adam the length of a step, to SGD a factor of the gradient. So one common rate cannot tell "the
# better optimiser" from "the optimiser that this rate suits". A fair comparison tries several
# rates for each, chooses the best of each on a validation set, repeats these with several seeds,
# and compares the means of their errors with the spread between seeds. Here the last three
# accuracies differ by less than 0.3 points, about what another seed changes. What can be said for
# Adam: its default rate is often good enough, so there is less to search.
# ### END SOLUTION

# %% [markdown]
# ## 3 Normalizing a batch: BatchNorm
#
# The values inside a network should be neither tiny nor huge. BatchNorm sees to it. It
# standardizes each feature, a column of $x$ (B, D), over the rows $s$ of the batch, and then lets
# the network choose its scale $\gamma$ (D,) and its centre $\beta$ (D,):
#
# $$\mu_j = \frac1B\sum_s x_{sj},\qquad v_j = \frac1B\sum_s (x_{sj} - \mu_j)^2,\qquad
# \sigma_j = \sqrt{v_j + \epsilon}$$
# $$z_{sj} = \frac{x_{sj} - \mu_j}{\sigma_j},\qquad y_{sj} = \gamma_j\,z_{sj} + \beta_j$$
#
# The variance $v$ (D,) divides by B, not by B - 1. The small $\epsilon$, inside the root,
# prevents a division by 0 where a column is constant.
#
# ![A column of a batch is standardized with its own mean and deviation](picture:columns)
#
# Until now each example went through the network as if alone. Now $\mu$ and $v$ **couple** the
# rows. ([Paper](https://arxiv.org/abs/1502.03167), and [second
# thoughts](https://arxiv.org/abs/1805.11604).)

# %% [markdown]
# **Exercise 3.1: BatchNorm out of components.** Return the component $y$ (B, D) for components
# `x` (B, D), `gamma` (D,) and `beta` (D,), built from `edf.Mean` and the operators `+ - * / **`.
# Then backpropagation knows the gradient without a formula of yours.
#
# <details><summary>Hint</summary>
#
# `edf.Mean(x, axis=0)` is the mean over the rows, (B, D) to (D,), and (B, D) minus (D,) works as
# in NumPy. A variance is the mean of the squares of what is left.
#
# </details>

# %%
edf.clear()
edf.seed(12)
edf.dtype = np.float64


def my_composed_batchnorm(x, gamma, beta, eps=1e-5):
    """Return the component gamma (x - mean) / sqrt(variance + eps) + beta."""
    ### BEGIN SOLUTION
    centred = x - edf.Mean(x, axis=0)                           # (B, D) - (D,) -> (B, D)
    variance = edf.Mean(centred * centred, axis=0)              # (B, D) -> (D,)
    return gamma * (centred / (variance + eps) ** 0.5) + beta
    ### END SOLUTION


# %%
composed_batchnorm = check("my_composed_batchnorm")

# %% [markdown]
# ### The gradient by hand
#
# Columns do not mix, so look at one of them and leave out $j$; $g_s$ is $y^\nabla_s$. The entry
# $x_r$ reaches **every** $z_s$ of its column, through the mean and the variance, and $z_r$ directly
# besides: three paths. Find $\partial z_s / \partial x_r$ on paper, add up over $s$, and simplify
# until only means over the batch are left.
#
# <details><summary>The derivation</summary>
#
# First the mean and the variance:
#
# $$\frac{\partial\mu}{\partial x_r} = \frac1B,\qquad
# \frac{\partial v}{\partial x_r} = \frac1B\sum_s 2\,(x_s - \mu)\Bigl([s = r] - \frac1B\Bigr)
# = \frac2B\,(x_r - \mu),$$
#
# since $\sum_s (x_s - \mu) = 0$ removes the $\frac1B$. The root halves that and divides by
# $\sigma$:
#
# $$\frac{\partial\sigma}{\partial x_r} = \frac1{2\sigma}\,\frac{\partial v}{\partial x_r}
# = \frac{x_r - \mu}{B\,\sigma} = \frac{z_r}B$$
#
# With the quotient rule, $z_s = (x_s - \mu) / \sigma$ has one term for each of the **three
# paths**: direct, through the mean, through the variance.
#
# $$\frac{\partial z_s}{\partial x_r} = \frac{[s = r] - \frac1B}\sigma
# - \frac{x_s - \mu}{\sigma^2}\cdot\frac{z_r}B
# = \frac1\sigma\Bigl([s = r] - \frac1B - \frac{z_s z_r}B\Bigr)$$
#
# The gradient of $x_r$ collects from all rows:
#
# $$x^\nabla_r = \sum_s g_s\,\gamma\,\frac{\partial z_s}{\partial x_r}
# = \frac\gamma\sigma\Bigl(\sum_s g_s\,[s = r] - \frac1B\sum_s g_s
# - z_r\,\frac1B\sum_s g_s z_s\Bigr)
# = \frac\gamma\sigma\,\Bigl(g_r - \overline g - z_r\,\overline{g z}\Bigr),$$
#
# where a bar is the mean over the batch. For all $r$ the sum with $[s = r]$ would take $B^2$
# terms, and the last form takes $B$. $\gamma$ and $\beta$ are used in every row:
#
# $$\gamma^\nabla = \sum_s g_s\,z_s,\qquad \beta^\nabla = \sum_s g_s$$
#
# </details>

# %% [markdown]
# Two tests of the formula. Add a number to a column of $x$, and $y$ stays the same; so the gradient
# in this direction, the sum of the column of $x^\nabla$, must be 0. And stretch a column about its
# mean: but for $\epsilon$, $y$ stays the same again, so $\sum_r (x_r - \mu)\,x^\nabla_r$ is nearly
# 0.

# %% [markdown]
# **After training** an answer must not depend on the rest of the batch. So $f$ also gathers
# running averages of mean and variance (here with B - 1, which is right on average for what other
# batches will have), and uses those within `with edf.evaluating():`, where `edf.training` is
# false. Your gradient is for training only.

# %% [markdown]
# **Exercise 3.2: BatchNorm by hand.** `f` is given; it keeps $z$ (B, D) as `self.z` and $\sigma$
# (D,) as `self.sd`. Write the three gradients, (B, D), (D,) and (D,), for the upstream gradient
# `dy` (B, D).
#
# <details><summary>Hint</summary>
#
# Multiply `dy` by `gamma` first: that is the gradient with respect to $z$. The means are over axis
# 0, and arrays (D,) broadcast over the rows.
#
# </details>

# %%
class MyBatchNorm(edf.Component):
    mean, variance = 0.0, 1.0           # running averages

    def f(self, x, gamma, beta, eps=1e-5):
        mean, variance = self.mean, self.variance
        if edf.training:
            mean, variance = x.mean(axis=0), x.var(axis=0)              # (B, D) -> (D,)
            self.mean = 0.9 * self.mean + 0.1 * mean
            unbiased = variance * len(x) / (len(x) - 1)         # divides by B - 1 after all
            self.variance = 0.9 * self.variance + 0.1 * unbiased
        self.sd = np.sqrt(variance + eps)
        self.z = (x - mean) / self.sd                                   # (B, D) - (D,) -> (B, D)
        return gamma * self.z + beta

    def dx(self, dy, x, gamma, beta, eps):
        ### BEGIN SOLUTION
        dz = dy * gamma
        slope = (dz * self.z).mean(axis=0)                              # (B, D) -> (D,)
        return (dz - dz.mean(axis=0) - self.z * slope) / self.sd
        ### END SOLUTION

    def dgamma(self, dy, x, gamma, beta, eps):
        ### BEGIN SOLUTION
        return (dy * self.z).sum(axis=0)                                # (B, D) -> (D,)
        ### END SOLUTION

    def dbeta(self, dy, x, gamma, beta, eps):
        ### BEGIN SOLUTION
        return dy.sum(axis=0)                                           # (B, D) -> (D,)
        ### END SOLUTION


# %%
BatchNorm = check("MyBatchNorm")

# %% [markdown]
# ### The same function, twice
#
# Will their values and gradients differ? What does the formula buy, if not accuracy? (As long as
# one of both exercises is not done, EDF's component stands in for it.)

# %%
def measure(build):
    """Return value and gradients for one batch, the number of components, and the time."""
    edf.clear()
    draw = np.random.default_rng(12)
    inputs = [edf.Param(draw.normal(size=shape)) for shape in [(256, 100), 100, 100]]
    before = len(edf.components)
    y = build(*inputs)
    count = len(edf.components) - before
    loss = edf.Sum(y * edf.Input(draw.normal(size=(256, 100))))
    start = time.perf_counter()
    for _ in range(20):
        edf.forward()
        edf.backward(loss)
    seconds = (time.perf_counter() - start) / 20
    return [y.value] + [node.grad for node in inputs], count, seconds


functions = {"composed": composed_batchnorm, "by hand": BatchNorm}
results = {name: measure(function) for name, function in functions.items()}
for name, (_, count, seconds) in results.items():
    print(f"{name:9} components: {count}  forward and backward: {1000 * seconds:.1f} ms",
          "(EDF's, as the exercise is not done)" if functions[name] is edf.BatchNorm else "")
differences = [abs(a - b).max() for a, b in zip(*(arrays for arrays, _, _ in results.values()))]
for name, difference in zip(("y", "x.grad", "gamma.grad", "beta.grad"), differences):
    print(f"largest difference in {name:10}  {difference:.0e}")

# %% [markdown]
# ### The rest of the batch
#
# One number, 1.0, stands in two batches of which only another row differs. Will it give the same
# result in both, in training? And in evaluation, with the running averages of 100 batches?
#
# <details><summary>What comes out</summary>
#
# In training two results with two gradients: the rows are coupled. In evaluation one, whatever else
# is in the batch.
#
# </details>

# %%
edf.clear()
x = edf.Param(np.zeros((4, 1)))
y = BatchNorm(x, edf.Param([1.0]), edf.Param([0.0]))
loss = y * y * y                        # some function that is not linear
batches = [[1.0], [2.0], [3.0], [6.0]], [[1.0], [5.0], [3.0], [6.0]]
for i in range(100):
    x.value = batches[i % 2]
    edf.forward()
for x.value in batches:
    edf.forward()
    edf.backward(loss)
    print(f"training,   {x.value.ravel()}: 1.0 -> {y.value[0, 0]:.4f}, gradient "
          f"{x.grad[0, 0]:.4f}")
with edf.evaluating():
    for x.value in batches:
        edf.forward()
        print(f"evaluation, {x.value.ravel()}: 1.0 -> {y.value[0, 0]:.4f}")

# %% [markdown]
# ### A rescue
#
# Four layers, with weights that start far too small: normal, with standard deviation $10^{-4}$
# (batches of 128, rate 0.1, three epochs; LeakyReLU, so that no unit can die). *Expect:* each
# layer shrinks its input, so what is left behind four of them? And if BatchNorm stands behind each
# of the first three? (Some six seconds.)

# %%
edf.clear()
edf.seed(12)
edf.dtype = np.float32


def tiny_weights(n_in, norm):
    """Build n_in-100-100-100-10 with tiny weights; return the net and its hidden layers."""
    edf.clear()
    x, labels = edf.Input(), edf.Input()
    h, hidden = x, []
    for width in 100, 100, 100:
        h = edf.Affine(h, edf.Param(edf.normal(n_in, width, 1e-4)), edf.Param(np.zeros(width)))
        if norm is not None:
            h = norm(h, edf.Param(np.ones(width)), edf.Param(np.zeros(width)))
        h = edf.LeakyReLU(h, slope=0.02)
        hidden.append(h)
        n_in = width
    scores = edf.Affine(h, edf.Param(edf.normal(n_in, 10, 1e-4)), edf.Param(np.zeros(10)))
    return Net(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels)), hidden


# %%
histories, spreads = {}, {}
for name, norm in ("without", None), ("with BatchNorm", BatchNorm):
    edf.seed(1234)
    print(f"{name}, on {data.name}")
    net, hidden = tiny_weights(data.train_images[0].size, norm)
    net.x.value = data.train_images[:1000].reshape(1000, -1)
    net.labels.value = data.train_labels[:1000]
    edf.forward()
    spreads[name] = [h.value.std(axis=0).mean() for h in (*hidden, net.scores)]
    histories[name] = train(net, data, edf.SGD(0.1), epochs=3, size=128, shuffle=True)
    print(f"  loss of the last test: {net.loss.value.mean():.4f}, and ln 10 = {np.log(10):.4f}")

# %% [markdown]
# Left, what came of it; right, how much the values of each layer differ between images, before
# training. By what factor does a layer shrink the differences without BatchNorm?
#
# <details><summary>What comes out</summary>
#
# On MNIST, 88.7 % error without (one class for all images) and less than 4 % with BatchNorm. Every
# layer makes the differences between images about a thousand times smaller, and BatchNorm makes up
# for most of that. (Not for all: these variances are smaller than $\epsilon$.)
#
# </details>

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
for (name, history), spread in zip(histories.items(), spreads.values()):
    left.plot(range(1, len(history) + 1), 100 * history[:, 1], "o-", label=name)
    right.plot(range(1, 5), spread, "o-", label=name)
left.set(xlabel="epoch", ylabel="test error in %", xticks=[1, 2, 3], yscale="log",
         title=f"Tiny weights, {data.name}")
left.set_yticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
left.minorticks_off()
right.set(xlabel="layer (4: the scores)", ylabel="spread over images", xticks=[1, 2, 3, 4],
          yscale="log", title="Before training")
left.legend()
plt.show()

# %% [markdown]
# **Why it is stuck.** The scores hardly depend on the image, so the best that the last biases can
# do is to learn how frequent each class is: the loss stays at $\ln 10$. The gradient of a weight
# matrix contains the other three as factors, each of size $10^{-4}$, so nothing moves.
#
# That is no **local minimum**, for the loss does not rise on all sides. Where all weights are 0,
# their gradients are exactly 0, and yet the loss falls in some directions: towards any weights
# that lift the scores of the right classes a little. It is a saddle, with a wide **plateau**
# around it. The same network with larger weights, or with BatchNorm, never meets it.

# %% [markdown]
# **Question 3.3.** In this network every `Affine` before a BatchNorm has a bias $b$, which is
# added to all rows. What is its gradient? Derive it from one of the two tests above, look at it
# in `edf.params`, and say what takes the place of $b$.

# %% [markdown]
# ### BEGIN SOLUTION
# The gradient of $b$ is the sum over the rows of the gradient of the `Affine`, and that is
# $x^\nabla$ of BatchNorm: its columns sum to 0. So $b^\nabla = 0$ but for rounding, and $b$ stays
# at 0: BatchNorm subtracts with the mean what $b$ has added. The centre of each feature is learned
# by $\beta$ instead; the biases could be left out.
# ### END SOLUTION

# %% [markdown]
# ## 4 Convolution (optional)
#
# `Affine` does not know which pixels are neighbours. A **convolution** does: it looks at
# **windows** of $k \times k$ pixels, and weighs the pixels of all windows with the same few
# numbers, the *kernel*. Windows start `stride` $s$ pixels apart, after `padding` $p$ empty pixels
# were put around the image. In height H a window can start at $0, s, 2s, \dots$, at most at $H + 2p
# - k$, so that there are
#
# $$H' = \Bigl\lfloor\frac{H + 2p - k}s\Bigr\rfloor + 1$$
#
# of them; in width, W' likewise. ([A guide](https://arxiv.org/abs/1603.07285) with many pictures.)
#
# ![A window of an image, the kernel, and the sums of all windows](picture:window)
#
# Images are arrays (B, C, H, W), with C channels: 1 for grey, 3 for colours, and further inside as
# many as the layer before has kernels.

# %%
edf.clear()
edf.seed(13)
edf.dtype = np.float64

print(" H  k  s  p  H'")
for h, k, s, p in (28, 5, 1, 0), (28, 3, 1, 1), (28, 5, 2, 2), (24, 2, 2, 0), (6, 3, 1, 0):
    first = edf.pixels(edf.pad(np.zeros((1, 1, h, h)), p), (k, k), s)[0]    # (1, 1, H', W')
    print(f"{h:2} {k:2} {s:2} {p:2}  {first.shape[2]:2}")

# %% [markdown]
# ### Windows overlap, so gradients add
#
# Where the stride is less than $k$, a pixel lies in several windows. Each of them uses it, so its
# gradient is a **sum** over windows. In how many windows does a pixel lie, in the three cases
# below?
#
# No loop over windows is needed. `edf.pixels(x, (k, k), stride)` is a list of $k^2$ arrays (B, C,
# H', W'): the first pixel of **all** windows, the second, and so on. They are views: what is added
# to one of them is added to `x`.

# %%
fig, axes = plt.subplots(1, 3, figsize=(8, 2.6))
for ax, (k, stride) in zip(axes, [(2, 2), (3, 1), (3, 2)]):
    count = np.zeros((1, 1, 7, 7), int)
    for pixel in edf.pixels(count, (k, k), stride):
        pixel += 1
    ax.imshow(count[0, 0], cmap="Blues", vmin=0, vmax=12)
    for (row, column), number in np.ndenumerate(count[0, 0]):
        ax.text(column, row, number, ha="center", va="center", fontsize=9)
    ax.set(title=f"{k} x {k} windows, stride {stride}", xticks=[], yticks=[])
    ax.grid(False)
plt.show()

# %% [markdown]
# ### Pooling
#
# Max-pooling keeps the largest pixel of each window, channel by channel: $y_u = \max_t X_{tu}$,
# with $X_{tu}$ for the pixel at place $t$ of window $u$. Which pixels does $y_u$ depend on, and
# what does a pixel collect that is the largest of two windows?
#
# **Exercise 4.1: the gradient of max-pooling.** Return it, of the shape of `x` (B, C, H, W);
# `dy` is (B, C, H', W'). Windows may overlap, for a `stride` smaller than `size`. (If several
# pixels of a window are the largest, let each have the gradient.)
#
# <details><summary>Hint</summary>
#
# Start from zeros like `x`, and go through the `edf.pixels` of `x` and those of the zeros together.
# `self.value` tells which of the pixels are the largest of their windows.
#
# </details>

# %%
class MyMaxPool2d(edf.Component):
    def f(self, x, size, stride=None):          # without a stride, windows touch
        return np.max(edf.pixels(x, (size, size), stride or size), axis=0)

    def dx(self, dy, x, size, stride):
        ### BEGIN SOLUTION
        collected = np.zeros_like(x)
        places = edf.pixels(collected, (size, size), stride or size)
        for pixel, place in zip(edf.pixels(x, (size, size), stride or size), places):
            place += dy * (pixel == self.value)                 # (B, C, H', W')
        return collected
        ### END SOLUTION


# %%
MaxPool2d = check("MyMaxPool2d")

# %% [markdown]
# ### Convolution as a matrix product
#
# Cut out all windows and unroll each into a column: $c_{nqu}$, where $q$ counts the $Q = C k^2$
# numbers of a window, and $u$ the $U = H'W'$ windows of image $n$. (A pixel in nine windows is
# copied nine times.) Kernel $o$ of O is a row $w_{oq}$, with a bias $b_o$. The convolution is a
# matrix product for each image, and its gradients follow as for `Affine`:
#
# $$y_{nou} = \sum_q w_{oq}\,c_{nqu} + b_o$$
#
# <details><summary>The gradients</summary>
#
# $$w^\nabla_{oq} = \sum_n\sum_u y^\nabla_{nou}\,c_{nqu},\qquad
# c^\nabla_{nqu} = \sum_o w_{oq}\,y^\nabla_{nou},\qquad
# b^\nabla_o = \sum_n\sum_u y^\nabla_{nou}$$
#
# </details>
#
# Lastly, $x^\nabla$ adds up $c^\nabla$: each entry at the pixel it was copied from, as in 4.1.

# %% [markdown]
# **Exercise 4.2: convolution by unrolled windows.** In `f`, compute `y` (B, O, U) from the
# kernels, as (O, Q), and from `self.cut`, which is $c$ (B, Q, U). In `dw`, return $w^\nabla$ in
# the shape of `w` (O, C, k, k).
#
# <details><summary>Hint</summary>
#
# `@` between (O, Q) and (B, Q, U) multiplies for every image. In `dw`, bring `dy` into the shape
# (B, O, U) first; then `a.swapaxes(1, 2)` transposes every matrix of a stack (B, Q, U), and the
# sum over $b$ comes last.
#
# </details>

# %%
class MyConv2d(edf.Component):
    def f(self, x, w, b, stride=1, padding=0):
        pixels = edf.pixels(edf.pad(x, padding), w.shape[2:], stride)   # k k of (B, C, H', W')
        self.cut = np.stack(pixels, axis=2).reshape(len(x), w[0].size, -1)      # (B, Q, U)
        ### BEGIN SOLUTION
        kernels = w.reshape(len(w), -1)                                 # (O, Q)
        y = kernels @ self.cut + b[:, None]                             # (B, O, U) + (O, 1)
        ### END SOLUTION
        return y.reshape(len(x), len(w), *pixels[0].shape[2:])          # (B, O, H', W')

    def dx(self, dy, x, w, b, stride, padding):
        cut = w.reshape(len(w), -1).T @ dy.reshape(len(x), len(w), -1)  # (B, Q, U)
        parts = cut.reshape(*x.shape[:2], -1, *dy.shape[2:])            # (B, C, k k, H', W')
        return edf.spread(np.moveaxis(parts, 2, 0), x, w.shape[2:], stride, padding)

    def dw(self, dy, x, w, b, stride, padding):
        ### BEGIN SOLUTION
        columns = dy.reshape(len(x), len(w), -1)                        # (B, O, U)
        each = columns @ self.cut.swapaxes(1, 2)                        # (B, O, Q)
        return each.sum(axis=0).reshape(w.shape)
        ### END SOLUTION

    def db(self, dy, x, w, b, stride, padding):
        return dy.sum(axis=(0, 2, 3))


# %%
Conv2d = check("MyConv2d")

# %% [markdown]
# ### A small convolutional network
#
# Eight kernels of 5 x 5, ReLU, max-pooling by 2, and one affine layer. One epoch in batches of 32,
# with Adam, whose rate falls to 0 along a cosine. *Expect:* more or fewer parameters than a
# perceptron with 100 hidden units? On MNIST, at least 97.5 % right after this one epoch. (Some six
# seconds.)

# %%
edf.clear()
edf.seed(13)
edf.dtype = np.float32


def cnn(side, kernels, conv, pool, k=5):
    """Build the graph of a small convolutional network for images of side x side."""
    edf.clear()
    x, labels = edf.Input(), edf.Input()
    images = edf.Reshape(x, (-1, 1, side, side))
    w = edf.he(k * k, kernels).T.reshape(kernels, 1, k, k)
    maps = edf.ReLU(conv(images, edf.Param(w), edf.Param(np.zeros(kernels))))
    n = kernels * ((side - k + 1) // 2) ** 2
    flat = edf.Reshape(pool(maps, size=2), (-1, n))
    scores = edf.Affine(flat, edf.Param(edf.he(n, 10)), edf.Param(np.zeros(10)))
    return Net(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels)), maps


net, maps = cnn(data.train_images.shape[1], 8, Conv2d, MaxPool2d)
print("parameters:", sum(param.value.size for param in edf.params))

# %%
start, adam, step = time.time(), edf.Adam(), 0
steps = np.ceil(len(data.train_images) / 32)
images = data.train_images.reshape(len(data.train_images), -1)
for net.x.value, net.labels.value in edf.batches(images, data.train_labels, size=32, shuffle=True):
    adam.lr = 0.005 * edf.cosine_decay(step, steps)
    edf.forward()
    edf.backward(net.loss)
    adam.step()
    step += 1
wrong = 0
for batch in edf.batches(data.test_images, data.test_labels, size=500):     # the windows are large
    wrong += len(batch[1]) * error_rate(net, *batch)
print(f"{1 - wrong / len(data.test_images):.2%} of the test images right, on {data.name}, after "
      f"one epoch  {time.time() - start:.1f} s")

# %% [markdown]
# Above, the eight kernels (red is positive, blue negative); below, what they see in the image at
# the left, after ReLU. Can you tell which kernel answers to strokes of one direction? Nobody has
# designed these patterns: they were learned, together with the layer that uses them.

# %%
error_rate(net, data.test_images[:1], data.test_labels[:1])
kernels = edf.params[0].value[:, 0]
fig, axes = plt.subplots(2, 9, figsize=(10, 2.4))
for ax in axes.flat:
    ax.axis("off")
axes[1, 0].imshow(data.test_images[0], cmap="gray_r")
limit = abs(kernels).max()
for kernel, seen, (above, below) in zip(kernels, maps.value[0], axes.T[1:]):
    above.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
    below.imshow(seen, cmap="gray_r", vmin=0, vmax=maps.value[0].max())
plt.show()

# %% [markdown]
# **Question 4.3.** How many parameters does this convolution have, for images of 28 x 28? How
# many would an `Affine` need that computes as many outputs from as many inputs? Which two
# assumptions about images does the convolution make in return?

# %% [markdown]
# ### BEGIN SOLUTION
# The convolution has 8 kernels of 25 weights, and 8 biases: 208 parameters. Its output has 8 x 24
# x 24 = 4,608 numbers, so an `Affine` from 784 pixels would need 784 x 4,608 weights and 4,608
# biases: 3,617,280. In return it assumes that what matters is local, as an output depends on 5 x 5
# neighbouring pixels only; and that it looks the same everywhere, as all windows share one
# kernel. Shuffle the pixels of all images in the same way, and a perceptron learns as well as
# before, but a convolution does not.
# ### END SOLUTION

# %% [markdown]
# ### What is done

# %%
score_sheet("ps2")
