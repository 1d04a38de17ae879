"""Evaluators whose scores tests know."""

import numpy as np

from nasbook.trials.interface import ChildFailed, Evaluator, Outcome


class Noisy(Evaluator):
    """A score drawn from the evaluation's seed, for as many seconds as the architecture says; odd ones fail."""

    def judge(self, architecture, seed):
        if architecture % 2:
            raise ChildFailed(f"{architecture} is\n odd", seconds=0.25)
        return Outcome(np.random.default_rng(seed).random(), float(architecture))

    def description(self):
        return {"kind": "noisy"}


def length(architecture):
    return len(architecture) / 10
