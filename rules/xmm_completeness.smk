"""How complete and how pure the XMM search is: injections, false alarms, what was found of what was put in."""

XMM_INJECTED = list(XMM_UNITS) if XMM.inject.trials else []
XMM_TESTED = (
    list(XMM_UNITS) if XMM.false_alarms.draws or XMM.false_alarms.shuffles else []
)

# A trial is a whole search, so it goes by all options of one.
XMM_WHOLE_SEARCH = {
    "events": XMM.events.settings(),
    "cube": XMM.cube.settings(),
    "expectation": XMM.expectation.settings(),
    "detect": XMM.detect.settings(),
    "regions": XMM.regions.settings(),
    "features": XMM.features.settings(),
    "seed": CONFIGURATION.seed,
}
XMM_INJECT = RECIPES.step(
    "xmm.inject",
    reads=[XMM_EVENTS],
    also={
        **XMM_WHOLE_SEARCH,
        "inject": XMM.inject.settings(),
        "recover": XMM.recover.settings(),
    },
    tables=[*(XMM_HOT_PIXELS or []), XMM.inject.spectrum_table],
)
XMM_FALSE_ALARMS = RECIPES.step(
    "xmm.false_alarms",
    reads=[XMM_EVENTS, XMM_CUBE, XMM_EXPECTATION],
    also={**XMM_WHOLE_SEARCH, "false_alarms": XMM.false_alarms.settings()},
)
XMM_RECOVER = RECIPES.step(
    "xmm.recover",
    reads=[XMM_SIMULATE, XMM_CATALOGUE, XMM_INJECT, XMM_FALSE_ALARMS],
    also={"threshold_sigma": XMM.detect.threshold_sigma},
)
XMM_PURITY = RECIPES.step("xmm.purity", reads=[XMM_CATALOGUE, XMM_FALSE_ALARMS])


def xmm_completeness_targets():
    """What is made of simulated or injected bursts, and of searches where nothing is."""
    targets = []
    if XMM_SIMULATED or XMM_INJECTED:
        targets.append(XMM_RECOVER.output(f"{PROJECT}.recovery.parquet"))
    if XMM_TESTED:
        targets.append(XMM_PURITY.output(f"{PROJECT}.purity.parquet"))
    return targets


def xmm_completeness_products():
    """Tables of completeness and purity on the front page of a run."""
    products = []
    if XMM_SIMULATED:
        text = "injected bursts and eclipses, with what was found"
        products.append(Product(text, XMM_RECOVER, f"{PROJECT}.recovery.parquet"))
    if XMM_INJECTED:
        text = "shares found of what was injected"
        products.append(Product(text, XMM_RECOVER, f"{PROJECT}.completeness.parquet"))
    if XMM_TESTED:
        text = "purity of what was found"
        products.append(Product(text, XMM_PURITY, f"{PROJECT}.purity.parquet"))
    return products


rule xmm_inject:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
    output:
        injections=XMM_INJECT.output("{obsid}.injections.parquet"),
        found=XMM_INJECT.output("{obsid}.found.parquet"),
    log:
        XMM_INJECT.log("{obsid}"),
    benchmark:
        XMM_INJECT.benchmark("{obsid}")
    resources:
        mem_mb=memory(least=1000, per_input=20),
        runtime=240,
    params:
        recipe=XMM_INJECT.document,
    message:
        "Injecting bursts and eclipses into {wildcards.obsid} and searching it again"
    script:
        "../scripts/step.py"


rule xmm_false_alarms:
    input:
        events=XMM_EVENTS.output("{obsid}.h5"),
        cube=XMM_CUBE.output("{obsid}.h5"),
        expectation=XMM_EXPECTATION.output("{obsid}.h5"),
    output:
        false_alarms=XMM_FALSE_ALARMS.output("{obsid}.false_alarms.parquet"),
    log:
        XMM_FALSE_ALARMS.log("{obsid}"),
    benchmark:
        XMM_FALSE_ALARMS.benchmark("{obsid}")
    resources:
        mem_mb=memory(least=1000, per_input=20),
        runtime=240,
    params:
        recipe=XMM_FALSE_ALARMS.document,
    message:
        "Searching draws and shuffled events of {wildcards.obsid}, where nothing is"
    script:
        "../scripts/step.py"


rule xmm_recover:
    input:
        truths=expand(f"{RAW}/xmm/{{obsid}}/truth.json", obsid=XMM_SIMULATED),
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        injections=expand(
            XMM_INJECT.output("{obsid}.injections.parquet"), obsid=XMM_INJECTED
        ),
        found=expand(XMM_INJECT.output("{obsid}.found.parquet"), obsid=XMM_INJECTED),
        false_alarms=expand(
            XMM_FALSE_ALARMS.output("{obsid}.false_alarms.parquet"),
            obsid=XMM_TESTED,
        ),
    output:
        recovery=XMM_RECOVER.output("{project}.recovery.parquet"),
        completeness=XMM_RECOVER.output("{project}.completeness.parquet"),
        fluences=XMM_RECOVER.output("{project}.fluences.parquet"),
        biases=XMM_RECOVER.output("{project}.biases.parquet"),
        search_modes=XMM_RECOVER.output("{project}.search_modes.parquet"),
        figures=report(
            directory(XMM_RECOVER.output("{project}.figures")),
            patterns=["{figure}.png"],
            caption="../workflow/report/xmm_recover.rst",
            category="XMM-Newton",
            subcategory="completeness",
            labels={"figure": "{figure}"},
        ),
    log:
        XMM_RECOVER.log("{project}"),
    benchmark:
        XMM_RECOVER.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        recipe=XMM_RECOVER.document,
        radius_arcsec=XMM.recover.radius_arcsec,
    message:
        "Comparing what was simulated or injected with what was found"
    script:
        "../scripts/step.py"


rule xmm_purity:
    input:
        runs=XMM_CATALOGUE.output("{project}/runs.parquet"),
        detections=XMM_CATALOGUE.output("{project}/detections.parquet"),
        false_alarms=expand(
            XMM_FALSE_ALARMS.output("{obsid}.false_alarms.parquet"),
            obsid=XMM_TESTED,
        ),
    output:
        purity=XMM_PURITY.output("{project}.purity.parquet"),
        false_alarms=XMM_PURITY.output("{project}.false_alarms.parquet"),
        figure=report(
            XMM_PURITY.output("{project}.false_alarms.png"),
            caption="../workflow/report/xmm_purity.rst",
            category="XMM-Newton",
            subcategory="purity",
            labels={"figure": "false_alarms"},
        ),
    log:
        XMM_PURITY.log("{project}"),
    benchmark:
        XMM_PURITY.benchmark("{project}")
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        recipe=XMM_PURITY.document,
        draws=XMM.false_alarms.draws,
    message:
        "Comparing what was found in {wildcards.project} with what chance gives"
    script:
        "../scripts/step.py"
