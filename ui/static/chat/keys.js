// The page by keyboard: Escape closes or stops, Ctrl or ⌘ with K searches, Alt with arrows goes from question to
// question, Alt with S to the sources of the last answer.
import { busy, button, calm, ready, word } from "./speak.js";
import { close } from "./pane.js";
import { drawer } from "./side.js";

const questions = () => [...document.querySelectorAll("#chat .user-row [data-testid=user]")];
const step = (by) => {
  const all = questions();
  if (!all.length) return;
  const held = all.findIndex((each) => each.contains(document.activeElement));
  const at = held < 0 ? (by < 0 ? all.length - 1 : 0) : Math.max(0, Math.min(all.length - 1, held + by));
  all[at].focus({ preventScroll: true });
  all[at].scrollIntoView({ block: "start", behavior: calm() });
};
const sources = () => {
  const all = [...document.querySelectorAll("#chat .bot-row")].at(-1)?.querySelectorAll(".sources details.src > summary");
  all?.[0]?.scrollIntoView({ block: "nearest", behavior: calm() });
  all?.[0]?.focus({ preventScroll: true });
};

// Gradio gives each of these another name whenever one is chosen: only those of one name are one stop of Tab, and
// reached by arrows.
document.addEventListener("keydown", () => {
  document.querySelectorAll("#way input[type=radio]").forEach((each) => { if (each.name !== "way") each.name = "way"; });
}, true);

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  if (event.key === "Escape") {
    if (event.target.matches?.(".mark")) { event.target.blur(); return; }
    if (document.body.classList.contains("side-open")) { drawer(false); return; }
    if (close()) return;
    if (busy()) document.querySelector("#box .stop-button").click();
    return;
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); drawer(true); return; }
  if (!event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowUp") { event.preventDefault(); step(-1); }
  if (event.key === "ArrowDown") { event.preventDefault(); step(1); }
  if (event.code === "KeyS") { event.preventDefault(); sources(); }
});

// First in the order of Tab: past the list, to the box.
const skip = button("skip", "", () => document.querySelector("#box textarea")?.focus());
document.body.prepend(skip);
export const settleSkip = () => { if (ready() && skip.textContent !== word("chat.skip")) skip.textContent = word("chat.skip"); };
