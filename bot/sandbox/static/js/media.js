// The picture part of a bubble: photos, clips, files, albums.
import { fileUrl } from "./api.js";
import { $, el, icon } from "./dom.js";
import { bytes, clock, t } from "./i18n.js";

const WIDEST = 360, TALLEST = 440, NARROWEST = 220;

const box = (width, height) => ({ "--ratio": `${width} / ${height}` });

/** The width of the bubble for this media, so that all of it is visible without scrolling. */
export function width(messages) {
  if (messages.length > 1) return WIDEST;
  const [message] = messages;
  const one = message.photo?.at(-1) || message.video || message.animation;
  return Math.max(NARROWEST, Math.round(one.width * Math.min(WIDEST / one.width, TALLEST / one.height)));
}

function photo(sizes, label) {
  const largest = sizes.at(-1);
  return el("button.media.media-box", {
    type: "button", "aria-label": label || t("open_photo"), vars: box(largest.width, largest.height),
    onclick: () => { $("viewer-image").src = fileUrl(largest.file_id); $("viewer-image").alt = label || t("photo"); $("viewer").showModal(); },
  }, el("img", { src: fileUrl(largest.file_id), alt: label || t("photo"), loading: "lazy" }));
}

function clip(video, label) {
  const poster = video.thumbnail && fileUrl(video.thumbnail.file_id);
  const holder = el("div.media.media-box", { vars: box(video.width || 1, video.height || 1) });
  const show = () => {
    const player = el("video", { src: fileUrl(video.file_id), controls: true, playsInline: true, loop: true, poster: poster || "", "aria-label": label || t("video") });
    holder.replaceChildren(player);
    player.focus();
    player.play().catch(() => {});
  };
  holder.append(
    poster ? el("img", { src: poster, alt: "" }) : "",
    el("button.play", { type: "button", "aria-label": `${t("play")}: ${label || t("video")}`, onclick: show }),
    el("span.badge", {}, clock(video.duration || 0)));
  return holder;
}

function gif(animation) {
  return el("div.media.media-box", { vars: box(animation.width || 1, animation.height || 1) },
    el("video", { src: fileUrl(animation.file_id), autoplay: true, muted: true, loop: true, playsInline: true }), el("span.badge", {}, "GIF"));
}

function file(document_) {
  const name = document_.file_name || t("file");
  return el("a.file", { href: fileUrl(document_.file_id), download: name, "aria-label": t("download", name) },
    el("span.file-icon", {}, document_.thumbnail ? el("img", { src: fileUrl(document_.thumbnail.file_id), alt: "" }) : icon("file")),
    el("span", {}, el("strong", {}, name), el("small", {}, bytes(document_.file_size || 0))));
}

/** {node, kind}: the media above the caption; null for a text. `kind`: full | inline | bare. */
export function media(message) {
  if (message.live_photo) return { node: photo(message.photo || message.live_photo.photo, t("live_photo")), kind: "full" };
  if (message.photo) return { node: photo(message.photo), kind: "full" };
  if (message.video) return { node: clip(message.video), kind: "full" };
  if (message.animation) return { node: gif(message.animation), kind: "full" };
  if (message.document) return { node: file(message.document), kind: "inline" };
  if (message.sticker) return { node: el("div.sticker", { role: "img", "aria-label": t("sticker") }, message.sticker.emoji || "🖼"), kind: "bare" };
  if (message.voice) return { node: el("div.file", {}, el("span.file-icon", {}, icon("mic")), el("span", {}, el("strong", {}, t("voice")), el("small", {}, clock(message.voice.duration)))), kind: "inline" };
  return null;
}

export const album = (messages) =>
  messages.every((one) => one.document) ? el("div", {}, messages.map((one) => file(one.document)))
    : el("div.album", {}, messages.map((one) => media(one).node));

/** A line about a message: for the chat list and for replies. */
export function gist(message) {
  const text = message.text || message.caption;
  const kind = ["live_photo", "photo", "video", "animation", "document", "sticker", "voice"].find((name) => message[name]);
  const named = kind === "document" ? message.document.file_name || t("file") : kind && t(kind);
  if (message.migrate_to_chat_id || message.migrate_from_chat_id) return t("migrated");
  return (kind && text ? `${{ photo: "🖼", video: "🎬" }[kind] || "📎"} ${text}` : text || named || t("other")).replace(/\s+/g, " ");
}

/** A small picture of a message, for replies and results; null when it has none. */
export function thumb(message) {
  const picture = message.photo?.[0] || (message.video || message.animation || message.document)?.thumbnail;
  return picture ? fileUrl(picture.file_id) : null;
}
