// The report's page: which layer and asset the map shows. Everything stands in the file itself.
"use strict";

(() => {
  const world = JSON.parse(document.getElementById("world").textContent);
  const $ = (id) => document.getElementById(id);
  const map = new TileMap.TiledMap($("map"), world, { tile: (index) => tell(index) });
  window.synthgridMap = map;
  const grid = map.grid, blocks = {};

  const layerNow = () => world.layers.find((layer) => layer.name === $("layer").value);
  const assetNow = () => layerNow().assets.find((asset) => asset.name === $("asset").value);

  function features(kind) {
    const layer = layerNow(), key = `${layer.name}/${kind}`;
    if (!blocks[key]) {
      const bytes = Uint8Array.from(atob(layer[kind]), (letter) => letter.charCodeAt(0));
      blocks[key] = TileMap.readBlocks(bytes.buffer, grid);
    }
    return blocks[key];
  }

  function option(name) {
    const made = document.createElement("option");
    made.textContent = name;
    return made;
  }

  function legendItem(text, width, paint) {
    const item = document.createElement("span"), canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = 28;
    canvas.setAttribute("aria-hidden", "true");
    if (width > 28) canvas.className = "ramp";
    paint(canvas.getContext("2d"));
    item.append(canvas, text);
    return item;
  }

  function legend() {
    const asset = assetNow();
    if ($("colour").value) {
      const known = asset.rows.filter((rows) => rows !== null);
      const low = known.reduce((a, b) => Math.min(a, b), Infinity);
      const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
      map.setValues(asset.rows, low, high);
      $("legend").replaceChildren(known.length ? legendItem(`${low} to ${high} rows`, 180, (pen) => {
        for (let i = 0; i < 180; i += 1) {
          pen.fillStyle = TileMap.ramp(i / 179);
          pen.fillRect(i, 0, 1, 28);
        }
      }) : "no tile is committed");
      return;
    }
    map.setValues(null);
    const counts = {};
    for (const letter of asset.states) counts[letter] = (counts[letter] || 0) + 1;
    const shown = Object.entries(TileMap.STATES).filter(([letter]) => letter !== "R");
    $("legend").replaceChildren(...shown.map(([letter, [name, colour, kind]]) =>
      legendItem(`${letter === "F" ? "passed" : name} ${counts[letter] || 0}`, 28, (pen) => {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 28, 28);
        pen.strokeStyle = "#17222d";
        pen.lineWidth = 2.5;
        if (kind) TileMap.mark(pen, kind, 0, 0, 28);
      })));
  }

  function show() {
    map.setStates(assetNow().states);
    map.setFeatures("points", $("show-points").checked ? features("points") : []);
    map.setFeatures("shapes", $("show-shapes").checked ? features("shapes") : []);
    const told = ["points", "shapes"].map((kind) => {
      const sent = features(kind).reduce((sum, block) => sum + block.sent, 0);
      const total = features(kind).reduce((sum, block) => sum + block.total, 0);
      return sent ? `${sent.toLocaleString("en")} of ${total.toLocaleString("en")} ${kind} in ${features(kind).length} tiles` : "";
    }).filter(Boolean);
    $("told").textContent = told.length ? `In this file: ${told.join("; ")}.` : "";
    $("corner").disabled = !layerNow().corner;
    legend();
  }

  function tell(index) {
    const asset = assetNow(), column = index % grid.columns, row = Math.floor(index / grid.columns);
    map.select(index);
    const [name] = TileMap.STATES[asset.states[index]], rows = asset.rows[index];
    $("told").textContent = `Column ${column}, row ${row} of ${layerNow().name}/${asset.name}: `
      + `${name === "fresh" ? "passed" : name}${rows === null ? "" : `, ${rows.toLocaleString("en")} rows`}.`;
  }

  function fillAssets() {
    $("asset").replaceChildren(...layerNow().assets.map((asset) => option(asset.name)));
  }

  $("layer").append(...world.layers.map((layer) => option(layer.name)));
  const first = world.layers.find((layer) => layer.corner) || world.layers[0];
  if (first) {
    $("layer").value = first.name;
    fillAssets();
    $("layer").addEventListener("change", () => { fillAssets(); show(); });
    for (const id of ["asset", "colour", "show-points", "show-shapes"]) $(id).addEventListener("change", show);
    show();
  }
  $("show-seams").addEventListener("change", (event) => map.show("seams", event.target.checked));
  $("whole").addEventListener("click", () => map.whole());
  $("corner").addEventListener("click", () => {
    const [x, y] = layerNow().corner, reach = grid.side * 0.4;
    $("show-seams").checked = true;
    map.show("seams", true);
    map.look([x - reach, y - reach, x + reach, y + reach]);
  });
  if (world.look) map.look(world.look);
})();
