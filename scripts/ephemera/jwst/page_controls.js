// What people do: picking, playing, buttons, keys, hovering.
const describe = (row, col) => {
  const s = current();
  const z = value(s, row, col);
  const e = errorOf(s, row, col);
  const note = s.segments.some((g) => g.synthetic && col >= g.start && col < g.stop) ? "interpolated, not measured" : `${s.count[col]} integration${s.count[col] === 1 ? "" : "s"} binned`;
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
