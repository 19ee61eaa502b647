// The pictures of a source: values under the pointer, zoom, place, and brightness.
"use strict";
(() => {
  const pictureOf = (event) => event.target.closest && event.target.closest(".sky");
  const readable = (event) => event.target.closest && event.target.closest("[data-cutout]");

  // ---- Values. The pixels of a candidate are fetched when the pointer is first over its pictures.
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
    const corners = [grid[j][i], grid[j][i + 1], grid[j + 1][i], grid[j + 1][i + 1]];
    if (corners.includes(null)) return null;
    const p = [0, 1, 2].map((k) => (1 - t) * ((1 - s) * corners[0][k] + s * corners[1][k])
      + t * ((1 - s) * corners[2][k] + s * corners[3][k]));
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
  const inWords = (ra, dec) => [`${hours(ra)} ${degrees(dec)}`, `${ra.toFixed(5)}°, ${dec.toFixed(5)}°`];
  const scale = () => document.getElementById("candidates").dataset; // the same for all pictures
  const digits = (value, count) => String(+(value * scale().factor).toPrecision(count));
  const brightness = (value) => Number.isFinite(value) ? `${digits(value, 4)} ${scale().unit}` : "never observed";

  const rowsOf = (picture) => picture.querySelector("image").height.baseVal.value;
  const inDrawing = (picture, [x, y]) => ({ x: x + 0.5, y: rowsOf(picture) - 0.5 - y });
  const show = async (picture, x, y) => { // and return where the pixel is in the drawing
    const output = document.getElementById(picture.dataset.readout);
    let data;
    try { data = await load(picture.dataset.cutout); } catch { output.textContent = "The pixels cannot be loaded; reload the page."; return null; }
    const { nx, ny, image, rms } = data;
    x = Math.min(Math.max(x, 0), nx - 1); y = Math.min(Math.max(y, 0), ny - 1);
    const at = y * nx + x, position = sky(JSON.parse(output.dataset.grid), nx, ny, x, y);
    const noise = rms ? rms[at] : +output.dataset.noise;
    const parts = position ? inWords(...position) : ["at the edge of the projection"];
    parts.push(brightness(image[at]));
    if (noise > 0) parts.push(`${rms ? "rms" : "noise about"} ${brightness(noise)}`);
    if (noise > 0 && Number.isFinite(image[at])) parts.push(`${(image[at] / noise).toFixed(1)} × noise`);
    parts.push(`pixel ${x}, ${y}`);
    output.textContent = parts.join(" · ");
    const place = inDrawing(picture, [x, y]);
    for (const other of document.querySelectorAll(`[data-readout="${picture.dataset.readout}"]`)) {
      other.dataset.x = x; other.dataset.y = y;
      drawPointer(other);
    }
    return place;
  };
  const crosshair = (x, y, arm) => `M${x - 1.5 * arm} ${y}h${arm}m${arm} 0h${arm}M${x} ${y - 1.5 * arm}v${arm}m0 ${arm}v${arm}`;
  const drawPointer = (picture) => {
    if (!picture.dataset.x) return;
    const { x, y } = inDrawing(picture, pointed(picture));
    picture.querySelector(".pointer").setAttribute("d", crosshair(x, y, picture.viewBox.baseVal.width / 50));
  };
  const pointed = (picture) => {
    if (picture.dataset.x) return [+picture.dataset.x, +picture.dataset.y];
    const image = picture.querySelector("image");
    return [Math.floor(image.width.baseVal.value / 2), Math.floor(image.height.baseVal.value / 2)];
  };
  const place = (picture, event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
  const readAt = (picture, event) => {
    const { x, y } = place(picture, event);
    show(picture, Math.floor(x), Math.ceil(rowsOf(picture) - y) - 1);
  };

  // ---- Zoom. All pictures show the same part of the sky: `zoom` is how much smaller it is than at
  // first, and `right` and `down` are the place of its middle from the source, arcsec.
  const start = () => ({ zoom: 1, right: 0, down: 0 });
  let view = start();
  const viewOf = (picture) => { // the source and the first width in pixels, and arcsec per pixel
    const [x, y, side, scale] = picture.dataset.view.split(" ").map(Number);
    return { x, y, side, scale };
  };
  const apply = () => {
    const candidates = document.getElementById("candidates");
    if (!candidates || !candidates.dataset.arcsec) return;
    const width = +candidates.dataset.arcsec, limit = (value) => Math.min(Math.max(value, -width / 2), width / 2);
    view.right = limit(view.right); view.down = limit(view.down);
    for (const picture of document.querySelectorAll(".sky")) {
      const { x, y, side, scale } = viewOf(picture), shown = side / view.zoom;
      picture.setAttribute("viewBox", `${x + view.right / scale - shown / 2} ${y + view.down / scale - shown / 2} ${shown} ${shown}`);
      drawPointer(picture); // it and the cross keep their size on the screen
      for (const path of picture.querySelectorAll(".cross path")) path.setAttribute("d", crosshair(x, y, shown / 32));
    }
    const bars = JSON.parse(candidates.dataset.bars), seen = width / view.zoom;
    const [length, label] = bars.filter((bar) => bar[0] <= seen / 4).pop() || bars[0];
    for (const marks of document.querySelectorAll(".marks")) {
      for (const path of marks.querySelectorAll(".bar path")) path.setAttribute("d", `M${192 - length / seen * 200} 190H192`);
      marks.querySelector(".bar text").textContent = label;
      const beam = marks.querySelector(".beam");
      if (!beam) continue;
      const corner = Math.max(14, 8 + beam.dataset.radius * view.zoom);
      beam.setAttribute("transform", `translate(${corner} ${200 - corner}) scale(${view.zoom})`);
    }
    document.documentElement.classList.toggle("zoomed", view.zoom > 1);
  };
  // Zoom by a factor about a point of the drawing, which keeps its place on the screen.
  const zoomBy = (factor, picture, point) => {
    const before = view.zoom;
    view.zoom = Math.min(Math.max(before * factor, 0.5), 40);
    if (picture) {
      const { x, y, scale } = viewOf(picture), keep = before / view.zoom;
      const right = (point.x - x) * scale, down = (point.y - y) * scale;
      view.right = right + (view.right - right) * keep; view.down = down + (view.down - down) * keep;
    }
    apply();
  };
  const moveBy = (picture, dx, dy) => { // by pixels of the screen
    const { scale } = viewOf(picture), matrix = picture.getScreenCTM();
    view.right -= dx / matrix.a * scale; view.down -= dy / matrix.d * scale;
    apply();
  };
  // Keys and buttons zoom about the pixel that is read in the picture with the focus, if there is one.
  const zoomHere = (factor) => {
    const picture = document.activeElement.closest("[data-cutout]");
    if (picture && picture.dataset.x) zoomBy(factor, picture, inDrawing(picture, pointed(picture)));
    else zoomBy(factor);
  };
  const keepInView = (picture, { x, y }) => {
    const box = picture.viewBox.baseVal, { scale } = viewOf(picture), margin = box.width / 10;
    const past = (at, from) => Math.min(at - from - margin, 0) + Math.max(at - from - box.width + margin, 0);
    const right = past(x, box.x) * scale, down = past(y, box.y) * scale;
    if (view.zoom > 1 && (right || down)) { view.right += right; view.down += down; apply(); }
  };

  // One finger, or the mouse, moves the picture; two fingers zoom it as well.
  const pointers = new Map();
  let moved = false;
  document.addEventListener("pointerdown", (event) => {
    if (!pictureOf(event) || event.button) return;
    if (!pointers.size) moved = false;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  document.addEventListener("pointermove", (event) => {
    const picture = pictureOf(event), last = pointers.get(event.pointerId);
    if (!picture) return;
    if (!last) { if (readable(event)) readAt(picture, event); return; }
    const now = { x: event.clientX, y: event.clientY }, dx = now.x - last.x, dy = now.y - last.y;
    if (!moved && Math.hypot(dx, dy) < 4) return;
    if (!moved) { moved = true; picture.setPointerCapture(event.pointerId); }
    const other = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at)[0];
    if (other) {
      const apart = (at) => Math.max(Math.hypot(at.x - other.x, at.y - other.y), 1);
      const middle = { clientX: (last.x + other.x) / 2, clientY: (last.y + other.y) / 2 };
      zoomBy(apart(now) / apart(last), picture, place(picture, middle));
    }
    moveBy(picture, other ? dx / 2 : dx, other ? dy / 2 : dy);
    pointers.set(event.pointerId, now);
  });
  const release = (event) => {
    const picture = readable(event);
    if (pointers.delete(event.pointerId) && picture && !moved && event.type === "pointerup") readAt(picture, event);
  };
  document.addEventListener("pointerup", release);
  document.addEventListener("pointercancel", release);
  document.addEventListener("dblclick", (event) => {
    const picture = pictureOf(event);
    if (picture) zoomBy(event.shiftKey ? 0.5 : 2, picture, place(picture, event));
  });
  // The wheel scrolls the page until a picture is clicked. A pinch on a touchpad is the wheel with Ctrl.
  document.addEventListener("wheel", (event) => {
    const picture = pictureOf(event);
    if (!picture || !(event.ctrlKey || picture === document.activeElement)) return;
    event.preventDefault();
    const turn = Math.min(Math.max(event.deltaY, -100), 100);
    zoomBy(Math.exp(-turn / 400), picture, place(picture, event));
  }, { passive: false });

  document.addEventListener("focusin", (event) => {
    const picture = readable(event);
    if (picture && picture.matches(":focus-visible")) show(picture, ...pointed(picture));
  });
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  document.addEventListener("keydown", async (event) => {
    const picture = readable(event), step = arrows[event.key];
    if (!picture || !step) return;
    event.preventDefault();
    const [x, y] = pointed(picture), by = event.shiftKey ? 10 : 1;
    const at = await show(picture, x + by * step[0], y + by * step[1]);
    if (at) keepInView(picture, at);
  });

  // ---- Brightness. The server draws the pictures with other ends of the colours.
  const limits = () => ["low", "high"].map((name) => document.querySelector(`[data-limit=${name}]`));
  let timer = 0;
  const redraw = () => {
    const fields = limits();
    if (!fields[0]) return; // another page is shown by now
    const [low, high] = fields.map((field) => field.valueAsNumber / scale().factor);
    const isWrong = !(low < high);
    for (const field of fields) field.setAttribute("aria-invalid", isWrong);
    document.querySelector("[data-wrong]").textContent = isWrong ? "The first number must be less than the second." : "";
    if (isWrong) return;
    for (const image of document.querySelectorAll("[data-contrast]")) {
      const address = new URL(image.href.baseVal, document.baseURI);
      address.searchParams.set("low", low.toPrecision(6)); address.searchParams.set("high", high.toPrecision(6));
      image.setAttribute("href", address.pathname + address.search);
    }
    const noise = +document.querySelector(".tools").dataset.noise;
    for (const text of document.querySelectorAll("[data-limits]:not([data-limits=rms])")) {
      const from = text.dataset.limits === "log" && low <= 0 ? noise : low;
      text.textContent = `${digits(from, 3)} to ${digits(high, 3)} ${scale().unit}`;
    }
  };
  const redrawSoon = () => { clearTimeout(timer); timer = setTimeout(redraw, 80); };
  document.addEventListener("input", (event) => { if (event.target.matches("[data-limit]")) redrawSoon(); });
  const setHigh = (factor) => {
    const [low, high] = limits().map((field) => field.valueAsNumber), value = low + (high - low) * factor;
    if (Number.isFinite(value)) { limits()[1].value = +value.toPrecision(3); redrawSoon(); }
  };
  const reset = () => {
    view = start(); apply();
    for (const field of limits()) field.value = field.defaultValue;
    redraw();
  };
  const tools = {
    closer: () => zoomHere(1.5), farther: () => zoomHere(1 / 1.5), reset,
    brighter: () => setHigh(1 / 1.4), dimmer: () => setHigh(1.4),
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]"), tool = button && tools[button.dataset.do];
    if (tool) tool();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target === document.body) { view = start(); pointers.clear(); apply(); }
  });
})();
