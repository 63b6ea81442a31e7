// Passkeys. The server says what is to be signed, the browser has a device sign it, and the form that asked is sent with
// the answer in its field "credential"; what came of it is a page like any other. Without scripts there is no button.
//
// Inside any form, <div data-proof data-send="ID OF THE BUTTON" data-options="URL" data-failed="SENTENCE"> with a button
// has a device sign into the field "proof_passkey" and then presses the form's own button.
//
//   <form data-passkey="get|create" data-options="URL" data-failed="SENTENCE"> … <p data-passkey-said role="status">
(() => {
  "use strict";

  const makes = window.PublicKeyCredential;
  if (!makes?.parseRequestOptionsFromJSON || !makes.parseCreationOptionsFromJSON) return;

  async function optionsOf(form, url = form.dataset.options) {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "X-CSRFToken": form.elements.csrf_token.value },
    });
    if (!answer.ok) throw new Error(`the desk answered ${answer.status}`);
    return answer.json();
  }

  async function ask(form) {
    const options = await optionsOf(form);
    if (form.dataset.passkey === "create") {
      return navigator.credentials.create({ publicKey: makes.parseCreationOptionsFromJSON(options) });
    }
    return navigator.credentials.get({ publicKey: makes.parseRequestOptionsFromJSON(options) });
  }

  // A form that asks on its way who is there: the answer goes along with all that was filled in.
  for (const part of document.querySelectorAll("[data-proof]")) {
    part.hidden = false;
    part.querySelector("button").addEventListener("click", async () => {
      const said = part.querySelector("[data-proof-said]");
      const send = document.getElementById(part.dataset.send);
      said.textContent = "";
      try {
        const options = await optionsOf(send.form, part.dataset.options);
        const signed = await navigator.credentials.get({ publicKey: makes.parseRequestOptionsFromJSON(options) });
        send.form.elements.proof_passkey.value = JSON.stringify(signed.toJSON());
      } catch {
        said.textContent = part.dataset.failed;
        return;
      }
      send.form.requestSubmit(send);
    });
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = form.querySelector("[data-passkey-said]");
      said.textContent = "";
      try {
        form.elements.credential.value = JSON.stringify((await ask(form)).toJSON());
      } catch {
        // The person has cancelled, or the device has none: both are told in the same words by every browser.
        said.textContent = form.dataset.failed;
        return;
      }
      form.submit();
    });
  }
})();
