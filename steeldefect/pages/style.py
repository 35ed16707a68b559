"""The style sheet of all pages: light or dark as the reader's screen asks, paper in print.

Colours are variables, which charts use too (`steeldefect.pages.figures`). Text has a contrast of at
least 4.5 to its ground in both (WCAG 2.2, AA).
"""

_LIGHT = """color-scheme: light; --ink: #1f2933; --soft: #55616b; --line: #dde3e8; --axis: #8b959e;
  --paper: #fff; --ground: #f4f6f8; --bad: #a3392e; --good: #2a7150; --link: #0b5cad;
  --note: #fdf8e7; --note-edge: #c9a227; --fine: #eef7f2; --edge: #1f2933;"""
_DARK = """color-scheme: dark; --ink: #e6eaee; --soft: #a9b4be; --line: #39424b; --axis: #7c8791;
  --paper: #1b2127; --ground: #12161a; --bad: #ff9c8f; --good: #7fd3a8; --link: #8cc2ff;
  --note: #332c12; --note-edge: #c9a227; --fine: #16302a; --edge: #f2f4f6;"""

STYLE = (
    f"""
:root {{ {_LIGHT} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
"""
    + """
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 32px; }
h1 { font-size: 28px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 0 0 8px; }
h3 { font-size: 15px; margin: 24px 0 8px; display: flex; align-items: center; gap: 8px; }
p { margin: 0 0 12px; max-width: 78ch; }
ul { margin: 0 0 12px; padding-left: 20px; max-width: 110ch; }
li { margin: 0 0 4px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 20px; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
  padding: 22px 26px; margin: 0 0 20px; }
.soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin: 0 0 20px; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
  padding: 14px 16px; }
.card b { display: block; font-size: 26px; line-height: 1.15; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: 13px; line-height: 1.35; display: block; }
.card.bad b { color: var(--bad); }
.card.good b { color: var(--good); }
.pair { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr));
  gap: 12px 32px; align-items: start; }
.trio { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr));
  gap: 12px 28px; align-items: start; }
.quad { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(230px, 100%), 1fr));
  gap: 12px 22px; align-items: start; }
figure { margin: 0 0 8px; min-width: 0; }
figure svg { width: 100%; height: auto; display: block; }
figure svg text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif
  !important; }
figcaption { color: var(--soft); font-size: 13px; margin: 2px 0 0; overflow-wrap: anywhere; }
figcaption b { color: var(--ink); font-weight: 600; }
.scroll { overflow-x: auto; margin: 0 0 12px; }
table { border-collapse: collapse; width: 100%; font-size: 14px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: 13px; white-space: nowrap; }
th.number, td.number { text-align: right; white-space: nowrap; }
td.keep { white-space: nowrap; }
td.name { white-space: nowrap; font-weight: 600; }
td.wrap { overflow-wrap: anywhere; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; flex: none;
  margin-right: 7px; vertical-align: -1px; border: 1px solid var(--axis); }
h3 .swatch { margin: 0; }
.mark { color: var(--bad); font-weight: 600; white-space: nowrap; }
.note { border-left: 3px solid var(--note-edge); background: var(--note); padding: 8px 14px;
  margin: 0 0 12px; max-width: none; }
.fine { border-left-color: var(--good); background: var(--fine); }
.samples { display: grid; gap: 14px 20px; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(250px, 100%), 1fr)); }
.samples.wide { grid-template-columns: repeat(auto-fill, minmax(min(480px, 100%), 1fr)); }
.heat { display: grid; gap: 10px 24px;
  grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); }
.heat.wide { grid-template-columns: repeat(auto-fill, minmax(min(480px, 100%), 1fr)); }
.samples img { width: 100%; height: auto; display: block; border: 1px solid var(--line); }
.sets { display: flex; flex-wrap: wrap; gap: 0 40px; }
.set { display: flex; flex-wrap: wrap; gap: 10px; }
.set figure { width: 170px; }
.set figcaption { font-size: 12px; }
.set figcaption b { display: block; }
.set.wide figure { width: 340px; }
.set img { width: 100%; height: 120px; object-fit: contain; object-position: left top;
  display: block; }
.set.wide img { height: auto; }
footer { color: var(--soft); font-size: 13px; padding-bottom: 40px; }
@media print { body { background: #fff; } nav { display: none; } figure { break-inside: avoid; } }
"""
)
