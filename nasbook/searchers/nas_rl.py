"""NAS with reinforcement learning: a controller writes architectures, and what they score teaches it to write.

Zoph & Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017, arXiv 1611.01578. Parameters lie in
shards; K replicas of the controller pull them, each draws m children, and pushes its gradient when they are trained,
while other replicas have pushed theirs. One process goes through these events in the order of a simulated clock.
The profile "nasnet" has the controller and the PPO of Zoph et al., 2018, arXiv 1707.07012.
"""

import heapq
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator

from nasbook.decisions.gradients import MovingAverage, clipped_weights
from nasbook.searchers.controllers import Controller, Draw, ParameterServer
from nasbook.spaces.tokens import TokenSpace
from nasbook.training.numerics import repeatable
from nasbook.trials.running import Trial, TrialConfig


class Config(TrialConfig):
    """The paper's settings for images.

    ``replicas`` K, ``shards`` S, ``children`` m; a shard moves once it has ``accumulate`` gradients. ``synchronous``:
    all replicas wait for each other, and the parameters move by their mean gradient. ``clock``: a child's training
    lasts a "drawn" time, uniform from .5 to 1.5, or the "seconds" of its evaluation. A push reaches a shard up to
    ``latency`` later, uniformly. ``reward``: "cubed" scores, or "plain". ``decay`` and ``baseline_start``: of the
    average of past rewards, one for all replicas; the paper names neither. ``clip``: PPO's, with ``epochs`` pushes
    for each draw. ``depth_start``, ``depth_step``, ``depth_every``: on a space with ``with_layers``, the depth of the
    first children, and how much is added after how many.
    """

    evaluations: int = Field(12_800, gt=0)
    units: int = Field(35, gt=0)
    controller_layers: int = Field(2, gt=0)
    bound: float = Field(0.08, gt=0)
    learning_rate: float = Field(6e-4, gt=0)
    replicas: int = Field(100, gt=0)
    shards: int = Field(20, gt=0)
    children: int = Field(8, gt=0)
    accumulate: int = Field(1, gt=0)
    synchronous: bool = False
    clock: Literal["drawn", "seconds"] = "drawn"
    latency: float = Field(0.0, ge=0)
    reward: Literal["cubed", "plain"] = "cubed"
    decay: float = Field(0.95, ge=0, lt=1)
    baseline_start: float = 0.0
    entropy_weight: float = Field(0.0, ge=0)
    clip: float | None = Field(None, gt=0, lt=1)
    epochs: int = Field(1, gt=0)
    depth_start: int = Field(6, gt=0)
    depth_step: int = Field(2, gt=0)
    depth_every: int = Field(1600, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.epochs > 1 and self.clip is None:
            raise ValueError(f"{self.epochs} epochs on one draw need a clip, such as clip=0.2")
        if self.synchronous and self.accumulate > 1:
            raise ValueError("a synchronous search averages the gradients of all replicas: leave accumulate at 1")
        return self


_SMALL = {"learning_rate": 0.01, "children": 5, "shards": 4, "depth_start": 2, "depth_step": 1}

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**_SMALL, "evaluations": 200, "replicas": 2, "decay": 0.8, "depth_every": 40},
    "lesson": {**_SMALL, "evaluations": 1000, "replicas": 4, "decay": 0.9, "depth_every": 200},
    "paper": {},
    "penn_treebank": {"learning_rate": 5e-4, "replicas": 400, "children": 1, "accumulate": 10, "reward": "plain"},
    "nasnet": {
        "evaluations": 20_000,
        "units": 100,
        "controller_layers": 1,
        "bound": 0.1,
        "learning_rate": 3.5e-4,
        "replicas": 1,
        "shards": 1,
        "children": 20,
        "reward": "plain",
        "entropy_weight": 1e-5,
        "clip": 0.2,
        "epochs": 4,
    },
}
"""Smoke and lesson are ours; so are the clip, the epochs and the one replica of "nasnet", which the paper does not
state, and the number of evaluations for Penn Treebank, which is that for images."""


@dataclass
class Replica:
    """A controller's copy at work: the space at the depth of its children, the parameters (P,) and versions (S,)
    that it drew them from, their rewards (m,) and advantages (m,), how often it will still push, and how many times
    each shard that its pushes reached had moved since the draw."""

    space: TokenSpace
    vector: np.ndarray
    versions: np.ndarray
    drawn: Draw
    rewards: np.ndarray | None = None
    gains: np.ndarray | None = None
    pushes: int = 1
    staleness: list[int] = field(default_factory=list)


class Scheme:
    """What both schemes share: the controller, the server, the baseline and the rules of the rewards."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.config = trial, trial.config
        config = trial.config
        self.clock = trial.rng.spawn(1)[0]  # of its own: how long a training lasts changes no draw
        self.controller = Controller(
            trial.space,
            units=config.units,
            layers=config.controller_layers,
            bound=config.bound,
            seed=int(trial.rng.integers(2**63)),
        )
        self.server = ParameterServer(
            self.controller.vector,
            shards=1 if config.synchronous else config.shards,
            accumulate=config.accumulate,
            learning_rate=config.learning_rate,
        )
        self.baseline = MovingAverage(config.decay, config.baseline_start)

    def space_after(self, children: int) -> TokenSpace:
        """The space of the next child after so many: shallower than the whole one while the curriculum lasts."""
        config, space = self.config, self.trial.space
        if not hasattr(space, "with_layers"):
            return space
        return space.with_layers(
            min(space.layers, config.depth_start + config.depth_step * (children // config.depth_every))
        )

    def pull(self, pending: int = 0) -> Replica:
        """A replica takes the parameters and draws m children; ``pending`` were drawn and are not evaluated yet."""
        vector, versions = self.server.pull()
        self.controller.load(vector)
        space = self.space_after(len(self.trial.ledger.rows) + pending)
        drawn = self.controller.draw(self.config.children, self.trial.rng, len(space.choices))
        return Replica(space, vector, versions, drawn, pushes=self.config.epochs)

    def evaluate(self, replicas: list[Replica]) -> list[float]:
        """Train the children of ``replicas`` together, and return how long each replica has to wait for its own,
        on the simulated clock."""
        ledger, begun = self.trial.ledger, len(self.trial.ledger.rows)
        children = [one.space.decode(tokens) for one in replicas for tokens in one.drawn.tokens.tolist()]
        scores = self.trial.evaluate(children).reshape(len(replicas), -1)  # (K m,) -> (K, m)
        for replica, one in zip(replicas, scores):
            replica.rewards = one**3 if self.config.reward == "cubed" else one
        lasts = np.array([row.seconds for row in ledger.rows[begun:]]).reshape(len(replicas), -1)  # (K, m)
        if self.config.clock == "drawn":
            lasts = self.clock.uniform(0.5, 1.5, lasts.shape)
        return lasts.max(axis=1).tolist()

    def advantages(self, replica: Replica) -> np.ndarray:
        """(m,): rewards and entropy bonus minus the average of those before, which then takes them in."""
        return self.baseline(replica.rewards - self.config.entropy_weight * replica.drawn.log_probabilities)

    def gradient(self, replica: Replica) -> np.ndarray:
        """(P,): what the replica pushes: REINFORCE where it drew, or PPO's at the parameters of now.

            1/m sum_k sum_t grad log P(a_t | a_1, ..., a_(t-1); theta) (R_k - b)

        Section 3.2. With a ``clip``, PPO's clipped ratio of probabilities takes the place of the logarithm (Schulman et
        al., 2017, arXiv 1707.06347).
        """
        tokens, weights = replica.drawn.tokens, replica.gains
        self.controller.load(replica.vector if self.config.clip is None else self.server.pull()[0])
        if self.config.clip is not None:
            now = self.controller.log_probabilities(tokens)
            weights = clipped_weights(now, replica.drawn.log_probabilities, replica.gains, self.config.clip)
        return self.controller.gradient(tokens, weights)

    def note(self, replica: Replica, now: float) -> None:
        """A row of the trace about a replica's first push, which arrived ``now``."""
        self.trial.note(
            clock=now,
            reward=float(replica.rewards.mean()),
            baseline=self.baseline.value,
            entropy=float(replica.drawn.entropies.mean()),
            staleness=float(np.mean(replica.staleness or [0])),
        )


def search(trial: Trial) -> None:
    """Draw, train, learn until the budget is spent; what is found is the best child seen.

    The trace has, for each push, the mean ``reward`` (cubed), the ``baseline``, the ``entropy`` of the controller in
    nats, the ``staleness``: how many times the parameters moved between draw and push, a mean over the shards; and
    the simulated ``clock`` when it had arrived.
    """
    with repeatable(torch.device("cpu"), threads=1):
        found = Scheme(trial)
        synchronous(found) if trial.config.synchronous else asynchronous(found)


def synchronous(search: Scheme) -> None:
    """All K replicas draw from the same parameters, which then move by the mean of their gradients."""
    config, now = search.config, 0.0
    while True:
        replicas: list[Replica] = []
        for _ in range(config.replicas):
            replicas.append(search.pull(len(replicas) * config.children))
        now += max(search.evaluate(replicas))
        for replica in replicas:
            replica.gains = search.advantages(replica)
        for _ in range(config.epochs):
            gradients = [search.gradient(replica) for replica in replicas]
            search.server.push(sum(gradients[1:], gradients[0]) / config.replicas)
        for replica in replicas:
            search.note(replica, now)


def asynchronous(search: Scheme) -> None:
    """Each replica goes its own way: pull and draw, wait for its children, push to each shard, pull again.

    A replica pulls once its push has arrived everywhere. Events at the same time happen in the order in which they
    were scheduled; the children that begin at the same time are trained in one call.
    """
    config, server, clock = search.config, search.server, search.clock
    events: list = []
    numbers = itertools.count()

    def at(time: float, what: str, *about: Any) -> None:
        heapq.heappush(events, (time, next(numbers), what, about))

    def push(replica: Replica, now: float) -> None:
        gradient, parts = search.gradient(replica), server.slices
        late = config.latency * clock.random(len(parts)) if config.latency else np.zeros(len(parts))  # (S,)
        for shard, part in enumerate(parts):
            at(now + late[shard], "arrive", replica, shard, gradient[part])
        at(now + late.max(), "arrived", replica)
        replica.pushes -= 1

    now, begun = 0.0, [search.pull(place * config.children) for place in range(config.replicas)]
    while True:
        for replica, lasts in zip(begun, search.evaluate(begun) if begun else ()):
            at(now + lasts, "trained", replica)
        now, begun = events[0][0], []
        while events and events[0][0] == now:
            _, _, what, (replica, *arrived) = heapq.heappop(events)
            if what == "trained":
                replica.gains = search.advantages(replica)
                push(replica, now)
            elif what == "arrive":
                shard, gradient = arrived
                replica.staleness.append(server.versions[shard] - replica.versions[shard])
                server.receive(shard, gradient)
            else:
                if replica.pushes == config.epochs - 1:
                    search.note(replica, now)
                if replica.pushes:
                    push(replica, now)
                else:
                    begun.append(search.pull(len(begun) * config.children))
