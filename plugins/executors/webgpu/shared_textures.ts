/**
 * Textures that programs of one device use in turns.
 *
 * @module
 */
import { createTexture } from "./memory.ts";
import type { TextureSlot } from "./plan_textures.ts";
import { TEXEL_BYTES } from "./wgsl/texture_shape.ts";

/** A texture, and what shaders bind of it: all. */
export interface SharedTexture {
  readonly texture: GPUTexture;
  readonly view: GPUTextureView;
}

/** As many of each width, and as high, as the program needs that needs most. */
export class SharedTextures {
  readonly #device: GPUDevice;
  readonly #made = new Map<string, SharedTexture>();

  /** None yet. */
  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Bytes that they have. */
  get bytes(): number {
    return this.#made.values().reduce((sum, { texture }) => sum + texture.width * texture.height * TEXEL_BYTES, 0);
  }

  /** Whether a slot's texture is there. */
  holds({ height, ...slot }: TextureSlot): boolean {
    const made = this.#made.get(keyOf(slot));
    return made !== undefined && made.texture.height >= height;
  }

  /**
   * Makes a slot's texture. What it held is lost.
   *
   * @throws {DeviceError} If there is not enough memory: it is gone then.
   */
  async replace(slot: TextureSlot): Promise<void> {
    const key = keyOf(slot);
    this.#made.get(key)?.texture.destroy();
    this.#made.delete(key);
    const texture = await createTexture(this.#device, slot, "scratch memory and copies of variables");
    this.#made.set(key, { texture, view: texture.createView() });
  }

  /** A slot's texture. `holds` must be so. */
  texture(slot: TextureSlot): SharedTexture {
    return this.#made.get(keyOf(slot))!;
  }

  /** Frees them once work on its way is done with them. */
  destroy(): void {
    for (const { texture } of this.#made.values()) texture.destroy();
    this.#made.clear();
  }
}

function keyOf({ width, nth }: Pick<TextureSlot, "width" | "nth">): string {
  return `${width} ${nth}`;
}
