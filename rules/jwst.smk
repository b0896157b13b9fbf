"""JWST time-series spectroscopy: from MAST and Eureka! files to pages, videos and light curves."""

JWST = CONFIGURATION.jwst
JWST_UNITS = units_of(
    "jwst",
    JWST.samples,
    "dataset",
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    kinds=("folder", "files", "simulate"),
)
JWST_COMPARED = [name for name in JWST.compare.datasets if name in JWST_UNITS]
if missing := sorted(set(JWST.compare.datasets) - set(JWST_COMPARED)):
    raise WorkflowError(
        f"jwst.compare.datasets: not in the sample sheet: {', '.join(missing)}"
    )


def jwst_step(name, reads=(), also=None):
    """Recipe of a step, with what single datasets have otherwise."""
    special = JWST.overrides(name)
    own = {"datasets": special} if special else {}
    return RECIPES.step(f"jwst.{name}", reads=reads, also={**own, **(also or {})})


JWST_SIMULATE = jwst_step("simulate", also={"seed": CONFIGURATION.seed})
JWST_SCAN = jwst_step("scan")
JWST_READ = jwst_step("read", also={"visit_gap_hours": JWST.series.visit_gap_hours})
JWST_SERIES = jwst_step("series", reads=[JWST_READ])
JWST_FIGURES = jwst_step("figures", reads=[JWST_READ, JWST_SERIES])
JWST_VIDEO = jwst_step("video", reads=[JWST_READ, JWST_SERIES])
JWST_PAGES = jwst_step("pages", reads=[JWST_READ, JWST_SERIES, JWST_VIDEO])
JWST_BUNDLE = jwst_step(
    "bundle", reads=[JWST_READ, JWST_SERIES, JWST_FIGURES, JWST_VIDEO, JWST_PAGES]
)
JWST_COMPARE = jwst_step("compare", reads=[JWST_SERIES])
JWST_OUTCOMES = jwst_step("outcomes", reads=[JWST_SERIES])


def jwst_targets():
    """What the branch makes when it has datasets."""
    if not JWST_UNITS:
        return []
    targets = expand(JWST_BUNDLE.output("{dataset}"), dataset=JWST_UNITS)
    targets += [JWST_OUTCOMES.output(f"{PROJECT}.csv")]
    if len(JWST_COMPARED) > 1:
        targets += [JWST_COMPARE.output(PROJECT)]
    return targets


def jwst_front():
    """What the branch shows on the front page of a run."""
    if not JWST_UNITS:
        return None
    return Entry(
        "Spectra of exoplanets in time",
        f"{counted(len(JWST_UNITS), 'JWST dataset')} as interactive surfaces, heatmaps and light curves.",
        tuple(
            Product(f"{dataset}: {text}", JWST_PAGES, f"{dataset}/{page}.html")
            for dataset in JWST_UNITS
            for text, page in (
                ("all in one", "combined"),
                ("surface", "surface"),
                ("heatmap", "heatmap"),
            )
        ),
        (Product("outcomes of datasets", JWST_OUTCOMES, f"{PROJECT}.csv"),),
    )


wildcard_constraints:
    dataset=r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",


rule jwst_simulate:
    input:
        source=f"{RAW}/jwst/{{dataset}}/source.json",
    output:
        truth=f"{RAW}/jwst/{{dataset}}/truth.json",
    log:
        JWST_SIMULATE.log("{dataset}"),
    benchmark:
        JWST_SIMULATE.benchmark("{dataset}")
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        recipe=JWST_SIMULATE.document,
    message:
        "Simulating the time series {wildcards.dataset}"
    script:
        "../scripts/step.py"


def jwst_source(wildcards):
    """Note of where a dataset comes from, and the truth of a simulated one."""
    folder = f"{RAW}/jwst/{wildcards.dataset}"
    simulated = JWST_UNITS.get(wildcards.dataset) == "simulate"
    return {"source": f"{folder}/source.json"} | (
        {"truth": f"{folder}/truth.json"} if simulated else {}
    )


rule jwst_scan:
    input:
        unpack(jwst_source),
    output:
        manifest=f"{RAW}/jwst/{{dataset}}/manifest.json",
    log:
        JWST_SCAN.log("{dataset}"),
    benchmark:
        JWST_SCAN.benchmark("{dataset}")
    resources:
        mem_mb=500,
        runtime=10,
    params:
        recipe=JWST_SCAN.document,
    message:
        "Looking at the files of {wildcards.dataset}"
    script:
        "../scripts/step.py"


rule jwst_read:
    input:
        manifest=f"{RAW}/jwst/{{dataset}}/manifest.json",
    output:
        series=JWST_READ.output("{dataset}.h5"),
        bad_inputs=JWST_READ.output("{dataset}.bad_inputs.ecsv"),
        summary=JWST_READ.output("{dataset}.json"),
    log:
        JWST_READ.log("{dataset}"),
    benchmark:
        JWST_READ.benchmark("{dataset}")
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        recipe=JWST_READ.document,
    message:
        "Reading {wildcards.dataset}: integrations, clocks, wavelengths, masks"
    script:
        "../scripts/step.py"


rule jwst_series:
    input:
        series=JWST_READ.output("{dataset}.h5"),
        bad_inputs=JWST_READ.output("{dataset}.bad_inputs.ecsv"),
        summary=JWST_READ.output("{dataset}.json"),
    output:
        products=directory(JWST_SERIES.output("{dataset}")),
        analysis=JWST_SERIES.output("{dataset}.analysis.h5"),
    log:
        JWST_SERIES.log("{dataset}"),
    benchmark:
        JWST_SERIES.benchmark("{dataset}")
    threads: 2
    resources:
        mem_mb=memory(least=1000, per_input=10),
        runtime=10,
    params:
        recipe=JWST_SERIES.document,
    message:
        "Normalising {wildcards.dataset}: visits, light curves, quality"
    script:
        "../scripts/step.py"


rule jwst_figures:
    input:
        series=JWST_READ.output("{dataset}.h5"),
        analysis=JWST_SERIES.output("{dataset}.analysis.h5"),
    output:
        figures=report(
            directory(JWST_FIGURES.output("{dataset}")),
            patterns=["{figure}.png"],
            caption="../workflow/report/jwst_figures.rst",
            category="JWST",
            subcategory="{dataset}",
            labels={"figure": "{figure}"},
        ),
    log:
        JWST_FIGURES.log("{dataset}"),
    benchmark:
        JWST_FIGURES.benchmark("{dataset}")
    resources:
        mem_mb=memory(least=1000, per_input=4),
        runtime=10,
    params:
        recipe=JWST_FIGURES.document,
    message:
        "Drawing light curves and quality of {wildcards.dataset}"
    script:
        "../scripts/step.py"


rule jwst_video:
    input:
        series=JWST_READ.output("{dataset}.h5"),
        analysis=JWST_SERIES.output("{dataset}.analysis.h5"),
    output:
        video=directory(JWST_VIDEO.output("{dataset}")),
    log:
        JWST_VIDEO.log("{dataset}"),
    benchmark:
        JWST_VIDEO.benchmark("{dataset}")
    resources:
        mem_mb=memory(least=1000, per_input=4),
        runtime=10,
    params:
        recipe=JWST_VIDEO.document,
    message:
        "Filming the spectra of {wildcards.dataset}"
    script:
        "../scripts/step.py"


rule jwst_pages:
    input:
        series=JWST_READ.output("{dataset}.h5"),
        analysis=JWST_SERIES.output("{dataset}.analysis.h5"),
        bad_inputs=JWST_READ.output("{dataset}.bad_inputs.ecsv"),
        video=JWST_VIDEO.output("{dataset}"),
    output:
        pages=directory(JWST_PAGES.output("{dataset}")),
    log:
        JWST_PAGES.log("{dataset}"),
    benchmark:
        JWST_PAGES.benchmark("{dataset}")
    resources:
        mem_mb=memory(least=1000, per_input=6),
        runtime=10,
    params:
        recipe=JWST_PAGES.document,
    message:
        "Making the pages of {wildcards.dataset}: surface, heatmap, combined"
    script:
        "../scripts/step.py"


rule jwst_bundle:
    input:
        manifest=f"{RAW}/jwst/{{dataset}}/manifest.json",
        products=JWST_SERIES.output("{dataset}"),
        figures=JWST_FIGURES.output("{dataset}"),
        video=JWST_VIDEO.output("{dataset}"),
        pages=JWST_PAGES.output("{dataset}"),
    output:
        bundle=directory(JWST_BUNDLE.output("{dataset}")),
    log:
        JWST_BUNDLE.log("{dataset}"),
    benchmark:
        JWST_BUNDLE.benchmark("{dataset}")
    resources:
        mem_mb=500,
        runtime=10,
    params:
        recipe=JWST_BUNDLE.document,
    message:
        "Bundling the products of {wildcards.dataset}"
    script:
        "../scripts/step.py"


rule jwst_compare:
    input:
        analyses=expand(
            JWST_SERIES.output("{dataset}.analysis.h5"), dataset=JWST_COMPARED
        ),
    output:
        comparison=directory(JWST_COMPARE.output("{project}")),
    log:
        JWST_COMPARE.log("{project}"),
    benchmark:
        JWST_COMPARE.benchmark("{project}")
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        recipe=JWST_COMPARE.document,
    message:
        "Comparing the datasets of {wildcards.project}"
    script:
        "../scripts/step.py"


rule jwst_outcomes:
    input:
        analyses=expand(JWST_SERIES.output("{dataset}.analysis.h5"), dataset=JWST_UNITS),
    output:
        outcomes=JWST_OUTCOMES.output("{project}.csv"),
    log:
        JWST_OUTCOMES.log("{project}"),
    benchmark:
        JWST_OUTCOMES.benchmark("{project}")
    resources:
        mem_mb=500,
        runtime=5,
    params:
        recipe=JWST_OUTCOMES.document,
    message:
        "Listing how the datasets of {wildcards.project} ended"
    script:
        "../scripts/step.py"
