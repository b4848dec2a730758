/* What gradio's markup leaves out for who uses a keyboard or a screen reader, put right whenever the page draws anew.
   `tests/ui/test_access.py` holds it with axe-core. */
(() => {
  const TELL_AFTER_MS = 700; /* a status that changes at once again is told once */
  const TELL_EVERY_MS = 6000; /* of a run that goes on; its end is told within this */
  const BY_HAND_MS = 1000; /* a film that begins so soon after a click or a key was asked for */
  const HANDLE_STEP = 0.02; /* of the width, for one press of an arrow key */
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const all = (selector, within = document) => within.querySelectorAll(selector);
  const words = (element) => (element?.textContent ?? "").replace(/\s+/g, " ").trim();

  function set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (element.getAttribute(name) !== `${value}`) element.setAttribute(name, value);
    }
  }

  /* What stands over a field, "Your picture". */
  function titleOf(element) {
    const block = element.closest(".block");
    return words(block?.querySelector("[data-testid=block-label], [data-testid=block-info], .label"));
  }

  /* "night_swirls.jpg" in an address: "night swirls". */
  function nameOf(image) {
    const file = decodeURIComponent((image?.getAttribute("src") ?? "").split(/[?#]/)[0].split("/").pop());
    return file.replace(/\.\w+$/, "").replace(/_/g, " ");
  }

  function nameThings() {
    for (const button of all(".gallery button.gallery-item:not([aria-label])")) {
      const name = nameOf(button.querySelector("img")) || words(button);
      if (name) set(button, { "aria-label": `${titleOf(button) || "Example"}: ${name}` });
    }
    for (const image of all(".block :is(.image-container, .slider-wrap) img:is(:not([alt]), [alt=''])")) {
      set(image, { alt: titleOf(image) || "Picture" });
    }
    for (const empty of all("div.empty[aria-label]:not([role])")) {
      set(empty, { role: "img", "aria-label": `${titleOf(empty) || "Result"}: nothing yet` });
    }
    for (const group of all("fieldset.block:not([aria-label])")) {
      if (titleOf(group)) set(group, { "aria-label": titleOf(group) });
    }
    for (const opener of all("button.label-wrap")) set(opener, { "aria-expanded": opener.classList.contains("open") });
  }

  /* Of an answer: what gradio rounds to nothing. A share that changes is written by gradio anew. */
  function tellLittle() {
    for (const share of all(".confidence-set .confidence")) {
      if (words(share) === "0%") share.firstChild.nodeValue = "under\u00a01%";
    }
  }

  /* A button within a button is none for a screen reader: the outer one only groups. */
  function untangle() {
    for (const outer of all("button.icon-button:has(button), [role=button].toast-header:has(button)")) {
      set(outer, { role: "group", tabindex: -1 });
    }
  }

  /* Tabs are one stop of the Tab key, and the arrows go from one to the next. */
  const tabsOf = (list) => [...all(":scope > button[role=tab]:not(:disabled)", list)];

  function oneStop() {
    for (const list of all("[role=tablist]")) {
      for (const tab of tabsOf(list)) set(tab, { tabindex: tab.getAttribute("aria-selected") === "true" ? 0 : -1 });
    }
  }

  function moveBetweenTabs(event) {
    const list = event.target.closest?.("[role=tablist]");
    if (!list || event.ctrlKey || event.altKey || event.metaKey) return;
    const tabs = tabsOf(list);
    const here = tabs.indexOf(event.target.closest("[role=tab]"));
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (here < 0 || to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    next.click();
    next.focus();
    oneStop();
  }

  /* Rows of examples can be reached and chosen by keys. */
  function openRows() {
    for (const row of all("tr.tr-body:not([tabindex])")) set(row, { tabindex: 0 });
  }

  function chooseRow(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    if (!event.target.matches?.("tr.tr-body")) return;
    event.preventDefault();
    event.target.click();
  }

  /* The divider between two pictures: gradio's answers to a mouse alone, so keys stand in for one. */
  function openDividers() {
    for (const handle of all(".slider-wrap [data-testid=slider]")) {
      set(handle, {
        role: "slider",
        tabindex: 0,
        "aria-label": `Divider: ${titleOf(handle) || "two pictures"}`,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": Math.round(100 * shareOf(handle)),
        "aria-orientation": "horizontal",
      });
    }
  }

  const offsetOf = (handle) => new DOMMatrix(handle.style.transform || "none").m41;

  /* From where to where the divider goes, px of the window: over the picture, which may be narrower than its frame. */
  function spanOf(handle) {
    const frame = handle.parentElement.getBoundingClientRect();
    const picture = handle.parentElement.querySelector("img");
    if (!picture?.naturalWidth) return { left: frame.left, width: frame.width };
    const box = picture.getBoundingClientRect();
    const scale = Math.min(box.width / picture.naturalWidth, box.height / picture.naturalHeight);
    const width = picture.naturalWidth * scale;
    return { left: box.left + (box.width - width) / 2, width };
  }

  function shareOf(handle) {
    const { left, width } = spanOf(handle);
    const at = handle.parentElement.getBoundingClientRect().left + offsetOf(handle);
    return width ? Math.min(1, Math.max(0, (at - left) / width)) : 0.5;
  }

  function moveDivider(event) {
    const handle = event.target.closest?.("[data-testid=slider][role=slider]");
    if (!handle) return;
    const share = shareOf(handle);
    const to = {
      ArrowRight: share + HANDLE_STEP,
      ArrowUp: share + HANDLE_STEP,
      ArrowLeft: share - HANDLE_STEP,
      ArrowDown: share - HANDLE_STEP,
      PageUp: share + 5 * HANDLE_STEP,
      PageDown: share - 5 * HANDLE_STEP,
      Home: 0,
      End: 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const { left, width } = spanOf(handle);
    const box = handle.parentElement.getBoundingClientRect();
    const place = {
      bubbles: true,
      cancelable: true,
      view: window,
      clientX: left + width * Math.min(1, Math.max(0, to)),
      clientY: box.top + box.height / 2,
    };
    handle.dispatchEvent(new MouseEvent("mousedown", place));
    window.dispatchEvent(new MouseEvent("mouseup", place));
    requestAnimationFrame(openDividers);
  }

  /* What happens is told in two regions that are there from the beginning: only then do screen readers tell it. */
  function region(live) {
    const made = document.createElement("div");
    made.className = "told";
    made.setAttribute("aria-live", live);
    document.body.append(made);
    return made;
  }

  let calmly, atOnce, timer, toldAt = -Infinity;
  const lastOf = new WeakMap();
  const changed = new Set();

  /* What a status says when it is drawn first, or that it says nothing, is not told. */
  function noteStatus(status) {
    const said = words(status);
    if (!lastOf.has(status) || !said) lastOf.set(status, said);
    if (said === lastOf.get(status) || status.offsetParent === null) return;
    changed.add(status);
    timer ??= setTimeout(tellStatuses, Math.max(TELL_AFTER_MS, toldAt + TELL_EVERY_MS - performance.now()));
  }

  function tellStatuses() {
    timer = undefined;
    toldAt = performance.now();
    changed.forEach((status) => lastOf.set(status, words(status)));
    const said = [...changed].map(words).filter(Boolean);
    changed.clear();
    if (said.length) calmly.textContent = said.join(" ");
  }

  function tellErrors() {
    for (const message of all("[data-testid=toast-text]:not([data-told])")) {
      message.setAttribute("data-told", "");
      const toast = message.closest("[data-testid=toast-body]");
      if (toast) set(toast, { "aria-live": "off" }); /* or it might be told twice */
      atOnce.textContent = `${words(toast?.querySelector(".toast-title"))}: ${words(message)}`;
    }
  }

  /* Who wants less motion: films wait to be asked, and the page does not glide. */
  let askedAt = -Infinity;
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, () => (askedAt = performance.now()), true);
  }
  document.addEventListener("play", (event) => {
    const film = event.target;
    if (calm() && !film.srcObject && performance.now() - askedAt > BY_HAND_MS) film.pause();
  }, true);
  for (const [owner, method] of [[Element.prototype, "scrollIntoView"], [window, "scrollTo"], [window, "scrollBy"]]) {
    const glide = owner[method];
    owner[method] = function (first, ...rest) {
      const still = calm() && first instanceof Object ? { ...first, behavior: "instant" } : first;
      return glide.call(this, still, ...rest);
    };
  }

  let due = false;
  function mend() {
    due = false;
    for (const put of [nameThings, tellLittle, untangle, oneStop, openRows, openDividers, tellErrors]) put();
    all(".block.status").forEach(noteStatus);
  }
  function mendSoon() {
    if (!due) requestAnimationFrame(mend);
    due = true;
  }

  document.addEventListener("keydown", (event) => {
    moveBetweenTabs(event);
    chooseRow(event);
    moveDivider(event);
  });
  document.addEventListener("click", () => setTimeout(mendSoon, 50)); /* what unfolds, or is chosen */
  window.addEventListener("pointerup", mendSoon);
  function begin() {
    [calmly, atOnce] = [region("polite"), region("assertive")];
    const watched = { childList: true, subtree: true, attributeFilter: ["aria-selected", "aria-valuenow", "alt", "src"] };
    new MutationObserver(mendSoon).observe(document.body, watched);
    mendSoon();
  }
  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin);
})();
