/**
 * What kernels use of tfjs's CPU backend.
 *
 * @module
 */
import type { tf } from "../../core/tf.ts";

/** The parts of tfjs's CPU backend that kernels use. */
export interface CpuBackend {
  readonly data: { get(dataId: object): { readonly values: Float32Array } };
  makeTensorInfo(shape: number[], dtype: string, values: Float32Array): tf.TensorInfo;
  disposeData(dataId: object): boolean;
}
