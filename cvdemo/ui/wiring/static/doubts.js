/* The buttons of the doubtful pictures of a lesson: which was pressed, and where the keys go once its picture is gone. */
Object.assign(window.cvdemo, (() => {
  const DRAWN_MS = 60; /* until the list is drawn anew */
  let asked = ""; /* such as "move 2" */
  let row = 0; /* of the button in the list */

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-mend]");
    if (!button) return;
    asked = button.dataset.mend;
    const entry = button.closest("li");
    row = [...entry.parentElement.children].indexOf(entry);
    document.getElementById("teach-mend").click();
  });

  const mending = () => asked;

  /* On to the picture that took its place, else to the button that teaches again. */
  function mended() {
    setTimeout(() => {
      const entries = document.querySelectorAll("#teach-doubtful li");
      const next = entries[Math.min(row, entries.length - 1)];
      (next?.querySelector("[data-mend]") ?? document.getElementById("teach-run"))?.focus({ preventScroll: true });
    }, DRAWN_MS);
  }

  return { mending, mended };
})());
