"""Making cellbench: every cell with every seed, in worker processes of one thread each, one row at a time.

One process reads and writes the file; the workers only train. Whatever stops it, the rows that are there are kept, and
the same command goes on with the rest.
"""

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path

import torch

from nasbook.base import checks, machine
from nasbook.base.errors import NasbookError
from nasbook.base.files import folder_path, locked, read_json, write_atomically
from nasbook.base.progress import reporter
from nasbook.datasets.images import ImageData, load
from nasbook.runs.folder import FORMAT, known_format, update_manifest
from nasbook.trials.tables import cellbench
from nasbook.trials.tables.rows import FILE, Key, Protocol, Trained, append_row, header, read_rows, write_rows
from nasbook.trials.tables.trainings import divide, train_cell


def build(
    out: str | Path | None = None,
    *,
    protocol: Protocol | None = None,
    seeds: int = 3,
    workers: int = 2,
    limit: int | None = None,
) -> str:
    """Train what the table in the folder ``out`` (None: the one that ships) lacks; return one sentence.

    ``limit``: at most so many trainings now. Damaged rows are trained again. Raises NasbookError for bad numbers, if
    the folder holds a table of another protocol or another process writes it, or if it cannot be written.
    """
    for name, value in (("seeds", seeds), ("workers", workers), ("limit", 1 if limit is None else limit)):
        checks.whole(value, name, 1)
    place = cellbench.folder() if out is None else folder_path(out)
    protocol = protocol or Protocol()
    data = load(protocol.data, machine.device(), protocol.size)
    with locked(place / ".lock", f"another process is building the table in {place}: wait for it"):
        seeds = _begin(place, protocol, seeds, data)
        rows, damaged = read_rows(place / FILE, protocol.counts)
        known = {key: rows[key] for key in cellbench.wanted(seeds) if key in rows}
        if damaged or len(known) < len(rows):
            # damage is also what a kill left of a half-written line, behind which nothing may be appended
            write_rows(place / FILE, known, protocol.counts)
        todo = [key for key in cellbench.wanted(seeds) if key not in known]
        if todo:
            update_manifest(place, sha256=None)  # that of a complete table, which this one is not, or not any more
        total = len(known) + len(todo)
        begun = time.monotonic()
        with reporter("cellbench", total, len(known)) as report:
            for done, (key, row) in enumerate(_trainings(todo[:limit], protocol, data, workers), start=1):
                append_row(place / FILE, key, row)
                known[key] = row
                right = row.test[-1] / len(data.test().labels)
                left = (time.monotonic() - begun) / done * (min(len(todo), limit or total) - done)
                report(f"{key.cell} seed {key.seed}: {right:.1%} on test, {left / 60:.0f} min left")
        if len(known) == total:
            _finish(place, {key: known[key] for key in cellbench.wanted(seeds)}, protocol)
    return cellbench.verify(place)


def _begin(place: Path, protocol: Protocol, seeds: int, data: ImageData) -> int:
    """Write or compare the manifest, and return the number of seeds: that of the table if it is larger."""
    path = place / "manifest.json"
    asked = protocol.model_dump(mode="json")
    made_by = machine.provenance(data.device)
    if path.exists():
        manifest = known_format(read_json(path), path)
        there = manifest.get("protocol")
        there = there if isinstance(there, dict) else {}
        differ = [f"{k}: {there.get(k)!r} there, {v!r} now" for k, v in asked.items() if there.get(k) != v]
        if manifest.get("data_checksum") != data.checksum:
            differ.append("the images")
        if differ:
            said = "; ".join(differ)
            raise NasbookError(f"{place} holds a table of another protocol ({said}): choose another folder")
        known, makers = manifest.get("seeds"), list(manifest.get("made_by") or [])
        seeds = max(seeds, known if isinstance(known, int) else 0)
        makers += [] if made_by in makers else [made_by]
        update_manifest(place, seeds=seeds, made_by=makers)
    else:
        images = {split: len(part.labels) for split, part in divide(data, protocol).items()}
        update_manifest(
            place,
            format=FORMAT,
            table=cellbench.NAME,
            protocol=asked,
            seeds=seeds,
            images=images,
            classes=len(data.classes),
            data_checksum=data.checksum,
            made_by=[made_by],
        )
    if not (place / FILE).exists():
        write_atomically(place / FILE, header(protocol.counts) + "\n")
    return seeds


def _finish(place: Path, rows: dict[Key, Trained], protocol: Protocol) -> None:
    """Put the rows in order and note the file's checksum."""
    write_rows(place / FILE, rows, protocol.counts)
    digest = hashlib.sha256((place / FILE).read_bytes()).hexdigest()
    update_manifest(place, sha256=digest, rows=len(rows), seconds=round(sum(row.seconds for row in rows.values()), 1))


def _trainings(keys: list[Key], protocol: Protocol, data: ImageData, workers: int) -> Iterator[tuple[Key, Trained]]:
    """Each key with its row, as soon as it is trained."""
    if workers == 1 or len(keys) < 2:
        parts = divide(data, protocol)
        for key in keys:
            yield key, train_cell(*key, protocol, data, parts)
        return
    context = multiprocessing.get_context("spawn")
    start = {"mp_context": context, "initializer": _prepare, "initargs": (protocol, str(data.device))}
    pool = ProcessPoolExecutor(min(workers, len(keys)), **start)
    try:
        waiting = {pool.submit(_train, key): key for key in keys}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BrokenProcessPool as error:
        raise NasbookError(
            "a worker process was ended from outside (out of memory?): the rows that are there are kept, run the same "
            "command again, or with fewer workers"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()


_worker: tuple[Protocol, ImageData, dict] | None = None


def _prepare(protocol: Protocol, device: str) -> None:
    """Once in each worker: its images, one thread, and an end when the process that started it ends."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process().sentinel
    threading.Thread(target=lambda: (wait([parent]), os._exit(1)), daemon=True).start()
    data = load(protocol.data, device, protocol.size)
    _worker = protocol, data, divide(data, protocol)


def _train(key: Key) -> Trained:
    protocol, data, parts = _worker
    return train_cell(*key, protocol, data, parts)
