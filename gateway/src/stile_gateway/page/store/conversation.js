// A conversation as it is kept: plain data, and functions on it. Nothing here touches the page.
//
//   conversation  {version: 1, id, title, created, updated, pinned, exchanges, sentFrom}     times are ISO 8601
//   exchange      {id, asked, question, files, leftOut, answer, others}
//   answer        {state, at, text, thoughts, place, held, refusal, error, model, usage, speed, finish}
//                 while it is under way: {key, id, last, lost, settings}
//
// `files` are the text files that go with the question (attachment.js), `others` its other answers, oldest first.
// `pinned` conversations stand at the top of the list. `sentFrom` is the id of the first exchange that is still sent to
// the model, if the earlier ones no longer fit.
// `state` is one of STATES. `key` is the Idempotency-Key of the request, `id` its id in Stile, `last` the id of
// its last event: with these any page asks for the rest. `at` is the time of the question, in ms.

import { questionText } from "./attachment.js";

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
  return { state: "open", at: Date.now(), text: "" };
}

/** Add a question, and return its exchange. The first one gives the conversation its title. */
export function addQuestion(conversation, question, files = []) {
  const now = new Date().toISOString();
  const exchange = { id: newId(), asked: now, question, files, leftOut: false, answer: newAnswer() };
  conversation.exchanges.push(exchange);
  conversation.updated = now;
  if (conversation.exchanges.length === 1) conversation.title = titleOf(question || files[0].name);
  return exchange;
}

function titleOf(question) {
  const line = question.trim().replace(/\s+/g, " ");
  const chars = Array.from(line); // not UTF-16 units: no emoji is cut in two
  return chars.length <= TITLE_CHARS ? line : `${chars.slice(0, TITLE_CHARS - 1).join("").trimEnd()}…`;
}

/**
 * Return the messages that the model gets before `exchange`, and the exchange of each message.
 *
 * Refused exchanges, those that the filter refused later, and those without an answer are left out: the model
 * would answer a question without an answer again.
 * @param before messages that come before all others; they are of no exchange.
 */
export function historyBefore(conversation, exchange, before = []) {
  const messages = [...before];
  const owners = before.map(() => null);
  for (const earlier of sentBefore(conversation, exchange)) {
    messages.push({ role: "user", content: questionText(earlier) });
    messages.push({ role: "assistant", content: earlier.answer.text });
    owners.push(earlier, earlier);
  }
  return { messages, owners };
}

function sentBefore({ exchanges, sentFrom }, exchange) {
  const from = Math.max(0, exchanges.findIndex(({ id }) => id === sentFrom));
  return exchanges.slice(from, exchanges.indexOf(exchange)).filter(isSent);
}

/** Leave out the `count` oldest of the exchanges that were sent with `exchange`, as Stile has done. */
export function leaveOut(conversation, exchange, count) {
  conversation.sentFrom = (sentBefore(conversation, exchange)[count] ?? exchange).id;
}

/** Return a new conversation that begins with `exchanges` of another one. */
export function continued({ title }, exchanges) {
  const copies = structuredClone(exchanges).map((exchange) => {
    // The numbers of tokens are those of the other conversation.
    return { ...exchange, id: newId(), answer: { ...exchange.answer, usage: undefined } };
  });
  return { ...newConversation(), title, exchanges: copies };
}

/** Return how many tokens the model has read and written, in all, for the latest answer; undefined if not known. */
export function tokensOf({ exchanges }) {
  return exchanges.findLast(({ answer }) => answer.usage)?.answer.usage.total_tokens;
}

/** How much of the model's context a conversation may fill: the answer needs the rest. */
const FILLED = 0.7;

/**
 * Leave out the oldest exchanges from now on, so that the rest fits; return whether there were any.
 * @param exchange the question that did not fit together with what comes before it.
 * @param size {n_ctx, n_prompt_tokens}: how much the model can read, and how much it was sent, in tokens; or neither.
 */
export function leaveOutOldest(conversation, exchange, { n_ctx: room, n_prompt_tokens: sent }) {
  const before = sentBefore(conversation, exchange);
  if (before.length === 0) return false;
  const lengths = before.map((earlier) => questionText(earlier).length + earlier.answer.text.length);
  const own = questionText(exchange).length;
  const all = lengths.reduce((sum, length) => sum + length, own);
  // Without the sizes, half of it is left out: another half follows if that is not enough.
  let kept = room && sent ? Math.min(all - 1, (all * FILLED * room) / sent) : all / 2;
  kept -= own;
  let first = before.length;
  while (first > 1 && kept >= lengths[first - 1]) kept -= lengths[(first -= 1)];
  conversation.sentFrom = (before[first] ?? exchange).id;
  return true;
}

/** Return how many exchanges are no longer sent because the conversation is too long. */
export function unsentCount({ exchanges, sentFrom }) {
  return Math.max(0, exchanges.findIndex(({ id }) => id === sentFrom));
}

function isSent({ leftOut, answer }) {
  return !leftOut && answer.text !== "" && !["refused", "failed"].includes(answer.state);
}

/** Return the exchange that a refusal's place (`messages[3]`) is in, or null if it is in none of them. */
export function exchangeAt(place, owners) {
  const index = /^messages\[(\d+)\]/.exec(place)?.[1];
  return index === undefined ? null : (owners[Number(index)] ?? null);
}

/** Begin a new answer to an exchange. The old one is kept beside it, if it has text and is no refusal. */
export function answerAgain(exchange) {
  exchange.others = [...(exchange.others ?? []), exchange.answer].filter(({ text, state }) => text && state !== "refused");
  exchange.answer = newAnswer();
  exchange.leftOut = false;
}

/** Show the next older answer of an exchange; after the oldest comes the newest. */
export function turnAnswer(exchange) {
  const [first, ...rest] = exchange.others;
  exchange.others = [...rest, exchange.answer];
  exchange.answer = first;
}

/** Whether an answer is waited for or being written. */
export function isUnderWay({ state }) {
  return ["held", "open"].includes(state);
}

/** Return the exchange whose answer is under way, or null. */
export function underWay({ exchanges }) {
  return exchanges.findLast(({ answer }) => isUnderWay(answer) && answer.key) ?? null;
}

/** Return whether every word of `query` stands in the conversation, in any case. */
export function matches(conversation, query) {
  const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const texts = conversation.exchanges.flatMap((exchange) => [questionText(exchange), exchange.answer.text]);
  const all = [conversation.title, ...texts].join("\n").toLocaleLowerCase();
  return words.every((word) => all.includes(word));
}
