import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { heading, renderFigure } from "../../../data/show/figure.ts";
import { placeLabels } from "../../../data/show/labels.ts";
import { textWidth } from "../../../data/show/letters.ts";
import { accents, darkRules, inks, inTheDark, methodColor } from "../../../data/show/palette.ts";
import { rasterizePoints } from "../../../data/show/rasterize.ts";
import * as registry from "../../../algorithms/registry.ts";
import { createRng } from "../../../algorithms/core/rng.ts";

const luminance = (color: string) => {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255)
    .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a: string, b: string) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};

Deno.test("methodColor() stands out from light and dark paper by 3 to 1 for every algorithm, and others", () => {
  const titles = [...Object.values(registry).map(({ title }) => title), "Planner", "SDW-OBD", "a method of mine"];
  for (const color of [...titles.map(methodColor), accents.point, accents.before, accents.after]) {
    for (const paper of inks.paper) {
      assert(contrast(color, paper) >= 3, `${color} on ${paper}: ${contrast(color, paper)}`);
    }
  }
});

Deno.test("methodColor() is a method's own among those of one figure", () => {
  const together = ["SRPO", "DTQL", "Diffusion-QL", "Behaviour diffusion", "BC", "IQL", "TD3+BC", "ReBRAC", "DQL-KL"];
  assertEquals(new Set(together.map(methodColor)).size, together.length);
});

Deno.test("inks can be read in the dark as in the light: 4.5 to 1", () => {
  for (const i of [0, 1]) {
    for (const name of ["ink", "soft"] as const) assert(contrast(inks[name][i], inks.paper[i]) >= 4.5, name);
  }
  assertEquals(inTheDark(`"color":"${inks.ink[0]}"`), `"color":"${inks.ink[1]}"`);
});

const cloud = (points: number) => {
  const xy = createRng("cloud").fillNormal(new Float64Array(2 * points));
  return {
    data: { values: Array.from({ length: points }, (_, i) => ({ x: xy[2 * i], y: xy[2 * i + 1] })) },
    width: 200,
    height: 200,
    mark: "circle",
    encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } },
  } as Parameters<typeof renderFigure>[0];
};

Deno.test("renderFigure() draws many points as a picture of bounded size, few as they are, and follows the dark", async () => {
  const [few, many, more] = await Promise.all([100, 5000, 20_000].map((n) => renderFigure(cloud(n))));
  assertEquals(few.svg.match(/<image/g), null);
  assertEquals(many.svg.match(/<image/g)!.length, 1);
  assert(more.svg.length < 400_000, `${more.svg.length}`);
  assertStringIncludes(many.svg, darkRules);
});

Deno.test("rasterizePoints() puts the picture where the points are", () => {
  const points = Array.from({ length: 300 }, (_, i) => `<path transform="translate(${50 + i / 10},20)" d="M1,0Z"/>`)
    .join("");
  let asked = "";
  const out = rasterizePoints(`<g class="mark-symbol role-mark">${points}</g>`, (svg) => {
    asked = svg;
    return new Uint8Array([1]);
  });
  assertStringIncludes(asked, 'viewBox="46 16 38 8"');
  assertStringIncludes(out, '<image x="46" y="16" width="38" height="8" xlink:href="data:image/png;base64,AQ==');
});

Deno.test("rasterizePoints() makes no picture of what diverged beyond the figure", () => {
  const path = (x: number) => `<path transform="translate(${x},20)" d="M1,0Z"/>`;
  const points = Array.from({ length: 300 }, (_, i) => path(i % 3 === 0 ? 7e9 : 50 + i / 10)).join("");
  let asked = "";
  const cloud = (inner: string) => `<svg width="100" height="80"><g class="mark-symbol role-mark">${inner}</g></svg>`;
  rasterizePoints(cloud(points), (svg) => {
    asked = svg;
    return new Uint8Array([1]);
  });
  assertStringIncludes(asked, 'viewBox="46 16 38 8"');
  const gone = rasterizePoints(cloud(path(7e9).repeat(300)), () => new Uint8Array([1]));
  assertEquals(gone, cloud(""));
});

Deno.test("placeLabels() covers no point, bar or other label, and stays in the panel, among 12 of them", () => {
  for (let seed = 0; seed < 20; seed++) {
    const rng = createRng(seed);
    const points = Array.from({ length: 12 }, (_, i) => {
      const [x, y] = [20 + 360 * rng.uniform(), 20 + 260 * rng.uniform()];
      return { x, y, label: `method ${i}`, bar: [y - 12, y + 12] as const };
    });
    const boxes = placeLabels(points, 400, 300, 10).map(({ x, y, near }, i) => {
      const half = textWidth(points[i].label, 10) / 2;
      assert(
        Math.abs(near.x - x) < half + 1.01 && Math.abs(near.y - y) < 6.01,
        `seed ${seed}: near is not on the label`,
      );
      const away = ({ x, y }: { x: number; y: number }) => Math.hypot(x - points[i].x, y - points[i].y);
      assert(away(near) < away({ x, y }), `seed ${seed}: near is no nearer than the label's middle`);
      return { left: x - half, right: x + half, top: y - 5, bottom: y + 5 };
    });
    type Box = typeof boxes[number];
    const meet = (a: Box, b: Box) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    boxes.forEach((box, i) => {
      assert(box.left >= 0 && box.right <= 400 && box.top >= 0 && box.bottom <= 300, `seed ${seed}: ${i} is outside`);
      for (const other of boxes.slice(i + 1)) assert(!meet(box, other), `seed ${seed}: two labels meet`);
      for (const { x, y } of points) {
        assert(
          !meet(box, { left: x - 3, right: x + 3, top: y - 3, bottom: y + 3 }),
          `seed ${seed}: a point is covered`,
        );
      }
    });
  }
});

Deno.test("heading() breaks lines at its width", () => {
  const { subtitle } = heading("A title", "words ".repeat(60).trim(), 300);
  assert(subtitle.length > 3);
  for (const line of subtitle) assert(textWidth(line, 10) <= 300, line);
});
