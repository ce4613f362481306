import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { LearningRateSchedule } from "../../core/optimizer.ts";
import * as schedules from "../../plugins/optimizers/schedules/mod.ts";
import keras from "./optimizers_keras.json" with { type: "json" };

const { cosineDecay, cosineDecayRestarts, exponentialDecay, piecewiseConstantDecay } = schedules;
const { polynomialDecay } = schedules;

const factories = schedules as unknown as Record<string, (options: unknown) => LearningRateSchedule>;

keras.schedules.forEach(({ schedule: name, options, steps, values }) => {
  Deno.test(`${name}() equals Keras's with ${JSON.stringify(options)}`, () => {
    const schedule = factories[name]!(options);
    // Keras computes in float32.
    steps.forEach((step, i) =>
      assertAlmostEquals(schedule(step), values[i]!, 2e-6 * values[i]! + 2e-8, `step ${step}`)
    );
  });
});

Deno.test("polynomialDecay() computes in float64 when steps are many", () => {
  const schedule = polynomialDecay({ initialLearningRate: 1, decaySteps: 2 ** 26, endLearningRate: 0 });
  assertEquals(schedule(2 ** 25 + 1), 0.5 - 2 ** -26);
});

Deno.test("cosineDecayRestarts() restarts at the first step of every period when logarithms are inexact", () => {
  for (const tMul of [1, 1.5, 2, 3, 10]) {
    const schedule = cosineDecayRestarts({ initialLearningRate: 1, firstDecaySteps: 8, tMul });
    let start = 0;
    for (let restarts = 0; restarts < 6; restarts++) {
      assertAlmostEquals(schedule(start), 1, 1e-9, `tMul ${tMul}, step ${start}`);
      if (start > 0) assert(schedule(start - 1) < 0.1, `tMul ${tMul}, step ${start - 1}`);
      start += 8 * tMul ** restarts;
      if (!Number.isInteger(start)) break;
    }
  }
});

Deno.test("cosineDecay() ignores warm-up steps when there is no target", () => {
  const schedule = cosineDecay({ initialLearningRate: 0.1, decaySteps: 10, warmupSteps: 5, warmupTarget: null });
  assertEquals(schedule(0), 0.1);
  assertAlmostEquals(schedule(5), 0.05, 1e-15);
});

Deno.test("schedules refuse options when they are missing, misspelt or out of range", () => {
  assertThrows(
    () => exponentialDecay({ initialLearningRate: 0.1, decaySteps: 0, decayRate: 0.5 }),
    RangeError,
    "Cannot create schedule exponentialDecay: decaySteps is 0; expected a number in (0, Infinity).",
  );
  assertThrows(
    () => factories.inverseTimeDecay!({ initialLearningRate: 0.1, decaySteps: 3 }),
    TypeError,
    "decayRate is undefined",
  );
  const misspelt = { initialLearningRate: 0.1, decaySteps: 3, warmUpSteps: 2 };
  assertThrows(() => cosineDecay(misspelt), TypeError, "unknown option warmUpSteps; expected some of");
  assertThrows(() => piecewiseConstantDecay({ boundaries: [1, 2], values: [1, 2] }), RangeError, "one more value");
  assertThrows(() => piecewiseConstantDecay({ boundaries: [2, 2], values: [1, 2, 3] }), RangeError, "increasing");
  assertThrows(
    () => factories.piecewiseConstantDecay!({ boundaries: 3, values: [1, 2] }),
    TypeError,
    "boundaries is 3",
  );
  assertThrows(
    () => cosineDecayRestarts({ initialLearningRate: 0.1, firstDecaySteps: 4, tMul: 0.5 }),
    RangeError,
    "tMul is 0.5",
  );
  assertThrows(
    () => polynomialDecay({ initialLearningRate: -1, decaySteps: 4 }),
    RangeError,
    "initialLearningRate is -1",
  );
});
