"""Where users find a class, wherever its file is."""

__all__ = ["set_module"]


def set_module(module):
    """Set the module that a class says it is from, as NumPy and skrub do."""

    def decorate(cls):
        cls.__module__ = module
        return cls

    return decorate
