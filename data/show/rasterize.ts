/**
 * Clouds of points in an SVG as pictures: a hundred thousand circles weigh megabytes, their picture does not.
 *
 * @module
 */

/** Points of a group above which they are drawn as one picture. */
const many = 150;
/** Pixels per unit of the SVG. */
const zoom = 2;
/** What a point may reach beyond its middle, in units. */
const reach = 4;

/**
 * Vega's SVG with every large group of points as a PNG within it; text, axes and lines stay as they are.
 *
 * @param render Draws an SVG as a PNG of `zoom` pixels per unit, without a background.
 */
export function rasterizePoints(svg: string, render: (svg: string, zoom: number) => Uint8Array): string {
  const sizes = (["width", "height"] as const).map((name) =>
    Number(svg.match(new RegExp(`<svg [^>]*\\b${name}="([\\d.]+)"`))?.[1] ?? 4000)
  );
  return svg.replaceAll(
    /(<g class="mark-symbol[^>]*>)((?:<path [^>]*\/>)+)(<\/g>)/g,
    (whole, open: string, points: string, close: string) => {
      const places = [...points.matchAll(/transform="translate\(([-\d.e]+),([-\d.e]+)\)"/g)].map((m) => [+m[1], +m[2]]);
      if (places.length < many) return whole;
      const near = places.filter((place) => place.every((x, k) => x > -sizes[k] && x < 2 * sizes[k])); // Others are not seen.
      if (near.length === 0) return open + close;
      const [left, top] = [0, 1].map((k) => Math.floor(Math.min(...near.map((p) => p[k]))) - reach);
      const [right, bottom] = [0, 1].map((k) => Math.ceil(Math.max(...near.map((p) => p[k]))) + reach);
      const [width, height] = [right - left, bottom - top];
      const size = `width="${width}" height="${height}"`;
      const alone = `<svg xmlns="http://www.w3.org/2000/svg" ${size} viewBox="${left} ${top} ${width} ${height}">` +
        `<g>${points}</g></svg>`;
      const url = `data:image/png;base64,${render(alone, zoom).toBase64()}`;
      return `${open}<image x="${left}" y="${top}" ${size} xlink:href="${url}"/>${close}`;
    },
  );
}
