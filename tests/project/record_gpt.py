"""Record what PyTorch makes of the network of examples/gpt.py: python tests/project/record_gpt.py

Needs torch.  It trains from the starting values, on the windows and with the learning rates of
the test in test_gpt.py, and writes the loss of each of the first 20 steps, and the validation
loss after all 2000, to gpt_pytorch.json beside this file.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
import edf  # noqa: E402
from text_loader import encode, letters_of, load_text  # noqa: E402

SIZES = LETTERS, LENGTH, WIDTH, HEADS, LAYERS = 65, 64, 64, 4, 2
BATCH, LR, STEPS = 32, 0.006, 2000      # the defaults of the example


def functions(name):
    """Return what an example defines before it reads its options."""
    path, found = HERE.parents[1] / "examples" / f"{name}.py", {"__file__": ""}
    exec(compile(path.read_text().split("\nparser = ")[0], path, "exec"), found)
    return found


def starting_values(shapes):
    """Return an array for each shape: matrices are drawn, from a generator that will not change."""
    state = np.random.RandomState(1)
    return [state.normal(0, 0.02, shape).astype(np.float32) for shape in shapes]


def data():
    """Return the numbers of the letters to learn from, and to validate on."""
    text = load_text()
    return np.split(encode(text, letters_of(text)), [len(text) * 9 // 10])


def windows(numbers, steps):
    """Yield inputs and targets (B, T) for every step."""
    state = np.random.RandomState(2)
    for _ in range(steps):
        places = state.randint(len(numbers) - LENGTH, size=(BATCH, 1)) + np.arange(LENGTH)
        yield numbers[places], numbers[places + 1]


def rate(step):
    """Return the learning rate of a step."""
    return LR * edf.warmup(step, 100) * edf.cosine_decay(step, STEPS)


def main():
    import torch
    from torch.nn.functional import cross_entropy, embedding, layer_norm, linear

    torch.set_num_threads(1)
    functions("gpt")["gpt"](*SIZES)
    values = [param.value for param in edf.params]
    drawn = iter(starting_values([value.shape for value in values if value.ndim == 2]))
    params = [torch.tensor(next(drawn) if value.ndim == 2 else value, requires_grad=True)
              for value in values]
    mask = torch.full((LENGTH, LENGTH), -torch.inf).triu(1)

    def loss_of(inputs, targets):
        left = iter(params)             # in the order in which EDF builds them

        def affine(x):
            return linear(x, next(left).T, next(left))

        def norm(x):
            return layer_norm(x, (WIDTH,), next(left), next(left))

        def split(y):
            return y.view(-1, LENGTH, HEADS, WIDTH // HEADS).transpose(1, 2)

        h = embedding(torch.tensor(inputs), next(left)) + next(left)
        for _ in range(LAYERS):
            n = norm(h)
            q, k, v = split(affine(n)), split(affine(n)), split(affine(n))
            weights = torch.softmax(q @ k.mT / (WIDTH // HEADS) ** 0.5 + mask, -1)
            h = h + affine((weights @ v).transpose(1, 2).reshape(-1, LENGTH, WIDTH))
            h = h + affine(torch.relu(affine(norm(h))))
        return cross_entropy(affine(norm(h)).view(-1, LETTERS), torch.tensor(targets).view(-1))

    train, test = data()
    adam = torch.optim.AdamW(params, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
    losses = []
    for step, pair in enumerate(windows(train, STEPS)):
        loss = loss_of(*pair)
        adam.zero_grad()
        loss.backward()
        adam.param_groups[0]["lr"] = rate(step)
        adam.step()
        losses.append(loss.item())
    end = (len(test) - 1) // LENGTH * LENGTH
    inputs, targets = (part.reshape(-1, LENGTH) for part in (test[:end], test[1:end + 1]))
    with torch.no_grad():
        total = sum(loss_of(inputs[i:i + 64], targets[i:i + 64]).item() * len(inputs[i:i + 64])
                    for i in range(0, len(inputs), 64))
    record = {"torch": torch.__version__, "losses": losses[:20], "steps": STEPS,
              "validation_loss": total / len(inputs)}
    (HERE / "gpt_pytorch.json").write_text(json.dumps(record, indent=1) + "\n")
    print(record)


if __name__ == "__main__":
    main()
