"""Looks of the report: one style sheet, light and dark by the reader's setting, from phone to desktop."""

from __future__ import annotations

_LIGHT = {
    "page": "#f5f6f8",
    "card": "#ffffff",
    "ink": "#1f2933",
    "soft": "#5b6773",
    "line": "#d8dee4",
    "bar": "#0b63c4",
    "bar-soft": "#c6dcf5",
    "second": "#b4551d",
    "serious": "#b3261e",
    "check": "#8a5a00",
    "note": "#47607a",
}
_DARK = {
    "page": "#12161b",
    "card": "#1b2128",
    "ink": "#e6edf3",
    "soft": "#9aa7b4",
    "line": "#343d47",
    "bar": "#6cb2ff",
    "bar-soft": "#294968",
    "second": "#ffab70",
    "serious": "#ff8a80",
    "check": "#f0c060",
    "note": "#9fb6cf",
}

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 20px 64px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:40px 0 12px}
h3{font-size:1rem;margin:0;overflow-wrap:anywhere}
p{margin:0 0 8px}
a{color:var(--bar);text-decoration:none}
a:hover,a:focus{text-decoration:underline}
.soft{color:var(--soft)}
.small{font-size:.85rem}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin:14px 0 0;font-size:.9rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:20px 0 0}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:1.45rem;line-height:1.25;font-weight:650}
.tile span{color:var(--soft);font-size:.85rem}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,470px),1fr));gap:14px}
.card{min-width:0}
.finding{border-left:4px solid var(--note);margin-bottom:12px}
.finding.serious{border-left-color:var(--serious)}
.finding.check{border-left-color:var(--check)}
.badge{font-size:.75rem;font-weight:650;white-space:nowrap}
.serious .badge{color:var(--serious)}.check .badge{color:var(--check)}.note .badge{color:var(--note)}
.head{display:flex;justify-content:space-between;align-items:baseline;gap:12px;margin-bottom:6px}
.finding ul{margin:0 0 8px;padding-left:18px}
.finding li{overflow-wrap:anywhere}
.advice{margin:0}
.kind{font-size:.75rem;color:var(--soft);border:1px solid var(--line);border-radius:999px;padding:1px 9px;
white-space:nowrap}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(86px,1fr));gap:6px 12px;margin:10px 0 0;
font-size:.85rem}
dt{color:var(--soft)}
dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.bars{display:grid;grid-template-columns:minmax(60px,max-content) 1fr max-content;gap:5px 10px;
align-items:center;font-size:.85rem;margin:8px 0}
.bars>span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;max-width:min(40vw,330px)}
.bars>i{display:block;height:12px;border-radius:3px;background:var(--bar-soft);position:relative;overflow:hidden}
.bars>i>b{position:absolute;inset:0 auto 0 0;background:var(--bar);border-radius:3px}
.bars>em{font-style:normal;color:var(--soft);font-variant-numeric:tabular-nums;text-align:right}
svg{display:block;width:100%;height:auto;margin:6px 0 0}
svg text{fill:var(--soft);font:12px system-ui,-apple-system,"Segoe UI",sans-serif}
.path-plot{max-width:680px}
svg .bar{fill:var(--bar)}
svg .axis{stroke:var(--line)}
svg .path{fill:none;stroke:var(--bar);stroke-width:2}
svg .dot{fill:var(--bar)}
svg .mean{stroke:var(--soft);stroke-dasharray:4 4}
svg .plus{fill:var(--bar)}svg .minus{fill:var(--second)}svg .none{fill:var(--line)}
svg .cell{fill:var(--ink)}svg .strong{fill:var(--page)}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
.scroll svg{min-width:var(--least,0)}
table{border-collapse:collapse;font-size:.9rem;width:100%}
th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
td:last-child,th:last-child{white-space:nowrap;text-align:right;padding-right:0;font-variant-numeric:tabular-nums}
.wide{margin-bottom:14px}
footer{margin-top:40px;color:var(--soft);font-size:.85rem}
footer ul{padding-left:18px;margin:6px 0}
@media (max-width:520px){main{padding:18px 14px 48px}h1{font-size:1.4rem}.tile,.card{padding:12px}
.tiles{grid-template-columns:1fr 1fr}
svg text{font-size:15px}.scroll svg text{font-size:12px}
.wide>.bars{grid-template-columns:1fr max-content}
.wide>.bars>span{grid-column:1/-1;max-width:none;white-space:normal;margin-top:4px}}
@media print{body{background:none}.card,.tile{break-inside:avoid}}
"""


def style_sheet() -> str:
    """The rules with both sets of colours."""
    return f":root{{color-scheme:light dark;{_colours(_LIGHT)}}}" + (
        f"@media (prefers-color-scheme:dark){{:root{{{_colours(_DARK)}}}}}{_RULES}"
    )


def _colours(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
