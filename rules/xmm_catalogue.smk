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
XMM_SET_OPTIONS = {
    "sets": [each.settings() for each in XMM.crossmatch.sets],
    "radius_arcsec": XMM.crossmatch.radius_arcsec,
}
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
XMM_RATES = RECIPES.step("xmm.rates", reads=[XMM_EVENTS])
XMM_LONG_TERM = RECIPES.step(
    "xmm.long_term",
    reads=[XMM_CATALOGUE, XMM_RATES],
    also={"name_prefix": XMM.catalogue.name_prefix},
)
XMM_SUBSET_MATRIX = RECIPES.step(
    "xmm.subset_matrix",
    reads=[XMM_CATALOGUE, XMM_CROSSMATCH],
    also={
        "time_bins_s": XMM.cube.time_bins_s,
        "bands_kev": XMM.cube.bands_kev,
        "cluster_radius_arcsec": XMM.catalogue.cluster_radius_arcsec,
        "linkage": XMM.catalogue.linkage,
        "classes": XMM.otypes.classes,
    },
    tables=[XMM.otypes.classes],
)
XMM_OTYPES = RECIPES.step(
    "xmm.otypes",
    reads=[XMM_CROSSMATCH],
    tables=[XMM.otypes.classes, XMM.otypes.simbad_counts, XMM.otypes.xmm_counts],
)
XMM_COMPARISON = RECIPES.step(
    "xmm.comparison",
    reads=[XMM_CATALOGUE],
    also=XMM_SET_OPTIONS,
)
XMM_EXPORT = RECIPES.step(
    "xmm.export",
    reads=[XMM_CATALOGUE, XMM_CROSSMATCH],
    also={
        **XMM_SET_OPTIONS,
        "configuration": configuration_hash(XMM_CROSSMATCH),
    },
)

if MAIN_PROCESS and XMM_UNITS:
    for name in XMM_SETS:
        status = Path(XMM_CROSSMATCH.output(f"{PROJECT}/{name}.status.json"))
        note_attempt(
            Path(XMM_ANSWERS, f"{name}.json"),
            status,
            failed=(read_note(status) or {}).get("outcome") == "unavailable",
        )


def xmm_matches(what):
    """Tables of matches of the sources or detections with every set."""
    return [
        XMM_CROSSMATCH.output(f"{{project}}/{name}.{what}.parquet") for name in XMM_SETS
    ]


def xmm_set_matches(name, what):
    """Table of matches with one set, as a list that is empty without such a set."""
    if name not in XMM_SETS:
        return []
    return [XMM_CROSSMATCH.output(f"{{project}}/{name}.{what}.parquet")]


def xmm_catalogue_targets():
    """What is made of all observations together."""
    products = {
        "export": XMM_EXPORT.output(f"{PROJECT}/sources.fits"),
        "filters": XMM_FILTERS.output(f"{PROJECT}/combinations.parquet"),
        "subset_matrix": XMM_SUBSET_MATRIX.output(f"{PROJECT}/matrix.parquet"),
    }
    if len(XMM_UNITS) > 1:  # nothing changes between observations of which there is one
        products["long_term"] = XMM_LONG_TERM.output(f"{PROJECT}/sources.parquet")
    targets = [XMM_CATALOGUE.output(f"{PROJECT}/detections.fits")]
    targets += [path for name, path in products.items() if name in XMM.sample_products]
    targets += [
        XMM_CROSSMATCH.output(f"{PROJECT}/{name}.sources.parquet") for name in XMM_SETS
    ]
    if "simbad" in XMM_SETS:
        targets.append(XMM_OTYPES.output(f"{PROJECT}/otypes.parquet"))
    for name, each in XMM_SETS.items():
        if each.variable is not None and each.file is not None:
            targets.append(XMM_COMPARISON.output(f"{PROJECT}/{name}.parquet"))
    return targets


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
        hot_flags=(
            []
            if XMM.hot_regions.method == "none"
            else [XMM_HOT_REGIONS.output("{project}.flags.parquet")]
        ),
    output:
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        sources=XMM_CATALOGUE.output("{project}/sources.parquet"),
        detections_fits=XMM_CATALOGUE.output("{project}/detections.fits"),
        sources_fits=XMM_CATALOGUE.output("{project}/sources.fits"),
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


rule xmm_rates:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
    output:
        sources=XMM_RATES.output("{obsid}.steady.parquet"),
        images=XMM_RATES.output("{obsid}.images.h5"),
    log:
        XMM_RATES.log("{obsid}"),
    benchmark:
        XMM_RATES.benchmark("{obsid}")
    resources:
        mem_mb=memory(least=500, per_input=10),
        runtime=5,
    params:
        recipe=XMM_RATES.document,
    message:
        "Finding steady sources of {wildcards.obsid}"
    script:
        "../scripts/step.py"


rule xmm_long_term:
    input:
        sources=XMM_CATALOGUE.output("{project}/sources.parquet"),
        steady=expand(XMM_RATES.output("{obsid}.steady.parquet"), obsid=XMM_UNITS),
        images=expand(XMM_RATES.output("{obsid}.images.h5"), obsid=XMM_UNITS),
    output:
        rates=XMM_LONG_TERM.output("{project}/rates.parquet"),
        compared=XMM_LONG_TERM.output("{project}/compared.parquet"),
        sources=XMM_LONG_TERM.output("{project}/sources.parquet"),
        sources_fits=XMM_LONG_TERM.output("{project}/sources.fits"),
    log:
        XMM_LONG_TERM.log("{project}"),
    benchmark:
        XMM_LONG_TERM.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        recipe=XMM_LONG_TERM.document,
    message:
        "Comparing the count rates of sources between observations of {wildcards.project}"
    script:
        "../scripts/step.py"


rule xmm_subset_matrix:
    input:
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        simbad=xmm_set_matches("simbad", "detections"),
    output:
        matrix=XMM_SUBSET_MATRIX.output("{project}/matrix.parquet"),
        indices=XMM_SUBSET_MATRIX.output("{project}/indices.parquet"),
        homogeneity=XMM_SUBSET_MATRIX.output("{project}/homogeneity.parquet"),
        recluster=XMM_SUBSET_MATRIX.output("{project}/recluster.parquet"),
        figure=report(
            XMM_SUBSET_MATRIX.output("{project}/matrix.png"),
            caption="../workflow/report/xmm_matrix.rst",
            category="XMM-Newton",
            subcategory="catalogue",
            labels={"figure": "subset matrix"},
        ),
    log:
        XMM_SUBSET_MATRIX.log("{project}"),
    benchmark:
        XMM_SUBSET_MATRIX.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        recipe=XMM_SUBSET_MATRIX.document,
    message:
        "Comparing the searches of {wildcards.project} with each other"
    script:
        "../scripts/step.py"


rule xmm_otypes:
    input:
        simbad=XMM_CROSSMATCH.output("{project}/simbad.sources.parquet"),
        xmm4=xmm_set_matches("xmm4", "sources"),
        status=XMM_CROSSMATCH.output("{project}/simbad.status.json"),
    output:
        long=XMM_OTYPES.output("{project}/otypes.parquet"),
        pivoted=XMM_OTYPES.output("{project}/otypes_pivoted.csv"),
    log:
        XMM_OTYPES.log("{project}"),
    benchmark:
        XMM_OTYPES.benchmark("{project}")
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        recipe=XMM_OTYPES.document,
    message:
        "Counting what SIMBAD calls the sources of {wildcards.project}"
    script:
        "../scripts/step.py"


rule xmm_comparison:
    input:
        unpack(xmm_set_file),
        sources=XMM_CATALOGUE.output("{project}/sources.parquet"),
        coverage=XMM_CATALOGUE.output("{project}/coverage.fits"),
    output:
        comparison=XMM_COMPARISON.output("{project}/{set}.parquet"),
    log:
        XMM_COMPARISON.log("{project}.{set}"),
    benchmark:
        XMM_COMPARISON.benchmark("{project}.{set}")
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        recipe=XMM_COMPARISON.document,
    message:
        "Comparing the sources of {wildcards.project} with those {wildcards.set} calls variable"
    script:
        "../scripts/step.py"


rule xmm_export:
    input:
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        sources=XMM_CATALOGUE.output("{project}/sources.parquet"),
        detection_matches=xmm_matches("detections"),
        source_matches=xmm_matches("sources"),
    output:
        detections=XMM_EXPORT.output("{project}/detections.parquet"),
        sources=XMM_EXPORT.output("{project}/sources.parquet"),
        detections_fits=XMM_EXPORT.output("{project}/detections.fits"),
        sources_fits=XMM_EXPORT.output("{project}/sources.fits"),
        detections_votable=XMM_EXPORT.output("{project}/detections.vot"),
        sources_votable=XMM_EXPORT.output("{project}/sources.vot"),
    log:
        XMM_EXPORT.log("{project}"),
    benchmark:
        XMM_EXPORT.benchmark("{project}")
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        recipe=XMM_EXPORT.document,
    message:
        "Writing the catalogue of {wildcards.project} with its matches"
    script:
        "../scripts/step.py"
