/** Tokens of what is not raised above the page. */
export const surfaces: string = `
:host{
--_surface:var(--belfry-surface,light-dark(#fff,#17181b));
--_sunk:var(--belfry-sunk,color-mix(in srgb,var(--_text) 5%,transparent))}`;
