"""The one error that users meet: a clear sentence with the way out, never a traceback from inside."""

import difflib
import sys
from collections.abc import Iterable


class NasbookError(ValueError):
    """Bad input, a bad file or a bad machine, said in one sentence; the command line exits with status 2."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def one_of(given: object, valid: Iterable[str], what: str) -> str:
    """Return ``given`` if it is one of ``valid``; else raise NasbookError naming the nearest match."""
    names = list(valid)
    if given in names:
        return str(given)
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(str(given).casefold(), folded, n=1, cutoff=0.5)
    hint = f"; did you mean {folded[near[0]]!r}?" if near else ""
    raise NasbookError(f"unknown {what} {given!r}: valid are {', '.join(names)}{hint}")


def _say_and_exit(kind: type[BaseException], error: BaseException, trace, hook=sys.excepthook) -> None:
    """In a script an uncaught NasbookError is its sentence and exit status 2; all else goes to the hook before."""
    if not isinstance(error, NasbookError):
        hook(kind, error, trace)
        return
    raise SystemExit(exit_with(error))


sys.excepthook = _say_and_exit


def exit_with(error: NasbookError) -> int:
    """Print the sentence on standard error and return the exit status for bad input."""
    print(f"nasbook: {error}", file=sys.stderr)
    return 2
