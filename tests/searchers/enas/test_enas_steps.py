"""What the two steps of ENAS's loop do to a batch, a rate, a gradient: nothing that a summary of the run would show."""

import numpy as np
import pytest
import torch

import nasbook as nb
from nasbook.datasets.augment import normalize
from nasbook.datasets.splits import split
from nasbook.searchers.controllers import CellController, LayerController
from nasbook.searchers.enas import PROFILES, Config, loop

SMALL = {"batch_size": 64, "controller_steps": 3, "aggregates": 2, "padding": 1, "candidates": 3}
EDGES = {"space": "edges", "layers": 1}


def start(digits, **more):
    config = Config.make(dict(PROFILES["smoke"]) | SMALL | {"seed": 0} | more)
    return loop.begin(config, digits.without_test(), split(digits.labels, config.split, 0))


def listen(search, monkeypatch):
    """All calls of the shared network: (images, architecture, what disturbs the features)."""
    heard, forward = [], search.net.forward

    def listening(images, architecture, disturb=None):
        heard.append((images.clone(), architecture, disturb))
        return forward(images, architecture, disturb)

    monkeypatch.setattr(search.net, "forward", listening)
    return heard


def test_every_epoch_is_trained_at_its_own_rate(digits, tmp_path, monkeypatch):
    used, step = [], loop.weight_step

    def watched(search):
        used.append((search.step // search.per_epoch, search.weight_optimizer.param_groups[0]["lr"]))
        return step(search)

    monkeypatch.setattr(loop, "weight_step", watched)
    settings = SMALL | EDGES | {"epochs": 3, "restart": 2, "controller_steps": 0}
    run = nb.search("enas", data=digits, out=tmp_path, **settings)
    config = Config.make(dict(PROFILES["smoke"]) | settings | {"seed": 0})
    assert {epoch for epoch, _ in used} == {0, 1, 2}
    assert all(rate == pytest.approx(loop.rate(config, epoch)) for epoch, rate in used)
    noted = run.trace.query("quantity == 'learning_rate'")["value"].tolist()
    assert noted == pytest.approx([loop.rate(config, epoch) for epoch in range(3)])


def test_dropout_draws_from_a_stream_of_its_own(digits):
    """The images that a seed draws do not depend on it; where all is kept, nothing is drawn."""
    states = []
    for keep in (1.0, 0.5):
        search = start(digits, keep=keep)
        noise = search.noise.get_state()
        loop.weight_step(search)
        assert torch.equal(search.noise.get_state(), noise) == (keep == 1)
        states.append(search.augmentation.get_state())
    assert torch.equal(*states)


def test_a_step_is_nesterovs_with_decay_along_gradients_clipped_tensor_by_tensor(digits, monkeypatch):
    """Two steps by hand from the gradients that the optimiser was given."""
    search = start(digits, **EDGES, clip=0.01, weight_decay=0.1)
    # all 3x3 convolutions, so that every weight takes part in both steps
    monkeypatch.setattr(search.controller, "sample", lambda count, rng: torch.full((1, 6), 2).numpy())
    weights = {name: p.detach().clone() for name, p in search.net.named_parameters()}
    speed = {name: torch.zeros_like(value) for name, value in weights.items()}
    clipped = 0
    for search.step in range(2):
        loop.weight_step(search)
        rate = search.weight_optimizer.param_groups[0]["lr"]
        for name, p in search.net.named_parameters():
            clipped += int(p.grad.norm() > 0.0099)
            assert p.grad.norm() < 0.01001
            gradient = p.grad + 0.1 * weights[name]
            speed[name] = 0.9 * speed[name] + gradient
            weights[name] = weights[name] - rate * (gradient + 0.9 * speed[name])
            torch.testing.assert_close(p.detach(), weights[name], rtol=1e-4, atol=1e-6)
    assert clipped > 10


def test_training_drops_features_and_judging_none(digits, monkeypatch):
    search = start(digits, space="macro", keep=0.9)
    heard = listen(search, monkeypatch)
    loop.weight_step(search)
    assert heard.pop()[2] is not None and not heard
    loop.controller_step(search)
    loop.derive(search, 1)
    assert len(heard) >= 2 + 3 and all(disturb is None for _, _, disturb in heard)


def test_training_sees_other_crops_and_judging_the_images_themselves(digits, monkeypatch):
    search = start(digits, **EDGES)
    heard = listen(search, monkeypatch)
    positions = torch.arange(64)
    for sampler in search.samplers.values():
        monkeypatch.setattr(sampler, "next", lambda: positions)
    plain = normalize(search.data.images[positions], search.data.mean, search.data.std)
    loop.weight_step(search)
    assert (heard.pop()[0] != plain).flatten(1).any(dim=1).float().mean() > 0.5
    loop.controller_step(search)
    assert all(torch.equal(images, plain) for images, _, _ in heard) and len(heard) == 2


def test_every_batch_and_every_step_of_the_controller_draws_anew(digits, monkeypatch):
    search = start(digits, **EDGES)
    heard = listen(search, monkeypatch)
    for search.step in range(6):
        loop.weight_step(search)
    trained = [cell for _, cell, _ in heard]
    heard.clear()
    for search.step in range(6, 9):
        loop.controller_step(search)
    assert len(set(trained)) > 3 and len({cell for _, cell, _ in heard}) > 3


def test_the_seed_decides_weights_and_controller(digits):
    one, same, other = (start(digits, **EDGES, seed=seed) for seed in (1, 1, 2))
    for search, equal in ((same, True), (other, False)):
        assert (one.controller.vector == search.controller.vector).all() == equal
        stems = [next(net.parameters()) for net in (one.net, search.net)]
        assert torch.equal(*stems) == equal


# --- what a run writes down, and what its settings reach


def test_the_trace_holds_means_over_an_epoch(digits, tmp_path, monkeypatch):
    """Each batch: loss 2, a quarter right; each reward .5 beside an entropy; candidates .1, .6, .2."""
    candidates = [0.1, 0.6, 0.2]
    monkeypatch.setattr(loop, "weight_step", lambda search: (torch.tensor(2.0), torch.tensor(16)))

    def accuracy(search, architecture, positions):
        if len(positions) == 64:
            return 0.5
        candidates.append(candidates.pop(0))
        return candidates[-1]

    monkeypatch.setattr(loop, "architecture_accuracy", accuracy)
    run = nb.search("enas", data=digits, out=tmp_path, **SMALL, **EDGES, epochs=2, entropy_weight=0.5)
    for split_, name, wanted in (
        ("weights", "loss", 2.0),
        ("weights", "accuracy", 0.25),
        ("controller", "reward", 0.5),
        ("selection", "accuracy", 0.3),
        ("selection", "best", 0.6),
    ):
        rows = run.trace[(run.trace["split"] == split_) & (run.trace["quantity"] == name)]
        assert rows["value"].tolist() == pytest.approx([wanted] * 2), name
    entropy = run.trace[run.trace["quantity"] == "entropy"]["value"]
    assert (entropy < 6 * np.log(3) + 1e-9).all() and (entropy > 5 * np.log(3)).all()


def test_candidates_and_their_images_are_drawn_anew_each_epoch(digits, monkeypatch):
    search = start(digits, **EDGES, candidate_images=30, candidates=5)
    asked = []
    monkeypatch.setattr(
        loop, "architecture_accuracy", lambda search, one, positions: asked.append(set(positions.tolist())) or 0
    )
    first, again, other = (loop.derive(search, epoch) for epoch in (1, 1, 2))
    assert first.equals(again) and set(first["tokens"]) != set(other["tokens"])
    assert all(len(positions) == 30 for positions in asked) and asked[0] == asked[4] == asked[5] != asked[10]


def test_settings_of_the_controller_reach_it(digits):
    shared = {"temperature": 2.0, "tanh_constant": 1.7, "units": 5, "bound": 0.9}
    terms = {"entropy": "sampled", "penalty": "code", "skip_target": 0.3, "skip_weight": 0.5}
    macro = start(digits, space="macro", **shared, **terms)
    wanted = LayerController(macro.space, **shared, **terms, seed=3)
    wanted.load(macro.controller.vector)
    lists = wanted.sample(4, np.random.default_rng(0))
    for name in ("log_probabilities", "entropies"):
        assert np.array_equal(getattr(wanted, name)(lists), getattr(macro.controller, name)(lists))
    assert np.array_equal(wanted.gradient(lists, np.arange(4.0)), macro.controller.gradient(lists, np.arange(4.0)))
    assert abs(macro.controller.vector).max() > 0.8

    micro = start(digits, **shared, operation_reduce=3.0, operation_bias=4.0, operation_prior=0.25)
    wanted = CellController(micro.space, **shared, operation_reduce=3.0, bias=4.0, prior=0.25, seed=3)
    assert micro.controller.head.bias.tolist() == wanted.head.bias.tolist() == [4.0, 4.0, 0.0, 0.0, 0.0]
    wanted.load(micro.controller.vector)
    lists = wanted.sample(4, np.random.default_rng(0))
    assert np.array_equal(wanted.log_probabilities(lists), micro.controller.log_probabilities(lists))
    own = start(digits, **EDGES, baseline_order="subtract_first", decay=0.5)
    assert own.baseline([1.0]) == 1.0 and own.baseline.value == 0.5


def test_a_search_of_edges_draws_itself_and_its_genotype_is_the_cell(digits, tmp_path):
    run = nb.search("enas", data=digits, out=tmp_path, **SMALL | EDGES | {"epochs": 1})
    assert run.save_figures() == [tmp_path / "figures" / "search.svg"] and run.save_figures()[0].exists()
    assert run.genotype == run.best == run.candidates["architecture"][0]


def test_a_macro_arc_has_no_genotype(digits, tmp_path):
    run = nb.search("enas", data=digits, out=tmp_path, **SMALL | {"epochs": 1, "space": "macro", "layers": 3})
    with pytest.raises(nb.NasbookError, match=r"the space 'macro' has no genotype: see \.best"):
        print(run.genotype)
