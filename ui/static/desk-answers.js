// In the Answers tab: where a turn or a gap is opened in place of a list, the focus follows, and a citation opens its passage.
(() => {
  document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver(() => {
      const heading = document.querySelector("h2[data-arrive]");
      if (!heading) return;
      heading.removeAttribute("data-arrive");
      heading.focus({ preventScroll: true });
      heading.scrollIntoView({ block: "start" });
    }).observe(document.body, { childList: true, subtree: true });
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('.an-answer a[href^="#cite-"]');
    const passage = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!passage) return;
    event.preventDefault(); // the address names the tab
    passage.open = true;
    passage.querySelector("summary").focus({ preventScroll: true });
    passage.scrollIntoView({ block: "nearest" });
  });
})();
