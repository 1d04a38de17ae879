"""Stand-alone training, its schedules, and statements over seeds."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import nasbook as nb
from nasbook.analysis.intervals import summarize
from nasbook.datasets.augment import normalize
from nasbook.runs.writer import RunWriter
from nasbook.spaces.sampling import random_genotype
from nasbook.training import standalone
from nasbook.training.numerics import (
    autocast,
    batch_norms,
    cosine,
    frozen_statistics,
    memory_format,
    repeatable,
    stream,
)

TINY = {"epochs": 2, "batch_size": 64, "padding": 1, "cutout": 2, "lr": 0.1}


def net(seed=0):
    return nb.genotypes["GDAS_F1"].network(4, 3, 10, seed=seed)


def test_training_learns_and_reads_the_test_part_once_at_the_end(digits, tmp_path, monkeypatch):
    reads, original = [], type(digits).test
    monkeypatch.setattr(type(digits), "test", lambda self: reads.append(1) or original(self))
    run = nb.train(net(), data=digits, out=tmp_path, **{**TINY, "epochs": 4, "cutout": 0})
    assert len(reads) == 1
    tests = run.trace[run.trace["split"] == "test"]
    assert tests["step"].tolist() == [4] and tests["quantity"].tolist() == ["accuracy"]
    n = len(original(digits).labels)
    assert run.last("test", "accuracy") > 0.1 + 5 * math.sqrt(0.1 * 0.9 / n)
    assert run.manifest["test_accuracy"] == run.last("test", "accuracy")
    used = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["optimizer"]["param_groups"][0]["lr"]
    assert used == run.last("train", "learning_rate") == pytest.approx(cosine(0.1, 0.0, 3, 4))


def test_training_stopped_anywhere_continues_bit_for_bit(digits, tmp_path, monkeypatch):
    settings = {**TINY, "drop_path": 0.3}
    whole = nb.train(net(), data=digits, out=tmp_path / "whole", **settings)

    class Stop(BaseException):
        pass

    original, left = standalone.train_step, {"n": 0}

    def step(*args):
        if left["n"] == 0:
            raise Stop
        left["n"] -= 1
        return original(*args)

    monkeypatch.setattr(standalone, "train_step", step)
    monkeypatch.setattr(RunWriter, "due", lambda self: True)
    for n in (5, 20, 10**9):
        left["n"] = n
        try:
            parts = nb.train(net(), data=digits, out=tmp_path / "parts", **settings)
        except Stop:
            continue
    assert parts.trace.equals(whole.trace)
    a, b = (torch.load(r.folder / "checkpoint.pt", weights_only=True)["net"] for r in (whole, parts))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_finished_training_is_loaded_with_its_weights(digits, tmp_path, monkeypatch):
    first = net()
    nb.train(first, data=digits, out=tmp_path, **TINY)
    monkeypatch.setattr(standalone, "_epochs", None)
    again = net()
    nb.train(again, data=digits, out=tmp_path, **TINY)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in first.state_dict().items())


def test_another_network_or_another_start_is_another_config(digits, tmp_path):
    nb.train(net(), data=digits, out=tmp_path, **{**TINY, "epochs": 1})
    with pytest.raises(nb.NasbookError, match="initial_weights"):
        nb.train(net(seed=1), data=digits, out=tmp_path, **{**TINY, "epochs": 1})
    with pytest.raises(nb.NasbookError, match="network"):
        nb.train(nb.genotypes["DARTS_V1"].network(4, 3, 10), data=digits, out=tmp_path, **{**TINY, "epochs": 1})


def test_any_module_can_be_trained(digits, tmp_path):
    plain = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 10))
    run = nb.train(plain, data=digits, out=tmp_path, **{**TINY, "lr": 0.01})
    assert run.last("test", "accuracy") > 0.3


def test_auxiliary_loss_reaches_the_head_with_its_weight(digits):
    data = nb.datasets.load("cifar10-sample")
    config = standalone.TrainConfig.make({**TINY, "auxiliary_weight": 0.4, "cutout": 0})
    wide = nb.genotypes["GDAS_F1"].network(4, 3, 10, auxiliary=True)
    training = standalone.Trainee(
        wide, torch.optim.SGD(wide.parameters(), 0.0), standalone.Sampler(torch.arange(64), 64, stream(0, "order")),
        stream(0, "x"),
    )  # fmt: skip
    seen = {}
    for weight in (0.4, 0.0):
        training.draws.manual_seed(0)
        training.sampler.generator.manual_seed(0)
        training.sampler.position = training.sampler.per_epoch
        standalone.train_step(training, config.model_copy(update={"auxiliary_weight": weight, "clip": 1e9}), data, 0)
        seen[weight] = wide.auxiliary_head.classifier.weight.grad.abs().sum().item()
    assert seen[0.4] > 0 and seen[0.0] == 0


def test_a_step_goes_along_the_clipped_gradient_of_both_losses(monkeypatch):
    """By hand, with plain descent of rate 1: cross-entropy plus .4 of the auxiliary head, cut to norm .01."""
    data = nb.datasets.load("cifar10-sample")
    config = standalone.TrainConfig.make({**TINY, "auxiliary_weight": 0.4, "clip": 0.01, "drop_path": 0.0})
    monkeypatch.setattr(standalone, "augment", lambda images, mean, std, *_, **__: normalize(images, mean, std))
    wide = nb.genotypes["GDAS_F1"].network(4, 3, 10, auxiliary=True)
    before = [p.detach().clone() for p in wide.parameters()]
    every = torch.arange(8)
    loss, second = (
        nn.functional.cross_entropy(logits, data.labels[every])
        for logits in wide.forward_auxiliary(normalize(data.images[every], data.mean, data.std))
    )
    right = torch.autograd.grad(loss + 0.4 * second, list(wide.parameters()))
    norm = torch.nn.utils.get_total_norm(right)
    training = standalone.Trainee(
        wide, torch.optim.SGD(wide.parameters(), 1.0), standalone.Sampler(every, 8, stream(0, "order")), stream(0, "x")
    )
    told, _ = standalone.train_step(training, config, data, 0)
    torch.testing.assert_close(told, loss.detach())
    assert norm > 0.01
    for p, old, gradient in zip(wide.parameters(), before, right):
        torch.testing.assert_close(old - p.detach(), 0.01 * gradient / norm, rtol=1e-3, atol=1e-6)


def test_drop_path_rises_linearly_over_the_epochs(digits, tmp_path, monkeypatch):
    seen, original = [], standalone.drop_path_masks

    def spy(drops, batch, probability, generator, device):
        seen.append(probability)
        return original(drops, batch, probability, generator, device)

    monkeypatch.setattr(standalone, "drop_path_masks", spy)
    nb.train(net(), data=digits, out=tmp_path, **{**TINY, "epochs": 4, "drop_path": 0.2})
    assert sorted(set(seen)) == pytest.approx([0.0, 0.05, 0.1, 0.15])


def test_the_paper_profile_is_the_published_protocol():
    config = standalone.TrainConfig.make(standalone.PROFILES["paper"])
    published = dict(epochs=600, batch_size=96, lr=0.025, lr_end=0.0, momentum=0.9, weight_decay=3e-4, clip=5.0,
                     drop_path=0.2, auxiliary_weight=0.4, cutout=16, padding=4)  # fmt: skip
    assert {name: getattr(config, name) for name in published} == published


def test_what_cannot_be_trained_is_refused_and_claims_no_folder(digits, tmp_path):
    folder = tmp_path / "run"
    small = nb.genotypes["GDAS_F1"].network(4, 3, 10, auxiliary=True)
    for net_, said in (
        (small, "auxiliary head needs feature maps of 8 pixels"),
        (nb.genotypes["GDAS_F1"], "net is a Genotype"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 10)), "cannot take images of 8 pixels"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), "network has 4 classes and digits has 10"),
        (nn.Flatten(), "no weights to train"),
        (nn.Conv2d(3, 10, 1), "one tensor of logits"),
    ):
        with pytest.raises(nb.NasbookError, match=said):
            nb.train(net_, data=digits, out=folder, **TINY)
    assert not folder.exists()


def test_data_without_a_test_part_are_refused_before_the_first_step(digits, tmp_path):
    bare = nb.datasets.ImageData.from_arrays("mine", digits.images, digits.labels, digits.classes)
    with pytest.raises(nb.NasbookError, match="no test part"):
        nb.train(net(), data=bare, out=tmp_path / "run", **TINY)
    assert not (tmp_path / "run").exists()


def test_a_training_that_diverges_says_so(digits, tmp_path):
    with pytest.raises(nb.NasbookError, match=r"epoch 1 is (nan|inf).*choose lr below 1e\+30"):
        nb.train(net(), data=digits, out=tmp_path, **{**TINY, "lr": 1e30})


def test_a_finished_training_without_its_weights_is_refused(digits, tmp_path):
    run = nb.train(net(), data=digits, out=tmp_path, **{**TINY, "epochs": 1})
    for path in run.folder.glob("checkpoint*"):
        path.unlink()
    with pytest.raises(nb.NasbookError, match="finished run whose checkpoint is gone: delete the folder"):
        nb.train(net(), data=digits, out=tmp_path, **{**TINY, "epochs": 1})


def test_wrong_classes_are_refused(digits, tmp_path):
    with pytest.raises(nb.NasbookError, match="network has 7 classes and digits has 10"):
        nb.train(nb.genotypes["GDAS_F1"].network(4, 3, 7), data=digits, out=tmp_path, **TINY)


def test_seeds_give_one_row_each(digits, tmp_path):
    table = standalone.train_seeds(
        nb.genotypes["GDAS_F1"], data=digits, seeds=[0, 1], channels=4, cells=3, out=tmp_path, **TINY
    )
    assert table["seed"].tolist() == [0, 1]
    assert table["test_accuracy"].nunique() == 2
    assert set(table["parameters"]) == {nb.cost(net()).parameters}


def test_summaries_are_student_t():
    """By hand: 1, 2, 3 has mean 2, deviation 1, and half width t(.975, 2)/sqrt(3) = 4.302653/1.732051."""
    found = summarize([1.0, 2.0, 3.0])
    assert (found.n, found.mean, found.deviation) == (3, 2.0, 1.0)
    assert found.high - found.mean == pytest.approx(4.302653 / math.sqrt(3), abs=1e-5)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    with pytest.raises(nb.NasbookError, match="at least two seeds"):
        summarize([1.0])


def test_random_cells_are_uniform_with_distinct_inputs():
    rng = np.random.default_rng(0)
    inputs, names = np.zeros(3), {}
    for _ in range(3000):
        genotype = random_genotype(rng)
        for i, node in enumerate(genotype.normal):
            assert len(node) == 2 and len({source for _, source in node}) == 2
            for name, _ in node:
                names[name] = names.get(name, 0) + 1
            if i == 1:
                inputs[3 - sum(source for _, source in node)] += 1
    from scipy import stats

    assert "none" not in names and len(names) == 7
    assert stats.chisquare(list(names.values())).pvalue > 1e-4
    assert stats.chisquare(inputs).pvalue > 1e-4
    assert random_genotype(rng, fixed_reduction=True).reduce is None


def test_streams_are_independent_of_each_other():
    a, b, c = stream(0, "a"), stream(0, "b"), stream(1, "a")
    draws = [torch.rand(4, generator=g).tolist() for g in (a, b, c, stream(0, "a"))]
    assert draws[0] == draws[3] and draws[0] != draws[1] and draws[0] != draws[2]


def test_cosine_schedule():
    assert cosine(0.025, 0.001, 0, 10) == pytest.approx(0.025)
    assert cosine(0.025, 0.001, 5, 10) == pytest.approx(0.013)
    assert cosine(0.025, 0.001, 10, 10) == pytest.approx(0.001)


def test_precision_defaults_are_safe_on_a_cpu():
    cpu = torch.device("cpu")
    with autocast(cpu, None):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with autocast(cpu, True):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert memory_format(cpu, None) is torch.channels_last
    assert memory_format(cpu, False) is torch.contiguous_format


def test_bfloat16_keeps_alphas_and_losses_in_float32(digits, tmp_path):
    run = nb.search("gdas", data=digits, out=tmp_path, epochs=1, batch_size=64, channels=4, cells=3, nodes=2,
                    padding=1, bfloat16=True)  # fmt: skip
    state = torch.load(run.folder / "checkpoint.pt", weights_only=True)
    assert {a.dtype for a in state["alphas"].values()} == {torch.float32}
    assert {t.dtype for t in state["net"].values() if t.is_floating_point()} == {torch.float32}
    assert run.last("weights", "loss") > 0


def test_threads_are_the_configs_inside_and_as_before_outside():
    before = torch.get_num_threads()
    with repeatable(torch.device("cpu"), before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with repeatable(torch.device("cpu"), None):
        assert torch.get_num_threads() == before


def test_frozen_statistics_normalise_by_the_batch_and_keep_the_running_ones():
    norm = nn.Sequential(nn.BatchNorm2d(3))
    x = torch.randn(4, 3, 5, 5) * 3 + 1
    before = norm[0].running_mean.clone()
    with frozen_statistics(batch_norms(norm)):
        y = norm(x)
    assert abs(y.mean()) < 1e-6 and torch.equal(norm[0].running_mean, before)
    assert int(norm[0].num_batches_tracked) == 0
    norm(x)
    assert not torch.equal(norm[0].running_mean, before)
