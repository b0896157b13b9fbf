// The figures: surface, heatmap, spectrum and light curve, drawn from the state.
const GREY = [[0, "#888888"], [1, "#888888"]];
const LINES = ["#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
// From further away where the panel is narrow, or the axes would leave it at the sides.
const camera = () => {
  const [width, height] = [byId("surface").clientWidth - (narrow() ? 0 : 110), byId("surface").clientHeight - (narrow() ? 64 : 0)];
  const away = Math.min(1.6, Math.max(1, (1.4 * height) / Math.max(width, 1)));
  return { eye: { x: -1.4 * away, y: -1.55 * away, z: 0.85 * away }, center: { x: 0.05, y: 0.05, z: -0.18 } };
};
// Only these buttons: the library's own list has one that sends charts to a server.
const BUTTONS = {
  surface: ["orbitRotation", "tableRotation", "zoom3d", "pan3d", "resetCameraDefault3d"],
  plane: ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"],
};
const config = (kind) => ({ responsive: true, displaylogo: false, displayModeBar: window.innerWidth >= 640, modeBarButtons: [BUTTONS[kind]] });

const traces = (kind) => {
  const s = current();
  const inside = insideRows(s);
  const banded = state.bands.size > 0;
  const out = [];
  shownSegments(s).forEach((g) => {
    const hours = s.hours.slice(g.start, g.stop);
    const common = { type: kind, showlegend: false, connectgaps: false, hoverinfo: "none" };
    common.name = g.synthetic ? "interpolated, not measured" : `visit ${g.visit + 1}`;
    const width = s.cadence || 0.01;
    common.x = kind === "heatmap" ? edges(hours, width) : hours.slice();
    common.y = kind === "heatmap" ? edges(s.um.map(wave), 0.01) : s.um.map(wave);
    if (kind === "surface") {
      common.contours = { x: { highlight: false }, y: { highlight: false }, z: { highlight: false } };
      common.lighting = { ambient: 0.75, diffuse: 0.5, specular: 0.05, roughness: 0.9 };
    } else {
      common.zsmooth = false;
    }
    const grown = (z) => {
      if (kind !== "surface") return z;
      const wide = hours.length === 1 ? z.map((line) => [line[0], line[0]]) : z;
      return wide.length === 1 ? [wide[0], wide[0]] : wide;
    };
    if (kind === "surface" && hours.length === 1) common.x = [hours[0] - width / 2, hours[0] + width / 2];
    if (kind === "surface" && s.rows === 1) common.y = [wave(s.um[0]) * 0.999, wave(s.um[0]) * 1.001];
    const faint = g.synthetic ? { opacity: 0.6 } : {};
    out.push({ ...common, ...faint, z: grown(matrix(s, g, inside)), coloraxis: "coloraxis", meta: "inside" });
    if (banded) {
      const outside = inside.map((yes, r) => !yes
        || (kind === "surface" && ((r > 0 && !inside[r - 1]) || (r + 1 < s.rows && !inside[r + 1]))));
      out.push({
        ...common, z: grown(matrix(s, g, outside)), colorscale: GREY, showscale: false, opacity: 0.35,
        name: "outside the bands", meta: "outside",
      });
    }
  });
  return out;
};

const scaleOf = (name) => meta.scales[name].map((colour, k, all) => [k / (all.length - 1), colour]);
const narrow = () => window.innerWidth < 640;
const colourAxis = () => {
  const [low, high] = limitsOf(state.mode);
  return {
    colorscale: scaleOf(state.scale), reversescale: state.reverse, cmin: low, cmax: high,
    colorbar: narrow()
      ? { orientation: "h", y: -0.32, yanchor: "top", thickness: 12, len: 0.95, title: { text: zTitle(state.mode), side: "top" } }
      : { thickness: 16, title: { text: zTitle(state.mode), side: "right" } },
  };
};
const TIME = "Time since the first integration [h]";
const WAVE = `Wavelength [${meta.wavelengthUnitShown}]`;
const base = () => ({
  paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", font: { family: "system-ui, sans-serif", size: narrow() ? 11 : 13, color: "#1b1f24" },
  uirevision: "stay", hovermode: "closest",
});
const axis = (text) => ({ title: { text, standoff: 8 }, ticks: "outside", showline: true, linecolor: "#555", mirror: true, zeroline: false, gridcolor: "#e4e7ec", automargin: true });

const drawSurface = () => {
  const plot = byId("surface");
  if (!plot) return null;
  const small = { size: narrow() ? 10 : 12 };
  const layout = {
    ...base(), margin: { l: 0, r: 0, t: narrow() ? 4 : 30, b: narrow() ? 60 : 0 }, coloraxis: colourAxis(),
    scene: {
      xaxis: { title: { text: "Time [h]", font: small } }, yaxis: { title: { text: WAVE, font: small } },
      zaxis: { title: { text: zTitle(state.mode), font: small } }, camera: camera(),
      aspectmode: "manual", aspectratio: { x: 1.6, y: 1.1, z: 0.7 },
    },
  };
  return Plotly.react(plot, traces("surface"), layout, config("surface"));
};
const cursorShapes = () => {
  const s = current();
  const line = { color: "#d55e00", width: 1.5, dash: "dot" };
  const w = wave(s.um[state.row]);
  return [
    { type: "line", x0: s.hours[state.col], x1: s.hours[state.col], y0: 0, y1: 1, yref: "paper", line },
    { type: "line", x0: 0, x1: 1, xref: "paper", y0: w, y1: w, line },
  ];
};
const drawHeatmap = () => {
  const plot = byId("heatmap");
  if (!plot) return null;
  const layout = {
    ...base(), margin: { l: 60, r: 10, t: narrow() ? 10 : 34, b: narrow() ? 110 : 50 }, coloraxis: colourAxis(), xaxis: { ...axis(TIME), showgrid: false },
    yaxis: { ...axis(WAVE), showgrid: false }, shapes: byId("spectrum") ? cursorShapes() : [],
  };
  return Plotly.react(plot, traces("heatmap"), layout, config("plane"));
};

const ribbon = (x, y, e, colour) => {
  const ok = x.map((_, k) => k).filter((k) => Number.isFinite(y[k]) && Number.isFinite(e[k]));
  return {
    type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false, line: { width: 0 }, fill: "toself", fillcolor: colour, opacity: 0.25,
    name: "error", x: ok.map((k) => x[k]).concat(ok.map((k) => x[k]).reverse()),
    y: ok.map((k) => y[k] + e[k]).concat(ok.map((k) => y[k] - e[k]).reverse()),
  };
};
// What spectrum and light curve share: lines with points, a mark at the other one's pick, the layout.
const lineTrace = (name, x, y, colour, more = {}) => ({
  type: "scatter", mode: "lines+markers", name, x, y, connectgaps: false, ...more,
  line: { color: colour, ...more.line }, marker: { size: 3, ...more.marker },
});
const picked = (x) => ({ type: "line", yref: "paper", y0: 0, y1: 1, x0: x, x1: x, line: { color: "#d55e00", width: 1, dash: "dot" } });
const lineLayout = (xaxis, yaxis, shapes) => ({
  ...base(), uirevision: state.mode, margin: { l: 60, r: 10, t: 34, b: 45 }, xaxis, yaxis, shapes,
  showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
});
const fixedRange = () => {
  const [low, high] = limitsOf(state.mode);
  const room = 0.25 * (high - low);
  return [low - room, high + room];
};
const drawSpectrum = () => {
  const plot = byId("spectrum");
  if (!plot) return null;
  const s = current();
  const x = s.um.map(wave);
  const rows = s.um.map((_, r) => r);
  const inside = insideRows(s);
  const y = rows.map((r) => value(s, r, state.col));
  const middle = rows.map((r) => (state.mode === "variability" ? 0 : level(s, r, state.col)));
  const data = [lineTrace("median", x, middle, "#888888", { mode: "lines", line: { width: 1.5 } })];
  if (state.ribbon) data.push(ribbon(x, y, rows.map((r) => errorOf(s, r, state.col)), "#0072b2"));
  if (state.bands.size) {
    data.push(lineTrace("outside the bands", x, y.map((v, r) => (inside[r] ? null : v)), "#888888", { mode: "lines", opacity: 0.35 }));
  }
  data.push(lineTrace("spectrum", x, y.map((v, r) => (inside[r] && Number.isFinite(v) ? v : null)), "#0072b2"));
  const shapes = chosenBands().map((b) => ({ type: "rect", yref: "paper", y0: 0, y1: 1, x0: wave(b.start), x1: wave(b.end), fillcolor: "#e69f00", opacity: 0.12, line: { width: 0 }, layer: "below" }));
  const yaxis = { ...axis(zTitle(state.mode)), range: fixedRange() };
  return Plotly.react(plot, data, lineLayout(axis(WAVE), yaxis, [...shapes, picked(x[state.row])]), config("plane"));
};
const broken = (s, y) => {
  // Lines stop at gaps: a point without value after each segment.
  const out = { x: [], y: [], index: [] };
  s.segments.filter((g) => !g.synthetic && !state.hidden.has(g.visit)).forEach((g) => {
    for (let c = g.start; c < g.stop; c += 1) {
      out.x.push(s.hours[c]);
      out.y.push(Number.isFinite(y[c]) ? y[c] : null);
      out.index.push(c);
    }
    out.x.push(s.hours[g.stop - 1]);
    out.y.push(null);
    out.index.push(g.stop - 1);
  });
  return out;
};
// Means of bands: of the flux on the columns, or the light curves of bands (of all channels without a band).
const bandCurves = (s, cols) => {
  if (!state.bandMean) return [];
  if (state.mode === "flux") {
    return chosenBands().map((band) => {
      const rows = s.um.map((_, r) => r).filter((r) => s.um[r] >= band.start && s.um[r] <= band.end);
      const means = cols.map((c) => {
        const known = rows.map((r) => flux(s, r, c)).filter(Number.isFinite);
        return known.length ? known.reduce((a, b) => a + b, 0) / known.length : NaN;
      });
      return { name: `${band.name}, mean`, ...broken(s, means), error: null };
    });
  }
  const names = state.bands.size ? s.curves.filter((n) => state.bands.has(n)) : ["white"];
  return names.map((name) => {
    const at = s.curves.indexOf(name);
    const curve = broken(s, cols.map((c) => s.C[2 * at * s.cols + c]));
    const error = curve.index.map((c) => s.C[(2 * at + 1) * s.cols + c]);
    return { name: name === "white" ? "all channels" : name, ...curve, error };
  });
};
const drawCurve = () => {
  const plot = byId("curve");
  if (!plot) return null;
  const s = current();
  const cols = s.hours.map((_, c) => c);
  const single = broken(s, cols.map((c) => value(s, state.row, c)));
  const name = `at ${format(wave(s.um[state.row]), 4)} ${meta.wavelengthUnitShown}`;
  const data = [lineTrace(name, single.x, single.y, state.mode === "flux" ? "#0072b2" : "#9ecae1")];
  bandCurves(s, cols).forEach((curve, k) => {
    const colour = LINES[k % LINES.length];
    if (state.ribbon && curve.error) data.push(ribbon(curve.x, curve.y.map((v) => (v === null ? NaN : v)), curve.error, colour));
    const dash = ["solid", "dash", "dot", "dashdot"][k % 4];
    data.push(lineTrace(curve.name, curve.x, curve.y, colour, { line: { width: 2, dash }, marker: { symbol: k } }));
  });
  return Plotly.react(plot, data, lineLayout(axis(TIME), axis(zTitle(state.mode)), [picked(s.hours[state.col])]), config("plane"));
};
