/** Line icons, drawn for this example. */

import type { JSX } from 'solid-js';

const paths = {
  DarkWatch:
    'M2.5 12s3.5-6.5 9.5-6.500S21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 9.200a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.600Z',
  VoicePrint: 'M4 10v4M8 6.500v11M12 3.500v17M16 7.500v9M20 10v4',
  SpamShield:
    'M6.5 4h3l1.5 4-2 1.500a11 11 0 0 0 5.5 5.500l1.5-2 4 1.500v3a2 2 0 0 1-2 2A15.5 15.5 0 0 1 4.5 6a2 2 0 0 1 2-2ZM15 4l5 5M20 4l-5 5',
  HomeTitle: 'M3.5 11 12 4l8.5 7M6 9.500V20h12V9.500M10 20v-5.500h4V20',
  RemoveBrokers: 'M4 6h10M4 11h7M4 16h6M14 14l6 6M20 14l-6 6',
  shield: 'M12 2.5 4.5 5.700v5.800c0 4.8 3.2 8.2 7.5 10 4.3-1.8 7.5-5.2 7.5-10V5.700L12 2.500ZM8.5 12l2.5 2.5 4.5-5',
  archive: 'M4 5h16v4H4zM5.5 9v10h13V9M10 13h4',
  close: 'M6 6l12 12M18 6 6 18',
  arrow: 'M5 12h14M13 6l6 6-6 6',
  moon: 'M20 13.5A8 8 0 1 1 10.5 4a6.5 6.5 0 0 0 9.5 9.500Z',
  sound: 'M4 10v4h3l5 4V6l-5 4H4ZM15.5 9a4 4 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11',
  silent: 'M4 10v4h3l5 4V6l-5 4H4ZM16 10l4.5 4.500M20.5 10 16 14.5',
  back: 'M19 12H5M11 6l-6 6 6 6',
} as const;

export type IconName = keyof typeof paths;

export function Icon(props: { name: IconName; label?: string }): JSX.Element {
  return (
    <svg
      class="icon"
      viewBox="0 0 24 24"
      role={props.label ? 'img' : undefined}
      aria-label={props.label}
      aria-hidden={props.label ? undefined : 'true'}
    >
      <path d={paths[props.name]} />
    </svg>
  );
}
