"""Deciding under uncertainty: Markov chains, HMMs, MDPs, POMDPs, bandits, policy gradients.

NumPy, SciPy and Gymnasium only: nothing here imports torch. Names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module

_HOME = {
    "ArchitectureEnv": "architectures",
    "BernoulliBandit": "bandits",
    "EpsilonGreedy": "explorers",
    "Estimate": "logged",
    "Exp3": "explorers",
    "FixedPolicy": "explorers",
    "GridWorld": "worlds",
    "HMM": "hidden",
    "Learned": "agents",
    "LinUCB": "explorers",
    "LinearBandit": "bandits",
    "LinearModel": "explorers",
    "LinearThompsonSampling": "explorers",
    "Log": "bandits",
    "MDP": "mdps",
    "MarkovChain": "chains",
    "MovingAverage": "gradients",
    "POMDP": "pomdps",
    "Policy": "policies",
    "Solution": "mdps",
    "TabularPolicy": "policies",
    "ThompsonSampling": "explorers",
    "UCB1": "explorers",
    "ValueFunction": "alpha_vectors",
    "batch_moments": "gradients",
    "cliff_walking": "worlds",
    "clipped_ips": "logged",
    "clipped_objective": "gradients",
    "clipped_weights": "gradients",
    "direct_method": "logged",
    "doubly_robust": "logged",
    "effective_sample_size": "logged",
    "estimator_variance": "gradients",
    "exact_gradient": "gradients",
    "expected_reward": "gradients",
    "expected_sarsa": "agents",
    "grid_world": "worlds",
    "importance_weights": "logged",
    "ips": "logged",
    "leave_one_out": "gradients",
    "model_based": "agents",
    "optimal_constant_baseline": "gradients",
    "play": "bandits",
    "q_learning": "agents",
    "reinforce": "gradients",
    "sarsa": "agents",
    "slippery_grid": "worlds",
    "snips": "logged",
    "tiger": "examples",
    "toy_environment": "architectures",
    "two_state_chain": "examples",
    "two_state_hmm": "examples",
    "two_state_mdp": "examples",
    "two_state_pomdp": "examples",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"nasbook.decisions.{_HOME[name]}"), name)
    raise AttributeError(f"module 'nasbook.decisions' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
