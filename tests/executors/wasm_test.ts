import { cpu } from "../../plugins/devices/mod.ts";
import { wasm } from "../../plugins/executors/wasm/mod.ts";
import { executorContract } from "../contracts/executor_contract.ts";

executorContract("wasm, one thread", () => wasm({ threads: 1 }), cpu());
executorContract("wasm, two threads", () => wasm({ threads: 2 }), cpu());
