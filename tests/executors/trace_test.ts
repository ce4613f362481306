import { eager, trace } from "@stride/stride/executors";
import { cpu } from "@stride/stride/devices";
import { executorContract } from "../contracts/executor_contract.ts";

executorContract("trace", () => trace({ inner: eager() }), cpu());
