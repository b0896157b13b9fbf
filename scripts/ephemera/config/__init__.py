"""Configuration: every option declared once, with its unit, its range and its reason.

The default YAML, the JSON schema and the reference page are generated from these declarations
(`python -m ephemera.config.document`). Steps never import this room at run time: they receive the
validated values of their own section, so a new option in one section makes no other step stale.
"""
