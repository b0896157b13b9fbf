"""Ephemera: finds what comes and goes in the sky, and can say of every number which recipe made it."""

__version__ = "0.1.0"
