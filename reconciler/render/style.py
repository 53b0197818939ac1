"""How the HTML of a plan looks: light and dark, on a phone, on paper. Text has a contrast of 4.5 or more."""

from __future__ import annotations

from typing import Final

LIGHT: Final = """
--page: #f7f7f5; --card: #ffffff; --ink: #1b1d21; --quiet: #565d67; --line: #dedfe2; --soft: #f1f1ef;
--create: #0f5c28; --create-soft: #e3f3e7; --update: #714600; --update-soft: #fdf0cf;
--replace: #6427a0; --replace-soft: #f1e7fb; --delete: #9d1420; --delete-soft: #fce6e6;
--adopt: #0a5365; --adopt-soft: #dff2f6; --t0: #2f6fed; --t1: #1a8a4c; --t2: #b86e00; --t3: #8a3fd1; --t4: #767d88;
"""
DARK: Final = """
--page: #131518; --card: #1b1e22; --ink: #e8eaed; --quiet: #a6aeb9; --line: #32373e; --soft: #23272c;
--create: #86e3a5; --create-soft: #12301d; --update: #f3c75f; --update-soft: #35290b;
--replace: #d8b6ff; --replace-soft: #2c1e3f; --delete: #ff9f9f; --delete-soft: #3e171a;
--adopt: #83deef; --adopt-soft: #0e2f37; --t0: #5b93ff; --t1: #4cc27f; --t2: #e5a13a; --t3: #b887f0; --t4: #8b939e;
"""
CSS: Final = (
    ":root {color-scheme: light dark;" + LIGHT + "}"
    "@media (prefers-color-scheme: dark) {:root {" + DARK + "}}"
    """
* {box-sizing: border-box}
body {margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", sans-serif; overflow-wrap: anywhere; -webkit-text-size-adjust: 100%}
main {max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem}
code, .value, .path {font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace}
h1 {font-size: 1.75rem; line-height: 1.2; margin: 0 0 1.25rem; letter-spacing: -.01em}
h1 small {display: block; font-size: .8125rem; font-weight: 600; letter-spacing: .06em; text-transform: uppercase;
  color: var(--quiet); margin-bottom: .35rem}
h2 {font-size: 1.125rem; margin: 2.25rem 0 .75rem; display: flex; gap: .5rem; align-items: baseline}
h2 span {color: var(--quiet); font-weight: 400}
p {margin: .35rem 0} a {color: inherit}
.quiet, .note {color: var(--quiet)}
.note {font-size: .9375rem; margin: -.35rem 0 .75rem}
.verdict {border-left: .3rem solid var(--update); background: var(--card); border-radius: .4rem; padding: 1rem 1.25rem;
  box-shadow: 0 0 0 1px var(--line); font-size: 1.0625rem}
.verdict.refused {border-color: var(--delete)} .verdict.nothing {border-color: var(--create)}
.verdict strong {font-size: 1.25rem; display: block; line-height: 1.35}
.counts {display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; padding: 0; margin: .75rem 0 0}
.counts li, .badge {border-radius: 1rem; padding: .1rem .65rem; font-size: .875rem; white-space: nowrap;
  background: var(--soft); color: var(--ink)}
.create {background: var(--create-soft) !important; color: var(--create) !important}
.update {background: var(--update-soft) !important; color: var(--update) !important}
.replace {background: var(--replace-soft) !important; color: var(--replace) !important}
.delete {background: var(--delete-soft) !important; color: var(--delete) !important}
.adopt {background: var(--adopt-soft) !important; color: var(--adopt) !important}
dl.facts {display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem;
  margin: 1rem 0 0; font-size: .9375rem}
dl.facts dt {color: var(--quiet)} dl.facts dd {margin: 0}
article, details.action {background: var(--card); border-radius: .4rem; box-shadow: 0 0 0 1px var(--line);
  margin: .5rem 0; padding: .75rem 1rem}
article.refusal {border-left: .3rem solid var(--delete)}
article.refusal h3 {margin: 0 0 .25rem; font-size: 1rem; font-weight: 600}
.fix {background: var(--soft); border-radius: .3rem; padding: .5rem .75rem; margin: .6rem 0 0}
.fix b {margin-right: .25rem}
details.action {padding: 0}
summary {cursor: pointer; padding: .65rem 1rem; display: flex; flex-wrap: wrap; gap: .15rem .6rem;
  align-items: baseline}
summary::before {content: "▸"; color: var(--quiet); width: .8rem; flex: none}
details[open] > summary::before {content: "▾"}
summary::-webkit-details-marker {display: none}
summary:focus-visible, a:focus-visible {outline: 2px solid var(--t0); outline-offset: 2px; border-radius: .3rem}
summary code {font-weight: 600}
summary .reason {color: var(--quiet); flex: 1 1 12rem}
summary .step {color: var(--quiet); font-size: .8125rem; white-space: nowrap}
.inside {padding: 0 1rem .9rem}
table {border-collapse: collapse; width: 100%; font-size: .9375rem; table-layout: fixed}
th {text-align: left; font-weight: 600; color: var(--quiet); font-size: .8125rem; padding: .25rem .75rem .25rem 0}
td {vertical-align: top; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line)}
td:last-child, th:last-child {padding-right: 0}
th:first-child {width: 38%} th:last-child {width: 10rem}
tr.default td {color: var(--quiet)}
del, ins {text-decoration: none; border-radius: .2rem; padding: .05rem .3rem; -webkit-box-decoration-break: clone;
  box-decoration-break: clone; white-space: pre-wrap}
del {background: var(--delete-soft); color: var(--delete)} ins {background: var(--create-soft); color: var(--create)}
del::before {content: "- "} ins::before {content: "+ "}
.why {color: var(--quiet); font-size: .875rem}
figure {margin: .25rem 0 .9rem} figcaption {font-size: .875rem; color: var(--quiet); margin-bottom: .15rem}
svg.split {display: block; width: 100%; height: .8rem; border-radius: .3rem; background: var(--soft); margin: .2rem 0}
.t0 {fill: var(--t0)} .t1 {fill: var(--t1)} .t2 {fill: var(--t2)} .t3 {fill: var(--t3)} .t4 {fill: var(--t4)}
.legend {list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; padding: 0; margin: .35rem 0 0;
  font-size: .875rem}
.legend svg {width: .7rem; height: .7rem; margin-right: .35rem}
ul.plain {list-style: none; padding: 0; margin: 0}
ul.plain li {background: var(--card); box-shadow: 0 0 0 1px var(--line); padding: .5rem 1rem; margin: .5rem 0;
  border-radius: .4rem}
footer {margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .875rem; color: var(--quiet)}
@media (max-width: 40rem) {
  main {padding: 1.25rem .9rem 3rem}
  thead {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)}
  tr, td {display: block} td {border: 0; padding: .1rem 0}
  tr {border-top: 1px solid var(--line); padding: .45rem 0} td.why:empty {display: none}
  dl.facts {grid-template-columns: 1fr; gap: 0} dl.facts dd {margin-bottom: .4rem}
}
@media print {
  :root {--page: #ffffff; --card: #ffffff}
  body {font-size: 11pt} main {max-width: none; padding: 0}
  article, tr, li, summary {break-inside: avoid} h2, summary {break-after: avoid}
  details::details-content {content-visibility: visible; display: block; block-size: auto}
  details > summary::before, details[open] > summary::before {content: ""; width: 0}
  .create, .update, .replace, .delete, .adopt, del, ins, rect {print-color-adjust: exact;
    -webkit-print-color-adjust: exact}
}
"""
)
