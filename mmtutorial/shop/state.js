// What a visitor chose, as it stands in the page's address; what the browser remembers; and how
// the page asks the shop.

export const data = JSON.parse(document.getElementById("shop-data").textContent);
const PAGE_SIZE = 24;
const KEPT_REPLIES = 60;
const MOST_TRIES = 5;

// The address ------------------------------------------------------------------------------------

// The state that an address says; what the shop does not have is left out.
export function read(search) {
  const given = new URLSearchParams(search);
  const number = (name) => {
    const value = parseFloat(given.get(name));
    return Number.isFinite(value) ? value : null;
  };
  const filters = {}, ranges = {};
  for (const { name, kind } of data.columns) {
    const values = [...new Set(given.getAll(`f.${name}`))];
    const [low, high] = [number(`min.${name}`), number(`max.${name}`)];
    if (kind === "values" && values.length) filters[name] = values;
    if (kind === "range" && (low !== null || high !== null)) ranges[name] = [low, high];
  }
  const scorers = data.scorers.map(({ name }) => name);
  const rank = (given.get("rank") ?? "").split(",").filter((name) => scorers.includes(name));
  return {
    words: given.get("q") ?? "",
    photo: given.get("photo"),
    like: given.get("like"),
    weight: Math.min(1, Math.max(0, number("weight") ?? 0.5)),
    sort: data.sorts.includes(given.get("sort")) ? given.get("sort") : data.sorts[0],
    page: Math.max(1, Math.floor(number("page") ?? 1)),
    filters,
    ranges,
    off: given.getAll("off"),
    rank: rank.length && rank.length < scorers.length ? rank : null,
    lang: data.languages.includes(given.get("lang")) ? given.get("lang") : preferred(),
    product: given.get("product"),
  };
}

function preferred() {
  const wanted = [memory.get("language", ""), ...navigator.languages.map((one) => one.slice(0, 2))];
  return wanted.find((one) => data.languages.includes(one)) ?? data.languages[0];
}

// What is asked for: the part of the address that the list of products follows from.
function query(state) {
  const given = new URLSearchParams();
  const words = state.words.trim();
  if (words) given.set("q", words);
  if (state.photo) given.set("photo", state.photo);
  if (state.like) given.set("like", state.like);
  if (words && state.photo) given.set("weight", state.weight);
  for (const one of state.off) given.append("off", one);
  if (state.rank) given.set("rank", state.rank.join(","));
  return given;
}

function list(state) {
  const given = query(state);
  if (state.sort !== data.sorts[0]) given.set("sort", state.sort);
  if (state.page > 1) given.set("page", state.page);
  for (const [column, values] of Object.entries(state.filters)) {
    for (const value of values) given.append(`f.${column}`, value);
  }
  for (const [column, [low, high]] of Object.entries(state.ranges)) {
    if (low !== null) given.set(`min.${column}`, low);
    if (high !== null) given.set(`max.${column}`, high);
  }
  return given;
}

// The page's own address for a state: what a link leads to.
export function address(state) {
  const given = list(state);
  given.set("lang", state.lang);
  if (state.product) given.set("product", state.product);
  return `?${given}`;
}

// Where the shop answers for a state; `taste`: ids of products that were opened, if they count.
export function searchPath(state, taste = []) {
  const given = list(state);
  given.set("size", PAGE_SIZE);
  given.set("lang", state.lang);
  if (asksSomething(state)) for (const id of taste) given.append("seen", id);
  return `api/search?${given}`;
}

export function productPath(state, taste = []) {
  const given = query(state);
  given.set("lang", state.lang);
  if (asksSomething(state)) for (const id of taste) given.append("seen", id);
  return `api/product/${encodeURIComponent(state.product)}?${given}`;
}

export const pageSize = PAGE_SIZE;
export const asksSomething = (state) => Boolean(state.words.trim() || state.photo || state.like);

// What the browser remembers; where it may not, nothing is remembered ----------------------------

export const memory = {
  get(key, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`shop.${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`shop.${key}`, JSON.stringify(value));
    } catch { /* storage is forbidden or full */ }
  },
};

// The products that were opened in this shop, the oldest first: in the browser, and nowhere else.
export const opened = {
  key: `seen.${data.name}`,
  get: () => {
    const kept = memory.get(opened.key, []);
    return Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : [];
  },
  add: (id) => memory.set(opened.key,
    [...opened.get().filter((one) => one !== id), id].slice(-data.limits.seen)),
  forget: () => memory.set(opened.key, []),
};

export const forYouPath = (seen) => `api/foryou?${new URLSearchParams(seen.map((id) => ["seen", id]))}`;

// Asking the shop --------------------------------------------------------------------------------

// The shop refused, or was not reached (status 0); the message is a sentence for the visitor.
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const replies = new Map(); // path → reply, the least recently used first: the shop does not change

// The reply of the shop; `waiting(seconds)` is told when the shop is busy and will be asked again.
export async function ask(path, { signal, waiting } = {}) {
  if (replies.has(path)) return remember(path, replies.get(path));
  const response = await send(path, { signal }, waiting);
  return remember(path, await response.json());
}

function remember(path, reply) {
  replies.delete(path);
  replies.set(path, reply);
  if (replies.size > KEPT_REPLIES) replies.delete(replies.keys().next().value);
  return reply;
}

export async function send(path, options, waiting = () => {}) {
  for (let tries = 1; ; tries += 1) {
    let response;
    try {
      response = await fetch(path, { ...options, headers: { "X-Shop": "1" } });
    } catch (fault) {
      if (options.signal?.aborted) throw fault;
      throw new Refusal(says("no network"), 0);
    }
    if (response.ok) return response;
    const seconds = Number(response.headers.get("Retry-After"));
    if ([429, 503].includes(response.status) && seconds > 0 && tries < MOST_TRIES) {
      waiting(seconds);
      await pause(seconds, options.signal);
      continue;
    }
    const said = await response.json().catch(() => ({}));
    throw new Refusal(said.error ?? says("trouble"), response.status);
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * Math.min(seconds, 30));
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

// What the page says -----------------------------------------------------------------------------

let language = data.languages[0];
export const speak = (chosen) => { language = chosen; };
export const spoken = () => language;

// The label under `key` of language.py, with its {names} filled in.
export function says(key, values = {}) {
  const text = data.says[language][key] ?? data.says.en[key] ?? key;
  return text.replace(/{(\w+)}/g, (whole, name) => values[name] ?? whole);
}

// A name of the catalogue, such as a column's: as language.py says it, or made readable.
export function named(name, prefix = "") {
  if (data.says[language][prefix + name]) return says(prefix + name);
  const plain = name.replaceAll("_", " ");
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

export const number = (value, options) =>
  new Intl.NumberFormat(language === "zh" ? "zh-CN" : language, options).format(value);

// Prices that stand together have the same number of digits.
export function prices(products) {
  const whole = products.every(({ price }) => price === null || Number.isInteger(price));
  const digits = whole ? 0 : 2;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return (price) => (price === null ? "" : number(price, options));
}
