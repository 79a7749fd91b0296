/**
 * What the report's page does in a browser: draws figures live, copies tables, hands out pictures.
 *
 * @module
 */

import { columnNames, toCsv, toLatex } from "../../data/show/table.ts";

/** Folds the contents on a phone, before anything below them is drawn. */
export const foldContents =
  'if (matchMedia("(max-width: 999px)").matches) document.querySelector("nav details").open = false;';

/** The script; without it the pictures stay. */
export const script = `
${[columnNames, toCsv, toLatex].join("\n")}
const tip = document.querySelector(".tooltip");
const write = (handler, event, item, value) => {
  if (value === null || value === undefined || value === "") { tip.style.display = "none"; return; }
  tip.textContent = typeof value === "object"
    ? Object.entries(value).map(([k, v]) => k + ": " + (typeof v === "object" ? JSON.stringify(v) : v)).join(", ")
    : String(value);
  tip.style.display = "block";
  tip.style.left = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 4) + "px";
  tip.style.top = event.clientY + 14 + "px";
};
const draw = async (figure) => {
  const [frame, image] = [figure.querySelector(".frame"), figure.querySelector("img")];
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const box = document.createElement("div");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", image.alt);
  const view = new vega.View(vega.parse(spec), { renderer: "svg", container: box, hover: true });
  view.tooltip(write);
  await view.runAsync();
  box.querySelectorAll("[aria-label], [role], [aria-roledescription]").forEach((part) => {
    for (const name of ["aria-label", "role", "aria-roledescription"]) part.removeAttribute(name);
  });
  const svg = box.querySelector("svg");
  svg.setAttribute("aria-hidden", "true");
  svg.style.maxWidth = getComputedStyle(image).maxWidth;
  svg.style.height = "auto";
  image.hidden = true;
  image.style.display = "none";
  frame.append(box);
  figure.dataset.live = "true";
};
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    draw(target).catch((error) => console.error(error));
  }
}, { rootMargin: "200px" });
document.querySelectorAll("figure:has(script)").forEach((figure) => seen.observe(figure));

const status = document.querySelector("#status");
const copy = async (text, what) => {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = what + " copied";
  } catch {
    const area = document.createElement("textarea"); // Pages of files may have no clipboard.
    area.value = text;
    document.body.append(area);
    area.select();
    status.textContent = document.execCommand("copy") ? what + " copied" : "This browser does not let the page copy";
    area.remove();
  }
};
const tableOf = (table) => {
  const heads = [...table.querySelectorAll("th")];
  return {
    title: table.caption.textContent,
    columns: heads.map((head) => head.textContent),
    numbers: heads.filter((head) => "number" in head.dataset).map((head) => head.textContent),
    rows: [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent)),
    notes: [...table.closest(".table").querySelectorAll(".note")].map((note) => note.textContent),
  };
};
const save = (url, name) => {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
};
const take = async (figure, form) => {
  const image = figure.querySelector("img");
  if (form === "SVG") return save(image.src, figure.dataset.name + ".svg");
  if (form === "PDF") {
    const sheet = document.createElement("div");
    sheet.className = "sheet";
    const style = document.createElement("style");
    const whole = new Image();
    whole.src = image.src;
    await whole.decode();
    const [width, height] = [whole.naturalWidth, whole.naturalHeight];
    style.textContent = "@page { size: " + width + "px " + (height + 1) + "px; margin: 0 }";
    sheet.append(style, whole);
    document.body.append(sheet);
    document.body.classList.add("alone");
    const title = document.title;
    document.title = figure.dataset.name;
    print();
    document.title = title;
    document.body.classList.remove("alone");
    sheet.remove();
    return;
  }
  const whole = new Image();
  whole.src = image.src;
  await whole.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 3 * whole.naturalWidth;
  canvas.height = 3 * whole.naturalHeight;
  canvas.getContext("2d").drawImage(whole, 0, 0, canvas.width, canvas.height);
  save(canvas.toDataURL("image/png"), figure.dataset.name + ".png");
};
document.addEventListener("click", ({ target }) => {
  const { copy: form, take: picture } = target.dataset ?? {};
  if (form === "BibTeX") copy(document.querySelector("#bibtex").textContent, form);
  else if (form) {
    const table = tableOf(target.closest(".table").querySelector("table"));
    copy(form === "CSV" ? toCsv(table) : toLatex(table), form);
  } else if (picture) take(target.closest("figure"), picture).catch((error) => status.textContent = String(error));
});
`;
