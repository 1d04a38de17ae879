"""Sizes that no machine can hold are refused before anything is built, in one sentence with the machine's own limit."""

import time

import psutil
import pytest

import nasbook as nb
from nasbook.searchers.controllers.arcs import CellController
from nasbook.searchers.controllers.lstm import Controller
from nasbook.searchers.enas import Config
from nasbook.spaces.blocks.micro_cells import micro_space
from nasbook.spaces.blocks.micro_networks import MicroNetwork, MicroSupernet
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.darts.stacks import COPIES, check_training_memory
from nasbook.spaces.edges.networks import EdgeNetwork, EdgeSupernet
from nasbook.spaces.layers.macro_layers import MacroLayers
from nasbook.spaces.layers.macro_networks import MacroNetwork, MacroSupernet
from nasbook.spaces.layers.skip_layers import SkipStack
from nasbook.spaces.layers.skip_networks import SkipNetwork

MUCH = 10**9
DARTS = nb.genotypes["DARTS_V2"]
ARC = MacroLayers(3).decode([0] * (3 + 3))
CELL = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"

BUILDINGS = {
    "cells": lambda: DARTS.network(8, MUCH, 10),
    "channels": lambda: DARTS.network(MUCH, 8, 10),
    "classes": lambda: DARTS.network(8, 8, 10 * MUCH),
    "huge channels": lambda: DARTS.network(10**400, 8, 10),
    "supernet cells": lambda: CellSupernet(4, MUCH, 10),
    "supernet channels": lambda: CellSupernet(MUCH, 3, 10),
    "supernet nodes": lambda: CellSupernet(4, 3, 10, nodes=MUCH),
    "micro": lambda: MicroNetwork(DARTS, 8, MUCH),
    "micro supernet": lambda: MicroSupernet(8, MUCH),
    "micro nodes": lambda: MicroSupernet(8, 3, nodes=MUCH),
    "macro": lambda: MacroNetwork(ARC, MUCH),
    "macro supernet": lambda: MacroSupernet(8, MUCH),
    "edges": lambda: EdgeNetwork(CELL, MUCH),
    "edges supernet": lambda: EdgeSupernet(channels=4, cells=MUCH),
    "filters": lambda: SkipNetwork(SkipStack.read(f"3x3x{MUCH} 3x3x{MUCH}")),
    "enas units": lambda: CellController(micro_space(2), units=MUCH),
    "units": lambda: Controller(micro_space(2), units=MUCH),
    "layers": lambda: Controller(micro_space(2), layers=MUCH),
}


@pytest.mark.parametrize("build", BUILDINGS.values(), ids=BUILDINGS)
def test_what_no_machine_holds_is_refused_before_it_is_built(build):
    begun = time.process_time()
    with pytest.raises(nb.NasbookError, match=r"would need about [\d,]+ GiB of memory, and this machine has \d+ GiB"):
        build()
    assert time.process_time() - begun < 2


SEARCHES = [
    ("gdas", {"cells": 10**6}),
    ("darts", {"channels": MUCH}),
    ("snas", {"nodes": MUCH}),
    ("enas", {"layers": MUCH}),
    ("enas", {"channels": MUCH}),
    ("enas", {"nodes": 10**6}),
    ("enas", {"units": MUCH}),
    ("enas", {"space": "macro", "layers": MUCH}),
    ("enas", {"space": "edges", "layers": MUCH}),
]


@pytest.mark.parametrize(("method", "settings"), SEARCHES)
def test_a_search_of_such_a_size_is_refused_and_leaves_no_folder(digits, tmp_path, method, settings):
    begun = time.process_time()
    with pytest.raises(nb.NasbookError, match="this machine has") as caught:
        nb.search(method, data=digits, out=tmp_path / "run", **settings)
    assert time.process_time() - begun < 2 and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_other_settings_without_an_end_are_refused(digits, tmp_path):
    with pytest.raises(nb.NasbookError, match="cutout is 1000000000"):
        nb.train(DARTS.network(4, 3, 10), data=digits, out=tmp_path / "run", cutout=MUCH)
    with pytest.raises(nb.NasbookError, match="aggregates is 1000000000"):
        nb.search("enas", data=digits, out=tmp_path / "run", aggregates=MUCH)
    with pytest.raises(nb.NasbookError, match="nodes"):
        MicroSupernet(8, 3, nodes="5")
    assert not (tmp_path / "run").exists()


def test_the_published_sizes_fit_a_laptop(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": 4 * 2**30})())
    for name in nb.searchers.METHODS:
        nb.searchers.__getattr__(name).Config.make({})
    Config.make({})
    DARTS.network(36, 20, 10, auxiliary=True)


def test_the_prediction_is_within_a_factor_of_two_of_the_weights(monkeypatch):
    said = []
    monkeypatch.setattr("nasbook.spaces.darts.stacks.check_training_memory", lambda weights, *_: said.append(weights))
    for build in (lambda: DARTS.network(36, 20, 10), lambda: CellSupernet(16, 8, 10), lambda: CellSupernet(24, 5, 10)):
        weights = sum(parameter.numel() for parameter in build().parameters())
        assert weights / 2 < said[-1] < 2 * weights


def test_weights_and_objects_count_towards_the_limit(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": 2**30})())
    fits = 2**30 // (4 * COPIES)
    check_training_memory(fits, 0, "it")
    for weights, operations in ((fits + 1, 0), (0, 2**17)):
        with pytest.raises(nb.NasbookError, match="it would need about"):
            check_training_memory(weights, operations, "it")
