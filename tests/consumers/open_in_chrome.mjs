// Opens a trace with the engine of Chrome's Performance panel, and prints what it understood:
//
//     node open_in_chrome.mjs NODE_MODULES FILE...   one JSON document a line, a file each
//
// For each thread: its name, its process' name, and its events as the engine nests them.
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const [folder, ...files] = process.argv.slice(2);
const complaints = [];
for (const level of ['log', 'warn', 'error', 'assert']) {
  console[level] = (...words) => {
    if (level !== 'assert' || !words[0]) complaints.push(words.map(String).join(' '));
  };
}
// What browsers have, and not every Node.js.
globalThis.DOMRect ??= class {};
URL.parse ??= (text) => (URL.canParse(text) ? new URL(text) : null);
const engine = join(folder, '@paulirish', 'trace_engine', 'models', 'trace', 'trace.js');
const Trace = await import(pathToFileURL(engine));

async function understood(file) {
  complaints.length = 0;
  const body = JSON.parse(readFileSync(file, 'utf8'));
  const model = Trace.TraceModel.Model.createWithAllHandlers();
  await model.parse(body.traceEvents, {metadata: {}, isFreshRecording: false});
  const parsed = model.parsedTrace();
  const data = parsed.data ?? parsed;
  const threads = [];
  for (const [pid, process] of data.Renderer.processes) {
    for (const [tid, thread] of process.threads) {
      const slices = thread.entries.map((entry) => {
        const node = data.Renderer.entryToNode.get(entry);
        return [entry.name, entry.ts, entry.dur ?? 0, node?.depth ?? -1];
      });
      threads.push({pid, tid, name: thread.name, slices});
    }
  }
  const processes = Object.fromEntries(
    [...data.Meta.processNames].map(([pid, event]) => [pid, event.args.name]),
  );
  const bounds = data.Meta.traceBounds;
  return {file, complaints: [...complaints], bounds, processes, threads};
}

for (const file of files) process.stdout.write(`${JSON.stringify(await understood(file))}\n`);
