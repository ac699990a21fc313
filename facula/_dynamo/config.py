"""Settings of PyTorch's compiler: kept, and read by nothing."""

from __future__ import annotations

import contextlib
import sys

verbose = suppress_errors = capture_scalar_outputs = capture_dynamic_output_shape_ops = False
dynamic_shapes = automatic_dynamic_shapes = assume_static_by_default = optimize_ddp = inline_inbuilt_nn_modules = True
cache_size_limit = recompile_limit = 8
accumulated_cache_size_limit = accumulated_recompile_limit = 256
skip_fwd_side_effects_in_bwd_under_checkpoint = allow_unspec_int_on_nn_module = False


@contextlib.contextmanager
def patch(changes=None, /, **more):
    """Other settings inside a `with` block or a decorated function."""
    changes = {**({} if changes is None else changes), **more}
    module = vars(sys.modules[__name__])
    before = {k: module[k] for k in changes if k in module}
    module.update(changes)
    try:
        yield
    finally:
        for name in changes:
            module.pop(name, None)
        module.update(before)
