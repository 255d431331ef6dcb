"""Displacements: how far, how much of it structure decides, what moves together, how well draws predict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gensample.comparison.quantities import (
    CONTROLS,
    Axis,
    OfFields,
    Plot,
    chi4_of,
    in_sentence,
    propensity_pair,
    quantity,
    register,
)
from gensample.comparison.view import Averages, Summary, View
from gensample.seeding import numpy_generator
from gensample.stats import c2st, dynamics, pairs, scores
from gensample.stats.dynamics import Floats, Integers, magnitudes
from gensample.stats.intervals import centers

VAN_HOVE_EDGES: Floats = np.linspace(0.0, 2.5, 101)
LOG_EDGES: Floats = np.linspace(-2.5, 1.0, 71)
PROPENSITY_BINS = 40
C2ST_SAMPLES = 8192
"""Particles of each class in one classifier test, over all configurations."""
INDISTINGUISHABLE = 0.5
SHARE = (0.0, 1.0)
CORRELATION = (-1.0, 1.0)


# What is kept of a configuration


def _lengths(view: View, members: Integers) -> Floats:
    """|u| of the particles in each field, (R, n)."""
    return magnitudes(view.u[:, members])


def _alone(view: View, members: Integers) -> Summary:
    """One source by itself."""
    u, length = view.u[:, members], _lengths(view, members)
    split = dynamics.split_variance(length)
    lost = view.broken[:, members]
    near = view.structure.like_pairs(int(view.species[members[0]]))
    return {
        "mu": length.mean(axis=0),
        "mean": length.mean(),
        "delta": np.float64(split.delta),
        "iso": np.float64(split.iso),
        "second": (length**2).mean(),
        "fourth": (length**4).mean(),
        "overlap": dynamics.overlap(u).mean(),
        "bond_breaking": np.nanmean(lost) if np.isfinite(lost).any() else np.float64(np.nan),
        "correlations": np.stack(pairs.correlation_sums(u, near, view.structure.pair_edges)),
        "van_hove": dynamics.van_hove(u, VAN_HOVE_EDGES),
        "log_displacement": dynamics.log_displacement(u, LOG_EDGES),
    }


def _against(seen: View, made: View, members: Integers) -> Summary:
    """Drawn against observed fields."""
    generator = numpy_generator(seen.seed, 3, *seen.place, int(seen.species[members[0]]))
    observed, drawn = seen.u[:, members], made.u[:, members]
    ours, theirs = _lengths(seen, members), _lengths(made, members)
    x, y = ours.mean(axis=0), theirs.mean(axis=0)
    split = dynamics.split_variance(ours)
    return {
        "spearman": np.float64(dynamics.spearman(x, y)),
        "moments": np.array([x.mean(), y.mean(), (x * x).mean(), (y * y).mean(), (x * y).mean()]),
        "delta": np.float64(split.delta),
        "noise": np.float64(split.noise / len(ours)),
        "crps": scores.crps(ours, theirs, shared=made.dealt_anew).mean(),
        "crps_best": scores.best_score(ours).mean(),
        "crps_climatology": np.float64(scores.climatology_score(ours, generator)),
        "energy": scores.energy_score(observed, drawn, shared=made.dealt_anew).mean(),
        "energy_best": scores.best_score(observed).mean(),
        "energy_climatology": np.float64(scores.climatology_score(observed, generator)),
        "cdf": scores.half_cdfs(ours, theirs, generator),
    }


def _features(view: View, members: Integers) -> Summary:
    """What the classifier sees of random particles in random fields."""
    species = int(view.species[members[0]])
    generator = numpy_generator(view.seed, 2, *view.place, species, view.source)
    size = max(C2ST_SAMPLES // view.configurations, 1)
    replica, particle = c2st.draw_samples(len(view.u), members, size, generator)
    return {"features": c2st.local_features(view.u, replica, particle, view.neighbors)}


# Propensity

_pearson, _ceiling = propensity_pair(
    "pearson", "Propensity, Pearson", "ρ", "displacements", _lengths, main=True
)
register(
    replace(
        _pearson,
        meaning="Correlation over particles between generated and simulated propensity (mean |u| over "
        "replicas), averaged over configurations. Both are averages over few replicas, so even a perfect "
        "sampler stays below 1: the best possible is what it would score with the same numbers of replicas.",
        beside=("pearson_ceiling_exact",),
        # The independent control has the propensities of simulation itself: 1 by construction.
        plot=Plot("propensity_correlation", "Pearson correlation", ("halves", "climatology")),
    ),
    _ceiling,
)


@quantity("best, exact propensity", of=_against, kind="reference", limits=SHARE)
def pearson_ceiling_exact(averages: Averages) -> Floats:
    """What the exact propensity would score."""
    return dynamics.ceiling_exact(averages["delta"], averages["noise"])


@quantity(
    "Propensity, Pearson (pooled)", "ρ_p", of=_against, kind="ceiling", reference=_ceiling.name,
    limits=CORRELATION,
)  # fmt: skip
def pearson_pooled(averages: Averages) -> Floats:
    """The same over the particles of all configurations together; it also credits telling fast configurations
    from slow ones.
    """
    return dynamics.pearson_from_sums(averages["moments"])


@quantity(
    "Propensity, Spearman", "ρ_S", of=_against, kind="ceiling", reference=_ceiling.name, limits=CORRELATION
)
def _spearman(averages: Averages) -> Floats:
    """Correlation of the ranks of the propensities; insensitive to a few very mobile particles. The ceiling
    quoted is that of the Pearson correlation.
    """
    return averages["spearman"]


@quantity("Mean propensity", "⟨μ⟩ / σ", of=_alone, positive=True, aim=0.03, main=True)
def mean_propensity(averages: Averages) -> Floats:
    """Mean distance |u| moved, over particles, replicas and configurations."""
    return averages["mean"]


_R = Plot("propensity_correlation", "predictability $R$", ("halves", "climatology"))


@quantity("Predictability", "R", of=_alone, limits=SHARE, aim=0.25, needs=0.02, main=True, plot=_R)
def _predictability(averages: Averages) -> Floats:
    """Share of the variance of |u| that the initial structure decides (the rest is the random velocities):
    variance of the exact propensity over the total.
    """
    return dynamics.predictability(averages["delta"], averages["iso"])


# Size


@quantity(
    "Mean squared displacement", "⟨u²⟩ / σ²", of=_alone, positive=True, aim=0.06,
    plot=Plot("moments", r"$\langle u^2\rangle/\sigma^2$", log=True),
)  # fmt: skip
def _msd(averages: Averages) -> Floats:
    """Mean of |u|²."""
    return averages["second"]


@quantity(
    "Non-Gaussian parameter", "α₂", of=_alone, aim=0.20, needs=0.2, main=True,
    plot=Plot("moments", r"$\alpha_2$"),
)  # fmt: skip
def _alpha2(averages: Averages) -> Floats:
    """Fourth moment of u against that of a Gaussian of the same width: zero for a Gaussian, large when few
    particles move far.
    """
    return dynamics.alpha2_from_moments(averages["second"], averages["fourth"], averages.dimension)


@quantity(
    "Distance of |u| distributions", "W₁ / σ", of=_against, kind="floor", reference="W1_floor", positive=True,
    draws=8, aim=2.5, main=True,
    plot=Plot("distribution_distance", r"$W_1(|u|)/\sigma$", ("halves",), log=True),
)  # fmt: skip
def W1(averages: Averages) -> Floats:
    """Wasserstein distance between generated and simulated |u|: the mean distance by which one histogram
    must be moved to become the other. The floor is that between two halves of the simulated replicas.
    """
    return scores.half_distance(averages.stacked["cdf"], averages.weights)


@quantity("floor (halves)", of=_against, kind="reference", positive=True)
def W1_floor(averages: Averages) -> Floats:
    """The distance between two halves of the simulated replicas."""
    return scores.half_distance_floor(averages.stacked["cdf"], averages.weights)


# Overlap


@quantity(
    "Overlap", "Q", of=_alone, positive=True, limits=SHARE, aim=0.05, needs=0.02, main=True,
    plot=Plot("moments", "overlap $Q$"),
)  # fmt: skip
def _overlap(averages: Averages) -> Floats:
    """Fraction of particles that have moved less than 0.3 σ."""
    return averages["overlap"]


def _shares(view: View, members: Integers) -> Floats:
    return dynamics.overlap(view.u[:, members])


_within, _between = chi4_of(
    "chi4", "χ₄", "the overlap", "displacements", _shares, parts=("within", "between"), main=True
)
register(
    replace(
        _within,
        name="chi4_iso",
        label="χ₄ within a configuration",
        meaning="Number of particles times the variance of the overlap between replicas of one "
        "configuration: how many particles move together because of the velocities. Only a sampler of joint "
        "motion gets it right; independent particles give much less.",
        plot=Plot("chi4", r"$\chi_4$ within a configuration", CONTROLS, bars=True),
    ),
    replace(
        _between,
        label="χ₄ between configurations",
        meaning="Number of particles times the variance, between configurations, of the mean overlap: how "
        "far structure makes whole configurations fast or slow. Known only as well as the number of "
        "configurations allows.",
        plot=Plot("chi4", r"$\chi_4$ between configurations", CONTROLS, bars=True),
    ),
)


@quantity(
    "Bond breaking", "C_B", of=_alone, positive=True, limits=SHARE, aim=0.10, needs=0.01,
    plot=Plot("moments", "bonds broken $C_B$"),
)  # fmt: skip
def _bond_breaking(averages: Averages) -> Floats:
    """Mean fraction of its initial neighbours that a particle has lost."""
    return averages["bond_breaking"]


# Two particles

_R_AXIS = Axis(r"distance $r/\sigma$", lambda structure: centers(structure.pair_edges))


def _pair_correlation(part: str, symbol: str, title: str, meaning: str) -> OfFields:
    """A correlation of two particles against their initial distance."""

    def combine(averages: Averages) -> Floats:
        sums = pairs.CorrelationSums(*np.moveaxis(averages["correlations"], 1, 0))
        found = pairs.normalise(sums, averages["second"], averages["iso"], averages.dimension)
        return np.asarray(getattr(found, part))

    return OfFields(
        name=f"corr_{part}",
        label=f"{part.capitalize()} correlation",
        symbol=symbol,
        kind="pair",
        meaning=meaning,
        source="displacements",
        summarise=_alone,
        combine=combine,
        axis=_R_AXIS,
        at=(1.1, 2.1),
        aim=0.25,
        needs=0.02,
        main=part == "longitudinal",
        plot=Plot("correlations", title, ("independent",)),
    )


register(
    _pair_correlation(
        "longitudinal",
        "C_L",
        r"along $\hat r$: $C_L(r)$",
        "Mean product of the displacements of two particles at distance r, both projected on the line that "
        "joins them, over that of a single particle: positive when they move along together.",
    ),
    _pair_correlation(
        "transverse",
        "C_T",
        r"across $\hat r$: $C_T(r)$",
        "The same for the components perpendicular to the line that joins the two particles.",
    ),
    _pair_correlation(
        "mobility",
        "C_μ",
        r"mobility: $C_\mu(r)$",
        "Correlation at distance r of |u| minus its propensity: do neighbours move far in the same replica?",
    ),
)


# Skill


def _skill_of(prefix: str, score: str, label: str, symbol: str, aim: float, meaning: str) -> None:
    """Register the skill of a score over climatology, and the best possible."""

    def skill(of: str) -> Callable[[Averages], Floats]:
        return lambda averages: scores.skill(averages[of], averages[f"{score}_climatology"])

    plot = Plot("skill", in_sentence(label), CONTROLS, level=0.0)
    reached = OfFields(
        name=prefix, label=label, symbol=symbol, kind="ceiling", meaning=meaning, source="displacements",
        summarise=_against, combine=skill(score), reference=f"{prefix}_best", aim=aim, main=score == "crps",
        plot=plot,
    )  # fmt: skip
    best = replace(
        reached, name=f"{prefix}_best", label="best possible", kind="reference", reference=None, aim=None,
        combine=skill(f"{score}_best"), main=False, plot=None,
    )  # fmt: skip
    register(reached, best)


_skill_of(
    "crps_skill",
    "crps",
    "Skill, CRPS of |u|",
    "CRPSS",
    0.8,
    "How much better the generated distribution of |u| of each particle predicts its simulated values than "
    "the distribution common to its species: 0 no better, 1 certainty.",
)
_skill_of(
    "energy_score_skill",
    "energy",
    "Skill, energy score of u",
    "ESS",
    0.7,
    "The same for the displacement vector, direction included.",
)


def _classify(seen: Sequence[Summary], made: Sequence[Summary]) -> Summary:
    ours, theirs = ([s["features"] for s in side] for side in (seen, made))
    return {"accuracy": c2st.classifier_accuracy(ours, theirs)}


@quantity(
    "Classifier two-sample test", "C2ST", name="c2st", of=_features, join=_classify, kind="floor",
    reference=INDISTINGUISHABLE, limits=SHARE, aim=0.6, main=True,
    plot=Plot(
        "skill", "classifier accuracy", CONTROLS, level=INDISTINGUISHABLE, level_label="indistinguishable"
    ),
)  # fmt: skip
def c2st_accuracy(averages: Averages) -> Floats:
    """Accuracy of a small classifier that tells generated from simulated by how a particle and its neighbours
    move, on configurations it was not trained on: 0.5 is indistinguishable, 1 is told apart every time.
    """
    return averages["accuracy"]


# Densities, which are drawn and written and not in the metrics


def _propensities(seen: Sequence[Summary], made: Sequence[Summary]) -> Summary:
    """From 0 to five standard deviations above the mean of simulation."""
    mu = np.stack([s["mu"] for s in seen])
    edges = np.linspace(0.0, float(mu.mean() + 5 * mu.std()) + 1e-12, PROPENSITY_BINS + 1)
    rows = [np.histogram(s["mu"], bins=edges)[0] / (len(s["mu"]) * np.diff(edges)) for s in made]
    return {"x": np.stack([centers(edges)] * len(made)), "value": np.stack(rows)}


Join = Callable[[Sequence[Summary], Sequence[Summary]], Summary]


def _histogram(name: str, edges: Floats) -> Join:
    def join(seen: Sequence[Summary], made: Sequence[Summary]) -> Summary:
        return {"x": np.stack([centers(edges)] * len(made)), "value": np.stack([s[name] for s in made])}

    return join


def _density(name: str, meaning: str, join: Join, xlabel: str, plot: Plot) -> None:
    register(
        OfFields(
            name=name,
            label=xlabel,
            kind="curve",
            meaning=meaning,
            source="displacements",
            summarise=_alone,
            join=join,
            combine=lambda averages: averages["value"],
            limits=(0.0, np.inf),
            plot=plot,
        )
    )


_density(
    "propensity",
    "Distribution over particles of the propensity.",
    _propensities,
    r"propensity $\mu/\sigma$",
    Plot("propensity_histogram", r"$P(\mu)\,\sigma$"),
)
_density(
    "van_hove",
    "Probability density of a displacement of length r.",
    _histogram("van_hove", VAN_HOVE_EDGES),
    r"distance $r/\sigma$",
    Plot("van_hove", r"$G_s(r,t)\,\sigma^d$", log=True),
)
_density(
    "log_displacement",
    "Distribution of the logarithm of the length of a displacement.",
    _histogram("log_displacement", LOG_EDGES),
    r"$\log_{10}(r/\sigma)$",
    Plot("log_displacement", r"$P(\log_{10} r)$"),
)
