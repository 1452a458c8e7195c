// A conversation as it is kept: plain data, and what is asked of it. Nothing here touches the page.
//
//   conversation  {version: 1, id, title, created, updated, exchanges}       times are ISO 8601
//   exchange      {id, asked, question, leftOut, answer}
//   answer        {state, text, thoughts, place, held, refusal, error, model, usage, speed, finish}
//
// `state` is one of STATES. An answer that is `open` in no tab was cut off when its page was left.

export const STATES = ["held", "open", "done", "stopped", "refused", "failed"];
const TITLE_CHARS = 60;

export function newId() {
  // randomUUID is there on https and localhost alone.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function newConversation() {
  const now = new Date().toISOString();
  return { version: 1, id: newId(), title: "", created: now, updated: now, exchanges: [] };
}

export function newAnswer() {
  return { state: "open", text: "" };
}

/** Add a question, and return its exchange. The first one gives the conversation its title. */
export function addQuestion(conversation, question) {
  const now = new Date().toISOString();
  const exchange = { id: newId(), asked: now, question, leftOut: false, answer: newAnswer() };
  conversation.exchanges.push(exchange);
  conversation.updated = now;
  if (conversation.exchanges.length === 1) conversation.title = titleOf(question);
  return exchange;
}

function titleOf(question) {
  const line = question.trim().replace(/\s+/g, " ");
  const chars = Array.from(line); // not UTF-16 units: no emoji is cut in two
  return chars.length <= TITLE_CHARS ? line : `${chars.slice(0, TITLE_CHARS - 1).join("").trimEnd()}…`;
}

/**
 * Return what the model is to be told before `exchange`, and which exchange each message is of.
 *
 * Left out are refused exchanges, those that the filter has found fault with since, and those without an answer:
 * a question that nothing answers would be answered again.
 */
export function historyBefore(conversation, exchange) {
  const messages = [];
  const owners = [];
  for (const earlier of conversation.exchanges) {
    if (earlier === exchange) break;
    if (!isSent(earlier)) continue;
    messages.push({ role: "user", content: earlier.question });
    messages.push({ role: "assistant", content: earlier.answer.text });
    owners.push(earlier, earlier);
  }
  return { messages, owners };
}

function isSent({ leftOut, answer }) {
  return !leftOut && answer.text !== "" && !["refused", "failed"].includes(answer.state);
}

/** Return the exchange that a refusal's place (`messages[3]`) is in, or null where it is in none of them. */
export function exchangeAt(place, owners) {
  const index = /^messages\[(\d+)\]/.exec(place)?.[1];
  return index === undefined ? null : (owners[Number(index)] ?? null);
}

/** Tell whether every word of `query` stands in the conversation, in any case. */
export function matches(conversation, query) {
  const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const texts = conversation.exchanges.flatMap(({ question, answer }) => [question, answer.text]);
  const all = [conversation.title, ...texts].join("\n").toLocaleLowerCase();
  return words.every((word) => all.includes(word));
}
