"""Figures of a chapter or a run: graphs by Graphviz, curves by Matplotlib, each with its sentence."""
