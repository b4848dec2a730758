/* A burst: pictures of the camera go into a gallery as if they had been chosen as files. */
(() => {
  const EVERY_MS = 350; /* so that the thing can be turned between two pictures */
  const FIRST_MS = 1200; /* cameras need a moment for the light, and people for the thing */
  const WANTED = { video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: { ideal: "environment" } } };
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  let taking = false;

  /* What the camera sees, the count, and a button that ends it. */
  function show(stream) {
    const view = document.createElement("div");
    view.id = "burst";
    view.setAttribute("role", "status");
    const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
    const line = document.createElement("p");
    const stop = Object.assign(document.createElement("button"), { type: "button", textContent: "Stop" });
    view.append(video, line, stop);
    document.body.append(view);
    stop.focus();
    return { view, video, line, stop };
  }

  function picture(video, number) {
    const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise((done) =>
      canvas.toBlob((blob) => done(new File([blob], `camera_${number}.jpg`, { type: "image/jpeg" })), "image/jpeg", 0.9),
    );
  }

  async function take(stream, count) {
    const { view, video, line, stop } = show(stream);
    const files = [];
    let ended = false;
    stop.addEventListener("click", () => (ended = true));
    try {
      line.textContent = "Hold it in front of the camera";
      await video.play();
      await wait(FIRST_MS);
      while (files.length < count && !ended) {
        files.push(await picture(video, `${Date.now()}`));
        line.textContent = `Picture ${files.length} of ${count}: turn it a little.`;
        await wait(EVERY_MS);
      }
    } finally {
      view.remove();
    }
    return files;
  }

  function put(gallery, files) {
    const input = document.querySelector(`#${gallery} input[type=file]`);
    if (!input || !files.length) return;
    const chosen = new DataTransfer();
    files.forEach((file) => chosen.items.add(file));
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  window.cvdemo.burst = async (gallery, count) => {
    if (taking) return;
    taking = true;
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia(WANTED);
      put(gallery, await take(stream, count));
    } catch (refused) {
      /* refused.js has told it */
    } finally {
      stream?.getTracks().forEach((track) => track.stop());
      taking = false;
    }
  };
})();
