// How the page's own controls speak to Python: by hidden text boxes, one message of JSON at a time. And what is said
// aloud to those who do not see the page.

// Gradio loses what is sent in the moments in which the stream of what was sent before is closing: one message goes
// at a time, when the page has been still.
const STILL = 120;
const PATIENCE = 1500;
const unsent = [];
let spoken = 0, changed = 0;

const send = () => {
  if (!unsent.length) return;
  const [{ box, message, since }] = unsent;
  const field = document.querySelector(`#${box} :is(textarea, input)`);
  const still = performance.now() - changed >= STILL || performance.now() - since > PATIENCE;
  if (!field || !still) { setTimeout(send, STILL); return; }
  unsent.shift();
  field.value = JSON.stringify({ ...message, n: (spoken += 1) });
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new KeyboardEvent("keypress", { key: "Enter", bubbles: true }));
  changed = performance.now() + STILL;
  if (unsent.length) setTimeout(send, STILL);
};

/** Say something to a box of the page: `run` makes an answer, `go` shows another conversation, `look` leaves it alone. */
export const say = (box, message) => {
  unsent.push({ box, message, since: performance.now() });
  setTimeout(send, box === "look" ? 0 : STILL);
};
export const stirred = () => { changed = Math.max(changed, performance.now()); };

const status = Object.assign(document.createElement("div"), { className: "said-aloud" });
status.setAttribute("role", "status");
document.body.append(status);
/** Say it aloud, also when it was the last thing said. */
export const announce = (text) => {
  status.textContent = "";
  requestAnimationFrame(() => { status.textContent = text; });
};

let known = {};
/** A text of the interface in the reader's language, as Python gives them; `{name}` is filled in. */
export const word = (key, fill = {}) => {
  const element = document.querySelector("#words [data-words]");
  if (element && element.dataset.words !== known.raw) known = { raw: element.dataset.words, texts: JSON.parse(element.dataset.words) };
  return (known.texts?.[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => fill[name] ?? all);
};
export const ready = () => Boolean(document.querySelector("#words [data-words]"));

export const make = (tag, name = "", text = "") =>
  Object.assign(document.createElement(tag), { className: name, textContent: text });
export const button = (name, text, act, label = "") => {
  const made = make("button", name, text);
  made.type = "button";
  if (label) { made.setAttribute("aria-label", label); made.title = label; }
  made.addEventListener("click", act);
  return made;
};
export const calm = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");
/** Whether an answer is being written. */
export const busy = () => Boolean(document.querySelector("#box .stop-button"));
