"""Predictors of PNAS: from a cell's description to its accuracy, learned from the few cells that were trained.

Liu et al., 2018, arXiv 1712.00559, section 3.3. A cell is a list of blocks, a block a list of tokens, each an input or
an operation with an embedding of its kind. An LSTM reads all tokens in order; an MLP takes the mean over the blocks.
Both end in a sigmoid, are fitted by their mean absolute error, and take cells of any number of blocks. Five of them,
each without another fifth of the data, make an ensemble, whose prediction is their mean.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base import checks, machine
from nasbook.base.errors import NasbookError, one_of
from nasbook.training.numerics import repeatable

Words = Sequence[Sequence[int]]
"""A cell: (b, T) tokens of its b blocks."""

FIRST_GUESS = 1.8
"""The last bias at the beginning: sigmoid(1.8) = .86, what a cell of the paper is likely to reach."""

CHUNK = 512
"""How many cells are predicted at once."""


class Predictor(nn.Module):
    """``members`` predictors side by side: each weight has a member axis M, and no member sees another's.

    ``kinds`` (T,) says of each token of a block which embedding it has, ``sizes`` how many tokens there are of a
    kind. Embeddings and hidden layers have ``units`` numbers. Embeddings begin uniformly within 1 of 0, weights within
    1 / sqrt(units) as those of PyTorch's LSTM, by ``seed``. A kind brings ``shapes(units)``, the weights of one member
    between embedding and output, and ``read(blocks, lengths)``, from embedded tokens (M, n, B, T, U) of cells with
    ``lengths`` (n,) blocks to features (M, n, U).
    """

    def __init__(self, kinds: Sequence[str], sizes: Mapping[str, int], members: int, units: int, seed: int) -> None:
        super().__init__()
        machine.check_memory(4 * members * units**2, f"an ensemble of {members} predictors of {units} units")
        self.kinds = tuple(kinds)
        self.embeddings = nn.ParameterDict({kind: torch.empty(members, sizes[kind], units) for kind in sizes})
        self.layers = nn.ParameterDict(
            {
                name: torch.empty(members, *shape)
                for name, shape in {**self.shapes(units), "out": (units, 1), "out_bias": (1, 1)}.items()
            }
        )
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.embeddings.values():
                parameter.uniform_(-1, 1, generator=generator)
            for parameter in self.layers.values():
                parameter.uniform_(-(units**-0.5), units**-0.5, generator=generator)
            self.layers["out_bias"].fill_(FIRST_GUESS)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(n, B, T) tokens, of which the first ``lengths`` (n,) blocks count, to accuracies (M, n)."""
        parts = [self.embeddings[kind][:, tokens[:, :, place]] for place, kind in enumerate(self.kinds)]
        features = self.read(torch.stack(parts, dim=3), lengths)  # T of (M, n, B, U) -> (M, n, B, T, U) -> (M, n, U)
        logits = features @ self.layers["out"] + self.layers["out_bias"]  # (M, n, U) @ (M, U, 1) -> (M, n, 1)
        return logits[:, :, 0].sigmoid()  # (M, n)


class LstmPredictor(Predictor):
    """One layer of LSTM over all tokens of the cell, block after block; its last state is what counts."""

    def shapes(self, units: int) -> dict[str, tuple[int, int]]:
        """Gates in the order input, forget, cell, output."""
        return {"to_gates": (units, 4 * units), "from_state": (units, 4 * units), "gates_bias": (1, 4 * units)}

    def read(self, blocks: Tensor, lengths: Tensor) -> Tensor:
        """The state after the last token of each cell."""
        members, cells = blocks.shape[:2]
        tokens = blocks.flatten(1, 3) @ self.layers["to_gates"] + self.layers["gates_bias"]  # -> (M, n * B * T, 4U)
        sentence = tokens.unflatten(1, (cells, -1))  # (M, n, B * T, 4U)
        shortest = int(lengths.min())
        state = memory = blocks.new_zeros(members, cells, blocks.shape[4])  # (M, n, U)
        for place, now in enumerate(sentence.unbind(dim=2)):
            gates = now + state @ self.layers["from_state"]  # (M, n, 4U)
            let_in, keep, new, let_out = gates.chunk(4, dim=2)  # (M, n, U) each
            grown = keep.sigmoid() * memory + let_in.sigmoid() * new.tanh()
            spoken = let_out.sigmoid() * grown.tanh()
            block = place // len(self.kinds)
            if block < shortest:
                memory, state = grown, spoken
                continue
            there = (block < lengths)[None, :, None]  # (1, n, 1): a shorter cell has ended and stays as it is
            memory, state = torch.where(there, grown, memory), torch.where(there, spoken, state)
        return state


class MlpPredictor(Predictor):
    """The embeddings of a block side by side, their mean over the blocks, and one hidden layer."""

    def shapes(self, units: int) -> dict[str, tuple[int, int]]:
        """One hidden layer."""
        return {"hidden": (len(self.kinds) * units, units), "hidden_bias": (1, units)}

    def read(self, blocks: Tensor, lengths: Tensor) -> Tensor:
        """The hidden layer."""
        there = torch.arange(blocks.shape[2]) < lengths[:, None]  # (n, B)
        weights = there / lengths[:, None]  # (n, B)
        mean = (blocks.flatten(3, 4) * weights[None, :, :, None]).sum(dim=2)  # (M, n, B, T * U) -> (M, n, T * U)
        return F.relu(mean @ self.layers["hidden"] + self.layers["hidden_bias"])  # (M, n, U)


PREDICTORS = {"lstm": LstmPredictor, "mlp": MlpPredictor}


class Ensemble:
    """Predictors that were fitted to ``scores`` (n,) of the ``cells``, each without another fold of them.

    ``kind`` "lstm" or "mlp". The data are dealt at random to ``members`` folds; member i learns from all but fold i,
    and where that is nothing, from all. ``steps`` of Adam on all the data at ``learning_rate``, down the mean absolute
    error. All randomness comes from ``rng``, and the same numbers come out each time.

    Raises NasbookError for an unknown kind, no cells, and scores outside 0 to 1.
    """

    def __init__(
        self,
        cells: Sequence[Words],
        scores: Sequence[float],
        *,
        kinds: Sequence[str],
        sizes: Mapping[str, int],
        rng: np.random.Generator,
        kind: str = "lstm",
        members: int = 5,
        units: int = 100,
        steps: int = 200,
        learning_rate: float = 0.01,
    ) -> None:
        checks.generator(rng)
        make = PREDICTORS[one_of(kind, PREDICTORS, "predictor")]
        for name, value in (("members", members), ("units", units), ("steps", steps)):
            checks.whole(value, name, 1)
        self.kinds = tuple(kinds)
        known = self._tensors(cells)
        values = checks.numbers(scores, "scores", (len(cells),))
        if values.min() < 0 or values.max() > 1:
            raise NasbookError("a predictor is fitted to scores from 0 to 1")
        self.net = make(kinds, sizes, members, units, int(rng.integers(2**63)))
        self.folds = rng.permutation(len(values)) % members  # (n,)
        kept = self.folds != np.arange(members)[:, None]  # (M, n)
        kept[~kept.any(axis=1)] = True
        self.rate = checks.positive(learning_rate, "learning_rate")
        self._fit(known, torch.tensor(values, dtype=torch.float32), torch.tensor(kept), steps)

    def _fit(self, cells: tuple[Tensor, Tensor], scores: Tensor, kept: Tensor, steps: int) -> None:
        weights = kept / kept.sum(dim=1, keepdim=True)  # (M, n)
        optimizer = torch.optim.Adam(self.net.parameters(), self.rate)
        self.errors: list[float] = []
        with repeatable(torch.device("cpu"), threads=1):
            for _ in range(steps):
                # a sum over members, so that each has the gradient that it would have alone
                loss = ((self.net(*cells) - scores).abs() * weights).sum()  # (M, n) -> ()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                self.errors.append(loss.item() / len(kept))

    @torch.no_grad()
    def predictions(self, cells: Sequence[Words]) -> np.ndarray:
        """(members, n) float64: what each member expects of cells of any number of blocks.

        Raises NasbookError if the fit diverged, since NaN would be ranked without a word.
        """
        parts = zip(*(one.split(CHUNK) for one in self._tensors(cells)))
        with repeatable(torch.device("cpu"), threads=1):
            found = [self.net(*part).double().numpy() for part in parts]  # (M, n) each
        expected = np.concatenate(found, axis=1)
        if np.isnan(expected).any():
            raise NasbookError(f"the predictor diverged: choose a learning_rate below {self.rate:g}")
        return expected

    def predict(self, cells: Sequence[Words]) -> np.ndarray:
        """(n,): the mean over the members."""
        return self.predictions(cells).mean(axis=0)  # (M, n) -> (n,)

    def held_out(self, cells: Sequence[Words]) -> np.ndarray:
        """(n,): for the cells that it was fitted to, in their order, what the member expects that did not see it."""
        return self.predictions(cells)[self.folds, np.arange(len(cells))]  # (M, n) -> (n,)

    def _tensors(self, cells: Sequence[Words]) -> tuple[Tensor, Tensor]:
        """Tokens (n, B, T), filled up with 0 behind a cell's last block, and numbers of blocks (n,)."""
        lengths = np.array([len(cell) for cell in cells])
        if not len(lengths) or lengths.min() < 1:
            raise NasbookError("a predictor reads a list of cells of at least one block each")
        tokens = np.zeros((len(cells), lengths.max(), len(self.kinds)), dtype=np.int64)
        for place, cell in enumerate(cells):
            tokens[place, : len(cell)] = cell
        return torch.from_numpy(tokens), torch.from_numpy(lengths)
