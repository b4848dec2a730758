/* The brush of the Dream tab. What is painted over the picture becomes a mask, white where to dream, and is uploaded. */
(() => {
  const SIDE_PX = 768; /* of the mask's longer side: enough for a brush, and a few kilobytes */
  const DRAWN_MS = 50; /* between looks whether an accordion that was opened is drawn by now */
  const picture = Object.assign(document.createElement("img"), { alt: "", draggable: false });
  const canvas = Object.assign(document.createElement("canvas"), { width: 0, height: 0 });
  canvas.setAttribute("aria-label", "Your picture, to paint on");
  const pen = canvas.getContext("2d");
  let size = 0.12; /* of the longer side */
  let erases = false;
  let last = null; /* where the pen is while it is down */
  let newest = Promise.resolve(null); /* the mask of what is painted now, perhaps still on its way */

  /* The picture and what is painted on it outlive the accordion, which draws its inside anew. */
  function show(tries = 40) {
    const view = document.querySelector("#dream-brush .brush-view");
    if (view) view.replaceChildren(picture, canvas);
    else if (tries) setTimeout(() => show(tries - 1), DRAWN_MS);
  }

  picture.addEventListener("load", () => {
    const scale = Math.min(1, SIDE_PX / Math.max(picture.naturalWidth, picture.naturalHeight));
    canvas.width = Math.max(1, Math.round(picture.naturalWidth * scale)); /* which clears it, too */
    canvas.height = Math.max(1, Math.round(picture.naturalHeight * scale));
  });

  /* Another picture: what was painted belonged to the former one. The value of the mask's field is null then. */
  function use(value) {
    canvas.width = canvas.height = 0;
    last = null;
    newest = Promise.resolve(null);
    if (value?.url) picture.src = value.url;
    else picture.removeAttribute("src");
    return null;
  }

  function clear() {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    newest = Promise.resolve(null);
    return null;
  }

  function set(percent, erase) {
    size = percent / 100;
    erases = erase;
  }

  function place(event) {
    const shown = canvas.getBoundingClientRect();
    const x = ((event.clientX - shown.left) * canvas.width) / shown.width;
    return [x, ((event.clientY - shown.top) * canvas.height) / shown.height];
  }

  function stroke(from, to) {
    pen.globalCompositeOperation = erases ? "destination-out" : "source-over";
    pen.lineWidth = size * Math.max(canvas.width, canvas.height);
    pen.lineCap = "round";
    pen.strokeStyle = "#fff";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !canvas.width) return;
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    stroke(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const here = place(event);
    stroke(last, here);
    last = here;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (last) document.getElementById("dream-mask-take")?.click();
      last = null;
    });
  }

  function nothingPainted() {
    if (!canvas.width) return true;
    return !pen.getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value);
  }

  /* The mask of what is painted when it is there. An upload takes a while, in which another picture may have come, a
     stroke been added, or all of it been cleared: then it is what belongs to that. */
  async function mask() {
    newest = uploaded();
    for (;;) {
      const awaited = newest;
      const value = await awaited.catch((refused) => { if (awaited === newest) throw refused; });
      if (awaited === newest) return value;
    }
  }

  /* The mask as the value of a picture field, uploaded as a file that a visitor chose would be; null without any. */
  async function uploaded() {
    if (nothingPainted()) return null;
    const flat = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const sheet = flat.getContext("2d");
    sheet.fillRect(0, 0, flat.width, flat.height); /* black */
    sheet.drawImage(canvas, 0, 0);
    const body = new FormData();
    body.append("files", await new Promise((done) => flat.toBlob(done, "image/png")), "mask.png");
    const root = `${window.gradio_config.root}${window.gradio_config.api_prefix ?? "/gradio_api"}`;
    const answer = await fetch(`${root}/upload`, { method: "POST", body });
    if (!answer.ok) throw new Error(`the mask was not taken: ${await answer.text()}`);
    const [path] = await answer.json();
    const meta = { _type: "gradio.FileData" };
    return { path, url: `${root}/file=${path}`, orig_name: "mask.png", mime_type: "image/png", meta };
  }

  window.cvdemo.brush = { show, use, clear, set, mask };
})();
