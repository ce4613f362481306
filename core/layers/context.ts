/**
 * The call that is running: what layers called inside a layer inherit from it, as in Keras.
 *
 * @module
 */
import type { Tensor } from "../tf.ts";

/** What a call hands on to the calls inside it. */
export interface CallContext {
  /** Whether the outer call trains. */
  readonly training: boolean;
  /** Where activity losses go. */
  readonly addLoss: (loss: Tensor) => void;
}

const OUTSIDE: CallContext = { training: false, addLoss: () => {} };
let current: CallContext = OUTSIDE;

/** The call that is running; outside of any, one that does not train and drops losses. */
export function currentCall(): CallContext {
  return current;
}

/** Runs `body` as a call. */
export function withCall<T>(call: CallContext, body: () => T): T {
  const outer = current;
  current = call;
  try {
    return body();
  } finally {
    current = outer;
  }
}
