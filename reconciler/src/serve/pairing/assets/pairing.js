// Pairs a phone: after a click it asks for a code every few seconds, while the page can be seen, for three minutes.
"use strict";

const part = (id) => document.getElementById(id);
const token = location.hash.slice(1);
const STAY = 180000;
const LONGEST_WAIT = 10;

let visit;
let isRunning = false;
let isTyping = false;
let pending = 0;
let last = Promise.resolve();
let stopsAt = 0;
let nextAt = 0;
let shown = "";

function text(key, values = {}) {
  const found = document.querySelector(`#texts [data-key="${key}"]`);
  return Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), found ? found.textContent : "");
}

// A text that did not change is not read out again.
function say(key, values) {
  const words = key ? text(key, values) : "";
  if (shown !== words) part("status").textContent = shown = words;
}

function show(id, isShown) {
  part(id).hidden = !isShown;
}

// The modules are black on white in the dark too: some scanners cannot read inverted codes.
function draw({ side, path }) {
  const create = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const svg = create("svg", { viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": text("qr_alt"), "shape-rendering": "crispEdges" });
  svg.append(create("rect", { width: side, height: side, fill: "#fff" }), create("path", { d: path, fill: "#000" }));
  part("qr").replaceChildren(svg);
}

function stop(key) {
  isRunning = false;
  say(key);
  part("countdown").textContent = "";
  for (const id of ["qr", "code", "by-code", "scan-instead"]) show(id, false);
  if (key !== "stopped") part("valid-until").textContent = "";
  show("go-on", key === "stopped");
  part("status").focus();
}

function apply(answer) {
  const { state, wait_seconds: seconds = LONGEST_WAIT, valid_until: validUntil } = answer;
  visit = answer.visit || visit;
  if (validUntil) part("valid-until").textContent = text("valid_until", { time: new Date(validUntil).toLocaleString() });
  if (state === "paired" || state === "dead") return stop(state);
  // A page in the line stays in it by asking again.
  nextAt = Date.now() + 1000 * (["wait", "has_code"].includes(state) ? Math.min(seconds, LONGEST_WAIT) : seconds);
  if (state === "code") {
    isTyping = true;
    part("code").textContent = answer.code;
  }
  if (state === "scan") draw(answer.qr);
  const isCode = state === "code" || state === "typing";
  say(isCode ? "typing" : state, { seconds });
  show("qr", !isTyping && ["scan", "invalid_phone", "has_code"].includes(state) && part("qr").hasChildNodes());
  show("code", isTyping && part("code").textContent !== "");
  show("scan-instead", isTyping);
  show("by-code", !isTyping);
  count();
}

function count() {
  const left = Math.ceil((nextAt - Date.now()) / 1000);
  part("countdown").textContent = left > 0 && !part("qr").hidden ? text("countdown", { seconds: left }) : "";
}

async function send(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, visit, ...body }),
    });
    apply(await answer.json());
  } catch {
    apply({ state: "unavailable", wait_seconds: 5 });
  } finally {
    pending -= 1;
  }
}

// One request after the other: an answer never overtakes a later one.
function post(path, body) {
  pending += 1;
  last = last.then(() => send(path, body));
}

function tick() {
  if (!isRunning || document.hidden || pending) return;
  if (Date.now() >= stopsAt) return stop("stopped");
  count();
  if (Date.now() >= nextAt) post("p/state", { typing: isTyping });
}

function run() {
  isRunning = true;
  stopsAt = Date.now() + STAY;
  nextAt = 0;
  show("start", false);
  show("go-on", false);
  say("asking");
  part("status").focus();
  tick();
}

part("start").addEventListener("click", run);
part("go-on").addEventListener("click", run);
part("scan-instead").addEventListener("click", () => {
  isTyping = false;
  show("code", false);
  run();
});
part("by-code").addEventListener("submit", (event) => {
  event.preventDefault();
  stopsAt = Date.now() + STAY;
  part("status").focus();
  post("p/code", { phone: part("phone").value });
});
document.addEventListener("visibilitychange", tick);
window.addEventListener("hashchange", () => location.reload());
setInterval(tick, 1000);
if (token) show("start", true);
else say("dead");
