'use strict';
// The page of ridgeline explore. It knows nothing of costs: it turns controls into an
// address, asks the server what that address costs, and shows the answer.
(() => {
  const $ = id => document.getElementById(id);
  const make = (tag, props = {}, ...children) => {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(props)) {
      if (k in e && typeof v !== 'string') e[k] = v; else e.setAttribute(k, v);
    }
    e.append(...children);
    return e;
  };

  let choices; // what can be chosen
  const state = { m: [], flags: {} }; // what is
  let view = null; // what it costs

  // ---- the address

  function query() {
    const q = new URLSearchParams();
    for (const m of state.m) q.append('m', m);
    for (const k of Object.keys(state.flags).sort()) if (state.flags[k] !== '') q.set(k, state.flags[k]);
    return q.toString();
  }

  function readAddress() {
    const q = new URLSearchParams(location.search || '?' + choices.start);
    state.m = q.getAll('m');
    state.flags = {};
    for (const [k, v] of q) if (k !== 'm') state.flags[k] = v;
  }

  const flag = name => {
    if (state.flags[name] !== undefined && state.flags[name] !== '') return state.flags[name];
    if (name === 'on') return 'a100-80gb';
    const c = choices.controls.find(c => c.flag === name);
    return c ? c.default : '';
  };

  function set(name, value, settled) {
    state.flags[name] = value;
    update();
    if (settled) commit();
  }

  // commit writes the state into the address, as a step one can go back from.
  function commit() {
    const to = '?' + query();
    if (to !== location.search) history.pushState(null, '', to);
  }

  // ---- asking: one question of a kind at a time, and always the newest last

  const channels = new Map();
  function ask(name, run) {
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

  function gone(e) {
    showError('The page cannot reach ridgeline: start ridgeline explore again. (' + e.message + ')');
  }

  async function json(path, options) {
    const r = await fetch(path, options);
    const body = await r.json();
    return { ok: r.ok, body };
  }

  let asked = 0;
  function update() {
    asked++;
    ask('view', async () => {
      const { ok, body } = await json('api/view?' + query());
      if (!ok) { showError(body.error, body.design); return; }
      view = body;
      showView();
    });
    drawVisible();
  }

  function showError(text, design) {
    for (const c of document.querySelectorAll('.card .design-error')) c.hidden = true;
    const card = Number.isInteger(design) ? $('designs').children[design] : null;
    if (card) {
      const e = card.querySelector('.design-error');
      e.textContent = text;
      e.hidden = false;
    }
    $('error').textContent = text;
    $('error').hidden = false;
  }

  // ---- what is shown

  function showView() {
    $('error').hidden = true;
    for (const c of document.querySelectorAll('.card .design-error')) c.hidden = true;
    $('verdict-text').textContent = view.verdict;
    $('faster').textContent = view.faster;
    $('misfits').replaceChildren(...view.misfits.map(t => make('p', { class: 'misfit' }, t)));
    $('warnings').replaceChildren(...(view.warnings || []).map(t => make('p', { class: 'warning' }, t)));
    $('setting').textContent = view.setting;
    $('command').textContent = view.command;
    const row = (cells, tag) => make('tr', {}, ...cells.map((c, i) => tag === 'th' || i === 0 ? make('th', { scope: tag === 'th' ? 'col' : 'row' }, c) : make('td', {}, c)));
    const key = JSON.stringify([view.heads, view.rows]);
    if ($('table').dataset.key !== key) $('table').replaceChildren(make('thead', {}, row(view.heads, 'th')), make('tbody', {}, ...view.rows.map(r => row(r))));
    $('table').dataset.key = key;
    $('download-report').href = 'api/download/report?' + query();
    $('download-csv').href = 'api/download/csv?' + query();
    showDesigns();
    showFigures();
    document.body.dataset.answered = String(asked);
  }

  // ---- figures

  const theme = () => document.documentElement.dataset.theme;
  const seen = new Set();
  const watcher = new IntersectionObserver(entries => {
    for (const e of entries) {
      if (e.isIntersecting) { seen.add(e.target); draw(e.target); } else seen.delete(e.target);
    }
  }, { rootMargin: '200px' });
  const sizes = new ResizeObserver(entries => {
    for (const e of entries) if (seen.has(e.target)) draw(e.target);
  });

  function showFigures() {
    const have = new Map([...$('figures').children].map(f => [f.dataset.kind, f]));
    const want = view.figures.map(f => f.kind);
    for (const [kind, f] of have) if (!want.includes(kind)) { watcher.unobserve(f); sizes.unobserve(f); seen.delete(f); f.remove(); }
    view.figures.forEach((f, n) => {
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

  function drawVisible() { for (const f of seen) draw(f); }

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

  // ---- load and device

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

  function choiceField(control) {
    const id = 'f-' + control.flag;
    const select = make('select', { id }, ...control.options.map(o => make('option', { value: o.value }, o.label)));
    select.addEventListener('change', () => set(control.flag, select.value, true));
    return { box: make('div', { class: 'field plain' }, make('label', { for: id }, control.label), select), show: () => { select.value = flag(control.flag); } };
  }

  function shareField(control, low, none) {
    const id = 'f-' + control.flag;
    const range = make('input', { type: 'range', id, min: String(low), max: '1', step: '0.05' });
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
        if (document.activeElement !== range) range.value = v === '' ? '0.5' : v;
        range.setAttribute('aria-valuetext', v === '' ? none : v);
      },
    };
  }

  const fields = [];
  function buildControls() {
    for (const c of choices.controls) {
      let f, to = $('settings-list');
      if (c.flag === 'prompt' || c.flag === 'generate') { f = lengthField(c, 4, 20, 0.125); to = $('load'); }
      else if (c.flag === 'batch') { f = lengthField(c, 0, 10, 0.125, true); to = $('load'); }
      else if (c.flag === 'gmu-ratio') f = shareField(c, 0, 'as each has it');
      else if (c.flag === 'memory-fraction') f = shareField(c, 0.05, '');
      else f = choiceField(c);
      to.append(f.box);
      fields.push(f);
    }
    for (const d of choices.devices) {
      const box = make('input', { type: 'checkbox', value: d.value });
      box.addEventListener('change', () => {
        const on = [...$('device-list').querySelectorAll('input:checked')].map(b => b.value);
        if (on.length === 0) { box.checked = true; return; } // one device at least
        set('on', on.join(','), true);
        showControls();
      });
      $('device-list').append(make('label', {}, box, ' ' + d.label + ' (' + d.value + ')'));
    }
    for (const m of [...choices.presets, ...choices.families]) $('models').append(make('option', { value: m.value }, m.label));
  }

  function showControls() {
    for (const f of fields) f.show();
    const on = flag('on').split(',');
    for (const b of $('device-list').querySelectorAll('input')) b.checked = on.includes(b.value);
    $('device-names').textContent = on.join(', ');
    $('add').setAttribute('aria-disabled', String(state.m.length >= 4));
  }

  // ---- designs

  const isText = spec => spec.startsWith('yaml:');

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

  function showDesigns() {
    const box = $('designs');
    while (box.children.length > view.designs.length) box.lastElementChild.remove();
    while (box.children.length < view.designs.length) box.append(card(box.children.length));
    view.designs.forEach((d, i) => showDesign(box.children[i], d, i));
    showControls();
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
      const b = make('button', { type: 'button', class: 'k' + (d.mixers.indexOf(l.name) % 6), tabIndex: n === 0 ? 0 : -1 }, l.name.slice(0, 4), make('small', {}, reads));
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

  // ---- files, copying, colours

  async function take(file) {
    if (state.m.length >= 4) { showError('Four designs stand beside each other: remove one first.'); return; }
    const header = 40 << 20; // of a GGUF file, whose tensors are not needed
    const { ok, body } = await json('api/import?name=' + encodeURIComponent(file.name), { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: /\.gguf$/i.test(file.name) ? file.slice(0, header) : file });
    if (!ok) { showError(body.error); return; }
    state.m.push(body.design);
    update();
    commit();
  }

  async function copyText(text, done) {
    try {
      await navigator.clipboard.writeText(text);
      $('copied').textContent = done;
    } catch (e) {
      $('copied').textContent = 'This browser does not let pages copy. Copy it by hand: ' + text;
    }
  }

  function setTheme() {
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    let kept = '';
    try { kept = localStorage.getItem('theme') || ''; } catch (e) { /* no storage: as the system */ }
    document.documentElement.dataset.theme = kept || (dark ? 'dark' : 'light');
    $('theme').value = kept;
    drawVisible();
  }

  async function start() {
    choices = (await json('api/choices')).body;
    buildControls();
    readAddress();
    setTheme();
    showControls();
    update();
    $('theme').addEventListener('change', () => {
      try { localStorage.setItem('theme', $('theme').value); } catch (e) { /* lasts as long as the page */ }
      setTheme();
      if ($('theme').value) document.documentElement.dataset.theme = $('theme').value;
      drawVisible();
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
})();
