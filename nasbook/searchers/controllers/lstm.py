"""The controller of NAS with RL: an LSTM that writes an architecture token by token (Zoph & Le, 2017, arXiv
1611.01578, sections 3.1 and 3.3).

Each token is drawn by the head of its kind, and its embedding is the next input. An anchor point answers yes or no
for each earlier anchor j by itself, with P(yes) = sigmoid(v . tanh(W_prev h_j + W_curr h)), h the state of the top
layer at the anchors. What the paper leaves open: the first input is learned; after an anchor point the next input is
the sum of the chosen h_j over one plus their number, as in ENAS (Pham et al., 2018, arXiv 1802.03268, released code).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.searchers.controllers.speaking import Chooser, Speaker, mean_of_chosen
from nasbook.spaces.sentences import Slot, steps_of
from nasbook.spaces.tokens import TokenSpace


class Controller(Speaker):
    """A policy over the token lists of ``space``, as ``nasbook.decisions.policies.Policy`` describes one.

    ``layers`` LSTM layers of ``units``; all weights begin U(-``bound``, ``bound``) by ``seed``. NASNet's controller
    has one layer of 100 units and bound .1 (Zoph et al., 2018, arXiv 1707.07012). ``temperature`` divides all
    logits. Token lists may also be beginnings of full ones that end with a step, such as those of a shallower stack.
    ``ascend`` moves by Adam. Raises NasbookError for sizes that are not positive, and what ``steps_of`` refuses.
    """

    def __init__(
        self,
        space: TokenSpace,
        *,
        units: int = 35,
        layers: int = 2,
        bound: float = 0.08,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(units, layers, temperature)
        self.steps, self.choices = steps_of(space), tuple(space.choices)
        sizes = {step.kind: self.choices[step.start] for step in self.steps if not step.anchor}
        self.kinds = {kind: place for place, kind in enumerate(sizes)}
        self.cells = nn.ModuleList(nn.LSTMCell(units, units) for _ in range(layers))
        self.heads = nn.ModuleList(nn.Linear(units, size) for size in sizes.values())
        self.embeddings = nn.ModuleList(nn.Embedding(size, units) for size in sizes.values())
        if any(step.anchor for step in self.steps):
            self.previous, self.current = (nn.Linear(units, units, bias=False) for _ in range(2))
            self.attention = nn.Linear(units, 1, bias=False)
        self.begin(bound, seed)

    def unroll(self, choose: Chooser, count: int, length: int | None = None) -> Iterator[tuple[Slot, Tensor, Tensor]]:
        """See :meth:`Speaker.unroll`."""
        length = self._length(length)
        x = self.start.expand(count, -1)  # (U,) -> (m, U)
        memory = [(x.new_zeros(count, self.units),) * 2 for _ in self.cells]
        anchors: list[Tensor] = []
        for step in self.steps:
            if step.start >= length:
                return
            for layer, cell in enumerate(self.cells):
                memory[layer] = cell(x, memory[layer])
                x = memory[layer][0]
            if not step.anchor:
                logits = self.heads[self.kinds[step.kind]](x)[:, None]  # (m, U) -> (m, 1, c)
                log_chance = F.log_softmax(logits / self.temperature, dim=2)
                tokens = torch.as_tensor(choose(step, log_chance))
                yield step, log_chance, tokens
                x = self.embeddings[self.kinds[step.kind]](tokens[:, 0])  # (m,) -> (m, U)
                continue
            state = x
            x = torch.zeros_like(state)
            if anchors:
                earlier = torch.stack(anchors, dim=1)  # (m, D, U)
                mixed = torch.tanh(self.previous(earlier) + self.current(state)[:, None])  # (m, D, U)
                logit = self.attention(mixed)[:, :, 0] / self.temperature  # (m, D, U) -> (m, D)
                log_chance = torch.stack([F.logsigmoid(-logit), F.logsigmoid(logit)], dim=2)  # (m, D, 2)
                tokens = torch.as_tensor(choose(step, log_chance))
                yield step, log_chance, tokens
                x = mean_of_chosen(earlier, tokens)  # (m, D, U) -> (m, U)
            anchors.append(state)
