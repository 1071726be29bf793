(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const { nodes, edges } = data;
  const $ = id => document.getElementById(id);
  const canvas = $("canvas"), context = canvas.getContext("2d");
  const hue = Object.fromEntries(data.types.map(t => [t.name, t.hue]));
  const look = Object.fromEntries(data.statuses.map(s => [s.name, s.look]));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const color = type => `hsl(${hue[type]} ${dark.matches ? "48% 62%" : "52% 46%"})`;
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const incident = nodes.map(() => []);
  edges.forEach((e, i) => { incident[e.head].push(i); if (e.tail !== e.head) incident[e.tail].push(i); });
  const merges = new Map();
  for (const [node, ...merge] of data.merges) merges.set(node, [...(merges.get(node) || []), merge]);
  const key = text => text.normalize("NFC").replace(/[\u200c\u200d]/g, "").replace(/[-–\s]+/g, " ").trim().toLowerCase();
  const keys = nodes.map(n => [n.label, ...n.aliases.map(a => a[0])].map(key));

  /* What is shown: the nodes of most edges that pass the filters, and those that a person asked for. */
  const off = { relations: new Set(), statuses: new Set(), types: new Set() };
  const asked = new Set();
  const place = new Map(); // node -> {x, y, vx, vy}
  let shown = [], drawn = [], selected = null, hovered = null, degree = [];
  let view = { x: 0, y: 0, scale: 1 }, heat = 0;
  let steered = false; // a person has moved the view, which then stays as it is

  const inTime = said => (!$("from").value || (said[1] || "") >= $("from").value) && (!$("to").value || (said[1] && said[1] <= $("to").value));
  const passes = e => !off.relations.has(e.type) && !off.statuses.has(e.status)
    && !off.types.has(nodes[e.head].type) && !off.types.has(nodes[e.tail].type)
    && e.confidence >= +$("confidence").value && (!$("clashes").checked || e.also.length) && e.said.some(inTime);

  const refresh = () => {
    const passing = edges.filter(passes);
    degree = nodes.map(() => 0);
    passing.forEach(e => { degree[e.head]++; degree[e.tail]++; });
    const order = nodes.map((_, i) => i).filter(i => degree[i] > 0).sort((a, b) => degree[b] - degree[a] || a - b);
    const top = new Set(order.slice(0, +$("size").value)), size = +$("size").value + [...asked].filter(i => !top.has(i)).length;
    // Nodes whose neighbours are all hidden are left out, so that others take their places.
    for (let count = +$("size").value, tries = 0; tries < 6; tries++) {
      const chosen = new Set([...order.slice(0, count), ...asked]);
      drawn = passing.filter(e => e.head !== e.tail && chosen.has(e.head) && chosen.has(e.tail));
      const linked = new Set(drawn.flatMap(e => [e.head, e.tail]));
      shown = [...chosen].filter(i => linked.has(i) || asked.has(i));
      if (shown.length >= size || count >= order.length) break;
      count += size - shown.length;
    }
    shown.forEach((node, i) => {
      if (place.has(node)) return;
      const near = drawn.map(e => e.head === node ? e.tail : e.tail === node ? e.head : -1).find(n => place.has(n));
      const from = near === undefined ? { x: 0, y: 0 } : place.get(near);
      const radius = near === undefined ? 26 * Math.sqrt(i + 1) : 50, angle = i * 2.39996;
      place.set(node, { x: from.x + radius * Math.cos(angle), y: from.y + radius * Math.sin(angle), vx: 0, vy: 0 });
    });
    $("note").textContent = `${shown.length} of ${nodes.length} nodes, ${drawn.length} of ${edges.length} edges`;
    $("least").textContent = (+$("confidence").value).toFixed(2);
    heat = 1;
  };

  /* A force layout: nodes push each other away, edges pull, all are drawn to the middle. */
  const step = () => {
    const at = shown.map(i => place.get(i));
    for (let i = 0; i < at.length; i++)
      for (let j = i + 1; j < at.length; j++) {
        const dx = at[i].x - at[j].x || 0.1, dy = at[i].y - at[j].y || 0.1, d2 = dx * dx + dy * dy;
        const push = Math.min(2600 / d2, 12);
        const d = Math.sqrt(d2);
        at[i].vx += dx / d * push; at[i].vy += dy / d * push; at[j].vx -= dx / d * push; at[j].vy -= dy / d * push;
      }
    for (const e of drawn) {
      const a = place.get(e.head), b = place.get(e.tail), dx = b.x - a.x, dy = b.y - a.y, d = Math.hypot(dx, dy) || 1;
      const pull = (d - 90) * 0.045, total = degree[e.head] + degree[e.tail];
      const forA = pull * degree[e.tail] / total, forB = pull * degree[e.head] / total;
      a.vx += dx / d * forA; a.vy += dy / d * forA; b.vx -= dx / d * forB; b.vy -= dy / d * forB;
    }
    const shape = Math.min(Math.max(canvas.clientHeight / (canvas.clientWidth || 1), 0.5), 2);
    for (const p of at) {
      p.vx -= p.x * 0.014 * shape; p.vy -= p.y * 0.014 / shape;
      if (p !== dragged) { p.x += p.vx * heat; p.y += p.vy * heat; }
      p.vx *= 0.55; p.vy *= 0.55;
    }
    heat = heat < 0.02 ? 0 : heat * 0.985;
  };
  const settle = () => { const until = performance.now() + 900; while (heat && performance.now() < until) step(); };
  const fit = () => {
    const at = shown.map(i => place.get(i));
    if (!at.length) return;
    const xs = at.map(p => p.x), ys = at.map(p => p.y);
    const left = Math.min(...xs), right = Math.max(...xs), top = Math.min(...ys), bottom = Math.max(...ys);
    const scale = Math.min((canvas.clientWidth - 180) / (right - left + 1), (canvas.clientHeight - 90) / (bottom - top + 1), 1.6);
    view = { scale, x: canvas.clientWidth / 2 - 50 - scale * (left + right) / 2, y: canvas.clientHeight / 2 - scale * (top + bottom) / 2 };
  };

  const radius = i => 3.5 + Math.min(Math.sqrt(degree[i]) * 1.1, 14);
  const screen = i => { const p = place.get(i); return [p.x * view.scale + view.x, p.y * view.scale + view.y]; };
  const around = () => {
    const focus = hovered ?? selected?.node;
    if (focus === undefined || focus === null) return null;
    return new Set([focus, ...drawn.filter(e => e.head === focus || e.tail === focus).flatMap(e => [e.head, e.tail])]);
  };

  const draw = () => {
    const ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) { canvas.width = w * ratio; canvas.height = h * ratio; }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, w, h);
    const near = around(), focus = hovered ?? selected?.node;
    const line = css("--edge"), bad = css("--bad"), clash = css("--clash"), ink = css("--ink"), card = css("--page");
    for (const e of drawn) {
      const lit = selected?.edge === e || (near && (e.head === focus || e.tail === focus));
      context.globalAlpha = near && !lit ? 0.12 : lit ? 1 : 0.6;
      context.strokeStyle = e.also.length ? clash : look[e.status] === 1 ? bad : lit ? ink : line;
      context.lineWidth = (e.also.length ? 2 : 1) + (lit ? 0.6 : 0);
      context.setLineDash([[], [7, 4], [4, 4], [1.5, 4]][look[e.status]]);
      const [x, y] = screen(e.head), [u, v] = screen(e.tail), d = Math.hypot(u - x, v - y) || 1;
      context.beginPath(); context.moveTo(x, y); context.lineTo(u, v); context.stroke();
      context.setLineDash([]);
      if (lit) arrow(e, x, y, u, v, d);
    }
    context.globalAlpha = 1;
    const byDegree = [...shown].sort((a, b) => degree[b] - degree[a]);
    for (const i of [...byDegree].reverse()) {
      const [x, y] = screen(i);
      context.globalAlpha = near && !near.has(i) ? 0.2 : 1;
      context.fillStyle = color(nodes[i].type);
      context.strokeStyle = i === selected?.node ? ink : card;
      context.lineWidth = i === selected?.node ? 3 : 1.2;
      context.beginPath(); context.arc(x, y, radius(i), 0, 7); context.fill(); context.stroke();
    }
    const boxes = [];
    label(byDegree, near, ink, card, w, h, boxes);
    if (near) for (const e of drawn) if (e.head === focus || e.tail === focus) name(e, focus, card, ink, boxes);
    context.globalAlpha = 1;
  };
  const arrow = (e, x, y, u, v, d) => {
    const tips = e.both ? [[x, y, u, v, e.tail], [u, v, x, y, e.head]] : [[x, y, u, v, e.tail]];
    context.fillStyle = context.strokeStyle;
    for (const [a, b, c, f, end] of tips) {
      const ex = (c - a) / d, ey = (f - b) / d, r = radius(end) + 1, px = c - ex * r, py = f - ey * r;
      context.beginPath(); context.moveTo(px, py);
      context.lineTo(px - ex * 9 - ey * 4, py - ey * 9 + ex * 4); context.lineTo(px - ex * 9 + ey * 4, py - ey * 9 - ex * 4); context.fill();
    }
  };
  const over = (boxes, box) => boxes.some(b => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3]);
  /* An edge's name stands towards its other end, as lines are close together at the node in focus. */
  const name = (e, focus, card, ink, boxes) => {
    const [x, y] = screen(focus), [u, v] = screen(e.head === focus ? e.tail : e.head);
    context.font = `11px ${css("--plain")}`;
    const text = look[e.status] ? `${e.type} (${e.status})` : e.type, width = context.measureText(text).width;
    const cx = x + (u - x) * 0.62, cy = y + (v - y) * 0.62, box = [cx - width / 2, cy - 8, cx + width / 2, cy + 6];
    if (Math.hypot(u - x, v - y) < 60 || over(boxes, box)) return;
    boxes.push(box);
    context.lineWidth = 3; context.strokeStyle = card; context.fillStyle = ink; context.globalAlpha = 1;
    context.strokeText(text, box[0], cy + 3); context.fillText(text, box[0], cy + 3);
  };
  /* Labels of well connected nodes first; one that would lie over another is left out until there is room. */
  const label = (order, near, ink, card, w, h, boxes) => {
    const first = near ? [...near].filter(i => place.has(i)) : [];
    for (const i of new Set([...first, ...order])) {
      if (near && !near.has(i)) continue;
      const size = i === (hovered ?? selected?.node) ? 16 : Math.min(11.5 + Math.sqrt(degree[i]) * 0.45, 17);
      context.font = `${degree[i] > 25 ? "600 " : ""}${size}px ${css("--bangla")}`;
      const full = nodes[i].label, text = full.length > 34 ? full.slice(0, 33) + "…" : full;
      const [x, y] = screen(i), width = context.measureText(text).width, right = x + radius(i) + 3, top = y - size * 0.75;
      const left = right + width > w && x < w ? x - radius(i) - 3 - width : right;
      if (left > w || top > h || left + width < 0 || top + size < 0) continue;
      const box = [left, top, left + width, top + size * 1.5];
      if (i !== hovered && over(boxes, box)) continue;
      boxes.push(box);
      context.lineWidth = 3.5; context.lineJoin = "round"; context.strokeStyle = card; context.fillStyle = ink;
      context.strokeText(text, left, y + size * 0.36); context.fillText(text, left, y + size * 0.36);
    }
  };

  /* The panel. All text goes in as text, never as markup. */
  const make = (tag, options = {}, ...children) => {
    const { style, on, ...rest } = options, element = Object.assign(document.createElement(tag), rest);
    if (style) element.style.cssText = style;
    if (on) element.addEventListener("click", on);
    element.append(...children.filter(c => c !== null && c !== undefined));
    return element;
  };
  const dot = type => make("span", { className: "dot", style: `background:${color(type)}`, title: type });
  const row = (i, note, on) => make("button", { className: "row", on: on || (() => open(i)) }, dot(nodes[i].type), nodes[i].label, make("i", {}, note));
  const sentence = (said) => {
    const quote = make("blockquote");
    said[5].forEach((number, k) => {
      const [start, text] = data.passages[number], characters = Array.from(text);
      if (k) quote.append(" … ");
      const inside = at => [said[3], said[4]].some(([from, to]) => from <= start + at && start + at < to);
      for (let at = 0; at < characters.length;) {
        let end = at + 1;
        while (end < characters.length && inside(end) === inside(at)) end++;
        const part = characters.slice(at, end).join("");
        quote.append(inside(at) ? make("mark", {}, part) : part);
        at = end;
      }
    });
    return quote;
  };
  const statement = (e, said) => {
    const d = data.documents[said[0]];
    const end = i => make("button", { className: "link bn", on: () => open(i) }, nodes[i].label);
    return make("div", { className: e.also.length ? "said clash" : "said" },
      make("div", { className: "triple" }, end(e.head), e.both ? " ←" : " —", make("b", {}, e.type), "→ ", end(e.tail), " ",
        make("span", { className: `status look-${look[e.status]}` }, e.status)),
      e.also.length ? make("div", { className: "clash-note" }, `⚡ elsewhere ${e.also.join(", ")}`) : null,
      sentence(said),
      make("div", { className: "soft" }, [said[1], d.id, d.title, said[2] === null ? null : said[2].toFixed(2)].filter(Boolean).join(" · ")));
  };
  const byDate = list => list.sort((a, b) => (a[1][1] || "9999") < (b[1][1] || "9999") ? -1 : (a[1][1] || "9999") > (b[1][1] || "9999") ? 1 : 0);
  const statements = (into, list, limit = 60) => {
    list.slice(0, limit).forEach(([e, said]) => into.append(statement(e, said)));
    if (list.length > limit) {
      const more = make("button", { className: "act" }, `${list.length - limit} more`);
      more.addEventListener("click", () => { more.remove(); statements(into, list.slice(limit), 200); });
      into.append(more);
    }
  };
  const panel = () => { const p = $("detail"); p.replaceChildren(); p.scrollTop = 0; return p; };

  const overview = () => {
    selected = null;
    const p = panel(), clashes = edges.filter(e => e.also.length && look[e.status] === 0);
    p.append(make("h1", {}, "Who did what to whom"),
      make("p", { className: "soft" }, `${data.documents.length} document${data.documents.length === 1 ? "" : "s"}. Click a node for what is said of it, a line for what is said between two, and search for nodes that are not shown. Drag to move, scroll to zoom, Escape to come back here.`));
    p.append(make("h2", {}, "Most connected"));
    [...shown].sort((a, b) => degree[b] - degree[a]).slice(0, 12).forEach(i => p.append(row(i, `${degree[i]}`)));
    if (clashes.length) p.append(make("h2", {}, `Stated in several statuses: ${clashes.length}`));
    clashes.sort((a, b) => b.said.length - a.said.length).slice(0, 40).forEach(e => p.append(
      make("button", { className: "row", on: () => pair(e.head, e.tail) },
        `${nodes[e.head].label} — ${e.type} → ${nodes[e.tail].label}`, make("i", { className: "clash-note" }, `⚡ ${e.also.join(", ")}`))));
  };

  const open = i => {
    selected = { node: i };
    if (!place.has(i) || !shown.includes(i)) { asked.add(i); strongest(i, 12).forEach(n => asked.add(n)); refresh(); settle(); }
    center(i);
    const n = nodes[i], p = panel();
    const own = incident[i].map(k => edges[k]).filter(passes);
    p.append(make("h1", {}, n.label),
      make("p", { className: "soft" }, dot(n.type), ` ${n.type} · ${n.mentions} mentions in ${n.documents.length} documents · ${own.length} edges`),
      make("p", { className: "bn soft" }, n.aliases.map(([a, c]) => `${a} ×${c}`).join(", ")),
      make("button", { className: "act", on: () => { strongest(i, 60).forEach(k => asked.add(k)); refresh(); settle(); center(i); } }, "Show its neighbours"));
    const others = new Map();
    own.forEach(e => { const o = e.head === i ? e.tail : e.head; others.set(o, (others.get(o) || 0) + e.said.length); });
    const list = [...others].sort((a, b) => b[1] - a[1]);
    if (list.length) p.append(make("h2", {}, "Timeline with"));
    list.slice(0, 8).forEach(([o, count]) => p.append(row(o, `${count} statements`, () => pair(i, o))));
    const told = own.flatMap(e => e.said.filter(inTime).map(s => [e, s]));
    p.append(make("h2", {}, `${told.length} statements`));
    statements(p, byDate(told));
    if (merges.has(i)) {
      const details = make("details", {}, make("summary", { className: "soft" }, `Why these ${merges.get(i).length} entities are one`));
      for (const [id, rule, evidence] of merges.get(i)) details.append(make("p", { className: "soft" }, `${id}: ${rule} – ${evidence}`));
      p.append(make("h2", {}, "Merged"), details);
    }
  };
  const strongest = (i, count) => {
    const weight = new Map();
    incident[i].map(k => edges[k]).filter(passes).forEach(e => { const o = e.head === i ? e.tail : e.head; weight.set(o, (weight.get(o) || 0) + e.said.length); });
    return [...weight].sort((a, b) => b[1] - a[1] || degree[b[0]] - degree[a[0]]).slice(0, count).map(x => x[0]);
  };
  const pair = (a, b) => {
    [a, b].forEach(i => { if (!shown.includes(i)) { asked.add(i); refresh(); settle(); } });
    const between = edges.filter(e => (e.head === a && e.tail === b) || (e.head === b && e.tail === a));
    selected = { edge: drawn.find(e => between.includes(e)) };
    const p = panel(), told = between.flatMap(e => e.said.map(s => [e, s]));
    const end = i => make("button", { className: "link", on: () => open(i) }, nodes[i].label);
    p.append(make("h1", {}, end(a), " · ", end(b)), make("p", { className: "soft" }, `${told.length} statements, by the date of the article, whatever the filters`));
    statements(p, byDate(told));
  };
  const center = i => { const p = place.get(i); if (!p) return; const [x, y] = screen(i);
    if (x < 80 || y < 80 || x > canvas.clientWidth - 160 || y > canvas.clientHeight - 80) { steered = true; view.x += canvas.clientWidth / 2 - x; view.y += canvas.clientHeight / 2 - y; } };

  /* Filters and search. */
  const sample = number => {
    const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg"), path = document.createElementNS(ns, "line");
    svg.setAttribute("width", 26); svg.setAttribute("height", 8);
    for (const [k, v] of Object.entries({ x1: 0, x2: 26, y1: 4, y2: 4, "stroke-width": 2, "stroke-dasharray": ["", "7 4", "4 4", "1.5 4"][number], stroke: number === 1 ? css("--bad") : css("--soft") })) path.setAttribute(k, v);
    svg.append(path);
    return svg;
  };
  const boxes = (into, items, set, count, sign) => items.filter(t => count.get(t.name)).forEach(t => {
    const box = make("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => { box.checked ? set.delete(t.name) : set.add(t.name); changed(); });
    $(into).append(make("label", { title: t.definition }, box, sign(t), t.name, make("i", {}, String(count.get(t.name)))));
  });
  const count = list => list.reduce((map, name) => map.set(name, (map.get(name) || 0) + 1), new Map());
  const changed = () => { refresh(); settle(); if (selected?.node !== undefined) open(selected.node); else if (!selected) overview(); };
  boxes("statuses", data.statuses, off.statuses, count(edges.map(e => e.status)), t => sample(t.look));
  boxes("relations", data.relations, off.relations, count(edges.map(e => e.type)), () => null);
  boxes("types", data.types, off.types, count(nodes.map(n => n.type)), t => dot(t.name));
  for (const [id, on] of [["all", true], ["none", false]]) $(id).addEventListener("click", () => {
    $("relations").querySelectorAll("input").forEach(box => { box.checked = on; });
    off.relations.clear();
    if (!on) data.relations.forEach(r => off.relations.add(r.name));
    changed();
  });
  for (const id of ["from", "to", "size", "confidence", "clashes"]) $(id).addEventListener("change", changed);
  $("search").addEventListener("input", () => {
    const q = key($("search").value), found = $("found");
    found.replaceChildren();
    if (!q) return;
    const rank = i => Math.min(...keys[i].map(k => k === q ? 0 : k.startsWith(q) ? 1 : k.includes(q) ? 2 : 9));
    const hits = nodes.map((n, i) => [rank(i), -n.mentions, i]).filter(h => h[0] < 9).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    hits.slice(0, 12).forEach(([, , i]) => found.append(row(i, `${nodes[i].mentions}`)));
    found.append(make("p", { className: "soft" }, hits.length ? hits.length > 12 ? `${hits.length} names` : "" : "no such name"));
  });
  $("search").addEventListener("keydown", event => { if (event.key === "Enter") $("found").querySelector("button")?.click(); });

  /* The mouse. */
  let dragged = null, moving = null, moved = 0;
  const at = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const nodeAt = ([x, y]) => shown.find(i => { const [u, v] = screen(i); return Math.hypot(u - x, v - y) < radius(i) + 4; });
  const edgeAt = ([x, y]) => drawn.find(e => {
    const [a, b] = screen(e.head), [c, d] = screen(e.tail), length = Math.hypot(c - a, d - b) || 1;
    const along = ((x - a) * (c - a) + (y - b) * (d - b)) / length;
    return along > 0 && along < length && Math.abs((c - a) * (b - y) - (a - x) * (d - b)) / length < 4;
  });
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    const i = nodeAt(at(event));
    moved = 0; moving = at(event);
    dragged = i === undefined ? null : place.get(i);
  });
  canvas.addEventListener("pointermove", event => {
    const [x, y] = at(event);
    if (!moving) { hovered = nodeAt([x, y]) ?? null; canvas.classList.toggle("over", hovered !== null || !!edgeAt([x, y])); return; }
    const dx = x - moving[0], dy = y - moving[1];
    moved += Math.abs(dx) + Math.abs(dy); moving = [x, y];
    if (dragged) { dragged.x += dx / view.scale; dragged.y += dy / view.scale; heat = Math.max(heat, 0.15); } else { steered = true; view.x += dx; view.y += dy; }
  });
  canvas.addEventListener("pointerup", event => {
    const p = at(event);
    if (moved < 4) {
      const i = nodeAt(p), e = edgeAt(p);
      if (i !== undefined) open(i); else if (e) pair(e.head, e.tail); else overview();
    }
    dragged = moving = null;
  });
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    const [x, y] = at(event), factor = Math.exp(-event.deltaY * 0.0015), scale = Math.min(Math.max(view.scale * factor, 0.05), 8);
    steered = true;
    view = { scale, x: x - (x - view.x) * scale / view.scale, y: y - (y - view.y) * scale / view.scale };
  }, { passive: false });
  document.addEventListener("keydown", event => { if (event.key === "Escape") { $("search").value = ""; $("found").replaceChildren(); asked.clear(); steered = false; refresh(); settle(); overview(); fit(); } });

  refresh(); settle(); fit(); overview();
  /* Inside another page it has no size before it is scrolled to, and a window may get another. */
  let sized = canvas.clientWidth > 0;
  new ResizeObserver(() => {
    if (!canvas.clientWidth) return;
    if (!sized) { sized = true; heat = 1; settle(); }
    if (!steered) fit();
  }).observe(canvas);
  const fragment = decodeURIComponent(location.hash.slice(1)), wanted = nodes.findIndex(n => n.id === fragment);
  if (wanted >= 0) open(wanted);
  const frame = () => { if (heat) step(); draw(); requestAnimationFrame(frame); };
  frame();
})();
