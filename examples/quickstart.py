"""Train a classifier, save it, load it, use it.

    python examples/quickstart.py [--data FOLDER] [--quick]

With FashionMNIST's files below FOLDER (as torchvision leaves them: FOLDER/FashionMNIST/raw) it learns clothes; without them,
the handwritten digits that come with Facula.
"""

import argparse
import os
import tempfile

import facula
from facula import nn
from facula.utils.data import DataLoader
from facula.vision import datasets
from facula.vision.transforms import ToTensor


def load(folder):
    """Training and test data, and the names of their classes."""
    if os.path.isdir(os.path.join(folder, "FashionMNIST", "raw")):
        sets = [datasets.FashionMNIST(folder, train=train, transform=ToTensor()) for train in (True, False)]
    else:
        sets = [datasets.Digits(train=train, transform=ToTensor()) for train in (True, False)]
    return *sets, sets[0].classes


class Classifier(nn.Module):
    def __init__(self, pixels, classes):
        super().__init__()
        self.flatten = nn.Flatten()
        self.layers = nn.Sequential(nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, classes))

    def forward(self, x):
        return self.layers(self.flatten(x))


def train(loader, model, loss_fn, optimizer):
    model.train()
    for x, y in loader:
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@facula.no_grad()
def accuracy(loader, model):
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return right / len(loader.dataset)


def main(folder, epochs):
    facula.manual_seed(0)
    training, test, classes = load(folder)
    pixels = training[0][0].numel()
    model = Classifier(pixels, len(classes))
    print(model)
    train_loader, test_loader = DataLoader(training, batch_size=64, shuffle=True), DataLoader(test, batch_size=256)
    loss_fn, optimizer = nn.CrossEntropyLoss(), facula.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        train(train_loader, model, loss_fn, optimizer)
        print(f"epoch {epoch + 1}: {accuracy(test_loader, model):.1%} of the test images are right")

    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "model.pth")
        facula.save(model.state_dict(), path)
        again = Classifier(pixels, len(classes))
        again.load_state_dict(facula.load(path, weights_only=True))
    again.eval()
    image, label = test[0]
    guess = again(image.unsqueeze(0)).argmax(1).item()
    print(f"the loaded model says {classes[guess]}, it is {classes[label]}")
    return accuracy(test_loader, again)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", help="folder of the datasets")
    parser.add_argument("--quick", action="store_true", help="few epochs, for tests")
    args = parser.parse_args()
    print(f"accuracy: {main(args.data, 4 if args.quick else 15):.3f}")
