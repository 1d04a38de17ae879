"""One thread for tests: their tensors are small, and threads that wait for each other on a busy machine are slow."""

import os

import pytest
import torch


def pytest_configure(config):
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for the kernels and programs that tests start


@pytest.fixture(scope="session")
def digits():
    """1,438 written digits of 8x8 pixels: the smallest images that a search takes."""
    import nasbook as nb

    return nb.datasets.load("digits")
