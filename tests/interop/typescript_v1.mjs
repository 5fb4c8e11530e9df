// The shared surface (peers.json) with the TypeScript SDK, version 1.
// Usage: typescript_v1.mjs [--http PORT | --sse PORT]     (stdio without arguments)
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

import { DOT_PNG, LANGUAGES } from './surface.mjs';

const text = (text) => ({ content: [{ type: 'text', text }] });

function build() {
  const server = new McpServer(
    { name: 'typescript-v1', version: '1.0.0' },
    { capabilities: { logging: {} }, instructions: 'A peer for interoperability tests.' },
  );

  server.registerTool(
    'echo',
    { description: 'Says it back', inputSchema: { text: z.string() }, annotations: { readOnlyHint: true } },
    async ({ text: said }) => text(said),
  );
  server.registerTool(
    'add',
    { description: 'Adds two numbers', inputSchema: { a: z.number(), b: z.number() } },
    async ({ a, b }) => text(String(a + b)),
  );
  server.registerTool(
    'countdown',
    { description: 'Reports progress at every step', inputSchema: { steps: z.number().int() } },
    async ({ steps }, extra) => {
      for (let step = 1; step <= steps; step++) {
        await sleep(5);
        const progressToken = extra._meta?.progressToken;
        if (progressToken !== undefined) {
          await extra.sendNotification({
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
      inputSchema: { city: z.string() },
      outputSchema: { city: z.string(), celsius: z.number() },
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
    { description: 'Fails with this message', inputSchema: { message: z.string() } },
    async ({ message }) => ({ ...text(message), isError: true }),
  );
  server.registerTool(
    'log',
    { description: 'Logs this message', inputSchema: { message: z.string() } },
    async ({ message }, extra) => {
      await extra.sendNotification({
        method: 'notifications/message',
        params: { level: 'info', logger: 'peer', data: message },
      });
      return text('logged');
    },
  );
  server.registerTool('greet', { description: 'Asks for a name first' }, async () => {
    const answer = await server.server.elicitInput({
      message: 'Who is there?',
      requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
    });
    return text(answer.action === 'accept' ? `Hello, ${answer.content.name}!` : `No name: ${answer.action}`);
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
      argsSchema: {
        language: completable(z.string(), (typed) => LANGUAGES.filter((name) => name.startsWith(typed))),
      },
    },
    ({ language }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: `Review this ${language} code.` } }],
    }),
  );
  return server;
}

async function serveHttp(port) {
  const sessions = new Map();
  createServer(async (request, response) => {
    let transport = sessions.get(request.headers['mcp-session-id']);
    if (!transport && request.headers['mcp-session-id']) {
      response.writeHead(404).end();
      return;
    }
    if (!transport) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => sessions.set(id, transport),
        onsessionclosed: (id) => sessions.delete(id),
      });
      await build().connect(transport);
    }
    await transport.handleRequest(request, response);
  }).listen(port, '127.0.0.1');
}

async function serveSse(port) {
  const sessions = new Map();
  createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
    if (request.method === 'GET' && pathname === '/sse') {
      const transport = new SSEServerTransport('/messages', response);
      sessions.set(transport.sessionId, transport);
      await build().connect(transport);
      return;
    }
    const transport = sessions.get(searchParams.get('sessionId'));
    if (request.method !== 'POST' || pathname !== '/messages' || !transport) {
      response.writeHead(404).end();
      return;
    }
    await transport.handlePostMessage(request, response);
  }).listen(port, '127.0.0.1');
}

const [flag, port] = process.argv.slice(2);
if (flag === '--http') {
  await serveHttp(Number(port));
} else if (flag === '--sse') {
  await serveSse(Number(port));
} else {
  await build().connect(new StdioServerTransport());
}
