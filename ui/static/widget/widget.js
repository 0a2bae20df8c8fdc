// The assistant on another site's page, as a bubble or in an element: an iframe of our server.
(() => {
  "use strict";
  const script = document.currentScript, early = window.Switchyard;
  if (early?.add) return void early.add({ ...script.dataset });
  const root = new URL(".", script.src);
  const small = "(max-width: 480px), (max-height: 480px)", phone = matchMedia(small), night = matchMedia("(prefers-color-scheme: dark)");
  const page = document.documentElement, chats = new Set(), heard = new Set();

  const WORDS = {
    en: ["Ask the assistant", "new", "The assistant cannot be reached just now."],
    de: ["Den Assistenten fragen", "neu", "Der Assistent ist gerade nicht erreichbar."],
  };
  const STYLE = `
    div { overflow: hidden; background: Canvas; color: CanvasText; font: 15px/6 system-ui, sans-serif; text-align: center;
      border-radius: var(--switchyard-radius, 16px); box-shadow: 0 0 0 1px #8884 }
    iframe { display: block; border: 0; width: 100%; height: 100% }`;
  const INLINE = `:host { display: block !important } div { height: var(--switchyard-height, 600px) }`;
  const BUBBLE = `
    :host { all: initial !important }
    button, div { --away: var(--switchyard-offset, 20px); --size: var(--switchyard-size, 56px);
      --x: calc(var(--away) + env(safe-area-inset-right)); --y: calc(var(--away) + env(safe-area-inset-bottom));
      position: fixed; box-shadow: 0 4px 24px #0005; z-index: var(--switchyard-z-index, 2147483000); right: var(--x); bottom: var(--y) }
    .left { left: var(--x); right: auto }
    button { --accent: var(--switchyard-accent, #2563eb); display: flex; align-items: center; gap: .6em;
      height: var(--size); min-width: var(--size); padding: 0 calc(var(--size) / 2 - 13px); border: 0; border-radius: 99px;
      background: var(--accent); color: #fff; font: 600 15px system-ui, sans-serif; cursor: pointer }
    @supports (color: oklch(from red l c h)) {
      button { color: oklch(from var(--accent) clamp(0, (.68 - l) * 1e6, 1) 0 0) }
    }
    button:focus-visible { outline: 3px solid CanvasText; outline-offset: 3px }
    i { width: 26px; height: 26px; background: currentColor; forced-color-adjust: none;
      clip-path: path(evenodd, "M7 2H19A6 6 0 0 1 25 8V14A6 6 0 0 1 19 20H12L5 25V20A6 6 0 0 1 1 14V8A6 6 0 0 1 7 2ZM7 8v2h12v-2ZM7 13v2h8v-2Z") }
    b { position: absolute; top: -4px; right: -4px; min-width: 10px; padding: 2px 5px; border-radius: 99px;
      background: #b91c1c; color: #fff; font-size: 12px }
    div { --y: calc(var(--away) + var(--size) + 12px); width: min(var(--switchyard-width, 400px), 100vw - 2 * var(--away));
      height: min(var(--switchyard-height, 640px), 100dvh - var(--y) - var(--away)) }
    .top { top: var(--y); bottom: auto }
    @media ${small} {
      div { inset: 0 !important; width: 100%; height: 100dvh; border-radius: 0 }
      [aria-expanded=true] { display: none }
    }
    @media (prefers-reduced-motion: no-preference) {
      div { animation: come .15s }
      @keyframes come { from { opacity: 0; translate: 0 8px } }
    }
    @media print { button, div { display: none } }`;

  const make = (tag, fill) => Object.assign(document.createElement(tag), fill);
  const own = (from, key, kind) => {
    const value = Object.hasOwn(Object(from), key) ? from[key] : null;
    return typeof value === kind ? value : undefined;
  };
  const dark = (wanted) => {
    const named = [page, document.body].flatMap((each) => [
      each.dataset.theme, each.dataset.bsTheme, ...each.classList, getComputedStyle(each).colorScheme,
    ]);
    const found = [wanted, ...named].find((each) => each === "dark" || each === "light");
    return found ? found === "dark" : night.matches;
  };
  const on = (name, fn, surface) => {
    const each = { name, fn, surface };
    heard.add(each);
    return () => heard.delete(each);
  };
  const off = (name, fn) => heard.forEach((each) => { if (each.name === name && each.fn === fn) heard.delete(each); });

  const begin = (options, element) => {
    const { surface, label, position = "" } = options, inline = Boolean(element);
    const language = (options.lang || page.lang || navigator.language).slice(0, 2);
    const [title, fresh, lost] = WORDS[language] ?? WORDS.en;
    const host = element ?? make("div"), shadow = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const panel = make("div", { id: "chat", hidden: !inline, className: position.replace("-", " ") });
    const button = make("button", { type: "button", className: panel.className }), badge = make("b", { ariaHidden: true });
    const gone = new AbortController(), until = { signal: gone.signal };
    let user = options.tokenUrl && { tokenUrl: options.tokenUrl }, context, frame, ready, opened = inline;
    let unread = 0, waiting, asking, focus, overflow;

    const key = `switchyard:${surface}`;
    const store = (text) => { try { return text ? (sessionStorage[key] = text) : sessionStorage[key]; } catch { /* forbidden */ } };
    const emit = (name, payload) => heard.forEach((each) => {
      if (each.name !== name || (each.surface ?? surface) !== surface) return;
      try { each.fn({ surface, ...payload }); } catch (error) { console.error(error); }
    });
    const send = (type, fields) => frame.contentWindow.postMessage({ switchyard: 1, type, ...fields }, root.origin);
    const look = () => {
      const accent = getComputedStyle(host).getPropertyValue("--switchyard-accent").trim();
      return { theme: dark(options.theme) ? "dark" : "light", accent };
    };
    const place = () => {
      const here = options.context === "page" ? { url: location.href, title: document.title } : {};
      const { url = "", title = "", fields = {} } = { ...here, ...context };
      if (ready) send("context", { url: `${url}`, title: `${title}`, fields: JSON.stringify(fields) });
    };
    const settle = () => {
      for (const each of [panel, button]) each.style.colorScheme = look().theme;
      if (ready) send("look", look());
    };
    const name = () => {
      button.ariaLabel = (label ?? title) + (unread ? ` (${unread} ${fresh})` : "");
      button.ariaExpanded = opened;
      badge.textContent = unread;
      badge.hidden = !unread;
    };
    // On a phone it fills what the keyboard leaves; the page behind stands still.
    const fit = () => {
      const full = !inline && opened && phone.matches, seen = visualViewport;
      panel.style.height = full ? `${seen.height.toFixed()}px` : "";
      panel.style.translate = full ? `0 ${seen.offsetTop.toFixed()}px` : "";
      panel.ariaModal = full || null;
      if (full !== (overflow !== undefined)) {
        [page.style.overflow, overflow] = full ? ["hidden", page.style.overflow] : [overflow, undefined];
      }
    };
    const show = () => {
      if (frame) return;
      const query = new URLSearchParams({ lang: language, theme: look().theme });
      const made = frame = make("iframe", { title, allow: "clipboard-write", referrerPolicy: "origin" });
      frame.src = new URL(`widget/${encodeURIComponent(surface)}?${query}`, root);
      setTimeout(() => {
        if (ready || frame !== made) return;
        frame = panel.replaceChildren(lost);
        emit("error", { code: "unreachable", message: lost });
      }, 15000);
      panel.replaceChildren(frame);
    };

    const renew = async (refused) => {
      const from = user;
      if (!from) return send("token", { token: "", failed: false });
      if (asking === from) return;
      asking = from;
      let token = refused ? "" : from.token;
      try {
        if (from.getToken) token = await from.getToken({ surface });
        if (from.tokenUrl) ({ token } = await (await fetch(from.tokenUrl)).json());
      } catch (error) { console.error(error); }
      asking = null;
      if (from !== user) return;
      send("token", { token: token || "", failed: !token });
      if (!token) emit("error", { code: "token" });
    };

    const hear = (data) => {
      const type = own(data, "switchyard", "number") === 1 && own(data, "type", "string");
      if (type === "need-token") renew(own(data, "refused", "boolean"));
      if (type === "close") close();
      if (type === "keep") store(own(data, "text", "string"));
      if (type === "ready") {
        ready = true;
        send("hello", { ...look(), inline, identified: Boolean(user), shown: opened, focus, kept: store() });
        place();
        if (waiting) send("ask", waiting);
        waiting = null;
        emit("ready");
      }
      const told = type === "event" && own(data, "name", "string");
      if (!["ask", "answer", "error", "token"].includes(told)) return;
      const payload = {};
      for (const key of ["text", "conversation", "turn", "route", "evidence", "code", "message", "sources", "expires"]) {
        const value = own(data, key, "string") ?? own(data, key, "number");
        if (value !== undefined) payload[key] = value;
      }
      unread += told === "answer" && !opened;
      name();
      emit(told, payload);
    };
    const open = ({ focus: wanted = true } = {}) => {
      focus = wanted;
      if (!opened) {
        opened = true;
        unread = 0;
        panel.hidden = false;
        show();
        name();
        fit();
        settle();
        emit("open");
      }
      if (focus) frame?.focus();
      if (ready) send("shown", { shown: true, focus });
      place();
    };
    const close = () => {
      if (inline || !opened) return;
      const within = shadow.activeElement;
      opened = false;
      panel.hidden = true;
      name();
      fit();
      if (within) button.focus();
      if (ready) send("shown", { shown: false });
      emit("close");
    };
    const chat = {
      surface,
      open,
      close,
      toggle: () => (opened ? close() : open()),
      ask: (text, { send: now = true } = {}) => {
        const fields = { text: `${text}`, send: now };
        open();
        if (ready) send("ask", fields); else waiting = fields;
      },
      setUser: (given) => { user = given && { ...given }; if (ready) renew(); },
      signOut: () => chat.setUser(null),
      setContext: (given) => { context = given; place(); },
      on: (event, fn) => on(event, fn, surface),
      off,
      destroy: () => {
        close();
        user = frame = ready = null;
        gone.abort();
        chats.delete(chat);
        shadow.replaceChildren();
        if (!inline) host.remove();
      },
      host,
      settle,
      // A page may replace its body by script.
      stay: () => {
        if (host.isConnected) return;
        if (inline) chat.destroy(); else document.body.append(host);
      },
    };

    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE + (inline ? INLINE : BUBBLE));
    shadow.adoptedStyleSheets = [sheet];
    if (!inline) {
      button.append(make("i"), label ?? "", badge);
      button.setAttribute("aria-controls", "chat");
      Object.assign(panel, { role: "dialog", ariaLabel: title });
      button.onclick = chat.toggle;
      button.onpointerenter = show;
      shadow.append(button);
      document.body.append(host);
      name();
    }
    shadow.append(panel);
    settle();
    addEventListener("message", ({ source, origin, data }) => {
      if (source && source === frame?.contentWindow && origin === root.origin) hear(data);
    }, until);
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && document.activeElement === host) close();
    }, until);
    addEventListener("blur", place, until);  // by now the page may have another address
    for (const each of ["resize", "scroll"]) visualViewport.addEventListener(each, fit, until);
    chats.add(chat);
    if (inline) show(); else if ("open" in options && options.open !== "false") open({ focus: false });
    return chat;
  };

  let user, context;
  const one = (surface) => [...chats].find((each) => !surface || each.surface === surface) ?? null;
  const each = (call, given) => chats.forEach((chat) => chat[call](given));
  const api = {
    get: one,
    add: (options, element = null) => {
      if (!options.surface || (element && [...chats].some((chat) => chat.host === element))) return null;
      const chat = begin(options, element);
      if (user !== undefined) chat.setUser(user);
      if (context) chat.setContext(context);
      return chat;
    },
    ask: (text, options) => one(options?.surface)?.ask(text, options),
    setUser: (given) => { user = given; each("setUser", given); },
    signOut: () => api.setUser(null),
    setContext: (given) => { context = given; each("setContext", given); },
    destroy: () => each("destroy"),
    push: (call) => (typeof call === "function" ? call(api) : api[call[0]](...call.slice(1))),
    on,
    off,
  };
  for (const call of ["open", "close", "toggle"]) api[call] = (surface) => one(surface)?.[call]();

  const find = () => {
    for (const found of document.querySelectorAll("[data-switchyard]")) {
      // A token is for one surface.
      api.add({ ...(!found.dataset.surface && script.dataset), ...found.dataset }, found);
    }
    chats.forEach(({ stay }) => stay());
  };
  const start = () => {
    window.Switchyard = api;
    api.add({ ...script.dataset });
    find();
    new MutationObserver(find).observe(page, { subtree: true, childList: true });
    const looks = new MutationObserver(() => each("settle"));
    for (const at of [page, document.body]) looks.observe(at, { attributeFilter: ["class", "style", "data-theme", "data-bs-theme"] });
    night.onchange = () => each("settle");
    if (Array.isArray(early)) early.forEach(api.push);
  };
  if (document.body) start(); else addEventListener("DOMContentLoaded", start);
})();
