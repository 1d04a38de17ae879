"""One thread for tests: their tensors are small, and threads that wait for each other on a busy machine are slow."""

import torch


def pytest_configure(config):
    torch.set_num_threads(1)
