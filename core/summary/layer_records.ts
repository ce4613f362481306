/**
 * What layers give and cost, noted while a model runs once.
 *
 * @module
 */
import { adopt, isContainer } from "../layers/mod.ts";
import { type Layer, type Shape, type Tensor, tf } from "../tf.ts";
import { kernelFlops } from "./kernel_flops.ts";

/** What one layer did in the run. */
export interface LayerRecord {
  /** Shapes of its outputs at its first call, batch axis included. */
  readonly outputShapes: readonly Shape[];
  /** Floating-point operations of all its calls, for the whole batch. */
  readonly flops: number;
}

interface Noted {
  outputShapes: readonly Shape[];
  flops: number;
}

type Call = (this: Layer, inputs: Tensor | Tensor[], kwargs: never) => Tensor | Tensor[];

/** Notes the layers of one model, while it is built. */
export class LayerRecords {
  readonly #noted = new Map<Layer, Noted>();
  readonly #watched = new Set<Layer>();
  readonly #restores: (() => void)[] = [];
  readonly #running: Noted[] = [];
  #flops = 0;
  #rows = 1;
  #recording = false;
  #building = 0;

  /** What a layer did; `undefined` where it was not called. */
  get(layer: Layer): LayerRecord | undefined {
    return this.#noted.get(layer);
  }

  /** Rows of the batch that the model ran on. */
  get rows(): number {
    return this.#rows;
  }

  /** Floating-point operations of the whole run, those outside of layers included. */
  get flops(): number {
    return this.#flops;
  }

  /** Runs `body` on a batch of `rows` and notes what the layers do that are given to `watch` in it. */
  during<T>(rows: number, body: () => T): T {
    this.#rows = rows;
    const engine = tf.engine();
    const own = Object.getOwnPropertyDescriptor(engine, "runKernel");
    const runKernel = engine.runKernel;
    this.#recording = true;
    engine.runKernel = (kernel, inputs, attributes) => {
      const result = runKernel.call(engine, kernel, inputs, attributes) as Tensor | Tensor[];
      // Drawing initial weights is no part of a forward pass.
      if (this.#building > 0) return result as never;
      const flops = kernelFlops({
        kernel,
        inputs: inputs as unknown as Record<string, Tensor>,
        outputs: [result].flat(),
        attributes: (attributes ?? {}) as Record<string, unknown>,
      });
      this.#flops += flops;
      for (const noted of this.#running) noted.flops += flops;
      return result as never;
    };
    try {
      return body();
    } finally {
      this.#recording = false;
      restore(engine, "runKernel", own);
      this.#restores.splice(0).reverse().forEach((undo) => undo());
      this.#watched.clear();
    }
  }

  /** Notes what a layer does from here on; for a model of layers, what each layer in it does. */
  watch(layer: Layer): void {
    if (!this.#recording || this.#watched.has(layer)) return;
    // Adoption replaces `call`, so it must come first.
    adopt(layer);
    this.#watched.add(layer);
    if (isContainer(layer)) {
      for (const inner of layer.layers) this.watch(inner);
      return;
    }
    this.#replace(
      layer,
      "call",
      (call: Call) => (inputs: Tensor | Tensor[], kwargs: never) =>
        this.#note(layer, () => call.call(layer, inputs, kwargs)),
    );
    this.#replace(layer, "build", (build: Layer["build"]) => (shape: Parameters<Layer["build"]>[0]) => {
      this.#building++;
      try {
        build.call(layer, shape);
      } finally {
        this.#building--;
      }
    });
  }

  #replace<T>(layer: Layer, name: "call" | "build", replacement: (method: T) => unknown): void {
    const own = Object.getOwnPropertyDescriptor(layer, name);
    this.#restores.push(() => restore(layer, name, own));
    const value = replacement(layer[name] as T);
    Object.defineProperty(layer, name, { value, configurable: true, writable: true });
  }

  #note(layer: Layer, run: () => Tensor | Tensor[]): Tensor | Tensor[] {
    const noted = this.#noted.get(layer) ?? { outputShapes: [], flops: 0 };
    this.#running.push(noted);
    try {
      const outputs = run();
      if (!this.#noted.has(layer)) noted.outputShapes = [outputs].flat().map(({ shape }) => [...shape]);
      this.#noted.set(layer, noted);
      return outputs;
    } finally {
      this.#running.pop();
    }
  }
}

function restore(target: object, name: string, own: PropertyDescriptor | undefined): void {
  if (own === undefined) Reflect.deleteProperty(target, name);
  else Object.defineProperty(target, name, own);
}
