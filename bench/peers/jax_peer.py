"""JAX's half of bench/peers.ts: one thread, jit; milliseconds as JSON."""

import json
import time

import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)


def network(*sizes):
    return [
        (jnp.array(rng.normal(size=(i, o)) / np.sqrt(i), jnp.float32), jnp.zeros(o, jnp.float32))
        for i, o in zip(sizes[:-1], sizes[1:])
    ]


def forward(layers, x):
    for k, (w, b) in enumerate(layers):
        x = x @ w + b
        if k < len(layers) - 1:
            x = jnp.maximum(x, 0)
    return x


def adam(params, moments, grads, t):
    first, second = moments
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
    rate = 3e-4 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, first, second)
    return params, (first, second)


@jax.jit
def update(params, moments, x, y, t):
    grads = jax.grad(lambda p: jnp.mean((forward(p, x) - y) ** 2))(params)
    return adam(params, moments, grads, t)


act = jax.jit(lambda layers, s: jnp.tanh(forward(layers, s)))
net, policy = network(23, 256, 256, 1), network(17, 256, 256, 6)
zeros = jax.tree.map(jnp.zeros_like, net)
state = [net, (zeros, zeros), 0]
x, y = jnp.array(rng.normal(size=(256, 23)), jnp.float32), jnp.array(rng.normal(size=(256, 1)), jnp.float32)
s = np.array(rng.normal(size=(1, 17)), np.float32)


def step():
    state[2] += 1
    state[0], state[1] = jax.block_until_ready(update(state[0], state[1], x, y, float(state[2])))


def times(call, warm_up, calls):
    out = []
    for k in range(warm_up + calls):
        start = time.perf_counter()
        call()
        if k >= warm_up:
            out.append(1000 * (time.perf_counter() - start))
    return out


print(json.dumps({"step": times(step, 30, 200), "action": times(lambda: np.asarray(act(policy, s)), 200, 2000)}))
