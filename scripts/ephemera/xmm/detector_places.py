"""Where a photon from a place on the sky lands on each camera, learnt from the events of the observation.

A photon at X, Y gets the CCD of the nearest real event of its camera, and the raw pixel and detector
coordinates of that event moved by the difference in X and Y with the plate scale of the CCD. It is lost

- beyond the field: where no real event lies within a reach in which a dozen are expected at the mean density,
- in a gap between CCDs: where none of the nearest real events has a CCD on which the moved raw pixel lies,
- in a masked raw pixel, and when its CCD was off.

The literal copy of the nearest raw pixel would put all photons of a burst in a sparse field into one pixel,
which is the mark of a hot pixel and not of a burst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ephemera.xmm.exposure import exposure_tables
from ephemera.xmm.intervals import holds
from ephemera.xmm.observation import BoolArray, Camera, Events, FloatArray, IntArray, ListHeader, Subset

#: Real events expected within the reach: a hole this large is no chance (probability exp(-12)).
EXPECTED_IN_REACH = 12.0
#: Side, in sky units, of the squares whose lit number is the area of a camera (40 arcsec).
AREA_SQUARE = 800
#: Nearest real events tried, so that a photon beside the edge of a CCD may belong to the next one.
NEIGHBOURS = 4
#: Events from which the plate scale of a CCD is fitted; with fewer the nearest event is copied.
LEAST_FOR_SCALE = 30
#: Columns that a photon takes from the nearest real event.
DETECTOR_COLUMNS = ("rawx", "rawy", "detx", "dety")


@dataclass(frozen=True)
class Landed:
    """Photons of one camera on its detector: coordinates as in events, and why each is `kept` or not."""

    ccd: IntArray
    detector: IntArray
    in_field: BoolArray
    on_ccd: BoolArray
    legal: BoolArray
    on_time: BoolArray

    @property
    def kept(self) -> BoolArray:
        """Photons that a search would see."""
        return self.in_field & self.on_ccd & self.legal & self.on_time


@dataclass(frozen=True, eq=False)
class CameraPlaces:
    """What the events of one camera say of its detector.

    `scale` maps CCDNR to d(RAWX, RAWY, DETX, DETY)/d(X, Y) (4, 2); `box` to the first and last RAWX and RAWY
    that its events have (2, 2); `good_time` to its intervals (k, 2), s; `legal` [CCDNR, RAWX, RAWY] or None.
    """

    camera: Camera
    tree: cKDTree
    ccd: IntArray
    detector: FloatArray
    reach: float
    scale: Mapping[int, FloatArray]
    box: Mapping[int, IntArray]
    good_time: Mapping[int, FloatArray]
    legal: BoolArray | None

    @classmethod
    def of(cls, events: Events, header: ListHeader, legal: BoolArray | None = None) -> CameraPlaces:
        """From the events of one camera of a subset; raises ValueError when there are none."""
        if not len(events):
            msg = f"{header.camera.name} must have events to learn its detector from, got none"
            raise ValueError(msg)
        xy = np.stack([events.x, events.y], axis=1).astype(np.float64)
        detector = np.stack([getattr(events, name) for name in DETECTOR_COLUMNS], axis=1).astype(np.float64)
        ccd = events.ccd.astype(np.int64)
        scale, box = {}, {}
        for number in np.unique(ccd).tolist():
            mine = ccd == number
            scale[number] = _plate_scale(xy[mine], detector[mine])
            raw = detector[mine, :2].astype(np.int64)
            box[number] = np.stack([raw.min(axis=0), raw.max(axis=0)], axis=1)
        tables = exposure_tables(header)
        ccds = header.kept_ccds if header.has_good_time else sorted(box)
        good = {c: tables[k if header.has_good_time else 0] for k, c in enumerate(ccds)}
        squares = np.unique(xy[:, 0] // AREA_SQUARE * 1000 + xy[:, 1] // AREA_SQUARE)
        density = len(xy) / (len(squares) * AREA_SQUARE**2)
        reach = float(np.sqrt(EXPECTED_IN_REACH / (np.pi * density)))
        return cls(header.camera, cKDTree(xy), ccd, detector, reach, scale, box, good, legal)

    def land(self, x: FloatArray, y: FloatArray, time: FloatArray) -> Landed:
        """Detector coordinates of photons at sky coordinates `x`, `y` and times `time` (s)."""
        n = len(x)
        k = min(NEIGHBOURS, len(self.ccd))
        distance, event = self.tree.query(np.stack([x, y], axis=1), k=k)
        distance, event = np.reshape(distance, (n, k)), np.reshape(event, (n, k))
        step = np.stack([x, y], axis=1)[:, None] - self.tree.data[event]
        ccd = self.ccd[event]
        scales = np.zeros((max(self.scale, default=0) + 1, 4, 2))
        boxes = np.zeros((len(scales), 2, 2))
        for number, scale in self.scale.items():
            scales[number], boxes[number] = scale, self.box[number]
        moved = np.rint(self.detector[event] + np.einsum("nkij,nkj->nki", scales[ccd], step))
        inside = ((moved[..., :2] >= boxes[ccd][..., 0]) & (moved[..., :2] <= boxes[ccd][..., 1])).all(-1)
        first = np.argmax(inside, axis=1)
        row = np.arange(n)
        landed_ccd, detector = ccd[row, first], moved[row, first].astype(np.int64)
        on_ccd = inside[row, first]
        return Landed(
            ccd=landed_ccd,
            detector=detector,
            in_field=distance[:, 0] <= self.reach,
            on_ccd=on_ccd,
            legal=self._legal(landed_ccd, detector, on_ccd),
            on_time=self._on_time(landed_ccd, time),
        )

    def _legal(self, ccd: IntArray, detector: IntArray, on_ccd: BoolArray) -> BoolArray:
        """Photons that the cuts on raw pixels keep; True where there is no pixel to judge."""
        keep = np.ones(len(ccd), np.bool_)
        if self.legal is not None:
            raw = detector[on_ccd]
            keep[on_ccd] = self.legal[ccd[on_ccd], raw[:, 0], raw[:, 1]]
        return keep

    def _on_time(self, ccd: IntArray, time: FloatArray) -> BoolArray:
        """Photons in the good time of their CCD."""
        on = np.zeros(len(ccd), np.bool_)
        for number in np.unique(ccd).tolist():
            mine = ccd == number
            on[mine] = holds(self.good_time.get(number, np.empty((0, 2))), time[mine])
        return on


def _plate_scale(xy: FloatArray, detector: FloatArray) -> FloatArray:
    """Least-squares d(detector)/d(X, Y) (4, 2) of one CCD; zero when it has too few events."""
    if len(xy) < LEAST_FOR_SCALE:
        return np.zeros((detector.shape[1], 2))
    centred = xy - xy.mean(axis=0)
    solution: FloatArray = np.linalg.lstsq(centred, detector - detector.mean(axis=0), rcond=None)[0]
    return solution.T


def places_of(subset: Subset, legal: Mapping[Camera, BoolArray] | None = None) -> dict[Camera, CameraPlaces]:
    """Places of every camera of a subset that has events; `legal` are tables of raw pixels that are kept."""
    events = subset.events
    found = {}
    for header in subset.headers:
        mine = events.take(events.camera == header.camera)
        if len(mine):
            found[header.camera] = CameraPlaces.of(mine, header, (legal or {}).get(header.camera))
    return found


def photons(
    camera: Camera, landed: Landed, time: FloatArray, x: FloatArray, y: FloatArray, pi: npt.NDArray[np.int16]
) -> Events:
    """The photons that are kept as events in order of time."""
    keep = np.flatnonzero(landed.kept)
    keep = keep[np.argsort(time[keep], kind="stable")]
    raw = landed.detector[keep]
    return Events(
        time=time[keep],
        x=np.rint(x[keep]).astype(np.uint16),
        y=np.rint(y[keep]).astype(np.uint16),
        pi=pi[keep].astype(np.uint16),
        ccd=landed.ccd[keep].astype(np.uint8),
        rawx=raw[:, 0].astype(np.uint16),
        rawy=raw[:, 1].astype(np.uint16),
        detx=np.clip(raw[:, 2], -32768, 32767).astype(np.int16),
        dety=np.clip(raw[:, 3], -32768, 32767).astype(np.int16),
        camera=np.full(len(keep), camera, np.uint8),
    )
