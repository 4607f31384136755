"""Why an error arose, and what to do: words, added to errors if this file is there."""

import re

import numpy as np

# What Python and NumPy say of frequent mistakes, and the way out.
ADVICE = {
    "read-only": "a formula must not change what it gets: write x = 2 * x, "
                 "which makes a new array, not x *= 2",
    "'NoneType'": "None is what is not there yet: values come from forward(), "
                  "and gradients from backward(loss) and by add_grad",
    "positional argument": "f takes self and the inputs, d<input> self, dy and "
                           "then the same as f, forward and backward only self",
}


def reason(component, method, error):
    """Return a line on why an error arose in a component, or "" if unknown.

    It holds the shapes of the inputs against those in the docstring, such as
    x (B, D), w (D, H)  ->  y (B, H): "D is 785 in x, but 784 in w\\n".
    """
    texts = re.findall("^(.*?)->", component.__doc__ or "", re.M)
    odds = [misfit(component, text, len(texts) == 1) for text in texts]
    if error and any(odds) and "" not in odds:  # BatchNorm has two such lines
        return next(filter(None, odds)) + "\n"
    if (x := method[1:]) in component.arguments and "the gradient has shape" in str(error):
        got, want = ([int(n) for n in re.findall(r"\d+", part)] for part in str(error).split("but"))
        return ("is it transposed?\n" if got == want[::-1] else
                "is keepdims=True missing?\n" if got == [n for n in want if n > 1] else
                f"where NumPy repeated {x}, edf.unbroadcast(grad, {x}.shape) sums over the copies\n"
                if len(got) >= len(want) and all(n in (1, m) for n, m in zip(want[::-1], got[::-1]))
                else "")
    return "".join(text + "\n" for words, text in ADVICE.items() if words in str(error))


def misfit(component, text, alone):
    """Say how inputs differ from the shapes in a text: x (B, D), w (D, H).

    Returns "" if they do not differ, and None if that cannot be told: there may
    be no shapes, and B, which may stand for several axes, other such texts.
    """
    lengths = {}
    for name, axes in re.findall(r"(\w+) \(([^)]+)\)", text):
        value = getattr(component.arguments.get(name), "value", None)
        letters, shape = re.findall(r"\w+", axes), np.shape(value)
        more, many = len(shape) - len(letters), axes[:3] in ("...", "B, ")
        if value is None or more > 0 and axes[:3] == "B, " and not alone:
            return None
        if more < 0 or more > 0 and not many:
            return f"{name} has shape {shape}, but is meant to have ({axes})"
        for letter, length in zip(letters[::-1], shape[::-1]):
            other, first = lengths.setdefault(letter, (length, name))
            if length != other:
                return f"{letter} is {other} in {first}, but {length} in {name}"
    return "" if lengths else None
