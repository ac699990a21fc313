"""Batches made at once are those made sample by sample."""

import collections

import numpy as np
import pytest

import facula
from facula.utils.data import DataLoader, StackDataset, Subset, TensorDataset, default_collate
from facula.utils.data._utils.collate import collate, default_collate_fn_map
from facula.vision import datasets
from facula.vision import transforms as T
from facula.vision.transforms import v2

Point = collections.namedtuple("Point", "x y")


def mnist(**options):
    made = datasets.MNIST.__new__(datasets.MNIST)
    facula.vision.datasets.VisionDataset.__init__(made, **options)
    made.data, made.targets = facula.arange(40 * 12).reshape(40, 4, 3).to(facula.uint8), facula.arange(40) % 10
    return made


def cifar(**options):
    made = datasets.CIFAR10.__new__(datasets.CIFAR10)
    facula.vision.datasets.VisionDataset.__init__(made, **options)
    made.data = np.arange(40 * 36, dtype=np.uint32).astype(np.uint8).reshape(40, 3, 4, 3).transpose(0, 2, 3, 1)
    made.targets = [i % 10 for i in range(40)]
    return made


def digits(**options):
    return datasets.Digits(train=False, **options)


TRANSFORMS = [T.ToTensor(), T.PILToTensor(), T.Compose([T.ToTensor(), T.Normalize((0.3,), (0.7,))]),
              T.Compose([T.PILToTensor(), T.ConvertImageDtype(facula.float64)]),
              v2.Compose([v2.ToImage(), v2.ToDtype(facula.float32, scale=True), v2.Normalize([0.3], [0.7])]), v2.PILToTensor()]


@pytest.mark.parametrize("make", [mnist, cifar, digits])
@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_array_datasets_are_transformed_by_batch(make, transform):
    data = make(transform=transform)
    assert data._fetch_batch([1, 2]) is not None
    part = Subset(data, [7, 3, 3, 30, 2])
    at_once = list(DataLoader(part, batch_size=3))
    one_by_one = list(DataLoader(part, batch_size=3, collate_fn=lambda samples: default_collate(samples)))
    for mine, wanted in zip(at_once, one_by_one, strict=True):
        assert type(mine) is type(wanted) and type(mine[0]) is type(wanted[0])
        assert mine[0].dtype == wanted[0].dtype and mine[0].stride() == wanted[0].stride()
        assert facula.equal(mine[0], wanted[0]) and facula.equal(mine[1], wanted[1])


@pytest.mark.parametrize("transform", [None, T.RandomHorizontalFlip(), T.Compose([T.ToTensor(), lambda x: x + 1]), np.asarray, T.Compose([])])
def test_other_transforms_see_single_images(transform):
    assert mnist(transform=transform)._fetch_batch([0]) is None


def test_what_a_subclass_gives_counts():
    class Pairs(datasets.Digits):
        def __getitem__(self, index):
            return index, index

    assert next(iter(DataLoader(Pairs(transform=T.ToTensor()), 2)))[0].tolist() == [0, 1]
    assert digits(transform=T.ToTensor(), target_transform=str)._fetch_batch([0]) is None
    with pytest.raises(IndexError):
        next(iter(DataLoader(digits(transform=T.ToTensor()), sampler=[5000])))


def test_rows_are_gathered_at_once():
    data = TensorDataset(facula.arange(12).reshape(6, 2), facula.arange(6.0))
    for order in ([0, -1, 3], [facula.tensor(2), 1, 0]):
        got, wanted = next(iter(DataLoader(data, 3, sampler=order))), default_collate([data[i] for i in order])
        assert type(got) is list and all(map(facula.equal, got, wanted))
    with pytest.raises(IndexError):
        list(DataLoader(data, sampler=[6]))
    stacked = next(iter(DataLoader(StackDataset(a=data, b=range(6)), 3)))
    assert stacked["b"].tolist() == [0, 1, 2] and stacked["a"][0].shape == (3, 2)


def test_collation_follows_the_samples_types():
    made = default_collate([{"p": Point(1, 2.5), "s": "a", "l": [np.float32(1), np.ones(2, np.int16)]}] * 2)
    assert made["p"].x.tolist() == [1, 1] and made["p"].y.dtype == facula.float64 and made["s"] == ["a", "a"]
    assert made["l"][0].dtype == facula.float32 and made["l"][1].dtype == facula.int16 and made["l"][1].shape == (2, 2)
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="default_collate: batch must contain .*; found <class 'NoneType'>"):
        default_collate([None])


def test_own_rules_of_collation():
    def ends(batch, *, collate_fn_map=None):
        return batch[0], batch[-1]

    rules = {**default_collate_fn_map, range: ends}
    got = collate([(range(1), np.ones(1), np.float32(2))] * 2, collate_fn_map=rules)
    assert got[0] == (range(1), range(1)) and got[1].tolist() == [[1], [1]] and got[2].tolist() == [2, 2]


@pytest.mark.parametrize("mode, channels", [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4), ("CMYK", 4), ("HSV", 3), ("1", 1), ("I", 1), ("F", 1)])
@pytest.mark.parametrize("size", [(5, 3), (300, 260)])
def test_pixels_of_pictures(mode, channels, size):
    from PIL import Image

    from facula.vision.transforms import functional as F

    numbers = np.arange(size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    picture = Image.fromarray(numbers)
    picture = picture.convert("L").convert("LA") if mode == "LA" else picture.convert(mode)
    array = np.array(picture)
    array = array.astype(np.float64 if mode == "F" else np.int64)
    wanted = facula.from_numpy(array).reshape(size[1], size[0], channels).permute(2, 0, 1)
    got = F.pil_to_tensor(picture)
    assert got.is_contiguous() and facula.equal(got.to(wanted.dtype), wanted)
    scaled = F.to_tensor(picture)
    if mode in ("1", "I", "F"):
        assert facula.equal(scaled.to(wanted.dtype), wanted)
    else:
        assert scaled.dtype == facula.float32 and scaled.is_contiguous() and facula.equal(scaled, wanted.to(facula.uint8).float().div(255))
