"""Random generators keyed by integers, so that a draw never depends on batch, shard or restart."""

import numpy as np
import torch


def derive_seed(seed: int, *keys: int) -> int:
    """Seed in [0, 2**63) that depends on ``seed`` and every key, by numpy's ``SeedSequence`` hash."""
    words = np.random.SeedSequence((seed, *keys)).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def torch_generator(seed: int, *keys: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Independent torch generator for (seed, keys)."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *keys))


def numpy_generator(seed: int, *keys: int) -> np.random.Generator:
    """Independent numpy generator for (seed, keys)."""
    return np.random.default_rng(np.random.SeedSequence((seed, *keys)))
