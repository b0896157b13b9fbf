"""Simulated observations: event lists and a source list as the archive would give them.

Writes the imaging event lists of up to three cameras and the merged source list of one observation, with
bursts, eclipses, background flares, detector defects and the header oddities of real files, and the truth
about all of it. The same arguments give the same bytes.

`peer_case` is the observation on which speed is compared, `small_case` one for tests, `demo` the pair of
observations that shows what a search finds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ephemera.files import remove, write_text
from ephemera.seeds import generator
from ephemera.xmm.observation import Camera, FloatArray
from ephemera.xmm.product_names import SIMULATED, check_obsid
from ephemera.xmm.psf import NOMINAL_PSF, Profile
from ephemera.xmm.simulate_answers import collect_truth
from ephemera.xmm.simulate_chandra import chandra_case
from ephemera.xmm.simulate_detector import SkyMask
from ephemera.xmm.simulate_exposures import Drawn, Scene, draw_exposures, kept_by_selection
from ephemera.xmm.simulate_fits import write_hdus
from ephemera.xmm.simulate_instrument import Instrument, build_instrument, open_position
from ephemera.xmm.simulate_lists import event_list, read_out_rows
from ephemera.xmm.simulate_scene import (
    NOMINAL_BACKGROUND,
    NOMINAL_DEFECTS,
    NOMINAL_POINTING,
    Background,
    Burst,
    Defects,
    Eclipse,
    Exposure,
    Flare,
    Gap,
    Pointing,
    Source,
    camera_share,
    default_exposures,
    field_sources,
)
from ephemera.xmm.simulate_source_list import source_list
from ephemera.xmm.simulate_truth import ListTruth, Truth, write_hot_pixel_tables, write_truth

if TYPE_CHECKING:
    from ephemera.job import Job

#: Largest difference of position angles at which a mask still fits, deg.
MASK_TOLERANCE = 0.5
ALL_CAMERAS = (Camera.PN, Camera.M1, Camera.M2)


def observation(
    folder: str | os.PathLike[str],
    *,
    obsid: str = "0800000101",
    seed: int = 0,
    duration: float = 20000.0,
    pointing: Pointing = NOMINAL_POINTING,
    cameras: Sequence[Camera] = ALL_CAMERAS,
    exposures: Sequence[Exposure] | None = None,
    sources: Sequence[Source] = (),
    bursts: Sequence[Burst] = (),
    eclipses: Sequence[Eclipse] = (),
    flares: Sequence[Flare] = (),
    gaps: Sequence[Gap] = (),
    background: Background = NOMINAL_BACKGROUND,
    defects: Defects = NOMINAL_DEFECTS,
    psf: Profile = NOMINAL_PSF,
    masks: Mapping[Camera, SkyMask] | None = None,
    total_events: int | None = None,
    flare_cut: Sequence[tuple[float, float]] | None = None,
    source_list_file: bool = True,
    truth_folder: str | os.PathLike[str] | None = None,
) -> Truth:
    """Write one observation into `folder` and return (and write) what is in it.

    `exposures`: the event lists; by default one of each of `cameras`, of which the pn covers the common
    span of `duration` s and the MOS somewhat more. `total_events`: exact number of rows of all lists
    together, reached by the number of background events (before a `flare_cut`). `masks`: detection masks,
    made at this position angle, that further limit the geometric footprint. `flare_cut`: intervals (s from
    the start) that a good-time cut has kept.
    `truth_folder`: where truth.json and the hot pixel tables go; `folder` by default.
    Raises ValueError for an obsid that is not ten digits, an eclipse of a source that does not exist,
    two exposures with one name, a mask made at another position angle, or a total that sources and flares
    already exceed.
    """
    lists = tuple(
        default_exposures(cameras, duration, pointing.revolution) if exposures is None else exposures
    )
    scene = Scene(tuple(sources), tuple(bursts), tuple(eclipses), tuple(flares), background, defects, psf)
    _check(obsid, duration, lists, scene)
    _check_masks(masks or {}, pointing)
    instruments = _instruments(pointing, duration, lists, defects, gaps, masks or {})
    cut = None if flare_cut is None else pointing.start + np.array(flare_cut, dtype=float).reshape(-1, 2)
    drawn = draw_exposures(
        instruments, scene, start=pointing.start, seed=(seed, obsid), total=total_events, cut=cut
    )
    rows = [_write_list(Path(folder), d, pointing, obsid, seed, cut) for d in drawn]
    if source_list_file:
        _write_source_list(Path(folder), instruments, scene, pointing, obsid, seed)
    truth = collect_truth(drawn, rows, scene, pointing=pointing, duration=duration, obsid=obsid, seed=seed)
    answers = Path(folder if truth_folder is None else truth_folder)
    write_truth(answers / "truth.json", truth)
    write_hot_pixel_tables(answers, [truth])
    return truth


def _instruments(
    pointing: Pointing,
    duration: float,
    lists: Sequence[Exposure],
    defects: Defects = NOMINAL_DEFECTS,
    gaps: Sequence[Gap] = (),
    masks: Mapping[Camera, SkyMask] = MappingProxyType({}),
) -> list[Instrument]:
    """The cameras during their exposures."""
    return [
        build_instrument(
            exposure, start=pointing.start, duration=duration, position_angle=pointing.position_angle,
            defects=defects, gaps=gaps, mask=masks.get(exposure.camera),
        )
        for exposure in lists
    ]  # fmt: skip


def _check(obsid: str, duration: float, lists: Sequence[Exposure], scene: Scene) -> None:
    check_obsid(obsid)
    if not (np.isfinite(duration) and duration > 0):
        msg = f"duration must be a positive number of seconds, got {duration!r}"
        raise ValueError(msg)
    names = [(e.camera, e.exposure_id) for e in lists]
    if not names or len(set(names)) < len(names):
        msg = f"exposures must be one or more with different names, got {names!r}"
        raise ValueError(msg)
    for eclipse in scene.eclipses:
        if not (0 <= eclipse.source < len(scene.sources) and 0 <= eclipse.depth <= 1):
            number = len(scene.sources)
            msg = f"eclipses must have a depth of 0 to 1 and one of {number} sources, got {eclipse!r}"
            raise ValueError(msg)


def _check_masks(masks: Mapping[Camera, SkyMask], pointing: Pointing) -> None:
    for camera, mask in masks.items():
        turned = (mask.position_angle - pointing.position_angle + 180) % 360 - 180
        if abs(turned) > MASK_TOLERANCE:
            msg = (
                f"masks must be made at the position angle of the pointing ({pointing.position_angle} deg), "
                f"got {mask.position_angle} deg for {camera.name}"
            )
            raise ValueError(msg)


def product_name(obsid: str, exposure: Exposure) -> str:
    """Archive name of an imaging event list, such as P0800000101PNS003PIEVLI0000.FTZ."""
    kind = "PIEVLI" if exposure.camera == Camera.PN else "MIEVLI"
    return f"P{obsid}{exposure.camera.name}{exposure.exposure_id}{kind}0000.FTZ"


def _write_list(
    folder: Path, drawn: Drawn, pointing: Pointing, obsid: str, seed: int, cut: FloatArray | None
) -> ListTruth:
    """Write one event list; `cut` is the good-time cut that its events have gone through."""
    instrument, photons = drawn.instrument, drawn.photons
    exposure = instrument.exposure
    rng = generator(seed, obsid, exposure.camera.name, exposure.exposure_id, "readout")
    rows = read_out_rows(instrument, rng, photons)
    name = product_name(obsid, exposure)
    write_hdus(folder / name, event_list(instrument, rows, pointing, obsid, flare_cut=cut))
    kept = int(kept_by_selection(instrument, photons).sum())
    return ListTruth(
        name, exposure.camera.name, exposure.exposure_id, len(photons), kept,
        instrument.start, instrument.stop,
    )  # fmt: skip


def _write_source_list(
    folder: Path, instruments: Sequence[Instrument], scene: Scene, pointing: Pointing, obsid: str, seed: int
) -> None:
    exposures = [i.exposure for i in instruments]
    x, y = (np.array([getattr(s, axis) for s in scene.sources], dtype=float) for axis in ("x", "y"))
    shares: dict[Camera, FloatArray] = {}
    seconds: dict[Camera, float] = {}
    for instrument in instruments:
        camera = instrument.camera
        seen = instrument.land(x, y)[0] > 0
        shares[camera] = np.maximum(shares.get(camera, 0.0), seen * camera_share(exposures, camera))
        seconds[camera] = max(seconds.get(camera, 0.0), instrument.stop - instrument.start)
    hdus = source_list(generator(seed, obsid, "source list"), pointing, scene.sources, shares, seconds, obsid)
    write_hdus(folder / f"P{obsid}EPX000OBSMLI0000.FTZ", hdus)


def _special_positions(
    pointings: Sequence[Pointing], duration: float, seed: int, number: int
) -> list[tuple[float, float]]:
    """Positions for bursts and eclipses, well apart and well seen in every one of `pointings`."""
    rng, found = generator(seed, "special positions"), list[tuple[float, float]]()
    instruments = [
        _instruments(p, duration, default_exposures(ALL_CAMERAS, duration, p.revolution)) for p in pointings
    ]
    for _ in range(number):
        found.append(open_position(instruments, NOMINAL_PSF, rng, away_from=found))
    return found


def _apart(
    sources: Sequence[Source], places: Sequence[tuple[float, float]], distance: float = 1600.0
) -> tuple[Source, ...]:
    """Sources moved away from `places`: the nearer ones are mirrored through the field centre."""
    return tuple(
        replace(s, x=51842 - s.x, y=51842 - s.y)
        if min(np.hypot(s.x - x, s.y - y) for x, y in places) < distance
        else s
        for s in sources
    )


def peer_case(folder: str | os.PathLike[str], seed: int = 7) -> Truth:
    """The observation on which speed is compared: 45 ks, 965,645 rows, 300 sources in the source list.

    Three background flares, a burst of 90 counts in 25 s, another of 220 counts in 300 s, and an eclipse
    of 1800 s of a source of 0.45 ct/s.
    """
    duration, pointing = 45000.0, NOMINAL_POINTING
    places = _special_positions([pointing], duration, seed, 3)
    sources = _apart(field_sources(generator(seed, "sources"), 299), places)
    return observation(
        folder,
        obsid="0800000101",
        seed=seed,
        duration=duration,
        pointing=pointing,
        sources=[*sources, Source(*places[2], rate=0.45)],
        bursts=[Burst(*places[0], 12010.0, 25.0, 90.0), Burst(*places[1], 30030.0, 300.0, 220.0)],
        eclipses=[Eclipse(299, 20100.0, 1800.0)],
        flares=[Flare(5000, 1500, 40), Flare(25500, 2000, 30), Flare(39000, 1800, 50)],
        background=Background(noise=0.41, bad_flag=0.1, bad_pattern=0.17),
        total_events=965_645,
    )


def small_case(
    folder: str | os.PathLike[str], seed: int = 1, *, obsid: str = "0800000201", duration: float = 5000.0
) -> Truth:
    """An observation for tests: by default 5 ks and about 80,000 rows, with one of everything.

    20 sources, a burst of 60 counts in 20 s, a total eclipse of a source of 0.6 ct/s for a fifth of the
    time, and a flare; all times scale with `duration`.
    """
    pointing = NOMINAL_POINTING
    places = _special_positions([pointing], duration, seed, 2)
    sources = _apart(field_sources(generator(seed, "sources"), 19, brightest=0.1), places)
    return observation(
        folder,
        obsid=obsid,
        seed=seed,
        duration=duration,
        pointing=pointing,
        sources=[*sources, Source(*places[1], rate=0.6)],
        bursts=[Burst(*places[0], 0.3 * duration, 20.0, 60.0)],
        eclipses=[Eclipse(19, 0.5 * duration, 0.2 * duration)],
        flares=[Flare(0.8 * duration, 0.1 * duration, 40)],
    )


#: Length of the observations of the demonstration, s.
DEMO_DURATION = 20000.0
#: The demonstration looks at one field twice, a year apart and at different position angles.
DEMO_POINTINGS = (Pointing(), Pointing(position_angle=291.3, revolution=3183))
DEMO_OBSIDS = ("0800000301", "0800000302")


def demo_observation(
    folder: str | os.PathLike[str],
    visit: int,
    seed: int = 3,
    *,
    obsid: str | None = None,
    truth_folder: str | os.PathLike[str] | None = None,
) -> Truth:
    """One of the two observations of one field, 20 ks and about 200,000 rows each.

    Visit 0 has bursts of 90 counts in 25 s and 220 counts in 300 s and an eclipse of 1800 s of a source of
    0.45 ct/s; visit 1 has bursts of 150 counts in 60 s (fast rise, slow decay) and 400 counts in 900 s
    (Gaussian), the latter where the first visit had its first burst.
    """
    places = _special_positions(DEMO_POINTINGS, DEMO_DURATION, seed, 4)
    sources = _apart(field_sources(generator(seed, "sources"), 60), places)
    if visit == 0:
        bursts = [Burst(*places[0], 4010.0, 25.0, 90.0), Burst(*places[1], 8030.0, 300.0, 220.0)]
    else:
        bursts = [
            Burst(*places[3], 6005.0, 60.0, 150.0, "fred"),
            Burst(*places[0], 12500.0, 900.0, 400.0, "gaussian"),
        ]
    return observation(
        folder,
        obsid=obsid or DEMO_OBSIDS[visit],
        seed=seed,
        duration=DEMO_DURATION,
        pointing=DEMO_POINTINGS[visit],
        sources=(*sources, Source(*places[2], rate=0.45)),
        bursts=bursts,
        eclipses=[Eclipse(60, 14010.0, 1800.0)] if visit == 0 else [],
        flares=[Flare(11000, 900, 40)] if visit == 0 else [Flare(2000, 600, 40), Flare(17500, 900, 30)],
        background=Background({Camera.PN: 4.6, Camera.M1: 1.1, Camera.M2: 1.3}),
        truth_folder=truth_folder,
    )


def demo(folder: str | os.PathLike[str], seed: int = 3) -> tuple[Truth, Truth]:
    """Both observations of the demonstration, in folders named by their obsid; see `demo_observation`.

    `folder`/truth.json holds both truths by obsid, `folder`/hot_pixels the tables of both.
    """
    folder = Path(folder)
    first, second = (
        demo_observation(folder / obsid, visit, seed, truth_folder=folder / "truth" / obsid)
        for visit, obsid in enumerate(DEMO_OBSIDS)
    )
    truths = (first, second)
    write_text(folder / "truth.json", json.dumps({t.obsid: t.as_dict() for t in truths}, indent=1) + "\n")
    write_hot_pixel_tables(folder / "hot_pixels", truths)
    return truths


#: What a sample sheet may name as the location of a simulated observation.
SCENARIOS: Mapping[str, Callable[[Path, str, int], Truth]] = MappingProxyType(
    {
        "demo-1": lambda folder, obsid, seed: demo_observation(folder, 0, seed, obsid=obsid),
        "demo-2": lambda folder, obsid, seed: demo_observation(folder, 1, seed, obsid=obsid),
        "chandra-steady": lambda folder, obsid, seed: chandra_case(folder, obsid, seed, flare=False),
        "chandra-flare": lambda folder, obsid, seed: chandra_case(folder, obsid, seed, flare=True),
        "small": lambda folder, obsid, seed: small_case(folder, seed + int(obsid), obsid=obsid),
    }
)


def main(job: Job) -> None:
    """Write the event lists of one simulated observation, and the truth about it."""
    note = json.loads(job.input.source.read_text(encoding="utf-8"))
    scenario = SCENARIOS.get(note["location"])
    if scenario is None:
        known = ", ".join(SCENARIOS)
        msg = f"the location of a simulated observation is one of {known}, got {note['location']!r}"
        raise ValueError(msg)
    folder: Path = job.input.source.parent / SIMULATED
    remove(folder)
    truth = scenario(folder, note["unit"], 3 + job.settings.seed)
    write_truth(job.output.truth, truth)
