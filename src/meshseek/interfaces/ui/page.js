/* What the page does in the browser itself: its language, its address, pictures that come by dropping and pasting,
   keys, the basket and what was searched before. All else is told by the server, which is asked with the address. */
(() => {
  const {SAID, COOKIE, DENSE, MOST_TAKEN, PICTURE_BYTES, EVENT, UPLOAD, VIEWER} = __GIVEN__;
  const BASKET = 'meshseek-basket', PAST = 'meshseek-past';
  const MOST_PAST = 20, AGAIN_MS = 2000, PATIENCE_MS = 150, WARM_MS = 1000;
  const PICTURES = /^image\/(png|jpe?g|webp|gif|bmp|tiff)$/;
  const find = (selector, inside = document) => inside.querySelector(selector);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  /* Language: chosen before, else the browser's first one that is known. Gradio goes by navigator.language. */
  const asked = new URLSearchParams(location.search).get('lang');
  const kept = (document.cookie.match(new RegExp(`(?:^|; )${COOKIE}=(en|zh)`)) || [])[1];
  const wished = (navigator.languages || [navigator.language]).map((name) => name.toLowerCase().split('-')[0]);
  const language = ['en', 'zh'].includes(asked) ? asked : kept || wished.find((name) => name === 'en' || name === 'zh') || 'en';
  const keep = (name, value, seconds = 31536000) => { document.cookie = `${name}=${value}; path=/; max-age=${seconds}; samesite=lax`; };
  keep(COOKIE, language);
  const locale = language === 'zh' ? 'zh-CN' : 'en';
  Object.defineProperty(navigator, 'language', {get: () => locale});
  Object.defineProperty(navigator, 'languages', {get: () => [locale]});
  document.documentElement.lang = locale;
  const words = (name) => SAID[name][language];
  if (devicePixelRatio > 1) keep(DENSE, 1);
  else keep(DENSE, '', 0);

  /* Storage may be full or forbidden: then nothing is remembered. */
  const remembered = (store, name) => { try { return JSON.parse(store.getItem(name)) || []; } catch { return []; } };
  const remember = (store, name, value) => { try { store.setItem(name, JSON.stringify(value)); } catch { /* as above */ } };

  /* Asking the server */
  let again = 0, from = location.search, wanted = 0, sent = 0, answered = 0, lost = false;
  const ask = () => {
    wanted += 1;
    press();
  };
  const press = () => {
    const button = find('#go');
    if (!button) return;
    find('#results')?.setAttribute('aria-busy', 'true');
    button.click();
    clearTimeout(press.timer); // Gradio may drop a click that comes just as the one before is answered
    press.timer = setTimeout(() => { if (sent !== wanted) press(); }, 1000);
  };
  const busy = () => {
    const [before, now] = [from, location.search].map((text) => {
      const fields = new URLSearchParams(text);
      ['asset', 'view', 'pages'].forEach((name) => fields.delete(name));
      return fields.toString();
    });
    document.body.classList.toggle('searching', before !== now);
    document.body.classList.add('asking');
  };
  const go = (address, replace = false) => {
    const target = address === '?' || !address ? location.pathname : address;
    const same = address === location.search;
    history[replace || same ? 'replaceState' : 'pushState'](null, '', target);
    ask();
  };
  const fields = () => [...new URLSearchParams(location.search)];
  const going = (pairs, replace) => go(`?${new URLSearchParams(pairs)}`, replace);
  const typed = () => find('#words textarea, #words input');
  const isPart = ([name]) => /^(q|like|picture)(\*|$)/.test(name);
  const fresh = (pairs) => pairs.filter(([name]) => !['pages', 'asset', 'view', 'place', 'sort'].includes(name));
  const set = (name, value) => {
    const rest = fields().filter(([known]) => known !== name && known !== 'pages');
    going(value === '' || value === null || value === false ? rest : [...rest, [name, value === true ? '1' : String(value)]]);
  };
  const add = (kind, value, weight = 1) => {
    const pairs = fresh(fields()), name = weight === 1 ? kind : `${kind}*${weight}`;
    going([...pairs.filter(isPart), [name, value], ...pairs.filter((pair) => !isPart(pair))]);
  };
  const AVOIDED = 'q*-0.5', MINUS = /(^|\s)[-−–－](?:["“「]([^"”」]+)["”」]|(\p{L}\S*))/gu;
  const say = (text) => { // words with a minus before them are parts of their own, as results should not be like them
    const pairs = fresh(fields()), avoided = [];
    const rest = (text || '').replace(MINUS, (_, space, phrase, word) => { avoided.push(phrase || word); return space; }).replace(/\s+/g, ' ').trim();
    const isWanted = (pair) => isPart(pair) && Number(pair[0].split('*')[1] ?? 1) > 0;
    const at = pairs.findIndex((pair) => isWanted(pair) && pair[0].startsWith('q'));
    const said = rest || pairs.some((pair, index) => isWanted(pair) && index !== at) ? rest : (text || '').trim();
    if (said && at >= 0) pairs[at] = [pairs[at][0], said];
    else if (said) pairs.unshift(['q', said]);
    else if (at >= 0) pairs.splice(at, 1);
    const known = pairs.filter(([name]) => name.startsWith('q*-')).map(([, value]) => value);
    const more = said === rest ? avoided.filter((word) => !known.includes(word)).map((word) => [AVOIDED, word]) : [];
    const box = typed();
    if (box && box.value.trim() !== said) {
      box.value = said;
      box.dispatchEvent(new Event('input', {bubbles: true}));
    }
    going([...pairs.filter(isPart), ...more, ...pairs.filter((pair) => !isPart(pair))]);
  };
  const weigh = (index, weight) => {
    let seen = -1;
    going(fields().map(([name, value]) => {
      if (!isPart([name])) return [name, value];
      seen += 1;
      if (seen !== index) return [name, value];
      const kind = name.split('*')[0];
      return [weight === 1 ? kind : `${kind}*${weight}`, value];
    }).filter(([name]) => name !== 'pages'));
  };

  /* What is wrong, where only the browser knows it */
  const tell = (text, lasting = false) => {
    let place = find('#trouble');
    if (!place) {
      place = document.createElement('div');
      place.id = 'trouble';
      place.setAttribute('role', 'alert');
      document.body.append(place);
    }
    place.textContent = text;
    place.hidden = !text;
    clearTimeout(tell.timer);
    if (text && !lasting) tell.timer = setTimeout(() => tell(''), 8000);
  };
  const fetched = window.fetch;
  window.fetch = async (...given) => {
    const address = String(given[0]?.url || given[0]);
    if (!address.includes(EVENT)) return fetched(...given);
    clearTimeout(again);
    const question = sent;
    const failed = (isPassing) => {
      tell(words(isPassing ? 'js.away' : 'js.refused'), true);
      settle();
      lost = true;
      if (isPassing) again = setTimeout(ask, AGAIN_MS);
    };
    try {
      const answer = await fetched(...given);
      answered = question;
      if (answered === wanted) clearTimeout(busy.timer);
      if (answer.ok) tell('');
      else if (answer.status !== 401) failed(answer.status >= 500);
      return answer;
    } catch (error) {
      failed(true);
      throw error;
    }
  };

  /* Pictures */
  const upload = async (file) => {
    if (!PICTURES.test(file.type)) return tell(words('js.kind'));
    if (file.size > PICTURE_BYTES) return tell(words('js.large'));
    const form = new FormData();
    form.append('files', file);
    document.body.classList.add('asking');
    try {
      const answer = await fetched(UPLOAD, {method: 'POST', body: form});
      if (answer.status === 401) return location.assign('/sign-in');
      if (!answer.ok) return tell(words('js.upload'));
      const [path] = await answer.json();
      add('picture', path.split('/').slice(-2).join('/'));
    } catch {
      tell(words('js.away'));
    } finally {
      document.body.classList.remove('asking');
    }
    return undefined;
  };
  const picked = (data) => [...(data?.files || [])][0];
  addEventListener('dragover', (event) => {
    if (![...(event.dataTransfer?.types || [])].includes('Files')) return;
    event.preventDefault();
    document.body.classList.add('dropping');
  });
  ['dragleave', 'drop'].forEach((kind) => addEventListener(kind, (event) => {
    if (kind === 'dragleave' && event.relatedTarget) return;
    document.body.classList.remove('dropping');
    if (kind === 'dragleave' || !picked(event.dataTransfer)) return;
    event.preventDefault();
    upload(picked(event.dataTransfer));
  }, true));
  addEventListener('paste', (event) => {
    const file = picked(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    upload(file);
  }, true);

  /* Basket */
  const taken = () => remembered(localStorage, BASKET).filter((id) => typeof id === 'string').slice(0, MOST_TAKEN);
  const isBasket = () => new URLSearchParams(location.search).get('place') === 'basket';
  const take = (id) => {
    const ids = taken();
    if (!ids.includes(id) && ids.length === MOST_TAKEN) return tell(words('js.full'));
    remember(localStorage, BASKET, ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id]);
    decorate();
    return isBasket() ? ask() : undefined;
  };

  /* What the server cannot know: what is taken, what was searched, which folds are open. */
  const open = new Set();
  const decorate = () => {
    if (!document.body) return;
    document.body.classList.toggle('with-asset', Boolean(find('#details .asset')));
    const ids = new Set(taken());
    all('[data-take]').forEach((button) => {
      const pressed = String(ids.has(button.dataset.take));
      if (button.getAttribute('aria-pressed') !== pressed) button.setAttribute('aria-pressed', pressed);
    });
    const badge = find('#basket-count');
    if (badge && badge.textContent !== String(ids.size || '')) badge.textContent = ids.size || '';
    const canvas = find('#model canvas');
    if (canvas && canvas.tabIndex > 0) {
      canvas.tabIndex = 0; // Babylon would have it first of all
      canvas.setAttribute('role', 'img');
      canvas.setAttribute('aria-label', words('js.viewer'));
    }
    all('details[data-keep]').forEach((fold) => { if (open.has(fold.dataset.keep) && !fold.open) fold.open = true; });
  };
  const showPast = () => {
    const place = find('#past'), past = remembered(sessionStorage, PAST);
    if (!place) return;
    place.closest('details').hidden = !past.length;
    place.replaceChildren(...past.map(({label, address}) => {
      const item = document.createElement('li'), link = document.createElement('a');
      link.href = address;
      link.textContent = label;
      item.append(link);
      return item;
    }));
  };
  const note = (label) => {
    const pairs = fields().filter(([name]) => !['asset', 'view', 'pages'].includes(name));
    if (!label || !pairs.some(isPart)) return;
    const address = `?${new URLSearchParams(pairs)}`;
    const filters = pairs.filter(([name]) => name.startsWith('f.')).map(([, value]) => value);
    label = [label, ...filters].join(' · ');
    const past = remembered(sessionStorage, PAST).filter((each) => each.address !== address);
    remember(sessionStorage, PAST, [{label, address}, ...past].slice(0, MOST_PAST));
  };
  /* The 3D view is fetched when the first results stand, so that the first model need not wait for it. */
  const warm = () => {
    if (navigator.connection?.saveData) return;
    const fetchAll = () => VIEWER.forEach((name) => { import(name).catch(() => { /* then later */ }); });
    setTimeout(() => (window.requestIdleCallback || setTimeout)(fetchAll), WARM_MS);
  };
  const frames = (number, then) => { number ? requestAnimationFrame(() => frames(number - 1, then)) : then(); };
  const settle = () => {
    clearTimeout(busy.timer);
    document.body.classList.remove('searching', 'asking');
    find('#results')?.removeAttribute('aria-busy');
  };
  const arrived = () => frames(2, () => { // Gradio draws what came in the next one
    if (answered !== wanted) return; // something else is asked already
    const moved = from !== location.search;
    from = location.search;
    settle();
    const label = find('#results [data-title]')?.dataset.title || '';
    document.title = label ? `${label} · Meshseek` : 'Meshseek';
    note(label);
    showPast();
    decorate();
    if (!arrived.before) warm();
    arrived.before = true;
    if (!moved || !document.body.classList.contains('with-asset')) return;
    if (innerWidth <= 900) find('#panel')?.scrollTo(0, 0);
    else find('.tile-link[aria-current]')?.scrollIntoView({block: 'nearest'}); // the list has become narrower, and longer
  });
  addEventListener('DOMContentLoaded', decorate);
  new MutationObserver(() => {
    clearTimeout(decorate.timer);
    decorate.timer = setTimeout(decorate, 20);
  }).observe(document.documentElement, {childList: true, subtree: true, attributeFilter: ['tabindex']});

  const copy = async (button) => {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const box = document.createElement('textarea');
      box.value = text;
      document.body.append(box);
      box.select();
      document.execCommand('copy');
      box.remove();
    }
    const before = button.textContent;
    button.textContent = words('js.copied');
    setTimeout(() => { button.textContent = before; }, 1500);
  };
  const closed = () => `?${new URLSearchParams(fields().filter(([name]) => !['asset', 'view'].includes(name)))}`;
  const DONE = {
    facets: (button) => {
      const shown = document.body.classList.toggle('with-facets');
      button.setAttribute('aria-expanded', String(shown));
    },
    language: () => {
      keep(COOKIE, language === 'zh' ? 'en' : 'zh');
      const rest = fields().filter(([name]) => name !== 'lang');
      location.replace(rest.length ? `?${new URLSearchParams(rest)}` : location.pathname);
    },
    picture: () => find('#picture-file')?.click(),
    close: () => go(closed()),
    empty: () => {
      if (!confirm(words('js.empty'))) return;
      remember(localStorage, BASKET, []);
      decorate();
      ask();
    },
  };
  addEventListener('click', (event) => {
    const on = event.target instanceof Element ? event.target.closest('a[href^="?"], [data-take], [data-copy], [data-do], #search') : null;
    if (!on || event.defaultPrevented) return;
    if (on.dataset.take !== undefined) take(on.dataset.take);
    else if (on.dataset.copy !== undefined) copy(on);
    else if (on.dataset.do) DONE[on.dataset.do](on);
    else if (on.id === 'search') say(typed().value);
    else if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    else {
      event.preventDefault();
      go(on.getAttribute('href'), 'stay' in on.dataset);
      if (!('stay' in on.dataset) && !on.closest('.tiles, #panel')) scrollTo({top: 0});
    }
  });
  addEventListener('change', (event) => {
    const on = event.target;
    if (on.dataset?.weight !== undefined) weigh(Number(on.dataset.weight), Number(on.value));
    else if (on.dataset?.set) set(on.dataset.set, on.value);
    else if (on.closest?.('#count')) set('count', on.value);
    else if (on.id === 'use') ask();
    else if (on.id === 'picture-file' && on.files[0]) { upload(on.files[0]); on.value = ''; }
  });
  const bound = (range) => { // what was drawn is asked already; to draw it again would take half-typed bounds away
    const ends = all('input', range), told = ends.map((end) => end.value);
    if (ends.some((end) => end.value !== end.defaultValue)) set(range.dataset.range, told.some(Boolean) ? told.join('..') : '');
  };
  addEventListener('focusout', (event) => {
    const range = event.target.closest?.('[data-range]');
    const isLeft = !range?.contains(event.relatedTarget) && document.activeElement !== event.target; // not only the window
    if (range && isLeft) bound(range);
  });
  addEventListener('input', (event) => {
    const on = event.target;
    if (on.dataset?.weight !== undefined && on.nextElementSibling) on.nextElementSibling.textContent = on.value.replace('-', '−');
  });
  addEventListener('click', (event) => {
    const fold = event.target instanceof Element ? event.target.closest('summary')?.parentElement : null;
    if (fold?.dataset.keep) open[fold.open ? 'delete' : 'add'](fold.dataset.keep); // it opens after this
  }, true);
  const STEPS = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 0, ArrowUp: 0};
  addEventListener('keydown', (event) => {
    if (event.isComposing || event.keyCode === 229) return; // that key is the input method's
    const on = event.target, typing = on.matches?.('input, textarea, select, [contenteditable]');
    if (event.key === 'Escape' && new URLSearchParams(location.search).has('asset') && !typing) {
      const id = new URLSearchParams(location.search).get('asset');
      go(closed());
      all('.tile-link').find((tile) => tile.dataset.asset === id)?.focus();
    } else if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      typed()?.focus();
    } else if (event.key === 'ArrowDown' && on === typed()) {
      event.preventDefault();
      find('#results .tile-link')?.focus();
    } else if (event.key === 'Enter' && on === typed()) {
      event.preventDefault();
      say(on.value);
    } else if (event.key === 'Enter' && on.closest?.('[data-range]')) {
      bound(on.closest('[data-range]'));
    } else if (on.id === 'also' && event.key === 'Enter' && on.value.trim()) {
      const minus = /^[-−–－]\s*(.+)/.exec(on.value.trim());
      on.blur();
      add('q', minus ? minus[1] : on.value.trim(), minus ? -0.5 : 1);
      on.value = '';
    } else if (event.key in STEPS && on.matches?.('.tile-link')) {
      const tiles = all('.tile-link', on.closest('.tiles')), at = tiles.indexOf(on);
      const columns = tiles.findIndex((tile) => tile.offsetTop > tiles[0].offsetTop && tile.getBoundingClientRect().top > tiles[0].getBoundingClientRect().top);
      const step = STEPS[event.key] || (event.key === 'ArrowDown' ? 1 : -1) * (columns < 0 ? tiles.length : columns);
      const next = tiles[at + step];
      if (next) { event.preventDefault(); next.focus(); }
    }
  });
  addEventListener('popstate', ask);
  addEventListener('storage', decorate);

  const given = () => {
    const basket = {ids: isBasket() ? taken() : [], use: find('#use')?.value || '', anew: lost};
    [sent, lost] = [wanted, false];
    clearTimeout(busy.timer);
    busy.timer = setTimeout(busy, PATIENCE_MS); // what comes at once needs no curtain, which would cost it time
    return [location.search, JSON.stringify(basket)];
  };
  window.meshseek = {set, arrived, given};
})();
