"""Pictures of displacements of particles: a field as arrows, and a motion as a movie."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gensample.data.importing.source import OutputFrame
from gensample.errors import ConfigError, DataError, MissingDependencyError
from gensample.report.style import canvas, look
from gensample.work import atomic

LONGER = 2.0
"""How much longer than displacements their arrows are: most would be dots."""
FAR = 1.2
"""The length, in sigma, at which colours end."""
_SCALE = Normalize(0, FAR)
_COLOURS = "viridis_r"


def draw_field(positions: np.ndarray, displacements: np.ndarray, box: np.ndarray) -> Figure:
    """A displacement field in two dimensions: an arrow for each particle, `LONGER` than it moved.

    ``positions`` (N, 2), ``displacements`` (N, 2) and ``box`` (2,) in sigma.

    Example:
        >>> test = gs.open_dataset("ka2d-mini")["test"][:1]
        >>> (fields,) = test.displacements  # (replicas, lags, particles, 2)
        >>> draw_field(test.positions[0], fields[0, -1], test.box[0]).savefig("field.png")

    Raises:
        DataError: the arrays are not of two dimensions, or of different particles.
    """
    x, u, edges = (np.asarray(values, dtype=float) for values in (positions, displacements, box))
    if x.ndim != 2 or x.shape != u.shape or x.shape[1] != 2 or edges.shape != (2,):
        raise DataError(
            "a field of arrows needs positions and displacements (N, 2) and a box (2,), got shapes "
            f"{x.shape}, {u.shape} and {edges.shape}; of three dimensions draw two"
        )
    figure, ((axes,),) = canvas(1, 1, 5.2)
    figure.colorbar(arrows(axes, x, u, edges), ax=axes, extend="max", label=r"$|u|/\sigma$")
    return figure


def arrows(axes: Axes, x: np.ndarray, u: np.ndarray, box: np.ndarray) -> Any:
    """The arrows of `draw_field` on axes, and the box around them."""
    drawn = axes.quiver(
        *np.mod(x, box).T, *(LONGER * u).T, np.linalg.norm(u, axis=1), angles="xy", scale_units="xy",
        scale=1, width=0.0028, headwidth=4, cmap=_COLOURS, norm=_SCALE,
    )  # fmt: skip
    _frame(axes, box)
    return drawn


def _frame(axes: Axes, box: np.ndarray) -> None:
    axes.set(xlim=(0, box[0]), ylim=(0, box[1]), aspect="equal", xlabel=r"$x/\sigma$", ylabel=r"$y/\sigma$")
    axes.grid(False)
    axes.spines[:].set_visible(True)


# Movies


def _mp4() -> AbstractMovieWriter:
    if not FFMpegWriter.isAvailable():
        raise MissingDependencyError("mp4 needs the program ffmpeg on PATH; install it or choose gif")
    return FFMpegWriter(fps=RATE, extra_args=["-pix_fmt", "yuv420p"])


RATE = 5
"""Frames a second."""
MOVIES: Mapping[str, Callable[[], AbstractMovieWriter]] = {"gif": lambda: PillowWriter(fps=RATE), "mp4": _mp4}
"""Writers of movies by the name of their format."""


def write_movie(
    out: str | Path, format: str, frames: Sequence[OutputFrame], species: np.ndarray, diameters: np.ndarray
) -> None:
    """Write the motion of the particles in two dimensions, coloured by how far they are from the first frame.

    ``frames`` of a trajectory, positions unwrapped; ``species`` (N,), ``diameters`` (S,) in sigma.

    Raises:
        ConfigError: the frames are of one configuration alone, or not of two dimensions in an upright box.
        MissingDependencyError: mp4 without ffmpeg.
    """
    first, box = frames[0].positions, np.asarray(frames[0].box)
    if len(frames) < 2 or "time" not in frames[-1].info:
        raise ConfigError("a movie is of a trajectory: give --configuration and --replica, and no --lag")
    if box.shape != (2,):
        raise ConfigError("a movie is of two dimensions in an upright box; export others for OVITO")
    with look(), atomic(out) as temporary, TemporaryDirectory() as folder:
        figure = Figure(figsize=(5.6, 5.0), layout="constrained", dpi=100)
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        writer = MOVIES[format]()
        # The writers tell formats by the ending.
        movie = Path(folder, f"movie.{format}")
        discs = _discs(axes, first, box, diameters[species])
        figure.colorbar(discs, ax=axes, extend="max", label=r"$|r(t)-r(0)|/\sigma$")
        with writer.saving(figure, str(movie), dpi=100):
            for frame in frames:
                discs.set_offsets(np.mod(frame.positions, box))
                discs.set_array(np.linalg.norm(frame.positions - first, axis=1))
                axes.set_title(rf"$t = {float(str(frame.info['time'])):g}\,\tau$")
                writer.grab_frame()
        shutil.copyfile(movie, temporary)


def _discs(axes: Axes, positions: np.ndarray, box: np.ndarray, sizes: np.ndarray) -> EllipseCollection:
    drawn = EllipseCollection(
        sizes, sizes, np.zeros_like(sizes), units="xy", offsets=np.mod(positions, box),
        offset_transform=axes.transData, cmap=_COLOURS, norm=_SCALE, edgecolors="#909090", linewidths=0.3,
    )  # fmt: skip
    axes.add_collection(drawn)
    _frame(axes, box)
    return drawn
