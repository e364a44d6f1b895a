// The figures: each drawn by the server when it is in sight, as wide as there is room.
import { $, ask, copyText, make, page, query } from './core.js';

export const theme = () => document.documentElement.dataset.theme;
const seen = new Set();
const watcher = new IntersectionObserver(entries => {
  for (const e of entries) {
    if (e.isIntersecting) { seen.add(e.target); draw(e.target); } else seen.delete(e.target);
  }
}, { rootMargin: '200px' });
const sizes = new ResizeObserver(entries => {
  for (const e of entries) if (seen.has(e.target)) draw(e.target);
});

export function showFigures() {
  const have = new Map([...$('figures').children].map(f => [f.dataset.kind, f]));
  const want = page.view.figures.map(f => f.kind);
  for (const [kind, f] of have) if (!want.includes(kind)) { watcher.unobserve(f); sizes.unobserve(f); seen.delete(f); f.remove(); }
  page.view.figures.forEach((f, n) => {
    let e = have.get(f.kind);
    if (!e) {
      const copy = make('button', { type: 'button' }, 'Copy command');
      copy.setAttribute('aria-label', 'Copy the command that draws: ' + f.title);
      copy.addEventListener('click', () => copyText(e.dataset.command, 'The command that draws this figure is copied.'));
      e = make('figure', { 'data-kind': f.kind }, make('figcaption', {}, make('h3', {}, f.title), copy), make('div', { class: 'plot' }));
      watcher.observe(e);
      sizes.observe(e);
    }
    e.dataset.command = f.command;
    if ($('figures').children[n] !== e) $('figures').insertBefore(e, $('figures').children[n] || null); // moving one lays the page out anew
  });
  drawVisible();
}

export function drawVisible() { for (const f of seen) draw(f); }

function draw(f) {
  const plot = f.querySelector('.plot');
  ask('figure ' + f.dataset.kind, async () => {
    const width = Math.max(200, Math.min(4000, Math.round(plot.clientWidth)));
    const key = query() + ' ' + width + ' ' + theme();
    if (f.dataset.drawn === key || !f.isConnected) return;
    const r = await fetch('api/figure/' + f.dataset.kind + '?' + query() + '&width=' + width + '&theme=' + theme());
    const body = await r.text();
    if (r.ok) plot.innerHTML = body;
    else {
      let says = body;
      try { says = JSON.parse(body).error; } catch (e) { /* not JSON: shown as it is */ }
      plot.replaceChildren(make('p', { class: 'hint' }, says));
    }
    f.dataset.drawn = key;
  });
}
