"use strict";
// Clips come from the server one by one, and each answer goes there at once. Until it is known to be written it is in
// localStorage, an item an answer, so that tabs do not write over each other's, and is sent again and again.
const keeping = (data, { warn, changed }) => {
  const at = (id) => document.getElementById(id), key = `dawnchorus review ${data.sample}`;
  const TOGETHER = 100, EVERY_MS = 2000, PATIENCE_MS = 10000;
  const known = new Map(); // by name: the revision, and answers by clip, as the server has them
  const unsent = new Map(); // by item: reviewer, clip and answer
  const item = (name, clip) => `${key} unsent ${JSON.stringify([name, clip])}`;
  const stored = (does) => {
    try {
      return does();
    } catch {
      return null; // a browser that keeps nothing; the answers are still in this tab
    }
  };
  // What tabs left that were closed before it was written.
  stored(() => {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(`${key} unsent `)) unsent.set(name, JSON.parse(localStorage.getItem(name)));
    }
  });
  const of = (name) => known.get(name) ?? { revision: 0, answers: new Map() };
  const answer = (name, clip) => (unsent.size && unsent.get(item(name, clip))) || of(name).answers.get(clip);

  const lost = (text) => {
    const count = unsent.size, waiting = count ? ` ${count} answer${count > 1 ? "s are" : " is"} not written yet, and kept in this browser.` : "";
    at("lost").textContent = text && text + waiting;
    at("lost").hidden = !text;
  };
  const GONE = "The server does not answer.", ANEW = "The server was started anew: open the address that it said. Answers are sent from there.";

  // Send what one person answered, and hear what is new of theirs; whether that went well.
  const exchange = async (name) => {
    const mine = [...unsent].filter(([, given]) => given.reviewer === name).slice(0, TOGETHER);
    const sent = mine.map(([, { clip, answer, other, time }]) => ({ clip, answer, other, time }));
    let response, heard;
    try {
      response = await fetch("answers", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ reviewer: name, since: of(name).revision, answers: sent }),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      heard = response.ok ? await response.json() : await response.text();
    } catch {
      lost(GONE);
      return false;
    }
    if (!response.ok) {
      lost(response.status === 403 ? ANEW : heard);
      return false;
    }
    const { answers } = of(name);
    for (const given of heard.answers) answers.set(given.clip, given);
    known.set(name, { revision: heard.revision, answers });
    for (const [written, given] of mine) {
      // Another answer to the clip may have been given meanwhile.
      if (unsent.get(written) !== given) continue;
      unsent.delete(written);
      stored(() => localStorage.removeItem(written));
    }
    return true;
  };
  // One exchange at a time; what is answered meanwhile goes with the next one.
  let current = "", running = null, again = false;
  const all = async () => {
    await null; // so that it is known as running before it ends, where there is nothing to do
    let well = true;
    do {
      again = false;
      const names = new Set([...unsent.values()].map((given) => given.reviewer));
      if (current) names.add(current);
      for (const name of names) well = (await exchange(name)) && well;
    } while (well && (again || unsent.size));
    if (well) lost("");
    running = null;
    changed();
    return well;
  };
  const sync = () => {
    again = true;
    running ??= all();
    return running;
  };
  setInterval(() => { if (unsent.size || !document.hidden) sync(); }, EVERY_MS);
  document.addEventListener("visibilitychange", sync);
  // Another tab was told that its answer is written.
  addEventListener("storage", (event) => { if (event.key?.startsWith(`${key} unsent `) && event.newValue === null) sync(); });

  return {
    card: async (number, ready, failed) => {
      try {
        const response = await fetch(`clips/${data.clips[number].clip}`);
        if (response.ok) return ready(await response.json());
        if (response.status !== 403) warn(await response.text());
        else lost(ANEW);
      } catch {
        lost(GONE);
      }
      return failed();
    },
    reviewer: () => stored(() => sessionStorage.getItem(`${key} reviewer`) ?? localStorage.getItem(`${key} reviewer`)) ?? "",
    open: async (name) => {
      current = name;
      while (name && current === name) {
        await sync();
        if (known.has(name)) break;
        await new Promise((done) => setTimeout(done, EVERY_MS));
      }
      if (!known.has(name)) return false;
      for (const storage of ["sessionStorage", "localStorage"]) stored(() => globalThis[storage].setItem(`${key} reviewer`, name));
      return true;
    },
    answer,
    put: (name, clip, given) => {
      const made = { reviewer: name, clip, ...given };
      unsent.set(item(name, clip), made);
      stored(() => localStorage.setItem(item(name, clip), JSON.stringify(made)));
      sync();
    },
  };
};
