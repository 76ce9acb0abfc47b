/** Icons: lines in a box of 16, drawn in the text's colour. */

import { set } from './dom.js';

/** By severity: the shape tells them apart as much as the colour. */
export const marks: { readonly info: string; readonly warning: string; readonly critical: string } = {
  info: 'M8 1.8a6.2 6.2 0 1 0 .1 0ZM8 7.4v3.4M8 5.1v.1',
  warning: 'M8 2.2 14.2 13H1.8ZM8 6.4v3M8 11.1v.1',
  critical: 'M5.5 1.8h5l3.7 3.7v5l-3.7 3.7h-5l-3.7-3.7v-5ZM8 4.8v3.8M8 11v.1',
};

export const bell =
  'M8 2a3.7 3.7 0 0 0-3.7 3.7c0 3-1 4-1.6 4.6-.3.2-.1.7.2.7h10.2c.3 0 .5-.5.2-.7-.6-.6-1.6-1.6-1.6-4.6A3.7 3.7 0 0 0 8 2ZM6.6 13.2a1.5 1.5 0 0 0 2.8 0';
export const moon = 'M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7Z';
export const close = 'm4.2 4.2 7.6 7.6M11.8 4.2l-7.6 7.6';

/** An icon; what it means is said beside it. */
export function icon(lines: string): SVGSVGElement {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  const path = document.createElementNS(space, 'path');
  set(path, { d: lines });
  set(svg, { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' });
  svg.append(path);
  return svg;
}
