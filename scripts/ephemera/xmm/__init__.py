"""XMM-Newton and other X-ray event lists: short bursts and eclipses that source catalogues miss."""
