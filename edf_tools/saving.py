"""Saving and loading: the parameters of a graph, and where its training is."""

import io
import os
from functools import partial

import numpy as np

import edf
from edf import Optimiser, Param, label, require


def save(path, optimiser=None):
    """Write every Param, by its name, and the statistics of BatchNorm.

    With an optimiser also its memory and the state of rng, which shuffling and
    Dropout draw from: after load() training goes on bit for bit.  Not kept are
    lr and other settings, and the place within batches(): save between epochs.

    The file is a .npz file, whatever the path is called.  A Param without a
    name of its own is called after its place in the graph ("Affine[3].w"): to
    load it, build that graph alike.  All numbers are kept, nan and inf too.
    If saving fails or is killed, an old file stays as it was; killed, it may
    leave path.<number>.unfinished behind, which can be deleted.

    Raises ValueError if two Params have the same name, and for what load would
    refuse: an optimiser of your own that remembers what is neither a number nor
    an array of the Param's shape, or so much that the file exceeds room().
    """
    import json
    import zipfile  # here and in restore, as it takes longer to import than EDF

    require_optimiser(optimiser)
    memory = optimiser.memory if optimiser else {}      # {Param: {key: value}}
    places = saved(memory)
    for name, (value, _, shapes) in places.items():
        require_fit(name, np.asarray(value), shapes)
    unfinished = f"{os.fsdecode(path)}.{os.getpid()}.unfinished"
    try:
        with open(unfinished, "wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for name, (value, _, _) in places.items():
                    entry = zipfile.ZipInfo()
                    entry.filename = name       # as it is, with \0 in it too
                    with archive.open(entry, "w", force_zip64=True) as part:
                        np.lib.format.write_array(part, np.asarray(value))
                if optimiser:
                    state = {
                        "optimiser": type(optimiser).__name__,
                        "memory": {label(node): list(memory.get(node, ()))
                                   for node in edf.params},
                        "rng": edf.rng.bit_generator.state}
                    entry = zipfile.ZipInfo("training.json")
                    archive.writestr(entry, json.dumps(state))
            size = file.tell()
            require(size <= room(), f"the file would have {size} bytes, and "
                    f"load() takes {room()} at most for this graph")
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)


def load(path, optimiser=None):
    """Set every Param, and the statistics of BatchNorm, to what save() wrote.

    With an optimiser, made anew as it was, also its memory and the state of
    rng.  Without one these are left aside: to evaluate, or to start anew.

    Raises ValueError, before anything is changed, if the file is damaged or was
    compressed, has other names or shapes than the graph, numbers that `dtype`
    cannot hold, the state of no optimiser or of one of another class, or more
    bytes than room(): such a file is not read.
    """
    require_optimiser(optimiser)
    with open(path, "rb") as file:
        require(os.fstat(file.fileno()).st_size <= room(), f"{path} cannot be "
                f"loaded: for this graph {room()} bytes are enough")
        content = file.read()
    try:
        restore(content, optimiser)
    except Exception as error:          # zipfile and NumPy raise a dozen kinds
        raise ValueError(f"{path} cannot be loaded: "
                         f"{str(error) or repr(error)}") from None


def room():
    """Return how many bytes the file of this graph may have: 32 for a number.

    Adam in float64 takes 24.  Besides, 2000 and more for each name and header.
    """
    kept = saved({}).items()
    return 2 ** 19 + sum(2000 + 50 * len(name) + 32 * np.size(value)
                         for name, (value, _, _) in kept)


def restore(content, optimiser):
    """Do the work of load(): change nothing until nothing can fail any more."""
    import json
    import zipfile

    few = 1000 + 20 * len(edf.components)
    require(content.count(b"PK\1\2") <= few, f"it has more than {few} arrays")
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries = {entry.orig_filename: entry for entry in archive.infolist()}
    require(len(entries) == len(archive.infolist()), "two arrays have one name")
    require(not any(entry.compress_type for entry in entries.values()),
            "its arrays are compressed: save() does not do that")
    require(sum(entry.file_size for entry in entries.values()) <= len(content),
            "its arrays announce more bytes than it has")
    arrays, memory, state = {}, {}, entries.pop("training.json", None)
    if optimiser:
        require(state, "it was saved without an optimiser: load it without one")
        state, kind = json.loads(archive.read(state)), type(optimiser).__name__
        require(state["optimiser"] == kind, "it was saved with the optimiser "
                f"{state['optimiser']}, not {kind}: load it without one")
        memory = {param: dict.fromkeys(state["memory"].get(label(param), ()))
                  for param in edf.params}
    places = saved(memory)
    names = {name for name in entries
             if optimiser or not name.endswith(".memory")}
    wrong = [f"{name} is {'missing' if name in places else 'not in the graph'}"
             for name in names ^ places.keys()]
    require(not wrong, "; ".join(sorted(wrong)))
    for name, (_, _, shapes) in places.items():
        data = archive.read(entries[name])
        head = io.BytesIO(data)
        require(np.lib.format.read_magic(head) == (1, 0),
                f"{name} is no array that save() wrote")
        shape, by_columns, kind = np.lib.format.read_array_header_1_0(head)
        array = np.frombuffer(data, kind, offset=head.tell())   # no objects
        array = array.reshape(shape, order="CF"[by_columns])
        require_fit(name, array, shapes)
        if name.endswith(".npy"):
            with np.errstate(over="raise", invalid="ignore"):
                arrays[name] = array.astype(edf.dtype)
        elif shape == () and kind.itemsize == 8:
            arrays[name] = array.item()         # t of Adam is a Python number
        else:
            arrays[name] = array.copy(order="K")
    if optimiser:
        edf.rng.bit_generator.state = state["rng"]      # the last that may fail
        optimiser.memory = memory
    edf.pending.update(edf.params)
    for name, (_, put, _) in places.items():
        put(arrays[name])


def saved(memory):
    """Return {name: (value, function that sets it, shapes)} of all to be kept.

    memory is that of an optimiser, {Param: {key: value}}.  None allows any
    shape.
    """
    places = {}
    for node in edf.components:
        kept = {f"{label(node)}.{key}.npy": (
                getattr(node, key), partial(setattr, node, key), None)
                for key in node.statistics}
        if isinstance(node, Param):
            shape, more = node.value.shape, memory.get(node, {})
            kept[f"{label(node)}.npy"] = (
                node.value, partial(setattr, node, "_value"), [shape])
            kept |= {f"{key} of {label(node)}.memory": (
                     value, partial(more.__setitem__, key), [shape, ()])
                     for key, value in more.items()}
        require(not kept.keys() & places.keys(), "two parameters have the name "
                f"{label(node)} (was a cell run twice without edf.clear()?)")
        places |= kept
    return places


def require_optimiser(optimiser):
    """Raise TypeError unless it is an optimiser or None."""
    if not isinstance(optimiser, (Optimiser, type(None))):
        raise TypeError("after the path comes an optimiser or nothing: save "
                        f"and load take the whole graph, not {optimiser!r}")


def require_fit(name, array, shapes):
    """Raise ValueError unless it holds numbers and has one of the shapes."""
    require(array.dtype.kind in "fiu" and array.size, f"{name} must hold "
            f"numbers, got {array.dtype} of shape {array.shape}")
    require(shapes is None or array.shape in shapes,
            f"{name} has shape {array.shape}, not {shapes and shapes[0]}")
