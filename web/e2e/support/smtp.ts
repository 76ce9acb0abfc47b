/** A relay that takes every mail and keeps it. It speaks as much of SMTP as a sender on the same machine needs. */

import { createServer, type Server, type Socket } from 'node:net';
import { listen } from './ports.js';

/** A mail as it was handed over. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Its headers, unfolded and decoded, by lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** Its parts, decoded, as one text. */
  readonly text: string;
}

/** The relay. */
export class Relay implements AsyncDisposable {
  readonly port: number;
  readonly mails: Mail[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server, await listen(server));
    server.on('connection', (socket) => relay.#serve(socket));
    return relay;
  }

  /** The mails to one address. */
  to(address: string): Mail[] {
    return this.mails.filter(({ to }) => to.includes(address));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    const talk = new Talk((mail) => this.mails.push(mail));
    let rest = '';
    // One byte is one character: what they mean is the mail's own affair.
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      const lines = (rest + chunk).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const answer = talk.hear(line);
        if (answer) socket.write(`${answer}\r\n`);
        if (answer?.startsWith('221')) socket.end();
      }
    });
    socket.write('220 relay.example ESMTP\r\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** One conversation: lines in, answers out. */
class Talk {
  readonly #take: (mail: Mail) => void;
  #from = '';
  #to: string[] = [];
  /** The lines of a mail that is under way. */
  #data: string[] | null = null;

  constructor(take: (mail: Mail) => void) {
    this.#take = take;
  }

  hear(line: string): string | null {
    if (this.#data) return this.#read(line, this.#data);
    const [, verb = '', address = ''] = /^(\w+)[^<]*<?([^>]*)/.exec(line) ?? [];
    switch (verb.toUpperCase()) {
      case 'EHLO':
        return '250-relay.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES';
      case 'MAIL':
        this.#from = address;
        this.#to = [];
        return '250 2.1.0 Ok';
      case 'RCPT':
        this.#to.push(address);
        return '250 2.1.5 Ok';
      case 'DATA':
        this.#data = [];
        return '354 Go on';
      case 'RSET':
      case 'NOOP':
        return '250 2.0.0 Ok';
      case 'QUIT':
        return '221 2.0.0 Bye';
      default:
        return '500 5.5.2 What?';
    }
  }

  #read(line: string, data: string[]): string | null {
    if (line !== '.') {
      data.push(line.replace(/^\./, ''));
      return null;
    }
    this.#data = null;
    this.#take({ from: this.#from, to: this.#to, ...read(data.join('\r\n')) });
    return '250 2.0.0 Taken';
  }
}

function read(raw: string): Pick<Mail, 'headers' | 'text'> {
  const { headers, body } = split(raw);
  const boundary = /boundary="?([^";]+)/.exec(headers.get('content-type') ?? '')?.[1];
  if (!boundary) return { headers, text: decoded(body, headers.get('content-transfer-encoding')) };
  const parts = body.split(`--${boundary}`).slice(1, -1);
  return { headers, text: parts.map((part) => read(part.replace(/^\r\n/, '')).text).join('\n') };
}

function split(raw: string): { headers: Map<string, string>; body: string } {
  const end = raw.indexOf('\r\n\r\n');
  const lines = raw
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const named = lines.map((line): [string, string] => {
    const at = line.indexOf(':');
    return [line.slice(0, at).toLowerCase(), words(line.slice(at + 1).trim())];
  });
  return { headers: new Map(named), body: raw.slice(end + 4) };
}

/** A body in the form in which it travelled. */
function decoded(body: string, encoding = '8bit'): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString();
  const bytes = encoding === 'quoted-printable' ? quoted(body.replace(/=\r\n/g, '')) : body;
  return Buffer.from(bytes, 'latin1').toString();
}

/** Encoded words (RFC 2047) in a header. */
function words(text: string): string {
  return text
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?(b|q)\?([^?]*)\?=/gi, (_, how: string, word: string) =>
      how.toLowerCase() === 'b'
        ? Buffer.from(word, 'base64').toString()
        : Buffer.from(quoted(word.replaceAll('_', ' ')), 'latin1').toString(),
    );
}

function quoted(text: string): string {
  return text.replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
