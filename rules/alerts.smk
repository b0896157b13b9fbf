"""Survey alerts: from deliveries of packets to loci, filters, streams, pages and a nightly account."""

import json

ALERTS = CONFIGURATION.alerts
ALERTS_UNITS = units_of(
    "alerts",
    ALERTS.samples,
    "delivery",
    r"[A-Za-z0-9][A-Za-z0-9_-]*",
    kinds=("folder", "files", "simulate"),
)
ALERTS_FILES = [
    path
    for files in ALERTS.filter.files.values()
    for path in files.values()
    if ALERTS_UNITS
]
ALERTS_OWN_FILTERS = [
    name.rpartition(":")[0]
    for name in ALERTS.filter.run
    if ALERTS_UNITS and ".py:" in name
]
ALERTS_CATALOGUES = [
    catalogue.file
    for catalogue in ALERTS.crossmatch.catalogues
    if Path(catalogue.file).is_file()
]
ALERTS_SIMULATED = sorted(
    name for name, source in ALERTS_UNITS.items() if source == "simulate"
)
ALERTS_BENCHED = bool(ALERTS_SIMULATED or ALERTS.benchmark.training_set)

ALERTS_SIMULATE = RECIPES.step("alerts.simulate", also={"seed": CONFIGURATION.seed})
ALERTS_COLLECT = RECIPES.step("alerts.collect")
ALERTS_DECODE = RECIPES.step("alerts.decode")
ALERTS_NIGHT = RECIPES.step("alerts.night", reads=[ALERTS_DECODE])
ALERTS_ASSOCIATE = RECIPES.step(
    "alerts.associate",
    reads=[ALERTS_NIGHT],
    tables=[ALERTS.associate.split] if ALERTS_UNITS else [],
)
ALERTS_CROSSMATCH = RECIPES.step("alerts.crossmatch", reads=[ALERTS_ASSOCIATE])
ALERTS_FILTER = RECIPES.step(
    "alerts.filter",
    reads=[ALERTS_ASSOCIATE, ALERTS_CROSSMATCH],
    tables=ALERTS_FILES + ALERTS_OWN_FILTERS,
)


def alerts_targets():
    """What the branch makes when it has deliveries."""
    if not ALERTS_UNITS:
        return []
    targets = [ALERTS_SUMMARY.output(f"{PROJECT}/index.html")]
    if ALERTS_BENCHED:
        targets.append(ALERTS_BENCHMARK.output(f"{PROJECT}/benchmark.html"))
    return targets


def alerts_front():
    """What the branch shows on the front page of a run."""
    if not ALERTS_UNITS:
        return None
    pages = [Product("all nights", ALERTS_SUMMARY, f"{PROJECT}/index.html")]
    if ALERTS_BENCHED:
        pages.append(
            Product(
                "how filters do on known objects",
                ALERTS_BENCHMARK,
                f"{PROJECT}/benchmark.html",
            )
        )
    return Entry(
        "Survey alerts",
        f"{counted(len(ALERTS_UNITS), 'delivery', 'deliveries')} of alert packets: loci, filters, tags, night by night.",
        tuple(pages),
        (
            Product("nights", ALERTS_SUMMARY, f"{PROJECT}/nights.csv"),
            Product("deliveries", ALERTS_SUMMARY, f"{PROJECT}/deliveries.csv"),
        ),
    )


wildcard_constraints:
    delivery=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    night=r"-?\d+",


ALERTS_NIGHTS = {}


def alerts_nights():
    """Nights, each with the deliveries that hold some of it; known when all are decoded."""
    nights = {}
    for delivery in ALERTS_UNITS:
        path = checkpoints.alerts_decode.get(delivery=delivery).output.list
        look = (path, Path(path).stat().st_mtime_ns)
        if look not in ALERTS_NIGHTS:
            ALERTS_NIGHTS[look] = json.loads(Path(path).read_text())["nights"]
        for entry in ALERTS_NIGHTS[look]:
            nights.setdefault(entry["night"], []).append(delivery)
    return dict(sorted(nights.items()))


def alerts_before(night):
    """The night before in the chain, None for the first."""
    return max((n for n in alerts_nights() if n < int(night)), default=None)


def alerts_of_night(recipe, name, wildcards):
    """Path of what a step makes of the wildcards' night."""
    return recipe.output(f"{wildcards.project}/{wildcards.night}.{name}")


def alerts_previous(recipe, wildcards, name="state"):
    """The state that a step left on the night before, if there was one."""
    before = alerts_before(wildcards.night)
    if before is None:
        return {}
    return {"previous": recipe.output(f"{wildcards.project}/{before}.{name}")}


def alerts_all_nights(recipe, name):
    """Paths of what a step makes of all nights."""
    return lambda wildcards: [
        recipe.output(f"{wildcards.project}/{night}.{name}")
        for night in alerts_nights()
    ]


rule alerts_simulate:
    input:
        source=f"{RAW}/alerts/{{delivery}}/source.json",
        curves=ALERTS.simulate.light_curves,
        fake=[] if ALERTS.simulate.fake in (None, "invented") else ALERTS.simulate.fake,
    output:
        alerts=f"{RAW}/alerts/{{delivery}}/alerts.parquet",
        truth=f"{RAW}/alerts/{{delivery}}/truth.parquet",
    log:
        ALERTS_SIMULATE.log("{delivery}"),
    benchmark:
        ALERTS_SIMULATE.benchmark("{delivery}")
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        recipe=ALERTS_SIMULATE.document,
    message:
        "Simulating the alerts of {wildcards.delivery}"
    script:
        "../scripts/step.py"


def alerts_source(wildcards):
    """Note of where a delivery comes from, and the alerts of a simulated one."""
    folder = f"{RAW}/alerts/{wildcards.delivery}"
    simulated = ALERTS_UNITS.get(wildcards.delivery) == "simulate"
    return {"source": f"{folder}/source.json"} | (
        {"alerts": f"{folder}/alerts.parquet"} if simulated else {}
    )


rule alerts_collect:
    input:
        unpack(alerts_source),
    output:
        manifest=f"{RAW}/alerts/{{delivery}}/manifest.json",
    log:
        ALERTS_COLLECT.log("{delivery}"),
    benchmark:
        ALERTS_COLLECT.benchmark("{delivery}")
    resources:
        mem_mb=500,
        runtime=10,
    params:
        recipe=ALERTS_COLLECT.document,
    message:
        "Listing the files of delivery {wildcards.delivery}"
    script:
        "../scripts/step.py"


checkpoint alerts_decode:
    input:
        manifest=f"{RAW}/alerts/{{delivery}}/manifest.json",
    output:
        nights=directory(ALERTS_DECODE.output("{delivery}.nights")),
        account=ALERTS_DECODE.output("{delivery}.account.parquet"),
        quarantine=ALERTS_DECODE.output("{delivery}.quarantine.parquet"),
        list=ALERTS_DECODE.output("{delivery}.nights.json"),
    log:
        ALERTS_DECODE.log("{delivery}"),
    benchmark:
        ALERTS_DECODE.benchmark("{delivery}")
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        recipe=ALERTS_DECODE.document,
    message:
        "Decoding the packets of delivery {wildcards.delivery}"
    script:
        "../scripts/step.py"


rule alerts_night:
    input:
        deliveries=lambda wildcards: [
            ALERTS_DECODE.output(f"{delivery}.nights")
            for delivery in alerts_nights().get(int(wildcards.night), [])
        ],
    output:
        alerts=ALERTS_NIGHT.output("{project}/{night}.alerts.parquet"),
        changed=ALERTS_NIGHT.output("{project}/{night}.changed.parquet"),
        account=ALERTS_NIGHT.output("{project}/{night}.account.json"),
    log:
        ALERTS_NIGHT.log("{project}/{night}"),
    benchmark:
        ALERTS_NIGHT.benchmark("{project}/{night}")
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        recipe=ALERTS_NIGHT.document,
    message:
        "Bringing together the alerts of night {wildcards.night}"
    script:
        "../scripts/step.py"


rule alerts_associate:
    input:
        unpack(lambda wildcards: alerts_previous(ALERTS_ASSOCIATE, wildcards)),
        alerts=ALERTS_NIGHT.output("{project}/{night}.alerts.parquet"),
    output:
        state=directory(ALERTS_ASSOCIATE.output("{project}/{night}.state")),
        association=ALERTS_ASSOCIATE.output("{project}/{night}.association.parquet"),
        conflicts=ALERTS_ASSOCIATE.output("{project}/{night}.conflicts.parquet"),
        merges=ALERTS_ASSOCIATE.output("{project}/{night}.merges.parquet"),
        aliases=ALERTS_ASSOCIATE.output("{project}/{night}.aliases.parquet"),
        account=ALERTS_ASSOCIATE.output("{project}/{night}.account.json"),
    log:
        ALERTS_ASSOCIATE.log("{project}/{night}"),
    benchmark:
        ALERTS_ASSOCIATE.benchmark("{project}/{night}")
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        recipe={**ALERTS_ASSOCIATE.document, "rebuild_from": ALERTS.rebuild_from},
    message:
        "Joining the alerts of night {wildcards.night} to loci"
    script:
        "../scripts/step.py"


rule alerts_crossmatch:
    input:
        unpack(lambda wildcards: alerts_previous(ALERTS_CROSSMATCH, wildcards)),
        alerts=ALERTS_NIGHT.output("{project}/{night}.alerts.parquet"),
        state=ALERTS_ASSOCIATE.output("{project}/{night}.state"),
        catalogues=ALERTS_CATALOGUES,
    output:
        state=directory(ALERTS_CROSSMATCH.output("{project}/{night}.state")),
    log:
        ALERTS_CROSSMATCH.log("{project}/{night}"),
    benchmark:
        ALERTS_CROSSMATCH.benchmark("{project}/{night}")
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        recipe=ALERTS_CROSSMATCH.document,
    message:
        "Matching the loci of night {wildcards.night} to catalogues"
    script:
        "../scripts/step.py"


rule alerts_filter:
    input:
        unpack(lambda wildcards: alerts_previous(ALERTS_FILTER, wildcards)),
        alerts=ALERTS_NIGHT.output("{project}/{night}.alerts.parquet"),
        state=ALERTS_ASSOCIATE.output("{project}/{night}.state"),
        association=ALERTS_ASSOCIATE.output("{project}/{night}.association.parquet"),
        aliases=ALERTS_ASSOCIATE.output("{project}/{night}.aliases.parquet"),
        matches=ALERTS_CROSSMATCH.output("{project}/{night}.state"),
    output:
        state=directory(ALERTS_FILTER.output("{project}/{night}.state")),
        verdicts=ALERTS_FILTER.output("{project}/{night}.verdicts.parquet"),
        loci=ALERTS_FILTER.output("{project}/{night}.loci.parquet"),
        past=ALERTS_FILTER.output("{project}/{night}.past.parquet"),
        counts=ALERTS_FILTER.output("{project}/{night}.counts.json"),
        times=ALERTS_FILTER.output("{project}/{night}.times.json"),
    log:
        ALERTS_FILTER.log("{project}/{night}"),
    benchmark:
        ALERTS_FILTER.benchmark("{project}/{night}")
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        recipe=ALERTS_FILTER.document,
    message:
        "Running the filters on night {wildcards.night}"
    script:
        "../scripts/step.py"
