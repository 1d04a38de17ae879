"""Genotypes: the community's text both ways, equality, and clear refusals."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import nasbook as nb
from nasbook.spaces.names import CELL_OPERATIONS


def cells(max_pairs=4):
    def node(index):
        pair = st.tuples(st.sampled_from(CELL_OPERATIONS), st.integers(0, index + 1))
        return st.lists(pair, min_size=1, max_size=max_pairs)

    return st.integers(1, 5).flatmap(lambda n: st.tuples(*[node(i) for i in range(n)]))


@st.composite
def genotypes(draw):
    normal, reduce = draw(cells()), draw(st.none() | cells())
    concat = [
        draw(st.lists(st.sampled_from(range(2, 2 + len(c))), min_size=1, unique=True)) if c else [2, 3, 4, 5]
        for c in (normal, reduce)
    ]
    return nb.Genotype(normal, concat[0], reduce, concat[1])


@given(genotypes())
def test_text_and_json_round_trip(genotype):
    for back in (nb.Genotype.parse(str(genotype)), nb.Genotype.from_json(genotype.to_json())):
        assert back == genotype
        assert str(back) == str(genotype)
        assert hash(back) == hash(genotype)


def test_the_catalogue_has_the_published_text():
    assert str(nb.genotypes["DARTS_V2"]) == (
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
        "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
        "normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
        "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), "
        "('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
    )
    assert len(nb.genotypes) == 18
    assert all(nb.Genotype.parse(str(g)) == g for g in nb.genotypes.values())


@pytest.mark.parametrize(
    "text",
    [
        "Genotype([('skip_connect', 0), ('sep_conv_3x3', 1)], range(2, 3))",
        "08/01 12:00:00 PM genotype = Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)], normal_concat=[2])",
        "Genotype(normal=[(('skip_connect', 0, 0.13), ('sep_conv_3x3', 1, 0.12))], normal_concat=list(range(2, 3)))",
        "Genotype([('skip_connect', np.int64(0)), (np.str_('sep_conv_3x3'), numpy.int64(1))], [2])",
        "Genotype(\n  [[('skip_connect', 0),  # the input :)\n  ('sep_conv_3x3', 1)]],  # ((\n  [2])",
        "Genotype(\n  normal=[[('sep_conv_3x3', 1), ('skip_connect', 0)]],\n  normal_concat=(2,),\n)\n",
    ],
)
def test_forms_that_other_repositories_print(text):
    assert nb.Genotype.parse(text) == nb.Genotype([[("skip_connect", 0), ("sep_conv_3x3", 1)]], [2])


def test_text_behind_the_genotype_is_not_read():
    assert nb.Genotype.parse("Genotype([[('none', 0)]], [2]) at epoch 3 (best)") == nb.Genotype([[("none", 0)]])


def test_a_cell_can_be_given_as_the_community_writes_it_in_python():
    flat = nb.Genotype(normal=[("skip_connect", 0), ("sep_conv_3x3", 1)], normal_concat=range(2, 3))
    assert flat == nb.Genotype([[("skip_connect", 0), ("sep_conv_3x3", 1)]])
    assert nb.Genotype(flat.normal, None, None, None).normal_concat == (2,)


def test_numbers_of_numpy_are_inputs_and_nodes():
    cell = nb.Genotype([[("none", np.int64(0)), ("none", 1)]], [np.int64(2), np.int64(1)])
    assert nb.Genotype.from_json(cell.to_json()) == cell and "np." not in str(cell)


def test_a_range_without_end_is_refused_at_once():
    with pytest.raises(
        nb.NasbookError, match=r"normal_concat is range\(0, 10+\); it must list some of the nodes 0 to 2"
    ):
        nb.Genotype([[("none", 0)]], range(0, 10**30))


def test_equality_ignores_the_order_within_a_node_and_nothing_else():
    a = nb.Genotype([[("skip_connect", 0), ("sep_conv_3x3", 1)]], [2])
    assert a == nb.Genotype([[("sep_conv_3x3", 1), ("skip_connect", 0)]], [2])
    assert a != nb.Genotype([[("skip_connect", 1), ("sep_conv_3x3", 0)]], [2])
    assert a != nb.Genotype([[("skip_connect", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 1)]], [2])
    two = [[("skip_connect", 0)], [("skip_connect", 1)]]
    assert nb.Genotype(two, [2, 3]) != nb.Genotype(two, [3, 2])
    assert nb.genotypes["GDAS_F1"] != nb.genotypes["GDAS_FG"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing here", "no 'Genotype(...)'"),
        (None, "no 'Genotype(...)'"),
        ("Genotype(normal=[('sep_con_3x3', 1), ('none', 0)])", "did you mean 'sep_conv_3x3'"),
        ("Genotype(normal=[('none', 2), ('none', 0)])", "reads input 2; its inputs are the integers 0 to 1"),
        ("Genotype(normal=[('none', True), ('none', 0)])", "reads input True"),
        ("Genotype(normal=[('none', 0)], normal_concat=[2])", "two for each node"),
        ("Genotype(normal=[[('none', 0)]], normal_concat=[2, 2])", "each once"),
        ("Genotype(normal=[[('none', 0)]], normal_concat=[3])", "the nodes 0 to 2"),
        ("Genotype(normal=[[('none', 0)]], reduce=[[('none', 0)]], reduce_concat=[0])", "the nodes 2 to 2"),
        ("Genotype(normal=[[]], normal_concat=[2])", "(operation, input) pairs"),
        ("Genotype(normal=[], normal_concat=[2])", "at least one node"),
        ("Genotype(normal=[[('none', 0)]], nomral_concat=[2])", "did you mean 'normal_concat'"),
        ("Genotype(normal=open('x'), normal_concat=[2])", "no literal"),
        ("Genotype(normal=[[('none', 0)]], normal=[2])", "gives normal twice"),
        ("Genotype(normal_concat=[2])", "no 'normal' cell"),
        ("Genotype(normal=[('none', 0)", "cannot read"),
        ("Genotype(normal=[[('none)', 0)]])", "unknown operation 'none)'"),
        ("Genotype(normal=[[('none', np.sqrt(4))]])", "no literal"),
        ("Genotype(normal=[[('none', 0)]], normal_concat=range(0, 30000000))", "range(0, 30000000); it must list"),
        ("Genotype(normal=[[('none', 0)]], normal_concat=list(range(2, 10**30)))", "no literal"),
        ("Genotype(normal=[[('none', 0)]], normal_concat=range(0.5))", "no literal"),
        ("Genotype(normal=" + "[" * 100_000, "cannot read"),
        ("Genotype(normal=[('none', 0)  # never closed )", "never closed"),
        ("Genotype(normal=3)", "list of nodes"),
        ("Genotype([[('none', 0)]], [2], None, [2], 5)", "4 arguments"),
    ],
)
def test_bad_text_is_refused_in_one_sentence(text, said):
    with pytest.raises(nb.NasbookError) as caught:
        nb.Genotype.parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_published_cell_names_the_nearest():
    with pytest.raises(nb.NasbookError, match="did you mean 'DARTS_V2'"):
        nb.genotypes["DARTS_v2"]
    assert nb.genotypes.get("DARTS_v2") is None and "DARTS_V2" in nb.genotypes


def test_bad_json_is_refused():
    for text in ("{", "[]", None, '{"reduce": null}', '{"normal": [[["none", 0]]], "nromal": 1}'):
        with pytest.raises(nb.NasbookError):
            nb.Genotype.from_json(text)
    with pytest.raises(nb.NasbookError, match="cannot read the genotype's JSON"):
        nb.Genotype.from_json("[" * 200_000)


def test_a_genotype_is_drawn_as_its_cells_are(tmp_path):
    genotype = nb.genotypes["PNASNet_5"]
    drawn = nb.drawing.draw(genotype)
    assert drawn.svg == nb.drawing.draw(genotype.kinds).svg
    assert drawn.save(tmp_path / "cell.svg").read_text(encoding="utf-8").count("sep 7x7") > 0
