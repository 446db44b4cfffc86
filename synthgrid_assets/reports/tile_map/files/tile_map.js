// The map of a world's tiles: states, numbers, points and shapes on canvases over Leaflet.
//
// Belongs here: drawing, and what a person does on the map. Not here: where data come from (the
// viewer's and the report's own scripts). Coordinates are those of the world's CRS less the
// lattice's origin, so the map is planar and exact whatever the projection.
"use strict";

const TileMap = (() => {
  // letter of a state: its name, colour, and mark, so that colour is not all there is
  const STATES = {
    F: ["fresh", "#5aa77b", ""],
    R: ["running", "#4a8fd6", "dots"],
    M: ["missing", "#e4e8eb", ""],
    S: ["stale", "#e3a536", "hatch"],
    Q: ["suspicious", "#9a73c6", "dot"],
    X: ["red", "#c5383c", "cross"],
  };
  // the first that applies is the state of a tile of several assets
  const WORST = ["R", "X", "M", "S", "Q", "F"];
  const SEAM_COLOURS = ["#4e79a7", "#e0a030", "#76a35b", "#b5637a"];
  const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const LEAST_TILE = 40; // pixels along a tile from which shapes are drawn
  const PAPER = 660; // pixels across a printed page within its margins
  const PADDING = 0.3; // of a view that is drawn beyond it on each side

  class Grid {
    constructor(world) {
      [this.firstColumn, this.columns] = world.columns;
      [this.firstRow, this.rows] = world.rows;
      this.side = world.side * world.cell;
      this.edges = world.extent.map((cells) => cells * world.cell);
    }

    get count() {
      return this.columns * this.rows;
    }

    index(column, row) {
      return (row - this.firstRow) * this.columns + column - this.firstColumn;
    }

    // west, south, east and north of a tile, clipped to the extent
    box(index) {
      const x = (this.firstColumn + (index % this.columns)) * this.side;
      const y = (this.firstRow + Math.floor(index / this.columns)) * this.side;
      const [west, south, east, north] = this.edges;
      return [Math.max(x, west), Math.max(y, south),
        Math.min(x + this.side, east), Math.min(y + this.side, north)];
    }

    // the tiles, counted from the first, that meet a box; half-open, empty where there are none
    meeting(west, south, east, north) {
      const clip = (value, most) => Math.max(0, Math.min(most, value));
      const first = (value, start) => Math.floor(value / this.side) - start;
      const last = (value, start) => Math.ceil(value / this.side) - start;
      return {
        x0: clip(first(west, this.firstColumn), this.columns),
        x1: clip(last(east, this.firstColumn), this.columns),
        y0: clip(first(south, this.firstRow), this.rows),
        y1: clip(last(north, this.firstRow), this.rows),
      };
    }

    at(x, y) {
      const column = Math.floor(x / this.side) - this.firstColumn;
      const row = Math.floor(y / this.side) - this.firstRow;
      const [west, south, east, north] = this.edges;
      const inside = x >= west && x < east && y >= south && y < north;
      return inside ? row * this.columns + column : -1;
    }

    boxOf(region) {
      const south = this.box(region.y0 * this.columns + region.x0);
      const north = this.box((region.y1 - 1) * this.columns + region.x1 - 1);
      return [south[0], south[1], north[2], north[3]];
    }
  }

  const latLngs = ([west, south, east, north]) => [[south, west], [north, east]];

  // a canvas that Leaflet moves and scales with the map, drawn anew when the map rests
  const Painted = L.Layer.extend({
    initialize(paint, pane) {
      this._paint = paint;
      this._paneName = pane;
    },
    onAdd(map) {
      this._canvas = L.DomUtil.create("canvas", "leaflet-zoom-animated", map.getPane(this._paneName));
      map.on("moveend viewreset resize", this._draw, this);
      map.on("zoomanim", this._animate, this);
      this._draw();
    },
    onRemove(map) {
      map.off("moveend viewreset resize", this._draw, this);
      map.off("zoomanim", this._animate, this);
      this._canvas.remove();
    },
    redraw() {
      if (!this._map || this._asked) return;
      this._asked = requestAnimationFrame(() => {
        this._asked = 0;
        if (this._map) this._draw();
      });
    },
    _animate(event) {
      const scale = this._map.getZoomScale(event.zoom, this._zoom);
      const offset = this._map._latLngToNewLayerPoint(this._corner, event.zoom, event.center);
      L.DomUtil.setTransform(this._canvas, offset, scale);
    },
    _draw() {
      const map = this._map, canvas = this._canvas, size = map.getSize();
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      const pad = size.multiplyBy(PADDING).round(), full = size.add(pad.multiplyBy(2));
      const corner = map.containerPointToLayerPoint(pad.multiplyBy(-1));
      canvas.width = full.x * ratio;
      canvas.height = full.y * ratio;
      canvas.style.width = `${full.x}px`;
      canvas.style.height = `${full.y}px`;
      this._zoom = map.getZoom();
      this._corner = map.layerPointToLatLng(corner);
      L.DomUtil.setTransform(canvas, corner, 1);
      const scale = map.getZoomScale(this._zoom, 0);
      const zero = map.project([0, 0]).subtract(map.getPixelOrigin()).subtract(corner);
      const view = {
        ratio, scale, width: full.x, height: full.y,
        x: (from) => from * scale + zero.x,
        y: (from) => zero.y - from * scale,
        box: [-zero.x / scale, (zero.y - full.y) / scale, (full.x - zero.x) / scale, zero.y / scale],
      };
      const pen = canvas.getContext("2d");
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      this._paint(pen, view);
    },
  });

  function ramp(share) {
    const place = Math.max(0, Math.min(1, share)) * (RAMP.length - 1);
    const low = Math.min(Math.floor(place), RAMP.length - 2), part = place - low;
    const mixed = RAMP[low].map((value, i) => Math.round(value + (RAMP[low + 1][i] - value) * part));
    return `rgb(${mixed.join(",")})`;
  }

  function mark(pen, kind, x, y, size) {
    const middle = [x + size / 2, y + size / 2], reach = Math.min(size * 0.22, 9);
    pen.beginPath();
    if (kind === "cross") {
      pen.moveTo(middle[0] - reach, middle[1] - reach);
      pen.lineTo(middle[0] + reach, middle[1] + reach);
      pen.moveTo(middle[0] + reach, middle[1] - reach);
      pen.lineTo(middle[0] - reach, middle[1] + reach);
    } else if (kind === "hatch") {
      for (let shift = -1; shift <= 1; shift += 1) {
        pen.moveTo(middle[0] - reach + shift * reach, middle[1] + reach);
        pen.lineTo(middle[0] + reach + shift * reach, middle[1] - reach);
      }
    } else {
      const places = kind === "dots" ? [-1, 0, 1] : [0];
      for (const shift of places) {
        const radius = kind === "dots" ? 1.2 : reach / 2, at = middle[0] + shift * reach;
        pen.moveTo(at + radius, middle[1]);
        pen.arc(at, middle[1], radius, 0, 2 * Math.PI);
      }
    }
    pen.stroke();
  }

  // points as pixels of one image: a million take some milliseconds
  function stampPoints(pen, view, blocks, grid, colour, total) {
    const width = pen.canvas.width, height = pen.canvas.height;
    const image = pen.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const scale = view.scale * view.ratio;
    // two pixels wide, or one where points lie so close that nothing would be seen between them,
    // and paler where even that would hide the tiles
    const ground = Math.min(width * height, blocks.length * (grid.side * scale) ** 2);
    const side = Math.max(1, Math.round(view.ratio * (4 * total * view.ratio ** 2 > 0.2 * ground ? 1 : 2)));
    const ink = (total * side * side) / Math.max(1, ground);
    const alpha = Math.round(255 * Math.max(0.25, Math.min(1, 0.35 / ink)));
    const word = ((alpha << 24) | (colour[2] << 16) | (colour[1] << 8) | colour[0]) >>> 0;
    for (const block of blocks) {
      const [west, south] = grid.box(block.index), xy = block.xy;
      const left = view.x(west) * view.ratio - side / 2, bottom = view.y(south) * view.ratio - side / 2;
      for (let i = 0; i < xy.length; i += 2) {
        const x = Math.round(left + xy[i] * scale), y = Math.round(bottom - xy[i + 1] * scale);
        if (x < 0 || y < 0 || x + side > width || y + side > height) continue;
        for (let down = 0; down < side; down += 1) {
          const start = (y + down) * width + x;
          for (let right = 0; right < side; right += 1) pixels[start + right] = word;
        }
      }
    }
    pen.putImageData(image, 0, 0);
  }

  // blocks of tiles in view; shapes may reach out of theirs, by at most a tile
  function inView(blocks, view, grid, beyond) {
    const [west, south, east, north] = view.box;
    return blocks.filter((block) => {
      const box = grid.box(block.index);
      return box[0] < east + beyond && box[2] > west - beyond
        && box[1] < north + beyond && box[3] > south - beyond;
    });
  }

  function drawPoints(pen, view, all, grid, colour) {
    const blocks = inView(all, view, grid, 0);
    const total = blocks.reduce((sum, block) => sum + block.xy.length / 2, 0);
    if (total > 6000) {
      stampPoints(pen, view, blocks, grid, colour, total);
      return;
    }
    pen.fillStyle = `rgb(${colour.join(",")})`;
    pen.strokeStyle = "#fff";
    pen.lineWidth = 1.4;
    pen.beginPath();
    // as large as the space between points allows
    const space = Math.sqrt((view.width * view.height) / Math.max(1, total));
    const radius = Math.max(1.4, Math.min(3, 0.065 * space));
    for (const block of blocks) {
      const [west, south] = grid.box(block.index), xy = block.xy;
      for (let i = 0; i < xy.length; i += 2) {
        const x = view.x(west + xy[i]), y = view.y(south + xy[i + 1]);
        pen.moveTo(x + radius, y);
        pen.arc(x, y, radius, 0, 7);
      }
    }
    if (radius > 2) pen.stroke(); // under the points, so that it parts no cluster
    pen.fill();
  }

  // how many features each tile holds, where tiles are too small and too many to show them
  function drawShades(pen, view, all, grid, colour) {
    const area = (index) => {
      const [west, south, east, north] = grid.box(index);
      return (east - west) * (north - south);
    };
    const densest = all.reduce((most, block) => Math.max(most, block.total / area(block.index)), 0);
    for (const block of inView(all, view, grid, 0)) {
      const [west, south, east, north] = grid.box(block.index);
      const share = densest ? block.total / area(block.index) / densest : 0;
      pen.fillStyle = `rgba(${colour.join(",")},${(0.4 * Math.sqrt(share)).toFixed(3)})`;
      pen.fillRect(view.x(west), view.y(north), view.x(east) - view.x(west), view.y(south) - view.y(north));
    }
  }

  function drawShapes(pen, view, all, grid, seams) {
    if (grid.side * view.scale < LEAST_TILE) return; // they would be a blot
    const blocks = inView(all, view, grid, grid.side);
    pen.lineWidth = 1;
    pen.lineJoin = "round";
    for (const block of blocks) {
      const [west, south] = grid.box(block.index), { xy, sizes } = block;
      const column = block.index % grid.columns, row = Math.floor(block.index / grid.columns);
      pen.beginPath();
      let at = 0;
      for (const size of sizes) {
        for (let k = 0; k < size; k += 1, at += 2) {
          const x = view.x(west + xy[at]), y = view.y(south + xy[at + 1]);
          if (k === 0) pen.moveTo(x, y);
          else pen.lineTo(x, y);
        }
      }
      if (seams) {
        pen.globalAlpha = 0.45;
        pen.fillStyle = SEAM_COLOURS[(row % 2) * 2 + (column % 2)];
        pen.fill("evenodd");
        pen.globalAlpha = 1;
      }
      pen.strokeStyle = seams ? "#ffffff" : "rgba(34,48,60,0.75)";
      pen.stroke();
    }
  }

  class TiledMap {
    constructor(container, world, on = {}) {
      this.world = world;
      this.grid = new Grid(world);
      this.on = on;
      this.states = ""; // not known yet: no tile is drawn
      this.values = null;
      this.shown = { tiles: true, borders: true, seams: false };
      this.points = [];
      this.shapes = [];
      this.lines = [];
      this.pointColour = [24, 52, 82];
      this._makeMap(container);
      this._makeLayers();
      this._watch(container);
      this._watchPrinting(container);
      this.whole();
    }

    _makeMap(container) {
      const bounds = L.latLngBounds(latLngs(this.grid.edges));
      this.map = L.map(container, {
        crs: L.extend({}, L.CRS.Simple),
        zoomSnap: 0.25, zoomDelta: 0.75, minZoom: -24, maxZoom: 6, wheelPxPerZoomLevel: 90,
        boxZoom: false, attributionControl: false, keyboardPanDelta: 100,
        maxBounds: bounds.pad(1.5), maxBoundsViscosity: 0.6,
        zoomAnimation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
        fadeAnimation: false,
      });
      this._bounds = bounds;
      L.control.scale({ imperial: false, maxWidth: 120 }).addTo(this.map);
    }

    _makeLayers() {
      const order = { tiles: 250, shapes: 300, points: 350, borders: 380 };
      for (const [name, height] of Object.entries(order)) {
        this.map.createPane(name).style.zIndex = height;
        this.map.getPane(name).style.pointerEvents = "none";
      }
      const add = (name, paint) => new Painted(paint, name).addTo(this.map);
      this.map.setView(this._bounds.getCenter(), 0, { animate: false });
      this.layers = {
        tiles: add("tiles", (pen, view) => this._paintTiles(pen, view)),
        shapes: add("shapes", (pen, view) =>
          drawShapes(pen, view, this.shapes, this.grid, this.shown.seams)),
        points: add("points", (pen, view) =>
          (this.shaded ? drawShades : drawPoints)(pen, view, this.points, this.grid, this.pointColour)),
        borders: add("borders", (pen, view) => this._paintBorders(pen, view)),
      };
      const outline = (style) =>
        L.rectangle(latLngs([0, 0, 0, 0]), { interactive: false, fill: false, opacity: 0, ...style });
      this._selected = outline({ color: "#111827", weight: 3 }).addTo(this.map);
      this._halo = outline({ color: "#b5637a", weight: 2, dashArray: "2 5" }).addTo(this.map);
      this._region = outline({ color: "#0b5cad", weight: 3, dashArray: "8 5" }).addTo(this.map);
    }

    _watch(container) {
      this.map.on("click", (event) => {
        const index = this.grid.at(event.latlng.lng, event.latlng.lat);
        if (index >= 0 && this.on.tile && !this._ignoreClick) this.on.tile(index);
      });
      container.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.target !== container) return;
        const middle = this.map.getCenter(), index = this.grid.at(middle.lng, middle.lat);
        if (index >= 0 && this.on.tile) this.on.tile(index);
      });
      this.map.on("moveend", () => this.on.moved && this.on.moved());
      if (this.on.region) this._watchDrag(container);
    }

    // on paper the map is the picture on the screen, made narrower: what is drawn while a page is
    // being printed would stay blank there
    _watchPrinting(container) {
      addEventListener("beforeprint", () => {
        const { width, height } = container.getBoundingClientRect();
        const zoom = Math.min(1, PAPER / width);
        Object.assign(container.style, { width: `${width}px`, height: `${height}px`, zoom });
      });
      addEventListener("afterprint", () =>
        Object.assign(container.style, { width: "", height: "", zoom: "" }));
    }

    // a rectangle is dragged with Shift held down, or with the pointer alone in drawing mode
    _watchDrag(container) {
      let start = null;
      const place = (event) => this.map.mouseEventToLatLng(event);
      const region = (event) => {
        const end = place(event);
        return this.grid.meeting(Math.min(start.lng, end.lng), Math.min(start.lat, end.lat),
          Math.max(start.lng, end.lng), Math.max(start.lat, end.lat));
      };
      container.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || !(this.drawing || event.shiftKey)) return;
        if (event.target.closest(".leaflet-control")) return;
        this.map.dragging.disable();
        start = place(event);
        container.setPointerCapture(event.pointerId);
      }, true);
      container.addEventListener("pointermove", (event) => {
        if (start) this.showRegion(region(event));
      });
      const end = (event) => {
        if (!start) return;
        const chosen = region(event);
        start = null;
        this._ignoreClick = true;
        setTimeout(() => { this._ignoreClick = false; }, 50);
        this.setDrawing(false);
        if (chosen.x1 > chosen.x0 && chosen.y1 > chosen.y0) this.on.region(chosen);
      };
      container.addEventListener("pointerup", end);
      container.addEventListener("pointercancel", () => { start = null; this.setDrawing(false); });
    }

    setDrawing(drawing) {
      this.drawing = drawing;
      this.map.getContainer().classList.toggle("drawing", drawing);
      this.map.dragging[drawing ? "disable" : "enable"]();
      if (this.on.drawing) this.on.drawing(drawing);
    }

    whole() {
      this.map.fitBounds(this._bounds, { animate: false, padding: [12, 12] });
    }

    look(box, most = 40) {
      const bounds = L.latLngBounds(latLngs(box)).pad(0.35);
      const zoom = Math.min(this.map.getBoundsZoom(bounds), most);
      this.map.setView(bounds.getCenter(), zoom);
    }

    inView() {
      const bounds = this.map.getBounds();
      return this.grid.meeting(bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth());
    }

    // `parts` says how much of each running tile is made, where it is of several assets
    setStates(states, parts = null) {
      this.states = states;
      this.parts = parts;
      this.layers.tiles.redraw();
    }

    setValues(values, low, high) {
      this.values = values;
      [this.low, this.high] = [low, high];
      this.layers.tiles.redraw();
    }

    // with `shaded` points are shown by their number in each tile
    setFeatures(kind, blocks, shaded = false) {
      if (kind === "points") this.shaded = shaded;
      if (Boolean(this[kind].length) !== Boolean(blocks.length)) this.layers.tiles.redraw();
      this[kind] = blocks;
      this.layers[kind].redraw();
    }

    // polylines, each with a colour: zones, deliveries
    setLines(lines) {
      this.lines = lines;
      this.layers.borders.redraw();
    }

    show(name, shown) {
      this.shown[name] = shown;
      for (const layer of Object.values(this.layers)) layer.redraw();
    }

    _place(rectangle, box) {
      if (box) rectangle.setBounds(latLngs(box));
      rectangle.setStyle({ opacity: box ? 1 : 0 });
    }

    select(index) {
      this._place(this._selected, index === null ? null : this.grid.box(index));
    }

    showHalo(index, width) {
      const [west, south, east, north] = index === null ? [] : this.grid.box(index);
      this._place(this._halo, index === null || !width ? null
        : [west - width, south - width, east + width, north + width]);
    }

    showRegion(region) {
      const empty = !region || region.x1 <= region.x0 || region.y1 <= region.y0;
      this._place(this._region, empty ? null : this.grid.boxOf(region));
    }

    _colour(index) {
      if (!this.values) return STATES[this.states[index]][1];
      const value = this.values[index];
      if (value === null || value === undefined) return STATES.M[1];
      return ramp(this.high > this.low ? (value - this.low) / (this.high - this.low) : 0.5);
    }

    _paintTiles(pen, view) {
      if (!this.shown.tiles || !this.states) return;
      const region = this.grid.meeting(...view.box), size = this.grid.side * view.scale;
      const gap = this.shown.borders && size > 7 ? 1 : 0;
      const under = this.shapes.length ? LEAST_TILE : this.points.length ? 90 : Infinity;
      const pale = size > under ? 0.3 : 0.85; // what lies upon a tile is seen better on a pale one
      pen.strokeStyle = "rgba(20,28,36,0.8)";
      pen.lineWidth = 1.6;
      for (let row = region.y0; row < region.y1; row += 1) {
        for (let column = region.x0; column < region.x1; column += 1) {
          const index = row * this.grid.columns + column;
          const [west, south, east, north] = this.grid.box(index);
          const x = view.x(west), y = view.y(north);
          pen.globalAlpha = this.states[index] === "M" ? 0.85 : pale; // upon these lies nothing
          pen.fillStyle = this._colour(index);
          const wide = view.x(east) - x - gap, high = view.y(south) - y - gap;
          pen.fillRect(x, y, wide, high);
          if (!this.values && this.parts && this.states[index] === "R") { // it fills up from below
            const made = high * this.parts[index];
            pen.fillStyle = STATES.F[1];
            pen.fillRect(x, y + high - made, wide, made);
          }
          const kind = STATES[this.states[index]][2];
          if (!this.values && kind && size > 9) {
            mark(pen, kind, x, y, Math.min(view.x(east) - x, view.y(south) - y));
          }
        }
      }
      pen.globalAlpha = 1;
    }

    _paintBorders(pen, view) {
      for (const line of this.lines) {
        pen.strokeStyle = line.colour;
        pen.fillStyle = line.colour;
        pen.lineWidth = 1.8;
        pen.beginPath();
        if (line.xy.length === 2) {
          pen.arc(view.x(line.xy[0]), view.y(line.xy[1]), 4, 0, 2 * Math.PI);
          pen.fill();
          continue;
        }
        for (let i = 0; i < line.xy.length; i += 2) {
          const x = view.x(line.xy[i]), y = view.y(line.xy[i + 1]);
          if (i === 0) pen.moveTo(x, y);
          else pen.lineTo(x, y);
        }
        pen.stroke();
      }
      if (!this.shown.seams || this.grid.side * view.scale < 24) return;
      const region = this.grid.meeting(...view.box);
      pen.setLineDash([6, 5]);
      pen.strokeStyle = "rgba(20,28,36,0.8)";
      pen.lineWidth = 1.3;
      for (let row = region.y0; row < region.y1; row += 1) {
        for (let column = region.x0; column < region.x1; column += 1) {
          const [west, south, east, north] = this.grid.box(row * this.grid.columns + column);
          pen.strokeRect(view.x(west), view.y(north), view.x(east) - view.x(west),
            view.y(south) - view.y(north));
        }
      }
      pen.setLineDash([]);
    }
  }

  // blocks of `reports/tile_map/features.py`
  function readBlocks(buffer, grid) {
    const words = new Int32Array(buffer), blocks = [];
    let at = 0;
    while (at < words.length) {
      const [column, row, total, sent, places] = words.subarray(at, at + 5);
      at += 5;
      const isPoints = sent === places;
      const sizes = isPoints ? null : words.subarray(at, at + sent);
      at += isPoints ? 0 : sent;
      const xy = new Float32Array(buffer, at * 4, places * 2);
      at += places * 2;
      blocks.push({ index: grid.index(column, row), total, sent, sizes, xy });
    }
    return blocks;
  }

  return { STATES, WORST, LEAST_TILE, Grid, TiledMap, readBlocks, ramp, mark };
})();
