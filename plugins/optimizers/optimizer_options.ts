/**
 * The options that all optimizers share.
 *
 * @module
 */
import type { LearningRateSchedule } from "../../core/optimizer.ts";
import { checkInteger, checkNames, checkNumber } from "./check.ts";

/** Options of every optimizer, as in Keras's base optimizer. `null` is the same as leaving an option out. */
export interface OptimizerOptions {
  /** What its slots are stored under. @default the optimizer's own name, such as "adam" */
  readonly name?: string | null;
  /** A number, or a schedule from the number of steps taken (batches, also when gradients are accumulated). */
  readonly learningRate?: number | LearningRateSchedule;
  /** Each step first shrinks a weight by this times the learning rate. @default none */
  readonly weightDecay?: number | null;
  /** Weights that are not decayed: their path contains a string, or matches an expression. @default none */
  readonly excludeFromWeightDecay?: {
    /** Strings and expressions looked for in paths such as `dense_1/bias`. */
    readonly paths?: readonly (string | RegExp)[];
  } | null;
  /** Scales each gradient down to at most this L2 norm. Excludes the other two ways of clipping. @default none */
  readonly clipnorm?: number | null;
  /** Scales all gradients down together to at most this L2 norm. @default none */
  readonly globalClipnorm?: number | null;
  /** Limits each element of each gradient to plus or minus this. @default none */
  readonly clipvalue?: number | null;
  /** Keeps an exponential moving average of each weight, which replaces it when training ends. @default false */
  readonly useEma?: boolean;
  /** How much of the average stays at each step. @default 0.99 */
  readonly emaMomentum?: number;
  /** Replaces the weights by their averages every so many updates as well. @default never */
  readonly emaOverwriteFrequency?: number | null;
  /** What the loss is multiplied by before gradients are taken, and gradients are divided by. @default 1 */
  readonly lossScaleFactor?: number | null;
  /** Updates once in so many steps, by the mean of their gradients. @default every step */
  readonly gradientAccumulationSteps?: number | null;
}

/** An optimizer's own options with their defaults filled in, beside those of every optimizer. */
export type Settings<T extends OptimizerOptions> =
  & OptimizerOptions
  & { readonly learningRate: number | LearningRateSchedule }
  & { readonly [K in Exclude<keyof T, keyof OptimizerOptions>]-?: Exclude<T[K], undefined> };

const SHARED: readonly (keyof OptimizerOptions)[] = [
  "name",
  "learningRate",
  "weightDecay",
  "excludeFromWeightDecay",
  "clipnorm",
  "globalClipnorm",
  "clipvalue",
  "useEma",
  "emaMomentum",
  "emaOverwriteFrequency",
  "lossScaleFactor",
  "gradientAccumulationSteps",
];

/**
 * Options with defaults for those left out.
 *
 * @param name The optimizer's name, for messages.
 * @param defaults The learning rate and all of the optimizer's own options.
 * @throws {TypeError} If an option is unknown.
 */
export function withDefaults<T extends OptimizerOptions>(
  name: string,
  options: T,
  defaults: Settings<T>,
): Settings<T> {
  checkNames(`create optimizer "${name}"`, options, [...new Set([...SHARED, ...Object.keys(defaults)])]);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...defaults, ...given } as Settings<T>;
}

/**
 * Checks the options that all optimizers share.
 *
 * @throws {TypeError} If one has the wrong type.
 * @throws {RangeError} If one is out of range, or more than one way of clipping is asked for.
 */
export function checkOptions(name: string, options: OptimizerOptions): void {
  const what = `create optimizer "${name}"`;
  const clips = (["clipnorm", "globalClipnorm", "clipvalue"] as const).filter((key) => isSet(options[key]));
  if (clips.length > 1) {
    throw new RangeError(
      `Cannot ${what}: ${clips.map((key) => `${key} is ${options[key]}`).join(", ")}; ` +
        "expected at most one of clipnorm, globalClipnorm and clipvalue.",
    );
  }
  for (const key of clips) checkNumber(what, key, options[key], "(0, Infinity)");
  if (isSet(options.weightDecay)) checkNumber(what, "weightDecay", options.weightDecay, "[0, Infinity)");
  if (isSet(options.lossScaleFactor)) checkNumber(what, "lossScaleFactor", options.lossScaleFactor, "(0, Infinity)");
  if (isSet(options.gradientAccumulationSteps)) {
    checkInteger(what, "gradientAccumulationSteps", options.gradientAccumulationSteps, 2);
  }
  if (isSet(options.emaMomentum)) checkNumber(what, "emaMomentum", options.emaMomentum, "[0, 1]");
  if (isSet(options.emaOverwriteFrequency)) {
    checkInteger(what, "emaOverwriteFrequency", options.emaOverwriteFrequency, 1);
  }
}

/** Whether a path contains one of the strings or matches one of the expressions. */
export function matchesPath(path: string, patterns: readonly (string | RegExp)[]): boolean {
  return patterns.some((pattern) => typeof pattern === "string" ? path.includes(pattern) : path.search(pattern) >= 0);
}

function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
