/* Of a camera's frames one is on its way at a time: those that come meanwhile are dropped, for they would be stale. */
(() => {
  const original = window.fetch.bind(window);
  let sending = false;
  window.fetch = (resource, options) => {
    const url = String(resource?.url ?? resource);
    if (!/\/gradio_api\/stream\/\w+$/.test(url)) return original(resource, options);
    if (sending) return Promise.resolve(Response.json({ msg: "dropped" }));
    sending = true;
    return original(resource, options).finally(() => {
      sending = false;
    });
  };

  /* Which cameras the visitor's last press of their button set going: the page says "Stop" on it meanwhile. */
  const BUTTON = "button[aria-label='capture photo']";
  const going = new Set();
  function setGoing(camera, now) {
    if (now) going.add(camera);
    else going.delete(camera);
    document.getElementById(camera)?.toggleAttribute("data-going", now);
    document.documentElement.dataset.camera = going.size ? "going" : "still";
  }
  document.addEventListener("click", (event) => {
    const camera = event.target.closest?.(`.live-camera ${BUTTON}`)?.closest(".live-camera").id;
    if (event.isTrusted && camera) setGoing(camera, !going.has(camera));
  }, true);

  /* The stream has ended on the server: without this the next frame would begin another. */
  window.cvdemo.cameraEnded = (camera) => {
    if (going.has(camera)) document.querySelector(`#${camera} ${BUTTON}`)?.click();
    setGoing(camera, false);
  };
})();
