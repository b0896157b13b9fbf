// What the page knows: series decoded from the page, the state of the controls, values of cells.
// The parts page_*.js are joined inside one function, in this order: data, plots, controls, tour.
const byId = (id) => document.getElementById(id);
const meta = JSON.parse(byId("meta").textContent);
const bytes = (id) => {
  const text = atob(byId(id).textContent.trim());
  const out = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k += 1) out[k] = text.charCodeAt(k);
  return out.buffer;
};
const series = meta.series.map((one, k) => {
  const codes = new Uint16Array(bytes(`E${k}`));
  const [low, step] = one.errorCode;
  return {
    ...one,
    V: new Float32Array(bytes(`V${k}`)),
    L: new Float32Array(bytes(`L${k}`)),
    B: new Float32Array(bytes(`B${k}`)),
    C: new Float32Array(bytes(`C${k}`)),
    error: (i) => (codes[i] === 0 ? NaN : Math.exp(low + step * (codes[i] - 1))),
    visitOf: (() => {
      const out = new Int32Array(one.cols);
      one.segments.forEach((s) => out.fill(s.visit, s.start, s.stop));
      return out;
    })(),
  };
});

const state = {
  series: 0, mode: meta.zMode, scale: meta.colourScale, reverse: meta.reverse, bands: new Set(),
  hidden: new Set(), limits: {}, col: 0, row: 0, axis: "wavelength", ribbon: true, bandMean: true, rate: 4,
  timer: null,
};
const current = () => series[state.series];
const limitsOf = (mode) => state.limits[mode] || current().limits[mode];
const wave = (um) => um * meta.wavelengthFactor;
const unitOf = (mode) => (mode === "variability" ? "%" : meta.fluxUnit);
const nameOf = (mode) => (mode === "variability" ? "Variability" : "Flux");
const zTitle = (mode) => `${nameOf(mode)} [${unitOf(mode)}]`;
const format = (x, digits = 5) => (Number.isFinite(x) ? Number(x.toPrecision(digits)).toString() : "no value");

const level = (s, row, col) => s.L[s.visitOf[col] * s.rows + row];
const flux = (s, row, col) => {
  const bare = s.bareRows.indexOf(row);
  if (bare >= 0) return s.B[bare * s.cols + col];
  return level(s, row, col) * (1 + s.V[row * s.cols + col] / 100);
};
const value = (s, row, col) => (state.mode === "variability" ? s.V[row * s.cols + col] : flux(s, row, col));
const errorOf = (s, row, col) => {
  const percent = s.error(row * s.cols + col);
  return state.mode === "variability" ? percent : (percent / 100) * level(s, row, col);
};

const chosenBands = () => meta.bands.filter((band) => state.bands.has(band.name));
const insideRows = (s) => {
  const bands = chosenBands();
  return s.um.map((um) => bands.length === 0 || bands.some((b) => um >= b.start && um <= b.end));
};
const edges = (centres, width) => {
  if (centres.length === 1) return [centres[0] - width / 2, centres[0] + width / 2];
  const out = [centres[0] - (centres[1] - centres[0]) / 2];
  for (let k = 1; k < centres.length; k += 1) out.push((centres[k - 1] + centres[k]) / 2);
  const n = centres.length;
  out.push(centres[n - 1] + (centres[n - 1] - centres[n - 2]) / 2);
  return out;
};
const matrix = (s, segment, keep) => {
  const width = segment.stop - segment.start;
  const out = [];
  for (let r = 0; r < s.rows; r += 1) {
    const line = new Array(width).fill(null);
    if (keep[r]) {
      for (let c = 0; c < width; c += 1) {
        const z = value(s, r, segment.start + c);
        line[c] = Number.isFinite(z) ? z : null;
      }
    }
    out.push(line);
  }
  return out;
};
const shownSegments = (s) => s.segments.filter((g) => !state.hidden.has(g.visit));

