"""The training step of a graph as a program of NumPy: what all the objects come down to.

    print(edf.listing(loss))                        # with SGD(lr=0.1)
    print(edf.listing(loss, edf.Adam()))

It is made from the source of f, of the d-methods, and of direction(): arguments become variables
of the graph, options numbers, and what a formula keeps on self a variable.
"""

import re
import warnings

import numpy as np

import edf
from edf_tools.formulas import Formulas, Unwritable
from edf_tools.view import View


def listing(loss, optimiser=None):
    """Return one training step of the graph as a program: forward, backward, and update.

    It takes its arrays from the graph, and moves the Params in place.  It shows the way that the
    formulas take now, with these values, options and mode, without their checks; the optimiser
    remembers nothing yet.  What cannot be written out, as a forward() of one's own, is called.

    Raises TypeError if the loss depends on no Param, for an optimiser that cannot be written out,
    and for an add_grad() of one's own; and what the formulas raise.
    """
    edf.require_graph()
    edf.require_member(loss, "the loss")
    if not loss.needs_grad:
        raise TypeError(f"{loss} depends on no Param: there is nothing to learn")
    optimiser, numbers, called = optimiser or edf.SGD(lr=0.1), edf.rng.bit_generator.state, set()
    kept = [(component, dict(vars(component))) for component in edf.components]
    while True:
        try:
            with np.errstate(under="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)      # of (0, 1) is None
                return View(Step(called).program(loss, optimiser))
        except Unwritable as found:
            if found.args[0] is optimiser:
                raise TypeError(f"{type(optimiser).__name__} cannot be written out: it needs a "
                                "direction() with its source, and no step() of its own") from None
            called.add(found.args[0])   # once more from the start
        finally:                        # the lines were run while they were written
            for component, attributes in kept:
                vars(component).clear()
                vars(component).update(attributes)
            edf.rng.bit_generator.state = numbers


def own(owner, base, *names):
    """Return whether a component or optimiser has another method of such a name than the base."""
    return any(name in vars(owner) or getattr(type(owner), name, None) is not getattr(base, name)
               for name in names)


def thing(component):
    """Return what a component is in the program."""
    return f"components[{component.number}]"


class Step(Formulas):
    """Writes forward, backward, and update."""

    def __init__(self, called):
        super().__init__()
        self.called = called            # components that are called as they are
        self.head = []                  # the lines before

    def program(self, loss, optimiser):
        """Return the program."""
        for component in edf.components:    # w1, or affine3 for Affine[3] and w3 for Affine[3].w
            name = re.sub(r"^\w+\[(\d+)\]\.(\w+)$", r"\2\1", edf.label(component))
            name = name.lower() if name.endswith(f"[{component.number}]") else name
            self.values[component] = self.new("loss" if component is loss else name, self.taken)
        for component in edf.components:
            self.write_value(component)
        self.lines.append("\n# backward")
        self.begin(loss, "backward")
        self.add_grad(loss, "np.full_like({0}, 1 / {0}.size)".format(self.values[loss]))
        for component in reversed(edf.components):
            if component in self.grads and component.arguments:
                self.write_gradients(component)
        self.lines.append(f"\n# update: {type(optimiser).__name__}")
        for param in edf.params:
            if param in self.grads:
                self.write_update(param, optimiser)
        lines = "\n".join([*self.head, "\n# forward", *self.lines])
        words = {*re.findall(r"[^\W\d]\w*", lines), "components"} - {"np"}
        names = [name for name in sorted(words & vars(edf).keys()) if name in self.space]
        return "\n".join(["import numpy as np", "", *["import edf"] * ("edf" in words),
                          f"from edf import {', '.join(names)}", "",
                          "# the arrays of the graph", lines, ""])

    def write_value(self, component):
        """Write what gives a component its value."""
        y, c, leaves = self.values[component], thing(component), (edf.Input, edf.Param)
        self.begin(component, "forward")
        if any(isinstance(component, kind) and not own(component, kind, "forward")
               for kind in leaves):
            self.explained(edf.require_data, component)
            self.space[y] = component.value.copy()          # the update will change it
            self.head.append(f"{y} = {c}.value    # {component.value.shape}")
        elif self.is_called(component):
            for x in component.inputs:
                if not isinstance(x, leaves):
                    self.emit(f"{thing(x)}.value = {self.values[x]}")
            self.emit(f"{c}.forward()")
            self.result(y, f"{c}.value")
        else:
            self.begin(component, "f")
            self.result(y, self.method(self.arguments(component)))

    def is_called(self, component):
        """Return whether a component is called: it is no formula, or cannot be written out."""
        return component in self.called or own(
            component, edf.Component, "forward", "backward", "values")

    def write_gradients(self, component):
        """Write what a component adds to the gradients of its inputs."""
        learned = {name: x for name, x in component.arguments.items()
                   if x is not None and x.needs_grad}
        dy, c = self.grads[component], thing(component)
        if not self.is_called(component):
            for name, x in learned.items():
                self.begin(component, "d" + name)
                self.add_grad(x, self.method([dy, *self.arguments(component)]))
            return
        self.begin(component, "backward")
        inputs = dict.fromkeys(learned.values())
        for x in inputs:
            self.emit(f"{thing(x)}.grad = None")
        self.emit(f"{c}.grad = {dy}")
        self.emit(f"{c}.backward()")
        for x in inputs:
            if x.grad is not None:
                self.add_grad(x, f"{thing(x)}.grad")

    def arguments(self, component):
        """Return what f gets: variables, and options."""
        return [self.attribute(component, name) if x is None else self.values[x]
                for name, x in component.arguments.items()]

    def add_grad(self, x, text):
        """Write the first gradient of x, or that one more is added."""
        if own(x, edf.Component, "add_grad"):
            raise TypeError(f"{x} cannot be written out: it has an add_grad() of its own")
        if x in self.grads:
            text = f"{self.grads[x]} + ({text})"
        else:
            self.grads[x] = self.new("d" + self.values[x], self.taken)
        self.result(self.grads[x], text, np.shape(self.space[self.values[x]]))

    def result(self, name, text, shape=None):
        """Write name = text, a value or a gradient: an array of edf.dtype."""
        self.emit(f"{name} = ({text})")
        value = self.space[name]
        real = self.explained(edf.as_real, value, shape)
        if real.dtype != getattr(value, "dtype", None):
            self.space[name] = real
            self.lines[-1] = f"{name} = np.asarray({text}, np.{real.dtype})"
        self.lines[-1] += f"    # {real.shape}"

    def write_update(self, param, optimiser):
        """Write what moves a Param, as Optimiser.step() does."""
        if own(optimiser, edf.Optimiser, "step"):
            raise Unwritable(optimiser)
        self.begin(optimiser, "direction")
        w, grad = self.values[param], self.grads[param]
        kept, decay = self.new(f"kept_{w}", self.taken), f"{float(optimiser.weight_decay)} * {w}"
        if optimiser.weight_decay and not optimiser.decay_apart:
            grad = self.new("grad", self.local)
            self.emit(f"{grad} = {self.grads[param]} + {decay}")
        self.space[kept] = {}
        d = f"({self.method([grad, kept])})" + f" + {decay}" * optimiser.decay_apart
        self.emit(f"{w} -= {float(optimiser.lr)} * ({d})")
        self.head += [f"{kept} = {{}}"] * bool(self.space[kept])
