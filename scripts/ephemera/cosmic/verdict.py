"""The verdict on a stamp: the first rule that holds, with the numbers that decided.

No rule says "candidate": that a signal is worth a closer look is for a person to say.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ephemera.cosmic.features import Features
from ephemera.cosmic.flags import Flag


class Verdict(enum.StrEnum):
    """Names in the column `class`."""

    UNUSABLE = "unusable"
    NOT_CONFIRMED = "not_confirmed"
    RFI_SINGLE_ANTENNA = "rfi_single_antenna"
    RFI_FEW_ANTENNAS = "rfi_few_antennas"
    SKY_LIKE = "sky_like"
    SKY_LIKE_ZERO_DRIFT = "sky_like_zero_drift"
    INCOHERENT_ALL = "incoherent_all"
    COHERENT_UNKNOWN_DIRECTION = "coherent_unknown_direction"
    AMBIGUOUS = "ambiguous"


#: Verdicts that name interference.
RFI = (Verdict.RFI_SINGLE_ANTENNA, Verdict.RFI_FEW_ANTENNAS)
SKY = (Verdict.SKY_LIKE, Verdict.SKY_LIKE_ZERO_DRIFT)


@dataclass(frozen=True)
class Thresholds:
    """What the rules compare with; defaults are those of the configuration."""

    snr_min: float = 6.0
    single_frac: float = 0.5
    few_antennas: float = 0.2
    gain_index_min: float = 0.5
    single_part: float = 2.0
    least_few: float = 3.0
    eig_frac_min: float = 0.3
    least_antennas: int = 3
    most_bad: float = 0.01
    near: float = 0.1


@dataclass(frozen=True)
class Reason:
    """A comparison: feature, value, how it compares with the threshold; quoted ones do not decide."""

    feature: str
    value: float
    sign: str
    threshold: float
    decides: bool = True

    def __str__(self) -> str:
        value = "none" if math.isnan(self.value) else f"{self.value:.4g}"
        return f"{self.feature} = {value} {self.sign} {self.threshold:.4g}"

    def holds(self) -> bool:
        """Whether the comparison is true; with an unknown value it is not."""
        if self.sign == ">=":
            return self.value >= self.threshold
        if self.sign == ">":
            return self.value > self.threshold
        return self.value < self.threshold if self.sign == "<" else self.value <= self.threshold

    def near(self, share: float) -> bool:
        """Whether the value is within `share` of the threshold."""
        return abs(self.value - self.threshold) <= share * max(abs(self.threshold), share)


@dataclass(frozen=True)
class Judged:
    """Verdict, why, and whether something speaks for caution (`confidence` low or high)."""

    verdict: Verdict
    reasons: tuple[str, ...]
    confidence: str


def judge(
    features: Features | None,
    flags: Sequence[Flag],
    *,
    has_recipe: bool,
    bad_frac: float = 0.0,
    thresholds: Thresholds | None = None,
) -> Judged:
    """Verdict on a stamp; `features` is None when it has no path or no room for edges."""
    t = thresholds or Thresholds()
    if features is None or features.n_live < t.least_antennas:
        why = "no path, or no room beside it" if features is None else f"n_live = {features.n_live}"
        return Judged(Verdict.UNUSABLE, (why,), "low")
    verdict, reasons = _first_rule(features, t, has_recipe=has_recipe)
    caution = (
        Flag.EDGES_CONTAMINATED in flags
        or Flag.PATH_OUT in flags
        or bad_frac > t.most_bad
        or any(reason.near(t.near) for reason in reasons if reason.decides)
    )
    return Judged(verdict, tuple(map(str, reasons)), "low" if caution else "high")


def _first_rule(f: Features, t: Thresholds, *, has_recipe: bool) -> tuple[Verdict, list[Reason]]:
    largest = max((f.snr_coherent, f.snr_incoherent, f.snr_max), key=lambda z: -math.inf if z != z else z)
    unseen = Reason("largest SNR", largest, "<", t.snr_min)
    if unseen.holds() or math.isnan(largest):
        return Verdict.NOT_CONFIRMED, [unseen]
    in_antenna = Reason("snr_max", f.snr_max, ">=", t.snr_min)
    if in_antenna.holds():
        for reason in (
            Reason("frac_max", f.frac_max, ">=", t.single_frac),
            Reason("eig_part", f.eig_part, "<=", t.single_part),
        ):
            if reason.holds():
                return Verdict.RFI_SINGLE_ANTENNA, [in_antenna, reason]
        few = Reason("n_eff", f.n_eff, "<", max(t.least_few, t.few_antennas * f.n_live))
        if few.holds():
            return Verdict.RFI_FEW_ANTENNAS, [in_antenna, few]
    return _beam_rule(f, t) if has_recipe else _unknown_direction(f, t)


def _beam_rule(f: Features, t: Thresholds) -> tuple[Verdict, list[Reason]]:
    """Rules that need a recipe: from the beam, in all antennas but not from a beam, or neither."""
    coherent = Reason("snr_coherent", f.snr_coherent, ">=", t.snr_min)
    index = Reason("gain_index", f.gain_index, ">=", t.gain_index_min)
    if coherent.holds() and index.holds():
        verdict = Verdict.SKY_LIKE_ZERO_DRIFT if f.zero_drift else Verdict.SKY_LIKE
        return verdict, [coherent, index]
    incoherent = Reason("snr_incoherent", f.snr_incoherent, ">=", t.snr_min)
    opposite = Reason("gain_index", f.gain_index, "<=", 0.0)
    if incoherent.holds() and opposite.holds():
        sign = ">" if f.eig_frac > t.eig_frac_min else "<="
        quoted = Reason("eig_frac", f.eig_frac, sign, t.eig_frac_min, decides=False)
        return Verdict.INCOHERENT_ALL, [incoherent, opposite, quoted]
    return Verdict.AMBIGUOUS, [coherent, index, opposite]


def _unknown_direction(f: Features, t: Thresholds) -> tuple[Verdict, list[Reason]]:
    """Without a recipe no beam can be formed; what all antennas share is all there is to say."""
    share = Reason("eig_frac", f.eig_frac, ">", t.eig_frac_min)
    part = Reason("eig_part", f.eig_part, ">", f.n_live / 2)
    if share.holds() and part.holds():
        return Verdict.COHERENT_UNKNOWN_DIRECTION, [share, part]
    return Verdict.AMBIGUOUS, [share, part]
