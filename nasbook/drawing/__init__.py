"""Pictures of plain data: cells, trajectories, the scrubber, listings.

Nothing here knows torch, runs or searchers: tuples, DataFrames, arrays and strings come in, pictures with
a sentence go out. Names are imported when first used, so that ``import nasbook`` stays quick.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "figures.against": ["against_picture"],
        "figures.cells": ["cell_graph", "draw", "genotype_graph", "genotype_mimebundle"],
        "figures.comparison": ["seeds_picture"],
        "figures.gallery": ["run_mimebundle", "save_run_figures", "training_mimebundle"],
        "figures.searches": ["regret_curves_picture", "search_picture", "trainings_picture"],
        "figures.sharing": ["ranking_picture", "sharing_picture"],
        "figures.traces": ["alphas_figure", "trace_figure"],
        "parts.describe": ["alphas_sentence", "cell_sentence", "genotype_sentence", "trace_sentence"],
        "parts.picture": ["Picture"],
        "parts.source": ["source"],
        "scrubber.widget": ["explore"],
    },
)
