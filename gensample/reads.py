"""What a model reads of a dataset, and the one place where data are checked against it.

`Reads` is kept with every model (``model.reads``); models of before it was recorded have it from their other
settings (`reads_from`). `Reads.open` serves a dataset in the way that the model was trained on.
"""

from __future__ import annotations

import logging
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from gensample.data.datamodule import KADataModule
from gensample.data.dataset import as_dataset
from gensample.data.descriptors import check_levels
from gensample.data.positions import Input
from gensample.data.store import domain_of
from gensample.data.views import Quantity
from gensample.errors import ConfigError
from gensample.physics.mixtures import MIXTURES, get_mixture
from gensample.ranges import NUMBER, POSITIVE, SPECIES, check_choice, check_table, whole
from gensample.text import first_paragraph, printable

log = logging.getLogger(__name__)

# Relative: of a density that sources round, and of a temperature at the ends of those trained on.
DENSITY, TEMPERATURE, LAG = 2e-3, 1e-3, 1e-4
LIMITS = {
    **dict.fromkeys(("cutoff", "lags"), POSITIVE),
    **{"columns": NUMBER, "species": SPECIES, "dimension": whole(2, 3)},
}
INPUTS = {"thermal": "thermal positions", "inherent": "inherent structures", "cage": "cage positions"}


@dataclass(frozen=True)
class Reads:
    """How a model reads configurations, and what its outputs mean.

    Args:
        input: positions that the graph is built from: "thermal", "inherent" or "cage".
        cutoff: of the graph.
        descriptors: names of the sets of descriptors, in the order of their columns.
        columns: of the descriptors, all sets together.
        levels: temperature and time of the probe runs among the descriptors.
        lags: lag times that the outputs belong to, ascending; None where they are not known.
        quantity: what is predicted of each particle (``data.datamodule``).
        species: number of species; None where any will do.
        dimension: d; None where any will do.
        domain: what the training data were, as `domain_of` gives it; empty where that is not known.
        cage_vectors: whether the vectors to the centres are read where the input is thermal.

    Examples:
        >>> served = Reads(input="inherent", cutoff=1.6).open("ka2d-mini", [0])
        >>> served.batch([0]).pos.shape
        torch.Size([500, 2])

    Raises:
        ConfigError: a value that cannot be.
    """

    input: Input = "thermal"
    cutoff: float = 2.0
    descriptors: tuple[str, ...] = ()
    columns: int = 0
    levels: tuple[tuple[float, float], ...] = ()
    lags: tuple[float, ...] | None = None
    quantity: Quantity = "displacement"
    species: int | None = None
    dimension: int | None = None
    domain: Mapping[str, Any] = field(default_factory=dict)
    cage_vectors: bool = True

    def __post_init__(self) -> None:
        for name in ("descriptors", "levels", "lags"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, list | tuple):
                raise ConfigError(f"model.reads.{name} must be a list, got {given!r:.100}")
        if not all(isinstance(name, str) for name in self.descriptors):
            raise ConfigError(f"model.reads.descriptors must be names of sets, got {self.descriptors!r:.100}")
        if not all(isinstance(level, list | tuple) and len(level) == 2 for level in self.levels):
            raise ConfigError(
                f"model.reads.levels must be pairs of temperature and time, got {self.levels!r:.100}"
            )
        for number in (number for level in self.levels for number in level):
            POSITIVE.check("model.reads.levels", number)
        check_table(self, LIMITS, "model.reads.")
        check_choice("model.reads.input", self.input, get_args(Input))
        check_choice("model.reads.quantity", self.quantity, get_args(Quantity))
        plain: dict[str, Any] = {
            "descriptors": tuple(self.descriptors),
            "levels": tuple((float(temperature), float(time)) for temperature, time in self.levels),
            "lags": None if self.lags is None else tuple(float(time) for time in self.lags),
            "domain": read_domain(self.domain),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    def plain(self) -> dict[str, Any]:
        """The same as plain values, which a checkpoint and a config can hold; `read` takes them."""
        lags = None if self.lags is None else list(self.lags)
        more = {"descriptors": list(self.descriptors), "levels": [list(level) for level in self.levels]}
        return asdict(self) | more | {"lags": lags, "domain": dict(self.domain)}

    @classmethod
    def read(cls, given: Any) -> Reads:
        """The same from plain values; ConfigError for others than `plain` gives, or a part of those."""
        if isinstance(given, Reads):
            return given
        known = {each.name for each in fields(cls)}
        if not isinstance(given, Mapping) or not set(given) <= known:
            raise ConfigError(f"model.reads must be what `gensample fit` records, got {given!r:.100}")
        return cls(**given)

    @classmethod
    def of(cls, module: Any) -> Reads:
        """What a data module serves."""
        settings = module.settings
        return cls(
            settings.input,
            settings.cutoff,
            tuple(settings.sets),
            module.num_descriptors,
            tuple(module.described.levels),
            None if settings.target == "configuration" else tuple(module.lag_times) or None,
            settings.quantity,
            module.num_species,
            module.dimension,
            module.domain,
            settings.cage_vectors,
        )

    def open(
        self,
        dataset: Any,
        rows: Sequence[int] | np.ndarray | str | None = None,
        *,
        model: str = "the model",
        statistics: tuple[Tensor, Tensor] | None = None,
        device: torch.device | str = "cpu",
        force: bool | None = False,
        **served: Any,
    ) -> KADataModule:
        """A dataset as the model reads it, set up, to draw `batch`es of its configurations from.

        dataset: whatever `as_dataset` takes; rows: configurations of its store, or a split, or all; they
        must lie in the domain of the model called ``model``; with ``force`` they may lie outside, and
        ``outside`` of what comes back says how; None: not looked at, as of futures of data that were.
        statistics: mean and scale (S, D) that descriptors are standardised by. served: further settings of
        the data module, such as ``target`` ("structure") or ``lags``.

        Raises:
            ConfigError: the data cannot serve what the model reads, are of another dimension or number of
                species, or lie outside its domain.
        """
        structure = served.setdefault("target", "structure") == "structure"
        data = as_dataset(dataset)
        module = KADataModule.of(
            data.store,
            input=self.input,
            cutoff=self.cutoff,
            descriptors=list(self.descriptors),
            cage_vectors=self.cage_vectors,
            quantity="displacement" if structure else self.quantity,
            **served,
        )
        name = str(dataset) if isinstance(dataset, str | Path) else str(data.store.path)
        found = {"dimension": module.dimension, "species": module.num_species}
        self._refuse(found | {"columns": module.num_descriptors}, model, name)
        chosen = data[rows].rows if isinstance(rows, str) else data.rows if rows is None else rows
        if force is not None:
            served_domain = domain_of(module.store, module.store.temperature[chosen])
            module.outside = check_domain(model, self.domain, name, served_domain, force=force)
        module.device = torch.device(device)
        module.setup()
        if statistics is not None and self.descriptors:
            module.described.use(*statistics, self.levels)
        return module

    def told(self, graph: bool = True) -> str:
        """What is read, in words."""
        told = [INPUTS[self.input], *([f"graph at cut-off {self.cutoff}"] if graph else [])]
        return ", ".join(told + (["descriptors " + ", ".join(self.descriptors)] if self.descriptors else []))

    def check(self, served: Reads, model: str, data: str, *, force: bool) -> None:
        """Refuse data that are served in another way than those a model goes on from; ``force``: see `open`.

        Raises:
            ConfigError: names what differs.
        """
        check_domain(model, self.domain, data, served.domain, force=force)
        check_lags(self.lags, served.lags or (), model)
        check_levels(self.levels, served.levels, data)
        alike = ("input", "cutoff", "descriptors", "columns", "species", "dimension")
        self._refuse({name: getattr(served, name) for name in alike}, model, data)

    def _refuse(self, served: Mapping[str, Any], model: str, data: str) -> None:
        ours = {name: getattr(self, name) for name in served}
        wrong = [name for name in served if ours[name] not in (None, served[name])]
        if wrong:
            told = "; ".join(f"{name} {ours[name]}, not {served[name]}" for name in wrong)
            raise ConfigError(
                f"{model} was trained on {told} as {data} has: take other data or another model"
            )


class Model:
    """A model that knows what it reads: its ``reads``, and what descriptors are standardised by.

    name, digest: what datasets say of the model behind them; card: what it is for; place: its folder or
    checkpoint. Who loads it knows these.
    """

    name = "the model"
    digest = ""
    card = ""
    place: Path | None = None
    trained = True
    reads: Reads
    descriptor_mean: Tensor
    descriptor_scale: Tensor

    def __repr__(self) -> str:
        """Name, kind, what is read, its lag times."""
        told = [f"{self.name}: {type(self).__name__}", f"reads {self.reads.told(self.trained)}"]
        told += [of_domain] if (of_domain := words_of_domain(self.reads.domain)) else []
        lags = ", ".join(f"{time:g}" for time in self.reads.lags or ())
        return f"<{'; '.join(told + ([f'lag times {lags}'] if lags else []))}>"

    def summary(self) -> dict[str, Any]:
        """Class, number of parameters, what is read, domain, lag times and head of the card, plain values."""
        network, reads = getattr(self, "network", None), self.reads.plain()
        parameters: Any = getattr(self, "parameters", tuple)
        return {
            "path": str(self.place),
            "class": f"{type(self).__module__}.{type(self).__name__}",
            "network": None if network is None else type(network).__name__,
            "parameters": sum(each.numel() for each in parameters()),
            "reads": {key: value for key, value in reads.items() if key not in ("domain", "lags")},
            "lag_times": list(self.reads.lags or ()) or None,
            "domain": {key: value for key, value in self.reads.domain.items() if key != "lag_times"},
            "card": first_paragraph(self.card),
        }

    def describe(self) -> list[str]:
        """Lines of the summary, as `gensample info` prints them."""
        s = self.summary()
        told = {
            "class": s["class"] + (f", network {s['network']}" if s["network"] else ""),
            "parameters": f"{s['parameters']:,}" if s["parameters"] else "none: no training",
            "reads": self.reads.told(self.trained),
            "domain": words_of_domain(s["domain"]) or "not recorded",
            "lag times": ", ".join(f"{time:g}" for time in s["lag_times"] or ()) or "none stated",
        }
        lines = [f"  {name:<13}{text}" for name, text in told.items()]
        return [*map(printable, [s["path"], *lines, "", *textwrap.wrap(s["card"], 100)])]

    def open(
        self, dataset: Any, rows: Sequence[int] | np.ndarray | str | None = None, **options: Any
    ) -> KADataModule:
        """A dataset as the model reads it, on the device of the model, see `Reads.open`."""
        given = (self.descriptor_mean, self.descriptor_scale) if self.reads.descriptors else None
        known = {"model": self.name, "device": self.descriptor_mean.device, "statistics": given}
        return self.reads.open(dataset, rows, **{**known, **options})

    def sample(self, *data: Any, **how: Any) -> Any:
        """Generators draw; others say that they do not, with ConfigError."""
        raise ConfigError(f"{self.name} predicts propensities and draws nothing; use model.propensity(data)")


OF_SYSTEM = ("mixture", "density", "temperatures")
OLDER = (
    *("lag_times", "num_species", "dimension", "cutoff", "input", "domain"),
    *("descriptors", "descriptor_sets", "probe_levels"),
)
"""Settings of models of before they recorded what they read."""


def with_reads(
    model: Mapping[str, Any], data: Mapping[str, Any], lags: Sequence[float] = ()
) -> dict[str, Any]:
    """The hyper-parameters of a model with ``reads`` among them, whenever it was made.

    data: hyper-parameters of its data module; lags: of its outputs, where neither says them.

    Raises:
        ConfigError: a setting that cannot be.
    """
    if model.get("reads") is not None:
        return dict(model)
    kept = {name: value for name, value in model.items() if name not in OLDER}
    return kept | {"reads": reads_from(model, data, lags).plain()}


def reads_from(model: Mapping[str, Any], data: Mapping[str, Any], lags: Sequence[float] = ()) -> Reads:
    """What a model reads that does not record it, see `with_reads`."""
    system, network = model.get("system"), model.get("network")
    known = {key: system[key] for key in OF_SYSTEM if key in system} if isinstance(system, Mapping) else None
    domain = read_domain(model.get("domain") or known)
    stated: Any = model.get("lag_times") or domain.get("lag_times") or lags
    columns = model.get("descriptors") or 0
    names: Any = (model.get("descriptor_sets") or data.get("descriptors") or True) if columns else ()
    inner = network.get("init_args") if isinstance(network, Mapping) else None
    found = Reads(
        input=model.get("input") or data.get("input") or "thermal",
        cutoff=model.get("cutoff") or data.get("cutoff") or 2.0,
        descriptors=("invariants",) if names is True else names,
        columns=columns,
        levels=model.get("probe_levels") or (),
        lags=stated or data.get("lags") or None,
        quantity=data.get("quantity") or "displacement",
        species=model.get("num_species"),
        dimension=model.get("dimension") or (inner or {}).get("dimension"),
        domain=domain,
        cage_vectors=data.get("cage_vectors", True) is not False,
    )
    return found if stated or found.lags is None else replace(found, lags=tuple(sorted(found.lags)))


def check_domain(
    model: str, domain: Mapping[str, Any] | None, data: str, served: Mapping[str, Any], *, force: bool
) -> str:
    """Refuse data outside the domain of a model; with ``force`` say so and return how they differ.

    Where the model does not know its domain, that is said; what ``served`` leaves out is not compared.

    Raises:
        ConfigError: the data lie outside.
    """
    if not domain:
        log.warning("%s does not record its domain: whether %s is within was not checked", model, data)
        return "unknown"
    found = "; ".join(differences(domain, served))
    if found and not force:
        raise ConfigError(f"{data}: outside the domain of {model}: {found}; choose another model, or --force")
    if found:
        log.warning("%s: outside the domain of %s: %s", data, model, found)
    return found


def differences(domain: Mapping[str, Any], served: Mapping[str, Any]) -> list[str]:
    """How data differ from a domain, in words; empty where they are within, or where it says nothing."""
    both = domain.keys() & served.keys()
    found = _mixtures(domain["mixture"], served["mixture"]) if "mixture" in both else []
    if "truncation" in both and served["truncation"] != domain["truncation"]:
        found.append(f"truncation {served['truncation']}, trained on {domain['truncation']}")
    if "density" in both and not math.isclose(served["density"], domain["density"], rel_tol=DENSITY):
        found.append(f"density {served['density']:g}, trained on {domain['density']:g}")
    if "temperatures" in both:
        found += _temperatures(domain["temperatures"], served["temperatures"])
    return found


def _mixtures(trained: Any, served: Any) -> list[str]:
    """How two mixtures differ: by value where both are known, whatever their names, else by name."""
    names = [each if isinstance(each, str) else each["name"] for each in (served, trained)]
    known = [MIXTURES.get(each) if isinstance(each, str) else get_mixture(each) for each in (served, trained)]
    ours, theirs = known
    if ours is None or theirs is None or ours.has_potential != theirs.has_potential:
        return [f"mixture {names[0]}, trained on {names[1]}"] if names[0] != names[1] else []
    unlike = ours.unlike(theirs)
    others = f" of other {', '.join(unlike)}" if names[0] == names[1] else ""
    return [f"mixture {names[0]}, trained on {names[1]}{others}"] if unlike else []


def words_of_domain(domain: Mapping[str, Any]) -> str:
    """The data that a model is good for; empty where that is not recorded."""
    mixture = domain.get("mixture")
    parts = [] if mixture is None else [mixture if isinstance(mixture, str) else str(mixture["name"])]
    parts += [f"truncation {domain['truncation']}"] if "truncation" in domain else []
    parts += [f"density {domain['density']:g}"] if "density" in domain else []
    if "temperatures" in domain:
        parts.append("T = " + ", ".join(f"{t:g}" for t in domain["temperatures"]))
    return ", ".join(parts)


def _temperatures(trained: list[float], served: list[float]) -> list[str]:
    low, high = min(trained) * (1 - TEMPERATURE), max(trained) * (1 + TEMPERATURE)
    outside = [t for t in served if not low <= t <= high]
    if not outside:
        return []
    known = f"{min(trained):g}" if min(trained) == max(trained) else f"{min(trained):g} to {max(trained):g}"
    return [f"temperature {', '.join(f'{t:g}' for t in outside)}, trained on {known}"]


def read_domain(given: Any) -> dict[str, Any]:
    """The same as one setting of a model, empty for None.

    Raises:
        ConfigError: it is not what `domain_of` gives, or a part of that.
    """
    found = {} if given is None else given
    if not isinstance(found, Mapping) or not all(_is_kind(name, value) for name, value in found.items()):
        raise ConfigError(f"model.domain must be what `gensample fit` records, got {given!r:.100}")
    return dict(found)


def _is_kind(name: str, value: Any) -> bool:
    if name == "mixture" and isinstance(value, Mapping):
        try:
            return bool(get_mixture(value).name)
        except ConfigError:
            return False
    if name in ("mixture", "truncation"):
        return isinstance(value, str)
    if name == "density":
        return _is_number(value)
    lists = {"temperatures": 1, "lag_times": 0}
    if name not in lists or not isinstance(value, list) or len(value) < lists[name]:
        return False
    return all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def check_lags(trained: Iterable[float] | None, served: Iterable[float], what: str) -> None:
    """Refuse lag times that are not, one by one, those that the outputs of a model belong to.

    Raises:
        ConfigError: names both.
    """
    ours, theirs = list(trained or ()), list(served)
    if ours and (len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=LAG, atol=0)):
        raise ConfigError(
            f"{what} was trained at lag times {ours}, the data serve {theirs}; set data.lags to {ours}"
        )
