"""The shared loops: searching by turns and training a found network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        *("bilevel", "curvature", "loop", "memory", "numerics", "profiles", "scoring"),
        *("settings", "spaces", "standalone", "state", "steps", "unrolled"),
    ],
    submod_attrs={"unrolled": ["architecture_gradient"]},
)
