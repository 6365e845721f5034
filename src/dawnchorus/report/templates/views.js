"use strict";
// Waveform, spectrogram and MFCC of a clip beside each other, when somebody asks: spectrogram and MFCC are pictures in the
// page, made of the recording; the waveform is that of the sound which is played.
(() => {
  const COLUMNS = 600;
  // Samples that coding and decoding of MP3 put before the sound, where a browser leaves them there.
  const MP3_DELAY = 1105;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const decoded = async (address, rate, length) => {
    const bytes = Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
    const sound = (await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes.buffer)).getChannelData(0);
    const delay = sound.length - length > MP3_DELAY ? MP3_DELAY : 0;
    return sound.slice(delay, delay + length);
  };

  const outline = (sound) => {
    const width = COLUMNS, height = 160, canvas = make("canvas", { width, height }), context = canvas.getContext("2d");
    const peak = sound.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    context.fillStyle = "#000004"; context.fillRect(0, 0, width, height); context.fillStyle = "#b2c0ce";
    for (let x = 0; x < width; x += 1) {
      const part = sound.subarray(Math.floor((x * sound.length) / width), Math.max(Math.floor((x * sound.length) / width) + 1, Math.floor(((x + 1) * sound.length) / width)));
      const high = part.reduce((a, b) => Math.max(a, b), -peak), low = part.reduce((a, b) => Math.min(a, b), peak);
      const top = (1 - high / peak) * height / 2, bottom = (1 - low / peak) * height / 2;
      context.fillRect(x, top, 1, Math.max(1, bottom - top));
    }
    return canvas;
  };

  const ticks = (low, high) => {
    const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((size) => (high - low) / size <= 5) ?? high - low;
    const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0, found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k += 1) found.push([(k * step).toFixed(digits), (k * step - low) / (high - low)]);
    return found;
  };

  const scale = (name, side, low, high, unit) => {
    const axis = make("div", { class: `scale ${name}`, "aria-hidden": "true" });
    for (const [text, share] of ticks(low, high)) {
      const tick = make("span", {}, text);
      tick.style[side] = `${100 * share}%`;
      axis.append(tick);
    }
    axis.append(make("b", {}, unit));
    return axis;
  };

  const view = (title, picture, up, [start, end], box, tall) => {
    const mark = make("div", { class: "box" });
    mark.style.cssText = `left:${box[0]}%;right:${box[1]}%;` + (tall ? "top:0;bottom:0" : `top:${box[2]}%;bottom:${box[3]}%`);
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", title);
    return make("figure", { class: "view" }, make("figcaption", {}, title), make("div", { class: "field" },
      scale("up", "bottom", ...up), make("div", { class: "picture" }, picture, mark), scale("along", "left", start, end, "s")));
  };

  const dialog = make("dialog", { "aria-labelledby": "views-title" });
  const title = make("h2", { id: "views-title" }), close = make("button", { type: "button" }, "Close");
  const content = make("div", { class: "views-of" }), player = make("audio", { controls: "", preload: "none", "aria-label": "Sound" });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => player.pause());
  dialog.append(make("div", { class: "bar-top" }, title, close), content, player);
  document.body.append(dialog);

  const open = async (button) => {
    const card = button.closest(".card"), of = card.querySelector("h4, h5, figcaption"), audio = card.querySelector("audio");
    const [start, end, khz] = ["start", "end", "khz"].map((name) => Number(button.dataset[name]));
    const rate = Math.round(2000 * khz), box = button.dataset.box.split(",").map(Number);
    title.textContent = of.textContent;
    content.replaceChildren();
    player.src = audio.src;
    player.setAttribute("aria-label", audio.getAttribute("aria-label"));
    dialog.showModal();
    const sound = await decoded(audio.src, rate, Math.round((end - start) * rate)), span = [start, end];
    const spectrogram = card.querySelector(".picture .box").parentElement.querySelector("img").src;
    content.append(
      view("Waveform, of its peak", outline(sound), [-1, 1, ""], span, box, true),
      view("Spectrogram", make("img", { src: spectrogram }), [0, khz, "kHz"], span, box, false),
      view("MFCC 1 to 19 (0 is loudness)", make("img", { src: button.dataset.mfcc }), [0.5, 19.5, "no."], span, box, true),
    );
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-khz]") ?? event.target.closest(".card .picture")?.closest(".card").querySelector("[data-khz]");
    if (button) open(button);
  });
})();
