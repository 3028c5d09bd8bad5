// The page: holds the state, joins the chat list, the conversation, the composer and the panel.
import * as api from "./api.js";
import * as bubbles from "./bubbles.js";
import * as composer from "./composer.js";
import * as panel from "./panel.js";
import { $, alertBox, avatar, el, openMenu, toast } from "./dom.js";
import { copy, hooks as entityHooks } from "./entities.js";
import { gist } from "./media.js";
import { setLanguage, t, time } from "./i18n.js";

const QUICK = ["👍", "❤", "🔥", "😁", "😢", "👎"];
const ACTION_SECONDS = 5, PRESS_SECONDS = 15;
let state, chats = new Map(), open = null, online = true, thread = null;
const unread = new Map(), actions = new Map(), pressed = new Map(), early = new Set();
const chat = () => chats.get(open);

// --- loading and events ---

let loading = Promise.resolve();
/** Loads everything anew. One after the other: an older answer that comes late must not win. */
function load() {
  loading = loading.catch(() => {}).then(loadNow);
  return loading;
}

/** Events that came while a state was on its way: it may be older than they are. */
let held = null;

async function loadNow() {
  held = [];
  try {
    draw(await api.state());
  } finally {
    const came = held;
    held = null;
    came.forEach(onEvent);
  }
  await panel.draw(state);
}

function draw(found) {
  state = found;
  chats = new Map(state.chats.map((one) => [one.id, { ...one, messages: new Map(one.messages.map((m) => [m.message_id, m])) }]));
  for (const one of chats.values()) one.drafts.forEach((draft) => showDraft(one, draft));
  if (!chats.has(open)) open = state.me.id;
  setLanguage(state.me.language_code);
  for (const button of $("languages").children) button.setAttribute("aria-pressed", String(state.me.language_code.startsWith(button.dataset.language)));
  $("person").replaceChildren(...state.people.map((one) => el("option", { value: one.id, selected: one.id === state.me.id }, one.first_name)));
  $("messages").replaceChildren();
  drawAll();
  composer.refresh();
}

let again = null;
const reload = () => { again ??= setTimeout(() => { again = null; load(); }, 60); };

function onEvent(event) {
  if (held) { held.push(event); return; }
  const place = chats.get(event.chat_id);
  panel.refreshSoon();
  switch (event.event) {
    case "message":
      if (!place) return reload();
      place.messages.set(event.message.message_id, event.message);
      actions.delete(event.chat_id);
      if (event.message.from.id === state.bot.id) place.drafts = [];
      if (event.chat_id !== open || document.hidden) unread.set(event.chat_id, (unread.get(event.chat_id) || 0) + (event.message.from.id !== state.me.id));
      break;
    case "edited": place?.messages.set(event.message.message_id, event.message); break;
    case "deleted": place?.messages.delete(event.message_id); break;
    case "reaction": if (place) place.reactions[event.message_id] = event.reactions; break;
    case "draft": if (place) showDraft(place, event.draft); break;
    case "draft_gone": if (place) place.drafts = []; break;
    case "action": actions.set(event.chat_id, { name: event.action, until: Date.now() + ACTION_SECONDS * 1000 }); setTimeout(drawHead, ACTION_SECONDS * 1000 + 50); break;
    case "callback_answer": return answered(event);
    case "inline_results": return composer.inlineResults(event);
    case "keyboard": if (place) place.keyboard = event.keyboard; break;
    case "commands": case "people": return reload();
    default: return;
  }
  drawChats();
  if (event.chat_id === open) { drawHead(); drawMessages(); drawKeyboard(); }
}

/** A draft disappears when the bot does not renew it. */
function showDraft(place, draft) {
  place.drafts = [draft];
  setTimeout(() => {
    if (place.drafts[0] !== draft) return;
    place.drafts = [];
    if (place.id === open) drawMessages();
  }, Math.max(0, draft.until * 1000 - Date.now()));
}

// --- drawing ---

function drawAll() { drawChats(); drawHead(); drawMessages(); drawKeyboard(); }

const chatName = (one) => one.type === "private" ? state.bot.name : one.title;

function drawChats() {
  const list = [...chats.values()].map((one) => ({ one, last: [...one.messages.values()].at(-1) }));
  list.sort((a, b) => (b.last?.date || 0) - (a.last?.date || 0));
  $("chats").replaceChildren(...list.map(({ one, last }) => el("button.chat-item", { type: "button", "aria-current": String(one.id === open), onclick: () => show(one.id) },
    avatar(el("span.avatar", { "aria-hidden": "true" }), chatName(one), one.type === "private" ? 0 : one.id),
    el("strong", {}, chatName(one)), el("time", {}, last ? time(last.date) : ""),
    el("span.last", {}, actionOf(one) || (last ? (last.from.id === state.me.id ? `${t("you")}: ` : "") + gist(last) : bubbles.status(one))),
    unread.get(one.id) ? el("span.unread", {}, unread.get(one.id)) : null)));
}

function actionOf(one) {
  const action = actions.get(one.id);
  return action && action.until > Date.now() ? t(`actions.${action.name}`) : null;
}

function drawHead() {
  const one = chat(), action = actionOf(one), blocked = one.bot_status === "kicked";
  avatar($("chat-avatar"), chatName(one), one.type === "private" ? 0 : one.id);
  $("chat-name").textContent = chatName(one);
  $("chat-status").textContent = action || bubbles.status(one);
  $("chat-status").classList.toggle("busy", Boolean(action));
  const fresh = one.type === "private" && !one.messages.size;
  $("unblock").hidden = !blocked;
  $("start").hidden = !fresh || blocked;
  $("write-row").hidden = blocked;
  $("commands-button").hidden = !one.commands.length;
  const topics = Object.entries(one.topics);
  $("topic").hidden = !topics.length;
  if ($("topic").childElementCount !== topics.length || $("topic").dataset.chat !== String(open)) {
    $("topic").dataset.chat = open;
    $("topic").replaceChildren(...topics.map(([id, name]) => el("option", { value: id }, name)));
    thread = topics.length ? topics[0][0] : null;
  }
}

/** Draws only the changes: clips continue to play, removed messages disappear with an animation. */
function drawMessages() {
  const list = $("messages"), one = chat();
  const atEnd = fromEnd() < 160;
  const first = !list.childElementCount;
  const old = new Map([...list.children].filter((node) => !node.classList.contains("leaving")).map((node) => [node.dataset.key, node]));
  const seen = thread ? { ...one, messages: new Map([...one.messages].filter(([, m]) => String(m.message_thread_id || "") === thread)) } : one;
  const wanted = bubbles.units(seen, state.me, state.bot);
  if (!wanted.length) wanted.push({ key: "welcome", sign: JSON.stringify(state.bot), make: () => bubbles.welcome(state.bot) });
  let place = null;
  for (const unit of wanted) {
    let node = old.get(unit.key);
    old.delete(unit.key);
    if (!node || node.dataset.sign !== unit.sign) {
      const fresh = unit.make(node);
      if (!node && !first) fresh.classList.add("fresh");
      fresh.dataset.key = unit.key;
      fresh.dataset.sign = unit.sign;
      if (node) node.replaceWith(fresh);
      node = fresh;
    }
    const after = place ? place.nextSibling : list.firstChild;
    if (after !== node && !(after?.classList?.contains("leaving") && after.nextSibling === node)) list.insertBefore(node, after);
    place = node;
  }
  for (const node of old.values()) {
    node.classList.add("leaving");
    node.style.maxHeight = `${node.offsetHeight}px`;
    setTimeout(() => node.remove(), node.classList.contains("message") ? 240 : 0);
  }
  if (first || atEnd) toEnd(first ? "instant" : "smooth");
}

function toEnd(behavior = "smooth") {
  requestAnimationFrame(() => { $("scroll").scrollTo({ top: $("scroll").scrollHeight, behavior }); offerEnd(); });
}

const fromEnd = () => $("scroll").scrollHeight - $("scroll").scrollTop - $("scroll").clientHeight;
function offerEnd() { $("to-end").hidden = fromEnd() < 160; }

function drawKeyboard() {
  const markup = chat().keyboard, rows = markup?.keyboard || [];
  $("reply-keyboard").hidden = !rows.length;
  $("reply-keyboard").replaceChildren(...rows.map((row) => el("div", {}, row.map((button) => el("button.button", { type: "button", onclick: () => sendText(button.text) }, button.text)))));
}

function show(id) {
  const other = id !== open;
  if (other) { composer.reset(); $("messages").replaceChildren(); }
  open = id;
  unread.delete(id);
  $("app").dataset.view = "chat";
  drawAll();
  if (other) panel.draw(state);
}

// --- deeds ---

const where = (message) => ({ chat_id: open, reply_to: message?.message_id, thread });
const sendText = (text, reply) => api.act("text", { text, ...where(reply) });

async function press(message, button, node) {
  if (button.callback_data !== undefined) {
    node.classList.add("waiting");
    try {
      const { query_id } = await api.act("press", { chat_id: open, message_id: message.message_id, button: button.callback_data });
      // A fast bot answers before the emulator has returned the id of the press.
      if (early.delete(query_id)) return void node.classList.remove("waiting");
      pressed.set(query_id, setTimeout(() => { answered({ query_id }); toast(t("no_answer")); }, PRESS_SECONDS * 1000));
      node.dataset.query = query_id;
    } catch (error) { node.classList.remove("waiting"); toast(error.message); }
  } else if (button.pay) {
    node.classList.add("waiting");
    try { await api.act("pay", { chat_id: open, message_id: message.message_id }); } catch (error) { toast(error.message); }
    node.classList.remove("waiting");
  } else if (button.copy_text) copy(button.copy_text.text);
  else if (button.url) window.open(button.url, "_blank", "noopener");
  else if (button.switch_inline_query_current_chat !== undefined || button.switch_inline_query !== undefined)
    composer.insert(`@${state.bot.username} ${button.switch_inline_query_current_chat ?? button.switch_inline_query}`);
  else toast(t("link_soon"));
}

function answered(event) {
  clearTimeout(pressed.get(event.query_id));
  if (!pressed.delete(event.query_id)) early.add(event.query_id);
  for (const node of document.querySelectorAll(".button.waiting"))
    if (node.dataset.query === event.query_id || !node.dataset.query) node.classList.remove("waiting");
  if (event.text) (event.show_alert ? alertBox : toast)(event.text);
}

function messageMenu(anchor, message, group) {
  const mine = message.from.id === state.me.id, words = message.text || message.caption;
  const react = (emoji) => api.act("react", { chat_id: open, message_id: message.message_id, emoji }).catch((error) => toast(error.message));
  let close = () => {};
  const row = el("div.reactions", {}, QUICK.map((emoji) => el("button", { type: "button", role: "menuitem", "aria-label": emoji, onclick: () => { close(); react(emoji); } }, emoji)));
  const items = [row, ["reply", t("reply"), () => composer.replyTo(message)]];
  if (mine && words && !message.forward_origin) items.push(["edit", t("edit"), () => composer.editOwn(message)]);
  if (words) items.push(["file", t("copy"), () => copy(words)]);
  items.push(["close", t("delete"), () => group.forEach((one) => api.act("delete", { chat_id: open, message_id: one.message_id }).catch((error) => toast(error.message))), true]);
  close = openMenu(anchor, items);
}

function jump(id) {
  const node = [...$("messages").children].find((one) => one.dataset.key === `m-${id}`);
  if (!node) return;
  node.scrollIntoView({ block: "center", behavior: "smooth" });
  node.classList.remove("flash");
  requestAnimationFrame(() => node.classList.add("flash"));
}

Object.assign(bubbles.hooks, {
  press, menu: messageMenu, jump,
  stop: (draft) => api.act("stop_draft", { draft_id: draft.draft_id }).catch((error) => toast(error.message)),
  react: (message, emoji) => api.act("react", { chat_id: open, message_id: message.message_id, emoji }),
});
entityHooks.command = (command) => sendText(command).catch((error) => toast(error.message));
Object.assign(composer.hooks, {
  text: sendText,
  files: async (files, caption, asFile, reply) => {
    if (!asFile) return api.upload("photo", files, { caption, ...where(reply) });
    for (const [index, file] of files.entries()) await api.upload("document", [file], { caption: index ? "" : caption, ...where(reply) });
  },
  voice: (text, reply) => api.act("voice", { text, ...where(reply) }),
  edit: (message, text) => api.act("edit", { chat_id: open, message_id: message.message_id, text }),
  inline: (query) => api.act("inline", { query, chat_id: open }),
  choose: (query_id, result_id) => api.act("choose", { query_id, result_id, thread }),
  commands: () => chat().commands,
  bot: () => state.bot,
});
Object.assign(panel.hooks, {
  block: (on) => api.act("block", { on }),
  blocked: () => chats.get(state.me.id)?.bot_status === "kicked",
  people: () => state.people,
  // Telegram's client opens the private chat with the bot, wherever the link was.
  start: (payload) => { show(state.me.id); return sendText(`/start ${payload}`); },
  group: () => chat().type === "private" ? null : chat(),
});

function showPanel(on) {
  $("app").classList.toggle("no-panel", !on);
  $("open-panel").setAttribute("aria-expanded", String(on));
  $(on ? "close-panel" : "open-panel").focus({ preventScroll: true });
  if (on) panel.draw(state);
}
$("open-panel").addEventListener("click", () => showPanel($("app").classList.contains("no-panel")));
$("close-panel").addEventListener("click", () => showPanel(false));
$("back").addEventListener("click", () => { $("app").dataset.view = "chats"; $("chats").querySelector("button")?.focus(); });
$("to-end").addEventListener("click", () => toEnd());
$("scroll").addEventListener("scroll", offerEnd, { passive: true });
$("start").addEventListener("click", () => sendText("/start").catch((error) => toast(error.message)));
$("unblock").addEventListener("click", () => api.act("block", { on: false }));
$("person").addEventListener("change", (event) => api.becomePerson(event.target.value));
$("topic").addEventListener("change", (event) => { thread = event.target.value; $("messages").replaceChildren(); drawMessages(); });
$("languages").addEventListener("click", (event) => event.target.dataset.language && api.act("language", { language_code: event.target.dataset.language }));
document.addEventListener("visibilitychange", () => { if (!document.hidden && open) { unread.delete(open); drawChats(); } });
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && matchMedia("(max-width: 1080px)").matches && !$("app").classList.contains("no-panel") && $("menu").hidden) showPanel(false); });
// If the end of the chat is visible, it stays visible while pictures load and the composer grows.
const keeper = new ResizeObserver(() => { if ($("to-end").hidden) toEnd("instant"); });
for (const id of ["messages", "scroll"]) keeper.observe($(id));

if (matchMedia("(max-width: 1080px)").matches) $("app").classList.add("no-panel");
else $("open-panel").setAttribute("aria-expanded", "true");
await load();
api.listen({
  // Events may have been missed: before the first connection, or while there was none.
  onready: async () => { if (!online) toast(t("connection_back")); online = true; await load(); document.body.dataset.ready = "true"; },
  onevent: onEvent,
  onlost: () => { if (online) toast(t("connection_lost")); online = false; },
});
