"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { strings, processes, kinds, counts, denials, count: total, block: size } = data;
  const byId = (id) => document.getElementById(id);
  const make = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const seconds = (time) => time.toFixed(3) + " s";
  // As toLocaleString("en"), which takes a browser a tenth of a second the first time.
  const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  const counted = (count, what, plural = "s") => `${number(count)} ${what}${count === 1 ? "" : plural}`;
  const DENIED = 6, KILLED = 7, HEIGHT = 22;

  // Events come in blocks of columns. A block is read when one of its events is needed. The first is there at once,
  // the others follow this script in the file, so that the page can be seen before they have arrived.
  const blocks = data.first ? [data.first] : [], read = [];
  const block = (place) => {
    if (read[place] || !blocks[place]) return read[place];
    const [times, owners, letters, texts, further] = JSON.parse(blocks[place]);
    for (let at = 1; at < times.length; at++) {
      times[at] += times[at - 1];
      owners[at] += owners[at - 1];
    }
    return (read[place] = { times, owners, letters, texts, further });
  };
  const event = (index) => {
    const found = block(Math.floor(index / size));
    if (!found) return null;
    const { times, owners, letters, texts, further } = found;
    const at = index % size;
    return [times[at] / 1e6, owners[at], letters.charCodeAt(at) - 97, texts[at], further[at]];
  };

  // The head.
  const facts = [
    ["Command", data.command || "not in the log"],
    ["Policy", data.policy || "not in the log"],
    ["Ended", data.ending],
    ["Began", new Date(data.begin * 1000).toISOString()],
    ["Took", seconds(data.length)],
    ["Has", [counted(processes.length, "process", "es"), counted(total, "event"), counted(counts[DENIED] + counts[KILLED], "denial")].join(", ")],
  ];
  for (const [name, text] of facts) byId("facts").append(make("dt", "", name), make("dd", "", text));
  const notes = [];
  if (!data.accesses) notes.push("What was allowed is not in this log: record it with --log-accesses.");
  if (data.lost > 0) notes.push(`${number(data.lost)} events are missing in the log.`);
  byId("notes").textContent = notes.join(" ");
  if (data.unread > 0) {
    const box = byId("problems");
    box.hidden = false;
    box.querySelector("summary").textContent = `${number(data.unread)} lines of the log could not be read`;
    for (const text of data.problems) box.querySelector("ul").append(make("li", "", text));
  }

  // A list of which only the visible rows exist. `draw` fills a row. It lists `shown`, or all `many` in order.
  const list = (element, name, draw, chosen) => {
    const space = make("div", "space");
    element.append(space);
    let shown = null, many = 0, at = -1, first = -1, last = -1;
    const item = (place) => (shown ? shown[place] : place);
    const row = (place) => {
      const made = make("div", place === at ? "row at" : "row");
      made.id = `${name}-${place}`;
      made.setAttribute("role", "option");
      made.setAttribute("aria-posinset", place + 1);
      made.setAttribute("aria-setsize", many);
      made.setAttribute("aria-selected", place === at);
      made.style.top = place * HEIGHT + "px";
      draw(made, item(place));
      return made;
    };
    const render = (force) => {
      const from = Math.max(0, Math.floor(element.scrollTop / HEIGHT) - 8);
      const to = Math.min(many, Math.ceil((element.scrollTop + element.clientHeight) / HEIGHT) + 8);
      if (!force && from === first && to === last) return;
      first = from;
      last = to;
      const rows = [];
      for (let place = from; place < to; place++) rows.push(row(place));
      space.replaceChildren(...rows);
      if (at >= from && at < to) element.setAttribute("aria-activedescendant", `${name}-${at}`);
      else element.removeAttribute("aria-activedescendant");
    };
    const go = (place) => {
      if (many === 0) return;
      at = Math.max(0, Math.min(many - 1, place));
      const top = at * HEIGHT;
      if (top < element.scrollTop) element.scrollTop = top;
      if (top + HEIGHT > element.scrollTop + element.clientHeight) element.scrollTop = top + HEIGHT - element.clientHeight;
      render(true);
      chosen(item(at), false);
    };
    element.addEventListener("scroll", () => render(false), { passive: true });
    element.addEventListener("keydown", (key) => {
      const page = Math.max(1, Math.floor(element.clientHeight / HEIGHT) - 1);
      const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: many - 1 };
      if (key.key in steps) go(steps[key.key]);
      else if ((key.key === "Enter" || key.key === " ") && at >= 0) chosen(item(at), true);
      else if (key.key === "Escape") chosen(-1, true);
      else return;
      key.preventDefault();
    });
    element.addEventListener("click", (click) => {
      const hit = click.target.closest(".row");
      if (!hit) return;
      go(Number(hit.id.slice(name.length + 1)));
      chosen(item(at), true);
    });
    new ResizeObserver(() => render(true)).observe(element);
    return {
      redraw: () => render(true),
      show(rows, count) {
        shown = rows;
        many = count;
        at = -1;
        // Browsers bound the height of an element.
        space.style.height = Math.min(many * HEIGHT, 30_000_000) + "px";
        element.scrollTop = 0;
        render(true);
      },
    };
  };

  // Processes are in the order of the tree: those that one made follow it, deeper.
  const within = (index) => {
    let end = index + 1;
    while (end < processes.length && processes[end][1] > processes[index][1]) end++;
    return end;
  };
  let from = -1, to = -1;
  const length = Math.max(data.length, 1e-6);
  const tree = list(byId("tree"), "process", (row, index) => {
    const [pid, depth, begin, end, name, ending] = processes[index];
    const until = end < 0 ? length : end;
    row.append(make("span", "what", "  ".repeat(Math.min(depth, 40)) + strings[name] + " " + pid));
    row.append(make("span", "denials", denials[index] ? number(denials[index]) + " ✗" : ""));
    const lane = make("span", "lane"), bar = make("span");
    bar.style.left = (100 * begin) / length + "%";
    bar.style.width = (100 * (until - begin)) / length + "%";
    lane.append(bar);
    row.append(lane);
    const denied = denials[index] ? ", " + counted(denials[index], "denial") : "";
    row.setAttribute("aria-label", `${strings[name]}, process ${pid}, depth ${depth + 1}, from ${seconds(begin)} to ${seconds(until)}, ${strings[ending]}${denied}`);
    row.title = row.getAttribute("aria-label");
  }, (index, enter) => {
    if (!enter) return;
    from = index;
    to = index < 0 ? -1 : within(index);
    byId("chosen").textContent = index < 0 ? "All processes" : `${strings[processes[index][4]]} ${processes[index][0]} and what it made (${number(to - from)})`;
    apply();
  });

  const detail = byId("detail");
  const rows = list(byId("events"), "event", (row, index) => {
    const found = event(index);
    if (!found) { row.append(make("span", "what", "…")); return; }
    const [time, process, kind, text, more] = found;
    const who = process < 0 ? "" : `${strings[processes[process][4]]} ${processes[process][0]}`;
    if (kind === DENIED || kind === KILLED) row.classList.add("deny");
    row.append(make("span", "time", seconds(time)), make("span", "who", who), make("span", "kind", kinds[kind]));
    row.append(make("span", "what", strings[text]), make("span", "more", strings[more]));
    row.setAttribute("aria-label", `${seconds(time)}, ${who} ${kinds[kind]} ${strings[text]} ${strings[more]}`);
  }, (index) => {
    const found = index < 0 ? null : event(index);
    if (!found) { detail.textContent = ""; return; }
    const [, , kind, text, more] = found;
    detail.textContent = [`${kinds[kind]}: ${strings[text]}`, strings[more]].filter(Boolean).join("\n");
  });

  // The filter: texts are searched once, not for each event.
  let lower = null;
  const boxes = kinds.map((name, kind) => {
    const label = make("label"), box = make("input");
    box.type = "checkbox";
    box.checked = true;
    label.append(box, ` ${name} (${number(counts[kind])})`);
    if (counts[kind] > 0) byId("kinds").append(label);
    return box;
  });
  const search = byId("search");
  let all = true;
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length > 0) lower ??= strings.map((text) => text.toLowerCase());
    const has = words.map((word) => {
      const found = new Uint8Array(lower.length);
      for (let index = 0; index < lower.length; index++) if (lower[index].includes(word)) found[index] = 1;
      return found;
    });
    const wanted = boxes.map((box) => box.checked);
    all = from < 0 && has.length === 0 && wanted.every(Boolean);
    const shown = all ? null : [];
    for (let place = 0; shown && place < blocks.length; place++) {
      const { owners, letters, texts, further } = block(place);
      for (let at = 0; at < owners.length; at++) {
        const process = owners[at];
        if (!wanted[letters.charCodeAt(at) - 97] || (from >= 0 && (process < from || process >= to))) continue;
        const name = process < 0 ? 0 : processes[process][4];
        if (has.every((found) => found[texts[at]] || found[further[at]] || found[name])) shown.push(place * size + at);
      }
    }
    const many = shown ? shown.length : total;
    rows.show(shown, many);
    detail.textContent = "";
    byId("count").textContent = `${number(many)} of ${number(total)} events`;
  };
  search.addEventListener("input", apply);
  byId("kinds").addEventListener("change", apply);
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter").addEventListener("reset", () => {
    from = to = -1;
    byId("chosen").textContent = "All processes";
    setTimeout(() => { for (const box of boxes) box.checked = true; apply(); });
  });
  tree.show(null, processes.length);
  apply();
  // The filter needs all blocks: read them before it is used, while the browser has nothing else to do.
  const later = window.requestIdleCallback || ((act) => setTimeout(act, 1));
  const ahead = (place) => {
    if (place >= blocks.length) return;
    block(place);
    later(() => ahead(place + 1));
  };
  document.addEventListener("DOMContentLoaded", () => {
    for (const text of JSON.parse(byId("rest").textContent)) blocks.push(text);
    if (all) rows.redraw();
    else apply();
    later(() => ahead(0));
    document.documentElement.dataset.complete = String(Math.round(performance.now()));
  });
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
