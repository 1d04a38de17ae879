"""A hidden Markov model: a Markov chain that is heard and not seen.

Follows Rabiner, A tutorial on hidden Markov models (Proceedings of the IEEE 77, 1989). State s_t emits
observation o_t at the same time t. All but ``forward`` and ``backward`` work with logarithms, normalised
at every step: nothing underflows, neither a long sequence nor a state that has long been improbable.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, inf

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.base.shown import Picture, Shown
from nasbook.decisions.chains import tower, walk

Observations = Sequence[int | str]
"""T >= 1 observations in order of time, as indices or names."""


class HMM(Shown):
    """A hidden Markov model of S states and O observations.

    ``prior`` (S,): distribution of the first state. ``transitions`` (S, S): row s holds the probabilities of
    the next state. ``emissions`` (S, O): row s holds the probabilities of what s emits. ``states`` and
    ``observation_names``: names, by default S1, ... and O1, ... ``fit_history``: of a fitted model the
    log-likelihoods of its training, else empty.
    Raises NasbookError for what is no such model, naming the row and the value. Every method that takes
    observations raises it for an empty sequence and for an unknown observation.
    """

    def __init__(
        self, prior, transitions, emissions, *, states: Sequence[str] = (), observation_names: Sequence[str] = ()
    ):
        self.prior = checks.rows(prior, "prior", (None,))
        count = len(self.prior)
        self.transitions = checks.rows(transitions, "transitions", (count, count))
        self.emissions = checks.rows(emissions, "emissions", (count, None))
        self.states = checks.labels(states, count, "state", "S")
        self.observation_names = checks.labels(observation_names, self.emissions.shape[1], "observation", "O")
        self.fit_history: tuple[float, ...] = ()

    def forward(self, observations: Observations) -> np.ndarray:
        """alpha (T, S): alpha[t, s] = P(o_0, ..., o_t, s_t = s), as is: underflows to 0 after about a
        thousand observations, where ``filter`` and ``log_likelihood`` do not. Rabiner, equations 19 and 20."""
        evidence = self.emissions.T[self._indices(observations)]  # (T,) -> (T, S)
        alpha = np.empty_like(evidence)
        alpha[0] = self.prior * evidence[0]
        for t in range(1, len(alpha)):
            alpha[t] = (alpha[t - 1] @ self.transitions) * evidence[t]
        return alpha

    def backward(self, observations: Observations) -> np.ndarray:
        """beta (T, S): beta[t, s] = P(o_(t+1), ..., o_(T-1) | s_t = s), as is, like ``forward``. Equations 24, 25."""
        evidence = self.emissions.T[self._indices(observations)]  # (T,) -> (T, S)
        beta = np.ones_like(evidence)
        for t in range(len(beta) - 2, -1, -1):
            beta[t] = self.transitions @ (evidence[t + 1] * beta[t + 1])
        return beta

    def likelihood(self, observations: Observations) -> float:
        """P(observations): 0 if they are impossible, and where the true value is too small for a float."""
        return exp(self.log_likelihood(observations))

    def log_likelihood(self, observations: Observations) -> float:
        """ln P(observations) in nats; -inf if they are impossible."""
        return fsum(self._filtered(self._indices(observations))[1])

    def filter(self, observations: Observations) -> np.ndarray:
        """Beliefs (T, S): P(s_t | o_0, ..., o_t). Raises NasbookError for an impossible sequence."""
        return np.exp(self._possible(self._indices(observations))[0])

    def smooth(self, observations: Observations) -> np.ndarray:
        """gamma (T, S): P(s_t | all observations). Rabiner, equation 27. Raises NasbookError as ``filter``."""
        return self._posterior(self._indices(observations))[0]

    def viterbi(self, observations: Observations) -> tuple[np.ndarray, float]:
        """The most probable path (T,) int64 and ln P(path, observations).

        Rabiner, equations 32 to 35; among equals the lowest index. Raises NasbookError as ``filter``.
        """
        seen = self._indices(observations)
        moves, evidence = _log(self.transitions), _log(self.emissions.T)[seen]  # (T,) -> (T, S)
        before = np.zeros((len(seen), len(self.states)), dtype=np.int64)
        delta = _log(self.prior) + evidence[0]
        for t in range(1, len(seen)):
            ways = delta[:, None] + moves  # (S,) -> (S, S)
            before[t] = ways.argmax(axis=0)  # (S, S) -> (S,)
            delta = ways.max(axis=0) + evidence[t]  # (S, S) -> (S,)
        if delta.max() == -inf:
            self._possible(seen)
        path = [int(delta.argmax())]
        for pointers in before[:0:-1]:
            path.append(int(pointers[path[-1]]))
        return np.array(path[::-1], dtype=np.int64), float(delta.max())

    def fit(self, sequences: Observations | Sequence[Observations], tol: float = 1e-6, max_iter: int = 100) -> HMM:
        """A new model, trained from this one by Baum-Welch (EM) on one sequence or several.

        At most ``max_iter`` steps; stops after a step that gains less than ``tol`` nats in all. Several
        sequences add up in numerators and denominators (Rabiner, equations 40 and 109 to 111). The row of a
        state that is never visited stays. ``fit_history`` of the result holds the log-likelihood before the
        first step and after each. Raises NasbookError for an impossible sequence.
        """
        tol, steps = checks.number(tol, "tol"), checks.whole(max_iter, "max_iter", least=1)
        seen = self._sequences(sequences)
        model, history = self, []
        for _ in range(steps):
            better, reached = model._step(seen)
            history.append(reached)
            if len(history) > 1 and history[-1] - history[-2] < tol:
                break
            model = better
        else:
            history.append(fsum(fsum(model._filtered(one)[1]) for one in seen))
        model.fit_history = tuple(history)
        return model

    def simulate(self, steps: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """States and observations of ``steps`` points of time, each (steps,) int64.

        Raises NasbookError for fewer than one step and for an ``rng`` that is no generator.
        """
        uniforms = checks.generator(rng).random((2, checks.whole(steps, "steps", least=1)))
        states = walk(self.transitions, self.prior, uniforms[0])
        towers = tower(self.emissions)[states]  # (S, O) -> (T, O)
        return states, (uniforms[1][:, None] >= towers).sum(axis=1)  # (T, O) -> (T,)

    def draw(self) -> Picture:
        """The model as a graph: states as nodes, observations dashed."""
        return self._drawn("hmm", self.prior, self.transitions, self.emissions, self.states, self.observation_names)

    def __repr__(self) -> str:
        return f"HMM with the states {', '.join(self.states)} and the observations {', '.join(self.observation_names)}"

    def _filtered(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln P(s_t | o_0..o_t), (T, S), and ln P(o_t | o_0..o_(t-1)), (T,); both end at an impossible observation."""
        moves, evidence = _log(self.transitions), _log(self.emissions.T)[seen]  # (T,) -> (T, S)
        beliefs, scales = np.empty_like(evidence), np.empty(len(seen))
        expected = _log(self.prior)
        for t, heard in enumerate(evidence):
            joint = expected + heard
            scales[t] = np.logaddexp.reduce(joint)  # (S,) -> ()
            if scales[t] == -inf:
                return beliefs[:t], scales[: t + 1]
            beliefs[t] = joint - scales[t]
            expected = np.logaddexp.reduce(beliefs[t][:, None] + moves, axis=0)  # (S, S) -> (S,)
        return beliefs, scales

    def _possible(self, seen: np.ndarray, what: str = "observations") -> tuple[np.ndarray, np.ndarray]:
        """As ``_filtered``. Raises NasbookError, naming the point of time, for an impossible sequence."""
        beliefs, scales = self._filtered(seen)
        if len(beliefs) < len(scales):
            t = len(beliefs)
            raise NasbookError(
                f"{what}[{t}] is {self.observation_names[seen[t]]}: impossible under the model "
                f"{'after the observations before it' if t else 'as the first observation'}"
            )
        return beliefs, scales

    def _posterior(self, seen: np.ndarray, what: str = "observations") -> tuple[np.ndarray, np.ndarray, float]:
        """P(s_t | all) (T, S), the expected number of each transition (S, S), ln P(all).

        The backward variable of Rabiner, equation 25, is divided by the scale of each step.
        """
        beliefs, scales = self._possible(seen, what)
        moves, evidence = _log(self.transitions), _log(self.emissions.T)[seen]  # (T,) -> (T, S)
        gamma, counts, beta = np.exp(beliefs), np.zeros_like(moves), np.zeros(len(moves))
        for t in range(len(seen) - 2, -1, -1):
            onward = moves + (evidence[t + 1] + beta - scales[t + 1])  # (S,) -> (S, S)
            counts += np.exp(beliefs[t][:, None] + onward)
            beta = np.logaddexp.reduce(onward, axis=1)  # (S, S) -> (S,)
            gamma[t] = np.exp(beliefs[t] + beta)
        return gamma / gamma.sum(axis=1, keepdims=True), counts, fsum(scales)

    def _step(self, sequences: list[np.ndarray]) -> tuple[HMM, float]:
        """The model after one EM step, and the log-likelihood of ``sequences`` before it."""
        begun, moved, emitted = map(np.zeros_like, (self.prior, self.transitions, self.emissions))
        reached = []
        for number, seen in enumerate(sequences):
            gamma, counts, log_likelihood = self._posterior(seen, f"sequences[{number}]")
            begun += gamma[0]
            moved += counts
            np.add.at(emitted.T, seen, gamma)
            reached.append(log_likelihood)
        names = {"states": self.states, "observation_names": self.observation_names}
        better = HMM(begun / begun.sum(), _shares(moved, self.transitions), _shares(emitted, self.emissions), **names)
        return better, fsum(reached)

    def _indices(self, observations: Observations) -> np.ndarray:
        return checks.indices(observations, len(self.observation_names), "observation", self.observation_names)

    def _sequences(self, given) -> list[np.ndarray]:
        """Several sequences as indices; one flat sequence is a list of one."""
        items = [] if isinstance(given, str) or not np.iterable(given) else list(given)
        if not items:
            raise NasbookError(f"sequences must be one sequence of observations or a list of them, not {given!r}")
        alone = isinstance(items[0], str) or not np.iterable(items[0])
        return [self._indices(one) for one in ([items] if alone else items)]


def _log(probabilities: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


def _shares(counts: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Rows (S, n) of expected counts as probabilities; a row without counts stays as in ``kept``."""
    totals = counts.sum(axis=1, keepdims=True)  # (S, n) -> (S, 1)
    return np.where(totals > 0, counts / np.where(totals > 0, totals, 1), kept)
