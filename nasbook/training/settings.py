"""The settings of a one-shot search: what all methods have in common."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from nasbook.base.config import LoopConfig
from nasbook.base.errors import one_of
from nasbook.spaces.darts.stacks import channel_divisor, check_sizes
from nasbook.spaces.edges.cells import NASBENCH201_OPERATIONS
from nasbook.spaces.names import DARTS_OPERATIONS, edge_count
from nasbook.spaces.operations import OPERATIONS

Splits = Literal["weights", "alphas"]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class SearchConfig(LoopConfig):
    """What all one-shot searches have in common.

    ``space``: "darts", normal and reduction cells of ``nodes`` nodes; or "edges", the cells of the tables of truth
    (``nasbook.spaces.edges``), ``cells`` in each of three stages, over the five ``operations`` of NAS-Bench-201 unless
    others are given. What a settings' sentence below says of kinds of cell, nodes and reductions is for "darts".

    Defaults are DARTS's, but for ``order`` (DARTS moves the alphas first) and ``split`` (fractions of the training
    images for weights, alphas and selection; DARTS has halves and no third part). ``alpha_betas`` are those of the
    released code, ``alpha_lr`` None is the rate of :func:`nasbook.training.profiles.alpha_rate`.
    ``legacy_zero_grad`` gives idle operations zero gradients, as PyTorch did before version 2, so that momentum and
    weight decay move every operation that was drawn once.

    ``updates`` are the steps that a method takes. One without a step of its own for the alphas trains on the
    images of both parts, so that the selection images are the same for all methods. A method that ``weighs_edges``
    has betas beside the alphas.
    """

    updates: ClassVar[tuple[Splits, ...]] = ("weights", "alphas")
    weighs_edges: ClassVar[bool] = False

    space: Literal["darts", "edges"] = "darts"
    epochs: int = Field(50, gt=0)
    batch_size: int = Field(64, gt=1)
    channels: int = 16
    cells: int = 8
    nodes: int = Field(4, gt=0)
    operations: tuple[str, ...] = Field(DARTS_OPERATIONS, strict=False)
    fixed_reduction: bool = False
    order: tuple[Splits, ...] = Field(("weights", "alphas"), strict=False)
    split: tuple[float, float, float] = Field((0.45, 0.45, 0.1), strict=False)
    weight_lr: float = Field(0.025, gt=0)
    weight_lr_end: float = Field(0.001, ge=0)
    legacy_zero_grad: bool = False
    alpha_lr: float | None = Field(3e-4, gt=0)
    alpha_betas: tuple[Momentum, Momentum] = Field((0.5, 0.999), strict=False)
    alpha_decay: float = Field(1e-3, ge=0)
    alpha_mean: float = 0.0
    alpha_deviation: float = Field(1e-3, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _of_the_space(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"operations": NASBENCH201_OPERATIONS, **values} if values.get("space") == "edges" else values

    @field_validator("operations")
    @classmethod
    def _known_operations(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in names:
            one_of(name, NASBENCH201_OPERATIONS if info.data.get("space") == "edges" else OPERATIONS, "operation")
        if len(set(names)) < len(names) or not set(names) - {"none"}:
            raise ValueError("list each operation once, and at least one besides none")
        return names

    @field_validator("order")
    @classmethod
    def _each_once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if sorted(order) != sorted(cls.updates):
            names = " and ".join(map(repr, cls.updates))
            raise ValueError(f"it must hold {names}, each once, in the order of the updates")
        return order

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.space == "edges":
            if self.fixed_reduction:
                raise ValueError("the space 'edges' has no reduction cell: leave fixed_reduction out")
            return self
        divisor = channel_divisor("cifar", self.fixed_reduction, self.share)
        candidates = edge_count(self.nodes) * len(self.operations)
        check_sizes(self.channels, self.cells, 2, divisor, operations=candidates)
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cell that are searched."""
        return ("normal",) if self.fixed_reduction or self.space == "edges" else ("normal", "reduce")

    @property
    def share(self) -> int:
        """Operations see one channel in so many: all of them, unless a method says otherwise."""
        return 1

    def steps_in(self, epoch: int) -> tuple[Splits, ...]:
        """The steps that each batch of ``epoch`` (from 0) takes, in their order."""
        return self.order
