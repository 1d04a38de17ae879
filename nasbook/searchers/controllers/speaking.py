"""What every controller shares: a policy over token lists, as ``nasbook.decisions.policies.Policy`` describes one, with
an automatic gradient behind it."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nasbook.base import checks, machine
from nasbook.base.errors import NasbookError
from nasbook.decisions.policies import listed
from nasbook.searchers.controllers.server import Adam
from nasbook.spaces.sentences import Slot

Chooser = Callable[[Slot, Tensor], np.ndarray]
"""From a step and log-probabilities (m, D, c) of its D decisions to tokens (m, D)."""


class Draw(NamedTuple):
    """``tokens`` (m, T), their log-probabilities (m,) and step entropies summed (m,), both in nats."""

    tokens: np.ndarray
    log_probabilities: np.ndarray
    entropies: np.ndarray


def mean_of_chosen(states: Tensor, chosen: Tensor) -> Tensor:
    """States (m, D, U) and bits (m, D) to (m, U): the sum of the chosen over one plus their number; zero for none."""
    bits = chosen.to(states.dtype)
    return (bits[:, :, None] * states).sum(dim=1) / (1 + bits.sum(dim=1, keepdim=True))  # (m, D, U) -> (m, U)


class Speaker(nn.Module):
    """A policy over token lists whose kinds bring ``unroll``, the one loop that drawing and learning share.

    A kind sets ``steps`` and ``choices``, makes its parameters and calls ``begin``.
    """

    steps: tuple[Slot, ...]
    choices: tuple[int, ...]

    def __init__(self, units: int, layers: int, temperature: float) -> None:
        super().__init__()
        self.units, self.temperature = checks.whole(units, "units", 1), checks.positive(temperature, "temperature")
        needed = 8 * 8 * units**2 * checks.whole(layers, "layers", 1)  # float64, eight squares of ``units`` a layer
        machine.check_memory(needed, f"a controller of {layers} layers of {units} units")
        self.start = nn.Parameter(torch.empty(units))

    def begin(self, bound: float, seed: int, optimizer: Callable[[int], Adam] = Adam) -> None:
        """Make all parameters float64 and draw them from U(-``bound``, ``bound``) by ``seed``."""
        self.double()
        checks.positive(bound, "bound")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
        self.optimizer = optimizer(len(self.vector))

    @abstractmethod
    def unroll(self, choose: Chooser, count: int, length: int | None = None) -> Iterator[tuple[Slot, Tensor, Tensor]]:
        """For each step: the step, log-probabilities (m, D, c) of its D decisions, and their tokens (m, D).

        ``choose`` decides the tokens; the lists end after ``length`` tokens (None: at the end).
        """

    @torch.no_grad()
    def draw(self, count: int, rng: np.random.Generator, length: int | None = None) -> Draw:
        """``count`` independent lists with their log-probabilities and entropies; all randomness is ``rng``'s."""
        checks.generator(rng)

        def choose(step: Slot, log_chance: Tensor) -> np.ndarray:
            below = log_chance.exp().cumsum(dim=2)[:, :, :-1].numpy()  # (m, D, c) -> (m, D, c - 1)
            return (rng.random((*below.shape[:2], 1)) >= below).sum(axis=2)  # (m, D)

        found = list(self.unroll(choose, checks.whole(count, "count", 1), length))
        tokens = torch.cat([tokens for _, _, tokens in found], dim=1)  # (m, T)
        return Draw(tokens.numpy(), *(total.numpy() for total in self.totals(found)))

    def sample(self, count: int, rng: np.random.Generator, length: int | None = None) -> np.ndarray:
        """``count`` independent lists, (count, T)."""
        return self.draw(count, rng, length).tokens

    def log_chances(self, tokens: np.ndarray) -> Tensor:
        """(m, T) -> (m,): log-probability of each list, with its gradient."""
        return self.totals(self._forced(tokens))[0]

    @torch.no_grad()
    def log_probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """(m, T) -> (m,): natural logarithm of each list's probability."""
        return self.log_chances(tokens).numpy()

    @torch.no_grad()
    def entropies(self, tokens: np.ndarray) -> np.ndarray:
        """(m, T) -> (m,): entropy of each step's decisions in nats, summed over the steps of each list."""
        return self.totals(self._forced(tokens))[1].numpy()

    def objective(self, tokens: np.ndarray, weights: np.ndarray) -> Tensor:
        """Mean over the lists of weight times log-probability, (m, T) and (m,) to (): what ``ascend`` climbs."""
        log_chances = self.log_chances(tokens)
        return (torch.tensor(checks.numbers(weights, "weights", (len(log_chances),))) * log_chances).mean()

    def gradient(self, tokens: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(P,): gradient of ``objective`` in the order of ``vector``."""
        parameters = list(self.parameters())
        with torch.enable_grad():
            found = torch.autograd.grad(self.objective(tokens, weights), parameters, materialize_grads=True)
        return torch.cat([slope.flatten() for slope in found]).numpy()

    def ascend(self, tokens: np.ndarray, weights: np.ndarray, *, learning_rate: float) -> None:
        """One step of Adam uphill along ``gradient``."""
        self.load(self.vector + self.optimizer.step(self.gradient(tokens, weights), learning_rate))

    @property
    def vector(self) -> np.ndarray:
        """All parameters in a row, (P,) float64, a copy."""
        return torch.cat([parameter.detach().flatten() for parameter in self.parameters()]).numpy()

    @torch.no_grad()
    def load(self, vector: np.ndarray) -> None:
        """Take ``vector`` (P,) as parameters. Raises NasbookError for another length or numbers that are not finite."""
        parameters = list(self.parameters())
        found = checks.numbers(vector, "parameters", (sum(parameter.numel() for parameter in parameters),))
        parts = torch.tensor(found).split([parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts):
            parameter.copy_(part.view_as(parameter))

    def _forced(self, tokens: np.ndarray) -> list[tuple[Slot, Tensor, Tensor]]:
        width = self._length(np.shape(tokens)[1] if np.ndim(tokens) == 2 else None)
        given = listed(tokens, self.choices[:width])
        return list(self.unroll(lambda step, _: given[:, step.start : step.end], len(given), width))

    def _length(self, length: int | None) -> int:
        ends = {step.end for step in self.steps if step.end}
        if length is not None and length not in ends:
            raise NasbookError(f"no step ends after {length} tokens: lists have {len(self.choices)} tokens")
        return length or len(self.choices)

    def totals(self, found: list[tuple[Slot, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of whole lists, (m,) each."""
        taken = sum(chance.gather(2, tokens[:, :, None]).sum(dim=(1, 2)) for _, chance, tokens in found)  # -> (m,)
        entropy = sum(-(chance.exp() * chance).sum(dim=(1, 2)) for _, chance, _ in found)  # (m, D, c) -> (m,)
        return taken, entropy
