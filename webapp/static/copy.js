// Copies the text that stands beside a copy button, and says that it is done, on the page and to a screen reader.
// Without scripts the button stays hidden (desk.css), and a click into the text selects it whole.
(() => {
  "use strict";

  const SAID_MS = 3000;

  async function copy(source) {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(source.textContent.trim());
      return;
    }
    // A page that came over plain http has no clipboard of its own.
    getSelection().selectAllChildren(source);
    if (!document.execCommand("copy")) throw new Error("The browser does not copy.");
  }

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("[data-copy]");
    const source = button?.closest("div").querySelector(".copyable");
    if (!source) return;
    const said = button.parentElement.querySelector("[data-copied]");
    try {
      await copy(source);
      said.textContent = said.dataset.copied;
      setTimeout(() => { said.textContent = ""; }, SAID_MS);
    } catch {
      getSelection().selectAllChildren(source); // Marked, so that a person can copy it by hand.
    }
  });
})();
