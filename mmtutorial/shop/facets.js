// The filters: lists of values with their counts, ranges of numbers, and the chips of what is chosen.

import { el, icon, redraw } from "./cards.js";
import { data, named, number, says } from "./state.js";

const FIRST = 8; // values that a list shows before "show all"
const SEARCHED = 12; // a longer list has a search box
const OPEN = 5; // facets that are unfolded at first

// `go(change, options)` goes to another state: `change` takes the state and gives what differs.
export function makeFacets(container, go) {
  const made = new Map(); // column → {node, update}
  return (facets, state) => {
    const nodes = facets.map((facet, n) => {
      if (!made.has(facet.column)) {
        const make = facet.kind === "range" ? rangeFacet : valuesFacet;
        made.set(facet.column, make(facet.column, go, n < OPEN || facet.kind === "range"));
      }
      const { node, update } = made.get(facet.column);
      update(facet, state);
      return node;
    });
    const same = nodes.length === container.children.length
      && nodes.every((node, n) => node === container.children[n]);
    if (!same) container.replaceChildren(...nodes);
  };
}

function folded(open) {
  const title = el("span", {}), badge = el("span", { class: "badge" });
  const summary = el("summary", {}, title, badge);
  const node = el("details", { class: "facet", open }, summary);
  const name = (column, chosen) => {
    title.textContent = named(column);
    badge.textContent = chosen ? number(chosen) : "";
  };
  return { node, name };
}

// Values ------------------------------------------------------------------------------------------

function valuesFacet(column, go, open) {
  const { node, name } = folded(open);
  const search = el("input", { type: "text", class: "facet-search", oninput: () => draw() });
  const list = el("ul", {});
  const more = el("button", { class: "text-button", type: "button", onclick: () => {
    all = !all;
    draw();
  } });
  const group = el("div", { role: "group", class: "values" }, search, list, more);
  node.append(group);
  let all = false, facet, chosen;
  const isChosen = (value) => chosen.some((one) => alike(one, value));

  function choose(value, on) {
    go(({ filters }) => {
      const { [column]: before = [], ...others } = filters;
      const values = on ? [...before, value] : before.filter((one) => !alike(one, value));
      return { filters: values.length ? { ...others, [column]: values } : others };
    });
  }

  function draw() {
    const there = facet.values.filter(({ value, count }) => count || isChosen(value));
    for (const value of chosen) { // chosen by a link, and not in the catalogue
      if (!there.some((one) => alike(one.value, value))) there.unshift({ value, count: 0 });
    }
    const sought = all ? search.value.trim().toLowerCase() : "";
    const shown = there.filter(({ value }, n) => (all || n < FIRST || isChosen(value))
      && value.toLowerCase().includes(sought));
    redraw(list, shown.map(row), more);
    node.hidden = !there.length;
    list.classList.toggle("long", all);
    search.hidden = !all || there.length <= SEARCHED;
    more.hidden = there.length <= FIRST;
    more.textContent = all ? says("show fewer") : says("show all", { count: number(there.length) });
    more.setAttribute("aria-expanded", String(all));
  }

  function row({ value, count }) {
    const box = el("input", {
      type: "checkbox", "data-key": value, onchange: () => choose(value, box.checked),
    });
    box.checked = isChosen(value);
    return el("li", {}, el("label", { class: count ? "" : "none" }, box, swatch(column, value),
      el("span", { class: "value" }, value), " ", el("span", { class: "number" }, number(count))));
  }

  function update(given, state) {
    facet = given;
    chosen = state.filters[column] ?? [];
    name(column, chosen.length);
    group.setAttribute("aria-label", named(column));
    const label = says("find in", { name: named(column) });
    search.setAttribute("aria-label", label);
    search.placeholder = label;
    draw();
  }
  return { node, update };
}

// The shop does not mind how the letters of a value are written, as in a link by hand.
const alike = (one, other) => one.toLowerCase() === other.toLowerCase();

// A dot in the colour that a value names, where the browser knows the name.
function swatch(column, value) {
  const colour = value.toLowerCase().replaceAll(" ", "");
  if (!/^colou?r$/.test(column) || !CSS.supports("color", colour)) return null;
  const dot = el("span", { class: "swatch", "aria-hidden": "true" });
  dot.style.backgroundColor = colour;
  return dot;
}

// Ranges ------------------------------------------------------------------------------------------

function rangeFacet(column, go, open) {
  const { node, name } = folded(open);
  const bars = el("div", { class: "bars", "aria-hidden": "true" });
  const ends = ["from", "to"].map((end) => ({
    end,
    slider: el("input", { type: "range", class: `end ${end}` }),
    field: el("input", { type: "number", step: "any", inputmode: "decimal" }),
    caption: el("span", { "aria-hidden": "true" }),
  }));
  node.append(el("div", { class: "range", role: "group" },
    el("div", { class: "track" }, bars, ends.map(({ slider }) => slider)),
    el("div", { class: "fields" }, ends.map(({ caption, field }) => el("label", {}, caption, field)))));
  let least = 0, most = 1, held = false; // held: a handle or a field is being changed; no answer moves it

  const values = () => ends.map(({ slider }) => Number(slider.value));
  const set = (low, high) => {
    [low, high].forEach((value, n) => {
      ends[n].slider.value = value;
      ends[n].field.value = value;
      ends[n].slider.setAttribute("aria-valuetext", number(value));
    });
    [...bars.children].forEach((bar, n) => {
      const middle = least + ((n + 0.5) * (most - least)) / bars.children.length;
      bar.classList.toggle("in", middle >= low && middle <= high);
    });
  };

  function choose(low, high) {
    held = false;
    const ends = [low > least ? low : null, high < most ? high : null];
    go(({ ranges }) => {
      const { [column]: before, ...others } = ranges;
      return { ranges: ends.some((end) => end !== null) ? { ...others, [column]: ends } : others };
    }, { typed: column });
  }

  ends.forEach(({ slider, field }, n) => {
    slider.addEventListener("input", () => { // a handle stops at the other one
      held = true;
      const [low, high] = values();
      if (n === 0) set(Math.min(low, high), high);
      else set(low, Math.max(low, high));
    });
    slider.addEventListener("change", () => choose(...values()));
    field.addEventListener("input", () => { held = true; });
    field.addEventListener("blur", () => { held = false; });
    field.addEventListener("change", () => {
      const both = ends.map((end, m) => (end.field.value === "" ? [least, most][m] : Number(end.field.value)));
      if (both[0] > both[1]) both[1 - n] = both[n];
      set(...both);
      choose(...both);
    });
  });

  function update(facet, state) {
    const chosen = state.ranges[column] ?? [null, null];
    name(column, chosen.some((end) => end !== null) ? 1 : 0);
    node.querySelector(".range").setAttribute("aria-label", named(column));
    ends.forEach(({ end, slider, field, caption }) => {
      const label = says(end, { name: named(column) });
      slider.setAttribute("aria-label", label);
      field.setAttribute("aria-label", label);
      caption.textContent = says(`${end}, short`);
    });
    if (held) return;
    least = Math.floor(Math.min(facet.least, ...chosen.filter((end) => end !== null)));
    most = Math.ceil(Math.max(facet.most, ...chosen.filter((end) => end !== null)));
    node.hidden = !(most > least);
    const step = most - least > 20 ? 1 : (most - least) / 100;
    const highest = Math.max(1, ...facet.bars);
    bars.replaceChildren(...facet.bars.map((count) => {
      const bar = el("span", {});
      bar.style.height = `${count ? Math.max(6, (100 * count) / highest) : 0}%`;
      return bar;
    }));
    for (const { slider, field } of ends) {
      Object.assign(slider, { min: least, max: most, step });
      Object.assign(field, { min: least, max: most });
    }
    set(chosen[0] ?? least, chosen[1] ?? most);
  }
  return { node, update };
}

// Chips -------------------------------------------------------------------------------------------

// The filters that are chosen, each to be taken off, and all of them at once.
export function drawChosen(container, state, go, fallback) {
  const chips = [];
  for (const [column, values] of Object.entries(state.filters)) {
    for (const value of values) {
      chips.push(chip(`${named(column)}: ${value}`, () => go(({ filters }) => {
        const { [column]: before, ...others } = filters;
        const left = before.filter((one) => one !== value);
        return { filters: left.length ? { ...others, [column]: left } : others };
      })));
    }
  }
  for (const [column, [low, high]] of Object.entries(state.ranges)) {
    const said = low === null ? says("at most", { most: number(high) })
      : high === null ? says("at least", { least: number(low) })
      : `${number(low)}–${number(high)}`;
    chips.push(chip(`${named(column)}: ${said}`, () => go(({ ranges }) => {
      const { [column]: before, ...others } = ranges;
      return { ranges: others };
    })));
  }
  if (chips.length) {
    chips.push(el("button", { class: "text-button", type: "button", "data-key": "clear",
      onclick: () => go({ filters: {}, ranges: {} }) }, says("clear")));
  }
  if (chips.length) chips.unshift(el("span", { class: "chips-title" }, says("filters")));
  container.hidden = !chips.length;
  redraw(container, chips, fallback);
}

function chip(text, remove) {
  return el("button", { class: "chip", type: "button", "data-key": text, title: says("remove"),
    "aria-label": says("remove filter", { name: text }), onclick: remove }, text, icon("close"));
}

export const countChosen = ({ filters, ranges }) =>
  Object.values(filters).flat().length + Object.keys(ranges).length;

// What the shop read in the words: each can be taken off, and put back.
export function drawRead(container, read, state, go, fallback) {
  const key = ({ column, value }) => `${column}:${value}`;
  const chips = read.map((one) => el("button", {
    class: "chip read", type: "button", "aria-pressed": String(!one.off), "data-key": key(one),
    title: says(one.off ? "put back" : "take off"),
    onclick: () => go(({ off }) => ({
      off: one.off ? off.filter((each) => each !== key(one)) : [...off, key(one)],
    })),
  }, `${named(one.column)}: ${one.value}`, icon("close")));
  const columns = new Set(data.columns.filter(({ kind }) => kind === "values").map(({ name }) => name));
  const counted = read.filter(({ column, off }) => !off && columns.has(column));
  if (counted.length && counted.some(({ column, value }) => !state.filters[column]?.some((one) => alike(one, value)))) {
    chips.push(el("button", { class: "text-button", type: "button", "data-key": "narrow",
      onclick: () => go(({ filters }) => {
        const narrowed = { ...filters };
        for (const { column } of counted) narrowed[column] = [];
        for (const { column, value } of counted) narrowed[column].push(value);
        return { filters: narrowed };
      }) }, says("narrow")));
  }
  container.hidden = !read.length;
  redraw(container, read.length ? [el("span", { class: "chips-title" }, says("read as")), ...chips] : [],
    fallback);
}
