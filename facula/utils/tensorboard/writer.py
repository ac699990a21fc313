"""SummaryWriter: what a training loop logs to."""

from __future__ import annotations

import os
import socket
import time

from . import _embedding, summary
from ._convert import figure_image, number

DEFAULT_BINS = "tensorflow"


class FileWriter:
    """Writes events to one file of a folder."""

    def __init__(self, log_dir, max_queue=10, flush_secs=120, filename_suffix=""):
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.event_writer = EventFileWriter(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self):
        """The folder."""
        return self.event_writer.get_logdir()

    def add_event(self, event, step=None, walltime=None):
        """Writes an event at a time and a step."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(self, summary, global_step=None, walltime=None):
        """Writes a summary."""
        from tensorboard.compat.proto.event_pb2 import Event

        self.add_event(Event(summary=summary), global_step, walltime)

    def add_graph(self, graph_profile, walltime=None):
        """Writes a graph and how it ran."""
        from tensorboard.compat.proto.event_pb2 import Event, TaggedRunMetadata

        graph, metadata = graph_profile
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)
        self.add_event(Event(tagged_run_metadata=TaggedRunMetadata(tag="step1", run_metadata=metadata.SerializeToString())), None, walltime)

    def flush(self):
        self.event_writer.flush()

    def close(self):
        self.event_writer.close()

    def reopen(self):
        self.event_writer.reopen()


class SummaryWriter:
    """Logs to an event file of `log_dir` (by default `runs/<time>_<host><comment>`), which TensorBoard shows.

    Args:
        log_dir: The folder.
        comment: Put behind the default folder's name.
        purge_step: Events from this step on, of an earlier run that crashed, are hidden.
        max_queue: Events that wait before the file is written.
        flush_secs: Seconds after which it is written anyway.
        filename_suffix: Put behind the file's name.
    """

    def __init__(self, log_dir=None, comment="", purge_step=None, max_queue=10, flush_secs=120, filename_suffix=""):
        if not log_dir:
            from datetime import datetime

            log_dir = os.path.join("runs", datetime.now().strftime("%b%d_%H-%M-%S") + "_" + socket.gethostname() + comment)
        self.log_dir = log_dir
        self.purge_step, self.max_queue, self.flush_secs, self.filename_suffix = purge_step, max_queue, flush_secs, filename_suffix
        self.file_writer = self.all_writers = None
        self._get_file_writer()

    def _get_file_writer(self):
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = FileWriter(self.log_dir, self.max_queue, self.flush_secs, self.filename_suffix)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                from tensorboard.compat.proto.event_pb2 import Event, SessionLog

                step, self.purge_step = self.purge_step, None
                self.file_writer.add_event(Event(step=step, file_version="brain.Event:2"))
                self.file_writer.add_event(Event(step=step, session_log=SessionLog(status=SessionLog.START)))
        return self.file_writer

    def get_logdir(self):
        """The folder."""
        return self.log_dir

    def _add(self, made, global_step, walltime):
        self._get_file_writer().add_summary(made, global_step, walltime)

    # ---- numbers
    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None, new_style=False, double_precision=False):
        """Logs a number."""
        self._add(summary.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime)

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        """Logs several numbers to show in one chart: each is a run of its own folder."""
        walltime = time.time() if walltime is None else walltime
        folder = self._get_file_writer().get_logdir()
        for tag, value in tag_scalar_dict.items():
            path = folder + "/" + main_tag.replace("/", "_") + "_" + tag
            if path not in self.all_writers:
                self.all_writers[path] = FileWriter(path, self.max_queue, self.flush_secs, self.filename_suffix)
            self.all_writers[path].add_summary(summary.scalar(main_tag, value), global_step, walltime)

    def add_tensor(self, tag, tensor, global_step=None, walltime=None):
        """Logs a tensor."""
        self._add(summary.tensor(tag, tensor), global_step, walltime)

    def add_histogram(self, tag, values, global_step=None, bins=DEFAULT_BINS, walltime=None, max_bins=None):
        """Logs how values are distributed."""
        self._add(summary.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(self, tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts, global_step=None, walltime=None):
        """Logs a histogram whose buckets are known."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        self._add(summary.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts), global_step, walltime)

    def add_pr_curve(self, tag, labels, predictions, global_step=None, num_thresholds=127, weights=None, walltime=None):
        """Logs precision and recall at many thresholds."""
        self._add(summary.pr_curve(tag, labels, predictions, num_thresholds, weights), global_step, walltime)

    def add_pr_curve_raw(self, tag, true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision, recall,
                         global_step=None, num_thresholds=127, weights=None, walltime=None):
        """Logs a curve whose counts are known."""
        self._add(summary.pr_curve_raw(tag, true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision,
                                       recall, num_thresholds, weights), global_step, walltime)

    # ---- pictures and sound
    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        """Logs an image: floating ones in [0, 1], integer ones in [0, 255]."""
        self._add(summary.picture(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_images(self, tag, img_tensor, global_step=None, walltime=None, dataformats="NCHW"):
        """Logs a batch of images as one."""
        if isinstance(img_tensor, list):
            import facula

            img_tensor, dataformats = facula.stack(img_tensor), "N" + dataformats if len(dataformats) == 3 else dataformats
        self._add(summary.picture(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_image_with_boxes(self, tag, img_tensor, box_tensor, global_step=None, walltime=None, rescale=1, dataformats="CHW", labels=None):
        """Logs an image with boxes on it."""
        labels = [labels] if isinstance(labels, str) else labels
        self._add(summary.picture_boxes(tag, img_tensor, box_tensor, rescale, dataformats, labels), global_step, walltime)

    def add_figure(self, tag, figure, global_step=None, close=True, walltime=None):
        """Logs Matplotlib figures."""
        formats = "NCHW" if isinstance(figure, (list, tuple)) else "CHW"
        self.add_image(tag, figure_image(figure, close), global_step, walltime, dataformats=formats)

    def add_video(self, tag, vid_tensor, global_step=None, fps=4, walltime=None):
        """Logs frames as an animation."""
        self._add(summary.video(tag, vid_tensor, fps), global_step, walltime)

    def add_audio(self, tag, snd_tensor, global_step=None, sample_rate=44100, walltime=None):
        """Logs sound in [-1, 1]."""
        self._add(summary.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_mesh(self, tag, vertices, colors=None, faces=None, config_dict=None, global_step=None, walltime=None):
        """Logs points in space."""
        self._add(summary.mesh(tag, vertices, colors, faces, config_dict), global_step, walltime)

    # ---- the rest
    def add_text(self, tag, text_string, global_step=None, walltime=None):
        """Logs Markdown text."""
        self._add(summary.text(tag, text_string), global_step, walltime)

    def add_graph(self, model, input_to_model=None, verbose=False, use_strict_trace=True):
        """Logs a model's operations, as it runs on example inputs."""
        from ._graph import graph

        self._get_file_writer().add_graph(graph(model, input_to_model, verbose))

    def add_onnx_graph(self, prototxt):
        """Logs the graph of an ONNX file."""
        import onnx
        from tensorboard.compat.proto.graph_pb2 import GraphDef
        from tensorboard.compat.proto.node_def_pb2 import NodeDef

        found = onnx.load(prototxt).graph
        made = {o: n.name or n.output[0] for n in found.node for o in n.output}
        nodes = [NodeDef(name=n.name or n.output[0], op=n.op_type, input=[made.get(i, i) for i in n.input]) for n in found.node]
        nodes += [NodeDef(name=i.name, op="IO Node") for i in (*found.input, *found.initializer)]
        from tensorboard.compat.proto.config_pb2 import RunMetadata

        self._get_file_writer().add_graph((GraphDef(node=nodes), RunMetadata()))

    def add_embedding(self, mat, metadata=None, label_img=None, global_step=None, tag="default", metadata_header=None):
        """Logs points of many dimensions for the projector, with labels and pictures."""
        import urllib.parse

        step = 0 if global_step is None else global_step
        subdir = f"{str(step).zfill(5)}/{urllib.parse.quote(tag, safe='').replace('%', '_')}"
        folder = os.path.join(self._get_file_writer().get_logdir(), subdir)
        os.makedirs(folder, exist_ok=True)
        if metadata is not None:
            if len(metadata) != mat.shape[0]:
                raise AssertionError("#labels should equal with #data points")
            _embedding.write_labels(folder, metadata, metadata_header)
        if label_img is not None:
            if label_img.shape[0] != mat.shape[0]:
                raise AssertionError("#images should equal with #data points")
            _embedding.write_sprite(folder, label_img)
        if mat.ndim != 2:
            raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
        _embedding.write_points(folder, mat)
        entry = _embedding.description(metadata, metadata_header, label_img, subdir, step, tag)
        path = os.path.join(self._get_file_writer().get_logdir(), "projector_config.pbtxt")
        old = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                old = file.read()
        if entry not in old:
            with open(path, "w", encoding="utf-8") as file:
                file.write(old + entry)

    def add_hparams(self, hparam_dict, metric_dict, hparam_domain_discrete=None, run_name=None, global_step=None):
        """Logs the settings of a run with what came of it, in a folder of its own."""
        parts = summary.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        with SummaryWriter(log_dir=folder) as writer:
            for part in parts:
                writer.file_writer.add_summary(part, global_step)
            for tag, value in metric_dict.items():
                writer.add_scalar(tag, number(value), global_step)

    def add_custom_scalars(self, layout):
        """Logs which charts stand in which category: {category: {title: ["Multiline" or "Margin", tags]}}."""
        self._add(summary.custom_scalars(layout), None, None)

    def add_custom_scalars_multilinechart(self, tags, category="default", title="untitled"):
        """Logs one chart with several lines."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(self, tags, category="default", title="untitled"):
        """Logs one chart with a band: tags of value, lower and upper bound."""
        if len(tags) != 3:
            raise AssertionError("there should be three tags")
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def flush(self):
        """Writes what waits."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self):
        """Writes what waits and closes the files; logging again opens new ones."""
        for writer in (self.all_writers or {}).values():
            writer.flush()
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
