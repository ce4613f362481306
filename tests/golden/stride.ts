/**
 * What the golden runner uses of Stride.
 *
 * @module
 */
export {
  type Callback,
  type FitOptions,
  type HookName,
  hookNames,
  type Logs,
  Model,
  type Pending,
  type Tensor,
  tf,
} from "@stride/stride";
export { oneDevice } from "@stride/stride/strategies";
