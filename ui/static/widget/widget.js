// The assistant in an iframe on another site's page.
(() => {
  "use strict";
  const script = document.currentScript, early = window.Switchyard;
  if (early?.add) return void early.add({ ...script.dataset });
  const root = new URL(".", script.src);
  const small = "(max-width: 480px), (max-height: 480px)", phone = matchMedia(small), night = matchMedia("(prefers-color-scheme: dark)");
  const page = document.documentElement, chats = new Map(), heard = new Set();

  const WORDS = {
    en: ["Ask the assistant", "new", "The assistant cannot be reached.", "Try again", "Close"],
    de: ["Den Assistenten fragen", "neu", "Der Assistent ist nicht erreichbar.", "Noch einmal", "Schließen"],
  };
  const STYLE = `
    div { position: relative; overflow: hidden; background: Canvas; color: CanvasText; font: 15px system-ui, sans-serif;
      border-radius: var(--switchyard-radius, 16px); box-shadow: 0 0 0 1px #8884 }
    iframe, p { position: absolute; inset: 0; border: 0 }
    iframe { width: 100%; height: 100% }
    p { margin: 0; padding: 1em; display: grid; place-content: center; place-items: center; gap: 1em; background: Canvas; text-align: center }
    p button { all: unset; padding: .4em 1em; border: 1px solid; border-radius: 99px; cursor: pointer; animation: late 1s }
    button:focus-visible { outline: 3px solid CanvasText; outline-offset: 3px }
    @keyframes late { from, 99% { opacity: 0 } }`;
  const INLINE = `:host { display: block !important } div { height: var(--switchyard-height, 600px) }`;
  const BUBBLE = `
    :host { all: initial !important }
    button, div { --away: var(--switchyard-offset, 20px); --size: var(--switchyard-size, 56px);
      --x: calc(var(--away) + env(safe-area-inset-right)); --y: calc(var(--away) + env(safe-area-inset-bottom));
      position: fixed; box-shadow: 0 4px 24px #0005; z-index: var(--switchyard-z-index, 2147483000); right: var(--x); bottom: var(--y) }
    .left { left: var(--x); right: auto }
    button { --accent: var(--switchyard-accent, var(--own, #2563eb)); display: flex; align-items: center; gap: .6em;
      height: var(--size); min-width: var(--size); padding: 0 calc(var(--size) / 2 - 13px); border: 0; border-radius: 99px;
      background: var(--accent); color: #fff; font: 600 15px system-ui, sans-serif; cursor: pointer }
    @supports (color: oklch(from red l c h)) {
      button { color: oklch(from var(--accent) clamp(0, (.68 - l) * 1e6, 1) 0 0) }
    }
    i { width: 26px; height: 26px; background: currentColor; forced-color-adjust: none;
      clip-path: path(evenodd, "M10 2H16A9 9 0 0 1 16 20H13L6 25V19A9 9 0 0 1 10 2ZM8 8v2h10v-2ZM8 13v2h6v-2Z") }
    [aria-expanded=true] i { clip-path: path("M2 9 5 6 13 14 21 6 24 9 13 20Z") }
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
  const themed = (wanted) => [wanted, ...[page, document.body].flatMap((each) => [
    each.dataset.theme, each.dataset.bsTheme, ...each.classList, getComputedStyle(each).colorScheme,
  ]), night.matches ? "dark" : "light"].find((each) => each === "dark" || each === "light");
  const on = (name, fn, surface) => {
    const each = { name, fn, surface };
    heard.add(each);
    return () => heard.delete(each);
  };
  const off = (name, fn) => heard.forEach((each) => each.name === name && each.fn === fn && heard.delete(each));

  const begin = (options, element) => {
    const { surface, label, position = "" } = options, inline = !!element;
    const language = (options.lang || page.lang || navigator.language).slice(0, 2);
    const [title, fresh, lost, ...does] = WORDS[language] ?? WORDS.en;
    const host = element ?? make("div"), shadow = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const panel = make("div", { id: "chat", hidden: !inline, className: position.replace("-", " ") });
    const button = make("button", { className: panel.className }), badge = make("b", { ariaHidden: true });
    const note = new Text(), cover = make("p", { role: "alert" });
    const [more, out] = does.map((textContent) => make("button", { textContent }));
    const gone = new AbortController();
    let user = options.tokenUrl && { tokenUrl: options.tokenUrl }, context, frame, ready, opened = inline;
    let unread = 0, waiting, asking, focus, overflow;

    const kept = `switchyard:${surface}`;
    const store = (key, text) => {
      try { return sessionStorage[key] = text ?? sessionStorage[key] ?? ""; } catch { return text ?? ""; }
    };
    const emit = (name, payload) => heard.forEach((each) => {
      if (each.name !== name || (each.surface ?? surface) !== surface) return;
      try { each.fn({ ...payload, surface }); } catch (error) { console.error(error); }
    });
    const send = (type, fields) => frame.contentWindow.postMessage({ switchyard: 1, type, ...fields }, root.origin);
    const look = () => ({
      theme: themed(options.theme), accent: getComputedStyle(host).getPropertyValue("--switchyard-accent").trim(),
    });
    const place = () => {
      const here = options.context === "page" && { url: location.href, title: document.title };
      const { url = "", title = "", fields = {} } = { ...here, ...context };
      if (ready) send("context", { url: `${url}`, title: `${title}`, fields: JSON.stringify(fields) });
    };
    const paint = (accent) => button.style.setProperty("--own", store(`${kept}:accent`, accent));
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
    // On a phone it fills what the keyboard leaves.
    const fit = () => {
      const full = !inline && opened && phone.matches, seen = visualViewport;
      panel.style.height = full ? `${seen.height}px` : "";
      panel.style.translate = full ? `0 ${seen.offsetTop}px` : "";
      panel.ariaModal = full || null;
      if (full !== (overflow !== undefined)) {
        [page.style.overflow, overflow] = full ? ["hidden", page.style.overflow] : [overflow, undefined];
      }
    };
    const show = () => {
      if (frame && !note.data) return;
      const made = frame = make("iframe", { title, allow: "clipboard-write", referrerPolicy: "origin" });
      const check = () => {
        if (ready || frame !== made || note.data) return;
        note.data = lost;
        note.after(more);
        emit("error", { code: "unreachable", message: lost });
      };
      frame.src = new URL(`widget/${encodeURIComponent(surface)}?lang=${language}&theme=${look().theme}`, root);
      frame.onload = () => setTimeout(check, 2000);  // also of an error page
      setTimeout(check, 15000);
      note.data = "";
      more.remove();
      panel.replaceChildren(frame, cover);
    };

    const renew = async () => {
      const from = user;
      if (from && asking === from) return;
      asking = from;
      let { token, tokenUrl, getToken } = from ?? {}, failed = from && "sign_in";
      try {
        if (getToken) token = await getToken({ surface });
        if (tokenUrl) {
          const answer = await fetch(tokenUrl);
          if (!/40[13]/.test(answer.status)) ({ token } = await answer.json());
          if (!token && answer.status > 403) throw answer;
        }
      } catch (error) {
        console.error(error);
        failed = "token";
      }
      asking = null;
      if (from === user) send("token", { token: token || "", failed });
    };

    const hear = ({ switchyard, type, name: told, ...payload }) => {
      if (type === "need-token") renew();
      if (type === "close") close();
      if (type === "keep") store(kept, payload.text);
      if (type === "ready") {
        ready = true;
        if (shadow.activeElement === out) frame.focus();
        cover.remove();
        paint(payload.accent);
        send("hello", { ...look(), inline, identified: !!user, shown: opened, focus, kept: store(kept) });
        place();
        if (waiting) send("ask", waiting);
        waiting = null;
        emit("ready");
      }
      if (type !== "event") return;
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
      if (focus) (ready ? frame : out).focus();
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
        chats.delete(host);
        shadow.replaceChildren();
        if (!inline) host.remove();
      },
      settle,
      // A page may replace its body.
      stay: () => {
        if (host.isConnected) return;
        if (inline) chat.destroy(); else document.body.append(host);
      },
    };

    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE + (inline ? INLINE : BUBBLE));
    shadow.adoptedStyleSheets = [sheet];
    cover.append(note);
    if (!inline) {
      cover.append(out);
      button.append(make("i"), label ?? "", badge);
      button.setAttribute("aria-controls", "chat");
      Object.assign(panel, { role: "dialog", ariaLabel: title });
      button.onclick = chat.toggle;
      out.onclick = close;
      paint();
      button.onpointerenter = show;
      shadow.append(button);
      document.body.append(host);
      name();
    }
    more.onclick = () => { show(); out.focus(); };
    shadow.append(panel);
    settle();
    addEventListener("message", ({ source, origin, data }) => {
      if (source === frame?.contentWindow && origin === root.origin) hear(data);
    }, gone);
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && document.activeElement === host) close();
    }, gone);
    addEventListener("blur", place, gone);  // its address may have changed
    for (const each of ["resize", "scroll"]) visualViewport.addEventListener(each, fit, gone);
    chats.set(host, chat);
    if (inline) show(); else if ("open" in options && options.open !== "false") open({ focus: false });
    return chat;
  };

  let user, context;
  const one = (surface) => [...chats.values()].find((each) => !surface || each.surface === surface) ?? null;
  const each = (call, given) => chats.forEach((chat) => chat[call](given));
  const api = {
    get: one,
    add: (options, element = null) => {
      if (!options.surface || chats.has(element)) return null;
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
    const looks = new MutationObserver(night.onchange = () => each("settle"));
    for (const at of [page, document.body]) looks.observe(at, { attributes: true });
    early?.forEach?.(api.push);
  };
  if (document.body) start(); else addEventListener("DOMContentLoaded", start);
})();
