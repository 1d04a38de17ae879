"""Runs: what a search or a training leaves behind in its folder, how it is written and how it is read again."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "folder": ["FORMAT", "known_format", "update_manifest"],
        "journal": ["Evaluation", "Journal"],
        "record": ["Record"],
        "run": ["Run"],
        "writer": ["RunWriter", "read_checkpoint"],
    },
)
