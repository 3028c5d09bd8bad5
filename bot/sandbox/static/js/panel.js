// The sandbox's own panel: how the pretend services behave, who is here, what the bot asked.
import * as api from "./api.js";
import { $, el, toast } from "./dom.js";
import { locale, plural, t } from "./i18n.js";

export const hooks = {
  block: async () => {}, blocked: () => false, people: () => [], start: async () => {}, group: () => null,
};
let provider = null, flooded = false, lastCall = 0;
const asked = [];
const LONGEST_PRESS_MS = 1000;
let released = Promise.resolve();
// A switch that is replaced between the press and the release of the pointer would not be clicked.
addEventListener("pointerdown", () => {
  released = new Promise((done) => {
    addEventListener("pointerup", () => setTimeout(done), { once: true });
    setTimeout(done, LONGEST_PRESS_MS);
  });
});

/** Redraws everything; `state` is the emulator's. */
export async function draw(state) {
  flooded = state.flood;
  provider = state.provider ? await api.provider("state").catch(() => null) : null;
  await released;
  const focus = document.activeElement?.id;
  $("panel-body").replaceChildren(
    el("p.note", {}, t("panel.note")), state.start_link ? linkSection(state.start_link) : "",
    state.provider && provider ? serviceSection() : el("p.hint", {}, t("panel.no_provider")),
    telegramSection(), ...groupSection(), peopleSection(), callsSection());
  if (focus) $(focus)?.focus();
  warn();
  await refreshCalls();
}

function warn() {
  const odd = flooded || hooks.blocked() || (provider && provider.mode !== "well");
  $("open-panel").classList.toggle("warn", Boolean(odd));
}

/** What the bot printed in its terminal: opening it sends /start, as Telegram's client does. */
function linkSection(link) {
  return el("section", { "aria-label": t("panel.terminal") }, el("h3", {}, t("panel.terminal")),
    el("p.hint", {}, t("panel.start_link")), el("code.start-link", {}, link),
    el("button.secondary", { type: "button", id: "open-link", onclick: () => attempt(() => hooks.start(new URL(link).searchParams.get("start"))) }, t("panel.open_link")));
}

function serviceSection() {
  const seconds = el("output", { htmlFor: "delay" }, t("panel.seconds", provider.delay ?? "?"));
  const slider = el("input", {
    type: "range", id: "delay", min: 0, max: 120, step: 1, value: provider.delay ?? 5,
    oninput: () => { seconds.textContent = t("panel.seconds", slider.value); },
    onchange: () => attempt(async () => { provider = await api.provider("delay", { seconds: Number(slider.value) }); }),
  });
  const modes = Object.entries(t("panel.modes")).map(([mode, [name, hint]]) => el("label.choice", {},
    el("input", { type: "radio", name: "mode", id: `mode-${mode.replace(" ", "-")}`, value: mode, checked: provider.mode === mode, onchange: () => attempt(() => setMode(mode)) }),
    el("span", {}, name), hint ? el("small", {}, hint) : null));
  return el("section", { "aria-label": t("panel.generation") },
    el("h3", {}, t("panel.generation")),
    el("div.slider-value", {}, el("label", { htmlFor: "delay" }, t("panel.delay")), seconds), slider,
    el("fieldset", {}, el("legend", {}, t("panel.mode")), modes),
    el("p.hint", { id: "balance" }, balance()));
}

async function setMode(mode) {
  provider = await api.provider("fault", { mode });
  if (mode === "well") toast(t("panel.everything_well"));
  warn();
}

function balance() {
  const spent = provider.charges.reduce((sum, one) => sum + one.price, 0);
  const money = (value) => new Intl.NumberFormat(locale(), { maximumFractionDigits: 2 }).format(value);
  return `${t("panel.spent")}: ${t("panel.balance", money(spent), plural("panel.videos", provider.charges.length), money(provider.balance))}`;
}

function toggle(id, label, hint, checked, change) {
  return el("div", {}, el("label.switch", { htmlFor: id }, label,
    el("input", { type: "checkbox", role: "switch", id, checked, onchange: (event) => attempt(() => change(event.target.checked)) })), el("p.hint", {}, hint));
}

function telegramSection() {
  return el("section", { "aria-label": t("panel.telegram") }, el("h3", {}, t("panel.telegram")),
    toggle("flood", t("panel.flood"), t("panel.flood_hint"), flooded, async (on) => { flooded = (await api.flood(on)).on; warn(); }),
    toggle("block", t("panel.block"), t("panel.block_hint"), hooks.blocked(), (on) => hooks.block(on)));
}

/** What the open group takes from the bot. */
function groupSection() {
  const group = hooks.group();
  if (!group) return [];
  const set = (rights) => api.setRights(group.id, rights);
  const forbid = (id, kinds) => toggle(id, t(`panel.${id}`), t(`panel.${id}_hint`), kinds.every((kind) => group.forbidden.includes(kind)),
    (on) => set({ forbidden: group.forbidden.filter((kind) => !kinds.includes(kind)).concat(on ? kinds : []) }));
  const topics = Object.keys(group.topics).map(Number);
  return [el("section", { "aria-label": t("panel.rights") }, el("h3", {}, t("panel.rights")),
    forbid("no_videos", ["videos"]),
    forbid("no_messages", ["text messages", "photos", "videos", "animations", "documents"]),
    toggle("slow_mode", t("panel.slow_mode"), t("panel.slow_mode_hint"), group.slow_mode > 0, (on) => set({ slow_mode: on ? 30 : 0 })),
    topics.length ? toggle("close_topics", t("panel.close_topics"), t("panel.close_topics_hint"), group.closed.length > 0, (on) => set({ closed: on ? topics : [] })) : null,
    toggle("remove_bot", t("panel.remove_bot"), t("panel.remove_bot_hint"), group.bot_status === "kicked", (on) => set({ bot_status: on ? "kicked" : "member" })))];
}

function peopleSection() {
  const form = (label, id, submit, extra) => el("form.inline-form", { onsubmit: (event) => { event.preventDefault(); const field = $(id); if (field.value.trim()) attempt(() => submit(field.value.trim())); field.value = ""; } },
    el("input", { id, placeholder: label, "aria-label": label, maxLength: 60 }), extra, el("button.secondary", { type: "submit" }, t("panel.add")));
  return el("section", { "aria-label": t("panel.people") }, el("h3", {}, t("panel.people")),
    el("p.hint", {}, t("panel.add_person")), form(t("panel.name"), "new-person", (name) => api.addPerson(name, locale())),
    el("p.hint", {}, t("panel.add_group")),
    form(t("panel.group_name"), "new-group", (title) => api.addGroup(title, hooks.people().map((one) => one.id), $("with-topics").checked ? ["General", "Videos"] : [])),
    el("label.check", {}, el("input", { type: "checkbox", id: "with-topics" }), t("panel.topics")));
}

function callsSection() {
  return el("section", { "aria-label": t("panel.calls") }, el("h3", {}, t("panel.calls")), el("ol.calls", { id: "calls" }));
}

async function attempt(action) {
  try { await action(); } catch (error) { toast(error.message); }
}

let pending = null;
/** Called for each event; requests the records at most every half second, and only while they are visible. */
export function refreshSoon() {
  if ($("app").classList.contains("no-panel")) return;
  pending ??= setTimeout(async () => { pending = null; await refreshCalls().catch(() => {}); }, 500);
}

async function refreshCalls() {
  const fresh = await api.calls(lastCall);
  lastCall += fresh.length;
  asked.push(...fresh.filter((call) => call.method !== "getUpdates"));
  asked.splice(0, asked.length - 12);
  $("calls")?.replaceChildren(...asked.toReversed().map((call) => el(`li${call.ok ? "" : ".bad"}`, { title: call.description || "" },
    el("span", {}, call.method), el("span", {}, call.fault ? `⚡ ${call.fault}` : call.status ?? "…"))));
  if (provider && $("balance")) {
    provider = await api.provider("state");
    $("balance").textContent = balance();
  }
}
