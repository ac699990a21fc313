"""Operations on boxes and regions, and models, beside torchvision's."""

import pytest

import facula
from facula.vision import ops

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
pytestmark = pytest.mark.oracle


def numbers(*shape, low=0.0, high=1.0, seed=0):
    """The same uniform numbers on both sides, as leaves in double precision."""
    torch.manual_seed(seed)
    theirs = torch.rand(*shape, dtype=torch.float64) * (high - low) + low
    return facula.from_numpy(theirs.numpy().copy()).requires_grad_(), theirs.clone().requires_grad_()


def boxes(n, limit=20.0, seed=1, images=0):
    """(x1, y1, x2, y2) as rows, after the image's number where there are images."""
    torch.manual_seed(seed)
    corner, side = torch.rand(n, 2, dtype=torch.float64) * limit, torch.rand(n, 2, dtype=torch.float64) * limit / 2
    rows = torch.cat([corner, corner + side], 1)
    if images:
        rows = torch.cat([torch.randint(images, (n, 1)).double(), rows], 1)
    return facula.from_numpy(rows.numpy().copy()), rows


def same(ours, theirs, **tolerance):
    torch.testing.assert_close(torch.from_numpy(ours.detach().numpy()), theirs.detach(), equal_nan=True, **tolerance)


def same_with_gradients(function, *pairs):
    """Results and gradients of function(torch or facula's operations, *tensors)."""
    ours, theirs = function(ops, *[p[0] for p in pairs]), function(torchvision.ops, *[p[1] for p in pairs])
    same(ours, theirs)
    if not theirs.requires_grad:
        return
    weights = torch.rand(theirs.shape, dtype=theirs.dtype)
    (ours * facula.from_numpy(weights.numpy())).sum().backward()
    (theirs * weights).sum().backward()
    for a, b in pairs:
        if b.grad is not None:
            same(a.grad, b.grad)


ROI = [lambda o, x, b, **k: o.roi_align(x, b, (3, 2), **k), lambda o, x, b, **k: o.roi_align(x, b, 3, aligned=True, **k),
       lambda o, x, b, **k: o.roi_align(x, b, 3, sampling_ratio=2, **k), lambda o, x, b, **k: o.roi_pool(x, b, (2, 3), **k),
       lambda o, x, b, **k: o.ps_roi_align(x, b, (3, 2), **k), lambda o, x, b, **k: o.ps_roi_align(x, b, 2, sampling_ratio=3, **k),
       lambda o, x, b, **k: o.ps_roi_pool(x, b, (2, 3), **k)]


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("function", ROI)
def test_pooled_regions(function, scale):
    # torchvision's ps_roi_pool leaves the last row and column out, but spreads gradients to them: its boxes stay away from both.
    limit = 8.0 if function is ROI[-1] else 20.0
    same_with_gradients(lambda o, x, b: function(o, x, b, spatial_scale=scale), numbers(2, 12, 14, 19), boxes(9, limit, images=2))


@pytest.mark.parametrize("groups, offset_groups, masked", [(1, 1, False), (2, 1, True), (1, 2, True), (2, 4, False)])
def test_deform_conv2d(groups, offset_groups, masked):
    x, weight, bias = numbers(2, 4, 9, 8), numbers(6, 4 // groups, 3, 2, seed=1), numbers(6, seed=2)
    offset = numbers(2, offset_groups * 12, 5, 4, low=-3, high=3, seed=3)
    mask = [numbers(2, offset_groups * 6, 5, 4, seed=4)] if masked else []
    same_with_gradients(lambda o, x, f, w, b, *m: o.deform_conv2d(x, f, w, b, (2, 2), (1, 0), (1, 1), *m), x, offset, weight, bias, *mask)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nms(dtype):
    (b, tb), scores = boxes(300), torch.rand(300, dtype=getattr(torch, dtype))
    b, tb, s = b.to(getattr(facula, dtype)), tb.to(getattr(torch, dtype)), facula.from_numpy(scores.numpy())
    classes = torch.randint(5, (300,))
    for threshold in (0.1, 0.5, 0.7):
        same(ops.nms(b, s, threshold), torchvision.ops.nms(tb, scores, threshold))
        same(ops.batched_nms(b, s, facula.from_numpy(classes.numpy()), threshold), torchvision.ops.batched_nms(tb, scores, classes, threshold))


@pytest.mark.parametrize("name", ["box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"])
def test_overlaps(name):
    first, second = ([t.requires_grad_() for t in boxes(n, seed=n)] for n in (5, 7))
    same_with_gradients(lambda o, a, b: getattr(o, name)(a, b), first, second)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", ["generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss", "sigmoid_focal_loss"])
def test_losses(name, reduction):
    first, second = ([t.requires_grad_() for t in boxes(6, seed=n)] for n in (5, 7))
    if name == "sigmoid_focal_loss":
        second = numbers(6, 4)
    same_with_gradients(lambda o, a, b: getattr(o, name)(a, b, reduction=reduction), first, second)


NOTATIONS = ["xyxy", "xywh", "cxcywh"], ["xywhr", "cxcywhr", "xyxyxyxy"]


@pytest.mark.parametrize("source, target", [(a, b) for family in NOTATIONS for a in family for b in family])
def test_notations(source, target):
    width = {"xyxyxyxy": 8}.get(source, 5 if source.endswith("r") else 4)
    same_with_gradients(lambda o, b: o.box_convert(b, source, target), numbers(4, width))


def test_pyramid_and_its_pooling():
    def run(o, package):
        package.manual_seed(0)
        network = o.FeaturePyramidNetwork([4, 8, 6], 5, o.feature_pyramid_network.LastLevelP6P7(5, 5))
        maps = {str(i): package.linspace(-1, 1, 2 * c * n * n).reshape(2, c, n, n) for i, (c, n) in enumerate(((4, 32), (8, 16), (6, 8)))}
        pyramid = network(maps)
        pool = o.MultiScaleRoIAlign(["0", "1", "2"], 3, 2)
        places = [package.tensor([[1.0, 2, 30, 40], [5, 5, 120, 100]]), package.tensor([[0.0, 0, 127, 127]])]
        return list(pyramid), [*pyramid.values(), pool(pyramid, places, [(128, 128), (100, 120)])]

    (names, ours), (their_names, theirs) = run(ops, facula), run(torchvision.ops, torch)
    assert names == their_names
    for a, b in zip(ours, theirs, strict=True):
        same(a, b)


def test_masks_to_boxes():
    masks = torch.rand(5, 9, 7) > 0.8
    masks[2] = False
    same(ops.masks_to_boxes(facula.from_numpy(masks.numpy())), torchvision.ops.masks_to_boxes(masks))


MODELS = {"resnet18": 64, "mobilenet_v3_small": 64, "efficientnet_b0": 64, "swin_v2_t": 64, "fcn_resnet50": 40, "lraspp_mobilenet_v3_large": 64,
          "deeplabv3_mobilenet_v3_large": 64, "mc3_18": 32, "swin3d_t": 32}


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    from facula.vision import models

    side = MODELS[name]
    shape = (1, 3, 4, side, side) if name in ("mc3_18", "swin3d_t") else (1, 3, side, side)
    kwargs = {"weights_backbone": None} if name.startswith(("fcn", "deeplab", "lraspp")) else {}
    results = []
    for package, source in ((facula, models), (torch, torchvision.models)):
        package.manual_seed(0)
        model = source.get_model(name, num_classes=5, **kwargs).eval()
        package.manual_seed(1)
        with package.no_grad():
            out = model(package.randn(*shape))
        results.append((model, out["out"] if isinstance(out, dict) else out))
    (ours, our_out), (theirs, their_out) = results
    assert str(ours) == str(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values()):
        assert torch.equal(torch.from_numpy(a.numpy()), b)
    same(our_out, their_out, rtol=1e-3, atol=1e-4 * their_out.abs().max().item())
