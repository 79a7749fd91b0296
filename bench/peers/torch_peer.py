"""PyTorch's half of bench/peers.ts, on one thread: `eager`, or `compiled` (losses by torch.compile, Adam fused); milliseconds as JSON."""

import copy
import math
import sys

import torch
from timing import report
from torch.func import functional_call
from torch.nn import functional as F

compiles = sys.argv[1] == "compiled"
compiled = torch.compile if compiles else lambda f: f
torch.set_num_threads(1)
torch.manual_seed(0)
trained = []


def network(*sizes, activation=torch.nn.ReLU, norm=None):
    """Layers with LayerNorm `before` or `after` the activation, or without."""
    layers = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:]):
        hidden = [activation()]
        if norm == "before":
            hidden.insert(0, torch.nn.LayerNorm(outputs))
        if norm == "after":
            hidden.append(torch.nn.LayerNorm(outputs, eps=1e-6))
        layers += [torch.nn.Linear(inputs, outputs), hidden]
    layers.pop()
    flat = [part for layer in layers for part in (layer if isinstance(layer, list) else [layer])]
    return torch.nn.Sequential(*flat)


def adam(*modules):
    parameters = [p for module in modules for p in module.parameters()]
    trained.extend(p.numel() for p in parameters)
    return torch.optim.Adam(parameters, lr=3e-4, fused=compiles)


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def follow(average, online, rate):
    torch._foreach_lerp_(list(average.parameters()), list(online.parameters()), rate)


class Critic(torch.nn.Module):
    def __init__(self, *sizes, v=None, **more):
        super().__init__()
        self.q1, self.q2 = (network(*sizes, **more) for _ in range(2))
        self.v = v

    def forward(self, s, a):
        both = torch.cat([s, a], 1)
        return self.q1(both), self.q2(both)


def fixed(module, *inputs):
    """The module's result, without gradients of its parameters."""
    return functional_call(module, {name: p.detach() for name, p in module.named_parameters()}, inputs)


S, A = 17, 6


def transitions(rows):
    s, s2, a = torch.randn(rows, S), torch.randn(rows, S), torch.rand(rows, A) * 2 - 1
    return s, s2, a, torch.randn(rows, 1), torch.zeros(rows, 1)


def create_step():
    net = network(23, 256, 256, 1)
    optimizer = adam(net)
    x, y = torch.randn(256, 23), torch.randn(256, 1)
    loss = compiled(lambda: F.mse_loss(net(x), y))
    return lambda: descend(optimizer, loss())


def create_action():
    policy, one = network(17, 256, 256, 6), torch.randn(1, 17)
    act = compiled(lambda s: torch.tanh(policy(s)))

    def action():
        with torch.no_grad():
            return act(one).numpy()

    return action


def create_dtql():
    """DTQL's update at HalfCheetah's size, as in algorithms/dtql/: critic, diffusion model, one-step policy, target average."""
    E, sigma_data = 16, 0.5
    mish = torch.nn.Mish

    class Score(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.time = network(E, 2 * E, E, activation=mish)
            self.first = torch.nn.Linear(A + S + E, 256)
            self.rest = network(256, 256, 256, 256, A, activation=mish)
            frequencies = torch.exp(-torch.arange(E // 2) * math.log(10000) / (E // 2 - 1))
            self.register_buffer("frequencies", frequencies[None])

        def forward(self, x, s, level):
            angles = level * self.frequencies
            embedded = self.time(torch.cat([angles.sin(), angles.cos()], 1))
            return self.rest(self.first(torch.cat([x, s, embedded], 1)))

    value = network(S, 256, 256, 256, 1, activation=mish)
    critic = Critic(S + A, 256, 256, 256, 1, activation=mish, norm="before", v=value)
    score, actor = Score(), network(S, 256, 256, 256, 2 * A)
    target = copy.deepcopy(critic)
    adams = {m: adam(m) for m in (score, critic, actor)}
    s, s2, a, r, done = transitions(256)

    def edm_loss(model, x):
        cdf = lambda v: 1 / (1 + (sigma_data / v) ** 2)
        u = cdf(0.002) + torch.rand(256, 1) * (cdf(80) - cdf(0.002))
        sigma = sigma_data * (u / (1 - u)).sqrt()
        total = sigma**2 + sigma_data**2
        noisy = x + sigma * torch.randn_like(x)
        c_out = sigma * sigma_data / total.sqrt()
        output = model(noisy / total.sqrt(), s, sigma.log() / 4)
        clean = (c_out * output + sigma_data**2 / total * noisy).clamp(-1, 1)
        return (((clean - x) / c_out) ** 2).mean()

    @compiled
    def critic_loss():
        q1, q2 = critic(s, a)
        u = torch.minimum(q1, q2).detach() - critic.v(s)
        value_loss = (torch.abs(0.7 - (u < 0).float()) * u**2).mean()
        goal = (r + 0.99 * (1 - done) * critic.v(s2)).detach()
        return value_loss + F.mse_loss(q1, goal) + F.mse_loss(q2, goal)

    @compiled
    def score_loss():
        return edm_loss(score, a)

    @compiled
    def actor_loss():
        mean, log_std = actor(s).chunk(2, 1)
        chosen = torch.tanh(mean + log_std.clamp(-5, 2).exp() * torch.randn_like(mean))
        distance = edm_loss(lambda *inputs: fixed(score, *inputs), chosen)
        return 5 * distance - torch.minimum(*fixed(critic, s, chosen)).mean()

    def update():
        descend(adams[critic], critic_loss())
        descend(adams[score], score_loss())
        descend(adams[actor], actor_loss())
        follow(target, critic, 0.005)

    return update


def gelu():
    return torch.nn.GELU(approximate="tanh")


def gelu_critic():
    return Critic(S + A, 512, 512, 512, 512, 1, activation=gelu, norm="after")


def create_fql():
    """FQL's update, as in algorithms/fql.ts."""
    critic = gelu_critic()
    flow = network(S + A + 1, 512, 512, 512, 512, A, activation=gelu)
    policy = network(S + A, 512, 512, 512, 512, A, activation=gelu)
    target, optimizer = copy.deepcopy(critic), adam(critic, flow, policy)
    s, s2, a, r, done = transitions(256)

    @compiled
    def loss(following, start, t, z):
        with torch.no_grad():
            value = sum(target(s2, policy(torch.cat([s2, following], 1)).clamp(-1, 1))) / 2
            goal = r + 0.99 * (1 - done) * value
            x = z
            for i in range(10):
                x = x + flow(torch.cat([s, x, torch.full_like(t, i / 10)], 1)) / 10
            teacher = x.clamp(-1, 1)
        q1, q2 = critic(s, a)
        own = policy(torch.cat([s, z], 1))
        value = sum(fixed(critic, s, own.clamp(-1, 1))).mean() / 2
        velocity = flow(torch.cat([s, (1 - t) * start + t * a, t], 1))
        errors = (F.mse_loss(q1, goal) + F.mse_loss(q2, goal)) / 2 + F.mse_loss(velocity, a - start)
        return errors + 10 * F.mse_loss(own, teacher) - value

    def update():
        follow(target, critic, 0.005)  # The critic before the step.
        descend(optimizer, loss(torch.randn(256, A), torch.randn(256, A), torch.rand(256, 1), torch.randn(256, A)))

    return update


def create_sscp():
    """SSCP's update, as in algorithms/sscp.ts."""
    rows, E = 1024, 128
    mish = torch.nn.Mish

    class Actor(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.frequencies = torch.nn.Parameter(0.2 * torch.randn(1, E // 2))
            self.time, self.step = (network(E, E, E, activation=mish) for _ in range(2))
            self.trunk = network(S + A + E, 512, 512, 512, 512, A, activation=mish)

        def forward(self, s, x, t, d):
            angles = [2 * math.pi * c * self.frequencies for c in (t, d)]
            time, step = (torch.cat([angle.cos(), angle.sin()], 1) for angle in angles)
            embedded = self.time(time) + self.step(step)
            return self.trunk(torch.cat([s, x, embedded.expand(len(x), E)], 1))

    critic, actor = gelu_critic(), Actor()
    target, average = copy.deepcopy(critic), copy.deepcopy(actor)
    optimizer = adam(critic, actor)
    s, s2, a, r, done = transitions(rows)
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)

    @compiled
    def loss(following, start, u):
        with torch.no_grad():
            following = (following + average(s2, following, zero, one)).clamp(-1, 1)
            goal = r + 0.99 * (1 - done) * torch.minimum(*target(s2, following))
        q1, q2 = critic(s, a)
        t = u**2
        x = (1 - t) * start + t * a
        flow = F.mse_loss(actor(s, x, t, torch.zeros_like(t)), a - start)
        completed = x + (1 - t) * actor(s, x, t, 1 - t)
        judged = sum(fixed(critic, s, completed.clamp(-1, 1))) / 2
        value = judged.mean() / judged.abs().mean().detach()
        return (F.mse_loss(q1, goal) + F.mse_loss(q2, goal)) / 2 + flow + F.mse_loss(completed, a) - value

    def update():
        follow(target, critic, 0.005)
        follow(average, actor, 0.0005)
        descend(optimizer, loss(torch.randn(rows, A), torch.randn(rows, A), torch.rand(rows, 1)))

    return update


creators = {"step": create_step, "action": create_action, "dtql": create_dtql, "fql": create_fql, "sscp": create_sscp}
report(creators, trained)
