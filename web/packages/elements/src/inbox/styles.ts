/** How the inbox looks. */
export const inboxStyles: string = `
:host{display:flex;flex-direction:column;min-block-size:0;background:var(--_surface);color:var(--_text);border:1px solid var(--_line);border-radius:var(--_radius);overflow:hidden;container-type:inline-size}
:host([part=inbox]){flex:1;border:0;border-radius:0}
[part=head]{display:flex;flex-wrap:wrap;align-items:center;gap:6px 8px;min-block-size:48px;padding:8px;padding-inline-start:16px;border-block-end:1px solid var(--_line)}
[aria-disabled=true]{opacity:.45;cursor:default}
[part=heading]{font-size:1em;font-weight:600}
[part=count],[part=subject]{outline:1px solid #0000}
[part=count]{padding:0 7px;border-radius:99px;font-size:.86em;font-weight:600;font-variant-numeric:tabular-nums;color:var(--_accent);background:color-mix(in srgb,var(--_accent) 12%,transparent)}
[part=filters]{display:flex;gap:2px;margin-inline-start:auto;padding:2px;border-radius:8px;background:var(--_sunk)}
[part~=filter]{min-block-size:24px;padding:0 9px;border-radius:6px;font-size:.86em;color:var(--_soft)}
[part~=filter]:hover{color:var(--_text)}
[part~=filter][aria-pressed=true]{background:var(--_raised);color:var(--_text);font-weight:500;box-shadow:0 0 0 1px var(--_line)}
[part=note]{display:flex;align-items:center;gap:8px;padding:6px 16px;font-size:.93em;color:var(--_soft);background:var(--_sunk);border-block-end:1px solid var(--_line)}
[part=note]:empty{display:none}
[part=undo],[part=retry],[part=more]{min-block-size:26px;padding:0 8px;border-radius:6px;font-weight:500;color:var(--_accent)}
[part=undo]:hover,[part=retry]:hover,[part=more]:hover{background:color-mix(in srgb,var(--_accent) 10%,transparent)}
[part=undo]{margin-inline-start:auto}
[part=scroll]{flex:1;min-block-size:0;overflow:auto;overscroll-behavior:contain}
[part=day]{position:sticky;inset-block-start:0;z-index:1;padding:8px 16px 4px;font-size:.79em;font-weight:500;color:var(--_faint);background:var(--_surface)}
ul{padding:0;list-style:none}
[part~=row]{position:relative;display:grid;grid-template-columns:28px minmax(0,1fr) auto;gap:0 12px;padding:10px 16px}
[part~=row]:hover,[part~=row]:focus-within{background:color-mix(in srgb,var(--_sunk) 65%,transparent)}
li+li::before{content:'';position:absolute;inset-block-start:0;inset-inline:56px 0;border-block-start:1px solid color-mix(in srgb,var(--_line) 70%,transparent)}
[part=content]{grid-row:span 2;min-inline-size:0}
[part~=read]>[part=mark]{opacity:.7}
[part=title]{color:var(--_soft)}
[part~=unread] [part=title]{font-weight:600;color:var(--_text)}
[part=body]{color:var(--_faint)}
[part~=unread] [part=body]{color:var(--_soft)}
[part=facts]{display:flex;flex-wrap:wrap;align-items:center;gap:2px 6px;margin-block-start:3px;font-size:.86em;color:var(--_faint)}
[part=subject]{padding:0 7px;border-radius:99px;color:var(--_soft);background:color-mix(in srgb,var(--_text) 7%,transparent)}
[part=when]{display:flex;justify-content:end;align-items:center;gap:8px;block-size:1.7em;font-size:.86em;color:var(--_faint);font-variant-numeric:tabular-nums;white-space:nowrap}
[part=when]::after{content:'';inline-size:7px;block-size:7px;border-radius:50%}
[part~=unread] [part=when]::after{background:var(--_accent)}
[part=tools]{position:absolute;inset-block-start:6px;inset-inline-end:10px;display:flex;gap:2px;padding:1px;border-radius:8px;background:var(--_raised);box-shadow:0 0 0 1px var(--_line);opacity:0}
[part~=row]:hover [part=tools],[part~=row]:focus-within [part=tools]{opacity:1}
@media (hover:none){[part=tools]{position:relative;inset:auto;grid-column:3;align-self:start;opacity:1;background:none;box-shadow:none;margin-inline-end:-4px}}
[part=more]{display:block;margin:6px auto 10px;color:var(--_soft)}
[part=empty],[part=error]{display:grid;justify-items:center;gap:4px;padding:56px 24px;text-align:center;color:var(--_faint)}
:is([part=empty],[part=error]) .icon{inline-size:36px;block-size:36px;stroke-width:.9;margin-block-end:8px}
:is([part=empty],[part=error]) b{font-weight:500;color:var(--_text)}
[part=loading]{padding:6px 0}
[part=skeleton]{display:grid;grid-template-columns:28px 1fr;gap:7px 12px;padding:12px 16px}
[part=skeleton] i{block-size:9px;border-radius:5px;background:var(--_sunk);animation:breathe 1.6s ease-in-out infinite alternate}
[part=skeleton] i:first-child{grid-row:span 2;block-size:28px;border-radius:8px}
[part=skeleton] i:last-child{inline-size:55%}
@keyframes breathe{to{opacity:.45}}
@media (forced-colors:active){[part~=filter][aria-pressed=true]{outline:1px solid Highlight}[part~=unread] [part=when]::after{forced-color-adjust:none;background:Highlight}}`;
