/** Forward kernels that Stride corrects on the CPU, against plain JavaScript. */
import { assertEquals, assertThrows } from "@std/assert";
import { type Tensor, tf } from "@stride/stride/core";
import { cpu } from "@stride/stride/devices";

await cpu().open();
cpu().activate();

const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const range = (shape: number[], dtype: "float32" | "int32" | "bool" = "float32"): Tensor =>
  tf.tensor(Array.from({ length: count(shape) }, (_, index) => dtype === "bool" ? index % 2 : index), shape, dtype);

Deno.test("tf.tensorScatterUpdate() leaves its input as it was when it is a variable", () => {
  const held = tf.memory().numTensors;
  for (const dtype of ["float32", "int32"] as const) {
    const variable = tf.tidy(() => tf.variable(range([3, 2], dtype)));
    const indices = tf.tensor2d([[2], [0]], [2, 1], "int32");
    const updates = tf.tensor2d([[10, 11], [20, 21]], [2, 2], dtype);
    const updated = tf.tensorScatterUpdate(variable, indices, updates);
    assertEquals([...updated.dataSync()], [20, 21, 2, 3, 10, 11]);
    assertEquals([...variable.dataSync()], [0, 1, 2, 3, 4, 5]);
    assertEquals(updated.dtype, dtype);
    const buffers = tf.memory().numDataBuffers;
    tf.dispose(tf.tensorScatterUpdate(variable, indices, updates));
    assertEquals(tf.memory().numDataBuffers, buffers);
    tf.dispose([variable, indices, updates, updated]);
  }
  assertEquals(tf.memory().numTensors, held);
});

interface Slice {
  readonly name: string;
  readonly shape: number[];
  readonly begin: number[];
  readonly end: number[];
  readonly strides: number[];
  /** beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask. */
  readonly masks?: readonly number[];
  /** What Python's indexing gives: positions along every axis of the input. */
  readonly positions: readonly (readonly number[])[];
  readonly result: number[];
}

const SLICES: readonly Slice[] = [
  {
    name: "x[1, ::2]",
    shape: [3, 5],
    begin: [1, 0],
    end: [2, 5],
    strides: [1, 2],
    masks: [0, 0, 0, 0, 1],
    positions: [[1], [0, 2, 4]],
    result: [3],
  },
  {
    name: "x[::2, 1, 3:0:-2]",
    shape: [4, 3, 5],
    begin: [0, 1, 3],
    end: [4, 2, 0],
    strides: [2, 1, -2],
    masks: [0, 0, 0, 0, 2],
    positions: [[0, 2], [1], [3, 1]],
    result: [2, 2],
  },
  {
    name: "x[-1, ..., ::3]",
    shape: [2, 3, 2, 5],
    begin: [-1, 0, 0],
    end: [0, 0, 5],
    strides: [1, 1, 3],
    masks: [0, 0, 2, 0, 1],
    positions: [[1], [0, 1, 2], [0, 1], [0, 3]],
    result: [3, 2, 2],
  },
  {
    name: "x[::2, newaxis, 1::2]",
    shape: [3, 4],
    begin: [0, 0, 1],
    end: [3, 0, 4],
    strides: [2, 1, 2],
    masks: [0, 0, 0, 2, 0],
    positions: [[0, 2], [1, 3]],
    result: [2, 1, 2],
  },
  {
    name: "x[::-1, ::-2]",
    shape: [3, 4],
    begin: [0, 0],
    end: [0, 0],
    strides: [-1, -2],
    masks: [3, 3, 0, 0, 0],
    positions: [[2, 1, 0], [3, 1]],
    result: [3, 2],
  },
  { name: "x[2:2:2]", shape: [5], begin: [2], end: [2], strides: [2], positions: [[]], result: [0] },
  { name: "x[1:3]", shape: [4, 2], begin: [1], end: [3], strides: [1], positions: [[1, 2], [0, 1]], result: [2, 2] },
];

for (const { name, shape, begin, end, strides, masks = [], positions, result } of SLICES) {
  Deno.test(`tf.stridedSlice() reads the right elements when it is ${name}`, () => {
    for (const dtype of ["float32", "int32", "bool"] as const) {
      const x = range(shape, dtype);
      const sliced = tf.stridedSlice(x, begin, end, strides, ...masks);
      let flat = [0];
      positions.forEach((along, axis) => flat = flat.flatMap((at) => along.map((index) => at * shape[axis]! + index)));
      const values = x.dataSync();
      assertEquals([sliced.shape, sliced.dtype, [...sliced.dataSync()]], [
        result,
        dtype,
        flat.map((at) => values[at]!),
      ]);
    }
  });
}

/** Einsum by its definition. */
function einsum(equation: string, operands: readonly Tensor[]): number[] {
  const [left, right] = equation.split("->") as [string, string];
  const terms = left.split(",");
  const sizes = new Map<string, number>();
  terms.forEach((term, index) => [...term].forEach((letter, axis) => sizes.set(letter, operands[index]!.shape[axis]!)));
  const letters = [...sizes.keys()];
  const values = operands.map((operand) => operand.dataSync());
  const result: number[] = Array(count([...right].map((letter) => sizes.get(letter)!))).fill(0);
  const offset = (term: string, at: Map<string, number>) =>
    [...term].reduce((sum, letter) => sum * sizes.get(letter)! + at.get(letter)!, 0);
  const visit = (depth: number, at: Map<string, number>): void => {
    if (depth === letters.length) {
      const product = terms.reduce((factor, term, index) => factor * values[index]![offset(term, at)]!, 1);
      result[offset(right, at)]! += product;
      return;
    }
    for (let index = 0; index < sizes.get(letters[depth]!)!; index++) {
      visit(depth + 1, at.set(letters[depth]!, index));
    }
  };
  visit(0, new Map());
  return result;
}

const SIZES: Readonly<Record<string, number>> = { i: 2, j: 3, k: 4, l: 2 };

for (
  const equation of [
    "k,ij->ki",
    "ij,k->ik",
    "ij,k->jki",
    "k,ij->k",
    "ij,jk->k",
    "ij,kj->i",
    "ij,kl->jk",
    "i,jk->",
    "i,jl->ij",
    "ij,jk->ik",
    "ij,ij->",
    "i,j->ji",
    "ijk->ki",
    "lij,jk->lik",
  ]
) {
  Deno.test(`tf.einsum() sums what its definition says when it is ${equation}`, () => {
    for (const dtype of ["float32", "int32"] as const) {
      const [left, right] = equation.split("->") as [string, string];
      const shapeOf = (term: string) => [...term].map((letter) => SIZES[letter]!);
      const operands = left.split(",").map((term) => range(shapeOf(term), dtype));
      const held = tf.memory();
      const result = tf.einsum(equation, ...operands);
      assertEquals([result.shape, result.dtype, [...result.dataSync()]], [
        shapeOf(right),
        dtype,
        einsum(equation, operands),
      ]);
      result.dispose();
      const { numTensors, numDataBuffers } = tf.memory();
      assertEquals([numTensors, numDataBuffers], [held.numTensors, held.numDataBuffers]);
    }
  });
}

Deno.test("tf.einsum() names the size that does not fit when an operand has no summed letter", () => {
  assertThrows(() => tf.einsum("ki,ij->k", tf.ones([4, 3]), tf.ones([2, 3])), Error, "Expected dimension");
});

for (
  const [a, b] of [
    [[2, 1, 2, 3], [1, 3, 3, 2]],
    [[2, 1, 2, 3], [2, 3, 3, 2]],
    [[3, 2, 3], [2, 1, 3, 2]],
    [[3, 2, 3], [2, 3, 3, 2]],
    [[2, 3], [2, 3, 3, 2]],
    [[4, 2, 3], [4, 3, 2]],
  ] as const
) {
  Deno.test(`tf.matMul() multiplies the right batches when they are [${a}] and [${b}]`, () => {
    const [x, y] = [range([...a]), range([...b])];
    const held = tf.memory();
    const product = tf.matMul(x, y);
    const { numTensors, numDataBuffers } = tf.memory();
    assertEquals([numTensors, numDataBuffers], [held.numTensors + 1, held.numDataBuffers + 1]);
    const batches = product.shape.slice(0, -2);
    const expected: number[] = [];
    for (let batch = 0; batch < count(batches); batch++) {
      const position = batches.map((size, axis) => Math.floor(batch / count(batches.slice(axis + 1))) % size);
      const start = (shape: readonly number[]) =>
        shape.slice(0, -2).reduce(
          (at, size, axis) => at * size + (size === 1 ? 0 : position[axis + batches.length + 2 - shape.length]!),
          0,
        ) * 6;
      for (let row = 0; row < 2; row++) {
        for (let column = 0; column < 2; column++) {
          expected.push([0, 1, 2].reduce((sum, k) => sum + (start(a) + row * 3 + k) * (start(b) + k * 2 + column), 0));
        }
      }
    }
    assertEquals([...product.dataSync()], expected);
  });
}
