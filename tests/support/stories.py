"""Invented searches of several methods, ready for the scrubber, for its tests."""

import xml.etree.ElementTree as ElementTree
from itertools import product

import numpy as np

from nasbook.drawing.scrubber import frames as scrubber
from nasbook.drawing.scrubber.story import prepare
from nasbook.relaxations.derivation import darts_rule, every_edge_rule, probable_code_rule
from nasbook.spaces.names import DARTS_OPERATIONS as OPERATIONS, cell_edges

KINDS = ("normal", "reduce")
SVG = "{http://www.w3.org/2000/svg}"
EDGE = "1 <- c_{k-1}"


def codes(arrays, operations, nodes):
    laws = {kind: np.exp(a) / np.exp(a).sum(-1, keepdims=True) for kind, a in arrays.items()}
    return probable_code_rule(laws, operations, nodes, draws=7, per="edge")


def search(rule=darts_rule, epochs=6, nodes=4, kinds=KINDS, operations=OPERATIONS, seed=0, name="", every=1):
    """A story whose alphas walk at random and drift apart, its cells derived by ``rule``."""
    random = np.random.default_rng(seed)
    shape = (epochs // every + 1, len(kinds), len(cell_edges(nodes)), len(operations))
    # (snapshots, kinds, edges, operations)
    alphas = random.normal(size=shape).cumsum(axis=0) * 0.3
    alphas -= alphas[:1]
    found = [rule(dict(zip(kinds, one)), operations, nodes)[0].kinds for one in alphas]
    return prepare(alphas, range(0, epochs + 1, every), kinds, operations, found, name)


STORIES = {
    "darts": search(name="darts, seed 0"),
    "data": search(codes, epochs=50, name="data, seed 0"),
    "snas": search(every_edge_rule, epochs=20, seed=1, name="snas, seed 1"),
    "small": search(epochs=3, nodes=2, seed=2, name="gdas, seed 2"),
    "fixed": search(epochs=8, kinds=("normal",), seed=3, name="gdas, seed 3"),
    "start": search(epochs=0),
    "sparse": search(epochs=400, every=5, name="darts, seed 4"),
    "few": search(nodes=1, operations=("skip_connect", "conv_7x1_1x7"), name="rsws, seed 5"),
}
PAGES = {
    **{name: (story,) for name, story in STORIES.items()},
    "two methods": (STORIES["data"], STORIES["snas"]),
    "two sizes": (STORIES["small"], STORIES["darts"]),
    "one fixed": (STORIES["snas"], STORIES["fixed"]),
    "two spaces": (STORIES["few"], STORIES["start"]),
}


def states(stories, most):
    """(stories, epoch, kind, edge) of every kind and edge, at ``most`` epochs from the first to the last."""
    epochs = sorted(set(np.linspace(*scrubber.span(stories), most).astype(int).tolist()))
    for epoch, kind, edge in product(epochs, scrubber.kinds(stories), scrubber.edges(stories)):
        yield stories, epoch, kind, edge


def frames(stories, most):
    """Their frames."""
    return (scrubber.render(*state) for state in states(stories, most))


def words(svg):
    return [node.text for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]
