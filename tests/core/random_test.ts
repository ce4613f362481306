import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  foldIn,
  hostRandomSource,
  randomNormal,
  randomUniform,
  setRandomSeed,
  tf,
  threefry,
  withRandomSource,
} from "@stride/stride";
import { normalValues, Permutation, permutation, uniformValues } from "../../core/random.ts";
import { valuesOf } from "./helpers.ts";

// Known answers of Random123's kat_vectors for threefry2x32 with 20 rounds.
for (
  const [counter, key, expected] of [
    [[0, 0], [0, 0], [0x6b200159, 0x99ba4efe]],
    [[0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], [0x1cb996fc, 0xbb002be7]],
    [[0x243f6a88, 0x85a308d3], [0x13198a2e, 0x03707344], [0xc4923a9c, 0x483df7a0]],
  ] as [[number, number], [number, number], [number, number]][]
) {
  Deno.test(`threefry() gives Random123's answer for counter ${counter}`, () => {
    assertEquals(threefry(key, ...counter), expected);
  });
}

Deno.test("uniformValues() lie in [0, 1), with mean 1/2 and variance 1/12", () => {
  const values = uniformValues([1, 2], 20_001);
  assertEquals(values.length, 20_001);
  assert(values.every((value) => value >= 0 && value < 1));
  const [mean, variance] = moments(values);
  // Standard errors are 0.002 and 0.0005.
  assertAlmostEquals(mean, 0.5, 0.008);
  assertAlmostEquals(variance, 1 / 12, 0.002);
});

Deno.test("normalValues() have mean 0, variance 1 and the normal's tails", () => {
  const values = normalValues([1, 2], 20_001);
  const [mean, variance] = moments(values);
  assertAlmostEquals(mean, 0, 0.03);
  assertAlmostEquals(variance, 1, 0.04);
  assertAlmostEquals(values.filter((value) => Math.abs(value) > 1.96).length / values.length, 0.05, 0.006);
  assert(values.every(Number.isFinite));
});

Deno.test("uniformValues() are a prefix of more of them, and differ between keys", () => {
  assertEquals([...uniformValues([3, 4], 5)], [...uniformValues([3, 4], 9)].slice(0, 5));
  assertNotEquals([...uniformValues([3, 4], 5)], [...uniformValues([3, 5], 5)]);
  assertNotEquals(foldIn([3, 4], 0), foldIn([3, 4], 1));
  assertNotEquals(foldIn([3, 4], 1), foldIn([3, 4], 1 + 2 ** 32));
});

Deno.test("Permutation.upTo() gives the same numbers in parts, whatever is drawn in between", () => {
  const parts = new Permutation([3, 4], 101);
  for (const end of [1, 2, 2, 33, 34, 101]) {
    parts.upTo(end);
    uniformValues([end, 1], 3);
  }
  assertEquals(parts.order, permutation([3, 4], 101));
});

Deno.test("permutation() holds each number once, every position equally often", () => {
  const counts = new Array(5).fill(0);
  for (let run = 0; run < 2000; run++) {
    const order = permutation(foldIn([9, 9], run), 5);
    assertEquals([...order].sort(), [0, 1, 2, 3, 4]);
    counts[order[0]!]++;
  }
  // 400 each, with a standard deviation of 18.
  for (const count of counts) assertAlmostEquals(count, 400, 80);
  assertEquals([...permutation([1, 1], 0)], []);
});

Deno.test("withRandomSource() gives tfjs's own random ops a stream each, the same for the same key", async () => {
  const draw = (key: [number, number]): Promise<number[]> =>
    withRandomSource(hostRandomSource(key), async () => {
      const tensors = [tf.randomNormal([3]), tf.randomUniform([3]), randomUniform([3]), randomNormal([3])];
      return (await Promise.all(tensors.map(valuesOf))).flat();
    });
  const first = await draw([1, 2]);
  assertEquals(new Set(first).size, 12);
  assertEquals(await draw([1, 2]), first);
  assertNotEquals(await draw([1, 3]), first);
});

Deno.test("withRandomSource() puts Math.random back when its body throws", () => {
  const own = Math.random;
  assertThrows(() =>
    withRandomSource(hostRandomSource([0, 0]), () => {
      throw new Error("body");
    })
  );
  assert(Math.random === own);
});

Deno.test("setRandomSeed() seeds Math.random too, until it is given null", () => {
  const own = Math.random;
  const draw = (seed: number): number[] => {
    setRandomSeed(seed);
    return Array.from({ length: 100 }, Math.random);
  };
  try {
    const values = draw(1);
    assert(values.every((value) => value >= 0 && value < 1));
    assertAlmostEquals(moments(values)[0], 0.5, 0.12);
    assertEquals(draw(1), values);
    assertNotEquals(draw(2), values);
    assertNotEquals(draw(-1), draw(1));
    for (const seed of [0.5, NaN, Infinity]) assertThrows(() => setRandomSeed(seed), RangeError, "expected an integer");
  } finally {
    setRandomSeed(null);
  }
  assert(Math.random === own);
});

function moments(values: ArrayLike<number>): [number, number] {
  const list = Array.from(values);
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  return [mean, list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length];
}
