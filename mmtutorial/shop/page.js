// The shop page. What a visitor chose is the page's address: `go` leads to another address, and
// `render` shows what the address says. Nothing of a visitor stays on the server.

import { card, el, emptied, panel, redraw, shape, skeletons, titleOf } from "./cards.js";
import { countChosen, drawChosen, drawRead, makeFacets } from "./facets.js";
import { fetchPhoto, keep, makeSearchBox, sendPhoto, takePhotos } from "./searchbox.js";
import {
  address, ask, asksSomething, data, forYouPath, memory, named, number, opened, pageSize, prices,
  productPath, read, says, searchPath, speak,
} from "./state.js";

const $ = (id) => document.getElementById(id);
const SLOW = 150; // ms: an answer that takes longer is announced
const STAYING = new Set(["product", "lang", "page"]); // a change of these keeps the page's number

let state; // what the address says
let wanted = null, shown = null; // the paths of the list that is asked for, and of that on show
let reply = null; // the answer on show
let asking = new AbortController();
let afterShow = null; // what to do when the list is there: scroll, or move the focus
let labelled = null; // the language that the labels are in
let keptBack = false; // that a word is unknown, while it is being typed
let notice = ""; // a sentence that the next answer does not wipe out
const seen = new Map(); // id → product, as some list had it
let taste = []; // the products whose taste counts in the search; opening one more changes no list

// Going somewhere --------------------------------------------------------------------------------

// `typed`: changes of one kind in a row, as while typing, are one step back and not many.
function go(change, { typed = null, replace = false } = {}) {
  const given = typeof change === "function" ? change(state) : change;
  const next = { ...state, ...given };
  if ("words" in given || "photo" in given || "like" in given) readTaste();
  if (!Object.keys(given).every((name) => STAYING.has(name))) next.page = 1;
  if ("words" in given && reply) { // a chip that was taken off stays off while it is read
    next.off = next.off.filter((one) => reply.read.some(({ column, value }) => one === `${column}:${value}`));
  }
  visit(next, { typed, replace });
}

function visit(next, { typed = null, replace = false } = {}) {
  const before = history.state ?? {};
  const opened = before.depth ?? 0; // products that were opened on top of the list
  const depth = !next.product ? 0 : !state.product ? 1 : opened && opened + 1;
  const to = address(next);
  if (replace || (typed && before.typed === typed)) {
    history.replaceState({ ...before, typed, depth: next.product ? opened : 0 }, "", to);
  } else if (to !== location.search) {
    history.replaceState({ ...before, y: scrollY }, "");
    history.pushState({ typed, depth }, "", to);
  }
  state = next;
  render();
}

addEventListener("popstate", () => {
  state = read(location.search);
  const { y = 0 } = history.state ?? {};
  afterShow = () => scrollTo(0, y);
  render();
});

let scrolled;
addEventListener("scroll", () => {
  clearTimeout(scrolled);
  scrolled = setTimeout(() => history.replaceState({ ...history.state, y: scrollY }, ""), 200);
}, { passive: true });

// A link within the page is followed here; with a key held down the browser follows it itself.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const plain = !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || to.pathname !== location.pathname) return;
  event.preventDefault();
  if (to.hash) return void $(to.hash.slice(1)).focus();
  if (link.dataset.product) keep(state.words);
  else if (link.id === "language") memory.set("language", link.lang);
  else afterShow = toTop;
  visit(read(to.search));
});

function toTop() {
  scrollTo(0, 0);
  $("heading").focus({ preventScroll: true });
}

// Showing ----------------------------------------------------------------------------------------

function render() {
  if (state.lang !== labelled) label();
  searchBox.show(state.words);
  $("sort").value = state.sort;
  $("home").href = address({ ...emptied(state), rank: null });
  const other = data.languages.find((one) => one !== state.lang);
  if (other) $("language").href = address({ ...state, lang: other });
  drawChosen($("chosen"), state, go, $("heading"));
  drawMix();
  drawTaste();
  search();
  showPanel();
  drawForYou();
}

// Write every label of the page in the visitor's language.
function label() {
  labelled = state.lang;
  speak(labelled);
  document.documentElement.lang = state.lang;
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = says(node.dataset.say);
  for (const [mark, attribute] of [["data-say-label", "aria-label"], ["data-say-title", "title"],
    ["data-say-placeholder", "placeholder"]]) {
    for (const node of document.querySelectorAll(`[${mark}]`)) {
      node.setAttribute(attribute, says(node.getAttribute(mark)));
    }
  }
  $("home").textContent = says("shop", { name: data.name });
  $("sort").replaceChildren(...data.sorts.map((one) => el("option", { value: one }, says(`sort ${one}`))));
  const other = data.languages.find((one) => one !== state.lang);
  $("language").hidden = !other;
  if (other) {
    const text = data.says[other]["this language"];
    Object.assign($("language"), { textContent: text, lang: other, hreflang: other });
  }
  drawTheme();
}

async function search() {
  const path = searchPath(state, taste);
  if (path === shown) {
    asking.abort(); // back to the list on show before another one came
    wanted = path;
    busy(false);
    if (keptBack) drawNotes();
    return shownNow();
  }
  if (path === wanted) return;
  wanted = path;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  if (state.words.trim().length > data.limits.words) {
    const length = number(state.words.trim().length);
    return refuse(says("too long", { length, most: number(data.limits.words) }));
  }
  busy(true);
  try {
    const waiting = (seconds) => tell(says("busy", { seconds: number(seconds) }));
    const given = await ask(path, { signal, waiting });
    if (signal.aborted) return;
    if (typing() && given.total && !given.count) wanted = null; // half a word: wait for the rest
    else show(path, given);
  } catch (fault) {
    if (signal.aborted) return;
    if (fault.status === 410 && state.photo) {
      notice = fault.message;
      return go({ photo: null }, { replace: true });
    }
    if (fault.status === undefined) console.error(fault);
    refuse(fault.status === undefined ? says("trouble") : fault.message, true);
  }
}

// The last word may be half a word yet.
function typing() {
  return document.activeElement === $("words") && history.state?.typed === "words"
    && !/\s$/.test($("words").value);
}

let slow;
function busy(on) {
  clearTimeout(slow);
  $("results").setAttribute("aria-busy", String(on));
  if (!on) return;
  if (!$("grid").children.length) $("grid").replaceChildren(...skeletons(12));
  slow = setTimeout(() => { // an earlier list is not left under its heading, as if it were the answer
    $("heading").textContent = says("searching");
    $("count").textContent = "";
  }, SLOW);
}

function show(path, given) {
  reply = given;
  shown = path;
  busy(false);
  tell(notice);
  notice = "";
  for (const product of reply.products) seen.set(product.id, product);
  $("heading").replaceChildren(heading());
  document.title = [headingText(), says("shop", { name: data.name })].join(" – ");
  $("count").textContent = counted();
  drawNotes();
  drawRead($("read"), reply.read, state, go, $("heading"));
  redraw($("grid"), cards(), $("heading"));
  drawPages();
  drawFacets(reply.facets, state);
  drawRanking();
  const chosen = countChosen(state);
  $("open-filters-text").textContent = says(chosen ? "filters, chosen" : "filters", { count: chosen });
  $("done-sheet").textContent = says("show products", { count: number(reply.count) });
  shownNow();
}

function shownNow() {
  afterShow?.();
  afterShow = null;
}

// No list of an earlier query stays under a fault.
function refuse(sentence, again = false) {
  busy(false);
  shown = reply = null;
  if (!again) wanted = null;
  $("heading").textContent = says("no answer");
  $("count").textContent = "";
  for (const id of ["notes", "read", "grid", "pages"]) $(id).replaceChildren();
  $("pages").hidden = true;
  tell(sentence, again);
  shownNow();
}

function tell(sentence, again = false) {
  const retry = el("button", { class: "quiet", type: "button", onclick: retrySearch }, says("again"));
  $("trouble").hidden = !sentence;
  $("trouble").replaceChildren(...(sentence ? [el("p", {}, sentence)] : []), ...(again ? [retry] : []));
}

function retrySearch() {
  wanted = null;
  tell("");
  search();
}

addEventListener("online", () => shown === null && retrySearch());

function headingText() {
  if (reply.similar_to) return says("similar to", { title: titleOf(reply.similar_to) });
  const words = state.words.trim();
  if (state.photo) return words ? says("both", { words }) : says("by photo");
  return words ? says("results", { words }) : says("all products");
}

function heading() {
  if (!reply.similar_to) return document.createTextNode(headingText());
  const image = el("img", { src: reply.similar_to.photo.small, alt: "", width: 48, height: 48 });
  return el("span", { class: "with-photo" }, image, headingText());
}

function counted() {
  const { fit, total, count } = reply;
  if (!total) return says("none passes");
  if (!count) return says("none known");
  const all = number(total);
  if (fit === null) return says(total === 1 ? "product" : "products", { count: all });
  if (!fit) return says("none fits");
  const said = says(fit === 1 ? "one fits" : "some fit", { fit: number(fit), total: all });
  return count > fit && !state.rank ? `${said} ${says("more may fit")}` : said;
}

// What the shop made of the words: what it translated, and words that it does not know.
function drawNotes() {
  const said = [];
  if (reply.translated) said.push(el("p", {}, says("translated", { words: reply.translated })));
  keptBack = false;
  const half = typing() && state.words.trim().toLowerCase();
  for (const { word, close } of reply.unknown) {
    if (half && half.endsWith(word.toLowerCase())) {
      keptBack = true;
      continue;
    }
    const corrected = close && replaced(state.words, word, close);
    said.push(el("p", {}, says("unknown", { word }), corrected && " ", corrected && says("did you mean"),
      corrected && " ", corrected && el("button", {
        class: "text-button", type: "button", "data-key": word,
        onclick: () => { keep(corrected); go({ words: corrected }); },
      }, close)));
  }
  redraw($("notes"), said, $("heading"));
}

// The words with that word replaced; "" if it does not stand in them as it is.
function replaced(words, word, close) {
  const plain = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const alone = new RegExp(`(?<![\\p{L}\\p{N}])${plain}(?![\\p{L}\\p{N}])`, "iu");
  return alone.test(words) ? words.replace(alone, () => close) : "";
}

function cards() {
  const money = prices(reply.products);
  const all = reply.products.map((one) => card(one, state, money));
  const fitting = (reply.fit ?? Infinity) - (reply.page - 1) * pageSize;
  if (!state.rank && fitting > 0 && fitting < all.length) { // other rankings mix the two
    all.splice(fitting, 0, el("li", { class: "divider" }, el("h3", {}, says("may fit"))));
  }
  shape($("grid"), reply.products);
  return all;
}

function drawPages() {
  const { page, pages } = reply;
  const near = [1, page - 1, page, page + 1, pages].filter((one) => one >= 1 && one <= pages);
  const link = (to, text, more) => el("a", { href: address({ ...state, page: to }), ...more }, text);
  const nodes = [];
  if (page > 1) nodes.push(link(page - 1, says("previous"), { rel: "prev" }));
  [...new Set(near)].forEach((one, n, all) => {
    if (n && one - all[n - 1] > 1) nodes.push(el("span", { "aria-hidden": "true" }, "…"));
    nodes.push(link(one, number(one), {
      "aria-label": says("page", { page: number(one) }), "aria-current": one === page && "page",
    }));
  });
  if (page < pages) nodes.push(link(page + 1, says("next"), { rel: "next" }));
  $("pages").hidden = pages < 2;
  $("pages").replaceChildren(...nodes);
}

// The learners' corner: what the list is ranked by, to be switched off and on.
function drawRanking() {
  const all = data.scorers.map(({ name }) => name);
  const used = state.rank ?? all;
  const sum = data.scorers.reduce((so_far, { weight }) => so_far + weight, 0) || 1;
  const boxes = data.scorers.map(({ name, weight }) => {
    const on = used.includes(name);
    const box = el("input", {
      type: "checkbox", "data-key": name, disabled: on && used.length === 1,
      onchange: () => {
        const rank = all.filter((one) => (one === name ? box.checked : used.includes(one)));
        go({ rank: rank.length < all.length ? rank : null });
      },
    });
    box.checked = on;
    return el("label", {}, box, el("span", {}, named(name, "its ")),
      el("span", { class: "number" }, number(weight / sum, { style: "percent" })));
  });
  redraw($("ranking-text"), [
    el("p", {}, says("ranked by")),
    el("fieldset", {}, el("legend", {}, says("scorers")), boxes),
    state.rank && el("p", {}, says("moves")),
    state.rank && el("p", {}, el("button", {
      class: "quiet", type: "button", onclick: () => go({ rank: null }),
    }, says("own ranking"))),
    el("p", { class: "number" }, says("took", { milliseconds: number(reply.milliseconds) })),
  ].filter(Boolean), $("ranking").querySelector("summary"));
}

// The photo beside the words ----------------------------------------------------------------------

let adding = 0, uploads = 0, thumbOf = null;

function drawMix() {
  const both = Boolean(state.photo && state.words.trim());
  $("mix").hidden = !state.photo && !adding;
  $("balance").hidden = !both;
  $("mix-text").textContent = adding ? says("adding") : both ? "" : says("add words");
  $("mix-text").hidden = !adding && both;
  $("remove-photo").hidden = !state.photo;
  $("weight").value = state.weight;
  const share = number(state.weight, { style: "percent" });
  $("weight").setAttribute("aria-valuetext", says("share", { share }));
  if (state.photo !== thumbOf) drawThumb(state.photo);
}

async function drawThumb(token) {
  thumbOf = token;
  URL.revokeObjectURL($("thumb").src);
  $("thumb").removeAttribute("src");
  if (!token) return;
  try {
    const source = await fetchPhoto(token, state.lang);
    if (thumbOf === token) $("thumb").src = source;
  } catch { /* the search says what is wrong with the photo */ }
}

async function addPhoto(file) {
  const mine = uploads += 1;
  adding += 1;
  searchBox.close();
  tell("");
  drawMix();
  let photo = null, fault = null;
  try {
    photo = await sendPhoto(file, state.lang);
  } catch (given) {
    fault = given;
  }
  adding -= 1;
  if (mine === uploads && photo) go({ photo, like: null, weight: 0.5 });
  else drawMix();
  if (fault) tell(fault.message);
}

// The panel of a product --------------------------------------------------------------------------

let panelPath = null;

async function showPanel() {
  const [dialog, body] = [$("panel"), $("panel-body")];
  if (!state.product) {
    panelPath = null;
    if (dialog.open) dialog.close();
    return;
  }
  const path = productPath(state, taste);
  if (path === panelPath) return;
  panelPath = path;
  const known = seen.get(state.product);
  body.replaceChildren(...(known ? panel(known, null, state)
    : [el("h2", { id: "panel-title", tabindex: "-1" }, says("loading"))]));
  if (!dialog.open) dialog.showModal();
  body.querySelector("#panel-title").focus();
  dialog.scrollTop = 0;
  try {
    const details = await ask(path);
    if (path !== panelPath) return;
    opened.add(details.product.id);
    for (const one of [details.product, ...details.similar]) seen.set(one.id, one);
    const nodes = panel(details.product, details, state);
    if (known) nodes[0] = body.querySelector(".panel-photo"); // it is there already
    const atTitle = document.activeElement.id === "panel-title";
    redraw(body, nodes, $("close-panel"));
    if (atTitle) $("panel-title").focus({ preventScroll: true });
  } catch (fault) {
    if (path !== panelPath) return;
    body.append(el("div", { class: "trouble", role: "alert" },
      el("p", {}, fault.status === undefined ? says("trouble") : fault.message),
      el("button", { class: "quiet", type: "button", onclick: () => {
        panelPath = null;
        showPanel();
      } }, says("again"))));
  }
}

$("panel").addEventListener("close", () => { // by its button, Escape, or a click beside it
  if (!state.product) return;
  const { depth = 0 } = history.state ?? {};
  if (depth) history.go(-depth);
  else go({ product: null }, { replace: true });
});
for (const [dialog, buttons] of [["panel", ["close-panel"]], ["sheet", ["close-sheet", "done-sheet"]]]) {
  for (const id of buttons) $(id).addEventListener("click", () => $(dialog).close());
  $(dialog).addEventListener("click", (event) => event.target === $(dialog) && $(dialog).close());
}

// For you -----------------------------------------------------------------------------------------

let forYou = null; // the path of the row on show

// Products near those that were opened; beside a query, filters or an open product it stays as it is.
async function drawForYou() {
  if (state.product) return;
  const mine = opened.get();
  const wanted = !asksSomething(state) && state.page === 1 && !countChosen(state) && mine.length > 0;
  const path = wanted ? forYouPath(mine) : null;
  const text = `${path} ${state.lang}`;
  if (!path) $("for-you").hidden = true;
  if (text === forYou) return;
  forYou = text;
  if (!path) return;
  try {
    const { products } = await ask(path);
    if (text !== forYou) return;
    for (const one of products) seen.set(one.id, one);
    const money = prices(products);
    redraw($("for-you-row"), products.map((one) => card(one, state, money)), $("heading"));
    shape($("for-you-row"), products);
    $("for-you").hidden = !products.length;
  } catch { // the list below does without it
    if (text === forYou) $("for-you").hidden = true;
  }
}

$("forget-seen").addEventListener("click", () => {
  opened.forget();
  readTaste();
  render();
  $("heading").focus({ preventScroll: true });
});

function readTaste() {
  taste = memory.get("taste", false) ? opened.get() : [];
}

function drawTaste() {
  $("taste-choice").hidden = !(asksSomething(state) && (taste.length || opened.get().length));
  $("taste").checked = taste.length > 0;
}

$("taste").addEventListener("change", () => {
  memory.set("taste", $("taste").checked);
  readTaste();
  render();
});

// Filters: beside the list, or on a narrow screen in a sheet --------------------------------------

const drawFacets = makeFacets($("facets"), go);
const wide = matchMedia("(min-width: 60rem)");

$("open-filters").addEventListener("click", () => {
  $("sheet-body").append($("facets"));
  $("sheet").showModal();
});
$("sheet").addEventListener("close", () => $("side").append($("facets")));
wide.addEventListener("change", () => wide.matches && $("sheet").close());

// Light and dark ----------------------------------------------------------------------------------

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function drawTheme() {
  const chosen = memory.get("theme", null) ?? document.documentElement.dataset.theme;
  if (chosen) document.documentElement.dataset.theme = chosen;
  $("theme").setAttribute("aria-pressed", String((chosen ?? (prefersDark.matches ? "dark" : "light")) === "dark"));
}

$("theme").addEventListener("click", () => {
  const theme = $("theme").getAttribute("aria-pressed") === "true" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  memory.set("theme", theme);
  drawTheme();
});
prefersDark.addEventListener("change", drawTheme);

// The start ---------------------------------------------------------------------------------------

const searchBox = makeSearchBox({
  typed: (words) => {
    afterShow = () => scrollTo(0, 0);
    go({ words, like: null }, { typed: "words" });
  },
  settled: (words) => {
    afterShow = () => scrollTo(0, 0);
    go({ words, like: null }, { typed: "words" });
    history.replaceState({ ...history.state, typed: null }, ""); // the next words are a new step
  },
});
// No more is typed: half a word is a word now. A click that led here must find what it aimed at.
$("words").addEventListener("blur", () => (keptBack || wanted === null) && setTimeout(search, 250));
takePhotos(addPhoto);
$("sort").addEventListener("change", () => go({ sort: $("sort").value }));
$("remove-photo").addEventListener("click", () => {
  uploads += 1; // of a photo that is still on its way
  go({ photo: null });
  $("words").focus();
});
let sliding;
$("weight").addEventListener("input", () => {
  clearTimeout(sliding);
  sliding = setTimeout(() => go({ weight: Number($("weight").value) }, { typed: "weight" }), 150);
});

history.scrollRestoration = "manual";
state = read(location.search);
readTaste();
$("invented").hidden = !data.invented;
const { y = 0 } = history.state ?? {};
afterShow = () => scrollTo(0, y);
history.replaceState(history.state, "", address(state));
render();
