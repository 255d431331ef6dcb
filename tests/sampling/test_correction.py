import dataclasses

import h5py
import pytest
import torch

from gensample.data.catalog import dataset_file
from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy, pair_potential
from gensample.sampling.correction import langevin, metropolis

KA2D = get_mixture("ka2d")
BOTH = pytest.mark.parametrize("correct", [metropolis, langevin])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform(count, particles, box, seed=0):
    """Random positions, with all the overlaps that they have."""
    return torch.rand(count, particles, 2, dtype=torch.float64, generator=generator(seed)) * box


def small_liquid(count, particles=44):
    """Lattices with mixed species: N = 44 at the mixture's density."""
    box = torch.full((2,), KA2D.edge_length(particles), dtype=torch.float64)
    sites = torch.cartesian_prod(*[torch.arange(7, dtype=torch.float64)] * 2)[:particles] * box / 7
    species = KA2D.species(particles)[torch.randperm(particles, generator=generator())]
    return sites.expand(count, particles, 2), species, box


@pytest.fixture(scope="module")
def molecular_dynamics():
    """Configurations that LAMMPS equilibrated at T = 0.45: positions, species, boxes."""
    with h5py.File(dataset_file("ka2d-mini")) as file:
        positions, species, box = (
            torch.from_numpy(file[key][...]) for key in ("positions", "species", "box")
        )
    return positions[:10], species, box[:10]


def exact_distances(box, temperature, bins):
    """Probability of each bin of the A-B distance, by the midpoint rule over the box."""
    x, y = (((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000 - 0.5) * edge for edge in box)
    distance = (x[:, None] ** 2 + y**2).sqrt().reshape(-1)
    value, _ = pair_potential(distance, torch.tensor(0.8), torch.tensor(1.5), get_mixture("ka2d"))
    weight = torch.exp(-value / temperature)
    return torch.histogram(distance, bins, weight=weight).hist / weight.sum()


@pytest.mark.parametrize(("correct", "moves", "step"), [(metropolis, 150, 0.6), (langevin, 250, 0.25)])
def test_two_particles_have_the_boltzmann_distribution(correct, moves, step):
    """Chi-square of the distances in independent chains, for two temperatures in one batch."""
    box, count = torch.tensor([5.2, 6.0], dtype=torch.float64), 6000
    bins = torch.cat([torch.linspace(0.7, 2.1, 15), torch.tensor([2.5, 3.0, 4.0])]).double()
    temperature = torch.tensor([0.7, 1.5]).double().repeat_interleave(count)
    start = uniform(2 * count, 2, box)
    result = correct(
        start, torch.tensor([0, 1]), box, KA2D, temperature, moves, step=step, generator=generator()
    )
    distance = minimum_image(result.positions[:, 0] - result.positions[:, 1], box).norm(dim=-1)
    for t, found in zip((0.7, 1.5), distance.split(count), strict=True):
        expected = count * exact_distances(box, t, bins)
        observed = torch.histogram(found, bins).hist
        assert observed.sum() == pytest.approx(float(expected.sum()), rel=0.01)
        enough = expected > 10
        chi2 = ((observed - expected)[enough].square() / expected[enough]).sum()
        freedom = int(enough.sum()) - 1
        assert freedom >= 14
        assert float(chi2) < freedom + 4 * (2 * freedom) ** 0.5


@BOTH
def test_an_ideal_gas_accepts_everything_and_stays_uniform(correct):
    ideal = dataclasses.replace(KA2D, epsilon=((0.0, 0.0), (0.0, 0.0)))
    box = torch.tensor([5.5, 7.0], dtype=torch.float64)
    start = torch.zeros(500, 6, 2)
    result = correct(
        start, torch.tensor([0, 0, 0, 1, 1, 1]), box, ideal, 1.0, 100, step=1.5, generator=generator()
    )
    assert (result.acceptance == 1).all()
    assert (result.energy == 0).all()
    for k in range(2):
        counts = torch.histc(result.positions[..., k], 10, 0.0, float(box[k]))
        assert float((counts - 300).square().sum() / 300) < 9 + 4 * 18**0.5


def test_both_chains_agree_about_a_dense_liquid():
    """Mean energies over 64 chains, from records on the way: within four standard errors.

    At T = 2 and a density of 1.0, where chains forget within tens of sweeps.
    """
    start, species, box = small_liquid(64)
    start, box = 1.1 * start, 1.1 * box
    draw = generator(3)
    state = metropolis(start, species, box, KA2D, 2.0, 60, generator=draw)
    means = []
    for correct, moves in ((metropolis, 15), (langevin, 60)):
        records, chain = [], state
        for _ in range(4):
            chain = correct(chain.positions, species, box, KA2D, 2.0, moves, generator=draw)
            records.append(chain.energy)
        means.append(torch.stack(records).mean(0))
        assert 0.2 < float(chain.acceptance.mean()) < 0.8
    error = (sum(mean.var() for mean in means) / 64) ** 0.5
    assert error < 0.03
    assert float(means[0].mean()) == pytest.approx(float(means[1].mean()), abs=4 * float(error))


@pytest.mark.parametrize(("correct", "moves"), [(metropolis, 10), (langevin, 100)])
def test_what_molecular_dynamics_equilibrated_stays_so(molecular_dynamics, correct, moves):
    """Energies after LAMMPS at T = 0.45 keep their mean at that temperature, and at no other."""
    positions, species, box = molecular_dynamics
    before = energy(positions, species, box, KA2D).mean(1)
    changes = []
    for temperature in (0.45, 0.6):
        after = correct(positions, species, box, KA2D, temperature, moves, generator=generator())
        changes.append(after.energy - before)
    error = float(changes[0].std() / len(before) ** 0.5)
    assert error < 0.012
    assert abs(float(changes[0].mean())) < 4 * error
    assert float(changes[1].mean()) > 4 * error


@BOTH
def test_overlaps_are_left_without_nan(correct):
    """Coincident and nearly coincident particles, whose energy is infinite or beyond 1e20."""
    positions, species, box = small_liquid(8)
    positions = positions.clone()
    positions[:, 1] = positions[:, 0]
    positions[:, 3] = positions[:, 2] + 1e-9
    positions[:, 5] = positions[:, 4] + 0.2
    start = correct(positions, species, box, KA2D, 0.45, 0, generator=generator())
    assert torch.isinf(start.energy).all()
    assert torch.isnan(start.acceptance).all()
    result = correct(
        positions, species, box, KA2D, 0.45, 100 if correct is metropolis else 600, generator=generator()
    )
    assert torch.isfinite(result.positions).all()
    assert float(result.energy.max()) < 2.0


@BOTH
def test_same_seed_same_bits_whole_or_in_pieces(correct):
    start, species, box = small_liquid(3)
    whole = correct(start, species, box, KA2D, 1.0, 50, generator=generator(7))
    draw = generator(7)
    piece = correct(start, species, box, KA2D, 1.0, 20, generator=draw)
    piece = correct(piece.positions, species, box, KA2D, 1.0, 30, generator=draw)
    assert torch.equal(whole.positions, piece.positions)
    assert torch.equal(whole.energy, piece.energy)
    other = correct(start, species, box, KA2D, 1.0, 50, generator=generator(8))
    assert not torch.equal(whole.positions, other.positions)


@BOTH
def test_returns_wrapped_positions_their_energies_and_leaves_the_input(correct):
    """Boxes may differ; unwrapped and single-precision starts are taken."""
    start, species, box = small_liquid(2)
    boxes = torch.stack([box, 1.1 * box])
    start = (start / box * boxes[:, None]).float() + 3 * boxes[:, None].float()
    kept = start.clone()
    result = correct(start, species, boxes, KA2D, 1.0, 40, generator=generator())
    assert torch.equal(start, kept)
    assert result.positions.dtype == torch.float64
    assert ((result.positions >= 0) & (result.positions < boxes[:, None])).all()
    torch.testing.assert_close(
        result.energy, energy(result.positions, species, boxes, KA2D).mean(1), rtol=0, atol=0
    )
    assert ((result.acceptance > 0) & (result.acceptance < 1)).all()


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"temperature": 0.0}, ConfigError, "temperature must be positive"),
        ({"temperature": torch.ones(3)}, ConfigError, "one for each of 2"),
        ({"step": -0.1}, ConfigError, "step must be positive"),
        ({"moves": -1}, ConfigError, "must not be negative"),
        ({"box": torch.full((2,), 4.9)}, ConfigError, "half the shortest box edge"),
        ({"species": torch.zeros(43)}, DataError, r"44 particles need species \(44,\)"),
        ({"species": torch.full((44,), 2)}, DataError, "species 0 to 1, got 2 to 2"),
        ({"positions": torch.zeros(44, 2)}, DataError, r"needs positions \(C, N, 2\)"),
        ({"positions": torch.full((2, 44, 2), torch.nan)}, DataError, "finite"),
    ],
)
@BOTH
def test_bad_input_is_refused(correct, changes, error, named):
    positions, species, box = small_liquid(2)
    given = {
        "positions": positions,
        "species": species,
        "box": box,
        "temperature": 1.0,
        "moves": 1,
        **changes,
    }
    step = given.pop("step", None)
    with pytest.raises(error, match=named):
        correct(
            given["positions"],
            given["species"],
            given["box"],
            KA2D,
            given["temperature"],
            given["moves"],
            step=step,
            generator=generator(),
        )


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("correct", [metropolis, langevin])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_on_a_gpu_with_a_generator_of_either_device(molecular_dynamics, correct, device):
    positions, species, box = molecular_dynamics
    draw = torch.Generator(device).manual_seed(0)
    result = correct(positions.cuda(), species, box, KA2D, 0.45, 10, generator=draw)
    before = energy(positions, species, box, KA2D).mean()
    assert float(result.energy.mean()) == pytest.approx(float(before), abs=0.03)
