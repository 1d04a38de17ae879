"""Training one architecture to learn its score: what an evaluator runs.

A child is trained on the images that all searches may train on and judged on the selection images; the test part is
not there (Zoph & Le, 2017, arXiv 1611.01578, section 4.1, with the best of the last five epochs as score).
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from nasbook.base.errors import NasbookError
from nasbook.datasets.images import ImageData
from nasbook.training.loop import Sums
from nasbook.training.numerics import Diverged, check_convolutions, memory_format, repeatable
from nasbook.training.scoring import taken
from nasbook.training.standalone import TrainConfig, accuracy, check_network, learn, train_step, untrained
from nasbook.trials.interface import ChildFailed


def build_child(
    build: Callable[[Hashable, int], nn.Module],
    architecture: Hashable,
    seed: int,
    data: ImageData,
    channels_last: bool | None,
) -> nn.Module:
    """The network of ``architecture``, on the data's device. Raises ChildFailed if it cannot take the images."""
    try:
        net = build(architecture, seed).to(data.device, memory_format=memory_format(data.device, channels_last))
        check_network(net, data)
        check_convolutions(net, data.device, channels_last)
    except (NasbookError, RuntimeError) as error:
        raise ChildFailed(f"no network can be built: {error}") from error
    return net


def train_child(
    net: nn.Module, data: ImageData, parts: Mapping[str, Tensor], config: TrainConfig, best_of_last: int
) -> float:
    """Train ``net`` by SGD with Nesterov momentum (Zoph & Le, 2017, section 4.1) and return its best accuracy on the
    selection part after one of the last epochs, a fraction.

    ``parts``: positions (N,) in ``data`` by name; "weights" and "alphas" are trained on. Raises ChildFailed if the
    loss diverges, or the device has no memory for it.
    """
    trained_on = torch.cat([parts["weights"], parts["alphas"]])  # (N_weights + N_alphas,)
    judged_on = taken(data, parts["selection"])
    training = untrained(net, config, trained_on, nesterov=True)
    scores = []

    def end_epoch(epoch: int, sums: Sums) -> str:
        if epoch > config.epochs - best_of_last:
            scores.append(accuracy(net, *judged_on, data, config))
        return ""

    step = partial(train_step, training, config, data)
    with repeatable(data.device, config.threads):
        try:
            learn(training, config, step, end_epoch, finite={"loss": ("lr", config.lr)})
        except torch.OutOfMemoryError as error:
            raise ChildFailed(f"it needs more memory than {data.device} has") from error
        except Diverged as error:
            raise ChildFailed(f"its loss in epoch {error.epoch} is {error.loss}") from error
    return max(scores)
