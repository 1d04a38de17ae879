"""Figures of a search and what a run shows: they hold the data, say it, and stay small."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nasbook.base.errors import NasbookError
from nasbook.drawing.figures import gallery, traces
from nasbook.drawing.parts import describe, picture, render
from nasbook.spaces.genotypes import catalogue
from nasbook.spaces.names import DARTS_OPERATIONS, cell_edges, state_name

OPERATIONS = DARTS_OPERATIONS
DARTS = catalogue["DARTS_V2"].kinds
NORMAL, REDUCE = DARTS["normal"][0], DARTS["reduce"][0]


def search(epochs=4, kinds=("normal", "reduce"), rate=0.02):
    """Alphas (snapshots, kinds, 14, 8), their epochs, and a trace, invented but shaped like a search's."""
    random = np.random.default_rng(7)
    drift = random.normal(size=(len(kinds), 14, len(OPERATIONS)))
    steps = tuple(range(epochs + 1))
    # (kinds, edges, operations) -> (snapshots, kinds, edges, operations)
    alphas = np.stack([rate * step * drift for step in steps])
    rows = []
    for step in steps[1:]:
        rows += [
            (step, "weights", "loss", 2.3 - 0.1 * step),
            (step, "weights", "accuracy", 0.1 + 0.05 * step),
        ]
        rows += [(step, "alphas", "loss", 2.3), (step, "selection", "accuracy", 0.1 + 0.02 * step)]
        rows += [(step, "search", "temperature", 10.0 / step)]
        for row, kind in enumerate(kinds):
            rows.append((step, "search", f"entropy_{kind}", describe.entropy(alphas[step, row]).mean()))
            rows.append((step, "search", f"skips_{kind}", row + 2))
    return alphas, steps, kinds, pd.DataFrame(rows, columns=["step", "split", "quantity", "value"])


@pytest.fixture
def fresh():
    render._render.cache_clear()
    yield
    render._render.cache_clear()


# What is said


def test_a_trace_says_accuracy_entropy_and_skips():
    *_, trace = search()
    said = describe.trace_sentence(trace)
    assert said.startswith("After 4 epochs: accuracy on the selection split rose from 12.0% to 18.0%; entropy")
    assert "normal 2.079 -> 2.077" in said
    assert said.endswith("skip connections: 2 in the normal cell, 3 in the reduce cell")


def test_a_trace_that_diverged_says_where():
    *_, trace = search()
    trace.loc[(trace["step"] >= 3) & (trace["quantity"] == "loss") & (trace["split"] == "weights"), "value"] = np.nan
    assert describe.trace_sentence(trace).endswith("loss of weights is not a finite number from epoch 3 on")


def test_probabilities_and_entropy_obey_their_laws():
    alphas = np.random.default_rng(0).normal(size=(3, 2, 14, 8)) * 5
    assert np.allclose(describe.probabilities(alphas).sum(-1), 1, atol=1e-14)
    assert np.allclose(describe.probabilities(alphas + 1000.0), describe.probabilities(alphas), atol=1e-12)
    assert np.allclose(describe.entropy(np.zeros((14, 8))), np.log(8), atol=1e-14)
    assert np.allclose(describe.entropy(np.eye(8) * 1e4), 0, atol=1e-14)


def test_edges_are_named_node_by_node():
    names = describe.edge_names(14)
    assert names[:5] == ["0 <- c_{k-2}", "0 <- c_{k-1}", "1 <- c_{k-2}", "1 <- c_{k-1}", "1 <- 0"]
    assert (names[-1], len(names)) == ("3 <- 2", 14)
    assert describe.edge_names(3) == ["edge 0", "edge 1", "edge 2"]


@pytest.mark.parametrize("nodes", range(1, 8))
def test_edges_come_in_the_order_of_the_architecture_parameters(nodes):
    edges = cell_edges(nodes)
    assert describe.edge_ends(len(edges)) == [(node - 2, source) for node, source in edges]
    assert describe.edge_names(len(edges)) == [f"{state_name(node)} <- {state_name(s)}" for node, s in edges]
    assert describe.edge_ends(len(edges) + 1) is None


def test_alphas_say_what_leads():
    alphas = np.zeros((2, 1, 14, 8))
    alphas[-1, 0, 4, 3] = 1.0
    said = describe.alphas_sentence(alphas, (0, 9), ("normal",), OPERATIONS)
    assert said.startswith("Probabilities at epoch 9 (uniform would be 0.125): normal cell: largest 0.280")
    assert "(skip_connect on 1 <- 0)" in said


# Figures


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.axison]


def test_a_trace_has_a_panel_for_each_quantity_it_holds():
    *_, trace = search()
    everything = ["loss", "accuracy (%)", "entropy (nats per edge)", "skips in the cell", "temperature"]
    assert titles(traces.trace_figure(trace)) == everything
    without = trace[~trace["quantity"].isin(["temperature"]) & ~trace["quantity"].str.startswith("skips")]
    assert titles(traces.trace_figure(without)) == everything[:3]


def test_the_curves_hold_the_data():
    *_, trace = search()
    accuracy = traces.trace_figure(trace).axes[1]
    curves = {curve.get_label(): curve.get_xydata() for curve in accuracy.get_lines()}
    assert np.allclose(curves["selection"], [(step, 10 + 2 * step) for step in range(1, 5)])
    assert set(curves) == {"weights", "selection"}


def test_heat_maps_show_probabilities_on_a_scale_about_uniform():
    alphas, steps, kinds, _ = search(rate=1e-4)
    figure = traces.alphas_figure(alphas, steps, kinds, OPERATIONS)
    maps = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(maps) == 2 * 8
    low, high = maps[0].get_clim()
    assert (low + high) / 2 == pytest.approx(1 / 8)
    assert high - low < 0.01, "the scale comes from the data, else a small preference is invisible"
    skip = maps[8 + OPERATIONS.index("skip_connect")].get_array()
    wanted = describe.probabilities(alphas)[:, 1, :, OPERATIONS.index("skip_connect")].T
    assert np.allclose(skip, wanted)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("epochs", "kinds"), [(0, ("normal",)), (1, ("normal",)), (60, ("normal", "reduce"))])
def test_figures_come_out_for_any_length_without_a_warning(epochs, kinds):
    alphas, steps, kinds, trace = search(epochs, kinds)
    drawn = [traces.alphas_figure(alphas, steps, kinds, OPERATIONS)]
    drawn += [traces.trace_figure(trace)] if epochs else []
    for figure in drawn:
        raw = picture.figure_bytes(figure, "png")
        assert 880 <= Image.open(io.BytesIO(raw)).width <= 920 and len(raw) < 100_000


def test_figures_are_the_same_bytes_each_time():
    *_, trace = search()
    for form in ("png", "svg"):
        first, second = (picture.figure_bytes(traces.trace_figure(trace), form) for _ in range(2))
        assert first == second, form


def test_what_cannot_be_drawn_is_one_sentence():
    alphas, steps, kinds, trace = search()
    with pytest.raises(NasbookError, match="has no column 'split'"):
        traces.trace_figure(trace.drop(columns="split"))
    with pytest.raises(NasbookError, match="there is no curve"):
        traces.trace_figure(trace[trace["quantity"] == "nothing"])
    with pytest.raises(NasbookError, match=r"alphas have shape \(5, 2, 14, 8\)"):
        traces.alphas_figure(alphas, steps[:-1], kinds, OPERATIONS)
    alphas[3:, 1, 2, 3] = np.nan
    with pytest.raises(NasbookError, match="not finite numbers from epoch 3 on"):
        traces.alphas_figure(alphas, steps, kinds, OPERATIONS)


def test_a_figure_carries_its_sentence_as_text_and_as_alt_text():
    *_, trace = search()
    shown = picture.Picture.of_figure(traces.trace_figure(trace), describe.trace_sentence(trace))
    data, about = shown._repr_mimebundle_()
    assert data["text/plain"] == about["image/png"]["alt"] == describe.trace_sentence(trace)
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_figure_is_saved_by_suffix(tmp_path, suffix, magic):
    *_, trace = search()
    path = picture.Picture.of_figure(traces.trace_figure(trace), "said").save(tmp_path / f"figure.{suffix}")
    assert magic in path.read_bytes()[:600]


# Runs


def test_a_run_writes_its_figures(tmp_path):
    alphas, steps, kinds, trace = search()
    written = gallery.save_run_figures(tmp_path, trace, alphas, steps, kinds, OPERATIONS, DARTS)
    wanted = {f"{name}.{form}" for name in ("trace", "alphas", "cell_normal", "cell_reduce") for form in ("svg", "png")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == wanted == {path.name for path in written}
    assert "GDAS FRC" not in (tmp_path / "figures" / "cell_normal.svg").read_text(encoding="utf-8")


def test_curves_are_written_even_where_no_graphviz_works(tmp_path, monkeypatch, fresh):
    monkeypatch.setattr(render, "engines", dict)
    alphas, steps, kinds, trace = search()
    with pytest.raises(NasbookError, match="nasbook doctor"):
        gallery.save_run_figures(tmp_path, trace, alphas, steps, kinds, OPERATIONS, DARTS)
    assert len(list((tmp_path / "figures").iterdir())) == 4


def test_a_run_shows_cells_and_curves_in_one_small_picture():
    *_, trace = search()
    data, about = gallery.run_mimebundle(trace, DARTS)
    assert data["text/plain"] == about["image/png"]["alt"] == gallery.run_sentence(trace, DARTS)
    assert len(data["image/png"]) < 200_000


def test_a_run_without_graphviz_or_epochs_shows_its_sentence(monkeypatch, fresh):
    *_, trace = search()
    empty, _ = gallery.run_mimebundle(trace.iloc[:0], DARTS)
    assert "nothing was recorded" in empty["text/plain"]
    render._render.cache_clear()
    monkeypatch.setattr(render, "engines", dict)
    data, _ = gallery.run_mimebundle(trace, DARTS)
    assert list(data) == ["text/plain"] and "nasbook doctor" in data["text/plain"]


# Trainings


def training(epochs=4):
    rows = []
    for step in range(1, epochs + 1):
        rows += [(step, "train", "loss", 2.4 - 0.1 * step), (step, "train", "accuracy", 0.201 + 0.05 * step)]
        rows += [(step, "train", "learning_rate", 0.1 / step)]
    rows += [(epochs, "test", "accuracy", 0.342)] if epochs else []
    return pd.DataFrame(rows, columns=["step", "split", "quantity", "value"])


def test_a_training_says_its_accuracies():
    trace = training()
    assert describe.trace_sentence(trace) == "After 4 epochs: test accuracy 34.2%; training accuracy 40.1%"
    unfinished = trace[trace["split"] == "train"].copy()
    assert describe.trace_sentence(unfinished) == "After 4 epochs: training accuracy 40.1%"
    unfinished.loc[unfinished["step"] >= 3, "value"] = np.nan
    assert describe.trace_sentence(unfinished) == (
        "After 4 epochs: training accuracy 30.1%; loss of train is not a finite number from epoch 3 on"
    )


def test_a_training_has_curves_of_loss_accuracy_and_learning_rate():
    figure = traces.trace_figure(training())
    assert titles(figure) == ["loss", "accuracy (%)", "learning rate"]
    curves = {curve.get_label(): curve for curve in figure.axes[1].get_lines()}
    assert np.allclose(curves["train"].get_xydata(), [(step, 20.1 + 5 * step) for step in range(1, 5)])
    assert np.allclose(curves["test"].get_xydata(), [(4, 34.2)])
    assert curves["test"].get_marker() != "" and curves["test"].get_color() != curves["train"].get_color()
    (rate,) = figure.axes[2].get_lines()
    assert np.allclose(rate.get_ydata(), [0.1, 0.05, 0.1 / 3, 0.025])


def test_a_search_keeps_its_learning_rate_to_itself():
    *_, trace = search()
    rate = pd.DataFrame([(1, "weights", "learning_rate", 0.1)], columns=trace.columns)
    assert "learning rate" not in titles(traces.trace_figure(pd.concat([trace, rate])))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("epochs", [1, 4, 600])
def test_a_training_shows_its_curves_and_sentence(epochs):
    trace = training(epochs)
    data, about = gallery.training_mimebundle(trace)
    assert data["text/plain"] == about["image/png"]["alt"] == describe.trace_sentence(trace)
    assert len(base64.b64decode(data["image/png"])) < 100_000


def test_a_training_before_its_first_epoch_says_so():
    data, about = gallery.training_mimebundle(training(0))
    assert list(data) == ["text/plain"] and not about
    assert "After 0 epochs: nothing was recorded" in data["text/plain"]
