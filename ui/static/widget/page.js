// The chat in the widget's iframe, or on a page of its own. What the server rendered and sanitised goes through `put`,
// everything else is text. The reader's token stays in memory.

const boot = JSON.parse(document.getElementById("boot").textContent);
const word = (key, fill = {}) => (boot.words[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => fill[name] ?? all);
const $ = (id) => document.getElementById(id);
const log = $("log"), turns = $("turns"), box = $("box"), page = document.documentElement;
const framed = window.parent !== window && !boot.full;
const AT_ONCE = 30;  // turns of a long conversation that are shown; the earlier ones on demand
const TOKEN = 16_384, SAID = 100_000;

// ---- Elements

const make = (tag, name = "", text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });
const button = (name, text, act) => {
  const made = Object.assign(make("button", name, text), { type: "button" });
  made.addEventListener("click", act);
  return made;
};
const icon = (name, label, act) => {
  const made = button("icon", "", act), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = svg.appendChild(document.createElementNS(svg.namespaceURI, "use"));
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  made.append(svg);
  made.ariaLabel = made.title = label;
  return made;
};
const turnInto = (made, name, label) => {
  made.querySelector("use").setAttribute("href", `#i-${name}`);
  made.ariaLabel = made.title = label;
};
/** The only place where HTML is inserted: the server's, after its first `keep` elements. An open route line stays open. */
const put = (element, html, keep = 0) => {
  const open = element.querySelector("details")?.open && !keep;
  for (const each of keep ? [...element.children].slice(keep) : [...element.childNodes]) each.remove();
  element.insertAdjacentHTML("beforeend", html);
  if (open) element.querySelector("details")?.setAttribute("open", "");
  for (const { previousSibling: before } of element.querySelectorAll("a.cite")) {  // no line begins with a lone [1]
    if (before?.nodeType === Node.TEXT_NODE) before.data = before.data.replace(/ $/, "\u00a0");
  }
};
let spoken = "";
const aloud = (text) => {
  spoken = text;
  $("aloud").textContent = "";
  requestAnimationFrame(() => { $("aloud").textContent = spoken; });
};
/** The beginning of what stands there, as it is read. */
const heard = (element) => {
  const text = element.innerText.replace(/\s+/g, " ").trim();
  return text.length > 300 ? `${text.slice(0, text.lastIndexOf(" ", 300))} …` : text;
};
const trouble = (text) => {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
};
const told = (error) => tell("error", { code: error.code ?? "", message: error.message });
/** Show an error at the box, and tell the host page. */
const troubled = (error) => {
  trouble(error.message);
  told(error);
};

// ---- The host page: messages from our parent alone, of an origin that the surface names

let host = "", greeted;
const greeting = new Promise((resolve) => { greeted = resolve; });
const may = (origin) => origin === location.origin || boot.origins.some((rule) => {
  const [scheme, domain] = rule.split("://*.");
  if (!domain) return rule === origin;
  return origin.startsWith(`${scheme}://`) && new URL(origin).host.endsWith(`.${domain}`);
});
/** A field of a message, where it is its own, of that kind and not longer than `most`. */
const own = (from, key, kind, most = 2000) => {
  const value = Object.hasOwn(Object(from), key) ? from[key] : null;
  return typeof value === kind && !(value.length > most) ? value : undefined;
};
const toHost = (type, fields = {}, origin = host) => {
  if (framed && origin) window.parent.postMessage({ switchyard: 1, type, ...fields }, origin);
};
const tell = (name, fields) => toHost("event", { name, ...fields });

const HEARD = {
  hello: (data) => {
    who.named = own(data, "identified", "boolean") === true;
    page.classList.toggle("inline", own(data, "inline", "boolean") === true);
    $("close").hidden = page.classList.contains("inline");
    look(data);
    recall(own(data, "kept", "string", TOKEN + 4000) ?? "");
    greeted();
    shown(data);
  },
  token: (data) => {
    const token = own(data, "token", "string", TOKEN);
    if (token !== undefined) given(token, own(data, "failed", "string", 20) ?? "");
  },
  look: (data) => look(data),
  context: (data) => { context = readContext(data); },
  shown: (data) => shown(data),
  ask: (data) => {
    const text = own(data, "text", "string", SAID) ?? "";
    box.value = text;
    fitBox();
    if (own(data, "send", "boolean") !== false) restored.then(submit); else box.focus();
  },
};
addEventListener("message", ({ source, origin, data }) => {
  if (own(data, "switchyard", "number") !== 1) return;
  const type = own(data, "type", "string");
  if (opened.has(source) && origin === location.origin && type === "want") return void lend(source);
  if (!framed || source !== window.parent || !may(origin) || (host && host !== origin)) return;
  host = origin;
  if (Object.hasOwn(HEARD, type ?? "")) HEARD[type](data);
});

let context = null;
const readContext = (data) => {
  const found = {}, url = own(data, "url", "string"), title = own(data, "title", "string");
  let fields = {}, room = 6000;
  try { fields = JSON.parse(own(data, "fields", "string", 40_000) ?? "{}"); } catch { /* then none */ }
  if (url) found.url = url.slice(0, 2000);
  if (title) found.title = title.slice(0, 300);
  room -= (found.url ?? "").length + (found.title ?? "").length;
  const kept = Object.entries(Object(fields)).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .map(([name, value]) => [name.slice(0, 60), String(value).slice(0, 1000)])
    .filter(([name, value]) => !["__proto__", "constructor", "prototype", ""].includes(name) && (room -= name.length + value.length) >= 0);
  if (kept.length) found.fields = Object.fromEntries(kept.slice(0, 20));
  return Object.keys(found).length ? found : null;
};

const night = matchMedia("(prefers-color-scheme: dark)");
let wanted = { theme: "", accent: "" };
const look = (data) => {
  wanted = { theme: own(data, "theme", "string", 10) ?? "", accent: own(data, "accent", "string", 100) ?? "" };
  const dark = wanted.theme ? wanted.theme === "dark" : night.matches;
  page.classList.toggle("dark", dark);
  page.classList.toggle("light", !dark);
  paint(wanted.accent, dark);
};
/** The host's accent, darker or lighter as far as it takes to be read (WCAG AA). */
const paint = (accent, dark) => {
  const names = ["--color-accent", "--color-accent-soft", "--link-text-color", "--button-primary-background-fill", "--button-primary-text-color"];
  if (!accent || !CSS.supports("color", accent)) return names.forEach((name) => page.style.removeProperty(name));
  const drawing = document.createElement("canvas").getContext("2d");
  drawing.fillStyle = accent;
  drawing.fillRect(0, 0, 1, 1);
  const chosen = [...drawing.getImageData(0, 0, 1, 1).data].slice(0, 3);
  const mixed = (one, other, share) => one.map((each, at) => Math.round(each * share + other[at] * (1 - share)));
  const light = (colour) => {
    const [red, green, blue] = colour.map((each) => (each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
  };
  const contrast = (one, other) => Math.max(light(one), light(other)) / Math.min(light(one), light(other));
  const paper = dark ? [15, 23, 42] : [255, 255, 255], end = dark ? [255, 255, 255] : [0, 0, 0];
  const readable = (behind) => {
    for (let share = 1; share > 0; share -= 0.04) {
      const tried = mixed(chosen, end, share);
      if (contrast(tried, behind) >= 4.6) return tried;
    }
    return end;
  };
  const tint = mixed(chosen, paper, dark ? 0.25 : 0.12), text = readable(paper);
  const on = contrast(text, [255, 255, 255]) >= contrast(text, [15, 23, 42]) ? [255, 255, 255] : [15, 23, 42];
  [text, tint, readable(tint), text, on].forEach((colour, at) => page.style.setProperty(names[at], `rgb(${colour})`));
};
night.addEventListener("change", () => look(wanted));

let visible = !framed;
const shown = (data) => {
  visible = own(data, "shown", "boolean") === true;
  if (visible) restore();
  if (visible && own(data, "focus", "boolean")) (document.querySelector("dialog[open] button") ?? box).focus();
};

// ---- Who is there: a portal's token from the host page, or a guest's own

const who = { token: "", guest: false, named: false, since: 0, timer: 0, reader: 0 };
let waiting = [], asking = false;
const claims = (token) => {
  try { return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))); } catch { return {}; }
};
const person = () => {
  let found = 0;
  for (const letter of String(claims(who.token).sub ?? "")) found = (Math.imul(found, 31) + letter.codePointAt(0)) | 0;
  return found.toString(36);
};
class Trouble extends Error {
  constructor(code, message) { super(message); this.code = code; }
}
/** What this browser remembers of the surface. Where an iframe may not, the host page keeps it for its tab. */
let store;
const storage = () => {
  if (store === undefined) try { store = localStorage; } catch { store = null; }
  return store;
};
const memory = new Map();
const kept = (key, value) => {
  const name = `switchyard:${boot.surface}:${key}`;
  if (value === undefined) return memory.get(name) ?? storage()?.getItem(name) ?? null;
  if (value === null) { memory.delete(name); storage()?.removeItem(name); } else {
    memory.set(name, value);
    try { storage()?.setItem(name, value); } catch { /* full */ }
  }
  if (!storage()) toHost("keep", { text: JSON.stringify([...memory].slice(-20)) });
  return value;
};
const recall = (text) => {
  let found = [];
  try { found = JSON.parse(text); } catch { /* then nothing */ }
  if (!Array.isArray(found) || memory.size || storage()) return;
  for (const [name, value] of found.filter(Array.isArray)) if (typeof name === "string" && typeof value === "string") memory.set(name, value);
};

/** How long a token is good for, in milliseconds; a clock here may be wrong, then its own length counts. */
const life = (token) => {
  const now = Date.now() / 1000, { exp, iat = now } = claims(token);
  if (typeof exp !== "number") return Infinity;
  return 1000 * (exp > now ? Math.min(exp - iat, exp - now) : exp - iat);
};
const take = (token, guest) => {
  const before = who.token && person(), was = who.guest;
  Object.assign(who, { token, guest, since: Date.now() });
  clearTimeout(who.timer);
  const left = life(token);
  if (!guest && left < Infinity) who.timer = setTimeout(() => wantToken(false), Math.min(Math.max(left * 0.8, 5000), 2e9));
  if (!before || before === person()) return;
  if (guest && was) remember(null); else forget(was ? "" : before);  // a guest whom the server forgot goes on as a new one
};
/** Nothing of the last reader is left to see, to hear or to be sent; where `before`, nor which conversation was open. */
const forget = (before) => {
  if (before) kept(`open:${before}`, null);
  who.reader += 1;
  begin();
  $("list").replaceChildren();
  $("sheet").replaceChildren();
  aloud("");
  box.value = "";
  fitBox();
  tried = "";
  opened.forEach(lend);
};
const wantToken = (refused) => (framed ? toHost("need-token", { refused }) : askOpener());
/** The host page handed a token over, or says that there is none. */
const given = (token, failed) => {
  asking = false;
  const waited = waiting.splice(0), fault = failed === "token" ? new Trouble("token", word("token")) : unknown();
  if (!token && !failed) {  // signed out
    const before = who.token && !who.guest && person();
    clearTimeout(who.timer);
    Object.assign(who, { token: "", named: false });
    forget(before);
  } else if (token) {
    who.named = true;
    take(token, false);
    tell("token", { expires: claims(token).exp ?? 0 });
    if (visible) restore();
  }
  for (const { resolve, reject } of waited) {
    if (token) resolve(token);
    else if (failed) reject(fault);
    else guestToken(false).then(resolve, reject);
  }
  if (!token && failed && !waited.length) told(fault);
};
const unknown = () => new Trouble("sign_in", word("sign_in"));
const named = (refused) => new Promise((resolve, reject) => {
  waiting.push({ resolve, reject });
  setTimeout(() => { asking = false; reject(new Trouble("token", word("token"))); }, 15_000);
  if (!asking) wantToken(refused);
  asking = true;
});
let session = null;
const guestToken = (refused) => {
  session ??= newSession(refused ? "" : who.token || kept("guest") || "").finally(() => { session = null; });
  return session;
};
const newSession = async (token) => {
  if (token && life(token) > 0 && claims(token).exp * 1000 > Date.now() + 60_000) {
    const { exp, iat = exp } = claims(token);
    if (Date.now() / 1000 < iat + 0.8 * (exp - iat)) { take(token, true); return token; }
  } else token = "";
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await reach("api/v1/session", { method: "POST", headers, body: JSON.stringify({ surface: boot.surface }) });
  if (answer.status === 401 && token) { kept("guest", null); return newSession(""); }
  if (!answer.ok) throw await refusal(answer);
  const found = (await answer.json()).token;
  kept("guest", found);
  take(found, true);
  return found;
};
/** What to show the server; after a 401 (`refused`) another one. Empty: the cookie of our own pages counts. */
const bearer = async (refused = false) => {
  if (framed) await Promise.race([greeting, later(6000)]);
  if (framed && !host) throw unknown();
  if (boot.full && boot.signed_in && !who.token) return "";
  if (who.token && !refused && !who.guest) return who.token;
  if (who.named) return named(refused);
  return guestToken(refused);
};
const later = (time) => new Promise((resolve) => setTimeout(resolve, time));

// A page of its own gets what its opener has, our iframe and nobody else
const opened = new Set();
const lend = async (to) => {
  let failed = "";
  const token = await bearer().catch((error) => { failed = who.named ? error.code : ""; return ""; });
  to.postMessage({ switchyard: 1, type: "have", token, failed, guest: who.guest, conversation: conversation ?? "" }, location.origin);
};
const askOpener = () => window.opener?.postMessage({ switchyard: 1, type: "want" }, location.origin);
const borrowed = () => new Promise((resolve) => {
  if (!boot.full || !window.opener) return resolve();
  addEventListener("message", ({ source, origin, data }) => {
    const type = own(data, "switchyard", "number") === 1 && own(data, "type", "string");
    const token = own(data, "token", "string", TOKEN);
    if (source !== window.opener || origin !== location.origin || type !== "have") return;
    if (token && own(data, "guest", "boolean")) take(token, true);
    else if (token !== undefined) given(token, own(data, "failed", "string", 30) ?? "");
    const chosen = own(data, "conversation", "string", 100);
    if (chosen && token && !conversation) kept(`open:${person()}`, chosen);
    resolve();
  });
  askOpener();
  later(1500).then(resolve);
});

// ---- The server

const reach = async (path, init) => {
  try {
    return await fetch(new URL(boot.root + path, location.href), { credentials: framed ? "omit" : "same-origin", ...init });
  } catch (error) {
    if (init?.signal?.aborted) throw error;
    throw new Trouble("away", word("away"));
  }
};
/** "in 2 minutes", in one piece. */
const soon = (seconds) => {
  const left = Math.max(1, seconds || 30), [size, unit] = left < 100 ? [1, "second"] : left < 6000 ? [60, "minute"] : [3600, "hour"];
  return new Intl.RelativeTimeFormat(boot.language).format(Math.ceil(left / size - 0.05), unit).replaceAll(" ", "\u00a0");
};
const refusal = async (answer) => {
  let code = "", message = "";
  try { ({ code, message } = (await answer.json()).error); } catch { /* not ours */ }
  if (answer.status === 429) message = word(code === "budget_spent" ? "spent" : "busy", { when: soon(parseInt(answer.headers.get("Retry-After"), 10)) });
  else if (code === "invalid_token") [code, message] = ["token_refused", word("refused")];
  else if (answer.status === 401 || answer.status === 403) message = word("sign_in");
  else if (code === "unknown_conversation") message = word("gone");
  else if (answer.status >= 500 || !message) message = word("wrong");
  return new Trouble(code || String(answer.status), message);
};
const api = async (path, { method = "GET", body, signal } = {}, refused = false) => {
  const token = await bearer(refused);
  const headers = { "Accept-Language": boot.language, ...(token && { Authorization: `Bearer ${token}` }) };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await reach(`api/v1/${path}`, { method, headers, signal, body: body && JSON.stringify(body) });
  if (answer.status === 401 && !refused) return api(path, { method, body, signal }, true);
  if (!answer.ok) throw await refusal(answer);
  return answer;
};
/** The data of server-sent events, however they were cut on their way. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (text + value).split(/\r\n|\n|\r(?=[^])/);
      text = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
        else if (!line && data.length) yield JSON.parse(data.splice(0).join("\n"));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// ---- A turn on the page

const running = { stop: null };
let conversation = null, earlier = [], unread = null;  // id of the first turn that is known, if there are more before it
const sources = new WeakMap();

const drawn = (text) => {
  const element = make("article", "turn"), said = make("div", "said", text), reply = make("div", "reply");
  said.dir = "auto";
  element.tabIndex = -1;
  said.prepend(make("h2", "aloud", `${word("you")}: `));
  const slots = { route: make("div", "route-slot"), evidence: make("div"), answer: make("div", "answer"), notice: make("div") };
  slots.answer.dir = "auto";
  reply.append(...Object.values(slots));
  element.append(said, reply);
  return { element, reply, text, ...slots, id: null, after: [] };
};
const sourceButton = (turn, source, list) => {
  const made = button("", "", () => openSource(turn, list, list.indexOf(source)));
  const label = make("span");
  label.append(make("em", "", source.title), make("small", "", [source.section, source.place].filter(Boolean).map((each) => ` · ${each}`).join("")));
  label.dir = "auto";
  made.append(make("b", "", source.number), label);
  made.setAttribute("aria-haspopup", "dialog");
  const item = make("li");
  item.append(made);
  return item;
};
const drawSources = (turn, rendered) => {
  const all = rendered.sources ?? [], cited = all.filter((each) => each.cited), first = cited.length ? cited : all.slice(0, 3);
  sources.set(turn.element, all);
  if (!all.length) return;
  const block = make("section", "sources"), list = make("ul"), rest = all.filter((each) => !first.includes(each));
  block.append(make("h3", "", rendered.sources_title), list);
  list.append(...first.map((each) => sourceButton(turn, each, all)));
  if (rest.length) {
    const more = button("plain-button", `${word("more")} (${rest.length})`, () => {
      const added = rest.map((each) => sourceButton(turn, each, all));
      list.append(...added);
      more.remove();
      added[0].firstChild.focus();
    });
    block.append(more);
  }
  turn.reply.append(block);
  turn.after.push(block);
};
/** A turn as the server rendered it whole. */
const settle = (turn, rendered, feedback = null) => {
  turn.after.splice(0).forEach((each) => each.remove());
  for (const slot of ["route", "evidence", "answer", "notice"]) put(turn[slot], rendered[slot] ?? "");
  turn.id = rendered.turn ?? turn.id;
  if (rendered.status !== "failed") drawSources(turn, rendered);
  if (rendered.status === "finished") bar(turn, rendered, feedback);
  else again(turn);
};
const after = (turn, element) => {
  turn.reply.append(element);
  turn.after.push(element);
};
const again = (turn) => {
  const line = make("div", "retry");
  line.append(button("plain-button", word("retry"), () => run(turn, turn.id && conversation ? `turns/${turn.id}/again` : "chat")));
  after(turn, line);
};
const failed = (turn, message) => {
  turn.reply.querySelector(".wait")?.remove();
  const line = make("p", "notice failed", message);
  turn.notice.replaceChildren(line);
  again(turn);
};
/** Why there is no answer comes into view, with the way to try again. */
const reveal = (turn) => { for (const each of [turn.after.at(-1), turn.notice]) each?.scrollIntoView({ block: "nearest" }); };

const bar = (turn, rendered, feedback) => {
  const line = make("div", "bar");
  const copy = icon("copy", word("copy"), async () => {
    await copied(rendered.text ?? turn.answer.innerText);
    turnInto(copy, "done", word("copied"));
    aloud(word("copied"));
    setTimeout(() => turnInto(copy, "copy", word("copy")), 2000);
  });
  const thumbs = ["up", "down"].map((thumb) => icon(thumb === "up" ? "good" : "poor", word(thumb === "up" ? "good" : "poor"), () => rate(thumb)));
  const press = (thumb) => thumbs.forEach((each, at) => { each.ariaPressed = String(["up", "down"][at] === thumb); });
  press(feedback?.thumb);
  let current = feedback?.thumb ?? null, form = null;
  const save = async (thumb, comment = "") => {
    try {
      await api(`turns/${turn.id}/feedback`, { method: "PUT", body: { thumb, comment } });
      current = thumb;
      press(thumb);
      trouble("");
      if (thumb) aloud(word("thanks"));
    } catch (error) { troubled(error); }
  };
  const rate = async (thumb) => {
    form?.remove();
    form = null;
    await save(current === thumb ? null : thumb);
    if (current === "down") { form = comment(); unfold(turn, line, form); form.querySelector("textarea").focus({ preventScroll: true }); }
  };
  const comment = () => {
    const made = make("form", "comment"), text = make("textarea"), buttons = make("div");
    const done = () => { made.remove(); thumbs[1].focus(); };
    Object.assign(text, { placeholder: word("comment"), ariaLabel: word("comment"), maxLength: 2000, dir: "auto" });
    buttons.append(Object.assign(make("button", "plain-button", word("send")), { type: "submit" }), button("plain-button", word("cancel"), done));
    made.append(text, buttons);
    made.addEventListener("submit", async (event) => {
      event.preventDefault();
      await save("down", text.value.trim());
      done();
    });
    return made;
  };
  line.append(copy, ...thumbs);
  if (rendered.ways?.length && boot.words.other_way) line.append(ways(turn, rendered.ways));
  after(turn, line);
};
const unfold = (turn, line, element) => {
  line.after(element);
  turn.after.push(element);
  element.scrollIntoView({ block: "nearest" });
};
const ways = (turn, offered) => {
  const made = button("other", word("other_way"), () => {
    made.ariaExpanded = String(made.ariaExpanded !== "true");
    if (made.ariaExpanded === "false") return choices.remove();
    unfold(turn, made.closest(".bar"), choices);
  });
  const choices = make("div", "choices");
  made.ariaExpanded = "false";
  choices.append(...offered.map(({ verdict, label }) => button("", label, () => run(turn, `turns/${turn.id}/correction`, { verdict }))));
  return made;
};
const copied = async (text) => {
  try { await navigator.clipboard.writeText(text); } catch {
    const field = Object.assign(make("textarea", "aloud"), { value: text });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
};

// ---- Asking

const busy = (stop) => {
  running.stop = stop;
  const focused = [$("send"), $("stop")].includes(document.activeElement);
  $("stop").hidden = !stop;
  $("send").hidden = Boolean(stop);
  if (focused) (stop ? $("stop") : box).focus();
};
/** Ask (`chat`), or run a turn once more; the answer grows in its place. */
const run = async (turn, path, extra = {}) => {
  if (running.stop) return;
  const stop = new AbortController(), { signal } = stop;
  const wait = make("p", "wait");
  wait.append(make("i"), make("i"), make("i"));
  turn.after.splice(0).forEach((each) => each.remove());
  for (const slot of ["route", "evidence", "answer", "notice"]) turn[slot].replaceChildren();
  // Run in its place, it begins a branch of its own: what followed stays with the other one.
  if (path === "chat") turns.append(turn.element); else while (turn.element.nextSibling) turn.element.nextSibling.remove();
  followed = turn;
  turn.route.append(wait);
  turn.reply.ariaBusy = "true";
  busy(stop);
  trouble("");
  aloud(word("answering"));
  const body = { ...extra, render: "html", language: boot.language };
  if (path === "chat") Object.assign(body, { message: turn.text, surface: boot.surface }, conversation && { conversation }, context && { context });
  if (path === "chat") tell("ask", { text: turn.text, conversation: conversation ?? "" });
  const found = { route: "", evidence: "", sources: 0, text: "", whole: false };
  try {
    const answer = await api(path, { method: "POST", body, signal });
    for await (const event of events(answer.body)) {
      if (!turn.element.isConnected) return stop.abort();
      draw(turn, event, found);
      follow(turn);
    }
    if (!turn.element.isConnected) return;
    if (!found.whole) throw new Trouble("broken", word("broken"));
    aloud(found.failed ? heard(turn.notice) : `${word("answered")} ${heard(turn.answer)}`);
    if (found.failed) told({ code: found.failed, message: heard(turn.notice) || word("wrong") });
    else tell("answer", { conversation: conversation ?? "", turn: turn.id ?? "", route: found.route, evidence: found.evidence, sources: found.sources, text: found.text });
  } catch (error) {
    if (!turn.element.isConnected) return;
    if (signal.aborted) {
      turn.reply.querySelector(".wait")?.remove();
      turn.notice.replaceChildren(make("p", "notice", word("stopped")));
      again(turn);
      aloud(word("stopped"));
    } else {
      const known = error instanceof Trouble ? error : new Trouble("broken", word("broken"));
      found.failed = true;
      if (known.code === "unknown_conversation") remember(null);
      failed(turn, known.message);
      aloud(known.message);
      told(known);
      if (!(error instanceof Trouble)) console.warn(error);
    }
  } finally {
    turn.reply.ariaBusy = null;
    if (running.stop === stop) busy(null);
    follow(turn);
    if (found.failed) reveal(turn);
  }
};
const draw = (turn, event, found) => {
  if (event.type === "routed") {
    turn.id = event.turn;
    found.route = event.route;
    if (event.conversation !== conversation) remember(event.conversation);
  } else if (event.type === "part" && ["route", "evidence", "notice"].includes(event.part)) {
    put(turn[event.part], event.html);
  } else if (event.type === "html") {
    put(turn.answer, event.html, event.keep);
  } else if (event.type === "retrieved") {
    found.evidence = event.evidence ?? "";
  } else if (event.type === "checked") {
    found.evidence = event.evidence ?? "";
    found.sources = event.cited?.length ?? 0;
  } else if (event.type === "finished") {
    found.text = event.answer ?? "";
  } else if (event.type === "failed") {
    found.failed = event.code || "failed";
  } else if (event.type === "rendered") {
    found.whole = true;
    settle(turn, event);
  }
};
const remember = (id) => {
  conversation = id;
  if (who.token || boot.signed_in) kept(`open:${person()}`, id ?? "");
};
const submit = () => {
  const message = box.value.trim();
  if (!message || running.stop) return;
  if (message.length > boot.limits.characters) return troubled(new Trouble("too_long", word("too_long", { count: boot.limits.characters })));
  const turn = drawn(message);
  box.value = "";
  fitBox();
  $("greeting").hidden = true;
  run(turn, "chat");
  follow(turn);
};
const fitBox = () => {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 144)}px`;
};

// ---- Scrolling: along with an answer while its reader is at the end, but never past the question

let followed = null, stood = 0;
const below = () => log.scrollHeight - log.scrollTop - log.clientHeight;
const follow = (turn) => {
  if (followed !== turn) return tail();
  const top = turn.element.offsetTop - log.offsetTop - 12;
  const to = Math.min(log.scrollHeight - log.clientHeight, top);
  if (to > log.scrollTop) log.scrollTop = to;
  stood = log.scrollTop;
  tail();
};
const tail = () => { $("newest").hidden = below() < 80; };
log.addEventListener("scroll", () => {
  if (log.scrollTop < stood - 4) followed = null;
  stood = log.scrollTop;
  tail();
}, { passive: true });
$("newest").addEventListener("click", () => { log.scrollTop = log.scrollHeight; box.focus(); });

// ---- Conversations

/** An empty conversation; what still runs is stopped. */
const begin = () => {
  running.stop?.abort();
  busy(null);
  conversation = null;
  earlier = [];
  unread = null;
  turns.replaceChildren();
  $("earlier").hidden = true;
  $("greeting").hidden = false;
  $("newest").hidden = true;
  trouble("");
  if ($("sheet").open) $("sheet").close();
  if ($("list").open) $("list").close();
};
const revived = (row) => {
  const turn = drawn(row.text);
  settle(turn, { ...row.html, turn: row.id, status: row.html?.status ?? row.status }, row.feedback);
  return turn.element;
};
const read = async (id, which = "") =>
  (await api(`conversations/${encodeURIComponent(id)}?render=html&language=${boot.language}${which}`)).json();
const load = async (id) => {
  const { reader } = who, found = await read(id, `&last=${AT_ONCE}`);
  if (reader !== who.reader) return;
  begin();
  remember(found.id);
  unread = found.earlier ? found.turns[0].id : null;
  turns.append(...found.turns.map(revived));
  $("greeting").hidden = turns.children.length > 0;
  $("earlier").hidden = !unread;
  log.scrollTop = log.scrollHeight;
  requestAnimationFrame(() => { log.scrollTop = log.scrollHeight; tail(); });
};
$("earlier").addEventListener("click", async () => {
  if (unread) {
    const id = conversation, first = unread;
    try {
      const all = (await read(id)).turns;
      if (conversation !== id || unread !== first) return;
      earlier = all.slice(0, Math.max(0, all.findIndex((turn) => turn.id === first)));
      unread = null;
    } catch (error) { troubled(error); return; }
  }
  const end = log.scrollHeight - log.scrollTop, added = earlier.splice(-AT_ONCE).map(revived);
  turns.prepend(...added);
  log.scrollTop = log.scrollHeight - end;
  $("earlier").hidden = !earlier.length;
  added.at(-1)?.focus({ preventScroll: true });
});

let restored = Promise.resolve(), tried = "";
/** The conversation that was open when this reader left; at most once for each. */
const restore = () => {
  restored = restored.then(async () => {
    if (!who.named && !who.token && !boot.signed_in && !kept("guest")) return;
    try {
      await bearer();
      if (tried === person() || turns.children.length) return;
      tried = person();
      const id = kept(`open:${person()}`);
      if (!id) return;
      await load(id);
    } catch (error) {
      if (error.code === "unknown_conversation") remember(null);
      else { tried = ""; troubled(error); }
    }
  });
  return restored;
};

const dialogHead = (title) => {
  const head = make("div", "dialog-head");
  head.append(title, icon("close", word("close"), ({ currentTarget }) => currentTarget.closest("dialog").close()));
  return head;
};
const showDialog = (dialog, head, body) => {
  body.tabIndex = 0;
  dialog.replaceChildren(head, body);
  if (!dialog.open) dialog.showModal();
  body.scrollTop = 0;
};
for (const dialog of [$("list"), $("sheet")]) {
  dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); });
}

const region = navigator.languages.find((each) => each.startsWith(`${boot.language}-`)) ?? { en: "en-GB" }[boot.language] ?? boot.language;
const when = (time) => {
  const at = new Date(time), today = at.toDateString() === new Date().toDateString();
  return at.toLocaleString(region, today ? { timeStyle: "short" } : { dateStyle: "long" });
};
const openList = async () => {
  const body = make("div", "dialog-body"), list = make("ul"), note = make("p", "about", "");
  showDialog($("list"), dialogHead(make("h2", "", word("conversations"))), body);
  body.append(button("plain-button", word("new"), () => { fresh(); }), note, list);
  const more = async (cursor) => {
    try {
      const query = new URLSearchParams({ surface: boot.surface, limit: "30", ...(cursor && { cursor }) });
      const found = await (await api(`conversations?${query}`)).json();
      list.append(...found.conversations.map((row) => listed(row, list)));
      note.textContent = list.children.length ? "" : word("none_yet");
      if (found.next) body.append(button("plain-button", word("more"), ({ currentTarget }) => { currentTarget.remove(); more(found.next); }));
    } catch (error) { note.textContent = error.message; told(error); }
  };
  await more("");
};
const listed = (row, list) => {
  const item = make("li"), title = row.title || word("untitled");
  const open = button("", "", async () => {
    $("list").close();
    try { await load(row.id); box.focus(); } catch (error) { troubled(error); }
  });
  const name = make("span", "", title);
  name.dir = "auto";
  open.append(name, make("small", "", when(row.updated_at)));
  if (row.id === conversation) open.setAttribute("aria-current", "true");
  const remove = icon("delete", `${word("delete")}: ${title}`, () => {
    if (item.querySelector(".sure")) return;
    const sure = make("div", "sure"), buttons = make("div", "choices"), no = button("", word("cancel"), () => { sure.remove(); remove.focus(); });
    const yes = button("danger", word("delete_yes"), async () => {
      try { await api(`conversations/${encodeURIComponent(row.id)}`, { method: "DELETE" }); } catch (error) { sure.firstChild.textContent = error.message; return; }
      const next = item.nextElementSibling ?? item.previousElementSibling;
      item.remove();
      aloud(word("deleted"));
      (next?.querySelector("button") ?? list.closest("dialog").querySelector("button")).focus();
      if (row.id === conversation) { const dialog = $("list"); remember(null); begin(); if (!dialog.open) openList(); }
    });
    buttons.append(yes, no);
    sure.append(make("p", "", word("delete_really", { title })), buttons);
    item.append(sure);
    no.focus();
  });
  item.append(open, remove);
  return item;
};
const fresh = () => {
  begin();
  remember(null);
  box.focus();
};

// ---- A source, from a citation or from the list below an answer

const openSource = (turn, list, at) => {
  const source = list[at], title = make("h2"), body = make("div", "dialog-body");
  if (!source) return;
  title.id = "sheet-title";
  title.append(make("b", "", source.number), ` ${source.title}`);
  title.dir = "auto";
  const head = dialogHead(title), cited = list.filter((each) => each.cited), ring = cited.includes(source) ? cited : list;
  const go = (step) => openSource(turn, list, list.indexOf(ring[(ring.indexOf(source) + step + ring.length) % ring.length]));
  if (ring.length > 1) head.lastChild.before(...[[-1, "back"], [1, "next"]].map(([step, name]) => {
    const other = ring[(ring.indexOf(source) + step + ring.length) % ring.length];
    const made = icon(name, word("source", { number: other.number }), () => { go(step); $("sheet").querySelector(`[data-go="${name}"]`)?.focus(); });
    made.dataset.go = name;
    return made;
  }));
  const about = [source.section, source.place, source.date, source.relevance].filter(Boolean).join(" · ");
  if (about) body.append(Object.assign(make("p", "about", about), { dir: "auto" }));
  if (source.older) body.append(make("p", "older", source.older));
  const passage = make("div", "passage");
  passage.dir = "auto";
  put(passage, source.html);
  body.append(passage);
  if (source.href) {
    const link = Object.assign(make("a", "", word("source_open")), { href: source.href, target: "_blank", rel: "noopener noreferrer nofollow" });
    if (["http:", "https:"].includes(link.protocol)) body.append(Object.assign(make("p", "about")).appendChild(link).parentNode);
  }
  if (source.same) body.append(make("p", "about", source.same));
  showDialog($("sheet"), head, body);
  (passage.querySelector("mark.strong") ?? passage.querySelector("mark"))?.scrollIntoView({ block: "center" });
};
turns.addEventListener("click", (event) => {
  const cite = event.target.closest?.('a[href*="#cite-"]');
  if (!cite) return;
  event.preventDefault();
  const turn = cite.closest(".turn"), list = sources.get(turn) ?? [], number = Number(/(\d+)$/.exec(cite.hash)?.[1]);
  openSource(turn, list, list.findIndex((each) => each.number === number));
});

// ---- Controls

$("ask").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
$("stop").addEventListener("click", () => running.stop?.abort());
$("new").addEventListener("click", fresh);
$("close").addEventListener("click", () => toHost("close"));
$("list-open").addEventListener("click", openList);
$("full").addEventListener("click", () => {
  const to = window.open(new URL(`${boot.root}widget/${encodeURIComponent(boot.surface)}/full?lang=${boot.language}`, location.href));
  if (to) opened.add(to);
});
box.addEventListener("input", () => { fitBox(); trouble(""); });
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  if (document.activeElement?.matches(".mark")) document.activeElement.blur();
  else if (running.stop) running.stop.abort();
  else toHost("close");
});
addEventListener("offline", () => trouble(word("away")));
addEventListener("online", () => trouble(""));

for (const text of boot.suggestions) {
  const item = make("li"), made = button("", text, () => { box.value = text; submit(); });
  made.dir = "auto";
  item.append(made);
  $("suggestions").append(item);
}
$("suggestions").hidden = !boot.suggestions.length;
page.classList.toggle("full", boot.full);
look({ theme: new URLSearchParams(location.search).get("theme") ?? "" });

const parent = location.ancestorOrigins?.[0] || (document.referrer && new URL(document.referrer).origin);
if (framed && parent && may(parent)) toHost("ready", { accent: boot.accent ?? "" }, parent);
if (!framed) borrowed().then(restore).then(() => box.focus());
