"""A folder of pictures becomes ImageData: sizes, classes, parts, and what is refused."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import nasbook as nb
from nasbook.base.errors import NasbookError

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def fill(folder, each=5, colours=COLOURS, suffix="png"):
    """``each`` pictures of different sizes for every class, each of one colour, a little darker than the last."""
    for name, colour in colours.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            shade = tuple(max(0, value - number) for value in colour)
            Image.new("RGB", (20 + number, 40 - number), shade).save(folder / name / f"{number}.{suffix}")
    return folder


def load(folder, **more):
    return nb.datasets.from_folder(folder, **{"size": 8, **more})


def test_each_class_is_a_sub_folder_and_a_fifth_of_each_is_the_test_part(tmp_path):
    data = load(fill(tmp_path / "my bücher", each=10), size=16)
    assert repr(data) == "my bücher: 24 training and 6 test images of 16x16 pixels in 3 classes, 8 of each"
    assert data.classes == ("blue", "green", "red")
    for images, labels in ((data.images, data.labels), data.test()):
        assert torch.equal(images.amax(dim=(2, 3)).argmax(dim=1), 2 - labels)
    shades = torch.cat([data.images[data.labels == 2], data.test().images[data.test().labels == 2]])[:, 0, 0, 0]
    assert sorted(shades.tolist()) == list(range(246, 256))  # each picture in one part, and once


def test_the_seed_decides_which_pictures_are_tested_on_and_runs_know_it(tmp_path):
    folder = fill(tmp_path / "mine")
    one, again, other = load(folder), load(folder, seed=0), load(folder, seed=1)
    assert one.checksum == again.checksum != other.checksum
    assert one.description() == {"data": "mine", "data_size": 8, "data_checksum": one.checksum}
    assert load(folder, name="yours").name == "yours" and load(f"{folder}/").name == "mine"


def test_shares_are_rounded_and_leave_both_parts_a_picture(tmp_path):
    folder = fill(tmp_path / "mine")
    assert [len(load(folder, test=share).test().labels) for share in (0.01, 0.4, 0.99)] == [3, 6, 12]
    assert not load(folder, test=0).has_test and len(load(folder, test=0)) == 15


def test_train_and_test_folders_are_the_parts(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", each=2)
    data = load(tmp_path)
    assert len(data) == 15 and len(data.test().labels) == 6
    with pytest.raises(NasbookError, match=r"has a test part of its own: leave out test=0.2"):
        load(tmp_path, test=0.2)


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, colours={**COLOURS, "train": (9, 9, 9)})
    assert load(tmp_path).classes == (*COLOURS, "train")


def test_a_picture_is_cropped_to_the_square_in_its_middle(tmp_path):
    middle = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    wide = np.full((16, 48, 3), 128, dtype=np.uint8)
    wide[:, 16:32] = middle
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(wide).save(tmp_path / name / "wide.png")
        Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / name / "high.png")
    data = load(tmp_path, size=16, test=0)
    high, wide = data.images[:2].permute(0, 2, 3, 1).numpy()
    assert (wide == middle).all() and (high == middle.transpose(1, 0, 2)).all()


def test_a_photograph_is_turned_upright(tmp_path):
    half = np.zeros((32, 32, 3), dtype=np.uint8)
    half[:16] = 255  # bright above
    turned = Image.Exif()
    turned[0x0112] = 3  # upside down
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(half).save(tmp_path / name / "photo.jpg", exif=turned)
    data = load(tmp_path, test=0)
    assert data.images[0, :, 0].max() < 50 and data.images[0, :, -1].min() > 200


def test_pictures_of_any_kind_are_read_and_other_files_passed_over(tmp_path):
    fill(tmp_path, each=2, suffix="JPG")
    grey = Image.new("L", (9, 9), 200)
    for number, picture in enumerate((grey, grey.convert("P"), grey.convert("RGBA"), grey.convert("1"))):
        picture.save(tmp_path / "red" / f"kind {number}.png")
    (tmp_path / "red" / "deeper").mkdir()
    grey.save(tmp_path / "red" / "deeper" / "one.webp")
    (tmp_path / "red" / "notes.txt").write_text("no picture")
    (tmp_path / "red" / "._0.JPG").write_bytes(b"what a Mac leaves behind")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    data = load(tmp_path, test=0)
    assert data.classes == tuple(COLOURS) and torch.bincount(data.labels).tolist() == [2, 2, 7]


def test_a_link_does_not_lead_round_in_a_circle(tmp_path):
    (fill(tmp_path) / "red" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert len(load(tmp_path, test=0)) == 15


def broken(folder):
    raw = (folder / "red" / "3.png").read_bytes()
    (folder / "red" / "3.png").write_bytes(raw[: len(raw) // 2])


def text(folder):
    (folder / "red" / "0.jpg").write_text("<html>not found</html>")


def deep(folder):
    Image.fromarray(np.full((9, 9), 40_000, dtype=np.uint16)).save(folder / "red" / "deep.png")


def empty(folder):
    (folder / "yellow").mkdir()


def lonely(folder):
    fill(folder, each=1, colours={"yellow": (9, 9, 9)})


def only_train(folder):
    fill(folder / "train")


def one_class(folder):
    for name in ("red", "green"):
        shutil.rmtree(folder / name)


def unequal(folder):
    fill(folder / "train")
    fill(folder / "test", colours={**COLOURS, "yellow": (9, 9, 9)})


REFUSED = [
    (broken, {}, r"cannot read the picture .*3\.png \(.*\): replace it, or remove it"),
    (text, {}, r"cannot read the picture .*0\.jpg"),
    (deep, {}, r"deep\.png has more than 8 bits a channel"),
    (empty, {}, r"yellow holds no pictures \(\.bmp, .*\): fill it, or remove it"),
    (lonely, {}, r"yellow holds one picture, too few for two parts: add one, or set test=0"),
    (one_class, {}, r"has the one sub-folder 'blue': it needs one .* at least two classes"),
    (only_train, {}, r"has train and no test beside it: add it, or give .*train itself"),
    (unequal, {}, r"has the class 'yellow' in only one of train and test"),
    (None, {"test": 1.0}, r"test is 1\.0; it must be a share of each class, from 0 to below 1"),
    (None, {"test": -0.1}, "test is -0.1"),
    (None, {"test": float("nan")}, "test is nan"),
    (None, {"test": "0.2"}, "test is '0.2'"),
    (None, {"test": True}, "test is True"),
    (None, {"size": 7}, "size is 7; it must be a whole number of pixels from 8"),
    (None, {"size": 8.0}, r"size is 8\.0"),
    (None, {"size": (8, 8)}, r"size is \(8, 8\)"),
    (None, {"size": 10**6}, r"15 pictures of 1000000x1000000 pixels would need about [\d,]+ GiB"),
    (None, {"seed": -1}, "seed is -1"),
    (None, {"name": 5}, "the name of the images"),
]


@pytest.mark.parametrize(("harm", "settings", "said"), REFUSED, ids=[said for *_, said in REFUSED])
def test_what_cannot_be_read_is_one_sentence(tmp_path, harm, settings, said):
    fill(tmp_path)
    if harm:
        harm(tmp_path)
    with pytest.raises(NasbookError, match=said) as caught:
        load(tmp_path, **settings)
    assert "\n" not in str(caught.value)


def test_what_is_no_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for path, said in (
        (tmp_path / "nowhere", "there is no folder .*nowhere"),
        (tmp_path / "file", "file is a file: give the folder"),
        (tmp_path / "empty", "has no sub-folder: it needs one with pictures for each of at least two classes"),
        (3, "3 is no folder"),
        (None, "None is no folder"),
    ):
        with pytest.raises(NasbookError, match=said):
            load(path)


def test_a_search_runs_on_a_folder_of_pictures(tmp_path):
    data = load(fill(tmp_path / "mine", each=30))
    run = nb.search("gdas", data=data, out=tmp_path / "run", epochs=1, batch_size=8, figures=False)
    assert run.config["data"] == "mine" and run.config["data_checksum"] == data.checksum
