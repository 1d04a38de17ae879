"""What the scripts of this folder share: many tasks in worker processes of one thread each, and a control.

A worker ends when the script that started it ends, and Ctrl-C stops all of them: what is finished is kept, and the same
command goes on with the rest.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

import nasbook as nb
from nasbook.training.numerics import stream


def work_through(
    tasks: Mapping[Hashable, tuple], work: Callable[..., Any], done: Callable[[Hashable, Any], None], workers: int
) -> int:
    """Call ``work(*arguments)`` for each of ``tasks``, name to arguments, and ``done(name, result)`` here, as they end.

    A task that raises NasbookError is reported and left out. Returns the exit status: 0 if every task was done.
    """
    failed = 0
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), end_with_parent)
    try:
        waiting = {pool.submit(work, *arguments): name for name, arguments in tasks.items()}
        for one in as_completed(waiting):
            try:
                result = one.result()
            except nb.NasbookError as error:
                failed += 1
                print(f"{waiting[one]}: {error}", file=sys.stderr, flush=True)
            else:
                done(waiting[one], result)
    except (KeyboardInterrupt, BrokenProcessPool):
        failed += 1
        print("stopped; what is finished is kept: run the same command again to go on", file=sys.stderr)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
    return int(failed > 0)


def end_with_parent() -> None:
    """Let no worker outlive a killed script: the next one would find its folder in use. Ctrl-C is the script's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def in_order(names: Iterable[Hashable], known: Mapping[Hashable, Any]) -> list[Any]:
    """The values of ``known`` in the order of ``names``, without those that are not there yet."""
    return [known[name] for name in names if name in known]


def with_random_signs(step):
    """An architecture step whose gradients keep their sizes and lose their signs."""

    def signed(search, images, labels):
        signs = stream(search.config.seed, f"signs {search.step}")

        def flip(optimizer, args, kwargs) -> None:
            for logits in search.architecture:
                logits.grad = logits.grad * (2.0 * torch.randint(2, logits.shape, generator=signs) - 1)

        hook = search.alpha_optimizer.register_step_pre_hook(flip)
        try:
            return step(search, images, labels)
        finally:
            hook.remove()

    return signed
