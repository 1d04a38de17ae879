"""Searches against each other, and the arena that is open to any optimiser: ``nb.arena.open``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "challenges": ["Challenge", "open"],
        "contests": ["Contest", "Entrant", "entered", "in_order", "prepare", "standings"],
        "proposals": ["NoCell"],
        "reports": ["Report"],
    },
)
