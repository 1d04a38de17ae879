"""Controllers: recurrent networks that speak architectures, and how their parameters are kept and moved."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "arcs": ["CellController", "LayerController"],
        "lstm": ["Controller"],
        "server": ["Adam", "ParameterServer"],
        "speaking": ["Draw"],
    },
)
