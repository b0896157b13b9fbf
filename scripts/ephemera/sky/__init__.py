"""Positions, clustering, names, regions and coverage, shared by all branches."""
