// The designs: their knobs, layers and files.
import { $, ask, commit, json, make, page, query, showError, state, update } from './core.js';
import { showControls } from './controls.js';

export const isText = spec => spec.startsWith('yaml:');

function edit(i, change, settled) {
  ask('edit ' + i, async () => {
    const { ok, body } = await json('api/edit', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ design: state.m[i], ...change }) });
    if (!ok) { showError('design ' + (i + 1) + ': ' + body.error, i); return; }
    state.m[i] = body.design;
    update();
    if (settled) commit();
  });
}

function card(i) {
  const spec = make('input', { type: 'text', class: 'spec', list: 'models', spellcheck: 'false', autocomplete: 'off' });
  spec.setAttribute('aria-label', 'Model of design ' + (i + 1));
  const remove = make('button', { type: 'button' }, 'Remove');
  remove.setAttribute('aria-label', 'Remove design ' + (i + 1));
  const layers = make('ol', { class: 'layers' });
  const text = make('textarea', { spellcheck: 'false' });
  text.setAttribute('aria-label', 'Model file of design ' + (i + 1));
  const layout = make('input', { type: 'text', class: 'layout-text', spellcheck: 'false', autocomplete: 'off' });
  layout.setAttribute('aria-label', 'Layout of design ' + (i + 1));
  const apply = make('button', { type: 'button' }, 'Apply');
  const save = make('a', { class: 'button', href: '#', download: '' }, 'Download');
  const e = make('section', { class: 'card' },
    make('div', { class: 'head' }, make('h3', {}, i === 0 ? 'Design 1, the baseline' : 'Design ' + (i + 1)), remove), spec,
    make('div', { class: 'design-error error', hidden: true }),
    make('div', { class: 'knobs' }),
    make('details', { open: i < 2 && innerWidth > 900 }, make('summary', {}, 'Layout'), layers, make('p', { class: 'tell hint' }), make('div', { class: 'editor' }), layout),
    make('details', {}, make('summary', {}, 'Model file'), text, make('p', {}, apply, ' ', save)));
  e.setAttribute('aria-label', 'Design ' + (i + 1));
  spec.addEventListener('change', () => { state.m[i] = spec.value.trim(); update(); commit(); });
  remove.addEventListener('click', () => {
    if (state.m.length < 2) return; // one design at least
    state.m.splice(i, 1);
    update();
    commit();
  });
  apply.addEventListener('click', () => edit(i, { op: 'text', value: text.value }, true));
  layout.addEventListener('change', () => edit(i, { op: 'layout', value: layout.value }, true));
  save.addEventListener('click', () => { save.href = 'api/download/yaml?' + query() + '&design=' + i; });
  layers.addEventListener('keydown', ev => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -1e6, End: 1e6 }[ev.key];
    if (!step) return;
    ev.preventDefault();
    const all = [...layers.querySelectorAll('button')];
    const at = Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement) + step));
    for (const b of all) b.tabIndex = b === all[at] ? 0 : -1;
    all[at].focus();
  });
  return e;
}

export function showDesigns() {
  const box = $('designs');
  while (box.children.length > page.view.designs.length) box.lastElementChild.remove();
  while (box.children.length < page.view.designs.length) box.append(card(box.children.length));
  page.view.designs.forEach((d, i) => showDesign(box.children[i], d, i));
  showControls();
}

// showUnanswered shows the designs of a state that never had an answer, so that they can be
// changed.
export function showUnanswered() {
  if (page.view) return;
  const box = $('designs');
  while (box.children.length > state.m.length) box.lastElementChild.remove();
  while (box.children.length < state.m.length) box.append(card(box.children.length));
  state.m.forEach((m, i) => {
    const spec = box.children[i].querySelector('.spec');
    spec.value = isText(m) ? 'a model file' : m;
    box.children[i].querySelector('textarea').value = isText(m) ? m.slice(5) : '';
  });
}

function showDesign(e, d, i) {
  const spec = e.querySelector('.spec');
  if (document.activeElement !== spec) spec.value = isText(d.spec) ? d.name + ' (model file below)' : d.spec;
  spec.readOnly = isText(d.spec);
  showKnobs(e.querySelector('.knobs'), d, i);
  const key = JSON.stringify(d.layers) + d.spec;
  if (e.dataset.layers !== key) {
    e.dataset.layers = key;
    showLayers(e, d, i);
    const layout = e.querySelector('.layout-text');
    if (document.activeElement !== layout) layout.value = /^layout:\s*(.*)$/m.exec(d.yaml)[1];
    const text = e.querySelector('textarea');
    if (document.activeElement !== text) text.value = d.yaml;
  }
}

function showKnobs(box, d, i) {
  const keys = d.knobs.map(k => k.key).join();
  if (box.dataset.keys !== keys) {
    box.dataset.keys = keys;
    box.replaceChildren(...d.knobs.map(k => {
      const id = 'k-' + i + '-' + k.key;
      const range = make('input', { type: 'range', id, 'data-key': k.key, min: String(k.min), max: String(Math.max(k.max, k.value)), step: String(k.step) });
      const text = make('input', { type: 'text', autocomplete: 'off' });
      text.setAttribute('aria-label', k.label + ' of design ' + (i + 1) + ', exact');
      range.addEventListener('input', () => { text.value = range.value; edit(i, { op: 'knob', key: k.key, value: range.value }, false); });
      range.addEventListener('change', () => edit(i, { op: 'knob', key: k.key, value: range.value }, true));
      text.addEventListener('change', () => edit(i, { op: 'knob', key: k.key, value: text.value.trim() }, true));
      return make('div', { class: 'field' }, make('label', { for: id }, k.label), range, text);
    }));
  }
  d.knobs.forEach((k, n) => {
    const [range, text] = box.children[n].querySelectorAll('input');
    if (document.activeElement !== range) range.value = String(k.value);
    if (document.activeElement !== text) text.value = String(Math.round(k.value * 1000) / 1000);
  });
}

// tell says of a layer what it keeps and reads, and who reads it.
function tell(d, n) {
  const l = d.layers[n];
  const list = of => d.layers.map((x, k) => of(x) === n ? k + 1 : 0).filter(k => k);
  const parts = [];
  if (l.caches) parts.push(l.window ? 'keeps a KV cache of the last ' + l.window.toLocaleString('en') + ' tokens' : 'keeps a KV cache of every token');
  if (l.state) parts.push('carries a recurrent state');
  if (l.cache_of !== undefined) parts.push('reads the cache of layer ' + (l.cache_of + 1));
  if (l.memory_of !== undefined) parts.push('gates the memory of layer ' + (l.memory_of + 1));
  const readers = list(x => x.cache_of), gates = list(x => x.memory_of);
  if (readers.length) parts.push('its cache is read by layers ' + readers.join(', '));
  if (gates.length) parts.push('its memory is gated by layers ' + gates.join(', '));
  return 'Layer ' + (n + 1) + ', ' + l.name + (l.shape ? ' (' + l.shape + ')' : '') + ': ' + (parts.join('; ') || 'keeps nothing') + '. Feed-forward: ' + (l.ffn || 'none') + '.';
}

function showLayers(e, d, i) {
  const box = e.querySelector('.layers'), says = e.querySelector('.tell'), editor = e.querySelector('.editor');
  const held = box.contains(document.activeElement) ? [...box.querySelectorAll('button')].indexOf(document.activeElement) : -1;
  const link = n => {
    const l = d.layers[n];
    [...box.children].forEach((li, k) => li.firstChild.classList.toggle('linked', k === l.cache_of || k === l.memory_of || d.layers[k].cache_of === n || d.layers[k].memory_of === n));
    says.textContent = tell(d, n);
  };
  box.replaceChildren(...d.layers.map((l, n) => {
    const reads = l.cache_of !== undefined ? '←' + (l.cache_of + 1) : l.memory_of !== undefined ? '⇠' + (l.memory_of + 1) : l.label ? '@' : l.caches && !l.window ? '▪' : '';
    const b = make('button', { type: 'button', class: 'k' + (d.mixers.indexOf(l.name) % 6), tabIndex: n === 0 ? 0 : -1 }, l.name.split('_')[0].slice(0, 6), make('small', {}, reads));
    b.setAttribute('aria-label', tell(d, n));
    b.setAttribute('aria-pressed', 'false');
    b.addEventListener('mouseenter', () => link(n));
    b.addEventListener('focus', () => link(n));
    b.addEventListener('click', () => {
      for (const o of box.querySelectorAll('button')) o.setAttribute('aria-pressed', String(o === b));
      link(n);
      const id = 'mixer-' + i;
      const select = make('select', { id }, ...d.mixers.map(m => make('option', { value: m }, m)));
      select.value = l.name;
      select.addEventListener('change', () => edit(i, { op: 'mixer', layer: n, value: select.value }, true));
      const again = make('button', { type: 'button' }, 'Repeat it'), remove = make('button', { type: 'button' }, 'Remove it');
      again.addEventListener('click', () => edit(i, { op: 'repeat', layer: n }, true));
      remove.addEventListener('click', () => edit(i, { op: 'remove', layer: n }, true));
      editor.replaceChildren(make('label', { for: id }, 'Layer ' + (n + 1) + ' is'), select, again, remove);
    });
    return make('li', {}, b);
  }));
  editor.replaceChildren();
  says.textContent = 'Choose a layer to see what it keeps and reads, and to change it. ← reads a cache, ⇠ gates a memory, ▪ keeps a full cache, @ has a label.';
  if (held >= 0 && box.children[held]) { // a change keeps the keyboard where it was
    const b = box.children[held].firstChild;
    b.tabIndex = 0;
    b.focus();
  }
}

export async function take(file) {
  if (state.m.length >= 4) { showError('Four designs stand beside each other: remove one first.'); return; }
  const header = 40 << 20; // of a GGUF file, whose tensors are not needed
  const { ok, body } = await json('api/import?name=' + encodeURIComponent(file.name), { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: /\.gguf$/i.test(file.name) ? file.slice(0, header) : file });
  if (!ok) { showError(body.error); return; }
  state.m.push(body.design);
  update();
  commit();
}
