"""Models for phones: there is no such back end."""


def optimize_for_mobile(script_module, *args, **kwargs):
    """Would rewrite a scripted module for phones.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError("optimize_for_mobile: Facula has no mobile back end; export the model with facula.onnx instead")
