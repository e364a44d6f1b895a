// The page of ridgeline explore. It knows nothing of costs: it turns controls into an
// address, asks the server what that address costs, and shows the answer.
import { $, commit, copyText, flag, gone, json, make, onError, onState, onView, page, query, readAddress, showTable, state, update } from './core.js';
import { buildControls, showControls } from './controls.js';
import { isText, showDesigns, showUnanswered, take } from './designs.js';
import { drawVisible, showFigures } from './figures.js';
import { buildLoad, showLoad } from './load.js';

function showView() {
  const view = page.view;
  $('error').hidden = true;
  for (const c of document.querySelectorAll('.card .design-error')) c.hidden = true;
  $('verdict-what').textContent = view.what;
  $('verdict-why').textContent = view.verdict.slice(view.what.length).replace(/^[:;] /, '');
  $('faster-asks').hidden = !view.faster;
  $('asked').textContent = view.setting.split('. ')[0] + ', ' + (flag('batch') === 'max' ? 'as many users as fit' : flag('batch') + (flag('batch') === '1' ? ' user' : ' users') + ' at once') + ':';
  $('faster').textContent = view.faster;
  $('misfits').replaceChildren(...view.misfits.map(t => make('p', { class: 'misfit' }, t)));
  $('warnings').replaceChildren(...(view.warnings || []).map(t => make('p', { class: 'warning' }, t)));
  $('remarks').replaceChildren(...view.remarks.map(t => make('p', { class: 'hint' }, t)));
  $('drafts-note').hidden = !view.drafts;
  $('setting').textContent = view.setting;
  $('command').replaceChildren(...view.command.split(' ').flatMap((w, n) => [n ? ' ' : '', make('span', {}, w)])); // no line ends within a word
  showTable($('table'), view.heads, view.rows);
  showTable($('fits'), view.fits.heads, view.fits.rows, view.fits.left);
  $('download-report').href = 'api/download/report?' + query();
  $('download-csv').href = 'api/download/csv?' + query();
  showDesigns();
  showFigures();
  showLoad();
}

function setTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  let kept = '';
  try { kept = localStorage.getItem('theme') || ''; } catch (e) { /* no storage: as the system */ }
  document.documentElement.dataset.theme = kept || (dark ? 'dark' : 'light');
  $('theme').value = kept;
  drawVisible();
  if (page.view) showLoad();
}

async function start() {
  page.choices = (await json('api/choices')).body;
  onView.push(showView);
  onState.push(drawVisible);
  onError.push(showUnanswered);
  buildControls();
  buildLoad();
  readAddress();
  setTheme();
  showControls();
  update();
  $('theme').addEventListener('change', () => {
    try { localStorage.setItem('theme', $('theme').value); } catch (e) { /* lasts as long as the page */ }
    setTheme();
    if ($('theme').value) document.documentElement.dataset.theme = $('theme').value;
    drawVisible();
    if (page.view) showLoad();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', setTheme);
  addEventListener('popstate', () => { readAddress(); showControls(); update(); });
  $('add').addEventListener('click', () => {
    if (state.m.length >= 4) return;
    state.m.push('sambay(d=16)');
    update();
    commit();
  });
  $('open-file').addEventListener('click', () => $('file').click());
  $('file').addEventListener('change', () => { if ($('file').files[0]) take($('file').files[0]).catch(gone); $('file').value = ''; });
  $('copy-command').addEventListener('click', () => copyText($('command').textContent, 'The command is copied. ' + (state.m.some(isText) ? 'Download the model files beside it first.' : '')));
  $('copy-address').addEventListener('click', () => { commit(); copyText(location.href, 'The address is copied: it holds all of this page.'); });
  addEventListener('dragover', e => { e.preventDefault(); document.body.classList.add('dropping'); });
  addEventListener('dragleave', () => document.body.classList.remove('dropping'));
  addEventListener('drop', e => {
    e.preventDefault();
    document.body.classList.remove('dropping');
    if (e.dataTransfer.files[0]) take(e.dataTransfer.files[0]).catch(gone);
  });
}

start().catch(gone);
