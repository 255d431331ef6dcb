import numpy as np
import pytest

from gensample.errors import GensampleError
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.files import read_dump, write_data


@pytest.mark.parametrize("dimension", [2, 3])
def test_lammps_gives_back_the_positions_and_velocities_it_was_given(engine, tmp_path, dimension):
    generator = np.random.default_rng(0)
    box = np.array([5.1, 6.2, 7.3][:dimension])
    # Far outside the box: the unwrapped coordinates must survive, to the last digits.
    positions = generator.uniform(-2, 3, (40, dimension)) * box
    velocities = generator.normal(size=(40, dimension))
    species = generator.integers(0, 2, 40)
    write_data(tmp_path / "start.data", positions, species, (1.0, 1.0, 0.5), box, velocities)
    xyz, v = ("xu yu zu"[: 3 * dimension - 1], "vx vy vz"[: 3 * dimension - 1])
    script = scripts.header(dimension) + "read_data start.data\n"
    script += f"write_dump all custom out.dump id type {xyz} {v} modify sort id format float %.17g\n"
    engine.run(script, tmp_path)
    (frame,) = read_dump(tmp_path / "out.dump", 1 + 2 * dimension)
    assert (frame[:, 0] == species + 1).all()
    assert np.abs(frame[:, 1 : 1 + dimension] - positions).max() < 1e-13
    assert (frame[:, 1 + dimension :] == velocities).all()


def _dump(frames):
    text = ""
    for step, rows in enumerate(frames):
        text += f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(rows)}\nITEM: BOX BOUNDS pp pp pp\n"
        text += "0 1\n0 1\n0 1\nITEM: ATOMS id xu yu\n"
        text += "".join(f"{i + 1} {x} {y}\n" for i, (x, y) in enumerate(rows))
    return text


def test_reads_every_frame(tmp_path):
    path = tmp_path / "x.dump"
    path.write_text(_dump([[(0.5, 1.5), (2.5, 3.5)], [(4.5, 5.5), (6.5, 7.5)], [(8, 9), (10, 11)]]))
    frames = read_dump(path, 2)
    assert frames.shape == (3, 2, 2)
    assert frames[1].tolist() == [[4.5, 5.5], [6.5, 7.5]]
    assert read_dump(path, 1)[2].tolist() == [[8.0], [10.0]]


@pytest.mark.parametrize("lines", [0, 2, 10, 12])
def test_refuses_a_dump_that_ends_early(tmp_path, lines):
    path = tmp_path / "x.dump"
    path.write_text("\n".join(_dump([[(0, 1), (2, 3)]] * 2).splitlines()[:lines]))
    with pytest.raises(GensampleError, match="within a frame"):
        read_dump(path, 2)
