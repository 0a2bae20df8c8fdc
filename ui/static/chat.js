// The chat page's own behaviour: citations lead to their source, and controls that Gradio leaves unnamed get names.
(() => {
  "use strict";

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href*="#cite-"]');
    if (!link) return;
    event.preventDefault();
    event.stopPropagation();
    const key = link.hash.slice("#cite-".length);
    if (!/^[\w-]+$/.test(key)) return;
    const card = document.querySelector(`.src-${key}`);
    if (!card) return;
    card.parentElement.closest("details")?.setAttribute("open", "");
    card.open = true;
    document.querySelectorAll(".src.on").forEach((other) => other.classList.remove("on"));
    card.classList.add("on");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    card.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
    card.querySelector("summary").focus({ preventScroll: true });
  }, true);

  // Gradio would copy the message's source; a reader wants the answer without its route line and sources.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.('#chat button[aria-label="Copy message"]');
    const messages = [...document.querySelectorAll("#chat [data-testid]")];
    const message = button && messages.findLast(
      (each) => each.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING);
    if (!message || !navigator.clipboard) return;
    event.stopPropagation();
    const hidden = message.querySelectorAll(".route, .sources, .notice");
    hidden.forEach((part) => { part.hidden = true; });
    navigator.clipboard.writeText(message.innerText.trim());
    hidden.forEach((part) => { part.hidden = false; });
  }, true);

  const unnamed = { ".submit-button": "Send", ".stop-button": "Stop" };
  const name = (root) => {
    document.querySelector("#box textarea")?.setAttribute("aria-label", "Your message");
    document.querySelector("#box textarea")?.setAttribute("dir", "auto");
    Object.entries(unnamed).forEach(([kind, label]) => {
      document.querySelectorAll(`#box ${kind}`).forEach((button) => button.setAttribute("aria-label", label));
    });
    root.querySelectorAll?.('button[aria-label=""]').forEach((button) => button.setAttribute("aria-label", "More"));
    root.querySelectorAll?.('a[href*="#cite-"]').forEach((link) => {
      link.removeAttribute("target");
      link.setAttribute("aria-label", `Source ${link.textContent.replace(/\D/g, "")}`);
    });
  };

  // Below each answer: whether it went the right way. What may be said, and what stands, comes with the answer, hidden
  // in its route line; the buttons are made here, outside the answer, and speak to Python by a hidden text box.
  const make = (tag, name, text) => Object.assign(document.createElement(tag), { className: name, textContent: text ?? "" });
  const status = make("div", "said-aloud");
  status.setAttribute("role", "status");
  // Gradio loses what is sent in the moments in which the stream of what was sent before is closing: one message goes
  // at a time, when the page has been still.
  const STILL = 120;
  const unsent = [];
  let spoken = 0, changed = 0;
  const send = () => {
    const box = document.querySelector("#correction :is(textarea, input)");
    if (performance.now() - changed < STILL) { setTimeout(send, STILL); return; }
    if (!box || !unsent.length) return;
    box.value = `${unsent.shift()} ${spoken += 1}`;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.dispatchEvent(new KeyboardEvent("keypress", { key: "Enter", bubbles: true }));
    changed = performance.now() + 3 * STILL;
  };
  const tell = (turn, verdict) => {
    unsent.push(`${turn} ${verdict}`);
    setTimeout(send, STILL);
  };
  const button = (name, text, act) => {
    const made = make("button", name, text);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  };
  const answerOf = (bar) => bar.parentElement.previousElementSibling?.querySelector("[data-testid=bot]");
  const choose = (bar, turn, verdict) => {
    const answer = answerOf(bar);
    // The last answer is made again at once: its buttons go, so focus waits on the answer.
    const last = answer && [...document.querySelectorAll("#chat [data-testid=bot]")].at(-1) === answer;
    (last ? answer : bar.querySelector(".wrong-way")).focus({ preventScroll: true });
    if (last) status.textContent = "Answering again.";
    tell(turn, verdict);
  };
  const choices = (bar, turn, offered, question) => {
    const list = make("div", "choices");
    const toggle = button("wrong-way", question, () => open(list.hidden));
    const open = (on) => {
      list.hidden = !on;
      toggle.setAttribute("aria-expanded", String(on));
      if (on) list.scrollIntoView({ block: "nearest" });
    };
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", "How it should have been answered");
    list.id = `choices-${turn}`;
    toggle.setAttribute("aria-controls", list.id);
    offered.forEach((way) => list.append(button("choice", way.textContent, () => {
      choose(bar, turn, way.classList[1].slice("way-".length));
      open(false);
    })));
    list.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      open(false);
      toggle.focus({ preventScroll: true });
    });
    open(false);
    bar.append(toggle, list);
  };
  const fill = (bar, ways) => {
    const turn = ways.classList[1].slice("turn-".length), stands = ways.querySelector(".stands");
    bar.replaceChildren();
    if (stands) bar.append(make("span", "stands", stands.textContent), button("undo", "Undo", () => tell(turn, "undo")));
    const offered = [...ways.querySelectorAll(".way")];
    if (offered.length) choices(bar, turn, offered, stands ? "Still wrong?" : "Wrong way?");
  };
  // Focus that a change would throw away goes to what has taken its place.
  const settle = (row) => {
    const ways = row.querySelector(".route .ways"), place = row.nextElementSibling, key = ways?.outerHTML ?? "";
    if (!place?.matches(".message-buttons-left")) return;
    let bar = place.querySelector(".correct");
    if ((bar?.dataset.key ?? "") === key) return;
    if (!bar) {
      bar = make("div", "correct");
      bar.setAttribute("aria-live", "off");
      place.append(bar);
    }
    const held = bar.contains(document.activeElement), stood = bar.querySelector(".stands");
    bar.dataset.key = key;
    if (ways) fill(bar, ways); else bar.replaceChildren();
    const stands = bar.querySelector(".stands");
    if (held || (stands && document.activeElement === answerOf(bar))) {
      status.textContent = stands?.textContent ?? (stood && ways ? "Taken back." : "");
    }
    if (held) (bar.querySelector(".undo, .wrong-way") ?? answerOf(bar)).focus({ preventScroll: true });
  };
  const speaker = { bot: "Answer", user: "You" };
  const settleAll = () => {
    document.querySelectorAll("#chat [data-testid=bot], #chat [data-testid=user]").forEach((message) => {
      if (message.getAttribute("aria-label") !== speaker[message.dataset.testid]) {
        message.setAttribute("aria-label", speaker[message.dataset.testid]);
        message.setAttribute("role", "group");
        message.tabIndex = -1;
      }
    });
    document.querySelectorAll("#chat .bot-row").forEach(settle);
  };

  // The conversation follows its end while its reader is there, but never past the question: an answer is read from
  // its beginning.
  let following = true, stood = 0;
  const below = (log) => log.scrollHeight - log.scrollTop - log.clientHeight;
  document.addEventListener("scroll", (event) => {
    const log = event.target;
    if (!log.classList?.contains("bubble-wrap")) return;
    following = below(log) < 80;
    stood = log.scrollTop;
  }, true);
  document.addEventListener("wheel", (event) => {
    if (event.deltaY < 0 && event.target.closest?.("#chat")) following = false;
  }, { capture: true, passive: true });
  const follow = (changes) => {
    const log = document.querySelector("#chat .bubble-wrap");
    const asked = changes.some((change) => [...change.addedNodes].some((node) => node.classList?.contains("user-row")));
    // A scroll event comes a frame late: an answer that grows in between must not pull its reader back.
    if (log && log.scrollTop < stood - 4 && below(log) >= 80) following = false;
    if (!log || !(following || asked)) return;
    const question = [...log.querySelectorAll(".user-row")].at(-1);
    const top = question ? log.scrollTop + question.getBoundingClientRect().top - log.getBoundingClientRect().top - 12 : 0;
    const to = Math.min(log.scrollHeight - log.clientHeight, question ? top : Infinity);
    if (asked || to > log.scrollTop) log.scrollTop = to;
    stood = log.scrollTop;
    if (asked) following = true;
  };

  document.addEventListener("DOMContentLoaded", () => {
    name(document);
    document.body.append(status);
    let due = 0;
    new MutationObserver(() => {
      changed = Math.max(changed, performance.now());
      due ||= requestAnimationFrame(() => { due = 0; settleAll(); });
    })
      .observe(document.body, { childList: true, subtree: true, characterData: true });
    new MutationObserver(follow).observe(document.body, { childList: true, subtree: true, characterData: true });
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) => name(node))))
      .observe(document.body, { childList: true, subtree: true });
  });
})();
