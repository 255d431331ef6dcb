"""The LAMMPS inputs of a simulation, written and not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gensample.errors import ConfigError
from gensample.simulate.isoconfigurational.config import SimulationConfig
from gensample.simulate.lammps.engine import ARGUMENTS, write_script
from gensample.simulate.programs import write_table
from gensample.simulate.run import WORKSHOPS, start_of
from gensample.work import CHOOSE, atomic_folder, check_folder

JOBS, RUN = "jobs.txt", "run.sh"
DRIVER = f"""#!/bin/sh
# The jobs of {JOBS}, one after another; LMP names the executable of LAMMPS (lmp).
set -e
cd "$(dirname "$0")"
export OMP_NUM_THREADS=1
while read -r job; do
  (cd "$job" && "${{LMP:-lmp}}" {" ".join(ARGUMENTS)} < /dev/null > log.txt)
done < {JOBS}
"""


def write_inputs(config: Any, out: Path) -> str:
    """Write a folder for each job that `simulate` would run with these settings; a summary.

    A folder has ``in.lammps`` and the data files, with the velocities, that it reads. It reads restart files
    and dumps of earlier jobs in their folders beside it. ``jobs.txt`` has their order, ``run.sh`` runs them.

    Raises:
        ConfigError: something is at ``out``, or the settings do not fit the dataset that they start from.
        DataError: that dataset is absent, damaged or absurd.
    """
    if out.exists():
        raise ConfigError(f"{out} exists; {CHOOSE}")
    check_folder(out)
    shop = WORKSHOPS[type(config)](config, None, out, start_of(config))
    jobs = [job for job in shop.jobs() if job.inputs is not None]
    with atomic_folder(out) as folder:
        for job in jobs:
            place = folder / job.name
            place.mkdir()
            write_script(job.inputs(place), place)
            write_table(shop.mixture, place)
        (folder / JOBS).write_text("".join(f"{job.name}\n" for job in jobs), encoding="utf-8")
        (folder / RUN).write_text(DRIVER, encoding="utf-8")
    return "\n".join([f"{out}: inputs of {len(jobs)} jobs; sh {out / RUN} runs them", *_left_out(config)])


def _left_out(config: Any) -> list[str]:
    """What `simulate` does beyond these jobs, with their results."""
    isoconfigurational = isinstance(config, SimulationConfig)
    if not config.inherent or (isoconfigurational and not config.inherent_displacements):
        return []
    what = "futures" if isoconfigurational else "configurations"
    return [f"not among them: the quenches of the {what}, which do not exist before the jobs have run"]
