// Keys, the name of the reviewer, and the stamps of the gallery. Decisions work without scripts, too.
"use strict";
(() => {
  const typing = (node) => node && node.matches("input:not([type=radio], [type=checkbox]), textarea, select");
  const tileOf = (node) => node && node.closest(".tile");

  // While a page is loading, steps are queued for it. A decision is never made on a page that is not
  // visible yet.
  let loading = false, steps = [];
  const press = (key) => {
    // In the gallery, a key is meant for the stamp that has the focus.
    const tile = tileOf(document.activeElement), has = (node) => node.dataset.key === key;
    const all = [...document.querySelectorAll("[data-key]")].filter(has);
    const target = all.find((node) => tile && tileOf(node) === tile) || all.find((node) => !tileOf(node));
    if (!target || target.disabled) return false;
    if (typing(target)) { target.focus(); if (target.select) target.select(); } else target.click();
    if (tileOf(target)) focusTile(1);
    return true;
  };
  const pageShown = () => { loading = false; if (steps.length) press(steps.shift()); };
  document.addEventListener("htmx:beforeRequest", (event) => {
    document.getElementById("problem").hidden = true;
    if (event.detail.boosted) loading = true;
  });
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:sendAbort"]) {
    document.addEventListener(name, () => {
      loading = false; steps = [];
      const problem = document.getElementById("problem");
      problem.textContent = "The server does not answer; the last decision may not be written. Start it again (mingolotss review) and open the address that it prints.";
      problem.hidden = false;
      problem.scrollIntoView({ block: "nearest" });
    });
  }

  // Enter in a field never sends the form by itself: without scripts the first button is disabled.
  const ownEnter = "#by, #because, [name=note], [data-limit]";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const here = document.activeElement;
    if (typing(here)) {
      const enter = event.key === "Enter" && here.matches(ownEnter);
      if (!enter && event.key !== "Escape") return;
      event.preventDefault();
      if (enter && here.id === "because") document.getElementById("question").click();
      else here.blur();
      return;
    }
    const step = event.key === "j" || event.key === "k";
    if (event.repeat && !step && !/^[-+=bd]$/.test(event.key)) { event.preventDefault(); return; }
    if (loading) { if (step && steps.length < 20) steps.push(event.key); event.preventDefault(); return; }
    // Enter activates a button, a link or a summary itself, and stores ticked tags from anywhere else.
    if (event.key === "Enter" && here.matches("button, a, summary")) return;
    // The keys of the digits give other characters without Shift on French keyboards.
    const digit = event.shiftKey ? null : /^Digit(\d)$/.exec(event.code);
    if (digit && press(digit[1])) { event.preventDefault(); return; }
    if (press(event.key === "=" ? "+" : event.key)) event.preventDefault();
  });

  // The name in the box holds from the moment it is typed: decisions take it from the box, and the
  // next pages from this cookie.
  document.addEventListener("input", (event) => {
    if (event.target.id !== "by") return;
    document.cookie = `${event.target.dataset.cookie}=${encodeURIComponent(event.target.value)}; path=/; max-age=31536000; samesite=strict`;
  });

  // The ticked tags in words, also for screen readers.
  const showChosen = () => {
    const line = document.getElementById("chosen");
    if (!line) return;
    const names = [...document.querySelectorAll(".choice:has(:checked) b")].map((node) => node.textContent);
    line.textContent = names.length ? `Chosen: ${names.join(", ")}` : line.dataset.none;
  };
  document.addEventListener("change", (event) => { if (event.target.matches(".choice input")) showChosen(); });
  showChosen();

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button) return;
    if (button.dataset.do === "keys") document.getElementById("keys").showModal();
    if (button.dataset.do === "masks") {
      sessionStorage.setItem("no-masks", sessionStorage.getItem("no-masks") ? "" : "1");
      showMasks();
    }
    if (button.dataset.do === "larger") {
      const large = document.documentElement.classList.toggle("large");
      sessionStorage.setItem("large", large ? "1" : "");
    }
  });
  if (sessionStorage.getItem("large")) document.documentElement.classList.add("large");

  // The outlines of masks are there until somebody turns them off.
  const showMasks = () => {
    const hidden = Boolean(sessionStorage.getItem("no-masks"));
    document.documentElement.classList.toggle("no-masks", hidden);
    for (const button of document.querySelectorAll("[data-do=masks]")) button.setAttribute("aria-pressed", String(!hidden));
  };
  showMasks();

  // In the gallery, arrow keys go from stamp to stamp.
  const tiles = () => [...document.querySelectorAll(".tile")];
  const focusTile = (step) => {
    const all = tiles(), at = all.indexOf(tileOf(document.activeElement)) + step;
    const next = all[Math.min(Math.max(at, 0), all.length - 1)];
    if (next) next.querySelector("a").focus();
  };
  document.addEventListener("keydown", (event) => {
    const all = tiles(), here = document.activeElement;
    if (!all.length || typing(here) || document.querySelector("dialog[open]")) return;
    const perRow = all.filter((tile) => tile.offsetTop === all[0].offsetTop).length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow }[event.key];
    if (!step || (step < 0 && !tileOf(here))) return;
    event.preventDefault();
    focusTile(tileOf(here) ? step : 1);
  });

  // When htmx has inserted a new page, begin at its top, as screen readers do.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== document.body) return;
    document.getElementById("main").focus({ preventScroll: true });
    showChosen();
    showMasks();
    pageShown();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.getElementById("results").replaceChildren();
  });
})();
