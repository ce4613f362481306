/**
 * Casting integers to floats on WebGPU.
 *
 * tfjs only relabels the tensor and keeps the integer buffer: shaders that take floats are then refused (transposes,
 * reductions over leading axes, gradients of convolutions), and reading gives integers. Here the elements are converted.
 *
 * @module
 */
import type { tf } from "../../core/tf.ts";
import { replaceKernel } from "./kernels.ts";

interface CastArguments {
  readonly inputs: { readonly x: tf.TensorInfo };
  readonly attrs: { readonly dtype: string };
  readonly backend: unknown;
}

/** What the kernel uses of tfjs's WebGPU backend. */
interface CastBackend {
  readonly tensorMap: { get(dataId: object): { readonly values?: ArrayLike<number> | null } };
  makeTensorInfo(shape: number[], dtype: string, values: Float32Array): tf.TensorInfo;
  runWebGPUProgram(program: ToFloat, inputs: readonly tf.TensorInfo[], dtype: string): tf.TensorInfo;
}

const WORKGROUP = 64;

/** A program as tfjs's backend takes it: one invocation an element. */
class ToFloat {
  readonly variableNames = ["x"];
  readonly workgroupSize = [WORKGROUP, 1, 1];
  readonly size = true;
  readonly shaderKey = "strideToFloat";
  readonly outputShape: readonly number[];
  readonly dispatchLayout: { readonly x: readonly number[] };
  readonly dispatch: readonly number[];

  constructor(shape: readonly number[]) {
    this.outputShape = shape;
    this.dispatchLayout = { x: shape.map((_, axis) => axis) };
    this.dispatch = [Math.ceil(shape.reduce((product, size) => product * size, 1) / WORKGROUP), 1, 1];
  }

  getUserCode(): string {
    return "fn main(index : i32) { if (index < uniforms.size) { setOutputAtIndex(index, f32(x[index])); } }";
  }
}

/** Makes a backend's casts from integers to floats convert. */
export function registerCast(backendName: string): void {
  replaceKernel("Cast", backendName, (original) => (given) => {
    const { inputs: { x }, attrs, backend } = given as unknown as CastArguments;
    if (attrs.dtype !== "float32" || (x.dtype !== "int32" && x.dtype !== "bool")) return original(given);
    const webgpu = backend as CastBackend;
    const { values } = webgpu.tensorMap.get(x.dataId);
    // What has not been uploaded yet, as a batch, is converted on the way.
    if (values) return webgpu.makeTensorInfo(x.shape, "float32", Float32Array.from(values));
    return webgpu.runWebGPUProgram(new ToFloat(x.shape), [x], "float32");
  });
}
