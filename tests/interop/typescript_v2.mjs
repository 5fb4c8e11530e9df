// The shared surface (peers.json) with the TypeScript SDK, version 2, which serves both eras.
// Usage: typescript_v2.mjs [--http PORT]     (stdio without arguments)
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  localhostHostValidation,
  localhostOriginValidation,
  toNodeHandler,
} from '@modelcontextprotocol/node';
import {
  McpServer,
  ResourceTemplate,
  acceptedContent,
  completable,
  createMcpHandler,
  inputRequired,
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

import { DOT_PNG, LANGUAGES } from './surface.mjs';

const text = (text) => ({ content: [{ type: 'text', text }] });

// Over HTTP each request has a server of its own, so the handler tells of changes.
let notify;

function build() {
  const server = new McpServer(
    { name: 'typescript-v2', version: '1.0.0' },
    {
      capabilities: { logging: {}, resources: { subscribe: true, listChanged: true } },
      cacheHints: { 'tools/list': { ttlMs: 60_000, cacheScope: 'public' } },
      instructions: 'A peer for interoperability tests.',
    },
  );

  server.registerTool(
    'echo',
    {
      description: 'Says it back',
      inputSchema: z.object({ text: z.string() }),
      annotations: { readOnlyHint: true },
    },
    async ({ text: said }) => text(said),
  );
  server.registerTool(
    'add',
    { description: 'Adds two numbers', inputSchema: z.object({ a: z.number(), b: z.number() }) },
    async ({ a, b }) => text(String(a + b)),
  );
  server.registerTool(
    'countdown',
    { description: 'Reports progress at every step', inputSchema: z.object({ steps: z.number().int() }) },
    async ({ steps }, ctx) => {
      for (let step = 1; step <= steps; step++) {
        await sleep(5);
        const progressToken = ctx.mcpReq._meta?.progressToken;
        if (progressToken !== undefined) {
          await ctx.mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken, progress: step, total: steps },
          });
        }
      }
      return text('liftoff');
    },
  );
  server.registerTool(
    'weather',
    {
      description: 'Structured weather of a city',
      inputSchema: z.object({ city: z.string() }),
      outputSchema: z.object({ city: z.string(), celsius: z.number() }),
    },
    async ({ city }) => {
      const structuredContent = { city, celsius: 18.5 };
      return { ...text(JSON.stringify(structuredContent)), structuredContent };
    },
  );
  server.registerTool('picture', { description: 'One dot' }, async () => ({
    content: [{ type: 'image', data: DOT_PNG, mimeType: 'image/png' }],
  }));
  server.registerTool(
    'fail',
    { description: 'Fails with this message', inputSchema: z.object({ message: z.string() }) },
    async ({ message }) => ({ ...text(message), isError: true }),
  );
  server.registerTool(
    'log',
    { description: 'Logs this message', inputSchema: z.object({ message: z.string() }) },
    async ({ message }, ctx) => {
      await ctx.mcpReq.log('info', message, 'peer');
      return text('logged');
    },
  );
  server.registerTool('touch', { description: 'Changes the motto and the tools' }, async () => {
    const uri = 'peer://motto';
    if (notify) {
      notify.toolsChanged();
      notify.resourceUpdated(uri);
    } else {
      server.sendToolListChanged();
      await server.server.sendResourceUpdated({ uri });
    }
    return text('touched');
  });
  const person = z.object({ name: z.string() });
  server.registerTool('greet', { description: 'Asks for a name first' }, async (ctx) => {
    const answer = ctx.mcpReq.inputResponses?.person;
    if (answer === undefined) {
      const request = inputRequired.elicit({ message: 'Who is there?', requestedSchema: person });
      return inputRequired({ inputRequests: { person: request } });
    }
    const accepted = acceptedContent(ctx.mcpReq.inputResponses, 'person', person);
    return text(accepted ? `Hello, ${accepted.name}!` : `No name: ${answer.action}`);
  });

  server.registerResource('motto', 'peer://motto', { mimeType: 'text/plain' }, async (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'Small is beautiful.' }],
  }));
  server.registerResource(
    'item',
    new ResourceTemplate('peer://items/{id}', { list: undefined }),
    { mimeType: 'text/plain' },
    async (uri, { id }) => ({ contents: [{ uri: uri.href, mimeType: 'text/plain', text: `Item ${id}` }] }),
  );
  server.registerPrompt(
    'review',
    {
      description: 'Asks for a review',
      argsSchema: z.object({
        language: completable(z.string(), (typed) => LANGUAGES.filter((name) => name.startsWith(typed))),
      }),
    },
    ({ language }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: `Review this ${language} code.` } }],
    }),
  );
  return server;
}

const [flag, port] = process.argv.slice(2);
if (flag === '--http') {
  const handler = createMcpHandler(build);
  notify = handler.notify;
  const handle = toNodeHandler(handler);
  const [validateHost, validateOrigin] = [localhostHostValidation(), localhostOriginValidation()];
  createServer((request, response) => {
    if (validateHost(request, response) && validateOrigin(request, response)) {
      handle(request, response);
    }
  }).listen(Number(port), '127.0.0.1');
} else {
  serveStdio(build);
}
