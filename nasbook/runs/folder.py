"""What every run folder has: the number of its format, and the manifest that says how far the run is."""

import json
from pathlib import Path
from typing import Any

from nasbook.base.errors import NasbookError
from nasbook.base.files import read_json, write_atomically

FORMAT = 1
"""Version of the run folder; a folder of a newer one is refused, never guessed at."""


def update_manifest(folder: Path, **sections: Any) -> None:
    """Merge ``sections`` into the folder's ``manifest.json``; other top-level entries stay."""
    path = Path(folder) / "manifest.json"
    known = read_json(path) if path.exists() else {}
    write_atomically(path, json.dumps(known | sections, indent=1, sort_keys=True) + "\n")


def finished(folder: Path) -> bool:
    """Whether the folder holds a whole run."""
    path = folder / "manifest.json"
    return path.exists() and read_json(path).get("status") == "finished"


def known_format(values: dict, path: Path) -> dict:
    """``values`` if this nasbook can read their format."""
    found = values.get("format")
    if isinstance(found, bool) or not isinstance(found, int):
        raise NasbookError(f"{path} names no format; it was not written by nasbook, or is damaged")
    if found > FORMAT:
        raise NasbookError(
            f"{path} has format {found} and this nasbook reads up to {FORMAT}: update nasbook, or choose another folder"
        )
    return values
