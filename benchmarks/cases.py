"""What is timed, written once for both frameworks: `T` is the module under test.

A case gives run(); `moved` counts the bytes that must cross memory (inputs read once, outputs written
once), `flops` the multiplications and additions of a plain evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

CASES: list["Case"] = []


@dataclass
class Case:
    group: str
    name: str
    make: Callable  # T -> run
    moved: float = 0
    flops: float = 0


def case(group, name, **work):
    def add(make):
        CASES.append(Case(group, name, make, **work))
        return make
    return add


# ---------------------------------------------------------------- small tensors

def _small(name, make):
    CASES.append(Case("overhead", name, make))


_small("add of 10", lambda T: _call(T.add, T.ones(10), T.ones(10)))
_small("add of 10, recorded", lambda T: _call(T.add, T.ones(10, requires_grad=True), T.ones(10)))
_small("x[3]", lambda T: _call(T.arange(10.0).__getitem__, 3))
_small("zeros(3)", lambda T: _call(T.zeros, 3))
_small("tensor of a list", lambda T: _call(T.tensor, [1.0, 2.0, 3.0]))
_small("sum of 10", lambda T: _call(T.ones(10).sum))
_small("matmul 8x64x64", lambda T: _call(T.matmul, T.rand(8, 64), T.rand(64, 64)))


@case("overhead", "backward of three nodes")
def small_backward(T):
    x = T.ones(10, requires_grad=True)
    return lambda: (x * 2).sum().backward()


def _call(function, *args):
    return lambda: function(*args)


# ---------------------------------------------------------------- memory sets the pace

N = 1 << 20


def _stream(name, make, arrays, n=N):
    CASES.append(Case("bandwidth", name, make, moved=4.0 * arrays * n))


_stream("add 1M", lambda T: _call(T.add, T.rand(N), T.rand(N)), 3)
_stream("add 16M", lambda T: _call(T.add, T.rand(16 * N), T.rand(16 * N)), 3, 16 * N)
_stream("exp 16M", lambda T: _call(T.exp, T.rand(16 * N)), 2, 16 * N)
_stream("tanh 16M", lambda T: _call(T.tanh, T.rand(16 * N)), 2, 16 * N)
_stream("gelu 16M", lambda T: _call(T.nn.functional.gelu, T.randn(16 * N)), 2, 16 * N)
_stream("sum 16M", lambda T: _call(T.rand(16 * N).sum), 1, 16 * N)
_stream("mean of rows 16M", lambda T: _call(T.rand(4096, 4096).mean, 1), 1, 16 * N)
_stream("max of columns 16M", lambda T: _call(T.rand(4096, 4096).amax, 0), 1, 16 * N)
_stream("softmax 16M", lambda T: _call(T.softmax, T.rand(4096, 4096), 1), 2, 16 * N)
_stream("layer_norm 16M", lambda T: _call(T.nn.functional.layer_norm, T.rand(4096, 4096), (4096,)), 2, 16 * N)
_stream("batch_norm 16M", lambda T: _call(T.nn.functional.batch_norm, T.rand(64, 64, 64, 64), None, None, None, None, True), 2, 16 * N)
_stream("transpose copy 16M", lambda T: _call(T.rand(4096, 4096).t().contiguous), 2, 16 * N)
_stream("cat 16M", lambda T: _call(T.cat, [T.rand(8 * N), T.rand(8 * N)]), 2, 16 * N)
_stream("cumsum of rows 16M", lambda T: _call(T.rand(4096, 4096).cumsum, 1), 2, 16 * N)
_stream("cast to bfloat16 16M", lambda T: _call(T.rand(16 * N).to, T.bfloat16), 1.5, 16 * N)
_stream("masked select 16M", lambda T: _select(T), 1.75, 16 * N)
_stream("gather 1M", lambda T: _call(T.gather, T.rand(1024, 1024), 1, T.randint(0, 1024, (1024, 1024))), 4)
_stream("embedding 1M", lambda T: _call(T.nn.functional.embedding, T.randint(0, 16384, (16384,)), T.rand(16384, 64)), 2)


def _select(T):
    x = T.rand(16 * N)
    mask = x > 0.5
    return lambda: x[mask]


# ---------------------------------------------------------------- arithmetic sets the pace

def _product(m, k, n, dtype="float32"):
    def make(T):
        a, b = (T.rand(*s).to(getattr(T, dtype)) for s in ((m, k), (k, n)))
        return lambda: a @ b
    CASES.append(Case("products", f"matmul {m}x{k}x{n} {dtype}", make, flops=2.0 * m * k * n))


for _size in (128, 512, 1024):
    _product(_size, _size, _size)
_product(512, 512, 512, "float64")
_product(512, 512, 512, "bfloat16")


def _conv(name, x, w, **options):
    def make(T):
        a, b = T.rand(*x), T.rand(*w)
        function = getattr(T.nn.functional, f"conv{len(x) - 2}d")
        return lambda: function(a, b, **options)
    stride, pad = options.get("stride", 1), options.get("padding", 0)
    out = 1
    for size, kernel in zip(x[2:], w[2:]):
        out *= (size + 2 * pad - kernel) // stride + 1
    taps = w[1]
    for kernel in w[2:]:
        taps *= kernel
    CASES.append(Case("convolutions", name, make, flops=2.0 * x[0] * w[0] * taps * out))


_conv("3x3, 64 channels, 4x32x32", (4, 64, 32, 32), (64, 64, 3, 3), padding=1)
_conv("3x3, 256 channels, 4x32x32", (4, 256, 32, 32), (256, 256, 3, 3), padding=1)
_conv("3x3 stride 2, 64 channels, 8x56x56", (8, 64, 56, 56), (128, 64, 3, 3), padding=1, stride=2)
_conv("1x1, 256 to 64 channels, 4x56x56", (4, 256, 56, 56), (64, 256, 1, 1))
_conv("5x5, 6 to 16 channels, 64x14x14", (64, 6, 14, 14), (16, 6, 5, 5))
_conv("depthwise 3x3, 128 channels, 8x56x56", (8, 128, 56, 56), (128, 1, 3, 3), padding=1, groups=128)
_conv("1-d, 5 taps, 64 channels, 32x1024", (32, 64, 1024), (64, 64, 5))


# ---------------------------------------------------------------- whole training steps

def _training(name, build):
    def make(T):
        T.manual_seed(0)
        model, x, y = build(T)
        optimizer = T.optim.Adam(model.parameters())

        def step():
            optimizer.zero_grad()
            loss = T.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss
        return step
    CASES.append(Case("training steps", name, make))


def _mlp(T):
    nn = T.nn
    return (nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)),
            T.rand(64, 784), T.randint(0, 10, (64,)))


def _cnn(T):
    nn, layers, last = T.nn, [], 3
    for width in (32, 64, 128):
        layers += [nn.Conv2d(last, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
                   nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        last = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 10)), T.rand(32, 3, 32, 32), T.randint(0, 10, (32,))


def _lstm(T):
    class Net(T.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = T.nn.LSTM(64, 128, num_layers=2, batch_first=True), T.nn.Linear(128, 10)

        def forward(self, x):
            return self.head(self.rnn(x)[0][:, -1])
    return Net(), T.rand(32, 50, 64), T.randint(0, 10, (32,))


def _transformer(T):
    class Net(T.nn.Module):
        def __init__(self):
            super().__init__()
            layer = T.nn.TransformerEncoderLayer(128, 4, 512, batch_first=True)
            self.layers, self.head = T.nn.TransformerEncoder(layer, 2), T.nn.Linear(128, 10)

        def forward(self, x):
            return self.head(self.layers(x).mean(1))
    return Net(), T.rand(16, 64, 128), T.randint(0, 10, (16,))


_training("MLP 784-512-512-10, batch 64", _mlp)
_training("CNN with batch norm, 32x3x32x32", _cnn)
_training("LSTM, 2 layers, 32x50x64", _lstm)
_training("transformer encoder, 16x64x128", _transformer)
