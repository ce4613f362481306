/**
 * Comparing numbers with Keras's.
 *
 * @module
 */

/** The outcome of one case. */
export interface CaseResult {
  /** What was run. */
  readonly name: string;
  /** Whether everything agreed. */
  readonly ok: boolean;
  /** The largest absolute difference found. */
  readonly maxError: number;
  /** What went wrong, where something did. */
  readonly message?: string;
  /** What should be known about a case that passed. */
  readonly note?: string;
}

/** How far a value may be from Keras's: the goldens' own rule. */
export function tolerance(expected: number): number {
  return 2e-4 * Math.abs(expected) + 2e-5;
}

/** Collects differences of one case. */
export class Comparison {
  readonly #slack: (name: string, index: number, expected: number) => number;
  #maxError = 0;
  readonly #failures: string[] = [];

  /** @param slack What is added to the tolerance of a value. @default nothing */
  constructor(slack: (name: string, index: number, expected: number) => number = () => 0) {
    this.#slack = slack;
  }

  /** Compares one number. */
  number(what: string, actual: number | undefined, expected: number, slack = 0): void {
    if (actual === undefined || Number.isNaN(actual) !== Number.isNaN(expected)) {
      this.#failures.push(`${what}: found ${actual}, expected ${expected}`);
      return;
    }
    if (Object.is(actual, expected) || Number.isNaN(expected)) return;
    const error = Math.abs(actual - expected);
    this.#maxError = Math.max(this.#maxError, error);
    if (!(error <= tolerance(expected) + slack)) {
      this.#failures.push(`${what}: found ${actual}, expected ${expected}`);
    }
  }

  /** Compares lists of numbers. */
  numbers(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
    if (actual.length !== expected.length) {
      this.#failures.push(`${what}: found ${actual.length} values, expected ${expected.length}`);
      return;
    }
    for (let i = 0; i < expected.length; i++) {
      this.number(`${what}[${i}]`, actual[i], expected[i]!, this.#slack(what, i, expected[i]!));
    }
  }

  /** Compares anything by its JSON. */
  equal(what: string, actual: unknown, expected: unknown): void {
    const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (found !== wanted) this.#failures.push(`${what}: found ${found}, expected ${wanted}`);
  }

  /** The outcome. */
  result(name: string): CaseResult {
    const shown = this.#failures.slice(0, 3).join("; ");
    const more = this.#failures.length > 3 ? `; and ${this.#failures.length - 3} more` : "";
    return {
      name,
      ok: this.#failures.length === 0,
      maxError: this.#maxError,
      ...(this.#failures.length === 0 ? {} : { message: shown + more }),
    };
  }
}

/** A case that could not be run. */
export function failed(name: string, cause: unknown): CaseResult {
  const message = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return { name, ok: false, maxError: Infinity, message };
}
