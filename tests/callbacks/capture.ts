/**
 * Keeping what is printed.
 *
 * @module
 */

/** What was printed while something ran. */
export interface Captured<T> {
  readonly value: T;
  readonly logs: readonly string[];
  readonly warnings: readonly string[];
}

/** Runs something and keeps its messages from the terminal. */
export async function capture<T>(body: () => Promise<T>): Promise<Captured<T>> {
  const { log, warn } = console;
  const logs: string[] = [];
  const warnings: string[] = [];
  console.log = (message: string) => void logs.push(message);
  console.warn = (message: string) => void warnings.push(message);
  try {
    return { value: await body(), logs, warnings };
  } finally {
    Object.assign(console, { log, warn });
  }
}
