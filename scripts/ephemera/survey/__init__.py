"""Survey light curves: from a list of positions to events, injections, efficiencies and rates."""
