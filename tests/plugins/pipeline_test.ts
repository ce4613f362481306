import { assert, assertEquals, assertGreater, assertLessOrEqual, assertRejects, assertThrows } from "@std/assert";
import type { Batch, Dataset, HostArray, Position, Shard } from "../../core/batch.ts";
import { batchArrays } from "../../core/data/batch_tensors.ts";
import { Model } from "../../mod.ts";
import { leaves } from "../../core/nested.ts";
import { foldIn, permutation, setRandomSeed, uniformValues } from "../../core/random.ts";
import { tf } from "../../core/tf.ts";
import { type Batches, dataset, type Samples, zip } from "../../plugins/data/pipeline/mod.ts";

const WHOLE: Shard = { index: 0, count: 1 };

/** The values of the first input, batch by batch. */
async function inputs(data: Dataset, from?: Position, passes = 1): Promise<number[][]> {
  const found: number[][] = [];
  await using feed = data.open(WHOLE, from);
  for (let pass = 0; pass < passes; pass++) {
    if (pass > 0 && !await feed.rewind()) break;
    for (const batch of await feed.next(1000)) found.push([...firstInput(batch).values]);
  }
  return found;
}

function firstInput(batch: Batch): HostArray {
  return leaves(batchArrays(batch).x)[0]!;
}

function counting(count: number): { x: Float32Array; y: Int32Array } {
  return {
    x: Float32Array.from({ length: count }, (_, i) => i),
    y: Int32Array.from({ length: count }, (_, i) => 10 * i),
  };
}

Deno.test("dataset() cuts arrays into batches of rows that executors may keep", async () => {
  const data = dataset({ x: [[1, 2], [3, 4], [5, 6]], y: [0, 1, 0] }).batch(2);
  assertEquals(data.batches, 2);
  await using feed = data.open(WHOLE);
  const [first, last] = await feed.next(5);
  assert(first!.source !== undefined && first!.source === last!.source);
  assertEquals(batchArrays(last!), {
    x: { shape: [1, 2], dtype: "float32", values: new Float32Array([5, 6]) },
    y: { shape: [1], dtype: "float32", values: new Float32Array([0]) },
  });
  assertEquals(await feed.next(1), []);
  assertEquals(feed.position(), { pass: 0, batch: 2 });
});

Deno.test("dataset() reads lists, typed arrays, iterables, generators, functions and streams", async () => {
  const endless = function* () {
    for (let i = 0;; i++) yield i;
  };
  const expected = [[0, 1], [2]];
  for (
    const source of [
      [0, 1, 2],
      new Uint8Array([0, 1, 2]),
      new Set([0, 1, 2]),
      () => [0, 1, 2],
      ReadableStream.from([0, 1, 2]),
    ]
  ) {
    assertEquals(await inputs(dataset<number>(source).batch(2)), expected);
  }
  assertEquals(await inputs(dataset(endless()).take(3).batch(2)), expected);
  assertEquals(dataset([0, 1, 2]).size, 3);
  assertEquals(dataset(() => [0, 1, 2]).size, undefined);
  assertThrows(() => dataset(3 as unknown as number[]), TypeError, "Cannot read a data set from the number 3");
});

Deno.test("dataset() ends after one pass when its iterable can be read once, whether peeked at or not", async () => {
  const generator = function* () {
    yield* [0, 1, 2, 3];
  };
  for (const source of [() => generator(), () => ReadableStream.from([0, 1, 2, 3])]) {
    const data = dataset<number>(source()).batch(2);
    assertEquals((await data.peek())?.rows, 2);
    assertEquals((await data.peek())?.rows, 2);
    assertEquals(await inputs(data, { pass: 0, batch: 1 }, 3), [[2, 3]]);
    assertEquals(await inputs(dataset<number>(source()).batch(2), undefined, 3), [[0, 1], [2, 3]]);
  }
});

Deno.test("dataset() refuses arrays that do not fit together before anything is computed", async () => {
  await assertRejects(
    () => dataset({ x: new Float32Array(4), y: new Float32Array(3) }).batch(2).peek(),
    RangeError,
    "x has 4 samples; y has 3 samples",
  );
});

Deno.test("Samples.map() computes in order, tells index and pass, and leaves out what is skipped", async () => {
  const calls: string[] = [];
  const data = dataset(counting(6)).map(({ x, y }, { index, pass }) => {
    calls.push(`${pass}:${index}`);
    return { x: x.values[0]! * 2, y };
  }).skip(1).batch(2);
  assertEquals(await inputs(data, { pass: 1, batch: 1 }), [[6, 8], [10]]);
  assertEquals(calls, ["1:3", "1:4", "1:5"]);
});

Deno.test("Samples.map() names the element when the function throws", async () => {
  const data = dataset([5, 6, 7]).shuffle(3, { seed: 4 }).map((value) => {
    if (value === 7) throw new RangeError("too large");
    return value;
  }).batch(1);
  const order = permutationOf(await inputs(dataset([5, 6, 7]).shuffle(3, { seed: 4 }).batch(1)));
  const error = await assertRejects(
    () => inputs(data),
    Error,
    `Cannot map element ${order.indexOf(7)} (number 2 in the source) of pass 0: too large`,
  );
  assert(error.cause instanceof RangeError);
});

function permutationOf(batches: readonly number[][]): number[] {
  return batches.flat();
}

Deno.test("Samples.map() runs at most `parallel` calls at a time and keeps the order", async () => {
  let running = 0;
  let most = 0;
  const data = dataset([30, 5, 20, 1, 10, 2, 8]).map(async (value) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, value / 4));
    running--;
    return value;
  }, { parallel: 3 }).batch(2);
  assertEquals(await inputs(data), [[30, 5], [20, 1], [10, 2], [8]]);
  assertEquals([most, running], [3, 0]);
});

Deno.test("Samples.map() reads and disposes tensors that the function returns", async () => {
  const before = tf.memory().numTensors;
  const data = dataset([1, 2, 3]).map((value) => ({ x: tf.fill([2], value), y: [value] })).map(({ x, y }) => {
    // What comes next is typed as a HostArray.
    const array: HostArray = x;
    return { x: array, y };
  }).batch(3);
  await using feed = data.open(WHOLE);
  const [batch] = await feed.next(1);
  assertEquals(firstInput(batch!), { shape: [3, 2], dtype: "float32", values: new Float32Array([1, 1, 2, 2, 3, 3]) });
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("MapContext.key differs by element and pass, and is the same again from any position", async () => {
  const noisy = () => dataset([1, 2, 3, 4]).map((_, { key }) => uniformValues(key, 2), { seed: 7 }).batch(1);
  const all = await inputs(noisy(), undefined, 2);
  assertEquals(new Set(all.map(String)).size, 8);
  assertEquals(await inputs(noisy(), { pass: 1, batch: 2 }), all.slice(6));
});

Deno.test("Samples.shuffle() gives every sample once, each pass in another order", async () => {
  const passes = await inputs(dataset(counting(50)).shuffle(Infinity, { seed: 3 }).batch(50), undefined, 2);
  const sorted = (values: number[]): number[] => values.toSorted((a, b) => a - b);
  assertEquals(passes.map(sorted), [sorted(passes[0]!), Array.from({ length: 50 }, (_, i) => i)]);
  assert(String(passes[0]) !== String(passes[1]));
  const fixed = dataset(counting(50)).shuffle(Infinity, { seed: 3, reshuffle: false }).batch(50);
  assertEquals(await inputs(fixed, undefined, 2), [passes[0]!, passes[0]!]);
});

Deno.test("Samples.shuffle() draws from the next bufferSize samples, all positions as likely", async () => {
  const [order] = await inputs(dataset(counting(100)).shuffle(10, { seed: 1 }).batch(100));
  // The sample drawn n-th was among the first n + 10.
  order!.forEach((sample, n) => assertLessOrEqual(sample, n + 9));
  // With a full buffer: chi-squared of where sample 0 comes, 4 degrees of freedom; 18.5 is exceeded once in 1000.
  const places = [0, 0, 0, 0, 0];
  const data = dataset(counting(5)).shuffle(Infinity, { seed: 2 }).batch(5);
  for (const pass of await inputs(data, undefined, 500)) places[pass.indexOf(0)]!++;
  assertLessOrEqual(places.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0), 18.5);
});

Deno.test("Samples.shuffle() follows setRandomSeed() when it has no seed of its own", async () => {
  const shuffled = () => inputs(dataset(counting(20)).shuffle().batch(20));
  try {
    setRandomSeed(5);
    const first = await shuffled();
    const second = await shuffled();
    setRandomSeed(5);
    assertEquals(await shuffled(), first);
    assert(String(second) !== String(first));
  } finally {
    setRandomSeed(null);
  }
  assertThrows(() => dataset([1]).shuffle(3, { seed: 0.5 }), RangeError, "seed is 0.5");
});

Deno.test("take(), skip(), repeat() and batch() know how many batches there are", () => {
  const data = dataset(counting(10));
  assertEquals(data.skip(3).size, 7);
  assertEquals(data.take(30).size, 10);
  assertEquals(data.repeat(3).batch(4).batches, 8);
  assertEquals(data.repeat(3).batch(4, { dropRemainder: true }).batches, 7);
  assertEquals(data.repeat().batch(4).batches, Infinity);
  assertEquals(data.repeat().take(6).batch(4).repeat(2).take(3).batches, 3);
  assertEquals(dataset(() => [1]).repeat().size, Infinity);
  assertEquals(dataset(() => [1]).batch(2).batches, undefined);
  assertEquals(zip({ x: data, y: dataset([1, 2]) }).size, 2);
});

Deno.test("operators refuse counts that are none", () => {
  const data = dataset([1]);
  assertThrows(() => data.batch(0), RangeError, "the batch size is 0; expected an integer of at least 1");
  assertThrows(() => data.take(1.5), RangeError, "take is 1.5");
  assertThrows(() => data.skip(-1), RangeError, "skip is -1");
  assertThrows(() => data.repeat(NaN), RangeError, "passes is NaN");
  assertThrows(() => data.prefetch(0), RangeError, "ahead is 0");
  assertThrows(() => data.shuffle(0), RangeError, "shuffle in is 0");
  assertThrows(() => data.map((value) => value, { parallel: 0 }), RangeError, "parallel is 0");
});

Deno.test("repeat() ends when there is nothing, and says so when data can be read once", async () => {
  assertEquals(await inputs(dataset([] as number[]).repeat().batch(2)), []);
  assertEquals(await inputs(dataset(() => [] as number[]).repeat().batch(2)), []);
  const generator = function* () {
    yield 1;
  };
  await assertRejects(() => inputs(dataset(generator()).repeat(2).batch(2)), TypeError, "can be read only once");
  assertEquals(await inputs(dataset(generator()).cache().repeat(2).batch(2)), [[1, 1]]);
});

Deno.test("cache() reads and computes each element once, even when a pass stops early", async () => {
  let read = 0;
  let computed = 0;
  const source = function* () {
    for (let i = 0; i < 6; i++) {
      read++;
      yield i;
    }
  };
  const data = dataset(source).map((value) => {
    computed++;
    return value;
  }).cache().batch(2);
  {
    await using feed = data.open(WHOLE);
    await feed.next(1);
  }
  assertEquals(await inputs(data, undefined, 3), Array(3).fill([[0, 1], [2, 3], [4, 5]]).flat());
  // The second reading passes over the two that are there already.
  assertEquals([read, computed], [2 + 6, 6]);
});

Deno.test("cache() computes an element again after it failed, and shares what it has among feeds", async () => {
  let calls = 0;
  const data = dataset([1, 2, 3]).map((value) => {
    if (++calls === 2) throw new Error("network");
    return value;
  }).cache().batch(1);
  await assertRejects(() => inputs(data), Error, "network");
  assertEquals(await Promise.all([inputs(data), inputs(data)]), [[[1], [2], [3]], [[1], [2], [3]]]);
  assertEquals(calls, 4);
});

Deno.test("prefetch() reads ahead in the background, never more than asked", async () => {
  let computed = 0;
  const data = dataset(counting(20)).map(({ x }) => {
    computed++;
    return x;
  }).batch(2).prefetch(3);
  await using feed = data.open(WHOLE);
  assertEquals((await feed.next(1)).length, 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(computed, 2 * (1 + 3));
  assertEquals(feed.position(), { pass: 0, batch: 1 });
});

Deno.test("prefetch() throws where the element would have come, and closes the source", async () => {
  let closed = 0;
  const source = async function* () {
    try {
      for (let i = 0;; i++) {
        if (i === 5) throw new Error("disk");
        yield await Promise.resolve(i);
      }
    } finally {
      closed++;
    }
  };
  await using feed = dataset(source).batch(2).prefetch(4).open(WHOLE);
  assertEquals((await feed.next(2)).map(firstInput).map(({ values }) => [...values]), [[0, 1], [2, 3]]);
  await assertRejects(() => feed.next(1), Error, "disk");
  assertEquals(await feed.next(1), []);
  assertEquals(closed, 1);
});

Deno.test("feeds close their iterators when they stop early, are rewound or are never read", async () => {
  let opened = 0;
  let closed = 0;
  const source = async function* () {
    opened++;
    try {
      for (let i = 0;; i++) yield await Promise.resolve(i);
    } finally {
      closed++;
    }
  };
  const data = zip({
    x: dataset(source).map((v) => v, { parallel: 2 }).shuffle(4).repeat(2),
    y: dataset(source).cache(),
  })
    .prefetch(3).batch(2).prefetch(2);
  {
    await using feed = data.open(WHOLE);
    await feed.next(2);
    await feed.rewind();
    await feed.next(1);
    assertEquals([opened, closed], [4, 2]);
  }
  assertEquals([opened, closed], [4, 4]);
  await data.peek();
  await data.release();
  assertEquals([opened, closed], [6, 6]);
  await data.peek();
  await data.open(WHOLE)[Symbol.asyncDispose]();
  assertEquals([opened, closed], [8, 8]);
});

Deno.test("zip() puts data sets side by side up to the shortest", async () => {
  const data = zip({ x: zip({ a: dataset([1, 2, 3]), b: dataset(() => [[4], [5], [6]]) }), y: dataset([7, 8]) }).batch(
    5,
  );
  const batch = await data.peek();
  assertEquals(batchArrays(batch!), {
    x: {
      a: { shape: [2], dtype: "float32", values: new Float32Array([1, 2]) },
      b: { shape: [2, 1], dtype: "float32", values: new Float32Array([4, 5]) },
    },
    y: { shape: [2], dtype: "float32", values: new Float32Array([7, 8]) },
  });
  await data.release();
  assertThrows(() => zip({}), TypeError, "there are no data sets");
});

Deno.test("batch() keeps types, scales and groups", async () => {
  const image = { shape: [2], dtype: "uint8", values: new Uint8Array([0, 255]), scale: 1 / 255 } as const;
  const data = dataset([0, 1]).map((i) => ({
    x: [image, new Int32Array([i])],
    y: { flag: i === 1, value: [[i]] },
    sampleWeight: i + 1,
  })).batch(2);
  await using feed = data.open(WHOLE);
  assertEquals(batchArrays((await feed.next(1))[0]!), {
    x: [
      { shape: [2, 2], dtype: "uint8", values: new Uint8Array([0, 255, 0, 255]), scale: 1 / 255 },
      { shape: [2, 1], dtype: "int32", values: new Int32Array([0, 1]) },
    ],
    y: {
      flag: { shape: [2], dtype: "bool", values: new Uint8Array([0, 1]) },
      value: { shape: [2, 1, 1], dtype: "float32", values: new Float32Array([0, 1]) },
    },
    sampleWeight: { shape: [2], dtype: "float32", values: new Float32Array([1, 2]) },
  });
});

Deno.test("batch() names the sample that differs, what it is and what is expected", async () => {
  const bad: [readonly unknown[], string][] = [
    [
      [{ x: [1, 2], y: 0 }, { x: [1, 2, 3], y: 0 }],
      "Cannot put sample 1 (number 1 in the source) into a batch: x is float32 [3]; expected float32 [2], as in sample 0",
    ],
    [[new Int32Array(2), new Float32Array(2)], "x is float32 [2]; expected int32 [2]"],
    [[{ x: 1, y: 1 }, { x: 1 }], "it has x; expected x, y"],
    [[{ x: { a: 1 } }, { x: { b: 1 } }], "it has x.b; expected x.a"],
    [[{ x: 1 }, { x: "one" }], 'Cannot use x of sample 1 (number 1 in the source): found the string "one"'],
    [[{ x: 1, z: 2 }], "unknown z; expected { x, y, sampleWeight }"],
    [[{ x: {} }], "it has no inputs x"],
    [[[[1, 2], [3]]], "ragged"],
  ];
  for (const [samples, message] of bad) {
    await assertRejects(() => inputs(dataset(samples).batch(2)), TypeError, message);
  }
});

Deno.test("Batches.map() and asBatches() take batches of any size and check them", async () => {
  const data = dataset(counting(5)).batch(2).map(({ x, y }) => ({
    x: x.values.map((v) => v + 1).subarray(0, 1),
    y: [[y.values[0]!]],
  }));
  assertEquals(await inputs(data), [[1], [3], [5]]);
  const given = dataset(() => [{ x: [[1, 2]], y: [0] }, { x: tf.ones([3, 2]), y: [1, 2, 3] }]).asBatches();
  await using feed = given.open(WHOLE);
  assertEquals((await feed.next(3)).map(({ rows }) => rows), [1, 3]);
  await assertRejects(
    () => inputs(dataset([{ x: [1, 2], y: [1] }]).asBatches()),
    Error,
    "Cannot map element 0 (number 0 in the source) of pass 0: Data cardinality is ambiguous",
  );
});

Deno.test("Batches can be iterated over, again and again, and stops reading where the loop stops", async () => {
  let closed = 0;
  const data = dataset(function* () {
    try {
      yield* [1, 2, 3, 4, 5];
    } finally {
      closed++;
    }
  }).batch(2).prefetch(2);
  for (let i = 0; i < 2; i++) {
    for await (const { x } of data) {
      assertEquals([...x.values], [1, 2]);
      break;
    }
  }
  assertEquals(closed, 2);
});

Deno.test("open() gives each replica its part of every batch, larger parts first", async () => {
  const arrays = dataset(counting(8)).batch(5);
  const mapped = dataset(counting(8)).map(({ x, y }) => ({ x, y })).batch(5);
  for (const data of [arrays, mapped]) {
    const parts = [];
    for (let index = 0; index < 4; index++) {
      await using feed = data.open({ index, count: 4 });
      parts.push((await feed.next(3)).map((batch) => [batch.rows, batch.globalRows, ...firstInput(batch).values]));
    }
    assertEquals(parts, [
      [[2, 5, 0, 1], [1, 3, 5]],
      [[1, 5, 2], [1, 3, 6]],
      [[1, 5, 3], [1, 3, 7]],
      [[1, 5, 4], [0, 3]],
    ]);
  }
});

Deno.test("fit() trains the same on a pipeline as on the arrays it is made of", async () => {
  const x = tf.randomUniform([24, 3], 0, 1, "float32", 1).arraySync() as number[][];
  const y = x.map(([a, b, c]) => [a! + 2 * b! - c!]);
  const train = async (pipeline: boolean): Promise<unknown> => {
    setRandomSeed(1);
    const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] }));
    model.compile({ optimizer: "sgd", loss: "mse" });
    const data = dataset({ x, y }).map((sample) => sample).batch(7).prefetch(2);
    const options = { epochs: 3, verbose: 0 } as const;
    const history =
      await (pipeline ? model.fit(data, options) : model.fit({ x, y }, { ...options, batchSize: 7, shuffle: false }));
    return history.history;
  };
  try {
    assertEquals(await train(true), await train(false));
  } finally {
    setRandomSeed(null);
  }
});

/** A source of a kind: each gives between 5 and 12 samples. */
function randomSource(random: (choices: number) => number): Samples<unknown> {
  const count = 5 + random(8);
  switch (random(4)) {
    case 0:
      return dataset(counting(count));
    case 1:
      return dataset(Array.from({ length: count }, (_, i) => i));
    case 2:
      return dataset(() => Array.from({ length: count }, (_, i) => i));
    default:
      return dataset(async function* (pass) {
        for (let i = 0; i < count; i++) yield await Promise.resolve(100 * pass + i);
      });
  }
}

type Both = Samples<unknown> | Batches;

/** Operators that samples and batches have in common. */
function randomOperator(data: Both, random: (choices: number) => number): Both {
  switch (random(7)) {
    case 0:
      return data.take(1 + random(9));
    case 1:
      return data.skip(random(3));
    case 2:
      return data.repeat(1 + random(3));
    case 3:
      return data.repeat().take(1 + random(20));
    case 4:
      return data.cache();
    case 5:
      return data.prefetch(1 + random(4));
    default:
      return data;
  }
}

/** A pipeline that is the same again for the same number, as in another process. */
function randomPipeline(number: number): { readonly data: Batches; readonly text: string } {
  const order = permutation(foldIn([number, 1], 0), 64);
  let drawn = 0;
  const text: number[] = [];
  const random = (choices: number): number => {
    const value = order[drawn++ % 64]! % choices;
    text.push(value);
    return value;
  };
  let samples: Samples<unknown> = randomSource(random);
  for (let i = random(5); i > 0; i--) {
    const kind = random(4);
    if (kind === 0) samples = samples.shuffle(1 + random(8), { seed: random(50) });
    else if (kind === 1) {
      // Depends on everything a function may depend on.
      samples = samples.map((element, { index, pass, key }) => ({
        x: [numberOf(element), index, pass, uniformValues(key, 1)[0]!],
      }), { parallel: 1 + random(3), seed: 9 });
    } else samples = randomOperator(samples, random) as Samples<unknown>;
  }
  let data: Batches = samples.batch(1 + random(4), { dropRemainder: random(3) === 0 }) as Batches;
  for (let i = random(4); i > 0; i--) {
    data = random(3) === 0
      ? data.map(({ x }, { index, pass, key }) => ({
        x: [[...(leaves(x)[0] as HostArray).values, index, pass, uniformValues(key, 1)[0]!]],
      }), { parallel: 1 + random(3), seed: 11 }) as Batches
      : randomOperator(data, random) as Batches;
  }
  return { data, text: `pipeline ${number}: ${text.join(" ")}` };
}

function numberOf(element: unknown): number {
  if (typeof element === "number") return element;
  const x = (element as { x: unknown }).x;
  return Array.isArray(x) ? x[0] as number : (x as HostArray).values[0]!;
}

Deno.test("open() goes on from any position exactly, for random pipelines", async () => {
  const PASSES = 3;
  let positions = 0;
  for (let number = 0; number < 150; number++) {
    const read = async (data: Dataset, from: Position): Promise<string[]> => {
      const found: string[] = [];
      await using feed = data.open(WHOLE, from);
      for (let pass = from.pass; pass < PASSES; pass++) {
        if (pass > from.pass) assert(await feed.rewind());
        while (true) {
          const { pass: p, batch: b } = feed.position();
          const [batch] = await feed.next(1);
          if (batch === undefined) break;
          found.push(
            `${p}/${b} ${
              JSON.stringify([batch.rows, ...leaves(batchArrays(batch).x).map(({ values }) => [...values])])
            }`,
          );
        }
      }
      return found;
    };
    const { data, text } = randomPipeline(number);
    const all = await read(data, { pass: 0, batch: 0 });
    if (data.batches !== undefined) assertEquals(all.length, data.batches * PASSES, text);
    const from = (position: Position): string[] =>
      all.slice(all.findIndex((line) => line.startsWith(`${position.pass}/${position.batch} `)));
    for (let at = number % 3; at < all.length; at += 1 + Math.floor(all.length / 7)) {
      const [pass, batch] = all[at]!.split(" ")[0]!.split("/").map(Number) as [number, number];
      // As in another process; in the same one; and after peeking.
      const fresh = randomPipeline(number).data;
      assertEquals(await read(fresh, { pass, batch }), from({ pass, batch }), text);
      assertEquals(await read(data, { pass, batch }), from({ pass, batch }), text);
      await data.peek();
      assertEquals(await read(data, { pass, batch }), from({ pass, batch }), text);
      positions++;
    }
  }
  assertGreater(positions, 500);
});
