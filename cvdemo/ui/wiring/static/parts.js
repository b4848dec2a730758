/* What each part of the page ran with last, so that a change of its inputs, and only that, starts it again. */
window.cvdemo = (() => {
  const inputsOfRun = {};
  const timers = {};
  const FILLED_MS = 700; /* after a field was filled, until a change of it has been told */
  /* Nothing to work on: no picture, no text, an empty list of files; as `is_missing` in parts.py. */
  const isMissing = (value) => value === null || value.length === 0;
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  /* No change of the part waits any more. */
  function settled(name) {
    clearTimeout(timers[name]);
    delete timers[name];
    window.cvdemo.waits(name, false);
  }

  /* A run begins: remembers its inputs. */
  function started([name, children, target, status], inputs) {
    settled(name);
    inputsOfRun[name] = inputs;
    children.forEach(forgotten);
    if (target) window.cvdemo.begun(name, target, status);
  }

  /* The results of a part were taken away; no change starts it until it is asked for. */
  function forgotten(name) {
    settled(name);
    delete inputsOfRun[name];
  }

  /* The results of a part were taken away, and nothing follows. */
  function emptied([name, target]) {
    forgotten(name);
    if (target) window.cvdemo.unused(target);
  }

  /* An input has changed: starts the part again once no other change comes for a while. Without its picture there is
     nothing to start: the results go. */
  function changed([name, waitMs, needs, numbers, automatic], inputs) {
    settled(name);
    timers[name] = setTimeout(() => {
      settled(name);
      const ran = name in inputsOfRun;
      const missing = needs.some((i) => isMissing(inputs[i]));
      if (ran ? same(inputsOfRun[name], inputs) : missing || !automatic) return;
      if (!missing && numbers.some((i) => inputs[i] === null)) return; /* a number field is just being typed into */
      document.getElementById(`${name}-${missing ? "empty" : "restart"}`)?.click();
    }, waitMs);
    window.cvdemo.waits(name, true);
  }

  /* "Cancel": a change that waits to start the part does not start it, and the result of other inputs goes. */
  function cancelled(name) {
    if (!(name in timers)) return;
    settled(name);
    document.getElementById(`${name}-empty`)?.click();
  }

  /* A field that was filled before it was drawn for the first time tells of no change: starts its part all the same. */
  function ensureStarted(name) {
    setTimeout(() => {
      if (!(name in inputsOfRun) && !(name in timers)) document.getElementById(`${name}-restart`)?.click();
    }, FILLED_MS);
  }

  return { started, ensureStarted, emptied, changed, cancelled };
})();
