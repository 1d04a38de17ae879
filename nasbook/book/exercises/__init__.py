"""The book's exercises: a reader writes a function, ``nb.check("01.1", function)`` answers in one sentence.

One file a chapter, ``chapter_NN.py``, with ``EXERCISES``: {"01.1": Exercise(...), ...}. The value that a
check expects comes from numbers worked out by hand, from an independent slow way or from enumeration,
never from the reader's function.
"""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from nasbook.base.errors import NasbookError, one_of
from nasbook.drawing.parts.source import Listing, source

STRICT = "NASBOOK_STRICT"
"""Environment variable: set to 1, a failed check raises, for whoever marks notebooks by machine."""


@dataclass(frozen=True)
class Exercise:
    """``check`` gets the reader's function and returns what is wrong in one sentence, or None.

    ``diagnosis`` hands it the function so wrapped that a call gets copies: no answer can change what a check holds.

    Of the three hints each says more than the one before; ``praise`` is what a right answer has shown.
    """

    check: Callable[[Callable], str | None]
    solution: Callable
    hint_1: str
    hint_2: str
    hint_3: str
    praise: str

    @property
    def hints(self) -> tuple[str, str, str]:
        return self.hint_1, self.hint_2, self.hint_3


def check(number: str, answer: Callable, hint: int = 0) -> None:
    """Print whether ``answer`` solves exercise ``number`` ("01.1"), with one sentence of diagnosis if not.

    ``hint``: 1 to 3 prints a hint as well, each saying more than the one before. A failed check raises
    NasbookError where the environment variable NASBOOK_STRICT is 1; an unknown exercise, an answer that is
    no function and a hint that does not exist always do.
    """
    exercise = find(number)
    if type(hint) is not int or hint not in range(4):
        raise NasbookError(f"there is no hint {hint!r}: valid are 1 to 3, and 0 for none")
    wrong = diagnosis(number, answer)
    print(f"\N{CHECK MARK} {number}: {exercise.praise}" if wrong is None else f"\N{BALLOT X} {number}: {wrong}")
    if hint:
        print(f"  hint {hint} of 3: {exercise.hints[hint - 1]}")
    if wrong is not None and os.environ.get(STRICT) == "1":
        raise NasbookError(f"exercise {number}: {wrong}")


def diagnosis(number: str, answer: Callable) -> str | None:
    """What is wrong with ``answer`` to exercise ``number`` in one sentence; None if nothing is.

    Raises NasbookError for an unknown exercise and for an answer that cannot be called.
    """
    exercise = find(number)
    if not callable(answer):
        raise NasbookError(
            f"nb.check({number!r}, ...) wants your function itself, without calling it; it got {answer!r}"
        )

    def on_copies(*args, **kwargs):
        args, kwargs = copy.deepcopy((args, kwargs))
        return answer(*args, **kwargs)

    try:
        return exercise.check(on_copies)
    except NotImplementedError:
        call = f"nb.check({number!r}, {getattr(answer, '__name__', 'your_function')}, hint=1)"
        return f"not written yet: replace the line that raises NotImplementedError; {call} gives a hint"
    except (Exception, SystemExit) as error:
        said = str(error).split("\n")[0]
        return f"your function stopped with {type(error).__name__}: {said}"


def solution(number: str) -> Listing:
    """The source of the book's own answer to exercise ``number``. Raises NasbookError for an unknown one."""
    return source(find(number).solution)


def find(number: str) -> Exercise:
    """Exercise ``number``, such as "01.1". Raises NasbookError, naming the nearest, if there is none."""
    chapter = f"chapter_{str(number)[:2]}"
    known = chapters()
    if chapter in known:
        exercises = import_module(f"nasbook.book.exercises.{chapter}").EXERCISES
        return exercises[one_of(number, exercises, "exercise")]
    raise NasbookError(f"unknown exercise {number!r}: chapters with exercises are {', '.join(k[-2:] for k in known)}")


def chapters() -> list[str]:
    """Module names of the chapters that have exercises, in order."""
    return sorted(module.name for module in iter_modules(__path__) if module.name.startswith("chapter_"))
