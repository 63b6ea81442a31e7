// Shortcuts for reviewers. A key never decides anything: it leads to what can be pressed. They are off while somebody
// types, while a dialog is open, with Ctrl, Alt or Meta, and for good once they are switched off (WCAG 2.2, 2.1.4).
(() => {
  "use strict";

  const STORED = "desk-shortcuts";
  const SEQUENCE_MS = 1500;
  const sheet = document.getElementById("keys");
  const switched = sheet?.querySelector("[data-keys-switch]");
  if (!sheet) return;

  // A browser that stores nothing keeps the choice for this page.
  let on = true;
  try {
    on = localStorage.getItem(STORED) !== "off";
  } catch {}
  switched.checked = on;
  switched.addEventListener("change", () => {
    on = switched.checked;
    try {
      localStorage.setItem(STORED, on ? "on" : "off");
    } catch {}
  });

  const open = () => sheet.open || sheet.showModal();
  document.addEventListener("click", (event) => event.target.closest("[data-keys-open]") && open());

  const rows = () => [...document.querySelectorAll("#cases .rows__subject a")];
  const row = () => document.activeElement?.closest("#cases tr") ?? null;

  function step(by) {
    const all = rows();
    const here = all.findIndex((link) => link.closest("tr") === row());
    const next = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + by, 0), all.length - 1)];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  // In the queue a key means the row where the reader is, elsewhere the page.
  const here = (selector) => (document.getElementById("cases") ? row() : document)?.querySelector(selector);

  function refuse() {
    const details = document.querySelector('details[data-key="refuse"]');
    if (!details) return document.querySelector("#why-refuse")?.previousElementSibling?.focus();
    details.open = true;
    details.querySelector("select, textarea")?.focus();
  }

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    o: () => here(".rows__subject a")?.click(),
    x: () => here('input[name="case"]')?.click(),
    c: () => here('[data-key="claim"]')?.click(),
    a: () => document.querySelector('[data-key="approve"]')?.focus(),
    r: refuse,
    n: () => document.querySelector('[data-key="next"]')?.click(),
    "/": () => document.getElementById("find-q")?.focus(),
    "?": open,
  };
  const queue = document.querySelector("[data-queue]")?.dataset.queue;
  const AFTER_G = { q: () => queue && location.assign(queue) };

  let pending = 0; // When g was pressed, as the first half of a sequence.

  document.addEventListener("keydown", (event) => {
    if (!on || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (field && !field.matches('[type="checkbox"], [type="radio"], [type="submit"], [type="button"]')) return;
    const isSecond = event.timeStamp - pending < SEQUENCE_MS && pending > 0;
    pending = !isSecond && event.key === "g" ? event.timeStamp : 0;
    const act = isSecond ? AFTER_G[event.key] : KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
