// The page that the address of a login opens: who opens it, what for, and on to the authorization
// server. The login goes on only for the one who was asked for it, which the service decides.

import { Problem, keepToken, takeToken, token } from "./api.js";
import { h, put, text } from "./dom.js";

const main = document.getElementById("main");
const here = location.pathname;
/** Whether this browser comes back from an issuer, and is known by a cookie rather than a token. */
let signedIn = location.hash === "#signed-in";

const theme = localStorage.getItem("mcp-theme");
if (theme) document.documentElement.dataset.theme = theme;
takeToken();
begin();

async function begin() {
  try {
    show(await ask(`${here}/wanted`));
  } catch (error) {
    if (error.status === 401) await signIn(signedIn ? "Sign in again." : "");
    else refused(error);
  }
}

/** Unlike those of other pages, these requests let the service set and see a cookie. */
async function ask(path, { method = "GET", body } = {}) {
  const headers = token() && !signedIn ? { Authorization: `Bearer ${token()}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method, headers, cache: "no-store", credentials: "same-origin",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const told = await response.json().catch(() => undefined);
  if (!response.ok) throw new Problem(response.status, told);
  return told;
}

/** Whoever opens the page says who they are: at an issuer, or as to any other part of the service. */
async function signIn(said = "") {
  signedIn = false;
  const alert = h("p", { class: "bad", role: "alert" }, said);
  const issuers = await ask("issuers").then((told) => told.issuers, () => []);
  const buttons = issuers.map((issuer) => {
    const button = h("button", { type: "button", class: "primary" }, `Sign in with ${nameOf(issuer)}`);
    button.addEventListener("click", () => goOn(button, alert, async () => {
      return (await ask(`${here}/sign-in`, { method: "POST", body: { issuer } })).url;
    }));
    return button;
  });
  const field = h("input", {
    type: "password", id: "token", name: "token", autocomplete: "current-password", required: true,
  });
  const form = h("form", { class: "sign-in card" },
    h("h1", {}, "Who are you?"),
    h("p", { class: "muted" }, "A program wants you to log in to a server. " + (buttons.length
      ? "Sign in as whom it is, or enter the key or token that it uses with this service."
      : "Enter the key or token that the program uses with this service.")),
    buttons,
    h("label", { htmlFor: "token" }, "Key or token"), field, alert,
    h("button", { class: buttons.length ? "" : "primary" }, "Go on"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(field.value.trim());
    begin();
  });
  put(main, form);
  (buttons[0] ?? field).focus();
}

/** An issuer without what is the same for all. */
function nameOf(issuer) {
  const { host, pathname } = new URL(issuer);
  return host + pathname.replace(/\/$/, "");
}

/** Sends the browser where `begin` says, or tells why not. */
async function goOn(button, alert, begin) {
  button.disabled = true;
  try {
    location.assign(await begin());
  } catch (error) {
    if (error.status === 401) return signIn("Sign in again.");
    text(alert, error.message);
    button.disabled = false;
  }
}

function show({ server, host, principal, scopes }) {
  const said = h("p", { class: "bad", role: "alert" });
  const button = h("button", { class: "primary" }, `Log in to ${server}`);
  const facts = [["Server", server], ["At", host], ["For", principal]];
  if (scopes.length) facts.push(["Asks for", scopes.join(", ")]);
  const form = h("form", { class: "sign-in card" },
    h("h1", {}, `Log in to ${server}`),
    h("dl", { class: "facts" }, facts.map(([label, value]) =>
      h("div", {}, h("dt", {}, label), h("dd", {}, value)))),
    h("p", { class: "muted" }, "You go on to the page where the server's accounts are, and come back here. Programs that use this service as you can then act with your account. Go on only if a program of yours has just asked you to."),
    said, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    goOn(button, said, async () => (await ask(here, { method: "POST" })).url);
  });
  put(main, form);
  button.focus();
}

function refused(error) {
  const again = h("button", { type: "button" }, "Sign in as somebody else");
  again.addEventListener("click", () => signIn());
  put(main, h("div", { class: "sign-in card" },
    h("h1", {}, "This login cannot go on"),
    h("p", { role: "alert" }, error.message),
    error.status === 403 && again));
}
