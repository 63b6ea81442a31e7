// Small helps that need a script. Without it nothing is missing: what is copied can be selected, boxes can be ticked
// one by one, and the page says everything in its own text.
//
// A page offers:
//   <button data-copy="TEXT" data-said="…">   copies the text and says so
//   <button data-print>                       prints the page
//   <input type="checkbox" data-pick-all>     ticks every [data-keep] box of its table
//   <section data-announce="SENTENCE">        what a screen reader is told when a fragment came that says another one
(() => {
  "use strict";

  // ---- Saying what changed

  const announcer = document.getElementById("announcer");
  const queue = [];
  let speaking = null;

  // One after the other with a breath between them, for a region that changes twice at once is read once.
  function say(sentence) {
    if (!announcer || !sentence || queue.at(-1) === sentence) return;
    queue.push(sentence);
    speaking ??= setTimeout(speak, 150);
  }
  function speak() {
    announcer.textContent = queue.splice(0).join(" ");
    speaking = null;
  }

  const said = new Map(); // What each fragment said last, by its id.
  const news = (root) => [root, ...root.querySelectorAll("[data-announce]")].filter((one) => one.dataset?.announce);

  function hear(root, aloud) {
    for (const one of news(root)) {
      if (aloud && said.get(one.id) !== one.dataset.announce) {
        say(one.dataset.announce);
        if (said.has(one.id)) outdate();
      }
      said.set(one.id, one.dataset.announce);
    }
  }
  hear(document.body, false);
  document.addEventListener("htmx:afterSwap", ({ detail: { target, elt } }) => {
    hear(document.getElementById(target.id || elt.id) ?? document.body, true);
  });

  // What stands on top of a page that was just loaded is news as well, until something newer has happened below it.
  const messages = document.getElementById("messages");
  const outdate = () => messages?.querySelectorAll(".tone-success").forEach((one) => one.remove());
  if (messages?.textContent.trim()) say(messages.textContent.trim().replace(/\s+/g, " "));

  // ---- Copying

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return; // The text beside it can still be selected.
    }
    say(button.dataset.said);
    button.setAttribute("data-copied", "");
    setTimeout(() => button.removeAttribute("data-copied"), 2000);
  });

  // ---- Printing

  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-print]")) print();
  });

  // Paper cannot be unfolded.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details.more:not([open], .no-print)")];
    for (const one of unfolded) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of unfolded) one.open = false;
  });

  // ---- Ticking

  const boxes = (all) => [...all.closest("table").querySelectorAll("[data-keep]")];

  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-pick-all]")) {
      for (const one of boxes(target)) one.checked = target.checked;
    } else if (target.matches("table [data-keep]")) {
      const all = target.closest("table").querySelector("[data-pick-all]");
      if (!all) return;
      const ticked = boxes(all).filter((one) => one.checked).length;
      all.checked = ticked === boxes(all).length;
      all.indeterminate = ticked > 0 && !all.checked;
    }
  });
})();
