"""Trees of lists, tuples and dicts."""

import gc
import weakref

from facula.utils._pytree import tree_flatten, tree_unflatten


def test_leaves_are_freed_at_once():
    class Leaf:
        pass

    gc.disable()
    try:
        leaf = Leaf()
        seen = weakref.ref(leaf)
        leaves, spec = tree_flatten({"a": [leaf, (1, 2)]})
        made = tree_unflatten(leaves, spec)
        assert made["a"][0] is leaf and made["a"][1] == (1, 2)
        del leaf, leaves, made
        assert seen() is None
    finally:
        gc.enable()
