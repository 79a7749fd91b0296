"""A twin of Diffusion-QL's trainer in PyTorch, after the paper (arXiv 2208.06193) and the published training loop's order:
critic, policy, averages. Float64. Writes dql_trainer_golden.json:

    python tests/golden/dql_trainer.py > tests/golden/dql_trainer_golden.json

Weights and noise come from the linear congruential generator of tests/golden.ts, in its order. Tables are float64.
"""
import json
import math

import torch
from torch import nn

torch.set_default_dtype(torch.float64)
S, A, ROWS, HIDDEN, EMBEDDING, NFE = 3, 2, 8, 256, 16, 5


def lcg(seed):
    s = seed & 0xFFFFFFFF
    while True:
        s = (1664525 * s + 1013904223) % 2**32
        yield s / 2**32


def filled(seed, shape, scale=1.0):
    draw = lcg(seed)
    return torch.tensor([scale * (2 * next(draw) - 1) for _ in range(math.prod(shape))]).reshape(shape)


def fill(module, base):
    for j, p in enumerate(module.parameters()):
        scale = math.sqrt(3 / p.shape[1]) if p.dim() == 2 else 0.2
        # The fillers of tests/golden.ts keep float32.
        p.data = filled(base + 7919 * j, p.shape, scale).to(torch.float32).to(torch.float64)
    return module


class Noise:
    def __init__(self, seed):
        self.draw = lcg(seed)

    def uniform(self):
        return next(self.draw)

    def normals(self, rows):
        values = []
        for _ in range(rows * A):
            u1 = next(self.draw)
            u2 = next(self.draw)
            values.append(math.sqrt(-2 * math.log(1 - u1)) * math.cos(2 * math.pi * u2))
        return torch.tensor(values).reshape(rows, A)


def layers(sizes):
    parts = []
    for i in range(len(sizes) - 1):
        parts.append(nn.Linear(sizes[i], sizes[i + 1]))
        if i < len(sizes) - 2:
            parts.append(nn.Mish())
    return nn.Sequential(*parts)


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = layers([EMBEDDING, 2 * EMBEDDING, EMBEDDING])
        self.trunk = layers([A + EMBEDDING + S, HIDDEN, HIDDEN, HIDDEN, A])

    def forward(self, x, t, s):
        half = EMBEDDING // 2
        frequencies = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
        angles = t.to(torch.float64)[:, None] * frequencies[None, :]
        embedded = self.time(torch.cat([angles.sin(), angles.cos()], 1))
        return self.trunk(torch.cat([x, embedded, s], 1))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.q1 = layers([S + A, HIDDEN, HIDDEN, HIDDEN, 1])
        self.q2 = layers([S + A, HIDDEN, HIDDEN, HIDDEN, 1])

    def forward(self, s, a):
        x = torch.cat([s, a], 1)
        return self.q1(x), self.q2(x)


steps = torch.arange(1, NFE + 1)
beta = 1 - torch.exp(-0.1 / NFE - 0.5 * (10 - 0.1) * (2 * steps - 1) / NFE**2)
kept = torch.cumprod(1 - beta, 0)
kept_before = torch.cat([torch.ones(1), kept[:-1]])
variance = beta * (1 - kept_before) / (1 - kept)
clean_factor = beta * kept_before.sqrt() / (1 - kept)
noisy_factor = (1 - kept_before) * (1 - beta).sqrt() / (1 - kept)


def sample(actor, s, noises):
    x = noises[0]
    for t in reversed(range(NFE)):
        epsilon = actor(x, torch.full((len(s),), t), s)
        clean = (x / kept[t].sqrt() - (1 / kept[t] - 1).sqrt() * epsilon).clamp(-1, 1)
        x = clean_factor[t] * clean + noisy_factor[t] * x
        if t > 0:
            x = x + variance[t].sqrt() * noises[NFE - t]
    return x.clamp(-1, 1)


def sums(module):
    values = torch.cat([p.data.flatten() for p in module.parameters()])
    return [values.sum().item(), (values**2).sum().item()]


def run(first, count, *, actor_rate, critic_rate, updates, value_weight, clip, backup, ema_start, ema_every):
    actor, average = fill(Actor(), 51000), fill(Actor(), 51000)
    critic, target = fill(Critic(), 52000), fill(Critic(), 52000)
    optimizers = [torch.optim.Adam(actor.parameters(), lr=actor_rate), torch.optim.Adam(critic.parameters(), lr=critic_rate)]
    rates = [actor_rate, critic_rate]
    for optimizer in optimizers:  # As after `first` updates whose gradients were zero.
        for group in optimizer.param_groups:
            for p in group["params"]:
                optimizer.state[p] = {
                    "step": torch.tensor(float(first)),
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                }
    noise = Noise(2024)
    repeats = 10 if backup else 1
    rows = []
    for k in range(count):
        step = first + k
        calls, epochs = step // 50_000, max(round(updates / 1000), 1)
        for optimizer, rate in zip(optimizers, rates):
            optimizer.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * calls / epochs)) / 2
        f32 = lambda x: x.to(torch.float32).to(torch.float64)
        s, a = f32(filled(60000 + 10 * k, [ROWS, S])), f32(filled(60001 + 10 * k, [ROWS, A], 0.95))
        s2, reward = f32(filled(60002 + 10 * k, [ROWS, S])), f32(filled(60003 + 10 * k, [ROWS, 1]))
        goes_on = (filled(60004 + 10 * k, [ROWS, 1]) > -0.6).to(torch.float64)
        t = torch.tensor([math.floor(noise.uniform() * NFE) for _ in range(ROWS)])
        epsilon = noise.normals(ROWS)
        policy_noise = [noise.normals(ROWS) for _ in range(NFE)]
        target_noise = [noise.normals(ROWS * repeats) for _ in range(NFE)]
        coin = noise.uniform()

        with torch.no_grad():
            s2r = s2.repeat_interleave(repeats, 0)
            values = target(s2r, sample(average, s2r, target_noise))
            best = [q.view(ROWS, repeats).max(1, keepdim=True)[0] for q in values]
            wanted = reward + goes_on * 0.99 * torch.min(*best)
        critic_loss = sum(nn.functional.mse_loss(q, wanted) for q in critic(s, a))
        optimizers[1].zero_grad()
        critic_loss.backward()
        critic_norm = nn.utils.clip_grad_norm_(critic.parameters(), clip).item()
        optimizers[1].step()

        noisy = kept[t].sqrt()[:, None] * a + (1 - kept[t]).sqrt()[:, None] * epsilon
        denoising = nn.functional.mse_loss(actor(noisy, t, s), epsilon)
        q1, q2 = critic(s, sample(actor, s, policy_noise))
        q_loss = -q1.mean() / q2.abs().mean().detach() if coin >= 0.5 else -q2.mean() / q1.abs().mean().detach()
        actor_loss = denoising + value_weight * q_loss
        optimizers[0].zero_grad()
        actor_loss.backward()
        actor_norm = nn.utils.clip_grad_norm_(actor.parameters(), clip).item()
        optimizers[0].step()

        with torch.no_grad():
            if step >= ema_start and step % ema_every == 0:
                for p, q in zip(average.parameters(), actor.parameters()):
                    p.copy_(0.995 * p + 0.005 * q)
            for p, q in zip(target.parameters(), critic.parameters()):
                p.copy_(0.995 * p + 0.005 * q)
        rows.append({
            "criticLoss": critic_loss.item(),
            "denoisingLoss": denoising.item(),
            "valueLoss": q_loss.item(),
            "actorLoss": actor_loss.item(),
            "norms": [actor_norm, critic_norm],
            "actor": sums(actor),
            "actorEma": sums(average),
            "critic": sums(critic),
            "criticTarget": sums(target),
        })
    return rows


common = dict(actor_rate=1e-4, critic_rate=3e-4, value_weight=0.5, ema_every=2)
print(json.dumps({
    "plain": run(0, 5, updates=10_000, clip=0.5, backup=False, ema_start=2, **common),
    "backup": run(49_998, 4, updates=60_000, clip=0.5, backup=True, ema_start=1000, **common),
}, indent=1))
