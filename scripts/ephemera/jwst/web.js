"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const OWN = { "X-Ephemera": "1" };
  let job = null;
  let timer = null;
  const fail = (text) => {
    byId("error").textContent = text;
    byId("error").hidden = text === "";
  };
  const show = (id, yes) => { byId(id).hidden = !yes; };
  const ready = (yes) => { byId("start").disabled = !yes; };
  const seconds = (s) => (s < 90 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`);
  const links = (status) => {
    const list = byId("links");
    list.replaceChildren();
    const add = (href, text, download) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = href;
      link.textContent = text;
      if (download) link.download = "";
      item.append(link);
      list.append(item);
    };
    const names = { combined: "Combined page: surface, heatmap, spectra, light curves, video", surface: "Surface", heatmap: "Heatmap" };
    status.pages.forEach((page) => add(`/jobs/${status.id}/${page}.html`, names[page], false));
    add(`/jobs/${status.id}/download`, "Everything as a ZIP", true);
  };
  const update = (status) => {
    byId("dataset").textContent = status.dataset;
    byId("bar").value = status.percent;
    byId("percent").textContent = `${Math.round(status.percent)} %`;
    const waiting = status.state === "queued" ? "waiting for another job" : `${status.stage}${status.total ? `, ${status.done} of ${status.total}` : ""}`;
    const left = status.remaining_s === null ? "" : `, about ${seconds(status.remaining_s)} left`;
    byId("stage").textContent = `${waiting}, ${seconds(status.elapsed_s)}${left}`;
    if (status.state === "done" || status.state === "failed") {
      clearInterval(timer);
      timer = null;
      show("running", false);
      ready(true);
    }
    if (status.state === "failed") fail(`The run failed. ${status.message}`);
    if (status.state === "done") {
      byId("finished").textContent = status.dataset;
      links(status);
      show("results", true);
      byId("links").querySelector("a").focus();
    }
  };
  const poll = async () => {
    try {
      const answer = await fetch(`/jobs/${job}`);
      if (answer.ok) update(await answer.json());
      else throw new Error((await answer.json()).error);
    } catch (error) {
      clearInterval(timer);
      ready(true);
      fail(`The server does not answer: ${error.message}`);
    }
  };
  const options = () => ({
    name: byId("name").value, bands: byId("bands").value, baseline: byId("baseline").value, colorscale: byId("colorscale").value,
    wavelength_unit: byId("wavelength_unit").value, transit: byId("transit").checked, video: byId("video").checked,
  });
  const send = (file) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const query = new URLSearchParams({ name: file.name, options: JSON.stringify(options()) });
    request.open("PUT", `/jobs?${query}`);
    request.setRequestHeader("X-Ephemera", "1");
    request.upload.addEventListener("progress", (event) => {
      byId("stage").textContent = `upload, ${Math.round((100 * event.loaded) / event.total)} %`;
    });
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* an answer without words */ }
      if (request.status === 202) resolve(answer);
      else reject(new Error(answer.error || `status ${request.status}`));
    });
    request.addEventListener("error", () => reject(new Error("the server does not answer, or the file is too large")));
    request.send(file);
  });
  byId("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = byId("file").files[0];
    if (!file) return;
    fail("");
    ready(false);
    show("results", false);
    show("running", true);
    byId("dataset").textContent = file.name;
    byId("bar").value = 0;
    byId("percent").textContent = "";
    try {
      const status = await send(file);
      job = status.id;
      update(status);
      timer = setInterval(poll, 700);
    } catch (error) {
      show("running", false);
      ready(true);
      fail(error.message);
    }
  });
  const remove = async () => {
    clearInterval(timer);
    timer = null;
    await fetch(`/jobs/${job}`, { method: "DELETE", headers: OWN });
    show("running", false);
    show("results", false);
    ready(true);
    byId("file").focus();
  };
  byId("cancel").addEventListener("click", remove);
  byId("remove").addEventListener("click", remove);
})();
