"""Columns of the tables that say what is in the files: messages, bad inputs."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration

MESSAGES = TableDeclaration(
    "messages",
    "Stamps of an observation: where each lies, and the recipe chosen for it.",
    (
        Column("file", "str", None, "meta.id;meta.file", "File"),
        Column("part", "str", None, "meta.id", "Number of the stamps file, or single"),
        Column("position", "i8", None, "meta.id", "Number of the message in the file, from 0"),
        Column("offset", "i8", "byte", None, "First byte of the message"),
        Column("n_bytes", "i8", "byte", None, "Size of the message"),
        Column("channel", "i4", None, "meta.id", "Channel of the recipe's calibration"),
        Column("recipe_file", "str", None, "meta.file", "Recipe chosen"),
        Column("recipe_score", "i4", None, None, "8 obsid, 4 prefix, 2 time, 1 folder"),
        Column("recipe_reason", "str", None, "meta.note", "What the choice rests on"),
        Column("recipe_flags", "str", None, "meta.code.qual", "What to note about the choice"),
    ),
)

BAD_INPUTS = TableDeclaration(
    "bad_inputs",
    "Files and messages that could not be used, or only with a remark.",
    (
        Column("file", "str", None, "meta.id;meta.file", "File"),
        Column("kind", "str", None, "meta.code.class", "hits, stamps, recipe or tmp"),
        Column("offset", "i8", "byte", None, "First byte of the message, null for the whole file"),
        Column("position", "i8", None, None, "Number of the message in the file, from 0"),
        Column("code", "str", None, "meta.code.error", "What is wrong, by name"),
        Column("message", "str", None, "meta.note", "What is wrong, in words"),
        Column("action", "str", None, "meta.note", "What was done: rejected, stopped, kept, ignored"),
        Column("n_lost", "i8", None, "meta.number", "Messages lost, null where nobody can know"),
    ),
)
