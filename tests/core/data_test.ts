import { assert, assertEquals, assertNotEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  ArrayDataset,
  type Dataset,
  type HostArray,
  type HostBatch,
  leafNames,
  leaves,
  mapNested,
  Model,
  packLike,
  type Shard,
  shardRange,
  StreamDataset,
  type Tensor,
  tf,
  toHostArray,
} from "@stride/stride";
import { sgd } from "@stride/stride/optimizers";
import { withClassWeight } from "../../core/data/class_weight.ts";
import { batchArrays } from "../../core/data/batch_tensors.ts";
import { assertClose, column, filled, valuesOf } from "./helpers.ts";

const WHOLE: Shard = { index: 0, count: 1 };

/** The x values of batches. */
function xs(batches: readonly HostBatch[]): number[][] {
  return batches.map((batch) => [...(batchArrays(batch).x as HostArray).values]);
}

/** All batches of one pass. */
async function pass(data: Dataset, shard: Shard = WHOLE): Promise<number[][]> {
  await using feed = data.open(shard);
  return xs(await feed.next(100));
}

for (
  const [what, input, expected] of [
    ["numbers", [1, 2], { shape: [2], dtype: "float32", values: [1, 2] }],
    ["nested numbers", [[[1], [2]], [[3], [4]]], { shape: [2, 2, 1], dtype: "float32", values: [1, 2, 3, 4] }],
    ["booleans", [[true], [false]], { shape: [2, 1], dtype: "bool", values: [1, 0] }],
    ["a Float32Array", Float32Array.of(1.5), { shape: [1], dtype: "float32", values: [1.5] }],
    ["a Float64Array", Float64Array.of(1.5), { shape: [1], dtype: "float32", values: [1.5] }],
    ["an Int32Array", Int32Array.of(-3), { shape: [1], dtype: "int32", values: [-3] }],
    ["a Uint8Array", Uint8Array.of(255), { shape: [1], dtype: "uint8", values: [255] }],
    ["a tensor", tf.tensor2d([[1, 2]], [1, 2], "int32"), { shape: [1, 2], dtype: "int32", values: [1, 2] }],
  ] as [string, Parameters<typeof toHostArray>[0], { shape: number[]; dtype: string; values: number[] }][]
) {
  Deno.test(`toHostArray() takes ${what}`, async () => {
    const { shape, dtype, values } = await toHostArray(input, "x");
    assertEquals({ shape: [...shape], dtype: dtype as string, values: [...values] }, expected);
  });
}

Deno.test("toHostArray() copies neither typed arrays nor host arrays", async () => {
  const values = Float32Array.of(1, 2);
  assertStrictEquals((await toHostArray(values, "x")).values, values);
  const array = filled([1, 2], 0);
  assertStrictEquals(await toHostArray(array, "x"), array);
});

Deno.test("toHostArray() names what it was given and what it expects", async () => {
  const bad = (input: unknown): Promise<HostArray> => toHostArray(input as HostArray, "y");
  await assertRejects(() => bad("text"), TypeError, "Cannot use y: expected a tensor, typed array, nested array");
  await assertRejects(() => bad(new Int8Array(1)), TypeError, "Int8Array is not supported");
  await assertRejects(() => bad([[1], 2]), TypeError, "ragged");
  await assertRejects(() => bad([1, [2]]), TypeError, "at depth 1");
  const swapped = { shape: [1], dtype: "int32", values: Float32Array.of(1) };
  await assertRejects(() => bad(swapped), TypeError, 'its dtype is "int32", but its values are a Float32Array');
});

Deno.test("shardRange() cuts batches into consecutive parts, larger ones first", () => {
  const parts = (rows: number, count: number): (readonly [number, number])[] =>
    Array.from({ length: count }, (_, index) => shardRange(rows, { index, count }));
  assertEquals(parts(5, 2), [[0, 3], [3, 5]]);
  assertEquals(parts(1, 2), [[0, 1], [1, 1]]);
  assertEquals(parts(7, 3), [[0, 3], [3, 5], [5, 7]]);
  assertEquals(parts(4, 1), [[0, 4]]);
});

Deno.test("ArrayDataset cuts arrays into batches, shares them out, and goes on from a position", async () => {
  const data = new ArrayDataset({ x: column(5) }, 5, { batchSize: 2 });
  assertEquals([data.batches, await pass(data)], [3, [[0, 1], [2, 3], [4]]]);
  assertEquals(await pass(data, { index: 0, count: 2 }), [[0], [2], [4]]);
  assertEquals(await pass(data, { index: 1, count: 2 }), [[1], [3], []]);
  await using feed = data.open(WHOLE, { pass: 0, batch: 1 });
  assertEquals(xs(await feed.next(1)), [[2, 3]]);
  assertEquals(feed.position(), { pass: 0, batch: 2 });
  assertEquals(xs(await feed.next(5)), [[4]]);
  assertEquals(await feed.next(5), []);
  assertEquals([await feed.rewind(), feed.position()], [true, { pass: 1, batch: 0 }]);
  assertEquals(xs(await feed.next(1)), [[0, 1]]);
});

Deno.test("ArrayDataset shuffles each pass by its key, so that a resumed feed sees the same order", async () => {
  const data = new ArrayDataset({ x: column(20) }, 20, { batchSize: 6, shuffle: true, key: [1, 2] });
  await using feed = data.open(WHOLE);
  const first = xs(await feed.next(10));
  await feed.rewind();
  const second = xs(await feed.next(10));
  assertNotEquals(first.flat(), second.flat());
  assertEquals(first.flat().toSorted((a, b) => a - b), second.flat().toSorted((a, b) => a - b));
  await using resumed = data.open(WHOLE, { pass: 1, batch: 2 });
  assertEquals(xs(await resumed.next(10)), second.slice(2));
  const again = new ArrayDataset({ x: column(20) }, 20, { batchSize: 6, shuffle: true, key: [1, 2] });
  assertEquals(await pass(again), first);
});

Deno.test("StreamDataset peeks without using anything up, and opens each pass once", async () => {
  let opened = 0;
  const data = new StreamDataset(() => {
    opened++;
    return batches(3);
  });
  assertEquals(xs([(await data.peek())!, (await data.peek())!]), [[0, 10], [0, 10]]);
  await using feed = data.open(WHOLE);
  assertEquals([xs(await feed.next(2)), opened], [[[0, 10], [1, 11]], 1]);
  assertEquals(feed.position(), { pass: 0, batch: 2 });
  assertEquals(xs(await feed.next(2)), [[2, 12]]);
  assertEquals(await feed.next(2), []);
  assertEquals([await feed.rewind(), opened], [true, 2]);
  assertEquals(xs(await feed.next(1)), [[0, 10]]);
});

Deno.test("StreamDataset shares batches out, and skips to a position", async () => {
  const data = new StreamDataset(() => batches(3));
  assertEquals(await pass(data, { index: 1, count: 2 }), [[10], [11], [12]]);
  await using feed = data.open(WHOLE, { pass: 2, batch: 2 });
  assertEquals(xs(await feed.next(5)), [[2, 12]]);
  assertEquals(feed.position(), { pass: 2, batch: 3 });
});

Deno.test("StreamDataset closes what it opened, when a feed is disposed and when it is released", async () => {
  let closed = 0;
  async function* watched(): AsyncGenerator<{ x: HostArray }> {
    try {
      yield* batches(3);
    } finally {
      closed++;
    }
  }
  const data = new StreamDataset(() => watched());
  {
    await using feed = data.open(WHOLE);
    await feed.next(1);
  }
  assertEquals(closed, 1);
  await data.peek();
  await data.release();
  assertEquals(closed, 2);
});

Deno.test("withClassWeight() weights rows by their class, however classes are written", () => {
  const weights = (y: HostArray): number[] => {
    const { sampleWeight } = withClassWeight({ x: filled([y.shape[0]!, 1], 0), y }, { 0: 2, 2: 0.5 });
    return [...(sampleWeight as HostArray).values];
  };
  const labels = Int32Array.of(0, 1, 2);
  assertEquals(weights({ shape: [3], dtype: "int32", values: labels }), [2, 1, 0.5]);
  assertEquals(weights({ shape: [3, 1], dtype: "int32", values: labels }), [2, 1, 0.5]);
  const oneHot = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
  assertEquals(weights({ shape: [3, 3], dtype: "float32", values: oneHot }), [2, 1, 0.5]);
  assertThrows(() => weights(filled([3, 2, 3], 0)), TypeError, "[3, 2, 3]");
});

Deno.test("a model gets uint8 as int32, or as float32 when it is scaled, and bool as bool", async () => {
  const seen: string[] = [];
  class Watch extends Model {
    override call(x: Tensor): Tensor {
      seen.push(x.dtype);
      return tf.cast(x, "float32");
    }
  }
  const predict = async (x: HostArray | boolean[][]): Promise<number[]> =>
    await valuesOf(await new Watch().predict({ x }, { verbose: 0 }));
  const bytes = { shape: [2, 1], dtype: "uint8" as const, values: Uint8Array.of(0, 255) };
  assertEquals(await predict(bytes), [0, 255]);
  assertEquals(await predict({ ...bytes, scale: 1 / 255 }), [0, 1]);
  assertEquals(await predict([[true], [false]]), [1, 0]);
  assertEquals([...new Set(seen)], ["int32", "float32", "bool"]);
});

Deno.test("a convolution trains on bytes as on floats when a model calls it on uint8 images", async () => {
  class Pixels extends Model {
    #sum = tf.layers.conv2d({ filters: 1, kernelSize: 2, kernelInitializer: "ones", useBias: false });
    override call(x: Tensor): Tensor {
      return tf.reshape(this.apply(this.#sum, x), [-1, 1]);
    }
  }
  const model = new Pixels();
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse" });
  const x = { shape: [1, 2, 2, 1], dtype: "uint8" as const, values: Uint8Array.of(1, 2, 3, 4) };
  const { history } = await model.fit({ x, y: [[8]] }, { verbose: 0 });
  // The sum is 10, the gradient 2 (10 - 8) x.
  assertEquals(history.loss, [4]);
  assertClose(await valuesOf(model.getWeights()[0]!), [0.96, 0.92, 0.88, 0.84], 1e-6);
});

Deno.test("leaves(), leafNames(), mapNested() and packLike() tell lists, names and host arrays apart", () => {
  const array = filled([1], 0);
  assertEquals([leaves(array), leafNames(array)], [[array], undefined]);
  assertEquals([leaves({ b: 1, a: 2 }), leafNames({ b: 1, a: 2 })], [[1, 2], ["b", "a"]]);
  assertEquals(mapNested([1, 2], (leaf, index) => leaf * 10 + index), [10, 21]);
  assertEquals(packLike({ b: 1, a: 2 }, ["x", "y"]), { b: "x", a: "y" });
  assert(mapNested(array, () => 7) === 7);
});

/** Batches of two rows: `[i, 10 + i]`. */
async function* batches(count: number): AsyncGenerator<{ x: HostArray }> {
  for (let i = 0; i < count; i++) yield { x: { shape: [2, 1], dtype: "float32", values: Float32Array.of(i, 10 + i) } };
}
