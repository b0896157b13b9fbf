"""Survey light curves: from a list of positions to events, injections, efficiencies and rates."""

import os

from ephemera.survey.plugins import source_of

SURVEY = CONFIGURATION.survey
SURVEYS = sorted(set(SURVEY.surveys))
SURVEY_STORE = SURVEY.data_root or os.environ.get("EPHEMERA_DATA") or f"{RAW}/survey"
SURVEY_DOWNLOAD = f"{RAW}/survey/catalogue"


def survey_plugin_tables(*kinds):
    """Files of the plug-ins of some kinds; their content is part of the keys."""
    named = (getattr(SURVEY.plugins, kind) for kind in kinds)
    return [source_of(reference) for reference in named if reference]


def survey_plugins(*kinds):
    """Options that name plug-ins of some kinds, for the steps that use them."""
    chosen = {f"{kind}_plugin": getattr(SURVEY.plugins, kind) for kind in kinds}
    chosen["max_failures"] = SURVEY.fetch.max_failures
    chosen["options"] = (
        SURVEY.plugins.options
        if any(chosen[f"{kind}_plugin"] for kind in kinds)
        else {}
    )
    return chosen


def survey_unhashed(recipe, **settings):
    """A recipe's document with options that change no result, such as time limits and folders."""
    return {
        **recipe.document,
        "parameters": {**recipe.document["parameters"], **settings},
    }


def survey_asking(recipe, **settings):
    """The document of a step that asks archives and looks into the raw store."""
    return survey_unhashed(
        recipe,
        **SURVEY.network.settings(),
        data_root=SURVEY_STORE,
        ra_minutes=SURVEY.ra_minutes,
        ra_seconds=SURVEY.ra_seconds,
        lock_folder=f"{RAW}/survey",
        **settings,
    )


SURVEY_GAIA = RECIPES.step(
    "survey.gaia", also={"catalogue": SURVEY.catalogue.settings()}
)
SURVEY_CATALOGUE = RECIPES.step(
    "survey.catalogue", reads=[SURVEY_GAIA] if SURVEY.gaia.enabled else []
)
SURVEY_POPULATE = RECIPES.step("survey.populate", reads=[SURVEY_CATALOGUE])
SURVEY_REQUEST = RECIPES.step(
    "survey.request", also={"ztf_forced": SURVEY.fetch.ztf_forced.settings()}
)
SURVEY_FETCH = RECIPES.step(
    "survey.fetch",
    also=survey_plugins("survey"),
    tables=survey_plugin_tables("survey"),
)
SURVEY_REDUCE = RECIPES.step(
    "survey.reduce",
    reads=[SURVEY_FETCH],
    also=survey_plugins("survey"),
    tables=survey_plugin_tables("survey"),
)
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


def survey_targets():
    """What the branch makes when it has surveys."""
    if not SURVEYS:
        return []
    UNITS["survey"] = len(SURVEYS)
    targets = [SURVEY_REPORT.output(f"{PROJECT}")]
    if SURVEY.search.finder.method == "matched":
        targets.append(SURVEY_TEMPLATES.output("bank.nc"))
    if SURVEY.export_postgres.enabled:
        targets.append(SURVEY_EXPORT_POSTGRES.output(f"{PROJECT}.json"))
    return targets


def survey_front():
    """What the branch shows on the front page of a run."""
    if not SURVEYS:
        return None
    return Entry(
        "Survey light curves",
        f"Flares and dips in light curves of {', '.join(SURVEYS)}, and how many of those injected are found.",
        (
            Product(
                "light curves, detections, efficiencies, rates",
                SURVEY_REPORT,
                f"{PROJECT}/index.html",
            ),
        ),
        tuple(
            Product(f"{name}.parquet", SURVEY_TABLES, f"{PROJECT}/{name}.parquet")
            for name in ("source", "curve", "detection", "injection", "efficiency")
        ),
    )


def survey_note(recipe, name, *, failed=False):
    """Note of how often an output was tried; another one when the last attempt was not complete."""
    note = Path(RAW, "survey", "notes", recipe.key, f"{name}.json")
    note_attempt(note, Path(recipe.output(f"{name}.again")), failed=failed)
    return str(note)


if MAIN_PROCESS and SURVEYS and not SURVEY.network.offline:
    for recipe in (SURVEY_FETCH, SURVEY_GAIA):
        for mark in Path(recipe.folder).rglob("*.again"):
            name = str(mark.relative_to(recipe.folder)).removesuffix(".again")
            survey_note(recipe, name, failed=True)


wildcard_constraints:
    survey=r"[A-Z][A-Z0-9]*",
    batch=r"RA\d{3}\.\d+-[0-9a-f]{12}",


def survey_catalogue_file(wildcards):
    """The catalogue's file: the one named, or the one that is fetched from its address."""
    settings = SURVEY.catalogue
    if settings.file:
        return {"catalogue": settings.file}
    if settings.url or settings.default == "WD":
        return {"catalogue": survey_catalogue_name()}
    return {}


def survey_catalogue_name():
    """Where a catalogue from an address is kept."""
    from ephemera.survey.catalogue import WD_URL

    address = SURVEY.catalogue.url or WD_URL
    return f"{SURVEY_DOWNLOAD}/{address.rstrip('/').rpartition('/')[2]}"


SURVEY_CATALOGUE_DOWNLOAD = RECIPES.step(
    "survey.catalogue_download",
    also={"url": SURVEY.catalogue.url, "default": SURVEY.catalogue.default},
)


rule survey_catalogue_download:
    output:
        catalogue=f"{RAW}/survey/catalogue/{{file}}",
    log:
        SURVEY_CATALOGUE_DOWNLOAD.log("{file}"),
    benchmark:
        SURVEY_CATALOGUE_DOWNLOAD.benchmark("{file}")
    resources:
        mem_mb=500,
        runtime=120,
    params:
        recipe=survey_unhashed(
            SURVEY_CATALOGUE_DOWNLOAD,
            **SURVEY.network.settings(),
            lock_folder=f"{RAW}/survey",
        ),
    message:
        "Getting the catalogue {wildcards.file}"
    script:
        "../scripts/step.py"


def survey_gaia_inputs(wildcards):
    """The catalogue's file and the note of tries."""
    note = survey_note(SURVEY_GAIA, wildcards.project)
    return {**survey_catalogue_file(wildcards), "note": note}


rule survey_gaia:
    input:
        unpack(survey_gaia_inputs),
    output:
        matches=SURVEY_GAIA.output("{project}.parquet"),
    log:
        SURVEY_GAIA.log("{project}"),
    benchmark:
        SURVEY_GAIA.benchmark("{project}")
    resources:
        mem_mb=1500,
        runtime=600,
    params:
        recipe=survey_asking(
            SURVEY_GAIA, refetch=SURVEY.fetch.refetch, shard=CONFIGURATION.shard
        ),
    message:
        "Asking the Gaia archive for the sources of {wildcards.project}"
    script:
        "../scripts/step.py"


def survey_catalogue_inputs(wildcards):
    """The catalogue's file and, where it is asked for, what the Gaia archive adds."""
    inputs = survey_catalogue_file(wildcards)
    if SURVEY.gaia.enabled:
        inputs["gaia"] = SURVEY_GAIA.output(f"{wildcards.project}.parquet")
    return inputs


checkpoint survey_catalogue:
    input:
        unpack(survey_catalogue_inputs),
    output:
        sources=SURVEY_CATALOGUE.output("{project}/source.parquet"),
        rejected=SURVEY_CATALOGUE.output("{project}/rejected.csv"),
        batches=directory(SURVEY_CATALOGUE.output("{project}/batches")),
    log:
        SURVEY_CATALOGUE.log("{project}"),
    benchmark:
        SURVEY_CATALOGUE.benchmark("{project}")
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        recipe=survey_unhashed(
            SURVEY_CATALOGUE,
            batch=SURVEY.batch,
            batch_degrees=SURVEY.batch_degrees,
            shard=CONFIGURATION.shard,
        ),
    message:
        "Reading the catalogue of {wildcards.project}"
    script:
        "../scripts/step.py"


def survey_batch_file(wildcards):
    """The sources of a batch; the name of a batch tells its content, so that its age means nothing."""
    return ancient(
        SURVEY_CATALOGUE.output(f"{PROJECT}/batches/{wildcards.batch}.parquet")
    )


def survey_batches():
    """Names of all batches, once the catalogue is read."""
    folder = Path(checkpoints.survey_catalogue.get(project=PROJECT).output.batches)
    return sorted(path.stem for path in folder.glob("*.parquet"))


def survey_of_all(pattern):
    """An output of every survey and batch."""
    return lambda wildcards: expand(pattern, survey=SURVEYS, batch=survey_batches())


rule survey_populate:
    input:
        sources=SURVEY_CATALOGUE.output("{project}/source.parquet"),
    output:
        raw=SURVEY_POPULATE.output("{project}/raw.parquet"),
        orphans=SURVEY_POPULATE.output("{project}/orphans.csv"),
    log:
        SURVEY_POPULATE.log("{project}"),
    benchmark:
        SURVEY_POPULATE.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        recipe=survey_unhashed(SURVEY_POPULATE, data_root=SURVEY_STORE, surveys=SURVEYS),
    message:
        "Looking for raw files of {wildcards.project} on disk"
    script:
        "../scripts/step.py"


def survey_fetch_inputs(wildcards):
    """The sources of a batch, the note of tries, and what was found on disk where that was looked for."""
    inputs = {
        "batch": survey_batch_file(wildcards),
        "note": survey_note(SURVEY_FETCH, f"{wildcards.survey}/{wildcards.batch}"),
    }
    if SURVEY.populate.enabled:
        inputs["populated"] = SURVEY_POPULATE.output(f"{PROJECT}/raw.parquet")
    if wildcards.survey == "ZTFFORCED":
        inputs["placed"] = SURVEY_REQUEST.output(
            f"{wildcards.survey}/{wildcards.batch}.json"
        )
    return inputs


rule survey_request:
    input:
        batch=survey_batch_file,
    output:
        placed=SURVEY_REQUEST.output("{survey}/{batch}.json"),
    log:
        SURVEY_REQUEST.log("{survey}/{batch}"),
    benchmark:
        SURVEY_REQUEST.benchmark("{survey}/{batch}")
    resources:
        mem_mb=500,
        runtime=120,
    params:
        recipe=survey_asking(SURVEY_REQUEST),
    message:
        "Requesting {wildcards.survey} rows of batch {wildcards.batch}"
    script:
        "../scripts/step.py"


rule survey_fetch:
    input:
        unpack(survey_fetch_inputs),
    output:
        raw=SURVEY_FETCH.output("{survey}/{batch}.parquet"),
    log:
        SURVEY_FETCH.log("{survey}/{batch}"),
    benchmark:
        SURVEY_FETCH.benchmark("{survey}/{batch}")
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        recipe=survey_asking(SURVEY_FETCH),
    message:
        "Getting the {wildcards.survey} rows of batch {wildcards.batch}"
    script:
        "../scripts/step.py"


rule survey_reduce:
    input:
        batch=survey_batch_file,
        raw=SURVEY_FETCH.output("{survey}/{batch}.parquet"),
    output:
        curves=SURVEY_REDUCE.output("{survey}/{batch}.curves.parquet"),
        outcomes=SURVEY_REDUCE.output("{survey}/{batch}.outcomes.parquet"),
    log:
        SURVEY_REDUCE.log("{survey}/{batch}"),
    benchmark:
        SURVEY_REDUCE.benchmark("{survey}/{batch}")
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        recipe=SURVEY_REDUCE.document,
    message:
        "Reducing {wildcards.survey} light curves of batch {wildcards.batch}"
    script:
        "../scripts/step.py"


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
