// Filters, sorts, copies, and says the numbers of cells that are pointed at; the page is complete without it.
"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

for (const box of all("[data-filter]")) {
  const rows = all(`#${box.dataset.filter} > tbody > tr`);
  const text = rows.map((row) => row.textContent.toLowerCase());
  const kinds = rows.map((row) => (row.dataset.kind ?? "").split(" "));
  const [find, status] = ["input", "[role=status]"].map((one) => box.querySelector(one));
  box.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/);
    const chosen = all("select", box).map((one) => one.value).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      const fits = chosen.every((one) => kinds[i].includes(one)) && words.every((word) => text[i].includes(word));
      row.hidden = !fits;
      shown += fits;
    });
    status.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  });
  box.hidden = false;
}

for (const table of all("table.sortable")) {
  const heads = all("thead th", table);
  const key = (row, at) => row.cells[at].dataset.sort ?? row.cells[at].textContent.trim().replaceAll(",", "");
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = new Intl.Collator("en", { numeric: true }).compare;
      const rows = all(":scope > tbody > tr", table);
      rows.sort((a, b) => order(key(a, at), key(b, at)) * (up ? 1 : -1));
      table.tBodies[0].append(...rows);
    });
  });
}

const copies = (button, source) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const label = button.firstChild;
    try {
      await navigator.clipboard.writeText(source.textContent);
      label.data = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      label.data = "Selected: copy it now";
    }
    setTimeout(() => { label.data = "Copy"; }, 3000);
  });
};
for (const button of all("[data-copy]")) copies(button, document.getElementById(button.dataset.copy));
for (const block of all("pre:not([role])")) {
  const [button, what] = ["button", "span"].map((tag) => document.createElement(tag));
  Object.assign(button, { type: "button", className: "copy" });
  Object.assign(what, { className: "sr", textContent: ` the ${block.getAttribute("aria-label").toLowerCase()}` });
  button.append("Copy", what);
  block.before(button);
  copies(button, block);
}

// The numbers stand in the table below the picture, where services with the same numbers share a column.
for (const strip of all("svg.strip")) strip.addEventListener("pointerenter", () => {
  const [service] = strip.closest("tr").cells[0].textContent.trim().split(/,| and /);
  const at = all(".numbers thead th").findIndex((head) => head.textContent.split(", ").includes(service));
  const days = all(".numbers > tbody > tr");
  days.forEach((day, i) => {
    const cell = document.createElementNS(strip.namespaceURI, "rect");
    const place = { x: `${100 * i / days.length}%`, width: `${100 / days.length}%`, height: "100%", fill: "transparent" };
    Object.entries(place).forEach(([name, value]) => cell.setAttribute(name, value));
    const tip = document.createElementNS(strip.namespaceURI, "title");
    tip.textContent = `${day.cells[0].textContent}: ${day.cells[at].textContent}`;
    cell.append(tip);
    strip.append(cell);
  });
}, { once: true });
