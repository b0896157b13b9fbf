"""Join the alerts of a night to loci.

Reads the night's alerts and the state of the night before (loci and their history, divided by sky). Makes
the association table, the new state, conflicts of survey identifiers, candidates for merging and splitting,
and the night's account. The result depends only on the set of alerts of each night: a night that is run or
delivered again changes nothing, and a night older than the newest is refused unless it was asked for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts import store
from ephemera.alerts.conflicts import find_conflicts
from ephemera.alerts.ledger import check_late, close_night, digest_of
from ephemera.alerts.loci import ASSOCIATION, LOCI, locus_id, means_of
from ephemera.alerts.loci_update import Joined, update_loci
from ephemera.alerts.match import Index, Matches, found
from ephemera.alerts.merges import ALIASES, find_merges, find_splits, merge_loci
from ephemera.alerts.night import deduplicate
from ephemera.alerts.outcomes import AccountError, Kind
from ephemera.alerts.schema import ALERTS
from ephemera.files import json_text
from ephemera.sky.sphere import angle_arcsec, unit_vectors

if TYPE_CHECKING:
    from ephemera.config.alerts import Associate as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Asteroids nearer than this to an alert are taken for its cause, arcsec.
MOVING_WITHIN = 5.0
HISTORY = ALERTS.append(
    pa.field("locus_id", pa.string(), metadata={"ucd": "meta.id", "description": "Locus it belongs to"})
).with_metadata({"name": "history", "description": "Alerts joined so far, with their locus."})


def associate(
    alerts: pa.Table, loci: pa.Table | None, radius_arcsec: float | Mapping[str, float] = 2.0, *,
    history: pa.Table | None = None, weight: str = "count", night: int | None = None,
    split: Mapping[str, str] | None = None,
) -> tuple[pa.Table, pa.Table]:  # fmt: skip
    """Join one batch of alerts to loci: the association table and the loci table after the batch.

    `alerts` is canonical in any order, `loci` the table after the batch before (None for none),
    `radius_arcsec` one radius or one per survey, `history` the alerts joined before (with `locus_id`): it
    makes `sep99` exact and alerts known already are left out. `weight` is "count" or "error" (1 / pos_err^2),
    `night` the batch (the newest night of the alerts), `split` the group of each alert that is split off into
    a locus of that group. Raises ValueError for a radius outside 0.1-30 arcsec.
    """
    loci = LOCI.empty_table() if loci is None else loci
    alerts = deduplicate(alerts).alerts
    if history is not None and len(history):
        alerts = alerts.filter(
            pc.invert(pc.is_in(alerts["alert_key"], history["alert_key"].combine_chunks()))
        )
    batch = int(pc.max(alerts["night"]).as_py() or 0) if night is None else night
    joined = join(alerts, loci, radius_arcsec, weight, batch, split or {})
    return association_table(joined), update_loci(joined, loci, history, batch)


def join(
    alerts: pa.Table, loci: pa.Table, radius_arcsec: float | Mapping[str, float], weight: str, night: int,
    split: Mapping[str, str],
) -> Joined:  # fmt: skip
    """Locus of each alert, which must be unique and in canonical order."""
    n = len(alerts)
    kind = alerts["kind"].to_numpy().astype(np.int64)
    # The night's own alerts come first, then the measurements that packets repeat.
    own = alerts["carrier_key"].is_null().to_numpy()
    detected = np.concatenate([np.flatnonzero((kind == Kind.DETECTION) & mine) for mine in (own, ~own)])
    keys = alerts["alert_key"].to_pylist()
    radius = _radii(alerts, radius_arcsec)
    located = alerts.take(pa.array(detected))
    vectors = unit_vectors(located["ra"].to_numpy(), located["dec"].to_numpy()).reshape(-1, 3)
    founders = loci["founder_key"].to_pylist()
    names = loci["locus_id"].to_pylist()
    detected_keys = [keys[k] for k in detected.tolist()]
    matches = Index(means_of(loci), founders).match(vectors, radius[detected])
    apart = {k: split[key] for k, key in enumerate(detected_keys) if key in split}
    if apart:
        homes = {split[key]: k for k, key in enumerate(founders) if key in split}
        _send_home(matches, apart, homes, means_of(loci), vectors)
    index = matches.index
    rest = np.flatnonzero(index < 0)
    weights = _weights(located, weight)
    new = _found(rest, vectors, radius[detected], detected_keys, weights, apart)
    locus = np.full(n, -1, np.int64)
    new_founders = _founder_keys(rest, new, detected_keys)
    locus[detected] = index
    locus[detected[rest]] = len(loci) + new.index
    known = {name: k for k, name in enumerate(names)}
    all_names = [*names, *(locus_id(key) for key in new_founders)]
    # A locus that is founded again, by an alert whose history is not at hand, is the one that exists.
    locus[detected[rest]] = [known.get(all_names[k], k) for k in locus[detected[rest]].tolist()]
    separation, second, count = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int64)
    separation[detected], second[detected], count[detected] = (
        matches.separation, matches.second, matches.n_candidates,
    )  # fmt: skip
    separation[detected[rest]] = new.separation
    second[detected[rest]], count[detected[rest]] = new.second, new.n_candidates
    locus = _followers(alerts, kind, locus, keys, loci)
    own_night = alerts["night"].to_numpy()
    all_vectors, all_weights = np.full((n, 3), np.nan), np.zeros(n)
    all_vectors[detected], all_weights[detected] = vectors, weights
    moving = _moving(alerts)
    return Joined(
        alerts, kind, locus, all_names, [*founders, *new_founders], separation, count, second,
        own_night < night, all_vectors, all_weights, moving,
    )  # fmt: skip


def _radii(alerts: pa.Table, radius_arcsec: float | Mapping[str, float]) -> FloatArray:
    """Radius of each alert, arcsec."""
    if isinstance(radius_arcsec, Mapping):
        surveys = alerts["survey"].cast(pa.string()).to_pylist()
        default = radius_arcsec.get("default", 2.0)
        radius = np.array([radius_arcsec.get(survey, default) for survey in surveys], float)
    else:
        radius = np.full(len(alerts), float(radius_arcsec))
    if len(radius) and not (radius.min() >= 0.1 and radius.max() <= 30.0):
        message = f"a radius must be in 0.1-30 arcsec, got {radius_arcsec!r}"
        raise ValueError(message)
    return radius


def _weights(alerts: pa.Table, weight: str) -> FloatArray:
    """Weight of each detection in the mean: 1, or 1 / pos_err^2 (arcsec, 1 where it is unknown)."""
    if weight == "count":
        return np.ones(len(alerts))
    error = pc.struct_field(alerts["extra"], "pos_err").to_numpy()
    return np.asarray(1 / np.where(np.isfinite(error) & (error > 0), error, 1.0) ** 2)


def _send_home(
    matches: Matches, apart: Mapping[int, str], homes: Mapping[str, int], means: FloatArray,
    vectors: FloatArray,
) -> None:  # fmt: skip
    """Join detections that are split off to the locus that their group has founded before, or to none yet."""
    for k, group in apart.items():
        home = homes.get(group, -1)
        matches.index[k], matches.n_candidates[k], matches.second[k] = home, int(home >= 0), np.nan
        apart_by = np.linalg.norm(means[home] - vectors[k]) if home >= 0 else np.nan
        matches.separation[k] = angle_arcsec(apart_by)


def _found(
    rest: IntArray, vectors: FloatArray, radius: FloatArray, keys: list[str], weights: FloatArray,
    apart: Mapping[int, str],
) -> Matches:  # fmt: skip
    """New loci for the detections `rest`; those that are split off share one per group."""
    free = np.array([k not in apart for k in rest.tolist()], bool)
    some = rest[free]
    new = found(vectors[some], radius[some], [keys[k] for k in some.tolist()], weights[some])
    if free.all():
        return new
    index = np.zeros(len(rest), np.int64)
    index[free] = new.index
    next_number = int(new.index.max()) + 1 if len(some) else 0
    groups: dict[str, int] = {}
    for j in np.flatnonzero(~free).tolist():
        group = apart[int(rest[j])]
        index[j] = groups.setdefault(group, next_number + len(groups))
    separation, second, count = np.zeros(len(rest)), np.full(len(rest), np.nan), np.ones(len(rest), np.int64)
    separation[free], second[free], count[free] = new.separation, new.second, new.n_candidates
    return Matches(index, separation, count, second)


def _founder_keys(rest: IntArray, new: Matches, keys: list[str]) -> list[str]:
    numbers, first = np.unique(new.index, return_index=True)
    assert np.array_equal(numbers, np.arange(len(numbers)))
    return [keys[int(rest[k])] for k in first.tolist()]


def _moving(alerts: pa.Table) -> BoolArray:
    """Alerts of solar-system objects: named, or with a known asteroid within 5 arcsec."""
    distance = pc.struct_field(alerts["extra"], "ssdistnr").to_numpy(zero_copy_only=False).astype(float)
    named = alerts["ss_id"].is_valid().to_numpy()
    with np.errstate(invalid="ignore"):
        return np.asarray(named | ((distance >= 0) & (distance < MOVING_WITHIN)))


def _followers(
    alerts: pa.Table, kind: IntArray, locus: IntArray, keys: list[str], loci: pa.Table
) -> IntArray:
    """Limits and forced photometry follow the packet that brought them, else the locus of their object."""
    carriers = alerts["carrier_key"].to_pylist()
    place = dict(zip(keys, locus.tolist(), strict=True))
    following = np.flatnonzero(kind != Kind.DETECTION).tolist()
    orphans = [k for k in following if place.get(carriers[k], -1) < 0]
    for k in following:
        locus[k] = place.get(carriers[k], -1)
    if not orphans:
        return locus
    surveys, objects = alerts["survey"].cast(pa.string()).to_pylist(), alerts["object_id"].to_pylist()
    homes: dict[tuple[str, str], int] = {}
    for k, ids in enumerate(loci["object_ids"].to_pylist()):
        homes.update({(survey, name): k for survey, names in ids or () for name in names})
    for k in np.flatnonzero(locus >= 0).tolist():
        homes.setdefault((surveys[k], objects[k]), int(locus[k]))
    for k in orphans:
        locus[k] = homes.get((surveys[k], objects[k]), -1)
    return locus


def association_table(joined: Joined) -> pa.Table:
    """Association of each alert; limits of no known object have no locus."""
    names = [joined.names[k] if k >= 0 else None for k in joined.locus.tolist()]
    return pa.table(
        [
            joined.alerts["alert_key"].combine_chunks(),
            pa.array(names, pa.string()),
            pa.array(joined.separation, from_pandas=True),
            pa.array(joined.n_candidates),
            pa.array(joined.second, from_pandas=True),
            pa.array(joined.late),
        ],
        schema=ASSOCIATION,
    )


# The step -------------------------------------------------------------------------------------------------


def read_split(path: str | None) -> dict[str, str]:
    """Group of each alert that is split off: a CSV with columns alert_key and group.

    Alerts of a group share a locus, which the first of them founds; one without a group has its own.
    """
    if not path:
        return {}
    import csv

    with Path(path).open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        if "alert_key" not in (reader.fieldnames or ()):
            message = f"alerts.associate.split: {path} has no column alert_key; columns are alert_key, group"
            raise ValueError(message)
        return {row["alert_key"]: row.get("group") or row["alert_key"] for row in reader}


def radii(settings: Settings) -> dict[str, float]:
    """Radius of each survey and of all others."""
    return {**vars(settings.radius_by_survey), "default": settings.radius_arcsec}


def check_previous(previous: Path | None, settings: Settings) -> None:
    """Raise ValueError unless the state of the night before is there and was made with the same radius."""
    if previous is None:
        return
    note = previous / "state.json"
    if not note.is_file():
        message = (
            f"the state of the night before, {previous}, is not there or not complete: remove what is left "
            "of it and run again"
        )
        raise ValueError(message)
    before = json.loads(note.read_text(encoding="utf-8"))
    if before["radii"] != radii(settings):
        message = (
            f"{previous} was made with radii {before['radii']}, this night with {radii(settings)}: one chain "
            "of nights has one set of radii; remove the states of this recipe and run again"
        )
        raise ValueError(message)


def main(job: Job) -> None:
    """Write association, state, conflicts, merges and account of one night."""
    import pyarrow.parquet as pq

    settings: Settings = job.settings
    night = int(job.wildcards.night)
    previous = getattr(job.input, "previous", None)
    check_previous(previous, settings)
    alerts = pq.read_table(job.input.alerts, schema=ALERTS)
    ledger = Path(job.recipe["folder"]) / job.wildcards.project / ".ledger"
    digest = digest_of(alerts)
    check_late(ledger, night, digest, job.recipe.get("rebuild_from"))
    cells = store.cells_of_alerts(alerts)
    loci_by_cell = store.read(previous and previous / "loci", cells, LOCI)
    history_by_cell = store.read(previous and previous / "history", cells, HISTORY)
    loci, history = store.joined(loci_by_cell, LOCI), store.joined(history_by_cell, HISTORY)
    fresh = alerts.filter(pc.invert(pc.is_in(alerts["alert_key"], history["alert_key"].combine_chunks())))
    joined = join(fresh, loci, radii(settings), settings.weight, night, read_split(settings.split))
    after = update_loci(joined, loci, history, night)
    association = association_table(joined)
    history = pa.concat_tables([history, fresh.append_column("locus_id", association["locus_id"])])
    merges = find_merges(after, settings.radius_arcsec, night)
    aliases = ALIASES.empty_table()
    if settings.merge == "yes":
        after, history, aliases = merge_loci(after, history, merges)
    _write_state(job.output.state, previous, after, history, settings, {*loci_by_cell, *history_by_cell})
    touched = sorted({name for name in association["locus_id"].to_pylist() if name})
    conflicts = find_conflicts(after, history, touched)
    splits = find_splits(after, settings.radius_arcsec, touched)
    pq.write_table(association, job.output.association, compression="zstd")
    pq.write_table(conflicts, job.output.conflicts)
    pq.write_table(pa.concat_tables([merges, splits]), job.output.merges)
    pq.write_table(aliases, job.output.aliases)
    account = account_of_night(alerts, fresh, joined, len(loci))
    account |= {"conflicts": len(conflicts), "merge_candidates": len(merges), "split_candidates": len(splits)}
    job.output.account.write_text(json_text(account), encoding="utf-8")
    close_night(ledger, night, digest)
    log.info("night %d: %d alerts, %d new loci", night, len(fresh), account["new_loci"])


def _write_state(
    target: Path, previous: Path | None, loci: pa.Table, history: pa.Table, settings: Settings,
    cells_read: Collection[int],
) -> None:  # fmt: skip
    """Write the loci and history of the cells that were read, and link the others.

    A cell that was read and has nothing any more, since its loci were merged into others, is left out.
    """
    target.mkdir(parents=True)
    order = np.argsort(np.array(loci["locus_id"].to_pylist(), dtype=object), kind="stable")
    loci = loci.take(pa.array(order.astype(np.int64)))
    cells = _home_cells(loci, history)
    names = loci["locus_id"].to_pylist()
    changed = dict.fromkeys(cells_read, LOCI.empty_table()) | store.divided(loci, cells)
    store.advance(previous and previous / "loci", target / "loci", changed)
    home = dict(zip(names, cells.tolist(), strict=True))
    # Limits of no known object stay with the first cell, so that they are known when they come again.
    stray = int(cells.min()) if len(cells) else 0
    of = np.array([home.get(name, stray) for name in history["locus_id"].to_pylist()], np.int64)
    keys = {"locus": history["locus_id"], "mjd": history["mjd_utc"], "key": history["alert_key"]}
    sequence = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    history, of = history.take(sequence), of[np.asarray(sequence)]
    parts = dict.fromkeys(cells_read, HISTORY.empty_table()) | store.divided(history, of)
    store.advance(previous and previous / "history", target / "history", parts)
    note = {"radii": radii(settings), "order": store.ORDER}
    (target / "state.json").write_text(json.dumps(note, sort_keys=True) + "\n", encoding="utf-8")


def _home_cells(loci: pa.Table, history: pa.Table) -> IntArray:
    """Cell of the founding alert of each locus."""
    if len(loci) == 0:
        return np.zeros(0, np.int64)
    founders = history.filter(pc.is_in(history["alert_key"], loci["founder_key"].combine_chunks()))
    place = dict(zip(founders["alert_key"].to_pylist(), range(len(founders)), strict=True))
    ra, dec = founders["ra"].to_numpy(), founders["dec"].to_numpy()
    rows = [place[key] for key in loci["founder_key"].to_pylist()]
    return store.cell_of_positions(ra[rows], dec[rows])


def _prior_detections(alerts: pa.Table) -> int:
    chosen = pc.and_(alerts["carrier_key"].is_valid(), pc.equal(alerts["kind"], int(Kind.DETECTION)))
    return int(pc.sum(chosen).as_py() or 0)


def account_of_night(alerts: pa.Table, fresh: pa.Table, joined: Joined, n_loci: int) -> dict[str, Any]:
    """Numbers of the night. Raises AccountError when an alert got lost."""
    kind = joined.kind
    located = joined.locus >= 0
    own = fresh["carrier_key"].is_null().to_numpy()
    detected = kind == Kind.DETECTION
    account = {
        "alerts": len(alerts),
        "known": len(alerts) - len(fresh),
        "known_own": int(np.sum(alerts["carrier_key"].is_null().to_numpy())) - int(np.sum(own)),
        "known_prior_detections": _prior_detections(alerts) - _prior_detections(fresh),
        "to_old_loci": int(np.sum(located & detected & (joined.locus < n_loci))),
        "to_new_loci": int(np.sum(located & detected & (joined.locus >= n_loci))),
        "new_loci": len(joined.names) - n_loci,
        "ambiguous": int(np.sum(detected & (joined.n_candidates > 1))),
        "late": int(np.sum(joined.late & detected)),
        "limits": int(np.sum(kind == Kind.LIMIT)),
        "forced": int(np.sum(kind == Kind.FORCED)),
        "without_locus": int(np.sum(~located)),
        "own_alerts": int(np.sum(own)),
        "loci_touched": len(np.unique(joined.locus[located])),
    }
    parts = ("known", "to_old_loci", "to_new_loci", "limits", "forced")
    if sum(account[name] for name in parts) != len(alerts):
        message = f"{len(alerts)} alerts came in, but the association accounts for another number: {account}"
        raise AccountError(message)
    return account
