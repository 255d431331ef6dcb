"""Settings of a benchmark, read from yaml and checked, and the units of work that they ask for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf

from gensample import registry
from gensample.data.schema import SPLITS
from gensample.data.settings import DataSettings
from gensample.data.views import Quantity
from gensample.errors import ConfigError, DataError
from gensample.plain import read_yaml
from gensample.ranges import COUNT, NUMBER, POSITIVE, SEED, check_choice, check_table, shown, whole
from gensample.structure.indicators import INDICATORS
from gensample.structured import read_structured

INPUTS = ("thermal", "inherent", "cage")
# Quantity of the data module behind each target; bond elongation comes along with networks that predict it.
TARGETS: dict[str, Quantity] = {"propensity": "displacement", "bond_breaking": "bond_breaking"}
# Settings of the data module that the benchmark decides: a row that set them would be labelled wrongly.
_DECIDED = (
    *("dataset", "target", "input", "lags", "validation"),
    *("train_limit", "predict_split", "quantity"),
)
NAME = re.compile(r"\w[^$|]*")
KINDS = ("estimator", "fit", "model", "generator", "sampler", "indicator", "prediction")
SIMULATION = "simulation"
"""The sampler that is molecular dynamics itself: the replicas of a test set."""


@dataclass
class DatasetSettings:
    """One dataset: file or name, lag times (all by default), rows to validate on in place of "val".

    ``train_limit``: train on the first so many configurations; ``passes`` through them in an epoch of a
    network, to give a small dataset as many steps; ``split``: the one that predictions are judged on.
    """

    dataset: str = MISSING
    lags: list[float] | None = None
    validation: list[int] | None = None
    train_limit: int | None = None
    passes: int = 1
    split: str = "test"


@dataclass
class RowSettings:
    """One predictor or sampler of the table, with exactly one of the kinds:

    ``estimator``: class_path and init_args of a `predictors.Predictor`; ``fit``: config of `gensample fit`,
    ``set`` overrides it, ``lag_by_lag`` trains one network per lag time; ``model``: a released model or a
    checkpoint;
    ``generator``: likewise, its mean over ``draws`` is the prediction; ``sampler``: a generator, also
    class_path and init_args of one without training, or "simulation": its ``draws`` are judged too, and what
    they cost (`benchmark.front`), rows of a ``line`` are joined in the figure; ``indicator``: name of a
    structural indicator; ``prediction``: name of a published prediction stored with the dataset.
    ``data`` are further settings of the data module. ``all_training``: train on the rows to validate on too,
    for rows that choose nothing on them. ``train``, ``test``, ``sizes``, ``targets`` and ``species`` restrict
    or replace those of the benchmark.
    """

    name: str = MISSING
    inputs: list[str] = field(default_factory=lambda: ["thermal"])
    estimator: dict[str, Any] | None = None
    fit: str | None = None
    model: str | None = None
    generator: str | None = None
    sampler: Any = None
    line: str = ""
    indicator: str | None = None
    prediction: str | None = None
    set: dict[str, Any] = field(default_factory=dict)
    lag_by_lag: bool = False
    draws: int = 32
    data: dict[str, Any] = field(default_factory=dict)
    all_training: bool = False
    train: list[Any] | None = None
    test: list[str] | None = None
    sizes: list[int] | None = None
    targets: list[str] | None = None
    species: list[int] | None = None
    reference: str = ""

    @property
    def kind(self) -> str:
        """Which of KINDS it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def trained(self) -> bool:
        """Whether it is trained here, on a training set of the benchmark."""
        return self.kind in ("estimator", "fit")


@dataclass
class PublishedSettings:
    """Published numbers beside ours: the system, "KA" or "KA2D", they are of, and their file if not ours."""

    system: str = "KA"
    curves: str | None = None


@dataclass
class BenchmarkSettings:
    """A benchmark. ``train`` and ``test`` are names of ``datasets``; an entry of ``train`` that is a list is
    one training on all of them. ``sizes``: also train on the first so many configurations."""

    title: str = MISSING
    seed: int = 0
    targets: list[str] = field(default_factory=lambda: ["propensity"])
    datasets: dict[str, DatasetSettings] = MISSING
    train: list[Any] | None = None
    test: list[str] | None = None
    sizes: list[int] = field(default_factory=list)
    rows: list[RowSettings] = MISSING
    published: PublishedSettings | None = None
    bootstrap: int = 1000
    notes: list[str] = field(default_factory=list)


def load_settings(path: str | Path, overrides: list[str] | None = None) -> BenchmarkSettings:
    """Read and check a yaml file; ``overrides`` are ``key=value`` strings.

    Raises:
        ConfigError: unreadable, an unknown key, or a value that cannot work.
    """
    settings: BenchmarkSettings = read_structured(
        path, overrides, lambda given: OmegaConf.structured(BenchmarkSettings)
    )
    for name in ("title", "datasets", "rows"):
        if not getattr(settings, name, None):
            raise ConfigError(f"{path}: a benchmark needs {name}")
    _check_names(settings)
    check_table(settings, BENCHMARK)
    for name, dataset in settings.datasets.items():
        check_table(dataset, DATASET, f"{name}: ")
        check_choice(f"{name}: split", dataset.split, (*SPLITS, "all"))
    for row in settings.rows:
        _check_row(row, settings)
    return settings


def training_sets(settings: BenchmarkSettings, row: RowSettings) -> list[tuple[str, ...]]:
    """The sets of datasets that a row is trained on, each once."""
    given = row.train if row.train is not None else settings.train
    entries = list(settings.datasets) if given is None else given
    return [tuple(entry) if isinstance(entry, list) else (str(entry),) for entry in entries]


def test_sets(settings: BenchmarkSettings, row: RowSettings) -> list[str]:
    """Names of the datasets that the predictions of a row are judged on."""
    if row.test is not None:
        return row.test
    return list(settings.datasets) if settings.test is None else settings.test


def _check_names(settings: BenchmarkSettings) -> None:
    used = {name for row in settings.rows for names in training_sets(settings, row) for name in names}
    used |= {name for row in settings.rows for name in test_sets(settings, row)}
    unknown = sorted(used - set(settings.datasets))
    if unknown:
        raise ConfigError(f"unknown datasets {unknown}; the benchmark has {list(settings.datasets)}")
    for what, names in (("rows", [row.name for row in settings.rows]), ("datasets", list(settings.datasets))):
        slugs = [slug(name) for name in names]
        twice = sorted(name for name, word in zip(names, slugs, strict=True) if slugs.count(word) > 1)
        if twice:
            raise ConfigError(f"{what} need names that differ in letters or digits; {twice} do not")
    for name in (*settings.datasets, *(row.name for row in settings.rows)):
        if not NAME.fullmatch(name) or not name.isprintable():
            raise ConfigError(
                f"{shown(name)} cannot name a dataset or row: names begin with a letter or digit, and have "
                "neither $ nor |, which figures and tables take for themselves"
            )
    if not settings.targets:
        raise ConfigError(f"a benchmark needs targets, of {', '.join(TARGETS)}")
    for name in settings.targets:
        check_choice("targets", name, TARGETS)


def slug(text: str) -> str:
    """A name as part of a path."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", text).strip("-") or "-"


BENCHMARK = {"seed": SEED, "bootstrap": whole(1, 100_000), "sizes": COUNT}
DATASET = {"lags": POSITIVE, "validation": NUMBER, "train_limit": COUNT, "passes": whole(1, 100_000)}
ROW = {"draws": whole(1, 100_000), "sizes": COUNT, "species": NUMBER}


def _check_row(row: RowSettings, settings: BenchmarkSettings) -> None:
    here = f"row {row.name!r}"
    check_table(row, ROW, f"{here}: ")
    kinds = [kind for kind in KINDS if getattr(row, kind) is not None]
    if len(kinds) != 1:
        raise ConfigError(f"{here} needs exactly one of {', '.join(KINDS)}; it has {kinds or 'none'}")
    if not row.inputs:
        raise ConfigError(f"{here} needs inputs, of {', '.join(INPUTS)}")
    for name in row.inputs:
        check_choice(f"{here}: inputs", name, INPUTS)
    for name in row.targets or []:
        check_choice(f"{here}: targets", name, TARGETS)
    known = [name for name in inspect.signature(DataSettings).parameters if name not in _DECIDED]
    given = [*row.data, *(key.removeprefix("data.") for key in row.set if key.startswith("data."))]
    wrong = [name for name in given if name.split(".")[0] not in known]
    if wrong:
        raise ConfigError(f"{here}: data has no setting {wrong} of its own; it has {known}")
    if row.indicator is not None:
        check_choice(f"{here}: indicator", row.indicator, sorted(INDICATORS))
    if row.kind == "estimator" and "class_path" not in (row.estimator or {}):
        raise ConfigError(f"{here}: estimator needs class_path and init_args")
    if row.kind == "sampler":
        _check_sampler(row, here)
    joint = [names for names in training_sets(settings, row) if len(names) > 1]
    if joint and row.kind == "fit":
        raise ConfigError(f"{here}: networks are trained on one dataset at a time, not on {joint[0]}")


def _check_sampler(row: RowSettings, here: str) -> None:
    if row.draws < 2:
        raise ConfigError(f"{here}: what is drawn is judged from 2 draws on, got draws {row.draws}")
    if isinstance(row.sampler, dict):
        try:
            built = registry.build(row.sampler, registry.GENERATORS)
        except ConfigError as error:
            raise ConfigError(f"{here}: {error}") from None
        if built.has_weights:
            raise ConfigError(f"{here}: {type(built).__name__} needs weights; name its folder as sampler")
    elif not isinstance(row.sampler, str) or row.sampler == "heated":
        raise ConfigError(
            f"{here}: sampler must be {SIMULATION}, harmonic, the name or folder of a model, or class_path "
            f"and init_args of a generator without training; got {shown(row.sampler)}"
        )


# Units of work


@dataclass(frozen=True, eq=False)
class RowUnit:
    """One training (or loading) of one row: its input, target, training datasets and their size."""

    row: RowSettings
    input: str
    target: str
    train: tuple[str, ...] = ()
    size: int | None = None

    @property
    def folder(self) -> str:
        """Path of its folder below that of the benchmark."""
        trained = "+".join(self.train) or "untrained"
        size = "" if self.size is None else f"-first{self.size}"
        return "/".join(slug(word) for word in (self.row.name, self.input, self.target, trained + size))

    def tests(self, settings: BenchmarkSettings) -> list[str]:
        """Every test set of the row; of learning curves, those that were trained on."""
        names = test_sets(settings, self.row)
        return names if self.size is None else [name for name in names if name in self.train]


def units(settings: BenchmarkSettings) -> list[RowUnit]:
    """All trainings of a benchmark, rows in order."""
    found = []
    for row in settings.rows:
        trainings: list[tuple[tuple[str, ...], int | None]] = [((), None)]
        if row.trained:
            sizes = settings.sizes if row.sizes is None else row.sizes
            sets = training_sets(settings, row)
            trainings = [(names, size) for names in sets for size in (*sizes, None)]
        for target in row.targets or settings.targets:
            found += [RowUnit(row, name, target, *training) for name in row.inputs for training in trainings]
    return found


def asked(unit: RowUnit, only: Sequence[str] | None) -> bool:
    """Whether the name of its row contains one of the words ``only``."""
    return only is None or any(word.lower() in unit.row.name.lower() for word in only)


def config_of(row: RowSettings) -> dict[str, Any]:
    """The config that a network is trained with; empty for other kinds of rows.

    Raises:
        ConfigError: it is none of `gensample fit`.
    """
    if row.fit is None:
        return {}
    try:
        config = read_yaml(row.fit)
        config["model"]["init_args"]
    except (DataError, KeyError, TypeError) as error:
        raise ConfigError(f"{row.fit} is no config of `gensample fit`: {error!r}") from None
    return config
