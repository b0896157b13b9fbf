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


def xmm_catalogue_targets():
    """What is made of all observations together."""
    return [XMM_CATALOGUE.output(f"{PROJECT}/detections.fits")]


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
