// The chat page's own behaviour, around what Gradio renders: each part settles whatever has changed, once a frame.
import { stirred } from "./speak.js";
import { follow } from "./follow.js";
import { settleBars } from "./bars.js";
import { settleBehind } from "./behind.js";
import { settleNames } from "./names.js";
import { settleOpeners, settlePane } from "./pane.js";
import { settleSide, settleTold } from "./side.js";
import { settleSkip } from "./keys.js";
import { settleSession } from "./session.js";

let due = 0;
const settle = () => {
  due = 0;
  settleNames();
  settleBehind();
  settleBars();
  settlePane();
  settleOpeners();
  settleSide();
  settleTold();
  settleSkip();
  settleSession();
};
const watched = { childList: true, subtree: true, characterData: true };
new MutationObserver((changes) => {
  follow(changes);
  stirred();
  due ||= requestAnimationFrame(settle);
}).observe(document.body, watched);
settle();
