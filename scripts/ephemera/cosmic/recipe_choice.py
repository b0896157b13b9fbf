"""Which recipe belongs to a stamp, and why.

Recipes whose sizes do not fit are out. The rest are scored: 8 the same obsid (empty and `Unknown` are no
obsid), 4 the same prefix or an obsid that begins the prefix, 2 the stamp starts within the recipe's times,
1 the same folder. The best wins; a tie wins nothing, and neither does a score below 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ephemera.cosmic.flags import Flag
from ephemera.cosmic.metadata import StampMetadata
from ephemera.cosmic.names import prefix_of
from ephemera.cosmic.recipe import RecipeHeader

OBSID, PREFIX, TIME, FOLDER = 8, 4, 2, 1
#: Slack of the recipe's span of time, s, beside two samples.
SLACK_S = 60.0
_NO_OBSID = ("", "unknown")


@dataclass(frozen=True)
class Choice:
    """The recipe of a stamp (None where there is none), its score, the reason, and what to note."""

    path: Path | None
    score: int
    reason: str
    flags: tuple[Flag, ...] = ()


def choose(stamp: StampMetadata, prefix: str, folder: Path, recipes: Sequence[RecipeHeader]) -> Choice:
    """Recipe of a stamp of the observation `prefix` whose file lies in `folder`."""
    scored = [(*_score(stamp, prefix, folder, recipe), recipe) for recipe in recipes]
    fitting = [entry for entry in scored if entry[0] >= TIME]
    if not fitting:
        why = "; ".join(sorted({text for _, text, _, _ in scored})) or "no recipe found"
        return Choice(None, 0, f"no recipe: {why}", (Flag.NO_RECIPE,))
    best = max(score for score, *_ in fitting)
    winners = [entry for entry in fitting if entry[0] == best]
    if len(winners) > 1:
        names = ", ".join(sorted(str(recipe.path) for *_, recipe in winners))
        return Choice(None, best, f"ambiguous: {names}", (Flag.AMBIGUOUS_RECIPE,))
    score, reason, far, recipe = winners[0]
    return Choice(recipe.path, score, reason, (Flag.RECIPE_TIME_FAR,) if far else ())


def _score(stamp: StampMetadata, prefix: str, folder: Path, recipe: RecipeHeader) -> tuple[int, str, bool]:
    """Score, reason, and whether the recipe's times are far from the stamp's."""
    misfit = _misfit(stamp, recipe)
    if misfit:
        return 0, misfit, False
    score = 0
    reasons: list[str] = []
    if _same_obsid(stamp.obsid or "", recipe.obsid):
        score, reasons = score + OBSID, [*reasons, "obsid"]
    if _same_prefix(prefix, recipe):
        score, reasons = score + PREFIX, [*reasons, "prefix"]
    slack = 2 * stamp.tsamp + SLACK_S
    near = recipe.first - slack <= stamp.tstart <= recipe.last + slack
    if near:
        score, reasons = score + TIME, [*reasons, "time"]
    elif not score:
        return 0, "time far from the recipe's", True
    if recipe.path.parent.absolute() == folder.absolute():
        score, reasons = score + FOLDER, [*reasons, "folder"]
    return score, "+".join(reasons), not near


def _misfit(stamp: StampMetadata, recipe: RecipeHeader) -> str:
    """Why the sizes of a recipe exclude it; empty when they fit."""
    if recipe.n_ant != stamp.numAntennas:
        return f"{recipe.n_ant} antennas, the stamp has {stamp.numAntennas}"
    if recipe.n_pol != stamp.numPolarizations:
        return f"{recipe.n_pol} polarisations, the stamp has {stamp.numPolarizations}"
    channel = calibration_channel(stamp)
    if not 0 <= channel < recipe.n_chan:
        return f"{recipe.n_chan} channels, the stamp is in channel {channel}"
    return ""


def calibration_channel(stamp: StampMetadata) -> int:
    """Channel of the recipe's calibration that a stamp lies in: schan + coarseChannel."""
    return (stamp.schan or 0) + (stamp.coarseChannel or 0)


def _same_obsid(stamp: str, recipe: str) -> bool:
    if stamp.strip().lower() in _NO_OBSID or recipe.strip().lower() in _NO_OBSID:
        return False
    return stamp == recipe or stamp.replace(":", "-") == recipe.replace(":", "-")


def _same_prefix(prefix: str, recipe: RecipeHeader) -> bool:
    own = {prefix, prefix.removesuffix(".raw")}
    if prefix_of(recipe.path.name) in own:
        return True
    obsid = recipe.obsid.replace(":", "-")
    if obsid.strip().lower() in _NO_OBSID:
        return False
    return any(name == obsid or name.startswith(obsid + ".") for name in own)
