"use strict";
const SMALLEST_STEP = 2, LARGEST_STEP = 10, ZOOM_STEP = 1.25, LARGEST_ZOOM = 32;
const find = (id) => document.getElementById(id);
const stage = find("stage"), handle = find("handle");
const view = {zoom: 1, x: 0, y: 0, split: 50, trust: false}; // x, y: the picture's top left corner on the stage
const panes = {across: 1, down: 1}; // how many parts of the stage show the same place of the picture
let picture = null, fitted = true;

// The picture: its name, its size, its layers; one of the size of that before is seen where that was
function display(next) {
  const kept = {left: find("left-choice").value, right: find("right-choice").value};
  const alike = picture && picture.width === next.width && picture.height === next.height && picture.name === next.name;
  picture = next;
  offer("left", kept.left in picture.layers ? kept.left : picture.facing[0]);
  offer("right", kept.right in picture.layers ? kept.right : picture.facing[1]);
  fill("trust", picture.trust, "Trust map");
  find("trust-toggle").hidden = !picture.trust;
  find("name").textContent = picture.name;
  find("facts").textContent = picture.facts;
  if (alike) render(); else fit();
}
function offer(side, chosen) {
  const options = Object.keys(picture.layers).map((layer) => new Option(picture.labels[layer], layer));
  find(`${side}-choice`).replaceChildren(...options);
  find(`${side}-choice`).value = chosen;
  fill(side, picture.layers[chosen], picture.labels[chosen]);
}
function fill(id, source, text) {
  find(id).replaceChildren(...(source ? [imageOf(source, text)] : []));
}
function imageOf(source, text) {
  return Object.assign(new Image(), {alt: text, draggable: false, src: source});
}

// The view
const room = () => ({width: stage.clientWidth / panes.across, height: stage.clientHeight / panes.down});
const fitting = () => Math.min(room().width / picture.width, room().height / picture.height);
function fit() {
  fitted = true;
  view.zoom = fitting();
  render();
}
function zoomTo(zoom, x = room().width / 2, y = room().height / 2) {
  x %= room().width; // in its pane
  y %= room().height;
  const allowed = Math.min(Math.max(zoom, Math.min(fitting(), 1)), Math.max(fitting(), LARGEST_ZOOM));
  view.x = x - (x - view.x) * allowed / view.zoom;
  view.y = y - (y - view.y) * allowed / view.zoom;
  view.zoom = allowed;
  fitted = !isZoomed() && allowed >= fitting();
  render();
}
function bounded(offset, room, length) {
  return length <= room ? (room - length) / 2 : Math.min(Math.max(offset, room - length), 0);
}
function moveSplit(percent) {
  if (handle.hidden) return;
  view.split = Math.min(Math.max(percent, 0), 100);
  render();
}
function render() {
  const width = picture.width * view.zoom, height = picture.height * view.zoom;
  view.x = bounded(view.x, room().width, width);
  view.y = bounded(view.y, room().height, height);
  for (const image of stage.querySelectorAll(".layer img")) {
    const part = image.area || {x: 0, y: 0, width: picture.width, height: picture.height}; // of the picture, in its pixels
    Object.assign(image.style, {
      left: `${view.x + part.x * view.zoom}px`, top: `${view.y + part.y * view.zoom}px`,
      width: `${part.width * view.zoom}px`, height: `${part.height * view.zoom}px`,
    });
    image.classList.toggle("pixels", view.zoom >= 2 && image.parentElement.id !== "trust");
  }
  stage.style.setProperty("--split", `${view.split}%`);
  stage.classList.toggle("zoomed", isZoomed());
  handle.setAttribute("aria-valuenow", Math.round(view.split));
  find("zoom").textContent = `${Math.round(view.zoom * 100)} %`;
  const trust = view.trust && Boolean(picture.trust);
  find("trust").hidden = find("legend").hidden = !trust;
  find("trust-toggle").setAttribute("aria-pressed", trust);
}
const isZoomed = () => view.zoom > fitting() * 1.001;

// Mouse, pen and fingers: the handle, or anywhere on a whole picture, moves the slider; a zoomed picture is moved itself
const pointers = new Map();
let moved = "";
const place = (event) => {
  const box = stage.getBoundingClientRect();
  return {x: event.clientX - box.left, y: event.clientY - box.top};
};
const between = () => {
  const [a, b] = [...pointers.values()];
  return {x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1)};
};
stage.addEventListener("pointerdown", (event) => {
  if (!picture || event.button !== 0 || event.target.closest("select")) return;
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, place(event));
  if (pointers.size === 1) moved = event.target === handle || !(isZoomed() || handle.hidden) ? "slider" : "picture";
  else moved = "pinch";
  if (moved === "slider" && event.pointerType === "mouse") moveSplit(100 * place(event).x / stage.clientWidth);
  stage.classList.toggle("panning", moved === "picture");
});
stage.addEventListener("pointermove", (event) => {
  if (!pointers.has(event.pointerId)) return;
  const from = pointers.get(event.pointerId), to = place(event);
  if (moved === "pinch" && pointers.size === 2) {
    const before = between();
    pointers.set(event.pointerId, to);
    const after = between();
    view.x += after.x - before.x;
    view.y += after.y - before.y;
    zoomTo(view.zoom * after.distance / before.distance, after.x, after.y);
    return;
  }
  pointers.set(event.pointerId, to);
  if (moved === "slider") moveSplit(100 * to.x / stage.clientWidth);
  if (moved === "picture") {
    view.x += to.x - from.x;
    view.y += to.y - from.y;
    render();
  }
});
for (const ending of ["pointerup", "pointercancel"]) {
  stage.addEventListener(ending, (event) => {
    pointers.delete(event.pointerId);
    if (moved === "pinch" || !pointers.size) moved = ""; // the second finger of a pinch does nothing by itself
    stage.classList.remove("panning");
  });
}
stage.addEventListener("wheel", (event) => {
  if (!picture) return;
  event.preventDefault();
  const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 32 * event.deltaY : event.deltaY;
  const {x, y} = place(event);
  zoomTo(view.zoom * Math.exp(-pixels * (event.ctrlKey ? .01 : .002)), x, y); // ctrl: a trackpad's pinch
}, {passive: false});
stage.addEventListener("dblclick", (event) => {
  if (!picture || event.target.closest("select")) return;
  if (isZoomed()) fit(); else zoomTo(Math.max(1, 2 * fitting()), place(event).x, place(event).y);
});

// Buttons and keys
const toggleTrust = () => { view.trust = !view.trust; render(); };
const press = {
  "trust-toggle": toggleTrust,
  "zoom-in": () => zoomTo(view.zoom * ZOOM_STEP), "zoom-out": () => zoomTo(view.zoom / ZOOM_STEP),
  "zoom-fit": fit, "zoom-full": () => zoomTo(1),
};
for (const [id, action] of Object.entries(press)) find(id).addEventListener("click", action);
for (const side of ["left", "right"]) {
  find(`${side}-choice`).addEventListener("change", (event) => {
    fill(side, picture.layers[event.target.value], picture.labels[event.target.value]);
    render();
  });
}
const keys = {
  "ArrowLeft": (step) => moveSplit(view.split - step), "ArrowRight": (step) => moveSplit(view.split + step),
  "+": press["zoom-in"], "=": press["zoom-in"], "-": press["zoom-out"], "0": fit, "1": press["zoom-full"],
  "t": toggleTrust,
};
document.addEventListener("keydown", (event) => {
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!picture || !action || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("select, input")) return;
  event.preventDefault();
  action(event.shiftKey ? LARGEST_STEP : SMALLEST_STEP);
});
handle.addEventListener("keydown", (event) => {
  if (event.key === "Home") moveSplit(0);
  else if (event.key === "End") moveSplit(100);
  else return;
  event.preventDefault();
});
new ResizeObserver(() => { if (picture && fitted) fit(); else if (picture) render(); }).observe(stage);
