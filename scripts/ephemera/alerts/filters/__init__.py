"""Filters: small functions of one locus and its newest alert that set tags and properties.

`contract.py` says how to write one, `shipped.py` lists those that come along.
"""

from ephemera.alerts.filters.contract import Filter, Property, Tag, Verdict, declare
from ephemera.alerts.filters.runner import FilterRun, run_filters

__all__ = ["Filter", "FilterRun", "Property", "Tag", "Verdict", "declare", "run_filters"]
