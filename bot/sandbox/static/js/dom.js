// Small helpers: elements without innerHTML, so that no text of anybody is ever markup.
export const $ = (id) => document.getElementById(id);

/** el("p.note", {title: "…"}, child, "text"): an element; null children are left out. */
export function el(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export const iconButton = (name, label, onclick, more = {}) =>
  el("button.icon-button", { type: "button", "aria-label": label, onclick, ...more }, icon(name));

export function avatar(node, name, id) {
  node.textContent = [...(name || "?")][0].toUpperCase();
  node.dataset.hue = Math.abs(id) % 4;
  return node;
}

/** A toast at the top of the chat. */
export function toast(text) {
  const node = el("div.toast", {}, text);
  $("toasts").append(node);
  setTimeout(() => node.classList.add("leaving"), 2600 + text.length * 35);
  setTimeout(() => node.remove(), 3000 + text.length * 35);
}

export function alertBox(text) {
  $("alert-text").textContent = text;
  $("alert").showModal();
}

/** A menu beside `anchor`: items are [icon, label, action, danger?] or nodes. */
export function openMenu(anchor, items) {
  const menu = $("menu");
  const close = () => {
    menu.hidden = true;
    anchor.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("keydown", keys, true);
  };
  const outside = (event) => menu.contains(event.target) || close();
  const keys = (event) => {
    const all = [...menu.querySelectorAll("button")], now = all.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") { close(); anchor.focus(); }
    else if (event.key === "Tab") close();
    else if (step) { event.preventDefault(); all[(now + step + all.length) % all.length].focus(); }
  };
  menu.replaceChildren(...items.map((item) => item instanceof Node ? item
    : el(`button${item[3] ? ".danger" : ""}`, { type: "button", role: "menuitem", onclick: () => { close(); item[2](); } }, icon(item[0]), item[1])));
  menu.hidden = false;
  const at = anchor.getBoundingClientRect(), size = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
  menu.style.top = `${at.bottom + size.height + 8 < innerHeight ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`;
  anchor.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("keydown", keys, true);
  menu.querySelector("button")?.focus();
  return close;
}
