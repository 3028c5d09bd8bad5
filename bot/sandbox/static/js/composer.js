// Writing: text, files, replies, edits, commands, inline queries. Sends by the `hooks` of app.js.
import { $, avatar, el, icon, openMenu, toast } from "./dom.js";
import { gist, thumb } from "./media.js";
import { t } from "./i18n.js";

export const hooks = { text: async () => {}, files: async () => {}, edit: async () => {}, inline: async () => {}, choose: async () => {}, commands: () => [], bot: () => ({}) };
const MOST = 10;
let context = null, files = [], options = [], chosen = -1, inlineTimer = null, inlineQuery = null;
const input = $("text");

export function replyTo(message) { setContext({ kind: "reply", message }, t("replying", message.from.first_name)); input.focus(); }

export function editOwn(message) {
  setContext({ kind: "edit", message }, t("editing"));
  input.value = message.text || message.caption || "";
  grow(); input.focus();
}

export function insert(text) { input.value = text; grow(); suggest(); input.focus(); }

/** Called when the menu of commands changes while a command is being typed. */
export const refresh = () => { if (input.value.startsWith("/")) suggest(); };

/** Clears the unsent text when another chat is opened. */
export function reset() { setContext(null); setFiles([]); input.value = ""; hideOptions(); grow(); }

function setContext(next, title) {
  if (context?.kind === "edit" && !next) input.value = "";
  context = next;
  $("context").hidden = !next;
  if (!next) return;
  $("context-icon").firstElementChild.setAttribute("href", `#i-${next.kind}`);
  $("context-title").textContent = title;
  $("context-text").textContent = gist(next.message);
}

function setFiles(next) {
  if (next.length > MOST) toast(t("too_many"));
  files = next.slice(0, MOST);
  $("tray").hidden = !files.length;
  if (files.length) $("as-file").checked = !files.every(isPhoto) || $("as-file").checked;
  else $("as-file").checked = false;
  $("as-file").disabled = files.length > 0 && !files.every(isPhoto);
  $("tray-files").replaceChildren(...files.map((file, index) => {
    const picture = isPhoto(file) ? el("img", { src: URL.createObjectURL(file), alt: file.name }) : el("span.file-icon", {}, file.name);
    if (picture.src) picture.onload = () => URL.revokeObjectURL(picture.src);
    return el("li", {}, picture, el("button", { type: "button", "aria-label": t("remove", file.name), onclick: () => setFiles(files.toSpliced(index, 1)) }, icon("close")));
  }));
  grow();
}

const isPhoto = (file) => /^image\/(jpeg|png|webp|gif|bmp)$/.test(file.type);
export const addFiles = (list, asFile = false) => { if (asFile) $("as-file").checked = true; setFiles([...files, ...list]); input.focus(); };

function grow() {
  input.style.height = "auto";
  // Sizes cannot be measured while the chat is hidden.
  if (input.scrollHeight) input.style.height = `${Math.min(input.scrollHeight, 168)}px`;
  $("send").disabled = !input.value.trim() && !files.length;
}

async function send(event) {
  event?.preventDefault();
  const text = input.value.trim(), now = context, attached = files, asFile = $("as-file").checked;
  if (!text && !attached.length) return;
  input.value = ""; setContext(null); setFiles([]); hideOptions();
  try {
    if (now?.kind === "edit") await hooks.edit(now.message, text);
    else if (attached.length) await hooks.files(attached, text, asFile, now?.message);
    else await hooks.text(text, now?.message);
  } catch (error) {
    // Text that could not be sent is put back.
    input.value = text; setFiles(attached); toast(error.message);
  }
  grow(); input.focus();
}

// --- commands and inline results above the field ---

function showOptions(list) {
  options = list; chosen = list.length ? 0 : -1;
  $("suggestions").hidden = !list.length;
  $("suggestions").replaceChildren(...list.map((one, index) => el("div", { role: "option", id: `option-${index}`, onpointerdown: (e) => { e.preventDefault(); pick(index); } }, one.node)));
  mark();
}
function hideOptions() { showOptions([]); clearTimeout(inlineTimer); inlineQuery = null; }
function mark() {
  [...$("suggestions").children].forEach((node, index) => node.setAttribute("aria-selected", String(index === chosen)));
  $("suggestions").children[chosen]?.scrollIntoView({ block: "nearest" });
  if (chosen >= 0) input.setAttribute("aria-activedescendant", `option-${chosen}`); else input.removeAttribute("aria-activedescendant");
}
function pick(index) { const one = options[index]; hideOptions(); one?.go(); }

function commandOptions(prefix) {
  return hooks.commands().filter((one) => one.command.startsWith(prefix)).map((one) => ({
    node: el("div.command-line", {}, el("strong", {}, `/${one.command}`), " ", el("span", {}, one.description)),
    go: () => { input.value = `/${one.command}`; send(); },
  }));
}

function suggest() {
  const text = input.value, bot = hooks.bot();
  const command = /^\/(\w*)$/.exec(text);
  if (command && !context) return showOptions(commandOptions(command[1]));
  const inline = new RegExp(`^@${bot.username}\\s(.*)$`, "is").exec(text);
  if (!inline) return hideOptions();
  clearTimeout(inlineTimer);
  inlineTimer = setTimeout(async () => { inlineQuery = (await hooks.inline(inline[1])).query_id; }, 350);
}

/** The bot's answer to the inline query that is being typed. */
export function inlineResults(event) {
  if (event.query_id !== inlineQuery) return;
  const list = event.results.map((result) => {
    const picture = thumb(result.content) || null;
    return {
      node: el("div.inline-result", {}, picture ? el("img", { src: picture, alt: "" }) : avatar(el("span.avatar"), result.title || "?", 1),
        el("div", {}, el("strong", {}, result.title || gist(result.content)), el("span", {}, result.description || ""))),
      go: async () => { input.value = ""; grow(); await hooks.choose(event.query_id, result.id); },
    };
  });
  showOptions(list.length ? list : [{ node: el("span", {}, t("no_results")), go: () => {} }]);
}

// --- wiring of the fields ---

input.addEventListener("input", () => { grow(); suggest(); });
input.addEventListener("keydown", (event) => {
  const open = options.length > 0;
  if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    chosen = (chosen + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
    mark();
  } else if (event.key === "Escape") { if (open) hideOptions(); else setContext(null); grow(); }
  else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (open) pick(chosen); else send();
  }
});
input.addEventListener("paste", (event) => {
  const pasted = [...(event.clipboardData?.files || [])];
  if (pasted.length) { event.preventDefault(); addFiles(pasted); }
});
$("composer").addEventListener("submit", send);
$("context-close").addEventListener("click", () => { setContext(null); grow(); });
$("commands-button").addEventListener("click", () => { if (options.length) hideOptions(); else showOptions(commandOptions("")); input.focus(); });
$("attach").addEventListener("click", (event) => openMenu(event.currentTarget, [
  ["photo", t("pick_photo"), () => $("pick-photo").click()],
  ["file", t("pick_file"), () => $("pick-file").click()],
]));
for (const [id, asFile] of [["pick-photo", false], ["pick-file", true]])
  $(id).addEventListener("change", (event) => { addFiles([...event.target.files], asFile); event.target.value = ""; });

const area = $("composer").parentElement;
let depth = 0;
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
area.addEventListener("dragenter", (event) => { if (carriesFiles(event)) { depth += 1; $("drop").hidden = false; } });
area.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); $("drop").hidden = depth === 0; });
area.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
area.addEventListener("drop", (event) => {
  depth = 0; $("drop").hidden = true;
  if (carriesFiles(event)) { event.preventDefault(); addFiles([...event.dataTransfer.files]); }
});
grow();
