import { assertEquals } from "@std/assert";
import { tf } from "@stride/stride/core";
import { cpu } from "@stride/stride/devices";
import type { TensorRecord } from "../../plugins/compiler/state/deferred_value.ts";
import { SharedVariables } from "../../plugins/compiler/state/shared_variables.ts";

/** Memory on the host, with variables of two elements at places 0, 2, 4, … */
function memory() {
  cpu().activate();
  const backend = tf.findBackend("cpu") as tf.KernelBackend & { data: { get(dataId: object): TensorRecord } };
  const words = new Float32Array(16);
  const copies = { in: 0, out: 0 };
  const shared = new SharedVariables<number>({
    backend,
    property: "values",
    record: (dataId) => backend.data.get(dataId),
    copyIn: (values) => {
      copies.in += values.length;
      for (const { record, place } of values) words.set(record.values as Float32Array, place);
    },
    copyOut: ({ size }, place) => {
      copies.out++;
      return words.slice(place, place + size);
    },
    release: () => {},
    flush: () => {},
  });
  /** What a compiled step would do: adds 1 to variables. */
  const run = (...variables: tf.Variable[]): void => {
    shared.enter(variables.map((variable) => ({ variable, written: true })));
    for (const variable of variables) {
      const place = shared.placeOf(variable)!;
      words[place]! += 1;
      words[place + 1]! += 1;
    }
  };
  const make = (place: number, ...values: [number, number]): tf.Variable => {
    const variable = tf.tidy(() => tf.variable(tf.tensor1d(values)));
    shared.put(variable, place);
    return variable;
  };
  return { shared, run, make, copies, words };
}

Deno.test("SharedVariables copies in once and out only when somebody reads", () => {
  const { run, make, copies } = memory();
  const v = make(0, 1, 2);
  for (let i = 0; i < 5; i++) run(v);
  assertEquals(copies, { in: 1, out: 0 });
  assertEquals([...v.dataSync()], [6, 7]);
  assertEquals([...tf.tidy(() => tf.mul(v, 2)).dataSync()], [12, 14]);
  assertEquals(copies, { in: 1, out: 1 });
  run(v);
  assertEquals([...v.dataSync()], [7, 8]);
  v.dispose();
});

Deno.test("SharedVariables keeps clones, and counts of tensors and bytes, as tfjs does", () => {
  const { run, make } = memory();
  const v = make(0, 1, 2);
  const before = tf.memory();
  const first = v.clone();
  run(v);
  const second = v.clone();
  run(v);
  run(v);
  assertEquals([...first.dataSync(), ...second.dataSync(), ...v.dataSync()], [1, 2, 2, 3, 4, 5]);
  tf.dispose([first, second]);
  const after = tf.memory();
  assertEquals([after.numTensors, after.numBytes, after.numDataBuffers], [
    before.numTensors,
    before.numBytes,
    before.numDataBuffers,
  ]);
  v.dispose();
});

Deno.test("SharedVariables sees assignments, of values in another place too", () => {
  const { run, make, copies } = memory();
  const [a, b] = [make(0, 1, 2), make(2, 10, 20)];
  run(a, b);
  tf.tidy(() => a.assign(tf.tensor1d([5, 6])));
  run(a, b);
  assertEquals([...a.dataSync(), ...b.dataSync()], [6, 7, 12, 22]);
  run(a, b);
  tf.tidy(() => {
    const kept = a.clone();
    a.assign(b.clone());
    b.assign(kept);
  });
  run(a, b);
  assertEquals([...a.dataSync(), ...b.dataSync()], [14, 24, 8, 9]);
  assertEquals(copies.in, 5);
  tf.dispose([a, b]);
});

Deno.test("SharedVariables puts values back where a variable leaves or moves", () => {
  const { shared, run, make, words } = memory();
  const v = make(0, 1, 2);
  run(v);
  shared.put(v, 4);
  run(v);
  assertEquals([...words.subarray(4, 6)], [3, 4]);
  shared.leave(v);
  words.fill(0);
  assertEquals([...v.dataSync()], [3, 4]);
  assertEquals(shared.placeOf(v), undefined);
  v.dispose();
});

Deno.test("SharedVariables fetches nothing for data that nobody refers to", () => {
  const { run, make, copies } = memory();
  const v = make(0, 1, 2);
  run(v);
  const dropped = v.clone();
  tf.tidy(() => v.assign(tf.tensor1d([5, 6])));
  dropped.dispose();
  run(v);
  assertEquals(copies, { in: 2, out: 0 });
  v.dispose();
});
