// Formatted text: Bot API entities to elements. Offsets are UTF-16 units, as in JavaScript.
import { alertBox, el, icon, toast } from "./dom.js";
import { t } from "./i18n.js";

const SIMPLE = { bold: "strong", italic: "em", underline: "u", strikethrough: "s" };
export const hooks = { command: () => {} };

/** The text of a message as a fragment. */
export function render(text, entities = []) {
  const root = { start: 0, end: text.length, parts: [] };
  const stack = [root];
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  for (const entity of sorted) {
    const node = { entity, start: entity.offset, end: entity.offset + entity.length, parts: [] };
    while (stack.at(-1).end < node.end) stack.pop();
    stack.at(-1).parts.push(node);
    stack.push(node);
  }
  return build(root, text, document.createDocumentFragment());
}

function build(part, text, into) {
  let place = part.start;
  for (const child of part.parts) {
    into.append(text.slice(place, child.start));
    into.append(wrap(child, text));
    place = child.end;
    // A quote is a block, so the line break after it would show as an empty line.
    if (/quote|^pre$/.test(child.entity.type) && text[place] === "\n") place += 1;
  }
  into.append(text.slice(place, part.end));
  return into;
}

function wrap(part, text) {
  const { entity } = part, raw = text.slice(part.start, part.end);
  const inner = (node) => build(part, text, node);
  if (SIMPLE[entity.type]) return inner(el(SIMPLE[entity.type]));
  switch (entity.type) {
    case "code": return inner(el("code", { title: t("copy"), onclick: () => copy(raw) }));
    case "pre": return el("pre", {}, inner(el("code", { onclick: () => copy(raw) })));
    case "blockquote": return el("span.quote", {}, inner(el("span")));
    case "expandable_blockquote": return folding(inner(el("span")));
    case "spoiler": return inner(el("span.spoiler", { tabIndex: 0, role: "button", title: t("reveal"), onclick: (e) => e.currentTarget.classList.add("open"), onkeydown: (e) => e.key === "Enter" && e.currentTarget.classList.add("open") }));
    case "bot_command": return el("button.command", { type: "button", onclick: () => hooks.command(raw) }, raw);
    case "url": return link(raw, el("a"), raw);
    case "email": return link(`mailto:${raw}`, el("a"), raw);
    case "text_link": return inner(link(entity.url, el("a")));
    case "mention": case "hashtag": case "text_mention": return inner(el("a"));
    default: return inner(el("span"));
  }
}

function link(url, node, text) {
  // Only schemes that a chat client opens; never javascript: or similar.
  if (/^(https?|mailto|tg):/i.test(url)) Object.assign(node, { href: url, target: "_blank", rel: "noopener noreferrer" });
  if (text) node.textContent = text;
  return node;
}

function folding(content) {
  const node = el("span.quote.folding", {}, content);
  const button = el("button.fold", { type: "button", "aria-label": t("more"), "aria-expanded": "false" }, icon("down"));
  node.append(button);
  node.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(node.classList.toggle("open")));
  });
  return node;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("copied"));
  } catch {
    alertBox(text);
  }
}
