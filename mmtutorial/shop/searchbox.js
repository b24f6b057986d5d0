// The box that words are typed in, with suggestions; and the ways to add a photo.

import { el, icon } from "./cards.js";
import { ask, data, memory, named, number, says, send as post } from "./state.js";

const PAUSE = 200; // ms without a key before the shop is asked
const KEPT_SEARCHES = 8;

// A combobox as the ARIA Authoring Practices describe it, with a list that it opens.
// `typed(words)`: while typing; `settled(words)`: Enter, or a suggestion was taken.
export function makeSearchBox({ typed, settled }) {
  const [form, input, popup, title, list, forget, empty] =
    ["search", "words", "popup", "popup-title", "suggestions", "forget", "empty"]
      .map((id) => document.getElementById(id));
  let timer = null, active = -1, asking;

  const options = () => [...list.children];
  const remembered = () => memory.get("searches", []);

  function close() {
    asking?.abort();
    popup.hidden = true;
    input.setAttribute("aria-expanded", "false");
    point(-1);
  }

  function point(at) {
    active = at;
    options().forEach((option, n) => option.setAttribute("aria-selected", String(n === at)));
    const option = options()[at];
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function open(entries, recent) {
    list.replaceChildren(...entries.map((entry, n) => el("li", {
      role: "option", id: `suggestion-${n}`, "aria-selected": "false", "data-text": entry.text,
      onclick: () => settle(entry.text),
    }, icon(recent ? "clock" : "search"), el("span", { class: "option-text" }, marked(entry.text)),
    entry.column && el("span", { class: "option-note" }, named(entry.column)),
    entry.count > 0 && el("span", { class: "option-note number" }, number(entry.count)))));
    title.textContent = says(recent ? "recent" : "suggestions");
    forget.hidden = !recent;
    point(-1);
    popup.hidden = !entries.length;
    input.setAttribute("aria-expanded", String(entries.length > 0));
  }

  // What the visitor typed stands out of the suggestion.
  function marked(text) {
    const typed = input.value.trim();
    const at = typed ? text.toLowerCase().indexOf(typed.toLowerCase()) : -1;
    if (at < 0) return text;
    const end = at + typed.length;
    return [text.slice(0, at), el("b", {}, text.slice(at, end)), text.slice(end)];
  }

  async function suggest() {
    const words = input.value.trim();
    asking?.abort();
    if (!words) return open(remembered().map((text) => ({ text })), true);
    if (words.length > data.limits.words) return close();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const path = `api/suggest?${new URLSearchParams({ q: words, lang: document.documentElement.lang })}`;
      const { suggestions } = await ask(path, { signal });
      if (!signal.aborted && document.activeElement === input) open(suggestions, false);
    } catch {
      if (!signal.aborted) close(); // the search itself says what is wrong
    }
  }

  function settle(words) {
    clearTimeout(timer);
    timer = null;
    input.value = words;
    empty.hidden = !words;
    close();
    keep(words);
    settled(words);
  }

  function change() {
    clearTimeout(timer);
    empty.hidden = !input.value;
    timer = setTimeout(() => {
      send();
      suggest();
    }, PAUSE);
  }

  function send() {
    clearTimeout(timer);
    timer = null;
    typed(input.value);
  }

  input.addEventListener("input", (event) => event.isComposing || change());
  input.addEventListener("compositionend", change); // of an input method, such as for Chinese
  input.addEventListener("blur", () => timer && send());
  input.addEventListener("focus", () => input.value.trim() || suggest());
  input.addEventListener("click", () => popup.hidden && suggest());
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const count = options().length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (popup.hidden) return void suggest();
      const places = count + 1; // the box itself is one of them
      point(((active + 1 + (event.key === "ArrowDown" ? 1 : -1) + places) % places) - 1);
    } else if (event.key === "Escape") {
      if (!popup.hidden) close();
      else settle("");
      event.preventDefault();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    settle(!popup.hidden && active >= 0 ? options()[active].dataset.text : input.value);
  });
  popup.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
  form.addEventListener("focusout", (event) => form.contains(event.relatedTarget) || close());
  forget.addEventListener("click", () => {
    memory.set("searches", []);
    close();
    input.focus();
  });
  empty.addEventListener("click", () => {
    settle("");
    input.focus();
  });

  return {
    close,
    show(words) { // but never under the fingers of a visitor
      if (document.activeElement === input && input.value.trim() === words.trim()) return;
      input.value = words;
      empty.hidden = !words;
    },
  };
}

// Remember a search, the latest first.
export function keep(words) {
  const text = words.trim();
  if (text.length < 2 || text.length > data.limits.words) return;
  const others = memory.get("searches", []).filter((one) => one !== text);
  memory.set("searches", [text, ...others].slice(0, KEPT_SEARCHES));
}

// Photos ------------------------------------------------------------------------------------------

// A photo comes from a file, the camera, a drop or the clipboard: each is handed to `add(file)`.
export function takePhotos(add) {
  for (const id of ["file", "camera"]) {
    const input = document.getElementById(id);
    input.addEventListener("change", () => {
      const [file] = input.files;
      input.value = ""; // so that the same file can be taken again
      if (file) add(file);
    });
  }
  const drop = document.getElementById("drop");
  const carriesFiles = (event) => [...event.dataTransfer.types].includes("Files");
  let inside = 0; // dragenter and dragleave come for each element that is crossed
  const over = (change) => {
    inside = Math.max(0, change ? inside + change : 0);
    drop.hidden = inside === 0;
  };
  document.addEventListener("dragenter", (event) => carriesFiles(event) && over(1));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && over(-1));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    over(0);
    if (event.dataTransfer.files.length) add(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    add(file);
  });
}

// Send a photo; the shop's token of it.
export async function sendPhoto(file, language) {
  if (file.size > data.limits.bytes) {
    const [size, most] = [file.size, data.limits.bytes].map((bytes) => number(Math.round(bytes / 1e6)));
    throw new Error(says("large", { name: file.name, size, most }));
  }
  const given = new URLSearchParams({ name: file.name || "photo", lang: language });
  const response = await post(`api/photo?${given}`, { method: "POST", body: file });
  return (await response.json()).token;
}

// An address for an <img> of a photo that the shop keeps.
export async function fetchPhoto(token, language) {
  const given = new URLSearchParams({ lang: language });
  const response = await post(`api/photo/${encodeURIComponent(token)}?${given}`, {});
  return URL.createObjectURL(await response.blob());
}
