// The list of conversations: open, search, rename, pin, take along, delete. On a phone it is a drawer.
import { announce, button, make, say, word } from "./speak.js";
import { onPhone, stand } from "./behind.js";

let menu = null, refocus = "";
const closeMenu = (focus) => {
  if (!menu) return;
  menu.owner.setAttribute("aria-expanded", "false");
  menu.element.remove();
  if (focus && menu.owner.isConnected) menu.owner.focus();
  menu = null;
};
/** Show or hide the list. What the reader chose on a wide screen is kept for the visit. */
export const drawer = (on) => {
  const phone = onPhone(), name = phone ? "side-open" : "side-shut", was = document.body.classList.contains(name);
  const show = on ?? (phone ? !was : was);
  stand(name, phone ? show : !show);
  if (show && on !== false) document.querySelector("#find :is(input, textarea)")?.focus();
  if (!show) document.querySelector("#menu")?.focus();
};
const shut = () => {
  if (!onPhone()) return;
  const held = document.querySelector("#side").contains(document.activeElement);
  stand("side-open", false);
  if (held) document.querySelector("#menu")?.focus();
};

const rename = (item, id) => {
  const opener = item.querySelector(".conv-open"), field = make("input", "conv-name");
  field.value = opener.textContent.trim();
  field.maxLength = 200;
  field.dir = "auto";
  field.setAttribute("aria-label", word("list.rename"));
  let over = false;
  const end = (keep) => {
    if (over) return;
    over = true;
    const title = field.value.trim();
    field.replaceWith(opener);
    if (keep && title && title !== opener.textContent.trim()) {
      opener.textContent = title;
      refocus = id;
      say("look", { do: "rename", conversation: id, title });
    }
    opener.focus();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault(); // else it would open the conversation, whose button has the focus next
      end(true);
    }
    if (event.key === "Escape") { event.stopPropagation(); end(false); }
  });
  field.addEventListener("blur", () => end(true));
  opener.replaceWith(field);
  field.select();
};

const entry = (text, act, kind = "") => {
  const made = button(`menu-item ${kind}`, text, act);
  made.setAttribute("role", "menuitem");
  return made;
};
const openMenu = (owner, item) => {
  const id = item.dataset.conversation, title = item.querySelector(".conv-open").textContent.trim(), pinned = item.dataset.pinned === "true";
  const element = make("div", "menu");
  element.setAttribute("role", "menu");
  element.setAttribute("aria-label", owner.getAttribute("aria-label"));
  const act = (message) => () => { refocus = id; closeMenu(true); say("look", { conversation: id, ...message }); };
  const sure = entry(word("list.delete_yes"), () => { closeMenu(false); say("go", { do: "delete", conversation: id }); announce(word("list.deleted")); }, "danger");
  sure.hidden = true;
  const really = make("p", "menu-note", word("list.delete_really", { title }));
  really.hidden = true;
  const remove = entry(word("list.delete"), () => {
    remove.hidden = true;
    really.hidden = sure.hidden = false;
    announce(really.textContent);
    sure.focus();
  }, "danger");
  element.append(
    entry(word("list.rename"), () => { closeMenu(false); rename(item, id); }),
    entry(word(pinned ? "list.unpin" : "list.pin"), act({ do: "pin", pinned: !pinned })),
    entry(word("list.export_markdown"), act({ do: "export", form: "markdown" })),
    entry(word("list.export_json"), act({ do: "export", form: "json" })),
    remove, really, sure,
  );
  element.addEventListener("keydown", (event) => {
    const items = [...element.querySelectorAll("button:not([hidden])")], at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); items.at(to % items.length).focus(); }
    if (event.key === "Escape") { event.stopPropagation(); closeMenu(true); }
    if (event.key === "Tab") closeMenu(false);
  });
  document.body.append(element);
  const place = owner.getBoundingClientRect();
  element.style.top = `${Math.min(place.bottom + 4, innerHeight - element.offsetHeight - 8)}px`;
  element.style.left = `${Math.max(8, Math.min(place.left, innerWidth - element.offsetWidth - 8))}px`;
  owner.setAttribute("aria-expanded", "true");
  menu = { element, owner };
  element.querySelector("button").focus();
};

document.addEventListener("click", (event) => {
  const owner = event.target.closest?.("#list .conv-menu");
  const was = menu?.owner;
  if (menu && !event.target.closest?.(".menu")) closeMenu(false);
  if (owner) { if (owner !== was) openMenu(owner, owner.closest("[data-conversation]")); return; }
  const opener = event.target.closest?.("#list .conv-open");
  if (opener) {
    say("go", { do: "open", conversation: opener.closest("[data-conversation]").dataset.conversation });
    shut();
    return;
  }
  if (event.target.closest?.("#list [data-do=more]")) say("look", { do: "more", of: event.target.closest("[data-of]").dataset.of });
  if (event.target.closest?.("#new")) shut();
  if (event.target.closest?.("#menu")) drawer();
  const chip = event.target.closest?.("#files [data-file]");
  if (chip) say("detach", { file: chip.dataset.file });
  // What lies beside an open drawer closes it.
  if (document.body.classList.contains("side-open") && !event.target.closest?.("#side, #menu, .menu")) shut();
});
addEventListener("resize", () => closeMenu(false));

/** The list has come anew: focus stays on the conversation that something was done with. */
let list = "";
export const settleSide = () => {
  const now = document.querySelector("#list nav");
  if (!now || now.dataset.key === list) return;
  list = now.dataset.key;
  if (refocus && (document.activeElement === document.body || !document.activeElement?.isConnected)) {
    now.querySelector(`[data-conversation="${refocus}"] .conv-menu`)?.focus();
  }
  refocus = "";
};

const toast = (text) => {
  document.querySelector(".toast")?.remove();
  const shown = make("div", "toast", text);
  shown.setAttribute("role", "alert");
  document.body.append(shown);
  setTimeout(() => shown.remove(), 8000);
};

/** What Python hands over to be kept as a file, or to be said. */
let told = "";
export const settleTold = () => {
  const now = document.querySelector("#told [data-told]");
  if (!now || now.dataset.told === told) return;
  told = now.dataset.told;
  if (now.dataset.name) {
    const file = URL.createObjectURL(new Blob([now.dataset.text], { type: now.dataset.type }));
    const link = Object.assign(make("a"), { href: file, download: now.dataset.name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(file), 10_000);
  }
  if (now.dataset.warning) toast(now.dataset.warning);
};
