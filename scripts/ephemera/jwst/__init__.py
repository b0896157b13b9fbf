"""JWST time-series spectroscopy: from MAST and Eureka! files to pages, videos and light curves.

    from ephemera.jwst.read import read_series
    from ephemera.jwst.series import light_curve, normalise, visits

    series = read_series(["jw01366_x1dints.fits"])[0]
    white = light_curve(series)

Matrices are (wavelength, time); wavelengths are in um; times are days, BJD_TDB - 2400000.5 unless a series
says otherwise; a mask holds bits (`ephemera.jwst.flags`), validity is true where a value is good.
"""
