"""Scenarios: programs that take the framework and yield what they see, run once on each side and compared line by line."""

import re
import warnings

import pytest

import facula

torch = pytest.importorskip("torch")


def show(x):
    """What is seen of a value, in words that do not depend on the framework."""
    if isinstance(x, (facula.Tensor, torch.Tensor)):
        return _tensor(x)
    if isinstance(x, dict):
        return "{" + ", ".join(f"{show(k)}: {show(v)}" for k, v in x.items()) + "}"
    if isinstance(x, (list, tuple)):
        return type(x).__name__ + "(" + ", ".join(show(v) for v in x) + ")"
    if isinstance(x, BaseException):
        return f"{type(x).__name__}: {words(x)}"
    return words(x)


def _tensor(x):
    if x.is_meta:
        return f"meta{list(x.shape)}"
    inexact = x.is_floating_point() or x.is_complex()
    numbers = [_rounded(v) if inexact else v for v in x.detach().reshape(-1).tolist()]
    fn = f" {x.grad_fn.name()}" if x.grad_fn is not None else ""
    return f"{type(x).__name__} {words(x.dtype)} {list(x.shape)} {numbers}{' grad' if x.requires_grad else ''}{fn}"


def _rounded(v):
    return complex(round(v.real, 4), round(v.imag, 4)) if isinstance(v, complex) else round(v, 4) + 0.0


def words(x):
    """Text with the framework's name, addresses and paths taken out."""
    text = re.sub(r"0x[0-9a-f]+", "0x", str(x)).replace("facula", "torch")
    text = re.sub(r" \(Triggered internally at .*?\)", "", text)
    return re.sub(r'File ".*?", line \d+', "File", text)


def attempt(f, *args, **kwargs):
    """The result of a call, or the exception in words."""
    try:
        return show(f(*args, **kwargs))
    except Exception as error:
        return show(error)


def run(scenario, framework):
    """The lines a scenario yields, the warnings at the end."""
    framework.manual_seed(0)
    lines = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for line in scenario(framework):
                lines.append(show(line))
        except Exception as error:
            lines.append("raised " + show(error))
    return lines + [f"{w.category.__name__}: {words(w.message)}" for w in caught if not re.search("torch.jit.script|get_attr Node", str(w.message))]


def compare(scenario):
    """Asserts that both sides show the same."""
    ours, theirs = run(scenario, facula), run(scenario, torch)
    pairs = zip(ours + ["(nothing)"] * (len(theirs) - len(ours)), theirs + ["(nothing)"] * (len(ours) - len(theirs)))
    assert ours == theirs, "\n" + "\n".join(f"ours   {a}\ntheirs {b}" for a, b in pairs if a != b)


def scenarios(namespace):
    """The generator functions of a module whose first argument is `t`."""
    return [v for v in namespace.values() if getattr(v, "__code__", None) and v.__code__.co_varnames[:1] == ("t",) and v.__code__.co_flags & 0x20]
