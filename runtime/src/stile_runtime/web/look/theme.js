// Light or dark: as the system has it, until the switch says otherwise. No module, so that it runs before the
// first paint.
(() => {
  const KEY = "stile.theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return localStorage.getItem(KEY) ?? "system";
    } catch {
      return "system"; // a browser that keeps nothing
    }
  }

  function show(choice) {
    const isDark = choice === "dark" || (choice !== "light" && dark.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
  }

  let choice = chosen();
  show(choice);
  dark.addEventListener("change", () => show(choice));
  document.addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    select.value = choice;
    select.addEventListener("change", () => {
      choice = select.value;
      show(choice);
      try {
        localStorage.setItem(KEY, choice);
      } catch {
        // Then it holds until the page is left.
      }
    });
  });
})();
