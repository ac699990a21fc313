"""A character-level LSTM that learns to write like Python's licence.

    python examples/char_lstm.py [--quick]
"""

import argparse

import text

import facula
from facula import nn


class CharLSTM(nn.Module):
    def __init__(self, characters, width=128):
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.lstm = nn.LSTM(32, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, characters)

    def forward(self, x, state=None):  # (batch, time)
        made, state = self.lstm(self.embedding(x), state)
        return self.head(made), state  # (batch, time, characters)


@facula.no_grad()
def write(model, characters, start, count):
    """`start` continued by `count` characters, each drawn from what the model expects."""
    model.eval()
    logits, state = model(characters.encode(start).unsqueeze(0))
    made = []
    for _ in range(count):
        made.append(facula.multinomial((logits[0, -1] / 0.7).softmax(0), 1).item())
        logits, state = model(facula.tensor([[made[-1]]]), state)
    return start + characters.decode(made)


def main(steps):
    facula.manual_seed(0)
    corpus = text.read()
    characters = text.Characters(corpus)
    data = characters.encode(corpus)
    model = CharLSTM(len(characters))
    optimizer = facula.optim.Adam(model.parameters(), lr=4e-3)
    print(f"{len(data)} characters, {len(characters)} different")
    for step in range(steps):
        x, y = text.batch(data, 16, 48)
        loss = nn.functional.cross_entropy(model(x)[0].flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % max(steps // 10, 1) == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    print(write(model, characters, corpus[:5], 200))
    return loss.item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps, for tests")
    args = parser.parse_args()
    print(f"loss: {main(60 if args.quick else 1500):.3f}")
