"""XMM-Newton and other X-ray event lists: from the archive to a catalogue of bursts and eclipses."""

import tomllib

XMM = CONFIGURATION.xmm


def xmm_missions():
    """Missions that a sample sheet may name: XMM-Newton, and those of the table of missions."""
    if XMM.samples is None:
        return ["xmm"]
    try:
        return [
            "xmm",
            *tomllib.loads(Path(XMM.events.missions).read_text(encoding="utf-8")),
        ]
    except (OSError, ValueError) as error:
        raise WorkflowError(
            f"xmm.events.missions: {XMM.events.missions}: {error}"
        ) from None


XMM_UNITS = units_of(
    "xmm", XMM.samples, "obsid", r"\d{10}", {"mission": xmm_missions()}
)
XMM_SIMULATED = [obsid for obsid, source in XMM_UNITS.items() if source == "simulate"]
XMM_HOT_PIXELS = XMM.events.hot_pixels and [
    f"{XMM.events.hot_pixels}/hotpix_{camera}.csv" for camera in ("PN", "M1", "M2")
]

XMM_SIMULATE = RECIPES.step("xmm.simulate", also={"seed": CONFIGURATION.seed})
XMM_DOWNLOAD = RECIPES.step("xmm.download")
XMM_EVENTS = RECIPES.step(
    "xmm.events",
    also={
        "time_bins_s": XMM.cube.settings()["time_bins_s"]
    },  # windows of the flare curve
    tables=[*(XMM_HOT_PIXELS or []), XMM.events.missions],
)
XMM_PIXEL = {"size_arcsec": XMM.cube.size_arcsec}
XMM_SPAN = {"span": XMM.events.span}
XMM_CUBE = RECIPES.step(
    "xmm.cube",
    reads=[XMM_EVENTS],
    also={**XMM_SPAN, "bti_window_s": XMM.events.bti_window_s},
)
XMM_EXPECTATION = RECIPES.step(
    "xmm.expectation", reads=[XMM_EVENTS, XMM_CUBE], also=XMM_SPAN
)
XMM_DETECT = RECIPES.step(
    "xmm.detect",
    reads=[XMM_EVENTS, XMM_CUBE, XMM_EXPECTATION],
    also={
        **XMM_SPAN,
        "bands_kev": XMM.cube.bands_kev,
        "expectation": XMM.expectation.settings(),  # for the second pass
    },
)
XMM_REGIONS = RECIPES.step(
    "xmm.regions", reads=[XMM_EVENTS, XMM_CUBE, XMM_EXPECTATION, XMM_DETECT]
)
XMM_FEATURES = RECIPES.step(
    "xmm.features",
    reads=[XMM_EVENTS, XMM_DETECT, XMM_REGIONS],
    also=XMM_PIXEL,
    tables=[XMM.features.bad_observations],
)
XMM_WIDE_FEATURES = RECIPES.step("xmm.wide_features", reads=[XMM_REGIONS])
XMM_SPECTRA = RECIPES.step(
    "xmm.spectra",
    reads=[XMM_EVENTS, XMM_CUBE, XMM_EXPECTATION, XMM_DETECT, XMM_REGIONS],
)
XMM_FIGURES = RECIPES.step(
    "xmm.figures",
    reads=[
        XMM_EVENTS,
        XMM_CUBE,
        XMM_EXPECTATION,
        XMM_DETECT,
        XMM_REGIONS,
        XMM_FEATURES,
    ],
)


def xmm_targets():
    """What the branch makes when it has observations."""
    if not XMM_UNITS:
        return []
    targets = [*xmm_catalogue_targets(), *xmm_completeness_targets()]
    if XMM.wide_features.enabled:
        targets += expand(
            XMM_WIDE_FEATURES.output("{obsid}.wide_features.parquet"), obsid=XMM_UNITS
        )
    if XMM.spectra.enabled:
        targets += expand(
            XMM_SPECTRA.output("{obsid}.spectra.parquet"), obsid=XMM_UNITS
        )
    if XMM.figures.enabled:
        targets += expand(XMM_FIGURES.output("{obsid}"), obsid=XMM_UNITS)
    if XMM.sample.enabled:
        targets.append(XMM_SAMPLE.output(PROJECT))
    if XMM.pages.enabled:
        targets.append(XMM_PAGES.output(PROJECT))
    return targets


wildcard_constraints:
    obsid=r"\d{10}",


rule xmm_simulate:
    input:
        source=f"{RAW}/xmm/{{obsid}}/source.json",
    output:
        truth=f"{RAW}/xmm/{{obsid}}/truth.json",
    log:
        XMM_SIMULATE.log("{obsid}"),
    benchmark:
        XMM_SIMULATE.benchmark("{obsid}")
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        recipe=XMM_SIMULATE.document,
    message:
        "Simulating observation {wildcards.obsid}"
    script:
        "../scripts/step.py"


def xmm_source(wildcards):
    """Note of where an observation comes from, and the truth of a simulated one."""
    folder = f"{RAW}/xmm/{wildcards.obsid}"
    simulated = XMM_UNITS.get(wildcards.obsid) == "simulate"
    return {"source": f"{folder}/source.json"} | (
        {"truth": f"{folder}/truth.json"} if simulated else {}
    )


rule xmm_download:
    input:
        unpack(xmm_source),
    output:
        manifest=f"{RAW}/xmm/{{obsid}}/manifest.json",
    log:
        XMM_DOWNLOAD.log("{obsid}"),
    benchmark:
        XMM_DOWNLOAD.benchmark("{obsid}")
    resources:
        mem_mb=500,
        runtime=60,
    params:
        recipe=XMM_DOWNLOAD.document,
    message:
        "Getting the files of observation {wildcards.obsid}"
    script:
        "../scripts/step.py"


rule xmm_events:
    input:
        manifest=f"{RAW}/xmm/{{obsid}}/manifest.json",
    output:
        events=XMM_EVENTS.output("{obsid}.h5"),
    log:
        XMM_EVENTS.log("{obsid}"),
    benchmark:
        XMM_EVENTS.benchmark("{obsid}")
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        recipe=XMM_EVENTS.document,
    message:
        "Selecting events of {wildcards.obsid}: subsets of simultaneous lists, bad times"
    script:
        "../scripts/step.py"


rule xmm_cube:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
    output:
        cube=XMM_CUBE.output("{obsid}.h5"),
    log:
        XMM_CUBE.log("{obsid}"),
    benchmark:
        XMM_CUBE.benchmark("{obsid}")
    resources:
        mem_mb=memory(least=500, per_input=10),
        runtime=5,
    params:
        recipe=XMM_CUBE.document,
    message:
        "Binning {wildcards.obsid} into cells for every frame length and band"
    script:
        "../scripts/step.py"


rule xmm_expectation:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
        cube=XMM_CUBE.output("{obsid}.h5"),
    output:
        expectation=XMM_EXPECTATION.output("{obsid}.h5"),
    log:
        XMM_EXPECTATION.log("{obsid}"),
    benchmark:
        XMM_EXPECTATION.benchmark("{obsid}")
    resources:
        mem_mb=memory(least=500, per_input=10),
        runtime=5,
    params:
        recipe=XMM_EXPECTATION.document,
    message:
        "Predicting the counts of {wildcards.obsid} from background templates and sources"
    script:
        "../scripts/step.py"


rule xmm_detect:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
        cube=XMM_CUBE.output("{obsid}.h5"),
        expectation=XMM_EXPECTATION.output("{obsid}.h5"),
    output:
        cells=XMM_DETECT.output("{obsid}.cells.parquet"),
        runs=XMM_DETECT.output("{obsid}.runs.parquet"),
        second_pass=XMM_DETECT.output("{obsid}.second_pass.h5"),
    log:
        XMM_DETECT.log("{obsid}"),
    benchmark:
        XMM_DETECT.benchmark("{obsid}")
    resources:
        mem_mb=memory(least=500, per_input=10),
        runtime=5,
    params:
        recipe=XMM_DETECT.document,
    message:
        "Looking for peaks and eclipses in {wildcards.obsid}"
    script:
        "../scripts/step.py"


rule xmm_regions:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
        cube=XMM_CUBE.output("{obsid}.h5"),
        expectation=XMM_EXPECTATION.output("{obsid}.h5"),
        second_pass=XMM_DETECT.output("{obsid}.second_pass.h5"),
        cells=XMM_DETECT.output("{obsid}.cells.parquet"),
    output:
        regions=XMM_REGIONS.output("{obsid}.regions.parquet"),
        cells=XMM_REGIONS.output("{obsid}.cells.parquet"),
        light_curves=XMM_REGIONS.output("{obsid}.light_curves.parquet"),
    log:
        XMM_REGIONS.log("{obsid}"),
    benchmark:
        XMM_REGIONS.benchmark("{obsid}")
    resources:
        mem_mb=memory(least=500, per_input=10),
        runtime=5,
    params:
        recipe=XMM_REGIONS.document,
    message:
        "Joining cells of {wildcards.obsid} into regions: positions and light curves"
    script:
        "../scripts/step.py"


rule xmm_features:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
        regions=XMM_REGIONS.output("{obsid}.regions.parquet"),
        cells=XMM_REGIONS.output("{obsid}.cells.parquet"),
        light_curves=XMM_REGIONS.output("{obsid}.light_curves.parquet"),
    output:
        detections=XMM_FEATURES.output("{obsid}.detections.parquet"),
    log:
        XMM_FEATURES.log("{obsid}"),
    benchmark:
        XMM_FEATURES.benchmark("{obsid}")
    resources:
        mem_mb=memory(least=500, per_input=10),
        runtime=5,
    params:
        recipe=XMM_FEATURES.document,
    message:
        "Describing the detections of {wildcards.obsid}: features and flags"
    script:
        "../scripts/step.py"


rule xmm_wide_features:
    input:
        light_curves=XMM_REGIONS.output("{obsid}.light_curves.parquet"),
    output:
        wide_features=XMM_WIDE_FEATURES.output("{obsid}.wide_features.parquet"),
    log:
        XMM_WIDE_FEATURES.log("{obsid}"),
    benchmark:
        XMM_WIDE_FEATURES.benchmark("{obsid}")
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        recipe=XMM_WIDE_FEATURES.document,
    message:
        "Describing the shapes of the light curves of {wildcards.obsid}"
    script:
        "../scripts/step.py"


rule xmm_spectra:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
        cube=XMM_CUBE.output("{obsid}.h5"),
        expectation=XMM_EXPECTATION.output("{obsid}.h5"),
        second_pass=XMM_DETECT.output("{obsid}.second_pass.h5"),
        regions=XMM_REGIONS.output("{obsid}.regions.parquet"),
        cells=XMM_REGIONS.output("{obsid}.cells.parquet"),
        light_curves=XMM_REGIONS.output("{obsid}.light_curves.parquet"),
    output:
        spectra=XMM_SPECTRA.output("{obsid}.spectra.parquet"),
        hardness=XMM_SPECTRA.output("{obsid}.hardness.parquet"),
        figures=report(
            directory(XMM_SPECTRA.output("{obsid}.figures")),
            patterns=["{figure}.png"],
            caption="../workflow/report/xmm_spectra.rst",
            category="XMM-Newton",
            subcategory="{obsid}",
            labels={"figure": "{figure}"},
        ),
    log:
        XMM_SPECTRA.log("{obsid}"),
    benchmark:
        XMM_SPECTRA.benchmark("{obsid}")
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        recipe=XMM_SPECTRA.document,
    message:
        "Making spectra of the bursts of {wildcards.obsid}"
    script:
        "../scripts/step.py"


rule xmm_figures:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
        cube=XMM_CUBE.output("{obsid}.h5"),
        expectation=XMM_EXPECTATION.output("{obsid}.h5"),
        second_pass=XMM_DETECT.output("{obsid}.second_pass.h5"),
        regions=XMM_REGIONS.output("{obsid}.regions.parquet"),
        cells=XMM_REGIONS.output("{obsid}.cells.parquet"),
        light_curves=XMM_REGIONS.output("{obsid}.light_curves.parquet"),
        runs=XMM_DETECT.output("{obsid}.runs.parquet"),
    output:
        figures=report(
            directory(XMM_FIGURES.output("{obsid}")),
            patterns=["{figure}.png"],
            caption="../workflow/report/xmm_figures.rst",
            category="XMM-Newton",
            subcategory="{obsid}",
            labels={"figure": "{figure}"},
        ),
    log:
        XMM_FIGURES.log("{obsid}"),
    benchmark:
        XMM_FIGURES.benchmark("{obsid}")
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        recipe=XMM_FIGURES.document,
        threshold_sigma=XMM.detect.threshold_sigma,
        time_bins_s=XMM.cube.time_bins_s,
    message:
        "Drawing {wildcards.obsid}: image with regions, light curves, bad times, templates"
    script:
        "../scripts/step.py"
