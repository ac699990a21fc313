"""Random numbers: new tensors and in-place draws, with PyTorch's streams."""

from __future__ import annotations

import facula

from .._native import core
from ._table import _copy_out, composite, op
from .create import _finish, _sizes

_NONE = {"input": lambda grad: grad * 0}


def _undifferentiated(name):
    """The rule of a draw through which PyTorch lets no gradient."""

    def rule(grad):
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return rule


op("uniform_(Tensor input, float from_=0, float to=1, *, Generator? generator=None)", kernel="random.uniform_", function=False, vjp=_NONE)
op("normal_(Tensor input, float mean=0, float std=1, *, Generator? generator=None)", kernel="random.normal_", function=False, vjp=_NONE)
op("_random_range_(Tensor input, int from_, int to, Generator? generator=None)", kernel="random.range_", method=False)
op("_random_all_(Tensor input, Generator? generator=None)", kernel="random.all_", method=False)
op("bernoulli_(Tensor input, float p=0.5, *, Generator? generator=None)", kernel="random.bernoulli_", function=False, node="BernoulliBackward2", vjp=_NONE)
op("bernoulli_(Tensor input, Tensor p, *, Generator? generator=None)", kernel="random.bernoulli_tensor_", function=False, node="BernoulliBackward1", vjp=_NONE)
op("exponential_(Tensor input, float lambd=1, *, Generator? generator=None)", kernel="random.exponential_", function=False, vjp=_NONE)
op("geometric_(Tensor input, float p, *, Generator? generator=None)", kernel="random.geometric_", function=False, vjp=_NONE)
op("log_normal_(Tensor input, float mean=1, float std=2, *, Generator? generator=None)", kernel="random.log_normal_", function=False, vjp=_NONE)
op("cauchy_(Tensor input, float median=0, float sigma=1, *, Generator? generator=None)", kernel="random.cauchy_", function=False, vjp=_NONE)
op("poisson(Tensor input, Generator? generator=None)", kernel="random.poisson", method=False, vjp=_NONE)
op("binomial(Tensor count, Tensor prob, Generator? generator=None)", kernel="random.binomial", method=False, node="NotImplemented",
   vjp={"count": _undifferentiated("binomial"), "prob": _undifferentiated("binomial")})
op("_standard_gamma(Tensor input, Generator? generator=None)", kernel="random.standard_gamma", method=False,
   vjp={"input": lambda grad, input, result: grad * facula._standard_gamma_grad(input, result)})
op("_sample_dirichlet(Tensor input, Generator? generator=None)", method=False,
   compute=lambda input, generator: _normalised(facula._standard_gamma(input.double(), generator)).to(input.dtype))
op("_multinomial(Tensor input, int count, Generator? generator=None)", kernel="random.multinomial", method=False, differentiable=False)
op("_randperm(int n, dtype? dtype=None, Generator? generator=None)", kernel="random.randperm", method=False)


def _normalised(x):
    """Over its sum, but neither 0 nor 1."""
    return (x / x.sum(-1, keepdim=True)).clamp(min=facula.finfo(facula.float32).tiny, max=1 - facula.finfo(facula.float64).eps / 2)


@composite("random_", function=False)
def random_(self, from_=None, to=None, *, generator=None, **kwargs):
    """Integers in [from, to), or over the whole range of the dtype."""
    from_ = kwargs.get("from", from_)
    if from_ is None:
        return facula._random_all_(self, generator) if to is None else facula._random_range_(self, 0, to, generator)
    if to is None:
        from_, to = 0, from_
    return facula._random_range_(self, from_, to, generator)


def _random(name, draw, doc):
    def make(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, names=None, **kwargs):
        if not size and "size" in kwargs:
            size = (kwargs["size"],)
        made = facula.empty(_sizes(size), dtype=dtype, device=device) if out is None else out.resize_(_sizes(size))
        draw(made, generator)
        return _finish(made, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    composite(name, method=False)(make)

    def like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, generator=None, pin_memory=False):
        made = facula.empty_like(input, dtype=dtype, device=device, memory_format=memory_format)
        draw(made, generator)
        return _finish(made, requires_grad)

    like.__name__ = like.__qualname__ = name + "_like"
    composite(name + "_like", method=False)(like)


_random("rand", lambda x, g: x.uniform_(generator=g), "Uniform random numbers in [0, 1).")
_random("randn", lambda x, g: x.normal_(generator=g), "Normally distributed random numbers of mean 0 and variance 1.")


@composite("randint", method=False)
def randint(*args, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, low=None, high=None, size=None):
    """randint(high, size) or randint(low, high, size): random integers in [low, high)."""
    args = list(args)
    if size is None:
        size = args.pop()
    numbers = args
    if high is not None:
        low = numbers[0] if numbers else low or 0
    elif len(numbers) == 1:
        low, high = (low, numbers[0]) if low is not None else (0, numbers[0])
    else:
        low, high = numbers
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    made = facula.empty(tuple(size), dtype=dtype or core.int64, device=device) if out is None else out.resize_(tuple(size))
    facula._random_range_(made, low, high, generator)
    return _finish(made, requires_grad)


@composite("randint_like", method=False)
def randint_like(input, low=None, high=None, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    """randint of the size and dtype of `input`."""
    low, high = (0, low) if high is None else (low or 0, high)
    made = facula.empty_like(input, dtype=dtype, device=device, memory_format=memory_format)
    facula._random_range_(made, int(low), int(high))
    return _finish(made, requires_grad)


@composite("randperm", method=False)
def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A random order of the integers 0 ... n-1."""
    made = facula._randperm(n, dtype or core.int64, generator)
    return made if out is None else out.resize_(made.shape).copy_(made)


@composite("normal", method=False)
def normal(mean, std=1.0, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Normal numbers; means and deviations may be tensors."""
    if size is not None:
        made = facula.empty(tuple(size), dtype=dtype, device=device).normal_(float(mean), float(std), generator=generator)
        return _finish(made, requires_grad) if out is None else out.resize_(made.shape).copy_(made)
    made = facula._normal_around(mean, std, generator)
    return made if out is None else _copy_out(out, made, "normal")


def _normal_around(mean, std, generator=None):
    tensors = [t for t in (mean, std) if isinstance(t, facula.Tensor)]
    if isinstance(std, facula.Tensor) and (std.dtype.is_complex or bool((std < 0).any())):
        raise RuntimeError("normal expects all elements of std >= 0.0" if not std.dtype.is_complex else "normal expects standard deviation to be non-complex")
    shape = facula.broadcast_shapes(*(t.shape for t in tensors))
    return facula.empty(shape, dtype=tensors[0].dtype).normal_(generator=generator) * std + mean


# A sample does not move with its parameters: zeros, where PyTorch has a gradient at all.
_ZEROS = {name: eval(f"lambda grad, {name}: facula.zeros_like({name})") for name in ("mean", "std", "input")}  # noqa: S307 - rules name what they save
for _types, _node in (("Tensor mean, Tensor std", 3), ("Tensor mean, float std", 1), ("float mean, Tensor std", 2)):
    op(f"_normal_around({_types}, Generator? generator=None)", compute=_normal_around, node=f"NormalBackward{_node}", method=False,
       vjp={name: _ZEROS[name] for name in ("mean", "std") if f"Tensor {name}" in _types})
op("bernoulli(Tensor input, *, Generator? generator=None)", compute=lambda input, generator: facula.empty_like(input).bernoulli_(input, generator=generator),
   doc="Draws 0 or 1 with the given probabilities.", vjp={"input": _ZEROS["input"]})


op("bernoulli(Tensor input, float p, *, Generator? generator=None)", node="NotImplemented", vjp={"input": _undifferentiated("bernoulli")},
   compute=lambda input, p, generator: facula.empty_like(input).bernoulli_(p, generator=generator))


@composite("multinomial")
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Indices drawn with probabilities proportional to each row of `input`."""
    if out is not None:
        if out.dtype != facula.int64:
            raise RuntimeError(f"multinomial expects Long tensor out, got: {out.type().rpartition('.')[2].removesuffix('Tensor')}")
        drawn = multinomial(input, num_samples, replacement, generator=generator)
        return out.resize_(drawn.shape).copy_(drawn)
    if input.dim() not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {facula.typename(input)}")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if not bool(((input >= 0) & (input < float("inf"))).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if bool((input.sum(-1) <= 0).any()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement or num_samples == 1:
        # Race of exponentials: the first k to arrive are a sample without replacement.
        q = input / facula.empty_like(input).exponential_(1, generator=generator)
        if num_samples == 1:
            return q.argmax(-1, keepdim=True)
        return q.topk(num_samples, -1)[1]
    return facula._multinomial(input, num_samples, generator)
