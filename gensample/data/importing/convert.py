"""One dataset from the files of other programs: read, mapped, wrapped, checked, rid of drift and written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import torch

from gensample.data.catalog import dataset_file, is_source
from gensample.data.formats import read_sources
from gensample.data.importing import checks
from gensample.data.importing.source import Imported, Options, SourceStructure, say, temperature_of
from gensample.data.positions import potential
from gensample.data.schema import SPLITS
from gensample.data.store import Contents, StoreWriter
from gensample.errors import ConfigError, DataError
from gensample.physics.box import wrap
from gensample.physics.mixtures import UNKNOWN, Mixture, get_mixture
from gensample.ranges import shown
from gensample.seeding import numpy_generator
from gensample.text import printable
from gensample.work import atomic, check_output

_ROUNDED = 2e-4  # distance to which two copies of a configuration may be printed differently
_FLAT = 1e-9  # thickness of what lies in the plane

Order = list[np.ndarray]
"""Permutation (N,) of the particles of each structure that makes the species agree."""


@contextmanager
def opened_or_imported(
    source: str, mixture: str | None, temperature: float | None, command: str
) -> Iterator[tuple[Path, list[str]]]:
    """The file of a dataset; that of a source to import, and how it was taken, for as long as it is read.

    Raises:
        ConfigError: a mixture or temperature for a dataset, which says its own; else as `import_dataset`.
    """
    if not is_source(source):
        if mixture is not None or temperature is not None:
            told = "a dataset says its own mixture and temperature"
            raise ConfigError(f"{told}: drop --mixture and --temperature")
        yield dataset_file(source), []
        return
    with tempfile.TemporaryDirectory(prefix="gensample-") as folder:
        out = Path(folder) / f"{Path(source).name}.h5"
        options = Options(mixture=mixture, temperature=temperature)
        yield out, import_dataset([source], out, options, command=command).notes


def import_dataset(
    sources: Sequence[str | Path],
    out: str | Path,
    options: Options,
    *,
    command: str,
    format: str = "auto",
    seed: int = 0,
    val_count: int = 0,
) -> Imported:
    """Write what files and folders hold to ``out``; ``notes`` of the result say how each thing was taken.

    ``val_count`` training configurations, chosen by the seed, are moved to "val".

    Raises:
        ConfigError, DataError: as `read_sources` and `contents_of`, or displacements are damaged, wrapped, or
            given for some structures only; nothing is written then.
    """
    check_output(out, sources)
    imported = read_sources(sources, format, options)
    structures, notes = imported.structures, imported.notes
    contents, order = contents_of(imported, options)
    if val_count:
        split = move_to_validation(list(contents.split), val_count, seed)
        contents = replace(contents, split=split)
        notes.append(f"{val_count} training configurations moved to val (seed {seed})")
    check_repeats(contents, structures, notes)
    has = [s.load is not None for s in structures]
    if any(has) and not all(has):
        raise DataError("some files have displacements and others not; import them apart")
    contents = replace(contents, seed=seed, command=command, displacements=any(has))
    attributes = {"import_notes": "\n".join(notes)}
    with (
        atomic(out, imported.files) as temporary,
        StoreWriter.create(temporary, replace(contents, extra_attrs=attributes)) as writer,
    ):
        if any(has):
            drift = _write_displacements(writer, structures, contents, order)
            notes.append(f"centre-of-mass drift removed from displacements: largest {drift:.2g}")
    return imported


def contents_of(imported: Imported, options: Options) -> tuple[Contents, Order]:
    """Everything of a dataset but the displacements, each step noted in ``imported.notes``.

    Raises:
        DataError: something a user must say is missing, or a check of ``checks`` fails.
        ConfigError: the mixture is unknown.
    """
    structures, notes = imported.structures, imported.notes
    first = structures[0]
    if imported.mixture is None:
        raise DataError(
            f"{imported.format} files do not name the mixture; give it with --mixture, `--mixture unknown` "
            "where nobody knows the potential"
        )
    unknown = imported.mixture == UNKNOWN
    mixture = _unknown(first, options, notes) if unknown else get_mixture(imported.mixture)
    for s in structures:
        if len(s.positions) != len(first.positions):
            raise DataError(
                f"{s.name} has {len(s.positions)} particles, {first.name} has {len(first.positions)}; "
                "one dataset holds one size"
            )
        if s.times.shape != first.times.shape or not np.allclose(s.times, first.times):
            raise DataError(
                f"{s.name} has lag times {s.times.tolist()}, {first.name} has {first.times.tolist()}; "
                "one dataset holds one set (import each temperature apart)"
            )
    if options.times is not None and not first.times.size:
        raise DataError(f"--time gives lag times, but {first.name} is a configuration without lags")
    positions, box = _geometry(structures, mixture, options, notes)
    species, order = _species(structures, mixture, options, notes)
    x = _common(positions, order)
    split = _splits(structures, options, notes)
    temperature = np.array([_temperature(s, options, notes) for s in structures])
    if first.times.size:
        notes.append("lag times " + ", ".join(f"{t:g}" for t in first.times))
    inherent = _common([s.inherent for s in structures], order)
    if inherent is not None:
        flat = torch.from_numpy(_in_dimension(inherent, mixture, first.name).copy())
        inherent = wrap(flat, torch.from_numpy(box)[:, None]).numpy()
    for i, s in enumerate(structures):
        checks.check_structure(s.name, x[i], species, box[i], mixture, options.density)
        if inherent is not None:
            checks.check_inherent(s.name, x[i], inherent[i], box[i])
    made: dict[str, Any] = {"minimiser": "of the source"}
    if inherent is not None and mixture.has_potential:
        energy, _, force = potential(inherent, species, box, mixture)
        made |= {"energy": energy, "residual": force, "max_residual_force": float(force.max())}
    named = set.intersection(*(set(s.predictions) for s in structures))
    contents = Contents(
        mixture=mixture,
        temperature=temperature,
        density=float(np.mean(len(species) / box.prod(axis=1))),
        source=f"{imported.format}: {first.name}" + (" ..." if len(structures) > 1 else ""),
        species=species,
        box=box,
        split=split,
        positions=x,
        times=first.times,
        replicas=np.array([s.replicas for s in structures]),
        inherent=inherent,
        inherent_attrs=made,
        propensity=_common([s.propensity for s in structures], order, axis=1),
        bond_breaking=_common([s.bond_breaking for s in structures], order, axis=1),
        predictions={
            name: _common([s.predictions[name] for s in structures], order, axis=1) for name in sorted(named)
        },
    )
    return contents, order


def _common(arrays: Sequence[np.ndarray | None], order: Order, axis: int = 0) -> Any:
    """An array of every structure, particles along an axis in order, together; None where one has none."""
    if any(a is None for a in arrays):
        return None
    return np.stack([np.take(a, o, axis) for a, o in zip(arrays, order, strict=True)])  # type: ignore[arg-type]


def check_repeats(contents: Contents, structures: list[SourceStructure], notes: list[str]) -> None:
    """A configuration that comes twice, also rounded, moved as a whole or in another order, is of one split.

    Raises:
        DataError: it is not.
    """
    temperature, split = np.asarray(contents.temperature), contents.split
    for i, j in enumerate(_first_alike(contents.positions, contents.box)):
        pair = f"{structures[i].name} and {structures[j].name}"
        if split[i] != split[j]:
            raise DataError(
                f"{pair} are one configuration, in splits {split[i]} and {split[j]}; "
                "leave one out, or say --split"
            )
        if i != j and temperature[i] == temperature[j]:
            say(notes, f"{pair} are one configuration, stored twice")


def _first_alike(positions: np.ndarray, box: np.ndarray) -> list[int]:
    """The first configuration that each of (C, N, d) is a copy of, itself where there is none before it."""
    waves = np.abs(checks.density_waves(positions, box))  # which do not know their origin either
    noise = checks.rounding_of_waves(_ROUNDED, box, positions.shape[1])
    return [
        int(np.argmax((np.abs(waves[: i + 1] - waves[i]) < noise).all(axis=1))) for i in range(len(waves))
    ]


def _unknown(first: SourceStructure, options: Options, notes: list[str]) -> Mixture:
    """The liquid that the first structure is, of which nothing else is known."""
    if first.box is None and options.box is None and options.density is None:
        raise DataError(f"{first.name} has no box; give --box or --density")
    count, d = first.positions.shape
    d = 2 if d == 3 and np.ptp(first.positions[:, 2]) < _FLAT else d
    bare = Mixture.unknown(np.unique(first.types, return_counts=True)[1].tolist(), d, 1.0)
    box = _box(first, first.positions[:, :d], bare, options)
    notes.append("the potential is not known: there will be no energies; the unit of length is a diameter")
    return replace(bare, density=float(count / box.prod()))


def _in_dimension(positions: np.ndarray, mixture: Mixture, name: str) -> np.ndarray:
    """Positions in the dimension of the mixture: a flat third coordinate is dropped."""
    d = positions.shape[-1]
    if d == mixture.dimension:
        return positions
    if d == 3 and mixture.dimension == 2 and np.ptp(positions[..., 2]) < _FLAT:
        return positions[..., :2]
    raise DataError(
        f"{name} has {d} dimensions, the mixture {mixture.name} has {mixture.dimension}; see --mixture"
    )


def _geometry(
    structures: list[SourceStructure], mixture: Mixture, options: Options, notes: list[str]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Wrapped positions (N, d) of each structure and boxes (C, d), in the dimension of the mixture."""
    positions = [_in_dimension(s.positions, mixture, s.name) for s in structures]
    box = np.stack([_box(s, x, mixture, options) for s, x in zip(structures, positions, strict=True)])
    if all(s.box is None for s in structures) and options.box is None:
        notes.append(f"box from density {options.density or mixture.density:g}: edge {box[0, 0]:.6g}")
    wrapped = [_wrapped(x, b, s, notes) for x, b, s in zip(positions, box, structures, strict=True)]
    return wrapped, box


def _box(s: SourceStructure, positions: np.ndarray, mixture: Mixture, options: Options) -> np.ndarray:
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


def _wrapped(positions: np.ndarray, box: np.ndarray, s: SourceStructure, notes: list[str]) -> np.ndarray:
    checks.check_finite(s.name, positions, box)
    if s.propensity is not None:
        checks.check_finite(f"{s.name}: propensity", s.propensity, box)
    if s.wrapped:
        checks.check_wrapped(s.name, positions, box)
    result = wrap(torch.from_numpy(positions), torch.from_numpy(box)).numpy()
    if not np.array_equal(result, positions):
        say(notes, "positions lay partly outside the box: wrapped into it (displacements stay unwrapped)")
    return np.asarray(result)


def _species(
    structures: list[SourceStructure], mixture: Mixture, options: Options, notes: list[str]
) -> tuple[np.ndarray, Order]:
    """Species (N,) int8 that all structures share, and the permutations that bring them there."""
    mapping = _mapping(structures, mixture, options)
    notes.append(
        "types " + ", ".join(f"{printable(k)} -> {v} ({ascii_uppercase[v]})" for k, v in mapping.items())
    )
    mapped = [np.array([mapping[str(t)] for t in s.types.tolist()], np.int8) for s in structures]
    for s, species in zip(structures, mapped, strict=True):
        checks.check_composition(s.name, species, mixture)
    if all(np.array_equal(species, mapped[0]) for species in mapped):
        return mapped[0], [np.arange(len(mapped[0]))] * len(mapped)
    notes.append("the order of the species differs between files: particles sorted by species in each")
    if any(not np.array_equal(np.sort(species), np.sort(mapped[0])) for species in mapped):
        raise DataError("the files have different numbers of particles of a species; one dataset holds one")
    return np.sort(mapped[0], kind="stable"), [np.argsort(species, kind="stable") for species in mapped]


def _mapping(structures: list[SourceStructure], mixture: Mixture, options: Options) -> dict[str, int]:
    found = np.unique(np.concatenate([np.unique(s.types) for s in structures]))
    labels = [str(label) for label in found.tolist()]
    mapping = options.species or {label: i for i, label in enumerate(labels)}
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


def _splits(structures: list[SourceStructure], options: Options, notes: list[str]) -> list[str]:
    if options.split != "auto":
        return [options.split] * len(structures)
    splits = []
    for s in structures:
        named = s.source.split
        if s.split is not None and s.split not in SPLITS:
            raise DataError(
                f"{s.name}: the file states split {shown(s.split)}, known are {', '.join(SPLITS)}"
            )
        splits.append(s.split or (named[0] if named else "train"))
        if s.split is None and named:
            say(notes, f"split {named[0]} taken from {printable(named[1])}")
        elif s.split is None:
            say(
                notes,
                "no train, val or test folder at or below the given source: put into split train; "
                "--split says otherwise",
            )
    return splits


def _temperature(s: SourceStructure, options: Options, notes: list[str]) -> float:
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


def _write_displacements(
    writer: StoreWriter, structures: list[SourceStructure], contents: Contents, order: Order
) -> float:
    """Write them without drift; the largest drift that there was."""
    mixture, largest = get_mixture(contents.mixture), 0.0
    for c, s in enumerate(structures):
        assert s.load is not None
        u = _in_dimension(s.load(), mixture, s.name)[:, :, order[c]]
        temperature = float(np.asarray(contents.temperature)[c])
        where = contents.positions[c], contents.box[c]
        checks.check_motion(s.name, u, *where, np.asarray(contents.times), temperature)
        # All particles of these mixtures have mass 1, so the centre of mass is the plain mean.
        drift = u.mean(axis=2, keepdims=True) * (not s.drift_free)
        largest = max(largest, float(np.abs(drift).max(initial=0.0)))
        for r, replica in enumerate(u - drift):
            writer.write_replica(c, r, replica.astype(np.float32))
    return largest
