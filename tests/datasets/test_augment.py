"""Each augmentation against a per-image reference that makes the same draws."""

import pytest
import torch

from nasbook.datasets import augment

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_images(batch=20, size=9):
    return torch.randint(1, 256, (batch, 3, size, size), generator=seeded(5)).byte()


def crop_one(image, padding, row, column):
    """One image (C, H, W) moved so that its pixel (y, x) lands on (y + padding - row, ...)."""
    moved = torch.zeros_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            from_y, from_x = y + row - padding, x + column - padding
            if 0 <= from_y < image.shape[1] and 0 <= from_x < image.shape[2]:
                moved[:, y, x] = image[:, from_y, from_x]
    return moved


def cut_one(image, length, row, column):
    """One image (C, H, W) with the square around (row, column) zero, in Python's own arithmetic."""
    holed = image.clone()
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            if 0 <= y - (row - length // 2) < length and 0 <= x - (column - length // 2) < length:
                holed[:, y, x] = 0
    return holed


@pytest.mark.parametrize("padding", [1, 4])
@pytest.mark.parametrize("as_float", [False, True])
def test_crop_is_the_reference(padding, as_float):
    images = some_images().float() if as_float else some_images()
    rows, columns = torch.randint(0, 2 * padding + 1, (2, 20), generator=seeded()).tolist()
    expected = [crop_one(*one) for one in zip(images, [padding] * 20, rows, columns)]
    assert torch.equal(augment.random_crop(images, padding, seeded()), torch.stack(expected))


def test_crop_reaches_every_offset_evenly():
    images = torch.zeros(9000, 1, 8, 8)
    images[:, :, 4, 4] = 1
    landed = augment.random_crop(images, 1, seeded()).sum(0)[0]
    assert landed[3:6, 3:6].sum() == 9000
    assert (landed[3:6, 3:6] - 1000).abs().max() < 5 * (9000 * 8 / 81) ** 0.5


def test_flip_is_the_reference():
    images = some_images()
    chosen = (torch.rand(20, generator=seeded()) < 0.5).tolist()
    assert 0 < sum(chosen) < 20
    expected = [torch.stack([channel[:, range(8, -1, -1)] for channel in image]) for image in images]
    expected = [mirrored if yes else image for mirrored, yes, image in zip(expected, chosen, images)]
    assert torch.equal(augment.random_flip(images, seeded()), torch.stack(expected))
    assert torch.equal(augment.random_flip(images, seeded(), p=0.0), images)
    assert torch.equal(augment.random_flip(images, seeded(), p=1.0), images.flip(3))


def test_normalize_is_the_reference():
    images = some_images(batch=4)
    normal = augment.normalize(images, MEAN, STD)
    assert normal.dtype == torch.float32
    for channel in range(3):
        expected = (images[:, channel].double() / 255 - MEAN[channel]) / STD[channel]
        assert torch.allclose(normal[:, channel].double(), expected, atol=1e-6, rtol=0)
    assert images.dtype == torch.uint8 and images.min() >= 1


@pytest.mark.parametrize("length", [1, 4, 5, 30])
def test_cutout_is_the_reference(length):
    images = some_images().float()
    generator = seeded()
    rows = torch.randint(0, 9, (20,), generator=generator).tolist()
    columns = torch.randint(0, 9, (20,), generator=generator).tolist()
    expected = [cut_one(*one) for one in zip(images, [length] * 20, rows, columns)]
    assert torch.equal(augment.cutout(images, length, seeded()), torch.stack(expected))


def test_cutout_is_clipped_at_the_border():
    holes = (augment.cutout(torch.ones(2000, 1, 32, 32), 16, seeded()) == 0).sum((1, 2, 3))
    assert holes.max() == 256 and holes.min() < 256
    # A centre c in 0..31 covers 16 - max(0, 8 - c) - max(0, c - 24) pixels: (512 - 36 - 28) / 32 = 14.
    assert holes.float().mean().item() == pytest.approx(14**2, abs=5 * 54 / 2000**0.5)


def test_augment_composes_in_the_published_order():
    images, generator = some_images(), seeded(3)
    by_hand = augment.random_crop(images, 2, generator)
    by_hand = augment.normalize(augment.random_flip(by_hand, generator), MEAN, STD)
    by_hand = augment.cutout(by_hand, 4, generator)
    batch = augment.augment(images, MEAN, STD, seeded(3), padding=2, cutout_length=4)
    assert torch.equal(batch, by_hand) and batch.dtype == torch.float32 and batch.is_contiguous()
    # What the crop brings in is black before normalisation; what cutout removes is the mean after it.
    black = torch.tensor([(0 - m) / s for m, s in zip(MEAN, STD)])
    assert torch.isclose(batch[:, 0], black[0]).any() and (batch == 0).any()


def test_augment_leaves_its_input_alone_and_follows_the_generator():
    images = some_images()
    before = images.clone()
    first = augment.augment(images, MEAN, STD, seeded(1), cutout_length=3)
    assert torch.equal(images, before)
    assert torch.equal(first, augment.augment(images, MEAN, STD, seeded(1), cutout_length=3))
    assert not torch.equal(first, augment.augment(images, MEAN, STD, seeded(2), cutout_length=3))
    assert torch.equal(augment.random_crop(images, 0, seeded()), images)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_same_seed_crops_alike_on_a_gpu():
    images = some_images()
    there = augment.augment(images.cuda(), MEAN, STD, seeded(), padding=2, cutout_length=4)
    here = augment.augment(images, MEAN, STD, seeded(), padding=2, cutout_length=4)
    assert there.device.type == "cuda" and torch.allclose(there.cpu(), here, atol=1e-6)
