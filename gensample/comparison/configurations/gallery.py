"""The figures of the report on configurations in order: energies first, since nothing else shows failure so
soon.
"""

from collections.abc import Iterator
from functools import partial

from gensample.comparison.configurations import figures
from gensample.comparison.configurations.content import Content
from gensample.report.page import Plate


def plates(content: Content) -> Iterator[Plate]:
    """Every figure that the content allows; what was not computed is left out."""
    inherent = bool(content.curves.get("inherent_energy"))
    yield Plate(
        "energy",
        "Energy" + (" and inherent-structure energy" if inherent else "") + " per particle",
        "Histograms over configurations; they should coincide. A generated one too far to the right has "
        "particles too close together" + (", or badly packed if the inherent energy is too high." if inherent
        else ". Inherent structures of both sets (gensample quench) would tell how well it is packed.") +
        " Tails beyond three interquartile ranges are cut off.",
        lambda: figures.energies(content),
    )  # fmt: skip
    yield from _arrangement(content)
    if content.curves.get("log_weights"):
        yield Plate(
            "weights",
            "Importance weights",
            "Left: the narrower, the better; each unit is a factor of 2.7 in weight. Right: on the dotted "
            "line all configurations count alike; a curve that starts high is ruled by a few of them, and "
            "no reweighted number can then be trusted. Reweighted curves are drawn above from an effective "
            "size of 20 on.",
            lambda: figures.weights(content),
        )
    if content.curves.get("propensity"):
        for k in figures.shown_temperatures(content):
            yield Plate(
                f"propensity_{content.temperatures[k]:g}",
                "Predicted propensity",
                "What a predictor of the dynamics reads off both sets of structures, a histogram over "
                "particles: do the generated structures move as far, and differ as much among themselves?",
                partial(figures.propensity, content, k),
            )


def _arrangement(content: Content) -> Iterator[Plate]:
    yield Plate(
        "pair_distribution",
        "Pair distribution functions",
        "Blue should lie on black. Below: generated minus simulated, grey the 95 % interval of simulation. "
        "Close agreement here does not mean a right energy: that is decided by the steep left side of the "
        "first peak.",
        lambda: figures.pair_distribution(content),
    )
    yield Plate(
        "structure_factor",
        "Partial structure factors",
        "Only wave vectors that the box allows: with few particles the points at small q are far apart.",
        lambda: figures.structure_factor(content),
    )
    yield Plate(
        "closest",
        "Closest pairs",
        "For each kind of pair, the smallest distance in each configuration over the diameter: a blue "
        "curve to the left of the black one has overlaps.",
        lambda: figures.closest(content),
    )
    yield Plate(
        "coordination",
        "Numbers of neighbours",
        "Neighbours nearer than 1.4 diameters, by species.",
        lambda: figures.coordination(content),
    )
    yield Plate(
        "angles",
        "Bond angles",
        "Angle between any two neighbours of a particle, by its species. Near 60 degrees: triangles of "
        "touching particles.",
        lambda: figures.angles(content),
    )
