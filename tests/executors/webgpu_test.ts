import { webgpu as device } from "@stride/stride/devices";
import { webgpu } from "../../plugins/executors/webgpu/mod.ts";
import { executorContract } from "../contracts/executor_contract.ts";
import { webgpuTest } from "../webgpu.ts";

executorContract("webgpu()", webgpu, device(), webgpuTest);
