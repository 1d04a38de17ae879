"""Crop, flip, normalisation and cutout of whole batches, on the device of the images.

Random numbers are drawn on the CPU and then moved: a seed means the same crops on every device. The
order (crop and flip in 0 to 255, normalise, cutout last so that it fills with the mean) is that of the
published CIFAR-10 protocol.
"""

import torch
from torch.nn import functional


def random_crop(images: torch.Tensor, padding: int, generator: torch.Generator) -> torch.Tensor:
    """Each image shifted by up to ``padding`` pixels each way, zeros moving in: (B, C, H, W) -> same.

    Two offsets per image, uniform over 0..2*padding, rows drawn before columns.
    """
    if padding == 0:
        return images
    batch, _, height, width = images.shape
    offsets = torch.randint(0, 2 * padding + 1, (2, batch), generator=generator).to(images.device)
    padded = functional.pad(images, (padding,) * 4)  # -> (B, C, H+2p, W+2p)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # -> (B, C, 2p+1, 2p+1, H, W), a view
    every = torch.arange(batch, device=images.device)
    return windows[every, :, offsets[0], offsets[1]]  # -> (B, C, H, W)


def random_flip(images: torch.Tensor, generator: torch.Generator, p: float = 0.5) -> torch.Tensor:
    """Each image mirrored left to right with probability ``p``: (B, C, H, W) -> same. One draw per image."""
    mirrored = (torch.rand(len(images), generator=generator) < p).to(images.device)
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def normalize(images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """(x / 255 - mean) / std per channel: (B, C, H, W) uint8 -> same shape, float32.

    ``mean`` and ``std`` are on the scale 0 to 1.
    """
    centre = torch.tensor(mean, device=images.device)[:, None, None]  # (C,) -> (C, 1, 1)
    spread = torch.tensor(std, device=images.device)[:, None, None]  # (C,) -> (C, 1, 1)
    return images.to(torch.float32).div_(255).sub_(centre).div_(spread)


def cutout(images: torch.Tensor, length: int, generator: torch.Generator) -> torch.Tensor:
    """One square of ``length`` pixels a side set to 0 in each image: (B, C, H, W) -> same.

    Its centre is uniform over all pixels, rows drawn before columns, and it is clipped at the border, so
    that it is often smaller (DeVries and Taylor 2017). Applied after normalisation it fills with the mean.
    """
    if length == 0:
        return images
    batch, _, height, width = images.shape
    rows = torch.randint(0, height, (batch,), generator=generator).to(images.device)
    columns = torch.randint(0, width, (batch,), generator=generator).to(images.device)
    inside = _band(rows, length, height)[:, None, :, None] & _band(columns, length, width)[:, None, None, :]
    return images.masked_fill(inside, 0)  # (B, 1, H, W) mask over (B, C, H, W)


def augment(
    images: torch.Tensor,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    generator: torch.Generator,
    padding: int = 4,
    cutout_length: int = 0,
) -> torch.Tensor:
    """A training batch: crop, flip, normalise, cutout. (B, C, H, W) uint8 -> same shape, float32.

    ``padding`` 4 and ``cutout_length`` 16 are made for 32x32 pixels; ``cutout_length`` 0 leaves it out and
    draws nothing for it.
    """
    shifted = random_crop(images, padding, generator)
    return cutout(normalize(random_flip(shifted, generator), mean, std), cutout_length, generator)


def _band(centre: torch.Tensor, length: int, extent: int) -> torch.Tensor:
    """Which of ``extent`` pixels lie within the ``length`` around each centre: (B,) -> (B, extent) bool."""
    first = centre[:, None] - length // 2  # (B,) -> (B, 1)
    pixel = torch.arange(extent, device=centre.device)
    return (pixel >= first) & (pixel < first + length)  # -> (B, extent)
