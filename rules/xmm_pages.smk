"""Figures of the sample, and the report to browse: pages of observations, sources, types and filters."""

XMM_SAMPLE = RECIPES.step(
    "xmm.sample",
    reads=[XMM_CATALOGUE, XMM_HOT_REGIONS, XMM_CROSSMATCH, XMM_OTYPES],
)

XMM_PAGES = RECIPES.step(
    "xmm.pages",
    reads=[
        XMM_EVENTS,
        XMM_REGIONS,
        XMM_CATALOGUE,
        XMM_CROSSMATCH,
        XMM_FILTERS,
        XMM_LONG_TERM,
        XMM_SUBSET_MATRIX,
        *([XMM_SPECTRA] if XMM.spectra.enabled else []),
        *([XMM_FIGURES] if XMM.figures.enabled else []),
        *([XMM_RECOVER] if XMM_SIMULATED or XMM_INJECTED else []),
        *([XMM_PURITY] if XMM_TESTED else []),
        *([XMM_SAMPLE] if XMM.sample.enabled else []),
    ],
)


def xmm_front():
    """What the branch shows on the front page of a run."""
    if not XMM_UNITS:
        return None
    tables = [
        Product(f"{what} ({suffix})", XMM_CATALOGUE, f"{PROJECT}/{file}.{suffix}")
        for what, file, suffix in (
            ("detections", "detections", "fits"),
            ("detections", "detections", "parquet"),
            ("unique sources", "sources", "fits"),
            ("unique sources", "sources", "parquet"),
            ("outcomes of lists and runs", "outcomes", "csv"),
            ("DS9 regions", "regions", "reg"),
        )
    ]
    for product, text, recipe, name in (
        ("export", "sources with their matches", XMM_EXPORT, "sources.parquet"),
        (
            "filters",
            "combinations of filters",
            XMM_FILTERS,
            "combinations.parquet",
        ),
        (
            "long_term",
            "rates between observations",
            XMM_LONG_TERM,
            "sources.parquet",
        ),
    ):
        if product in XMM.sample_products:
            tables.append(Product(text, recipe, f"{PROJECT}/{name}"))
    tables += xmm_completeness_products()
    return Entry(
        "X-ray bursts and eclipses",
        f"{counted(len(XMM_UNITS), 'observation')} of XMM-Newton and other X-ray telescopes, "
        "searched for what source catalogues miss.",
        (
            Product(
                "report: observations, sources, light curves",
                XMM_PAGES,
                f"{PROJECT}/index.html",
            ),
        ),
        tuple(tables),
    )


def xmm_pages_optional(wildcards):
    """Products that pages show where a run makes them."""
    inputs = {}
    if "filters" in XMM.sample_products:
        inputs["filters"] = [
            XMM_FILTERS.output(f"{{project}}/{name}.parquet")
            for name in ("filters", "combinations", "masks")
        ]
    if "long_term" in XMM.sample_products and len(XMM_UNITS) > 1:
        inputs["changes"] = XMM_LONG_TERM.output("{project}/sources.parquet")
        inputs["rates"] = XMM_LONG_TERM.output("{project}/compared.parquet")
    if "subset_matrix" in XMM.sample_products:
        inputs["matrix"] = XMM_SUBSET_MATRIX.output("{project}/matrix.png")
    if XMM.spectra.enabled:
        inputs["spectra"] = expand(
            XMM_SPECTRA.output("{obsid}.figures"), obsid=XMM_UNITS
        )
    if XMM.figures.enabled:
        inputs["figures"] = expand(XMM_FIGURES.output("{obsid}"), obsid=XMM_UNITS)
    if XMM.sample.enabled:
        inputs["sample"] = XMM_SAMPLE.output("{project}")
    if XMM_SIMULATED or XMM_INJECTED:
        inputs["completeness"] = XMM_RECOVER.output("{project}.figures")
    if XMM_TESTED:
        inputs["false_alarms"] = XMM_PURITY.output("{project}.false_alarms.png")
    if XMM_SIMULATED:
        inputs["recovery"] = XMM_RECOVER.output("{project}.recovery.parquet")
    return inputs


rule xmm_sample:
    input:
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        sources=XMM_CATALOGUE.output("{project}/sources.parquet"),
        hot_regions=XMM_HOT_REGIONS.output("{project}.hot_regions.parquet"),
        chance=xmm_matches("chance"),
        matches=xmm_matches("sources"),
        otypes=(
            [XMM_OTYPES.output("{project}/otypes.parquet")]
            if "simbad" in XMM_SETS
            else []
        ),
    output:
        figures=report(
            directory(XMM_SAMPLE.output("{project}")),
            patterns=["{figure}.png"],
            caption="../workflow/report/xmm_sample.rst",
            category="XMM-Newton",
            subcategory="sample",
            labels={"figure": "{figure}"},
        ),
    log:
        XMM_SAMPLE.log("{project}"),
    benchmark:
        XMM_SAMPLE.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        recipe=XMM_SAMPLE.document,
    message:
        "Drawing the sample of {wildcards.project}"
    script:
        "../scripts/step.py"


rule xmm_pages:
    input:
        unpack(xmm_pages_optional),
        events=expand(XMM_EVENTS.output("{obsid}.h5"), obsid=XMM_UNITS),
        light_curves=expand(
            XMM_REGIONS.output("{obsid}.light_curves.parquet"), obsid=XMM_UNITS
        ),
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        sources=XMM_CATALOGUE.output("{project}/sources.parquet"),
        runs=XMM_CATALOGUE.output("{project}/runs.parquet"),
        outcomes=XMM_CATALOGUE.output("{project}/outcomes.csv"),
        candidates=XMM_CATALOGUE.output("{project}/candidates.csv"),
        matches=xmm_matches("sources"),
        status=expand(
            XMM_CROSSMATCH.output("{{project}}/{set}.status.json"), set=XMM_SETS
        ),
    output:
        pages=directory(XMM_PAGES.output("{project}")),
    log:
        XMM_PAGES.log("{project}"),
    benchmark:
        XMM_PAGES.benchmark("{project}")
    resources:
        mem_mb=lambda wildcards, input: max(1000, 500 + len(input.events) // 4),
        runtime=60,
    params:
        recipe=XMM_PAGES.document,
    message:
        "Writing the report of {wildcards.project}"
    script:
        "../scripts/step.py"
