"""How often verdicts are right, from simulated signals: by kind and SNR, with binomial errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ephemera.confidence import wilson
from ephemera.cosmic.simulate_signals import SKY_KINDS, Kind
from ephemera.cosmic.verdict import RFI, SKY, Verdict
from ephemera.tables import Column, TableDeclaration

COMPLETENESS = TableDeclaration(
    "completeness",
    "Verdicts on simulated stamps, by kind and SNR of the signal.",
    (
        Column("kind", "str", None, "meta.code.class", "Kind of signal"),
        Column("snr", "f8", None, "stat.snr", "Zc of sky signals, SNR of one antenna, Zi of random phases"),
        Column("n", "i4", None, "meta.number", "Stamps"),
        Column("n_right", "i4", None, "meta.number", "Verdicts that fit the signal"),
        Column("completeness", "f8", None, "arith.ratio", "Their share"),
        Column("low", "f8", None, "stat.confidenceLevel", "Lower end of its 68 % interval (Wilson)"),
        Column("high", "f8", None, "stat.confidenceLevel", "Upper end"),
        Column("n_sky", "i4", None, "meta.number", "Verdicts sky_like, with or without drift"),
        Column("false_positive", "f8", None, "arith.rate", "Noise only: signals confirmed in 1000 stamps"),
        Column("verdicts", "str", None, "meta.note", "Number of each verdict"),
    ),
)

_FEW_KINDS = (Kind.ONE_ANTENNA, Kind.THREE_ANTENNAS)
_ALL_KINDS = (Kind.RANDOM_PHASES, Kind.TRANSMITTER, Kind.ELSEWHERE)


def fitting(kind: Kind) -> tuple[Verdict, ...]:
    """Verdicts that are right for a kind of signal; none for those that no rule names."""
    if kind in SKY_KINDS:
        return SKY
    if kind in _FEW_KINDS:
        return RFI
    if kind in _ALL_KINDS:
        return (Verdict.INCOHERENT_ALL,)
    return (Verdict.NOT_CONFIRMED,) if kind is Kind.NOISE else ()


def completeness(
    truths: Sequence[Mapping[str, Any]], verdicts: Mapping[tuple[str, str, int], str]
) -> list[dict[str, Any]]:
    """Rows of the table: `truths` of observations, verdicts by (prefix, part, position)."""
    found: dict[tuple[str, float], Counter[str]] = {}
    for truth in truths:
        for stamp in truth["stamps"]:
            key = (truth["prefix"], stamp["part"], stamp["position"])
            verdict = verdicts.get(key, "missing")
            found.setdefault((stamp["kind"], stamp["snr"]), Counter())[verdict] += 1
    rows = []
    for (kind, snr), counter in sorted(found.items()):
        right = sum(counter[str(verdict)] for verdict in fitting(Kind(kind)))
        total = counter.total()
        known = bool(fitting(Kind(kind)))
        low, high = wilson(right, total) if total else (0.0, 1.0)
        rows.append(
            {
                "kind": kind,
                "snr": None if kind == Kind.NOISE else snr,
                "n": total,
                "n_right": right if known else None,
                "completeness": right / total if known else None,
                "low": low if known else None,
                "high": high if known else None,
                "n_sky": sum(counter[str(verdict)] for verdict in SKY),
                "false_positive": 1000 * (total - right) / total if kind == Kind.NOISE else None,
                "verdicts": ", ".join(f"{name} {number}" for name, number in counter.most_common()),
            }
        )
    return rows
