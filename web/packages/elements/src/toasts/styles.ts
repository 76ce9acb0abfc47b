/** How toasts look. */
export const toastStyles: string = `
:host{position:absolute;--_lines:3}
:popover-open{all:unset;--_gap:var(--belfry-inset,16px);position:fixed;z-index:var(--belfry-z,2147483000);inset-block-end:max(var(--_gap),env(safe-area-inset-bottom));inset-inline-end:max(var(--_gap),env(safe-area-inset-right));display:flex;flex-direction:column;gap:8px;inline-size:min(380px,100% - 2*var(--_gap));color:var(--_text)}
[data-placement^=top]{--_from:-12px;inset-block:max(var(--_gap),env(safe-area-inset-top)) auto}
[data-placement$=start]{inset-inline:max(var(--_gap),env(safe-area-inset-left)) auto}
[data-placement=top],[data-placement=bottom]{inset-inline:0;margin-inline:auto}
[part~=toast]{position:relative;display:grid;grid-template-columns:28px minmax(0,1fr) 28px;gap:0 12px;padding:12px;border:1px solid var(--_line);border-radius:calc(var(--_radius) + 2px);background:var(--_raised);box-shadow:var(--_shadow);animation:rise .22s cubic-bezier(.2,.8,.2,1)}
[part~=critical]{border-color:color-mix(in srgb,var(--_tone) 45%,transparent)}
[part=content]{align-self:center}
[part=title]{font-weight:600}
[part=body]{color:var(--_soft);white-space:pre-line}
[part=close]{position:relative}
@keyframes rise{from{translate:0 var(--_from,12px);opacity:0}}`;
