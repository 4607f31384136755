"""Formulas as lines of a program: the source of a method, with variables for its arguments.

listing.py says which methods, and in which order.
"""

import ast
import builtins
import inspect
import keyword
import re
import textwrap
from types import FunctionType, SimpleNamespace

import numpy as np

import edf


class Unwritable(Exception):
    """Its argument, a component, is to be called as it is."""


def is_plain(value):
    """Return whether the repr() of a value is code for it."""
    try:
        return bool(eval(repr(value), {"np": np}) == value)
    except Exception:
        return False


def parse(text):
    """Return the tree of an expression."""
    return ast.parse(f"({text})", mode="eval").body


class Formulas(ast.NodeTransformer):
    """Writes lines and runs each at once, so that it knows what variables hold."""

    def __init__(self):
        self.lines = []
        self.space = {"np": np, "components": edf.components}   # what the names in lines stand for
        self.values, self.grads, self.kept = {}, {}, {}         # variables of components
        self.taken, self.local = set(), set()       # all of these, and those of a method
        self.frame = None

    def begin(self, owner, method):
        """Begin a method of a component or optimiser, with variables of its own."""
        self.frame, self.local = SimpleNamespace(owner=owner, method=method, names={}), set()

    def new(self, name, group):
        """Return a variable of this name, or with _ behind it where that is taken."""
        name = re.sub(r"\W|^(?=\d)", "_", re.sub(r"[][]", "", name), flags=re.ASCII)
        while name in {*self.taken, *self.local, *vars(builtins), *vars(edf), *keyword.kwlist}:
            name += "_"
        self.space.pop(name, None)
        group.add(name)
        return name

    def emit(self, text, write=True):
        """Add lines, and run them."""
        text = ast.unparse(ast.parse(text))
        self.lines += [text] * write
        self.explained(exec, text, self.space)

    def explained(self, function, *args):
        """Call a function, and add to its error whose formula it is."""
        try:
            return function(*args)
        except Exception as error:
            if isinstance(self.frame.owner, edf.Component):
                edf.explain(error, self.frame.owner, self.frame.method)
            raise

    def now(self, node):
        """Return what an expression is now."""
        return eval(ast.unparse(node), self.space)

    def attribute(self, owner, name):
        """Return what stands for self.<name>, if that is no variable."""
        value = getattr(owner, name, None)
        if is_plain(value) and hasattr(owner, name):
            return repr(value)
        if isinstance(owner, edf.Component) and isinstance(value, (np.ndarray, tuple, list)):
            return f"components[{owner.number}].{name}"
        raise Unwritable(owner)

    def method(self, args, after=None):
        """Write the method that was begun; return what it returns."""
        frame, kinds = self.frame, type(self.frame.owner).__mro__
        kinds = [kind for kind in kinds[kinds.index(after) + 1 if after else 0:]
                 if frame.method in vars(kind)]
        try:
            function = vars(kinds[0])[frame.method]
            tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
            names = [argument.arg for argument in tree.args.args][1:]
            if (len(names) != len(args) or tree.decorator_list or frame.method in vars(frame.owner)
                    or {*function.__code__.co_freevars} - {"__class__"}):
                raise TypeError
        except (AttributeError, IndexError, OSError, SyntaxError, TypeError):
            raise Unwritable(frame.owner) from None
        for name, text in zip(names, args):
            if after and re.search(r"\W", text) and re.search("[a-z]", text):
                frame.names[name] = self.new(name, self.local)
                self.emit(f"{frame.names[name]} = {text}")      # it may be used twice
            else:
                frame.names[name] = text
        frame.kind, frame.scope = kinds[0], function.__globals__
        frame.assigned = {node.id for node in ast.walk(tree)
                          if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        result = self.body(tree.body)
        return "None" if result is None else ast.unparse(result)

    def body(self, statements):
        """Write statements; return what they return, or None if they come to their end."""
        for statement in statements:
            match statement:
                case ast.Expr(ast.Constant()):          # a docstring
                    continue
                case ast.Return():
                    return self.visit(statement.value)
                case ast.If():
                    test = self.explained(self.now, self.visit(statement.test))
                    result = self.body(statement.body if test else statement.orelse)
                    if result is not None:
                        return result
                    continue
            statement = self.visit(statement)
            if statement is not None:
                text, call = ast.unparse(statement), isinstance(statement, ast.Expr)
                self.emit(text, write=not (call and text.startswith("require")))

    # What becomes of each kind of node.

    def visit_Assign(self, node):
        """Let a name stand for a constant, or for a variable that stays; write out all else."""
        node.value = self.visit(node.value)
        text = ast.unparse(node.value)
        constant = not re.search(r"\w\(|\[", re.sub(r"(slice|type)\(", "(", text)) and (
            self.taken | self.local).isdisjoint(re.findall(r"\w+", text))
        match node.targets:
            case [ast.Name(name)] if constant or text in self.taken:
                self.frame.names[name] = text
                return None
        node.targets = [self.visit(target) for target in node.targets]
        return node

    def visit_Name(self, node):
        """Replace a name by what stands for it; what is assigned becomes a variable."""
        frame, name = self.frame, node.id
        if name not in frame.names and name in frame.assigned or isinstance(
                node.ctx, ast.Store) and frame.names[name] not in self.local:
            frame.names[name] = self.new(name, self.local)
        if name in frame.names:
            return parse(frame.names[name])
        value = frame.scope.get(name, vars(builtins).get(name))
        if name in frame.scope and is_plain(value):
            return parse(repr(value))
        if value is None or value is not (vars(builtins) | vars(edf) | {"edf": edf}).get(name):
            raise Unwritable(frame.owner)
        self.space[name] = value
        return node

    def visit_Attribute(self, node):
        """Replace what is kept on self: by a variable, y for self.value, or what it is."""
        owner, name = self.frame.owner, node.attr
        if ast.unparse(node.value) != "self":
            return self.generic_visit(node)
        if name in getattr(owner, "statistics", ()):
            return parse(f"components[{owner.number}].{name}")
        if isinstance(node.ctx, ast.Store) and (owner, name) not in self.kept:
            self.kept[owner, name] = self.new(f"{name}{owner.number}", self.taken)
        if name == "value" and owner in self.grads:
            return parse(self.values[owner])
        if name in ("value", "grad"):
            raise Unwritable(owner)
        return parse(self.kept.get((owner, name)) or self.attribute(owner, name))

    def visit_Call(self, node):
        """Write out super().method(...); leave out a helper that returns its first argument."""
        match node:
            case ast.Call(ast.Attribute(ast.Call(ast.Name("super"), []), name), args, []):
                args, outer = [ast.unparse(self.visit(arg)) for arg in args], self.frame
                self.frame = SimpleNamespace(owner=outer.owner, method=name, names={})
                result = self.method(args, after=outer.kind)
                self.frame = outer
                return parse(result)
        node = self.generic_visit(node)
        if isinstance(vars(edf).get(ast.unparse(node.func)), FunctionType):
            try:
                first, *others = map(self.now, node.args)
                if not node.keywords and self.now(node.func)(first, *others) is first:
                    return node.args[0]
            except Exception:       # within a loop, or the line will fail itself
                pass
        return node

    def visit_IfExp(self, node):
        """Take the branch that is taken now."""
        node = self.generic_visit(node)
        try:
            return node.body if self.now(node.test) else node.orelse
        except NameError:           # within a loop
            return node

    def visit_Subscript(self, node):
        """Write x[key] as x[:3] for slice(None, 3, None)."""
        given, node = node.slice, self.generic_visit(node)
        if not isinstance(given, ast.Name):
            return node
        return parse(re.sub(r"slice\((.+?), (.+?), (.+?)\)", lambda found: ":".join(
            part.replace("None", "") for part in found.groups()), ast.unparse(node)))

    def visit_AugAssign(self, node):
        """Give up where `h *= 2` would change an argument, or what is kept on self."""
        match node.target:
            case ast.Name(name) if self.frame.names.get(name) not in self.local:
                raise Unwritable(self.frame.owner)
        return self.generic_visit(node)

    def visit_Lambda(self, node):
        """Give up: this has names of its own, runs more than once, or returns from within."""
        raise Unwritable(self.frame.owner)

    visit_FunctionDef = visit_For = visit_While = visit_If = visit_With = visit_Lambda
    visit_Match = visit_Try = visit_Return = visit_Delete = visit_Global = visit_Lambda
