"""Learning rates over a run."""

import math


def warm_cosine(step: int, total: int, warmup: int = 100) -> float:
    """Factor at ``step`` of ``total``: linear warm-up, then half a cosine down to a hundredth."""
    decay = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(step / max(total, 1), 1.0)))
    return decay * min((step + 1) / warmup, 1.0)
