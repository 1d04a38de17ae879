"""The command line: ``nasbook run | data | bench | arena | doctor | lab``.

Exit status: 0 done, 1 a notebook or a check failed, 2 bad input (one sentence on standard error),
130 Ctrl-C, 143 SIGTERM.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from nasbook.base.errors import NasbookError, exit_with, one_of
from nasbook.book import playing


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose every complaint is one sentence, with the nearest match where there is one."""

    def error(self, message: str):
        raise NasbookError(f"{message}; `{self.prog} --help` shows what is valid")


def _parser() -> tuple[_Parser, dict[str, _Parser]]:
    from nasbook import __version__

    parser = _Parser(prog="nasbook", description="The workbook of architecture search.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"nasbook {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser("run", help="execute a notebook, strictly", allow_abbrev=False)
    run.add_argument("name", metavar="NAME", help="14_gdas, 14, or the path of a notebook")
    run.add_argument("--profile", help="smoke, lesson or paper; short for -p PROFILE=...")
    run.add_argument(
        "-p", dest="parameters", metavar="NAME=VALUE", action="append", default=[], help="a parameter; repeatable"
    )
    run.add_argument("--out", metavar="FOLDER", help="run folder (default: runs/NAME-PROFILE-SEED)")
    run.add_argument(
        "--cell-timeout",
        metavar="SECONDS",
        type=int,
        help="limit for each cell (default: 600 in smoke, 14400 in lesson, none in paper)",
    )
    run.add_argument("--store", action="store_true", help="also keep the outputs in the notebook itself")

    data = commands.add_parser("data", help="list, get and verify data sets", allow_abbrev=False)
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    actions.add_parser("list", help="which data sets there are, and where they lie", allow_abbrev=False)
    for action, what in {"get": "fetch a data set", "verify": "check a data set's checksum"}.items():
        actions.add_parser(action, help=what, allow_abbrev=False).add_argument("name", metavar="NAME")

    bench = commands.add_parser("bench", help="make the table of truth that ships", allow_abbrev=False)
    makers = bench.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    build = makers.add_parser(
        "build", help="train what the table lacks; stop and continue as you like", allow_abbrev=False
    )
    build.add_argument("--out", metavar="FOLDER", help="where the table lies (default: data/cellbench)")
    build.add_argument("--seeds", metavar="N", type=int, default=3, help="trainings of each cell (default: 3)")
    build.add_argument("--workers", metavar="N", type=int, default=2, help="processes of one thread (default: 2)")
    build.add_argument("--limit", metavar="N", type=int, help="at most so many trainings now")

    arena = commands.add_parser("arena", help="propose cells, by any program or by hand", allow_abbrev=False)
    games = arena.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    play = games.add_parser(
        "play",
        help="read proposals from standard input and answer each",
        description=playing.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    play.add_argument("--table", metavar="NAME", default="nasbench201", help="a table of truth (default: nasbench201)")
    play.add_argument("--budget", metavar="N", type=int, default=100, help="how many are scored (default: 100)")
    play.add_argument("--seed", metavar="S", type=int, default=0, help="draws the trainings of cellbench (default: 0)")
    play.add_argument("--out", metavar="FOLDER", help="keep a journal there, and go on with it (default: keep nothing)")
    play.add_argument("--json", action="store_true", help="answer in JSON")
    games.add_parser("tables", help="what can be proposed, is told, and judges", allow_abbrev=False)

    commands.add_parser("doctor", help="check this machine: fine, or the exact fix", allow_abbrev=False)
    lab = commands.add_parser("lab", help="open JupyterLab on a notebook", allow_abbrev=False)
    lab.add_argument("name", metavar="NAME", nargs="?", default="00", help="as for run (default: 00)")
    nested = {"data": actions, "bench": makers, "arena": games}
    inner = {f"{outer} {name}": sub for outer, group in nested.items() for name, sub in group.choices.items()}
    return parser, {**commands.choices, **inner}


def _parse(argv: list[str]) -> argparse.Namespace:
    parser, commands = _parser()
    named = [word for word in argv if not word.startswith("-")][:2]
    if named and argv[0] == named[0]:
        one_of(named[0], [name for name in commands if " " not in name], "command")
    inner = [name.partition(" ")[2] for name in commands if name.startswith(f"{named[0]} ")] if named else []
    if inner and len(named) == 2:
        one_of(named[1], inner, f"{named[0]} command")
    arguments, rest = parser.parse_known_args(argv)
    if rest:
        chosen = f"{arguments.command} {arguments.action}" if "action" in arguments else arguments.command
        options = sorted(commands[chosen]._option_string_actions) if chosen else ["--help", "--version"]
        if rest[0].startswith("-"):
            one_of(rest[0].partition("=")[0], options, f"option of nasbook {chosen or ''}".rstrip())
        raise NasbookError(f"nasbook {chosen} does not take {rest[0]!r}; `nasbook {chosen} --help` shows what is valid")
    if arguments.command is None:
        parser.print_help()
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status; no NasbookError and no Ctrl-C leaves it as a traceback."""
    try:
        arguments = _parse(sys.argv[1:] if argv is None else argv)
        if arguments.command is None:
            return 0
        return _COMMANDS[arguments.command](arguments)
    except SystemExit as leave:
        return int(leave.code or 0)
    except NasbookError as error:
        return exit_with(error)
    except KeyboardInterrupt as stop:
        if not hasattr(stop, "status"):
            print("nasbook: stopped", file=sys.stderr)
        return getattr(stop, "status", 130)


def _run(arguments: argparse.Namespace) -> int:
    from nasbook.book.running import runner

    given = runner.parse_parameters(arguments.parameters, arguments.profile)
    # a folder of an earlier run would be loaded, and old results stored as if they were new
    fresh = arguments.store and arguments.out is None
    out = os.path.join(tempfile.gettempdir(), f"nasbook-{uuid.uuid4().hex}") if fresh else arguments.out
    request = runner.prepare(arguments.name, given, out, arguments.cell_timeout, arguments.store)
    said = ", ".join(f"{key.lower()} {value}" for key, value in request.parameters.items() if value != {})
    print(f"running {request.name} ({said}) -> {shown(request.out)}", flush=True)
    try:
        runner.run(request)
    except runner.NotebookFailed as error:
        print(f"nasbook: {request.name}, {error}; see {shown(request.out / 'notebook.ipynb')}", file=sys.stderr)
        return 1
    if fresh:
        shutil.rmtree(request.out, ignore_errors=True)
        print(f"kept the outputs in {shown(request.path)}")
    else:
        print(ending(request.out))
    return 0


def ending(folder: Path) -> str:
    """What a run leaves on the terminal: the found cell as text, one sentence on it, and the places."""
    lines = []
    if (folder / "genotype.json").exists():
        from nasbook.drawing import genotype_sentence
        from nasbook.spaces.genotypes import Genotype

        genotype = Genotype.from_json((folder / "genotype.json").read_text(encoding="utf-8"))
        sentence = genotype_sentence(genotype.kinds)
        lines += [str(genotype), f"{sentence[0].upper()}{sentence[1:]}."]
    picture = next((p for p in sorted((folder / "figures").glob("cell_normal.*"), reverse=True)), None)
    places = {"notebook": folder / "notebook.ipynb", "run folder": folder, "picture": picture}
    lines += [f"{what + ':':<11} {shown(path)}" for what, path in places.items() if path]
    return "\n".join(lines)


def shown(path: Path) -> str:
    """The path as a reader at this prompt would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _data(arguments: argparse.Namespace) -> int:
    from nasbook.datasets import catalogue as sets
    from nasbook.trials.tables import catalogue as tables

    if arguments.action == "list":
        for row in sets.listing() + tables.listing():
            ready = "ready  " if row["ready"] else "missing"
            print(f"{row['name']:<15} {ready}  {row['what']}; {row['where']}")
        return 0
    name = one_of(arguments.name, [*sets.SETS, *tables.TABLES], "dataset")
    home = tables if name in tables.TABLES else sets
    print({"get": home.get, "verify": home.verify}[arguments.action](name))
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from nasbook.trials.tables.build import build

    print(build(arguments.out, seeds=arguments.seeds, workers=arguments.workers, limit=arguments.limit))
    return 0


def _arena(arguments: argparse.Namespace) -> int:
    if arguments.action == "tables":
        playing.tables()
    else:
        playing.play(arguments)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from nasbook.book import doctor

    findings = doctor.examine()
    for finding in findings:
        print(finding, flush=True)
    return 0 if all(finding.fine for finding in findings) else 1


def _lab(arguments: argparse.Namespace) -> int:
    from nasbook.book.running import notebook_files

    command = [sys.executable, "-m", "jupyterlab", str(notebook_files.find(arguments.name))]
    if os.name == "posix":
        # JupyterLab takes this process over, so that Ctrl-C reaches it alone
        os.execv(sys.executable, command)
    return subprocess.call(command)


_COMMANDS = {"run": _run, "data": _data, "bench": _bench, "arena": _arena, "doctor": _doctor, "lab": _lab}

if __name__ == "__main__":
    sys.exit(main())
