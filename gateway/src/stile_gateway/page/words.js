// What the page says about an answer, in words.
import { isUnderWay } from "./store/conversation.js";

/** Say what an unfinished answer waits for; empty once it is being written. */
export function statusOf(answer) {
  if (answer.state === "held") return heldText(answer.held);
  if (answer.lost) return "The connection is lost. Stile goes on with the answer; this page gets it by itself.";
  if (answer.state !== "open" || answer.text) return "";
  if (answer.started) return "The model is reading …";
  if (answer.place) return placeText(answer.place);
  return "Sending …";
}

function heldText({ reason, seconds }) {
  const when = seconds ? `is sent again in about ${durationText(seconds)}` : "is sent as soon as Stile is ready";
  return `${reason} Your question ${when}.`;
}

/** "2 before you, about 20 s", as far as it is known. */
export function placeText({ position, estimate }) {
  const parts = [];
  if (position === 0) parts.push("You are next");
  else if (position > 0) parts.push(`${position} before you`);
  else parts.push("Waiting for its turn");
  if (estimate !== undefined && estimate !== null) parts.push(`about ${durationText(estimate)}`);
  return parts.join(", ");
}

function durationText(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}

/** Say how long the answer is, and how fast it came; empty if Stile did not say it. */
export function statisticsOf({ usage, speed }) {
  if (!usage) return "";
  const count = usage.completion_tokens;
  const parts = [`${count} ${count === 1 ? "token" : "tokens"}`];
  if (speed) parts.push(`${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s`);
  return parts.join(" · ");
}

/** Say how an answer ended, if it did not end well: {kind, title, text, note}, or null. */
export function noticeOf({ answer, leftOut }, isOpenHere) {
  if (answer.state === "refused") {
    const category = answer.refusal?.category?.replaceAll("_", " ");
    const where = placeOfRefusal(answer.refusal?.place ?? "");
    return { kind: "refused", title: category ? `Refused: ${category}` : "Refused", text: answer.text, note: where };
  }
  if (answer.state === "failed") {
    return { kind: "failed", title: "No answer", text: answer.error?.message ?? "" };
  }
  if (leftOut) {
    return { kind: "plain", title: "", text: "The filter refuses this part now. The model is not sent it any more." };
  }
  if (answer.state === "stopped") {
    return { kind: "plain", title: "", text: answer.text ? "Stopped." : "Stopped before it began." };
  }
  if (!isOpenHere && isUnderWay(answer)) {
    return { kind: "plain", title: "", text: "Stopped: you left the page before the answer was finished." };
  }
  if (answer.finish === "length") {
    return { kind: "plain", title: "", text: "Cut off: the answer has reached its greatest length." };
  }
  return null;
}

function placeOfRefusal(place) {
  const gone = "The model has not seen it, and is not sent it later.";
  if (place.startsWith("messages[")) {
    return "An earlier part of this conversation is refused. It is left out from now on: ask again.";
  }
  if (place === "joined") return `It is refused together with what was said before. ${gone}`;
  return gone;
}
