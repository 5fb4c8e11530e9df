// What the official server scenarios call, with the TypeScript SDK, version 2: both eras on one
// endpoint, with sessions where the client's revision has them.
// Usage: everything.mjs [--http PORT]     (stdio without arguments)
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  NodeStreamableHTTPServerTransport,
  localhostHostValidation,
  localhostOriginValidation,
  toNodeHandler,
} from '@modelcontextprotocol/node';
import {
  McpServer,
  CLIENT_CAPABILITIES_META_KEY,
  ResourceTemplate,
  completable,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

import { DOT_PNG, LANGUAGES, SILENT_WAV } from './surface.mjs';

const text = (text) => ({ content: [{ type: 'text', text }] });
const image = { type: 'image', data: DOT_PNG, mimeType: 'image/png' };
const user = (content) => ({ role: 'user', content });
const form = (message, properties, required = Object.keys(properties)) =>
  inputRequired.elicit({ message, requestedSchema: { type: 'object', properties, required } });
const question = (text) =>
  inputRequired.createMessage({
    messages: [user({ type: 'text', text })],
    maxTokens: 100,
  });

const states = createRequestStateCodec({ key: new TextEncoder().encode(randomUUID()) });
const hints = { ttlMs: 60_000, cacheScope: 'public' };

// Tools that only answer.
function addAnswers(server) {
  const embedded = (uri, mimeType, text) => ({ type: 'resource', resource: { uri, mimeType, text } });
  const contents = {
    test_simple_text: [{ type: 'text', text: 'This is a simple text response for testing.' }],
    test_image_content: [image],
    test_audio_content: [{ type: 'audio', data: SILENT_WAV, mimeType: 'audio/wav' }],
    test_embedded_resource: [embedded('test://embedded-resource', 'text/plain', 'Embedded text.')],
    test_multiple_content_types: [
      { type: 'text', text: 'All kinds of content:' },
      image,
      embedded('test://mixed-content-resource', 'application/json', '{"value":123}'),
    ],
  };
  for (const [name, content] of Object.entries(contents)) {
    server.registerTool(name, { description: 'Answers with fixed content' }, async () => ({ content }));
  }
  server.registerTool('test_error_handling', { description: 'Fails' }, async () => ({
    ...text('This tool fails, as it was asked to.'),
    isError: true,
  }));
  server.registerTool(
    'json_schema_2020_12_tool',
    {
      description: 'Has a schema with keywords of JSON Schema 2020-12',
      inputSchema: fromJsonSchema({
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: 'object',
        $defs: {
          address: {
            $anchor: 'addressDef',
            type: 'object',
            properties: { street: { type: 'string' }, city: { type: 'string' } },
          },
        },
        properties: {
          name: { type: 'string' },
          address: { $ref: '#/$defs/address' },
          contactMethod: { type: 'string', enum: ['phone', 'email'] },
          phone: { type: 'string' },
          email: { type: 'string' },
        },
        allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
        if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
        then: { required: ['phone'] },
        else: { required: ['email'] },
        additionalProperties: false,
      }),
    },
    async (given) => text(JSON.stringify(given)),
  );
}

// Tools that say something before they answer.
function addTalkers(server, changed) {
  const log = async (ctx) => {
    for (const line of ['started', 'working', 'done']) {
      await ctx.mcpReq.log('info', line);
      await sleep(10);
    }
    return text('logged');
  };
  const progress = async (ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (const step of [0, 50, 100]) {
      if (progressToken !== undefined) {
        const params = { progressToken, progress: step, total: 100, message: `step ${step}` };
        await ctx.mcpReq.notify({ method: 'notifications/progress', params });
      }
      await sleep(10);
    }
    return text(String(progressToken));
  };
  server.registerTool('test_tool_with_logging', { description: 'Logs three lines' }, log);
  server.registerTool('test_logging_tool', { description: 'Logs if it may' }, log);
  server.registerTool('test_tool_with_progress', { description: 'Reports its progress' }, progress);
  server.registerTool('test_streaming_elicitation', { description: 'Reports its progress' }, progress);
  for (const [name, tell] of Object.entries({
    test_trigger_tool_change: (to) => to.toolsChanged(),
    test_trigger_prompt_change: (to) => to.promptsChanged(),
  })) {
    server.registerTool(name, { description: 'Tells of a change' }, async () => {
      tell(changed());
      return text('told');
    });
  }
}

// Tools that ask in the middle of a call; in sessions these are requests of the server.
function addAskers(server) {
  const { registerTool } = server;
  const asks = (name, inputs, answer) =>
    registerTool.call(server, name, { description: 'Asks the client first' }, async (ctx) => {
      const given = ctx.mcpReq.inputResponses ?? {};
      const missing = Object.entries(inputs).filter(([key]) => given[key] === undefined);
      if (missing.length > 0) return inputRequired({ inputRequests: Object.fromEntries(missing) });
      return text(answer(given));
    });
  const name = { name: { type: 'string' } };
  asks(
    'test_input_required_result_elicitation',
    { user_name: form('What is your name?', name) },
    ({ user_name }) => `Hello, ${user_name.content?.name}!`,
  );
  asks(
    'test_input_required_result_sampling',
    { sample_request: question('What is the capital of France?') },
    ({ sample_request }) => `The model says: ${sample_request.content?.text}`,
  );
  asks(
    'test_input_required_result_list_roots',
    { roots_request: inputRequired.listRoots() },
    ({ roots_request }) => `${roots_request.roots.length} roots`,
  );
  asks('test_missing_capability', { sample: question('May you be asked?') }, () => 'yes');
  asks(
    'test_elicitation_sep1034_defaults',
    {
      form: form(
        'Is this right?',
        {
          name: { type: 'string', default: 'John Doe' },
          age: { type: 'integer', default: 30 },
          score: { type: 'number', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', default: true },
        },
        [],
      ),
    },
    ({ form }) => `Elicitation completed: ${JSON.stringify(form)}`,
  );
  const titled = (...pairs) => pairs.map(([value, title]) => ({ const: value, title }));
  const plain = { type: 'string', enum: ['option1', 'option2', 'option3'] };
  asks(
    'test_elicitation_sep1330_enums',
    {
      form: form(
        'Which of these?',
        {
          untitledSingle: plain,
          titledSingle: { type: 'string', oneOf: titled(['value1', 'First'], ['value2', 'Second']) },
          legacyEnum: { type: 'string', enum: ['opt1', 'opt2'], enumNames: ['One', 'Two'] },
          untitledMulti: { type: 'array', minItems: 1, maxItems: 3, items: plain },
          titledMulti: {
            type: 'array',
            minItems: 1,
            maxItems: 3,
            items: { anyOf: titled(['value1', 'First'], ['value2', 'Second']) },
          },
        },
        [],
      ),
    },
    ({ form }) => `Elicitation completed: ${JSON.stringify(form)}`,
  );
  server.registerTool(
    'test_elicitation',
    { description: 'Asks the user', inputSchema: z.object({ message: z.string() }) },
    async ({ message }, ctx) => {
      const said = ctx.mcpReq.inputResponses?.user;
      if (said !== undefined) return text(`User response: ${JSON.stringify(said)}`);
      return inputRequired({ inputRequests: { user: form(message, { response: { type: 'string' } }) } });
    },
  );
  server.registerTool(
    'test_sampling',
    { description: 'Asks the model', inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, ctx) => {
      const said = ctx.mcpReq.inputResponses?.model;
      if (said !== undefined) return text(`LLM response: ${said.content?.text}`);
      return inputRequired({ inputRequests: { model: question(prompt) } });
    },
  );
}

// Tools that ask, and carry what they know in `requestState`.
function addStateful(server) {
  const confirm = form('Please confirm', { ok: { type: 'boolean' } });
  const rounds = (name, step) =>
    server.registerTool(name, { description: 'Asks, and remembers' }, async (ctx) => {
      const state = ctx.mcpReq.requestState();
      const next = step(state, ctx.mcpReq.inputResponses ?? {}, ctx);
      if (next.content) return next;
      const requestState = await states.mint(next.state, ctx);
      return inputRequired({ inputRequests: next.inputs, requestState });
    });
  for (const [name, answer] of [
    ['test_input_required_result_request_state', 'state-ok: as it was sent'],
    ['test_input_required_result_tampered_state', 'integrity-ok: as it was sent'],
  ]) {
    rounds(name, (state, given) =>
      state?.name === name && given.confirm?.content?.ok === true
        ? text(answer)
        : { inputs: { confirm }, state: { name } },
    );
  }
  rounds('test_input_required_result_multiple_inputs', (state, given) => {
    const { user_name, greeting, client_roots } = given;
    if (state && user_name && greeting && client_roots) {
      const roots = client_roots.roots.length;
      return text(`${user_name.content?.name}; ${greeting.content?.text}; ${roots} roots`);
    }
    const inputs = {
      user_name: form('What is your name?', { name: { type: 'string' } }),
      greeting: question('Say hello'),
      client_roots: inputRequired.listRoots(),
    };
    return { inputs, state: { asked: true } };
  });
  rounds('test_input_required_result_multi_round', (state, given) => {
    if (state?.round === 2 && given.step2) {
      return text(`${state.name} likes ${given.step2.content?.color}`);
    }
    if (state?.round === 1 && given.step1) {
      const step2 = form('Step 2: which colour?', { color: { type: 'string' } });
      return { inputs: { step2 }, state: { round: 2, name: given.step1.content?.name } };
    }
    const step1 = form('Step 1: what is your name?', { name: { type: 'string' } });
    return { inputs: { step1 }, state: { round: 1 } };
  });
  const capabilities = (ctx) => ctx.mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
  rounds('test_input_required_result_capabilities', (_, given, ctx) => {
    const keys = Object.keys(given);
    if (keys.length > 0) return text(`capabilities-ok: ${keys.join(',')}`);
    const { elicitation, sampling } = capabilities(ctx);
    const inputs = {
      ...(elicitation && { elicit_input: form('A value, please', { value: { type: 'string' } }) }),
      ...(sampling && { sample_input: question('A sample, please') }),
    };
    return Object.keys(inputs).length > 0 ? { inputs, state: {} } : text('nothing may be asked');
  });
}

function addResources(server) {
  const fixed = (name, uri, mimeType, contents) =>
    server.registerResource(name, uri, { description: 'Never changes', mimeType }, async () => ({
      contents: [{ uri, mimeType, ...contents }],
    }));
  fixed('static-text', 'test://static-text', 'text/plain', { text: 'The same text each time.' });
  fixed('static-binary', 'test://static-binary', 'image/png', { blob: DOT_PNG });
  fixed('watched-resource', 'test://watched-resource', 'text/plain', { text: 'Watched.' });
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'One for each id', mimeType: 'application/json' },
    async (uri, { id }) => ({
      contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id }) }],
    }),
  );
}

function addPrompts(server) {
  const words = (text) => user({ type: 'text', text });
  server.registerPrompt('test_simple_prompt', { description: 'No arguments' }, async () => ({
    messages: [words('This is a simple prompt for testing.')],
  }));
  const argument = z.string().describe('A test argument');
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'Two arguments',
      argsSchema: z.object({
        arg1: completable(argument, (typed) => LANGUAGES.filter((one) => one.startsWith(typed))),
        arg2: argument,
      }),
    },
    async ({ arg1, arg2 }) => ({ messages: [words(`arg1='${arg1}', arg2='${arg2}'`)] }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds a resource', argsSchema: z.object({ resourceUri: z.string() }) },
    async ({ resourceUri: uri }) => ({
      messages: [
        user({ type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'Embedded.' } }),
        words('What does it say?'),
      ],
    }),
  );
  server.registerPrompt('test_prompt_with_image', { description: 'Has an image' }, async () => ({
    messages: [user(image), words('What does it show?')],
  }));
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks the client first' },
    async (ctx) => {
      const said = ctx.mcpReq.inputResponses?.user_context;
      if (said !== undefined) return { messages: [words(`Context: ${said.content?.context}`)] };
      const user_context = form('Which context?', { context: { type: 'string' } });
      return inputRequired({ inputRequests: { user_context } });
    },
  );
}

// Where each request has a server of its own, the handler tells all who listen of changes.
let listeners;

function build() {
  const server = new McpServer(
    { name: 'everything', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
      },
      cacheHints: {
        'tools/list': hints,
        'prompts/list': hints,
        'resources/list': hints,
        'resources/templates/list': hints,
        'resources/read': hints,
      },
      requestState: { verify: states.verify },
    },
  );
  const session = {
    toolsChanged: () => server.sendToolListChanged(),
    promptsChanged: () => server.sendPromptListChanged(),
  };
  addAnswers(server);
  addTalkers(server, () => (server.server.transport?.sessionId ? session : (listeners ?? session)));
  addAskers(server);
  addStateful(server);
  addResources(server);
  addPrompts(server);
  server.server.setRequestHandler('resources/subscribe', async () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', async () => ({}));
  return server;
}

const sessions = new Map();

async function serveSession(request, response) {
  const id = request.headers['mcp-session-id'];
  const known = sessions.get(id);
  if (known) return known.handleRequest(request, response);
  if (id !== undefined) return response.writeHead(404).end('There is no such session');
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, transport),
  });
  const server = build();
  transport.onclose = () => sessions.delete(transport.sessionId);
  await server.connect(transport);
  return transport.handleRequest(request, response);
}

// A session's client names none in its first request, and then its own and a revision before 2026.
const isInSession = ({ headers }) =>
  headers['mcp-session-id'] !== undefined || !(headers['mcp-protocol-version'] >= '2026');

const [flag, port] = process.argv.slice(2);
if (flag === '--http') {
  const modern = createMcpHandler(build, { legacy: 'reject' });
  listeners = modern.notify;
  const handle = toNodeHandler(modern);
  const [validateHost, validateOrigin] = [localhostHostValidation(), localhostOriginValidation()];
  createServer((request, response) => {
    if (!validateHost(request, response) || !validateOrigin(request, response)) return;
    const served = isInSession(request) ? serveSession(request, response) : handle(request, response);
    Promise.resolve(served).catch((error) => {
      console.error(error);
      if (!response.headersSent) response.writeHead(500).end();
    });
  }).listen(Number(port), '127.0.0.1');
} else {
  serveStdio(build);
}
