// Controls that Gradio leaves unnamed get names, what is copied is the answer alone, and code can be copied.
import { announce, busy, button, ready, word } from "./speak.js";

const put = (element, name, value) => { if (element && element.getAttribute(name) !== value) element.setAttribute(name, value); };

document.addEventListener("click", (event) => {
  // Gradio would copy the message's source; a reader wants the answer without its route line and sources.
  const copier = event.target.closest?.('#chat .message-buttons-left button[data-copies]');
  const messages = [...document.querySelectorAll("#chat [data-testid]")];
  const message = copier && messages.findLast(
    (each) => each.compareDocumentPosition(copier) & Node.DOCUMENT_POSITION_FOLLOWING);
  if (!message || !navigator.clipboard) return;
  event.stopPropagation();
  const hidden = [...message.querySelectorAll(".route, .sources, .notice, .code-head, .why")];
  hidden.forEach((part) => { part.hidden = true; });
  navigator.clipboard.writeText(message.innerText.trim());
  hidden.forEach((part) => { part.hidden = false; });
  announce(word("chat.announced_copied"));
}, true);

const nameMessages = () => {
  const speaker = { bot: word("turn.answer"), user: word("turn.you") };
  document.querySelectorAll("#chat [data-testid=bot], #chat [data-testid=user]").forEach((message) => {
    if (message.getAttribute("aria-label") === speaker[message.dataset.testid]) return;
    put(message, "aria-label", speaker[message.dataset.testid]);
    put(message, "role", "group");
    message.tabIndex = -1;
  });
};
const nameControls = () => {
  const field = document.querySelector("#box textarea");
  put(field, "aria-label", word("chat.box"));
  put(field, "dir", "auto");
  put(document.querySelector("#box .submit-button"), "aria-label", word("chat.send"));
  put(document.querySelector("#box .stop-button"), "aria-label", word("chat.stop"));
  document.querySelectorAll('#chat button[aria-label="Copy message"]').forEach((each) => {
    each.dataset.copies = "";
    put(each, "aria-label", word("turn.copy"));
    put(each, "title", word("turn.copy"));
  });
  put(document.querySelector("#chat [role=log]"), "aria-label", word("chat.conversation"));
  document.querySelectorAll("#chat .examples[role=list]").forEach((each) => {
    // Its children are no items of a list, and their names are in English.
    put(each, "role", "group");
    each.querySelectorAll("button").forEach((one) => one.removeAttribute("aria-label"));
    each.closest("[role=complementary]")?.removeAttribute("role");
  });
  put(document.querySelector("#way"), "role", "radiogroup");
  put(document.querySelector("#way"), "aria-label", document.querySelector("#way [data-testid=block-info]")?.textContent.trim());
  document.querySelectorAll(".toast-header[role=button]").forEach((each) => ["role", "tabindex"].forEach((name) => each.removeAttribute(name)));
  put(document.documentElement, "lang", document.querySelector("#words [lang]")?.lang);
  document.querySelectorAll('#chat button[aria-label=""]').forEach((each) => put(each, "aria-label", word("chat.more")));
  document.querySelectorAll('#chat a[href*="#cite-"]:not([aria-label])').forEach((link) => {
    link.removeAttribute("target");
    link.setAttribute("aria-label", word("sources.source", { number: link.textContent.replace(/\D/g, "") }));
  });
};
const codeButtons = () => {
  if (busy()) return;
  document.querySelectorAll("#chat .answer .code-head:not(:has(.copy-code))").forEach((head) => {
    const text = head.parentElement.querySelector("pre").textContent;
    head.append(button("copy-code", word("turn.copy_code"), async (event) => {
      await navigator.clipboard?.writeText(text);
      event.target.textContent = word("turn.copied");
      setTimeout(() => { event.target.textContent = word("turn.copy_code"); }, 2000);
    }));
  });
};

let answering = false, stopped = false;
document.addEventListener("click", (event) => { if (event.target.closest?.("#box .stop-button")) stopped = true; }, true);
/** What is said aloud as an answer begins and ends, without reading every word while it is written. */
const sayWhatHappens = () => {
  const now = busy();
  if (now === answering) return;
  answering = now;
  const noted = [...document.querySelectorAll("#chat .correct")].at(-1)?.querySelector(".stands")?.textContent ?? "";
  const over = stopped ? word("chat.announced_stopped") : word("chat.announced_finished");
  stopped = false;
  announce(now ? word("chat.announced_answering") : `${over} ${noted}`.trim());
};
export const settleNames = () => {
  if (!ready()) return;
  nameMessages();
  nameControls();
  codeButtons();
  sayWhatHappens();
  const title = document.querySelector("#title h1")?.textContent;
  if (title && document.title !== title) document.title = title;
};
