// The controls of load, device, formats and kernels.
import { $, commit, flag, make, page, set, state } from './core.js';

const nice = v => {
  if (v < 100) return Math.max(1, Math.round(v));
  const p = 10 ** (Math.floor(Math.log10(v)) - 1);
  return Math.round(v / p) * p;
};
const suffixes = { k: 1e3, K: 1e3, m: 1e6, M: 1e6, Ki: 1024, Mi: 1048576 };
const count = text => {
  const m = /^([\d.]+(?:e\d+)?)(Ki|Mi|k|K|m|M)?$/.exec(text.trim());
  return m ? Number(m[1]) * (suffixes[m[2]] || 1) : NaN;
};

function lengthField(control, low, high, step, max) {
  const id = 'f-' + control.flag;
  const range = make('input', { type: 'range', id, min: String(low), max: String(high), step: String(step) });
  const text = make('input', { type: 'text', id: id + '-text', spellcheck: 'false', autocomplete: 'off' });
  text.setAttribute('aria-label', control.label + ', exact');
  const box = make('div', { class: 'field' }, make('label', { for: id }, control.label), range, text);
  let all = null;
  if (max) {
    all = make('input', { type: 'checkbox', id: id + '-max' });
    box.append(make('label', { class: 'extra' }, all, ' the largest that fits'));
    all.addEventListener('change', () => set(control.flag, all.checked ? 'max' : String(nice(2 ** Number(range.value))), true));
  }
  range.addEventListener('input', () => {
    const v = String(nice(2 ** Number(range.value)));
    text.value = v;
    range.setAttribute('aria-valuetext', v);
    if (all) all.checked = false;
    set(control.flag, v, false);
  });
  range.addEventListener('change', commit);
  text.addEventListener('change', () => set(control.flag, text.value.trim(), true));
  const show = () => {
    const v = flag(control.flag);
    if (document.activeElement !== text) text.value = v;
    if (all) all.checked = v === 'max';
    const n = count(v);
    if (document.activeElement !== range && n > 0) range.value = String(Math.log2(n));
    range.setAttribute('aria-valuetext', v);
  };
  return { box, show };
}

// choose shows a value of a list, also one that is not on it.
function choose(select, v) {
  if (![...select.options].some(o => o.value === v)) select.append(make('option', { value: v }, v));
  select.value = v;
}

function choiceField(control, chosen = v => set(control.flag, v, true)) {
  const id = 'f-' + control.flag;
  const select = make('select', { id }, ...control.options.map(o => make('option', { value: o.value }, o.label)));
  select.addEventListener('change', () => chosen(select.value));
  return { box: make('div', { class: 'field plain' }, make('label', { for: id }, control.label), select), show: () => choose(select, flag(control.flag)) };
}

// openOnce opens what a setting stands in, the first time that it is set: who closes it again
// wants it closed.
const opened = new Set();
function openOnce(id) {
  if (!opened.has(id)) { opened.add(id); $(id).open = true; }
}

// numberField is a number between two, with a slider; none says what an empty one stands for.
function numberField(control, low, high, step, none) {
  const id = 'f-' + control.flag;
  const range = make('input', { type: 'range', id, min: String(low), max: String(high), step: String(step) });
  const text = make('input', { type: 'text', id: id + '-text', autocomplete: 'off', placeholder: none || '' });
  text.setAttribute('aria-label', control.label + ', exact');
  range.addEventListener('input', () => { text.value = range.value; set(control.flag, range.value, false); });
  range.addEventListener('change', commit);
  text.addEventListener('change', () => set(control.flag, text.value.trim(), true));
  return {
    box: make('div', { class: 'field' }, make('label', { for: id }, control.label + (none ? ' (empty: ' + none + ')' : '')), range, text),
    show: () => {
      const v = flag(control.flag);
      if (document.activeElement !== text) text.value = v;
      if (document.activeElement !== range) range.value = v === '' ? String((low + high) / 2) : v;
      range.setAttribute('aria-valuetext', v === '' ? none : v);
    },
  };
}

// draftField is what drafts tokens. It brings a share of them that is accepted along, which
// nobody can know but from measuring, and takes with it what means nothing without a draft.
function draftField(control) {
  const { box, show } = choiceField(control, v => {
    if (!v) for (const n of ['draft-tokens', 'acceptance']) delete state.flags[n];
    else if (!flag('acceptance')) state.flags.acceptance = '0.6';
    set(control.flag, v, true);
    showControls();
  });
  return { box, show: () => {
    show();
    for (const n of ['draft-tokens', 'acceptance']) $('f-' + n).closest('.field').hidden = !flag('draft');
    if (flag('draft') || flag('prefix-share') !== '0') openOnce('drafts');
  } };
}

function textField(control, example, label) {
  const id = 'f-' + control.flag;
  const text = make('input', { type: 'text', id, autocomplete: 'off', spellcheck: 'false', placeholder: example });
  text.addEventListener('change', () => set(control.flag, text.value.trim(), true));
  return {
    box: make('div', { class: 'field plain' }, make('label', { for: id }, label), text),
    show: () => { if (document.activeElement !== text) text.value = flag(control.flag); },
  };
}

// readServe takes --serve apart; what the page has no control for is kept as it is.
function readServe(text) {
  const parts = new Map(text.split(',').filter(p => p.trim()).map(p => {
    const [name, ...v] = p.trim().split('=');
    return [name, v.join('=')];
  }));
  return parts;
}

// serveField is the simulated load: clients that always ask, or requests that come at a rate.
function serveField(control) {
  const option = ([value, label]) => make('option', { value }, label);
  const kind = make('select', { id: 'f-serve' }, ...[['', 'none'], ['clients', 'users who ask again at once'], ['rate', 'requests a second']].map(option));
  const range = make('input', { type: 'range', id: 'f-serve-amount', step: '0.125' });
  const text = make('input', { type: 'text', id: 'f-serve-amount-text', autocomplete: 'off', 'aria-label': 'Users, exact' });
  const engine = make('select', { id: 'f-serve-engine' }, option(['', 'as usual']), ...control.options.map(o => option([o.value, o.label])));
  const spread = make('select', { id: 'f-serve-spread' }, ...[['', 'all alike'], ['normal:0.3', 'normal, ±30 %'], ['lognormal:0.5', 'lognormal, ±50 %'], ['lognormal:1', 'lognormal, ±100 %']].map(option));
  const label = make('label', { for: 'f-serve-amount' }, '');
  const amount = make('div', { class: 'field' }, label, range, text);
  const more = make('div', {}, amount,
    make('div', { class: 'field plain' }, make('label', { for: 'f-serve-engine' }, 'Serving engine'), engine),
    make('div', { class: 'field plain' }, make('label', { for: 'f-serve-spread' }, 'Lengths of prompts and answers'), spread));
  const box = make('div', {}, make('div', { class: 'field plain' }, make('label', { for: 'f-serve' }, control.label), kind), more);
  const number = () => {
    const v = 2 ** Number(range.value);
    return kind.value === 'rate' ? String(Number(v.toPrecision(2))) : String(nice(v));
  };
  const put = settled => {
    const p = readServe(flag('serve'));
    for (const n of ['clients', 'concurrency', 'rate', 'engine', 'spread']) p.delete(n);
    const all = [kind.value + '=' + text.value.trim()];
    if (engine.value) all.push('engine=' + engine.value);
    if (spread.value) all.push('spread=' + spread.value);
    for (const [n, v] of p) all.push(n + '=' + v);
    set('serve', kind.value ? all.join(',') : '', settled);
    show();
  };
  const bounds = () => {
    [range.min, range.max] = kind.value === 'rate' ? ['-4', '8'] : ['0', '10'];
    label.textContent = kind.value === 'rate' ? 'Requests a second' : 'Users';
    text.setAttribute('aria-label', label.textContent + ', exact');
  };
  kind.addEventListener('change', () => {
    bounds();
    range.value = kind.value === 'rate' ? '0' : '4';
    text.value = number();
    put(true);
  });
  range.addEventListener('input', () => { text.value = number(); range.setAttribute('aria-valuetext', text.value); put(false); });
  range.addEventListener('change', commit);
  text.addEventListener('change', () => put(true));
  for (const s of [engine, spread]) s.addEventListener('change', () => put(true));
  function show() {
    const p = readServe(flag('serve'));
    const clients = p.get('clients') || p.get('concurrency');
    kind.value = clients !== undefined ? 'clients' : p.has('rate') ? 'rate' : '';
    more.hidden = !kind.value;
    if (!kind.value) return;
    bounds();
    const v = clients !== undefined ? clients : p.get('rate');
    if (document.activeElement !== text) text.value = v;
    if (document.activeElement !== range && Number(v) > 0) range.value = String(Math.log2(Number(v)));
    range.setAttribute('aria-valuetext', v);
    choose(engine, p.get('engine') || '');
    choose(spread, p.get('spread') || '');
    if (flag('serve')) openOnce('under');
  }
  return { box, show };
}

const fields = [];
const build = {
  prompt: c => lengthField(c, 4, 20, 0.125),
  generate: c => lengthField(c, 4, 20, 0.125),
  batch: c => lengthField(c, 0, 10, 0.125, true),
  serve: serveField,
  slo: c => textField(c, 'ttft=500ms,tpot=50ms', 'Promise: how many users can be served so that 99 % of their requests meet it'),
  price: c => textField(c, '3.50, h200=3.50,l4=0.80, examples', 'Price, USD an hour of one device'),
  microbatches: c => textField(c, 'as many as stages', c.label),
  skew: c => numberField(c, 1, 4, 0.05),
  'gmu-ratio': c => numberField(c, 0, 1, 0.05, 'as each has it'),
  'memory-fraction': c => numberField(c, 0.05, 1, 0.05),
  'prefix-share': c => numberField(c, 0, 1, 0.05),
  draft: draftField,
  'draft-tokens': c => numberField(c, 0, 16, 1),
  acceptance: c => numberField(c, 0, 1, 0.05),
};

export function buildControls() {
  for (const c of page.choices.controls) {
    const f = (build[c.flag] || choiceField)(c);
    $(c.group === 'load' ? 'load' : c.group + '-list').append(f.box);
    fields.push(f);
  }
  for (const d of page.choices.devices) {
    const box = make('input', { type: 'checkbox', value: d.value });
    box.addEventListener('change', () => {
      const on = [...$('device-list').querySelectorAll('input:checked')].map(b => b.value);
      if (on.length === 0) { box.checked = true; return; } // one device at least
      set('on', on.join(','), true);
      showControls();
    });
    $('f-on').append(make('option', { value: d.value }, d.label + ' (' + d.value + ')'));
    $('device-list').append(make('label', {}, box, ' ' + d.label + ' (' + d.value + ')'));
  }
  $('f-on').append(make('option', { value: '', hidden: true }, 'several, chosen below'));
  $('f-on').addEventListener('change', () => { set('on', $('f-on').value, true); showControls(); });
  for (const m of [...page.choices.presets, ...page.choices.families]) $('models').append(make('option', { value: m.value }, m.label));
}

export function showControls() {
  for (const f of fields) f.show();
  const on = flag('on').split(',');
  for (const b of $('device-list').querySelectorAll('input')) b.checked = on.includes(b.value);
  $('f-on').value = on.length === 1 ? on[0] : '';
  $('device-names').textContent = on.length > 1 ? on.join(', ') : 'none';
  $('add').setAttribute('aria-disabled', String(state.m.length >= 4));
}
