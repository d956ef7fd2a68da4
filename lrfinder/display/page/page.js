"use strict";
// Without this script the page shows everything but values under the pointer, and nothing can be hidden, sorted or copied.

function copy(text) {
  const box = document.createElement("textarea");
  box.value = text;
  box.setAttribute("readonly", "");
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy"); // a file has no navigator.clipboard in every browser
  box.remove();
  return done;
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => {
    const lines = document.getElementById(button.dataset.copy).textContent;
    const say = (done) => {
      button.textContent = done ? "Copied" : "Select and copy by hand";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    if (copy(lines)) say(true);
    else if (navigator.clipboard) navigator.clipboard.writeText(lines).then(() => say(true), () => say(false));
    else say(false);
    button.focus();
  });
}

for (const box of document.querySelectorAll("[data-toggle]")) {
  const show = () => {
    for (const layer of document.querySelectorAll(`[data-layer="${box.dataset.toggle}"]`)) {
      layer.classList.toggle("off", !box.checked);
    }
  };
  box.addEventListener("change", show);
  show(); // a browser that comes back to a page keeps what was ticked
}

function readable(chart) {
  const readout = document.getElementById("readout");
  const marks = [...chart.querySelectorAll("[data-say], [data-s]")].map((mark) => {
    const box = mark.getBBox();
    const [lr, loss] = (mark.dataset.s || "").split(" ");
    return {
      mark, x: box.x + box.width / 2, y: box.y + box.height / 2, isLine: mark.tagName === "line",
      said: mark.dataset.say || `loss ${loss} after a step at ${lr}`,
    };
  }).sort((a, b) => a.x - b.x);
  const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  ring.setAttribute("r", "8");
  ring.setAttribute("class", "at off");
  chart.append(ring);
  let at = -1;
  const seen = (one) => !one.mark.closest(".off");
  const show = (one) => {
    at = marks.indexOf(one);
    ring.setAttribute("cx", one.x);
    ring.setAttribute("cy", one.y);
    ring.classList.toggle("off", one.isLine);
    readout.textContent = one.said;
  };
  chart.addEventListener("pointermove", (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    let best = null, least = 40;
    for (const one of marks.filter(seen)) {
      const far = one.isLine ? Infinity : Math.hypot(one.x - point.x, one.y - point.y);
      if (far < least) { best = one; least = far; }
    }
    if (best) show(best);
  });
  chart.setAttribute("tabindex", "0");
  chart.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    let next = at + by;
    while (marks[next] && !seen(marks[next])) next += by;
    if (marks[next]) show(marks[next]);
  });
}
for (const chart of document.querySelectorAll(".chart")) readable(chart);

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.value;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === ""); // without a number last, either way
      return sign * (isNaN(x) ? x.localeCompare(y) : x - y);
    });
    table.tBodies[0].append(...rows);
  }));
}
