"""Hits and stamps of narrow-band searches for technosignatures (seticore, COSMIC): checked, measured, judged."""
