/**
 * The device's queue, counting what the executor does with it.
 *
 * @module
 */

/** What was done with a queue so far. */
export interface QueueCounts {
  /** Calls of `submit`. */
  readonly submissions: number;
  /** Workgroup dispatches in them. */
  readonly dispatches: number;
  /** Calls of `writeBuffer`. */
  readonly uploads: number;
  /** Bytes that they wrote. */
  readonly uploadedBytes: number;
  /** Buffers mapped for reading. */
  readonly maps: number;
}

/** A queue that counts. */
export class CountedQueue {
  readonly #queue: GPUQueue;
  #submissions = 0;
  #dispatches = 0;
  #uploads = 0;
  #uploadedBytes = 0;
  #maps = 0;

  /** Counts from zero. */
  constructor(queue: GPUQueue) {
    this.#queue = queue;
  }

  /** What was done so far. */
  get counts(): QueueCounts {
    return {
      submissions: this.#submissions,
      dispatches: this.#dispatches,
      uploads: this.#uploads,
      uploadedBytes: this.#uploadedBytes,
      maps: this.#maps,
    };
  }

  /** Submits commands. @param dispatches How many dispatches they hold, for the count. @default 0 */
  submit(commands: readonly GPUCommandBuffer[], dispatches = 0): void {
    this.#submissions++;
    this.#dispatches += dispatches;
    this.#queue.submit([...commands]);
  }

  /** Writes bytes; the next submission finds them. The number of bytes is a multiple of 4. */
  write(buffer: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    // Deno 2.9 ends the process, with a panic, where there are none.
    if (bytes.byteLength === 0) return;
    this.#uploads++;
    this.#uploadedBytes += bytes.byteLength;
    this.#queue.writeBuffer(buffer, offset, bytes);
  }

  /** Maps a buffer for reading. Deno waits in this call until everything submitted has run. */
  map(buffer: GPUBuffer): Promise<void> {
    this.#maps++;
    return buffer.mapAsync(GPUMapMode.READ);
  }

  /** Resolves when everything submitted has run. Deno waits in this call already. */
  done(): Promise<undefined> {
    return this.#queue.onSubmittedWorkDone();
  }
}
