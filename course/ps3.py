# ---
# jupyter:
#   edf:
#     leave_out: []     # sections, for example [3]; what is left runs without them
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
# # Problem set 3: sequences, attention, and a GPT in a list of components
#
# First you will see a small GPT learn to write like Shakespeare, in less than a minute. Then you
# take it apart, and write every part of it yourself.
#
# | | section | you write | hours |
# |---|---|---|---|
# | 0 | A GPT that writes Shakespeare | | 0.2 |
# | 1 | Text as numbers | a table of bigrams | 0.7 |
# | 2 | Embedding | its gradient | 0.6 |
# | 3 | Recurrent networks | an RNN, an LSTM, a GRU | 1.6 |
# | 4 | Attention | a head and its gradient, a mask, a test, several heads | 2 |
# | 5 | The block | residual connections | 0.5 |
# | 6 | A GPT | all of it, and how it writes | 1 |
# | 7 | Find the error | six corrections | 0.7 |
# | 8 | Your best model | all of it | 0.7 |
#
# You need `ps1.ipynb`, or the same from elsewhere: components, gradients, softmax and
# cross-entropy. Terms are explained where they first appear, and listed
# [at the end](#Words-and-letters).

# %% [markdown]
# **How to work.** Replace the lines `# YOUR CODE HERE` and `raise NotImplementedError()`, run the
# cell, then the check below it. A check tries your answer on some examples, and says what differs
# and where. Until it passes, the notebook goes on with an answer of its own, so you are never
# stuck. Stuck on an exercise? Unfold its *Hint*. Answer a question *before* you run the cell below
# it. Cells that take longer than ten seconds say so.
#
# After section 0, each section runs on its own.

# %% [markdown]
# ## 0 A GPT that writes Shakespeare
#
# **The data** is one long string: 755,052 letters from plays of Shakespeare. A *letter*, here, is
# any character, so the blank and the end of a line are letters too. The first nine tenths are for
# learning, the last tenth is for validation. (`TEXT_FILE=my.txt` in the environment takes a text of
# your own.)

# %%
from problem_sets import check, score_sheet     # before NumPy: see problem_sets/__init__.py

import time

import matplotlib.pyplot as plt
import numpy as np

import edf
from edf import Embedding
from problem_sets import sequences
from problem_sets.nets import Net
from problem_sets.sequences import (
    attention, bigrams, block, chances, gpt, gru, heads, layer_norm, lstm, mask, new_block,
    recurrent, recurrent_params, rnn, sees_later, train, validation_loss, weights, write, zeros)
from text_loader import decode, encode, letters_of, load_text, windows

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                     "grid.alpha": 0.3, "figure.constrained_layout.use": True, "figure.dpi": 90})

# %%
text = load_text()
letters = letters_of(text)
numbers = encode(text, letters)
learning, validation = np.split(numbers, [len(numbers) * 9 // 10])
K = len(letters)
print("data:", f"{len(learning):,} letters to learn from, {len(validation):,} for validation")
print(f"{K} different letters: {letters!r}")
print(text[:200])

# %% [markdown]
# **The network.** A **language model** looks at some letters and gives each letter a probability of
# being the next. A **GPT** is a language model made of *attention*. Ours has 64,000 parameters, the
# large ones a million times as many, and the parts are the same. To learn is to make the
# probability of what really comes next larger, on windows of 32 letters from anywhere in the text.
#
# That takes half a minute. Then it writes: it draws a letter from the probabilities, appends it,
# and is asked again. What will it have learned by then: letters, words, grammar, sense?

# %%
edf.seed(1)
net = gpt(K, width=48, count=4, layers=2, length=32)        # count: of attention heads
parameters = sum(param.value.size for param in edf.params)
print(f"{len(edf.components)} components, {parameters:,} parameters")
curve = train(net, learning, length=32, passes=2, lr=5e-3)
print(decode(write(net, validation[:1], 500, length=32, temperature=0.8), letters))

fig, ax = plt.subplots(figsize=(8, 2.6))
parts = np.array_split(curve, min(100, len(curve)))
ax.plot(np.cumsum([len(part) for part in parts]), [part.mean() for part in parts])
ax.set(xlabel="steps", ylabel="loss of a letter", title="Learning to write")
plt.show()

# %% [markdown]
# Nobody told it what a word is, or that names in capitals come before a colon. By the end you will
# have written each of its parts, and one nearly twice its size.
#
# To read beside it: [microgpt](https://karpathy.github.io/2026/02/12/microgpt/), a GPT in 200 lines
# of plain Python; [nanoGPT](https://github.com/karpathy/nanoGPT), one that is used in earnest; the
# paper that started it, [Attention is all you need](https://arxiv.org/abs/1706.03762), and its
# [annotated](https://nlp.seas.harvard.edu/annotated-transformer/) version. A course that goes on
# from here is [CS224n](https://web.stanford.edu/class/cs224n/).

# %% [markdown]
# ## 1 Text as numbers
#
# A network takes numbers, so each letter gets one. Large models use **tokens**, frequent pieces of
# words, some 100,000 of them: their texts are shorter, their tables longer. All else is the same.
#
# A model gives the letter $c$ that comes next a probability $p_c$, and its loss is $-\log p_c$, as
# in any classification. The unit is the **nat**; divided by $\log 2$ it is the **bit**. And $e$
# to the loss, the **perplexity**, says among how many letters, all equally likely, the model seems
# to choose.
#
# What is the loss of a model that gives all 65 letters the same probability? And of one that knows
# how often each occurs, and nothing else?

# %%
edf.clear()
edf.seed(10)
edf.dtype = np.float32


def report(name, loss):
    print(f"{name:22} {loss:.3f} nats  {loss / np.log(2):.2f} bits  as among {np.exp(loss):.1f}")


frequency = np.bincount(learning, minlength=K) + 1
frequency = frequency / frequency.sum()
report("all alike", np.log(K))
report("frequencies", -np.log(frequency[validation]).mean())

# %% [markdown]
# ### Pairs
#
# A **bigram** model looks at one letter to predict the next. All it needs is a table $p$ of $K
# \times K$ probabilities: row $i$ says what follows letter $i$.
#
# **Exercise 1.1: bigrams by counting.** Return this table for a text, an array of `numbers` from 0
# to `count` - 1. Count each of the $K^2$ possible pairs once more than it occurs, so that none has
# probability 0 (whose loss would be infinite). Each row adds up to 1.
#
# <details><summary>Hint</summary>
#
# `numbers[:-1]` and `numbers[1:]` are the first and the second letters of all pairs. With `table[i,
# j] += 1`, if `i` and `j` are arrays, an entry named twice still gets only 1; `np.add.at` counts
# every time, and so does a loop.
#
# </details>

# %%
def my_bigrams(numbers, count):
    """Return p (count, count): the probability that letter j follows letter i."""
    ### BEGIN SOLUTION
    table = np.ones((count, count))
    np.add.at(table, (numbers[:-1], numbers[1:]), 1)
    return table / table.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %%
bigrams = check("my_bigrams")

# %% [markdown]
# How much does it help to see one letter? In the picture, a dark square in row v says that e comes
# after it. Which other rows do you expect to have a single dark square?

# %%
edf.seed(11)
p = bigrams(learning, K)
report("bigrams", -np.log(p[validation[:-1], validation[1:]]).mean())
now, written = validation[0], []
for _ in range(120):
    now = edf.rng.choice(K, p=p[now])
    written.append(now)
print(decode(written, letters))

common = np.argsort(-frequency)[:40]
names = [letters[i].replace("\n", "\\n").replace(" ", "_") for i in common]
fig, ax = plt.subplots(figsize=(6.5, 6))
ax.imshow(p[np.ix_(common, common)], cmap="Blues")
ax.set(xticks=range(len(names)), yticks=range(len(names)), xticklabels=names, yticklabels=names,
       xlabel="next letter", ylabel="letter", title="Bigrams: the 40 most frequent letters")
ax.tick_params(labelsize=7)
ax.grid(False)
plt.show()

# %% [markdown]
# ### The same by gradient descent
#
# Now forget the counting. Let a table of *scores*, all 0 at first, be learned: row $i$ is turned
# into probabilities by a softmax. Since a pair that occurs 5,000 times has the same loss 5,000
# times, all of the text fits into one $K \times K$ array: the share that each pair has in it.
#
# Where will the loss end, compared with that of the table that was counted? How far will the
# probabilities be from it?

# %%
edf.clear()
pairs = K * learning[:-1] + learning[1:]
share = 1.0 + np.bincount(pairs, minlength=K * K).reshape(K, K)     # each once more, as above
share = share / share.sum()
table = edf.Param(np.zeros((K, K)))
loss = edf.Sum(edf.Input(-share) * edf.LogSoftmax(table))
adam = edf.Adam(lr=0.3)
for step in range(501):
    edf.forward()
    edf.backward(loss)
    adam.step()
    if step in (0, 10, 100, 500):
        learned = np.exp(table.value) / np.exp(table.value).sum(axis=1, keepdims=True)
        print(f"step {step:3}: loss {loss.value:.5f}, "
              f"largest difference of a probability {abs(learned - p).max():.5f}")
print(f"counted:  loss {-(share * np.log(p)).sum():.5f}")

# %% [markdown]
# <details><summary>What came out</summary>
#
# The same table. The loss is smallest where each row of probabilities equals the shares of what
# was seen, and there is no other minimum: for this model, counting *is* what gradient descent
# does slowly. Only, nobody can count all windows of 32 letters, as almost every one occurs once;
# gradient descent goes on where counting ends.
#
# </details>
#
# **Windows.** A longer model reads `length` letters at a time. Each of them is an example: from all
# letters up to it, predict the next. So the targets are the inputs, moved by one. A batch is some
# windows from anywhere.
#
# ![A window of text, its inputs and its targets](picture:shifted)

# %%
inputs, targets = windows(learning, 24, 3, edf.rng)         # length, count
print("shapes:", inputs.shape, targets.shape)
for row in range(3):
    print(repr(decode(inputs[row], letters)), "->", repr(decode(targets[row], letters)))

# %% [markdown]
# ## 2 Embedding
#
# A letter's number says nothing about the letter: 7 is not more than 3. So a network has a table
# $w$ of $N$ rows of $D$ numbers, one row for each letter, and learns it. `Embedding(w, index)`
# looks rows up; `index` may have any shape. It is the same as a product with a one-hot row, without
# the multiplications by 0.
#
# In a batch, most letters occur many times, and so their row is used many times.

# %%
edf.clear()
edf.seed(20)
edf.dtype = np.float32

w = edf.rng.normal(size=(5, 3)).round(1)
index = np.array([3, 0, 3])
print(w[index], "\n\n", np.eye(5)[index] @ w, sep="")

# %% [markdown]
# **Exercise 2.1: the gradient of an embedding.** `f` is given. Return the gradient with respect to
# the table `w` (N, D), from `dy`, of shape (..., D).
#
# <details><summary>Hint</summary>
#
# The gradient of what is used several times is a sum, and that of a row that is not used is 0.
# Start with zeros, and add each row of `dy` in its place. `dw[index] += dy` looks right and is not:
# with a number that occurs twice, NumPy adds once. `np.add.at` adds every time.
#
# </details>

# %%
class MyEmbedding(edf.Component):
    """y = w[index]: w (N, D), index (...) integers -> y (..., D)."""

    def f(self, w, index):
        return w[index]

    def dw(self, dy, w, index):
        ### BEGIN SOLUTION
        dw = np.zeros_like(w)
        np.add.at(dw, index, dy)
        return dw
        ### END SOLUTION


# %%
Embedding = check("MyEmbedding")

# %% [markdown]
# ### A perceptron over a window
#
# The rows of eight letters, one behind the other, are 128 numbers: enough for a perceptron, which
# predicts the ninth letter. That is the network of [Bengio et
# al.](https://www.jmlr.org/papers/v3/bengio03a.html) (2003), for words. Our embedding has sixteen
# numbers a letter, and nobody says which letters are alike.
#
# Training takes ten seconds. How far below the bigrams do eight letters take us?

# %%
edf.clear()
edf.seed(21)
x, labels = edf.Input(), edf.Input()
table = edf.Param(edf.normal(K, 16, 0.3))
row = edf.Reshape(Embedding(table, x), (-1, 8 * 16))        # (B, 8) -> (B, 8, 16) -> (B, 128)
hidden = edf.Tanh(edf.Affine(row, weights(128, 128), zeros(128)))
scores = edf.Affine(hidden, weights(128, K), zeros(K))
loss, adam, steps = edf.SoftmaxCrossEntropy(scores, labels), edf.Adam(), len(learning) // 256
for step in range(steps):
    adam.lr = 5e-3 * edf.cosine_decay(step, steps)
    x.value, targets = windows(learning, 8, 512, edf.rng)
    labels.value = targets[:, -1]                           # the letter after the window
    edf.forward()
    edf.backward(loss)
    adam.step()

x.value, targets = windows(validation, 8, 20000, edf.rng)
labels.value = targets[:, -1]
edf.forward()
print(f"perceptron on 8 letters: {loss.value.mean():.3f} nats")

# %% [markdown]
# Below are the rows of the table, in the two directions in which they differ most. Which letters
# should lie close to each other?

# %%
rows = table.value - table.value.mean(axis=0)
places = rows @ np.linalg.svd(rows)[2][:2].T                # (K, 16) @ (16, 2) -> (K, 2)
frequent = np.argsort(-np.bincount(learning, minlength=K))[:52]
fig, ax = plt.subplots(figsize=(7, 4.5))
ax.set(xlim=(places[frequent, 0].min() - 0.2, places[frequent, 0].max() + 0.2),
       ylim=(places[frequent, 1].min() - 0.2, places[frequent, 1].max() + 0.2),
       title="The embedding of the most frequent letters")
for i in frequent:
    kind = ("tab:red" if letters[i] in "aeiouAEIOU" else
            "tab:blue" if letters[i].isalpha() else "black")
    shown = {"\n": "\\n", " ": "_"}.get(letters[i], letters[i])
    ax.text(*places[i], shown, color=kind, fontsize=12, ha="center")
plt.show()

# %% [markdown]
# <details><summary>What came out</summary>
#
# Vowels lie with vowels, marks with marks, and many a capital near its small letter: what is
# followed by similar letters gets similar rows.
#
# </details>
#
# The perceptron has a weight for each place of the window. What it learns about "th" in places 3
# and 4 it has to learn again for places 4 and 5, and it never sees a ninth letter. The next two
# sections do away with both.

# %% [markdown]
# ## 3 Recurrent networks
#
# Read letter by letter, and keep a **state** $h$ of $H$ numbers, a summary of all that was read.
# The same weights compute each state from the last one and the next letter:
#
# $$h_t = \tanh(x_t W + h_{t-1} U + b)$$
#
# ![A recurrent network, unrolled over time](picture:unrolled)
#
# In EDF's list it simply stands $T$ times, on the same Params: a network is **unrolled**. What
# `backward` does then is called backpropagation through time, and needs nothing new: the gradient
# of a weight is the sum over all its uses.

# %%
edf.clear()
edf.seed(30)
edf.dtype = np.float32

# %% [markdown]
# **Exercise 3.1: a recurrent network.** `x` (B, T, D) is a component: for each of B windows, T
# letters of D numbers. `h` (B, H) is the state at the start; `w` (D, H), `u` (H, H) and `b` (H,)
# are Params. Return the list of the first `steps` states, $h_1$ to $h_{steps}$, each a component of
# shape (B, H).
#
# <details><summary>Hint</summary>
#
# `x[:, t]` is a component of shape (B, D). `edf.Affine(letter, w, b)` is half of what stands in the
# brackets; `h @ u` builds the other half. In the loop, assign each new state to `h`.
#
# </details>

# %%
def my_rnn(x, h, w, u, b, steps):
    """Return a list of the states after 1, 2, ..., steps letters."""
    ### BEGIN SOLUTION
    states = []
    for t in range(steps):
        h = edf.Tanh(edf.Affine(x[:, t], w, b) + h @ u)
        states.append(h)
    return states
    ### END SOLUTION


# %%
rnn = check("my_rnn")

# %% [markdown]
# ### Gradients through time
#
# How much does the last of forty states depend on the first? The gradient of each state has, by the
# chain rule, one factor $U^\top$ and one slope of tanh for each step back. Below, $U$ is random,
# and scaled so that its largest eigenvalue has the size 0.7, 1.0 or 1.4; the loss looks at the last
# state only. What shape will the three curves have on a logarithmic axis? And for 1.4: do the
# gradients grow without end?

# %%
def gradient_norms(size, inputs, H=64, T=40):
    """Return the norm of the gradient of each state, with an eigenvalue of this size."""
    edf.clear()
    edf.seed(31)
    u = edf.rng.normal(size=(H, H))
    u *= size / abs(np.linalg.eigvals(u)).max()
    x = edf.Input(inputs * edf.rng.normal(size=(1, T, 8)))
    states = rnn(x, edf.Input(np.zeros((1, H))), weights(8, H), edf.Param(u), zeros(H), T)
    loss = edf.Sum(edf.Input(edf.rng.normal(size=H)) * states[-1])
    edf.forward()
    edf.backward(loss)
    return [np.linalg.norm(state.grad) for state in states]


fig, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for inputs, ax in zip((1e-8, 1), axes):
    for size in 0.7, 1.0, 1.4:
        ax.semilogy(range(39, -1, -1), gradient_norms(size, inputs), label=f"eigenvalue {size}")
    ax.set(xlabel="steps back from the loss", title=f"inputs of size {inputs:g}")
axes[0].set_ylabel("norm of the gradient of a state")
axes[0].legend()
plt.show()

# %% [markdown]
# <details><summary>What came out</summary>
#
# Straight lines, at first: a product of forty similar factors. As long as the states are small
# (left), the gradient **vanishes** for an eigenvalue below 1, and **explodes** above it. Where they
# are large (right), the slope of tanh is far below 1, and all three vanish: of a norm of 10, some
# $10^{-15}$, $10^{-9}$ and $3 \cdot 10^{-5}$ are left 39 steps back. So a plain recurrent network
# can hardly learn from what happened long ago, whatever its $U$.
#
# </details>
#
# The standard works on this are by [Bengio, Simard and Frasconi](https://doi.org/10.1109/72.279181)
# (1994) and [Pascanu, Mikolov and Bengio](https://arxiv.org/abs/1211.5063) (2013). The second gives
# the cure for explosions that everyone uses. **Clipping:** if the joint norm $n$ of all gradients
# is above a bound $m$, scale all of them by $m / n$. The direction stays, the step is shorter.
# `edf.clip_gradients(m)` does it and returns $n$. At which steps will clipping matter? (Five
# seconds.)

# %%
def tanh_cell(x, h, w, u, b):
    """Return the next state: what exercise 3.1 repeats."""
    return rnn(edf.Reshape(x, (-1, 1, len(w.value))), h, w, u, b, steps=1)[0]


fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
for most in 1e9, 0.25:
    edf.clear()
    edf.seed(32)
    net = recurrent(tanh_cell, recurrent_params(K, 32, 64, gates=1, states=1), 1, length=32)
    sgd, norms, curve = edf.SGD(lr=8), [], []
    for _ in range(200):
        net.x.value, targets = windows(learning, 32, 32, edf.rng)
        net.labels.value = targets.reshape(-1)
        edf.forward()
        edf.backward(net.loss)
        norms.append(edf.clip_gradients(most))
        sgd.step()
        curve.append(net.loss.value.mean())
    left.semilogy(curve, label="not clipped" if most == 1e9 else f"clipped at {most}")
    right.semilogy(norms)
left.set(xlabel="steps", ylabel="loss", title="SGD with the rate 8")
right.set(xlabel="steps", title="norm of all gradients, before clipping")
left.legend()
plt.show()

# %% [markdown]
# <details><summary>What came out</summary>
#
# At all of them: the norm is above the bound throughout, so each step is 2 long, the rate times the
# bound. Without clipping, the first steps are too long, then the norm leaps to 80; one step of that
# size throws the weights far off, and the network does not recover.
#
# </details>
#
# ### LSTM
#
# Against vanishing, [Hochreiter and Schmidhuber](https://doi.org/10.1162/neco.1997.9.8.1735) (1997)
# gave the network a second state, the **cell** $c$, which is not multiplied by a matrix at each
# step, but kept. A **gate** is a sigmoid, between 0, shut, and 1, open: the input gate $i$ says how
# much is written, the output gate $o$ how much is shown. The forget gate $f$, which says how much
# is kept, was added by [Gers, Schmidhuber and Cummins](https://doi.org/10.1162/089976600300015015)
# (2000):
#
# $$i, f, o = \sigma(\ldots),\quad g = \tanh(\ldots),\quad c' = f c + i g,\quad h' = o \tanh(c')$$
#
# The dots stand for $x W + h U + b$ with weights of their own, $H$ columns each, which lie beside
# each other in $W$ (D, 4H), in the order $i, f, o, g$.

# %% [markdown]
# **Exercise 3.2: an LSTM.** Build one step: from `x` (B, D), `h` and `c` (B, H), `w` (D, 4H), `u`
# (H, 4H) and `b` (4H,), all components, return the next `h` and `c`. $H$ is `len(u.value)`.
# [Olah's drawings](https://colah.github.io/posts/2015-08-Understanding-LSTMs/) may help.
#
# <details><summary>Hint</summary>
#
# Compute all $4H$ columns at once, then cut: `columns[:, H:2 * H]` is a component. `a * b` of two
# components multiplies entry by entry. All four parts use the *old* `h`.
#
# </details>

# %%
def my_lstm(x, h, c, w, u, b):
    """Return the next h and the next c."""
    H = len(u.value)
    ### BEGIN SOLUTION
    columns = edf.Affine(x, w, b) + h @ u                   # (B, 4 H)
    i, f, o = (edf.Sigmoid(columns[:, k * H:(k + 1) * H]) for k in range(3))
    g = edf.Tanh(columns[:, 3 * H:])
    c = f * c + i * g
    return o * edf.Tanh(c), c
    ### END SOLUTION


# %%
lstm = check("my_lstm")

# %% [markdown]
# The **GRU** of [Cho et al.](https://arxiv.org/abs/1406.1078) (2014) does with one state and two
# gates. The update gate $z$ says how much of the old state stays, the reset gate $r$ how much of it
# the new one may look at:
#
# $$z, r = \sigma(\ldots),\quad n = \tanh(x W_n + (r h) U_n + b_n),\quad h' = z h + (1 - z) n$$
#
# **Exercise 3.3: a GRU.** Build one step: from `x` (B, D), `h` (B, H), `w` (D, 3H), `u` (H, 3H) and
# `b` (3H,) return the next `h`. The columns are in the order $z, r, n$, and the dots stand for
# $xW + hU + b$.
#
# <details><summary>Hint</summary>
#
# You cannot use `h @ u` for all columns at once, since $U_n$ multiplies $r h$, not $h$. But `u[:,
# :2 * H]` is a component too. `1 - z` works as it stands.
#
# </details>

# %%
def my_gru(x, h, w, u, b):
    """Return the next h."""
    H = len(u.value)
    ### BEGIN SOLUTION
    columns = edf.Affine(x, w, b)                           # (B, 3 H)
    gates = edf.Sigmoid(columns[:, :2 * H] + h @ u[:, :2 * H])
    z, r = gates[:, :H], gates[:, H:]
    n = edf.Tanh(columns[:, 2 * H:] + (r * h) @ u[:, 2 * H:])
    return z * h + (1 - z) * n
    ### END SOLUTION


# %%
gru = check("my_gru")

# %% [markdown]
# Three networks of 128 units learn from the same number of letters, which takes some twenty
# seconds. Which will be best, and is it worth the time?

# %%
CELLS = {"RNN": (tanh_cell, 1, 1), "LSTM": (lstm, 4, 2), "GRU": (gru, 3, 1)}
for name, (cell, gates, states) in CELLS.items():
    edf.clear()
    edf.seed(33)
    start = time.process_time()
    params = recurrent_params(K, 32, 128, gates, states)
    net = recurrent(cell, params, states, length=32)
    train(net, learning, length=32, passes=0.5, lr=5e-3, say=False)
    print(f"{name:5} {validation_loss(net, validation, 32):.3f} nats, "
          f"{sum(param.value.size for param in params):,} parameters, "
          f"{len(edf.components)} components, {time.process_time() - start:.0f} s")

# %% [markdown]
# <details><summary>What came out</summary>
#
# The GRU is ahead, by some 0.07 nats, and takes more than twice the time of the RNN. Whether that
# is worth it, only the same time for each could tell: `train(..., seconds=8)` in place of `passes`.
#
# </details>
#
# ### The same Params, another length
#
# To write we need one step at a time: its input is the letter that was drawn last, and it starts
# from the state that the last step ended with. So we build the network again, for a length of 1.
# `edf.clear(keep_params=True)` empties the list, but for the Params. How many components of the GRU
# above will be left, and how many will there be for a single letter?

# %%
edf.seed(34)
edf.clear(keep_params=True)
print(len(edf.components), "components are left")
net = recurrent(gru, params, states=1, length=1)
print(len(edf.components), "components for one letter")
now, written = validation[0], []
for _ in range(300):
    net.x.value, net.labels.value = np.array([[now]]), np.zeros(1, int)
    edf.forward()
    now = edf.rng.choice(K, p=chances(net.scores.value[0].astype(float), temperature=0.8))
    written.append(now)
    net.starts[0].value = net.ends[0].value                 # the next step goes on from here
print(decode(written, letters))

# %% [markdown]
# More on recurrent networks: [The unreasonable effectiveness of recurrent neural
# networks](https://karpathy.github.io/2015/05/21/rnn-effectiveness/), with code from plays to C
# programs; [chapter 10](https://www.deeplearningbook.org/contents/rnn.html) of Goodfellow, Bengio
# and Courville; the [notes](https://cs231n.github.io/rnn/) of CS231n.
#
# Two things remain that no gate can help. All of the past has to fit into $H$ numbers; and step
# $t$ has to wait for step $t - 1$, so that a long text is a long list of small products.

# %% [markdown]
# ## 4 Attention
#
# Do not summarize the past: look at it again. Each letter of a window asks a question, its
# **query** $q$; each has a name tag, its **key** $k$, and something to say, its **value** $v$, all
# rows of numbers. Row $i$ of the scores says how well the query of letter $i$ fits each key; a
# softmax turns them into **weights** that add up to 1; and letter $i$ gets the weighted mean of the
# values:
#
# $$y_i = \sum_j p_{ij}\,v_j,\qquad
# p_i = \text{softmax}_j\Bigl(\frac{q_i \cdot k_j}{\sqrt D}\Bigr)$$
#
# ![One row of attention: a query, the keys, the weights, the values](picture:attend)
#
# The network learns three matrices, which make $q$, $k$ and $v$ out of each letter's row.

# %% [markdown]
# **Exercise 4.1: a head of attention.** Out of `edf.Softmax`, `edf.Transpose` and operators, build
# $y$ for a batch: `q`, `k` and `v` (B, T, D) are components, `width` is the number $D$, and `mask`
# (T, T) is an Input that is *added* to the scores in front of the softmax: it will be of use in a
# moment. The result has the shape of `v`.
#
# <details><summary>Hint</summary>
#
# All $T \times T$ scores of a window are one matrix product: of `q`, and of `k` with its last two
# axes exchanged, `edf.Transpose(k, (0, 2, 1))`. `edf.Softmax` works along the last axis, whatever
# stands before it.
#
# </details>

# %%
def my_attention(q, k, v, mask, width):
    """Return softmax(q k^T / sqrt(width) + mask) v."""
    ### BEGIN SOLUTION
    scores = q @ edf.Transpose(k, (0, 2, 1)) / np.sqrt(width)       # (B, T, T)
    return edf.Softmax(scores + mask) @ v                           # (B, T, D)
    ### END SOLUTION


# %%
attention = check("my_attention")

# %% [markdown]
# ### Its gradient
#
# Step through a head of four letters, forwards and backwards: press *step*, or the arrow keys. The
# loss is a random mixture of its outputs. Before each step backwards, say what shape its result
# will have. Why does the mask get no gradient?

# %%
edf.clear()
edf.seed(40)
edf.dtype = np.float32
q, k, v = (edf.Param(edf.normal(4, 2)[None], name) for name in "qkv")       # (1, T, D)
y = attention(q, k, v, edf.Input(np.zeros((4, 4)), "mask"), width=2)
loss = edf.Sum(y * edf.Input(edf.normal(4, 2), "r"))
edf.walk(loss)

# %% [markdown]
# <details><summary>What came out</summary>
#
# Each gradient has the shape of what it belongs to. The mask is an Input, a constant: nothing is to
# be learned there, so `backward` computes no gradient for it.
#
# </details>
#
# As one component, attention has one formula for each input, made of two gradients that you know:
# of a matrix product, and of a softmax. Write $S = q k^\top / \sqrt D + M$, $P = \text{softmax}(S)$
# row by row, and $y = P v$. Go back through these three lines in reverse, and keep an eye on
# shapes.
#
# **Exercise 4.2: the gradient of attention.** `f` is given; it keeps $P$ on `self.p`. Return the
# gradients with respect to $S$, which `dq` and `dk` have in common, and to `q`, `k` and `v`, all
# (..., T, D). `x.swapaxes(-1, -2)` exchanges the last two axes.
#
# <details><summary>Hint</summary>
#
# For a product $y = ab$ the gradients are $dy\,b^\top$ and $a^\top dy$. For a softmax, $ds_j = p_j
# (dp_j - \sum_m dp_m p_m)$, in each row. The mask is a constant, and has no part in it.
#
# </details>

# %%
class MyAttention(edf.Component):
    """y = p v, p = softmax(q k^T / sqrt(D) + mask): q, k, v (..., T, D), mask (T, T)."""

    def f(self, q, k, v, mask):
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) + mask
        exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.p = exp / exp.sum(axis=-1, keepdims=True)
        return self.p @ v

    def dscores(self, dy, v):
        """Return the gradient with respect to S, which both dq and dk go on from."""
        ### BEGIN SOLUTION
        dp = dy @ v.swapaxes(-1, -2)                        # (T, D) @ (D, T) -> (T, T)
        return self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True))
        ### END SOLUTION

    def dq(self, dy, q, k, v, mask):
        ### BEGIN SOLUTION
        return self.dscores(dy, v) @ k / np.sqrt(q.shape[-1])
        ### END SOLUTION

    def dk(self, dy, q, k, v, mask):
        ### BEGIN SOLUTION
        return self.dscores(dy, v).swapaxes(-1, -2) @ q / np.sqrt(q.shape[-1])
        ### END SOLUTION

    def dv(self, dy, q, k, v, mask):
        ### BEGIN SOLUTION
        return self.p.swapaxes(-1, -2) @ dy
        ### END SOLUTION


# %%
check("MyAttention");

# %% [markdown]
# ### The mask
#
# A language model that may look at the next letter predicts it with ease, and has learned nothing:
# when it writes, there is none. So letter $i$ must not look at a letter $j > i$: its weight has to
# be 0. After the softmax it is too late, as the weights would no longer add up to 1. Before it,
# what score becomes the weight 0?
#
# ![Which letters each letter may look at](picture:causal)
#
# **Exercise 4.3: the causal mask.** Return the array (length, length) that is added to the scores.
#
# <details><summary>Hint</summary>
#
# $e^{-\infty} = 0$, and NumPy has `np.inf`. Adding it to a finite score gives $-\infty$;
# multiplying 0 by it gives nan. `np.triu(a, 1)` keeps what stands above the diagonal of `a` and
# puts 0 in place of the rest.
#
# </details>

# %%
def my_mask(length):
    """Return what is added to the scores, (length, length)."""
    ### BEGIN SOLUTION
    return np.triu(np.full((length, length), -np.inf), 1)
    ### END SOLUTION


# %%
mask = check("my_mask")

# %% [markdown]
# A wrong mask gives no error, and a wonderful loss. So test it, and not the mask alone, but the
# whole network.
#
# **Exercise 4.4: a look ahead.** `function` takes an array `x` (T, D), a row for each
# letter, and returns an array (T, H). Return True if any row $t$ of the result depends on a row of
# `x` *after* $t$, else False. Differences of $10^{-12}$ are rounding. `x` must not change.
#
# <details><summary>Hint</summary>
#
# For each $t$ from 1 on: change all rows from $t$ on, in a copy of `x`, by random numbers of
# `edf.rng.normal(size=...)`, and compare the first $t$ rows of the results. Is the last $t$ enough?
# No: what looks one letter ahead at its third row only would not be caught.
#
# </details>

# %%
def my_sees_later(function, x):
    """Does a row of function(x) depend on a later row of x?"""
    ### BEGIN SOLUTION
    y = function(x)
    for t in range(1, len(x)):
        changed = x.copy()
        changed[t:] += edf.rng.normal(size=changed[t:].shape)
        if abs(function(changed)[:t] - y[:t]).max() > 1e-12:
            return True
    return False
    ### END SOLUTION


# %%
sees_later = check("my_sees_later")

# %% [markdown]
# The pictures show how much each output changes if one input does. Which entries will be 0, with
# and without the mask? What would a mask show that is shifted by one to the right, and what if it
# is shifted to the left?

# %%
edf.clear()
edf.seed(41)
edf.dtype = np.float64
T, D = 10, 8
x, allowed = edf.Input(), edf.Input()
y = attention(x @ weights(D, D), x @ weights(D, D), x @ weights(D, D), allowed, D)
rows = edf.rng.normal(size=(T, D))


def output(rows):
    """Return the output of the attention for the rows of one window, (T, D)."""
    x.value = rows[None]
    edf.forward()
    return y.value[0].copy()


later = np.arange(T) - np.arange(T)[:, None]                # how far column j lies after row i
left = np.where(later > -1, -np.inf, 0)
left[0, 0] = 0                                              # or its row would be all -inf
masks = {"no mask": np.zeros((T, T)), "causal": mask(T),
         "to the right": np.where(later > 1, -np.inf, 0), "to the left": left}
fig, axes = plt.subplots(1, 4, figsize=(10, 2.9))
for ax, (title, allowed.value) in zip(axes, masks.items()):
    reach = [abs(output(rows + np.eye(T)[:, [j]]) - output(rows)).max(axis=1) for j in range(T)]
    ax.imshow(np.transpose(reach) > 1e-12, cmap="Blues", vmin=0, vmax=1)
    ax.set(title=title, xlabel=f"input; sees later: {sees_later(output, rows)}", ylabel="output")
    ax.grid(False)
plt.show()

# %% [markdown]
# <details><summary>What came out</summary>
#
# With the causal mask nothing lies above the diagonal. With the one that is shifted to the right,
# each letter sees the one that it is to predict. That to the left hides each letter's own value
# from it, and is hard to tell from the right one, as its row is its query too: it shows in row 1
# alone, where there is a single letter to look at, whatever the query. (Row 0 would be all
# $-\infty$, which `edf.Softmax` refuses, so there the first letter may look at itself.)
#
# </details>
#
# ### Why divide by the root of the width?
#
# If the entries of $q$ and $k$ have variance 1, then $q \cdot k$ has variance $D$. The **entropy**
# $-\sum_j p_j \log p_j$ tells over how many letters the weights are spread: $e$ to the entropy. For
# 64 letters, what happens to it as $D$ grows, without the root and with it? And to the gradient
# of the scores?

# %%
edf.seed(42)
widths, spread, slope = [1, 4, 16, 64, 256, 1024], [], []
for D in widths:
    q, k = edf.rng.normal(size=(2, 64, D))
    for scores in q @ k.T, q @ k.T / np.sqrt(D):
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        spread.append(np.exp(-(p * np.log(p + 1e-300)).sum(axis=1).mean()))
        slope.append((p * (1 - p)).sum(axis=1).mean())      # of p_j with respect to score j

fig, axes = plt.subplots(1, 2, figsize=(9, 2.8))
for ax, series, title in zip(axes, (spread, slope), (
        "letters that are looked at", "slope of the weights, added up")):
    ax.semilogx(widths, series[::2], "o-", label="q k")
    ax.semilogx(widths, series[1::2], "o-", label="q k / root of D")
    ax.set(xlabel="width D", title=title, xticks=widths, xticklabels=widths)
    ax.minorticks_off()
axes[0].legend()
plt.show()

# %% [markdown]
# <details><summary>What came out</summary>
#
# Without the root, a wide head looks at one letter alone from the start, by chance, and the slope
# of its softmax is nearly 0: it can hardly learn to look at another. With the root, the width
# makes no difference.
#
# </details>
#
# ### Several heads
#
# One weighted mean is one question. **Heads** ask several at once: the $D$ columns of $q$, $k$ and
# $v$ are cut into `count` parts of $D / \text{count}$ columns, each part is a head with weights of
# its own, and the results stand beside each other again. A last matrix mixes them. The number of
# parameters stays the same. To attention, a head is just one more window of the batch:
#
# ![The columns of a window, cut into heads and put together again](picture:heads)

# %% [markdown]
# **Exercise 4.5: several heads.** Let `q = x @ wq`, `k = x @ wk` and `v = x @ wv`. Cut each of
# them, (B, T, D), into heads: (B count, T, D / count). Call `attention` once, put the heads back
# beside each other, (B, T, D), and multiply by `wo`. All matrices are (D, D); `mask` (T, T) is an
# Input, and `attention` is that of exercise 4.1.
#
# <details><summary>Hint</summary>
#
# A reshape alone mixes letters and heads. Cut the last axis into two, (-1, T, count, D / count), by
# `edf.Reshape`; move the heads in front of the letters, by `edf.Transpose` with the order (0, 2, 1,
# 3); then put windows and heads into one axis, (-1, T, D / count). The way back is the same in
# reverse.
#
# </details>

# %%
def my_heads(x, wq, wk, wv, wo, count, mask):
    """Return the attention of `count` heads, times wo: (B, T, D)."""
    T, D = len(mask.value), len(wo.value)
    ### BEGIN SOLUTION
    def cut(y):
        y = edf.Transpose(edf.Reshape(y, (-1, T, count, D // count)), (0, 2, 1, 3))
        return edf.Reshape(y, (-1, T, D // count))          # (B count, T, D / count)

    y = attention(cut(x @ wq), cut(x @ wk), cut(x @ wv), mask, D // count)
    y = edf.Transpose(edf.Reshape(y, (-1, count, T, D // count)), (0, 2, 1, 3))
    return edf.Reshape(y, (-1, T, D)) @ wo
    ### END SOLUTION


# %%
heads = check("my_heads")

# %% [markdown]
# ### Positions
#
# Attention looks at a *set*: nothing in its formula says which letter stands where. What will be
# the output for the last letter of "left", compared with that of "felt", in one layer? Below, the
# order of the first five of six letters is changed: once as it is, and once with a learned row for
# each **position** added to those of the letters.
#
# <details><summary>An answer</summary>
#
# The same, but for rounding: the query is that of "t" in both, and the mean is over the same
# letters. With positions, each letter's row says where it stands, and the output changes.
#
# </details>

# %%
edf.clear()
edf.seed(43)
edf.dtype = np.float64
T, D = 6, 8
x, causal, places = edf.Input(), edf.Input(mask(T)), edf.Param(edf.normal(T, D))
matrices = [weights(D, D) for _ in range(4)]
without, with_places = (heads(h, *matrices, 2, causal) for h in (x + 0, x + places))
rows, outputs = edf.rng.normal(size=(1, T, D)), []
for order in [0, 1, 2, 3, 4, 5], [3, 1, 4, 0, 2, 5]:
    x.value = rows[:, order]
    edf.forward()
    outputs.append([without.value[0, -1].copy(), with_places.value[0, -1].copy()])
for name, one, other in zip(("letters alone", "letters and positions"), *outputs):
    print(f"{name:22} largest change of the last output {abs(one - other).max():.1e}")

# %% [markdown]
# ## 5 The block
#
# Attention moves information between letters, but it only takes means. So a small perceptron, the
# same for each letter, follows it: two affine layers with four times as many units between them.
# Both together are a **block**, and a GPT is a pile of blocks. Two more things go into it:
#
# - **Residual connections** ([He et al.](https://arxiv.org/abs/1512.03385), 2016): each part does
#   not replace its input, but is *added* to it. The gradient has a path without any weights.
# - **Normalization:** what goes into each part is standardized first, by
#   [LayerNorm](https://arxiv.org/abs/1607.06450): mean 0 and variance 1 in each row.
#
# ![A block: two parts, each added to what goes past it](picture:block)

# %%
edf.clear()
edf.seed(50)
edf.dtype = np.float32

# %% [markdown]
# **Exercise 5.1: the block.** Build it on `x` (B, T, D): first attention, then the perceptron with
# `edf.ReLU`, each of what is normalized, and each added to what went in. `attend` and the two
# functions in `norms` take a component and build another of the same shape; `w1` (D, 4D), `b1`
# (4D,), `w2` (4D, D) and `b2` (D,) are Params.
#
# <details><summary>Hint</summary>
#
# Two lines, one for each part. The second `+` adds to the result of the first, not to the `x` that
# came in; and it adds to what is *not* normalized. `edf.Affine` takes (B, T, D) as it is.
#
# </details>

# %%
def my_block(x, attend, norms, w1, b1, w2, b2):
    """Return the output of a block, of the shape of x."""
    ### BEGIN SOLUTION
    h = x + attend(norms[0](x))
    return h + edf.Affine(edf.ReLU(edf.Affine(norms[1](h), w1, b1)), w2, b2)
    ### END SOLUTION


# %%
block = check("my_block")

# %% [markdown]
# Many GPTs of today do without the mean of LayerNorm, and without $\beta$:
# [RMSNorm](https://arxiv.org/abs/1910.07467) divides a row by the root of its mean square. There is
# no such component in EDF. Does the line in `rms_norm` have the right
# gradient, although nobody has derived it?

# %%
def rms_norm(width, eps=1e-5):
    """Return a function that builds an RMSNorm, with a Param of its own."""
    gamma = edf.Param(np.ones(width))
    return lambda x: gamma * x / (edf.Mean(x * x, axis=-1, keepdims=True) + eps) ** 0.5


y = rms_norm(6)(edf.Param(edf.rng.normal(size=(2, 3, 6))))
edf.forward()
print("mean square of a row:", (y.value ** 2).mean(axis=-1).round(3).tolist())
print("gradient errors:", edf.check_gradients(y))

# %% [markdown]
# ### What is lost without each?
#
# Now six networks of four blocks, 32 wide, learn from the same windows: one whole, one with
# RMSNorm, four without a part. That takes half a minute. Write down an order, from best to worst,
# before you run it. Which part could be left out, and which not at all?

# %%
def no_residual(x, attend, norms, w1, b1, w2, b2):
    hidden = edf.ReLU(edf.Affine(norms[1](attend(norms[0](x))), w1, b1))
    return edf.Affine(hidden, w2, b2)


def no_perceptron(x, attend, norms, *params):
    return x + attend(norms[0](x))


def no_attention(x, attend, norms, w1, b1, w2, b2):
    return x + edf.Affine(edf.ReLU(edf.Affine(norms[1](x), w1, b1)), w2, b2)


def no_norm(width):
    return lambda x: x


PARTS = {"all of it": {"block": block}, "RMSNorm": {"block": block, "norm": rms_norm},
         "no normalization": {"block": block, "norm": no_norm},
         "no perceptron": {"block": no_perceptron}, "no attention": {"block": no_attention},
         "no residual": {"block": no_residual}}

# %%
losses = {}
for name, parts in PARTS.items():
    edf.seed(51)
    net = sequences.gpt(K, width=32, count=2, layers=4, length=32, **parts)
    train(net, learning, length=32, passes=0.6, lr=5e-3, say=False)
    losses[name] = validation_loss(net, validation, 32)
    print(f"{name:18} {losses[name]:.3f} nats")

fig, ax = plt.subplots(figsize=(7, 2.4))
ax.barh(list(losses)[::-1], list(losses.values())[::-1])
ax.set(xlabel="validation loss", xlim=(2, None),
       title="Four blocks: whole, with RMSNorm, without...")
plt.show()

# %% [markdown]
# <details><summary>What came out</summary>
#
# After so short a training, only two parts matter. Without residual connections the pile learns no
# more than how often each letter occurs. At the start its scores differ between letters, but less:
# their variance is 0.1 in place of 0.5. After a hundred steps they are the same for all letters,
# and the gradient of the table is 0. Without attention the model sees one letter, and ends where
# the bigrams did: no perceptron can look back.
#
# The other four lie within a few hundredths of a nat of each other, and another seed alone moves
# each by one or two. Four blocks do not yet need a norm: the network without is, if anything,
# ahead. [Xiong et al.](https://arxiv.org/abs/2002.04745) explain what it does for deeper networks,
# and why it stands *before* each part.
#
# </details>

# %% [markdown]
# ## 6 A GPT
#
# You have all parts. Letters and positions become rows (T, D), each block adds to them, a last norm
# and an affine layer turn each row into $K$ scores for the letter that comes next:
#
# $$h = w[x] + p,\qquad h \leftarrow \text{block}(h)\ \ \text{(several times)},\qquad
# \text{scores} = \text{norm}(h)\,V + c$$
#
# `new_block(h, width, count, causal, block, heads)` builds one block with new Params: `count`
# heads, with your `block` and your `heads`. In the same way `weights(n, m)` is a new Param of
# random numbers, `zeros(n)` one of zeros, and `layer_norm(width)` a function that builds a
# LayerNorm.

# %% [markdown]
# **Exercise 6.1: a GPT.** Build the network and return its `Net(x, labels, scores, loss)`. `x` is
# an Input for numbers (B, T), `labels` one for (B T,) of them; the tables of letters and positions
# are given. `scores` has a row for each letter of the batch, (B T, K), and `loss` is their
# `SoftmaxCrossEntropy` with the labels.
#
# <details><summary>Hint</summary>
#
# `edf.Embedding(table, x) + places` is (B, T, D). The mask is an Input, `edf.Input(mask(length))`,
# and all blocks share it. `layer_norm(width)(h)` is the last norm. `edf.Reshape(scores, (-1,
# letters))` makes (B T, K) out of (B, T, K).
#
# </details>

# %%
def my_gpt(letters, width, count, layers, length):
    """Build a GPT for `letters` different letters: `layers` blocks of `count` heads."""
    edf.clear()
    x, labels = edf.Input(name="x"), edf.Input(name="labels")
    table = edf.Param(edf.normal(letters, width, 0.02), "table")
    places = edf.Param(edf.normal(length, width, 0.02), "places")
    ### BEGIN SOLUTION
    causal = edf.Input(mask(length))
    h = edf.Embedding(table, x) + places
    for _ in range(layers):
        h = new_block(h, width, count, causal, block, heads)
    h = layer_norm(width)(h)
    scores = edf.Reshape(edf.Affine(h, weights(width, letters), zeros(letters)), (-1, letters))
    return Net(x, labels, scores, edf.SoftmaxCrossEntropy(scores, labels))
    ### END SOLUTION


# %%
gpt = check("my_gpt")

# %% [markdown]
# Now the real one: windows of 64 letters, two blocks of width 64, four heads. It sees four times as
# many letters as the text has. **This takes a minute or more.** The first loss is not far from
# $\log K$: why?

# %%
edf.dtype = np.float32
edf.seed(61)
start = time.process_time()
net = gpt(K, width=64, count=4, layers=2, length=64)
size = sum(param.value.size for param in edf.params)
curve = train(net, learning, length=64, passes=4, lr=5e-3)
gpt_seconds, gpt_loss = time.process_time() - start, validation_loss(net, validation, 64)
kept = edf.save()                       # its Params, for below
print(f"the first loss was {curve[0]:.2f}, log K is {np.log(K):.2f}")
print(f"GPT, {size:,} parameters: validation loss {gpt_loss:.3f} nats, "
      f"{gpt_loss / np.log(2):.2f} bits, after {gpt_seconds:.0f} s")

# %% [markdown]
# <details><summary>What came out</summary>
#
# Before training the scores know nothing of the letter that comes next. If all were 0, each letter
# would have the probability $1 / K$, and the loss would be $\log K$. They are random, with a
# variance near 1, and to be sure of what one does not know costs 0.7 more.
#
# </details>
#
# ### How it writes
#
# To write, draw from the probabilities; but how boldly? With a **temperature** $\tau$ the scores
# are divided by it in front of the softmax. And with **top-k** ([Fan et
# al.](https://arxiv.org/abs/1805.04833)) only the $k$ letters with the largest scores keep a
# chance: many unlikely letters add up to a likely mistake.
#
# **Exercise 6.2: the chances.** Return the probabilities of the next letter, from its `scores`
# (K,): softmax of the scores divided by `temperature`, and 0 for all but the `top_k` largest, if
# `top_k` is not None. They add up to 1, and scores of 1000 do not overflow.
#
# <details><summary>Hint</summary>
#
# `np.sort(scores)[-top_k]` is the smallest of the largest. What is -inf before the softmax is 0
# after it. For scores of any size, subtract the largest first.
#
# </details>

# %%
def my_chances(scores, temperature=1.0, top_k=None):
    """Return the probabilities (K,) from which the next letter is drawn."""
    ### BEGIN SOLUTION
    if top_k is not None:
        least = np.sort(scores)[-top_k]
        scores = np.where(scores >= least, scores, -np.inf)
    exp = np.exp((scores - scores.max()) / temperature)
    return exp / exp.sum()
    ### END SOLUTION


# %%
chances = check("my_chances")

# %% [markdown]
# Which of the three below will be dull, which wild, and what does top-k change?

# %%
net = gpt(K, width=64, count=4, layers=2, length=64)        # the check has emptied the graph
edf.load(kept)
for temperature, top_k in (0.2, None), (1.2, None), (1.2, 5):
    edf.seed(62)
    written = write(net, validation[:64], 250, 64, temperature, top_k, chances)
    print(f"--- temperature {temperature}, top_k {top_k}", decode(written[64:], letters), sep="\n")

# %% [markdown]
# <details><summary>What came out</summary>
#
# At 0.2 it is dull: the most frequent words over and over. At 1.2 it is wild, as a letter that is
# unlikely is drawn every few words, and what follows has to go on from there. Top-k leaves these
# out: the words are right more often, and still varied.
#
# </details>
#
# ### What it looks at
#
# The weights of a head are a picture: row $i$ shows at which letters the $i$-th looks, to predict
# the next. Look for a head that looks one letter back, one that looks for the start of the word,
# and one that looks for a certain letter. Whether such a head *explains* anything is a question of
# its own: see [Olsson et
# al.](https://transformer-circuits.pub/2022/in-context-learning-and-induction-heads/index.html).

# %%
net.x.value, net.labels.value = validation[None, :64], np.zeros(64, int)
shown = [{"\n": "\\n", " ": "_"}.get(letters[i], letters[i]) for i in validation[:32]]
with edf.evaluating():
    edf.forward()
softmaxes = [node for node in edf.components if isinstance(node, edf.Softmax)]
fig, axes = plt.subplots(2, 4, figsize=(13, 6.8))
for layer, (softmax, row) in enumerate(zip(softmaxes, axes)):
    for head, (p, ax) in enumerate(zip(softmax.value, row)):
        ax.imshow(p[:32, :32] ** 0.5, cmap="Blues", vmin=0, vmax=1)     # the root shows small ones
        ax.set(xticks=range(32), yticks=range(32), xticklabels=shown, yticklabels=shown,
               title=f"block {layer + 1}, head {head + 1}")
        ax.tick_params(labelsize=6, length=0)
        ax.grid(False)
plt.show()

# %% [markdown]
# <details><summary>What came out</summary>
#
# Several heads of block 1 look one letter back, or at the letter itself: dark squares along the
# diagonal. A dark column, as in block 2, is a letter that all later ones look at, here a blank or
# the end of a line: where a word or a line starts. With another seed the heads share the work
# otherwise.
#
# </details>
#
# ### Against the others
#
# How good is that? Compare with frequencies, with bigrams, and with an LSTM that has as many
# parameters and learns for as long as the GPT did. **This takes as long again.** Which of the two
# will be ahead here, and which with a thousand times as many parameters and letters?

# %%
edf.clear()
edf.seed(63)
params = recurrent_params(K, 64, 128, gates=4, states=2)
net = recurrent(lstm, params, states=2, length=64)
curve = train(net, learning, length=64, seconds=gpt_seconds, lr=5e-3)
lstm_loss = validation_loss(net, validation, 64)
frequency = np.bincount(learning, minlength=K) + 1
pairs = bigrams(learning, K)[validation[:-1], validation[1:]]
losses = {"all alike": np.log(K), "frequencies": -np.log(
    frequency[validation] / frequency.sum()).mean(), "bigrams": -np.log(pairs).mean(),
    "LSTM": lstm_loss, "GPT": gpt_loss}
print(f"LSTM, {sum(param.value.size for param in params):,} parameters: validation loss "
      f"{lstm_loss:.3f} nats, after {len(curve)} steps in {gpt_seconds:.0f} s")

fig, ax = plt.subplots(figsize=(7, 2.2))
bars = ax.barh(list(losses)[::-1], list(losses.values())[::-1])
ax.bar_label(bars, fmt="%.2f")
ax.set(xlabel="validation loss, nats", title="Models of letters")
plt.show()

# %% [markdown]
# <details><summary>What came out</summary>
#
# At this size, with windows this short, the LSTM is ahead by some hundredths of a nat: to carry a
# word in its state is just what it is built for, while the GPT has to learn from scratch that the
# letter before matters most. The GPT's strength is elsewhere. All its letters are computed at once,
# in a list of 97 components in place of over 1,000; its path from any letter to any other has
# length one; and it goes on improving as [size and data grow](https://arxiv.org/abs/2001.08361),
# where recurrent networks level off.
#
# </details>
#
# **What a long window is good for.** A letter in the tenth place is predicted from ten letters, one
# in the sixtieth from sixty. How many letters does this GPT make use of?
#
# <details><summary>An answer</summary>
#
# Of four to ten. The first four bring the loss from that of the bigrams to about 1.8; all sixty
# that follow bring less than 0.1 more, little more than the noise of the curve.
#
# </details>

# %%
edf.seed(64)
net = gpt(K, width=64, count=4, layers=2, length=64)
edf.load(kept)
by_place = np.zeros(64)
with edf.evaluating():
    for _ in range(20):
        net.x.value, targets = windows(validation, 64, 64, edf.rng)
        net.labels.value = targets.reshape(-1)
        edf.forward()
        by_place += net.loss.value.reshape(64, 64).mean(axis=0) / 20        # (B, T) -> (T,)

fig, ax = plt.subplots(figsize=(8, 2.6))
ax.plot(range(1, 65), by_place)
ax.axhline(losses["bigrams"], color="tab:red", linestyle="--", label="bigrams")
ax.set(xlabel="letters that are seen", ylabel="validation loss", title="The use of context")
ax.legend()
plt.show()

# %% [markdown]
# ## 7 Find the error
#
# Each of these runs, and none raises an error. Each has one mistake, and each story tells how it
# was noticed. Find the line, and correct it.

# %% [markdown]
# **Error 7.1: a mask for long texts.** To save time each letter is to look only at the last
# `reach` letters, its own included. With `reach` = 1, every letter should see itself alone, but the
# outputs still change if the letter before is changed.
#
# <details><summary>Hint</summary>
#
# How far back is the last letter that may be seen, if `reach` is 1, or 2?
#
# </details>

# %%
def suspect_mask(length, reach):
    """Return 0 where letter i may look at letter j, and -inf where not."""
    i, j = np.arange(length)[:, None], np.arange(length)
    later = j > i
    ### BEGIN ERROR
    too_far = i - j > reach
    ### END ERROR
    ### BEGIN SOLUTION
    too_far = i - j >= reach
    ### END SOLUTION
    return np.where(later | too_far, -np.inf, 0)


# %%
check("suspect_mask");

# %% [markdown]
# **Error 7.2: weights that add up.** "All weights are between 0 and 1, they add up to 1, and the
# network learns." But the longer the window, the smaller the outputs of some letters, and in a
# batch of random numbers the outputs are not means of the values: they lie outside them.
#
# <details><summary>Hint</summary>
#
# Which of the two axes of `scores` belongs to the letter that asks, and which to those that are
# asked? Which of them adds up to 1 here? `edf.Softmax` always works along the last axis.
#
# </details>

# %%
def suspect_attention(q, k, v, width):
    """Return attention without a mask: q, k, v (B, T, width) -> (B, T, width)."""
    ### BEGIN ERROR
    scores = k @ edf.Transpose(q, (0, 2, 1)) / np.sqrt(width)
    p = edf.Transpose(edf.Softmax(scores), (0, 2, 1))
    ### END ERROR
    ### BEGIN SOLUTION
    p = edf.Softmax(q @ edf.Transpose(k, (0, 2, 1)) / np.sqrt(width))
    ### END SOLUTION
    return p @ v


# %%
check("suspect_attention");

# %% [markdown]
# **Error 7.3: a loss that is too good.** A model of first names learns from one name at a time.
# The number 0 marks both the start and the end, so that it learns how names begin and when to
# stop. After a minute its loss is 0.01, and it writes "aaaaaaaaa".
#
# <details><summary>Hint</summary>
#
# Write down the inputs and the targets for the name (5, 13, 13, 1), one below the other. What does
# the network have to do to be right?
#
# </details>

# %%
def suspect_pairs(name):
    """Return inputs and targets (n + 1,) for a name, an array of n numbers from 1 on."""
    row = np.concatenate([[0], name, [0]])
    ### BEGIN ERROR
    return row[:-1], row[:-1]
    ### END ERROR
    ### BEGIN SOLUTION
    return row[:-1], row[1:]
    ### END SOLUTION


# %%
check("suspect_pairs");

# %% [markdown]
# **Error 7.4: a bag of letters.** A GPT of one block gets stuck at 2.3 nats. It gives "was " and
# "saw " exactly the same probabilities for the next letter, although it has a table of positions.
# `edf.summary()` lists that table among the parameters, but its gradient is None.
#
# <details><summary>Hint</summary>
#
# A component is not changed by what is built on it. Which component does the function return?
#
# </details>

# %%
def suspect_rows(x, table, places):
    """Return the rows of the letters x (B, T) and their positions: (B, T, D)."""
    rows = edf.Embedding(table, x)
    ### BEGIN ERROR
    rows + places
    ### END ERROR
    ### BEGIN SOLUTION
    rows = rows + places
    ### END SOLUTION
    return rows


# %%
check("suspect_rows");

# %% [markdown]
# **Error 7.5: a loss that depends on the weather.** The validation loss of a recurrent network is
# different if the batches, windows from anywhere in the text, come in another order.
# `net.starts[0]` is the Input of its first state, `net.ends[0]` its last state; see section 3.
#
# <details><summary>Hint</summary>
#
# What does the network know when it reads the first letter of the second batch? In writing, that
# was right.
#
# </details>

# %%
def suspect_losses(net, batches):
    """Return the mean loss of each batch: pairs of inputs (B, T) and labels (B T,)."""
    losses, zeros = [], np.zeros((1, net.starts[0].value.shape[1]))
    for net.x.value, net.labels.value in batches:
        ### BEGIN ERROR
        net.starts[0].value = net.ends[0].value if losses else zeros
        ### END ERROR
        ### BEGIN SOLUTION
        net.starts[0].value = zeros
        ### END SOLUTION
        edf.forward()
        losses.append(net.loss.value.mean())
    return losses


# %%
check("suspect_losses");

# %% [markdown]
# **Error 7.6: a writer that is drunk.** A GPT with `edf.Dropout` in its blocks has a good
# validation loss, but writes much worse than its loss promises; and with top-k of 1, which leaves
# nothing to chance, it writes another text each time.
#
# <details><summary>Hint</summary>
#
# Who else in the graph may draw random numbers? `validation_loss` and `write` have a line in common
# that is missing here. Afterwards, training must go on as before.
#
# </details>

# %%
def suspect_scores(net, x):
    """Return the scores (K,) of the letter after a window x (T,)."""
    net.x.value, net.labels.value = x[None], np.zeros(len(x), int)
    ### BEGIN ERROR
    edf.forward()
    ### END ERROR
    ### BEGIN SOLUTION
    with edf.evaluating():
        edf.forward()
    ### END SOLUTION
    return net.scores.value[-1]


# %%
check("suspect_scores");

# %% [markdown]
# ## 8 Your best model
#
# Now it is your turn. **The task:** at most 100,000 parameters, at most five minutes on one core,
# and as few bits a letter on the validation text as you can. (The GPT of section 6 has more than
# 100,000 parameters.) Anything goes that does not look ahead.
#
# Some things to try: longer windows or larger batches; the learning rate; wide or deep; a GRU; one
# table for both letters and scores; a mask of short reach in the first block; RMSNorm; dropout;
# weight decay. Choose by the validation loss, and remember that the best of fifty tries is also the
# luckiest. [Shannon](https://doi.org/10.1002/j.1538-7305.1951.tb01366.x) (1951) let people guess:
# they needed about one bit.

# %% [markdown]
# **Exercise 8.1: your best model.** Train a model on `numbers`, of `letters` different ones, for at
# most so many `seconds` of `time.process_time()`. Return the net, with `x` (B, T), `labels` (B T,)
# and `loss` (B T,), and the length $T$ of its windows. It must not change `numbers`. For points it
# is trained for five seconds on a short text, and has to reach 4 bits a letter.
#
# <details><summary>Hint</summary>
#
# `train(net, numbers, length, seconds=...)` keeps to the time, if you leave a second for the rest.
# It is a function of twenty lines in `problem_sets/sequences.py`: copy it, and improve on it.
#
# </details>

# %%
def my_best_model(numbers, letters, seconds):
    """Return a trained net of at most 100,000 parameters, and the length of its windows."""
    edf.clear()
    ### BEGIN SOLUTION
    params = recurrent_params(letters, 32, 144, gates=3, states=1)
    net, length = recurrent(gru, params, states=1, length=48), 48
    train(net, numbers, length, seconds=0.95 * seconds, lr=6e-3, say=False)
    return net, length
    ### END SOLUTION


# %%
best_model = check("my_best_model")

# %% [markdown]
# Here it learns from the whole text, for a minute; write 300 when you have chosen. (A short text
# has less time.)

# %%
seconds = min(60, len(learning) / 10_000)
if best_model is None:
    print("no model to train: the check above has not passed")
else:
    edf.dtype = np.float32
    edf.seed(81)
    start = time.process_time()
    net, length = best_model(learning, K, seconds)
    took = time.process_time() - start
    loss = validation_loss(net, validation, length)
    size = sum(param.value.size for param in edf.params)
    print(f"best model, {size:,} parameters, {took:.0f} s: validation loss {loss:.3f} nats, "
          f"{loss / np.log(2):.3f} bits a letter")

# %% [markdown]
# ### Words and letters
#
# | | |
# |---|---|
# | letter, token | what a text is cut into: here characters, in large models pieces of words |
# | window | some letters in a row, `length` of them; each predicts the next |
# | nat, bit | units of a loss: $-\log p$, and $-\log_2 p$ |
# | perplexity | $e$ to the loss: among how many letters, equally likely, it seems to choose |
# | embedding | a table with a learned row for each letter |
# | state, gate | what a recurrent network keeps; a sigmoid that says how much |
# | unrolled | with the same Params once for every step |
# | query, key, value | what a letter asks, how it is found, and what it says |
# | causal mask | $-\infty$ for all that comes later |
# | head | one set of attention weights |
# | residual | added to its input, not in place of it |
# | temperature, top-k | how boldly, and from how many letters, the next is drawn |
# | B, T, D, H, K | windows in a batch; letters in a window; numbers a letter; of a state; letters |
#
# **What next?** `examples/gpt.py` and `examples/lstm.py` train for longer, on any text.
# [Dive into deep learning](https://d2l.ai/chapter_attention-mechanisms-and-transformers/index.html)
# goes on to large models.

# %%
score_sheet("ps3")
