/**
 * The papers, and how what they say is known here.
 *
 * @module
 */

/** What is reproduced, in the order of the checklist. */
export const papers = {
  dtql: {
    title: "Diffusion Policies Creating a Trust Region for Offline Reinforcement Learning",
    source: "Chen, Wang, Zhou 2024, arXiv 2405.19690",
  },
  srpo: {
    title: "Score Regularized Policy Optimization through Diffusion Behavior",
    source: "Chen et al. 2023, arXiv 2310.07297",
  },
  stitching: {
    title: "Distilling Conditional Diffusion Models for Offline Reinforcement Learning through Trajectory Stitching",
    source: "Li and Zhang 2024, arXiv 2402.00807",
  },
  obd: {
    title: "Offline Behavior Distillation",
    source: "Lei et al. 2024, arXiv 2410.22728",
  },
  sdw_obd: {
    title: "State Diversity Matters in Offline Behavior Distillation",
    source: "Lei, Cheng, Tao 2025, arXiv 2512.06692",
  },
  diffusion_ql: {
    title: "Diffusion Policies as an Expressive Policy Class for Offline Reinforcement Learning",
    source: "Wang, Hunt, Zhou 2023, arXiv 2208.06193",
  },
  /** Of no paper. */
  grid: {
    title: "Which teacher, which bridge",
    source: "our own questions",
  },
  /** Quoted alone: scores of the algorithms that it shares with this package. */
  corl: {
    title: "CORL: Research-oriented Deep Offline Reinforcement Learning Library",
    source: "Tarasov et al. 2022, arXiv 2210.07105",
  },
} as const;

/** One of {@linkcode papers}. */
export type Paper = keyof typeof papers;

/** How a claim's words or a quoted number are known. */
export const marks = {
  ours: "our question; the text of the paper was not at hand",
  paper: "read in the paper's text",
  readme: "read in the README of the code that it was measured with",
  code: "measured with the authors' code",
  reprint: "reprinted by another paper",
  unverified: "not verified: kept for later, never shown",
  secondary: "known from a summary or an excerpt, not from the paper's text",
} as const;

/** One of {@linkcode marks}. */
export type Mark = keyof typeof marks;
