"""Deciding under uncertainty: Markov chains, HMMs, MDPs, POMDPs, bandits, policy gradients.

NumPy, SciPy and Gymnasium only: nothing here imports torch. Names are imported when first used.
"""

import lazy_loader

NAMES = {
    "agents": "Learned expected_sarsa model_based q_learning sarsa",
    "alpha_vectors": "ValueFunction",
    "architectures": "ArchitectureEnv toy_environment",
    "bandits": "BernoulliBandit LinearBandit Log play",
    "chains": "MarkovChain",
    "examples": "tiger two_state_chain two_state_hmm two_state_mdp two_state_pomdp",
    "explorers": "EpsilonGreedy Exp3 FixedPolicy LinUCB LinearModel LinearThompsonSampling ThompsonSampling UCB1",
    "gradients": "MovingAverage batch_moments clipped_objective clipped_weights estimator_variance exact_gradient "
    "expected_reward leave_one_out optimal_constant_baseline reinforce",
    "hidden": "HMM",
    "logged": "Estimate clipped_ips direct_method doubly_robust effective_sample_size importance_weights ips snips",
    "mdps": "MDP Solution",
    "policies": "Policy TabularPolicy",
    "pomdps": "POMDP",
    "worlds": "GridWorld cliff_walking grid_world slippery_grid",
}
"""What each module gives."""

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["examples"],
    submod_attrs={module: names.split() for module, names in NAMES.items()},
)
