"""What a gallery page does by itself: notes, keys, the path on and off. Being code, it is part of recipes."""

from __future__ import annotations

#: Styles of a gallery beside those of all pages.
STYLE = """
.view { position: relative; display: inline-block; max-width: 100%; }
.view figure { margin: 0; } .view svg { position: absolute; left: 0; top: 0; width: 100%; }
.view line { stroke: #fff; stroke-width: 1; vector-effect: non-scaling-stroke; }
body.no-path .view svg { display: none; }
.item { border-top: 1px solid var(--line); padding-top: .5rem; scroll-margin-top: 3.2rem; }
.item:target h3 { border-left: 5px solid var(--link); padding-left: .5rem; }
.item:focus { outline: none; } h3 { margin: .6rem 0 .3rem; overflow-wrap: anywhere; }
.bar { position: sticky; top: 0; z-index: 2; background: var(--paper); padding: .5rem 0;
  display: flex; flex-wrap: wrap; gap: .8rem; align-items: center; border-bottom: 1px solid var(--line); }
.bar button, .bar label { font: inherit; }
.bar button { padding: .25rem .7rem; color: inherit; background: var(--soft);
  border: 1px solid var(--line); border-radius: 4px; cursor: pointer; }
.note { display: block; width: 100%; max-width: 48rem; min-height: 2.6rem; font: inherit; color: inherit;
  background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: .3rem .5rem; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  gap: .1rem 1.2rem; margin: .5rem 0; font-size: .9rem; }
dl.facts div { display: flex; justify-content: space-between; gap: .8rem;
  border-bottom: 1px dotted var(--line); }
dl.facts dt { opacity: .75; } dl.facts dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.verdict { font-weight: 600; }
.verdict.low::after { content: " (low confidence)"; font-weight: 400; }
kbd { border: 1px solid var(--line); border-radius: 3px; padding: 0 .3rem; background: var(--soft); }
@media (max-width: 40rem) { .keys { display: none; } .item { scroll-margin-top: 7rem; } }
@media print { .bar { display: none; } }
"""

#: Notes live in the browser under the name of the observation; the button writes them all as one CSV file.
SCRIPT = r"""
"use strict";
(() => {
  const about = JSON.parse(document.getElementById("gallery-data").textContent);
  const key = "ephemera-cosmic-notes:" + about.observation;
  const unsaved = {};
  const load = () => {
    try { return JSON.parse(localStorage.getItem(key)) || {}; } catch (error) { return {}; }
  };
  const keep = (notes) => {
    try { localStorage.setItem(key, JSON.stringify(notes)); return true; } catch (error) { return false; }
  };
  const show = (id, text) => {
    const place = document.querySelector(`[data-note-of="${CSS.escape(id)}"]`);
    if (place) place.textContent = text;
  };
  document.querySelectorAll("textarea.note").forEach((area) => {
    const id = area.dataset.id;
    area.value = load()[id] || "";
    area.addEventListener("input", () => {
      const notes = load();
      if (area.value.trim()) notes[id] = area.value; else delete notes[id];
      const kept = keep(notes);
      if (kept) delete unsaved[id]; else unsaved[id] = area.value;
      document.getElementById("storage").textContent =
        kept ? "" : "This browser does not keep notes of this page: export them before you leave.";
      show(id, area.value);
    });
  });
  Object.entries(load()).forEach(([id, text]) => show(id, text));
  const quote = (text) => {
    // A spreadsheet takes a text that starts so for a formula.
    const safe = /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
    return '"' + safe.replaceAll('"', '""') + '"';
  };
  const csv = () => {
    const all = { ...load(), ...unsaved };
    const row = (id) => [id, about.classes[id] || "", all[id]].map(quote).join(",");
    return ["id,class,note", ...Object.keys(all).sort().map(row)].join("\r\n") + "\r\n";
  };
  document.getElementById("export-notes").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = about.observation + ".notes.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  const items = Array.from(document.querySelectorAll(".item"));
  const current = () => {
    const line = window.innerHeight / 3;
    let found = -1;
    items.forEach((item, k) => { if (item.getBoundingClientRect().top <= line) found = k; });
    return found;
  };
  let wanted = null;
  const go = (step) => {
    const next = Math.min(Math.max((wanted === null ? current() : wanted) + step, 0), items.length - 1);
    if (!items[next]) return;
    wanted = next;
    items[next].scrollIntoView();
    items[next].focus({ preventScroll: true });
  };
  ["wheel", "touchmove", "mousedown"].forEach((name) =>
    window.addEventListener(name, () => { wanted = null; }, { passive: true }));
  const toggle = document.getElementById("show-path");
  const path = () => document.body.classList.toggle("no-path", !toggle.checked);
  toggle.addEventListener("change", path);
  path();
  document.getElementById("next-item").addEventListener("click", () => go(1));
  document.getElementById("previous-item").addEventListener("click", () => go(-1));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    if (event.key === "n") go(1);
    else if (event.key === "p") go(-1);
    else if (event.key === "t") { toggle.checked = !toggle.checked; path(); }
    else return;
    event.preventDefault();
  });
})();
"""
