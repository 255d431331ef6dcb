"""LAMMPS input scripts of athermal quasistatic shear."""

from __future__ import annotations

import numpy as np
import torch

from gensample.physics.box import tilt_index
from gensample.physics.mixtures import Mixture
from gensample.physics.strain import ShearDirection, sheared_box
from gensample.simulate.lammps import scripts

CURVE = "curve.txt"
MAX_ITERATIONS = 50_000


def minimum(mixture: Mixture, minimiser: str, tolerance: float) -> str:
    """The minimum of ``start.data`` in its own box: ``step-0.dump``, and its line of the curve."""
    return _begin(mixture, minimiser) + _descend(tolerance, mixture) + _record(0, mixture)


def quasistatic(
    mixture: Mixture,
    edges: np.ndarray,
    direction: ShearDirection,
    strains: np.ndarray,
    minimiser: str,
    tolerance: float,
) -> str:
    """From the minimum in ``start.data`` through the strains (S + 1,), the first zero, minimised at each.

    Leaves ``step-K.dump`` and one line of the curve for each step: energy per particle, stress along the
    direction, largest force on a particle.
    """
    text = _begin(mixture, minimiser, direction) + "run 0 post no\n" + _record(0, mixture)
    tilt = 0.0
    for k, strain in enumerate(strains[1:].tolist(), start=1):
        after = _tilt(edges, direction, strain, mixture.dimension)
        # The image of the present box from which the next is reached by a small step, the same lattice.
        edge = float(edges[direction.along])
        image = tilt + edge * round((after - tilt) / edge)
        text += "" if image == tilt else f"change_box all {direction.plane} final {image:.17g} units box\n"
        text += f"change_box all {direction.plane} final {after:.17g} remap units box\n"
        text += _descend(tolerance, mixture) + _record(k, mixture)
        tilt = after
    return text


def _tilt(edges: np.ndarray, direction: ShearDirection, strain: float, dimension: int) -> float:
    box = sheared_box(torch.from_numpy(edges), direction, strain)
    return float(box[tilt_index(dimension, direction.across, direction.along)])


def _begin(mixture: Mixture, minimiser: str, direction: ShearDirection | None = None) -> str:
    stress = "0" if direction is None else f"{'-' if direction.sign > 0 else ''}p{direction.plane}"
    return (
        scripts.header(mixture.dimension)
        + "read_data start.data\nchange_box all triclinic\n"
        + scripts.interactions(mixture)
        + ("fix plane all enforce2d\n" if mixture.dimension == 2 else "")
        + f"min_style {minimiser}\nmin_modify dmax 0.05 norm max\n"
        + "variable force atom sqrt(fx*fx+fy*fy+fz*fz)\ncompute residual all reduce max v_force\n"
        + "thermo_style custom step pe c_residual pxy pxz pyz\nthermo_modify norm no\nthermo 100000\n"
        + f"variable e equal pe/atoms\nvariable s equal {stress}\nvariable f equal c_residual\n"
    )


def _descend(tolerance: float, mixture: Mixture) -> str:
    """Minimise; LAMMPS compares components, so that each is asked to be smaller by the root of d.

    A search that ended early, where the energy no longer resolves the way down, is begun anew once.
    """
    component = tolerance / mixture.dimension**0.5
    command = f"minimize 0 {component:.10g} {MAX_ITERATIONS} {10 * MAX_ITERATIONS}"
    return f'{command}\nif "$(v_f) > {tolerance:.10g}" then "{command}"\n'


def _record(k: int, mixture: Mixture) -> str:
    axes = "xu yu zu"[: 3 * mixture.dimension - 1]
    return (
        f"write_dump all custom step-{k}.dump id {axes} modify sort id format float %.17g\n"
        f'print "$(v_e:%.17g) $(v_s:%.17g) $(v_f:%.17g)" append {CURVE}\n'
    )
