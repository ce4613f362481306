/**
 * How much faster are Stride's CPU kernels than tfjs's? `deno run -A bench/cpu_kernels_bench.ts`: best of many, before and
 * after in one run.
 *
 * @module
 */
import { tf } from "@stride/stride";
import { cpu } from "@stride/stride/devices";

type Case = readonly [name: string, run: () => tf.Tensor];

function best(run: () => tf.Tensor): number {
  let fastest = Infinity;
  for (let i = 0; i < 30; i++) {
    const started = performance.now();
    tf.dispose(tf.tidy(run));
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}

function product(m: number, k: number, n: number, transposeA = false, transposeB = false): Case {
  const a = tf.randomUniform(transposeA ? [k, m] : [m, k]) as tf.Tensor2D;
  const b = tf.randomUniform(transposeB ? [n, k] : [k, n]) as tf.Tensor2D;
  const mark = (transposed: boolean): string => transposed ? "ᵀ" : "";
  return [
    `product [${m}, ${k}]${mark(transposeA)} × [${k}, ${n}]${mark(transposeB)}`,
    () => tf.matMul(a, b, transposeA, transposeB),
  ];
}

await tf.setBackend("cpu");
const large = tf.randomUniform([784, 128]);
const other = tf.randomUniform([784, 128]);
const one = tf.scalar(0.1);
const CASES: readonly Case[] = [
  product(64, 784, 128),
  product(784, 64, 128, true),
  product(64, 128, 784, false, true),
  product(512, 512, 512),
  product(64, 128, 10),
  product(10, 10, 1),
  ["[784, 128] + [784, 128]", () => tf.add(large, other)],
  ["[784, 128] × scalar", () => tf.mul(large, one)],
  ["[784, 128] ÷ [784, 128]", () => tf.div(large, other)],
];
const before = CASES.map(([, run]) => best(run));
await cpu().open();
const after = CASES.map(([, run]) => best(run));
CASES.forEach(([name], i) => {
  const ratio = (before[i]! / after[i]!).toFixed(2);
  console.log(`${name.padEnd(32)} ${before[i]!.toFixed(3)} ms → ${after[i]!.toFixed(3)} ms, ${ratio}×`);
});
