/** How toasts look. */
export const toastStyles: string = `
:host{position:absolute;--_lines:3}
:popover-open{--_gap:var(--belfry-inset,16px);inset-block:auto max(var(--_gap),env(safe-area-inset-bottom));inset-inline:auto max(var(--_gap),env(safe-area-inset-right));display:flex;flex-direction:column;gap:8px;inline-size:min(380px,100% - 2*var(--_gap));border:0;background:none;color:var(--_text);overflow:visible}
[part~=toast]{position:relative;display:grid;grid-template-columns:28px minmax(0,1fr) 28px;gap:0 12px;padding:12px;border:1px solid var(--_line);border-radius:calc(var(--_radius) + 2px);background:var(--_raised);box-shadow:var(--_shadow);animation:rise .22s ease-out}
[part~=critical]{border-color:color-mix(in srgb,var(--_tone) 45%,transparent)}
[part=content]{align-self:center}
[part=title]{font-weight:600}
[part=body]{color:var(--_soft);white-space:pre-line}
@keyframes rise{from{translate:0 var(--_from,12px);opacity:0}}`;
