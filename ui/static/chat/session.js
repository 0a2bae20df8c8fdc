// A sign-in that ends while the page is open is said in words, with the way back in. What was typed comes back with it.
import { make, ready, word } from "./speak.js";

const DRAFT = "switchyard-draft";
const field = () => document.querySelector("#box textarea");
let ended = false, looked = false;

const keep = () => {
  try { sessionStorage.setItem(DRAFT, field()?.value ?? ""); } catch { /* no storage: it has to be typed again */ }
};
const kept = () => {
  try {
    const text = sessionStorage.getItem(DRAFT) ?? "";
    sessionStorage.removeItem(DRAFT);
    return text;
  } catch { return ""; }
};

const tell = () => {
  const told = make("div", "signed-out", word("notice.signed_out"));
  told.setAttribute("role", "alert");
  const way = Object.assign(make("a", "", word("notice.signed_out_again")), { href: "sign-in?to=/" });
  way.addEventListener("click", keep);
  told.append(" ", way);
  document.body.append(told);
};

/** What Gradio asks is refused from the moment on in which nobody is signed in any more. */
const ask = window.fetch;
window.fetch = async (...what) => {
  const answer = await ask(...what);
  if (answer.status === 401 && new URL(answer.url).pathname.includes("/gradio_api/")) ended = true;
  else if (answer.ok && String(answer.url).endsWith("/queue/join")) ended = false; // signed in again in another tab
  document.body.classList.toggle("ended", ended);
  return answer;
};

export const settleSession = () => {
  if (!ready()) return;
  const told = document.querySelector(".signed-out");
  if (ended && !told) tell();
  if (!ended) told?.remove();
  if (looked || !field()) return;
  looked = true;
  const text = kept();
  if (!text || field().value) return;
  field().value = text;
  field().dispatchEvent(new Event("input", { bubbles: true }));
};
