"""The chart of the four models."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from svg_texts import SVG, names, written

from nasbook.base.errors import NasbookError
from nasbook.decisions import examples
from nasbook.drawing.figures import diagrams

TWO = np.array([[0.5, 0.5], [0.3, 0.7]])


@pytest.fixture(scope="module")
def chart():
    two = (examples.two_state_chain, examples.two_state_hmm, examples.two_state_mdp, examples.two_state_pomdp)
    return diagrams.four_models_picture(*(build() for build in two))


def test_the_chart_has_four_fields_with_their_models(chart):
    shown = written(chart.svg)
    assert shown.count("yes") == shown.count("no") == 2
    assert "Are the states completely observable?" in shown and "Do we have control over the transitions?" in shown
    place = {}
    for element in ElementTree.fromstring(chart.svg).findall(f"{SVG}text"):
        at = float(element.attrib["x"]), float(element.attrib["y"])
        place.setdefault(element.text.partition(":")[0], at)
    chain, mdp, hmm, pomdp = (place[name] for name in ("Markov chain", "MDP", "HMM", "POMDP"))
    assert chain[0] == hmm[0] < mdp[0] == pomdp[0] and chain[1] == mdp[1] < hmm[1] == pomdp[1]
    assert chart.sentence == (
        "Markov chain: states seen, no control; MDP: states seen, control; "
        "HMM: states hidden, no control; POMDP: states hidden, control"
    )
    drawn = [nested for nested in ElementTree.fromstring(chart.svg).findall(f"{SVG}svg")]
    assert [sum(text.text == "S1" for text in one.iter(f"{SVG}text")) for one in drawn] == [1, 2, 1, 2]
    assert [sum(text.text == "O2" for text in one.iter(f"{SVG}text")) for one in drawn] == [0, 0, 1, 1]


def test_text_in_the_chart_stays_eleven_pixels(chart):
    for nested in ElementTree.fromstring(chart.svg).findall(f"{SVG}svg"):
        scale = float(nested.attrib["width"]) / float(nested.attrib["viewBox"].split()[2])
        sizes = [float(text.attrib["font-size"]) for text in nested.iter(f"{SVG}text")]
        assert scale * min(sizes) >= 11


def test_the_chart_is_saved_as_svg_and_as_nothing_else(chart, tmp_path):
    assert chart.save(tmp_path / "chart.svg").read_text(encoding="utf-8") == chart.svg
    with pytest.raises(NasbookError, match="unknown picture format 'png': valid are svg"):
        chart.save(tmp_path / "chart.png")
    saved = diagrams.chain_picture(TWO, None, names(2)).save(tmp_path / "chain.png")
    assert saved.read_bytes().startswith(b"\x89PNG")
