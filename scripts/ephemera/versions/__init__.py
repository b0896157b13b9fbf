"""Versions of the results: what there is, what differs, what to keep, what to hand on."""
