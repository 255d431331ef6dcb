"""Per-configuration records (graph, averages over replicas, fields) and their collation into a batch."""

import os
from collections.abc import Sequence
from math import pi
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from gensample.physics.box import minimum_image, wrap
from gensample.physics.mobility import averaging_matrix, log_mobility
from gensample.physics.neighbors import neighbor_list

# Concatenated along their first axis; the rest of a record is one row per configuration.
PER_NODE = ("pos", "cage_vector", "descriptors", "propensity", "spread", "mobility", "displacement")
PER_EDGE = ("edge_vector", "elongation")
PER_CONFIGURATION = ("box", "temperature", "energy", "snapshot_id", "replicas", "field_lag")

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
    count = len(displacements)
    length = displacements.double().norm(dim=-1)
    spread = length.std(0) if count > 1 else torch.zeros_like(length[0])
    edge_index = graph["edge_index"]
    source, destination = edge_index
    initial = minimum_image(thermal[destination] - thermal[source], box).to(displacements.dtype)
    stretched = torch.zeros(displacements.shape[1], edge_index.shape[1], dtype=torch.float64)
    for replica in displacements:  # one at a time: (R, K, E, d) at once would be gigabytes
        relative = replica.index_select(1, destination).sub_(replica.index_select(1, source))
        stretched += relative.add_(initial).norm(dim=-1)
    elongation = stretched / count - initial.double().norm(dim=-1)
    found = {
        "propensity": length.mean(0),
        "spread": spread,
        **_mobility(displacements, graph),
        "msd": length.square().mean(0),
        "elongation": elongation,
    }
    return {name: value.T.float().contiguous() for name, value in found.items()}


def _mobility(displacements: Tensor, graph: Record) -> Record:
    """Mean and standard deviation over replicas of the log mobility, each (K, N)."""
    replicas, lags, size, dimension = displacements.shape
    matrix = averaging_matrix(graph["edge_index"], graph["edge_vector"], size)
    fields = displacements.reshape(-1, size, dimension).transpose(0, 1)
    mobility = log_mobility(fields, matrix).reshape(size, replicas, lags).permute(1, 2, 0).double()
    spread = mobility.std(0) if replicas > 1 else torch.zeros_like(mobility[0])
    return {"mobility": mobility.mean(0), "mobility_spread": spread}


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


def collate(records: Sequence[Record], species: Tensor, lag_time: Tensor) -> Data:
    """One batch (see :mod:`gensample.fields`) from the records of B configurations; species (N,)."""
    size, count = len(species), len(records)
    device = species.device
    batch = Data(
        species=species.repeat(count),
        edge_index=torch.cat([r["edge_index"] + i * size for i, r in enumerate(records)], dim=1),
        batch=torch.arange(count, device=device).repeat_interleave(size),
        ptr=torch.arange(count + 1, device=device) * size,
        lag_time=lag_time,
    )
    for name in (*PER_NODE, *PER_EDGE, *PER_CONFIGURATION):
        if name in records[0]:
            batch[name] = torch.cat([r[name] for r in records])
    batch.num_nodes = count * size
    batch.num_graphs = count
    return batch


def collate_positions(
    rows: np.ndarray, species: Tensor, positions: np.ndarray, box: np.ndarray, temperature: np.ndarray
) -> Data:
    """A batch without graphs: positions (B, N, d), kept in float64, box (B, d), temperature (B,)."""
    size, count, device = len(species), len(rows), species.device
    batch = Data(
        species=species.repeat(count),
        pos=torch.from_numpy(positions).flatten(0, 1).to(device),
        batch=torch.arange(count, device=device).repeat_interleave(size),
        ptr=torch.arange(count + 1, device=device) * size,
        box=torch.from_numpy(box).to(device),
        temperature=torch.from_numpy(temperature).float().to(device),
        snapshot_id=torch.from_numpy(rows).to(device),
    )
    batch.num_nodes, batch.num_graphs = count * size, count
    return batch


def estimate_bytes(store: Any, rows: np.ndarray, cutoff: float, lags: int, descriptors: int) -> int:
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
