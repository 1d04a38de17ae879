"""The chapters that exist: the one list from which the README's table and the map of notebook 00 are made.

``python -m nasbook.book.chapters`` writes both; a new chapter is a line of ``CHAPTERS``.
"""

import re

from nasbook.base.files import repository, write_atomically
from nasbook.book.running import notebook_files

CHAPTERS = {
    "00_start_here": ("Start here", "the first search, and how to read its picture"),
    "01_markov_chains": ("Markov chains", "where a process goes when nobody steers"),
    "02_hidden_markov_models": ("Hidden Markov models", "what observations say about a state that is not seen"),
    "03_markov_decision_processes": ("Markov decision processes", "what to do, with the odds known or learned"),
    "04_pomdps": ("POMDPs", "what to do when the state is not seen"),
    "05_bandits": ("Bandits", "one decision, again and again; judging a policy from another one's log"),
    "06_policy_gradients": ("Policy gradients", "learning by the gradient of a mean over draws, and its noise"),
    "07_search_spaces": ("Search spaces", "a space whose truth is known in full; random search, evolution"),
    "08_nas_with_rl": ("NAS with RL", "an architecture is a sentence, and a controller learns to say it"),
    "09_enas": ("ENAS", "sharing weights, and what it does to the ranking"),
    "10_pnas": ("PNAS", "growing cells under a predictor; all searches by trial side by side"),
    "11_darts": ("DARTS", "blend all operations, descend on the blend; what second order adds"),
    "13_gumbel": ("Gumbel", "five samplers side by side, and what a gradient through a draw is worth"),
    "14_gdas": ("GDAS", "sample one operation an edge, learn through the sample"),
    "15_data": ("DATA", "several operations an edge, from the union of several draws"),
    "16_msg_das": ("MSG-DAS", "several sub-graphs a step, guided by the super-net; all methods in one table"),
}
"""Title and one line of each notebook, by its name."""

PARTS = {
    "I Deciding": (range(1, 7), "how does one choose when outcomes are uncertain?"),
    "II Searching by trial": (range(7, 11), "how does one search when each try costs a training?"),
    "III Searching by gradient": (range(11, 17), "how does one search with one training?"),
    "IV Judging": (range(17, 23), "which search is better, and how do we know?"),
}
"""Numbers of the chapters of each part, and the question that the part answers."""


def readme_table() -> str:
    """One row a chapter, with links from the root of the repository."""
    rows = [f"| {name[:2]} | [{title}](notebooks/{name}.ipynb) | {line} |" for name, (title, line) in CHAPTERS.items()]
    return "\n".join(["| | chapter | |", "|---|---|---|", *rows])


def map_table() -> str:
    """One row a part that has chapters, with links from the folder of the notebooks."""
    rows = ["| part | chapters | question |", "|---|---|---|"]
    for part, (numbers, question) in PARTS.items():
        links = [f"[{n[:2]} {title}]({n}.ipynb)" for n, (title, _) in CHAPTERS.items() if int(n[:2]) in numbers]
        if links:
            rows.append(f"| {part} | {', '.join(links)} | {question} |")
    return "\n".join(rows)


def with_table(text: str, table: str) -> str:
    """``text`` with ``table`` in place of the table that has the same first line."""
    heading = re.escape(table.splitlines()[0])
    return re.sub(rf"^{heading}(\n\|.*)*", lambda _: table, text, flags=re.MULTILINE)


def main() -> None:
    """Write both tables into their files."""
    readme = repository() / "README.md"
    write_atomically(readme, with_table(readme.read_text(encoding="utf-8"), readme_table()))
    start = repository() / "notebooks" / "00_start_here.ipynb"
    book = notebook_files.read(start)
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = with_table(cell.source, map_table())
    write_atomically(start, notebook_files.text(book))


if __name__ == "__main__":
    main()
