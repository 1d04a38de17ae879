"""From architecture parameters to paths (``samplers``) and to a genotype (``derivation``, ``rules``)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["derivation", "rules", "samplers"],
    submod_attrs={
        "samplers": [
            *("concrete", "ensemble", "gumbel", "one_hot", "softmax", "top_k"),
            *("code_probabilities", "code_probability", "plackett_luce", "rank_probabilities"),
        ]
    },
)
