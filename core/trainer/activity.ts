/**
 * What a model is doing, so that two things that would disturb each other do not run at once.
 *
 * @module
 */

/** What changes nothing that a fit depends on: its hooks may do it. */
const LOOKS: ReadonlySet<string> = new Set(["evaluate", "predict", "testOnBatch", "predictOnBatch"]);

/** The runs of one model. Evaluation and prediction may run beside a fit; training may run beside nothing. */
export class Activity {
  readonly #model: string;
  readonly #running = new Set<string>();
  #disposed = false;

  /** @param model The model's name, for messages. */
  constructor(model: string) {
    this.#model = model;
  }

  /** Whether `end` was called. */
  get ended(): boolean {
    return this.#disposed;
  }

  /**
   * Checks that something may begin.
   *
   * @throws {Error} If it may not beside what is running, or the model was disposed.
   */
  check(action: string): void {
    if (this.#disposed) {
      throw new Error(`Cannot ${action} model "${this.#model}": it was disposed. Make a new one.`);
    }
    const other = [...this.#running].find((running) => running === action || !LOOKS.has(action));
    if (other !== undefined) {
      throw new Error(
        `Cannot ${action} model "${this.#model}" now: its ${other}() is running. Await it first; hooks may evaluate ` +
          "and predict, but not train.",
      );
    }
  }

  /** Does something once it may begin. */
  async during<T>(action: string, body: () => Promise<T>): Promise<T> {
    this.check(action);
    this.#running.add(action);
    try {
      return await body();
    } finally {
      this.#running.delete(action);
    }
  }

  /** From here on nothing may begin. */
  end(): void {
    this.#disposed = true;
  }
}
