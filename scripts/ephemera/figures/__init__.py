"""Figures: one look for all branches, drawn without a window and the same to the byte each time."""
