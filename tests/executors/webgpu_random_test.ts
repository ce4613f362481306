/** Random models on WebGPU: as precise as eagerly, and the same to the last bit whatever the executions. */
import { assertEquals } from "@std/assert";
import { eager, webgpu } from "@stride/stride/executors";
import { fitted } from "../compiler/fitted.ts";
import { interpreted } from "../compiler/interpreted.ts";
import { assertAsPrecise } from "../compiler/precision.ts";
import { randomCase } from "../compiler/random_models.ts";
import { seeds } from "../compiler/random_seeds.ts";
import { webgpuTest } from "../webgpu.ts";

// Shaders are compiled anew for each model: seconds, and more for layers over time.
const SMALL = [7, 24, 51];
/** Too large for one dispatch. */
const LARGE = [9];

for (const [size, usual] of [["small", SMALL], ["large", LARGE]] as const) {
  for (const seed of seeds(usual)) {
    const given = randomCase(seed, size);
    webgpuTest(`webgpu gives eager's numbers when the model is ${given.name}`, async () => {
      const reference = await fitted(given, { executor: interpreted("float64") });
      const eagerly = await fitted(given, { executor: eager() });
      const single = await fitted(given, { executor: webgpu(), device: "webgpu" });
      assertAsPrecise(single, eagerly, reference);
      assertEquals(await fitted(given, { executor: webgpu(), device: "webgpu", stepsPerExecution: 2 }), single);
    });
  }
}
