"""Pictures by name: what chains, genotypes and runs, which know no drawing, ask for by ``nasbook.base.shown``."""

from importlib import import_module
from typing import Any

PICTURES = {
    "beliefs": ("beliefs", "explore"),
    "chain": ("figures.diagrams", "chain_picture"),
    "genotype": ("figures.cells", "genotype_mimebundle"),
    "hmm": ("figures.diagrams", "hmm_picture"),
    "mdp": ("figures.diagrams", "mdp_picture"),
    "one-shot": ("figures.gallery", "run_mimebundle"),
    "one-shot figures": ("figures.gallery", "save_run_figures"),
    "pomdp": ("figures.diagrams", "pomdp_picture"),
    "scrubber": ("scrubber.widget", "explore"),
    "sharing": ("figures.sharing", "sharing_picture"),
    "story": ("scrubber.story", "prepare"),
    "training": ("figures.gallery", "training_mimebundle"),
    "trials": ("figures.searches", "search_picture"),
}
"""Name to module of ``nasbook.drawing`` and function in it."""


def drawn(name: str, *plain: Any) -> Any:
    """What the function of that name makes of ``plain`` data."""
    module, function = PICTURES[name]
    return getattr(import_module(f"nasbook.drawing.{module}"), function)(*plain)
