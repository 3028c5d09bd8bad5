// One message (or one album) as an element. Knows what a message looks like, not what it does:
// the actions come as `hooks` from app.js.
import { render } from "./entities.js";
import { avatar, el, iconButton } from "./dom.js";
import { album, gist, media, thumb, width } from "./media.js";
import { day, plural, t, time } from "./i18n.js";

export const hooks = { press: () => {}, menu: () => {}, jump: () => {}, stop: () => {}, react: () => {} };

/** The list as units: day lines, service lines, messages and albums; each with a key and a sign. */
export function units(chat, me, bot) {
  const found = [];
  let lastDay = null;
  const messages = [...chat.messages.values()];
  messages.forEach((message, index) => {
    const today = day(message.date);
    if (today !== lastDay) found.push({ key: `day-${today}`, sign: today, make: () => el("li.day", {}, today) });
    lastDay = today;
    const previous = messages[index - 1], next = messages[index + 1];
    const inAlbum = (a, b) => a && b && a.media_group_id && a.media_group_id === b.media_group_id;
    if (inAlbum(previous, message)) return;
    if (message.migrate_to_chat_id || message.migrate_from_chat_id)
      return void found.push({ key: `m-${message.message_id}`, sign: "service", make: () => el("li.service", {}, gist(message)) });
    const group = [message];
    while (inAlbum(message, messages[index + group.length])) group.push(messages[index + group.length]);
    const near = (a, b) => a && b && a.from.id === b.from.id && Math.abs(a.date - b.date) < 300 && day(a.date) === day(b.date);
    const place = { joined: near(previous, message), joinedNext: near(message, messages[index + group.length]) };
    const reactions = group.map((one) => chat.reactions[one.message_id] || {});
    found.push({
      key: `m-${message.message_id}`,
      sign: JSON.stringify([group, reactions, place]),
      ids: group.map((one) => one.message_id),
      make: (old) => bubble({ group, place, reactions, mine: message.from.id === me.id, inGroup: chat.type !== "private", me, bot }, old),
    });
  });
  for (const draft of chat.drafts)
    found.push({ key: `d-${draft.draft_id}`, sign: JSON.stringify(draft), make: () => draftBubble(draft) });
  return found;
}

function bubble({ group, place, reactions, mine, inGroup, me }, old) {
  const message = group[0], last = group.at(-1);
  const captioned = group.find((one) => one.text || one.caption) || message;
  const text = captioned.text || captioned.caption || money(captioned);
  const shown = keptMedia(group, old);
  const inner = el("div.inner");
  if (inGroup && !mine && !place.joined) inner.append(el("span.author", {}, message.sender_chat?.title || message.from.first_name));
  if (message.forward_origin) inner.append(el("span.origin", {}, t("forwarded", originName(message.forward_origin))));
  if (message.via_bot) inner.append(el("span.origin", {}, t("via", message.via_bot.username)));
  if (message.reply_to_message) inner.append(replyLine(message.reply_to_message, message.quote));
  if (shown?.kind === "inline") inner.append(shown.node);
  if (text) inner.append(el("div.text", { dir: "auto" }, render(text, captioned.entities || captioned.caption_entities)));
  const meta = el("span.meta", {}, (captioned.edit_date ? `${t("edited")} ` : "") + time(last.date));
  const full = shown && shown.kind !== "inline";
  const sized = shown?.kind === "full";
  const above = captioned.show_caption_above_media;
  const box = el(sized ? "div.bubble.with-media" : "div.bubble", sized ? { vars: { "--w": `${width(group)}px` } } : {},
    full && !above ? shown.node : null,
    inner.childNodes.length ? inner : null,
    full && above ? shown.node : null,
    shown?.kind === "bare" ? null : meta);
  const stack = el("div.stack", {}, box);
  if (message.reply_markup?.inline_keyboard) stack.append(keyboard(message));
  const chips = reactionRow(message, reactions[0], me);
  if (chips) stack.append(chips);
  const node = el("li.message", { id: `m-${message.message_id}` },
    mine ? null : avatar(el("span.avatar", { "aria-hidden": "true" }), message.from.first_name, message.from.id),
    stack,
    iconButton("more", t("more"), (event) => hooks.menu(event.currentTarget, captioned, group), { className: "icon-button more", "aria-haspopup": "menu" }));
  const classes = { mine, joined: place.joined, "joined-next": place.joinedNext, edited: captioned.edit_date, bare: shown?.kind === "bare", "media-only": full && !inner.childNodes.length };
  for (const [name, on] of Object.entries(classes)) node.classList.toggle(name, Boolean(on));
  node._media = shown && { key: mediaKey(group), shown };
  return node;
}

const mediaKey = (group) => group.map((one) =>
  (one.photo?.at(-1) || one.video || one.animation || one.document || one.sticker || one.voice)?.file_id).join();

/** A playing clip continues when only the text or the buttons change. */
function keptMedia(group, old) {
  if (old?._media && old._media.key === mediaKey(group)) return old._media.shown;
  return group.length > 1 ? { node: album(group), kind: group[0].document ? "inline" : "full" } : media(group[0]);
}

const originName = (origin) => origin.sender_user?.first_name || origin.sender_user_name || origin.chat?.title || "?";

function money({ invoice, successful_payment: paid, refunded_payment: back }) {
  if (invoice) return `${invoice.title}\n${invoice.description}`;
  if (paid) return `⭐ −${paid.total_amount}`;
  return back ? `⭐ +${back.total_amount}` : undefined;
}

function replyLine(message, quote) {
  const picture = thumb(message);
  const words = el("div", {}, el("strong", {}, message.from.first_name), el("span", {}, quote?.text || gist(message)));
  return el(`button.reply${picture ? ".reply-with-thumb" : ""}`, { type: "button", onclick: () => hooks.jump(message.message_id) },
    picture ? el("img", { src: picture, alt: "" }) : null, words);
}

function keyboard(message) {
  return el("div.buttons", {}, message.reply_markup.inline_keyboard.map((row) => el("div", {}, row.map((button) => {
    const marks = { url: "↗", copy_text: "❏", switch_inline_query: "↪", switch_inline_query_current_chat: "↪", switch_inline_query_chosen_chat: "↪" };
    const mark = Object.keys(marks).find((kind) => kind in button);
    return el(`button.button${button.style ? `.${button.style}` : ""}`, {
      type: "button", disabled: Boolean(button.disabled), onclick: (event) => hooks.press(message, button, event.currentTarget),
    }, button.text, mark ? el("span.mark", { "aria-hidden": "true" }, marks[mark]) : null);
  }))));
}

function reactionRow(message, byUser, me) {
  const counts = new Map();
  for (const [user, list] of Object.entries(byUser || {}))
    for (const one of list) counts.set(one.emoji, [...(counts.get(one.emoji) || []), Number(user)]);
  if (!counts.size) return null;
  return el("div.reactions-row", {}, [...counts].map(([emoji, users]) => el(`button.reaction${users.includes(me.id) ? ".own" : ""}`, {
    type: "button", onclick: () => hooks.react(message, users.includes(me.id) ? null : emoji),
  }, users.length > 1 ? `${emoji} ${users.length}` : emoji)));
}

function draftBubble(draft) {
  const text = draft.text ? render(draft.text, draft.entities) : el("span.thinking", {}, t("thinking"));
  const stack = el("div.stack", {}, el("div.bubble", {}, el("div.inner", {}, el("div.text", { dir: "auto" }, text))));
  if (draft.can_stop) stack.append(el("div.buttons", {}, el("div", {}, el("button.button.danger", { type: "button", onclick: () => hooks.stop(draft) }, t("stop")))));
  return el("li.message.draft", {}, stack);
}

/** The content of an empty chat. */
export function welcome(bot) {
  return el("li.welcome", {}, avatar(el("span.avatar"), bot.name, 0), el("h2", {}, bot.name), el("p", {}, bot.description || bot.short_description || t("nothing_yet")));
}

export const status = (chat) => chat.type === "private" ? t(chat.bot_status === "kicked" ? "blocked" : "online") : plural("members", chat.members);
