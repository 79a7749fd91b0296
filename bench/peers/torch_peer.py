"""PyTorch's half of bench/peers.ts: one thread, eager; milliseconds as JSON."""

import copy
import json
import math

import torch
from timing import times
from torch.nn import functional as F

torch.set_num_threads(1)
torch.manual_seed(0)


def network(*sizes, activation=torch.nn.ReLU, norm=False):
    layers = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:]):
        layers += [torch.nn.Linear(inputs, outputs), *([torch.nn.LayerNorm(outputs)] if norm else []), activation()]
    return torch.nn.Sequential(*layers[: -2 if norm else -1])


net, policy = network(23, 256, 256, 1), network(17, 256, 256, 6)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-4)
x, y, one = torch.randn(256, 23), torch.randn(256, 1), torch.randn(1, 17)


def step():
    loss = F.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def action():
    with torch.no_grad():
        return torch.tanh(policy(one)).numpy()


# DTQL's update at HalfCheetah's size, as in algorithms/dtql/: critic, diffusion model, one-step policy, target average.
S, A, E, SIGMA_DATA = 17, 6, 16, 0.5
Mish = torch.nn.Mish


class Score(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.time = network(E, 2 * E, E, activation=Mish)
        self.first = torch.nn.Linear(A + S + E, 256)
        self.rest = network(256, 256, 256, 256, A, activation=Mish)
        frequencies = torch.exp(-torch.arange(E // 2) * math.log(10000) / (E // 2 - 1))
        self.register_buffer("frequencies", frequencies[None])

    def forward(self, x, s, level):
        angles = level * self.frequencies
        embedded = self.time(torch.cat([angles.sin(), angles.cos()], 1))
        return self.rest(self.first(torch.cat([x, s, embedded], 1)))


class Critic(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q1, self.q2 = (network(S + A, 256, 256, 256, 1, activation=Mish, norm=True) for _ in range(2))
        self.v = network(S, 256, 256, 256, 1, activation=Mish)

    def forward(self, s, a):
        both = torch.cat([s, a], 1)
        return self.q1(both), self.q2(both)


score, critic, actor = Score(), Critic(), network(S, 256, 256, 256, 2 * A)
target = copy.deepcopy(critic)
adams = {m: torch.optim.Adam(m.parameters(), lr=3e-4) for m in (score, critic, actor)}
s, s2, a = torch.randn(256, S), torch.randn(256, S), torch.rand(256, A) * 2 - 1
r, done = torch.randn(256, 1), torch.zeros(256, 1)


def descend(module, loss):
    adams[module].zero_grad()
    loss.backward()
    adams[module].step()


def edm_loss(x):
    cdf = lambda v: 1 / (1 + (SIGMA_DATA / v) ** 2)
    u = cdf(0.002) + torch.rand(256, 1) * (cdf(80) - cdf(0.002))
    sigma = SIGMA_DATA * (u / (1 - u)).sqrt()
    total = sigma**2 + SIGMA_DATA**2
    noisy = x + sigma * torch.randn_like(x)
    c_out = sigma * SIGMA_DATA / total.sqrt()
    output = score(noisy / total.sqrt(), s, sigma.log() / 4)
    clean = (c_out * output + SIGMA_DATA**2 / total * noisy).clamp(-1, 1)
    return (((clean - x) / c_out) ** 2).mean()


def update():
    q1, q2 = critic(s, a)
    u = torch.minimum(q1, q2).detach() - critic.v(s)
    value_loss = (torch.abs(0.7 - (u < 0).float()) * u**2).mean()
    with torch.no_grad():
        goal = r + 0.99 * (1 - done) * critic.v(s2)
    descend(critic, value_loss + F.mse_loss(q1, goal) + F.mse_loss(q2, goal))
    descend(score, edm_loss(a))
    mean, log_std = actor(s).chunk(2, 1)
    chosen = torch.tanh(mean + log_std.clamp(-5, 2).exp() * torch.randn_like(mean))
    for module in (score, critic):
        module.requires_grad_(False)
    descend(actor, 5 * edm_loss(chosen) - torch.minimum(*critic(s, chosen)).mean())
    for module in (score, critic):
        module.requires_grad_(True)
    with torch.no_grad():
        for p, online in zip(target.parameters(), critic.parameters()):
            p.lerp_(online, 0.005)


print(json.dumps({"step": times(step, 30, 200), "action": times(action, 200, 2000), "dtql": times(update, 10, 50)}))
