"""Records of configurations (graph, averages over replicas, fields), what is done to them, their batches."""

import os
from collections.abc import Sequence
from math import pi

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from gensample.data.store import Store
from gensample.physics.box import minimum_image, wrap
from gensample.physics.mobility import averaging_matrix, log_mobility
from gensample.physics.neighbors import neighbor_list
from gensample.stats.regression import mean_and_scale

# Concatenated along their first axis; the rest of a record is one row per configuration.
PER_NODE = ("pos", "cage_vector", "descriptors", "propensity", "spread", "mobility", "displacement")
PER_EDGE = ("edge_vector", "elongation")
PER_CONFIGURATION = ("box", "temperature", "energy", "snapshot_id", "replicas", "field_lag")
VECTORS = ("edge_vector", "cage_vector", "displacement")

Record = dict[str, Tensor]


def structure_record(
    thermal: Tensor, centre: Tensor | None, box: Tensor, cutoff: float, from_centre: bool
) -> Record:
    """Graph of one configuration: ``pos``, ``edge_index``, ``edge_vector``, ``cage_vector``, ``box`` (1, d).

    thermal, centre (inherent structure or cage positions): (N, d) float64, computed with in that precision
    and kept in float32.
    """
    built_from = centre if from_centre and centre is not None else thermal
    edge_index, edge_vector = neighbor_list(built_from, box, cutoff)
    cage = torch.zeros_like(thermal) if centre is None else minimum_image(centre - thermal, box)
    box32 = box.float()
    return {
        "pos": wrap(built_from.float(), box32),
        "edge_index": edge_index,
        "edge_vector": edge_vector.float(),
        "cage_vector": cage.float(),
        "box": box32.unsqueeze(0),
    }


def averages(displacements: Tensor, thermal: Tensor, box: Tensor, graph: Record) -> Record:
    """Averages over the replicas of one configuration.

    displacements: (R, K, N, d); thermal: (N, d) initial positions; ``graph`` has the bonds. Returns
    ``propensity``, ``spread`` (standard deviation of |u|, ddof = 1; zero for a single replica), ``msd`` (mean
    of |u|^2), ``mobility`` and ``mobility_spread`` (mean and standard deviation of the log mobility of
    ``physics.mobility``), each (N, K), and ``elongation`` (E, K), mean of |r_ij(0) + u_j - u_i| - |r_ij(0)|.
    """
    replicas, lags, size, dimension = displacements.shape
    length = displacements.double().norm(dim=-1)
    source, destination = edge_index = graph["edge_index"]
    initial = minimum_image(thermal[destination] - thermal[source], box).to(displacements.dtype)
    stretched = torch.zeros(lags, edge_index.shape[1], dtype=torch.float64)
    for replica in displacements:  # one at a time: (R, K, E, d) at once would be gigabytes
        relative = replica.index_select(1, destination).sub_(replica.index_select(1, source))
        stretched += relative.add_(initial).norm(dim=-1)
    matrix = averaging_matrix(edge_index, graph["edge_vector"], size)
    fields = displacements.reshape(-1, size, dimension).transpose(0, 1)
    mobility = log_mobility(fields, matrix).reshape(size, replicas, lags).permute(1, 2, 0).double()
    found = {
        "propensity": length.mean(0),
        "spread": _deviation(length),
        "mobility": mobility.mean(0),
        "mobility_spread": _deviation(mobility),
        "msd": length.square().mean(0),
        "elongation": stretched / replicas - initial.double().norm(dim=-1),
    }
    return {name: value.T.float().contiguous() for name, value in found.items()}


def _deviation(values: Tensor) -> Tensor:
    """Standard deviation over replicas (R, ...), zero for a single one."""
    return values.std(0) if len(values) > 1 else torch.zeros_like(values[0])


def draw_fields(
    replicas: int, lags: int, count: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """``count`` pairs (replica, lag), every lag equally often.

    With a generator: replicas and lags each in random order, a replica not repeated before all were used.
    Without one: lags in ascending order, then the next replica.
    """
    number = torch.arange(count)
    if generator is None:
        return (number // lags) % replicas, number % lags
    replica = torch.randperm(replicas, generator=generator)[number % replicas]
    return replica, torch.randperm(lags, generator=generator)[number % lags]


# Batches


def collate(records: Sequence[Record], species: Tensor, lag_time: Tensor) -> Data:
    """One batch (see :mod:`gensample.fields`) from the records of B configurations; species (N,)."""
    size = len(species)
    names = [n for n in (*PER_NODE, *PER_EDGE, *PER_CONFIGURATION) if n in records[0]]
    edges = torch.cat([r["edge_index"] + i * size for i, r in enumerate(records)], dim=1)
    joined = {name: torch.cat([r[name] for r in records]) for name in names}
    return _batch(len(records), species, edge_index=edges, lag_time=lag_time, **joined)


def collate_positions(
    rows: np.ndarray, species: Tensor, positions: np.ndarray, box: np.ndarray, temperature: np.ndarray
) -> Data:
    """A batch without graphs: positions (B, N, d), kept in float64, box (B, d), temperature (B,)."""
    values = {
        "pos": torch.from_numpy(positions).flatten(0, 1),
        "box": torch.from_numpy(box),
        "temperature": torch.from_numpy(temperature).float(),
        "snapshot_id": torch.from_numpy(rows),
    }
    return _batch(len(rows), species, **{name: value.to(species.device) for name, value in values.items()})


def _batch(count: int, species: Tensor, **values: Tensor) -> Data:
    size, device = len(species), species.device
    batch = Data(
        species=species.repeat(count),
        batch=torch.arange(count, device=device).repeat_interleave(size),
        ptr=torch.arange(count + 1, device=device) * size,
        **values,
    )
    batch.num_nodes, batch.num_graphs = count * size, count
    return batch


# Symmetries of the axes, applied to every vector of a configuration alike: the cubic group (axis permutations
# and reflections), and what a shear leaves of it.


def random_signed_permutation(dimension: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform element of the cubic group: permutation of the axes (d,) int64 and a sign for each (d,)."""
    permutation = torch.randperm(dimension, generator=generator)
    sign = 2 * torch.randint(2, (dimension,), generator=generator) - 1
    return permutation, sign


def random_shear_symmetry(dimension: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform element of what a shear of the first axis along the second leaves: permutation and signs (d,).

    Both turned round together, and every further axis: r -> F r with F = 1 + g e_x e_y^T commutes with these.
    """
    sign = 2 * torch.randint(2, (dimension,), generator=generator) - 1
    sign[1] = sign[0]
    return torch.arange(dimension), sign


SYMMETRIES = {"cubic": random_signed_permutation, "shear": random_shear_symmetry}


def signed_permutation(record: Record, permutation: Tensor, sign: Tensor) -> Record:
    """The record of one configuration seen along other axes.

    New axis a is ``sign[a]`` times old axis ``permutation[a]``. Vectors have their components last; scalars
    and the graph stay as they are. Returns a new dictionary.
    """
    permutation = permutation.to(record["pos"].device)
    sign = sign.to(record["pos"])
    turned = record | {n: record[n][..., permutation] * sign for n in VECTORS if n in record}
    turned["box"] = record["box"][..., permutation]
    turned["pos"] = wrap(record["pos"][..., permutation] * sign, turned["box"])
    return turned


# Scales and sizes


def displacement_scales(records: Sequence[Record], species: Tensor, num_species: int) -> dict[str, Tensor]:
    """Scales of the records of configurations that have displacements; species: (N,).

    ``rms`` displacement component; mean ``propensity``, ``spread`` over replicas and ``mobility``, and the
    standard deviation of each, ``propensity_scale`` and so on; ``mobility_spread``, the root mean square over
    particles of its standard deviation over replicas; each (S, K) per species and lag. ``elongation_scale``
    (K,), its root mean square over bonds.
    """
    of = [species == s for s in range(num_species)]

    def moments(name: str, power: int = 1) -> tuple[Tensor, Tensor]:
        found = [mean_and_scale(record[name][mine] ** power for record in records) for mine in of]
        mean, scale = (torch.stack(each).float() for each in zip(*found, strict=True))
        return mean, scale

    stretch = torch.stack([record["elongation"].double().square().mean(0) for record in records]).mean(0)
    scales = {
        "rms": (moments("msd")[0] / records[0]["pos"].shape[1]).sqrt(),
        "mobility_spread": moments("mobility_spread", power=2)[0].sqrt(),
        "elongation_scale": stretch.sqrt().float(),
    }
    for name in ("propensity", "spread", "mobility"):
        scales[name], scales[f"{name}_scale"] = moments(name)
    return scales


def estimate_bytes(store: Store, rows: np.ndarray, cutoff: float, lags: int, descriptors: int) -> int:
    """Memory of the records of ``rows`` with their fields, from the density of the boxes."""
    size, dimension = store.num_particles, store.dimension
    ball = pi * cutoff**2 if dimension == 2 else 4 / 3 * pi * cutoff**3
    edges = size * ball * size / float(np.prod(store.box[0]))
    per_configuration = edges * (16 + 4 * dimension + 4 * lags)
    per_configuration += size * 4 * (2 * dimension + 5 * lags + descriptors)
    per_configuration += store.replicas[rows].mean() * lags * size * dimension * 4
    return int(per_configuration * len(rows))


def free_memory(device: torch.device) -> int:
    """Free bytes on ``device``."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
