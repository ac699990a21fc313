"""LeNet-5 on handwritten digits.

    python examples/lenet.py [--data FOLDER] [--quick]

With MNIST's files below FOLDER it takes these, without them the digits that come with Facula.
Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.
"""

import argparse
import os

import facula
import facula.nn.functional as F
from facula import nn
from facula.utils.data import DataLoader
from facula.vision import datasets
from facula.vision.transforms import Compose, Resize, ToTensor


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16 * 5 * 5, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):  # (batch, 1, 32, 32)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (batch, 6, 14, 14)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (batch, 16, 5, 5)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


def load(folder, train):
    transform = Compose([Resize((32, 32)), ToTensor()])
    if os.path.isdir(os.path.join(folder, "MNIST", "raw")):
        return datasets.MNIST(folder, train=train, transform=transform)
    return datasets.Digits(train=train, transform=transform)


def main(folder, epochs):
    facula.manual_seed(0)
    model = LeNet()
    optimizer = facula.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = facula.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loader = DataLoader(load(folder, True), batch_size=32, shuffle=True)
    for epoch in range(epochs):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        schedule.step()
        print(f"epoch {epoch + 1}: mean loss {total / len(loader):.3f}")
    model.eval()
    right = count = 0
    with facula.inference_mode():
        for x, y in DataLoader(load(folder, False), batch_size=256):
            right, count = right + (model(x).argmax(1) == y).sum().item(), count + len(y)
    return right / count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", help="folder of the datasets")
    parser.add_argument("--quick", action="store_true", help="few epochs, for tests")
    args = parser.parse_args()
    print(f"accuracy: {main(args.data, 4 if args.quick else 12):.3f}")
