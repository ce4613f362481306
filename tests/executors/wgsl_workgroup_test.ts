import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import type { NumberArray } from "../../plugins/compiler/ir/interpret.ts";
import type { Buffer, Contraction } from "../../plugins/compiler/ir/types.ts";
import { kernelAlternatives, printKernel, type Tuning, TUNINGS } from "../../plugins/executors/webgpu/wgsl/mod.ts";
import { webgpuTest } from "../webgpu.ts";
import { type Convolution, convolution, product } from "./wgsl_contractions.ts";
import { compare, contextOf, difference, noise, runOnDevice, type Setting, setting } from "./wgsl_device.ts";

/** Sums of some thousand float32 products differ from float64 by less than this part of the largest. */
const SUMS = 4e-6;

/** For a GPU, but for the loops of the software adapter that tests run on. */
const GPU: Tuning = { ...TUNINGS.discrete, maxLoopIterations: TUNINGS.software.maxLoopIterations };
/** The same for an adapter that few invocations keep busy: blocks are large, sums are whole. */
const SMALL_GPU: Tuning = { ...GPU, workgroupTiles: { ...GPU.workgroupTiles!, cores: 1 } };

type Case = readonly [Contraction, Map<Buffer, NumberArray>];

/** Compares with float64. @returns The labels of the shaders. */
async function check(where: Setting, [kernel, arrays]: Case, what: string): Promise<readonly string[]> {
  const { worst, shaders } = await compare([kernel], arrays, where);
  assertLessOrEqual(worst, SUMS, what);
  assert(shaders[0]!.code.includes("workgroupBarrier"), `${what} does not use workgroup memory`);
  return shaders.map(({ label }) => label);
}

/** Adam's update, about, of a weight as large as the result, in its place. */
function withUpdate({ pool }: Setting, [kernel, arrays]: Case): Case {
  const [{ buffer: to, index }] = kernel.stores as [Contraction["stores"][0]];
  const [weight, moment] = [0, 1].map(() => pool.buffer("f32", to.size, { kind: "variable", path: "w" }));
  const gradient = pool.result(kernel.result, "f32");
  const grown = pool.add(pool.mul(pool.load(moment!, index), 0.9), pool.mul(gradient, 0.1));
  const step = pool.div(grown, pool.add(pool.unary("sqrt", pool.mul(grown, grown)), 1));
  const stores = [
    { buffer: moment!, index, value: grown },
    { buffer: weight!, index, value: pool.sub(pool.load(weight!, index), step) },
  ];
  arrays.delete(to);
  arrays.set(weight!, noise(to.size, 8)).set(moment!, noise(to.size, 9));
  return [{ ...kernel, stores }, arrays];
}

webgpuTest("printKernel() multiplies matrices in workgroup memory, whatever their shape and order", async () => {
  const shapes = [[1, 64, 64, 64], [1, 65, 67, 33], [3, 17, 36, 40], [1, 130, 10, 25]] as const;
  for (const [batch, rows, columns, inner] of shapes) {
    for (let which = 0; which < 8; which++) {
      const where = setting({ tuning: [GPU, SMALL_GPU][(which + rows) % 2]! });
      const sizes = {
        batch,
        rows,
        columns,
        inner,
        transposeA: (which & 1) > 0,
        transposeB: (which & 2) > 0,
        transposeResult: (which & 4) > 0,
      };
      await check(where, product(where, sizes), JSON.stringify(sizes));
    }
  }
});

webgpuTest("printKernel() multiplies matrices of random shapes in workgroup memory", async () => {
  const random = noise(72, 11).map((x) => (x + 1) / 2);
  for (let i = 0; i < random.length; i += 6) {
    const [b, m, n, k, order, cores] = random.subarray(i, i + 6) as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const sizes = {
      batch: 1 + Math.floor(b * 3),
      rows: 8 + Math.floor(m * 90),
      columns: 8 + Math.floor(n * 90),
      inner: 8 + Math.floor(k ** 3 * 900),
      transposeA: order < 0.5,
      transposeB: order % 0.5 < 0.25,
      transposeResult: order % 0.25 < 0.125,
    };
    const where = setting({ tuning: cores < 0.5 ? GPU : SMALL_GPU });
    await check(where, product(where, sizes), JSON.stringify(sizes));
  }
});

webgpuTest("printKernel() cuts long sums of few results into parts that workgroups share", async () => {
  for (const inner of [2048, 1500, 1531]) {
    for (const transposeA of [false, true]) {
      const where = setting({ tuning: GPU });
      const sizes = { batch: 2, rows: 20, columns: 12, inner, transposeA };
      const labels = await check(where, withUpdate(where, product(where, sizes)), JSON.stringify(sizes));
      assertGreater(labels.length, 1);
    }
  }
  // A loop may have a limit, however busy the adapter is.
  const where = setting({ tuning: { ...SMALL_GPU, maxLoopIterations: 100 } });
  const labels = await check(where, product(where, { batch: 1, rows: 8, columns: 8, inner: 250 }), "short loops");
  assertEquals(labels.length, 2);
});

webgpuTest("printKernel() updates in place what a block's results are gradients of", async () => {
  for (const [rows, columns] of [[64, 128], [70, 31], [33, 12]] as const) {
    const where = setting({ tuning: SMALL_GPU });
    const sizes = { batch: 1, rows, columns, inner: 24, transposeA: true };
    await check(where, withUpdate(where, product(where, sizes)), JSON.stringify(sizes));
  }
});

const CONVOLUTIONS: readonly Convolution[] = [
  [2, 13, 13, 16, 32, 3, 1, 0],
  [2, 9, 9, 3, 9, 2, 2, 1],
  [2, 8, 8, 8, 8, 5, 1, 2],
  [2, 12, 10, 12, 12, 3, 2, 1],
];

webgpuTest("printKernel() convolves in workgroup memory, and computes both gradients", async () => {
  for (const sizes of CONVOLUTIONS) {
    for (const  of of["output", "input", "filter"] as const) {
      if (of === "input" && sizes[3] < 8) continue;
      const where = setting({ tuning: GPU });
      await check(where, convolution(where, of, sizes), `${of} ${sizes}`);
    }
  }
});

webgpuTest(
  "printKernel() lets numbers beyond a sum's end change nothing, and keeps NaN and infinity in their places",
  async () => {
    for (const transposeB of [false, true]) {
      const where = setting({ tuning: SMALL_GPU });
      const [rows, columns, inner] = [16, 20, 21];
      const [kernel, arrays] = product(where, { batch: 1, rows, columns, inner, transposeB });
      const [x, y] = [...arrays.values()] as [NumberArray, NumberArray];
      // The last term, which what lies beyond the end is nearest to.
      const last = transposeB ? 3 * inner + inner - 1 : (inner - 1) * columns + 3;
      y[last] = Infinity;
      for (let row = 0; row < rows; row++) x[row * inner + inner - 1] = 1;
      x[5 * inner] = NaN;
      const { reference } = await compare([kernel], arrays, where);
      const [result, expected] = [[...arrays.values()].at(-1)!, [...reference.values()].at(-1)!];
      assertEquals(difference(result, expected) <= SUMS, true);
      assertEquals([...result].filter((each) => each === Infinity).length, rows - 1);
      assertEquals([...result].filter((each) => Number.isNaN(each)).length, columns);
    }
  },
);

webgpuTest("printKernel() goes on in a second dimension where there are more workgroups than one has", async () => {
  const [batch, side] = [65_537, 8];
  const where = setting({ tuning: SMALL_GPU });
  const [kernel, arrays] = product(where, { batch, rows: side, columns: side, inner: side });
  const [x, y, bias] = [...arrays.values()] as [NumberArray, NumberArray, NumberArray];
  const [shader] = await runOnDevice([kernel], arrays, where);
  assertEquals(shader!.workgroups, [65_535, 2, 1]);
  const result = [...arrays.values()].at(-1)!;
  for (const [b, i, j] of [[0, 0, 0], [65_534, 7, 7], [65_535, 3, 1], [65_536, 7, 7]] as const) {
    let sum = bias[j]!;
    for (let k = 0; k < side; k++) sum += x[(b * side + i) * side + k]! * y[(b * side + k) * side + j]!;
    assertLessOrEqual(Math.abs(result[(b * side + i) * side + j]! - Math.max(sum, 0)), 1e-5, `${b} ${i} ${j}`);
  }
});

/** Runs a kernel in each way that the tuner may choose. @returns How many, and whether all gave the same bits. */
async function runAll(make: (where: Setting) => Case, tuning: Tuning): Promise<{ ways: number; equal: boolean }> {
  const where = setting({ tuning });
  const [kernel] = make(where);
  const [best, ...others] = kernelAlternatives(kernel, contextOf(where), Infinity);
  const results: Uint32Array[] = [];
  for (const { name } of [best!, ...others]) {
    const chosen = { ...setting({ tuning }), choices: new Map([[best!.shader.code, name]]) };
    const [kernel, arrays] = make(chosen);
    const [shader] = await runOnDevice([kernel], arrays, chosen);
    assert(shader!.label.endsWith(name), `${shader!.label} is not in blocks of ${name}`);
    const written = new Set(kernel.stores.map(({ buffer }) => buffer));
    const words = [...arrays].filter(([buffer]) => written.has(buffer)).flatMap(([, array]) => [
      ...new Uint32Array(array.buffer),
    ]);
    results.push(Uint32Array.from(words));
  }
  return {
    ways: results.length,
    equal: results.every((result) => result.every((word, i) => word === results[0]![i])),
  };
}

webgpuTest("kernelAlternatives() gives ways to compute the same bits", async () => {
  // Few sizes fit in so little memory, so that all of them can be compiled here.
  const tuning: Tuning = { ...GPU, workgroupTiles: { ...GPU.workgroupTiles!, bytes: 8192, invocations: 128 } };
  const makers: readonly ((where: Setting) => Case)[] = [
    (where) => product(where, { batch: 1, rows: 40, columns: 36, inner: 77 }),
    (where) => withUpdate(where, product(where, { batch: 1, rows: 20, columns: 12, inner: 1531, transposeA: true })),
    (where) => convolution(where, "output", [2, 9, 9, 3, 9, 2, 2, 1]),
  ];
  for (const make of makers) {
    const { ways, equal } = await runAll(make, tuning);
    assertGreater(ways, 8);
    assert(equal, "bits differ");
  }
});

Deno.test("kernelAlternatives() respects the adapter's limits, and leaves products without neighbours alone", () => {
  const limits = [{ bytes: 16384, invocations: 256 }, { bytes: 32768, invocations: 256 }, {
    bytes: 4096,
    invocations: 64,
  }];
  for (const { bytes, invocations } of limits) {
    const where = setting({ tuning: { ...GPU, workgroupTiles: { ...GPU.workgroupTiles!, bytes, invocations } } });
    const [kernel] = product(where, { batch: 1, rows: 2000, columns: 2000, inner: 500 });
    const all = kernelAlternatives(kernel, contextOf(where), Infinity);
    assertGreater(all.length, 1);
    for (const { shader: { code } } of all) {
      const vectors = [...code.matchAll(/var<workgroup> \w+: array<vec4<f32>, (\d+)>/g)].map(([, size]) =>
        Number(size)
      );
      assertEquals(vectors.length, 2);
      assertLessOrEqual(16 * (vectors[0]! + vectors[1]!), bytes);
      assertLessOrEqual(Number(/workgroup_size\((\d+)\)/.exec(code)![1]), invocations);
    }
  }
  for (const [rows, columns, inner] of [[1, 500, 500], [500, 7, 500], [500, 500, 7]] as const) {
    const where = setting({ tuning: GPU });
    const [kernel] = product(where, { batch: 1, rows, columns, inner });
    assertEquals(kernelAlternatives(kernel, contextOf(where), Infinity), []);
    assert(printKernel(kernel, contextOf(where)).every(({ code }) => !code.includes("workgroupBarrier")));
  }
  const software = setting();
  const [kernel] = product(software, { batch: 1, rows: 500, columns: 500, inner: 500 });
  assertEquals(kernelAlternatives(kernel, contextOf(software), Infinity), []);
});
