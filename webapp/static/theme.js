// Remembers whether the reader wants light or dark. The server reads the cookie and sets data-theme on <html>,
// so no page ever appears in the wrong colours first. Without this script the switch stays hidden.
(() => {
  const choice = document.querySelector("[data-theme-switch]");
  if (!choice) return;
  choice.hidden = false;
  // Some browsers restore the buttons of an earlier visit.
  choice.querySelector(`[value="${document.documentElement.dataset.theme}"]`).checked = true;
  choice.addEventListener("change", (event) => {
    const theme = event.target.value;
    // Over TLS the prefix ties the cookie to this host alone, and browsers then insist on Secure and the path.
    const [prefix, secure] = location.protocol === "https:" ? ["__Host-", "; Secure"] : ["", ""];
    document.documentElement.dataset.theme = theme;
    document.cookie = `${prefix}theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  });
})();
