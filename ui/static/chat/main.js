// The chat page's own behaviour, around what Gradio renders: each part settles whatever has changed, once a frame.
import { stirred } from "./speak.js";
import { asks, follow } from "./follow.js";
import { settleBars } from "./bars.js";
import { settleBehind } from "./behind.js";
import { settleNames } from "./names.js";
import { settleOpeners, settlePane } from "./pane.js";
import { settleSide, settleTold } from "./side.js";
import { settleSkip } from "./keys.js";
import { settleSession } from "./session.js";

let due = 0, asked = false;
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
  follow(asked);
  asked = false;
};
const watched = { childList: true, subtree: true, characterData: true };
new MutationObserver((changes) => {
  asked ||= asks(changes);
  stirred();
  due ||= requestAnimationFrame(settle);
}).observe(document.body, watched);
settle();
