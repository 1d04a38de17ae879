"""The loop. Every network of the book that learns from images learns here, step by step and epoch by epoch.

What differs between a search, ENAS, a stand-alone training, a child and a training of the tables comes as arguments:
which steps a batch takes, and what an epoch's end writes down. The gradient is in the steps: a method's ``weight_step``
and ``architecture_step`` end in ``descend_weights`` and ``descend_alphas`` of ``nasbook.training.steps``, ENAS has its
own ``weight_step``, and whatever else learns takes the ``train_step`` of ``nasbook.training.standalone``.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nasbook.base import machine
from nasbook.base.config import LoopConfig
from nasbook.base.progress import reporter
from nasbook.datasets.splits import fingerprint
from nasbook.runs.record import Record
from nasbook.runs.writer import RunWriter
from nasbook.training.numerics import Diverged

Sums = dict[str, "Tensor | float"]
"""Name to the sum over the steps of an epoch."""

BatchStep = tuple[tuple[str, ...], Callable[[], tuple]]
"""The names of what a step returns, and the step: it moves parameters and returns numbers, detached, for the sums."""


@dataclass(kw_only=True)
class Learner:
    """What learns: it counts its steps and seconds, sums up its epoch, and holds all that a continuation needs.

    A kind of learner has a ``net``, names its ``GENERATORS``, and says in ``_parts`` what else has a state of its own.
    """

    GENERATORS: ClassVar[tuple[str, ...]]

    record: Record = field(default_factory=Record)
    step: int = 0
    seconds: float = 0.0
    totals: Sums = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        """All that a bit-exact continuation needs, as tensors and plain values."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        counted = {"step": self.step, "seconds": self.seconds, "totals": self.totals}
        return parts | {name: getattr(self, name).get_state() for name in self.GENERATORS} | counted

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state``, on the device where the net lies."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        for name in self.GENERATORS:
            getattr(self, name).set_state(state[name])
        self.step, self.seconds = state["step"], state["seconds"]
        totals, device = state["totals"], next(self.net.parameters()).device
        self.totals = {name: total.to(device) if hasattr(total, "to") else total for name, total in totals.items()}


def descent(net: nn.Module, config: LoopConfig, rate: float, *, nesterov: bool, fused: bool) -> torch.optim.SGD:
    """SGD on the weights of ``net``, with the config's momentum and decay.

    Not ``fused`` where operations may idle: that step demands that all weights have momentum, and theirs have none.
    """
    how = {"weight_decay": config.weight_decay, "nesterov": nesterov and config.momentum > 0}
    return torch.optim.SGD(net.parameters(), rate, config.momentum, **how, foreach=not fused, fused=fused)


def run_epochs(
    learner: Learner,
    steps: Callable[[int], Iterable[BatchStep]],
    end_epoch: Callable[[int, Sums], str],
    *,
    epochs: int,
    per_epoch: int,
    optimizer: torch.optim.Optimizer,
    rate: Callable[[int], float],
    finite: Mapping[str, tuple[str, float]] | None = None,
    label: str = "",
    writer: RunWriter | None = None,
) -> None:
    """Go on from ``learner.step`` to the end of ``epochs`` epochs of ``per_epoch`` batches.

    ``steps(epoch)`` gives the steps that the next batch takes, in their order; ``epoch`` counts from 0.
    ``end_epoch(number, sums)``, the number from 1, writes down what an epoch was, and says it in a line.
    ``rate(epoch)``: the learning rate of ``optimizer``. ``finite``: each sum that must be finite, with the setting
    that is too large where it is not, and its value. Without a ``label`` there is no progress, without a ``writer``
    no checkpoint.

    Raises Diverged if one of these sums is not finite.
    """
    with reporter(label, epochs, learner.step // per_epoch) if label else nullcontext(lambda said: None) as report:
        tick = time.monotonic()
        while learner.step < epochs * per_epoch:
            epoch = learner.step // per_epoch
            for group in optimizer.param_groups:
                group["lr"] = rate(epoch)
            for names, step in steps(epoch):
                for name, value in zip(names, step()):  # backward, and the optimizer's step
                    learner.totals[name] = learner.totals.get(name, 0) + value
            learner.step += 1
            learner.seconds, tick = learner.seconds + time.monotonic() - tick, time.monotonic()
            if learner.step % per_epoch == 0:
                sums, learner.totals = learner.totals, {}
                for name, (setting, value) in (finite or {}).items():
                    if not math.isfinite(loss := float(sums.get(name, 0.0))):
                        raise Diverged(loss, epoch + 1, setting, value)
                report(end_epoch(epoch + 1, sums))
            if writer and writer.due():
                writer.save(learner.state_dict())
    if writer:
        writer.save(learner.state_dict())


def note_cost(record: Record, epoch: int, seconds: float, device: torch.device) -> None:
    """Write down what ``epoch`` (from 1) cost, after ``seconds`` since the beginning, and the peak of memory so far."""
    spent = sum(before for _, before, _ in record.costs)
    record.costs.append([epoch, seconds - spent, machine.peak_memory(device)])


def run_or_republish(
    search: Any, writer: RunWriter, alternate: Callable[[], None], publish: Callable[[], None]
) -> None:
    """Bring a search to its end in the writer's folder, from its checkpoint if there is one; if it is finished and has
    lost published files, give them back.

    ``search`` is a Learner with ``data`` and ``parts``. ``alternate`` runs what is left of its epochs, ``publish``
    writes the files. Raises NasbookError as ``writer.restore``.
    """
    unfinished, device = not writer.finished, search.data.device
    if not unfinished and not writer.lacking:
        return
    state = writer.restore()
    if state is not None:
        search.load_state_dict(state)
    if unfinished:
        writer.begin(**machine.provenance(device), splits=fingerprint(search.parts))
    alternate()
    if unfinished:
        writer.finish(wall_seconds=round(search.seconds, 3), peak_memory_bytes=machine.peak_memory(device))
    if writer.lacking:
        publish()
