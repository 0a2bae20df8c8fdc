// The sources pane: a citation opens it beside the conversation, on a phone as a sheet from below.
import { announce, calm, say } from "./speak.js";
import { asSheet, stand } from "./behind.js";

let from = null;
// After it was closed, what had been asked for before may still arrive: it stays shut until it is asked for anew.
let shut = true;
const pane = () => document.querySelector("#pane");
const answerOf = (turn) => document.querySelector(`#chat .about.turn-${turn}`)?.closest("[data-testid=bot]");
const turnOf = (element) => {
  const about = element.closest("[data-testid=bot]")?.querySelector(".about");
  return [...(about?.classList ?? [])].find((name) => name.startsWith("turn-"))?.slice("turn-".length);
};

/** Ask for what the pane is to show, and remember where its reader came from. */
export const open = (turn, number, origin) => {
  if (origin) from = origin;
  shut = false;
  say("look", { do: "passage", turn, number });
};
export const close = () => {
  if (!document.body.classList.contains("pane-open")) return false;
  stand("pane-open", false);
  shut = true;
  say("look", { do: "close" });
  if (from?.isConnected) from.focus();
  else document.querySelector("#box textarea")?.focus();
  from = null;
  return true;
};
const back = (turn, number, nth) => {
  const answer = answerOf(turn);
  if (asSheet()) close();
  const links = answer?.querySelectorAll(`.answer a[href$="-${number}"]`) ?? [];
  const target = links[nth ?? 0] ?? answer;
  target?.scrollIntoView({ block: "center", behavior: calm() });
  target?.focus({ preventScroll: true });
};

const card = (key) => {
  const found = document.querySelector(`.src-${key}`);
  if (!found) return;
  found.parentElement.closest("details")?.setAttribute("open", "");
  found.open = true;
  document.querySelectorAll(".src.on").forEach((other) => other.classList.remove("on"));
  found.classList.add("on");
  found.scrollIntoView({ block: "nearest", behavior: calm() });
  found.querySelector("summary").focus({ preventScroll: true });
};

document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href*="#cite-"]');
  if (!link) return;
  event.preventDefault();
  event.stopPropagation();
  const key = link.hash.slice("#cite-".length), turn = turnOf(link);
  if (!/^[\w-]+$/.test(key)) return;
  // While the answer is being written only its cards are there.
  if (turn) open(turn, Number(key.split("-").at(-1)), link); else card(key);
}, true);

const openCard = (opener) => {
  const number = Number([...opener.classList].find((name) => /^n-\d+$/.test(name))?.slice(2)), turn = turnOf(opener);
  if (turn && number) open(turn, number, opener);
};
/** The cards' openers are plain words in what Gradio renders; here they become buttons. */
export const settleOpeners = () => document.querySelectorAll("#chat .open-source:not([role])").forEach((each) => {
  each.setAttribute("role", "button");
  each.tabIndex = 0;
});
document.addEventListener("keydown", (event) => {
  const opener = event.target.closest?.(".open-source");
  if (!opener || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  openCard(opener);
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.(".open-source");
  if (opener) { openCard(opener); return; }
  // What lies beside a sheet closes it.
  if (asSheet() && event.target.matches?.("#shell, #shell > *, html, body") && !event.target.matches("#pane")) close();
  const act = event.target.closest?.("#pane [data-do]");
  if (!act) return;
  const { do: what, turn, number, nth, ...more } = act.dataset;
  if (what === "close") close();
  else if (what === "back") back(turn, Number(number), nth === undefined ? undefined : Number(nth));
  else say("look", { do: what, turn, number: Number(number), ...more });
});

/** What has come into the pane: show it, and take focus there. */
const arrived = () => {
  const title = pane()?.querySelector("#pane-title");
  if (!title || shut) { stand("pane-open", false); return; }
  stand("pane-open", true);
  const passage = pane().querySelector(".pane-document #the-passage");
  title.focus({ preventScroll: true });
  announce(title.textContent.trim());
  if (passage) passage.scrollIntoView({ block: "center", behavior: "auto" });
  else pane().scrollTop = 0;
};
let shown = "";
export const settlePane = () => {
  const now = pane()?.querySelector("#pane-title, .pane-none")?.closest("section, .pane-none")?.outerHTML ?? "";
  if (now === shown) return;
  shown = now;
  arrived();
};
