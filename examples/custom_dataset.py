"""A dataset of one's own: images in a folder, labels in a CSV file.

    python examples/custom_dataset.py [--quick]

The images are drawn here first, circles and squares of random size and place.
"""

import argparse
import csv
import os
import random
import tempfile

from PIL import Image, ImageDraw

import facula
from facula import nn
from facula.utils.data import DataLoader, Dataset, random_split
from facula.vision.io import ImageReadMode, read_image
from facula.vision.transforms import v2

NAMES = ["circle", "square"]


def draw_images(folder, count):
    """Writes `count` images and labels.csv: file name, label."""
    draws = random.Random(0)
    with open(os.path.join(folder, "labels.csv"), "w", newline="") as file:
        table = csv.writer(file)
        for i in range(count):
            image, label, size = Image.new("L", (24, 24)), draws.randrange(2), draws.randint(8, 16)
            x, y = draws.randint(0, 23 - size), draws.randint(0, 23 - size)
            pen = ImageDraw.Draw(image)
            (pen.ellipse if label == 0 else pen.rectangle)((x, y, x + size, y + size), fill=255)
            image.save(os.path.join(folder, f"{i:04d}.png"))
            table.writerow([f"{i:04d}.png", label])


class LabelledImages(Dataset):
    """Images of a folder with the labels that a CSV file gives them."""

    def __init__(self, folder, transform=None, target_transform=None):
        with open(os.path.join(folder, "labels.csv"), newline="") as file:
            self.rows = [(name, int(label)) for name, label in csv.reader(file)]
        self.folder, self.transform, self.target_transform = folder, transform, target_transform

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        name, label = self.rows[index]
        image = read_image(os.path.join(self.folder, name), ImageReadMode.GRAY)
        if self.transform:
            image = self.transform(image)
        if self.target_transform:
            label = self.target_transform(label)
        return image, label


def main(count, epochs):
    facula.manual_seed(0)
    transform = v2.Compose([v2.RandomHorizontalFlip(), v2.ToDtype(facula.float32, scale=True), v2.Normalize([0.5], [0.5])])
    with tempfile.TemporaryDirectory() as folder:
        draw_images(folder, count)
        data = LabelledImages(folder, transform)
        training, test = random_split(data, [0.8, 0.2])
        model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(2),
                              nn.Flatten(), nn.Linear(64, 2))
        optimizer = facula.optim.AdamW(model.parameters(), lr=5e-3)
        for epoch in range(epochs):
            for x, y in DataLoader(training, batch_size=32, shuffle=True):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
            print(f"epoch {epoch + 1}: loss {loss.item():.3f}")
        x, y = next(iter(DataLoader(test, batch_size=len(test))))
        with facula.no_grad():
            guesses = model(x).argmax(1)
    for guess, label in list(zip(guesses.tolist(), y.tolist()))[:3]:
        print(f"a {NAMES[label]} taken for a {NAMES[guess]}")
    return (guesses == y).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer images, for tests")
    args = parser.parse_args()
    print(f"accuracy: {main(*((300, 6) if args.quick else (1000, 10))):.3f}")
