"""Arrays out of what users log: tensors, numbers, images, figures."""

from __future__ import annotations

import facula


def array(x):
    """Numbers as a NumPy array."""
    import numpy as np

    if isinstance(x, facula.Tensor):
        x = x.detach().cpu()
        return (x.float() if x.dtype in (facula.bfloat16, facula.float16) else x).numpy()
    if isinstance(x, (list, tuple)):
        return np.array([array(v) for v in x])
    if isinstance(x, np.ndarray) or np.isscalar(x):
        return np.atleast_1d(np.asarray(x)) if np.isscalar(x) else x
    raise NotImplementedError(f"Got {type(x)}, but numpy array, torch tensor, or caffe2 blob name are expected.")


def number(x):
    """One number as a float."""
    values = array(x)
    if values.size != 1:
        raise AssertionError(f"scalar should be 0D, got {values.size} values")
    return float(values.reshape(-1)[0])


def image(x, dataformats):
    """An image, or a batch of them tiled into one, as (height, width, channels) of three channels."""
    import numpy as np

    x = array(x)
    dataformats = dataformats.upper()
    if len(set(dataformats)) != len(dataformats) or x.ndim != len(dataformats):
        raise AssertionError(f"size of input tensor and input format are different. tensor shape: {x.shape}, input_format: {dataformats}")
    if len(dataformats) == 4:
        return _grid(x.transpose([dataformats.find(c) for c in "NCHW"]))
    if len(dataformats) == 2:
        x = x.transpose([dataformats.find(c) for c in "HW"])
        return np.stack([x] * 3, -1)
    x = x.transpose([dataformats.find(c) for c in "HWC"])
    return np.concatenate([x] * 3, 2) if x.shape[2] == 1 else x


def _grid(images, columns=8):
    import numpy as np

    n, channels, height, width = images.shape
    if channels == 1:
        images = np.concatenate([images] * 3, 1)
    columns = min(n, columns)
    rows = -(-n // columns)
    canvas = np.zeros((rows * height, columns * width, images.shape[1]), images.dtype)
    for i, picture in enumerate(images):
        y, x = divmod(i, columns)
        canvas[y * height:(y + 1) * height, x * width:(x + 1) * width] = picture.transpose(1, 2, 0)
    return canvas


def pixels(x):
    """An image as bytes: floating ones are in [0, 1]."""
    import numpy as np

    scale = 1 if x.dtype == np.uint8 else 255
    return (x.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)


def figure_image(figures, close=True):
    """Matplotlib figures as images (channels, height, width), stacked if there are several."""
    import matplotlib.backends.backend_agg as agg
    import matplotlib.pyplot as plt
    import numpy as np

    def render(figure):
        canvas = agg.FigureCanvasAgg(figure)
        canvas.draw()
        data = np.frombuffer(canvas.buffer_rgba(), dtype=np.uint8)
        width, height = canvas.get_width_height()
        if close:
            plt.close(figure)
        return data.reshape(height, width, 4)[:, :, :3].transpose(2, 0, 1)

    if isinstance(figures, (list, tuple)):
        return np.stack([render(f) for f in figures])
    return render(figures)
