"""Every check of an exercise passes on the solution, and fails on the stub and on each listed wrong answer."""

import importlib
import json
from pathlib import Path

import pytest

import nasbook as nb
from nasbook import exercises

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CHAPTERS = {
    name[-2:]: (
        importlib.import_module(f"nasbook.exercises.{name}").EXERCISES,
        importlib.import_module(f"wrong_answers.{name}").WRONG,
    )
    for name in exercises.chapters()
}
EVERY = [number for found, _ in CHAPTERS.values() for number in found]
WRONG = [
    pytest.param(number, answer, phrase, id=f"{number}-{answer.__name__}")
    for _, wrong in CHAPTERS.values()
    for number, answers in wrong.items()
    for answer, phrase in answers
]


def stub(*args, **kwargs):
    raise NotImplementedError("not written")


def test_every_chapter_has_three_exercises_and_its_wrong_answers():
    assert CHAPTERS
    for chapter, (found, wrong) in CHAPTERS.items():
        assert list(found) == [f"{chapter}.{place}" for place in (1, 2, 3)]
        assert list(wrong) == list(found)
        for number in found:
            phrases = [phrase for _, phrase in wrong[number]]
            assert 2 <= len(phrases) <= 4 and len(set(phrases)) == len(phrases), number


@pytest.mark.parametrize("number", EVERY)
def test_the_solution_passes(number, capsys, monkeypatch):
    monkeypatch.setenv(exercises.STRICT, "1")
    nb.check(number, exercises.find(number).solution)
    assert capsys.readouterr().out.startswith(f"\N{CHECK MARK} {number}: ")


@pytest.mark.parametrize("number", EVERY)
def test_the_stub_fails(number):
    assert exercises.diagnosis(number, stub).startswith("not written yet")


@pytest.mark.parametrize("number", EVERY)
def test_an_answer_of_nothing_fails(number):
    assert exercises.diagnosis(number, lambda *args, **kwargs: None)


@pytest.mark.parametrize(("number", "answer", "phrase"), WRONG)
def test_a_wrong_answer_gets_its_own_sentence(number, answer, phrase):
    said = exercises.diagnosis(number, answer)
    assert said is not None and phrase in said
    others = [other for other, _ in CHAPTERS[number[:2]][1][number] if other is not answer]
    assert said not in [exercises.diagnosis(number, other) for other in others]


@pytest.mark.parametrize("number", EVERY)
def test_there_are_three_different_hints_and_a_solution_to_read(number, capsys):
    exercise = exercises.find(number)
    assert len({*exercise.hints, exercise.praise}) == 4
    nb.check(number, stub, hint=3)
    assert exercise.hints[2] in capsys.readouterr().out
    assert "def " in nb.solution(number).text


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_notebook_holds_each_stub_and_its_check(chapter):
    (path,) = NOTEBOOKS.glob(f"{chapter}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    marked = [place for place, cell in enumerate(cells) if "exercise" in cell["metadata"].get("tags", [])]
    assert len(marked) == 3
    for place, number in zip(marked, CHAPTERS[chapter][0]):
        assert f'raise NotImplementedError("exercise {number}")' in "".join(cells[place]["source"])
        assert f'nb.check("{number}", ' in "".join(cells[place + 1]["source"])
        said = "".join("".join(output.get("text", "")) for output in cells[place + 1]["outputs"])
        assert said.startswith(f"\N{BALLOT X} {number}: not written yet")


def test_a_failed_check_says_so_and_raises_only_when_asked(capsys, monkeypatch):
    number = EVERY[0]
    monkeypatch.delenv(exercises.STRICT, raising=False)
    nb.check(number, stub)
    assert capsys.readouterr().out.startswith(f"\N{BALLOT X} {number}: not written yet")
    monkeypatch.setenv(exercises.STRICT, "1")
    with pytest.raises(nb.NasbookError, match="not written yet"):
        nb.check(number, stub)


def test_an_answer_that_breaks_is_told_so():
    assert "ZeroDivisionError: division by zero" in exercises.diagnosis(EVERY[0], lambda *args, **kwargs: 1 / 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("99.1", stub), "chapters with exercises are"),
        ((f"{EVERY[0][:2]}.9", stub), "did you mean"),
        ((EVERY[0], 3), "your function itself"),
        ((EVERY[0], stub, 4), "valid are 1 to 3"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments, said):
    with pytest.raises(nb.NasbookError, match=said):
        nb.check(*arguments)
