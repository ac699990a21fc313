"""Event files read back by TensorBoard's own accumulator."""

import pytest

import facula
from facula import nn

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from facula.utils.tensorboard import SummaryWriter  # noqa: E402


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0, "histograms": 0, "images": 0, "audio": 0})
    return events.Reload()


def test_scalars_keep_steps_and_values(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("loss", facula.tensor(2.0 ** step), step)
        writer.add_scalar("new", 1.5, 0, new_style=True)
        writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 4)
    assert [(e.step, e.value) for e in read(tmp_path).Scalars("loss")] == [(0, 1), (1, 2), (2, 4)]
    assert read(tmp_path).Tensors("new")[0].tensor_proto.float_val[:] == [1.5]
    assert read(tmp_path / "both_b").Scalars("both")[0].value == 2


@pytest.mark.parametrize("bins", ["tensorflow", "auto", 10])
def test_histograms_count_every_value(tmp_path, bins):
    x = facula.cat([facula.randn(500), facula.zeros(3)])
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("x", x, 0, bins=bins)
    h = read(tmp_path).Histograms("x")[0].histogram_value
    assert sum(h.bucket) == h.num == 503 and h.min == pytest.approx(x.min().item()) and h.sum == pytest.approx(x.sum().item(), abs=1e-3)
    assert h.bucket_limit == sorted(h.bucket_limit) and len(h.bucket) == len(h.bucket_limit)


def test_images_sound_and_film(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("gray", facula.rand(4, 6), 0, dataformats="HW")
        writer.add_images("batch", facula.rand(9, 1, 4, 6), 0)
        writer.add_image("bytes", facula.randint(0, 256, (3, 4, 6), dtype=facula.uint8), 0)
        writer.add_image_with_boxes("boxes", facula.rand(3, 20, 20), facula.tensor([[2.0, 2.0, 9.0, 9.0]]), 0)
        writer.add_audio("sound", facula.rand(1, 100) - 0.5, 0, 8000)
        writer.add_video("film", facula.rand(1, 3, 3, 8, 8), 0)
        with pytest.raises(AssertionError, match="input_format"):
            writer.add_image("wrong", facula.rand(4, 6), 0)
    events = read(tmp_path)
    assert {tag: (events.Images(tag)[0].width, events.Images(tag)[0].height) for tag in events.Tags()["images"]} == {
        "gray": (6, 4), "batch": (48, 8), "bytes": (6, 4), "boxes": (20, 20), "film": (8, 8)}
    assert events.Audio("sound")[0].length_frames == 100


def test_a_graph_has_the_modules_as_scopes(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, facula.randn(1, 4))
    nodes = {n.name: n for n in read(tmp_path).Graph().node}
    assert {"input/input", "Sequential/Linear[0]/weight", "output/output.1"} <= set(nodes)
    assert any(n.startswith("Sequential/ReLU[1]/relu") for n in nodes) and all(i in nodes for n in nodes.values() for i in n.input)


def test_the_rest(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "hello")
        writer.add_pr_curve("pr", facula.tensor([0, 1, 1, 0]), facula.tensor([0.1, 0.8, 0.6, 0.7]), 0)
        writer.add_embedding(facula.randn(5, 3), metadata=list("abcde"), label_img=facula.rand(5, 3, 4, 4), global_step=2)
        writer.add_hparams({"lr": 0.1, "deep": True, "kind": "a"}, {"accuracy": 0.9}, run_name="run")
        writer.add_mesh("mesh", facula.rand(1, 4, 3))
        writer.add_tensor("t", facula.ones(2, 2), 0)
        writer.add_custom_scalars_multilinechart(["a", "b"])
    tags = read(tmp_path).Tags()["tensors"]
    assert {"note/text_summary", "pr", "t", "custom_scalars__config__"} <= set(tags)
    assert (tmp_path / "00002" / "default" / "sprite.png").exists() and "00002/default/metadata.tsv" in (tmp_path / "projector_config.pbtxt").read_text()
    assert read(tmp_path / "run").Scalars("accuracy")[0].value == pytest.approx(0.9)
    curve = read(tmp_path).Tensors("pr")[0].tensor_proto
    assert curve.float_val[0] == 2 and curve.float_val[127] == 2  # all positives and all negatives at threshold 0
