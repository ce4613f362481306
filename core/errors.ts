/**
 * Errors that callers catch by class.
 *
 * @module
 */

/** A device is not there, was lost, or computes wrongly. */
export class DeviceError extends Error {
  /** An error of a device. @param message What happened, what was expected, what to do. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DeviceError";
  }
}

/** A callback threw: names the callback and the hook; the original error is the `cause`. */
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

/** A step cannot be traced: names the operation or variable, and where it was called. */
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
