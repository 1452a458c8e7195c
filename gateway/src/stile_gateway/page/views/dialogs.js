// What the page itself asks.

/** Ask yes or no. */
export async function confirm({ title, text, action }) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("p").textContent = text;
  dialog.querySelector("[type=submit]").textContent = action;
  return (await answerOf(dialog)) === "yes";
}

/** Ask for an API key; resolves to the key, to "" if it is to be forgotten, to null if nothing is to change. */
export async function askForKey({ key, reason }) {
  const dialog = document.getElementById("key");
  const input = dialog.querySelector("input");
  dialog.querySelector("p").textContent = reason;
  input.value = key ?? "";
  const answer = await answerOf(dialog);
  return answer === "yes" ? input.value.trim() : null;
}

/** Ask for a name; resolves to null if it is to stay. */
export async function askForName(name) {
  const dialog = document.getElementById("rename-box");
  const input = dialog.querySelector("input");
  input.value = name;
  input.select();
  return (await answerOf(dialog)) === "yes" ? input.value.trim() || null : null;
}

/** Show a dialog; resolves to "yes" if it was sent. */
export function answerOf(dialog) {
  const before = document.activeElement;
  return new Promise((resolve) => {
    const listening = new AbortController();
    const { signal } = listening;
    dialog.returnValue = "";
    const submit = (event) => {
      event.preventDefault();
      dialog.close("yes");
    };
    const close = () => {
      listening.abort();
      if (before?.isConnected) before.focus();
      resolve(dialog.returnValue);
    };
    dialog.querySelector("form").addEventListener("submit", submit, { signal });
    dialog.querySelector(".buttons [type=button]").addEventListener("click", () => dialog.close(), { signal });
    dialog.addEventListener("close", close, { signal });
    dialog.showModal();
  });
}
