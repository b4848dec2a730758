/* What is going on: "Cancel" can be pressed while there is something to cancel, what is shown keeps its height while a
   run replaces it, and on a phone a bar at the bottom says how far the run is, ends it, and leads to its result. */
Object.assign(window.cvdemo, (() => {
  const going = {}; /* how many runs of a part have begun and not ended */
  const waiting = {}; /* whether a change of a part waits to start it */
  const NARROW_PX = 700;
  const SOON_MS = 300; /* a run that ends within this needs no bar */
  const SETTLED_MS = 1500; /* after a run, until its pictures have their height */
  const UNFOLDED_MS = 150; /* until a part that unfolds has its height */
  const by = (id) => document.getElementById(id);
  const results = {}; /* element ids of the results that are shown, by part */
  const kept = new Map(); /* elements of fixed height, with what they had before */
  let shown = null; /* the run that the bar is about: {name, target, status, over, until} */
  let bar, timer;

  const busy = (name) => (going[name] ?? 0) > 0;

  function refresh() {
    for (const name of new Set([...Object.keys(going), ...Object.keys(waiting)])) {
      const cancel = by(`${name}-cancel`);
      if (cancel) cancel.disabled = !(busy(name) || waiting[name]);
    }
  }
  /* a part that is unfolded again is drawn anew */
  document.addEventListener("click", () => setTimeout(refresh, 50));

  function waits(name, whether) {
    waiting[name] = whether;
    refresh();
  }

  /* A run begins; `target` is the element of its result, `status` that of its words. */
  function begun(name, target, status) {
    going[name] = (going[name] ?? 0) + 1;
    refresh();
    keepHeight(by(target));
    results[name] = target;
    columnOf(by(target))?.setAttribute("data-result", "");
    const cancel = by(`${name}-cancel`);
    if (!cancel || window.innerWidth >= NARROW_PX) return;
    const run = { name, target, status, over: false };
    shown = run;
    setTimeout(() => { if (shown === run && !run.over) show(); }, SOON_MS);
  }

  function ended(name) {
    going[name] = Math.max(0, (going[name] ?? 0) - 1);
    refresh();
    /* a run may begin before its tab is drawn for the first time */
    if (results[name]) columnOf(by(results[name]))?.setAttribute("data-result", "");
    if (busy(name)) return;
    if (!Object.values(going).some((runs) => runs > 0)) setTimeout(releaseHeights, SETTLED_MS);
    if (shown?.name !== name) return;
    shown.over = true;
    shown.until = Date.now() + SETTLED_MS;
    const run = shown;
    setTimeout(() => { if (shown === run) offerResult(); }, SOON_MS);
  }

  const columnOf = (target) => target?.closest(".column");

  /* There is no result any more: the finished example takes its place again. */
  function unused(target) {
    for (const name of Object.keys(results)) if (results[name] === target) delete results[name];
    columnOf(by(target))?.removeAttribute("data-result");
    if (shown?.over && shown.target === target) hide();
  }

  /* The blocks of the result's column stay as high as they are, so that emptying them moves nothing. */
  function keepHeight(target) {
    const column = columnOf(target);
    for (const block of column ? [column, ...column.children] : []) {
      if (kept.has(block) || !block.offsetHeight) continue;
      kept.set(block, block.style.minHeight);
      block.style.minHeight = `${block.offsetHeight}px`;
    }
  }

  function releaseHeights() {
    if (Object.values(going).some((runs) => runs > 0)) return;
    kept.forEach((before, block) => { block.style.minHeight = before; });
    kept.clear();
  }

  /* It begins on the screen, or reaches well into it; or there is nothing, and nothing is about to be drawn. */
  function inSight(element) {
    const box = element?.getBoundingClientRect();
    if (!box || !box.height) return !box || !(shown?.until > Date.now());
    return box.top < window.innerHeight * 0.7 && (box.top >= 0 || box.bottom > window.innerHeight * 0.2);
  }

  /* Until it is looked at, or the bar is closed: a bar that went by itself would leave a finger on what lies behind. */
  function offerResult() {
    if (inSight(by(shown.target))) return hide();
    show();
  }

  function hide() {
    clearInterval(timer);
    shown = null;
    if (bar) bar.hidden = true;
    document.documentElement.classList.remove("going");
  }

  function show() {
    bar ??= madeBar();
    clearInterval(timer);
    timer = setInterval(draw, 400);
    draw();
    bar.hidden = false;
    document.documentElement.classList.add("going");
  }

  /* Both buttons keep their places from the beginning to the end, so that no finger meets the other one. */
  function draw() {
    const { target, status, over } = shown;
    const [told, look, end] = bar.children;
    document.documentElement.classList.toggle("over", over);
    const line = status && by(status);
    const headline = line?.querySelector("strong")?.textContent ?? "";
    /* of a result its first sentence, where that is set off: the bar has three lines */
    const said = over && headline.endsWith(".") ? headline : line?.textContent.trim();
    told.textContent = said || (over ? "Done." : "Working …");
    look.disabled = inSight(by(target));
    end.textContent = over ? "Close" : "Cancel";
    document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`);
    if (over && look.disabled) hide();
  }

  /* The result, or its words where they stand above it: what it is called and counted must not be scrolled past. */
  function first() {
    const [result, words] = [by(shown?.target), by(shown?.status)];
    const above = result && words?.offsetHeight && words.getBoundingClientRect().top < result.getBoundingClientRect().top;
    return above && columnOf(words) === columnOf(result) ? words : result;
  }

  function madeBar() {
    const made = document.createElement("div");
    made.id = "going";
    made.setAttribute("role", "group");
    made.setAttribute("aria-label", "The run");
    made.innerHTML =
      '<p aria-hidden="true"></p><button type="button">Show the result</button>' +
      '<button type="button">Cancel</button>';
    const [, look, end] = made.children;
    look.onclick = () => {
      releaseHeights(); /* now: a page that becomes shorter while it glides stops on its way */
      first()?.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    };
    end.onclick = () => { if (shown?.over) hide(); else by(`${shown?.name}-cancel`)?.click(); };
    document.body.append(made);
    return made;
  }

  /* A part that has unfolded below what was pressed: it comes into sight, where hardly any of it is. */
  function unfolded(id) {
    setTimeout(() => {
      const top = by(id)?.getBoundingClientRect().top;
      const low = top - window.innerHeight * 0.35;
      if (top > window.innerHeight * 0.6) window.scrollBy({ top: low, behavior: "smooth" });
    }, UNFOLDED_MS);
  }

  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  return { begun, ended, unused, unfolded, waits };
})());
