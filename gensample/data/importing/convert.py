"""From imported structures to one dataset: mapping, wrapping, checks, drift removal and writing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gensample.data.importing import checks
from gensample.data.importing.base import SPECIES_LETTERS, Imported, Options, Structure, say, temperature_of
from gensample.data.schema import SPLITS
from gensample.data.store import StoreWriter
from gensample.errors import DataError
from gensample.physics.box import wrap
from gensample.physics.mixtures import UNKNOWN, Mixture, get_mixture
from gensample.ranges import shown
from gensample.seeding import numpy_generator
from gensample.text import printable
from gensample.work import atomic

_HARMONICS = (1, 2, 3)
_ROUNDED = 2e-4  # distance to which two copies of a configuration may be printed differently


# Thickness of what lies in the plane.
FLAT = 1e-9


@dataclasses.dataclass
class Dataset:
    """Everything of a dataset but the displacements. Shapes as in docs/data-format.md.

    order: permutation of the particles of each structure that makes the species agree, or None.
    """

    mixture: Mixture
    species: np.ndarray
    box: np.ndarray
    split: list[str]
    positions: np.ndarray
    temperature: np.ndarray
    times: np.ndarray
    density: float
    order: list[np.ndarray | None]
    inherent: np.ndarray | None
    propensity: np.ndarray | None
    bond_breaking: np.ndarray | None
    predictions: dict[str, np.ndarray]


def assemble(imported: Imported, options: Options) -> Dataset:
    """Arrays of a dataset from structures, each step noted in ``imported.notes``.

    Raises:
        DataError: something a user must say is missing, or a check of ``checks`` fails.
        ConfigError: the mixture is unknown.
    """
    structures, notes = imported.structures, imported.notes
    mixture = _mixture(imported, options)
    _same_size(structures)
    positions, box = _geometry(structures, mixture, options, notes)
    species, order = _species(structures, mixture, options, notes)
    dataset = Dataset(
        mixture=mixture,
        species=species,
        box=box,
        split=_splits(structures, options, notes),
        positions=np.stack(_permute(positions, order)),
        temperature=np.array([_temperature(s, options, notes) for s in structures]),
        times=_times(structures, options, notes),
        density=float(np.mean(len(species) / box.prod(axis=1))),
        order=order,
        inherent=_inherent(structures, order, box, mixture),
        propensity=_averages(structures, order, "propensity"),
        bond_breaking=_averages(structures, order, "bond_breaking"),
        predictions=_predictions(structures, order),
    )
    _check(dataset, structures, options)
    return dataset


def check_repeats(dataset: Dataset, structures: list[Structure], notes: list[str]) -> None:
    """A configuration that comes twice, also rounded, moved as a whole or in another order, is of one split.

    Raises:
        DataError: it is not.
    """
    for i, j in enumerate(_first_alike(dataset.positions, dataset.box)):
        pair = f"{structures[i].name} and {structures[j].name}"
        if dataset.split[i] != dataset.split[j]:
            raise DataError(
                f"{pair} are one configuration, in splits {dataset.split[i]} and {dataset.split[j]}; "
                "leave one out, or say --split"
            )
        if i != j and dataset.temperature[i] == dataset.temperature[j]:
            say(notes, f"{pair} are one configuration, stored twice")


def _first_alike(positions: np.ndarray, box: np.ndarray) -> list[int]:
    """The first configuration that each of (C, N, d) is a copy of, itself where there is none before it.

    Amplitudes of density waves along the edges know neither the order of the particles nor their origin.
    """
    waves = np.stack([_amplitudes(x / edges) for x, edges in zip(positions, box, strict=True)])
    # Of N phases that are rounded independently, three standard deviations and more.
    noise = 2 * np.pi * max(_HARMONICS) * _ROUNDED / box.min() * 3 * np.sqrt(positions.shape[1])
    return [
        int(np.argmax((np.abs(waves[: i + 1] - waves[i]) < noise).all(axis=1))) for i in range(len(waves))
    ]


def _amplitudes(scaled: np.ndarray) -> np.ndarray:
    waves = [np.exp(2j * np.pi * m * scaled).sum(axis=0) for m in _HARMONICS]
    amplitudes: np.ndarray = np.abs(np.concatenate(waves))
    return amplitudes


def _check(dataset: Dataset, structures: list[Structure], options: Options) -> None:
    for i, s in enumerate(structures):
        x, box = dataset.positions[i], dataset.box[i]
        checks.check_structure(s.name, x, dataset.species, box, dataset.mixture, options.density)
        if dataset.inherent is not None:
            checks.check_inherent(s.name, x, dataset.inherent[i], box)


def _geometry(
    structures: list[Structure], mixture: Mixture, options: Options, notes: list[str]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Wrapped positions (N, d) of each structure and boxes (C, d), in the dimension of the mixture."""
    positions = [_in_dimension(s.positions, mixture, s.name) for s in structures]
    box = np.stack([_box(s, x, mixture, options) for s, x in zip(structures, positions, strict=True)])
    if all(s.box is None for s in structures) and options.box is None:
        notes.append(f"box from density {options.density or mixture.density:g}: edge {box[0, 0]:.6g}")
    wrapped = [_wrapped(x, b, s, notes) for x, b, s in zip(positions, box, structures, strict=True)]
    return wrapped, box


def _mixture(imported: Imported, options: Options) -> Mixture:
    if imported.mixture is None:
        raise DataError(f"{imported.format} files do not name the mixture; give it with --mixture")
    if imported.mixture == UNKNOWN:
        return _unknown(imported.structures[0], options, imported.notes)
    return get_mixture(imported.mixture)


def _unknown(first: Structure, options: Options, notes: list[str]) -> Mixture:
    """The liquid that the first structure is, of which nothing else is known."""
    if first.box is None and options.box is None and options.density is None:
        raise DataError(f"{first.name} has no box; give --box or --density")
    count, d = first.positions.shape
    d = 2 if d == 3 and np.ptp(first.positions[:, 2]) < FLAT else d
    bare = Mixture.unknown(np.unique(first.types, return_counts=True)[1].tolist(), d, 1.0)
    box = _box(first, first.positions[:, :d], bare, options)
    notes.append("the potential is not known: there will be no energies; the unit of length is a diameter")
    return dataclasses.replace(bare, density=float(count / box.prod()))


def _same_size(structures: list[Structure]) -> None:
    first = structures[0]
    for s in structures:
        if len(s.positions) != len(first.positions):
            raise DataError(
                f"{s.name} has {len(s.positions)} particles, {first.name} has {len(first.positions)}; "
                "one dataset holds one size"
            )


def _in_dimension(positions: np.ndarray, mixture: Mixture, name: str) -> np.ndarray:
    """Positions in the dimension of the mixture: a flat third coordinate is dropped."""
    d = positions.shape[-1]
    if d == mixture.dimension:
        return positions
    if d == 3 and mixture.dimension == 2 and np.ptp(positions[..., 2]) < FLAT:
        return positions[..., :2]
    raise DataError(
        f"{name} has {d} dimensions, the mixture {mixture.name} has {mixture.dimension}; see --mixture"
    )


def _box(s: Structure, positions: np.ndarray, mixture: Mixture, options: Options) -> np.ndarray:
    count, d = positions.shape
    if options.box is not None:
        if len(options.box) not in (1, d):
            raise DataError(f"--box needs 1 or {d} edge lengths, got {len(options.box)}")
        box = np.broadcast_to(np.asarray(options.box, np.float64), d).copy()
        if s.box is not None and not np.allclose(s.box[:d], box, rtol=1e-4):
            raise DataError(
                f"{s.name}: --box gives {box.tolist()}, the file has {s.box[:d].tolist()}; leave one out"
            )
    elif s.box is not None:
        box = np.asarray(s.box, np.float64)[:d]
    else:
        box = np.full(d, (count / (options.density or mixture.density)) ** (1.0 / d))
    if not (np.isfinite(box).all() and (box > 0).all()):
        raise DataError(f"{s.name}: box edges must be positive, got {box.tolist()}")
    return box


def _species(
    structures: list[Structure], mixture: Mixture, options: Options, notes: list[str]
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Species (N,) int8 that all structures share, and the permutations that bring them there."""
    mapping = _mapping(structures, mixture, options)
    notes.append(
        "types " + ", ".join(f"{printable(k)} -> {v} ({SPECIES_LETTERS[v]})" for k, v in mapping.items())
    )
    mapped = [np.array([mapping[str(t)] for t in s.types.tolist()], np.int8) for s in structures]
    for s, species in zip(structures, mapped, strict=True):
        checks.check_composition(s.name, species, mixture)
    if all(np.array_equal(species, mapped[0]) for species in mapped):
        return mapped[0], [None] * len(structures)
    notes.append("the order of the species differs between files: particles sorted by species in each")
    order: list[np.ndarray | None] = [np.argsort(species, kind="stable") for species in mapped]
    if any(not np.array_equal(np.sort(species), np.sort(mapped[0])) for species in mapped):
        raise DataError("the files have different numbers of particles of a species; one dataset holds one")
    return np.sort(mapped[0], kind="stable"), order


def _mapping(structures: list[Structure], mixture: Mixture, options: Options) -> dict[str, int]:
    found = np.unique(np.concatenate([np.unique(s.types) for s in structures]))
    labels = [str(label) for label in found.tolist()]
    if options.species is None:
        mapping = {label: i for i, label in enumerate(labels)}
    else:
        mapping = dict(options.species)
        if unknown := [label for label in labels if label not in mapping]:
            raise DataError(f"--species does not say what type {shown(', '.join(unknown))} is")
        if absent := [label for label in mapping if label not in labels]:
            raise DataError(
                f"--species names type {shown(', '.join(absent))}, the files have {shown(', '.join(labels))}"
            )
    if max(mapping.values()) >= mixture.num_species or min(mapping.values()) < 0:
        raise DataError(
            f"the files have types {shown(', '.join(labels))}, the mixture {mixture.name} has "
            f"{mixture.num_species} species; see --mixture and --species"
        )
    return mapping


def _wrapped(positions: np.ndarray, box: np.ndarray, s: Structure, notes: list[str]) -> np.ndarray:
    checks.check_finite(s.name, positions, box)
    if s.propensity is not None:
        checks.check_finite(f"{s.name}: propensity", s.propensity, box)
    if s.wrapped:
        checks.check_wrapped(s.name, positions, box)
    result = wrap(torch.from_numpy(positions), torch.from_numpy(box)).numpy()
    if not np.array_equal(result, positions):
        note = "positions lay partly outside the box: wrapped into it (displacements stay unwrapped)"
        if note not in notes:
            notes.append(note)
    return result


def _permute(arrays: list[np.ndarray], order: list[np.ndarray | None]) -> list[np.ndarray]:
    return [a if o is None else a[o] for a, o in zip(arrays, order, strict=True)]


def _splits(structures: list[Structure], options: Options, notes: list[str]) -> list[str]:
    if options.split != "auto":
        return [options.split] * len(structures)
    splits = []
    for s in structures:
        named = s.source.split
        if s.split is not None:
            if s.split not in SPLITS:
                raise DataError(
                    f"{s.name}: the file states split {shown(s.split)}, known are {', '.join(SPLITS)}"
                )
            splits.append(s.split)
        elif named is not None:
            splits.append(named[0])
            say(notes, f"split {named[0]} taken from {printable(named[1])}")
        else:
            splits.append("train")
            say(
                notes,
                "no train, val or test folder at or below the given source: put into split train; "
                "--split says otherwise",
            )
    return splits


def _temperature(s: Structure, options: Options, notes: list[str]) -> float:
    """What the user says, else the file itself, else its name or folder."""
    value = temperature_of(s.source, s.temperature, options)
    named = s.source.temperature if s.temperature is None else None
    stated = named[0] if named else s.temperature
    if value is None:
        raise DataError(f"{s.name} does not say its temperature; give it with --temperature")
    if not (np.isfinite(value) and value > 0):
        raise DataError(f"{s.name}: the temperature must be positive, got {value}")
    if stated is not None and stated != value:
        say(notes, f"--temperature {value:g} overrides {stated:g} of {named[1] if named else 'the files'}")
    elif named and options.temperature is None:
        say(notes, f"temperature {value:g} taken from {named[1]}")
    return value


def _times(structures: list[Structure], options: Options, notes: list[str]) -> np.ndarray:
    first = structures[0]
    for s in structures:
        if s.times.shape != first.times.shape or not np.allclose(s.times, first.times):
            raise DataError(
                f"{s.name} has lag times {s.times.tolist()}, {first.name} has {first.times.tolist()}; "
                "one dataset holds one set (import each temperature apart)"
            )
    if options.times is not None and not first.times.size:
        raise DataError(f"--time gives lag times, but {first.name} is a configuration without lags")
    if first.times.size:
        notes.append("lag times " + ", ".join(f"{t:g}" for t in first.times))
    return first.times


def _inherent(
    structures: list[Structure], order: list[np.ndarray | None], box: np.ndarray, mixture: Mixture
) -> np.ndarray | None:
    given = [s.inherent for s in structures if s.inherent is not None]
    if len(given) < len(structures):
        return None
    flat = [_in_dimension(x, mixture, s.name) for x, s in zip(given, structures, strict=True)]
    stacked = np.stack(_permute(flat, order))
    return wrap(torch.from_numpy(stacked), torch.from_numpy(box)[:, None, :]).numpy()


def _averages(structures: list[Structure], order: list[np.ndarray | None], name: str) -> np.ndarray | None:
    given = [getattr(s, name) for s in structures]
    if any(a is None for a in given):
        return None
    return np.stack([a if o is None else a[:, o] for a, o in zip(given, order, strict=True)])


def _predictions(structures: list[Structure], order: list[np.ndarray | None]) -> dict[str, np.ndarray]:
    """Predictions (C, K, N) that every structure has."""
    common = set.intersection(*(set(s.predictions) for s in structures))
    return {
        name: np.stack(
            [
                s.predictions[name] if o is None else s.predictions[name][:, o]
                for s, o in zip(structures, order, strict=True)
            ]
        )
        for name in sorted(common)
    }


def move_to_validation(split: list[str], count: int, seed: int) -> list[str]:
    """The splits with ``count`` training configurations, chosen by the seed, moved to "val".

    Raises:
        DataError: there are too few training configurations.
    """
    train = [i for i, name in enumerate(split) if name == "train"]
    if not 0 <= count < max(len(train), 1):
        raise DataError(f"cannot move {count} of {len(train)} training configurations to val; some must stay")
    chosen = set(numpy_generator(seed).choice(train, size=count, replace=False).tolist()) if count else set()
    return ["val" if i in chosen else name for i, name in enumerate(split)]


def write(
    imported: Imported,
    dataset: Dataset,
    out: str | Path,
    *,
    command: str,
    seed: int,
    inherent_attrs: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the dataset; nothing appears under ``out`` unless every displacement passes its checks.

    Raises:
        DataError: displacements are damaged, wrapped, or given for some structures only.
    """
    structures = imported.structures
    has = [s.load is not None for s in structures]
    if any(has) and not all(has):
        raise DataError("some files have displacements and others not; import them apart")
    with (
        atomic(out, imported.files) as temporary,
        StoreWriter.create(
            temporary,
            mixture=dataset.mixture,
            temperature=dataset.temperature,
            density=dataset.density,
            truncation=dataset.mixture.truncation,
            source=f"{imported.format}: {structures[0].name}" + (" ..." if len(structures) > 1 else ""),
            species=dataset.species,
            box=dataset.box,
            split=dataset.split,
            positions=dataset.positions,
            times=dataset.times,
            replicas=np.array([s.replicas for s in structures]),
            inherent=dataset.inherent,
            inherent_attrs=inherent_attrs,
            seed=seed,
            command=command,
            propensity=dataset.propensity,
            bond_breaking=dataset.bond_breaking,
            predictions=dataset.predictions,
            extra_attrs={"import_notes": "\n".join(imported.notes)},
            displacements=any(has),
        ) as writer,
    ):
        if any(has):
            drift = _write_displacements(writer, imported, dataset, progress)
            imported.notes.append(f"centre-of-mass drift removed from displacements: largest {drift:.2g}")


def _write_displacements(
    writer: StoreWriter,
    imported: Imported,
    dataset: Dataset,
    progress: Callable[[int, int], None] | None,
) -> float:
    largest = 0.0
    for c, s in enumerate(imported.structures):
        assert s.load is not None
        u = _in_dimension(s.load(), dataset.mixture, s.name)
        permutation = dataset.order[c]
        u = u if permutation is None else u[:, :, permutation]
        checks.check_displacements(s.name, u, dataset.positions[c], dataset.box[c])
        temperature = float(dataset.temperature[c])
        checks.check_motion(s.name, u, dataset.positions[c], dataset.box[c], dataset.times, temperature)
        # All particles of these mixtures have mass 1, so the centre of mass is the plain mean.
        drift = u.mean(axis=2, keepdims=True)
        largest = max(largest, float(np.abs(drift).max(initial=0.0)))
        for r, replica in enumerate(u - drift):
            writer.write_replica(c, r, replica.astype(np.float32))
        if progress is not None:
            progress(c + 1, len(imported.structures))
    return largest
