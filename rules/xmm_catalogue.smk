"""From the detections of all observations to a catalogue of sources, matched, compared and filtered."""

XMM_HOT_REGIONS = RECIPES.step(
    "xmm.hot_regions",
    reads=[XMM_FEATURES],
    tables=[XMM.hot_regions.table, "resources/xmm/legacy_hot_regions.csv"],
)
XMM_CATALOGUE = RECIPES.step(
    "xmm.catalogue",
    reads=[XMM_EVENTS, XMM_EXPECTATION, XMM_DETECT, XMM_FEATURES, XMM_HOT_REGIONS],
    also={
        **XMM_PIXEL,
        "configuration": configuration_hash(XMM_FEATURES, XMM_HOT_REGIONS),
    },
    tables=[XMM.catalogue.registry],
)
XMM_SETS = {each.name: each for each in XMM.crossmatch.sets}
XMM_ANSWERS = f"{RAW}/xmm/crossmatch"
XMM_CROSSMATCH = RECIPES.step(
    "xmm.crossmatch",
    reads=[XMM_CATALOGUE],
    also={"kept_answers": XMM_ANSWERS},
)
XMM_FILTERS = RECIPES.step(
    "xmm.filters",
    reads=[XMM_CATALOGUE, XMM_CROSSMATCH],
    also={"groups": [group.settings() for group in XMM.filters.chosen_groups()]},
)

if MAIN_PROCESS and XMM_UNITS:
    for name in XMM_SETS:
        note_service(
            Path(XMM_ANSWERS, f"{name}.json"),
            Path(XMM_CROSSMATCH.output(f"{PROJECT}/{name}.status.json")),
        )


def xmm_matches(what):
    """Tables of matches of the sources or detections with every set."""
    return [
        XMM_CROSSMATCH.output(f"{{project}}/{name}.{what}.parquet") for name in XMM_SETS
    ]


def xmm_catalogue_targets():
    """What is made of all observations together."""
    matches = [
        XMM_CROSSMATCH.output(f"{PROJECT}/{name}.sources.parquet") for name in XMM_SETS
    ]
    return [
        XMM_CATALOGUE.output(f"{PROJECT}/detections.fits"),
        *matches,
        XMM_FILTERS.output(f"{PROJECT}/combinations.parquet"),
    ]


wildcard_constraints:
    set=r"[a-z][a-z0-9_]*",


rule xmm_hot_regions:
    input:
        detections=expand(
            XMM_FEATURES.output("{obsid}.detections.parquet"), obsid=XMM_UNITS
        ),
    output:
        regions=XMM_HOT_REGIONS.output("{project}.hot_regions.parquet"),
        flags=XMM_HOT_REGIONS.output("{project}.flags.parquet"),
    log:
        XMM_HOT_REGIONS.log("{project}"),
    benchmark:
        XMM_HOT_REGIONS.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        recipe=XMM_HOT_REGIONS.document,
    message:
        "Looking for hot regions of the detectors in {wildcards.project}"
    script:
        "../scripts/step.py"


rule xmm_catalogue:
    input:
        events=expand(XMM_EVENTS.output("{obsid}.h5"), obsid=XMM_UNITS),
        expectations=expand(XMM_EXPECTATION.output("{obsid}.h5"), obsid=XMM_UNITS),
        runs=expand(XMM_DETECT.output("{obsid}.runs.parquet"), obsid=XMM_UNITS),
        detections=expand(
            XMM_FEATURES.output("{obsid}.detections.parquet"), obsid=XMM_UNITS
        ),
        hot_flags=XMM_HOT_REGIONS.output("{project}.flags.parquet"),
    output:
        detections=XMM_CATALOGUE.output("{project}/detections.fits"),
        sources=XMM_CATALOGUE.output("{project}/sources.fits"),
        detections_parquet=XMM_CATALOGUE.output("{project}/detections.parquet"),
        sources_parquet=XMM_CATALOGUE.output("{project}/sources.parquet"),
        detections_votable=XMM_CATALOGUE.output("{project}/detections.vot"),
        sources_votable=XMM_CATALOGUE.output("{project}/sources.vot"),
        outcomes=XMM_CATALOGUE.output("{project}/outcomes.csv"),
        runs=XMM_CATALOGUE.output("{project}/runs.parquet"),
        bad_times=XMM_CATALOGUE.output("{project}/bad_times.parquet"),
        selection=XMM_CATALOGUE.output("{project}/selection.csv"),
        registry=XMM_CATALOGUE.output("{project}/registry.csv"),
        candidates=XMM_CATALOGUE.output("{project}/candidates.csv"),
        regions=XMM_CATALOGUE.output("{project}/regions.reg"),
        coverage=XMM_CATALOGUE.output("{project}/coverage.fits"),
        coverage_maps=directory(XMM_CATALOGUE.output("{project}/coverage_maps")),
        coverage_table=XMM_CATALOGUE.output("{project}/coverage.csv"),
    log:
        XMM_CATALOGUE.log("{project}"),
    benchmark:
        XMM_CATALOGUE.benchmark("{project}")
    resources:
        mem_mb=lambda wildcards, input: max(4000, 1000 + 2 * len(input.events) // 5),
        runtime=60,
    params:
        recipe=XMM_CATALOGUE.document,
    message:
        "Writing the catalogue of {wildcards.project}"
    script:
        "../scripts/step.py"


def xmm_set_file(wildcards):
    """The file of a set, if it is local, and the note of when the service is to be asked."""
    file = XMM_SETS[wildcards.set].file if wildcards.set in XMM_SETS else None
    return (
        {"service": f"{XMM_ANSWERS}/{wildcards.set}.json"}
        if file is None
        else {"file": file}
    )


rule xmm_crossmatch:
    input:
        unpack(xmm_set_file),
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        sources=XMM_CATALOGUE.output("{project}/sources.parquet"),
    output:
        sources=XMM_CROSSMATCH.output("{project}/{set}.sources.parquet"),
        detections=XMM_CROSSMATCH.output("{project}/{set}.detections.parquet"),
        chance=XMM_CROSSMATCH.output("{project}/{set}.chance.parquet"),
        calibration=XMM_CROSSMATCH.output("{project}/{set}.calibration.parquet"),
        status=XMM_CROSSMATCH.output("{project}/{set}.status.json"),
    log:
        XMM_CROSSMATCH.log("{project}.{set}"),
    benchmark:
        XMM_CROSSMATCH.benchmark("{project}.{set}")
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        recipe=XMM_CROSSMATCH.document,
    message:
        "Matching the catalogue of {wildcards.project} with {wildcards.set}"
    script:
        "../scripts/step.py"


rule xmm_filters:
    input:
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        matches=xmm_matches("detections"),
    output:
        filters=XMM_FILTERS.output("{project}/filters.parquet"),
        combinations=XMM_FILTERS.output("{project}/combinations.parquet"),
        masks=XMM_FILTERS.output("{project}/masks.parquet"),
    log:
        XMM_FILTERS.log("{project}"),
    benchmark:
        XMM_FILTERS.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        recipe=XMM_FILTERS.document,
    message:
        "Filtering the detections of {wildcards.project} in all combinations"
    script:
        "../scripts/step.py"
