# ---
# jupyter:
#   edf:
#     leave_out: []     # sections, for example [5, 7]; what is left runs without them
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
# # On paper: proofs, and questions to think about
#
# The formulas of the problem sets, derived; a network by hand; and questions on code and on
# conclusions. You need paper, and nothing here has to be done in one go. An answer is folded under
# each question: write down your own first. Where a number can be checked, a check does so, as in
# `ps1.ipynb`, which you should have begun.
#
# | | section | on paper | checked |
# |---|---|---|---|
# | 0 | Setup | | |
# | 1 | First and second derivatives | two proofs | two second derivatives |
# | 2 | How good is a difference? | the best step size | a slope |
# | 3 | Proofs | nine gradients, and a bound | four functions |
# | 4 | A network by hand | the backward pass | three functions |
# | 5 | Find the error | five arguments | five corrections |
# | 6 | Reading `edf.py` | nine questions | |
# | 7 | Reading conclusions | three questions | |
#
# $v^\nabla$ is the gradient of the loss with respect to $v$, of the shape of $v$; $[i = j]$ is 1 if
# $i = j$ and else 0. The [matrix calculus tutorial](https://arxiv.org/abs/1802.01528) of Parr and
# Howard, and [chapter 2](http://neuralnetworksanddeeplearning.com/chap2.html) of Nielsen's book,
# derive much the same.

# %% [markdown]
# ## 0 Setup

# %%
from problem_sets import check, score_sheet     # before NumPy: see problem_sets/__init__.py

from collections import namedtuple

import matplotlib.pyplot as plt
import numpy as np

import edf
from problem_sets.nets import error_rate, fit, mlp

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                     "grid.alpha": 0.3, "figure.constrained_layout.use": True, "figure.dpi": 90})

# %% [markdown]
# ## 1 First and second derivatives
#
# Let $y = g(x)$, $z = h(x)$ and $\ell = f(y, z)$, with $f$ as one component $u$. The list of
# components is $x, y, z, u$. Write $f_y$, $f_z$ for the partial derivatives of $f$ at $(g(x),
# h(x))$.
#
# ![Two paths from x to the loss, with the slope of each step](picture:paths)

# %% [markdown]
# **Question 1.1.** Show that backpropagation computes $d\ell/dx$: write down what each step of the
# walk back does, in the order in which it happens. What would change if $z$ had been built before
# $y$?

# %% [markdown]
# ### BEGIN SOLUTION
# `backward` sets $u^\nabla = 1$ and no other gradient. Then, in reverse order,
#
# $$u:\quad y^\nabla = f_y\,u^\nabla = f_y,\qquad z^\nabla = f_z\,u^\nabla = f_z$$
# $$z:\quad x^\nabla \leftarrow 0 + z^\nabla h'(x) = f_z\,h'(x)$$
# $$y:\quad x^\nabla \leftarrow f_z\,h'(x) + y^\nabla g'(x) = f_z\,h'(x) + f_y\,g'(x)$$
#
# The last line is the chain rule for a function of two variables, $\frac{d}{dx} f(g(x), h(x))$.
# $\square$ With $z$ built first, the two shares come in the other order, and their sum is the same.
# ### END SOLUTION

# %% [markdown]
# In numbers, for two examples of $g$, $h$, $f$: (a) $x^2$, $x^3$, $yz$ at $x = 2$, and (b)
# $\sigma$, $\tanh$, $e^{yz}$ at $x = 0.5$. For (a), work out both shares and their sum by hand
# before you run this.

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
# **Question 1.2.** It is tempting to get $d^2\ell/dx^2$ by the same walk with second derivatives in
# place of the first: $f_{yy}\,g'' + f_{zz}\,h''$. Derive the right formula, and prove that the
# naive rule is wrong. And with what second derivative would the naive walk have to begin, at $u$
# itself?

# %% [markdown]
# ### BEGIN SOLUTION
# Differentiate $f_y\,g' + f_z\,h'$ once more:
#
# $$\frac{d^2\ell}{dx^2} = (f_{yy}\,g' + f_{yz}\,h')\,g' + f_y\,g'' + (f_{zy}\,g' + f_{zz}\,h')\,h'
# + f_z\,h''$$
# $$= f_{yy}\,g'^2 + 2 f_{yz}\,g'h' + f_{zz}\,h'^2 + f_y\,g'' + f_z\,h''$$
#
# The naive rule lacks the squares, the mixed term and the factors $f_y$, $f_z$. That two formulas
# look different does not prove that they are: a **counterexample** does. In example (a) $\ell =
# x^5$, so $\ell'' = 20x^3$, 160 at $x = 2$; but $f = yz$ has $f_{yy} = f_{zz} = 0$, so the naive
# rule says 0. $\square$
#
# And $\ell = u$, so the second derivative of $\ell$ with respect to $u$ is 0. Beginning with this
# true value, the naive walk would return 0 for every function. Beginning with 1, to get $f_{yy}$
# and $f_{zz}$, is a convention and not a derivative.
# ### END SOLUTION

# %% [markdown]
# **Exercise 1.3: a second derivative.** What does work is to differentiate the *result* of
# backpropagation, numerically: $\ell''(x) \approx (\ell'(x + h) - \ell'(x - h)) / 2h$. Write that,
# for one number `x0`. `build(x)` returns the loss as a component of the Param `x`.
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
# **Exercise 1.4: the naive rule.** How wrong is it where it is not just zero? Return
# $f_{yy}\,g''(x) + f_{zz}\,h''(x)$ for example (b), in NumPy alone, with derivatives worked out by
# hand. `x` is a number, or an array that is treated entry by entry.
#
# <details><summary>Hint</summary>
#
# $f_{yy}$ is taken with $z$ held fixed, so each of the two derivatives with respect to $y$ brings
# down a factor $z$. For $g''$ differentiate $g' = g(1 - g)$ with the product rule, for $h''$
# differentiate $h' = 1 - h^2$.
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
# once, and `np.gradient` takes differences of neighbours. Does the naive rule at least get the sign
# right?
#
# <details><summary>What comes out</summary>
#
# Not below $-1.7$, nor between 0 and about 0.75. The curves cross once, by accident. At the right
# end they meet, because $y$ and $z$ are almost 1 there: then $f_{yy} \approx f_y$ and $f_{zz}
# \approx f_z$, and the squares are tiny.
#
# </details>

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
# ## 2 How good is a difference?
#
# `ps1.ipynb` checks gradients with central differences, $(f(x + h) - f(x - h)) / 2h$, and says that
# $h = 10^{-5}$ is a good step. Why not smaller? The example is $\ell = e^{\sigma(x)\tanh(x)}$
# again, whose slope at 0.5 we know from backpropagation.

# %%
edf.clear()
edf.seed(3)
edf.dtype = np.float64


def example(x):
    """Return exp(sigmoid(x) tanh(x)), of a real or a complex number."""
    return np.exp(np.tanh(x) / (1 + np.exp(-x)))


x = edf.Param(0.5)
loss = edf.Exp(edf.Sigmoid(x) * edf.Tanh(x))
edf.forward()
edf.backward(loss)
exact = float(x.grad)
print("backward:           ", exact)
print("forward difference: ", (example(0.5 + 1e-5) - example(0.5)) / 1e-5)

# %% [markdown]
# **Exercise 2.1: a slope.** Return the central difference of a function of one number at `x`,
# with the step `h`.
#
# <details><summary>Hint</summary>
#
# Call the function twice. The two points are $2h$ apart.
#
# </details>

# %%
def my_slope(function, x, h):
    """Return the central difference of function at x."""
    ### BEGIN SOLUTION
    return (function(x + h) - function(x - h)) / (2 * h)
    ### END SOLUTION

# %%
slope = check("my_slope")

# %% [markdown]
# **Question 2.2.** By Taylor, $f(x \pm h) = f \pm h f' + \frac{h^2}{2} f'' \pm \frac{h^3}{6} f''' +
# \ldots$ How large is the error of the central difference if numbers are exact (*truncation*), and
# how large is that of the forward difference, $(f(x + h) - f(x)) / h$? Each value is also
# *rounded*, by up to $\epsilon |f|$ with $\epsilon \approx 10^{-16}$ in float64. Which $h$ is best
# for each of the two, and how small does its error get?

# %% [markdown]
# ### BEGIN SOLUTION
# In the central difference $f$ and $f''$ cancel, which leaves $\frac{h^2}{6} f'''$; for the forward
# difference it is $\frac{h}{2} f''$. Rounding adds up to $2\epsilon|f|$ to the numerator:
#
# $$E(h) \approx \frac{h^2}{6}\,|f'''| + \frac{\epsilon\,|f|}{h},\qquad
# E'(h) = \frac{h}{3}\,|f'''| - \frac{\epsilon\,|f|}{h^2} = 0
# \quad\text{at}\quad h = \Bigl(\frac{3\,\epsilon\,|f|}{|f'''|}\Bigr)^{1/3}$$
#
# If $f$ and $f'''$ are about 1, then $h \approx 10^{-5}$ is best, and $E \approx 10^{-10}$ to
# $10^{-11}$. For the forward difference it is $h \approx \sqrt{\epsilon} \approx 10^{-8}$, with
# $E \approx 10^{-8}$.
# ### END SOLUTION

# %% [markdown]
# The subtraction is what hurts. The **[complex step](https://doi.org/10.1145/838250.838251)** does
# without one: for a function that takes complex numbers, $f(x + ih) = f + ihf' - \frac{h^2}{2}f'' -
# \ldots$, so
#
# $$f'(x) \approx \frac{\operatorname{Im} f(x + ih)}{h},$$
#
# with the error $\frac{h^2}{6} f'''$ and nothing that cancels. In the plot, from right to left:
# with which slope will the errors fall, where do they turn, and which curve never turns? How many
# digits can float32 give at best? (See [Numerical
# Computation](https://www.deeplearningbook.org/contents/numerical.html).)

# %%
def in_float32(x):
    return float(example(np.array([x], np.float32))[0])


steps = 10.0 ** np.arange(-15, 0.01, 0.25)
ways = {"forward": lambda h: (example(0.5 + h) - example(0.5)) / h,
        "central, float32": lambda h: slope(in_float32, 0.5, h),
        "central": lambda h: slope(example, 0.5, h),
        "complex step": lambda h: example(0.5 + 1j * h).imag / h}
fig, ax = plt.subplots(figsize=(7.5, 3.4))
for (name, way), style in zip(ways.items(), ("C1^-", "C3x-", "C0o-", "C2s-")):
    errors = [abs(way(h) - exact) / exact for h in steps]
    ax.plot(steps, np.maximum(errors, 1e-17), style, label=name, markersize=3, linewidth=1)
ax.set(xscale="log", yscale="log", xlabel="step size h", ylabel="relative error", ylim=(3e-18, 9))
ax.set_title("The slope of exp(sigmoid(x) tanh(x)) at 0.5")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# **Kinks.** At $x = 0$ ReLU has no derivative: its slope is 0 on the left and 1 on the right. What
# does the central difference say near 0, for $h = 1$ and for $h = 0.1$?
#
# <details><summary>What comes out</summary>
#
# A ramp: as soon as $h$ is larger than $|x|$, the two points lie on different sides, and the
# difference is a mean of both slopes. That is no sign of a mistake in `backward`. So check at
# values away from kinks, or accept every slope between the two.
#
# </details>

# %%
x = np.linspace(-3, 3, 121)
fig, ax = plt.subplots(figsize=(6, 2.6))
for h, style in (1.0, "--"), (0.1, "-"):
    slopes = [slope(lambda x: max(x, 0), value, h) for value in x]
    ax.plot(x, slopes, style, label=f"h = {h}")
ax.set(xlabel="x", ylabel="central difference", title="ReLU")
ax.legend()
plt.show()

# %% [markdown]
# **Question 2.3.** For $f(x) = x^2$, which step size is best for the central difference at $x =
# 0.5$: $10^{-8}$, $10^{-5}$, or 1? And why is it no good idea to test a checker with that function?

# %% [markdown]
# ### BEGIN SOLUTION
# Here $f''' = 0$ and so are all later derivatives: there is no truncation error, whatever $h$.
# Only rounding is left, $\epsilon |f| / h$, so the largest step is best: with $h = 1$ the
# difference is exactly 1. For that reason a checker with a far too large step, or one that forgot
# to make it small, would look perfect.
# ### END SOLUTION

# %% [markdown]
# ## 3 Proofs
#
# Each question asks for the gradient of one function. Three steps lead to all of them: write one
# entry of the result with indices, $y_{kl} = \dots$; differentiate it with respect to one entry of
# the input; add up over all entries of the result,
#
# $$a^\nabla_{ij} = \sum_{kl} y^\nabla_{kl}\,\frac{\partial y_{kl}}{\partial a_{ij}},$$
#
# where a bracket ends a sum: $\sum_k c_k\,[k = i] = c_i$. An answer is finished when it can be
# programmed: no sum over all entries that could be a matrix product, no matrix that is mostly
# zeros.

# %%
edf.clear()
edf.seed(3)
edf.dtype = np.float64


def numbers(component, *inputs, dy):
    """Print the value of a component, and the gradients of its inputs for this dy."""
    edf.clear()
    params = [edf.Param(array) for array in inputs]
    y = component(*params)
    loss = edf.Sum(y * edf.Input(dy))
    edf.forward()
    edf.backward(loss)
    print("value   ", y.value.round(4).tolist())
    for number, param in enumerate(params, 1):
        print("gradient", number, param.grad.round(4).tolist())

# %% [markdown]
# **Question 3.1: any elementwise function.** Let $Y = F(X)$ apply one function $f$ to every entry.
# Show that $X^\nabla = Y^\nabla \odot f'(X)$, entry by entry, and say what the matrix of all
# derivatives looks like.

# %% [markdown]
# ### BEGIN SOLUTION
# $$X^\nabla_i = \sum_j Y^\nabla_j\,\frac{\partial Y_j}{\partial X_i}
# = \sum_j Y^\nabla_j\,f'(X_i)\,[i = j] = Y^\nabla_i\,f'(X_i),$$
#
# because entry $j$ of the result does not depend on any entry $i \ne j$ of the input: the matrix of
# derivatives is **diagonal**, and the sum keeps one term. Both factors are needed: a component that
# leaves $Y^\nabla$ out claims that the loss is the sum of its own outputs.
# ### END SOLUTION

# %% [markdown]
# **Question 3.2: the matrix product, and an affine map.** Let $Y = XW + b$, with $X$ (B, D), $W$
# (D, H) and $b$ (H,). Derive the three gradients with indices, then write them as matrices. Compare
# with the numbers below, which you can work out by hand.

# %%
numbers(edf.Affine, [[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]], [[1.0, -1.0], [2.0, 0.5]],
        [10.0, 20.0], dy=[[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]])

# %% [markdown]
# ### BEGIN SOLUTION
# $y_{nh} = \sum_d x_{nd}\,w_{dh} + b_h$, so $\partial y_{nh} / \partial x_{ij} = [n = i]\,w_{jh}$,
# and so on:
#
# $$x^\nabla_{nd} = \sum_h y^\nabla_{nh}\,w_{dh},\qquad
# w^\nabla_{dh} = \sum_n x_{nd}\,y^\nabla_{nh},\qquad
# b^\nabla_j = \sum_{nh} y^\nabla_{nh}\,[h = j] = \sum_n y^\nabla_{nj}$$
#
# The first two are sums over **one** index of a product of two matrices, so they are matrix
# products themselves. With $\mathbf 1$ for a column of B ones,
#
# $$X^\nabla = Y^\nabla\,W^\top,\qquad W^\nabla = X^\top\,Y^\nabla,\qquad b^\nabla = \mathbf
# 1^\top\,Y^\nabla.$$
#
# The bias gets the **sum over the batch**, because every row uses the same bias.
# ### END SOLUTION

# %% [markdown]
# **Question 3.3: broadcasting.** NumPy repeats an array $b$ to make shapes fit: place $k$ of the
# result $e$ is a copy of some entry of $b$; call its place $\pi(k)$, so that $e_k = b_{\pi(k)}$.
# What is $b^\nabla_i$? And the other way round: what is the gradient of a *sum* of each row, $y_n =
# \sum_k x_{nk}$?

# %% [markdown]
# ### BEGIN SOLUTION
# $$b^\nabla_i = \sum_k e^\nabla_k\,\frac{\partial e_k}{\partial b_i} = \sum_k e^\nabla_k\,[\pi(k) =
# i]:$$
#
# the sum over all places to which $b_i$ was copied. Copy forward, sum backward. And sum forward,
# copy backward: $x^\nabla_{ij} = \sum_n y^\nabla_n\,[n = i] = y^\nabla_i$. Components that only
# move entries (Reshape, Transpose, squeezing an axis away) rename indices: their gradient is `dy`,
# moved back.
# ### END SOLUTION

# %% [markdown]
# NumPy aligns shapes from the right. It repeats an array along the axes that its shape lacks on the
# left, and along its own axes of length 1:
#
# | shape of $b$ | shape of the result | repeated along | on the way back |
# |---|---|---|---|
# | (H,) | (B, H) | axis 0, which it lacks | axis 0 disappears |
# | (1, H) | (B, H) | axis 0, of length 1 | axis 0 stays, with length 1 |
# | (B, 1) | (B, H) | axis 1, of length 1 | axis 1 stays, with length 1 |
# | () | (B, H) | both, which it lacks | both disappear |
#
# **Exercise 3.4: undo broadcasting.** `grad` has the shape of a result. Reduce it to the given
# `shape`: that of an array which was broadcast to reach the result.
#
# <details><summary>Hint</summary>
#
# First sum over as many leading axes as `grad` has too many; then, with `keepdims=True`, over all
# axes that have length 1 in `shape`. `sum` takes a tuple of axes, and an empty one changes nothing.
#
# </details>

# %%
def my_unbroadcast(grad, shape):
    """Return grad, summed over the axes along which an array of this shape was repeated."""
    ### BEGIN SOLUTION
    missing = grad.ndim - len(shape)
    grad = grad.sum(axis=tuple(range(missing)))
    repeated = tuple(axis for axis, length in enumerate(shape) if length == 1)
    return grad.sum(axis=repeated, keepdims=True)
    ### END SOLUTION

# %%
check("my_unbroadcast");

# %% [markdown]
# **Exercise 3.5: the sum of each row.** Write `dx` of $y_n = \sum_k x_{nk}$, from (B,) to (B, K).
#
# <details><summary>Hint</summary>
#
# Make a column (B, 1) of `dy` first, or NumPy would align it with the wrong axis. Then
# `np.broadcast_to(array, shape)` repeats it.
#
# </details>

# %%
class MyRowSum(edf.Component):
    def f(self, x):
        return x.sum(axis=1)                                    # (B, K) -> (B,)

    def dx(self, dy, x):
        ### BEGIN SOLUTION
        return np.broadcast_to(dy[:, None], x.shape)            # (B, 1) -> (B, K)
        ### END SOLUTION

# %%
check("MyRowSum");

# %% [markdown]
# **Question 3.6: Normalize.** Each row of $x$ (B, K) is divided by its sum: $y_k = x_k / s$ with $s
# = \sum_m x_m$. Derive $x^\nabla$. Then give a test of the formula that needs no differences: what
# must it be if $y^\nabla$ is 1 everywhere?

# %% [markdown]
# ### BEGIN SOLUTION
# Every $x_j$ is in the sum, $\partial s / \partial x_j = 1$, so it changes every entry of the row,
# not only its own. By the quotient rule
#
# $$\frac{\partial y_k}{\partial x_j} = \frac{[k = j]}{s} - \frac{x_k}{s^2} = \frac{1}{s}\,\bigl([k
# = j] - y_k\bigr),
# \qquad x^\nabla_j = \frac{1}{s}\,\Bigl(y^\nabla_j - \sum_k y^\nabla_k\,y_k\Bigr).$$
#
# The sum over $k$ holds the **cross terms**, $k \ne j$. Each row of $y$ adds up to 1, whatever $x$
# is. So if $y^\nabla$ is 1 everywhere, the gradient must be 0, and indeed $1 - \sum_k y_k = 0$.
# ### END SOLUTION

# %% [markdown]
# **Exercise 3.7: Normalize.** Write `dx` for a batch (B, K): `f` has kept the row sums as `self.s`,
# (B, 1), and $y$ is `self.value`.
#
# <details><summary>Hint</summary>
#
# The sum over $k$ is one number for each row. Keep it as a column (B, 1), then NumPy subtracts it
# from all entries of its row.
#
# </details>

# %%
class MyNormalize(edf.Component):
    def f(self, x):
        self.s = x.sum(axis=1, keepdims=True)                   # (B, K) -> (B, 1)
        return x / self.s                                       # (B, K) / (B, 1) -> (B, K)

    def dx(self, dy, x):
        ### BEGIN SOLUTION
        inner = (dy * self.value).sum(axis=1, keepdims=True)    # (B, K) -> (B, 1)
        return (dy - inner) / self.s                            # (B, K) - (B, 1) -> (B, K)
        ### END SOLUTION

# %%
Normalize = check("MyNormalize")

# %% [markdown]
# The cross terms need not be derived by hand. In `x / edf.Sum(x, ...)`, $x$ is used twice, and
# gradients are added. Will the two give the same gradient? And why is it at a right angle to $x$?
#
# <details><summary>What comes out</summary>
#
# The same, and a longer $x$ gives the same $y$: in the direction of $x$ the slope is 0.
#
# </details>

# %%
edf.clear()
x = edf.Param(1 + edf.rng.random((2, 4)))
weights = edf.Input(edf.rng.normal(size=(2, 4)))
for y in Normalize(x), x / edf.Sum(x, axis=1, keepdims=True):
    loss = edf.Sum(weights * y)
    edf.forward()
    edf.backward(loss)
    along = (x.grad * x.value).sum(axis=1)
    print("gradient", *x.grad.round(4).tolist(), " times x:", abs(along).max().round(12))

# %% [markdown]
# **Question 3.8: Softmax.** Let $y_i = e^{s_i} / \sum_k e^{s_k}$ for one row of scores $s$. Find
# $J_{ij} = \partial y_i / \partial s_j$, then $s^\nabla$ as a formula without a matrix. Show that
# the entries of $s^\nabla$ add up to 0, and say why they must.

# %%
numbers(edf.Softmax, [np.log([1.0, 2.0, 5.0])], dy=[[8.0, 0.0, -8.0]])

# %% [markdown]
# ### BEGIN SOLUTION
# $$J_{ij} = \frac{e^{s_i}[i = j]\,\sum_k e^{s_k} - e^{s_i}e^{s_j}}{\bigl(\sum_k e^{s_k}\bigr)^2}
# = y_i\,\bigl([i = j] - y_j\bigr),\qquad
# s^\nabla_j = \sum_i y^\nabla_i\,J_{ij} = y_j\,\Bigl(y^\nabla_j - \sum_i y^\nabla_i\,y_i\Bigr)$$
#
# It is not diagonal, so the rule of 3.1 does not apply. A number added to all scores of a row
# changes nothing, so the slope in this direction, the sum of $s^\nabla$, must be 0:
#
# $$\sum_j s^\nabla_j = \sum_j y_j\,y^\nabla_j - \sum_j y_j \sum_i y^\nabla_i\,y_i
# = \sum_j y_j\,y^\nabla_j - 1 \cdot \sum_i y^\nabla_i\,y_i = 0$$
# ### END SOLUTION

# %% [markdown]
# **Question 3.9: log-sum-exp and the fused loss.** Show that $\log\sum_k e^{s_k} = m + \log\sum_k
# e^{s_k - m}$ with $m = \max_k s_k$, and that the right side cannot overflow. Find its derivative
# with respect to $s_j$, and with it the gradients of LogSoftmax, $z_i = \log y_i$, and of the loss
# $\ell = -\log y_c$. Compare the last with what you get from the gradients of Softmax and of $-\log
# p_c$, one after the other.

# %% [markdown]
# ### BEGIN SOLUTION
# $\log\sum_k e^{s_k} = \log\bigl(e^m\sum_k e^{s_k - m}\bigr) = m + \log\sum_k e^{s_k - m}$. No
# power exceeds 1, and one of them is 1, so the sum lies between 1 and K. Its derivative is $e^{s_j}
# / \sum_k e^{s_k} = y_j$, the softmax. With $z_i = s_i - \log\sum_k e^{s_k}$,
#
# $$s^\nabla_j = \sum_i z^\nabla_i\,\bigl([i = j] - y_j\bigr) = z^\nabla_j - y_j \sum_i
# z^\nabla_i,\qquad
# \frac{\partial\ell}{\partial s_j} = y_j - [j = c].$$
#
# Composed: $p^\nabla_c = -1/y_c$ and 0 elsewhere, times $J_{cj} = y_c\,([c = j] - y_j)$. The $y_c$
# cancels, and what is left is the same. But the fused form divides by no probability that may have
# been rounded to 0.
# ### END SOLUTION

# %% [markdown]
# **Question 3.10: BatchNorm.** Each column of $x$ (B, D) is standardized over the rows of the
# batch: for one column, $z_s = (x_s - \mu) / \sigma$ with $\mu = \frac1B\sum_s x_s$ and $\sigma^2 =
# \frac1B\sum_s (x_s - \mu)^2 + \epsilon$; then $y_s = \gamma z_s + \beta$. Derive $x^\nabla$,
# $\gamma^\nabla$ and $\beta^\nabla$. The first needs one mean over the batch and no double sum.
# Give two tests of it.

# %%
numbers(edf.BatchNorm, [[1.0], [3.0], [5.0], [7.0]], [2.0], [0.0],
        dy=[[1.0], [0.0], [0.0], [-1.0]])

# %% [markdown]
# ### BEGIN SOLUTION
# $x_r$ reaches **every** $z_s$, through the mean and through the variance, and $z_r$ directly
# besides.
#
# $$\frac{\partial\mu}{\partial x_r} = \frac1B,\qquad
# \frac{\partial\sigma}{\partial x_r} = \frac1{2\sigma}\cdot\frac2B\,(x_r - \mu) =
# \frac{z_r}B,\qquad
# \frac{\partial z_s}{\partial x_r} = \frac1\sigma\Bigl([s = r] - \frac1B - \frac{z_s z_r}B\Bigr)$$
#
# $$x^\nabla_r = \sum_s y^\nabla_s\,\gamma\,\frac{\partial z_s}{\partial x_r}
# = \frac\gamma\sigma\,\Bigl(y^\nabla_r - \overline{y^\nabla} - z_r\,\overline{y^\nabla
# z}\Bigr),\qquad
# \gamma^\nabla = \sum_s y^\nabla_s\,z_s,\qquad \beta^\nabla = \sum_s y^\nabla_s,$$
#
# where a bar is the mean over the batch. Tests: a number added to the column changes nothing, so
# $\sum_r x^\nabla_r = 0$; and stretching the column about its mean changes nothing but for
# $\epsilon$, so $\sum_r (x_r - \mu)\,x^\nabla_r \approx 0$. `ps2.ipynb` has you program it.
# ### END SOLUTION

# %% [markdown]
# **Question 3.11: a bound.** A network that ignores its input gives every example the same
# probabilities $q_k$. With the shares $p_k$ of the classes its mean loss is $-\sum_k p_k \log q_k$.
# Show that this is at least the *entropy* $-\sum_k p_k \log p_k$. (Use $\log u \le u - 1$.)

# %% [markdown]
# ### BEGIN SOLUTION
# $$-\sum_k p_k \log q_k + \sum_k p_k \log p_k = -\sum_k p_k \log\frac{q_k}{p_k}
# \ge -\sum_k p_k \Bigl(\frac{q_k}{p_k} - 1\Bigr) = -\sum_k q_k + \sum_k p_k = 0.$$
#
# So $q = p$ is the best choice. A network that has learned anything from its input beats the
# entropy.
# ### END SOLUTION

# %% [markdown]
# **Exercise 3.12: baselines.** Return the share of the most frequent class, and the entropy (with
# the natural logarithm), for an array `labels` (N,) of class numbers. A number that does not occur
# contributes nothing.
#
# <details><summary>Hint</summary>
#
# `np.unique` can count, and counts only what is there.
#
# </details>

# %%
def my_baselines(labels):
    """Return the largest share and the entropy."""
    ### BEGIN SOLUTION
    counts = np.unique(labels, return_counts=True)[1]
    p = counts / len(labels)
    return p.max(), -(p * np.log(p)).sum()
    ### END SOLUTION

# %%
baselines = check("my_baselines")

# %% [markdown]
# ## 4 A network by hand
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
# **Exercise 4.1: forward.** Return $h$ (B, H) and $y$ (B, K) for a batch `x` (B, D), in plain
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
# **Question 4.2: backward.** Go through the table from the bottom up, for one example: find
# $y^\nabla$, $o^\nabla$, $V^\nabla$, $c^\nabla$, $h^\nabla$, $k^\nabla$, $W^\nabla$ and $b^\nabla$,
# first entry by entry, then as matrices. Which numbers from the forward pass are needed again? Then
# let the loss be the mean over a batch of B rows: which lines change?

# %% [markdown]
# ### BEGIN SOLUTION
# From the loss, $y^\nabla_i = -t_i / y_i$. With $\partial y_i / \partial o_j = y_i\,([i = j] -
# y_j)$, and since the entries of $t$ add up to 1,
#
# $$o^\nabla_j = \sum_i y^\nabla_i\,\frac{\partial y_i}{\partial o_j} = -t_j + y_j \sum_i t_i = y_j
# - t_j.$$
#
# $V_{jl}$ takes part in $o_l$ alone, with the factor $h_j$; $h_j$ takes part in every score; each
# hidden unit depends on its own $k_j$ alone, with the slope $h_j(1 - h_j)$:
#
# $$V^\nabla_{jl} = h_j\,o^\nabla_l,\quad c^\nabla_l = o^\nabla_l,\quad h^\nabla_j = \sum_i
# o^\nabla_i\,V_{ji},
# \quad k^\nabla_j = h^\nabla_j\,h_j\,(1 - h_j),$$
#
# $$o^\nabla = y - t,\quad V^\nabla = h^\top o^\nabla,\quad c^\nabla = o^\nabla,\quad
# h^\nabla = o^\nabla V^\top,$$
# $$k^\nabla = h^\nabla \odot h \odot (1 - h),\quad W^\nabla = x^\top k^\nabla,\quad
# b^\nabla = k^\nabla.$$
#
# $x$, $h$ and $y$ are needed again; $k$ and $o$ can be forgotten. In a batch only row $n$ of $o$
# has to do with $\ell_n$, so $o^\nabla_{nj} = (y_{nj} - t_{nj}) / B$. All rows use the same $V$ and
# $c$, so their gradients are sums over rows; the matrix products do this by themselves, and for the
# two biases it has to be written. The factor $1/B$ comes in **once**, at the loss.
# ### END SOLUTION

# %% [markdown]
# **Exercise 4.3: backward.** Return the gradients of the mean loss with respect to $W$, $b$, $V$
# and $c$, in this order. You get the batch `x` (B, D), the right classes `labels` (B,) as
# integers, and `h` (B, H), `y` (B, K) from the forward pass. Do not write into them.
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
# **Exercise 4.4: the same in EDF.** All arguments but the last are components: `x` and `labels`
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
# Every line of the derivation is a step of this walk, with the first example, of class 0. Use the
# buttons, or click on it and use the arrow keys. In which step do you find $y - t$, and in which
# box?

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
edf.walk(loss)

# %% [markdown]
# ### Five steps
#
# A step moves every parameter against its gradient, here times the learning rate 0.5. Will the loss
# of the batch fall in each of five steps, and by the same amount?
#
# <details><summary>What comes out</summary>
#
# The losses before each step are 0.2620096, 0.2357542, 0.2151611, 0.1980847 and 0.1834654: each
# step gains a little less than the one before.
#
# </details>

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
# Here is a network with nice numbers, for paper and pencil: all weights are 1 or $-1$, all biases
# 0, and $x = (1, -1)$. Below, `WrongSigmoid` has a gradient that is nonsense. Which of the two
# networks will notice, and what does the other say about the first layer?

# %%
given = Weights(W=np.array([[1, 1, 1], [-1, -1, -1]]), b=np.zeros(3),
                V=np.array([[1, 1], [-1, -1], [-1, -1]]), c=np.zeros(2))
for name, weights in ("given", given), ("asymmetric", asymmetric):
    loss, params = run(network, three[:1], [1], weights)
    sizes = [f"{name} {abs(param.grad).max():.4f}" for name, param in params._asdict().items()]
    print(f"{name:10}  loss {loss.value[0]:.7f}  largest gradients:", "  ".join(sizes))


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
# **Question 4.5.** Why are all gradients of the given network's first layer 0, for every class and
# every $x$, and what follows for a table of gradients that agrees with it?

# %% [markdown]
# ### BEGIN SOLUTION
# The two columns of $V$ are equal, $V_{j0} = V_{j1} = v_j$. Hence
#
# $$h^\nabla_j = \sum_i o^\nabla_i\,V_{ji} = v_j \sum_i (y_i - t_i) = v_j\,(1 - 1) = 0,$$
#
# and everything below is a product with 0, **whatever the first layer's backward does**. A table of
# zeros confirms nothing. Compare gradients where none of them vanishes and no two are equal.
# (`edf.check_gradients` tries every component alone, with a random `dy`, and finds the nonsense in
# both.)
# ### END SOLUTION

# %% [markdown]
# ### Symmetry
#
# Two hidden units with the same column of $W$, the same $b$ and the same row of $V$ compute the
# same $h$, so they get the same gradients, take the same step and are equal again: **for ever**.
# Units 2 and 3 of the given network are such a pair. Unit 1 has another row of $V$, but only by a
# number that is added to both of its entries, and this drops out of $h^\nabla$, since the entries
# of $o^\nabla$ add up to 0. What do you expect of the columns of $W$, here after a hundred steps?

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
# **Question 4.6.** Take random numbers for $W$, but leave $V$ and all biases as they are in the
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
# **Question 4.7.** "For a batch, the gradient is only approximated by the mean over its
# examples." The next cell compares the gradient from six examples with the mean of those from
# three and three. How exactly will they agree? What is exact here, and what is an
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
# **Question 4.8.** The given network is trained on 60,000 points of two classes, which no straight
# line separates. What can three equal hidden units do at best? Will they stay equal for ever, in
# float64 and in float32? (A few seconds.)

# %%
def equal_units(dtype, epochs=10):
    """Train the 2-3-2 network from equal units; say how far its units get from each other."""
    edf.dtype, draw = dtype, np.random.default_rng(8)
    points = draw.normal(size=(70000, 2))
    labels = ((points @ [[1, 0.5], [1, 0.2]] * points).sum(axis=1) > 0.6).astype(int)
    net = mlp([2, 3, 2], edf.Sigmoid)
    for param, array in zip(edf.params, given):
        param.value = array
    W, sgd = edf.params[0], edf.SGD(lr=1.28)
    for epoch in range(1, epochs + 1):
        fit(net, points[:60000], labels[:60000], sgd, epochs=1)
        if epoch in (1, 5, epochs):
            print(f"{dtype.__name__}, epoch {epoch:2}: accuracy "
                  f"{1 - error_rate(net, points[60000:], labels[60000:]):.4f}, unit 1 differs from "
                  f"2 by {abs(W.value[:, 0] - W.value[:, 1]).max():.0e}, unit 3 by "
                  f"{abs(W.value[:, 2] - W.value[:, 1]).max():.0e}")


for dtype in np.float64, np.float32:
    equal_units(dtype)

# %% [markdown]
# ### BEGIN SOLUTION
# Equal units draw one straight line, which gets less than 70 % right. Units 2 and 3 have the same
# gradients to the last bit, and stay equal. Unit 1 has another row of $V$, so its rounding errors
# are others, and the difference **grows** in every epoch. In float32 it starts larger, and may
# become two different lines within ten epochs: it depends on the last bit. So equal units are no
# minimum. But do not wait for rounding errors: start with random weights.
# ### END SOLUTION

# %% [markdown]
# ## 5 Find the error
#
# Five arguments, each of which sounds right and is wrong, about functions that you have met. Run
# the check *first* and read what it says. Then say in one sentence what is wrong with the argument,
# and fix the code.

# %% [markdown]
# **Error 5.1: ReLU.** "Let $y_i = \max(z_i, 0)$. Its derivative is
# $\partial y_i / \partial z_i = [z_i > 0]$, and nothing else contains $z_i$. Backpropagation
# computes derivatives, so this is what `dz` returns. I checked it with the loss
# $\ell = \sum_i y_i$, and the differences agreed to ten digits."
#
# Say what is wrong, and fix it.
#
# <details><summary>Hint</summary>
#
# What does `dy` hold when the loss is the plain sum of the outputs? And when the next component
# multiplies them by 5?
#
# </details>

# %%
class SuspectReLU(edf.Component):
    def f(self, z):
        return np.where(z > 0, z, 0)

    def dz(self, dy, z):
        ### BEGIN ERROR
        return np.where(z > 0, 1.0, 0.0)
        ### END ERROR
        ### BEGIN SOLUTION
        return np.where(z > 0, dy, 0)
        ### END SOLUTION

# %%
check("SuspectReLU");

# %% [markdown]
# **Error 5.2: a layer for a batch.** "For one image, a column $x$, a layer gives $W^\top x + b$.
# A batch has many images, so the matrix $X$ takes the place of $x$, and the layer is
# $W^\top X + b$. (Some write $WX + b$, which comes to the same.) I ran it on three images of
# three pixels, with three outputs: it works."
#
# `images` is (B, D), `weights` (D, H), `bias` (H,), the value of the result (B, H). Say what is
# wrong, and fix it.
#
# <details><summary>Hint</summary>
#
# Over which index does $y_{bh}$ sum, and where does it stand in the two matrices? Try four images
# of three pixels, and two outputs.
#
# </details>

# %%
def suspect_layer(images, weights, bias):
    """Return the component of the outputs of a layer, one row for each image."""
    ### BEGIN ERROR
    return edf.Transpose(weights) @ images + bias
    ### END ERROR
    ### BEGIN SOLUTION
    return images @ weights + bias
    ### END SOLUTION

# %%
check("suspect_layer");

# %% [markdown]
# **Error 5.3: the sides of a product.** "$Y = HV$ is a product. So its derivative with respect
# to $H$ is $V$, and with respect to $V$ it is $H$. The chain rule multiplies these by the
# upstream gradient: $H^\nabla = V\,Y^\nabla$ and $V^\nabla = H\,Y^\nabla$. I tried it with
# $3 \times 3$ matrices: every gradient has the shape that it should have."
#
# `h` is (B, H), `v` is (H, K), `dy` is (B, K). Say what is wrong, and fix both methods.
#
# <details><summary>Hint</summary>
#
# Start from $y_{bk} = \sum_p h_{bp}\,v_{pk}$: which entries of $Y$ contain $h_{ij}$, and with
# what factor? The sum that you get is an entry of a product; of what, in which order?
#
# </details>

# %%
class SuspectMatMul(edf.Component):
    def f(self, h, v):
        return h @ v                            # (B, H) @ (H, K) -> (B, K)

    def dh(self, dy, h, v):
        ### BEGIN ERROR
        return v @ dy
        ### END ERROR
        ### BEGIN SOLUTION
        return dy @ v.T                         # (B, K) @ (K, H) -> (B, H)
        ### END SOLUTION

    def dv(self, dy, h, v):
        ### BEGIN ERROR
        return h @ dy
        ### END ERROR
        ### BEGIN SOLUTION
        return h.T @ dy                         # (H, B) @ (B, K) -> (H, K)
        ### END SOLUTION

# %%
check("SuspectMatMul");

# %% [markdown]
# **Error 5.4: softmax as an activation.** "The derivative of softmax is
# $\partial y_i / \partial o_i = y_i\,(1 - y_i)$, as for the sigmoid. Softmax has one output for
# each input, so it is an activation like any other, and those multiply the upstream gradient by
# the derivative: $o^\nabla_i = y^\nabla_i\,y_i\,(1 - y_i)$."
#
# `o` and `dy` are (B, K). Say what is wrong, and fix it; no matrix of derivatives is needed.
#
# <details><summary>Hint</summary>
#
# Write out $o^\nabla_j = \sum_i y^\nabla_i\,y_i\,([i = j] - y_j)$ as two sums. A test: adding the
# same number to all scores of a row changes nothing, so its gradient must add up to 0.
#
# </details>

# %%
class SuspectSoftmax(edf.Component):
    def f(self, o):
        e = np.exp(o - o.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)             # (B, K) / (B, 1) -> (B, K)

    def do(self, dy, o):
        y = self.value
        ### BEGIN ERROR
        return dy * y * (1 - y)
        ### END ERROR
        ### BEGIN SOLUTION
        average = (dy * y).sum(axis=1, keepdims=True)       # (B, K) -> (B, 1)
        return y * (dy - average)                           # (B, K) - (B, 1) -> (B, K)
        ### END SOLUTION

# %%
check("SuspectSoftmax");

# %% [markdown]
# **Error 5.5: the other case of softmax.** "Let $y_i = e^{o_i} / T$ with $T = \sum_k e^{o_k}$.
# For $i = j$ the quotient rule gives $e^{o_i}(T - e^{o_i}) / T^2$. For $i \ne j$ the numerator is
# a constant, which leaves minus the numerator times the derivative of $T$:
# $\partial y_i / \partial o_j = -e^{o_i}e^{o_i} / T^2$."
#
# `o` is (K,), and the matrix that is returned (K, K), with $i$ for its rows. Say what is wrong,
# and fix it.
#
# <details><summary>Hint</summary>
#
# With respect to which variable is $T$ differentiated there? A test: the $y_i$ add up to 1 whatever
# $o_j$ is, so every column of the matrix must add up to 0.
#
# </details>

# %%
def suspect_jacobian(o):
    """Return the derivatives of softmax: y_i with respect to o_j in row i, column j."""
    e = np.exp(o - o.max())
    total = e.sum()
    jacobian = np.empty((len(o), len(o)))
    for i, j in np.ndindex(jacobian.shape):
        if i == j:
            jacobian[i, j] = e[i] * (total - e[i]) / total ** 2
        else:
            ### BEGIN ERROR
            jacobian[i, j] = -e[i] * e[i] / total ** 2
            ### END ERROR
            ### BEGIN SOLUTION
            jacobian[i, j] = -e[i] * e[j] / total ** 2
            ### END SOLUTION
    return jacobian

# %%
check("suspect_jacobian");

# %% [markdown]
# <details><summary>What was wrong, and which test shows it</summary>
#
# | | what is wrong | shown by |
# |:--|:--|:--|
# | 5.1 | a factor `dy` is missing | any upstream gradient but ones |
# | 5.2 | images are rows: $X$ stands on the left | B, D, H all different |
# | 5.3 | sides and transposes: $Y^\nabla V^\top$, $H^\top Y^\nabla$ | B, H, K all different |
# | 5.4 | the matrix of derivatives is not diagonal | ones must give 0, and rows add up to 0 |
# | 5.5 | $T$ differentiated with respect to $o_i$, not $o_j$ | columns must add up to 0 |
#
# Differences with a random upstream gradient show all of these but 5.2: with square matrices its
# gradient is right, for the wrong function. There a value worked out by hand helps.
#
# </details>
#
# **Squares, and equal numbers.** Square matrices fit whether transposed or not, so shapes say
# nothing. If all numbers of a matrix are equal, it even *is* its transpose. `Untransposed` below is
# the error of 5.3 without the swapped sides. Which of the three tries will find it?

# %%
class Untransposed(edf.MatMul):
    def da(self, dy, a, b):
        return dy @ b

    def db(self, dy, a, b):
        return a @ dy


square = edf.rng.normal(size=(3, 3))
tries = {"(4, 3) @ (3, 2)": (edf.rng.normal(size=(4, 3)), edf.rng.normal(size=(3, 2))),
         "(3, 3) @ (3, 3)": (square, square + 1),
         "the same, of ones": (np.ones((3, 3)), np.ones((3, 3)))}
for name, (a, b) in tries.items():
    edf.clear()
    product = Untransposed(edf.Param(a), edf.Param(b))
    try:
        edf.check_gradients(product)
        print(f"{name:17}  nothing found")
    except (ValueError, AssertionError) as error:
        print(f"{name:17}  {type(error).__name__}: {str(error)[:50]}...")

# %% [markdown]
# ## 6 Reading `edf.py`
#
# Each of these questions can be answered by reading the source, or by running a line or two; there
# are cells to start from. Open the file beside the notebook: its sections 1 and 2 have almost
# everything that you need.

# %%
edf.clear()
edf.seed(6)
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
# **Question 6.1.** Two calls do the work of `backward`. Which statement of `edf.py` calls the
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
# **Question 6.2.** With `c = p * q` as above, what is `c.value`, what is `c.inputs[0]`, and what
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
# **Question 6.3.** Why does `edf.py` set gradients to `None` before the walk and not to zeros?
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
# **Question 6.4.** What happens to `p.grad` if you call `edf.backward(c)` a second time? If you
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
# **Question 6.5.** In the next graph, a diamond, $h$ reaches the loss on two paths of different
# lengths. `depth_first` follows every path from the loss back to its start; with a set, it visits
# each node once. Both ways go wrong: why, each of them? A framework that walks like this has to
# count for each node how many of its users have been there. Why does EDF not need to count?
#
# ![A diamond: h reaches the loss on a short and on a long path](picture:diamond)

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
# ### BEGIN SOLUTION
# On every path: `h` is visited twice. On the second visit its gradient holds both shares, and
# passes all of it on, though the first share has gone down already. Each node once: `h` is
# visited on the short path, before the long one has delivered its share; that share never gets to
# `x`. A node may pass its gradient on only when all its users have added to it. In the list every
# component stands after its inputs, hence before its users. Read backwards, all users of `h` come
# before `h`, however long the paths are, so its gradient is complete when its turn comes.
# ### END SOLUTION

# %% [markdown]
# **Question 6.6.** What is kept between `forward` and `backward`? The next cell lists it. Which
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
# Every component keeps its `value`; what `f` puts on `self` comes on top: the mask `m` of `Dropout`
# and the probabilities `p` of `SoftmaxCrossEntropy`. What cannot be computed again are the Inputs,
# the Params, and the mask, which is random (unless the state of the random numbers before it is
# kept). Everything else is a function of these: `p` is the softmax of the scores, and the values
# follow from another `forward`. Large networks use this: they keep the values of a few layers and
# compute those between again. Some values are read by no formula: the gradient of an affine map
# needs `x` and `w`, but not its own result.
# ### END SOLUTION

# %% [markdown]
# **Question 6.7.** `InPlace` is a parameter whose `add_grad` saves an array by using `+=`.
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
# **Question 6.8.** In some frameworks a value and the operation that made it are two objects, and
# each refers to the other: the operation to its outputs, each output to its source. Why does EDF
# need no such circle, and how does a gradient find its way from the loss to $x$, if $x$ does not
# know who uses it?

# %% [markdown]
# ### BEGIN SOLUTION
# In EDF one object is both: the component holds the formula *and* its value and gradient. It
# refers to its inputs only, all of them built earlier. So references point backwards in the list,
# and there is no circle. The gradient goes the same way: a component that uses $x$ adds its share
# to `x.grad`. Nobody has to be asked for its users: the list in reverse brings each of them
# before $x$.
# ### END SOLUTION

# %% [markdown]
# **Question 6.9.** The graph of EDF is **static**: it is built once, then fed with many batches,
# whose size may change from one `forward()` to the next. In an **eager** framework, such as
# PyTorch, every operation computes its value as it is called, so the graph grows while the loss is
# computed, and is thrown away after `backward`. Do both give the same gradients? What does building
# anew cost, and what does it buy? (On how frameworks do it, see the
# [survey](https://arxiv.org/abs/1502.05767).)

# %%
def build(batch):
    x, w = edf.Input(batch), edf.Param([[0.5], [-1.0]])         # (B, 2), (2, 1)
    return x, w, edf.Tanh(x @ w) ** 2                           # (B, 1)


batches = [edf.rng.normal(size=(rows, 2)) for rows in (4, 1, 3)]
edf.clear()
x, w, loss = build(batches[0])
once = []
for x.value in batches:
    edf.forward()
    edf.backward(loss)
    once.append(w.grad)
for batch, grad in zip(batches, once):
    edf.clear()                                                 # and build the same again
    x, w, loss = build(batch)
    edf.forward()
    edf.backward(loss)
    print(len(batch), "rows: built once", grad.ravel(), " built anew", w.grad.ravel())

# %% [markdown]
# ### BEGIN SOLUTION
# The same, to the last digit. Building anew costs time in every step; in return the program may
# look at values while it builds, and build another graph for every example: a loop as long as a
# sentence, a branch that depends on a number.
# ### END SOLUTION

# %% [markdown]
# ## 7 Reading conclusions
#
# The sentences below stood in reports. They were meant honestly, and one more number would have
# prevented each of them. (More of them are asked in `ps1.ipynb`, 6.2, and `ps2.ipynb`, 1.4 and
# 2.4.)

# %% [markdown]
# **Question 7.1.** The caption of a plot says "training accuracy after each epoch". The loop was
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
# **Question 7.2.** A report says: "We trained with SGD, RMSProp and Adam at the rate 0.001. RMSProp
# was much worse; so we do not recommend it." By how much does the first step of each move a number
# whose gradient is $g$? (Read `direction` of the three in `edf.py`.) What does that say about the
# comparison?

# %% [markdown]
# ### BEGIN SOLUTION
# SGD moves it by $\eta g$, Adam by $\eta$, and RMSProp by $\eta / \sqrt{1 - \alpha} = 10\,\eta$
# with $\alpha = 0.99$, the last two with the sign of $g$ and whatever its size. So one rate means
# three different things, and may be small for one and large for another. On MNIST (784-100-10,
# three epochs in batches of 16) we measured 88 % right for SGD at 0.001, and 97 % for RMSProp, for
# Adam, and for SGD at 0.1.
# ### END SOLUTION

# %% [markdown]
# **Question 7.3.** One sentence each: what is wrong or missing?
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
