"""XMM-Newton and other X-ray event lists: from the archive to a catalogue of bursts and eclipses."""

XMM = CONFIGURATION.xmm
XMM_UNITS = units_of("xmm", XMM.samples, "obsid", r"\d{10}")
XMM_HOT_PIXELS = XMM.events.hot_pixels and [
    f"{XMM.events.hot_pixels}/hotpix_{camera}.csv" for camera in ("PN", "M1", "M2")
]

XMM_SIMULATE = RECIPES.step("xmm.simulate", also={"seed": CONFIGURATION.seed})
XMM_DOWNLOAD = RECIPES.step("xmm.download")
XMM_EVENTS = RECIPES.step(
    "xmm.events",
    also={"time_bins_s": XMM.cube.settings()["time_bins_s"]},
    tables=XMM_HOT_PIXELS or [],
)
XMM_CUBE = RECIPES.step("xmm.cube", reads=[XMM_EVENTS])
XMM_EXPECTATION = RECIPES.step("xmm.expectation", reads=[XMM_EVENTS, XMM_CUBE])
XMM_DETECT = RECIPES.step("xmm.detect", reads=[XMM_CUBE, XMM_EXPECTATION])
XMM_REGIONS = RECIPES.step(
    "xmm.regions", reads=[XMM_EVENTS, XMM_CUBE, XMM_EXPECTATION, XMM_DETECT]
)
XMM_FEATURES = RECIPES.step(
    "xmm.features",
    reads=[XMM_EVENTS, XMM_DETECT, XMM_REGIONS],
    tables=[XMM.features.bad_observations],
)
XMM_CATALOGUE = RECIPES.step("xmm.catalogue", reads=[XMM_EVENTS, XMM_DETECT, XMM_FEATURES])
XMM_FIGURES = RECIPES.step(
    "xmm.figures",
    reads=[XMM_EVENTS, XMM_CUBE, XMM_EXPECTATION, XMM_DETECT, XMM_REGIONS, XMM_FEATURES],
)


def xmm_targets():
    """What the branch makes when it has observations."""
    if not XMM_UNITS:
        return []
    targets = [XMM_CATALOGUE.output(f"{PROJECT}/detections.fits")]
    if XMM.figures.enabled:
        targets += expand(XMM_FIGURES.output("{obsid}"), obsid=XMM_UNITS)
    return targets


wildcard_constraints:
    obsid=r"\d{10}",
