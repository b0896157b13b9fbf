"""Events in survey light curves: search, injections, features, histograms, rates, tables, report."""

SURVEY_SEARCH = RECIPES.step(
    "survey.search",
    reads=[SURVEY_REDUCE],
    also=survey_plugins("quality", "finder"),
    tables=survey_plugin_tables("quality", "finder"),
)
SURVEY_TEMPLATES = RECIPES.step(
    "survey.templates",
    also={
        name: value
        for name, value in SURVEY.search.finder.settings().items()
        if name in ("shape", "min_width", "max_width", "overlap")
    },
)
SURVEY_FEATURES = RECIPES.step("survey.features", reads=[SURVEY_REDUCE, SURVEY_SEARCH])
SURVEY_INJECT = RECIPES.step(
    "survey.inject",
    reads=[SURVEY_REDUCE],
    also={
        **SURVEY.search.settings(),
        "library": SURVEY.features.library,
        **survey_plugins("quality", "finder", "simulator"),
    },
    tables=survey_plugin_tables("quality", "finder", "simulator"),
)
SURVEY_HISTOGRAM = RECIPES.step("survey.histogram", reads=[SURVEY_SEARCH])
SURVEY_HISTOGRAM_SUM = RECIPES.step("survey.histogram_sum", reads=[SURVEY_HISTOGRAM])
SURVEY_RATES = RECIPES.step(
    "survey.rates",
    reads=[SURVEY_CATALOGUE, SURVEY_SEARCH, SURVEY_INJECT, SURVEY_HISTOGRAM_SUM],
)
SURVEY_TABLES = RECIPES.step(
    "survey.tables",
    reads=[
        SURVEY_CATALOGUE,
        SURVEY_FETCH,
        SURVEY_REDUCE,
        SURVEY_SEARCH,
        SURVEY_INJECT,
        SURVEY_FEATURES,
        SURVEY_RATES,
    ],
)
SURVEY_EXPORT_POSTGRES = RECIPES.step("survey.export_postgres", reads=[SURVEY_TABLES])
SURVEY_REPORT = RECIPES.step(
    "survey.report", reads=[SURVEY_TABLES, SURVEY_HISTOGRAM_SUM]
)


rule survey_search:
    input:
        batch=survey_batch_file,
        curves=SURVEY_REDUCE.output("{survey}/{batch}.curves.parquet"),
    output:
        curves=SURVEY_SEARCH.output("{survey}/{batch}.curves.parquet"),
        epochs=SURVEY_SEARCH.output("{survey}/{batch}.epochs.parquet"),
        detections=SURVEY_SEARCH.output("{survey}/{batch}.detections.parquet"),
        failures=SURVEY_SEARCH.output("{survey}/{batch}.failures.csv"),
    log:
        SURVEY_SEARCH.log("{survey}/{batch}"),
    benchmark:
        SURVEY_SEARCH.benchmark("{survey}/{batch}")
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        recipe=SURVEY_SEARCH.document,
    message:
        "Looking for events in {wildcards.survey} batch {wildcards.batch}"
    script:
        "../scripts/step.py"


rule survey_templates:
    output:
        bank=SURVEY_TEMPLATES.output("bank.nc"),
    log:
        SURVEY_TEMPLATES.log("bank"),
    benchmark:
        SURVEY_TEMPLATES.benchmark("bank")
    resources:
        mem_mb=500,
        runtime=10,
    params:
        recipe=SURVEY_TEMPLATES.document,
    message:
        "Writing the bank of templates"
    script:
        "../scripts/step.py"


rule survey_inject:
    input:
        batch=survey_batch_file,
        curves=SURVEY_REDUCE.output("{survey}/{batch}.curves.parquet"),
    output:
        injections=SURVEY_INJECT.output("{survey}/{batch}.injections.parquet"),
        detections=SURVEY_INJECT.output("{survey}/{batch}.detections.parquet"),
        features=SURVEY_INJECT.output("{survey}/{batch}.features.parquet"),
        failures=SURVEY_INJECT.output("{survey}/{batch}.failures.csv"),
    log:
        SURVEY_INJECT.log("{survey}/{batch}"),
    benchmark:
        SURVEY_INJECT.benchmark("{survey}/{batch}")
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        recipe=SURVEY_INJECT.document,
    message:
        "Injecting events into {wildcards.survey} batch {wildcards.batch}"
    script:
        "../scripts/step.py"


rule survey_features:
    input:
        curves=SURVEY_REDUCE.output("{survey}/{batch}.curves.parquet"),
        searched=SURVEY_SEARCH.output("{survey}/{batch}.curves.parquet"),
        detections=SURVEY_SEARCH.output("{survey}/{batch}.detections.parquet"),
    output:
        features=SURVEY_FEATURES.output("{survey}/{batch}.features.parquet"),
    log:
        SURVEY_FEATURES.log("{survey}/{batch}"),
    benchmark:
        SURVEY_FEATURES.benchmark("{survey}/{batch}")
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        recipe=SURVEY_FEATURES.document,
    message:
        "Describing {wildcards.survey} light curves of batch {wildcards.batch}"
    script:
        "../scripts/step.py"


rule survey_histogram:
    input:
        batch=survey_batch_file,
        curves=SURVEY_SEARCH.output("{survey}/{batch}.curves.parquet"),
        epochs=SURVEY_SEARCH.output("{survey}/{batch}.epochs.parquet"),
    output:
        histogram=SURVEY_HISTOGRAM.output("{survey}/{batch}.nc"),
    log:
        SURVEY_HISTOGRAM.log("{survey}/{batch}"),
    benchmark:
        SURVEY_HISTOGRAM.benchmark("{survey}/{batch}")
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        recipe=SURVEY_HISTOGRAM.document,
    message:
        "Counting scores of {wildcards.survey} batch {wildcards.batch}"
    script:
        "../scripts/step.py"


rule survey_histogram_sum:
    input:
        histograms=survey_of_all(SURVEY_HISTOGRAM.output("{survey}/{batch}.nc")),
    output:
        histogram=SURVEY_HISTOGRAM_SUM.output("{project}.nc"),
    log:
        SURVEY_HISTOGRAM_SUM.log("{project}"),
    benchmark:
        SURVEY_HISTOGRAM_SUM.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        recipe=SURVEY_HISTOGRAM_SUM.document,
    message:
        "Adding the histograms of {wildcards.project}"
    script:
        "../scripts/step.py"


def survey_injected(name):
    """An output of the injections of every survey and batch; none where nothing is injected."""
    pattern = SURVEY_INJECT.output("{survey}/{batch}." + name)
    return survey_of_all(pattern) if SURVEY.inject.enabled else []


rule survey_rates:
    input:
        histogram=SURVEY_HISTOGRAM_SUM.output("{project}.nc"),
        sources=SURVEY_CATALOGUE.output("{project}/source.parquet"),
        curves=survey_of_all(SURVEY_SEARCH.output("{survey}/{batch}.curves.parquet")),
        detections=survey_of_all(
            SURVEY_SEARCH.output("{survey}/{batch}.detections.parquet")
        ),
        injections=survey_injected("injections.parquet"),
    output:
        efficiency=SURVEY_RATES.output("{project}.efficiency.parquet"),
        rates=SURVEY_RATES.output("{project}.rates.parquet"),
    log:
        SURVEY_RATES.log("{project}"),
    benchmark:
        SURVEY_RATES.benchmark("{project}")
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        recipe=SURVEY_RATES.document,
    message:
        "Working out efficiencies and rates of {wildcards.project}"
    script:
        "../scripts/step.py"


rule survey_tables:
    input:
        sources=SURVEY_CATALOGUE.output("{project}/source.parquet"),
        raw=survey_of_all(SURVEY_FETCH.output("{survey}/{batch}.parquet")),
        outcomes=survey_of_all(
            SURVEY_REDUCE.output("{survey}/{batch}.outcomes.parquet")
        ),
        curves=survey_of_all(SURVEY_SEARCH.output("{survey}/{batch}.curves.parquet")),
        epochs=survey_of_all(SURVEY_SEARCH.output("{survey}/{batch}.epochs.parquet")),
        detections=survey_of_all(
            SURVEY_SEARCH.output("{survey}/{batch}.detections.parquet")
        ),
        failures=survey_of_all(SURVEY_SEARCH.output("{survey}/{batch}.failures.csv")),
        features=survey_of_all(
            SURVEY_FEATURES.output("{survey}/{batch}.features.parquet")
        ),
        injections=survey_injected("injections.parquet"),
        simulated=survey_injected("detections.parquet"),
        simulated_features=survey_injected("features.parquet"),
        failed_injections=survey_injected("failures.csv"),
        efficiency=[SURVEY_RATES.output("{project}.efficiency.parquet")],
        rates=[SURVEY_RATES.output("{project}.rates.parquet")],
    output:
        tables=directory(SURVEY_TABLES.output("{project}")),
    log:
        SURVEY_TABLES.log("{project}"),
    benchmark:
        SURVEY_TABLES.benchmark("{project}")
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        recipe=SURVEY_TABLES.document,
    message:
        "Writing the tables of {wildcards.project}"
    script:
        "../scripts/step.py"


rule survey_export_postgres:
    input:
        tables=SURVEY_TABLES.output("{project}"),
    output:
        loaded=SURVEY_EXPORT_POSTGRES.output("{project}.json"),
    log:
        SURVEY_EXPORT_POSTGRES.log("{project}"),
    benchmark:
        SURVEY_EXPORT_POSTGRES.benchmark("{project}")
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        recipe=SURVEY_EXPORT_POSTGRES.document,
    message:
        "Loading the tables of {wildcards.project} into PostgreSQL"
    script:
        "../scripts/step.py"


rule survey_report:
    input:
        tables=SURVEY_TABLES.output("{project}"),
        histogram=SURVEY_HISTOGRAM_SUM.output("{project}.nc"),
    output:
        report=report(
            directory(SURVEY_REPORT.output("{project}")),
            patterns=["{figure}.png"],
            caption="../workflow/report/survey_report.rst",
            category="Survey light curves",
            subcategory="{project}",
            labels={"figure": "{figure}"},
        ),
    log:
        SURVEY_REPORT.log("{project}"),
    benchmark:
        SURVEY_REPORT.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        recipe=survey_unhashed(
            SURVEY_REPORT,
            offset_threshold=SURVEY.search.quality.offset_threshold,
            snr_threshold=SURVEY.search.finder.snr_threshold,
        ),
    message:
        "Drawing the report of {wildcards.project}"
    script:
        "../scripts/step.py"
