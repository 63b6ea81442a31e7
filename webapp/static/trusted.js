// Trusted Types: the policy of this site demands that text becomes HTML through here, and that no text becomes a script
// or the address of one. htmx hands the desk's own answers over; scripts among them do not run, by the same policy.
// It has to come before every other script.
(() => {
  "use strict";
  window.trustedTypes?.createPolicy("default", { createHTML: (html) => html });
})();
