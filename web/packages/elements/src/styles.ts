/** How the elements look where they look alike, and how a sheet gets into a shadow root. */

/**
 * Tokens, from what a page sets to what it left open. `light-dark()` follows the inherited `color-scheme`, so a page's own
 * switch works as well as the system's.
 */
export const base: string = `
:host{
--_accent:var(--belfry-accent,light-dark(#5560cc,#98a1f5));
--_surface:var(--belfry-surface,light-dark(#fff,#17181b));
--_raised:var(--belfry-raised,light-dark(#fff,#212227));
--_sunk:var(--belfry-sunk,light-dark(#f4f4f6,#222328));
--_line:var(--belfry-line,light-dark(#e7e7ea,#2b2c31));
--_text:var(--belfry-text,light-dark(#1b1c20,#ededf0));
--_soft:var(--belfry-soft,light-dark(#5a5b64,#a9aab4));
--_faint:var(--belfry-faint,light-dark(#6c6d76,#92939d));
--_warning:var(--belfry-warning,light-dark(#9a5b00,#e5ad55));
--_critical:var(--belfry-critical,light-dark(#c5303b,#f4848b));
--_radius:var(--belfry-radius,10px);
--_shadow:var(--belfry-shadow,0 1px 2px light-dark(#14141e0f,#0006),0 12px 32px light-dark(#14141e24,#0009));
font-family:var(--belfry-font,inherit);font-size:var(--belfry-size,14px);line-height:1.45;letter-spacing:normal;text-transform:none;text-align:start;white-space:normal;font-weight:400}
:host([hidden]),[hidden]{display:none!important}
*{box-sizing:border-box;margin:0}
button{font:inherit;color:inherit;background:none;border:0;padding:0;text-align:inherit;cursor:pointer}
[aria-disabled=true]{opacity:.45;cursor:default}
a{color:inherit;text-decoration:none}
:focus-visible{outline:2px solid var(--_accent);outline-offset:2px;border-radius:6px}
.icon{display:block;flex:none;inline-size:16px;block-size:16px;fill:none;stroke:currentColor;stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}
.sr{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
[data-severity]{--_tone:var(--_accent)}
[data-severity=warning]{--_tone:var(--_warning)}
[data-severity=critical]{--_tone:var(--_critical)}
.tool{display:grid;place-items:center;inline-size:28px;block-size:28px;border-radius:7px;color:var(--_faint)}
.tool:hover{background:color-mix(in srgb,currentColor 12%,transparent);color:var(--_text)}
@media (prefers-reduced-motion:reduce){*,::before,::after{animation:none!important;transition:none!important}}`;

/** An alert's mark, words and buttons: alike in toast and inbox. */
export const alertStyles: string = `
[part=mark]{display:grid;place-items:center;inline-size:28px;block-size:28px;border-radius:8px;color:var(--_tone);background:color-mix(in srgb,var(--_tone) 12%,transparent)}
[part=mark] img{inline-size:100%;block-size:100%;object-fit:cover;border-radius:inherit}
[part=title],[part=body]{overflow-wrap:anywhere;text-align:-webkit-match-parent;text-align:match-parent}
[part=title]{display:block}
[part=title]::after{content:'';position:absolute;inset:0;border-radius:inherit}
[part=title]:focus-visible{outline:0}
[part=title]:focus-visible::after{outline:2px solid var(--_accent);outline-offset:var(--_offset,-2px);border-radius:6px}
[part=body]{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:var(--_lines,2);overflow:hidden;font-size:.93em}
[part=actions]{position:relative;display:flex;flex-wrap:wrap;gap:6px;margin-block-start:8px}
.action{display:inline-grid;place-items:center;min-block-size:28px;padding:0 10px;border-radius:7px;font-size:.93em;font-weight:500;box-shadow:inset 0 0 0 1px var(--_line);background:var(--_surface);color:var(--_text)}
.action:hover{background:var(--_sunk)}
@media (forced-colors:active){[part=mark],.action{border:1px solid}}`;

/** One sheet for all elements that share its text. */
const sheets = new Map<string, CSSStyleSheet>();

/**
 * Styles a shadow root. Constructed sheets need nothing of a content security policy; where they are missing a `<style>`
 * takes the page's nonce. Answers the nodes that have to stay in the root.
 */
export function adopt(root: ShadowRoot, texts: readonly string[]): readonly HTMLElement[] {
  try {
    root.adoptedStyleSheets = texts.map((text) => {
      const known = sheets.get(text) ?? new CSSStyleSheet();
      if (!sheets.has(text)) known.replaceSync(text);
      sheets.set(text, known);
      return known;
    });
    return [];
  } catch {
    const style = document.createElement('style');
    const { nonce } = document.querySelector<HTMLElement>('script[nonce],style[nonce],meta[nonce]') ?? {};
    if (nonce) style.nonce = nonce;
    style.textContent = texts.join('');
    root.append(style);
    return [style];
  }
}
