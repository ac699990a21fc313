"""Random streams of GPUs, of which there are none."""

from .. import _absent

__all__ = ["get_rng_state", "get_rng_state_all", "set_rng_state", "set_rng_state_all", "manual_seed", "manual_seed_all", "seed", "seed_all", "initial_seed"]
globals().update({name: value for name, value in _absent.names("cuda", __name__).items() if name in __all__})
