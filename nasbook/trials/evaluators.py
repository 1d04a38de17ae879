"""What an architecture is worth: one interface, ``evaluate(architectures) -> scores``, and what stands behind it.

``Lookup`` reads a table of truth; ``Training`` trains each architecture from scratch (Zoph & Le, 2017, arXiv
1611.01578); ``SharedWeights`` judges it inside a trained super-net (Pham et al., 2018, arXiv 1802.03268); ``Function``
is a function of yours. A search spends them through a :class:`nasbook.trials.ledger.Ledger`.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nasbook.base import checks
from nasbook.base.config import profile_values
from nasbook.base.errors import NasbookError, one_of
from nasbook.trials.interface import ChildFailed, Evaluator, Outcome, check_fidelity

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nasbook.datasets.images import ImageData
    from nasbook.trials.tables import Table

DRAWN = "drawn"


class Function(Evaluator):
    """Any function from an architecture to its score, free of charge. ``name`` (default: the function's) stands in a
    run's config: give another function another name."""

    def __init__(self, function: Callable[[Hashable], float], name: str = "") -> None:
        if not callable(function):
            raise NasbookError(f"function is {function!r}: it must be callable with an architecture")
        self.function = function
        self.name = name or function_name(function)

    def judge(self, architecture: Hashable, seed: int) -> Outcome:
        """What the function returns, in no time."""
        return Outcome(self.function(architecture), 0.0)

    def description(self) -> dict[str, Any]:
        """Its name. Raises NasbookError for a lambda without one, which no run could tell from another."""
        if "<lambda>" in self.name:
            raise NasbookError("a lambda has no name to write into the run's config: Function(f, name='...')")
        return {"kind": "function", "name": self.name}


class Lookup(Evaluator):
    """The score that a table of truth has for an architecture, and the seconds that finding it out took.

    ``split`` and ``epochs`` (None: the table's most) say which accuracy. ``seed`` "drawn": that of one of the table's
    trainings, drawn anew for each evaluation, as if it were trained now; None: their mean, which no search could
    afford; a number: that training. Raises NasbookError for what the table does not have.

    It can judge ``at`` fewer epochs, where the table has them. A training that goes on costs the seconds of the rest
    in a table whose accuracies are those on the way (cellbench). In NAS-Bench-201 the trainings of 12 and of 200 epochs
    have learning rates of their own, so the longer one begins anew and costs all its seconds.
    """

    since = 0

    def __init__(
        self, table: Table, *, split: str = "valid", epochs: int | None = None, seed: int | str | None = DRAWN
    ) -> None:
        if not all(hasattr(table, name) for name in ("space", "epochs", "seeds", "accuracy", "seconds")):
            raise NasbookError(f"table is a {type(table).__name__}; it must come from nasbook.benchmarks.load(...)")
        self.table, self.split, self.seed = table, split, seed
        self.epochs = max(table.epochs) if epochs is None else epochs
        if isinstance(seed, str):
            one_of(seed, [DRAWN], "seed of a look-up")
            if not table.seeds:
                raise NasbookError(f"{table!r}: there is no seed to draw; look up the means with seed=None")
        self.judge(next(iter(table.space)), 0)  # raises for a split, a number of epochs or a seed that is not there

    @property
    def fidelities(self) -> tuple[int, ...]:
        """The table's epoch counts, up to ``epochs``, after which it has such a score."""
        first, found = next(iter(self.table.space)), []
        for epochs in self.table.epochs:
            with suppress(NasbookError):
                self.table.accuracy(first, self.split, epochs, seed=None if self.seed == DRAWN else self.seed)
                found.append(epochs)
        return tuple(epochs for epochs in found if epochs <= self.epochs)

    def at(self, epochs: int, since: int = 0) -> Lookup:
        """The look-up after ``epochs``, see :meth:`nasbook.trials.interface.Evaluator.at`."""
        fewer = copy.copy(self)
        fewer.epochs = check_fidelity(self, epochs, since)
        fewer.since = since if self.table.on_the_way else 0
        return fewer

    def judge(self, architecture: Hashable, seed: int) -> Outcome:
        """The table's accuracy, a fraction, and its seconds of training."""
        chosen = self.table.seeds[seed % len(self.table.seeds)] if self.seed == DRAWN else self.seed
        score = self.table.accuracy(architecture, self.split, self.epochs, seed=chosen)
        paid = self.table.seconds(architecture, self.since) if self.since else 0.0
        return Outcome(score, self.table.seconds(architecture, self.epochs) - paid)

    def scores(self) -> np.ndarray:
        """All that it may say, (S, A): of each architecture in the space's order, one row a seed that may be drawn."""
        seeds = self.table.seeds if self.seed == DRAWN else [self.seed]
        return np.array([self.table.scores(self.split, self.epochs, seed) for seed in seeds])  # (S, A)

    def description(self) -> dict[str, Any]:
        """Which table and which of its numbers."""
        which = {"split": self.split, "epochs": self.epochs, "seed": self.seed}
        checksum = hashlib.sha256(self.scores().tobytes()).hexdigest()
        return {"kind": "look-up", "table": repr(self.table), **which, "scores_checksum": checksum}


class Training(Evaluator):
    """Train each architecture from scratch; the score is its accuracy on images that it was not trained on.

    ``build(architecture, seed)`` makes the network with fresh weights. ``split``: fractions for weights, alphas and
    selection, as in all searches; a child is trained on the first two and judged on the third, after the best of the
    last ``best_of_last`` epochs, and the test part is not touched. ``split_seed`` decides which images these are, the
    evaluation's own seed decides weights, order and augmentation. ``profile`` and ``overrides`` are settings of
    :func:`nasbook.train`. A network that cannot be built or diverges is a failed child.

    It can judge ``at`` any fewer epochs. That is a training of its own, whose learning rate falls within them: a longer
    one begins anew, and costs all its seconds.
    """

    def __init__(
        self,
        build: Callable[[Hashable, int], nn.Module],
        *,
        data: ImageData,
        profile: str = "smoke",
        split: tuple[float, float, float] = (0.45, 0.45, 0.1),
        split_seed: int = 0,
        best_of_last: int = 1,
        **overrides: Any,
    ) -> None:
        from nasbook.datasets.images import check_data
        from nasbook.datasets.splits import split as divide
        from nasbook.training.standalone import PROFILES, TrainConfig

        if "seed" in overrides:
            raise NasbookError("a child's seed is that of its evaluation; give the search a seed, or choose split_seed")
        check_data(data)
        self.build = Function(build).function
        self.data = data.without_test()
        self.config = TrainConfig.make(profile_values(PROFILES, profile, 0) | overrides)
        self.split = {"split": list(split), "split_seed": split_seed}
        self.parts = divide(self.data.labels, split, split_seed)
        self.best_of_last = checks.whole(best_of_last, "best_of_last", 1)
        trained_on = len(self.parts["weights"]) + len(self.parts["alphas"])
        if self.config.batch_size > trained_on:
            raise NasbookError(f"batch_size is {self.config.batch_size}, and a child has {trained_on:,} images")

    @property
    def fidelities(self) -> range:
        """1 to the ``epochs`` of its settings."""
        return range(1, self.config.epochs + 1)

    def at(self, epochs: int, since: int = 0) -> Training:
        """The training of ``epochs``, see :meth:`nasbook.trials.interface.Evaluator.at`."""
        fewer = copy.copy(self)
        fewer.config = self.config.model_copy(update={"epochs": check_fidelity(self, epochs, since)})
        return fewer

    def judge(self, architecture: Hashable, seed: int) -> Outcome:
        """Build, train, and look at the selection part. Seconds are those of the clock."""
        from nasbook.trials.children import build_child, train_child

        begun = time.monotonic()
        config = self.config.model_copy(update={"seed": seed})
        try:
            net = build_child(self.build, architecture, seed, self.data, config.channels_last)
            score = train_child(net, self.data, self.parts, config, self.best_of_last)
        except ChildFailed as failed:
            raise ChildFailed(str(failed), time.monotonic() - begun) from failed
        return Outcome(score, time.monotonic() - begun)

    def description(self) -> dict[str, Any]:
        """The data, how they are divided, how a child is built and trained."""
        settings = self.config.model_dump(mode="json", exclude={"seed"}) | {"best_of_last": self.best_of_last}
        named = {"kind": "training", "build": function_name(self.build)}
        return {**named, **self.data.description(), **self.split, **settings}


class SharedWeights(Evaluator):
    """Accuracy inside a trained super-net: ``net(images (B, 3, H, W), architecture)`` gives logits (B, classes).

    ``positions`` (N,) are the images of ``data`` that judge, of the selection part. Nothing learns, so the same
    architecture always has the same score; BatchNorm normalises by the batch of ``batch_size``. ``bfloat16`` and
    ``channels_last`` as the net was trained. ``name`` tells this net from others in a run's config.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        data: ImageData,
        positions: Tensor,
        batch_size: int = 64,
        name: str = "super-net",
        bfloat16: bool | None = None,
        channels_last: bool | None = None,
    ) -> None:
        from nasbook.datasets.images import check_data

        check_data(data)
        self.net, self.data, self.positions, self.name = net, data.without_test(), positions, name
        self.batch_size = checks.whole(batch_size, "batch_size", 1)
        self.how = {"bfloat16": bfloat16, "channels_last": channels_last}
        if not len(positions):
            raise NasbookError("positions must name at least one image")

    def judge(self, architecture: Hashable, seed: int) -> Outcome:
        """The share of the images that it gets right. Seconds are those of the clock."""
        from nasbook.training.scoring import score, taken

        begun, part = time.monotonic(), taken(self.data, self.positions)
        how = {"forward": lambda images: self.net(images, architecture), "by_batch": True, "batch": self.batch_size}
        found = score(self.net, part, self.data, **how, **self.how)
        return Outcome(found.accuracy, time.monotonic() - begun)

    def description(self) -> dict[str, Any]:
        """The net's name, the data and how many of them judge; precision and layout if they are not the device's."""
        counted = {"images": len(self.positions), "batch_size": self.batch_size}
        counted |= {name: chosen for name, chosen in self.how.items() if chosen is not None}
        return {"kind": "shared weights", "name": self.name, **self.data.description(), **counted}


def function_name(function: Callable) -> str:
    """A function's full name; for a ``functools.partial``, with what it fixes."""
    if isinstance(function, partial):
        settings = ", ".join(f"{key}={value!r}" for key, value in sorted(function.keywords.items()))
        return f"{function_name(function.func)}({', '.join([*map(repr, function.args), settings])})"
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}.{kind.__qualname__}"
