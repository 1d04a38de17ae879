"""How much quicker a DARTS step is when the dense mixture runs grouped by source node: a table for this machine.

    python benchmarks/dense_mixture.py --threads 2

One step is a forward and backward pass for the weights and one for the alphas (first-order DARTS, Liu et al., 2019,
arXiv 1806.09055), without data loading and optimizers. Plain and grouped cells take turns on the same network, so
that a busy machine disturbs both; the table gives medians and minima of the wall time over the turns, and the median
of the ratios within a turn. ``--clock cpu`` counts the seconds of CPU that the process spent instead.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch
from torch.nn import functional as F

from nasbook.spaces.darts.grouped import GroupedCell
from nasbook.spaces.darts.networks import CellSupernet

LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def main() -> None:
    """Parse the command line, measure each layout, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("channels", 16), ("cells", 8), ("batch", 16), ("size", 32), ("turns", 7), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--layout", choices=LAYOUTS, nargs="+", default=list(LAYOUTS))
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(
        f"torch {torch.__version__}, {args.device}, {args.threads} threads, C={args.channels}, {args.cells} cells, "
        f"batch {args.batch}, {args.size}x{args.size}, float32; ms a DARTS step ({args.clock} time)"
    )
    print(f"{'layout':<14}{'cells':<9}{'median':>8}{'minimum':>9}{'weights':>9}{'alphas':>8}{'ratio':>8}")
    for layout in args.layout:
        times = measure(args, LAYOUTS[layout])
        totals = {grouped: [sum(turn) for turn in turns] for grouped, turns in times.items()}
        ratio = median(a / b for a, b in zip(totals[False], totals[True]))
        for grouped, name in ((False, "plain"), (True, "grouped")):
            weights, alphas = (median(part) for part in zip(*times[grouped]))
            row = f"{layout:<14}{name:<9}{median(totals[grouped]):>8.0f}{min(totals[grouped]):>9.0f}"
            print(f"{row}{weights:>9.0f}{alphas:>8.0f}{ratio if grouped else 1:>8.2f}")


def measure(args: argparse.Namespace, layout: torch.memory_format) -> dict[bool, list[tuple[float, float]]]:
    """Milliseconds of the weight step and of the alpha step in each turn, for plain (False) and grouped (True)."""
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    net = CellSupernet(args.channels, args.cells, 10).to(args.device, memory_format=layout)
    images = torch.randn(args.batch, 3, args.size, args.size, device=args.device).contiguous(memory_format=layout)
    labels = torch.arange(args.batch, device=args.device) % 10
    alphas = {kind: torch.zeros_like(path).requires_grad_() for kind, path in net.uniform_paths().items()}
    searched = [cell for cell in net.cells if isinstance(cell, GroupedCell)]

    def step(grouped: bool) -> tuple[float, float]:
        for cell in searched:
            cell.grouped = grouped
        net.zero_grad()
        begin = now()
        loss(detached=True).backward()
        middle = now()
        torch.autograd.grad(loss(detached=False), list(alphas.values()))
        return 1e3 * (middle - begin), 1e3 * (now() - middle)

    def loss(*, detached: bool) -> torch.Tensor:
        paths = {kind: (a.detach() if detached else a).softmax(dim=-1) for kind, a in alphas.items()}
        return F.cross_entropy(net(images, paths), labels)

    def now() -> float:
        if args.device != "cpu":
            torch.accelerator.synchronize()
        return clock()

    turns = [{grouped: step(grouped) for grouped in (False, True)} for _ in range(args.turns + 1)]
    return {grouped: [turn[grouped] for turn in turns[1:]] for grouped in (False, True)}  # the first turn warms up


if __name__ == "__main__":
    main()
