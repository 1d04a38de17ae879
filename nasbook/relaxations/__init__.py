"""From architecture parameters to paths (``samplers``) and to a genotype (``derivation``, ``rules``)."""

from nasbook.relaxations.samplers import (
    code_probabilities,
    code_probability,
    concrete,
    ensemble,
    gumbel,
    one_hot,
    plackett_luce,
    rank_probabilities,
    softmax,
    top_k,
)

__all__ = [
    "code_probabilities",
    "code_probability",
    "concrete",
    "ensemble",
    "gumbel",
    "one_hot",
    "plackett_luce",
    "rank_probabilities",
    "softmax",
    "top_k",
]
