// Keys, and the values of the pixels under the pointer. All other functions work without scripts.
"use strict";
(() => {
  const typing = (node) => node && node.matches("input:not([type=radio]), textarea, select");

  // While a page is loading, steps are queued for it. A decision is never made on a page that is not
  // visible yet.
  let loading = false, steps = [];
  const press = (key) => {
    const target = [...document.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key);
    if (!target || target.disabled) return false;
    if (typing(target)) { target.focus(); if (target.select) target.select(); } else target.click();
    return true;
  };
  const pageShown = () => { loading = false; if (steps.length) press(steps.shift()); };
  document.addEventListener("htmx:beforeRequest", (event) => { if (event.detail.boosted) loading = true; });
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:sendAbort"]) {
    document.addEventListener(name, () => { loading = false; steps = []; });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = document.activeElement;
    if (document.querySelector("dialog[open]")) return;
    if (typing(here)) {
      const leave = event.key === "Escape" || (event.key === "Enter" && here.name === "note" && here.form.id === "judge");
      if (leave) { event.preventDefault(); here.blur(); }
      return;
    }
    const step = event.key === "j" || event.key === "k";
    if (event.repeat && !step) { event.preventDefault(); return; }
    if (loading) { if (step && steps.length < 20) steps.push(event.key); event.preventDefault(); return; }
    if (press(event.key)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button) return;
    if (button.dataset.do === "keys") document.getElementById("keys").showModal();
    if (button.dataset.do === "larger") {
      const large = document.documentElement.classList.toggle("large");
      sessionStorage.setItem("large", large ? "1" : "");
    }
  });
  if (sessionStorage.getItem("large")) document.documentElement.classList.add("large");

  // The pixels of a candidate are fetched when the pointer is first over one of its pictures.
  const fetched = new Map();
  const load = (address) => {
    if (!fetched.has(address)) {
      if (fetched.size > 12) fetched.delete(fetched.keys().next().value);
      fetched.set(address, fetch(address).then((response) => {
        if (!response.ok) throw new Error(response.status);
        return response.arrayBuffer();
      }).then((data) => {
        const [nx, ny, hasRms] = new Uint32Array(data, 0, 3);
        const image = new Float32Array(data, 12, nx * ny);
        return { nx, ny, image, rms: hasRms ? new Float32Array(data, 12 + 4 * nx * ny, nx * ny) : null };
      }));
    }
    return fetched.get(address);
  };

  const sky = (grid, nx, ny, x, y) => { // x, y in pixels from 0, FITS row 0 at the bottom
    const n = grid.length - 1;
    const u = Math.min(Math.max(((x + 0.5) / nx) * n, 0), n), v = Math.min(Math.max(((y + 0.5) / ny) * n, 0), n);
    const i = Math.min(Math.floor(u), n - 1), j = Math.min(Math.floor(v), n - 1), s = u - i, t = v - j;
    const p = [0, 1, 2].map((k) => (1 - t) * ((1 - s) * grid[j][i][k] + s * grid[j][i + 1][k])
      + t * ((1 - s) * grid[j + 1][i][k] + s * grid[j + 1][i + 1][k]));
    const ra = (Math.atan2(p[1], p[0]) * 180 / Math.PI + 360) % 360;
    return [ra, Math.atan2(p[2], Math.hypot(p[0], p[1])) * 180 / Math.PI];
  };
  const two = (value) => String(value).padStart(2, "0");
  const hours = (ra) => {
    const all = Math.round(ra / 15 * 360000) % 8640000, left = all % 360000;
    return `${two(Math.floor(all / 360000))}h${two(Math.floor(left / 6000))}m${(left % 6000 / 100).toFixed(2).padStart(5, "0")}s`;
  };
  const degrees = (dec) => {
    const all = Math.round(Math.abs(dec) * 36000), left = all % 36000;
    return `${dec < 0 ? "−" : "+"}${two(Math.floor(all / 36000))}°${two(Math.floor(left / 600))}′${(left % 600 / 10).toFixed(1).padStart(4, "0")}″`;
  };
  const milli = (jansky, digits) => Number.isFinite(jansky) ? `${(jansky * 1000).toFixed(digits)} mJy/beam` : "never observed";

  const show = async (panel, x, y) => {
    const output = document.getElementById(panel.dataset.readout);
    let data;
    try { data = await load(panel.dataset.cutout); } catch { output.textContent = "The pixels cannot be loaded; reload the page."; return; }
    const { nx, ny, image, rms } = data;
    x = Math.min(Math.max(x, 0), nx - 1); y = Math.min(Math.max(y, 0), ny - 1);
    panel.dataset.x = x; panel.dataset.y = y;
    const at = y * nx + x, [ra, dec] = sky(JSON.parse(output.dataset.grid), nx, ny, x, y);
    const noise = rms ? rms[at] : NaN;
    const parts = [`${hours(ra)} ${degrees(dec)}`, `${ra.toFixed(5)}°, ${dec.toFixed(5)}°`, milli(image[at], 3)];
    if (Number.isFinite(noise) && noise > 0) parts.push(`rms ${milli(noise, 3)}`, `${(image[at] / noise).toFixed(1)} × noise`);
    parts.push(`pixel ${x}, ${y}`);
    output.textContent = parts.join(" · ");
    const px = x + 0.5, py = ny - 0.5 - y;
    for (const other of document.querySelectorAll(`[data-readout="${panel.dataset.readout}"]`)) {
      other.querySelector(".pointer").setAttribute("d", `M${px - 6} ${py}h4m4 0h4M${px} ${py - 6}v4m0 4v4`);
      other.dataset.x = x; other.dataset.y = y;
    }
  };
  const panelOf = (event) => event.target.closest && event.target.closest("[data-cutout]");
  document.addEventListener("pointermove", (event) => {
    const panel = panelOf(event);
    if (!panel) return;
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(panel.getScreenCTM().inverse());
    const ny = panel.querySelector("image").height.baseVal.value;
    show(panel, Math.floor(place.x), Math.ceil(ny - place.y) - 1);
  });
  const centre = (panel) => {
    const picture = panel.querySelector("image");
    return [Math.floor(picture.width.baseVal.value / 2), Math.floor(picture.height.baseVal.value / 2)];
  };
  document.addEventListener("focusin", (event) => {
    const panel = panelOf(event);
    if (panel && panel.matches(":focus-visible")) show(panel, ...(panel.dataset.x ? [+panel.dataset.x, +panel.dataset.y] : centre(panel)));
  });
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  document.addEventListener("keydown", (event) => {
    const panel = panelOf(event), step = arrows[event.key];
    if (!panel || !step) return;
    event.preventDefault();
    const [x, y] = panel.dataset.x ? [+panel.dataset.x, +panel.dataset.y] : centre(panel), by = event.shiftKey ? 10 : 1;
    show(panel, x + by * step[0], y + by * step[1]);
  });

  // When htmx has inserted a new page, begin at its top, as screen readers do.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== document.body) return;
    document.getElementById("main").focus({ preventScroll: true });
    pageShown();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.getElementById("results").replaceChildren();
  });
})();
