"""Chapter 13: more typical wrong answers than ``wrong_answers`` has room for, and unusual right ones."""

from itertools import permutations

import numpy as np
import pytest
from wrong_answers.chapter_13 import order, soft

from nasbook.book import exercises
from nasbook.relaxations.samplers import plackett_luce


def one_hot_rows(alpha, u):
    return np.eye(len(alpha))[np.argmin(-np.log(np.clip(u, 1e-300, 1 - 1e-16)) / np.exp(alpha), axis=1)]


def inverted_distribution(alpha, u):
    p = np.exp(alpha - alpha.max())
    return (u[:, :1] > (p / p.sum()).cumsum()).sum(axis=1)


def noise_forgotten(alpha, u):
    return np.full(len(u), alpha.argmax())


def drawn_logit_alone(alpha, noise, tau, slopes):
    h, k = soft(alpha, noise, tau), (alpha + noise).argmax()
    return slopes[k] * h[k] * (1 - h[k]) / tau * np.eye(len(alpha))[k]


def downhill(alpha, noise, tau, slopes):
    return -exercises.find("13.2").solution(alpha, noise, tau, slopes)


@pytest.mark.parametrize(
    ("number", "answer", "phrase"),
    [
        ("13.1", one_hot_rows, "one index a row"),
        ("13.1", inverted_distribution, "inverts the distribution function"),
        ("13.1", noise_forgotten, "is the noise added"),
        ("13.2", drawn_logit_alone, "the other logits move as well"),
        ("13.2", downhill, "a step downhill"),
    ],
)
def test_a_typical_mistake_gets_its_cause(number, answer, phrase):
    assert phrase in exercises.diagnosis(number, answer)


def test_other_ways_to_the_same_answers_are_right():
    def a_race(alpha, u):
        inside = np.clip(u, 1e-300, 1 - 1e-16)
        with np.errstate(divide="ignore"):
            return (-np.log(inside) / np.exp(alpha)).argmin(axis=1)

    def by_torch(alpha, noise, tau, slopes):
        import torch

        logits = torch.tensor(alpha, requires_grad=True)
        h = torch.softmax((logits + torch.tensor(noise)) / tau, 0)
        k = int(h.argmax())
        return torch.autograd.grad(slopes[k] * h[k], logits)[0].numpy()

    def sum_of_orders(p, chosen):
        return sum(order(p, one) for one in permutations(chosen))

    for number, answer in {"13.1": a_race, "13.2": by_torch, "13.3": sum_of_orders}.items():
        assert exercises.diagnosis(number, answer) is None


@pytest.mark.parametrize(("p", "k"), [((0.5, 0.3, 0.2), 2), ((0.4, 0.35, 0.15, 0.1), 3), ((0.4, 0.35, 0.15, 0.1), 1)])
def test_the_law_of_sets_is_that_of_the_orders(p, k):
    law, solution = plackett_luce(p, k), exercises.find("13.3").solution
    for chosen in {tuple(sorted(one)) for one in law}:
        total = sum(chance for one, chance in law.items() if tuple(sorted(one)) == chosen)
        assert solution(np.array(p), chosen) == pytest.approx(total, abs=1e-12)
