// What htmx does not do: follow the ledger's events, copy a command, send a dropped file. Pages read the same without it.
"use strict";

/** Load the live part of the page again, at most every half second; what was opened stays open. */
function follow(live) {
  let timer = null;
  const refresh = async () => {
    timer = null;
    const opened = [...document.querySelectorAll("#live details[id][open]")];
    await htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerHTML" });
    for (const { id } of opened) document.getElementById(id)?.setAttribute("open", "");
  };
  const events = new EventSource(live.dataset.events);
  const soon = () => { timer ??= setTimeout(refresh, 250); };
  for (const kind of ["job", "jobs"]) events.addEventListener(kind, soon);
  events.addEventListener("end", () => { events.close(); soon(); setTimeout(refresh, 1500); }); // the last lines of the log
}

/** Put the text of the command beside a button on the clipboard. */
async function copy(button) {
  await navigator.clipboard.writeText(button.closest("details").querySelector("code").textContent);
  button.textContent = "Copied";
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

/** Send a file as the body of a request, showing how far it is; lead to its job or to what changed, or show why not. */
function send(form, file) {
  const [bar, alert] = [form.querySelector("progress"), form.querySelector("[role=alert]")];
  const date = form.querySelector("[name=data_date]");
  const query = date ? new URLSearchParams({ filename: file.name, ...(date.value && { data_date: date.value }) }) : "";
  const request = new XMLHttpRequest();
  const fail = (text) => { alert.textContent = text; alert.hidden = false; bar.hidden = true; };
  request.open("POST", `${form.dataset.upload}?${query}`);
  for (const [name, value] of Object.entries(JSON.parse(document.body.getAttribute("hx-headers")))) request.setRequestHeader(name, value);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.onprogress = (event) => { bar.value = 100 * event.loaded / event.total; };
  request.onerror = () => fail("The connection broke; send the file again.");
  request.onload = () => {
    const answer = JSON.parse(request.responseText);
    if (request.status < 300) location.assign(form.dataset.done ?? `/jobs/${answer.id}`);
    else fail(`${answer.code}: ${answer.detail}`);
  };
  alert.hidden = true;
  bar.hidden = false;
  request.send(file);
}

/** Let a form take a file that is chosen or dropped. */
function takeFiles(form, take) {
  const input = form.querySelector("input[type=file]");
  form.hidden = false;
  form.addEventListener("submit", (event) => { event.preventDefault(); take(form, input.files[0]); });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
  }
}

/** Have the start of a file inspected, and show what came of it. */
async function inspectFile(form, file) {
  const alert = form.querySelector("[role=alert]");
  const table = form.querySelector("[name=table]").value;
  const start = file.slice(0, 4 << 20);
  const query = new URLSearchParams({ filename: file.name, is_part: file.size > start.size, ...(table && { table }) });
  const headers = { ...JSON.parse(document.body.getAttribute("hx-headers")), "Content-Type": "application/octet-stream" };
  alert.hidden = true;
  const answer = await fetch(`${form.dataset.inspect}?${query}`, { method: "POST", body: start, headers });
  if (answer.ok) {
    htmx.swap("#seen", await answer.text(), { swapStyle: "innerHTML" });
    document.querySelector("#seen h2").focus();
  } else {
    const problem = await answer.json();
    alert.textContent = `${problem.code}: ${problem.detail}`;
    alert.hidden = false;
  }
}

/** Show what works with scripts alone, in a part of the page that has come. */
function reveal(part) {
  for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
}

document.addEventListener("htmx:load", (event) => reveal(event.target));
document.addEventListener("DOMContentLoaded", () => {
  reveal(document);
  const live = document.querySelector("#live[data-events]");
  if (live) follow(live);
  document.querySelectorAll("form[data-upload]").forEach((form) => takeFiles(form, send));
  document.querySelectorAll("form[data-inspect]").forEach((form) => takeFiles(form, inspectFile));
});
