"""Start the kernel in which a submission runs: its limits, and a fence round it.

    python guard.py LOG COURSE SECONDS SECRET -f CONNECTION_FILE

The working directory is the folder of the submission: code that it runs may
write there and nowhere else, and read besides only Python and system libraries.
It starts no process and opens no connection.  What it tries all the same is a
PermissionError, and a line of LOG.  The tests of an answer are run from here, by
an audit event, and nothing in the notebook leads to them by name.  An audit hook
is a fence and no prison: native code, and Python code that knows how, gets round it.
"""

import json
import os
import sys
from contextlib import suppress

LOG, COURSE, SECONDS = sys.argv[1:4]
FOLDER = os.path.realpath(os.getcwd())
READABLE = [os.path.realpath(os.path.join(prefix, part))
            for prefix in {sys.prefix, sys.base_prefix, "/", "/usr", "/usr/local"}
            for part in ("lib", "lib64", "share", "bin", "System/Library", "Library/Fonts")]
READABLE += ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/etc/mime.types",
             os.path.realpath(__file__)]                        # tracebacks show it

REFUSED = ("subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
           "os.startfile", "os.kill", "pty.", "sys.remote_exec", "socket.bind", "socket.connect",
           "socket.get", "socket.send", "ctypes.")
READING = ("os.listdir", "os.scandir", "os.walk", "os.fwalk", "glob.glob")
WRITING = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
           "os.chmod", "os.chown", "os.chflags", "os.utime", "os.setxattr", "os.removexattr",
           "sqlite3.connect")
WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def limit_resources():
    """Limit memory, the size of a file and processor time, where the platform can."""
    with suppress(ImportError):
        import resource
        for name, value in (("AS", 4 << 30), ("FSIZE", 64 << 20), ("CPU", int(SECONDS)),
                            ("CORE", 0)):
            with suppress(AttributeError, OSError, ValueError):     # not there, or lower already
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def inside(path, folders):
    """Tell whether a path, with all links followed, leads into one of the folders."""
    path = os.path.realpath(str.__str__(os.fsdecode(path)))
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def offence(event, args):
    """Return what is to be refused in this event, or None."""
    paths = [arg for arg in args if isinstance(arg, (str, bytes, os.PathLike))]
    if event == "open" and not isinstance(args[0], int):        # an int is open already
        if args[2] & WRITE and not inside(args[0], [FOLDER, "/dev/null"]):
            return f"writing {args[0]!r}"
        by_number = args[1] is None and os.path.isdir(args[0])  # paths may start from it, unseen
        if not inside(args[0], [FOLDER] if by_number else [FOLDER, *READABLE]):
            return f"reading {args[0]!r}"
    elif event == "import" and args[1] and inside(args[1], [FOLDER]):
        return f"native code, {args[1]!r}"
    elif event.startswith(REFUSED):
        return f"{event} {args[0] if args else ''!r}"
    elif event in READING and paths and not inside(paths[0], [FOLDER, *READABLE]):
        return f"reading {paths[0]!r}"
    elif event in WRITING and not all(inside(path, [FOLDER]) for path in paths):
        return f"{event} {paths[0]!r}" if paths != [":memory:"] else None
    elif event == "os.chdir":                                   # relative paths would change
        return f"{event} {args[0]!r}"


def fence(log, secret, verify):
    """Return the audit hook: it writes to an open file what it refuses, and what is verified."""
    said = set()

    def hook(event, args):
        if event == "edf.verify":               # from the check cell of the grader
            name = str.__str__(args[0])
            verify(name, args[1])
            os.write(log, f"verified {secret} {name}\n".encode())
            return
        refused = offence(event, args)
        if refused:
            refused = refused[:200].replace("\n", " ")
            if refused not in said and len(said) < 50:
                said.add(refused)
                os.write(log, f"refused {refused}\n".encode(errors="replace"))
            raise PermissionError(f"refused while grading: {refused}")
    return hook


def load_hidden():
    """Return verify of the hidden tests: no module and no file that the notebook could name."""
    with open(os.path.join(COURSE, "hidden.py"), encoding="utf-8") as file:
        code = compile(file.read(), "<the hidden tests>", "exec")
    hidden = {"__name__": "hidden"}
    exec(code, hidden)
    return hidden["verify"]


def forgiving(pack):
    """Return a function that packs a message as `pack` does, also with half an emoji in it."""
    def pack_all(message):
        try:
            return pack(message)
        except UnicodeEncodeError:              # as ASCII, with escapes
            return json.dumps(message, default=str).encode()
    return pack_all


def main():
    limit_resources()
    os.makedirs(os.environ["TMPDIR"], exist_ok=True)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(log, f"pid {os.getpid()}\n".encode())
    sys.path[0] = FOLDER                        # it was that of this file, where the answers are
    from ipykernel.kernelapp import IPKernelApp
    app = IPKernelApp.instance()
    app.initialize(["--HistoryManager.hist_file=:memory:", "--IPKernelApp.log_level=ERROR",
                    *sys.argv[5:]])
    app.session.pack = forgiving(app.session.pack)
    sys.orig_argv.clear()
    sys.addaudithook(fence(log, sys.argv.pop(4), load_hidden()))    # none of them has a name
    app.start()


if __name__ == "__main__":
    main()
