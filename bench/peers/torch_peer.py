"""PyTorch's half of bench/peers.ts: one thread, eager; milliseconds as JSON."""

import json
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)


def network(*sizes):
    layers = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


net, policy = network(23, 256, 256, 1), network(17, 256, 256, 6)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-4)
x, y, s = torch.randn(256, 23), torch.randn(256, 1), torch.randn(1, 17)


def step():
    loss = torch.nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def action():
    with torch.no_grad():
        return torch.tanh(policy(s)).numpy()


def times(call, warm_up, calls):
    out = []
    for k in range(warm_up + calls):
        start = time.perf_counter()
        call()
        if k >= warm_up:
            out.append(1000 * (time.perf_counter() - start))
    return out


print(json.dumps({"step": times(step, 30, 200), "action": times(action, 200, 2000)}))
