// Elements of the page: a product's card, and the panel with all that is known of a product.
// Whatever comes from a catalogue or a visitor goes in as text, never as markup.

import { address, data, named, number, prices, says, spoken } from "./state.js";

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child || child === 0));
  return node;
}

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

// Put new children in; the keyboard's focus stays on the same control, or on its neighbour.
export function redraw(container, children, fallback) {
  const reachable = () => [...container.querySelectorAll("a[href], button, input, select")];
  const { activeElement } = document;
  const at = reachable().indexOf(activeElement);
  container.replaceChildren(...children);
  if (at < 0) return;
  const now = reachable().filter((one) => !one.disabled);
  const { key } = activeElement.dataset;
  const same = key && now.find((one) => one.dataset.key === key);
  (same || now[Math.min(at, now.length - 1)] || fallback)?.focus({ preventScroll: true });
}

export const titleOf = (product) => (spoken() === "zh" && product.title_zh) || product.title;

// The photo, never wider or higher than twice its own pixels: small ones stay small, not blurred.
function photograph(product, sizes, attributes) {
  const { small, large, width, height } = product.photo;
  const smallWidth = Math.round(width * Math.min(1, data.scale.small / Math.max(width, height)));
  const image = el("img", {
    ...(smallWidth < width && { srcset: `${small} ${smallWidth}w, ${large} ${width}w`, sizes }),
    src: large, width, height, decoding: "async", ...attributes,
  });
  image.style.maxWidth = `min(100%, ${2 * width}px)`;
  image.style.maxHeight = `min(100%, ${2 * height}px)`;
  image.addEventListener("error", () => image.closest(".mat")?.classList.add("bare-mat"));
  return el("span", { class: "mat" }, image);
}

// A slot is a place that stays hidden until somebody fills it.
const slot = (name) => el("div", { class: "slot", "data-slot": name, hidden: true });

export function card(product, state, money = prices([product]), heading = "h3") {
  const link = el("a", {
    href: address({ ...state, product: product.id }),
    "data-key": `product ${product.id}`,
    "data-product": product.id,
  }, titleOf(product));
  return el("li", { class: "card" },
    photograph(product, "(max-width: 40rem) 45vw, 15rem", { alt: "", loading: "lazy" }),
    moved(product.move),
    el(heading, { class: "title" }, link),
    el("p", { class: "brand" }, product.brand),
    el("p", { class: "price" }, money(product.price)),
    starred(product.stars),
    el("p", { class: "offer" },
      product.offers_from !== null && says("offers from", { price: amount(product.offers_from) })));
}

const tenth = (value) => number(value, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const amount = (value) => number(value, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

// Stars with their interval and the number of reviews: "4.2 ★ (3.6–4.7, 12)".
function starred(known) {
  if (!known) return el("p", { class: "stars" });
  const { stars, low, high, n } = known;
  const [value, least, most, count] = [tenth(stars), tenth(low), tenth(high), number(n)];
  return el("p", { class: "stars" },
    el("span", { "aria-hidden": "true" }, el("b", {}, `${value} ★`), ` (${least}–${most}, ${count})`),
    el("span", { class: "unseen" }, says("stars", { stars: value, low: least, high: most, count })));
}

// How many places a product gained or lost against the shop's own ranking.
function moved(places) {
  if (places === null || places === undefined) return null;
  const arrow = places > 0 ? "↑" : places < 0 ? "↓" : "=";
  const key = places > 0 ? "moved up" : places < 0 ? "moved down" : "not moved";
  return el("p", { class: `move ${places > 0 ? "up" : places < 0 ? "down" : ""}` },
    el("span", { "aria-hidden": "true" }, arrow, places ? String(Math.abs(places)) : ""),
    el("span", { class: "unseen" }, says(key, { places: Math.abs(places) })));
}

const SMALL_PHOTO = 80; // pixels

// The shape of the mats of a list: that of most of its photos, between 3:4 and a square. Where all
// photos are small, so are the cards: a photo is shown at twice its pixels at most. A line that some
// card fills, such as its price, takes its place on all of them.
export function shape(container, products) {
  const filled = (name, fills) => container.classList.toggle(name, products.some(fills));
  filled("branded", ({ brand }) => brand);
  filled("priced", ({ price }) => price !== null);
  filled("starred", ({ stars }) => stars);
  filled("offered", ({ offers_from: offer }) => offer !== null);
  const widest = Math.max(...products.map(({ photo }) => photo.width));
  container.classList.toggle("small-photos", widest <= SMALL_PHOTO);
  const ratios = products.map(({ photo }) => photo.width / photo.height).sort((a, b) => a - b);
  const middle = ratios[Math.floor(ratios.length / 2)] ?? 0.75;
  container.style.setProperty("--ratio", Math.min(1, Math.max(0.75, middle)).toFixed(3));
}

export const skeletons = (count) => Array.from({ length: count }, () =>
  el("li", { class: "card skeleton", "aria-hidden": "true" },
    el("span", { class: "mat" }), el("span", { class: "line" }), el("span", { class: "line short" })));

// The panel of a product ---------------------------------------------------------------------------

// What is known at once is shown at once: `product` is that of the card; `details` come later.
export function panel(product, details, state) {
  const money = prices([product]);
  const photo = photograph(product, "(max-width: 40rem) 92vw, 30rem", { alt: titleOf(product) });
  const like = { ...emptied(state), like: product.id };
  const left = el("div", { class: "panel-photo" }, photo, slot("heatmap"));
  shape(left, [product]);
  return [
    left,
    el("div", { class: "panel-text" },
      el("p", { class: "brand" }, product.brand),
      el("h2", { id: "panel-title", tabindex: "-1" }, titleOf(product)),
      el("p", { class: "panel-price" }, money(product.price)),
      starred(product.stars),
      details?.description && el("p", { class: "description" }, details.description),
      el("a", { class: "quiet", href: address(like) }, says("find similar")),
      details ? known(details, state) : el("p", { class: "line wide", role: "presentation" }),
      details?.offers.length ? offersOf(details.offers) : null,
      details?.aspects.length ? reviewsOf(details.aspects) : null,
      details && data.invented && el("p", { class: "small" }, says("invented")),
      details?.why && whyFound(details.why)),
    details?.similar.length ? similar(details.similar, state) : null,
  ].filter(Boolean);
}

// Offers of other sellers, the cheapest first; the price that a seller names, if it is in another
// currency, stands behind that in the shop's.
function offersOf(offers) {
  const rows = offers.map((one) => el("tr", {},
    el("th", { scope: "row" }, one.seller, el("span", { class: "small" }, one.title),
      one.too_cheap && el("span", { class: "flag" }, says("too cheap"))),
    el("td", { class: "figure" }, amount(one.amount),
      one.price !== one.amount && el("span", { class: "small" }, `${amount(one.price)} ${one.currency}`))));
  return el("section", { class: "box", "aria-labelledby": "offers-title" },
    el("h3", { id: "offers-title" }, says("offers")),
    el("table", { class: "offers" }, el("thead", { class: "unseen" }, el("tr", {},
      el("th", { scope: "col" }, says("seller")), el("th", { scope: "col" }, named("price")))),
    el("tbody", {}, rows)));
}

// What reviews say: for each aspect its stars on a line from 1 to 5, and a sentence of a buyer.
function reviewsOf(aspects) {
  const place = (stars) => `${25 * (stars - 1)}%`;
  const rows = aspects.map(({ aspect, stars, low, high, n, quote, quote_zh }) => {
    const name = named(aspect, "about ");
    const [reach, point] = [el("span", { class: "reach" }), el("span", { class: "point" })];
    reach.style.left = place(low);
    reach.style.width = `${25 * (high - low)}%`;
    point.style.left = place(stars);
    const said = (spoken() === "zh" && quote_zh) || quote;
    const figures = { stars: tenth(stars), low: tenth(low), high: tenth(high), count: number(n) };
    return el("li", {},
      el("span", { class: "aspect" }, name),
      el("span", { class: "scale", "aria-hidden": "true" }, reach, point),
      el("span", { class: "figure", "aria-hidden": "true" }, `${figures.stars} ★ (${figures.count})`),
      el("span", { class: "unseen" }, aspect === "overall" ? says("stars", figures)
        : says("stars, said", figures)),
      said && el("q", {}, said));
  });
  return el("section", { class: "box", "aria-labelledby": "reviews-title" },
    el("h3", { id: "reviews-title" }, says("reviews")),
    el("p", { class: "small" }, says("interval")),
    el("ul", { class: "aspects" }, rows));
}

// The same language, and nothing asked for yet.
export const emptied = (state) => ({
  ...state, words: "", photo: null, like: null, page: 1, sort: data.sorts[0], filters: {}, ranges: {},
  off: [], product: null,
});

function known(details, state) {
  if (!details.attributes.length) return null;
  const filtered = new Set(data.columns.filter(({ kind }) => kind === "values").map((one) => one.name));
  return el("dl", { class: "attributes" }, details.attributes.map(({ column, value }) => {
    const only = { ...emptied(state), filters: { [column]: [value] } };
    return el("div", {}, el("dt", {}, named(column)), el("dd", {},
      filtered.has(column) ? el("a", { href: address(only) }, value) : String(value)));
  }));
}

// Why a product was found: its place, what its score is made of, what it has of what was asked.
function whyFound({ score, place, parts, agrees, words }) {
  const most = Math.max(score, ...parts.map(({ share }) => share), 1e-9);
  const rows = parts.map(({ name, share }) => {
    const bar = el("span", { class: `bar part-${name}` });
    bar.style.width = `${100 * Math.max(0, share / most)}%`;
    return el("tr", {}, el("th", { scope: "row" }, named(name, "its ")),
      el("td", { class: "bar-cell" }, bar),
      el("td", { class: "figure" }, number(share, { maximumFractionDigits: 2, minimumFractionDigits: 2 })));
  });
  const signs = agrees.map((one) => {
    const sign = one.agrees ? "✓" : one.has ? "✗" : "–";
    const text = one.agrees ? one.asked
      : one.has ? says("other", { has: one.has, value: one.asked })
      : says("not given", { value: one.asked });
    return el("li", { class: one.agrees ? "yes" : one.has ? "no" : "open" },
      el("span", { "aria-hidden": "true" }, sign),
      el("span", { class: "unseen" }, says(one.agrees ? "agrees" : "differs")),
      `${named(one.column)}: ${text}`);
  });
  return el("section", { class: "why", "aria-labelledby": "why-title" },
    el("h3", { id: "why-title" }, says("why found")),
    el("p", {}, says("place and score", { place: number(place), score: number(score, { maximumFractionDigits: 2 }) })),
    el("table", {}, el("caption", { class: "unseen" }, says("parts")), el("tbody", {}, rows)),
    signs.length ? el("ul", { class: "signs" }, signs) : null,
    words.length ? el("p", {}, says("words found"), " ",
      words.map((word) => el("mark", {}, word))) : null);
}

function similar(products, state) {
  const money = prices(products);
  const list = el("ul", { class: "grid" }, products.map((one) => card(one, state, money, "h4")));
  shape(list, products);
  return el("section", { class: "similar", "aria-labelledby": "similar-title" },
    el("h3", { id: "similar-title" }, says("similar")), list);
}
