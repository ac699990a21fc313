"""A module that runs a graph's code."""

from __future__ import annotations

import copy
import itertools
import linecache
import os

from ..nn import Module
from .graph import Graph

__all__ = ["GraphModule", "reduce_graph_module"]
_count = itertools.count()


def _copied(source, target, path):
    """Takes what a path names, with the modules on the way, from one module to another."""
    *owners, last = path.split(".")
    for name in owners:
        following = getattr(source, name)
        if not hasattr(target, name):
            target.add_module(name, Module())
        source, target = following, getattr(target, name)
    value = getattr(source, last)
    if hasattr(target, last) and getattr(target, last) is value:
        return
    if last in source.__dict__.get("_buffers", {}):
        target.register_buffer(last, value)
    else:
        setattr(target, last, value)


class GraphModule(Module):
    """A module generated from a graph.

    Args:
        root: A module (what the graph names is taken from it), or a dict from paths to what they name.
        graph: The graph.
        class_name: The name that is printed.
    """

    def __new__(cls, *args, **kwargs):
        # Each has a class of its own: forward is the class's.
        if cls.__dict__.get("_generated"):
            return super().__new__(cls)
        made = type(cls.__name__, (cls,), {"_generated": True, "__module__": cls.__module__})
        return super().__new__(made)

    def __init__(self, root, graph, class_name="GraphModule"):
        super().__init__()
        type(self).__name__ = type(self).__qualname__ = class_name
        if isinstance(root, Module):
            self.training = root.training
            for node in graph.nodes:
                if node.op in ("get_attr", "call_module"):
                    _copied(root, self, node.target)
        else:
            for path in sorted(root):
                *owners, last = path.split(".")
                owner = self
                for name in owners:
                    if not hasattr(owner, name):
                        owner.add_module(name, Module())
                    owner = getattr(owner, name)
                setattr(owner, last, root[path])
        self.meta = dict(getattr(root, "meta", {}) or {}) if isinstance(root, Module) else {}
        self.graph = graph

    @property
    def graph(self):
        """The graph; assigning one generates the code anew."""
        return self._graph

    @graph.setter
    def graph(self, graph):
        if not isinstance(graph, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(graph)}")
        self.__dict__["_graph"] = graph
        graph.owning_module = self
        self.recompile()

    @property
    def code(self):
        """The code of forward."""
        return self._code

    def recompile(self):
        """Generates forward from the graph, after the graph was changed."""
        made = self._graph.python_code("self")
        self.__dict__["_code"] = made.src
        file = f"<eval_with_key>.{next(_count)}"
        linecache.cache[file] = (len(made.src), None, made.src.splitlines(True), file)
        scope = dict(made.globals)
        exec(compile(made.src, file, "exec"), scope)  # generated above
        type(self).forward = scope["forward"]
        return made

    def add_submodule(self, target, m):
        """Adds a module at a path; gives whether it could."""
        *owners, last = target.split(".")
        owner = self
        for name in owners:
            if not hasattr(owner, name):
                owner.add_module(name, Module())
            owner = getattr(owner, name)
            if not isinstance(owner, Module):
                return False
        owner.add_module(last, m)
        return True

    def delete_submodule(self, target):
        """Removes the module at a path; gives whether there was one."""
        *owners, last = target.split(".")
        owner = self
        for name in owners:
            owner = getattr(owner, name, None)
            if not isinstance(owner, Module):
                return False
        if not isinstance(getattr(owner, last, None), Module):
            return False
        delattr(owner, last)
        return True

    def delete_all_unused_submodules(self):
        """Removes modules that the graph does not call."""
        used = {".".join(parts[:i]) for n in self._graph.nodes if n.op in ("call_module", "get_attr")
                for parts in [n.target.split(".")] for i in range(1, len(parts) + 1)}
        inside = tuple(n.target + "." for n in self._graph.nodes if n.op == "call_module")
        for name, _ in reversed(list(self.named_modules())):
            if name and name not in used and not name.startswith(inside):
                self.delete_submodule(name)

    def __deepcopy__(self, memo):
        made = type(self).__mro__[1].__new__(type(self).__mro__[1])
        memo[id(self)] = made
        made.__dict__.update({k: copy.deepcopy(v, memo) for k, v in self.__dict__.items() if k not in ("_graph", "_code")})
        type(made).__name__ = type(made).__qualname__ = type(self).__name__
        made.graph = copy.deepcopy(self._graph, memo)
        return made

    def __copy__(self):
        return GraphModule(self, self._graph, type(self).__name__)

    def __reduce__(self):
        state = {k: v for k, v in self.__dict__.items() if k not in ("_graph",)}
        return reduce_graph_module, (state, self._code)

    def to_folder(self, folder, module_name="FxModule"):
        """Writes the code, and the state beside it, as a Python package."""
        import facula

        os.makedirs(folder, exist_ok=True)
        facula.save(self.state_dict(), os.path.join(folder, "state_dict.pt"))
        children = []
        for name, child in self.named_children():
            facula.save(child, os.path.join(folder, f"{name}.pt"))
            children.append(f"        self.{name} = torch.load(os.path.join(here, '{name}.pt'), weights_only=False)")
        tensors = [f"        self.register_buffer('{n}', torch.empty({list(t.shape)}, dtype={t.dtype}))" for n, t in self._buffers.items()]
        tensors += [f"        self.{n} = torch.nn.Parameter(torch.empty({list(t.shape)}, dtype={t.dtype}))" for n, t in self._parameters.items()]
        body = "\n".join(("    " + line).rstrip() for line in self._code.strip("\n").splitlines())
        text = ["import os", "import torch", "from torch import device, inf, nan  # noqa: F401", "", "", f"class {module_name}(torch.nn.Module):",
                "    def __init__(self):", "        super().__init__()", "        here = os.path.dirname(os.path.abspath(__file__))", *children, *tensors,
                "        self.load_state_dict(torch.load(os.path.join(here, 'state_dict.pt')))", "", body, ""]
        with open(os.path.join(folder, "module.py"), "w") as file:
            file.write("\n".join(text))
        with open(os.path.join(folder, "__init__.py"), "w") as file:
            file.write("from .module import *\n")

    def print_readable(self, print_output=True, include_stride=False, include_device=False, colored=False, **options):
        """The code as a class, printed and given back."""
        body = "\n".join(("    " + line).rstrip() for line in self._code.strip("\n").splitlines())
        text = f"class {type(self).__name__}(torch.nn.Module):\n{body}\n    "
        if print_output:
            print(text)
        return text

    def __str__(self):
        return "\n".join([super().__repr__(), self._code, "# To see more debug info, please use `graph_module.print_readable()`"])


def reduce_graph_module(body, code):
    """The GraphModule of a pickled one: its code is traced again."""
    import facula

    from ._symbolic_trace import Tracer

    scope = {"torch": facula, "device": facula.device, "inf": float("inf"), "nan": float("nan")}
    exec(code, scope)  # of a pickle, which the caller trusts
    holder = type("GraphModule", (Module,), {"forward": scope["forward"]})()
    holder.__dict__.update({k: v for k, v in body.items() if k != "_code"})

    class KeepModules(Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return True

    return GraphModule(holder, KeepModules().trace(holder))
