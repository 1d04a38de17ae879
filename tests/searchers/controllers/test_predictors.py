"""Predictors: against PyTorch's own LSTM, one member against five, any length, and that they learn."""

import numpy as np
import pytest
import torch
from torch import nn

import nasbook as nb
from nasbook.analysis.measures import spearman
from nasbook.searchers.predictors import FIRST_GUESS, PREDICTORS, Ensemble
from nasbook.spaces.blocks.pnas_cells import PnasCell, PnasCells
from nasbook.spaces.edges.growing import grown

SPACE = PnasCells(3, ("sep_conv_3x3", "max_pool_3x3", "skip_connect"))
FIRST = SPACE.first()
SECOND = grown(SPACE, FIRST, 1)
WORDS = {1: [SPACE.words(cell) for cell in FIRST], 2: [SPACE.words(cell) for cell in SECOND]}
WORTH = {"sep_conv_3x3": 0.9, "max_pool_3x3": 0.6, "skip_connect": 0.4}


def worth(cell):
    """Between .4 and .9: the mean over the cell's operations, the later inputs a little better."""
    return float(np.mean([WORTH[name] * (0.9 + 0.05 * min(i, 2)) for block in cell.blocks for name, i in block]))


def make(kind, members=3, units=6, seed=0):
    return PREDICTORS[kind](SPACE.kinds, SPACE.sizes, members, units, seed)


def fitted(kind, cells=FIRST, rng=0, **settings):
    settings = {"units": 12, "steps": 120, **settings}
    rng = np.random.default_rng(rng)
    words, scores = [SPACE.words(cell) for cell in cells], [worth(cell) for cell in cells]
    return Ensemble(words, scores, kinds=SPACE.kinds, sizes=SPACE.sizes, rng=rng, kind=kind, **settings)


def test_the_lstm_is_pytorchs():
    net = make("lstm").double()
    tokens = torch.tensor(WORDS[2][:7])  # (n, B, T)
    found = net(tokens, torch.full((7,), 2))
    for member in range(3):
        lstm = nn.LSTM(6, 6, batch_first=True).double()
        with torch.no_grad():
            lstm.weight_ih_l0.copy_(net.layers["to_gates"][member].T)
            lstm.weight_hh_l0.copy_(net.layers["from_state"][member].T)
            lstm.bias_ih_l0.copy_(net.layers["gates_bias"][member, 0])
            lstm.bias_hh_l0.zero_()
            embedded = torch.stack(
                [net.embeddings[kind][member][tokens[:, :, place]] for place, kind in enumerate(SPACE.kinds)], dim=2
            )
            _, (last, _) = lstm(embedded.flatten(1, 2))
            expected = (last[0] @ net.layers["out"][member] + net.layers["out_bias"][member]).sigmoid()[:, 0]
        torch.testing.assert_close(found[member], expected, rtol=1e-10, atol=1e-12)


def test_the_mlp_by_hand():
    net = make("mlp").double()
    tokens = torch.tensor(WORDS[2][5:6])
    for member in range(3):
        blocks = [
            torch.cat([net.embeddings[kind][member][tokens[0, b, place]] for place, kind in enumerate(SPACE.kinds)])
            for b in range(2)
        ]
        hidden = ((blocks[0] + blocks[1]) / 2) @ net.layers["hidden"][member] + net.layers["hidden_bias"][member, 0]
        logit = hidden.clamp(min=0) @ net.layers["out"][member] + net.layers["out_bias"][member]
        torch.testing.assert_close(net(tokens, torch.tensor([2]))[member, 0], logit.sigmoid()[0, 0])


@pytest.mark.parametrize("kind", PREDICTORS)
def test_a_cell_is_predicted_alike_beside_longer_ones(kind):
    ensemble = fitted(kind, steps=3)
    alone = ensemble.predictions(WORDS[1])
    together = ensemble.predictions([*WORDS[2][:5], *WORDS[1]])[:, 5:]
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-6)
    assert ensemble.predict(WORDS[2]).shape == (len(SECOND),)


@pytest.mark.parametrize("kind", PREDICTORS)
def test_it_begins_near_the_first_guess_and_ends_between_0_and_1(kind):
    net = make(kind, members=20)
    assert (net.layers["out_bias"] == FIRST_GUESS).all()
    found = net(torch.tensor(WORDS[1]), torch.ones(len(FIRST), dtype=torch.long))
    assert abs(found.mean() - 0.86) < 0.05 and ((found > 0) & (found < 1)).all() and len(found.unique()) > 3


@pytest.mark.parametrize("kind", PREDICTORS)
def test_members_are_strangers(kind):
    """A member of five has the weights that it would have alone on its four folds."""
    whole = fitted(kind, members=5, steps=4)
    losses = torch.zeros(5, len(FIRST))
    net = PREDICTORS[kind](SPACE.kinds, SPACE.sizes, 5, 12, int(np.random.default_rng(0).integers(2**63)))
    scores = torch.tensor([worth(cell) for cell in FIRST])
    tokens, lengths = torch.tensor(WORDS[1]), torch.ones(len(FIRST), dtype=torch.long)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    kept = torch.tensor(whole.folds) != 2
    for _ in range(4):
        losses = (net(tokens, lengths)[2, kept] - scores[kept]).abs().mean()
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
    with torch.no_grad():
        np.testing.assert_allclose(net(tokens, lengths)[2].numpy(), whole.predictions(WORDS[1])[2], atol=1e-5)


@pytest.mark.parametrize("kind", PREDICTORS)
def test_the_error_is_the_mean_distance_on_what_each_member_was_fitted_to(kind):
    """After one step too small to move anything: mean over the members of their mean over four folds."""
    ensemble = fitted(kind, members=5, steps=1, learning_rate=1e-12)
    away = np.abs(ensemble.predictions(WORDS[1]) - [worth(cell) for cell in FIRST])  # (5, n)
    each = [away[member, ensemble.folds != member].mean() for member in range(5)]
    assert ensemble.errors == pytest.approx([np.mean(each)], rel=1e-5)


def test_each_member_misses_another_fifth():
    ensemble = fitted("mlp", cells=SECOND[:50], steps=1)
    counts = np.bincount(ensemble.folds, minlength=5)
    assert counts.tolist() == [10] * 5
    assert fitted("mlp", cells=FIRST[:1], steps=1).predict(WORDS[1]).shape == (len(FIRST),)


@pytest.mark.parametrize("kind", PREDICTORS)
def test_it_learns_what_it_saw_and_ranks_what_is_one_block_larger(kind):
    ensemble = fitted(kind)
    assert ensemble.errors[-1] < 0.25 * ensemble.errors[0]
    assert spearman(ensemble.predict(WORDS[1]), [worth(cell) for cell in FIRST]) > 0.9
    assert spearman(ensemble.held_out(WORDS[1]), [worth(cell) for cell in FIRST]) > 0.6
    assert spearman(ensemble.predict(WORDS[2]), [worth(cell) for cell in SECOND]) > 0.6


def test_the_held_out_prediction_is_that_of_the_member_that_did_not_see_the_cell():
    ensemble = fitted("mlp", cells=SECOND[:23], steps=5)
    every = ensemble.predictions(WORDS[2][:23])
    held = ensemble.held_out(WORDS[2][:23])
    assert all(held[place] == every[ensemble.folds[place], place] for place in range(23))
    np.testing.assert_allclose(ensemble.predict(WORDS[2][:23]), every.mean(axis=0))


def test_the_same_seed_gives_the_same_bits_and_another_others():
    first, again, other = (fitted("lstm", rng=seed, steps=5).predict(WORDS[2]) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("kind", PREDICTORS)
def test_names_of_one_cell_are_predicted_alike_and_orders_of_words_are_not(kind):
    block, other = (("sep_conv_3x3", 0), ("max_pool_3x3", 1)), (("skip_connect", 1), ("skip_connect", 0))
    names = [PnasCell((block, other)), PnasCell((other[::-1], block)), PnasCell((other, block[::-1]))]
    ensemble = fitted(kind, steps=5)
    assert len(set(ensemble.predict([SPACE.words(cell) for cell in names]).tolist())) == 1
    words = SPACE.words(names[0])
    turned = [tuple((j, i, g, f) for i, j, f, g in words)]
    assert ensemble.predict([words]) != ensemble.predict(turned)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "tree"}, "unknown predictor 'tree'"),
        ({"members": 0}, "members is 0"),
        ({"cells": []}, "a list of cells of at least one block"),
        ({"learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_bad_settings_are_one_sentence(settings, said):
    with pytest.raises(nb.NasbookError, match=said):
        fitted(**{"kind": "mlp", "steps": 1, **settings})


def test_a_fit_that_diverged_is_not_ranked():
    ensemble = fitted("mlp", steps=5, learning_rate=1e30)
    with pytest.raises(nb.NasbookError, match="diverged: choose a learning_rate below"):
        ensemble.predict(WORDS[1])


def test_bad_cells_are_one_sentence():
    ensemble = fitted("mlp", steps=1)
    for cells, said in (([], "a list of cells"), ([()], "a list")):
        with pytest.raises(nb.NasbookError, match=said):
            ensemble.predictions(cells)
    with pytest.raises(nb.NasbookError, match="scores from 0 to 1"):
        Ensemble(WORDS[1][:1], [1.5], kinds=SPACE.kinds, sizes=SPACE.sizes, rng=np.random.default_rng(0))
