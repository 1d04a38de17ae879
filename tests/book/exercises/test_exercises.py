"""Every check of an exercise passes on the solution, and fails on the stub and on each listed wrong answer."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import nasbook as nb
from nasbook.book import exercises
from nasbook.book.exercises.compare import differs

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
CHAPTERS = {
    name[-2:]: (
        importlib.import_module(f"nasbook.book.exercises.{name}").EXERCISES,
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
            assert len(phrases) >= 2 and len(set(phrases)) == len(phrases), number


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


def moved(result):
    return type(result)(map(moved, result)) if isinstance(result, tuple | list) else np.asarray(result) + 0.1


@pytest.mark.parametrize("number", EVERY)
def test_every_call_of_a_check_counts(number):
    exercise, calls = exercises.find(number), []

    def answer(*args, **kwargs):
        calls.append(args)
        result = exercise.solution(*args, **kwargs)
        return moved(result) if len(calls) - 1 == spoiled else result

    spoiled = -1
    assert exercise.check(answer) is None
    for spoiled in range(len(calls)):
        calls.clear()
        assert exercise.check(answer) is not None, f"call {spoiled} is not compared"


def wreck(given):
    """Overwrite everything in ``given`` that can be changed in place."""
    if isinstance(given, np.ndarray):
        given.fill(7)
    elif isinstance(given, torch.Tensor):
        given.detach().fill_(7)
    elif isinstance(given, torch.nn.Module):
        wreck(list(given.parameters()))
        given._modules.clear()
    elif isinstance(given, list | tuple | dict):
        for one in given.values() if isinstance(given, dict) else given:
            wreck(one)
        if not isinstance(given, tuple):
            given.clear()


@pytest.mark.parametrize("number", EVERY)
def test_an_answer_may_change_its_arguments(number):
    solution = exercises.find(number).solution

    def answer(*args, **kwargs):
        result = solution(*args, **kwargs)
        wreck([args, kwargs])
        return result

    assert exercises.diagnosis(number, answer) is None
    assert exercises.diagnosis(number, solution) is None, "an answer before spoiled the check"


@pytest.mark.parametrize("number", EVERY)
@pytest.mark.parametrize("junk", ["junk", ["a", "b"], [[1, 2], 3], {}, [], object, float("nan")], ids=repr)
def test_junk_gets_a_sentence_about_the_answer(number, junk):
    said = exercises.diagnosis(number, lambda *args, **kwargs: junk)
    assert said and "stopped with" not in said


@pytest.mark.parametrize(
    ("stop", "said"),
    [(lambda *given: 1 / 0, "ZeroDivisionError: division by zero"), (lambda *given: sys.exit(3), "SystemExit: 3")],
)
def test_an_answer_that_breaks_is_told_so(stop, said):
    assert said in exercises.diagnosis(EVERY[0], stop)


def test_an_answer_can_be_interrupted():
    def interrupted(*given):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.diagnosis(EVERY[0], interrupted)


@pytest.mark.parametrize(
    ("given", "right", "tolerance", "said"),
    [
        (3 + 1e-9, 3, 1e-6, None),
        (3 + 1e-3, 3, 1e-6, "it is 3.001, right is 3"),
        ([1.0, 2.25], [1, 2], 0.25, None),
        ([1.0, 2.25], [1, 2], 0.2, "entry [1] of it is 2.25, right is 2"),
        (2, 2, 0, None),
        (2, 3, 0, "it is 2, right is 3"),
        (2.00000001, 2, 1e-9, "it is 2.00000001, right is 2"),
        (torch.ones(2, requires_grad=True), [1, 1], 0, None),
        ([[0, 1], [2, 5]], [[0, 1], [2, 3]], 1, "entry [1, 1] of it is 5, right is 3"),
        (1, [1, 2], np.inf, "it has the shape (), wanted is (2,)"),
        ([1, 2], [[1, 2]], np.inf, "it has the shape (2,), wanted is (1, 2)"),
        ([3], 3, np.inf, "it has the shape (1,), a single number is wanted"),
        ([1, float("nan")], [1, 2], np.inf, "it holds NaN or infinity"),
        (float("inf"), 1, np.inf, "it holds NaN or infinity"),
        (None, 1, np.inf, "it is None: is a `return` missing?"),
        ([[1, 2], [3]], [1, 2], np.inf, "it is a list that makes no array of numbers"),
    ],
)
def test_a_difference_is_one_sentence(given, right, tolerance, said):
    assert differs(given, right, "it", tolerance) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("99.1", stub), "chapters with exercises are"),
        ((f"{EVERY[0][:2]}.9", stub), "did you mean"),
        ((EVERY[0], 3), "your function itself"),
        *(((EVERY[0], stub, hint), "valid are 1 to 3") for hint in (4, -1, 1.0, "1", True, [1])),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments, said):
    with pytest.raises(nb.NasbookError, match=said):
        nb.check(*arguments)
