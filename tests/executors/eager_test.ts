import { eager } from "@stride/stride/executors";
import { cpu, webgpu } from "@stride/stride/devices";
import { executorContract } from "../contracts/executor_contract.ts";
import { webgpuTest } from "../webgpu.ts";

executorContract("eager on cpu", eager, cpu());
executorContract("eager on webgpu", eager, webgpu(), webgpuTest);
