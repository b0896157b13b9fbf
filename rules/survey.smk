"""Survey light curves: from a list of positions to events, injections, efficiencies and rates."""

import os

from ephemera.survey.plugins import source_of

SURVEY = CONFIGURATION.survey
SURVEYS = sorted(set(SURVEY.surveys))
UNITS["survey"] = len(SURVEYS)
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


def survey_targets():
    """What the branch makes when it has surveys."""
    if not SURVEYS:
        return []
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
