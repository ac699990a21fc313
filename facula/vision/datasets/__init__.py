"""Image datasets."""

from .arrays import FER2013, SEMEION, STL10, SVHN, USPS, MovingMNIST
from .caltech import Caltech101, Caltech256
from .celeba import CelebA
from .cifar import CIFAR10, CIFAR100
from .coco import CocoCaptions, CocoDetection
from .digits import Digits
from .fakedata import FakeData
from .folder import DatasetFolder, ImageFolder, ImageNet
from .kinds import DTD, FGVCAircraft, Flowers102, Food101, OxfordIIITPet, StanfordCars
from .mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from .scenes import GTSRB, SUN397, Country211, EuroSAT, Imagenette, Omniglot, RenderedSST2
from .vision import VisionDataset
from .voc import VOCDetection, VOCSegmentation
from .wrapped import wrap_dataset_for_transforms_v2

__all__ = ["CIFAR10", "CIFAR100", "Caltech101", "Caltech256", "CelebA", "CocoCaptions", "CocoDetection", "Country211", "DTD", "DatasetFolder",
           "Digits", "EMNIST", "EuroSAT", "FER2013", "FGVCAircraft", "FakeData", "FashionMNIST", "Flowers102", "Food101", "GTSRB",
           "ImageFolder", "ImageNet", "Imagenette", "KMNIST", "MNIST", "MovingMNIST", "Omniglot", "OxfordIIITPet", "QMNIST", "RenderedSST2",
           "SEMEION", "STL10", "SUN397", "SVHN", "StanfordCars", "USPS", "VOCDetection", "VOCSegmentation", "VisionDataset",
           "wrap_dataset_for_transforms_v2"]
