/** How the elements look where they look alike, and how a sheet gets into a shadow root. */

import { h } from './dom.js';

/**
 * Tokens, from what a page sets to what it left open. `light-dark()` follows the inherited `color-scheme`, so a page's own
 * switch works as well as the system's. What is softer than the text is the text, thinned.
 */
export const base: string = `
:host{
--_accent:var(--belfry-accent,light-dark(#5560cc,#98a1f5));
--_critical:var(--belfry-critical,light-dark(#c5303b,#f4848b));
--_warning:var(--belfry-warning,light-dark(#9a5b00,#e5ad55));
--_text:var(--belfry-text,light-dark(#1b1c20,#ededf0));
--_raised:var(--belfry-raised,light-dark(#fff,#212227));
--_soft:var(--belfry-soft,color-mix(in srgb,var(--_text) 70%,transparent));
--_faint:var(--belfry-faint,color-mix(in srgb,var(--_text) 65%,transparent));
--_line:var(--belfry-line,color-mix(in srgb,var(--_text) 10%,transparent));
--_radius:var(--belfry-radius,10px);
--_shadow:var(--belfry-shadow,0 1px 2px #0001,0 12px 32px light-dark(#0002,#0009));
font-family:var(--belfry-font,inherit);font-size:var(--belfry-size,14px);font-weight:400;line-height:1.45;letter-spacing:normal;text-transform:none;text-align:start;white-space:normal}
:host([hidden]),[hidden]{display:none!important}
*{box-sizing:border-box;margin:0;padding:0}
button{font:inherit;color:inherit;background:none;border:0;text-align:inherit;cursor:pointer}
a{color:inherit;text-decoration:none}
:focus-visible{outline:2px solid var(--_accent);outline-offset:2px;border-radius:6px}
.icon{display:block;flex:none;inline-size:16px;block-size:16px;fill:none;stroke:currentColor;stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}
.sr{position:absolute;inline-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
[data-severity]{--_tone:var(--_accent)}
[data-severity=warning]{--_tone:var(--_warning)}
[data-severity=critical]{--_tone:var(--_critical)}
.tool{position:relative;display:grid;place-items:center;inline-size:28px;block-size:28px;border-radius:7px;color:var(--_faint)}
.tool:hover{background:var(--_line);color:var(--_text)}
@media (prefers-reduced-motion:reduce){*,::after{animation:none!important;transition:none!important}}`;

/** An alert's mark, words and buttons: alike in toast and inbox. Chromium knows `match-parent` by its old name only. */
export const alertStyles: string = `
[part=mark]{display:grid;place-items:center;inline-size:28px;block-size:28px;border-radius:8px;color:var(--_tone);background:color-mix(in srgb,var(--_tone) 12%,transparent)}
[part=mark] img{inline-size:100%;block-size:100%;object-fit:cover;border-radius:inherit}
[part=title],[part=body]{overflow-wrap:anywhere;text-align:-webkit-match-parent;text-align:match-parent}
[part=title]{display:block}
[part=title]::after{content:'';position:absolute;inset:0;border-radius:inherit}
[part=body]{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:var(--_lines,2);overflow:hidden;font-size:.93em}`;

/** One sheet for all elements that share its text. */
const sheets = new Map<string, CSSStyleSheet>();

function sheet(text: string): CSSStyleSheet {
  const known = sheets.get(text) ?? new CSSStyleSheet();
  if (!sheets.has(text)) known.replaceSync(text);
  sheets.set(text, known);
  return known;
}

/**
 * Adds to the styles of a shadow root, each once. Constructed sheets need nothing of a content security policy; where they are missing
 * a `<style>` takes the page's nonce.
 */
export function adopt(root: ShadowRoot, ...texts: readonly string[]): void {
  try {
    root.adoptedStyleSheets = [...new Set([...root.adoptedStyleSheets, ...texts.map(sheet)])];
  } catch {
    const { nonce = '' } = document.querySelector<HTMLElement>('[nonce]') ?? {};
    for (const text of texts)
      if (!root.textContent?.includes(text)) root.append(Object.assign(h('style', {}, text), { nonce }));
  }
}
