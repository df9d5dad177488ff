'use strict';
(() => {
  const report = JSON.parse(document.getElementById('report').textContent);
  const tiers = report.tiers;
  // A kernel of the workload's own has a column and no walls to take away.
  const hasOwnKernel = (tier) => tier.startsWith('kernel');
  const last = tiers.filter((tier) => !hasOwnKernel(tier)).pop() || tiers[tiers.length - 1];
  const walled = tiers.filter((tier) => tier !== 'none');

  // Everything from the report goes in as text, never as markup.
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (key === 'class') element.className = value;
      else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value === true ? '' : value);
    }
    for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
    return element;
  };
  const byId = (id) => document.getElementById(id);
  const plural = (n, one, many = one + 's') => `${n} ${n === 1 ? one : many}`;

  const isStopped = (cell) => cell.kind !== 'allowed' && cell.kind !== 'not-applicable';
  const toneOf = (operation, tier) => {
    const cell = operation.tiers[tier];
    if (!cell) return 'unknown';
    if (cell.broken) return 'broken';
    if (cell.kind === 'allowed') return tier === 'none' ? 'bare' : 'allowed';
    return operation.control.found && isStopped(cell) ? 'stopped' : 'unknown';
  };
  const wallsOf = (cell) => [...(cell.blocker.walls || []), ...(cell.blocker.together || [])];

  const state = { text: '', kind: 'all', wall: null };

  function facts() {
    const runs = report.experiments.filter((experiment) => experiment.walls).length;
    const who = report.caller_uid === 0 ? 'root' : `an ordinary user (uid ${report.caller_uid})`;
    byId('facts').textContent = `${report.operations.length} things that hostile code would try, in ${runs} runs behind different walls on ` +
      `${report.kernel} (${report.machine}), called by ${who}, the workload being uid ${report.workload_uid}. ` +
      `${report.started.replace('T', ' ').replace('Z', ' UTC')}, Sandstone ${report.sandstone}.`;
  }

  function tierCards() {
    for (const tier of tiers) {
      const sum = report.summary[tier];
      const rest = sum.operations - sum.stopped - sum.allowed;
      const parts = [['stopped', sum.stopped], ['broken', sum.broken], ['allowed', sum.allowed - sum.broken], ['unknown', rest]];
      const bar = make('div', { class: 'bar', role: 'img', 'aria-label': `${sum.stopped} stopped, ${sum.allowed} allowed, ${rest} without control` },
        parts.filter(([, n]) => n > 0).map(([name, n]) => { const part = make('i', { class: name, title: `${n} ${name === 'unknown' ? 'without control' : name}` }); part.style.flex = n; return part; }));
      let promise = 'promises nothing';
      if (sum.promised) promise = `${sum.kept} of ${sum.promised} promises kept` + (sum.untried ? `, ${sum.untried} cannot be tried on this host` : '');
      byId('tiers').append(make('div', { class: 'tier' }, make('h3', {}, tier),
        make('div', { class: 'count' }, String(sum.stopped), make('small', {}, (sum.own ? ` stopped, ${sum.own} of them inside only` : ' stopped') + ` · ${sum.allowed} allowed`)), bar,
        sum.broken ? make('p', { class: 'bad' }, `${plural(sum.broken, 'promise')} broken`) : null, make('p', {}, promise)));
    }
  }

  function strata() {
    const whole = report.experiments.find((experiment) => experiment.kind === 'tier' && experiment.tier === last && experiment.walls);
    const walls = whole ? whole.walls : [];
    byId('strata-tier').textContent = `tier ${last}, in the order in which they are raised`;
    const count = (wall) => {
      let only = 0, shared = 0;
      for (const operation of report.operations) {
        const cell = operation.tiers[last];
        if (!cell || !isStopped(cell) || !operation.control.found || !wallsOf(cell).includes(wall)) continue;
        if (cell.blocker.kind === 'decisive' || cell.blocker.kind === 'joint') ++only; else ++shared;
      }
      return { wall, only, shared };
    };
    const counts = walls.map(count);
    const most = Math.max(1, ...counts.map((c) => c.only + c.shared));
    for (const { wall, only, shared } of counts) {
      const width = (n) => `${(100 * n) / most}%`;
      const a = make('span', { class: 'only' }); a.style.width = width(only);
      const b = make('span', { class: 'shared' }); b.style.width = width(shared);
      const kept = report.experiments.some((e) => e.kind === 'without' && e.tier === last && e.wall === wall && e.not_run);
      const nothing = kept ? 'others stand on it' : 'nothing that is tried here';
      const figure = only + shared === 0 ? nothing : `${only} by it alone · ${shared} shared`;
      byId('strata').append(make('li', {}, make('button', {
        type: 'button', class: only + shared === 0 ? 'idle' : '', 'aria-pressed': 'false', 'data-wall': wall,
        onclick: () => { state.wall = state.wall === wall ? null : wall; refresh(); },
      }, make('span', { class: 'wall' }, wall), make('span', { class: 'track', 'aria-hidden': 'true' }, a, b), make('span', { class: 'figure' }, figure))));
    }
  }

  const kinds = [
    ['all', 'all', () => true],
    ['stopped', `stopped on ${last}`, (o) => toneOf(o, last) === 'stopped'],
    ['allowed', `allowed on ${last}`, (o) => o.tiers[last] && o.tiers[last].kind === 'allowed'],
    ['broken', 'broken promises', (o) => tiers.some((tier) => o.tiers[tier] && o.tiers[tier].broken)],
    ['unknown', 'no control', (o) => !o.control.found],
  ].filter(([name, , test]) => name === 'all' || report.operations.some(test));

  function filters() {
    for (const [name, label, test] of kinds) {
      byId('kinds').append(make('button', { type: 'button', 'data-kind': name, 'aria-pressed': 'false', onclick: () => { state.kind = name; refresh(); } },
        `${label} ${name === 'all' ? '' : report.operations.filter(test).length}`.trim()));
    }
    byId('find').addEventListener('input', (event) => { state.text = event.target.value.trim().toLowerCase(); refresh(); });
    byId('filters').addEventListener('submit', (event) => event.preventDefault());
    byId('clear').addEventListener('click', () => { state.wall = null; refresh(); });
  }

  function sentence(operation, tier) {
    const cell = operation.tiers[tier];
    if (cell.kind === 'own') return 'It was had of the kernel that the workload has to itself; the host’s side saw nothing of it.';
    const { kind, walls = [], together = [] } = cell.blocker;
    const list = (names, word) => names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${word} ${names[names.length - 1]}`;
    if (cell.broken) return 'This tier promises to stop it, and it was allowed.';
    if (cell.kind === 'allowed') return tier === 'none' ? 'Nothing stands in its way.' : 'No wall of this tier stands in its way, and none promises to.';
    switch (kind) {
      case 'decisive': return `Take ${walls[0]} away, and it succeeds.`;
      case 'joint': return `Take ${list(walls, 'or')} away, and it succeeds: only together do they stop it.`;
      case 'redundant': return `Taking one wall away changes nothing: ${list(walls, 'and')} each stop it alone.`;
      case 'not-separable': return walls.length ? `${walls[0]} stops it; this caller cannot take that wall away alone to make sure.` : 'The walls that stop it cannot be told apart by this caller.';
      case 'combined': return (walls.length ? `${list(walls, 'and')} ${walls.length > 1 ? 'each stop' : 'stops'} it alone` : 'No wall stops it alone') +
        (together.length ? `; so do ${list(together, 'and')} together.` : '; so do others together.');
      case 'no-control': return 'It never succeeds on this host, so nothing can be learned from its failure.';
      default: return '';
    }
  }

  // What happened with each wall taken away, and with each alone.
  function ablation(operation) {
    const trial = (test) => { const at = report.experiments.findIndex((e, i) => test(e) && operation.trials[i]); return at < 0 ? '' : operation.trials[at]; };
    const whole = report.experiments.find((e) => e.kind === 'tier' && e.tier === last && e.walls);
    if (!whole || !report.experiments.some((e) => e.kind === 'without')) return null;
    const square = (word, title, key) => {
      if (!word || word === 'not applicable') return make('td', {}, make('i', { class: 'blank', title: `${title}: could not be tried`, role: 'img', 'aria-label': `${title}: could not be tried` }, '·'));
      const open = word === 'allowed';
      const name = key && open ? 'key' : open ? 'open' : 'held';
      return make('td', {}, make('i', { class: name, title: `${title}: ${word}`, role: 'img', 'aria-label': `${title}: ${word}` }, open ? '○' : '■'));
    };
    const rows = walled.filter((tier) => report.experiments.some((e) => e.kind === 'without' && e.tier === tier)).map((tier) => {
      const mine = report.experiments.find((e) => e.kind === 'tier' && e.tier === tier).walls;
      const stopped = operation.tiers[tier] && isStopped(operation.tiers[tier]);
      return make('tr', {}, make('th', { scope: 'row' }, `${tier} without it`), whole.walls.map((wall) => mine.includes(wall)
        ? square(trial((e) => e.kind === 'without' && e.tier === tier && e.wall === wall), `${tier} without ${wall}`, stopped) : make('td', {})));
    });
    const alone = make('tr', {}, make('th', { scope: 'row' }, 'it alone'), whole.walls.map((wall) => {
      const at = report.experiments.findIndex((e, i) => e.kind === 'alone' && e.wall === wall && operation.trials[i]);
      return square(at < 0 ? '' : operation.trials[at], at < 0 ? `${wall} alone` : report.experiments[at].label, false);
    }));
    return make('div', { class: 'scroll' }, make('table', { class: 'ablation' },
      make('thead', {}, make('tr', {}, make('th', { class: 'lead', scope: 'col' }, ''), whole.walls.map((wall) => make('th', { scope: 'col' }, make('span', {}, wall))))),
      make('tbody', {}, rows, alone)));
  }

  function detail(operation) {
    const list = make('dl', { class: 'facts' });
    list.append(make('dt', {}, 'control'), make('dd', {}, operation.control.found
      ? `succeeds in the run “${operation.control.where}”` : `never succeeds here: ${operation.control.reason}`));
    for (const tier of tiers) {
      const cell = operation.tiers[tier];
      if (!cell) continue;
      list.append(make('dt', {}, tier), make('dd', {}, make('code', {}, cell.result), cell.detail ? ` – ${cell.detail}. ` : ' ', sentence(operation, tier)));
    }
    list.append(make('dt', {}, 'promised'), make('dd', {}, operation.promised_from ? `stopped from tier ${operation.promised_from} on` : 'by no tier'));
    const grid = ablation(operation);
    return make('tr', { class: 'detail' }, make('td', { colspan: tiers.length + 1 }, make('div', { class: 'more' },
      make('p', { class: 'what' }, `An attacker ${operation.description}.`), list, grid,
      grid ? make('p', { class: 'key-line' }, ['■ stopped', '○ allowed', 'filled ○: taking this wall away made the difference', '·: could not be tried'].map((part) => make('span', {}, part))) : null)));
  }

  const rows = [];

  function matrix() {
    const table = byId('matrix');
    table.tHead.append(make('tr', {}, make('th', { scope: 'col' }, 'attempt'), tiers.map((tier) => make('th', { scope: 'col', class: tier === 'none' ? 'bare' : '' }, tier))));
    let body = null, area = null;
    for (const operation of report.operations) {
      if (operation.area !== area) {
        area = operation.area;
        body = make('tbody', {}, make('tr', {}, make('th', { class: 'area', colspan: tiers.length + 1, scope: 'rowgroup' }, area)));
        table.append(body);
      }
      const button = make('button', { type: 'button', 'aria-expanded': 'false', title: operation.description, onclick: () => toggle(row) }, operation.name);
      const cells = tiers.map((tier) => {
        const cell = operation.tiers[tier];
        if (!cell) return make('td', {});
        const word = cell.kind === 'not-applicable' ? 'not tried' : cell.result;
        const by = tier !== 'none' && isStopped(cell) && operation.control.found && cell.blocker.text ? make('span', { class: 'by' }, cell.blocker.text) : null;
        return make('td', { title: [cell.detail, sentence(operation, tier)].filter(Boolean).join('. ') },
          make('span', { class: `result ${toneOf(operation, tier)}` }, word), by);
      });
      const line = make('tr', { class: 'operation', id: operation.name }, make('th', { scope: 'row' }, button), cells);
      const haystack = [operation.name, operation.area, operation.description, ...tiers.flatMap((tier) => operation.tiers[tier]
        ? [operation.tiers[tier].result, operation.tiers[tier].blocker.text] : [])].join(' ').toLowerCase();
      const row = { operation, line, button, body, haystack, more: null };
      rows.push(row);
      body.append(line);
    }
  }

  function toggle(row) {
    if (row.more) { row.more.remove(); row.more = null; }
    else { row.more = detail(row.operation); row.line.after(row.more); }
    row.button.setAttribute('aria-expanded', row.more ? 'true' : 'false');
  }

  function refresh() {
    const test = kinds.find(([name]) => name === state.kind)[2];
    let shown = 0;
    for (const row of rows) {
      const cell = row.operation.tiers[last];
      const wall = !state.wall || (cell && row.operation.control.found && isStopped(cell) && wallsOf(cell).includes(state.wall));
      const visible = wall && test(row.operation) && row.haystack.includes(state.text);
      row.line.hidden = !visible;
      if (row.more) row.more.hidden = !visible;
      shown += visible;
    }
    for (const body of byId('matrix').tBodies) body.hidden = !rows.some((row) => row.body === body && !row.line.hidden);
    byId('shown').textContent = shown === rows.length ? `${rows.length} attempts` : `${shown} of ${rows.length} attempts`;
    for (const button of byId('kinds').children) button.setAttribute('aria-pressed', String(button.dataset.kind === state.kind));
    for (const button of document.querySelectorAll('#strata button')) button.setAttribute('aria-pressed', String(button.dataset.wall === state.wall));
    byId('clear').hidden = !state.wall;
    byId('clear').textContent = state.wall ? `wall ${state.wall} ✕` : '';
  }

  facts(); tierCards(); strata(); filters(); matrix(); refresh();
  // A link to page.html#ptrace-attach opens that attempt.
  const linked = rows.find((row) => `#${row.operation.name}` === decodeURIComponent(location.hash));
  if (linked) { toggle(linked); linked.line.scrollIntoView({ block: 'center' }); }
})();
