"""What autograd keeps for the backward pass: the part of a step's memory in which the methods differ."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks


def peak_bytes(work: Callable[[], object], net: nn.Module) -> int:
    """The most bytes that autograd holds at one moment of ``work``; weights and buffers of ``net`` do not count.

    Autograd does not notice here if ``work`` alters a saved tensor in place.
    """
    with SavedBytes([*net.parameters(), *net.buffers()]) as saved:
        work()
    return saved.peak


class SavedBytes:
    """Use it in a ``with`` statement: the bytes that autograd holds, ``now`` and at their ``peak`` so far.

    A storage counts whole, and once however many operations keep it, from the first of them until the last lets go.
    ``present`` tensors, such as the weights, are there with or without autograd and do not count.
    """

    def __init__(self, present: Iterable[Tensor] = ()) -> None:
        self.now = self.peak = 0
        self._present = {_place(tensor) for tensor in present}
        self._keepers: Counter[int] = Counter()

    def __enter__(self) -> Self:
        # detached, because an operation that kept its own output would keep itself
        self._hooks = saved_tensors_hooks(lambda tensor: _Kept(tensor.detach(), self), lambda kept: kept.tensor)
        self._hooks.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._hooks.__exit__(*raised)

    def _count(self, tensor: Tensor, change: int) -> None:
        place = _place(tensor)
        if place in self._present:
            return
        before = self._keepers[place]
        self._keepers[place] += change
        if 0 in (before, before + change):
            self.now += change * tensor.untyped_storage().nbytes()
            self.peak = max(self.peak, self.now)


@dataclass
class _Kept:
    """A saved tensor that says when it comes and when it goes."""

    tensor: Tensor
    counter: SavedBytes

    def __post_init__(self) -> None:
        self.counter._count(self.tensor, 1)

    def __del__(self) -> None:
        self.counter._count(self.tensor, -1)


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
