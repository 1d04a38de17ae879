"""The three parts of a search and the endless sampler."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from nasbook.base.errors import NasbookError
from nasbook.datasets.batches import Sampler
from nasbook.datasets.splits import PARTS, fingerprint, split


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=50, deadline=None)
@given(st.integers(30, 300), st.integers(1, 7), st.integers(0, 2**63 - 1))
def test_parts_are_disjoint_stratified_and_repeatable(images, classes, seed):
    labels = torch.randint(0, classes, (images,), generator=seeded(images))
    parts = split(labels, (0.4, 0.4, 0.2), seed)
    together = torch.cat([parts[name] for name in PARTS])
    assert together.sort().values.tolist() == list(range(images))
    for name, share in zip(PARTS, (0.4, 0.4, 0.2)):
        wanted = labels.bincount(minlength=classes) * share
        assert (labels[parts[name]].bincount(minlength=classes) - wanted).abs().max() <= 1
        assert parts[name].dtype == torch.int64 and (parts[name].diff() > 0).all()
    assert fingerprint(parts) == fingerprint(split(labels, (0.4, 0.4, 0.2), seed))


def test_part_of_the_images_can_stay_unused():
    labels = torch.arange(100) % 5
    parts = split(labels, {"selection": 0.1, "weights": 0.2, "alphas": 0.3}, 0)
    assert {name: len(part) for name, part in parts.items()} == {"weights": 20, "alphas": 30, "selection": 10}
    assert len(set(torch.cat(list(parts.values())).tolist())) == 60


def test_seed_and_order_of_parts_show_in_the_fingerprint():
    labels = torch.arange(100) % 5
    parts = split(labels, (0.4, 0.4, 0.2), 0)
    swapped = parts | {"weights": parts["alphas"], "alphas": parts["weights"]}
    moved = parts | {"weights": parts["weights"][1:]}
    others = [split(labels, (0.4, 0.4, 0.2), 1), swapped, moved]
    assert len({fingerprint(one) for one in [parts, *others]}) == 4


@pytest.mark.parametrize(
    "fractions",
    [
        (0.5, 0.5, 0.0),
        (0.5, 0.6, 0.1),
        (0.5, -0.1, 0.2),
        (0.5, 0.5),
        (0.2,) * 4,
        (0.5, float("nan"), 0.1),
        {"weights": 1.0},
    ],
)
def test_impossible_fractions_are_refused(fractions):
    with pytest.raises(NasbookError, match="positive share each, together at most 1"):
        split(torch.arange(100) % 5, fractions, 0)


@pytest.mark.parametrize("fractions", [(0.33, 0.56, 0.11), (0.7, 0.2, 0.1)])
def test_fractions_that_miss_one_in_the_last_bit_use_every_image(fractions):
    assert sum(fractions) != 1
    assert sum(map(len, split(torch.arange(100) % 5, fractions, 0).values())) == 100


@pytest.mark.parametrize("labels", [torch.zeros(0).long(), torch.zeros(1).long(), torch.zeros(2).long()])
def test_empty_parts_are_refused(labels):
    with pytest.raises(NasbookError, match="part would be empty"):
        split(labels, (0.4, 0.4, 0.2), 0)


def test_whole_numbers_of_numpy_are_seeds():
    labels = torch.arange(100) % 5
    one, other = (split(labels, (0.4, 0.4, 0.2), seed) for seed in (7, np.int64(7)))
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize("seed", [np.bool_(True), np.float64(1), -1, 2**63, 1.0, "1", True, None])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(NasbookError, match="must be an integer from 0"):
        split(torch.arange(100) % 5, (0.4, 0.4, 0.2), seed)


def test_sampler_passes_without_replacement_and_reshuffles():
    indices = torch.arange(0, 230, 10)
    sampler = Sampler(indices, 5, seeded())
    assert sampler.per_epoch == 4
    passes = [torch.cat([sampler.next() for _ in range(4)]).tolist() for _ in range(30)]
    assert all(len(set(one)) == 20 and set(one) <= set(indices.tolist()) for one in passes)
    assert len({tuple(one) for one in passes}) == 30
    assert len({frozenset(one) for one in passes}) > 10


def test_sampler_follows_its_generator_alone():
    torch.manual_seed(0)
    one, other = Sampler(torch.arange(64), 16, seeded(3)), Sampler(torch.arange(64), 16, seeded(3))
    for _ in range(10):
        torch.rand(3)
        assert torch.equal(one.next(), other.next())
    assert not torch.equal(
        Sampler(torch.arange(64), 64, seeded(4)).next(), Sampler(torch.arange(64), 64, seeded(3)).next()
    )


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 5, 9])
def test_sampler_continues_bit_for_bit_through_a_checkpoint_file(steps):
    sampler = Sampler(torch.arange(67), 16, seeded(1))
    for _ in range(steps):
        sampler.next()
    stream = io.BytesIO()
    torch.save(sampler.state_dict(), stream)
    ahead = [sampler.next() for _ in range(10)]
    stream.seek(0)
    again = Sampler(torch.arange(67), 16, seeded(99))
    again.load_state_dict(torch.load(stream, weights_only=True))
    assert all(torch.equal(one, other) for one, other in zip(ahead, [again.next() for _ in range(10)]))


def test_stored_state_does_not_move_with_the_sampler():
    sampler = Sampler(torch.arange(40), 16, seeded())
    sampler.next()
    state = sampler.state_dict()
    expected = [sampler.next() for _ in range(5)]
    sampler.load_state_dict(state)
    assert all(torch.equal(sampler.next(), batch) for batch in expected)


def test_sampler_refuses_what_cannot_be_drawn():
    with pytest.raises(NasbookError, match="a batch of 11 cannot be drawn from 10 images"):
        Sampler(torch.arange(10), 11, seeded())
