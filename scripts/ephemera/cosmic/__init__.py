"""Hits and stamps of narrow-band searches for technosignatures (seticore, COSMIC), measured and judged."""
