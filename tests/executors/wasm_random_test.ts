/** Random models in WebAssembly: as precise as eagerly, and the same to the last bit whatever the threads and executions. */
import { assert, assertEquals } from "@std/assert";
import { eager, wasm } from "@stride/stride/executors";
import { wasmRuntime } from "../../plugins/executors/wasm/runtime.ts";
import { fitted } from "../compiler/fitted.ts";
import { interpreted } from "../compiler/interpreted.ts";
import { assertAsPrecise } from "../compiler/precision.ts";
import { randomCase } from "../compiler/random_models.ts";
import { seeds } from "../compiler/random_seeds.ts";

const SMALL = [7, 14, 16, 21, 24, 32, 41, 55, 64];
const LARGE = [9, 12, 20];

for (const [size, usual] of [["small", SMALL], ["large", LARGE]] as const) {
  for (const seed of seeds(usual)) {
    const given = randomCase(seed, size);
    Deno.test(`wasm gives eager's numbers when the model is ${given.name}`, async () => {
      const reference = await fitted(given, { executor: interpreted("float64") });
      const eagerly = await fitted(given, { executor: eager() });
      const alone = await fitted(given, { executor: wasm({ threads: 1 }) });
      assertAsPrecise(alone, eagerly, reference);
      assertEquals(await fitted(given, { executor: wasm({ threads: 3 }), stepsPerExecution: 2 }), alone);
      assertAsPrecise(await fitted(given, { executor: wasm({ relaxed: false }) }), eagerly, reference);
    });
  }
}

Deno.test("the large random models are large enough for three threads", () => {
  assert(wasmRuntime().pool.threads >= 3);
});
