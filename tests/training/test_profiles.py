"""How fast alphas move in a short search, and what pulls at them."""

from importlib import import_module

import pytest
import torch
from tiny import begin

import nasbook as nb
from nasbook.searchers import METHODS
from nasbook.training.profiles import alpha_rate
from nasbook.training.steps import move_alphas


@pytest.mark.parametrize(
    ("method", "travel"),
    [("darts", 5.85), ("gdas", 14.04), ("msg_das", 14.04), ("data", 11.7), ("pc_darts", 2.91)],
)
def test_steps_times_rate_is_what_the_paper_travels(method, travel):
    config = import_module(METHODS[method]).Config.make({"alpha_lr": None})
    assert 100 * alpha_rate(config, 100) == pytest.approx(travel)
    assert alpha_rate(config, 700) == pytest.approx(alpha_rate(config, 100) / 7)


def test_a_rate_that_is_given_is_taken():
    config = import_module(METHODS["gdas"]).Config.make({"alpha_lr": 0.25})
    assert alpha_rate(config, 10) == alpha_rate(config, 1000) == 0.25


def test_the_search_takes_it_for_all_its_steps(digits):
    search = begin("gdas", digits, alpha_lr=None, epochs=3)
    rate = search.alpha_optimizer.param_groups[0]["lr"]
    assert rate * 3 * search.per_epoch == pytest.approx(14.04)


def test_the_trace_has_the_size_of_the_gradient_beside_that_of_the_decay(digits, tmp_path):
    settings = {"profile": "smoke", "epochs": 2, "channels": 4, "nodes": 1, "alpha_decay": 0.5, "alpha_lr": 0.1}
    run = nb.search("darts", data=digits, out=tmp_path, figures=False, **settings)
    told = run.trace[run.trace["split"] == "alphas"].pivot(index="step", columns="quantity", values="value")
    sizes = [abs(alphas).mean() for alphas in run.alphas[1:]]
    assert told["decay"].tolist() == pytest.approx([0.5 * size for size in sizes], rel=1e-5)
    assert (told["learning_rate"] == 0.1).all() and (told["gradient"] > 0).all()


def test_the_size_of_the_gradient_by_hand(digits):
    search = begin("darts", digits)
    for factor in (1.0, 3.0):
        move_alphas(search, [factor * torch.ones_like(logits) for logits in search.architecture])
    assert float(search.totals["alpha gradient"]) == pytest.approx(4.0), "a sum over steps of means"
    search = begin("darts", digits)
    first, *others = search.architecture
    move_alphas(search, [-2 * torch.ones_like(first), *map(torch.zeros_like, others)])
    share = first.numel() / sum(logits.numel() for logits in search.architecture)
    assert float(search.totals["alpha gradient"]) == pytest.approx(2 * share)
