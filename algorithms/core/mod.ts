/**
 * What the algorithms share: tensors and compilation, networks, optimizers, diffusion, temporal differences.
 *
 * @module
 */

export * from "./acting.ts";
export * from "./agent.ts";
export * from "./checked.ts";
export * from "./config.ts";
export * from "./consistency.ts";
export * from "./conv.ts";
export * from "./denoiser.ts";
export * from "./deterministic_policy.ts";
export * from "./dpm_solver.ts";
export * from "./edm.ts";
export * from "./gaussian.ts";
export * from "./gelu_critic.ts";
export * from "./gradient.ts";
export * from "./iql.ts";
export * from "./layer_norm.ts";
export * from "./ln_resnet.ts";
export * from "./maf.ts";
export * from "./mlp_actor.ts";
export * from "./nn.ts";
export * from "./normalization.ts";
export * from "./normalized_agent.ts";
export * from "./optim.ts";
export * from "./policy.ts";
export * from "./rng.ts";
export * from "./rows.ts";
export * from "./samplers.ts";
export * from "./stage.ts";
export * from "./stochastic_policy.ts";
export * from "./tanh_policy.ts";
export * from "./td.ts";
export * from "./train.ts";
export * from "./trajectories.ts";
export * from "./twin_critic.ts";
export * from "./vp.ts";
export * from "./vp_sde.ts";
