// A load that is simulated: in the background, with progress, given up when the state changes.
import { $, copyText, flag, make, page, query, set, showTable } from './core.js';
import { showControls } from './controls.js';
import { theme } from './figures.js';

let wanted = ''; // the question that is asked or answered
let timer = 0;
let running = null;

// users is how many a click on the button simulates: the batch, or sixteen.
const users = () => /^\d+$/.test(flag('batch')) && Number(flag('batch')) > 1 ? flag('batch') : '16';

export function buildLoad() {
  $('simulate').addEventListener('click', () => {
    set('serve', 'clients=' + users(), true);
    showControls();
  });
  $('load-copy').addEventListener('click', () => copyText(page.view.load.command, 'The command that draws this figure is copied.'));
  new ResizeObserver(() => { if (page.view) showLoad(); }).observe($('load-plot'));
}

// showLoad asks for the load of the state, once sliders have come to rest.
export function showLoad() {
  const asks = page.view.load;
  $('load-offer').hidden = Boolean(asks);
  $('load-result').hidden = !asks;
  $('simulate').textContent = 'Simulate ' + users() + ' users';
  const section = $('under-load');
  if (!asks) {
    stop();
    wanted = '';
    section.dataset.shown = '';
    section.setAttribute('aria-busy', 'false');
    return;
  }
  const width = Math.max(200, Math.min(4000, Math.round($('load-plot').clientWidth)));
  const key = query() + '&width=' + width + '&theme=' + theme();
  if (key === wanted) return;
  stop();
  wanted = key;
  section.setAttribute('aria-busy', 'true');
  $('load-says').textContent = 'To simulate: ' + asks.text + '.';
  timer = setTimeout(() => simulate(key, asks), 250);
}

function stop() {
  clearTimeout(timer);
  if (running) running.abort();
  running = null;
}

async function simulate(key, asks) {
  const mine = new AbortController();
  running = mine;
  const bar = $('load-progress');
  bar.removeAttribute('value');
  bar.hidden = false;
  try {
    const r = await fetch('api/load?' + key, { signal: mine.signal });
    const lines = r.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await lines.read();
      if (done) break;
      const all = (rest + value).split('\n');
      rest = all.pop();
      for (const line of all) hear(JSON.parse(line), key, asks);
    }
  } catch (e) {
    if (mine.signal.aborted) return; // another question was asked
    $('load-says').textContent = 'The simulation broke off: ' + e.message;
  }
  if (running === mine) running = null;
  bar.hidden = true;
}

function hear(said, key, asks) {
  if (key !== wanted) return;
  if (said.total) {
    $('load-progress').max = said.total;
    $('load-progress').value = said.done;
    $('load-progress').textContent = said.done + ' of ' + said.total + ' runs';
    return;
  }
  const section = $('under-load');
  section.setAttribute('aria-busy', 'false');
  section.dataset.shown = key;
  if (said.error) {
    $('load-says').textContent = said.error;
    $('load-table').replaceChildren();
    $('load-table').dataset.key = '';
    $('load-notes').replaceChildren();
    $('load-plot').replaceChildren();
    return;
  }
  const { heads, rows, notes, svg } = said.result;
  $('load-says').textContent = 'Simulated: ' + asks.text + '.';
  showTable($('load-table'), heads, rows);
  $('load-notes').replaceChildren(...notes.map(n => make('p', { class: 'hint' }, n)));
  $('load-plot').innerHTML = svg;
}
