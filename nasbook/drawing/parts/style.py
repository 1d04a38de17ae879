"""How an operation looks, once for the whole book.

Colours are Okabe and Ito's ("Color Universal Design", 2008). Colour is never alone: the line tells the
kind of operation (solid: separable convolution or skip, thick: plain convolution, dashed: dilated or
factorised convolution, dotted: pooling or none) and the number of arrowheads its size (one: 3x3, two: 5x5,
three: 7x7; a dot: 1x1), so a grey print still tells them apart.
"""

import textwrap
from contextlib import AbstractContextManager
from dataclasses import dataclass

FONTS = "DejaVu Sans,Verdana,Arial,sans-serif"
INK = "#1A1A1A"
QUIET = "#8C8C8C"
TEXT = {"fontname": FONTS, "fontcolor": INK}
"""Of a graph and of its nodes, in Graphviz's words."""


@dataclass(frozen=True)
class Look:
    """One operation's label, colours (``#RRGGBB``), line (in Graphviz's words) and arrowhead."""

    label: str
    colour: str
    ink: str
    dash: str
    width: float
    head: str


LOOKS = {
    "none": Look("none", "#999999", "#666666", "dotted", 1.2, "tee"),
    "max_pool_3x3": Look("max 3x3", "#D55E00", "#A84A00", "dotted", 2.4, "box"),
    "avg_pool_3x3": Look("avg 3x3", "#E69F00", "#8A5F00", "dotted", 2.4, "obox"),
    "skip_connect": Look("skip", "#000000", "#000000", "solid", 1.1, "vee"),
    "sep_conv_3x3": Look("sep 3x3", "#0072B2", "#0072B2", "solid", 2.2, "normal"),
    "sep_conv_5x5": Look("sep 5x5", "#56B4E9", "#1F6F9E", "solid", 2.2, "normalnormal"),
    "sep_conv_7x7": Look("sep 7x7", "#882255", "#882255", "solid", 2.2, "normalnormalnormal"),
    "dil_conv_3x3": Look("dil 3x3", "#009E73", "#007A59", "dashed", 2.2, "normal"),
    "dil_conv_5x5": Look("dil 5x5", "#CC79A7", "#A0457A", "dashed", 2.2, "normalnormal"),
    "conv_7x1_1x7": Look("1x7, 7x1", "#857A00", "#6B6200", "dashed", 2.2, "diamond"),
    "conv_3x3": Look("conv 3x3", "#332288", "#332288", "solid", 3.8, "normal"),
    "conv_1x1": Look("conv 1x1", "#7A4A2B", "#7A4A2B", "solid", 3.8, "dot"),
}

SPLITS = {  # colour, dash, marker of a split's curve
    "weights": ("#0072B2", "-", "o"),
    "alphas": ("#D55E00", "--", "s"),
    "selection": ("#009E73", ":", "^"),
    "train": ("#0072B2", "-", "o"),
    "test": ("#CC79A7", "--", "D"),
}
KINDS = {"normal": ("#000000", "-", "o"), "reduce": ("#E69F00", "--", "s")}


def look(operation: str) -> Look:
    """How ``operation`` is drawn; a reader's own operation gets a plain grey line and its own name."""
    if operation in LOOKS:
        return LOOKS[operation]
    return Look(textwrap.fill(operation.replace("_", " "), 10), "#5A5A5A", "#404040", "dashed", 1.6, "odot")


def tint(colour: tuple[int, int, int], share: float) -> str:
    """White at 0, ``colour`` (red, green, blue) at 1 and beyond."""
    return "#" + "".join(f"{round(255 + (end - 255) * min(share, 1)):02X}" for end in colour)


def rc() -> AbstractContextManager:
    """Matplotlib settings for every figure of the book, as a context: white, legible, reproducible."""
    import matplotlib

    return matplotlib.rc_context(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": QUIET,
            "axes.facecolor": "white",
            "axes.grid": True,
            "axes.labelsize": 10,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 10.5,
            "figure.facecolor": "white",
            "figure.titlesize": 12,
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "grid.color": "#E2E2E2",
            "legend.fontsize": 9,
            "legend.frameon": False,
            "lines.markersize": 4.5,
            "savefig.facecolor": "white",
            "svg.hashsalt": "nasbook",
            "text.color": INK,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
        }
    )
