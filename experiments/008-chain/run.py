"""The whole chain: configurations from one generator, their dynamics from predictor, generator and LAMMPS.

    python experiments/008-chain/run.py MODEL --base runs/ka2d-n500-liquid.h5 --sweeps 100 [--only STEP ...]

MODEL draws configurations at the state point of the reference dataset (ka2d-mini). Three sets go through the
same mill: the reference's test configurations, the generated ones, and the control, which is the same liquid
after the same Metropolis sweeps without the model. Steps, in order; each skips what exists, and those of
LAMMPS may run side by side:

    sets               generated.h5, control.h5 and test.h5 with inherent structures
    generator          displacements of the three sets from the displacement generator
    lammps-generated   displacements from LAMMPS, started at once; likewise lammps-control
    relaxed-generated  the same after a relaxation; likewise relaxed-control
    frames             inherent structures along these runs
    evaluate           BOTAN's propensities; results.json, table.md and propensity.png of what is there
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from common import call
from configurations import corrected_base
from evaluate import evaluate
from files import CHAINED, SETS, Files, need

from gensample import zoo
from gensample.data.store import Contents, Store, StoreWriter
from gensample.errors import ConfigError, GensampleError
from gensample.physics.box import wrap
from gensample.work import atomic

SPLIT = "test"
# What the results depend on; a folder of runs belongs to one choice of these.
DECIDING = (
    "base base_split steps sweeps seed configurations replicas frames minimise reference predictor generator"
)


class Chain:
    """The steps for one model and one choice of settings."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        with Store.open(options.reference) as store:
            self.simulation = json.loads(store.attrs["config"])
            known = store.times.tolist()
        self.lags = sorted(options.lags or known)
        if not set(self.lags) <= set(known):
            raise ConfigError(f"--lags must be among those of {options.reference}, {known}; got {self.lags}")
        self.relaxation = self.lags[-1] if options.relaxation is None else options.relaxation
        self.files = Files(options.runs)
        self.settings = self._claim()

    def _claim(self) -> dict:
        """The settings, kept in the folder; refuses a folder of others."""
        options, path = self.options, self.files.folder / "settings.json"
        settings = {
            "model": options.model,
            "weights_sha256": _digest(options.model),
            "lags": self.lags,
            "relaxation": self.relaxation,
            **{name: getattr(options, name) for name in DECIDING.split()},
        }
        if path.exists() and len(list(path.parent.iterdir())) > 1:
            kept = json.loads(path.read_text())
            other = [name for name in settings if kept.get(name) != settings[name]]
            if other:
                name = other[0]
                raise ConfigError(
                    f"{options.runs} was made with {name} {kept.get(name)}, now it is {settings[name]}: "
                    "choose another --runs, or remove it"
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=1) + "\n")
        return settings

    def steps(self) -> dict[str, Callable[[], None]]:
        """All steps by name, in order."""
        return {
            "sets": self.sets,
            "generator": self.generator,
            **{f"lammps-{name}": lambda name=name: self.lammps(name, "at once") for name in CHAINED},
            **{f"relaxed-{name}": lambda name=name: self.lammps(name, "relaxed") for name in CHAINED},
            "frames": self.frames,
            "evaluate": self.evaluate,
        }

    # Configurations

    def sets(self) -> None:
        """The three sets, quenched."""
        self._generated()
        self._control()
        self._test()
        for name in CHAINED:
            call("quench", self.files.set(name), "--processes", self.options.processes)

    def _generated(self) -> None:
        options, words = self.options, []
        for name in ("base", "base_split", "steps"):
            if getattr(options, name) is not None:
                words += [f"--{name.replace('_', '-')}", getattr(options, name)]
        what = ["--temperature", self.simulation["temperature"], "--num", options.configurations]
        how = ["--sweeps", options.sweeps, "--seed", options.seed, "--device", options.device]
        call("sample", options.model, *what, *how, *words, "--out", self.files.set("generated"))

    def _control(self) -> None:
        options = self.options
        system = zoo.load_model(options.model).system
        if options.base is None:
            raise ConfigError("the control is made of the liquid that a model starts from: give --base")
        corrected_base(
            self.files.set("control"),
            options.base,
            system["mixture"],
            (system["base_temperature"], self.simulation["temperature"]),
            options.configurations,
            options.sweeps,
            options.seed,
            options.base_split,
        )

    def _test(self) -> None:
        """The first test configurations of the reference and their first replicas, as a file of its own."""
        options, path = self.options, self.files.set("test")
        if path.exists():
            return
        with Store.open(options.reference) as store:
            rows = store.indices(SPLIT)[: options.configurations]
            replicas = int(store.done[rows].sum(1).min())
            if len(rows) < options.configurations or replicas < options.replicas:
                raise ConfigError(
                    f"{options.reference} has {len(rows)} test configurations with {replicas} replicas; "
                    "lower --configurations or --replicas"
                )
            lags = np.flatnonzero(np.isin(store.times, self.lags))
            with (
                atomic(path, replace=True) as temporary,
                StoreWriter.create(
                    temporary,
                    Contents(
                        **_system(store, rows),
                        source=f"{options.reference}, {SPLIT} split",
                        positions=store.positions[rows],
                        times=store.times[lags],
                        replicas=np.full(len(rows), options.replicas),
                        inherent=store.inherent[rows],
                        inherent_attrs=_of_rows(store.inherent_attrs, rows),
                    ),
                ) as writer,
            ):
                writer.write_array("source_configuration", rows)
                for c, row in enumerate(rows):
                    for r, field in enumerate(store.displacements(row)[: options.replicas, lags]):
                        writer.write_replica(c, r, field)

    # Dynamics

    def generator(self) -> None:
        """Displacement fields of every set."""
        options = self.options
        for name in SETS:
            data = ["--data", need(self.files.set(name), "sets"), "--split", "all"]
            how = ["--replicas", options.replicas, "--seed", options.seed, "--device", options.device]
            call("sample", options.generator, *data, *how, "--out", self.files.generator(name))

    def lammps(self, name: str, start: str) -> None:
        """Isoconfigurational runs from a set, with the settings of the reference."""
        options = self.options
        data, out = need(self.files.set(name), "sets"), self.files.lammps(name, start)
        ours = {
            "start": {"dataset": str(data), "split": SPLIT, "minimise": options.minimise},
            "splits": {SPLIT: {"configurations": options.configurations, "replicas": options.replicas}},
            "lags": self.lags,
            "relaxation": self.relaxation if start == "relaxed" else 0.0,
            "seed": options.seed,
        }
        theirs = {key: value for key, value in self.simulation.items() if key != "equilibration"}
        config = out.with_suffix(".yaml")
        config.write_text(yaml.safe_dump({**theirs, **ours}, sort_keys=False))
        call("simulate", config, "--out", out, "--processes", options.processes)

    def frames(self) -> None:
        """Configurations at every lag of the first replicas, quenched."""
        for name, start in self.files.runs():
            runs, path = self.files.lammps(name, start), self.files.frames(name, start)
            if not runs.exists():
                print(f"missing: {runs}; no frames of it", flush=True)
                continue
            if not path.exists():
                self._write_frames(runs, path)
            call("quench", path, "--processes", self.options.processes)

    def _write_frames(self, runs: Path, path: Path) -> None:
        """Rows are counted by configuration, then replica, then lag."""
        with Store.open(runs) as store:
            count = min(self.options.frames, self.options.replicas)
            rows = np.repeat(np.arange(store.num_configurations), count * len(store.times))
            fields = np.stack([store.displacements(c)[:count] for c in range(store.num_configurations)])
            moved = store.positions[:, None, None] + fields
            moved = torch.from_numpy(moved.reshape(len(rows), *moved.shape[3:]))
            with (
                atomic(path, replace=True) as temporary,
                StoreWriter.create(
                    temporary,
                    Contents(
                        **_system(store, rows),
                        source=f"configurations along {runs}",
                        positions=wrap(moved, torch.from_numpy(store.box[rows])[:, None]).numpy(),
                        times=np.zeros(0),
                        replicas=np.zeros(len(rows)),
                        displacements=False,
                    ),
                ) as writer,
            ):
                writer.write_array("source_configuration", rows)

    def evaluate(self) -> None:
        """Numbers, table and figure."""
        for name in SETS:
            need(self.files.set(name), "sets")
        evaluate(self.files, self.settings, self.simulation["temperature"], self.options.out)


def _digest(model: str) -> str:
    """Of the file of weights, so that a model trained again is another model."""
    path = zoo.resolve(model)
    return hashlib.sha256((path if path.is_file() else path / zoo.WEIGHTS).read_bytes()).hexdigest()


def _system(store: Store, rows: np.ndarray) -> dict:
    """What rows of a new dataset share with those of another."""
    return {
        "mixture": store.mixture,
        "temperature": store.temperature[rows],
        "density": store.density,
        "truncation": store.truncation,
        "species": store.species,
        "box": store.box[rows],
        "split": [SPLIT] * len(rows),
    }


def _of_rows(attrs: dict, rows: np.ndarray) -> dict:
    """Attributes of inherent structures, those of each configuration for some of them."""
    return {key: value[rows] if np.ndim(value) else value for key, value in attrs.items()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("model", help="configuration generator: released name, folder or checkpoint")
    parser.add_argument("--base", help="dataset with the liquid that the model starts from")
    parser.add_argument("--base-split", default="test", help="its configurations")
    parser.add_argument("--steps", type=int, help="solver steps of the model (default: the command's)")
    parser.add_argument("--sweeps", type=int, default=0, help="Metropolis sweeps after the model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--configurations", type=int, default=12)
    parser.add_argument("--replicas", type=int, default=8)
    parser.add_argument("--frames", type=int, default=2, help="replicas quenched at every lag")
    parser.add_argument("--lags", type=float, nargs="+", help="some of the reference's lags (default: all)")
    parser.add_argument("--relaxation", type=float, help="time of the relaxed runs (default: the last lag)")
    parser.add_argument(
        "--minimise", action="store_true", help="push close pairs apart before LAMMPS, at both starts"
    )
    parser.add_argument("--reference", default="ka2d-mini", help="dataset made by gensample simulate")
    parser.add_argument("--predictor", default="ka2d-mini-botan")
    parser.add_argument("--generator", default="ka2d-mini-flow", help="displacement generator")
    parser.add_argument("--processes", type=int, default=1, help="LAMMPS processes side by side")
    parser.add_argument("--device", default="cpu", help="of the two generators")
    parser.add_argument("--runs", type=Path, default=Path("runs/chain"), help="folder of what is computed")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results, table and figure")
    parser.add_argument("--only", nargs="+", metavar="STEP", help="these steps alone")
    return parser.parse_args()


def main() -> None:
    options = parse()
    chain = Chain(options)
    steps = chain.steps()
    unknown = [name for name in options.only or [] if name not in steps]
    if unknown:
        raise ConfigError(f"no step called {unknown[0]}; steps are {', '.join(steps)}")
    for name, work in steps.items():
        if options.only is None or name in options.only:
            print(f"== {name}", flush=True)
            started = time.monotonic()
            work()
            print(f"== {name} done in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (GensampleError, OSError) as error:
        print(f"008-chain: {error}", file=sys.stderr)
        sys.exit(2)
