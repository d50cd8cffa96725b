const POLL_MS = 500, TRIAL_MS = 60, LARGEST_TRIAL = 96;
const PICTURES = /\.(png|jpe?g|jpe|jfif|webp|tiff?|bmp|gif|apng|avif|hei[cf]|hif|jxl|jp2|j2k|jpf|jpx|p[bgpn]m)$/i;
let tasks = [], shown = null; // shown: the task in the viewer, as it was when its view came

// Talking to the server
async function ask(path, settings = {}, options = {}) {
  const answer = await fetch(`${path}?${new URLSearchParams(settings)}`, {
    ...options, headers: {Authorization: `Bearer ${START.token}`},
  });
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer;
}
function complain(error) {
  find("trouble").textContent = error instanceof TypeError
    ? "The server does not answer. Is srgan serve still running?" : error.message;
}
const settle = () => { find("trouble").textContent = ""; };
const wanted = () => ({
  weights: find("weights").value, strength: find("strength").disabled ? 1 : find("strength").value,
  size: find("size").value.trim(), format: find("format").value, trust: find("trust-wanted").checked,
});

// Pictures come in: one after another, so that a folder of thousands is no thousand uploads at once
const coming = [];
let sending = false;
async function send(files) {
  coming.push(...files);
  if (sending) return;
  sending = true;
  settle();
  while (coming.length) {
    const {file, name} = coming.shift();
    try {
      if (file.size > START.maxBytes) throw new Error(`${name} has more than ${START.maxBytes} bytes.`);
      await ask("tasks", {...wanted(), name}, {method: "POST", body: file});
    } catch (error) { complain(error); }
    await look();
  }
  sending = false;
}
async function filesOf(entry, folder = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return folder && !PICTURES.test(file.name) ? [] : [{file, name: folder + file.name}];
  }
  const reader = entry.createReader(), found = [];
  for (;;) { // a reader gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const each of some) if (!each.name.startsWith(".")) found.push(...await filesOf(each, `${folder}${entry.name}/`));
  }
}
const drop = find("drop");
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // or the browser would show the picture in place of the page
    drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
  });
}
document.addEventListener("drop", async (event) => {
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...event.dataTransfer.files].map((file) => ({file, name: file.name}));
  try {
    send(entries.length ? (await Promise.all(entries.map((entry) => filesOf(entry)))).flat() : plain);
  } catch (error) { complain(error); }
});
for (const id of ["files", "folder"]) {
  find(`choose-${id}`).addEventListener("click", () => find(id).click());
  find(id).addEventListener("change", () => {
    const files = [...find(id).files].map((file) => ({file, name: file.webkitRelativePath || file.name}));
    send(id === "folder" ? files.filter(({name}) => PICTURES.test(name)) : files);
    find(id).value = "";
  });
}

// The queue
const SAID = {waiting: "waiting", running: "at work", done: "done", failed: "failed"};
function duration(seconds) {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
function made(kind, properties = {}, ...children) {
  const element = Object.assign(document.createElement(kind), properties);
  element.append(...children);
  return element;
}
const rows = new Map();
function rowOf(task) {
  if (!rows.has(task.id)) {
    const button = (text, action) => made("button", {type: "button", textContent: text, onclick: action});
    const parts = {
      state: made("span", {className: "state quiet"}), message: made("p", {className: "message error"}),
      bar: made("progress", {max: 1}), text: made("span"),
      show: button("Show", () => openView(task.id)),
      load: button("Download", () => download(`tasks/${task.id}/result`)),
      end: button("Cancel", () => remove(task.id)),
    };
    parts.state.append(parts.text, parts.bar);
    const group = made("span", {className: "group"}, parts.show, parts.load, parts.end);
    parts.row = made("li", {}, made("span", {className: "task", textContent: task.name}), parts.state, group, parts.message);
    rows.set(task.id, parts);
  }
  return rows.get(task.id);
}
function draw(remaining) {
  const ids = new Set(tasks.map((task) => task.id));
  for (const [id, parts] of rows) if (!ids.has(id)) { parts.row.remove(); rows.delete(id); }
  for (const task of tasks) {
    const parts = rowOf(task), busy = task.state === "waiting" || task.state === "running";
    parts.text.textContent = task.state === "done" ? `done in ${duration(task.seconds)}` : SAID[task.state];
    parts.bar.hidden = task.state !== "running";
    parts.bar.value = task.progress;
    parts.bar.setAttribute("aria-label", `Progress of ${task.name}`);
    parts.message.hidden = !task.message;
    parts.message.textContent = task.message || "";
    parts.show.hidden = parts.load.hidden = !task.result;
    parts.end.textContent = busy ? "Cancel" : "Remove";
    parts.row.classList.toggle("shown", Boolean(shown) && shown.id === task.id);
    if (!parts.row.isConnected) find("tasks").append(parts.row);
  }
  const busy = tasks.filter((task) => task.state === "waiting" || task.state === "running").length;
  const done = tasks.filter((task) => task.result).length;
  find("queue").hidden = !tasks.length;
  find("remaining").textContent = busy
    ? `${busy} to do${remaining ? `, about ${duration(remaining)} left` : ""}` : `${done} of ${tasks.length} done`;
  find("cancel-all").hidden = !busy;
  find("download-all").disabled = !done;
}
let looking = null;
function look() {
  looking ||= ask("tasks").then((answer) => answer.json()).then((queue) => {
    tasks = queue.tasks;
    draw(queue.remaining_s);
    refresh();
  }).catch(complain).finally(() => { looking = null; });
  return looking;
}
const download = (path) => {
  const link = made("a", {href: `${path}?${new URLSearchParams({token: START.token})}`, download: ""});
  link.click();
};
async function remove(id) {
  try { await ask(`tasks/${id}`, {}, {method: "DELETE"}); } catch (error) { complain(error); }
  if (shown && shown.id === id) leave();
  await look();
}
find("cancel-all").addEventListener("click", async () => {
  coming.length = 0;
  for (const task of tasks.filter(({state}) => state === "waiting" || state === "running").reverse()) await remove(task.id);
});
find("download-all").addEventListener("click", () => download("results.zip"));

// The viewer
let opening = "";
const unseen = new Set(); // results that could not be shown, which nobody asks for again by themselves
const keyOf = ({id, version}) => `${id} ${version}`;
async function openView(id) {
  const task = tasks.find((each) => each.id === id), key = keyOf(task);
  if (opening === key) return;
  opening = key;
  try {
    const next = await (await ask(`tasks/${id}/view`)).json();
    if (opening !== key) return;
    shown = {id, version: task.version};
    find("viewer").hidden = false;
    display(next);
    find("again").disabled = false;
    draw();
  } catch (error) { unseen.add(key); complain(error); }
  opening = "";
  look();
}
function leave() {
  shown = picture = null;
  find("viewer").hidden = true;
  find("again").disabled = true;
}
function refresh() { // the first that is done is shown by itself, and what is shown is shown anew when it is made anew
  const current = shown && tasks.find((task) => task.id === shown.id);
  if (shown && !current) leave();
  if (current && current.version !== shown.version && !unseen.has(keyOf(current))) openView(current.id);
  else if (!shown) {
    const first = tasks.find((task) => task.result && !unseen.has(keyOf(task)));
    if (first) openView(first.id);
  }
}

// Settings: those of what comes next; and of the shown picture, strength and weights at once on a part of the view
async function again() {
  if (!shown) return;
  settle();
  try { await ask(`tasks/${shown.id}/again`, wanted(), {method: "POST"}); } catch (error) { complain(error); }
  await look();
}
let trying = false, tryAgain = false;
async function trial() {
  if (!shown) return;
  if (trying) { tryAgain = true; return; }
  trying = true;
  const {id} = shown, [width, height] = picture.source, across = picture.width / width, down = picture.height / height;
  const seen = (offset, room, zoom) => [Math.max(-offset / zoom, 0), Math.max((room - offset) / zoom, 0)];
  const part = (range, length) => {
    const [first, last] = [Math.floor(range[0]), Math.min(Math.ceil(range[1]), length)];
    const wide = Math.max(Math.min(last - first, LARGEST_TRIAL), 1);
    return [Math.max(Math.min(Math.round((first + last - wide) / 2), length - wide), 0), wide];
  };
  const [x, wide] = part(seen(view.x, stage.clientWidth, view.zoom * across), width);
  const [y, high] = part(seen(view.y, stage.clientHeight, view.zoom * down), height);
  try {
    const {weights, strength} = wanted();
    const answer = await ask(`tasks/${id}/crop`, {weights, strength, x, y, width: wide, height: high});
    const image = new Image();
    image.src = URL.createObjectURL(await answer.blob());
    await image.decode();
    URL.revokeObjectURL(image.src);
    if (shown && shown.id === id) {
      Object.assign(image, {alt: "", className: "trial", draggable: false});
      image.area = {x: x * across, y: y * down, width: wide * across, height: high * down};
      find("right").querySelectorAll(".trial").forEach((old) => old.remove());
      find("right").append(image);
      render();
    }
  } catch (error) { complain(error); }
  trying = false;
  if (tryAgain) { tryAgain = false; trial(); }
}
let soon = 0;
const trySoon = () => { clearTimeout(soon); soon = setTimeout(trial, TRIAL_MS); };
function said() {
  find("strength").disabled = !START.blended.includes(find("weights").value);
  find("strength-value").textContent = find("strength").disabled ? "100 %" : `${Math.round(100 * find("strength").value)} %`;
}
find("strength").addEventListener("input", () => { said(); trySoon(); });
find("strength").addEventListener("change", again);
find("weights").addEventListener("change", () => { said(); trySoon(); again(); });
find("again").addEventListener("click", again);
find("settings").addEventListener("submit", (event) => { event.preventDefault(); again(); });

said();
look();
setInterval(() => { if (!document.hidden) look(); }, POLL_MS);
