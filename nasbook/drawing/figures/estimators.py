"""Bias and noise of gradient estimators over the temperature, in one picture."""

from collections.abc import Mapping, Sequence

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.drawing.parts import style
from nasbook.drawing.parts.picture import Picture, panels

LOOKS = (("#000000", "-", "o"), ("#0072B2", "--", "D"), ("#009E73", "-.", "s"), ("#D55E00", ":", "^"))
LOOKS += (("#CC79A7", (0, (5, 1)), "v"),)


def estimators_picture(
    taus: Sequence[float], gradients: Mapping[str, Sequence[np.ndarray]], exact: Sequence[float]
) -> Picture:
    """Two panels over ``taus``: length of the mean's error, and standard deviation of one draw.

    ``gradients``: name -> a sample (n, L) of gradients in L logits for each temperature; ``exact`` (L,). The standard
    deviation is the root of the variance summed over logits; the dashed line is the length of ``exact``.
    Raises NasbookError for more than five names or if the lengths do not agree.
    """
    if len(gradients) > len(LOOKS) or any(len(samples) != len(taus) for samples in gradients.values()):
        raise NasbookError(f"wanted are at most {len(LOOKS)} estimators with {len(taus)} samples, one a temperature")
    length = float(np.linalg.norm(exact))
    said = []
    with panels(8.4, 3.6, 1, 2) as (figure, (left, right)):
        for (name, samples), (colour, dash, marker) in zip(gradients.items(), LOOKS):
            found = [np.asarray(sample, dtype=float) for sample in samples]
            bias = np.array([np.linalg.norm(one.mean(axis=0) - exact) for one in found])
            noise = np.array([np.sqrt(one.var(axis=0).sum()) for one in found])
            # a bias of fewer than four standard errors is drawn hollow: it may be nothing
            clear = bias > 4 * noise / np.sqrt([len(one) for one in found])
            look = {"color": colour, "linestyle": dash, "label": name}
            left.plot(taus, bias, **look)
            for which, fill in ((clear, colour), (~clear, "white")):
                left.plot(np.array(taus)[which], bias[which], marker, color=colour, markerfacecolor=fill)
            right.plot(taus, noise, marker=marker, **look)
            off = f"bias {bias[0]:.3f} to {bias[-1]:.3f}" if clear.any() else "no bias that can be told from chance"
            said.append(f"{name}: {off}, noise {noise[0]:.3f} to {noise[-1]:.3f}")
        for axes, title in (
            (left, "bias (hollow: chance could explain it)"),
            (right, "noise (dashed: length of the exact gradient)"),
        ):
            axes.axhline(length, color=style.QUIET, linestyle=(0, (6, 3)), linewidth=1)
            axes.set(title=title, xscale="log", yscale="log", xlabel="temperature")
            axes.set_xticks(taus, [f"{tau:g}" for tau in taus])
            axes.minorticks_off()
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=len(gradients))
    low_high = f"From temperature {taus[0]:g} to {taus[-1]:g}"
    return Picture.of_figure(figure, f"{low_high}: {'; '.join(said)}. The exact gradient has length {length:.3f}.")
