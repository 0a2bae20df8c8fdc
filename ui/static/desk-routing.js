// The keys of the queue of turns to label: each presses the button of the same name. A turn that has been labelled is
// not labelled again while the next one is on its way.
(() => {
  const KEYS = { v: 'voice', r: 'retrieve', b: 'both', s: 'skip', ' ': 'skip', u: 'undo' };
  const LONGEST = 3000;
  let pressed = '';
  let at = 0;

  const shown = () => document.querySelector('#ro-turn')?.dataset.turn ?? '';
  const visible = (element) => element !== null && element.getClientRects().length > 0;
  const button = (name) => document.querySelector(`#ro-${name}`);
  const typing = (target) =>
    target instanceof Element && target.closest('input, textarea, select, [contenteditable], [role="listbox"]') !== null;
  const waiting = () => pressed !== '' && pressed === shown() && Date.now() - at < LONGEST;

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    const card = document.querySelector('#ro-card');
    if (!visible(card) || typing(event.target)) return;
    if (event.key === '?') {
      const help = document.querySelector('#ro-help details');
      if (help) help.open = !help.open;
      event.preventDefault();
      return;
    }
    const name = KEYS[event.key.toLowerCase()];
    if (!name) return;
    // Space on a button or a summary is that element's own; on the tab that is open already it does nothing.
    const own = event.target instanceof Element ? event.target.closest('button, summary, a, [role]') : null;
    if (event.key === ' ' && own && own.getAttribute('aria-selected') !== 'true') return;
    event.preventDefault();
    button(name)?.click();
  });

  document.addEventListener('click', (event) => {
    const from = event.target instanceof Element ? event.target.closest('#ro-keys button') : null;
    if (!from || from.id === 'ro-undo') {
      if (from) pressed = '';
      return;
    }
    if (waiting()) {
      event.stopImmediatePropagation();
      event.preventDefault();
      return;
    }
    pressed = shown();
    at = Date.now();
  }, true);

  // What a card says is read out as it comes.
  new MutationObserver(() => {
    const card = document.querySelector('#ro-card');
    if (card && !card.hasAttribute('aria-live')) card.setAttribute('aria-live', 'polite');
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
