"""MSG-DAS: exclusive sub-graphs, one memory, a teacher that only speaks, skips whose gradient shrinks."""

import pytest
import torch
from tiny import TINY, begin

import nasbook as nb
from nasbook.relaxations import samplers
from nasbook.searchers import gdas, msg_das
from nasbook.training import bilevel
from nasbook.training.memory import SavedBytes
from nasbook.training.numerics import frozen_statistics

LIKE_GDAS = {"alpha_decay": 1e-3, "alpha_deviation": 1e-3}
BARE = {"guidance": 0.0, "drop_ratios": ()}
STEPS = (msg_das.weight_step, msg_das.architecture_step)


def operations(net):
    return {
        (c, e, o): operation
        for c, cell in enumerate(net.cells)
        for e, edge in enumerate(cell.edges)
        for o, operation in enumerate(edge)
    }


def passes(search):
    """A list that grows by one list of (cell, edge, operation) for each forward pass, as hooks see it."""
    found = []
    search.net.register_forward_pre_hook(lambda *_: found.append([]))
    for key, operation in operations(search.net).items():
        operation.register_forward_hook(lambda *_, key=key: found[-1].append(key))
    return found


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_sub_graphs_run_one_operation_an_edge_and_share_none(digits, step, k):
    search = begin("msg_das", digits, subgraphs=k)
    ran = passes(search)
    step(search, *search.batches["weights"])
    places = {(cell, edge) for cell, edge, _ in operations(search.net)}
    assert len(ran) == k
    for one in ran:
        assert len(one) == len(places) and {(cell, edge) for cell, edge, _ in one} == places
    together = [key for one in ran for key in one]
    assert len(set(together)) == len(together) == k * len(places)
    assert k < 8 or set(together) == set(operations(search.net))


def test_all_cells_of_a_kind_run_the_same_sub_graph(digits):
    search = begin("msg_das", digits, cells=4)
    ran = passes(search)
    msg_das.weight_step(search, *search.batches["weights"])
    for one in ran:
        found = {c: [(e, o) for cell, e, o in one if cell == c] for c in range(4)}
        kinds = dict(zip(search.net.sequence, found.values()))
        assert all(found[c] == kinds[kind] for c, kind in enumerate(search.net.sequence))


def test_exactly_the_operations_that_ran_have_a_gradient_and_the_shared_weights_have_all(digits):
    """The gradient of one step, K passes backward in turn, is that of the sum of the K losses."""
    search = begin("msg_das", digits, **BARE)
    images, labels = search.batches["weights"]
    before, net = search.draws.get_state(), search.net.state_dict()
    net = {name: value.clone() for name, value in net.items()}
    ran = passes(search)
    msg_das.weight_step(search, images, labels)
    ran = {key for one in ran for key in one}
    for key, operation in operations(search.net).items():
        for weight in operation.parameters():
            assert (weight.grad is not None) == (key in ran)
    found = {name: p.grad for name, p in search.net.named_parameters() if p.grad is not None}

    search.net.load_state_dict(net)
    search.draws.set_state(before)
    drawn = {kind: path.detach() for kind, path in msg_das.subgraphs(search).items()}
    total = sum(
        torch.nn.functional.cross_entropy(search.forward(images, {kind: p[k] for kind, p in drawn.items()}), labels)
        for k in range(2)
    )
    weights = dict(search.net.named_parameters())
    expected = torch.autograd.grad(total, [weights[name] for name in found])
    norm = torch.stack([g.norm() for g in expected]).norm()
    for name, right in zip(found, expected):
        clipped = right * min(1.0, search.config.clip / float(norm))
        torch.testing.assert_close(found[name], clipped, rtol=1e-4, atol=1e-6)


def test_the_alphas_get_the_gradient_of_the_sum_of_the_losses_through_one_sample(digits):
    search = begin("msg_das", digits, **BARE)
    images, labels = search.batches["alphas"]
    before = search.draws.get_state()
    alphas = {kind: alpha.detach().clone().requires_grad_() for kind, alpha in search.alphas.items()}
    msg_das.architecture_step(search, images, labels)
    search.draws.set_state(before)
    drawn = {kind: samplers.top_k(alpha, search.tau, k=2, generator=search.draws) for kind, alpha in alphas.items()}
    total = sum(
        torch.nn.functional.cross_entropy(search.forward(images, {kind: p[k] for kind, p in drawn.items()}), labels)
        for k in range(2)
    )
    for alpha, right in zip(search.alphas.values(), torch.autograd.grad(total, list(alphas.values()))):
        assert right.abs().max() > 0
        torch.testing.assert_close(alpha.grad, right, rtol=1e-4, atol=1e-7)


def test_paths_that_a_draw_of_none_cuts_off_give_a_zero_gradient(digits, monkeypatch):
    search = begin("msg_das", digits, nodes=1, **BARE)

    def nothing(search):
        path = torch.zeros(2, 2, 8)
        path[:, :, 0] = 1
        return {kind: path + 0 * alpha for kind, alpha in search.alphas.items()}

    monkeypatch.setattr(msg_das, "subgraphs", nothing)
    msg_das.architecture_step(search, *search.batches["alphas"])
    assert all(torch.equal(alpha.grad, torch.zeros(2, 8)) for alpha in search.alphas.values())


def test_more_sub_graphs_than_operations_are_refused_in_one_sentence(digits, tmp_path):
    said = "subgraphs is 9, but there are 8 operations; sub-graphs may not share one"
    with pytest.raises(nb.NasbookError) as caught:
        nb.search("msg_das", data=digits, out=tmp_path / "run", **TINY, subgraphs=9)
    assert str(caught.value) == said and not (tmp_path / "run").exists()
    with pytest.raises(nb.NasbookError, match="subgraphs is 3, but there are 2 operations"):
        msg_das.Config.make({"subgraphs": 3, "operations": ("skip_connect", "conv_1x1")})
    for ratios in ((0.0, 1.0), (-0.1,)):
        with pytest.raises(nb.NasbookError, match=r"drop_ratios\.\d is"):
            msg_das.Config.make({"drop_ratios": ratios})


def test_one_sub_graph_without_the_additions_is_gdas_bit_for_bit(digits):
    """Five steps of each kind under equal noise: losses, alphas, weights, statistics, momentum; settings set alike."""
    one, other = begin("msg_das", digits, **LIKE_GDAS, **BARE, subgraphs=1), begin("gdas", digits)
    for tau in (5.0, 4.0, 3.0, 2.0, 1.0):
        one.tau = other.tau = tau
        for part, step in (("weights", "weight_step"), ("alphas", "architecture_step")):
            said = [
                getattr(method, step)(search, *bilevel.next_batch(search, part))
                for method, search in ((msg_das, one), (gdas, other))
            ]
            assert all(float(ours) == float(theirs) for ours, theirs in zip(*said))
    pairs = list(zip(everything(one), everything(other)))
    assert len(pairs) > 100 and all(torch.equal(ours, theirs) for ours, theirs in pairs)
    start = begin("gdas", digits).alphas
    assert not any(torch.equal(alpha, start[kind]) for kind, alpha in one.alphas.items())


def everything(search):
    found = [*search.net.state_dict().values(), *search.alphas.values()]
    for optimizer in (search.weight_optimizer, search.alpha_optimizer):
        found += [value for state in optimizer.state_dict()["state"].values() for value in state.values()]
    return [value for value in found if isinstance(value, torch.Tensor)]


def test_the_teacher_speaks_and_leaves_no_trace(digits):
    search = begin("msg_das", digits, epoch=1)
    msg_das.weight_step(search, *search.batches["weights"])
    images, _ = search.batches["weights"]
    buffers = {name: value.clone() for name, value in search.net.named_buffers()}
    gradients = [None if p.grad is None else p.grad.clone() for p in search.net.parameters()]
    noise = search.noise.get_state()
    with SavedBytes() as saved:
        soft = msg_das.teacher(search, images)
    assert soft.grad_fn is None and not soft.requires_grad and saved.peak == 0
    assert all(torch.equal(buffers[name], value) for name, value in search.net.named_buffers())
    for p, g in zip(search.net.parameters(), gradients):
        assert (p.grad is None) if g is None else torch.equal(p.grad, g)
    assert torch.equal(noise, search.noise.get_state()) and all(a.grad is None for a in search.alphas.values())
    assert all(norm.track_running_stats for norm in search.norms)


def test_the_teacher_is_the_blend_of_all_operations_normalised_by_the_batch(digits):
    search = begin("msg_das", digits, epoch=1)
    search.tau = 7.0  # of the sampler alone
    with torch.no_grad():
        for alpha in search.alphas.values():
            alpha.copy_(torch.randn(alpha.shape, generator=search.draws))
    images, _ = search.batches["weights"]
    soft = msg_das.teacher(search, images)
    blend = {kind: alpha.detach().exp() / alpha.detach().exp().sum(1, True) for kind, alpha in search.alphas.items()}
    scores = search.net(images, blend).detach()
    torch.testing.assert_close(soft, scores.exp() / scores.exp().sum(1, True), rtol=1e-5, atol=1e-7)
    search.net.eval()
    assert (soft - search.net(images, blend).softmax(-1)).abs().max() > 1e-3, "this is not the batch's normalisation"


SOFT = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64)


def test_guidance_is_the_cross_entropy_to_the_teacher():
    uniform = torch.zeros(1, 3, dtype=torch.float64)
    assert float(msg_das.guidance(uniform, SOFT)) == pytest.approx(1.098612, abs=1e-6)
    assert float(msg_das.guidance(SOFT.log(), SOFT)) == pytest.approx(0.801819, abs=1e-6)
    scores = torch.randn(5, 3, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(0))
    soft = SOFT.expand(5, 3)
    msg_das.guidance(scores, soft).backward()
    torch.testing.assert_close(scores.grad, (scores.detach().softmax(-1) - soft) / 5)


@pytest.mark.parametrize(("sign", "direction"), [("corrected", -1), ("printed", 1)])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_moves_towards_the_teacher_and_with_the_printed_sign_away(digits, step, sign, direction, monkeypatch):
    """One step on the guidance alone (the labels' loss is switched off), in the weights and in the alphas."""
    changes = {"guidance": 1.0, "drop_ratios": (), "weight_lr": 1e-3, "alpha_lr": 1e-3, "subgraphs": 8}
    search = begin("msg_das", digits, epoch=1, guidance_sign=sign, **changes)
    images, labels = search.batches["weights"]
    teach = torch.softmax(3 * torch.randn(len(labels), 10, generator=search.draws), dim=-1)
    monkeypatch.setattr(msg_das, "teacher", lambda *_: teach)
    monkeypatch.setattr(msg_das.F, "cross_entropy", lambda scores, _: 0 * scores.sum())
    draws = search.draws.get_state()

    def distance():
        """Cross-entropy to the teacher: of the sub-graphs drawn, or of the net at the present softmax(alpha)."""
        now = search.draws.get_state()
        search.draws.set_state(draws)
        paths = {kind: found.detach() for kind, found in msg_das.subgraphs(search).items()}
        search.draws.set_state(now)
        if step is msg_das.architecture_step:
            soft = {kind: alpha.detach().softmax(-1) for kind, alpha in search.alphas.items()}
            paths = {kind: 8 * path * soft[kind] for kind, path in paths.items()}
        with torch.no_grad(), frozen_statistics(search.norms):
            each = [search.forward(images, {kind: p[k] for kind, p in paths.items()}) for k in range(8)]
            return sum(float(msg_das.guidance(scores, teach)) for scores in each)

    before = distance()
    step(search, images, labels)
    assert (distance() - before) * direction > 0


def test_lambda_grows_linearly_from_zero_and_the_teacher_waits_for_it(digits, monkeypatch):
    search = begin("msg_das", digits, epochs=5, guidance=0.5)
    weights = []
    for epoch in range(5):
        search.step = epoch * search.per_epoch
        weights.append(msg_das.guidance_weight(search))
        search.step += search.per_epoch - 1
        assert msg_das.guidance_weight(search) == weights[-1], "it moves once an epoch"
    assert weights == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert msg_das.guidance_weight(begin("msg_das", digits, epoch=1, guidance_sign="printed")) == pytest.approx(-0.005)
    asked = []
    monkeypatch.setattr(msg_das, "teacher", lambda search, images: asked.append(search.epoch))
    monkeypatch.setattr(msg_das, "guidance", lambda scores, soft: 0.0)
    for epoch in (0, 1):
        search.step = epoch * search.per_epoch
        for step in STEPS:
            step(search, *search.batches["weights"])
    assert asked == [1, 1], "once a step, and not while lambda is 0"


def test_the_guided_loss_has_the_labels_and_the_teacher_in_the_weight_of_now(digits, monkeypatch):
    """The gradient of the shared classifier's bias is sum_k mean_b (q - y) + lambda (q - p), for both steps alike."""
    search = begin("msg_das", digits, epoch=1, guidance=0.6, drop_ratios=(), clip=1e9)
    images, labels = search.batches["weights"]
    soft, scores, forward = msg_das.teacher(search, images), [], search.net.classifier.forward
    monkeypatch.setattr(search.net.classifier, "forward", lambda x: scores.append(forward(x)) or scores[-1])
    told, hits = msg_das.weight_step(search, images, labels)
    right = torch.zeros(10)
    truth = torch.nn.functional.one_hot(labels, 10)
    assert len(scores) == 3, "a teacher and two sub-graphs"
    for one in scores[1:]:
        q = one.detach().softmax(-1)
        right += ((q - truth) + 0.3 * (q - soft)).mean(0)
    torch.testing.assert_close(search.net.classifier.bias.grad, right, rtol=1e-4, atol=1e-6)
    each = [torch.nn.functional.cross_entropy(one.detach(), labels) for one in scores[1:]]
    torch.testing.assert_close(told, torch.stack(each).mean())  # without the guidance
    assert float(hits) == sum(int((one.argmax(1) == labels).sum()) for one in scores[1:]) / 2


def test_what_is_evaluated_is_the_first_sub_graph_whose_law_is_softmax_of_alpha(digits):
    search = begin("msg_das", digits)
    state = search.draws.get_state()
    drawn = msg_das.subgraphs(search)
    search.draws.set_state(state)
    found = msg_das.paths(search)
    assert all(torch.equal(found[kind], drawn[kind][0]) for kind in ("normal", "reduce"))


def test_the_papers_settings():
    config = msg_das.Config.make(msg_das.PROFILES["paper"])
    assert (config.subgraphs, config.batch_size, config.epochs, config.channels, config.cells) == (2, 128, 240, 16, 8)
    assert (config.tau_start, config.tau_end, config.guidance, config.guidance_sign) == (10, 1, 0.01, "corrected")
    assert (config.alpha_lr, config.alpha_betas, config.alpha_decay) == (3e-4, (0.5, 0.999), 1e-4)
    assert (config.alpha_mean, config.alpha_deviation, config.weight_lr, config.weight_decay) == (0, 0, 0.025, 3e-4)
    assert [msg_das.temperature(config, epoch) for epoch in (0, 120, 240)] == [10, 5.5, 1]
