// The SDK, and the panel that shows what it sends. Loading it is all that a real shop would do; the panel only watches.
const told = JSON.parse(document.getElementById("told").textContent);
const list = document.getElementById("events");
const entries = new Map();
const CONSENT = "shop.consent";

export const consent = JSON.parse(localStorage.getItem(CONSENT) ?? '{"analytics":true,"advertising":true}');

export function setConsent(category, isGiven) {
  consent[category] = isGiven;
  localStorage.setItem(CONSENT, JSON.stringify(consent));
}

function collector() {
  const found = new URL(told.collector);
  if (found.hostname === "0.0.0.0") found.hostname = location.hostname;
  return found;
}

function load() {
  if (!window.AnalyticsNext) return null;
  const where = collector();
  const analytics = AnalyticsNext.AnalyticsBrowser.load(
    { writeKey: told.writeKey, cdnURL: where.origin },
    { integrations: { "Segment.io": { apiHost: `${where.host}/v1`, protocol: where.protocol.slice(0, -1) } } },
  );
  analytics.addSourceMiddleware(({ payload, next }) => {
    payload.obj.context.consent = { categoryPreferences: { ...consent } };
    show(payload.obj);
    next(payload);
  });
  return analytics;
}

watchAnswers();
const analytics = load();

export function send(call, ...words) {
  if (analytics) analytics[call](...words);
}

export function forgetUser() {
  if (analytics) analytics.reset();
}

// -- the panel --------------------------------------------------------------------------------------------------------

function show(event) {
  list.querySelector(".none")?.remove();
  const item = document.createElement("li");
  item.className = "sending";
  item.innerHTML = `<details><summary><i></i><b></b><time></time></summary>
    <div class="receipt"><code></code><button type="button">Copy</button></div><pre></pre></details>`;
  const name = item.querySelector("b");
  name.textContent = event.event ?? event.name ?? event.traits?.email ?? event.type;
  const kind = document.createElement("small");
  kind.textContent = event.type;
  name.append(kind);
  item.querySelector("time").textContent = new Date().toLocaleTimeString([], { hour12: false });
  const command = `headwater receipt ${event.messageId}`;
  item.querySelector("code").textContent = command;
  item.querySelector("button").onclick = () => navigator.clipboard?.writeText(command);
  item.querySelector("pre").textContent = JSON.stringify(event, null, 2);
  item.dataset.messageId = event.messageId;
  entries.set(event.messageId, item);
  list.prepend(item);
}

function settle(body, state, title) {
  let sent;
  try {
    sent = JSON.parse(body);
  } catch {
    return;
  }
  for (const event of sent.batch ?? [sent]) {
    const item = entries.get(event.messageId);
    if (item) {
      item.className = state;
      item.title = title;
    }
  }
}

// what the collector answered, by looking on: the SDK keeps its own requests to itself
function watchAnswers() {
  const plain = window.fetch.bind(window);
  const ours = collector().origin;
  window.fetch = async (resource, options) => {
    const isOurs = options?.body && String(resource.url ?? resource).startsWith(ours);
    try {
      const answer = await plain(resource, options);
      if (isOurs) settle(options.body, answer.ok ? "taken" : "refused", `answered ${answer.status}`);
      return answer;
    } catch (error) {
      if (isOurs) settle(options.body, "refused", "no answer; the SDK sends it again");
      throw error;
    }
  };
}
