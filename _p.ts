import { measurePeers } from "./bench/peers.ts";
for (const m of await measurePeers()) console.log(m.group, m.name, m.mean.toFixed(3), m.p75.toFixed(3), m.n);
