/* A camera or clipboard that cannot be had is told in one sentence, and leaves no error in the console. */
(() => {
  const told = new WeakSet();
  const CAMERA = {
    NotAllowedError: "The browser does not let this page use the camera. Allow it next to the page's address, or choose a picture file.",
    NotFoundError: "No camera was found. Choose a picture file instead.",
    NotReadableError: "Another program uses the camera. Close it, or choose a picture file.",
    SecurityError: "Browsers allow the camera only on pages with https. Choose a picture file instead.",
  };
  const CLIPBOARD = {
    NotAllowedError: "The browser does not let this page read the clipboard. Allow it next to the page's address, or choose a picture file.",
    SecurityError: "Browsers allow the clipboard only on pages with https. Choose a picture file instead.",
  };

  function tell(sentence) {
    document.getElementById("refused")?.remove();
    const note = document.createElement("div");
    note.id = "refused";
    note.setAttribute("role", "alert");
    note.textContent = sentence;
    note.addEventListener("click", () => note.remove());
    document.body.append(note);
    setTimeout(() => note.remove(), 10000);
  }

  function watch(owner, method, sentences, otherwise) {
    const original = owner[method]?.bind(owner);
    if (!original) return;
    owner[method] = (...inputs) =>
      original(...inputs).catch((error) => {
        tell(sentences[error?.name] ?? otherwise);
        if (error instanceof Object) told.add(error);
        throw error;
      });
  }

  /* Without https the browser has neither of them. */
  function standIn(name, methods) {
    if (navigator[name]) return;
    const refuse = async () => {
      throw new DOMException("needs https", "SecurityError");
    };
    const value = Object.fromEntries(methods.map((method) => [method, refuse]));
    Object.defineProperty(navigator, name, { value, configurable: true });
  }

  standIn("mediaDevices", ["getUserMedia"]);
  standIn("clipboard", ["read", "writeText"]);
  watch(navigator.mediaDevices, "getUserMedia", CAMERA, "The camera cannot be used. Choose a picture file instead.");
  watch(navigator.clipboard, "read", CLIPBOARD, "The clipboard cannot be read. Choose a picture file instead.");
  window.addEventListener("unhandledrejection", (event) => {
    if (event.reason instanceof Object && told.has(event.reason)) event.preventDefault();
  });
})();
