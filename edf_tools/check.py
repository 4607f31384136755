"""What looks closely at a graph: a check of its gradients, and a mode to debug."""

import dis
import inspect
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import cache, wraps

import numpy as np

import edf
from edf import ancestors, facts, label, require_member
from edf_tools.progress import progress


def traceless(tool):
    """Let a tool work on copies of all that the graph holds, which are then dropped.

    So what components change, in place too, is as before: values, statistics,
    lists.  Not put back is what lies outside of the graph, edf.rng and
    edf.dtype, nor what Python cannot copy, such as an open file.
    """
    @wraps(tool)
    def run(*args, **options):
        settings, changed = (edf.dtype, edf.rng.bit_generator.state), set(edf.pending)
        states = [(node, vars(node)) for node in edf.components if hasattr(node, "__dict__")]
        known = {id(x): x for x in (edf.rng, *edf.components)}      # these are not copied

        def put_back():
            edf.dtype, edf.rng.bit_generator.state = settings
            for node, state in states:
                node.__dict__ = state
            edf.pending.clear()
            edf.pending.update(changed)

        try:
            for node, state in states:
                shared = {name: getattr(node, name) for kind in type(node).__mro__
                          for name, value in vars(kind).items()     # mean = np.zeros(3)
                          if isinstance(value, (np.ndarray, list, dict, set))}
                node.__dict__ = {name: copied(value, known)
                                 for name, value in (shared | state).items()}
            return tool(*args, **options)
        finally:
            try:
                put_back()
            finally:
                put_back()      # again: an interruption may have cut the first short
    return run


def copied(value, known):
    """Return a deep copy, or the value itself if there can be none."""
    try:
        return deepcopy(value, known)
    except Exception:
        return value


@traceless
@np.errstate(under="ignore")
def check_gradients(loss, *nodes, entries=1000, tolerance=1e-6):
    """Compare backward with central differences (L(v + h) - L(v - h)) / 2h.

    First each component that the loss depends on, alone: it gets a random dy (a
    constant one hides mistakes), L is the sum of dy times its value, and v the
    value of an input.  An Input of real numbers is taken for learned here: no
    d-method stays untried because the graph does not call it.  Then the whole
    graph: L is the mean of loss.value, and v the value of every Param, or of the
    components in `nodes`.  At a kink any slope between those of its two sides is
    right.  All is computed in float64, and the graph is then put back as it was.
    Of an array with more than `entries` numbers only so many are tried, drawn at
    random.  Values at which a wrong formula is right hide it: take two rows or
    more, and all of them different.

    Says nothing if all is right.  Returns {what was compared: largest error};
    "Affine[3].dw" is the method dw of components[3], alone, "Affine[3].w" the
    Param in the whole graph.  Errors are relative to the largest entry of the
    gradient, a tenth of the largest term of L (its rounding hides much smaller
    ones), or 0.001, whichever is largest.
    Raises AssertionError if an error exceeds the tolerance, with the component,
    its method and the worst entry, and if a component is no function: if at the
    same inputs, and from the same state of edf.rng, it gives another value.
    Raises TypeError if a node has no gradient.
    """
    start = edf.rng.bit_generator.state
    draw = np.random.default_rng(0)
    errors = {}

    def compare(name, place, node, got, *function):
        """Hold got, the gradient of a node, against central differences."""
        picks = draw.permutation(np.flatnonzero(node.value != -np.inf))[:entries]
        got = got.ravel()[picks]
        bar.note = name
        want, jump, size = central_differences(node, picks, *function)
        scale = max(abs(got).max(), abs(want).max(), 0.1 * size, 1e-3)
        at_kink = abs(jump) > 1e-3 * scale          # any slope between is right
        error = abs(got - want) - np.where(at_kink, abs(jump) / 2, 0)
        error = np.maximum(error, 0) / scale
        worst = error.argmax()
        errors[name] = float(error[worst])
        if not errors[name] <= tolerance:           # not: nan fails too
            entry = np.unravel_index(picks[worst], node.value.shape)
            hint = " (is a kink near? then change the values and check again)"
            if not np.isfinite(want[worst]):
                hint = " (its values are not finite: change them)"
            elif not at_kink[worst]:
                hint = ""
            fault(f"wrong gradient: {name} gives {got[worst]:.9g} at entry "
                  f"{tuple(map(int, entry))}, central differences give "
                  f"{want[worst]:.9g}{hint}", *place)

    def check_alone(component):
        """Check what one component adds to its inputs, and that it adds it."""
        def run():
            edf.rng.bit_generator.state = start         # Dropout repeats itself
            alone(component, "forward")
            return component.value

        for node in component.inputs:                   # none may be written to
            node._value = read_only(node.value)
        require_function(component, run().copy(), run())
        component._value = read_only(component.value)
        dy = draw.normal(size=component.value.shape)
        dy[component.value == -np.inf] = 0              # a mask: no gradient comes from there
        dy = component.grad = read_only(dy)
        own = type(component).backward is not edf.Component.backward
        methods = {node: ["d" + name for name, x in component.arguments.items()
                          if x is node] for node in component.inputs}
        learned = {node: node.needs_grad for node in methods if node.needs_grad
                   or not own and node.value.dtype.kind == "f"
                   and all(hasattr(component, method) for method in methods[node])}
        for node in learned:
            node.grad, node.needs_grad = None, True
        alone(component, "backward")
        once = {node: node.grad for node in learned}
        alone(component, "backward")
        for node, needs_grad in learned.items():
            node.needs_grad = needs_grad
            method = "backward" if own else " + ".join(methods[node])
            name, grad = f"{label(component)}.{method}", once[node]
            lost = abs(2 * grad - node.grad).max()
            if lost > 1e-9 * abs(grad).max():
                fault(f"lost gradient: {name} does not add the same a second "
                      "time: it replaces the gradient instead of calling "
                      "add_grad, or writes into what f has kept", component, method)
            compare(name, (component, method), node, grad, component, run, dy, bar.update)

    def check_in_graph(node, grad):
        """Check the gradient that backward(loss) gave to one node."""
        def run():
            value, edf.rng.bit_generator.state = node.value, start
            for component in edf.components[:loss.number + 1]:
                alone(component, "forward")
                if component is node:
                    node.value = value
            return loss.value

        compare(label(node), (node, "the gradient"), node, grad,
                loss, run, 1 / loss.value.size, lambda: bar.update(loss.number + 1))

    edf.dtype = np.float64
    for component in edf.components:
        if not component.inputs and component.value is not None:
            component.value = component.value.copy()    # now as float64
    edf.forward()
    edf.backward(loss)
    nodes = nodes or [p for p in edf.params if p.grad is not None]
    grads = [getattr(node, "grad", None) for node in nodes]
    for node, grad in zip(nodes, grads):
        require_member(node, "what is to be checked")
        if grad is None:
            raise TypeError(f"{node} has no gradient that could be checked")
    leads = ancestors(loss)
    work = [(1, x) for component in leads for x in component.inputs if x.value.dtype.kind == "f"]
    work += [(loss.number + 1, node) for node in nodes]
    with progress(words="check_gradients", unit="runs of components",
                  total=sum(runs * min(entries, x.value.size) for runs, x in work)) as bar:
        for component in leads:
            if not isinstance(component, (edf.Input, edf.Param)):
                check_alone(component)
        for node, grad in zip(nodes, grads):
            check_in_graph(node, grad)
    return errors


def alone(component, method):
    """Run forward or backward of one component; an error says where it is from."""
    try:
        getattr(component, method)()
    except Exception as error:
        edf.explain(error, component)
        raise


def require_function(component, value, again):
    """Raise AssertionError unless a component gave the same value again."""
    size = abs(value[np.isfinite(value)]).max(initial=0)
    if value.shape != again.shape or not np.allclose(
            again, value, rtol=0, atol=1e-12 * size, equal_nan=True):
        method = "f" if type(component).forward is edf.Component.forward else "forward"
        fault(f"no function: {label(component)}.{method} gives another value at "
              "the same inputs: draw random numbers from edf.rng, and keep what "
              "changes from call to call out of the value", component, method)


def central_differences(node, picks, component, run, dy, count):
    """Differentiate the sum of dy * run() by picked entries of the value of a node.

    A small step h comes first, as a large one could reach a kink nearby; a
    larger one follows where the change of the sum drowns in its rounding.  Calls
    count() after each entry.
    Returns the slopes, how much they differ between the two sides of the value
    (at a kink), and the size of the largest term of the sum.  Where the value is
    -inf there is a mask, and nothing changes.
    """
    def visible():
        y = run()
        return np.where(y == -np.inf, 0, y)

    value = node.value
    middle = visible()
    size = abs(dy * middle).max()
    slopes = np.empty((2, len(picks)))
    for i, pick in enumerate(picks):
        old = value.flat[pick]
        v = abs(old) or 1
        for h in 1e-5 * min(v, 0.1), 1e-6 * max(v, 1):
            for side, step in enumerate((h, -h)):
                moved = value.copy()
                moved.flat[pick] += step
                node.value = moved
                step = moved.flat[pick] - old       # as it was rounded
                slopes[side, i] = (dy * (visible() - middle)).sum() / step
            if h * abs(slopes[:, i]).min() > 1e-9 * size:
                break           # h was large enough to show above rounding
        count()
    node.value = value
    require_function(component, middle, visible())
    return slopes.mean(axis=0), slopes[0] - slopes[1], size


def fault(message, component, method):
    """Raise AssertionError(message) with a note on its place in the graph."""
    error = AssertionError(message)
    error.add_note(facts(component, method, None))
    try:
        raise error
    finally:
        del error       # it holds this call: a cycle would keep the graph alive


PLAIN = edf.as_real, edf.facts, edf.Component.values    # outside of debugging


@contextmanager
def debugging():
    """Stop at the first nan or infinity, within a with statement:

        with edf.debugging():
            edf.forward()
            edf.backward(loss)

    The ValueError names the component, its method, and the ranges of what that
    got; NumPy's warnings are off, as they name neither.  Values and gradients
    are read-only, for formulas and for you: what writes into them is stopped.
    -inf in an Input that is added to something is a mask, and passes.
    Outside of the with statement this costs nothing, as it puts three functions
    of EDF in place of others and then takes them away again.
    """
    plain_as_real, plain_facts, plain_values = PLAIN
    adds = False                        # does the component that runs add its inputs?

    def as_real(result, shape=None):
        array = plain_as_real(result, shape)
        refuse_nan(array, "the result", "the ranges of the arguments are below", adds)
        return read_only(array)

    def facts(component, method, error):
        ranges = [f"{name} {span(node.value)}" for name, node in component.arguments.items()
                  if isinstance(getattr(node, "value", None), np.ndarray)]
        if method != "f" and component.grad is not None:
            ranges.insert(0, f"dy {span(np.asarray(component.grad))}")
        return "\n".join([plain_facts(component, method, error), *ranges])

    def values(component):
        nonlocal adds
        adds = isinstance(component, edf.Add)
        for name, node in component.arguments.items():
            if node is None or node.inputs or node.value is None:
                continue                # that of a function has been looked at
            refuse_nan(node.value, f"{node} (argument {name})", "was the last "
                       "step too long? try a smaller lr" if node.needs_grad
                       else "look at the data", adds and not node.needs_grad)
        return [read_only(v) if isinstance(v, np.ndarray) else v
                for v in plain_values(component)]

    before = edf.as_real, edf.facts, edf.Component.values   # if it is nested
    edf.as_real, edf.facts, edf.Component.values = as_real, facts, values
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        edf.as_real, edf.facts, edf.Component.values = before
        for node in edf.components if before == PLAIN else ():
            for name in ("_value", "grad") if node.inputs else ("grad",):
                array = getattr(node, name)
                if array is not None and not array.flags.writeable:
                    setattr(node, name, array.copy(order="K"))


def refuse_nan(array, what, advice, masked=False):
    """Raise ValueError if an array has nan or infinity in it, but for -inf in a masked one."""
    bad = array.size - (np.isfinite(array) | masked & (array == -np.inf)).sum()
    edf.require(bad == 0, f"{what} has nan or infinity in {bad} of "
                f"{array.size} entries: {advice}")


def read_only(array):
    """Return a view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def span(array):
    """Return "from -1.5 to 2", with how many are not finite if any are not."""
    finite = array[np.isfinite(array)]
    bad = array.size - finite.size
    if finite.size == 0:
        return "all nan or infinite"
    text = f"from {finite.min():.4g} to {finite.max():.4g}"
    return f"{text} ({bad} nan or infinite)" if bad else text


def require_inputs(nodes):
    """Raise TypeError if one computes with a learned component that is no input.

    It is looked for in attributes, of the class too, in containers, and in what
    f and forward read from outside; not in what these call, nor in d-methods.
    """
    for component in nodes:
        kind, names = type(component), {*dir(component)} - {*dir(edf.Component)}
        seen = {name: getattr(component, name, None) for name in names}
        own = (kind.f, kind.forward) if kind.__module__ != "edf" else ()
        for method in filter(inspect.isfunction, own):
            with suppress(ValueError):          # of a name that is not bound yet
                known = method.__globals__ | inspect.getclosurevars(method).nonlocals
                seen |= {name: known.get(name) for name in names_in(method.__code__)}
        for name, x in seen.items():
            if any(isinstance(part, edf.Component) and part.needs_grad and part._grad is None
                   for part in edf.parts(x)):
                edf.refuse(component, "__init__", f"{name} is no input of {kind.__name__}: to be "
                       "learned pass it to super().__init__, else set its needs_grad = False")


@cache
def names_in(code):
    """Return the names from outside that a function reads."""
    outside = "LOAD_GLOBAL", "LOAD_DEREF"
    return [line.argval for line in dis.get_instructions(code) if line.opname in outside]
