"""What is written in an SVG picture, and names for a model's states."""

import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def names(count, letter="S"):
    return tuple(f"{letter}{place + 1}" for place in range(count))


def written(svg):
    return [element.text.strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]
