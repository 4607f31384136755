"""An LSTM that learns to write, letter by letter: python examples/lstm.py [--text FILE]

As large as the GPT of gpt.py, it has 1.69 nats a letter on Shakespeare after 86 s of one busy core.
"""
import os
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more only slow small networks down
sys.path.insert(0, os.path.dirname(__file__) + "/..")
import numpy as np  # noqa: E402

import edf  # noqa: E402
from edf_tools.progress import progress  # noqa: E402
from text_loader import encode, letters_of, load_text, windows  # noqa: E402


def lstm(length, table, u, w, b):
    """Build the graph; return an input (B,) for each letter, the first and last state, scores."""
    first = h, c = edf.Input(np.zeros((1, d)), "h"), edf.Input(np.zeros((1, d)), "c")
    xs, hs = [edf.Input(name=f"x{t}") for t in range(length)], []
    for x in xs:
        gates = edf.Embedding(table, x) + h @ u                         # (B, 4 d)
        write, keep, show = (edf.Sigmoid(gates[:, i * d:(i + 1) * d]) for i in range(3))
        c = keep * c + write * edf.Tanh(gates[:, 3 * d:])               # (B, d)
        h = show * edf.Tanh(c)
        hs.append(h)
    return xs, first, (h, c), edf.Affine(edf.Concat(*hs), w, b)         # (T B, letters)


def run(inputs, right):
    """Return the losses of windows (B, T)."""
    for node, value in zip([targets, *xs], [right.T.reshape(-1), *inputs.T]):
        node.value = value
    edf.forward()
    return loss.value


parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
parser.add_argument("--text", default=os.environ.get("TEXT_FILE"), help="in place of Shakespeare")
parser.add_argument("--steps", type=int, default=2000, help="to learn for; it saves ten times")
parser.add_argument("--file", default="lstm.npz", help="to save to, and to go on from")
parser.add_argument("--temperature", type=float, default=0.8, help="low for likely letters")
parser.add_argument("--seed", type=int, default=1, help="seed of all random numbers")
options = parser.parse_args()
edf.seed(options.seed)
text, name = load_text(options.text), options.text or "Shakespeare"
letters, d = letters_of(text), 132
train, test = np.split(encode(text, letters), [len(text) * 9 // 10])
held_out = windows(test, 64)
print(f"data: {name}, {len(train)} letters to learn from, {len(test)} to validate on")
print("settings:", *(f"{key}={value!r}" for key, value in vars(options).items()))
sizes = (len(letters), 4 * d), (d, 4 * d), (d, len(letters))
params = [*(edf.Param(edf.normal(n, m, 0.1)) for n, m in sizes), edf.Param([0.0] * len(letters))]
xs, _, _, scores = lstm(64, *params)
loss = edf.SoftmaxCrossEntropy(scores, targets := edf.Input(name="targets"))
adam, done = edf.AdamW(betas=(0.9, 0.99)), 0
if os.path.exists(options.file):
    edf.load(options.file, adam)
    done = adam.memory[params[0]]["t"]
for step in (bar := progress(range(done, options.steps), "training", unit="steps")):
    run(*windows(train, 64, 32, edf.rng))
    edf.backward(loss)
    edf.clip_gradients(1)
    adam.lr = 0.01 * edf.warmup(step, 100) * edf.cosine_decay(step, options.steps)
    adam.step()
    if (step + 1) % max(1, options.steps // 10) == 0 or step + 1 == options.steps:
        edf.save(options.file, adam)
        bar.print(f"step {step + 1}: training loss {loss.value.mean():.4f}")
final = np.concatenate([run(*pair) for pair in edf.batches(*held_out, size=32)]).mean()
edf.clear(keep_params=True)                             # the same network for one letter
(x,), first, last, scores = lstm(1, *params)
p = edf.Softmax(scores / options.temperature)
written = "\n"
while len(written) < 500:
    x.value = encode(written[-1], letters)
    edf.forward()
    first[0].value, first[1].value = last[0].value, last[1].value
    written += letters[edf.rng.choice(len(letters), p=p.value[0])]
print(written, f"final validation loss {final:.4f} nats a letter on {name}", sep="\n")
