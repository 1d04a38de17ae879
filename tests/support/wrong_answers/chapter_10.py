"""Typical wrong answers of chapter 10, each with a phrase of the sentence that it must get."""

from nasbook.book.exercises import chapter_10 as right


def ordered(number, operations):
    return ((number + 1) * operations) ** 2


def different_halves(number, operations):
    pairs = (number + 1) * operations
    return pairs * (pairs - 1) // 2


def half_of_the_ordered(number, operations):
    return ((number + 1) * operations) ** 2 / 2


def one_input_short(number, operations):
    return right.blocks(number - 1, operations)


def from_zero(number, operations):
    return right.blocks(number + 1, operations)


def as_lists(first, second):
    return first == second


def sorted_halves(first, second):
    return [sorted(block) for block in first] == [sorted(block) for block in second]


def sorted_blocks(first, second):
    return sorted(map(sorted, first)) == sorted(map(sorted, second))


def formulas(cell):
    known = [("input 0",), ("input 1",)]
    for block in cell:
        known.append(tuple(sorted((operation, known[i]) for operation, i in block)))
    return [repr(one) for one in known[2:]]


def trees(first, second):
    return sorted(formulas(first)) == sorted(formulas(second))


def trees_and_loose_ends(first, second):
    def loose(cell):
        read = {i for block in cell for _, i in block}
        return sorted(formula for place, formula in enumerate(formulas(cell), 2) if place not in read)

    return trees(first, second) and loose(first) == loose(second)


def with_duplicates(beam, extend, predict, width):
    return sorted([larger for cell in beam for larger in extend(cell)], key=predict, reverse=True)[:width]


def the_worst(beam, extend, predict, width):
    return sorted({larger for cell in beam for larger in extend(cell)}, key=predict)[:width]


def best_of_each(beam, extend, predict, width):
    best = dict.fromkeys(max(extend(cell), key=predict) for cell in beam)
    return sorted(best, key=predict, reverse=True)[:width]


def width_best_of_each(beam, extend, predict, width):
    return [larger for cell in beam for larger in sorted(extend(cell), key=predict, reverse=True)[:width]]


def old_cells_kept(beam, extend, predict, width):
    everybody = dict.fromkeys([*beam, *(larger for cell in beam for larger in extend(cell))])
    return sorted(everybody, key=predict, reverse=True)[:width]


def first_cell_only(beam, extend, predict, width):
    return right.next_beam(beam[:1], extend, predict, width)


def with_predictions(beam, extend, predict, width):
    return [(cell, predict(cell)) for cell in right.next_beam(beam, extend, predict, width)]


WRONG = {
    "10.1": [
        (ordered, "a sum has no order"),
        (different_halves, "may be the same operation on the same input"),
        (half_of_the_ordered, "half of all ordered blocks is too few"),
        (one_input_short, "block 1 has two inputs already"),
        (from_zero, "numbered from 1"),
    ],
    "10.2": [
        (as_lists, "a sum has none"),
        (sorted_halves, "may be listed in another order"),
        (sorted_blocks, "its readers must read its new number"),
        (trees, "not reading it and its twin"),
        (trees_and_loose_ends, "which of the two a block reads"),
    ],
    "10.3": [
        (with_duplicates, "stands in the beam twice"),
        (the_worst, "these are the worst predictions"),
        (best_of_each, "each cell gave its best"),
        (width_best_of_each, "the width is that of the whole beam"),
        (old_cells_kept, "only extensions compete"),
        (first_cell_only, "only the first cell was extended"),
        (with_predictions, "a list of cells is wanted"),
    ],
}
