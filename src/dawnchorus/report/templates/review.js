"use strict";
// One clip at a time. Where clips come from and where answers go is said before: keeping.
(() => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("page-data").textContent), clips = data.clips;
  const buttons = [...document.querySelectorAll("[data-answer]")];
  const KEYS = { y: "yes", n: "no", u: "unsure", o: "other" };
  const BEHIND = 2, AHEAD = 4;
  let shown = 0, playing = null, opened = null;

  const warn = (text) => { at("note").textContent = text; at("note").hidden = !text; };
  const reviewer = () => at("reviewer").value.trim();
  const keeper = keeping(data, { warn, changed: () => { if (!at("clip").hidden) { tell(); if (!near.has(shown)) show(shown, false); } } });
  // Species are called by their id in tables.
  const ids = new Map(data.species.map((row) => [row.name, row.id])), names = new Map(data.species.map((row) => [row.id, row.name]));

  // Pictures and sounds of the clips that are near, decoded before they are shown.
  const near = new Map();
  const card = (number) => {
    if (!near.has(number)) {
      const entry = { made: null, picture: new Image(), player: new Audio() };
      near.set(number, entry);
      entry.player.preload = "auto";
      keeper.card(number, (made) => {
        Object.assign(entry, { made });
        entry.picture.src = made.image;
        entry.player.src = made.sound;
        entry.picture.decode().catch(() => warn("A spectrogram of this page is damaged."));
        entry.player.addEventListener("error", () => warn("A sound of this page is damaged, or this browser cannot play MP3."));
        if (entry.wanted && number === shown && near.get(number) === entry) show(number, entry.wanted === "aloud");
      }, () => { if (near.get(number) === entry) near.delete(number); });
    }
    return near.get(number);
  };
  const prepare = (number) => {
    for (const other of [...near.keys()]) if (other < number - BEHIND || other > number + AHEAD) near.delete(other);
    for (let other = number + 1; other <= Math.min(number + AHEAD, clips.length - 1); other += 1) card(other);
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
    if (!made.made) return;
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

  // Nobody answers what they cannot see, nor before their earlier answers are known.
  const answerable = () => opened === reviewer() && near.get(shown)?.made;
  const tell = () => {
    const name = reviewer(), count = clips.filter((clip) => keeper.answer(name, clip.clip)).length;
    const answer = keeper.answer(name, clips[shown].clip);
    at("bar").value = count;
    at("answered").textContent = `${count} of ${clips.length} answered; this is ${shown + 1}`;
    at("done").hidden = count < clips.length;
    const waits = Boolean(name) && !answerable();
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(answer?.answer === button.dataset.answer));
      button.setAttribute("aria-disabled", String(waits));
    }
    if (at("which").hidden) at("other").value = names.get(answer?.other) ?? answer?.other ?? "";
  };

  const show = (number, aloud = true) => {
    stop();
    shown = Math.min(Math.max(number, 0), clips.length - 1);
    const clip = clips[shown], entry = card(shown), { made } = entry;
    at("species").textContent = clip.species_name;
    at("where").textContent = `${clip.recording_id}, ${clip.start_s.toFixed(1)} to ${clip.end_s.toFixed(1)} s` + ("score" in clip ? `, score ${clip.score.toFixed(3)}` : "");
    entry.picture.id = "image";
    at("image").replaceWith(entry.picture);
    at("which").hidden = true;
    at("clip").hidden = false;
    at("box").hidden = !made;
    tell();
    if (!made) {
      entry.wanted = aloud ? "aloud" : "silent";
      scale(at("khz"), []);
      scale(at("seconds"), ["This clip is not here yet."]);
      return prepare(shown);
    }
    const [left, right, top, bottom] = made.box;
    entry.picture.alt = `Spectrogram, 0 to ${made.top_khz} kHz, ${made.start_s.toFixed(1)} to ${made.end_s.toFixed(1)} s`;
    Object.assign(at("box").style, { left: `${left}%`, right: `${right}%`, top: `${top}%`, bottom: `${bottom}%` });
    scale(at("khz"), QUARTERS.map((share, n) => `${Number(((1 - share) * made.top_khz).toPrecision(3))}${n ? "" : " kHz"}`));
    scale(at("seconds"), QUARTERS.map((share) => `${(made.start_s + share * (made.end_s - made.start_s)).toFixed(1)} s`));
    if (aloud) play();
    return prepare(shown);
  };

  const answer = (chosen, other = "") => {
    if (!reviewer()) {
      warn("Who listens? Please write your name first.");
      at("reviewer").focus();
      return;
    }
    if (!answerable()) return;
    warn("");
    const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    keeper.put(reviewer(), clips[shown].clip, { answer: chosen, other: ids.get(other) ?? other, time });
    if (shown + 1 < clips.length) show(shown + 1);
    else { at("which").hidden = true; stop(); tell(); }
  };
  const choose = (chosen) => {
    if (chosen !== "other" || !answerable()) return answer(chosen);
    at("which").hidden = false;
    return at("other").focus();
  };

  const resume = async (aloud) => {
    const name = reviewer();
    if (!at("clip").hidden) tell(); // until it is open, no key is an answer: the buttons say so from here on
    const is_open = await keeper.open(name);
    if (name !== reviewer()) return;
    opened = is_open ? name : null;
    const first = clips.findIndex((clip) => !keeper.answer(name, clip.clip));
    show(first < 0 ? clips.length - 1 : first, aloud);
  };

  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.answer));
  at("replay").addEventListener("click", play);
  at("back").addEventListener("click", () => show(shown - 1));
  at("next").addEventListener("click", () => show(shown + 1));
  at("cancel").addEventListener("click", () => { at("which").hidden = true; buttons[3].focus(); });
  at("which").addEventListener("submit", (event) => { event.preventDefault(); at("other").blur(); answer("other", at("other").value.trim()); });
  at("reviewer").addEventListener("change", () => { warn(""); resume(false); });
  at("reviewer").addEventListener("keydown", (event) => { if (event.key === "Enter") at("reviewer").blur(); });
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

  at("reviewer").value = keeper.reviewer();
  resume(false);
  if (!reviewer()) at("reviewer").focus();
})();
