"""What every network must keep to, as checks for the tests of this package and of others.

A network is checked through ``call(batch)``, which returns tensors by name. The beginning of a name says how
the tensor must transform: ``node...`` (n, ...) scalars of particles, ``edge...`` (E, ...) scalars of bonds,
``vector...`` (n, ..., d) vectors of particles. Batches come from ``make(sample)``, :func:`graph_batch` by
default.

All comparisons are made in float64. A check that fails raises :class:`ContractError`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from gensample.physics.neighbors import batched_neighbor_list
from gensample.seeding import torch_generator

Outputs = Mapping[str, Tensor]
Call = Callable[[Any], Outputs]

TOLERANCE = 1e-8
KINDS = ("node", "edge", "vector")


class ContractError(AssertionError):
    """A network breaks one of the rules."""


@dataclass(frozen=True)
class Example:
    """B configurations of N particles, with a vector and F displacement fields per particle."""

    positions: Tensor  # (B, N, d), wrapped or not
    species: Tensor  # (N,)
    box: Tensor  # (B, d)
    cage_vector: Tensor  # (B, N, d)
    displacement: Tensor  # (B, N, F, d)

    def turned(self, matrix: Tensor) -> "Example":
        """Seen along other axes: x -> x Q with a signed permutation matrix Q (d, d)."""
        return Example(
            self.positions @ matrix,
            self.species,
            self.box @ matrix.abs(),
            self.cage_vector @ matrix,
            self.displacement @ matrix,
        )

    def permuted(self, order: Tensor) -> "Example":
        """With the particles in another order (N,)."""
        return Example(
            self.positions[:, order],
            self.species[order],
            self.box,
            self.cage_vector[:, order],
            self.displacement[:, order],
        )

    def only(self, i: int) -> "Example":
        """Configuration ``i`` alone."""
        i_ = slice(i, i + 1)
        return Example(
            self.positions[i_], self.species, self.box[i_], self.cage_vector[i_], self.displacement[i_]
        )

    def to(self, dtype: torch.dtype) -> "Example":
        """With real numbers of another precision."""
        return Example(
            self.positions.to(dtype),
            self.species,
            self.box.to(dtype),
            self.cage_vector.to(dtype),
            self.displacement.to(dtype),
        )


def random_sample(
    dimension: int,
    generator: torch.Generator,
    configurations: int = 2,
    per_edge: int | None = None,
    fields: int = 2,
) -> Example:
    """Disturbed square or cubic lattices at density 1.2: neither overlaps nor symmetry; float64.

    ``per_edge`` particles along each edge; by default as few as a cut-off of 1.6 allows.
    """
    per_edge = per_edge or {2: 5, 3: 4}[dimension]
    particles = per_edge**dimension
    box = (particles / 1.2) ** (1 / dimension)
    site = torch.cartesian_prod(*[torch.arange(per_edge, dtype=torch.float64)] * dimension) * (box / per_edge)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, dimension, generator=generator, dtype=torch.float64)

    return Example(
        site + 0.1 * noise(configurations, particles),
        torch.randint(2, (particles,), generator=generator),
        torch.full((configurations, dimension), box, dtype=torch.float64),
        0.1 * noise(configurations, particles),
        0.3 * noise(configurations, particles, fields),
    )


def graph_batch(sample: Example, cutoff: float = 1.6) -> Data:
    """A batch (see :mod:`gensample.fields`) with the graph of the sample's positions."""
    count, particles, dimension = sample.positions.shape
    edge_index, edge_vector = batched_neighbor_list(sample.positions, sample.box, cutoff)
    fields = sample.displacement.shape[2]
    batch = Data(
        species=sample.species.repeat(count),
        pos=sample.positions.reshape(-1, dimension),
        edge_index=edge_index,
        edge_vector=edge_vector,
        batch=torch.arange(count).repeat_interleave(particles),
        ptr=torch.arange(count + 1) * particles,
        box=sample.box,
        temperature=torch.full((count,), 0.45, dtype=sample.positions.dtype),
        snapshot_id=torch.arange(count),
        lag_time=torch.tensor([1.0, 10.0], dtype=sample.positions.dtype),
        cage_vector=sample.cage_vector.reshape(-1, dimension),
        displacement=sample.displacement.reshape(-1, fields, dimension),
        field_lag=torch.arange(fields).remainder(2).repeat(count, 1),
    )
    batch.num_nodes, batch.num_graphs = count * particles, count
    return batch


def check_network(
    network: nn.Module,
    call: Call,
    dimension: int,
    *,
    cubic: bool = False,
    rotation: bool = False,
    make: Callable[[Example], Any] | None = None,
    seed: int = 0,
) -> None:
    """Every check that holds for all networks, and those that this one promises.

    The parameters are replaced by random ones: layers that start from zero would pass anything.

    Args:
        network: whose parameters ``call`` uses.
        call: outputs of the network for a batch.
        dimension: d.
        cubic: promises symmetry under axis permutations and reflections.
        rotation: promises symmetry under all rotations of the vectors it reads.
        make: batch of a sample.
        seed: of the parameters and the sample.

    Raises:
        ContractError: naming the rule and the output that breaks it.
    """
    make = make or partial(graph_batch, cutoff=1.6)
    generator = torch_generator(seed)
    randomise(network, generator)
    sample = random_sample(dimension, generator)
    check_precisions(network, call, sample, make)
    with _double(network):
        check_variation(call, sample, make)
        check_translation(call, sample, make)
        check_lattice_moves(call, sample, make)
        check_permutation(call, sample, make)
        check_batch_independence(call, sample, make)
        check_gradients(network, call, sample, make)
        if cubic:
            check_cubic(call, sample, make)
        if rotation:
            check_rotation(call, sample, make)


def randomise(network: nn.Module, generator: torch.Generator) -> None:
    """Replace every parameter by normal numbers of variance 1 / (number of inputs), biases by small ones."""
    with torch.no_grad():
        for parameter in network.parameters():
            scale = 1 / math.sqrt(parameter.shape[-1]) if parameter.ndim > 1 else 0.3
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(scale * noise)


def check_variation(call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """Outputs are finite and differ between particles: a constant would pass every other check."""
    for name, value in call(make(sample)).items():
        _require(name.startswith(KINDS), f"output '{name}' must be called node..., edge... or vector...")
        _require(bool(value.isfinite().all()), f"output '{name}' is not finite")
        _require(bool((value.std(0) > 1e-6).all()), f"output '{name}' is the same for all particles or bonds")


def check_translation(call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """Moving everything by one vector changes nothing."""
    shift = torch.linspace(0.3, 1.7, sample.box.shape[1], dtype=torch.float64)
    _compare("a translation", call, make(sample), make(replace(sample, positions=sample.positions + shift)))


def check_lattice_moves(call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """Moving single particles by lattice vectors changes nothing."""
    moved = sample.positions.clone()
    moved[:, 0] += 3 * sample.box
    moved[:, -1, 0] -= sample.box[:, 0]
    _compare(
        "lattice vectors added to single particles",
        call,
        make(sample),
        make(replace(sample, positions=moved)),
    )


def check_permutation(call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """Particles in another order give the same outputs in that order."""
    count, particles = sample.positions.shape[:2]
    order = torch.arange(particles).roll(particles // 3).flip(0)
    of_node = (order + particles * torch.arange(count)[:, None]).flatten()
    _compare(
        "another order of the particles", call, make(sample), make(sample.permuted(order)), of_node=of_node
    )


def check_batch_independence(call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """A configuration gives the same outputs alone and among others."""
    particles = sample.positions.shape[1]
    whole = make(sample)
    for i in range(len(sample.positions)):
        of_node = torch.arange(particles) + i * particles
        _compare("the other configurations of a batch", call, whole, make(sample.only(i)), of_node=of_node)


def check_cubic(call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """Permuted and reflected axes leave scalars as they are and turn vectors alike."""
    dimension = sample.box.shape[1]
    for sign in (1.0, -1.0):
        matrix = torch.eye(dimension, dtype=torch.float64).roll(1, 0)
        matrix[0] *= sign
        _compare(f"axes turned by\n{matrix}", call, make(sample), make(sample.turned(matrix)), matrix=matrix)


def check_rotation(call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """A rotation or reflection of a batch's vectors leaves scalars as they are and turns vectors alike.

    Positions and box are left alone, since a periodic box has no continuous symmetry: the promise concerns
    what a network makes of edge vectors, cage vectors and displacements.
    """
    dimension = sample.box.shape[1]
    angles = torch.randn(dimension, dimension, generator=torch_generator(1), dtype=torch.float64)
    rotation = torch.linalg.matrix_exp(angles - angles.T)
    reflection = rotation * torch.tensor([-1.0] + [1.0] * (dimension - 1), dtype=torch.float64)
    for matrix in (rotation, reflection):
        turned = make(sample)
        for name in ("edge_vector", "cage_vector", "displacement"):
            setattr(turned, name, getattr(turned, name) @ matrix)
        _compare(f"vectors turned by\n{matrix}", call, make(sample), turned, matrix=matrix)


def check_gradients(network: nn.Module, call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """Every trainable parameter receives a finite gradient that is not zero."""
    network.zero_grad()
    outputs = call(make(sample))
    # Squares: the plain sum of drift-free vectors is zero whatever the parameters.
    total = torch.stack([value.square().sum() for value in outputs.values()]).sum()
    total.backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            gradient = torch.zeros(1) if parameter.grad is None else parameter.grad
            _require(bool(gradient.any()), f"parameter '{name}' receives no gradient")
            _require(bool(gradient.isfinite().all()), f"the gradient of parameter '{name}' is not finite")
    network.zero_grad()


def check_precisions(network: nn.Module, call: Call, sample: Example, make: Callable[[Example], Any]) -> None:
    """The network works in float32 and in float64, and both agree to single precision."""
    single = call(make(sample.to(torch.float32)))
    with _double(network):
        double = _call_in_double(call, make(sample))
    for name, value in single.items():
        _require(value.dtype == torch.float32, f"output '{name}' is {value.dtype} for float32 input")
        _require(
            double[name].dtype == torch.float64, f"output '{name}' is {double[name].dtype} for float64 input"
        )
        _close(name, value.double(), double[name], "single precision", 1e-3)


def _call_in_double(call: Call, batch: Any) -> Outputs:
    try:
        return call(batch)
    except RuntimeError as error:
        raise ContractError(f"the network does not work in float64: {error}") from error


@contextmanager
def _double(network: nn.Module) -> Iterator[None]:
    network.double()
    try:
        yield
    finally:
        network.float()


def _compare(
    what: str,
    call: Call,
    batch: Any,
    changed: Any,
    matrix: Tensor | None = None,
    of_node: Tensor | None = None,
) -> None:
    """Demand the same outputs for ``changed``, whose node i is node ``of_node[i]`` of ``batch``."""
    with torch.no_grad():
        before, after = call(batch), call(changed)
    of_node = torch.arange(changed.num_nodes) if of_node is None else of_node
    for name, value in before.items():
        if name.startswith("edge"):
            expected = value[_edges_of(batch, changed, of_node, what)]
        else:
            expected = value[of_node]
            if name.startswith("vector") and matrix is not None:
                expected = expected @ matrix
        _close(name, after[name], expected, what, TOLERANCE)


def _edges_of(batch: Any, changed: Any, of_node: Tensor, what: str) -> Tensor:
    """For every edge of ``changed``, the same edge of ``batch``."""
    source, destination = batch.edge_index
    key: Tensor = source * batch.num_nodes + destination
    keys, order = key.sort()
    source, destination = of_node[changed.edge_index]
    wanted = source * batch.num_nodes + destination
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    _require(bool((keys[place] == wanted).all()), f"{what} changed the graph")
    return order[place]


def _close(name: str, got: Tensor, expected: Tensor, what: str, tolerance: float) -> None:
    _require(got.shape == expected.shape, f"output '{name}' changed its shape under {what}")
    error = float((got - expected).detach().abs().max())
    limit = tolerance * (1 + float(expected.detach().abs().max()))
    _require(error <= limit, f"output '{name}' changed by {error:.2g} under {what}; allowed {limit:.2g}")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ContractError(message)
