"""A parameter server: the parameters of a controller in shards, each with an optimiser of its own.

Zoph & Le, 2017, arXiv 1611.01578, section 3.2: replicas pull parameters and push gradients, and a gradient may be
stale, computed from parameters that have moved since. Plain NumPy, so that each number is the same whatever its
neighbours are: splitting into shards changes no bit.
"""

from itertools import pairwise

import numpy as np

from nasbook.base import checks


class Adam:
    """Adam uphill on a vector of ``size`` numbers (Kingma & Ba, 2015, arXiv 1412.6980, Algorithm 1)."""

    def __init__(self, size: int, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        self.betas, self.eps, self.steps = betas, eps, 0
        self.mean, self.square = np.zeros(size), np.zeros(size)

    def step(self, gradient: np.ndarray, learning_rate: float) -> np.ndarray:
        """What to add to the parameters (P,) after one more gradient (P,) of what is to grow."""
        self.steps += 1
        slow, slower = self.betas
        self.mean = slow * self.mean + (1 - slow) * gradient
        self.square = slower * self.square + (1 - slower) * gradient * gradient
        mean, square = self.mean / (1 - slow**self.steps), self.square / (1 - slower**self.steps)
        return learning_rate * mean / (np.sqrt(square) + self.eps)


class ParameterServer:
    """``vector`` (P,) in ``shards`` equal parts; a part moves once it has received ``accumulate`` gradients, by the
    mean of them.

    ``.slices`` are the parts, ``.versions`` (S,) how many times each has moved.
    """

    def __init__(self, vector: np.ndarray, *, shards: int = 1, accumulate: int = 1, learning_rate: float) -> None:
        self.vector = np.array(vector, dtype=np.float64)
        self.accumulate = checks.whole(accumulate, "accumulate", 1)
        self.learning_rate = checks.positive(learning_rate, "learning_rate")
        edges = np.linspace(0, len(self.vector), checks.whole(shards, "shards", 1) + 1).astype(int)
        self.slices = [slice(begin, end) for begin, end in pairwise(edges)]
        self.versions = np.zeros(shards, dtype=np.int64)
        self._optimizers = [Adam(part.stop - part.start) for part in self.slices]
        self._waiting: list[list[np.ndarray]] = [[] for _ in self.slices]

    def pull(self) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the parameters (P,) and of the versions (S,) of their shards."""
        return self.vector.copy(), self.versions.copy()

    def receive(self, shard: int, gradient: np.ndarray) -> None:
        """One part of a gradient, as long as the shard, arrives."""
        waiting = self._waiting[shard]
        waiting.append(gradient)
        if len(waiting) == self.accumulate:
            mean = sum(waiting[1:], waiting[0]) / len(waiting)
            self.vector[self.slices[shard]] += self._optimizers[shard].step(mean, self.learning_rate)
            self.versions[shard] += 1
            waiting.clear()

    def push(self, gradient: np.ndarray) -> None:
        """A whole gradient (P,) arrives at once."""
        for shard, part in enumerate(self.slices):
            self.receive(shard, gradient[part])
