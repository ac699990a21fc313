"""Use what a network has learnt for another task: freeze its features, train a new last layer.

    python examples/transfer_learning.py [--quick]

A small network learns the digits 0 to 4; its frozen features then serve to tell 5 to 9 apart, from 20 examples of each. A large
pretrained one works the same way:

    model = facula.vision.models.resnet18(weights="DEFAULT")      # downloads the weights
    model.requires_grad_(False)
    model.fc = nn.Linear(model.fc.in_features, 5)                  # new layers want gradients
"""

import argparse

import facula
from facula import nn
from facula.utils.data import DataLoader, TensorDataset
from facula.vision.datasets import Digits


def digits(train, wanted, each=None):
    """Images of some digits, numbered from 0; `each` is how many of each digit."""
    data = Digits(train=train)
    images, labels = data.data.unsqueeze(1) / 16, data.targets
    chosen = [(labels == d).nonzero().squeeze(1)[:each] for d in wanted]
    return TensorDataset(images[facula.cat(chosen)], facula.cat([facula.full((len(c),), i) for i, c in enumerate(chosen)]))


def fit(model, data, epochs):
    """Trains those parameters that want gradients."""
    optimizer = facula.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(epochs):
        for x, y in DataLoader(data, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()


@facula.no_grad()
def accuracy(model, data):
    x, y = data.tensors
    return (model.eval()(x).argmax(1) == y).float().mean().item()


def main(epochs):
    facula.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    model = nn.Sequential(features, nn.Linear(32 * 9, 5))
    fit(model, digits(True, range(5)), epochs)
    print(f"digits 0-4: {accuracy(model, digits(False, range(5))):.1%} right")

    features.requires_grad_(False)
    before = features[0].weight.clone()
    model[1] = nn.Linear(32 * 9, 5)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"training {trained} of {sum(p.numel() for p in model.parameters())} parameters on 100 images")
    fit(model.train(), digits(True, range(5, 10), each=20), 4 * epochs)
    assert facula.equal(before, features[0].weight)  # frozen
    return accuracy(model, digits(False, range(5, 10)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few epochs, for tests")
    args = parser.parse_args()
    print(f"accuracy: {main(5 if args.quick else 15):.3f}")
