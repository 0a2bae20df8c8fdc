// What the desk's page needs beside Gradio: buttons within tables, tabs by address, names for what Gradio leaves unnamed.
(() => {
  // A session that is over: the door says how to get in again.
  const ask = window.fetch;
  window.fetch = async (...what) => {
    const answer = await ask(...what);
    if (answer.status === 401) location.reload();
    return answer;
  };

  // A button within markup speaks to Python by a hidden text box. Gradio loses what is sent in the moments in which the
  // stream of what was sent before is closing: one message goes at a time.
  const STILL = 120;
  const unsent = [];
  let spoken = 0, due = 0;
  const send = () => {
    const [name, value] = unsent.shift() ?? [];
    const box = name && document.querySelector(`#${CSS.escape(name)} :is(textarea, input)`);
    if (box) {
      box.value = `${value} ${spoken += 1}`;
      box.dispatchEvent(new Event("input", { bubbles: true }));
      setTimeout(() => box.dispatchEvent(new KeyboardEvent("keypress", { key: "Enter", bubbles: true })), 0);
    }
    due = unsent.length ? setTimeout(send, STILL) : 0;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-to]");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    // A second click before anything has changed would do it twice.
    button.setAttribute("aria-disabled", "true");
    setTimeout(() => button.removeAttribute("aria-disabled"), 800);
    unsent.push([button.dataset.to, button.dataset.say]);
    due ||= setTimeout(send, 0);
  });

  // Each tab has an address.
  const ours = (tab) => tab?.closest(".tabs")?.id === "tabs";
  const tabs = () => [...document.querySelectorAll("#tabs [role=tab]")].filter(ours);
  const nameOf = (tab) => tab.textContent.trim().toLowerCase();
  const open = () => {
    const name = location.hash.slice(1), tab = tabs().find((each) => nameOf(each) === name);
    if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
    return tab;
  };
  addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.("[role=tab]");
    if (ours(tab) && `#${nameOf(tab)}` !== location.hash) history.replaceState(null, "", `#${nameOf(tab)}`);
  });

  // Gradio gives each radio another name whenever one is chosen: only those of one name are one stop of Tab, and
  // reached by arrows.
  document.addEventListener("keydown", () => {
    document.querySelectorAll("fieldset[role=radiogroup]").forEach((group, place) => {
      const name = `radios-${group.id || place}`;
      group.querySelectorAll("input[type=radio]").forEach((each) => { if (each.name !== name) each.name = name; });
    });
  }, true);

  document.addEventListener("DOMContentLoaded", () => {
    let waiting = location.hash.length > 1;
    new MutationObserver(() => {
      if (waiting && open()) waiting = false;
      document.querySelectorAll("fieldset:not([role]):has(input[type=radio])").forEach((group) => {
        group.setAttribute("role", "radiogroup");
        group.setAttribute("aria-label", group.querySelector("[data-testid=block-info]")?.textContent.trim() ?? "");
      });
      document.querySelectorAll(".toast-header[role=button]").forEach((each) => {
        // It holds a button of its own.
        each.removeAttribute("role");
        each.removeAttribute("tabindex");
      });
      document.querySelectorAll("table.rows:not([role])").forEach((table) => {
        // As a list on a narrow page a table would lose its roles.
        table.setAttribute("role", "table");
        table.querySelectorAll("thead, tbody").forEach((each) => each.setAttribute("role", "rowgroup"));
        table.querySelectorAll("tr").forEach((each) => each.setAttribute("role", "row"));
        table.querySelectorAll("th").forEach((each) => each.setAttribute("role", "columnheader"));
        table.querySelectorAll("td").forEach((each) => each.setAttribute("role", "cell"));
      });
    }).observe(document.body, { childList: true, subtree: true });
  });
})();
