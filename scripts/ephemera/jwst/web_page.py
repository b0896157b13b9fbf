"""The page of the local server: form, progress, results."""

from __future__ import annotations

from ephemera.jwst.colour_scales import COLOUR_SCALES
from ephemera.pages import Markup, asset, escape, page, section

#: The page may ask its own server, and nothing else.
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; form-action 'none'"
)


def index_page(most_bytes: int) -> str:
    """The page; `most_bytes` is the largest upload."""
    scales = "".join(f"<option>{escape(name)}</option>" for name in COLOUR_SCALES)
    limit = escape(f"{most_bytes / 1e9:g} GB")
    form = Markup(f"""<form id="form" class="controls">
<label class="field"><span>File: ZIP, FITS or HDF5, at most {limit}</span>
<input type="file" id="file" accept=".zip,.fits,.gz,.h5,.hdf5,.nc" required></label>
<label class="field"><span>Name of the dataset</span>
<input id="name" maxlength="60" placeholder="from the file"></label>
<label class="field"><span>Bands, one a line: name, start, end [&micro;m]</span>
<textarea id="bands" rows="3" cols="34" placeholder="Water Band, 2.5, 3.0"></textarea></label>
<label class="field"><span>Baseline</span><select id="baseline"><option value="all">all integrations</option>
<option value="out_of_transit">out of transit</option></select></label>
<label class="field"><span>Colour scale</span><select id="colorscale">{scales}</select></label>
<label class="field"><span>Wavelength in</span><select id="wavelength_unit">
<option value="um">&micro;m</option>
<option value="nm">nm</option><option value="Angstrom">&Aring;</option></select></label>
<label><input type="checkbox" id="transit"> fit a transit</label>
<label><input type="checkbox" id="video" checked> video</label>
<button type="submit" id="start">Start</button></form>
<p id="error" role="alert" class="warning" hidden></p>
""")
    progress = Markup("""<p class="note">One job runs at a time; the bar tells how far it is.</p>
<div id="running" hidden>
<p><strong id="dataset"></strong>: <span id="stage" role="status"></span></p>
<progress id="bar" max="100" value="0" aria-label="Progress"></progress> <span id="percent"></span>
<p><button type="button" id="cancel">Cancel</button></p></div>""")
    results = Markup("""<p class="note">Pages and a ZIP appear here.</p>
<div id="results" hidden>
<p>The products of <strong id="finished"></strong> are ready.</p>
<ul id="links"></ul><p><button type="button" id="remove">Remove from this machine</button></p></div>""")
    text = Markup(
        "<p>Files stay on this machine. They are read by the same workflow that runs on a cluster, "
        "and removed when this server ends.</p>"
    )
    body = Markup(text + form + section("Progress", progress) + section("Results", results))
    style = asset("page.css", "ephemera.jwst") + (
        "label.field { max-width: 100%; min-width: 0; } input[type=file] { width: 100%; }"
        " progress { width: min(40rem, 100%); height: 1.4rem; }"
        " textarea, input { font: inherit; color: inherit; background: var(--paper);"
        " border: 1px solid var(--line);"
        " border-radius: 4px; padding: .4rem; max-width: 100%; }"
    )
    return page(
        "JWST time series", body, scripts=[asset("web.js", "ephemera.jwst")], styles=[style], policy=POLICY
    )
