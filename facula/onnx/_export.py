"""onnx.export: captures a module and writes it as an ONNX model."""

from __future__ import annotations

import functools
import inspect
import math
import os
import tempfile
import warnings

import facula

from .. import _capture, _names
from .._capture import Value
from ..export import ExportedProgram
from ..nn import Module
from ._builder import Builder, OnnxExporterError, dtype_code

__all__ = ["export", "ONNXProgram"]
DEFAULT_OPSET = 18
LARGEST_FILE = 2 ** 31 - 2 ** 24  # bytes of weights; a protocol buffer ends at 2 GB
running = False


class ONNXProgram:
    """An exported model; call it to run it with ONNX Runtime."""

    def __init__(self, model_proto):
        self.model_proto, self._session = model_proto, None

    @property
    def model(self):
        return self.model_proto

    def save(self, destination, *, include_initializers=True, keep_initializers_as_inputs=False, external_data=None):
        """Writes the model to a path or an open file; big tensors go to a file beside it if the model is above 2 GB."""
        _write(self.model_proto, destination, external_data)

    def optimize(self):
        """Nothing to do: what is written has no nodes without use."""

    def apply_weights(self, state_dict):
        """Replaces initializers by the tensors of those names."""
        for initializer in self.model_proto.graph.initializer:
            if initializer.name in state_dict:
                initializer.raw_data = state_dict[initializer.name].detach().numpy().tobytes()

    def initialize_inference_session(self, initializer=None):
        """Makes the ONNX Runtime session that calls run in."""
        import onnxruntime

        initializer = initializer or functools.partial(onnxruntime.InferenceSession, providers=["CPUExecutionProvider"])
        if _weights_size(self.model_proto) <= LARGEST_FILE:
            self._session = initializer(self.model_proto.SerializeToString())
            return
        with tempfile.TemporaryDirectory() as folder:
            _write(self.model_proto, path := os.path.join(folder, "model.onnx"))
            self._session = initializer(path)

    def release(self):
        """Lets go of the session."""
        self._session = None

    def __call__(self, *args, **kwargs):
        if self._session is None:
            self.initialize_inference_session()
        session = self._session
        flat = list(_capture._tensors((args, kwargs)))
        feeds = {i.name: t.detach().numpy() for i, t in zip(session.get_inputs(), flat)}
        return [facula.from_numpy(a) for a in session.run(None, feeds)]

    def __repr__(self):
        import onnx

        return f"ONNXProgram(\n{onnx.printer.to_text(self.model_proto.graph)}\n)"


def export(model, args=(), f=None, *, kwargs=None, verbose=None, input_names=None, output_names=None, opset_version=None, dynamo=True,
           external_data=None, dynamic_shapes=None, custom_translation_table=None, report=False, optimize=True, verify=False, profile=False,
           dump_exported_program=False, artifacts_dir=".", fallback=False, export_params=True, keep_initializers_as_inputs=False,
           dynamic_axes=None, training=None, operator_export_type=None, do_constant_folding=True, custom_opsets=None,
           export_modules_as_functions=False, autograd_inlining=True):
    """Writes a module as an ONNX model, in evaluation mode.

    Args:
        model: A module or function; scripted and traced ones too.
        args: Example inputs; a tensor, or a tuple whose last element may be a dict of inputs by name.
        f: Path or open binary file; None only gives the program back.
        kwargs: Example inputs by name.
        input_names: Names of the inputs; by default those of forward's parameters.
        output_names: Names of the outputs.
        opset_version: 18 (default) or newer.
        dynamic_shapes: By input (a dict, or a tuple in order): {dimension: export.Dim, name or Dim.AUTO}, or None.
        dynamic_axes: By name of an input or output: {dimension: name} or a list of dimensions.
        external_data: Write tensors to a file beside the model; by default above 2 GB.
        verify: Compare with ONNX Runtime on the example inputs.

    Returns:
        An ONNXProgram.

    Raises:
        UnsupportedOperatorError: An operation has no mapping to ONNX.
    """
    global running
    opset = opset_version or DEFAULT_OPSET
    if opset < DEFAULT_OPSET:
        if dynamo:
            warnings.warn(f"onnx.export: opset {opset} is older than {DEFAULT_OPSET}, which is the oldest one that is written: {DEFAULT_OPSET} is used",
                          stacklevel=2)
        opset = DEFAULT_OPSET
    args = args if isinstance(args, tuple) else (args,)
    kwargs = dict(kwargs or {})
    if args and isinstance(args[-1], dict) and not kwargs and _takes_keywords(model, args):
        args, kwargs = args[:-1], args[-1]
    if isinstance(model, ExportedProgram):
        if not args and not kwargs:
            args, kwargs = model.example_inputs
        model = model.module()
    before = model.training if isinstance(model, Module) else None
    running = True
    try:
        if before and int(training or 0) == 0:
            model.eval()
        proto, result = _convert(model, args, kwargs, input_names, output_names, opset, dynamic_shapes, dynamic_axes)
    finally:
        running = False
        if before:
            model.train()
    program = ONNXProgram(proto)
    if verify:
        _verify(program, args, kwargs, result)
    if f is not None:
        _write(proto, f, external_data)
    if verbose:
        print(program)
    return program


def _takes_keywords(model, args):
    try:
        parameters = list(inspect.signature(getattr(model, "forward", model)).parameters)
    except (TypeError, ValueError):
        return False
    return all(isinstance(k, str) and k in parameters for k in args[-1]) and bool(args[-1])


def _parameter_names(model, args, kwargs):
    """A name for every tensor among the inputs, from the parameters of forward."""
    try:
        parameters = [p for p in inspect.signature(getattr(model, "forward", model)).parameters.values()]
    except (TypeError, ValueError):
        parameters = []
    by_place = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names, owners = [], []
    for i, a in enumerate(args):
        name = by_place[i] if i < len(by_place) else f"input_{i}"
        count = len(list(_capture._tensors(a)))
        names += [name] if isinstance(a, facula.Tensor) else [f"{name}_{k}" for k in range(count)]
        owners += [(name, i)] * count
    for name, a in kwargs.items():
        count = len(list(_capture._tensors(a)))
        names += [name] if isinstance(a, facula.Tensor) else [f"{name}_{k}" for k in range(count)]
        owners += [(name, name)] * count
    return names, owners


# ---------------------------------------------------------------- dynamic sizes

def _dim_name(spec, default):
    name = spec if isinstance(spec, str) else getattr(spec, "__name__", None)
    return name if isinstance(name, str) and name not in ("AUTO", "DYNAMIC", "STATIC") else default


def _dynamic_of(flat, names, owners, dynamic_shapes, dynamic_axes, args, kwargs):
    """For each input tensor: {dimension: name of the size}."""
    found: list[dict] = [{} for _ in flat]

    def note(i, spec):
        if isinstance(spec, (tuple, list)):
            spec = dict(enumerate(spec))
        for d, s in (spec or {}).items():
            if s is not None and not isinstance(s, int) and str(s) != "DimHint.STATIC":
                found[i][d % flat[i].dim()] = _dim_name(s, f"{names[i]}_dim_{d}")

    if dynamic_shapes:
        trees = (args, kwargs)
        specs = _matching(trees, dynamic_shapes, owners)
        for i, spec in enumerate(specs):
            note(i, spec)
    for name, spec in (dynamic_axes or {}).items():
        if name in names:
            i = names.index(name)
            found[i].update({d % flat[i].dim(): (s if isinstance(s, str) else f"{name}_dim_{d}")
                             for d, s in (spec.items() if isinstance(spec, dict) else ((d, None) for d in spec))})
    return found


def _matching(trees, shapes, owners):
    """The part of `dynamic_shapes` for each tensor."""
    args, kwargs = trees

    def walk(tree, spec):
        if isinstance(tree, facula.Tensor):
            yield spec
        elif isinstance(tree, (tuple, list)):
            for k, t in enumerate(tree):
                yield from walk(t, spec[k] if isinstance(spec, (tuple, list)) and k < len(spec) else None)
        elif isinstance(tree, dict):
            for k, t in tree.items():
                yield from walk(t, spec.get(k) if isinstance(spec, dict) else None)

    if isinstance(shapes, dict):
        names = list(dict.fromkeys(n for n, _ in owners))
        trees = [*args, *kwargs.values()]
        with_tensors = [t for t in trees if any(True for _ in _capture._tensors(t))]
        return [s for n, t in zip(names, with_tensors) for s in walk(t, shapes.get(n))]
    return list(walk([*args, *kwargs.values()], list(shapes)))


class _Dynamic:
    """What a second run with other sizes shows: integers that stay, sizes of outputs that change."""

    def __init__(self, fixed=(), outputs=None):
        self.fixed, self.outputs = set(fixed), outputs


def _other_sizes(flat, dims):
    """Inputs with every dynamic size larger; a name stands for one size everywhere."""
    step: dict[str, int] = {}
    made = []
    for t, d in zip(flat, dims):
        shape = list(t.shape)
        for axis, name in d.items():
            step.setdefault(name, len(step) + 1)
            shape[axis] += step[name]
        other = facula.zeros(shape, dtype=t.dtype)
        if t.numel() and t.dtype.is_floating_point:
            other = other + 0.5
        made.append(other if d else t.detach())
    return made


def _compare(call, graph, flat, dims, rebuild):
    """Runs again with other sizes; None where the model does not take them."""
    other = _other_sizes(flat, dims)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = _capture_call(call, other, rebuild)[0]
    except Exception:  # noqa: BLE001 - a model may refuse other sizes for reasons of its own
        return None
    mine = [n for n in graph.nodes if n.entry is None]
    theirs = [n for n in again.nodes if n.entry is None]
    if [n.op for n in mine] != [n.op for n in theirs]:
        return None
    fixed = {a.results[0].name for a, b in zip(mine, theirs) if a.results[0].integer == b.results[0].integer}
    outputs = [[m == o for m, o in zip(a.shape, b.shape)] if len(a.shape) == len(b.shape) else None
               for a, b in zip(_capture.values_in(graph.outputs), _capture.values_in(again.outputs))]
    return _Dynamic(fixed, outputs)


# ---------------------------------------------------------------- the model

def _capture_call(call, flat, rebuild):
    recorder = _capture.Recorder(call.root)
    for name, t in zip(call.names, flat):
        recorder.add_input(t, name)
    with facula.no_grad(), recorder:
        args, kwargs = rebuild(flat)
        result = call.function(*args, **kwargs)
        recorder.graph.outputs = recorder.tree_of(_flatten(result))
    return recorder.graph, result


def _flatten(result):
    """Tensors of a result in order; objects of Python's classes give their attributes."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return [x for r in result for x in (_flatten(r) if isinstance(r, (tuple, list, dict)) else [r])]
    return [result]


class _Call:
    def __init__(self, function, root, names):
        self.function, self.root, self.names = function, root, names


def _convert(model, args, kwargs, input_names, output_names, opset, dynamic_shapes, dynamic_axes):
    names, owners = _parameter_names(model, args, kwargs)
    for i, name in enumerate(input_names or ()):
        if i < len(names):
            names[i] = name
    flat = [t.detach() for t in _capture._tensors((args, kwargs))]
    dims = _dynamic_of(flat, names, owners, dynamic_shapes, dynamic_axes, args, kwargs)

    def rebuild(tensors):
        items = iter(tensors)
        return _capture.map_tree(lambda v: next(items) if isinstance(v, facula.Tensor) else v, args), \
            _capture.map_tree(lambda v: next(items) if isinstance(v, facula.Tensor) else v, kwargs)

    call = _Call(model, model if isinstance(model, Module) else None, names)
    graph, result = _capture_call(call, flat, rebuild)
    second = _compare(call, graph, flat, dims, rebuild) if any(dims) else None
    graph.prune()
    builder = Builder(opset, second or any(dims))
    for value in graph.inputs:
        builder.names[id(value)] = builder.current[id(value.tensor)] = value.name
        builder.used.add(value.name)
    outputs = [v for v in graph.outputs if isinstance(v, Value)]
    if not outputs:
        raise OnnxExporterError("onnx.export: the model gives no tensors")
    outer = list(output_names or ())
    for i in range(len(outer), len(outputs)):
        outer.append("output" if len(outputs) == 1 else f"output_{i}")
    builder.used.update(outer)
    builder.run(graph)
    return _model(builder, graph, outputs, outer, dims, second, opset, dynamic_axes), result


def _model(builder, graph, outputs, outer, dims, second, opset, dynamic_axes):
    helper = builder.onnx.helper
    infos = [helper.make_tensor_value_info(v.name, dtype_code(v.tensor.dtype), [d.get(k, n) for k, n in enumerate(v.shape)])
             for v, d in zip(graph.inputs, dims)]
    results = []
    by_size = {n: name for v, d in zip(graph.inputs, dims) for k, name in d.items() for n in (v.shape[k],)}
    for i, (v, name) in enumerate(zip(outputs, outer)):
        builder.nodes.append(helper.make_node("Identity", [builder(v)], [name], name=builder.fresh("output")))
        if v.tensor is None:
            results.append(helper.make_tensor_value_info(name, 7, [1]))
            continue
        shape: list = list(v.shape)
        if any(dims):
            same = second.outputs[i] if second is not None and second.outputs[i] is not None else [n not in by_size for n in shape]
            given = (dynamic_axes or {}).get(name, {})
            given = given if isinstance(given, dict) else dict.fromkeys(given)
            shape = [(given.get(k) or by_size.get(n) or f"{name}_dim_{k}") if not same[k] or k in given else n for k, n in enumerate(shape)]
        results.append(helper.make_tensor_value_info(name, dtype_code(v.tensor.dtype), shape))
    nodes = _live(builder.nodes, outer)
    needed = {n for node in nodes for n in node.input}
    made = helper.make_graph(nodes, "main_graph", infos, results)
    model = helper.make_model(made, producer_name="facula", producer_version=facula.__version__, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    for name, t in builder.initializers.items():  # last, in their place: every message that takes another in copies it
        if name in needed:
            _add_initializer(model.graph, name, t)
    return model


def _live(nodes, outputs):
    """Nodes that the outputs need, in order."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            if node.op_type == "MaxPool" and node.output[-1] not in needed:
                del node.output[1:]
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _add_initializer(graph, name, t):
    import ctypes

    t = t.detach().cpu().contiguous()
    made = graph.initializer.add(name=name, data_type=dtype_code(t.dtype), dims=t.shape)
    made.raw_data = ctypes.string_at(t.data_ptr(), t.numel() * t.element_size()) if t.numel() else b""


def _weights_size(proto):
    from onnx import helper

    return sum(math.prod(t.dims) * helper.tensor_dtype_to_np_dtype(t.data_type).itemsize for t in proto.graph.initializer)


def _write(proto, f, external_data=None):
    """Writes a model to a path or an open file; tensors go to a file beside it where one file cannot hold all."""
    size = _weights_size(proto)
    large = size > LARGEST_FILE
    if not isinstance(f, (str, os.PathLike)):
        if large:
            raise OnnxExporterError(f"onnx.export: the weights are {size / 1e9:.1f} GB and one ONNX file holds 2 GB: give a path, "
                                    "so that they can be written to a file beside the model")
        f.write(proto.SerializeToString())
        return
    from ..serialization import _replacing

    path = os.fspath(f)
    if large if external_data is None else external_data:
        _write_beside(proto, path)
        return
    with _replacing(path) as file:
        file.write(proto.SerializeToString())


def _write_beside(proto, path):
    """The model at `path`, the numbers of its larger tensors in `path`.data, at addresses that can be mapped."""
    from ..serialization import _replacing

    location, weights, at = os.path.basename(path) + ".data", {}, 0
    try:
        with _replacing(path + ".data") as file:
            for i, tensor in enumerate(proto.graph.initializer):
                if math.prod(tensor.dims) < 256:
                    continue
                weights[i] = tensor.raw_data
                size, gap = len(weights[i]), -at % 4096
                file.write(bytes(gap))
                file.write(weights[i])
                tensor.ClearField("raw_data")
                tensor.data_location = tensor.EXTERNAL
                for key, value in (("location", location), ("offset", at + gap), ("length", size)):
                    tensor.external_data.add(key=key, value=str(value))
                at += gap + size
        with _replacing(path) as file:
            file.write(proto.SerializeToString())
    finally:  # the model in memory keeps its numbers
        for i, data in weights.items():
            tensor = proto.graph.initializer[i]
            tensor.raw_data = data
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")


def _verify(program, args, kwargs, result):
    got = program(*args, **kwargs)
    for i, (wanted, have) in enumerate(zip(_flatten(result), got)):
        if isinstance(wanted, facula.Tensor) and not facula.allclose(wanted.detach().double(), have.double(), rtol=1e-3, atol=1e-4, equal_nan=True):
            difference = (wanted.detach().double() - have.double()).abs().max().item()
            raise OnnxExporterError(f"onnx.export: output {i} differs by {difference} from what {_names.prefix} computes")
