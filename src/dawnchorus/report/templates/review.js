"use strict";
// One clip at a time. Answers are in localStorage, by the name of who answered; what another tab wrote there stays.
(() => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("page-data").textContent), clips = data.clips, key = `dawnchorus review ${data.sample}`;
  const buttons = [...document.querySelectorAll("[data-answer]")];
  const KEYS = { y: "yes", n: "no", u: "unsure", o: "other" };
  let stored = {}, shown = 0, playing = null;

  const warn = (text) => { at("note").textContent = text; at("note").hidden = !text; };
  const UNKEPT = "This browser keeps no answers of this page: save reviews.csv before you close it.";
  const read = () => {
    try {
      stored = JSON.parse(localStorage.getItem(key) ?? JSON.stringify(stored));
    } catch {
      warn(UNKEPT);
    }
  };
  const write = (change) => {
    read();
    change(stored);
    try {
      localStorage.setItem(key, JSON.stringify(stored));
    } catch {
      warn(UNKEPT);
    }
  };
  const reviewer = () => at("reviewer").value.trim();
  const own = () => (Object.hasOwn(stored.answers ?? {}, reviewer()) ? stored.answers[reviewer()] : {});

  // Pictures and sounds of the clips that are near, decoded before they are shown.
  const near = new Map();
  const card = (number) => {
    if (!near.has(number)) {
      const made = JSON.parse(at(`card-${number}`).textContent), image = new Image(), sound = new Audio();
      sound.preload = "auto";
      image.src = made.image;
      sound.src = made.sound;
      image.decode().catch(() => warn("A spectrogram of this page is damaged."));
      sound.addEventListener("error", () => warn("A sound of this page is damaged, or this browser cannot play MP3."));
      near.set(number, { ...made, picture: image, player: sound });
    }
    return near.get(number);
  };
  const prepare = (number) => {
    for (const other of [...near.keys()]) if (Math.abs(other - number) > 2) near.delete(other);
    for (const other of [number + 1, number + 2]) if (other < clips.length) card(other);
  };

  const scale = (element, values) => element.replaceChildren(...values.map((text) => {
    const tick = document.createElement("span");
    tick.textContent = text;
    return tick;
  }));
  const QUARTERS = [0, 0.25, 0.5, 0.75, 1];

  const move = () => {
    if (!playing) return;
    const share = playing.player.duration ? playing.player.currentTime / playing.player.duration : 0;
    at("head").style.left = `${100 * Math.min(share, 1)}%`;
    requestAnimationFrame(move);
  };
  const stop = () => {
    if (playing) playing.player.pause();
    playing = null;
    at("head").hidden = true;
  };
  const play = () => {
    stop();
    const made = card(shown);
    // A sound that is at its start plays at once; one that is moved there has to be decoded again.
    if (made.player.currentTime) made.player.currentTime = 0;
    // A browser plays nothing before somebody pressed a key or a button.
    made.player.play().then(() => {
      if (made !== near.get(shown)) return made.player.pause();
      playing = made;
      at("head").hidden = false;
      return requestAnimationFrame(move);
    }, () => made.player.pause());
  };

  const tell = () => {
    const answers = own(), count = clips.filter((clip) => Object.hasOwn(answers, clip.clip)).length;
    at("bar").value = count;
    at("answered").textContent = `${count} of ${clips.length} answered; this is ${shown + 1}`;
    at("done").hidden = count < clips.length;
    const answer = answers[clips[shown].clip];
    for (const button of buttons) button.setAttribute("aria-pressed", String(answer?.answer === button.dataset.answer));
    at("other").value = answer?.other ?? "";
  };

  const show = (number, aloud = true) => {
    stop();
    shown = Math.min(Math.max(number, 0), clips.length - 1);
    const clip = clips[shown], made = card(shown), [left, right, top, bottom] = made.box;
    at("species").textContent = clip.species_name;
    at("where").textContent = `${clip.recording_id}, ${clip.start_s.toFixed(1)} to ${clip.end_s.toFixed(1)} s` + ("score" in clip ? `, score ${clip.score.toFixed(3)}` : "");
    made.picture.id = "image";
    made.picture.alt = `Spectrogram, 0 to ${made.top_khz} kHz, ${made.start_s.toFixed(1)} to ${made.end_s.toFixed(1)} s`;
    at("image").replaceWith(made.picture);
    Object.assign(at("box").style, { left: `${left}%`, right: `${right}%`, top: `${top}%`, bottom: `${bottom}%` });
    scale(at("khz"), QUARTERS.map((share, n) => `${Number(((1 - share) * made.top_khz).toPrecision(3))}${n ? "" : " kHz"}`));
    scale(at("seconds"), QUARTERS.map((share) => `${(made.start_s + share * (made.end_s - made.start_s)).toFixed(1)} s`));
    at("which").hidden = true;
    at("clip").hidden = false;
    tell();
    if (aloud) play();
    prepare(shown);
  };

  const answer = (given, other = "") => {
    if (!reviewer()) {
      warn("Who listens? Please write your name first.");
      at("reviewer").focus();
      return;
    }
    warn("");
    const time = new Date().toISOString().replace(/\.\d+Z$/, "Z"), name = reviewer(), clip = clips[shown].clip;
    write((all) => {
      all.answers ??= {};
      const of = Object.hasOwn(all.answers, name) ? all.answers[name] : {};
      of[clip] = { answer: given, other, time };
      Object.defineProperty(all.answers, name, { value: of, enumerable: true, configurable: true, writable: true });
      all.reviewer = name;
    });
    if (shown + 1 < clips.length) show(shown + 1);
    else { at("which").hidden = true; stop(); tell(); }
  };
  const choose = (given) => {
    if (given !== "other") return answer(given);
    at("which").hidden = false;
    return at("other").focus();
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
    const name = reviewer(), answers = own(), rows = [COLUMNS];
    if (!Object.keys(answers).length) return warn("There are no answers of this name yet.");
    const ids = new Map(data.species.map((row) => [row.name, row.id]));
    for (const clip of clips) {
      if (!Object.hasOwn(answers, clip.clip)) continue;
      const given = answers[clip.clip];
      rows.push([clip.clip, clip.recording_id, clip.start_s, clip.end_s, clip.species_id, given.answer, ids.get(given.other) ?? given.other, name, given.time, clip.path]);
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([rows.map((row) => `${row.map(cell).join(",")}\n`).join("")], { type: "text/csv" }));
    link.download = "reviews.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    return warn("");
  };

  const resume = (aloud) => {
    const answers = own(), first = clips.findIndex((clip) => !Object.hasOwn(answers, clip.clip));
    show(first < 0 ? clips.length - 1 : first, aloud);
  };

  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.answer));
  at("replay").addEventListener("click", play);
  at("back").addEventListener("click", () => show(shown - 1));
  at("next").addEventListener("click", () => show(shown + 1));
  at("save").addEventListener("click", save);
  at("cancel").addEventListener("click", () => { at("which").hidden = true; buttons[3].focus(); });
  at("which").addEventListener("submit", (event) => { event.preventDefault(); at("other").blur(); answer("other", at("other").value.trim()); });
  at("reviewer").addEventListener("change", () => { read(); warn(""); resume(false); });
  at("reviewer").addEventListener("keydown", (event) => { if (event.key === "Enter") at("reviewer").blur(); });
  addEventListener("storage", (event) => { if (event.key === key) { read(); tell(); } });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") at("which").hidden = true;
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
    const pressed = event.key.toLowerCase();
    const does = Object.hasOwn(KEYS, pressed) ? () => choose(KEYS[pressed])
      : { r: play, b: () => show(shown - 1), f: () => show(shown + 1) }[pressed];
    if (!does) return;
    event.preventDefault();
    does();
  });

  read();
  at("reviewer").value = stored.reviewer ?? "";
  resume(false);
  if (!reviewer()) at("reviewer").focus();
})();
