"""The report to browse: pages of observations, sources, types and filters, from what the branch has made."""

XMM_PAGES = RECIPES.step(
    "xmm.pages",
    reads=[
        XMM_EVENTS,
        XMM_REGIONS,
        XMM_CATALOGUE,
        *([XMM_FIGURES] if XMM.figures.enabled else []),
        *([XMM_RECOVER] if XMM_SIMULATED else []),
    ],
)


def xmm_pages_optional(wildcards):
    """Products that pages show where a run makes them."""
    inputs = {}
    if XMM.figures.enabled:
        inputs["figures"] = expand(XMM_FIGURES.output("{obsid}"), obsid=XMM_UNITS)
    if XMM_SIMULATED:
        inputs["recovery"] = XMM_RECOVER.output(f"{wildcards.project}.recovery.parquet")
    return inputs


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
