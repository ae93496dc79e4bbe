// Keys, local times, and the answer to "was it recorded?" after a lost connection. Everything else is htmx.
"use strict";

const typing = (element) => element.closest("input:not([type=radio]):not([type=checkbox]), textarea, select") !== null;

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    const withTime = time.textContent.includes(":");
    const options = { day: "2-digit", month: "short" };
    if (withTime || /\d{4}/.test(time.textContent)) options.year = "numeric";
    if (withTime) Object.assign(options, { hour: "2-digit", minute: "2-digit" });
    time.textContent = new Intl.DateTimeFormat(undefined, options).format(at);
    time.dataset.local = "";
  }
}

function move(step) {
  const items = [...document.querySelectorAll(".row, body[data-page=case] main section")];
  if (!items.length) return;
  const now = items.indexOf(document.activeElement.closest(".row, section"));
  const next = items[Math.min(Math.max(now + step, 0), items.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!target) return false;
  if (target.type === "radio") {
    target.checked = true;
    target.focus();
    target.scrollIntoView({ block: "center" });
    target.dispatchEvent(new Event("change", { bubbles: true }));
  } else target.click();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const at = event.target;
  if (event.key === "Enter" && at.matches(".row")) location.assign(at.dataset.href);
  else if (event.key === "Enter" && at.matches("[name=verdict]")) { event.preventDefault(); at.form.requestSubmit(); }
  else if (at.matches("#decide [name=story]") && /^[1-7]$/.test(event.key)) { event.preventDefault(); at.selectedIndex = Number(event.key); }
  else if (at.matches("#decide [name=story]") && event.key === "Enter" && at.value) { event.preventDefault(); at.form.requestSubmit(); }
  else if (typing(at)) return;
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "?") document.getElementById("keys").showModal();
  else if (event.key === "/") { event.preventDefault(); document.getElementById("search").focus(); }
  else if (/^[1-4naq]$/.test(event.key) && press(event.key)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (row && !event.target.closest("a, input, button, label")) location.assign(row.dataset.href);
});

document.addEventListener("change", (event) => {
  if (event.target.name === "verdict") {
    const story = event.target.form.elements.story;
    story.required = event.target.value === "explained";
    if (story.required) story.focus();
  }
});

function say(text, kind) {
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = text;
  document.getElementById("message").replaceChildren(line);
}

// The connection broke while a decision was on its way: ask until it is known what became of it.
async function follow(form) {
  const button = form.querySelector("button.primary, button");
  button.disabled = true;
  for (;;) {
    say("The console or Kafka does not answer. Looking whether your decision was recorded …", "refused");
    try {
      const answer = await fetch(`/decisions/${form.dataset.event}`, { headers: { Accept: "text/plain" } });
      const state = answer.ok ? await answer.text() : "pending";
      if (state === "recorded") { location.assign(`${location.pathname}?done=${form.dataset.event}`); return; }
      if (state === "absent") {
        say("Your decision was not recorded: the console was interrupted before. Your answers are still in the form; send it again.", "refused");
        button.disabled = false;
        return;
      }
    } catch { /* the console is still away */ }
    await new Promise((done) => setTimeout(done, 1000));
  }
}

document.addEventListener("htmx:sendError", (event) => {
  const form = event.target.closest("form[data-event]");
  if (form) follow(form);
  else say("The console does not answer. Nothing was sent.", "refused");
});
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  const token = event.detail.xhr.getResponseHeader("X-CSRF-Token");
  const form = event.target.closest("form");
  if (status === 403 && token && form && form.dataset.renewed !== token) {
    // The console has started again since the page was opened.
    form.dataset.renewed = token;
    for (const field of document.querySelectorAll("[name=csrf]")) field.value = token;
    setTimeout(() => form.requestSubmit(), 100);
    return;
  }
  if (status === 401) say("You are no longer logged in. Log in in another tab, then send the form again.", "refused");
  else say(`The console answered with an error (${status}). Load the page again; if it stays, see the console's log.`, "refused");
});
// Kafka did not acknowledge in time: the decision may be recorded or not.
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest("form[data-event]");
  if (form && event.detail.xhr.status === 503) follow(form);
});
// Marks end with the action that took them, so that the next one does not take these cases along; Undo gives them back.
let unmarked = [];
document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful) return;
  const boxes = [...document.querySelectorAll("[name=case]")];
  if (event.target.id === "marked") {
    unmarked = boxes.filter((box) => box.checked).map((box) => box.value);
    for (const box of boxes) box.checked = false;
  }
  if (event.detail.pathInfo.requestPath.endsWith("/undo")) for (const box of boxes) box.checked ||= unmarked.includes(box.value);
});
// A note or an assignment is answered in place, so that a half-written verdict stays: the form gets the next event's id.
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target;
  const next = event.detail.xhr.getResponseHeader("X-Next-Event-Id");
  if (!next || !form.matches("form[data-event]")) return;
  form.reset();
  form.elements.event_id.value = form.dataset.event = next;
});
document.addEventListener("htmx:load", (event) => localTimes(event.target));
document.addEventListener("DOMContentLoaded", () => localTimes(document));
// Evidence that changes under the reader is announced: the form belongs to what is shown now.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id !== "facts") return;
  const before = Object.fromEntries(["alert_id", "seen_verdict"].map((name) => [name, event.target.querySelector(`[name=${name}]`)?.value]));
  setTimeout(() => {
    const now = (name) => document.querySelector(`#facts [name=${name}]`)?.value;
    if (now("alert_id") !== before.alert_id) say("A new alert came: the evidence is another one now. What you typed is still there.", "refused");
    else if (now("seen_verdict") !== before.seen_verdict && !location.search.includes("done=")) say("Somebody decided this case meanwhile: see the log. What you typed is still there.", "refused");
  }, 500);
});
// What somebody is typing is never drawn again.
document.addEventListener("htmx:beforeRequest", (event) => {
  const fields = event.target.matches("[data-keep]") ? [...event.target.querySelectorAll("input, textarea")] : [];
  if (fields.some((field) => field.value !== field.defaultValue || field === document.activeElement)) event.preventDefault();
});
// A list that is drawn again keeps its marks and the place of the keyboard.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id !== "list") return;
  const marked = [...document.querySelectorAll("[name=case]:checked")].map((box) => box.value);
  const focused = document.activeElement.closest(".row");
  kept = { marked, focused: focused && focused.id };
});
let kept = null;
document.addEventListener("htmx:afterSettle", () => {
  if (!kept) return;
  const { marked, focused } = kept;
  kept = null;
  for (const box of document.querySelectorAll("[name=case]")) box.checked = marked.includes(box.value);
  if (focused) document.getElementById(focused)?.focus();
});
