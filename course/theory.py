# ---
# jupyter:
#   edf:
#     leave_out: []     # sections, for example [12, 13]; what is left runs without them
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
# # On paper: derivations, and questions to read for
#
# You will build a neural network out of **components**, each of which can compute its value and
# pass a gradient back, and train it to read handwritten digits. The framework is **EDF**. Its
# engine, sections 1 to 3 of the file `edf.py`, can be read in an hour.
#
# | | section | you write |
# |---|---|---|
# | 0 | Setup and data | |
# | 1 | Why gradients are added, and second derivatives are harder | two second derivatives |
# | 2 | A network by hand | a forward and a backward pass |
# | 3 | Reading questions | answers in words |

# %% [markdown]
# **How to work.** You should know derivatives, the chain rule and NumPy's arrays; backpropagation
# is explained here. After section 0, every section *runs* alone, from its first cell to its last.
# To *understand* it, read section 1 first, and look up words at the end of section 0.
#
# The outputs that you find are those of a run in which no exercise was done. Some questions ask
# what you expect: to think before you look, choose *Edit > Clear Outputs of All Cells*.

# %% [markdown]
# **Exercises.** Replace the lines `# YOUR CODE HERE` and `raise NotImplementedError()`, run the
# cell, and run the check below it. Under *Hint* is one, if you unfold it. As long as an exercise
# is not done, the notebook goes on with the component of EDF, so nothing stops you. The last cell
# shows the state of all exercises.

# %% [markdown]
# ## 0 Setup and data

# %%
from problem_sets import check, score_sheet     # first: it asks NumPy for one thread

import time
from collections import namedtuple

import matplotlib.pyplot as plt
import numpy as np

import edf
from mnist_loader import load
from problem_sets.nets import mlp

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                     "grid.alpha": 0.3, "figure.constrained_layout.use": True, "figure.dpi": 90})

# %% [markdown]
# ### The checks
#
# `check("MyReLU")` builds what you have called `MyReLU` on small arrays and compares its value
# with known numbers, and its gradient with **central differences**: if an entry of $x$ moves by a
# small $\pm h$, the loss has to move by $\pm h$ times the gradient. This loss is the sum of all
# values, each times a random number; these numbers are the `dy` that your formula gets. So no
# check contains an answer, and none proves yours right: it says "public checks passed".

# %% [markdown]
# Otherwise it says in one line what differs, and where: `MyReLU[1].dx` is the method `dx` of the
# component with number 1, counted from 0, in the check's graph. A check leaves the graph empty:
# to go on with one of yours, run the cell again that builds it.

# %% [markdown]
# ### The data
#
# MNIST: 70,000 handwritten digits of 28 x 28 pixels, 60,000 to learn from and 10,000 to be tested
# on. The loader looks for the files in the folder named by the environment variable `MNIST_DIR`,
# then in your cache, then downloads them. Where none of that works it says so and hands out 1,797
# digits that come with EDF: everything runs, but the figures named in the text are those of
# MNIST.
#
# *Look for:* how different two digits of the same class can be, and how alike two of different
# classes (4 and 9, 3 and 5).

# %%
data = load()
print("data:", data.name)
print("training:", data.train_images.shape, "testing:", data.test_images.shape)
print("images per class:", np.bincount(data.train_labels))
print("mean pixel:", data.train_images.mean().round(5))

# %%
fig, axes = plt.subplots(4, 10, figsize=(9, 3.8))
for digit, column in enumerate(axes.T):
    for image, ax in zip(data.train_images[data.train_labels == digit], column):
        ax.imshow(image, cmap="gray_r")
        ax.axis("off")
plt.show()

# %% [markdown]
# ### Words and letters, to look up
#
# | | |
# |---|---|
# | component | a node of the graph: a function of earlier ones |
# | `Input`, `Param` | components that hold data, and what is learned |
# | `value` | what `edf.forward()` computes for a component |
# | `grad`, $x^\nabla$ | the gradient of the loss by $x$, from `edf.backward(loss)` |
# | `f`, `dx` | of a component: its formula, and that for the gradient of its input `x` |
# | `dy` | what `dx` gets: $y^\nabla$, the gradient from **upstream**, in the shape of $y$ |
# | `self.value` | inside `dx`: the $y$ that `f` has computed |
# | `edf.clear()` | empties the graph |
# | `edf.seed`, `edf.dtype` | where random numbers start, and the kind of number in use |
# | `Affine`, scores | $xw + b$ for each row of a batch; the last one scores each class |
# | `SoftmaxCrossEntropy` | the loss: $-\log$ of the probability of the right class |
# | `Net` | a tuple of four components: `x`, `labels`, `scores`, `loss` |
# | one-hot | a row with 1 at the right class, and 0 elsewhere |
# | $[i = j]$ | 1 if $i = j$, else 0 |
# | B, D, H, K | rows of a batch; numbers of each that go in; hidden units; classes |

# %% [markdown]
# ## 1 Why gradients are added, and second derivatives are harder
#
# ### First derivatives
#
# Let $y = g(x)$, $z = h(x)$ and $\ell = f(y, z)$, with $f$ as one component $u$. We show that
# backpropagation computes $d\ell/dx$. Write $v^\nabla$ for `v.grad`, and $f_y$, $f_z$ for the
# partial derivatives of $f$ at $(g(x), h(x))$.
#
# The list is $x, y, z, u$. `backward` sets $u^\nabla = 1$ and no other gradient. Then, in reverse
# order,
#
# $$u:\quad y^\nabla = f_y\,u^\nabla = f_y,\qquad z^\nabla = f_z\,u^\nabla = f_z$$
# $$z:\quad x^\nabla \leftarrow 0 + z^\nabla h'(x) = f_z\,h'(x)$$
# $$y:\quad x^\nabla \leftarrow f_z\,h'(x) + y^\nabla g'(x) = f_z\,h'(x) + f_y\,g'(x)$$
#
# The last line is the chain rule for a function of two variables, $\frac{d}{dx} f(g(x), h(x))$.
# $\square$

# %% [markdown]
# Had $z$ been built before $y$, the two shares would come in the other order: a sum does not
# mind, an assignment does. With numbers, for two examples of $g$, $h$, $f$:
#
# | | $g$, $h$, $f$ | $x$ | $f_y\,g'$ | $f_z\,h'$ | sum |
# |---|---|---|---|---|---|
# | a | $x^2$, $x^3$, $yz$ | 2 | $8 \cdot 4 = 32$ | $4 \cdot 12 = 48$ | 80 |
# | b | $\sigma$, $\tanh$, $e^{yz}$ | 0.5 | 0.144794 | 0.652687 | 0.797482 |
#
# *Look for:* $y^\nabla = f_y$ and $z^\nabla = f_z$, and the sums.

# %%
edf.clear()
edf.seed(2)
edf.dtype = np.float64


def example_a(x):
    y, z = x * x, x * x * x
    return y, z, y * z


def example_b(x):
    y, z = edf.Sigmoid(x), edf.Tanh(x)
    return y, z, edf.Exp(y * z)


for build, x0 in (example_a, 2.0), (example_b, 0.5):
    edf.clear()
    x = edf.Param(x0)
    y, z, loss = build(x)
    edf.forward()
    edf.backward(loss)
    print(f"{build.__name__}: loss {loss.value:.6f}, gradient of y {y.grad:.6f}, "
          f"of z {z.grad:.6f}, of x {x.grad:.6f}")

# %% [markdown]
# ### Second derivatives
#
# It is tempting to get $d^2\ell/dx^2$ by the same walk with second derivatives in place of the
# first: $f_{yy}\,g'' + f_{zz}\,h''$. To see what is true, differentiate once more:
#
# $$\frac{d}{dx}\bigl[f_y\,g'\bigr] = (f_{yy}\,g' + f_{yz}\,h')\,g' + f_y\,g'',\qquad
# \frac{d}{dx}\bigl[f_z\,h'\bigr] = (f_{zy}\,g' + f_{zz}\,h')\,h' + f_z\,h''$$
#
# $$\frac{d^2\ell}{dx^2} = f_{yy}\,g'^2 + 2 f_{yz}\,g'h' + f_{zz}\,h'^2 + f_y\,g'' + f_z\,h''$$
#
# (We used $f_{yz} = f_{zy}$.) The naive rule lacks the squares, the mixed term and the factors
# $f_y$, $f_z$. It fails without any branching too: $f(g(x))'' = f''g'^2 + f'g''$, which is not
# $f''g''$.

# %% [markdown]
# Two remarks. First, that two formulas look different does not prove that they are: a
# **counterexample** does. Take example a, where $\ell = x^5$. Then $\ell'' = 20x^3$, but $f = yz$
# has $f_{yy} = f_{zz} = 0$, so the naive rule says 0. $\square$
#
# Second, the walk cannot begin with a 1, as `backward` does. That 1 is $d\ell/du$. But $\ell =
# u$, so the second derivative of $\ell$ by $u$ is 0. Beginning with this true value, the naive
# walk would multiply by 0 at once, and return 0 for every function. Beginning with 1 in order to
# get $f_{yy}$ and $f_{zz}$ is a convention, not a derivative.

# %% [markdown]
# What does work is to differentiate the *result* of backpropagation, numerically:
#
# $$\ell''(x) \approx \frac{\ell'(x + h) - \ell'(x - h)}{2h}$$
#
# **Exercise 1.1: a second derivative.** Write that, for one number `x0`. `build(x)` returns the
# loss as a component of the Param `x`, like `my_graph` of problem set 1.
#
# <details><summary>Hint</summary>
#
# For each of the two points, assign `x.value`, call `edf.forward()` and `edf.backward(loss)`, and
# read `x.grad`.
#
# </details>

# %%
def my_second_derivative(build, x0, h=1e-4):
    """Return d^2 loss / dx^2 at x0, from two first derivatives."""
    edf.clear()
    x = edf.Param(x0)
    loss = build(x)
    ### BEGIN SOLUTION
    slopes = []
    for x.value in x0 + h, x0 - h:
        edf.forward()
        edf.backward(loss)
        slopes.append(x.grad)
    return (slopes[0] - slopes[1]) / (2 * h)
    ### END SOLUTION


# %%
check("my_second_derivative");

# %% [markdown]
# How wrong is the naive rule where it is not just zero? In example b, $g = \sigma$, $h = \tanh$
# and $f(y, z) = e^{yz}$.
#
# **Exercise 1.2: the naive rule.** Return $f_{yy}\,g''(x) + f_{zz}\,h''(x)$ for example b, in
# NumPy alone, with derivatives by hand. `x` is a number, or an array for which it is done entry
# by entry.
#
# <details><summary>Hint</summary>
#
# $f_{yy}$ is taken with $z$ held fixed, so each of the two derivations by $y$ brings down a
# factor $z$. For $g''$ differentiate $g' = g(1 - g)$ with the product rule, for $h''$ differentiate
# $h' = 1 - h^2$.
#
# </details>

# %%
def my_naive_rule(x):
    """Return f_yy g'' + f_zz h'' at x, where y = sigmoid(x), z = tanh(x), f = exp(y z)."""
    ### BEGIN SOLUTION
    y, z = 1 / (1 + np.exp(-x)), np.tanh(x)
    g2 = y * (1 - y) * (1 - 2 * y)
    h2 = -2 * z * (1 - z ** 2)
    return np.exp(y * z) * (z ** 2 * g2 + y ** 2 * h2)
    ### END SOLUTION


# %%
naive_rule = check("my_naive_rule")

# %% [markdown]
# The true curve below is the slope of the gradient: EDF computes the gradient at 201 points at
# once, and `np.gradient` takes differences of neighbours.
#
# *Look for:* below $-1.7$ and between 0 and about 0.75 the naive rule does not even have the right
# sign. The curves cross once, by accident. At the right end they meet, because $y$ and $z$ are
# almost 1 there: then $f_{yy} \approx f_y$ and $f_{zz} \approx f_z$, and the squares are tiny.

# %%
x = edf.Param(np.linspace(-3, 3, 201))
loss = edf.Exp(edf.Sigmoid(x) * edf.Tanh(x))
edf.forward()
edf.backward(loss)
slope = x.grad * x.value.size                   # backward differentiates the mean
true = np.gradient(slope, x.value)

fig, ax = plt.subplots(figsize=(7, 3.2))
ax.plot(x.value, true, label="second derivative")
ax.plot(x.value, naive_rule(x.value), "--", label="naive rule")
ax.plot([0.5, 0.5], [0.3311, -0.3919], "o", color="black", markersize=4)
ax.annotate("0.3311", (0.5, 0.3311), (6, 4), textcoords="offset points")
ax.annotate("-0.3919", (0.5, -0.3919), (-50, -8), textcoords="offset points")
ax.set(xlabel="x", ylabel="curvature of the loss", title="Example b")
ax.legend()
plt.show()

# %% [markdown]
# ## 2 A network by hand
#
# One hidden layer, all of it at once, and first for **one example**: $x$ is a row (1, D), and its
# class is given as the row $t$ (1, K), which is 1 at the right class and 0 elsewhere (one-hot).
# Read the table downwards.
#
# | step | formula | shapes |
# |---|---|---|
# | first layer | $k = xW + b$ | (1, D) (D, H) + (H,) → (1, H) |
# | hidden units | $h = \sigma(k)$, with $\sigma(k) = 1 / (1 + e^{-k})$ | (1, H) → (1, H) |
# | scores | $o = hV + c$ | (1, H) (H, K) + (K,) → (1, K) |
# | probabilities | $y_i = e^{o_i} / \sum_l e^{o_l}$ | (1, K) → (1, K) |
# | loss | $\ell = -\sum_i t_i \log y_i$ | (1, K) → one number |
#
# The sum in the loss has one term that is not 0: $-\log y_i$ of the right class. Below, D = 2, H =
# 3 and K = 2, with weights that follow no pattern.

# %%
edf.clear()
edf.seed(7)
edf.dtype = np.float64

Weights = namedtuple("Weights", "W b V c")
asymmetric = Weights(W=np.array([[1, 0.5, -1], [-1, 2, 0.25]]), b=np.array([0.1, -0.2, 0.3]),
                     V=np.array([[1, -1], [-0.5, 2], [0.75, 0.3]]), c=np.array([0, 0.5]))
three = np.array([[1, -1], [0.5, 2], [-1.5, 0.25]])         # a batch of three examples, (3, 2)
classes = np.array([0, 1, 1])                               # and the right class of each

# %% [markdown]
# **Exercise 2.1: forward.** Return $h$ (B, H) and $y$ (B, K) for a batch `x` (B, D), in plain
# NumPy. Before `np.exp`, subtract the largest score of each row from that row: the quotient stays
# the same, and nothing can overflow.
#
# <details><summary>Hint</summary>
#
# The formulas of the table hold for B rows as they stand. For the softmax you need the maximum
# and the sum of each row, as columns (B, 1): `axis=1, keepdims=True`.
#
# </details>

# %%
def my_forward(x, W, b, V, c):
    """Return the hidden units h (B, H) and the probabilities y (B, K)."""
    ### BEGIN SOLUTION
    h = 1 / (1 + np.exp(-(x @ W + b)))                  # (B, D) @ (D, H) + (H,) -> (B, H)
    o = h @ V + c                                       # (B, H) @ (H, K) + (K,) -> (B, K)
    exp = np.exp(o - o.max(axis=1, keepdims=True))      # (B, K) - (B, 1) -> (B, K)
    return h, exp / exp.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %%
check("my_forward");

# %% [markdown]
# ### Backward: the upper layer
#
# Now the table from the bottom up. From the loss, $y^\nabla_i = -t_i / y_i$. By the quotient
# rule, $\partial y_i / \partial o_j = y_i\,([i = j] - y_j)$, with $[i = j]$ for 1 if $i = j$, else
# 0. So
#
# $$o^\nabla_j = \sum_i y^\nabla_i\,\frac{\partial y_i}{\partial o_j}
# = -\sum_i t_i\,\bigl([i = j] - y_j\bigr) = -t_j + y_j \sum_i t_i = y_j - t_j,$$
#
# because the entries of $t$ add up to 1. Next, $o_i = \sum_m h_m V_{mi} + c_i$. The entry
# $V_{jl}$ takes part in $o_l$ alone, with the factor $h_j$; $h_j$ takes part in every score:
#
# $$V^\nabla_{jl} = \sum_i o^\nabla_i\,h_j\,[i = l] = h_j\,o^\nabla_l,\qquad
# c^\nabla_l = \sum_i o^\nabla_i\,[i = l] = o^\nabla_l,\qquad
# h^\nabla_j = \sum_i o^\nabla_i\,V_{ji}.$$

# %% [markdown]
# ### Backward: the lower layer
#
# Each hidden unit depends on its own $k_j$ alone, with the derivative $\sigma' = \sigma(1 -
# \sigma)$, that is, $\partial h_m / \partial k_j = h_j(1 - h_j)\,[m = j]$:
#
# $$k^\nabla_j = \sum_m h^\nabla_m\,h_j (1 - h_j)\,[m = j] = h^\nabla_j\,h_j\,(1 - h_j).$$
#
# And $k = xW + b$ is made like $o = hV + c$. As matrices, with $\odot$ for the product entry by
# entry:
#
# $$o^\nabla = y - t,\qquad V^\nabla = h^\top o^\nabla,\qquad c^\nabla = o^\nabla,\qquad
# h^\nabla = o^\nabla V^\top,$$
# $$k^\nabla = h^\nabla \odot h \odot (1 - h),\qquad W^\nabla = x^\top k^\nabla,\qquad
# b^\nabla = k^\nabla.$$
#
# Of the way forward, $x$, $h$ and $y$ are needed again; $k$ and $o$ can be forgotten.

# %% [markdown]
# ### A batch
#
# B examples are B rows, and the loss is their mean. Only row $n$ of $o$ has to do with $\ell_n$:
#
# $$L = \frac1B \sum_n \ell_n,\qquad o^\nabla_{nj} = \frac1B\,(y_{nj} - t_{nj}).$$
#
# All rows use the same $V$ and $c$, so the sums run over the rows too:
#
# $$V^\nabla_{jl} = \sum_{n,i} o^\nabla_{ni}\,h_{nj}\,[i = l] = \sum_n h_{nj}\,o^\nabla_{nl}
# = (h^\top o^\nabla)_{jl},\qquad c^\nabla_l = \sum_n o^\nabla_{nl}.$$
#
# The matrix products do this sum by themselves. Only the two biases change: theirs are now sums
# over the rows. The factor $1/B$ comes in **once**, at the loss, and everything below inherits it.

# %% [markdown]
# **Exercise 2.2: backward.** Return the gradients of the mean loss with respect to $W$, $b$, $V$
# and $c$, in this order. You get the batch `x` (B, D), the right classes `labels` (B,) as
# integers, and `h` (B, H), `y` (B, K) from the way forward. Do not write into them.
#
# <details><summary>Hint</summary>
#
# The rows of an identity matrix (`np.eye`), picked by the labels, are the one-hot rows $t$. A
# gradient has the shape of what it belongs to, which tells where a transpose or a sum has to go.
#
# </details>

# %%
def my_backward(x, labels, h, y, V):
    """Return the gradients of W (D, H), b (H,), V (H, K) and c (K,)."""
    ### BEGIN SOLUTION
    o_grad = (y - np.eye(y.shape[1])[labels]) / len(y)      # (B, K)
    k_grad = o_grad @ V.T * h * (1 - h)                     # (B, K) @ (K, H) -> (B, H)
    return x.T @ k_grad, k_grad.sum(axis=0), h.T @ o_grad, o_grad.sum(axis=0)
    ### END SOLUTION


# %%
check("my_backward");

# %% [markdown]
# **Exercise 2.3: the same in EDF.** All arguments but the last are components: `x` and `labels`
# Inputs, the others Params. Return the loss as a component, built of `edf.Affine(x, w, b)`,
# `activation(x)` and `edf.SoftmaxCrossEntropy(scores, labels)`. The backward lines come with them.
#
# <details><summary>Hint</summary>
#
# Softmax is part of the last of the three, so what it gets is $o$ and not $y$.
#
# </details>

# %%
def my_network(x, labels, W, b, V, c, activation=edf.Sigmoid):
    """Return the losses of the examples, as a component."""
    ### BEGIN SOLUTION
    h = activation(edf.Affine(x, W, b))
    return edf.SoftmaxCrossEntropy(edf.Affine(h, V, c), labels)
    ### END SOLUTION


# %%
network = check("my_network")

# %% [markdown]
# *Look for:* every line of the derivation. The picture shows the first example, which is of class
# 0, with the value and the gradient of each component; in the box of the second `Affine`, the
# gradient is $y - t$.

# %%
def run(network, x, labels, weights, activation=edf.Sigmoid):
    """Build the network and run it both ways; return its loss and its Params."""
    edf.clear()
    params = Weights(*(edf.Param(array, name) for name, array in weights._asdict().items()))
    loss = network(edf.Input(x), edf.Input(labels), *params, activation)
    edf.forward()
    edf.backward(loss)
    return loss, params


loss, params = run(network, three[:1], classes[:1], asymmetric)
edf.draw(loss, values=True)

# %% [markdown]
# ### A batch gives no approximation
#
# Is the gradient of the mean loss only roughly the mean of the gradients? It is the same number:
# a derivative of a sum is the sum of the derivatives. (What a batch does approximate is the mean
# over *all* data.) *Look for:* differences in the last digit only, from rounding.

# %%
loss, params = run(network, three, classes, asymmetric)
in_one = [param.grad for param in params]
one_by_one = []
for n in range(3):
    loss, params = run(network, three[[n]], classes[[n]], asymmetric)
    one_by_one.append([param.grad for param in params])
for name, gradient, *singles in zip("WbVc", in_one, *one_by_one):
    print(f"{name}: largest entry {abs(gradient).max():.4f}, "
          f"largest difference {abs(gradient - np.mean(singles, axis=0)).max():.1e}")

# %% [markdown]
# ### Five steps
#
# A step moves every parameter against its gradient. With learning rate 0.5, the loss of the batch
# before each of five steps has to be 0.2620096, 0.2357542, 0.2151611, 0.1980847 and 0.1834654.

# %%
def descend(network, x, labels, weights, steps):
    """Take so many steps of SGD; return the losses before each, W after each, and the Params."""
    loss, params = run(network, x, labels, weights)
    sgd, losses, path = edf.SGD(lr=0.5), [], [params.W.value.copy()]
    for _ in range(steps):
        losses.append(loss.value.mean())
        sgd.step()
        path.append(params.W.value.copy())
        edf.forward()
        edf.backward(loss)
    return losses, np.array(path), params


losses, path, params = descend(network, three, classes, asymmetric, steps=5)
print("losses:", *np.round(losses, 7))

# %% [markdown]
# ### The zero trap
#
# A course gives this network as an exercise for paper and pencil, with nice numbers: all weights
# are 1 or $-1$, all biases 0, and $x = (1, -1)$. A table of its gradients was once handed in as
# evidence that a program is right. *Look for:* what the two networks say about the first layer.

# %%
given = Weights(W=np.array([[1, 1, 1], [-1, -1, -1]]), b=np.zeros(3),
                V=np.array([[1, 1], [-1, -1], [-1, -1]]), c=np.zeros(2))
for name, weights in ("given", given), ("asymmetric", asymmetric):
    loss, params = run(network, three[:1], [1], weights)
    sizes = [f"{name} {abs(param.grad).max():.4f}" for name, param in params._asdict().items()]
    print(f"{name:10}  loss {loss.value[0]:.7f}  largest gradients:", "  ".join(sizes))

# %% [markdown]
# In the given network the two columns of $V$ are equal, $V_{j0} = V_{j1} = v_j$. Hence
#
# $$h^\nabla_j = \sum_i o^\nabla_i\,V_{ji} = v_j \sum_i (y_i - t_i) = v_j\,(1 - 1) = 0,$$
#
# for every class and every $x$, and everything below is a product with 0, **whatever the first
# layer's backward does**. A table of zeros confirms nothing. To see it, here is a sigmoid whose
# gradient is nonsense. *Look for:* which network notices.

# %%
class WrongSigmoid(edf.Sigmoid):
    def dx(self, dy, x):
        return 1000 * dy + dy * x


for name, weights in ("given", given), ("asymmetric", asymmetric):
    gradients = []
    for activation in edf.Sigmoid, WrongSigmoid:
        loss, params = run(network, three[:1], [1], weights, activation)
        gradients.append(params.W.grad)
    print(f"{name:10}  right and wrong sigmoid give the same gradient of W:",
          np.array_equal(*gradients))

# %% [markdown]
# So compare gradients where none of them vanishes and no two are equal. (`edf.check_gradients`
# tries every component alone, with a random `dy`, and finds the nonsense in both networks.)

# %% [markdown]
# ### Symmetry
#
# Two hidden units with the same column of $W$, the same $b$ and the same row of $V$ compute the
# same $h$, so they get the same gradients, take the same step and are equal again: **for ever**.
# Units 2 and 3 of the given network are such a pair. Unit 1 has another row of $V$, but only by a
# number that is added to both of its entries, and this drops out of $h^\nabla$, since the entries
# of $o^\nabla$ add up to 0. *Look for:* three equal columns of $W$.

# %%
losses, path, params = descend(network, three, classes, given, steps=5)
W = params.W.value
print("losses:", *np.round(losses, 7))
print("W after five steps:", *W, sep="\n  ")
print("units 2 and 3 equal, bit for bit:", np.array_equal(W[:, 1], W[:, 2]),
      f"- units 1 and 2 differ by {abs(W[:, 0] - W[:, 1]).max():.0e}")

# %% [markdown]
# *Look for:* left, three units go three ways; in the middle, three go one way, one on top of the
# other: the network can do no more than with a single hidden unit. For these three examples that
# is enough, as the right picture shows; for other data it will not be.

# %%
fig, (*ways, right) = plt.subplots(1, 3, figsize=(10, 3))
for (name, weights), ax in zip({"asymmetric": asymmetric, "given": given}.items(), ways):
    losses, path, params = descend(network, three, classes, weights, steps=100)
    for unit, marker in enumerate("os^"):
        ax.plot(*path[:, :, unit].T, linewidth=1.5)
        ax.plot(*path[-1, :, unit], marker, color=f"C{unit}", markersize=10 - 3 * unit,
                label=f"unit {unit + 1}")
    ax.set(title=f"{name}: 100 steps", xlabel="$W_{0j}$", ylabel="$W_{1j}$")
    right.plot(losses, label=name)
ways[0].legend(fontsize=8)
right.set(xlabel="step", ylabel="loss", title="Loss of the batch", ylim=(0, None))
right.legend()
plt.show()

# %% [markdown]
# **Question 2.4.** Take random numbers for $W$, but leave $V$ and all biases as they are in the
# given network. Which gradients vanish before the first step, and which before the second? Do the
# hidden units stay equal?

# %% [markdown]
# ### BEGIN SOLUTION
# Before the first step $h^\nabla = 0$ still, so the gradients of $W$ and $b$ vanish; those of $V$
# and $c$ do not. But the hidden units now differ, so the rows of $V^\nabla = h^\top o^\nabla$
# differ, and its two columns differ in sign. After the first step the columns of $V$ are no longer
# equal, and before the second one no gradient vanishes. The units are different from the
# beginning and stay so: random $W$ is enough to break the symmetry, and the biases may start at 0.
# ### END SOLUTION

# %% [markdown]
# ## 3 Reading questions
#
# The first seven questions are on `edf.py`, and can be answered by reading the source or by
# running two lines; cells to begin with are given. Open the file beside the notebook: its
# sections 1 and 2 hold almost everything that you need, and the optimisers are in section 4. The
# other six are on conclusions from experiments. The sentences in them stood in reports; they were
# meant honestly, and one more number would have prevented each of them.

# %%
edf.clear()
edf.seed(15)
edf.dtype = np.float64

p, q = edf.Param([1.0, 2.0], name="p"), edf.Param([3.0, -1.0], name="q")
c = p * q
unused = edf.Exp(p)
for stage in "built", "after forward", "after backward":
    if stage == "after forward":
        edf.forward()
    elif stage == "after backward":
        edf.backward(c)
    print(f"{stage}:")
    for node in p, c, unused:
        print(f"    {edf.label(node):7}  value {node.value}  grad {node.grad}")

# %% [markdown]
# **Question 3.1.** Two calls do the work of `backward`. Which statement of `edf.py` calls the
# `backward` of a component, and which one calls its gradient formula (`dx`, say)? In which
# functions do they stand?

# %% [markdown]
# ### BEGIN SOLUTION
# The first is `component.backward()`, the last statement of the function `backward(loss)`. It
# hands the component no arguments: its gradient is complete by then, and stored in it. The second
# is in the method `Component.backward`: `derivative(self, name)` finds the method `d<input>`, and
# inside `node.add_grad(dx(self.grad, *values))` the call `dx(...)` runs the formula, whose result
# goes to `add_grad` of that input.
# ### END SOLUTION

# %% [markdown]
# **Question 3.2.** With `c = p * q` as above, what is `c.value`, what is `c.inputs[0]`, and what
# is `c.inputs[0].value`? Give type and shape of each. Which attribute of `c` is the same
# object as the second? (Look up the arguments of `Mul.f`.)

# %% [markdown]
# ### BEGIN SOLUTION
# `c.value` is an array of shape (2,), the product; it is `None` before `forward()`. `c.inputs[0]`
# is the component `p` itself, a `Param`: it has no shape, but it has a value, a gradient and a
# place on the list. `c.inputs[0].value` is the array that `p` holds, of shape (2,). As `Mul.f`
# calls its arguments `a` and `b`, `c.a` is the same component as `c.inputs[0]`.
# ### END SOLUTION

# %% [markdown]
# **Question 3.3.** Why does `edf.py` set gradients to `None` before the walk and not to zeros?
# Name two places in the source that make use of the difference.

# %% [markdown]
# ### BEGIN SOLUTION
# `None` says that no path leads from there to the loss (or that `backward` has not run), as for
# `unused`. A zero would say that there is one and that its slope is 0, as for a dead ReLU. It is
# used in `backward`, which does not call components whose gradient is `None`; in `add_grad`,
# which stores the first contribution instead of adding it to something; and in `learned`, so that
# an optimiser leaves such parameters alone. (A gradient of zeros would still be a step: weight
# decay and momentum would move them.) Before `forward()` the shape of such zeros is not even
# known, as there is no value yet.
# ### END SOLUTION

# %% [markdown]
# **Question 3.4.** What happens to `p.grad` if you call `edf.backward(c)` a second time? If you
# call `c.backward()` instead? Predict both, then run the first cell of this section and the next
# one. At its end it takes a step of gradient descent and calls `edf.backward(c)` without
# `edf.forward()`, which EDF refuses. Of what would the result be the gradient?

# %%
print("once:                 ", p.grad)
edf.backward(c)
print("twice:                ", p.grad)
c.backward()
print("and c.backward():     ", p.grad)
edf.SGD(lr=1).step()
try:
    edf.backward(c)
except TypeError as error:
    print("a step, no forward:   ", error)
print("                       c.value", c.value, "and p q", p.value * q.value)

# %% [markdown]
# ### BEGIN SOLUTION
# The same as after the first: `backward` begins by setting every gradient to `None`, so nothing
# is left to add to. `c.backward()` is the step of one component, and adds its share again: the
# gradient doubles. After the step, `q.value` is new but `c.value` still that of before: a
# d-method would get new numbers for its inputs and an old `self.value`. Here `p.grad` happens to
# need `q` only; in general that mixture is the gradient of nothing. So the order is always the
# same: `forward`, `backward`, and then the step.
# ### END SOLUTION

# %% [markdown]
# **Question 3.5.** In the next graph, a diamond, $h$ reaches the loss on two paths of different
# lengths. `depth_first` follows every path from the loss back to its start; with a set, it visits
# each node once. Both ways go wrong: why, each of them? A framework that walks like this has to
# count for each node how many of its users have been there. Why need EDF not count?

# %%
def depth_first(node, visited=None):
    """Call backward of a node, then go on to its inputs; with a set, visit each node once."""
    if visited is not None and node in visited:
        return
    if visited is not None:
        visited.add(node)
    node.backward()
    for source in node.inputs:
        depth_first(source, visited)


edf.clear()
x = edf.Param(0.5, name="x")
h = edf.Exp(x)
loss = h * edf.Tanh(edf.Log(h))             # e^x tanh(x): its derivative is 2.0585
edf.forward()
for name, visited in ("every path", None), ("every node once", set()):
    for node in edf.components:
        node.grad = None
    loss.grad = np.ones(())
    depth_first(loss, visited)
    print(f"depth first, {name:16} x.grad = {x.grad:.4f}")
edf.backward(loss)
print(f"edf.backward(loss)             x.grad = {x.grad:.4f}")

# %% [markdown]
# *Look for:* the box with two arrows downwards, and how far it is from the loss on either way.

# %%
edf.draw(loss)

# %% [markdown]
# ### BEGIN SOLUTION
# On every path: `h` is visited twice. On the second visit its gradient holds both shares, and
# passes all of it on, though the first share has gone down already. Each node once: `h` is
# visited on the short path, before the long one has delivered its share; that share never gets to
# `x`. A node may pass its gradient on only when all its users have added to it. In the list every
# component stands after its inputs, hence before its users. Read backwards, all users of `h` come
# before `h`, however long the paths are, so its gradient is complete when its turn comes.
# ### END SOLUTION

# %% [markdown]
# **Question 3.6.** What is kept between `forward` and `backward`? The next cell lists it. Which
# of these arrays could be thrown away and computed again, at the price of time, and which could
# not? (`Dropout` multiplies by a random mask `m`: while training, some entries become 0, so that
# the network cannot rely on single units.)

# %%
edf.clear()
x, labels = edf.Input(edf.rng.normal(size=(64, 20))), edf.Input(edf.rng.integers(3, size=64))
h = edf.Sigmoid(edf.Affine(x, edf.Param(edf.xavier(20, 8)), edf.Param(np.zeros(8))))
h = edf.Dropout(h, p=0.2)
scores = edf.Affine(h, edf.Param(edf.xavier(8, 3)), edf.Param(np.zeros(3)))
loss = edf.SoftmaxCrossEntropy(scores, labels)
edf.forward()
for node in edf.components:
    kept = [f"{name} {array.shape}" for name, array in vars(node).items()
            if isinstance(array, np.ndarray) and name not in ("value", "_value")]
    print(f"{edf.label(node):30} value {node.value.shape}", *kept, sep="  ")

# %% [markdown]
# ### BEGIN SOLUTION
# Every component keeps its `value`; what `f` puts on `self` comes on top: the mask `m` of
# `Dropout` and the probabilities `p` of `SoftmaxCrossEntropy`. Not to be had again are the
# Inputs, the Params, and the mask, which is random (unless the state of the random numbers before
# it is kept). All else is a function of these: `p` is the softmax of the scores, and the values
# follow from another `forward`. Large networks use this: they keep the values of a few layers and
# compute those between again. Some values no formula reads: the gradient of an affine map needs
# `x` and `w`, but not its own result.
# ### END SOLUTION

# %% [markdown]
# **Question 3.7.** `InPlace` is a parameter whose `add_grad` saves an array by using `+=`.
# `Plus` is an addition as anybody might write it. The loss is the sum of $a + b + a^2$, so the
# gradient with respect to $b$ is 1. Why is it not, with `InPlace`? What does the `add_grad` of
# `edf.py` do instead?

# %%
class Plus(edf.Component):
    def f(self, a, b):
        return a + b

    def da(self, dy, a, b):
        return dy

    def db(self, dy, a, b):
        return dy


class InPlace(edf.Param):
    def add_grad(self, grad):
        if self.grad is None:
            self.grad = grad
        else:
            self.grad += grad


for kind in edf.Param, InPlace:
    edf.clear()
    a, b = kind([1.0, 2.0]), kind([3.0, 4.0])
    squares = a ** 2
    loss = edf.Sum(squares + Plus(a, b))
    edf.forward()
    edf.backward(loss)
    print(f"{kind.__name__:8} a.grad {a.grad}  b.grad {b.grad}")

# %% [markdown]
# ### BEGIN SOLUTION
# `Plus` returns the same array `dy` for both inputs, and each keeps it as its first contribution:
# `a.grad` and `b.grad` are two names of one array, and so is the gradient of the sum. When the
# square adds its $2a$ in place, it writes into all of them. The `add_grad` of `edf.py` forms
# `self.grad + grad`, a new array, so whoever holds the old one keeps it unchanged. A copy of
# every first contribution would also do; but most nodes get only one, and need no copy.
# ### END SOLUTION

# %% [markdown]
# **Question 3.8.** A report on data with two classes: "With the sigmoid, accuracy reaches
# 0.9976. With ReLU it stays at 0.5409 and the loss at 0.691 from the first epoch to the last. So
# ReLU does not suit this problem." The larger class has 54.09 % of the examples. Which two
# numbers do you compare these with, what has happened, and what do you look at first?

# %% [markdown]
# ### BEGIN SOLUTION
# With the share of the larger class, 0.5409, and with the entropy of such a split,
# $-0.5409 \ln 0.5409 - 0.4591 \ln 0.4591 = 0.6898$. Both match (nearly, the loss): the network
# gives every example the same answer and ignores its input. All hidden units are dead, and only
# the last bias still learns. That is a property of this run, not of ReLU: one whose backward
# lacks the upstream gradient does just this, and a correct one learns these data. So first
# check the gradient, then try other seeds and rates.
# ### END SOLUTION

# %% [markdown]
# **Question 3.9.** The caption of a plot says "training accuracy after each epoch". The loop was
#
# ```
# for epoch in range(20):
#     history.append(accuracy(net, validation_images, validation_labels))
#     train_one_epoch(net, train_images, train_labels)
# ```
#
# What is plotted? Another program has `def test_error(net, images, labels)`, and inside it reads
# the global `train_images`. What does it print, and which test of two lines finds that out?

# %% [markdown]
# ### BEGIN SOLUTION
# *Validation* accuracy, *before* each epoch: the first point is the untrained network, and what
# the last epoch achieved is not shown. The other program prints an error on training images,
# which is too small: for one such program it was 2.07 % in place of 2.81 %. Test: hand it the
# network's own answers as labels, and labels that are all wrong. It must return 0 and 1. It did
# not even look at them.
# ### END SOLUTION

# %% [markdown]
# **Question 3.10.** "We trained with SGD, RMSProp and Adam at the rate 0.001. RMSProp was much
# worse; so we do not recommend it." What does this comparison show, and what would be a fair one?
# By how much does the first step of each move a number whose gradient is $g$? (Read `direction`
# of the three.)

# %% [markdown]
# ### BEGIN SOLUTION
# It shows how three methods do at one rate, which means a different thing to each. The first step
# of SGD is $\eta g$; that of Adam is $\eta$, and that of RMSProp
# $\eta / \sqrt{1 - \alpha} = 10\,\eta$ with $\alpha = 0.99$, both with the sign of $g$ and
# whatever its size. So 0.001 may be small for one and large for another. A fair comparison
# searches the rate of each on validation data, with the same number of tries, and repeats with
# several seeds. On MNIST (784-100-10, three epochs in batches of 16) we measured 88 % right for
# SGD at 0.001, and 97 % for RMSProp, for Adam, and for SGD at 0.1.
# ### END SOLUTION

# %% [markdown]
# **Question 3.11.** A report says of a loss that stays flat at first: "The network is caught in
# a local minimum, from which it escapes after some 1,700 steps." The next cell trains three
# layers, whose weights start with standard deviation $10^{-4}$, twice from the same numbers.
# *Look for:* the loss at the start in all its digits, which gradients are not tiny, and what
# becomes of the loss under either optimiser. What is the number 2.302585, why are most gradients
# so small, and what speaks against a minimum? (About a second.)

# %%
edf.dtype = np.float32
images = data.train_images.reshape(len(data.train_images), -1)
print("on", data.name)
for method in edf.SGD(lr=0.1), edf.Adam(lr=0.001):
    edf.seed(15)
    start = time.time()
    x, labels, scores, loss = mlp([images.shape[1], 64, 64, 10], edf.LeakyReLU,
                                  init=lambda *fans: edf.normal(*fans, sd=1e-4))
    losses = []
    for step in range(300):
        rows = edf.rng.integers(len(images), size=64)
        x.value, labels.value = images[rows], data.train_labels[rows]
        edf.forward()
        edf.backward(loss)
        losses.append(loss.value.mean())
        if step == 0:
            sizes = [f"{np.linalg.norm(param.grad):.0e}" for param in edf.params]
        method.step()
    print(f"{type(method).__name__:4}  loss at the start {losses[0]:.6f}, mean of the last 50 "
          f"{np.mean(losses[-50:]):.4f}  {time.time() - start:.1f} s")
print("gradients at the start (weights, bias, weights, ...):", *sizes)

# %% [markdown]
# ### BEGIN SOLUTION
# It is $\ln 10$: with weights near 0 the scores are all but equal, and every class gets 1/10. The
# gradient of a layer's weights is a product with the tiny weights of the other layers, so it is
# tiny as well; only the last bias, which no weights follow, has one of usual size. Close by, with
# weights of exactly 0 and the best last bias, all gradients are 0: that point is a saddle, and no
# minimum. A way leads down from here, and Adam, whose steps do not shrink with the gradient,
# walks it within 300. Another sign: its length depends on the initial weights and the rate.
# ### END SOLUTION

# %% [markdown]
# **Question 3.12.** "For a batch, the gradient is only approximated by the mean over its
# examples." The next cell compares the gradient from six examples with the mean of those from
# three and three. *Look for:* how exactly they agree. What is exact here, and what is an
# approximation of what? Why is BatchNorm different?

# %%
edf.dtype = np.float64
images, classes = edf.rng.normal(size=(6, 5)), edf.rng.integers(3, size=6)
for normalise in False, True:
    edf.clear()
    x, labels = edf.Input(), edf.Input()
    w = edf.Param(edf.xavier(5, 4))
    h = edf.Affine(x, w, edf.Param(np.zeros(4)))
    if normalise:
        h = edf.BatchNorm(h, edf.Param(np.ones(4)), edf.Param(np.zeros(4)))
    scores = edf.Affine(edf.Tanh(h), edf.Param(edf.xavier(4, 3)), edf.Param(np.zeros(3)))
    loss = edf.SoftmaxCrossEntropy(scores, labels)
    grads = []
    for part in slice(0, 6), slice(0, 3), slice(3, 6):
        x.value, labels.value = images[part], classes[part]
        edf.forward()
        edf.backward(loss)
        grads.append(w.grad)
    whole, first, second = grads
    print("with BatchNorm:   " if normalise else "without BatchNorm:",
          f"largest difference {abs(whole - (first + second) / 2).max():.1e}")

# %% [markdown]
# ### BEGIN SOLUTION
# The loss of a batch is defined as a mean, and differentiating is linear: its gradient *is* the
# mean of the gradients of the examples, up to rounding. What the gradient of a batch approximates
# is that of the mean over *all* data, or over all data that might come: it is an estimate of it,
# without bias if the batch is drawn at random. With BatchNorm the loss of an example depends on
# the others in its batch, through their mean and variance. So there is no gradient of an example
# alone that one could take the mean of.
# ### END SOLUTION

# %% [markdown]
# **Question 3.13.** One sentence each: what is wrong or missing?
#
# 1. "$\partial\ell/\partial W = \partial\ell/\partial y \cdot \partial y/\partial W$, which
#    answers the question for the gradient of the weights."
# 2. "The two formulas are obviously different, therefore the naive rule is wrong."
# 3. "We split the training set of CIFAR-10 (60,000 images) into 50,000 and 10,000." (CIFAR-10 has
#    60,000 images in all; 10,000 of them are test images.)
# 4. "Accuracy by class: 57.8, 71.2, 39.8, 39.0, 58.5, 30.5, 76.5, 54.4, 70.5, 70.1. Test
#    accuracy: 56 %." (Classes of equal size.)

# %% [markdown]
# ### BEGIN SOLUTION
# 1. It is the chain rule, not an answer. $\partial y / \partial W$ has three indices; only when
#    the product is worked out, to $x^\top y^\nabla$, can it be implemented and checked.
# 2. Formulas that look different can be equal: $y(1 - y)$ and $e^{-x} / (1 + e^{-x})^2$ are, for
#    the sigmoid. A counterexample proves it, one function and one number.
# 3. The training set has 50,000 images only. Either these were split into 40,000 and 10,000, or the
#    test images were among those that the network learned from.
# 4. The mean of the ten is 56.83, so 57 %: digits were cut off instead of rounded.
# ### END SOLUTION

# %% [markdown]
# ### What is done

# %%
score_sheet("theory")
