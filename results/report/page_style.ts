/**
 * How the report's page looks.
 *
 * @module
 */

import { darkRules, inks } from "../../data/show/palette.ts";

const ink = (name: keyof typeof inks) => `light-dark(${inks[name].join(", ")})`;

/** The style sheet. */
export const style: string = `
:root { color-scheme: light dark; --ink: ${ink("ink")}; --soft: ${ink("soft")}; --line: ${ink("line")};
  --back: ${ink("paper")}; --card: light-dark(#f6f7f9, #1f2327); --yes: light-dark(#18794e, #4cc38a);
  --no: light-dark(#b4231f, #ff8f85); --open: light-dark(#8a5f00, #f0c24b); --link: light-dark(#0b5fc0, #70b8ff); }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
a { color: var(--link); } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.hidden, .skip:not(:focus) { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.skip:focus { position: absolute; background: var(--back); padding: .5rem; z-index: 3; }
.page { max-width: 1180px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .6rem 0 .3rem; text-wrap: balance; }
h2 { margin: 2.5rem 0 .6rem; padding-top: .4rem; border-top: 2px solid var(--line); }
h3 { margin: 1.4rem 0 .3rem; line-height: 1.3; }
nav ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .25rem; font-size: .9rem; }
nav summary { font-weight: 600; }
@media (min-width: 1000px) {
  .columns { display: grid; grid-template-columns: 12.5rem minmax(0, 1fr); gap: 2rem; }
  nav { position: sticky; top: 1rem; align-self: start; max-height: calc(100vh - 2rem); overflow-y: auto; padding-top: 2.6rem; }
}
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .8rem; margin: 1rem 0; }
.numbers div { background: var(--card); border-radius: 8px; padding: .7rem .9rem; }
.numbers dt { font-size: .87rem; color: var(--soft); } .numbers dd { margin: 0; font-size: 1.7rem; line-height: 1.25; }
.numbers dd small { font-size: .87rem; color: var(--soft); }
.numbers > div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.note { color: var(--soft); font-size: .87rem; max-width: 78ch; margin: .3rem 0; overflow-wrap: anywhere; }
.tools { display: flex; flex-wrap: wrap; gap: .4rem; margin: .3rem 0; }
button { font: inherit; font-size: .8rem; color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: .15rem .55rem; min-height: 26px; cursor: pointer; }
.scroll { overflow: auto; max-height: 80vh; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: .85rem; width: 100%; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td { overflow-wrap: break-word; min-width: 4rem; max-width: 26rem; }
th { position: sticky; top: 0; background: var(--card); white-space: nowrap; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.picture { margin: 1.2rem 0; } .picture .frame { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem; background: var(--back); } .picture img { display: block; max-width: 100%; height: auto; }
.picture svg { display: block; background: none !important; }
.forest { list-style: none; padding: 0; margin: .4rem 0; }
.forest li { display: grid; grid-template-columns: minmax(0, 1fr) 240px 9.5rem; gap: .8rem; align-items: center;
  padding: .45rem 0; border-bottom: 1px solid var(--line); }
.forest .part { font-size: .87rem; padding: .15rem 0 .15rem 1.5rem; } .forest .over { border-bottom: none; }
.forest small { display: block; color: var(--soft); font-size: .82rem; } .forest .number { font-variant-numeric: tabular-nums; }
@media (max-width: 760px) { .forest li { grid-template-columns: minmax(0, 1fr); gap: .25rem; } }
.forest svg { max-width: 100%; --mark: var(--open); } .forest svg.holds { --mark: var(--yes); }
.forest svg.does-not-hold { --mark: var(--no); } .wanted { fill: var(--card); }
.threshold { stroke: var(--soft); stroke-dasharray: 3 3; } .bar { stroke: var(--mark); stroke-width: 3; opacity: .55; }
.mark { fill: var(--mark); stroke: var(--mark); stroke-width: 2; } .hollow .mark { fill: var(--back); }
.holds strong { color: var(--yes); } .does-not-hold strong { color: var(--no); } .forest li strong { color: var(--open); }
.forest li.holds strong { color: var(--yes); } .forest li.does-not-hold strong { color: var(--no); }
summary { cursor: pointer; padding: .2rem 0; } pre { white-space: pre-wrap; font-size: .8rem; overflow-wrap: anywhere; }
.run { border-bottom: 1px solid var(--line); } .run small { color: var(--soft); }
.sparks { display: flex; flex-wrap: wrap; gap: .8rem; margin: .4rem 0; } .spark { margin: 0; width: 180px; }
.spark path { fill: none; stroke: var(--link); stroke-width: 1.5; } .spark svg { background: var(--card); display: block; }
.spark figcaption { font-size: .8rem; color: var(--soft); }
.run dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .1rem 1rem; margin: .4rem 0;
  font-size: .82rem; } .run dl div { display: flex; gap: .5rem; } .run dt { color: var(--soft); }
.run dd { margin: 0; overflow-wrap: anywhere; }
.tooltip { position: fixed; pointer-events: none; background: var(--ink); color: var(--back); font-size: .8rem;
  padding: .3rem .5rem; border-radius: 4px; display: none; max-width: min(60ch, 90vw); z-index: 2; }
@media print { nav, .tools, .skip { display: none; } .scroll { max-height: none; overflow: visible; }
  body.alone > :not(.sheet) { display: none; } }
${darkRules}
`;
