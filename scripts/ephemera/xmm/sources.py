"""Unique sources of a catalogue: detections that lie together, their ids, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.sky.clusters import Sources, cluster
from ephemera.sky.clusters import sources as cluster_sources
from ephemera.tables import numbers
from ephemera.xmm.catalogue_columns import SOURCE_FLAGS
from ephemera.xmm.registry import Component, identify

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.config.xmm_catalogue import Catalogue as CatalogueSettings

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def unique_sources(
    detections: pa.Table, settings: CatalogueSettings, registered: Sequence[Mapping[str, Any]] = ()
) -> tuple[IntArray, dict[str, npt.ArrayLike], list[dict[str, Any]]]:
    """Source id of each detection, the columns of the table of sources, and the rows of the new registry.

    Sources that are not `registered` get new ids in order of right ascension, then declination, of their
    first member; the table is in order of the ids.
    """
    ra, dec, poserr = (detections[name].to_numpy() for name in ("ra", "dec", "poserr"))
    labels = cluster(ra, dec, settings.cluster_radius_arcsec, settings.linkage)
    found = cluster_sources(ra, dec, poserr, labels)
    identities, registry = identify(
        components(detections["detid"].to_pylist(), labels, found),
        registered,
        radius_arcsec=settings.cluster_radius_arcsec,
        version=settings.catalogue_version,
        prefix=settings.name_prefix,
    )
    srcid = np.array([identity.srcid for identity in identities], np.int64)
    order = np.argsort(srcid)
    columns: dict[str, npt.ArrayLike] = {
        "srcid": srcid,
        "name": np.array([identity.name for identity in identities], object),
        "status": np.array([identity.status for identity in identities], object),
    }
    columns |= _measured(detections, labels, found) | source_flags(detections, labels)
    return srcid[labels], {name: np.asarray(values)[order] for name, values in columns.items()}, registry


def components(detids: Sequence[str], labels: IntArray, found: Sources) -> list[Component]:
    """Clusters with the ids of their detections."""
    members: list[list[str]] = [[] for _ in found.label]
    for detid, label in zip(detids, labels.tolist(), strict=True):
        members[label].append(detid)
    return [
        Component(frozenset(each), float(ra), float(dec))
        for each, ra, dec in zip(members, found.ra, found.dec, strict=True)
    ]


def _measured(detections: pa.Table, labels: IntArray, found: Sources) -> dict[str, npt.ArrayLike]:
    """Position, number, best detection and times of each source, in order of the labels."""
    sigma = np.fmax(*(numbers(detections, name) for name in ("sigma_peak", "sigma_eclipse")))
    detid, obsid = (detections[name].to_numpy(zero_copy_only=False) for name in ("detid", "obsid"))
    order = np.lexsort((detid, -sigma, labels))
    best = order[np.flatnonzero(np.diff(labels[order], prepend=-1))]
    pairs = sorted(set(zip(labels.tolist(), obsid.tolist(), strict=True)))
    peak = numbers(detections, "mjd_peak")
    return {
        "ra": found.ra,
        "dec": found.dec,
        "poserr": found.poserr,
        "n_detections": found.n_members.astype(np.int32),
        "n_obs": np.bincount([label for label, _ in pairs], minlength=len(best)).astype(np.int32),
        "best_sigma": sigma[best],
        "best_detid": detid[best],
        "max_sep": found.max_sep_arcsec,
        "first_seen": _extreme(peak, labels, np.fmin),
        "last_seen": _extreme(peak, labels, np.fmax),
        "n_peaks_total": _sum(numbers(detections, "n_peaks"), labels),
        "hr": numbers(detections, "hr")[best],
        "flux_peak": _extreme(numbers(detections, "flux_peak"), labels, np.fmax),
        "chain": found.chain,
    }


def source_flags(detections: pa.Table, labels: IntArray) -> dict[str, npt.ArrayLike]:
    """Flags of each source: 5 sigma of any detection; doubts that hold for all detections looked at."""
    n = int(labels.max(initial=-1)) + 1
    flags: dict[str, npt.ArrayLike] = {}
    for name in SOURCE_FLAGS:
        value = numbers(detections, name)
        known = np.bincount(labels[np.isfinite(value)], minlength=n)
        true = np.bincount(labels[value > 0], minlength=n)
        holds = true > 0 if name == "filt_5sig" else true == known
        of_source = holds.astype(object)
        of_source[known == 0] = None
        flags[name] = of_source
    return flags


def _extreme(values: FloatArray, labels: IntArray, choose: np.ufunc) -> FloatArray:
    result = np.full(int(labels.max(initial=-1)) + 1, np.nan)
    choose.at(result, labels, values)
    return result


def _sum(values: FloatArray, labels: IntArray) -> npt.NDArray[np.int32]:
    total = np.bincount(labels, np.nan_to_num(values), minlength=int(labels.max(initial=-1)) + 1)
    return total.astype(np.int32)
