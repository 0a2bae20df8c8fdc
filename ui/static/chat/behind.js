// Drawer, list and sheet: what is open is a class of the body. What an open drawer or sheet covers can be reached
// neither by Tab nor by a screen reader, and the button of the list says what it would do.
import { ready, word } from "./speak.js";

const phone = matchMedia("(max-width: 899px)"), narrow = matchMedia("(max-width: 1099px)");
export const onPhone = () => phone.matches;
export const asSheet = () => narrow.matches;
const COVERED = { drawer: [".skip", "#talk > :not(#top)", "#top > :not(#menu)", "#pane"], sheet: [".skip", "#talk", "#side"] };

const cover = (which, on) => COVERED[which].forEach((each) =>
  document.querySelectorAll(each).forEach((part) => part.classList.toggle(`behind-${which}`, on)));
let covered = false;
export const settleBehind = () => {
  const { classList } = document.body, menu = document.querySelector("#menu");
  const drawer = phone.matches && classList.contains("side-open");
  const sheet = narrow.matches && !drawer && classList.contains("pane-open");
  if (drawer || sheet || covered) {
    cover("drawer", drawer);
    cover("sheet", sheet);
    document.querySelectorAll(":is(#shell *, .skip):is(.behind-drawer, .behind-sheet, [inert])").forEach((part) => {
      part.inert = part.matches(".behind-drawer, .behind-sheet");
    });
    covered = drawer || sheet;
  }
  if (!menu || !ready()) return;
  const shown = phone.matches ? drawer : !classList.contains("side-shut"), name = word(shown ? "list.hide" : "list.show");
  if (menu.title === name) return;
  menu.title = name;
  menu.setAttribute("aria-label", name);
  menu.setAttribute("aria-controls", "side");
  menu.setAttribute("aria-expanded", String(shown));
};
/** Open or close one of them: `side-open` on a phone, `side-shut` elsewhere, `pane-open`. */
export const stand = (name, on) => {
  document.body.classList.toggle(name, on);
  settleBehind();
};
[phone, narrow].forEach((each) => each.addEventListener("change", settleBehind));
