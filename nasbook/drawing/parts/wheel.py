"""Draws with the Graphviz inside pygraphviz's wheel; run as a script, so that it can be stopped.

Reads a JSON list of [DOT text, format, options] on standard input, writes one of base64 texts on standard
output. A process of its own bounds the time and keeps font warnings of the C libraries out of notebooks.
"""

import base64
import json
import sys

import pygraphviz


def draw(source: str, form: str, options: str) -> str:
    """One picture, base64. Raises pygraphviz.DotError for text that is no DOT."""
    graph = pygraphviz.AGraph(string=source)
    return base64.b64encode(graph.draw(format=form, prog="dot", args=options)).decode()


if __name__ == "__main__":
    json.dump([draw(*task) for task in json.load(sys.stdin)], sys.stdout)
