"use strict";
// All is inside of the page. Answers are in localStorage, by the name of who answered, until they are saved; what
// another tab wrote there stays.
const keeping = (data, { warn, changed }) => {
  const at = (id) => document.getElementById(id), key = `dawnchorus review ${data.sample}`;
  let stored = {};
  const UNKEPT = "This browser keeps no answers of this page: save reviews.csv before you close it.";
  const read = () => {
    try {
      stored = JSON.parse(localStorage.getItem(key) ?? JSON.stringify(stored));
    } catch {
      warn(UNKEPT);
    }
  };
  const of = (name) => (Object.hasOwn(stored.answers ?? {}, name) ? stored.answers[name] : {});
  const answer = (name, clip) => (Object.hasOwn(of(name), clip) ? of(name)[clip] : undefined);
  const put = (name, clip, given) => {
    read();
    stored.answers ??= {};
    const value = { ...of(name), [clip]: given };
    Object.defineProperty(stored.answers, name, { value, enumerable: true, configurable: true, writable: true });
    stored.reviewer = name;
    try {
      localStorage.setItem(key, JSON.stringify(stored));
    } catch {
      warn(UNKEPT);
    }
  };

  // As dawnchorus.tables.cells writes a text: no spreadsheet runs it, and commas and quotes stay inside.
  const cell = (value) => {
    let text = String(value);
    if (typeof value === "string" && /^'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const COLUMNS = ["clip", "recording_id", "start_s", "end_s", "species_id", "answer", "other_species", "reviewer", "time", "path"];
  const save = () => {
    read();
    const name = at("reviewer").value.trim(), rows = [COLUMNS];
    for (const clip of data.clips) {
      const given = answer(name, clip.clip);
      if (given) rows.push([clip.clip, clip.recording_id, clip.start_s, clip.end_s, clip.species_id, given.answer, given.other, name, given.time, clip.path]);
    }
    if (rows.length === 1) return warn("There are no answers of this name yet.");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([rows.map((row) => `${row.map(cell).join(",")}\n`).join("")], { type: "text/csv" }));
    link.download = "reviews.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    return warn("");
  };
  at("save").addEventListener("click", save);
  addEventListener("storage", (event) => { if (event.key === key) { read(); changed(); } });
  read();

  return {
    card: (number, ready) => ready(JSON.parse(at(`card-${number}`).textContent)),
    reviewer: () => stored.reviewer ?? "",
    open: async () => { read(); return true; },
    answer,
    put,
  };
};
