/**
 * Sends the values of every epoch to a server.
 *
 * @module
 */
import type { Callback } from "../core/callback.ts";

/** Where and how values are sent. */
export interface RemoteMonitorOptions {
  /** The server. @default "http://localhost:9000" */
  readonly root?: string;
  /** The path on it. @default "/publish/epoch/end/" */
  readonly path?: string;
  /** The form's field that holds the values. @default "data" */
  readonly field?: string;
  /** Headers to send along. @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether to send the values as the JSON body rather than in a form. @default false */
  readonly sendAsJson?: boolean;
  /** How long training may wait for the server, in ms. @default 5000 */
  readonly timeout?: number;
}

/**
 * Posts `{ epoch, ...values }` after each epoch. A server that cannot be reached, or refuses, is a warning, once a run:
 * training goes on. Needs permission to use the network.
 *
 * Source: Keras, `callbacks/remote_monitor.py`.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { remoteMonitor } from "@stride/stride/callbacks";
 * import { assertEquals } from "@std/assert";
 *
 * const epochs: number[] = [];
 * await using server = Deno.serve({ port: 0, onListen() {} }, async (request) => {
 *   epochs.push((await request.json()).epoch);
 *   return new Response();
 * });
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: "sgd", loss: "mse" });
 * const monitor = remoteMonitor({ root: `http://localhost:${server.addr.port}`, sendAsJson: true });
 * await model.fit({ x: [[1]], y: [[1]] }, { epochs: 2, verbose: 0, callbacks: [monitor] });
 * assertEquals(epochs, [0, 1]);
 * ```
 */
export function remoteMonitor(options: RemoteMonitorOptions = {}): Callback {
  const { root = "http://localhost:9000", path = "/publish/epoch/end/", field = "data", timeout = 5000 } = options;
  let warned = false;
  return {
    name: "remoteMonitor",
    onTrainBegin() {
      warned = false;
    },
    async onEpochEnd({ epoch, logs }, { chief }) {
      if (!chief) return;
      const json = JSON.stringify({ epoch, ...logs });
      const headers = new Headers(options.headers);
      if (options.sendAsJson && !headers.has("content-type")) headers.set("content-type", "application/json");
      try {
        const response = await fetch(root + path, {
          method: "POST",
          headers,
          body: options.sendAsJson ? json : new URLSearchParams({ [field]: json }),
          signal: AbortSignal.timeout(timeout),
        });
        await response.body?.cancel();
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
      } catch (cause) {
        if (warned) return;
        warned = true;
        const reason = cause instanceof Error ? cause.message : String(cause);
        console.warn(`Warning: remoteMonitor could not send values to ${root + path}: ${reason}. Training goes on.`);
      }
    },
  };
}
