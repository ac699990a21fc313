"""Choices about behaviour that may become the default one day."""

_overwrite_module_params_on_conversion = False


def set_overwrite_module_params_on_conversion(value):
    """Whether `module.to(...)` and its like make new parameters instead of changing the present ones."""
    global _overwrite_module_params_on_conversion
    _overwrite_module_params_on_conversion = value


def get_overwrite_module_params_on_conversion():
    """Whether `module.to(...)` and its like make new parameters instead of changing the present ones."""
    return _overwrite_module_params_on_conversion
