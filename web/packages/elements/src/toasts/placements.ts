/** Where else they stand. */
export const placementStyles: string = `
[data-placement^=top]{--_from:-12px;inset-block:max(var(--_gap),env(safe-area-inset-top)) auto}
[data-placement$=start]{inset-inline:max(var(--_gap),env(safe-area-inset-left)) auto}
[data-placement=top],[data-placement=bottom]{inset-inline:0;margin-inline:auto}`;
