"""A small GPT: attention instead of recurrence, on the same text as char_lstm.py.

    python examples/transformer.py [--quick]

Source: Vaswani et al., arXiv 1706.03762; norms come first, as in GPT-2.
"""

import text

import facula
import facula.nn.functional as F
from facula import nn

LENGTH = 64


class Block(nn.Module):
    """Attention to what came before, then a network for each place."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def attend(self, x):  # (batch, time, width)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        made = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (batch, heads, time, width / heads)
        return self.out(made.transpose(1, 2).flatten(2))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.network(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, characters, width=96, heads=4, depth=3):
        super().__init__()
        self.characters, self.places = nn.Embedding(characters, width), nn.Embedding(LENGTH, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters, bias=False)

    def forward(self, x):  # (batch, time)
        x = self.characters(x) + self.places(facula.arange(x.shape[1]))
        return self.head(self.norm(self.blocks(x)))


@facula.no_grad()
def write(model, characters, start, count):
    """`start` continued by `count` characters, each drawn from what the model expects."""
    numbers = characters.encode(start).unsqueeze(0)
    for _ in range(count):
        chances = (model(numbers[:, -LENGTH:])[0, -1] / 0.7).softmax(0)
        numbers = facula.cat([numbers, facula.multinomial(chances, 1).unsqueeze(0)], 1)
    return characters.decode(numbers[0].tolist())


def main(steps):
    facula.manual_seed(0)
    corpus = text.read()
    characters = text.Characters(corpus)
    data = characters.encode(corpus)
    model = GPT(len(characters))
    optimizer = facula.optim.AdamW(model.parameters(), lr=2e-3)
    warmup = facula.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=20)
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    loss = text.train(model, model, optimizer, data, length=LENGTH, steps=steps, schedule=warmup)
    print(write(model, characters, corpus[:5], 200))
    return loss


if __name__ == "__main__":
    print(f"loss: {main(text.steps(__doc__, quick=80, full=2000)):.3f}")
