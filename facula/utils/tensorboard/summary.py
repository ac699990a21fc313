"""Summaries: the messages that stand in event files."""

from __future__ import annotations

import io
import json
import struct

from ._convert import array, image, number, pixels


def _protos():
    from tensorboard.compat.proto import summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

    return summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2


def _plugin(name, content=b""):
    summary, *_ = _protos()
    return summary.SummaryMetadata(plugin_data=summary.SummaryMetadata.PluginData(plugin_name=name, content=content))


def _one(**fields):
    summary, *_ = _protos()
    return summary.Summary(value=[summary.Summary.Value(**fields)])


def scalar(name, value, new_style=False, double_precision=False):
    """A number; new_style writes it as a tensor of the scalars plugin."""
    value = number(value)
    if not new_style:
        return _one(tag=name, simple_value=value)
    _, tensor, shape, types = _protos()
    kind = "double" if double_precision else "float"
    proto = tensor.TensorProto(dtype=types.DT_DOUBLE if double_precision else types.DT_FLOAT, tensor_shape=shape.TensorShapeProto(dim=[]),
                               **{f"{kind}_val": [value]})
    from tensorboard.plugins.scalar import metadata

    return _one(tag=name, tensor=proto, metadata=metadata.create_summary_metadata("", ""))


def tensor(name, value):
    """Any tensor of numbers."""
    _, proto, shape, types = _protos()
    values = array(value).astype("float32")
    made = proto.TensorProto(dtype=types.DT_FLOAT, tensor_shape=shape.TensorShapeProto(dim=[shape.TensorShapeProto.Dim(size=n) for n in values.shape]),
                             float_val=values.reshape(-1).tolist())
    return _one(tag=name, tensor=made, metadata=_plugin("tensor"))


# ---------------------------------------------------------------- histograms
def _default_edges():
    import numpy as np

    positive = [1e-12]
    while positive[-1] * 1.1 < 1e20:
        positive.append(positive[-1] * 1.1)
    return np.array([-v for v in reversed(positive)] + [0.0] + positive)


_edges = None


def histogram(name, values, bins, max_bins=None):
    """How values are distributed over bins."""
    import numpy as np

    global _edges
    if isinstance(bins, str) and bins == "tensorflow":
        _edges = _default_edges() if _edges is None else _edges
        bins = _edges
    values = array(values).reshape(-1).astype(float)
    if values.size == 0:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        step = len(counts) // max_bins
        spare = -len(counts) % step
        counts = np.pad(counts, (0, spare)).reshape(-1, step).sum(-1)
        limits = np.append(limits[:-1:step], limits[-1])
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        raise ValueError("The histogram is empty, please file a bug report.")
    first, last = filled[0], filled[-1] + 1
    # The reader takes a bucket's lower edge from the bucket before it: an empty one leads.
    counts = np.concatenate([[0], counts[:last]]) if first == 0 else counts[first - 1:last]
    limits = limits[first:last + 1]
    return _histo(name, values.min(), values.max(), len(values), values.sum(), values.dot(values), limits, counts)


def histogram_raw(name, min, max, num, sum, sum_squares, bucket_limits, bucket_counts):
    """A histogram whose buckets are known."""
    return _histo(name, min, max, num, sum, sum_squares, bucket_limits, bucket_counts)


def _histo(name, low, high, count, total, squares, limits, counts):
    summary, *_ = _protos()
    proto = summary.HistogramProto(min=low, max=high, num=count, sum=total, sum_squares=squares, bucket_limit=list(limits), bucket=list(counts))
    return _one(tag=name, histo=proto)


# ---------------------------------------------------------------- images, sound, film
def _encoded(values, rescale=1):
    from PIL import Image

    height, width, channels = values.shape
    picture = Image.fromarray(values.squeeze(-1) if channels == 1 else values)
    if rescale != 1:
        picture = picture.resize((int(width * rescale), int(height * rescale)), Image.LANCZOS)
    file = io.BytesIO()
    picture.save(file, format="PNG")
    summary, *_ = _protos()
    return summary.Summary.Image(height=picture.height, width=picture.width, colorspace=channels, encoded_image_string=file.getvalue())


def picture(tag, values, rescale=1, dataformats="NCHW"):
    """An image, or a batch tiled into one."""
    return _one(tag=tag, image=_encoded(pixels(image(values, dataformats)), rescale))


def picture_boxes(tag, values, boxes, rescale=1, dataformats="CHW", labels=None):
    """An image with boxes (left, top, right, bottom) drawn on it."""
    import numpy as np
    from PIL import Image, ImageDraw

    drawn = Image.fromarray(pixels(image(values, dataformats)))
    pen = ImageDraw.Draw(drawn)
    for i, box in enumerate(array(boxes).tolist()):
        pen.rectangle(box, outline=(255, 0, 0), width=2)
        if labels is not None:
            pen.text((box[0], box[1]), str(labels[i]), fill=(255, 0, 0))
    return _one(tag=tag, image=_encoded(np.asarray(drawn), rescale))


def audio(tag, sound, sample_rate=44100):
    """Samples in [-1, 1] as a WAV file of 16 bits."""
    import wave

    samples = array(sound).squeeze()
    if abs(samples).max() > 1:
        print("warning: audio amplitude out of range, auto clipped.")
        samples = samples.clip(-1, 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(sample_rate)
        w.writeframes(struct.pack(f"<{samples.size}h", *(int(32767 * v) for v in samples.reshape(-1))))
    summary, *_ = _protos()
    return _one(tag=tag, audio=summary.Summary.Audio(sample_rate=sample_rate, num_channels=1, length_frames=samples.size,
                                                     encoded_audio_string=file.getvalue(), content_type="audio/wav"))


def video(tag, frames, fps=4):
    """Frames (batch, time, channels, height, width) as an animated GIF."""
    import numpy as np
    from PIL import Image

    frames = array(frames)
    batch, time, channels, height, width = frames.shape
    wide = frames.transpose(1, 3, 0, 4, 2).reshape(time, height, batch * width, channels)
    wide = np.concatenate([wide] * 3, 3) if channels == 1 else wide
    pictures = [Image.fromarray(pixels(f)) for f in wide]
    file = io.BytesIO()
    pictures[0].save(file, format="GIF", save_all=True, append_images=pictures[1:], duration=1000 / fps, loop=0)
    summary, *_ = _protos()
    return _one(tag=tag, image=summary.Summary.Image(height=height, width=batch * width, colorspace=3, encoded_image_string=file.getvalue()))


# ---------------------------------------------------------------- text, curves, settings
def text(tag, content):
    """Markdown text."""
    _, tensor_proto, shape, _ = _protos()
    proto = tensor_proto.TensorProto(dtype="DT_STRING", string_val=[content.encode()],
                                     tensor_shape=shape.TensorShapeProto(dim=[shape.TensorShapeProto.Dim(size=1)]))
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

    return _one(tag=tag + "/text_summary", metadata=_plugin("text", TextPluginData(version=0).SerializeToString()), tensor=proto)


def _curve_summary(tag, rows, thresholds):
    from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData

    _, proto, shape, types = _protos()
    made = proto.TensorProto(dtype=types.DT_FLOAT, float_val=rows.reshape(-1).tolist(),
                             tensor_shape=shape.TensorShapeProto(dim=[shape.TensorShapeProto.Dim(size=n) for n in rows.shape]))
    content = PrCurvePluginData(version=0, num_thresholds=thresholds).SerializeToString()
    return _one(tag=tag, metadata=_plugin("pr_curves", content), tensor=made)


def pr_curve(tag, labels, predictions, num_thresholds=127, weights=None):
    """Precision and recall of predictions in [0, 1] at many thresholds."""
    import numpy as np

    num_thresholds = min(num_thresholds, 127)
    labels, predictions = array(labels).astype(float).reshape(-1), array(predictions).astype(float).reshape(-1)
    weights = np.ones_like(predictions) if weights is None else array(weights)
    places = np.int32(np.floor(predictions * (num_thresholds - 1)))
    counts = [np.histogram(places, bins=num_thresholds, range=(0, num_thresholds - 1), weights=v * weights)[0] for v in (labels, 1.0 - labels)]
    above = [c[::-1].cumsum()[::-1] for c in counts]
    tp, fp = above
    tn, fn = fp[0] - fp, tp[0] - tp
    tiny = 1e-7
    return _curve_summary(tag, np.stack((tp, fp, tn, fn, tp / np.maximum(tiny, tp + fp), tp / np.maximum(tiny, tp + fn))), num_thresholds)


def pr_curve_raw(tag, tp, fp, tn, fn, precision, recall, num_thresholds=127, weights=None):
    """A curve whose counts are known."""
    import numpy as np

    return _curve_summary(tag, np.stack([array(v) for v in (tp, fp, tn, fn, precision, recall)]), min(num_thresholds, 127))


def mesh(tag, vertices, colors, faces, config_dict):
    """Points (batch, n, 3) with colours and faces."""
    from tensorboard.plugins.mesh import metadata
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    summary, proto, shape, types = _protos()
    given = [(array(v), kind, as_type) for v, kind, as_type in ((vertices, MeshPluginData.VERTEX, "float32"), (faces, MeshPluginData.FACE, "int32"),
                                                                (colors, MeshPluginData.COLOR, "uint8")) if v is not None]
    components = metadata.get_components_bitmask([kind for _, kind, _ in given])
    values = []
    for data, kind, as_type in given:
        dims = [shape.TensorShapeProto.Dim(size=n) for n in data.shape]
        made = proto.TensorProto(dtype={"float32": types.DT_FLOAT, "int32": types.DT_INT32, "uint8": types.DT_UINT8}[as_type],
                                 tensor_shape=shape.TensorShapeProto(dim=dims), tensor_content=data.astype(as_type).tobytes())
        about = metadata.create_summary_metadata(tag, "", kind, components, data.shape, "", json_config=json.dumps(config_dict or {}))
        values.append(summary.Summary.Value(tag=metadata.get_instance_name(tag, kind), tensor=made, metadata=about))
    return summary.Summary(value=values)


def hparams(settings, metrics, domains=None):
    """The three summaries of a run's settings: the experiment, the start, the end."""
    from google.protobuf import struct_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    if not isinstance(settings, dict) or not isinstance(metrics, dict):
        raise TypeError("hparam_dict and metric_dict should be dictionary.")
    infos, start = [], plugin_data_pb2.SessionStartInfo()
    for key, value in settings.items():
        if value is None:
            continue
        if isinstance(value, bool):
            start.hparams[key].bool_value, kind = value, api_pb2.DATA_TYPE_BOOL
        elif isinstance(value, (int, float)):
            start.hparams[key].number_value, kind = value, api_pb2.DATA_TYPE_FLOAT64
        elif isinstance(value, str):
            start.hparams[key].string_value, kind = value, api_pb2.DATA_TYPE_STRING
        elif hasattr(value, "detach"):
            start.hparams[key].number_value, kind = number(value), api_pb2.DATA_TYPE_FLOAT64
        else:
            raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
        domain = None
        if domains and key in domains:
            domain = struct_pb2.ListValue(values=[_json_value(struct_pb2, v) for v in domains[key]])
        infos.append(api_pb2.HParamInfo(name=key, type=kind, domain_discrete=domain))
    kinds = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=m)) for m in metrics]
    parts = ((metadata.EXPERIMENT_TAG, {"experiment": api_pb2.Experiment(hparam_infos=infos, metric_infos=kinds)}),
             (metadata.SESSION_START_INFO_TAG, {"session_start_info": start}),
             (metadata.SESSION_END_INFO_TAG, {"session_end_info": plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS)}))
    return [_one(tag=tag, metadata=metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **data)))
            for tag, data in parts]


def _json_value(struct_pb2, v):
    if isinstance(v, bool):
        return struct_pb2.Value(bool_value=v)
    return struct_pb2.Value(number_value=v) if isinstance(v, (int, float)) else struct_pb2.Value(string_value=v)


def custom_scalars(layout):
    """Which charts stand in which category."""
    from tensorboard.plugins.custom_scalar import layout_pb2

    categories = []
    for category, charts in layout.items():
        made = []
        for name, (kind, tags) in charts.items():
            if kind == "Margin":
                content = layout_pb2.MarginChartContent(series=[layout_pb2.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])])
                made.append(layout_pb2.Chart(title=name, margin=content))
            else:
                made.append(layout_pb2.Chart(title=name, multiline=layout_pb2.MultilineChartContent(tag=tags)))
        categories.append(layout_pb2.Category(title=category, chart=made))
    _, proto, shape, _ = _protos()
    made = proto.TensorProto(dtype="DT_STRING", string_val=[layout_pb2.Layout(category=categories).SerializeToString()],
                             tensor_shape=shape.TensorShapeProto())
    return _one(tag="custom_scalars__config__", tensor=made, metadata=_plugin("custom_scalars"))
