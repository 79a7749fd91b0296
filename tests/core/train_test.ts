import { assert, assertStringIncludes } from "@std/assert";
import { createRng } from "../../algorithms/core/rng.ts";
import { divergenceError } from "../../algorithms/core/train.ts";
import { dtql } from "../../algorithms/dtql/mod.ts";
import { drawBanditBatch, makeBandit } from "../../data/bandits.ts";

Deno.test("divergenceError() names what is trained, update, metric and the batch's tensor that is not finite", async () => {
  const config = { ...dtql.defaults, batchSize: 64, hidden: 32, diffusionHidden: 32 };
  const agent = dtql.create(config, { observationDim: 1, actionDim: 2, maxAction: 11 });
  const bandit = makeBandit("25gaussians", "far", 1000, createRng("nan"));
  const batch = drawBanditBatch(bandit, config.batchSize, createRng("batch"));
  batch.reward.data[5] = NaN;
  const { metrics } = await agent.update(agent.init(createRng("init")), batch, createRng("update"));
  assert(Number.isNaN(metrics.criticLoss)); // A batch with NaN shows at once.
  const { message } = divergenceError("dtql seed 0", 7, "criticLoss", metrics.criticLoss, batch);
  assertStringIncludes(message, "dtql seed 0: at update 7 criticLoss is NaN: the batch's reward must be finite");
});
