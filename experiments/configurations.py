"""What the experiments with generated configurations share: the control, and reading a comparison."""

from pathlib import Path

from gensample.data.liquid import BaseEnsemble
from gensample.data.store import Contents, StoreWriter
from gensample.generators.configuration import BASE
from gensample.physics.mixtures import get_mixture
from gensample.sampling.correction import metropolis
from gensample.seeding import torch_generator
from gensample.work import atomic


def corrected_base(
    out: Path,
    base: str,
    mixture: str,
    temperatures: tuple[float, float],
    num: int,
    sweeps: int,
    seed: int,
    split: str = "test",
) -> Path:
    """The control: configurations of the base after Metropolis sweeps at the target temperature, no model.

    ``temperatures``: of the base and of the target.
    """
    if out.exists():
        return out
    (base_temperature, temperature), kind = temperatures, get_mixture(mixture)
    ensemble = BaseEnsemble(base, base_temperature)
    positions = ensemble.take(split, num, torch_generator(seed, BASE))
    species, box = kind.species(positions.shape[1]), ensemble.box
    moved = metropolis(positions, species, box, kind, temperature, sweeps, generator=torch_generator(seed, 4))
    with (
        atomic(out, replace=True) as temporary,
        StoreWriter.create(
            temporary,
            Contents(
                mixture=mixture,
                temperature=temperature,
                density=kind.density,
                truncation=kind.truncation,
                source=f"{base}, {sweeps} Metropolis sweeps at T = {temperature:g}",
                species=species.numpy(),
                box=box.expand(num, -1).numpy(),
                split=["test"] * num,
                positions=moved.positions.numpy(),
                seed=seed,
            ),
        ),
    ):
        pass
    return out


def quantity(metrics: dict, name: str, of: str = "all", source: str = "generated") -> dict:
    """One entry of the metrics of a comparison of configurations; empty where absent."""
    return metrics["temperatures"][0]["quantities"].get(name, {}).get(of, {}).get(source, {})


def plain(entry: dict) -> str:
    """Value and half width of its interval."""
    if not entry or entry.get("value") is None:
        return ""
    low, high = entry.get("interval") or (None, None)
    spread = "" if low is None else f" ± {0.5 * (high - low):.3f}"
    return f"{entry['value']:.3f}{spread}"
