// The viewer's page: what is shown, the region and its runs, one tile.
//
// Belongs here: fields, lists and requests. Not here: drawing and dragging (`tile_map.js`).
"use strict";

(() => {
  const world = JSON.parse(document.getElementById("world").textContent);
  const api = `/api/worlds/${encodeURIComponent(world.name)}`;
  const $ = (id) => document.getElementById(id);
  const MOST_POINTS = 1200000, MOST_SHAPES = 60000, CHUNK = 256;
  const MOST_FILES = 2048; // tiles in view; of more their numbers of points are shown, without a file read
  const address = new URLSearchParams(location.search);

  let states = {}; // letters of all tiles by layer/asset, as the server tells them
  let known = false; // whether it has told them
  let combined = "";
  let region = null;
  let opened = null; // index of the tile that is shown
  let statisticNames = [];
  const cache = new Map(); // blocks by layer/asset and tile
  let waiting = 0; // timer of the next look at what is in view
  let asked = 0; // number of the last request for geometry; older answers are dropped

  // --- small things -------------------------------------------------------------------------

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "onclick") made.addEventListener("click", value);
      else if (value !== null) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  const link = (url, text) => (url ? element("a", { href: url }, text) : null);

  function told(value) {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value)) return value.toLocaleString("en");
    return Math.abs(value) >= 0.001 && Math.abs(value) < 1e6
      ? value.toLocaleString("en", { maximumSignificantDigits: 4 }) : value.toExponential(2);
  }

  async function fetchJson(url, options) {
    const answer = await fetch(url, options);
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error || `${answer.status}`);
    return content;
  }

  const post = (url, content) => fetchJson(url, {
    method: "POST", body: JSON.stringify(content),
    headers: { "content-type": "application/json", "x-synthgrid-token": world.token },
  });

  // --- the map ------------------------------------------------------------------------------

  const map = new TileMap.TiledMap($("map"), world, {
    tile: (index) => openTile(index, true),
    region: (chosen) => setRegion(chosen),
    moved: () => loadGeometry(),
    drawing: (drawing) => $("draw").setAttribute("aria-pressed", String(drawing)),
  });
  window.synthgridMap = map;
  const grid = map.grid;
  const stateName = (letter) => TileMap.STATES[letter][0];

  const layerNow = () => world.layers.find((layer) => layer.name === $("layer").value);
  const assetNow = () => layerNow()?.assets.find((asset) => asset.name === $("asset").value);

  function shownDatasets() {
    const layers = layerNow() ? [layerNow()] : world.layers;
    const wanted = $("asset").value;
    return layers.flatMap((layer) => layer.assets
      .filter((asset) => !wanted || asset.name === wanted)
      .map((asset) => `${layer.name}/${asset.name}`));
  }

  function combine() {
    const strings = shownDatasets().map((name) => states[name]).filter(Boolean);
    if (strings.length === 1) return strings[0];
    const letters = new Array(grid.count);
    for (let i = 0; i < grid.count; i += 1) {
      letters[i] = TileMap.WORST.find((letter) => strings.some((one) => one[i] === letter)) || "M";
    }
    return letters.join("");
  }

  // of a running tile, how many of the assets that are shown are made
  function made() {
    const strings = shownDatasets().map((name) => states[name]).filter(Boolean);
    if (strings.length < 2 || !combined.includes("R")) return null;
    return Array.from(combined, (_, i) =>
      strings.filter((one) => "FQX".includes(one[i])).length / strings.length);
  }

  function refreshStates() {
    if (!known) {
      $("status").textContent = "loading …";
      if (!$("colour").value) drawLegend();
      tellRegion();
      return;
    }
    combined = combine();
    map.setStates(combined, made());
    const counts = {};
    for (const letter of combined) counts[letter] = (counts[letter] || 0) + 1;
    const words = Object.keys(TileMap.STATES).filter((letter) => counts[letter])
      .map((letter) => `${counts[letter].toLocaleString("en")} ${stateName(letter)}`);
    const text = `${grid.count.toLocaleString("en")} tiles: ${words.join(", ")}`;
    if ($("status").textContent !== text) $("status").textContent = text;
    if (!$("colour").value) drawLegend(counts);
    listTroubles();
    tellRegion();
  }

  function swatch(colour, kind) {
    const canvas = element("canvas", { width: 28, height: 28, "aria-hidden": "true" });
    const pen = canvas.getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 28, 28);
    pen.strokeStyle = "#17222d";
    pen.lineWidth = 2.5;
    if (kind) TileMap.mark(pen, kind, 0, 0, 28);
    return canvas;
  }

  // without numbers where they are not known
  function drawLegend(counts) {
    $("legend").replaceChildren(...Object.entries(TileMap.STATES).map(([letter, [name, colour, kind]]) =>
      element("span", {}, swatch(colour, kind), counts ? `${name} ${counts[letter] || 0}` : name)));
  }

  function drawRamp(name, low, high) {
    const canvas = element("canvas", { class: "ramp", width: 180, height: 14, "aria-hidden": "true" });
    const pen = canvas.getContext("2d");
    for (let i = 0; i < 180; i += 1) {
      pen.fillStyle = TileMap.ramp(i / 179);
      pen.fillRect(i, 0, 1, 14);
    }
    $("legend").replaceChildren(element("span", {}, told(low), canvas, `${told(high)} ${name}`));
  }

  // a few red, stale and suspicious tiles as a list: nobody needs to find them by their colour
  function listTroubles() {
    const found = [];
    for (const letter of ["X", "Q", "S"]) {
      for (let i = combined.indexOf(letter); i >= 0 && found.length < 8; i = combined.indexOf(letter, i + 1)) {
        found.push(i);
      }
    }
    const items = found.map((i) => element("button", {
      type: "button", class: "link", onclick: () => openTile(i, true, true),
    }, `${i % grid.columns}, ${Math.floor(i / grid.columns)} ${stateName(combined[i])}`));
    $("look-at").replaceChildren(...(items.length
      ? [element("span", { class: "hint" }, "Worth a look: "), ...items] : []));
  }

  // --- colours by a number -----------------------------------------------------------------

  async function recolour() {
    const name = $("colour").value, asset = assetNow();
    const single = layerNow() && asset;
    if (!single) {
      $("colour").replaceChildren(element("option", { value: "" }, "state (choose one asset for numbers)"));
    }
    if (!single || !name) {
      map.setValues(null);
      if (single && !statisticNames.length) await listStatistics("");
      refreshStates();
      return;
    }
    try {
      const found = await listStatistics(name);
      const known = found.values.filter((value) => value !== null);
      const low = Math.min(...known), high = Math.max(...known);
      map.setValues(found.values, low, high);
      drawRamp(name, known.length ? low : null, known.length ? high : null);
    } catch (error) {
      $("detail").textContent = error.message;
    }
  }

  async function listStatistics(name) {
    const query = new URLSearchParams({ layer: $("layer").value, asset: $("asset").value, name });
    const found = await fetchJson(`${api}/statistic?${query}`);
    if (String(found.names) !== String(statisticNames)) {
      statisticNames = found.names;
      $("colour").replaceChildren(element("option", { value: "" }, "state"),
        ...statisticNames.map((one) => element("option", { value: one }, one)));
      $("colour").value = statisticNames.includes(name) ? name : "";
    }
    return found;
  }

  // --- points and shapes --------------------------------------------------------------------

  const pointsOf = () => {
    const layer = layerNow() || world.layers[0];
    return layer ? `${layer.name}/points` : null;
  };
  const shapesOf = () => {
    const layer = layerNow() || world.layers.find((one) => one.assets.some((asset) => asset.shapes));
    if (!layer) return null;
    const asset = assetNow()?.shapes ? assetNow() : layer.assets.find((one) => one.name === "voronoi")
      || layer.assets.find((one) => one.shapes);
    return asset ? `${layer.name}/${asset.name}` : null;
  };

  const isMade = (dataset, index) => "FQXR".includes((states[dataset] || "")[index] || "M");

  async function loadKind(kind, dataset, most, ticket) {
    const seen = map.inView(), [layer, asset] = dataset.split("/");
    const wanted = [];
    for (let y = seen.y0; y < seen.y1; y += 1) {
      for (let x = seen.x0; x < seen.x1; x += 1) {
        const index = y * grid.columns + x, block = cache.get(`${dataset}/${index}`);
        const enough = block && (!most || block.sent === block.total || block.sent * 2 > most);
        if (!enough && isMade(dataset, index)) wanted.push([x, y]);
      }
    }
    const chunk = most ? CHUNK : Infinity; // totals come at once
    const rows = Math.max(1, Math.floor(chunk / Math.max(1, seen.x1 - seen.x0)));
    const needed = new Set(wanted.map(([, y]) => Math.floor((y - seen.y0) / rows)));
    for (const part of needed) {
      const inPart = wanted.filter(([, y]) => Math.floor((y - seen.y0) / rows) === part);
      const [xs, ys] = [inPart.map(([x]) => x), inPart.map(([, y]) => y)];
      const tiles = `${Math.min(...xs)}:${Math.max(...xs) + 1},${Math.min(...ys)}:${Math.max(...ys) + 1}`;
      const query = new URLSearchParams({ layer, asset, tiles, most });
      const answer = await fetch(`${api}/geometry?${query}`);
      if (!answer.ok) return;
      for (const block of TileMap.readBlocks(await answer.arrayBuffer(), grid)) {
        cache.set(`${dataset}/${block.index}`, block);
      }
      if (ticket !== asked) return;
      draw(kind, dataset, seen, most);
    }
    draw(kind, dataset, seen, most);
  }

  function draw(kind, dataset, seen, most) {
    const blocks = [];
    for (let y = seen.y0; y < seen.y1; y += 1) {
      for (let x = seen.x0; x < seen.x1; x += 1) {
        const block = cache.get(`${dataset}/${y * grid.columns + x}`);
        if (block && isMade(dataset, block.index)) blocks.push(block);
      }
    }
    map.setFeatures(kind, blocks, !most);
    const sent = most ? blocks.reduce((sum, block) => sum + block.sent, 0) : 0;
    const total = blocks.reduce((sum, block) => sum + block.total, 0);
    const noun = kind === "points" ? dataset : `shapes of ${dataset}`;
    if (!most) notes[kind] = total ? `${told(total)} ${noun}, as shades; zoom in to see each` : "";
    else notes[kind] = sent ? `${told(sent)}${sent < total ? ` of ${told(total)}` : ""} ${noun}` : "";
    tellDetail();
  }

  const notes = { points: "", shapes: "" };
  const tellDetail = () => {
    const text = Object.values(notes).filter(Boolean).join("; ");
    $("detail").textContent = text ? `In view: ${text}.` : "";
  };

  function loadGeometry() {
    clearTimeout(waiting);
    waiting = setTimeout(loadNow, 120); // after this script, also where the map moves at its start
  }

  async function loadNow() {
    asked += 1;
    const ticket = asked, seen = map.inView();
    const tiles = Math.max(1, (seen.x1 - seen.x0) * (seen.y1 - seen.y0));
    if (cache.size > 20000) cache.clear();
    for (const [kind, dataset, shown, most] of [
      ["points", pointsOf(), $("show-points").checked,
        tiles > MOST_FILES ? 0 : Math.ceil(MOST_POINTS / tiles)],
      ["shapes", shapesOf(), $("show-shapes").checked, Math.ceil(MOST_SHAPES / tiles)],
    ]) {
      // shapes are whole or not at all: half of a tessellation would look like holes
      const tooMany = kind === "shapes" && tiles > 144;
      if (!shown || !dataset || tooMany) {
        map.setFeatures(kind, []);
        notes[kind] = shown && tooMany ? "too many shapes, zoom in" : "";
        tellDetail();
      } else {
        await loadKind(kind, dataset, most, ticket);
      }
      if (ticket !== asked) return;
    }
  }

  function forget(dataset, indices) {
    for (const index of indices) cache.delete(`${dataset}/${index}`);
  }

  // --- the region and its runs --------------------------------------------------------------

  function setRegion(chosen) {
    region = chosen;
    for (const key of ["x0", "x1", "y0", "y1"]) $(key).value = chosen ? chosen[key] : "";
    map.showRegion(chosen);
    tellRegion();
  }

  function typedRegion() {
    const [x0, x1, y0, y1] = ["x0", "x1", "y0", "y1"].map((key) => $(key).valueAsNumber);
    const whole = [x0, x1, y0, y1].every(Number.isInteger);
    const good = whole && x0 >= 0 && y0 >= 0 && x0 < x1 && y0 < y1 && x1 <= grid.columns && y1 <= grid.rows;
    region = good ? { x0, x1, y0, y1 } : null;
    map.showRegion(region);
    tellRegion();
  }

  function tellRegion() {
    for (const button of $("run-buttons").children) button.disabled = !region;
    if (!region) {
      $("region-told").textContent = "";
      return;
    }
    const counts = {};
    for (let y = region.y0; y < region.y1; y += 1) {
      for (let x = region.x0; x < region.x1; x += 1) {
        const letter = combined[y * grid.columns + x] || "M";
        counts[letter] = (counts[letter] || 0) + 1;
      }
    }
    const words = known
      ? Object.entries(counts).map(([letter, count]) => `${count} ${stateName(letter)}`) : ["loading"];
    const tiles = (region.x1 - region.x0) * (region.y1 - region.y0);
    const what = shownDatasets().length === 1 ? shownDatasets()[0]
      : [$("layer").value || "all layers", $("asset").value || "all assets"].join(", ");
    const text = `${tiles} tiles of ${what}: ${words.join(", ")}. One run; what is whole and sound is kept.`;
    if ($("region-told").textContent !== text) $("region-told").textContent = text;
  }

  async function startRun(only) {
    if (!region) return;
    const content = {
      tiles: `${region.x0}:${region.x1},${region.y0}:${region.y1}`,
      layer: $("layer").value || null, asset: $("asset").value || null, only: only || null,
    };
    try {
      const started = await post(`${api}/runs`, content);
      $("run-told").textContent = "";
      $("region-told").textContent = `A run over ${started.tiles} tiles has started.`;
    } catch (error) {
      $("run-told").textContent = error.message;
    }
  }

  function showRuns(runs) {
    $("runs").replaceChildren(...runs.slice(0, 8).map((run) => element("li", {},
      element("span", { class: `state ${run.status}` }, run.status), " ",
      `${run.what || "all"}, tiles ${run.tiles}${run.only ? `, only ${run.only.replaceAll("-", " ")}` : ""} `,
      run.page ? link(run.page, "run in Dagster") : run.run ? `run ${run.run.slice(0, 8)}` : null,
      run.key && run.status === "running" ? element("button", {
        type: "button", class: "link",
        onclick: () => post(`${api}/runs/${run.key}/cancel`, {}).catch((error) => {
          $("run-told").textContent = error.message;
        }),
      }, "cancel") : null,
      run.trouble || run.failed.length
        ? element("pre", {}, [run.trouble, ...run.failed].filter(Boolean).join("\n")) : null)));
  }

  // --- one tile -----------------------------------------------------------------------------

  async function openTile(index, focus, look) {
    opened = index;
    const column = index % grid.columns, row = Math.floor(index / grid.columns);
    [$("column").value, $("row").value] = [column, row];
    map.select(index);
    if (look) map.look(grid.box(index));
    try {
      const found = await fetchJson(`${api}/tiles/${column}/${row}`);
      if (opened !== index) return;
      showTile(found, column, row);
      history.replaceState(null, "", `?${new URLSearchParams({
        layer: $("layer").value, asset: $("asset").value, tile: found.key })}`);
      if (focus) $("tile-title").focus({ preventScroll: matchMedia("(min-width: 801px)").matches });
    } catch (error) {
      $("tile").replaceChildren(element("p", { role: "alert" }, error.message));
    }
  }

  function showTile(found, column, row) {
    const halo = Math.max(0, ...found.products.map((one) => one.facts.halo_cells || 0));
    map.showHalo($("show-seams").checked ? opened : null, halo * world.cell);
    const shown = shownDatasets();
    const products = found.products.filter((one) => shown.includes(`${one.layer}/${one.asset}`));
    $("tile").replaceChildren(
      element("p", {}, `Column ${column}, row ${row}, partition `, element("code", {}, found.key), " "),
      element("p", { class: "hint" }, `${world.crs}: ${found.bounds.map((edge) => edge.toFixed(1)).join(", ")}; `
        + `computed with a halo of ${halo} cells.`),
      element("button", { type: "button", onclick: () => map.look(map.grid.box(opened)) }, "Zoom to it"),
      ...(products.length ? products.map((one) => showProduct(one, products.length <= 2))
        : [element("p", {}, "Nothing of it is committed as the world file is now.")]));
  }

  function showProduct(one, open) {
    const facts = [["rows", `${told(one.rows)}${one.expected === null ? "" : ` (${told(one.expected)} expected)`}`],
      ["file", one.file], ["audit record", `synthgrid audit show ${one.file}`], ["size", `${told(one.size)} bytes, made in ${told(one.seconds)} s`],
      ["SHA-256", one.sha256], ["content digest", one.digest], ["realisation", one.realisation]];
    const { seed_record: seed, ...others } = one.facts;
    for (const [name, value] of Object.entries(others)) {
      facts.push([name.replaceAll("_", " "), typeof value === "object" && value !== null ? JSON.stringify(value) : told(value)]);
    }
    const state = stateName(one.state);
    const failing = one.tests.filter((test) => test.outcome === "failed").length;
    return element("details", open || one.state === "X" ? { open: "" } : {},
      element("summary", {}, `${one.layer}/${one.asset} `, element("span", { class: `state ${state}` }, state),
        failing ? ` ${failing} failing` : ""),
      element("p", {}, link(one.page, "partition in Dagster"), one.run_page ? " · " : null,
        link(one.run_page, "its run")),
      one.problem ? element("p", { role: "alert" }, one.problem) : null,
      showTests(one.tests),
      element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      seed ? element("details", {}, element("summary", {}, "seed record"),
        element("pre", {}, JSON.stringify(seed, null, 1))) : null);
  }

  function showTests(tests) {
    if (!tests.length) return null;
    const head = ["test", "outcome", "observed", "expected", "p"].map((name) => element("th", { scope: "col" }, name));
    return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tests of the tile" },
      element("table", {}, element("thead", {}, element("tr", {}, ...head)),
        element("tbody", {}, ...tests.map((test) => element("tr", {},
          element("th", { scope: "row", title: test.claim || test.detail }, test.test.replaceAll("_", " ")),
          element("td", {}, test.outcome), ...["observed", "expected", "p"].map((name) =>
            element("td", { class: "number" }, told(test[name]))))))));
  }

  // --- live -----------------------------------------------------------------------------------

  function listen() {
    const source = new EventSource(`${api}/events`);
    source.onmessage = (event) => {
      const news = JSON.parse(event.data);
      if (news.states) [states, known] = [news.states, true];
      for (const [name, changes] of Object.entries(news.changes || {})) {
        const letters = states[name].split("");
        for (const [index, letter] of changes) letters[index] = letter;
        states[name] = letters.join("");
        forget(name, changes.map(([index]) => index));
      }
      if (news.runs) showRuns(news.runs);
      if ("trouble" in news) $("run-told").textContent = news.trouble;
      if (news.states || news.changes) {
        refreshStates();
        loadGeometry();
        if ($("colour").value) recolourSoon();
        const touched = Object.values(news.changes || {}).some((list) => list.some(([i]) => i === opened));
        if (opened !== null && touched) openTile(opened, false);
      }
    };
    source.onerror = () => { $("status").textContent = "the viewer does not answer; trying again …"; };
  }

  let recolouring = 0;
  const recolourSoon = () => {
    clearTimeout(recolouring);
    recolouring = setTimeout(recolour, 2000);
  };

  // --- fields -----------------------------------------------------------------------------------

  function fillAssets() {
    const layers = layerNow() ? [layerNow()] : world.layers;
    const names = [...new Set(layers.flatMap((layer) => layer.assets.map((asset) => asset.name)))];
    const before = $("asset").value;
    $("asset").replaceChildren(element("option", { value: "" }, "all"),
      ...names.map((name) => element("option", { value: name }, name)));
    $("asset").value = names.includes(before) ? before : "";
  }

  function choose() {
    if (assetNow()?.shapes) $("show-shapes").checked = true;
    statisticNames = [];
    map.setValues(null);
    $("colour").replaceChildren(element("option", { value: "" }, "state"));
    refreshStates();
    recolour();
    loadNow();
    if (opened !== null) openTile(opened, false);
  }

  $("layer").append(element("option", { value: "" }, "all"),
    ...world.layers.map((layer) => element("option", { value: layer.name }, layer.name)));
  if (world.layers.some((layer) => layer.name === address.get("layer"))) $("layer").value = address.get("layer");
  fillAssets();
  $("asset").value = address.get("asset") || "";
  if ($("asset").selectedIndex < 0) $("asset").value = "";
  if (assetNow()?.shapes) $("show-shapes").checked = true;
  $("layer").addEventListener("change", () => { fillAssets(); choose(); });
  $("asset").addEventListener("change", choose);
  $("colour").addEventListener("change", recolour);
  $("show-tiles").addEventListener("change", (event) => map.show("tiles", event.target.checked));
  for (const id of ["show-points", "show-shapes"]) $(id).addEventListener("change", loadNow);
  $("show-seams").addEventListener("change", (event) => {
    map.show("seams", event.target.checked);
    if (opened !== null) openTile(opened, false);
  });
  const REAL_COLOURS = { delivery: "#c2410c", zone: "#7a3e9d" };
  $("gateway-tick").hidden = !world.real;
  $("show-gateway").addEventListener("change", async (event) => {
    if (!event.target.checked) {
      map.setLines([]);
      return;
    }
    try {
      const found = await fetchJson(`${api}/real`);
      map.setLines(found.lines.map((line) => ({ xy: line.xy, colour: REAL_COLOURS[line.kind] })));
      const of = (kind) => found.lines.filter((line) => line.kind === kind).length;
      notes.real = `${of("delivery")} outlines of deliveries (orange) and ${of("zone")} of zones (violet)`
        + (found.left_out ? `, ${found.left_out} features left out` : "");
    } catch (error) {
      notes.real = error.message;
    }
    tellDetail();
  });
  $("draw").addEventListener("click", () => map.setDrawing(!map.drawing));
  $("all").addEventListener("click", () => {
    setRegion({ x0: 0, x1: grid.columns, y0: 0, y1: grid.rows });
    map.whole();
  });
  for (const key of ["x0", "x1", "y0", "y1"]) $(key).addEventListener("input", typedRegion);
  for (const button of $("run-buttons").children) {
    button.addEventListener("click", () => startRun(button.dataset.only));
  }
  $("open-tile").addEventListener("submit", (event) => {
    event.preventDefault();
    const [column, row] = [$("column").valueAsNumber, $("row").valueAsNumber];
    if (column < grid.columns && row < grid.rows) openTile(row * grid.columns + column, true, true);
    else $("tile").replaceChildren(element("p", { role: "alert" },
      `There are columns 0 to ${grid.columns - 1} and rows 0 to ${grid.rows - 1}.`));
  });
  $("links").replaceChildren(...[
    ...world.worlds.filter((name) => name !== world.name).map((name) => link(`/worlds/${encodeURIComponent(name)}`, name)),
    link(`/worlds/${encodeURIComponent(world.name)}/report`, "report"),
    link(world.dagster && `${world.dagster}/asset-groups`, "Dagster"),
  ].filter(Boolean));

  refreshStates();
  listen();
  recolour();
  const named = /^([+-]\d+)_\d+\|([+-]\d+)_\d+$/.exec(address.get("tile") || "");
  if (named) {
    const [column, row] = [1, 2].map((part) => Math.floor(Number(named[part]) / world.side));
    const [x, y] = [column - grid.firstColumn, row - grid.firstRow];
    if (x >= 0 && y >= 0 && x < grid.columns && y < grid.rows) openTile(y * grid.columns + x, false, true);
  }
})();
