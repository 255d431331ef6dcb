"""Verdicts: what a value and its interval allow to be said, in both directions."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gensample.comparison.glossary import INDISTINGUISHABLE
from gensample.comparison.metrics import NAN, Number
from gensample.comparison.quantities import Words
from gensample.stats.intervals import difference

Mark = Literal["good", "near", "off", "beyond", "few", "none"]
SIGNS: dict[Mark, str] = {"good": "✓", "near": "≈", "off": "✗", "beyond": "!", "few": "?", "none": ""}
MARKS: dict[Mark, str] = {
    "good": "within the aim, and so is the whole interval",
    "near": "the interval reaches across the aim: these data cannot tell",
    "off": "outside the aim, and so is the whole interval",
    "beyond": "better than a perfect sampler, by more than the interval",
    "few": "too few draws or configurations to judge this",
    "none": "not judged",
}
BEYOND = (
    "better than a perfect sampler with as many draws can be, by more than the interval. Likely reasons: "
    "generated and simulated fields share replicas or their random numbers, or the generator has seen these "
    "data. Such numbers say nothing about the generator."
)


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on: the generated value, what it is judged by, how their errors go together.

    ``correlation`` is that of the two errors, ``draws`` the least number of replicas of either source in any
    configuration.
    """

    generated: Number
    target: Number
    correlation: float = 0.0
    draws: float = NAN

    def excess(self, share: float) -> tuple[float, float]:
        """Interval of generated - share * target; NaN without intervals."""
        low, high = difference(self.generated, self.target, share, self.correlation)
        return float(low), float(high)


def verdict(quantity: Words, evidence: Evidence) -> tuple[str, Mark]:
    """Words and mark that say how near generated is to what it should be."""
    if not evidence.generated.defined:
        return "", "none"
    if quantity.absolute or quantity.kind == "nominal":
        return _absolute(quantity, evidence)
    if quantity.kind == "pair":
        return _pair(quantity, evidence)
    if quantity.name == "c2st":
        # The target is a number, not a measurement.
        level = Number(INDISTINGUISHABLE, INDISTINGUISHABLE, INDISTINGUISHABLE)
        aim = (quantity.aim or 0) / INDISTINGUISHABLE
        return _judged(quantity, evidence, "", below(Evidence(evidence.generated, level), aim))
    if not evidence.target.defined or evidence.target.value <= 0:
        return "", "none"
    ratio = evidence.generated.value / evidence.target.value
    aim = quantity.aim or 0
    if quantity.kind == "floor":
        mark: Mark = "beyond" if evidence.excess(1.0)[1] < 0 else below(evidence, aim)
        return _judged(quantity, evidence, f"{ratio:.1f} × floor", mark)
    mark = "beyond" if evidence.excess(1.0)[0] > 0 else above(evidence, aim)
    words = f"{100 * ratio:.0f} % of best".replace("-", "−")
    return _judged(quantity, evidence, words, mark)


def _pair(quantity: Words, evidence: Evidence) -> tuple[str, Mark]:
    sim, gen = evidence.target, evidence.generated
    if not sim.defined or abs(sim.value) < max(quantity.needs, 1e-12):
        return "", "none"
    change = gen.value / sim.value - 1
    words = f"{100 * change:+.1f} %" if abs(change) < 0.095 else f"{100 * change:+.0f} %"
    if sim.value < 0:
        evidence = Evidence(_negative(gen), _negative(sim), evidence.correlation, evidence.draws)
    return _judged(quantity, evidence, words.replace("-", "−"), within(evidence, quantity.aim or 0))


def _absolute(quantity: Words, evidence: Evidence) -> tuple[str, Mark]:
    """Generated minus target, judged against a deviation that is the same whatever the target."""
    if not evidence.target.defined:
        return "", "none"
    change = evidence.generated.value - evidence.target.value
    words = f"{change:+.3f}" if abs(change) < 100 else f"{change:+.0e}"
    aim, (low, high) = quantity.aim or 0.0, evidence.excess(1.0)
    inside = low >= -aim and high <= aim
    outside = low > aim or high < -aim
    mark: Mark = "good" if inside else "off" if outside else "near"
    return _judged(quantity, evidence, words.replace("-", "−"), mark)


def _negative(x: Number) -> Number:
    return Number(-x.value, -x.high, -x.low)


def _judged(quantity: Words, evidence: Evidence, words: str, mark: Mark) -> tuple[str, Mark]:
    """``mark``, unless nobody asks for one or it cannot be known."""
    if quantity.aim is None:
        return words, "none"
    if evidence.draws < quantity.draws:
        return "too few draws", "few"
    if not np.isfinite(evidence.generated.low):
        return "no interval", "few"
    return words, mark


def within(evidence: Evidence, aim: float) -> Mark:
    """Whether generated lies between (1 - aim) and (1 + aim) of a positive target."""
    return _worse(above(evidence, 1 - aim), below(evidence, 1 + aim))


def _worse(*marks: Mark) -> Mark:
    return next(mark for mark in ("off", "near", "good") if mark in marks)


def above(evidence: Evidence, share: float) -> Mark:
    """Whether generated reaches ``share`` of the target."""
    low, high = evidence.excess(share)
    return "good" if low >= 0 else "off" if high < 0 else "near"


def below(evidence: Evidence, share: float) -> Mark:
    """Whether generated stays below ``share`` times the target."""
    low, high = evidence.excess(share)
    return "good" if high <= 0 else "off" if low > 0 else "near"
