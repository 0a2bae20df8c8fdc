// The conversation follows its end while its reader is there, but never past the question: an answer is read from
// its beginning.

let following = true, stood = 0, held = null;
const below = (log) => log.scrollHeight - log.scrollTop - log.clientHeight;

document.addEventListener("scroll", (event) => {
  const log = event.target;
  if (!log.classList?.contains("bubble-wrap")) return;
  // Our own comes a frame late as well: what has grown since then is no sign that its reader has left.
  if (Math.abs(log.scrollTop - stood) > 1) following = below(log) < 80;
  stood = log.scrollTop;
}, true);
document.addEventListener("wheel", (event) => {
  if (event.deltaY < 0 && event.target.closest?.("#chat")) following = false;
}, { capture: true, passive: true });

/** Earlier messages come above what is read now: for a moment it keeps its distance to the end. */
export const hold = () => {
  const log = document.querySelector("#chat .bubble-wrap");
  held = log && log.scrollHeight - log.scrollTop;
  setTimeout(() => { held = null; }, 3000);
};

/** Whether a question has come with these changes. */
export const asks = (changes) =>
  changes.some((change) => [...change.addedNodes].some((node) => node.classList?.contains("user-row")));

/** Once a frame, when all has settled: to measure a long conversation at every change took a third of the page's time. */
export const follow = (asked) => {
  const log = document.querySelector("#chat .bubble-wrap");
  if (log && held !== null) { log.scrollTop = stood = log.scrollHeight - held; return; }
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
