"""The image sets: what is shipped, what user data must be, and how a set shows itself."""

import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import nasbook as nb
from nasbook.base.errors import NasbookError
from nasbook.datasets import catalogue, download, local
from nasbook.datasets.arrays import constants, digest
from nasbook.datasets.images import ImageData

CLASSES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def sample():
    return nb.datasets.load("cifar10-sample")


@pytest.fixture
def copied_sample(tmp_path, monkeypatch):
    folder = tmp_path / "a bücher folder" / "cifar10-sample"
    shutil.copytree(local.sample_folder(), folder)
    monkeypatch.setattr(local, "sample_folder", lambda: folder)
    return folder


def solid_colours(size=8, each=4):
    """Three classes, each of one pure colour: images (3 * each, 3, size, size) and labels."""
    labels = torch.arange(3).repeat(each)
    images = torch.zeros(3 * each, 3, size, size, dtype=torch.uint8)
    images[torch.arange(3 * each), labels] = 255
    return images, labels


def own(**changes):
    images, labels = solid_colours()
    given = {"name": "mine", "images": images, "labels": labels, "classes": CLASSES} | changes
    return ImageData.from_arrays(**given)


def test_sample_is_balanced_real_cifar(sample):
    assert sample.images.shape == (4000, 3, 32, 32) and sample.images.dtype == torch.uint8
    assert sample.labels.bincount().tolist() == [400] * 10
    test = sample.test()
    assert test.images.shape == (1000, 3, 32, 32) and test.labels.bincount().tolist() == [100] * 10
    assert sample.classes[0] == "airplane" and sample.classes[9] == "truck"
    mean, std = constants(sample.images.numpy())
    assert np.allclose(mean, sample.mean, atol=0.006) and np.allclose(std, sample.std, atol=0.006)


def test_sample_index_says_which_images():
    index = json.loads((local.sample_folder() / "index.json").read_text(encoding="utf-8"))
    for part, held in (("train", 50_000), ("test", 10_000)):
        indices = np.array(index[part]["indices"])
        assert len(indices) == len(index[part]["labels"])
        assert (np.diff(indices) > 0).all() and indices[0] >= 0 and indices[-1] < held


@pytest.mark.skipif(not download.cache_file("cifar10").exists(), reason="full CIFAR-10 is not in the cache")
def test_sample_is_what_its_index_says():
    full, sample = download.read_cache("cifar10"), local.sample()
    index = json.loads((local.sample_folder() / "index.json").read_text(encoding="utf-8"))
    train, test = index["train"]["indices"], index["test"]["indices"]
    assert (full.images[train] == sample.images).all() and (full.labels[train] == sample.labels).all()
    assert (full.test_images[test] == sample.test_images).all()
    assert (full.test_labels[test] == sample.test_labels).all()


def test_sample_loads_from_a_path_with_spaces_and_umlauts(copied_sample, sample):
    assert nb.datasets.load("cifar10-sample").checksum == sample.checksum


@pytest.mark.parametrize("damage", ["truncated", "one byte", "missing"])
def test_damaged_sheet_is_named(copied_sample, damage):
    sheet = copied_sample / "sheet-3.webp"
    raw = sheet.read_bytes()
    if damage == "truncated":
        sheet.write_bytes(raw[: len(raw) // 2])
    elif damage == "one byte":
        sheet.write_bytes(raw[:5000] + bytes([raw[5000] ^ 1]) + raw[5001:])
    else:
        sheet.unlink()
    with pytest.raises(NasbookError, match=r"sheet-3\.webp.*git checkout"):
        nb.datasets.load("cifar10-sample")


def test_changed_label_is_noticed(copied_sample):
    path = copied_sample / "index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    index["train"]["labels"][7] = (index["train"]["labels"][7] + 1) % 10
    path.write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(NasbookError, match=r"index\.json is damaged"):
        catalogue.verify("cifar10-sample")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sheets": [3]}', '{"sheets": [], "train": 1}'])
def test_broken_index_is_named(copied_sample, text):
    (copied_sample / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(NasbookError, match=r"index\.json"):
        nb.datasets.load("cifar10-sample")


def test_digits_are_grey_stratified_and_normalised_by_their_training_part():
    data = nb.datasets.load("digits")
    assert data.size == 8 and len(data) == 1438 and len(data.test().labels) == 359
    assert (data.images[:, 0] == data.images[:, 2]).all() and data.images.max() == 255
    scaled = data.images[:, 0].double() / 255
    assert data.mean[0] == pytest.approx(scaled.mean().item())
    assert data.std[2] == pytest.approx(scaled.std(unbiased=False).item())
    share = data.test().labels.bincount() / (data.test().labels.bincount() + data.labels.bincount())
    assert (share - 0.2).abs().max() < 0.003
    assert nb.datasets.load("digits").checksum == data.checksum


def test_size_averages_blocks_and_rounds(sample):
    small = nb.datasets.load("cifar10-sample", size=8)
    assert small.size == 8 and small.test().images.shape == (1000, 3, 8, 8)
    for image, channel, row, column in ((0, 0, 0, 0), (17, 2, 7, 3), (3999, 1, 4, 7)):
        block = sample.images[image, channel, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert small.images[image, channel, row, column] == int(sum(block.flatten().tolist()) / 16 + 0.5)
    assert nb.datasets.load("cifar10-sample", size=32).checksum == sample.checksum


def test_whole_numbers_of_numpy_are_sizes():
    small = nb.datasets.load("cifar10-sample", size=np.int64(16))
    assert small.size == 16 and type(small.size) is int
    assert small.checksum == nb.datasets.load("cifar10-sample", size=16).checksum
    assert small.shrink(np.uint8(8)).checksum == small.shrink(8).checksum


@pytest.mark.parametrize("size", [np.bool_(True), np.float64(16), 0, 7, -8, 4, 12, 64, 16.0, True, "16", "7x9", (7, 9)])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(NasbookError, match=r"image size .* is not possible.*8 or 16 or 32"):
        nb.datasets.load("cifar10-sample", size=size)


def test_unknown_names_and_devices_are_refused():
    with pytest.raises(NasbookError, match="did you mean 'cifar10-sample'"):
        nb.datasets.load("cifar10-sampel")
    for device in ("gpu", "cuda:77", ""):
        with pytest.raises(NasbookError, match="cannot be used here"):
            nb.datasets.load("digits", device=device)


WHITE = torch.full((12, 3, 8, 8), 255, dtype=torch.uint8)
REFUSED = [
    ({"images": WHITE[0]}, r"shape \(N, 3, H, W\), not \(3, 8, 8\)"),
    ({"images": WHITE[:, :1]}, "3 channels, not 1"),
    ({"images": WHITE.permute(0, 2, 3, 1)}, "move the channels"),
    ({"images": WHITE.new_zeros(12, 3, 7, 9)}, "square, not 7x9 pixels"),
    ({"images": WHITE[:, :, :4, :4]}, "have 4x4 pixels and need at least 8x8"),
    ({"images": WHITE[:0], "labels": torch.zeros(0).long()}, "there are no training images"),
    ({"images": WHITE.float()}, "must be uint8 .* not float32$"),
    ({"images": WHITE.float() * float("nan")}, "not float32 with NaN"),
    ({"labels": torch.arange(11) % 3}, r"12 training images need 12 int64 labels .* shape \(11,\)"),
    ({"labels": torch.eye(12).long()}, r"shape \(12, 12\)"),
    ({"labels": torch.arange(12) % 3 * 1.0}, "whole numbers, not float32"),
    ({"labels": torch.tensor([0, 1, 2, 0, 1, 3, 0, 9, 2, 0, 1, 2])}, "training image 5 is 3, and 3 classes"),
    ({"labels": torch.tensor([0, 1, -1] * 4)}, "training image 2 is -1"),
    ({"labels": torch.tensor([0, 2] * 6)}, r"class 'green' \(label 1\) has no training image"),
    ({"classes": ()}, "no classes"),
    ({"images": WHITE}, "std must lie in 0 to 1 and not be 0"),
    ({"mean": (0.5, 0.5, 0.5)}, "both mean and std"),
    ({"mean": (120.0, 120.0, 120.0), "std": (0.2, 0.2, 0.2)}, "one number per channel"),
    ({"mean": (0.5,), "std": (0.2,)}, "one number per channel"),
    ({"mean": (0.5, 0.5, float("nan")), "std": (0.2, 0.2, 0.2)}, "one number per channel"),
    ({"test_images": WHITE}, "both test_images and test_labels"),
    ({"test_images": WHITE, "test_labels": torch.full((12,), 5)}, "test image 0 is 5"),
    (
        {"test_images": WHITE.new_zeros(1, 3, 16, 16), "test_labels": [0]},
        "16x16 pixels and the training images 8x8",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_user_data_that_does_not_fit_gives_one_sentence(changes, sentence):
    with pytest.raises(NasbookError, match=sentence) as caught:
        own(**changes)
    assert str(caught.value).startswith("mine: ") and "\n" not in str(caught.value)


def test_user_data_from_numpy_gets_constants_of_its_training_part():
    images, labels = solid_colours()
    data = own(images=images.numpy(), labels=labels.numpy().astype(np.int32), test_images=images[:1], test_labels=[0])
    assert data.mean == pytest.approx((1 / 3,) * 3) and data.std == pytest.approx((2**0.5 / 3,) * 3)
    assert data.labels.dtype == torch.int64 and torch.equal(data.test().images, images[:1])


def test_checksum_covers_images_and_labels():
    images, labels = solid_colours()
    changed = images.clone()
    changed[11, 2, 7, 7] ^= 1
    checksums = {own().checksum, own(images=changed).checksum, own(labels=labels.roll(1)).checksum}
    assert len(checksums) == 3 and own().checksum in checksums
    assert own(images=images.flip(-1).flip(-1)).checksum == own().checksum


def test_a_search_cannot_reach_the_test_part(sample):
    closed = sample.without_test()
    for data in (closed, closed.to("cpu"), closed.shrink(16)):
        with pytest.raises(NasbookError, match="served only by the final evaluation"):
            data.test()
    assert closed.checksum == sample.checksum and len(sample.test().labels) == 1000
    with pytest.raises(NasbookError, match="has no test part"):
        own().test()


def test_sentence_is_computed_from_the_data(sample):
    said = "cifar10-sample: 4,000 training and 1,000 test images of 32x32 pixels in 10 classes, 400 of each"
    assert sample._repr_mimebundle_()["text/plain"] == repr(sample) == said
    assert "4,000 training images (test part withheld)" in repr(sample.without_test())
    images, labels = solid_colours()
    assert repr(own(images=images[:-1], labels=labels[:-1])) == (
        "mine: 11 training images (test part absent) of 8x8 pixels in 3 classes, between 3 and 4 of each"
    )


def test_contact_sheet_shows_each_class_beside_its_name():
    png = own()._repr_mimebundle_()["image/png"]
    sheet = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    assert (sheet[0] == 255).all()
    rows = np.array_split(sheet, 3)
    for label, row in enumerate(rows):
        colour = [255 * (channel == label) for channel in range(3)]
        shown = (row == colour).all(axis=-1).sum()
        assert shown == 4 * 64 * 64
        assert (row.max(axis=-1) < 100).sum() > 50


def test_contact_sheet_of_many_classes_stays_small():
    images = torch.randint(0, 256, (200, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    names = [f"a class with a name that is too long {number}" for number in range(100)]
    png = own(images=images, labels=torch.arange(200) % 100, classes=names)._repr_mimebundle_()["image/png"]
    width, height = Image.open(io.BytesIO(png)).size
    assert width < 1000 and height < 1000 and len(png) < 200_000


def test_catalogue_answers_without_torch():
    code = (
        "import sys; from nasbook.datasets import catalogue as c; c.listing(); c.verify('digits');"
        "c.verify('cifar10-sample'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_listing_tells_what_is_ready(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBOOK_DATA", str(tmp_path))
    rows = {row["name"]: row for row in catalogue.listing()}
    assert rows["cifar10-sample"]["ready"] and rows["digits"]["ready"]
    assert not rows["cifar10"]["ready"] and rows["cifar10"]["where"] == "nasbook data get cifar10"


def test_published_constants():
    assert catalogue.normalisation("cifar10", None) == ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    assert catalogue.normalisation("cifar100", None) == ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))


def test_verify_and_get_of_shipped_sets():
    assert digest(local.sample()) in catalogue.verify("cifar10-sample")
    assert "1,438 training and 359 test images" in catalogue.get("digits")
    with pytest.raises(NasbookError, match="unknown dataset"):
        catalogue.get("mnist")
