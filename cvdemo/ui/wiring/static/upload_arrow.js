/* The upload arrow under a picture opens the choice of files at once. Gradio's takes the picture away, and no more. */
document.addEventListener("click", (event) => {
  const arrow = event.target.closest?.(".source-selection button.selected[aria-label='Upload file']");
  const files = arrow?.closest(".image-container")?.querySelector("input[type=file]");
  if (!files || files.disabled) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  files.click();
}, true);
