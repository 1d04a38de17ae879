"""Networks of stacked cells: the super-net that is searched and the network that is trained."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.darts.cells import Cell, Disturbance, FixedReductionCell
from nasbook.spaces.darts.grouped import GroupedCell
from nasbook.spaces.darts.stacks import AuxiliaryHead, CellStack, TwoHeaded, channel_divisor, reduction_positions
from nasbook.spaces.names import DARTS_OPERATIONS, Node, cell_edges, edge_count


class CellSupernet(CellStack):
    """The network that contains every architecture of a cell space.

    ``fixed_reduction``: reductions are GDAS's fixed cell, and only the normal cell is searched. ``grouped`` and
    ``channel_share``: see :class:`.GroupedCell` and :class:`.PartialCell`. Architecture parameters are not part of the
    module: they come in as paths. Raises NasbookError for sizes that cannot be.
    """

    def __init__(
        self,
        channels: int = 16,
        cells: int = 8,
        classes: int = 10,
        *,
        operations: Sequence[str] = DARTS_OPERATIONS,
        nodes: int = 4,
        fixed_reduction: bool = False,
        grouped: bool = False,
        channel_share: int = 1,
        seed: int = 0,
    ) -> None:
        if not operations:
            raise NasbookError(f"a searched cell needs an operation, got operations={operations!r}")
        candidates = edge_count(checks.whole(nodes, "nodes", 1)) * len(operations)
        divisor = channel_divisor("cifar", fixed_reduction, channel_share)

        def make_cell(kind: str, width: int) -> nn.Module:
            if kind == "reduce" and fixed_reduction:
                return FixedReductionCell(width, affine=False)
            options = {"grouped": grouped, "channel_share": channel_share}
            return GroupedCell(width, 2 if kind == "reduce" else 1, operations, nodes, **options)

        widths = {"normal": nodes, "reduce": 4 if fixed_reduction else nodes}
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            super().__init__(
                make_cell, widths, channels, cells, classes, affine=False, divisor=divisor, operations=candidates
            )
        self.operations = tuple(operations)
        self.nodes = nodes
        self.searched = ("normal",) if fixed_reduction else ("normal", "reduce")

    def uniform_paths(self) -> dict[str, Tensor]:
        """Equal weights for all operations of each searched kind of cell, each (E, O)."""
        shape = (len(cell_edges(self.nodes)), len(self.operations))
        return {kind: torch.full(shape, 1 / shape[1]) for kind in self.searched}

    def forward(
        self,
        x: Tensor,
        paths: Mapping[str, Tensor] | None = None,
        *,
        execute: str = "nonzero",
        disturb: Disturbance | None = None,
    ) -> Tensor:
        """Logits (B, classes) of images ``x`` (B, 3, H, W).

        ``paths[kind]`` is (E, O) or (1, E, O), shared by all cells of that kind, or (cells of that kind, E, O);
        ``None`` is the uniform mixture. An operation runs only where its weight is not exactly zero, and its output is
        multiplied by the weight, so that the weight receives a gradient. Which run is decided once a forward,
        on the host. ``execute="all"`` runs every operation, weight zero included (full straight-through). ``disturb``
        is applied to the output of each. How many ran, in all cells, stands in ``executed`` afterwards.
        """
        paths = self.uniform_paths() if paths is None else paths
        one_of(execute, ["nonzero", "all"], "execute")
        steps = {kind: iter(self._plan(kind, paths, x.device, execute)) for kind in self.searched}
        far, near = self.stem(x)
        self.executed = 0
        for kind, prepare, cell in zip(self.sequence, self.inputs, self.cells):
            if kind in steps:
                weights, active = next(steps[kind])
                self.executed += sum(map(len, active))
                far, near = near, cell(*prepare(far, near), weights, active, disturb)
            else:
                far, near = near, cell(*prepare(far, near))
        return self.classify(near)

    def _plan(self, kind: str, paths: Mapping[str, Tensor], device: torch.device, execute: str) -> list[tuple]:
        """For each cell of ``kind``: its weights (E, O) on ``device`` and, for each edge, the operations to run."""
        if kind not in paths:
            raise NasbookError(f"paths has no {kind!r} entry; it needs {', '.join(self.searched)}")
        path = paths[kind][0] if paths[kind].dim() == 3 and len(paths[kind]) == 1 else paths[kind]  # -> (E, O)
        count = self.sequence.count(kind)
        shape = (len(cell_edges(self.nodes)), len(self.operations))
        if tuple(path.shape) not in (shape, (count, *shape)):
            raise NasbookError(
                f"the {kind} path has shape {tuple(path.shape)}; it must be (edges, operations) = {shape}, or "
                f"{(count, *shape)} with one for each of the {count} {kind} cells"
            )
        every = [list(range(shape[1]))] * shape[0]
        if path.dim() == 2:
            runs = every if execute == "all" else _nonzero(path.detach().cpu())
            return [(path.to(device), runs)] * count
        host = path.detach().cpu()
        return [
            (weights, every if execute == "all" else _nonzero(chosen))
            for weights, chosen in zip(path.to(device).unbind(), host.unbind())  # (cells, E, O) -> (E, O) each
        ]


def _nonzero(path: Tensor) -> list[list[int]]:
    """For each edge of (E, O) weights, the operations whose weight is not zero."""
    return [[op for op, weight in enumerate(row) if weight != 0.0] for row in path.tolist()]


class CellNetwork(TwoHeaded, CellStack):
    """The stand-alone network of found cells, as it is trained and reported. See :meth:`.Genotype.network`.

    ``kinds``: "normal" and "reduce" to (nodes, concat), as in :attr:`.Genotype.kinds`; without "reduce" the reductions
    are GDAS's fixed cell. ``description`` is what a run's config says of it.
    """

    def __init__(
        self,
        kinds: Mapping[str, tuple[Sequence[Node], Sequence[int]]],
        channels: int,
        cells: int,
        classes: int,
        *,
        auxiliary: bool = False,
        stem: str = "cifar",
        seed: int = 0,
    ) -> None:
        def make_cell(kind: str, width: int) -> nn.Module:
            if kind not in kinds:
                return FixedReductionCell(width, affine=True)
            return Cell(*kinds[kind], width, 2 if kind == "reduce" else 1)

        widths = {"reduce": 4} | {kind: len(concat) for kind, (_, concat) in kinds.items()}
        divisor = channel_divisor(stem, "reduce" not in kinds)
        largest = max(sum(map(len, nodes)) for nodes, _ in kinds.values())
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            super().__init__(
                make_cell, widths, channels, cells, classes, stem=stem, affine=True, divisor=divisor, operations=largest
            )
            self.auxiliary_position = reduction_positions(cells)[1]
            width = 4 * channels * widths["reduce"]  # behind the second doubling
            self.auxiliary_head = AuxiliaryHead(width, classes, stem) if auxiliary else None
        self.description = dict(
            channels=channels, cells=cells, classes=classes, auxiliary=auxiliary, stem=stem, seed=seed
        )
        self.drops = sum(cell.drops for cell in self.cells)

    def _run(self, x: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        masks = [None] * len(self.cells) if keep is None else keep.split([cell.drops for cell in self.cells])
        far, near = self.stem(x)
        middle = near
        for i, (prepare, cell, mask) in enumerate(zip(self.inputs, self.cells, masks)):
            far, near = near, cell(*prepare(far, near), mask)
            middle = near if i == self.auxiliary_position else middle
        return self.classify(near), middle
