"""Names, shapes and meaning of every tensor of a batch, and a check that a batch keeps to them.

A batch is a ``torch_geometric.data.Data`` whose nodes are B configurations of N particles each.
Symbols of the shapes: n = B*N nodes, e edges, B configurations, d dimensions, K lag times, F displacement
fields per configuration, D descriptors.
"""

from dataclasses import dataclass
from typing import Any

import torch

from gensample.errors import DataError


@dataclass(frozen=True)
class Field:
    """One tensor of a batch: its shape in symbols, its kind of numbers, what it means."""

    shape: tuple[str | int, ...]
    integer: bool
    meaning: str


FIELDS: dict[str, Field] = {
    "species": Field(("n",), True, "species, 0 = A"),
    "pos": Field(("n", "d"), False, "wrapped positions the graph was built from (thermal, inherent or cage)"),
    "edge_index": Field((2, "e"), True, "every ordered pair within the cut-off: source, destination"),
    "edge_vector": Field(("e", "d"), False, "minimum image of x_destination - x_source"),
    "batch": Field(("n",), True, "number of the configuration within the batch"),
    "ptr": Field(("B+1",), True, "first node of each configuration, then n"),
    "box": Field(("B", "d"), False, "edge lengths"),
    "temperature": Field(("B",), False, "temperature"),
    "snapshot_id": Field(("B",), True, "row of the configuration in its dataset"),
    "lag_time": Field(("K",), False, "lag times of the targets, ascending"),
    "replicas": Field(("B",), True, "complete replicas behind the targets; 0 where unknown"),
    "cage_vector": Field(
        ("n", "d"), False, "minimum image of inherent (input=cage: cage) - thermal position, zero if unknown"
    ),
    "descriptors": Field(("n", "D"), False, "structural invariants, standardised per species"),
    "energy": Field(("B",), False, "potential energy per particle of pos, served with descriptors"),
    "propensity": Field(("n", "K"), False, "mean over replicas of |u|"),
    "spread": Field(("n", "K"), False, "standard deviation over replicas (ddof = 1) of |u|"),
    "mobility": Field(("n", "K"), False, "mean over replicas of the log local mean square displacement"),
    "elongation": Field(("e", "K"), False, "mean over replicas of |r_ij(t)| - |r_ij(0)|, thermal r_ij(0)"),
    "displacement": Field(("n", "F", "d"), False, "F unwrapped, drift-free displacement fields"),
    "field_lag": Field(("B", "F"), True, "index into lag_time of each displacement field"),
}

GRAPH = ("species", "pos", "edge_index", "edge_vector", "batch", "ptr", "box", "temperature", "snapshot_id")


def check_batch(batch: Any) -> None:
    """Check that ``batch`` has the fields of :data:`GRAPH` and that every known field has its shape and kind.

    Raises:
        DataError: naming the field, the expected shape and the one that came.
    """
    sizes: dict[str, int] = {}
    for name, field in FIELDS.items():
        value = getattr(batch, name, None)
        if value is None:
            if name in GRAPH:
                raise DataError(f"batch lacks the field '{name}' ({field.meaning})")
            continue
        _check_field(name, field, value, sizes)
    if sizes["B+1"] != sizes["B"] + 1:
        raise DataError(f"ptr has {sizes['B+1']} entries for {sizes['B']} configurations; expected one more")


def _check_field(name: str, field: Field, value: torch.Tensor, sizes: dict[str, int]) -> None:
    expected = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in field.shape)
    fits = len(expected) == value.ndim and all(
        isinstance(want, str) or want == got for want, got in zip(expected, value.shape, strict=True)
    )
    if not fits:
        raise DataError(f"field '{name}' has shape {tuple(value.shape)}; expected {expected}")
    if value.is_floating_point() == field.integer:
        raise DataError(
            f"field '{name}' has type {value.dtype}; expected {'int64' if field.integer else 'float'}"
        )
    sizes.update((s, n) for s, n in zip(field.shape, value.shape, strict=True) if isinstance(s, str))
