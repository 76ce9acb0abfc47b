/**
 * Both browsers behind one seam. Each `Browser` is a profile of its own. Chromium is driven without the driver's usual
 * pretence that every tab is visible and focused, so tabs hide, freeze and are throttled as they are for people.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CDPSession,
  type Page as ChromiumPage,
  chromium,
  type Browser as PlaywrightBrowser,
  type Worker as PlaywrightWorker,
} from 'playwright-core';
import puppeteer, { type Page as FirefoxPage, type Browser as PuppeteerBrowser } from 'puppeteer-core';
import { DEADLINE_MS, until } from './wait.js';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const FIREFOX = process.env['FIREFOX'] ?? '/usr/bin/firefox-esr';

export type BrowserName = 'chromium' | 'firefox';

/** What tests run in where a requirement has to hold in both. */
export const BOTH: readonly BrowserName[] = ['chromium', 'firefox'];

/** A profile: its tabs share cookies, storage, locks and channels, and nothing with any other. */
export interface Browser extends AsyncDisposable {
  readonly name: BrowserName;
  /** Of the main process. */
  readonly pid: number;
  tab(url?: string): Promise<Tab>;
  close(): Promise<void>;
}

/** One tab. */
export interface Tab {
  /** Uncaught errors and `console.error` of the page. */
  readonly errors: readonly string[];
  goto(url: string): Promise<void>;
  reload(): Promise<void>;
  evaluate<R>(run: () => R | Promise<R>): Promise<R>;
  evaluate<A, R>(run: (argument: A) => R | Promise<R>, argument: A): Promise<R>;
  /** Waits until this is something in the page; also in hidden tabs, whose own timers are slow. */
  until<R>(what: string, run: () => R, deadlineMs?: number): Promise<NonNullable<R>>;
  until<A, R>(what: string, run: (argument: A) => R, argument: A, deadlineMs?: number): Promise<NonNullable<R>>;
  /** A real click; looks into shadow roots. */
  click(selector: string): Promise<void>;
  press(key: string): Promise<void>;
  /** Makes it the visible one of its window. */
  front(): Promise<void>;
  screenshot(file: string): Promise<void>;
  close(): Promise<void>;
}

/** A tab of Chromium, with its debugging protocol. */
export interface ChromiumTab extends Tab {
  readonly page: ChromiumPage;
  readonly cdp: CDPSession;
}

/** A tab of Firefox. */
export interface FirefoxTab extends Tab {
  readonly page: FirefoxPage;
}

export interface ChromiumOptions {
  args?: readonly string[];
  /** Notifications are allowed without being asked for. */
  notifications?: boolean;
}

export interface FirefoxOptions {
  prefs?: Readonly<Record<string, unknown>>;
}

/** A profile of either browser. */
export function openBrowser(name: BrowserName): Promise<Browser> {
  return name === 'chromium' ? Chromium.open() : Firefox.open();
}

abstract class Driven<P extends ChromiumPage | FirefoxPage> implements Tab {
  readonly errors: string[] = [];
  readonly page: P;

  constructor(page: P) {
    this.page = page;
  }

  abstract goto(url: string): Promise<void>;
  abstract reload(): Promise<void>;
  abstract click(selector: string): Promise<void>;

  evaluate<A, R>(run: (argument: A) => R | Promise<R>, argument?: A): Promise<R> {
    // Both drivers take the same call; only their types differ.
    const page = this.page as unknown as { evaluate(run: unknown, argument: unknown): Promise<R> };
    return page.evaluate(run, argument ?? null);
  }

  until<A, R>(
    what: string,
    run: (argument: A) => R,
    ...[argument, deadlineMs]: [A?, number?]
  ): Promise<NonNullable<R>> {
    return until(what, () => this.evaluate(run, argument as A), deadlineMs) as Promise<NonNullable<R>>;
  }

  async press(key: string): Promise<void> {
    await this.page.keyboard.press(key as Parameters<FirefoxPage['keyboard']['press']>[0]);
  }

  async front(): Promise<void> {
    await this.page.bringToFront();
  }

  async screenshot(file: string): Promise<void> {
    await this.page.screenshot({ path: file as `${string}.png` });
  }

  async close(): Promise<void> {
    await this.page.close();
  }
}

class PlaywrightTab extends Driven<ChromiumPage> implements ChromiumTab {
  readonly cdp: CDPSession;

  constructor(page: ChromiumPage, cdp: CDPSession) {
    super(page);
    this.cdp = cdp;
    page.setDefaultTimeout(DEADLINE_MS);
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
  }

  async goto(url: string): Promise<void> {
    await this.page.goto(url);
  }

  async reload(): Promise<void> {
    await this.page.reload();
  }

  async click(selector: string): Promise<void> {
    await this.page.click(selector);
  }
}

class PuppeteerTab extends Driven<FirefoxPage> implements FirefoxTab {
  constructor(page: FirefoxPage) {
    super(page);
    page.setDefaultTimeout(DEADLINE_MS);
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
  }

  async goto(url: string): Promise<void> {
    await this.page.goto(url);
  }

  async reload(): Promise<void> {
    await this.page.reload();
  }

  async click(selector: string): Promise<void> {
    const { x, y } = await this.until(`\`${selector}\` is there`, centre, selector);
    await this.page.mouse.click(x, y);
  }
}

/** The middle of the first element, wherever it is: each part of the selector may be in a shadow root of the part before. */
function centre(selector: string): { x: number; y: number } | null {
  const find = (root: Document | ShadowRoot | Element, [part = '', ...rest]: string[]): Element | null => {
    for (const element of root.querySelectorAll('*')) {
      if (element.matches(part)) {
        const found = rest.length ? find(element.shadowRoot ?? element, rest) : element;
        if (found) return found;
      }
      const found = element.shadowRoot && find(element.shadowRoot, [part, ...rest]);
      if (found) return found;
    }
    return null;
  };
  const element = find(document, selector.split(' '));
  element?.scrollIntoView({ block: 'nearest' });
  const box = element?.getBoundingClientRect();
  return box?.width ? { x: box.x + box.width / 2, y: box.y + box.height / 2 } : null;
}

/** A Chromium process of its own. */
export class Chromium implements Browser {
  readonly name = 'chromium';
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #driver: PlaywrightBrowser;
  readonly #folder: string;

  private constructor(process: ChildProcess, driver: PlaywrightBrowser, folder: string) {
    this.pid = process.pid ?? 0;
    this.#process = process;
    this.#driver = driver;
    this.#folder = folder;
  }

  static async open({ args = [], notifications = false }: ChromiumOptions = {}): Promise<Chromium> {
    const folder = await mkdtemp(join(tmpdir(), 'belfry-chromium-'));
    const process = spawn(
      CHROMIUM,
      [
        '--headless=new',
        '--remote-debugging-port=0',
        `--user-data-dir=${folder}`,
        '--no-sandbox',
        '--no-first-run',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-quic',
        '--window-size=1280,800',
        ...args,
        'about:blank',
      ],
      { stdio: 'ignore' },
    );
    const port = await until('Chromium listens', async () => {
      const file = await readFile(join(folder, 'DevToolsActivePort'), 'utf8').catch(() => '');
      return file.includes('\n') && file.split('\n')[0];
    });
    const driver = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { noDefaults: true });
    const browser = new Chromium(process, driver, folder);
    if (notifications) await browser.#context.grantPermissions(['notifications']);
    return browser;
  }

  get #context(): ReturnType<PlaywrightBrowser['contexts']>[number] {
    const [context] = this.#driver.contexts();
    if (!context) throw new Error('Chromium has lost its profile');
    return context;
  }

  async tab(url?: string): Promise<ChromiumTab> {
    const page = await this.#context.newPage();
    const tab = new PlaywrightTab(page, await this.#context.newCDPSession(page));
    if (url) await tab.goto(url);
    return tab;
  }

  /** A way to hand a push to the service worker of an origin, as the browser does when one arrives. */
  async pushes(tab: ChromiumTab, origin: string): Promise<(payload: unknown) => Promise<void>> {
    const { cdp } = tab;
    const registration = new Promise<string>((resolve) => {
      cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
        const [ours] = registrations.filter(({ scopeURL }) => scopeURL.startsWith(origin));
        if (ours) resolve(ours.registrationId);
      });
    });
    await cdp.send('ServiceWorker.enable');
    const registrationId = await registration;
    return async (payload) => {
      await cdp.send('ServiceWorker.deliverPushMessage', { origin, registrationId, data: JSON.stringify(payload) });
    };
  }

  /** The service worker that runs. */
  async worker(): Promise<PlaywrightWorker> {
    return until('a worker runs', () => this.#context.serviceWorkers()[0]);
  }

  /** Ids of all its processes, the main one first. */
  async processes(): Promise<number[]> {
    const pids = [this.pid];
    // A process whose parent is one of ours is ours.
    for (let at = 0; at < pids.length; at++) {
      const children = await readFile(`/proc/${pids[at]}/task/${pids[at]}/children`, 'utf8').catch(() => '');
      pids.push(...children.split(' ').filter(Boolean).map(Number));
    }
    return pids;
  }

  /** Ids of the processes that run pages. */
  async pageProcesses(): Promise<number[]> {
    const session = await this.#driver.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  }

  async close(): Promise<void> {
    await this.#driver.close().catch(() => {});
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Enough processes that every tab has one, as on machines with more memory; no news, no first-run pages. */
const FIREFOX_PREFS = {
  'dom.ipc.processCount.webIsolated': 8,
  'permissions.default.desktop-notification': 1,
  'alerts.useSystemBackend': false,
};

/** As much of the driver's connection as is needed. */
interface Bidi {
  send(
    method: string,
    parameters: object,
  ): Promise<{
    result: {
      contexts?: { context: string; url: string }[];
      result?: { value?: string };
      exceptionDetails?: { text: string };
    };
  }>;
}

/** A Firefox process of its own. */
export class Firefox implements Browser {
  readonly name = 'firefox';
  readonly pid: number;
  readonly #driver: PuppeteerBrowser;

  private constructor(driver: PuppeteerBrowser) {
    this.pid = driver.process()?.pid ?? 0;
    this.#driver = driver;
  }

  static async open({ prefs = {} }: FirefoxOptions = {}): Promise<Firefox> {
    const driver = await puppeteer.launch({
      browser: 'firefox',
      executablePath: FIREFOX,
      headless: true,
      args: ['--remote-allow-system-access', '--width=1280', '--height=800'],
      extraPrefsFirefox: { ...FIREFOX_PREFS, ...prefs },
      defaultViewport: null,
    });
    return new Firefox(driver);
  }

  /** Runs an expression in Firefox's own window, where it may do what Firefox itself may. Its value has to be JSON. */
  async inside<T>(expression: string): Promise<T> {
    // The driver's types leave its connection out.
    const { connection } = this.#driver as unknown as { connection: Bidi };
    const { contexts } = (await connection.send('browsingContext.getTree', { 'moz:scope': 'chrome' })).result;
    const target = { context: contexts?.find(({ url }) => url.endsWith('/browser.xhtml'))?.context };
    const script = { expression: `JSON.stringify(${expression})`, target, awaitPromise: true };
    const { result, exceptionDetails } = (await connection.send('script.evaluate', script)).result;
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return JSON.parse(result?.value ?? 'null') as T;
  }

  /** The process of the tab with this address. */
  async processOf(url: string): Promise<number> {
    const tabs = await this.inside<[string, number][]>(`gBrowser.tabs.map(({ linkedBrowser }) =>
      [linkedBrowser.currentURI.spec, linkedBrowser.browsingContext.currentWindowGlobal?.osPid])`);
    const [, pid] = tabs.find(([spec]) => spec === url) ?? [];
    if (pid === undefined) throw new Error(`no tab shows ${url}`);
    return pid;
  }

  /** What its tabs show. */
  addresses(): Promise<string[]> {
    return this.inside('gBrowser.tabs.map(({ linkedBrowser }) => linkedBrowser.currentURI.spec)');
  }

  /** What the notifications on the screen say. */
  notifications(): Promise<string[]> {
    // The window is there a moment before its texts.
    return this.inside(`[...Services.wm.getEnumerator('alert:alert')]
      .map(({ document }) => ['alertTitleLabel', 'alertTextLabel'].map((id) => document.getElementById(id)))
      .filter(([title]) => title?.getAttribute('value') || title?.textContent)
      .map((labels) => labels.map((label) => label?.getAttribute('value') ?? label?.textContent).join(': '))`);
  }

  /** Clicks a notification, as a person does; `false`: there is none. */
  clickNotification(): Promise<boolean> {
    return this.inside(`[...Services.wm.getEnumerator('alert:alert')].slice(0, 1).map(({ document }) => {
      document.getElementById('alertTextBox').click();
      return true;
    })[0] ?? false`);
  }

  async tab(url?: string): Promise<FirefoxTab> {
    const tab = new PuppeteerTab(await this.#driver.newPage());
    if (url) await tab.goto(url);
    return tab;
  }

  async close(): Promise<void> {
    // A stopped or crashed browser answers no request to close.
    this.#driver.process()?.kill('SIGCONT');
    await this.#driver.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
