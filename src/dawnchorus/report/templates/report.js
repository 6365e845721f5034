"use strict";
(() => {
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const panel = document.getElementById("clips");
  const SHOWN = 12;
  let opener = null;

  // Text only ever becomes a text node: names of species and files may hold anything.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const name = (index, tag = "bdi") => make(tag, { class: "name", dir: "auto", title: page.classes[index].name }, page.classes[index].label);
  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

  const picture = (clip, media) => {
    const said = `Spectrogram of ${page.classes[clip.true].label}, predicted as ${page.classes[clip.guess].label}, recording ${clip.recording}`;
    const box = make("div", { class: "box" });
    box.style.cssText = `left:${media.box[0]}%;right:${media.box[1]}%;top:${media.box[2]}%;bottom:${media.box[3]}%`;
    return make("div", { class: "plot" },
      make("div", { class: "up", "aria-hidden": "true" }, make("span", {}, media.top_khz), make("span", {}, "kHz"), make("span", {}, "0")),
      make("div", { class: "picture" }, make("img", { src: media.image, alt: said, width: 260, height: 96 }), box),
      make("div", { class: "axis" }, ...[media.start_s, media.end_s].map((time_s) => make("span", {}, `${time_s.toFixed(2)}\u00a0s`))));
  };

  const scores = (clip) => {
    const body = make("tbody");
    for (const [index, score] of clip.top) {
      const meter = make("div", { class: "meter" });
      meter.style.width = `${Math.max(1, 100 * score)}%`;
      const cell = make("td", {}, name(index, "span"));
      if (index === clip.true) cell.append(make("span", { class: "hidden" }, " (the truth)"));
      body.append(make("tr", index === clip.true ? { class: "truth" } : {}, cell, make("td", {}, meter), make("td", {}, percent(score))));
    }
    return make("table", { class: "scores", "aria-label": "Scores" }, body);
  };

  const card = (position) => {
    const clip = page.clips[position];
    const media = page.media[position];
    const title = clip.true === clip.guess ? make("h5", {}, name(clip.true)) : make("h5", {}, name(clip.true), " predicted as ", name(clip.guess));
    const element = make("article", { class: "card" }, title,
      make("div", { class: "faint" }, make("bdi", { dir: "auto" }, clip.recording), `, ${clip.start_s.toFixed(2)} to ${clip.end_s.toFixed(2)} s`));
    if (media) element.append(picture(clip, media), make("button", { type: "button", class: "views screen-only", "data-mfcc": media.mfcc, "data-start": media.start_s, "data-end": media.end_s, "data-khz": media.top_khz, "data-box": media.box.join(","), "aria-haspopup": "dialog" }, "Waveform, spectrogram, MFCC"));
    element.append(scores(clip));
    if (media) element.append(make("audio", { controls: "", preload: "metadata", src: media.sound, "aria-label": `Sound of ${page.classes[clip.true].label}, recording ${clip.recording}` }));
    else element.append(make("p", { class: "faint" }, "Picture and sound are left out to keep the page small (report.clips, report.media_mb)."));
    return element;
  };

  const show = (heading, positions, left_out, from) => {
    if (opener) opener.setAttribute("aria-expanded", "false");
    opener = from;
    opener.setAttribute("aria-expanded", "true");
    const title = make("h3", { tabindex: "-1" }, ...heading);
    const close = make("button", { type: "button" }, "Close");
    close.addEventListener("click", hide);
    const cards = make("div", { class: "cards" });
    const more = make("button", { type: "button" });
    let shown = 0;
    const extend = () => {
      const next = positions.slice(shown, shown + SHOWN).map(card);
      cards.append(...next);
      shown += next.length;
      more.hidden = shown >= positions.length;
      more.textContent = `Show more (${positions.length - shown} left)`;
      return next[0];
    };
    more.addEventListener("click", () => { const first = extend(); first.setAttribute("tabindex", "-1"); first.focus(); });
    panel.replaceChildren(make("div", { class: "bar-top" }, title, close), cards, more);
    if (left_out) panel.append(make("p", { class: "faint" }, `${left_out} more clips are not listed, to keep the page small.`));
    extend();
    panel.hidden = false;
    title.focus({ preventScroll: true });
    panel.scrollIntoView({ block: "start", behavior: "auto" });
  };

  const hide = () => {
    panel.hidden = true;
    panel.replaceChildren();
    if (!opener) return;
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
    opener = null;
  };

  const open_cell = (button, from = button) => {
    const [truth, guess] = button.dataset.cell.split("-").map(Number);
    const { listed, count } = page.cells[`${truth}-${guess}`];
    const clips = count === 1 ? "1 clip of " : `${count} clips of `;
    const heading = truth === guess ? [clips, name(truth), ", predicted right"] : [clips, name(truth), " predicted as ", name(guess)];
    show(heading, listed, count - listed.length, from);
  };

  document.querySelectorAll("[data-cell]").forEach((button) => button.addEventListener("click", () => open_cell(button)));
  document.querySelectorAll("[data-list]").forEach((button) =>
    button.addEventListener("click", () => show([button.textContent], page.lists[button.dataset.list], 0, button)));
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // One tab stop for the whole matrix; the arrows go to the next cell that holds clips.
  const grid = [...document.querySelectorAll(".matrix tbody tr")].map((row) => [...row.querySelectorAll("td")].map((cell) => cell.querySelector("button")));
  const all = grid.flat().filter(Boolean);
  all.forEach((button, i) => { button.tabIndex = i ? -1 : 0; });
  const step = (row, column, down, right) => {
    for (let r = row + down, c = column + right; grid[r] && c >= 0 && c < grid[r].length; r += down, c += right) if (grid[r][c]) return grid[r][c];
    return null;
  };
  const MOVES = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  document.querySelector(".matrix tbody")?.addEventListener("keydown", (event) => {
    const button = event.target.closest("button");
    const move = MOVES[event.key];
    if (!button || !move) return;
    event.preventDefault();
    const row = grid.findIndex((cells) => cells.includes(button));
    const next = step(row, grid[row].indexOf(button), ...move);
    if (!next) return;
    all.forEach((other) => { other.tabIndex = -1; });
    next.tabIndex = 0;
    next.focus();
  });

  // Cells without a value sort last, whichever way.
  document.querySelectorAll("table.sortable").forEach((table) => {
    const body = table.tBodies[0];
    table.querySelectorAll("thead th").forEach((header, column) => {
      header.querySelector("button")?.addEventListener("click", () => {
        const now = header.getAttribute("aria-sort");
        const first = header.classList.contains("number") ? "descending" : "ascending";
        const order = now === "none" ? first : now === "ascending" ? "descending" : "ascending";
        table.querySelectorAll("thead th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
        header.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
        const compare = (a, b) => {
          const [x, y] = [key(a), key(b)];
          if (!header.classList.contains("number")) return sign * x.localeCompare(y, undefined, { numeric: true });
          if (x === "" || y === "") return (x === "") - (y === "");
          return sign * (Number(x) - Number(y));
        };
        body.append(...[...body.rows].sort(compare));
      });
    });
  });

  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
})();
