"""Memory and interruptions: training piles nothing up, clear() frees all, Ctrl-C breaks nothing.

What needs a process of its own runs this file as a program: python test_limits.py NAME NUMBER.
"""

import gc
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
import weakref
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import edf
from edf import Affine, BatchNorm, Dropout, Input, Param, ReLU, SoftmaxCrossEntropy, Tanh

ROOT = Path(__file__).parents[2]

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a process")


# Networks with their optimiser.  Each returns x, labels, loss, optimiser and the shape of an image.

def perceptron():
    x, labels = Input(), Input()
    hidden = ReLU(Affine(x, Param(edf.he(20, 30)), Param(np.zeros(30))))
    scores = Affine(hidden, Param(edf.he(30, 3)), Param(np.zeros(3)))
    return x, labels, SoftmaxCrossEntropy(scores, labels), edf.SGD(0.1), (20,)


def normalised(optimiser=edf.Adam):
    x, labels = Input(), Input()
    hidden = Affine(x, Param(edf.he(20, 30)), Param(np.zeros(30)))
    hidden = BatchNorm(hidden, Param(np.ones(30)), Param(np.zeros(30)))
    hidden = Dropout(Tanh(hidden), 0.2)
    scores = Affine(hidden, Param(edf.he(30, 3)), Param(np.zeros(3)))
    return x, labels, SoftmaxCrossEntropy(scores, labels), optimiser(), (20,)


def convolutional():
    x, labels = Input(), Input()
    maps = edf.Conv2d(x, Param(edf.he(9, 4).T.reshape(4, 1, 3, 3)), Param(np.zeros(4)), padding=1)
    maps = edf.MaxPool2d(ReLU(maps), 2)
    scores = Affine(edf.Reshape(maps, (-1, 64)), Param(edf.he(64, 3)), Param(np.zeros(3)))
    return x, labels, SoftmaxCrossEntropy(scores, labels), edf.SGD(0.01, momentum=0.9), (1, 8, 8)


NETWORKS = [perceptron, normalised, convolutional]


def feed(x, labels, shape, step, size=16):
    draw = np.random.default_rng(step)
    x.value = draw.normal(size=(size, *shape))
    labels.value = draw.integers(0, 3, size)


def train_one_step(x, labels, loss, optimiser, shape, step, size=16):
    """Step, then evaluate, as a training loop does."""
    feed(x, labels, shape, step, size)
    edf.forward()
    edf.backward(loss)
    optimiser.step()
    with edf.evaluating():
        edf.forward()


def train(network, steps):
    """Batch sizes change, with a period of five steps: 10 and 1000 steps end with the same."""
    for step in range(steps):
        train_one_step(*network, step, size=(8, 20, 3, 8, 13)[step % 5])


# 1. Training piles nothing up.

def traced():
    """Return how many bytes are in use, and in how many blocks, of those that were traced.

    Blocks below 64 bytes are left out.  Those are numbers and short texts: Python's table of
    methods keeps up to 4096 names that were looked up, such as a "d" + name.  Each array, list,
    dictionary or component takes a larger block.
    """
    gc.collect()
    sizes = [trace.size for trace in tracemalloc.take_snapshot().traces if trace.size >= 64]
    return sum(sizes), len(sizes)


def growth(work, few, many):
    """Return by how many bytes and blocks `many` rounds of work leave more than a few."""
    work(few)                       # what is made once, and Python's own caches
    tracemalloc.start()
    try:
        work(few)
        before = traced()
        work(many)
        after = traced()
    finally:
        tracemalloc.stop()
    grown = [b - a for a, b in zip(before, after)]
    print("bytes and blocks more:", *grown)
    return grown


@pytest.mark.parametrize("build", [
    perceptron, normalised, pytest.param(convolutional, marks=pytest.mark.slow)])
def test_a_thousand_steps_leave_no_more_memory_than_ten(build):
    # Some blocks are allowed that only happen to be larger.  What leaves one array in every
    # hundredth step leaves 10 blocks of them, and 1000 bytes for their headers alone.
    network = build()
    size, blocks = growth(lambda steps: train(network, steps), 10, 1000)
    assert size < 1000 and blocks < 10


def resident(field="VmRSS"):
    """Return the memory of this process as the system counts it, in bytes; VmHWM is the peak."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(field + ":")[1].split()[0])


def rss_of_training(steps):
    """Print by how many bytes the process has grown between step 10 and the last, each network."""
    for build in NETWORKS:
        edf.clear()
        network = build()
        train(network, 10)
        before = resident()
        train(network, steps)
        print(resident() - before)


def rss_of_rounds(rounds):
    """Print by how many bytes the process has grown after so many new graphs, since the tenth."""
    for i in range(rounds):
        edf.clear()
        train_one_step(*NETWORKS[i % 3](), step=i)
        if i == 10:
            before = resident()
    print(resident() - before)


def start(program, *arguments):
    """Run a function of this file in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", __file__, program.__name__, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)})


def numbers_of(program, *arguments):
    """Return the numbers that a function of this file prints in a process of its own."""
    with start(program, *arguments) as process:
        out, errors = process.communicate()
    assert process.returncode == 0, errors
    print(program.__name__, *arguments, out)
    return [int(line) for line in out.split()]


@needs_proc
@pytest.mark.slow
def test_the_process_does_not_grow_in_a_thousand_steps():
    # What one step computes takes 10 kB or more: kept by every step, it would be 10 MB.  A fifth
    # of that is allowed to the allocator, which gives pages back when it likes.
    assert max(numbers_of(rss_of_training, 1000)) < 2e6


@needs_proc
@pytest.mark.slow
def test_the_process_does_not_grow_in_ten_thousand_graphs():
    # A graph takes 20 kB or more: 10 000 of them would be 200 MB.
    assert numbers_of(rss_of_rounds, 10_000)[0] < 4e6


def test_two_hundred_graphs_leave_no_more_memory_than_ten():
    def rounds(n):
        for i in range(n):
            edf.clear()
            train_one_step(*normalised(), step=i)

    size, blocks = growth(rounds, 10, 200)
    assert size < 1000 and blocks < 10


# 2. clear() frees everything, at once: by reference counts, without the collector of cycles.

class Refusing(edf.Component):
    def f(self, x):
        raise ValueError("refused")


class Wrong(edf.Component):
    def f(self, x):
        return x * x

    def dx(self, dy, x):
        return dy * x


def fail_in_forward(loss):
    Refusing(loss)
    edf.forward()


class FailingBackward(edf.Component):
    def f(self, x):
        return x * x

    def dx(self, dy, x):
        raise ValueError("refused")


def fail_in_backward(loss):
    failing = FailingBackward(loss)
    edf.forward()
    edf.backward(failing)


def fail_while_building(loss):
    Affine(loss, np.ones((3, 2)), loss)


def find_a_wrong_gradient(loss):
    edf.check_gradients(Wrong(loss))


def fail_in_profile(loss):
    edf.profile(Refusing(loss))


def step_twice(loss):
    adam = edf.Adam()
    adam.step()
    adam.step()
    return [array for kept in adam.memory.values() for array in kept.values()]


def arrays_of(component):
    return [value for value in vars(component).values() if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("act", [
    lambda loss: None, step_twice, fail_in_forward, fail_in_backward, fail_while_building,
    lambda loss: edf.check_gradients(loss, entries=3), find_a_wrong_gradient,
    lambda loss: edf.profile(loss, steps=2), fail_in_profile,
    lambda loss: edf.draw(loss, values=True), lambda loss: edf.summary()])
def test_clear_frees_all_components_and_arrays_at_once(act):
    def run():
        x, labels, loss, optimiser, shape = normalised()
        train_one_step(x, labels, loss, optimiser, shape, step=0)
        edf.backward(loss)
        arrays = sum(map(arrays_of, edf.components), [])
        try:
            arrays += [a for a in act(loss) or () if isinstance(a, np.ndarray)]
        except (ValueError, TypeError, AssertionError):
            pass
        arrays += sum(map(arrays_of, edf.components), [])
        arrays += [array for kept in optimiser.memory.values() for array in kept.values()
                   if isinstance(array, np.ndarray)]
        return [weakref.ref(thing) for thing in [*edf.components, *arrays]]

    gc.collect()
    gc.disable()
    try:
        references = run()
        assert len(references) > 60
        edf.clear()
        assert [reference() for reference in references] == [None] * len(references)
    finally:
        gc.enable()


def test_clear_frees_the_old_graph_inside_the_function_that_built_it():
    x, labels, loss, optimiser, shape = network = normalised()
    train_one_step(*network, step=0)
    references = [weakref.ref(component) for component in edf.components]
    edf.clear()
    del x, labels, loss, optimiser, network
    assert [reference() for reference in references] == [None] * len(references)


# 3. Large graphs.

def chain(length):
    """Build so many components in a row and run them; return the first and the last."""
    w = node = Param(1.0)
    for _ in range(length):
        node = -node
    edf.forward()
    edf.backward(node)
    return w, node


def test_a_chain_of_100_000_components_needs_no_recursion():
    began = time.perf_counter()
    w, node = chain(100_000)
    assert node.value == 1 and w.grad == 1
    print(f"{10 * (time.perf_counter() - began):.1f} us for each component")
    references = [weakref.ref(component) for component in edf.components[::1000]]
    edf.clear()
    del w, node
    assert [reference() for reference in references] == [None] * len(references)


@pytest.mark.parametrize("length", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_component_takes_two_kilobytes_at_most_beside_its_numbers(length):
    # All that is there for each component of the chain: its attributes, and its value and its
    # gradient, which are arrays of a single number.
    tracemalloc.start()
    try:
        ends = chain(length)
        size = tracemalloc.get_traced_memory()[0] / length
        edf.clear()
        del ends
        left = tracemalloc.get_traced_memory()[0] / length
    finally:
        tracemalloc.stop()
    print(f"{size:.0f} bytes for each component, {left:.0f} of them left after clear()")
    assert size < 2000
    assert left < 0.2 * size            # Python keeps some small blocks for the next objects


@pytest.mark.parametrize("uses", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_one_param_used_by_thousands_of_components(uses):
    began = time.perf_counter()
    w = Param([1.0, 2.0])
    loss = edf.Concat(*[w * (i % 10) for i in range(uses)])
    edf.forward()
    edf.backward(loss)
    np.testing.assert_allclose(w.grad, [4.5 / 2] * 2, rtol=1e-3)    # the mean of 0..9, of 2 numbers
    print(f"{1e6 * (time.perf_counter() - began) / uses:.1f} us for each use")


# 4. The peak of a deep network.

def peak_of_ten_layers(batch):
    """Print the size of the arrays and by how much forward and backward raise the process."""
    before = resident()
    x, labels = Input(), Input()
    hidden = x
    for _ in range(9):
        hidden = ReLU(Affine(hidden, Param(edf.he(64, 64)), Param(np.zeros(64))))
    loss = SoftmaxCrossEntropy(Affine(hidden, Param(edf.he(64, 10)), Param(np.zeros(10))), labels)
    x.value = edf.rng.normal(size=(batch, 64)).astype(edf.dtype)
    labels.value = edf.rng.integers(0, 10, batch)
    sgd = edf.SGD(0.1)
    for _ in range(3):
        edf.forward()
        edf.backward(loss)
        sgd.step()
    print(sum(component.value.nbytes for component in edf.components))
    print(resident("VmHWM") - before)


@needs_proc
def test_ten_layers_take_three_times_the_size_of_their_values_at_most():
    # Their values are those of all components: the data, the labels, the Params, and what each
    # function computed.  Beside them there is a gradient for each of these at most, but for the
    # data, and what one component has at hand.  The peak counts all else in the process too.
    arrays, peak = numbers_of(peak_of_ten_layers, 10_000)
    print(f"{arrays / 1e6:.1f} MB of arrays, peak {peak / arrays:.2f} times that")
    assert peak < 3 * arrays


# 5. Interruptions.  Jupyter catches the KeyboardInterrupt that Ctrl-C raises, and keeps it with its
# traceback in sys.last_value; the next cell goes on with the graph that is there.

STEPS = 300
OPTIMISERS = [lambda: edf.SGD(0.05, momentum=0.9, nesterov=True), edf.AdaGrad, edf.RMSProp,
              edf.Adam, lambda: edf.AdamW(weight_decay=0.1)]


def interrupted(work):
    """Say that an interruption may come, and work until it does; return where it came."""
    try:
        os.write(1, b"now\n")
        while True:
            work()
    except KeyboardInterrupt as error:
        sys.last_value = error
    trace = sys.last_value.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_name


def watched(optimiser):
    """Return, for each Param, {its bytes: the steps that led to them} of a run to the end."""
    edf.clear()
    edf.seed(0)
    network = normalised(optimiser)
    histories = [{param.value.tobytes(): 0} for param in edf.params]
    for step in range(STEPS):
        train_one_step(*network, step)
        for param, history in zip(edf.params, histories):
            history[param.value.tobytes()] = step + 1
    assert all(len(history) == STEPS + 1 for history in histories)      # every step shows
    return histories


def gradients(network, step):
    """Return the gradients of one step, with the same numbers in Dropout."""
    x, labels, loss, _, shape = network
    edf.seed(1)
    feed(x, labels, shape, step)
    edf.forward()
    edf.backward(loss)
    return [param.grad.copy() for param in edf.params]


def train_until_interrupted(moments):
    """Train, so many times, until an interruption comes; check what it leaves."""
    twins = [watched(optimiser) for optimiser in OPTIMISERS]
    for moment in range(moments):
        edf.clear()
        edf.seed(0)
        network = normalised(OPTIMISERS[moment % len(OPTIMISERS)])
        shapes = [param.value.shape for param in edf.params]
        steps = iter(range(STEPS))

        def work():
            for step in steps:                                  # noqa: B023
                train_one_step(*network, step)                  # noqa: B023
            time.sleep(1)

        place = interrupted(work)
        # Python itself may be interrupted before the first line of __exit__ has run: the one
        # moment at which no with statement in the language can leave what it has entered.
        assert edf.training or place == "__exit__", place
        edf.training = True
        done = []
        for param, shape, history in zip(edf.params, shapes, twins[moment % len(OPTIMISERS)]):
            assert param.value.shape == shape and param.value.dtype == np.float32
            assert np.isfinite(param.value).all()
            assert param.value.tobytes() in history, f"{param} is half moved, {place}"
            done.append(history[param.value.tobytes()])
        assert done == sorted(done, reverse=True) and done[0] - done[-1] <= 1, done
        values = [param.value.copy() for param in edf.params]
        grads = gradients(network, moment)
        network[3].step()
        assert all(np.isfinite(param.value).all() for param in edf.params)
        edf.clear()
        fresh = normalised()
        for param, value in zip(edf.params, values):
            param.value = value
        for grad, want in zip(grads, gradients(fresh, moment)):
            assert np.isfinite(grad).all()
            np.testing.assert_array_equal(grad, want)


def use_until_interrupted(tool, moments):
    """Use a tool, so many times, until an interruption comes; check that the graph is as it was."""
    network = normalised()
    train_one_step(*network, step=0)
    edf.backward(network[2])
    for _ in range(moments):
        before = [vars(component).copy() for component in edf.components]
        arrays = [array.copy() for component in edf.components for array in arrays_of(component)]
        state = edf.rng.bit_generator.state
        interrupted(lambda: tool(network[2]))
        assert edf.dtype is np.float32 and edf.rng.bit_generator.state == state
        for component, attributes in zip(edf.components, before):
            assert vars(component).keys() == attributes.keys()
            assert all(vars(component)[name] is attributes[name] for name in attributes)
        left = [array for component in edf.components for array in arrays_of(component)]
        for array, want in zip(left, arrays):
            np.testing.assert_array_equal(array, want)
        assert all(np.isfinite(grad).all() for grad in gradients(network, step=1))


def check(loss):
    edf.check_gradients(loss, entries=2, tolerance=1e-4)


def profile(loss):
    edf.profile(loss, steps=5)


def check_until_interrupted(moments):
    use_until_interrupted(check, moments)


def profile_until_interrupted(moments):
    use_until_interrupted(profile, moments)


@needs_signals
@pytest.mark.parametrize("moments", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("program", [
    train_until_interrupted, check_until_interrupted, profile_until_interrupted])
def test_an_interruption_at_any_moment_leaves_everything_whole(program, moments):
    # After training: each Param is as an uninterrupted run has it after some step, byte by byte,
    # those early in the graph one step ahead at most; the graph runs on, with the gradients of a
    # new graph that has the same values; and edf.training is True.  After check_gradients and
    # after profile every attribute is as before.
    draw, sent = random.Random(0), 0
    with start(program, moments) as process:
        for line in process.stdout:
            assert line == "now\n"
            time.sleep(draw.uniform(0, 0.02))
            process.send_signal(signal.SIGINT)
            sent += 1
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, "")
    assert sent == moments


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_an_interruption_at_any_instruction_of_a_step_moves_no_param_by_half(optimiser):
    def run(stop):
        """Interrupt the second step at this instruction; return the Params before and after."""
        edf.clear()
        edf.seed(0)
        network = normalised(optimiser)
        train_one_step(*network, step=0)
        gradients(network, step=1)
        before = [param.value.tobytes() for param in edf.params]
        instructions = count()

        def interrupt(frame, event, argument):
            frame.f_trace_opcodes = True
            if event == "opcode" and next(instructions) == stop:
                raise KeyboardInterrupt
            return interrupt

        tracer = sys.gettrace()
        sys.settrace(interrupt)
        try:
            network[3].step()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(tracer)
        return before, [param.value.tobytes() for param in edf.params], next(instructions) > stop

    before, after, _ = run(-1)
    for stop in count(step=7):
        _, got, reached = run(stop)
        assert all(value in states for value, *states in zip(got, before, after)), stop
        if not reached:
            break
    assert stop > 100 and got == after


class StoppedOnce:
    """A callable that interrupts at its n-th call, and works at all others."""

    def __init__(self, work, n):
        self.work, self.n, self.calls = work, n, 0

    def __call__(self, *arguments):
        self.calls += 1
        if self.calls == self.n:
            raise KeyboardInterrupt
        return self.work(*arguments)


@pytest.mark.parametrize("tool, times", [(check, 6), (profile, 3)])
def test_an_interrupted_tool_puts_everything_back(monkeypatch, tool, times):
    # Interrupted whenever it sets the state of the generator: the last time while it puts back.
    class Generator:
        def __getattr__(self, name):
            return getattr(rng, name)

        @property
        def state(self):
            return rng.bit_generator.state

        @state.setter
        def state(self, state):
            set_state(state)

        bit_generator = property(lambda self: self)

    rng = edf.rng
    loss = Tanh(Dropout(Param([0.5, -2.0]), 0.3))
    edf.forward()
    edf.backward(loss)
    before, state = [vars(node).copy() for node in edf.components], rng.bit_generator.state
    monkeypatch.setattr(edf, "rng", Generator())
    for n in count(1):
        set_state = StoppedOnce(lambda state: setattr(rng.bit_generator, "state", state), n)
        try:
            tool(loss)
        except KeyboardInterrupt:
            pass
        assert edf.dtype is np.float32 and rng.bit_generator.state == state
        for node, attributes in zip(edf.components, before):
            assert vars(node).keys() == attributes.keys()
            assert all(vars(node)[name] is attributes[name] for name in attributes), n
        if set_state.calls < n:
            break
    assert n >= times


@pytest.mark.parametrize("build", [
    lambda w: Param([1.0]), lambda w: Input(), lambda w: edf.Concat(w, w), lambda w: w * w])
def test_a_component_whose_building_was_interrupted_is_no_trap(build, monkeypatch, tmp_path):
    # The last that every component does is to append itself; the interruption comes there.
    class Interrupting(list):
        def append(self, component):
            super().append(component)
            raise KeyboardInterrupt

    w = Param([0.5])
    loss = Tanh(w)
    monkeypatch.setattr(edf, "components", Interrupting(edf.components))
    with pytest.raises(KeyboardInterrupt):
        build(w)
    if isinstance(edf.components[-1], Input):
        with pytest.raises(TypeError, match="an Input has no value: set .value before forward()"):
            edf.forward()
        edf.components[-1].value = [1.0]
    edf.forward()
    edf.backward(loss)
    edf.SGD(0.1).step()
    edf.check_gradients(loss)
    edf.draw(values=True)
    edf.summary()
    edf.save(tmp_path / "file")
    edf.load(tmp_path / "file")


if __name__ == "__main__":
    # A process in the background of a shell starts with interruptions switched off.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    globals()[sys.argv[1]](int(sys.argv[2]))
