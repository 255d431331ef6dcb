r"""Vibrations about an inherent structure, given those of now: damped dynamics in the harmonic approximation.

Each mode, of eigenvalue lambda, obeys v'' = -lambda v - g v' + sqrt(2 g T) xi; where masses are not one v are
displacements times their roots, and modes those of the dynamical matrix. From v(0) =
v0, with a velocity of the Maxwell-Boltzmann distribution, v(t) is Gaussian with mean c v0 and variance
T (1 - c^2) / lambda (Uhlenbeck and Ornstein, Phys. Rev. 36, 823 (1930); Chandrasekhar, Rev. Mod. Phys. 15, 1
(1943), chapter II.3). As functions of lambda, with w^2 = lambda - g^2 / 4:

* memory c = exp(-g t / 2) [cos(w t) + g / (2 w) sin(w t)]: what is left of v0;
* push s = exp(-g t / 2) sin(w t) / w: what a unit of the initial velocity has become;
* kicks r, r^2 = (1 - c^2) / lambda - s^2: what unit noise of the bath has become;
* offset o = (1 - c) / sqrt(lambda), for a part of v0 that does not vibrate, see `Vibrations`.

c and s are entire in lambda, so polynomials of the Hessian converge to them as soon as their degree exceeds
half the number of radians of the fastest mode; r has no zeros that make its root sharp, as
(1 - c^2) / lambda has.
"""

from typing import NamedTuple

import scipy.sparse
import torch
from torch import Tensor

from gensample.structure.modes import Array, dynamical_matrix
from gensample.structure.spectral import DENSE_LIMIT, matrix_functions, roots

TOLERANCE = 1e-4
"""Largest error of amplitudes, in units of that of the stiffest mode, and of the memory."""


class Response(NamedTuple):
    """Values (M, J) at M eigenvalues for J dampings."""

    memory: Tensor
    push: Tensor
    kicks: Tensor
    offset: Tensor


def response(eigenvalue: Tensor, damping: Tensor, time: float) -> Response:
    """The functions above, of eigenvalues (M,) not below 0 for dampings (J,) not below 0, float64."""
    # Where r^2 cancels to nothing all of them have their limits for lambda = 0, to 1e-6.
    floor = 1e-6 * (time**-2 + damping / time)
    value, g = torch.maximum(eigenvalue.unsqueeze(1), floor), damping
    cosine, sine = _oscillation(value, g, time)
    memory = cosine + 0.5 * g * sine
    kicks2 = (-torch.expm1(-g * time) - g * sine * memory) / value
    return Response(memory, sine, kicks2.clamp(min=0.0).sqrt(), (1.0 - memory) / value.sqrt())


def _oscillation(value: Tensor, damping: Tensor, time: float) -> tuple[Tensor, Tensor]:
    """exp(-g t / 2) cos(w t) and exp(-g t / 2) sin(w t) / w, whatever the sign of w^2."""
    half, square = 0.5 * damping, value - 0.25 * damping**2
    w = square.abs().sqrt().clamp(min=1e-12)
    decay = torch.exp(-half * time)
    # Overdamped: exp(-(g/2 -+ w) t), the slower exponent lambda / (g/2 + w) without cancellation.
    slow, fast = torch.exp(-value / (half + w) * time), torch.exp(-(half + w) * time)
    over = square < 0
    cosine = torch.where(over, 0.5 * (slow + fast), decay * torch.cos(w * time))
    sine = torch.where(over, -0.5 * slow * torch.expm1(-2.0 * w * time), decay * torch.sin(w * time)) / w
    return cosine, sine


class Vibrations:
    """The vibration of one configuration about its inherent structure, and where it goes.

    hessian: of the inherent structure, (d N, d N); displacement: v0, (N, d) from the inherent structure to
    the configuration, whose drift is ignored; masses: (N,), 1 unless given.

    Particles rattle about centres that are not where the inherent
    structure has them: v = y + w with y at rest and w vibrating, y of a share f of the covariance. Given v0,
    y has mean f v0 and variance f (1 - f) T / lambda. Hence v(t) - v0 has mean (1 - f) (c - 1) v0, and
    deviations sqrt((1 - f) T) (s p + r z + sqrt(f) o y) with independent normal numbers p, z and y.

    Raises:
        DataError: the Hessian is that of a saddle.
    """

    def __init__(
        self,
        hessian: scipy.sparse.csr_array,
        displacement: Tensor,
        masses: Array | None = None,
        *,
        dense_limit: int = DENSE_LIMIT,
        tolerance: float = TOLERANCE,
    ) -> None:
        device, dimension = displacement.device, displacement.shape[1]
        self.functions = matrix_functions(
            hessian, dimension, masses=masses, dense_limit=dense_limit, device=device
        )
        self._root = roots(masses, device)
        self.displacement = displacement.double() - displacement.double().mean(0)
        self._tolerance = tolerance
        stiffness = dynamical_matrix(hessian, dimension, masses).diagonal()
        self._stiffest = max(float(stiffness.max()), 1.0) ** -0.5

    def relaxation(self, time: float, damping: Tensor) -> Tensor:
        """Mean displacement without part at rest, (J, N, d) for J dampings: (c - 1) v0."""

        def function(value: Tensor) -> Tensor:
            return response(value, damping, time).memory - 1.0

        v0 = self.displacement if self._root is None else self._root * self.displacement
        return self._unweighted(self.functions.apply(function, v0[None], self._tolerance)[:, 0])

    def fluctuations(self, time: float, damping: Tensor, white: Tensor) -> tuple[Tensor, Tensor | None]:
        """Deviations s p + r z and o y for J dampings, (J, F, N, d) each.

        white: (3, F, N, d) normal numbers p, z and y, of initial velocities, bath and part at rest; of
        (2, F, N, d) the latter is None, for f = 0.
        """
        tolerance = self._tolerance * self._stiffest

        def colour(name: str, fields: Tensor) -> Tensor:
            def function(value: Tensor) -> Tensor:
                found: Tensor = getattr(response(value, damping, time), name)
                return found

            return self.functions.apply(function, fields, tolerance)

        moving = colour("push", white[0]) + colour("kicks", white[1])
        offset = colour("offset", white[2]) if len(white) > 2 else None
        return self._unweighted(moving), None if offset is None else self._unweighted(offset)

    def _unweighted(self, fields: Tensor) -> Tensor:
        """Displacements (..., N, d) less their mean, from those times the roots of the masses."""
        if self._root is None:
            return fields
        moved = fields / self._root
        return moved - moved.mean(-2, keepdim=True)
