const blocks = document.querySelectorAll("script.picture");
let index = -1;
// Pictures one after another; the page's own tellMore() says what else is known of the one that is shown
function show(number) {
  const wanted = Math.min(Math.max(number, 0), blocks.length - 1);
  if (wanted === index) return;
  index = wanted;
  picture = null;
  display(JSON.parse(blocks[index].textContent));
  find("position").textContent = `${index + 1} of ${blocks.length}`;
  find("previous").disabled = index === 0;
  find("next").disabled = index === blocks.length - 1;
  tellMore();
  document.querySelectorAll("#pictures tbody tr").forEach((row, at) => row.classList.toggle("shown", at === index));
}
function go(number) {
  if (number < 0 || number >= blocks.length) return;
  show(number); // at once: the address tells of its change only later, when the next key may have come
  location.replace(`#${number + 1}`);
}
find("previous").addEventListener("click", () => go(index - 1));
find("next").addEventListener("click", () => go(index + 1));
Object.assign(keys, {"n": () => go(index + 1), "p": () => go(index - 1)});

// Start
const fromAddress = () => (Number.parseInt(location.hash.slice(1), 10) || 1) - 1;
addEventListener("hashchange", () => { show(fromAddress()); find("viewer").scrollIntoView({block: "nearest"}); });
function start() {
  if (!blocks.length) return;
  find("viewer").hidden = false;
  show(fromAddress());
}
