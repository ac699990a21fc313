"""Forward mode and vmap over PyTorch's operator database: tangents against gradients, batches against loops, on our side only."""

import warnings

import pytest

import facula
from facula.utils import _pytree as pytree

torch = pytest.importorskip("torch")
database = pytest.importorskip("torch.testing._internal.common_methods_invocations").op_db
pytestmark = pytest.mark.oracle

# Random draws, data-dependent sizes, private helpers, functions that take modules.
SKIPPED = ("dropout", "rrelu", "bernoulli", "normal", "multinomial", "rand", "uniform", "exponential", "cauchy", "geometric", "lowrank", "poisson", "empty",
           "masked_select", "nonzero", "unique", "histogram", "jiterator", "torch.ops", "_scaled", "triton", "fractional", "scaled_dot", "multi_head",
           "sparse", "resize", "logspace", "segment_reduce", "chunk_cat", "with_distance", "argwhere", "binomial", "gamma", "take", "item", "to_", "is_", "new_",
           "equal", "allclose", "tolist", "cudnn", "_native", "_batch_norm", "_upsample", "_unsafe", "_softmax", "_backward", "slice", "ctc_loss", "lu_unpack")
# Their gradients in PyTorch are not the transposes of their tangents where elements meet.
OWN_GRADIENTS = {"as_strided_scatter", *(f"nn.functional.max_unpool{n}d" for n in (1, 2, 3))}
CHOSEN = [op for op in database if torch.float64 in op.dtypes and not any(s in op.formatted_name for s in SKIPPED)][::8]


def ours(x):
    """A PyTorch value as one of Facula; TypeError where there is none."""
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided or x.is_conj() or x.is_neg():
            raise TypeError
        return facula.from_numpy(x.detach().resolve_conj().numpy().copy())
    if isinstance(x, torch.Size):
        return facula.Size(x)
    if isinstance(x, (list, tuple)):
        return type(x)(ours(v) for v in x)
    if isinstance(x, dict):
        return {k: ours(v) for k, v in x.items()}
    if isinstance(x, torch.dtype):
        return getattr(facula, str(x).rpartition(".")[2])
    if x is None or isinstance(x, (bool, int, float, complex, str, slice)) or x is Ellipsis:
        return x
    raise TypeError


def function_of(op):
    place = facula
    for part in op.name.split("."):
        place = getattr(place, part, None)
    return place if callable(place) and type(op.op).__name__ != "function" or op.op.__module__.startswith("torch.nn") else None


def cases(op):
    f = function_of(op)
    if f is None:
        return
    for k, sample in enumerate(op.sample_inputs("cpu", torch.float64)):
        if k >= 3:
            return
        try:
            leaves, spec = pytree.tree_flatten((ours(sample.input), *ours(sample.args), ours(sample.kwargs)))
        except TypeError:
            continue
        at = [i for i, x in enumerate(leaves) if isinstance(x, facula.Tensor) and x.dtype == facula.float64 and x.numel()]

        def call(*tensors, leaves=leaves, spec=spec, at=at):
            values = list(leaves)
            for i, t in zip(at, tensors, strict=True):
                values[i] = t
            head, *args, kwargs = pytree.tree_unflatten(values, spec)
            out = f(head, *args, **kwargs)
            return tuple(o for o in pytree.tree_leaves(out) if isinstance(o, facula.Tensor) and o.dtype.is_floating_point)

        if at:
            yield call, [leaves[i] for i in at]


@pytest.mark.parametrize("op", CHOSEN, ids=lambda op: op.formatted_name)
def test_batches_are_loops(op):
    warnings.simplefilter("ignore")
    for call, tensors in cases(op):
        copies = [[t, t * 0.95] for t in tensors]
        loop = [call(*(c[k] for c in copies)) for k in range(2)]
        if not loop[0] or any(a.shape != b.shape for a, b in zip(*loop)):
            continue
        got = facula.func.vmap(call)(*(facula.stack(c) for c in copies))
        for g, *each in zip(got, *loop, strict=True):
            assert facula.allclose(g, facula.stack(each), rtol=1e-6, atol=1e-8, equal_nan=True)


@pytest.mark.parametrize("op", [op for op in CHOSEN if op.supports_forward_ad and op.supports_autograd and op.name not in OWN_GRADIENTS], ids=lambda op: op.formatted_name)
def test_tangents_are_transposed_gradients(op):
    warnings.simplefilter("ignore")
    for call, tensors in cases(op):
        directions = [facula.randn(t.shape, dtype=t.dtype) for t in tensors]
        if any("linalg" in op.name and t.dim() >= 2 for t in tensors):  # factors read one triangle, or take the matrix to be symmetric
            continue
        leaves = [t.clone().requires_grad_() for t in tensors]
        outs = [o for o in call(*leaves) if o.requires_grad]
        if not outs:
            continue
        weights = [facula.randn(o.shape, dtype=o.dtype) for o in outs]
        grads = facula.autograd.grad(outs, leaves, weights, allow_unused=True)
        _, tangents = facula.func.jvp(lambda *t: tuple(o for o, r in zip(call(*t), call(*leaves)) if r.requires_grad), tuple(tensors), tuple(directions))
        forward = sum(float((t * w).sum()) for t, w in zip(tangents, weights, strict=True))
        reverse = sum(float((g * d).sum()) for g, d in zip(grads, directions) if g is not None)
        assert forward == pytest.approx(reverse, rel=1e-6, abs=1e-8, nan_ok=True)
