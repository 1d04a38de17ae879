"""Dividing the training images into the three disjoint parts of a search.

The weights are trained on one part, the alphas on another, and what the search found is judged on the
third. The published code takes the first and the last half of CIFAR-10; we permute by a
seed and keep the shares of the classes.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch

from nasbook.base.config import checked_seed
from nasbook.base.errors import NasbookError

PARTS = ("weights", "alphas", "selection")


def split(labels: torch.Tensor, fractions: Mapping[str, float] | Sequence[float], seed: int) -> dict[str, torch.Tensor]:
    """Three disjoint parts of the images with ``labels`` (N,): int64 positions on the CPU, ascending.

    ``fractions`` gives the share of "weights", "alphas" and "selection", by name or in that order: positive,
    together at most 1. Each class is divided alike, to within one image. The same labels, fractions and
    seed give the same parts on every device. Raises NasbookError if a share is out of range or a part
    would be empty.
    """
    shares = _shares(fractions)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(checked_seed(seed)))  # (N,)
    mixed = labels.cpu()[order]  # (N,)
    # The empty piece lets no images at all reach the refusal below.
    pieces = {part: [order[:0]] for part in PARTS}
    for label in mixed.unique():
        members = order[mixed == label]  # (images of the class,)
        ends = [math.floor(reached * len(members) + 0.5) for reached in accumulate(shares.values())]
        for part, piece in zip(PARTS, members.tensor_split(ends)):  # what lies behind the last end stays unused
            pieces[part].append(piece)
    parts = {part: torch.cat(pieces[part]).sort().values for part in PARTS}
    for part, share in shares.items():
        if not len(parts[part]):
            images = f"{len(labels):,} images"
            raise NasbookError(f"the {part} part would be empty: a share of {share:g} in {images} is too little")
    return parts


def fingerprint(parts: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 (hex) over the names and positions of the parts, for the manifest of a run."""
    total = hashlib.sha256()
    for part in sorted(parts):
        total.update(f"{part} {len(parts[part])} ".encode())
        total.update(parts[part].cpu().to(torch.int64).contiguous().numpy().data)
    return total.hexdigest()


def _shares(fractions: Mapping[str, float] | Sequence[float]) -> dict[str, float]:
    named = dict(fractions) if isinstance(fractions, Mapping) else dict(zip(PARTS, fractions))
    complete = set(named) == set(PARTS) and len(fractions) == len(PARTS)
    # The slack admits sums such as 0.7 + 0.2 + 0.1, which exceed 1 in the last bit.
    if not complete or not all(value > 0 for value in named.values()) or not sum(named.values()) <= 1 + 1e-9:
        raise NasbookError(
            f"fractions {fractions} must give {', '.join(PARTS)} a positive share each, together at most 1"
        )
    return {part: float(named[part]) for part in PARTS}
