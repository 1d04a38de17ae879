"""What published searches cost, in training examples: models times examples each (PNAS, Liu et al., 2018, arXiv
1712.00559, Table 3)."""

from dataclasses import dataclass

from nasbook.spaces.blocks.pnas_cells import unordered_blocks


@dataclass(frozen=True)
class SearchCost:
    """``models`` M1 trained on ``examples`` E1 each, and the best ``finalists`` M2 again on ``final_examples`` E2 each.

    An example is one image in one epoch.
    """

    models: int
    examples: int
    finalists: int = 0
    final_examples: int = 0

    @property
    def total(self) -> int:
        """M1 E1 + M2 E2."""
        return self.models * self.examples + self.finalists * self.final_examples


def models_trained(blocks: int = 5, beam: int = 256, operations: int = 8) -> int:
    """How many cells PNAS trains: all of one block, then K a level."""
    return unordered_blocks(1, operations) + (blocks - 1) * beam


EPOCHS, IMAGES = 20, 45_000
"""How long a child of PNAS is trained, and on how many images."""

PUBLISHED = {
    "PNASNet-5": SearchCost(models_trained(), EPOCHS * IMAGES),
    "NASNet-A": SearchCost(20_000, 900_000, 250, 13_500_000),
    "Hier-EA": SearchCost(7_000, 5_120_000),
    "AmoebaNet-B": SearchCost(27_000, 2_250_000, 100, 27_000_000),
    "AmoebaNet-A": SearchCost(20_000, 1_130_000, 100, 27_000_000),
}
"""As the paper accounts for them; it prints 25.2 billion for AmoebaNet-A, where the product is 25.3."""
