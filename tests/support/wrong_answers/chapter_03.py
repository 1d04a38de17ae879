"""Typical mistakes in the exercises of chapter 03, and what the book says about each."""

import numpy as np

from nasbook.book.exercises import chapter_03


def no_discount(transitions, rewards, gamma, values):
    return (rewards + transitions @ values).max(axis=0)


def largest_over_states(transitions, rewards, gamma, values):
    return (rewards + gamma * transitions @ values).max(axis=1)


def paid_on_arrival(transitions, rewards, gamma, values):
    return (transitions @ (rewards + gamma * values)).max(axis=0)


def columns_for_rows(transitions, rewards, gamma, values):
    return (rewards + gamma * np.einsum("ats,t->as", transitions, values)).max(axis=0)


def never_improves(transitions, rewards, gamma):
    values = np.linalg.solve(np.eye(len(rewards)) - gamma * transitions[0], rewards)
    return values, (rewards + gamma * transitions @ values).argmax(axis=0)


def transposed(transitions, rewards, gamma):
    policy = np.array([0, 1])
    followed = transitions[policy, np.arange(2)]
    return np.linalg.solve(np.eye(2) - gamma * followed.T, rewards), policy


def improves_once(transitions, rewards, gamma):
    _, policy = never_improves(transitions, rewards, gamma)
    followed = transitions[policy, np.arange(len(rewards))]
    return np.linalg.solve(np.eye(len(rewards)) - gamma * followed, rewards), policy


def returns_the_first_policy(transitions, rewards, gamma):
    return chapter_03.policy_iteration(transitions, rewards, gamma)[0], np.zeros(len(rewards), dtype=int)


def one_set_of_scores(means, noise, draws, rng):
    scores = rng.normal(means, noise, size=(draws, len(means)))
    return scores.max(axis=1).mean(), scores[np.arange(draws), scores.argmax(axis=1)].mean()


def two_winners(means, noise, draws, rng):
    first, second = rng.normal(means, noise, size=(2, draws, len(means)))
    return first.max(axis=1).mean(), second.max(axis=1).mean()


def winner_of_the_means(means, noise, draws, rng):
    first, second = rng.normal(means, noise, size=(2, draws, len(means)))
    return first.mean(axis=0).max(), second.mean(axis=0)[first.mean(axis=0).argmax()]


def swapped(means, noise, draws, rng):
    return chapter_03.best_of_noisy(means, noise, draws, rng)[::-1]


WRONG = {
    "03.1": [
        (no_discount, "gamma is missing"),
        (largest_over_states, "a number for each action"),
        (paid_on_arrival, "not for the one that follows"),
        (columns_for_rows, "from the wrong side"),
    ],
    "03.2": [
        (never_improves, "was evaluated, not improved"),
        (transposed, "the matrix P is transposed"),
        (improves_once, "a better policy is left"),
        (returns_the_first_policy, "the policy that you return earns up to"),
    ],
    "03.3": [
        (one_set_of_scores, "draw a second, independent set"),
        (two_winners, "chooses its own winner"),
        (winner_of_the_means, "no higher than the true mean"),
        (swapped, "in the wrong order"),
    ],
}
