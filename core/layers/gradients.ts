/**
 * Gradients that tfjs lacks or gets wrong and that layers need. tfjs keeps gradients by kernel for the whole process,
 * so these also serve operations outside of layers.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";

/** Kernels whose result does not change with small changes of their inputs, which tfjs refuses to pass through. */
const FLAT: readonly (readonly [kernel: string, ...inputs: string[]])[] = [
  ["Equal", "a", "b"],
  ["NotEqual", "a", "b"],
  ["Greater", "a", "b"],
  ["GreaterEqual", "a", "b"],
  ["Less", "a", "b"],
  ["LessEqual", "a", "b"],
  ["LogicalAnd", "a", "b"],
  ["LogicalOr", "a", "b"],
  ["LogicalNot", "x"],
  ["Any", "x"],
  ["All", "x"],
  ["IsNan", "x"],
  ["IsInf", "x"],
  ["IsFinite", "x"],
  ["ArgMax", "x"],
  ["ArgMin", "x"],
];

interface PoolAttributes {
  readonly filterSize: number | number[];
  readonly strides: number | number[];
  readonly pad: "valid" | "same" | number;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

interface ConvolutionAttributes {
  readonly strides: [number, number, number];
  readonly pad: "valid" | "same";
}

type GradientFunction = (dy: Tensor, saved: Tensor[], attributes: object) => Record<string, () => Tensor>;

let done = false;

/** Registers them, once in a process. */
export function registerGradients(): void {
  if (done) return;
  done = true;
  for (const [kernel, ...inputs] of FLAT) {
    if (!tf.getGradient(kernel)) register(kernel, inputs, flatGradient(inputs));
  }
  if (!tf.getGradient("Conv3DBackpropInputV2")) {
    register("Conv3DBackpropInputV2", ["dy", "filter"], transposedConvolutionGradient);
  }
  correctAverage("AvgPool", (shape, { filterSize, strides, pad, dimRoundingMode }) => {
    const info = tf.backend_util.computePool2DInfo(
      shape as [number, number, number, number],
      filterSize as [number, number],
      strides as [number, number],
      1,
      pad,
      dimRoundingMode,
    );
    return [
      {
        input: info.inHeight,
        output: info.outHeight,
        before: info.padInfo.top,
        size: info.filterHeight,
        stride: info.strideHeight,
      },
      {
        input: info.inWidth,
        output: info.outWidth,
        before: info.padInfo.left,
        size: info.filterWidth,
        stride: info.strideWidth,
      },
    ];
  });
  correctAverage("AvgPool3D", (shape, { filterSize, strides, pad, dimRoundingMode }) => {
    const info = tf.backend_util.computePool3DInfo(
      shape as [number, number, number, number, number],
      filterSize as [number, number, number],
      strides as [number, number, number],
      1,
      pad,
      dimRoundingMode,
    );
    return [
      {
        input: info.inDepth,
        output: info.outDepth,
        before: info.padInfo.front,
        size: info.filterDepth,
        stride: info.strideDepth,
      },
      {
        input: info.inHeight,
        output: info.outHeight,
        before: info.padInfo.top,
        size: info.filterHeight,
        stride: info.strideHeight,
      },
      {
        input: info.inWidth,
        output: info.outWidth,
        before: info.padInfo.left,
        size: info.filterWidth,
        stride: info.strideWidth,
      },
    ];
  });
}

function register(kernelName: string, inputsToSave: string[], gradFunc: GradientFunction): void {
  tf.registerGradient({ kernelName, inputsToSave, gradFunc: gradFunc as tf.GradConfig["gradFunc"] });
}

function flatGradient(inputs: readonly string[]): GradientFunction {
  return (_dy, saved) => Object.fromEntries(inputs.map((name, index) => [name, () => tf.zeros(saved[index]!.shape)]));
}

/** The transposed convolution is linear in both inputs: their gradients are the convolution's other two kernels. */
const transposedConvolutionGradient: GradientFunction = (dy, [input, filter], attributes) => {
  const { strides, pad } = attributes as ConvolutionAttributes;
  return {
    dy: () => tf.conv3d(dy as tf.Tensor5D, filter as tf.Tensor5D, strides, pad),
    filter: () => {
      const filterShape = filter!.shape as [number, number, number, number, number];
      return tf.engine().runKernel("Conv3DBackpropFilterV2", { x: dy, dy: input! }, {
        strides,
        pad,
        filterShape,
      }) as Tensor;
    },
  };
};

interface PooledAxis {
  readonly input: number;
  readonly output: number;
  readonly before: number;
  readonly size: number;
  readonly stride: number;
}

/**
 * At padded borders tfjs averages over the elements that are there, and its gradient over the whole window. Scaling
 * what flows back by the ratio of the two corrects it.
 */
function correctAverage(
  kernel: string,
  axes: (shape: readonly number[], attributes: PoolAttributes) => PooledAxis[],
): void {
  const original = tf.getGradient(kernel);
  const gradient = original.gradFunc as unknown as GradientFunction;
  register(kernel, original.inputsToSave ?? ["x"], (dy, saved, attributes) => {
    const { pad } = attributes as PoolAttributes;
    if (pad === "valid" || pad === 0) return gradient(dy, saved, attributes);
    let scaled = dy;
    axes(saved[0]!.shape, attributes as PoolAttributes).forEach(({ input, output, before, size, stride }, index) => {
      const ratios = Array.from({ length: output }, (_, at) => {
        const start = at * stride - before;
        return size / (Math.min(start + size, input) - Math.max(start, 0));
      });
      if (ratios.every((ratio) => ratio === 1)) return;
      scaled = tf.mul(scaled, tf.tensor(ratios, dy.shape.map((_, axis) => axis === index + 1 ? output : 1)));
    });
    return gradient(scaled, saved, attributes);
  });
}
