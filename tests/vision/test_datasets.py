"""Datasets read their formats: small files made here."""

import bz2
import json
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import facula
from facula.vision import datasets, tv_tensors
from facula.vision.datasets import Digits, arrays, utils
from facula.vision.datasets._mat import load_mat
from facula.vision.datasets.mnist import read_image_file


def picture(path, size=(6, 5), color=(10, 20, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color if mode == "RGB" else color[0]).save(path)
    return path


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def save_mat(path, compressed=True, **named):
    """A MATLAB file of arrays of bytes or doubles."""
    out = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")
    for name, array in named.items():
        kind, stored = (9, 2) if array.dtype == np.uint8 else (6, 9)
        body = element(6, struct.pack("<II", kind, 0)) + element(5, np.array(array.shape, "<i4").tobytes()) + element(1, name.encode()) + \
            element(stored, array.tobytes(order="F"))
        whole = element(14, body)
        packed = zlib.compress(whole)
        out += struct.pack("<II", 15, len(packed)) + packed if compressed else whole
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out)


@pytest.fixture
def any_checksum(monkeypatch):
    """Takes files for whole if they are there."""
    import facula.vision.datasets.celeba
    import facula.vision.datasets.cifar
    import facula.vision.datasets.kinds

    def there(path, md5=None):
        return utils.os.path.isfile(path)

    for module in (arrays, datasets.celeba, datasets.cifar, datasets.kinds):
        monkeypatch.setattr(module, "check_integrity", there)


def test_digits_are_all_there():
    digits = Digits()
    assert len(digits) == 1797 and digits.data.shape == (1797, 8, 8) and int(digits.data.max()) == 16
    assert len(Digits(train=True)) + len(Digits(train=False)) == 1797


def test_a_web_page_is_no_idx_file(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="not an IDX file .* looks like a web page"):
        read_image_file(path)


def test_matlab_files(tmp_path):
    x, y = np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.array([[1.0, 2.5]])
    for compressed in (True, False):
        save_mat(tmp_path / "a.mat", compressed, X=x, y=y)
        read = load_mat(tmp_path / "a.mat")
        assert (read["X"] == x).all() and read["X"].dtype == np.uint8 and read["y"].tolist() == [[1.0, 2.5]]
    (tmp_path / "a.mat").write_bytes((tmp_path / "a.mat").read_bytes()[:-20])
    with pytest.raises(ValueError, match="a.mat: truncated or damaged"):
        load_mat(tmp_path / "a.mat")
    (tmp_path / "b.mat").write_bytes(b"<html>" * 50)
    with pytest.raises(ValueError, match="b.mat: not a MATLAB level 5 file"):
        load_mat(tmp_path / "b.mat")


def test_svhn(tmp_path, any_checksum):
    x = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 2), dtype=np.uint8)
    save_mat(tmp_path / "train_32x32.mat", X=x, y=np.array([[10.0], [3.0]]))
    data = datasets.SVHN(str(tmp_path))
    assert len(data) == 2 and data.labels.tolist() == [0, 3]
    image, label = data[1]
    assert label == 3 and (np.asarray(image) == x[..., 1]).all()
    assert "Split: Train" in repr(data)


def test_usps(tmp_path, any_checksum):
    row = " ".join(f"{i + 1}:{-1 if i else 1}" for i in range(256))
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(f"6 {row}\n1 {row}\n".encode()))
    data = datasets.USPS(str(tmp_path))
    assert data.targets == [5, 0] and np.asarray(data[0][0])[0, :2].tolist() == [255, 0]


def test_stl10(tmp_path, any_checksum):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for name, count in (("train", 3), ("test", 1), ("unlabeled", 2)):
        np.arange(count * 3 * 96 * 96, dtype=np.uint8).tofile(folder / f"{name}_X.bin")
        np.arange(1, count + 1, dtype=np.uint8).tofile(folder / f"{name}_y.bin")
    text(folder / "class_names.txt", "airplane", "bird", "car")
    text(folder / "fold_indices.txt", "2 0 ", "1 ")
    data = datasets.STL10(str(tmp_path))
    assert len(data) == 3 and data[2][1] == 2 and data.classes[1] == "bird"
    assert np.asarray(data[0][0])[1, 0, 0] == 1  # columns come first in the file
    assert datasets.STL10(str(tmp_path), "train+unlabeled").labels.tolist() == [0, 1, 2, -1, -1]
    assert datasets.STL10(str(tmp_path), folds=0).labels.tolist() == [2, 0]


def test_cifar(tmp_path, any_checksum):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for i, name in enumerate([f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]):
        with open(folder / name, "wb") as file:
            pickle.dump({"data": np.full((2, 3072), i, np.uint8), "labels": [i, 9]}, file)
    with open(folder / "batches.meta", "wb") as file:
        pickle.dump({"label_names": ["plane", "car"]}, file)
    data = datasets.CIFAR10(str(tmp_path))
    assert len(data) == 10 and data.data.shape == (10, 32, 32, 3) and data[2][1] == 1 and np.asarray(data[2][0]).max() == 1


def test_folders_of_classes(tmp_path):
    for name in ("cat", "dog"):
        picture(tmp_path / name / "a.png")
    picture(tmp_path / "dog" / "deep" / "b.jpg")
    data = datasets.ImageFolder(str(tmp_path))
    assert data.classes == ["cat", "dog"] and data.targets == [0, 1, 1] and data[0][0].mode == "RGB"
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Found no valid file for the classes empty"):
        datasets.ImageFolder(str(tmp_path))


def voc(root):
    folder = root / "VOCdevkit" / "VOC2012"
    text(folder / "ImageSets" / "Main" / "train.txt", "one")
    text(folder / "ImageSets" / "Segmentation" / "train.txt", "one")
    picture(folder / "JPEGImages" / "one.jpg", (20, 10))
    picture(folder / "SegmentationClass" / "one.png", (20, 10), mode="L")
    boxes = "".join(f"<object><name>{name}</name><bndbox><xmin>{x}</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object>"
                    for name, x in (("cat", 1), ("person", 3)))
    text(folder / "Annotations" / "one.xml", f"<annotation><filename>one.jpg</filename>{boxes}</annotation>")


def test_voc(tmp_path):
    voc(tmp_path)
    image, target = datasets.VOCDetection(str(tmp_path))[0]
    assert image.size == (20, 10) and [o["name"] for o in target["annotation"]["object"]] == ["cat", "person"]
    assert datasets.VOCSegmentation(str(tmp_path))[0][1].size == (20, 10)
    with pytest.raises(ValueError, match="Unknown value 'test' for argument image_set"):
        datasets.VOCDetection(str(tmp_path), image_set="test")
    with pytest.raises(RuntimeError, match="download=True"):
        datasets.VOCDetection(str(tmp_path / "none"))


def coco(root):
    picture(root / "a.jpg", (8, 6))
    annotations = [{"id": 5, "image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 7, "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4]], "area": 12},
                   {"id": 6, "image_id": 1, "bbox": [0, 0, 2, 2], "category_id": 8, "area": 6,
                    "segmentation": {"size": [6, 8], "counts": [0, 6, 42]}}]
    (root / "ann.json").write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": annotations}))
    (root / "cap.json").write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}],
                                               "annotations": [{"id": 1, "image_id": 1, "caption": "a dot"}]}))


def test_coco(tmp_path):
    coco(tmp_path)
    data = datasets.CocoDetection(str(tmp_path), str(tmp_path / "ann.json"))
    image, target = data[0]
    assert image.size == (8, 6) and [a["category_id"] for a in target] == [7, 8]
    assert datasets.CocoCaptions(str(tmp_path), str(tmp_path / "cap.json"))[0][1] == ["a dot"]


def test_datasets_say_what_their_samples_are(tmp_path):
    coco(tmp_path)
    voc(tmp_path)
    data = datasets.CocoDetection(str(tmp_path), str(tmp_path / "ann.json"))
    image, target = datasets.wrap_dataset_for_transforms_v2(data, target_keys=("boxes", "masks", "labels"))[0]
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes) and target["boxes"].tolist() == [[1, 2, 4, 6], [0, 0, 2, 2]]
    assert target["boxes"].canvas_size == (6, 8) and target["labels"].tolist() == [7, 8]
    assert target["masks"].shape == (2, 6, 8) and target["masks"][1, :, 0].eq(1).all() and target["masks"][1].sum() == 6
    assert target["masks"][0, 2, 3] == 1
    _, target = datasets.wrap_dataset_for_transforms_v2(datasets.VOCDetection(str(tmp_path)))[0]
    assert target["boxes"].tolist() == [[1, 2, 9, 8], [3, 2, 9, 8]] and target["labels"].tolist() == [8, 15]
    assert isinstance(datasets.wrap_dataset_for_transforms_v2(datasets.VOCSegmentation(str(tmp_path)))[0][1], tv_tensors.Mask)
    with pytest.raises(TypeError, match="meant for subclasses"):
        datasets.wrap_dataset_for_transforms_v2([1, 2])


def test_caltech(tmp_path):
    for name in ("Faces", "ant", "BACKGROUND_Google"):
        picture(tmp_path / "caltech101" / "101_ObjectCategories" / name / "image_0001.jpg")
    save_mat(tmp_path / "caltech101" / "Annotations" / "Faces_2" / "annotation_0001.mat", obj_contour=np.ones((2, 4)))
    data = datasets.Caltech101(str(tmp_path), target_type=["category", "annotation"])
    assert data.categories == ["Faces", "ant"] and data[0][1][0] == 0 and data[0][1][1].shape == (2, 4)
    picture(tmp_path / "caltech256" / "256_ObjectCategories" / "001.ak47" / "001_0001.jpg")
    assert datasets.Caltech256(str(tmp_path))[0][1] == 0


def test_celeba(tmp_path, any_checksum):
    folder = tmp_path / "celeba"
    names = ["000001.jpg", "000002.jpg"]
    for name in names:
        picture(folder / "img_align_celeba" / name)
    text(folder / "list_eval_partition.txt", "000001.jpg 0", "000002.jpg 1")
    text(folder / "identity_CelebA.txt", "000001.jpg 77", "000002.jpg 88")
    text(folder / "list_bbox_celeba.txt", "2", "image_id x_1 y_1 width height", "000001.jpg 1 2 3 4", "000002.jpg 5 6 7 8")
    text(folder / "list_landmarks_align_celeba.txt", "2", "lefteye_x lefteye_y", "000001.jpg 1 2", "000002.jpg 3 4")
    text(folder / "list_attr_celeba.txt", "2", "Bald Young", "000001.jpg -1 1", "000002.jpg 1 1")
    data = datasets.CelebA(str(tmp_path), target_type=["attr", "identity", "bbox"])
    assert len(data) == 1 and data.attr_names == ["Bald", "Young"]
    attr, identity, box = data[0][1]
    assert attr.tolist() == [0, 1] and int(identity) == 77 and box.tolist() == [1, 2, 3, 4]
    assert len(datasets.CelebA(str(tmp_path), "all")) == 2
    wrapped = datasets.wrap_dataset_for_transforms_v2(data)[0][1]
    assert wrapped["bbox"].tolist() == [[1, 2, 4, 6]]


def test_flowers(tmp_path, any_checksum):
    folder = tmp_path / "flowers-102"
    picture(folder / "jpg" / "image_00002.jpg")
    save_mat(folder / "imagelabels.mat", labels=np.array([[5.0, 7.0]]))
    save_mat(folder / "setid.mat", trnid=np.array([[2.0]]), valid=np.array([[1.0]]), tstid=np.array([[1.0]]))
    data = datasets.Flowers102(str(tmp_path))
    assert len(data) == 1 and data[0][1] == 6 and len(data.classes) == 102


def test_pets(tmp_path):
    folder = tmp_path / "oxford-iiit-pet"
    text(folder / "annotations" / "trainval.txt", "Abyssinian_100 1 1 1", "great_dane_2 2 2 1")
    for name in ("Abyssinian_100", "great_dane_2"):
        picture(folder / "images" / f"{name}.jpg")
        picture(folder / "annotations" / "trimaps" / f"{name}.png", mode="L")
    data = datasets.OxfordIIITPet(str(tmp_path), target_types=["category", "binary-category", "segmentation"])
    assert data.classes == ["Abyssinian", "Great Dane"] and data[1][1][:2] == (1, 1) and data[0][1][2].size == (6, 5)
    assert isinstance(datasets.wrap_dataset_for_transforms_v2(data)[0][1][2], tv_tensors.Mask)


def test_lists_of_files(tmp_path):
    picture(tmp_path / "dtd" / "dtd" / "images" / "dotted" / "d1.jpg")
    text(tmp_path / "dtd" / "dtd" / "labels" / "train1.txt", "dotted/d1.jpg")
    assert datasets.DTD(str(tmp_path))[0][1] == 0
    picture(tmp_path / "food-101" / "images" / "pizza" / "7.jpg")
    text(tmp_path / "food-101" / "meta" / "train.json", json.dumps({"pizza": ["pizza/7"]}))
    assert datasets.Food101(str(tmp_path)).classes == ["pizza"] and datasets.Food101(str(tmp_path))[0][0].size == (6, 5)
    data = tmp_path / "fgvc-aircraft-2013b" / "data"
    picture(data / "images" / "0034309.jpg")
    text(data / "variants.txt", "707-320", "A300")
    text(data / "images_variant_trainval.txt", "0034309 A300")
    assert datasets.FGVCAircraft(str(tmp_path))[0][1] == 1
    picture(tmp_path / "eurosat" / "2750" / "River" / "r.jpg")
    assert datasets.EuroSAT(str(tmp_path)).classes == ["River"]
    picture(tmp_path / "country211" / "train" / "FR" / "r.jpg")
    assert datasets.Country211(str(tmp_path))[0][1] == 0
    picture(tmp_path / "SUN397" / "b" / "bar" / "outdoor" / "sun_1.jpg")
    text(tmp_path / "SUN397" / "ClassName.txt", "/a/abbey", "/b/bar/outdoor")
    assert datasets.SUN397(str(tmp_path))[0][1] == 1
    picture(tmp_path / "imagenette2" / "train" / "n03028079" / "x.jpeg")
    assert datasets.Imagenette(str(tmp_path)).class_to_idx["church"] == 0
    picture(tmp_path / "omniglot-py" / "images_background" / "Greek" / "character01" / "0001_01.png", mode="L")
    assert datasets.Omniglot(str(tmp_path))[0][0].mode == "L"
    with pytest.raises(RuntimeError, match="You can use download=True to download it .missing: .*food"):
        datasets.Food101(str(tmp_path / "other"))


def test_moving_digits(tmp_path):
    (tmp_path / "MovingMNIST").mkdir()
    np.save(tmp_path / "MovingMNIST" / "mnist_test_seq.npy", np.zeros((20, 3, 4, 4), np.uint8))
    assert datasets.MovingMNIST(str(tmp_path))[0].shape == (20, 1, 4, 4)
    assert datasets.MovingMNIST(str(tmp_path), split="test", split_ratio=15)[0].shape == (5, 1, 4, 4)


def test_random_images_stay_the_same():
    data = datasets.FakeData(size=3, image_size=(3, 4, 4), num_classes=2)
    before = facula.get_rng_state()
    assert (np.asarray(data[1][0]) == np.asarray(data[1][0])).all() and facula.equal(before, facula.get_rng_state())
