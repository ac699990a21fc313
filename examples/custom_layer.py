"""A layer and a function of one's own, derivative included.

    python examples/custom_layer.py [--quick]

The function is Swish, x * sigmoid(beta * x), with its derivative written out; the layer learns beta. `gradcheck` compares the
derivative with finite differences. Source: Ramachandran, Zoph and Le, arXiv 1710.05941.
"""

import argparse

import facula
from facula import nn
from facula.autograd import Function, gradcheck


class SwishFunction(Function):
    @staticmethod
    def forward(ctx, x, beta):
        gate = facula.sigmoid(beta * x)
        ctx.save_for_backward(x, beta, gate)
        return x * gate

    @staticmethod
    def backward(ctx, grad):
        x, beta, gate = ctx.saved_tensors
        slope = x * gate * (1 - gate)  # how x * gate changes with beta * x
        return grad * (gate + beta * slope), (grad * x * slope).sum()


class Swish(nn.Module):
    """x * sigmoid(beta * x), beta learnt."""

    def __init__(self, beta=1.0):
        super().__init__()
        self.beta = nn.Parameter(facula.tensor(beta))

    def forward(self, x):
        return SwishFunction.apply(x, self.beta)

    def extra_repr(self):
        return f"beta={self.beta.item():.3f}"


def main(steps):
    facula.manual_seed(0)
    x = facula.randn(7, dtype=facula.float64, requires_grad=True)
    beta = facula.tensor(0.7, dtype=facula.float64, requires_grad=True)
    print("the derivative is right:", gradcheck(SwishFunction.apply, (x, beta)))

    model = nn.Sequential(nn.Linear(1, 32), Swish(), nn.Linear(32, 1))
    optimizer = facula.optim.Adam(model.parameters(), lr=1e-2)
    x = facula.linspace(-3, 3, 200).unsqueeze(1)
    y = x.sin()
    for step in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if step % (steps // 5) == 0:
            print(f"step {step}: loss {loss.item():.5f}")
    print(model)
    return loss.item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps, for tests")
    args = parser.parse_args()
    print(f"loss: {main(500 if args.quick else 2000):.5f}")
