"""A character-level LSTM that learns to write like Python's licence.

    python examples/char_lstm.py [--quick]
"""

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
    loss = text.train(model, lambda x: model(x)[0], optimizer, data, length=48, steps=steps)
    print(write(model, characters, corpus[:5], 200))
    return loss


if __name__ == "__main__":
    print(f"loss: {main(text.steps(__doc__, quick=60, full=1500)):.3f}")
