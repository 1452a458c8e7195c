// What the page says about an answer, in words.
import { has, say } from "./language.js";
import { isUnderWay } from "./store/conversation.js";

/** Say what an unfinished answer waits for; empty once it is being written. */
export function statusOf(answer) {
  if (answer.state === "held") return heldText(answer.held);
  if (answer.lost) return say("state.lost");
  if (answer.state !== "open" || answer.text) return "";
  if (answer.started) return say("state.reading");
  if (answer.place) return placeText(answer.place);
  return say("state.sending");
}

function heldText({ seconds, ...error }) {
  const reason = errorText(error);
  return seconds ? say("state.held.again", { reason, duration: durationText(seconds) }) : say("state.held", { reason });
}

/** "2 before you, about 20 s", as far as it is known. */
export function placeText({ position, estimate, held }) {
  const place =
    position === 0 ? say("place.next") : position > 0 ? say("place.before", { count: position }) : say("place.unknown");
  if (held) return say("place.held", { place });
  const isEstimated = estimate !== undefined && estimate !== null;
  return isEstimated ? say("place.estimate", { place, duration: durationText(estimate) }) : place;
}

/** A duration in seconds or minutes. */
export function durationText(seconds) {
  if (seconds < 90) return say("seconds", { count: Math.max(1, Math.round(seconds)) });
  return say("minutes", { count: Math.round(seconds / 60) });
}

/** Say how long the answer is, and how fast it came; empty if Stile did not say it. */
export function statisticsOf({ usage, speed }) {
  if (!usage) return "";
  const parts = [say("tokens", { count: usage.completion_tokens })];
  if (speed) parts.push(say("tokens.speed", { speed: speed < 10 ? speed : Math.round(speed) }));
  return parts.join(" · ");
}

/** Say an error: in the user's language if its code is known, else as the server said it. */
export function errorText({ code, message = "" }) {
  return has(`error.${code}`) ? say(`error.${code}`, { message }) : message;
}

/** Say which part is missing, and why as far as that is known; `part` and `reason` are Health's. */
export function missingText({ part, isAbsent, reason }) {
  if (part === "gateway" && !reason) return say("missing.gateway");
  const name = has(`part.${part}`) ? say(`part.${part}`) : part;
  if (isAbsent) return say("missing.absent", { part: name });
  return reason ? say("missing.unready", { part: name, reason }) : say("missing.unknown", { part: name });
}

/** Say how an answer ended, if it did not end well: {kind, title, text, note}, or null. */
export function noticeOf({ answer, leftOut }, isOpenHere) {
  if (answer.state === "refused") {
    const category = answer.refusal?.category;
    const title = category ? say("refused.category", { category: categoryText(category) }) : say("refused");
    return { kind: "refused", title, text: answer.text, note: placeOfRefusal(answer.refusal?.place ?? "") };
  }
  if (answer.state === "failed") return { kind: "failed", title: say("failed"), text: errorText(answer.error ?? {}) };
  if (leftOut) return plain("refused.later");
  if (answer.state === "stopped") return plain(answer.text ? "stopped" : "stopped.early");
  if (!isOpenHere && isUnderWay(answer)) return plain("stopped.left");
  if (answer.finish === "length") return plain("cut.length");
  return null;
}

function plain(key) {
  return { kind: "plain", title: "", text: say(key) };
}

function categoryText(category) {
  return has(`category.${category}`) ? say(`category.${category}`) : category.replaceAll("_", " ");
}

function placeOfRefusal(place) {
  if (place.startsWith("messages[")) return say("refused.earlier");
  return say(place === "joined" ? "refused.joined" : "refused.gone");
}
