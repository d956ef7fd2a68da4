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

// What Python computes in lrfinder.advice (posterior, peak, change), from numbers that Python wrote into the page.
function whatIf(given) {
  const c = given.constants, grid = given.grid, log = Math.log10;

  function combine(sources, within) {
    const centers = sources.map((one) => one.center);
    const first = Math.round(grid.perDecade * (Math.min(...centers) - grid.reach));
    const last = Math.round(grid.perDecade * (Math.max(...centers) + grid.reach));
    const points = Array.from({ length: last - first + 1 }, (_, i) => (first + i) / grid.perDecade);
    let logs = points.map((x) => sources.reduce((sum, one) => {
      const z = (x - one.center) / one.deviation, wide = c.stray_width;
      const near = Math.exp(-z * z / 2) / one.deviation, far = Math.exp(-((z / wide) ** 2) / 2) / (one.deviation * wide);
      return sum + Math.log(Math.max((1 - c.stray_share) * near + c.stray_share * far, 1e-300));
    }, 0));
    const inside = points.map((x) => !within || (x >= within[0] && x <= within[1]));
    if (inside.includes(true)) logs = logs.map((value, i) => (inside[i] ? value : -Infinity));
    const most = logs.reduce((a, b) => Math.max(a, b));
    const raw = logs.map((value) => Math.exp(value - most)), total = raw.reduce((a, b) => a + b);
    return { points, weights: raw.map((value) => value / total) };
  }

  function quantile({ points, weights }, part) {
    const inside = points.filter((_, i) => weights[i] > 0);
    let sum = 0, at = points[points.length - 1];
    for (let i = 0; i < points.length; i++) {
      const before = sum;
      sum += weights[i];
      if (sum >= part) {
        at = i === 0 ? points[0] : points[i - 1] + (points[i] - points[i - 1]) * (part - before) / (sum - before);
        break;
      }
    }
    return Math.min(Math.max(at, inside[0]), inside[inside.length - 1]);
  }

  function leastRegret(found) {
    const ends = [quantile(found, grid.tail), quantile(found, 1 - grid.tail)];
    let candidates = found.points.filter((x) => x >= ends[0] && x <= ends[1]);
    if (!candidates.length) candidates = found.points;
    const regret = candidates.map((here) => found.points.reduce((sum, x, i) => {
      const away = here - x;
      return sum + Math.min((away > 0 ? c.regret_above : c.regret_below) * away * away, c.worst_regret) * found.weights[i];
    }, 0));
    const least = regret.indexOf(Math.min(...regret));
    if (least === 0 || least === candidates.length - 1) return candidates[least];
    const [below, at, above] = regret.slice(least - 1, least + 2);
    const offset = below + above > 2 * at ? (below - above) / (2 * (below - 2 * at + above)) : 0;
    return candidates[least] + offset / grid.perDecade;
  }

  function shape(name, steps) { // the row of a schedule's table, on a line between two
    const { rows, body } = given.schedules[name], x = log(steps);
    let i = rows.findIndex((row) => row[0] >= x);
    if (i < 1) i = i === 0 ? 1 : rows.length - 1;
    const part = (x - rows[i - 1][0]) / (rows[i][0] - rows[i - 1][0]);
    const [, factor, spread, warmup] = rows[i].map((value, k) => rows[i - 1][k] + part * (value - rows[i - 1][k]));
    return { factor, spread, warmup: Math.round(warmup * steps), body };
  }

  function recommend(steps, name) {
    const { factor, spread } = shape(name, steps);
    const sources = given.sources.map((one) => {
      const far = log(steps / one.steps);
      return { center: one.center + one.slope * far, deviation: Math.sqrt(one.variance + one.grows * far * far) };
    });
    const within = given.within && given.within.map(log), free = combine(sources, null);
    const probable = quantile(free, grid.middle) + factor;
    if (within && (probable < within[0] || probable > within[1])) return null;
    const found = within ? combine(sources, within.map((end) => end - factor)) : free;
    let low = quantile(found, grid.low), high = quantile(found, 1 - grid.low);
    const center = Math.min(Math.max(leastRegret(found), low), high), wider = c.interval_deviations * spread;
    low = center - Math.hypot(center - low, wider) + factor + log(given.lower);
    high = center + Math.hypot(high - center, wider) + factor;
    let lr = center + factor + log(given.lower);
    if (within) [lr, low, high] = [Math.max(lr, within[0]), Math.max(low, within[0]), Math.min(high, within[1])];
    [lr, low, high] = [lr, low, high].map((x) => 10 ** x);
    if (given.rule !== null) [lr, low, high] = [given.rule, Math.min(given.rule, low), Math.max(given.rule, high)];
    return { lr: lr * given.groups, low: low * given.groups, high: high * given.groups };
  }

  function change(batch, samples) {
    let value = 1, variance = 0;
    if (batch !== 1 && given.noise !== null) {
      const critical = c.critical_over_noise * given.noise;
      value *= ((1 + critical) / (1 + critical / batch)) ** c.noise_power;
      variance += c.noise_spread ** 2 * Math.abs(log(batch));
    } else if (batch !== 1) {
      value *= batch ** c.batch_exponent;
      variance += c.batch_spread ** 2 * Math.abs(log(batch));
    }
    if (samples !== 1) {
      value *= samples ** -c.samples_exponent;
      variance += c.samples_spread ** 2 * Math.abs(log(samples));
    }
    return { value: given.ownPace ? 1 : value, spread: c.interval_deviations * Math.sqrt(variance) };
  }

  return (steps, batch, name) => {
    if (!(Number.isInteger(steps) && steps > 0)) return { why: "The steps must be a positive whole number." };
    if (batch !== null && !(Number.isInteger(batch) && batch > 0)) return { why: "The batch must be a positive whole number." };
    if (steps < given.shortest || steps > given.longest) {
      return { why: `This page plans for ${given.shortest} to ${given.longest.toLocaleString("en")} steps; found.recommend in Python for any.` };
    }
    const ratio = batch === null ? 1 : batch / given.batch;
    const before = ratio === 1 ? steps : given.steps || Math.round(steps * ratio);
    const found = before < given.shortest || before > given.longest ? null : recommend(before, name);
    if (found === null) return { why: "Nothing measured supports an answer here: the best peak probably lies beyond the rates that were swept. Measure anew." };
    const after = shape(name, steps), asked = name === "recommended" ? "" : `, schedule="${name}"`;
    const purposes = Object.keys(given.options).map((key) => `, ${key}=True`).join("");
    const call = `found.recommend(total_steps=${before}${asked}${purposes})`;
    if (ratio === 1) return { ...found, ...after, steps, call };
    const samples = steps / before * ratio;
    for (const [what, far] of [["batch", ratio], ["number of samples", samples]]) {
      if (Math.max(far, 1 / far) > given.most) return { why: `The ${what} would change ${far.toPrecision(3)} times; nothing supports an answer beyond ${given.most.toLocaleString("en")} times. Measure the new training.` };
    }
    const { value, spread } = change(ratio, samples), was = shape(name, before);
    const moved = value * 10 ** (after.factor - was.factor), lr = found.lr * moved;
    const low = lr / 10 ** Math.hypot(log(found.lr / found.low), spread), high = lr * 10 ** Math.hypot(log(found.high / found.lr), spread);
    return { lr, low, high, ...after, steps, call: `${call}.rescale(batch_size=${batch}, total_steps=${steps})` };
  };
}

const numbers = document.getElementById("what-if-numbers");
if (numbers) {
  const form = document.querySelector("form.what-if"), told = document.getElementById("would");
  const plan = whatIf(JSON.parse(numbers.textContent));
  window.lrfinderWhatIf = plan;
  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const show = () => {
    const { steps, batch, schedule } = form.elements;
    const got = plan(Number(steps.value), batch ? Number(batch.value) : null, schedule.value);
    if (got.why) { told.replaceChildren(got.why); return; }
    const number = (value, digits) => value.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
    const warming = got.warmup ? `, a warm-up of about ${got.warmup.toLocaleString("en")} steps first` : "";
    told.replaceChildren(
      "peak ", element("strong", number(got.lr, 2)), ` (${number(got.low, 1)} to ${number(got.high, 1)}) for `,
      `${got.steps.toLocaleString("en")} steps of ${got.body}${warming}. `, document.createElement("br"), element("code", got.call),
    );
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
}
