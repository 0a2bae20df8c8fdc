// Below each answer: its versions, whether it was good, another way to answer. Below each question: its being put
// differently. What may be done comes with the answer, hidden; the buttons are made here, outside of what Gradio renders.
import { hold } from "./follow.js";
import { announce, busy, button, make, ready, say, word } from "./speak.js";

const named = (element, start) => [...(element?.classList ?? [])].find((name) => name.startsWith(start))?.slice(start.length);
const answerOf = (bar) => bar.parentElement.previousElementSibling?.querySelector("[data-testid=bot]");
const thumbs = new Map();

const run = (bar, message) => {
  // The answer is made anew: its buttons go, so focus waits on the answer.
  answerOf(bar)?.focus({ preventScroll: true });
  announce(word("chat.announced_again"));
  say("run", message);
};

const group = (label, id) => {
  const list = make("div", "choices");
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", label);
  list.id = id;
  list.hidden = true;
  return list;
};
const opening = (toggle, list) => {
  const open = (on) => {
    list.hidden = !on;
    toggle.setAttribute("aria-expanded", String(on));
    if (on) { list.scrollIntoView({ block: "nearest" }); list.querySelector("textarea, button")?.focus(); }
  };
  toggle.setAttribute("aria-controls", list.id);
  toggle.setAttribute("aria-expanded", "false");
  toggle.addEventListener("click", () => open(list.hidden));
  list.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    open(false);
    toggle.focus({ preventScroll: true });
  });
  return open;
};

const versions = (bar, about) => {
  const place = named(about, "v-"), previous = named(about, "prev-"), next = named(about, "next-");
  if (!place) return;
  const [n, of] = place.split("-");
  const part = make("span", "versions");
  part.setAttribute("role", "group");
  part.setAttribute("aria-label", word("turn.version", { number: n, of }));
  const step = (name, text, label, turn) => {
    const made = button(name, text, () => say("go", { do: "show", turn }), label);
    made.disabled = !turn;
    return made;
  };
  part.append(step("step", "‹", word("turn.previous_version"), previous), make("span", "", `${n}/${of}`), step("step", "›", word("turn.next_version"), next));
  bar.append(part);
};

const judge = (bar, about, turn) => {
  const standing = thumbs.get(turn) ?? named(about, "thumb-");
  const list = group(word("turn.comment"), `poor-${turn}`);
  const field = make("textarea", "comment");
  field.rows = 2;
  field.maxLength = 2000;
  field.dir = "auto";
  field.setAttribute("aria-label", word("turn.comment"));
  field.placeholder = word("turn.comment");
  const mark = (thumb) => {
    thumbs.set(turn, thumb);
    good.setAttribute("aria-pressed", String(thumb === "up"));
    poor.setAttribute("aria-pressed", String(thumb === "down"));
  };
  const tell = (thumb, comment = "") => {
    mark(thumb);
    say("look", { do: "feedback", turn, thumb, comment });
    announce(thumb ? word("turn.thanks") : word("turn.taken_back"));
  };
  const good = button("thumb up", "", () => { open(false); tell(good.ariaPressed === "true" ? null : "up"); }, word("turn.good"));
  const poor = button("thumb down", "", () => {
    if (poor.ariaPressed === "true") { open(false); tell(null); return; }
    tell("down");
    open(true);
  }, word("turn.poor"));
  const send = button("choice", word("turn.send_comment"), () => { open(false); tell("down", field.value); poor.focus({ preventScroll: true }); });
  list.append(field, send);
  const open = (on) => { list.hidden = !on; if (on) { list.scrollIntoView({ block: "nearest" }); field.focus(); } };
  list.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    open(false);
    poor.focus({ preventScroll: true });
  });
  mark(standing === "up" || standing === "down" ? standing : null);
  bar.append(good, poor);
  return list;
};

const otherWay = (bar, about, ways, turn) => {
  const list = group(word("turn.how"), `choices-${turn}`);
  const toggle = button("wrong-way", word("turn.other_way"), () => {});
  const open = opening(toggle, list);
  const offer = (text, message) => list.append(button("choice", text, () => { open(false); run(bar, message); }));
  ways?.querySelectorAll(".way").forEach((way) =>
    offer(way.textContent, { do: "correct", turn, verdict: way.classList[1].slice("way-".length) }));
  offer(word("turn.again"), { do: "again", turn });
  bar.append(toggle);
  return list;
};

const build = (bar, about, ways) => {
  const turn = named(about, "turn-"), stands = ways?.querySelector(".stands");
  bar.replaceChildren();
  versions(bar, about);
  const comment = judge(bar, about, turn);
  if (stands) {
    bar.append(make("span", "stands", stands.textContent),
      button("undo", word("turn.undo"), () => say("run", { do: "correct", turn, verdict: "undo" })));
  }
  bar.append(otherWay(bar, about, ways, turn), comment);
};

// Focus that a change would throw away goes to what has taken its place.
const settleAnswer = (row) => {
  const about = row.querySelector(".about"), ways = row.querySelector(".route .ways"), place = row.nextElementSibling;
  const key = about ? about.outerHTML + (ways?.outerHTML ?? "") : "";
  if (!place?.matches(".message-buttons-left")) return;
  let bar = place.querySelector(".correct");
  if ((bar?.dataset.key ?? "") === key) return;
  if (!bar) {
    bar = make("div", "correct");
    place.append(bar);
  }
  const held = bar.contains(document.activeElement), stood = bar.querySelector(".stands");
  bar.dataset.key = key;
  if (about) build(bar, about, ways); else bar.replaceChildren();
  const stands = bar.querySelector(".stands");
  if (held || (stands && document.activeElement === answerOf(bar))) {
    announce(stands?.textContent ?? (stood && about ? word("turn.taken_back") : ""));
  }
  if (held) (bar.querySelector(".undo, .wrong-way") ?? answerOf(bar)).focus({ preventScroll: true });
};
const edit = (row, turn, said) => {
  if (busy() || row.querySelector(".edit-form")) return;
  const message = row.querySelector("[data-testid=user]"), form = make("form", "edit-form"), field = make("textarea", "");
  field.value = said.innerText.trim();
  field.dir = "auto";
  field.rows = Math.min(8, field.value.split("\n").length + 1);
  field.setAttribute("aria-label", word("turn.edit_box"));
  const end = () => { form.remove(); row.classList.remove("editing"); row.querySelector(".edit")?.focus({ preventScroll: true }); };
  const submit = () => {
    const text = field.value.trim();
    end();
    if (text) { announce(word("chat.announced_again")); say("run", { do: "edit", turn, text }); }
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  form.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") end();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target === field) { event.preventDefault(); submit(); }
  });
  const save = button("choice primary", word("turn.save_and_send"), submit);
  form.append(field, button("choice", word("turn.cancel"), end), save);
  row.classList.add("editing");
  message.after(form);
  field.focus();
};
const settleQuestion = (row) => {
  let next = row.nextElementSibling;
  while (next && !next.matches(".bot-row, .user-row")) next = next.nextElementSibling;
  const about = next?.querySelector(".about");
  const turn = named(about, "turn-"), said = row.querySelector(".said");
  const had = row.querySelector(".edit");
  if (had?.dataset.turn === turn) return;
  had?.remove();
  if (!turn || !said) return;
  const made = button("edit", "", () => edit(row, turn, said), word("turn.edit"));
  made.dataset.turn = turn;
  row.prepend(made);
};

const settleEarlier = () => {
  const log = document.querySelector("#chat .bubble-wrap"), had = log?.querySelector(":scope > .earlier-turns");
  const more = Boolean(log?.querySelector(".about.earlier"));
  if (more === Boolean(had)) return;
  if (!more) { had.remove(); return; }
  log.prepend(button("earlier-turns", word("chat.earlier_turns"), () => {
    hold();
    say("go", { do: "earlier" });
  }));
};

export const settleBars = () => {
  if (!ready()) return;
  settleEarlier();
  document.querySelectorAll("#chat .bot-row").forEach(settleAnswer);
  document.querySelectorAll("#chat .user-row").forEach(settleQuestion);
};
