"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const meta = JSON.parse(byId("meta").textContent);
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

  const traces = (kind) => {
    const s = current();
    const inside = insideRows(s);
    const banded = state.bands.size > 0;
    const out = [];
    shownSegments(s).forEach((g) => {
      const hours = s.hours.slice(g.start, g.stop);
      const common = { type: kind, showlegend: false, connectgaps: false };
      common.name = g.synthetic ? "interpolated, not measured" : `visit ${g.visit + 1}`;
      const width = s.cadence || 0.01;
      common.x = kind === "heatmap" ? edges(hours, width) : hours.slice();
      common.y = kind === "heatmap" ? edges(s.um.map(wave), 0.01) : s.um.map(wave);
      if (kind === "surface") {
        common.hoverinfo = "none";
        common.contours = { x: { highlight: false }, y: { highlight: false }, z: { highlight: false } };
        common.lighting = { ambient: 0.75, diffuse: 0.5, specular: 0.05, roughness: 0.9 };
      } else {
        common.hoverinfo = "none";
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
  const drawSpectrum = () => {
    const plot = byId("spectrum");
    if (!plot) return null;
    const s = current();
    const x = s.um.map(wave);
    const rows = s.um.map((_, r) => r);
    const inside = insideRows(s);
    const y = rows.map((r) => value(s, r, state.col));
    const middle = rows.map((r) => (state.mode === "variability" ? 0 : level(s, r, state.col)));
    const data = [{ type: "scatter", mode: "lines", name: "median", x, y: middle, line: { color: "#888888", width: 1.5 } }];
    if (state.ribbon) data.push(ribbon(x, y, rows.map((r) => errorOf(s, r, state.col)), "#0072b2"));
    if (state.bands.size) {
      data.push({ type: "scatter", mode: "lines", name: "outside the bands", x, y: y.map((v, r) => (inside[r] ? null : v)), line: { color: "#888888" }, opacity: 0.35, connectgaps: false });
    }
    data.push({ type: "scatter", mode: "lines+markers", name: "spectrum", x, y: y.map((v, r) => (inside[r] && Number.isFinite(v) ? v : null)), line: { color: "#0072b2" }, marker: { size: 3 }, connectgaps: false });
    const shapes = chosenBands().map((b) => ({ type: "rect", yref: "paper", y0: 0, y1: 1, x0: wave(b.start), x1: wave(b.end), fillcolor: "#e69f00", opacity: 0.12, line: { width: 0 }, layer: "below" }));
    shapes.push({ type: "line", yref: "paper", y0: 0, y1: 1, x0: x[state.row], x1: x[state.row], line: { color: "#d55e00", width: 1, dash: "dot" } });
    const layout = { ...base(), uirevision: state.mode, margin: { l: 60, r: 10, t: 34, b: 45 }, xaxis: axis(WAVE), yaxis: { ...axis(zTitle(state.mode)), range: fixedRange("spectrum") }, shapes,
      showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 } };
    return Plotly.react(plot, data, layout, config("plane"));
  };
  const fixedRange = () => {
    const [low, high] = limitsOf(state.mode);
    const room = 0.25 * (high - low);
    return [low - room, high + room];
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
  const drawCurve = () => {
    const plot = byId("curve");
    if (!plot) return null;
    const s = current();
    const cols = s.hours.map((_, c) => c);
    const data = [];
    const single = broken(s, cols.map((c) => s.V[state.row * s.cols + c]));
    if (state.mode === "flux") {
      const f = broken(s, cols.map((c) => flux(s, state.row, c)));
      data.push({ type: "scatter", mode: "lines+markers", name: `at ${format(wave(s.um[state.row]), 4)} ${meta.wavelengthUnitShown}`, x: f.x, y: f.y, line: { color: "#0072b2" }, marker: { size: 3 } });
      (state.bandMean ? chosenBands() : []).forEach((band, k) => {
        const rows = s.um.map((_, r) => r).filter((r) => s.um[r] >= band.start && s.um[r] <= band.end);
        const means = cols.map((c) => {
          const known = rows.map((r) => flux(s, r, c)).filter(Number.isFinite);
          return known.length ? known.reduce((a, b) => a + b, 0) / known.length : NaN;
        });
        const y = broken(s, means);
        data.push({ type: "scatter", mode: "lines+markers", name: `${band.name}, mean`, x: y.x, y: y.y, line: { color: LINES[k % LINES.length], width: 2 }, marker: { size: 3, symbol: k } });
      });
    } else {
      data.push({ type: "scatter", mode: "lines+markers", name: `at ${format(wave(s.um[state.row]), 4)} ${meta.wavelengthUnitShown}`, x: single.x, y: single.y, line: { color: "#9ecae1" }, marker: { size: 3 } });
      const names = state.bandMean ? (state.bands.size ? s.curves.filter((n) => state.bands.has(n)) : ["white"]) : [];
      names.forEach((name, k) => {
        const at = s.curves.indexOf(name);
        const y = broken(s, cols.map((c) => s.C[2 * at * s.cols + c]));
        const e = y.index.map((c) => s.C[(2 * at + 1) * s.cols + c]);
        const colour = LINES[k % LINES.length];
        if (state.ribbon) data.push(ribbon(y.x, y.y.map((v) => (v === null ? NaN : v)), e, colour));
        data.push({ type: "scatter", mode: "lines+markers", name: name === "white" ? "all channels" : name, x: y.x, y: y.y, line: { color: colour, width: 2, dash: ["solid", "dash", "dot", "dashdot"][k % 4] }, marker: { size: 3, symbol: k } });
      });
    }
    const shapes = [{ type: "line", yref: "paper", y0: 0, y1: 1, x0: s.hours[state.col], x1: s.hours[state.col], line: { color: "#d55e00", width: 1, dash: "dot" } }];
    const layout = { ...base(), uirevision: state.mode, margin: { l: 60, r: 10, t: 34, b: 45 }, xaxis: axis(TIME), yaxis: axis(zTitle(state.mode)), shapes, showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 } };
    return Plotly.react(plot, data, layout, config("plane"));
  };

  const describe = (row, col) => {
    const s = current();
    const z = value(s, row, col);
    const e = errorOf(s, row, col);
    const note = s.segments.some((g) => g.synthetic && col >= g.start && col < g.stop) ? "interpolated, not measured" : `${s.count[col]} integration(s) binned`;
    return [
      `${s.hours[col].toFixed(4)} h, ${s.time[col].toFixed(6)} d (${meta.timeScale})`,
      `${format(wave(s.um[row]))} ${meta.wavelengthUnitShown}`,
      `${nameOf(state.mode)} ${format(z, 4)} ± ${format(e, 2)} ${unitOf(state.mode)}`, note,
    ];
  };
  const say = () => {
    const line = byId("readout");
    if (line) line.textContent = describe(state.row, state.col).join("; ");
  };
  const nearest = (list, x) => {
    let best = 0;
    for (let k = 1; k < list.length; k += 1) if (Math.abs(list[k] - x) < Math.abs(list[best] - x)) best = k;
    return best;
  };
  const shownColumns = () => shownSegments(current()).flatMap((g) => Array.from({ length: g.stop - g.start }, (_, k) => g.start + k)).sort((a, b) => current().hours[a] - current().hours[b]);
  const moveCursor = (row, col, quiet = false) => {
    state.row = row;
    state.col = col;
    drawSpectrum();
    drawCurve();
    const heat = byId("heatmap");
    if (heat && heat.layout && byId("spectrum")) Plotly.relayout(heat, { shapes: cursorShapes() });
    if (!quiet) say();
  };
  const step = (rows, cols) => {
    const s = current();
    const columns = shownColumns();
    if (!columns.length) return;
    const at = Math.max(0, columns.indexOf(state.col));
    const col = columns[(at + cols + columns.length) % columns.length];
    moveCursor((state.row + rows + s.rows) % s.rows, col, state.timer !== null);
  };
  const stepPlayer = (by) => (state.axis === "wavelength" ? step(0, by) : step(by, 0));
  const play = (on) => {
    clearInterval(state.timer);
    state.timer = on ? setInterval(() => stepPlayer(1), 1000 / state.rate) : null;
    const button = byId("play");
    if (button) {
      button.textContent = on ? "Pause" : "Play";
      button.setAttribute("aria-pressed", String(on));
    }
    if (!on) say();
  };

  const drawMatrices = () => Promise.all([drawSurface(), drawHeatmap()]);
  const drawAll = () => {
    drawSpectrum();
    drawCurve();
    say();
    return drawMatrices().catch((error) => {
      const place = byId("surface");
      if (place) place.textContent = `This browser cannot draw the surface (${error}); see the heatmap.`;
    });
  };
  const fillLimits = () => {
    const [low, high] = limitsOf(state.mode);
    byId("zmin").value = Number(low.toPrecision(4));
    byId("zmax").value = Number(high.toPrecision(4));
    byId("zunit").textContent = unitOf(state.mode);
  };
  const pressed = (button, on) => button.setAttribute("aria-pressed", String(on));

  const buildBands = () => {
    const box = byId("bands");
    const buttons = [];
    const refresh = () => buttons.forEach(([button, name]) => pressed(button, name === null ? state.bands.size === 0 : state.bands.has(name)));
    const add = (text, name, disabled, title) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.disabled = disabled;
      button.title = title;
      button.dataset.band = name === null ? "" : name;
      button.addEventListener("click", () => {
        if (name === null) state.bands.clear();
        else if (state.bands.has(name)) state.bands.delete(name);
        else state.bands.add(name);
        refresh();
        drawAll();
      });
      box.append(button);
      buttons.push([button, name]);
    };
    add("Full spectrum", null, false, "All wavelengths");
    meta.bands.forEach((b) => add(b.name, b.name, b.disabled, b.disabled ? "No channel inside" : `${format(wave(b.start))} to ${format(wave(b.end))} ${meta.wavelengthUnitShown}`));
    refresh();
  };
  const buildVisits = () => {
    const box = byId("visits");
    box.querySelectorAll("button").forEach((b) => b.remove());
    for (let v = 0; v < current().visits; v += 1) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `Visit ${v + 1}`;
      button.dataset.visit = String(v);
      pressed(button, !state.hidden.has(v));
      button.addEventListener("click", () => {
        if (state.hidden.has(v)) state.hidden.delete(v);
        else state.hidden.add(v);
        pressed(button, !state.hidden.has(v));
        drawAll();
      });
      box.append(button);
    }
  };
  const on = (id, event, action) => {
    const element = byId(id);
    if (element) element.addEventListener(event, action);
  };
  const wire = () => {
    buildBands();
    buildVisits();
    fillLimits();
    const scale = byId("scale");
    Object.keys(meta.scales).forEach((name) => scale.add(new Option(name, name, false, name === state.scale)));
    byId("reverse").checked = state.reverse;
    on("scale", "change", () => { state.scale = scale.value; drawMatrices(); });
    on("reverse", "change", () => { state.reverse = byId("reverse").checked; drawMatrices(); });
    document.querySelectorAll("button[data-mode]").forEach((button) => {
      pressed(button, button.dataset.mode === state.mode);
      button.addEventListener("click", () => {
        state.mode = button.dataset.mode;
        document.querySelectorAll("button[data-mode]").forEach((b) => pressed(b, b.dataset.mode === state.mode));
        fillLimits();
        drawAll();
      });
    });
    const limits = () => {
      const [low, high] = [Number(byId("zmin").value), Number(byId("zmax").value)];
      const good = Number.isFinite(low) && Number.isFinite(high) && low < high;
      ["zmin", "zmax"].forEach((id) => byId(id).setAttribute("aria-invalid", String(!good)));
      byId("zerror").textContent = good ? "" : "The lower limit must be below the upper one.";
      if (good) {
        state.limits[state.mode] = [low, high];
        drawAll();
      }
    };
    on("zmin", "change", limits);
    on("zmax", "change", limits);
    on("zauto", "click", () => { delete state.limits[state.mode]; fillLimits(); byId("zerror").textContent = ""; drawAll(); });
    on("reset", "click", () => {
      if (byId("surface")) Plotly.relayout(byId("surface"), { "scene.camera": camera() });
      ["heatmap", "spectrum", "curve"].filter(byId).forEach((id) => Plotly.relayout(byId(id), { "xaxis.autorange": true, "yaxis.autorange": true }));
    });
    document.querySelectorAll("button[data-png]").forEach((button) => button.addEventListener("click", () => {
      const size = { format: "png", width: 1600, height: 1000, filename: `${meta.dataset}-${button.dataset.png}` };
      Plotly.downloadImage(byId(button.dataset.png), size);
    }));
    const pick = byId("series");
    if (pick) {
      series.forEach((s, k) => pick.add(new Option(s.name, String(k))));
      pick.addEventListener("change", () => {
        play(false);
        state.series = Number(pick.value);
        state.hidden.clear();
        state.limits = {};
        state.col = Math.min(state.col, current().cols - 1);
        state.row = Math.min(state.row, current().rows - 1);
        buildVisits();
        fillLimits();
        drawAll();
      });
    }
    on("previous", "click", () => stepPlayer(-1));
    on("next", "click", () => stepPlayer(1));
    on("play", "click", () => play(state.timer === null));
    on("rate", "change", () => { state.rate = Math.min(10, Math.max(1, Number(byId("rate").value) || 4)); byId("rate").value = state.rate; if (state.timer !== null) play(true); });
    on("axis", "change", () => { state.axis = byId("axis").value; });
    on("ribbon", "change", () => { state.ribbon = byId("ribbon").checked; drawSpectrum(); drawCurve(); });
    on("bandmean", "change", () => { state.bandMean = byId("bandmean").checked; drawCurve(); });
    document.querySelectorAll(".plot").forEach((plot) => plot.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };
      if (event.key in moves) {
        step(...moves[event.key]);
        event.preventDefault();
      } else if (event.key === " " && byId("play")) {
        play(state.timer === null);
        event.preventDefault();
      }
    }));
  };
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const listen = (id) => {
    const plot = byId(id);
    if (!plot) return;
    const place = (event) => {
      const point = event.points[0];
      return [nearest(current().um.map(wave), point.y), nearest(current().hours, point.x)];
    };
    plot.on("plotly_hover", (event) => {
      const mouse = event.event || {};
      tip.textContent = describe(...place(event)).join("\n");
      tip.hidden = false;
      const x = Math.min((mouse.clientX || 0) + 14, window.innerWidth - tip.offsetWidth - 8);
      tip.style.left = `${Math.max(4, x)}px`;
      tip.style.top = `${(mouse.clientY || 0) + 14}px`;
    });
    plot.on("plotly_unhover", () => { tip.hidden = true; });
    plot.on("plotly_click", (event) => moveCursor(...place(event)));
  };

  const TOUR = [
    ["bands", "Bands: press one or several. Inside they keep their colours, everything else turns grey. Full spectrum clears them."],
    ["visits", "Visits: show or hide each run of integrations."],
    ["modes", "Switch between variability in percent and flux, without loading anything."],
    ["colours", "Choose one of ten colour scales and the limits of colours."],
    ["surface", "The surface: turn it with the mouse or a finger; click to open the spectrum of that time and the light curve of that wavelength."],
    ["heatmap", "The heatmap shows the same numbers. With the keyboard: Tab to it, then the arrow keys move through time and wavelength."],
    ["spectrum", "The spectrum at the chosen time, with its errors and the median in grey."],
    ["curve", "The light curve at the chosen wavelength, and the means of bands."],
    ["player", "Step or play through time, or through wavelength when the x axis is time."],
    ["metadata", "What was read, masked and refused, and the keywords of the files."],
  ];
  const REMEMBERED = "ephemera-jwst-tour";
  const remembered = () => { try { return localStorage.getItem(REMEMBERED) !== null; } catch { return false; } };
  const remember = () => { try { localStorage.setItem(REMEMBERED, "seen"); } catch { /* private windows forget */ } };
  const tour = () => {
    const steps = TOUR.filter(([id]) => byId(id));
    let at = 0;
    const box = document.createElement("div");
    box.className = "tour";
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-label", "Guided tour");
    const text = document.createElement("p");
    text.setAttribute("aria-live", "polite");
    const row = document.createElement("div");
    const button = (label, action) => {
      const one = document.createElement("button");
      one.type = "button";
      one.textContent = label;
      one.addEventListener("click", action);
      row.append(one);
      return one;
    };
    const clear = () => document.querySelectorAll(".shown-by-tour").forEach((e) => e.classList.remove("shown-by-tour"));
    const end = () => { clear(); box.remove(); remember(); byId("tour").focus(); };
    const show = () => {
      clear();
      const element = byId(steps[at][0]);
      element.classList.add("shown-by-tour");
      element.scrollIntoView({ block: "center" });
      text.textContent = `${at + 1} of ${steps.length}. ${steps[at][1]}`;
      back.disabled = at === 0;
      next.textContent = at + 1 === steps.length ? "Done" : "Next";
    };
    const back = button("Back", () => { at -= 1; show(); });
    const next = button("Next", () => { at += 1; if (at === steps.length) end(); else show(); });
    button("Skip the tour", end);
    box.append(text, row);
    box.addEventListener("keydown", (event) => { if (event.key === "Escape") end(); });
    document.body.append(box);
    show();
    next.focus({ preventScroll: true });
  };

  document.body.classList.add("jwst");
  wire();
  const s = current();
  const known = shownColumns();
  state.col = known[Math.floor(known.length / 2)] || 0;
  state.row = Math.floor(s.rows / 2);
  drawAll().then(() => {
    listen("surface");
    listen("heatmap");
    document.body.dataset.ready = "yes";
    if (byId("tour")) {
      on("tour", "click", tour);
      if (meta.tour && !remembered()) tour();
    }
  });
})();
