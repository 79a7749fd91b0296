/**
 * The grid of teachers and bridges: which cells are defined, and why the others are not.
 *
 * @module
 */

import { ddpmTeacher, edmTeacher, flowTeacher, type Teacher, type TeacherName, vpTeacher } from "./teachers.ts";

/** What a student is a function of: noise alone, or two flow times, or a level. */
export type StudentKind = "direct" | "two times" | "all levels";

/** What is known of a bridge. */
export interface BridgeFacts {
  /** Its name in tables. */
  title: string;
  /** The algorithm that it comes from. */
  from: string;
  /** What its student is a function of, beside the observation and a noisy action. */
  student: StudentKind;
  /** Whether it can do without a teacher, with the data alone. */
  teacherless: boolean;
}

/** The bridges by name. */
export const bridges = {
  "trust region": { title: "Trust region", from: "DTQL", student: "direct", teacherless: false },
  "score": { title: "Score", from: "SRPO", student: "direct", teacherless: false },
  "kl": { title: "KL", from: "DQL-KL", student: "direct", teacherless: false },
  "paired": { title: "Paired regression", from: "FQL", student: "direct", teacherless: false },
  "completion": { title: "Completion", from: "SSCP", student: "two times", teacherless: true },
  "consistency": { title: "Consistency", from: "Consistency-AC", student: "all levels", teacherless: true },
  "composition": { title: "Composition", from: "BFQ", student: "two times", teacherless: true },
} as const satisfies Record<string, BridgeFacts>;

/** Name of a bridge. */
export type BridgeName = keyof typeof bridges;

/** Names of the teachers, `none` for the data alone. */
export const teacherNames: readonly (TeacherName | "none")[] = ["ddpm", "edm", "vp", "flow", "none"];

/** A teacher by name; null for `none`. */
export function createTeacher(name: TeacherName | "none", settings: { ddpmSteps: number }): Teacher | null {
  const make = {
    ddpm: () => ddpmTeacher(settings.ddpmSteps),
    edm: () => edmTeacher(),
    vp: vpTeacher,
    flow: flowTeacher,
  };
  return name === "none" ? null : make[name]();
}

/** A cell of the grid, with the choices that can make it meaningless. */
export interface Cell {
  /** Who teaches. */
  teacher: TeacherName | "none";
  /** What ties the student to it. */
  bridge: BridgeName;
  /** Whether the student's action depends on noise; by default only a score's does not. */
  student: "usual" | "deterministic" | "stochastic";
  /** How the teacher's actions are sampled where the bridge wants them. */
  sampler: "deterministic" | "ancestral";
}

/** Why a cell is undefined; null if it is defined. */
export function undefinedBecause({ teacher, bridge, student, sampler }: Cell): string | null {
  const facts = bridges[bridge];
  if (teacher === "none" && !facts.teacherless) {
    return `${bridge} must have a teacher, whose ${
      bridge === "paired" ? "samples it regresses on" : "opinion of the student's action is its gradient"
    }; completion, consistency and composition can do with the data alone`;
  }
  if (sampler === "ancestral" && bridge === "paired") {
    return "paired must have a deterministic sampler: ancestral sampling draws noise anew, so the student's noise says nothing about its " +
      "target, and regression gives the mean of the data";
  }
  if (sampler === "ancestral") {
    return `${bridge} must have a deterministic sampler: only paired could draw samples of another`;
  }
  if (student !== "deterministic") return null;
  if (bridge === "kl") {
    return "kl must have a stochastic student: a model of one single action gives that action back, so the difference is that of score; use score";
  }
  if (bridge === "paired") {
    return "paired must have a stochastic student: it learns which noise leads to which action; use a stochastic one";
  }
  return facts.student === "direct"
    ? null
    : `${bridge} must have a stochastic student: it is a function of a noisy action`;
}

/** Throws a RangeError that says why unless a cell is defined. */
export function assertCell(cell: Cell) {
  const reason = undefinedBecause(cell);
  if (reason === null) return;
  const { teacher, bridge, student, sampler } = cell;
  throw new RangeError(
    `Cannot bridge: ${reason}, current cell is teacher ${teacher}, bridge ${bridge}, ${student} student, ${sampler} sampler`,
  );
}

/** The defined cells of teachers and bridges, with the usual students: row by row. */
export function definedCells(): { teacher: TeacherName | "none"; bridge: BridgeName }[] {
  return teacherNames.flatMap((teacher) =>
    (Object.keys(bridges) as BridgeName[])
      .filter((bridge) => undefinedBecause({ teacher, bridge, student: "usual", sampler: "deterministic" }) === null)
      .map((bridge) => ({ teacher, bridge }))
  );
}
