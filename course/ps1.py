# ---
# jupyter:
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
# # Problem set 1: backpropagation, and multi-layer perceptrons on MNIST
#
# You will build a neural network out of **components**, each of which can compute its value and
# pass a gradient back, and train it to read handwritten digits. The framework is **EDF**, whose
# engine is one file that you can read in an hour: `edf.py`.
#
# | | section | you write |
# |---|---|---|
# | 0 | Setup and data | |
# | 1 | The framework: a list, forwards and backwards | a prediction, a graph |
# | 2 | Why gradients are added, and second derivatives are harder | a second derivative |
# | 3 | Activations: functions of one number at a time | Tanh, ReLU, LeakyReLU |
# | 4 | Softmax and cross-entropy: functions of a whole row | three gradients |
# | 5 | Perceptrons on MNIST, and experiments with them | a step of gradient descent |

# %% [markdown]
# **How exercises work.** Replace the two lines `# YOUR CODE HERE` and `raise
# NotImplementedError()`, run the cell, and run the check below it. It prints one line: what is
# right, or what is not, and where. As long as an exercise is not done, the notebook goes on with
# the component of `edf.py`, so nothing stops you: after section 0, each of the sections 1 to 5
# runs alone, from its first cell to its last.

# %% [markdown]
# ## 0 Setup and data
#
# The next cell asks the library behind NumPy's matrix product (BLAS) to use **one thread**. The
# matrices here are small: sharing a product out among threads gains little on a quiet computer,
# and on a busy one the threads wait for each other. Beside four busy programs on two cores, an
# epoch of section 5 took 0.5 seconds with one thread and 1.2 to 1.7 with the default; on another
# such machine, 0.4 against more than 20. The setting is read when NumPy is imported, so it has to
# come first.

# %%
import os

for library in "OPENBLAS", "MKL", "OMP":
    os.environ[f"{library}_NUM_THREADS"] = "1"

import inspect
import sys
import time
from collections import namedtuple

import matplotlib.pyplot as plt
import numpy as np

import edf
from edf import LeakyReLU, ReLU, SGD, Sigmoid, Softmax, SoftmaxCrossEntropy, Tanh
from mnist_loader import load

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                     "grid.alpha": 0.3, "figure.constrained_layout.use": True, "figure.dpi": 90})
print("Python", sys.version.split()[0], "- NumPy", np.__version__)

# %% [markdown]
# ### The checks
#
# An exercise is a class (or a function) of yours, `MyReLU` say. Its check builds it on small
# arrays and compares its value with a few known numbers, and its gradient with **differences of
# its own values**. The loss of the check is the sum of the values, each times a random number;
# these numbers are `dy`. If an entry of $x$ moves by a small $\pm h$, this loss has to move by
# about $\pm h$ times the gradient. So no check contains an answer. In messages, `MyReLU[1]` is
# `edf.components[1]`. The check returns what the notebook goes on with: `ReLU = check(MyReLU,
# edf.ReLU, ...)` is your class once it passes, and until then EDF's.

# %%
def check(mine, library, test):
    """Run test(mine), say in one line what came of it, and return what to go on with."""
    edf.clear()
    try:
        print(f"{mine.__name__}: public checks passed: {test(mine)}")
        return mine
    except NotImplementedError as error:
        problem = "not done yet" + (f": {error}" if str(error) else "")
    except Exception as error:
        where = "".join(", " + note.splitlines()[0] for note in getattr(error, "__notes__", []))
        problem = f"not right yet: {type(error).__name__}: {error}{where}"
    goes_on = f" (going on with EDF's {library.__name__})" if library else ""
    print(f"{mine.__name__}: {problem}{goes_on}")
    return library


def component_test(x, y, *more, **options):
    """Return a test: does the component turn x into y, and is its gradient that of its values?"""
    def test(component):
        node = component(edf.Param(x), *(edf.Input(value) for value in more), **options)
        assert isinstance(node, edf.Component), f"it returned {node}: is its return missing?"
        edf.forward()
        got = node.value.tolist()
        assert np.allclose(got, y, atol=1e-6), f"the value is {got}, expected {y}"
        errors = edf.check_gradients(node)
        return f"values right, largest gradient error {max(errors.values()):.1e}"
    return test


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
# ## 1 The framework: a list, forwards and backwards
#
# A program that computes a loss is a sequence of simple steps, each of which uses results of
# earlier ones. EDF writes the steps down once, as **components** in a global list, and then runs
# them as often as you like: `forward()` walks the list and sets the `value` of each component;
# `backward(loss)` walks it in reverse and sets the gradients: if the `value` of a component grows
# by a tiny $h$, the loss grows by $h$ times its `grad`. For an array that holds for every entry,
# so `grad` has the shape of `value`.

# %% [markdown]
# An `Input` holds data, a `Param` holds what is learned, and every other component is a function
# of those before it. Building a component puts it on the list. Nothing is computed yet.

# %%
edf.clear()
edf.seed(1)
edf.dtype = np.float64          # digits to look at; networks below use float32

a, b = edf.Param(2.0, name="a"), edf.Param(-3.0, name="b")
c = a * b                       # the same as edf.Mul(a, b)
loss = c + a                    # edf.Add(c, a)
edf.components

# %%
print("built:          ", c.value, c.grad, "- the inputs of c are", c.inputs)
edf.forward()
print("after forward:  ", c.value, c.grad)
edf.backward(loss)
print("after backward: ", c.value, c.grad)

# %% [markdown]
# **Exercise 1.1: predict.** In the graph above, $\ell = ab + a$ with $a = 2$ and $b = -3$.
# Without running code, return the value of the loss and its derivatives with respect to $a$ and
# $b$.

# %%
def my_prediction():
    """Return loss.value, a.grad, b.grad."""
    ### BEGIN SOLUTION
    return -4, -2, 2
    ### END SOLUTION


# %%
def prediction_test(mine):
    a, b = edf.Param(2.0), edf.Param(-3.0)
    c = a * b
    loss = c + a
    edf.forward()
    edf.backward(loss)
    guesses = mine()
    assert np.shape(guesses) == (3,), f"it returned {guesses}, but three numbers are asked for"
    truth = {"loss.value": loss.value, "a.grad": a.grad, "b.grad": b.grad}
    for (name, value), guess in zip(truth.items(), guesses):
        assert guess == value, f"{name} is not {guess}"
    return "all three numbers are what EDF computes"


check(my_prediction, None, prediction_test);

# %% [markdown]
# ### The two loops
#
# These two loops are the engine. `forward` can simply follow the list, because a component can
# only be built after its inputs. Read backwards, the same list has every component **after
# everything that uses it**. So when its turn comes, its own gradient is complete, and it can pass
# it on. That is why no search through the graph is needed. The walk starts with the loss itself:
# what is differentiated is the mean of its entries, so each of them gets the gradient 1 / their
# number.

# %%
print(inspect.getsource(edf.forward))
print(inspect.getsource(edf.backward))

# %% [markdown]
# A component holds the formulas: `f` computes its value, and for every input that can be learned
# from, a method `d<input>` turns `dy`, the gradient of the loss with respect to the component's
# value, into the gradient with respect to that input. `backward` of a component calls these
# methods and hands each result to `add_grad` of that input. Here is the one that networks are
# made of. In shapes, B is the number of examples, D the numbers of each that go in, H those that
# come out, and later K the number of classes.

# %%
print(inspect.getsource(edf.Component.backward))
print(inspect.getsource(edf.Affine))

# %% [markdown]
# **Exercise 1.2: build a graph.** Return the component $\ell = x \tanh(e^{-x})$ of a given `x`,
# out of `edf.Tanh`, `edf.Exp` and operators. Note that $x$ is used twice, and that one of its two
# paths to the loss is longer than the other.

# %%
def my_graph(x):
    """Return the component x tanh(exp(-x))."""
    ### BEGIN SOLUTION
    return x * edf.Tanh(edf.Exp(-x))
    ### END SOLUTION


# %%
check(my_graph, None, component_test(x=[0.0, 0.5, -1.0], y=[0.0, 0.2708402, -0.9913289]));

# %% [markdown]
# ### Gradients are added
#
# Let $\ell = e^{\sigma(x)\tanh(x)}$, with $\sigma(x) = 1 / (1 + e^{-x})$. Again $x$ reaches the
# loss on two paths, and each contributes to $d\ell/dx$. A component therefore **adds** its share
# to `grad` of its inputs. What happens if it assigns instead? `Forgetful` is a parameter that
# keeps only the last share. *Look for:* the two wrong answers add up to the right one, and which
# of them you get depends on the order of building.

# %%
class Forgetful(edf.Param):
    def add_grad(self, grad):
        self.grad = grad                        # = in place of +=


for kind in edf.Param, Forgetful:
    for order in "sigmoid first", "tanh first":
        edf.clear()
        x = kind(0.5)
        if order == "sigmoid first":
            y, z = edf.Sigmoid(x), edf.Tanh(x)
        else:
            z, y = edf.Tanh(x), edf.Sigmoid(x)
        loss = edf.Exp(y * z)
        edf.forward()
        edf.backward(loss)
        print(f"{kind.__name__:9}  {order:13}  x.grad = {x.grad:.10f}")

# %% [markdown]
# ## 2 Why gradients are added, and second derivatives are harder
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
# $f_y$, $f_z$. That two formulas look different does not prove that they are: a
# **counterexample** does. Take $g = x^2$, $h = x^3$, $f = yz$. Then $\ell = x^5$ and $\ell'' =
# 20x^3$, but $f_{yy} = f_{zz} = 0$, so the naive rule says 0. $\square$ (Nor can it begin with a
# 1, as `backward` does: the second derivative of $\ell = u$ by $u$ is 0.)

# %% [markdown]
# What does work is to differentiate the *result* of backpropagation, numerically:
#
# $$\ell''(x) \approx \frac{\ell'(x + h) - \ell'(x - h)}{2h}$$
#
# **Exercise 2.1.** Write that. `build(x)` returns the loss as a component of the Param `x`, like
# `my_graph`. For each of the two points, assign `x.value`, call `edf.forward()` and
# `edf.backward(loss)`, and read `x.grad`.

# %%
edf.clear()
edf.seed(2)
edf.dtype = np.float64


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
def example_a(x):
    return (x * x) * (x * x * x)                            # y = x^2, z = x^3, loss = y z


def example_b(x):
    return edf.Exp(edf.Sigmoid(x) * edf.Tanh(x))            # y = sigmoid, z = tanh, loss = exp(y z)


def second_derivative_test(mine):
    for build, x0, true in (example_a, 2.0, 160), (example_b, 0.5, 0.33113167):
        got = mine(build, x0)
        assert got is not None, "it returned None: is its return missing?"
        assert abs(got - true) < 1e-4, f"{build.__name__} at {x0} gives {got}, but it is {true}"
    return "160 in example a (naive rule: 0), 0.3311 in example b (naive rule: -0.3919)"


check(my_second_derivative, None, second_derivative_test);

# %% [markdown]
# *Look for:* below $-1.7$ and between 0 and 0.7 the naive rule does not even have the right sign.
# The curves cross once, by accident. At the right end they meet, because $y$ and $z$ are almost 1
# there: then $f_{yy} \approx f_y$ and $f_{zz} \approx f_z$, and the squares are tiny.

# %%
x = np.linspace(-3, 3, 200)                 # example b, with its derivatives by hand
y, z = 1 / (1 + np.exp(-x)), np.tanh(x)
loss = np.exp(y * z)
g1, h1 = y * (1 - y), 1 / np.cosh(x) ** 2
g2, h2 = g1 * (1 - 2 * y), -2 * z * h1
naive = z ** 2 * loss * g2 + y ** 2 * loss * h2
true = (z ** 2 * loss * g1 ** 2 + 2 * (1 + y * z) * loss * g1 * h1 + y ** 2 * loss * h1 ** 2
        + z * loss * g2 + y * loss * h2)

fig, ax = plt.subplots(figsize=(7, 3.2))
ax.plot(x, true, label="second derivative")
ax.plot(x, naive, "--", label="naive rule")
ax.set(xlabel="x", ylabel="curvature of the loss", title="Example b")
ax.legend()
plt.show()

# %% [markdown]
# ## 3 Activations: functions of one number at a time
#
# An activation $Y = F(X)$ applies one function $f$ to every entry, whatever the shape. What is
# its backward step? As in section 2, an entry $X_i$ collects from everything that depends on it.
# With $[i = j]$ for 1 if $i = j$, else 0,
#
# $$X^\nabla_i = \sum_j Y^\nabla_j\,\frac{\partial Y_j}{\partial X_i}
# = \sum_j Y^\nabla_j\,f'(X_i)\,[i = j] = Y^\nabla_i\,f'(X_i),$$
#
# because entry $j$ of the result does not depend on any other entry $i \ne j$ of the input: the
# matrix of derivatives is **diagonal**, and the sum keeps one term. So `dx` is `dy * (the
# derivative of f)`, entry by entry. Both factors are needed: a component that leaves `dy` out
# claims that the loss is the sum of its own outputs.

# %% [markdown]
# The same sum gives the methods of `Affine`. There, $y_{bh} = \sum_d x_{bd}\,w_{dh} + b_h$, so
# that
#
# $$x^\nabla_{bd} = \sum_h y^\nabla_{bh}\,w_{dh},\qquad
# w^\nabla_{dh} = \sum_b x_{bd}\,y^\nabla_{bh},\qquad b^\nabla_h = \sum_b y^\nabla_{bh}:$$
#
# the matrix products `dy @ w.T` and `x.T @ dy`, and the sum over the batch, because every row
# uses the same bias.

# %% [markdown]
# **Example: Sigmoid.** $y = \dfrac{1}{1 + e^{-x}}$, and $y' = y\,(1 - y)$. In a d-method, the
# value that `f` computed is at hand as `self.value`. Do not write into `dy`, `x` or `self.value`:
# other components use them.

# %%
edf.clear()
edf.seed(3)
edf.dtype = np.float64


class MySigmoid(edf.Component):
    def f(self, x):
        return 1 / (1 + np.exp(-x))

    def dx(self, dy, x):
        y = self.value
        return dy * y * (1 - y)


check(MySigmoid, edf.Sigmoid, component_test(x=[0.0, 2.0], y=[0.5, 0.8807971]));

# %% [markdown]
# **Exercise 3.1: Tanh.** $y = \tanh x = \dfrac{e^x - e^{-x}}{e^x + e^{-x}}$, `np.tanh` in NumPy.
# Write its derivative in terms of $y$, as for the sigmoid. (You can also derive it from $\tanh x
# = 2\sigma(2x) - 1$.)

# %%
class MyTanh(edf.Component):
    def f(self, x):
        return np.tanh(x)

    def dx(self, dy, x):
        ### BEGIN SOLUTION
        return dy * (1 - self.value ** 2)
        ### END SOLUTION


# %%
Tanh = check(MyTanh, edf.Tanh, component_test(
    x=[[-1.0, 0.0], [0.5, 2.0]], y=[[-0.7615942, 0.0], [0.4621172, 0.9640276]]))

# %% [markdown]
# **Exercise 3.2: ReLU.** $y = \max(x, 0)$. Write both `f` and `dx`; at the kink $x = 0$ take the
# derivative to be 0. *Hint:* what does `x > 0` give, and what is its product with an array of
# numbers?

# %%
class MyReLU(edf.Component):
    def f(self, x):
        ### BEGIN SOLUTION
        return np.maximum(x, 0)
        ### END SOLUTION

    def dx(self, dy, x):
        ### BEGIN SOLUTION
        return dy * (x > 0)
        ### END SOLUTION


# %%
def relu_test(component):
    said = component_test(x=[[-2.0, -0.5], [0.5, 2.0]], y=[[0, 0], [0.5, 2.0]])(component)
    kink = component(edf.Param([0.0]))
    edf.forward()
    edf.backward(kink)
    assert kink.x.grad == 0, f"at the kink x = 0 the gradient is {kink.x.grad[0]}, expected 0"
    return said


ReLU = check(MyReLU, edf.ReLU, relu_test)

# %% [markdown]
# **Exercise 3.3: LeakyReLU.** $y = x$ where $x > 0$ and $y = a x$ elsewhere, with a small slope
# $a$, so that some gradient always gets through. An option like `slope` is one more argument of
# `f`, with a default, and of `dx`. *Hint:* `np.where(condition, this, that)`.

# %%
class MyLeakyReLU(edf.Component):
    def f(self, x, slope=0.01):
        ### BEGIN SOLUTION
        return np.where(x > 0, x, slope * x)
        ### END SOLUTION

    def dx(self, dy, x, slope):
        ### BEGIN SOLUTION
        return np.where(x > 0, dy, slope * dy)
        ### END SOLUTION


# %%
LeakyReLU = check(MyLeakyReLU, edf.LeakyReLU, component_test(
    x=[[-2.0, -0.5], [0.5, 2.0]], y=[[-0.1, -0.025], [0.5, 2.0]], slope=0.05))

# %% [markdown]
# *Look for:* where each gradient is close to zero. There, whatever the loss says, nothing is
# learned: at both ends for Sigmoid and Tanh, on half of the line for ReLU. And note the height:
# the sigmoid passes on a quarter of the gradient at best.

# %%
edf.clear()
x = edf.Param(np.linspace(-5, 5, 201))
activations = [Sigmoid(x), Tanh(x), ReLU(x), LeakyReLU(x, slope=0.1)]
edf.forward()
fig, axes = plt.subplots(1, 4, figsize=(10, 2.6))
for y, ax in zip(activations, axes):
    edf.backward(y)
    ax.plot(x.value, y.value, label="value")
    ax.plot(x.value, x.grad / y.grad, label="gradient")     # backward seeds y.grad with 1 / size
    ax.set(title=type(y).__name__.removeprefix("My"), xlabel="x", ylim=(-1.2, 1.7))
axes[0].legend(loc="upper left")
plt.show()

# %% [markdown]
# ## 4 Softmax and cross-entropy: functions of a whole row
#
# The last layer gives each class a **score**. Softmax turns the scores $s$ of one image into
# probabilities, and the cross-entropy is the surprise at the right class $c$:
#
# $$y_i = \frac{e^{s_i}}{\sum_k e^{s_k}},\qquad \ell = -\log y_c$$
#
# Here every output depends on every input. By the quotient rule the matrix of derivatives has
# entries
#
# $$J_{ij} = \frac{\partial y_i}{\partial s_j}
# = \frac{e^{s_i}[i = j]\,\sum_k e^{s_k} - e^{s_i}e^{s_j}}{\bigl(\sum_k e^{s_k}\bigr)^2}
# = y_i\,\bigl([i = j] - y_j\bigr).$$
#
# It is not diagonal, so the rule of section 3 does not apply, and `dy * y * (1 - y)` would be
# wrong.

# %% [markdown]
# There is no need to store $J$. Multiply it out for one row, with $g = y^\nabla$:
#
# $$s^\nabla_j = \sum_i g_i\,J_{ij} = \sum_i g_i\,y_i\,[i = j] - \sum_i g_i\,y_i\,y_j
# = y_j\,\Bigl(g_j - \sum_i g_i\,y_i\Bigr)$$
#
# In a batch (B, K), the sum is taken row by row and kept as a column (B, 1), with `.sum(axis=1,
# keepdims=True)`.
#
# **Exercise 4.1: the gradient of Softmax.** Write the last formula for a batch: $g$ is `dy`, and
# $y$ is `self.value`. (Note in `f` how the largest score of each row is subtracted first. That
# changes nothing, since numerator and denominator change by the same factor, but without it
# `np.exp(1000)` overflows.)

# %%
edf.clear()
edf.seed(4)
edf.dtype = np.float64


class MySoftmax(edf.Component):
    def f(self, x):
        exp = np.exp(x - x.max(axis=1, keepdims=True))      # (B, K) - (B, 1) -> (B, K)
        return exp / exp.sum(axis=1, keepdims=True)         # (B, K) / (B, 1) -> (B, K)

    def dx(self, dy, x):
        ### BEGIN SOLUTION
        inner = (dy * self.value).sum(axis=1, keepdims=True)    # (B, K) -> (B, 1)
        return self.value * (dy - inner)
        ### END SOLUTION


# %%
Softmax = check(MySoftmax, edf.Softmax, component_test(
    x=[[1.0, 2.0, 3.0], [2.0, 1.0, 0.0], [1000.0, 0.0, -1000.0]],
    y=[[0.0900306, 0.2447285, 0.6652410], [0.6652410, 0.2447285, 0.0900306], [1, 0, 0]]))

# %% [markdown]
# **Exercise 4.2: the gradient of CrossEntropy.** $\ell = -\log p_c$ for the probabilities `p` (B,
# K) and the right classes `labels` (B,); `dy` is (B,), one number for each example. The loss of a
# row depends on one probability only: what is the derivative with respect to the others?
# (`labels` is data and needs no method.) *Hint:* start from `np.zeros_like(p)`, and use that
# `p[rows, labels]` picks one entry a row, with `rows = np.arange(len(labels))`.

# %%
class MyCrossEntropy(edf.Component):
    def f(self, p, labels):
        rows = np.arange(len(labels))
        return -np.log(p[rows, labels])                     # (B, K) -> (B,)

    def dp(self, dy, p, labels):
        ### BEGIN SOLUTION
        picked = np.arange(len(labels)), labels
        grad = np.zeros_like(p)
        grad[picked] = -dy / p[picked]
        return grad
        ### END SOLUTION


# %%
check(MyCrossEntropy, edf.CrossEntropy,
      component_test([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]],
                     [0.2876821, 0.6931472, 2.3025851], [1, 0, 1]));

# %% [markdown]
# ### Both in one
#
# Composed, the two gradients are $-1/y_c$ times $y_c\,([c = j] - y_j)$. The $y_c$ cancels:
#
# $$\frac{\partial\ell}{\partial s_j} = y_j - [j = c],$$
#
# the probabilities minus the one-hot label. It is cheaper, and it cannot divide by a probability
# that has been rounded to 0. The loss can avoid that as well, if it is written without forming
# the probability:
#
# $$\ell = -\log\frac{e^{s_c}}{\sum_k e^{s_k}} = \log\sum_k e^{s_k} - s_c$$
#
# **Exercise 4.3: the fused gradient.** `f` has kept the probabilities as `self.p`, (B, K). Do not
# write into them: `.copy()` first. `dy` is (B,); `dy[:, None]` is (B, 1).

# %%
class MySoftmaxCrossEntropy(edf.Component):
    def f(self, scores, labels):
        rows = np.arange(len(labels))
        shifted = scores - scores.max(axis=1, keepdims=True)
        exp = np.exp(shifted)
        total = exp.sum(axis=1, keepdims=True)              # (B, K) -> (B, 1)
        self.p = exp / total
        return np.log(total[:, 0]) - shifted[rows, labels]  # (B,) - (B,) -> (B,)

    def dscores(self, dy, scores, labels):
        ### BEGIN SOLUTION
        grad = self.p.copy()
        grad[np.arange(len(labels)), labels] -= 1
        return dy[:, None] * grad                           # (B, 1) * (B, K) -> (B, K)
        ### END SOLUTION


# %%
SoftmaxCrossEntropy = check(MySoftmaxCrossEntropy, edf.SoftmaxCrossEntropy, component_test(
    [[1.0, 2.0, 3.0], [2.0, 1.0, 0.0], [1000.0, 0.0, -1000.0]], [0.4076060, 1.4076060, 1000.0],
    [2, 1, 1]))

# %% [markdown]
# *Look for:* left, where the composed loss ends: in float32 a probability below about $10^{-45}$
# is 0, and its logarithm infinite. (EDF's `CrossEntropy` refuses it with an error. A floor under
# the probability would hide it, and give a wrong gradient.) Right, the gradient: a step goes
# *against* it, so it raises the score of the right class by as much as it lowers all others
# together.

# %%
edf.clear()
edf.dtype = np.float32
gaps = np.arange(0, 150, dtype=np.float32)
scores = edf.Param(np.stack([gaps, np.zeros_like(gaps)], axis=1))       # (150, 2)
loss = SoftmaxCrossEntropy(scores, edf.Input(np.ones(150, int)))        # right: class 1
p = Softmax(scores)
edf.forward()
with np.errstate(divide="ignore"):
    composed = -np.log(p.value[:, 1])

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.plot(gaps, loss.value, label="fused", linewidth=4, alpha=0.4)
left.plot(gaps, composed, label="composed, float32")
left.set(xlabel="lead of the wrong class, in score", ylabel="loss", title="Two classes")
left.legend()
edf.clear()
scores = edf.Param([[1.0, 2.5, 0.0, -1.0, 2.0]])
loss = SoftmaxCrossEntropy(scores, edf.Input([4]))
p = Softmax(scores)
edf.forward()
edf.backward(loss)
right.bar(np.arange(5) - 0.2, p.value[0], 0.4, label="probability")
right.bar(np.arange(5) + 0.2, scores.grad[0], 0.4, label="gradient of the score")
right.set(xlabel="class (the right one is 4)", title="Probabilities minus the label")
right.legend()
plt.show()

# %% [markdown]
# ## 5 Perceptrons on MNIST
#
# A multi-layer perceptron alternates affine maps and an activation:
#
# $$h_1 = F(x W_1 + b_1),\quad h_2 = F(h_1 W_2 + b_2),\ \dots,\quad s = h_n W_{n+1} + b_{n+1}$$
#
# `mlp` builds one from a list of widths: 784 pixels, any number of hidden layers, 10 classes. The
# weights start as random numbers whose size goes down with the number of inputs (`edf.xavier`:
# uniform, half-width $\sqrt{3 / n_{in}}$), so that the values of one layer are about as large as
# those of the layer before; biases start at 0.

# %%
edf.clear()
edf.seed(5)
edf.dtype = np.float32

Net = namedtuple("Net", "x labels scores loss")


def mlp(widths, activation):
    """Build the graph of a perceptron: new parameters for each layer."""
    edf.clear()
    x, labels = edf.Input(), edf.Input()
    h = x
    for i, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
        if i > 0:
            h = activation(h)
        h = edf.Affine(h, edf.Param(edf.xavier(n_in, n_out)), edf.Param(np.zeros(n_out)))
    return Net(x, labels, scores=h, loss=SoftmaxCrossEntropy(h, labels))


net = mlp([784, 64, 10], Sigmoid)
edf.components

# %% [markdown]
# **Exercise 5.1: gradient descent.** After `backward`, each `Param` knows the gradient of the
# mean loss over the batch. Moving it a little the opposite way makes the loss smaller: $w
# \leftarrow w - \eta\,w^\nabla$, with the learning rate $\eta$ (`self.lr`). Do that for every
# parameter in `edf.params`: its numbers are `param.value`, its gradient is `param.grad`.

# %%
class MySGD:
    def __init__(self, lr):
        self.lr = lr

    def step(self):
        ### BEGIN SOLUTION
        for w in edf.params:
            w.value -= self.lr * w.grad
        ### END SOLUTION


# %%
def descent_test(descent):
    x, w, b = edf.Input(2.0), edf.Param([1.0, -2.0]), edf.Param(3.0)
    loss = w * w + b * x                # of its mean: the gradient of w is w, that of b is 2
    sgd = descent(lr=0.1)
    for sgd.lr in 0.1, 0.1, 0.5:
        edf.forward()
        edf.backward(loss)
        sgd.step()
    for name, param, expected in ("w", w, [0.405, -0.81]), ("b", b, 1.6):
        got = param.value.tolist()
        assert np.allclose(got, expected), f"three steps take {name} to {got}, expected {expected}"
    return "three steps lead where they should"


SGD = check(MySGD, edf.SGD, descent_test)

# %% [markdown]
# ### The evaluation
#
# The error rate is the share of images whose highest score is not that of the right class. A
# function that measures this must look at **the images and labels that it is given**, and at
# nothing else. It is an easy mistake to reach for a variable of the notebook instead, and to
# report the error on the training images as test error. Two cheap tests: with labels that are all
# wrong the error must be 1, with the network's own answers as labels it must be 0.

# %%
def error_rate(net, images, labels):
    """Return the share of these images that the net does not put into these classes."""
    net.x.value, net.labels.value = images.reshape(len(images), -1), labels
    edf.forward()
    return (net.scores.value.argmax(axis=1) != labels).mean()


net = mlp([784, 64, 10], Sigmoid)
error_rate(net, data.test_images, data.test_labels)
answers = net.scores.value.argmax(axis=1)
print("all labels wrong:", error_rate(net, data.test_images, (answers + 1) % 10),
      "- all right:", error_rate(net, data.test_images, answers),
      "- untrained:", error_rate(net, data.test_images, data.test_labels))

# %% [markdown]
# ### The training loop
#
# An **epoch** goes through all training images once, in batches of 64, and takes a step after
# each batch. `edf.batches` also hands out the last batch, which is smaller. The training error is
# counted on the way, *before* each step.

# %%
def train(net, data, lr, epochs, shuffle=False, say=True):
    """Train with SGD; return training and test error of every epoch, as (epochs, 2)."""
    images = data.train_images.reshape(-1, 784)
    sgd, history, start = SGD(lr), [], time.time()
    for epoch in range(1, epochs + 1):
        wrong = 0
        batches = edf.batches(images, data.train_labels, size=64, shuffle=shuffle)
        for net.x.value, net.labels.value in batches:
            edf.forward()
            edf.backward(net.loss)
            sgd.step()
            wrong += (net.scores.value.argmax(axis=1) != net.labels.value).sum()
        history.append((wrong / len(images), error_rate(net, data.test_images, data.test_labels)))
        if say:
            print(f"  epoch {epoch:2}  training error {history[-1][0]:7.2%}  "
                  f"test error {history[-1][1]:7.2%}  {time.time() - start:5.1f} s")
    return np.array(history)


# %% [markdown]
# Now three networks with one hidden layer of 64 units, ten epochs each, with learning rate 0.5.
# On MNIST, expect test errors of about 3 % for all three; with other seeds they vary by a few
# tenths. (Some ten seconds.)

# %%
histories = {}
for activation in Sigmoid, ReLU, Tanh:
    name = activation.__name__.removeprefix("My")
    print(f"{name}, on {data.name}")
    edf.seed(1234)
    net = mlp([784, 64, 10], activation)
    histories[name] = train(net, data, lr=0.5, epochs=10)

# %% [markdown]
# *Look for:* the training error of ReLU and Tanh falls on and on, while from the sixth epoch
# their test error changes by less than 0.2 points. They learn faster than Sigmoid, and what they
# learn towards the end is the training set by heart.

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True)
fig.suptitle(f"Error by epoch, 784-64-10 on {data.name}")
for (name, history), ax in zip(histories.items(), axes):
    epochs = np.arange(1, len(history) + 1)
    ax.plot(epochs, 100 * history[:, 0], "o-", markersize=4, label="training")
    ax.plot(epochs, 100 * history[:, 1], "s-", markersize=4, label="test")
    ax.set(title=f"{name}: {history[-1, 1]:.1%} test error", xlabel="epoch", yscale="log")
    ax.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    ax.minorticks_off()
axes[0].set_ylabel("error in %")
axes[0].legend()
plt.show()

# %% [markdown]
# **Question 5.2.** After one epoch the training error is *larger* than the test error. How can a
# network do better on images that it has never seen? Measure what you suspect: train a new one
# for one epoch, then call `error_rate(net, data.train_images, data.train_labels)`.

# %% [markdown]
# ### BEGIN SOLUTION
# The training error is an average over the networks of a whole epoch, of which the first knew
# nothing; the test error is that of the last one. Measured at the end of the first epoch, both
# are nearly equal: 7.9 % and 7.8 % for the sigmoid.
# ### END SOLUTION

# %% [markdown]
# ### A larger network
#
# 300 hidden units, twenty epochs, and the images in another order in every epoch. Activation and
# learning rate were chosen by training on the first 55,000 images and comparing errors on the
# other 5,000, not on the test set. On MNIST, expect more than 98 % of the test images right.
# Single epochs can jump: at this rate a step may overshoot. (Some twenty seconds.)

# %%
edf.clear()
edf.seed(0)
edf.dtype = np.float32

print("784-300-10, on", data.name)
net = mlp([784, 300, 10], ReLU)
final = train(net, data, lr=0.5, epochs=20, shuffle=True)[-1, 1]
print(f"{1 - final:.2%} of the test images right")

# %% [markdown]
# *Look for:* which digits are taken for which. Rows are the true classes, columns the answers;
# the diagonal is left out, or nothing else could be seen.

# %%
answers = net.scores.value.argmax(axis=1)
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (data.test_labels, answers), 1)
np.fill_diagonal(confusion, 0)
fig, ax = plt.subplots(figsize=(4.6, 4.2))
ax.imshow(confusion, cmap="Blues")
for (row, column), count in np.ndenumerate(confusion):
    if count:
        ax.text(column, row, count, ha="center", va="center", fontsize=8,
                color="white" if count > confusion.max() / 2 else "black")
ax.set(xlabel="answer", ylabel="true class", title="Mistakes on the test set")
ax.set(xticks=range(10), yticks=range(10))
ax.grid(False)
plt.show()

# %% [markdown]
# *Look for:* how many of these mistakes you would have made yourself. Shown are those of which
# the network was most certain, with its answer and, in brackets, the truth.

# %%
p = np.exp(net.scores.value - net.scores.value.max(axis=1, keepdims=True))
p = (p / p.sum(axis=1, keepdims=True)).max(axis=1)
wrong = np.flatnonzero(answers != data.test_labels)
wrong = wrong[np.argsort(-p[wrong])][:20]
fig, axes = plt.subplots(2, 10, figsize=(10, 2.6))
for ax in axes.flat:
    ax.axis("off")
for i, ax in zip(wrong, axes.flat):
    ax.imshow(data.test_images[i], cmap="gray_r")
    ax.set_title(f"{answers[i]} ({data.test_labels[i]})", fontsize=10)
plt.show()

# %% [markdown]
# *Look for:* shapes. Each picture is the column of the first weight matrix that leads to one
# hidden unit: ink on red pixels switches it on, ink on blue ones switches it off. Shown are the
# 20 units of the 300 whose weights vary most. Pixels that never carry ink, as at the rim, keep
# their random start.

# %%
weights = edf.params[0].value                   # (784, 300)
strongest = np.argsort(-weights.std(axis=0))[:20]
limit = abs(weights[:, strongest]).max() * 0.6
fig, axes = plt.subplots(2, 10, figsize=(10, 2.3))
for unit, ax in zip(strongest, axes.flat):
    ax.imshow(weights[:, unit].reshape(28, 28), cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.axis("off")
plt.show()

# %% [markdown]
# ### Experiments
#
# Change **one thing at a time**, keep the rest, and write down what you expect before you look.
# Everything here is 64 units wide, batches of 64, five epochs, one seed. A run whose numbers
# overflow is reported as "diverged", and is a star on the plot: its error would mean nothing.
#
# **Learning rate.** *Expect:* too small a rate and five epochs are not enough; too large, and
# steps overshoot. Which activation will take larger steps? (Some ten seconds.)

# %%
edf.clear()
edf.seed(5)
edf.dtype = np.float32


def run(depth, activation, lr):
    """Train a new network for five epochs; return both errors, or nan if it diverged."""
    start = time.time()
    edf.seed(1234)
    net = mlp([784] + [64] * (depth - 1) + [10], activation)
    with np.errstate(over="ignore", invalid="ignore"):          # overflow is reported below
        training, test = train(net, data, lr, epochs=5, say=False)[-1]
    loss = net.loss.value.mean()
    name = activation.__name__.removeprefix("My")
    print(f"{name:8} {depth:2} layers  lr {lr:<4}", end="  ")
    print(f"training error {training:6.2%}  test error {test:6.2%}  loss {loss:.2f}"
          if np.isfinite(loss) else "diverged", f" {time.time() - start:.1f} s")
    return (training, test) if np.isfinite(loss) else (np.nan, np.nan)


rates = [5, 1, 0.5, 0.1]
print("on", data.name)
by_rate = {activation: [run(2, activation, lr) for lr in rates]
           for activation in (Sigmoid, ReLU)}

# %% [markdown]
# *Look for:* on MNIST the sigmoid is best at 1 and still learns at 5; ReLU is best at 0.5 and
# **dead** at 5: the first steps are so long that within a few hundred all 64 units are negative
# for every image. There the gradient of a ReLU is 0, so their weights never change again; only
# the biases of the last layer still do. The slope of a sigmoid is at most 1/4, which makes its
# steps shorter at the same rate.

# %%
def plot_errors(ax, values, results, xlabel):
    """Plot training and test error in % against the values that were tried."""
    for (activation, errors), color in zip(results.items(), ("C0", "C1")):
        name = activation.__name__.removeprefix("My")
        tried, (training, test) = np.array(values), 100 * np.transpose(errors)
        ax.plot(tried, test, "o-", color=color, label=f"{name}, test")
        ax.plot(tried, training, "x--", color=color, label=f"{name}, training", alpha=0.5)
        diverged = tried[np.isnan(test)]
        ax.plot(diverged, np.full(len(diverged), 100), "*", color=color, markersize=12)
    ax.set(xlabel=xlabel, ylabel="error in %", yscale="log", ylim=(0.8, 130))
    ax.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    ax.minorticks_off()
    ax.legend(fontsize=8)


fig, ax = plt.subplots(figsize=(6, 3.4))
plot_errors(ax, rates, by_rate, "learning rate")
ax.set(xscale="log", title="784-64-10, 5 epochs")
ax.set_xticks(rates, [str(rate) for rate in rates])
ax.minorticks_off()
plt.show()

# %% [markdown]
# **Depth.** A fair comparison uses the same depths for both, and for each a rate at which it
# works: 1 for the sigmoid, 0.1 for ReLU (at 0.5 its ten layers learn nothing). *Expect:* do more
# layers help? (Some fifteen seconds.)

# %%
depths = [2, 4, 6, 10]
print("on", data.name)
by_depth = {Sigmoid: [run(depth, Sigmoid, lr=1) for depth in depths],
            ReLU: [run(depth, ReLU, lr=0.1) for depth in depths]}

# %% [markdown]
# *Look for:* left, on MNIST, the sigmoid networks of six and ten layers: after five epochs still
# 90 % error, which is guessing. ReLU gains a little with four layers, and nothing with more.
# Right, why. A gradient passes through every layer on its way down, and each sigmoid takes at
# least three quarters of it away: it **vanishes**. (The first layer has 784 inputs, so its
# gradient is larger again.) ReLU passes it on undiminished where a unit is active.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
plot_errors(left, depths, by_depth, "layers of weights")
left.set(xticks=depths, title="5 epochs")
for activation, color in (Sigmoid, "C0"), (ReLU, "C1"):
    edf.seed(1234)
    net = mlp([784] + [64] * 5 + [10], activation)
    error_rate(net, data.train_images[:1000], data.train_labels[:1000])     # runs forward
    edf.backward(net.loss)
    norms = [np.linalg.norm(weights.grad) for weights in edf.params[::2]]
    right.plot(range(1, 7), norms, "o-", color=color, label=activation.__name__.removeprefix("My"))
right.set(xlabel="layer, from the input", ylabel="size of the gradient", yscale="log")
right.set(title="Six layers, before training")
right.legend()
plt.show()

# %% [markdown]
# **Question 5.3.** After five epochs the sigmoid network of six layers has a loss of 2.30 per
# image. Where does this number come from? Is the network in a local minimum? Write down your
# guess, then train it for ten epochs instead of five.

# %% [markdown]
# ### BEGIN SOLUTION
# It is $\ln 10$, the loss of a network that gives every class the probability 1/10, whatever the
# image. It is not a minimum but a plateau: the early layers have next to no influence on the
# output, so their gradients are tiny, but not zero. In the sixth epoch the network leaves it;
# after ten its test error is about 7 %.
# ### END SOLUTION

# %% [markdown]
# ### What you have built
#
# A framework of two loops; components whose gradients are checked; and a network that reads
# handwriting. What we left out: choosing all those settings on a **validation set** instead of
# looking at the test errors of so many runs, as the plots above do; better optimisers; and
# networks that know that an image is more than a row of numbers. The last cell repeats the figure
# that counts, with the name of the data that it was measured on.

# %%
print("data:", data.name)
print(f"final test error, 784-300-10: {final:.2%}")
