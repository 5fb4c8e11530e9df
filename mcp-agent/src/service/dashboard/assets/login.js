// The page that the address of a login opens: who opens it, what for, and on to the authorization
// server. The login goes on only for the one who was asked for it, which the service decides.

import { Problem, json, keepToken, takeToken, token } from "./api.js";
import { h, put, text } from "./dom.js";

const main = document.getElementById("main");
const here = location.pathname;

const theme = localStorage.getItem("mcp-theme");
if (theme) document.documentElement.dataset.theme = theme;
takeToken();
begin();

async function begin() {
  try {
    show(await json(`${here}/wanted`));
  } catch (error) {
    if (error.status === 401) signIn();
    else refused(error);
  }
}

/** Whoever opens the page says who they are, as to any other part of the service. */
function signIn(said = "") {
  const field = h("input", {
    type: "password", id: "token", name: "token", autocomplete: "current-password", required: true,
  });
  const form = h("form", { class: "sign-in card" },
    h("h1", {}, "Who are you?"),
    h("p", { class: "muted" }, "A program wants you to log in to a server. Enter the key or token that the program uses with this service."),
    h("label", { htmlFor: "token" }, "Key or token"), field,
    h("p", { class: "bad", role: "alert" }, said),
    h("button", { class: "primary" }, "Go on"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(field.value.trim());
    begin();
  });
  put(main, form);
  field.focus();
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
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      location.assign(await start());
    } catch (error) {
      if (error.status === 401) return signIn("Sign in again.");
      text(said, error.message);
      button.disabled = false;
    }
  });
  put(main, form);
  button.focus();
}

/** Begins the login. Unlike other requests of these pages it lets the service set a cookie. */
async function start() {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  const response = await fetch(here, {
    method: "POST", headers, cache: "no-store", credentials: "same-origin",
  });
  const told = await response.json().catch(() => undefined);
  if (!response.ok) throw new Problem(response.status, told);
  return told.url;
}

function refused(error) {
  const again = h("button", { type: "button" }, "Sign in as somebody else");
  again.addEventListener("click", () => signIn());
  put(main, h("div", { class: "sign-in card" },
    h("h1", {}, "This login cannot go on"),
    h("p", { role: "alert" }, error.message),
    error.status === 403 && again));
}
