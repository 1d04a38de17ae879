"""One file over a network that breaks off, dawdles, restarts and refuses."""

import http.client
import io
import socket
import urllib.error

import pytest

from nasbook.datasets import transfer
from nasbook.datasets.transfer import TransferError, fetch

BODY = bytes(range(256)) * 1000
ADDRESS = "http://nowhere.invalid/file"


class Answer(io.BytesIO):
    """What urlopen gives back: ``body``, of which ``length`` bytes were announced."""

    def __init__(self, body, status=200, length=None):
        super().__init__(body)
        self.status = status
        self.headers = {"Content-Length": str(len(body) if length is None else length)}


@pytest.fixture
def target(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBOOK_PROGRESS", "lines")
    return tmp_path / "ein Ordner für Daten" / "file.gz"


@pytest.fixture
def serve(target, monkeypatch):
    """A function that lets urlopen answer a request with ``answer(start)`` and lists the starts asked for."""
    target.parent.mkdir()

    def install(answer):
        starts = []

        def urlopen(request, timeout):
            asked = request.get_header("Range", "bytes=0-")
            starts.append(int(asked.removeprefix("bytes=").rstrip("-")))
            return answer(starts[-1])

        monkeypatch.setattr(transfer, "urlopen", urlopen)
        return starts

    return install


def refusal(code):
    return urllib.error.HTTPError(ADDRESS, code, "some reason", {}, None)


def test_file_arrives_whole_or_not_at_all(serve, target):
    serve(lambda start: Answer(BODY))
    fetch(ADDRESS, target, "a file")
    assert target.read_bytes() == BODY and [path.name for path in target.parent.iterdir()] == ["file.gz"]


def test_broken_connection_is_resumed(serve, target):
    half = len(BODY) // 2
    parts = iter([Answer(BODY[:half], length=len(BODY)), Answer(BODY[half:], status=206)])
    starts = serve(lambda start: next(parts))
    with pytest.raises(TransferError, match="connection ended after 128,000 of 256,000 bytes"):
        fetch(ADDRESS, target, "a file")
    assert not target.exists()
    fetch(ADDRESS, target, "a file")
    assert starts == [0, half] and target.read_bytes() == BODY


def test_server_without_ranges_restarts_cleanly(serve, target):
    starts = serve(lambda start: Answer(BODY))
    target.with_name("file.gz.part").write_bytes(b"left over")
    fetch(ADDRESS, target, "a file")
    assert starts == [9] and target.read_bytes() == BODY


def test_part_beyond_the_end_restarts_cleanly(serve, target):
    def answer(start):
        if start:
            raise refusal(416)
        return Answer(BODY)

    starts = serve(answer)
    target.with_name("file.gz.part").write_bytes(BODY + b"more")
    fetch(ADDRESS, target, "a file")
    assert starts == [len(BODY) + 4, 0] and target.read_bytes() == BODY


def test_throttled_server_is_given_up_on(serve, target, monkeypatch):
    clock = iter(range(0, 10_000, 15))
    monkeypatch.setattr(transfer.time, "monotonic", lambda: next(clock))
    serve(lambda start: Answer(bytes(10 * 2**16)))
    with pytest.raises(TransferError, match="sends only 4 kB a second"):
        fetch(ADDRESS, target, "a file", slowest=5000)
    fetch(ADDRESS, target, "a file", slowest=4000)
    assert target.stat().st_size == 10 * 2**16


def test_progress_is_one_line_for_each_unit(serve, target, monkeypatch, capsys):
    monkeypatch.setattr(transfer, "UNIT", 2**17)
    serve(lambda start: Answer(bytes(3 * 2**17)))
    fetch(ADDRESS, target, "a file")
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in said] == ["1/3", "2/3", "3/3"] and said[0].startswith("a file")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (refusal(503), "its server answers 503 some reason"),
        (TimeoutError("timed out"), "no answer in 10 seconds"),
        (urllib.error.URLError(TimeoutError()), "no answer in 10 seconds"),
        (
            urllib.error.URLError(socket.gaierror(-2, "Name or service not known")),
            "^Name or service not known$",
        ),
        (http.client.RemoteDisconnected("x"), "RemoteDisconnected"),
        (OSError(28, "No space left on device"), "^No space left on device$"),
    ],
    ids=["503", "timeout", "slow connection", "no name", "disconnected", "full disk"],
)
def test_what_goes_wrong_is_said(serve, target, error, sentence):
    def answer(start):
        raise error

    serve(answer)
    with pytest.raises(TransferError, match=sentence):
        fetch(ADDRESS, target, "a file")
