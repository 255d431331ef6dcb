"""Every row of a report: its name, symbol, what it is compared with, and plain words.

Formulas and sources are in docs/statistics.
"""

from gensample.comparison.quantities import Words, all_quantities

INDISTINGUISHABLE = 0.5


def _correlation(name: str, label: str, letter: str, meaning: str, aim: float | None) -> tuple[Words, ...]:
    return tuple(
        Words(name, label, f"{letter}({at:g})", "pair", meaning, aim=aim, needs=0.02, at=at)
        for at in (1.1, 2.1)
    )


_OF_DISPLACEMENTS: tuple[Words, ...] = (
    Words(
        "pearson",
        "Propensity, Pearson",
        "ρ",
        "ceiling",
        "Correlation over particles between generated and simulated propensity (mean |u| over replicas), "
        "averaged over configurations. Both are averages over few replicas, so even a perfect sampler stays "
        "below 1: the best possible is what it would score with the same numbers of replicas.",
        aim=0.8,
    ),
    Words(
        "pearson_pooled",
        "Propensity, Pearson (pooled)",
        "ρ_p",
        "ceiling",
        "The same over the particles of all configurations together; it also credits telling fast "
        "configurations from slow ones.",
    ),
    Words(
        "spearman",
        "Propensity, Spearman",
        "ρ_S",
        "ceiling",
        "Correlation of the ranks of the propensities; insensitive to a few very mobile particles. The "
        "ceiling quoted is that of the Pearson correlation.",
    ),
    Words(
        "mean_propensity",
        "Mean propensity",
        "⟨μ⟩ / σ",
        "pair",
        "Mean distance |u| moved, over particles, replicas and configurations.",
        aim=0.03,
    ),
    Words(
        "predictability",
        "Predictability",
        "R",
        "pair",
        "Share of the variance of |u| that the initial structure decides (the rest is the random "
        "velocities): variance of the exact propensity over the total.",
        aim=0.25,
        needs=0.02,
    ),
    Words("msd", "Mean squared displacement", "⟨u²⟩ / σ²", "pair", "Mean of |u|².", aim=0.06),
    Words(
        "alpha2",
        "Non-Gaussian parameter",
        "α₂",
        "pair",
        "Fourth moment of u against that of a Gaussian of the same width: zero for a Gaussian, large when "
        "few particles move far.",
        aim=0.20,
        needs=0.2,
    ),
    Words(
        "W1",
        "Distance of |u| distributions",
        "W₁ / σ",
        "floor",
        "Wasserstein distance between generated and simulated |u|: the mean distance by which one histogram "
        "must be moved to become the other. The floor is that between two halves of the simulated replicas.",
        draws=8,
        aim=2.5,
    ),
    Words(
        "overlap",
        "Overlap",
        "Q",
        "pair",
        "Fraction of particles that have moved less than 0.3 σ.",
        aim=0.05,
        needs=0.02,
    ),
    Words(
        "chi4_iso",
        "χ₄ within a configuration",
        "",
        "pair",
        "Number of particles times the variance of the overlap between replicas of one configuration: how "
        "many particles move together because of the velocities. Only a sampler of joint motion gets it "
        "right; independent particles give much less.",
        draws=4,
        aim=0.30,
        needs=0.05,
    ),
    Words(
        "chi4_between",
        "χ₄ between configurations",
        "",
        "pair",
        "Number of particles times the variance, between configurations, of the mean overlap: how far "
        "structure makes whole configurations fast or slow. Known only as well as the number of "
        "configurations allows.",
        draws=4,
        aim=0.30,
        needs=0.05,
    ),
    Words(
        "bond_breaking",
        "Bond breaking",
        "C_B",
        "pair",
        "Mean fraction of its initial neighbours that a particle has lost.",
        aim=0.10,
        needs=0.01,
    ),
    *_correlation(
        "corr_longitudinal",
        "Longitudinal correlation",
        "C_L",
        "Mean product of the displacements of two particles at distance r, both projected on the line that "
        "joins them, over that of a single particle: positive when they move along together.",
        0.25,
    ),
    *_correlation(
        "corr_transverse",
        "Transverse correlation",
        "C_T",
        "The same for the components perpendicular to the line that joins the two particles.",
        0.25,
    ),
    *_correlation(
        "corr_mobility",
        "Mobility correlation",
        "C_μ",
        "Correlation at distance r of |u| minus its propensity: do neighbours move far in the same replica?",
        0.25,
    ),
    Words(
        "crps_skill",
        "Skill, CRPS of |u|",
        "CRPSS",
        "ceiling",
        "How much better the generated distribution of |u| of each particle predicts its simulated values "
        "than the distribution common to its species: 0 no better, 1 certainty.",
        aim=0.8,
    ),
    Words(
        "energy_score_skill",
        "Skill, energy score of u",
        "ESS",
        "ceiling",
        "The same for the displacement vector, direction included.",
        aim=0.7,
    ),
    Words(
        "c2st",
        "Classifier two-sample test",
        "C2ST",
        "floor",
        "Accuracy of a small classifier that tells generated from simulated by how a particle and its "
        "neighbours move, on configurations it was not trained on: 0.5 is indistinguishable, 1 is told apart "
        "every time.",
        aim=0.6,
        reference=INDISTINGUISHABLE,
    ),
)

QUANTITIES: tuple[Words, ...] = (
    *_OF_DISPLACEMENTS,
    *(q for q in all_quantities(axis=None) if q.kind != "reference"),
)
"""Every row: those of `gensample.stats.metrics`, and what is registered in `gensample.comparison`."""

# What fits a terminal and answers the first questions.
MAIN = (
    "pearson",
    "mean_propensity",
    "predictability",
    "alpha2",
    "W1",
    "overlap",
    "chi4_iso",
    "corr_longitudinal",
    "crps_skill",
    "c2st",
    *(q.name for q in all_quantities(main=True)),
)


def group_words(group: str) -> str:
    """What a block of rows is of: a species, or all particles together."""
    return "all particles" if group == "all" else f"species {group}"


def in_sentence(label: str) -> str:
    """A label in the middle of a sentence: "mean propensity", but "R" and "χ₄"."""
    return label[0].lower() + label[1:] if label[1:2].islower() else label
