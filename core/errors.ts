/**
 * Errors that callers catch by class.
 *
 * @module
 */

/**
 * A device is not there, was lost, or computes wrongly.
 *
 * ```ts
 * import { DeviceError, type Plan } from "@stride/stride/core";
 * import { oneDevice } from "@stride/stride/strategies";
 * import { assertRejects } from "@std/assert";
 *
 * await using strategy = oneDevice();
 * await assertRejects(() => strategy.prepare({} as Plan), DeviceError, "call open() before prepare()");
 * ```
 */
export class DeviceError extends Error {
  /** An error of a device. @param message What happened, what was expected, what to do. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DeviceError";
  }
}

/**
 * A callback threw: names the callback and the hook; the original error is the `cause`.
 *
 * ```ts
 * import { type CallbackContext, CallbackError, CallbackList } from "@stride/stride/core";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const broken = { name: "disk", onTrainEnd: () => Promise.reject(new Error("full")) };
 * const list = new CallbackList([broken], {} as CallbackContext);
 * const error = await assertRejects(() => list.call("onTrainEnd", { logs: {} }), CallbackError);
 * assertEquals(error.message, 'Callback "disk" failed in onTrainEnd: full');
 * ```
 */
export class CallbackError extends Error {
  /** The name of the callback that threw. */
  readonly callback: string;
  /** The hook in which it threw. */
  readonly hook: string;

  /** An error of a callback. @param callback The callback's name. @param hook The hook's name. */
  constructor(callback: string, hook: string, cause: unknown) {
    super(`Callback "${callback}" failed in ${hook}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.name = "CallbackError";
    this.callback = callback;
    this.hook = hook;
  }
}

/**
 * A step cannot be traced: names the operation or variable, and where it was called.
 *
 * ```ts
 * import { Model } from "@stride/stride";
 * import { type Tensor, TraceError } from "@stride/stride/core";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * class Peeking extends Model {
 *   override call(x: Tensor): Tensor {
 *     return x.mul(x.dataSync()[0]!);
 *   }
 * }
 * const model = new Peeking();
 * model.compile({ executor: "trace" });
 * const error = await assertRejects(() => model.predict({ x: [[1], [2]] }, { verbose: 0 }), TraceError);
 * assertEquals(error.code, "host-read");
 * ```
 */
export class TraceError extends Error {
  /** Which rule was broken. */
  readonly code: TraceErrorCode;

  /** A refusal. @param code Which rule was broken. @param message What was found, where, and what to do. */
  constructor(code: TraceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TraceError";
    this.code = code;
  }
}

/** Why a step cannot be traced. */
export type TraceErrorCode =
  | "host-read"
  | "data-dependent-shape"
  | "unknown-kernel"
  | "stale-tensor"
  | "variable-created"
  | "unlisted-read"
  | "unlisted-write"
  | "unrecognized-random"
  | "not-repeatable";
