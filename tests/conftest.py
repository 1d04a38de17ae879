"""One thread for tests: their tensors are small, and threads that wait for each other on a busy machine are slow."""

import pytest
import torch


def pytest_configure(config):
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits():
    """1,438 written digits of 8x8 pixels: the smallest images that a search takes."""
    import nasbook as nb

    return nb.datasets.load("digits")
