/**
 * Matrix products and convolutions as contractions.
 *
 * @module
 */
import type { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import type { NumberArray } from "../../plugins/compiler/ir/interpret.ts";
import type { Buffer, Contraction, Expression } from "../../plugins/compiler/ir/types.ts";
import { axesOfSizes, noise, type Setting } from "./wgsl_device.ts";

/** Memory within a step. */
export function scratch(pool: Expressions, size: number, type: Buffer["type"] = "f32"): Buffer {
  return pool.buffer(type, size, { kind: "scratch" });
}

/** Sizes and orders of a product of matrices. */
export interface Product {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly transposeResult?: boolean;
  /** Where the right factor and the bias lie. @default scratch memory */
  readonly weights?: Buffer["role"];
}

/** A product of batches of matrices, with a bias and relu. */
export function product(where: Setting, sizes: Product): [Contraction, Map<Buffer, NumberArray>] {
  const { pool } = where;
  const { batch: B, rows: M, columns: N, inner: K } = sizes;
  const [batch, [b]] = axesOfSizes(pool, [B]);
  const [rows, [i]] = axesOfSizes(pool, [M]);
  const [columns, [j]] = axesOfSizes(pool, [N]);
  const [inner, [k]] = axesOfSizes(pool, [K]);
  const [x, y, bias, to] = [
    scratch(pool, B * M * K),
    pool.buffer("f32", B * K * N, sizes.weights ?? { kind: "scratch" }),
    pool.buffer("f32", N, sizes.weights ?? { kind: "scratch" }),
    scratch(pool, B * M * N),
  ];
  const result = pool.newResult();
  const sum = pool.add(pool.result(result, "f32"), pool.load(bias, j!));
  const contraction: Contraction = {
    kind: "contraction",
    batch,
    rows,
    columns,
    inner,
    left: pool.load(
      x,
      sizes.transposeA ? pool.flatten([b!, k!, i!], [B, K, M]) : pool.flatten([b!, i!, k!], [B, M, K]),
    ),
    right: pool.load(
      y,
      sizes.transposeB ? pool.flatten([b!, j!, k!], [B, N, K]) : pool.flatten([b!, k!, j!], [B, K, N]),
    ),
    result,
    stores: [{
      buffer: to,
      index: sizes.transposeResult ? pool.flatten([b!, j!, i!], [B, N, M]) : pool.flatten([b!, i!, j!], [B, M, N]),
      value: pool.binary("max", sum, pool.float(0)),
    }],
  };
  const arrays = new Map<Buffer, NumberArray>([
    [x, noise(x.size, 1)],
    [y, noise(y.size, 2)],
    [bias, noise(N, 3)],
    [to, new Float32Array(to.size)],
  ]);
  return [contraction, arrays];
}

/** A convolution's sizes: batch, height, width, channels in and out, kernel, stride, padding. */
export type Convolution = readonly [number, number, number, number, number, number, number, number];

/** A convolution, its input's or its filter's gradient, as contractions with guards. */
export function convolution(
  where: Setting,
  of: "output" | "input" | "filter",
  sizes: Convolution,
): [Contraction, Map<Buffer, NumberArray>] {
  const { pool } = where;
  const [N, H, W, CI, CO, S, stride, pad] = sizes;
  const [OH, OW] = [H, W].map((size) => Math.floor((size + 2 * pad - S) / stride) + 1) as [number, number];
  const x = scratch(pool, N * H * W * CI);
  const f = scratch(pool, S * S * CI * CO);
  const y = scratch(pool, N * OH * OW * CO);
  const within = (place: Expression, size: number) =>
    pool.and(pool.compare("ge", place, 0), pool.compare("lt", place, size));
  const result = pool.newResult();
  const value = pool.result(result, "f32");
  const source = (oy: Expression, ky: Expression) => pool.sub(pool.add(pool.mul(oy, stride), ky), pad);
  const fromX = (n: Expression, oy: Expression, ox: Expression, ky: Expression, kx: Expression, c: Expression) => {
    const [iy, ix] = [source(oy, ky), source(ox, kx)];
    const load = pool.load(x, pool.flatten([n, iy, ix, c], [N, H, W, CI]));
    return pool.select(pool.and(within(iy, H), within(ix, W)), load, pool.float(0));
  };
  const filterAt = (index: readonly Expression[]) => pool.flatten(index, [S, S, CI, CO]);
  const outputAt = (index: readonly Expression[]) => pool.flatten(index, [N, OH, OW, CO]);
  const make = (rowSizes: number[], columnSizes: number[], innerSizes: number[]) => {
    const [rows, r] = axesOfSizes(pool, rowSizes);
    const [columns, c] = axesOfSizes(pool, columnSizes);
    const [inner, k] = axesOfSizes(pool, innerSizes);
    return { axes: { kind: "contraction" as const, batch: [], rows, columns, inner, result }, r, c, k };
  };
  let kernel: Contraction;
  if (of === "output") {
    const { axes, r: [n, oy, ox], c: [o], k: [ky, kx, c] } = make([N, OH, OW], [CO], [S, S, CI]);
    kernel = {
      ...axes,
      left: fromX(n!, oy!, ox!, ky!, kx!, c!),
      right: pool.load(f, filterAt([ky!, kx!, c!, o!])),
      stores: [{ buffer: y, index: outputAt([n!, oy!, ox!, o!]), value }],
    };
  } else if (of === "filter") {
    const { axes, r: [ky, kx, c], c: [o], k: [n, oy, ox] } = make([S, S, CI], [CO], [N, OH, OW]);
    kernel = {
      ...axes,
      left: fromX(n!, oy!, ox!, ky!, kx!, c!),
      right: pool.load(y, outputAt([n!, oy!, ox!, o!])),
      stores: [{ buffer: f, index: filterAt([ky!, kx!, c!, o!]), value }],
    };
  } else {
    const { axes, r: [n, iy, ix], c: [c], k: [ky, kx, o] } = make([N, H, W], [CI], [S, S, CO]);
    const [high, wide] = [pool.sub(pool.add(iy!, pad), ky!), pool.sub(pool.add(ix!, pad), kx!)];
    const [oy, ox] = [pool.floorDiv(high, stride), pool.floorDiv(wide, stride)];
    const divides = (place: Expression) => pool.compare("eq", pool.floorMod(place, stride), 0);
    const guard = [divides(high), divides(wide), within(oy, OH), within(ox, OW)].reduce((a, b) => pool.and(a, b));
    kernel = {
      ...axes,
      left: pool.select(guard, pool.load(y, outputAt([n!, oy, ox, o!])), pool.float(0)),
      right: pool.load(f, filterAt([ky!, kx!, c!, o!])),
      stores: [{ buffer: x, index: pool.flatten([n!, iy!, ix!, c!], [N, H, W, CI]), value }],
    };
  }
  const arrays = new Map<Buffer, NumberArray>([[x, noise(x.size, 1)], [f, noise(f.size, 2)], [y, noise(y.size, 3)]]);
  return [kernel, arrays];
}
