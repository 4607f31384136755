"""A GPT that learns to write, letter by letter: python examples/gpt.py [--text FILE]

Validation losses on Shakespeare, in nats a letter: 1.70 after 96 s of one busy core (PyTorch: 1.70
after as many steps); 1.55 after 515 s with --width 96 --heads 3 --layers 3 --length 128 --batch 8
--lr 0.004 --steps 9000; bigrams have 2.46.  Stopped, it goes on from its file bit for bit.
"""
import os
import sys
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more only slow small networks down
sys.path.insert(0, os.path.dirname(__file__) + "/..")
import numpy as np  # noqa: E402

import edf  # noqa: E402
from edf_tools.progress import progress  # noqa: E402
from text_loader import encode, letters_of, load_text, windows  # noqa: E402


def affine(x, n, m):
    """Build an affine map of the last axis, from n numbers to m."""
    return edf.Affine(x, edf.Param(edf.normal(n, m, 0.02)), edf.Param(np.zeros(m)))


def norm(x, width):
    """Build the normalisation of the numbers of every letter."""
    return edf.LayerNorm(x, edf.Param(np.ones(width)), edf.Param(np.zeros(width)))


def attention(x, mask, length, width, heads):
    """Build what each letter gathers from those before it: softmax(q k^T / sqrt(d) + mask) v."""
    shape = (-1, length, heads, width // heads)         # (B, T, D) -> (B, T, heads, d)
    q, k, v = (edf.Reshape(affine(x, width, width), shape) for _ in range(3))
    q, k, v = (edf.Transpose(y, (0, 2, 1, 3)) for y in (q, k, v))           # -> (B, heads, T, d)
    scores = (q / shape[-1] ** 0.5) @ edf.Transpose(k, (0, 1, 3, 2))        # -> (B, heads, T, T)
    y = edf.Transpose(edf.Softmax(scores + mask) @ v, (0, 2, 1, 3))         # -> (B, T, heads, d)
    return affine(edf.Reshape(y, (-1, length, width)), width, width)        # -> (B, T, D)


def gpt(letters, length, width, heads, layers):
    """Build the graph; return its inputs x (B, T) and targets (B T,), the scores and the loss."""
    x, targets = edf.Input(name="x"), edf.Input(name="targets")
    mask = edf.Input(np.where(np.tri(length) == 1, 0, -np.inf), "mask")
    table = edf.Param(edf.normal(letters, width, 0.02), "letters")
    h = edf.Embedding(table, x) + edf.Param(edf.normal(length, width, 0.02), "places")   # (B, T, D)
    for _ in range(layers):
        h = h + attention(norm(h, width), mask, length, width, heads)
        h = h + affine(edf.ReLU(affine(norm(h, width), width, 4 * width)), 4 * width, width)
    scores = edf.Reshape(affine(norm(h, width), width, letters), (-1, letters))
    return x, targets, scores, edf.SoftmaxCrossEntropy(scores, targets)


def validation_loss():
    """Return the mean loss over the text that was held out, in nats a letter."""
    losses = []
    for x.value, right in edf.batches(*held_out, size=options.batch):
        targets.value = right.reshape(-1)
        edf.forward()
        losses.extend(loss.value)
    return np.mean(losses, dtype=float)


def write(text, count):
    """Return the text and `count` more letters, each drawn by what the network expects."""
    targets.value = np.zeros(options.length, int)       # forward() wants some
    for _ in range(count):
        recent = encode(text[-options.length:], letters)
        x.value = np.pad(recent, (0, options.length - len(recent)))[None]   # nothing looks ahead
        edf.forward()
        likely = scores.value[len(recent) - 1] / options.temperature
        best = likely.argsort()[-options.top:]
        p = np.exp(likely[best] - likely[best[-1]])
        text += letters[edf.rng.choice(best, p=p / p.sum())]
    return text


parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
option = parser.add_argument
option("--text", default=os.environ.get("TEXT_FILE"), help="file to learn, in place of Shakespeare")
option("--length", type=int, default=64, help="letters in a window")
option("--width", type=int, default=64, help="numbers for each letter")
option("--heads", type=int, default=4, help="of the attention in a layer: parts of the width")
option("--layers", type=int, default=2, help="each of attention and a network of two affine maps")
option("--batch", type=int, default=32, help="windows in a batch")
option("--lr", type=float, default=0.006, help="learning rate of AdamW, which falls to 0")
option("--steps", type=int, default=2000, help="steps to learn for; it saves ten times on the way")
option("--file", default="gpt.npz", help="to save to; if it is there, training goes on from it")
option("--temperature", type=float, default=0.8, help="below 1 for likely letters, above for bold")
option("--top", type=int, default=20, help="write none but so many likeliest letters")
option("--seed", type=int, default=1, help="seed of all random numbers")
options = parser.parse_args()
edf.seed(options.seed)
text, name, start = load_text(options.text), options.text or "Shakespeare", time.process_time()
letters = letters_of(text)
train, test = np.split(encode(text, letters), [len(text) * 9 // 10])
held_out = windows(test, options.length)
print(f"data: {name}, {len(train)} letters to learn from, {len(test)} to validate on")
print("settings:", *(f"{key}={value!r}" for key, value in vars(options).items()))
x, targets, scores, loss = gpt(len(letters), options.length, options.width, options.heads,
                               options.layers)
adam, done = edf.AdamW(options.lr, betas=(0.9, 0.99), weight_decay=0.1), 0
if os.path.exists(options.file):
    edf.load(options.file, adam)
    done = adam.memory[edf.params[0]]["t"]
    print(f"goes on from {options.file}, after step {done}")
for step in (bar := progress(range(done, options.steps), "training", unit="steps")):
    x.value, right = windows(train, options.length, options.batch, edf.rng)
    targets.value = right.reshape(-1)
    edf.forward()
    edf.backward(loss)
    adam.lr = options.lr * edf.warmup(step, 100) * edf.cosine_decay(step, options.steps)
    adam.step()
    if (step + 1) % max(1, options.steps // 10) == 0 or step + 1 == options.steps:
        edf.save(options.file, adam)
        bar.print(f"step {step + 1}: training loss {loss.value.mean():.4f}, validation loss "
                  f"{validation_loss():.4f}, {time.process_time() - start:.0f} s")
edf.seed(options.seed)
print(write("\n", count=500),
      f"final validation loss {validation_loss():.4f} nats a letter on {name}", sep="\n")
