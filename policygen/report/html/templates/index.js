
// Keeps the filters of the index in its address, and saves the rows that are shown.
for (const box of all("[data-filter]")) {
  const fields = all("[name]", box);
  const kinds = all(`#${box.dataset.filter} > tbody > tr`).flatMap((row) => (row.dataset.kind ?? "").split(" "));
  const times = new Map();
  for (const kind of kinds) times.set(kind, (times.get(kind) ?? 0) + 1);
  // The label is what is shown: the text stays what addresses name.
  for (const one of all("option", box)) if (one.value) one.label = `${one.text} (${times.get(one.value) ?? 0})`;
  // A choice that no row of this page has shows none, and not all.
  const offer = (name, value) => {
    let field = fields.find((one) => one.name === name);
    if (!field) {
      const label = document.createElement("label");
      field = Object.assign(document.createElement("select"), { name });
      field.setAttribute("aria-controls", box.dataset.filter);
      field.add(new Option("all", ""));
      label.append(`${name[0].toUpperCase()}${name.slice(1)} `, field);
      box.querySelector("[role=status]").before(label);
      fields.push(field);
    }
    if (!field.options || [...field.options].some((one) => one.text === value)) return;
    const none = new Option(value, `-${value}`);
    none.label = `${value} (0)`;
    field.add(none);
  };
  const filter = () => box.dispatchEvent(new Event("input"));
  const follow = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const [name, value] of wanted) if (name && value) offer(name, value);
    for (const field of fields) {
      const value = wanted.get(field.name) ?? "";
      field.value = field.options ? [...field.options].find((one) => value && one.text === value)?.value ?? "" : value;
    }
    filter();
  };
  box.addEventListener("input", () => {
    const chosen = new URLSearchParams();
    for (const field of fields) {
      if (field.value) chosen.set(field.name, field.options ? field.selectedOptions[0].text : field.value);
    }
    if (location.hash.includes("=") || chosen.size) history.replaceState(null, "", `#${chosen}`);
  });
  if (location.hash.includes("=")) follow();
  addEventListener("hashchange", () => location.hash.includes("=") && follow());

  const [clear, save] = all("button", box);
  clear.hidden = save.hidden = false;
  clear.addEventListener("click", () => {
    for (const field of fields) field.value = "";
    filter();
  });
  save.addEventListener("click", () => {
    const table = document.getElementById(box.dataset.filter);
    const words = (node) => node?.textContent.trim().replace(/\s+/g, " ") ?? "";
    const { account: own, partition } = table.dataset;
    const more = fields.filter((field) => ["reason", "trust", "rule", "tag", "service", "runs"].includes(field.name));
    const titles = ["Role", "ARN", "Account", "Path", "Owner"];
    const head = [...titles, ...[...table.tHead.rows[0].cells].slice(1).map(words),
      ...more.map((field) => field.labels[0].firstChild.data.trim())];
    const line = (row) => {
      const cells = [...row.cells];
      const note = words(cells[0].querySelector("small"));
      const name = words(cells[0]).slice(0, note ? -note.length : undefined).trim();
      const [, account = own, path = "/", owner = ""] = note.match(/^(\d{12}(?!\S))? ?(\/\S*\/(?!\S))? ?(.*)$/);
      const arn = row.dataset.arn ?? `arn:${partition}:iam::${account}:role${path}${name}`;
      const kinds = row.dataset.kind.split(" ");
      const chosen = (field) => [...field.options].filter((one) => kinds.includes(one.value)).map((one) => one.text).join(", ");
      return [name, arn, account, path, owner, ...cells.slice(1).map(words), ...more.map(chosen)];
    };
    const number = (text) => (/^\d[\d,]*$/.test(text) ? text.replaceAll(",", "") : text);
    // An apostrophe keeps a spreadsheet from taking a name for a formula.
    const cell = (text) => `"${number(text).replace(/(^|;)(?= *[=+\-@＝＋－＠])/g, "$1'").replaceAll('"', '""')}"`;
    const rows = all("tbody > tr", table).filter((row) => !row.hidden && row.cells.length > 1).map(line);
    const csv = [head, ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    link.download = "roles-filtered.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// Questions follow the roles that are shown: which are asked, of how many roles, and of which.
for (const bar of all("[data-asked]")) {
  const first = 6;
  const roles = all("#role-table > tbody > tr");
  const tokens = roles.map((row) => ` ${row.dataset.kind} `);
  const names = roles.map((row) => row.querySelector("th > a")?.textContent);
  const lines = all("#question-table > tbody > tr").map((row) => ({
    row, number: row.querySelector("strong"), said: row.querySelector("strong").textContent,
    place: row.cells[1], named: [...row.cells[1].childNodes], command: row.querySelector("details"),
  }));
  const [status, more] = [bar.querySelector("[role=status]"), bar.querySelector("button")];
  let every = false;
  const code = (text) => Object.assign(document.createElement("code"), { textContent: text });
  const draw = () => {
    const whole = roles.every((row) => !row.hidden);
    let asked = 0;
    lines.forEach((one, i) => {
      const own = whole ? [] : names.filter((_, at) => !roles[at].hidden && tokens[at].includes(` q${i} `));
      const there = whole || own.length > 0;
      asked += there;
      one.row.hidden = !there || !(every || asked <= first);
      one.number.textContent = whole ? one.said : own.length === 1 ? "1 role" : `${own.length} roles`;
      const rest = own.length > first ? ` and ${own.length - first} more` : "";
      one.place.replaceChildren(...(whole ? one.named : [code(own.slice(0, first).join(" ")), rest]));
      // A command for each of the first roles of all may be about roles that are not shown.
      if (one.command) one.command.hidden = !whole && one.command.querySelector("pre").textContent.includes("\n");
    });
    const shown = every ? asked : Math.min(asked, first);
    status.textContent = whole ? `${shown} of ${lines.length} questions` : `${shown} of ${asked} questions of these roles`;
    for (const one of all("[data-whole]")) one.hidden = !whole;
    more.hidden = asked <= first;
    more.textContent = every ? "Show fewer" : `Show ${asked - first} more`;
  };
  more.addEventListener("click", () => { every = !every; draw(); });
  for (const box of all("[data-filter]")) box.addEventListener("input", draw);
  bar.hidden = false;
  draw();
}
