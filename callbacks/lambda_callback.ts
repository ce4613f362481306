/**
 * A callback from functions.
 *
 * @module
 */
import type { Callback, HookMethods } from "../core/callback.ts";

/** Hooks, and what to call them together. */
export interface LambdaCallbackOptions extends HookMethods {
  /** For messages. @default "lambda" */
  readonly name?: string;
}

/**
 * Makes a callback from functions. An object with hooks is a callback by itself: this exists for those who come from
 * Keras, and for a name.
 *
 * Source: Keras, `callbacks/lambda_callback.py`.
 *
 * ```ts
 * import { lambdaCallback } from "@stride/stride/callbacks";
 * import { assertEquals } from "@std/assert";
 *
 * const losses: number[] = [];
 * const callback = lambdaCallback({ name: "losses", onEpochEnd: ({ logs }) => void losses.push(logs.loss!) });
 * assertEquals(callback.name, "losses");
 * ```
 */
export function lambdaCallback(options: LambdaCallbackOptions = {}): Callback {
  return { name: "lambda", ...options };
}
