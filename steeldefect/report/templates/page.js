"use strict";
(() => {
  const boxes = [...document.querySelectorAll("fieldset.verdicts")];
  const bar = document.getElementById("save");
  if (!boxes.length || !bar) return;
  const given = new Map();
  const said = document.getElementById("said");
  const show = () => {
    bar.hidden = false;
    said.textContent = given.size === 1 ? "1 verdict" : given.size + " verdicts";
  };
  for (const box of boxes) {
    box.hidden = false;
    box.addEventListener("change", (event) => {
      const data = box.dataset;
      given.set(data.picture, {
        source: data.source,
        key: data.key,
        etag: data.etag,
        verdict: event.target.value,
        at: new Date().toISOString(),
      });
      for (const other of boxes) {
        if (other !== box && other.dataset.picture === data.picture) {
          for (const one of other.querySelectorAll("input")) {
            one.checked = one.value === event.target.value;
          }
        }
      }
      show();
    });
  }
  document.getElementById("save-now").addEventListener("click", () => {
    const stated = JSON.parse(document.getElementById("night").textContent);
    stated.reviewer = document.getElementById("reviewer").value.trim();
    stated.pictures = [...given.values()];
    const text = JSON.stringify(stated, null, 1);
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = "verdicts-" + stated.run + ".json";
    link.click();
    URL.revokeObjectURL(address);
  });
})();
