"""Values as a table prints them."""

import numpy as np


def printed(values, text):
    """The values, flattened, agree with the digits written in ``text``."""
    wanted = [float(number) for number in text.split()]
    digits = [len(number.partition(".")[2]) for number in text.split()]
    return [round(float(v), d) for v, d in zip(np.ravel(values), digits, strict=True)] == wanted
