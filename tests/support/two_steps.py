"""The two-step policy of METHODS 0.6 with its printed values, and slopes of whatever depends on a policy's logits."""

import numpy as np

from nasbook.decisions.policies import TabularPolicy

REWARDS = np.array([[1, 0.2], [0.5, 0.9], [0.3, 0.4]])
# METHODS prints J as .5183585758, which is off by one in its last digit; test_gradients enumerates it, to 5e-11
J, BEST = 0.51835857572, 0.543117
GRADIENT = [
    0.01410233,
    0.06225123,
    -0.07635356,
    0.06684621,
    -0.06684621,
    -0.02217916,
    0.02217916,
    -0.00914181,
    0.00914181,
]


def two_steps():
    return TabularPolicy([[0.2, -0.1, 0.4], [[0.1, 0.3], [-0.2, 0.5], [0.7, 0]]])


def random_policy(seed, choices):
    rng = np.random.default_rng(seed)
    return TabularPolicy([rng.normal(size=choices[: step + 1]) for step in range(len(choices))])


def moved(policy, step):
    other = TabularPolicy(policy.tables)
    other.move(step)
    return other


def slope(policy, value):
    """Central differences of ``value(policy)`` in every logit."""
    unit = 1e-5 * np.eye(len(policy.parameters))
    return np.array([(value(moved(policy, h)) - value(moved(policy, -h))) / 2e-5 for h in unit])


def ascent(policy, tokens, weights):
    """What one step with learning rate 1 adds to the logits."""
    other = TabularPolicy(policy.tables)
    other.ascend(tokens, weights, learning_rate=1.0)
    return other.parameters - policy.parameters
