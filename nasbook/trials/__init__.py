"""Searches that propose architectures and ask an evaluator for their score.

``nb.trials.run`` searches in a folder, ``play`` in memory, ``repeat`` once for each seed.
"""

import lazy_loader

NAMED: dict[str, str] = {}
"""Method name to the module that holds it; :mod:`nasbook.searchers` enters its own."""

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "interface": ["ChildFailed", "Evaluator", "Outcome"],
        "proxies": ["Proxy"],
        "running": ["TrialMethod", "Trial", "TrialConfig", "play", "repeat", "run"],
    },
)
