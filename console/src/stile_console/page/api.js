// The console's own addresses. A request carries the cookie, and the second secret that this page keeps.

const PROOF = "stile.console.proof";

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Api {
  /** @param {Function} signedOut called if the session has ended. */
  constructor(signedOut) {
    this.signedOut = signedOut;
  }

  get(path) {
    return this.#send("GET", path);
  }

  post(path, body = {}) {
    return this.#send("POST", path, body);
  }

  put(path, body) {
    return this.#send("PUT", path, body);
  }

  delete(path) {
    return this.#send("DELETE", path);
  }

  /** Exchange a token or an owner's key for a session. */
  async signIn(secret) {
    const { proof } = await this.#send("POST", "session", secret, { isSignIn: true });
    localStorage.setItem(PROOF, proof);
  }

  async signOut() {
    await this.delete("session");
    localStorage.removeItem(PROOF);
  }

  async isSignedIn() {
    try {
      await this.#send("GET", "session", undefined, { isSignIn: true });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return false;
      throw error;
    }
  }

  async #send(method, path, body, { isSignIn = false } = {}) {
    const headers = { "Stile-Session": localStorage.getItem(PROOF) ?? "" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(`api/${path}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "same-origin",
        cache: "no-store",
      });
    } catch {
      throw new ApiError(0, "away", "The console does not answer. Is Stile running?");
    }
    if (response.status === 204) return null;
    const text = await response.text();
    let said = null;
    try {
      said = JSON.parse(text);
    } catch {
      // Below: an answer that is no JSON is not the console's.
    }
    if (response.ok && said !== null) return said;
    const { code = "unknown", message = `The console answered ${response.status}.` } = said?.error ?? {};
    if (response.status === 401 && !isSignIn) this.signedOut(message);
    throw new ApiError(response.status, code, message);
  }
}
