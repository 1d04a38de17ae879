"""Typical mistakes in the exercises of notebook 03, and what the book says about each."""

import numpy as np


def no_discount(transitions, rewards, gamma, values):
    return (rewards + transitions @ values).max(axis=0)


def mean_over_actions(transitions, rewards, gamma, values):
    return (rewards + gamma * transitions @ values).mean(axis=0)


def columns_for_rows(transitions, rewards, gamma, values):
    return (rewards + gamma * np.einsum("ats,t->as", transitions, values)).max(axis=0)


def never_improves(transitions, rewards, gamma):
    values = np.linalg.solve(np.eye(len(rewards)) - gamma * transitions[0], rewards)
    return values, (rewards + gamma * transitions @ values).argmax(axis=0)


def one_sweep_each(transitions, rewards, gamma):
    return rewards, (rewards + gamma * transitions @ rewards).argmax(axis=0)


def improves_once(transitions, rewards, gamma):
    _, policy = never_improves(transitions, rewards, gamma)
    followed = transitions[policy, np.arange(len(rewards))]
    return np.linalg.solve(np.eye(len(rewards)) - gamma * followed, rewards), policy


def one_set_of_scores(means, noise, draws, rng):
    scores = rng.normal(means, noise, size=(draws, len(means)))
    return scores.max(axis=1).mean(), scores[np.arange(draws), scores.argmax(axis=1)].mean()


def two_winners(means, noise, draws, rng):
    first, second = rng.normal(means, noise, size=(2, draws, len(means)))
    return first.max(axis=1).mean(), second.max(axis=1).mean()


def winner_of_the_means(means, noise, draws, rng):
    first, second = rng.normal(means, noise, size=(2, draws, len(means)))
    return first.mean(axis=0).max(), second.mean(axis=0)[first.mean(axis=0).argmax()]


WRONG = {
    "03.1": [
        (no_discount, "gamma is missing"),
        (mean_over_actions, "the mean over the actions"),
        (columns_for_rows, "from the wrong side"),
    ],
    "03.2": [
        (never_improves, "was evaluated, not improved"),
        (one_sweep_each, "this is one sweep"),
        (improves_once, "a better policy is left"),
    ],
    "03.3": [
        (one_set_of_scores, "draw a second, independent set"),
        (two_winners, "chooses its own winner"),
        (winner_of_the_means, "take the largest in each draw"),
    ],
}
