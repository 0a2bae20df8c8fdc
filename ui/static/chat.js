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
  const speaker = { bot: "Answer", user: "You" };
  const name = (root) => {
    root.querySelectorAll?.("#chat [data-testid=bot], #chat [data-testid=user]").forEach((message) => {
      message.setAttribute("aria-label", speaker[message.dataset.testid]);
      message.setAttribute("role", "group");
    });
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
  // The conversation follows its end while its reader is there, but never past the question: an answer is read from
  // its beginning.
  let following = true;
  document.addEventListener("scroll", (event) => {
    const log = event.target;
    if (!log.classList?.contains("bubble-wrap")) return;
    following = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  }, true);
  document.addEventListener("wheel", (event) => {
    if (event.deltaY < 0 && event.target.closest?.("#chat")) following = false;
  }, { capture: true, passive: true });
  const follow = (changes) => {
    const log = document.querySelector("#chat .bubble-wrap");
    const asked = changes.some((change) => [...change.addedNodes].some((node) => node.classList?.contains("user-row")));
    if (!log || !(following || asked)) return;
    const question = [...log.querySelectorAll(".user-row")].at(-1);
    const top = question ? log.scrollTop + question.getBoundingClientRect().top - log.getBoundingClientRect().top - 12 : 0;
    log.scrollTop = Math.min(log.scrollHeight - log.clientHeight, question ? top : Infinity);
    if (asked) following = true;
  };

  document.addEventListener("DOMContentLoaded", () => {
    name(document);
    new MutationObserver(follow).observe(document.body, { childList: true, subtree: true, characterData: true });
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) => name(node))))
      .observe(document.body, { childList: true, subtree: true });
  });
})();
