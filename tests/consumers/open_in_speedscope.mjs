// Opens files in speedscope's own program, as published, and prints what it understood:
//
//     node open_in_speedscope.mjs NODE_MODULES FILE...   one JSON document a line, a file each
//
// The program is a web page: jsdom stands for the browser, an object that swallows every call for
// its WebGL, so nothing is drawn. What it understood is what it saves when Ctrl+S is pressed; what
// it writes to the console on the way are its complaints.
import {readFileSync, readdirSync} from 'node:fs';
import {createRequire} from 'node:module';
import {basename, join} from 'node:path';

const [folder, ...files] = process.argv.slice(2);
const {JSDOM, VirtualConsole} = createRequire(join(folder, 'x.js'))('jsdom');
const release = join(folder, 'speedscope', 'dist', 'release');
const program = readdirSync(release).find((name) => /^speedscope-.*\.js$/.test(name));
const source = readFileSync(join(release, program), 'utf8');
const SECONDS = 60;

const swallow = new Proxy(function () {}, {
  get: (_, name) => (name === Symbol.toPrimitive ? () => 1 : name === 'data' ? [] : swallow),
  set: () => true,
  apply: () => swallow,
  construct: () => swallow,
});

function page(complaints) {
  const virtualConsole = new VirtualConsole();
  for (const level of ['log', 'warn', 'error']) {
    virtualConsole.on(level, (...words) => complaints.push(words.map(String).join(' ')));
  }
  const {window} = new JSDOM('<!DOCTYPE html><html><head></head><body></body></html>', {
    url: 'http://localhost/#localProfilePath=none.js',
    runScripts: 'outside-only',
    pretendToBeVisual: true,
    virtualConsole,
  });
  window.HTMLCanvasElement.prototype.getContext = () => swallow;
  window.Element.prototype.scrollIntoView = () => {};
  window.matchMedia = () => ({matches: false, addEventListener() {}, removeEventListener() {}});
  window.alert = (text) => complaints.push(`alert: ${text}`);
  Object.assign(window, {TextDecoder, TextEncoder});
  window.eval(source);
  return window;
}

async function until(ready, what, complaints) {
  for (const end = Date.now() + SECONDS * 1000; !ready(); ) {
    if (Date.now() > end) throw new Error(`${what}: ${complaints.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function understood(file) {
  let complaints = [];
  const window = page(complaints);
  let saved = null;
  window.Blob = class {
    constructor(parts) {
      saved = parts.join('');
    }
  };
  window.URL.createObjectURL = () => 'blob:none';
  window.HTMLAnchorElement.prototype.click = () => {};
  await until(() => window.speedscope, 'speedscope does not start', complaints);
  complaints.length = 0;
  const text = readFileSync(file).toString('base64');
  window.speedscope.loadFileFromBase64(basename(file), text);
  await until(
    () => {
      window.dispatchEvent(new window.KeyboardEvent('keydown', {key: 's', ctrlKey: true}));
      return saved !== null || complaints.some((one) => /Failed to load|alert:/.test(one));
    },
    'nothing was loaded',
    complaints,
  );
  window.close();
  complaints = complaints.filter((one) => !/^(Importing as|Saving)/.test(one));
  return {file, complaints, understood: saved === null ? null : JSON.parse(saved)};
}

for (const file of files) {
  const line = `${JSON.stringify(await understood(file))}\n`;
  await new Promise((written) => process.stdout.write(line, written));
}
process.exit(0);
