"""Files of the projector: points, labels, sprites."""

from __future__ import annotations

import math
import os

from ._convert import array, pixels


def write_points(folder, points):
    """The points, one a line."""
    with open(os.path.join(folder, "tensors.tsv"), "w") as file:
        for row in array(points):
            file.write("\t".join(str(v) for v in row.tolist()) + "\n")


def write_labels(folder, labels, header=None):
    """Labels of the points, one a line."""
    rows = [str(x) for x in labels] if not header else ["\t".join(header), *("\t".join(str(e) for e in row) for row in labels)]
    with open(os.path.join(folder, "metadata.tsv"), "w", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")


def write_sprite(folder, images):
    """Pictures of the points (n, channels, height, width) in one square image."""
    import numpy as np
    from PIL import Image

    images = array(images)
    n, channels, height, width = images.shape
    side = math.ceil(math.sqrt(n))
    canvas = np.zeros((side * height, side * width, channels), images.dtype)
    for i, picture in enumerate(images):
        y, x = divmod(i, side)
        canvas[y * height:(y + 1) * height, x * width:(x + 1) * width] = picture.transpose(1, 2, 0)
    canvas = pixels(canvas)
    Image.fromarray(canvas.squeeze(-1) if channels == 1 else canvas).save(os.path.join(folder, "sprite.png"))


def description(metadata, metadata_header, label_img, subdir, step, tag):
    """The projector's entry for one set of points."""
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig, SpriteMetadata

    info = EmbeddingInfo(tensor_name=f"{tag}:{str(step).zfill(5)}", tensor_path=os.path.join(subdir, "tensors.tsv"))
    if metadata is not None:
        info.metadata_path = os.path.join(subdir, "metadata.tsv")
    if label_img is not None:
        info.sprite.CopyFrom(SpriteMetadata(image_path=os.path.join(subdir, "sprite.png"), single_image_dim=[label_img.shape[3], label_img.shape[2]]))
    return text_format.MessageToString(ProjectorConfig(embeddings=[info]))
