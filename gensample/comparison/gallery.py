"""The figures of a report in order, each with its title and one sentence that says how to read it."""

from collections.abc import Iterator
from functools import partial

from gensample.comparison import distributions, figures, maps, moves
from gensample.comparison import registered_figures as registered
from gensample.comparison.content import Content, Moves, Propensities
from gensample.comparison.glossary import group_words, in_sentence
from gensample.report.page import Plate

FIRST = "moves"
"""Name of the picture that a report opens with."""


def plates(content: Content) -> Iterator[Plate]:
    """Every figure that the content allows, the first picture first; what was not computed is left out."""
    if content.moves is not None:
        yield _moves(content, content.moves)
    yield from _numbers(content, ("future", "aftermath", "inherent"))
    yield Plate(
        "propensity_correlation",
        "Propensity correlation and predictability against lag time",
        "Left: a perfect sampler with as many draws lies on the dashed line, so the distance to it, not to "
        "1, is what is missing (halves have fewer draws, and a lower ceiling). Right: the share of the "
        "variance of |u| that structure decides should agree with simulation.",
        lambda: figures.propensity_against_lag(content),
    )
    if content.propensities is not None:
        yield _maps(content)
        yield _scatter(content)
    yield Plate(
        "moments",
        "Mean squared displacement, non-Gaussian parameter, overlap and bond breaking",
        "Blue should lie on black; bands are 95 % intervals over configurations.",
        lambda: figures.moments_against_lag(content),
    )
    yield from _distributions(content)
    yield from _joint(content)
    yield Plate(
        "skill",
        "Skill over climatology and the classifier test",
        "Skill rises from 0 (knows only the species) to the dashed line (a perfect sampler); the classifier "
        "should stay at 0.5, where generated cannot be told from simulated.",
        lambda: figures.skill_against_lag(content),
    )
    yield from _numbers(content, ("displacements",))
    yield from _functions(content)


def _numbers(content: Content, sources: tuple[str, ...]) -> Iterator[Plate]:
    """Registered numbers against lag time."""
    for of, group, found in registered.numbers(content, sources):
        yield Plate(
            f"{of}_{group}",
            registered.title_of(of, group),
            "Blue should lie on black, a correlation on the dashed line; bands are 95 % intervals.",
            partial(registered.draw_numbers, content, group, found),
        )


def _functions(content: Content) -> Iterator[Plate]:
    """Registered functions, those of one axis in one figure."""
    for number, (group, found) in enumerate(registered.functions(content)):
        names = [found[0].label, *(in_sentence(q.label) for q in found[1:])]
        yield Plate(
            f"functions_{number + 1}_{group}",
            f"{'; '.join(names)} ({group_words(group)})",
            " ".join(dict.fromkeys(q.meaning for q in found)),
            partial(registered.draw_functions, content, group, found),
        )


def _moves(content: Content, found: Moves) -> Plate:
    p = content.propensities
    assert p is not None
    what = (
        "hop, which is that their place in the inherent structure moved"
        if found.inherent
        else "moved (hops are not known here: no quench was made)"
    )
    return Plate(
        FIRST,
        f"What moves in one field, configuration {p.names[found.configuration]}{_where(p)}",
        f"One replica of simulation and one draw: particles that {what} by more than {moves.MOVED:g} σ are "
        "coloured by how far, with the displacement as an arrow; the others are grey. Replicas "
        "differ, so the places need not agree one by one: their number, their clusters and the way "
        "neighbours follow each other should. Shown is the median configuration by simulated mean "
        "propensity, and of each source the field with the median number.",
        lambda: moves.moves_map(content),
    )


def _where(p: Propensities) -> str:
    if p.positions.shape[-1] == 2:
        return ""
    return f", a slab {maps.SLAB:g} σ thick through the middle of the box"


def _maps(content: Content) -> Plate:
    p = content.propensities
    assert p is not None
    c = maps.typical_configuration(p)
    return Plate(
        "propensity_maps",
        f"Propensity maps, configuration {p.names[c]}{_where(p)}",
        "The same particles in the same places, coloured on the same scale for each lag: fast and slow "
        "regions should coincide. The configuration shown is the median one by correlation at the longest "
        "lag, not the best.",
        lambda: maps.propensity_maps(content, c),
    )


def _scatter(content: Content) -> Plate:
    return Plate(
        "propensity_scatter",
        "Generated against simulated propensity",
        "Number of particles on a logarithmic scale, all configurations; part of the scatter about the "
        "diagonal is the finite number of replicas on both axes.",
        lambda: maps.propensity_scatter(content),
    )


def _distributions(content: Content) -> Iterator[Plate]:
    yield Plate(
        "propensity_histogram",
        "Distribution of propensity",
        "The curves should agree in place and width; fewer draws than replicas widen the generated one.",
        lambda: distributions.propensity_distribution(content),
    )
    yield Plate(
        "van_hove",
        "Self van Hove function",
        "Probability density of a displacement of length r; the tail beyond the first few tenths is rare, "
        "large moves.",
        lambda: distributions.van_hove(content),
    )
    yield Plate(
        "log_displacement",
        "Distribution of the logarithm of the displacement",
        "The main peak is rattling in the cage, a shoulder or second peak near r = 1 is hopping.",
        lambda: distributions.log_displacement(content),
    )
    yield Plate(
        "distribution_distance",
        "Distance between the distributions of |u|",
        "On the dashed line the generated distribution is as near to simulation as two halves of the "
        "simulated replicas are to each other.",
        lambda: figures.distribution_distance(content),
    )


def _joint(content: Content) -> Iterator[Plate]:
    yield Plate(
        "chi4",
        "Susceptibility χ₄ of the overlap, split",
        "Left: particles that move together because of the velocities; the independent control shows how "
        "little is left without joint motion. Right: whole configurations that are fast or slow because of "
        "their structure.",
        lambda: figures.chi4_split(content),
    )
    for species in content.metrics.species:
        yield Plate(
            f"correlations_{species}",
            f"Displacement correlations, species {species}",
            "Particles at distance r: do they move along together (top), sideways together (middle), and far "
            "in the same replica (bottom)? The independent control keeps only what the mean displacements of "
            "the particles share.",
            partial(figures.displacement_correlations, content, species),
        )
