"""Hits and stamps of narrow-band searches (seticore, COSMIC): from files to verdicts and a gallery."""

import json

from ephemera.cosmic.names import observations as cosmic_observations
from samples import Sample

COSMIC = CONFIGURATION.cosmic


def cosmic_units():
    """Observations by prefix: names of their stamps files' parts, and where they come from."""
    simulate = COSMIC.simulate
    parts, samples = {}, []
    if simulate.observations:
        scenario = {**simulate.settings(), "seed": CONFIGURATION.seed}
        location = json.dumps(scenario, sort_keys=True)
        for number in range(1, simulate.observations + 1):
            prefix = f"simulated.{number:04d}"
            parts[prefix] = [f"{part:04d}" for part in range(simulate.files)]
            samples.append(Sample(prefix, "simulate", location))
    try:
        found = cosmic_observations(COSMIC.inputs, COSMIC.recipes)
    except (FileNotFoundError, ValueError) as error:
        raise WorkflowError(f"cosmic.inputs: {error}") from None
    for prefix, observation in found.items():
        parts[prefix] = observation.parts
        samples.append(Sample(prefix, "files", ";".join(map(str, observation.paths))))
    return in_this_run("cosmic", "prefix", samples), parts


COSMIC_UNITS, COSMIC_PARTS = cosmic_units()
COSMIC_SCHEMA = ["resources/cosmic/hit.capnp", "resources/cosmic/stamp.capnp"]
COSMIC_LIMIT = {"max_message_mb": COSMIC.index.max_message_mb}

COSMIC_SIMULATE = RECIPES.step("cosmic.simulate", also={"seed": CONFIGURATION.seed})
COSMIC_FIND = RECIPES.step("cosmic.find")
COSMIC_INDEX = RECIPES.step("cosmic.index", tables=COSMIC_SCHEMA)
COSMIC_HITS = RECIPES.step("cosmic.hits", reads=[COSMIC_INDEX], also=COSMIC_LIMIT)
COSMIC_STAMPS = RECIPES.step(
    "cosmic.stamps", reads=[COSMIC_INDEX], also=COSMIC_LIMIT, tables=COSMIC_SCHEMA
)
COSMIC_EVENTS = RECIPES.step(
    "cosmic.events", reads=[COSMIC_INDEX, COSMIC_HITS, COSMIC_STAMPS]
)
COSMIC_CADENCE = RECIPES.step(
    "cosmic.cadence",
    reads=[COSMIC_EVENTS],
    also={"formats": COSMIC.events.formats},
)
COSMIC_GALLERY = RECIPES.step(
    "cosmic.gallery",
    reads=[COSMIC_INDEX, COSMIC_EVENTS],
    also={**COSMIC_LIMIT, "edge_columns": COSMIC.stamps.edge_columns},
    tables=COSMIC_SCHEMA,
)
COSMIC_SUMMARY = RECIPES.step(
    "cosmic.summary",
    reads=[COSMIC_EVENTS, COSMIC_CADENCE],
    also={
        "gallery_folder": (
            None if COSMIC.gallery.figures == "none" else COSMIC_GALLERY.folder
        )
    },
)


def cosmic_targets():
    """What the branch makes when it has observations."""
    if not COSMIC_UNITS:
        return []
    targets = [COSMIC_SUMMARY.output(f"{PROJECT}/summary.html")]
    if COSMIC.gallery.figures != "none":
        targets += expand(COSMIC_GALLERY.output("{prefix}"), prefix=COSMIC_UNITS)
    return targets


def cosmic_front():
    """What the branch shows on the front page of a run."""
    if not COSMIC_UNITS:
        return None
    galleries = [
        Product(f"gallery of {prefix}", COSMIC_GALLERY, f"{prefix}/gallery.html")
        for prefix in COSMIC_UNITS
    ]
    return Entry(
        "Narrow-band radio signals",
        f"Hits and stamps of {counted(len(COSMIC_UNITS), 'observation')}, with a reasoned verdict on each stamp.",
        (
            Product(
                "summary: verdicts, filters, antennas",
                COSMIC_SUMMARY,
                f"{PROJECT}/summary.html",
            ),
            *(galleries if COSMIC.gallery.figures != "none" else ()),
        ),
        (
            Product("completeness", COSMIC_SUMMARY, f"{PROJECT}/completeness.csv"),
            Product("bad inputs", COSMIC_SUMMARY, f"{PROJECT}/bad_inputs.csv"),
        ),
    )


wildcard_constraints:
    prefix=r"[^/]+",
    part=r"\d{4}|single",


rule cosmic_simulate:
    input:
        source=f"{RAW}/cosmic/{{prefix}}/source.json",
    output:
        files=directory(f"{RAW}/cosmic/{{prefix}}/simulated"),
        truth=f"{RAW}/cosmic/{{prefix}}/truth.json",
    log:
        COSMIC_SIMULATE.log("{prefix}"),
    benchmark:
        COSMIC_SIMULATE.benchmark("{prefix}")
    resources:
        mem_mb=500,
        runtime=10,
    params:
        recipe=COSMIC_SIMULATE.document,
    message:
        "Simulating observation {wildcards.prefix}"
    script:
        "../scripts/step.py"


def cosmic_source(wildcards):
    """Note of where an observation comes from, and the files of a simulated one."""
    folder = f"{RAW}/cosmic/{wildcards.prefix}"
    simulated = COSMIC_UNITS.get(wildcards.prefix) == "simulate"
    return {"source": f"{folder}/source.json"} | (
        {"simulated": f"{folder}/simulated"} if simulated else {}
    )


rule cosmic_find:
    input:
        unpack(cosmic_source),
    output:
        manifest=f"{RAW}/cosmic/{{prefix}}/manifest.json",
    log:
        COSMIC_FIND.log("{prefix}"),
    benchmark:
        COSMIC_FIND.benchmark("{prefix}")
    resources:
        mem_mb=300,
        runtime=60,
    params:
        recipe=COSMIC_FIND.document,
    message:
        "Noting the files of {wildcards.prefix}"
    script:
        "../scripts/step.py"


rule cosmic_index:
    input:
        manifest=f"{RAW}/cosmic/{{prefix}}/manifest.json",
    output:
        note=COSMIC_INDEX.output("{prefix}/files.json"),
        messages=COSMIC_INDEX.output("{prefix}/messages.parquet"),
        bad_inputs=COSMIC_INDEX.output("{prefix}/bad_inputs.parquet"),
    log:
        COSMIC_INDEX.log("{prefix}"),
    benchmark:
        COSMIC_INDEX.benchmark("{prefix}")
    resources:
        mem_mb=400,
        runtime=10,
    params:
        recipe=COSMIC_INDEX.document,
    message:
        "Finding messages and recipes of {wildcards.prefix}"
    script:
        "../scripts/step.py"


def cosmic_hit_memory(wildcards, input):
    """Memory of a hits job, MB: the libraries and about a kilobyte a hit."""
    note = json.loads(Path(input.note).read_text(encoding="utf-8"))
    return 400 + note["n_hits"] // 800


rule cosmic_hits:
    input:
        note=COSMIC_INDEX.output("{prefix}/files.json"),
    output:
        hits=COSMIC_HITS.output("{prefix}/hits.parquet"),
        bad_inputs=COSMIC_HITS.output("{prefix}/bad_inputs.parquet"),
    log:
        COSMIC_HITS.log("{prefix}"),
    benchmark:
        COSMIC_HITS.benchmark("{prefix}")
    resources:
        mem_mb=cosmic_hit_memory,
        runtime=10,
    params:
        recipe=COSMIC_HITS.document,
    message:
        "Reading the hits of {wildcards.prefix}"
    script:
        "../scripts/step.py"


def cosmic_stamp_memory(wildcards, input):
    """Memory of a stamps job, MB: the libraries and a few copies of the largest message of its file."""
    note = json.loads(Path(input.note).read_text(encoding="utf-8"))
    return (
        300 + 4 * note["parts"].get(wildcards.part, {"largest": 0})["largest"] // 2**20
    )


rule cosmic_stamps:
    input:
        note=COSMIC_INDEX.output("{prefix}/files.json"),
        messages=COSMIC_INDEX.output("{prefix}/messages.parquet"),
    output:
        stamps=COSMIC_STAMPS.output("{prefix}/{part}/stamps.parquet"),
        antennas=COSMIC_STAMPS.output("{prefix}/{part}/antennas.parquet"),
        beams=COSMIC_STAMPS.output("{prefix}/{part}/beams.parquet"),
        bad_inputs=COSMIC_STAMPS.output("{prefix}/{part}/bad_inputs.parquet"),
    log:
        COSMIC_STAMPS.log("{prefix}/{part}"),
    benchmark:
        COSMIC_STAMPS.benchmark("{prefix}/{part}")
    resources:
        mem_mb=cosmic_stamp_memory,
        runtime=30,
    params:
        recipe=COSMIC_STAMPS.document,
    message:
        "Measuring and judging the stamps of {wildcards.prefix}, file {wildcards.part}"
    script:
        "../scripts/step.py"


def cosmic_stamp_tables(name):
    """Table `name` of all stamps files of an observation."""
    return lambda wildcards: expand(
        COSMIC_STAMPS.output(f"{{prefix}}/{{part}}/{name}.parquet"),
        prefix=wildcards.prefix,
        part=COSMIC_PARTS[wildcards.prefix],
    )


rule cosmic_events:
    input:
        index_bad_inputs=COSMIC_INDEX.output("{prefix}/bad_inputs.parquet"),
        hits=COSMIC_HITS.output("{prefix}/hits.parquet"),
        hits_bad_inputs=COSMIC_HITS.output("{prefix}/bad_inputs.parquet"),
        stamps=cosmic_stamp_tables("stamps"),
        antennas=cosmic_stamp_tables("antennas"),
        beams=cosmic_stamp_tables("beams"),
        stamps_bad_inputs=cosmic_stamp_tables("bad_inputs"),
    output:
        hits=COSMIC_EVENTS.output("{prefix}/hits.parquet"),
        stamps=COSMIC_EVENTS.output("{prefix}/stamps.parquet"),
        antennas=COSMIC_EVENTS.output("{prefix}/antennas.parquet"),
        beams=COSMIC_EVENTS.output("{prefix}/beams.parquet"),
        filter_counts=COSMIC_EVENTS.output("{prefix}/filter_counts.parquet"),
        bad_inputs=COSMIC_EVENTS.output("{prefix}/bad_inputs.parquet"),
        tables=directory(COSMIC_EVENTS.output("{prefix}/tables")),
    log:
        COSMIC_EVENTS.log("{prefix}"),
    benchmark:
        COSMIC_EVENTS.benchmark("{prefix}")
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        recipe=COSMIC_EVENTS.document,
    message:
        "Joining hits and stamps of {wildcards.prefix}: copies, repeats, many beams"
    script:
        "../scripts/step.py"


rule cosmic_cadence:
    input:
        hits=expand(
            COSMIC_EVENTS.output("{prefix}/hits.parquet"),
            prefix=[p for p in COSMIC.cadence.prefixes if p in COSMIC_UNITS],
        ),
    output:
        events=COSMIC_CADENCE.output("{project}/events.parquet"),
        filter_counts=COSMIC_CADENCE.output("{project}/filter_counts.parquet"),
        tables=directory(COSMIC_CADENCE.output("{project}/tables")),
    log:
        COSMIC_CADENCE.log("{project}"),
    benchmark:
        COSMIC_CADENCE.benchmark("{project}")
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        recipe=COSMIC_CADENCE.document,
    message:
        "Looking for signals of {wildcards.project} that follow the cadence"
    script:
        "../scripts/step.py"


rule cosmic_gallery:
    input:
        messages=COSMIC_INDEX.output("{prefix}/messages.parquet"),
        hits=COSMIC_EVENTS.output("{prefix}/hits.parquet"),
        stamps=COSMIC_EVENTS.output("{prefix}/stamps.parquet"),
        antennas=COSMIC_EVENTS.output("{prefix}/antennas.parquet"),
        beams=COSMIC_EVENTS.output("{prefix}/beams.parquet"),
        filter_counts=COSMIC_EVENTS.output("{prefix}/filter_counts.parquet"),
        bad_inputs=COSMIC_EVENTS.output("{prefix}/bad_inputs.parquet"),
    output:
        pages=directory(COSMIC_GALLERY.output("{prefix}")),
    log:
        COSMIC_GALLERY.log("{prefix}"),
    benchmark:
        COSMIC_GALLERY.benchmark("{prefix}")
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        recipe=COSMIC_GALLERY.document,
    message:
        "Drawing the gallery of {wildcards.prefix}"
    script:
        "../scripts/step.py"


rule cosmic_summary:
    input:
        hits=expand(COSMIC_EVENTS.output("{prefix}/hits.parquet"), prefix=COSMIC_UNITS),
        stamps=expand(
            COSMIC_EVENTS.output("{prefix}/stamps.parquet"), prefix=COSMIC_UNITS
        ),
        filter_counts=expand(
            COSMIC_EVENTS.output("{prefix}/filter_counts.parquet"), prefix=COSMIC_UNITS
        ),
        bad_inputs=expand(
            COSMIC_EVENTS.output("{prefix}/bad_inputs.parquet"), prefix=COSMIC_UNITS
        ),
        truths=[
            f"{RAW}/cosmic/{prefix}/truth.json"
            for prefix, source in COSMIC_UNITS.items()
            if source == "simulate"
        ],
        events=COSMIC_CADENCE.output("{project}/events.parquet"),
        cadence_counts=COSMIC_CADENCE.output("{project}/filter_counts.parquet"),
    output:
        page=report(
            COSMIC_SUMMARY.output("{project}/summary.html"),
            caption="../workflow/report/cosmic_summary.rst",
            category="COSMIC",
            labels={"observation": "all", "page": "summary"},
        ),
        completeness=COSMIC_SUMMARY.output("{project}/completeness.csv"),
        filter_counts=COSMIC_SUMMARY.output("{project}/filter_counts.csv"),
        bad_inputs=COSMIC_SUMMARY.output("{project}/bad_inputs.csv"),
        antennas=COSMIC_SUMMARY.output("{project}/antenna_tally.csv"),
    log:
        COSMIC_SUMMARY.log("{project}"),
    benchmark:
        COSMIC_SUMMARY.benchmark("{project}")
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        recipe=COSMIC_SUMMARY.document,
    message:
        "Summarising the observations of {wildcards.project}"
    script:
        "../scripts/step.py"
