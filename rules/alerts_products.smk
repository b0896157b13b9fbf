"""What is made of filtered alerts: streams, pages, reports, summary, benchmark."""

ALERTS_STREAM = RECIPES.step("alerts.stream", reads=[ALERTS_FILTER])
ALERTS_PAGES = RECIPES.step(
    "alerts.pages",
    reads=[ALERTS_FILTER],
    also={"radius_arcsec": ALERTS.associate.radius_arcsec},
)
ALERTS_REPORT = RECIPES.step("alerts.report", reads=[ALERTS_STREAM, ALERTS_PAGES])
ALERTS_BENCHMARK = RECIPES.step(
    "alerts.benchmark", reads=[ALERTS_FILTER], also={"seed": CONFIGURATION.seed}
)
ALERTS_SUMMARY = RECIPES.step("alerts.summary", reads=[ALERTS_DECODE, ALERTS_REPORT])


rule alerts_stream:
    input:
        alerts=ALERTS_NIGHT.output("{project}/{night}.alerts.parquet"),
        aliases=ALERTS_ASSOCIATE.output("{project}/{night}.aliases.parquet"),
        loci=ALERTS_FILTER.output("{project}/{night}.loci.parquet"),
        past=ALERTS_FILTER.output("{project}/{night}.past.parquet"),
        verdicts=ALERTS_FILTER.output("{project}/{night}.verdicts.parquet"),
    output:
        streams=directory(ALERTS_STREAM.output("{project}/{night}.streams")),
        counts=ALERTS_STREAM.output("{project}/{night}.counts.json"),
    log:
        ALERTS_STREAM.log("{project}/{night}"),
    benchmark:
        ALERTS_STREAM.benchmark("{project}/{night}")
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        recipe=ALERTS_STREAM.document,
    message:
        "Writing the streams of night {wildcards.night}"
    script:
        "../scripts/step.py"


rule alerts_pages:
    input:
        state=ALERTS_ASSOCIATE.output("{project}/{night}.state"),
        alerts=ALERTS_NIGHT.output("{project}/{night}.alerts.parquet"),
        conflicts=ALERTS_ASSOCIATE.output("{project}/{night}.conflicts.parquet"),
        loci=ALERTS_FILTER.output("{project}/{night}.loci.parquet"),
    output:
        pages=directory(ALERTS_PAGES.output("{project}/{night}.pages")),
    log:
        ALERTS_PAGES.log("{project}/{night}"),
    benchmark:
        ALERTS_PAGES.benchmark("{project}/{night}")
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        recipe=ALERTS_PAGES.document,
    message:
        "Making the pages of night {wildcards.night}"
    script:
        "../scripts/step.py"


rule alerts_report:
    input:
        unpack(lambda wildcards: alerts_previous(ALERTS_REPORT, wildcards, "json")),
        decoded=lambda wildcards: [
            ALERTS_DECODE.output(f"{delivery}.account.parquet")
            for delivery in alerts_nights().get(int(wildcards.night), [])
        ],
        lists=lambda wildcards: [
            ALERTS_DECODE.output(f"{delivery}.nights.json")
            for delivery in alerts_nights().get(int(wildcards.night), [])
        ],
        night=ALERTS_NIGHT.output("{project}/{night}.account.json"),
        associated=ALERTS_ASSOCIATE.output("{project}/{night}.account.json"),
        conflicts=ALERTS_ASSOCIATE.output("{project}/{night}.conflicts.parquet"),
        merges=ALERTS_ASSOCIATE.output("{project}/{night}.merges.parquet"),
        alerts=ALERTS_NIGHT.output("{project}/{night}.alerts.parquet"),
        counts=ALERTS_FILTER.output("{project}/{night}.counts.json"),
        times=ALERTS_FILTER.output("{project}/{night}.times.json"),
        verdicts=ALERTS_FILTER.output("{project}/{night}.verdicts.parquet"),
        streams=ALERTS_STREAM.output("{project}/{night}.counts.json"),
        pages=ALERTS_PAGES.output("{project}/{night}.pages"),
    output:
        page=report(
            ALERTS_REPORT.output("{project}/{night}.html"),
            caption="../workflow/report/alerts_report.rst",
            category="Alerts",
            labels={"night": "{night}"},
        ),
        json=ALERTS_REPORT.output("{project}/{night}.json"),
    log:
        ALERTS_REPORT.log("{project}/{night}"),
    benchmark:
        ALERTS_REPORT.benchmark("{project}/{night}")
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        recipe=ALERTS_REPORT.document,
    message:
        "Accounting for night {wildcards.night}"
    script:
        "../scripts/step.py"


rule alerts_summary:
    input:
        reports=alerts_all_nights(ALERTS_REPORT, "json"),
        pages=alerts_all_nights(ALERTS_PAGES, "pages"),
        accounts=[
            ALERTS_DECODE.output(f"{delivery}.account.parquet")
            for delivery in ALERTS_UNITS
        ],
        lists=[
            ALERTS_DECODE.output(f"{delivery}.nights.json")
            for delivery in ALERTS_UNITS
        ],
    output:
        page=report(
            ALERTS_SUMMARY.output("{project}/index.html"),
            caption="../workflow/report/alerts_summary.rst",
            category="Alerts",
            labels={"night": "all"},
        ),
        table=ALERTS_SUMMARY.output("{project}/nights.csv"),
        deliveries=ALERTS_SUMMARY.output("{project}/deliveries.csv"),
    log:
        ALERTS_SUMMARY.log("{project}"),
    benchmark:
        ALERTS_SUMMARY.benchmark("{project}")
    resources:
        mem_mb=500,
        runtime=10,
    params:
        recipe=ALERTS_SUMMARY.document,
    message:
        "Summing up the nights of {wildcards.project}"
    script:
        "../scripts/step.py"


rule alerts_benchmark:
    input:
        truths=[f"{RAW}/alerts/{name}/truth.parquet" for name in ALERTS_SIMULATED],
        associations=alerts_all_nights(ALERTS_ASSOCIATE, "association.parquet"),
        verdicts=alerts_all_nights(ALERTS_FILTER, "verdicts.parquet"),
        alerts=alerts_all_nights(ALERTS_NIGHT, "alerts.parquet"),
        training=ALERTS.benchmark.training_set or [],
    output:
        page=report(
            ALERTS_BENCHMARK.output("{project}/benchmark.html"),
            caption="../workflow/report/alerts_benchmark.rst",
            category="Alerts",
            labels={"night": "benchmark"},
        ),
        filters=ALERTS_BENCHMARK.output("{project}/filters.csv"),
        objects=ALERTS_BENCHMARK.output("{project}/objects.csv"),
    log:
        ALERTS_BENCHMARK.log("{project}"),
    benchmark:
        ALERTS_BENCHMARK.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        recipe=ALERTS_BENCHMARK.document,
    message:
        "Comparing filters of {wildcards.project} with the truth"
    script:
        "../scripts/step.py"
