// The dashboard in a real browser, in front of a real service. Arguments: the `mcp` program, the
// browser, and optionally a folder for pictures.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";
import { signsIn } from "./sign_in.mjs";

const [mcp, chromium, pictures] = process.argv.slice(2);
const LIMIT = 30_000;
/** Of everything together. */
const DEADLINE = 300_000;
const here = import.meta.dirname;

/** A model that speaks as OpenAI does: it calls a tool, and then tells what came of it. */
function scriptedModel() {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    if (request.url.endsWith("/models")) {
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify({ object: "list", data: [{ id: "scripted", object: "model" }] }));
    }
    const { messages } = JSON.parse(body);
    const answered = messages.at(-1).role === "tool";
    response.setHeader("content-type", "text/event-stream");
    const say = (delta, finish = null) => response.write(`data: ${JSON.stringify({
      id: "x", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }],
    })}\n\n`);
    if (answered) {
      for (const word of ["The server ", "said **Hello Ada!**", " <img src=x onerror=document.title='taken'>"]) say({ content: word });
      say({}, "stop");
    } else {
      const call = { name: "mcp__shown__greet", arguments: `{"name":"Ada","tone":"brief"}` };
      say({ role: "assistant", tool_calls: [{ index: 0, id: "call-1", type: "function", function: call }] });
      say({}, "tool_calls");
    }
    response.end("data: [DONE]\n\n");
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

async function startService(model, folder) {
  const file = join(folder, "servers.json");
  writeFileSync(file, JSON.stringify({ mcpServers: {
    shown: { command: process.execPath, args: [join(here, "server.mjs"), join(folder, "full")] },
    demo: { command: mcp, args: ["demo-server"] },
  } }));
  const args = ["serve", "--no-pins", "--config", file, "--listen", "127.0.0.1:0", "-o", "json", "--model", "scripted",
    "--base-url", `http://127.0.0.1:${model.address().port}/v1`];
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: join(folder, "config"), XDG_STATE_HOME: join(folder, "state") };
  const child = spawn(mcp, args, { stdio: ["ignore", "pipe", "inherit"], env, cwd: folder });
  for await (const line of createInterface({ input: child.stdout })) return { child, ...JSON.parse(line) };
  throw new Error("the service ended before it said where it is");
}

const checks = [
  ["the token is taken out of the address, and kept out of the history", async ({ page, url, token }) => {
    await page.goto(`${url}/#token=${token}`);
    await page.waitForSelector(".server.ready");
    assert.ok(!page.url().includes(token), page.url());
    assert.ok(!(await page.evaluate(() => document.cookie)));
    await page.reload();
    await page.waitForSelector(".server.ready");
  }],
  ["every pane can be reached by keyboard and has a heading", async ({ page }) => {
    for (const pane of ["servers", "tools", "try", "log", "chat", "connect"]) {
      await page.focus(`#nav-${pane}`);
      await page.keyboard.press("Enter");
      await page.waitForSelector(`#nav-${pane}[aria-current="page"]`);
      await page.waitForSelector("main h1");
      const nameless = await page.$$eval("main input, main select, main textarea, main button", (controls) =>
        controls.filter((control) => !control.labels?.length && !control.getAttribute("aria-label") && !control.textContent.trim())
          .map((control) => control.outerHTML));
      assert.deepEqual(nameless, [], pane);
    }
  }],
  ["a form is filled, and what is missing is said beside it", async ({ page, show }) => {
    await show("#/try/shown/greet");
    await page.waitForSelector("#argument-tone");
    await page.click("main form .primary");
    await page.waitForSelector("#argument-name[aria-invalid='true']");
    await page.type("#argument-name", "Ada");
    await page.select("#argument-tone", "1");
    await page.type("#argument-times", "0");
    await page.click("main form .primary");
    await page.waitForFunction(() => document.querySelector("#argument-times-said").textContent.includes("at most 5"));
    await page.click("#argument-times", { clickCount: 3 });
    await page.type("#argument-times", "2");
    await page.click("#argument-loud");
    await page.click("main form .primary");
    await page.waitForSelector(".outcome.good");
    assert.equal(await page.$eval(".result pre", (pre) => pre.textContent), "HELLO ADA!\nHELLO ADA!");
  }],
  ["progress is shown while the call runs, and then the result", async ({ page, show, picture }) => {
    await show("#/try/shown/count_up");
    await page.waitForSelector("#argument-to");
    await page.click("main form .primary");
    await page.waitForFunction(() => document.querySelector("progress")?.value === 2);
    assert.equal(await page.$eval(".progress-message", (said) => said.textContent), "2 of 4 · at 2");
    await picture("progress");
    await page.waitForSelector(".outcome.good");
    assert.equal(await page.$eval(".result pre", (pre) => pre.textContent), "Counted to 4");
  }],
  ["a call is cancelled", async ({ page, show }) => {
    await show("#/try/shown/count_up");
    await page.click("#argument-to", { clickCount: 3 });
    await page.type("#argument-to", "1000");
    await page.click("main form .primary");
    await page.waitForFunction(() => document.querySelector("progress")?.value >= 1);
    await page.click("main form button[type=button]");
    await page.waitForFunction(() => document.querySelector(".outcome")?.textContent.startsWith("Cancelled"));
    await show("#/log");
    await page.waitForFunction(() => document.querySelector(".log li").textContent.includes("abandoned"));
  }],
  ["a picture is shown", async ({ page, show }) => {
    await show("#/try/shown/picture");
    await page.waitForFunction(() => document.querySelector(".about-tool").textContent.includes("picture"));
    await page.click("main form .primary");
    await page.waitForFunction(() => document.querySelector(".result img")?.naturalWidth === 1);
  }],
  ["words that look like markup stay words", async ({ page, show }) => {
    await show("#/tools");
    await page.waitForFunction(() => document.querySelector(".tools").textContent.includes("<script>document.title"));
    await show("#/try/shown/hostile");
    await page.waitForFunction(() => document.querySelector(".about-tool").textContent.includes("<img src"));
    await page.click("main form .primary");
    await page.waitForSelector(".outcome.good");
    assert.ok((await page.$eval(".result pre", (pre) => pre.textContent)).includes("<script>"));
    await show("#/log");
    await page.waitForSelector(".log li summary");
    await page.click(".log li summary");
    await page.waitForFunction(() => document.querySelector(".log .inside").textContent.includes("<script>"));
    assert.equal(await page.$$eval("img, #app script", (found) => found.length), 0);
    assert.ok(!(await page.title()).includes("taken"));
  }],
  ["the chat streams, and shows the tools that run", async ({ page, show, picture }) => {
    await show("#/chat");
    await page.waitForSelector("#chat-text");
    await page.type("#chat-text", "Greet Ada");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector(".from-model strong")?.textContent === "Hello Ada!");
    await page.waitForSelector(".messages[aria-busy='false']");
    assert.match(await page.$eval(".tool-card", (card) => card.textContent), /mcp__shown__greet.*done/);
    assert.ok((await page.$eval(".from-model", (answer) => answer.textContent)).includes("<img src=x"));
    await picture("chat");
    await show("#/log");
    await page.waitForFunction(() => /ok.*shown\.greet.*chat/.test(document.querySelector(".log li").textContent));
  }],
  ["a server that ends turns red and says why, and comes back", async ({ page, show, picture, folder }) => {
    await show("#/servers");
    const row = (state) => page.waitForSelector(`.server.${state} h2 ::-p-text(shown)`);
    await row("ready");
    const color = () => page.$eval(".server", (server) => getComputedStyle(server).borderTopColor);
    const before = await color();
    await page.evaluate(() => fetch("/mcp/tools/call", {
      method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${sessionStorage.getItem("mcp-token")}` },
      body: JSON.stringify({ server_name: "shown", tool_name: "end" }),
    }).then((response) => response.text()));
    await row("down");
    assert.match(await page.$eval(".server.down .reason", (said) => said.textContent), /panic: the disk is full/);
    assert.notEqual(await color(), before);
    assert.equal(await page.$eval("#nav-servers .badge", (badge) => badge.textContent), "1");
    await page.click(".server .more");
    await page.waitForSelector(".server .said");
    await picture("down");
    rmSync(join(folder, "full"));
    await page.click(".server .details button");
    await row("ready");
    await page.click(".server .more");
  }],
  ["a server is added, fails, and is removed", async ({ page, show }) => {
    await show("#/servers");
    await page.click(".head button");
    await page.type("#add-name", "nowhere");
    await page.type("#add-url", "http://127.0.0.1:9/mcp");
    await page.click("dialog .primary");
    await page.waitForFunction(() => document.querySelector(".server.down .name")?.textContent === "nowhere");
    await page.click(".server.down .more");
    await page.waitForSelector(".server.down .danger");
    await page.click(".server.down .danger");
    await page.waitForSelector(".server.down .danger[data-sure]");
    await page.click(".server.down .danger");
    await page.waitForFunction(() => document.querySelectorAll(".server").length === 2);
  }],
  ["without the token there is only the question for it", async ({ browser, url, token }) => {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    await page.goto(url);
    await page.waitForSelector("#token");
    await page.type("#token", "wrong");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("[role=alert]").textContent.includes("not the token"));
    await page.click("#token", { clickCount: 3 });
    await page.type("#token", token);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".server");
    await context.close();
  }],
  ["somebody signs in at an issuer to show who they are", async ({ browser, folder }) => {
    const picture = async (page, name) => pictures && page.screenshot({ path: join(pictures, `${name}.png`) });
    await signsIn({ browser, mcp, folder, picture });
  }],
  ["light, dark and narrow: nothing is wider than the window", async ({ page, show, picture }) => {
    for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [900, "light"], [390, "dark"]]) {
      await page.setViewport({ width, height: 844 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      for (const pane of ["servers", "tools", "try", "log", "chat", "connect"]) {
        await show(`#/${pane}`);
        await page.waitForSelector(`#nav-${pane}[aria-current="page"]`);
        const over = await page.evaluate(() => document.querySelector("main").scrollWidth - document.querySelector("main").clientWidth);
        assert.equal(over, 0, `${pane} at ${width}`);
        await picture(`${pane}-${width}-${scheme}`);
      }
    }
  }],
];

const folder = mkdtempSync(join(tmpdir(), "mcp-dashboard-"));
const model = await scriptedModel();
const { child, url, token } = await startService(model, folder);
// Whatever ends this, the service ends too.
process.on("exit", () => child.kill("SIGKILL"));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
setTimeout(() => {
  console.log(`FAILED  all of it took longer than ${DEADLINE / 1000} s`);
  process.exit(1);
}, DEADLINE).unref();
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox"] });
let failed = 0;
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(LIMIT);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.stack ?? error.message));
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (origin !== url && protocol !== "data:") complaints.push(`asked for ${request.url()}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  const show = (hash) => page.evaluate((hash) => { location.hash = hash; }, hash);
  const picture = async (name) => pictures && page.screenshot({ path: join(pictures, `${name}.png`) });
  for (const [name, check] of checks) {
    const began = performance.now();
    try {
      await check({ browser, page, url, token, show, picture, folder });
      console.log(`ok      ${name} (${Math.round(performance.now() - began)} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
      await picture(`failed-${failed}`);
    }
  }
  if (complaints.length) {
    failed += 1;
    console.log(`FAILED  the page complains of nothing and asks nobody else\n${complaints.join("\n")}`);
  } else console.log("ok      the page complains of nothing and asks nobody else");
} finally {
  await browser.close();
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
  model.closeAllConnections();
  model.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
