// Numbers and times as people read them.

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let index = 0;
  let value = count;
  while (value >= 1000 && index < units.length - 1) {
    value /= 1000;
    index += 1;
  }
  return `${value >= 10 || index === 0 ? Math.round(value) : value.toFixed(1)} ${units[index]}`;
}

export function seconds(count) {
  if (count === null || count === undefined) return "";
  if (count < 10) return `${count.toFixed(1)} s`;
  if (count < 120) return `${Math.round(count)} s`;
  return `${Math.round(count / 60)} min`;
}

/** The time of day, with the date in front of it if it was not today. */
export function moment(milliseconds) {
  const then = new Date(milliseconds);
  const clock = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const isToday = then.toDateString() === new Date().toDateString();
  return isToday ? clock : `${then.toLocaleDateString([], { day: "numeric", month: "short" })}, ${clock}`;
}

/** `1 request`, `2 requests`. */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** A client as the owner knows it: the name of its key, or its address. */
export function clientName(client) {
  return client.startsWith("http-") ? client.slice("http-".length) : client;
}
