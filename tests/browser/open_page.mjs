// Opens a page in Chromium as Jenkins serves it, and prints what the browser says of it as JSON:
//
//     node open_page.mjs NODE_MODULES CHROMIUM URL ORDERS
//
// ORDERS is JSON: {"widths": [360], "schemes": ["light", "dark"], "axe": true, "pdf": "FILE" or null,
// "pictures": [{"file": "FILE", "scheme": "dark", "width": 1280, "height": 900 or null, "selector": null}]}
// A page under a policy without scripts has no world to ask in, so all questions are asked in an
// isolated one, which the policy does not reach.
import {readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';

const [folder, chromium, url, words] = process.argv.slice(2);
const orders = JSON.parse(words);
const require = createRequire(join(folder, 'x.js'));
const puppeteer = require('puppeteer-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const AS_ROOT = process.getuid() === 0 ? ['--no-sandbox'] : [];
const HEIGHT = 900;

const said = {console: [], blocked: [], requests: [], overflow: [], violations: [], title: null};
const browser = await puppeteer.launch({
  executablePath: chromium,
  args: [...AS_ROOT, '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars'],
});

async function listen(page) {
  const session = await page.createCDPSession();
  for (const domain of ['Log', 'Network', 'Audits', 'Page', 'Runtime']) await session.send(`${domain}.enable`);
  session.on('Log.entryAdded', ({entry}) => said.console.push(`${entry.level}: ${entry.text} ${entry.url ?? ''}`));
  session.on('Runtime.consoleAPICalled', ({type, args}) =>
    said.console.push(`${type}: ${args.map((one) => one.value ?? one.description).join(' ')}`));
  session.on('Runtime.exceptionThrown', ({exceptionDetails}) => said.console.push(exceptionDetails.text));
  session.on('Audits.issueAdded', ({issue}) => said.blocked.push(JSON.stringify(issue)));
  session.on('Network.loadingFailed', (event) =>
    said.blocked.push(`${event.type}: ${event.errorText} ${event.blockedReason ?? ''}`));
  session.on('Network.responseReceived', ({response}) => said.requests.push([response.status, response.url]));
  return session;
}

async function isolated(session) {
  const {frameTree} = await session.send('Page.getFrameTree');
  const made = await session.send('Page.createIsolatedWorld', {frameId: frameTree.frame.id, worldName: 'questions'});
  return async (expression) => {
    const answer = await session.send('Runtime.evaluate', {
      expression, contextId: made.executionContextId, awaitPromise: true, returnByValue: true,
    });
    if (answer.exceptionDetails) throw new Error(JSON.stringify(answer.exceptionDetails));
    return answer.result.value;
  };
}

// What is wider than the page, by the innermost element that sticks out.
const WIDER = `(() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const found = [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > wide + 0.5)
    .map((one) => one.tagName + '.' + (one.getAttribute('class') ?? '')).slice(0, 5);
  return found.length ? found : ['a text in its element'];
})()`;
// Where scripts are not allowed, no timer ever fires; axe only uses them to let a page breathe.
const TIMERS = 'globalThis.setTimeout = (done, _, ...words) => { Promise.resolve().then(() => done(...words)); return 0; }; 0';
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// What axe cannot tell of the contrast of texts on SVG shapes, and of signs without letters, is no finding.
const ASK_AXE = `axe.run(document, {runOnly: ${JSON.stringify(RULES)}, resultTypes: ['violations', 'incomplete'], preload: false})
  .then(({violations, incomplete}) => [...violations, ...incomplete]
    .map(({id, help, nodes}) => ({id, help, nodes: nodes.filter((one) =>
      id !== 'color-contrast' || !(/^<text/.test(one.html) || /non-text/.test(one.failureSummary)))}))
    .filter((one) => one.nodes.length)
    .map(({id, help, nodes}) => ({id, help, nodes: nodes.slice(0, 3).map((one) => [one.html.slice(0, 200), one.failureSummary])})))`;

async function look(page, scheme, width, height = HEIGHT) {
  await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
  await page.setViewport({width, height});
}

async function ask(page, ask_in) {
  for (const scheme of orders.schemes) {
    for (const width of orders.widths) {
      await look(page, scheme, width);
      const found = await ask_in(WIDER);
      if (found.length) said.overflow.push([scheme, width, found]);
    }
    if (orders.axe) {
      said.violations.push(...(await ask_in(ASK_AXE)).map((one) => ({scheme, ...one})));
    }
  }
}

async function take(page, picture) {
  await look(page, picture.scheme, picture.width, picture.height ?? HEIGHT);
  const whole = {path: picture.file, fullPage: picture.height === null};
  const one = picture.selector ? await page.$(picture.selector) : page;
  await one.screenshot(whole);
}

try {
  const page = await browser.newPage();
  const session = await listen(page);
  const response = await page.goto(url, {waitUntil: 'load', timeout: 60_000});
  said.policy = response.headers()['content-security-policy'];
  const ask_in = await isolated(session);
  said.title = await ask_in('document.title');
  said.styled = await ask_in('getComputedStyle(document.body).fontFamily');
  if (orders.axe) await ask_in(`${TIMERS}; ${axe}; 0`);
  await ask(page, ask_in);
  for (const picture of orders.pictures ?? []) await take(page, picture);
  if (orders.pdf) writeFileSync(orders.pdf, await page.pdf({format: 'A4'}));
} finally {
  await browser.close();
}
process.stdout.write(`${JSON.stringify(said)}\n`);
