"""A model's operations as TensorBoard's graph."""

from __future__ import annotations

from facula import _capture
from facula.nn import Module


def graph(model, args, verbose=False):
    """(GraphDef, RunMetadata) of what a model does with example inputs."""
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.config_pb2 import RunMetadata
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, StepStats
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.versions_pb2 import VersionDef

    args = tuple(args) if isinstance(args, (tuple, list)) else (args,)
    inputs = _capture.map_tree(lambda t: t.detach() if hasattr(t, "detach") else t, args)
    captured, _ = _capture.capture(model, inputs, root=model if isinstance(model, Module) else None)
    captured.prune()
    if verbose:
        print(captured)
    root = type(model).__name__
    scopes = captured.scope_names
    names: dict[int, str] = {}

    def shape(value):
        dims = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in value.shape])
        return {"_output_shapes": AttrValue(list=AttrValue.ListValue(shape=[dims]))}

    def scope(path):
        parts, text = path.split(".") if path else [], root
        for i in range(len(parts)):
            text += f"/{scopes.get('.'.join(parts[:i + 1]), parts[i])}[{parts[i]}]"
        return text

    nodes = []
    for kind, values in (("IO Node", captured.inputs), ("prim::GetAttr", captured.attributes), ("prim::Constant", captured.constants)):
        for value in values:
            owner, _, last = value.name.rpartition(".")
            names[id(value)] = f"input/{value.name}" if kind == "IO Node" else f"{scope(owner)}/{last}"
            nodes.append(NodeDef(name=names[id(value)], op=kind, attr=shape(value)))
    for i, node in enumerate(captured.nodes):
        name = f"{scope(node.scope[-1] if node.scope else '')}/{node.op.rpartition('.')[2]}_{i}"
        for value in node.results:
            names[id(value)] = name
        nodes.append(NodeDef(name=name, op=f"aten::{node.op}", input=[names[id(v)] for v in node.inputs if id(v) in names],
                             attr=shape(node.results[0]) if node.results else {}))
    for i, value in enumerate(_capture.values_in(captured.outputs)):
        nodes.append(NodeDef(name=f"output/output.{i + 1}", op="IO Node", input=[names[id(value)]], attr=shape(value)))
    return GraphDef(node=nodes, versions=VersionDef(producer=22)), RunMetadata(step_stats=StepStats(dev_stats=[DeviceStepStats(device="/device:CPU:0")]))
