// What htmx does not do: follow the ledger's events, copy a command, send a dropped file. Pages read the same without it.
"use strict";

/** Load the live part of the page again, at most every half second. */
function follow(live) {
  let timer = null;
  const refresh = () => {
    timer = null;
    htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerHTML" });
  };
  const events = new EventSource(live.dataset.events);
  const soon = () => { timer ??= setTimeout(refresh, 250); };
  for (const kind of ["job", "jobs"]) events.addEventListener(kind, soon);
  events.addEventListener("end", () => { events.close(); soon(); });
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

/** Show what works with scripts alone, in a part of the page that has come. */
function reveal(part) {
  for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
}

document.addEventListener("htmx:load", (event) => reveal(event.target));
document.addEventListener("DOMContentLoaded", () => {
  reveal(document);
  const live = document.querySelector("#live[data-events]");
  if (live) follow(live);
});
