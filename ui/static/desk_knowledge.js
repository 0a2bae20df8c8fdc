// The Knowledge tab: a question takes the focus and gives it back, Escape cancels it, and what happened is announced.
(() => {
  const heard = document.createElement('p');
  heard.className = 'kn-heard';
  heard.setAttribute('role', 'status');
  heard.style.cssText = 'position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%)';

  let dialog = null;
  let before = null;
  let said = '';

  const back = () => {
    const same = [...document.querySelectorAll('button.act')].find(
      (each) => before && each.dataset.to === before.to && each.dataset.say === before.say
    );
    (same || document.querySelector('#kn-views button[aria-selected=true]'))?.focus();
    before = null;
  };

  const look = () => {
    const now = document.querySelector('#kn-asked [role=alertdialog]');
    if (now !== dialog) {
      dialog = now;
      if (now) now.querySelector('.kn-buttons .act:last-child')?.focus();
      else if (before && (document.activeElement === document.body || !document.activeElement)) back();
    }
    // Gradio names the place to drop files otherwise than it reads.
    const place = document.querySelector('#kn-files button[aria-dropeffect]');
    const shown = place?.innerText.replace(/\s+/g, ' ').trim();
    if (shown && place.getAttribute('aria-label') !== shown) place.setAttribute('aria-label', shown);
    const note = document.querySelector('#kn-note')?.innerText.trim() || '';
    const over = document.querySelector('#kn-work .badge') ? document.querySelector('#kn-work h2').innerText : '';
    const text = [note, over].filter(Boolean).join('. ');
    if (text !== said) heard.textContent = said = text;
  };

  document.addEventListener(
    'click',
    (event) => {
      const button = event.target.closest?.('button.act[data-to="kn-ask"]');
      if (button && button.dataset.say) before = { to: button.dataset.to, say: button.dataset.say };
    },
    true
  );
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && dialog) dialog.querySelector('.kn-buttons .act:last-child')?.click();
  });
  document.addEventListener('DOMContentLoaded', () => {
    document.body.append(heard);
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
})();
