"""Saving and loading: the parameters of a graph, and where its training is."""

import io
import os
import stat
from copy import deepcopy
from functools import partial

import numpy as np

import edf
from edf import Optimiser, Param, label, require


def save(path=None, optimiser=None):
    """Write every Param, by its name, and the statistics of BatchNorm.

    With an optimiser also its memory and the state of rng, which shuffling and
    Dropout draw from: after load() training goes on bit for bit.  Not kept are
    lr and other settings, and the place within batches(): save between epochs.

    Without a path it returns all this, a snapshot to keep in memory:

        best = edf.save()           # after the best epoch so far
        edf.load(best)              # after the last

    The file is a .npz file, whatever the path is called.  A Param without a
    name of its own is called after its place in the graph ("Affine[3].w"): to
    load it, build that graph alike.  All numbers are kept, nan and inf too.
    An old file keeps its mode, also at the end of a link.  If saving fails or
    is killed, it stays as it was; killed, it may leave a file edf-....unfinished
    beside it, which can be deleted.

    Raises OSError as open(path, "wb") does, and for a file that is read-only;
    ValueError if two Params have the same name, and for what load would refuse:
    an optimiser of your own that remembers what is neither a number nor an
    array of the Param's shape, or so much that the file exceeds room().
    """
    import json

    require_optimiser(optimiser)
    path = path if path is None else os.fsdecode(path)
    memory = optimiser.memory if optimiser else {}      # {Param: {key: value}}
    kept = {}
    for name, (value, _, shapes, _) in places(memory).items():
        kept[name] = np.asarray(value)
        fitting(name, kept[name], shapes)
    if optimiser:
        kept["training.json"] = json.dumps({
            "optimiser": type(optimiser).__name__, "rng": edf.rng.bit_generator.state,
            "memory": {f"{label(param)}": {key: x if type(x) in (int, float) else None
                                           for key, x in memory.get(param, {}).items()}
                       for param in edf.params}})
    if path is None:
        return deepcopy(kept)
    content = packed(kept)
    require_size(content)
    write(path, content)


def load(source, optimiser=None, strict=True):
    """Set every Param, and the statistics of BatchNorm, to what save() kept.

    The source is a path, or a snapshot.  With an optimiser, made anew as it
    was, also its memory and the state of rng.  Without one these are left
    aside: to evaluate, or to start anew.

    strict=False leaves what does not fit as it is, such as a new last layer,
    and returns a list that says what and why.

    Raises ValueError, before anything is changed, if the file is damaged or was
    compressed, has other names or shapes than the graph (not one alike, if not
    strict), numbers that `dtype` cannot hold, the state of no optimiser or of
    one of another class, or more bytes than room(): such a file is not read.
    """
    require_optimiser(optimiser)
    require(strict or not optimiser, "strict=False takes no optimiser: train "
            "what is new with a new one")
    snapshot = isinstance(source, dict)
    if not snapshot:
        with open(source, "rb") as file:
            size = os.fstat(file.fileno()).st_size or room()    # a pipe has 0
            content = file.read(min(size, room()) + 1)
    try:
        return restore(source if snapshot else unpacked(content), optimiser, strict)
    except Exception as error:          # zipfile and NumPy raise a dozen kinds
        raise ValueError(f"{'the snapshot' if snapshot else source} cannot be "
                         f"loaded: {str(error) or repr(error)}") from None


def restore(kept, optimiser, strict):
    """Do the work of load(): change nothing until nothing can fail any more."""
    import json

    memory, state = {}, kept.get("training.json")
    if optimiser:
        require(state, "it was saved without an optimiser: load it without one")
        state, kind = json.loads(state), type(optimiser).__name__
        require(state["optimiser"] == kind, "it was saved with the optimiser "
                f"{state['optimiser']}, not {kind}: load it without one")
        memory = {param: dict(state["memory"].get(f"{label(param)}", {}))
                  for param in edf.params}
        type(edf.rng.bit_generator)().state = state["rng"]      # it may be refused
    arrays, wrong, wanted = {}, {}, places(memory)
    for name, (_, _, shapes, others) in wanted.items():
        try:
            require(name in kept, f"{name} is missing")
            require(strict or not wrong.keys() & others, f"{name} goes with what is left")
            arrays[name] = fitting(name, kept[name], shapes)
        except ValueError as error:
            wrong[name] = str(error)
    wrong |= {name: f"{name} is not in the graph" for name in kept.keys() - wanted.keys()
              if name != "training.json" and (optimiser or not name.endswith(".memory"))}
    require(not wrong or arrays and not strict, "; ".join(sorted(wrong.values())))

    def put():
        if optimiser:
            optimiser.memory, edf.rng.bit_generator.state = memory, state["rng"]
        edf.pending.update(edf.params)
        for name, array in arrays.items():
            wanted[name][1](array)

    try:
        put()
    finally:
        put()       # again: an interruption may have cut the first short
    return None if strict else sorted(wrong.values())


def places(memory):
    """Return {name: (value, function that sets it, shapes, others)} of all arrays.

    memory is that of an optimiser, {Param: {key: value}}; numbers in it are not
    arrays.  None allows any shape.  The statistics of a component are loaded
    only with the others, its Params.
    """
    found = {}
    for node in edf.components:
        inputs = {f"{label(x)}.npy" for x in node.inputs}
        new = {f"{label(node)}.{key}.npy": (
               getattr(node, key), partial(setattr, node, key), None, inputs)
               for key in node.statistics}
        if isinstance(node, Param):
            shape, more = node.value.shape, memory.get(node, {})
            require(all(isinstance(key, str) for key in more), "the memory of an "
                    f"optimiser must have texts as keys, not {[*more]}")
            new[f"{label(node)}.npy"] = (
                node.value, partial(setattr, node, "_value"), [shape], inputs)
            new |= {f"{key} of {label(node)}.memory": (
                    value, partial(more.__setitem__, key), [shape, ()], inputs)
                    for key, value in more.items() if type(value) not in (int, float)}
        require(not new.keys() & found.keys(), "two parameters have the name "
                f"{label(node)} (was a cell run twice without edf.clear()?)")
        found |= new
    return found


def fitting(name, array, shapes):
    """Return an array of the right type; ValueError if it does not fit its place."""
    require(array.dtype.kind in "fiu" and array.size, f"{name} must hold "
            f"numbers, got {array.dtype} of shape {array.shape}")
    require(shapes is None or array.shape in shapes,
            f"{name} has shape {array.shape}, not {shapes and shapes[0]}")
    if not name.endswith(".npy"):
        return array.copy(order="K")[()]            # a number, if it has no axes
    try:
        with np.errstate(all="ignore", over="raise"):
            return array.astype(edf.dtype)
    except FloatingPointError:
        raise ValueError(f"{name} has numbers too large for "
                         f"{np.dtype(edf.dtype)}") from None


def room():
    """Return how many bytes the file of this graph may have: 32 for a number.

    Adam in float64 takes 24.  Besides, 2000 and more for each name and header.
    """
    return 2 ** 19 + sum(2000 + 50 * len(name) + 32 * np.size(value)
                         for name, (value, *_) in places({}).items())


def require_size(content):
    """Raise ValueError for more than room(), or more arrays than fit in there."""
    require(len(content) <= room(), f"a file of this graph has {room()} bytes at most")
    count = content.count(b"PK\1\2")        # an array takes 227 bytes or more
    require(200 * (count - 1) <= len(content),
            f"{count} arrays do not fit in {len(content)} bytes")


def packed(kept):
    """Return the bytes of a .npz file of these arrays, and of a text."""
    import zipfile  # here and in unpacked, as it takes longer to import than EDF

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in kept.items():
            entry = zipfile.ZipInfo()
            entry.filename = name           # as it is, with \0 in it too
            with archive.open(entry, "w", force_zip64=True) as part:
                if name == "training.json":
                    part.write(array.encode())
                else:
                    np.lib.format.write_array(part, array)
    return file.getvalue()


def unpacked(content):
    """Return what packed() got; raise an error of any kind if it is another file."""
    import zipfile

    require_size(content)
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries = {entry.orig_filename: entry for entry in archive.infolist()}
    require(len(entries) == len(archive.infolist()), "two arrays have one name")
    require(not any(entry.compress_type for entry in entries.values()),
            "its arrays are compressed: save() does not do that")
    require(sum(entry.file_size for entry in entries.values()) <= len(content),
            "its arrays announce more bytes than it has")
    kept = {name: archive.read(entry) for name, entry in entries.items()}
    for name in kept.keys() - {"training.json"}:
        head = io.BytesIO(kept[name])
        require(np.lib.format.read_magic(head) == (1, 0),
                f"{name} is no array that save() wrote")
        shape, by_columns, kind = np.lib.format.read_array_header_1_0(head)
        require(-1 not in shape, f"{name} has shape {shape}")
        array = np.frombuffer(kept[name], kind, offset=head.tell())     # no objects
        kept[name] = array.reshape(shape, order="CF"[by_columns])
    return kept


def write(path, content):
    """Write a file as open(path, "wb") would, but the whole of it or nothing."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if mode and not stat.S_ISREG(mode):             # a pipe, a device
        with open(path, "wb") as file:
            file.write(content)
        return
    if mode and not (mode & 0o222 and os.access(path, os.W_OK)):
        raise PermissionError(13, "the file is read-only", path)
    if os.path.islink(path):
        path = os.path.realpath(path)
    unfinished = os.path.join(os.path.dirname(path), f"edf-{os.urandom(8).hex()}.unfinished")
    try:
        with open(unfinished, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode:
            os.chmod(unfinished, stat.S_IMODE(mode))
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)


def require_optimiser(optimiser):
    """Raise TypeError unless it is an optimiser or None."""
    if not isinstance(optimiser, (Optimiser, type(None))):
        raise TypeError("after the path comes an optimiser or nothing: save "
                        f"and load take the whole graph, not {optimiser!r}")
