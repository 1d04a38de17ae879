"""The open arena on the command line: a proposal a line on standard input, each answered at once on standard output.

A proposal is a cell; `nasbook arena tables` shows its forms. Empty lines and lines that begin with # are passed over.
The answer is `SCORE LEFT left`, or `refused:` and a reason, which costs nothing. What was scored before is scored
again, and paid again. When the input or the budget ends, the summary follows. With --json all of these are objects, a
line each: {"score", "left"}, {"error", "left"}, {"summary"}.

A random search in awk, and one in Python that reads its answers:

    awk 'BEGIN {srand(7); for (n = 0; n < 20; n++) {for (e = 0; e < 6; e++) printf "%d ", 5 * rand(); print ""}}' |
        nasbook arena play --table nasbench201 --budget 20

    import random, subprocess

    command = ["nasbook", "arena", "play", "--table", "nasbench201", "--budget", "20"]
    arena = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    left = 20
    while left:
        print(*random.choices(range(5), k=6), file=arena.stdin, flush=True)
        score, left = map(float, arena.stdout.readline().split()[:2])
    print(arena.communicate()[0])
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from nasbook.base.errors import NasbookError

if TYPE_CHECKING:
    import argparse

    from nasbook.arena.challenges import Challenge


def tables() -> None:
    """Print for each table what is proposed, what is told of it, and what judges the cell that is chosen."""
    from nasbook.arena.challenges import described, open
    from nasbook.arena.proposals import how_to_propose
    from nasbook.trials.tables import TABLES

    for name, what in TABLES.items():
        challenge = open(name)
        print(f"{name}: {what}")
        print(f"  proposal  {how_to_propose(challenge.space)}")
        print(f"  told      {described(challenge.told)}")
        print(f"  judged    {described(challenge.judged)}")


def play(arguments: argparse.Namespace) -> None:
    """Answer the proposals on standard input until they or the budget end, then print the summary.

    Raises NasbookError for a bad table, budget, seed or folder, where nothing was scored, and where nobody can be
    answered.
    """
    from nasbook.arena.challenges import open

    if sys.stdin is None or sys.stdout is None:
        raise NasbookError("proposals are read from standard input and answered on standard output, and one is closed")
    sys.stdout.reconfigure(errors="backslashreplace")  # a refused proposal is said again, whatever it is written in

    def say(plain: dict[str, Any], text: str) -> None:
        print(json.dumps(plain) if arguments.json else text, flush=True)

    try:
        with open(arguments.table, arguments.budget, seed=arguments.seed, out=arguments.out) as challenge:
            _greet(challenge, sys.stdin.isatty())
            _answer(challenge, _lines(sys.stdin.buffer, sys.stdin.isatty()), say)
            report = challenge.summary()
            say({"summary": report.plain()}, str(report))
    except OSError as error:
        # the interpreter would write what is left to say once more, and fail once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        said = f"an answer cannot be written ({error.strerror or error})"
        raise NasbookError(f"{said}; what was scored is kept where --out names a folder") from error


def _greet(challenge: Challenge, person: bool) -> None:
    """What a person is told before the first proposal, and anybody who goes on with a folder."""
    from nasbook.arena.proposals import how_to_propose

    if person:
        print(f"{how_to_propose(challenge.space)}\n{challenge!r}; the end of input ends it", file=sys.stderr)
    if challenge.spent:
        known = f"{challenge.folder} holds {challenge.spent} of {challenge.budget} evaluations"
        print(f"nasbook: {known}; proposals that repeat them from the first are answered from there", file=sys.stderr)


def _answer(challenge: Challenge, lines: Iterator[bytes], say: Callable[[dict[str, Any], str], None]) -> None:
    """Answer each of ``lines`` until the budget is spent. What an earlier sitting paid is left until it is repeated."""
    from nasbook.arena.proposals import NoCell
    from nasbook.trials.ledger import BudgetSpent

    left = challenge.remaining + challenge.ahead
    while left and (line := next(lines, None)) is not None:
        try:
            score = challenge.propose(line)
        except NoCell as error:
            say({"error": str(error), "left": left}, f"refused: {error}")
        except BudgetSpent:
            return
        else:
            left = challenge.remaining + challenge.ahead
            say({"score": score, "left": left}, f"{score!r} {left} left")


def _lines(stream: BinaryIO, prompt: bool) -> Iterator[bytes]:
    """The lines that propose something; of one that is too long to be a proposal only the beginning."""
    from nasbook.arena.proposals import LONGEST

    while True:
        if prompt:
            print("> ", end="", file=sys.stderr, flush=True)
        line = part = stream.readline(LONGEST + 1)
        if not line:
            return
        while len(part) > LONGEST and not part.endswith(b"\n"):
            part = stream.readline(LONGEST + 1)
        if not line.lstrip().startswith(b"#") and (line.strip() or len(line) > LONGEST):
            yield line
