"""All parameters as one vector, and back."""

import facula


def parameters_to_vector(parameters):
    """The parameters, flattened and joined."""
    return facula.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Sets the parameters from slices of one vector."""
    if not isinstance(vec, facula.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {facula.typename(vec)}")
    start = 0
    for p in parameters:
        p.data = vec[start:start + p.numel()].reshape(p.shape).data
        start += p.numel()
