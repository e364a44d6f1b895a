// What the parts of the page share: the state, its address, and how the server is asked.
export const $ = id => document.getElementById(id);
export const make = (tag, props = {}, ...children) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k in e && typeof v !== 'string') e[k] = v; else e.setAttribute(k, v);
  }
  e.append(...children);
  return e;
};

// showTable fills a table, unless it shows just that.
export function showTable(table, heads, rows, left = []) {
  const key = JSON.stringify([heads, rows]);
  if (table.dataset.key === key) return;
  const row = (cells, tag) => make('tr', {}, ...cells.map((c, i) => {
    const e = tag === 'th' || i === 0 ? make('th', { scope: tag === 'th' ? 'col' : 'row' }, c) : make('td', {}, c);
    if (left[i]) e.className = 'text';
    return e;
  }));
  table.replaceChildren(make('thead', {}, row(heads, 'th')), make('tbody', {}, ...rows.map(r => row(r))));
  table.dataset.key = key;
}

export const page = { choices: null, view: null }; // what can be chosen, and what the state costs
export const state = { m: [], flags: {} }; // what is
export const onView = []; // called when an answer has come
export const onState = []; // called when the state has changed
export const onError = []; // called when a question has no answer

// ---- the address

export function query() {
  const q = new URLSearchParams();
  for (const m of state.m) q.append('m', m);
  for (const k of Object.keys(state.flags).sort()) if (state.flags[k] !== '') q.set(k, state.flags[k]);
  return q.toString();
}

export function readAddress() {
  const q = new URLSearchParams(location.search || '?' + page.choices.start);
  state.m = q.getAll('m');
  state.flags = {};
  for (const [k, v] of q) if (k !== 'm') state.flags[k] = v;
}

export const flag = name => {
  if (state.flags[name] !== undefined && state.flags[name] !== '') return state.flags[name];
  if (name === 'on') return 'a100-80gb';
  const c = page.choices.controls.find(c => c.flag === name);
  return c ? c.default : '';
};

export function set(name, value, settled) {
  state.flags[name] = value;
  update();
  if (settled) commit();
}

// commit writes the state into the address, as a step one can go back from.
export function commit() {
  const to = '?' + query();
  if (to !== location.search) history.pushState(null, '', to);
}

// ---- asking: one question of a kind at a time, and always the newest last

const channels = new Map();
export function ask(name, run) {
  const c = channels.get(name) || { busy: false, next: null };
  channels.set(name, c);
  if (c.busy) { c.next = run; return; }
  c.busy = true;
  run().catch(gone).finally(() => {
    c.busy = false;
    const next = c.next;
    c.next = null;
    if (next) ask(name, next);
  });
}

export function gone(e) {
  showError('The page cannot reach ridgeline: start ridgeline explore again. (' + e.message + ')');
}

export async function json(path, options) {
  const r = await fetch(path, options);
  const body = await r.json();
  return { ok: r.ok, body };
}

let asked = 0;
export function update() {
  asked++;
  ask('view', async () => {
    const { ok, body } = await json('api/view?' + query());
    if (!ok) { showError(body.error, body.design); return; }
    page.view = body;
    document.body.classList.remove('stale', 'blank');
    for (const show of onView) show();
    document.body.dataset.answered = String(asked);
  });
  for (const show of onState) show();
}

export function showError(text, design) {
  for (const show of onError) show();
  for (const c of document.querySelectorAll('.card .design-error')) c.hidden = true;
  const card = Number.isInteger(design) ? $('designs').children[design] : null;
  if (card) {
    const e = card.querySelector('.design-error');
    e.textContent = text;
    e.hidden = false;
  }
  document.body.classList.add('stale'); // what is shown belongs to the last state that had an answer
  $('error').textContent = text;
  $('error').hidden = false;
}

export async function copyText(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    $('copied').textContent = done;
  } catch (e) {
    $('copied').textContent = 'This browser does not let pages copy. Copy it by hand: ' + text;
  }
}
