"""Recipes: content keys that say which code and parameters made a file, and the versions of a project."""
