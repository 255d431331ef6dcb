"""`gensample info`: numbers against direct computation, and every kind of broken file refused."""

import json

import h5py
import numpy as np
import pytest
from liquid import make_liquid
from synthetic import write_dataset

from gensample.cli import main
from gensample.data.store import Contents, StoreWriter
from gensample.data.summary import inspect


def write(path, liquid, complete=True, **more):
    times = np.array([1.0, 10.0])
    replicas = len(liquid.displacements)
    arguments = dict(
        mixture="ka3d",
        temperature=0.44,
        density=1.2,
        truncation="shift",
        source="a test",
        species=liquid.species,
        box=liquid.box[None],
        split=["train"],
        positions=liquid.positions[None],
        times=times,
        replicas=np.array([replicas]),
        seed=7,
    )
    with StoreWriter.create(path, Contents(**{**arguments, **more})) as writer:
        for r in range(replicas if complete else replicas - 1):
            writer.write_replica(0, r, liquid.without_drift[r].astype(np.float32))
    return path


@pytest.fixture
def liquid():
    return make_liquid("ka3d", lags=2)


def pair_sum(liquid):
    """U/N and W/N of the energy-shifted mixture by a plain double loop over pairs."""
    sigma, epsilon = np.array([[1, 0.8], [0.8, 0.88]]), np.array([[1, 1.5], [1.5, 0.5]])
    i, j = np.triu_indices(len(liquid.species), 1)
    dx = liquid.positions[i] - liquid.positions[j]
    r = np.linalg.norm(dx - liquid.edge * np.round(dx / liquid.edge), axis=1)
    a, b = liquid.species[i], liquid.species[j]
    q, e = r / sigma[a, b], epsilon[a, b]
    inside = q < 2.5
    q, e = q[inside], e[inside]
    energy = (4 * e * (q**-12 - q**-6 - 2.5**-12 + 2.5**-6)).sum()
    virial = (24 * e * (2 * q**-12 - q**-6)).sum() / 3
    return energy / len(liquid.species), virial / len(liquid.species)


def test_summary_of_a_known_dataset(tmp_path, liquid):
    inherent = (liquid.positions[None] + 0.01) % liquid.edge
    path = write(tmp_path / "a.h5", liquid, inherent=inherent, inherent_attrs={"minimiser": "none"})
    s = inspect(path)
    assert s["species"] == {"A": 173, "B": 43}
    assert s["complete"]
    assert s["splits"] == {"train": {"configurations": 1, "replicas": [3], "planned": 3, "complete": 3}}
    energy, virial = pair_sum(liquid)
    assert s["energy"]["thermal"]["mean"] == pytest.approx(energy, rel=1e-9)
    assert s["energy"]["inherent"]["mean"] == pytest.approx(energy, rel=1e-9), "a shift changes no energy"
    assert s["energy"]["pressure"]["mean"] == pytest.approx(1.2 * (0.44 + virial), rel=1e-9)
    for k, lag in enumerate(s["lags"]):
        for name, kind in (("A", 0), ("B", 1)):
            u = liquid.without_drift[:, k, liquid.species == kind]
            length = np.linalg.norm(u, axis=-1)
            assert lag["species"][name]["msd"] == pytest.approx((length**2).mean(), rel=1e-5)
            assert lag["species"][name]["overlap"] == pytest.approx((length < 0.3).mean())
            assert lag["species"][name]["mean_displacement"] == pytest.approx(length.mean(), rel=1e-5)
    assert json.loads(json.dumps(s)) == s


def test_command_prints_what_a_physicist_looks_for(tmp_path, liquid, capsys):
    path = write(tmp_path / "a.h5", liquid)
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    energy, _ = pair_sum(liquid)
    for words in (
        "173 A, 43 B",
        "truncation shift",
        f"U/N = {energy:.4f}",
        "overlap(0.3)",
        "3 of 3",
        "a test",
    ):
        assert words in said
    assert said.endswith("valid\n")
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 7


def test_incomplete_dataset_is_valid_and_says_so(tmp_path, liquid, capsys):
    path = write(tmp_path / "a.h5", liquid, complete=False)
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "2 of 3" in said
    assert "not complete" in said


def test_small_box_leaves_energies_out(tmp_path, capsys):
    path = write_dataset(tmp_path / "a.h5", box=4.0)
    assert main(["info", str(path)]) == 0
    assert "not computed" in capsys.readouterr().out


def test_averages_only(tmp_path, liquid):
    propensity = np.stack([np.full((1, 216), 0.1), np.full((1, 216), 0.2)], axis=1)
    liquid.displacements = liquid.displacements[:0]
    path = write(tmp_path / "a.h5", liquid, propensity=propensity, displacements=False)
    s = inspect(path)
    assert s["averages"] == ["propensity"]
    assert s["lags"][1]["species"]["A"] == {"mean_displacement": pytest.approx(0.2)}


def edit(name, change):
    def damage(file):
        array = file[name][...]
        file[name][...] = change(array)

    return damage


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


def delete(name):
    return lambda file: file.__delitem__(name)


def attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


def resize(name, shape):
    def damage(file):
        if name in file:
            del file[name]
        file[name] = np.zeros(shape)

    return damage


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (edit("positions", put((0, 3, 1), np.nan)), "positions hold values that are not finite"),
        (edit("positions", put((0, 3, 1), -0.2)), "are not wrapped"),
        (edit("positions", put((0, 3, 1), 5.7)), "are not wrapped"),
        (
            edit("displacements", put((0, 1, 0, 5, 0), np.inf)),
            "displacements of configuration 0 are not finite",
        ),
        (edit("displacements", lambda u: u + 0.01), "drifts by 0.01"),
        (edit("displacements", lambda u: 0 * u), "only zeros"),
        (edit("times", lambda t: t[::-1]), "must be positive and increase"),
        (edit("times", lambda t: 0 * t), "must be positive and increase"),
        (edit("species", put(0, 5)), "species"),
        (edit("box", lambda b: b * 1.1), "density"),
        (edit("box", lambda b: -b), "box holds values that are not positive"),
        (edit("replicas", lambda r: r - 1), "beyond the planned number"),
        (edit("replicas", lambda r: r + 5), "exceed"),
        (delete("displacements"), "none is stored"),
        (delete("species"), "lacks species"),
        (delete("done"), "lacks done"),
        (resize("species", (5,)), "species has shape (5,)"),
        (resize("displacements", (1, 3, 2, 216, 2)), "displacements has shape"),
        (resize("inherent", (1, 5, 3)), "inherent has shape"),
        (resize("positions", (216, 3)), "positions has shape (216, 3)"),
        (attribute("format", "else"), "not a gensample dataset"),
        (attribute("version", 99), "upgrade gensample"),
        (attribute("mixture", "nonsense"), "its values are of"),
        (attribute("mixture", "ka2d"), "its values are of"),
        (attribute("temperature", -1.0), "temperatures must be positive"),
        (attribute("density", 0.9), "the attribute says 0.9"),
        (lambda file: file.attrs.__delitem__("temperature"), "lacks temperature"),
        (lambda file: file.attrs.__delitem__("version"), "damaged"),
    ],
)
def test_broken_files_are_refused_with_one_line(tmp_path, liquid, capsys, damage, match):
    path = write(tmp_path / "a.h5", liquid)
    with h5py.File(path, "r+") as file:
        damage(file)
    assert main(["info", str(path)]) == 2
    captured = capsys.readouterr()
    assert match in captured.err
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.98])
def test_truncated_files_are_refused(tmp_path, liquid, capsys, keep):
    path = write(tmp_path / "a.h5", liquid)
    raw = path.read_bytes()
    path.write_bytes(raw[: keep if isinstance(keep, int) else int(keep * len(raw))])
    assert main(["info", str(path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_overwritten_bytes_are_found(tmp_path, liquid, capsys):
    path = write(tmp_path / "a.h5", liquid)
    with h5py.File(path) as file:
        chunk = file["displacements"].id.get_chunk_info(1)
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(raw)
    assert main(["info", str(path)]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_absent_file(capsys):
    assert main(["info", "nowhere.h5"]) == 2
    assert "no dataset and no model at nowhere.h5" in capsys.readouterr().err


def test_published_energy_of_the_botan_configurations(shared_data, tmp_path, capsys):
    # -6.2118(31) per particle over 15 configurations: DESIGN section 4, from the public data itself.
    out = tmp_path / "b.h5"
    assert main(["import", str(shared_data / "botan" / "T0.44" / "test"), "--out", str(out)]) == 0
    s = inspect(out)
    # 0.0031 sqrt(15 / 2) = 0.0085 is the error of two configurations; the other truncation is 0.82 off.
    assert s["energy"]["thermal"]["mean"] == pytest.approx(-6.2118, abs=0.026)
    assert s["splits"]["test"] == {"configurations": 2, "replicas": [32], "planned": 64, "complete": 64}
