// Live updates. htmx's sse extension triggers each fragment that names a changed certificate; this script keeps the
// stream behind it alive, falls back to polling, says truthfully which of the two it is, and sees to it that a
// refresh never takes a field, a press of a button or a newer answer away from the reader.
//
// A page offers:
//   <body hx-ext="sse" sse-connect="stream URL" data-live-ticket="what opens it" data-live-renew="URL of a new one"
//     data-live-poll="10">
//   <section id="…" hx-get="…" hx-swap="outerHTML" hx-trigger="sse:certificate-ID, desk:refresh from:body">
//   <section id="…" data-live-every="1" hx-get="…" hx-swap="outerHTML" hx-trigger="desk:pulse, desk:refresh from:body">
//     for work under way, which is asked about every so many seconds until its answer has no such attribute any more
//   <tr id="…" hx-swap="outerHTML" data-live-on="certificate-ID …" data-live-get="…">
//     for what a page has many of: htmx, which takes a phone two milliseconds for each, need not know them
//   <p data-live-status="off" data-text-live="…" data-text-reconnecting="…" data-text-polling="…" data-text-off="…">
(() => {
  "use strict";

  const REFRESH = "desk:refresh";
  const PULSE = "desk:pulse";
  const PATIENCE_MS = 3000; // A break shorter than this needs no polling.
  const POLL_SECONDS = 10;
  const CHANGES_MS = 500; // Whoever follows every change is told at most this often.
  const LONGEST_PAUSE_MS = 30000;
  const SLEEP_MS = 60000; // A hidden tab gives its connection back: browsers allow six for one HTTP/1.1 server.

  const LONGEST_PRESS_MS = 5000;
  const ANSWERS = 30; // So many are remembered; a page asks for fewer.

  let stream = null;
  let status = null;

  // ---- What the page says about itself

  function show(now) {
    status = now;
    for (const place of document.querySelectorAll("[data-live-status]")) {
      if (place.dataset.liveStatus === now) continue;
      place.dataset.liveStatus = now;
      place.textContent = place.getAttribute(`data-text-${now}`) ?? "";
    }
  }

  function refresh() {
    htmx.trigger(document.body, REFRESH);
  }

  // Where an element gets its present from; one that does not live any more has no such address.
  const address = (element) => element.getAttribute("hx-get") ?? element.dataset.liveGet;

  // How it ended is shown by landed().
  function ask(source, type) {
    htmx.ajax("GET", address(source), { source, event: new CustomEvent(type) }).catch(() => {});
  }

  // A place and what is in it, as far as the selector fits.
  const among = (place, selector) =>
    [place, ...place.querySelectorAll(selector)].filter((one) => one.matches(selector));

  // ---- Rows, of which there are many

  function renewRows(type, place = document.body) {
    for (const row of among(place, `[data-live-on~="${CSS.escape(type)}"]`)) ask(row, `sse:${type}`);
  }
  document.addEventListener("desk:expired", ({ target: row }) => {
    if (row.dataset.liveGet) ask(row, "desk:expired");
  });

  // ---- Polling, while there is no stream

  const polling = {
    timer: null,
    seconds: POLL_SECONDS,

    start() {
      if (!this.timer) this.next();
    },
    next() {
      // The spread keeps browsers that lost the hub together from asking together.
      this.timer = setTimeout(() => this.next(), this.seconds * 1000 * (0.9 + 0.2 * Math.random()));
      if (!document.hidden) refresh();
    },
    stop() {
      clearTimeout(this.timer);
      this.timer = null;
    },
    // The page claims to poll only once an answer has shown that it does.
    answered(code) {
      if (this.timer) show(code >= 200 && code < 500 ? "polling" : "reconnecting");
    },
  };

  // ---- Work under way, which changes too often to be told of every change

  let seconds = 0;
  setInterval(() => {
    seconds += 1;
    if (document.hidden) return;
    for (const one of document.querySelectorAll("[data-live-every]")) {
      const waits = [...flights.values()].some((flight) => key(flight.target) === key(one));
      if (!waits && seconds % Number(one.dataset.liveEvery) === 0) htmx.trigger(one, PULSE);
    }
  }, 1000);

  // ---- The stream

  // One connection to the hub, read event by event, which is not tried again. The browser's own EventSource shows no
  // ticket but in its address, where secrets do not belong.
  class Source {
    constructor(url, ticket, last) {
      this.pause = 1000; // So long the hub wants whoever was cut off to wait.
      this.leaving = new AbortController();
      this.read(url, ticket, last);
    }

    // Tells its owner of the beginning by onopen(), of each event by onevent(), and by onend(refused) of an end that the
    // owner did not want.
    async read(url, ticket, last) {
      const { signal } = this.leaving;
      const headers = { Accept: "text/event-stream", Authorization: `Bearer ${ticket}` };
      if (last) headers["Last-Event-ID"] = last;
      const asked = { headers, signal, cache: "no-store", credentials: "omit", priority: "low" };
      const answer = await fetch(url, asked).catch(() => null);
      if (answer?.ok && !signal.aborted) {
        this.onopen();
        await this.listen(answer.body.pipeThrough(new TextDecoderStream()).getReader());
      }
      if (!signal.aborted) this.onend(answer?.ok === false);
    }

    async listen(reader) {
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read().catch(() => ({ done: true })); // The line broke.
        if (done) return;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) this.take(block);
      }
    }

    take(block) {
      if (this.leaving.signal.aborted) return;
      const fields = new Map([...block.matchAll(/^(\w+): ?(.*)$/gm)].map(([, name, value]) => [name, value]));
      if (fields.has("retry")) this.pause = Number(fields.get("retry"));
      const type = fields.get("event");
      if (type) this.onevent({ type, data: fields.get("data") ?? "", id: fields.get("id") });
    }

    close() {
      this.leaving.abort();
    }
  }

  // Stands in for the EventSource that the extension makes, because the extension's own way of reconnecting retries
  // a refusal for ever with the same ticket and cannot tell a quiet stream from a dead one. Listeners stay with this
  // object while the sources behind it come and go.
  class Stream extends EventTarget {
    constructor(url, place) {
      super();
      this.url = url;
      this.ticket = place?.dataset.liveTicket;
      this.renewUrl = place?.dataset.liveRenew;
      polling.seconds = Number(place?.dataset.livePoll) || POLL_SECONDS;
      this.readyState = EventSource.CONNECTING;
      this.source = null;
      this.last = ""; // The id of the last event that had one.
      this.arrived = []; // What was told while answers were on their way from the server.
      this.heartbeat = 15;
      this.failures = 0;
      this.renewed = false; // Whether another ticket was asked for since the stream last stood.
      this.broken = false;
      this.asleep = false;
      this.connect();
    }

    connect() {
      this.drop();
      if (this.asleep) return;
      this.doubt();
      const source = (this.source = new Source(this.url, this.ticket, this.last));
      source.onopen = () => this.opened();
      source.onevent = (event) => this.receive(event);
      source.onend = (refused) => this.failed(refused, source.pause);
    }

    opened() {
      clearTimeout(this.patience);
      this.patience = null;
      this.failures = 0;
      this.renewed = false;
      this.readyState = EventSource.OPEN;
      polling.stop();
      show("live");
      this.listen();
      this.onopen?.(new Event("open"));
      // The hub replays what was missed; this covers what even the hub could not know.
      if (this.broken) setTimeout(refresh, Math.random() * 500);
      this.broken = false;
    }

    failed(refused, pause) {
      this.doubt();
      this.broken = true;
      this.readyState = EventSource.CONNECTING;
      show(polling.timer ? status : "reconnecting");
      this.onerror?.(new Event("error"));
      this.again(refused, pause);
    }

    // Polling begins when the stream stays away for longer than a moment.
    doubt() {
      clearTimeout(this.watch);
      this.patience ??= setTimeout(() => polling.start(), PATIENCE_MS);
    }

    // Whoever was cut off comes back with the ticket there is and the last event heard, as soon as the hub wants it;
    // whoever was refused needs another ticket, and gets the first one without a wait: the old one had run out. As long
    // as all that leads to nothing it is tried less and less often.
    again(refused, pause = 1000) {
      this.drop();
      if (refused && !this.renewed) return this.renew();
      const wait = Math.min(LONGEST_PAUSE_MS, pause * 2 ** this.failures++) * (0.5 + 0.5 * Math.random());
      this.retry = setTimeout(() => (refused ? this.renew() : this.connect()), wait);
    }

    // The hub refuses an old ticket and an ended session alike: the desk knows which, and gives a new ticket or none.
    async renew() {
      clearTimeout(this.retry);
      this.renewed = true;
      if (!this.renewUrl) return this.connect();
      let answer;
      try {
        const asked = { cache: "no-store", redirect: "manual", headers: { Accept: "application/json" } };
        answer = await fetch(this.renewUrl, asked);
        if (answer.ok) this.ticket = (await answer.json()).ticket;
      } catch {
        return this.again(true);
      }
      if (this.readyState === EventSource.CLOSED) return;
      if (answer.ok) this.connect();
      else if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) this.end();
      else this.again(true);
    }

    // The session has ended: nothing more can come, and the page says so.
    end() {
      this.close();
      show("off");
    }

    receive(event) {
      this.last = event.id ?? this.last;
      this.listen();
      if (event.type === "heartbeat") {
        this.heartbeat = Number(event.data) || this.heartbeat;
        this.listen();
        this.say(event);
      } else if (event.type === "refresh") {
        setTimeout(refresh, Math.random() * 500);
      } else if (event.type === "change") {
        this.pending = event;
        if (!this.resting) this.tellChange();
      } else {
        this.tell(event);
      }
    }

    // A stream without a sign of life is dead, whatever the browser believes of it.
    listen() {
      clearTimeout(this.watch);
      this.watch = setTimeout(() => this.revive(), this.heartbeat * 2500);
    }

    revive() {
      this.broken = true;
      this.readyState = EventSource.CONNECTING;
      this.doubt();
      show(polling.timer ? status : "reconnecting");
      this.drop();
      this.renew();
    }

    tellChange() {
      const event = this.pending;
      this.pending = null;
      this.resting = event && setTimeout(() => this.tellChange(), CHANGES_MS);
      if (event) this.tell(event);
    }

    tell(event) {
      if (flights.size) this.arrived.push(event.type);
      this.say(event);
    }

    say({ type, data }) {
      this.dispatchEvent(new MessageEvent(type, { data, lastEventId: this.last }));
      renewRows(type);
    }

    // What an answer brought did not hear what was told while it was on its way, and may be older than that; what did
    // hear it, and put off asking, may be gone.
    repeat(from, place) {
      for (const type of new Set(this.arrived.slice(from))) {
        const ears = among(place, `[hx-trigger*="sse:${CSS.escape(type)}"]`);
        for (const one of ears) htmx.trigger(one, `sse:${type}`);
        renewRows(type, place);
      }
    }

    drop() {
      clearTimeout(this.retry);
      clearTimeout(this.watch);
      this.source?.close();
      this.source = null;
    }

    close() {
      this.drop();
      clearTimeout(this.patience);
      clearTimeout(this.resting);
      clearTimeout(this.sleep);
      polling.stop();
      this.readyState = EventSource.CLOSED;
    }

    // A tab that is looked at again shows the present at once.
    looked() {
      if (this.readyState === EventSource.CLOSED) return;
      clearTimeout(this.sleep);
      this.asleep = false;
      if (document.hidden) {
        this.sleep = setTimeout(() => {
          this.asleep = true;
          this.drop();
        }, SLEEP_MS);
      } else if (!this.source) {
        this.revive();
        refresh();
      } else if (polling.timer) {
        refresh();
      }
    }
  }

  htmx.config.defaultSettleDelay = 0; // Until it settles, a new fragment hears nothing.
  htmx.createEventSource = (url) => {
    stream?.close();
    stream = new Stream(url, document.querySelector("[sse-connect]"));
    return stream;
  };
  document.addEventListener("visibilitychange", () => stream?.looked());
  // A page that is left is not told that its stream ends, and one that is kept to come back to needs none.
  addEventListener("pagehide", () => stream?.drop());
  addEventListener("pageshow", (event) => event.persisted && stream?.looked());
  addEventListener("online", () => stream?.looked());

  // ---- Refreshing without taking anything away

  const owed = new Map(); // Fragments whose refresh had to wait, by id.
  const flights = new Map(); // Requests on their way, and where their answers go.
  let pressed = false; // A pointer is down.

  // What no event asked for is asked for by the clock.
  const isRefresh = (event) =>
    !event || [REFRESH, PULSE].includes(event.type) || Boolean(event.type?.startsWith("sse:"));
  const key = (element) => element.id || element;
  const present = (element) => (element.isConnected || !element.id ? element : document.getElementById(element.id));

  function isChanged(field) {
    if (field.hasAttribute("data-keep")) return false; // What is ticked is ticked again afterwards.
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.type === "hidden") return false;
    if (field.tagName !== "SELECT") return field.value !== field.defaultValue;
    const given = [...field.options].filter((option) => option.defaultSelected);
    const before = given.length || field.multiple ? given : [...field.options].slice(0, 1);
    const now = [...field.selectedOptions];
    return now.length !== before.length || now.some((option) => !before.includes(option));
  }

  // Somebody is writing in it, has written in it, or has a dialog of it open.
  function isInUse(target) {
    const active = document.activeElement;
    // A box that is as it was holds nothing up: htmx gives the focus back to what has an id.
    const idle = "[type=submit], [type=button], [data-keep], [type=checkbox][id]";
    const editable = active?.matches(`textarea, select, [contenteditable], input:not(${idle})`);
    if (editable && target.contains(active)) return true;
    if (target.querySelector("dialog[open]")) return true;
    return [...target.querySelectorAll("input, textarea, select")].some(isChanged);
  }

  function mustWait(source, target) {
    if (pressed || isInUse(target)) return true;
    const ends = [key(source), key(target)];
    return [...flights.values()].some((flight) => ends.includes(key(flight.target)));
  }

  function owe(source, target) {
    owed.set(key(source), { source, target });
    if (isInUse(target)) target.setAttribute("data-live-held", "");
  }

  function settle() {
    for (const [id, debt] of owed) {
      const source = present(debt.source);
      const target = present(debt.target);
      if (!source?.isConnected || !target?.isConnected || !address(source)) {
        owed.delete(id);
      } else if (!mustWait(source, target)) {
        owed.delete(id);
        target.removeAttribute("data-live-held");
        ask(source, REFRESH);
      }
    }
  }
  const settleSoon = () => setTimeout(settle);

  // An element as the desk sent it: without what htmx, this script and the reader have set on it since.
  function plain(element) {
    const copy = element.cloneNode(true);
    for (const one of [copy, ...copy.querySelectorAll("[class*=htmx-], .is-changed")]) {
      const own = [...one.classList].filter((name) => name.startsWith("htmx-") || name === "is-changed");
      one.classList.remove(...own);
      if (!one.classList.length) one.removeAttribute("class");
    }
    copy.removeAttribute("data-live-held");
    for (const one of copy.querySelectorAll("details[open]")) one.removeAttribute("open");
    // A form's secret is signed anew for every answer and says nothing about the content.
    for (const one of copy.querySelectorAll("input[name=csrf_token]")) one.removeAttribute("value");
    return copy;
  }

  // The same answer again is not swapped in: nothing flickers, loses the focus or is announced twice.
  function isUnchanged(target, html) {
    const answer = document.createElement("template");
    answer.innerHTML = html;
    const { children } = answer.content;
    return children.length === 1 && plain(target).isEqualNode(plain(children[0]));
  }

  // A control without an id is found again by what it does and says.
  function alike(one, other) {
    const does = ["href", "name", "value", "formaction", "data-copy"];
    return (
      one.tagName === other.tagName &&
      one.textContent === other.textContent &&
      does.every((name) => one.getAttribute(name) === other.getAttribute(name))
    );
  }

  // What the reader has opened and ticked, where they are, and what to compare with in order to light up what is new.
  function remember(target) {
    const active = document.activeElement;
    return {
      within: key(target),
      opened: [...target.querySelectorAll("details[open][id]")].map((one) => one.id),
      ticked: [...target.querySelectorAll("[data-keep]:checked")].map((one) => one.id),
      at: active && target.contains(active) && !active.id ? active : null,
      before: new Map(among(target, "[data-flash]").map((one) => [one.id, plain(one)])),
    };
  }

  function restore({ within, opened, ticked, at, before }) {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    for (const id of ticked) {
      const box = document.getElementById(id);
      if (box) box.checked = true;
    }
    const target = typeof within === "string" ? document.getElementById(within) : within;
    if (at && !at.isConnected && target) {
      const same = [...target.querySelectorAll("a, button, summary, [tabindex]")].find((one) => alike(one, at));
      same?.focus({ preventScroll: true });
    }
    for (const one of target ? among(target, "[data-flash]") : []) {
      if (before.get(one.id)?.isEqualNode(plain(one))) continue;
      one.classList.add("is-changed");
      one.addEventListener("animationend", () => one.classList.remove("is-changed"), { once: true });
    }
  }

  function landed(xhr) {
    const flight = flights.get(xhr);
    flights.delete(xhr);
    if (flight.refresh) polling.answered(xhr.status);
    if (xhr.status === 401) stream?.end();
    if (flight.shown) restore(flight.shown);
    // A press may change anything anywhere; a refresh changes what it was asked for.
    const place = flight.refresh ? present(flight.target) : document.body;
    if (place?.isConnected) stream?.repeat(flight.heard, place);
    if (!flights.size) stream?.arrived.splice(0);
    settleSoon();
  }

  // What asked was replaced meanwhile, by an answer that may be older than this one and has nothing to put it into:
  // what stands in its place asks again. Told to the element alone; the document does not hear what happens outside it.
  function overtaken(event) {
    const { elt, target, requestConfig } = event.detail;
    if (!isRefresh(requestConfig.triggeringEvent) || (elt.isConnected && target.isConnected)) return;
    event.preventDefault();
    owe(elt, target);
  }

  // ---- Answers that still hold

  // No cache keeps parts of private pages. As long as this page is open it remembers them itself, by their address, and
  // asks whether they still hold.
  const answers = new Map();
  const asked = new WeakMap();

  function keep(path, tag, html) {
    answers.delete(path);
    answers.set(path, { tag, html });
    if (answers.size > ANSWERS) answers.delete(answers.keys().next().value);
  }

  document.addEventListener("htmx:beforeSend", ({ detail: { xhr, requestConfig, pathInfo } }) => {
    const known = requestConfig.verb === "get" ? answers.get(pathInfo.finalRequestPath) : null;
    if (!known) return;
    asked.set(xhr, known);
    xhr.setRequestHeader("If-None-Match", known.tag);
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { xhr, requestConfig, pathInfo } = detail;
    const tag = xhr.getResponseHeader("ETag");
    if (xhr.status === 304) detail.serverResponse = asked.get(xhr).html;
    else if (xhr.status === 200 && requestConfig.verb === "get" && tag) {
      keep(pathInfo.finalRequestPath, tag, detail.serverResponse);
    }
  });

  document.addEventListener("htmx:confirm", (event) => {
    const { elt, target, triggeringEvent } = event.detail;
    if (!isRefresh(triggeringEvent) || !mustWait(elt, target)) return;
    event.preventDefault();
    owe(elt, target);
  });
  document.addEventListener("htmx:beforeSend", ({ detail: { xhr, elt, target, requestConfig } }) => {
    const isOne = isRefresh(requestConfig.triggeringEvent);
    if (isOne) {
      owed.delete(key(elt));
      elt.addEventListener("htmx:beforeOnLoad", overtaken);
    }
    flights.set(xhr, { target, refresh: isOne, heard: stream?.arrived.length ?? 0 });
    xhr.addEventListener("loadend", () => landed(xhr));
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (!isRefresh(detail.requestConfig.triggeringEvent)) return;
    if (detail.xhr.status >= 400) {
      detail.shouldSwap = false; // Nobody asked for it, so nobody is told that it failed.
    } else if (isInUse(detail.target)) {
      detail.shouldSwap = false;
      owe(detail.requestConfig.elt, detail.target);
    } else if (isUnchanged(detail.target, detail.serverResponse)) {
      detail.shouldSwap = false;
    } else {
      flights.get(detail.xhr).shown = remember(detail.target);
    }
  });
  document.addEventListener("htmx:afterSettle", () => status && show(status));

  // A press is let go before anything under it is replaced; one that was never seen to end holds nothing up for long.
  let press = null;
  const letGo = () => {
    clearTimeout(press);
    pressed = false;
    settleSoon();
  };
  document.addEventListener("pointerdown", () => {
    clearTimeout(press);
    pressed = true;
    press = setTimeout(letGo, LONGEST_PRESS_MS);
  }, true);
  for (const name of ["pointerup", "pointercancel", "dragend"]) document.addEventListener(name, letGo, true);
  for (const name of ["focusout", "change", "reset", "close"]) document.addEventListener(name, settleSoon, true);
})();
