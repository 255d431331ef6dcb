"""A whole quasistatic shear: jobs, resumption, dataset."""

from __future__ import annotations

from pathlib import Path

from gensample.data.store import Store
from gensample.data.summary import describe_shear, summarise_shear
from gensample.errors import ConfigError, DataError
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.run import refuse_other_settings
from gensample.simulate.scheduler import run_jobs
from gensample.simulate.shear.assemble import assemble_shear
from gensample.simulate.shear.config import ShearConfig
from gensample.simulate.shear.jobs import ShearWorkshop
from gensample.simulate.shear.source import load_glasses
from gensample.work import check_output, claim, parts_beside, tidy


def shear(
    config: ShearConfig, out: Path, *, lmp: str | None = None, command: str = "", keep_parts: bool = False
) -> str:
    """Run or resume a quasistatic shear and write its dataset; returns a summary.

    Raises:
        ConfigError: ``out`` or its folder of finished jobs belongs to other settings, or is in use, or the
            settings do not fit the dataset.
        DataError: the dataset that is to be sheared is absent or damaged.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    root = parts_beside(out)
    if out.exists():
        refuse_other_settings(config.deciding(), out)
        _refuse_other_glasses(config, out)
        if not keep_parts:
            tidy(out, root)
        return f"{out} is complete; nothing to do"
    check_output(out)
    glasses = load_glasses(config)
    engine = find_engine(lmp)
    with claim(root, {**config.deciding(), "start_fingerprint": glasses.fingerprint()}) as work:
        shop = ShearWorkshop(config, glasses, engine, root)
        run_jobs(shop.jobs(), work, config.processes, engine.stop, "sheared", "steps")
        work.publish(out, lambda path: assemble_shear(shop, path, command), keep=keep_parts)
    return describe(out)


def describe(out: Path) -> str:
    """What was made, in a few lines."""
    with Store.open(out) as store:
        made = f"{out}: {store.num_configurations} configurations, {int(store.done.sum())} shears"
        return "\n".join([made, *describe_shear(summarise_shear(store))])


def _refuse_other_glasses(config: ShearConfig, out: Path) -> None:
    """ConfigError when the dataset that was sheared has changed since; it may also be gone."""
    with Store.open(out) as store:
        made_from = store.attrs.get("start_fingerprint")
    try:
        glasses = load_glasses(config)
    except DataError:
        return
    if glasses.fingerprint() != made_from:
        raise ConfigError(
            f"{out} was made from other configurations than {config.dataset} now has; "
            "remove it or choose another --out"
        )
