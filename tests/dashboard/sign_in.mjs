// Signing in on the page of a login, in a real browser: an issuer whose accounts are a cookie, and a
// service that trusts its tokens.
import { spawn } from "node:child_process";
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";

const AUDIENCE = "https://tools.example/mcp";

/** Whoever the cookie `person` names has signed in, and agrees to everything. */
function startIssuer() {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const codes = new Map();
  let origin;
  const token = (who) => {
    const exp = Math.floor(Date.now() / 1000) + 300;
    const text = `${part({ alg: "RS256", kid: "k" })}.${part({ iss: origin, aud: AUDIENCE, sub: who, exp })}`;
    return `${text}.${sign("sha256", Buffer.from(text), privateKey).toString("base64url")}`;
  };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, origin);
    const say = (value) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(value));
    };
    const query = url.searchParams;
    switch (url.pathname) {
      case "/.well-known/oauth-authorization-server":
        return say({
          issuer: origin, authorization_endpoint: `${origin}/authorize`, token_endpoint: `${origin}/token`,
          jwks_uri: `${origin}/keys`, code_challenge_methods_supported: ["S256"],
          authorization_response_iss_parameter_supported: true,
        });
      case "/keys":
        return say({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k", use: "sig" }] });
      case "/authorize": {
        const code = randomUUID();
        const who = /person=(\w+)/.exec(request.headers.cookie)?.[1];
        codes.set(code, { who, challenge: query.get("code_challenge") });
        const back = new URL(query.get("redirect_uri"));
        // The one redirect URI of the client.
        if (back.pathname !== "/connect/signed-in") {
          response.statusCode = 400;
          return response.end();
        }
        for (const [name, value] of [["code", code], ["state", query.get("state")], ["iss", origin]]) back.searchParams.set(name, value);
        response.writeHead(302, { location: back.href });
        return response.end();
      }
      case "/token": {
        let body = "";
        for await (const piece of request) body += piece;
        const form = new URLSearchParams(body);
        const { who, challenge } = codes.get(form.get("code")) ?? {};
        codes.delete(form.get("code"));
        const shown = createHash("sha256").update(form.get("code_verifier")).digest("base64url");
        if (!who || shown !== challenge) {
          response.statusCode = 400;
          return say({ error: "invalid_grant" });
        }
        return say({ access_token: token(who), token_type: "Bearer", expires_in: 300 });
      }
      default:
        response.statusCode = 404;
        return response.end();
    }
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => {
    origin = `http://127.0.0.1:${server.address().port}`;
    resolve({ server, origin, token });
  }));
}

async function startService(mcp, folder, issuer) {
  const config = join(folder, "callers.json");
  writeFileSync(config, JSON.stringify({ mcpServers: {
    mail: { url: `${issuer.origin}/mcp`, oauth: { perCaller: true } },
  } }));
  const settings = join(folder, "sign-in.toml");
  writeFileSync(settings, `[[jwt]]\nissuer = "${issuer.origin}"\naudience = ["${AUDIENCE}"]\n`
    + `client_id = "gateway"\ngrant = [{ value = "*", role = "user" }]\n`, { mode: 0o600 });
  const args = ["serve", "--no-pins", "--no-model", "--config", config, "--settings", settings,
    "--listen", "127.0.0.1:0", "-o", "json"];
  const at = (name) => join(folder, "sign-in", name);
  const env = { ...process.env, HOME: at("home"), XDG_CONFIG_HOME: at("config"), XDG_STATE_HOME: at("state"), XDG_DATA_HOME: at("data") };
  const child = spawn(mcp, args, { stdio: ["ignore", "pipe", "inherit"], env, cwd: folder });
  process.on("exit", () => child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stdout })) return { child, ...JSON.parse(line) };
  throw new Error("the service ended before it said where it is");
}

/** Bob is told that it is not him, and Ada gets to the login that her program was told of. */
export async function signsIn({ browser, mcp, folder, picture }) {
  const issuer = await startIssuer();
  const { child, url } = await startService(mcp, folder, issuer);
  try {
    const asked = await fetch(`${url}/mcp/logins`, {
      method: "POST", body: JSON.stringify({ server_name: "mail" }),
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${issuer.token("ada")}` },
    });
    const address = (await asked.json()).url;
    const open = async (who) => {
      const context = await browser.createBrowserContext();
      await context.setCookie({ name: "person", value: who, domain: "127.0.0.1", path: "/" });
      const page = await context.newPage();
      const complaints = [];
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(address);
      const button = await page.waitForSelector("::-p-text(Sign in with 127.0.0.1)");
      await picture(page, `sign-in-${who}`);
      await Promise.all([page.waitForNavigation(), button.click()]);
      return { context, page, complaints };
    };
    const bob = await open("bob");
    const said = await bob.page.$eval("main", (main) => main.textContent);
    assert.match(said, /Somebody else was asked.*#bob.*#ada/);
    await bob.page.goto(address);
    await bob.page.waitForSelector("::-p-text(Who are you?)");
    const ada = await open("ada");
    await ada.page.waitForSelector("::-p-text(Log in to mail)");
    assert.match(await ada.page.$eval(".facts", (facts) => facts.textContent), /#ada/);
    const kept = await ada.page.evaluate(() => `${document.cookie}${JSON.stringify({ ...sessionStorage, ...localStorage })}`);
    assert.equal(kept, "person=ada{}");
    await picture(ada.page, "signed-in");
    assert.deepEqual([...bob.complaints, ...ada.complaints], []);
    await Promise.all([bob.context.close(), ada.context.close()]);
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    issuer.server.closeAllConnections();
    issuer.server.close();
  }
}
