"""One step of temporal-difference learning, each equation a function of plain numbers.

Sutton and Barto, Reinforcement Learning (2nd edition, 2018): SARSA equation 6.7, Q-learning 6.8, expected SARSA 6.9.
"""

from collections.abc import Sequence


def q_learning_target(reward: float, gamma: float, next_values: Sequence[float], terminated: bool = False) -> float:
    """r + gamma max_a' Q(s', a'); r alone if the episode is terminated. ``next_values``: those of allowed actions."""
    return reward if terminated else reward + gamma * max(next_values)


def sarsa_target(reward: float, gamma: float, next_value: float, terminated: bool = False) -> float:
    """r + gamma Q(s', a') for the action a' that is really taken next; r alone if the episode is terminated."""
    return reward if terminated else reward + gamma * next_value


def expected_sarsa_target(
    reward: float, gamma: float, next_values: Sequence[float], probabilities: Sequence[float], terminated: bool = False
) -> float:
    """r + gamma sum_a' pi(a' | s') Q(s', a') over the target policy; r alone if the episode is terminated."""
    return reward if terminated else reward + gamma * sum(p * q for p, q in zip(probabilities, next_values))


def updated(value: float, target: float, learning_rate: float) -> float:
    """Q + lr (target - Q)."""
    return value + learning_rate * (target - value)


def epsilon_greedy(values: Sequence[float], epsilon: float) -> list[float]:
    """Probabilities of actions: ``epsilon`` spread over all, the rest over those with the largest value."""
    largest = max(values)
    share, best = epsilon / len(values), (1 - epsilon) / list(values).count(largest)
    return [share + best if value == largest else share for value in values]
