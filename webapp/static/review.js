// What the reviewers' pages do with scripts beyond live.js: say that a page is still open, notice that a claim has run
// out, choose many rows, and fill in a text without a round trip. Everything works without it as well.
(() => {
  "use strict";

  const root = document.documentElement;
  root.dataset.scripts = "";

  // ---- Presence. The question that keeps #presence up to date is the sign that the page is open; see live.js.

  let active = false; // Somebody has touched the page since the last sign.
  for (const name of ["keydown", "pointerdown", "wheel", "input"]) {
    addEventListener(name, () => (active = true), { passive: true, capture: true });
  }
  const place = () => document.getElementById("presence");

  // The times that the page was come to. A sign that arrives after the good-bye of its stay counts for nothing.
  let stay = 1;

  document.addEventListener("htmx:configRequest", ({ target, detail }) => {
    if (target !== place()) return;
    detail.parameters.stay = stay;
    if (active) detail.parameters.active = "1";
    active = false;
  });
  // A page that nobody can see is not being looked at.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target === place() && document.hidden) event.preventDefault();
  });

  let left = false; // A page that is left is hidden as well: one good-bye is enough.

  function leave() {
    const { visit, leave: url } = place()?.dataset ?? {};
    if (!visit || left) return;
    left = true;
    const form = new FormData();
    form.set("visit", visit);
    form.set("stay", stay);
    form.set("csrf_token", JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"]);
    navigator.sendBeacon(url, form);
  }
  addEventListener("pagehide", leave);
  const back = () => {
    if (left) stay += 1;
    left = false;
    if (place()) htmx.trigger(document.body, "desk:refresh");
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : back()));
  addEventListener("pageshow", (event) => event.persisted && back());

  // ---- Claims that run out while the page is open

  const AGAIN_MS = 15000; // The browser's clock may be a little ahead of the desk's.
  let asked = 0;
  setInterval(() => {
    const now = Date.now();
    if (document.hidden || now - asked < AGAIN_MS) return;
    const over = [...document.querySelectorAll("[data-expires]")].filter((one) => Date.parse(one.dataset.expires) <= now);
    if (over.length) asked = now;
    for (const one of over) htmx.trigger(one, "desk:expired");
  }, 1000);

  // ---- Choosing many

  const boxes = () => [...document.querySelectorAll('input[name="case"][form="many"]')];

  function count() {
    const words = document.querySelector("[data-chosen-count]");
    if (!words) return;
    const all = boxes();
    const number = all.filter((box) => box.checked).length;
    words.textContent = number ? words.dataset.textSome.replace("{number}", number) : words.dataset.textNone;
    const whole = document.querySelector("[data-choose-all]");
    if (!whole) return;
    whole.checked = number > 0 && number === all.length;
    whole.indeterminate = number > 0 && number < all.length;
  }

  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-choose-all]")) for (const box of boxes()) box.checked = target.checked;
    if (target.matches('[data-choose-all], input[name="case"]')) count();
  });
  document.addEventListener("htmx:afterSettle", count);
  addEventListener("pageshow", count);

  // ---- The text of a refusal

  const filled = (typed, text, known) => {
    if (!typed || known.includes(typed)) return text;
    return !text || typed.includes(text) ? typed : `${typed}\n${text}`;
  };

  document.addEventListener("click", (event) => {
    const form = event.target.closest("[data-use]")?.form;
    if (!form) return;
    event.preventDefault();
    const options = [...form.elements.template.options];
    const chosen = form.elements.template.selectedOptions[0];
    for (const [field, name] of [["words", "reason"], ["instructions", "instructions"]]) {
      const area = form.elements[field];
      if (!area || !chosen.value) continue;
      area.value = filled(area.value.trim(), chosen.dataset[name], options.map((one) => one.dataset[name]));
    }
    if (chosen.value) form.elements.words.focus();
  });
})();
