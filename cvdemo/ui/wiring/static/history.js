/* The address says which tab is open, what is set in it, and which example it shows: so that back and forward move
   between tabs, and a reload or a link brings all of it back. */
Object.assign(window.cvdemo, (() => {
  const set = {}; /* by tab: what differs from the start, as the address has it */
  const examples = {}; /* by tab: the example in its picture field */
  const WRITE_MS = 300; /* browsers take few changes of the address a second */
  const DRAWN_MS = 5000; /* at most, until a tab that is opened for the first time is there */
  let tabs = []; /* names in order; empty until the link that opened the page has been obeyed */
  let open = null;
  let early = null; /* opened before that */
  const VIEWS = { api: "footer .show-api", settings: "footer .settings" }; /* gradio's own, and what opens them */
  let timer;

  const query = () => new URLSearchParams(window.location.search);
  const named = () => (tabs.includes(query().get("tab")) ? query().get("tab") : tabs[0]);

  function address(tab) {
    const wanted = new URLSearchParams();
    query().forEach((value, name) => {
      if (name.startsWith("__") || name === "view") wanted.set(name, value); /* gradio's own */
    });
    wanted.set("tab", tab);
    Object.entries(set[tab] ?? {}).forEach(([name, value]) => wanted.set(name, value));
    if (examples[tab]) wanted.set("example", examples[tab]);
    return `${window.location.pathname}?${wanted}`;
  }

  function write() {
    clearTimeout(timer);
    if (tabs.length) timer = setTimeout(() => window.history.replaceState(null, "", address(open)), WRITE_MS);
  }

  /* The link that opened the page has been obeyed: from now on the address follows the page. */
  function arrived(names) {
    tabs = names;
    open = query().has("tab") ? named() : early ?? tabs[0];
    if (open !== named()) window.history.pushState(null, "", address(open));
    document.documentElement.setAttribute("data-ready", "");
    showView();
    const example = query().get("example");
    if (!example) return;
    examples[open] ??= example;
    window.cvdemo.ensureStarted(open);
  }

  /* A link may name a view of gradio's. Gradio 6.31 takes it for open without having loaded it, so that nothing shows:
     the first press closes it, the second loads and opens it. */
  function showView() {
    const opens = VIEWS[query().get("view")];
    const button = opens && document.querySelector(opens);
    button?.click();
    button?.click();
  }

  /* A tab has been opened: by its button, by another part of the page, or by "back". */
  function opened(tab) {
    if (!tabs.length) early = tab;
    if (!tabs.length || tab === open) return;
    clearTimeout(timer);
    const moved = named() !== tab; /* else "back" or "forward" has changed the address already */
    if (moved) window.history.replaceState(null, "", address(open));
    open = tab;
    if (moved) window.history.pushState(null, "", address(tab));
  }

  function openTab(tab) {
    const buttons = document.querySelectorAll(`#tabs [id="tab-${tab}-button"]`);
    [...buttons].find((button) => button.offsetParent !== null)?.click();
  }

  /* A picture goes to another tab, which is opened for it, and is drawn before it gets the picture. */
  async function send(picture, tab) {
    openTab(tab);
    examples[tab] = null;
    for (let waited = 0; waited < DRAWN_MS && !document.getElementById(`${tab}-image`)?.offsetParent; waited += 50) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    window.cvdemo.ensureStarted(tab);
    return picture ?? null;
  }

  /* Settings of a tab as they stand; those that are as at the start go without saying. */
  function settings(tab, names, starts, values) {
    const differs = (i) => values[i] !== null && String(values[i]) !== String(starts[i]);
    set[tab] = Object.fromEntries(names.map((name, i) => [name, values[i]]).filter((_, i) => differs(i)));
    if (tab === open) write();
  }

  /* The picture field of a tab shows an example, or no example. */
  function picked(tab, example) {
    examples[tab] = example;
    if (tab === open) write();
  }

  /* A picture above the tabs leads to one of them; while the page is loading, by its link. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#welcome a[data-tab]");
    if (!link || !tabs.length || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openTab(link.dataset.tab);
  });

  window.addEventListener("popstate", () => { if (tabs.length) openTab(named()); });

  return { arrived, opened, openTab, send, settings, picked, exampleOf: (tab) => examples[tab] };
})());
