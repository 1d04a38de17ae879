"""The journal of evaluations: the same bits again, damaged files, full disks."""

import signal

import pytest
from judges import Noisy, length

import nasbook as nb
from nasbook.runs.journal import Journal, read
from nasbook.trials.evaluators import ChildFailed, Function
from nasbook.trials.ledger import Ledger


def filled(path, architectures, **options):
    with Journal(path) as journal:
        spent = Ledger(Noisy(), seed=3, journal=journal, **options)
        return spent, spent.evaluate(architectures)


def test_a_journal_gives_back_the_same_bits_and_only_the_rest_is_evaluated(tmp_path):
    path, asked = tmp_path / "evaluations.csv", [2, 5, 4, 6, 8]
    whole, expected = filled(path, asked)
    assert read(path) == whole.rows
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(len(asked) + 1):
        path.write_bytes(b"".join(lines[: kept + 1]))
        calls = []

        def mapper(function, jobs, calls=calls):
            calls += [one for one, _ in jobs]
            return map(function, jobs)

        again, scores = filled(path, asked, mapper=mapper)
        assert calls == asked[kept:]
        assert scores.tolist() == expected.tolist() and again.rows == whole.rows
        assert path.read_bytes() == b"".join(lines)


def test_each_row_is_on_disk_before_the_next_evaluation_begins(tmp_path):
    path, seen = tmp_path / "evaluations.csv", []

    def look(architecture):
        seen.append(len(path.read_bytes().splitlines()) - 1)
        return 0.5

    with Journal(path) as journal:
        Ledger(Function(look, "look"), journal=journal).evaluate(["a", "b", "c"])
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_half_a_line_is_cut_off_with_a_word_and_evaluated_again(tmp_path, capfd, cut):
    path = tmp_path / "evaluations.csv"
    whole, _ = filled(path, [2, 4, 6])
    raw = path.read_bytes()
    path.write_bytes(raw[:-cut])
    again, _ = filled(path, [2, 4, 6])
    assert again.rows == whole.rows and path.read_bytes() == raw
    assert "ended in half a line" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda lines: [b"order,architecture\n", *lines[1:]], "its first line is not order,architecture,score"),
        (lambda lines: [], "its first line is not"),
        (lambda lines: [*lines[:2], b"\x00\xff\n", *lines[3:]], "damaged in line 3"),
        (lambda lines: [lines[0], *lines[2:]], "damaged in line 2"),
        (lambda lines: [*lines[:3], lines[3].replace(b"0.", b"x.")], "damaged in line 4"),
        (lambda lines: [*lines[:3], b"2,6,nan,6.0,\n"], "damaged in line 4"),
        (lambda lines: [*lines[:3], b"2,6,0.5,-1.0,\n"], "damaged in line 4"),
        (lambda lines: [*lines[:3], b"2,6,-0.5,6.0,\n"], "damaged in line 4"),
        (lambda lines: [*lines[:3], b"2,6,0.5\n"], "damaged in line 4"),
    ],
)
def test_a_damaged_journal_is_one_sentence_and_is_not_touched(tmp_path, harm, said):
    path = tmp_path / "evaluations.csv"
    filled(path, [2, 4, 6])
    path.write_bytes(b"".join(harm(path.read_bytes().splitlines(keepends=True))))
    before = path.read_bytes()
    with pytest.raises(nb.NasbookError, match=said) as caught:
        filled(path, [2, 4, 6])
    assert "\n" not in str(caught.value) and path.read_bytes() == before


def test_a_journal_of_another_search_is_refused(tmp_path):
    path = tmp_path / "evaluations.csv"
    filled(path, [2, 4])
    with pytest.raises(nb.NasbookError, match=r"evaluation 1 in .* is 4 and this search asks for 6"):
        filled(path, [2, 6])


def test_commas_quotes_and_umlauts_survive_the_journal(tmp_path):
    names = ['[("a", 1), ("b", 2)]', "größe, 'x'", 'he said "no"']
    with Journal(tmp_path / "j.csv") as journal:
        Ledger(Function(length), journal=journal).evaluate(names)
    assert [row.architecture for row in read(tmp_path / "j.csv")] == names


def test_a_full_disk_is_one_sentence_and_what_is_there_stays(tmp_path):
    path = tmp_path / "evaluations.csv"
    with Journal(path) as journal:
        spent = Ledger(Noisy(), seed=3, journal=journal)
        spent.evaluate([2, 4])

        class Full:
            def write(self, line):
                raise OSError(28, "No space left on device")

            def close(self):
                pass

        stream, journal._stream = journal._stream, Full()
        with pytest.raises(nb.NasbookError, match="No space left on device; free space"):
            spent.evaluate([6])
        stream.close()
    assert [row.architecture for row in read(path)] == ["2", "4"]


def test_a_disk_that_is_full_stays_one_sentence_when_the_journal_closes(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "evaluations.csv"
    filled(path, [2, 4])
    before = path.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, limits[1]))
        with pytest.raises(nb.NasbookError, match=r"cannot write .*; free space"):
            filled(path, [2, 4, 6])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes().startswith(before)
    filled(path, [2, 4, 6])
    assert [row.architecture for row in read(path)] == ["2", "4", "6"]


def test_whatever_a_failed_child_says_the_journal_can_be_read_again(tmp_path):
    def fail(architecture):
        raise ChildFailed("shape \ud800 \0 " + "9" * 200_000)

    for _ in range(2):
        with Journal(tmp_path / "j.csv") as journal:
            Ledger(Function(fail, "fail"), journal=journal).evaluate(["a"])
    (row,) = read(tmp_path / "j.csv")
    assert row.failure.startswith("shape") and len(row.failure) < 2000
