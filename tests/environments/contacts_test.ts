import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { MjModel } from "@mujoco/mujoco";
import { addMargins, collidablePairs, type GeomPair } from "../../environments/contacts.ts";
import { loadModel, startMujoco } from "../../environments/model.ts";

const mujoco = await startMujoco();
const geomId = mujoco.mjtObj.mjOBJ_GEOM.value;

/** A model as if from files. */
const load = (xml: string, physics: "d4rl" | "stock") =>
  loadModel(
    mujoco,
    "test",
    { origin: "here", main: "test.xml", texts: new Map([["test.xml", xml]]), binaries: [] },
    physics,
  );

/** Contacts at the given positions of free geoms. */
function contactsOf(model: MjModel, places: readonly (readonly number[])[] = []) {
  const data = new mujoco.MjData(model);
  const qpos = data.qpos as Float64Array;
  places.forEach((place, i) => qpos.set(place, 7 * i));
  mujoco.mj_forward(model, data);
  const found = Array.from({ length: data.ncon }, (_, i) => {
    const { geom1, geom2, dist, includemargin, dim, friction, solref, solimp } = data.contact.get(i)!;
    const names = [geom1, geom2].map((g) => mujoco.mj_id2name(model, geomId, g)).sort();
    return { names: names.join(" "), dist, includemargin, dim, numbers: [...friction, ...solref, ...solimp] };
  });
  data.delete();
  return found;
}

Deno.test("collidablePairs() are those that MuJoCo finds when everything is near everything", async () => {
  const ball = (name: string, more = "") => `<geom name="${name}" size="0.1" mass="1" ${more}/>`;
  for (const filter of ["enable", "disable"]) {
    const model = await load(
      `<mujoco><option><flag filterparent="${filter}" gravity="disable"/></option>
      <default><geom margin="10"/></default>
      <worldbody>
        <geom name="floor" type="plane" size="9 9 1" conaffinity="0"/>
        <body name="fixed" pos="1 0 1">${ball("a")}<body name="also fixed" pos="1 0 0">${ball("b")}</body>
          <body name="arm" pos="0 1 0"><joint/>${ball("c")}${ball("c2")}
            <body name="hand" pos="0 1 0"><joint/>${ball("d")}
              <body name="glued" pos="0 1 0">${ball("e")}<body name="tip" pos="0 1 0"><joint/>${ball("f")}</body></body>
            </body>
          </body>
        </body>
        <body name="free" pos="3 0 1"><freejoint/>${ball("g")}${ball("h", 'contype="2" conaffinity="4"')}</body>
        <body name="other" pos="4 0 1"><freejoint/>${ball("i", 'contype="4" conaffinity="0"')}${ball("j")}</body>
        <body name="shy" pos="5 0 1"><freejoint/>${ball("k")}</body>
      </worldbody>
      <contact><exclude body1="free" body2="shy"/><pair geom1="j" geom2="c"/></contact></mujoco>`,
      "stock",
    );
    const name = (pair: GeomPair) => pair.map((g) => mujoco.mj_id2name(model, geomId, g)).sort().join(" ");
    const found = new Set(contactsOf(model).map(({ names }) => names));
    found.delete("c j"); // Listed by the model itself, which is not for us.
    assertEquals(new Set(collidablePairs(mujoco, model).map(name)), found);
    assert(found.size > 30 && found.has("h i") && !found.has("g k"));
    assertEquals(found.has("c d"), filter === "disable");
    model.delete();
  }
});

Deno.test("addMargins() adds up to the larger margin for all pairs but those that it names", () => {
  // A hand of 0.5 mm on a board of none: the board may have the hand's half.
  assertEquals(addMargins([0.0005, 0.0005, 0], [[0, 1], [0, 2], [1, 2]]), {
    margins: new Float64Array([0.00025, 0.00025, 0.00025]),
    rest: [],
  });
  // Two links of none that touch each other, and a wall of 1 mm: the links can't have both.
  assertEquals(addMargins([0, 0, 0.001], [[0, 1], [0, 2], [1, 2]]), {
    margins: new Float64Array([0.0005, 0.0005, 0.0005]),
    rest: [[0, 1]],
  });
  const old = [0, 0.004, 0.001, 0.002, 0.001, 0];
  const pairs = old.flatMap((_, j) => old.slice(0, j).map((_, i) => [i, j] as const));
  const { margins, rest } = addMargins(old, pairs);
  for (const [i, j] of pairs) {
    const same = margins[i] + margins[j] === Math.max(old[i], old[j]);
    assertEquals(same, !rest.some((pair) => pair[0] === i && pair[1] === j));
  }
});

Deno.test("contacts of models in files begin at the larger margin, in stock physics at their sum", async () => {
  const old = [0, 0, 0.001, 0.004];
  const geom = (margin: number, i: number) =>
    `<body><freejoint/><geom name="g${i}" size="0.1" margin="${margin}" condim="${i === 1 ? 4 : 3}" friction="0.${
      i + 1
    } 0.00${i + 1} 0.0001" solmix="${i + 1}" solref="0.0${i + 2} 1" solimp="0.${i + 5} 0.9 0.01" priority="${
      i === 3 ? 1 : 0
    }"/></body>`;
  const xml = `<mujoco><worldbody>${old.map(geom).join("")}</worldbody></mujoco>`;
  const [d4rl, stock] = [await load(xml, "d4rl"), await load(xml, "stock")];
  assertEquals(d4rl.npair, 3); // Those without margins, with 1 mm, and with one and the other: 4 mm has its way with all others.
  for (let j = 0; j < old.length; j++) {
    for (let i = 0; i < j; i++) {
      const at = (gap: number) =>
        old.map((_, k) => [k === i ? 0 : k === j ? 0.2 + gap : 10 + 10 * k, 0, 5, 1, 0, 0, 0]);
      const larger = Math.max(old[i], old[j]);
      for (const [model, margin] of [[d4rl, larger], [stock, old[i] + old[j]]] as const) {
        const [contact, ...others] = contactsOf(model, at(margin - 1e-6));
        assertEquals([contact.names, others.length], [`g${i} g${j}`, 0]);
        assertAlmostEquals(contact.includemargin, margin, 1e-15);
        assertEquals(contactsOf(model, at(margin + 1e-6)), []);
        // Whether MuJoCo mixes the two or we list the pair: friction, stiffness and dimension are the same.
        const { dim, numbers } = contactsOf(stock, at(-0.001))[0];
        assertEquals(contact.dim, dim);
        contact.numbers.forEach((x, k) => assertAlmostEquals(x, numbers[k], 1e-15));
      }
    }
  }
  d4rl.delete();
  stock.delete();
});
