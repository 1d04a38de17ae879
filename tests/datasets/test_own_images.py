"""A reader's own images: arrays in whatever form NumPy has them, and a folder of pictures."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import nasbook as nb
from nasbook.base.errors import NasbookError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 3, 8, 8), dtype=np.uint8)
LABELS = np.arange(12) % 3
CLASSES = ("red", "green", "blue")
READ_ONLY = IMAGES.copy()
READ_ONLY.flags.writeable = False


def own(images=IMAGES, labels=LABELS, classes=CLASSES, **more):
    return nb.datasets.from_arrays("mine", images, labels, classes, **more)


def test_the_door_stands_beside_load():
    assert own().checksum == nb.datasets.ImageData.from_arrays("mine", IMAGES, LABELS, CLASSES).checksum
    assert {"from_arrays", "from_folder"} <= set(dir(nb.datasets))


SAME = {
    "blue first": (IMAGES[:, ::-1][:, ::-1], LABELS),
    "mirrored": (np.ascontiguousarray(IMAGES[..., ::-1])[..., ::-1], LABELS),
    "channels last": (np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), LABELS),
    "read only": (READ_ONLY, LABELS),
    "lists": (list(IMAGES), LABELS.tolist()),
    "big-endian labels": (IMAGES, LABELS.astype(">i4")),
    "unsigned labels": (IMAGES, LABELS.astype(np.uint64)),
    "a column of a table": (IMAGES, pd.Series(LABELS)),
    "tensors": (torch.from_numpy(IMAGES), torch.from_numpy(LABELS)),
}


@pytest.mark.parametrize(("images", "labels"), SAME.values(), ids=SAME)
def test_the_same_images_in_any_form_are_the_same_data(images, labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = own(images, labels)
    assert data.checksum == own().checksum and torch.equal(data.images, torch.from_numpy(IMAGES))


def test_one_image_mirrored_in_every_axis_is_taken():
    one = np.full((1, 3, 8, 8), 7, dtype=np.uint8)[::-1, ::-1, ::-1, ::-1]
    one[0, 0, 0, 0] = 8
    data = own(one, [0], ["only"], mean=np.array([0.5, 0.5, 0.5]), std=torch.tensor([0.2, 0.2, 0.2]))
    assert data.images[0, 0, 0, 0] == 8 and data.mean == (0.5, 0.5, 0.5)


def test_what_happens_to_the_arrays_later_does_not_change_the_data():
    images = IMAGES.copy()
    data = own(images)
    images[:] = 0
    assert torch.equal(data.images, torch.from_numpy(IMAGES))


def test_numbers_name_classes_too_and_show_themselves():
    for classes in (range(3), [0, 1, 2], np.arange(3), np.array(["0", "1", "2"])):
        data = own(classes=classes)
        assert data.classes == ("0", "1", "2") and all(type(one) is str for one in data.classes)
        assert data._repr_mimebundle_()["image/png"]


REFUSED = [
    ({"classes": 3}, r"classes must list one name for each label, such as \('cat', 'dog'\), not 3"),
    ({"classes": None}, "classes must list one name for each label, .* not None"),
    ({"classes": "red"}, "classes must list one name .* not 'red'"),
    ({"classes": {"red", "green", "blue"}}, "classes must list"),
    ({"classes": [None, 1, 2]}, "classes must list"),
    ({"classes": np.ones((3, 3))}, "classes must list"),
    ({"classes": ("red", "green", "red")}, "classes lists 'red' twice"),
    ({"classes": range(10**12)}, "classes lists more than 1,000,000 names"),
    ({"images": IMAGES.astype(np.longdouble)}, "must be uint8"),
    ({"images": torch.from_numpy(IMAGES).to_sparse()}, "without plain numbers: give a dense one"),
    ({"mean": 0.5, "std": 0.2}, "mean needs one number per channel, .* not 0.5"),
    ({"mean": (0.5, 0.5, 0.5), "std": "0.2"}, "std needs one number per channel, .* not '0.2'"),
    ({"mean": ("a", "b", "c"), "std": (0.2, 0.2, 0.2)}, "mean needs one number per channel"),
    ({"images": "photos/"}, "are the path 'photos/', and must be an array: nb.datasets.from_folder reads a folder"),
    ({"images": None}, r"images must be uint8 \(0 to 255\), not NoneType of object"),
    ({"images": [IMAGES[0], IMAGES[1, :, :4]]}, "the training images are no array"),
    ({"images": IMAGES.astype(">u2")}, "must be uint8 .* not uint16"),
    ({"images": IMAGES.astype(str)}, "must be uint8"),
    ({"labels": np.array(CLASSES)[LABELS]}, "labels must be whole numbers from 0, .*return_inverse=True"),
    ({"labels": LABELS.astype(object)}, "labels must be whole numbers from 0, not ndarray of object"),
    ({"labels": 3}, r"12 int64 labels in one row, not int64 of shape \(\)"),
    ({"labels": None}, "labels must be whole numbers"),
    ({"test_images": "a.png", "test_labels": [0]}, "the test images are the path 'a.png'"),
    ({"test_images": IMAGES, "test_labels": np.array(["x"] * 12)}, "the test labels must be whole numbers"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_is_no_image_set_is_one_sentence(changes, said):
    with pytest.raises(NasbookError, match=said) as caught:
        own(**changes)
    assert str(caught.value).startswith("mine: ") and "\n" not in str(caught.value)


def test_a_forgotten_name_is_noticed():
    with pytest.raises(
        NasbookError, match="the name of the images comes first and is a line of text such as 'mine', not ndarray"
    ):
        nb.datasets.from_arrays(IMAGES, IMAGES, LABELS, CLASSES)
