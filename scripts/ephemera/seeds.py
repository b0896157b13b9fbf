"""Random numbers that depend on the recipe's seed and on names alone, in any order and process."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: object) -> np.random.Generator:
    """Generator of its own for each combination of `seed` and `names` (obsid, trial, ...)."""
    text = "/".join([str(seed), *map(str, names)])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
