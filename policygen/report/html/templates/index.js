
// Keeps the filters of the index in its address, and saves the rows that are shown.
for (const box of all("[data-filter]")) {
  const fields = all("[name]", box);
  const filter = () => box.dispatchEvent(new Event("input"));
  const follow = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
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
    const line = (row) => {
      const cells = [...row.cells];
      const note = words(cells[0].querySelector("small"));
      return [words(cells[0]).slice(0, note ? -note.length : undefined).trim(), note, ...cells.slice(1).map(words)];
    };
    const number = (text) => (/^\d[\d,]*$/.test(text) ? text.replaceAll(",", "") : text);
    // An apostrophe keeps a spreadsheet from taking a name for a formula.
    const cell = (text) => `"${number(text).replace(/(^|;)(?= *[=+\-@＝＋－＠])/g, "$1'").replaceAll('"', '""')}"`;
    const [head, ...rows] = all("tr", table).filter((row) => !row.hidden && row.cells.length > 1).map(line);
    head[1] = "Where";
    const csv = [head, ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    link.download = "roles.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
