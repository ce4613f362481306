/**
 * Corrections to the shaders of tfjs's WebGPU backend 4.22 that compute wrongly, on any adapter.
 *
 * What stays as it is: `expm1` and `log1p` lose relative precision below 1e-3; `asin` and `acos` are off by 2e-4 on
 * Mesa's lavapipe, whose `pow(0, -1)` is 0; a matrix product that broadcasts both batches, a reduction of nothing and
 * more than 65,535 products in one batch are refused with an error. Mesa's lavapipe ends the loops of an invocation after
 * 65,535 iterations in all, inner ones included, and says nothing: see `loop_limit.ts`.
 *
 * @module
 */

/** A program of tfjs's backend, as far as it is corrected. */
export interface ShaderProgram {
  shaderKey: string;
  atomic?: boolean;
  readonly outputShape: readonly number[];
  getUserCode(): string;
}

/** What the tensors of a program hold. */
export interface ProgramTypes {
  /** Of the buffer of the first input. */
  readonly input: string | undefined;
}

interface ShaderFix {
  /** How the keys of the programs begin that it is for. */
  readonly key: string;
  /** Text of the shader, and what it should be. */
  readonly replace: readonly (readonly [found: string | RegExp, expected: string])[];
  /** Only where the first input is one of integers. */
  readonly integers?: true;
  /** What the key lacks: two programs of one key share a shader. */
  readonly distinguish?: (program: ShaderProgram) => string;
  /** Whether the result is written by atomic operations. */
  readonly atomic?: (program: ShaderProgram) => boolean;
}

const FIXES: readonly ShaderFix[] = [
  {
    // Integers are written as floats, which WGSL refuses: reductions of integers over leading axes transpose them.
    key: "transpose_",
    integers: true,
    replace: [["setOutputAtIndex(flatIndex", "setOutputAtIndexI32(flatIndex"]],
  },
  {
    // The length is a literal in the shader, and is not in its key. `pow` is not exact everywhere.
    key: "cum_",
    replace: [["i32(pow(2.0, uniforms.index))", "(1i << u32(uniforms.index))"]],
    distinguish: ({ outputShape }) => `${outputShape.at(-1)}`,
  },
  {
    // Of equal elements, the first is the answer, as on the CPU and in Keras.
    key: "argMinMax_",
    replace: [[
      /if \(candidate ([<>]) bestValue\) \{(\s*bestValue = candidate;\s*xBestValues)/,
      "if (candidate $1 bestValue || (candidate == bestValue && " +
      "xBestIndices[localId.x + interval] < xBestIndices[localId.x])) {$2",
    ]],
  },
  {
    // The gradient of a maximum goes to the first of equal elements, as on the CPU and in Keras.
    key: "pool2D_max_true",
    replace: [["if (value >= currMaxValue)", "if (maxValueFound == 0.0 || value > currMaxValue)"]],
  },
  {
    // The same; and positions in windows that are not cubes.
    key: "pool3D_max_true",
    replace: [
      ["if (value >= currMaxValue)", "if (maxValueFound == 0.0 || value > currMaxValue)"],
      ["wD * uniforms.filterDims.y * uniforms.filterDims.y", "wD * uniforms.filterDims.y * uniforms.filterDims.z"],
    ],
  },
  {
    // Coordinates were those of the output; and the shader with binary output did not compile.
    key: "bincount_",
    replace: [
      ["let coord = getCoordsFromIndex(index)", "let coord = getXCoordsFromIndex(index)"],
      ["let value = 1;", "let value = 1.0;"],
    ],
    atomic: () => true,
  },
  {
    // Compared with the number of boxes, not of images.
    key: "cropAndResize_",
    replace: [["bInd >= uniforms.outShape[0]", "bInd >= uniforms.imageShape[0]"]],
  },
];

/** `clamp` may drop NaN, which has to reach the loss to be seen. Also in fused activations. */
const RELU6: readonly (readonly [found: string, expected: string])[] = [
  ["return clamp(a, 0.0, 6.0);", "if (isnan(a)) { return a; } return clamp(a, 0.0, 6.0);"],
  [
    "return clamp(a, vec4<f32>(0.0, 0.0, 0.0, 0.0), vec4<f32>(6.0, 6.0, 6.0, 6.0));",
    "return select(clamp(a, vec4<f32>(0.0), vec4<f32>(6.0)), a, isnanVec4(a));",
  ],
];

/** Corrects a program before it is looked up and compiled. The shader's text is made only when it is compiled. */
export function fixShader(program: ShaderProgram, { input }: ProgramTypes): void {
  const fix = FIXES.find(({ key, integers }) =>
    program.shaderKey.startsWith(key) && (integers === undefined || input === "int32" || input === "bool")
  );
  if (fix?.distinguish !== undefined) program.shaderKey += `_${fix.distinguish(program)}`;
  if (fix?.atomic !== undefined) program.atomic = fix.atomic(program);
  const original = program.getUserCode;
  program.getUserCode = () => {
    const code = original.call(program);
    return [...fix?.replace ?? [], ...RELU6].reduce((text, [found, expected]) => text.replace(found, expected), code);
  };
}
