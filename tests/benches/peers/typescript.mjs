// Contender: the TypeScript SDK's client. Usage: typescript.mjs JOB, see ../kit/src/job.rs.
import { readFileSync } from 'node:fs';
import process from 'node:process';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const job = JSON.parse(process.argv[2]);

async function connect() {
  const mode = job.era === 'legacy' ? 'legacy' : 'auto';
  const client = new Client({ name: 'bench', version: '1.0.0' }, { versionNegotiation: { mode } });
  const { url, program, args } = job.server;
  const transport = url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({ command: program, args });
  await client.connect(transport);
  return client;
}

async function echo(client) {
  const result = await client.callTool({ name: 'echo', arguments: { text: 'hello' } });
  if (result.content[0].text !== 'hello') throw new Error('no echo');
}

async function list(client) {
  const { tools } = await client.listTools();
  if (tools.length !== job.tools) throw new Error(`${tools.length} tools instead of ${job.tools}`);
}

async function blob(client, name, least) {
  const result = await client.callTool({ name, arguments: {} });
  if (result.content[0].text.length < least * 0.95) throw new Error('too short');
}

async function cold() {
  const client = await connect();
  await list(client);
  await client.close();
}

const WORK = {
  echo,
  list,
  blob1m: (client) => blob(client, 'blob1M', 1e6),
  blob10m: (client) => blob(client, 'blob10M', 1e7),
};

// Each call of `once`, in as many lanes as calls may be under way.
async function repeat(operations, once) {
  const laps = [];
  const lane = async () => {
    for (let left = Math.ceil(operations / job.in_flight); left > 0; left--) {
      const start = process.hrtime.bigint();
      await once();
      laps.push(Number(process.hrtime.bigint() - start));
    }
  };
  await Promise.all(Array.from({ length: job.in_flight }, lane));
  return laps;
}

const status = (field) =>
  Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(`${field}:\\s+(\\d+) kB`))[1]);

async function measured(body) {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const laps = await body();
  const wall = Number(process.hrtime.bigint() - start);
  const spent = process.cpuUsage(cpu);
  laps.sort((a, b) => a - b);
  const rank = (percent) => laps[Math.min(Math.floor((laps.length * percent) / 100), laps.length - 1)];
  return {
    operations: laps.length,
    wall_ns: wall,
    p50_ns: rank(50),
    p99_ns: rank(99),
    user_us: spent.user,
    system_us: spent.system,
    peak_rss_kib: status('VmHWM'),
  };
}

let report;
if (job.work === 'cold') {
  await repeat(job.warm_up, cold);
  report = await measured(() => repeat(job.operations, cold));
} else if (job.work === 'idle') {
  const clients = [await connect()];
  await echo(clients[0]);
  const before = status('VmRSS');
  report = await measured(async () => {
    for (let count = 0; count < job.connections; count++) {
      const client = await connect();
      await echo(client);
      clients.push(client);
    }
    return [0];
  });
  report.connection_kib = Math.max(0, status('VmRSS') - before) / job.connections;
  await Promise.all(clients.map((client) => client.close()));
} else {
  const client = await connect();
  const once = () => WORK[job.work](client);
  await repeat(job.warm_up, once);
  report = await measured(() => repeat(job.operations, once));
  await client.close();
}
console.log(JSON.stringify(report));
process.exit(0);
