"""Learning rates over a run."""

import math


def warm_cosine(step: int, total: int, warmup: int = 100) -> float:
    """Factor at ``step`` of ``total``: half a cosine down to a hundredth, times a linear warm-up.

    Runs not much longer than the warm-up stay well below 1: the cosine falls while the warm-up rises.
    """
    decay = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(step / max(total, 1), 1.0)))
    return decay * min((step + 1) / warmup, 1.0)
