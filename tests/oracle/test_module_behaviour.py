"""nn.Module beside PyTorch's: attributes, state, conversion, copies, printing, lazy modules and containers."""

import copy
import io
import pickle
from collections import OrderedDict

import pytest

from transcripts import attempt, compare, scenarios

pytestmark = pytest.mark.oracle


def net(t):
    return t.nn.Sequential(t.nn.Linear(2, 3), t.nn.Tanh(), t.nn.Linear(3, 1))


# ---------------------------------------------------------------- attributes
def attributes(t):
    m = t.nn.Linear(1, 1)
    yield attempt(lambda: m.nothing)
    yield attempt(setattr, m, "weight", t.ones(1))
    yield attempt(setattr, m, "weight", "x")
    yield attempt(setattr, m, "weight", None), m.weight is None
    m.child = t.nn.ReLU()
    yield attempt(setattr, m, "child", 3)
    m.register_buffer("b", t.ones(1))
    yield attempt(setattr, m, "b", 3)
    m.b = None
    m.b = t.zeros(2)
    yield m.b, list(m._buffers)
    m.b = t.nn.Parameter(t.zeros(1))
    yield list(m._buffers), list(m._parameters)
    m.child = t.nn.Parameter(t.zeros(1))
    yield list(m._modules), list(m._parameters)
    yield attempt(m.register_buffer, "weight", t.ones(1)), attempt(m.register_buffer, "a.b", t.ones(1)), attempt(m.register_buffer, "", t.ones(1))
    yield attempt(m.register_buffer, 3, t.ones(1)), attempt(m.register_buffer, "q", 3), attempt(m.register_buffer, "forward", t.ones(1))
    yield attempt(m.register_parameter, "a.b", None), attempt(m.register_parameter, "", None), attempt(m.register_parameter, 3, None)
    yield attempt(m.register_parameter, "q", t.ones(1)), attempt(m.register_parameter, "forward", None)
    yield attempt(m.register_parameter, "q", t.nn.Parameter(t.ones(1)) * 2)
    yield attempt(m.add_module, "a.b", None), attempt(m.add_module, "", None), attempt(m.add_module, 3, None), attempt(m.add_module, "q", 3)
    yield attempt(m.add_module, "forward", None), attempt(m.add_module, "training", t.nn.ReLU())
    del m.child
    yield attempt(delattr, m, "child")
    m.plain = t.ones(2)
    yield sorted(k for k in m.__dict__ if not k.startswith("_")), "plain" in dir(m), "bias" in dir(m)


def before_init(t):
    class Parameters(t.nn.Module):
        def __init__(self):
            self.p = t.nn.Parameter(t.ones(1))

    class Modules(t.nn.Module):
        def __init__(self):
            self.m = t.nn.ReLU()

    class Buffers(t.nn.Module):
        def __init__(self):
            self.register_buffer("b", t.ones(1))

    class NewBuffers(t.nn.Module):
        def __init__(self):
            self.b = t.nn.Buffer(t.ones(1))

    class Adds(t.nn.Module):
        def __init__(self):
            self.add_module("m", t.nn.ReLU())

    class Registers(t.nn.Module):
        def __init__(self):
            self.register_parameter("p", None)

    class Plain(t.nn.Module):
        def __init__(self):
            self.x = 3

    for kind in (Parameters, Modules, Buffers, NewBuffers, Adds, Registers, Plain):
        yield attempt(lambda: kind().x)


def constructing(t):
    class Takes(t.nn.Module):
        pass

    class Calls(t.nn.Module):
        call_super_init = True

    yield attempt(Takes, 1), attempt(Takes, a=1), attempt(t.nn.Module, 1, 2), attempt(Calls, 3), attempt(Takes().forward, 3), attempt(Takes(), 3)

    class Mixin:
        def __init__(self, value=1):
            self.value = value

    class Both(t.nn.Module, Mixin):
        call_super_init = True

        def __init__(self, value):
            super().__init__(value=value)

    yield Both(5).value


def buffers(t):
    m = t.nn.Module()
    m.a = t.nn.Buffer(t.ones(1))
    m.b = t.nn.Buffer(t.ones(1), persistent=False)
    m.register_buffer("c", t.ones(1), persistent=False)
    m.register_buffer("d", None)
    yield m.state_dict(), dict(m.named_buffers()), sorted(m._non_persistent_buffers_set)
    m.register_buffer("c", t.ones(2))
    m.a = t.nn.Buffer(t.zeros(1), persistent=False)
    yield m.state_dict(), isinstance(m.a, t.nn.Buffer), isinstance(m.c, t.nn.Buffer)
    del m.b
    yield sorted(m._non_persistent_buffers_set)


def finding(t):
    m = t.nn.Sequential(OrderedDict(a=t.nn.Linear(1, 1), b=t.nn.Sequential(t.nn.ReLU(), t.nn.Linear(1, 1))))
    m.shared = m.a
    yield [n for n, _ in m.named_modules()], [n for n, _ in m.named_modules(remove_duplicate=False)]
    yield [n for n, _ in m.named_parameters()], [n for n, _ in m.named_parameters(remove_duplicate=False)]
    yield [n for n, _ in m.named_parameters("top", False)], [n for n, _ in m.b.named_parameters(prefix="x", recurse=True)]
    yield [n for n, _ in m.named_children()], len(list(m.children())), len(list(m.modules())), len(list(m.parameters(recurse=False)))
    yield m.get_submodule("b.1"), attempt(m.get_submodule, "b.7"), attempt(m.get_submodule, "a.weight"), m.get_submodule("") is m
    yield m.get_parameter("b.1.weight"), attempt(m.get_parameter, "b.1.x"), attempt(m.get_parameter, "b.1"), attempt(m.get_buffer, "a.weight")
    yield attempt(m.get_extra_state), attempt(m.set_extra_state, 1)
    m.set_submodule("b.1", t.nn.Tanh())
    yield m
    yield attempt(m.set_submodule, "", t.nn.Tanh()), attempt(m.set_submodule, "b.9.x", t.nn.Tanh()), attempt(m.set_submodule, "b.x", 3)
    yield attempt(m.set_submodule, "b.new", t.nn.Tanh(), strict=True), attempt(m.set_submodule, "a.weight", t.nn.Tanh())
    m.set_submodule("b.new", t.nn.Tanh())
    yield m


# ---------------------------------------------------------------- state
def state_dicts(t):
    m = net(t)
    s = m.state_dict()
    yield type(s).__name__, list(s), s._metadata, [v.requires_grad for v in s.values()]
    yield [v.requires_grad for v in m.state_dict(keep_vars=True).values()], list(m.state_dict(prefix="x."))
    d = OrderedDict()
    yield m.state_dict(destination=d) is d, hasattr(d, "_metadata"), list(m.state_dict({}, "p."))
    yield m.load_state_dict(s)
    yield attempt(m.load_state_dict, {}), attempt(m.load_state_dict, {"0.weight": t.ones(2)}), attempt(m.load_state_dict, [1])
    yield attempt(m.load_state_dict, {**s, "extra": 1, "0.x": 2, "0.weight.y": 3})
    yield m.load_state_dict({"0.bias": t.zeros(3), "z": t.ones(1)}, strict=False)
    yield m[0].bias
    yield attempt(m.load_state_dict, {**s, "0.weight": "no"})
    yield attempt(m.load_state_dict, {**s, "0.bias": t.zeros(4), "2.bias": t.zeros(4)}, strict=False)


def hooks_of_state(t):
    log, m = [], net(t)
    m.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("pre", type(m).__name__, prefix, keep)))
    m[0].register_state_dict_post_hook(lambda m, s, prefix, meta: log.append(("post", list(s), prefix, meta)))
    m._register_state_dict_hook(lambda m, s, prefix, meta: OrderedDict((k, s[k]) for k in list(s)[:1]))
    s = m.state_dict()
    yield list(s), log
    log.clear()

    def post(m, s, prefix, meta):
        return s

    m.register_state_dict_post_hook(post)
    yield attempt(m.state_dict)
    yield attempt(m._register_state_dict_hook, post)
    m = net(t)
    m._register_load_state_dict_pre_hook(lambda s, prefix, meta, strict, miss, unexp, errors: log.append((sorted(s), prefix, meta, strict, miss)))
    m[0]._register_load_state_dict_pre_hook(lambda m, s, prefix, *rest: log.append((type(m).__name__, sorted(s), prefix)), with_module=True)
    m[2].register_load_state_dict_pre_hook(lambda m, s, prefix, *rest: s.update({prefix + "bias": t.full((1,), 7.0)}))
    m.register_load_state_dict_post_hook(lambda m, keys: log.append(("post", keys)))
    m[0].register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    s = m.state_dict()
    s.pop("0.bias")
    yield m.load_state_dict(s), log, m[2].bias
    m.register_load_state_dict_post_hook(lambda m, keys: 3)
    yield attempt(m.load_state_dict, s)
    yield len(copy.deepcopy(m)._load_state_dict_pre_hooks)


def extra_state(t):
    class Extra(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.value = 3

        def get_extra_state(self):
            return {"value": self.value}

        def set_extra_state(self, state):
            self.value = state["value"]

    m = t.nn.Sequential(Extra(), t.nn.ReLU())
    s = m.state_dict()
    yield s
    s["0._extra_state"] = {"value": 9}
    yield m.load_state_dict(s), m[0].value
    yield attempt(m.load_state_dict, {}), attempt(m.load_state_dict, {**s, "1._extra_state": 1})


def overriding_the_loading(t):
    class Versioned(t.nn.Module):
        _version = 3

        def __init__(self):
            super().__init__()
            self.w = t.nn.Parameter(t.ones(1))

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
            self.seen = local_metadata.get("version")
            if prefix + "old" in state_dict:
                state_dict[prefix + "w"] = state_dict.pop(prefix + "old")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "more"] = 1

    m = t.nn.Sequential(Versioned())
    yield m.state_dict(), m.state_dict()._metadata
    s = OrderedDict({"0.old": t.full((1,), 5.0)})
    s._metadata = {"0": {"version": 2}}
    yield m.load_state_dict(s), m[0].w, m[0].seen, list(s)
    yield attempt(m.load_state_dict, m.state_dict())


def assigning(t):
    m = t.nn.Linear(2, 1)
    new = {"weight": t.ones(1, 2, dtype=t.float64), "bias": t.nn.Parameter(t.zeros(1), requires_grad=False)}
    yield m.load_state_dict(new, assign=True), m.weight, m.bias, m.bias is new["bias"], m.weight.data_ptr() == new["weight"].data_ptr()
    b = t.nn.BatchNorm1d(1)
    s = {k: v.clone() for k, v in b.state_dict().items()}
    b.load_state_dict(s, assign=True)
    yield b.running_mean is s["running_mean"], type(b.weight).__name__
    yield attempt(m.load_state_dict, {"weight": t.ones(3, 2), "bias": t.ones(1)}, assign=True)
    with t.device("meta"):
        e = t.nn.Linear(2, 1)
    yield e.weight
    yield e.load_state_dict({"weight": t.ones(1, 2), "bias": t.ones(1)})
    yield e.weight
    yield e.load_state_dict({"weight": t.ones(1, 2), "bias": t.ones(1)}, assign=True)
    yield e(t.ones(1, 2))


def copies(t):
    m = net(t)
    m[0].register_forward_hook(hook_at_top)
    m.weird = {"a": m[0]}
    for copied in (copy.deepcopy(m), pickle.loads(pickle.dumps(m)), copy.copy(m)):
        yield copied.weird["a"] is copied[0], copied[0].weight is m[0].weight, len(copied[0]._forward_hooks), copied
        yield copied(t.ones(1, 2))
    f = io.BytesIO()
    t.save(m, f)
    f.seek(0)
    yield t.load(f, weights_only=False)(t.ones(1, 2))
    state = m.__getstate__()
    yield sorted(k for k in state if k.startswith("_"))
    old = t.nn.Linear(1, 1)
    state = {k: v for k, v in old.__dict__.items() if k not in ("_forward_pre_hooks", "_non_persistent_buffers_set", "_load_state_dict_pre_hooks",
                                                                "_is_full_backward_hook", "_state_dict_pre_hooks", "_backward_pre_hooks")}
    bare = t.nn.Linear.__new__(t.nn.Linear)
    bare.__setstate__(state)
    yield bare(t.ones(1, 1)).shape == (1, 1), list(bare.state_dict())


def hook_at_top(module, args, out):
    return out * 2


# ---------------------------------------------------------------- conversion, modes
def conversion(t):
    m = t.nn.Sequential(t.nn.Linear(1, 1), t.nn.BatchNorm1d(1))
    kinds = lambda: [str(v.dtype) for v in m.state_dict().values()]  # noqa: E731
    weight = m[0].weight
    for f in ("double", "half", "bfloat16", "float"):
        yield getattr(m, f)() is m, kinds()
    yield m.to(t.float64) is m, kinds(), m[0].weight is weight
    m(t.ones(2, 1, dtype=t.float64)).sum().backward()
    yield m.to(dtype=t.float32)[0].weight.grad
    yield attempt(m.to, t.int64)
    yield m.to(t.ones(1, dtype=t.float64)), kinds(), m.to("cpu", t.float32), kinds(), m.type(t.float64), kinds()
    m.to(t.complex64)
    yield kinds()
    m = t.nn.Conv2d(3, 4, 2)
    m.to(memory_format=t.channels_last)
    yield m.weight.stride(), m.weight.is_contiguous(memory_format=t.channels_last)
    m.to("meta")
    yield m.weight
    yield m.to_empty(device="cpu") is m, m.weight.shape, type(m.weight).__name__, m.weight.requires_grad
    yield attempt(m.to_empty), attempt(t.nn.Linear(1, 1, device="meta").to, "cpu")
    m.share_memory()
    yield m.weight.is_shared(), m.bias.is_shared()
    s = t.nn.Sequential(t.nn.Linear(1, 1), t.nn.Linear(1, 1))
    s.to_empty(device="meta", recurse=False)
    yield s[0].weight.is_meta


def overwriting_on_conversion(t):
    m = t.nn.Linear(1, 1)
    w = m.weight
    t.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        m.double()
        yield m.weight is w, m.weight.dtype, w.dtype
    finally:
        t.__future__.set_overwrite_module_params_on_conversion(False)


def modes(t):
    m = t.nn.Sequential(t.nn.Dropout(), t.nn.Sequential(t.nn.ReLU()))
    yield m.eval() is m, [x.training for x in m.modules()], m.train() is m, [x.training for x in m.modules()], attempt(m.train, 3)
    n = net(t)
    n(t.ones(1, 2)).sum().backward()
    n.zero_grad()
    yield [p.grad for p in n.parameters()]
    n(t.ones(1, 2)).sum().backward()
    n.zero_grad(set_to_none=False)
    yield [p.grad for p in n.parameters()]
    yield n.requires_grad_(False) is n, [p.requires_grad for p in n.parameters()]
    log = []
    yield n.apply(lambda m: log.append(type(m).__name__)) is n, log


def printing(t):
    class Extra(t.nn.Module):
        def __init__(self, text, *children):
            super().__init__()
            self.text = text
            for i, c in enumerate(children):
                self.add_module(f"c{i}", c)

        def extra_repr(self):
            return self.text

        def _get_name(self):
            return "Named"

    yield repr(Extra("")), repr(Extra("a=1")), repr(Extra("a=1\nb=2")), repr(Extra("a=1", t.nn.ReLU())), repr(Extra("", t.nn.ReLU(), None))
    yield repr(t.nn.ModuleList([t.nn.ReLU(), t.nn.ReLU(), t.nn.Linear(1, 1)])), repr(t.nn.ModuleDict({"a": t.nn.ReLU()})), repr(t.nn.Sequential())
    yield repr(t.nn.ParameterList([t.nn.Parameter(t.ones(2)), t.ones(1)])), repr(t.nn.ParameterDict({"a": t.nn.Parameter(t.ones(2))}))
    yield repr(t.nn.TransformerEncoderLayer(4, 2)), repr(t.nn.MultiheadAttention(4, 2)), repr(t.nn.LSTM(2, 3, 2, bidirectional=True))


# ---------------------------------------------------------------- lazy modules
def lazy_modules(t):
    x = {1: t.ones(2, 3, 8), 2: t.ones(2, 3, 8, 8), 3: t.ones(2, 3, 8, 8, 8)}
    made = [(t.nn.LazyLinear(4), t.ones(2, 5))]
    for n in (1, 2, 3):
        made += [(getattr(t.nn, f"LazyConv{n}d")(4, 2), x[n]), (getattr(t.nn, f"LazyConvTranspose{n}d")(4, 2), x[n]),
                 (getattr(t.nn, f"LazyBatchNorm{n}d")(), x[n]), (getattr(t.nn, f"LazyInstanceNorm{n}d")(affine=True, track_running_stats=True), x[n])]
    for m, value in made:
        yield repr(m), m.has_uninitialized_params(), attempt(lambda: [str(p) for p in m.parameters()])
        yield m(value).shape, type(m).__name__, repr(m), {k: tuple(v.shape) for k, v in m.state_dict().items()}


def lazy_state(t):
    m = t.nn.LazyLinear(2)
    yield attempt(lambda: m.weight.shape), attempt(lambda: m.weight + 1), attempt(repr, m.weight), type(m.weight).__name__
    yield attempt(copy.deepcopy, m), attempt(lambda: m.weight.share_memory_())
    s = m.state_dict()
    yield [type(v).__name__ for v in s.values()]
    n = t.nn.LazyLinear(2)
    yield n.load_state_dict(s), attempt(n.load_state_dict, t.nn.Linear(3, 2).state_dict()), n.has_uninitialized_params(), tuple(n.weight.shape)
    yield type(n).__name__, n(t.ones(1, 3)).shape, type(n).__name__
    full = t.nn.Linear(3, 2)
    yield attempt(full.load_state_dict, s)
    z = pickle.loads(pickle.dumps(t.nn.LazyLinear(2)))
    yield z(t.ones(1, 4)).shape
    d = t.nn.LazyLinear(2, dtype=t.float64).to(t.float32)
    yield d.weight.dtype, d(t.ones(1, 2)).dtype
    yield attempt(t.nn.LazyConv2d(2, 2), t.ones(3, 3)), attempt(t.nn.LazyBatchNorm2d(), t.ones(3))
    net = t.nn.Sequential(t.nn.LazyLinear(3), t.nn.ReLU(), t.nn.LazyLinear(1))
    net(t.ones(2, 4))
    yield net, [tuple(p.shape) for p in net.parameters()]
    u = t.nn.UninitializedParameter()
    yield attempt(lambda: u.materialize((2, 2))), type(u).__name__, u.shape
    b = t.nn.UninitializedBuffer()
    yield type(b).__name__, attempt(lambda: b.materialize((3,))), type(b).__name__


class LazyScale:
    """A lazy module of a user's own."""

    @staticmethod
    def of(t):
        class Scale(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.w = t.nn.Parameter(t.ones(1))

            def forward(self, x, scale=1):
                return x * self.w * scale

        class LazyOwn(t.nn.modules.lazy.LazyModuleMixin, Scale):
            cls_to_become = Scale

            def __init__(self):
                super().__init__()
                self.w = t.nn.UninitializedParameter()

            def initialize_parameters(self, x, scale=1):
                self.w.materialize(x.shape[-1:])
                with t.no_grad():
                    self.w.fill_(scale)

        class Forgets(LazyOwn):
            def initialize_parameters(self, x):
                pass

        class Lacks(t.nn.modules.lazy.LazyModuleMixin, Scale):
            def __init__(self):
                super().__init__()
                self.w = t.nn.UninitializedParameter()

        return LazyOwn, Forgets, Lacks


def own_lazy_modules(t):
    own, forgets, lacks = LazyScale.of(t)
    m = own()
    yield m(t.ones(2), scale=3), type(m).__name__
    yield attempt(forgets(), t.ones(2)), attempt(lacks(), t.ones(2))


# ---------------------------------------------------------------- containers
def containers(t):
    s = net(t)
    yield s[-1], s[1:], len(s), attempt(lambda: s[7]), attempt(lambda: s["a"])
    s[1] = t.nn.ReLU()
    del s[0]
    yield s, s.append(t.nn.ReLU()) is s, s.insert(0, t.nn.Tanh()) is s, s.extend([t.nn.ReLU()]) is s, s.pop(0), s
    yield s + t.nn.Sequential(t.nn.Tanh()), t.nn.Sequential(t.nn.ReLU()) * 2, attempt(lambda: s + 3), attempt(lambda: s * "x"), attempt(lambda: s * 0)
    yield attempt(s.insert, 99, t.nn.ReLU()), attempt(s.insert, 0, 3), attempt(s.append, 3)
    li = t.nn.ModuleList([t.nn.ReLU()])
    li += [t.nn.Tanh()]
    yield li, li + t.nn.ModuleList([t.nn.ELU()]), attempt(lambda: li[5]), attempt(li.extend, 3), attempt(li, 1), li[0:1], len(li), li.pop(0), li
    d = t.nn.ModuleDict([["a", t.nn.ReLU()], ("b", t.nn.Tanh())])
    yield list(d.keys()), "a" in d, len(d), d.pop("a"), d, attempt(d.update, 3), attempt(d.update, [1]), attempt(d.update, [(1, 2, 3)]), attempt(lambda: d["x"])
    p = t.nn.ParameterList([t.ones(1), 3, t.nn.Parameter(t.zeros(1))])
    yield p, len(p), attempt(lambda: p[9]), p[1], attempt(p.extend, 3), [type(v).__name__ for v in p], attempt(p, 1)
    q = t.nn.ParameterDict({"a": t.ones(1), "b": 2})
    yield q, list(q.keys()), q.get("x", 1), q.setdefault("c", t.ones(1)), q.popitem(), q.copy(), q | {"z": 1}, attempt(q.update, 3), q.fromkeys(["u"], 1)


@pytest.mark.parametrize("scenario", scenarios(globals()), ids=lambda f: f.__name__)
def test_module(scenario):
    compare(scenario)
