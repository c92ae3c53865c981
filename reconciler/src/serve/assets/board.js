// Keeps an open page new: the server says "changed", and the page fetches itself again and replaces the parts that differ.
"use strict";

const live = document.getElementById("live");
// A page without such parts says why there is none.
const isLive = document.querySelector("[data-live]") !== null;
let source = null;
let pending = false;
// Whether a part in use is older than the others.
let waiting = false;
// Whether the connection was lost since the page was new.
let lost = false;
// The parts of `3m 20s ago`, which grow by themselves.
const AGE = /\b\d+[dhms]\b/g;

// Says a sentence once.
function say(text) {
  if (live.textContent !== text) live.textContent = text;
}

// What replaces a part must not take the focus, a selection or the place in a table away.
function isBusy(part) {
  const selection = document.getSelection();
  return part.contains(document.activeElement) ||
    (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
}

function replace(fresh) {
  let postponed = false, changed = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!other || other.innerHTML === part.innerHTML) continue;
    changed ||= other.textContent.replace(AGE, "") !== part.textContent.replace(AGE, "");
    if (isBusy(part)) { postponed = true; continue; }
    const places = [...part.querySelectorAll(".scroll")].map((frame) => frame.scrollLeft);
    part.replaceChildren(...other.childNodes);
    part.querySelectorAll(".scroll").forEach((frame, nth) => { frame.scrollLeft = places[nth] || 0; });
  }
  const old = document.querySelectorAll("main > .state, main > .alert");
  const heading = document.querySelector("main > h1");
  old.forEach((line) => line.remove());
  heading.before(...fresh.querySelectorAll("main > .state, main > .alert"));
  return { postponed, changed };
}

async function refresh() {
  if (pending) return;
  pending = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!isLive) {
      if (answer.ok) location.reload();
    } else if (!answer.ok) {
      say("This page could not be renewed.");
    } else {
      const { postponed, changed } = replace(fresh);
      waiting = postponed;
      // Readers who listen to the page are not told of ages that grow.
      if (changed) say(`Renewed at ${new Date().toISOString().slice(11, 19)}.` + (postponed ? " The part in use was left as it is." : ""));
    }
  } catch {
    say("The server does not answer; this page is as it was.");
  } finally {
    pending = false;
  }
}

// One connection, and only while the page can be seen. After it was lost, something may have changed.
function connect() {
  if (document.hidden || source || !isLive) return;
  source = new EventSource("/live");
  source.addEventListener("changed", refresh);
  source.addEventListener("error", () => { lost = true; });
  source.addEventListener("open", () => { if (lost) refresh(); lost = false; });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
    source = null;
  } else {
    connect();
    refresh();
  }
});

// A part that was postponed is renewed once it is left.
document.addEventListener("focusout", ({ target, relatedTarget }) => {
  const part = target.closest("[data-live]");
  if (waiting && part && !part.contains(relatedTarget)) setTimeout(refresh, 0);
});

// The age of the page is part of it.
setInterval(() => { if (!document.hidden) refresh(); }, 60000);
connect();
