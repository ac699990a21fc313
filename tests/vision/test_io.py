import io as bytesio

import pytest
from PIL import Image

import facula
from facula.vision import io
from facula.vision.io import ImageReadMode


def gradient(channels=3):
    return (facula.arange(channels * 16 * 16).view(channels, 16, 16) % 256).to(facula.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_loses_nothing(tmp_path, channels):
    path = str(tmp_path / "x.png")
    io.write_png(gradient(channels), path)
    assert facula.equal(io.read_image(path), gradient(channels))
    assert facula.equal(io.decode_png(io.read_file(path)), gradient(channels))
    assert facula.equal(io.decode_image(path), gradient(channels))


def test_jpeg_loses_little_and_less_at_higher_quality(tmp_path):
    smooth = facula.linspace(0, 255, 32).round().to(facula.uint8).expand(3, 32, 32).contiguous()
    errors = [(io.decode_jpeg(io.encode_jpeg(smooth, quality)).float() - smooth).abs().mean().item() for quality in (20, 95)]
    assert errors[1] < errors[0] < 10 and errors[1] < 2
    io.write_jpeg(smooth, str(tmp_path / "x.jpg"))
    assert len(io.decode_jpeg([io.read_file(str(tmp_path / "x.jpg"))] * 2)) == 2


def test_colours_on_request():
    data = io.encode_png(gradient())
    for mode, channels in ((ImageReadMode.GRAY, 1), ("GRAY_ALPHA", 2), ("rgb", 3), (ImageReadMode.RGB_ALPHA, 4), ("RGBA", 4)):
        assert io.decode_image(data, mode).shape == (channels, 16, 16)


def encoded(image, format, **options):
    buffer = bytesio.BytesIO()
    image.save(buffer, format, **options)
    return facula.frombuffer(bytearray(buffer.getvalue()), dtype=facula.uint8)


def test_gifs_have_frames():
    pictures = [Image.new("RGB", (5, 4), c) for c in ("red", "blue")]
    data = encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:])
    assert io.decode_gif(data).shape == (2, 3, 4, 5) and io.decode_image(data)[1, :, 0, 0].tolist() == [0, 0, 255]
    assert io.decode_gif(encoded(pictures[0], "GIF")).shape == (3, 4, 5)


def test_sixteen_bits():
    import numpy as np

    image = Image.fromarray(np.array([[0, 65535], [300, 7]], np.uint16))
    made = io.decode_png(encoded(image, "PNG"))
    assert made.dtype == facula.uint16 and made.to(facula.int32).tolist() == [[[0, 65535], [300, 7]]]


def test_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    data = encoded(Image.new("RGB", (6, 3), "red"), "JPEG", exif=exif)
    assert io.decode_jpeg(data).shape == (3, 3, 6)
    assert io.decode_jpeg(data, apply_exif_orientation=True).shape == (3, 6, 3)


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(RuntimeError, match="No such file or directory: .*none.png"):
        io.read_image(str(tmp_path / "none.png"))
    (tmp_path / "bad.png").write_bytes(b"<html>")
    with pytest.raises(RuntimeError, match="bad.png: no image that can be decoded"):
        io.read_image(str(tmp_path / "bad.png"))
    with pytest.raises(RuntimeError, match="decode_jpeg: no image that can be decoded as JPEG"):
        io.decode_jpeg(io.encode_png(gradient()))
    with pytest.raises(RuntimeError, match="dtype should be uint8"):
        io.encode_png(facula.zeros(3, 4, 4))
    with pytest.raises(RuntimeError, match="channels should be 1 or 3, got: 2"):
        io.encode_jpeg(gradient(2))
    with pytest.raises(ValueError, match="between 1 and 100"):
        io.encode_jpeg(gradient(), quality=0)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(RuntimeError, match="Expected a non empty file"):
        io.read_file(str(tmp_path / "empty"))
