"""JAX's half of bench/peers.ts: one thread, jit; milliseconds as JSON."""

import jax
import jax.numpy as jnp
import numpy as np
from timing import report

rng = np.random.default_rng(0)
trained = []
normal = lambda *shape: jnp.array(rng.normal(size=shape), jnp.float32)


def network(*sizes):
    return [(normal(i, o) / i**0.5, jnp.zeros(o, jnp.float32)) for i, o in zip(sizes[:-1], sizes[1:])]


relu = lambda x: jnp.maximum(x, 0)
mish = lambda x: x * jnp.tanh(jax.nn.softplus(x))


def forward(layers, x, activation=relu):
    for k, (w, b) in enumerate(layers):
        x = x @ w + b
        if k < len(layers) - 1:
            x = activation(x)
    return x


def start(params):
    trained.extend(leaf.size for leaf in jax.tree.leaves(params))
    zeros = jax.tree.map(jnp.zeros_like, params)
    return params, (zeros, zeros)


def adam(state, grads, t):
    params, (first, second) = state
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
    rate = 3e-4 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, first, second)
    return params, (first, second)


def repeated(update, state, *arguments):
    """Calls `update(state, *arguments, t)` again and again, each time with the last result."""
    kept = [state, 0]

    def call():
        kept[1] += 1
        kept[0] = jax.block_until_ready(update(kept[0], *arguments, float(kept[1])))

    return call


@jax.jit
def step(state, x, y, t):
    return adam(state, jax.grad(lambda p: jnp.mean((forward(p, x) - y) ** 2))(state[0]), t)


act = jax.jit(lambda layers, s: jnp.tanh(forward(layers, s)))

# DTQL's update at HalfCheetah's size, as in algorithms/dtql/: critic, diffusion model, one-step policy, target average.
S, A, E, SIGMA_DATA = 17, 6, 16, 0.5
frequencies = jnp.exp(-jnp.arange(E // 2) * jnp.log(10000.0) / (E // 2 - 1))[None]


def q_network():
    layers = network(S + A, 256, 256, 256, 1)
    return layers, [(jnp.ones(256), jnp.zeros(256)) for _ in range(3)]


def q_value(p, both):
    layers, norms = p
    h = both
    for (w, b), (gain, offset) in zip(layers, norms):
        h = h @ w + b
        centred = h - h.mean(1, keepdims=True)
        h = mish(centred / jnp.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * gain + offset)
    return h @ layers[-1][0] + layers[-1][1]


def q_values(p, s, a):
    both = jnp.concatenate([s, a], 1)
    return q_value(p["q1"], both), q_value(p["q2"], both)


def score(p, x, s, level):
    angles = level * frequencies
    embedded = forward(p["time"], jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], 1), mish)
    w, b = p["first"][0]
    return forward(p["rest"], jnp.concatenate([x, s, embedded], 1) @ w + b, mish)


def edm_loss(p, s, x, key):
    cdf = lambda v: 1 / (1 + (SIGMA_DATA / v) ** 2)
    keys = jax.random.split(key)
    u = cdf(0.002) + jax.random.uniform(keys[0], (256, 1)) * (cdf(80) - cdf(0.002))
    sigma = SIGMA_DATA * jnp.sqrt(u / (1 - u))
    total = sigma**2 + SIGMA_DATA**2
    noisy = x + sigma * jax.random.normal(keys[1], x.shape)
    c_out = sigma * SIGMA_DATA / jnp.sqrt(total)
    output = score(p, noisy / jnp.sqrt(total), s, jnp.log(sigma) / 4)
    clean = jnp.clip(c_out * output + SIGMA_DATA**2 / total * noisy, -1, 1)
    return jnp.mean(((clean - x) / c_out) ** 2)


@jax.jit
def dtql(state, batch, t):
    s, a, r, s2, done = batch
    critic, diffusion, actor, target, key = state
    key, *keys = jax.random.split(key, 4)
    v = lambda p, s: forward(p["v"], s, mish)

    def critic_loss(p):
        q1, q2 = q_values(p, s, a)
        u = jax.lax.stop_gradient(jnp.minimum(q1, q2)) - v(p, s)
        goal = jax.lax.stop_gradient(r + 0.99 * (1 - done) * v(p, s2))
        return jnp.mean(jnp.abs(0.7 - (u < 0)) * u**2) + jnp.mean((q1 - goal) ** 2) + jnp.mean((q2 - goal) ** 2)

    critic = adam(critic, jax.grad(critic_loss)(critic[0]), t)
    diffusion = adam(diffusion, jax.grad(edm_loss)(diffusion[0], s, a, keys[0]), t)

    def actor_loss(p):
        mean, log_std = jnp.split(forward(p, s), 2, 1)
        chosen = jnp.tanh(mean + jnp.exp(jnp.clip(log_std, -5, 2)) * jax.random.normal(keys[1], mean.shape))
        return 5 * edm_loss(diffusion[0], s, chosen, keys[2]) - jnp.mean(jnp.minimum(*q_values(critic[0], s, chosen)))

    actor = adam(actor, jax.grad(actor_loss)(actor[0]), t)
    target = jax.tree.map(lambda old, new: old + 0.005 * (new - old), target, critic[0])
    return critic, diffusion, actor, target, key


def adam_of(loss):
    """One update of all parameters by one Adam; `loss(params, fixed, batch, keys)`."""
    return lambda state, fixed, batch, keys, t: adam(state, jax.grad(loss)(state[0], fixed, batch, keys), t)


gelu = jax.nn.gelu
clip = lambda a: jnp.clip(a, -1, 1)
square = lambda x, y: jnp.mean((x - y) ** 2)
follow = lambda average, online, rate: jax.tree.map(lambda old, new: old + rate * (new - old), average, online)
stop = jax.lax.stop_gradient


def gelu_value(p, both):
    layers, norms = p
    h = both
    for (w, b), (gain, offset) in zip(layers, norms):
        h = gelu(h @ w + b)
        centred = h - h.mean(1, keepdims=True)
        h = centred / jnp.sqrt((centred**2).mean(1, keepdims=True) + 1e-6) * gain + offset
    return h @ layers[-1][0] + layers[-1][1]


def gelu_values(p, s, a):
    both = jnp.concatenate([s, a], 1)
    return gelu_value(p[0], both), gelu_value(p[1], both)


def gelu_critic():
    value = lambda: (network(S + A, 512, 512, 512, 512, 1), [(jnp.ones(512), jnp.zeros(512)) for _ in range(4)])
    return [value(), value()]


def fql_loss(p, target, batch, keys):
    """FQL's loss, as in algorithms/fql.ts."""
    s, a, r, s2, done = batch
    following, start, z = (jax.random.normal(key, a.shape) for key in keys[:3])
    t = jax.random.uniform(keys[3], r.shape)
    flow = lambda x, t: forward(p["flow"], jnp.concatenate([s, x, t], 1), gelu)
    goal_value = sum(gelu_values(target, s2, clip(forward(p["policy"], jnp.concatenate([s2, following], 1), gelu)))) / 2
    goal = stop(r + 0.99 * (1 - done) * goal_value)
    x = z
    for i in range(10):
        x = x + flow(x, jnp.full_like(t, i / 10)) / 10
    q1, q2 = gelu_values(p["critic"], s, a)
    own = forward(p["policy"], jnp.concatenate([s, z], 1), gelu)
    value = jnp.mean(sum(gelu_values(stop(p["critic"]), s, clip(own)))) / 2
    errors = (square(q1, goal) + square(q2, goal)) / 2 + square(flow((1 - t) * start + t * a, t), a - start)
    return errors + 10 * square(own, stop(clip(x))) - value


@jax.jit
def fql(state, batch, t):
    trained, target, key = state
    key, *keys = jax.random.split(key, 5)
    followed = follow(target, trained[0]["critic"], 0.005)  # The critic before the step.
    return adam_of(fql_loss)(trained, target, batch, keys, t), followed, key


T = 128


def step_velocity(p, s, x, t, d):
    angles = [2 * jnp.pi * c * p["frequencies"] for c in (t, d)]
    time, step = (jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], 1) for angle in angles)
    embedded = forward(p["time"], time, mish) + forward(p["step"], step, mish)
    rows = jnp.broadcast_to(embedded, (x.shape[0], T))
    return forward(p["trunk"], jnp.concatenate([s, x, rows], 1), mish)


def sscp_loss(p, fixed, batch, keys):
    """SSCP's loss, as in algorithms/sscp.ts."""
    s, a, r, s2, done = batch
    target, average = fixed
    following, start = (jax.random.normal(key, a.shape) for key in keys[:2])
    t = jax.random.uniform(keys[2], r.shape) ** 2
    following = clip(following + step_velocity(average, s2, following, jnp.zeros((1, 1)), jnp.ones((1, 1))))
    goal = stop(r + 0.99 * (1 - done) * jnp.minimum(*gelu_values(target, s2, following)))
    q1, q2 = gelu_values(p["critic"], s, a)
    x = (1 - t) * start + t * a
    flow = square(step_velocity(p["actor"], s, x, t, jnp.zeros_like(t)), a - start)
    completed = x + (1 - t) * step_velocity(p["actor"], s, x, t, 1 - t)
    judged = sum(gelu_values(stop(p["critic"]), s, clip(completed))) / 2
    value = jnp.mean(judged) / stop(jnp.mean(jnp.abs(judged)))
    return (square(q1, goal) + square(q2, goal)) / 2 + flow + square(completed, a) - value


@jax.jit
def sscp(state, batch, t):
    trained, target, average, key = state
    key, *keys = jax.random.split(key, 4)
    online = trained[0]
    followed = follow(target, online["critic"], 0.005), follow(average, online["actor"], 0.0005)
    return adam_of(sscp_loss)(trained, (target, average), batch, keys, t), *followed, key


def transitions(rows):
    return (normal(rows, S), clip(normal(rows, A)), normal(rows, 1), normal(rows, S), jnp.zeros((rows, 1)))


def create_dtql():
    critic = {"q1": q_network(), "q2": q_network(), "v": network(S, 256, 256, 256, 1)}
    diffusion = {
        "time": network(E, 2 * E, E),
        "first": network(A + S + E, 256),
        "rest": network(256, 256, 256, 256, A),
    }
    actor = network(S, 256, 256, 256, 2 * A)
    state = (start(critic), start(diffusion), start(actor), critic, jax.random.PRNGKey(0))
    return repeated(dtql, state, transitions(256))


def create_action():
    policy, one = network(17, 256, 256, 6), np.array(rng.normal(size=(1, 17)), np.float32)
    return lambda: np.asarray(act(policy, one))


def create_fql():
    parts = {
        "critic": gelu_critic(),
        "flow": network(S + A + 1, 512, 512, 512, 512, A),
        "policy": network(S + A, 512, 512, 512, 512, A),
    }
    return repeated(fql, (start(parts), parts["critic"], jax.random.PRNGKey(0)), transitions(256))


def create_sscp():
    actor = {
        "frequencies": 0.2 * normal(1, T // 2),
        "time": network(T, T, T),
        "step": network(T, T, T),
        "trunk": network(S + A + T, 512, 512, 512, 512, A),
    }
    parts = {"critic": gelu_critic(), "actor": actor}
    state = (start(parts), parts["critic"], actor, jax.random.PRNGKey(0))
    return repeated(sscp, state, transitions(1024))


creators = {
    "step": lambda: repeated(step, start(network(23, 256, 256, 1)), normal(256, 23), normal(256, 1)),
    "action": create_action,
    "dtql": create_dtql,
    "fql": create_fql,
    "sscp": create_sscp,
}
report(creators, trained)
