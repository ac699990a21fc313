"""Functions that take functions: vmap, gradients, products with Jacobians, Jacobians, Hessians."""

from ._modules import functional_call, functionalize, stack_module_state
from ._transforms import debug_unwrap, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from ._vmap import vmap

__all__ = ["grad", "grad_and_value", "vmap", "vjp", "jvp", "jacrev", "jacfwd", "hessian", "linearize", "functional_call",
           "stack_module_state", "functionalize", "debug_unwrap"]
