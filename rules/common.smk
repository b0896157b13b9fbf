"""What all branches share: the validated configuration, recipes, sample sheets, versions."""

import json
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import ExecMode

from clock import mend_times, was_set_back
from ephemera.config.load import ConfigurationError, load
from ephemera.recipes.code import code_digest
from ephemera.recipes.recipe import configuration_hash
from ephemera.recipes.versions import folder_name
from cut_off import runner, running_first
from large_plans import prepare, start_at_once
from memory import memory
from notes import note_attempt, read_note
from ephemera.report import Entry, Product, write_front
from ephemera.words import counted
from recipes import Recipes
from samples import KINDS, SampleSheetError, in_shard, note_sources, read_samples

prepare()

# Jobs on a cluster parse the workflow again; only the process that the user started takes notes.
MAIN_PROCESS = workflow.exec_mode == ExecMode.DEFAULT
STARTED_BY_USER = (
    MAIN_PROCESS and not workflow.output_settings.dryrun and not running_first()
)

try:
    CONFIGURATION = load(config)
    RECIPES = Recipes(
        CONFIGURATION,
        Path(workflow.basedir).parent,
        main_process=MAIN_PROCESS,
        tell=(lambda _: None) if running_first() else logger.info,
        runner=runner if STARTED_BY_USER else lambda: None,
    )
except (ConfigurationError, RuntimeError) as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIGURATION.results_folder
RAW = CONFIGURATION.raw_folder
# Tables over many units belong to a project, so that projects with other units do not overwrite them.
PROJECT = folder_name(CONFIGURATION.project, CONFIGURATION.shard)

UNITS = {}
RECIPES.units["project"] = {PROJECT}

if MAIN_PROCESS and was_set_back(Path(".snakemake/log")):
    mend_times(Path(RESULTS), Path(RAW), Path(".snakemake/log"))


def units_of(branch, sheet, unit, pattern, optional=None, kinds=KINDS):
    """Units of a branch's sample sheet by kind of source; empty when it has none.

    `optional` are further columns of the sheet, with the values allowed; the first is the usual one.
    """
    if sheet is None:
        return {}
    try:
        samples = read_samples(sheet, unit, pattern, optional, kinds)
    except SampleSheetError as error:
        raise WorkflowError(f"{branch}.samples: {error}") from None
    return in_this_run(branch, unit, samples)


def in_this_run(branch, unit, samples):
    """Those of a branch's units that this run works on, by kind of source; notes where each comes from.

    `unit` is the name of the wildcard.
    """
    kept = in_shard(samples, CONFIGURATION.shard)
    if MAIN_PROCESS:
        try:
            note_sources(kept, Path(RAW, branch), lambda: simulator_digest(branch))
        except OSError as error:
            raise WorkflowError(
                f"the raw folder {RAW} cannot be written: {error.strerror} ({error.filename})"
            ) from None
    UNITS[branch] = len(kept)
    RECIPES.units.setdefault(unit, set()).update(sample.unit for sample in kept)
    return {sample.unit: sample.source for sample in kept}


def simulator_digest(branch):
    """Digest of the code that simulates units of a branch, and of its options."""
    section = getattr(getattr(CONFIGURATION, branch), "simulate", None)
    options = {"seed": CONFIGURATION.seed} | (section.settings() if section else {})
    digests = RECIPES.sources.digests(f"ephemera.{branch}.simulate")
    return code_digest(digests | {"options": json.dumps(options, sort_keys=True)})


def require_writable(folder):
    """Refuse a folder in which this user may not make files, before any job has run for nothing."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise WorkflowError(
            f"{existing} cannot be written by this user, but results belong into {folder}"
        )


onstart:
    require_writable(Path(RESULTS).absolute())
    start_at_once(workflow)


def remember_version(entries):
    """Link results/current to what this run made, note the version, write the front page of `entries`."""
    try:
        new = RECIPES.record(sum(UNITS.values()))
        write_front(Path(RESULTS), PROJECT, entries, RECIPES.made, new_version=new)
    except OSError as error:
        raise WorkflowError(
            f"the results folder {RESULTS} cannot be written: {error.strerror} ({error.filename})"
        ) from None


wildcard_constraints:
    project=r"[A-Za-z0-9][A-Za-z0-9._-]*",
