"""Compares analytical derivatives with finite differences, in double precision."""

from __future__ import annotations

import warnings

import facula

from .engine import grad as _grad


class GradcheckError(RuntimeError):
    """Analytical and numerical derivatives differ."""


def _tuple(x):
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _inexact(x):
    return isinstance(x, facula.Tensor) and (x.dtype.is_floating_point or x.dtype.is_complex)


def _numerical(function, inputs, which, eps):
    """Per output: matrix of d(output) / d(input element), by central differences."""
    x = inputs[which].detach()
    columns = []
    with facula.no_grad():
        for i in range(x.numel()):
            def at(delta):
                moved = x.clone().reshape(-1)
                moved[i] = moved[i] + delta
                args = [moved.reshape(x.shape) if a is inputs[which] else a for a in inputs]
                return [o.detach().clone() for o in _tuple(function(*args)) if _inexact(o)]

            d = [(a - b) / (2 * eps) for a, b in zip(at(eps), at(-eps))]
            if x.dtype.is_complex:
                # dL/dx* conventions: real and imaginary steps together.
                e = [(a - b) / (2 * eps) for a, b in zip(at(eps * 1j), at(-eps * 1j))]
                d = list(zip(d, e))
            columns.append(d)
    return columns


def _analytical(outputs, inputs, which, k):
    out = outputs[k]
    rows = []
    for i in range(out.numel()):
        v = facula.zeros_like(out).reshape(-1)
        v[i] = 1
        g = _grad((out,), (inputs[which],), (v.reshape(out.shape),), retain_graph=True, allow_unused=True)[0]
        rows.append(facula.zeros_like(inputs[which]).reshape(-1) if g is None else g.reshape(-1))
    return rows


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, nondet_tol=0.0, check_undefined_grad=True,
              check_grad_dtypes=False, check_batched_grad=False, check_batched_forward_grad=False, check_forward_ad=False,
              check_backward_ad=True, fast_mode=False, masked=None):
    """Checks the derivatives of `func` at `inputs`; True, or raises (or False if not `raise_exception`).

    Args:
        func: Function of the inputs that gives a tensor or a tuple of tensors.
        inputs: Tensors (those that require gradients are checked) and other arguments.
        eps: Step of the central differences.
        atol, rtol: Tolerances of the comparison.
        check_forward_ad: Check forward mode too, along random directions.
        fast_mode: Compare one random combination of each Jacobian's entries instead of all: two calls of `func` for each input.
    """
    inputs = _tuple(inputs)
    try:
        if check_backward_ad:
            (_check_fast if fast_mode else _check)(func, inputs, eps, atol, rtol)
        if check_forward_ad:
            _check_forward(func, inputs, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _wanted(inputs):
    """Positions of the inputs to check."""
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, facula.Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.")
    for i in wanted:
        if inputs[i].dtype not in (facula.float64, facula.complex128):
            warnings.warn(f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will likely fail if all "
                          "the inputs are not of double precision floating point or complex. ", UserWarning, 5)
    return wanted


def _check(func, inputs, eps, atol, rtol):
    wanted = _wanted(inputs)
    outputs = [o for o in _tuple(func(*inputs)) if _inexact(o)]
    for i in wanted:
        numeric = _numerical(func, inputs, i, eps)
        for k, out in enumerate(outputs):
            if not out.requires_grad:
                rows = [facula.zeros_like(inputs[i]).reshape(-1) for _ in range(out.numel())]
            else:
                rows = _analytical(outputs, inputs, i, k)
            for j, column in enumerate(numeric):
                value = column[k]
                if isinstance(value, tuple):
                    expected = (value[0].conj() + 1j * value[1].conj()).reshape(-1) if value[0].dtype.is_complex else (value[0] + 1j * value[1]).reshape(-1)
                    if value[0].dtype.is_complex:
                        expected = ((value[0].conj() + 1j * value[1].conj()) / 1).reshape(-1)
                        expected = (value[0].real + 1j * value[1].real).reshape(-1)
                else:
                    expected = (value.real if value.dtype.is_complex else value).reshape(-1)
                actual = facula.stack([r[j] for r in rows])
                if not facula.allclose(actual.to(expected.dtype), expected, rtol, atol):
                    raise GradcheckError(f"Jacobian mismatch for output {k} with respect to input {i},\nnumerical:{expected}\nanalytical:{actual}\n")


def _direction(x, generator):
    """A random tensor of length 1 like x, no entry below zero: combinations of one sign cannot cancel the tolerance."""
    real = facula.float64 if x.dtype in (facula.float64, facula.complex128) else facula.float32
    parts = [facula.rand(x.shape, generator=generator, dtype=real) for _ in range(2 if x.dtype.is_complex else 1)]
    length = sum(p.square().sum() for p in parts).sqrt()
    parts = [p / length if length else p for p in parts]
    return (facula.complex(*parts) if x.dtype.is_complex else parts[0]).to(x.dtype)


def _inner(a, b):
    """The real inner product, complex numbers being pairs of real ones."""
    product = (a.conj() * b).sum()
    return product.real if product.dtype.is_complex else product


def _weight(x):
    return sum(float(part.sum()) for part in ((x.real, x.imag) if x.dtype.is_complex else (x,)))


def _check_fast(func, inputs, eps, atol, rtol):
    """u J v from gradients against differences, for one random u and v for each pair of an output and an input."""
    generator = facula.Generator()
    wanted = _wanted(inputs)
    outputs = [o for o in _tuple(func(*inputs)) if _inexact(o)]
    for i in wanted:
        step = _direction(inputs[i], generator)
        there, back = (_moved(func, inputs, i, step * s) for s in (eps, -eps))
        for k, out in enumerate(outputs):
            weights = _direction(out, generator)
            numeric = _inner(weights, (there[k] - back[k]) / (2 * eps))
            gradient = _grad((out,), (inputs[i],), (weights,), retain_graph=True, allow_unused=True)[0] if out.requires_grad else None
            analytic = facula.zeros_like(numeric) if gradient is None else _inner(gradient.detach(), step).to(numeric.dtype)
            if not facula.allclose(analytic, numeric, rtol, atol * _weight(weights) * _weight(step)):
                raise GradcheckError(f"Jacobian mismatch for output {k} with respect to input {i},\nnumerical:{numeric}\nanalytical:{analytic}\n\n"
                                     "These are sums of the Jacobian's entries with random weights (fast_mode=True); fast_mode=False shows the entries.\n")


def _moved(func, inputs, which, step):
    """The inexact outputs with one input moved."""
    with facula.no_grad():
        args = [a.detach() + step if a is inputs[which] else a for a in inputs]
        return [o.detach().clone() for o in _tuple(func(*args)) if _inexact(o)]


def _check_forward(func, inputs, eps, atol, rtol):
    """Tangents along random directions against differences."""
    from .forward_ad import dual_level, make_dual, unpack_dual

    wanted = [i for i, x in enumerate(inputs) if isinstance(x, facula.Tensor) and x.requires_grad]
    for i in wanted:
        x = inputs[i].detach()
        direction = facula.randn_like(x)
        with dual_level():
            dual = make_dual(x, direction)
            outputs = [o for o in _tuple(func(*(dual if a is inputs[i] else a for a in inputs))) if _inexact(o)]
            tangents = [unpack_dual(o).tangent for o in outputs]
        with facula.no_grad():
            there, back = ([o for o in _tuple(func(*(x + s * eps * direction if a is inputs[i] else a for a in inputs))) if _inexact(o)] for s in (1, -1))
        for k, (t, a, b) in enumerate(zip(tangents, there, back)):
            expected = (a - b) / (2 * eps)
            actual = facula.zeros_like(expected) if t is None else t.detach()
            if not facula.allclose(actual, expected, rtol, atol):
                raise GradcheckError(f"Jacobian computed with forward mode mismatch for output {k} with respect to input {i},\nnumerical:{expected}\n"
                                     f"analytical:{actual}\n")


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, gen_non_contig_grad_outputs=False, raise_exception=True,
                  nondet_tol=0.0, check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False, check_fwd_over_rev=False,
                  check_rev_over_rev=True, fast_mode=False, masked=False):
    """Checks second derivatives: `gradcheck` of the gradient of `func`."""
    inputs = _tuple(inputs)
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, facula.Tensor) and x.requires_grad]
    outputs = [o for o in _tuple(func(*inputs)) if _inexact(o) and o.requires_grad]
    if grad_outputs is None:
        grad_outputs = tuple(facula.randn_like(o).requires_grad_() for o in outputs)
    grad_outputs = _tuple(grad_outputs)
    count = len(inputs)

    def gradient(*args):
        xs = [a if not (i in wanted) else a if a.requires_grad else a.detach().requires_grad_() for i, a in enumerate(args[:count])]
        with facula.enable_grad():
            out = [o for o in _tuple(func(*xs)) if _inexact(o) and o.requires_grad]
            found = _grad(out, [xs[i] for i in wanted], args[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(gradient, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, fast_mode=fast_mode)
