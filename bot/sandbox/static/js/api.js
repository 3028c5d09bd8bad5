// Talks to the emulator: one person's acts, events and switches. Knows no element of the page.
const query = new URLSearchParams(location.search);
export let person = query.get("person");

export function becomePerson(id) {
  const next = new URLSearchParams(location.search);
  next.set("person", id);
  location.search = next;
}

async function call(path, options = {}) {
  const answer = await fetch(path, options);
  const body = await (answer.headers.get("content-type")?.includes("json") ? answer.json() : answer.text());
  if (!answer.ok) throw new Error(body.error || body || answer.statusText);
  return body;
}
const json = (path, body, method = "POST") =>
  call(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export async function state() {
  const found = await call(`/sandbox/state${person ? `?person=${person}` : ""}`);
  person = String(found.me.id);
  return found;
}

export const act = async (name, fields = {}) => (await json(`/sandbox/people/${person}/${name}`, fields)).result;

export async function upload(name, files, fields) {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) if (value) form.append(key, value);
  for (const file of files) form.append("file", file, file.name);
  return (await call(`/sandbox/people/${person}/${name}`, { method: "POST", body: form })).result;
}

export const fileUrl = (fileId) => `/sandbox/files/${fileId}`;
export const calls = (after) => call(`/sandbox/calls?after=${after}`);
export const flood = (on) => json("/sandbox/flood", { on });
export const provider = (path, body) => body ? json(`/sandbox/provider/${path}`, body) : call(`/sandbox/provider/${path}`);
export const addPerson = (first_name, language_code) => json("/sandbox/people", { first_name, language_code });
export const addGroup = (title, people, topics) => json("/sandbox/groups", { title, people, topics });

export const setRights = (group, rights) => json(`/sandbox/groups/${group}/rights`, rights);

/** Events of this person; `onready` again after each reconnection. */
export function listen({ onready, onevent, onlost }) {
  const source = new EventSource(`/sandbox/events?person=${person}`);
  source.addEventListener("ready", onready);
  source.onmessage = (message) => onevent(JSON.parse(message.data));
  source.onerror = onlost;
}
