"""Inputs of random sizes and layouts, for benchmarks that should not know what they measure."""

from __future__ import annotations

import functools
import itertools
import math
import random

import facula

__all__ = ["Fuzzer", "FuzzedParameter", "FuzzedTensor", "ParameterAlias"]


class ParameterAlias:
    """In a distribution: the value of another parameter."""

    def __init__(self, alias_to):
        self.alias_to = alias_to

    def __repr__(self):
        return f"ParameterAlias[alias_to: {self.alias_to}]"


class FuzzedParameter:
    """A random number.

    Args:
        name: Its name; tensors' sizes refer to it.
        minval, maxval: Bounds, included.
        distribution: "loguniform", "uniform", or a dict from values to probabilities.
        strict: Refuse probabilities that do not add to one.
    """

    def __init__(self, name, minval=None, maxval=None, distribution=None, strict=False):
        self._name, self._low, self._high = name, minval, maxval
        if distribution in ("loguniform", "uniform"):
            if minval is None or maxval is None:
                raise ValueError(f"{distribution} needs minval and maxval")
        elif not isinstance(distribution, dict):
            raise ValueError(f"Unknown distribution: {distribution}")
        if isinstance(distribution, dict):
            total = sum(distribution.values())
            if strict and abs(total - 1) > 1e-6:
                raise ValueError(f"distribution does not sum to 1: {distribution}")
            if total <= 0:
                raise ValueError("distribution needs positive probabilities")
        self._distribution = distribution

    @property
    def name(self):
        """Its name."""
        return self._name

    def sample(self, state):
        """A value drawn from `state`, a random.Random."""
        if isinstance(self._distribution, dict):
            return state.choices(list(self._distribution), list(self._distribution.values()))[0]
        if self._distribution == "uniform":
            return state.randint(self._low, self._high) if isinstance(self._low, int) else state.uniform(self._low, self._high)
        low, high = math.log(self._low), math.log(self._high)
        value = math.exp(state.uniform(low, high))
        return min(max(round(value), self._low), self._high) if isinstance(self._low, int) else value


class FuzzedTensor:
    """A tensor of random sizes and order of dimensions.

    Args:
        size: Numbers and names of parameters.
        steps: Steps between elements, by dimension.
        probability_contiguous: How often it is contiguous; otherwise its dimensions are permuted in memory.
        min_elements, max_elements: Sizes outside are drawn again.
        dim_parameter: The parameter that says how many of `size` count.
    """

    def __init__(self, name, size, steps=None, probability_contiguous=0.5, min_elements=None, max_elements=None, max_allocation_bytes=None,
                 dim_parameter=None, roll_parameter=None, dtype=facula.float32, cuda=False, tensor_constructor=None):
        if cuda:
            raise RuntimeError("FuzzedTensor(cuda=True): there is no GPU")
        self._name, self._size, self._steps, self._contiguous = name, size, steps, probability_contiguous
        self._min, self._max, self._bytes = min_elements, max_elements, max_allocation_bytes
        self._dim, self._roll, self._dtype = dim_parameter, roll_parameter, dtype
        self._constructor = tensor_constructor or self.default_tensor_constructor

    @property
    def name(self):
        """Its name."""
        return self._name

    @staticmethod
    def default_tensor_constructor(size, dtype, **kwargs):
        """Random values of a size and dtype."""
        if dtype.is_floating_point or dtype.is_complex:
            return facula.rand(size=size, dtype=dtype)
        return facula.randint(1, 127, size=size, dtype=dtype)

    def _shape(self, params):
        def resolved(values):
            values = [params.get(v, v) for v in values]
            if self._dim is not None:
                values = values[:params[self._dim]]
            if self._roll is not None:
                k = params[self._roll] % max(len(values), 1)
                values = values[-k:] + values[:-k] if k else values
            return values

        size = resolved(self._size)
        steps = resolved(self._steps) if self._steps else [1] * len(size)
        return tuple(size), tuple(steps), tuple(n * s for n, s in zip(size, steps))

    def satisfies_constraints(self, params):
        """Whether the sizes that the parameters give are within bounds."""
        size, _, allocated = self._shape(params)
        count = math.prod(size)
        return (self._min is None or count >= self._min) and (self._max is None or count <= self._max) and (
            self._bytes is None or math.prod(allocated) * self._dtype.itemsize <= self._bytes)

    def _make_tensor(self, params, state):
        size, steps, allocated = self._shape(params)
        order = list(range(len(size)))
        if len(size) > 1 and state.random() >= self._contiguous:
            state.shuffle(order)
        raw = self._constructor(size=[allocated[d] for d in order], dtype=self._dtype)
        tensor = raw.permute(tuple(order.index(d) for d in range(len(size)))) if order != sorted(order) else raw
        tensor = tensor[tuple(slice(0, n * s, s) for n, s in zip(size, steps))]
        return tensor, {"numel": int(tensor.numel()), "shape": tensor.size(), "steps": steps, "strides": tensor.stride(), "order": order,
                        "is_contiguous": tensor.is_contiguous(), "dtype": str(self._dtype)}


class Fuzzer:
    """Draws parameters and tensors until they fit the constraints.

    Args:
        parameters: FuzzedParameters, or lists of them.
        tensors: FuzzedTensors, or lists of them.
        constraints: Functions of the parameters by name that must all hold.
        seed: Of the draws.
    """

    def __init__(self, parameters, tensors, constraints=None, seed=None):
        self._seed = random.SystemRandom().randrange(2 ** 31) if seed is None else seed
        self._parameters = self._flat(parameters, FuzzedParameter)
        self._tensors = self._flat(tensors, FuzzedTensor)
        self._constraints = constraints or ()
        names = [p.name for p in self._parameters] + [t.name for t in self._tensors]
        repeated = {n for n in names if names.count(n) > 1}
        if repeated:
            raise ValueError(f"Duplicate names: {sorted(repeated)}")
        self._drawn = self._refused = 0

    @staticmethod
    def _flat(items, kind):
        flat = list(itertools.chain.from_iterable(i if isinstance(i, (list, tuple)) else [i] for i in items))
        if not all(isinstance(i, kind) for i in flat):
            raise ValueError(f"expected instances of {kind.__name__}")
        return flat

    @property
    def rejection_rate(self):
        """The part of draws that did not fit."""
        if not self._drawn:
            return 0.0
        return self._refused / self._drawn

    def take(self, n):
        """Yields n times (tensors by name, their properties by name, parameters by name)."""
        state = random.Random(self._seed)
        for _ in range(n):
            params = self._draw(state)
            made = {t.name: t._make_tensor(params, state) for t in self._tensors}
            yield {k: t for k, (t, _) in made.items()}, {k: about for k, (_, about) in made.items()}, params

    def _draw(self, state):
        while True:
            self._drawn += 1
            params = {p.name: p.sample(state) for p in self._parameters}
            for name, value in params.items():
                params[name] = functools.reduce(lambda v, _: params[v.alias_to] if isinstance(v, ParameterAlias) else v, range(len(params)), value)
            if all(c(**params) for c in self._constraints) and all(t.satisfies_constraints(params) for t in self._tensors):
                return params
            self._refused += 1
            if self._drawn > 1000 and self._refused == self._drawn:
                raise RuntimeError("Fuzzer: no draw in a thousand fits the constraints")
