"""Typical wrong answers to the exercises of chapter 13, with a phrase of the sentence that each must get."""

import math

import numpy as np


def noise_upside_down(alpha, u):
    return (alpha + np.log(-np.log(np.clip(u, 1e-300, 1 - 1e-16)))).argmax(axis=1)


def one_logarithm(alpha, u):
    return (alpha - np.log(np.clip(u, 1e-300, 1))).argmax(axis=1)


def without_a_guard(alpha, u):
    with np.errstate(divide="ignore", invalid="ignore"):
        return (alpha - np.log(-np.log(u))).argmax(axis=1)


def guarded_at_one_alone(alpha, u):
    with np.errstate(divide="ignore"):
        return (alpha - np.log(-np.log(np.clip(u, 0, 1 - 1e-16)))).argmax(axis=1)


def soft(alpha, noise, tau):
    raised = np.exp((alpha + noise) / tau)
    return raised / raised.sum()


def all_operations(alpha, noise, tau, slopes):
    h = soft(alpha, noise, tau)
    return h * (slopes - h @ slopes) / tau


def without_the_temperature(alpha, noise, tau, slopes):
    h, k = soft(alpha, noise, tau), (alpha + noise).argmax()
    return slopes[k] * h[k] * (np.eye(len(alpha))[k] - h)


def score_of_the_draw(alpha, noise, tau, slopes):
    h, k = soft(alpha, noise, tau), (alpha + noise).argmax()
    return slopes[k] * (np.eye(len(alpha))[k] - h) / tau


def draw_without_noise(alpha, noise, tau, slopes):
    h, k = soft(alpha, noise, tau), alpha.argmax()
    return slopes[k] * h[k] * (np.eye(len(alpha))[k] - h) / tau


def order(p, chosen):
    probability, left = 1.0, 1.0
    for k in chosen:
        probability *= p[k] / left
        left -= p[k]
    return probability


def one_order(p, chosen):
    return order(p, chosen)


def with_replacement(p, chosen):
    return math.factorial(len(chosen)) * math.prod(p[k] for k in chosen)


def equal_orders(p, chosen):
    return math.factorial(len(chosen)) * order(p, chosen)


def the_first_path_alone(p, chosen):
    return sum(p[k] for k in chosen)


WRONG = {
    "13.1": [
        (noise_upside_down, "least likely operations win"),
        (one_logarithm, "once more"),
        (without_a_guard, "switched off is drawn"),
        (guarded_at_one_alone, "keep u inside"),
    ],
    "13.2": [
        (all_operations, "full straight-through"),
        (without_the_temperature, "the factor 1 / tau"),
        (score_of_the_draw, "soft[k] of the drawn"),
        (draw_without_noise, "not of alpha"),
    ],
    "13.3": [
        (one_order, "one order of the two"),
        (with_replacement, "with replacement"),
        (equal_orders, "not equally likely"),
        (the_first_path_alone, "the others must as well"),
    ],
}
