"""What a search refuses, each in one sentence, before it has claimed or destroyed anything."""

import subprocess
import sys

import numpy as np
import pytest
from tiny import TINY

import nasbook as nb
from nasbook.searchers import METHODS, SHARING, TRIALS


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'.*did you mean 'epochs'"),
        ({"epochs": "3"}, "epochs is '3'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"channels": 1}, "channels is 1.*at least 2"),
        ({"channels": 6, "fixed_reduction": True}, "channels is 6.*divisible by 4: try 8"),
        ({"channels": True}, "channels is True"),
        ({"operations": ("sep_conv_3x3", "sepconv")}, "unknown operation 'sepconv'"),
        ({"operations": ("none",)}, "besides none"),
        ({"order": ("weights",)}, "weights.*alphas"),
        ({"sample_per": "cells"}, "sample_per is 'cells'"),
        ({"split": (0.9, 0.2, 0.1)}, "fractions"),
        ({"batch_size": 100_000}, "batch"),
        ({"cells": 2}, "cells is 2"),
        ({"weight_lr": float("inf")}, "weight_lr is inf"),
        ({"nodes": 0}, "nodes is 0"),
        ({"padding": 10**9}, "padding is 1000000000"),
        ({"threads": 10**9}, "threads is 1000000000: .*less than or equal to 1024"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(digits, tmp_path, overrides, said):
    out = tmp_path / "run"
    with pytest.raises(nb.NasbookError, match=said) as caught:
        nb.search("gdas", data=digits, out=out, **{**TINY, **overrides})
    assert "\n" not in str(caught.value)


def test_a_refused_call_does_not_claim_its_folder(digits, tmp_path):
    with pytest.raises(nb.NasbookError, match="batch"):
        nb.search("gdas", data=digits, out=tmp_path, **{**TINY, "batch_size": 100_000})
    assert not list(tmp_path.iterdir())


def test_a_numpy_seed_is_an_integer(digits, tmp_path):
    run = nb.search("gdas", data=digits, out=tmp_path, **{**TINY, "epochs": 1, "seed": np.int64(3)})
    assert run.config["seed"] == 3


def test_in_a_script_the_sentence_ends_the_process_with_status_2():
    code = "import nasbook as nb; nb.search('gads', data=None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    known = ", ".join([*METHODS, *SHARING, *TRIALS])
    assert done.stderr.strip() == f"nasbook: unknown method 'gads': valid are {known}; did you mean 'gdas'?"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"method": "gads"}, "unknown method 'gads'.*did you mean 'gdas'"),
        ({"profile": "smok"}, "unknown profile 'smok'.*did you mean 'smoke'"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": "1"}, "seed is '1'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"data": "digits"}, "data is a str"),
    ],
)
def test_bad_calls_are_refused_in_one_sentence(digits, tmp_path, call, said):
    with pytest.raises(nb.NasbookError, match=said):
        nb.search(**{"method": "gdas", "data": digits, "out": tmp_path, **call})


@pytest.mark.parametrize("out", ["", 3, "a\0b"])
def test_what_is_no_folder_is_refused(digits, out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nb.NasbookError, match="is no folder"):
        nb.search("gdas", data=digits, out=out, **TINY)
    assert not list(tmp_path.iterdir())
