"""Searches with shared weights as pictures: what controller and weights did, and what sharing does to the ranking."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nasbook.analysis.measures import kendall
from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.drawing.parts.picture import Picture, panels, percent


def sharing_picture(trace: pd.DataFrame) -> Picture:
    """Accuracy of the drawn architectures by epoch, and the controller's entropy.

    ``trace``: columns step, split, quantity, value. Raises NasbookError before the first epoch.
    """
    from matplotlib.ticker import MaxNLocator

    if not len(trace):
        raise NasbookError("the search has not ended its first epoch: there is no curve to draw")
    curves = trace.pivot_table(index="step", columns=["split", "quantity"], values="value")
    with panels(8, 3, 1, 2) as (figure, (left, right)):
        left.plot(curves["weights", "accuracy"], color="#56B4E9", label="training batches")
        if ("controller", "reward") in curves:
            left.plot(curves["controller", "reward"], color="#0072B2", linestyle="--", label="reward")
            right.plot(curves["controller", "entropy"], color="#D55E00")
        left.plot(curves["selection", "accuracy"], color="#000000", label="candidates, mean")
        left.plot(curves["selection", "best"], color="#000000", linestyle=":", label="candidates, best")
        percent(left.yaxis)
        left.set(xlabel="epoch", ylabel="accuracy")
        left.legend(loc="lower right")
        right.set(xlabel="epoch", ylabel="entropy of the controller (nats)")
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    last = curves.iloc[-1]
    said = f"after {curves.index[-1]} epochs the candidates reach {last['selection', 'accuracy']:.1%} held out, "
    said += f"the best {last['selection', 'best']:.1%}"
    if ("controller", "entropy") in curves:
        entropies = curves["controller", "entropy"]
        said += f"; the controller's entropy went from {entropies.iloc[0]:.2f} to {entropies.iloc[-1]:.2f} nats"
    return Picture.of_figure(figure, said)


def ranking_picture(shared: Sequence[float], alone: Sequence[float], what: str = "trained alone") -> Picture:
    """(n,) accuracies with shared weights against those of the same architectures ``what``, one dot each.

    Raises NasbookError for fewer than two, or lengths that differ.
    """
    y = checks.numbers(shared, "shared", (None,))
    x = checks.numbers(alone, "alone", y.shape)
    tau = kendall(x, y)
    pick = int(np.argmax(y))
    beaten = int((x > x[pick]).sum())
    with panels(4.6, 3.6) as (figure, axes):
        axes.plot(x, y, ".", color="#0072B2", markersize=6)
        ring = {"color": "#D55E00", "fillstyle": "none", "markersize": 11}
        axes.plot(x[pick], y[pick], "o", label="best by shared weights", **ring)
        axes.set(xlabel=f"accuracy, {what}", ylabel="accuracy with shared weights")
        percent(axes.xaxis, axes.yaxis)
        axes.legend()
    said = f"{len(x)} architectures: Kendall's tau between shared weights and {what} is {tau:.2f}; "
    said += f"{beaten} are better {what} than the one that shared weights like best"
    return Picture.of_figure(figure, said)
