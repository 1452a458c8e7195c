// How an owner comes in: a link with a token, or an owner's key.
import { element } from "../element.js";

export class SignIn {
  constructor(api, reason, done) {
    const input = element("input", { type: "password", autocomplete: "off", spellcheck: "false", required: true });
    const said = element("p", { class: "bad", role: "alert" }, reason);
    const form = element(
      "form",
      {
        class: "card narrow",
        submit: async (event) => {
          event.preventDefault();
          try {
            await api.signIn({ key: input.value.trim() });
            done();
          } catch (error) {
            said.textContent = error.message;
            input.focus();
          }
        },
      },
      said,
      element("p", {}, "Open the link that ", element("code", {}, "stile console"), " prints, or enter an owner's key."),
      element("label", { class: "block" }, "Owner's key", input),
      element("div", { class: "buttons" }, element("button", { type: "submit", class: "main" }, "Sign in")),
    );
    this.element = form;
  }
}
