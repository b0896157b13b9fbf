// The guided tour, and the start of the page.
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
