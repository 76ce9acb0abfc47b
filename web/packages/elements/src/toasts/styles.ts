/** How toasts look. */
export const toastStyles: string = `
:host{position:absolute;--_lines:3;--_offset:2px}
[part=region]{position:fixed;inset:auto;z-index:var(--belfry-z,2147483000);display:flex;flex-direction:column;gap:8px;inline-size:min(380px,100vw - 2*var(--_gap));max-block-size:calc(100dvh - 2*var(--_gap));margin:0;padding:0;border:0;background:none;overflow:visible;color:var(--_text);inset-block-end:max(var(--_gap),env(safe-area-inset-bottom));inset-inline-end:max(var(--_gap),env(safe-area-inset-right));--_gap:var(--belfry-inset,16px)}
[part=region]:not(:popover-open)[popover]{display:none}
[data-placement^=top]{--_from:-12px;inset-block:max(var(--_gap),env(safe-area-inset-top)) auto}
[data-placement$=start]{inset-inline:max(var(--_gap),env(safe-area-inset-left)) auto}
[data-placement=top],[data-placement=bottom]{inset-inline:0;margin-inline:auto}
[part~=toast]{position:relative;display:grid;grid-template-columns:28px minmax(0,1fr) 28px;gap:0 12px;padding:12px;border:1px solid var(--_line);border-radius:calc(var(--_radius) + 2px);background:var(--_raised);box-shadow:var(--_shadow);animation:rise .22s cubic-bezier(.2,.8,.2,1)}
[part~=toast][data-severity=critical]{border-color:color-mix(in srgb,var(--_critical) 45%,var(--_line))}
[part=content]{align-self:center;min-inline-size:0}
[part=title]{font-weight:600}
[part=title]:focus-visible::after{border-radius:inherit}
[part=body]{color:var(--_soft);white-space:pre-line}
[part=close]{position:relative}
@keyframes rise{from{translate:0 var(--_from,12px);opacity:0}}
@media (forced-colors:active){[part~=toast]{border:1px solid CanvasText}}`;
