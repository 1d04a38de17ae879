"""The settings of a search that takes about a second on 8x8 digits."""

TINY = {"seed": 0, "epochs": 2, "batch_size": 32, "channels": 4, "cells": 3, "nodes": 2, "padding": 1,
        "fixed_reduction": False,
        "split": (0.4, 0.4, 0.2)}  # fmt: skip
