"use strict";
(() => {
  const $ = (query, root = document) => root.querySelector(query);
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const { axis, panels } = JSON.parse($("#readouts").textContent);
  const root = document.documentElement, stack = $("#stack"), cross = $("#cross"), brush = $("#brush"), now = $("#now"), view = $("#view");
  const strip = $(".strip"), span = axis.span_ms;
  const svgs = all("svg", stack), grids = all(".grid", stack), tickRows = all(".ticks", stack);
  const spans = all("[data-b]", stack), spots = all("[data-t]:not(.tick)", stack), names = all(".fault-name", stack);
  const reads = all(".panel", stack).map((panel) => [$(".read", panel), panels[panel.dataset.panel] || [[], []]]);
  const moments = [...new Set([...all("[data-b]", strip).flatMap((e) => [+e.dataset.b, +e.dataset.e]), ...all(".plot .spot", stack).map((e) => +e.dataset.t)])].sort((a, b) => a - b);
  let from = 0, to = span, at = null, drag = null;
  root.classList.add("js");

  // --- words for a moment ---
  const two = (n) => String(n).padStart(2, "0");
  const relative = () => root.dataset.zone === "rel", local = () => root.dataset.zone === "loc";
  const offset = -new Date(axis.zero_ms).getTimezoneOffset();
  const zoneOf = Intl.DateTimeFormat().resolvedOptions().timeZone || "local";
  const zoneName = `${zoneOf} (UTC${offset < 0 ? "−" : "+"}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)})`;
  function utc(ms, fine, shift = local() ? offset * 6e4 : 0) {
    const day = new Date(axis.zero_ms + ms + shift);
    const clock = `${two(day.getUTCHours())}:${two(day.getUTCMinutes())}:${two(day.getUTCSeconds())}`;
    return fine ? `${clock}.${String(day.getUTCMilliseconds()).padStart(3, "0")}` : clock;
  }
  function since(ms, fine) {
    const s = ms / 1000;
    if (s < 600) return `${s.toFixed(fine ? 2 : Number.isInteger(s) ? 0 : 1)} s`;
    return `${Math.floor(s / 60)}:${two(Math.floor(s % 60))}${fine ? `.${Math.floor((s % 1) * 10)}` : ""}`;
  }
  const moment = (ms) => (relative() ? `T+${since(ms, true)}` : `${utc(ms, true)} ${local() ? zoneName : "UTC"}`);
  for (const when of all(".when")) $(".loc", when).textContent = utc(1000 * when.hash.slice(3).split("..")[0], true, offset * 6e4).slice(0, -2);
  $(".zone .loc").textContent = zoneName;

  // --- the range that is drawn ---
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 864e5];
  function ticks() {
    const most = Math.max(2, Math.floor(strip.clientWidth / 90));
    const step = steps.find((s) => (to - from) / s <= most) || 864e5;
    const shift = relative() ? 0 : (axis.zero_ms + (local() ? offset * 6e4 : 0)) % 864e5;
    const found = [];
    for (let t = Math.ceil((from + shift) / step) * step - shift; t <= to; t += step) found.push(t);
    return [found, step < 1000];
  }
  function place(element, ms) {
    const part = (ms - from) / (to - from);
    element.style.left = `${part * 100}%`;
    element.style.visibility = part < -0.001 || part > 1.001 ? "hidden" : "";
  }
  function draw() {
    const [marks, fine] = ticks();
    for (const svg of svgs) svg.setAttribute("viewBox", `${from} 0 ${to - from} ${svg.viewBox.baseVal.height}`);
    for (const grid of grids) grid.setAttribute("d", marks.map((t) => `M${t} 0V${grid.dataset.h}`).join(""));
    for (const row of tickRows) {
      row.replaceChildren(...marks.map((t) => {
        const tick = document.createElement("span");
        tick.className = "tick";
        tick.textContent = relative() ? since(t, fine) : utc(t, fine);
        place(tick, t);
        if (t - from < (to - from) * 0.015) tick.style.visibility = "hidden"; // it would lie on the zone's name
        return tick;
      }));
    }
    for (const element of spans) {
      const begin = Math.max(+element.dataset.b, from), end = Math.min(+element.dataset.e, to);
      element.style.left = `${((begin - from) / (to - from)) * 100}%`;
      element.style.width = `${(Math.max(end - begin, 0) / (to - from)) * 100}%`;
      element.style.visibility = end < begin ? "hidden" : "";
    }
    for (const element of spots) place(element, +element.dataset.t);
    view.hidden = to - from >= span;
    view.style.left = `${(from / span) * 100}%`;
    view.style.width = `${Math.max(((to - from) / span) * 100, 0.3)}%`;
    thin();
    point(at);
  }
  function thin() {
    const limits = {}, edge = strip.getBoundingClientRect().right + 90;
    for (const name of [...names].reverse()) {
      if (name.style.visibility === "hidden") continue;
      const row = name.style.top, limit = limits[row] ?? edge;
      for (const text of [name.dataset.full, name.dataset.short, ""]) {
        name.textContent = text;
        if (name.getBoundingClientRect().right <= limit) break;
      }
      limits[row] = name.getBoundingClientRect().left;
    }
  }
  function zoom(a, b) {
    const width = Math.min(Math.max(b - a, 50), span);
    from = Math.min(Math.max(a, 0), span - width);
    to = from + width;
    draw();
  }

  // --- the reading line ---
  function upTo(times, ms) {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= ms) low = middle + 1; else high = middle;
    }
    return low - 1;
  }
  function point(ms) {
    at = ms;
    cross.hidden = ms === null || ms < from || ms > to;
    now.textContent = ms === null ? "" : moment(ms);
    if (!cross.hidden) cross.style.transform = `translateX(${strip.offsetLeft + ((ms - from) / (to - from)) * strip.clientWidth}px)`;
    for (const [read, [times, texts]] of reads) {
      const k = ms === null ? -1 : upTo(times, ms);
      read.textContent = k < 0 ? "" : texts[k];
    }
  }
  function under(event) {
    const box = strip.getBoundingClientRect();
    const part = (event.clientX - box.left) / box.width;
    return part < 0 || part > 1 ? null : Math.round(from + part * (to - from));
  }
  const inPlot = (event) => event.target.closest(".plot") && !event.target.closest("a");
  stack.addEventListener("pointermove", (event) => {
    const ms = under(event);
    if (drag !== null && ms !== null) {
      const left = Math.min(drag, ms), right = Math.max(drag, ms), scale = strip.clientWidth / (to - from);
      brush.hidden = (right - left) * scale < 4;
      brush.style.transform = `translateX(${strip.offsetLeft + (left - from) * scale}px)`;
      brush.style.width = `${(right - left) * scale}px`;
    }
    if (event.target.closest(".plot")) point(ms);
  });
  stack.addEventListener("pointerdown", (event) => { if (event.button === 0 && inPlot(event)) drag = under(event); });
  window.addEventListener("pointerup", (event) => {
    if (drag === null) return;
    const ms = under(event) ?? drag, begin = drag;
    drag = null;
    if (!brush.hidden) zoom(Math.min(begin, ms), Math.max(begin, ms));
    else link(ms);
    brush.hidden = true;
  });
  stack.addEventListener("dblclick", () => zoom(0, span));
  stack.addEventListener("keydown", (event) => {
    const step = (to - from) / (event.shiftKey ? 20 : 200), middle = at ?? (from + to) / 2, half = (to - from) / 2;
    const event_ = (way) => { const next = moments.filter((t) => way * (t - Math.round(middle)) > 0).at(way > 0 ? 0 : -1); if (next !== undefined) move(next); };
    const keys = {
      n: () => event_(1), p: () => event_(-1),
      ArrowLeft: () => move(middle - step), ArrowRight: () => move(middle + step), Home: () => move(0), End: () => move(span),
      "+": () => zoom(middle - half / 2, middle + half / 2), "=": () => zoom(middle - half / 2, middle + half / 2),
      "-": () => zoom(middle - half * 2, middle + half * 2), 0: () => zoom(0, span), Escape: () => { zoom(0, span); point(null); },
    };
    if (!keys[event.key] || event.target.closest("details") || event.ctrlKey || event.metaKey) return;
    keys[event.key]();
    event.preventDefault();
  });
  function move(ms) {
    const kept = Math.round(Math.min(Math.max(ms, 0), span));
    if (kept < from || kept > to) zoom(kept - (to - from) / 2, kept + (to - from) / 2);
    point(kept);
  }

  // --- links to moments: #t=12.5 is a moment, #t=10..20 a span, in seconds since the trial began ---
  function link(ms) { if (ms !== null) { point(ms); location.replace(`#t=${(ms / 1000).toFixed(3)}`); } }
  function follow() {
    const found = /^#t=([\d.]+?)(?:\.\.([\d.]+))?$/.exec(location.hash);
    if (!found) return;
    const begin = +found[1] * 1000;
    if (found[2]) { const end = +found[2] * 1000, room = (end - begin) / 2; zoom(begin - room, end + room); point(Math.round(begin)); }
    else move(begin);
  }
  window.addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const to = event.target.closest('a[href^="#t="]');
    if (to) { stack.scrollIntoView({ block: "nearest" }); if (to.hash === location.hash) follow(); }
  });

  // --- zone and theme ---
  $("#zone").addEventListener("click", () => {
    root.dataset.zone = relative() ? "utc" : local() ? "rel" : "loc";
    $("#zone").textContent = relative() ? "Show UTC" : local() ? "Show T+" : "Show local";
    draw();
  });
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const theme = $("#theme");
  theme.textContent = dark() ? "Light" : "Dark";
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    theme.textContent = dark() ? "Light" : "Dark";
  });
  window.addEventListener("resize", draw);
  window.addEventListener("beforeprint", () => { zoom(0, span); point(null); });
  // --- #picture: only what a picture for a chat needs, and how high that is ---
  if (location.hash === "#picture") root.classList.add("picture");
  draw();
  follow();
  root.dataset.height = Math.ceil(document.body.getBoundingClientRect().height);
})();
