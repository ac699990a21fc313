"""Image datasets."""

from .cifar import CIFAR10, CIFAR100
from .coco import CocoCaptions, CocoDetection
from .digits import Digits
from .fakedata import FakeData
from .folder import DatasetFolder, ImageFolder, ImageNet
from .mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from .vision import VisionDataset

__all__ = ["CIFAR10", "CIFAR100", "CocoCaptions", "CocoDetection", "DatasetFolder", "Digits", "EMNIST", "FakeData", "FashionMNIST",
           "ImageFolder", "ImageNet", "KMNIST", "MNIST", "QMNIST", "VisionDataset"]
