"""ENAS's controllers: one LSTM whose questions about earlier nodes are answered by attention over their states.

Pham et al., 2018, arXiv 1802.03268, and its released code. All logits are divided by a temperature and then bounded,
``tanh_constant * tanh(logits)``. Where the code measures a probability that it does not draw from, the true one is
the default and the code's stands beside it as an option.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.searchers.controllers.server import Adam
from nasbook.searchers.controllers.speaking import Chooser, Speaker, mean_of_chosen
from nasbook.spaces.sentences import Slot, steps_of
from nasbook.spaces.tokens import Genotypes, TokenSpace


def squash(logits: Tensor, temperature: float, constant: float | None) -> Tensor:
    """``logits`` over ``temperature``, then bounded to ``constant``; None: not bounded."""
    logits = logits / temperature
    return logits if constant is None else constant * torch.tanh(logits)


def skip_log_chances(q: Tensor) -> Tensor:
    """(...) to (..., 2): log-probabilities of no and yes under softmax([-q, q]), so that P(yes) = sigmoid(2 q)."""
    return torch.stack([F.logsigmoid(-2 * q), F.logsigmoid(2 * q)], dim=-1)


def skip_penalty(log_chances: Tensor, target: float = 0.4, kind: str = "true") -> Tensor:
    """(..., 2) to (...): how far a skip's chance is from ``target``, in nats.

    "true": the Kullback-Leibler divergence of the drawn probability from the target. "code": the same with
    sigmoid(q) where the draw has sigmoid(2 q), as in the released code.
    """
    if kind == "code":
        q = (log_chances[..., 1] - log_chances[..., 0]) / 2  # (..., 2) -> (...)
        log_chances = torch.stack([F.logsigmoid(-q), F.logsigmoid(q)], dim=-1)  # (..., 2)
    goal = log_chances.new_tensor([1 - target, target]).log()  # (2,)
    return (log_chances.exp() * (log_chances - goal)).sum(dim=-1)  # (..., 2) -> (...)


class _Attentive(Speaker):
    """What both controllers share: one LSTM layer without biases, a learned first input, attention, Adam with
    beta1 = 0 and eps 1e-3."""

    def __init__(self, units: int, temperature: float, tanh_constant: float | None) -> None:
        super().__init__(units, 1, temperature)
        self.tanh_constant = None if tanh_constant is None else checks.positive(tanh_constant, "tanh_constant")
        self.cell = nn.LSTMCell(units, units, bias=False)
        self.key = nn.Linear(units, units, bias=False)
        self.query = nn.Linear(units, units, bias=False)
        self.attention = nn.Linear(units, 1, bias=False)

    def attend(self, keys: list[Tensor], state: Tensor) -> Tensor:
        """D keys (m, U) and the state (m, U) to one number for each key, (m, D), as it is: not bounded yet."""
        mixed = torch.tanh(torch.stack(keys, dim=1) + self.query(state)[:, None])  # (m, D, U)
        return self.attention(mixed)[:, :, 0]  # (m, D, U) -> (m, D)


class LayerController(_Attentive):
    """The macro controller, and that of any space whose decisions are plain choices and anchors.

    An anchor answers for each earlier anchor j by itself, P(yes) = sigmoid(2 q'), q' the bounded
    v . tanh(W1 h_j + W2 h); the next input is the sum of the chosen h_j over one plus their number: zero for none.
    ``skip_weight`` times the mean over the anchors of their summed ``skip_penalty`` is taken off the objective.
    ``entropy`` "sampled" counts -p log p of the drawn answer alone, as the released code does. Raises NasbookError
    for sizes that are not positive, and for what ``steps_of`` refuses.
    """

    def __init__(
        self,
        space: TokenSpace,
        *,
        units: int = 64,
        bound: float = 0.1,
        temperature: float = 1.0,
        tanh_constant: float | None = 1.5,
        entropy: str = "full",
        penalty: str = "true",
        skip_target: float = 0.4,
        skip_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(units, temperature, tanh_constant)
        self.steps, self.choices = steps_of(space), tuple(space.choices)
        self.entropy = one_of(entropy, ("full", "sampled"), "entropy")
        self.skip_weight = checks.number(skip_weight, "skip_weight")
        self.penalty = partial(skip_penalty, target=skip_target, kind=one_of(penalty, ("true", "code"), "skip penalty"))
        sizes = {step.kind: self.choices[step.start] for step in self.steps if not step.anchor}
        self.kinds = {kind: place for place, kind in enumerate(sizes)}
        self.heads = nn.ModuleList(nn.Linear(units, size, bias=False) for size in sizes.values())
        self.embeddings = nn.ModuleList(nn.Embedding(size, units) for size in sizes.values())
        self.begin(bound, seed, partial(Adam, betas=(0.0, 0.999), eps=1e-3))

    def unroll(self, choose: Chooser, count: int, length: int | None = None) -> Iterator[tuple[Slot, Tensor, Tensor]]:
        """See :meth:`Speaker.unroll`."""
        length = self._length(length)
        x = start = self.start.expand(count, -1)  # (U,) -> (m, U)
        memory = (x.new_zeros(count, self.units),) * 2
        anchors: list[Tensor] = []
        keys: list[Tensor] = []
        for step in self.steps:
            if step.start >= length:
                return
            memory = self.cell(x, memory)
            state = memory[0]  # (m, U)
            if not step.anchor:
                logits = squash(self.heads[self.kinds[step.kind]](state), self.temperature, self.tanh_constant)
                log_chance = F.log_softmax(logits, dim=1)[:, None]  # (m, c) -> (m, 1, c)
                tokens = torch.as_tensor(choose(step, log_chance))
                yield step, log_chance, tokens
                x = self.embeddings[self.kinds[step.kind]](tokens[:, 0])  # (m,) -> (m, U)
                continue
            x = start
            if anchors:
                q = squash(self.attend(keys, state), self.temperature, self.tanh_constant)  # (m, D)
                log_chance = skip_log_chances(q)  # (m, D, 2)
                tokens = torch.as_tensor(choose(step, log_chance))
                yield step, log_chance, tokens
                x = mean_of_chosen(torch.stack(anchors, dim=1), tokens)  # (m, D, U) -> (m, U)
            anchors.append(state)
            keys.append(self.key(state))

    def totals(self, found: list[tuple[Slot, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of whole lists, (m,) each."""
        taken, entropy = super().totals(found)
        if self.entropy == "sampled":
            drawn = [chance.gather(2, tokens[:, :, None])[:, :, 0] for _, chance, tokens in found]  # (m, D) each
            entropy = sum(-(one.exp() * one).sum(dim=1) for one in drawn)  # (m, D) -> (m,)
        return taken, entropy

    def penalties(self, tokens: np.ndarray) -> Tensor:
        """(m, T) to (m,): the skip penalty of each list, summed over each anchor's questions, mean over the anchors."""
        found = self._forced(tokens)
        each = [self.penalty(chance).sum(dim=1) for step, chance, _ in found if step.anchor]  # (m, D) -> (m,) each
        return sum(each) / len(each) if each else found[0][1].new_zeros(len(found[0][1]))

    def objective(self, tokens: np.ndarray, weights: np.ndarray) -> Tensor:
        """Mean over the lists of weight times log-probability, less the skip penalty: what ``ascend`` climbs."""
        gain = super().objective(tokens, weights)
        return gain - self.skip_weight * self.penalties(tokens).mean() if self.skip_weight else gain


class CellController(_Attentive):
    """The micro controller: for each block two inputs by attention, then two operations; cell after cell.

    Two steps at the beginning of each cell make the keys of its inputs, whose own vectors are zero. A block's key and
    vector come from one more step after its second operation; then the first input returns. Operations have the
    bounds ``tanh_constant / operation_reduce``, a learned bias that begins at ``bias`` for the separable convolutions,
    and in the normal cell a fixed one, ``prior`` for these and minus that for the others, after the tanh: the
    released code's thumb on the scale, off by default.
    """

    def __init__(
        self,
        space: Genotypes,
        *,
        units: int = 64,
        bound: float = 0.1,
        temperature: float = 1.0,
        tanh_constant: float | None = 1.1,
        operation_reduce: float = 2.5,
        bias: float = 0.0,
        prior: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not isinstance(space, Genotypes) or space.distinct:
            raise NasbookError(
                f"the micro controller speaks cells whose inputs are free, micro_space(...), not {space!r}"
            )
        super().__init__(units, temperature, tanh_constant)
        self.choices, self.nodes = tuple(space.choices), space.nodes
        self.steps = tuple(Slot("input" if t % 4 < 2 else "operation", t, (t,)) for t in range(len(self.choices)))
        self.operation_constant = tanh_constant and tanh_constant / checks.positive(
            operation_reduce, "operation_reduce"
        )
        self.head = nn.Linear(units, len(space.operations))
        self.embedding = nn.Embedding(len(space.operations), units)
        self.begin(bound, seed, partial(Adam, betas=(0.0, 0.999), eps=1e-3))
        favoured = torch.tensor([name.startswith("sep_conv") for name in space.operations]).double()  # (O,)
        self.prior = checks.number(prior, "prior") * (2 * favoured - 1)  # (O,)
        with torch.no_grad():
            self.head.bias.copy_(checks.number(bias, "bias") * favoured)

    def unroll(self, choose: Chooser, count: int, length: int | None = None) -> Iterator[tuple[Slot, Tensor, Tensor]]:
        """See :meth:`Speaker.unroll`."""
        length = self._length(length)
        start = self.start.expand(count, -1)  # (U,) -> (m, U)
        memory = (start.new_zeros(count, self.units),) * 2
        rows = torch.arange(count)
        for number, step in enumerate(self.steps):
            if step.start >= length:
                return
            place = number % (4 * self.nodes)
            if place == 0:
                vectors, keys = [torch.zeros_like(start)] * 2, []
                for _ in range(2):
                    memory = self.cell(start, memory)
                    keys.append(self.key(memory[0]))
            if place % 4 == 0:
                x = start
            memory = self.cell(x, memory)
            if step.kind == "input":
                logits = squash(self.attend(keys, memory[0]), self.temperature, self.tanh_constant)  # (m, D)
            else:
                logits = squash(self.head(memory[0]), self.temperature, self.operation_constant)  # (m, O)
                logits = logits + self.prior if number < 4 * self.nodes else logits
            log_chance = F.log_softmax(logits, dim=1)[:, None]  # (m, c) -> (m, 1, c)
            tokens = torch.as_tensor(choose(step, log_chance))
            yield step, log_chance, tokens
            if step.kind == "input":
                x = torch.stack(vectors, dim=1)[rows, tokens[:, 0]]  # (m, D, U) -> (m, U)
            else:
                x = self.embedding(tokens[:, 0])  # (m,) -> (m, U)
            if place % 4 == 3:
                memory = self.cell(x, memory)
                vectors.append(memory[0])
                keys.append(self.key(memory[0]))
