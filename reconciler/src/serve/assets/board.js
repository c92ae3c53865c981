// Keeps an open page new: the server says "changed", and the page fetches itself again and replaces the parts that differ.
"use strict";

const live = document.getElementById("live");
let source = null;
let pending = false;

// What replaces a part must not take the focus, a selection or the place in a table away.
function isBusy(part) {
  const selection = document.getSelection();
  return part.contains(document.activeElement) ||
    (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
}

function replace(fresh) {
  let postponed = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!other || other.innerHTML === part.innerHTML) continue;
    if (isBusy(part)) { postponed = true; continue; }
    const places = [...part.querySelectorAll(".scroll")].map((frame) => frame.scrollLeft);
    part.replaceChildren(...other.childNodes);
    part.querySelectorAll(".scroll").forEach((frame, nth) => { frame.scrollLeft = places[nth] || 0; });
  }
  const old = document.querySelectorAll("main > .state, main > .alert");
  const heading = document.querySelector("main > h1");
  old.forEach((line) => line.remove());
  heading.before(...fresh.querySelectorAll("main > .state, main > .alert"));
  return postponed;
}

async function refresh() {
  if (pending) return;
  pending = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) {
      live.textContent = "This page could not be renewed.";
    } else {
      const postponed = replace(fresh);
      live.textContent = `Renewed at ${new Date().toISOString().slice(11, 19)}.` + (postponed ? " The part in use was left as it is." : "");
    }
  } catch {
    live.textContent = "The server does not answer; this page is as it was.";
  } finally {
    pending = false;
  }
}

// One connection, and only while the page can be seen.
function connect() {
  if (document.hidden || source) return;
  source = new EventSource("/live");
  source.addEventListener("changed", refresh);
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
document.addEventListener("focusout", () => setTimeout(() => { if (live.textContent.includes("in use")) refresh(); }, 0));

// The age of the page is part of it.
setInterval(() => { if (!document.hidden) refresh(); }, 60000);
if (document.querySelector("[data-live]")) connect();
