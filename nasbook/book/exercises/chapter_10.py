"""Exercises of chapter 10: how many blocks there are, when two cells are the same, one step of the beam."""

from itertools import combinations_with_replacement, permutations, product

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import whole


def blocks(number, operations):
    """How many different blocks there are for block ``number``, from 1, in a space of so many operations.

    A block sums two operations; each reads one of the two cells before or one of the blocks before.
    """
    pairs = (number + 1) * operations
    return pairs * (pairs + 1) // 2


def check_blocks(answer) -> str | None:
    for number, operations in ((1, 2), (2, 2), (3, 3), (5, 8)):
        pairs = list(product(range(number + 1), range(operations)))
        right = len(list(combinations_with_replacement(pairs, 2)))
        given, n = answer(number, operations), len(pairs)
        if whole(given) is None:
            return f"blocks({number}, {operations}) is {given!r}: a whole number is wanted"
        more = n + operations  # halves where block 1 is taken for block 2
        causes = {
            n * n: "a sum has no order, so each block with two different halves is counted twice",
            n * (n - 1) // 2: "both halves of a block may be the same operation on the same input",
            n * n / 2: "half of all ordered blocks is too few: a block with two equal halves was never there twice",
            (n - operations) * (n - operations + 1) // 2: "block 1 has two inputs already, the outputs of two cells",
            more * (more + 1) // 2: "blocks are numbered from 1: block 1 has two inputs, not three",
        }
        if given != right:
            return causes.get(whole(given), f"blocks({number}, {operations}) is {given}, right is {right}")
    return None


def same_cell(first, second):
    """Whether two cells, lists of blocks ((operation, input), (operation, input)), are the same up to naming.

    Inputs 0 and 1 are the cells before; block 0 of a list is input 2, and so on.
    """
    wanted = [sorted(block) for block in second]
    for order in permutations(range(len(first))):
        name = {0: 0, 1: 1} | {place + 2: new for new, place in enumerate(order, 2)}
        moved = [sorted((operation, name[i]) for operation, i in first[place]) for place in order]
        if moved == wanted:
            return True
    return False


def _on(operation, read):
    """A block that reads the state ``read`` with ``operation``, and adds a dilated convolution of input 0."""
    return [(operation, read), ("dil", 0)]


ADD, POOL = [("conv", 0), ("skip", 1)], [("pool", 0), ("pool", 1)]
READS_2, READS_3 = [("skip", 2), ("skip", 2)], [("skip", 3), ("skip", 3)]
CASES = (
    ([ADD], [ADD], True, "a cell is the same as itself"),
    ([ADD], [ADD[::-1]], True, "the two halves of a block may be listed in another order, a sum has none"),
    ([ADD], [POOL], False, "cells with other operations are other cells"),
    ([ADD], [[("conv", 1), ("skip", 0)]], False, "cells that read other inputs are other cells"),
    ([ADD, POOL], [POOL, ADD], True, "blocks that do not read each other may be listed in another order"),
    (
        [ADD, POOL, READS_2],
        [POOL, ADD, READS_3],
        True,
        "when a block moves in the list, its readers must read its new number",
    ),
    ([ADD, POOL, READS_2], [ADD, POOL, READS_3], False, "the last blocks of the two cells read different blocks"),
    (
        [ADD, ADD, READS_2],
        [ADD, ADD, [("skip", 2), ("skip", 3)]],
        False,
        "reading one block twice is not reading it and its twin: twins have weights of their own, and a block that "
        "nobody reads goes to the output",
    ),
    (
        [ADD, ADD, READS_2],
        [ADD, ADD, READS_3],
        True,
        "twins may change names: which of the two is read makes no difference",
    ),
    (
        [ADD, ADD, _on("conv", 2), _on("pool", 2), _on("skip", 3)],
        [ADD, ADD, _on("conv", 2), _on("pool", 3), _on("skip", 2)],
        False,
        "written out as formulas they look alike, yet conv and pool read one block in the first cell and twins in the "
        "second: keep track of which of the two a block reads",
    ),
    ([ADD, ADD], [ADD], False, "cells of different sizes are different, though their blocks look alike"),
)


def check_same_cell(answer) -> str | None:
    for first, second, right, why in CASES:
        given = answer(list(first), list(second))
        if not isinstance(given, bool | np.bool_):
            return f"the answer for {first} and {second} is {given!r}: True or False is wanted"
        if given != right:
            return f"you say {bool(given)} for {first} and {second}: {why}"
    return None


def next_beam(beam, extend, predict, width):
    """The ``width`` different extensions of the beam's cells with the highest prediction, the highest first.

    ``extend(cell)`` lists larger cells, ``predict(cell)`` is a number.
    """
    candidates = dict.fromkeys(larger for cell in beam for larger in extend(cell))
    return sorted(candidates, key=predict, reverse=True)[:width]


LARGER = {0: [10, 11, 12], 1: [11, 12, 13], 2: [14, 12]}
EXPECTED = {10: 0.3, 11: 0.9, 12: 0.6, 13: 0.8, 14: 0.1}
# Old cells have predictions too, of middling size, so that an answer that lets them compete is seen to keep some.
PREDICTIONS = EXPECTED | {0: 0.7, 1: 0.85, 2: 0.4}


def _best(cells) -> list[int]:
    return sorted(cells, key=EXPECTED.get, reverse=True)


def check_next_beam(answer) -> str | None:
    for beam, width, right in (([0, 1, 2], 3, [11, 13, 12]), ([0, 1], 9, [11, 13, 12, 10]), ([2, 0], 2, [11, 12])):
        given = answer(list(beam), lambda cell: list(LARGER[cell]), PREDICTIONS.__getitem__, width)
        try:
            found = np.asarray(given, dtype=np.float64)  # (cells,) where it is what it should be
        except (TypeError, ValueError):
            found = np.zeros(0)
        if isinstance(given, str) or found.ndim != 1 or not len(found):
            return f"next_beam gives {given!r}: a list of cells is wanted, the best prediction first"
        found = found.tolist()
        ranked = [_best(LARGER[cell]) for cell in beam]
        each = [larger for own in ranked for larger in own[:width]]
        if found in (each, list(dict.fromkeys(each))):
            return "here each cell gave its `width` best: the width is that of the whole beam, over all extensions"
        if len(set(found)) < len(found):
            return "a cell stands in the beam twice: two cells may grow to the same one, which needs training once"
        if set(found) <= set(beam):
            return "these are the old cells: a new beam holds extensions only"
        if set(found) & set(beam):
            return "a cell of the old beam is kept, however it was predicted: only extensions compete"
        every = {larger for cell in beam for larger in LARGER[cell]}
        causes = {
            "these are the worst predictions: accuracies are better the higher they are": _best(every)[::-1],
            "only the first cell was extended: all cells of the beam compete with all their extensions": ranked[0],
            "each cell gave its best: compare all extensions of all cells": _best({own[0] for own in ranked}),
        }
        for cause, wrong in causes.items():
            if found == wrong[:width] != right:
                return cause
        if len(found) > width:
            return f"the beam holds {len(found)} cells, its width is {width}"
        if found != right:
            return f"the beam is {found}, right is {right}, the best prediction first"
    return None


EXERCISES = {
    "10.1": Exercise(
        check_blocks,
        blocks,
        "A half is an operation on an input. Block 1 has two inputs to choose from, block 2 three, and so on.",
        "With n halves to choose from there are n * n ordered blocks, of which n have two equal halves.",
        "The other n * n - n come in pairs: n + (n * n - n) / 2 = n (n + 1) / 2.",
        "136, 300, 528, 820 and 1,176 in the space of PNAS: fewer than half of what the ordered count says",
    ),
    "10.2": Exercise(
        check_same_cell,
        same_cell,
        "Try all orders of the blocks of one cell; five blocks have only 120.",
        "An order renames: the block that stood at place p and moves to q is input q + 2 from now on.",
        "Sort the two halves of every renamed block, and compare the list with that of the other cell.",
        "so 40,800 lists of two blocks are 31,620 cells, and no GPU trains one cell under two names",
    ),
    "10.3": Exercise(
        check_next_beam,
        next_beam,
        "Collect the extensions of all cells of the beam before you choose among them.",
        "`dict.fromkeys(...)` keeps each cell once, in order.",
        "`sorted(candidates, key=predict, reverse=True)[:width]` are the best, the best first.",
        "this line and a predictor are all of PNAS; how good must the predictor be before it beats drawing at random?",
    ),
}
