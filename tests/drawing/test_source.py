"""Listings of code."""

import os

import pytest

from nasbook.base.errors import NasbookError
from nasbook.drawing.parts import describe, picture
from nasbook.drawing.parts.source import source


def test_source_shows_code_headed_by_name_and_length():
    bundle = source(describe.depth)._repr_mimebundle_()
    head, _, body = bundle["text/plain"].partition("\n\n")
    assert head == f"nasbook.drawing.parts.describe.depth ({len(body.splitlines())} lines)"
    assert body.startswith("def depth(nodes")
    assert bundle["text/markdown"].startswith("**`nasbook.drawing.parts.describe.depth`** (")
    assert "```python\ndef depth" in bundle["text/markdown"]
    assert os.sep + "nasbook" not in bundle["text/plain"]


def test_source_takes_classes_methods_and_modules():
    assert "class Picture" in source(picture.Picture).text
    method = source(picture.Picture.save)
    assert method.text.startswith("def save(self") and method.name.endswith("Picture.save")
    assert source(describe).name == "nasbook.drawing.parts.describe"


def test_a_fence_in_the_code_does_not_end_the_listing():
    assert (
        "````python" in source(test_a_fence_in_the_code_does_not_end_the_listing)._repr_mimebundle_()["text/markdown"]
    )
    assert "```" in source(test_a_fence_in_the_code_does_not_end_the_listing).text


@pytest.mark.parametrize("thing", [len, 3, "nasbook"])
def test_what_has_no_python_source_is_one_sentence(thing):
    with pytest.raises(NasbookError, match="has no Python source to show"):
        source(thing)
