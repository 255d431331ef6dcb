"""Quasistatic shear by LAMMPS against the project's own potential, reversed, flipped, killed and resumed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from lattices import write_glasses

from gensample.cli import main
from gensample.data.store import Store
from gensample.errors import ConfigError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial, stress
from gensample.physics.strain import d2min, shear_direction, shear_gradient, sheared_box
from gensample.simulate.lammps.files import read_dump, write_data
from gensample.simulate.programs import run_script
from gensample.simulate.run import load_shear_config
from gensample.simulate.run import simulate as shear
from gensample.simulate.shear import scripts as shear_scripts
from gensample.simulate.shear.config import ShearConfig
from gensample.work import claim, parts_beside

TOLERANCE = 1e-9
TINY = """
dataset: {dataset}
splits: [train, test]
directions: [{directions}]
strain_step: 0.01
max_strain: 0.12
strains: [0.01, 0.05, 0.12]
event_drop: 0.01
event_energy: 0.05
force_tolerance: {tolerance}
processes: 1
"""
DIRECTIONS = {"ka2d": "xy+, xy-", "ka3d-fs": "xz+, yz-"}
PARTICLES = {"ka2d": 60, "ka3d-fs": 160}


def write_config(folder, mixture="ka2d"):
    data = write_glasses(folder / "glasses.h5", mixture, PARTICLES[mixture])
    path = folder / "shear.yaml"
    path.write_text(TINY.format(dataset=data, directions=DIRECTIONS[mixture], tolerance=TOLERANCE))
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp("shear"))


@pytest.fixture(scope="module")
def sheared(engine, tiny):
    """The dataset of an uninterrupted run."""
    out = tiny.with_name("sheared.h5")
    shear(load_shear_config(tiny), out, keep_parts=True)
    return out


@pytest.fixture(scope="module", params=["ka2d", "ka3d-fs"])
def either(request, engine, sheared, tmp_path_factory):
    """A sheared dataset of 2D, and one of 3D in other planes."""
    if request.param == "ka2d":
        return sheared
    out = tmp_path_factory.mktemp("shear3d") / "sheared.h5"
    config = write_config(out.parent, request.param)
    short = ["configurations=1", "splits=[train]", "max_strain=0.05", "strains=[0.01,0.05]"]
    shear(load_shear_config(config, short), out)
    return out


def states(path):
    """Every stored state as configuration, direction, step, positions and box, from its displacements."""
    with Store.open(path) as store:
        group, d = store.group("shear"), store.dimension
        for c in range(store.num_configurations):
            start, edges = torch.from_numpy(store.inherent[c]), torch.from_numpy(store.box[c])
            for r, name in enumerate(group["direction"]):
                direction = shear_direction(name.decode(), d)
                fields = np.concatenate([np.zeros((1, *start.shape)), store.displacements(c)[r]])
                for strain, u in zip([0.0, *store.times], fields, strict=True):
                    x = start + start @ shear_gradient(direction, strain, d).T + torch.from_numpy(u)
                    step = int(np.argmin(np.abs(group["strain"] - strain)))
                    yield c, r, step, x, sheared_box(edges, direction, strain), direction


def test_stress_and_energy_are_those_of_the_projects_potential(either):
    with Store.open(either) as store:
        group, mixture = store.group("shear"), get_mixture(store.mixture)
        species = torch.from_numpy(store.species)
    for c, r, step, x, box, direction in states(either):
        sigma = direction.sign * float(stress(x, species, box, mixture)[direction.along, direction.across])
        energy = float(energy_forces_virial(x, species, box, mixture).energy.mean())
        # Fields are stored in single precision.
        assert group["stress"][c, r, step] == pytest.approx(sigma, abs=1e-12 if step == 0 else 2e-6)
        assert group["energy"][c, r, step] == pytest.approx(energy, abs=1e-12)


def test_every_step_is_a_minimum(either):
    with Store.open(either) as store:
        group, mixture, species = store.group("shear"), get_mixture(store.mixture), store.species
    assert group["residual"].max() < TOLERANCE
    for _, _, step, x, box, _ in states(either):
        forces = energy_forces_virial(x, torch.from_numpy(species), box, mixture).forces
        assert float(forces.norm(dim=-1).max()) < (1e-8 if step == 0 else 1e-4)


def test_curves_begin_at_the_minimum_and_rise_between_events(either):
    with Store.open(either) as store:
        group, energy = store.group("shear"), store.inherent_energy
        np.testing.assert_allclose(group["energy"][:, :, 0], energy[:, None].repeat(2, 1), rtol=1e-14)
        assert store.inherent_attrs["max_residual_force"] < TOLERANCE
        event = np.zeros(group["stress"].shape, bool)
        event[tuple(group[f"event_{key}"] for key in ("configuration", "direction", "step"))] = True
        elastic = ~event[..., 1:]
        assert (np.diff(group["stress"])[elastic] > 0).mean() > 0.9
        # dE = V stress dstrain on elastic steps, and energy is lost in the others.
        work = (group["stress"][..., 1:] + group["stress"][..., :-1]) / 2 * 0.01 / store.density
        lost = (work - np.diff(group["energy"])) * store.num_particles
        assert np.abs(lost[elastic]).max() < 0.05 < lost[~elastic].min()


def test_what_the_store_says(sheared, tiny):
    with Store.open(sheared) as store, Store.open(tiny.with_name("glasses.h5")) as source:
        group = store.group("shear")
        assert store.attrs["kind"] == "shear"
        assert store.attrs["start"] == str(source.path)
        assert group["direction"].tolist() == [b"xy+", b"xy-"]
        np.testing.assert_allclose(group["strain"], np.arange(13) / 100)
        np.testing.assert_array_equal(store.positions, source.positions)
        assert store.source_configuration.tolist() == [0, 1]
        assert list(store.split) == ["train", "test"]
        assert store.done.all()
        assert np.abs(store.displacements(0).mean(2)).max() < 1e-6


def test_events_are_drops_at_the_place_of_the_largest_d2min(sheared):
    with Store.open(sheared) as store:
        group = store.group("shear")
    count = len(group["event_step"])
    assert count > 4
    assert (np.abs(group["event_stress_drop"]) > 0.01).all()
    assert (group["event_energy_drop"] > 0.05).all()
    assert ((group["event_participation"] > 1 / 60) & (group["event_participation"] < 1)).all()
    np.testing.assert_allclose(group["event_strain"], group["strain"][group["event_step"]])
    seen = set()
    for e in range(count):
        c, r = group["event_configuration"][e], group["event_direction"][e]
        if (c, r) not in seen:  # events of a curve are in order
            assert group["first_event"][c, r].argmax() == group["event_center"][e]
        seen.add((c, r))
    assert np.isfinite(group["first_event"]).all(-1).sum() == len(seen)


def test_first_event_is_d2min_between_its_two_states(engine, tiny, tmp_path):
    """Both states are stored when every step is: D2min of the total displacement between them."""
    every = [round(0.01 * k, 2) for k in range(1, 13)]
    overrides = [f"strains={every}", "splits=[train]", "directions=[xy-]", "d2min_cutoff=1.7"]
    shear(load_shear_config(tiny, overrides), tmp_path / "data.h5")
    with Store.open(tmp_path / "data.h5") as store:
        group = store.group("shear")
    k = int(group["event_step"][0])
    (_, _, _, before, box, direction), (_, _, _, after, _, _) = list(states(tmp_path / "data.h5"))[
        k - 1 : k + 1
    ]
    beyond = after - before - before @ shear_gradient(direction, 0.01, 2).T
    found = d2min(before, beyond, box, 1.7).d2min
    np.testing.assert_allclose(group["first_event"][0, 0], found, rtol=1e-3, atol=1e-8)


def trajectory(engine, folder, strains, image=True):
    """Minima (S + 1, N, 2) and curve (S + 1, 3) of one glass through any strains, by the scripts of shear."""
    mixture, data = get_mixture("ka2d"), folder.parent / "glasses.h5"
    if not data.exists():
        write_glasses(data)
    with Store.open(data) as store:
        start, species, edges = store.positions[0], store.species, store.box[0]
    for script, count in ((shear_scripts.minimum(mixture, "cg", TOLERANCE), 1), (None, len(strains))):
        folder.mkdir()
        write_data(folder / "start.data", start, species, (1.0, 1.0), edges)
        if script is None:
            direction = shear_direction("xy+", 2)
            script = shear_scripts.quasistatic(mixture, edges, direction, strains, "cg", TOLERANCE)
            script = script if image else unflipped(script, strains, edges)
        run_script(engine, mixture, script, folder)
        frames = np.stack([read_dump(folder / f"step-{k}.dump", 2)[0] for k in range(count)])
        start, folder = frames[0], folder.with_name(f"{folder.name}-next")
    curve = np.loadtxt(folder.with_name(folder.name.removesuffix("-next")) / shear_scripts.CURVE)
    return frames, curve, edges


def unflipped(script, strains, edges):
    """The same script without the change of lattice vectors, in a box that tilts further and further."""
    lines = [line for line in script.splitlines() if not re.match(r"change_box all xy final \S+ units", line)]
    tilts = iter(strains[1:] * edges[1])
    return "\n".join(
        re.sub(r"final \S+ remap", lambda _: f"final {next(tilts):.17g} remap", line) for line in lines
    )


def beyond_affine(frames, edges, strains):
    moved = frames - frames[:1]
    moved[..., 0] -= strains[:, None] * frames[0, :, 1]
    return moved


def test_reversing_an_elastic_step_returns_and_a_plastic_one_does_not(engine, sheared, tmp_path):
    """Strains up and back over the first step, and over one with an event."""
    with Store.open(sheared) as store:
        group = store.group("shear")
    mine = (group["event_configuration"] == 0) & (group["event_direction"] == 0)
    event = int(group["event_step"][mine][0])
    assert event > 1
    strains = np.array([0.0, 0.01, 0.0, *(0.01 * np.arange(1, event + 1)), 0.01 * (event - 1)])
    frames, curve, _ = trajectory(engine, tmp_path / "forth", strains)
    elastic = frames[2] - frames[0]
    plastic = frames[-1] - frames[-3]
    assert np.abs(elastic - elastic.mean(0)).max() < 1e-7
    assert np.abs(plastic - plastic.mean(0)).max() > 1e-2
    # On the way it is the shear of the dataset.
    np.testing.assert_allclose(curve[3 : 3 + event, 1], group["stress"][0, 0, 1 : event + 1], atol=1e-7)


def test_flipped_boxes_hold_the_same_physics(engine, tmp_path):
    """Across strain 1/2 the box becomes the image of itself; curves and fields are those of the box that
    goes on tilting, and of one that was never flipped before."""
    strains = np.concatenate([np.zeros(1), np.linspace(0.44, 0.54, 6)])
    flipped, curve, edges = trajectory(engine, tmp_path / "flipped", strains)
    plain, other, _ = trajectory(engine, tmp_path / "plain", strains, image=False)
    text = (tmp_path / "flipped-next" / "in.lammps").read_text()
    assert re.search(r"final -\S+ units box\n", text)
    assert " -" not in "".join(re.findall(r"final .*", (tmp_path / "plain-next" / "in.lammps").read_text()))
    np.testing.assert_allclose(curve[:, :2], other[:, :2], atol=1e-7)
    assert curve[:, 2].max() < TOLERANCE
    apart = beyond_affine(flipped, edges, strains) - beyond_affine(plain, edges, strains)
    apart -= edges * np.round(apart / edges)  # lattice vectors of the sheared box, those along y mapped back
    assert np.abs(apart - apart.mean(1, keepdims=True)).max() < 1e-5


def test_large_strains_are_followed(engine, tiny, tmp_path):
    """From 0 to 1.2, over two flips: positions rebuilt from the stored fields have the stored stress."""
    long = ["max_strain=1.2", "strain_step=0.04", "strains=[0.48,0.52,1.2]", "splits=[test]"]
    out = tmp_path / "long.h5"
    shear(load_shear_config(tiny, long), out)
    test_stress_and_energy_are_those_of_the_projects_potential(out)


def test_half_the_step_gives_the_same_elastic_branch(engine, tiny, sheared, tmp_path):
    with Store.open(sheared) as store:
        whole = store.group("shear")
    mine = (whole["event_configuration"] == 0) & (whole["event_direction"] == 0)
    last = int(whole["event_step"][mine][0]) - 1
    assert last >= 2
    reach = 0.01 * last
    halved = ["strain_step=0.005", f"max_strain={reach}", f"strains=[{reach}]", "splits=[train]"]
    shear(load_shear_config(tiny, [*halved, "directions=[xy+]"]), tmp_path / "half.h5")
    with Store.open(tmp_path / "half.h5") as store:
        half = store.group("shear")
    for curve in ("stress", "energy"):
        expected = whole[curve][0, 0, : last + 1]
        np.testing.assert_allclose(half[curve][0, 0, ::2], expected, rtol=1e-7, atol=1e-8)


def test_another_minimiser_finds_the_same_branch(engine, tiny, sheared, tmp_path):
    short = ["minimiser=fire", "max_strain=0.01", "strains=[0.01]", "force_tolerance=1e-6", "splits=[train]"]
    shear(load_shear_config(tiny, [*short, "directions=[xy+]"]), tmp_path / "fire.h5")
    with Store.open(tmp_path / "fire.h5") as fire, Store.open(sheared) as cg:
        found, expected = (store.group("shear")["stress"][0, 0, :2] for store in (fire, cg))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_precision_rounds_the_fields(engine, tiny, sheared, tmp_path):
    overrides = ["displacement_precision=0.0009765625", "splits=[test]", "directions=[xy-]"]
    shear(load_shear_config(tiny, overrides), tmp_path / "rounded.h5")
    with Store.open(tmp_path / "rounded.h5") as rounded, Store.open(sheared) as full:
        u, exact = rounded.displacements(0)[0], full.displacements(1)[1]
    assert (u * 1024 == np.round(u * 1024)).all()
    assert np.abs(u - exact).max() < 0.5 / 1024 + 1e-6


def test_a_dataset_with_inherent_structures_starts_from_them(engine, sheared, tmp_path):
    """Shearing the minima again: they are where they were, whatever the thermal positions are."""
    with Store.open(sheared) as store:
        minima, thermal = store.inherent, (store.positions + 0.2) % store.box[:, None]
    data = write_glasses(tmp_path / "glasses.h5", positions=thermal, inherent=minima)
    config = ShearConfig(
        str(data), ["train"], max_strain=0.01, strain_step=0.01, strains=[0.01], event_drop=1, event_energy=1
    )
    shear(config, tmp_path / "again.h5")
    with Store.open(tmp_path / "again.h5") as again, Store.open(data) as source:
        np.testing.assert_allclose(again.inherent[0], minima[0], atol=1e-9)
        np.testing.assert_array_equal(again.positions[0], source.positions[0])


def killed(tiny, out, moment):
    """Start a shear in a process of its own, end it with SIGKILL as soon as the moment has come."""
    words = [sys.executable, "-m", "gensample", "shear", str(tiny), "--out", str(out)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=dict(os.environ, OMP_NUM_THREADS="1"))
    while not moment(parts_beside(out)):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def finished_jobs(out):
    """Folders of finished jobs and when they were made; scratch folders have random names."""
    folders = [path for kind in ("minimum", "shear") for path in parts_beside(out).glob(f"{kind}-*")]
    return {path.name: path.stat().st_mtime_ns for path in folders}


def test_killed_and_resumed_it_is_the_same_to_the_last_bit(engine, tiny, sheared, tmp_path, assert_same):
    out = tmp_path / "killed.h5"
    killed(
        tiny, out, lambda parts: (parts / "shear-00000-00").is_dir() and any(parts.glob("scratch-*/step-*"))
    )
    assert not out.exists()
    done = finished_jobs(out)
    assert "minimum-00000" in done
    assert main(["shear", str(tiny), "--out", str(out), "--processes", "2", "--keep-parts"]) == 0
    kept = finished_jobs(out)
    assert done.items() <= kept.items()
    assert len(kept) == 6
    assert_same(out, sheared)


def test_complete_datasets_are_left_alone_and_others_refused(engine, tiny, sheared, tmp_path):
    out = tmp_path / "copy.h5"
    out.write_bytes(sheared.read_bytes())
    with claim(parts_beside(out), {}) as claimed:
        (claimed.root / "minimum-00000").mkdir()
    assert "nothing to do" in shear(load_shear_config(tiny), out)
    assert not parts_beside(out).exists()
    with pytest.raises(ConfigError, match="other settings"):
        shear(load_shear_config(tiny, ["event_drop=0.5"]), out)


def test_starting_points_that_changed_are_refused(engine, tmp_path):
    config = load_shear_config(
        write_config(tmp_path), ["max_strain=0.01", "strains=[0.01]", "splits=[train]"]
    )
    out = tmp_path / "data.h5"
    shear(config, out, keep_parts=True)
    with h5py.File(tmp_path / "glasses.h5", "r+") as file:
        file["positions"][0, 0, 0] += 0.01
    with pytest.raises(ConfigError, match="made from other configurations"):
        shear(config, out)
    out.unlink()
    with pytest.raises(ConfigError, match="other settings"):
        shear(config, out)
    (tmp_path / "glasses.h5").unlink()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["strain_stepp=1"], "strain_stepp"),
        (["dataset=nowhere.h5"], "no dataset at nowhere.h5"),
        (["strain_step=0"], "strain_step must be at least"),
        (["strains=[0.015]"], "0.015 is not a multiple of the strain step 0.01"),
        (["max_strain=0.055"], "max_strain: 0.055 is not a multiple"),
        (["strains=[0.05,0.2]"], "at most max_strain 0.12"),
        (["strains=[]"], "strains must be increasing"),
        (["strains=[0.05,0.01]"], "strains must be increasing"),
        (["strains=[0.0]"], "strains[0] must be positive"),
        (["directions=[xz+]"], "unknown shear direction 'xz+' in 2D"),
        (["directions=[xy]"], "unknown shear direction 'xy'"),
        (["directions=[xy+,xy+]"], "different from each other"),
        (["directions=[]"], "directions must be one or more"),
        (["splits=[training]"], "training"),
        (["splits=[val]"], "no configuration in split 'val'"),
        (["configurations=2"], "2 of each split are asked for"),
        (["configurations=0"], "configurations must be a whole number from 1"),
        (["minimiser=sd"], "minimiser must be one of cg, fire"),
        (["force_tolerance=-1"], "force_tolerance must be positive"),
        (["event_drop=.nan"], "event_drop must be positive"),
        (["event_energy=-1"], "event_energy must be positive"),
        (["d2min_cutoff=4"], "half the shortest box edge"),
        (["displacement_precision=-1"], "displacement_precision must be at least 0"),
        (["--processes", "0"], "processes"),
        (["--lmp", "/nowhere/lmp"], "pip install 'gensample[md]'"),
    ],
)
def test_bad_settings_are_one_line_and_write_nothing(tiny, words, named, tmp_path, capsys):
    assert main(["shear", str(tiny), *words, "--out", str(tmp_path / "new.h5")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert list(tmp_path.iterdir()) == []


def test_info_speaks_of_strain(sheared, capsys):
    assert main(["info", str(sheared)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^  strain +species", text, re.MULTILINE)
    assert "lag time" not in text
    assert "sheared along xy+, xy- to strain 0.12 in steps of 0.01" in text
    assert re.search(r"shear modulus [\d.]+ \([\d.]+\)", text)
    assert re.search(r"\d+ plastic events in 4 of 4 curves, the first at strain 0\.\d+", text)
    assert text.rstrip().endswith("valid")


def spoil(name, value):
    def change(group):
        array = group[name][...]
        array.reshape(-1)[0] = value
        group[name][...] = array

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (spoil("stress", np.nan), "stress holds values that are not finite"),
        (spoil("strain", 0.5), "strains must rise from 0"),
        (spoil("event_step", 13), "events name what is not there"),
        (spoil("event_configuration", -1), "events name what is not there"),
        (spoil("event_participation", np.inf), "event_participation holds values that are not finite"),
        (spoil("first_event", np.nan), "first_event is given where there is no event, or lacks"),
        (lambda group: group.pop("energy"), "lacks shear/energy"),
        (lambda group: group.pop("direction"), "lacks shear/direction"),
        (
            lambda group: (
                group.move("stress", "old") or group.create_dataset("stress", data=np.zeros((2, 3, 13)))
            ),
            "shear/stress",
        ),
        (
            lambda group: group.parent["times"].write_direct(np.array([0.011, 0.05, 0.12])),
            "none of the steps",
        ),
    ],
)
def test_damaged_files_are_refused(sheared, change, named, tmp_path, capsys):
    path = tmp_path / "damaged.h5"
    path.write_bytes(sheared.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file["shear"])
    assert main(["info", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


@pytest.mark.parametrize("path", sorted(Path("configs/shear").resolve().glob("*.yaml")), ids=lambda p: p.stem)
def test_every_config_is_valid(path):
    assert load_shear_config(path).directions
