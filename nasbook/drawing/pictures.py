"""Pictures by name: what chains, genotypes and runs, which know no drawing, ask for by ``nasbook.base.shown``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

PICTURES = {
    "beliefs": ("beliefs", "explore"),
    "chain": ("diagrams", "chain_picture"),
    "genotype": ("cells", "genotype_mimebundle"),
    "hmm": ("diagrams", "hmm_picture"),
    "mdp": ("diagrams", "mdp_picture"),
    "one-shot": ("gallery", "run_mimebundle"),
    "one-shot figures": ("gallery", "save_run_figures"),
    "pomdp": ("diagrams", "pomdp_picture"),
    "scrubber": ("widget", "explore"),
    "sharing": ("sharing", "sharing_picture"),
    "story": ("story", "prepare"),
    "training": ("gallery", "training_mimebundle"),
    "trials": ("searches", "search_picture"),
}
"""Name to module of ``nasbook.drawing`` and function in it."""


def drawn(name: str, *plain: Any) -> Any:
    """What the function of that name makes of ``plain`` data."""
    module, function = PICTURES[name]
    return getattr(import_module(f"nasbook.drawing.{module}"), function)(*plain)
