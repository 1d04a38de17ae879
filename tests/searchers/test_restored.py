"""What trained weights are worth in one architecture: the state of a finished search, paths of cells, accuracies."""

import shutil

import numpy as np
import pytest
import torch
from tiny import TINY

import nasbook as nb
from nasbook.drawing import against_picture
from nasbook.searchers import restored
from nasbook.searchers.restored import mean_sampled_accuracy, shared_accuracy, trained_search
from nasbook.spaces.names import DARTS_OPERATIONS
from nasbook.training.spaces import path_of


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return nb.search("data", data=digits, out=tmp_path_factory.mktemp("run"), **TINY | {"epochs": 1, "draws": 3})


def test_the_state_at_the_end_is_the_checkpoints(run, digits):
    search = trained_search(run, digits)
    saved = torch.load(run.folder / "checkpoint.pt", weights_only=True)
    assert all(torch.equal(value, saved["net"][name]) for name, value in search.net.state_dict().items())
    assert np.array_equal(np.stack(list(search.arrays().values())), run.alphas[-1])
    assert search.step == saved["step"] > 0 and search.tau == 5.0 and search.net.training
    assert search.config.draws == 3 and not search.data.has_test


def test_a_path_holds_what_the_cell_holds(run, digits):
    search = trained_search(run, digits)
    paths = {kind: path_of(nodes, DARTS_OPERATIONS) for kind, (nodes, _) in run.genotype.kinds.items()}
    assert search.space.read(paths) == run.genotype
    assert {tuple(path.shape) for path in paths.values()} == {(5, 8)}
    assert set(torch.cat(list(paths.values())).unique().tolist()) == {0.0, 1.0}


def test_accuracies_are_those_of_the_net_and_change_nothing(run, digits):
    search = trained_search(run, digits)
    before = {name: value.clone() for name, value in search.net.state_dict().items()}
    generator = search.draws.get_state()
    shared, sampled = shared_accuracy(search, run.genotype), mean_sampled_accuracy(search, "data", draws=2)
    assert all(torch.equal(before[name], value) for name, value in search.net.state_dict().items())
    assert torch.equal(generator, search.draws.get_state())
    assert sampled == mean_sampled_accuracy(search, "data", draws=2) != shared
    n = len(search.parts["selection"])
    assert shared * n == pytest.approx(round(shared * n)) and 0 < shared < 1
    nothing = nb.Genotype(normal=((("none", 0),),) * 2, reduce=((("none", 0),),) * 2)
    assert shared_accuracy(search, nothing) == pytest.approx(0.1, abs=0.05), "a net of nothing gives one answer"


def test_the_accuracy_is_counted_by_hand(run, digits, monkeypatch):
    """A net that answers the label of half of the images and never of the others is right on half of them."""
    search = trained_search(run, digits)
    labels = search.data.labels[search.parts["selection"]]
    place = iter(range(len(labels)))

    def forward(images, paths):
        assert {kind: path.sum() for kind, path in paths.items()} == {
            kind: sum(map(len, nodes)) for kind, (nodes, _) in run.genotype.kinds.items()
        }
        rows = [next(place) for _ in images]
        answers = [(int(labels[row]) + row % 2) % 10 for row in rows]
        return torch.nn.functional.one_hot(torch.tensor(answers), 10).float()

    monkeypatch.setattr(search, "forward", forward)
    assert shared_accuracy(search, run.genotype) == pytest.approx(0.5, abs=1 / len(labels))


def test_both_accuracies_are_those_of_the_selection_images(run, digits, monkeypatch):
    search, asked = trained_search(run, digits), []
    monkeypatch.setattr(
        restored, "supernet_accuracy", lambda search, paths, positions: asked.append(positions) or len(asked)
    )
    assert shared_accuracy(search, run.genotype) == 1
    assert mean_sampled_accuracy(search, "data", draws=3) == (2 + 3 + 4) / 3
    assert len(asked) == 4 and all(torch.equal(one, search.parts["selection"]) for one in asked)


def test_what_is_no_finished_search_on_these_data_is_refused(run, digits, tmp_path):
    with pytest.raises(nb.NasbookError, match="same"):
        trained_search(run, nb.datasets.load("cifar10-sample", size=16))
    with pytest.raises(nb.NasbookError, match="not among the operations"):
        path_of(((("conv_1x1", 0),),), DARTS_OPERATIONS)
    checkpoint = run.folder / "checkpoint.pt"
    checkpoint.rename(run.folder / "moved")
    try:
        with pytest.raises(nb.NasbookError, match="weights are gone"):
            trained_search(run, digits)
    finally:
        (run.folder / "moved").rename(checkpoint)
    trained = nb.train(
        run.genotype.network(4, 3, 10), data=digits, out=tmp_path, epochs=1, threads=1, padding=1, cutout=0
    )
    with pytest.raises(nb.NasbookError, match="no finished search"):
        trained_search(trained, digits)


def test_the_picture_says_means_and_intervals_and_needs_two_seeds():
    points = {"one": {1: [0.2, 0.4], 4: [0.1, 0.3]}, "other": {1: [-0.1, 0.1], 4: [0.0, 0.2]}}
    picture = against_picture(points, "M", "gap")
    assert picture.sentence.startswith("gap: one, M 1: 30.0% (n = 2") and "other, M 4: 10.0%" in picture.sentence
    axes = picture.graph.axes[0]
    dots = [line for line in axes.lines if line.get_marker() in "os" and line.get_alpha() == 0.55]
    assert sorted(y for line in dots for y in line.get_ydata()) == sorted(
        value for one in points.values() for values in one.values() for value in values
    )
    assert axes.get_xlabel().startswith("M") and axes.get_ylabel() == "gap"
    with pytest.raises(nb.NasbookError, match="two seeds"):
        against_picture({"one": {1: [0.2]}}, "M", "gap")


@pytest.mark.parametrize(
    ("method", "draws", "said"),
    [("dart", 1, "did you mean 'darts'"), ("pc_darts", 1, "the method of the search"), ("data", 0, "draws from 1")],
)
def test_a_mean_over_nothing_or_over_another_methods_draws_is_refused(run, digits, method, draws, said):
    with pytest.raises(nb.NasbookError, match=said):
        mean_sampled_accuracy(trained_search(run, digits), method, draws)


@pytest.mark.parametrize("spoil", [lambda state: state.pop("draws"),
                                   lambda state: state["alphas"].update(normal=torch.zeros(1, 8))])  # fmt: skip
def test_a_checkpoint_of_another_search_is_refused_in_one_sentence(run, digits, tmp_path, spoil):
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    state = torch.load(copy / "checkpoint.pt", weights_only=True)
    spoil(state)
    torch.save(state, copy / "checkpoint.pt")
    with pytest.raises(nb.NasbookError, match="not one of this search"):
        trained_search(nb.Run.load(copy), digits)
