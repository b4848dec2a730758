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

  /* Whether the visitor's last press of the button set the camera going: the page says "Stop" on it meanwhile. */
  const BUTTON = "#detect-camera button[aria-label='capture photo']";
  let going = false;
  function setGoing(now) {
    going = now;
    document.documentElement.dataset.camera = now ? "going" : "still";
  }
  document.addEventListener("click", (event) => {
    if (event.isTrusted && event.target.closest?.(BUTTON)) setGoing(!going);
  }, true);

  /* The stream has ended on the server: without this the next frame would begin another. */
  window.cvdemo.cameraEnded = () => {
    if (going) document.querySelector(BUTTON)?.click();
    setGoing(false);
  };
})();
