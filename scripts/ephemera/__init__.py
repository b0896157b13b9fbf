"""Ephemera: finds what comes and goes in the sky, and can say of every number which recipe made it."""
