"""Trains an MLP and a small CNN on handwritten digits, saves and reloads them, and reports.

Run `python -m facula.demo`. The same seed gives the same report at every thread count.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import facula
from facula import nn
from facula.utils.data import DataLoader, TensorDataset, random_split
from facula.vision.datasets import Digits


def make_mlp() -> nn.Module:
    """Two hidden layers on the 64 pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def make_cnn() -> nn.Module:
    """Two convolutions and a pooling step."""
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10))


def progress(steps, label):
    """A progress bar where tqdm and a terminal are there."""
    try:
        from tqdm import tqdm
    except ImportError:
        return steps
    return tqdm(steps, desc=label, leave=False, disable=not sys.stderr.isatty())


def train(model, loader, epochs, label, lr=2e-3):
    """Adam with a decaying rate; returns the loss of every step."""
    optimizer = facula.optim.Adam(model.parameters(), lr=lr)
    schedule = facula.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    criterion, losses = nn.CrossEntropyLoss(), []
    for _ in progress(range(epochs), label):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
    return losses


def predict(model, images):
    """The likeliest digit of each image."""
    model.eval()
    with facula.no_grad():
        return model(images).argmax(1)


def reload(model, make, folder, name):
    """Saves the weights and loads them into a fresh model."""
    path = Path(folder) / f"{name}.pt"
    facula.save(model.state_dict(), path)
    fresh = make()
    fresh.load_state_dict(facula.load(path))
    return fresh


def draw(losses, images, labels, predictions, path):
    """The loss curves, and test images with predictions (wrong ones in red), as a PNG."""
    from PIL import Image, ImageDraw

    width, height, cell, columns = 640, 220, 64, 10
    rows = 4
    picture = Image.new("RGB", (width, height + rows * cell), "white")
    pen = ImageDraw.Draw(picture)
    for (name, values), colour, line in zip(losses.items(), ("#1f77b4", "#d62728"), range(2)):
        top = max(values)
        points = [(20 + i * (width - 40) / max(len(values) - 1, 1), height - 20 - v / top * (height - 50)) for i, v in enumerate(values)]
        pen.line(points, fill=colour, width=2)
        pen.text((width - 160, 12 + 16 * line), f"{name} loss, max {top:.2f}", fill=colour)
    pen.line([(20, 10), (20, height - 20), (width - 20, height - 20)], fill="black")
    for i in range(rows * columns):
        pixels = (255 - images[i, 0] * 255).to(facula.uint8).tolist()
        tile = Image.new("L", (8, 8))
        tile.putdata([p for row in pixels for p in row])
        x, y = i % columns * cell, height + i // columns * cell
        picture.paste(tile.resize((cell - 20, cell - 20)), (x + 10, y))
        right = int(predictions[i]) == int(labels[i])
        pen.text((x + cell // 2 - 3, y + cell - 18), str(int(predictions[i])), fill="black" if right else "red")
    picture.save(path)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--picture", default="digits.png", help="where the PNG goes")
    options = parser.parse_args(arguments)
    if options.threads:
        facula.set_num_threads(options.threads)
    facula.manual_seed(options.seed)
    digits = Digits()
    data = TensorDataset(digits.data.unsqueeze(1).float() / 16, digits.targets)
    training, test = random_split(data, [1437, 360])
    loader = DataLoader(training, batch_size=32, shuffle=True)
    images, labels = (facula.stack(column) for column in zip(*(test[i] for i in range(len(test)))))
    print(f"{len(digits)} images of 8 x 8 pixels: {len(training)} to train on, {len(test)} to test")
    losses, started, good = {}, time.perf_counter(), True
    for name, make in (("MLP", make_mlp), ("CNN", make_cnn)):
        model = make()
        losses[name] = train(model, loader, options.epochs, name)
        found = predict(model, images)
        accuracy = (found == labels).float().mean().item()
        with tempfile.TemporaryDirectory() as folder:
            same = facula.equal(predict(reload(model, make, folder, name), images), found)
        good = good and accuracy >= 0.97 and same
        parameters = sum(p.numel() for p in model.parameters())
        print(f"{name}: {parameters} parameters, last loss {losses[name][-1]:.6f}, test accuracy {accuracy:.2%}, "
              f"predictions after saving and loading {'identical' if same else 'DIFFERENT'}")
    draw(losses, images, labels, found, options.picture)
    print(f"drawn: {options.picture}")
    print(f"took {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
