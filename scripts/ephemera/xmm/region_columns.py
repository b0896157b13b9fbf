"""Columns of what the search of one observation finds: regions, significant cells, light curves."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.key_columns import OBSID, SEARCH, SUBSET

_X = "pos.cartesian.x;instr"
_Y = "pos.cartesian.y;instr"
_COUNTS = "phot.count;em.X-ray"
_UNIT = "0.05 arcsec"

DETECTOR_COLUMNS: tuple[Column, ...] = (
    *(
        Column(f"det{axis}_{camera}", "f8", _UNIT, f"pos.cartesian.{axis};instr.det", text)
        for camera, name in (("pn", "EPIC-pn"), ("m1", "MOS1"), ("m2", "MOS2"))
        for axis, text in (
            ("x", f"Median DETX of its events in {name}"),
            ("y", f"Median DETY of its events in {name}"),
        )
    ),
    Column("pa_pnt", "f8", "deg", "pos.posAng;instr", "Position angle of the spacecraft"),
    Column("rot_x", "f8", _UNIT, "pos.cartesian.x;instr.det", "x turned back by pa_pnt about the reference"),
    Column("rot_y", "f8", _UNIT, "pos.cartesian.y;instr.det", "y turned back by pa_pnt about the reference"),
)

REGION_COLUMNS: tuple[Column, ...] = (
    Column("detid", "str", None, "meta.id;meta.main", "Detection: run and pixel of the best cell"),
    Column("runid", "str", None, "meta.id", "Run: obsid, subset, frame length, band"),
    OBSID,
    SUBSET,
    *SEARCH,
    Column("grid", "i4", None, "meta.id", "Number of the pixel and frame grid, 0 is the main one"),
    Column("n_grids", "i4", None, "meta.number", "Grids searched: the trials factor"),
    Column("n_grids_found", "i4", None, "meta.number", "Grids on which the detection was found"),
    Column("label", "i4", None, "meta.id", "Number of the region in its run and grid"),
    Column("type", "str", None, "meta.code.class", "peak, eclipse, or both"),
    Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension, the adopted position"),
    Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination, the adopted position"),
    Column("poserr", "f8", "arcsec", "stat.error;pos.eq", "Radial 1 sigma error of ra, dec"),
    Column("position", "str", None, "meta.code", "How ra, dec were found: events or grid"),
    Column("x", "f8", _UNIT, _X, "Sky coordinate X of ra, dec (first is 1)"),
    Column("y", "f8", _UNIT, _Y, "Sky coordinate Y of ra, dec (first is 1)"),
    Column("ra_grid", "f8", "deg", "pos.eq.ra", "Right ascension of the centroid weighted by counts"),
    Column("dec_grid", "f8", "deg", "pos.eq.dec", "Declination of the centroid weighted by counts"),
    Column("poserr_grid", "f8", "arcsec", "stat.error;pos.eq", "Radial 1 sigma error of ra_grid, dec_grid"),
    Column("ra_evt", "f8", "deg", "pos.eq.ra", "Right ascension of the events of the significant frames"),
    Column("dec_evt", "f8", "deg", "pos.eq.dec", "Declination of the events of the significant frames"),
    Column("poserr_evt", "f8", "arcsec", "stat.error;pos.eq", "Radial 1 sigma error of ra_evt, dec_evt"),
    Column("n_evt", "i4", "count", _COUNTS, "Events behind ra_evt, dec_evt"),
    Column("x0", "i4", "pixel", _X, "First pixel column of the bounding box"),
    Column("y0", "i4", "pixel", _Y, "First pixel row of the bounding box"),
    Column("x1", "i4", "pixel", _X, "Pixel column after the bounding box"),
    Column("y1", "i4", "pixel", _Y, "Pixel row after the bounding box"),
    Column("centroid_x", "f8", "pixel", _X, "Mean pixel column"),
    Column("centroid_y", "f8", "pixel", _Y, "Mean pixel row"),
    Column("wcentroid_x", "f8", "pixel", _X, "Mean pixel column weighted by counts"),
    Column("wcentroid_y", "f8", "pixel", _Y, "Mean pixel row weighted by counts"),
    Column("n_pixels", "i4", "pixel", "phys.angArea", "Pixels of the region"),
    Column("area_bbox", "i4", "pixel", "phys.angArea", "Pixels of the bounding box"),
    Column("equiv_diameter", "f8", "pixel", "phys.angSize", "Diameter of the circle of n_pixels"),
    Column("counts", "i8", "count", _COUNTS, "Counts of the region in usable frames"),
    Column("mean_pixel_counts", "f8", "count", _COUNTS, "Counts per pixel of the region"),
    Column("n_excess", "f8", "count", _COUNTS, "Sum of |n - mu| over the significant cells"),
    Column("n_peak_cells", "i4", None, "meta.number", "Cells with too many counts"),
    Column("n_eclipse_cells", "i4", None, "meta.number", "Cells with too few counts"),
    Column("sigma_peak", "f8", None, "stat.snr", "Largest significance of a peak cell, in sigma"),
    Column("sigma_eclipse", "f8", None, "stat.snr", "Largest significance of an eclipse cell, in sigma"),
    Column("first_frame", "i4", None, "meta.number", "First significant frame"),
    Column("last_frame", "i4", None, "meta.number", "Last significant frame"),
    Column("best_n", "i4", "count", _COUNTS, "Counts of the cell with the largest Bayes factor"),
    Column("best_mu", "f8", "count", "phot.count;em.X-ray;stat.mean", "Counts expected in the best cell"),
    Column("best_logB", "f8", None, "stat.likelihood", "log10 Bayes factor of the best cell"),
    Column("best_sigma", "f8", None, "stat.snr", "Significance of the best cell, in sigma"),
    Column("best_frame", "i4", None, "meta.number", "Frame of the best cell"),
    Column("best_x", "i4", "pixel", _X, "Pixel column of the best cell"),
    Column("best_y", "i4", "pixel", _Y, "Pixel row of the best cell"),
    Column("best_pixel", "i4", None, "meta.id", "best_y times the side of the grid plus best_x"),
    Column("lc_sigma_peak", "f8", None, "stat.snr", "Largest peak significance of the light curve, in sigma"),
    Column("lc_sigma_eclipse", "f8", None, "stat.snr", "Largest eclipse significance of the light curve"),
    Column("frac_one_raw_pixel", "f8", None, "stat.value", "Largest share of the events in one raw pixel"),
    Column("raw_pixel", "str", None, "meta.id;instr.pixel", "That pixel: camera, CCDNR, RAWX, RAWY"),
    *DETECTOR_COLUMNS,
    Column("filt_large", "bool", None, "meta.code.qual", "Region larger than a point source can make"),
)

CELL_COLUMNS: tuple[Column, ...] = (
    Column("runid", "str", None, "meta.id", "Run: obsid, subset, frame length, band"),
    Column("detid", "str", None, "meta.id;meta.main", "Detection the cell belongs to; null if rejected"),
    Column("i", "i4", "pixel", _X, "Pixel column, from 0"),
    Column("j", "i4", "pixel", _Y, "Pixel row, from 0"),
    Column("frame", "i4", None, "meta.number", "Frame, from 0"),
    Column("x", "f8", _UNIT, _X, "Sky coordinate X of the pixel centre"),
    Column("y", "f8", _UNIT, _Y, "Sky coordinate Y of the pixel centre"),
    Column("time", "f8", "s", "time.epoch", "Middle of the frame, TT since MJDREF"),
    Column("type", "str", None, "meta.code.class", "peak or eclipse"),
    Column("n", "i4", "count", _COUNTS, "Observed counts"),
    Column("mu", "f8", "count", "phot.count;em.X-ray;stat.mean", "Expected counts"),
    Column("logB", "f8", None, "stat.likelihood", "log10 Bayes factor"),
    Column("sigma", "f8", None, "stat.snr", "Significance, in sigma"),
    Column(
        "counts_q16", "f8", "count", _COUNTS, "Counts above (peak) or below (eclipse) mu, 15.87 % quantile"
    ),
    Column("counts_q50", "f8", "count", _COUNTS, "The same, median"),
    Column("counts_q84", "f8", "count", _COUNTS, "The same, 84.13 % quantile"),
    Column("rejected", "str", None, "meta.code.qual", "Why the cell was rejected; null if it was kept"),
)

LIGHT_CURVE_COLUMNS: tuple[Column, ...] = (
    Column("time", "f8", "s", "time.epoch", "Start of the frame, TT since MJDREF"),
    Column("time_mjd", "f8", "d", "time.epoch", "Middle of the frame, MJD (TT)"),
    Column("exposure", "f8", "s", "time.duration;obs.exposure", "Exposed time of the frame; 0 if masked"),
    Column("bti", "bool", None, "meta.code.qual", "Flaring background"),
    Column("bccd", "bool", None, "meta.code.qual", "Masked: not or only partly exposed"),
    Column("n", "i4", "count", _COUNTS, "Observed counts"),
    Column("mu", "f8", "count", "phot.count;em.X-ray;stat.mean", "Expected counts; null in masked frames"),
    Column("B_peak_log", "f8", None, "stat.likelihood", "log10 Bayes factor of a peak"),
    Column("B_eclipse_log", "f8", None, "stat.likelihood", "log10 Bayes factor of an eclipse"),
    Column("detid", "str", None, "meta.id;meta.main", "Detection"),
    Column("n_pn", "i4", "count", _COUNTS, "Counts of EPIC-pn; null where not made"),
    Column("n_m1", "i4", "count", _COUNTS, "Counts of MOS1; null where not made"),
    Column("n_m2", "i4", "count", _COUNTS, "Counts of MOS2; null where not made"),
    Column("n_soft", "i4", "count", _COUNTS, "Counts of the soft band; null where not made"),
    Column("n_hard", "i4", "count", _COUNTS, "Counts of the hard band; null where not made"),
)

REGIONS = TableDeclaration("regions", "Detections: regions of significant pixels of one run.", REGION_COLUMNS)
ALERTS = TableDeclaration("alerts", "Significant cells, kept and rejected.", CELL_COLUMNS)
LIGHT_CURVES = TableDeclaration("lc", "Light curves of regions, all frames.", LIGHT_CURVE_COLUMNS)
